/* probe - a TCP client that does what a script says, for the tests.
 *
 *     probe [-a ADDR] [-P SERVER_PID] [-d DEADLINE_MS] [-s FACTOR] [-T SECONDS] PORT
 * LINE...
 *
 * Each LINE is one verb with its words; the table `verbs` below lists them. They run
 * in order, and the first that the server gets wrong ends the probe with three lines
 * on stdout: step, saw, wanted. A fourth, kind, is the sort of failure in one word, if it
 * has one: refused, closed, reset, silent (not a byte came in time), cut (not all of them
 * did), stuck (the server takes no more), open (the end did not come), unasked (bytes
 * after the last), busy (it never sleeps), gone (the process); or, where an echo is
 * wrong, lost, repeated, reordered, foreign (another connection's), invented (nobody's).
 * Exit status: 0 all as wanted, 1 the server did wrong, 2 the script or this machine did
 * (then the reason is on stderr).
 *
 * A connection has a name. `x*1000` is a group of a thousand that act together:
 * `open x*1000`, then `echo x "hi"`, then `close x`.
 *
 * TEXT is one or more strings in double quotes, joined: "GET /" "a"*9000 "\r\n". They
 * know \n \r \t \0 \\ \" \xHH and, after the closing quote, *N for N times. Or it is
 * random:SIZE, that many pseudo-random bytes, others on each connection. A SIZE may end
 * in k or M.
 *
 * No verb waits longer than its deadline (-d or `within`, 2000 ms by default, times the
 * FACTOR of -s for a server in slow motion, as under valgrind). For stream and drink,
 * whose length depends on the machine, it is the longest time in which nothing moves, and
 * only -T bounds the whole (20 s by default, times FACTOR). Upper bounds count time in
 * which the server could run (fair.h); lower bounds, and `silent`, count real time.
 *
 * With LIMITS_LOG=FILE each verb that used more than a tenth of its limit is told there.
 *
 * The process ends where a fault is found, in server_wrong and script_wrong: there is
 * nothing to clean up that the kernel would not, except that a server we stopped must
 * go on.
 */
#include "counts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fair.h"
#include "sent.h"
#include "unread.h"

#define GROUPS_MAX 64
#define NAME_LEN_MAX 31
#define WORDS_MAX 16
#define TOTAL_MS 20000       /* for a whole script, unless -T tells otherwise */
#define ATTEMPTS_MAX 20      /* at a script with `in-time` */
#define WATCHED_MAX 256      /* connections that one poll asks for */
#define OPENING_MAX 256      /* connects under way at once: a backlog is finite */
#define COUNT_MAX 100000     /* connections in a group; more is a typing error */
#define PIECE_MAX 65536      /* bytes per send or recv */
#define PIECE_SLOW 512       /* ... for a client that reads slowly */
#define EXCERPT_MAX 32       /* bytes of a text shown in a message */
#define POUR_MAX (64 << 20)  /* more than the kernel buffers on both sides hold */
#define POUR_QUIET_MS 300    /* nothing taken for so long: the way is full */
#define CLOG_MAX (8 << 20)   /* more than the way to a client that does not read holds */
#define CLOG_PIECE 16384     /* less than the kernel holds for a server that reads not */
#define FIND_MAX (1 << 20)   /* bytes that `find` looks through */
#define BRIM_PIECE 2048      /* less than any server reads at a time */
#define POLL_PAUSE_US 2000   /* between two looks at /proc */
#define VANISH_BURST 64      /* clients between two that wait for their echo */
#define IDLE_MS 100          /* as long does `idle` look */
#define IDLE_WAKEUP_MS 5     /* a server that waits need not wake more often */
#define PAST_MAX 64          /* closed connections whose bytes are still recognized */
#define MORE_MAX (256 << 10) /* bytes read after a wrong one, to see what happened */
#define MORE_QUIET_MS 100    /* ... unless nothing comes for so long */

struct conn {
    int fd;                 /* -1: closed by us */
    size_t sent;            /* of the plan that runs now */
    size_t came;            /* likewise */
    bool half_closed;       /* likewise */
    bool ended;             /* likewise: the end that the plan wants was seen */
    size_t poured;          /* not yet drunk */
    uint64_t id;            /* every connection has another */
    struct sent sent_bytes; /* by all plans */
    size_t came_ever;       /* as wanted, likewise */
};

struct group {
    char name[NAME_LEN_MAX + 1]; /* "": this place is free */
    size_t count;
    struct conn *conns;
};

struct word {
    char *bytes; /* ends with a NUL that len does not count */
    size_t len;
    bool quoted;
};

/* A line, cut into words. word[0] is the verb. */
struct command {
    int count;
    struct word word[WORDS_MAX];
};

enum end { END_NOT_WANTED, END_CLEAN, END_ANY };

/* What every connection of a group has to do before the verb is done. */
struct plan {
    struct source source;
    bool sends, reads;
    bool half_closes; /* once all is sent */
    bool patient;     /* the deadline starts again whenever bytes move */
    bool discards;    /* whatever comes is skipped */
    bool may_end; /* the server may end the connection before, and must do one of both */
    enum end end; /* wanted after the last byte */
    int send_flags;
    size_t send_max, recv_max;
};

enum gauge {
    GAUGE_CLOCK,
    GAUGE_CPU,
    GAUGE_FDS,
    GAUGE_RSS,
    GAUGE_THREADS,
    GAUGE_CHILDREN,
    GAUGE_BLOCKS,
    GAUGE_BYTES,
    GAUGES
};

static struct {
    struct sockaddr_storage address;
    socklen_t address_len;
    const char *address_text, *port_text;
    pid_t server; /* 0: not told */
    int within_ms;
    int factor;             /* within_ms is the deadline after multiplication */
    int total_ms;           /* likewise: for all lines together, which ends... */
    int64_t total_until_ms; /* ... then, by the fair clock */
    int64_t began_ms;       /* of the limit that runs, by the fair clock */
    int64_t used_ms;        /* of its limits the one that was used most; how much */
    int used_within_ms;
    const char *line;      /* the one that runs */
    bool server_stopped;   /* by us */
    struct counts *counts; /* of the server, if PROBE_COUNTS names their file */
    long long mark[GAUGES];
    int64_t fair_mark_ms;   /* the fair clock then */
    long long late_from_ms; /* later than that we can no longer judge; 0: always */
    int attempts;
    jmp_buf begin; /* of the script */
    struct group group[GROUPS_MAX];
    uint64_t last_id;
    struct sent past[PAST_MAX]; /* of closed connections */
    size_t past_count;
    const char *kind; /* of the failure; NULL: none */
} probe = {
    .address_text = "127.0.0.1", .within_ms = 2000, .factor = 1, .total_ms = TOTAL_MS};

/* ---- how it ends ------------------------------------------------------------- */

static void let_server_go_on(void)
{
    if (probe.server_stopped)
        kill(probe.server, SIGCONT);
    probe.server_stopped = false;
}

static long long now_ms(void);

/* See the verb in-time. */
static void begin_anew_if_late(void)
{
    if (probe.late_from_ms == 0 || now_ms() < probe.late_from_ms ||
        ++probe.attempts == ATTEMPTS_MAX)
        return;
    let_server_go_on();
    longjmp(probe.begin, 1);
}

__attribute__((noreturn, format(printf, 2, 3))) static void server_wrong(
    const char *wanted, const char *saw, ...)
{
    va_list arguments;

    begin_anew_if_late();
    let_server_go_on();
    printf("step\t%s\nsaw\t", probe.line);
    va_start(arguments, saw);
    vprintf(saw, arguments);
    va_end(arguments);
    if (fair_ms() >= probe.total_until_ms)
        printf("; the whole script took more than %d s", probe.total_ms / 1000);
    printf("\nwanted\t%s\n", wanted);
    if (probe.kind)
        printf("kind\t%s\n", probe.kind);
    fflush(stdout);
    exit(1);
}

__attribute__((noreturn)) static void server_ended(const char *wanted)
{
    probe.kind = "gone";
    server_wrong(wanted, "the server process has ended");
}

__attribute__((noreturn, format(printf, 1, 2))) static void script_wrong(
    const char *reason, ...)
{
    va_list arguments;

    let_server_go_on();
    fprintf(stderr, "probe: %s: ", probe.line ? probe.line : "command line");
    va_start(arguments, reason);
    vfprintf(stderr, reason, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size ? size : 1);

    if (!memory)
        script_wrong("out of memory");
    return memory;
}

/* ---- time -------------------------------------------------------------------- */

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* How much of the limit that ends here was used? The most is kept. */
static void note_limit(int limit_ms)
{
    int64_t used_ms = fair_ms() - probe.began_ms;

    if (probe.used_within_ms == 0 ||
        used_ms * probe.used_within_ms > probe.used_ms * limit_ms) {
        probe.used_ms = used_ms;
        probe.used_within_ms = limit_ms;
    }
}

/* By the fair clock, which begins at 0. */
static int64_t deadline(void)
{
    note_limit(probe.within_ms);
    probe.began_ms = fair_ms();
    int64_t until_ms = probe.began_ms + probe.within_ms;
    return until_ms < probe.total_until_ms ? until_ms : probe.total_until_ms;
}

/* ---- words ------------------------------------------------------------------- */

static int hex_digit(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *at = digit ? strchr(digits, tolower((unsigned char)digit)) : NULL;

    if (!at)
        script_wrong("\\x wants two hex digits");
    return (int)(at - digits);
}

/* Decodes the escape after a backslash, moves *at behind it. */
static char unescape(const char **at)
{
    static const char names[] = "nrt0\\\"", values[] = "\n\r\t\0\\\"";
    char name = *(*at)++;
    const char *known = name ? strchr(names, name) : NULL;

    if (known)
        return values[known - names];
    if (name != 'x')
        script_wrong("unknown escape \\%c", name);
    int high = hex_digit(*(*at)++);
    int low = hex_digit(*(*at)++);
    return (char)(high * 16 + low);
}

static size_t parse_size(const char *text, const char **end)
{
    char *rest;

    errno = 0;
    unsigned long long size = strtoull(text, &rest, 10);
    if (errno != 0 || rest == text || !isdigit((unsigned char)*text) ||
        size > SIZE_MAX >> 21)
        script_wrong("'%s' is not a size", text);
    if (*rest == 'k')
        size <<= 10;
    else if (*rest == 'M')
        size <<= 20;
    if (*rest == 'k' || *rest == 'M')
        rest++;
    *end = rest;
    return (size_t)size;
}

