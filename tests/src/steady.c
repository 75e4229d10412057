/* steady - well-behaved clients without a pause, while the server that they talk to is
 * ended or started again. Each counts what it is owed.
 *
 *     steady -m restart -p PORT [-H HTTP_PORT] [-c CLIENTS] [-t SECONDS] [-f FACTOR]
 *     steady -m drain   -p PORT [-H HTTP_PORT] [-c CLIENTS] [-f FACTOR] -P PID [-2]
 *     steady -m fleet   -H HTTP_PORT           [-c CLIENTS] [-t SECONDS] [-f FACTOR]
 *
 * restart: a client may be refused, and may find its connection closed before the first
 *   byte of an answer; then it comes again. No answer may be torn, and no connection that
 *   was served may be reset.
 *
 * drain: after half a second, with idle, slow and stuck clients beside them, the server
 *   gets SIGTERM. Each request that it had received completely must be answered
 *   completely. With -2 it gets a second one, and owes nothing. -D tells its drain
 * timeout: on a busy machine that may be over before all is answered, and then it owes
 * nothing either: the last line says late=1, and that nothing was proved.
 *
 * fleet: through a proxy that knows several servers, POST /echo?id=N, each N once. Each
 *   must be answered with 200 and its body; nothing else is good enough. The ids tell,
 *   from the servers' logs, whether a request was repeated.
 *
 * Runs until the time is over or SIGTERM comes. The last line says what happened; status
 * 0: each got what it was owed, 1: some did not, 2: wrong usage.
 */
#include "client.h"

#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#define CLIENTS_MAX 256
#define SECONDS_MAX 600
#define ERRORS_SHOWN 20
#define MESSAGE_MAX 2000  /* well within the buffers of a socket */
#define PER_CONNECTION 50 /* requests, then another connection */
#define PIPELINED 3
#define FLEET_PAUSE_MS 1   /* between two requests: each of them is a line in a log */
#define REFUSED_PAUSE_MS 2 /* and then try again */
#define HINDRANCES 8       /* of each kind, for drain */
#define LOADED_MS 500      /* of load before the signal */
#define DRAIN_GRAIN_MS 200 /* so much sooner a server may end its drain */
#define POURED_MAX (16U << 20)

enum mode { MODE_NONE, MODE_RESTART, MODE_DRAIN, MODE_FLEET };

static struct {
    enum mode mode;
    int port, http_port;
    double seconds;
    int clients;
    pid_t server;
    bool twice;
    int drain_ms; /* 0: forever */
} opt = {.seconds = 60, .clients = 16};

struct client {
    pthread_t thread;
    uint64_t random;
    int number;
    bool http;
    struct stream stream;

    /* For drain. The requests sent in full and those answered in full; the main thread
     * reads them, and the descriptor, which stays the same. */
    atomic_ulong sent, answered;
    unsigned long owed;
    int64_t ended_ms;
};

static struct client clients[CLIENTS_MAX];
static atomic_bool over;
static atomic_ulong answers, refused, closed, unserved, next_id = 1;
static atomic_int errors;
static atomic_bool late;            /* a client was heard after the drain timeout */
static _Atomic int64_t signaled_ms; /* 0: not yet */

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
    printf("error: %s client %d: %s: %s\n", client->http ? "HTTP" : "echo",
        client->number, what, how);
    fflush(stdout);
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* ---- one exchange ---- */

/* Requests of which all are sent before the first answer is read. */
struct batch {
    int count;
    size_t len[PIPELINED];
    const char *bytes[PIPELINED];
    unsigned long id;
};

static void make_batch(struct client *client, struct batch *batch)
{
    batch->count = client->http && opt.mode != MODE_FLEET && below(&client->random, 2)
                       ? PIPELINED
                       : 1;
    for (int i = 0; i < batch->count; i++) {
        batch->len[i] = 1 + below(&client->random, MESSAGE_MAX);
        batch->bytes[i] = pattern + below(&client->random, PATTERN_LEN - MESSAGE_MAX);
    }
    batch->id = opt.mode == MODE_FLEET ? atomic_fetch_add(&next_id, 1) : 0;
}

