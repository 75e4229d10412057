/* timeline - draws what clients and a server did.
 *
 *     timeline svg|text|trace <record.txt
 *
 * The record is what play.c prints: a first line that says so, a line `title WORDS`, a
 * line `until NS` at the end, and between them a line for each call:
 *
 *     LANE CALL CLIENT START_NS END_NS RESULT
 *
 * LANE is a client, a to h, or the number of a thread of the server. CLIENT is the one
 * that the call is about, or -. END_NS and RESULT are - if the call had not ended.
 *
 * The same record always becomes the same bytes: all is computed in whole numbers. Exit
 * status 1: it is no record, and on stderr what is wrong with it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define CALLS_MAX 4096
#define THREADS_MAX 64
#define CLIENTS_MAX 8
#define QUEUE_ROWS 8
#define LANES_MAX (CLIENTS_MAX + QUEUE_ROWS + THREADS_MAX)
#define TIME_MAX_NS 100000000000LL /* more, and numbers of the layout could overflow */
#define LONG_NS 200000             /* a recv or accept that took as long has waited */
#define TEXT_MAX 160

/* ---- the record ----------------------------------------------------------------- */

enum look { BUSY, WAITS, HIDDEN };

/* What is drawn for a call: a word where there is room, a letter where there is not. */
struct kind {
    const char *name, *word;
    char letter;
    enum look look;
};

static const struct kind kinds[] = {
    {"connect", "connect", 'C', BUSY},
    {"send", "send", 'S', BUSY},
    {"receive", "receive", 'R', BUSY},
    {"end", "end", 'Z', BUSY},
    {"accept", "accept", 'A', BUSY},
    {"recv", "recv", 'R', BUSY},
    {"read", "read", 'r', BUSY},
    {"write", "write", 'w', BUSY},
    {"epoll_ctl", "epoll_ctl", 'E', BUSY},
    {"close", "close", 'X', BUSY},
    {"shutdown", "shutdown", 'H', BUSY},
    {"sleep", "process", 'P', BUSY},
    {"signal", "signal", 'K', BUSY},
    {"broadcast", "broadcast", 'K', BUSY},
    {"SIGTERM", "SIGTERM", 'T', BUSY},
    {"select", "select", 'W', WAITS},
    {"poll", "poll", 'W', WAITS},
    {"epoll_wait", "epoll_wait", 'W', WAITS},
    {"cond_wait", "cond_wait", 'W', WAITS},
    {"lock", "lock", 'L', WAITS},
    {"ready", "ready", ' ', HIDDEN},
    {"answer", "waits", 'W', WAITS}, /* these two are found, not recorded */
    {"queue", "queued", 'Q', WAITS},
};

struct call {
    const struct kind *kind;
    int lane;    /* a client is 0 to 7, a row of the queue comes next, then the threads */
    char client; /* '-': none */
    bool open;
    long long start_ns, end_ns;
    char result[16];
    int start, end; /* instants, see layout */
};

static struct {
    char title[TEXT_MAX];
    struct call calls[CALLS_MAX];
    int count, recorded; /* those that were found come after those recorded */
    long long until_ns;
    bool has_lane[LANES_MAX];
    int line;
} timeline;

__attribute__((noreturn)) static void refuse(const char *what)
{
    if (timeline.line > 0)
        fprintf(stderr, "timeline: line %d: %s\n", timeline.line, what);
    else
        fprintf(stderr, "timeline: %s\n", what);
    exit(1);
}

static const struct kind *kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    refuse("there is no such call");
}

static bool is_client(const char *text)
{
    return *text >= 'a' && *text < 'a' + CLIENTS_MAX && text[1] == '\0';
}

static int first_thread(void)
{
    return CLIENTS_MAX + QUEUE_ROWS;
}

static long long time_from(const char *text)
{
    char *rest;
    long long ns = strtoll(text, &rest, 10);

    if (*text < '0' || *text > '9' || *rest != '\0' || ns > TIME_MAX_NS)
        refuse("a time in nanoseconds is wanted, at most 100 s");
    return ns;
}

static int lane_from(const char *text)
{
    char *rest;
    long thread = strtol(text, &rest, 10);

    if (is_client(text))
        return *text - 'a';
    if (*text < '1' || *text > '9' || *rest != '\0' || thread > THREADS_MAX)
        refuse("a lane is wanted: a client, a to h, or the number of a thread, 1 to 64");
    return first_thread() + (int)thread - 1;
}

