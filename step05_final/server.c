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
#include <unistd.h>

#include "conn.h"
#include "echo.h"
#include "log.h"
#include "net.h"
#include "poller.h"
#include "pool.h"
#include "timer.h"

#define ACCEPTS_PER_WAKEUP 64 /* newcomers shall not keep us from those who are here */
#define ACCEPT_PAUSE_MS 100   /* if no connection ends before: then look again */
#define RECHECK_MS 100        /* a deadline of a connection that is being served */
#define LINGER_MS 1000        /* for a client that was told goodbye to hear it */
#define RESERVE 64        /* connections beyond the limit, only to say goodbye to them */
#define TIMER_GRAIN_MS 50 /* deadlines are met to this: one wake-up for many of them */
#define WAIT_MAX_MS 3600000 /* an hour: epoll_wait takes an int */
#define STOP_GRACE_MS 100   /* for workers that are not in a long process call */

struct server {
    struct server_limits limits;
    struct service echo;
    struct poller *poller;
    struct pool *pool;
    int listener; /* owner of itself in the poller, as are the next two; -1: closed */
    int signals;  /* readable while a stop signal is pending (signalfd(2)) */
    int wakeup;   /* readable when a worker wants the main thread (eventfd(2)) */

    /* The main thread's. */
    struct timer_heap timers; /* one per connection: also the list of them all */
    uint64_t last_id;
    unsigned turned_away;     /* of them, those in the reserve */
    bool out_of_descriptors;  /* said so in the log, and somebody waits ever since */
    bool full;                /* said so in the log, and nearly full ever since */
    int64_t accept_resume_ms; /* TIMER_NEVER: not paused */
    int64_t drain_end_ms;     /* TIMER_NEVER: not draining */
    unsigned stop_signals;    /* how many have come */

    /* Set by the main thread, read by workers: the end of a connection is news.
     * Sequentially consistent, and the main thread looks at the dead after it has set
     * this: so it finds the connection there, or the worker finds this set. */
    atomic_bool wake_on_end;

    pthread_mutex_t dead_lock;
    struct task_list dead; /* ended, not freed yet; lock held when using this */
};

static pool_run serve;

/* ---------------------------------------------------------- birth and death */

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
    return poller_add_level(server->poller, server->listener, &server->listener) == 0 &&
           poller_add_level(server->poller, server->signals, &server->signals) == 0 &&
           poller_add_level(server->poller, server->wakeup, &server->wakeup) == 0;
}

struct server *server_new(
    int listener, const sigset_t *stop, const struct server_limits *limits)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL) {
        close(listener);
        return NULL;
    }
    server->limits = *limits;
    server->echo = (struct service){
        .handler = &echo_handler,
        .idle_ms = limits->idle_ms,
        .write_ms = limits->write_ms,
        .linger_ms = LINGER_MS,
    };
    server->listener = listener;
    server->signals = -1;
    server->wakeup = -1;
    server->accept_resume_ms = TIMER_NEVER;
    server->drain_end_ms = TIMER_NEVER;
    pthread_mutex_init(&server->dead_lock, NULL);
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

static void log_closed(const struct conn *conn)
{
    log_line(LOG_DEBUG, "closed", "conn=%llu err=%s", (unsigned long long)conn->id,
        conn->error == 0 ? "none" : strerrorname_np(conn->error));
}

/* Out of the poller first: whoever else has a descriptor of this socket, a debugger say,
 * keeps it open, and its events would come with a pointer to freed memory. The owner. */
static void close_conn(struct server *server, struct conn *conn)
{
    log_closed(conn);
    poller_remove(server->poller, conn->fd);
    conn_close(conn);
}

/* Main thread. */
static void free_conn(struct server *server, struct conn *conn)
{
    timer_remove(&server->timers, &conn->timer);
    if (conn->turned_away)
        server->turned_away--;
    conn_free(conn);
}

/* The end of a connection that the main thread owns. */
static void end_conn(struct server *server, struct conn *conn, int error)
{
    conn->error = error;
    close_conn(server, conn);
    free_conn(server, conn);
}

/* Frees the connections that workers have ended, between two batches. They were out of
 * the poller before, so no later batch names them. Returns whether there were any. */
