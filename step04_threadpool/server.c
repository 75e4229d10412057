#include "server.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "conn.h"
#include "net.h"
#include "poller.h"
#include "pool.h"

struct server {
    struct poller *poller;
    struct pool *pool;
    int listener; /* owner of itself in the poller, as is signals */
    int signals;  /* readable while a stop signal is pending (signalfd(2)) */
};

static pool_run serve;

struct server *server_new(int listener, const sigset_t *stop, unsigned threads)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL)
        return NULL;
    server->listener = listener;
    server->signals = signalfd(-1, stop, SFD_NONBLOCK | SFD_CLOEXEC);
    if (server->signals < 0)
        goto free_server;
    server->poller = poller_new();
    if (server->poller == NULL)
        goto close_signals;
    if (poller_add(server->poller, listener, &server->listener) < 0 ||
        poller_add(server->poller, server->signals, &server->signals) < 0)
        goto free_poller;
    server->pool = pool_new(threads, serve, server->poller);
    if (server->pool == NULL)
        goto free_poller;
    return server;

free_poller:
    poller_free(server->poller);
close_signals:
    close(server->signals);
free_server:
    free(server);
    return NULL;
}

void server_free(struct server *server)
{
    pool_free(server->pool); /* first: the workers use the poller */
    poller_free(server->poller);
    close(server->signals);
    free(server);
}

static void accept_client(struct server *server)
{
    int fd = net_accept(server->listener);

    if (fd < 0) {
        /* The client has left again, or the system is short of something: no
         * reason to stop for the others (accept(2)). If there is still somebody
         * to accept, the poller will say so again. */
        assert(errno != EBADF && errno != EINVAL && errno != ENOTSOCK);
        return;
    }
    struct conn *conn = conn_new(fd);
    if (conn == NULL)
        close(fd);
    else if (poller_add_oneshot(server->poller, fd, conn) < 0)
        conn_free(conn);
}

/* The kernel hands a connection from one worker to the next: the first arms it,
 * the second gets the event. That is a real order, but not one that the C11 memory
 * model knows of, for it was not made by C. So the hand-over is written down as
 * well: give_back releases what take acquires. The assertion says the rest: an
 * event is a token, and there is only one. */
static void take(struct conn *conn)
{
    bool was_owned = atomic_exchange_explicit(&conn->owned, true, memory_order_acquire);

    assert(!was_owned);
    (void)was_owned;
}

/* Re-arm last. Even before epoll_ctl returns another worker may own this
 * connection, and close and free it; we must not look at it again. False: it could
 * not be armed, so no event will ever come, and it is still ours. */
static bool give_back(struct poller *poller, struct conn *conn, enum conn_want want)
{
    atomic_store_explicit(&conn->owned, false, memory_order_release);
    return poller_want(poller, conn->fd, conn,
               want == CONN_WANT_WRITE ? POLLER_WANT_WRITE : POLLER_WANT_READ) == 0;
}

/* In a worker. The owner of a connection is also the one who ends it. */
static void serve(void *context, struct task *task)
{
    struct poller *poller = context;
    struct conn *conn = (struct conn *)task;

    take(conn);
    enum conn_want want = conn_ready(conn);
    if (want == CONN_WANT_CLOSE || !give_back(poller, conn, want)) {
        poller_remove(poller, conn->fd);
        conn_free(conn);
    }
}

void server_run(struct server *server)
{
    void *ready[POLLER_READY_MAX];

    for (;;) {
        int count = poller_wait(server->poller, ready);
        for (int i = 0; i < count; i++) {
            if (ready[i] == &server->signals)
                return;
            if (ready[i] == &server->listener)
                accept_client(server);
            else
                pool_push(server->pool, &((struct conn *)ready[i])->task);
        }
    }
}
