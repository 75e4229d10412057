#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct pool {
    /* Fixed while workers run. */
    pool_run *run;
    void *context;

    pthread_mutex_t lock;
    pthread_cond_t work; /* there is a task, or it is time to stop */

    /* Lock held when using these. */
    struct task *first, *last; /* first in, first out; NULL when empty */
    bool stopping;

    /* The thread of pool_new and pool_free only. */
    unsigned threads;
    pthread_t thread[];
};

/* The next task, or NULL when it is time to stop. */
static struct task *take_task(struct pool *pool)
{
    struct task *task = NULL;

    pthread_mutex_lock(&pool->lock);
    /* A loop, because another worker may have been faster, and because a wait may
     * end for no reason at all (pthread_cond_wait(3p)). */
    while (pool->first == NULL && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    if (!pool->stopping) {
        task = pool->first;
        pool->first = task->next;
    }
    pthread_mutex_unlock(&pool->lock);
    return task;
}

static void *work(void *argument)
{
    struct pool *pool = argument;
    struct task *task;

    while ((task = take_task(pool)) != NULL)
        pool->run(pool->context, task);
    return NULL;
}

void pool_push(struct pool *pool, struct task *task)
{
    pthread_mutex_lock(&pool->lock);
    task->next = NULL;
    if (pool->first == NULL)
        pool->first = task;
    else
        pool->last->next = task;
    pool->last = task;
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_signal(&pool->work);
}

struct pool *pool_new(unsigned threads, pool_run *run, void *context)
{
    struct pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->thread[0]);

    if (pool == NULL)
        return NULL;
    pool->run = run;
    pool->context = context;
    pthread_mutex_init(&pool->lock, NULL); /* these two cannot fail on Linux */
    pthread_cond_init(&pool->work, NULL);
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

void pool_free(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_broadcast(&pool->work);
    while (pool->threads > 0)
        pthread_join(pool->thread[--pool->threads], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
