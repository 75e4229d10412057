/* heap.so: counts the memory that a server takes and gives back.
 *
 *     COUNT_FILE=/tmp/counts LD_PRELOAD=tests/bin/heap.so ./server
 *
 * What it holds is blocks_taken - blocks_freed and bytes_taken - bytes_freed (counts.h):
 * exact, where the resident size of a process is a matter of pages. Whatever libc takes
 * inside itself is counted as well; what comes straight from mmap is not. Not for builds
 * with sanitizers and not under valgrind: they replace malloc themselves.
 */
#define _GNU_SOURCE
#include "counts.h"
#include "libc.h"

#include <malloc.h>

static struct counts early; /* for calls before the constructor ran */
static struct counts *counts = &early;

__attribute__((constructor)) static void start(void)
{
    counts = counts_create();
    /* What was taken before is given back later, perhaps. */
    for (int i = 0; i < COUNTS_LEN; i++)
        counts->slot[i].value = early.slot[i].value;
}

static void *taken(void *memory)
{
    if (memory != NULL) {
        counts_add(counts, COUNT_blocks_taken, 1);
        counts_add(counts, COUNT_bytes_taken, malloc_usable_size(memory));
    }
    return memory;
}

static void freed(size_t size)
{
    counts_add(counts, COUNT_blocks_freed, 1);
    counts_add(counts, COUNT_bytes_freed, size);
}

void *malloc(size_t size)
{
    return taken(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return taken(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
    size_t before = memory != NULL ? malloc_usable_size(memory) : 0;
    void *moved = __libc_realloc(memory, size);

    if (memory != NULL && (moved != NULL || size == 0))
        freed(before);
    return taken(moved);
}

void *memalign(size_t alignment, size_t size)
{
    return taken(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *p = memalign(alignment, size);

    if (p == NULL)
        return ENOMEM;
    *memory = p;
    return 0;
}

void free(void *memory)
{
    if (memory != NULL)
        freed(malloc_usable_size(memory));
    __libc_free(memory);
}