/* In one go, so that a request is with the server in full or not at all. */
static bool send_batch(struct client *client, const struct batch *batch)
{
    char text[PIPELINED * (REQUEST_HEAD_MAX + MESSAGE_MAX)];
    size_t used = 0;

    for (int i = 0; i < batch->count; i++) {
        if (client->http)
            used += (size_t)snprintf(text + used, REQUEST_HEAD_MAX,
                "POST /echo?id=%lu HTTP/1.1\r\nHost: here\r\nContent-Length: %zu\r\n\r\n",
                batch->id, batch->len[i]);
        memcpy(text + used, batch->bytes[i], batch->len[i]);
        used += batch->len[i];
    }
    if (!send_all(client->stream.fd, text, used))
        return false;
    atomic_fetch_add(&client->sent, (unsigned long)batch->count);
    return true;
}

/* OUTCOME_OK: all is answered. *closes: the last answer said that no other will come. */
static enum outcome take_answers(
    struct client *client, const struct batch *batch, bool *closes)
{
    *closes = false;
    for (int i = 0; i < batch->count; i++) {
        struct answer answer = {.status = 200};
        enum outcome how;

        if (*closes)
            return OUTCOME_END;
        if (client->http)
            how = http_answer(
                &client->stream, &answer, false, batch->bytes[i], batch->len[i]);
        else
            how = stream_expect(&client->stream, batch->bytes[i], batch->len[i], false);
        if (how == OUTCOME_OK && answer.status != 200)
            how = answer_wrong(&answer, "status %d", answer.status);
        if (how == OUTCOME_WRONG)
            error(client, "wrong answer", "%s", answer.why);
        if (how != OUTCOME_OK)
            return how;
        *closes = answer.closes;
        atomic_fetch_add(&answers, 1);
        atomic_fetch_add(&client->answered, 1);
    }
    return OUTCOME_OK;
}

/* One batch there and back. */
static enum outcome exchange(struct client *client, bool *closes)
{
    struct batch batch;

    make_batch(client, &batch);
    send_batch(client, &batch); /* if it fails, the answers tell how */
    return take_answers(client, &batch, closes);
}

static bool arrive(struct client *client)
{
    stream_open(
        &client->stream, client_connect(client->http ? opt.http_port : opt.port, 0));
    return client->stream.fd >= 0;
}

static void leave(struct client *client)
{
    if (client->stream.fd >= 0)
        close(client->stream.fd);
    client->stream.fd = -1;
}

/* ---- restart ---- */

/* A reset of a connection that never had an answer: the handshake was the kernel's, and
 * the listener was closed before accept saw the connection. No server can help that. */
static void judge_end(struct client *client, enum outcome how, bool served)
{
    if (how == OUTCOME_END)
        atomic_fetch_add(&closed, 1);
    else if (how == OUTCOME_RESET && !served)
        atomic_fetch_add(&unserved, 1);
    else if (how != OUTCOME_WRONG) /* which was told already */
        error(client, served ? "after an answer" : "first request", "%s",
            outcome_names[how]);
}

static void restart_visit(struct client *client)
{
    enum outcome how = OUTCOME_OK;
    bool closes = false, served = false;

    if (!arrive(client)) {
        if (errno == ECONNREFUSED)
            atomic_fetch_add(&refused, 1);
        else if (errno == ECONNRESET)
            atomic_fetch_add(&unserved, 1);
        else if (errno != EADDRNOTAVAIL)
            error(client, "connect", "%s", strerror(errno));
        pause_ms(REFUSED_PAUSE_MS);
        return;
    }
    for (int i = 0; i < PER_CONNECTION && how == OUTCOME_OK && !closes; i++) {
        how = exchange(client, &closes);
        served = served || how == OUTCOME_OK;
    }
    if (closes && how == OUTCOME_OK)
        how = stream_end(&client->stream);
    if (how != OUTCOME_OK)
        judge_end(client, how, served);
    leave(client);
}

/* ---- fleet ---- */

static void fleet_visit(struct client *client)
{
    enum outcome how = OUTCOME_OK;
    bool closes = false;

    if (!arrive(client)) {
        error(client, "connect", "%s", strerror(errno));
        pause_ms(REFUSED_PAUSE_MS);
        return;
    }
    for (int i = 0; i < PER_CONNECTION && how == OUTCOME_OK && !closes; i++) {
        if (atomic_load(&over))
            break;
        how = exchange(client, &closes);
        pause_ms(FLEET_PAUSE_MS);
    }
    if (how != OUTCOME_OK && how != OUTCOME_WRONG)
        error(client, "no answer", "%s", outcome_names[how]);
    leave(client);
}

