/* fault.so: makes system calls of a server fail as they may in the world, but
 * seldom do on the day of the test.
 *
 *     FAULT=eintr COUNT_FILE=/tmp/counts LD_PRELOAD=tests/bin/fault.so ./server
 *
 * FAULT is a list with commas:
 *
 *   eintr              every second call fails with EINTR before it did anything
 *                      (recv, send: on sockets; accept; waiting; sleeping)
 *   short-recv         recv moves at most FAULT_BYTES (default 1)
 *   short-send         send moves at most FAULT_BYTES
 *   short              both
 *   eagain             every third recv, send or accept on a non-blocking socket
 *                      fails with EAGAIN; one on a blocking socket is counted, if
 *                      the server has asked whether that is ready, together with
 *                      others: it would wait, and hold these up
 *   errno:CALL:E[:N[:M]]   from the Nth CALL on (default the first), M of them
 *                      (default one) fail with E: errno:accept:EMFILE:2:5
 *   malloc:N           the Nth allocation after listen() fails, once
 *   malloc-from:N[:M]  so do all from the Nth on, or M of them
 *
 * A test must be able to trust that it tested something: each fault adds to
 * `injected` and to injected_recv, … in $COUNT_FILE (tests/bin/counts).
 *
 * Which calls. A student's server may use recv or read, epoll_wait or
 * epoll_pwait; a fault aims at the purpose: `recv` is recv, recvfrom, recvmsg,
 * and read and readv if the descriptor is a socket; `send` likewise; `accept`
 * is accept and accept4; `wait` is epoll_wait, epoll_pwait, select, pselect,
 * poll, ppoll; `sleep` is nanosleep and clock_nanosleep. The others are single
 * functions: see POINTS. Calls that libc makes inside itself are not reached.
 *
 * What a fault may pretend. A fault must be something that the kernel might
 * have done, or we would fail servers that are correct:
 *
 * - EINTR on a pipe, eventfd or signalfd is left out: they hardly ever wait.
 *
 * - With level-triggered readiness (select, poll, plain epoll) a short count or
 *   EAGAIN loses nothing: the kernel reports the rest again. With EPOLLONESHOT
 *   the server re-arms, and the kernel then looks at the state anew.
 *
 * - Edge-triggered it is a lie: epoll(7) promises that after EAGAIN, and on a
 *   stream also after a short count, the next change makes a new edge. Here the
 *   data (or the room) was there all the time, so no change would ever come and
 *   a correct server would hang. So we keep the promise: the shim remembers
 *   each registration, and after an injected short count or EAGAIN it repeats
 *   it with EPOLL_CTL_MOD, upon which the kernel reports what is ready as a new
 *   edge. To the server this is as if the rest of the bytes (or the peer's
 *   acknowledgement) arrived just after the call, which happens every day. The
 *   edge may reach another thread before the faulted call returns; that too
 *   happens every day, and is what a fault test should try.
 *
 * - An EPOLLONESHOT registration is never repeated: the one who serves the
 *   connection has it disarmed, and MOD would arm it for a second thread.
 *
 * - After an injected EINTR nothing is repeated: who is interrupted has learned
 *   nothing about readiness and must call again (signal(7)); an edge-triggered
 *   server that does not will hang, rightly.
 *
 * - An injected accept error leaves the connection in the queue, so that the
 *   client is served later by whoever tries again. (The kernel's ECONNABORTED
 *   takes it off; to the server it looks the same.)
 *
 * One registration per descriptor is remembered, the last. Not for builds with
 * sanitizers and not under valgrind: they replace malloc themselves.
 */
#undef _FORTIFY_SOURCE /* or the headers would bring their own recv */
#define _GNU_SOURCE
#include "counts.h"
#include "libc.h"

#include <dlfcn.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>

/* Names for errno:CALL:…, and the counter that an injection adds to. */
/* One line for each kind of call. */
/* clang-format off */
#define POINTS(X)                                                                        \
    X(recv, recv) X(send, send) X(accept, accept) X(wait, wait) X(sleep, sleep)          \
    X(socket, other) X(bind, other) X(listen, other) X(setsockopt, other)                \
    X(getsockname, other) X(epoll_create1, other) X(epoll_ctl, other)                    \
    X(eventfd, other) X(signalfd, other) X(timerfd_create, other)                        \
    X(pthread_create, other)
/* clang-format on */

