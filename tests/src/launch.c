/* launch - starts a server for a test as a terminal would.
 *
 *     launch [-i] [-l FILE] [VARIABLE=VALUE...] COMMAND [ARGUMENT...]
 *
 * A shell starts background commands with SIGINT ignored, and a test runner leaves its
 * own descriptors open: a server that inherits either behaves differently from one that
 * a student starts by hand. And when the test dies, however it dies, the server must
 * not stay behind. -i closes stdin. -l gives it a listening socket as descriptor 3, on
 * 127.0.0.1 and a port that the kernel picks, and writes the port to FILE: for a program
 * that cannot ask for such a port itself. The variables are for the command, as env(1)
 * does it, but without one more program for each start.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LISTENER 3

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* fails for SIGKILL and SIGSTOP, which is as well */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* By its number, for musl knows no close_range; kernels before 5.9 have none, and some
 * containers forbid it. */
static void close_from(int first)
{
    if (syscall(SYS_close_range, first, ~0U, 0) == 0)
        return;
    for (long fd = sysconf(_SC_OPEN_MAX) - 1; fd >= first; fd--)
        close((int)fd);
}

static bool listen_as_descriptor_3(const char *port_file)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    FILE *file = fopen(port_file, "w");

    if (fd < 0 || file == NULL || dup2(fd, LISTENER) < 0 ||
        bind(LISTENER, (struct sockaddr *)&address, len) != 0 ||
        listen(LISTENER, SOMAXCONN) != 0 ||
        getsockname(LISTENER, (struct sockaddr *)&address, &len) != 0)
        return false;
    return fprintf(file, "%d\n", ntohs(address.sin_port)) > 0 && fflush(file) == 0;
}

/* The path of a command may hold a = as well. */
static bool is_variable(const char *word)
{
    return word[strcspn(word, "=/")] == '=';
}

static int usage(void)
{
    fputs("usage: launch [-i] [-l FILE] [VARIABLE=VALUE...] COMMAND [ARGUMENT...]\n",
        stderr);
    return 2;
}

int main(int argc, char *argv[])
{
    bool without_stdin = false, listens = false;
    int option;

    close_from(LISTENER);
    /* +: the options of the command are not ours. */
    while ((option = getopt(argc, argv, "+il:")) != -1) {
        if (option == 'i')
            without_stdin = true;
        else if (option != 'l')
            return usage();
        else if (!listen_as_descriptor_3(optarg)) {
            perror("launch: a listening socket");
            return 127;
        } else
            listens = true;
    }
    for (; optind < argc && is_variable(argv[optind]); optind++)
        putenv(argv[optind]);
    if (optind >= argc)
        return usage();
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_from(listens ? LISTENER + 1 : LISTENER);
    if (without_stdin)
        close(0);
    execvp(argv[optind], argv + optind);
    perror(argv[optind]);
    return 127;
}
