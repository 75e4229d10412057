/* terminal - runs a command whose stderr is a terminal that nobody reads.
 *
 *     terminal COMMAND [ARGUMENT...]
 *
 * As behind a window that is frozen, or a connection that hangs: after some kilobytes a
 * write to it blocks, although poll promises room. The other end of the terminal stays
 * open in the command itself, unknown to it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    if (argc < 2 || master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) {
        perror("terminal");
        return 125;
    }
    /* The server may run as another user than we do (guard.c), and opens it once more. */
    chmod(ptsname(master), 0666);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (terminal < 0 || dup2(terminal, STDERR_FILENO) < 0) {
        perror("terminal");
        return 125;
    }
    close(terminal);
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
