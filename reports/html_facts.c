#include "base/clock.h"
#include "base/units.h"
#include "reports/html.h"
#include "reports/html_end.h"

/* How to run it again, and the facts of the run, what was asked for and is not here among them. */

#define FAULTS_LISTED 24

void html_again(struct html *h)
{
    const struct journal *j = h->report->journal;
    const char *run = report_run_text(j, "run");
    html_section(h->to, "again", "Run it again");
    text_add(h->to, "<pre><code>meshproof run ");
    html_text(h->to, h->report->plan != NULL ? h->report->plan->suite : "SUITE");
    text_add(h->to, " --seed ");
    html_text(h->to, report_run_text(j, "seed"));
    text_add(h->to, "</code></pre>");
    html_command(h->to, "meshproof run --rerun RUN", run);
    text_add(h->to, "<p>The same seed injects the same faults on the same tries. To judge the same "
                    "evidence again, on any machine that has the journal:</p>");
    html_command(h->to, "meshproof verify RUN", run);
    html_section_end(h->to);
}

static void open_fact(struct text *to, const char *name)
{
    text_add(to, "<div><dt>%s</dt><dd>", name);
}

static void close_fact(struct text *to)
{
    text_add(to, "</dd></div>\n");
}

static void add_fact(struct text *to, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    open_fact(to, name);
    html_text(to, text);
    close_fact(to);
}

static void add_journal(struct html *h)
{
    const struct journal *j = h->report->journal;
    open_fact(h->to, "journal");
    text_add(h->to, "run <span class=\"m\">");
    html_text(h->to, report_run_text(j, "run"));
    text_add(h->to, "</span>, ");
    html_count(h->to, journal_row_count(j));
    text_add(h->to, " records, checksum %s",
             journal_checksum_good(j) ? "good" : "<b class=\"fail\">WRONG</b>");
    close_fact(h->to);
}

static void add_mesh(struct html *h)
{
    const struct journal *j = h->report->journal;
    const struct plan *p = h->report->plan;
    open_fact(h->to, "mesh");
    html_text(h->to, report_policy_text(j, "target"));
    text_add(h->to, " by ");
    html_text(h->to, report_policy_text(j, "driver"));
    for (size_t i = 0; p != NULL && p->scenario_count > 0 && i < p->scenarios[0].lab.defect_count;
         i++) {
        text_add(h->to, i == 0 ? ", with the defect " : ", ");
        html_text(h->to, p->scenarios[0].lab.defects[i]);
    }
    if (report_policy_text(j, "mesh_paths")[0] != '\0') {
        text_add(h->to, "; programmed from ");
        html_text(h->to, report_policy_text(j, "mesh_paths"));
    }
    const char *istiod =
        json_string_value(json_object_get(json_object_get(j->policy, "istio"), "istiod"));
    if (istiod != NULL) {
        text_add(h->to, "; programmed by the istiod at ");
        html_text(h->to, istiod);
    }
    close_fact(h->to);
}

static void add_load(struct html *h)
{
    const struct judgement *g = h->report->judgement;
    uint64_t tries = 0;
    for (size_t i = 0; i < g->phase_count; i++)
        tries += g->phases[i].tries;
    open_fact(h->to, "load");
    html_count(h->to, h->requests);
    text_add(h->to, " requests, ");
    html_count(h->to, tries);
    text_add(h->to, " tries, in %zu phase%s", g->phase_count, g->phase_count == 1 ? "" : "s");
    close_fact(h->to);
}

static void add_stalls(struct html *h)
{
    const struct judgement *g = h->report->judgement;
    char span[32];
    open_fact(h->to, "loop stalls");
    if (g->stall_count == 0)
        text_add(h->to, "none over 8 ms");
    else
        text_add(
            h->to, "%llu over 8 ms, the longest %s: those spans are no evidence",
            (unsigned long long)g->stall_count,
            units_print_duration(g->longest_stall_ns / NS_PER_MS * NS_PER_MS, span, sizeof(span)));
    if (g->lost_records > 0)
        text_add(h->to, "; %llu records of the journal are lost",
                 (unsigned long long)g->lost_records);
    close_fact(h->to);
}

