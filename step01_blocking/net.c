#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool net_parse_address(const char *text, unsigned port, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        return true;
    }
    return false;
}

/* On Linux accepted sockets inherit these from the listener: set once, not per client. */
static int set_options(int fd)
{
    int on = 1;

    /* Without SO_REUSEADDR a restart fails for a minute: the old connections
     * still sit in TIME_WAIT on our port (socket(7)). */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -1;
    /* An urgent byte is a byte: without this it would be taken out of the
     * stream and the echo would have a hole (tcp(7)). */
    if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) < 0)
        return -1;
    /* We send whole answers, so waiting to merge them with later ones
     * (Nagle's algorithm) would only delay them (tcp(7)). */
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int net_listen(const struct sockaddr_storage *address)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    socklen_t length = address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                     : sizeof(struct sockaddr_in6);
    if (set_options(fd) < 0 || bind(fd, (const struct sockaddr *)address, length) < 0 ||
        listen(fd, NET_BACKLOG) < 0) {
        int reason = errno; /* close may change it */
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

int net_accept(int listener)
{
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void format_name(const struct sockaddr_storage *address, char name[NET_NAME_MAX])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(name, NET_NAME_MAX, "%s:%d", host, ntohs(v4->sin_port));
    } else {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(name, NET_NAME_MAX, "[%s]:%d", host, ntohs(v6->sin6_port));
    }
}

bool net_local_name(int fd, char name[NET_NAME_MAX])
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    socklen_t length = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return false;
    format_name(&address, name);
    return true;
}
