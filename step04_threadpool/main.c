/* Step 04: one thread waits, a pool of workers reads, processes and writes.
 *
 * The main thread owns epoll_wait and accept. A connection that is ready becomes a
 * task in the pool's queue; the worker that takes it does one round of read,
 * process, write and asks for the next event. Slow work overlaps, and all cores
 * work. The price: locks, a question that step 03 did not have (whose is this
 * connection now?), and one more epoll_ctl per request.
 *
 * Read first: server.c, where a connection is handed over and given back; then
 * pool.c. conn.c has not changed.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "net.h"
#include "process.h"
#include "server.h"

#define DESCRIPTORS_WANTED 10100 /* 10,000 connections, and a few of our own */

/* Blocked before anything can go wrong, and never opened again: a pending stop
 * signal is something the server sees, not something that interrupts it. Threads
 * inherit this. */
static void handle_signals(sigset_t *stop)
{
    struct sigaction on_pipe = {.sa_handler = SIG_IGN};

    sigemptyset(stop);
    sigaddset(stop, SIGINT);
    sigaddset(stop, SIGTERM);
    sigprocmask(SIG_BLOCK, stop, NULL);
    /* Sending to a client that has left must be an error of that send (EPIPE),
     * not the end of the process (send(2)). */
    sigaction(SIGPIPE, &on_pipe, NULL);
}

static void raise_descriptor_limit(void)
{
    unsigned long limit = net_raise_descriptor_limit();

    if (limit < DESCRIPTORS_WANTED)
        fprintf(stderr,
            "server: the hard limit (ulimit -Hn) allows %lu descriptors; "
            "10,000 connections need %d\n",
            limit, DESCRIPTORS_WANTED);
}

static int listen_on(const struct config *config)
{
    struct sockaddr_storage address;

    if (!net_parse_address(config->address, config->port, &address)) {
        fprintf(stderr, "server: '%s' is not a numeric IPv4 or IPv6 address\n",
            config->address);
        return -1;
    }
    int listener = net_listen(&address);
    if (listener < 0)
        fprintf(stderr, "server: cannot listen on %s port %u: %s\n", config->address,
            config->port, strerror(errno));
    return listener;
}

static bool announce(int listener)
{
    char name[NET_NAME_MAX];

    if (!net_local_name(listener, name)) {
        fprintf(stderr, "server: cannot find out the port: %s\n", strerror(errno));
        return false;
    }
    if (printf("listening on %s\n", name) > 0 && fflush(stdout) == 0)
        return true;
    fprintf(stderr, "server: cannot write to stdout: %s\n", strerror(errno));
    return false;
}

static bool run(int listener, const sigset_t *stop, unsigned threads)
{
    struct server *server = server_new(listener, stop, threads);

    if (server == NULL) {
        fprintf(stderr, "server: cannot start: %s\n", strerror(errno));
        return false;
    }
    bool announced = announce(listener);
    if (announced)
        server_run(server);
    server_free(server);
    return announced;
}

int main(int argc, char *argv[])
{
    struct config config;
    enum config_result result = config_parse(&config, argc, argv);
    sigset_t stop;

    if (result != CONFIG_RUN)
        return result == CONFIG_HELP ? 0 : 2;
    handle_signals(&stop);
    raise_descriptor_limit();
    process_setup(config.wait_us, config.burn_us);

    int listener = listen_on(&config);
    if (listener < 0)
        return 1;
    bool ran = run(listener, &stop, config.threads);
    close(listener);
    return ran ? 0 : 1;
}
