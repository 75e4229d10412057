#include "output.h"

#include <assert.h>
#include <string.h>

#define DIGITS_MAX 20 /* of a 64-bit number */

void output_begin(struct output *output, char *text)
{
    /* Not all of it is set to zero: that would be a kilobyte for each message. */
    output->first = output->count = 0;
    output->len = output->text_len = 0;
    output->text = text;
    output->owned = (struct buf){0};
}

void output_end(struct output *output)
{
    buf_free(&output->owned);
}

bool output_has_room(const struct output *output)
{
    return output->len < OUTPUT_HIGH_WATER && output->owned.data == NULL &&
           output->text_len + OUTPUT_ANSWER_TEXT <= OUTPUT_TEXT_MAX &&
           output->count + OUTPUT_ANSWER_PARTS <= OUTPUT_PARTS_MAX;
}

/* Does at begin where the last part ends? Then it is the same part: many small answers
 * become one row of bytes. */
static bool continues(const struct output *output, const char *at)
{
    if (output->count == output->first)
        return false;
    const struct iovec *last = &output->parts[output->count - 1];
    return (const char *)last->iov_base + last->iov_len == at;
}

void output_refer(struct output *output, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    if (continues(output, bytes)) {
        output->parts[output->count - 1].iov_len += len;
    } else {
        assert(output->count < OUTPUT_PARTS_MAX);
        output->parts[output->count++] =
            (struct iovec){.iov_base = (void *)bytes, .iov_len = len};
    }
    output->len += len;
}

void output_text(struct output *output, const char *bytes, size_t len)
{
    char *to = output->text + output->text_len;

    if (len == 0)
        return; /* bytes may be NULL then, and memcpy must not be called with that */
    assert(output->text_len + len <= OUTPUT_TEXT_MAX);
    memcpy(to, bytes, len);
    output->text_len += len;
    output_refer(output, to, len);
}

void output_number(struct output *output, size_t number)
{
    char digits[DIGITS_MAX];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    output_text(output, digits + at, sizeof digits - at);
}

void output_own(struct output *output, struct buf *body)
{
    assert(output->owned.data == NULL);
    output->owned = *body;
    *body = (struct buf){0};
    output_refer(output, buf_bytes(&output->owned), buf_len(&output->owned));
}

void output_take(struct output *output, size_t len)
{
    output->len -= len;
    if (output->len == 0) { /* as a rule */
        output->first = output->count;
        return;
    }
    while (len > 0) {
        struct iovec *part = &output->parts[output->first];
        size_t n = len < part->iov_len ? len : part->iov_len;
        part->iov_base = (char *)part->iov_base + n;
        part->iov_len -= n;
        len -= n;
        if (part->iov_len == 0)
            output->first++;
    }
}
