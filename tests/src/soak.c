/* soak - hostile clients and polite ones, mixed, for as long as one likes.
 *
 *     soak -p PORT [-H HTTP_PORT] [-t SECONDS] [-c POLITE] [-x HOSTILE] [-S SEED]
 *          [-f FACTOR] [-l MS]
 *
 * Each client is a thread that has one connection after the other. The polite ones talk
 * echo and HTTP in all correct ways and check every byte: to them the server owes
 * everything. The hostile ones reset, half-close, stall, flood, never read, send garbage,
 * lies and urgent bytes; of what they get nothing is asked, and they never wait longer
 * than the milliseconds of -l.
 *
 * What a client does depends on the seed, which is printed, and its number; how the
 * threads mix depends on the machine. The last line says what happened; status 0: all
 * polite clients got all, 1: some did not, 2: wrong usage.
 */
#include "client.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define CLIENTS_MAX 512
#define SECONDS_MAX 3600
#define ERRORS_SHOWN 20
#define POLITE_BODY_MAX                                                                  \
    60000                     /* fits into the buffers of both sides: no one can block   \
                               */
#define HOSTILE_LIMIT_MS 4000 /* a hostile client waits no longer, unless -l says so */
#define POURED_MAX (16U << 20)
#define SMALL_BUFFER 4096

static struct {
    int port, http_port; /* 0: no HTTP */
    double seconds;
    int polite, hostile;
    uint64_t seed;
    int hostile_limit_ms;
} opt = {.seconds = 120,
    .polite = 8,
    .hostile = 32,
    .seed = 1,
    .hostile_limit_ms = HOSTILE_LIMIT_MS};

static atomic_bool over;
static atomic_ulong polite_visits, polite_answers, hostile_visits;
static atomic_int errors;

/* One client. */
struct client {
    pthread_t thread;
    uint64_t random;
    int number;
    bool polite;
    struct stream stream;
};

static size_t pick(struct client *client, size_t limit)
{
    return below(&client->random, limit);
}

