#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"

struct conn *conn_new(int fd)
{
    struct conn *conn = calloc(1, sizeof *conn);

    if (conn != NULL)
        conn->fd = fd;
    return conn;
}

void conn_free(struct conn *conn)
{
    close(conn->fd);
    free(conn);
}

static bool has_output(const struct conn *conn)
{
    return conn->begin < conn->end;
}

/* The three tasks of a connection. The first and the last return false when the
 * connection is at its end: the client has closed its side, or an error that
 * concerns nobody but this client. */

static bool task_read(struct conn *conn)
{
    assert(!has_output(conn));
    ssize_t n = recv(conn->fd, conn->buffer, sizeof conn->buffer, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR; /* readiness is a hint */
    conn->begin = 0;
    conn->end = (size_t)n;
    return n > 0;
}

static void task_process(struct conn *conn)
{
    process(conn->buffer, conn->end);
}

/* A socket takes what fits into its buffer. What is left stays in ours, and
 * until it is gone we do not read: a client that does not listen is not allowed
 * to talk, and so 16 KiB is all it can cost us. This is backpressure. */
static bool task_write(struct conn *conn)
{
    ssize_t n = send(conn->fd, conn->buffer + conn->begin, conn->end - conn->begin, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    conn->begin += (size_t)n;
    return true;
}

/* One recv per readiness, not until EAGAIN: the poller will report the rest
 * (it is level-triggered), and a client that sends without a pause cannot keep
 * us from the others. */
enum conn_want conn_ready(struct conn *conn)
{
    if (!has_output(conn)) {
        if (!task_read(conn))
            return CONN_WANT_CLOSE;
        if (has_output(conn))
            task_process(conn);
    }
    if (has_output(conn) && !task_write(conn))
        return CONN_WANT_CLOSE;
    return has_output(conn) ? CONN_WANT_WRITE : CONN_WANT_READ;
}