static size_t size_of(const char *text)
{
    const char *end;
    size_t size = parse_size(text, &end);

    if (*end)
        script_wrong("'%s' is not a size", text);
    return size;
}

static void repeat(struct word *word, size_t times)
{
    if (word->len > 0 && times > (1U << 30) / word->len)
        script_wrong("text too long");
    char *all = allocate(word->len * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * word->len, word->bytes, word->len);
    free(word->bytes);
    word->bytes = all;
    word->len *= times;
}

static const char *parse_quoted(const char *at, struct word *word)
{
    word->quoted = true;
    for (at++; *at != '"';) {
        if (*at == '\0')
            script_wrong("no closing quote");
        char byte = *at++;
        word->bytes[word->len++] = byte == '\\' ? unescape(&at) : byte;
    }
    at++;
    if (*at == '*') {
        size_t times = parse_size(at + 1, &at);
        repeat(word, times);
    }
    return at;
}

static const char *parse_word(const char *at, struct word *word)
{
    *word = (struct word){.bytes = allocate(strlen(at) + 1)};
    if (*at == '"')
        at = parse_quoted(at, word);
    else
        while (*at && *at != ' ')
            word->bytes[word->len++] = *at++;
    if (*at && *at != ' ')
        script_wrong("a blank is missing before '%s'", at);
    return at;
}

static void parse_line(const char *line, struct command *command)
{
    command->count = 0;
    for (;;) {
        line += strspn(line, " ");
        if (!*line)
            break;
        if (command->count == WORDS_MAX)
            script_wrong("more than %d words", WORDS_MAX);
        line = parse_word(line, &command->word[command->count++]);
    }
    if (command->count == 0)
        script_wrong("an empty line");
}

static void free_words(struct command *command)
{
    for (int i = 0; i < command->count; i++)
        free(command->word[i].bytes);
}

static const char *word_at(const struct command *command, int index)
{
    if (index >= command->count)
        script_wrong("a word is missing");
    return command->word[index].bytes;
}

/* The value of key=VALUE, or NULL. */
static const char *option(const struct command *command, const char *key)
{
    size_t len = strlen(key);

    for (int i = 1; i < command->count; i++) {
        const char *word = command->word[i].bytes;
        if (!command->word[i].quoted && strncmp(word, key, len) == 0 && word[len] == '=')
            return word + len + 1;
    }
    return NULL;
}

static size_t size_option(
    const struct command *command, const char *key, size_t otherwise)
{
    const char *value = option(command, key);

    return value ? size_of(value) : otherwise;
}

static bool has_word(const struct command *command, const char *word)
{
    for (int i = 1; i < command->count; i++)
        if (!command->word[i].quoted && strcmp(command->word[i].bytes, word) == 0)
            return true;
    return false;
}

/* ---- sources ----------------------------------------------------------------- */

/* The TEXT that begins at word `index`. It is not freed: what was sent refers to it. */
static struct source parse_source(const struct command *command, int index)
{
    struct source source = {.seed = 1};
    char *text = NULL;
    const char *first = word_at(command, index);

    if (!command->word[index].quoted && strncmp(first, "random:", 7) == 0) {
        source.len = size_of(first + 7);
        return source;
    }
    for (int i = index; i < command->count; i++) {
        const struct word *word = &command->word[i];
        if (!word->quoted)
            script_wrong("'%s' should be a text in quotes", word->bytes);
        text = realloc(text, source.len + word->len + 1);
        if (!text)
            script_wrong("out of memory");
        memcpy(text + source.len, word->bytes, word->len);
        source.text = text;
        source.len += word->len;
    }
    return source;
}

/* Writes bytes so that they can be read and pasted back into a script. */
static const char *escaped(const char *bytes, size_t len, char *to, size_t size)
{
    static const char names[] = "nrt\\\"", values[] = "\n\r\t\\\"";
    size_t shown = len < EXCERPT_MAX ? len : EXCERPT_MAX;
    size_t at = (size_t)snprintf(to, size, "\"");

    for (size_t i = 0; i < shown; i++) {
        const char *known = bytes[i] ? strchr(values, bytes[i]) : NULL;
        if (known)
            at += (size_t)snprintf(to + at, size - at, "\\%c", names[known - values]);
        else if (isprint((unsigned char)bytes[i]))
            at += (size_t)snprintf(to + at, size - at, "%c", bytes[i]);
        else
            at +=
                (size_t)snprintf(to + at, size - at, "\\x%02x", (unsigned char)bytes[i]);
    }
    snprintf(to + at, size - at, shown < len ? "\"... (%zu bytes)" : "\"", len);
    return to;
}

#define EXCERPT_SIZE (EXCERPT_MAX * 4 + 40)

static const char *describe_source(const struct source *source, char *to, size_t size)
{
    if (source->text)
        return escaped(source->text, source->len, to, size);
    snprintf(to, size, "%zu pseudo-random bytes", source->len);
    return to;
}

/* ---- groups ------------------------------------------------------------------ */

/* Cuts NAME or NAME*COUNT. */
static size_t parse_name(const char *word, char name[NAME_LEN_MAX + 1])
{
    size_t len = strcspn(word, "*");

    if (len == 0 || len > NAME_LEN_MAX)
        script_wrong("'%s' is not a name", word);
    memcpy(name, word, len);
    name[len] = '\0';
    if (word[len] == '\0')
        return 1;
    size_t count = size_of(word + len + 1);
    if (count == 0 || count > COUNT_MAX)
        script_wrong("'%s': not between 1 and %d", word, COUNT_MAX);
    return count;
}

static struct group *find_group(const char *name)
{
    for (int i = 0; i < GROUPS_MAX; i++)
        if (strcmp(probe.group[i].name, name) == 0)
            return &probe.group[i];
    return NULL;
}

/* The open group that word[1] names. */
static struct group *group_of(const struct command *command)
{
    const char *word = word_at(command, 1);
    char name[NAME_LEN_MAX + 1];
    size_t count = parse_name(word, name);
    struct group *group = find_group(name);

    if (!group)
        script_wrong("'%s' is not open", name);
    if (strchr(word, '*') && count != group->count)
        script_wrong("%s has %zu connections", name, group->count);
    return group;
}

static struct group *new_group(const struct command *command)
{
    char name[NAME_LEN_MAX + 1];
    size_t count = parse_name(word_at(command, 1), name);

    if (find_group(name))
        script_wrong("'%s' is open already", name);
    struct group *group = find_group("");
    if (!group)
        script_wrong("more than %d names", GROUPS_MAX);
    strcpy(group->name, name);
    group->count = count;
    group->conns = allocate(count * sizeof *group->conns);
    for (size_t i = 0; i < count; i++)
        group->conns[i].fd = -1;
    return group;
}

/* Closes it; its bytes may still be found where they should not be. */
static void end_conn(struct conn *conn)
{
    struct sent *past = &probe.past[probe.past_count++ % PAST_MAX];

    free(past->segments);
    *past = conn->sent_bytes;
    if (conn->fd >= 0)
        close(conn->fd);
}

static void free_group(struct group *group)
{
    for (size_t i = 0; i < group->count; i++)
        end_conn(&group->conns[i]);
    free(group->conns);
    *group = (struct group){.count = 0};
}

/* "" for a connection alone, "x[17]: " for one of a group. */
static const char *which(const struct group *group, const struct conn *conn)
{
    static char text[NAME_LEN_MAX + 32];

    text[0] = '\0';
    if (group->count > 1)
        snprintf(text, sizeof text, "%s[%td]: ", group->name, conn - group->conns);
    return text;
}

/* The source as this connection sends it: random bytes are different on each. */
static struct source own_source(const struct source *source, const struct conn *conn)
{
    struct source own = *source;

    if (!own.text)
        own.seed = random_word(own.seed, conn->id);
    return own;
}

static void note_sent(
    struct conn *conn, const struct source *source, size_t from, size_t len)
{
    if (!sent_note(&conn->sent_bytes, source, from, len))
        script_wrong("out of memory");
}

/* ---- connecting -------------------------------------------------------------- */

static void set_option(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof value) < 0)
        script_wrong("setsockopt: %s", strerror(errno));
}

/* Binds the client to an address of its own: all of 127.0.0.0/8 is this machine. The port
 * is picked at the connect, so that one can be used for many addresses (ip(7)). */
static void bind_to(int fd, const char *text)
{
    struct sockaddr_in own = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &own.sin_addr) != 1)
        script_wrong("from=%s is no IPv4 address", text);
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (bind(fd, (const struct sockaddr *)&own, sizeof own) < 0)
        script_wrong("from=%s: %s", text, strerror(errno));
}

