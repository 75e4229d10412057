/* poller.h - says which descriptors are ready. Here: by epoll, each registered once.
 *
 * A descriptor is registered with its owner, a pointer that comes back in data.ptr of
 * each of its events (epoll_ctl(2)). Owns no descriptor; closing one removes it. Main
 * thread only.
 */
#ifndef POLLER_H
#define POLLER_H

#include <sys/epoll.h>

#define POLLER_EVENTS_MAX 512 /* reported by one poller_wait; the rest by the next */

struct poller;

/* NULL and errno: the system is short of memory or descriptors. */
struct poller *poller_new(void);
void poller_free(struct poller *poller);

/* Level-triggered, for reading: reported until it is used up. 0, or -1 and errno. */
int poller_add_level(struct poller *poller, int fd, void *owner);

/* Edge-triggered, for everything: each change is reported once, for the whole life of
 * the descriptor. 0, or -1 and errno. */
int poller_add_edge(struct poller *poller, int fd, void *owner);

void poller_remove(struct poller *poller, int fd);

/* Waits until something is ready, at most timeout_ms (-1: for ever), and writes what
 * into events, which has room for POLLER_EVENTS_MAX. Returns how many: 0 when the wait
 * was cut short (SIGSTOP and SIGCONT do that, signal(7)). */
int poller_wait(struct poller *poller, struct epoll_event events[], int timeout_ms);

#endif
