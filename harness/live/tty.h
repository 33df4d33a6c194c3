#ifndef LIVE_TTY_H
#define LIVE_TTY_H

/* The terminal view (ui.md 9, scenario-language.md 6): a snapshot as the lines of one screen. A
 * pure function; who owns the terminal is cli/screen.h. 80 x 24 is the floor, from 120 x 40 on the
 * fuller form is shown. */

#include "live/live.h"

#define TTY_COLUMNS_LEAST 80
#define TTY_ROWS_LEAST 24

enum tty_view {
    TTY_MAIN,
    TTY_VERDICTS, /* v */
    TTY_EVENTS,   /* e */
    TTY_FAULTS,   /* f */
    TTY_REQUESTS, /* r */
    TTY_WHY,      /* w: what is not decided, and what would decide it */
    TTY_HELP,     /* ? */
};
struct tty_options {
    size_t columns, rows;
    bool ascii; /* LANG=C */
    bool colour;
    bool held; /* space: the picture stands still */
    enum tty_view view;
    const char *notice; /* in the place of the keys: what somebody types, or why a key did nothing;
                           NULL: none */
    const char *page;   /* address of the web page, for the help; NULL: none */
};
/* Exactly ${rows} lines, "\n" between them, none wider than ${columns}. */
void tty_draw(const struct live_snapshot *s, const struct tty_options *options, struct text *to);

#endif