#define POINT_ENUM(name, counter) POINT_##name,
enum point { POINTS(POINT_ENUM) POINTS_LEN };
#define POINT_NAME(name, counter) #name,
static const char *const point_names[] = {POINTS(POINT_NAME)};
#define POINT_COUNTER(name, counter) COUNT_injected_##counter,
static const enum count_index point_counters[] = {POINTS(POINT_COUNTER)};

/* What $FAULT says. Fixed once the constructor is done. */
static struct {
    bool eintr, eagain;
    size_t short_recv, short_send; /* bytes; 0: not shortened */
    int error;                     /* 0: no errno fault */
    enum point error_point;
    unsigned long error_first, error_times;
    unsigned long malloc_first, malloc_times; /* first is 0: no malloc fault */
} plan;

static struct counts early;
static struct counts *counts = &early;
static atomic_ulong calls[POINTS_LEN];
static atomic_bool listening; /* listen() returned: allocations count */

/* The registrations, by descriptor. The lock also covers our own MOD, which
 * must not overtake one of the server's and bring back an older interest. */
#define FD_MAX 65536
static pthread_mutex_t registrations_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool known;
    int epfd;
    struct epoll_event event;
} registrations[FD_MAX];

/* The sockets about which poll or select was asked together with others (FAULT=eagain).
 */
static atomic_bool asked_about[FD_MAX];

/* ---- the real functions ---- */

typedef void function(void);

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

/* DEFINE_REAL(recv) makes real_recv(): the function behind ours. */
#define DEFINE_REAL(name)                                                                \
    static __typeof__(name) *real_##name(void)                                           \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        return (__typeof__(name) *)next(&known, #name);                                  \
    }

DEFINE_REAL(recv)
DEFINE_REAL(recvfrom)
DEFINE_REAL(recvmsg)
DEFINE_REAL(read)
DEFINE_REAL(readv)
DEFINE_REAL(send)
DEFINE_REAL(sendto)
DEFINE_REAL(sendmsg)
DEFINE_REAL(sendfile)
DEFINE_REAL(write)
DEFINE_REAL(writev)
DEFINE_REAL(accept)
DEFINE_REAL(accept4)
DEFINE_REAL(epoll_wait)
DEFINE_REAL(epoll_pwait)
DEFINE_REAL(select)
DEFINE_REAL(pselect)
DEFINE_REAL(poll)
DEFINE_REAL(ppoll)
DEFINE_REAL(nanosleep)
DEFINE_REAL(clock_nanosleep)
DEFINE_REAL(socket)
DEFINE_REAL(bind)
DEFINE_REAL(listen)
DEFINE_REAL(setsockopt)
DEFINE_REAL(getsockname)
DEFINE_REAL(epoll_create1)
DEFINE_REAL(epoll_ctl)
DEFINE_REAL(eventfd)
DEFINE_REAL(signalfd)
DEFINE_REAL(timerfd_create)
DEFINE_REAL(pthread_create)

/* ---- reading $FAULT ---- */

static void reject(const char *item)
{
    errno = EINVAL;
    counts_give_up("FAULT", item);
}

static unsigned long parse_number(const char *text, const char *item)
{
    char *end;
    unsigned long n;

    if (text == NULL)
        return 1;
    n = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || n == 0)
        reject(item);
    return n;
}

static int parse_errno(const char *name, const char *item)
{
    int error = name == NULL ? 0 : errno_named(name);

    if (error == 0)
        reject(item);
    return error;
}

static enum point parse_point(const char *name, const char *item)
{
    for (int p = 0; name != NULL && p < POINTS_LEN; p++)
        if (strcmp(point_names[p], name) == 0)
            return (enum point)p;
    reject(item);
    return POINTS_LEN;
}

