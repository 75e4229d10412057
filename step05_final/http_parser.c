#include "http_parser.h"

#include <arpa/inet.h>
#include <string.h>

#define PORT_MAX 65535
#define SIZE_DIGITS 16 /* of a 64-bit size in hex: all that a chunk line must have */

/* The functions below return OK, MORE (nothing wrong, but not all here), or the status to
 * answer. */
enum {
    OK = 0,
    MORE = -1,
    BAD_REQUEST = 400,
    CONTENT_TOO_LARGE = 413,
    URI_TOO_LONG = 414,
    EXPECTATION_FAILED = 417,
    FIELDS_TOO_LARGE = 431,
    NOT_IMPLEMENTED = 501,
    VERSION_NOT_SUPPORTED = 505
};

/* ------------------------------------------------------------ bytes and texts */

/* What a byte may be part of. */
enum {
    TOKEN = 1 << 0, /* a method, a field name (RFC 9110, section 5.6.2) */
    HOST = 1 << 1,  /* a host's name (RFC 3986, section 3.2.2) */
    PATH = 1 << 2,  /* the path of a target (section 3.3) */
    QUERY = 1 << 3, /* the query of a target (section 3.4) */
    VALUE =
        1 << 4, /* a field value, or a quoted string but for \ and " (RFC 9110, 5.5) */
    HEX = 1 << 5,

    /* The kinds of bytes that there are, for the table only. A "%" in a target is not a
     * matter of one byte: see is_uri. */
    V = VALUE,
    T = V | TOKEN,
    Q = V | QUERY,
    P = Q | PATH,
    H = P | HOST,
    N = H | TOKEN,
    X = N | HEX
};

static const unsigned char classes[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, /* control bytes */
    0, V, 0, 0, 0, 0, 0, 0, /* HTAB among them */
    0, 0, 0, 0, 0, 0, 0, 0, /**/
    0, 0, 0, 0, 0, 0, 0, 0, /**/
    V, N, V, T, N, T, N, N, /* SP ! " # $ % & ' */
    H, H, N, N, H, N, N, P, /* ( ) * + , - . / */
    X, X, X, X, X, X, X, X, /* 0 1 2 3 4 5 6 7 */
    X, X, P, H, V, H, V, Q, /* 8 9 : ; < = > ? */
    P, X, X, X, X, X, X, N, /* @ A B C D E F G */
    N, N, N, N, N, N, N, N, /* H I J K L M N O */
    N, N, N, N, N, N, N, N, /* P Q R S T U V W */
    N, N, N, V, V, V, T, N, /* X Y Z [ \ ] ^ _ */
    T, X, X, X, X, X, X, N, /* ` a b c d e f g */
    N, N, N, N, N, N, N, N, /* h i j k l m n o */
    N, N, N, N, N, N, N, N, /* p q r s t u v w */
    N, N, N, V, T, V, N, 0, /* x y z { | } ~ DEL */
};

