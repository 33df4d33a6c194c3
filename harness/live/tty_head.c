#include "live/tty_draw.h"

#include "base/clock.h"
#include "base/units.h"
#include "live/live_model.h"

/* What a reader must have first: the state, the clock, where the run is, and that all is well. */

const char *tty_left(uint64_t ns, char *to, size_t size)
{
    if (ns == UINT64_MAX)
        snprintf(to, size, "until its event");
    else
        live_clock(ns, true, to, size);
    return to;
}

const char *tty_limit(const struct live_guard *g, char *to, size_t size)
{
    const char *most = "at most ", *least = "at least ";
    if (strncmp(g->limit, most, strlen(most)) == 0)
        snprintf(to, size, "<= %s", g->limit + strlen(most));
    else if (strncmp(g->limit, least, strlen(least)) == 0 && strchr(g->limit, ',') == NULL)
        snprintf(to, size, ">= %s", g->limit + strlen(least));
    else
        snprintf(to, size, "%s", g->limit);
    return to;
}

static enum style state_style(const struct live_snapshot *s)
{
    if (s->abort_reason[0] != '\0')
        return STYLE_FAIL;
    return s->state == LIVE_PAUSED || s->state == LIVE_WAITING ? STYLE_WARN : STYLE_BOLD;
}

static size_t draw_state(const struct tty *t, size_t row)
{
    static const char glyphs[] = {'.', '>', '=', '?', '<', '*'};
    const struct live_snapshot *s = t->s;
    char clock[32], total[32], right[80];
    size_t columns = canvas_columns(t->c);
    bool aborted = s->state == LIVE_DONE && s->abort_reason[0] != '\0';
    snprintf(right, sizeof(right), "%s of %s",
             live_clock(s->since_start_ns, true, clock, sizeof(clock)),
             live_clock(s->expected_total_ns, false, total, sizeof(total)));
    size_t at = canvas_print(t->c, row, 1, state_style(s), "%c %s", glyphs[s->state],
                             aborted ? "ABORTED" : live_state_word(s->state));
    if (s->state == LIVE_UNDOING && s->undo_total > 0)
        at = canvas_print(t->c, row, at + 1, STYLE_FAIL, "%u of %u", s->undone, s->undo_total);
    if (t->o->held)
        at = canvas_put(t->c, row, at + 2, STYLE_WARN, "(picture held)");
    size_t room = columns - 3 - live_columns(right);
    at += 2;
    if (at < room)
        at = canvas_put_within(t->c, row, at, room - at, STYLE_PLAIN,
                               s->edge[0] != '\0' ? s->edge : s->scenario);
    if (t->full && at + 3 < room) {
        char more[LIVE_TEXT_BYTES + LIVE_NAME_BYTES + 32];
        snprintf(more, sizeof(more), "%s   seed %s", s->suite, s->seed);
        canvas_put_within(t->c, row, at + 3, room - at - 3, STYLE_QUIET, more);
    }
    canvas_put_right(t->c, row, columns - 2, STYLE_BOLD, right);
    return row + 1;
}

/* "steady, payments/2 fails, [payments drags], recovery": as much as fits around the one under way.
 */
static size_t draw_phases(const struct tty *t, size_t row)
{
    const struct live_snapshot *s = t->s;
    size_t columns = canvas_columns(t->c), now = 0, from, used = 0, at = 1;
    for (size_t i = 0; i < s->phase_count; i++)
        if (s->phases[i].state != LIVE_PHASE_NEXT)
            now = i;
    for (from = now; from > 0; from--) {
        used += live_columns(s->phases[from - 1].name) + 2;
        if (used > columns / 2)
            break;
    }
    if (from > 0)
        at = canvas_put(t->c, row, at, STYLE_QUIET, "... ");
    for (size_t i = from; i < s->phase_count && at + 2 < columns; i++) {
        bool under_way = s->phases[i].state == LIVE_PHASE_NOW;
        char name[LIVE_NAME_BYTES + 8];
        snprintf(name, sizeof(name), under_way ? "[%s]" : "%s", s->phases[i].name);
        if (at + live_columns(name) + 2 >= columns && i > now) {
            canvas_put(t->c, row, at, STYLE_QUIET, "...");
            break;
        }
        at = canvas_put_within(t->c, row, at, columns - at - 1,
                               under_way ? STYLE_BOLD : STYLE_QUIET, name);
        if (i + 1 < s->phase_count)
            at = canvas_put(t->c, row, at, STYLE_QUIET, ", ");
    }
    return row + 1;
}

