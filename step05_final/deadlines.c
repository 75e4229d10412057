#include "deadlines.h"

#include <stddef.h>

#include "state.h"

#define RECHECK_MS 100    /* a deadline of a connection that is being served */
#define TIMER_GRAIN_MS 50 /* deadlines are met to this: one wake-up for many of them */

bool deadlines_init(struct deadlines *deadlines, unsigned max)
{
    return timer_heap_init(&deadlines->timers, max);
}

void deadlines_free(struct deadlines *deadlines)
{
    timer_heap_free(&deadlines->timers);
}

static struct conn *conn_of(struct timer *timer)
{
    return (struct conn *)((char *)timer - offsetof(struct conn, timer));
}

static int64_t shortest_limit_ms(const struct service *service)
{
    int64_t shortest_ms = timer_min_ms(service->idle_ms, service->write_ms);

    shortest_ms =
        timer_min_ms(shortest_ms, timer_min_ms(service->head_ms, service->body_ms));
    return timer_min_ms(shortest_ms, service->linger_ms);
}

static int64_t next_check_ms(const struct conn *conn)
{
    int64_t shortest_ms = shortest_limit_ms(conn->service);
    /* Relaxed: it is new, and nobody else's yet, or we have claimed it. */
    int64_t deadline_ms = atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed);

    /* Workers move the deadline without telling the timers. Whatever deadline they set
     * after now, it is not before now + shortest, so it is soon enough to look then. */
    int64_t check_ms =
        shortest_ms == TIMER_NEVER ? TIMER_NEVER : timer_now_ms() + shortest_ms;
    if (deadline_ms < check_ms)
        check_ms = deadline_ms;
    if (check_ms == TIMER_NEVER)
        return TIMER_NEVER;
    return (check_ms + TIMER_GRAIN_MS - 1) / TIMER_GRAIN_MS * TIMER_GRAIN_MS;
}

void deadlines_add(struct deadlines *deadlines, struct conn *conn)
{
    timer_add(&deadlines->timers, &conn->timer, next_check_ms(conn));
}

void deadlines_remove(struct deadlines *deadlines, struct conn *conn)
{
    timer_remove(&deadlines->timers, &conn->timer);
}

unsigned deadlines_count(const struct deadlines *deadlines)
{
    return deadlines->timers.count;
}

struct conn *deadlines_at(const struct deadlines *deadlines, unsigned i)
{
    return conn_of(deadlines->timers.slots[i]);
}

/* After a SIGSTOP, or behind a large batch, its event may still be to come. */
static bool has_progressed(const struct conn *conn)
{
    enum conn_phase phase = conn_phase(conn);

    if (phase == CONN_WRITE)
        return conn_has_room(conn);
    return phase != CONN_LINGER && conn_has_input(conn);
}

/* Its time may be over: if nobody serves it, look again, for a worker may have moved the
 * deadline; and not if it has just spoken. True: it is over, and conn is claimed. */
static bool check(struct deadlines *deadlines, struct conn *conn, int64_t now_ms)
{
    int64_t next_ms = now_ms + RECHECK_MS;

    if (state_claim(&conn->state)) {
        /* Relaxed: state_claim has acquired what the last owner set. */
        bool over =
            atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed) <= now_ms;
        if (over && !has_progressed(conn))
            return true;
        if (!over)
            next_ms = next_check_ms(conn);
        conn_release(conn);
    }
    timer_change(&deadlines->timers, &conn->timer, next_ms);
    return false;
}

struct conn *deadlines_expired(struct deadlines *deadlines, int64_t now_ms)
{
    struct timer *timer;

    while ((timer = timer_first(&deadlines->timers)) != NULL && timer->when_ms <= now_ms)
        if (check(deadlines, conn_of(timer), now_ms))
            return conn_of(timer);
    return NULL;
}

void deadlines_put_back(struct deadlines *deadlines, struct conn *conn)
{
    int64_t next_ms = next_check_ms(conn);

    conn_release(conn);
    timer_change(&deadlines->timers, &conn->timer, next_ms);
}

int64_t deadlines_next_ms(const struct deadlines *deadlines)
{
    const struct timer *timer = timer_first(&deadlines->timers);

    return timer != NULL ? timer->when_ms : TIMER_NEVER;
}
