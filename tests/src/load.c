/* load: a closed-loop load generator for an echo server, one thread, epoll.
 *
 *     tests/bin/load -p PORT [-6] [-c CONNECTIONS] [-s BYTES] [-d DEPTH]
 *                    [-t SECONDS] [-n REPLIES] [-w SECONDS] [-i IDLE] [-P PID]
 *
 * Closed loop: each connection keeps DEPTH messages on their way and sends the
 * next only when a reply is complete, so a slow server slows its own load and
 * the rate found is the rate it can keep up. The price is that latency under a
 * fixed arrival rate cannot be read off it: while a server stands still, no
 * message is sent that would have had to wait.
 *
 * Every byte that comes back is compared. All connections send stretches of
 * one random pattern, each from its own place, so neither checking nor sending
 * copies anything, and a byte lost, doubled or swapped with another connection
 * does not match. One line of key=value goes to stdout; rates and
 * times are of the window, which begins when every connection has had its first
 * reply and the warm-up is over:
 *
 *   requests rps mb_per_s     replies in the window; MB of 10^6 bytes, one way
 *   p50_us … max_us           from the send of a message to its last byte back
 *   replies                   all of them, the warm-up's and the idle ones' too:
 *                             divide counted system calls by this
 *   served                    connections that had at least one reply
 *   errors                    connections that failed: refused, reset, closed by
 *                             the server, a wrong byte, or one that is missing in
 *                             the end (the first is told on stderr); the exit
 *                             status is then 1
 *   load_cpu_s                CPU time of this program; tests/bench/own-cost says
 *                             how it compares with that of a server
 * and with -P
 *   server_cpu_s              of all its threads, ended ones too
 *   ctx_voluntary ctx_involuntary   context switches of all its threads
 *   tasks_gone                threads that ended in the window; their switches
 *                             are unknown, as /proc forgets a thread at its end
 *   rss_before_kb rss_begin_kb rss_end_kb   VmRSS before the first connection,
 *                             and at both ends of the window
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fair.h"

#define CONNECTIONS_MAX 20000 /* below the 28,000 ephemeral ports of Linux */
#define SIZE_MAX_BYTES (1024 * 1024)
#define DEPTH_MAX 1024
#define DURATION_MAX_S 60.0 /* no run outlives this by much, but for the next limits */
#define REPLIES_MAX 1000000
/* Of the time in which the server could run (fair.h): */
#define SET_UP_LIMIT_S 30  /* for all connects and the idle ones' first message */
#define CALL_LIMIT_S 5     /* for one connect, or one reply to an idle connection */
#define FIRST_LIMIT_S 5    /* for the first replies, all together */
#define REPLIES_LIMIT_S 20 /* for as many replies as -n asks for */
#define CHECK_NS 1000000U  /* how often we look whether all is back */
#define EVENTS_MAX 256
#define CHUNK_MAX (256 * 1024) /* the most that one send or recv moves */
#define PATTERN_PERIOD 65521   /* prime, so that no message size divides it */
#define TASKS_MAX 4096         /* threads of the server that are followed */

struct options {
    int port, connections, idle, depth, pid;
    bool ipv6;
    size_t size;
    double duration_s, warm_up_s;
    uint64_t replies_min;
};

/* One connection under load. Its stream is the pattern from `start` on, so the
 * byte at stream position p must be pattern[(start + p) % PATTERN_PERIOD]. */
struct conn {
    int fd; /* -1 once it failed */
    size_t start;
    uint64_t issued; /* bytes of messages begun; sent <= issued */
    uint64_t sent;
    uint64_t received;      /* received <= sent */
    uint64_t replies;       /* complete messages among the received */
    uint64_t *issued_at_ns; /* a ring: message m began at issued_at_ns[m % depth] */
};

/* Log-linear: 64 buckets for each power of two, so a value is known to 1.6 %
 * and no range must be guessed beforehand. */
#define SUB_BITS 6
#define SUB (1U << SUB_BITS)
#define BUCKETS ((64 - SUB_BITS + 1) * SUB)

struct histogram {
    uint64_t bucket[BUCKETS];
    uint64_t total;
    uint64_t max_ns;
};

struct task {
    int tid;
    uint64_t voluntary, involuntary;
};

