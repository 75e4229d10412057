/* count.so: counts a server's calls by name.
 *
 *     COUNT_FILE=/tmp/counts LD_PRELOAD=tests/bin/count.so ./server &
 *     tests/bin/counts /tmp/counts recv
 *
 * What is counted and where: counts.h. It counts calls of the libc functions,
 * so it needs no rights and does not slow the server as strace does (one
 * relaxed atomic add, some nanoseconds, beside a system call of a thousand).
 * What libc calls inside itself is not seen: stdio's writes, and futex.
 *
 * With fault.so: LD_PRELOAD="count.so fault.so", in this order, counts what
 * the server asked for, injected failures included.
 */
#undef _FORTIFY_SOURCE /* or the headers would bring their own recv */
#define _GNU_SOURCE
#include "counts.h"
#include "libc.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

typedef void function(void);

static struct counts early; /* for calls before the constructor ran */
static struct counts *counts = &early;

__attribute__((constructor)) static void start(void)
{
    counts = counts_create();
}

/* The next library's function. Looked up once; two threads that do it at the
 * same time find the same. */
static function *next(function *_Atomic *known, const char *name)
{
    function *f = atomic_load_explicit(known, memory_order_relaxed);

    if (f == NULL) {
        *(void **)&f = dlsym(RTLD_NEXT, name);
        if (f == NULL)
            counts_give_up("no such function", name);
        atomic_store_explicit(known, f, memory_order_relaxed);
    }
    return f;
}

