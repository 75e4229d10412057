#include "http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http_chunks.h"
#include "http_status.h"
#include "log.h"
#include "metrics.h"
#include "routes.h"

#define LINE_SHOWN_MAX 200 /* bytes of a request that cannot be parsed, in the log */
#define SHORT_MAX 256      /* bytes that are rather copied than referred to */

static_assert(2 * SHORT_MAX + 400 <= OUTPUT_ANSWER_TEXT, "type, body and the rest fit");

/* The body of a request. It stands behind its head, decoded, and only when it is not all
 * here is this kept from call to call. */
struct body {
    size_t head_len;
    bool chunked;
    size_t len; /* as announced; of a chunked one, decoded so far */
    size_t end; /* once it is complete: where the next request begins */
    struct http_chunks chunks;
};

/* ------------------------------------------------------------ writing an answer */

static const char *reason_of(unsigned status)
{
#define REASON(code, reason)                                                             \
    case code:                                                                           \
        return reason;
    switch (status) {
        HTTP_STATUSES(REASON)
    default:
        return ""; /* it may be empty (RFC 9112, section 4) */
    }
#undef REASON
}

/* RFC 9110, section 5.6.7. Made once a second by each worker, for strftime costs as much
 * as the rest of an answer. Days and months are English in the C locale, ours. */
