/* output.h - answers on their way into the socket: rows of bytes, wherever they stand.
 *
 * A worker makes one for a turn and sends it. Heads are written into memory that the
 * worker lends; a body stays where it is, and is only referred to, so it must stay there
 * until output_end. What the socket does not take is copied, or carried over, by conn.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "buf.h"

#define OUTPUT_TEXT_MAX 32768 /* bytes of heads in a turn: some hundred answers */
#define OUTPUT_PARTS_MAX 64   /* rows of bytes in a turn; sendmsg would take 1,024 */

/* What is here now is enough for one turn: handle no more until it is sent. */
#define OUTPUT_HIGH_WATER 65536

/* An answer needs at most so much text and so many parts beside its body. */
#define OUTPUT_ANSWER_TEXT 1024
#define OUTPUT_ANSWER_PARTS 4

struct output {
    struct iovec parts[OUTPUT_PARTS_MAX]; /* parts[first..count) are to be sent */
    unsigned first, count;
    size_t len;       /* bytes in them */
    char *text;       /* lent: room for OUTPUT_TEXT_MAX bytes */
    size_t text_len;  /* of it, used */
    struct buf owned; /* a body that belongs to the output */
};

/* An empty output; text is lent to it. */
void output_begin(struct output *output, char *text);

/* Gives back the memory of what it owned. */
void output_end(struct output *output);

/* May another answer be put into it? */
bool output_has_room(const struct output *output);

/* Adds len bytes that stay where they are until they are sent. */
void output_refer(struct output *output, const char *bytes, size_t len);

/* Adds a copy of len bytes. There must be room: see OUTPUT_ANSWER_TEXT. */
void output_text(struct output *output, const char *bytes, size_t len);

/* Adds a string in the same way; here, so that the length of a literal is not counted. */
static inline void output_string(struct output *output, const char *string)
{
    output_text(output, string, strlen(string));
}

/* Adds a number in decimal digits. */
void output_number(struct output *output, size_t number);

/* Adds the bytes of body and takes its memory over. Once in an output; it has no room
 * for another answer then. body is empty afterwards. */
void output_own(struct output *output, struct buf *body);

/* Takes len bytes from the front: they are sent. */
void output_take(struct output *output, size_t len);

#endif
