/* forbid - runs a command to which the kernel refuses some system calls, with EPERM, as
 * it does in a container with a narrow seccomp profile.
 *
 *     forbid CALL[,CALL...] COMMAND [ARGUMENT...]
 *
 * The calls that it knows are those of the table below; one that this machine has not is
 * not in it. What it forbids stays forbidden
 * to all that the command starts (seccomp(2)).
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
    const char *name;
    unsigned number;
} CALLS[] = {
    {"ptrace", SYS_ptrace},
    {"personality", SYS_personality},
    {"perf_event_open", SYS_perf_event_open},
    {"close_range", SYS_close_range},
    {"sched_setscheduler", SYS_sched_setscheduler},
    {"io_uring_setup", SYS_io_uring_setup},
    {"epoll_create1", SYS_epoll_create1},
    {"epoll_pwait", SYS_epoll_pwait},
    {"ppoll", SYS_ppoll},
    {"pselect6", SYS_pselect6},
    {"accept", SYS_accept},
    {"accept4", SYS_accept4},
    {"recvfrom", SYS_recvfrom},
    {"recvmsg", SYS_recvmsg},
    {"sendto", SYS_sendto},
    {"sendmsg", SYS_sendmsg},
#ifdef SYS_epoll_wait /* younger machines do without these */
    {"epoll_create", SYS_epoll_create},
    {"epoll_wait", SYS_epoll_wait},
    {"poll", SYS_poll},
    {"select", SYS_select},
#endif
};

static int number_of(const char *name)
{
    for (size_t i = 0; i < COUNT(CALLS); i++)
        if (strcmp(CALLS[i].name, name) == 0)
            return (int)CALLS[i].number;
    return -1;
}

/* A program of 32 bits has other numbers; we start none. */
static int forbid(unsigned number)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT(filter), .filter = filter};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char *argv[])
{
    char *name;

    if (argc < 3) {
        fputs("usage: forbid CALL[,CALL...] COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        perror("forbid: no_new_privs");
        return 125;
    }
    for (name = strtok(argv[1], ","); name != NULL; name = strtok(NULL, ",")) {
        int number = number_of(name);

        if (number < 0 || forbid((unsigned)number) != 0) {
            fprintf(stderr, "forbid: %s: %s\n", name,
                number < 0 ? "this call is not in the table" : strerror(errno));
            return 125;
        }
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
