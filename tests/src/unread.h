/* unread.h - how many bytes of a client wait to be read by the server, and how many to be
 * acknowledged by the client: the queues of the server's socket, as the kernel tells for
 * one connection (sock_diag(7)).
 *
 * /proc/net/tcp tells it too, but it lists every connection of the machine, and a client
 * that closes first leaves one there for a minute. Some suites side by side leave 50,000,
 * and to read them all took a second each time, on a busy machine several. To be asked
 * about one connection, the kernel needs only look it up.
 */
#ifndef TESTS_UNREAD_H
#define TESTS_UNREAD_H

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define UNREAD_UNKNOWN (-1L)

/* A socket for unread_bytes; -1: this kernel has none. */
static inline int unread_open(void)
{
    return socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

/* Port and address of one end, as sock_diag wants them. */
static inline void unread_end(
    const struct sockaddr_storage *end, __be16 *port, __be32 address[4])
{
    if (end->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)end;
        *port = v6->sin6_port;
        memcpy(address, &v6->sin6_addr, sizeof v6->sin6_addr);
    } else {
        const struct sockaddr_in *v4 = (const void *)end;
        *port = v4->sin_port;
        memcpy(address, &v4->sin_addr, sizeof v4->sin_addr);
    }
}

struct queues {
    long unread;         /* by the server */
    long unacknowledged; /* by the client */
};

/* Of the connection from `client` to `server`, two addresses of one family. 0 also when
 * the server has closed it; UNREAD_UNKNOWN: this kernel does not tell. */
static inline struct queues server_queues(int diag, const struct sockaddr_storage *client,
    const struct sockaddr_storage *server)
{
    const struct queues unknown = {UNREAD_UNKNOWN, UNREAD_UNKNOWN};

    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } ask = {
        .head = {.nlmsg_len = sizeof ask,
            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
            .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = (__u8)server->ss_family,
            .sdiag_protocol = IPPROTO_TCP,
            .id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
    };
    struct {
        struct nlmsghdr head;
        union {
            struct inet_diag_msg found;
            struct nlmsgerr error;
        } body;
        char more[512];
    } answer;
    struct inet_diag_sockid *id = &ask.body.id;

    unread_end(server, &id->idiag_sport, id->idiag_src);
    unread_end(client, &id->idiag_dport, id->idiag_dst);
    if (diag < 0 || send(diag, &ask, sizeof ask, 0) < 0 ||
        recv(diag, &answer, sizeof answer, 0) < (ssize_t)sizeof answer.head)
        return unknown;
    if (answer.head.nlmsg_type == SOCK_DIAG_BY_FAMILY)
        return (struct queues){
            answer.body.found.idiag_rqueue, answer.body.found.idiag_wqueue};
    if (answer.head.nlmsg_type == NLMSG_ERROR && answer.body.error.error == -ENOENT)
        return (struct queues){0, 0};
    return unknown;
}

static inline long unread_bytes(int diag, const struct sockaddr_storage *client,
    const struct sockaddr_storage *server)
{
    return server_queues(diag, client, server).unread;
}

#endif
