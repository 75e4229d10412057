/* clock.so: a server's clock runs faster than ours, so that a test can see what it does
 * after half a minute without waiting for it.
 *
 *     CLOCK_FACTOR=40 COUNT_FILE=/tmp/counts LD_PRELOAD=tests/bin/clock.so ./server
 *
 * Every clock that shows the time of day or the time since the start runs CLOCK_FACTOR
 * times as fast; every limit that the server sets is over CLOCK_FACTOR times as soon, by
 * our clock. To the server both agree. Each limit that was shortened adds to
 * `shortened` in $COUNT_FILE (counts.h).
 *
 * Which limits: the timeouts of select, poll and epoll_wait; SO_RCVTIMEO, SO_SNDTIMEO and
 * TCP_USER_TIMEOUT; alarm, setitimer, timer_settime and timerfd_settime; the timed waits
 * for a condition and for a semaphore; sleeping. The clocks of CPU time are left alone,
 * and so are the kernel's own timers (retransmission, keep-alive). Calls that libc makes
 * inside itself are not reached.
 */
#undef _FORTIFY_SOURCE /* or the headers would bring their own poll */
#define _GNU_SOURCE
#include "counts.h"

#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#include "libc.h"

#define NS_PER_S 1000000000LL
#define CLOCKS 12 /* the kernel's numbers of clocks, dynamic ones aside */

/* Fixed once the constructor is done. */
static long long factor = 1;
static long long start_ns[CLOCKS]; /* what each clock showed at the start */

static struct counts early;
static struct counts *counts = &early;

/* ---- the real functions ---- */

typedef void function(void);

/* Of pthread_cond_timedwait x86-64 has two, and dlsym may find the old one. */
static function *next(function *_Atomic *known, const char *name)
{
    function *f = atomic_load_explicit(known, memory_order_relaxed);

    if (f == NULL) {
        *(void **)&f = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
        if (f == NULL)
            *(void **)&f = dlsym(RTLD_NEXT, name);
        if (f == NULL)
            counts_give_up("no such function", name);
        atomic_store_explicit(known, f, memory_order_relaxed);
    }
    return f;
}

