/* net.h - makes sockets and names them.
 *
 * The only file that knows socket addresses. Every descriptor returned belongs
 * to the caller, which closes it. Callable from any thread; keeps no state.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Enough for "[", an IPv6 address, "]:", a port and the final NUL. */
#define NET_NAME_MAX 64

/* How many clients may wait to be accepted; at most as many as net.core.somaxconn says
 * (listen(2)). SOMAXCONN is the same in glibc, but 128 in musl. */
#define NET_BACKLOG 4096

/* Turns numeric text and a port into a socket address. False: it is neither an
 * IPv4 nor an IPv6 address (inet_pton(3)); names are not looked up. */
bool net_parse_address(const char *text, unsigned port, struct sockaddr_storage *address);

/* A non-blocking socket that listens on address, or -1 and errno. */
int net_listen(const struct sockaddr_storage *address);

/* Where a client is. Small, for every connection has one. */
struct net_peer {
    unsigned char address[16]; /* of IPv6; one of IPv4 as ::ffff:a.b.c.d (RFC 4291) */
    uint16_t port;
};

/* The next client of listener, as a non-blocking socket, or -1 and errno
 * (accept(2)). */
int net_accept(int listener, struct net_peer *peer);

/* Writes the address that fd is bound to, as "127.0.0.1:8080" or "[::1]:8080".
 * False and errno: the kernel does not say (getsockname(2)). */
bool net_local_name(int fd, char name[NET_NAME_MAX]);

/* The same for a client. */
void net_peer_name(const struct net_peer *peer, char name[NET_NAME_MAX]);

/* Raises the soft limit of open descriptors to the hard one, as every connection
 * needs a descriptor. Returns the limit now in force (getrlimit(2)). */
unsigned long net_raise_descriptor_limit(void);

#endif
