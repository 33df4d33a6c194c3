#include "base/clock.h"
#include "base/units.h"
#include "journal/arm.h"
#include "reports/report.h"
#include "reports/text_aborted.h"
#include "reports/text_faults.h"
#include "reports/text_people.h"
#include "verify/exception.h"
#include "verify/hearing.h"

#include <time.h>

/* The text report (scenario-language.md section 7): head; scenarios; per phase its faults, then
 * FAIL, INCONCLUSIVE, PASS; controls; last line. Readable without colour, 100 columns. */

#define WIDTH 100
#define MARK_COLUMN 60

/* "2 min 30 s", "26.4 s" */
static void add_span(struct text *to, uint64_t ns)
{
    uint64_t s = ns / NS_PER_S;
    if (s >= 60)
        text_add(to, "%llu min %02llu s", (unsigned long long)(s / 60),
                 (unsigned long long)(s % 60));
    else
        text_add(to, "%.1f s", (double)ns / (double)NS_PER_S);
}

static void add_count(struct text *to, uint64_t n, const char *one, const char *many)
{
    char grouped[32];
    text_add(to, "%s %s", text_grouped(n, grouped, sizeof(grouped)), n == 1 ? one : many);
}

/* By whom, where it is not the policy that is judged. */
static void add_programmed(struct text *to, const struct journal *j)
{
    const char *other = json_string_value(json_object_get(j->policy, "mesh_paths"));
    if (other != NULL) {
        text_add(to, "\nthe mesh was programmed from ");
        report_add_clean(to, other);
        text_add(to, " (--mesh-policy), and is judged by the policy above");
    }
    const json_t *istio = json_object_get(j->policy, "istio");
    const char *istiod = json_string_value(json_object_get(istio, "istiod"));
    if (istiod != NULL) {
        text_add(to, "\nthe mesh was programmed by the istiod at ");
        report_add_clean(to, istiod);
        text_add(to, ", Istio ");
        report_add_clean(to, json_string_value(json_object_get(istio, "istio")));
        text_add(to, " (--istiod), and is judged by the policy above");
    }
}

static void add_head(const struct report *report, struct text *to)
{
    const struct journal *j = report->journal;
    char when[40] = "";
    time_t wall =
        (time_t)(json_integer_value(json_object_get(j->run, "wall_ns")) / (json_int_t)NS_PER_S);
    struct tm utc;
    if (gmtime_r(&wall, &utc) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &utc);
    text_add(to, "meshproof %s  ", report->version);
    report_add_clean(to, report->plan != NULL ? report->plan->suite : "");
    text_add(to, "  run %s  seed %s  %s by %s\n%s", report_run_text(j, "run"),
             report_run_text(j, "seed"), report_policy_text(j, "target"),
             report_policy_text(j, "driver"), when);
    uint64_t zero = report_zero_ns(j), end = zero;
    for (size_t i = 0; i < j->phase_count; i++) {
        if (j->phases[i].t1_ns != UINT64_MAX && j->phases[i].t1_ns > end)
            end = j->phases[i].t1_ns;
    }
    text_add(to, ", ");
    add_span(to, end - zero);
    text_add(to, "   policy ");
    report_add_clean(to, json_string_value(json_object_get(j->policy, "paths")));
    size_t findings = json_array_size(json_object_get(j->policy, "findings"));
    text_add(to, " (");
    add_count(to, (uint64_t)json_integer_value(json_object_get(j->policy, "objects")), "object",
              "objects");
    if (findings == 0)
        text_add(to, ", lint clean)");
    else
        text_add(to, ", %zu lint finding%s)", findings, findings == 1 ? "" : "s");
    add_programmed(to, j);
    text_add(to, "   journal ");
    report_add_clean(to, j->path);
    text_add(to, ", ");
    add_count(to, journal_row_count(j), "record", "records");
    text_add(to, ", checksum %s\n", journal_checksum_good(j) ? "good" : "WRONG");
}

/* The source mark at its column, or on a line of its own where the text is too long. */
static void add_mark(struct text *to, size_t line_start, struct source source, const char *origin)
{
    char mark[200];
    if (source_format(source, false, mark, sizeof(mark)) == 0) {
        if (origin == NULL)
            return;
        snprintf(mark, sizeof(mark), "%s", origin);
    }
    if (to->len - line_start + 2 > MARK_COLUMN && to->len - line_start + strlen(mark) + 3 > WIDTH) {
        text_add(to, "\n");
        line_start = to->len;
    }
    if (to->len - line_start < MARK_COLUMN)
        text_pad(to, line_start, MARK_COLUMN, 0);
    else
        text_add(to, "   ");
    report_add_clean(to, mark);
}

