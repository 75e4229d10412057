/* http_head.h - what the head of a request says, by HTTP/1.1 (RFC 9112).
 *
 * Pure functions: bytes in, a verdict out. No input or output, no memory of their own, no
 * locale; any thread may call them. What they find points into the caller's bytes, and is
 * good for as long as those are.
 *
 * Two parties that read the same bytes and see different requests are how one client
 * smuggles a request past a proxy (RFC 9112, section 11.2). So what is doubtful is
 * refused, not repaired, and where the standards leave a choice, this is what we do:
 *
 * what                                   | answer   | section (of which RFC), reason
 * -------------------------------------- | -------- | -----------------------------------
 * an empty line before the request       | taken    | 9112 2.2; a second one: 400
 * LF or CR alone as a line's end         | 400      | 9112 2.2: LF alone MAY be taken
 * NUL, other control bytes               | 400      | 9110 5.5, 9112 3.2; HTAB is a space
 * request line over its limit            | 414      | 9112 3
 * not just one space between its parts   | 400      | 9112 3: MAY be lenient
 * no version, as in HTTP/0.9             | 400      | 9112 3: no request line any more
 * version http/1.1, HTTP/01.1            | 400      | 9112 2.3: case matters, two digits
 * HTTP/1.2 to HTTP/1.9                   | as 1.1   | 9110 2.5: SHOULD; made to be safe
 * another major version                  | 505      | 9110 15.6.6: not for a minor one
 * the first line of HTTP/2               | 505      | RFC 9113 3.4
 * unknown method, also "get"             | 501      | 9110 9.1: case matters
 * target not of the four forms           | 400      | 9112 3.2
 * target * without OPTIONS               | 400      | 9112 3.2.4
 * target host:port without CONNECT       | 400      | 9112 3.2.3; the port is needed
 * target not http:// or https://         | 400      | 9112 3.2.2: no proxy for others
 * target with a bad byte, a bad %XX, a # | 400      | 9112 3.2: SHOULD NOT be repaired
 * target with a user's name              | 400      | 9110 4.2.4: treat it as an error
 * target without a host                  | 400      | 9110 4.2.1: MUST reject
 * target http://host                     | path "/" | 9110 4.2.3; OPTIONS: *, 9112 3.2.4
 * target http://a with Host: b           | b unused | 9112 3.2.2: MUST ignore it
 * Host missing in 1.1                    | 400      | 9112 3.2, with every form of target
 * Host twice, or malformed               | 400      | 9112 3.2; so is a port over 65535
 * Host empty                             | 400      | 9110 4.2.1: MUST reject
 * Host [v1.x]                            | 400      | RFC 3986 3.2.2: none is defined
 * fields over their limits               | 431      | RFC 6585 5
 * space before the colon                 | 400      | 9112 5.1: MUST reject
 * line continued (begins with a space)   | 400      | 9112 5.2, 2.2: MUST, or repair
 * bytes over 127 in a value              | taken    | 9110 5.5: opaque
 * Content-Length twice, or a list        | 400      | 9110 8.6: equal ones MAY be taken
 * Content-Length not only digits         | 400      | 9110 8.6
 * Content-Length over the limit          | 413      | 9110 15.5.14; also one over 2^64
 * Content-Type twice                     | 400      | 9110 8.3: guessing is dangerous
 * Transfer-Encoding and Content-Length   | 400      | 9112 6.1: MAY reject; 6.3: ought to
 * Transfer-Encoding in 1.0               | 400      | 9112 6.1: faulty framing
 * chunked twice, or not last             | 400      | 9112 6.1, 6.3
 * chunked with parameters                | 400      | 9112 7.1: an error
 * another coding, also "identity"        | 501      | 9112 6.1; 6.3: 400 if not last
 * empty member of that list              | 400      | 9110 5.6.1.2: skip; some do not
 * Connection not a list of tokens        | 400      | 9110 7.6.1; empty members skipped
 * Expect: 100-continue                   | told     | 9110 10.1.1; not without a body
 * Expect: anything else                  | 417      | 9110 10.1.1: MAY
 * Expect in 1.0                          | ignored  | 9110 10.1.1: MUST
 *
 * A request is refused as soon as nothing that could follow would make it good: at the
 * byte that is wrong, at the byte that is over a limit. A word that is well-formed and
 * more than we can do (501, 505, 413, 417) is refused when it has ended, for until then
 * it may turn out to be no word at all, which is a 400: a method at its space, a version
 * at its last digit, a member of a list at its comma, and all of them at the CR. So where
 * several things are wrong the first of them decides, and the verdict does not depend on
 * how the bytes were cut.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_text.h"

struct http_limits {
    size_t line_max;          /* bytes of the request line, or a chunk's, without CRLF */
    size_t fields_max;        /* bytes of all field lines, with CRLF */
    unsigned field_count_max; /* their number; for trailers the two hold again */
    uint64_t body_max;        /* bytes of the body, decoded */
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_CONNECT
};

/* As it stands in a request line. */
const char *http_method_name(enum http_method method);

/* A request without its body. The path is not decoded: "/%61" is not "/a" here. It is "*"
 * for the server as a whole, and not there for CONNECT; where the target leaves it out,
 * it points to a constant. */
struct http_head {
    enum http_method method;
    struct http_text target; /* as it came */
    struct http_text path;   /* of it, without the query */
    unsigned minor;          /* HTTP/1.minor: 0, or 1 if that or more */
    bool close;              /* no other request after this (RFC 9112, section 9.3) */
    bool expect_continue;    /* the client waits for a 100 before it sends the body */
    bool chunked;            /* a body follows, for http_decode_chunks */
    bool has_length;         /* one of content_length bytes follows; never both */
    uint64_t content_length;
    struct http_text content_type;
    size_t len; /* of the head, with the empty lines before and after it */
};

enum http_verdict {
    HTTP_COMPLETE,
    HTTP_PARTIAL, /* more can make it good: come again with that */
    HTTP_BAD      /* answer it, and close: where the next request begins is not known */
};

/* Reads a head at the beginning of data. On PARTIAL a continuation may still make it
 * good, and the next call needs the same bytes and more of them. They are all read again;
 * a head at its limits that comes byte by byte costs some tenths of a second of CPU time
 * in all, not much more than to receive it. *head means something on COMPLETE only,
 * *status on BAD only: 400, 413, 414, 417, 431, 501 or 505. */
enum http_verdict http_parse_head(const char *data, size_t len,
    const struct http_limits *limits, struct http_head *head, int *status);

#endif
