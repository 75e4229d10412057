/* A correct server: one thread waits, and each worker has a queue of its own.
 *
 * suites: 04
 *
 * The main thread alone talks to epoll. When a connection is ready it is taken off the
 * interest list and put into the queue of the worker that has the least to do. The
 * worker reads, processes and writes, and sends the connection back through a list; the
 * main thread puts it on the interest list again, or ends it. A worker with an empty
 * queue steals from the others, so nobody is idle while somebody waits.
 *
 * Each connection is in one place at a time: in epoll, in a queue, with a worker, or on
 * the way back. All ways lead through a mutex, so no other token of ownership is needed.
 * The price are two calls of epoll_ctl for each message, and a byte through the eventfd.
 *
 * What the tests must not take for granted, and this server does differently: there is
 * not one queue but many, nothing is one-shot or armed again by a worker, and only the
 * main thread ends a connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_LEN 12288
#define BATCH_MAX 128
#define ACCEPTS_MAX 64 /* in a row; then the others */
#define PAUSE_MS 50    /* out of descriptors; sooner if a connection ends */
#define WORKERS_MIN 4
#define WORKERS_MAX 1024
#define DESCRIPTORS_WANTED 10100
#define DELAY_US_MAX 60000000

enum state { READS, WRITES, IS_OVER };

/* Whoever has it may use all of it, but for the two links, which are the main thread's.
 */
struct connection {
    int fd;
    enum state state;        /* what it waits for, once it is back */
    struct connection *next; /* in a queue, or on the way back */
    struct connection *older, *newer;
    size_t sent, len;
    char buffer[BUFFER_LEN];
};

/* First in, first out. Not locked by itself. */
struct queue {
    struct connection *first, *last;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue queue; /* lock held */
    bool stop;          /* lock held */
    /* How many it has, queued or in its hands. A hint for whom to give the next: 0 means
     * idle, and only the main thread makes it more than 0 then. */
    atomic_uint load;
};

static const char *address = "127.0.0.1";
static unsigned port = 8080, wait_us, burn_us, workers_count;

static struct worker workers[WORKERS_MAX];

static struct {
    pthread_mutex_t lock;
    struct queue queue; /* lock held */
    int event_fd;       /* readable while something may be there */
} back = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The main thread's. */
static int epoll_fd, listener, signal_fd;
static bool paused; /* the listener is not on the interest list */
static struct connection *newest;

/* ---- queues ------------------------------------------------------------------ */

static void append(struct queue *queue, struct connection *connection)
{
    connection->next = NULL;
    if (queue->first == NULL)
        queue->first = connection;
    else
        queue->last->next = connection;
    queue->last = connection;
}

static struct connection *take_first(struct queue *queue)
{
    struct connection *first = queue->first;

    if (first != NULL)
        queue->first = first->next;
    return first;
}

/* ---- process ----------------------------------------------------------------- */

static long long clock_ns(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void process(void)
{
    struct timespec rest = {wait_us / 1000000, wait_us % 1000000 * 1000L};
    long long begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);

    while (wait_us > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR)
        ;
    while (burn_us > 0 && clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin < burn_us * 1000LL)
        ;
}

/* ---- a worker ---------------------------------------------------------------- */

/* One read, or what is left of the last one; then as much as the socket takes. */
static enum state serve(struct connection *connection)
{
    ssize_t n;

