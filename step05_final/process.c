#include "process.h"

#include <errno.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000
#define NS_PER_S 1000000000
#define BURN_LOOPS 2000 /* some microseconds of work between two looks at the clock */

static unsigned wait_us, burn_us; /* fixed after process_setup */

void process_setup(unsigned setup_wait_us, unsigned setup_burn_us)
{
    wait_us = setup_wait_us;
    burn_us = setup_burn_us;
}

static void wait_for(uint64_t duration_ns)
{
    struct timespec left = {
        .tv_sec = (time_t)(duration_ns / NS_PER_S),
        .tv_nsec = (long)(duration_ns % NS_PER_S),
    };

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Measured in the thread's own CPU time, never on the wall clock: two threads
 * that share a core would both watch the same wall, and the server would seem
 * to have more cores than the machine. */
static void burn(uint64_t duration_ns)
{
    uint64_t end_ns = thread_cpu_ns() + duration_ns;

    while (thread_cpu_ns() < end_ns)
        for (volatile int i = 0; i < BURN_LOOPS; i++)
            ;
}

void process(char *data, size_t len)
{
    (void)data; /* echo: the answer is the request */
    (void)len;
    if (wait_us > 0)
        wait_for((uint64_t)wait_us * NS_PER_US);
    if (burn_us > 0)
        burn((uint64_t)burn_us * NS_PER_US);
}
