/* server.h - the reactor: waits until something is ready and reacts to it.
 *
 * The only module that knows the poller, the pool and the connections. The thread that
 * calls server_run, the main thread, waits, accepts, keeps deadlines and frees what has
 * ended; workers serve.
 */
#ifndef SERVER_H
#define SERVER_H

#include <signal.h>

#include "handler.h"

#define SERVER_LISTENERS_MAX 2 /* echo and HTTP */

struct server;

/* Where clients come in, and what they get. */
struct server_listener {
    int fd;                  /* listening and non-blocking */
    struct service *service; /* the caller's; must outlive the server */
};

struct server_limits {
    unsigned threads;         /* workers, at least 1 */
    unsigned max_connections; /* at least 1; later clients are rejected */
    int delay_ms;             /* from a stop signal until accepting ends */
    int drain_ms;             /* from then on, for all to end */
};

/* A server for the clients of count listeners, whose descriptors are the server's from
 * now on, also on failure. The signals in stop must be blocked already: blocked, they are
 * pending until we look, and not lost between two looks. NULL and errno: the system
 * refused. */
struct server *server_new(const struct server_listener listeners[], unsigned count,
    const sigset_t *stop, const struct server_limits *limits);

/* Serves until one of the stop signals is sent to the process. Then, for delay_ms, it
 * serves on, but its services are draining, so that a load balancer sees it and goes
 * elsewhere. Then it drains: no new clients, all that has come is answered, and clients
 * have drain_ms to take it and leave. A second signal, if it is not SIGHUP, ends all that
 * at once. Returns how many workers are still busy: if any, waiting for them would take
 * as long as process takes, and server_free must not be called. Main thread. */
unsigned server_run(struct server *server);

/* Joins the workers and closes what is still open. Main thread. */
void server_free(struct server *server);

#endif