/* A piece of the pattern of that length, anywhere in it. */
static const char *piece(struct client *client, size_t len)
{
    return pattern + pick(client, PATTERN_LEN - len);
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

__attribute__((format(printf, 3, 4))) static void error(
    struct client *client, const char *what, const char *format, ...)
{
    va_list arguments;
    char how[160];

    if (atomic_fetch_add(&errors, 1) >= ERRORS_SHOWN)
        return;
    va_start(arguments, format);
    vsnprintf(how, sizeof how, format, arguments);
    va_end(arguments);
    printf("error: client %d: %s: %s\n", client->number, what, how);
    fflush(stdout);
}

/* Out of ports is the fault of this machine, and passes. */
static bool arrive(struct client *client, int port, int receive_buffer)
{
    int fd;

    while ((fd = client_connect(port, receive_buffer)) < 0 && errno == EADDRNOTAVAIL &&
           !atomic_load(&over))
        pause_ms(50);
    stream_open(&client->stream, fd);
    if (fd < 0 && client->polite && errno != EADDRNOTAVAIL)
        error(client, "connect", "%s", strerror(errno));
    return fd >= 0;
}

static void leave(struct client *client)
{
    if (client->stream.fd >= 0)
        close(client->stream.fd);
    client->stream.fd = -1;
}

static bool satisfied(struct client *client, const char *what, enum outcome how,
    enum outcome wanted, const struct answer *answer)
{
    if (how == wanted) {
        atomic_fetch_add(&polite_answers, 1);
        return true;
    }
    error(client, what, "%s %s", outcome_names[how],
        answer != NULL && how == OUTCOME_WRONG ? answer->why : "");
    return false;
}

/* ---- the polite: echo ---- */

static void echo_talk(struct client *client)
{
    int messages = 1 + (int)pick(client, 20);
    bool ok = true;

    if (!arrive(client, opt.port, 0))
        return;
    for (int i = 0; i < messages && ok; i++) {
        size_t len = 1 + pick(client, pick(client, 4) ? 200 : POLITE_BODY_MAX);
        const char *bytes = piece(client, len);

        send_all(client->stream.fd, bytes, len);
        ok = satisfied(client, "echo", stream_expect(&client->stream, bytes, len, false),
            OUTCOME_OK, NULL);
    }
    if (ok && pick(client, 2)) {
        shutdown(client->stream.fd, SHUT_WR);
        satisfied(
            client, "end of the echo", stream_end(&client->stream), OUTCOME_END, NULL);
    }
}

/* Pieces and urgent bytes, then all of it back at once. */
static void echo_in_pieces(struct client *client)
{
    size_t len = 1 + pick(client, 3000), sent = 0;
    const char *bytes = piece(client, len);

    if (!arrive(client, opt.port, 0))
        return;
    while (sent < len) {
        size_t n = 1 + pick(client, len - sent);
        int flags = pick(client, 8) ? MSG_NOSIGNAL : MSG_NOSIGNAL | MSG_OOB;

        if (send(client->stream.fd, bytes + sent, n, flags) != (ssize_t)n)
            break;
        sent += n;
    }
    shutdown(client->stream.fd, SHUT_WR);
    if (satisfied(client, "echo in pieces",
            stream_expect(&client->stream, bytes, len, false), OUTCOME_OK, NULL))
        satisfied(
            client, "end of the echo", stream_end(&client->stream), OUTCOME_END, NULL);
}

/* ---- the polite: HTTP ---- */

#define HOST " HTTP/1.1\r\nHost: here\r\n"

/* A request of no body, by its first line; the status that it gets. */
static const struct {
    const char *line;
    int status;
} plain[] = {{"GET /", 200}, {"HEAD /", 200}, {"GET /healthz", 200}, {"GET /stats", 200},
    {"GET /metrics", 200}, {"HEAD /metrics", 200}, {"GET /nowhere", 404},
    {"DELETE /echo", 405}, {"OPTIONS *", 200}, {"GET /?query=1", 200}};

#define PLAIN (sizeof plain / sizeof plain[0])

/* A request that is written and then sent, and what its answer must be. */
struct request {
    char head[REQUEST_HEAD_MAX];
    const char *body; /* NULL: none */
    size_t body_len;
    size_t chunk; /* 0: not chunked */
    int status;
    bool after_head;
};

static void make_request(struct client *client, struct request *request, bool last)
{
    const char *close_it = last ? "Connection: close\r\n" : "";

    *request = (struct request){.status = 200};
    if (pick(client, 2)) {
        size_t which = pick(client, PLAIN);

        snprintf(request->head, sizeof request->head, "%s" HOST "%s\r\n",
            plain[which].line, close_it);
        request->status = plain[which].status;
        request->after_head = strncmp(plain[which].line, "HEAD", 4) == 0;
        return;
    }
    request->body_len = pick(client, pick(client, 4) ? 300 : POLITE_BODY_MAX);
    request->body = piece(client, request->body_len);
    if (pick(client, 3) == 0) {
        request->chunk =
            1 + request->body_len / 50 + pick(client, request->body_len + 100);
        snprintf(request->head, sizeof request->head,
            "POST /echo" HOST "%sTransfer-Encoding: chunked\r\n\r\n", close_it);
        return;
    }
    snprintf(request->head, sizeof request->head,
        "POST /echo" HOST "%s%sContent-Length: %zu\r\n\r\n", close_it,
        request->body_len > 0 && pick(client, 5) == 0 ? "Expect: 100-continue\r\n" : "",
        request->body_len);
}

static void send_chunks(int fd, const struct request *request)
{
    char line[32];

    for (size_t at = 0; at < request->body_len; at += request->chunk) {
        size_t left = request->body_len - at;
        size_t len = left < request->chunk ? left : request->chunk;

        snprintf(line, sizeof line, "%zx\r\n", len);
        send_all(fd, line, strlen(line));
        send_all(fd, request->body + at, len);
        send_all(fd, "\r\n", 2);
    }
    send_all(fd, "0\r\n\r\n", 5);
}

static void send_request(struct client *client, const struct request *request)
{
    size_t len = strlen(request->head), at = 0;

    while (at < len) { /* now and then in two */
        size_t n = pick(client, 8) ? len - at : 1 + pick(client, len - at);

        send_all(client->stream.fd, request->head + at, n);
        at += n;
    }
    if (request->chunk > 0)
        send_chunks(client->stream.fd, request);
    else
        send_all(client->stream.fd, request->body, request->body_len);
}

static bool take_answer(struct client *client, const struct request *request, bool last)
{
    struct answer answer;
    enum outcome how = http_answer(
        &client->stream, &answer, request->after_head, request->body, request->body_len);

    if (how == OUTCOME_OK && answer.status != request->status)
        how = answer_wrong(&answer, "status %d, not %d", answer.status, request->status);
    if (how == OUTCOME_OK && answer.closes != last)
        how = answer_wrong(
            &answer, "it %s the connection", answer.closes ? "closes" : "does not close");
    char line[64]; /* the first tells which */
    snprintf(line, sizeof line, "%.*s", (int)strcspn(request->head, "\r"), request->head);
    return satisfied(client, line, how, OUTCOME_OK, &answer);
}

static void http_talk(struct client *client)
{
    int count = 1 + (int)pick(client, 20);
    bool ok = true;

    if (!arrive(client, opt.http_port, 0))
        return;
    for (int i = 1; i <= count && ok; i++) {
        struct request request;
        bool last = i == count && pick(client, 2);

        make_request(client, &request, last);
        send_request(client, &request);
        ok = take_answer(client, &request, last);
        if (ok && last)
            satisfied(client, "end after close", stream_end(&client->stream), OUTCOME_END,
                NULL);
    }
}

static void http_pipeline(struct client *client)
{
    struct request request[10];
    int count = 2 + (int)pick(client, 9);
    size_t bytes = 0;
    bool ok = true;

    if (!arrive(client, opt.http_port, 0))
        return;
    for (int i = 0; i < count; i++) {
        do
            make_request(client, &request[i], i == count - 1);
        while (bytes + request[i].body_len > POLITE_BODY_MAX);
        bytes += request[i].body_len;
        send_request(client, &request[i]);
    }
    for (int i = 0; i < count && ok; i++)
        ok = take_answer(client, &request[i], i == count - 1);
    if (ok)
        satisfied(
            client, "end after close", stream_end(&client->stream), OUTCOME_END, NULL);
}

/* ---- the hostile ---- */

/* Either port: what is garbage for one is a message for the other. */
static bool intrude(struct client *client, int receive_buffer)
{
    bool http = opt.http_port != 0 && pick(client, 3) > 0;

    if (!arrive(client, http ? opt.http_port : opt.port, receive_buffer))
        return false;
    set_limit(client->stream.fd, opt.hostile_limit_ms);
    client->stream.limit_ms = opt.hostile_limit_ms;
    return true;
}

/* Some bytes that look like a request, more or less. */
static size_t write_something(struct client *client, char *text, size_t size)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: here\r\nX-Long: ", "POST /echo HTTP/1.1\r\nHost: h\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\nsome of it",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
        "chunked\r\n\r\nfffffffffff\r",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: "
        "3\r\n\r\n0\r\n\r\nGET /",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /\r\n\r\n", "\r\n\r\n\r\n",
        "GET / HTTP/1.1\nHost: here\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "\x16\x03\x01\x02"};
    const char *chosen = texts[pick(client, sizeof texts / sizeof texts[0])];
    size_t len = strlen(chosen), extra = pick(client, size - len);

    memcpy(text, chosen, len);
    if (pick(client, 2))
        return len;
    memcpy(text + len, piece(client, extra), extra);
    return len + extra;
}

