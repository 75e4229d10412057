/* twice.so - for LD_PRELOAD: each event of epoll_wait comes twice.
 *
 * What a reactor must expect of edge-triggered events anyway, an event of a connection
 * that is queued or served already, happens here for every event, in the same batch. A
 * server that does not use epoll_wait notices nothing.
 */
#include <string.h>
#include <sys/epoll.h>

#include "libc.h"

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
    static int (*real)(int, struct epoll_event *, int, int);

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    if (max < 2)
        return real(epfd, events, max, timeout);
    int count = real(epfd, events, max / 2, timeout);
    if (count > 0)
        memcpy(events + count, events, (size_t)count * sizeof events[0]);
    return count > 0 ? 2 * count : count;
}
