/* http_text.h - bytes and texts of HTTP: what a byte may be part of, and how to cut a
 * text and judge its words.
 *
 * A text points into the caller's bytes, is good for as long as those are, and is never
 * changed. Pure functions without memory of their own, without a locale; any thread may
 * call them. The small ones are here and not in http_text.c, for they are called for
 * each byte.
 */
#ifndef HTTP_TEXT_H
#define HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_text {
    const char *data; /* not terminated; NULL: it was not there */
    size_t len;
};

/* ------------------------------------------------------------ bytes */

/* What a byte may be part of. */
enum char_class {
    CHAR_TOKEN = 1 << 0, /* a method, a field name (RFC 9110, section 5.6.2) */
    CHAR_HOST = 1 << 1,  /* a host's name (RFC 3986, section 3.2.2) */
    CHAR_PATH = 1 << 2,  /* the path of a target (section 3.3) */
    CHAR_QUERY = 1 << 3, /* the query of a target (section 3.4) */
    CHAR_VALUE = 1 << 4, /* a field value, or a quoted string but for \ and "
                          * (RFC 9110, section 5.5) */
    CHAR_HEX = 1 << 5
};

extern const unsigned char char_classes[128];

static inline bool char_is(char c, enum char_class class)
{
    unsigned char byte = (unsigned char)c;

    return (byte < sizeof char_classes ? char_classes[byte] : (unsigned)CHAR_VALUE) &
           class;
}

static inline bool char_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool char_is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* tolower would ask the locale. */
static inline char char_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ------------------------------------------------------------ texts */

static inline bool text_starts_with(struct http_text text, char c)
{
    return text.len > 0 && text.data[0] == c;
}

/* Takes len bytes from the front of text. */
static inline struct http_text text_take(struct http_text *text, size_t len)
{
    struct http_text front = {text->data, len};

    text->data += len;
    text->len -= len;
    return front;
}

/* The same, but of a shorter text all. */
static inline struct http_text text_take_at_most(struct http_text *text, size_t len)
{
    return text_take(text, text->len < len ? text->len : len);
}

/* Takes what stands before the first c, and c, which is dropped. Without a c it takes
 * all, and returns false. */
bool text_take_until(struct http_text *text, char c, struct http_text *front);

/* Takes the next member of a comma-separated list, which may be empty (RFC 9110, section
 * 5.6.1). False: there is no other. */
bool text_next_member(struct http_text *list, struct http_text *member);

/* Without the spaces and HTABs around it. */
struct http_text text_trim(struct http_text text);

bool text_equals(struct http_text text, const char *word);

/* Is text the beginning of word, or all of it? Case does not matter; word is in lower
 * case. */
bool text_begins_word(struct http_text text, const char *word);

/* The same, but text is all of word. */
bool text_is_word(struct http_text text, const char *word);

/* Are all bytes of that class? True of an empty text. */
bool text_is_all(struct http_text text, enum char_class class);

/* A token has at least one byte (RFC 9110, section 5.6.2). */
bool text_is_token(struct http_text text);

/* Is text made of bytes of that class and of %XX (RFC 3986, section 2.1)? open: more may
 * come behind it, so a %XX may be cut. */
bool text_is_uri(struct http_text text, enum char_class class, bool open);

/* Reads digits; false if there is anything else. *over: they make more than max. */
bool text_parse_number(struct http_text text, uint64_t max, uint64_t *value, bool *over);

#endif
