#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "metrics.h"
#include "state.h"

/* One recv. Larger than most messages: a recv that fills it has to be followed by
 * another. */
#define RECV_MAX 32768
#define RECV_MIN 4096 /* room for one when there is input already */

/* An idle connection owns no buffer; the worker lends it its own. */
static _Thread_local char scratch_input[RECV_MAX];
static _Thread_local char scratch_text[OUTPUT_TEXT_MAX];

/* What a connection owns while it is not idle. */
struct pending {
    struct buf input;  /* has come, and cannot be answered yet */
    struct buf output; /* the socket did not take it yet */
    void *state;       /* the handler's */
};

static bool has_output(const struct conn *conn)
{
    return conn->pending != NULL && buf_len(&conn->pending->output) > 0;
}

static bool has_pending_input(const struct conn *conn)
{
    return conn->pending != NULL && buf_len(&conn->pending->input) > 0;
}

enum conn_phase conn_phase(const struct conn *conn)
{
    if (has_output(conn))
        return CONN_WRITE;
    if (conn->lingering)
        return CONN_LINGER;
    if (conn->next == HANDLER_HEAD)
        return CONN_HEAD;
    return conn->next == HANDLER_BODY ? CONN_BODY : CONN_IDLE;
}

static int64_t timeout_ms(const struct conn *conn)
{
    const struct service *service = conn->service;

    switch (conn_phase(conn)) {
    case CONN_HEAD:
        return service->head_ms;
    case CONN_BODY:
        return service->body_ms;
    case CONN_WRITE:
        return service->write_ms;
    case CONN_LINGER:
        return conn->cause == CONN_REFUSED ? service->refused_ms : service->linger_ms;
    default:
        return service->idle_ms;
    }
}

static void count_phase(struct conn *conn)
{
    enum conn_phase phase = conn_phase(conn);

    if (phase == conn->counted)
        return;
    metrics_move(METRIC_PHASE + conn->counted, METRIC_PHASE + phase);
    conn->counted = (unsigned char)phase;
}

/* Gives the client time for what it has to do now. Whatever changes the phase comes by
 * here, so here it is counted. */
static void set_deadline(struct conn *conn)
{
    count_phase(conn);
    int64_t ms = timeout_ms(conn);
    int64_t deadline_ms = ms == TIMER_NEVER ? TIMER_NEVER : timer_now_ms() + ms;

    /* Relaxed: state_give_back releases it, and whoever looks at it has acquired the
     * state. */
    atomic_store_explicit(&conn->deadline_ms, deadline_ms, memory_order_relaxed);
}

/* ---------------------------------------------------------- birth and death */

struct conn *conn_new(
    int fd, const struct service *service, const struct log_origin *origin)
{
    struct conn *conn = calloc(1, sizeof *conn);

    if (conn == NULL)
        return NULL;
    conn->fd = fd;
    conn->service = service;
    conn->origin = *origin;
    conn->next = HANDLER_IDLE;
    conn->cause = CONN_CLIENT;
    conn->counted = CONN_IDLE;
    metrics_add(METRIC_PHASE + CONN_IDLE, 1);
    set_deadline(conn);
    return conn;
}

void conn_close(struct conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
}

static void forget_state(struct conn *conn)
{
    if (conn->pending->state != NULL)
        conn->service->handler->forget(conn->pending->state);
    conn->pending->state = NULL;
}

static void free_pending(struct conn *conn)
{
    if (conn->pending == NULL)
        return;
    forget_state(conn);
    buf_free(&conn->pending->input);
    buf_free(&conn->pending->output);
    free(conn->pending);
    conn->pending = NULL;
}

void conn_free(struct conn *conn)
{
    assert(conn->fd < 0);
    free_pending(conn);
    metrics_add(METRIC_PHASE + conn->counted, UINT64_MAX); /* one less */
    free(conn);
}

/* ---------------------------------------------------------------- ownership */

/* Is there something to do for which no event need come? */
static bool can_go_on(const struct conn *conn)
{
    return conn->next == HANDLER_AGAIN && !has_output(conn);
}

