/* client.h - what the loads and the visits share: a client of TCP and HTTP/1.1 that
 * blocks, checks every byte, and never waits longer than client_limit_ms, of the time in
 * which the server could run (fair.h; call fair_begin first).
 *
 * Loopback only, whatever the options: this is no tool to aim at others.
 */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fair.h"

#define STREAM_SIZE 32768      /* a head must fit; bodies pass through */
#define PATTERN_LEN (4U << 20) /* bytes to send, the same in every run */
#define BODY_MAX (1U << 20)    /* of one body or message */
#define REQUEST_HEAD_MAX 512

/* How an exchange may end. What the server owes depends on the test. */
enum outcome {
    OUTCOME_OK,
    OUTCOME_END,   /* a clean end before the first byte of the answer */
    OUTCOME_RESET, /* a reset there */
    OUTCOME_TORN,  /* an end or a reset within the answer */
    OUTCOME_LATE,  /* nothing for client_limit_ms */
    OUTCOME_WRONG, /* bytes that are no answer, or not the correct one */
    OUTCOMES
};

static const char *const outcome_names[OUTCOMES]
    __attribute__((unused)) = {"ok", "end", "reset", "torn", "late", "wrong"};

/* What the server says, read ahead. */
struct stream {
    int fd;
    int limit_ms;   /* for what comes next */
    size_t at, end; /* unread: data[at..end) */
    char data[STREAM_SIZE];
};

struct answer {
    int status; /* 0: none yet */
    bool closes;
    size_t body_len;
    char why[96]; /* for OUTCOME_WRONG */
};

static int client_limit_ms = 10000;
static char pattern[PATTERN_LEN];

static inline int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* xorshift64: repeatable, unlike rand() from one libc to the next. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline size_t below(uint64_t *state, size_t limit)
{
    return (size_t)(next_random(state) >> 16) % limit;
}

static inline void fill_pattern(void)
{
    uint64_t state = 0x9e3779b97f4a7c15U;

    for (size_t i = 0; i < PATTERN_LEN; i++)
        pattern[i] = (char)next_random(&state);
}

