/* http_client - asks an HTTP server what a file of cases says, and reads the answers by
 * the letter of RFC 9112.
 *
 *     http_client [OPTION...] PORT FILE     the cases of FILE; "-": of stdin
 *     http_client -G PATH PORT              GET PATH: the body to stdout, 0 if 200
 *     http_client -l FILE                   the groups of FILE
 *
 *     -a ADDR   of the server (127.0.0.1)      -g GROUP  only this one
 *     -n TEXT   only cases whose name has it   -j N      connections at once (64)
 *     -w WAYS   some of whole,split,bytes (all three)
 *     -i MS     pause between two bytes of what is sent slowly (0)
 *     -d MS     longest time in which nothing moves (10000)
 *     -T S      longest time for all of it (100)
 *     -s FACTOR these and all other upper bounds so many times
 *     -P PID    of the server: upper bounds count the time in which it could run (fair.h)
 *     -t PID    stop the server, send all cases, SIGTERM, let it go on; only with whole
 *
 * Each case has a connection of its own, and is sent in three ways: whole; split in two,
 * at every place of a short one and at some of a long one; and byte by byte (of a long
 * one the first and the last). A piece is not sent before the server has read the one
 * before it, which the kernel tells (sock_diag(7)); where it does not, not before that
 * has been sent. A case that failed in one way is not tried in the others.
 *
 * A line of the file is `group NAME`, `let WORD TEXT`, a comment that begins with #, or
 *
 *     NAME | SECTION | STEPS
 *
 * A line that begins with a space goes on with the one before. SECTION is the place in
 * the RFC that decides. STEPS are, in order:
 *
 *     TEXT     to send: "GET /" "a"*9000 "\r\n", with \n \r \t \0 \\ \" \xHH, or a WORD
 *     => 200   an answer; 400/505: one of these; 200*9: so many; 100?: or none. Then:
 *              body TEXT     these bytes
 *              has TEXT      this field, "Name" or "Name: value"
 *              lacks TEXT    no field of that name
 *              head          to HEAD: no body
 *              no-type       a body without Content-Type is correct
 *              after MS      not earlier, from connect
 *              before MS     not later
 *     silent   nothing comes while the server waits for what follows
 *     fin      the client half-closes
 *     late     nothing is read before all is sent, and all must be taken
 *     slowly   what follows is sent byte by byte, with the pause of -i, in any way
 *     and at the end one of
 *     open     no answer said close, and one more request on it is answered
 *     closed   the last answer said close, nothing follows it, then FIN and not a reset
 *     ends     the same, whether or not an answer said close
 *     waits    nothing more comes
 *
 * TEXT after an answer is not sent before that answer has come. An answer must be: a
 * right status line; fields without folding, control bytes or spaces in names; one
 * Content-Length and no other framing; a Date that is one and not far from now; Allow
 * with 405; Content-Type with a body. 100 has neither length nor Date. A reset is wrong
 * always.
 *
 * A server has deadlines of its own. So a case that failed while we stood still for
 * longer than LATE_MS, as on a busy machine, proves nothing, and is tried again.
 *
 * Exit status: 0 all as wanted, 1 the server did wrong, 2 the file or this machine did.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fair.h"
#include "unread.h"

#define AT_ONCE_MAX 1024
#define LETS_MAX 64
#define STATUSES_MAX 4       /* that one answer may have */
#define FIELDS_MAX 4         /* that a case asks about, of one answer */
#define SHORT_MAX 200        /* bytes of a case that is split at every place */
#define PLACES_MAX 64        /* where a longer one is split */
#define ENDS_LEN 64          /* bytes at both its ends that are sent one by one */
#define ANSWER_MAX (4 << 20) /* bytes kept of what the server says */
#define HEAD_MAX 65536
#define LATE_MS 100      /* we stood still for so long */
#define LATE_TRIES_MAX 5 /* of a case for which we were late each time */
#define QUIET_MS 150     /* nothing came for so long: the server waits */
#define CLOCK_SKEW_S 300 /* between a Date and now */
#define EXCERPT_MAX 160
#define EXCERPT_SIZE (EXCERPT_MAX * 4 + 40)
#define WORDS_SEEN_MAX 400

struct text {
    char *data; /* a NUL follows that len does not count; NULL: none */
    size_t len;
};

struct wanted {
    int status[STATUSES_MAX];
    int status_count;
    bool head, no_type, optional;
    struct text body; /* data NULL: any */
    char *has[FIELDS_MAX], *lacks[FIELDS_MAX];
    int has_count, lacks_count;
    long after_ms, before_ms; /* from connect; 0: whenever */
};

/* Bytes from `at` on wait until so many answers have come, or it was silent. */
struct gate {
    size_t at, answers;
    bool silent, fin;
};

enum end { END_OPEN, END_CLOSED, END_ANY, END_WAITS };

struct example {
    const char *name, *section, *group;
    const char *wish; /* of the steps, what is not sent */
    struct text bytes;
    size_t own_len; /* of the bytes, without the question at the end */
    struct gate *gate;
    size_t gate_count;
    struct wanted *wanted;
    size_t wanted_count;
    enum end end;
    bool late;
    size_t slow_from;  /* these bytes are sent with a pause after each; none: SIZE_MAX */
    unsigned failures; /* ways that failed; the first is told */
};

enum way { WHOLE, SPLIT, BYTES, WAYS };

/* One connection: a case, in one way. */
struct run {
    struct example *example;
    enum way way;
    size_t place; /* of the split */
    int fd;       /* -1: this slot is free */
    struct sockaddr_in peer, ours;
    size_t sent, gate, answers;
    bool piece_sent, ended, broken;
    char *in; /* what came and is not yet read */
    size_t in_len, in_size;
    bool said_close;                      /* the last answer */
    bool late;                            /* we were, while it went on */
    int tries;                            /* before this one */
    long long began_ms, moved_ms;         /* real time */
    int64_t fair_began_ms, fair_moved_ms; /* the clock of limits */
    char seen[WORDS_SEEN_MAX];            /* in words */
    char fault[WORDS_SEEN_MAX];
};

