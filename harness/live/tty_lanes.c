#include "live/tty_draw.h"

/* Swim lanes: answered above, failed below, so a failure is seen by its place. All lanes have one
 * scale. */

#define NAME_LEAST 12
#define NAME_MOST 28
#define COMPACT_BUCKETS 45

const char *tty_block(uint64_t count, uint64_t most, bool ascii)
{
    static const char *const blocks[] = {" ",
                                         "\xe2\x96\x81",
                                         "\xe2\x96\x82",
                                         "\xe2\x96\x83",
                                         "\xe2\x96\x84",
                                         "\xe2\x96\x85",
                                         "\xe2\x96\x86",
                                         "\xe2\x96\x87",
                                         "\xe2\x96\x88"};
    static const char *const plain[] = {" ", ".", ":", "-", "=", "+", "*", "#"};
    size_t levels = ascii ? COUNT_OF(plain) - 1 : COUNT_OF(blocks) - 1;
    size_t level = most == 0 ? 0 : (size_t)((count * levels + most / 2) / most);
    if (count > 0 && level == 0)
        level = 1;
    level = level < levels ? level : levels;
    return ascii ? plain[level] : blocks[level];
}

static enum style style_of(char kind)
{
    return kind == '5' || kind == 'r' ? STYLE_BAD
           : kind == 't'              ? STYLE_TIMEOUT
           : kind == 'x'              ? STYLE_REFUSED
           : kind == '#'              ? STYLE_BOLD
                                      : STYLE_QUIET;
}

static size_t name_width(const struct tty *t)
{
    size_t columns = canvas_columns(t->c), width = NAME_LEAST;
    if (columns > 108)
        width = columns - 108 + NAME_LEAST;
    return width < NAME_MOST ? width : NAME_MOST;
}

static void draw_lane(const struct tty *t, size_t row, const struct live_lane *lane, uint32_t most,
                      size_t buckets)
{
    char name[LIVE_NAME_BYTES + 8], rate[16];
    bool ascii = canvas_is_ascii(t->c);
    size_t width = name_width(t), from = 1 + width + 9, end = from + buckets + 7;
    canvas_put(t->c, row, 1, STYLE_BOLD,
               canvas_middle(lane->name, width - 1, ascii, name, sizeof(name)));
    canvas_put(t->c, row, 1 + width, STYLE_PLAIN, "answered");
    canvas_put(t->c, row + 1, 1 + width, STYLE_PLAIN, "failed");
    for (size_t i = 0; i < buckets; i++) {
        size_t at = LIVE_BUCKETS - buckets + i;
        char kind[2] = {lane->kind[at], '\0'};
        canvas_put(t->c, row, from + i, STYLE_GOOD, tty_block(lane->answered[at], most, ascii));
        canvas_put(t->c, row + 1, from + i, style_of(lane->kind[at]), kind);
    }
    snprintf(rate, sizeof(rate), "%u/s", lane->answered_per_s);
    canvas_put_right(t->c, row, end, STYLE_PLAIN, rate);
    snprintf(rate, sizeof(rate), "%u/s", lane->failed_per_s);
    canvas_put_right(t->c, row + 1, end, lane->failed_per_s > 0 ? STYLE_BAD : STYLE_PLAIN, rate);
    if (lane->out)
        canvas_put(t->c, row + 1, end + 1, STYLE_FAIL, "OUT");
}

static void draw_axis(const struct tty *t, size_t row, size_t buckets)
{
    size_t from = 1 + name_width(t) + 9;
    for (size_t back = 60; back > 0; back -= 15)
        if (back <= buckets && (back == buckets || t->full))
            canvas_print(t->c, row, from + buckets - back, STYLE_QUIET, "-%zu s", back);
    canvas_put_right(t->c, row, from + buckets, STYLE_QUIET, "now");
}

size_t tty_lanes(const struct tty *t, size_t row, size_t most)
{
    const struct live_snapshot *s = t->s;
    size_t buckets = t->full ? LIVE_BUCKETS : COMPACT_BUCKETS, shown = 0, more;
    uint32_t highest = 0;
    for (size_t i = 0; i < s->lane_count && i < most; i++)
        for (size_t k = 0; k < LIVE_BUCKETS; k++)
            highest = s->lanes[i].answered[k] > highest ? s->lanes[i].answered[k] : highest;
    for (; shown < s->lane_count && shown < most; shown++, row += 2)
        draw_lane(t, row, &s->lanes[shown], highest, buckets);
    if (shown == 0)
        return row;
    draw_axis(t, row, buckets);
    more = s->lane_count - shown + s->lanes_more;
    if (more > 0) {
        char text[32];
        snprintf(text, sizeof(text), "and %zu more", more);
        canvas_put(t->c, row, 1, STYLE_QUIET, text);
    }
    canvas_put(t->c, row + 1, 1, STYLE_QUIET,
               t->full ? "5: status 5xx   t: per-try timeout   r: reset or cut   x: handshake "
                         "refused   #: out, no tries   .: nothing failed"
                       : "5: 5xx  t: timed out  r: reset  x: handshake refused  #: out  .: nothing "
                         "failed");
    return row + 2;
}
