#include "echo.h"

#include "process.h"

/* Each recv is a request. Its bytes are processed where they are and sent from
 * there: nothing is copied. */
static enum handler_next handle(const struct handler *handler, struct exchange *exchange)
{
    struct buf *in = exchange->in;

    (void)handler;
    process(buf_bytes(in), buf_len(in));
    output_refer(exchange->out, buf_bytes(in), buf_len(in));
    buf_take(in, buf_len(in));
    exchange->answered++;
    return HANDLER_IDLE;
}

const struct handler echo_handler = {.name = "echo", .handle = handle};
