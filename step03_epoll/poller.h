/* poller.h - says which descriptors are ready. Here: by epoll.
 *
 * A descriptor is registered with its owner, a pointer that poller_wait gives
 * back when the descriptor is ready for what is wanted: reading, at first. An
 * error or a hang-up counts as ready, for the call that follows will report it.
 * Readiness is level-triggered: it is reported again until it is used up. Owns no
 * descriptor; remove one before it is closed. One thread only.
 */
#ifndef POLLER_H
#define POLLER_H

#define POLLER_READY_MAX 1024 /* reported by one poller_wait; the rest by the next */

enum poller_want { POLLER_WANT_READ, POLLER_WANT_WRITE };

struct poller;

/* NULL and errno: the system is short of memory or descriptors. */
struct poller *poller_new(void);
void poller_free(struct poller *poller);

/* 0, or -1 and errno: this poller cannot take (one more) fd. */
int poller_add(struct poller *poller, int fd, void *owner);

/* Changes what is wanted of fd. 0, or -1 and errno. */
int poller_want(struct poller *poller, int fd, void *owner, enum poller_want want);

void poller_remove(struct poller *poller, int fd);

/* Waits until a descriptor is ready, and writes the owners of those that are into
 * ready, which has room for POLLER_READY_MAX. Returns how many: 0 when the wait
 * was cut short. */
int poller_wait(struct poller *poller, void *ready[]);

#endif