/* |====|===....|.....|: each phase as wide as it is long. */
static size_t draw_bar(const struct tty *t, size_t row)
{
    const struct live_snapshot *s = t->s;
    size_t width = canvas_columns(t->c) - 4, at = 1;
    uint64_t total = s->expected_total_ns, now = s->since_start_ns;
    if (total == 0 || s->phase_count == 0)
        return row;
    for (size_t i = 0; i < s->phase_count; i++) {
        size_t end = 1 + (size_t)((double)s->phases[i].to_ns / (double)total * (double)width);
        end = end < 1 + width ? end : 1 + width;
        canvas_put(t->c, row, at, STYLE_PLAIN, "|");
        for (size_t k = at + 1; k < end; k++) {
            bool over = (double)(k - 1) / (double)width * (double)total < (double)now;
            canvas_put(t->c, row, k, over ? STYLE_BOLD : STYLE_QUIET, over ? "=" : ".");
        }
        if (end > at + 3)
            canvas_put_within(t->c, row + 1, at + 1, end - at - 2,
                              s->phases[i].state == LIVE_PHASE_NOW ? STYLE_BOLD : STYLE_QUIET,
                              s->phases[i].name);
        at = end > at ? end : at;
    }
    canvas_put(t->c, row, at, STYLE_PLAIN, "|");
    return row + 2;
}

static size_t draw_next(const struct tty *t, size_t row)
{
    const struct live_snapshot *s = t->s;
    char line[3 * LIVE_TEXT_BYTES], left[40] = "";
    size_t width = canvas_columns(t->c) - 2;
    const char *now = "", *between = "all phases are over";
    for (size_t i = 0; i < s->phase_count; i++)
        if (s->phases[i].state == LIVE_PHASE_NEXT)
            between = "between two phases";
    for (size_t i = 0; i < s->phase_count; i++)
        if (s->phases[i].state == LIVE_PHASE_NOW)
            now = s->phases[i].name;
    if (s->abort_reason[0] != '\0') {
        snprintf(line, sizeof(line), "ABORTED  %s", s->abort_reason);
        canvas_put_within(t->c, row, 1, width, STYLE_FAIL, line);
        return row + 1;
    }
    if (s->state == LIVE_DONE)
        snprintf(line, sizeof(line), "ended: %s", s->end);
    else if (now[0] == '\0')
        snprintf(line, sizeof(line), "%s",
                 s->state == LIVE_STARTING ? "the agents are started" : between);
    else {
        if (s->phase_left_ns != UINT64_MAX)
            snprintf(left, sizeof(left), "%s%llu.%llu s left. ",
                     s->ends[0] != '\0' ? "at most " : "",
                     (unsigned long long)(s->phase_left_ns / NS_PER_S),
                     (unsigned long long)(s->phase_left_ns % NS_PER_S / (100 * NS_PER_MS)));
        snprintf(line, sizeof(line), "%s%s%s%s%s%s", t->full ? now : "", t->full ? ": " : "", left,
                 s->ends, s->ends[0] != '\0' ? ". " : "", s->next);
    }
    canvas_put_within(t->c, row, 1, width, STYLE_PLAIN, line);
    return row + 1;
}

/* What a person is asked takes the row that is else empty: it never scrolls away. */
static size_t draw_question(const struct tty *t, size_t row)
{
    const struct live_question *q = &t->s->question;
    char line[2 * LIVE_TEXT_BYTES + 100];
    if (!q->open)
        return row + 1;
    snprintf(line, sizeof(line), "question %u%s%s%s: %s   (meshproof answer %s %u ...)", q->number,
             q->role[0] != '\0' ? " (" : "", q->role, q->role[0] != '\0' ? ")" : "", q->ask,
             t->s->run, q->number);
    canvas_put_within(t->c, row, 1, canvas_columns(t->c) - 2, STYLE_WARN, line);
    return row + 1;
}

size_t tty_head(const struct tty *t, size_t row)
{
    row = draw_state(t, row);
    row = t->full ? draw_bar(t, row + 1) : draw_phases(t, row);
    row = draw_next(t, row);
    return draw_question(t, row);
}

static const char *guard_mark(const struct live_guard *g, enum style *ret)
{
    *ret = g->state == LIVE_GUARD_OK     ? STYLE_GOOD
           : g->state == LIVE_GUARD_NEAR ? STYLE_WARN
                                         : STYLE_FAIL;
    return g->state == LIVE_GUARD_OK ? "ok" : g->state == LIVE_GUARD_NEAR ? "! " : "ABORTED";
}