    if (connection->len == 0) {
        n = recv(connection->fd, connection->buffer, BUFFER_LEN, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return READS;
        if (n <= 0)
            return IS_OVER;
        connection->len = (size_t)n;
        process();
    }
    n = send(connection->fd, connection->buffer + connection->sent,
        connection->len - connection->sent, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? WRITES : IS_OVER;
    connection->sent += (size_t)n;
    if (connection->sent < connection->len)
        return WRITES;
    connection->sent = connection->len = 0;
    return READS;
}

static void send_back(struct connection *connection)
{
    pthread_mutex_lock(&back.lock);
    bool was_empty = back.queue.first == NULL;
    append(&back.queue, connection);
    pthread_mutex_unlock(&back.lock);
    if (was_empty)
        eventfd_write(back.event_fd, 1);
}

static struct connection *take_from(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct connection *connection = take_first(&worker->queue);
    pthread_mutex_unlock(&worker->lock);
    return connection;
}

/* From its own queue, or else from another one; then the load moves as well. */
static struct connection *find_work(struct worker *self)
{
    struct connection *found = take_from(self);
    unsigned number = (unsigned)(self - workers);

    for (unsigned i = 1; i < workers_count && found == NULL; i++) {
        struct worker *other = &workers[(number + i) % workers_count];
        found = take_from(other);
        if (found != NULL) {
            atomic_fetch_add(&self->load, 1);
            atomic_fetch_sub(&other->load, 1);
        }
    }
    return found;
}

/* What comes while it looks round comes to this queue: its load is 0, so nobody has less.
 * true: there may be work; false: it is time to stop. */
static bool wait_for_work(struct worker *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->queue.first == NULL && !self->stop)
        pthread_cond_wait(&self->wake, &self->lock);
    bool goes_on = !self->stop;
    pthread_mutex_unlock(&self->lock);
    return goes_on;
}

static bool is_stopped(struct worker *self)
{
    pthread_mutex_lock(&self->lock);
    bool stop = self->stop;
    pthread_mutex_unlock(&self->lock);
    return stop;
}

static void *work(void *argument)
{
    struct worker *self = argument;

    while (!is_stopped(self)) {
        struct connection *connection = find_work(self);
        if (connection == NULL) {
            if (!wait_for_work(self))
                break;
            continue;
        }
        connection->state = serve(connection);
        atomic_fetch_sub(&self->load, 1);
        send_back(connection);
    }
    return NULL;
}

/* ---- the main thread: connections --------------------------------------------- */

static void end_connection(struct connection *connection)
{
    close(connection->fd);
    if (connection->newer != NULL)
        connection->newer->older = connection->older;
    else
        newest = connection->older;
    if (connection->older != NULL)
        connection->older->newer = connection->newer;
    free(connection);
}

static bool watch(int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void watch_connection(struct connection *connection)
{
    uint32_t events = connection->state == READS ? EPOLLIN : EPOLLOUT;

    if (connection->state == IS_OVER || !watch(connection->fd, events, connection))
        end_connection(connection);
}

static void watch_listener(void)
{
    if (paused)
        paused = !watch(listener, EPOLLIN, &listener);
}

static void hand_over(struct connection *connection)
{
    struct worker *least = &workers[0];

    if (epoll_ctl(epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL) < 0) {
        end_connection(connection); /* or it would be reported while a worker has it */
        return;
    }
    for (unsigned i = 1; i < workers_count; i++)
        if (atomic_load(&workers[i].load) < atomic_load(&least->load))
            least = &workers[i];
    atomic_fetch_add(&least->load, 1);
    pthread_mutex_lock(&least->lock);
    append(&least->queue, connection);
    pthread_mutex_unlock(&least->lock);
    pthread_cond_signal(&least->wake);
}

static void take_back(void)
{
    eventfd_t ignored;

    eventfd_read(back.event_fd, &ignored);
    pthread_mutex_lock(&back.lock);
    struct connection *connection = back.queue.first;
    back.queue.first = NULL;
    pthread_mutex_unlock(&back.lock);
    while (connection != NULL) {
        struct connection *next = connection->next;
        if (connection->state == IS_OVER)
            watch_listener(); /* its descriptor may be what was missing */
        watch_connection(connection);
        connection = next;
    }
}

static void accept_clients(void)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                paused = epoll_ctl(epoll_fd, EPOLL_CTL_DEL, listener, NULL) == 0;
            return;
        }
        struct connection *connection = malloc(sizeof *connection);
        if (connection == NULL) {
            close(fd);
            return;
        }
        connection->fd = fd;
        connection->state = READS;
        connection->sent = connection->len = 0;
        connection->newer = NULL;
        connection->older = newest;
        if (newest != NULL)
            newest->newer = connection;
        newest = connection;
        watch_connection(connection);
    }
}

/* Until a stop signal comes. */
static void run(void)
{
    struct epoll_event events[BATCH_MAX];

    for (;;) {
        int count = epoll_wait(epoll_fd, events, BATCH_MAX, paused ? PAUSE_MS : -1);
        for (int i = 0; i < count; i++) {
            void *owner = events[i].data.ptr;
            if (owner == &signal_fd)
                return;
            if (owner == &listener)
                accept_clients();
            else if (owner == &back)
                take_back();
            else
                hand_over(owner);
        }
        if (count == 0)
            watch_listener();
    }
}

/* ---- the main thread: start and end -------------------------------------------- */

/* 0, or why it cannot be. */
static int start_workers(void)
{
    int error = 0;

    for (unsigned i = 0; i < workers_count && error == 0; i++) {
        pthread_mutex_init(&workers[i].lock, NULL);
        pthread_cond_init(&workers[i].wake, NULL);
    }
    for (unsigned i = 0; i < workers_count && error == 0; i++)
        error = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    return error;
}

/* Who is at work finishes it and answers. What is queued is dropped. */
static void stop_workers(void)
{
    for (unsigned i = 0; i < workers_count; i++) {
        pthread_mutex_lock(&workers[i].lock);
        workers[i].stop = true;
        pthread_mutex_unlock(&workers[i].lock);
        pthread_cond_signal(&workers[i].wake);
    }
    for (unsigned i = 0; i < workers_count; i++)
        pthread_join(workers[i].thread, NULL);
    while (newest != NULL)
        end_connection(newest);
}

