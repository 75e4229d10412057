/* record.h: what a server does and when, readable from outside while it runs.
 *
 * preload_record.c writes a slot for each call into the file $RECORD_FILE, which is
 * mapped MAP_SHARED; play.c reads it. A slot is taken when a call begins and completed
 * when it ends, so a call in which the server waits can be seen as well. The number of
 * slots is bounded: what comes after the last one is counted and not kept.
 */
#ifndef TESTS_RECORD_H
#define TESTS_RECORD_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define RECORD_MAGIC 0x7265636f72643031U /* "record01" */
#define RECORD_SLOTS 16384

/* `ready` is no call: a descriptor that a wait has reported. `lock` is a mutex that was
 * held by another thread, `sleep` a call that lets time pass, as `process` does with -w,
 * `signal` wakes one thread that is in `cond_wait`, `broadcast` all. */
/* clang-format off */
#define RECORD_KINDS(X)                                                                  \
    X(accept) X(recv) X(read) X(send) X(write) X(select) X(poll) X(epoll_wait)           \
    X(epoll_ctl) X(close) X(shutdown) X(sleep) X(lock) X(cond_wait) X(signal)            \
    X(broadcast) X(ready)
/* clang-format on */

#define RECORD_ENUM(name) RECORD_##name,
enum record_kind { RECORD_KINDS(RECORD_ENUM) RECORD_KINDS_LEN };
#undef RECORD_ENUM

#define RECORD_NAME(name) #name,
static const char *const record_names[] = {RECORD_KINDS(RECORD_NAME)};
#undef RECORD_NAME

struct record_slot {
    _Atomic uint64_t start_ns; /* 0: the slot is not written yet */
    _Atomic uint64_t end_ns;   /* 0: the call has not ended */
    int64_t result;            /* after the end */
    int32_t error;             /* errno, if the result is negative */
    int32_t kind, thread, fd;
    int32_t port; /* of an accepted client: how it is told from others */
};

struct record {
    uint64_t magic;
    _Atomic uint64_t taken; /* slots; beyond RECORD_SLOTS: calls that were not kept */
    struct record_slot slot[RECORD_SLOTS];
};

static inline uint64_t record_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

#endif