static bool same_fault(const struct judged_fault *a, const struct judged_fault *b)
{
    return strcmp(a->text, b->text) == 0 && strcmp(a->where, b->where) == 0;
}

/* Each wording once, in the order of the plan, those that never fired first. */
static void add_faults(struct html *h)
{
    const struct judgement *g = h->report->judgement;
    size_t told = 0, more = 0;
    if (g->fault_count == 0)
        return;
    open_fact(h->to, "faults fired");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < g->fault_count; i++) {
            uint64_t fired = 0;
            bool first = true;
            for (size_t k = 0; k < g->fault_count; k++) {
                if (!same_fault(&g->faults[k], &g->faults[i]))
                    continue;
                first = first && k >= i;
                fired += g->faults[k].fired;
            }
            if (!first || (fired == 0) != (pass == 0))
                continue;
            if (told == FAULTS_LISTED) {
                more++;
                continue;
            }
            text_add(h->to, told++ == 0 ? "" : ", ");
            html_text(h->to, g->faults[i].text);
            text_add(h->to, " on ");
            html_text(h->to, g->faults[i].where);
            text_add(h->to,
                     pass == 0 ? " <b class=\"inc\">fired 0 times</b>" : " \xC3\x97\xC2\xA0");
            if (pass == 1)
                html_count(h->to, fired);
        }
    }
    if (more > 0)
        text_add(h->to, ", and %zu more", more);
    close_fact(h->to);
}

static void add_left(struct html *h)
{
    size_t all, left = html_end_outstanding(h->report->journal, &all);
    open_fact(h->to, "left behind");
    if (left > 0)
        text_add(h->to, "<b class=\"fail\">%zu of %zu changes are not undone</b>", left, all);
    else if (all > 0)
        text_add(h->to, "nothing: %zu of %zu changes undone and read back", all, all);
    else
        text_add(h->to, "nothing: the world was not changed");
    close_fact(h->to);
}

/* Beside its line where the policy's text is on the page, else here. */
static bool has_line(const struct journal *j, const json_t *finding)
{
    struct text line;
    struct source at = {json_string_value(json_object_get(finding, "file")),
                        (uint32_t)json_integer_value(json_object_get(finding, "line")), 0};
    text_init(&line, 4096);
    bool there = html_policy_line(j, at, &line) != NULL;
    text_release(&line);
    return there;
}

static void add_lint(struct html *h)
{
    const json_t *list = json_object_get(h->report->journal->policy, "findings"), *each;
    size_t i, beside = 0, count = json_array_size(list);
    open_fact(h->to, "lint");
    if (count == 0)
        text_add(h->to, "clean");
    else
        text_add(h->to, "%zu finding%s", count, count == 1 ? "" : "s");
    json_array_foreach(list, i, each)
    {
        if (i >= FAULTS_LISTED)
            break;
        if (has_line(h->report->journal, each)) {
            beside++;
            continue;
        }
        text_add(h->to, "<br><span class=\"lintb\">");
        html_text(h->to, json_string_value(json_object_get(each, "severity")));
        text_add(h->to, "</span> <span class=\"m\">");
        html_text(h->to, json_string_value(json_object_get(each, "file")));
        text_add(h->to, ":%lld</span> ",
                 (long long)json_integer_value(json_object_get(each, "line")));
        html_text(h->to, json_string_value(json_object_get(each, "text")));
    }
    if (beside > 0)
        text_add(h->to, ", %s beside the policy's lines below", beside == count ? "all" : "others");
    if (count > FAULTS_LISTED)
        text_add(h->to, "<br>and %zu more", count - FAULTS_LISTED);
    close_fact(h->to);
}

