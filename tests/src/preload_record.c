/* record.so: records what a server does, call by call, with thread, descriptor and time.
 *
 *     RECORD_FILE=/tmp/record LD_PRELOAD=tests/bin/record.so ./server
 *
 * What is recorded: record.h. play.c reads it, and timeline.c draws it. A call costs two
 * looks at the clock and one atomic add more than before, and nothing is allocated or
 * written: the story stays the same. A mutex is recorded only if it had to be waited for.
 */
#undef _FORTIFY_SOURCE /* or the headers would bring their own recv */
#define _GNU_SOURCE
#include "counts.h"
#include "libc.h"
#include "record.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

#define OWNERS_MAX 256 /* descriptors whose readiness is recorded */
#define READY_MAX 16   /* of one wait */

typedef void function(void);

static struct record *record; /* NULL before the constructor and without RECORD_FILE */
static _Atomic int threads;
static _Thread_local int thread;
static _Atomic uint64_t owners[OWNERS_MAX]; /* epoll's data by descriptor */

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("RECORD_FILE");

    if (path == NULL)
        return;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, sizeof *record) != 0)
        counts_give_up("RECORD_FILE", path);
    struct record *mapped =
        mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        counts_give_up("mmap of RECORD_FILE", path);
    close(fd);
    mapped->magic = RECORD_MAGIC;
    thread = atomic_fetch_add(&threads, 1) + 1;
    record = mapped;
}

/* The next library's function; the newer one of two, where x86-64 has two. */
static function *next(function *_Atomic *known, const char *name)
{
    function *f = atomic_load_explicit(known, memory_order_relaxed);

    if (f == NULL) {
        if (strncmp(name, "pthread_cond_", 13) == 0)
            *(void **)&f = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
        if (f == NULL)
            *(void **)&f = dlsym(RTLD_NEXT, name);
        if (f == NULL)
            counts_give_up("no such function", name);
        atomic_store_explicit(known, f, memory_order_relaxed);
    }
    return f;
}

/* NULL: there is nothing to write to. */
static struct record_slot *begin(enum record_kind kind, int fd)
{
    if (record == NULL)
        return NULL;
    uint64_t taken = atomic_fetch_add_explicit(&record->taken, 1, memory_order_relaxed);
    if (taken >= RECORD_SLOTS)
        return NULL;
    struct record_slot *slot = &record->slot[taken];
    if (thread == 0)
        thread = atomic_fetch_add(&threads, 1) + 1;
    slot->kind = (int32_t)kind;
    slot->thread = thread;
    slot->fd = fd;
    atomic_store_explicit(&slot->start_ns, record_now_ns(), memory_order_release);
    return slot;
}

/* errno is the caller's, and nothing here changes it. */
static void end(struct record_slot *slot, int64_t result)
{
    if (slot == NULL)
        return;
    slot->result = result;
    slot->error = result < 0 ? errno : 0;
    atomic_store_explicit(&slot->end_ns, record_now_ns(), memory_order_release);
}

