#include "server.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "acceptor.h"
#include "conn.h"
#include "deadlines.h"
#include "log.h"
#include "metrics.h"
#include "poller.h"
#include "pool.h"
#include "state.h"
#include "timer.h"
#include "wakeup.h"

#define RESERVE 64          /* connections beyond the limit, only to tell them so */
#define WAIT_MAX_MS 3600000 /* an hour: epoll_wait takes an int */
#define STOP_GRACE_MS 100   /* for workers that are not in a long process call */

struct server {
    struct server_limits limits;
    struct poller *poller;
    struct pool *pool;
    struct acceptor acceptor;
    struct wakeup wakeup;
    int signals; /* readable while a stop signal is pending (signalfd(2)); -1: none yet */

    /* The main thread's. */
    struct deadlines deadlines; /* and the list of all connections */
    uint64_t last_id;
    unsigned rejected;     /* of them, those in the reserve */
    bool full;             /* said so in the log, and nearly full ever since */
    int64_t delay_end_ms;  /* TIMER_NEVER: no delay */
    int64_t drain_end_ms;  /* TIMER_NEVER: not draining */
    unsigned stop_signals; /* how many have come */

    pthread_mutex_t retired_lock;
    struct task_list retired; /* ended, not freed yet; lock held when using this */
};

static_assert(SERVER_LISTENERS_MAX <= ACCEPTOR_LISTENERS_MAX, "each has its place");

static pool_run serve;
static acceptor_admit admit;

/* ---------------------------------------------------------- birth and death */

static bool open_descriptors(struct server *server, const sigset_t *stop)
{
    server->signals = signalfd(-1, stop, SFD_NONBLOCK | SFD_CLOEXEC);
    if (server->signals < 0)
        return false;
    if (!wakeup_open(&server->wakeup))
        return false;
    server->poller = poller_new();
    if (server->poller == NULL)
        return false;
    return acceptor_listen(&server->acceptor, server->poller) &&
           poller_add_level(server->poller, server->signals, &server->signals) == 0 &&
           poller_add_level(server->poller, server->wakeup.fd, &server->wakeup) == 0;
}

struct server *server_new(const struct server_listener listeners[], unsigned count,
    const sigset_t *stop, const struct server_limits *limits)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL) {
        for (unsigned i = 0; i < count; i++)
            close(listeners[i].fd);
        errno = ENOMEM;
        return NULL;
    }
    server->limits = *limits;
    acceptor_init(&server->acceptor, admit, server);
    for (unsigned i = 0; i < count; i++)
        acceptor_add(&server->acceptor, listeners[i].fd, listeners[i].service);
    server->signals = -1;
    server->wakeup.fd = -1;
    server->delay_end_ms = TIMER_NEVER;
    server->drain_end_ms = TIMER_NEVER;
    pthread_mutex_init(&server->retired_lock, NULL);
    if (open_descriptors(server, stop) &&
        deadlines_init(&server->deadlines, limits->max_connections + RESERVE) &&
        (server->pool = pool_new(limits->threads, serve, server)) != NULL)
        return server;
    int reason = errno;
    server_free(server);
    errno = reason;
    return NULL;
}

/* The same order, so that a number of the one is a number of the other. */
static_assert(METRIC_CLOSED + CONN_DRAINED == METRIC_CLOSED_DRAIN, "causes");
static_assert(METRIC_TIMEOUT + CONN_LINGER == METRIC_TIMEOUT_LINGER, "phases");
static_assert(METRIC_PHASE + CONN_LINGER + 1 == METRIC_PHASE_END, "phases");

static void note_end(const struct conn *conn)
{
    metrics_add(METRIC_CLOSED + conn->cause, 1);
    log_about(&conn->origin, LOG_DEBUG, "closed", "cause=%s err=%s",
        metrics_closed_names[conn->cause],
        conn->error == 0 ? "none" : log_error_name(conn->error));
}

/* Out of the poller first: whoever else has a descriptor of this socket, a debugger say,
 * keeps it open, and its events would come with a pointer to freed memory. The owner. */
static void close_conn(struct server *server, struct conn *conn)
{
    note_end(conn);
    poller_remove(server->poller, conn->fd);
    conn_close(conn);
}

