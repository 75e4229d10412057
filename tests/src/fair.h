/* fair.h - the clock by which limits run. It goes only while the server could have done
 * what it is expected to do, so that a limit judges the server and not the machine: where
 * forty processes want two cores, 0.6 s of CPU time take 20 s. It does not count the time
 * in which
 *
 *   - a thread of the server was ready to run and waited for a core (run delay, the
 * second number of /proc/PID/task/TID/schedstat), unless the server itself kept the cores
 * busy;
 *   - we waited for one though we had something to do (who only waits, and looks once
 * more before the time is said to be over, loses nothing by waking up late);
 *   - a hypervisor withheld the cores (steal time, /proc/stat);
 *   - we asked to sleep for a moment and woke up much later: the machine was suspended.
 *
 * A limit ends nevertheless: of the time in which the machine runs, a FAIR_SHARE_MIN-th
 * part is always counted. On an idle machine this clock is CLOCK_MONOTONIC. Where a
 * kernel does not tell the run delay, our own lateness is all that is left out.
 *
 * Any thread may call these functions.
 */
#ifndef TESTS_FAIR_H
#define TESTS_FAIR_H

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define FAIR_SHARE_MIN                                                                   \
    20                     /* a limit ends after so many times its length at the latest  \
                            */
#define FAIR_SAMPLE_MS 100 /* how often we ask what was withheld */
#define FAIR_SLICE_MS                                                                    \
    100              /* no sleep is longer, or we could not tell how late it ended       \
                      */
#define FAIR_COST 20 /* no more than this part of our time goes into asking */
#define FAIR_RECENT_MS 3000   /* a delay is known after so long at the latest */
#define FAIR_SUSPENDED_MS 500 /* less may be the timers of the kernel */
#define FAIR_TICK_MS 4        /* no sleep need be shorter */

/* What has been withheld since the process, or the machine, began; ns. */
struct fair_account {
    int64_t server_delay, server_cpu, own_delay, stolen;
};

static struct {
    pthread_mutex_t lock;
    pid_t server; /* 0: none is known */
    int cores;
    int64_t sampled_ns; /* the wall clock, and... */
    int64_t fair_ns;    /* ... this clock, at the last sample */
    int64_t least_ns;   /* what it must have counted by then */
    int64_t recent_ns;  /* what it has counted that may turn out to have been withheld */
    int64_t next_ns;    /* when the next one is due */
    int64_t late_ns; /* how much too late our sleeps without an event ended since then */
    struct fair_account account;
} fair = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline int64_t fair_wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Adds CPU time and run delay of one thread; without an answer, nothing. */
static inline void fair_add_thread(const char *path, int64_t *cpu, int64_t *delay)
{
    long long used, waited;
    FILE *file = fopen(path, "re");

    if (!file)
        return;
    if (fscanf(file, "%lld %lld", &used, &waited) == 2) {
        *cpu += used;
        *delay += waited;
    }
    fclose(file);
}

static inline int64_t fair_stolen_ns(void)
{
    long long ticks = 0;
    FILE *file = fopen("/proc/stat", "re");

    if (!file)
        return 0;
    if (fscanf(file, "cpu %*d %*d %*d %*d %*d %*d %*d %lld", &ticks) != 1)
        ticks = 0;
    fclose(file);
    return ticks * (1000000000LL / sysconf(_SC_CLK_TCK));
}

static inline void fair_add_process(pid_t pid, int64_t *cpu, int64_t *delay)
{
    char path[300];
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    while (tasks && (entry = readdir(tasks))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(
            path, sizeof path, "/proc/%d/task/%.20s/schedstat", (int)pid, entry->d_name);
        fair_add_thread(path, cpu, delay);
    }
    if (tasks)
        closedir(tasks);
}

static inline struct fair_account fair_ask(void)
{
    struct fair_account account = {0};
    int64_t own_cpu = 0;

    fair_add_process(getpid(), &own_cpu, &account.own_delay);
    if (fair.server)
        fair_add_process(fair.server, &account.server_cpu, &account.server_delay);
    account.stolen = fair_stolen_ns() / fair.cores;
    return account;
}

/* A thread that has ended takes its sum with it, so a difference may be negative. */
static inline int64_t fair_grown(int64_t before, int64_t after, int64_t max)
{
    int64_t grown = after - before;

    return grown < 0 ? 0 : grown > max ? max : grown;
}

/* How much of the last `wall` ns was withheld. That threads of the server wait for each
 * other is no excuse: the delay counts only as far as others had the cores. */
static inline int64_t fair_withheld(
    const struct fair_account *before, const struct fair_account *after, int64_t wall)
{
    int64_t had = wall * fair.cores;
    int64_t used = fair_grown(before->server_cpu, after->server_cpu, had);
    int64_t delay = fair_grown(before->server_delay, after->server_delay, INT64_MAX);
    int64_t stolen = fair_grown(before->stolen, after->stolen, wall);
    double others = had > 0 ? (double)(had - used) / (double)had : 0;

    return (int64_t)((double)delay * others) + stolen;
}

