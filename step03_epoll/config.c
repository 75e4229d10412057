#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_ADDRESS "127.0.0.1" /* a course server is nobody else's business */
#define DEFAULT_PORT 8080
#define PORT_MAX 65535
#define DELAY_US_MAX 60000000 /* a minute: longer is surely a typing error */

static void print_usage(FILE *out, const char *program)
{
    fprintf(out,
        "usage: %s [-b ADDR] [-p PORT] [-w USEC] [-c USEC]\n"
        "  -b ADDR  numeric IPv4 or IPv6 address to listen on (default %s)\n"
        "  -p PORT  port, 0 lets the kernel pick (default %d)\n"
        "  -w USEC  each process call waits this long, as for a database\n"
        "  -c USEC  each process call uses this much CPU time\n"
        "  -h       print this and exit\n",
        program, DEFAULT_ADDRESS, DEFAULT_PORT);
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

    *config = (struct config){.address = DEFAULT_ADDRESS, .port = DEFAULT_PORT};
    while ((option = getopt(argc, argv, "b:p:w:c:h")) != -1) {
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