static bool is(char c, unsigned class)
{
    unsigned char byte = (unsigned char)c;

    return (byte < sizeof classes ? classes[byte] : (unsigned)VALUE) & class;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* tolower would ask the locale. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool starts_with(struct http_text text, char c)
{
    return text.len > 0 && text.data[0] == c;
}

/* Takes len bytes from the front of text. */
static struct http_text take(struct http_text *text, size_t len)
{
    struct http_text front = {text->data, len};

    text->data += len;
    text->len -= len;
    return front;
}

/* The same, but of a shorter text all. */
static struct http_text take_at_most(struct http_text *text, size_t len)
{
    return take(text, text->len < len ? text->len : len);
}

/* Takes what stands before the first c, and c, which is dropped. Without a c it takes
 * all, and returns false. */
static bool take_until(struct http_text *text, char c, struct http_text *front)
{
    const char *end = text->len > 0 ? memchr(text->data, c, text->len) : NULL;

    *front = take(text, end != NULL ? (size_t)(end - text->data) : text->len);
    if (end != NULL)
        take(text, 1);
    return end != NULL;
}

static struct http_text trim(struct http_text text)
{
    while (text.len > 0 && is_space(text.data[0]))
        take(&text, 1);
    while (text.len > 0 && is_space(text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool equals(struct http_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* Is text the beginning of word, or all of it? Case does not matter; word is in lower
 * case. */
static bool begins_word(struct http_text text, const char *word)
{
    if (text.len > strlen(word))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (lower(text.data[i]) != word[i])
            return false;
    return true;
}

static bool is_word(struct http_text text, const char *word)
{
    return text.len == strlen(word) && begins_word(text, word);
}

static bool all(struct http_text text, unsigned class)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is(text.data[i], class))
            return false;
    return true;
}

static bool is_token(struct http_text text)
{
    return text.len > 0 && all(text, TOKEN);
}

/* Is text made of bytes of that class and of %XX (RFC 3986, section 2.1)? */
static bool is_uri(struct http_text text, unsigned class, bool open)
{
    while (text.len > 0) {
        struct http_text c = take(&text, 1);
        if (c.data[0] != '%') {
            if (!is(c.data[0], class))
                return false;
            continue;
        }
        struct http_text digits = take_at_most(&text, 2);
        if (!all(digits, HEX) || (digits.len < 2 && !open))
            return false;
    }
    return true;
}

/* Reads digits; false if there is anything else. *over: they make more than max. */
static bool parse_number(struct http_text text, uint64_t max, uint64_t *value, bool *over)
{
    *value = 0;
    *over = false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i]))
            return false;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        /* Asked before the sum is made: one that wraps around looks small. */
        *over = *over || digit > max || *value > (max - digit) / 10;
        if (!*over)
            *value = *value * 10 + digit;
    }
    return true;
}

/* Takes the next member of a comma-separated list, which may be empty (RFC 9110, section
 * 5.6.1). False: there is no other. */
static bool next_member(struct http_text *list, struct http_text *member)
{
    if (list->data == NULL)
        return false;
    if (!take_until(list, ',', member))
        list->data = NULL;
    *member = trim(*member);
    return true;
}

/* ------------------------------------------------------------ lines */

/* The last line that is here may be a beginning, and so may its last part. Such a text is
 * `open`: it is good if anything at all could come behind it that makes it good. All
 * functions below judge open and complete texts alike, from left to right, and stop at
 * the first thing that is wrong. So a client hears of a mistake as soon as it is one, and
 * hears the same however its bytes were cut. */
struct line {
    struct http_text text;
    bool open;
    int after; /* if the text is good: OK, MORE, or what is wrong behind it */
};

/* Takes a line from the front of rest, or what is here of it. */
static struct line take_line(struct http_text *rest, size_t len_max, int too_long)
{
    size_t len = 0;

    while (len < rest->len && len <= len_max && is(rest->data[len], VALUE))
        len++;
    if (len > len_max)
        return (struct line){take(rest, len_max), true, too_long};
    struct http_text text = take(rest, len);
    if (rest->len == 0)
        return (struct line){text, true, MORE};
    if (take(rest, 1).data[0] != '\r') /* a LF is no line's end, nor is a NUL a part */
        return (struct line){text, true, BAD_REQUEST};
    if (rest->len == 0)
        return (struct line){text, false, MORE};
    return (struct line){text, false, take(rest, 1).data[0] == '\n' ? OK : BAD_REQUEST};
}

/* ------------------------------------------------------------ the request line */

/* What is known of a head while it is read. */
struct reading {
    const struct http_limits *limits;
    struct http_head *head;
    bool host;  /* a Host field was here */
    bool close; /* the members of Connection */
    bool keep_alive;
    bool expect_continue; /* a member of Expect */
};

static const char *const methods[] = {
    [HTTP_GET] = "GET",
    [HTTP_HEAD] = "HEAD",
    [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",
    [HTTP_DELETE] = "DELETE",
    [HTTP_PATCH] = "PATCH",
    [HTTP_OPTIONS] = "OPTIONS",
    [HTTP_TRACE] = "TRACE",
    [HTTP_CONNECT] = "CONNECT",
};

const char *http_method_name(enum http_method method)
{
    return methods[method];
}

static int parse_method(struct reading *reading, struct http_text text)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (equals(text, methods[i])) {
            reading->head->method = (enum http_method)i;
            return OK;
        }
    if (equals(text, "PRI")) /* how a client of HTTP/2 begins (RFC 9113, section 3.4) */
        return VERSION_NOT_SUPPORTED;
    return is_token(text) ? NOT_IMPLEMENTED : BAD_REQUEST;
}