static void *live(void *argument)
{
    struct client *client = argument;

    while (!atomic_load(&over)) {
        if (opt.mode == MODE_FLEET)
            fleet_visit(client);
        else
            restart_visit(client);
    }
    return NULL;
}

/* ---- drain ---- */

/* A connection that ended so late may have been ended by the drain timeout. */
static bool was_late(const struct client *client)
{
    int64_t began_ms = atomic_load(&signaled_ms);

    if (opt.drain_ms == 0 || began_ms == 0 ||
        client->ended_ms - began_ms < opt.drain_ms - DRAIN_GRAIN_MS)
        return false;
    atomic_store(&late, true);
    return true;
}

/* Until the server ends the connection, which is there already. */
static void *live_until_end(void *argument)
{
    struct client *client = argument;
    enum outcome how = OUTCOME_OK;
    bool closes = false;

    while (how == OUTCOME_OK && !closes)
        how = exchange(client, &closes);
    if (how == OUTCOME_OK)
        how = stream_end(&client->stream);
    client->ended_ms = clock_ms();
    if (was_late(client))
        return NULL;
    if (!opt.twice && how != OUTCOME_END && how != OUTCOME_WRONG)
        error(client, "at the end", "%s", outcome_names[how]);
    return NULL;
}

/* What the server has for certain: sent, and by its kernel acknowledged. */
static unsigned long received_by_server(struct client *client)
{
    unsigned long sent = atomic_load(&client->sent);
    int on_their_way;

    if (ioctl(client->stream.fd, SIOCOUTQ, &on_their_way) != 0 || on_their_way > 0)
        return 0;
    return sent;
}

