/* http_hope.h - is there anything that could follow these bytes and make a good request?
 *
 * The parser must refuse a request as soon as there is not (the "viable prefix" of the
 * theory of parsing). So for whatever it says HTTP_PARTIAL to, this looks for a
 * continuation that is HTTP_COMPLETE. It knows nothing of the parser's states: it tries
 * the ends of some good requests, with a few bytes before them that may end a number, an
 * escape, an address. The parser itself is the judge of what is complete, and the cases
 * of http_parser_test.c judge it.
 *
 * A word that is well-formed and more than we can do (an unknown method, another coding,
 * another expectation, a length over the limit, a version) is refused when it has ended,
 * for until then it may turn out to be no word at all. There a continuation is found that
 * is refused for just that, and one without the word that is complete.
 */
#ifndef HTTP_HOPE_H
#define HTTP_HOPE_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_chunks.h"
#include "http_head.h"

/* Large enough for no test to come near them: where a limit is the reason, a test says so
 * on its own. */
static const struct http_limits hope_limits = {8192, 16384, 100, 1000};

#define HOPE_LEN_MAX                                                                     \
    200 /* longer beginnings are not judged: that would take too long                    \
         */
#define HOPE_END_MAX 128
#define HOPE_ENDS_MAX 4096

/* All ends of these are tried, the last that helped first. */
static const char *const hope_heads[] = {
    "\r\nOPTIONS http://a:1/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD https://a:1/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "DELETE / HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]\r\n\r\n",
    "CONNECT [::1]:1 HTTP/1.0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\n\r\n",
    "PATCH / HTTP/1.0\r\n\r\n",
    "TRACE / HTTP/1.0\r\nA: 1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nExpect: 100-continue\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
};
static const char *const hope_bodies[] = {
    "1;a=\"\\b\"\r\n\r\n0\r\na:b\r\n\r\n",
    "0\r\n\r\n",
};

/* They end a word, so what comes behind them does not begin one. */
static const char *const hope_bridges[] = {"", "0", "a", "00", ":", "::", "0]", ":]",
    "::]", "0.0.0]", ".0.0]", "0.0]", ".0]", "/"};

struct hope_ends {
    char *end[HOPE_ENDS_MAX];
    unsigned count;
};

static void hope_add(struct hope_ends *ends, const char *bridge, const char *end)
{
    char text[HOPE_END_MAX];

    int len = snprintf(text, sizeof text, "%s%s", bridge, end);
    if (len < 0 || len >= HOPE_END_MAX || ends->count == HOPE_ENDS_MAX)
        abort();
    for (unsigned i = 0; i < ends->count; i++)
        if (strcmp(ends->end[i], text) == 0)
            return;
    ends->end[ends->count++] = strdup(text);
}

static void hope_make(
    struct hope_ends *ends, const char *const wholes[], size_t whole_count)
{
    for (size_t b = 0; b < sizeof hope_bridges / sizeof hope_bridges[0]; b++)
        for (size_t i = 0; i < whole_count; i++)
            for (const char *end = wholes[i]; *end != '\0'; end++)
                if (hope_bridges[b][0] == '\0' || !isalnum((unsigned char)*end))
                    hope_add(ends, hope_bridges[b], end);
}

/* What helped may help again: similar beginnings come one after the other. */
static void hope_remember(struct hope_ends *ends, unsigned number)
{
    char *end = ends->end[number];

    memmove(ends->end + 1, ends->end, number * sizeof ends->end[0]);
    ends->end[0] = end;
}

static enum http_verdict hope_parse(char *bytes, size_t len, const char *end, int *status)
{
    struct http_head head;
    size_t end_len = strlen(end);

    memcpy(bytes + len, end, end_len);
    return http_parse_head(bytes, len + end_len, &hope_limits, &head, status);
}