/* Splits in place at the colons, so nothing is allocated. */
static void parse_item(char *text, size_t bytes)
{
    char item[128];
    char *rest = text, *kind = strsep(&rest, ":");

    snprintf(item, sizeof item, "%s", kind);
    if (strcmp(kind, "eintr") == 0) {
        plan.eintr = true;
    } else if (strcmp(kind, "eagain") == 0) {
        plan.eagain = true;
    } else if (strcmp(kind, "short") == 0) {
        plan.short_recv = plan.short_send = bytes;
    } else if (strcmp(kind, "short-recv") == 0) {
        plan.short_recv = bytes;
    } else if (strcmp(kind, "short-send") == 0) {
        plan.short_send = bytes;
    } else if (strcmp(kind, "malloc") == 0) {
        plan.malloc_first = parse_number(strsep(&rest, ":"), item);
        plan.malloc_times = 1;
    } else if (strcmp(kind, "malloc-from") == 0) {
        plan.malloc_first = parse_number(strsep(&rest, ":"), item);
        plan.malloc_times = rest ? parse_number(strsep(&rest, ":"), item) : ULONG_MAX;
    } else if (strcmp(kind, "errno") == 0) {
        plan.error_point = parse_point(strsep(&rest, ":"), item);
        plan.error = parse_errno(strsep(&rest, ":"), item);
        plan.error_first = parse_number(strsep(&rest, ":"), item);
        plan.error_times = parse_number(strsep(&rest, ":"), item);
    } else {
        reject(item);
    }
    if (rest != NULL)
        reject(item);
}

__attribute__((constructor)) static void start(void)
{
    static char faults[1024];
    const char *text = getenv("FAULT"), *bytes = getenv("FAULT_BYTES");
    char *rest = faults, *item;

    counts = counts_create();
    if (text == NULL)
        return;
    if (strlen(text) >= sizeof faults)
        reject(text);
    strcpy(faults, text);
    while ((item = strsep(&rest, ",")) != NULL)
        parse_item(item, parse_number(bytes, "FAULT_BYTES"));
}

/* ---- deciding ---- */

static void injected(enum count_index which)
{
    counts_add(counts, COUNT_injected, 1);
    counts_add(counts, which, 1);
}

/* True for the `times` numbers from `first` on; first + times may overflow. */
static bool in_range(unsigned long n, unsigned long first, unsigned long times)
{
    return first != 0 && n >= first && n - first < times;
}

static bool may_be_interrupted(enum point p)
{
    return p == POINT_recv || p == POINT_send || p == POINT_accept || p == POINT_wait ||
           p == POINT_sleep;
}

/* A connection or its listener, not a descriptor between two threads. */
static bool is_tcp(int fd)
{
    int domain, saved = errno;
    socklen_t len = sizeof domain;
    bool yes = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
               (domain == AF_INET || domain == AF_INET6);

    errno = saved;
    return yes;
}

/* Whether an epoll instance watches this one and another one. */
static bool shares_epoll(int fd)
{
    bool shares = false;

    pthread_mutex_lock(&registrations_lock);
    for (int other = 0; registrations[fd].known && other < FD_MAX && !shares; other++)
        shares = other != fd && registrations[other].known &&
                 registrations[other].epfd == registrations[fd].epfd && is_tcp(other);
    pthread_mutex_unlock(&registrations_lock);
    return shares;
}

static bool may_say_eagain(enum point p, int fd, int flags)
{
    int mode;

    if (p != POINT_recv && p != POINT_send && p != POINT_accept)
        return false;
    if (p != POINT_accept && (flags & MSG_DONTWAIT))
        return true;
    mode = fcntl(fd, F_GETFL);
    if (mode == -1 || (mode & O_NONBLOCK))
        return mode != -1;
    /* Whoever waits for one client only may wait in recv as well as in poll. */
    if (fd >= 0 && fd < FD_MAX && (atomic_load(&asked_about[fd]) || shares_epoll(fd)))
        counts_add(counts, COUNT_blocking_though_asked, 1);
    return false;
}

/* Makes the kernel report a ready descriptor anew; see "What a fault may
 * pretend". Keeps errno. */
static void repeat_edge(int fd)
{
    int saved = errno;

    if (fd < 0 || fd >= FD_MAX)
        return;
    pthread_mutex_lock(&registrations_lock);
    if (registrations[fd].known && (registrations[fd].event.events & EPOLLET) &&
        !(registrations[fd].event.events & EPOLLONESHOT))
        real_epoll_ctl()(
            registrations[fd].epfd, EPOLL_CTL_MOD, fd, &registrations[fd].event);
    pthread_mutex_unlock(&registrations_lock);
    errno = saved;
}

/* Counts this call; returns the error that it must fail with, or 0. */
static int fault_of(enum point p, int fd, int flags)
{
    unsigned long n = atomic_fetch_add_explicit(&calls[p], 1, memory_order_relaxed) + 1;

    if (plan.error != 0 && p == plan.error_point &&
        in_range(n, plan.error_first, plan.error_times)) {
        injected(point_counters[p]);
        return plan.error;
    }
    if (plan.eintr && n % 2 == 0 && may_be_interrupted(p)) {
        injected(point_counters[p]);
        return EINTR;
    }
    if (plan.eagain && n % 3 == 0 && may_say_eagain(p, fd, flags)) {
        injected(point_counters[p]);
        repeat_edge(fd);
        return EAGAIN;
    }
    return 0;
}