static struct call *add(const struct kind *kind, int lane, char client)
{
    if (timeline.count == CALLS_MAX)
        refuse("more calls than can be drawn");
    struct call *call = &timeline.calls[timeline.count++];
    call->kind = kind;
    call->lane = lane;
    call->client = client;
    timeline.has_lane[lane] = true;
    return call;
}

static void read_call(const char *line)
{
    char lane[16], name[16], client[4], start[16], end[16], result[16], more[2];

    if (sscanf(line, "%15s %15s %3s %15s %15s %15s %1s", lane, name, client, start, end,
            result, more) != 6)
        refuse("LANE CALL CLIENT START_NS END_NS RESULT is wanted");
    if (!is_client(client) && strcmp(client, "-") != 0)
        refuse("a client is wanted, a to h or -");
    struct call *call = add(kind_named(name), lane_from(lane), *client);
    call->open = strcmp(end, "-") == 0;
    call->start_ns = time_from(start);
    call->end_ns = call->open ? TIME_MAX_NS : time_from(end);
    snprintf(call->result, sizeof call->result, "%s", result);
    if (call->end_ns <= call->start_ns)
        refuse("a call ends after it has begun");
}

static void close_open_calls(void)
{
    for (int i = 0; i < timeline.count; i++) {
        struct call *call = &timeline.calls[i];
        if (call->open)
            call->end_ns = timeline.until_ns;
        if (call->end_ns > timeline.until_ns || call->start_ns >= timeline.until_ns)
            refuse("a call goes on after the end of the record");
    }
}

static void read_record(void)
{
    char line[256];

    if (fgets(line, sizeof line, stdin) == NULL)
        refuse("the record is empty");
    timeline.line = 1;
    if (strncmp(line, "# timeline 1:", 13) != 0)
        refuse("this is no record of a timeline");
    while (timeline.until_ns == 0 && fgets(line, sizeof line, stdin) != NULL) {
        timeline.line++;
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "title ", 6) == 0)
            snprintf(
                timeline.title, sizeof timeline.title, "%.*s", TEXT_MAX - 1, line + 6);
        else if (strncmp(line, "until ", 6) == 0)
            timeline.until_ns = time_from(line + 6);
        else
            read_call(line);
    }
    if (timeline.until_ns == 0)
        refuse("the record has no end");
    if (timeline.count == 0)
        refuse("no call is in the record");
    close_open_calls();
    timeline.line = 0;
    timeline.recorded = timeline.count;
}

/* ---- what can be found in it ---------------------------------------------------- */

static bool is_thread(int lane)
{
    return lane >= first_thread();
}

static bool is(const struct call *call, const char *name)
{
    return strcmp(call->kind->name, name) == 0;
}

static bool has_failed(const struct call *call)
{
    return *call->result == 'E';
}

static void add_waiting(int client, long long since_ns, long long until_ns)
{
    struct call *wait = add(kind_named("answer"), client, (char)('a' + client));

    wait->start_ns = since_ns;
    wait->end_ns = until_ns;
}

/* A client waits from what it has sent to the next that it gets. */
static void find_waiting_clients(void)
{
    long long since_ns[CLIENTS_MAX] = {0};

    for (int i = 0; i < timeline.recorded; i++) {
        const struct call *call = &timeline.calls[i];
        if (is_thread(call->lane))
            continue;
        long long *since = &since_ns[call->lane];
        if (is(call, "send") && *since == 0) {
            *since = call->end_ns;
        } else if (is(call, "receive") || is(call, "end") || is(call, "close")) {
            if (*since != 0 && *since < call->start_ns)
                add_waiting(call->lane, *since, call->start_ns);
            *since = 0;
        }
    }
    for (int lane = 0; lane < CLIENTS_MAX; lane++)
        if (since_ns[lane] != 0 && since_ns[lane] < timeline.until_ns)
            add_waiting(lane, since_ns[lane], timeline.until_ns);
}

static bool is_first_use(const struct call *use, const struct call *ready)
{
    return is_thread(use->lane) && use->lane != ready->lane &&
           use->client == ready->client && (is(use, "recv") || is(use, "send")) &&
           use->start_ns > ready->start_ns;
}

