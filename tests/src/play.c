/* play - clients that act by a script, while the server is recorded.
 *
 *     play RECORD SCRIPT PORT PID [HTTP_PORT] >record.txt
 *
 * RECORD is the file that record.so writes (preload_record.c), PID the server. A line of
 * the script is one action, and the next begins when it is done; a word with # begins a
 * comment. A client is a letter from a to h.
 *
 *     title WORDS             what the picture shows
 *     options WORDS           of the server, for the one that starts it (timeline/draw)
 *     a connect
 *     a connect narrow        with small segments and little room for what it is sent
 *     a connect http          to HTTP_PORT; the server has an option --http then
 *     a send BYTES
 *     a ask N                 so many requests GET /healthz, in one send
 *     a ignore                what comes stays in the socket, until it receives again
 *     a receive BYTES         until so many have come that were not received before
 *     a end                   until the server has ended the connection
 *     a close
 *     terminate               send the server a SIGTERM
 *     a think MS              the story itself takes its time here
 *     wait-for CALL [a] [N]   until the server has begun its Nth such call, for a
 *     wait-for quiet          until it has begun and ended nothing for QUIET_MS
 *
 * What a client gets is noted when it comes, whatever the script waits for. A script that
 * makes no sense ends the play with status 2. If something that is waited for does not
 * come within WAIT_LIMIT_MS, or a send is not taken, the play ends there with status 1,
 * and what has happened until then is printed: it shows why.
 *
 * What is printed is for timeline.c, which tells its form.
 */
#include "record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define WAIT_LIMIT_MS 5000
#define QUIET_MS 100
#define LOOK_MS 1 /* between two looks at the record */
#define FDS_MAX 1024
#define BYTES_MAX (1 << 20)
#define NARROW_SEGMENT                                                                   \
    536 /* bytes; the least that all hosts take (RFC 9293, section 3.7.1) */
#define NARROW_ROOM 4096
#define REQUEST "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
#define REQUESTS_MAX 100

struct client {
    int fd; /* -1: not connected */
    int port;
    bool was_here, at_end, ignores;
    size_t unread; /* bytes that have come and were not asked for by the script */
};

static struct {
    const struct record *record;
    struct client clients[CLIENTS_MAX];
    uint64_t began_ns;
    int port, http_port, line; /* http_port is 0: there is none */
    pid_t server;
    const char *script;
    bool is_over; /* something did not come */
} play;

static char bytes[BYTES_MAX];

__attribute__((noreturn)) static void give_up(int status, const char *what)
{
    fprintf(stderr, "play: %s, line %d: %s\n", play.script, play.line, what);
    exit(status);
}

/* ---- what is printed ------------------------------------------------------------ */

static long long since_ns(uint64_t ns)
{
    return ns < play.began_ns ? 0 : (long long)(ns - play.began_ns);
}

static void tell(const char *lane, const char *call, char client, uint64_t start_ns,
    uint64_t end_ns, const char *result)
{
    printf("%s %s %c %lld ", lane, call, client, since_ns(start_ns));
    if (end_ns == 0)
        printf("- -\n");
    else
        printf("%lld %s\n", since_ns(end_ns), result);
}

static void tell_client(int i, const char *call, uint64_t start_ns, long long result)
{
    char lane[2] = {(char)('a' + i)}, number[24];

    snprintf(number, sizeof number, "%lld", result);
    tell(lane, call, lane[0], start_ns, record_now_ns(), number);
}

static const char *result_of(const struct record_slot *slot)
{
    static char text[24];

    snprintf(text, sizeof text, "%lld", (long long)slot->result);
    if (slot->result >= 0)
        return text;
    switch (slot->error) {
    case EAGAIN:
        return "EAGAIN";
    case EINTR:
        return "EINTR";
    case EPIPE:
        return "EPIPE";
    case ECONNRESET:
        return "ECONNRESET";
    }
    snprintf(text, sizeof text, "E%d", slot->error);
    return text;
}

/* ---- whose call it is ----------------------------------------------------------- */

/* Descriptors of the server are used again: who has one is known by walking through the
 * calls in their order. A thread that sleeps does it for the client that it has read. */
struct owners {
    char of_fd[FDS_MAX];
    char of_thread[FDS_MAX];
};

static char client_of_port(int port)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (port != 0 && play.clients[i].port == port)
            return (char)('a' + i);
    return '-';
}

