/* server.h - the reactor: waits until something is ready and reacts to it.
 *
 * The only module that knows both the poller and the connections. The thread that
 * calls server_run, the main thread, waits and accepts; workers serve.
 */
#ifndef SERVER_H
#define SERVER_H

#include <signal.h>

struct server;

/* A server for the clients of listener, which stays the caller's.
 * threads is the number of workers, at least 1.
 * The signals in stop, SIGINT and SIGTERM, must be blocked already: blocked, they are
 * pending until we look, and not lost between two looks. NULL and errno: the system
 * refused. */
struct server *server_new(int listener, const sigset_t *stop, unsigned threads);

/* Serves until one of the stop signals is sent to the process. Main thread. */
void server_run(struct server *server);

/* Lets each worker finish the connection that it is on; what waits in the queue is
 * not served any more. Connections that are still open then end with the process:
 * the kernel closes their descriptors. Main thread. */
void server_free(struct server *server);

#endif
