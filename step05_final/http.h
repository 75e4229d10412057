/* http.h - HTTP/1.1 as a handler (RFC 9110, RFC 9112).
 *
 * Finds the requests in what a client has sent, has them answered (routes.h), and frames
 * the answers. What it refuses, and why, stands in http_head.h and http_chunks.h. Called
 * by workers, each for its own connection; keeps nothing but the state of a body that is
 * not all here.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>

#include "handler.h"
#include "http_head.h"

/* Fixed while the server runs. */
struct http {
    struct handler handler; /* first, so that the handler is the struct http */
    struct http_limits limits;
    unsigned requests_max; /* on one connection; 0: no limit */
    bool access_log;       /* a line for each request */
};

void http_init(struct http *http, const struct http_limits *limits, unsigned requests_max,
    bool access_log);

#endif
