/* pool_test: a pool alone, for helgrind, drd and ThreadSanitizer.
 *
 * Many tasks, pushed from the main thread and, half of them, again from the workers; each
 * must run just so often, by one thread at a time, and see what the last run left behind.
 * -DBATCH: the pool of step 05, which takes lists of tasks.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "pool.h"

#define TASKS 200
#define RUNS 20 /* of each task */
#define THREADS 4

struct counted {
    struct task task;
    int runs; /* no lock: the pool hands the task over */
};

struct state {
    struct pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t all_done;
    int done; /* tasks that have had all their runs; lock held when using this */
};

static void push(struct pool *pool, struct counted *counted)
{
#ifdef BATCH
    struct task_list one = {NULL, NULL};

    task_list_append(&one, &counted->task);
    pool_push(pool, &one);
    assert(one.first == NULL);
#else
    pool_push(pool, &counted->task);
#endif
}

static void run(void *context, struct task *task)
{
    struct state *state = context;
    struct counted *counted = (struct counted *)task;

    if (++counted->runs < RUNS) {
        /* The pool is handed over to the workers by the first push. */
        push(state->pool, counted);
        return;
    }
    pthread_mutex_lock(&state->lock);
    state->done++;
    pthread_cond_signal(&state->all_done);
    pthread_mutex_unlock(&state->lock);
}

static void push_all(struct state *state, struct counted counted[])
{
#ifdef BATCH
    struct task_list all = {NULL, NULL};

    for (int i = 0; i < TASKS; i++)
        task_list_append(&all, &counted[i].task);
    pool_push(state->pool, &all);
#else
    for (int i = 0; i < TASKS; i++)
        push(state->pool, &counted[i]);
#endif
}

static void every_task_runs(void)
{
    struct counted *counted = calloc(TASKS, sizeof *counted);
    struct state state = {.done = 0};

    assert(counted != NULL);
    pthread_mutex_init(&state.lock, NULL);
    pthread_cond_init(&state.all_done, NULL);
    state.pool = pool_new(THREADS, run, &state);
    assert(state.pool != NULL);
    push_all(&state, counted);
    pthread_mutex_lock(&state.lock);
    while (state.done < TASKS)
        pthread_cond_wait(&state.all_done, &state.lock);
    pthread_mutex_unlock(&state.lock);
    pool_free(state.pool);
    for (int i = 0; i < TASKS; i++)
        assert(counted[i].runs == RUNS);
    pthread_cond_destroy(&state.all_done);
    pthread_mutex_destroy(&state.lock);
    free(counted);
}

static void run_nothing(void *context, struct task *task)
{
    (void)context;
    (void)task;
}

/* What waits in the queue is forgotten, not run and not waited for. */
static void stopping_forgets_the_queue(void)
{
    struct counted counted[TASKS] = {{.runs = 0}};

    for (int round = 0; round < 20; round++) {
        struct pool *pool = pool_new(THREADS, run_nothing, NULL);
        assert(pool != NULL);
        for (int i = 0; i < TASKS; i++)
            push(pool, &counted[i]);
        pool_free(pool);
    }
}

int main(void)
{
    every_task_runs();
    stopping_forgets_the_queue();
    puts("pool: all tasks ran");
    return 0;
}
