/* pages.h - the server's numbers, written for people, for Prometheus and for programs.
 *
 * Each function appends a page to a buffer with memory of its own. False: no memory; what
 * is in the buffer then is a part of the page. Any thread.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>

#include "buf.h"

/* For a browser: what this is, and numbers that move (HTML). */
bool pages_index(struct buf *to);

/* Prometheus' text format, version 0.0.4. */
bool pages_metrics(struct buf *to);

/* The same numbers as JSON (RFC 8259), and those of each worker. */
bool pages_stats(struct buf *to);

#endif
