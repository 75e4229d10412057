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

static bool ends_with(struct http_text text, char c)
{
    return text.len > 0 && text.data[text.len - 1] == c;
}

/* Takes len bytes from the front of text. */
static struct http_text take(struct http_text *text, size_t len)
{
    struct http_text front = {text->data, len};

    text->data += len;
    text->len -= len;
    return front;
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

/* A line, here in full or not, without the CR that is or may be part of its end. */
static struct http_text without_cr(struct http_text line)
{
    if (ends_with(line, '\r'))
        line.len--;
    return line;
}

static bool equals(struct http_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* Does text start with word, which is in lower case, if case does not matter? */
static bool has_prefix(struct http_text text, const char *word)
{
    size_t len = strlen(word);

    if (text.len < len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (lower(text.data[i]) != word[i])
            return false;
    return true;
}

static bool is_word(struct http_text text, const char *word)
{
    return text.len == strlen(word) && has_prefix(text, word);
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
static bool is_uri(struct http_text text, unsigned class)
{
    while (text.len > 0) {
        struct http_text c = take(&text, 1);
        if (c.data[0] != '%') {
            if (!is(c.data[0], class))
                return false;
        } else if (text.len < 2 || !all(take(&text, 2), HEX)) {
            return false;
        }
    }
    return true;
}

/* Reads digits and nothing else. *over: they are digits, and make more than max. */
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
    return text.len > 0;
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

/* ------------------------------------------------------------ the request line */

/* What is known of a head while it is read. */
struct reading {
    const struct http_limits *limits;
    struct http_head *head;
    bool method_known;
    bool host;           /* a Host field was here */
    bool coded;          /* a Transfer-Encoding was */
    bool coding_unknown; /* and something in it that is not "chunked" */
    bool length_over;    /* the Content-Length is more than we take */
    bool close;          /* the members of Connection */
    bool keep_alive;
    bool expect_continue; /* the members of Expect */
    bool expect_other;
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
            reading->method_known = true;
        }
    /* An unknown one is refused when we know that nothing else is wrong (conclude). */
    return is_token(text) ? OK : BAD_REQUEST;
}

static bool method_is(const struct reading *reading, enum http_method method)
{
    return reading->method_known && reading->head->method == method;
}

/* RFC 9112, section 2.3. */
static int parse_version(struct reading *reading, struct http_text text)
{
    if (text.len != strlen("HTTP/x.y") || memcmp(text.data, "HTTP/", 5) != 0 ||
        !is_digit(text.data[5]) || text.data[6] != '.' || !is_digit(text.data[7]))
        return BAD_REQUEST;
    if (!equals(text, "HTTP/1.0") && !equals(text, "HTTP/1.1"))
        return VERSION_NOT_SUPPORTED;
    reading->head->minor = (unsigned)(text.data[7] - '0');
    return OK;
}

/* RFC 3986, section 3.2.2. inet_pton wants a terminated string, and the longest address
 * fits into INET6_ADDRSTRLEN with its end. */
static bool is_ipv6(struct http_text text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;

    /* Nothing but its letters: with a NUL in it inet_pton would see a part of it. */
    if (text.len >= sizeof copy || !all(text, PATH))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

/* Takes a host, which must not be empty, from the front of text. */
static bool take_host(struct http_text *text)
{
    struct http_text host;

    if (starts_with(*text, '[')) {
        take(text, 1);
        return take_until(text, ']', &host) && is_ipv6(host);
    }
    const char *colon = text->len > 0 ? memchr(text->data, ':', text->len) : NULL;
    host = take(text, colon != NULL ? (size_t)(colon - text->data) : text->len);
    return host.len > 0 && is_uri(host, HOST);
}

/* host [":" port]; the port may be empty where it may be missing (RFC 3986, section
 * 3.2.3). */
static bool is_authority(struct http_text text, bool port_required)
{
    uint64_t port;
    bool over;

    if (!take_host(&text))
        return false;
    if (text.len == 0)
        return !port_required;
    if (take(&text, 1).data[0] != ':')
        return false;
    if (text.len == 0)
        return !port_required;
    return parse_number(text, PORT_MAX, &port, &over) && !over;
}

/* A path, which may be empty, and perhaps a query. */
static bool parse_path(struct http_head *head, struct http_text text)
{
    take_until(&text, '?', &head->path);
    return is_uri(head->path, PATH) && is_uri(text, QUERY);
}

/* Takes "http://" or "https://" from the front of text. */
static bool take_scheme(struct http_text *text)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (has_prefix(*text, schemes[i])) {
            take(text, strlen(schemes[i]));
            return true;
        }
    return false;
}

/* RFC 9112, section 3.2.2. */
static bool parse_absolute(struct reading *reading, struct http_text text)
{
    struct http_head *head = reading->head;
    size_t len = 0;

    if (!take_scheme(&text))
        return false;
    while (len < text.len && text.data[len] != '/' && text.data[len] != '?')
        len++;
    if (!is_authority(take(&text, len), false) || !parse_path(head, text))
        return false;
    if (text.len == 0 && method_is(reading, HTTP_OPTIONS))
        head->path = (struct http_text){"*", 1};
    else if (head->path.len == 0)
        head->path = (struct http_text){"/", 1};
    return true;
}

static int parse_target(struct reading *reading, struct http_text text)
{
    bool good;

    reading->head->target = text;
    if (method_is(reading, HTTP_CONNECT)) {
        good = is_authority(text, true);
    } else if (equals(text, "*")) {
        reading->head->path = text;
        good = method_is(reading, HTTP_OPTIONS);
    } else if (starts_with(text, '/')) {
        good = parse_path(reading->head, text);
    } else {
        good = parse_absolute(reading, text);
    }
    return good ? OK : BAD_REQUEST;
}

/* method SP target SP version (RFC 9112, section 3). The version comes before the target:
 * it says what a target may be. */
static int parse_request_line(struct reading *reading, struct http_text line)
{
    struct http_text method, target;

    if (!ends_with(line, '\r'))
        return BAD_REQUEST;
    line = without_cr(line);
    if (!take_until(&line, ' ', &method) || !take_until(&line, ' ', &target))
        return BAD_REQUEST;
    int status = parse_method(reading, method);
    if (status == OK)
        status = parse_version(reading, line);
    if (status == OK)
        status = parse_target(reading, target);
    return status;
}

/* ------------------------------------------------------------ the fields */

static int take_host_field(struct reading *reading, struct http_text value)
{
    if (reading->host || !is_authority(value, false))
        return BAD_REQUEST;
    reading->host = true;
    return OK;
}

static int take_length(struct reading *reading, struct http_text value)
{
    struct http_head *head = reading->head;

    if (head->has_length || !parse_number(value, reading->limits->body_max,
                                &head->content_length, &reading->length_over))
        return BAD_REQUEST;
    head->has_length = true;
    return OK;
}

/* Several fields make one list (RFC 9110, section 5.3). */
static int take_codings(struct reading *reading, struct http_text value)
{
    struct http_text coding;

    reading->coded = true;
    while (next_member(&value, &coding)) {
        if (!is_token(coding) || reading->head->chunked)
            return BAD_REQUEST; /* there is nothing behind chunked */
        if (is_word(coding, "chunked"))
            reading->head->chunked = true;
        else
            reading->coding_unknown = true;
    }
    return OK;
}

static int take_connection(struct reading *reading, struct http_text value)
{
    struct http_text option;

    while (next_member(&value, &option)) {
        if (!all(option, TOKEN))
            return BAD_REQUEST;
        reading->close = reading->close || is_word(option, "close");
        reading->keep_alive = reading->keep_alive || is_word(option, "keep-alive");
    }
    return OK;
}

static int take_expectations(struct reading *reading, struct http_text value)
{
    struct http_text expectation;

    while (next_member(&value, &expectation)) {
        if (is_word(expectation, "100-continue"))
            reading->expect_continue = true;
        else if (expectation.len > 0)
            reading->expect_other = true;
    }
    return OK;
}

static int take_content_type(struct reading *reading, struct http_text value)
{
    if (reading->head->content_type.data != NULL)
        return BAD_REQUEST;
    reading->head->content_type = value;
    return OK;
}

/* The fields that mean something to us. */
static const struct {
    const char *name;
    int (*take)(struct reading *reading, struct http_text value);
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
static int parse_field(struct reading *reading, struct http_text line)
{
    struct http_text name;

    if (!ends_with(line, '\r'))
        return BAD_REQUEST;
    line = without_cr(line);
    if (!take_until(&line, ':', &name) || !is_token(name) || !all(line, VALUE))
        return BAD_REQUEST;
    for (size_t i = 0; i < sizeof known_fields / sizeof known_fields[0]; i++)
        if (is_word(name, known_fields[i].name))
            return known_fields[i].take(reading, trim(line));
    return OK;
}

static int parse_fields(struct reading *reading, struct http_text fields)
{
    struct http_text line;
    int status = OK;

    while (status == OK && take_until(&fields, '\n', &line))
        status = parse_field(reading, line);
    return status;
}

/* ------------------------------------------------------------ the head */

/* A LF ends the line, with a CR before it or without: to wait for CRLF would be to leave
 * a client that sends LF alone without its 400. That the CR is missing is seen when the
 * line is parsed. */
static int find_request_line(
    struct http_text *rest, const struct http_limits *limits, struct http_text *line)
{
    if (rest->len >= 2 && memcmp(rest->data, "\r\n", 2) == 0)
        take(rest, 2); /* some clients send it after a body (RFC 9112, section 2.2) */
    bool complete = take_until(rest, '\n', line);
    if (without_cr(*line).len > limits->line_max)
        return URI_TOO_LONG;
    return complete ? OK : MORE;
}

/* Ends the head, or may end it when there is more of it. */
static int empty_line(struct http_text line, bool complete)
{
    if (!complete)
        return MORE;
    return line.len > 0 ? OK : BAD_REQUEST; /* a LF without its CR */
}

/* Takes the field lines and the empty line. Before anybody looks at what they say they
 * are counted and measured. */
static int find_fields(
    struct http_text *rest, const struct http_limits *limits, struct http_text *fields)
{
    struct http_text line;
    unsigned count = 0;

    *fields = (struct http_text){rest->data, 0};
    for (;;) {
        bool complete = take_until(rest, '\n', &line);
        if (without_cr(line).len == 0)
            return empty_line(line, complete);
        fields->len += line.len + complete;
        if (++count > limits->field_count_max || fields->len > limits->fields_max)
            return FIELDS_TOO_LARGE;
        if (!complete)
            return MORE;
    }
}

/* What only the whole head tells. Where several things are wrong, those that make its end
 * doubtful come first. */
static int conclude(struct reading *reading)
{
    struct http_head *head = reading->head;
    bool old = head->minor == 0;

    if (!old && !reading->host)
        return BAD_REQUEST;
    if (reading->coded && (old || head->has_length))
        return BAD_REQUEST;
    if (!reading->method_known || reading->coding_unknown)
        return NOT_IMPLEMENTED;
    if (reading->length_over)
        return CONTENT_TOO_LARGE;
    if (!old && reading->expect_other)
        return EXPECTATION_FAILED;
    head->close = reading->close || (old && !reading->keep_alive);
    head->expect_continue =
        !old && reading->expect_continue && (head->chunked || head->content_length > 0);
    return OK;
}

static int parse_head(struct reading *reading, struct http_text *rest)
{
    struct http_text line, fields;

    int status = find_request_line(rest, reading->limits, &line);
    if (status == OK)
        status = parse_request_line(reading, line);
    if (status == OK)
        status = find_fields(rest, reading->limits, &fields);
    if (status == OK)
        status = parse_fields(reading, fields);
    if (status == OK)
        status = conclude(reading);
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
    EXTENSION_START, /* behind ";" */
    EXTENSION_NAME,
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
    return c == ';' ? EXTENSION_START : c == '\r' ? LINE_LF : BROKEN;
}

/* The chunk line as a machine: 1*HEXDIG *( ";" token [ "=" ( token / quoted-string ) ] )
 * (RFC 9112, section 7.1.1; RFC 9110, section 5.6.4). */
static enum chunk_state next_in_line(enum chunk_state state, char c)
{
    switch (state) {
    case SIZE_START:
        return is(c, HEX) ? SIZE : BROKEN;
    case SIZE:
        return is(c, HEX) ? SIZE : after_part(c);
    case EXTENSION_START:
        return is(c, TOKEN) ? EXTENSION_NAME : BROKEN;
    case EXTENSION_NAME:
        if (c == '=')
            return EXTENSION_EQUALS;
        return is(c, TOKEN) ? EXTENSION_NAME : after_part(c);
    case EXTENSION_EQUALS:
        if (c == '"')
            return EXTENSION_QUOTED;
        return is(c, TOKEN) ? EXTENSION_VALUE : BROKEN;
    case EXTENSION_VALUE:
        return is(c, TOKEN) ? EXTENSION_VALUE : after_part(c);
    case EXTENSION_QUOTED:
        if (c == '"')
            return EXTENSION_CLOSED;
        if (c == '\\')
            return EXTENSION_ESCAPED;
        return is(c, VALUE) ? EXTENSION_QUOTED : BROKEN;
    case EXTENSION_ESCAPED:
        return is(c, VALUE) ? EXTENSION_QUOTED : BROKEN;
    default: /* EXTENSION_CLOSED */
        return after_part(c);
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
