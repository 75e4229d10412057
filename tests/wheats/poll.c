/* A correct server: one loop around poll(2), and no memory taken after the start.
 *
 * suites: 03
 * breaks: idle-is-free
 *
 * All clients stand in one table, beside the table that poll is given: number i of both
 * is the same client. A turn is one read, or the rest of what could not be written. As in
 * step 02, each call of poll brings the whole list along, so it does not keep the promise
 * of step 03 that idle clients are free; but nothing ends at 1,024.
 *
 * What the tests must not take for granted, and this server does differently: there is no
 * malloc that could fail, no epoll, clients are served from the end of the table to its
 * beginning, read and write are used on sockets, and a stop signal is a byte in a pipe.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 10050
#define DESCRIPTORS_WANTED (CLIENTS_MAX + 10)
#define BUFFER_LEN 8192
#define ACCEPTS_PER_TURN 32 /* then those who are here */
#define PAUSE_MS 100        /* without descriptors; sooner if a client leaves */
#define DELAY_US_MAX 60000000

/* Places in the table. */
enum { LISTENER, SIGNALS, CLIENTS, LENGTH = CLIENTS + CLIENTS_MAX };

struct client {
    size_t begin, end; /* what is left to be written */
    char buffer[BUFFER_LEN];
};

/* Pages that no client has used cost nothing: the kernel brings them in when they are. */
static struct client clients[LENGTH];
static struct pollfd polled[LENGTH];
static nfds_t used = CLIENTS;

static long wait_us, burn_us;
static volatile sig_atomic_t stopped;
static int signal_pipe[2];

/* ---- the work ---------------------------------------------------------------- */

static void process(void)
{
    struct timespec left = {wait_us / 1000000, wait_us % 1000000 * 1000};
    clock_t begin;

    while (wait_us > 0 && nanosleep(&left, &left) != 0)
        ; /* interrupted: sleep what is left */
    if (burn_us == 0)
        return;
    begin = clock(); /* of the process, and that is this thread */
    while ((clock() - begin) * (1000000 / CLOCKS_PER_SEC) < burn_us)
        ;
}

/* ---- one client -------------------------------------------------------------- */

/* Not now (EAGAIN) and not yet (EINTR) are no end. */
static bool is_over(ssize_t n)
{
    return n < 0 && errno != EAGAIN && errno != EINTR;
}

static bool write_rest(struct client *client, int fd)
{
    ssize_t n = write(fd, client->buffer + client->begin, client->end - client->begin);

    if (n > 0)
        client->begin += (size_t)n;
    if (client->begin == client->end)
        client->begin = client->end = 0;
    return !is_over(n);
}

static bool read_some(struct client *client, int fd)
{
    ssize_t n = read(fd, client->buffer, BUFFER_LEN);

    if (n <= 0)
        return n < 0 && !is_over(n);
    client->end = (size_t)n;
    process();
    return write_rest(client, fd);
}

/* Its turn. Whoever has something left to be written is not read. */
static bool serve(nfds_t i)
{
    struct client *client = &clients[i];
    bool goes_on = client->end > 0 ? write_rest(client, polled[i].fd)
                                   : read_some(client, polled[i].fd);

    polled[i].events = client->end > 0 ? POLLOUT : POLLIN;
    return goes_on;
}

/* The last one of the table moves to its place: it has had its turn already. */
static void end_client(nfds_t i)
{
    close(polled[i].fd);
    used--;
    if (i == used)
        return;
    polled[i] = polled[used];
    clients[i].begin = clients[used].begin;
    clients[i].end = clients[used].end;
    memcpy(clients[i].buffer + clients[i].begin, clients[used].buffer + clients[i].begin,
        clients[i].end - clients[i].begin);
}

/* ---- all of them ------------------------------------------------------------- */

static void accept_some(void)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = used < LENGTH ? accept(polled[LISTENER].fd, NULL, NULL) : -1;
        if (fd < 0) {
            if (used == LENGTH || errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                polled[LISTENER].events = 0; /* or poll would return at once, forever */
            return;
        }
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
            close(fd);
            continue;
        }
        polled[used] = (struct pollfd){.fd = fd, .events = POLLIN};
        clients[used].begin = clients[used].end = 0;
        used++;
    }
}

