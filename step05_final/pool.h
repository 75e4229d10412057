/* pool.h - a fixed number of worker threads and the queue of tasks they take from.
 *
 * A queued task belongs to the pool; run gets it back, in a worker thread. The
 * pool does not know what a task is.
 */
#ifndef POOL_H
#define POOL_H

#include "task.h"

struct pool;

/* What a worker does with each task; context is the one given to pool_new. */
typedef void pool_run(void *context, struct task *task);

/* Starts the workers. NULL and errno: no memory, or the system allows no more
 * threads (pthread_create(3)). */
struct pool *pool_new(unsigned threads, pool_run *run, void *context);

/* Puts tasks at the end of the queue, under one lock for all; tasks is empty then. Any
 * thread. */
void pool_push(struct pool *pool, struct task_list *tasks);

/* Forgets the tasks that were not begun, and gives those that were grace_ms to end.
 * Returns how many workers still have one. The thread that called pool_new. */
unsigned pool_stop(struct pool *pool, int grace_ms);

/* Stops the pool, waits for the workers, however long they take, and joins them. The
 * thread that called pool_new. */
void pool_free(struct pool *pool);

#endif
