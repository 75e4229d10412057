#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One recv, and so the most that a client can leave with us. Larger than most messages:
 * a recv that fills it has to be followed by another. */
#define RECV_MAX 32768

/* The state word: the events above, seen and not used up, and two facts about the
 * connection. */
enum {
    EVENTS = CONN_READABLE | CONN_WRITABLE | CONN_UNEVEN | CONN_DRAIN,
    SCHEDULED = 1 << 4, /* it has an owner: it is queued, served or claimed */
    NEEDS_OUT = 1 << 5  /* it has output: until that is sent, input does not matter */
};

static_assert((EVENTS & (SCHEDULED | NEEDS_OUT)) == 0, "each bit means one thing");

/* An idle connection owns no buffer; the worker lends it its own. */
static _Thread_local char lent[RECV_MAX];

bool conn_has_output(const struct conn *conn)
{
    return buf_len(&conn->output) > 0;
}

static void set_deadline(struct conn *conn, int64_t patience_ms)
{
    int64_t deadline_ms =
        patience_ms == TIMER_NEVER ? TIMER_NEVER : timer_now_ms() + patience_ms;

    /* Relaxed: who acts on it claims the connection first, and looks again. */
    atomic_store_explicit(&conn->deadline_ms, deadline_ms, memory_order_relaxed);
}

struct conn *conn_new(int fd, const struct service *service, uint64_t id)
{
    struct conn *conn = calloc(1, sizeof *conn);

    if (conn == NULL)
        return NULL;
    conn->fd = fd;
    conn->service = service;
    conn->id = id;
    set_deadline(conn, service->idle_ms);
    return conn;
}

void conn_close(struct conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
}

void conn_free(struct conn *conn)
{
    assert(conn->fd < 0);
    buf_free(&conn->output);
    free(conn);
}

/* ------------------------------------------------------------ the state word */

/* Is there something for an owner to do? */
static bool matters(unsigned state)
{
    if (state & CONN_DRAIN)
        return true;
    return state & (state & NEEDS_OUT ? CONN_WRITABLE : CONN_READABLE);
}

bool conn_notify(struct conn *conn, unsigned events)
{
    unsigned before = atomic_load_explicit(&conn->state, memory_order_relaxed);
    unsigned after;

    do {
        after = before | events;
        if (matters(after))
            after |= SCHEDULED;
        /* Acquire pairs with the release in give_back: if the connection becomes ours,
         * so does all that its last owner wrote. Release pairs with take_events. */
    } while (!atomic_compare_exchange_weak_explicit(
        &conn->state, &before, after, memory_order_acq_rel, memory_order_relaxed));
    return (after & SCHEDULED) && !(before & SCHEDULED);
}

/* Clears the events before they are acted upon. What comes later is not lost: it
 * stands in the word again when we give back. Acquire: the recv that follows comes after
 * the event, so it finds what the event was about. */
static unsigned take_events(struct conn *conn)
{
    return EVENTS & atomic_fetch_and_explicit(
                        &conn->state, ~(unsigned)EVENTS, memory_order_acquire);
}

/* Puts back the events that were not used up, by OR, for others may have come since,
 * and ends the ownership unless one of them matters now. True: it has ended, and the
 * connection may be another thread's already. */
static bool give_back(struct conn *conn, unsigned unused)
{
    unsigned needs_out = conn_has_output(conn) ? NEEDS_OUT : 0;
    unsigned before = atomic_load_explicit(&conn->state, memory_order_relaxed);
    unsigned after;

    do {
        after = ((before | unused) & EVENTS) | needs_out;
        if (matters(after))
            after |= SCHEDULED;
        /* Release: what we did to the connection comes before the next owner's turn. */
    } while (!atomic_compare_exchange_weak_explicit(
        &conn->state, &before, after, memory_order_release, memory_order_relaxed));
    return !(after & SCHEDULED);
}

bool conn_claim(struct conn *conn)
{
    unsigned before =
        atomic_fetch_or_explicit(&conn->state, SCHEDULED, memory_order_acquire);

    return !(before & SCHEDULED);
}

void conn_release(struct conn *conn)
{
    bool given = give_back(conn, 0);

    /* Events come from the main thread alone, and it was here. */
    assert(given);
    (void)given;
}

/* ------------------------------------------------- read, process and write */

/* An error of one connection ends it, and nothing else. */
static bool fail(struct conn *conn, int error)
{
    conn->error = error;
    return false;
}