/* RFC 9112, section 2.3. */
static int parse_version(struct reading *reading, struct http_text text, bool open)
{
    static const char form[] = "HTTP/1.1"; /* any digits */
    struct http_text word = take_at_most(&text, sizeof form - 1);

    for (size_t i = 0; i < word.len; i++)
        if (is_digit(form[i]) ? !is_digit(word.data[i]) : word.data[i] != form[i])
            return BAD_REQUEST;
    if (word.len < sizeof form - 1)
        return open ? OK : BAD_REQUEST;
    if (word.data[5] != '1')
        return VERSION_NOT_SUPPORTED;
    if (text.len > 0)
        return BAD_REQUEST;
    reading->head->minor = word.data[7] == '0' ? 0 : 1;
    return OK;
}

/* RFC 3986, section 3.2.2: text and end together. inet_pton wants a terminated string;
 * the longest address fits into INET6_ADDRSTRLEN with its NUL. */
static bool is_ipv6(struct http_text text, const char *end)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    size_t end_len = strlen(end);

    if (text.len + end_len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len); /* no NUL is in it: a line has none */
    memcpy(copy + text.len, end, end_len + 1);
    return inet_pton(AF_INET6, copy, &address) == 1;
}

/* One of these ends makes an address of any text that is the beginning of one: "::" if
 * groups are missing, and the rest of an IPv4 address, which may be its last 32 bits. */
static bool begins_ipv6(struct http_text text)
{
    static const char *const ends[] = {"", "0", ":", "::", "0.0.0", ".0.0", "0.0", ".0"};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (is_ipv6(text, ends[i]))
            return true;
    return false;
}

/* Takes a host, which must not be empty, from the front of text. */
static bool take_host(struct http_text *text, bool open)
{
    struct http_text host;

    if (starts_with(*text, '[')) {
        take(text, 1);
        return take_until(text, ']', &host) ? is_ipv6(host, "")
                                            : open && begins_ipv6(host);
    }
    const char *colon = text->len > 0 ? memchr(text->data, ':', text->len) : NULL;
    host = take(text, colon != NULL ? (size_t)(colon - text->data) : text->len);
    open = open && colon == NULL;
    return (host.len > 0 || open) && is_uri(host, HOST, open);
}

/* host [":" port]; the port may be empty where it may be missing (RFC 3986, section
 * 3.2.3). */
static bool is_authority(struct http_text text, bool port_required, bool open)
{
    uint64_t port;
    bool over;

    if (!take_host(&text, open))
        return false;
    if (text.len == 0)
        return open || !port_required;
    if (take(&text, 1).data[0] != ':')
        return false;
    if (text.len == 0)
        return open || !port_required;
    return parse_number(text, PORT_MAX, &port, &over) && !over;
}

/* A path, which may be empty, and perhaps a query. */
static bool parse_path(struct http_head *head, struct http_text text, bool open)
{
    bool ended = take_until(&text, '?', &head->path);

    return is_uri(head->path, PATH, open && !ended) && is_uri(text, QUERY, open);
}

/* Takes "http://" or "https://" from the front of text, or what is here of it. */
static bool take_scheme(struct http_text *text, bool open)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct http_text rest = *text;
        struct http_text begin = take_at_most(&rest, strlen(schemes[i]));
        if (is_word(begin, schemes[i]) || (open && begins_word(begin, schemes[i]))) {
            *text = rest;
            return true;
        }
    }
    return false;
}

/* RFC 9112, section 3.2.2. */
static bool parse_absolute(struct reading *reading, struct http_text text, bool open)
{
    struct http_head *head = reading->head;
    size_t len = 0;

    if (!take_scheme(&text, open))
        return false;
    while (len < text.len && text.data[len] != '/' && text.data[len] != '?')
        len++;
    bool ended = len < text.len;
    if (!is_authority(take(&text, len), false, open && !ended) ||
        !parse_path(head, text, open))
        return false;
    if (text.len == 0 && head->method == HTTP_OPTIONS)
        head->path = (struct http_text){"*", 1};
    else if (head->path.len == 0)
        head->path = (struct http_text){"/", 1};
    return true;
}