static bool hope_completes(char *bytes, size_t len)
{
    static struct hope_ends ends;
    int status;

    if (ends.count == 0)
        hope_make(&ends, hope_heads, sizeof hope_heads / sizeof hope_heads[0]);
    for (unsigned i = 0; i < ends.count; i++)
        if (hope_parse(bytes, len, ends.end[i], &status) == HTTP_COMPLETE) {
            hope_remember(&ends, i);
            return true;
        }
    return false;
}

/* Do the bytes end with a word that is refused for what it says, once it has ended? */
static bool hope_is_refused(char *bytes, size_t len)
{
    static const char *const word_ends[] = {" ", ",", "\r", ".0", "0"};
    int status = 0;

    for (size_t i = 0; i < sizeof word_ends / sizeof word_ends[0]; i++)
        if (hope_parse(bytes, len, word_ends[i], &status) == HTTP_BAD &&
            (status == 413 || status == 417 || status == 501 || status == 505))
            return true;
    return false;
}

/* Where a word of the last line may begin: behind the colon of a field's name. */
static size_t hope_words_begin(const char *bytes, size_t len)
{
    size_t begin = len;

    while (begin > 0 && bytes[begin - 1] != '\n')
        begin--;
    const char *colon = memchr(bytes + begin, ':', len - begin);
    return colon != NULL ? (size_t)(colon - bytes) + 1 : begin;
}

/* And would all be well without that word? */
static bool hope_is_beyond_us(char *bytes, size_t len)
{
    size_t begin = hope_words_begin(bytes, len);

    if (!hope_is_refused(bytes, len))
        return false;
    while (len-- > begin)
        if ((len == begin || strchr(" ,:/", bytes[len - 1]) != NULL) &&
            hope_completes(bytes, len))
            return true;
    return false;
}

/* For what http_parse_head says HTTP_PARTIAL to, with hope_limits; at most HOPE_LEN_MAX
 * bytes. */
static bool http_head_has_hope(const char *data, size_t len)
{
    static char bytes[HOPE_LEN_MAX + HOPE_END_MAX];

    memcpy(bytes, data, len);
    return hope_is_beyond_us(bytes, len) || hope_completes(bytes, len);
}

/* Feeds len bytes, or that many x if data is NULL. */
static enum http_verdict hope_feed(
    struct http_chunks *chunks, const char *data, size_t len)
{
    char copy[1024];
    size_t used, decoded;
    int status;

    if (len > sizeof copy)
        return HTTP_BAD;
    memset(copy, 'x', sizeof copy);
    if (data != NULL)
        memcpy(copy, data, len);
    return http_decode_chunks(chunks, copy, len, &hope_limits, &used, &decoded, &status);
}

/* Of the ends the data is left out: it is as much as the chunk's size says. `inside`: and
 * that is what comes first. */
static bool hope_body_completes(struct http_chunks chunks, const char *end, bool inside)
{
    enum http_verdict verdict = HTTP_PARTIAL;

    if (inside && (verdict = hope_feed(&chunks, NULL, (size_t)chunks.left)) == HTTP_BAD)
        return false;
    for (; *end != '\0' && verdict == HTTP_PARTIAL; end++) {
        verdict = hope_feed(&chunks, end, 1);
        if (*end == '\n' && chunks.left > 0 && verdict == HTTP_PARTIAL)
            verdict = hope_feed(&chunks, NULL, (size_t)chunks.left);
    }
    return verdict == HTTP_COMPLETE;
}

/* For where http_decode_chunks says HTTP_PARTIAL, with hope_limits. */
static bool http_body_has_hope(const struct http_chunks *chunks)
{
    static struct hope_ends ends;

    if (ends.count == 0)
        hope_make(&ends, hope_bodies, sizeof hope_bodies / sizeof hope_bodies[0]);
    for (unsigned i = 0; i < ends.count; i++)
        if (hope_body_completes(*chunks, ends.end[i], false) ||
            (chunks->left > 0 && hope_body_completes(*chunks, ends.end[i], true))) {
            hope_remember(&ends, i);
            return true;
        }
    return false;
}

#endif