/* Main thread. */
static void free_conn(struct server *server, struct conn *conn)
{
    deadlines_remove(&server->deadlines, conn);
    if (conn->rejected)
        server->rejected--;
    conn_free(conn);
    metrics_set(METRIC_OPEN, deadlines_count(&server->deadlines));
}

/* The end of a connection that the main thread owns. */
static void end_conn(
    struct server *server, struct conn *conn, enum conn_cause cause, int error)
{
    if (!conn->lingering) /* then it is known */
        conn->cause = (unsigned char)cause;
    conn->error = (unsigned short)error;
    close_conn(server, conn);
    free_conn(server, conn);
}

/* Frees the connections that workers have ended, between two batches. They were out of
 * the poller before, so no later batch names them. Returns whether there were any. */
static bool free_retired(struct server *server)
{
    struct task_list retired = {NULL, NULL};
    struct task *task;

    pthread_mutex_lock(&server->retired_lock);
    task_list_join(&retired, &server->retired);
    pthread_mutex_unlock(&server->retired_lock);
    if (retired.first == NULL)
        return false;
    while ((task = task_list_take(&retired)) != NULL)
        free_conn(server, (struct conn *)task);
    return true;
}

void server_free(struct server *server)
{
    if (server->pool != NULL)
        pool_free(server->pool); /* first: the workers use all the rest */
    free_retired(server);
    while (deadlines_count(&server->deadlines) > 0)
        end_conn(server, deadlines_at(&server->deadlines, 0), CONN_DRAINED, ECANCELED);
    deadlines_free(&server->deadlines);
    pthread_mutex_destroy(&server->retired_lock);
    if (server->poller != NULL)
        poller_free(server->poller);
    wakeup_close(&server->wakeup);
    if (server->signals >= 0)
        close(server->signals);
    acceptor_close(&server->acceptor);
    free(server);
}

/* ------------------------------------------------------------- in a worker */

/* A batch of events that the main thread holds may still name this connection, so only
 * the main thread may free it, between two batches. Until then it stays SCHEDULED, and
 * nobody will queue it again. */
