#include "live/tty_draw.h"

/* Which part gets how many rows. All parts get their least first; then what matters most gets more.
 */

#define FULL_COLUMNS 120
#define FULL_ROWS 40

struct shares {
    size_t lanes, faults, verdicts, events; /* lanes: of two rows each */
};

/* Takes one from what is left, when there is something to show with it. */
static bool grow(size_t *share, size_t wanted, size_t cost, size_t *left)
{
    if (*share >= wanted || *left < cost)
        return false;
    ++*share;
    *left -= cost;
    return true;
}

static struct shares share_out(const struct live_snapshot *s, size_t left)
{
    struct shares r = {0};
    size_t told = s->fail + s->inconclusive;
    told = told < s->verdict_count ? told : s->verdict_count;
    size_t faults = s->fault_count == 0 ? 1 : s->fault_count;
    grow(&r.events, s->event_count, 1, &left);
    grow(&r.faults, faults, 1, &left);
    for (size_t i = 0; i < 3; i++)
        grow(&r.lanes, s->lane_count, 2, &left);
    for (size_t i = 0; i < 2; i++)
        grow(&r.verdicts, told, 1, &left);
    bool more = true;
    for (size_t round = 0; more; round++) {
        more = grow(&r.faults, faults, 1, &left);
        more = grow(&r.lanes, s->lane_count, 2, &left) || more;
        more = grow(&r.verdicts, round < 4 ? told : s->verdict_count, 1, &left) || more;
        more = grow(&r.events, s->event_count, 1, &left) || more || round < 4;
    }
    return r;
}

/* Rows that stand whatever there is to show: headings, axis, legend, empty ones, keys. */
static void draw_main(const struct tty *t, size_t row)
{
    size_t rows = canvas_rows(t->c), head = t->full ? 1 : 0;
    row = tty_guards(t, row);
    /* Axis, legend, empty; heading, empty; counts; empty and heading; empty and keys. */
    size_t fixed = row + 3 + head + 1 + 1 + 2 * head + 2;
    struct shares r = share_out(t->s, rows > fixed ? rows - fixed : 0);
    row = tty_lanes(t, row, r.lanes) + 1;
    row = tty_faults(t, row, r.faults + head) + 1;
    row = tty_verdicts(t, row, r.verdicts + 1) + head;
    tty_events(t, row, r.events + head);
}

void tty_draw(const struct live_snapshot *s, const struct tty_options *options, struct text *to)
{
    struct tty t = {.s = s, .o = options};
    t.c = canvas_new(options->columns, options->rows, options->ascii);
    t.full = options->columns >= FULL_COLUMNS && options->rows >= FULL_ROWS;
    size_t row = tty_head(&t, 0);
    if (options->view == TTY_MAIN)
        draw_main(&t, row);
    else
        tty_view(&t, row);
    tty_keys(&t, canvas_rows(t.c) - 1);
    canvas_write(t.c, options->colour, to);
    canvas_free(t.c);
}
