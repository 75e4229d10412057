#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct pool {
    /* Fixed while workers run. */
    pool_run *run;
    void *context;

    pthread_mutex_t lock;
    pthread_cond_t work; /* there is a task, or it is time to stop */
    pthread_cond_t rest; /* a worker of a stopping pool is done */

    /* Lock held when using these. */
    struct task_list queue;
    unsigned sleeping; /* workers that wait for work */
    unsigned busy;     /* workers that have a task */
    bool waking;       /* one is on its way: no need to wake another */
    bool stopping;

    /* The thread of pool_new and pool_free only. */
    unsigned threads;
    pthread_t thread[];
};

/* True: the caller must signal work, after it has unlocked, so that the one that wakes
 * does not run into the lock at once. At most one worker is on its way at a time; if
 * there is more to do than it can do, it wakes the next itself. So a burst of tasks wakes
 * as many as it needs, and tasks that come one at a time wake one. Lock held. */
static bool must_wake(struct pool *pool)
{
    if (pool->queue.first == NULL || pool->sleeping == 0 || pool->waking)
        return false;
    pool->waking = true;
    return true;
}

/* Lock held; given up while sleeping. */
static void sleep_until_work(struct pool *pool)
{
    /* A task often comes within microseconds, and to be put to sleep and woken costs
     * more than that: let others run once before. */
    pthread_mutex_unlock(&pool->lock);
    sched_yield();
    pthread_mutex_lock(&pool->lock);

    /* A loop, because another worker may have been faster, and because a wait may
     * end for no reason at all (pthread_cond_wait(3p)). */
    while (pool->queue.first == NULL && !pool->stopping) {
        pool->sleeping++;
        pthread_cond_wait(&pool->work, &pool->lock);
        pool->sleeping--;
        pool->waking = false;
    }
}

/* The next task, or NULL when it is time to stop. Lock held. */
static struct task *next_task(struct pool *pool)
{
    if (pool->queue.first == NULL && !pool->stopping)
        sleep_until_work(pool);
    return pool->stopping ? NULL : task_list_take(&pool->queue);
}

/* Lock held; given up while the task runs. */
static void run_task(struct pool *pool, struct task *task)
{
    bool wake = must_wake(pool);

    pool->busy++;
    pthread_mutex_unlock(&pool->lock);
    if (wake)
        pthread_cond_signal(&pool->work);
    pool->run(pool->context, task);
    pthread_mutex_lock(&pool->lock);
    pool->busy--;
}

static void *work(void *argument)
{
    struct pool *pool = argument;
    struct task *task;

    pthread_mutex_lock(&pool->lock);
    while ((task = next_task(pool)) != NULL)
        run_task(pool, task);
    pthread_cond_signal(&pool->rest);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

void pool_push(struct pool *pool, struct task_list *tasks)
{
    pthread_mutex_lock(&pool->lock);
    task_list_join(&pool->queue, tasks);
    bool wake = must_wake(pool);
    pthread_mutex_unlock(&pool->lock);
    if (wake)
        pthread_cond_signal(&pool->work);
}

/* Conditions that measure their timeouts on the clock that nobody sets. */
static void init_locks(struct pool *pool)
{
    pthread_condattr_t monotonic;

    /* None of these can fail on Linux. */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->rest, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct pool *pool_new(unsigned threads, pool_run *run, void *context)
{
    struct pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->thread[0]);

    if (pool == NULL)
        return NULL;
    pool->run = run;
    pool->context = context;
    init_locks(pool);
    for (; pool->threads < threads; pool->threads++) {
        int reason = pthread_create(&pool->thread[pool->threads], NULL, work, pool);
        if (reason != 0) {
            pool_free(pool);
            errno = reason;
            return NULL;
        }
    }
    return pool;
}

static struct timespec in_ms(int ms)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    long ns = time.tv_nsec + ms % 1000 * 1000000L;
    time.tv_sec += ms / 1000 + ns / 1000000000;
    time.tv_nsec = ns % 1000000000;
    return time;
}

unsigned pool_stop(struct pool *pool, int grace_ms)
{
    struct timespec end = in_ms(grace_ms);

    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->busy > 0)
        if (pthread_cond_timedwait(&pool->rest, &pool->lock, &end) == ETIMEDOUT)
            break;
    unsigned busy = pool->busy;
    pthread_mutex_unlock(&pool->lock);
    return busy;
}

void pool_free(struct pool *pool)
{
    pool_stop(pool, 0);
    while (pool->threads > 0)
        pthread_join(pool->thread[--pool->threads], NULL);
    pthread_cond_destroy(&pool->rest);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
