/* wrap_fault.o: linked with our own objects and -Wl,--wrap=NAME for each __wrap_NAME
 * here, it makes the Nth call of one of them fail, counted from the start of the process.
 *
 *     WRAP_FAULT=malloc:ENOMEM:3 COUNT_FILE=/tmp/counts step05_final/build-wrap/server
 *
 * WRAP_FAULT is CALL:ERRNO:FIRST[:TIMES], with a number or `all` for TIMES (default 1).
 * CALL is a name in the list below, or `memory`: all that take memory.
 *
 * How it differs from fault.so, which judges any server from outside: the linker replaces
 * only the calls in our objects. What libc takes for itself (the stack of a thread, the
 * buffer of stdout) does not fail and does not count, so that each N is a line of our
 * code; the start is reached as well; and valgrind and the sanitizers can watch.
 *
 * It also keeps the books: what our objects took and gave back, blocks of memory and
 * descriptors. Two equal numbers at the end mean that nothing leaked. All of it stands in
 * $COUNT_FILE (see counts.h): injected, blocks_taken, blocks_freed, fds_opened,
 * fds_closed.
 *
 * A fault must be something that the kernel might have done. So epoll_ctl fails for
 * EPOLL_CTL_ADD only, for nothing else that we ask of it takes memory; and write does not
 * fail for an eventfd, which takes its eight bytes always.
 */
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE
#include "counts.h"
#include "libc.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* The calls that can be made to fail. */
/* clang-format off */
#define CALLS(X)                                                                         \
    X(malloc) X(calloc) X(realloc) X(aligned_alloc) X(memory) X(accept4) X(recv) X(send) \
    X(sendmsg) X(writev) X(epoll_ctl) X(epoll_wait) X(epoll_create1) X(eventfd)          \
    X(signalfd) X(pthread_create) X(socket) X(setsockopt) X(bind) X(listen)              \
    X(getsockname) X(getpeername) X(shutdown) X(open) X(fcntl) X(fstat) X(poll) X(read)  \
    X(write) X(getrlimit) X(setrlimit) X(pthread_setschedparam)
/* clang-format on */

#define CALL_ENUM(name) CALL_##name,
enum call { CALLS(CALL_ENUM) CALLS_LEN };
#define CALL_NAME(name) #name,
static const char *const call_names[] = {CALLS(CALL_NAME)};

/* Fixed once the constructor is done. */
static enum call fault_call = CALLS_LEN;
static int fault_error;
static unsigned long fault_first, fault_times;

static struct counts early;
static struct counts *counts = &early;
static atomic_ulong matching; /* calls so far that may fail */
static atomic_int event_fd = -1;

/* ---- reading $WRAP_FAULT ---- */

static void reject(const char *what)
{
    errno = EINVAL;
    counts_give_up("WRAP_FAULT", what);
}

static unsigned long parse_times(const char *text)
{
    char *end;
    unsigned long n;

    if (text == NULL)
        return 1;
    if (strcmp(text, "all") == 0)
        return ULONG_MAX;
    n = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || n == 0)
        reject(text);
    return n;
}

static int parse_errno(const char *name)
{
    int error = name == NULL ? 0 : errno_named(name);

    if (error == 0)
        reject("no such errno");
    return error;
}

__attribute__((constructor)) static void start(void)
{
    static char text[128];
    const char *given = getenv("WRAP_FAULT");
    char *rest = text, *name;

    counts = counts_create();
    if (given == NULL)
        return;
    if (strlen(given) >= sizeof text)
        reject(given);
    strcpy(text, given);
    name = strsep(&rest, ":");
    for (fault_call = 0; fault_call < CALLS_LEN; fault_call++)
        if (strcmp(name, call_names[fault_call]) == 0)
            break;
    if (fault_call == CALLS_LEN)
        reject(name);
    fault_error = parse_errno(strsep(&rest, ":"));
    fault_first = parse_times(strsep(&rest, ":"));
    fault_times = parse_times(strsep(&rest, ":"));
    if (rest != NULL)
        reject(given);
}

/* ---- deciding ---- */

/* Counts this call. errno is set when it must fail. */
static bool fails(enum call call)
{
    if (call != fault_call)
        return false;
    unsigned long n = atomic_fetch_add_explicit(&matching, 1, memory_order_relaxed) + 1;
    if (n < fault_first || n - fault_first >= fault_times)
        return false;
    counts_add(counts, COUNT_injected, 1);
    errno = fault_error;
    return true;
}

static int opened(int fd)
{
    if (fd >= 0)
        counts_add(counts, COUNT_fds_opened, 1);
    return fd;
}

static void *taken(void *block)
{
    if (block != NULL)
        counts_add(counts, COUNT_blocks_taken, 1);
    return block;
}

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);

void *__wrap_malloc(size_t size)
{
    if (fails(CALL_malloc) || fails(CALL_memory))
        return NULL;
    return taken(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (fails(CALL_calloc) || fails(CALL_memory))
        return NULL;
    return taken(__real_calloc(count, size));
}

void *__real_aligned_alloc(size_t alignment, size_t size);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (fails(CALL_aligned_alloc) || fails(CALL_memory))
        return NULL;
    return taken(__real_aligned_alloc(alignment, size));
}

