/* guard - runs a student's program as somebody that can do no harm to the tests.
 *
 *     DIR/server [ARGUMENT...]        runs the program that DIR/guard.conf names
 *     DIR/as-student COMMAND...       runs COMMAND
 *     DIR/loopback-up                 no program: brings up `lo`, which a new network
 *                                     namespace has, but down
 *
 * It is copied to DIR under these names; DIR/guard.conf, which only the grader can write,
 * says as whom, a key and a value on each line. Of each key the first line counts: the
 * path of the program, which comes last, is the student's to choose, and holds no more.
 *
 *     user 61184          the user and the group; left out where only one user is known
 * (a user namespace): then all capabilities are given up instead memory BYTES RLIMIT_AS;
 * the sanitizers need more than any limit allows processes N         RLIMIT_NPROC file
 * BYTES          RLIMIT_FSIZE: also of what it prints into a file cpu SECONDS RLIMIT_CPU
 *     program PATH
 *
 * The process stays the same one: exec, no fork. So the tests find the server under the
 * pid that they started, and can look at it in /proc. Status 125: it could not be run so.
 */
#include <errno.h>
#include <grp.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CANNOT = 125, PATH_ROOM = 4096, CAPABILITIES = 64 };

static char own_name[PATH_ROOM]; /* DIR/NAME */
static char program[PATH_ROOM];
static long user = -1;

static _Noreturn void cannot(const char *what)
{
    fprintf(stderr, "guard: %s: %s\n", what, strerror(errno));
    exit(CANNOT);
}

static void need_user(const char *text)
{
    char *end;

    errno = EINVAL;
    if (user >= 0)
        return;
    user = strtol(text, &end, 10);
    if (user <= 0 || *end != '\0')
        cannot("user");
}

static void limit(int resource, const char *text)
{
    rlim_t most = (rlim_t)strtoull(text, NULL, 10);
    struct rlimit both = {most, most};

    if (setrlimit(resource, &both) != 0)
        cannot("setrlimit");
}

static void take_line(const char *key, const char *value)
{
    static const struct {
        const char *key;
        int resource;
    } limits[] = {{"memory", RLIMIT_AS}, {"processes", RLIMIT_NPROC},
        {"file", RLIMIT_FSIZE}, {"cpu", RLIMIT_CPU}};

    if (strcmp(key, "user") == 0)
        need_user(value);
    if (strcmp(key, "program") == 0 && program[0] == '\0')
        snprintf(program, sizeof program, "%s", value);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (strcmp(key, limits[i].key) == 0)
            limit(limits[i].resource, value);
}

static void read_conf(const char *directory)
{
    char path[PATH_ROOM + 16], key[32], value[PATH_ROOM];
    FILE *file;

    snprintf(path, sizeof path, "%s/guard.conf", directory);
    file = fopen(path, "re");
    if (file == NULL)
        cannot(path);
    while (fscanf(file, "%31s %4095[^\n]", key, value) == 2)
        take_line(key, value);
    fclose(file);
}

/* Nobody can take back what is given up here: capabilities(7), no_new_privs. */
static void give_up_rights(void)
{
    if (user > 0) {
        if (setgroups(0, NULL) != 0 ||
            setresgid((gid_t)user, (gid_t)user, (gid_t)user) != 0 ||
            setresuid((uid_t)user, (uid_t)user, (uid_t)user) != 0)
            cannot("another user");
    } else {
        for (int capability = 0; capability < CAPABILITIES; capability++)
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); /* fails for those unknown */
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        cannot("no_new_privs");
}

/* netdevice(7) */
static int loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0)
        cannot("lo");
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        cannot("lo");
    return 0;
}

int main(int argc, char *argv[])
{
    ssize_t length = readlink("/proc/self/exe", own_name, sizeof own_name - 1);
    char *name = length > 0 ? strrchr(own_name, '/') : NULL;
    bool command;

    if (name == NULL)
        cannot("/proc/self/exe");
    *name++ = '\0';
    if (strcmp(name, "loopback-up") == 0)
        return loopback_up();
    command = strcmp(name, "as-student") == 0;
    read_conf(own_name);
    if (command ? argc < 2 : program[0] == '\0') {
        fputs("usage: as-student COMMAND..., or a program in guard.conf\n", stderr);
        return CANNOT;
    }
    give_up_rights();
    if (command) {
        execvp(argv[1], argv + 1);
        cannot(argv[1]);
    }
    argv[0] = program; /* as if it had been called by its own name */
    execv(program, argv);
    cannot(program);
}
