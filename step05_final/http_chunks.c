#include "http_chunks.h"

#include <stdbool.h>
#include <string.h>

#define SIZE_DIGITS 16 /* of a 64-bit size in hex: all that a chunk line must have */

/* The functions below return OK, or the status to answer. */
enum { OK = 0, BAD_REQUEST = 400, CONTENT_TOO_LARGE = 413, FIELDS_TOO_LARGE = 431 };

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
    if (char_is_space(c))
        return EXTENSION_COMING;
    return c == ';' ? EXTENSION_START : c == '\r' ? LINE_LF : BROKEN;
}

static enum chunk_state next_in_quotes(enum chunk_state state, char c)
{
    if (state == EXTENSION_QUOTED && c == '"')
        return EXTENSION_CLOSED;
    if (state == EXTENSION_QUOTED && c == '\\')
        return EXTENSION_ESCAPED;
    return char_is(c, CHAR_VALUE) ? EXTENSION_QUOTED : BROKEN;
}

/* The chunk line as a machine: 1*HEXDIG *( ";" token [ "=" ( token / quoted-string ) ] ),
 * with white space around ";" and "=" and nowhere else, not even at the end (RFC 9112,
 * section 7.1.1; RFC 9110, sections 5.6.3 and 5.6.4). */
static enum chunk_state next_in_line(enum chunk_state state, char c)
{
    switch (state) {
    case SIZE_START:
        return char_is(c, CHAR_HEX) ? SIZE : BROKEN;
    case SIZE:
        return char_is(c, CHAR_HEX) ? SIZE : after_part(c);
    case EXTENSION_COMING:
        return char_is_space(c) || c == ';' ? after_part(c) : BROKEN;
    case EXTENSION_START:
        if (char_is_space(c))
            return EXTENSION_START;
        return char_is(c, CHAR_TOKEN) ? EXTENSION_NAME : BROKEN;
    case EXTENSION_NAME:
        if (char_is_space(c))
            return EXTENSION_NAMED;
        if (c == '=')
            return EXTENSION_EQUALS;
        return char_is(c, CHAR_TOKEN) ? EXTENSION_NAME : after_part(c);
    case EXTENSION_NAMED:
        if (char_is_space(c))
            return EXTENSION_NAMED;
        return c == '=' ? EXTENSION_EQUALS : c == ';' ? EXTENSION_START : BROKEN;
    case EXTENSION_EQUALS:
        if (char_is_space(c))
            return EXTENSION_EQUALS;
        if (c == '"')
            return EXTENSION_QUOTED;
        return char_is(c, CHAR_TOKEN) ? EXTENSION_VALUE : BROKEN;
    case EXTENSION_VALUE:
        return char_is(c, CHAR_TOKEN) ? EXTENSION_VALUE : after_part(c);
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
    unsigned digit =
        char_is_digit(c) ? (unsigned)(c - '0') : (unsigned)(char_lower(c) - 'a') + 10;

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

    return text_is_word(name, "host") || text_is_word(name, "content-length") ||
           text_is_word(name, "transfer-encoding");
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
    return char_is(c, CHAR_TOKEN) ? OK : BAD_REQUEST;
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
        return c == '\r' || char_is(c, CHAR_VALUE) ? OK : BAD_REQUEST;
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