/* DEFINE_REAL(poll) makes real_poll(): the function behind ours. */
#define DEFINE_REAL(name)                                                                \
    static __typeof__(name) *real_##name(void)                                           \
    {                                                                                    \
        static function *_Atomic known;                                                  \
        return (__typeof__(name) *)next(&known, #name);                                  \
    }

DEFINE_REAL(clock_gettime)
DEFINE_REAL(select)
DEFINE_REAL(pselect)
DEFINE_REAL(poll)
DEFINE_REAL(ppoll)
DEFINE_REAL(epoll_wait)
DEFINE_REAL(epoll_pwait)
DEFINE_REAL(setsockopt)
DEFINE_REAL(setitimer)
DEFINE_REAL(timer_settime)
DEFINE_REAL(timerfd_create)
DEFINE_REAL(timerfd_settime)
DEFINE_REAL(pthread_cond_timedwait)
DEFINE_REAL(sem_timedwait)
DEFINE_REAL(clock_nanosleep)

/* ---- times ---- */

static long long ns_of(const struct timespec *time)
{
    return time->tv_sec * NS_PER_S + time->tv_nsec;
}

static struct timespec timespec_of(long long ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static bool runs_fast(clockid_t clock)
{
    return clock >= 0 && clock < CLOCKS && clock != CLOCK_PROCESS_CPUTIME_ID &&
           clock != CLOCK_THREAD_CPUTIME_ID;
}

/* A limit that is over at once stays one, and another does not become one. */
static long long shorter(long long time)
{
    if (time <= 0)
        return time;
    counts_add(counts, COUNT_shortened, 1);
    return (time + factor - 1) / factor;
}

static struct timespec shorter_timespec(const struct timespec *time)
{
    return timespec_of(shorter(ns_of(time)));
}

static struct timeval shorter_timeval(const struct timeval *time)
{
    long long us = shorter(time->tv_sec * 1000000LL + time->tv_usec);

    return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

/* When the server's clock shows `then`, what does ours show? */
static struct timespec sooner(clockid_t clock, const struct timespec *then)
{
    long long since_ns = ns_of(then) - start_ns[clock];

    counts_add(counts, COUNT_shortened, 1);
    return timespec_of(start_ns[clock] + (since_ns > 0 ? since_ns / factor : since_ns));
}

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("CLOCK_FACTOR");
    struct timespec now;

    counts = counts_create();
    for (clockid_t clock = 0; clock < CLOCKS; clock++)
        if (runs_fast(clock) && real_clock_gettime()(clock, &now) == 0)
            start_ns[clock] = ns_of(&now);
    if (text != NULL)
        factor = atoll(text);
    if (factor < 1) {
        errno = EINVAL;
        counts_give_up("CLOCK_FACTOR", text);
    }
}

/* ---- the clocks ---- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = real_clock_gettime()(clock, now);

    if (rc == 0 && runs_fast(clock))
        *now = timespec_of(start_ns[clock] + (ns_of(now) - start_ns[clock]) * factor);
    return rc;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    int rc = clock_gettime(CLOCK_REALTIME, &exact);

    (void)zone;
    if (rc == 0)
        *now = (struct timeval){
            .tv_sec = exact.tv_sec, .tv_usec = (suseconds_t)(exact.tv_nsec / 1000)};
    return rc;
}

time_t time(time_t *copy)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (copy != NULL)
        *copy = now.tv_sec;
    return now.tv_sec;
}

/* ---- waiting ---- */

/* select stores what is left. */
int select(int max, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout)
{
    struct timeval wait;

    if (timeout == NULL)
        return real_select()(max, in, out, other, NULL);
    wait = shorter_timeval(timeout);
    int rc = real_select()(max, in, out, other, &wait);
    long long left_us = (wait.tv_sec * 1000000LL + wait.tv_usec) * factor;
    *timeout =
        (struct timeval){.tv_sec = left_us / 1000000, .tv_usec = left_us % 1000000};
    return rc;
}

int pselect(int max, fd_set *in, fd_set *out, fd_set *other,
    const struct timespec *timeout, const sigset_t *mask)
{
    struct timespec wait = timeout ? shorter_timespec(timeout) : (struct timespec){0};

    return real_pselect()(max, in, out, other, timeout ? &wait : NULL, mask);
}

int poll(struct pollfd *fds, nfds_t len, int timeout_ms)
{
    return real_poll()(fds, len, (int)shorter(timeout_ms));
}

/* Under _FORTIFY_SOURCE a poll of an array is compiled as __poll_chk. */
int __poll_chk(struct pollfd *fds, nfds_t len, int timeout_ms, size_t size);

int __poll_chk(struct pollfd *fds, nfds_t len, int timeout_ms, size_t size)
{
    if (len > size / sizeof *fds)
        abort();
    return poll(fds, len, timeout_ms);
}

int ppoll(
    struct pollfd *fds, nfds_t len, const struct timespec *timeout, const sigset_t *mask)
{
    struct timespec wait = timeout ? shorter_timespec(timeout) : (struct timespec){0};

    return real_ppoll()(fds, len, timeout ? &wait : NULL, mask);
}

int epoll_wait(int ep, struct epoll_event *events, int max, int timeout_ms)
{
    return real_epoll_wait()(ep, events, max, (int)shorter(timeout_ms));
}

int epoll_pwait(
    int ep, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask)
{
    return real_epoll_pwait()(ep, events, max, (int)shorter(timeout_ms), mask);
}

/* ---- limits of sockets, and timers ---- */

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO) &&
        len == sizeof(struct timeval)) {
        struct timeval wait = shorter_timeval(value);
        return real_setsockopt()(fd, level, name, &wait, sizeof wait);
    }
    if (level == IPPROTO_TCP && name == TCP_USER_TIMEOUT && len == sizeof(int)) {
        int wait_ms = (int)shorter(*(const int *)value);
        return real_setsockopt()(fd, level, name, &wait_ms, sizeof wait_ms);
    }
    return real_setsockopt()(fd, level, name, value, len);
}

int setitimer(__itimer_which_t which, const struct itimerval *restrict value,
    struct itimerval *restrict old)
{
    struct itimerval fast = {
        shorter_timeval(&value->it_interval), shorter_timeval(&value->it_value)};

