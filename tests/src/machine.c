/* machine - tries what the course needs from a machine, for tests/doctor.
 *
 *     machine threads         epoll, an eventfd, a thread and an atomic
 *     machine ipv4 | ipv6     a byte over the loopback interface and back
 *     machine free PORT       can a server listen on that port?
 *     machine ptrace          may a process trace its child?
 *     machine preload         was this file, built with -DPRELOAD, preloaded?
 *     machine clock           what the clocks say
 *
 * It prints what it found in one line. Status 0: it works; 1: it does not; 2: wrong
 * usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PRELOADED "MACHINE_PRELOADED"

#ifdef PRELOAD

__attribute__((constructor)) static void tell(void)
{
    setenv(PRELOADED, "1", 1);
}

#else

#define LIMIT_S 5           /* no call takes this long on a machine that works */
#define COURSE_WRITTEN 2025 /* a clock that says an earlier year is wrong */
#define SLEEP_MAX_MS 100    /* how late a sleep of 1 ms may end */
#define CLOCK_READS 1000    /* how often we look whether the clock goes back */

static int failed(const char *call)
{
    printf("%s: %s\n", call, strerror(errno));
    return 1;
}

static atomic_int threads_run;

static void *ring(void *arg)
{
    const uint64_t one = 1;

    atomic_fetch_add(&threads_run, 1);
    if (write(*(int *)arg, &one, sizeof one) != sizeof one)
        return arg;
    return NULL;
}

static int try_threads(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET | EPOLLONESHOT};
    int epoll = epoll_create1(EPOLL_CLOEXEC),
        bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_t thread;

    if (epoll < 0 || bell < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, bell, &event) != 0)
        return failed("epoll_ctl");
    errno = pthread_create(&thread, NULL, ring, &bell);
    if (errno != 0)
        return failed("pthread_create");
    if (epoll_wait(epoll, &event, 1, LIMIT_S * 1000) != 1)
        return failed("epoll_wait");
    pthread_join(thread, NULL);
    close(bell);
    close(epoll);
    return atomic_load(&threads_run) == 1 ? 0 : 1;
}

/* A loopback address with PORT, 0 for one that the kernel picks; returns its length. */
static socklen_t loopback(struct sockaddr_storage *address, int family, int port)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;

    memset(address, 0, sizeof *address);
    address->ss_family = (sa_family_t)family;
    if (family == AF_INET6) {
        ipv6->sin6_addr = in6addr_loopback;
        ipv6->sin6_port = htons((uint16_t)port);
        return sizeof *ipv6;
    }
    ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ipv4->sin_port = htons((uint16_t)port);
    return sizeof *ipv4;
}

static int try_loopback(int family)
{
    const struct timeval limit = {.tv_sec = LIMIT_S};
    struct sockaddr_storage address;
    socklen_t len = loopback(&address, family, 0);
    int listener = socket(family, SOCK_STREAM, 0),
        client = socket(family, SOCK_STREAM, 0);
    int accepted;
    char byte = 'x';

    if (listener < 0 || client < 0)
        return failed("socket");
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 1) != 0)
        return failed("bind");
    getsockname(listener, (struct sockaddr *)&address, &len);
    setsockopt(
        client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* bounds connect */
    if (connect(client, (struct sockaddr *)&address, len) != 0)
        return failed("connect");
    accepted = accept(listener, NULL, NULL);
    if (accepted < 0)
        return failed("accept");
    setsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (send(client, &byte, 1, 0) != 1 || recv(accepted, &byte, 1, 0) != 1)
        return failed("recv");
    return 0;
}

/* As the servers of the course bind: with SO_REUSEADDR. */
static int try_port(int port)
{
    const int on = 1;
    struct sockaddr_storage address;
    socklen_t len = loopback(&address, AF_INET, port);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0)
        return failed("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 1) != 0)
        return failed("bind");
    return 0;
}

static int try_ptrace(void)
{
    int status = 0;
    pid_t child = fork();

    if (child < 0)
        return failed("fork");
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(errno);
        raise(SIGSTOP);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child)
        return failed("waitpid");
    if (WIFSTOPPED(status)) {
        if (ptrace(PTRACE_CONT, child, NULL, NULL) == 0)
            return waitpid(child, &status, 0) == child ? 0 : 1;
        failed("PTRACE_CONT");
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return 1;
    }
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
    return failed("ptrace");
}

static int64_t monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int try_clock(void)
{
    const struct timespec one_ms = {.tv_nsec = 1000000};
    const time_t now = time(NULL);
    int64_t last = monotonic_us(), slept;
    struct tm day;
    char date[32];

    for (int i = 0; i < CLOCK_READS; i++) {
        int64_t next = monotonic_us();

        if (next < last) {
            puts("CLOCK_MONOTONIC goes back");
            return 1;
        }
        last = next;
    }
    nanosleep(&one_ms, NULL);
    slept = monotonic_us() - last;
    gmtime_r(&now, &day);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &day);
    printf("%s; a sleep of 1 ms took %.1f ms\n", date, (double)slept / 1000);
    return day.tm_year + 1900 >= COURSE_WRITTEN && slept <= SLEEP_MAX_MS * 1000 ? 0 : 1;
}

int main(int argc, char *argv[])
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "threads") == 0)
        return try_threads();
    if (strcmp(what, "ipv4") == 0)
        return try_loopback(AF_INET);
    if (strcmp(what, "ipv6") == 0)
        return try_loopback(AF_INET6);
    if (strcmp(what, "free") == 0 && argc == 3)
        return try_port(atoi(argv[2]));
    if (strcmp(what, "ptrace") == 0)
        return try_ptrace();
    if (strcmp(what, "preload") == 0)
        return getenv(PRELOADED) != NULL ? 0 : 1;
    if (strcmp(what, "clock") == 0)
        return try_clock();
    fputs("usage: machine threads|ipv4|ipv6|free PORT|ptrace|preload|clock\n", stderr);
    return 2;
}

#endif