/* When a worker takes up what READY has reported; 0: nobody else does. */
static long long taken_up_ns(const struct call *ready)
{
    long long first_ns = 0;

    for (int i = 0; i < timeline.recorded; i++) {
        const struct call *use = &timeline.calls[i];
        if (is_first_use(use, ready) && (first_ns == 0 || use->start_ns < first_ns))
            first_ns = use->start_ns;
    }
    return first_ns;
}

/* Nobody is served for that: it is what an edge-triggered socket says at first. RESULT is
 * the mask of events. */
static bool only_writable(const struct call *ready)
{
    return atoi(ready->result) == EPOLLOUT;
}

/* Where one thread hears that a client is ready and another one serves it, the client has
 * been queued from then on. */
static void find_queue(void)
{
    long long free_ns[QUEUE_ROWS] = {0};

    for (int i = 0; i < timeline.recorded; i++) {
        const struct call *ready = &timeline.calls[i];
        if (!is(ready, "ready") || ready->client == '-' || only_writable(ready))
            continue;
        long long until_ns = taken_up_ns(ready);
        int row = 0;
        while (row < QUEUE_ROWS && free_ns[row] > ready->start_ns)
            row++;
        if (until_ns == 0 || row == QUEUE_ROWS)
            continue;
        struct call *queued = add(kind_named("queue"), CLIENTS_MAX + row, ready->client);
        queued->start_ns = ready->start_ns;
        queued->end_ns = free_ns[row] = until_ns;
    }
}

/* ---- arrows --------------------------------------------------------------------- */

struct arrow {
    const struct call *from, *to;
};

static struct arrow arrows[CALLS_MAX];
static int arrows_count;

/* What FROM brings about, in words of the record: the first TO that ends after FROM has
 * begun, of the same client unless there is none, in another lane. */
static void find_arrow(const struct call *from, const char *name, bool used[])
{
    int best = -1;

    for (int i = 0; i < timeline.recorded; i++) {
        const struct call *to = &timeline.calls[i];
        if (used[i] || to->open || !is(to, name) || to->lane == from->lane ||
            to->end_ns < from->start_ns || has_failed(to) || *to->result == '-' ||
            (from->client != '-' && to->client != from->client) ||
            (is(to, "recv") && strcmp(to->result, "0") == 0 && !is(from, "close")))
            continue;
        if (best < 0 || to->end_ns < timeline.calls[best].end_ns)
            best = i;
    }
    if (best < 0)
        return;
    used[best] = true;
    arrows[arrows_count++] = (struct arrow){from, &timeline.calls[best]};
}

static void find_arrows(void)
{
    static bool used[CALLS_MAX];

    for (int i = 0; i < timeline.recorded; i++) {
        const struct call *from = &timeline.calls[i];
        if (is(from, "connect"))
            find_arrow(from, "accept", used);
        else if (is(from, "signal"))
            find_arrow(from, "cond_wait", used);
        else if (is(from, "send") && is_thread(from->lane))
            find_arrow(from, "receive", used);
        else if ((is(from, "send") || is(from, "close")) && !is_thread(from->lane))
            find_arrow(from, "recv", used);
    }
}

/* ---- the layout ----------------------------------------------------------------- */

/* Time runs evenly, except that a short call becomes as wide as its letters need. So the
 * instants at which something begins or ends are walked through in order, and each is put
 * at least so far behind the one before it as time says, and behind the beginning of each
 * call that ends there as its letters say. SCALE is chosen so that all fills the width.
 */
#define UNIT 16 /* of a pixel, or of a column */

static struct {
    long long ns[2 * CALLS_MAX + 2];
    int x[2 * CALLS_MAX + 2]; /* in units */
    int count;
} instants;

static bool is_wait(const struct call *call)
{
    if (call->kind->look == WAITS)
        return true;
    return is_thread(call->lane) && call->end_ns - call->start_ns > LONG_NS &&
           (is(call, "recv") || is(call, "read") || is(call, "accept"));
}

static int by_time(const void *a, const void *b)
{
    long long left = *(const long long *)a, right = *(const long long *)b;

    return (left > right) - (left < right);
}

static int instant_of(long long ns)
{
    const long long *found =
        bsearch(&ns, instants.ns, (size_t)instants.count, sizeof ns, by_time);

    return (int)(found - instants.ns);
}

