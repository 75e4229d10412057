/* metrics.h - how much, how often, how long: counted where it happens.
 *
 * Each thread counts in a block of its own that no other thread writes, so counting costs
 * no shared cache line and no locked instruction. A reader adds the blocks up: a
 * sum is not of one moment, but each counter in it only grows, and at rest all is exact.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_status.h"

#define METRICS_CACHE_LINE 64

/* Upper bounds of the histogram, in microseconds; the last bucket has none. */
#define METRICS_BOUNDS 9
extern const unsigned metrics_bounds_us[METRICS_BOUNDS];

enum metric {
    METRIC_ACCEPTED, /* connections */
    METRIC_OPEN,     /* the same, now: counted by the main thread on its own */

    /* Connections that have ended, by why. */
    METRIC_CLOSED,                        /* the first of these */
    METRIC_CLOSED_CLIENT = METRIC_CLOSED, /* the client ended it */
    METRIC_CLOSED_DONE,                   /* we did, after our last answer */
    METRIC_CLOSED_ERROR,                  /* a reset, or no memory */
    METRIC_CLOSED_TIMEOUT,
    METRIC_CLOSED_REFUSED, /* one too many */
    METRIC_CLOSED_DRAIN,   /* the server ended */
    METRIC_CLOSED_END,

    METRIC_TIMEOUT = METRIC_CLOSED_END, /* the first of these */
    METRIC_TIMEOUT_IDLE = METRIC_TIMEOUT,
    METRIC_TIMEOUT_HEAD,
    METRIC_TIMEOUT_BODY,
    METRIC_TIMEOUT_WRITE,
    METRIC_TIMEOUT_LINGER,
    METRIC_TIMEOUT_END,

    METRIC_PHASE = METRIC_TIMEOUT_END, /* connections now, by enum conn_phase */
    METRIC_PHASE_END = METRIC_PHASE + METRIC_TIMEOUT_END - METRIC_TIMEOUT,

    METRIC_RECEIVED = METRIC_PHASE_END, /* bytes */
    METRIC_SENT,

    METRIC_QUEUED,      /* tasks given to the pool */
    METRIC_TAKEN,       /* tasks that a worker began */
    METRIC_TASKS,       /* and ended */
    METRIC_BUSY_NS,     /* a worker at them */
    METRIC_DISPATCH_US, /* from the event to the worker, all together */
    METRIC_DISPATCH,    /* the first bucket of the histogram */
    METRIC_DISPATCH_END = METRIC_DISPATCH + METRICS_BOUNDS + 1,

    METRIC_WAKEUPS = METRIC_DISPATCH_END, /* of the main thread */
    METRIC_EVENTS,
    METRIC_ACCEPT_PAUSES,

    METRIC_STATUS, /* the first of these */
    METRIC_STATUS_BEFORE = METRIC_STATUS - 1,
#define STATUS(code, reason) METRIC_STATUS_##code,
    HTTP_STATUSES(STATUS)
#undef STATUS
        METRICS
};

/* Words for what is counted by kind: metrics_closed_names[0] is of METRIC_CLOSED. Phases
 * have those of the timeouts. */
extern const char *const metrics_closed_names[METRIC_CLOSED_END - METRIC_CLOSED];
extern const char *const metrics_timeout_names[METRIC_TIMEOUT_END - METRIC_TIMEOUT];
extern const unsigned metrics_statuses[METRICS - METRIC_STATUS];

/* Makes a block for the main thread, which calls it before it counts, and for as many
 * workers. False: no memory. */
bool metrics_setup(unsigned workers);

/* Called once, when no other thread is left. */
void metrics_teardown(void);

/* What one thread has counted. Written by that thread alone, so a load and a store do,
 * where many writers would need a locked add. Relaxed: a count orders nothing. Who has
 * heard of an event otherwise, through a lock or the state of a connection, sees the
 * counts before it as well. */
struct metrics_block {
    _Alignas(METRICS_CACHE_LINE) _Atomic uint64_t counts[METRICS];
};

/* The calling thread's block; a worker gets it when it first counts. */
extern _Thread_local struct metrics_block *metrics_mine;
void metrics_join(void);

/* Says how many there are now: for METRIC_OPEN, main thread. */
static inline void metrics_set(enum metric metric, uint64_t n)
{
    if (metrics_mine == NULL)
        metrics_join();
    atomic_store_explicit(&metrics_mine->counts[metric], n, memory_order_relaxed);
}

/* Counts. Here and not in metrics.c, for it is done some six times for each message. */
static inline void metrics_add(enum metric metric, uint64_t n)
{
    if (metrics_mine == NULL)
        metrics_join();
    n += atomic_load_explicit(&metrics_mine->counts[metric], memory_order_relaxed);
    metrics_set(metric, n);
}

/* One connection less in the one phase and one more in the other. Which thread counted it
 * there before does not matter: numbers wrap around, and the sum is correct. */
static inline void metrics_move(enum metric from, enum metric to)
{
    metrics_add(from, UINT64_MAX);
    metrics_add(to, 1);
}

/* Counts an answer; one of HTTP_STATUSES. */
void metrics_add_status(unsigned status);

/* Counts a task that waited so long for its worker. */
void metrics_add_wait(unsigned wait_us);

/* All blocks, added up; no number of connections is below 0. Any thread. */
void metrics_sum(uint64_t sum[METRICS]);

/* How many workers there are, and what one of them has counted; from 0. Any thread. */
unsigned metrics_workers(void);
uint64_t metrics_of_worker(unsigned worker, enum metric metric);

/* Does it have a task now? The one that asks does. */
bool metrics_at_task(unsigned worker);

/* The number of the worker that asks, from 1 as in the pages; 0: the main thread. */
unsigned metrics_me(void);

/* When the server started, in seconds since 1970 (time(2)). */
int64_t metrics_start_time(void);

#endif