static void add_see(const struct report *report, const struct verdict *v, struct text *to)
{
    char name[128];
    if (v->witness_hi == 0 && v->witness_lo == 0)
        return;
    request_name_print(report->journal, v->witness_hi, v->witness_lo, name, sizeof(name));
    text_add(to, "   see: meshproof show %s --request %s", report_run_text(report->journal, "run"),
             name);
}

static void add_line(struct text *to, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    text_add(to, "        %-8s ", label);
    report_add_clean(to, text);
    text_add(to, "\n");
}

/* " (accepted until 2026-12-31, ticket PAY-12)". */
static void add_accepted(const struct accepted *a, struct text *to)
{
    char said[200];
    text_add(to, " (");
    report_add_clean(to, accepted_print(a, said, sizeof(said)));
    text_add(to, ")");
}

/* Who answers for it, and why; past its day also that it gates again. */
static void add_owner(const struct accepted *a, struct text *to)
{
    char said[200];
    text_add(to, "        %-8s ", "owner");
    report_add_clean(to, a->owner);
    text_add(to, ": ");
    report_add_clean(to, a->reason);
    if (!a->stands) {
        text_add(to, "; ");
        report_add_clean(to, accepted_print(a, said, sizeof(said)));
    }
    text_add(to, "\n");
}

/* What the scenario lacks here is told at its head, and not with each claim. */
static bool is_told_above(const struct report *report, const struct judged *d)
{
    return d->verdict.why == WHY_CAPABILITY && report_lacks(report, d->scenario) &&
           strncmp(d->verdict.text, "needs ", 6) == 0;
}

static void add_block(const struct report *report, const struct judged *d, struct text *to)
{
    const struct verdict *v = &d->verdict;
    char mark[200];
    size_t start = to->len;
    text_add(to, "  %s", verdict_kind_name(v->kind));
    if (d->accepted != NULL && d->accepted->stands)
        add_accepted(d->accepted, to);
    text_add(to, "  %-14s ", d->claim->word);
    report_add_clean(to, d->on);
    text_pad(to, start, 55, 0);
    text_add(to, " (%s)\n", d->claim->id);
    start = to->len;
    if (v->policy != NULL) {
        text_add(to, "        policy   ");
        report_add_clean(to, v->policy);
        add_mark(to, start, v->policy_line, v->policy_origin);
        text_add(to, "\n");
    }
    if (v->kind == VERDICT_FAIL) {
        add_line(to, "seen", v->text);
        add_line(to, "certain", v->certain);
    } else if (!is_told_above(report, d)) {
        add_line(to, "why", v->text);
        add_line(to, "needs", v->needs);
    }
    if (d->accepted != NULL)
        add_owner(d->accepted, to);
    add_line(to, "note", d->note);
    if (source_format(d->asked_by, false, mark, sizeof(mark)) > 0) {
        text_add(to, "        asked by ");
        report_add_clean(to, mark);
        add_see(report, v, to);
        text_add(to, "\n");
    }
}

static void add_pass(const struct judged *d, struct text *to)
{
    size_t start = to->len;
    text_add(to, "  %s  %-14s ", verdict_kind_name(d->verdict.kind), d->claim->word);
    report_add_clean(to, d->on);
    text_pad(to, start, 44, 0);
    text_add(to, "  ");
    report_add_clean(to, d->verdict.text);
    if (d->verdict.policy_line.file != NULL) {
        char mark[200];
        size_t n = source_format(d->verdict.policy_line, false, mark, sizeof(mark));
        if (to->len - start + n + 3 > WIDTH) {
            text_add(to, "\n");
            start = to->len;
            text_pad(to, start, 46, 0);
            report_add_clean(to, mark);
        } else {
            text_add(to, "   ");
            report_add_clean(to, mark);
        }
    }
    text_add(to, "\n");
}

static bool in_phase(const struct judged *d, uint32_t scenario, uint32_t ordinal)
{
    return d->scenario == scenario && d->ordinal == ordinal && arm_is_subject(d->arm);
}

static bool is_await(const struct judged *d)
{
    return strncmp(d->claim->id, "await.", 6) == 0;
}

/* The awaits of one word that a phase met, on one line: told with the first of them. */
static void add_met(const struct judgement *g, size_t first, struct text *to)
{
    const struct judged *d = &g->verdicts[first];
    size_t met = 0;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *other = &g->verdicts[i];
        if (other->claim != d->claim || other->verdict.kind != VERDICT_PASS ||
            !in_phase(other, d->scenario, d->ordinal))
            continue;
        if (i < first)
            return;
        if (met == 0)
            text_add(to, "  %s  %-14s ", verdict_kind_name(VERDICT_PASS), d->claim->word);
        else
            text_add(to, ", ");
        met++;
        report_add_clean(to, other->on);
        text_add(to, " ");
        report_add_clean(to, other->verdict.text);
    }
    text_add(to, "\n");
}