/* A connect that has begun; poll for POLLOUT tells when it is done. */
static int begin_connect(const struct command *command)
{
    const char *from = option(command, "from");
    size_t rcvbuf = size_option(command, "rcvbuf", 0);
    size_t sndbuf = size_option(command, "sndbuf", 0);
    size_t mss = size_option(command, "mss", 0);
    int fd =
        socket(probe.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        script_wrong("socket: %s", strerror(errno));
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rcvbuf) /* before connect: the window is agreed there (tcp(7)) */
        set_option(fd, SOL_SOCKET, SO_RCVBUF, (int)rcvbuf);
    if (sndbuf)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, (int)sndbuf);
    if (mss) /* binds the server's side, too: it gets by with small buffers, soon full */
        set_option(fd, IPPROTO_TCP, TCP_MAXSEG, (int)mss);
    if (from)
        bind_to(fd, from);
    if (connect(fd, (const struct sockaddr *)&probe.address, probe.address_len) < 0 &&
        errno != EINPROGRESS) {
        if (errno == EADDRNOTAVAIL)
            script_wrong("connect: out of local ports");
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

static int connect_result(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

__attribute__((noreturn)) static void connect_wrong(int error)
{
    char wanted[128];

    probe.kind = "refused";
    snprintf(wanted, sizeof wanted, "a connection to %s port %s within %d ms",
        probe.address_text, probe.port_text, probe.within_ms);
    server_wrong(wanted, "connect: %s", error ? strerror(error) : "no answer");
}

/* Begins up to OPENING_MAX connects, waits for all of them. */
static void open_some(
    const struct command *command, struct conn *conns, size_t count, int64_t until_ms)
{
    struct pollfd wait = {.events = POLLOUT};

    for (size_t i = 0; i < count; i++) {
        conns[i] = (struct conn){.fd = begin_connect(command), .id = ++probe.last_id};
        if (conns[i].fd < 0)
            connect_wrong(errno);
    }
    for (size_t i = 0; i < count; i++) {
        wait.fd = conns[i].fd;
        if (fair_poll(&wait, 1, until_ms) == 0)
            connect_wrong(0);
        int error = connect_result(wait.fd);
        if (error)
            connect_wrong(error);
    }
}

static void open_all(const struct command *command, struct conn *conns, size_t count)
{
    int64_t until_ms = deadline();

    for (size_t done = 0; done < count;) {
        size_t some = count - done < OPENING_MAX ? count - done : OPENING_MAX;
        open_some(command, conns + done, some, until_ms);
        done += some;
    }
}

/* ---- carrying out a plan ----------------------------------------------------- */

static bool output_pending(const struct plan *plan, const struct conn *conn)
{
    return plan->sends &&
           (conn->sent < plan->source.len || (plan->half_closes && !conn->half_closed));
}

static bool input_wanted(const struct plan *plan, const struct conn *conn)
{
    if (plan->reads && conn->came < plan->source.len)
        return true;
    return plan->end != END_NOT_WANTED && !conn->ended;
}

static void describe_wanted(const struct plan *plan, char *to, size_t size)
{
    char text[EXCERPT_SIZE] = "";
    const char *verb = plan->sends && plan->reads ? " echoed"
                       : plan->sends              ? " taken"
                                                  : "";
    const char *end = plan->end == END_CLEAN ? "the end of the connection (EOF)"
                      : plan->end == END_ANY ? "the connection closed"
                                             : "";

    if (plan->source.len > 0)
        describe_source(&plan->source, text, sizeof text);
    snprintf(to, size, "%s%s%s%s within %d ms%s", text, verb,
        *text && *end ? ", then " : "", end, probe.within_ms,
        plan->patient ? " of the last progress" : "");
}

#define WANTED_SIZE (EXCERPT_SIZE + 128)

static void plan_wrong(const struct plan *plan, const struct group *group,
    const struct conn *conn, bool reset)
{
    const char *what =
        reset ? "the server reset the connection" : "the server closed the connection";
    char wanted[WANTED_SIZE];

    probe.kind = reset ? "reset" : "closed";
    describe_wanted(plan, wanted, sizeof wanted);
    if (plan->reads)
        server_wrong(wanted, "%s%s after %zu of %zu bytes", which(group, conn), what,
            conn->came, plan->source.len);
    server_wrong(wanted, "%s%s", which(group, conn), what);
}

static void plan_late(
    const struct plan *plan, const struct group *group, const struct conn *conn)
{
    const char *name = which(group, conn);
    char wanted[WANTED_SIZE];

    describe_wanted(plan, wanted, sizeof wanted);
    if (plan->reads && conn->came < plan->source.len) {
        probe.kind = conn->came > 0 ? "cut" : "silent";
        server_wrong(wanted, "%snothing within %d ms (%zu of %zu bytes came)", name,
            probe.within_ms, conn->came, plan->source.len);
    }
    if (output_pending(plan, conn)) {
        probe.kind = "stuck";
        server_wrong(wanted, "%sthe server took only %zu of %zu bytes within %d ms", name,
            conn->sent, plan->source.len, probe.within_ms);
    }
    probe.kind = "open";
    server_wrong(
        wanted, "%sthe connection was still open after %d ms", name, probe.within_ms);
}

static void see_end(
    const struct plan *plan, const struct group *group, struct conn *conn, int error);

static bool send_some(
    const struct plan *plan, const struct group *group, struct conn *conn)
{
    static char piece[PIECE_MAX];
    size_t len = plan->source.len - conn->sent;

    if (len == 0) {
        shutdown(conn->fd, SHUT_WR);
        conn->half_closed = true;
        return true;
    }
    len = len < plan->send_max ? len : plan->send_max;
    struct source source = own_source(&plan->source, conn);
    source_copy(&source, conn->sent, piece, len);
    ssize_t n = send(conn->fd, piece, len, plan->send_flags);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET) && plan->may_end) {
        see_end(plan, group, conn, errno);
        return true;
    }
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
        plan_wrong(plan, group, conn, true);
    if (n < 0)
        script_wrong("send: %s", strerror(errno));
    note_sent(conn, &source, conn->sent, (size_t)n);
    conn->sent += (size_t)n;
    return true;
}

/* Reads what else comes, for a while. */
static size_t read_more(int fd, char *to, size_t size)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    size_t len = 0;

    while (len < size && poll(&wait, 1, MORE_QUIET_MS) == 1) {
        ssize_t n = recv(fd, to + len, size - len, MSG_DONTWAIT);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

/* The name of the other connection that has sent these bytes, or NULL. */
static const char *who_sent(const struct conn *conn, const char *bytes, size_t len)
{
    static char name[NAME_LEN_MAX + 32];
    size_t at;

    for (int i = 0; i < GROUPS_MAX; i++) {
        const struct group *group = &probe.group[i];
        for (size_t j = 0; group->name[0] && j < group->count; j++) {
            const struct conn *other = &group->conns[j];
            if (other == conn ||
                !sent_find(&other->sent_bytes, 0, SIZE_MAX, bytes, len, &at))
                continue;
            snprintf(
                name, sizeof name, group->count > 1 ? "%s[%zu]" : "%s", group->name, j);
            return name;
        }
    }
    for (size_t i = 0; i < PAST_MAX; i++)
        if (sent_find(&probe.past[i], 0, SIZE_MAX, bytes, len, &at))
            return "a connection that is closed";
    return NULL;
}

/* Bytes of an echo that should be those sent from place `here` on: where do they belong?
 * Sets probe.kind, and writes what happened; "" if there are too few to say. `first` is
 * the number of the byte at `here`, as the test counts. */
static void tell_origin(const struct conn *conn, const char *bytes, size_t len,
    size_t first, char *to, size_t size)
{
    const struct sent *sent = &conn->sent_bytes;
    size_t here = conn->came_ever, at, window = len < SENT_WINDOW ? len : SENT_WINDOW;
    char right[SENT_WINDOW];
    const char *other;

    to[0] = '\0';
    probe.kind = "invented";
    if (window < SENT_WINDOW_MIN)
        return;
    if (sent_find(sent, here + 1, SIZE_MAX, bytes, window, &at)) {
        size_t some = sent_copy(sent, here, right, sizeof right);
        bool late = some > 0 && memmem(bytes, len, right, some);
        probe.kind = late ? "reordered" : "lost";
        snprintf(to, size,
            late ? "the bytes from %zu on overtook those before them"
                 : "%zu bytes are missing there, those after them came",
            late ? first + at - here : at - here);
    } else if (sent_find_last(sent, here, bytes, window, &at)) {
        size_t again = sent_match(sent, at, bytes, len);
        if (again > here - at) /* it goes on from there */
            again = here - at;
        probe.kind = "repeated";
        if (at + first > here)
            snprintf(to, size, "bytes %zu to %zu came once more", first + at - here,
                first + at - here + again - 1);
        else
            snprintf(to, size, "%zu bytes of an earlier message came once more", again);
    } else if ((other = who_sent(conn, bytes, window))) {
        probe.kind = "foreign";
        snprintf(to, size, "bytes that %s sent", other);
    } else if (memcmp(bytes, (char[SENT_WINDOW]){0}, window) == 0) {
        snprintf(to, size, "zero bytes, which nobody sent");
    } else {
        snprintf(to, size, "bytes that nobody sent");
    }
}

/* Bytes came when none should: ", which ..." tells whose they are, if it can be told. */
static const char *whose(const struct conn *conn, const char *bytes, size_t len)
{
    static char text[NAME_LEN_MAX + 64];
    size_t at, window = len < SENT_WINDOW ? len : SENT_WINDOW;
    const char *other;

    text[0] = '\0';
    probe.kind = "unasked";
    if (window < SENT_WINDOW_MIN)
        return text;
    if (sent_find(&conn->sent_bytes, 0, conn->came_ever, bytes, window, &at))
        snprintf(text, sizeof text, ", which had come before");
    else if ((other = who_sent(conn, bytes, window)))
        snprintf(text, sizeof text, ", which %s sent", other);
    return text;
}

#define ORIGIN_SIZE 128

/* Is what we want at byte `came` of the plan an echo of what this connection has sent? */
static bool wants_echo(const struct conn *conn, const struct source *source, size_t came)
{
    char wanted[SENT_WINDOW], sent[SENT_WINDOW];
    size_t len = source->len - came < SENT_WINDOW ? source->len - came : SENT_WINDOW;

    source_copy(source, came, wanted, len);
    size_t some = sent_copy(&conn->sent_bytes, conn->came_ever, sent, len);
    return some > 0 && memcmp(wanted, sent, some) == 0;
}

/* The byte with the number conn->came is wrong; bytes[at] is that byte. */
__attribute__((noreturn)) static void wrong_bytes(const struct plan *plan,
    const struct group *group, const struct conn *conn, const char *bytes, size_t at,
    size_t len)
{
    static char more[MORE_MAX + PIECE_MAX];
    struct source source = own_source(&plan->source, conn);
    char saw[EXCERPT_SIZE], wanted[WANTED_SIZE], origin[ORIGIN_SIZE] = "";
    /* A little of what was correct before it tells where we are. */
    size_t from = at > 8 ? at - 8 : 0, show = len - from;

    memcpy(more, bytes + at, len - at);
    size_t more_len = len - at + read_more(conn->fd, more + len - at, MORE_MAX);
    if (conn->came_ever == conn->sent_bytes.len)
        snprintf(origin, sizeof origin, "more bytes came than were sent%s",
            whose(conn, more, more_len));
    else if (wants_echo(conn, &source, conn->came))
        tell_origin(conn, more, more_len, conn->came + 1, origin, sizeof origin);
    if (source.text || !*origin) {
        escaped(bytes + from, show, saw, sizeof saw);
        source_copy(&source, conn->came - (at - from), more, show);
        escaped(more, show, wanted, sizeof wanted);
        strcat(wanted, " there");
        server_wrong(wanted, "%sbyte %zu of %zu is wrong: %s at byte %zu%s%s",
            which(group, conn), conn->came + 1, source.len, saw,
            conn->came - (at - from) + 1, *origin ? ": " : "", origin);
    }
    describe_wanted(plan, wanted, sizeof wanted);
    server_wrong(wanted, "%sbyte %zu of %zu is wrong: %s", which(group, conn),
        conn->came + 1, source.len, origin);
}

static void compare(const struct plan *plan, const struct group *group, struct conn *conn,
    const char *piece, size_t len)
{
    static char right[PIECE_MAX];
    struct source source = own_source(&plan->source, conn);
    size_t i = 0;

    source_copy(&source, conn->came, right, len);
    while (i < len && piece[i] == right[i])
        i++;
    conn->came += i;
    conn->came_ever += i;
    if (i < len)
        wrong_bytes(plan, group, conn, piece, i, len);
}

/* The connection ended, by a FIN (error 0) or an error. */
static void see_end(
    const struct plan *plan, const struct group *group, struct conn *conn, int error)
{
    if (error && error != ECONNRESET && error != EPIPE)
        script_wrong("recv: %s", strerror(error));
    if (plan->may_end) {
        conn->ended = true;
        conn->sent = conn->came = plan->source.len;
        return;
    }
    bool too_early = plan->reads && conn->came < plan->source.len;
    if (too_early || (error && plan->end != END_ANY))
        plan_wrong(plan, group, conn, error != 0);
    conn->ended = true;
}

static bool recv_some(
    const struct plan *plan, const struct group *group, struct conn *conn)
{
    static char piece[PIECE_MAX];
    char saw[EXCERPT_SIZE];
    /* Never more than is wanted: the next verb must find the rest. */
    size_t wanted = plan->reads ? plan->source.len - conn->came : 0;
    size_t len = wanted == 0               ? EXCERPT_MAX
                 : wanted < plan->recv_max ? wanted
                                           : plan->recv_max;
    ssize_t n = recv(conn->fd, piece, len, 0);

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        see_end(plan, group, conn, n < 0 ? errno : 0);
    } else if (wanted > 0) {
        compare(plan, group, conn, piece, (size_t)n);
    } else if (!plan->discards) {
        server_wrong("no further byte, and the end of the connection (EOF)",
            "%s%s came%s", which(group, conn), escaped(piece, (size_t)n, saw, sizeof saw),
            whose(conn, piece, (size_t)n));
    }
    return true;
}

