#include "server.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conn.h"
#include "log.h"
#include "metrics.h"
#include "net.h"
#include "poller.h"
#include "pool.h"
#include "timer.h"

#define ACCEPTS_PER_WAKEUP 64 /* newcomers shall not keep us from those who are here */
#define ACCEPT_PAUSE_MS 100   /* if no connection ends before: then look again */
#define RECHECK_MS 100        /* a deadline of a connection that is being served */
#define RESERVE 64        /* connections beyond the limit, only to say goodbye to them */
#define TIMER_GRAIN_MS 50 /* deadlines are met to this: one wake-up for many of them */
#define WAIT_MAX_MS 3600000 /* an hour: epoll_wait takes an int */
#define STOP_GRACE_MS 100   /* for workers that are not in a long process call */

/* A listening socket is the owner of itself in the poller. */
struct listener {
    int fd; /* -1: closed */
    struct service *service;
    bool ready;   /* clients wait */
    bool starved; /* for want of descriptors; said so in the log, until nobody waits */
};

struct server {
    struct server_limits limits;
    struct poller *poller;
    struct pool *pool;
    struct listener listeners[SERVER_LISTENERS_MAX];
    unsigned listener_count;
    int signals; /* readable while a stop signal is pending (signalfd(2)); -1: none yet */
    int wakeup;  /* readable when a worker wants the main thread (eventfd(2)); the same */

    /* The main thread's. */
    struct timer_heap timers; /* one per connection: also the list of them all */
    uint64_t last_id;
    unsigned rejected;        /* of them, those in the reserve */
    bool full;                /* said so in the log, and nearly full ever since */
    int64_t accept_resume_ms; /* TIMER_NEVER: not paused */
    int64_t delay_end_ms;     /* TIMER_NEVER: no delay */
    int64_t drain_end_ms;     /* TIMER_NEVER: not draining */
    unsigned stop_signals;    /* how many have come */

    /* Set by the main thread, read by workers: the end of a connection is news. Relaxed,
     * for retired_lock has the order: the main thread looks at the retired after it has
     * set this, and a worker looks at this after it has added to them. Whoever has the
     * lock second sees what the other did before: the main thread the connection, or the
     * worker that this is set. */
    atomic_bool wake_on_end;

    pthread_mutex_t retired_lock;
    struct task_list retired; /* ended, not freed yet; lock held when using this */
};

static pool_run serve;

/* ---------------------------------------------------------- birth and death */

/* Clients are news again. False: not for all listeners; the others stay. */
static bool listen_again(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];
        /* Who is there already need not be added again (epoll_ctl(2)). */
        if (poller_add_level(server->poller, listener->fd, listener) < 0 &&
            errno != EEXIST)
            return false;
    }
    return true;
}

static void listen_no_more(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        poller_remove(server->poller, server->listeners[i].fd);
}

static void close_listeners(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        if (server->listeners[i].fd >= 0)
            close(server->listeners[i].fd);
    server->listener_count = 0;
}

static bool open_descriptors(struct server *server, const sigset_t *stop)
{
    server->signals = signalfd(-1, stop, SFD_NONBLOCK | SFD_CLOEXEC);
    if (server->signals < 0)
        return false;
    server->wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (server->wakeup < 0)
        return false;
    server->poller = poller_new();
    if (server->poller == NULL)
        return false;
    return listen_again(server) &&
           poller_add_level(server->poller, server->signals, &server->signals) == 0 &&
           poller_add_level(server->poller, server->wakeup, &server->wakeup) == 0;
}

struct server *server_new(const struct server_listener listeners[], unsigned count,
    const sigset_t *stop, const struct server_limits *limits)
{
    struct server *server = calloc(1, sizeof *server);

    assert(count <= SERVER_LISTENERS_MAX);
    if (server == NULL) {
        for (unsigned i = 0; i < count; i++)
            close(listeners[i].fd);
        errno = ENOMEM;
        return NULL;
    }
    server->limits = *limits;
    server->listener_count = count;
    for (unsigned i = 0; i < count; i++)
        server->listeners[i] =
            (struct listener){.fd = listeners[i].fd, .service = listeners[i].service};
    server->signals = -1;
    server->wakeup = -1;
    server->accept_resume_ms = TIMER_NEVER;
    server->delay_end_ms = TIMER_NEVER;
    server->drain_end_ms = TIMER_NEVER;
    pthread_mutex_init(&server->retired_lock, NULL);
    if (open_descriptors(server, stop) &&
        timer_heap_init(&server->timers, limits->max_connections + RESERVE) &&
        (server->pool = pool_new(limits->threads, serve, server)) != NULL)
        return server;
    int reason = errno;
    server_free(server);
    errno = reason;
    return NULL;
}

