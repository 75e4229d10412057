/* visits - a fixed round of visits to a server, in which one thing after the other may be
 * made to fail. For tests that make the server's calls fail one by one: the same calls in
 * each run, and a verdict that knows what a failure may cost.
 *
 *     visits [-H HTTP_PORT] [-f FACTOR] -p PORT -P SERVER_PID PART...
 *
 * The parts, each for echo and, with -H, for HTTP too:
 *
 *   talk    requests of all sorts, short and long, one by one and pipelined
 *   late    clients that do not say or take all: started with short timeouts, the server
 *           must end each of them
 *   drain   requests are here when SIGTERM comes: all are answered, then the server ends
 *
 * A visit is lost when its connection ended before all was answered, or was answered with
 * 500. That is counted, on the last line: `visits=N lost=N bystanders_lost=N`; two
 * bystanders, echo and HTTP, stay through all of the parts. What no failure excuses is
 * told, and the status is 1: wrong bytes, waiting in vain, refusing, a descriptor that
 * stays open.
 */
#include "client.h"

#include <dirent.h>
#include <signal.h>

#define ECHO_LEN 40000 /* more than one recv, so that a rest has to be kept */
#define SMALL_LEN 700
#define PIPELINED 5
#define DRAINED 4
#define POURED_MAX (64U << 20)

static struct {
    int port, http_port; /* 0: no HTTP */
    pid_t server;
    int visits, lost, bystanders_lost;
    int fds_base;
} run;

/* A connection that stays; fd is -1 when it was lost. */
struct guest {
    const char *name;
    bool http;
    struct stream stream;
};

static struct guest bystander[2] = {
    {.name = "echo bystander"}, {.name = "HTTP bystander", .http = true}};

__attribute__((noreturn)) static void fail(const char *what, const char *how)
{
    if (run.server != 0)
        kill(run.server, SIGCONT);
    printf("%s: %s\n", what, how);
    exit(1);
}

/* Counts a visit, which is over. */
static bool counted(const char *what, enum outcome how, const struct answer *answer)
{
    if (how == OUTCOME_LATE || how == OUTCOME_WRONG)
        fail(what, answer != NULL && answer->why[0] ? answer->why : outcome_names[how]);
    run.visits++;
    if (how == OUTCOME_OK)
        return true;
    run.lost++;
    printf("lost: %s: %s\n", what, outcome_names[how]);
    return false;
}

/* False: lost already. A server that is out of something may let a client wait in its
 * queue, but it never refuses. */
static bool arrive(struct stream *stream, const char *what, int port, int receive_buffer)
{
    int fd = client_connect(port, receive_buffer);

    if (fd < 0 && errno != ECONNRESET)
        fail(what, strerror(errno));
    stream_open(stream, fd);
    return fd >= 0 || counted(what, OUTCOME_RESET, NULL);
}

