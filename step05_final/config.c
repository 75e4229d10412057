#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ADDRESS "127.0.0.1" /* a course server is nobody else's business */
#define DEFAULT_PORT 8080
#define DEFAULT_MAX_CONNECTIONS 16384 /* 10,000 is the goal; each may keep 32 KiB */
#define DEFAULT_IDLE_MS 60000         /* a client that says nothing has left, mostly */
#define DEFAULT_WRITE_MS 30000        /* 32 KiB in that time is slower than a modem */
#define DEFAULT_DRAIN_MS 1000         /* who sends SIGTERM often sends SIGKILL soon */
#define PORT_MAX 65535
#define THREADS_MIN_DEFAULT 4 /* even one core can wait for four databases */
#define THREADS_MAX 1024
#define CONNECTIONS_MAX 1000000
#define DELAY_US_MAX 60000000   /* a minute: longer is surely a typing error */
#define TIMEOUT_MS_MAX 86400000 /* a day */

enum long_option { MAX_CONNECTIONS = 256, IDLE, WRITE, DRAIN, LOG_LEVEL, SCHED };

static const struct option long_options[] = {
    {"max-connections", required_argument, NULL, MAX_CONNECTIONS},
    {"idle-timeout", required_argument, NULL, IDLE},
    {"write-timeout", required_argument, NULL, WRITE},
    {"drain-timeout", required_argument, NULL, DRAIN},
    {"log-level", required_argument, NULL, LOG_LEVEL},
    {"sched", required_argument, NULL, SCHED},
    {NULL, 0, NULL, 0},
};

static void print_usage(FILE *out, const char *program)
{
    fprintf(out,
        "usage: %s [-b ADDR] [-p PORT] [-w USEC] [-c USEC] [-t N] [OPTION...]\n"
        "  -b ADDR  numeric IPv4 or IPv6 address to listen on (default %s)\n"
        "  -p PORT  port, 0 lets the kernel pick (default %d)\n"
        "  -w USEC  each process call waits this long, as for a database\n"
        "  -c USEC  each process call uses this much CPU time\n"
        "  -t N     worker threads, 1 to %d (default: %d, or the cores if more)\n"
        "  -h       print this and exit\n",
        program, DEFAULT_ADDRESS, DEFAULT_PORT, THREADS_MAX, THREADS_MIN_DEFAULT);
    fprintf(out,
        "  --max-connections N  open at once; later clients are closed (default %d)\n"
        "  --idle-timeout MS    for a client to say something; 0: for ever (default %d)\n"
        "  --write-timeout MS   for a client to take an answer; 0: for ever (default "
        "%d)\n"
        "  --drain-timeout MS   for all to end after SIGTERM or SIGINT (default %d)\n"
        "  --log-level LEVEL    error, warn, info (default) or debug\n"
        "  --sched POLICY       batch (default): a thread that becomes ready does not\n"
        "                       interrupt the one at work, which is faster, but beside "
        "a\n"
        "                       busy neighbour process it waits longer; or normal\n",
        DEFAULT_MAX_CONNECTIONS, DEFAULT_IDLE_MS, DEFAULT_WRITE_MS, DEFAULT_DRAIN_MS);
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

static bool parse_sched(const char *text, bool *batch)
{
    *batch = strcmp(text, "batch") == 0;
    return *batch || strcmp(text, "normal") == 0;
}

static bool parse_long_option(struct config *config, int option, const char *argument)
{
    switch (option) {
    case MAX_CONNECTIONS:
        return parse_number(argument, CONNECTIONS_MAX, &config->max_connections) &&
               config->max_connections > 0;
    case IDLE:
        return parse_number(argument, TIMEOUT_MS_MAX, &config->idle_ms);
    case WRITE:
        return parse_number(argument, TIMEOUT_MS_MAX, &config->write_ms);
    case DRAIN:
        return parse_number(argument, TIMEOUT_MS_MAX, &config->drain_ms);
    case LOG_LEVEL:
        return log_parse_level(argument, &config->log_level);
    case SCHED:
        return parse_sched(argument, &config->batch);
    default:
        return false;
    }
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
        return parse_long_option(config, option, argument);
    }
}

static void print_bad_value(const char *program, int option, const char *value)
{
    if (option < MAX_CONNECTIONS) {
        fprintf(stderr, "%s: -%c: bad value '%s'\n", program, option, value);
        return;
    }
    for (const struct option *o = long_options; o->name != NULL; o++)
        if (o->val == option)
            fprintf(stderr, "%s: --%s: bad value '%s'\n", program, o->name, value);
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
        .max_connections = DEFAULT_MAX_CONNECTIONS,
        .idle_ms = DEFAULT_IDLE_MS,
        .write_ms = DEFAULT_WRITE_MS,
        .drain_ms = DEFAULT_DRAIN_MS,
        .log_level = LOG_INFO,
        .batch = true,
    };
    while ((option = getopt_long(argc, argv, "b:p:w:c:t:h", long_options, NULL)) != -1) {
        if (option == 'h') {
            print_usage(stdout, argv[0]);
            return CONFIG_HELP;
        }
        if (option == '?') /* getopt_long has said what is wrong */
            return wrong(argv[0]);
        if (!parse_option(config, option, optarg)) {
            print_bad_value(argv[0], option, optarg);
            return wrong(argv[0]);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected operand '%s'\n", argv[0], argv[optind]);
        return wrong(argv[0]);
    }
    return CONFIG_RUN;
}
