#include "reports/html_end.h"

#include "base/clock.h"
#include "base/units.h"

#define LISTED_MOST 20

/* A change with an entry in the ledger: undone and read back by a later record of that entry. */
static bool is_back(const struct journal *j, uint64_t entry)
{
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        if (r->entry == entry && r->step == 2 && r->read_back_ok != 0)
            return true;
    }
    return false;
}

/* The first record of each entry stands for it. */
static bool is_first(const struct journal *j, size_t i)
{
    if (j->worlds[i].r.entry == 0)
        return false;
    for (size_t k = 0; k < i; k++) {
        if (j->worlds[k].r.entry == j->worlds[i].r.entry)
            return false;
    }
    return true;
}

size_t html_end_outstanding(const struct journal *j, size_t *ret_all)
{
    size_t left = 0;
    *ret_all = 0;
    for (size_t i = 0; i < j->world_count; i++) {
        if (!is_first(j, i))
            continue;
        (*ret_all)++;
        left += !is_back(j, j->worlds[i].r.entry);
    }
    return left;
}

void html_end_left(struct html *h)
{
    const struct journal *j = h->report->journal;
    size_t all, left = html_end_outstanding(j, &all), told = 0;
    struct text *to = h->to;
    if (left == 0)
        return;
    text_add(to, "<div class=\"verdict b-fail left\" role=\"alert\"><div class=\"vw\">");
    text_add(to, "<svg class=\"vg fail\" aria-hidden=\"true\"><use href=\"#v-warn\"/></svg><div>"
                 "<p class=\"h\">Not everything is back</p>");
    text_add(to,
             "<p class=\"why\">%zu of %zu changes to the world were not read back as undone.</p>",
             left, all);
    html_command(to, "meshproof recover --run RUN", report_run_text(j, "run"));
    text_add(to, "<ul>");
    for (size_t i = 0; i < j->world_count && told < LISTED_MOST; i++) {
        const struct world_record *r = &j->worlds[i].r;
        if (!is_first(j, i) || is_back(j, r->entry))
            continue;
        told++;
        text_add(to, "<li><span class=\"m\">");
        html_text(to, journal_name(j, r->what));
        text_add(to, " ");
        html_text(to, journal_name(j, r->place));
        text_add(to, "</span></li>");
    }
    if (left > told)
        text_add(to, "<li>and %zu more</li>", left - told);
    text_add(to, "</ul></div></div></div>\n");
}

static void add_time(struct html *h, uint64_t at_ns)
{
    char time[32];
    uint64_t zero = report_zero_ns(h->report->journal);
    text_add(h->to, "%s", units_print_time(at_ns > zero ? at_ns - zero : 0, time, sizeof(time)));
}

void html_end_abort(struct html *h)
{
    const struct journal *j = h->report->journal;
    const struct journal_event *trip = report_event(j, "guard_trip"),
                               *abort = report_event(j, "abort");
    size_t all, left = html_end_outstanding(j, &all);
    const char *why =
        trip != NULL ? report_event_text(trip, "guard") : report_event_text(abort, "why");
    if (why[0] == '\0')
        why = j->end_how == NULL ? "" : j->end_how;
    text_add(h->to, "Stopped");
    if (trip != NULL || abort != NULL) {
        text_add(h->to, " at ");
        add_time(h, trip != NULL ? trip->t_ns : abort->t_ns);
    }
    text_add(h->to, trip != NULL ? " by the guard <b>" : ": <b>");
    html_text(h->to, why);
    text_add(h->to, "</b>");
    if (report_event_text(trip, "where")[0] != '\0') {
        text_add(h->to, " <span class=\"src m\">");
        html_text(h->to, report_event_text(trip, "where"));
        text_add(h->to, "</span>");
    }
    if (report_event_text(trip, "note")[0] != '\0') {
        text_add(h->to, " \xE2\x80\x9C");
        html_text(h->to, report_event_text(trip, "note"));
        text_add(h->to, "\xE2\x80\x9D");
    }
    if (left > 0)
        text_add(h->to, ". %zu of %zu changes are not undone.", left, all);
    else if (all > 0)
        text_add(h->to, ". All %zu changes are undone.", all);
    else
        text_add(h->to, ". All faults are off; the world was not changed.");
    if (h->counts[VERDICT_PASS] + h->counts[VERDICT_FAIL] > 0)
        text_add(h->to, " What was proven before stands.");
}

void html_end_surroundings(struct html *h)
{
    const char *how = h->report->journal->end_how;
    text_add(h->to, "The surroundings failed, so nothing was asserted: <b>");
    html_text(h->to, how == NULL ? "the run did not end" : how);
    text_add(h->to, "</b>. <span class=\"m\">meshproof doctor</span> says what is missing.");
}

void html_end_note(struct html *h, int code)
{
    const struct journal *j = h->report->journal;
    enum report_ending ending = report_ending(j);
    if (ending == ENDED_NOT) {
        text_add(h->to, "<p>The run did not end: its journal stops without a last row.</p>");
    } else if (ending == ENDED_ABORTED && code != 3) {
        text_add(h->to, "<p>");
        html_end_abort(h);
        text_add(h->to, "</p>");
    } else if (ending == ENDED_BROKEN && code != 4) {
        text_add(h->to, "<p>Ended: ");
        html_text(h->to, j->end_how);
        text_add(h->to, "</p>");
    }
    if (!journal_checksum_good(j))
        text_add(h->to, "<p><b>The journal's rows are not those that the run wrote: they are no "
                        "evidence for a PASS.</b></p>");
    if (h->requests == 0 && code != 4)
        text_add(h->to, "<p>No request was made: there is nothing to draw.</p>");
}