/* Closes, resets, half-closes and waits, or just waits: a client's four ends. */
static void go_away(struct client *client)
{
    int fd = client->stream.fd;
    char rest[4096];

    switch (pick(client, 4)) {
    case 0:
        break;
    case 1:
        client_reset(fd);
        client->stream.fd = -1;
        break;
    case 2:
        shutdown(fd, SHUT_WR);
        /* fall through */
    default:
        for (int i = 0; i < 1000 && recv(fd, rest, sizeof rest, 0) > 0; i++)
            ;
    }
}

static void hostile_text(struct client *client)
{
    char text[4096];
    size_t len = write_something(client, text, sizeof text);

    if (intrude(client, 0)) {
        send_all(client->stream.fd, text, len);
        go_away(client);
    }
}

static void hostile_garbage(struct client *client)
{
    size_t len = 1 + pick(client, 20000);

    if (intrude(client, 0)) {
        send_all(client->stream.fd, piece(client, len), len);
        go_away(client);
    }
}

static void hostile_churn(struct client *client)
{
    for (int i = 0; i < 20; i++) {
        if (!intrude(client, 0))
            return;
        if (pick(client, 2))
            client_reset(client->stream.fd);
        else
            close(client->stream.fd);
        client->stream.fd = -1;
    }
}

