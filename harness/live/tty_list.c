#include "live/tty_draw.h"

#include "live/live_model.h"

/* Faults in force, verdicts so far, events: lists, cut to the rows that are left for them. */

static enum style verdict_style(enum verdict_kind kind)
{
    return kind == VERDICT_FAIL           ? STYLE_FAIL
           : kind == VERDICT_INCONCLUSIVE ? STYLE_WARN
                                          : STYLE_GOOD;
}

static const char *verdict_word(enum verdict_kind kind)
{
    static const char *const words[] = {"PASS", "INCONCLUSIVE", "FAIL", "NOT APPLICABLE"};
    return words[kind];
}

/* [=========...........]: what is over of its time. */
static void draw_progress(const struct tty *t, size_t row, size_t column,
                          const struct live_fault *f)
{
    if (f->total_ns == UINT64_MAX || f->total_ns == 0)
        return;
    double over = 1.0 - (double)f->left_ns / (double)f->total_ns;
    canvas_put(t->c, row, column, STYLE_PLAIN, "[");
    for (size_t i = 0; i < 20; i++)
        canvas_put(t->c, row, column + 1 + i, STYLE_PLAIN, (double)i < over * 20.0 ? "=" : ".");
    canvas_put(t->c, row, column + 21, STYLE_PLAIN, "]");
}

static void draw_fault(const struct tty *t, size_t row, const struct live_fault *f)
{
    char left[40], text[160];
    bool ascii = canvas_is_ascii(t->c);
    tty_left(f->left_ns, left, sizeof(left));
    if (!t->full) {
        char place[LIVE_NAME_BYTES * 2];
        canvas_put(t->c, row, 10, STYLE_BAD, canvas_middle(f->text, 16, ascii, text, sizeof(text)));
        snprintf(place, sizeof(place), "%s %s", f->place,
                 strcmp(f->share, "every request") == 0 ? "" : f->share);
        canvas_put_within(t->c, row, 27, 21, STYLE_PLAIN, place);
        canvas_put_right(t->c, row, 56, STYLE_BOLD, left);
        canvas_print(t->c, row, 58, STYLE_PLAIN, "about %u requests/s", f->reach_per_s);
        return;
    }
    canvas_put(t->c, row, 2, STYLE_BAD, canvas_middle(f->text, 22, ascii, text, sizeof(text)));
    canvas_put(t->c, row, 25, STYLE_PLAIN, canvas_middle(f->place, 20, ascii, text, sizeof(text)));
    canvas_print(t->c, row, 46, STYLE_PLAIN, "%s%s", f->share,
                 strchr(f->share, '%') != NULL ? " of requests" : "");
    canvas_print(t->c, row, 66, STYLE_PLAIN, "about %u/s", f->reach_per_s);
    canvas_print(t->c, row, 79, STYLE_PLAIN, "ends %s%s", f->left_ns == UINT64_MAX ? "" : "in ",
                 left);
    draw_progress(t, row, 96, f);
}

size_t tty_faults(const struct tty *t, size_t row, size_t most)
{
    const struct live_snapshot *s = t->s;
    size_t first = row;
    if (t->full) {
        char reach[160];
        canvas_print(t->c, row, 1, STYLE_BOLD, "faults in force: %zu",
                     s->fault_count + s->faults_more);
        snprintf(reach, sizeof(reach), "reach: about %u of %u tries/s, %u of %u endpoints",
                 s->touched_per_s, s->tries_per_s, s->endpoints_touched, s->endpoints);
        canvas_put(t->c, row, 55, STYLE_PLAIN, reach);
        row++;
    } else {
        canvas_put(t->c, row, 1, STYLE_PLAIN, "faults");
        if (s->fault_count == 0)
            canvas_put(t->c, row++, 10, STYLE_QUIET, "none in force");
    }
    for (size_t i = 0; i < s->fault_count && row < first + most; i++, row++)
        draw_fault(t, row, &s->faults[i]);
    return row;
}

static void draw_verdict(const struct tty *t, size_t row, const struct live_verdict *v)
{
    size_t columns = canvas_columns(t->c), claim = t->full ? 17 : 15;
    size_t mark = t->full ? live_columns(v->mark) : 0;
    size_t word = v->kind == VERDICT_INCONCLUSIVE ? 14 : t->full ? 14 : 6;
    char name[64];
    canvas_put(t->c, row, t->full ? 2 : 1, verdict_style(v->kind), verdict_word(v->kind));
    size_t at = (t->full ? 2 : 1) + word;
    canvas_put(t->c, row, at, STYLE_PLAIN,
               canvas_middle(v->claim, claim - 1, canvas_is_ascii(t->c), name, sizeof(name)));
    at += claim;
    if (at + mark + 3 < columns)
        canvas_put_within(t->c, row, at, columns - at - mark - (mark > 0 ? 3 : 1), STYLE_PLAIN,
                          v->text);
    if (mark > 0 && mark + at < columns)
        canvas_put_right(t->c, row, columns - 1, STYLE_QUIET, v->mark);
}

static void draw_counts(const struct tty *t, size_t row)
{
    const struct live_snapshot *s = t->s;
    size_t all = s->fail + s->inconclusive + s->pass;
    const char *head = t->full ? "verdicts so far: " : "so far: ";
    size_t at = canvas_put(t->c, row, 1, t->full ? STYLE_BOLD : STYLE_PLAIN, head);
    if (all == 0) {
        canvas_put(t->c, row, at, STYLE_QUIET, "none yet");
        return;
    }
    at = canvas_print(t->c, row, at, s->fail > 0 ? STYLE_FAIL : STYLE_PLAIN, "%zu FAIL", s->fail);
    at = canvas_print(t->c, row, at, STYLE_PLAIN, ", %zu INCONCLUSIVE, %zu PASS of %zu",
                      s->inconclusive, s->pass, all);
    char clock[32];
    canvas_print(t->c, row, at, STYLE_QUIET, "   (as of %s)",
                 live_clock(s->judged_ns, false, clock, sizeof(clock)));
}

/* PASS is quiet: it is counted, not listed, where there is no room. */
size_t tty_verdicts(const struct tty *t, size_t row, size_t most)
{
    size_t end = row + most;
    if (most == 0)
        return row;
    if (t->full)
        draw_counts(t, row++);
    for (size_t i = 0; i < t->s->verdict_count && row + !t->full < end; i++, row++)
        draw_verdict(t, row, &t->s->verdicts[i]);
    if (!t->full)
        draw_counts(t, row++);
    return row;
}

size_t tty_events(const struct tty *t, size_t row, size_t most)
{
    size_t end = row + most, columns = canvas_columns(t->c);
    if (t->full && most > 0)
        canvas_put(t->c, row++, 1, STYLE_BOLD, "events");
    for (size_t i = 0; i < t->s->event_count && row < end; i++, row++) {
        const struct live_event *e = &t->s->events[i];
        char clock[32];
        canvas_put(t->c, row, t->full ? 2 : 1, STYLE_PLAIN,
                   live_clock(e->at_ns, true, clock, sizeof(clock)));
        size_t at = 10;
        enum style style =
            e->kind == LIVE_EVENT_CLAIM || strcmp(e->what, "abort") == 0 ? STYLE_FAIL : STYLE_PLAIN;
        if (t->full) {
            canvas_put(t->c, row, at, STYLE_QUIET, live_event_word(e->kind));
            at += 10;
        }
        canvas_put_within(t->c, row, at, columns - at - 1, style, e->text);
    }
    return row;
}
