#include "metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

const unsigned metrics_bounds_us[METRICS_BOUNDS] = {
    10, 30, 100, 300, 1000, 3000, 10000, 100000, 1000000};

const char *const metrics_closed_names[] = {
    "client", "done", "error", "timeout", "refused", "drain"};
const char *const metrics_timeout_names[] = {"idle", "header", "body", "write", "linger"};

#define STATUS(code, reason) code,
const unsigned metrics_statuses[] = {HTTP_STATUSES(STATUS)};
#undef STATUS

/* Fixed after metrics_setup. blocks[0] is the main thread's. */
static struct metrics_block *blocks;
static unsigned workers;
static int64_t start_time;

/* Workers that have theirs. Relaxed: each gets a number of its own, and what stands in
 * the blocks was there before the workers were. */
static atomic_uint joined;

_Thread_local struct metrics_block *metrics_mine;

bool metrics_setup(unsigned setup_workers)
{
    size_t size = (setup_workers + 1) * sizeof blocks[0];

    blocks = aligned_alloc(METRICS_CACHE_LINE, size);
    if (blocks == NULL)
        return false;
    for (unsigned i = 0; i <= setup_workers; i++)
        for (unsigned metric = 0; metric < METRICS; metric++)
            atomic_init(&blocks[i].counts[metric], 0);
    workers = setup_workers;
    start_time = time(NULL);
    metrics_mine = &blocks[0];
    return true;
}

void metrics_teardown(void)
{
    free(blocks);
    blocks = metrics_mine = NULL;
}

void metrics_join(void)
{
    unsigned number = atomic_fetch_add_explicit(&joined, 1, memory_order_relaxed) + 1;

    assert(number <= workers);
    metrics_mine = &blocks[number];
}

static uint64_t get(const struct metrics_block *block, unsigned metric)
{
    return atomic_load_explicit(&block->counts[metric], memory_order_relaxed);
}

void metrics_add_status(unsigned status)
{
    for (unsigned i = 0; i < METRICS - METRIC_STATUS; i++)
        if (metrics_statuses[i] == status) {
            metrics_add(METRIC_STATUS + i, 1);
            return;
        }
    assert(!"a status that is not counted");
}

void metrics_add_wait(unsigned wait_us)
{
    unsigned bucket = 0;

    while (bucket < METRICS_BOUNDS && wait_us > metrics_bounds_us[bucket])
        bucket++;
    metrics_add(METRIC_DISPATCH + bucket, 1);
    metrics_add(METRIC_DISPATCH_US, wait_us);
}

void metrics_sum(uint64_t sum[METRICS])
{
    for (unsigned metric = 0; metric < METRICS; metric++)
        sum[metric] = 0;
    for (unsigned i = 0; i <= workers; i++)
        for (unsigned metric = 0; metric < METRICS; metric++)
            sum[metric] += get(&blocks[i], metric);
    /* Not read at one moment: one that moves may be seen to leave before it came. */
    for (unsigned metric = METRIC_PHASE; metric < METRIC_PHASE_END; metric++)
        if ((int64_t)sum[metric] < 0)
            sum[metric] = 0;
}

unsigned metrics_workers(void)
{
    return workers;
}

uint64_t metrics_of_worker(unsigned worker, enum metric metric)
{
    return get(&blocks[worker + 1], metric);
}

bool metrics_at_task(unsigned worker)
{
    /* Not !=, for the two were not read at one moment. */
    return metrics_of_worker(worker, METRIC_TAKEN) >
           metrics_of_worker(worker, METRIC_TASKS);
}

unsigned metrics_me(void)
{
    if (metrics_mine == NULL)
        metrics_join();
    return (unsigned)(metrics_mine - blocks);
}

int64_t metrics_start_time(void)
{
    return start_time;
}
