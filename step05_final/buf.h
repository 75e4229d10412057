/* buf.h - bytes in a row, of which a part is used.
 *
 * data[begin..end) are the bytes; what is before has been taken, what is behind
 * has room. The memory is either lent to the buffer or its own (buf_copy); who
 * calls knows which. No locks: a buffer has the owner of what it is part of.
 */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t begin, end;
};

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->begin;
}

static inline char *buf_bytes(const struct buf *buf)
{
    return buf->data + buf->begin;
}

/* Takes len bytes from the front. */
static inline void buf_take(struct buf *buf, size_t len)
{
    buf->begin += len;
}

/* Moves the bytes of from, with the memory that they are in, to the empty to. */
static inline void buf_move(struct buf *to, struct buf *from)
{
    *to = *from;
    *from = (struct buf){0};
}

/* Makes the empty to a copy of from's bytes in memory of its own, just large enough.
 * False: no memory, and to is as it was. */
bool buf_copy(struct buf *to, const struct buf *from);

/* Gives back memory from buf_copy; the buffer is empty then. */
void buf_free(struct buf *buf);

#endif
