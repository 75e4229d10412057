/* launch - starts a server for a test as a terminal would.
 *
 *     launch [-i] COMMAND [ARGUMENT...]
 *
 * A shell starts background commands with SIGINT ignored, and a test runner leaves its
 * own descriptors open: a server that inherits either behaves differently from one that
 * a student starts by hand. And when the test dies, however it dies, the server shall
 * not stay behind. -i closes stdin.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* fails for SIGKILL and SIGSTOP, which is as well */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char *argv[])
{
    int command = argc > 1 && strcmp(argv[1], "-i") == 0 ? 2 : 1;

    if (command >= argc) {
        fputs("usage: launch [-i] COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_range(3, ~0U, 0);
    if (command == 2)
        close(0);
    execvp(argv[command], argv + command);
    perror(argv[command]);
    return 127;
}