static int by_end(const void *a, const void *b)
{
    const struct call *left = *(struct call *const *)a, *right = *(struct call *const *)b;

    return (left->end > right->end) - (left->end < right->end);
}

static struct call *drawn[CALLS_MAX];
static int drawn_count;

static void collect_instants(void)
{
    int count = 0;

    instants.ns[count++] = 0;
    instants.ns[count++] = timeline.until_ns;
    for (int i = 0; i < timeline.count; i++) {
        struct call *call = &timeline.calls[i];
        if (call->kind->look == HIDDEN)
            continue;
        drawn[drawn_count++] = call;
        instants.ns[count++] = call->start_ns;
        instants.ns[count++] = call->end_ns;
    }
    qsort(instants.ns, (size_t)count, sizeof *instants.ns, by_time);
    for (int i = 0; i < count; i++)
        if (i == 0 || instants.ns[i] != instants.ns[instants.count - 1])
            instants.ns[instants.count++] = instants.ns[i];
    for (int i = 0; i < drawn_count; i++) {
        drawn[i]->start = instant_of(drawn[i]->start_ns);
        drawn[i]->end = instant_of(drawn[i]->end_ns);
    }
    qsort(drawn, (size_t)drawn_count, sizeof *drawn, by_end);
}

/* How wide all becomes. */
static int place(long long scale, int least)
{
    int next = 0;

    instants.x[0] = 0;
    for (int i = 1; i < instants.count; i++) {
        long long gap_ns = instants.ns[i] - instants.ns[i - 1];
        int x = instants.x[i - 1] + (int)((gap_ns * scale) >> 30);
        for (; next < drawn_count && drawn[next]->end <= i; next++) {
            int width = is_wait(drawn[next]) ? least / 4 : least;
            if (x < instants.x[drawn[next]->start] + width)
                x = instants.x[drawn[next]->start] + width;
        }
        instants.x[i] = x;
    }
    return instants.x[instants.count - 1];
}

/* WIDTH and LEAST, the width of a short call, in pixels or columns. */
static void layout(int width, int least)
{
    collect_instants();
    width *= UNIT;
    least *= UNIT;
    while (least > 0 && place(0, least) > width)
        least--;
    long long low = 0, high = ((long long)width << 30) / timeline.until_ns;
    while (low < high) {
        long long middle = (low + high + 1) / 2;
        if (place(middle, least) <= width)
            low = middle;
        else
            high = middle - 1;
    }
    place(low, least);
}

/* In units, for any time. */
static int x_of(long long ns)
{
    int i = 0;

    while (i + 1 < instants.count && instants.ns[i + 1] <= ns)
        i++;
    if (i + 1 == instants.count)
        return instants.x[i];
    long long part = ns - instants.ns[i], gap = instants.ns[i + 1] - instants.ns[i];
    return instants.x[i] +
           (int)(part * (instants.x[i + 1] - instants.x[i]) / (gap > 0 ? gap : 1));
}

/* ---- words ---------------------------------------------------------------------- */

static const char *lane_name(int lane)
{
    static char name[24];

    if (lane < CLIENTS_MAX)
        snprintf(name, sizeof name, "client %c", 'a' + lane);
    else if (!is_thread(lane))
        snprintf(name, sizeof name, "%s", lane == CLIENTS_MAX ? "queue" : "");
    else
        snprintf(name, sizeof name, "thread %d", lane - first_thread() + 1);
    return name;
}

static const char *duration(long long ns)
{
    static char text[24];
    long long us = (ns + 500) / 1000;

    if (us < 1000)
        snprintf(text, sizeof text, "%lld us", us);
    else if (us < 10000)
        snprintf(text, sizeof text, "%lld.%lld ms", us / 1000, us / 100 % 10);
    else
        snprintf(text, sizeof text, "%lld ms", (us + 500) / 1000);
    return text;
}

static bool says_client(const struct call *call)
{
    return call->client != '-' && call->lane >= CLIENTS_MAX;
}