struct server_state {
    uint64_t cpu_ns;
    long rss_kb;
    int tasks_len;
    struct task tasks[TASKS_MAX];
};

static struct options opt = {
    .connections = 64,
    .depth = 1,
    .size = 64,
    .duration_s = 2.0,
    .warm_up_s = 0.5,
};
static unsigned char pattern[PATTERN_PERIOD + CHUNK_MAX];
static unsigned char input[CHUNK_MAX];
static struct conn *conns;
static int *idle_fds;
static int conns_alive;
static int conns_served; /* have had a reply */
static int epfd;
static struct histogram latencies;
static bool looping;   /* each reply lets the next message go */
static bool in_window; /* replies count only between the two ends */
static uint64_t replies_total;
static int errors;

/* ---- small helpers ---- */

static void fatal(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

static void fatal(const char *format, ...)
{
    va_list ap;

    fputs("load: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

/* Only the first error is told: where one connection fails, hundreds do. */
static void count_error(const char *what, const char *why)
{
    if (errors++ == 0)
        fprintf(stderr, "load: %s: %s\n", what, why);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (memory == NULL)
        fatal("out of memory");
    return memory;
}

/* xorshift64*: any noise does, but it must be the same in every run. */
static void fill_pattern(void)
{
    uint64_t x = 88172645463325252U;

    for (size_t i = 0; i < PATTERN_PERIOD; i++) {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        pattern[i] = (unsigned char)((x * 2685821657736338717U) >> 56);
    }
    /* The tail repeats the head, so that a chunk never wraps. */
    for (size_t i = PATTERN_PERIOD; i < sizeof pattern; i++)
        pattern[i] = pattern[i - PATTERN_PERIOD];
}

static const unsigned char *pattern_at(size_t start, uint64_t position)
{
    return pattern + (start + position) % PATTERN_PERIOD;
}

/* ---- histogram ---- */

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < SUB)
        return (unsigned)ns;
    shift = 63U - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return (shift + 1) * SUB + (unsigned)((ns >> shift) & (SUB - 1));
}

/* The middle of a bucket. */
static double bucket_ns(unsigned bucket)
{
    unsigned shift;

    if (bucket < 2 * SUB)
        return bucket;
    shift = bucket / SUB - 1;
    return (double)((uint64_t)(SUB + bucket % SUB) << shift) +
           (double)(1ULL << shift) / 2;
}

static void histogram_add(struct histogram *h, uint64_t ns)
{
    h->bucket[bucket_of(ns)]++;
    h->total++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

static double quantile_us(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)h->total), seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > rank) {
            double ns = bucket_ns(i);
            return (ns > (double)h->max_ns ? (double)h->max_ns : ns) / 1000;
        }
    }
    return (double)h->max_ns / 1000;
}

/* ---- the server, as /proc shows it ---- */

static FILE *open_proc(const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "/proc/%d/%s", opt.pid, name);
    return fopen(path, "re");
}

static long server_rss_kb(void)
{
    char line[256];
    long kb = -1;
    FILE *f = opt.pid ? open_proc("status") : NULL;

    if (f == NULL)
        return -1;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    fclose(f);
    return kb;
}

/* A thread may end between readdir and open: it is then simply not listed. */
static void read_task(struct server_state *s, const char *tid)
{
    char name[280], line[256];
    unsigned long long n;
    struct task t = {.tid = atoi(tid)};
    FILE *f;

    snprintf(name, sizeof name, "task/%.255s/status", tid);
    f = open_proc(name);
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1)
            t.voluntary = n;
        if (sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
            t.involuntary = n;
    }
    fclose(f);
    if (s->tasks_len < TASKS_MAX)
        s->tasks[s->tasks_len++] = t;
}

static void read_server(struct server_state *s)
{
    char path[64];
    clockid_t clock;
    struct dirent *entry;
    DIR *dir;

    memset(s, 0, sizeof *s);
    if (opt.pid == 0)
        return;
    /* The process' own CPU clock: nanoseconds, all threads, ended ones too;
     * /proc/PID/stat counts in hundredths of a second. */
    if (clock_getcpuclockid(opt.pid, &clock) == 0)
        s->cpu_ns = clock_ns(clock);
    else
        count_error("-P", "the server is gone");
    s->rss_kb = server_rss_kb();
    snprintf(path, sizeof path, "/proc/%d/task", opt.pid);
    dir = opendir(path);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            read_task(s, entry->d_name);
    closedir(dir);
}

