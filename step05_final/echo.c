#include "echo.h"

#include "process.h"

/* Each recv is a request. Its bytes are processed where they are and sent from
 * there: nothing is copied. */
static void handle(struct buf *in, struct buf *out)
{
    process(buf_bytes(in), buf_len(in));
    buf_move(out, in);
}

const struct handler echo_handler = {.name = "echo", .handle = handle};