static void retire(struct server *server, struct task *task)
{
    pthread_mutex_lock(&server->retired_lock);
    task_list_append(&server->retired, task);
    pthread_mutex_unlock(&server->retired_lock);
    wakeup_send(&server->wakeup);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Small, for each connection keeps one; it wraps, but differences do not. */
static unsigned now_us(void)
{
    return (unsigned)(now_ns() / 1000);
}

/* Connections that have become ready together: queued under one lock. */
struct batch {
    struct task_list tasks;
    unsigned count;
    unsigned ready_us;
};

static struct batch begin_batch(void)
{
    return (struct batch){.ready_us = now_us()};
}

/* conn is the caller's, and becomes the batch's. */
static void add_to_batch(struct batch *batch, struct conn *conn)
{
    conn->ready_us = batch->ready_us;
    task_list_append(&batch->tasks, &conn->task);
    batch->count++;
}

static void enqueue(struct server *server, struct batch *batch)
{
    if (batch->count == 0)
        return;
    metrics_add(METRIC_QUEUED, batch->count);
    pool_push(server->pool, &batch->tasks);
}

static void enqueue_one(struct server *server, struct conn *conn)
{
    struct batch batch = begin_batch();

    add_to_batch(&batch, conn);
    enqueue(server, &batch);
}

static void serve(void *context, struct task *task)
{
    struct server *server = context;
    struct conn *conn = (struct conn *)task;
    uint64_t begin_ns = now_ns();
    unsigned wait_us = (unsigned)(begin_ns / 1000) - conn->ready_us;

    metrics_add(METRIC_TAKEN, 1);
    metrics_add_wait(wait_us);
    enum conn_verdict verdict = conn_serve(conn);
    /* Counted before it is queued or retired: a thread that sees that sees the count. */
    metrics_add(METRIC_TASKS, 1);
    metrics_add(METRIC_BUSY_NS, now_ns() - begin_ns);
    if (verdict == CONN_AGAIN) {
        enqueue_one(server, conn);
    } else if (verdict == CONN_ENDED) {
        close_conn(server, conn);
        retire(server, task);
    }
}

/* --------------------------------------------------------------- admitting */

static bool is_draining(const struct server *server)
{
    return server->drain_end_ms != TIMER_NEVER;
}

/* Is one more too many? It is told at once, which is better than to wait unheard in the
 * kernel's queue; and told by a lingering close, in a place
 * of the reserve, for a close would be a reset to a client that has sent something. */
static bool is_full(struct server *server)
{
    unsigned max = server->limits.max_connections;
    unsigned open = deadlines_count(&server->deadlines) - server->rejected;

    if (open < max) {
        if (open + 1 + max / 10 < max)
            server->full = false;
        return false;
    }
    if (!server->full)
        log_line(LOG_WARN, "connections_full", "open=%u", open);
    server->full = true;
    return true;
}

static struct conn *new_conn(
    struct server *server, struct service *service, int fd, const struct net_peer *peer)
{
    struct log_origin origin = {.conn = ++server->last_id, .peer = *peer};
    struct conn *conn = NULL;

    metrics_add(METRIC_ACCEPTED, 1);
    if (deadlines_count(&server->deadlines) < server->limits.max_connections + RESERVE)
        conn = conn_new(fd, service, &origin);
    if (conn == NULL) {
        close(fd);
        metrics_add(METRIC_CLOSED_REFUSED, 1);
    }
    return conn;
}

/* Last of all into the poller: from then on a worker may own it. */
static void begin_events(struct server *server, struct conn *conn)
{
    if (poller_add_edge(server->poller, conn->fd, conn) < 0) {
        end_conn(server, conn, CONN_ERROR, errno);
        return;
    }
    if (is_draining(server) && state_notify(&conn->state, EVENT_DRAIN))
        enqueue_one(server, conn);
}

static void admit(
    void *context, struct service *service, int fd, const struct net_peer *peer)
{
    struct server *server = context;
    bool full = is_full(server);
    struct conn *conn = new_conn(server, service, fd, peer);

    if (conn == NULL)
        return;
    log_about(&conn->origin, LOG_DEBUG, "accepted", "service=%s", service->handler->name);
    conn->rejected = full;
    server->rejected += full;
    bool stays = !full || conn_send_error(conn, HANDLER_FULL);
    deadlines_add(&server->deadlines, conn);
    metrics_set(METRIC_OPEN, deadlines_count(&server->deadlines));
    if (stays)
        begin_events(server, conn);
    else
        end_conn(server, conn, CONN_REFUSED, 0);
}

/* --------------------------------------------------------------- the reactor */

static unsigned conn_events(uint32_t epoll_events)
{
    unsigned events = 0;

    if (epoll_events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        events |= EVENT_READABLE;
    if (epoll_events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        events |= EVENT_READ_ALL;
    if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        events |= EVENT_WRITABLE;
    return events;
}

/* A terminal that is closed hangs up on us, and its shell may do so as well, so a second
 * SIGHUP does not mean that somebody is in a hurry. */
static void take_stop_signal(struct server *server)
{
    struct signalfd_siginfo info;

    if (read(server->signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo != SIGHUP || server->stop_signals == 0)
        server->stop_signals++;
}

/* Hands all that are ready to the workers, under one lock. */
static void dispatch(struct server *server, const struct epoll_event events[], int count)
{
    struct batch batch = begin_batch();

    metrics_add(METRIC_WAKEUPS, 1);
    metrics_add(METRIC_EVENTS, (uint64_t)count);
    for (int i = 0; i < count; i++) {
        void *owner = events[i].data.ptr;
        if (acceptor_notify(&server->acceptor, owner))
            continue;
        if (owner == &server->signals) {
            take_stop_signal(server);
            continue;
        }
        if (owner == &server->wakeup) {
            wakeup_take(&server->wakeup);
            continue;
        }
        struct conn *conn = owner;
        if (state_notify(&conn->state, conn_events(events[i].events)))
            add_to_batch(&batch, conn);
    }
    enqueue(server, &batch);
}

static void check_deadlines(struct server *server)
{
    int64_t now_ms = timer_now_ms();
    struct conn *conn;

    while ((conn = deadlines_expired(&server->deadlines, now_ms)) != NULL) {
        if (conn_time_out(conn)) {
            deadlines_put_back(&server->deadlines, conn);
        } else {
            close_conn(server, conn);
            free_conn(server, conn);
        }
    }
}

/* How long poller_wait may wait: until the next of our times, -1 when there is none. */
static int wait_ms(const struct server *server)
{
    int64_t next_ms = deadlines_next_ms(&server->deadlines);

    next_ms = timer_min_ms(next_ms, server->acceptor.resume_ms);
    next_ms =
        timer_min_ms(next_ms, timer_min_ms(server->delay_end_ms, server->drain_end_ms));
    if (next_ms == TIMER_NEVER)
        return -1;
    int64_t left_ms = next_ms - timer_now_ms();
    if (left_ms < 0)
        return 0;
    return left_ms < WAIT_MAX_MS ? (int)left_ms : WAIT_MAX_MS;
}

/* Perhaps there is something to accept with again. */
static void resume_accepting(struct server *server)
{
    acceptor_resume(&server->acceptor);
    wakeup_want(&server->wakeup, acceptor_is_paused(&server->acceptor));
}

static void accept_clients(struct server *server)
{
    int shortage = acceptor_accept(&server->acceptor);

    if (shortage != 0) {
        log_line(LOG_WARN, "accept_paused", "err=%s open=%u", log_error_name(shortage),
            deadlines_count(&server->deadlines));
        metrics_add(METRIC_ACCEPT_PAUSES, 1);
    }
    if (!acceptor_is_paused(&server->acceptor))
        return;
    wakeup_want(&server->wakeup, true);
    if (free_retired(server)) /* one that ended before that wakes nobody */
        resume_accepting(server);
}

static void accept_last_clients(struct server *server)
{
    if (acceptor_accept_last(&server->acceptor))
        log_line(LOG_INFO, "drain", "open=%u", deadlines_count(&server->deadlines));
}

/* Waits for one batch of events and does all that has become due. */
static void turn(struct server *server)
{
    struct epoll_event events[POLLER_READY_MAX];

    int count = poller_wait(server->poller, events, wait_ms(server));
    dispatch(server, events, count);
    bool room = free_retired(server);
    check_deadlines(server);
    if (is_draining(server)) {
        if (acceptor_is_open(&server->acceptor))
            accept_last_clients(server);
        return;
    }
    if (room || server->acceptor.resume_ms <= timer_now_ms())
        resume_accepting(server);
    accept_clients(server); /* last: a client that has just left makes room */
}

/* From now on services say that they are going to end, and end each connection with its
 * next answer, but serve as before: a load balancer that asks
 * /healthz has time to send clients elsewhere.
 */
static void begin_delay(struct server *server)
{
    /* Relaxed: an answer on its way may miss it. None does after the EVENT_DRAIN of its
     * connection, for that comes later and is released (state_notify). */
    for (unsigned i = 0; i < server->acceptor.count; i++)
        atomic_store_explicit(
            &server->acceptor.listeners[i].service->draining, true, memory_order_relaxed);
    server->delay_end_ms = timer_now_ms() + server->limits.delay_ms;
    if (server->limits.delay_ms > 0)
        log_line(LOG_INFO, "drain_delay", "ms=%d", server->limits.delay_ms);
}

/* Every connection learns that it is the end, those that are here and those to come. */
static void begin_drain(struct server *server)
{
    struct batch batch = begin_batch();

    server->delay_end_ms = TIMER_NEVER;
    server->drain_end_ms = timer_now_ms() + server->limits.drain_ms;
    acceptor_ignore(&server->acceptor);
    wakeup_want(&server->wakeup, true);
    free_retired(server); /* one that ended before that wakes nobody */
    for (unsigned i = 0; i < deadlines_count(&server->deadlines); i++) {
        struct conn *conn = deadlines_at(&server->deadlines, i);
        if (state_notify(&conn->state, EVENT_DRAIN))
            add_to_batch(&batch, conn);
    }
    enqueue(server, &batch);
    accept_last_clients(server);
}

unsigned server_run(struct server *server)
{
    while (server->stop_signals == 0)
        turn(server);
    begin_delay(server);
    while (server->stop_signals < 2 && timer_now_ms() < server->delay_end_ms)
        turn(server);
    begin_drain(server);
    while ((deadlines_count(&server->deadlines) > 0 ||
               acceptor_is_open(&server->acceptor)) &&
           server->stop_signals < 2 && timer_now_ms() < server->drain_end_ms)
        turn(server);
    unsigned busy = pool_stop(server->pool, STOP_GRACE_MS);
    log_line(LOG_INFO, "stopped", "open=%u busy=%u", deadlines_count(&server->deadlines),
        busy);
    return busy;
}
