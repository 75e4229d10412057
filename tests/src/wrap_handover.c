/* wrap_handover.o: linked with a student's objects and -Wl,--wrap=NAME for each
 * __wrap_NAME here, it shows a sanitizer the hand-overs between threads that chance
 * and the kernel hide.
 *
 *     HANDOVER_PAUSE_US=2000 build-thread/server
 *
 * What ThreadSanitizer believes. It takes epoll_ctl for an order: all that a thread wrote
 * before it is visible to whoever returns from epoll_wait. And since all sockets are one
 * to it, so is every send before every recv, whoever they were for. Between two workers
 * there is then hardly ever a race, whether or not the server hands a connection over as
 * C11 demands. Here the calls on TCP sockets go to the kernel directly, past
 * ThreadSanitizer, which is told what memory they read and wrote. What stays an order is
 * the first registration of a descriptor (EPOLL_CTL_ADD), so that a connection may be
 * created in one thread and served in another; and pipes, socket pairs and eventfds.
 * HANDOVER_TRUST=1 makes EPOLL_CTL_MOD an order as well: the reports that are then gone
 * were of hand-overs that the kernel ordered and C11 did not.
 *
 * It also means that nobody is reproached with an epoll_ctl that still returns in one
 * thread while the next closes the descriptor. The kernel copes with that.
 *
 * What chance hides. A thread that has given a connection back takes a lock so soon
 * afterwards that the lock seems to order it; a thread that closes a descriptor has
 * forgotten it before anybody opens another one of that number; a batch of events is
 * dealt with before a connection in it can end. With HANDOVER_PAUSE_US some of the calls
 * take that much longer: before a lock, after a re-arm, after a close, after a wait.
 * Correct servers cannot tell.
 */
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_US_MAX 1000000
#define ORDERS 4096 /* registrations that are told apart; more share */

/* Of the runtime of ThreadSanitizer; NULL when the server is built without. */
__attribute__((weak)) void __tsan_acquire(void *);
__attribute__((weak)) void __tsan_release(void *);
__attribute__((weak)) void __tsan_read_range(void *, unsigned long);
__attribute__((weak)) void __tsan_write_range(void *, unsigned long);

/* Fixed once the constructor is done. */
static unsigned pause_us;
static bool trusts_rearm;

static atomic_uint decisions;
static char orders[ORDERS];

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("HANDOVER_PAUSE_US");
    long us = text != NULL ? strtol(text, NULL, 10) : 0;

    pause_us = us < 0 ? 0 : us > PAUSE_US_MAX ? PAUSE_US_MAX : (unsigned)us;
    trusts_rearm = getenv("HANDOVER_TRUST") != NULL;
}

static bool under_tsan(void)
{
    return __tsan_acquire != NULL && __tsan_release != NULL &&
           __tsan_read_range != NULL && __tsan_write_range != NULL;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

/* One call of `of` pauses, on average. Leaves errno alone. */
static void pause_one(unsigned of)
{
    unsigned n;

    if (pause_us == 0)
        return;
    n = atomic_fetch_add_explicit(&decisions, 1, memory_order_relaxed);
    if (mix(n + 1) % of == 0) {
        struct timespec span = {pause_us / 1000000, pause_us % 1000000 * 1000};
        int saved = errno;

        syscall(SYS_nanosleep, &span, NULL);
        errno = saved;
    }
}

/* ---- the kernel's order ---- */

static void *order_of(epoll_data_t data)
{
    return &orders[mix(data.u64) % ORDERS];
}

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    bool orders_it =
        operation == EPOLL_CTL_ADD || (operation == EPOLL_CTL_MOD && trusts_rearm);
    int rc;

    if (under_tsan() && orders_it && event != NULL)
        __tsan_release(order_of(event->data));
    rc = (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
    if (operation == EPOLL_CTL_MOD)
        pause_one(8);
    return rc;
}

static int waited(int count)
{
    if (count > 0)
        pause_one(8);
    return count;
}

static int events_came(const struct epoll_event *events, int count)
{
    for (int i = 0; under_tsan() && i < count; i++)
        __tsan_acquire(order_of(events[i].data));
    return waited(count);
}

int __real_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms);

int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
    return events_came(events, __real_epoll_wait(epoll_fd, events, max, timeout_ms));
}

int __real_epoll_pwait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms,
    const sigset_t *mask);