static void run(void)
{
    while (!stopped) {
        bool paused = polled[LISTENER].events == 0;
        int ready = poll(polled, used, paused ? PAUSE_MS : -1);

        if (ready < 0)
            continue; /* EINTR; the revents are those of last time */
        for (nfds_t i = used - 1; i >= CLIENTS && !stopped; i--)
            if (polled[i].revents != 0 && !serve(i)) {
                end_client(i);
                paused = true;
            }
        if (paused)
            polled[LISTENER].events = POLLIN;
        if (polled[LISTENER].revents != 0)
            accept_some();
    }
}

/* ---- the start --------------------------------------------------------------- */

static void print_usage(FILE *out)
{
    fputs("usage: server [-b ADDR] [-p PORT] [-w USEC] [-c USEC] [-h]\n"
          "  -b  a numeric address, 127.0.0.1 if not given\n"
          "  -p  a port, 8080 if not given; 0: any that is free\n"
          "  -w  microseconds that each process call waits\n"
          "  -c  microseconds that each process call computes\n"
          "  -h  this\n",
        out);
}

/* -1: it is no number from 0 to max. */
static long number(const char *text, long max)
{
    size_t len = strspn(text, "0123456789");

    if (len == 0 || len > 10 || text[len] != '\0' || atol(text) > max) {
        fprintf(stderr, "server: not a number from 0 to %ld: '%s'\n", max, text);
        return -1;
    }
    return atol(text);
}

/* false: the usage is asked for, or it is called for. */
static bool parse(int argc, char *argv[], const char **address, const char **port)
{
    int option;

    while ((option = getopt(argc, argv, "b:p:w:c:h")) != -1) {
        if (option == 'b')
            *address = optarg;
        else if (option == 'p' && number(optarg, 65535) >= 0)
            *port = optarg;
        else if (option == 'w' && (wait_us = number(optarg, DELAY_US_MAX)) >= 0)
            continue;
        else if (option == 'c' && (burn_us = number(optarg, DELAY_US_MAX)) >= 0)
            continue;
        else if (option == 'h') {
            print_usage(stdout);
            exit(0);
        } else
            return false;
    }
    if (optind < argc)
        fprintf(stderr, "server: one word too many: '%s'\n", argv[optind]);
    return optind == argc;
}

static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < DESCRIPTORS_WANTED)
        fprintf(stderr, "server: at most %llu descriptors (ulimit -Hn), not %d\n",
            (unsigned long long)limit.rlim_max, DESCRIPTORS_WANTED);
}

static void on_signal(int signal_number)
{
    int saved = errno;

    (void)signal_number;
    stopped = 1;
    /* If the pipe is full, it is readable, and that is all we want. */
    if (write(signal_pipe[1], "", 1) < 0)
        errno = saved;
}

static bool catch_signals(void)
{
    struct sigaction on_stop = {.sa_handler = on_signal};

    if (pipe2(signal_pipe, O_NONBLOCK | O_CLOEXEC) < 0)
        return false;
    polled[SIGNALS] = (struct pollfd){.fd = signal_pipe[0], .events = POLLIN};
    signal(SIGPIPE, SIG_IGN);
    return sigaction(SIGINT, &on_stop, NULL) == 0 &&
           sigaction(SIGTERM, &on_stop, NULL) == 0;
}

static bool listen_at(const struct addrinfo *info)
{
    int on = 1, fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

    polled[LISTENER] = (struct pollfd){.fd = fd, .events = POLLIN};
    return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, 4096) == 0;
}

static bool announce(void)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(polled[LISTENER].fd, (struct sockaddr *)&name, &len) < 0)
        return false;
    if (getnameinfo((struct sockaddr *)&name, len, host, sizeof host, port, sizeof port,
            NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a line leaves when it is complete */
    return printf(name.ss_family == AF_INET6 ? "listening on [%s]:%s\n"
                                             : "listening on %s:%s\n",
               host, port) > 0;
}

int main(int argc, char *argv[])
{
    struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *info;
    const char *address = "127.0.0.1", *port = "8080";

    if (!parse(argc, argv, &address, &port)) {
        print_usage(stderr);
        return 2;
    }
    int error = getaddrinfo(address, port, &hints, &info);
    if (error != 0) {
        fprintf(stderr, "server: address '%s': %s\n", address, gai_strerror(error));
        return 1;
    }
    raise_limit();
    bool listens = listen_at(info) && catch_signals() && announce();
    if (!listens)
        fprintf(stderr, "server: %s port %s: %s\n", address, port, strerror(errno));
    freeaddrinfo(info);
    if (!listens)
        return 1;
    run();
    return 0;
}