/* Defines NAME, which counts itself under COUNTED and calls the real NAME. */
#define COUNTED_AS(counted, type, name, params, args)                                    \
    type name params                                                                     \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        counts_add(counts, COUNT_##counted, 1);                                          \
        return ((type(*) params)next(&known, #name))args;                                \
    }
/* The same, for a call that waits for some descriptors, or, asked about none, until time
 * has passed. `sleeping` goes up and down. */
#define COUNTED_ASKING(counted, asked, type, name, params, args)                         \
    type name params                                                                     \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        uint64_t sleeps = (asked) == 0;                                                  \
        counts_add(counts, COUNT_##counted, 1);                                          \
        counts_add(counts, COUNT_watched, (uint64_t)(asked));                            \
        counts_add(counts, COUNT_sleeping, sleeps);                                      \
        type result = ((type(*) params)next(&known, #name))args;                         \
        counts_add(counts, COUNT_sleeping, -sleeps);                                     \
        return result;                                                                   \
    }
#define SLEEPING(type, name, params, args)                                               \
    type name params                                                                     \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        counts_add(counts, COUNT_sleeping, 1);                                           \
        type result = ((type(*) params)next(&known, #name))args;                         \
        counts_add(counts, COUNT_sleeping, (uint64_t)-1);                                \
        return result;                                                                   \
    }
#define COUNTED(type, name, params, args) COUNTED_AS(name, type, name, params, args)

COUNTED(int, accept, (int fd, __SOCKADDR_ARG addr, socklen_t *len), (fd, addr, len))
COUNTED(int, accept4, (int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags),
    (fd, addr, len, flags))

COUNTED(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
COUNTED(ssize_t, recvfrom,
    (int fd, void *buf, size_t len, int flags, __SOCKADDR_ARG addr, socklen_t *addr_len),
    (fd, buf, len, flags, addr, addr_len))
COUNTED(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
COUNTED(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
COUNTED(ssize_t, readv, (int fd, const struct iovec *iov, int count), (fd, iov, count))

COUNTED(ssize_t, send, (int fd, const void *buf, size_t len, int flags),
    (fd, buf, len, flags))
COUNTED(ssize_t, sendto,
    (int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG addr,
        socklen_t addr_len),
    (fd, buf, len, flags, addr, addr_len))
COUNTED(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
COUNTED(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len))
COUNTED(ssize_t, writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))

COUNTED(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *event),
    (ep, op, fd, event))
COUNTED(int, epoll_wait, (int ep, struct epoll_event *events, int max, int timeout_ms),
    (ep, events, max, timeout_ms))
COUNTED(int, epoll_pwait,
    (int ep, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask),
    (ep, events, max, timeout_ms, mask))
/* select and poll bring the descriptors they ask about along, each time; with epoll
 * the kernel has the list, and a wait asks about none. */
COUNTED_ASKING(select, max, int, select,
    (int max, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout),
    (max, in, out, other, timeout))
COUNTED_ASKING(pselect, max, int, pselect,
    (int max, fd_set *in, fd_set *out, fd_set *other, const struct timespec *timeout,
        const sigset_t *mask),
    (max, in, out, other, timeout, mask))
COUNTED_ASKING(poll, len, int, poll, (struct pollfd * fds, nfds_t len, int timeout_ms),
    (fds, len, timeout_ms))
COUNTED_ASKING(ppoll, len, int, ppoll,
    (struct pollfd * fds, nfds_t len, const struct timespec *timeout,
        const sigset_t *mask),
    (fds, len, timeout, mask))

SLEEPING(
    int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left))
SLEEPING(int, clock_nanosleep,
    (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),
    (clock, flags, time, left))
SLEEPING(int, usleep, (useconds_t time_us), (time_us))
SLEEPING(unsigned, sleep, (unsigned seconds), (seconds))

/* What tells another thread that there is work. Of the first two x86-64 has two, and
 * dlsym may find the old one. */
#define WAKING(name, params, args)                                                       \
    int name params                                                                      \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        function *f = atomic_load_explicit(&known, memory_order_relaxed);                \
        counts_add(counts, COUNT_wakes, 1);                                              \
        if (f == NULL) {                                                                 \
            *(void **)&f = dlvsym(RTLD_NEXT, #name, "GLIBC_2.3.2");                      \
            if (f == NULL)                                                               \
                f = next(&known, #name);                                                 \
            atomic_store_explicit(&known, f, memory_order_relaxed);                      \
        }                                                                                \
        return ((int(*) params)f)args;                                                   \
    }
WAKING(pthread_cond_signal, (pthread_cond_t * condition), (condition))
WAKING(pthread_cond_broadcast, (pthread_cond_t * condition), (condition))
WAKING(sem_post, (sem_t * semaphore), (semaphore))

/* A call has at most six arguments; those that it does not have are not looked at. */
long syscall(long number, ...)
{
    static function *_Atomic known;
    long argument[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        argument[i] = va_arg(list, long);
    va_end(list);
    counts_add(counts, COUNT_syscall, 1);
    return ((long (*)(long, ...))next(&known, "syscall"))(number, argument[0],
        argument[1], argument[2], argument[3], argument[4], argument[5]);
}

COUNTED(int, close, (int fd), (fd))
COUNTED(int, shutdown, (int fd, int how), (fd, how))

/* Under _FORTIFY_SOURCE a recv into an array is compiled as __recv_chk, so the
 * same server counts the same however it was built. */
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags,
    __SOCKADDR_ARG addr, socklen_t *addr_len);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t len, int timeout_ms, size_t size);

COUNTED_AS(recv, ssize_t, __recv_chk,
    (int fd, void *buf, size_t len, size_t size, int flags), (fd, buf, len, size, flags))
COUNTED_AS(recvfrom, ssize_t, __recvfrom_chk,
    (int fd, void *buf, size_t len, size_t size, int flags, __SOCKADDR_ARG addr,
        socklen_t *addr_len),
    (fd, buf, len, size, flags, addr, addr_len))
COUNTED_AS(read, ssize_t, __read_chk, (int fd, void *buf, size_t len, size_t size),
    (fd, buf, len, size))
COUNTED_ASKING(poll, len, int, __poll_chk,
    (struct pollfd * fds, nfds_t len, int timeout_ms, size_t size),
    (fds, len, timeout_ms, size))