/* For functions that return -1 and set errno. */
static bool fails(enum point p, int fd, int flags)
{
    int error = fault_of(p, fd, flags);

    if (error != 0)
        errno = error;
    return error != 0;
}

static size_t cut(size_t len, size_t limit)
{
    return limit != 0 && len > limit ? limit : len;
}

/* After a call that asked for `asked` of `len` bytes and moved n. */
static ssize_t moved(enum point p, int fd, ssize_t n, size_t asked, size_t len)
{
    if (n > 0 && (size_t)n == asked && asked < len) {
        injected(point_counters[p]);
        repeat_edge(fd);
    }
    return n;
}

/* read and write serve other descriptors too; those are left alone. */
static bool is_socket(int fd)
{
    int type, saved = errno;
    socklen_t len = sizeof type;
    bool yes = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;

    errno = saved;
    return yes;
}

static size_t iov_total(const struct iovec *iov, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += iov[i].iov_len;
    return total;
}

/* The start of a vector: its first piece that is not empty, cut. */
static struct iovec iov_cut(const struct iovec *iov, size_t count, size_t limit)
{
    struct iovec first = {NULL, 0};

    for (size_t i = 0; i < count && first.iov_len == 0; i++)
        first = iov[i];
    first.iov_len = cut(first.iov_len, limit);
    return first;
}

/* ---- recv ---- */

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    size_t asked = (flags & MSG_PEEK) ? len : cut(len, plan.short_recv);

    if (fails(POINT_recv, fd, flags))
        return -1;
    return moved(POINT_recv, fd, real_recv()(fd, buf, asked, flags), asked, len);
}

ssize_t recvfrom(
    int fd, void *buf, size_t len, int flags, __SOCKADDR_ARG addr, socklen_t *addr_len)
{
    size_t asked = (flags & MSG_PEEK) ? len : cut(len, plan.short_recv);

    if (fails(POINT_recv, fd, flags))
        return -1;
    return moved(POINT_recv, fd, real_recvfrom()(fd, buf, asked, flags, addr, addr_len),
        asked, len);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    size_t len = iov_total(msg->msg_iov, msg->msg_iovlen);
    struct iovec *iov = msg->msg_iov, first;
    size_t iov_len = msg->msg_iovlen;
    ssize_t n;

    if (fails(POINT_recv, fd, flags))
        return -1;
    if (plan.short_recv == 0 || (flags & MSG_PEEK))
        return real_recvmsg()(fd, msg, flags);
    first = iov_cut(iov, iov_len, plan.short_recv);
    msg->msg_iov = &first;
    msg->msg_iovlen = 1;
    n = real_recvmsg()(fd, msg, flags);
    msg->msg_iov = iov;
    msg->msg_iovlen = iov_len;
    return moved(POINT_recv, fd, n, first.iov_len, len);
}

ssize_t read(int fd, void *buf, size_t len)
{
    size_t asked = cut(len, plan.short_recv);

    if (!is_socket(fd))
        return real_read()(fd, buf, len);
    if (fails(POINT_recv, fd, 0))
        return -1;
    return moved(POINT_recv, fd, real_read()(fd, buf, asked), asked, len);
}

ssize_t readv(int fd, const struct iovec *iov, int count)
{
    struct iovec first;

    if (!is_socket(fd))
        return real_readv()(fd, iov, count);
    if (fails(POINT_recv, fd, 0))
        return -1;
    if (plan.short_recv == 0)
        return real_readv()(fd, iov, count);
    first = iov_cut(iov, (size_t)count, plan.short_recv);
    return moved(POINT_recv, fd, real_readv()(fd, &first, 1), first.iov_len,
        iov_total(iov, (size_t)count));
}

/* Under _FORTIFY_SOURCE a recv into an array is compiled as __recv_chk. */
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags,
    __SOCKADDR_ARG addr, socklen_t *addr_len);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);

static void check_size(size_t len, size_t size)
{
    if (len > size)
        abort();
}

ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
    check_size(len, size);
    return recv(fd, buf, len, flags);
}

ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags,
    __SOCKADDR_ARG addr, socklen_t *addr_len)
{
    check_size(len, size);
    return recvfrom(fd, buf, len, flags, addr, addr_len);
}