/* An answer that came. Texts point into the input. */
struct came {
    int status;
    struct text head, body;
    size_t len;
    bool close;
};

static struct {
    const char *address, *group, *name, *ways;
    uint16_t port;
    size_t at_once;
    long pause_ms, limit_ms, total_ms, factor;
    pid_t server;  /* 0: not told */
    pid_t stopped; /* the server, until all is sent; 0: none */
    bool ends_server;
    struct example *example;
    size_t example_count;
    struct {
        char *name;
        struct text text;
    } let[LETS_MAX];
    int let_count;
    size_t line; /* of the file */
    size_t runs, failures, bytes_sent;
    int diag; /* asks the kernel about sockets; -1: it does not tell */
} client = {.address = "127.0.0.1",
    .ways = "whole,split,bytes",
    .at_once = 64,
    .limit_ms = 10000,
    .total_ms = 100000,
    .diag = -1,
    .factor = 1};

/* ---- small helpers ----------------------------------------------------------- */

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(
    const char *reason, ...)
{
    va_list arguments;

    fprintf(stderr, "http_client: ");
    if (client.line > 0)
        fprintf(stderr, "line %zu: ", client.line);
    va_start(arguments, reason);
    vfprintf(stderr, reason, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

/* Room for count things of that size; the old ones are kept. */
static void *grow(void *memory, size_t count, size_t size)
{
    memory = realloc(memory, (count ? count : 1) * size);
    if (!memory)
        give_up("out of memory");
    return memory;
}

static void append(struct text *text, const char *data, size_t len)
{
    text->data = grow(text->data, text->len + len + 1, 1);
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static long number(const char *digits)
{
    char *end;
    long value = strtol(digits, &end, 10);

    if (!isdigit((unsigned char)*digits) || *end || value > INT_MAX)
        give_up("'%s' is not a number", digits);
    return value;
}

static const char *excerpt(const char *bytes, size_t len, char to[EXCERPT_SIZE])
{
    static const char names[] = "nrt\\\"", values[] = "\n\r\t\\\"";
    size_t shown = len < EXCERPT_MAX ? len : EXCERPT_MAX, at = 0;

    to[at++] = '"';
    for (size_t i = 0; i < shown; i++) {
        const char *known = bytes[i] ? strchr(values, bytes[i]) : NULL;
        if (known)
            at += (size_t)sprintf(to + at, "\\%c", names[known - values]);
        else
            at += (size_t)sprintf(to + at,
                isprint((unsigned char)bytes[i]) ? "%c" : "\\x%02x",
                (unsigned char)bytes[i]);
    }
    sprintf(to + at, shown < len ? "\"... (%zu bytes)" : "\" (%zu bytes)", len);
    return to;
}

/* ---- the file: texts --------------------------------------------------------- */

static char unescape(const char **at)
{
    static const char names[] = "nrt0\\\"", values[] = "\n\r\t\0\\\"";
    const char *known = **at ? strchr(names, **at) : NULL;
    char digits[3] = "";

    if (known) {
        (*at)++;
        return values[known - names];
    }
    if (**at != 'x' || !isxdigit((unsigned char)(*at)[1]) ||
        !isxdigit((unsigned char)(*at)[2]))
        give_up("unknown escape \\%.3s", *at);
    memcpy(digits, *at + 1, 2);
    *at += 3;
    return (char)strtol(digits, NULL, 16);
}

/* Takes a string in quotes from *at. */
static struct text parse_quoted(const char **at)
{
    struct text text = {NULL, 0};

    append(&text, "", 0);
    for ((*at)++; **at != '"';) {
        if (!**at)
            give_up("no closing quote");
        char byte = *(*at)++;
        if (byte == '\\')
            byte = unescape(at);
        append(&text, &byte, 1);
    }
    (*at)++;
    return text;
}

static const struct text *find_let(const char *name, size_t len)
{
    for (int i = 0; i < client.let_count; i++)
        if (strlen(client.let[i].name) == len &&
            memcmp(client.let[i].name, name, len) == 0)
            return &client.let[i].text;
    return NULL;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* Takes "text" or WORD, and perhaps *N, from *at; false: something else stands there. */
static bool take_text(const char **at, struct text *to)
{
    const char *begin = *at = skip_blanks(*at);
    struct text once = {NULL, 0};

    if (*begin == '"') {
        once = parse_quoted(at);
    } else {
        size_t len = strcspn(begin, " \t*");
        const struct text *let = find_let(begin, len);
        if (!let)
            return false;
        append(&once, let->data, let->len);
        *at += len;
    }
    long times = 1;
    if (**at == '*') {
        char *end;
        times = strtol(*at + 1, &end, 10);
        *at = end;
    }
    append(to, "", 0);
    for (long i = 0; i < times; i++)
        append(to, once.data, once.len);
    free(once.data);
    return true;
}

static char *text_word(const char **at)
{
    struct text text = {NULL, 0};

    if (!take_text(at, &text))
        give_up("a text is missing before '%s'", *at);
    return text.data;
}

/* Takes a word from *at: it is good until the next call. */
static const char *take_word(const char **at)
{
    static char word[64];
    size_t len = strcspn(*at = skip_blanks(*at), " \t");

    if (len >= sizeof word)
        give_up("a word too long: '%s'", *at);
    memcpy(word, *at, len);
    word[len] = '\0';
    *at += len;
    return word;
}

/* ---- the file: steps --------------------------------------------------------- */

static void add_gate(struct example *example, bool silent, bool fin)
{
    example->gate = grow(example->gate, example->gate_count + 1, sizeof *example->gate);
    example->gate[example->gate_count++] =
        (struct gate){example->bytes.len, example->wanted_count, silent, fin};
}

static struct wanted *add_wanted(struct example *example, struct wanted wanted)
{
    example->wanted =
        grow(example->wanted, example->wanted_count + 1, sizeof *example->wanted);
    example->wanted[example->wanted_count] = wanted;
    return &example->wanted[example->wanted_count++];
}

static void parse_wanted_word(struct wanted *wanted, const char *word, const char **at)
{
    if (strcmp(word, "head") == 0)
        wanted->head = true;
    else if (strcmp(word, "no-type") == 0)
        wanted->no_type = true;
    else if (strcmp(word, "after") == 0)
        wanted->after_ms = number(take_word(at));
    else if (strcmp(word, "before") == 0)
        wanted->before_ms = number(take_word(at));
    else if (strcmp(word, "body") == 0 && take_text(at, &wanted->body))
        return;
    else if (strcmp(word, "has") == 0 && wanted->has_count < FIELDS_MAX)
        wanted->has[wanted->has_count++] = text_word(at);
    else if (strcmp(word, "lacks") == 0 && wanted->lacks_count < FIELDS_MAX)
        wanted->lacks[wanted->lacks_count++] = text_word(at);
    else
        give_up("what is '%s'?", word);
}

static bool is_one_of(const char *word, const char *words)
{
    size_t len = strlen(word);

    for (const char *at = words; len > 0 && (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return true;
    return false;
}

/* What follows =>. */
static void parse_answer_wish(struct example *example, const char **at)
{
    struct wanted wanted = {.status_count = 0};
    char *rest = strdup(take_word(at)), *next = rest;
    long times = 1;

    while (next && wanted.status_count < STATUSES_MAX) {
        char *status = next;
        next = strpbrk(status, "/*?");
        bool repeated = next && *next == '*';
        wanted.optional = next && *next == '?';
        if (next)
            *next++ = '\0';
        wanted.status[wanted.status_count++] = (int)number(status);
        if (repeated)
            times = number(next);
        if (repeated || wanted.optional)
            next = NULL;
    }
    free(rest);
    for (;;) {
        const char *before = *at, *word = take_word(at);
        if (!is_one_of(word, "body head has lacks after before no-type")) {
            *at = before;
            break;
        }
        parse_wanted_word(&wanted, word, at);
    }
    while (times-- > 0)
        add_wanted(example, wanted);
}

static bool parse_end(struct example *example, const char *word)
{
    static const char *const names[] = {"open", "closed", "ends", "waits"};

    for (int i = 0; i < 4; i++)
        if (strcmp(word, names[i]) == 0) {
            example->end = (enum end)i;
            return true;
        }
    return false;
}

/* One more request, and its answer: the connection is of use. */
static void ask_at_end(struct example *example)
{
    static const char question[] = "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n";
    struct wanted wanted = {.status = {200}, .status_count = 1};

    append(&wanted.body, "ok", 2);
    add_gate(example, false, false);
    append(&example->bytes, question, sizeof question - 1);
    add_wanted(example, wanted);
}

static void parse_steps(struct example *example, const char *at)
{
    size_t gated = 0; /* answers that the last text waits for */

    append(&example->bytes, "", 0);
    for (at = skip_blanks(at); *at; at = skip_blanks(at)) {
        struct text text = {NULL, 0};
        if (take_text(&at, &text)) {
            if (gated < example->wanted_count)
                add_gate(example, false, false);
            gated = example->wanted_count;
            append(&example->bytes, text.data, text.len);
            free(text.data);
            continue;
        }
        if (!example->wish)
            example->wish = at;
        const char *word = take_word(&at);
        if (strcmp(word, "=>") == 0)
            parse_answer_wish(example, &at);
        else if (is_one_of(word, "silent fin"))
            add_gate(example, *word == 's', *word == 'f');
        else if (strcmp(word, "late") == 0)
            example->late = true;
        else if (strcmp(word, "slowly") == 0)
            example->slow_from = example->bytes.len;
        else if (parse_end(example, word) && !*skip_blanks(at))
            break;
        else
            give_up("what is '%s'?", word);
    }
    if (!example->wish || (example->end == END_OPEN && !strstr(example->wish, "open")))
        give_up("it does not say how it ends");
    example->own_len = example->bytes.len;
    if (example->end == END_OPEN)
        ask_at_end(example);
}

/* ---- the file: lines --------------------------------------------------------- */

static void parse_let(const char *at)
{
    struct text text = {NULL, 0};

    if (client.let_count == LETS_MAX)
        give_up("more than %d words", LETS_MAX);
    char *name = strdup(take_word(&at));
    while (take_text(&at, &text))
        ;
    if (*at || !text.data)
        give_up("a text is wanted, not '%s'", at);
    client.let[client.let_count].name = name;
    client.let[client.let_count++].text = text;
}

/* Cuts off the next part before a | and takes the blanks from both its ends. */
static const char *take_column(char **at)
{
    char *bar = strchr(*at, '|'), *begin = *at + strspn(*at, " \t");

    if (!bar)
        give_up("NAME | SECTION | STEPS");
    *at = bar + 1;
    while (bar > begin && isspace((unsigned char)bar[-1]))
        bar--;
    *bar = '\0';
    return begin;
}

/* Keeps pointers into line, which must stay. */
static void parse_line(char *line)
{
    static const char *group = "";
    struct example example = {.group = group, .slow_from = SIZE_MAX};

    if (!*line || *line == '#') {
        free(line);
    } else if (strncmp(line, "group ", 6) == 0) {
        group = line + 6;
    } else if (strncmp(line, "let ", 4) == 0) {
        parse_let(line + 4);
        free(line);
    } else {
        example.name = take_column(&line);
        example.section = take_column(&line);
        parse_steps(&example, line);
        client.example =
            grow(client.example, client.example_count + 1, sizeof *client.example);
        client.example[client.example_count++] = example;
    }
}

static void parse_file(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct text whole = {NULL, 0};
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (!file)
        give_up("%s: %s", path, strerror(errno));
    append(&whole, "", 0);
    while ((len = getline(&line, &size, file)) >= 0) {
        while (len > 0 && isspace((unsigned char)line[len - 1]))
            len--;
        if (len == 0 || !isspace((unsigned char)line[0])) {
            parse_line(whole.data);
            whole = (struct text){NULL, 0};
        }
        append(&whole, line, (size_t)len);
        client.line++;
    }
    parse_line(whole.data);
    free(line);
    if (file != stdin)
        fclose(file);
    client.line = 0;
}

/* ---- answers ----------------------------------------------------------------- */

/* Takes a line that ends with CRLF; false: there is none. */
static bool take_line(struct text *rest, struct text *line)
{
    char *end = rest->len ? memmem(rest->data, rest->len, "\r\n", 2) : NULL;

    if (!end)
        return false;
    *line = (struct text){rest->data, (size_t)(end - rest->data)};
    rest->len -= line->len + 2;
    rest->data = end + 2;
    return true;
}

static bool is_token(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!data[i] ||
            (!isalnum((unsigned char)data[i]) && !strchr("!#$%&'*+-.^_`|~", data[i])))
            return false;
    return len > 0;
}

/* Cuts a field line. Section 5 of RFC 9112. */
static const char *cut_field(struct text line, struct text *name, struct text *value)
{
    char *colon = memchr(line.data, ':', line.len);

    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t')
            return "a control byte in a field";
    if (!colon || !is_token(line.data, (size_t)(colon - line.data)))
        return "a field line whose name is no token";
    *name = (struct text){line.data, (size_t)(colon - line.data)};
    *value = (struct text){colon + 1, line.len - name->len - 1};
    while (value->len && (*value->data == ' ' || *value->data == '\t'))
        value->data++, value->len--;
    while (value->len && isblank((unsigned char)value->data[value->len - 1]))
        value->len--;
    return NULL;
}

static bool is_named(struct text name, const char *word)
{
    return name.len == strlen(word) && strncasecmp(name.data, word, name.len) == 0;
}

/* How many fields of that name the answer has; the value of the last. */
static int find_field(struct text head, const char *word, struct text *value)
{
    struct text line, name, found;
    int count = 0;

    take_line(&head, &line);
    while (take_line(&head, &line) && line.len > 0)
        if (!cut_field(line, &name, &found) && is_named(name, word)) {
            *value = found;
            count++;
        }
    return count;
}

/* Is word a member of the list? */
static bool has_member(struct text list, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= list.len; i++)
        if (strncasecmp(list.data + i, word, len) == 0 &&
            (i == 0 || strchr(", \t", list.data[i - 1])) &&
            (i + len == list.len || strchr(", \t", list.data[i + len])))
            return true;
    return false;
}

/* The one form that a server may send (RFC 9110, section 5.6.7), and about now. */
static const char *check_date(struct text head)
{
    struct text value;
    struct tm tm = {.tm_sec = 0};
    char date[32], again[32];

    if (find_field(head, "Date", &value) != 1)
        return "no Date, or two (RFC 9110, section 6.6.1)";
    if (value.len != strlen("Sun, 06 Nov 1994 08:49:37 GMT"))
        return "a Date in another form";
    memcpy(date, value.data, value.len);
    date[value.len] = '\0';
    if (!strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return "a Date in another form";
    time_t then = timegm(&tm), now = time(NULL);
    strftime(again, sizeof again, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (strcmp(date, again) != 0)
        return "a Date that is none";
    return then < now - CLOCK_SKEW_S || then > now + CLOCK_SKEW_S
               ? "a Date that is not now"
               : NULL;
}

static const char *read_length(struct text head, size_t *length)
{
    struct text value;

    *length = 0;
    if (find_field(head, "Transfer-Encoding", &value) > 0)
        return "a Transfer-Encoding";
    if (find_field(head, "Content-Length", &value) != 1)
        return "no Content-Length, or two";
    if (value.len == 0 || value.len > 9)
        return "a Content-Length that is none";
    for (size_t i = 0; i < value.len; i++) {
        if (!isdigit((unsigned char)value.data[i]))
            return "a Content-Length that is none";
        *length = *length * 10 + (size_t)(value.data[i] - '0');
    }
    return NULL;
}

/* Of a 1xx: no framing, nothing to say about the connection. */
static const char *check_interim(struct text head)
{
    struct text value;

    if (find_field(head, "Content-Length", &value) > 0 ||
        find_field(head, "Transfer-Encoding", &value) > 0)
        return "a Content-Length with a 1xx";
    return find_field(head, "Connection", &value) > 0 ? "a Connection with a 1xx" : NULL;
}

static const char *check_fields(struct text head)
{
    struct text line, name, value;
    const char *fault = NULL;

    take_line(&head, &line);
    while (!fault && take_line(&head, &line) && line.len > 0)
        fault = cut_field(line, &name, &value);
    return fault;
}

static const char *check_status_line(struct text line, int *status)
{
    if (line.len < 13 || memcmp(line.data, "HTTP/1.1 ", 9) != 0 || line.data[12] != ' ')
        return "a wrong status line";
    for (size_t i = 9; i < 12; i++)
        if (!isdigit((unsigned char)line.data[i]))
            return "a wrong status line";
    for (size_t i = 13; i < line.len; i++)
        if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t')
            return "a control byte in the status line";
    *status = (int)strtol(line.data + 9, NULL, 10);
    return *status >= 100 && *status < 600 ? NULL : "a status that is none";
}

/* What is wrong with the head of an answer that is here in full; its body's length. */
static const char *check_head(struct came *came, bool no_type, size_t *length)
{
    struct text rest = came->head, line = {0}, value;

    *length = 0;
    take_line(&rest, &line);
    const char *fault = check_status_line(line, &came->status);
    if (!fault)
        fault = check_fields(came->head);
    if (fault)
        return fault;
    if (came->status < 200)
        return check_interim(came->head);
    fault = read_length(came->head, length);
    if (!fault)
        fault = check_date(came->head);
    if (!fault && came->status == 405 && find_field(came->head, "Allow", &value) != 1)
        fault = "405 without Allow";
    if (!fault && !no_type && *length > 0 &&
        find_field(came->head, "Content-Type", &value) != 1)
        fault = "a body without Content-Type";
    int fields = fault ? 0 : find_field(came->head, "Connection", &value);
    if (fields > 1)
        fault = "two Connection fields";
    came->close = fields == 1 && has_member(value, "close");
    return fault;
}

/* Reads the answer at the beginning of data. came->len is 0 while it is not all here. */
static const char *read_answer(
    char *data, size_t len, bool head_only, bool no_type, struct came *came)
{
    char *end = memmem(data, len, "\r\n\r\n", 4);
    size_t length;

    *came = (struct came){.len = 0};
    if (memchr(data, '\n', len < HEAD_MAX ? len : HEAD_MAX) == data)
        return "an empty line before an answer";
    if (!end)
        return len > HEAD_MAX ? "an answer without end" : NULL;
    came->head = (struct text){data, (size_t)(end - data) + 4};
    const char *fault = check_head(came, no_type, &length);
    if (fault)
        return fault;
    if (head_only)
        length = 0;
    came->body = (struct text){end + 4, length};
    if (came->head.len + length <= len)
        came->len = came->head.len + length;
    return NULL;
}

/* ---- what a case wants of an answer ------------------------------------------ */

static bool has_status(const struct wanted *wanted, int status)
{
    for (int i = 0; i < wanted->status_count; i++)
        if (wanted->status[i] == status)
            return true;
    return false;
}

static const char *check_wish(const struct wanted *wanted, const struct came *came)
{
    struct text value;

    if (!has_status(wanted, came->status))
        return "another status";
    if (wanted->body.data &&
        (wanted->body.len != came->body.len ||
            memcmp(wanted->body.data, came->body.data, came->body.len) != 0))
        return "another body";
    for (int i = 0; i < wanted->has_count; i++) {
        size_t len = strcspn(wanted->has[i], ":");
        char *name = strndup(wanted->has[i], len);
        const char *want = wanted->has[i] + len + strspn(wanted->has[i] + len, ": ");
        int count = find_field(came->head, name, &value);
        free(name);
        if (count != 1 || (*want && (strlen(want) != value.len ||
                                        memcmp(want, value.data, value.len) != 0)))
            return "a field is missing or has another value";
    }
    for (int i = 0; i < wanted->lacks_count; i++)
        if (find_field(came->head, wanted->lacks[i], &value) > 0)
            return "a field that must not be there";
    return NULL;
}

/* ---- one connection ---------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void see(
    struct run *run, const char *words, ...)
{
    size_t len = strlen(run->seen);
    va_list arguments;

    if (len > sizeof run->seen / 2) /* a thousand answers: the last ones tell */
        len = (size_t)snprintf(run->seen, sizeof run->seen, "...");
    if (len > 0)
        len += (size_t)snprintf(run->seen + len, sizeof run->seen - len, ", ");
    va_start(arguments, words);
    vsnprintf(run->seen + len, sizeof run->seen - len, words, arguments);
    va_end(arguments);
}

static void begin(struct run *run)
{
    struct sockaddr_in *peer = &run->peer;
    socklen_t len = sizeof run->ours;
    int on = 1;

    *peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(client.port)};
    run->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (run->fd < 0 || inet_pton(AF_INET, client.address, &peer->sin_addr) != 1)
        give_up("socket: %s", strerror(errno));
    /* A connect to loopback is done at once. */
    if (connect(run->fd, (struct sockaddr *)peer, sizeof *peer) < 0) {
        fprintf(stderr, "http_client: connect to %s port %u: %s\n", client.address,
            (unsigned)client.port, strerror(errno));
        exit(1);
    }
    setsockopt(run->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    run->began_ms = run->moved_ms = now_ms();
    run->fair_began_ms = run->fair_moved_ms = fair_ms();
    getsockname(run->fd, (struct sockaddr *)&run->ours, &len);
}

/* With a reset, or our side would keep the port for a minute, thousands of times. */
static void finish(struct run *run)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(run->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(run->fd);
    free(run->in);
    run->in = NULL;
    run->fd = -1;
}

/* Where the piece ends that begins with the byte at `sent`. */
static size_t piece_end(const struct run *run)
{
    size_t len = run->example->bytes.len, own = run->example->own_len;
    size_t slow = run->example->slow_from;

    if (run->sent >= slow && run->sent < own)
        return run->sent + 1;
    if (run->way == SPLIT && run->sent < run->place)
        return run->place;
    if (run->way != BYTES || run->sent >= own)
        return run->sent >= own ? len : slow < own ? slow : own;
    if (own > SHORT_MAX && run->sent >= ENDS_LEN && run->sent < own - ENDS_LEN)
        return own - ENDS_LEN;
    return run->sent + 1;
}

static void moved(struct run *run, long long now)
{
    run->moved_ms = now;
    run->fair_moved_ms = fair_ms();
}

static const struct gate *next_gate(const struct run *run)
{
    return run->gate < run->example->gate_count ? &run->example->gate[run->gate] : NULL;
}

static bool all_sent(const struct run *run)
{
    return run->sent == run->example->bytes.len && !next_gate(run);
}

/* Goes through the gates at which we stand, as far as they are open. False: one is shut.
 */
static bool pass_gates(struct run *run, long long now)
{
    const struct gate *gate;

    while ((gate = next_gate(run)) && gate->at == run->sent) {
        if (run->answers < gate->answers)
            return false;
        if (gate->silent && now - run->moved_ms < QUIET_MS)
            return false;
        if (gate->fin)
            shutdown(run->fd, SHUT_WR);
        run->gate++;
        moved(run, now);
    }
    return true;
}

/* How many bytes of ours wait to be read by the server; 0 if the kernel does not tell. */
static long unread(const struct run *run)
{
    struct sockaddr_storage ours = {0}, peer = {0};

    memcpy(&ours, &run->ours, sizeof run->ours);
    memcpy(&peer, &run->peer, sizeof run->peer);
    long len = unread_bytes(client.diag, &ours, &peer);
    return len == UNREAD_UNKNOWN ? 0 : len;
}

static bool piece_is_read(const struct run *run)
{
    int unsent = 0;

    return (ioctl(run->fd, SIOCOUTQNSD, &unsent) < 0 || unsent == 0) && unread(run) == 0;
}

/* The bytes that may be sent now; *wait_ms: how long until there may be some. */
static size_t sendable(struct run *run, long long now, long *wait_ms)
{
    const struct gate *gate;

    *wait_ms = client.limit_ms;
    if (run->broken || !pass_gates(run, now)) {
        gate = next_gate(run);
        if (gate && gate->silent)
            *wait_ms = QUIET_MS;
        return 0;
    }
    if (run->piece_sent) {
        if (run->sent > run->example->slow_from)
            *wait_ms = client.pause_ms - (now - run->moved_ms);
        if (run->sent > run->example->slow_from && *wait_ms > 0)
            return 0;
        if (!piece_is_read(run)) {
            *wait_ms = 1;
            return 0;
        }
        run->piece_sent = false;
    }
    size_t end = piece_end(run);
    gate = next_gate(run);
    if (gate && gate->at < end)
        end = gate->at;
    return end - run->sent;
}

static void send_some(struct run *run, size_t len, long long now)
{
    ssize_t n = send(
        run->fd, run->example->bytes.data + run->sent, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0) { /* what came before may still be read */
        run->broken = true;
        return;
    }
    run->sent += (size_t)n;
    moved(run, now);
    run->piece_sent =
        (size_t)n == len && (run->way != WHOLE || run->sent > run->example->slow_from);
}

/* Reads the answers that are here. False: run->fault says what is wrong. */
static bool read_answers(struct run *run, long long now)
{
    const struct example *example = run->example;

    while (run->in_len > 0) {
        struct wanted none = {.status_count = 0};
        const struct wanted *wanted =
            run->answers < example->wanted_count ? &example->wanted[run->answers] : &none;
        struct came came;
        const char *fault =
            read_answer(run->in, run->in_len, wanted->head, wanted->no_type, &came);
        if (fault || came.len == 0) {
            if (fault)
                snprintf(run->fault, sizeof run->fault, "%s", fault);
            return !fault;
        }
        if (wanted->optional && !has_status(wanted, came.status)) {
            run->answers++;
            continue;
        }
        see(run, "%d%s", came.status, came.close ? " close" : "");
        if (wanted == &none)
            fault = "an answer too many";
        else if (run->said_close)
            fault = "an answer after one that said close";
        else
            fault = check_wish(wanted, &came);
        if (!fault && now - run->began_ms < wanted->after_ms)
            fault = "too early";
        if (!fault && wanted->before_ms &&
            fair_over(run->fair_began_ms + wanted->before_ms * client.factor))
            fault = "too late";
        if (fault) {
            snprintf(run->fault, sizeof run->fault, "%s", fault);
            return false;
        }
        run->said_close = came.close;
        run->answers++;
        run->in_len -= came.len;
        memmove(run->in, run->in + came.len, run->in_len);
    }
    return true;
}

static void recv_some(struct run *run, long long now)
{
    if (run->in_size - run->in_len < 65536) {
        run->in_size = run->in_size * 2 + 65536;
        if (run->in_size > ANSWER_MAX * 2)
            give_up("%s: more than %d bytes of answer", run->example->name, ANSWER_MAX);
        run->in = grow(run->in, run->in_size, 1);
    }
    ssize_t n =
        recv(run->fd, run->in + run->in_len, run->in_size - run->in_len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0) {
        run->in_len += (size_t)n;
        moved(run, now);
        return;
    }
    run->ended = true;
    see(run, n == 0 ? "the end" : "a reset");
    if (n < 0)
        snprintf(run->fault, sizeof run->fault, "a reset");
}

/* ---- the verdict ------------------------------------------------------------- */

enum verdict { GOES_ON, GOOD, WRONG };

__attribute__((format(printf, 2, 3))) static enum verdict wrong(
    struct run *run, const char *words, ...)
{
    va_list arguments;

    va_start(arguments, words);
    vsnprintf(run->fault, sizeof run->fault, words, arguments);
    va_end(arguments);
    return WRONG;
}

static enum verdict judge_end(struct run *run)
{
    const struct example *example = run->example;

    if (run->in_len > 0)
        return wrong(run, "an answer that is not complete");
    while (run->answers < example->wanted_count && example->wanted[run->answers].optional)
        run->answers++;
    if (run->answers < example->wanted_count)
        return wrong(run, "%zu answers of %zu", run->answers, example->wanted_count);
    if (example->end == END_OPEN || example->end == END_WAITS)
        return wrong(run, "the end of a connection that should stay");
    if (example->end == END_CLOSED && !run->said_close)
        return wrong(run, "the end, which the last answer did not announce");
    return GOOD;
}

static enum verdict judge(struct run *run, long long now)
{
    const struct example *example = run->example;
    bool all_here = run->answers == example->wanted_count;

    if (run->fault[0])
        return WRONG;
    if (run->broken && example->late)
        return wrong(run, "no more bytes taken, by a reset");
    if (run->ended)
        return judge_end(run);
    if (example->end == END_OPEN && run->said_close)
        return wrong(run, "close, where the connection should stay");
    const struct gate *gate = next_gate(run);
    if (gate && gate->silent && gate->at == run->sent &&
        (run->answers > gate->answers || run->in_len > 0))
        return wrong(run, "an answer before the request was complete");
    if (example->end == END_OPEN && all_here && all_sent(run) && run->in_len == 0)
        return GOOD;
    if (example->end == END_WAITS && all_here && all_sent(run) &&
        now - run->moved_ms >= QUIET_MS)
        return run->in_len == 0 ? GOOD : wrong(run, "a part of an answer");
    if (run->broken && now - run->moved_ms > QUIET_MS)
        return wrong(run, "a server that takes no more bytes");
    if (fair_over(run->fair_moved_ms + client.limit_ms))
        return wrong(run, "nothing for %ld ms", client.limit_ms);
    if (fair_over(client.total_ms))
        return wrong(
            run, "not done when all together took %ld s", client.total_ms / 1000);
    return GOES_ON;
}

/* Does what can be done for one connection now. */
static enum verdict advance(struct run *run, short events, long long now)
{
    long wait_ms;

    /* Input first: if the server has left, that tells more than a failing send. */
    if (events & (POLLIN | POLLHUP | POLLERR)) {
        recv_some(run, now);
        if (!read_answers(run, now))
            return WRONG;
    }
    if (events & POLLOUT && !run->ended) {
        size_t len = sendable(run, now, &wait_ms);
        if (len > 0)
            send_some(run, len, now);
    }
    return judge(run, now);
}

static void tell(const struct run *run)
{
    static const char *const ways[] = {"whole", "split", "byte by byte"};
    const struct example *example = run->example;
    char text[EXCERPT_SIZE], place[32] = "";

    if (run->way == SPLIT)
        snprintf(place, sizeof place, " at %zu", run->place);
    printf("✗ %s%s%s (%s%s)\n", example->group, *example->group ? ": " : "",
        example->name, ways[run->way], place);
    printf("    sent   : %s%s\n", excerpt(example->bytes.data, example->own_len, text),
        run->sent < example->own_len ? ", not all of it" : "");
    printf(
        "    saw    : %s%s%s\n", run->fault, run->seen[0] ? "; in all: " : "", run->seen);
    if (example->end == END_OPEN && run->answers + 1 == example->wanted_count)
        printf("    about  : GET /healthz, which was asked then, to see whether the "
               "connection is open; the case itself was answered as wanted\n");
    if (run->in_len > 0)
        printf("    bytes  : %s\n", excerpt(run->in, run->in_len, text));
    printf("    wanted : %s\n", example->wish);
    printf("    RFC    : %s\n", example->section);
}

/* ---- all of them ------------------------------------------------------------- */

static bool is_chosen(const struct example *example)
{
    return (!client.group || strcmp(client.group, example->group) == 0) &&
           (!client.name || strstr(example->name, client.name));
}

/* When it has failed once, the other ways and places would only take long to say so. */
static bool is_wanted(const struct example *example)
{
    return is_chosen(example) && example->failures == 0;
}

static size_t places_of(const struct example *example)
{
    size_t places = example->own_len > 0 ? example->own_len - 1 : 0;

    return example->own_len <= SHORT_MAX ? places : PLACES_MAX;
}

/* The n-th place at which a case is split: all of a short one; of a long one the first
 * half at its beginning and its end, the others between. */
static size_t place_of(const struct example *example, size_t n)
{
    size_t len = example->own_len;

    if (len <= SHORT_MAX)
        return n + 1;
    if (n < PLACES_MAX / 4)
        return n * 2 + 1;
    if (n < PLACES_MAX / 2)
        return len - 1 - (n - PLACES_MAX / 4) * 2;
    return len / (PLACES_MAX / 2 + 1) * (n - PLACES_MAX / 2 + 1);
}

/* Where we are in the list of all cases, ways and places. */
struct cursor {
    size_t example;
    enum way way;
    size_t place;
};

static bool way_is_wanted(enum way way)
{
    static const char *const names[] = {"whole", "split", "bytes"};

    return strstr(client.ways, names[way]) != NULL;
}

/* Begins the next one; false: there is none. */
static bool begin_next(struct cursor *cursor, struct run *run)
{
    for (; cursor->example < client.example_count;
         cursor->example++, cursor->way = WHOLE) {
        struct example *example = &client.example[cursor->example];
        for (; is_wanted(example) && cursor->way < WAYS;
             cursor->way++, cursor->place = 0) {
            size_t count = cursor->way == SPLIT ? places_of(example) : 1;
            if (!way_is_wanted(cursor->way) || cursor->place >= count)
                continue;
            *run = (struct run){.example = example, .way = cursor->way};
            if (cursor->way == SPLIT)
                run->place = place_of(example, cursor->place);
            cursor->place++;
            begin(run);
            client.runs++;
            return true;
        }
    }
    return false;
}

/* What to wait for, and how long at most. */
static struct pollfd wait_for(struct run *run, long long now, long *timeout_ms)
{
    struct pollfd wait = {.fd = run->fd};
    long wait_ms, left_ms = FAIR_SLICE_MS;

    if (!run->example->late || all_sent(run) || run->broken)
        wait.events |= POLLIN;
    if (sendable(run, now, &wait_ms) > 0)
        wait.events |= POLLOUT;
    else if (wait_ms < left_ms)
        left_ms = wait_ms;
    if ((run->example->end == END_WAITS && all_sent(run)) || run->broken)
        left_ms = QUIET_MS;
    if (left_ms < *timeout_ms)
        *timeout_ms = left_ms < 0 ? 0 : left_ms;
    return wait;
}

static bool begin_again(struct run *run)
{
    struct run again = {.example = run->example,
        .way = run->way,
        .place = run->place,
        .tries = run->tries + 1};

    if (!run->late || again.tries == LATE_TRIES_MAX || client.ends_server)
        return false;
    finish(run);
    *run = again;
    begin(run);
    return true;
}

static void settle(struct run *run, enum verdict verdict)
{
    if (verdict == WRONG && begin_again(run))
        return;
    if (verdict == WRONG) {
        client.failures++;
        if (run->example->failures++ == 0)
            tell(run);
    }
    if (verdict != GOES_ON) {
        client.bytes_sent += run->sent;
        finish(run);
    }
}

/* All that there is was sent while the server stood still: now it is told to end. */
static void end_server_when_sent(const struct run *runs, const struct cursor *cursor)
{
    if (client.stopped == 0)
        return;
    for (size_t i = 0; i < client.at_once; i++)
        if (runs[i].fd >= 0 && runs[i].sent < runs[i].example->bytes.len)
            return;
    if (cursor->example < client.example_count)
        give_up("more cases than connections at once, -j");
    kill(client.stopped, SIGTERM);
    kill(client.stopped, SIGCONT);
    client.stopped = 0;
}

static void run_all(void)
{
    static struct run runs[AT_ONCE_MAX];
    static struct pollfd polls[AT_ONCE_MAX];
    struct cursor cursor = {0, WHOLE, 0};

    client.ends_server = client.stopped != 0;
    if (client.stopped)
        kill(client.stopped, SIGSTOP);

    for (size_t i = 0; i < client.at_once; i++)
        runs[i].fd = -1;
    long long now = now_ms();
    for (;;) {
        long timeout_ms = FAIR_SLICE_MS;
        size_t alive = 0;
        for (size_t i = 0; i < client.at_once; i++) {
            polls[i] = (struct pollfd){.fd = -1};
            if (runs[i].fd < 0 && !begin_next(&cursor, &runs[i]))
                continue;
            polls[i] = wait_for(&runs[i], now, &timeout_ms);
            alive++;
        }
        if (alive == 0)
            return;
        int64_t began_ns = fair_wall_ns();
        int ready = poll(polls, client.at_once, (int)timeout_ms);
        if (ready < 0 && errno != EINTR)
            give_up("poll: %s", strerror(errno));
        if (ready == 0)
            fair_woke(began_ns, timeout_ms * 1000);
        bool late = now_ms() - now > timeout_ms + LATE_MS;
        now = now_ms();
        for (size_t i = 0; i < client.at_once; i++)
            if (polls[i].fd >= 0) {
                runs[i].late |= late;
                settle(&runs[i], advance(&runs[i], polls[i].revents, now));
            }
        end_server_when_sent(runs, &cursor);
    }
}

static int report(void)
{
    size_t chosen = 0, failed = 0;

    for (size_t i = 0; i < client.example_count; i++) {
        chosen += is_chosen(&client.example[i]);
        failed += client.example[i].failures > 0;
    }
    if (chosen == 0)
        give_up("no case has that name");
    if (failed > 0)
        printf("%zu of %zu cases failed, on %zu of %zu connections\n", failed, chosen,
            client.failures, client.runs);
    else
        printf("%zu cases, %zu connections, %zu bytes, all as wanted\n", chosen,
            client.runs, client.bytes_sent);
    return failed > 0;
}

/* ---- one request ------------------------------------------------------------- */

static int get(const char *path)
{
    struct example example = {.end = END_ANY, .slow_from = SIZE_MAX};
    struct run run = {.example = &example};
    struct came came = {.len = 0};
    const char *fault = NULL;

    append(&example.bytes, "GET ", 4);
    append(&example.bytes, path, strlen(path));
    append(&example.bytes, " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", 42);
    begin(&run);
    send_some(&run, example.bytes.len, now_ms());
    while (!run.ended && !fair_over(run.fair_moved_ms + client.limit_ms)) {
        struct pollfd wait = {.fd = run.fd, .events = POLLIN};
        if (fair_poll(&wait, 1, run.fair_moved_ms + client.limit_ms) > 0)
            recv_some(&run, now_ms());
    }
    if (run.in_len > 0)
        fault = read_answer(run.in, run.in_len, false, false, &came);
    if (fault || run.fault[0] || came.len == 0 || came.len != run.in_len) {
        fprintf(stderr, "GET %s: %s\n", path,
            fault           ? fault
            : run.fault[0]  ? run.fault
            : came.len == 0 ? "no answer"
                            : "bytes after the answer");
        return 1;
    }
    fwrite(came.body.data, 1, came.body.len, stdout);
    if (came.status != 200)
        fprintf(stderr, "GET %s: status %d\n", path, came.status);
    return came.status != 200;
}

/* ---- the command line -------------------------------------------------------- */

static void list_groups(void)
{
    for (size_t i = 0; i < client.example_count; i++)
        if (i == 0 || client.example[i].group != client.example[i - 1].group)
            puts(client.example[i].group);
}

__attribute__((noreturn)) static void usage(int status)
{
    fputs(
        "usage: http_client [-a ADDR] [-g GROUP] [-n NAME] [-w whole,split,bytes]\n"
        "                   [-j N] [-i MS] [-d MS] [-T S] [-s FACTOR] [-P PID] [-t PID]\n"
        "                   PORT FILE\n"
        "       http_client [-a ADDR] -G PATH PORT\n"
        "       http_client -l FILE\n"
        "What a case is and how one fails: tests/src/http_client.c and\n"
        "tests/http_cases.txt.\n",
        status ? stderr : stdout);
    exit(status);
}

static void set_port(const char *text)
{
    long port = text ? number(text) : 0;

    if (port < 1 || port > 65535)
        usage(2);
    client.port = (uint16_t)port;
}

static void take_option(int letter)
{
    if (letter == 'a')
        client.address = optarg;
    else if (letter == 'g')
        client.group = optarg;
    else if (letter == 'n')
        client.name = optarg;
    else if (letter == 'w')
        client.ways = optarg;
    else if (letter == 'j')
        client.at_once = (size_t)number(optarg);
    else if (letter == 'i')
        client.pause_ms = number(optarg);
    else if (letter == 't')
        client.stopped = (pid_t)number(optarg);
    else if (letter == 'P')
        client.server = (pid_t)number(optarg);
    else if (letter == 'd')
        client.limit_ms = number(optarg);
    else if (letter == 'T')
        client.total_ms = number(optarg) * 1000;
    else
        usage(letter == 'h' ? 0 : 2);
}

int main(int argc, char *argv[])
{
    const char *path = NULL, *list = NULL;
    int letter;

    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((letter = getopt(argc, argv, "+ha:g:n:w:j:i:d:T:s:P:t:G:l:")) != -1) {
        if (letter == 'G')
            path = optarg;
        else if (letter == 'l')
            list = optarg;
        else if (letter == 's')
            client.factor = number(optarg);
        else
            take_option(letter);
    }
    client.limit_ms *= client.factor;
    client.total_ms *= client.factor;
    if (client.at_once < 1 || client.at_once > AT_ONCE_MAX)
        usage(2);
    if (list) {
        parse_file(list);
        list_groups();
        return 0;
    }
    set_port(argv[optind]);
    /* A test that dies, however it dies, leaves no client behind, nor does a fault of
     * ours. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)(client.total_ms / 1000 + 1) * FAIR_SHARE_MIN);
    fair_begin(client.server);
    if (path)
        return get(path);
    if (optind + 2 != argc)
        usage(2);
    client.diag = unread_open();
    parse_file(argv[optind + 1]);
    run_all();
    return report();
}
