#include "pages.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "live.h"
#include "log.h"
#include "metrics.h"

#define NS_PER_S 1e9
#define US_PER_S 1e6

#define PAGE_MAX 20480 /* of the page at /, so that it need not grow while it is made */

static uint64_t queue_depth(const uint64_t sum[])
{
    /* Not read at one moment: a task may seem taken before it is queued. */
    uint64_t queued = sum[METRIC_QUEUED], taken = sum[METRIC_TAKEN];

    return queued > taken ? queued - taken : 0;
}

static uint64_t add_up(const uint64_t sum[], unsigned first, unsigned end)
{
    uint64_t total = 0;

    for (unsigned i = first; i < end; i++)
        total += sum[i];
    return total;
}

/* ------------------------------------------------------------ Prometheus */

/* What a family of samples is, before the first of them. */
static bool put_family(
    struct buf *to, const char *name, const char *type, const char *help)
{
    return buf_printf(
        to, "# HELP server_%s %s\n# TYPE server_%s %s\n", name, help, name, type);
}

static bool put_number(
    struct buf *to, const char *name, const char *type, const char *help, uint64_t value)
{
    return put_family(to, name, type, help) &&
           buf_printf(to, "server_%s %" PRIu64 "\n", name, value);
}

/* One sample for each kind; kinds has as many words as there are counts. */
static bool put_kinds(struct buf *to, const char *name, const char *label,
    const char *const kinds[], const uint64_t counts[], unsigned count)
{
    bool good = true;

    for (unsigned i = 0; good && i < count; i++)
        good = buf_printf(
            to, "server_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, kinds[i], counts[i]);
    return good;
}

static bool put_statuses(struct buf *to, const uint64_t sum[])
{
    bool good = put_family(
        to, "http_requests_total", "counter", "Answers over HTTP, by status code.");

    for (unsigned i = 0; good && i < METRICS - METRIC_STATUS; i++)
        good = buf_printf(to, "server_http_requests_total{code=\"%u\"} %" PRIu64 "\n",
            metrics_statuses[i], sum[METRIC_STATUS + i]);
    return good;
}

/* A bucket counts all that are not above its bound, so each holds those before it. */
static bool put_dispatch(struct buf *to, const uint64_t sum[])
{
    uint64_t count = 0;
    bool good = put_family(to, "dispatch_seconds", "histogram",
        "Time from an event to the worker that serves it.");

    for (unsigned i = 0; good && i < METRICS_BOUNDS; i++) {
        count += sum[METRIC_DISPATCH + i];
        good = buf_printf(to, "server_dispatch_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
            metrics_bounds_us[i] / US_PER_S, count);
    }
    count += sum[METRIC_DISPATCH + METRICS_BOUNDS];
    return good &&
           buf_printf(to,
               "server_dispatch_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
               "server_dispatch_seconds_sum %.6f\nserver_dispatch_seconds_count %" PRIu64
               "\n",
               count, (double)sum[METRIC_DISPATCH_US] / US_PER_S, count);
}

static bool put_busy(struct buf *to)
{
    bool good = put_family(to, "worker_busy_seconds_total", "counter",
        "Time in which a worker was at a task.");

    for (unsigned i = 0; good && i < metrics_workers(); i++)
        good = buf_printf(to, "server_worker_busy_seconds_total{worker=\"%u\"} %.9f\n",
            i + 1, (double)metrics_of_worker(i, METRIC_BUSY_NS) / NS_PER_S);
    return good;
}

static bool put_at_task(struct buf *to)
{
    bool good =
        put_family(to, "worker_at_task", "gauge", "Is the worker at a task? 1: it is.");

    for (unsigned i = 0; good && i < metrics_workers(); i++)
        good = buf_printf(
            to, "server_worker_at_task{worker=\"%u\"} %d\n", i + 1, metrics_at_task(i));
    return good;
}

static bool put_connections(struct buf *to, const uint64_t sum[])
{
    return put_number(to, "connections_accepted_total", "counter",
               "Connections accepted.", sum[METRIC_ACCEPTED]) &&
           put_number(
               to, "connections_open", "gauge", "Connections now.", sum[METRIC_OPEN]) &&
           put_family(to, "connections_by_phase", "gauge",
               "Connections now, by what the client may take its time for.") &&
           put_kinds(to, "connections_by_phase", "phase", metrics_timeout_names,
               sum + METRIC_PHASE, METRIC_PHASE_END - METRIC_PHASE) &&
           put_family(to, "connections_closed_total", "counter",
               "Connections that ended, by cause.") &&
           put_kinds(to, "connections_closed_total", "cause", metrics_closed_names,
               sum + METRIC_CLOSED, METRIC_CLOSED_END - METRIC_CLOSED) &&
           put_family(to, "timeouts_total", "counter",
               "Deadlines that a client missed, by kind.") &&
           put_kinds(to, "timeouts_total", "kind", metrics_timeout_names,
               sum + METRIC_TIMEOUT, METRIC_TIMEOUT_END - METRIC_TIMEOUT) &&
           put_number(to, "received_bytes_total", "counter", "Bytes from clients.",
               sum[METRIC_RECEIVED]) &&
           put_number(
               to, "sent_bytes_total", "counter", "Bytes to clients.", sum[METRIC_SENT]);
}

static bool put_pool(struct buf *to, const uint64_t sum[])
{
    return put_number(to, "workers", "gauge", "Worker threads.", metrics_workers()) &&
           put_number(to, "queue_depth", "gauge", "Tasks that wait for a worker.",
               queue_depth(sum)) &&
           put_number(to, "tasks_total", "counter", "Tasks that workers have done.",
               sum[METRIC_TASKS]) &&
           put_dispatch(to, sum) && put_busy(to) && put_at_task(to);
}

static bool put_reactor(struct buf *to, const uint64_t sum[])
{
    return put_number(to, "poll_wakeups_total", "counter",
               "Times that the main thread woke up.", sum[METRIC_WAKEUPS]) &&
           put_number(to, "poll_events_total", "counter", "Events that it was told.",
               sum[METRIC_EVENTS]) &&
           put_number(to, "accept_pauses_total", "counter",
               "Times that accepting had to pause for want of descriptors.",
               sum[METRIC_ACCEPT_PAUSES]) &&
           put_number(to, "log_lines_lost_total", "counter",
               "Lines that stderr did not take.", log_lost()) &&
           put_number(to, "start_time_seconds", "gauge",
               "When the server started, in seconds since 1970.",
               (uint64_t)metrics_start_time());
}

bool pages_metrics(struct buf *to)
{
    uint64_t sum[METRICS];

    metrics_sum(sum);
    return put_connections(to, sum) && put_statuses(to, sum) && put_pool(to, sum) &&
           put_reactor(to, sum);
}

/* ------------------------------------------------------------ JSON */

static bool put_object(struct buf *to, const char *name, const char *const kinds[],
    const uint64_t counts[], unsigned count)
{
    bool good = buf_printf(to, "\"%s\":{", name);

    for (unsigned i = 0; good && i < count; i++)
        good = buf_printf(to, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", kinds[i], counts[i]);
    return good && buf_append(to, "}", 1);
}

static bool put_requests(struct buf *to, const uint64_t sum[])
{
    bool good = buf_printf(to, "\"requests\":{");

    for (unsigned i = 0; good && i < METRICS - METRIC_STATUS; i++)
        good = buf_printf(to, "%s\"%u\":%" PRIu64, i > 0 ? "," : "", metrics_statuses[i],
            sum[METRIC_STATUS + i]);
    return good && buf_append(to, "},", 2);
}

static bool put_workers(struct buf *to)
{
    bool good = buf_printf(to, "\"workers\":[");

    for (unsigned i = 0; good && i < metrics_workers(); i++)
        good = buf_printf(to,
            "%s{\"at_task\":%s,\"tasks\":%" PRIu64
            ",\"busy_seconds\":%.9f,\"received\":%" PRIu64 ",\"sent\":%" PRIu64 "}",
            i > 0 ? "," : "", metrics_at_task(i) ? "true" : "false",
            metrics_of_worker(i, METRIC_TASKS),
            (double)metrics_of_worker(i, METRIC_BUSY_NS) / NS_PER_S,
            metrics_of_worker(i, METRIC_RECEIVED), metrics_of_worker(i, METRIC_SENT));
    return good && buf_append(to, "]", 1);
}

/* Each bucket alone: one for each bound, and one for what is above the last. */
static bool put_waits(struct buf *to, const uint64_t sum[])
{
    bool good = buf_printf(to,
        "\"dispatch\":{\"count\":%" PRIu64 ",\"sum_seconds\":%.6f,\"bounds_seconds\":[",
        add_up(sum, METRIC_DISPATCH, METRIC_DISPATCH_END),
        (double)sum[METRIC_DISPATCH_US] / US_PER_S);

    for (unsigned i = 0; good && i < METRICS_BOUNDS; i++)
        good = buf_printf(to, "%s%g", i > 0 ? "," : "", metrics_bounds_us[i] / US_PER_S);
    good = good && buf_printf(to, "],\"counts\":[");
    for (unsigned i = 0; good && i <= METRICS_BOUNDS; i++)
        good = buf_printf(to, "%s%" PRIu64, i > 0 ? "," : "", sum[METRIC_DISPATCH + i]);
    return good && buf_printf(to, "]},");
}

bool pages_stats(struct buf *to)
{
    uint64_t sum[METRICS];

    metrics_sum(sum);
    return buf_printf(to,
               "{\"connections\":{\"accepted\":%" PRIu64 ",\"open\":%" PRIu64 ",",
               sum[METRIC_ACCEPTED], sum[METRIC_OPEN]) &&
           put_object(to, "phases", metrics_timeout_names, sum + METRIC_PHASE,
               METRIC_PHASE_END - METRIC_PHASE) &&
           buf_append(to, ",", 1) &&
           put_object(to, "closed", metrics_closed_names, sum + METRIC_CLOSED,
               METRIC_CLOSED_END - METRIC_CLOSED) &&
           buf_printf(to, "},\"bytes\":{\"received\":%" PRIu64 ",\"sent\":%" PRIu64 "},",
               sum[METRIC_RECEIVED], sum[METRIC_SENT]) &&
           put_requests(to, sum) &&
           buf_printf(to, "\"queue\":{\"depth\":%" PRIu64 "},\"tasks\":%" PRIu64 ",",
               queue_depth(sum), sum[METRIC_TASKS]) &&
           put_waits(to, sum) &&
           buf_printf(to,
               "\"poll\":{\"wakeups\":%" PRIu64 ",\"events\":%" PRIu64
               "},\"accept_pauses\":%" PRIu64 ",",
               sum[METRIC_WAKEUPS], sum[METRIC_EVENTS], sum[METRIC_ACCEPT_PAUSES]) &&
           put_object(to, "timeouts", metrics_timeout_names, sum + METRIC_TIMEOUT,
               METRIC_TIMEOUT_END - METRIC_TIMEOUT) &&
           buf_printf(to,
               ",\"log_lines_lost\":%" PRIu64 ",\"uptime_seconds\":%" PRId64
               ",\"answered_by\":%u,",
               log_lost(), (int64_t)time(NULL) - metrics_start_time(), metrics_me()) &&
           put_workers(to) && buf_append(to, "}\n", 2);
}

/* ------------------------------------------------------------ HTML */

static bool put_lines(struct buf *to, const char *const lines[])
{
    bool good = true;

    for (; good && *lines != NULL; lines++)
        good = buf_append(to, *lines, strlen(*lines));
    return good;
}

static bool put_tile(struct buf *to, const char *id, const char *what, uint64_t value)
{
    return buf_printf(
        to, "<div><dt>%s</dt><dd id=\"%s\">%" PRIu64 "</dd></div>\n", what, id, value);
}

bool pages_index(struct buf *to)
{
    uint64_t sum[METRICS];

    metrics_sum(sum);
    return buf_reserve(to, PAGE_MAX) && put_lines(to, live_before) &&
           put_tile(to, "open", "connections", sum[METRIC_OPEN]) &&
           put_tile(to, "accepted", "accepted so far", sum[METRIC_ACCEPTED]) &&
           put_tile(
               to, "requests", "HTTP answers", add_up(sum, METRIC_STATUS, METRICS)) &&
           put_tile(to, "received", "bytes received", sum[METRIC_RECEIVED]) &&
           put_tile(to, "sent", "bytes sent", sum[METRIC_SENT]) &&
           put_tile(to, "tasks", "tasks done", sum[METRIC_TASKS]) &&
           put_tile(to, "depth", "tasks waiting", queue_depth(sum)) &&
           put_tile(to, "workers", "workers", metrics_workers()) &&
           put_lines(to, live_after);
}