/* A byte now and then. The server's deadlines must end it, or it ends itself. */
static void hostile_drip(struct client *client)
{
    char text[1024];
    size_t len = write_something(client, text, sizeof text);
    int64_t end_ms = clock_ms() + 1000 + (int64_t)pick(client, 5000);

    if (!intrude(client, 0))
        return;
    for (size_t i = 0; i < len && clock_ms() < end_ms && !atomic_load(&over); i++) {
        if (!send_all(client->stream.fd, text + i, 1))
            break;
        pause_ms(1 + (int)pick(client, 100));
    }
    go_away(client);
}

static void hostile_urgent(struct client *client)
{
    char text[512];
    size_t len = write_something(client, text, sizeof text);

    if (!intrude(client, 0))
        return;
    for (size_t i = 0; i < len; i += 7) {
        size_t n = len - i < 7 ? len - i : 7;

        if (send(client->stream.fd, text + i, n, MSG_OOB | MSG_NOSIGNAL) < 0)
            break;
    }
    go_away(client);
}

/* More and more, of which nothing is read: `len` bytes again and again. */
static void pour(struct client *client, const char *bytes, size_t len)
{
    for (size_t poured = 0; poured < POURED_MAX && !atomic_load(&over); poured += len) {
        struct pollfd socket = {.fd = client->stream.fd, .events = POLLOUT};

        if (poll(&socket, 1, 200) <= 0 || (socket.revents & (POLLHUP | POLLERR)))
            break;
        if (send(client->stream.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
            errno != EAGAIN)
            break;
    }
}

static void hostile_never_reads(struct client *client)
{
    char requests[4096];
    size_t len = 0;
    static const char get[] = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";

    while (len + sizeof get < sizeof requests) {
        memcpy(requests + len, get, sizeof get - 1);
        len += sizeof get - 1;
    }
    if (!intrude(client, SMALL_BUFFER))
        return;
    if (pick(client, 2))
        pour(client, requests, len);
    else
        pour(client, piece(client, 60000), 60000);
    if (pick(client, 2) && !atomic_load(&over))
        pause_ms((int)pick(client, 4000)); /* the deadlines have their turn */
    go_away(client);
}

/* A large answer, read in sips. */
static void hostile_reads_slowly(struct client *client)
{
    char head[REQUEST_HEAD_MAX], sip[512];
    size_t len = 100000 + pick(client, 500000);

    if (!intrude(client, SMALL_BUFFER))
        return;
    snprintf(head, sizeof head, "POST /echo" HOST "Content-Length: %zu\r\n\r\n", len);
    send_all(client->stream.fd, head, strlen(head));
    for (size_t at = 0; at < len; at += 10000)
        if (send(client->stream.fd, piece(client, 10000), 10000,
                MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
    for (int i = 0; i < 300 && !atomic_load(&over); i++) {
        if (recv(client->stream.fd, sip, sizeof sip, 0) <= 0)
            break;
        pause_ms(1 + (int)pick(client, 10));
    }
    go_away(client);
}

/* A body that is larger than it may be, announced or not. */
static void hostile_body(struct client *client)
{
    static const char chunked[] = "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n";
    static const char chunk[] = "fff0\r\n";

    if (!intrude(client, 0))
        return;
    send_all(client->stream.fd, chunked, sizeof chunked - 1);
    for (int i = 0; i < 40 && !atomic_load(&over); i++)
        if (!send_all(client->stream.fd, chunk, sizeof chunk - 1) ||
            !send_all(client->stream.fd, piece(client, 0xfff0), 0xfff0) ||
            !send_all(client->stream.fd, "\r\n", 2))
            break;
    go_away(client);
}

/* Says nothing, for longer than the server likes. */
static void hostile_idle(struct client *client)
{
    char byte;

    if (intrude(client, 0) && recv(client->stream.fd, &byte, 1, 0) < 0)
        go_away(client);
}

/* ---- */

typedef void episode(struct client *client);

static episode *const polite_echo[] = {echo_talk, echo_in_pieces};
static episode *const polite_all[] = {
    echo_talk, echo_in_pieces, http_talk, http_talk, http_talk, http_pipeline};
static episode *const hostile[] = {hostile_text, hostile_text, hostile_garbage,
    hostile_churn, hostile_drip, hostile_urgent, hostile_never_reads,
    hostile_reads_slowly, hostile_body, hostile_idle};

static void run_episode(struct client *client)
{
    client->stream.fd = -1;
    if (!client->polite) {
        hostile[pick(client, sizeof hostile / sizeof hostile[0])](client);
        atomic_fetch_add(&hostile_visits, 1);
    } else {
        if (opt.http_port == 0)
            polite_echo[pick(client, 2)](client);
        else
            polite_all[pick(client, sizeof polite_all / sizeof polite_all[0])](client);
        atomic_fetch_add(&polite_visits, 1);
    }
    leave(client);
}

static void *live(void *argument)
{
    struct client *client = argument;

    while (!atomic_load(&over))
        run_episode(client);
    return NULL;
}

static void stop(int signal_number)
{
    (void)signal_number;
    atomic_store(&over, true);
}

static void usage(void)
{
    fputs("usage: soak -p PORT [-H HTTP_PORT] [-t SECONDS] [-c POLITE] [-x HOSTILE]\n"
          "            [-S SEED] [-f FACTOR] [-l MS]\n"
          "  -p, -H      of the server, on 127.0.0.1; without -H echo only\n"
          "  -t SECONDS  how long (120)\n"
          "  -c, -x      how many clients of each kind, at a time (8, 32)\n"
          "  -S SEED     for what they do (1)\n"
          "  -f FACTOR   how many times longer a polite client waits than 10 s (1)\n"
          "  -l MS       how long a hostile one waits (4000)\n",
        stderr);
    exit(2);
}

static double number(const char *text, double min, double max)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= min && value <= max))
        usage();
    return value;
}