static bool parse_target(struct reading *reading, struct http_text text, bool open)
{
    struct http_head *head = reading->head;

    head->target = text;
    if (head->method == HTTP_CONNECT)
        return is_authority(text, true, open);
    if (starts_with(text, '/'))
        return parse_path(head, text, open);
    if (!equals(text, "*"))
        return parse_absolute(reading, text, open);
    head->path = text;
    return head->method == HTTP_OPTIONS;
}

/* method SP target SP version (RFC 9112, section 3). The method is judged when it has
 * ended: before, it may become a word that is none, or one that we do not know. */
static int parse_request_line(struct reading *reading, struct http_text line, bool open)
{
    struct http_text method, target;

    if (!take_until(&line, ' ', &method))
        return open && all(method, TOKEN) ? OK : BAD_REQUEST;
    int status = parse_method(reading, method);
    if (status != OK)
        return status;
    bool target_ended = take_until(&line, ' ', &target);
    if (!parse_target(reading, target, open && !target_ended))
        return BAD_REQUEST;
    if (!target_ended)
        return open ? OK : BAD_REQUEST;
    return parse_version(reading, line, open);
}

/* ------------------------------------------------------------ the fields */

static int take_host_field(struct reading *reading, struct http_text value, bool open)
{
    struct http_text host = trim(value);
    /* Behind a space at its end no more of it can come. */
    bool ended = host.len > 0 && is_space(value.data[value.len - 1]);

    if (reading->host || !is_authority(host, false, open && !ended))
        return BAD_REQUEST;
    reading->host = true;
    return OK;
}

/* What is too large is refused when it has ended, for it may also turn out to be no
 * number. */
static int take_length(struct reading *reading, struct http_text value, bool open)
{
    struct http_head *head = reading->head;
    struct http_text number = trim(value);
    bool over;

    if (head->has_length || head->chunked || (number.len == 0 && !open) ||
        !parse_number(number, reading->limits->body_max, &head->content_length, &over))
        return BAD_REQUEST;
    head->has_length = true;
    return over && !open ? CONTENT_TOO_LARGE : OK;
}

/* Several fields make one list (RFC 9110, section 5.3). */
static int take_codings(struct reading *reading, struct http_text value, bool open)
{
    struct http_head *head = reading->head;
    struct http_text coding;

    if (head->minor == 0 || head->has_length)
        return BAD_REQUEST;
    while (next_member(&value, &coding)) {
        bool ended = value.data != NULL || !open;
        if (!all(coding, TOKEN) || (coding.len == 0 && ended) || head->chunked)
            return BAD_REQUEST; /* there is nothing behind chunked */
        if (ended && !is_word(coding, "chunked"))
            return NOT_IMPLEMENTED;
        head->chunked = ended;
    }
    return OK;
}

static int take_connection(struct reading *reading, struct http_text value, bool open)
{
    struct http_text option;

    (void)open; /* a beginning of a list of tokens is one */
    while (next_member(&value, &option)) {
        if (!all(option, TOKEN))
            return BAD_REQUEST;
        reading->close = reading->close || is_word(option, "close");
        reading->keep_alive = reading->keep_alive || is_word(option, "keep-alive");
    }
    return OK;
}

static int take_expectations(struct reading *reading, struct http_text value, bool open)
{
    struct http_text expectation;

    while (next_member(&value, &expectation)) {
        bool ended = value.data != NULL || !open;
        if (is_word(expectation, "100-continue"))
            reading->expect_continue = true;
        else if (ended && expectation.len > 0 && reading->head->minor > 0)
            return EXPECTATION_FAILED;
    }
    return OK;
}

static int take_content_type(struct reading *reading, struct http_text value, bool open)
{
    (void)open; /* whatever it says */
    if (reading->head->content_type.data != NULL)
        return BAD_REQUEST;
    reading->head->content_type = trim(value);
    return OK;
}

