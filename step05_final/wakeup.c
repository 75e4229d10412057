#include "wakeup.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool wakeup_open(struct wakeup *wakeup)
{
    wakeup->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return wakeup->fd >= 0;
}

void wakeup_close(struct wakeup *wakeup)
{
    if (wakeup->fd >= 0)
        close(wakeup->fd);
}

/* Relaxed: the lock of the retired list gives the order: the main thread looks at that
 * list after it has set this, and a worker looks at this after it has added to the list.
 * Whoever has the lock second sees what the other did before: the main thread the
 * connection, or the worker that this is set. */
void wakeup_want(struct wakeup *wakeup, bool wanted)
{
    atomic_store_explicit(&wakeup->wanted, wanted, memory_order_relaxed);
}

void wakeup_take(struct wakeup *wakeup)
{
    uint64_t count;

    /* Waking us was all that it was for. */
    if (read(wakeup->fd, &count, sizeof count) < 0)
        assert(errno == EAGAIN || errno == EINTR);
}

void wakeup_send(struct wakeup *wakeup)
{
    uint64_t one = 1;

    if (!atomic_load_explicit(&wakeup->wanted, memory_order_relaxed))
        return;
    /* It fails only when the counter is full, and then it is awake (eventfd(2)). */
    if (write(wakeup->fd, &one, sizeof one) < 0)
        assert(errno == EAGAIN || errno == EINTR);
}
