/* crash.so - for LD_PRELOAD: notes where the server crashed, and lets it crash.
 *
 * The file that CRASH_FILE names gets a line for each frame of the program itself, the
 * innermost first: an address as addr2line wants it, in hexadecimal. How the process ends
 * does not change, and neither does anything else while it runs. It needs glibc.
 */
#include <stdlib.h>

#ifdef __GLIBC__
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define FRAMES_MAX 64
#define PATH_LEN_MAX 4096

static char path[PATH_LEN_MAX];
static atomic_flag noted = ATOMIC_FLAG_INIT;

/* Where the instruction stands that was at fault. */
static const void *fault_address(const void *context)
{
    const ucontext_t *at = context;

#if defined(__x86_64__)
    return (const void *)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (const void *)at->uc_mcontext.pc;
#else
    (void)at;
    return NULL;
#endif
}

/* If it is in the program itself, for which the linker has no name (dlinfo(3)). */
static void note_frame(int fd, void *address, const void *fault)
{
    struct link_map *map;
    Dl_info info;
    char line[32];

    if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) || map->l_name[0])
        return;
    /* The others are where a call returns to: one byte back is the call. */
    size_t at = (size_t)((char *)address - (char *)map->l_addr) - (address != fault);
    int len = snprintf(line, sizeof line, "%zx\n", at);
    if (write(fd, line, (size_t)len) < 0)
        return;
}

static void note_crash(int number, siginfo_t *info, void *context)
{
    void *frames[FRAMES_MAX];

    (void)info;
    if (!atomic_flag_test_and_set(&noted)) {
        int count = backtrace(frames, FRAMES_MAX);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        for (int i = 0; fd >= 0 && i < count; i++)
            note_frame(fd, frames[i], fault_address(context));
        if (fd >= 0)
            close(fd);
    }
    raise(number); /* SA_RESETHAND: this time it ends the process */
}

__attribute__((constructor)) static void watch(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {
        .sa_sigaction = note_crash, .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_ONSTACK};
    const char *name = getenv("CRASH_FILE");
    void *frame;

    if (!name || strlen(name) >= sizeof path)
        return;
    strcpy(path, name);
    backtrace(&frame, 1); /* the first call loads a library */
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

#else

typedef int nothing_here; /* ISO C wants something */

#endif