static bool free_dead(struct server *server)
{
    struct task_list dead = {NULL, NULL};
    struct task *task;

    pthread_mutex_lock(&server->dead_lock);
    task_list_join(&dead, &server->dead);
    pthread_mutex_unlock(&server->dead_lock);
    if (dead.first == NULL)
        return false;
    while ((task = task_list_take(&dead)) != NULL)
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
    free_dead(server);
    while (server->timers.count > 0)
        end_conn(server, conn_of(timer_first(&server->timers)), ECANCELED);
    timer_heap_free(&server->timers);
    pthread_mutex_destroy(&server->dead_lock);
    if (server->poller != NULL)
        poller_free(server->poller);
    close_if_open(server->wakeup);
    close_if_open(server->signals);
    close_if_open(server->listener);
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
static void bury(struct server *server, struct task *task)
{
    pthread_mutex_lock(&server->dead_lock);
    task_list_append(&server->dead, task);
    pthread_mutex_unlock(&server->dead_lock);
    if (atomic_load(&server->wake_on_end))
        wake_main_thread(server);
}

static void serve(void *context, struct task *task)
{
    struct server *server = context;
    struct task_list again = {NULL, NULL};

    switch (conn_serve((struct conn *)task)) {
    case CONN_PARKED:
        return;
    case CONN_AGAIN:
        task_list_append(&again, task);
        pool_push(server->pool, &again);
        return;
    case CONN_ENDED:
        close_conn(server, (struct conn *)task);
        bury(server, task);
        return;
    }
}

/* -------------------------------------------------------------- accepting */

static bool is_draining(const struct server *server)
{
    return server->drain_end_ms != TIMER_NEVER;
}

/* Level-triggered, the listener would wake us for ever while there is nothing to accept
 * with. So we stop listening to it, until a connection ends or some time has passed. */
static void pause_accepting(struct server *server, int reason)
{
    if (!server->out_of_descriptors)
        log_line(LOG_WARN, "accept_paused", "err=%s open=%u", strerrorname_np(reason),
            server->timers.count);
    server->out_of_descriptors = true;
    atomic_store(&server->wake_on_end, true);
    server->accept_resume_ms = timer_now_ms() + ACCEPT_PAUSE_MS;
    poller_remove(server->poller, server->listener);
}

static void resume_accepting(struct server *server)
{
    if (server->accept_resume_ms == TIMER_NEVER)
        return;
    if (poller_add_level(server->poller, server->listener, &server->listener) < 0) {
        server->accept_resume_ms = timer_now_ms() + ACCEPT_PAUSE_MS;
        return;
    }
    server->accept_resume_ms = TIMER_NEVER;
    atomic_store(&server->wake_on_end, is_draining(server));
}

static int64_t next_check_ms(const struct server *server, const struct conn *conn)
{
    int64_t shortest_ms = server->limits.idle_ms < server->limits.write_ms
                              ? server->limits.idle_ms
                              : server->limits.write_ms;
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
    unsigned open = server->timers.count - server->turned_away;

    if (open < max) {
        if (open < max - max / 10)
            server->full = false;
        return false;
    }
    if (!server->full)
        log_line(LOG_WARN, "connections_full", "open=%u", open);
    server->full = true;
    return true;
}

static struct conn *new_conn(struct server *server, int fd)
{
    struct conn *conn = NULL;

    if (server->timers.count < server->limits.max_connections + RESERVE)
        conn = conn_new(fd, &server->echo, ++server->last_id);
    if (conn == NULL)
        close(fd);
    return conn;
}

static void admit(struct server *server, int fd)
{
    struct task_list ready = {NULL, NULL};
    bool full = is_full(server);
    struct conn *conn = new_conn(server, fd);

    if (conn == NULL)
        return;
    if (full) {
        server->turned_away++;
        conn_turn_away(conn);
    }
    log_line(LOG_DEBUG, "accepted", "conn=%llu", (unsigned long long)conn->id);
    timer_add(&server->timers, &conn->timer, next_check_ms(server, conn));
    /* Last: from now on a worker may own it, if there is something for it to do. */
    if (poller_add_edge(server->poller, fd, conn) < 0)
        end_conn(server, conn, errno);
    else if (is_draining(server) && conn_notify(conn, CONN_DRAIN)) {
        task_list_append(&ready, &conn->task);
        pool_push(server->pool, &ready);
    }
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

enum accepted { ACCEPTED_ALL, ACCEPTED_ENOUGH, ACCEPTED_UNTIL_SHORT };

/* Accepts until nobody waits, but only so many at a time. errno says what was short. */
static enum accepted accept_clients(struct server *server)
{
    for (int i = 0; i < ACCEPTS_PER_WAKEUP; i++) {
        int fd = net_accept(server->listener);
        if (fd >= 0) {
            admit(server, fd);
            continue;
        }
        if (errno == EAGAIN) {
            server->out_of_descriptors = false;
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
        events |= CONN_UNEVEN;
    if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        events |= CONN_WRITABLE;
    return events;
}

static void take_stop_signal(struct server *server)
{
    struct signalfd_siginfo info;

    if (read(server->signals, &info, sizeof info) == sizeof info)
        server->stop_signals++;
}

static void take_wakeup(struct server *server)
{
    uint64_t count;

    /* To be awake was all that it was for; now it shall not be readable any more. */
    if (read(server->wakeup, &count, sizeof count) < 0)
        assert(errno == EAGAIN || errno == EINTR);
}

/* Hands all that are ready to the workers, under one lock. Returns whether the listener
 * was among them. */
static bool dispatch(struct server *server, const struct epoll_event events[], int count)
{
    struct task_list ready = {NULL, NULL};
    bool clients_wait = false;

    for (int i = 0; i < count; i++) {
        void *owner = events[i].data.ptr;
        if (owner == &server->listener)
            clients_wait = true;
        else if (owner == &server->signals)
            take_stop_signal(server);
        else if (owner == &server->wakeup)
            take_wakeup(server);
        else if (conn_notify(owner, conn_events(events[i].events)))
            task_list_append(&ready, &((struct conn *)owner)->task);
    }
    if (ready.first != NULL)
        pool_push(server->pool, &ready);
    return clients_wait;
}

static const char *what_is_late(const struct conn *conn)
{
    if (conn_has_output(conn))
        return "write";
    return conn->lingering ? "linger" : "idle";
}

/* Its time may be over: if nobody serves it, look again, for a worker may have moved the
 * deadline. And look whether it has spoken: after a SIGSTOP, or behind a large batch, its
 * event may still be to come. */
static void check_deadline(struct server *server, struct conn *conn, int64_t now_ms)
{
    int64_t next_ms = now_ms + RECHECK_MS;

    if (conn_claim(conn)) {
        bool over =
            atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed) <= now_ms;
        if (over && (conn_has_output(conn) || !conn_has_input(conn))) {
            log_line(LOG_INFO, "timeout", "conn=%llu kind=%s",
                (unsigned long long)conn->id, what_is_late(conn));
            end_conn(server, conn, ETIMEDOUT);
            return;
        }
        if (!over)
            next_ms = next_check_ms(server, conn);
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

    if (server->accept_resume_ms < next_ms)
        next_ms = server->accept_resume_ms;
    if (server->drain_end_ms < next_ms)
        next_ms = server->drain_end_ms;
    if (next_ms == TIMER_NEVER)
        return -1;
    int64_t left_ms = next_ms - timer_now_ms();
    if (left_ms < 0)
        return 0;
    return left_ms < WAIT_MAX_MS ? (int)left_ms : WAIT_MAX_MS;
}

static void accept_or_pause(struct server *server)
{
    if (accept_clients(server) == ACCEPTED_UNTIL_SHORT)
        pause_accepting(server, errno);
}

/* Clients whose connect has succeeded have been promised an answer: accept them all, as
 * soon as there are descriptors, and nobody after them. */
static void accept_the_last(struct server *server)
{
    enum accepted accepted = ACCEPTED_ENOUGH;

    /* No more than the queue held; or those who keep coming would keep us. */
    for (int i = 0; i <= SOMAXCONN / ACCEPTS_PER_WAKEUP; i++)
        if ((accepted = accept_clients(server)) != ACCEPTED_ENOUGH)
            break;
    if (accepted == ACCEPTED_UNTIL_SHORT)
        return;
    close(server->listener);
    server->listener = -1;
    log_line(LOG_INFO, "drain", "open=%u", server->timers.count);
}

/* Waits for one batch of events and does all that has become due. */
static void turn(struct server *server)
{
    struct epoll_event events[POLLER_READY_MAX];

    int count = poller_wait(server->poller, events, wait_ms(server));
    bool clients_wait = dispatch(server, events, count);
    if (free_dead(server))
        resume_accepting(server);
    check_deadlines(server);
    /* Last: who has just left makes room. */
    if (is_draining(server) && server->listener >= 0)
        accept_the_last(server);
    else if (clients_wait)
        accept_or_pause(server);
}

/* Every connection learns that it is the end, those that are here and those to come. */
static void begin_drain(struct server *server)
{
    struct task_list ready = {NULL, NULL};

    server->drain_end_ms = timer_now_ms() + server->limits.drain_ms;
    if (server->accept_resume_ms == TIMER_NEVER)
        poller_remove(server->poller, server->listener);
    server->accept_resume_ms = TIMER_NEVER;
    atomic_store(&server->wake_on_end, true);
    free_dead(server); /* who ended before that store wakes nobody */
    for (unsigned i = 0; i < server->timers.count; i++) {
        struct conn *conn = conn_of(server->timers.slots[i]);
        if (conn_notify(conn, CONN_DRAIN))
            task_list_append(&ready, &conn->task);
    }
    pool_push(server->pool, &ready);
    accept_the_last(server);
}

unsigned server_run(struct server *server)
{
    while (server->stop_signals == 0)
        turn(server);
    begin_drain(server);
    while ((server->timers.count > 0 || server->listener >= 0) &&
           server->stop_signals < 2 && timer_now_ms() < server->drain_end_ms)
        turn(server);
    unsigned busy = pool_stop(server->pool, STOP_GRACE_MS);
    log_line(LOG_INFO, "stopped", "open=%u busy=%u", server->timers.count, busy);
    return busy;
}