/* Does what it can for one connection now. True: something moved. */
static bool advance(const struct plan *plan, const struct group *group, struct conn *conn)
{
    bool moved = false;

    /* Input first: if the server has left, that tells more than a failing send. */
    if (input_wanted(plan, conn))
        moved = recv_some(plan, group, conn);
    if (output_pending(plan, conn))
        moved |= send_some(plan, group, conn);
    return moved;
}

static short wanted_events(const struct plan *plan, const struct conn *conn)
{
    return (short)((output_pending(plan, conn) ? POLLOUT : 0) |
                   (input_wanted(plan, conn) ? POLLIN : 0));
}

/* The connections that a plan waits for: the first that are not done. To ask for all of
 * 10,000 each time one has something would take longer than the server needs. */
struct watch {
    size_t first; /* those before it are done */
    size_t count;
    struct pollfd polls[WATCHED_MAX];
    struct conn *owners[WATCHED_MAX];
};

/* False: all are done. */
static bool collect(
    const struct plan *plan, const struct group *group, struct watch *watch)
{
    watch->count = 0;
    for (size_t i = watch->first; i < group->count && watch->count < WATCHED_MAX; i++) {
        short events = wanted_events(plan, &group->conns[i]);
        if (events) {
            watch->polls[watch->count] =
                (struct pollfd){.fd = group->conns[i].fd, .events = events};
            watch->owners[watch->count++] = &group->conns[i];
        } else if (watch->count == 0) {
            watch->first = i + 1;
        }
    }
    return watch->count > 0;
}

static void run_plan(const struct plan *plan, struct group *group)
{
    static struct watch watch;
    int64_t until_ms = deadline();

    watch.first = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct conn *conn = &group->conns[i];
        conn->sent = conn->came = 0;
        conn->half_closed = conn->ended = false;
    }
    /* All begin at once, also those that we do not watch yet. */
    for (size_t i = 0; i < group->count && group->count > WATCHED_MAX; i++)
        advance(plan, group, &group->conns[i]);
    while (collect(plan, group, &watch)) {
        bool moved = false;
        if (fair_poll(watch.polls, watch.count, until_ms) == 0)
            plan_late(plan, group, watch.owners[0]);
        for (size_t i = 0; i < watch.count; i++)
            if (watch.polls[i].revents)
                moved |= advance(plan, group, watch.owners[i]);
        if (plan->patient && moved)
            until_ms = deadline();
        else if (fair_over(until_ms) && collect(plan, group, &watch))
            plan_late(plan, group, watch.owners[0]);
    }
}

/* Runs a plan whose bytes are the TEXT from word 2 on. */
static void run_text(const struct command *command, struct plan plan)
{
    plan.source = parse_source(command, 2);
    plan.send_max = plan.send_max ? plan.send_max : PIECE_MAX;
    plan.recv_max = PIECE_MAX;
    run_plan(&plan, group_of(command));
}

/* ---- the server process ------------------------------------------------------ */

static pid_t server_pid(void)
{
    if (probe.server == 0)
        script_wrong("this verb needs -P SERVER_PID");
    return probe.server;
}

/* The fields of a stat file from the state on (proc(5)), or false: gone. The name of
 * the program stands before them, in brackets, and may itself hold brackets. */
static bool read_stat(const char *path, char *fields, size_t size)
{
    char line[1024];
    FILE *file = fopen(path, "re");

    if (!file)
        return false;
    char *got = fgets(line, sizeof line, file);
    fclose(file);
    char *close_bracket = got ? strrchr(line, ')') : NULL;
    if (!close_bracket || close_bracket[1] == '\0')
        return false;
    snprintf(fields, size, "%s", close_bracket + 2);
    return true;
}

static bool server_gone(void)
{
    char path[64], fields[1024];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)server_pid());
    /* Z: it has ended, its parent has not asked for the status yet. */
    return !read_stat(path, fields, sizeof fields) || fields[0] == 'Z' ||
           fields[0] == 'X';
}

static DIR *open_server_dir(const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)server_pid(), name);
    return opendir(path);
}

static bool all_tasks_stopped(void)
{
    DIR *tasks = open_server_dir("task");
    bool stopped = true;
    struct dirent *task;

    if (!tasks)
        return false;
    while (stopped && (task = readdir(tasks))) {
        char path[320], fields[1024];
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)server_pid(),
            task->d_name);
        stopped = !read_stat(path, fields, sizeof fields) || fields[0] == 'T' ||
                  fields[0] == 't';
    }
    closedir(tasks);
    return stopped;
}

/* What its threads were doing at one look. */
struct look {
    bool asleep;        /* all of them, in a system call that waits */
    long long switches; /* how often they have left a core, in all */
    long long threads;  /* the sum of their numbers */
};

static long long switches_of(const char *task, bool with_involuntary)
{
    char path[320], line[128];
    long long switches = 0, some;

    snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", (int)server_pid(), task);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "voluntary_ctxt_switches: %lld", &some) == 1 ||
            (with_involuntary &&
                sscanf(line, "nonvoluntary_ctxt_switches: %lld", &some) == 1))
            switches += some;
    fclose(file);
    return switches;
}

static struct look look_at_server(void)
{
    struct look look = {.asleep = true};
    DIR *tasks = open_server_dir("task");
    struct dirent *task;

    if (!tasks || server_gone())
        server_ended("a running server");
    while ((task = readdir(tasks))) {
        char path[320], fields[1024];
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)server_pid(),
            task->d_name);
        if (!read_stat(path, fields, sizeof fields) || !strchr("STt", fields[0]))
            look.asleep = false;
        look.switches += switches_of(task->d_name, true);
        look.threads += atoll(task->d_name);
    }
    closedir(tasks);
    return look;
}

/* True: no thread of the server has anything to do. One look is not enough, for work may
 * pass from a thread that we have not yet seen to one that we saw asleep. But who slept
 * at the second look and has left no core since the first has not worked in between:
 * when the first look ended and the second began, all were asleep at once. */
static bool server_asleep(void)
{
    struct look first = look_at_server();
    struct look second = look_at_server();

    return second.asleep && first.switches == second.switches &&
           first.threads == second.threads;
}

static void wait_asleep(void)
{
    int64_t until_ms = deadline();
    char wanted[128];

    while (!server_asleep()) {
        if (fair_over(until_ms)) {
            snprintf(wanted, sizeof wanted,
                "all threads asleep within %d ms: they have nothing to do",
                probe.within_ms);
            probe.kind = "busy";
            server_wrong(wanted, "the server works on and on");
        }
        fair_pause(POLL_PAUSE_US);
    }
}

/* ---- verbs: connections ------------------------------------------------------ */

static void do_open(const struct command *command)
{
    struct group *group = new_group(command);

    open_all(command, group->conns, group->count);
}

/* What connect says: 0, or an error; no answer is ETIMEDOUT. */
static int try_to_connect(const struct command *command)
{
    struct pollfd wait = {.events = POLLOUT};
    int error = ETIMEDOUT;

    wait.fd = begin_connect(command);
    if (wait.fd < 0)
        return errno;
    if (fair_poll(&wait, 1, deadline()) == 1)
        error = connect_result(wait.fd);
    close(wait.fd);
    return error;
}

static void do_refused(const struct command *command)
{
    long long until_ms = deadline();
    int error = try_to_connect(command);

    /* A connection that was made while the listener closed is reset. */
    while ((error == 0 || error == ECONNRESET) && has_word(command, "soon") &&
           !fair_over(until_ms)) {
        fair_pause(POLL_PAUSE_US);
        error = try_to_connect(command);
    }
    if (error != ECONNREFUSED)
        server_wrong("connect: Connection refused", "connecting to %s port %s: %s",
            probe.address_text, probe.port_text,
            error ? strerror(error) : "somebody listens there");
}

static void do_send(const struct command *command)
{
    run_text(command, (struct plan){.sends = true});
}