/* Defines NAME, which is recorded as KIND, with the descriptor FD. */
#define RECORDED(kind, fd, type, name, params, args)                                     \
    type name params                                                                     \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        type(*real) params = (type(*) params)next(&known, #name);                        \
        struct record_slot *slot = begin(RECORD_##kind, fd);                             \
        type result = real args;                                                         \
        end(slot, result);                                                               \
        return result;                                                                   \
    }

/* ---- sockets ----------------------------------------------------------------------- */

static int peer_port(int fd)
{
    struct sockaddr_in6 address; /* the port is where IPv4 has it */
    socklen_t len = sizeof address;
    int saved = errno, port = 0;

    if (fd >= 0 && getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        port = ntohs(address.sin6_port);
    errno = saved;
    return port;
}

#define ACCEPTING(name, params, args)                                                    \
    int name params                                                                      \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        int(*real) params = (int(*) params)next(&known, #name);                          \
        struct record_slot *slot = begin(RECORD_accept, fd);                             \
        int result = real args;                                                          \
        if (slot != NULL)                                                                \
            slot->port = peer_port(result);                                              \
        end(slot, result);                                                               \
        return result;                                                                   \
    }
ACCEPTING(accept, (int fd, __SOCKADDR_ARG addr, socklen_t *len), (fd, addr, len))
ACCEPTING(accept4, (int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags),
    (fd, addr, len, flags))

RECORDED(recv, fd, ssize_t, recv, (int fd, void *buf, size_t len, int flags),
    (fd, buf, len, flags))
RECORDED(
    recv, fd, ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
RECORDED(recv, fd, ssize_t, recvfrom,
    (int fd, void *buf, size_t len, int flags, __SOCKADDR_ARG addr, socklen_t *addr_len),
    (fd, buf, len, flags, addr, addr_len))
RECORDED(read, fd, ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
RECORDED(read, fd, ssize_t, readv, (int fd, const struct iovec *iov, int count),
    (fd, iov, count))
RECORDED(send, fd, ssize_t, send, (int fd, const void *buf, size_t len, int flags),
    (fd, buf, len, flags))
RECORDED(send, fd, ssize_t, sendto,
    (int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG addr,
        socklen_t addr_len),
    (fd, buf, len, flags, addr, addr_len))
RECORDED(send, fd, ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags),
    (fd, msg, flags))
RECORDED(send, fd, ssize_t, writev, (int fd, const struct iovec *iov, int count),
    (fd, iov, count))
RECORDED(write, fd, ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len))
RECORDED(close, fd, int, close, (int fd), (fd))
RECORDED(shutdown, fd, int, shutdown, (int fd, int how), (fd, how))

/* Under _FORTIFY_SOURCE a recv into an array is compiled as __recv_chk. */
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
RECORDED(recv, fd, ssize_t, __recv_chk,
    (int fd, void *buf, size_t len, size_t size, int flags), (fd, buf, len, size, flags))
RECORDED(read, fd, ssize_t, __read_chk, (int fd, void *buf, size_t len, size_t size),
    (fd, buf, len, size))

/* ---- waiting for descriptors ------------------------------------------------------- */

RECORDED(select, -1, int, select,
    (int max, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout),
    (max, in, out, other, timeout))
RECORDED(select, -1, int, pselect,
    (int max, fd_set *in, fd_set *out, fd_set *other, const struct timespec *timeout,
        const sigset_t *mask),
    (max, in, out, other, timeout, mask))
RECORDED(poll, -1, int, poll, (struct pollfd * fds, nfds_t len, int timeout_ms),
    (fds, len, timeout_ms))
RECORDED(poll, -1, int, ppoll,
    (struct pollfd * fds, nfds_t len, const struct timespec *timeout,
        const sigset_t *mask),
    (fds, len, timeout, mask))

/* epoll brings back what it was given with a descriptor: whose it is has to be kept. */
int epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
    static function *_Atomic known;
    int (*real)(int, int, int, struct epoll_event *) =
        (int (*)(int, int, int, struct epoll_event *))next(&known, "epoll_ctl");

    if (event != NULL && fd >= 0 && fd < OWNERS_MAX)
        atomic_store_explicit(
            &owners[fd], op == EPOLL_CTL_DEL ? 0 : event->data.u64, memory_order_relaxed);
    struct record_slot *slot = begin(RECORD_epoll_ctl, fd);
    int result = real(ep, op, fd, event);
    end(slot, result);
    return result;
}

static void note_ready(const struct epoll_event *events, int count)
{
    for (int i = 0; i < count && i < READY_MAX; i++)
        for (int fd = 0; events[i].data.u64 != 0 && fd < OWNERS_MAX; fd++)
            if (atomic_load_explicit(&owners[fd], memory_order_relaxed) ==
                events[i].data.u64) {
                end(begin(RECORD_ready, fd), events[i].events);
                break;
            }
}

#define EPOLL_WAITING(name, params, args)                                                \
    int name params                                                                      \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        int(*real) params = (int(*) params)next(&known, #name);                          \
        struct record_slot *slot = begin(RECORD_epoll_wait, -1);                         \
        int result = real args;                                                          \
        end(slot, result);                                                               \
        note_ready(events, result);                                                      \
        return result;                                                                   \
    }
EPOLL_WAITING(epoll_wait, (int ep, struct epoll_event *events, int max, int timeout_ms),
    (ep, events, max, timeout_ms))
EPOLL_WAITING(epoll_pwait,
    (int ep, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask),
    (ep, events, max, timeout_ms, mask))

/* ---- waiting for time and for other threads ---------------------------------------- */

RECORDED(sleep, -1, int, nanosleep, (const struct timespec *time, struct timespec *left),
    (time, left))
RECORDED(sleep, -1, int, clock_nanosleep,
    (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),
    (clock, flags, time, left))
RECORDED(sleep, -1, int, usleep, (useconds_t time_us), (time_us))

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static function *_Atomic known;
    int (*real)(pthread_mutex_t *) =
        (int (*)(pthread_mutex_t *))next(&known, "pthread_mutex_lock");

    if (record == NULL)
        return real(mutex);
    int result = pthread_mutex_trylock(mutex);
    if (result != EBUSY)
        return result;
    struct record_slot *slot = begin(RECORD_lock, -1);
    result = real(mutex);
    end(slot, result);
    return result;
}

RECORDED(cond_wait, -1, int, pthread_cond_wait,
    (pthread_cond_t * condition, pthread_mutex_t *mutex), (condition, mutex))
RECORDED(cond_wait, -1, int, pthread_cond_timedwait,
    (pthread_cond_t * condition, pthread_mutex_t *mutex, const struct timespec *until),
    (condition, mutex, until))
RECORDED(signal, -1, int, pthread_cond_signal, (pthread_cond_t * condition), (condition))
RECORDED(
    broadcast, -1, int, pthread_cond_broadcast, (pthread_cond_t * condition), (condition))
