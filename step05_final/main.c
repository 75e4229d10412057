/* Step 05: the final server.
 *
 * The main thread waits, accepts, keeps deadlines and frees; workers read, process and
 * write. Each connection is registered with epoll once, edge-triggered, and one atomic
 * word per connection says what has happened and whose it is. Everything has a limit:
 * connections, memory, time; and a stop signal lets every client finish.
 *
 * Read first: state.h, the state word; conn.h; then the turn in server.c; then pool.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "echo.h"
#include "http.h"
#include "log.h"
#include "metrics.h"
#include "net.h"
#include "process.h"
#include "server.h"
#include "timer.h"

#define DESCRIPTORS_OF_OURS 100 /* more than enough beside the connections */

/* How long a client may take to read its last answer and leave: enough for one that is
 * still sending a large body over a slow line; a rejected one has not begun. */
#define LINGER_MS 5000
#define REFUSED_LINGER_MS 1000

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

/* nohup has it ignored, so that a program outlives its terminal (nohup(1)). */
static bool ignores_hangup(void)
{
    struct sigaction action;

    return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
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
    if (!ignores_hangup()) /* blocked, it would be pending although it is ignored */
        sigaddset(stop, SIGHUP);
    sigprocmask(SIG_BLOCK, stop, NULL);
    /* Sending to a client that has left must be an error of that send (EPIPE),
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
 * thread that woke it, in the middle of its batch (sched(7)). On Linux sched_setscheduler
 * would do the same, but as POSIX wants it to set all threads, musl refuses it. */
static void use_batch_scheduling(void)
{
    struct sched_param param;
    int policy;

    if (pthread_getschedparam(pthread_self(), &policy, &param) != 0 ||
        policy != SCHED_OTHER)
        return; /* somebody has chosen another on purpose */
    int error = pthread_setschedparam(pthread_self(), SCHED_BATCH, &param);
    if (error != 0)
        log_line(LOG_WARN, "no_batch_scheduling", "err=%s", log_error_name(error));
}

static int listen_on(const char *text, unsigned port)
{
    struct sockaddr_storage address;

    if (!net_parse_address(text, port, &address)) {
        fprintf(stderr, "server: '%s' is not a numeric IPv4 or IPv6 address\n", text);
        return -1;
    }
    int listener = net_listen(&address);
    if (listener < 0)
        fprintf(stderr, "server: cannot listen on %s port %u: %s\n", text, port,
            strerror(errno));
    return listener;
}

/* What is listened to, and what clients that come there get. */
struct endpoint {
    struct server_listener listener;
    struct service service;
    const char *words; /* before the address, when it is announced */
};

static int64_t limit_ms(unsigned ms)
{
    return ms > 0 ? ms : TIMER_NEVER;
}

static void set_service(
    struct service *service, const struct handler *handler, const struct config *config)
{
    service->handler = handler;
    service->idle_ms = limit_ms(config->idle_ms);
    service->head_ms = limit_ms(config->head_ms);
    service->body_ms = limit_ms(config->body_ms);
    service->write_ms = limit_ms(config->write_ms);
    service->linger_ms = LINGER_MS;
    service->refused_ms = REFUSED_LINGER_MS;
    atomic_init(&service->draining, false);
}

static bool open_endpoint(struct endpoint *endpoint, const struct config *config,
    const struct handler *handler, unsigned port, const char *words)
{
    endpoint->words = words;
    endpoint->listener.service = &endpoint->service;
    endpoint->listener.fd = listen_on(config->address, port);
    set_service(&endpoint->service, handler, config);
    return endpoint->listener.fd >= 0;
}

/* Echo, and HTTP if it is wanted. Returns how many there are; 0: not all can be had. */
static unsigned open_endpoints(struct endpoint endpoints[SERVER_LISTENERS_MAX],
    struct http *http, const struct config *config)
{
    struct http_limits limits = {
        .line_max = config->line_max,
        .fields_max = config->fields_max,
        .field_count_max = config->field_count_max,
        .body_max = config->body_max,
    };

    if (!open_endpoint(
            &endpoints[0], config, &echo_handler, config->port, "listening on"))
        return 0;
    if (!config->http)
        return 1;
    http_init(http, &limits, config->requests_max, config->access_log);
    if (!open_endpoint(
            &endpoints[1], config, &http->handler, config->http_port, "http on")) {
        close(endpoints[0].listener.fd);
        return 0;
    }
    return 2;
}

/* A line for each: the tests, and other programs, read where we are. */
static bool announce(const struct endpoint endpoints[], unsigned count)
{
    char names[SERVER_LISTENERS_MAX][NET_NAME_MAX];

    for (unsigned i = 0; i < count; i++)
        if (!net_local_name(endpoints[i].listener.fd, names[i])) {
            fprintf(stderr, "server: cannot find out the port: %s\n", strerror(errno));
            return false;
        }
    for (unsigned i = 0; i < count; i++)
        if (printf("%s %s\n", endpoints[i].words, names[i]) < 0 || fflush(stdout) != 0) {
            fprintf(stderr, "server: cannot write to stdout: %s\n", strerror(errno));
            return false;
        }
    return true;
}

static struct server *start(const struct endpoint endpoints[], unsigned count,
    const sigset_t *stop, const struct config *config)
{
    struct server_listener listeners[SERVER_LISTENERS_MAX];
    struct server_limits limits = {
        .threads = config->threads,
        .max_connections = config->max_connections,
        .delay_ms = (int)config->drain_delay_ms,
        .drain_ms = (int)config->drain_ms,
    };

    for (unsigned i = 0; i < count; i++)
        listeners[i] = endpoints[i].listener;
    struct server *server = server_new(listeners, count, stop, &limits);
    if (server == NULL)
        fprintf(stderr, "server: cannot start: %s\n", strerror(errno));
    return server;
}

/* From the sockets to the end. Returns the exit status. */
static int serve(const sigset_t *stop, const struct config *config)
{
    struct endpoint endpoints[SERVER_LISTENERS_MAX];
    struct http http;

    unsigned count = open_endpoints(endpoints, &http, config);
    if (count == 0)
        return 1;
    struct server *server = start(endpoints, count, stop, config);
    if (server == NULL)
        return 1;
    bool announced = announce(endpoints, count);
    if (announced && server_run(server) > 0)
        _exit(0); /* a worker is in a long process call: the drain deadline is past */
    server_free(server);
    return announced ? 0 : 1;
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
    if (!metrics_setup(config.threads)) {
        fprintf(stderr, "server: cannot start: %s\n", strerror(errno));
        return 1;
    }
    log_setup(config.log_level);
    raise_descriptor_limit(config.max_connections);
    if (config.batch)
        use_batch_scheduling();
    process_setup(config.wait_us, config.burn_us);
    int status = serve(&stop, &config);
    log_teardown();
    metrics_teardown();
    return status;
}
