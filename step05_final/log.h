/* log.h - one line on stderr for each thing worth knowing.
 *
 * In logfmt: time, level, what, then key=value pairs. Any thread may log; lines do
 * not mix. Logging does not block (but where stderr is a socket) and never fails: a line
 * that stderr does not take is lost, and the next one that it takes says how many were
 * (lost=N).
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Which connection a line is about. */
struct log_origin {
    uint64_t conn; /* counted from 1 */
    struct net_peer peer;
};

/* Reads "error", "warn", "info" or "debug". False: it is none of them. */
bool log_parse_level(const char *text, enum log_level *level);

/* Lines below this level are not written. Called once, before any thread starts. */
void log_setup(enum log_level level);

/* Gives back what log_setup took. Called once, when no other thread is left. */
void log_teardown(void);

/* What happened, in one word, and a printf format that makes key=value pairs, "" for
 * none. Costs next to nothing when the level is not wanted. errno stays as it is. */
void log_line(enum log_level level, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, about a connection: conn=N and peer=ADDRESS:PORT come first. */
void log_about(const struct log_origin *origin, enum log_level level, const char *what,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Room for a value that log_quote makes, with its NUL. */
#define LOG_VALUE_MAX 512

/* Makes a value for a pair out of what a client said, which may be anything: what is not
 * a visible ASCII character becomes \xHH, so nothing of it can end the line or speak to
 * the terminal. Cut, with "..." at its end, where it is too long. Returns value. */
const char *log_quote(char value[LOG_VALUE_MAX], const char *bytes, size_t len);

/* The name of an errno, such as "EPIPE", for the pair err=; of one that is not expected
 * here its number. The text is the thread's, until its next call. */
const char *log_error_name(int error);

/* How many lines were lost since the start. Any thread. */
uint64_t log_lost(void);

#endif
