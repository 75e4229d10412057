/* timer.h - what has to be looked at next, and when.
 *
 * A binary heap of pointers: the earliest is at the top, setting and removing cost
 * O(log n). A struct timer is part of what it is for and is owned by it. The memory
 * for all timers is taken at the start, so that setting one cannot fail. One thread
 * only.
 */
#ifndef TIMER_H
#define TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_NEVER INT64_MAX

struct timer {
    int64_t when_ms; /* on the clock of timer_now_ms */
    unsigned slot;   /* where in the heap it is */
};

struct timer_heap {
    struct timer **slots;
    unsigned count;
};

/* The time on CLOCK_MONOTONIC, which nobody sets (clock_gettime(2)). Any thread. */
int64_t timer_now_ms(void);

static inline int64_t timer_min_ms(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Makes room for max timers. False: no memory. */
bool timer_heap_init(struct timer_heap *heap, unsigned max);
void timer_heap_free(struct timer_heap *heap);

/* timer must not be in the heap, and the heap must have room. */
void timer_add(struct timer_heap *heap, struct timer *timer, int64_t when_ms);

/* timer must be in the heap. */
void timer_change(struct timer_heap *heap, struct timer *timer, int64_t when_ms);
void timer_remove(struct timer_heap *heap, struct timer *timer);

/* The earliest, or NULL: there is none. */
struct timer *timer_first(const struct timer_heap *heap);

#endif
