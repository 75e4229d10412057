/* http_parser_fuzz: any bytes, and what must be true whatever they are.
 *
 *     tests/run file tests/fuzz/fuzz.bats     (needs clang; half a minute)
 *
 * With -DSTANDALONE and any compiler: a main that tries the files named. What must be
 * true of the seeds in corpus/ is so tested by each `make test`.
 *
 * The first byte of an input chooses: bit 0, a chunked body alone, not a request; bits 1
 * and 2, limits; the others, where the bytes are cut.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/http_hope.h"
#include "http_chunks.h"
#include "http_head.h"

/* Not assert: this one stays in every build. */
static void must(bool fact, const char *what)
{
    if (fact)
        return;
    fprintf(stderr, "http_parser_fuzz: not so: %s\n", what);
    abort();
}

static const struct http_limits limits[] = {
    {8192, 16384, 100, 1 << 20},
    {40, 80, 3, 10},
    {8192, 16384, 100, UINT64_MAX},
    {8192, 100, 100, 0},
};

/* ------------------------------------------------------------ heads */

struct head_result {
    enum http_verdict verdict;
    int status;            /* 0 unless BAD */
    struct http_head head; /* zero unless COMPLETE */
};

/* In memory of just that size, so that the sanitizer sees a step over its end. */
static char *copy_of(const char *data, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);

    must(copy != NULL, "there is memory");
    memcpy(copy, data, len);
    return copy;
}

/* What points into the copy then points into data. */
static void move_text(
    struct http_text *text, const char *copy, size_t len, const char *data)
{
    if (text->data >= copy && text->data + text->len <= copy + len)
        text->data = data + (text->data - copy);
}

static struct head_result read_head(
    const char *data, size_t len, const struct http_limits *limit)
{
    struct head_result result = {.status = 0};
    struct http_head head;
    char *copy = copy_of(data, len);

    result.verdict = http_parse_head(copy, len, limit, &head, &result.status);
    must(memcmp(copy, data, len) == 0, "a head is only read");
    if (result.verdict == HTTP_COMPLETE) {
        move_text(&head.target, copy, len, data);
        move_text(&head.path, copy, len, data);
        move_text(&head.content_type, copy, len, data);
        result.head = head;
    }
    free(copy);
    return result;
}

static bool is_status(int status)
{
    static const int statuses[] = {400, 413, 414, 417, 431, 501, 505};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (status == statuses[i])
            return true;
    return false;
}

static bool same_text(struct http_text a, struct http_text b)
{
    return a.data == b.data && a.len == b.len;
}

static bool same_head(const struct http_head *a, const struct http_head *b)
{
    return a->method == b->method && same_text(a->target, b->target) &&
           same_text(a->path, b->path) && a->minor == b->minor && a->close == b->close &&
           a->expect_continue == b->expect_continue && a->chunked == b->chunked &&
           a->has_length == b->has_length && a->content_length == b->content_length &&
           same_text(a->content_type, b->content_type) && a->len == b->len;
}

/* Each LF has its CR, each CR its LF; but for these and HTAB no control byte; the first
 * empty line but one at the very beginning is the end. */
static void check_lines(const char *data, size_t len)
{
    size_t begin = data[0] == '\r' ? 2 : 0, line = begin;

    must(len >= begin + 4 && memcmp(data + len - 4, "\r\n\r\n", 4) == 0,
        "an empty line ends a head");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        must(c >= ' ' || c == '\t' || c == '\r' || c == '\n', "no control bytes");
        must(c != 0x7f, "no DEL");
        must(c != '\n' || (i > 0 && data[i - 1] == '\r'), "a CR before each LF");
        must(c != '\r' || (i + 1 < len && data[i + 1] == '\n'), "a LF behind each CR");
        if (c != '\n' || i < begin)
            continue;
        must(i - line != 1 || i + 1 == len, "an empty line only at the end");
        line = i + 1;
    }
}

static void check_target(const struct http_head *head, const char *data)
{
    must(head->target.len > 0 && head->target.data > data &&
             head->target.data + head->target.len < data + head->len,
        "the target is in the head");
    for (size_t i = 0; i < head->target.len; i++)
        must(head->target.data[i] > ' ' && head->target.data[i] < 0x7f &&
                 head->target.data[i] != '#',
            "a target is made of letters");
    if (head->method == HTTP_CONNECT)
        must(head->path.len == 0, "CONNECT has no path");
    else if (head->path.len == 1 && head->path.data[0] == '*')
        must(head->method == HTTP_OPTIONS, "only OPTIONS has *");
    else
        must(head->path.len > 0 && head->path.data[0] == '/', "a path begins with /");
    must(head->path.len == 0 || memchr(head->path.data, '?', head->path.len) == NULL,
        "a path has no query");
}

static void check_complete(const struct http_head *head, const char *data, size_t len,
    const struct http_limits *limit)
{
    must(head->len <= len, "a head is in the bytes");
    must(head->len <= limit->line_max + limit->fields_max + 6, "a head is in its limits");
    must(head->method <= HTTP_CONNECT && head->minor <= 1, "known methods and versions");
    must(!(head->chunked && head->has_length), "one framing");
    must(head->minor == 1 || !head->chunked, "no chunks in 1.0");
    must(head->content_length <= limit->body_max, "a length is in its limit");
    must(head->has_length || head->content_length == 0, "no length without a field");
    must(!head->expect_continue ||
             (head->minor == 1 && (head->chunked || head->content_length > 0)),
        "100 is for a body to come, in 1.1");
    check_lines(data, head->len);
    check_target(head, data);
    if (head->content_type.data != NULL)
        must(head->content_type.data > data &&
                 head->content_type.data + head->content_type.len <= data + head->len - 4,
            "the type is in the head");
}