/* Sends without reading until nothing more is taken. */
static void pour(int fd, const char *bytes, size_t len)
{
    for (size_t poured = 0; poured < POURED_MAX; poured += len) {
        struct pollfd socket = {.fd = fd, .events = POLLOUT};

        if (poll(&socket, 1, 100) <= 0 || (socket.revents & (POLLHUP | POLLERR)))
            return;
        if (send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
            return;
    }
}

/* Idle, with half a request, and with answers that they do not take: they stay until the
 * server has ended, and are owed nothing. */
static void bring_hindrances(void)
{
    static const char half[] =
        "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nnot all of it";
    static const char many[] = "GET / HTTP/1.1\r\nHost: here\r\n\r\n"
                               "GET / HTTP/1.1\r\nHost: here\r\n\r\n"
                               "GET / HTTP/1.1\r\nHost: here\r\n\r\n"
                               "GET / HTTP/1.1\r\nHost: here\r\n\r\n";

    for (int i = 0; i < HINDRANCES; i++) {
        client_connect(opt.port, 0);
        if (i % 4 == 0)
            pour(client_connect(opt.port, 4096), pattern, 60000);
        if (opt.http_port == 0)
            continue;
        client_connect(opt.http_port, 0);
        send_all(client_connect(opt.http_port, 0), half, 20);
        send_all(client_connect(opt.http_port, 0), half, sizeof half - 1);
        if (i % 4 == 0)
            pour(client_connect(opt.http_port, 4096), many, sizeof many - 1);
    }
}

/* The second signal only when the first was taken: two that wait are one. */
static void end_server(void)
{
    struct stream idle;

    stream_open(&idle, client_connect(opt.port, 0));
    if (stream_expect(&idle, NULL, 0, false) != OUTCOME_OK || idle.fd < 0 ||
        !send_all(idle.fd, "x", 1) || stream_expect(&idle, "x", 1, false) != OUTCOME_OK)
        error(&clients[0], "another client", "is not served");
    for (int i = 0; i < opt.clients; i++)
        clients[i].owed = received_by_server(&clients[i]);
    atomic_store(&signaled_ms, clock_ms());
    kill(opt.server, SIGTERM);
    if (opt.twice) {
        stream_end(&idle);
        kill(opt.server, SIGTERM);
    }
    close(idle.fd);
}

static int drain(void)
{
    unsigned long owed = 0, waiting = 0;

    for (int i = 0; i < opt.clients; i++)
        if (!arrive(&clients[i])) {
            perror("steady: connect");
            return 2;
        }
    bring_hindrances();
    for (int i = 0; i < opt.clients; i++)
        pthread_create(&clients[i].thread, NULL, live_until_end, &clients[i]);
    pause_ms(LOADED_MS);
    end_server();
    for (int i = 0; i < opt.clients; i++)
        pthread_join(clients[i].thread, NULL);
    for (int i = 0; i < opt.clients; i++) {
        struct client *client = &clients[i];

        owed += client->owed;
        waiting += client->owed > client->answered ? client->owed - client->answered : 0;
    }
    if (!opt.twice && !late && waiting > 0)
        error(&clients[0], "all in all", "%lu requests had come and were not answered",
            waiting);
    printf("answers=%lu owed=%lu errors=%d late=%d\n", answers, owed, errors, late);
    return errors > 0 || answers == 0;
}

/* ---- */

static void stop(int signal_number)
{
    (void)signal_number;
    atomic_store(&over, true);
}

static void usage(void)
{
    fputs("usage: steady -m restart|drain|fleet [-p PORT] [-H HTTP_PORT] [-c CLIENTS]\n"
          "              [-t SECONDS] [-P SERVER_PID] [-2] [-D MS] [-f FACTOR]\n",
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

static enum mode parse_mode(const char *name)
{
    static const char *const names[] = {"", "restart", "drain", "fleet"};

    for (int mode = MODE_RESTART; mode <= MODE_FLEET; mode++)
        if (strcmp(name, names[mode]) == 0)
            return (enum mode)mode;
    usage();
    return MODE_NONE;
}

static void set_option(int option)
{
    switch (option) {
    case 'm':
        opt.mode = parse_mode(optarg);
        break;
    case 'p':
        opt.port = (int)number(optarg, 1, 65535);
        break;
    case 'H':
        opt.http_port = (int)number(optarg, 1, 65535);
        break;
    case 'c':
        opt.clients = (int)number(optarg, 1, CLIENTS_MAX);
        break;
    case 't':
        opt.seconds = number(optarg, 0.1, SECONDS_MAX);
        break;
    case 'P':
        opt.server = (pid_t)number(optarg, 1, 1 << 30);
        break;
    case 'D':
        opt.drain_ms = (int)number(optarg, 1, 1e6);
        break;
    case '2':
        opt.twice = true;
        break;
    case 'f':
        client_limit_ms *= (int)number(optarg, 1, 100);
        break;
    default:
        usage();
    }
}

static void parse_options(int argc, char *argv[])
{
    int option;

    while ((option = getopt(argc, argv, "m:p:H:c:t:P:2D:f:")) != -1)
        set_option(option);
    if (optind != argc || opt.mode == MODE_NONE ||
        (opt.mode == MODE_FLEET ? opt.http_port : opt.port) == 0 ||
        (opt.mode == MODE_DRAIN && opt.server == 0))
        usage();
}

int main(int argc, char *argv[])
{
    int64_t end_ms;

    parse_options(argc, argv);
    if (opt.server == 0) /* nothing tells us what is withheld from the servers */
        client_limit_ms *= 3;
    fair_begin(opt.server);
    fill_pattern();
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    for (int i = 0; i < opt.clients; i++) {
        clients[i].number = i;
        clients[i].random = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15U | 1;
        clients[i].http = opt.http_port != 0 && (opt.mode == MODE_FLEET || i % 2 == 0);
    }
    if (opt.mode == MODE_DRAIN)
        return drain();
    for (int i = 0; i < opt.clients; i++)
        pthread_create(&clients[i].thread, NULL, live, &clients[i]);
    end_ms = clock_ms() + (int64_t)(opt.seconds * 1000);
    while (clock_ms() < end_ms && !atomic_load(&over))
        pause_ms(20);
    atomic_store(&over, true);
    for (int i = 0; i < opt.clients; i++)
        pthread_join(clients[i].thread, NULL);
    printf("answers=%lu refused=%lu closed=%lu unserved=%lu errors=%d\n", answers,
        refused, closed, unserved, errors);
    return errors > 0 || answers == 0;
}
