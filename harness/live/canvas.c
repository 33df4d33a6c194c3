#include "live/canvas.h"

#include <stdarg.h>
#include <stdlib.h>

struct cell {
    char bytes[5]; /* "": the second half of a wide one */
    uint8_t style;
};
struct canvas {
    size_t columns, rows;
    bool ascii;
    struct cell cells[];
};

struct canvas *canvas_new(size_t columns, size_t rows, bool ascii)
{
    columns = columns < CANVAS_COLUMNS_MOST ? columns : CANVAS_COLUMNS_MOST;
    rows = rows < CANVAS_ROWS_MOST ? rows : CANVAS_ROWS_MOST;
    struct canvas *c = check_alloc_zero(1, sizeof(*c) + (columns * rows + 1) * sizeof(struct cell));
    c->columns = columns;
    c->rows = rows;
    c->ascii = ascii;
    for (size_t i = 0; i < columns * rows; i++)
        c->cells[i].bytes[0] = ' ';
    return c;
}

void canvas_free(struct canvas *c)
{
    free(c);
}

size_t canvas_columns(const struct canvas *c)
{
    return c->columns;
}

size_t canvas_rows(const struct canvas *c)
{
    return c->rows;
}

bool canvas_is_ascii(const struct canvas *c)
{
    return c->ascii;
}

static void put_cell(struct canvas *c, size_t row, size_t column, enum style style,
                     const char *bytes, size_t len)
{
    struct cell *cell = &c->cells[row * c->columns + column];
    memcpy(cell->bytes, bytes, len);
    cell->bytes[len] = '\0';
    cell->style = (uint8_t)style;
}

size_t canvas_put(struct canvas *c, size_t row, size_t column, enum style style, const char *text)
{
    if (row >= c->rows)
        return column;
    while (*text != '\0') {
        size_t wide, len = live_character(text, &wide);
        bool foreign = c->ascii && (len > 1 || (unsigned char)*text >= 0x80);
        if (foreign)
            wide = 1;
        if (column + wide > c->columns)
            break;
        put_cell(c, row, column, style, foreign ? "?" : text, foreign ? 1 : len);
        if (wide == 2)
            put_cell(c, row, column + 1, style, "", 0);
        column += wide;
        text += len;
    }
    return column;
}

size_t canvas_print(struct canvas *c, size_t row, size_t column, enum style style,
                    const char *format, ...)
{
    char text[512], clean[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    live_clean(clean, sizeof(clean), text); /* it may have been cut within a character */
    return canvas_put(c, row, column, style, clean);
}

/* Bytes of the longest start of ${text} that is at most so wide. */
static size_t fitting(const char *text, size_t width)
{
    size_t bytes = 0, used = 0;
    while (text[bytes] != '\0') {
        size_t wide, len = live_character(text + bytes, &wide);
        if (used + wide > width)
            break;
        used += wide;
        bytes += len;
    }
    return bytes;
}

size_t canvas_put_within(struct canvas *c, size_t row, size_t column, size_t width,
                         enum style style, const char *text)
{
    char cut[1024];
    if (live_columns(text) <= width)
        return canvas_put(c, row, column, style, text);
    if (width == 0)
        return column;
    size_t mark = c->ascii ? (width < 3 ? width : 3) : 1;
    size_t bytes = fitting(text, width - mark);
    bytes = bytes < sizeof(cut) - 8 ? bytes : sizeof(cut) - 8;
    memcpy(cut, text, bytes);
    snprintf(cut + bytes, sizeof(cut) - bytes, "%.*s", c->ascii ? (int)mark : 3,
             c->ascii ? "..." : "\xe2\x80\xa6");
    return canvas_put(c, row, column, style, cut);
}

void canvas_put_right(struct canvas *c, size_t row, size_t column, enum style style,
                      const char *text)
{
    size_t width = live_columns(text);
    canvas_put(c, row, column > width ? column - width : 0, style, text);
}

const char *canvas_middle(const char *text, size_t columns, bool ascii, char *to, size_t size)
{
    const char *mark = ascii ? ".." : "\xe2\x80\xa6";
    size_t room = columns - (ascii ? 2 : 1), all = live_columns(text), skipped = 0;
    if (all <= columns || columns < 4) {
        snprintf(to, size, "%s", text);
        return to;
    }
    size_t head = fitting(text, room - room / 2), at = 0;
    while (all - skipped > room / 2) { /* the tail's first byte */
        size_t wide;
        at += live_character(text + at, &wide);
        skipped += wide;
    }
    snprintf(to, size, "%.*s%s%s", (int)head, text, mark, text + at);
    return to;
}

static const char *sgr_of(uint8_t style)
{
    static const char *const codes[] = {"0",    "0;1",    "0",    "0;32", "0;33",
                                        "0;31", "0;1;31", "0;35", "0;33", "0;7"};
    return codes[style];
}

static void write_row(const struct cell *row, size_t columns, bool colour, struct text *to)
{
    uint8_t style = STYLE_PLAIN;
    size_t last = columns;
    while (last > 0 && row[last - 1].bytes[0] == ' ' && row[last - 1].style != STYLE_NOW)
        last--;
    for (size_t i = 0; i < last; i++) {
        if (colour && strcmp(sgr_of(row[i].style), sgr_of(style)) != 0)
            text_add(to, "\x1b[%sm", sgr_of(row[i].style));
        style = row[i].style;
        text_add_bytes(to, bytes_of(row[i].bytes));
    }
    if (colour && strcmp(sgr_of(style), "0") != 0)
        text_add(to, "\x1b[0m");
}

void canvas_write(const struct canvas *c, bool colour, struct text *to)
{
    for (size_t i = 0; i < c->rows; i++) {
        if (i > 0)
            text_add(to, "\n");
        write_row(&c->cells[i * c->columns], c->columns, colour, to);
    }
}