static void do_drip(const struct command *command)
{
    run_text(command, (struct plan){.sends = true, .send_max = 1});
}

static void do_urgent(const struct command *command)
{
    run_text(command, (struct plan){.sends = true, .send_flags = MSG_OOB});
}

static void do_expect(const struct command *command)
{
    run_text(command, (struct plan){.reads = true});
}

static void do_echo(const struct command *command)
{
    run_text(command, (struct plan){.sends = true, .reads = true});
}

static void do_echo_or_end(const struct command *command)
{
    run_text(command, (struct plan){.sends = true, .reads = true, .may_end = true});
}

static void do_eof(const struct command *command)
{
    run_plan(&(struct plan){.end = END_CLEAN}, group_of(command));
}

static void do_closed(const struct command *command)
{
    run_plan(&(struct plan){.end = END_ANY, .discards = true}, group_of(command));
}

static void do_stream(const struct command *command)
{
    struct plan plan = {
        .source = {.len = size_of(word_at(command, 2)),
            .seed = size_option(command, "seed", 1)},
        .sends = true,
        .reads = true,
        .half_closes = true,
        .patient = true,
        .end = END_CLEAN,
        .send_max = size_option(command, "chunk", PIECE_MAX),
        .recv_max = has_word(command, "slow") ? PIECE_SLOW : PIECE_MAX,
    };

    if (plan.send_max == 0 || plan.send_max > PIECE_MAX)
        script_wrong("chunk: not between 1 and %d", PIECE_MAX);
    run_plan(&plan, group_of(command));
}

static void do_half_close(const struct command *command)
{
    struct group *group = group_of(command);

    for (size_t i = 0; i < group->count; i++)
        shutdown(group->conns[i].fd, SHUT_WR);
}

/* Bytes, and the end of the stream, of which the server's kernel has not said that it has
 * them (tcp(7), SIOCOUTQ). */
static int on_the_way(int fd)
{
    int len = 0;

    if (ioctl(fd, SIOCOUTQ, &len) < 0)
        script_wrong("SIOCOUTQ: %s", strerror(errno));
    return len;
}

static void wait_arrived(const struct group *group, const struct conn *conn)
{
    int64_t until_ms = deadline();
    char wanted[64];
    int len;

    while ((len = on_the_way(conn->fd)) > 0) {
        if (fair_over(until_ms)) {
            snprintf(
                wanted, sizeof wanted, "all of it there within %d ms", probe.within_ms);
            server_wrong(wanted, "%s%d bytes are still on their way to the server",
                which(group, conn), len);
        }
        fair_pause(POLL_PAUSE_US);
    }
}

static void do_arrived(const struct command *command)
{
    struct group *group = group_of(command);

    for (size_t i = 0; i < group->count; i++)
        wait_arrived(group, &group->conns[i]);
}

/* When the last byte came, as the kernel knows it (tcp(7), TCP_INFO): with now_ms on both
 * sides of the question, so that an answer that took long is asked for again. */
static long long last_came_ms(const struct conn *conn)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    long long before_ms;

    do {
        before_ms = now_ms();
        if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
            script_wrong("TCP_INFO: %s", strerror(errno));
    } while (now_ms() - before_ms > 1);
    return before_ms - info.tcpi_last_data_recv;
}

/* However late we look: who was answered first? */
static void do_in_order(const struct command *command)
{
    long long last_ms = LLONG_MIN;

    for (int i = 1; i < command->count; i++) {
        const struct group *group = find_group(command->word[i].bytes);
        if (!group || group->count != 1)
            script_wrong("'%s' is not one open connection", command->word[i].bytes);
        long long came_ms = last_came_ms(&group->conns[0]);
        if (came_ms <= last_ms)
            server_wrong("the answers in the order of the requests",
                "%s was answered before %s", command->word[i].bytes,
                command->word[i - 1].bytes);
        last_ms = came_ms;
    }
}

/* Makes close send a RST instead of a FIN (socket(7)). */
static void reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        script_wrong("SO_LINGER: %s", strerror(errno));
}

static void do_reset(const struct command *command)
{
    struct group *group = group_of(command);

    for (size_t i = 0; i < group->count; i++)
        reset_on_close(group->conns[i].fd);
    free_group(group);
}

static void do_close(const struct command *command)
{
    free_group(group_of(command));
}

static void do_silent(const struct command *command)
{
    struct group *group = group_of(command);
    struct pollfd *polls = allocate(group->count * sizeof *polls);
    int time_ms = command->count > 2 ? (int)size_of(word_at(command, 2)) : 0;
    char bytes[EXCERPT_MAX], text[EXCERPT_SIZE];

    for (size_t i = 0; i < group->count; i++)
        polls[i] = (struct pollfd){.fd = group->conns[i].fd, .events = POLLIN};
    int ready = poll(polls, group->count, time_ms);
    for (size_t i = 0; ready > 0 && i < group->count; i++) {
        if (!polls[i].revents)
            continue;
        ssize_t n = recv(polls[i].fd, bytes, sizeof bytes, MSG_PEEK);
        if (n > 0)
            server_wrong("nothing yet", "%s%s%s", which(group, &group->conns[i]),
                escaped(bytes, (size_t)n, text, sizeof text),
                whose(&group->conns[i], bytes, (size_t)n));
        probe.kind = n < 0 ? "reset" : "closed";
        server_wrong("nothing yet", "%sthe server %s the connection",
            which(group, &group->conns[i]), n < 0 ? "reset" : "closed");
    }
    free(polls);
    probe.began_ms = fair_ms(); /* this was no limit */
}

/* One byte at a time, so that what follows stays for the next verb. */
static char recv_byte(int fd, const char *wanted, int64_t until_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char byte;

    probe.kind = "silent";
    if (fair_poll(&wait, 1, until_ms) == 0)
        server_wrong(wanted, "nothing within %d ms", probe.within_ms);
    ssize_t n = recv(fd, &byte, 1, 0);
    probe.kind = n < 0 ? "reset" : "closed";
    if (n <= 0)
        server_wrong(wanted, "the server %s the connection", n < 0 ? "reset" : "closed");
    probe.kind = NULL;
    return byte;
}

static void do_find(const struct command *command)
{
    struct source source = parse_source(command, 2);
    struct group *group = group_of(command);
    char *seen = allocate(FIND_MAX), wanted[EXCERPT_SIZE];
    int64_t until_ms = deadline();
    size_t len = 0;

    if (group->count != 1 || !source.text || source.len == 0)
        script_wrong("find wants one connection and a text in quotes");
    escaped(source.text, source.len, wanted, sizeof wanted);
    while (len < source.len ||
           memcmp(seen + len - source.len, source.text, source.len) != 0) {
        if (len == FIND_MAX)
            server_wrong(wanted, "not within %d bytes", FIND_MAX);
        seen[len++] = recv_byte(group->conns[0].fd, wanted, until_ms);
    }
    free(seen);
}

/* Shows what comes next on a connection; for looking at things by hand. */
static void do_print(const struct command *command)
{
    struct group *group = group_of(command);
    struct pollfd wait = {.fd = group->conns[0].fd, .events = POLLIN};
    char bytes[EXCERPT_MAX], text[EXCERPT_SIZE];

    if (fair_poll(&wait, 1, deadline()) == 0) {
        printf("%s: nothing\n", group->name);
        return;
    }
    ssize_t n = recv(wait.fd, bytes, sizeof bytes, 0);
    printf("%s: %s\n", group->name,
        n > 0   ? escaped(bytes, (size_t)n, text, sizeof text)
        : n < 0 ? strerror(errno)
                : "EOF");
}

/* ---- verbs: a client that does not read -------------------------------------- */

static const struct source poured_bytes = {.len = SIZE_MAX, .seed = 2};

/* A text is repeated without end. */
static void copy_endless(const struct source *source, size_t from, char *to, size_t len)
{
    if (!source->text)
        source_copy(source, from, to, len);
    for (size_t i = 0; source->text && i < len; i++)
        to[i] = source->text[(from + i) % source->len];
}

/* Sends once on each connection that takes something. False: nobody did. */
static bool pour_round(struct group *group, struct pollfd *polls,
    const struct source *source, size_t max, size_t chunk)
{
    static char piece[PIECE_MAX];

    for (size_t i = 0; i < group->count; i++)
        polls[i] =
            (struct pollfd){.fd = group->conns[i].poured < max ? group->conns[i].fd : -1,
                .events = POLLOUT};
    if (poll(polls, group->count, POUR_QUIET_MS) == 0)
        return false;
    bool moved = false;
    for (size_t i = 0; i < group->count; i++) {
        struct conn *conn = &group->conns[i];
        size_t len = max - conn->poured < chunk ? max - conn->poured : chunk;
        if (!polls[i].revents || len == 0)
            continue;
        struct source own = own_source(source, conn);
        copy_endless(&own, conn->poured, piece, len);
        ssize_t n = send(conn->fd, piece, len, 0);
        if (n > 0 && !own.text)
            note_sent(conn, &own, conn->poured, (size_t)n);
        if (n < 0 && errno != EAGAIN)
            server_wrong("a server that waits until its client reads",
                "%sthe server closed the connection after %zu bytes", which(group, conn),
                conn->poured);
        conn->poured += n > 0 ? (size_t)n : 0;
        moved = true;
    }
    return moved;
}

static void pour_all(
    struct group *group, const struct source *source, size_t max, size_t chunk)
{
    struct pollfd *polls = allocate(group->count * sizeof *polls);
    int64_t until_ms = deadline();

    for (size_t i = 0; i < group->count; i++)
        group->conns[i].poured = 0;
    /* On a busy machine a server may have work and yet be quiet for long. */
    while (pour_round(group, polls, source, max, chunk) ||
           (probe.server != 0 && !fair_over(until_ms) && !server_asleep()))
        ;
    free(polls);
}

static void must_have_blocked(const struct group *group, size_t max)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->conns[i].poured == max)
            server_wrong("a server that stops reading while its answers cannot leave",
                "%sthe server took all %zu bytes though nothing was read back",
                which(group, &group->conns[i]), max);
}

static void do_pour(const struct command *command)
{
    struct group *group = group_of(command);
    size_t max = size_option(command, "max", POUR_MAX);
    size_t chunk = size_option(command, "chunk", PIECE_MAX);

    if (chunk == 0 || chunk > PIECE_MAX)
        script_wrong("chunk: not between 1 and %d", PIECE_MAX);
    pour_all(group, &poured_bytes, max, chunk);
    if (has_word(command, "blocks"))
        must_have_blocked(group, max);
}

