/* live.h - the page at / that shows what the server does while it does it.
 *
 * Its text, line by line, up to a NULL: HTML, and the CSS and JavaScript that it needs;
 * nothing else is loaded. Between the two parts stand the numbers of the moment, which
 * pages.c writes, so that it says something without JavaScript, too. The script asks for
 * /stats twice a second. What is drawn is also said, and no color means anything alone.
 *
 * Its two buttons send only what any client may send, a bounded number of times.
 */
#ifndef LIVE_H
#define LIVE_H

extern const char *const live_before[];
extern const char *const live_after[];

#endif