static bool same_step(const struct judged *a, const struct judged *b)
{
    return a->scenario == b->scenario && a->ordinal == b->ordinal && arm_is_subject(b->arm) &&
           strcmp(a->claim->word, b->claim->word) == 0 && a->asked_by.line == b->asked_by.line &&
           (a->on == NULL) == (b->on == NULL) && (a->on == NULL || strcmp(a->on, b->on) == 0);
}

/* Nothing of what a step asks could be judged: nobody's question goes without a word. Told with the
 * first of its claims. */
static bool is_unanswered(const struct judgement *g, size_t i)
{
    for (size_t k = 0; k < g->verdict_count; k++)
        if (same_step(&g->verdicts[i], &g->verdicts[k]) &&
            (k < i || g->verdicts[k].verdict.kind != VERDICT_NOT_APPLICABLE))
            return false;
    return true;
}

static void add_verdicts(const struct report *report, uint32_t scenario, uint32_t ordinal,
                         struct text *to)
{
    static const enum verdict_kind order[] = {VERDICT_FAIL, VERDICT_INCONCLUSIVE, VERDICT_PASS,
                                              VERDICT_NOT_APPLICABLE};
    const struct judgement *g = report->judgement;
    for (size_t k = 0; k < COUNT_OF(order); k++) {
        bool all = order[k] != VERDICT_NOT_APPLICABLE || report->all;
        for (size_t i = 0; i < g->verdict_count; i++) {
            const struct judged *d = &g->verdicts[i];
            if (!in_phase(d, scenario, ordinal) || d->verdict.kind != order[k] ||
                (!all && !is_unanswered(g, i)))
                continue;
            if (order[k] == VERDICT_PASS && is_await(d))
                add_met(g, i, to);
            else if (order[k] == VERDICT_PASS || order[k] == VERDICT_NOT_APPLICABLE)
                add_pass(d, to);
            else
                add_block(report, d, to);
        }
    }
}

/* How a phase ended that did not end by the clock. */
static const char *ended_by(const char *why)
{
    if (strcmp(why, "event") == 0)
        return "what it waited for";
    return strcmp(why, "late") == 0 ? "an await that was late" : why;
}

static void add_phase(const struct report *report, const struct judged_phase *p, struct text *to)
{
    char warmup[32];
    text_add(to, " phase \"");
    report_add_clean(to, p->name);
    text_add(to, "\"  ");
    if (p->t1_ns == UINT64_MAX)
        text_add(to, "never ended");
    else
        add_span(to, p->blocks > 0 ? p->active_ns : p->t1_ns - p->t0_ns);
    if (p->blocks > 1)
        text_add(to, " in %u blocks", p->blocks);
    if (p->why != NULL && strcmp(p->why, "clock") != 0) {
        text_add(to, " (ended by ");
        report_add_clean(to, ended_by(p->why));
        text_add(to, ")");
    }
    text_add(to, ", ");
    add_count(to, p->requests, "request", "requests");
    if (p->warmup > 0)
        text_add(to, " (%s of them warm-up)", text_grouped(p->warmup, warmup, sizeof(warmup)));
    text_add(to, ", ");
    add_count(to, p->tries, "try", "tries");
    if (p->tainted_ppm > 10000)
        text_add(to, ", %.0f %% of it is no evidence (stalls)", (double)p->tainted_ppm / 10000.0);
    text_add(to, "\n");
    text_faults_add(report, p, to);
    aborted_add_stop(report, p, to);
    /* What a repeat said is in the verdict of the phase itself, what the parts of a paused one said
     * in one verdict. */
    if (!p->again && p->part + 1 >= p->parts)
        add_verdicts(report, p->scenario, p->ordinal, to);
}

static void add_lacks(const struct report *report, uint32_t scenario, struct text *to)
{
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(report->journal->policy, "missing"), i, row)
    {
        if (json_integer_value(json_object_get(row, "scenario")) != (json_int_t)scenario)
            continue;
        text_add(to, " not walked: it needs ");
        report_add_clean(to, json_string_value(json_object_get(row, "need")));
        text_add(to, "\n");
        add_line(to, "why", json_string_value(json_object_get(row, "text")));
        add_line(to, "needs", json_string_value(json_object_get(row, "remedy")));
    }
}

