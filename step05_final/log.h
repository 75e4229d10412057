/* log.h - one line on stderr for each thing worth knowing.
 *
 * In logfmt: time, level, what, then key=value pairs. Any thread may log; lines do
 * not mix. Logging never blocks and never fails: a line that stderr does not take
 * is lost, and the next one that it takes says how many were (lost=N).
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

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

#endif
