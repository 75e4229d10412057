#include "http_head.h"

#include <arpa/inet.h>
#include <string.h>

#define PORT_MAX 65535

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

    while (len < rest->len && len <= len_max && char_is(rest->data[len], CHAR_VALUE))
        len++;
    if (len > len_max)
        return (struct line){text_take(rest, len_max), true, too_long};
    struct http_text text = text_take(rest, len);
    if (rest->len == 0)
        return (struct line){text, true, MORE};
    if (text_take(rest, 1).data[0] !=
        '\r') /* a LF is no line's end, nor is a NUL a part */
        return (struct line){text, true, BAD_REQUEST};
    if (rest->len == 0)
        return (struct line){text, false, MORE};
    return (struct line){
        text, false, text_take(rest, 1).data[0] == '\n' ? OK : BAD_REQUEST};
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
        if (text_equals(text, methods[i])) {
            reading->head->method = (enum http_method)i;
            return OK;
        }
    if (text_equals(
            text, "PRI")) /* how a client of HTTP/2 begins (RFC 9113, section 3.4) */
        return VERSION_NOT_SUPPORTED;
    return text_is_token(text) ? NOT_IMPLEMENTED : BAD_REQUEST;
}

/* RFC 9112, section 2.3. */
static int parse_version(struct reading *reading, struct http_text text, bool open)
{
    static const char form[] = "HTTP/1.1"; /* any digits */
    struct http_text word = text_take_at_most(&text, sizeof form - 1);

    for (size_t i = 0; i < word.len; i++)
        if (char_is_digit(form[i]) ? !char_is_digit(word.data[i])
                                   : word.data[i] != form[i])
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

    if (text_starts_with(*text, '[')) {
        text_take(text, 1);
        return text_take_until(text, ']', &host) ? is_ipv6(host, "")
                                                 : open && begins_ipv6(host);
    }
    const char *colon = text->len > 0 ? memchr(text->data, ':', text->len) : NULL;
    host = text_take(text, colon != NULL ? (size_t)(colon - text->data) : text->len);
    open = open && colon == NULL;
    return (host.len > 0 || open) && text_is_uri(host, CHAR_HOST, open);
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
    if (text_take(&text, 1).data[0] != ':')
        return false;
    if (text.len == 0)
        return open || !port_required;
    return text_parse_number(text, PORT_MAX, &port, &over) && !over;
}

/* A path, which may be empty, and perhaps a query. */
static bool parse_path(struct http_head *head, struct http_text text, bool open)
{
    bool ended = text_take_until(&text, '?', &head->path);

    return text_is_uri(head->path, CHAR_PATH, open && !ended) &&
           text_is_uri(text, CHAR_QUERY, open);
}

/* Takes "http://" or "https://" from the front of text, or what is here of it. */
static bool take_scheme(struct http_text *text, bool open)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct http_text rest = *text;
        struct http_text begin = text_take_at_most(&rest, strlen(schemes[i]));
        if (text_is_word(begin, schemes[i]) ||
            (open && text_begins_word(begin, schemes[i]))) {
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
    if (!is_authority(text_take(&text, len), false, open && !ended) ||
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
    if (text_starts_with(text, '/'))
        return parse_path(head, text, open);
    if (!text_equals(text, "*"))
        return parse_absolute(reading, text, open);
    head->path = text;
    return head->method == HTTP_OPTIONS;
}

/* method SP target SP version (RFC 9112, section 3). The method is judged when it has
 * ended: before, it may become a word that is none, or one that we do not know. */
static int parse_request_line(struct reading *reading, struct http_text line, bool open)
{
    struct http_text method, target;

    if (!text_take_until(&line, ' ', &method))
        return open && text_is_all(method, CHAR_TOKEN) ? OK : BAD_REQUEST;
    int status = parse_method(reading, method);
    if (status != OK)
        return status;
    bool target_ended = text_take_until(&line, ' ', &target);
    if (!parse_target(reading, target, open && !target_ended))
        return BAD_REQUEST;
    if (!target_ended)
        return open ? OK : BAD_REQUEST;
    return parse_version(reading, line, open);
}

/* ------------------------------------------------------------ the fields */

static int take_host_field(struct reading *reading, struct http_text value, bool open)
{
    struct http_text host = text_trim(value);
    /* Behind a space at its end no more of it can come. */
    bool ended = host.len > 0 && char_is_space(value.data[value.len - 1]);

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
    struct http_text number = text_trim(value);
    bool over;

    if (head->has_length || head->chunked || (number.len == 0 && !open) ||
        !text_parse_number(
            number, reading->limits->body_max, &head->content_length, &over))
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
    while (text_next_member(&value, &coding)) {
        bool ended = value.data != NULL || !open;
        if (!text_is_all(coding, CHAR_TOKEN) || (coding.len == 0 && ended) ||
            head->chunked)
            return BAD_REQUEST; /* there is nothing behind chunked */
        if (ended && !text_is_word(coding, "chunked"))
            return NOT_IMPLEMENTED;
        head->chunked = ended;
    }
    return OK;
}

static int take_connection(struct reading *reading, struct http_text value, bool open)
{
    struct http_text option;

    (void)open; /* a beginning of a list of tokens is one */
    while (text_next_member(&value, &option)) {
        if (!text_is_all(option, CHAR_TOKEN))
            return BAD_REQUEST;
        reading->close = reading->close || text_is_word(option, "close");
        reading->keep_alive = reading->keep_alive || text_is_word(option, "keep-alive");
    }
    return OK;
}

static int take_expectations(struct reading *reading, struct http_text value, bool open)
{
    struct http_text expectation;

    while (text_next_member(&value, &expectation)) {
        bool ended = value.data != NULL || !open;
        if (text_is_word(expectation, "100-continue"))
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
    reading->head->content_type = text_trim(value);
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

    if (!text_take_until(&line, ':', &name))
        return open && text_is_all(name, CHAR_TOKEN) ? OK : BAD_REQUEST;
    if (!text_is_token(name))
        return BAD_REQUEST;
    for (size_t i = 0; i < sizeof known_fields / sizeof known_fields[0]; i++)
        if (text_is_word(name, known_fields[i].name))
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
    if (!text_starts_with(*rest, '\r'))
        return OK;
    text_take(rest, 1);
    if (rest->len == 0)
        return MORE;
    return text_take(rest, 1).data[0] == '\n' ? OK : BAD_REQUEST;
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
