#include "state.h"

#include <assert.h>

/* The events above, and two facts about the connection. */
enum {
    EVENTS = EVENT_READABLE | EVENT_WRITABLE | EVENT_READ_ALL | EVENT_DRAIN,
    SCHEDULED = 1 << 4, /* it has an owner: it is queued, served or claimed */
    NEEDS_OUT = 1 << 5  /* it has output: until that is sent, input does not matter */
};

static_assert((EVENTS & (SCHEDULED | NEEDS_OUT)) == 0, "each bit means one thing");

/* Is there something for an owner to do? */
static bool matters(unsigned state)
{
    if (state & EVENT_DRAIN)
        return true;
    return state & (state & NEEDS_OUT ? EVENT_WRITABLE : EVENT_READABLE);
}

bool state_notify(atomic_uint *state, unsigned events)
{
    unsigned before = atomic_load_explicit(state, memory_order_relaxed);
    unsigned after;

    do {
        after = before | events;
        if (matters(after))
            after |= SCHEDULED;
        /* Acquire pairs with the release in state_give_back: if the connection becomes
         * ours, so does all that its last owner wrote. Release pairs with
         * state_take_events: if it has an owner already, what came before the event is
         * there for that one, as the draining of its service is before EVENT_DRAIN. */
    } while (!atomic_compare_exchange_weak_explicit(
        state, &before, after, memory_order_acq_rel, memory_order_relaxed));
    return (after & SCHEDULED) && !(before & SCHEDULED);
}

bool state_claim(atomic_uint *state)
{
    /* Acquire pairs with the release in state_give_back. */
    unsigned before = atomic_fetch_or_explicit(state, SCHEDULED, memory_order_acquire);

    return !(before & SCHEDULED);
}

bool state_is_owned(const atomic_uint *state)
{
    /* Relaxed: it orders nothing. */
    return atomic_load_explicit(state, memory_order_relaxed) & SCHEDULED;
}

/* What comes later is not lost: it stands in the word again when we give back. Acquire
 * pairs with the release in state_notify: the recv that follows comes after the event, so
 * it finds what the event was about. */
unsigned state_take_events(atomic_uint *state)
{
    return EVENTS &
           atomic_fetch_and_explicit(state, ~(unsigned)EVENTS, memory_order_acquire);
}

/* By OR, for other events may have come since. */
bool state_give_back(atomic_uint *state, unsigned unused, bool needs_out, bool busy)
{
    unsigned facts = needs_out ? NEEDS_OUT : 0;
    unsigned before = atomic_load_explicit(state, memory_order_relaxed);
    unsigned after;

    do {
        after = ((before | unused) & EVENTS) | facts;
        if (busy || matters(after))
            after |= SCHEDULED;
        /* Release pairs with the acquire in state_notify and state_claim: what we did to
         * the connection comes before the next owner's turn. */
    } while (!atomic_compare_exchange_weak_explicit(
        state, &before, after, memory_order_release, memory_order_relaxed));
    return !(after & SCHEDULED);
}
