/* zip - writes a zip archive of files, as they are (stored), and always the same bytes
 * for the same files.
 *
 *     cd DIRECTORY && find . -type f | LC_ALL=C sort | zip ARCHIVE
 *
 * Names come from stdin, one on each line. A file that its owner may execute stays so.
 * For those who cannot install a zip program where the archive is made: the autograders
 * that read it have one. (APPNOTE.TXT of the format, sections 4.3.7 local file
 * header, 4.3.12 central directory header, 4.3.16 end of central directory.)
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FILES_MAX = 65000, /* the format without its extensions counts to 65535 */
    SIZE_MAX_OF_FILE = 64 << 20,
    NAME_SIZE = 4096,
    VERSION = 10,               /* needed to extract: 1.0 */
    MADE_BY = 3 << 8 | VERSION, /* Unix: the mode stands in the external attributes */
    FIRST_DAY = 1 << 5 | 1,     /* 1 January 1980 */
};

struct entry {
    char *name;
    uint32_t crc, size, offset, mode;
};

static FILE *archive;
static uint32_t written;

static _Noreturn void cannot(const char *what)
{
    fprintf(stderr, "zip: ");
    perror(what);
    exit(1);
}

static void put(const void *bytes, size_t length)
{
    if (fwrite(bytes, 1, length, archive) != length)
        cannot("write");
    written += (uint32_t)length;
}

static void put16(unsigned value)
{
    unsigned char bytes[2] = {value & 0xff, value >> 8 & 0xff};

    put(bytes, sizeof bytes);
}

static void put32(uint32_t value)
{
    put16(value & 0xffff);
    put16(value >> 16);
}

/* The CRC of ISO 3309, bit by bit: the archives are small. */
static uint32_t crc_of(const unsigned char *bytes, size_t length)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* What the local and the central header have in common. */
static void put_common(const struct entry *entry)
{
    put16(VERSION);
    put16(0); /* flags */
    put16(0); /* stored */
    put16(0); /* time */
    put16(FIRST_DAY);
    put32(entry->crc);
    put32(entry->size); /* compressed */
    put32(entry->size);
    put16((unsigned)strlen(entry->name));
    put16(0); /* extra field */
}

static void put_file(struct entry *entry)
{
    struct stat status;
    FILE *file = fopen(entry->name, "rb");
    unsigned char *bytes;

    if (file == NULL || fstat(fileno(file), &status) != 0 ||
        status.st_size > SIZE_MAX_OF_FILE ||
        (bytes = malloc((size_t)status.st_size + 1)) == NULL)
        cannot(entry->name);
    entry->size = (uint32_t)fread(bytes, 1, (size_t)status.st_size, file);
    entry->crc = crc_of(bytes, entry->size);
    entry->mode = S_IFREG | 0644 | (status.st_mode & S_IXUSR ? 0111 : 0);
    entry->offset = written;
    put32(0x04034b50);
    put_common(entry);
    put(entry->name, strlen(entry->name));
    put(bytes, entry->size);
    free(bytes);
    fclose(file);
}

static void put_directory(const struct entry *entries, size_t count)
{
    uint32_t begin = written, size;

    for (size_t i = 0; i < count; i++) {
        put32(0x02014b50);
        put16(MADE_BY);
        put_common(&entries[i]);
        put16(0); /* comment */
        put16(0); /* disk */
        put16(0); /* internal attributes */
        put32(entries[i].mode << 16);
        put32(entries[i].offset);
        put(entries[i].name, strlen(entries[i].name));
    }
    size = written - begin;
    put32(0x06054b50);
    put16(0);
    put16(0);
    put16((unsigned)count);
    put16((unsigned)count);
    put32(size);
    put32(begin);
    put16(0);
}

int main(int argc, char *argv[])
{
    static struct entry entries[FILES_MAX];
    char line[NAME_SIZE];
    size_t count = 0;

    if (argc != 2) {
        fputs("usage: zip ARCHIVE <NAMES\n", stderr);
        return 2;
    }
    archive = fopen(argv[1], "wb");
    if (archive == NULL)
        cannot(argv[1]);
    while (count < FILES_MAX && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        entries[count].name = strdup(strncmp(line, "./", 2) == 0 ? line + 2 : line);
        if (entries[count].name == NULL)
            cannot("strdup");
        put_file(&entries[count++]);
    }
    put_directory(entries, count);
    if (fclose(archive) != 0)
        cannot(argv[1]);
    return 0;
}
