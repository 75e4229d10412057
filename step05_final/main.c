/* Step 05: the final server.
 *
 * The main thread waits, accepts, keeps deadlines and frees; workers read, process and
 * write. Each connection is registered with epoll once, edge-triggered, and one atomic
 * word per connection says what has happened and whose it is. Everything has a limit:
 * connections, memory, time; and a stop signal lets everybody finish.
 *
 * Read first: conn.h and the state word in conn.c; then turn in server.c; then pool.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "net.h"
#include "process.h"
#include "server.h"
#include "timer.h"

#define DESCRIPTORS_OF_OURS 100 /* more than enough beside the connections */

/* If one of the first three descriptors is closed when we start, a socket would get its
 * number, and what is meant for the terminal would be sent to a client. */
static void keep_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

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
    /* Sending to a client that has left shall be an error of that send (EPIPE),
     * not the end of the process (send(2)). */
    sigaction(SIGPIPE, &on_pipe, NULL);
}

static void raise_descriptor_limit(unsigned max_connections)
{
    unsigned long limit = net_raise_descriptor_limit();

    if (limit < max_connections + DESCRIPTORS_OF_OURS)
        log_line(LOG_WARN, "few_descriptors", "allowed=%lu wanted=%u hint=\"ulimit -Hn\"",
            limit, max_connections + DESCRIPTORS_OF_OURS);
}

/* Threads inherit it. Without it the wake-up of a worker may take the core from the
 * thread that woke it, in the middle of its batch (sched(7)). */
static void use_batch_scheduling(void)
{
    struct sched_param param = {.sched_priority = 0};

    if (sched_getscheduler(0) != SCHED_OTHER)
        return; /* somebody has chosen another on purpose */
    if (sched_setscheduler(0, SCHED_BATCH, &param) < 0)
        log_line(LOG_WARN, "no_batch_scheduling", "err=%s", strerrorname_np(errno));
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

    net_local_name(listener, name);
    if (printf("listening on %s\n", name) > 0 && fflush(stdout) == 0)
        return true;
    fprintf(stderr, "server: cannot write to stdout: %s\n", strerror(errno));
    return false;
}

static int64_t limit_ms(unsigned ms)
{
    return ms > 0 ? ms : TIMER_NEVER;
}

static struct server *start(
    int listener, const sigset_t *stop, const struct config *config)
{
    struct server_limits limits = {
        .threads = config->threads,
        .max_connections = config->max_connections,
        .idle_ms = limit_ms(config->idle_ms),
        .write_ms = limit_ms(config->write_ms),
        .drain_ms = (int)config->drain_ms,
    };
    struct server *server = server_new(listener, stop, &limits);

    if (server == NULL)
        fprintf(stderr, "server: cannot start: %s\n", strerror(errno));
    return server;
}

int main(int argc, char *argv[])
{
    struct config config;
    sigset_t stop;

    keep_standard_descriptors();
    enum config_result result = config_parse(&config, argc, argv);
    if (result != CONFIG_RUN)
        return result == CONFIG_HELP ? 0 : 2;
    handle_signals(&stop);
    log_setup(config.log_level);
    raise_descriptor_limit(config.max_connections);
    if (config.batch)
        use_batch_scheduling();
    process_setup(config.wait_us, config.burn_us);

    int listener = listen_on(&config);
    if (listener < 0)
        return 1;
    struct server *server = start(listener, &stop, &config);
    if (server == NULL)
        return 1;
    bool announced = announce(listener);
    if (announced && server_run(server) > 0)
        _exit(0); /* a worker is in a long process call: the drain deadline is past */
    server_free(server);
    log_teardown();
    return announced ? 0 : 1;
}