    return real_setitimer()(which, which == ITIMER_REAL ? &fast : value, old);
}

unsigned alarm(unsigned seconds)
{
    struct itimerval timer = {.it_value.tv_sec = seconds}, old;

    setitimer(ITIMER_REAL, &timer, &old);
    return (unsigned)old.it_value.tv_sec;
}

/* The clock of a timer is known where it is made; a few of each are remembered. */
#define TIMERS_MAX 1024
static _Atomic int clock_of_fd[TIMERS_MAX];

int timerfd_create(clockid_t clock, int flags)
{
    int fd = real_timerfd_create()(clock, flags);

    if (fd >= 0 && fd < TIMERS_MAX)
        clock_of_fd[fd] = clock;
    return fd;
}

static struct itimerspec faster(
    clockid_t clock, bool absolute, const struct itimerspec *value)
{
    bool armed = ns_of(&value->it_value) != 0;

    return (struct itimerspec){
        .it_interval = shorter_timespec(&value->it_interval),
        .it_value = absolute && armed ? sooner(clock, &value->it_value)
                                      : shorter_timespec(&value->it_value),
    };
}

int timerfd_settime(
    int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    clockid_t clock = fd >= 0 && fd < TIMERS_MAX ? clock_of_fd[fd] : CLOCK_MONOTONIC;
    struct itimerspec fast = faster(clock, flags & TFD_TIMER_ABSTIME, value);

    return real_timerfd_settime()(fd, flags, runs_fast(clock) ? &fast : value, old);
}

/* For absolute times, which hardly anybody asks for: as if the clock were MONOTONIC. */
int timer_settime(timer_t timer, int flags, const struct itimerspec *restrict value,
    struct itimerspec *restrict old)
{
    struct itimerspec fast = faster(CLOCK_MONOTONIC, flags & TIMER_ABSTIME, value);

    return real_timer_settime()(timer, flags, &fast, old);
}

/* ---- threads that wait ---- */

/* Which clock a condition goes by we do not know, but since 1970 there is more time than
 * since the start of any machine. */
static struct timespec sooner_of_either(const struct timespec *then)
{
    return sooner(then->tv_sec < 1000000000 ? CLOCK_MONOTONIC : CLOCK_REALTIME, then);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition,
    pthread_mutex_t *restrict lock, const struct timespec *restrict then)
{
    struct timespec until = sooner_of_either(then);

    return real_pthread_cond_timedwait()(condition, lock, &until);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict then)
{
    struct timespec until = sooner_of_either(then);

    return real_sem_timedwait()(semaphore, &until);
}

#ifdef __GLIBC__ /* musl has neither */
DEFINE_REAL(pthread_cond_clockwait)
DEFINE_REAL(sem_clockwait)

int pthread_cond_clockwait(pthread_cond_t *restrict condition,
    pthread_mutex_t *restrict lock, clockid_t clock, const struct timespec *restrict then)
{
    struct timespec until = sooner_of_either(then);

    return real_pthread_cond_clockwait()(condition, lock, clock, &until);
}

int sem_clockwait(
    sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict then)
{
    struct timespec until = sooner_of_either(then);

    return real_sem_clockwait()(semaphore, clock, &until);
}
#endif

int clock_nanosleep(
    clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    bool absolute = flags & TIMER_ABSTIME;
    struct timespec fast =
        absolute && runs_fast(clock) ? sooner(clock, time) : shorter_timespec(time);
    int error = real_clock_nanosleep()(clock, flags, &fast, left);

    if (error == EINTR && left != NULL && !absolute)
        *left = timespec_of(ns_of(left) * factor);
    return error;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    int error = clock_nanosleep(CLOCK_REALTIME, 0, time, left);

    if (error != 0)
        errno = error;
    return error ? -1 : 0;
}

int usleep(useconds_t time_us)
{
    return nanosleep(
        &(struct timespec){time_us / 1000000, time_us % 1000000 * 1000}, NULL);
}

unsigned sleep(unsigned seconds)
{
    struct timespec left = {0};

    if (nanosleep(&(struct timespec){seconds, 0}, &left) == 0)
        return 0;
    return (unsigned)left.tv_sec;
}
