/* config.h - the command line.
 *
 * Reads argv into a struct config and checks everything that can be checked
 * without asking the system: syntax and ranges. Only the system knows whether an
 * address exists or a port is free; net.h asks it. Owns nothing: the strings
 * point into argv. Called once, by main, before anything else.
 */
#ifndef CONFIG_H
#define CONFIG_H

struct config {
    const char *address; /* numeric IPv4 or IPv6, not checked here */
    unsigned port;       /* 0 to 65535; 0: the kernel picks one */
    unsigned wait_us;    /* each process call waits this long */
    unsigned burn_us;    /* each process call uses this much CPU time */
};

enum config_result {
    CONFIG_RUN,  /* config is filled in */
    CONFIG_HELP, /* usage was asked for and printed on stdout */
    CONFIG_WRONG /* the mistake and the usage were printed on stderr */
};

enum config_result config_parse(struct config *config, int argc, char *argv[]);

#endif