/* The fields that mean something to us. */
static const struct {
    const char *name;
    int (*take)(struct reading *reading, struct http_text value, bool open);
} known_fields[] = {
    {"host", take_host_field},
    {"content-length", take_length},
    {"transfer-encoding", take_codings},
    {"connection", take_connection},
    {"expect", take_expectations},
    {"content-type", take_content_type},
};

/* RFC 9112, section 5. A name is a token, so a space before the colon is an error, and so
 * is one at the beginning of the line, which once continued the line before. */
static int parse_field(struct reading *reading, struct http_text line, bool open)
{
    struct http_text name;

    if (!take_until(&line, ':', &name))
        return open && all(name, TOKEN) ? OK : BAD_REQUEST;
    if (!is_token(name))
        return BAD_REQUEST;
    for (size_t i = 0; i < sizeof known_fields / sizeof known_fields[0]; i++)
        if (is_word(name, known_fields[i].name))
            return known_fields[i].take(reading, line, open);
    return OK;
}

/* ------------------------------------------------------------ the head */

/* What only the whole head tells. */
static int conclude(struct reading *reading)
{
    struct http_head *head = reading->head;
    bool old = head->minor == 0;

    if (!old && !reading->host)
        return BAD_REQUEST;
    head->close = reading->close || (old && !reading->keep_alive);
    head->expect_continue =
        !old && reading->expect_continue && (head->chunked || head->content_length > 0);
    return OK;
}

/* The field lines and the empty line behind them. Of a field line the limit counts its
 * CRLF, too. */
static int parse_fields(struct reading *reading, struct http_text *rest)
{
    const struct http_limits *limits = reading->limits;
    size_t room = limits->fields_max;

    for (unsigned count = 0;; count++) {
        size_t len_max = count < limits->field_count_max && room > 2 ? room - 2 : 0;
        struct line line = take_line(rest, len_max, FIELDS_TOO_LARGE);
        bool empty = line.text.len == 0 && !line.open;
        int status =
            empty ? conclude(reading) : parse_field(reading, line.text, line.open);
        if (status == OK)
            status = line.after;
        if (status != OK || empty)
            return status;
        room -= line.text.len + 2;
    }
}

/* Some clients send one after a body (RFC 9112, section 2.2). */
static int skip_empty_line(struct http_text *rest)
{
    if (!starts_with(*rest, '\r'))
        return OK;
    take(rest, 1);
    if (rest->len == 0)
        return MORE;
    return take(rest, 1).data[0] == '\n' ? OK : BAD_REQUEST;
}

static int parse_head(struct reading *reading, struct http_text *rest)
{
    int status = skip_empty_line(rest);

    if (status != OK)
        return status;
    struct line line = take_line(rest, reading->limits->line_max, URI_TOO_LONG);
    status = parse_request_line(reading, line.text, line.open);
    if (status == OK)
        status = line.after;
    if (status == OK)
        status = parse_fields(reading, rest);
    return status;
}

enum http_verdict http_parse_head(const char *data, size_t len,
    const struct http_limits *limits, struct http_head *head, int *status)
{
    struct reading reading = {.limits = limits, .head = head};
    struct http_text rest = {data, len};

    if (len == 0)
        return HTTP_PARTIAL;
    *head = (struct http_head){.len = 0};
    int result = parse_head(&reading, &rest);
    if (result == MORE)
        return HTTP_PARTIAL;
    if (result != OK) {
        *status = result;
        return HTTP_BAD;
    }
    head->len = len - rest.len;
    return HTTP_COMPLETE;
}

/* ------------------------------------------------------------ chunks */

/* What the next byte belongs to. The bytes may come one at a time, and none is kept: all
 * that is known of those before it is in here and in struct http_chunks. */
enum chunk_state {
    BROKEN = -1,
    SIZE_START = 0,
    SIZE,
    EXTENSION_COMING, /* behind a space: only ";" may follow */
    EXTENSION_START,  /* behind ";" */
    EXTENSION_NAME,
    EXTENSION_NAMED,  /* behind a space: "=" as well */
    EXTENSION_EQUALS, /* behind "=" */
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED, /* behind "\" */
    EXTENSION_CLOSED,  /* behind the second quote */
    LINE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    ENDED
};

