/* routes.h - what this server has to say over HTTP, and at which path.
 *
 * A path is looked up letter by letter: "/%65cho" and "/./echo" are not "/echo", and no
 * file is ever opened. No locks: called by workers, each for its own request.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "http_head.h"

struct request {
    const struct http_head *head;
    char *body; /* decoded; may be changed in place */
    size_t body_len;
    bool draining; /* the server is going to end */
};

/* Comes as 200 without a body. The body must stay where it is until it is sent, or be
 * in owned, whose memory the answer hands over. */
struct answer {
    unsigned status;
    struct http_text type; /* of the body */
    struct http_text body;
    struct buf owned;
};

struct route {
    const char *path;
    unsigned methods;  /* 1 << HTTP_GET and so on */
    const char *allow; /* the same, in words */

    /* Cannot fail but by status 500, with no body. */
    void (*answer)(const struct request *request, struct answer *answer);
};

/* What some route allows, for the server as a whole. */
#define ROUTES_ALLOW "GET, HEAD, POST, OPTIONS"

/* NULL: there is none. */
const struct route *routes_find(struct http_text path);

#endif
