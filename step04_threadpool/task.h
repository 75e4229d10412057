/* task.h - something that waits in a queue for a worker.
 *
 * Whoever wants to be queued has a struct task as its first member: no memory is
 * allocated to queue it, and so queueing cannot fail. In a queue at most once.
 */
#ifndef TASK_H
#define TASK_H

struct task {
    struct task *next; /* the pool's: written under the lock of its queue */
};

#endif
