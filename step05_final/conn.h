/* conn.h - one connection: its socket, whose it is, and what it waits for.
 *
 * It is born in conn_new and dies in conn_free, both in the main thread. In between
 * many threads know it, but only its owner may use it: the state word (state.h) says
 * whose it is.
 */
#ifndef CONN_H
#define CONN_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "handler.h"
#include "log.h"
#include "task.h"
#include "timer.h"

enum conn_verdict {
    CONN_PARKED, /* given back: do not look at it again */
    CONN_AGAIN,  /* still the caller's, with work left: others first */
    CONN_ENDED   /* still the caller's, to be closed; the main thread frees it */
};

/* What the client may take its time over; each has a limit in struct service. */
enum conn_phase {
    CONN_IDLE,  /* to say something */
    CONN_HEAD,  /* to finish the head of a request */
    CONN_BODY,  /* to finish its body */
    CONN_WRITE, /* to take its answers */
    CONN_LINGER /* to leave: we send nothing more, and throw away what comes */
};

/* Why it ends. */
enum conn_cause {
    CONN_CLIENT, /* the client wanted to */
    CONN_DONE,   /* we did, after our last answer */
    CONN_ERROR,
    CONN_TIMEOUT,
    CONN_REFUSED, /* it was one too many */
    CONN_DRAINED  /* the server ends */
};

struct pending;

/* 10,000 of them wait most of the time: what not every one needs is in pending. */
struct conn {
    struct task task;   /* first, so that the task is the connection */
    atomic_uint state;  /* events not used up, and whose it is; see state.h */
    int fd;             /* fixed until it is closed; then -1 */
    struct timer timer; /* main thread only */
    const struct service *service;
    struct log_origin origin; /* fixed */

    /* The owner's, as all below, and its order is that of the state word. Atomic all the
     * same: to look without owning would bring an old number, not undefined behavior. */
    _Atomic int64_t deadline_ms;

    /* The owner's. */
    struct pending *pending; /* what is not done with: input, output; NULL: all is */
    unsigned ready_us;       /* when it was queued; only differences mean something */
    unsigned answered;       /* requests */
    unsigned short error;    /* errno of what ended it; 0: nothing was wrong */
    unsigned char next;      /* enum handler_next: what the handler wants */
    unsigned char cause;     /* enum conn_cause, once it is known */
    bool draining;           /* answer what is here, then close */
    bool backlogged;         /* in the drain: answers had to wait, and input with them */
    bool lingering : 1;      /* we send nothing more */
    bool rejected : 1;       /* fixed before an event can come */
    unsigned char counted;   /* enum conn_phase: where the metrics have it */
};

static_assert(sizeof(struct conn) <= 104, "10,000 of them, and each is mostly idle");

/* A connection that owns the non-blocking socket fd. NULL: no memory, and fd still
 * belongs to the caller. service must outlive it. Main thread. */
struct conn *conn_new(
    int fd, const struct service *service, const struct log_origin *origin);

/* Closes the descriptor, which the caller has taken out of the poller. The owner. */
void conn_close(struct conn *conn);

/* Frees the connection, which is closed. The caller owns it, and no event of it is under
 * way. Main thread. */
void conn_free(struct conn *conn);

/* Reads, has it handled, and writes, until there is nothing left to do now, but handles
 * only once. Never blocks but in the handler. The worker that owns the connection. */
enum conn_verdict conn_serve(struct conn *conn);

/* Gives back a connection that was claimed by state_claim. Main thread. */
void conn_release(struct conn *conn);

/* What the client takes its time over. The owner. */
enum conn_phase conn_phase(const struct conn *conn);

/* Has the client said something that is not read yet? Has it taken something, so that
 * there is room for more? The owner. */
bool conn_has_input(const struct conn *conn);
bool conn_has_room(const struct conn *conn);

/* Its time is over: counts and logs that, and tells a client that is in the middle of a
 * request. True: it stays for linger_ms to hear so; false: end it now. The owner. */
bool conn_time_out(struct conn *conn);

/* Lets the handler say why it ends, and begins a lingering close: the client has
 * linger_ms, or refused_ms, to hear it. False: it cannot be told; end it now. The owner;
 * the main thread also for a new one, before an event can come. */
bool conn_send_error(struct conn *conn, enum handler_error why);

#endif