/* Behind a size, a name or a value: another extension, or the end of the line. */
static enum chunk_state after_part(char c)
{
    if (is_space(c))
        return EXTENSION_COMING;
    return c == ';' ? EXTENSION_START : c == '\r' ? LINE_LF : BROKEN;
}

static enum chunk_state next_in_quotes(enum chunk_state state, char c)
{
    if (state == EXTENSION_QUOTED && c == '"')
        return EXTENSION_CLOSED;
    if (state == EXTENSION_QUOTED && c == '\\')
        return EXTENSION_ESCAPED;
    return is(c, VALUE) ? EXTENSION_QUOTED : BROKEN;
}

/* The chunk line as a machine: 1*HEXDIG *( ";" token [ "=" ( token / quoted-string ) ] ),
 * with white space around ";" and "=" and nowhere else, not even at the end (RFC 9112,
 * section 7.1.1; RFC 9110, sections 5.6.3 and 5.6.4). */
static enum chunk_state next_in_line(enum chunk_state state, char c)
{
    switch (state) {
    case SIZE_START:
        return is(c, HEX) ? SIZE : BROKEN;
    case SIZE:
        return is(c, HEX) ? SIZE : after_part(c);
    case EXTENSION_COMING:
        return is_space(c) || c == ';' ? after_part(c) : BROKEN;
    case EXTENSION_START:
        if (is_space(c))
            return EXTENSION_START;
        return is(c, TOKEN) ? EXTENSION_NAME : BROKEN;
    case EXTENSION_NAME:
        if (is_space(c))
            return EXTENSION_NAMED;
        if (c == '=')
            return EXTENSION_EQUALS;
        return is(c, TOKEN) ? EXTENSION_NAME : after_part(c);
    case EXTENSION_NAMED:
        if (is_space(c))
            return EXTENSION_NAMED;
        return c == '=' ? EXTENSION_EQUALS : c == ';' ? EXTENSION_START : BROKEN;
    case EXTENSION_EQUALS:
        if (is_space(c))
            return EXTENSION_EQUALS;
        if (c == '"')
            return EXTENSION_QUOTED;
        return is(c, TOKEN) ? EXTENSION_VALUE : BROKEN;
    case EXTENSION_VALUE:
        return is(c, TOKEN) ? EXTENSION_VALUE : after_part(c);
    case EXTENSION_CLOSED:
        return after_part(c);
    default: /* EXTENSION_QUOTED, EXTENSION_ESCAPED */
        return next_in_quotes(state, c);
    }
}

/* Asks before it adds: a size that wraps around looks small. */
static int add_size_digit(
    struct http_chunks *chunks, const struct http_limits *limits, char c)
{
    unsigned digit = is_digit(c) ? (unsigned)(c - '0') : (unsigned)(lower(c) - 'a') + 10;

    if (chunks->left > UINT64_MAX / 16)
        return CONTENT_TOO_LARGE;
    chunks->left = chunks->left * 16 + digit;
    return chunks->left <= limits->body_max - chunks->total ? OK : CONTENT_TOO_LARGE;
}

/* One line has its limit, and all together have one, or a client could send a long line
 * for each byte of body. A size of at most SIZE_DIGITS is not counted there. */
static bool line_too_long(struct http_chunks *chunks, const struct http_limits *limits)
{
    chunks->line_len++;
    if (chunks->line_len > SIZE_DIGITS)
        chunks->extra_len++;
    return chunks->line_len > limits->line_max || chunks->extra_len > limits->fields_max;
}

static int take_line_byte(
    struct http_chunks *chunks, const struct http_limits *limits, char c)
{
    if (chunks->state == LINE_LF) {
        if (c != '\n')
            return BAD_REQUEST;
        chunks->total += chunks->left;
        chunks->line_len = 0;
        chunks->state = chunks->left > 0 ? DATA : TRAILER_START;
        return OK;
    }
    if (c != '\r' && line_too_long(chunks, limits))
        return BAD_REQUEST;
    chunks->state = next_in_line((enum chunk_state)chunks->state, c);
    if (chunks->state == BROKEN)
        return BAD_REQUEST;
    return chunks->state == SIZE ? add_size_digit(chunks, limits, c) : OK;
}