/* One row for all, the worst first; those that do not fit are counted. */
static size_t guards_in_a_row(const struct tty *t, size_t row)
{
    static const enum live_guard_state order[] = {LIVE_GUARD_TRIPPED, LIVE_GUARD_NEAR,
                                                  LIVE_GUARD_OK};
    size_t at = canvas_put(t->c, row, 1, STYLE_PLAIN, "guard") + 4, left = 0;
    for (size_t k = 0; k < COUNT_OF(order); k++)
        for (size_t i = 0; i < t->s->guard_count; i++) {
            const struct live_guard *g = &t->s->guards[i];
            char text[200], limit[64];
            enum style style;
            const char *mark = guard_mark(g, &style);
            if (g->state != order[k])
                continue;
            snprintf(text, sizeof(text), " %s %s (%s)", g->name, g->value,
                     tty_limit(g, limit, sizeof(limit)));
            if (left > 0 ||
                at + live_columns(mark) + live_columns(text) + 4 > canvas_columns(t->c)) {
                left++;
                continue;
            }
            at = canvas_put(t->c, row, at, style, mark);
            at = canvas_put(t->c, row, at, STYLE_PLAIN, text) + 3;
        }
    if (left > 0)
        canvas_print(t->c, row, at - 2, STYLE_QUIET, "+%zu", left);
    return row + 1;
}

static void guard_row(const struct tty *t, size_t row, const struct live_guard *g)
{
    bool ascii = canvas_is_ascii(t->c);
    enum style style;
    char name[LIVE_NAME_BYTES + 8];
    const char *mark = guard_mark(g, &style);
    canvas_put(t->c, row, 2, style, mark);
    canvas_put(t->c, row, g->state == LIVE_GUARD_TRIPPED ? 10 : 5, STYLE_PLAIN,
               canvas_middle(g->name, 18, ascii, name, sizeof(name)));
    canvas_put_right(t->c, row, 36, STYLE_BOLD, g->value);
    canvas_put_within(t->c, row, 39, 16, STYLE_PLAIN, g->limit);
    for (size_t i = 0; i < LIVE_BUCKETS; i++) {
        float share = g->samples[i] > 1.0F ? 1.0F : g->samples[i];
        bool out = g->upper ? g->samples[i] > 1.0F : g->samples[i] < 1.0F;
        if (g->samples[i] >= 0)
            canvas_put(t->c, row, 56 + i, out ? STYLE_BAD : STYLE_PLAIN,
                       tty_block(share < 0.01F ? 1 : (uint64_t)(share * 100.0F), 100, ascii));
    }
}

size_t tty_guards(const struct tty *t, size_t row)
{
    const struct live_snapshot *s = t->s;
    if (s->guard_count == 0)
        return row;
    if (!t->full)
        return guards_in_a_row(t, row) + 1;
    canvas_put(t->c, row, 1, STYLE_BOLD,
               "guard (the run aborts itself if one is broken for its time)");
    for (size_t i = 0; i < s->guard_count; i++)
        guard_row(t, row + 1 + i, &s->guards[i]);
    return row + s->guard_count + 2;
}

void tty_keys(const struct tty *t, size_t row)
{
    const struct live_snapshot *s = t->s;
    char right[LIVE_TEXT_BYTES + 64];
    size_t columns = canvas_columns(t->c);
    if (t->o->notice != NULL) {
        char notice[2 * LIVE_TEXT_BYTES];
        live_clean(notice, sizeof(notice), t->o->notice);
        canvas_put_within(t->c, row, 1, columns - 2, STYLE_WARN, notice);
        return;
    }
    size_t at =
        canvas_put(t->c, row, 1, STYLE_PLAIN,
                   t->full ? "p pause  a abort and undo  v verdicts  e events  f faults  r "
                             "requests  w why  space hold  ? keys"
                           : "p pause  a abort  v verdicts  e events  w why  space hold  ?");
    const char *base = strrchr(s->journal, '/');
    if (t->full)
        snprintf(right, sizeof(right), "journal %s %llu MB", base == NULL ? s->journal : base + 1,
                 (unsigned long long)((s->journal_bytes + 500000) / 1000000));
    else
        snprintf(right, sizeof(right), "in force: %zu", s->fault_count + s->faults_more);
    if (at + 2 + live_columns(right) < columns)
        canvas_put_right(t->c, row, columns - 1, STYLE_PLAIN, right);
}
