#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 4096 /* a first piece: what malloc calls small, and a page may hold */

/* What was taken from the front makes room as well, and costs less than new memory. */
static void move_to_front(struct buf *buf)
{
    if (buf->begin == 0)
        return;
    memmove(buf->data, buf_bytes(buf), buf_len(buf));
    buf->end = buf_len(buf);
    buf->begin = 0;
}

bool buf_reserve(struct buf *buf, size_t len)
{
    if (buf_room(buf) >= len)
        return true;
    size_t size = 2 * buf_len(buf) > SIZE_MIN ? 2 * buf_len(buf) : SIZE_MIN;
    if (size < buf_len(buf) + len)
        size = buf_len(buf) + len;
    if (size > buf->size) {
        char *data = realloc(buf->data, size);
        if (data == NULL)
            return false;
        buf->data = data;
        buf->size = size;
    }
    move_to_front(buf);
    return true;
}

bool buf_append(struct buf *buf, const char *bytes, size_t len)
{
    if (!buf_reserve(buf, len))
        return false;
    if (len > 0)
        memcpy(buf->data + buf->end, bytes, len);
    buf->end += len;
    return true;
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0 || !buf_reserve(buf, (size_t)len + 1)) /* vsnprintf adds a NUL */
        return false;
    va_start(arguments, format);
    vsnprintf(buf->data + buf->end, (size_t)len + 1, format, arguments);
    va_end(arguments);
    buf->end += (size_t)len;
    return true;
}

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}