ssize_t __read_chk(int fd, void *buf, size_t len, size_t size)
{
    check_size(len, size);
    return read(fd, buf, len);
}

/* ---- send ---- */

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    size_t asked = cut(len, plan.short_send);

    if (fails(POINT_send, fd, flags))
        return -1;
    return moved(POINT_send, fd, real_send()(fd, buf, asked, flags), asked, len);
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG addr,
    socklen_t addr_len)
{
    size_t asked = cut(len, plan.short_send);

    if (fails(POINT_send, fd, flags))
        return -1;
    return moved(
        POINT_send, fd, real_sendto()(fd, buf, asked, flags, addr, addr_len), asked, len);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    size_t len = iov_total(msg->msg_iov, msg->msg_iovlen);
    struct msghdr one = *msg;
    struct iovec first;

    if (fails(POINT_send, fd, flags))
        return -1;
    if (plan.short_send == 0)
        return real_sendmsg()(fd, msg, flags);
    first = iov_cut(msg->msg_iov, msg->msg_iovlen, plan.short_send);
    one.msg_iov = &first;
    one.msg_iovlen = 1;
    return moved(POINT_send, fd, real_sendmsg()(fd, &one, flags), first.iov_len, len);
}

ssize_t write(int fd, const void *buf, size_t len)
{
    size_t asked = cut(len, plan.short_send);

    if (!is_socket(fd))
        return real_write()(fd, buf, len);
    if (fails(POINT_send, fd, 0))
        return -1;
    return moved(POINT_send, fd, real_write()(fd, buf, asked), asked, len);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    struct iovec first;

    if (!is_socket(fd))
        return real_writev()(fd, iov, count);
    if (fails(POINT_send, fd, 0))
        return -1;
    if (plan.short_send == 0)
        return real_writev()(fd, iov, count);
    first = iov_cut(iov, (size_t)count, plan.short_send);
    return moved(POINT_send, fd, real_writev()(fd, &first, 1), first.iov_len,
        iov_total(iov, (size_t)count));
}

ssize_t sendfile(int fd, int file, off_t *at, size_t len)
{
    size_t asked = cut(len, plan.short_send);

    if (fails(POINT_send, fd, 0))
        return -1;
    return moved(POINT_send, fd, real_sendfile()(fd, file, at, asked), asked, len);
}

/* ---- accept, waiting, sleeping ---- */

/* Nobody has asked about a new descriptor, whatever had its number before. */
static int born(int fd)
{
    if (fd >= 0 && fd < FD_MAX)
        atomic_store(&asked_about[fd], false);
    return fd;
}

int accept(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
    return fails(POINT_accept, fd, 0) ? -1 : born(real_accept()(fd, addr, len));
}

int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
    return fails(POINT_accept, fd, 0) ? -1 : born(real_accept4()(fd, addr, len, flags));
}

static void ask_about(const struct pollfd *fds, nfds_t len)
{
    int sockets = 0;

    if (!plan.eagain)
        return;
    for (nfds_t i = 0; i < len; i++)
        sockets += fds[i].fd >= 0 && is_tcp(fds[i].fd);
    for (nfds_t i = 0; i < len && sockets >= 2; i++)
        if (fds[i].fd >= 0 && fds[i].fd < FD_MAX)
            atomic_store(&asked_about[fds[i].fd], true);
}

static void ask_about_sets(int max, const fd_set *in, const fd_set *out)
{
    struct pollfd fds[FD_SETSIZE];
    nfds_t len = 0;

    for (int fd = 0; plan.eagain && fd < max && fd < FD_SETSIZE; fd++)
        if ((in != NULL && FD_ISSET(fd, in)) || (out != NULL && FD_ISSET(fd, out)))
            fds[len++].fd = fd;
    ask_about(fds, len);
}

int epoll_wait(int ep, struct epoll_event *events, int max, int timeout_ms)
{
    return fails(POINT_wait, -1, 0) ? -1 : real_epoll_wait()(ep, events, max, timeout_ms);
}

int epoll_pwait(
    int ep, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask)
{
    return fails(POINT_wait, -1, 0)
               ? -1
               : real_epoll_pwait()(ep, events, max, timeout_ms, mask);
}

int select(int max, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout)
{
    ask_about_sets(max, in, out);
    return fails(POINT_wait, -1, 0) ? -1 : real_select()(max, in, out, other, timeout);
}

