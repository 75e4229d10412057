/* handler.h - what a protocol is to a connection: bytes in, answers out.
 *
 * A handler knows no sockets, no threads and no other connections. It is called by the
 * owner of the connection, mostly a worker, and never while an earlier answer is unsent.
 */
#ifndef HANDLER_H
#define HANDLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "output.h"

struct log_origin;

/* What the handler wants next, when it has used up what it could. Whatever it leaves in
 * `in` is kept, and stands before what comes next. */
enum handler_next {
    HANDLER_IDLE,  /* nothing is begun: the client may take its time */
    HANDLER_HEAD,  /* the head of a request is incomplete */
    HANDLER_BODY,  /* its body is */
    HANDLER_AGAIN, /* more could be answered, but others first: nothing need come */
    HANDLER_END    /* nothing more after this output; what else comes is thrown away */
};

/* One connection, as its protocol sees it during one call. */
struct exchange {
    struct buf *in;     /* what has come; may be changed in place */
    struct output *out; /* the answers; may refer to in, whose memory stays */
    void *state;        /* the handler's, kept from call to call; NULL at first */
    unsigned answered;  /* requests so far; the handler counts */
    bool draining;      /* the server is going to end */
    const struct log_origin *origin; /* whose it is, for the log */

    /* Has something come that is not in `in`? If not, and the server is draining, an
     * answer may be the last. Asked with conn, of which the handler knows no more. */
    bool (*has_more)(const void *conn);
    const void *conn;
};

/* Why a connection ends before its client wants it to. */
enum handler_error {
    HANDLER_FULL,     /* one connection too many; nothing was read from it */
    HANDLER_TIMEOUT,  /* the head or the body took too long */
    HANDLER_NO_MEMORY /* to keep what has come */
};

struct handler {
    const char *name; /* for the log */

    /* Answers what can be answered now, at most one request that takes long. */
    enum handler_next (*handle)(const struct handler *handler, struct exchange *exchange);

    /* Says why it ends. NULL: this protocol has no words for it. */
    void (*write_error)(
        const struct handler *handler, enum handler_error why, struct exchange *exchange);

    /* Gives back state, which is not NULL: nobody will ask for it again. */
    void (*forget)(void *state);
};

/* What all connections of a listener have in common. Times in ms, TIMER_NEVER: no limit.
 * Fixed while the server runs, but for draining. */
struct service {
    const struct handler *handler;
    int64_t idle_ms;      /* a client may say nothing for so long */
    int64_t head_ms;      /* from the first byte of a head to its last */
    int64_t body_ms;      /* from there to the end of the body */
    int64_t write_ms;     /* an answer may lie untaken for so long */
    int64_t linger_ms;    /* a client may stay for so long when we send nothing more */
    int64_t refused_ms;   /* the same for a rejected client */
    atomic_bool draining; /* set by the main thread: no more after the next answer */
};

#endif
