#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

/* The terminal as a screen of our own: keys come one by one, a frame replaces the frame before it.
 * What was there comes back on every way out, a crash too. A terminal that is slow, stopped or gone
 * never holds up the loop: its frames are left out. */

#include "net/loop.h"

struct screen;
struct screen_events {
    /* Those that came at once, without sequences (arrows, function keys, Alt); many are a paste. */
    void (*on_keys)(void *cookie, const unsigned char *keys, size_t count);
    void (*on_resize)(void *cookie);
    void *cookie;
};
/* Standard input and error are one terminal that we are in the foreground of, and that can do more
 * than lines. */
bool screen_possible(void);
/* As it is now. False when it is not known. */
bool screen_size(size_t *ret_columns, size_t *ret_rows);
/* The locale is one of UTF-8: LC_ALL, LC_CTYPE, LANG, the first that is set. */
bool screen_is_utf8(void);
/* Keys come from now on; lines stay until screen_back. False when the terminal cannot be opened.
 * ${events} and its cookie live as long as the loop. */
bool screen_open(struct loop *loop, const struct screen_events *events, struct screen **ret,
                 struct error *err) WARN_UNUSED;
/* Gives the terminal back; NULL is fine. When the loop does not run any more, or in one of its
 * callbacks that is not the screen's own. */
void screen_close(struct screen *s);
/* The screen takes the place of the lines; and leaves it to them again. */
void screen_back(struct screen *s);
void screen_hide(struct screen *s);
/* Lines with "\n" between them, as tty_draw gives them. */
void screen_show(struct screen *s, const char *lines);

#endif