/* The client that SLOT is about, or '-'. */
static char owner_of(struct owners *owners, const struct record_slot *slot)
{
    bool ended = atomic_load_explicit(&slot->end_ns, memory_order_acquire) != 0;
    int fd = slot->fd;

    if (slot->kind == RECORD_accept) {
        char client = ended ? client_of_port(slot->port) : '-';
        if (ended && slot->result >= 0 && slot->result < FDS_MAX)
            owners->of_fd[slot->result] = client;
        return client;
    }
    if (slot->kind == RECORD_sleep && slot->thread < FDS_MAX)
        return owners->of_thread[slot->thread];
    if (fd < 0 || fd >= FDS_MAX || owners->of_fd[fd] == 0)
        return '-';
    char client = owners->of_fd[fd];
    if (slot->kind == RECORD_recv && slot->thread < FDS_MAX)
        owners->of_thread[slot->thread] = client;
    if (slot->kind == RECORD_close)
        owners->of_fd[fd] = '-';
    return client;
}

/* Calls FOUND for each slot that is written, in their order; returns how often it said
 * that it is one that is looked for. */
static int each_slot(bool (*found)(const struct record_slot *, char, void *), void *what)
{
    struct owners owners;
    uint64_t taken = atomic_load(&play.record->taken);
    int count = 0;

    memset(&owners, '-', sizeof owners);
    for (uint64_t i = 0; i < taken && i < RECORD_SLOTS; i++) {
        const struct record_slot *slot = &play.record->slot[i];
        if (atomic_load_explicit(&slot->start_ns, memory_order_acquire) != 0)
            count += found(slot, owner_of(&owners, slot), what);
    }
    return count;
}

/* ---- waiting -------------------------------------------------------------------- */

static void take_what_came(int i)
{
    struct client *client = &play.clients[i];
    uint64_t start_ns = record_now_ns();
    ssize_t n = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        client->at_end = true;
    else
        client->unread += (size_t)n;
    tell_client(i, n > 0 ? "receive" : "end", start_ns, n);
}

static void look_at_clients(int timeout_ms)
{
    struct pollfd fds[CLIENTS_MAX];

    for (int i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &play.clients[i];
        bool looks = !client->at_end && !client->ignores;
        fds[i] = (struct pollfd){looks ? client->fd : -1, POLLIN, 0};
    }
    if (poll(fds, CLIENTS_MAX, timeout_ms) <= 0)
        return;
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (fds[i].revents != 0)
            take_what_came(i);
}

static void end_early(const char *what)
{
    fprintf(stderr, "play: %s, line %d: %s\n", play.script, play.line, what);
    play.is_over = true;
}

static void wait_until(bool (*done)(const void *), const void *what)
{
    uint64_t until_ns = record_now_ns() + WAIT_LIMIT_MS * UINT64_C(1000000);

    while (!play.is_over && !done(what)) {
        look_at_clients(LOOK_MS);
        if (record_now_ns() > until_ns)
            end_early("this was waited for, and did not come");
    }
}

struct call {
    int kind, count;
    char client;
};

static bool is_such(const struct record_slot *slot, char client, void *what)
{
    const struct call *call = what;

    return slot->kind == call->kind && (call->client == '-' || call->client == client) &&
           atomic_load(&slot->start_ns) >= play.began_ns;
}

static bool has_called(const void *what)
{
    struct call call = *(const struct call *)what;

    return each_slot(is_such, &call) >= call.count;
}

static bool newest(const struct record_slot *slot, char client, void *what)
{
    uint64_t *newest_ns = what, start_ns = atomic_load(&slot->start_ns),
             end_ns = atomic_load(&slot->end_ns);

    (void)client;
    if (*newest_ns < start_ns)
        *newest_ns = start_ns;
    if (*newest_ns < end_ns)
        *newest_ns = end_ns;
    return true;
}

static bool is_quiet(const void *what)
{
    uint64_t newest_ns = 0;

    (void)what;
    each_slot(newest, &newest_ns);
    return record_now_ns() > newest_ns + QUIET_MS * UINT64_C(1000000);
}

struct enough {
    const struct client *client;
    size_t len;
};

static bool has_received(const void *what)
{
    const struct enough *enough = what;

    if (enough->client->at_end && enough->client->unread < enough->len)
        end_early("the connection ended before that");
    return enough->client->unread >= enough->len;
}

static bool has_ended(const void *what)
{
    return ((const struct client *)what)->at_end;
}

