/* server.h - the reactor: waits until something is ready and reacts to it.
 *
 * The only module that knows the poller, the pool and the connections. The thread that
 * calls server_run, the main thread, waits, accepts, keeps deadlines and frees what has
 * ended; workers serve.
 */
#ifndef SERVER_H
#define SERVER_H

#include <signal.h>
#include <stdint.h>

struct server;

struct server_limits {
    unsigned threads;         /* workers, at least 1 */
    unsigned max_connections; /* at least 1; who comes later is turned away */
    int64_t idle_ms;          /* TIMER_NEVER: no limit; the same for the next */
    int64_t write_ms;         /* for a client to take an answer */
    int drain_ms;             /* for all to end after a stop signal */
};

/* A server for the clients of listener, which is the server's from now on, also on
 * failure. The signals in stop must be blocked already: blocked, they are pending until
 * we look, and not lost between two looks. NULL and errno: the system refused. */
struct server *server_new(
    int listener, const sigset_t *stop, const struct server_limits *limits);

/* Serves until one of the stop signals is sent to the process; then drains: no new
 * clients, all that has come is answered, and clients have drain_ms to take it and
 * leave. A second signal ends that at once. Returns how many workers are still busy: if
 * any, waiting for them would take as long as process takes, and server_free must not be
 * called. Main thread. */
unsigned server_run(struct server *server);

/* Joins the workers and closes what is still open. Main thread. */
void server_free(struct server *server);

#endif
