/* deadlines.h - when the main thread has to look at each connection, and the list of all.
 *
 * A connection's deadline is moved by its owner, mostly a worker, which tells nobody. So
 * a timer is only a time to look: the main thread claims the connection then, and sees
 * whether its deadline is really over. Main thread only.
 */
#ifndef DEADLINES_H
#define DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

#include "conn.h"
#include "timer.h"

struct deadlines {
    struct timer_heap timers; /* one per connection: also the list of them all */
};

/* Makes room for max connections. False: no memory. */
bool deadlines_init(struct deadlines *deadlines, unsigned max);
void deadlines_free(struct deadlines *deadlines);

/* conn is new, and no event of it can come yet. */
void deadlines_add(struct deadlines *deadlines, struct conn *conn);

/* conn is about to be freed. */
void deadlines_remove(struct deadlines *deadlines, struct conn *conn);

/* How many there are, and each of them in turn, from 0, in no order. */
unsigned deadlines_count(const struct deadlines *deadlines);
struct conn *deadlines_at(const struct deadlines *deadlines, unsigned i);

/* A connection whose time is over at now_ms, claimed: the caller owns it, and either ends
 * it or puts it back. NULL: no more of them. */
struct conn *deadlines_expired(struct deadlines *deadlines, int64_t now_ms);

/* Gives back an expired connection that has got a new deadline. */
void deadlines_put_back(struct deadlines *deadlines, struct conn *conn);

/* When to look next; TIMER_NEVER: there is nothing to wait for. */
int64_t deadlines_next_ms(const struct deadlines *deadlines);

#endif