/* Failures that somebody answers for, and claims that do not gate. */
static void add_exceptions(struct html *h)
{
    size_t loose = 0, over = 0;
    for (size_t i = 0; i < h->row_count; i++) {
        const struct judged *d = h->rows[i];
        loose += !d->gates && d->accepted == NULL;
        over += d->accepted != NULL && !d->accepted->stands;
    }
    if (h->accepted + over > 0) {
        open_fact(h->to, "exceptions");
        text_add(h->to, "%zu failure%s accepted", h->accepted, h->accepted == 1 ? "" : "s");
        if (over > 0)
            text_add(h->to, ", %zu whose day is over", over);
        close_fact(h->to);
    }
    if (loose > 0) {
        open_fact(h->to, "do not gate");
        text_add(h->to, "%zu claim%s", loose, loose == 1 ? "" : "s");
        close_fact(h->to);
    }
}

/* Claims that the policy gives nothing to judge, each once. */
static void add_none(struct html *h)
{
    size_t told = 0;
    for (size_t i = h->row_count; i < h->row_count + h->counts[VERDICT_NOT_APPLICABLE]; i++) {
        bool before = false;
        for (size_t k = h->row_count; k < i && !before; k++)
            before = h->rows[k]->claim == h->rows[i]->claim;
        if (before)
            continue;
        if (told == 0)
            open_fact(h->to, "do not apply");
        text_add(h->to, "%s<span class=\"m\">%s</span>", told++ == 0 ? "" : ", ",
                 h->rows[i]->claim->id);
    }
    if (told > 0)
        close_fact(h->to);
}

static size_t stops_of(const struct scenario *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->guard_count; i++)
        count += s->guards[i].kind == GUARD_STOP;
    return count;
}

static void add_guards(struct html *h)
{
    const struct journal *j = h->report->journal;
    size_t watched = 0, tripped = 0;
    for (size_t i = 0; h->report->plan != NULL && i < h->report->plan->scenario_count; i++)
        watched += stops_of(&h->report->plan->scenarios[i]);
    for (size_t i = 0; i < j->event_count; i++)
        tripped += strcmp(j->events[i].what, "guard_trip") == 0;
    if (watched == 0)
        return;
    open_fact(h->to, "guards");
    if (tripped == 0)
        text_add(h->to, "%zu declared, none tripped", watched);
    else
        text_add(h->to, "%zu declared, <b class=\"fail\">%zu tripped</b>", watched, tripped);
    close_fact(h->to);
}

void html_facts(struct html *h)
{
    const struct journal *j = h->report->journal;
    const struct plan *p = h->report->plan;
    char text[64];
    html_section(h->to, "facts", "Run facts");
    text_add(h->to, "<dl class=\"facts\">\n");
    add_journal(h);
    add_fact(h->to, "seed", report_run_text(j, "seed"));
    add_mesh(h);
    add_fact(h->to, "policy", report_policy_text(j, "paths"));
    add_load(h);
    add_stalls(h);
    add_faults(h);
    add_guards(h);
    html_people(h);
    add_left(h);
    add_exceptions(h);
    add_none(h);
    add_lint(h);
    if (p != NULL && p->false_alarms > 0) {
        snprintf(text, sizeof(text), "%.1e for the run", p->false_alarms);
        add_fact(h->to, "false-alarm budget", text);
    }
    if (h->absent.len > 0) {
        open_fact(h->to, "asked for, not here");
        text_add_bytes(h->to, bytes_of(text_get(&h->absent)));
        close_fact(h->to);
    }
    add_fact(h->to, "host", report_run_text(j, "host"));
    if (p != NULL && p->scenario_count > 0)
        add_fact(h->to, "owner", p->scenarios[0].owner);
    open_fact(h->to, "judged by");
    text_add(h->to, "meshproof %s", h->report->version);
    if (strcmp(report_run_text(j, "version"), h->report->version) != 0) {
        text_add(h->to, ", run by ");
        html_text(h->to, report_run_text(j, "version"));
    }
    close_fact(h->to);
    text_add(h->to, "</dl>");
    html_section_end(h->to);
}
