/* state_test: a state word alone: no second owner, no lost event.
 *
 * One thread notes events of many connections, as the main thread of the server does, and
 * workers take them. What each event is about is counted, so a lost one leaves a
 * connection that never hears the last of it, and this program without an end. That there
 * is one owner at a time, a count says; that what one owner wrote is seen by the next,
 * ThreadSanitizer does. -DBUSY: state_give_back has its last parameter.
 */
#include <assert.h>
#include <sched.h>
#include <stdio.h>

#include "pool.h"
#include "state.h"

#define CONNECTIONS 16
#define MESSAGES 2000 /* to each */
#define THREADS 4

struct counted {
    struct task task;
    atomic_uint state;
    atomic_uint owners; /* now */

    /* Relaxed, all three: the state word alone has the order. */
    atomic_uint said;   /* messages so far; EVENT_READABLE is about them */
    atomic_uint seen;   /* of them */
    atomic_uint wanted; /* how often it has had output that was not taken */

    unsigned granted; /* how often that was taken, EVENT_WRITABLE; the main thread's */

    /* The owner's. */
    unsigned heard; /* messages: what seen is, but without an order of its own */
    unsigned turns;
    bool has_output;
};

static struct counted connections[CONNECTIONS];
static struct pool *pool;

static unsigned load(const atomic_uint *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void add(atomic_uint *number)
{
    atomic_fetch_add_explicit(number, 1, memory_order_relaxed);
}

static bool give_back(struct counted *counted, unsigned unused)
{
#ifdef BUSY
    return state_give_back(&counted->state, unused, counted->has_output, false);
#else
    return state_give_back(&counted->state, unused, counted->has_output);
#endif
}

static void push(struct counted *counted)
{
    struct task_list one = {NULL, NULL};

    task_list_append(&one, &counted->task);
    pool_push(pool, &one);
}

/* Uses up the events, but for a message now and then, which it must be reminded of. An
 * event that does not matter never makes an owner. */
static unsigned use(struct counted *counted, unsigned events)
{
    if (counted->has_output) {
        assert(events & EVENT_WRITABLE);
        counted->has_output = false;
        return events & ~(unsigned)EVENT_WRITABLE;
    }
    assert(events & EVENT_READABLE);
    if (++counted->turns % 3 == 0)
        return events & EVENT_READABLE;
    counted->heard = load(&counted->said);
    atomic_store_explicit(&counted->seen, counted->heard, memory_order_relaxed);
    if (counted->turns % 4 == 0) {
        counted->has_output = true;
        add(&counted->wanted);
    }
    return 0;
}

static void serve(void *context, struct task *task)
{
    struct counted *counted = (struct counted *)task;

    (void)context;
    assert(state_is_owned(&counted->state));
    unsigned before =
        atomic_fetch_add_explicit(&counted->owners, 1, memory_order_relaxed);
    assert(before == 0);
    unsigned unused = use(counted, state_take_events(&counted->state));
    for (int i = 0; i < 4; i++)
        sched_yield(); /* events come now, and find an owner */
    atomic_fetch_sub_explicit(&counted->owners, 1, memory_order_relaxed);
    if (!give_back(counted, unused))
        push(counted);
}

static void notify(struct counted *counted, unsigned events)
{
    if (state_notify(&counted->state, events))
        push(counted);
}

/* The next message, if the last but one was heard, so that both threads go side by side;
 * and takes the output, if there is some. True: it has heard all. */
static bool go_on(struct counted *counted)
{
    unsigned said = load(&counted->said), seen = load(&counted->seen);

    if (counted->granted < load(&counted->wanted)) {
        counted->granted++;
        notify(counted, EVENT_WRITABLE);
    }
    if (said < MESSAGES && said - seen < 2) {
        add(&counted->said);
        notify(counted, EVENT_READABLE);
    }
    return seen == MESSAGES;
}

static bool all_go_on(void)
{
    bool done = true;

    for (int i = 0; i < CONNECTIONS; i++)
        if (!go_on(&connections[i]))
            done = false;
    return done;
}

int main(void)
{
    pool = pool_new(THREADS, serve, NULL);
    assert(pool != NULL);
    while (!all_go_on())
        sched_yield();
    pool_free(pool);
    for (int i = 0; i < CONNECTIONS; i++)
        assert(connections[i].heard == MESSAGES);
    puts("state: one owner at a time, and no event lost");
    return 0;
}