static void leave(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

/* After an answer: an answer of another status than the wanted one is wrong; 500, which
 * is how a server says that something failed, ends the visit. */
static enum outcome judge(enum outcome how, struct answer *answer, int status)
{
    if (how != OUTCOME_OK || answer->status == status)
        return how;
    if (answer->status == 500)
        return OUTCOME_END;
    return answer_wrong(answer, "status %d, not %d", answer->status, status);
}

/* ---- one visit ---- */

/* All of it is sent before anything is read: the server must keep what does not fit. */
static void visit_echo(const char *what, size_t len, bool half_close)
{
    struct stream stream;
    enum outcome how = OUTCOME_RESET;

    if (!arrive(&stream, what, run.port, 0))
        return;
    if (send_all(stream.fd, pattern, len)) {
        if (half_close)
            shutdown(stream.fd, SHUT_WR);
        how = stream_expect(&stream, pattern, len, false);
        if (how == OUTCOME_OK && half_close) {
            how = stream_end(&stream);
            how = how == OUTCOME_END ? OUTCOME_OK : how;
        }
    }
    counted(what, how, NULL);
    leave(&stream);
}

/* A request and what it is answered with. */
struct request {
    const char *what, *head;
    size_t body_len; /* sent after the head, as pattern */
    bool chunked;
    int status;
    bool echoes, no_body, ends;
};

static bool send_chunks(int fd, size_t len)
{
    size_t at = 0, size = 1;
    char line[32];

    while (at < len) {
        size = size < len - at ? size : len - at;
        snprintf(line, sizeof line, "%zx\r\n", size);
        if (!send_all(fd, line, strlen(line)) || !send_all(fd, pattern + at, size) ||
            !send_all(fd, "\r\n", 2))
            return false;
        at += size;
        size = size * 3 + 1;
    }
    return send_all(fd, "0\r\n\r\n", 5);
}

static bool send_request(int fd, const struct request *request)
{
    if (!send_all(fd, request->head, strlen(request->head)))
        return false;
    if (request->chunked)
        return send_chunks(fd, request->body_len);
    return send_all(fd, pattern, request->body_len);
}

/* Reads also when sending failed: an answer may have come before. */
static enum outcome exchange(
    struct stream *stream, const struct request *request, struct answer *answer)
{
    bool sent = send_request(stream->fd, request);
    enum outcome how = http_answer(stream, answer, request->no_body,
        request->echoes ? pattern : NULL, request->body_len);

    how = judge(how, answer, request->status);
    if (how == OUTCOME_OK && !sent && request->status == 200)
        return answer_wrong(answer, "200 to a request that was not taken");
    if (how == OUTCOME_OK && request->ends) {
        how = stream_end(stream);
        how = how == OUTCOME_END ? OUTCOME_OK : how;
    }
    return how;
}

#define HOST " HTTP/1.1\r\nHost: here\r\n"
#define GET "GET / HTTP/1.1\r\nHost: here\r\n\r\n"

static const struct request requests[] = {
    {.what = "GET /", .head = GET, .status = 200},
    {.what = "HEAD /", .head = "HEAD /" HOST "\r\n", .status = 200, .no_body = true},
    {.what = "GET /healthz", .head = "GET /healthz" HOST "\r\n", .status = 200},
    {.what = "GET /metrics", .head = "GET /metrics" HOST "\r\n", .status = 200},
    {.what = "GET /stats", .head = "GET /stats" HOST "\r\n", .status = 200},
    {.what = "GET /nowhere", .head = "GET /nowhere" HOST "\r\n", .status = 404},
    {.what = "PUT /echo",
        .head = "PUT /echo" HOST "Content-Length: 700\r\n\r\n",
        .body_len = SMALL_LEN,
        .status = 405},
    {.what = "POST of 700 bytes",
        .head = "POST /echo" HOST "Content-Length: 700\r\n\r\n",
        .body_len = SMALL_LEN,
        .status = 200,
        .echoes = true},
    {.what = "POST of 40 KB",
        .head = "POST /echo" HOST "Content-Length: 40000\r\n\r\n",
        .body_len = ECHO_LEN,
        .status = 200,
        .echoes = true},
    {.what = "chunked POST",
        .head = "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n",
        .body_len = ECHO_LEN,
        .chunked = true,
        .status = 200,
        .echoes = true},
    {.what = "POST with Expect",
        .head = "POST /echo" HOST "Expect: 100-continue\r\nContent-Length: 700\r\n\r\n",
        .body_len = SMALL_LEN,
        .status = 200,
        .echoes = true},
    {.what = "too large",
        .head = "POST /echo" HOST "Content-Length: 99999999\r\n\r\n",
        .body_len = ECHO_LEN,
        .status = 413,
        .ends = true},
    {.what = "malformed", .head = "GET /\n\n", .status = 400, .ends = true},
    {.what = "the last one",
        .head = "GET /" HOST "Connection: close\r\n\r\n",
        .status = 200,
        .ends = true},
};

#define REQUESTS (sizeof requests / sizeof requests[0])

static void visit_request(const struct request *request)
{
    struct stream stream;
    struct answer answer;

    if (!arrive(&stream, request->what, run.http_port, 0))
        return;
    counted(request->what, exchange(&stream, request, &answer), &answer);
    leave(&stream);
}

/* All that keep the connection, one after the other on one. */
static void visit_in_turn(void)
{
    const char *what = "several requests on one connection";
    struct stream stream;
    struct answer answer;
    enum outcome how = OUTCOME_OK;

    if (!arrive(&stream, what, run.http_port, 0))
        return;
    for (size_t i = 0; i < REQUESTS && how == OUTCOME_OK; i++)
        if (!requests[i].ends)
            how = exchange(&stream, &requests[i], &answer);
    counted(what, how, &answer);
    leave(&stream);
}

static bool send_pipelined(int fd, int count)
{
    char head[REQUEST_HEAD_MAX];

    for (int i = 0; i < count; i++) {
        int len = snprintf(head, sizeof head,
            "POST /echo" HOST "Content-Length: %d\r\n\r\n", SMALL_LEN + i);

        if (!send_all(fd, head, (size_t)len) ||
            !send_all(fd, pattern + i, (size_t)(SMALL_LEN + i)))
            return false;
    }
    return true;
}

static enum outcome take_pipelined(
    struct stream *stream, struct answer *answer, int count)
{
    enum outcome how = OUTCOME_OK;

    for (int i = 0; i < count && how == OUTCOME_OK; i++) {
        how = http_answer(stream, answer, false, pattern + i, (size_t)(SMALL_LEN + i));
        how = judge(how, answer, 200);
    }
    return how;
}

static void visit_pipelined(void)
{
    const char *what = "pipelined requests";
    struct stream stream;
    struct answer answer = {0};
    enum outcome how = OUTCOME_RESET;

    if (!arrive(&stream, what, run.http_port, 0))
        return;
    if (send_pipelined(stream.fd, PIPELINED))
        how = take_pipelined(&stream, &answer, PIPELINED);
    counted(what, how, &answer);
    leave(&stream);
}

/* ---- those who stay ---- */

/* One more request of a bystander. */
static void greet(struct guest *guest)
{
    struct answer answer = {0};
    enum outcome how = OUTCOME_RESET;

    if (guest->stream.fd < 0)
        return;
    if (guest->http)
        how = exchange(&guest->stream, &requests[2], &answer);
    else if (send_all(guest->stream.fd, "still here\n", 11))
        how = stream_expect(&guest->stream, "still here\n", 11, false);
    if (counted(guest->name, how, &answer))
        return;
    run.bystanders_lost++;
    leave(&guest->stream);
}

static void greet_all(void)
{
    greet(&bystander[0]);
    greet(&bystander[1]);
}

/* A bystander lost before its first answer was no bystander yet. */
static void bring_bystanders(void)
{
    for (int i = 0; i < 2; i++) {
        bystander[i].stream.fd = -1;
        if (!bystander[i].http || run.http_port != 0)
            arrive(&bystander[i].stream, bystander[i].name,
                bystander[i].http ? run.http_port : run.port, 0);
        greet(&bystander[i]);
    }
    run.bystanders_lost = 0;
}

static int server_fds(void)
{
    char path[64];
    int count = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)run.server);
    DIR *dir = opendir(path);
    if (dir == NULL)
        fail("the server", "its process has ended");
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Whoever has left must have been noticed. */
static void expect_only_bystanders(void)
{
    int wanted =
        run.fds_base + (bystander[0].stream.fd >= 0) + (bystander[1].stream.fd >= 0);
    int64_t until_ms = fair_ms() + client_limit_ms;

    while (server_fds() != wanted) {
        if (fair_over(until_ms)) {
            char how[80];

            snprintf(
                how, sizeof how, "%d descriptors are open, not %d", server_fds(), wanted);
            fail("all but the bystanders have left", how);
        }
        fair_pause(2000);
    }
}

