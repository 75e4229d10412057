/* config.h - the command line.
 *
 * Reads argv into a struct config and checks everything that can be checked
 * without asking the system: syntax and ranges. Only the system knows whether an
 * address exists or a port is free; net.h asks it. Owns nothing: the strings
 * point into argv. Called once, by main, before anything else.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>

#include "log.h"

struct config {
    const char *address; /* numeric IPv4 or IPv6, not checked here */
    unsigned port;       /* 0 to 65535; 0: the kernel picks one */
    unsigned wait_us;    /* each process call waits this long */
    unsigned burn_us;    /* each process call uses this much CPU time */
    unsigned threads;    /* workers, at least 1 */
    bool http;           /* listen for HTTP, too */
    unsigned http_port;  /* as port */

    /* Limits: what one client, or all together, may cost. Times in ms, 0: no limit, but
     * for the last two. */
    unsigned max_connections; /* at least 1 */
    unsigned idle_ms;
    unsigned write_ms;
    unsigned head_ms;
    unsigned body_ms;
    unsigned drain_delay_ms;
    unsigned drain_ms;

    /* Limits of an HTTP request, in bytes. */
    unsigned line_max;
    unsigned fields_max;
    unsigned field_count_max; /* this one is a number of fields */
    unsigned body_max;
    unsigned requests_max; /* and this one of requests on a connection; 0: no limit */

    enum log_level log_level;
    bool access_log; /* a line for each HTTP request */
    bool batch;      /* run under SCHED_BATCH (sched(7)) */
};

enum config_result {
    CONFIG_RUN,  /* config is filled in */
    CONFIG_HELP, /* usage was asked for and printed on stdout */
    CONFIG_WRONG /* the mistake and the usage were printed on stderr */
};

enum config_result config_parse(struct config *config, int argc, char *argv[]);

#endif
