/* A correct server: several reactors, each with its own epoll and its own clients.
 *
 * suites: 04
 *
 * One thread accepts (a blocking accept, nothing else) and deals the clients out to the
 * reactors in turn: it writes the descriptor into the reactor's pipe. From then on a
 * client belongs to that reactor alone, which waits, reads, processes and writes; nothing
 * is shared, and nothing is locked. The main thread sleeps until a stop signal comes.
 *
 * Clients that come one after the other get different reactors, so slow work overlaps as
 * step 04 asks. (A client whose reactor is busy has to wait though others are idle: the
 * price of this design.) A listener for each reactor with SO_REUSEPORT would spare us the
 * first thread, but it would also let two servers share a port, unnoticed.
 *
 * What the tests must not take for granted, and this server does differently: it has one
 * thread more than main and workers, it reads on while output is pending (into a ring),
 * no event is one-shot, the listener blocks, and answers leave by writev.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RING_LEN 16384
#define EVENTS_MAX 64 /* per epoll_wait; who is left out is reported again */
#define REACTORS_MIN 4
#define REACTORS_MAX 512
#define RETRY_US 20000
#define DESCRIPTORS_WANTED 12000 /* 10,000 clients, and pipes and epolls of ours */
#define DELAY_US_MAX 60000000

struct client {
    int fd;
    uint32_t wants;       /* what epoll was told */
    bool ended;           /* it has sent all that it will */
    size_t begin, len;    /* output: ring[begin ...], len bytes, round the end */
    struct client **self; /* in the list of its reactor */
    struct client *next;
    char ring[RING_LEN];
};

struct reactor {
    pthread_t thread;
    int epoll_fd;
    int pipe[2];            /* new descriptors; its end is the end of the reactor */
    struct client *clients; /* all of them; the reactor's thread only */
};

static struct {
    const char *address;
    unsigned port, wait_us, burn_us, reactors;
} config = {.address = "127.0.0.1", .port = 8080};

static struct reactor reactors[REACTORS_MAX];
static atomic_bool stopping; /* no turn begins any more; relaxed, for it guards no data */

static bool is_stopping(void)
{
    return atomic_load_explicit(&stopping, memory_order_relaxed);
}

/* ---- the work ---------------------------------------------------------------- */