static bool give_back(struct conn *conn, unsigned unused)
{
    return state_give_back(&conn->state, unused, has_output(conn), can_go_on(conn));
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
    conn->error = (unsigned short)error;
    if (!conn->lingering)
        conn->cause = CONN_ERROR;
    return false;
}

/* What a send that may be tried later said. False: the connection is at its end. */
static bool was_sent(struct conn *conn, ssize_t n)
{
    if (n < 0)
        return errno == EAGAIN || fail(conn, errno);
    metrics_add(METRIC_SENT, (uint64_t)n);
    return true;
}

/* Sends what can be sent of out. False: the connection is at its end. */
static bool send_some(struct conn *conn, struct output *out)
{
    struct iovec *parts = out->parts + out->first;
    unsigned count = out->count - out->first;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t n;

    do /* mostly it is one part, for which send is the shorter way */
        n = count == 1 ? send(conn->fd, parts->iov_base, parts->iov_len, 0)
                       : sendmsg(conn->fd, &message, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        output_take(out, (size_t)n);
    return was_sent(conn, n);
}

/* The socket was full once. It is the client's turn to read: until all is sent, we
 * do not read from it (backpressure). */
static bool write_output(struct conn *conn, unsigned *events)
{
    struct buf *output = &conn->pending->output;
    ssize_t n;

    do
        n = send(conn->fd, buf_bytes(output), buf_len(output), 0);
    while (n < 0 && errno == EINTR);
    if (!was_sent(conn, n))
        return false;
    if (n > 0)
        buf_take(output, (size_t)n);
    if (has_output(conn)) {
        *events &= ~(unsigned)EVENT_WRITABLE; /* used up; the next edge brings it back */
        return true;
    }
    buf_free(output);
    if (!has_pending_input(conn) && conn->pending->state == NULL)
        free_pending(conn);
    set_deadline(conn);
    return true;
}

/* To close would say the same to the client, with a risk: if something that it sent is
 * unread then, or comes later, TCP sends a reset (RFC 9293, section 3.6.1, SHLD-3), and
 * that takes from the client what it has not read yet. So: a FIN, and wait for its FIN.
 */
static void begin_lingering_close(struct conn *conn, enum conn_cause cause)
{
    shutdown(conn->fd, SHUT_WR);
    free_pending(conn);
    conn->lingering = true;
    conn->next = HANDLER_END;
    conn->cause = cause;
    set_deadline(conn);
}

/* If just one row of bytes is left of out, and it stands in memory that is a buffer's own
 * and has nothing else in it that is needed, the memory becomes to's, and nothing is
 * copied. */
static bool take_over(struct buf *to, const struct output *out, struct buf *memory)
{
    const struct iovec *part = &out->parts[out->first];
    const char *at = part->iov_base;

    if (out->count - out->first != 1 || memory->data == NULL || at < memory->data ||
        at >= memory->data + memory->size)
        return false;
    *to = *memory;
    to->begin = (size_t)(at - to->data);
    to->end = to->begin + part->iov_len;
    *memory = (struct buf){0};
    return true;
}

static bool save_output(struct conn *conn, struct output *out)
{
    struct pending *pending = conn->pending;

    if (take_over(&pending->output, out, &out->owned))
        return true;
    if (buf_len(&pending->input) == 0 &&
        take_over(&pending->output, out, &pending->input))
        return true;
    if (!buf_reserve(&pending->output, out->len))
        return false;
    for (unsigned i = out->first; i < out->count; i++)
        buf_append(&pending->output, out->parts[i].iov_base, out->parts[i].iov_len);
    return true;
}

/* Keeps what is left of input and output, and the handler's state. in is lent memory or
 * the connection's own. False: no memory. */
static bool save_pending(
    struct conn *conn, struct buf *in, struct output *out, void *state)
{
    if (conn->pending == NULL) {
        if (buf_len(in) == 0 && out->len == 0 && state == NULL)
            return true;
        conn->pending = calloc(1, sizeof *conn->pending);
        if (conn->pending == NULL) {
            if (state != NULL)
                conn->service->handler->forget(state);
            return false;
        }
    }
    conn->pending->state = state;
    if (out->len > 0 && !save_output(conn, out))
        return false;
    if (in != &conn->pending->input)
        return buf_append(&conn->pending->input, buf_bytes(in), buf_len(in));
    if (buf_len(in) == 0)
        buf_free(in);
    if (!has_pending_input(conn) && !has_output(conn) && state == NULL)
        free_pending(conn);
    return true;
}

static bool has_more(const void *conn)
{
    return conn_has_input(conn);
}

/* Lets the handler answer what is in `in`, sends that as far as the socket takes it, and
 * keeps the rest of both. False: the connection is at its end. */
static bool handle_input(struct conn *conn, struct buf *in, unsigned *events)
{
    const struct handler *handler = conn->service->handler;
    enum conn_phase phase = conn_phase(conn);
    unsigned answered = conn->answered;
    /* Relaxed: see begin_delay in server.c. */
    bool draining = atomic_load_explicit(&conn->service->draining, memory_order_relaxed);
    struct output out;
    struct exchange exchange = {
        .in = in,
        .out = &out,
        .state = conn->pending != NULL ? conn->pending->state : NULL,
        .answered = answered,
        .draining = draining,
        .conn = conn,
        .has_more = has_more,
        .origin = &conn->origin,
    };

    output_begin(&out, scratch_text);
    conn->next = (unsigned char)handler->handle(handler, &exchange);
    conn->answered = exchange.answered;
    if (conn->next == HANDLER_END)
        buf_take(in, buf_len(in));
    /* Asked before the answer leaves: a client that has its next message ready as soon as
     * it has the answer must not keep the drain going forever. */
    bool last = conn->draining && !conn_has_input(conn);
    bool sent = out.len == 0 || send_some(conn, &out);
    bool all_sent = out.len == 0;
    bool saved = save_pending(conn, in, &out, exchange.state);
    output_end(&out);
    if (!sent)
        return false;
    if (!saved) /* if all is sent, the client can still be told */
        return (all_sent && conn_send_error(conn, HANDLER_NO_MEMORY)) ||
               fail(conn, ENOMEM);
    if (!all_sent) {
        *events &= ~(unsigned)EVENT_WRITABLE;
        conn->backlogged = true;
    } else if (last && !conn->backlogged) {
        *events &= ~(unsigned)(EVENT_READABLE | EVENT_READ_ALL);
    }
    /* The time for a head or a body is that for all of it: no byte prolongs it. */
    if (conn_phase(conn) != phase || conn->answered != answered)
        set_deadline(conn);
    return true;
}

/* One recv. Edge-triggered, so READABLE may be taken as used up only when the socket
 * is known to be empty: at EAGAIN, or, saving that call, at a recv that was short
 * (epoll(7)). Not so when the end or an urgent byte is near: the end is behind the last
 * bytes, and recv stops short at an urgent mark. *got: bytes have come. */
static bool read_input(struct conn *conn, unsigned *events, bool *got)
{
    struct buf borrowed = {.data = scratch_input, .size = sizeof scratch_input};
    struct buf *in = has_pending_input(conn) ? &conn->pending->input : &borrowed;

    if (in != &borrowed && !buf_reserve(in, RECV_MIN))
        return conn_send_error(conn, HANDLER_NO_MEMORY) || fail(conn, ENOMEM);
    size_t room = buf_room(in) < RECV_MAX ? buf_room(in) : RECV_MAX;
    ssize_t n = recv(conn->fd, in->data + in->end, room, 0);
    if (n == 0)
        return false;
    if (n < 0) {
        if (errno == EINTR)
            return true;
        *events &= ~(unsigned)(EVENT_READABLE | EVENT_READ_ALL);
        return errno == EAGAIN || fail(conn, errno);
    }
    *got = true;
    metrics_add(METRIC_RECEIVED, (uint64_t)n);
    if ((size_t)n < room && !(*events & EVENT_READ_ALL))
        *events &= ~(unsigned)EVENT_READABLE;
    if (conn->lingering)
        return true; /* it was told that nobody listens any more */
    in->end += (size_t)n;
    return handle_input(conn, in, events);
}

static bool is_ready(const struct conn *conn, short events)
{
    struct pollfd socket = {.fd = conn->fd, .events = events};

    return poll(&socket, 1, 0) != 0; /* if it cannot be told, better once too often */
}

bool conn_has_input(const struct conn *conn)
{
    return is_ready(conn, POLLIN);
}

bool conn_has_room(const struct conn *conn)
{
    return is_ready(conn, POLLOUT);
}

bool conn_send_error(struct conn *conn, enum handler_error why)
{
    static const enum conn_cause causes[] = {
        [HANDLER_FULL] = CONN_REFUSED,
        [HANDLER_TIMEOUT] = CONN_TIMEOUT,
        [HANDLER_NO_MEMORY] = CONN_ERROR,
    };
    const struct handler *handler = conn->service->handler;
    struct buf none = {0};
    struct output out;
    struct exchange exchange = {
        .in = has_pending_input(conn) ? &conn->pending->input : &none,
        .out = &out,
        .origin = &conn->origin,
    };

    output_begin(&out, scratch_text);
    if (handler->write_error != NULL)
        handler->write_error(handler, why, &exchange);
    bool told = out.len == 0 || (send_some(conn, &out) && out.len == 0);
    output_end(&out);
    if (told)
        begin_lingering_close(conn, causes[why]);
    return told;
}

bool conn_time_out(struct conn *conn)
{
    enum conn_phase phase = conn_phase(conn);

    metrics_add(METRIC_TIMEOUT + phase, 1);
    log_about(
        &conn->origin, LOG_INFO, "timeout", "kind=%s", metrics_timeout_names[phase]);
    if ((phase == CONN_HEAD || phase == CONN_BODY) &&
        conn_send_error(conn, HANDLER_TIMEOUT))
        return true;
    if (!conn->lingering)
        conn->cause = CONN_TIMEOUT;
    conn->error = ETIMEDOUT;
    return false;
}

/* The main thread cannot judge a connection that is queued or served whenever it looks,
 * as that of a client that never pauses: its owner does, when it has read what was here.
 */
static bool has_timed_out(const struct conn *conn)
{
    enum conn_phase phase = conn_phase(conn);

    if (phase != CONN_HEAD && phase != CONN_BODY && phase != CONN_LINGER)
        return false;
    /* Relaxed: it was set by an earlier owner, or by us. */
    if (atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed) > timer_now_ms())
        return false;
    return phase == CONN_LINGER || !conn_has_input(conn);
}