static void do_flood(const struct command *command)
{
    struct group *group = group_of(command);
    struct source source = parse_source(command, 2);

    if (!source.text || source.len == 0)
        script_wrong("flood wants a text in quotes");
    pour_all(group, &source, POUR_MAX, PIECE_MAX);
    must_have_blocked(group, POUR_MAX);
}

/* The column rx_queue of /proc/net/tcp (proc(5)), which lists all connections. */
static struct queues queues_in_table(const struct sockaddr_storage *ours)
{
    char port[NI_MAXSERV], line[512];
    unsigned to, from, out, in;
    struct queues queues = {0, 0};

    if (getnameinfo((const struct sockaddr *)ours, sizeof *ours, NULL, 0, port,
            sizeof port, NI_NUMERICSERV) != 0)
        script_wrong("getnameinfo: %s", strerror(errno));
    FILE *file =
        fopen(ours->ss_family == AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6", "re");
    if (!file)
        script_wrong("/proc/net/tcp: %s", strerror(errno));
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%*d: %*[0-9A-F]:%x %*[0-9A-F]:%x %*x %x:%x", &to, &from, &out,
                &in) == 4 &&
            to == (unsigned)atoi(probe.port_text) && from == (unsigned)atoi(port))
            queues = (struct queues){in, out};
    fclose(file);
    return queues;
}

/* Bytes that the server's kernel has of this client and the server has not read. */
static struct queues queues_of(const struct conn *conn)
{
    static int diag = -2; /* not yet opened */
    struct sockaddr_storage ours;
    socklen_t len = sizeof ours;

    if (getsockname(conn->fd, (struct sockaddr *)&ours, &len) < 0)
        script_wrong("getsockname: %s", strerror(errno));
    if (diag == -2)
        diag = unread_open();
    struct queues queues = server_queues(diag, &ours, &probe.address);
    return queues.unread == UNREAD_UNKNOWN ? queues_in_table(&ours) : queues;
}

static long unread_by_server(const struct conn *conn)
{
    return queues_of(conn).unread;
}

/* Bytes that the server has read, and of which it has not even told its kernel: nothing
 * else can have become of those that are in no queue. (What we have and have not
 * acknowledged would be in two; TCP_QUICKACK acknowledges it.) */
static long kept_by_server(const struct conn *conn)
{
    int waits_here = 0;

    set_option(conn->fd, IPPROTO_TCP, TCP_QUICKACK, 1);
    struct queues queues = queues_of(conn);
    if (ioctl(conn->fd, SIOCINQ, &waits_here) < 0)
        script_wrong("SIOCINQ: %s", strerror(errno));
    return (long)conn->sent_bytes.len - (long)conn->came_ever - waits_here -
           queues.unread - queues.unacknowledged;
}

/* Who leaves something unread and sleeps all the same is stuck: its answers cannot leave.
 * Unlike after pour there is little that is unread, and so what comes next arrives. */
static void do_clog(const struct command *command)
{
    static char piece[CLOG_PIECE];
    struct group *group = group_of(command);

    for (size_t i = 0; i < group->count; i++) {
        struct conn *conn = &group->conns[i];
        for (conn->poured = 0; unread_by_server(conn) == 0;) {
            if (conn->poured >= CLOG_MAX)
                server_wrong("a server that stops reading while its answers cannot leave",
                    "%sthe server took all %d bytes though nothing was read back",
                    which(group, conn), CLOG_MAX);
            struct source source = own_source(&poured_bytes, conn);
            source_copy(&source, conn->poured, piece, sizeof piece);
            ssize_t n = send(conn->fd, piece, sizeof piece, 0);
            if (n < 0)
                server_wrong("a server that waits until its client reads",
                    "%sthe server closed the connection after %zu bytes",
                    which(group, conn), conn->poured);
            note_sent(conn, &source, conn->poured, (size_t)n);
            conn->poured += (size_t)n;
            wait_arrived(group, conn);
            wait_asleep();
        }
    }
}

static void do_drink(const struct command *command)
{
    struct group *group = group_of(command);
    struct plan plan = {.source = poured_bytes,
        .reads = true,
        .patient = true,
        .recv_max = has_word(command, "slow") ? PIECE_SLOW : PIECE_MAX};

    /* One after the other: each has its own length. */
    for (size_t i = 0; i < group->count; i++) {
        struct group one = {.count = 1, .conns = &group->conns[i]};
        plan.source.len = group->conns[i].poured;
        run_plan(&plan, &one);
        group->conns[i].poured = 0;
    }
}

/* As for clog, but with so little at a time that we come by the moment in which the
 * server has read all and has to keep the last of its answer. */
static void do_brim(const struct command *command)
{
    static char piece[BRIM_PIECE];
    struct group *group = group_of(command);

    for (size_t i = 0; i < group->count; i++) {
        struct conn *conn = &group->conns[i];
        struct source own = own_source(&poured_bytes, conn);
        for (conn->poured = 0; kept_by_server(conn) <= 0;) {
            if (conn->poured >= CLOG_MAX || unread_by_server(conn) > 0)
                server_wrong("a server that keeps what it could not send",
                    "%s%zu bytes were sent, and it kept none", which(group, conn),
                    conn->poured);
            source_copy(&own, conn->poured, piece, sizeof piece);
            ssize_t n = send(conn->fd, piece, sizeof piece, 0);
            if (n < 0)
                server_wrong("a server that waits until its client reads",
                    "%sthe server closed the connection after %zu bytes",
                    which(group, conn), conn->poured);
            note_sent(conn, &own, conn->poured, (size_t)n);
            conn->poured += (size_t)n;
            wait_arrived(group, conn);
            wait_asleep();
        }
    }
}

/* ---- verbs: short visits ----------------------------------------------------- */

static void visit_once(const struct command *command, const struct source *text)
{
    struct conn conn;
    struct group one = {.count = 1, .conns = &conn};
    struct plan plan = {
        .source = *text,
        .sends = true,
        .reads = true,
        .half_closes = true,
        .end = END_CLEAN,
        .send_max = PIECE_MAX,
        .recv_max = PIECE_MAX,
    };

    open_all(command, &conn, 1);
    run_plan(&plan, &one);
    end_conn(&conn);
}

static void do_visit(const struct command *command)
{
    size_t count = size_of(word_at(command, 1));
    struct source text = parse_source(command, 2);

    for (size_t i = 0; i < count; i++)
        visit_once(command, &text);
}

enum leaving { LEAVE_RESET, LEAVE_CLOSE, LEAVE_HALF };

static enum leaving parse_leaving(const char *word)
{
    static const char *const names[] = {"reset", "close", "half"};

    for (int i = 0; i < 3; i++)
        if (strcmp(word, names[i]) == 0)
            return (enum leaving)i;
    script_wrong("'%s' is not reset, close or half", word);
}

static void vanish_once(const struct command *command, enum leaving how)
{
    struct conn conn;
    struct group one = {.count = 1, .conns = &conn};

    open_all(command, &conn, 1);
    if (how == LEAVE_RESET)
        reset_on_close(conn.fd);
    if (how == LEAVE_HALF)
        run_plan(
            &(struct plan){.sends = true, .half_closes = true, .end = END_CLEAN}, &one);
    end_conn(&conn);
}

/* After each burst a client waits for its echo. Servers accept in order of arrival, so
 * then the accept queue is empty again: a short one must not fail this test. */
static void do_vanish(const struct command *command)
{
    size_t count = size_of(word_at(command, 1));
    enum leaving how = parse_leaving(word_at(command, 2));
    size_t burst = size_option(command, "burst", VANISH_BURST);
    struct source text = {.text = "still there?", .len = 12};

    for (size_t i = 0; i < count; i++) {
        vanish_once(command, how);
        if (burst > 0 && (i + 1) % burst == 0)
            visit_once(command, &text);
    }
}

/* ---- verbs: the server process ----------------------------------------------- */

static void do_stop(const struct command *command)
{
    int64_t until_ms = deadline();

    (void)command;
    if (server_gone() || kill(server_pid(), SIGSTOP) < 0)
        server_ended("a running server to stop");
    probe.server_stopped = true;
    while (!all_tasks_stopped()) {
        if (server_gone())
            server_ended("a running server to stop");
        if (fair_over(until_ms))
            script_wrong("the server does not stop within %d ms", probe.within_ms);
        fair_pause(POLL_PAUSE_US);
    }
}

static void do_cont(const struct command *command)
{
    (void)command;
    kill(server_pid(), SIGCONT);
    probe.server_stopped = false;
}

static void do_signal(const struct command *command)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"TERM", SIGTERM}, {"INT", SIGINT}, {"HUP", SIGHUP}, {"KILL", SIGKILL},
        {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"CHLD", SIGCHLD}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(word_at(command, 1), known[i].name) != 0)
            continue;
        if (server_gone() || kill(server_pid(), known[i].number) < 0)
            server_ended("a running server");
        return;
    }
    script_wrong("unknown signal");
}

static void do_asleep(const struct command *command)
{
    (void)command;
    wait_asleep();
}

/* How often its threads have gone to sleep, in all. */
static long long server_wakeups(void)
{
    DIR *tasks = open_server_dir("task");
    struct dirent *task;
    long long wakeups = 0;

    if (!tasks)
        server_wrong("a running server", "the server process has ended");
    while ((task = readdir(tasks)))
        if (task->d_name[0] != '.')
            wakeups += switches_of(task->d_name, false);
    closedir(tasks);
    return wakeups;
}

/* A loop that turns without a pause never sleeps; one that sleeps for a moment, to look
 * again, wakes all the time. However busy the machine is, who has nothing to do does
 * neither. */
static void do_idle(const struct command *command)
{
    int time_ms = command->count > 1 ? (int)size_of(word_at(command, 1)) : IDLE_MS;

    wait_asleep();
    long long began_ms = now_ms(), before = server_wakeups();
    poll(NULL, 0, time_ms);
    long long woken = server_wakeups() - before, took_ms = now_ms() - began_ms;
    if (woken > took_ms / IDLE_WAKEUP_MS)
        server_wrong("a server that waits until there is something to do",
            "it woke up %lld times in %lld ms with nothing to do", woken, took_ms);
}