/* The longest that has room for ROOM characters; empty: none. */
static const char *label(const struct call *call, int room)
{
    static char text[64];
    char of[8] = "";

    if (says_client(call) || has_failed(call))
        snprintf(of, sizeof of, " %s%.1s", has_failed(call) ? "!" : "",
            says_client(call) ? &call->client : "");
    if (call->end_ns - call->start_ns >= LONG_NS &&
        snprintf(text, sizeof text, "%s%s %s", call->kind->word, of,
            duration(call->end_ns - call->start_ns)) <= room)
        return text;
    if (snprintf(text, sizeof text, "%s%s", call->kind->word, of) <= room)
        return text;
    if (snprintf(text, sizeof text, "%c%s", call->kind->letter, of + (*of != 0)) <= room)
        return text;
    snprintf(text, sizeof text, "%.*s", room > 0, (char[]){call->kind->letter, '\0'});
    return text;
}

static bool occurs(const struct kind *kind)
{
    for (int i = 0; i < drawn_count; i++)
        if (drawn[i]->kind == kind && !is(drawn[i], "answer"))
            return true;
    return false;
}

/* The letters that occur, with their words, in lines of at most so many columns. Returns
 * how many lines. */
static int legend(char *text, size_t size, size_t columns)
{
    size_t len = 0, line = 0;
    int lines = 1;

    *text = '\0';
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t wanted = strlen(kinds[i].word) + sizeof "X , " - 1;
        if (!occurs(&kinds[i]))
            continue;
        bool breaks = len > 0 && len - line + wanted > columns;
        if (len + wanted >= size)
            break;
        len += (size_t)sprintf(text + len, "%s%c %s",
            len == 0 ? ""
            : breaks ? ",\n"
                     : ", ",
            kinds[i].letter, kinds[i].word);
        if (breaks) {
            line = len - strlen(kinds[i].word) - 2;
            lines++;
        }
    }
    return lines;
}

/* ---- for a terminal ------------------------------------------------------------- */

#define COLUMNS 100
#define NAME_COLUMNS 10

static void text_call(char *row, const struct call *call)
{
    int begin = instants.x[call->start] / UNIT, end = instants.x[call->end] / UNIT;

    if (begin == end && end < COLUMNS - NAME_COLUMNS)
        end++;
    memset(row + begin, is_wait(call) ? '.' : '=', (size_t)(end - begin));
    const char *words = label(call, end - begin);
    memcpy(row + begin, words, strlen(words));
}

static void text_lane(int lane)
{
    char row[COLUMNS - NAME_COLUMNS + 1];

    memset(row, ' ', sizeof row);
    for (int wait = 1; wait >= 0; wait--)
        for (int i = 0; i < drawn_count; i++)
            if (drawn[i]->lane == lane && is_wait(drawn[i]) == wait)
                text_call(row, drawn[i]);
    int len = (int)sizeof row - 1;
    while (len > 0 && row[len - 1] == ' ')
        len--;
    printf("%-*s%.*s\n", NAME_COLUMNS, lane_name(lane), len, row);
}

static void draw_text(void)
{
    char words[512];

    layout(COLUMNS - NAME_COLUMNS, 2);
    printf("%s\n\n", timeline.title);
    for (int lane = 0; lane < LANES_MAX; lane++)
        if (timeline.has_lane[lane])
            text_lane(lane);
    legend(words, sizeof words, COLUMNS);
    printf("\n%s in all; dots are waiting, ! is a call that failed; a short call is "
           "drawn wider than it is\n%s\n",
        duration(timeline.until_ns), words);
}

/* ---- for Perfetto and Chrome ---------------------------------------------------- */

/* The Trace Event Format: clients are process 1, the server is process 2. */
static void trace_place(int lane)
{
    printf("\"pid\":%d,\"tid\":%d", lane < CLIENTS_MAX ? 1 : 2, lane + 1);
}

static void trace_name(const char *what, int lane, const char *name)
{
    printf("{\"name\":\"%s\",\"ph\":\"M\",", what);
    trace_place(lane);
    printf(",\"args\":{\"name\":\"%s\"}},\n", name);
}

static void trace_call(const struct call *call)
{
    long long length_ns = call->end_ns - call->start_ns;

    printf("{\"name\":\"%s%s%.1s\",\"cat\":\"%s\",\"ph\":\"X\",", call->kind->word,
        says_client(call) ? " " : "", says_client(call) ? &call->client : "",
        is_wait(call) ? "wait" : "call");
    trace_place(call->lane);
    printf(",\"ts\":%lld.%03lld,\"dur\":%lld.%03lld,\"args\":{\"client\":\"%c\","
           "\"result\":\"%s\"}}",
        call->start_ns / 1000, call->start_ns % 1000, length_ns / 1000, length_ns % 1000,
        call->client, *call->result ? call->result : "-");
}