static void write_date(struct output *out)
{
    static _Thread_local time_t second = -1;
    static _Thread_local char line[sizeof "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"];
    time_t now = time(NULL);

    if (now != second) {
        struct tm utc;
        gmtime_r(&now, &utc);
        strftime(line, sizeof line, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
        second = now;
    }
    output_text(out, line, sizeof line - 1);
}

static void write_status(struct output *out, unsigned status)
{
    output_string(out, "HTTP/1.1 ");
    output_number(out, status);
    output_string(out, " ");
    output_string(out, reason_of(status));
    output_string(out, "\r\n");
    metrics_add_status(status);
}

/* How an answer is framed, beside what it says. */
struct framing {
    bool close;
    bool keep_alive;   /* say so to a client that speaks 1.0 */
    bool no_body;      /* it answers HEAD: the length is told, the body is not sent */
    const char *allow; /* NULL: not told */
};

/* A few bytes are copied: that costs less than a row of their own, and small answers
 * stay in one row. */
static void put(struct output *out, struct http_text text)
{
    if (text.len <= SHORT_MAX)
        output_text(out, text.data, text.len);
    else
        output_refer(out, text.data, text.len);
}

static void write_answer(
    struct output *out, struct answer *answer, const struct framing *framing)
{
    size_t len = answer->body.len + buf_len(&answer->owned);

    write_status(out, answer->status);
    write_date(out);
    if (framing->close)
        output_string(out, "Connection: close\r\n");
    else if (framing->keep_alive)
        output_string(out, "Connection: keep-alive\r\n");
    if (framing->allow != NULL) {
        output_string(out, "Allow: ");
        output_string(out, framing->allow);
        output_string(out, "\r\n");
    }
    if (answer->type.len > 0) {
        output_string(out, "Content-Type: ");
        put(out, answer->type);
        output_string(out, "\r\n");
    }
    output_string(out, "Content-Length: ");
    output_number(out, len);
    output_string(out, "\r\n\r\n");
    if (framing->no_body) {
        buf_free(&answer->owned);
        return;
    }
    put(out, answer->body);
    if (buf_len(&answer->owned) > 0)
        output_own(out, &answer->owned);
}

/* An error's body: its reason, for a reader with a browser. */
static void set_error(struct answer *answer, unsigned status)
{
    const char *reason = reason_of(status);

    answer->status = status;
    answer->type = (struct http_text){"text/plain", sizeof "text/plain" - 1};
    answer->body = (struct http_text){reason, strlen(reason)};
}

/* ------------------------------------------------------------ the access log */

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void log_request(const struct exchange *exchange, const struct http_head *head,
    unsigned status, size_t len, int64_t us)
{
    char target[LOG_VALUE_MAX];

    log_about(exchange->origin, LOG_INFO, "request",
        "method=%s target=%s status=%u bytes=%zu us=%lld", http_method_name(head->method),
        log_quote(target, head->target.data, head->target.len), status, len,
        (long long)us);
}

/* What cannot be parsed has no method and no target: its first line is shown. */
static void log_refused(const struct exchange *exchange, unsigned status)
{
    char line[LOG_VALUE_MAX];
    const char *bytes = buf_bytes(exchange->in);
    size_t len =
        buf_len(exchange->in) < LINE_SHOWN_MAX ? buf_len(exchange->in) : LINE_SHOWN_MAX;
    const char *end = len > 0 ? memchr(bytes, '\r', len) : NULL;

    log_about(exchange->origin, LOG_INFO, "request", "line=%s status=%u",
        log_quote(line, bytes, end != NULL ? (size_t)(end - bytes) : len), status);
}

/* ------------------------------------------------------------ refusing */

/* Also of a request that is refused we must know this: an answer to HEAD has no body. */
static bool asks_for_head(const struct buf *in)
{
    static const char head[] = "\r\nHEAD ";
    size_t len = buf_len(in);

    return (len >= 5 && memcmp(buf_bytes(in), head + 2, 5) == 0) ||
           (len >= 7 && memcmp(buf_bytes(in), head, 7) == 0);
}

/* Where the request ends is not known, or will not be waited for: answer, and close. */
static enum handler_next refuse(
    const struct http *http, struct exchange *exchange, unsigned status)
{
    struct framing framing = {.close = true, .no_body = asks_for_head(exchange->in)};
    struct answer answer = {.status = status};

    if (http->access_log)
        log_refused(exchange, status);
    set_error(&answer, status);
    write_answer(exchange->out, &answer, &framing);
    return HANDLER_END;
}

/* One connection too many may be about to send any request, HEAD as well, and one for
 * which there was no memory may have sent it: so these get no body. */
static void write_error(
    const struct handler *handler, enum handler_error why, struct exchange *exchange)
{
    const struct http *http = (const struct http *)handler;
    struct framing framing = {.close = true};
    struct answer answer = {.status = why == HANDLER_FULL ? 503 : 500};

    if (why == HANDLER_TIMEOUT)
        refuse(http, exchange, 408);
    else
        write_answer(exchange->out, &answer, &framing);
}

/* ------------------------------------------------------------ answering */

/* Bodies are read, whatever the method (RFC 9110, section 9.3.1: one with GET has no
 * meaning, but it has a length). */
static struct body body_of(const struct http_head *head)
{
    return (struct body){
        .head_len = head->len,
        .chunked = head->chunked,
        .len = head->chunked ? 0 : (size_t)head->content_length,
    };
}

static enum http_verdict read_chunks(
    const struct http *http, struct buf *in, struct body *body, int *status)
{
    size_t begin = body->head_len + body->len, used, decoded;
    enum http_verdict verdict = http_decode_chunks(&body->chunks, buf_bytes(in) + begin,
        buf_len(in) - begin, &http->limits, &used, &decoded, status);

    body->len += decoded;
    body->end = begin + used;
    if (verdict == HTTP_PARTIAL)
        in->end = in->begin + begin + decoded; /* what comes stands behind the decoded */
    return verdict;
}

static enum http_verdict read_body(
    const struct http *http, struct buf *in, struct body *body, int *status)
{
    if (body->chunked)
        return read_chunks(http, in, body, status);
    body->end = body->head_len + body->len;
    return buf_len(in) >= body->end ? HTTP_COMPLETE : HTTP_PARTIAL;
}

/* The client that waits for a 100 before it sends the body gets it, unless it did not
 * wait (RFC 9110, section 10.1.1). */
static enum handler_next wait_for_body(const struct http *http, struct exchange *exchange,
    const struct http_head *head, const struct body *body)
{
    struct body *saved = malloc(sizeof *saved);

    if (saved == NULL)
        return refuse(http, exchange, 500);
    *saved = *body;
    exchange->state = saved;
    if (head->expect_continue && buf_len(exchange->in) == head->len) {
        output_string(exchange->out, "HTTP/1.1 100 Continue\r\n\r\n");
        metrics_add_status(100);
    }
    return HANDLER_BODY;
}

static void forget(void *state)
{
    free(state);
}

/* Looks up what the request is about. NULL: answer says already. */
static const struct route *route_of(
    const struct http_head *head, struct answer *answer, struct framing *framing)
{
    bool whole = head->path.len == 1 && head->path.data[0] == '*';

    if (whole || head->method == HTTP_CONNECT) { /* CONNECT has no path */
        framing->allow = ROUTES_ALLOW;
        if (!whole)
            set_error(answer, 405);
        return NULL;
    }
    const struct route *route = routes_find(head->path);
    if (route == NULL) {
        set_error(answer, 404);
    } else if (!(route->methods & 1U << head->method)) {
        framing->allow = route->allow;
        set_error(answer, 405);
        return NULL;
    }
    return route;
}

static void set_persistence(const struct http *http, const struct exchange *exchange,
    const struct http_head *head, struct framing *framing)
{
    bool enough = http->requests_max > 0 && exchange->answered >= http->requests_max;
    bool leaving = exchange->draining && buf_len(exchange->in) == 0 &&
                   !exchange->has_more(exchange->conn);

    framing->close = framing->close || head->close || enough || leaving;
    framing->keep_alive = head->minor == 0;
}

/* The request is all here, or will not be waited for: len bytes of input are it. */
static enum handler_next answer_request(const struct http *http,
    struct exchange *exchange, const struct http_head *head, char *body, size_t body_len,
    size_t len)
{
    struct framing framing = {.no_body = head->method == HTTP_HEAD};
    struct answer answer = {.status = 200};
    struct request request = {head, body, body_len, exchange->draining};
    int64_t begin_us = http->access_log ? now_us() : 0;

    const struct route *route = route_of(head, &answer, &framing);
    if (route != NULL)
        route->answer(&request, &answer);
    if (answer.status == 500) {
        set_error(&answer, 500);
        framing.close = true;
    }
    buf_take(exchange->in, len);
    exchange->answered++;
    set_persistence(http, exchange, head, &framing);
    if (http->access_log)
        log_request(exchange, head, answer.status,
            framing.no_body ? 0 : answer.body.len + buf_len(&answer.owned),
            now_us() - begin_us);
    write_answer(exchange->out, &answer, &framing);
    return framing.close ? HANDLER_END : HANDLER_AGAIN;
}

/* Must the client that asks before it sends the body be told not to? */
static enum handler_next refuse_body(
    const struct http *http, struct exchange *exchange, struct http_head *head)
{
    head->close = true; /* nobody knows whether the body will come (section 10.1.1) */
    return answer_request(http, exchange, head, NULL, 0, buf_len(exchange->in));
}

static bool is_wanted(const struct http_head *head)
{
    const struct route *route = routes_find(head->path);

    return route != NULL && (route->methods & 1U << head->method);
}

/* Begins with a request. HANDLER_AGAIN: it is answered, and another may follow. */
static enum handler_next begin_request(const struct http *http, struct exchange *exchange)
{
    struct http_head head;
    int status;

    enum http_verdict verdict = http_parse_head(
        buf_bytes(exchange->in), buf_len(exchange->in), &http->limits, &head, &status);
    if (verdict == HTTP_PARTIAL)
        return HANDLER_HEAD;
    if (verdict == HTTP_BAD)
        return refuse(http, exchange, (unsigned)status);
    struct body body = body_of(&head);
    if (head.expect_continue && buf_len(exchange->in) == head.len && !is_wanted(&head))
        return refuse_body(http, exchange, &head);
    verdict = read_body(http, exchange->in, &body, &status);
    if (verdict == HTTP_PARTIAL)
        return wait_for_body(http, exchange, &head, &body);
    if (verdict == HTTP_BAD)
        return refuse(http, exchange, (unsigned)status);
    return answer_request(http, exchange, &head, buf_bytes(exchange->in) + body.head_len,
        body.len, body.end);
}

/* Goes on with the body of a request whose head was read before. */
static enum handler_next continue_request(
    const struct http *http, struct exchange *exchange)
{
    struct body *body = exchange->state;
    struct http_head head;
    int status;

    enum http_verdict verdict = read_body(http, exchange->in, body, &status);
    if (verdict == HTTP_PARTIAL)
        return HANDLER_BODY;
    struct body done = *body;
    free(body);
    exchange->state = NULL;
    if (verdict == HTTP_BAD)
        return refuse(http, exchange, (unsigned)status);
    /* The memory may have moved since, and with it all that the head pointed to. */
    verdict = http_parse_head(
        buf_bytes(exchange->in), done.head_len, &http->limits, &head, &status);
    assert(verdict == HTTP_COMPLETE);
    return answer_request(http, exchange, &head, buf_bytes(exchange->in) + done.head_len,
        done.len, done.end);
}

/* A clock that moves every few milliseconds and costs next to nothing to read. Two ticks
 * are the same or not; more they do not say. */
static int64_t tick(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Answers as many pipelined requests as are here, so that one send takes them all, but no
 * more than fit, and none after one that took its time: others wait for this worker. */
static enum handler_next handle(const struct handler *handler, struct exchange *exchange)
{
    const struct http *http = (const struct http *)handler;
    int64_t begin = tick();
    enum handler_next next;

    do {
        if (buf_len(exchange->in) == 0)
            return HANDLER_IDLE;
        next = exchange->state != NULL ? continue_request(http, exchange)
                                       : begin_request(http, exchange);
    } while (next == HANDLER_AGAIN && output_has_room(exchange->out) && tick() == begin);
    if (next == HANDLER_AGAIN && buf_len(exchange->in) == 0)
        return HANDLER_IDLE;
    return next;
}

void http_init(struct http *http, const struct http_limits *limits, unsigned requests_max,
    bool access_log)
{
    *http = (struct http){
        .handler = {.name = "http",
            .handle = handle,
            .write_error = write_error,
            .forget = forget},
        .limits = *limits,
        .requests_max = requests_max,
        .access_log = access_log,
    };
}