static void do_gone(const struct command *command)
{
    int64_t until_ms = deadline();

    (void)command;
    while (!server_gone()) {
        if (fair_over(until_ms)) {
            char wanted[64];
            snprintf(wanted, sizeof wanted, "its end within %d ms", probe.within_ms);
            server_wrong(wanted, "the server process still runs");
        }
        fair_pause(POLL_PAUSE_US);
    }
}

/* ---- verbs: gauges ----------------------------------------------------------- */

static long long count_entries(const char *name)
{
    DIR *dir = open_server_dir(name);
    long long count = 0;
    struct dirent *entry;

    if (!dir)
        return -1;
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* User and system time of all threads, in ms. */
static long long server_cpu_ms(void)
{
    char path[64], fields[1024];
    unsigned long user, system;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)server_pid());
    if (!read_stat(path, fields, sizeof fields) ||
        sscanf(fields, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
            &system) != 2)
        return -1;
    return (long long)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

static long long server_rss_kib(void)
{
    char path[64];
    long pages = -1;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)server_pid());
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%*s %ld", &pages) != 1)
        pages = -1;
    fclose(file);
    return pages < 0 ? -1 : pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Child processes, those included that have ended and were not waited for. */
static long long server_children(void)
{
    DIR *tasks = open_server_dir("task");
    struct dirent *task;
    long long count = 0;

    if (!tasks)
        return -1;
    while ((task = readdir(tasks))) {
        char path[320];
        int child;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)server_pid(),
            task->d_name);
        FILE *file = task->d_name[0] != '.' ? fopen(path, "re") : NULL;
        while (file && fscanf(file, "%d", &child) == 1)
            count++;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return count;
}

/* The counters of a preloaded library, or NULL: nobody counts. */
static struct counts *server_counts(void)
{
    const char *path = getenv("PROBE_COUNTS");
    int fd = path && !probe.counts ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *probe.counts, PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (mapped != MAP_FAILED)
            probe.counts = mapped;
    }
    return probe.counts;
}

static long long heap_held(enum count_index taken, enum count_index freed)
{
    struct counts *counts = server_counts();

    return counts ? (long long)(counts->slot[taken].value - counts->slot[freed].value)
                  : 0;
}

static long long read_gauge(enum gauge gauge)
{
    long long value = -1;

    if (gauge == GAUGE_CLOCK)
        return now_ms();
    /* One that has ended has hardly any threads, and no more memory than at the mark. */
    if (server_gone())
        server_wrong("a running server", "the server process has ended");
    if (gauge == GAUGE_CPU)
        value = server_cpu_ms();
    else if (gauge == GAUGE_RSS)
        value = server_rss_kib();
    else if (gauge == GAUGE_CHILDREN)
        value = server_children();
    else if (gauge == GAUGE_BLOCKS)
        value = heap_held(COUNT_blocks_taken, COUNT_blocks_freed);
    else if (gauge == GAUGE_BYTES)
        value = heap_held(COUNT_bytes_taken, COUNT_bytes_freed);
    else
        value = count_entries(gauge == GAUGE_FDS ? "fd" : "task");
    if (value < 0)
        server_ended("a running server");
    return value;
}

static void do_mark(const struct command *command)
{
    (void)command;
    probe.mark[GAUGE_CLOCK] = read_gauge(GAUGE_CLOCK);
    probe.fair_mark_ms = fair_exact_ms();
    for (int gauge = GAUGE_CPU; probe.server && gauge < GAUGES; gauge++)
        probe.mark[gauge] = read_gauge((enum gauge)gauge);
}

struct gauge_name {
    const char *name, *unit;
    bool settles; /* a wrong value may still become correct: look again */
};

static enum gauge parse_gauge(const char *word, struct gauge_name *about)
{
    static const struct gauge_name names[GAUGES] = {
        [GAUGE_CLOCK] = {"clock", "ms", false},
        [GAUGE_CPU] = {"cpu", "ms of CPU time", false},
        [GAUGE_FDS] = {"fds", "descriptors", true},
        [GAUGE_RSS] = {"rss", "KiB of memory", true},
        [GAUGE_THREADS] = {"threads", "threads", true},
        [GAUGE_CHILDREN] = {"children", "child processes", true},
        [GAUGE_BLOCKS] = {"blocks", "blocks of memory", true},
        [GAUGE_BYTES] = {"bytes", "bytes of memory", true},
    };

    for (int gauge = 0; gauge < GAUGES; gauge++)
        if (strcmp(word, names[gauge].name) == 0) {
            *about = names[gauge];
            return (enum gauge)gauge;
        }
    script_wrong("'%s' is no gauge", word);
}

/* By how much a gauge has grown since the mark. Of the clock, what is at least `min` is
 * real time; what is more than `max` must be so by the fair clock. */
static long long grown_since_mark(enum gauge gauge, long long max)
{
    long long grown = read_gauge(gauge) - probe.mark[gauge];

    if (gauge != GAUGE_CLOCK || grown <= max)
        return grown;
    grown = fair_exact_ms() - probe.fair_mark_ms;
    probe.began_ms = probe.fair_mark_ms;
    note_limit((int)max);
    return grown;
}

static void do_grew(const struct command *command)
{
    struct gauge_name about;
    enum gauge gauge = parse_gauge(word_at(command, 1), &about);
    const char *max_text = option(command, "max");
    long long min = (long long)size_option(command, "min", 0);
    long long max = max_text ? (long long)size_of(max_text) : LLONG_MAX;
    int64_t until_ms = deadline();
    long long grown;
    char wanted[128];

    /* Without min a gauge that fell below its mark is correct, too. */
    if (!option(command, "min"))
        min = LLONG_MIN;
    for (;;) {
        grown = grown_since_mark(gauge, max);
        if (grown >= min && grown <= max)
            return;
        if (!about.settles || fair_over(until_ms))
            break;
        fair_pause(POLL_PAUSE_US);
    }
    snprintf(wanted, sizeof wanted, "at %s %lld %s more", grown < min ? "least" : "most",
        grown < min ? min : max, about.unit);
    server_wrong(wanted, "%lld %s more than at the mark", grown, about.unit);
}

/* ---- verbs: does it listen? --------------------------------------------------- */

#define SOCKETS_MAX 64 /* of a server that has just begun */
#define STUCK_MS 500   /* nobody who has work to do sleeps for so long at the start */

static size_t server_sockets(unsigned long inodes[SOCKETS_MAX])
{
    DIR *dir = open_server_dir("fd");
    struct dirent *entry;
    size_t count = 0;

    if (!dir)
        server_wrong("a running server", "the server process has ended");
    while (count < SOCKETS_MAX && (entry = readdir(dir))) {
        char target[64];
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        count += sscanf(target, "socket:[%lu]", &inodes[count]) == 1;
    }
    closedir(dir);
    return count;
}

/* Is one of them in the state LISTEN, 0A in this table (proc(5))? */
static bool one_listens(const char *table, const unsigned long *inodes, size_t count)
{
    FILE *file = fopen(table, "re");
    char line[512];
    unsigned long inode;
    bool found = false;

    while (file && !found && fgets(line, sizeof line, file))
        if (sscanf(line, "%*d: %*s %*s 0A %*s %*s %*s %*d %*d %lu", &inode) == 1)
            for (size_t i = 0; i < count; i++)
                found |= inodes[i] == inode;
    if (file)
        fclose(file);
    return found;
}

/* A server that has slept through STUCK_MS waits for us, and will do no more before we
 * let it. */
static bool stuck(void)
{
    static long long since_ms, switches = -1;
    struct look look = look_at_server();

    if (!look.asleep || look.switches != switches) {
        switches = look.asleep ? look.switches : -1;
        since_ms = now_ms();
    }
    return look.asleep && now_ms() - since_ms > STUCK_MS;
}

static void do_listens(const struct command *command)
{
    unsigned long inodes[SOCKETS_MAX];
    int64_t until_ms = deadline();

    (void)command;
    for (;;) {
        bool last_look = stuck() || fair_over(until_ms);
        size_t count = server_sockets(inodes);
        if (count > 0 && (one_listens("/proc/net/tcp", inodes, count) ||
                             one_listens("/proc/net/tcp6", inodes, count)))
            return;
        if (last_look)
            server_wrong("a socket that listens", "the server has none");
        fair_pause(POLL_PAUSE_US);
    }
}

/* ---- verbs: a server without descriptors ------------------------------------- */

static struct rlimit fds_before;
static uint64_t accepts_before;

static uint64_t accepts(void)
{
    struct counts *counts = server_counts();

    return counts ? counts->slot[COUNT_accept].value + counts->slot[COUNT_accept4].value
                  : 0;
}

/* A limit below the lowest free number: what is open stays open. */
/* What /proc/PID/limits says, which needs no right. */
static int read_limit(struct rlimit *limit)
{
    char path[64], line[256];
    unsigned long soft, hard;
    FILE *file;
    int result = -1;

    snprintf(path, sizeof path, "/proc/%d/limits", (int)server_pid());
    if ((file = fopen(path, "re")) == NULL)
        return -1;
    while (result < 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "Max open files %lu %lu", &soft, &hard) == 2) {
            *limit = (struct rlimit){.rlim_cur = soft, .rlim_max = hard};
            result = 0;
        }
    fclose(file);
    return result;
}

/* prlimit(2) of the server. It may run as another user (src/guard.c); where we are root,
 * but without CAP_SYS_RESOURCE, as in most containers, only that user may do it. */