/* Sends what can be sent of out. False: the connection is at its end. */
static bool send_some(struct conn *conn, struct buf *out)
{
    ssize_t n;

    do
        n = send(conn->fd, buf_bytes(out), buf_len(out), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || fail(conn, errno);
    buf_take(out, (size_t)n);
    return true;
}

/* The socket was full once. It is the client's turn to read: until all is sent, we
 * do not read from it (backpressure). */
static bool write_output(struct conn *conn, unsigned *events)
{
    if (!send_some(conn, &conn->output))
        return false;
    if (conn_has_output(conn)) {
        *events &= ~(unsigned)CONN_WRITABLE; /* used up; the next edge brings it back */
        return true;
    }
    buf_free(&conn->output);
    set_deadline(conn, conn->service->idle_ms);
    return true;
}

/* Answers in, which stands in lent memory, as far as the socket takes the answer now,
 * and keeps a copy of the rest. */
static bool answer(struct conn *conn, struct buf *in, unsigned *events)
{
    struct buf out = {0};

    conn->service->handler->handle(in, &out);
    if (buf_len(&out) > 0 && !send_some(conn, &out))
        return false;
    if (buf_len(&out) > 0) {
        if (!buf_copy(&conn->output, &out))
            return fail(conn, ENOMEM);
        *events &= ~(unsigned)CONN_WRITABLE;
    }
    set_deadline(
        conn, conn_has_output(conn) ? conn->service->write_ms : conn->service->idle_ms);
    return true;
}

/* One recv. Edge-triggered, so READABLE may be taken as used up only when the socket
 * is known to be empty: at EAGAIN, or, saving that call, at a recv that was short
 * (epoll(7)). Not so when the end or an urgent byte is near: the end is behind the last
 * bytes, and recv stops short at an urgent mark. *got: bytes have come. */
static bool read_input(struct conn *conn, unsigned *events, bool *got)
{
    ssize_t n = recv(conn->fd, lent, sizeof lent, 0);

    if (n == 0)
        return false;
    if (n < 0) {
        if (errno == EINTR)
            return true;
        *events &= ~(unsigned)(CONN_READABLE | CONN_UNEVEN);
        return errno == EAGAIN || fail(conn, errno);
    }
    *got = true;
    if ((size_t)n < sizeof lent && !(*events & CONN_UNEVEN))
        *events &= ~(unsigned)CONN_READABLE;
    if (conn->lingering)
        return true; /* it was told that nobody listens any more */
    struct buf in = {.data = lent, .end = (size_t)n};
    return answer(conn, &in, events);
}

/* To close would say the same to the client, with a risk: if something that it sent is
 * unread then, or comes later, TCP sends a reset (RFC 9293, section 3.6.1, SHLD-3), and
 * that takes from the client what it has not read yet. So: a FIN, and wait for its FIN.
 */
static void say_goodbye(struct conn *conn)
{
    shutdown(conn->fd, SHUT_WR);
    conn->lingering = true;
}

void conn_turn_away(struct conn *conn)
{
    conn->turned_away = true;
    say_goodbye(conn);
    set_deadline(conn, conn->service->linger_ms);
}

bool conn_has_input(const struct conn *conn)
{
    struct pollfd socket = {.fd = conn->fd, .events = POLLIN};

    return poll(&socket, 1, 0) == 1;
}

/* One step of the connection's life, with the events that came; what it does not use up
 * it leaves in them. False: the connection is at its end. */
static bool step(struct conn *conn, unsigned *events, bool *got)
{
    if (*events & CONN_DRAIN) {
        conn->draining = true;
        *events &= ~(unsigned)CONN_DRAIN;
        *events |= CONN_READABLE | CONN_UNEVEN; /* there may be bytes without an event */
    }
    if (conn_has_output(conn)) {
        if ((*events & CONN_WRITABLE) && !write_output(conn, events))
            return false;
    } else if (*events & CONN_READABLE) {
        if (!read_input(conn, events, got))
            return false;
    }
    if (conn->draining && !conn->lingering && !conn_has_output(conn) &&
        !(*events & CONN_READABLE))
        say_goodbye(conn);
    return true;
}

enum conn_verdict conn_serve(struct conn *conn)
{
    bool got = false;

    assert(atomic_load_explicit(&conn->state, memory_order_relaxed) & SCHEDULED);
    /* Once bytes have come, the turn is over: a client that sends without a pause, or one
     * whose requests are slow, shall not keep a worker from the others. */
    while (!got) {
        unsigned events = take_events(conn);
        if (!step(conn, &events, &got))
            return CONN_ENDED;
        if (give_back(conn, events))
            return CONN_PARKED;
    }
    return CONN_AGAIN;
}