/* Nothing is left to be answered or sent, and nothing more is wanted. */
static bool is_done(const struct conn *conn, unsigned events)
{
    if (conn->lingering || has_output(conn))
        return false;
    if (conn->next == HANDLER_END)
        return true;
    return conn->draining && conn->next != HANDLER_AGAIN && !(events & EVENT_READABLE);
}

/* One step of the connection's life, with the events that came; what it does not use up
 * it leaves in them. False: the connection is at its end. */
static bool step(struct conn *conn, unsigned *events, bool *got)
{
    bool alive = true;

    if (*events & EVENT_DRAIN) {
        conn->draining = true;
        conn->backlogged = has_output(conn);
        *events &= ~(unsigned)EVENT_DRAIN;
        /* There may be bytes without an event. */
        *events |= EVENT_READABLE | EVENT_READ_ALL;
    }
    if (has_output(conn)) {
        if (*events & EVENT_WRITABLE)
            alive = write_output(conn, events);
    } else if (can_go_on(conn)) {
        *got = true;
        alive = handle_input(conn, &conn->pending->input, events);
    } else if (*events & EVENT_READABLE) {
        alive = read_input(conn, events, got);
    }
    if (alive && is_done(conn, *events))
        begin_lingering_close(conn, conn->draining ? CONN_DRAINED : CONN_DONE);
    if (alive && has_timed_out(conn))
        alive = conn_time_out(conn);
    return alive;
}

enum conn_verdict conn_serve(struct conn *conn)
{
    bool got = false;

    assert(state_is_owned(&conn->state));
    /* Once bytes have come, the turn is over: a client that sends without a pause, or one
     * whose requests are slow, must not keep a worker from the others. */
    while (!got) {
        unsigned events = state_take_events(&conn->state);
        if (!step(conn, &events, &got))
            return CONN_ENDED;
        if (give_back(conn, events))
            return CONN_PARKED;
    }
    return CONN_AGAIN;
}