int pselect(int max, fd_set *in, fd_set *out, fd_set *other,
    const struct timespec *timeout, const sigset_t *mask)
{
    ask_about_sets(max, in, out);
    return fails(POINT_wait, -1, 0) ? -1
                                    : real_pselect()(max, in, out, other, timeout, mask);
}

#if defined __GNUC__ && !defined __clang__
/* glibc declares that poll writes fds, and gcc thinks that it does nothing else. */
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

int poll(struct pollfd *fds, nfds_t len, int timeout_ms)
{
    ask_about(fds, len);
    return fails(POINT_wait, -1, 0) ? -1 : real_poll()(fds, len, timeout_ms);
}

int ppoll(
    struct pollfd *fds, nfds_t len, const struct timespec *timeout, const sigset_t *mask)
{
    ask_about(fds, len);
    return fails(POINT_wait, -1, 0) ? -1 : real_ppoll()(fds, len, timeout, mask);
}

/* Interrupted at once: all of the time is left. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
    if (!fails(POINT_sleep, -1, 0))
        return real_nanosleep()(time, left);
    if (left != NULL)
        *left = *time;
    return -1;
}

int clock_nanosleep(
    clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    int error = fault_of(POINT_sleep, -1, 0);

    if (error == 0)
        return real_clock_nanosleep()(clock, flags, time, left);
    if (left != NULL && !(flags & TIMER_ABSTIME))
        *left = *time;
    return error; /* the number itself, not -1 and errno */
}

/* ---- setting up ---- */

int socket(int domain, int type, int protocol)
{
    return fails(POINT_socket, -1, 0) ? -1 : real_socket()(domain, type, protocol);
}

int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
    return fails(POINT_bind, fd, 0) ? -1 : real_bind()(fd, addr, len);
}

int listen(int fd, int backlog)
{
    int rc;

    if (fails(POINT_listen, fd, 0))
        return -1;
    rc = real_listen()(fd, backlog);
    if (rc == 0)
        atomic_store(&listening, true);
    return rc;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return fails(POINT_setsockopt, fd, 0)
               ? -1
               : real_setsockopt()(fd, level, name, value, len);
}

int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
    return fails(POINT_getsockname, fd, 0) ? -1 : real_getsockname()(fd, addr, len);
}

int epoll_create1(int flags)
{
    return fails(POINT_epoll_create1, -1, 0) ? -1 : real_epoll_create1()(flags);
}

int eventfd(unsigned value, int flags)
{
    return fails(POINT_eventfd, -1, 0) ? -1 : real_eventfd()(value, flags);
}

int signalfd(int fd, const sigset_t *mask, int flags)
{
    return fails(POINT_signalfd, -1, 0) ? -1 : real_signalfd()(fd, mask, flags);
}

int timerfd_create(clockid_t clock, int flags)
{
    return fails(POINT_timerfd_create, -1, 0) ? -1 : real_timerfd_create()(clock, flags);
}

int pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    int error = fault_of(POINT_pthread_create, -1, 0);

    return error ? error : real_pthread_create()(thread, attr, run, arg);
}

/* Call and note are one under the lock: another thread may be at work on this
 * descriptor before epoll_ctl returns, and must find the note. */
int epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
    int rc;

    if (fails(POINT_epoll_ctl, -1, 0))
        return -1;
    pthread_mutex_lock(&registrations_lock);
    rc = real_epoll_ctl()(ep, op, fd, event);
    if (rc == 0 && fd >= 0 && fd < FD_MAX) {
        registrations[fd].known = op != EPOLL_CTL_DEL;
        registrations[fd].epfd = ep;
        if (op != EPOLL_CTL_DEL)
            registrations[fd].event = *event;
    }
    pthread_mutex_unlock(&registrations_lock);
    return rc;
}

/* ---- memory ---- */

static bool out_of_memory(void)
{
    unsigned long n;

    if (!atomic_load_explicit(&listening, memory_order_relaxed))
        return false;
    n = counts_add(counts, COUNT_allocations, 1);
    if (!in_range(n, plan.malloc_first, plan.malloc_times))
        return false;
    injected(COUNT_injected_malloc);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return out_of_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return out_of_memory() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return out_of_memory() ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return out_of_memory() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *p = out_of_memory() ? NULL : __libc_memalign(alignment, size);

    if (p == NULL)
        return ENOMEM;
    *memory = p;
    return 0;
}
