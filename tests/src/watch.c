/* watch.c - waits until something in a directory is saved.
 *
 *   watch DIRECTORY
 *
 * Ends with status 0 once a file in DIRECTORY or a directory below it was written and
 * closed, moved there or removed, and then nothing happened for a moment: an editor often
 * writes several files. What a build makes does not count: objects, programs, and what
 * begins with a point. Status 2: it cannot watch, and says why. One thread; inotify(7).
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAVED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE)
#define QUIET_MS 200 /* after the first file: the others of the same "save all" */
#define EVENTS_SIZE (64 * (sizeof(struct inotify_event) + NAME_MAX + 1))

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), wanted = strlen(end);

    return length >= wanted && strcmp(name + length - wanted, end) == 0;
}

/* A build's own files would start the next build. Editors keep theirs behind a point. */
static bool is_source(const char *name)
{
    return name[0] != '.' && strcmp(name, "server") != 0 && !ends_with(name, ".o") &&
           !ends_with(name, ".d") && !ends_with(name, "~");
}

static bool is_directory(const char *path)
{
    struct stat about;

    return lstat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* Adds directory and those below it, without build and build-*. False and errno: it
 * cannot. */
static bool watch_tree(int events, const char *directory)
{
    if (inotify_add_watch(events, directory, SAVED | IN_ONLYDIR) < 0)
        return false;
    DIR *entries = opendir(directory);
    if (entries == NULL)
        return false;
    bool watched = true;
    struct dirent *entry;
    while (watched && (entry = readdir(entries)) != NULL) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, "build", 5) == 0 ||
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >=
                (int)sizeof path)
            continue;
        if (is_directory(path))
            watched = watch_tree(events, path);
    }
    int reason = errno;
    closedir(entries);
    errno = reason;
    return watched;
}

/* Reads what has happened: was a source among it? */
static bool source_saved(int events)
{
    _Alignas(struct inotify_event) char buffer[EVENTS_SIZE];
    ssize_t size = read(events, buffer, sizeof buffer);
    bool saved = false;

    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
        saved = saved || (event->len > 0 && is_source(event->name));
        at += (ssize_t)(sizeof *event + event->len);
    }
    return saved;
}

/* Waits without a limit for the first source, and then until it is quiet. */
static void wait_for_save(int events)
{
    struct pollfd readable = {.fd = events, .events = POLLIN};
    bool saved = false;

    for (;;) {
        int ready = poll(&readable, 1, saved ? QUIET_MS : -1);
        if (ready == 0)
            return;
        if (ready > 0 && source_saved(events))
            saved = true;
    }
}

int main(int argc, char *argv[])
{
    if (argc != 2) {
        fputs("usage: watch DIRECTORY\n", stderr);
        return 2;
    }
    int events = inotify_init1(IN_CLOEXEC);
    if (events < 0 || !watch_tree(events, argv[1])) {
        fprintf(stderr, "watch: cannot watch %s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    wait_for_save(events);
    return 0;
}
