#include "timer.h"

#include <stdlib.h>
#include <time.h>

int64_t timer_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool timer_heap_init(struct timer_heap *heap, unsigned max)
{
    heap->count = 0;
    heap->slots = malloc(max * sizeof heap->slots[0]);
    return heap->slots != NULL;
}

void timer_heap_free(struct timer_heap *heap)
{
    free(heap->slots);
}

static void put(struct timer_heap *heap, unsigned slot, struct timer *timer)
{
    heap->slots[slot] = timer;
    timer->slot = slot;
}

/* Moves timer from slot towards the top, past all that are later. */
static unsigned sift_up(struct timer_heap *heap, unsigned slot, const struct timer *timer)
{
    while (slot > 0) {
        unsigned parent = (slot - 1) / 2;
        if (heap->slots[parent]->when_ms <= timer->when_ms)
            break;
        put(heap, slot, heap->slots[parent]);
        slot = parent;
    }
    return slot;
}

/* Moves timer from slot towards the leaves, past all that are earlier. */
static unsigned sift_down(
    struct timer_heap *heap, unsigned slot, const struct timer *timer)
{
    for (;;) {
        unsigned child = 2 * slot + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count &&
            heap->slots[child + 1]->when_ms < heap->slots[child]->when_ms)
            child++;
        if (timer->when_ms <= heap->slots[child]->when_ms)
            break;
        put(heap, slot, heap->slots[child]);
        slot = child;
    }
    return slot;
}

/* Finds the place for timer, where slot is free. */
static void place(struct timer_heap *heap, unsigned slot, struct timer *timer)
{
    slot = sift_up(heap, slot, timer);
    put(heap, sift_down(heap, slot, timer), timer);
}

void timer_add(struct timer_heap *heap, struct timer *timer, int64_t when_ms)
{
    timer->when_ms = when_ms;
    heap->count++;
    place(heap, heap->count - 1, timer);
}

void timer_change(struct timer_heap *heap, struct timer *timer, int64_t when_ms)
{
    timer->when_ms = when_ms;
    place(heap, timer->slot, timer);
}

void timer_remove(struct timer_heap *heap, struct timer *timer)
{
    struct timer *last = heap->slots[--heap->count];

    if (last != timer)
        place(heap, timer->slot, last);
}

struct timer *timer_first(const struct timer_heap *heap)
{
    return heap->count > 0 ? heap->slots[0] : NULL;
}