static const struct task *find_task(const struct server_state *s, int tid)
{
    for (int i = 0; i < s->tasks_len; i++)
        if (s->tasks[i].tid == tid)
            return &s->tasks[i];
    return NULL;
}

/* A thread born in the window counts from zero. */
static void print_switches(
    const struct server_state *begin, const struct server_state *end)
{
    uint64_t voluntary = 0, involuntary = 0;
    int gone = 0;

    for (int i = 0; i < end->tasks_len; i++) {
        const struct task *t = &end->tasks[i], *before = find_task(begin, t->tid);

        voluntary += t->voluntary - (before ? before->voluntary : 0);
        involuntary += t->involuntary - (before ? before->involuntary : 0);
    }
    for (int i = 0; i < begin->tasks_len; i++)
        gone += find_task(end, begin->tasks[i].tid) == NULL;
    printf(" ctx_voluntary=%llu ctx_involuntary=%llu tasks_gone=%d",
        (unsigned long long)voluntary, (unsigned long long)involuntary, gone);
}

/* ---- setting up ---- */

static void raise_descriptor_limit(int wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fatal("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fatal("setrlimit: %s", strerror(errno));
    if (limit.rlim_cur < (rlim_t)wanted)
        fatal("%d descriptors needed, but the limit is %llu (ulimit -Hn)", wanted,
            (unsigned long long)limit.rlim_cur);
}

/* Loopback only, whatever the options: this is no tool to aim at others. */
static int connect_loopback(void)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)opt.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
        .sin6_port = htons((uint16_t)opt.port),
        .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    /* SO_SNDTIMEO also bounds connect (socket(7)). */
    struct timeval limit = {.tv_sec = CALL_LIMIT_S};
    int one = 1, rc;
    int fd = socket(opt.ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        fatal("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* The cheapest to compute; it is in every kernel, and if not, nothing is lost. */
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno"));
    if (opt.ipv6)
        rc = connect(fd, (struct sockaddr *)&v6, sizeof v6);
    else
        rc = connect(fd, (struct sockaddr *)&v4, sizeof v4);
    if (rc == 0)
        return fd;
    count_error(
        "connect", errno == EINPROGRESS ? "no answer within 5 s" : strerror(errno));
    close(fd);
    return -1;
}

/* One message there and back, so that the server has certainly accepted this
 * connection and whatever it needs for a used one is counted. */
static bool exchange_once(int fd, size_t start)
{
    size_t len = opt.size < 1024 ? opt.size : 1024, have = 0;

    if (send(fd, pattern_at(start, 0), len, MSG_NOSIGNAL) != (ssize_t)len) {
        count_error("idle connection: send", strerror(errno));
        return false;
    }
    int64_t until_ms = fair_ms() + CALL_LIMIT_S * 1000;

    while (have < len) {
        ssize_t n = recv(fd, input + have, len - have, 0);

        if (n < 0 && errno == EAGAIN && !fair_over(until_ms))
            continue;
        if (n <= 0) {
            count_error("idle connection: no reply to its first message",
                n == 0 ? "the server closed it" : strerror(errno));
            return false;
        }
        have += (size_t)n;
    }
    if (memcmp(input, pattern_at(start, 0), len) != 0) {
        count_error("idle connection", "wrong bytes came back");
        return false;
    }
    replies_total++;
    return true;
}

static void check_set_up_limit(void)
{
    if (fair_over(SET_UP_LIMIT_S * 1000))
        fatal("connecting took more than %d s", SET_UP_LIMIT_S);
}

static void open_idle(void)
{
    idle_fds = allocate((size_t)opt.idle, sizeof *idle_fds);
    for (int i = 0; i < opt.idle; i++) {
        check_set_up_limit();
        idle_fds[i] = connect_loopback();
        if (idle_fds[i] >= 0 && !exchange_once(idle_fds[i], (size_t)i % PATTERN_PERIOD)) {
            close(idle_fds[i]);
            idle_fds[i] = -1;
        }
        if (errors > 0) /* the next ones would fail alike, 5 s each */
            fatal("gave up at idle connection %d", i + 1);
    }
}

static void open_conns(void)
{
    conns = allocate((size_t)opt.connections, sizeof *conns);
    for (int i = 0; i < opt.connections; i++) {
        struct conn *c = &conns[i];
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

        check_set_up_limit();
        c->start = (size_t)i * 7919 % PATTERN_PERIOD;
        c->issued_at_ns = allocate((size_t)opt.depth, sizeof *c->issued_at_ns);
        c->fd = connect_loopback();
        if (c->fd < 0)
            fatal("gave up at connection %d", i + 1);
        if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &event) != 0)
            fatal("epoll_ctl: %s", strerror(errno));
        conns_alive++;
    }
}