/* A flow begins in one slice and ends in another: each end lies within its slice. */
static void trace_arrow(int id, const struct call *call, bool begins)
{
    printf(",\n{\"name\":\"brings\",\"cat\":\"flow\",\"ph\":\"%c\",%s\"id\":%d,",
        begins ? 's' : 'f', begins ? "" : "\"bp\":\"e\",", id);
    trace_place(call->lane);
    long long ns = begins ? call->start_ns : call->end_ns - 1;
    printf(",\"ts\":%lld.%03lld}", ns / 1000, ns % 1000);
}

static void draw_trace(void)
{
    collect_instants();
    printf("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    trace_name("process_name", 0, "clients");
    trace_name("process_name", first_thread(), "server");
    for (int lane = 0; lane < LANES_MAX; lane++)
        if (timeline.has_lane[lane])
            trace_name("thread_name", lane, *lane_name(lane) ? lane_name(lane) : "queue");
    for (int i = 0; i < drawn_count; i++) {
        printf("%s", i > 0 ? ",\n" : "");
        trace_call(drawn[i]);
    }
    for (int i = 0; i < arrows_count; i++) {
        trace_arrow(i + 1, arrows[i].from, true);
        trace_arrow(i + 1, arrows[i].to, false);
    }
    printf("\n]}\n");
}

/* ---- a picture ------------------------------------------------------------------ */

#define WIDTH_PX 830
#define NAME_PX 70
#define RIGHT_PX 12
#define TOP_PX 40
#define LANE_PX 30
#define BAR_PX 20
#define GROUP_PX 12     /* between clients, queue and threads */
#define SHORT_PX 15     /* two letters */
#define LETTER_UNITS 90 /* 5.6 pixels, in units */
#define TICK_PX 50
#define NOTE_PX 16
#define NOTE_COLUMNS 125 /* of its letters, in WIDTH_PX */

/* Colors that differ for color-blind eyes too (Okabe and Ito), light ones under dark
 * letters and dark ones under light letters. Each bar says its client as well. */
static const char style[] =
    "text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}\n"
    ".t{font-size:14px;font-weight:600}.n{text-anchor:end}.s{font-size:11px;fill:#59636e}"
    "\n"
    ".l{font:9.5px ui-monospace,monospace;text-anchor:middle}\n"
    ".o{paint-order:stroke;stroke:#f3f5f7;stroke-width:4px;stroke-linejoin:round}\n"
    ".bg{fill:#fff}.g{stroke:#d1d9e0;stroke-width:1}\n"
    ".b{stroke-width:1}.w{fill:url(#h);stroke:#8c959f;stroke-width:.8}\n"
    ".p{fill:none;stroke-width:1.2;marker-end:url(#m)}\n"
    "#m path{fill:#59636e}#h path{stroke:#c4ccd4}#h rect{fill:#f3f5f7}\n"
    ".ca{fill:#a9d3f5;stroke:#0072b2}.cb{fill:#fbd38d;stroke:#b36b00}\n"
    ".cc{fill:#a7e3cd;stroke:#00795a}.cd{fill:#f3c3de;stroke:#a8447e}\n"
    ".ce{fill:#f6bfa6;stroke:#c04a00}.cf{fill:#d3cdf5;stroke:#5b4bb5}\n"
    ".cg{fill:#e9e48d;stroke:#7c7600}.ch{fill:#bfe5ee;stroke:#1b7f94}\n"
    ".c-{fill:#e3e7eb;stroke:#6e7781}.p{fill:none}\n"
    "@media(prefers-color-scheme:dark){\n"
    "text{fill:#f0f6fc}.o{stroke:#161b22}.s{fill:#9198a1}.bg{fill:#0d1117}.g{stroke:#"
    "30363d}\n"
    ".w{stroke:#6e7681}#m path{fill:#9198a1}\n"
    "#h path{stroke:#39424d}#h rect{fill:#161b22}\n"
    ".ca{fill:#0b4a75;stroke:#56b4e9}.cb{fill:#704700;stroke:#e69f00}\n"
    ".cc{fill:#00543e;stroke:#2dbd95}.cd{fill:#6d2a52;stroke:#dd8fbd}\n"
    ".ce{fill:#783000;stroke:#f08a55}.cf{fill:#3d3186;stroke:#a79df0}\n"
    ".cg{fill:#545000;stroke:#d6cd3c}.ch{fill:#12505e;stroke:#62c3d8}\n"
    ".c-{fill:#2b323b;stroke:#8b949e}.p{fill:none}\n"
    "}\n";

static int lane_top_px[LANES_MAX];

static int group_of(int lane)
{
    return lane < CLIENTS_MAX ? 0 : is_thread(lane) ? 2 : 1;
}

/* Returns where the last lane ends. */
static int place_lanes(void)
{
    int y = TOP_PX, group = -1;

    for (int lane = 0; lane < LANES_MAX; lane++) {
        if (!timeline.has_lane[lane])
            continue;
        if (group >= 0 && group_of(lane) != group)
            y += GROUP_PX;
        group = group_of(lane);
        lane_top_px[lane] = y;
        y += LANE_PX;
    }
    return y;
}

static void print_escaped(const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", stdout);
            break;
        case '<':
            fputs("&lt;", stdout);
            break;
        case '>':
            fputs("&gt;", stdout);
            break;
        default:
            putchar(*text);
        }
}

