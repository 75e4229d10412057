/* state.h - the state word: what has happened to a connection, and whose it is.
 *
 * One atomic word for each connection holds the events that were seen and not used up,
 * and whether the connection has an owner. Whoever sets SCHEDULED in it is the owner,
 * from then until the word is given back:
 *
 *     main thread                              worker
 *     state_notify: an event came;             state_take_events: what is there to do?
 *       true: queue it for a worker              ... reads, processes, writes ...
 *     state_claim ... state_give_back:         state_give_back: what is left; true: it
 *       mine for a moment, if nobody's           may be another thread's already
 *
 * The order of memory is that of the word: what one owner wrote, the next one sees.
 */
#ifndef STATE_H
#define STATE_H

#include <stdatomic.h>
#include <stdbool.h>

enum state_event {
    EVENT_READABLE = 1 << 0, /* recv has something to say: bytes, the end, an error */
    EVENT_WRITABLE = 1 << 1, /* send has */
    EVENT_READ_ALL = 1 << 2, /* with READABLE: a short recv is not the last one */
    EVENT_DRAIN = 1 << 3     /* answer what is here, then close */
};

/* Notes events. True: nobody had the connection and they matter, so it is the caller's
 * now, to be queued. Main thread. */
bool state_notify(atomic_uint *state, unsigned events);

/* Makes the connection the caller's if it is nobody's. Main thread. */
bool state_claim(atomic_uint *state);

/* Does it have an owner? For assertions: the answer may be old when it comes. */
bool state_is_owned(const atomic_uint *state);

/* Clears the events before they are acted upon, and returns them. The owner. */
unsigned state_take_events(atomic_uint *state);

/* Puts back the events that were not used up, and ends the ownership, unless there is
 * something to do now: an event that matters has come, or busy says so. While needs_out,
 * input does not matter. True: it has ended, and the connection may be another thread's
 * already. The owner. */
bool state_give_back(atomic_uint *state, unsigned unused, bool needs_out, bool busy);

#endif