/* What is true of the first bytes of what came to that end. */
static void check_beginning(const struct head_result *whole, const char *data, size_t len,
    const struct http_limits *limit)
{
    struct head_result result = read_head(data, len, limit);

    if (result.verdict == HTTP_PARTIAL) {
        must(whole->verdict != HTTP_COMPLETE || len < whole->head.len,
            "a whole head is not partial");
        return;
    }
    must(result.verdict == whole->verdict && result.status == whole->status,
        "a verdict stays");
    must(same_head(&result.head, &whole->head), "a head stays");
}

static struct head_result try_head(
    const char *data, size_t len, const struct http_limits *limit, size_t step)
{
    struct head_result whole = read_head(data, len, limit);

    must((whole.verdict == HTTP_BAD) == (whole.status != 0), "a status if it is bad");
    must(whole.verdict != HTTP_BAD || is_status(whole.status), "a status that there is");
    if (whole.verdict == HTTP_COMPLETE)
        check_complete(&whole.head, data, len, limit);
    if (whole.verdict == HTTP_PARTIAL)
        must(len <= limit->line_max + limit->fields_max + 6, "it does not wait forever");
    for (size_t cut = 0; cut < len; cut += step)
        check_beginning(&whole, data, cut, limit);
    return whole;
}

/* ------------------------------------------------------------ chunked bodies */

struct body_result {
    enum http_verdict verdict;
    int status; /* 0 unless BAD */
    size_t used, body_len;
    char *body; /* len bytes, for the caller to free */
};

/* Pieces of step bytes each. */
static struct body_result read_body(
    const char *data, size_t len, const struct http_limits *limit, size_t step)
{
    struct body_result result = {.verdict = HTTP_PARTIAL, .body = copy_of(data, len)};
    struct http_chunks chunks = {0};

    while (result.verdict == HTTP_PARTIAL && result.used < len) {
        size_t piece_len = len - result.used < step ? len - result.used : step;
        char *piece = copy_of(data + result.used, piece_len);
        size_t used, decoded;
        result.verdict = http_decode_chunks(
            &chunks, piece, piece_len, limit, &used, &decoded, &result.status);
        must(used <= piece_len && decoded <= used, "no more out than in");
        must(
            result.verdict != HTTP_PARTIAL || used == piece_len, "partial: all are used");
        memcpy(result.body + result.body_len, piece, decoded);
        result.used += used;
        result.body_len += decoded;
        free(piece);
    }
    must(result.body_len <= limit->body_max, "a body is in its limit");
    must((result.verdict == HTTP_BAD) == (result.status != 0), "a status if it is bad");
    must(result.verdict != HTTP_BAD || result.status == 400 || result.status == 413 ||
             result.status == 431,
        "a status that there is");
    return result;
}

static void try_body(
    const char *data, size_t len, const struct http_limits *limit, size_t step)
{
    struct body_result whole = read_body(data, len, limit, len + 1);
    const size_t steps[] = {1, step, len / 2 + 1};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct body_result cut = read_body(data, len, limit, steps[i]);
        must(cut.verdict == whole.verdict && cut.status == whole.status,
            "a body is the same in pieces");
        if (whole.verdict != HTTP_BAD)
            must(cut.used == whole.used && cut.body_len == whole.body_len &&
                     memcmp(cut.body, whole.body, whole.body_len) == 0,
                "so are its bytes");
        free(cut.body);
    }
    if (whole.verdict == HTTP_COMPLETE)
        must(whole.used >= 5 && memcmp(data + whole.used - 2, "\r\n", 2) == 0,
            "an empty line ends a body");
    free(whole.body);
}

/* ------------------------------------------------------------ hope */

/* It waits for more only where more can help. */
static void try_head_hope(const char *data, size_t len)
{
    struct head_result result = read_head(data, len, &hope_limits);

    must(result.verdict != HTTP_PARTIAL || http_head_has_hope(data, len),
        "something makes a partial head good");
}

static void try_body_hope(const char *data, size_t len)
{
    struct http_chunks chunks = {0};

    for (size_t i = 0; i < len; i++)
        if (hope_feed(&chunks, data + i, 1) != HTTP_PARTIAL)
            return;
    must(http_body_has_hope(&chunks), "something makes a partial body good");
}

/* ------------------------------------------------------------ both */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    if (len == 0)
        return 0;
    const struct http_limits *limit = &limits[input[0] / 2 % 4];
    size_t step = (size_t)input[0] / 8 + 1;
    const char *data = (const char *)input + 1;
    len--;

    if (len <= HOPE_LEN_MAX && input[0] % 2 == 1)
        try_body_hope(data, len);
    else if (len <= HOPE_LEN_MAX)
        try_head_hope(data, len);
    if (input[0] % 2 == 1) {
        try_body(data, len, limit, step);
        return 0;
    }
    /* Each cut costs as much as it is long: all of them only where there are few. */
    struct head_result result = try_head(data, len, limit, len <= 512 ? 1 : step);
    if (result.verdict == HTTP_COMPLETE && result.head.chunked)
        try_body(data + result.head.len, len - result.head.len, limit, step);
    return 0;
}

#ifdef STANDALONE
int main(int argc, char *argv[])
{
    static uint8_t input[1 << 20];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        size_t len = fread(input, 1, sizeof input, file);
        fclose(file);
        LLVMFuzzerTestOneInput(input, len);
    }
    printf("http parser: %d files, and all that must be true is\n", argc - 1);
    return 0;
}
#endif