static void pause_us(unsigned us)
{
    struct timespec left = {us / 1000000, (long)(us % 1000000) * 1000};

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

static double cpu_us(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static void process(void)
{
    if (config.wait_us > 0)
        pause_us(config.wait_us);
    if (config.burn_us > 0) {
        double end = cpu_us() + config.burn_us;
        while (cpu_us() < end)
            ;
    }
}

/* ---- a client's turn --------------------------------------------------------- */

static bool is_transient(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* One read, into the free part of the ring that is in one piece. false: it has failed. */
static bool take(struct client *client)
{
    size_t end = (client->begin + client->len) % RING_LEN;
    size_t room = end < client->begin ? client->begin - end : RING_LEN - end;
    ssize_t n = recv(client->fd, client->ring + end, room, 0);

    if (n < 0)
        return is_transient(errno);
    client->ended = n == 0;
    client->len += (size_t)n;
    if (n > 0)
        process();
    return true;
}

/* As much of the ring as the socket takes. false: it has failed. */
static bool give(struct client *client)
{
    size_t first = RING_LEN - client->begin;
    struct iovec pieces[2] = {{client->ring + client->begin, client->len}};
    int count = 1;

    if (client->len > first) {
        pieces[0].iov_len = first;
        pieces[1] = (struct iovec){client->ring, client->len - first};
        count = 2;
    }
    ssize_t n = writev(client->fd, pieces, count);
    if (n < 0)
        return is_transient(errno);
    client->begin = (client->begin + (size_t)n) % RING_LEN;
    client->len -= (size_t)n;
    if (client->len == 0)
        client->begin = 0; /* the next read has all the room in one piece */
    return true;
}

static bool listen_for_what_it_wants(struct reactor *reactor, struct client *client)
{
    uint32_t wants = 0;

    if (!client->ended && client->len < RING_LEN)
        wants |= EPOLLIN;
    if (client->len > 0)
        wants |= EPOLLOUT;
    if (wants == client->wants)
        return true;
    client->wants = wants;
    struct epoll_event event = {.events = wants, .data.ptr = client};
    return epoll_ctl(reactor->epoll_fd, EPOLL_CTL_MOD, client->fd, &event) == 0;
}

static void end_client(struct client *client)
{
    close(client->fd); /* the only descriptor of this socket, so epoll forgets it */
    *client->self = client->next;
    if (client->next != NULL)
        client->next->self = client->self;
    free(client);
}

/* A client that has gone altogether is reported whatever we want: then the call that we
 * are about to make fails, and says so. */
static void serve(struct reactor *reactor, struct client *client, uint32_t events)
{
    bool alive = true;

    if ((client->wants & EPOLLIN) && (events & ~(uint32_t)EPOLLOUT))
        alive = take(client);
    if (alive && client->len > 0)
        alive = give(client);
    if (!alive || (client->ended && client->len == 0) ||
        !listen_for_what_it_wants(reactor, client))
        end_client(client);
}

/* ---- a reactor --------------------------------------------------------------- */

static void adopt(struct reactor *reactor, int fd)
{
    struct client *client = malloc(sizeof *client);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    if (client == NULL) {
        close(fd);
        return;
    }
    client->fd = fd;
    client->wants = EPOLLIN;
    client->ended = false;
    client->begin = client->len = 0;
    client->next = reactor->clients;
    client->self = &reactor->clients;
    if (client->next != NULL)
        client->next->self = &client->next;
    reactor->clients = client;
    if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        end_client(client);
}

/* false: nobody will bring more. */
static bool adopt_new_clients(struct reactor *reactor)
{
    int fds[EVENTS_MAX];
    ssize_t n = read(reactor->pipe[0], fds, sizeof fds);

    /* A pipe takes and gives so few bytes at once, so no number comes in two halves. */
    for (ssize_t i = 0; i < n / (ssize_t)sizeof fds[0]; i++)
        adopt(reactor, fds[i]);
    return n > 0 || (n < 0 && is_transient(errno));
}

static void *react(void *argument)
{
    struct reactor *reactor = argument;
    struct epoll_event events[EVENTS_MAX];
    bool goes_on = true;

    while (goes_on) {
        int count = epoll_wait(reactor->epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count && goes_on; i++) {
            if (is_stopping())
                goes_on = false;
            else if (events[i].data.ptr == reactor)
                goes_on = adopt_new_clients(reactor);
            else
                serve(reactor, events[i].data.ptr, events[i].events);
        }
    }
    while (reactor->clients != NULL)
        end_client(reactor->clients);
    return NULL;
}

static int start_reactor(struct reactor *reactor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = reactor};

    reactor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (reactor->epoll_fd < 0 || pipe2(reactor->pipe, O_NONBLOCK | O_CLOEXEC) < 0 ||
        epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, reactor->pipe[0], &event) < 0)
        return errno;
    return pthread_create(&reactor->thread, NULL, react, reactor);
}

/* ---- accepting --------------------------------------------------------------- */

static void *accept_clients(void *listener)
{
    for (unsigned turn = 0; !is_stopping(); turn = (turn + 1) % config.reactors) {
        int fd = accept4(*(int *)listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (write(reactors[turn].pipe[1], &fd, sizeof fd) < 0)
                close(fd); /* thousands wait for this reactor already */
        } else if (errno != EINTR && errno != ECONNABORTED && !is_stopping()) {
            pause_us(RETRY_US); /* out of descriptors or memory */
        }
    }
    return NULL;
}

/* ---- the start and the end --------------------------------------------------- */

static void usage(FILE *out)
{
    fputs("usage: reactors [-b ADDR] [-p PORT] [-w USEC] [-c USEC] [-t REACTORS] [-h]\n",
        out);
}

static bool number(const char *text, unsigned min, unsigned max, unsigned *value)
{
    char rest;

    if (strlen(text) > 10 || strspn(text, "0123456789") != strlen(text))
        return false;
    unsigned long long wide;
    if (sscanf(text, "%llu%c", &wide, &rest) != 1 || wide < min || wide > max)
        return false;
    *value = (unsigned)wide;
    return true;
}

static bool option(int letter)
{
    switch (letter) {
    case 'b':
        config.address = optarg;
        return true;
    case 'p':
        return number(optarg, 0, 65535, &config.port);
    case 'w':
        return number(optarg, 0, DELAY_US_MAX, &config.wait_us);
    case 'c':
        return number(optarg, 0, DELAY_US_MAX, &config.burn_us);
    case 't':
        return number(optarg, 1, REACTORS_MAX, &config.reactors);
    default:
        return false;
    }
}

static void read_options(int argc, char *argv[])
{
    int letter;

    while ((letter = getopt(argc, argv, "b:p:w:c:t:h")) != -1) {
        if (letter == 'h') {
            usage(stdout);
            exit(0);
        }
        if (!option(letter)) {
            fprintf(stderr, "reactors: -%c makes no sense\n",
                letter == '?' ? optopt : letter);
            usage(stderr);
            exit(2);
        }
    }
    if (argv[optind] != NULL) {
        fprintf(stderr, "reactors: what is %s?\n", argv[optind]);
        usage(stderr);
        exit(2);
    }
}

static unsigned cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

    return count < REACTORS_MIN ? REACTORS_MIN : (unsigned)count;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < DESCRIPTORS_WANTED)
        fprintf(stderr, "reactors: with %lu descriptors there cannot be 10,000 clients\n",
            (unsigned long)limit.rlim_cur);
}

