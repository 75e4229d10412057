#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ADDRESS "127.0.0.1" /* a course server is nobody else's business */
#define DEFAULT_PORT 8080
#define PORT_MAX 65535
#define THREADS_MIN_DEFAULT 4 /* even one core can wait for four databases */
#define THREADS_MAX 1024
#define DELAY_US_MAX 60000000   /* a minute: longer is surely a typing error */
#define TIMEOUT_MS_MAX 86400000 /* a day */
#define CONNECTIONS_MAX 1000000
#define BYTES_MAX (1 << 30)
#define COUNT_MAX 1000000000

/* The long options with a number. Each default has its reason in the README. */
static const struct limit {
    const char *name, *unit;
    size_t offset; /* in struct config */
    unsigned min, max, standard;
    const char *help;
} limits[] = {
#define MEMBER(member) offsetof(struct config, member)
    {"max-connections", "N", MEMBER(max_connections), 1, CONNECTIONS_MAX, 16384,
        "open at once; later clients are rejected"},
    {"idle-timeout", "MS", MEMBER(idle_ms), 0, TIMEOUT_MS_MAX, 60000,
        "for a client to say something; 0: forever"},
    {"write-timeout", "MS", MEMBER(write_ms), 0, TIMEOUT_MS_MAX, 30000,
        "for a client to take an answer; 0: forever"},
    {"header-timeout", "MS", MEMBER(head_ms), 0, TIMEOUT_MS_MAX, 10000,
        "from the first byte of an HTTP request to the end of its header; 0: forever"},
    {"body-timeout", "MS", MEMBER(body_ms), 0, TIMEOUT_MS_MAX, 30000,
        "from there to the end of its body; 0: forever"},
    {"max-line", "BYTES", MEMBER(line_max), 1, BYTES_MAX, 8192,
        "of an HTTP request line"},
    {"max-header", "BYTES", MEMBER(fields_max), 1, BYTES_MAX, 16384,
        "of all header fields of a request"},
    {"max-fields", "N", MEMBER(field_count_max), 1, COUNT_MAX, 100,
        "header fields of a request"},
    {"max-body", "BYTES", MEMBER(body_max), 0, BYTES_MAX, 1048576, "of a request's body"},
    {"max-requests", "N", MEMBER(requests_max), 0, COUNT_MAX, 10000,
        "on one HTTP connection; 0: no limit"},
    {"drain-delay", "MS", MEMBER(drain_delay_ms), 0, TIMEOUT_MS_MAX, 0,
        "after a stop signal go on, while /healthz says 503"},
    {"drain-timeout", "MS", MEMBER(drain_ms), 0, TIMEOUT_MS_MAX, 1000,
        "then, for all to end"},
#undef MEMBER
};

#define LIMITS (sizeof limits / sizeof limits[0])

/* What getopt_long returns for the long options: first the limits, in their order. */
enum { FIRST_LONG = 256, HTTP = FIRST_LONG + LIMITS, LOG_LEVEL, ACCESS_LOG, SCHED };

static const struct option other_options[] = {
    {"http", required_argument, NULL, HTTP},
    {"log-level", required_argument, NULL, LOG_LEVEL},
    {"access-log", no_argument, NULL, ACCESS_LOG},
    {"sched", required_argument, NULL, SCHED},
    {NULL, 0, NULL, 0},
};

#define OTHERS (sizeof other_options / sizeof other_options[0])

static void list_long_options(struct option list[LIMITS + OTHERS])
{
    for (size_t i = 0; i < LIMITS; i++)
        list[i] =
            (struct option){limits[i].name, required_argument, NULL, FIRST_LONG + (int)i};
    memcpy(list + LIMITS, other_options, sizeof other_options);
}

