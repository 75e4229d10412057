#include "poller.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct poller {
    int epoll_fd; /* the interest list lives in the kernel (epoll(7)) */

    /* Held during epoll_ctl. The worker that arms a descriptor may still be inside that
     * call when the next owner has the event already and closes it. The kernel copes, for
     * it lets only one in at a time; ThreadSanitizer cannot see that. Here the order is
     * written down: a thread removes a descriptor after another armed it. A server with
     * no tool to convince does without. */
    pthread_mutex_t control_lock;
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
    pthread_mutex_init(&poller->control_lock, NULL); /* cannot fail on Linux */
    return poller;
}

void poller_free(struct poller *poller)
{
    pthread_mutex_destroy(&poller->control_lock);
    close(poller->epoll_fd);
    free(poller);
}

static int control(
    struct poller *poller, int operation, int fd, void *owner, uint32_t events)
{
    struct epoll_event event = {
        .events = events,
        .data.ptr = owner,
    };

    pthread_mutex_lock(&poller->control_lock);
    int result = epoll_ctl(poller->epoll_fd, operation, fd, &event);
    pthread_mutex_unlock(&poller->control_lock);
    return result;
}

int poller_add(struct poller *poller, int fd, void *owner)
{
    return control(poller, EPOLL_CTL_ADD, fd, owner, EPOLLIN);
}

/* EPOLLONESHOT: the kernel reports the descriptor once and disarms it, so that the
 * event is a token: whoever has it may use the connection, and there is only one. */
int poller_add_oneshot(struct poller *poller, int fd, void *owner)
{
    return control(poller, EPOLL_CTL_ADD, fd, owner, EPOLLIN | EPOLLONESHOT);
}

int poller_want(struct poller *poller, int fd, void *owner, enum poller_want want)
{
    uint32_t events = want == POLLER_WANT_WRITE ? EPOLLOUT : EPOLLIN;

    return control(poller, EPOLL_CTL_MOD, fd, owner, events | EPOLLONESHOT);
}

/* Closing a descriptor would remove it as well, but only the last descriptor of
 * the socket does (epoll(7)): being explicit costs a call per connection. */
void poller_remove(struct poller *poller, int fd)
{
    control(poller, EPOLL_CTL_DEL, fd, NULL, 0);
}

/* The cost of epoll: what is ready, however many descriptors are registered.
 * EPOLLERR and EPOLLHUP are reported without being asked for; the recv or send
 * that follows finds out which it is. */
int poller_wait(struct poller *poller, void *ready[])
{
    struct epoll_event events[POLLER_READY_MAX];

    int count = epoll_wait(poller->epoll_fd, events, POLLER_READY_MAX, -1);
    if (count < 0) {
        assert(errno == EINTR); /* SIGSTOP and SIGCONT are enough (signal(7)) */
        return 0;               /* try again */
    }
    for (int i = 0; i < count; i++)
        ready[i] = events[i].data.ptr;
    return count;
}
