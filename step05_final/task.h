/* task.h - something that waits in a queue for a worker, and a list of such.
 *
 * Whatever is to be queued has a struct task as its first member: no memory is
 * allocated to queue it, and so queueing cannot fail. In one list at a time.
 */
#ifndef TASK_H
#define TASK_H

#include <stddef.h>

struct task {
    struct task *next; /* written by the owner of the list that it is in */
};

/* First in, first out. All zero is an empty list. */
struct task_list {
    struct task *first, *last;
};

/* Moves all of tail to the end of list. */
static inline void task_list_join(struct task_list *list, struct task_list *tail)
{
    if (tail->first == NULL)
        return;
    if (list->first == NULL)
        list->first = tail->first;
    else
        list->last->next = tail->first;
    list->last = tail->last;
    tail->first = NULL;
}

static inline void task_list_append(struct task_list *list, struct task *task)
{
    struct task_list tail = {task, task};

    task->next = NULL;
    task_list_join(list, &tail);
}

/* NULL: the list is empty. */
static inline struct task *task_list_take(struct task_list *list)
{
    struct task *task = list->first;

    if (task != NULL)
        list->first = task->next;
    return task;
}

#endif