static struct conn *conn_of(struct timer *timer)
{
    return (struct conn *)((char *)timer - offsetof(struct conn, timer));
}

/* The same order, so that a number of the one is a number of the other. */
static_assert(METRIC_CLOSED + CONN_DRAINED == METRIC_CLOSED_DRAIN, "causes");
static_assert(METRIC_TIMEOUT + CONN_LINGER == METRIC_TIMEOUT_LINGER, "phases");

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
    timer_remove(&server->timers, &conn->timer);
    if (conn->rejected)
        server->rejected--;
    conn_free(conn);
    metrics_set(METRIC_OPEN, server->timers.count);
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

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void server_free(struct server *server)
{
    if (server->pool != NULL)
        pool_free(server->pool); /* first: the workers use all the rest */
    free_retired(server);
    while (server->timers.count > 0)
        end_conn(server, conn_of(timer_first(&server->timers)), CONN_DRAINED, ECANCELED);
    timer_heap_free(&server->timers);
    pthread_mutex_destroy(&server->retired_lock);
    if (server->poller != NULL)
        poller_free(server->poller);
    close_if_open(server->wakeup);
    close_if_open(server->signals);
    close_listeners(server);
    free(server);
}

/* ------------------------------------------------------------- in a worker */

static void wake_main_thread(struct server *server)
{
    uint64_t one = 1;

    /* It fails only when the counter is full, and then it is awake (eventfd(2)). */
    if (write(server->wakeup, &one, sizeof one) < 0)
        assert(errno == EAGAIN || errno == EINTR);
}

/* A batch of events that the main thread holds may still name this connection, so only
 * the main thread may free it, between two batches. Until then it stays SCHEDULED, and
 * nobody will queue it again. */
static void retire(struct server *server, struct task *task)
{
    pthread_mutex_lock(&server->retired_lock);
    task_list_append(&server->retired, task);
    pthread_mutex_unlock(&server->retired_lock);
    if (atomic_load_explicit(&server->wake_on_end, memory_order_relaxed))
        wake_main_thread(server);
}

