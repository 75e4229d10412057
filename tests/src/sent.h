/* sent.h - what the probe has sent on each connection, and what became of it.
 *
 * An echo returns, of each connection, the bytes that were sent there, in order. So when
 * other bytes come, it can be told where they belong: later in the same stream (some were
 * lost, or overtaken), earlier (they came twice), or to another connection. For that,
 * every connection has random bytes of its own, and remembers what it sent: not the
 * bytes, which can be made again, but where they came from.
 *
 * Texts must stay where they are as long as the process runs.
 */
#ifndef SENT_H
#define SENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SENT_WINDOW 16    /* bytes by which a place is recognized */
#define SENT_WINDOW_MIN 4 /* fewer may stand anywhere */
#define SENT_PIECE 65536  /* bytes made again at a time */

/* The bytes to send and to expect: a text, or (text is NULL) a pseudo-random sequence
 * in which every position can be computed, so that it needs no memory. */
struct source {
    const char *text;
    size_t len;
    uint64_t seed;
};

struct segment {
    struct source source;
    size_t begin; /* there */
    size_t at;    /* in the stream of the connection */
    size_t len;
};

/* All that one connection has sent. */
struct sent {
    struct segment *segments;
    size_t count;
    size_t len; /* bytes in all */
};

/* The eight bytes at place `index` of a pseudo-random sequence (splitmix64). */
static uint64_t random_word(uint64_t seed, uint64_t index)
{
    uint64_t z = (seed + index + 1) * 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* $PAYLOAD_SEED: other bytes in another run, so that no server can know them. A grader
 * sets it, and prints it, for the run to be repeated. */
static uint64_t payload_seed(void)
{
    static uint64_t seed;
    static bool known;

    if (!known) {
        const char *text = getenv("PAYLOAD_SEED");
        seed = text ? strtoull(text, NULL, 10) << 20 : 0;
        known = true;
    }
    return seed;
}

static void source_copy(const struct source *source, size_t from, char *to, size_t len)
{
    if (source->text) {
        memcpy(to, source->text + from, len);
        return;
    }
    for (size_t i = 0; i < len;) {
        uint64_t word = random_word(source->seed ^ payload_seed(), (from + i) / 8);
        for (size_t byte = (from + i) % 8; byte < 8 && i < len; byte++)
            to[i++] = (char)(word >> (8 * byte));
    }
}

/* The bytes of the source from `from` on, len of them, have been sent. False: no memory.
 */
static bool sent_note(
    struct sent *sent, const struct source *source, size_t from, size_t len)
{
    struct segment *last = sent->count ? &sent->segments[sent->count - 1] : NULL;

    if (len == 0)
        return true;
    if (last && last->source.text == source->text && last->source.seed == source->seed &&
        last->begin + last->len == from) {
        last->len += len;
        sent->len += len;
        return true;
    }
    struct segment *more =
        realloc(sent->segments, (sent->count + 1) * sizeof *sent->segments);
    if (!more)
        return false;
    sent->segments = more;
    more[sent->count++] = (struct segment){*source, from, sent->len, len};
    sent->len += len;
    return true;
}

/* Copies what was sent from place `from` on, at most len bytes. Returns how many. */
static size_t sent_copy(const struct sent *sent, size_t from, char *to, size_t len)
{
    size_t copied = 0;

    for (size_t i = 0; i < sent->count && copied < len; i++) {
        const struct segment *segment = &sent->segments[i];
        size_t at = from + copied;
        if (at < segment->at || at >= segment->at + segment->len)
            continue;
        size_t some = segment->at + segment->len - at;
        some = some < len - copied ? some : len - copied;
        source_copy(
            &segment->source, segment->begin + at - segment->at, to + copied, some);
        copied += some;
    }
    return copied;
}

/* Where the bytes stand in what was sent, from place `from` on and before place `to`. */
static bool sent_find(const struct sent *sent, size_t from, size_t to, const char *bytes,
    size_t len, size_t *at)
{
    static char piece[SENT_PIECE];

    for (; from < to; from += SENT_PIECE - len + 1) {
        size_t some = sent_copy(sent, from, piece, sizeof piece);
        const char *found = some < len ? NULL : memmem(piece, some, bytes, len);
        if (found) {
            *at = from + (size_t)(found - piece);
            return *at < to;
        }
        if (some < sizeof piece)
            return false;
    }
    return false;
}

/* The last such place before `to`. */
static bool sent_find_last(
    const struct sent *sent, size_t to, const char *bytes, size_t len, size_t *at)
{
    bool found = false;

    for (size_t from = 0, next; sent_find(sent, from, to, bytes, len, &next);
         from = next + 1) {
        *at = next;
        found = true;
    }
    return found;
}

/* How many of the bytes are those that were sent from place `at` on. */
static size_t sent_match(
    const struct sent *sent, size_t at, const char *bytes, size_t len)
{
    static char right[SENT_PIECE];
    size_t same = 0;

    while (same < len) {
        size_t some = len - same < sizeof right ? len - same : sizeof right, i = 0;
        some = sent_copy(sent, at + same, right, some);
        while (i < some && right[i] == bytes[same + i])
            i++;
        same += i;
        if (i == 0 || i < some)
            break;
    }
    return same;
}

#endif