static bool open_all(const sigset_t *stop)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    signal_fd = signalfd(-1, stop, SFD_CLOEXEC);
    back.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return epoll_fd >= 0 && signal_fd >= 0 && back.event_fd >= 0 &&
           watch(signal_fd, EPOLLIN, &signal_fd) &&
           watch(back.event_fd, EPOLLIN, &back) && watch(listener, EPOLLIN, &listener);
}

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool listen_at(union name *name)
{
    socklen_t len = name->any.sa_family == AF_INET ? sizeof name->v4 : sizeof name->v6;
    int on = 1;

    listener = socket(name->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return listener >= 0 &&
           setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(listener, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) == 0 &&
           setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           bind(listener, &name->any, len) == 0 && listen(listener, SOMAXCONN) == 0 &&
           getsockname(listener, &name->any, &len) == 0;
}

static bool read_address(union name *name)
{
    if (strchr(address, ':') != NULL) {
        name->v6.sin6_family = AF_INET6;
        name->v6.sin6_port = htons((in_port_t)port);
        return inet_pton(AF_INET6, address, &name->v6.sin6_addr) == 1;
    }
    name->v4.sin_family = AF_INET;
    name->v4.sin_port = htons((in_port_t)port);
    return inet_pton(AF_INET, address, &name->v4.sin_addr) == 1;
}

static void announce(const union name *name)
{
    char host[INET6_ADDRSTRLEN];

    if (name->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &name->v4.sin_addr, host, sizeof host);
        printf("listening on %s:%u\n", host, ntohs(name->v4.sin_port));
    } else {
        inet_ntop(AF_INET6, &name->v6.sin6_addr, host, sizeof host);
        printf("listening on [%s]:%u\n", host, ntohs(name->v6.sin6_port));
    }
    fflush(stdout);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < DESCRIPTORS_WANTED)
        fprintf(stderr, "queues: only %llu descriptors may be open\n",
            (unsigned long long)limit.rlim_max);
}

/* ---- the command line ---------------------------------------------------------- */

static const struct option_row {
    char letter;
    unsigned *value; /* NULL: the address */
    unsigned min, max;
    const char *help;
} options[] = {
    {'b', NULL, 0, 0, "numeric address (127.0.0.1)"},
    {'p', &port, 0, 65535, "port (8080), 0 for any"},
    {'w', &wait_us, 0, DELAY_US_MAX, "microseconds to wait in process"},
    {'c', &burn_us, 0, DELAY_US_MAX, "microseconds to compute in process"},
    {'t', &workers_count, 1, WORKERS_MAX, "workers (as many as cores, 4 or more)"},
};

#define OPTIONS (sizeof options / sizeof options[0])

static void print_usage(FILE *out)
{
    fputs("usage: queues [OPTION VALUE]...\n", out);
    for (size_t i = 0; i < OPTIONS; i++)
        fprintf(out, "  -%c  %s\n", options[i].letter, options[i].help);
    fputs("  -h  what you are reading\n", out);
}

static bool read_value(const struct option_row *row, const char *text)
{
    unsigned long long sum = 0;

    if (row->value == NULL) {
        address = text;
        return true;
    }
    for (const char *digit = text; *digit != '\0'; digit++) {
        if (!isdigit((unsigned char)*digit) || sum > row->max)
            return false;
        sum = sum * 10 + (unsigned)(*digit - '0');
    }
    *row->value = (unsigned)sum;
    return *text != '\0' && sum >= row->min && sum <= row->max;
}

/* NULL, or the word that is bad. */
static const char *read_options(char **word)
{
    for (; *word != NULL; word += 2) {
        size_t i = 0;
        if (strcmp(*word, "-h") == 0) {
            print_usage(stdout);
            exit(0);
        }
        while (i < OPTIONS && ((*word)[0] != '-' || (*word)[1] != options[i].letter ||
                                  (*word)[2] != '\0'))
            i++;
        if (i == OPTIONS || word[1] == NULL || !read_value(&options[i], word[1]))
            return *word;
    }
    return NULL;
}

static unsigned default_workers(void)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0 ||
        CPU_COUNT(&allowed) < WORKERS_MIN)
        return WORKERS_MIN;
    return (unsigned)CPU_COUNT(&allowed);
}

int main(int argc, char *argv[])
{
    union name name = {.v6.sin6_port = 0};
    const char *bad = argc > 1 ? read_options(argv + 1) : NULL;
    sigset_t stop;

    if (bad != NULL) {
        fprintf(stderr, "queues: I cannot use '%s'\n", bad);
        print_usage(stderr);
        return 2;
    }
    if (workers_count == 0)
        workers_count = default_workers();
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    raise_descriptor_limit();
    if (!read_address(&name)) {
        fprintf(stderr, "queues: no numeric address: %s\n", address);
        return 1;
    }
    if (!listen_at(&name)) {
        fprintf(stderr, "queues: %s, port %u: %s\n", address, port, strerror(errno));
        return 1;
    }
    int error = open_all(&stop) ? start_workers() : errno;
    if (error != 0) {
        fprintf(stderr, "queues: cannot start: %s\n", strerror(error));
        return 1;
    }
    announce(&name);
    run();
    stop_workers();
    return 0;
}
