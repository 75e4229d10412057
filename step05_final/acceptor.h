/* acceptor.h - lets clients in: listens, accepts, and pauses while it cannot accept.
 *
 * Owns the listening sockets. What a new client gets is its caller's business, told by
 * the function admit. Main thread only.
 */
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "handler.h"
#include "net.h"
#include "poller.h"

#define ACCEPTOR_LISTENERS_MAX 2 /* echo and HTTP */

/* What becomes of a new client; fd belongs to the callee. */
typedef void acceptor_admit(
    void *context, struct service *service, int fd, const struct net_peer *peer);

/* A listening socket is the owner of itself in the poller. */
struct acceptor_listener {
    int fd;
    struct service *service;
    bool ready;   /* clients wait */
    bool starved; /* for want of descriptors, and has been ever since clients wait */
};

struct acceptor {
    acceptor_admit *admit;
    void *context;
    struct poller *poller;
    struct acceptor_listener listeners[ACCEPTOR_LISTENERS_MAX];
    unsigned count;    /* 0: closed */
    int64_t resume_ms; /* on the clock of timer_now_ms; TIMER_NEVER: not paused */
};

/* An acceptor without listeners, which calls admit with context. */
void acceptor_init(struct acceptor *acceptor, acceptor_admit *admit, void *context);

/* From now on fd, listening and non-blocking, is the acceptor's. */
void acceptor_add(struct acceptor *acceptor, int fd, struct service *service);

/* Registers all listeners with poller, which must outlive this. False and errno: it
 * cannot take them all. */
bool acceptor_listen(struct acceptor *acceptor, struct poller *poller);

/* Takes them out of the poller again: new clients are no news. Ends a pause. */
void acceptor_ignore(struct acceptor *acceptor);

/* Closes the listeners. */
void acceptor_close(struct acceptor *acceptor);

/* An event has come for owner. True: it is a listener, and clients are waiting. */
bool acceptor_notify(struct acceptor *acceptor, const void *owner);

/* Accepts clients that wait, but only so many at a time, or pauses when there is nothing
 * to accept with. Returns 0, or the error that made it pause, if that is news. */
int acceptor_accept(struct acceptor *acceptor);

/* Does it still have listeners? */
bool acceptor_is_open(const struct acceptor *acceptor);

/* Is it waiting for a connection to end? */
bool acceptor_is_paused(const struct acceptor *acceptor);

/* Ends a pause: a connection has ended, or resume_ms is over. */
void acceptor_resume(struct acceptor *acceptor);

/* Clients whose connect has succeeded have been promised an answer: accepts all that wait
 * and none after them, then closes the listeners. Not in the poller any more. False:
 * there is nothing to accept with; call again. */
bool acceptor_accept_last(struct acceptor *acceptor);

#endif