static void parse_options(int argc, char *argv[])
{
    int option;

    while ((option = getopt(argc, argv, "p:H:t:c:x:S:f:l:")) != -1) {
        switch (option) {
        case 'p':
            opt.port = (int)number(optarg, 1, 65535);
            break;
        case 'H':
            opt.http_port = (int)number(optarg, 1, 65535);
            break;
        case 't':
            opt.seconds = number(optarg, 0.1, SECONDS_MAX);
            break;
        case 'c':
            opt.polite = (int)number(optarg, 0, CLIENTS_MAX);
            break;
        case 'x':
            opt.hostile = (int)number(optarg, 0, CLIENTS_MAX);
            break;
        case 'S':
            opt.seed = (uint64_t)number(optarg, 1, 1e15);
            break;
        case 'f':
            client_limit_ms *= (int)number(optarg, 1, 100);
            break;
        case 'l':
            opt.hostile_limit_ms = (int)number(optarg, 1, 100000);
            break;
        default:
            usage();
        }
    }
    if (opt.port == 0 || optind != argc || opt.polite + opt.hostile == 0)
        usage();
}

int main(int argc, char *argv[])
{
    static struct client clients[2 * CLIENTS_MAX];
    int64_t end_ms, began_ms;
    int count;

    parse_options(argc, argv);
    fill_pattern();
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    printf("seed=%llu\n", (unsigned long long)opt.seed);
    fflush(stdout);
    fair_begin(0);
    count = opt.polite + opt.hostile;
    began_ms = clock_ms();
    end_ms = began_ms + (int64_t)(opt.seconds * 1000);
    for (int i = 0; i < count; i++) {
        clients[i].number = i;
        clients[i].polite = i < opt.polite;
        clients[i].random = (opt.seed * 1000003 + (uint64_t)i) * 0x9e3779b97f4a7c15U | 1;
        if (pthread_create(&clients[i].thread, NULL, live, &clients[i]) != 0) {
            perror("soak: pthread_create");
            return 2;
        }
    }
    while (clock_ms() < end_ms && !atomic_load(&over))
        pause_ms(20);
    atomic_store(&over, true);
    for (int i = 0; i < count; i++)
        pthread_join(clients[i].thread, NULL);
    printf("seconds=%.1f polite_visits=%lu answers=%lu hostile_visits=%lu errors=%d\n",
        (double)(clock_ms() - began_ms) / 1000, polite_visits, polite_answers,
        hostile_visits, errors);
    return errors > 0 || (opt.polite > 0 && polite_answers == 0);
}
