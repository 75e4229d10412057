#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_ADDRESS "127.0.0.1" /* a course server is nobody else's business */
#define DEFAULT_PORT 8080
#define PORT_MAX 65535
#define THREADS_MIN_DEFAULT 4 /* even one core can wait for four databases */
#define THREADS_MAX 1024
#define DELAY_US_MAX 60000000 /* a minute: longer is surely a typing error */

static void print_usage(FILE *out, const char *program)
{
    fprintf(out,
        "usage: %s [-b ADDR] [-p PORT] [-w USEC] [-c USEC] [-t N]\n"
        "  -b ADDR  numeric IPv4 or IPv6 address to listen on (default %s)\n"
        "  -p PORT  port, 0 lets the kernel pick (default %d)\n"
        "  -w USEC  each process call waits this long, as for a database\n"
        "  -c USEC  each process call uses this much CPU time\n"
        "  -t N     worker threads, 1 to %d (default: %d, or the cores if more)\n"
        "  -h       print this and exit\n",
        program, DEFAULT_ADDRESS, DEFAULT_PORT, THREADS_MAX, THREADS_MIN_DEFAULT);
}

/* strtoul alone would take "", " 1", "+1", "-1" and "1x". */
static bool parse_number(const char *text, unsigned max, unsigned *value)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || number > max)
        return false;
    *value = (unsigned)number;
    return true;
}

/* The cores we may use, which need not be all that the machine has. */
static unsigned default_threads(void)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return THREADS_MIN_DEFAULT;
    unsigned cores = (unsigned)CPU_COUNT(&allowed);
    return cores > THREADS_MIN_DEFAULT ? cores : THREADS_MIN_DEFAULT;
}

static bool parse_option(struct config *config, int option, const char *argument)
{
    switch (option) {
    case 'b':
        config->address = argument;
        return true;
    case 'p':
        return parse_number(argument, PORT_MAX, &config->port);
    case 'w':
        return parse_number(argument, DELAY_US_MAX, &config->wait_us);
    case 'c':
        return parse_number(argument, DELAY_US_MAX, &config->burn_us);
    case 't':
        return parse_number(argument, THREADS_MAX, &config->threads) &&
               config->threads > 0;
    default:
        return false;
    }
}

static enum config_result wrong(const char *program)
{
    print_usage(stderr, program);
    return CONFIG_WRONG;
}

enum config_result config_parse(struct config *config, int argc, char *argv[])
{
    int option;

    *config = (struct config){
        .address = DEFAULT_ADDRESS,
        .port = DEFAULT_PORT,
        .threads = default_threads(),
    };
    while ((option = getopt(argc, argv, "b:p:w:c:t:h")) != -1) {
        if (option == 'h') {
            print_usage(stdout, argv[0]);
            return CONFIG_HELP;
        }
        if (option == '?') /* getopt has said what is wrong */
            return wrong(argv[0]);
        if (!parse_option(config, option, optarg)) {
            fprintf(stderr, "%s: -%c: bad value '%s'\n", argv[0], option, optarg);
            return wrong(argv[0]);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected operand '%s'\n", argv[0], argv[optind]);
        return wrong(argv[0]);
    }
    return CONFIG_RUN;
}