/* ---- the parts ---- */

static void talk(void)
{
    visit_echo("echo", 5000, false);
    visit_echo("echo of 40 KB", ECHO_LEN, true);
    greet_all();
    if (run.http_port != 0) {
        for (size_t i = 0; i < REQUESTS; i++)
            visit_request(&requests[i]);
        visit_in_turn();
        visit_pipelined();
        greet_all();
    }
    expect_only_bystanders();
}

/* Sends without reading until the server has had enough. */
static enum outcome pour(struct stream *stream, const char *text, size_t len)
{
    for (size_t poured = 0; poured < POURED_MAX;) {
        struct pollfd socket = {.fd = stream->fd, .events = POLLOUT | POLLRDHUP};

        if (fair_poll(&socket, 1, fair_ms() + client_limit_ms) <= 0)
            return OUTCOME_LATE;
        if (socket.revents & (POLLHUP | POLLERR | POLLRDHUP))
            return OUTCOME_OK;
        ssize_t n = send(stream->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return OUTCOME_OK;
        poured += n > 0 ? (size_t)n : 0;
    }
    return OUTCOME_WRONG;
}

/* A client that does not say all: the server must answer (0: nothing) and end it. */
static void wait_for_end(const char *what, struct stream *stream, int status)
{
    struct answer answer = {0};
    enum outcome how = OUTCOME_OK;

    if (stream->fd < 0)
        return;
    if (status != 0)
        how = judge(http_answer(stream, &answer, false, NULL, 0), &answer, status);
    if (how == OUTCOME_OK) {
        how = stream_end(stream);
        how = how == OUTCOME_END ? OUTCOME_OK : how;
    }
    counted(what, how, &answer);
    leave(stream);
}

static void late(void)
{
    static const char head[] = "GET / HTTP/1.1\r\nHo";
    static const char body[] =
        "POST /echo" HOST "Content-Length: 700\r\n\r\nnot all of it";
    static char gets[sizeof GET * 100];
    static struct stream stream[6];

    for (size_t i = 0; i < 100; i++)
        strcat(gets, GET);
    arrive(&stream[0], "silent", run.port, 0);
    arrive(&stream[1], "never reads", run.port, 4096);
    for (int i = 2; i < 6; i++) {
        stream_open(&stream[i], -1);
        if (run.http_port != 0)
            arrive(&stream[i], "late", run.http_port, i == 5 ? 4096 : 0);
    }
    if (run.http_port != 0) {
        send_all(stream[3].fd, head, sizeof head - 1);
        send_all(stream[4].fd, body, sizeof body - 1);
    }
    if (stream[1].fd >= 0)
        counted("never reads", pour(&stream[1], pattern, BODY_MAX), NULL);
    if (stream[5].fd >= 0)
        counted("never reads HTTP", pour(&stream[5], gets, strlen(gets)), NULL);
    wait_for_end("silent", &stream[0], 0);
    wait_for_end("silent, HTTP", &stream[2], 0);
    wait_for_end("half a head", &stream[3], 408);
    wait_for_end("half a body", &stream[4], 408);
    leave(&stream[1]);
    leave(&stream[5]);
}

/* Stopped, the server cannot have answered before the signal comes; and what is sent on
 * loopback to a stopped process is in its sockets. */
static void drain(void)
{
    static struct stream stream[2 * DRAINED];
    struct answer answer = {0};
    int count = run.http_port != 0 ? 2 * DRAINED : DRAINED;

    for (int i = 0; i < count; i++)
        arrive(&stream[i], "drained", i < DRAINED ? run.port : run.http_port, 0);
    kill(run.server, SIGSTOP);
    for (int i = 0; i < count; i++)
        if (stream[i].fd >= 0 && i < DRAINED)
            send_all(stream[i].fd, pattern + i, SMALL_LEN);
        else if (stream[i].fd >= 0)
            send_pipelined(stream[i].fd, PIPELINED);
    kill(run.server, SIGTERM);
    kill(run.server, SIGCONT);
    for (int i = 0; i < count; i++) {
        enum outcome how;

        if (stream[i].fd < 0)
            continue;
        if (i < DRAINED)
            how = stream_expect(&stream[i], pattern + i, SMALL_LEN, false);
        else
            how = take_pipelined(&stream[i], &answer, PIPELINED);
        if (how == OUTCOME_OK) {
            how = stream_end(&stream[i]);
            how = how == OUTCOME_END ? OUTCOME_OK : how;
        }
        counted(i < DRAINED ? "echo, drained" : "HTTP, drained", how, &answer);
        leave(&stream[i]);
    }
    for (int i = 0; i < 2; i++)
        wait_for_end(bystander[i].name, &bystander[i].stream, 0);
}

/* ---- */

static void usage(void)
{
    fputs("usage: visits [-H HTTP_PORT] [-f FACTOR] -p PORT -P SERVER_PID PART...\n"
          "  PART  talk, late or drain\n",
        stderr);
    exit(2);
}

int main(int argc, char *argv[])
{
    int option;

    while ((option = getopt(argc, argv, "p:H:P:f:")) != -1) {
        int value = option == '?' ? 0 : atoi(optarg);

        if (value <= 0)
            usage();
        switch (option) {
        case 'p':
            run.port = value;
            break;
        case 'H':
            run.http_port = value;
            break;
        case 'P':
            run.server = value;
            break;
        case 'f':
            client_limit_ms *= value;
            break;
        default:
            usage();
        }
    }
    if (run.port == 0 || run.server == 0 || optind == argc)
        usage();
    setvbuf(stdout, NULL, _IOLBF, 0);
    fair_begin(run.server);
    fill_pattern();
    run.fds_base = server_fds();
    bring_bystanders();
    for (char **part = argv + optind; *part != NULL; part++) {
        if (strcmp(*part, "talk") == 0)
            talk();
        else if (strcmp(*part, "late") == 0)
            late();
        else if (strcmp(*part, "drain") == 0)
            drain();
        else
            usage();
    }
    printf("visits=%d lost=%d bystanders_lost=%d\n", run.visits, run.lost,
        run.bystanders_lost);
    return 0;
}