/* Lock held. */
static inline void fair_sample(void)
{
    int64_t now = fair_wall_ns();
    struct fair_account account = fair_ask();
    /* If our sleeps ended much later than our run delay explains, the machine was
     * suspended; if we had more of it, we waited with something to do. */
    int64_t own = fair_grown(fair.account.own_delay, account.own_delay, INT64_MAX);
    int64_t suspended =
        fair.late_ns > own + FAIR_SUSPENDED_MS * 1000000LL ? fair.late_ns - own : 0;
    int64_t waited = own > fair.late_ns ? own - fair.late_ns : 0;
    int64_t wall = fair_grown(fair.sampled_ns + suspended, now, INT64_MAX);
    int64_t withheld = fair_withheld(&fair.account, &account, wall) + waited;

    /* The kernel adds a delay when it is over, so it may be of time that was counted. */
    fair.recent_ns += wall;
    if (withheld > fair.recent_ns)
        withheld = fair.recent_ns;
    fair.recent_ns -= withheld;
    if (fair.recent_ns > FAIR_RECENT_MS * 1000000LL)
        fair.recent_ns = FAIR_RECENT_MS * 1000000LL;
    fair.least_ns += wall / FAIR_SHARE_MIN;
    fair.fair_ns += wall - withheld;
    if (fair.fair_ns < fair.least_ns)
        fair.fair_ns = fair.least_ns;
    fair.account = account;
    fair.sampled_ns = now;
    fair.late_ns = 0;
    fair.next_ns = now + FAIR_SAMPLE_MS * 1000000LL;
    int64_t cost = fair_wall_ns() - now;
    if (fair.next_ns < now + cost * FAIR_COST)
        fair.next_ns = now + cost * FAIR_COST;
}

/* Once, before the others. server: 0 if none is known. */
static inline void fair_begin(pid_t server)
{
    cpu_set_t cores;

    fair.server = server;
    fair.cores = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    fair.account = fair_ask();
    fair.sampled_ns = fair_wall_ns();
}

/* What the clock shows. Between two samples it goes as fast as the wall clock, and a
 * sample may set it back. */
static inline int64_t fair_ms(void)
{
    pthread_mutex_lock(&fair.lock);
    if (fair_wall_ns() >= fair.next_ns)
        fair_sample();
    int64_t now_ns = fair.fair_ns + fair_wall_ns() - fair.sampled_ns;
    pthread_mutex_unlock(&fair.lock);
    return now_ns / 1000000;
}

/* The same, sampled now. */
static inline int64_t fair_exact_ms(void)
{
    pthread_mutex_lock(&fair.lock);
    fair_sample();
    int64_t now_ns = fair.fair_ns;
    pthread_mutex_unlock(&fair.lock);
    return now_ns / 1000000;
}

static inline bool fair_over(int64_t until_ms)
{
    return fair_ms() >= until_ms && fair_exact_ms() >= until_ms;
}

/* How long to sleep now for something that has until then. */
static inline int fair_slice(int64_t until_ms)
{
    int64_t left = until_ms - fair_ms();

    return left > FAIR_SLICE_MS  ? FAIR_SLICE_MS
           : left > FAIR_TICK_MS ? (int)left
                                 : FAIR_TICK_MS;
}

/* Tells that a sleep of asked_us, which began at began_ns, ended without an event. */
static inline void fair_woke(int64_t began_ns, int64_t asked_us)
{
    int64_t late = fair_wall_ns() - began_ns - asked_us * 1000;

    if (late <= 0)
        return;
    pthread_mutex_lock(&fair.lock);
    fair.late_ns += late;
    pthread_mutex_unlock(&fair.lock);
}

/* As poll; 0: the time is over and nothing is ready, however late we look. */
static inline int fair_poll(struct pollfd *polls, nfds_t count, int64_t until_ms)
{
    for (;;) {
        bool over = fair_over(until_ms);
        int asked_ms = over ? 0 : fair_slice(until_ms);
        int64_t began_ns = fair_wall_ns();
        int ready = poll(polls, count, asked_ms);
        if (ready == 0)
            fair_woke(began_ns, asked_ms * 1000);
        if (ready != 0 || over)
            return ready;
    }
}

static inline void fair_pause(int us)
{
    int64_t began_ns = fair_wall_ns();

    usleep((useconds_t)us);
    fair_woke(began_ns, us);
}

/* For finding limits that are too tight: where LIMITS_LOG names a file, a line for a
 * limit of which more than a tenth was used. */
static inline void fair_log(int64_t used_ms, int64_t limit_ms, const char *what)
{
    const char *path = getenv("LIMITS_LOG"), *test = getenv("BATS_TEST_DESCRIPTION");
    FILE *file = path && used_ms * 10 > limit_ms ? fopen(path, "ae") : NULL;

    if (!file)
        return;
    fprintf(file, "%lld%%\t%lld ms of %lld\t%s\t%s\n",
        (long long)(used_ms * 100 / (limit_ms > 0 ? limit_ms : 1)), (long long)used_ms,
        (long long)limit_ms, test ? test : "", what);
    fclose(file);
}

#endif
