#ifndef LIVE_CANVAS_H
#define LIVE_CANVAS_H

/* Rows of cells that text is put into: what does not fit is cut, a wide character never in its
 * middle. What comes out are lines, with or without colours. */

#include "live/live_text.h"

#define CANVAS_COLUMNS_MOST 240
#define CANVAS_ROWS_MOST 100

/* The eight ANSI colours (ui.md 9); words and shapes say the same without them. */
enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_QUIET, /* what is only beside the point: no bold, no colour of its own on all terminals */
    STYLE_GOOD,  /* green */
    STYLE_WARN,  /* amber */
    STYLE_BAD,   /* red */
    STYLE_FAIL,  /* red, bold */
    STYLE_TIMEOUT, /* magenta */
    STYLE_REFUSED, /* amber */
    STYLE_NOW,     /* reversed */
};
struct canvas;
/* Sizes beyond the most are cut to it. ${ascii}: other characters become '?'. */
struct canvas *canvas_new(size_t columns, size_t rows, bool ascii);
void canvas_free(struct canvas *c);
size_t canvas_columns(const struct canvas *c);
size_t canvas_rows(const struct canvas *c);
bool canvas_is_ascii(const struct canvas *c);
/* ${text} as live_clean leaves it. Returns the column after it. Outside the canvas: nothing. */
size_t canvas_put(struct canvas *c, size_t row, size_t column, enum style style, const char *text);
size_t canvas_print(struct canvas *c, size_t row, size_t column, enum style style,
                    const char *format, ...) PRINTF(5, 6);
/* At most ${width} columns; what is cut ends in an ellipsis. */
size_t canvas_put_within(struct canvas *c, size_t row, size_t column, size_t width,
                         enum style style, const char *text);
/* Ends at ${column}. */
void canvas_put_right(struct canvas *c, size_t row, size_t column, enum style style,
                      const char *text);
/* All rows, each without the spaces at its end, "\n" between; ${colour}: with SGR sequences. */
void canvas_write(const struct canvas *c, bool colour, struct text *to);
/* "payments-in-the-..-of-berlin/2": at most ${columns}, cut in the middle (ui.md 8). Returns ${to}.
 */
const char *canvas_middle(const char *text, size_t columns, bool ascii, char *to, size_t size);

#endif
