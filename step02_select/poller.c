#include "poller.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/select.h>

static_assert(FD_SETSIZE <= POLLER_READY_MAX, "all descriptors may be ready at once");

struct poller {
    fd_set reads, writes;    /* what is wanted of whom */
    int highest_fd;          /* select wants to know where to stop looking */
    void *owner[FD_SETSIZE]; /* by descriptor */
};

struct poller *poller_new(void)
{
    struct poller *poller = calloc(1, sizeof *poller);

    if (poller != NULL)
        poller->highest_fd = -1;
    return poller;
}

void poller_free(struct poller *poller)
{
    free(poller);
}

int poller_add(struct poller *poller, int fd, void *owner)
{
    /* An fd_set is an array of FD_SETSIZE bits. FD_SET with a larger descriptor
     * writes behind its end, and nothing would tell us (select(2)). */
    if (fd >= FD_SETSIZE) {
        errno = EMFILE;
        return -1;
    }
    if (fd > poller->highest_fd)
        poller->highest_fd = fd;
    return poller_want(poller, fd, owner, POLLER_WANT_READ);
}

int poller_want(struct poller *poller, int fd, void *owner, enum poller_want want)
{
    poller->owner[fd] = owner;
    FD_CLR(fd, &poller->reads);
    FD_CLR(fd, &poller->writes);
    FD_SET(fd, want == POLLER_WANT_WRITE ? &poller->writes : &poller->reads);
    return 0;
}

void poller_remove(struct poller *poller, int fd)
{
    FD_CLR(fd, &poller->reads);
    FD_CLR(fd, &poller->writes);
    poller->owner[fd] = NULL;
    while (poller->highest_fd >= 0 && poller->owner[poller->highest_fd] == NULL)
        poller->highest_fd--;
}

/* The cost of select: the sets go to the kernel and come back changed, so they
 * are copied, and the kernel and we walk all descriptors to find the few that
 * are ready. Every wake-up costs as much as there are connections. */
int poller_wait(struct poller *poller, void *ready[])
{
    fd_set reads = poller->reads, writes = poller->writes;
    int count = 0;

    if (select(poller->highest_fd + 1, &reads, &writes, NULL, NULL) < 0) {
        assert(errno == EINTR || errno == ENOMEM);
        return 0; /* try again */
    }
    for (int fd = 0; fd <= poller->highest_fd; fd++)
        if (FD_ISSET(fd, &reads) || FD_ISSET(fd, &writes))
            ready[count++] = poller->owner[fd];
    return count;
}
