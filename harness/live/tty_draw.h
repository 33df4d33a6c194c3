#ifndef LIVE_TTY_DRAW_H
#define LIVE_TTY_DRAW_H

/* The parts of the terminal view: each draws from a row on and returns the row after it. */

#include "live/canvas.h"
#include "live/tty.h"

struct tty {
    const struct live_snapshot *s;
    const struct tty_options *o;
    struct canvas *c;
    bool full; /* 120 x 40 */
};

/* tty_head.c */
size_t tty_head(const struct tty *t, size_t row);
void tty_keys(const struct tty *t, size_t row);
size_t tty_guards(const struct tty *t, size_t row);
/* tty_lanes.c */
size_t tty_lanes(const struct tty *t, size_t row, size_t most);
/* Eighths of ${most}; a count that is not 0 is not nothing. */
const char *tty_block(uint64_t count, uint64_t most, bool ascii);
/* tty_list.c: ${most} rows at most. */
size_t tty_faults(const struct tty *t, size_t row, size_t most);
size_t tty_verdicts(const struct tty *t, size_t row, size_t most);
size_t tty_events(const struct tty *t, size_t row, size_t most);
/* tty_views.c: a whole screen of one thing, below the head. */
void tty_view(const struct tty *t, size_t row);
/* "0:27.6", or "by an event". */
const char *tty_left(uint64_t ns, char *to, size_t size);
/* "at most 400ms" as "<= 400ms". */
const char *tty_limit(const struct live_guard *g, char *to, size_t size);

#endif