/* Fields that would tell us now how to have read the request (RFC 9110, section 6.5.1).
 */
static bool is_too_late(const struct http_chunks *chunks)
{
    struct http_text name = {chunks->name, chunks->name_len};

    return is_word(name, "host") || is_word(name, "content-length") ||
           is_word(name, "transfer-encoding");
}

/* A trailer is a field line (RFC 9112, section 7.1.2), and here bounded like those of the
 * head. */
static bool trailers_too_large(
    struct http_chunks *chunks, const struct http_limits *limits)
{
    if (chunks->state == TRAILER_START)
        chunks->trailer_count++;
    chunks->trailer_len++;
    return chunks->trailer_count > limits->field_count_max ||
           chunks->trailer_len > limits->fields_max;
}

static int take_name_byte(struct http_chunks *chunks, char c)
{
    if (chunks->state == TRAILER_START)
        chunks->name_len = 0;
    chunks->state = TRAILER_NAME;
    if (c == ':') {
        chunks->state = TRAILER_VALUE;
        return chunks->name_len == 0 || is_too_late(chunks) ? BAD_REQUEST : OK;
    }
    if (chunks->name_len < sizeof chunks->name)
        chunks->name[chunks->name_len++] = c;
    return is(c, TOKEN) ? OK : BAD_REQUEST;
}

static int take_trailer_byte(
    struct http_chunks *chunks, const struct http_limits *limits, char c)
{
    bool at_end = chunks->state == TRAILER_START && c == '\r';

    if (!at_end && chunks->state != END_LF && trailers_too_large(chunks, limits))
        return FIELDS_TOO_LARGE;
    switch (chunks->state) {
    case TRAILER_START:
        if (at_end) {
            chunks->state = END_LF;
            return OK;
        }
        return take_name_byte(chunks, c);
    case TRAILER_NAME:
        return take_name_byte(chunks, c);
    case TRAILER_VALUE:
        if (c == '\r')
            chunks->state = TRAILER_LF;
        return c == '\r' || is(c, VALUE) ? OK : BAD_REQUEST;
    default: /* TRAILER_LF, END_LF */
        chunks->state = chunks->state == END_LF ? ENDED : TRAILER_START;
        return c == '\n' ? OK : BAD_REQUEST;
    }
}

static int take_data_end(struct http_chunks *chunks, char c)
{
    if (c != (chunks->state == DATA_CR ? '\r' : '\n'))
        return BAD_REQUEST;
    chunks->state = chunks->state == DATA_CR ? DATA_LF : SIZE_START;
    return OK;
}

/* Any byte but one of data. */
static int take_byte(struct http_chunks *chunks, const struct http_limits *limits, char c)
{
    if (chunks->state <= LINE_LF)
        return take_line_byte(chunks, limits, c);
    if (chunks->state >= TRAILER_START)
        return take_trailer_byte(chunks, limits, c);
    return take_data_end(chunks, c);
}

/* Moves what is here of the chunk's data; returns how much that is. */
static size_t move_data(
    struct http_chunks *chunks, char *to, const char *from, size_t len)
{
    size_t n = chunks->left < len ? (size_t)chunks->left : len;

    memmove(to, from, n);
    chunks->left -= n;
    if (chunks->left == 0)
        chunks->state = DATA_CR;
    return n;
}

enum http_verdict http_decode_chunks(struct http_chunks *chunks, char *data, size_t len,
    const struct http_limits *limits, size_t *used, size_t *decoded, int *status)
{
    *used = *decoded = 0;
    while (*used < len && chunks->state != ENDED) {
        if (chunks->state == DATA) {
            size_t n = move_data(chunks, data + *decoded, data + *used, len - *used);
            *used += n;
            *decoded += n;
            continue;
        }
        int result = take_byte(chunks, limits, data[(*used)++]);
        if (result != OK) {
            *status = result;
            return HTTP_BAD;
        }
    }
    return chunks->state == ENDED ? HTTP_COMPLETE : HTTP_PARTIAL;
}
