/* conn.h - one connection: its socket, whose it is, and what it waits for.
 *
 * It is born in conn_new and dies in conn_free, both in the main thread. In between
 * many threads know it, but only its owner may use it: whoever set SCHEDULED in its
 * state word, from then until the word is given back. The word is in conn.c and
 * nowhere else. That is what the functions are for:
 *
 *     main thread                             worker
 *     conn_notify: an event came;             conn_serve: uses the events up
 *       true: queue it for a worker             and gives the connection back
 *     conn_claim ... conn_release:
 *       mine for a moment, if nobody's
 */
#ifndef CONN_H
#define CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "handler.h"
#include "task.h"
#include "timer.h"

/* What all connections of a listener have in common. */
struct service {
    const struct handler *handler;
    int64_t idle_ms;   /* a client may say nothing for so long; TIMER_NEVER: for ever */
    int64_t write_ms;  /* and leave an answer untaken for so long; the same */
    int64_t linger_ms; /* and stay for so long when it was turned away */
};

enum conn_event {
    CONN_READABLE = 1 << 0, /* recv has something to say: bytes, the end, an error */
    CONN_WRITABLE = 1 << 1, /* send has */
    CONN_UNEVEN = 1 << 2,   /* with READABLE: a short recv is not the last one */
    CONN_DRAIN = 1 << 3     /* answer what is here, then say goodbye */
};

enum conn_verdict {
    CONN_PARKED, /* given back: do not look at it again */
    CONN_AGAIN,  /* still the caller's, with work left: others first */
    CONN_ENDED   /* still the caller's, to be closed; the main thread frees it */
};

struct conn {
    struct task task;   /* first, so that the task is the connection */
    atomic_uint state;  /* events not used up, and whose it is; see conn.c */
    int fd;             /* fixed until it is closed; then -1 */
    struct timer timer; /* main thread only */
    const struct service *service;
    _Atomic int64_t deadline_ms; /* the owner moves it, the main thread looks */

    /* The owner's. */
    struct buf output; /* what the socket did not take yet; an idle one has no memory */
    int error;         /* errno of what ended it, 0: the client did */
    bool draining;     /* read what is here, then shut down */
    bool lingering;    /* shut down: only the client's end is missing */
    bool turned_away;  /* fixed before an event can come */

    uint64_t id; /* for the log; fixed */
};

/* A connection that owns the non-blocking socket fd. NULL: no memory, and fd still
 * belongs to the caller. service must outlive it. Main thread. */
struct conn *conn_new(int fd, const struct service *service, uint64_t id);

/* Closes the descriptor, which the caller has taken out of the poller. The owner. */
void conn_close(struct conn *conn);

/* Frees the connection, which is closed. The caller owns it, and no event of it is under
 * way. Main thread. */
void conn_free(struct conn *conn);

/* Notes events. True: nobody had the connection and they matter, so it is the caller's
 * now, to be queued. Main thread. */
bool conn_notify(struct conn *conn, unsigned events);

/* Reads, has it handled, and writes, until there is nothing left to do now, but handles
 * only once. Never blocks but in the handler. The worker that owns the connection. */
enum conn_verdict conn_serve(struct conn *conn);

/* Makes the connection the caller's if it is nobody's. Main thread. */
bool conn_claim(struct conn *conn);

/* Gives a claimed connection back. Main thread. */
void conn_release(struct conn *conn);

/* Is it the client's turn to take an answer, not to say something? The owner. */
bool conn_has_output(const struct conn *conn);

/* Has the client said something that is not read yet? The owner. */
bool conn_has_input(const struct conn *conn);

/* For a new connection that is one too many: the client is told goodbye, and has
 * linger_ms to leave. Main thread, before an event can come. */
void conn_turn_away(struct conn *conn);

#endif
