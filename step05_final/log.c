#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A write of at most PIPE_BUF bytes into a pipe goes in whole or not at all (pipe(7)). */
#define LINE_SIZE PIPE_BUF
#define TAIL_SIZE 40 /* of it, for lost=N and the newline */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* Fixed after log_setup. */
static enum log_level threshold = LOG_INFO;
static int sink = STDERR_FILENO; /* or another way to the same */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Lock held when using these. */
static uint64_t lost; /* since the last line that was written */
static uint64_t lost_ever;

bool log_parse_level(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

/* A terminal that nobody scrolls, a pipe that nobody reads: a write to them may block.
 * The flag O_NONBLOCK would help, but not on descriptor 2: it belongs to the open file,
 * and the user's shell has the same one (fcntl(2)). So we open what is behind it once
 * more. Not a regular file: it does not block, and our own offset would not know of
 * stdout's. */
static int open_sink(void)
{
    struct stat status;

    if (fstat(STDERR_FILENO, &status) < 0 || S_ISREG(status.st_mode))
        return STDERR_FILENO;
    int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : STDERR_FILENO;
}

void log_setup(enum log_level level)
{
    threshold = level;
    sink = open_sink();
}

void log_teardown(void)
{
    if (sink != STDERR_FILENO)
        close(sink);
    sink = STDERR_FILENO;
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

/* A socket, say, cannot be opened once more. Then we ask first: room for a byte may be
 * too little for a line, but it is the best that there is. */
static bool may_write(void)
{
    struct pollfd out = {.fd = sink, .events = POLLOUT};

    return sink != STDERR_FILENO ||
           (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0);
}

/* Ends the line and writes it, or counts it as lost. */
static void write_line(char *line, size_t used)
{
    pthread_mutex_lock(&lock);
    if (lost > 0)
        used += (size_t)snprintf(
            line + used, TAIL_SIZE, " lost=%llu", (unsigned long long)lost);
    line[used++] = '\n';
    if (may_write() && write(sink, line, used) == (ssize_t)used) {
        lost = 0;
    } else {
        lost++;
        lost_ever++;
    }
    pthread_mutex_unlock(&lock);
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
    write_line(line, used);
    errno = saved_errno;
}

void log_about(const struct log_origin *origin, enum log_level level, const char *what,
    const char *format, ...)
{
    char line[LINE_SIZE], peer[NET_NAME_MAX];
    va_list arguments;

    if (level > threshold)
        return;
    int saved_errno = errno;
    net_peer_name(&origin->peer, peer);
    size_t used = begin_line(line, level, what);
    used = add(line, used, " conn=%llu peer=%s%s", (unsigned long long)origin->conn, peer,
        format[0] != '\0' ? " " : "");
    va_start(arguments, format);
    used = append(line, used, format, arguments);
    va_end(arguments);
    write_line(line, used);
    errno = saved_errno;
}

static bool is_plain(char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '\\';
}

const char *log_quote(char value[LOG_VALUE_MAX], const char *bytes, size_t len)
{
    size_t used = 1, room = LOG_VALUE_MAX - sizeof "...\"";

    value[0] = '"';
    for (size_t i = 0; i < len; i++) {
        if (used + sizeof "\\xHH" > room) {
            memcpy(value + used, "...", 3);
            used += 3;
            break;
        }
        if (is_plain(bytes[i]) || bytes[i] == ' ')
            value[used++] = bytes[i];
        else
            used += (size_t)sprintf(value + used, "\\x%02x", (unsigned char)bytes[i]);
    }
    memcpy(value + used, "\"", 2);
    return value;
}

/* What the man pages of accept, recv, send, tcp and sched_setscheduler name, and what we
 * say ourselves. glibc has strerrorname_np(3) for this, musl has not. */
const char *log_error_name(int error)
{
#define NAMED(name)                                                                      \
    {                                                                                    \
        name, #name                                                                      \
    }
    static const struct {
        int number;
        const char *name;
    } errors[] = {
        NAMED(EAGAIN),
        NAMED(ECANCELED),
        NAMED(ECONNABORTED),
        NAMED(ECONNREFUSED),
        NAMED(ECONNRESET),
        NAMED(EHOSTUNREACH),
        NAMED(EINVAL),
        NAMED(EMFILE),
        NAMED(ENETDOWN),
        NAMED(ENETUNREACH),
        NAMED(ENFILE),
        NAMED(ENOBUFS),
        NAMED(ENOMEM),
        NAMED(ENOSPC),
        NAMED(EPERM),
        NAMED(EPIPE),
        NAMED(EPROTO),
        NAMED(ETIMEDOUT),
    };
#undef NAMED
    static _Thread_local char number[sizeof "-2147483648"];

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].number == error)
            return errors[i].name;
    snprintf(number, sizeof number, "%d", error);
    return number;
}

uint64_t log_lost(void)
{
    pthread_mutex_lock(&lock);
    uint64_t n = lost_ever;
    pthread_mutex_unlock(&lock);
    return n;
}