static void print_usage(FILE *out, const char *program)
{
    fprintf(out,
        "usage: %s [-b ADDR] [-p PORT] [-w USEC] [-c USEC] [-t N] [OPTION...]\n"
        "  -b ADDR  numeric IPv4 or IPv6 address to listen on (default %s)\n"
        "  -p PORT  port, 0 lets the kernel pick (default %d)\n"
        "  -w USEC  each process call waits this long, as for a database\n"
        "  -c USEC  each process call uses this much CPU time\n"
        "  -t N     worker threads, 1 to %d (default: %d, or the cores if more)\n"
        "  -h       print this and exit\n"
        "  --http PORT\n"
        "      listen for HTTP/1.1 as well; 0 lets the kernel pick\n",
        program, DEFAULT_ADDRESS, DEFAULT_PORT, THREADS_MAX, THREADS_MIN_DEFAULT);
    for (size_t i = 0; i < LIMITS; i++)
        fprintf(out, "  --%s %s\n      %s (default %u)\n", limits[i].name, limits[i].unit,
            limits[i].help, limits[i].standard);
    fprintf(out, "  --log-level LEVEL\n"
                 "      error, warn, info (default) or debug\n"
                 "  --access-log\n"
                 "      a line for each HTTP request, at the level info\n"
                 "  --sched POLICY\n"
                 "      batch (default): a thread that becomes ready does not interrupt "
                 "the one\n"
                 "      at work, which is faster, but beside another busy process it "
                 "waits\n"
                 "      longer; or normal\n");
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

static unsigned *limit_in(struct config *config, const struct limit *limit)
{
    return (unsigned *)((char *)config + limit->offset);
}

static bool parse_limit(
    struct config *config, const struct limit *limit, const char *argument)
{
    unsigned *value = limit_in(config, limit);

    return parse_number(argument, limit->max, value) && *value >= limit->min;
}

static bool parse_long_option(struct config *config, int option, const char *argument)
{
    switch (option) {
    case HTTP:
        config->http = true;
        return parse_number(argument, PORT_MAX, &config->http_port);
    case LOG_LEVEL:
        return log_parse_level(argument, &config->log_level);
    case ACCESS_LOG:
        config->access_log = true;
        return true;
    case SCHED:
        return parse_sched(argument, &config->batch);
    default:
        return parse_limit(config, &limits[option - FIRST_LONG], argument);
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

static void print_bad_value(
    const char *program, int option, const char *value, const struct option options[])
{
    if (option < FIRST_LONG) {
        fprintf(stderr, "%s: -%c: bad value '%s'\n", program, option, value);
        return;
    }
    for (const struct option *o = options; o->name != NULL; o++)
        if (o->val == option)
            fprintf(stderr, "%s: --%s: bad value '%s'\n", program, o->name, value);
}

static enum config_result wrong(const char *program)
{
    print_usage(stderr, program);
    return CONFIG_WRONG;
}

static void set_defaults(struct config *config)
{
    *config = (struct config){
        .address = DEFAULT_ADDRESS,
        .port = DEFAULT_PORT,
        .threads = default_threads(),
        .log_level = LOG_INFO,
        .batch = true,
    };
    for (size_t i = 0; i < LIMITS; i++)
        *limit_in(config, &limits[i]) = limits[i].standard;
}

enum config_result config_parse(struct config *config, int argc, char *argv[])
{
    struct option options[LIMITS + OTHERS];
    int option;

    set_defaults(config);
    list_long_options(options);
    while ((option = getopt_long(argc, argv, "b:p:w:c:t:h", options, NULL)) != -1) {
        if (option == 'h') {
            print_usage(stdout, argv[0]);
            return CONFIG_HELP;
        }
        if (option == '?') /* getopt_long has said what is wrong */
            return wrong(argv[0]);
        if (!parse_option(config, option, optarg)) {
            print_bad_value(argv[0], option, optarg, options);
            return wrong(argv[0]);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected operand '%s'\n", argv[0], argv[optind]);
        return wrong(argv[0]);
    }
    return CONFIG_RUN;
}
