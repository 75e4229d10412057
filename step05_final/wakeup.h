/* wakeup.h - wakes the main thread out of its wait when a connection has ended.
 *
 * Mostly the main thread need not know at once. Where it waits for just that, for a free
 * descriptor or for the last connection, it says so, and then workers wake it.
 */
#ifndef WAKEUP_H
#define WAKEUP_H

#include <stdatomic.h>
#include <stdbool.h>

struct wakeup {
    int fd; /* readable when the main thread is wanted (eventfd(2)); -1: none yet */

    /* Set by the main thread, read by workers: the end of a connection is news. */
    atomic_bool wanted;
};

/* False and errno: no descriptor. Main thread, as the next three. */
bool wakeup_open(struct wakeup *wakeup);
void wakeup_close(struct wakeup *wakeup);

/* From now on the end of a connection is news, or is not. */
void wakeup_want(struct wakeup *wakeup, bool wanted);

/* The main thread is awake: fd is not readable any more. */
void wakeup_take(struct wakeup *wakeup);

/* A connection has ended. A worker. */
void wakeup_send(struct wakeup *wakeup);

#endif
