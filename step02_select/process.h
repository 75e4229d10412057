/* process.h - the business logic: what the server does with the bytes.
 *
 * Here it is echo, so the bytes stay as they are. It knows nothing of
 * sockets, nor need anyone who changes it. process_setup is called once, by main, before
 * anything else runs; process may be called from any thread after that.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>

/* Makes every later process call wait wait_us microseconds, as for a database,
 * and use burn_us microseconds of its own thread's CPU time. */
void process_setup(unsigned wait_us, unsigned burn_us);

/* Turns a request of len bytes into its answer, in place. Cannot fail. */
void process(char *data, size_t len);

#endif