/* A block that moves is still one block. */
void *__wrap_realloc(void *block, size_t size)
{
    if (fails(CALL_realloc) || fails(CALL_memory))
        return NULL;
    void *moved = __real_realloc(block, size);
    return block == NULL ? taken(moved) : moved;
}

void __wrap_free(void *block)
{
    int saved = errno;

    if (block != NULL)
        counts_add(counts, COUNT_blocks_freed, 1);
    __real_free(block);
    errno = saved;
}

/* ---- descriptors ---- */

int __real_close(int fd);

int __wrap_close(int fd)
{
    int rc = __real_close(fd);

    if (rc == 0)
        counts_add(counts, COUNT_fds_closed, 1);
    return rc;
}

int __real_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    if (fails(CALL_open))
        return -1;
    va_start(arguments, flags);
    if (flags & O_CREAT)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return opened(__real_open(path, flags, mode));
}

int __real_fcntl(int fd, int command, ...);

/* The argument, if there is one, is an int or a pointer: a long holds both. */
int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;

    if (fails(CALL_fcntl))
        return -1;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return __real_fcntl(fd, command, argument);
}

int __real_socket(int domain, int type, int protocol);

int __wrap_socket(int domain, int type, int protocol)
{
    return fails(CALL_socket) ? -1 : opened(__real_socket(domain, type, protocol));
}

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

/* The connection stays in the queue, so that the client is served by the next try. (The
 * kernel's ECONNABORTED takes it off; to the server it looks the same.) */
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return fails(CALL_accept4) ? -1 : opened(__real_accept4(fd, address, len, flags));
}

int __real_epoll_create1(int flags);

int __wrap_epoll_create1(int flags)
{
    return fails(CALL_epoll_create1) ? -1 : opened(__real_epoll_create1(flags));
}

int __real_eventfd(unsigned value, int flags);

int __wrap_eventfd(unsigned value, int flags)
{
    if (fails(CALL_eventfd))
        return -1;
    event_fd = opened(__real_eventfd(value, flags));
    return event_fd;
}

int __real_signalfd(int fd, const sigset_t *mask, int flags);

int __wrap_signalfd(int fd, const sigset_t *mask, int flags)
{
    return fails(CALL_signalfd) ? -1 : opened(__real_signalfd(fd, mask, flags));
}

/* ---- all others ---- */

/* WRAP(int, bind, (int fd, ...), (fd, ...)): a function that returns -1 and sets errno.
 */
#define WRAP(type, name, parameters, arguments)                                          \
    type __real_##name parameters;                                                       \
    type __wrap_##name parameters                                                        \
    {                                                                                    \
        return fails(CALL_##name) ? -1 : __real_##name arguments;                        \
    }

WRAP(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
WRAP(ssize_t, send, (int fd, const void *buf, size_t len, int flags),
    (fd, buf, len, flags))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(ssize_t, writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))
WRAP(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
WRAP(int, epoll_wait, (int fd, struct epoll_event *events, int max, int timeout_ms),
    (fd, events, max, timeout_ms))
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
    (fd, level, name, value, len))
WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t len),
    (fd, address, len))
WRAP(int, listen, (int fd, int backlog), (fd, backlog))
WRAP(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len),
    (fd, address, len))
WRAP(int, getpeername, (int fd, struct sockaddr *address, socklen_t *len),
    (fd, address, len))
WRAP(int, shutdown, (int fd, int how), (fd, how))
WRAP(int, fstat, (int fd, struct stat *status), (fd, status))
WRAP(int, poll, (struct pollfd * fds, nfds_t len, int timeout_ms), (fds, len, timeout_ms))
WRAP(int, getrlimit, (int resource, struct rlimit *limit), (resource, limit))
WRAP(int, setrlimit, (int resource, const struct rlimit *limit), (resource, limit))

ssize_t __real_write(int fd, const void *buf, size_t len);

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
    if (fd != event_fd && fails(CALL_write))
        return -1;
    return __real_write(fd, buf, len);
}

int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && fails(CALL_epoll_ctl))
        return -1;
    return __real_epoll_ctl(epfd, op, fd, event);
}

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *argument);

/* It returns its error, and errno says nothing: here it is a wrong one, so that who looks
 * there is found out. */
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *argument)
{
    if (fails(CALL_pthread_create)) {
        errno = EXDEV;
        return fault_error;
    }
    return __real_pthread_create(thread, attr, run, argument);
}

int __real_pthread_setschedparam(
    pthread_t thread, int policy, const struct sched_param *param);

/* The same. */
int __wrap_pthread_setschedparam(
    pthread_t thread, int policy, const struct sched_param *param)
{
    if (fails(CALL_pthread_setschedparam)) {
        errno = EXDEV;
        return fault_error;
    }
    return __real_pthread_setschedparam(thread, policy, param);
}