/* A scenario that lacks something here was not walked: what, is told before its claims. */
static void add_unwalked(const struct report *report, uint32_t scenario, struct text *to)
{
    const struct scenario *s = &report->plan->scenarios[scenario];
    add_lacks(report, scenario, to);
    for (size_t i = 0; i < s->phase_count; i++) {
        text_add(to, " phase \"");
        report_add_clean(to, s->phases[i].name);
        text_add(to, "\"  not walked\n");
        add_verdicts(report, scenario, (uint32_t)i, to);
    }
}

/* The policy says something of these, and the outcome above says nothing of them. */
static void add_unasked(const struct report *report, uint32_t scenario, struct text *to)
{
    const struct scenario *s = report->plan == NULL ? NULL : &report->plan->scenarios[scenario];
    for (size_t i = 0; s != NULL && i < s->unasked_count; i++) {
        const struct unasked *u = &s->unasked[i];
        for (size_t k = 0; k < u->claim_count; k++) {
            text_add(to, "%s", k == 0 ? " not asked: " : ", ");
            report_add_clean(to, u->claims[k]);
        }
        text_add(to, "\n");
        add_line(to, "why", u->why);
    }
}

static enum verdict_kind scenario_outcome(const struct judgement *g, uint32_t scenario)
{
    enum verdict_kind worst = VERDICT_PASS;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (d->scenario != scenario || !d->gates || d->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        if (d->verdict.kind > worst)
            worst = d->verdict.kind;
    }
    return worst;
}

static bool has_phases(const struct judgement *g, uint32_t scenario)
{
    for (size_t i = 0; i < g->phase_count; i++)
        if (g->phases[i].scenario == scenario)
            return true;
    return false;
}

/* "  linkerd@2.19, in turn with istio and none". */
static void add_arm(const struct report *report, uint32_t scenario, struct text *to)
{
    const struct plan *plan = report->plan;
    const struct scenario *s = plan == NULL ? NULL : &plan->scenarios[scenario];
    size_t told = 0;
    if (s == NULL || s->arm == NULL)
        return;
    text_add(to, " ");
    report_add_clean(to, s->mesh.word);
    text_add(to, "%s", s->mesh.version == NULL ? "" : "@");
    report_add_clean(to, s->mesh.version);
    text_add(to, " in turn with ");
    for (size_t i = 0; i < plan->scenario_count; i++) {
        if (i == scenario || !plan_same_arms(s, &plan->scenarios[i]))
            continue;
        text_add(to, "%s", told++ == 0 ? "" : ", ");
        report_add_clean(to, plan->scenarios[i].arm);
    }
    text_add(to, "%s\n", plan_is_control_arm(s) ? "; nothing of it gates" : "");
}

static void add_quarantine(const struct report *report, uint32_t scenario, struct text *to)
{
    const struct scenario *s = report->plan == NULL ? NULL : &report->plan->scenarios[scenario];
    if (s == NULL || s->quarantine_until == NULL)
        return;
    text_add(to, " quarantine until ");
    report_add_clean(to, s->quarantine_until);
    text_add(to, ", ");
    report_add_clean(to, s->quarantine_owner);
    text_add(to, ": ");
    report_add_clean(to, s->quarantine_reason);
    text_add(to, "%s\n",
             hearing_in_quarantine(report->journal, s) ? "; nothing of it gates"
                                                       : "; that day is over, and it gates again");
}

static void add_scenario(const struct report *report, uint32_t scenario, const char *name,
                         struct text *to)
{
    const struct judgement *g = report->judgement;
    enum verdict_kind worst = scenario_outcome(g, scenario);
    bool refused = !has_phases(g, scenario) && people_asked(report, scenario);
    bool cut = worst != VERDICT_FAIL && (aborted_is_cut(report, scenario) || refused);
    const char *outcome = cut ? "ABORTED" : verdict_kind_name(worst);
    text_add(to, "\n");
    size_t start = to->len;
    text_add(to, "scenario \"");
    report_add_clean(to, name);
    text_add(to, "\"");
    text_pad(to, start, WIDTH - 3 - strlen(outcome), 0);
    text_add(to, "   %s\n", outcome);
    add_arm(report, scenario, to);
    add_quarantine(report, scenario, to);
    people_add(report, scenario, to);
    for (size_t i = 0; i < g->phase_count; i++) {
        if (g->phases[i].scenario == scenario)
            add_phase(report, &g->phases[i], to);
    }
    if (report_lacks(report, scenario))
        add_unwalked(report, scenario, to);
    bool headed = false;
    for (size_t i = 0; i < g->verdict_count && !headed; i++) {
        if (in_phase(&g->verdicts[i], scenario, UINT32_MAX))
            headed = true;
    }
    if (headed) {
        text_add(to, " over the whole scenario\n");
        add_verdicts(report, scenario, UINT32_MAX, to);
    }
    add_unasked(report, scenario, to);
}

