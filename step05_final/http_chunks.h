/* http_chunks.h - a body that comes in chunks (RFC 9112, section 7.1).
 *
 * A pure function: bytes in, decoded bytes and a verdict out. No memory of its own: what
 * is known between two calls is in the caller's struct http_chunks, and the bytes are
 * decoded where they stand. Any thread may call it, one for each body.
 *
 * What is doubtful is refused, not repaired, as in the head (http_head.h), and where the
 * standards leave a choice, this is what we do:
 *
 * what                                   | answer   | section (of which RFC), reason
 * -------------------------------------- | -------- | -----------------------------------
 * chunk size with sign, 0x, space        | 400      | 9112 7.1: hex digits
 * chunk extension, well-formed           | ignored  | 9112 7.1.1: MUST
 * spaces, HTABs around its ";" and "="   | ignored  | 9110 5.6.3: MUST; elsewhere: 400
 * chunk line over its limit              | 400      | 9112 7.1.1: an appropriate 4xx
 * chunk lines with too much in all       | 400      | the same; a row of zeros is one
 * decoded body over the limit            | 413      | 9110 15.5.14; when a size says so
 * trailer malformed                      | 400      | 9112 7.1.2: as a field
 * trailers over the fields' limits       | 431      | RFC 6585 5
 * trailer Host, or one of framing        | 400      | 9110 6.5.1: too late for these
 *
 * A body is refused at the byte that is wrong, or over a limit; so the verdict does not
 * depend on how the bytes were cut.
 */
#ifndef HTTP_CHUNKS_H
#define HTTP_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "http_head.h"

/* Where we are in a chunked body: {0} at its start, then for http_decode_chunks only. No
 * byte is looked at twice, so a body that comes byte by byte costs no more. */
struct http_chunks {
    int state;
    uint64_t left;      /* bytes of this chunk: of its size read so far, then to come */
    uint64_t total;     /* decoded bytes of the chunks before it */
    size_t line_len;    /* of the chunk line so far */
    size_t extra_len;   /* beyond the first 16 of each, of all; at most fields_max */
    size_t trailer_len; /* of all trailers, with CRLF */
    unsigned trailer_count;
    size_t name_len; /* of the name of this trailer, as far as it is in name */
    char name[18];   /* one byte more than the longest that we look for */
};

/* Takes the next len bytes of a chunked body and moves what they decode to, which is
 * never more, to the front of data: *decoded bytes. COMPLETE: the body has ended with the
 * first *used bytes, the rest is the next request. PARTIAL: all were used. BAD: *status
 * is 400, 413 or 431; nothing else means anything, and there is no next call. */
enum http_verdict http_decode_chunks(struct http_chunks *chunks, char *data, size_t len,
    const struct http_limits *limits, size_t *used, size_t *decoded, int *status);

#endif