/* ---- the loop ---- */

static void conn_fail(struct conn *c, const char *what, const char *why)
{
    count_error(what, why);
    close(c->fd);
    c->fd = -1;
    conns_alive--;
}

/* Sends what is issued and not yet sent, as far as the socket takes it. */
static void conn_send(struct conn *c)
{
    while (c->sent < c->issued) {
        uint64_t rest = c->issued - c->sent;
        size_t len = rest < CHUNK_MAX ? (size_t)rest : CHUNK_MAX;
        ssize_t n =
            send(c->fd, pattern_at(c->start, c->sent), len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break; /* a new edge will tell when there is room */
        if (n < 0) {
            conn_fail(c, "send", strerror(errno));
            return;
        }
        c->sent += (uint64_t)n;
    }
}

static void conn_issue(struct conn *c, uint64_t messages, uint64_t now)
{
    uint64_t first = c->issued / opt.size;

    for (uint64_t m = first; m < first + messages; m++)
        c->issued_at_ns[m % (uint64_t)opt.depth] = now;
    c->issued += messages * opt.size;
    conn_send(c);
}

/* Counts the replies that these bytes complete; returns how many. */
static uint64_t conn_complete(struct conn *c, uint64_t now)
{
    uint64_t done = c->received / opt.size - c->replies;

    if (c->replies == 0 && done > 0)
        conns_served++;
    for (uint64_t i = 0; i < done; i++) {
        uint64_t m = c->replies + i;

        if (in_window)
            histogram_add(&latencies, now - c->issued_at_ns[m % (uint64_t)opt.depth]);
    }
    c->replies += done;
    replies_total += done;
    return done;
}

/* One recv. True: there may be more, so that another is needed. */
static bool conn_receive(struct conn *c, bool ending)
{
    ssize_t n = recv(c->fd, input, sizeof input, MSG_DONTWAIT);
    uint64_t done, now;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    if (n <= 0)
        conn_fail(
            c, "recv", n == 0 ? "the server closed the connection" : strerror(errno));
    else if (c->received + (uint64_t)n > c->sent)
        conn_fail(c, "recv", "more bytes came back than were sent");
    else if (memcmp(input, pattern_at(c->start, c->received), (size_t)n) != 0)
        conn_fail(c, "recv", "wrong bytes came back");
    if (c->fd < 0)
        return false;
    now = now_ns();
    c->received += (uint64_t)n;
    done = conn_complete(c, now);
    if (done > 0 && looping)
        conn_issue(c, done, now);
    return c->fd >= 0 && (ending || (size_t)n == sizeof input);
}

/* Edge-triggered, as in step 05: level-triggered, the kernel would ask each socket twice,
 * and this program would be dearer than the servers that it measures. A short recv has
 * emptied the socket, unless the end is near, which stands behind the last bytes. */
static void conn_event(struct conn *c, uint32_t events)
{
    bool ending = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

    if (c->fd >= 0 && (events & EPOLLOUT))
        conn_send(c);
    if (c->fd >= 0 && (events & ~(uint32_t)EPOLLOUT))
        while (conn_receive(c, ending))
            ;
}

/* Runs until the time is up, so many connections are served, or none is left; returns the
 * time. */
static uint64_t run_until(uint64_t end_ns, int served_wanted)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = now_ns();

    while (now < end_ns && conns_alive > 0 && conns_served < served_wanted) {
        int timeout_ms = (int)((end_ns - now) / 1000000U) + 1;
        int n = epoll_wait(epfd, events, EVENTS_MAX, timeout_ms);

        if (n < 0 && errno != EINTR)
            fatal("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; i++)
            conn_event(events[i].data.ptr, events[i].events);
        now = now_ns();
    }
    return now;
}

/* Until the time is up and there were as many replies as -n asks for. */
static uint64_t run_window(uint64_t end_ns)
{
    int64_t until_ms = fair_ms() + REPLIES_LIMIT_S * 1000;
    uint64_t now = run_until(end_ns, INT_MAX);

    while (latencies.total < opt.replies_min && conns_alive > 0 && !fair_over(until_ms))
        now = run_until(now_ns() + CHECK_NS, INT_MAX);
    return now;
}

/* One message on each connection, in turn. If all began at once, a server that accepts
 * one connection per round of its loop would serve the first ones at full speed and need
 * long to see the last. Where some are never served (a blocking server, many clients), we
 * go on after the limit, and `served` tells. */
static void first_messages(void)
{
    int64_t until_ms = fair_ms() + FIRST_LIMIT_S * 1000;

    for (int i = 0; i < opt.connections; i++) {
        conn_issue(&conns[i], 1, now_ns());
        while (conns_alive > 0 && conns_served < i + 1 && !fair_over(until_ms))
            run_until(now_ns() + FAIR_SLICE_MS * 1000000ULL, i + 1);
    }
}

/* From here on each connection keeps as many messages on their way as it may. */
static void start_loop(void)
{
    looping = true;
    for (int i = 0; i < opt.connections; i++) {
        uint64_t begun = conns[i].issued / opt.size - conns[i].replies;

        if (conns[i].fd >= 0)
            conn_issue(&conns[i], (uint64_t)opt.depth - begun, now_ns());
    }
}

static bool owes_us(const struct conn *c)
{
    return c->fd >= 0 && c->replies > 0 && c->received < c->issued;
}

/* A byte that a server drops is not a wrong byte: its message is never complete. So in
 * the end nothing new is sent, and what was sent must come back. */
static void last_replies(void)
{
    int64_t until_ms = fair_ms() + CALL_LIMIT_S * 1000;
    int owing;

    looping = false;
    do {
        run_until(now_ns() + CHECK_NS, INT_MAX);
        owing = 0;
        for (int i = 0; i < opt.connections; i++)
            owing += owes_us(&conns[i]);
    } while (owing > 0 && !fair_over(until_ms));
    for (; owing > 0; owing--)
        count_error("recv", "what was sent last did not come back within 5 s");
}

static void check_idle(void)
{
    for (int i = 0; i < opt.idle; i++) {
        ssize_t n = recv(idle_fds[i], input, 1, MSG_DONTWAIT);

        if (n == 0)
            count_error("idle connection", "the server closed it");
        else if (n > 0)
            count_error("idle connection", "bytes came that nobody sent");
        else if (errno != EAGAIN)
            count_error("idle connection", strerror(errno));
    }
}

static uint64_t own_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void print_result(double seconds, double cpu_s, long rss_before_kb,
    const struct server_state *begin, const struct server_state *end)
{
    double requests = (double)latencies.total;

    printf("connections=%d idle=%d size=%zu depth=%d seconds=%.3f", opt.connections,
        opt.idle, opt.size, opt.depth, seconds);
    printf(" requests=%.0f rps=%.0f mb_per_s=%.1f", requests, requests / seconds,
        requests * (double)opt.size / seconds / 1e6);
    printf(" p50_us=%.1f p99_us=%.1f p999_us=%.1f max_us=%.1f",
        quantile_us(&latencies, .5), quantile_us(&latencies, .99),
        quantile_us(&latencies, .999), (double)latencies.max_ns / 1000);
    printf(" replies=%llu served=%d errors=%d load_cpu_s=%.3f",
        (unsigned long long)replies_total, conns_served, errors, cpu_s);
    if (opt.pid != 0) {
        printf(" server_cpu_s=%.3f", ((double)end->cpu_ns - (double)begin->cpu_ns) / 1e9);
        print_switches(begin, end);
        printf(" rss_before_kb=%ld rss_begin_kb=%ld rss_end_kb=%ld", rss_before_kb,
            begin->rss_kb, end->rss_kb);
    }
    putchar('\n');
}

/* ---- options ---- */

static void usage(FILE *out)
{
    fputs("usage: load -p PORT [-6] [-c CONNECTIONS] [-s BYTES] [-d DEPTH] [-t SECONDS]\n"
          "            [-n REPLIES] [-w SECONDS] [-i IDLE] [-P PID]\n"
          "  -p PORT         of the server, on 127.0.0.1\n"
          "  -6              on ::1\n"
          "  -c CONNECTIONS  that send (64)\n"
          "  -s BYTES        of one message (64)\n"
          "  -d DEPTH        messages on their way at once on one connection (1)\n"
          "  -t SECONDS      measured (2)\n"
          "  -n REPLIES      measured at least, however long that takes (0)\n"
          "  -w SECONDS      warm-up before that (0.5)\n"
          "  -i IDLE         further connections: one message each, then silent (0)\n"
          "  -P PID          of the server: its CPU time, context switches, memory\n",
        out);
}

static double number(char flag, const char *text, double min, double max)
{
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !(value >= min && value <= max))
        fatal("-%c %s: a number from %g to %g is wanted", flag, text, min, max);
    return value;
}

