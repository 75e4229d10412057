/* counts: reads the counters of a running (or ended) server; see counts.h.
 *
 *     tests/bin/counts FILE          all that are not zero, "name count" a line
 *     tests/bin/counts FILE NAME     one, the number alone
 *
 * Status 1: no such file, or not one of counters. Status 2: wrong usage, or a
 * name that is not counted (a typing error must not read as zero).
 */
#define _GNU_SOURCE
#include "counts.h"

#include <sys/stat.h>

static struct counts *open_counts(const char *path)
{
    struct stat status;
    struct counts *counts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) != 0) {
        fprintf(stderr, "counts: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    if (status.st_size != (off_t)sizeof *counts) {
        fprintf(stderr, "counts: %s: not a file of counters\n", path);
        return NULL;
    }
    counts = mmap(NULL, sizeof *counts, PROT_READ, MAP_SHARED, fd, 0);
    if (counts == MAP_FAILED) {
        fprintf(stderr, "counts: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    if (counts->magic != COUNTS_MAGIC || counts->len != COUNTS_LEN) {
        fprintf(stderr, "counts: %s: written by another version of the library\n", path);
        return NULL;
    }
    return counts;
}

static unsigned long long value_of(struct counts *counts, int which)
{
    return atomic_load_explicit(&counts->slot[which].value, memory_order_relaxed);
}

int main(int argc, char **argv)
{
    struct counts *counts;

    if (argc < 2 || argc > 3) {
        fputs("usage: counts FILE [NAME]\n", stderr);
        return 2;
    }
    counts = open_counts(argv[1]);
    if (counts == NULL)
        return 1;
    for (int i = 0; i < COUNTS_LEN; i++) {
        if (argc == 3 && strcmp(argv[2], count_names[i]) == 0)
            return printf("%llu\n", value_of(counts, i)) < 0;
        if (argc == 2 && value_of(counts, i) != 0)
            printf("%s %llu\n", count_names[i], value_of(counts, i));
    }
    if (argc == 2)
        return 0;
    fprintf(stderr, "counts: %s is not counted\n", argv[2]);
    return 2;
}
