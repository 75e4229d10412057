#include "poller.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct poller {
    int epoll_fd; /* the interest list lives in the kernel (epoll(7)) */
};

struct poller *poller_new(void)
{
    struct poller *poller = calloc(1, sizeof *poller);

    if (poller == NULL)
        return NULL;
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0) {
        free(poller);
        return NULL;
    }
    return poller;
}

void poller_free(struct poller *poller)
{
    close(poller->epoll_fd);
    free(poller);
}

static int add(struct poller *poller, int fd, void *owner, uint32_t events)
{
    struct epoll_event event = {
        .events = events,
        .data.ptr = owner,
    };

    return epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int poller_add_level(struct poller *poller, int fd, void *owner)
{
    return add(poller, fd, owner, EPOLLIN);
}

/* All there is, once and for all: no epoll_ctl per request, as each change of mind
 * would cost. EPOLLRDHUP tells the end from a lull, EPOLLPRI an urgent byte from
 * others: without them a short recv could not be trusted. EPOLLERR and EPOLLHUP come
 * unasked. */
int poller_add_edge(struct poller *poller, int fd, void *owner)
{
    return add(poller, fd, owner, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET);
}

void poller_remove(struct poller *poller, int fd)
{
    epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int poller_wait(struct poller *poller, struct epoll_event events[], int timeout_ms)
{
    int count = epoll_wait(poller->epoll_fd, events, POLLER_READY_MAX, timeout_ms);

    if (count < 0) {
        assert(errno == EINTR); /* SIGSTOP and SIGCONT are enough (signal(7)) */
        return 0;               /* try again */
    }
    return count;
}
