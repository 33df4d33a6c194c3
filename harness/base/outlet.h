#ifndef BASE_OUTLET_H
#define BASE_OUTLET_H

/* Lines on standard output and standard error of this process. A run must not wait for whoever
 * reads them: while it goes on (outlet_hurry) a line that does not go out at once is kept, up to
 * OUTLET_MOST_BYTES, and past that left out and counted. Otherwise lines are written and waited
 * for.
 *
 * The descriptors stay as they are for those who share them: a pipe or a terminal is opened a
 * second time so as not to wait, a socket is told so with each line, and a file never keeps anybody
 * waiting.
 */

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define OUTLET_MOST_BYTES ((size_t)256 * 1024)

/* ${fd}: STDOUT_FILENO or STDERR_FILENO; a "\n" is added. */
void outlet_line(int fd, const char *line);
/* From now on nothing waits, on either. */
void outlet_hurry(void);
/* Writes what was kept, as far as it goes. Does nothing unless it is in a hurry. */
void outlet_flush(void);
/* Gives what was kept so long to go out. ${within_ms} < 0: as long as it takes, and from then on
 * lines are waited for again. */
void outlet_settle(int fd, int within_ms);
/* Lines that were left out since outlet_hurry. */
uint64_t outlet_left_out(int fd);

#endif