static inline void set_limit(int fd, int limit_ms)
{
    struct timeval limit = {limit_ms / 1000, limit_ms % 1000 * 1000};

    /* SO_SNDTIMEO also bounds connect (socket(7)). */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/* receive_buffer 0: the kernel's choice. -1 and errno: not connected. */
static inline int client_connect(int port, int receive_buffer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    set_limit(fd, client_limit_ms);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int reason = errno;

        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

/* Closes with a reset. */
static inline void client_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static inline bool send_all(int fd, const char *bytes, size_t len)
{
    int64_t until_ms = fair_ms() + client_limit_ms;

    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && (errno == EINTR || (errno == EAGAIN && !fair_over(until_ms))))
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static inline void stream_open(struct stream *stream, int fd)
{
    stream->fd = fd;
    stream->limit_ms = client_limit_ms;
    stream->at = stream->end = 0;
}

/* More bytes behind those that are there, of which at most `keep` are kept. */
static inline enum outcome stream_fill(struct stream *stream)
{
    int64_t until_ms = fair_ms() + stream->limit_ms;
    ssize_t n;

    if (stream->at > 0) {
        memmove(stream->data, stream->data + stream->at, stream->end - stream->at);
        stream->end -= stream->at;
        stream->at = 0;
    }
    if (stream->end == STREAM_SIZE)
        return OUTCOME_WRONG;
    do
        n = recv(stream->fd, stream->data + stream->end, STREAM_SIZE - stream->end, 0);
    while (n < 0 && (errno == EINTR || (errno == EAGAIN && !fair_over(until_ms))));
    if (n > 0) {
        stream->end += (size_t)n;
        return OUTCOME_OK;
    }
    if (n == 0)
        return OUTCOME_END;
    return errno == EAGAIN ? OUTCOME_LATE : OUTCOME_RESET;
}

/* The outcome of an exchange that ended so after `some` bytes of its answer had come. */
static inline enum outcome ended(enum outcome how, bool some)
{
    return some && (how == OUTCOME_END || how == OUTCOME_RESET) ? OUTCOME_TORN : how;
}

/* The next len bytes must be these; NULL: any. */
static inline enum outcome stream_expect(
    struct stream *stream, const char *wanted, size_t len, bool some)
{
    while (len > 0) {
        size_t have = stream->end - stream->at;

        if (have == 0) {
            enum outcome how = stream_fill(stream);

            if (how != OUTCOME_OK)
                return ended(how, some);
            continue;
        }
        have = have < len ? have : len;
        if (wanted != NULL && memcmp(stream->data + stream->at, wanted, have) != 0)
            return OUTCOME_WRONG;
        wanted = wanted != NULL ? wanted + have : NULL;
        stream->at += have;
        len -= have;
        some = true;
    }
    return OUTCOME_OK;
}

/* The server's FIN, and nothing before it: OUTCOME_END. */
static inline enum outcome stream_end(struct stream *stream)
{
    if (stream->at < stream->end)
        return OUTCOME_WRONG;
    enum outcome how = stream_fill(stream);
    return how == OUTCOME_OK ? OUTCOME_WRONG : how;
}

/* ---- HTTP ---- */

__attribute__((format(printf, 2, 3))) static inline enum outcome answer_wrong(
    struct answer *answer, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(answer->why, sizeof answer->why, format, arguments);
    va_end(arguments);
    return OUTCOME_WRONG;
}

/* Finds the head's end, reading as much as it takes. *len: of the head. */
static inline enum outcome stream_head(struct stream *stream, size_t *len)
{
    for (;;) {
        size_t have = stream->end - stream->at;
        char *start = stream->data + stream->at;
        char *end = memmem(start, have, "\r\n\r\n", 4);

        if (end != NULL) {
            *len = (size_t)(end - start) + 4;
            return OUTCOME_OK;
        }
        enum outcome how = stream_fill(stream);
        if (how != OUTCOME_OK)
            return ended(how, have > 0);
    }
}

/* One line, which is terminated. */
static inline enum outcome parse_field(
    struct answer *answer, const char *line, int *lengths, int *dates)
{
    if (strncasecmp(line, "content-length:", 15) == 0) {
        char *end;

        answer->body_len = strtoul(line + 15, &end, 10);
        if (*end != '\0' || ++*lengths > 1)
            return answer_wrong(answer, "%s", line);
    } else if (strncasecmp(line, "date:", 5) == 0) {
        ++*dates;
    } else if (strncasecmp(line, "connection:", 11) == 0) {
        answer->closes = strcasestr(line + 11, "close") != NULL;
    } else if (strchr(line, ':') == NULL) {
        return answer_wrong(answer, "a field without a colon: %s", line);
    }
    return OUTCOME_OK;
}

/* head is len bytes and ends with an empty line; it is cut into lines in place. */
static inline enum outcome parse_answer(struct answer *answer, char *head, size_t len)
{
    int lengths = 0, dates = 0, version = 0, used = 0;
    char *line = head, *next;

    head[len - 2] = '\0';
    if (sscanf(line, "HTTP/1.%1d %3d %n", &version, &answer->status, &used) < 2 ||
        used == 0)
        return answer_wrong(answer, "a status line: %.40s", line);
    for (line = strstr(line, "\r\n") + 2; *line != '\0'; line = next) {
        next = strstr(line, "\r\n");
        *next = '\0';
        next += 2;
        if (parse_field(answer, line, &lengths, &dates) != OUTCOME_OK)
            return OUTCOME_WRONG;
    }
    if (answer->status < 200 ? lengths + dates > 0 : lengths != 1 || dates != 1)
        return answer_wrong(answer, "status %d with %d Content-Length and %d Date",
            answer->status, lengths, dates);
    return OUTCOME_OK;
}

/* Reads one answer, interim ones before it too. Its body must be the wanted bytes (NULL:
 * any, wanted_len counts not) if the status is 200; there is none after HEAD. */
static inline enum outcome http_answer(struct stream *stream, struct answer *answer,
    bool after_head, const char *wanted, size_t wanted_len)
{
    size_t len;
    bool interim = false;

    do {
        *answer = (struct answer){0};
        enum outcome how = stream_head(stream, &len);

        if (how == OUTCOME_WRONG)
            return answer_wrong(answer, "a head over %d bytes", STREAM_SIZE);
        if (how != OUTCOME_OK)
            return ended(how, interim);
        how = parse_answer(answer, stream->data + stream->at, len);
        if (how != OUTCOME_OK)
            return how;
        stream->at += len;
        interim = true;
    } while (answer->status < 200);
    if (after_head)
        return OUTCOME_OK;
    if (answer->status != 200)
        wanted = NULL;
    if (wanted != NULL && answer->body_len != wanted_len)
        return answer_wrong(
            answer, "a body of %zu bytes, not %zu", answer->body_len, wanted_len);
    enum outcome how = stream_expect(stream, wanted, answer->body_len, true);
    return how == OUTCOME_WRONG ? answer_wrong(answer, "another body") : how;
}

#endif
