/* counts.h: counters of a running server, readable from outside.
 *
 * The preloaded libraries (preload_count.c, preload_fault.c) keep their
 * counters in the file $COUNT_FILE, mapped MAP_SHARED: a test reads them at any
 * time with `tests/bin/counts`, while the server runs, without a signal that
 * would disturb the very system calls that it counts. Both libraries may be
 * loaded at once and share one file.
 *
 * Every process that starts with a library preloaded sets the counters to zero
 * before its main: with `timeout 9 ./server` the numbers are the server's. A
 * forked child goes on counting in the file of its parent.
 *
 * The writer adds with relaxed atomics: a number is exact once the server is
 * at rest, and orders nothing.
 */
#ifndef TESTS_COUNTS_H
#define TESTS_COUNTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Calls by name; how many descriptors select and poll were asked about; then, by
 * preload_fault.c (see there), what it injected, in all and by kind, how often memory was
 * asked for since listen(), and how many calls would wait though readiness was asked for;
 * then, by wrap_fault.c and preload_heap.c, what was taken and given back; then, by
 * preload_count.c, how many threads are in a call that only waits for time to pass, and
 * by preload_clock.c, how many limits it shortened; then, by preload_count.c, how often a
 * thread that may wait for work was told that there is some, and how many calls were made
 * by number (syscall(2)), as io_uring_enter is. No futex: a mutex or a condition variable
 * reaches it by an inline system call of libc, which no preloaded function sees.
 * `perf stat -e 'syscalls:sys_enter_futex'` does. */
/* One line for each kind of call. */
/* clang-format off */
#define COUNTS_LIST(X)                                                                   \
    X(accept) X(accept4)                                                                 \
    X(recv) X(recvfrom) X(recvmsg) X(read) X(readv)                                      \
    X(send) X(sendto) X(sendmsg) X(write) X(writev)                                      \
    X(epoll_ctl) X(epoll_wait) X(epoll_pwait) X(select) X(pselect) X(poll) X(ppoll)      \
    X(close) X(shutdown) X(watched)                                                      \
    X(injected) X(injected_accept) X(injected_recv) X(injected_send) X(injected_wait)    \
    X(injected_sleep) X(injected_malloc) X(injected_other) X(allocations)                \
    X(blocking_though_asked)                                                             \
    X(blocks_taken) X(blocks_freed) X(fds_opened) X(fds_closed)                          \
    X(bytes_taken) X(bytes_freed) X(sleeping) X(shortened) X(wakes) X(syscall)
/* clang-format on */

#define COUNTS_ENUM(name) COUNT_##name,
enum count_index { COUNTS_LIST(COUNTS_ENUM) COUNTS_LEN };
#undef COUNTS_ENUM

#define COUNTS_NAME(name) #name,
static const char *const count_names[] = {COUNTS_LIST(COUNTS_NAME)};
#undef COUNTS_NAME

#define COUNTS_MAGIC 0x636f756e74733031U /* "counts01" */

/* A cache line each, so that two threads in two different calls do not share. */
struct count_slot {
    alignas(64) _Atomic uint64_t value;
};

struct counts {
    uint64_t magic;
    uint64_t len; /* COUNTS_LEN of the writer */
    struct count_slot slot[COUNTS_LEN];
};

/* A fault of the test's own set-up must not look like one of the server's: a
 * status that no server has, and a message. */
static inline _Noreturn void counts_give_up(const char *what, const char *which)
{
    fprintf(stderr, "test set-up: %s: %s: %s\n", what, which, strerror(errno));
    _exit(125);
}

/* For the libraries: the counters at zero; shared when $COUNT_FILE is set,
 * private to the process otherwise. Takes no memory from malloc. */
static inline struct counts *counts_create(void)
{
    static struct counts private_counts;
    const char *path = getenv("COUNT_FILE");
    struct counts *counts = &private_counts;

    if (path != NULL) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

        if (fd < 0 || ftruncate(fd, sizeof *counts) != 0)
            counts_give_up("COUNT_FILE", path);
        counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (counts == MAP_FAILED)
            counts_give_up("mmap of COUNT_FILE", path);
        close(fd);
    }
    for (int i = 0; i < COUNTS_LEN; i++)
        atomic_store_explicit(&counts->slot[i].value, 0, memory_order_relaxed);
    counts->len = COUNTS_LEN;
    counts->magic = COUNTS_MAGIC;
    return counts;
}

/* The count, these n included. */
static inline uint64_t counts_add(
    struct counts *counts, enum count_index which, uint64_t n)
{
    return atomic_fetch_add_explicit(
               &counts->slot[which].value, n, memory_order_relaxed) +
           n;
}

#endif
