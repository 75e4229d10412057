/* buf.h - bytes in a row, of which a part is used.
 *
 * data[begin..end) are the bytes; what is before has been taken, what is behind, up to
 * size, has room. The memory is either lent to the buffer, or its own: then it comes from
 * buf_reserve and the functions that call it, and buf_free frees it. The caller knows
 * which. No locks: a buffer has the owner of what it is part of.
 */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty buffer without memory. */
struct buf {
    char *data;
    size_t begin, end, size;
};

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->begin;
}

static inline char *buf_bytes(const struct buf *buf)
{
    return buf->data + buf->begin;
}

/* How many bytes still fit behind those that are there. */
static inline size_t buf_room(const struct buf *buf)
{
    return buf->size - buf->end;
}

/* Takes len bytes from the front. */
static inline void buf_take(struct buf *buf, size_t len)
{
    buf->begin += len;
}

/* The next three are for a buffer with memory of its own, or none yet. False: no memory,
 * and the buffer is as it was. */

/* Makes room for len more bytes. At least doubles what is there, so that a buffer that
 * grows by small pieces copies each byte once or twice, not once a piece. */
bool buf_reserve(struct buf *buf, size_t len);

/* Puts len bytes behind those that are there. */
bool buf_append(struct buf *buf, const char *bytes, size_t len);

/* The same with text, as by printf. */
bool buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Gives back the buffer's own memory; the buffer is empty then. */
void buf_free(struct buf *buf);

#endif