static void set_option(int flag, const char *text)
{
    switch (flag) {
    case 'p':
        opt.port = (int)number('p', text, 1, 65535);
        break;
    case '6':
        opt.ipv6 = true;
        break;
    case 'c':
        opt.connections = (int)number('c', text, 1, CONNECTIONS_MAX);
        break;
    case 's':
        opt.size = (size_t)number('s', text, 1, SIZE_MAX_BYTES);
        break;
    case 'd':
        opt.depth = (int)number('d', text, 1, DEPTH_MAX);
        break;
    case 't':
        opt.duration_s = number('t', text, 0.01, DURATION_MAX_S);
        break;
    case 'n':
        opt.replies_min = (uint64_t)number('n', text, 0, REPLIES_MAX);
        break;
    case 'w':
        opt.warm_up_s = number('w', text, 0, DURATION_MAX_S);
        break;
    case 'i':
        opt.idle = (int)number('i', text, 0, CONNECTIONS_MAX);
        break;
    case 'P':
        opt.pid = (int)number('P', text, 1, 1 << 30);
        break;
    case 'h':
        usage(stdout);
        exit(0);
    default:
        usage(stderr);
        exit(2);
    }
}

static void parse_options(int argc, char **argv)
{
    int flag;

    while ((flag = getopt(argc, argv, "p:6c:s:d:t:n:w:i:P:h")) != -1)
        set_option(flag, optarg);
    if (opt.port == 0 || optind != argc) {
        usage(stderr);
        exit(2);
    }
    if (opt.connections + opt.idle > CONNECTIONS_MAX)
        fatal("-c and -i together: at most %d", CONNECTIONS_MAX);
    if (opt.pid != 0 && kill(opt.pid, 0) != 0)
        fatal("-P %d: %s", opt.pid, strerror(errno));
}

int main(int argc, char **argv)
{
    static struct server_state begin, end;
    long rss_before_kb;
    uint64_t from_ns, to_ns, cpu_ns;

    parse_options(argc, argv);
    fill_pattern();
    raise_descriptor_limit(opt.connections + opt.idle + 16);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    if (epfd < 0)
        fatal("epoll_create1: %s", strerror(errno));
    fair_begin(opt.pid);
    rss_before_kb = server_rss_kb();
    open_idle();
    open_conns();

    first_messages();
    start_loop();
    run_until(now_ns() + (uint64_t)(opt.warm_up_s * 1e9), INT_MAX);

    read_server(&begin);
    cpu_ns = own_cpu_ns();
    in_window = true;
    from_ns = now_ns();
    to_ns = run_window(from_ns + (uint64_t)(opt.duration_s * 1e9));
    cpu_ns = own_cpu_ns() - cpu_ns;
    read_server(&end);
    in_window = false;
    last_replies();
    check_idle();
    print_result((double)(to_ns - from_ns) / 1e9, (double)cpu_ns / 1e9, rss_before_kb,
        &begin, &end);
    return errors == 0 ? 0 : 1;
}