/* Puts them at the end of the queue, all at once. */
static void enqueue(struct server *server, struct task_list *ready, unsigned count)
{
    metrics_add(METRIC_QUEUED, count);
    pool_push(server->pool, ready);
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

static void serve_again(struct server *server, struct conn *conn)
{
    struct task_list again = {NULL, NULL};

    conn->ready_us = now_us();
    task_list_append(&again, &conn->task);
    enqueue(server, &again, 1);
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
    /* Counted before it is queued or buried again: who sees that, sees the count. */
    metrics_add(METRIC_TASKS, 1);
    metrics_add(METRIC_BUSY_NS, now_ns() - begin_ns);
    if (verdict == CONN_AGAIN) {
        serve_again(server, conn);
    } else if (verdict == CONN_ENDED) {
        close_conn(server, conn);
        retire(server, task);
    }
}

/* -------------------------------------------------------------- accepting */

static bool is_draining(const struct server *server)
{
    return server->drain_end_ms != TIMER_NEVER;
}

/* Level-triggered, the listener would wake us for ever while there is nothing to accept
 * with. So we stop listening to it, until a connection ends or some time has passed. */
static void pause_accepting(struct server *server, struct listener *listener, int reason)
{
    if (!listener->starved) {
        log_line(LOG_WARN, "accept_paused", "err=%s open=%u", log_error_name(reason),
            server->timers.count);
        metrics_add(METRIC_ACCEPT_PAUSES, 1);
    }
    listener->starved = true;
    /* The retired are looked at after the next wait: one from just before costs a pause.
     */
    atomic_store_explicit(&server->wake_on_end, true, memory_order_relaxed);
    server->accept_resume_ms = timer_now_ms() + ACCEPT_PAUSE_MS;
    listen_no_more(server);
}

static void resume_accepting(struct server *server)
{
    if (server->accept_resume_ms == TIMER_NEVER)
        return;
    if (!is_draining(server) && !listen_again(server)) {
        server->accept_resume_ms = timer_now_ms() + ACCEPT_PAUSE_MS;
        return;
    }
    server->accept_resume_ms = TIMER_NEVER;
    atomic_store_explicit(
        &server->wake_on_end, is_draining(server), memory_order_relaxed);
}

static int64_t min_ms(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t shortest_limit_ms(const struct service *service)
{
    int64_t shortest_ms = min_ms(service->idle_ms, service->write_ms);

    shortest_ms = min_ms(shortest_ms, min_ms(service->head_ms, service->body_ms));
    return min_ms(shortest_ms, service->linger_ms);
}

static int64_t next_check_ms(const struct conn *conn)
{
    int64_t shortest_ms = shortest_limit_ms(conn->service);
    /* Relaxed: it is new, and nobody else's yet, or we have claimed it. */
    int64_t deadline_ms = atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed);

    /* Workers move the deadline without telling the timers. Whatever deadline they set
     * after now, it is not before now + shortest, so it is soon enough to look then. */
    int64_t check_ms =
        shortest_ms == TIMER_NEVER ? TIMER_NEVER : timer_now_ms() + shortest_ms;
    if (deadline_ms < check_ms)
        check_ms = deadline_ms;
    if (check_ms == TIMER_NEVER)
        return TIMER_NEVER;
    return (check_ms + TIMER_GRAIN_MS - 1) / TIMER_GRAIN_MS * TIMER_GRAIN_MS;
}

/* Is one more too many? It is told at once, which is better than to wait unheard in the
 * kernel's queue; and told by a goodbye, in a place of the reserve, for a close would be
 * a reset to a client that has sent something. */
static bool is_full(struct server *server)
{
    unsigned max = server->limits.max_connections;
    unsigned open = server->timers.count - server->rejected;

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
    if (server->timers.count < server->limits.max_connections + RESERVE)
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
    struct task_list ready = {NULL, NULL};

    if (poller_add_edge(server->poller, conn->fd, conn) < 0) {
        end_conn(server, conn, CONN_ERROR, errno);
        return;
    }
    if (is_draining(server) && conn_notify(conn, CONN_DRAIN)) {
        conn->ready_us = now_us();
        task_list_append(&ready, &conn->task);
        enqueue(server, &ready, 1);
    }
}

static void admit(
    struct server *server, struct service *service, int fd, const struct net_peer *peer)
{
    bool full = is_full(server);
    struct conn *conn = new_conn(server, service, fd, peer);

    if (conn == NULL)
        return;
    log_about(&conn->origin, LOG_DEBUG, "accepted", "service=%s", service->handler->name);
    conn->rejected = full;
    server->rejected += full;
    bool stays = !full || conn_send_error(conn, HANDLER_FULL);
    timer_add(&server->timers, &conn->timer, next_check_ms(conn));
    metrics_set(METRIC_OPEN, server->timers.count);
    if (stays)
        begin_events(server, conn);
    else
        end_conn(server, conn, CONN_REFUSED, 0);
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

enum accepted { ACCEPTED_ALL, ACCEPTED_ENOUGH, ACCEPTED_UNTIL_SHORT };

/* Accepts until nobody waits, but only so many at a time. errno says what was short. */
static enum accepted accept_clients(struct server *server, struct listener *listener)
{
    struct net_peer peer;

    for (int i = 0; i < ACCEPTS_PER_WAKEUP; i++) {
        int fd = net_accept(listener->fd, &peer);
        if (fd >= 0) {
            admit(server, listener->service, fd, &peer);
            continue;
        }
        if (errno == EAGAIN) {
            listener->starved = false;
            return ACCEPTED_ALL;
        }
        if (is_shortage(errno))
            return ACCEPTED_UNTIL_SHORT;
        /* The client has left again: on to the next (accept(2)). */
        assert(errno != EBADF && errno != EINVAL && errno != ENOTSOCK);
    }
    return ACCEPTED_ENOUGH;
}

/* --------------------------------------------------------------- the reactor */

static unsigned conn_events(uint32_t epoll_events)
{
    unsigned events = 0;

    if (epoll_events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        events |= CONN_READABLE;
    if (epoll_events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        events |= CONN_READ_ALL;
    if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        events |= CONN_WRITABLE;
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

static void take_wakeup(struct server *server)
{
    uint64_t count;

    /* To be awake was all that it was for; now it shall not be readable any more. */
    if (read(server->wakeup, &count, sizeof count) < 0)
        assert(errno == EAGAIN || errno == EINTR);
}

static struct listener *listener_of(struct server *server, const void *owner)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        if (owner == &server->listeners[i])
            return &server->listeners[i];
    return NULL;
}

/* Hands all that are ready to the workers, under one lock. */
static void dispatch(struct server *server, const struct epoll_event events[], int count)
{
    struct task_list ready = {NULL, NULL};
    unsigned ready_us = now_us(), ready_count = 0;

    metrics_add(METRIC_WAKEUPS, 1);
    metrics_add(METRIC_EVENTS, (uint64_t)count);
    for (int i = 0; i < count; i++) {
        void *owner = events[i].data.ptr;
        struct listener *listener = listener_of(server, owner);
        if (listener != NULL) {
            listener->ready = true;
        } else if (owner == &server->signals) {
            take_stop_signal(server);
        } else if (owner == &server->wakeup) {
            take_wakeup(server);
        } else if (conn_notify(owner, conn_events(events[i].events))) {
            struct conn *conn = owner;
            conn->ready_us = ready_us;
            task_list_append(&ready, &conn->task);
            ready_count++;
        }
    }
    if (ready_count > 0)
        enqueue(server, &ready, ready_count);
}

static void time_out(struct server *server, struct conn *conn)
{
    if (conn_time_out(conn)) {
        int64_t next_ms = next_check_ms(conn);
        conn_release(conn);
        timer_change(&server->timers, &conn->timer, next_ms);
    } else {
        close_conn(server, conn);
        free_conn(server, conn);
    }
}

/* After a SIGSTOP, or behind a large batch, its event may still be to come. */
static bool has_progressed(const struct conn *conn)
{
    enum conn_phase phase = conn_phase(conn);

    if (phase == CONN_WRITE)
        return conn_has_room(conn);
    return phase != CONN_LINGER && conn_has_input(conn);
}

/* Its time may be over: if nobody serves it, look again, for a worker may have moved the
 * deadline; and not if it has just spoken. */
static void check_deadline(struct server *server, struct conn *conn, int64_t now_ms)
{
    int64_t next_ms = now_ms + RECHECK_MS;

    if (conn_claim(conn)) {
        /* Relaxed: conn_claim has acquired what the last owner set. */
        bool over =
            atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed) <= now_ms;
        if (over && !has_progressed(conn)) {
            time_out(server, conn);
            return;
        }
        if (!over)
            next_ms = next_check_ms(conn);
        conn_release(conn);
    }
    timer_change(&server->timers, &conn->timer, next_ms);
}

static void check_deadlines(struct server *server)
{
    int64_t now_ms = timer_now_ms();
    struct timer *timer;

    while ((timer = timer_first(&server->timers)) != NULL && timer->when_ms <= now_ms)
        check_deadline(server, conn_of(timer), now_ms);
    if (server->accept_resume_ms <= now_ms)
        resume_accepting(server);
}

/* How long poller_wait may wait: until the next of our times, -1 when there is none. */
static int wait_ms(const struct server *server)
{
    const struct timer *timer = timer_first(&server->timers);
    int64_t next_ms = timer != NULL ? timer->when_ms : TIMER_NEVER;

    next_ms = min_ms(next_ms, server->accept_resume_ms);
    next_ms = min_ms(next_ms, min_ms(server->delay_end_ms, server->drain_end_ms));
    if (next_ms == TIMER_NEVER)
        return -1;
    int64_t left_ms = next_ms - timer_now_ms();
    if (left_ms < 0)
        return 0;
    return left_ms < WAIT_MAX_MS ? (int)left_ms : WAIT_MAX_MS;
}

static void accept_or_pause(struct server *server, struct listener *listener)
{
    if (accept_clients(server, listener) == ACCEPTED_UNTIL_SHORT)
        pause_accepting(server, listener, errno);
}

static void accept_ready(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];
        if (listener->ready)
            accept_or_pause(server, listener);
        listener->ready = false;
    }
}

/* Clients whose connect has succeeded have been promised an answer: accept them all, as
 * soon as there are descriptors, and nobody after them. */
static bool accept_the_last_of(struct server *server, struct listener *listener)
{
    enum accepted accepted = ACCEPTED_ENOUGH;

    /* No more than the queue held; or those who keep coming would keep us. */
    for (int i = 0; i <= NET_BACKLOG / ACCEPTS_PER_WAKEUP; i++)
        if ((accepted = accept_clients(server, listener)) != ACCEPTED_ENOUGH)
            break;
    return accepted != ACCEPTED_UNTIL_SHORT;
}

static void accept_the_last(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        if (!accept_the_last_of(server, &server->listeners[i])) {
            server->accept_resume_ms = timer_now_ms() + ACCEPT_PAUSE_MS;
            return;
        }
    server->accept_resume_ms = TIMER_NEVER;
    close_listeners(server);
    log_line(LOG_INFO, "drain", "open=%u", server->timers.count);
}

/* Waits for one batch of events and does all that has become due. */
static void turn(struct server *server)
{
    struct epoll_event events[POLLER_READY_MAX];

    int count = poller_wait(server->poller, events, wait_ms(server));
    dispatch(server, events, count);
    if (free_retired(server))
        resume_accepting(server);
    check_deadlines(server);
    /* Last: who has just left makes room. */
    if (!is_draining(server))
        accept_ready(server);
    else if (server->listener_count > 0)
        accept_the_last(server);
}

/* From now on services say that they are going to end, and end each connection with its
 * next answer, but serve as before: who asks /healthz has time to send clients elsewhere.
 */
static void begin_delay(struct server *server)
{
    /* Relaxed: an answer on its way may miss it. None does after the CONN_DRAIN of its
     * connection, for that comes later and is released (conn_notify). */
    for (unsigned i = 0; i < server->listener_count; i++)
        atomic_store_explicit(
            &server->listeners[i].service->draining, true, memory_order_relaxed);
    server->delay_end_ms = timer_now_ms() + server->limits.delay_ms;
    if (server->limits.delay_ms > 0)
        log_line(LOG_INFO, "drain_delay", "ms=%d", server->limits.delay_ms);
}

/* Every connection learns that it is the end, those that are here and those to come. */
static void begin_drain(struct server *server)
{
    struct task_list ready = {NULL, NULL};
    unsigned ready_us = now_us(), ready_count = 0;

    server->delay_end_ms = TIMER_NEVER;
    server->drain_end_ms = timer_now_ms() + server->limits.drain_ms;
    listen_no_more(server);
    server->accept_resume_ms = TIMER_NEVER;
    atomic_store_explicit(&server->wake_on_end, true, memory_order_relaxed);
    free_retired(server); /* who ended before that store wakes nobody */
    for (unsigned i = 0; i < server->timers.count; i++) {
        struct conn *conn = conn_of(server->timers.slots[i]);
        if (conn_notify(conn, CONN_DRAIN)) {
            conn->ready_us = ready_us;
            task_list_append(&ready, &conn->task);
            ready_count++;
        }
    }
    enqueue(server, &ready, ready_count);
    accept_the_last(server);
}

unsigned server_run(struct server *server)
{
    while (server->stop_signals == 0)
        turn(server);
    begin_delay(server);
    while (server->stop_signals < 2 && timer_now_ms() < server->delay_end_ms)
        turn(server);
    begin_drain(server);
    while ((server->timers.count > 0 || server->listener_count > 0) &&
           server->stop_signals < 2 && timer_now_ms() < server->drain_end_ms)
        turn(server);
    unsigned busy = pool_stop(server->pool, STOP_GRACE_MS);
    log_line(LOG_INFO, "stopped", "open=%u busy=%u", server->timers.count, busy);
    return busy;
}