static int server_limit(const struct rlimit *set, struct rlimit *old)
{
    struct stat owner;
    char path[64];
    pid_t child;
    int status = 0;

    if (old && prlimit(server_pid(), RLIMIT_NOFILE, NULL, old) < 0 &&
        (errno != EPERM || read_limit(old) < 0))
        return -1;
    if (!set || prlimit(server_pid(), RLIMIT_NOFILE, set, NULL) == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d", (int)server_pid());
    if (errno != EPERM || geteuid() != 0 || stat(path, &owner) < 0)
        return -1;
    if ((child = fork()) == 0)
        _exit(setresgid(owner.st_gid, owner.st_gid, owner.st_gid) != 0 ||
              setresuid(owner.st_uid, owner.st_uid, owner.st_uid) != 0 ||
              prlimit(server_pid(), RLIMIT_NOFILE, set, NULL) < 0);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

static void do_no_descriptors(const struct command *command)
{
    struct rlimit limit;
    char path[64];
    struct stat status;
    rlim_t fd = 0;

    (void)command;
    do
        snprintf(
            path, sizeof path, "/proc/%d/fd/%lu", (int)server_pid(), (unsigned long)fd++);
    while (lstat(path, &status) == 0);
    if (server_limit(NULL, &fds_before) < 0)
        server_wrong("a running server", "the server process has ended");
    limit = (struct rlimit){.rlim_cur = fd - 1, .rlim_max = fds_before.rlim_max};
    accepts_before = accepts();
    if (server_limit(&limit, NULL) < 0)
        script_wrong("prlimit: %s", strerror(errno));
}

static void do_descriptors(const struct command *command)
{
    (void)command;
    if (server_limit(&fds_before, NULL) < 0)
        server_wrong("a running server", "the server process has ended");
}

/* Without counters we can only give it time; likewise if none of its accepts was counted
 * although it has served, for it asks the kernel in another way (io_uring). */
static void do_accepts(const struct command *command)
{
    int64_t until_ms = deadline();
    bool counted = server_counts() && accepts_before > 0;

    (void)command;
    if (!counted)
        poll(NULL, 0, POUR_QUIET_MS);
    while (counted && accepts() == accepts_before) {
        if (server_gone())
            server_wrong("a running server", "the server process has ended");
        if (fair_over(until_ms))
            server_wrong("a call of accept", "none within %d ms, with clients waiting",
                probe.within_ms);
        fair_pause(POLL_PAUSE_US);
    }
}

static void do_rest(const struct command *command)
{
    poll(NULL, 0, (int)size_of(word_at(command, 1)));
}

static void do_within(const struct command *command)
{
    probe.within_ms = (int)size_of(word_at(command, 1)) * probe.factor;
}

static void do_in_time(const struct command *command)
{
    size_t time_ms = size_of(word_at(command, 1));

    if (time_ms == 0)
        begin_anew_if_late();
    if (probe.mark[GAUGE_CLOCK] == 0)
        script_wrong("no mark before it");
    probe.late_from_ms = time_ms == 0 ? 0 : probe.mark[GAUGE_CLOCK] + (long long)time_ms;
}

/* ---- the script -------------------------------------------------------------- */

static const struct verb {
    const char *name;
    int words_max; /* with the verb itself */
    void (*run)(const struct command *command);
} verbs[] = {
    /* NAME or NAME*COUNT [rcvbuf=SIZE] [sndbuf=SIZE] [mss=SIZE] [from=ADDRESS] */
    {"open", 6, do_open},
    /* [soon]: nobody may listen there; or not for long any more */
    {"refused", 2, do_refused},
    /* NAME TEXT */
    {"send", WORDS_MAX, do_send},
    /* NAME TEXT: exactly these bytes come; what follows is left for the next verb */
    {"expect", WORDS_MAX, do_expect},
    /* NAME TEXT: send and expect at the same time */
    {"echo", WORDS_MAX, do_echo},
    /* NAME TEXT: the same, and a connection that ends before is as good */
    {"echo-or-end", WORDS_MAX, do_echo_or_end},
    /* NAME TEXT: each byte by a send and a segment of its own */
    {"drip", WORDS_MAX, do_drip},
    /* NAME TEXT: the last byte is marked urgent (MSG_OOB) */
    {"urgent", WORDS_MAX, do_urgent},
    /* NAME TEXT: skip what comes until the TEXT has come */
    {"find", WORDS_MAX, do_find},
    /* NAME NAME...: the last byte of each came later than that of the one before */
    {"in-order", WORDS_MAX, do_in_order},
    /* NAME: shutdown(SHUT_WR) */
    {"half-close", 2, do_half_close},
    /* NAME: the server's kernel has all that was sent, and the half-close */
    {"arrived", 2, do_arrived},
    /* NAME: a clean end comes next, and no byte before it */
    {"eof", 2, do_eof},
    /* NAME: EOF or a reset; bytes before it are skipped */
    {"closed", 2, do_closed},
    /* NAME: close with a RST */
    {"reset", 2, do_reset},
    /* NAME */
    {"close", 2, do_close},
    /* NAME [MS]: nothing has come yet, nor comes within MS */
    {"silent", 3, do_silent},
    /* NAME SIZE [chunk=SIZE] [seed=N] [slow]: random bytes out and back, half-close, EOF
     */
    {"stream", 6, do_stream},
    /* NAME [max=SIZE] [chunk=SIZE] [blocks]: send without reading until the way is full;
     * `blocks`: which must happen before max */
    {"pour", 5, do_pour},
    /* NAME TEXT: the same, with this text again and again, and `blocks` */
    {"flood", WORDS_MAX, do_flood},
    /* NAME: send without reading until the server, asleep, leaves some of it unread; not
     * for one with -w, which sleeps while it works */
    {"clog", 2, do_clog},
    /* NAME: the same, and stops when the server has read all and keeps the end of it */
    {"brim", 2, do_brim},
    /* NAME [slow]: read back what was poured, or sent to clog */
    {"drink", 3, do_drink},
    /* COUNT TEXT: so many clients, one after the other, each served in full */
    {"visit", WORDS_MAX, do_visit},
    /* COUNT reset|close|half [burst=N]: clients that connect and leave at once; after
     * each burst (64, 0 for none) one that waits for an echo */
    {"vanish", 4, do_vanish},
    /* stop the server and wait until all its threads are stopped */
    {"stop", 1, do_stop},
    {"cont", 1, do_cont},
    /* all threads of the server wait at the same time: it has done what it could */
    {"asleep", 1, do_asleep},
    /* [MS]: the server sleeps, and during MS (100) it hardly wakes */
    {"idle", 2, do_idle},
    /* the server has a socket that listens */
    {"listens", 1, do_listens},
    /* the server gets no descriptor from now on; it does again */
    {"no-descriptors", 1, do_no_descriptors},
    {"descriptors", 1, do_descriptors},
    /* the server has called accept since `no-descriptors`, says count.so to $PROBE_COUNTS
     */
    {"accepts", 1, do_accepts},
    /* TERM, INT ...: to the server */
    {"signal", 2, do_signal},
    /* the server process ends */
    {"gone", 1, do_gone},
    /* remember the value of all gauges for `grew` */
    {"mark", 1, do_mark},
    /* clock|cpu|fds|rss|threads|children|blocks|bytes [min=N] [max=N]: change since
     * `mark`, in ms, ms, 1, KiB, 1, 1, 1, 1. Blocks and bytes are those of the counters
     * that $PROBE_COUNTS names, of a server with heap.so; without, they are 0. */
    {"grew", 4, do_grew},
    /* MS: nothing is sent or read for so long */
    {"rest", 2, do_rest},
    /* MS: the deadline of each verb that follows */
    {"within", 2, do_within},
    /* MS: so long after the mark a server may have given us up, as it should. What looks
     * wrong later than that, in real time, proves nothing, for we are late: we leave all
     * connections, and the script begins anew. 0: so it does if we are late now, and from
     * here on nobody gives us up */
    {"in-time", 2, do_in_time},
    /* NAME: shows what comes next; for trying things by hand */
    {"print", 2, do_print},
};

static void run_line(const char *line)
{
    struct command command;
    const struct verb *verb = NULL;

    probe.line = line;
    parse_line(line, &command);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(command.word[0].bytes, verbs[i].name) == 0)
            verb = &verbs[i];
    if (!verb)
        script_wrong("unknown verb");
    if (command.count > verb->words_max)
        script_wrong("too many words");
    probe.used_ms = probe.used_within_ms = 0;
    probe.began_ms = fair_ms();
    verb->run(&command);
    note_limit(probe.within_ms);
    fair_log(probe.used_ms, probe.used_within_ms, line);
    free_words(&command);
}

/* Before the script begins anew: the server's connections end as well. */
static void leave_all(void)
{
    probe.line = "leaving, to begin anew";
    for (int i = 0; i < GROUPS_MAX; i++)
        if (probe.group[i].name[0])
            free_group(&probe.group[i]);
    if (probe.server)
        wait_asleep();
}

static void run_script(char *lines[], int count)
{
    const int within_ms = probe.within_ms;

    if (setjmp(probe.begin) == 0)
        fair_begin(probe.server);
    alarm((unsigned)(probe.total_ms / 1000 + 1) * FAIR_SHARE_MIN);
    probe.late_from_ms = 0;
    probe.within_ms = within_ms;
    probe.began_ms = fair_ms();
    probe.total_until_ms = probe.began_ms + probe.total_ms;
    if (probe.attempts > 0)
        leave_all();
    int64_t began_ms = fair_ms();
    for (int i = 0; i < count; i++)
        run_line(lines[i]);
    fair_log(fair_ms() - began_ms, probe.total_ms, "the whole script");
}

static void resolve(void)
{
    struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;

    if (getaddrinfo(probe.address_text, probe.port_text, &hints, &found) != 0)
        script_wrong("no address: %s port %s", probe.address_text, probe.port_text);
    memcpy(&probe.address, found->ai_addr, found->ai_addrlen);
    probe.address_len = found->ai_addrlen;
    freeaddrinfo(found);
}

/* If the hard limit is too low as well, socket will say so. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char *argv[])
{
    int letter;

    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    while ((letter = getopt(argc, argv, "+a:P:d:s:T:")) != -1) {
        if (letter == 'a')
            probe.address_text = optarg;
        else if (letter == 'P')
            probe.server = (pid_t)size_of(optarg);
        else if (letter == 'd')
            probe.within_ms = (int)size_of(optarg);
        else if (letter == 's')
            probe.factor = (int)size_of(optarg);
        else if (letter == 'T')
            probe.total_ms = (int)size_of(optarg) * 1000;
        else
            script_wrong("usage: probe [-a ADDR] [-P PID] [-d MS] [-s FACTOR] "
                         "[-T SECONDS] PORT LINE...");
    }
    probe.within_ms *= probe.factor;
    probe.total_ms *= probe.factor;
    if (optind >= argc)
        script_wrong("PORT is missing");
    probe.port_text = argv[optind++];
    resolve();
    /* A test that dies, however it dies, leaves no client behind, nor does a fault of
     * ours. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_script(argv + optind, argc - optind);
    return 0;
}
