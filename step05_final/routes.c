#include "routes.h"

#include <string.h>

#include "pages.h"
#include "process.h"

#define TEXT(string) ((struct http_text){(string), sizeof(string) - 1})

/* A page that is made anew for each request, because its numbers change. */
static bool answer_page(struct answer *answer, bool (*write)(struct buf *to))
{
    if (write(&answer->owned))
        return true;
    buf_free(&answer->owned);
    answer->status = 500;
    return false;
}

static void answer_index(const struct request *request, struct answer *answer)
{
    (void)request;
    answer->type = TEXT("text/html; charset=utf-8");
    if (answer_page(answer, pages_index))
        process(buf_bytes(&answer->owned), buf_len(&answer->owned));
}

/* The body goes back from where it was read to: a long one is not copied. */
static void answer_echo(const struct request *request, struct answer *answer)
{
    process(request->body, request->body_len);
    answer->type = request->head->content_type;
    if (answer->type.len == 0)
        answer->type = TEXT("application/octet-stream");
    answer->body = (struct http_text){request->body, request->body_len};
}

/* For a load balancer, which asks often: no process call here. */
static void answer_health(const struct request *request, struct answer *answer)
{
    answer->type = TEXT("text/plain");
    answer->body = request->draining ? TEXT("draining") : TEXT("ok");
    if (request->draining)
        answer->status = 503;
}

/* The version of the format, as Prometheus wants to be told. */
static void answer_metrics(const struct request *request, struct answer *answer)
{
    (void)request;
    answer->type = TEXT("text/plain; version=0.0.4; charset=utf-8");
    answer_page(answer, pages_metrics);
}

static void answer_stats(const struct request *request, struct answer *answer)
{
    (void)request;
    answer->type = TEXT("application/json");
    answer_page(answer, pages_stats);
}

#define READ (1U << HTTP_GET | 1U << HTTP_HEAD)

static const struct route routes[] = {
    {"/", READ, "GET, HEAD", answer_index},
    {"/echo", 1U << HTTP_POST, "POST", answer_echo},
    {"/healthz", READ, "GET, HEAD", answer_health},
    {"/metrics", READ, "GET, HEAD", answer_metrics},
    {"/stats", READ, "GET, HEAD", answer_stats},
};

const struct route *routes_find(struct http_text path)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (path.len == strlen(routes[i].path) &&
            memcmp(path.data, routes[i].path, path.len) == 0)
            return &routes[i];
    return NULL;
}
