#include "acceptor.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "timer.h"

#define ACCEPTS_PER_WAKEUP 64 /* new clients must not keep us from the others */
#define ACCEPT_PAUSE_MS 100   /* if no connection ends before: then look again */

void acceptor_init(struct acceptor *acceptor, acceptor_admit *admit, void *context)
{
    *acceptor = (struct acceptor){
        .admit = admit,
        .context = context,
        .resume_ms = TIMER_NEVER,
    };
}

void acceptor_add(struct acceptor *acceptor, int fd, struct service *service)
{
    assert(acceptor->count < ACCEPTOR_LISTENERS_MAX);
    acceptor->listeners[acceptor->count++] =
        (struct acceptor_listener){.fd = fd, .service = service};
}

/* False: not for all listeners; the others stay. */
static bool listen_again(struct acceptor *acceptor)
{
    for (unsigned i = 0; i < acceptor->count; i++) {
        struct acceptor_listener *listener = &acceptor->listeners[i];
        /* One that is there already need not be added again (epoll_ctl(2)). */
        if (poller_add_level(acceptor->poller, listener->fd, listener) < 0 &&
            errno != EEXIST)
            return false;
    }
    return true;
}

static void stop_listening(struct acceptor *acceptor)
{
    for (unsigned i = 0; i < acceptor->count; i++)
        poller_remove(acceptor->poller, acceptor->listeners[i].fd);
}

bool acceptor_listen(struct acceptor *acceptor, struct poller *poller)
{
    acceptor->poller = poller;
    return listen_again(acceptor);
}

void acceptor_ignore(struct acceptor *acceptor)
{
    stop_listening(acceptor);
    acceptor->resume_ms = TIMER_NEVER;
}

void acceptor_close(struct acceptor *acceptor)
{
    for (unsigned i = 0; i < acceptor->count; i++)
        close(acceptor->listeners[i].fd);
    acceptor->count = 0;
}

bool acceptor_notify(struct acceptor *acceptor, const void *owner)
{
    for (unsigned i = 0; i < acceptor->count; i++)
        if (owner == &acceptor->listeners[i]) {
            acceptor->listeners[i].ready = true;
            return true;
        }
    return false;
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

enum accepted { ACCEPTED_ALL, ACCEPTED_ENOUGH, ACCEPTED_UNTIL_SHORT };

/* Accepts until no client waits, but only so many at a time. errno says what was short.
 */
static enum accepted accept_clients(
    struct acceptor *acceptor, struct acceptor_listener *listener)
{
    struct net_peer peer;

    for (int i = 0; i < ACCEPTS_PER_WAKEUP; i++) {
        int fd = net_accept(listener->fd, &peer);
        if (fd >= 0) {
            acceptor->admit(acceptor->context, listener->service, fd, &peer);
            continue;
        }
        if (errno == EAGAIN) {
            listener->starved = false;
            return ACCEPTED_ALL;
        }
        if (is_shortage(errno))
            return ACCEPTED_UNTIL_SHORT;
        /* The client has left again: on to the next (accept(2)). */
        assert(errno != EBADF && errno != EINVAL && errno != ENOTSOCK);
    }
    return ACCEPTED_ENOUGH;
}

/* Level-triggered, the listener would wake us forever while there is nothing to accept
 * with. So we stop listening to it, until a connection ends or some time has passed. */
static void pause_accepting(struct acceptor *acceptor)
{
    acceptor->resume_ms = timer_now_ms() + ACCEPT_PAUSE_MS;
    stop_listening(acceptor);
}

int acceptor_accept(struct acceptor *acceptor)
{
    int news = 0;

    for (unsigned i = 0; i < acceptor->count; i++) {
        struct acceptor_listener *listener = &acceptor->listeners[i];
        if (listener->ready &&
            accept_clients(acceptor, listener) == ACCEPTED_UNTIL_SHORT) {
            if (!listener->starved)
                news = errno;
            listener->starved = true;
            pause_accepting(acceptor);
        }
        listener->ready = false;
    }
    return news;
}

bool acceptor_is_open(const struct acceptor *acceptor)
{
    return acceptor->count > 0;
}

bool acceptor_is_paused(const struct acceptor *acceptor)
{
    return acceptor->resume_ms != TIMER_NEVER;
}

void acceptor_resume(struct acceptor *acceptor)
{
    if (!acceptor_is_paused(acceptor))
        return;
    if (listen_again(acceptor))
        acceptor->resume_ms = TIMER_NEVER;
    else
        acceptor->resume_ms = timer_now_ms() + ACCEPT_PAUSE_MS;
}

static bool accept_last_of(struct acceptor *acceptor, struct acceptor_listener *listener)
{
    enum accepted accepted = ACCEPTED_ENOUGH;

    /* No more than the queue held; or clients that keep coming would keep us. */
    for (int i = 0; i <= NET_BACKLOG / ACCEPTS_PER_WAKEUP; i++)
        if ((accepted = accept_clients(acceptor, listener)) != ACCEPTED_ENOUGH)
            break;
    return accepted != ACCEPTED_UNTIL_SHORT;
}

bool acceptor_accept_last(struct acceptor *acceptor)
{
    for (unsigned i = 0; i < acceptor->count; i++)
        if (!accept_last_of(acceptor, &acceptor->listeners[i])) {
            acceptor->resume_ms = timer_now_ms() + ACCEPT_PAUSE_MS;
            return false;
        }
    acceptor->resume_ms = TIMER_NEVER;
    acceptor_close(acceptor);
    return true;
}
