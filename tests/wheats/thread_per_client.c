/* A correct server: one thread for each client, and blocking calls.
 *
 * suites: 02
 *
 * The main thread accepts, and starts a thread for each client that it accepts. A thread
 * waits for its own client in recv or in send and for nobody else, so the sockets block,
 * and the kernel's scheduler is the only event loop. A third kind of thread waits for the
 * stop signals and ends the process. That is all of the contract, and what step 02
 * promises (many clients, none of whom holds up the others); it costs a stack for each
 * client, so ten thousand would be a strain.
 *
 * What the tests must not take for granted, and this server does differently: nothing is
 * non-blocking, nothing is asked about readiness, SIGPIPE keeps its default action
 * (MSG_NOSIGNAL instead), and the command line is read without getopt.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_LEN 8192
#define STACK_LEN (64 * 1024) /* a frame of serve, and what libc needs */
#define DELAY_US_MAX 60000000
#define RETRY_MS 20 /* out of descriptors or memory: a client may have left by then */

/* Read from the command line before the first thread starts. */
static const char *address = "127.0.0.1";
static unsigned long port = 8080, wait_us, burn_us;

static const char usage[] = "usage: server [-b ADDR] [-p PORT] [-w USEC] [-c USEC]\n"
                            "  -b ADDR   numeric address to listen on (127.0.0.1)\n"
                            "  -p PORT   port (8080); 0: one that is free\n"
                            "  -w USEC   wait so long for each piece of input\n"
                            "  -c USEC   compute so long for each piece of input\n"
                            "  -h        this text\n";

/* ---- the command line -------------------------------------------------------- */

static bool read_number(const char *text, unsigned long max, unsigned long *number)
{
    *number = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *number = *number * 10 + (unsigned long)(*text - '0');
        if (*number > max)
            return false;
    }
    return true;
}

static bool read_option(char letter, const char *value)
{
    switch (letter) {
    case 'b':
        address = value;
        return true;
    case 'p':
        return read_number(value, 65535, &port);
    case 'w':
        return read_number(value, DELAY_US_MAX, &wait_us);
    default:
        return read_number(value, DELAY_US_MAX, &burn_us);
    }
}

static void refuse(const char *what, const char *which)
{
    fprintf(stderr, "server: %s: '%s'\n%s", what, which, usage);
    exit(2);
}

static void read_command_line(char *argv[])
{
    for (char **word = argv + 1; *word != NULL; word++) {
        const char *option = *word;

        if (strcmp(option, "-h") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (option[0] != '-' || option[1] == '\0' || strchr("bpwc", option[1]) == NULL)
            refuse("no such option", option);
        const char *value = option + 2; /* -p8080, or -p 8080 */
        if (*value == '\0' && (value = *++word) == NULL)
            refuse("a value is missing", option);
        if (!read_option(option[1], value))
            refuse("bad value", value);
    }
}

/* ---- the work ---------------------------------------------------------------- */

static void sleep_until(const struct timespec *end)
{
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, end, NULL) == EINTR)
        ;
}

static struct timespec now_plus_us(unsigned long us)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += (time_t)(us / 1000000);
    time.tv_nsec += (long)(us % 1000000) * 1000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

static uint64_t own_cpu_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void process(void)
{
    if (wait_us > 0) {
        struct timespec end = now_plus_us(wait_us);
        sleep_until(&end);
    }
    if (burn_us > 0)
        for (uint64_t end = own_cpu_us() + burn_us; own_cpu_us() < end;)
            ;
}

/* ---- one client -------------------------------------------------------------- */

static bool send_all(int fd, const char *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char buffer[BUFFER_LEN];

    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        process();
        if (!send_all(fd, buffer, (size_t)n))
            break;
    }
    close(fd);
    return NULL;
}

/* ---- all of them ------------------------------------------------------------- */

static void *leave_at_signal(void *stop)
{
    int number;

    /* sigwait(3) knows no EINTR, and a signal that is pending already will do. */
    sigwait(stop, &number);
    _exit(0);
}

static bool start(void *run(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_LEN);
    errno = pthread_create(&thread, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    return errno == 0;
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0) {
            if (!start(serve, (void *)(intptr_t)fd))
                close(fd);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            /* A shortage: it will be so for a while, and this must not spin. */
            struct timespec end = now_plus_us(RETRY_MS * 1000UL);
            sleep_until(&end);
        }
    }
}

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool read_address(union name *name, socklen_t *len)
{
    if (inet_pton(AF_INET6, address, &name->v6.sin6_addr) == 1) {
        name->v6.sin6_family = AF_INET6;
        name->v6.sin6_port = htons((uint16_t)port);
        *len = sizeof name->v6;
        return true;
    }
    name->v4.sin_family = AF_INET;
    name->v4.sin_port = htons((uint16_t)port);
    *len = sizeof name->v4;
    return inet_pton(AF_INET, address, &name->v4.sin_addr) == 1;
}

/* -1 and errno. What was opened stays open: the process ends. */
static int listen_at(union name *name, socklen_t len)
{
    int on = 1, fd = socket(name->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    /* Without TCP_NODELAY answers may come a little later, but they come. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) < 0 ||
        bind(fd, &name->any, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, &name->any, &len) < 0)
        return -1;
    return fd;
}

static void announce(const union name *name)
{
    char text[INET6_ADDRSTRLEN];

    if (name->any.sa_family == AF_INET6)
        printf("listening on [%s]:%d\n",
            inet_ntop(AF_INET6, &name->v6.sin6_addr, text, sizeof text),
            ntohs(name->v6.sin6_port));
    else
        printf("listening on %s:%d\n",
            inet_ntop(AF_INET, &name->v4.sin_addr, text, sizeof text),
            ntohs(name->v4.sin_port));
    fflush(stdout);
}

int main(int argc, char *argv[])
{
    static sigset_t stop;
    union name name = {.v6.sin6_port = 0};
    socklen_t len;

    (void)argc;
    read_command_line(argv);
    if (!read_address(&name, &len)) {
        fprintf(stderr, "server: '%s' is no numeric address\n", address);
        return 1;
    }
    int listener = listen_at(&name, len);
    if (listener < 0) {
        fprintf(stderr, "server: %s port %lu: %s\n", address, port, strerror(errno));
        return 1;
    }
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* all threads inherit it */
    if (!start(leave_at_signal, &stop)) {
        fprintf(stderr, "server: no thread: %s\n", strerror(errno));
        return 1;
    }
    announce(&name);
    accept_all(listener);
}
