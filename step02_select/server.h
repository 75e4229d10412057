/* server.h - the reactor: waits until something is ready and reacts to it.
 *
 * The only module that knows both the poller and the connections. One thread:
 * the one that calls server_run.
 */
#ifndef SERVER_H
#define SERVER_H

#include <signal.h>

struct server;

/* A server for the clients of listener, which stays the caller's.
 * The signals in stop, SIGINT and SIGTERM, must be blocked already: blocked, they are
 * pending until we look, and not lost between two looks. NULL and errno: the system
 * refused. */
struct server *server_new(int listener, const sigset_t *stop);

/* Serves until one of the stop signals is sent to the process. */
void server_run(struct server *server);

/* Connections that are still open then end with the process: the kernel closes
 * their descriptors. */
void server_free(struct server *server);

#endif