static void add_controls(const struct report *report, struct text *to)
{
    const struct judgement *g = report->judgement;
    if (g->control_count == 0)
        return;
    text_add(to, "controls ");
    for (size_t i = 0; i < g->control_count; i++) {
        const struct judged_control *c = &g->controls[i];
        bool right = strcmp(c->name, "right") == 0;
        text_add(to, "%s%s mesh ", i == 0 ? "" : ", ", right ? "right" : "broken");
        if (!right)
            text_add(to, "(%s: %s) ", c->name, c->claim == NULL ? "no claim" : c->claim);
        text_add(to, "%s%s", verdict_kind_name(c->kind),
                 c->as_it_must ? " as it must" : ", NOT as it must");
        if (!c->as_it_must && c->text != NULL) {
            text_add(to, ": ");
            report_add_clean(to, c->text);
        }
    }
    text_add(to, "\n");
}

static void add_last(const struct report *report, struct text *to)
{
    const struct judgement *g = report->judgement;
    int code = report_exit(report);
    char span[40], stalls[32];
    if (g->stall_count == 0)
        text_add(to, "stalls of our own loops: none over 8 ms\n");
    else
        text_add(
            to,
            "stalls of our own loops over 8 ms: %s, the longest %s: those spans are no "
            "evidence\n",
            text_grouped(g->stall_count, stalls, sizeof(stalls)),
            units_print_duration(g->longest_stall_ns / NS_PER_MS * NS_PER_MS, span, sizeof(span)));
    if (g->lost_records > 0)
        text_add(to, "lost      %llu records of the journal\n",
                 (unsigned long long)g->lost_records);
    aborted_add_end(report, to);
    if (report_ending(report->journal) != ENDED_COMPLETE) {
        text_add(to, "ended     ");
        report_add_clean(to, report->journal->end_how == NULL ? "the run did not end"
                                                              : report->journal->end_how);
        text_add(to, "\n");
    }
    if (!journal_checksum_good(report->journal))
        text_add(to, "altered   the journal's rows are not those that the run wrote: they are no "
                     "evidence for a PASS\n");
    text_add(to, "%s%s ", report_outcome(code), code == 3 ? aborted_by(report) : "");
    if (g->fail > 0)
        text_add(to, " %zu fail,", g->fail);
    if (g->accepted > 0)
        text_add(to, " %zu accepted,", g->accepted);
    if (g->inconclusive > 0)
        text_add(to, " %zu inconclusive,", g->inconclusive);
    text_add(to, " %zu pass of %zu     exit %d", g->pass, g->pass + g->fail + g->inconclusive,
             code);
    if (code == 2)
        text_add(to, " (--on-inconclusive keep)");
    text_add(to, "     again: meshproof run --rerun %s\n", report_run_text(report->journal, "run"));
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    struct text t;
    text_init(&t, (size_t)16 * 1024 * 1024);
    add_head(report, &t);
    const struct judgement *g = report->judgement;
    uint32_t scenario = UINT32_MAX;
    for (size_t i = 0; i < g->phase_count; i++) {
        if (g->phases[i].scenario == scenario)
            continue;
        scenario = g->phases[i].scenario;
        const char *name = "?";
        if (report->plan != NULL && scenario < report->plan->scenario_count)
            name = report->plan->scenarios[scenario].name;
        add_scenario(report, scenario, name, &t);
    }
    /* Nothing of it was run: something is missing here, or somebody did not agree. */
    for (uint32_t i = 0; report->plan != NULL && i < report->plan->scenario_count; i++)
        if (report_lacks(report, i) || (!has_phases(g, i) && people_asked(report, i)))
            add_scenario(report, i, report->plan->scenarios[i].name, &t);
    text_add(&t, "\n");
    add_controls(report, &t);
    add_last(report, &t);
    bool ok = !t.full && fwrite(text_get(&t), 1, t.len, to) == t.len;
    if (t.full)
        error_set(err, ERROR_LIMIT, "the text report is longer than the %zu bytes allowed",
                  t.max_bytes);
    else if (!ok)
        error_set(err, ERROR_SYSTEM, "the text report could not be written");
    text_release(&t);
    return ok;
}

const struct report_writer report_writer_text = {"text", "what people read on a terminal", write};
