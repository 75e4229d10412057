/* uring - can a server use io_uring here? It needs what exercise 17 does.
 *
 *     uring
 *
 * Status 0: it can. Status 1: this kernel refuses it; why is on stdout, in one line.
 */
#include <errno.h>
/* The headers of Linux come on their own, and may be old, or not there. */
#ifdef __has_include
#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#endif
#endif
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef IORING_SETUP_DEFER_TASKRUN

static int refused(const char *call, const char *hint)
{
    printf("%s: %s%s\n", call, strerror(errno), hint);
    return 1;
}

/* Multishot receive came with Linux 6.0, deferred completions with 6.1. */
static int setup(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};

    return (int)syscall(SYS_io_uring_setup, 8, &params);
}

static int register_buffers(int fd)
{
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)page, .ring_entries = 8};

    if (page == MAP_FAILED)
        return -1;
    return (int)syscall(
        SYS_io_uring_register, fd, IORING_REGISTER_PBUF_RING, &registration, 1);
}

int main(void)
{
    int fd = setup();

    if (fd < 0 && errno == EINVAL)
        return refused("io_uring_setup", " (older than Linux 6.1?)");
    if (fd < 0)
        return refused("io_uring_setup",
            errno == EPERM ? " (sysctl kernel.io_uring_disabled, or seccomp?)" : "");
    if (register_buffers(fd) < 0)
        return refused("io_uring_register", "");
    return 0;
}

#else

int main(void)
{
    puts("linux/io_uring.h is older than Linux 6.1, or not there");
    return 1;
}

#endif
