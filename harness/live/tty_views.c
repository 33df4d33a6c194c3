#include "live/tty_draw.h"

#include "base/clock.h"
#include "live/live_model.h"

/* What a key shows instead of the whole: one thing, as long as the screen. */

static void head(const struct tty *t, size_t row, const char *title, const char *key)
{
    size_t at = canvas_put(t->c, row, 1, STYLE_BOLD, title);
    canvas_print(t->c, row, at + 3, STYLE_QUIET, "%s goes back", key);
}

static void view_help(const struct tty *t, size_t row)
{
    static const char *const rows[][2] = {
        {"p", "pause: no step of the plan begins; again: go on"},
        {"a", "abort now and undo all; the report tells what was seen, the exit code is 3"},
        {"v", "verdicts so far: from the judge, for what is in the journal"},
        {"e", "events"},
        {"f", "faults in force"},
        {"r", "requests: how they ended, and the last that were not good"},
        {"w", "why inconclusive: what each undecided claim still needs"},
        {"space", "hold the picture; the run goes on"},
        {"?", "this"},
    };
    head(t, row++, "keys", "?");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        canvas_put(t->c, row + i, 2, STYLE_BOLD, rows[i][0]);
        canvas_put(t->c, row + i, 9, STYLE_PLAIN, rows[i][1]);
    }
    row += COUNT_OF(rows) + 1;
    canvas_put(t->c, row++, 1, STYLE_QUIET, "Ctrl-C aborts too. From another terminal:");
    canvas_print(t->c, row++, 2, STYLE_QUIET, "meshproof halt %s", t->s->run);
    if (t->o->page != NULL)
        canvas_put_within(t->c, row++, 2, canvas_columns(t->c) - 3, STYLE_QUIET, t->o->page);
    canvas_put(t->c, row, 1, STYLE_QUIET,
               "OUT: an endpoint has no tries while others of its service have them.");
}

static void view_requests(const struct tty *t, size_t row)
{
    const struct live_snapshot *s = t->s;
    char number[32];
    size_t at = 1, rows = canvas_rows(t->c);
    head(t, row++, "requests", "r");
    at = canvas_print(t->c, row, at, STYLE_PLAIN,
                      "%s ended:", text_grouped(s->requests, number, sizeof(number)));
    for (size_t i = 0; i < LIVE_ENDINGS; i++)
        at = canvas_print(t->c, row, at, i > 0 && s->ended[i] > 0 ? STYLE_BAD : STYLE_PLAIN,
                          "  %s %s", text_grouped(s->ended[i], number, sizeof(number)),
                          live_ending_word((enum live_ending)i));
    row++;
    canvas_print(t->c, row++, 1, STYLE_PLAIN, "%s tries, %u/s now, faults touch %u/s",
                 text_grouped(s->tries, number, sizeof(number)), s->tries_per_s, s->touched_per_s);
    row++;
    canvas_put(t->c, row++, 1, STYLE_BOLD,
               s->failed_count > 0 ? "the last that were not good" : "none that was not good");
    for (size_t i = 0; i < s->failed_count && row + 2 < rows; i++, row++) {
        const struct live_request *r = &s->failed[i];
        char clock[32], name[LIVE_NAME_BYTES + 8];
        canvas_put(t->c, row, 2, STYLE_PLAIN, live_clock(r->at_ns, true, clock, sizeof(clock)));
        canvas_put(t->c, row, 11, STYLE_BOLD,
                   canvas_middle(r->name, 16, canvas_is_ascii(t->c), name, sizeof(name)));
        if (r->ending == LIVE_ENDED_4XX || r->ending == LIVE_ENDED_5XX)
            canvas_print(t->c, row, 28, STYLE_BAD, "%u", r->status);
        else
            canvas_put(t->c, row, 28, STYLE_BAD, live_ending_word(r->ending));
        canvas_print(t->c, row, 42, STYLE_PLAIN, "%llu ms",
                     (unsigned long long)(r->took_ns / NS_PER_MS));
        canvas_put_within(t->c, row, 52, canvas_columns(t->c) - 53, STYLE_PLAIN, r->path);
    }
}

static void view_why(const struct tty *t, size_t row)
{
    const struct live_snapshot *s = t->s;
    size_t rows = canvas_rows(t->c), columns = canvas_columns(t->c), shown = 0;
    head(t, row++, "why inconclusive", "w");
    for (size_t i = 0; i < s->verdict_count && row + 3 < rows; i++) {
        const struct live_verdict *v = &s->verdicts[i];
        if (v->kind != VERDICT_INCONCLUSIVE)
            continue;
        canvas_put_within(t->c, row, 2, 17, STYLE_WARN, v->claim);
        canvas_put_within(t->c, row++, 20, columns - 21, STYLE_PLAIN, v->text);
        if (v->needs[0] != '\0') {
            canvas_put(t->c, row, 14, STYLE_QUIET, "needs");
            canvas_put_within(t->c, row++, 20, columns - 21, STYLE_PLAIN, v->needs);
        }
        shown++;
    }
    if (shown == 0)
        canvas_put(t->c, row, 2, STYLE_QUIET,
                   s->judged_ns == 0 ? "nothing is judged yet" : "nothing is inconclusive");
    else if (shown < s->inconclusive)
        canvas_print(t->c, row, 2, STYLE_QUIET, "and %zu more", s->inconclusive - shown);
}

static void view_list(const struct tty *t, size_t row, const char *title, const char *key,
                      size_t (*draw)(const struct tty *t, size_t row, size_t most))
{
    head(t, row, title, key);
    draw(t, row + 1, canvas_rows(t->c) - row - 3);
}

void tty_view(const struct tty *t, size_t row)
{
    switch (t->o->view) {
    case TTY_MAIN:
        return;
    case TTY_VERDICTS:
        view_list(t, row, "verdicts", "v", tty_verdicts);
        return;
    case TTY_EVENTS:
        view_list(t, row, "what happened, the newest first", "e", tty_events);
        return;
    case TTY_FAULTS:
        view_list(t, row, "faults in force", "f", tty_faults);
        return;
    case TTY_REQUESTS:
        view_requests(t, row);
        return;
    case TTY_WHY:
        view_why(t, row);
        return;
    case TTY_HELP:
        view_help(t, row);
        return;
    }
}