/* Units, as pixels with one decimal. */
static void px(const char *name, int units)
{
    printf(" %s=\"%d.%d\"", name, NAME_PX + units / UNIT, units % UNIT * 10 / UNIT);
}

static void width_px(int units)
{
    printf(" width=\"%d.%d\"", units / UNIT, units % UNIT * 10 / UNIT);
}

static int bar_top_px(const struct call *call)
{
    return lane_top_px[call->lane] + (LANE_PX - BAR_PX) / 2;
}

static void svg_bar(const struct call *call)
{
    int x = instants.x[call->start], width = instants.x[call->end] - x;

    printf("<g><title>%s%s%.1s, %s", call->kind->word, call->client != '-' ? " " : "",
        call->client != '-' ? &call->client : "",
        duration(call->end_ns - call->start_ns));
    printf("%s%s</title>", *call->result != '\0' ? ", result " : "", call->result);
    printf("<rect rx=\"2\" height=\"%d\" y=\"%d\"", BAR_PX, bar_top_px(call));
    px("x", x);
    width_px(width);
    if (is_wait(call))
        printf(" class=\"w\"/></g>\n");
    else
        printf(" class=\"b c%c\"/></g>\n", call->client);
}

static void svg_label(const struct call *call)
{
    int x = instants.x[call->start], width = instants.x[call->end] - x;
    const char *words = label(call, (width - UNIT * 2) / LETTER_UNITS);

    if (*words == '\0')
        return;
    printf(
        "<text class=\"l%s\" y=\"%d\"", is_wait(call) ? " o" : "", bar_top_px(call) + 13);
    px("x", x + width / 2);
    printf(">%s</text>\n", words);
}

static void svg_calls(void (*part)(const struct call *call), bool waits)
{
    for (int i = 0; i < drawn_count; i++)
        if (is_wait(drawn[i]) == waits)
            part(drawn[i]);
}

/* An arrow leaves where its cause begins, and comes to where its effect ends or, in a
 * call that did not wait, begins. */
static void svg_arrow(const struct arrow *arrow)
{
    const struct call *from = arrow->from, *to = arrow->to;
    bool down = to->lane > from->lane;
    int edge = (LANE_PX - BAR_PX) / 2, short_units = SHORT_PX * UNIT / 2;
    int x2 = is_wait(to) ? instants.x[to->end] : instants.x[to->start] + short_units;
    int middle = instants.x[from->start] + short_units;
    int x1 = middle > x2 ? instants.x[from->start] : middle;
    int y1 = lane_top_px[from->lane] + (down ? LANE_PX - edge : edge);
    int y2 = lane_top_px[to->lane] + (down ? edge - 2 : LANE_PX - edge + 2);

    printf("<line class=\"p c%c\" y1=\"%d\" y2=\"%d\"", from->client, y1, y2);
    px("x1", x1);
    px("x2", x2);
    printf("/>\n");
}