static _Noreturn void fail(const char *what, int error)
{
    fprintf(stderr, "reactors: %s: %s\n", what, strerror(error));
    exit(1);
}

static int open_listener(struct sockaddr_storage *name)
{
    static const int on = 1;
    struct sockaddr_in *v4 = (struct sockaddr_in *)name;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)name;
    socklen_t len = sizeof *name;
    char whole[256];

    snprintf(whole, sizeof whole, "%.200s, port %u", config.address, config.port);
    *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(config.port)};
    if (inet_pton(AF_INET6, config.address, &v6->sin6_addr) != 1) {
        *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(config.port)};
        if (inet_pton(AF_INET, config.address, &v4->sin_addr) != 1)
            fail(whole, EADDRNOTAVAIL);
        len = sizeof *v4;
    }
    int fd = socket(name->ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)name, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)name, &len) < 0)
        fail(whole, errno);
    return fd;
}

static void say_where(const struct sockaddr_storage *name)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)name;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)name;
    char host[INET6_ADDRSTRLEN], line[INET6_ADDRSTRLEN + 32];
    bool is_v6 = name->ss_family == AF_INET6;

    inet_ntop(name->ss_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, host,
        sizeof host);
    int len = snprintf(line, sizeof line, "listening on %s%s%s:%u\n", is_v6 ? "[" : "",
        host, is_v6 ? "]" : "", ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
    if (write(STDOUT_FILENO, line, (size_t)len) != len) /* nothing to flush */
        fail("stdout", errno);
}

/* shutdown ends the accept that waits (EINVAL); a pipe without a writer is at its end. A
 * reactor in a process call finishes that first. */
static void stop(pthread_t acceptor, int listener)
{
    atomic_store(&stopping, true);
    shutdown(listener, SHUT_RDWR);
    pthread_join(acceptor, NULL);
    for (unsigned i = 0; i < config.reactors; i++)
        close(reactors[i].pipe[1]);
    for (unsigned i = 0; i < config.reactors; i++)
        pthread_join(reactors[i].thread, NULL);
}

int main(int argc, char *argv[])
{
    struct sockaddr_storage name;
    pthread_t acceptor;
    sigset_t signals;
    int number_of_signal, error = 0;

    read_options(argc, argv);
    if (config.reactors == 0)
        config.reactors = cores();
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    int listener = open_listener(&name);
    for (unsigned i = 0; i < config.reactors && error == 0; i++)
        error = start_reactor(&reactors[i]);
    if (error != 0 ||
        (error = pthread_create(&acceptor, NULL, accept_clients, &listener)) != 0)
        fail("cannot start", error);
    say_where(&name);
    sigwait(&signals, &number_of_signal);
    stop(acceptor, listener);
    return 0;
}
