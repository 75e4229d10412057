/* handler.h - what a protocol is to a connection: bytes in, bytes out.
 *
 * A handler knows no sockets, no threads and no other connections. It is called
 * by the worker that owns the connection, and never while an earlier answer is
 * unsent.
 */
#ifndef HANDLER_H
#define HANDLER_H

#include "buf.h"

struct handler {
    const char *name; /* for the log */

    /* Takes all of in and leaves the answer in out, which comes empty. The memory of
     * both is lent for this call and until the answer is sent: the answer may stand
     * where the request stood (buf_move). */
    void (*handle)(struct buf *in, struct buf *out);
};

#endif