/* 1, 2 or 5 and zeros. */
static long long tick_step_ns(void)
{
    static const int steps[] = {1, 2, 5};

    for (long long ten = 1000;; ten *= 10)
        for (int i = 0; i < 3; i++)
            if (timeline.until_ns / (ten * steps[i]) <= 5)
                return ten * steps[i];
}

static void svg_axis(int bottom)
{
    long long step = tick_step_ns();
    int last = -TICK_PX * UNIT;

    for (long long ns = 0; ns <= timeline.until_ns; ns += step) {
        int x = x_of(ns);
        if (x - last < TICK_PX * UNIT)
            continue;
        last = x;
        printf("<line class=\"g\" y1=\"%d\" y2=\"%d\"", TOP_PX - 6, bottom + 4);
        px("x1", x);
        px("x2", x);
        printf("/><text class=\"s\" y=\"%d\"", bottom + 18);
        px("x", x);
        printf(">%s</text>\n", ns == 0 ? "0" : duration(ns));
    }
}

static void svg_names(void)
{
    for (int lane = 0; lane < LANES_MAX; lane++) {
        if (!timeline.has_lane[lane])
            continue;
        int middle = lane_top_px[lane] + LANE_PX / 2;
        printf("<text class=\"n\" x=\"%d\" y=\"%d\">%s</text>", NAME_PX - 8, middle + 4,
            lane_name(lane));
        printf("<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", NAME_PX,
            WIDTH_PX - RIGHT_PX, middle, middle);
    }
}

static void svg_head(int height)
{
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
           "height=\"%d\" role=\"img\">\n<title>",
        WIDTH_PX, height, WIDTH_PX, height);
    print_escaped(timeline.title);
    printf("</title>\n<style>\n%s</style>\n<defs>", style);
    printf("<pattern id=\"h\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
           "<rect width=\"6\" height=\"6\"/><path d=\"M-1 7L7 -1M-1 1L1 -1M5 7L7 5\"/>"
           "</pattern><marker id=\"m\" viewBox=\"0 0 6 6\" refX=\"5\" refY=\"3\" "
           "markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\">"
           "<path d=\"M0 0L6 3L0 6z\"/></marker></defs>\n");
    printf(
        "<rect class=\"bg\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", WIDTH_PX, height);
    printf("<text class=\"t\" x=\"%d\" y=\"22\">", 12);
    print_escaped(timeline.title);
    printf("</text>\n");
}

/* A line of text for each of words; returns where the next would be. */
static int svg_notes(int y, const char *words)
{
    for (size_t len; *words != '\0'; y += NOTE_PX) {
        len = strcspn(words, "\n");
        printf("<text class=\"s\" x=\"12\" y=\"%d\">%.*s</text>\n", y, (int)len, words);
        words += len + (words[len] == '\n');
    }
    return y;
}

static void draw_svg(void)
{
    char words[512];

    layout(WIDTH_PX - NAME_PX - RIGHT_PX, SHORT_PX);
    int bottom = place_lanes();
    int lines = legend(words, sizeof words, NOTE_COLUMNS) + 1;
    svg_head(bottom + 34 + lines * NOTE_PX);
    svg_axis(bottom);
    svg_names();
    svg_calls(svg_bar, true);
    for (int i = 0; i < arrows_count; i++)
        svg_arrow(&arrows[i]);
    svg_calls(svg_label, true);
    svg_calls(svg_bar, false);
    svg_calls(svg_label, false);
    svg_notes(svg_notes(bottom + 40, words), "A second letter is the client, ! a call "
                                             "that failed; hatched is waiting. A short "
                                             "call is drawn wider than it is.");
    printf("</svg>\n");
}

int main(int argc, char *argv[])
{
    const char *format = argc == 2 ? argv[1] : "";
    void (*draw)(void) = strcmp(format, "svg") == 0     ? draw_svg
                         : strcmp(format, "text") == 0  ? draw_text
                         : strcmp(format, "trace") == 0 ? draw_trace
                                                        : NULL;

    if (draw == NULL) {
        fprintf(stderr, "usage: timeline svg|text|trace <record\n");
        return 2;
    }
    read_record();
    find_waiting_clients();
    find_queue();
    find_arrows();
    draw();
    return fflush(stdout) == 0 ? 0 : 1;
}
