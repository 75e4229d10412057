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

struct server {
    struct poller *poller;
    int listener; /* owner of itself in the poller, as is signals */
    int signals;  /* readable while a stop signal is pending (signalfd(2)) */
};

struct server *server_new(int listener, const sigset_t *stop)
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
    else if (poller_add(server->poller, fd, conn) < 0)
        conn_free(conn);
}

static bool watch(struct server *server, struct conn *conn, enum conn_want want)
{
    if (want == conn->want) /* nearly always: do not bother the kernel */
        return true;
    conn->want = want;
    return poller_want(server->poller, conn->fd, conn,
               want == CONN_WANT_WRITE ? POLLER_WANT_WRITE : POLLER_WANT_READ) == 0;
}

static void serve(struct server *server, struct conn *conn)
{
    enum conn_want want = conn_ready(conn);

    if (want == CONN_WANT_CLOSE || !watch(server, conn, want)) {
        poller_remove(server->poller, conn->fd);
        conn_free(conn);
    }
}

/* Asked before each connection, and not once per poller_wait: a batch may hold a
 * thousand of them, and each may take as long as process takes. signals itself is never
 * served: if it is ready, this says so first. */
static bool stop_requested(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
}

void server_run(struct server *server)
{
    void *ready[POLLER_READY_MAX];

    for (;;) {
        int count = poller_wait(server->poller, ready);
        for (int i = 0; i < count; i++) {
            if (stop_requested())
                return;
            if (ready[i] == &server->listener)
                accept_client(server);
            else
                serve(server, ready[i]);
        }
    }
}