static bool is_over(const void *what)
{
    return record_now_ns() >= *(const uint64_t *)what;
}

/* ---- actions -------------------------------------------------------------------- */

/* A socket holds megabytes before a send has to wait. For a picture of that, little must
 * do: a server sizes its buffer by the segments, which are agreed upon when it connects.
 */
static void make_narrow(int fd)
{
    int segment = NARROW_SEGMENT, room = NARROW_ROOM;

    if (setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) != 0)
        give_up(1, strerror(errno));
}

/* Bound before it connects, so that the server's first call finds the port known. */
static void connect_client(int i, int port, bool narrow)
{
    struct client *client = &play.clients[i];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct timeval limit = {.tv_sec = WAIT_LIMIT_MS / 1000};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (client->was_here)
        give_up(2, "a client connects once");
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        give_up(1, strerror(errno));
    if (narrow)
        make_narrow(fd);
    client->port = ntohs(address.sin_port);
    address.sin_port = htons((uint16_t)port);
    uint64_t start_ns = record_now_ns();
    if (play.began_ns == 0)
        play.began_ns = start_ns;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        give_up(1, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    client->fd = fd;
    client->was_here = true;
    tell_client(i, "connect", start_ns, 0);
}

static long number(const char *text, long max)
{
    char *rest;
    long n = text == NULL ? 0 : strtol(text, &rest, 10);

    if (n < 1 || n > max || *rest != '\0')
        give_up(2, "a number is wanted");
    return n;
}

static void send_bytes(int i, const char *what, size_t len)
{
    uint64_t start_ns = record_now_ns();
    ssize_t n = send(play.clients[i].fd, what, len, MSG_NOSIGNAL);

    tell_client(i, "send", start_ns, n);
    if (n != (ssize_t)len)
        end_early(
            n < 0 && errno != EAGAIN ? strerror(errno) : "not all of this was taken");
}

static void ask(int i, long count)
{
    static char requests[REQUESTS_MAX * sizeof REQUEST];

    requests[0] = '\0';
    for (long n = 0; n < count; n++)
        strcat(requests, REQUEST);
    send_bytes(i, requests, strlen(requests));
}

static void close_client(int i)
{
    uint64_t start_ns = record_now_ns();

    close(play.clients[i].fd);
    play.clients[i].fd = -1;
    tell_client(i, "close", start_ns, 0);
}

static void act(int i, const char *verb, const char *argument)
{
    struct client *client = &play.clients[i];

    if (verb != NULL && strcmp(verb, "connect") == 0) {
        bool http = argument != NULL && strcmp(argument, "http") == 0;

        if (http && play.http_port == 0)
            give_up(2, "there is no port for HTTP: options --http 0");
        connect_client(i, http ? play.http_port : play.port,
            argument != NULL && strcmp(argument, "narrow") == 0);
        return;
    }
    if (verb == NULL || client->fd < 0)
        give_up(2, "that client is not connected");
    if (strcmp(verb, "send") == 0) {
        send_bytes(i, bytes, (size_t)number(argument, BYTES_MAX));
    } else if (strcmp(verb, "ask") == 0) {
        ask(i, number(argument, REQUESTS_MAX));
    } else if (strcmp(verb, "receive") == 0) {
        struct enough enough = {client, (size_t)number(argument, BYTES_MAX)};
        client->ignores = false;
        wait_until(has_received, &enough);
        client->unread -= play.is_over ? 0 : enough.len;
    } else if (strcmp(verb, "think") == 0) {
        uint64_t until_ns =
            record_now_ns() + (uint64_t)number(argument, 5000) * UINT64_C(1000000);
        wait_until(is_over, &until_ns);
    } else if (strcmp(verb, "ignore") == 0) {
        client->ignores = true;
    } else if (strcmp(verb, "end") == 0) {
        client->ignores = false;
        wait_until(has_ended, client);
    } else if (strcmp(verb, "close") == 0) {
        close_client(i);
    } else {
        give_up(2, "connect, send, ask, ignore, receive, end, think or close is wanted");
    }
}

static void terminate(void)
{
    uint64_t start_ns = record_now_ns();

    if (kill(play.server, SIGTERM) != 0)
        give_up(1, strerror(errno));
    tell("1", "SIGTERM", '-', start_ns, record_now_ns(), "0");
}

static void wait_for(const char *name)
{
    struct call call = {RECORD_KINDS_LEN, 1, '-'};
    const char *word;

    if (name != NULL && strcmp(name, "quiet") == 0) {
        wait_until(is_quiet, NULL);
        return;
    }
    for (int kind = 0; name != NULL && kind < RECORD_KINDS_LEN; kind++)
        if (strcmp(name, record_names[kind]) == 0)
            call.kind = kind;
    if (call.kind == RECORD_KINDS_LEN)
        give_up(2, "wait-for is followed by the name of a call");
    while ((word = strtok(NULL, " \t\n")) != NULL && *word != '#')
        if (*word >= 'a' && *word < 'a' + CLIENTS_MAX && word[1] == '\0')
            call.client = *word;
        else
            call.count = (int)number(word, RECORD_SLOTS);
    wait_until(has_called, &call);
}

static void run_line(char *line)
{
    if (strncmp(line, "title ", 6) == 0) {
        printf("%s", line);
        return;
    }
    char *word = strtok(line, " \t\n");
    if (word == NULL || *word == '#' || strcmp(word, "options") == 0)
        return;
    if (strcmp(word, "terminate") == 0) {
        terminate();
    } else if (strcmp(word, "wait-for") == 0) {
        wait_for(strtok(NULL, " \t\n"));
    } else if (*word >= 'a' && *word < 'a' + CLIENTS_MAX && word[1] == '\0') {
        char *verb = strtok(NULL, " \t\n");
        act(*word - 'a', verb, strtok(NULL, " \t\n"));
    } else {
        give_up(2, "a client, a to h, wait-for or terminate is wanted");
    }
}

/* ---- the server ----------------------------------------------------------------- */

static bool print_slot(const struct record_slot *slot, char client, void *what)
{
    uint64_t ended_ns = *(const uint64_t *)what;
    uint64_t start_ns = atomic_load(&slot->start_ns), end_ns = atomic_load(&slot->end_ns);
    char lane[24];

    if (start_ns > ended_ns || (end_ns != 0 && end_ns <= play.began_ns))
        return false;
    if (end_ns > ended_ns)
        end_ns = 0;
    snprintf(lane, sizeof lane, "%d", slot->thread);
    tell(lane, record_names[slot->kind], client, start_ns, end_ns, result_of(slot));
    return true;
}

static bool is_unfinished(const struct record_slot *slot, char client, void *what)
{
    (void)client;
    (void)what;
    return slot->kind == RECORD_send && atomic_load(&slot->end_ns) == 0;
}

/* What a client has received may come out of a send that has not returned yet. */
static bool all_is_sent(const void *what)
{
    (void)what;
    return each_slot(is_unfinished, NULL) == 0;
}

static const struct record *map_record(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const struct record *record =
        fd < 0 || lseek(fd, 0, SEEK_END) < (off_t)sizeof *record
            ? MAP_FAILED
            : mmap(NULL, sizeof *record, PROT_READ, MAP_SHARED, fd, 0);

    if (record == MAP_FAILED || record->magic != RECORD_MAGIC) {
        fprintf(stderr, "play: %s is no record of record.so\n", path);
        exit(1);
    }
    close(fd);
    return record;
}

int main(int argc, char *argv[])
{
    FILE *script =
        (argc == 5 || argc == 6) && atoi(argv[4]) > 1 ? fopen(argv[2], "r") : NULL;
    char line[256];

    if (script == NULL) {
        fprintf(stderr, "usage: play RECORD SCRIPT PORT PID [HTTP_PORT]\n");
        return 2;
    }
    memset(bytes, 'x', sizeof bytes);
    play.script = argv[2];
    play.port = atoi(argv[3]);
    play.server = atoi(argv[4]);
    play.http_port = argc == 6 ? atoi(argv[5]) : 0;
    play.record = map_record(argv[1]);
    for (int i = 0; i < CLIENTS_MAX; i++)
        play.clients[i].fd = -1;
    puts("# timeline 1: lane call client start_ns end_ns result");
    while (!play.is_over && fgets(line, sizeof line, script) != NULL) {
        play.line++;
        run_line(line);
    }
    wait_until(all_is_sent, NULL);
    uint64_t ended_ns = record_now_ns();
    if (atomic_load(&play.record->taken) > RECORD_SLOTS)
        give_up(1, "the server did more than a record holds");
    each_slot(print_slot, &ended_ns);
    printf("until %lld\n", since_ns(ended_ns));
    fclose(script);
    return fflush(stdout) == 0 && !play.is_over ? 0 : 1;
}
