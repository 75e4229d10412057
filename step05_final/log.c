#include "log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A write of at most PIPE_BUF bytes into a pipe goes in whole or not at all, and
 * into a pipe that poll calls writable it goes at once (pipe(7)). */
#define LINE_SIZE PIPE_BUF
#define TAIL_SIZE 40 /* of it, for lost=N and the newline */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static enum log_level threshold = LOG_INFO; /* fixed after log_setup */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long lost; /* lock held when using this */

bool log_parse_level(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

void log_setup(enum log_level level)
{
    threshold = level;
}

/* As vsnprintf at line + used, but returns the length so far and leaves room for the
 * tail: what is too long is cut. */
static size_t append(char *line, size_t used, const char *format, va_list arguments)
{
    size_t room = LINE_SIZE - TAIL_SIZE - used;
    int n = vsnprintf(line + used, room, format, arguments);

    if (n < 0)
        return used;
    return used + ((size_t)n < room ? (size_t)n : room - 1);
}

__attribute__((format(printf, 3, 4))) static size_t add(
    char *line, size_t used, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    used = append(line, used, format, arguments);
    va_end(arguments);
    return used;
}

static size_t begin_line(char *line, enum log_level level, const char *what)
{
    struct timespec now;
    struct tm utc;
    char seconds[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    return add(line, 0, "time=%s.%03ldZ level=%s what=%s", seconds, now.tv_nsec / 1000000,
        level_names[level], what);
}

/* Never O_NONBLOCK on descriptor 2: the flag belongs to the open file, and the
 * user's shell has the same one (fcntl(2)). Asking first does without it. */
static bool write_line(const char *line, size_t len)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0 &&
           write(STDERR_FILENO, line, len) == (ssize_t)len;
}

void log_line(enum log_level level, const char *what, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;

    if (level > threshold)
        return;
    int saved_errno = errno;
    size_t used = begin_line(line, level, what);
    if (format[0] != '\0')
        used = add(line, used, " ");
    va_start(arguments, format);
    used = append(line, used, format, arguments);
    va_end(arguments);

    pthread_mutex_lock(&lock);
    if (lost > 0)
        used += (size_t)snprintf(line + used, TAIL_SIZE, " lost=%lu", lost);
    line[used++] = '\n';
    if (write_line(line, used))
        lost = 0;
    else
        lost++;
    pthread_mutex_unlock(&lock);
    errno = saved_errno;
}
