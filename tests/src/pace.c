/* pace - how fast is this machine? Measures how much CPU time the start of a process and
 * a round trip over loopback take, and prints by how much the limits of the tests should
 * grow, and why:
 *
 *     1 a process starts in 0.8 ms of CPU time, a message goes there and back in 15 us
 *
 * The limits fit a machine on which these take up to START_US and TRIP_US. CPU time, for
 * a busy machine is not slow: what its other work takes away does not count against a
 * limit anyway (fair.h).
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_US 3000
#define TRIP_US 100
#define FACTOR_MAX 50
#define STARTS 10
#define TRIPS 500

extern char **environ;

/* CPU time of this process and of those children that it has waited for. */
static double used_us(void)
{
    struct rusage own, children;

    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec + children.ru_utime.tv_sec +
                    children.ru_stime.tv_sec) *
               1e6 +
           (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec +
                    children.ru_utime.tv_usec + children.ru_stime.tv_usec);
}

/* This program again, which ends at once. -1: it cannot be started. */
static double start_us(char *program)
{
    char *arguments[] = {program, "-", NULL};
    double began_us = used_us();
    pid_t child;

    for (int i = 0; i < STARTS; i++)
        if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) != 0 ||
            waitpid(child, NULL, 0) != child)
            return -1;
    return (used_us() - began_us) / STARTS;
}

static void echo(int fd)
{
    char byte;

    while (recv(fd, &byte, 1, 0) == 1)
        if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
            break;
    _exit(0);
}

/* A connection to a child that echoes; -1: there is no loopback. */
static int connect_to_echo(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || fd < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pid_t child = fork();
    if (child == 0) {
        close(fd);
        echo(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    }
    close(listener);
    return child < 0 ? -1 : fd;
}

/* -1: the connection has ended. */
static double trip_us(void)
{
    double began_us = used_us();
    int fd = connect_to_echo();
    char byte = 'x';

    for (int i = 0; i < TRIPS; i++)
        if (fd < 0 || send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
            return -1;
    close(fd);
    wait(NULL);
    return (used_us() - began_us) / TRIPS;
}

static int times(double us, double usual_us)
{
    int whole = (int)(us / usual_us);

    return whole + (whole * usual_us < us);
}

int main(int argc, char *argv[])
{
    if (argc > 1)
        return 0;
    double start = start_us(argv[0]), trip = trip_us();
    if (start < 0 || trip < 0) {
        puts("1 how fast this machine is could not be measured");
        return 0;
    }
    int factor = times(start, START_US);
    if (factor < times(trip, TRIP_US))
        factor = times(trip, TRIP_US);
    if (factor < 1)
        factor = 1;
    printf("%d a process starts in %.1f ms of CPU time, a message goes there and back in "
           "%.0f us\n",
        factor < FACTOR_MAX ? factor : FACTOR_MAX, start / 1000, trip);
    return 0;
}
