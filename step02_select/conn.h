/* conn.h - one connection: its socket, its buffer and what it waits for.
 *
 * What step 01 kept in the program counter stands here in a struct: a connection
 * waits for input, or it has output that the socket did not take yet. It is born
 * in conn_new and dies in conn_free; in between it owns its descriptor. It is
 * used by one thread at a time.
 */
#ifndef CONN_H
#define CONN_H

#include <stddef.h>

#define CONN_BUFFER_SIZE 16384 /* few, large reads; messages may be longer or shorter */

enum conn_want {
    CONN_WANT_READ,  /* call conn_ready when the socket is readable */
    CONN_WANT_WRITE, /* call conn_ready when the socket is writable */
    CONN_WANT_CLOSE  /* the connection is at its end: call conn_free */
};

struct conn {
    int fd;
    enum conn_want want; /* what the poller was told last */

    size_t begin, end; /* buffer[begin..end) is output that is not sent yet */
    char buffer[CONN_BUFFER_SIZE];
};

/* A connection that owns the non-blocking socket fd and wants to read. NULL: no
 * memory, and fd still belongs to the caller. */
struct conn *conn_new(int fd);

/* Closes the socket and frees the connection. */
void conn_free(struct conn *conn);

/* Does one round of read, process, write and says what to wait for next. To be
 * called when the poller reports what the connection wanted. Never blocks but in
 * process. */
enum conn_want conn_ready(struct conn *conn);

#endif
