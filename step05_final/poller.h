/* poller.h - says which descriptors are ready. Here: by epoll, each registered once.
 *
 * A descriptor is registered with its owner, a pointer that comes back in data.ptr of
 * each of its events (epoll_ctl(2)). Owns no descriptor; remove one before it is closed.
 * Only the main thread adds and waits; any thread may remove what it owns.
 */
#ifndef POLLER_H
#define POLLER_H

#include <sys/epoll.h>

#define POLLER_READY_MAX 1024 /* reported by one poller_wait; the rest by the next */

struct poller;

/* NULL and errno: the system is short of memory or descriptors. */
struct poller *poller_new(void);
void poller_free(struct poller *poller);

/* Level-triggered, for reading: reported until it is used up. 0, or -1 and errno. */
int poller_add_level(struct poller *poller, int fd, void *owner);

/* Edge-triggered, for everything: each change is reported once, for the whole life of
 * the descriptor. 0, or -1 and errno. */
int poller_add_edge(struct poller *poller, int fd, void *owner);

/* Afterwards no poller_wait that begins reports fd. Closing alone does not see to that:
 * an open socket may have more than one descriptor (epoll(7)). */
void poller_remove(struct poller *poller, int fd);

/* Waits until something is ready, at most timeout_ms (-1: forever), and writes what
 * into events, which has room for POLLER_READY_MAX. Returns how many: 0 when the time is
 * over or the wait was cut short. */
int poller_wait(struct poller *poller, struct epoll_event events[], int timeout_ms);

#endif