int __wrap_epoll_pwait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms,
    const sigset_t *mask)
{
    return events_came(
        events, __real_epoll_pwait(epoll_fd, events, max, timeout_ms, mask));
}

/* ---- sockets ---- */

/* Only TCP, for socket pairs are made for threads to talk to each other; and only what
 * does not wait, for ThreadSanitizer has to know of a thread that waits. */
static bool goes_direct(int fd, int flags)
{
    int domain = 0, saved = errno;
    socklen_t len = sizeof domain;

    pause_one(16);
    if (!under_tsan() || (flags & (MSG_WAITALL | MSG_ERRQUEUE)))
        return false;
    bool direct =
        syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
        (domain == AF_INET || domain == AF_INET6) &&
        ((flags & MSG_DONTWAIT) || (syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK));
    errno = saved;
    return direct;
}

/* Tells what memory a call wrote, or read: the first len bytes of the parts. */
static void used(const struct msghdr *msg, ssize_t len, bool wrote)
{
    size_t left = len > 0 ? (size_t)len : 0;
    size_t parts = (size_t)msg->msg_iovlen; /* an int, in musl */

    for (size_t i = 0; i < parts && left > 0; i++) {
        const struct iovec *part = &msg->msg_iov[i];
        size_t n = part->iov_len < left ? part->iov_len : left;

        if (wrote)
            __tsan_write_range(part->iov_base, n);
        else
            __tsan_read_range(part->iov_base, n);
        left -= n;
    }
}

static ssize_t receive(int fd, struct msghdr *msg, int flags)
{
    ssize_t n = syscall(SYS_recvmsg, fd, msg, flags);

    used(msg, n, true);
    return n;
}

static ssize_t transmit(int fd, const struct msghdr *msg, int flags)
{
    ssize_t n = syscall(SYS_sendmsg, fd, msg, flags);

    used(msg, n, false);
    return n;
}

static ssize_t receive_bytes(int fd, void *bytes, size_t len, int flags)
{
    struct iovec part = {bytes, len};

    return receive(fd, &(struct msghdr){.msg_iov = &part, .msg_iovlen = 1}, flags);
}

static ssize_t transmit_bytes(int fd, const void *bytes, size_t len, int flags)
{
    struct iovec part = {(void *)bytes, len};

    return transmit(fd, &(struct msghdr){.msg_iov = &part, .msg_iovlen = 1}, flags);
}

/* WRAP(type, name, parameters, arguments, flags, direct): `direct` instead of the
 * ordinary call, where that is possible. */
#define WRAP(type, name, parameters, arguments, flags, direct)                           \
    type __real_##name parameters;                                                       \
    type __wrap_##name parameters                                                        \
    {                                                                                    \
        return goes_direct(fd, flags) ? direct : __real_##name arguments;                \
    }

WRAP(ssize_t, recv, (int fd, void *bytes, size_t len, int flags), (fd, bytes, len, flags),
    flags, receive_bytes(fd, bytes, len, flags))
WRAP(ssize_t, send, (int fd, const void *bytes, size_t len, int flags),
    (fd, bytes, len, flags), flags, transmit_bytes(fd, bytes, len, flags))
WRAP(ssize_t, read, (int fd, void *bytes, size_t len), (fd, bytes, len), 0,
    receive_bytes(fd, bytes, len, 0))
WRAP(ssize_t, write, (int fd, const void *bytes, size_t len), (fd, bytes, len), 0,
    transmit_bytes(fd, bytes, len, 0))
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags), flags,
    receive(fd, msg, flags))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags),
    flags, transmit(fd, msg, flags))
WRAP(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count),
    0,
    receive(fd,
        &(struct msghdr){.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count},
        0))
WRAP(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count),
    0,
    transmit(fd,
        &(struct msghdr){.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count},
        0))

/* ---- pauses ---- */

int __real_close(int fd);

int __wrap_close(int fd)
{
    int rc = __real_close(fd);

    pause_one(8);
    return rc;
}

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    pause_one(32);
    return __real_pthread_mutex_lock(mutex);
}

int __real_poll(struct pollfd *fds, nfds_t len, int timeout_ms);

int __wrap_poll(struct pollfd *fds, nfds_t len, int timeout_ms)
{
    return waited(__real_poll(fds, len, timeout_ms));
}

int __real_select(int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout);

int __wrap_select(int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout)
{
    return waited(__real_select(n, in, out, other, timeout));
}
