/* garble - an echo server that does wrong once, to test what the tests say of it.
 *
 *     GARBLE=KIND garble [ARGUMENT...]
 *
 * It is started as every server is; its arguments do not matter. Once the first
 * connection has received END bytes, they are echoed, with a fault behind byte WHERE:
 * KIND is one of those that src/probe.c names for a wrong echo, or it is `crash` or
 * `closed`. All else is echoed as it comes.
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNS_MAX 8
#define WHERE 1000
#define BYTES 24 /* so many are lost, come again ... */
#define END 2000

static struct conn {
    int fd;
    size_t len;
    char bytes[END];
} conns[CONNS_MAX];
static int conn_count;

static void echo(const struct conn *conn, size_t from, size_t to)
{
    if (send(conn->fd, conn->bytes + from, to - from, 0) != (ssize_t)(to - from))
        exit(1);
}

static void crash(void)
{
    volatile int *nowhere = NULL;

    *nowhere = 1;
}

static void echo_wrongly(const char *kind, const struct conn *conn)
{
    size_t next = WHERE + BYTES;

    echo(conn, 0, WHERE);
    if (strcmp(kind, "crash") == 0) {
        crash();
    } else if (strcmp(kind, "closed") == 0) {
        shutdown(conn->fd, SHUT_WR);
        return;
    } else if (strcmp(kind, "repeated") == 0) {
        echo(conn, WHERE - BYTES, next);
    } else if (strcmp(kind, "reordered") == 0) {
        echo(conn, next, next + BYTES);
        echo(conn, WHERE, next);
        next += BYTES;
    } else if (strcmp(kind, "foreign") == 0) {
        echo(&(struct conn){.fd = conn->fd, .bytes = "of another client's message"}, 0,
            BYTES);
    } else if (strcmp(kind, "invented") == 0) {
        echo(&(struct conn){.fd = conn->fd}, 0, BYTES);
    } /* else they are lost */
    echo(conn, next, END);
}

/* False: the connection has ended. */
static bool serve(struct conn *conn, const char *kind)
{
    bool wrong = conn == &conns[0];
    size_t begin = wrong ? conn->len : 0;
    ssize_t n = recv(conn->fd, conn->bytes + begin, END - begin, 0);

    if (n <= 0)
        return false;
    conn->len = begin + (size_t)n;
    if (!wrong)
        echo(conn, 0, conn->len);
    else if (conn->len == END)
        echo_wrongly(kind, conn);
    return true;
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        perror("garble");
        exit(2);
    }
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    const char *kind = getenv("GARBLE");
    struct pollfd polls[CONNS_MAX + 1] = {{.fd = listen_somewhere(), .events = POLLIN}};

    while (kind && poll(polls, (nfds_t)conn_count + 1, -1) > 0) {
        for (int i = 0; i < conn_count; i++)
            if (polls[i + 1].revents && !serve(&conns[i], kind)) {
                close(conns[i].fd);
                polls[i + 1].fd = -1;
            }
        if (polls[0].revents && conn_count < CONNS_MAX) {
            conns[conn_count].fd = accept(polls[0].fd, NULL, NULL);
            polls[conn_count + 1] =
                (struct pollfd){.fd = conns[conn_count].fd, .events = POLLIN};
            conn_count++;
        }
    }
    return 2;
}
