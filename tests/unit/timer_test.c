/* timer_test: the heap of step 05 against a model that looks at all timers each time. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "timer.h"

#define TIMERS 300
#define STEPS 200000

static struct timer timers[TIMERS];
static bool present[TIMERS];

static int64_t earliest(void)
{
    int64_t when_ms = TIMER_NEVER;

    for (int i = 0; i < TIMERS; i++)
        if (present[i] && timers[i].when_ms < when_ms)
            when_ms = timers[i].when_ms;
    return when_ms;
}

static void change_one(struct timer_heap *heap)
{
    int i = rand() % TIMERS;
    int64_t when_ms = rand() % 1000; /* so that many are equal */

    if (!present[i])
        timer_add(heap, &timers[i], when_ms);
    else if (rand() % 2)
        timer_change(heap, &timers[i], when_ms);
    else
        timer_remove(heap, &timers[i]);
    present[i] = !present[i] || timers[i].slot < heap->count;
    present[i] = present[i] && heap->slots[timers[i].slot] == &timers[i];
}

int main(void)
{
    struct timer_heap heap;

    srand(1);
    assert(timer_heap_init(&heap, TIMERS));
    assert(timer_first(&heap) == NULL);
    for (int step = 0; step < STEPS; step++) {
        change_one(&heap);
        struct timer *first = timer_first(&heap);
        assert((first != NULL ? first->when_ms : TIMER_NEVER) == earliest());
    }
    timer_heap_free(&heap);
    puts("timer: the first was always the earliest");
    return 0;
}
