#include "buf.h"

#include <stdlib.h>
#include <string.h>

bool buf_copy(struct buf *to, const struct buf *from)
{
    size_t len = buf_len(from);
    char *data = malloc(len);

    if (data == NULL)
        return false;
    memcpy(data, buf_bytes(from), len);
    *to = (struct buf){.data = data, .end = len};
    return true;
}

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}
