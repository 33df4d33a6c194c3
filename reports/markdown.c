#include "reports/report.h"
#include "journal/arm.h"
#include "verify/exception.h"

/* Markdown for a code review or a CI summary (GITHUB_STEP_SUMMARY): what failed and what is open in
 * a table, what passed folded away. Every text of the journal is escaped: none becomes a link, a
 * picture, an HTML element or a cell of its own. */

/* CI systems cut a long summary, or refuse it whole: each table ends before that. */
#define ROWS_MOST 200

/* One cell's text: characters with a meaning in Markdown get a backslash, those of HTML a name.
 * The bare links of GitHub's dialect are broken up. */
static void add_escaped(struct text *to, const char *from)
{
    for (const char *p = from; p != NULL && *p != '\0'; p++) {
        char one[2] = {*p, '\0'};
        bool link = (*p == ':' && p[1] == '/') || (*p == '.' && p - from >= 3 && p[-1] == 'w');
        if (*p == '<')
            text_add(to, "&lt;");
        else if (*p == '>')
            text_add(to, "&gt;");
        else if (*p == '&')
            text_add(to, "&amp;");
        else if (link || strchr("\\`*_{}[]()#!|~@", *p) != NULL)
            text_add(to, "\\%c", *p);
        else
            report_add_clean(to, one);
    }
}

static void add_policy(const struct verdict *v, struct text *to)
{
    char mark[200];
    add_escaped(to, v->policy);
    if (source_format(v->policy_line, false, mark, sizeof(mark)) == 0)
        return;
    if (v->policy != NULL)
        text_add(to, ", ");
    add_escaped(to, mark);
}

static void add_seen(const struct report *report, const struct verdict *v, struct text *to)
{
    char name[128];
    add_escaped(to, v->text);
    if (v->needs != NULL && v->needs[0] != '\0') {
        text_add(to, "; needs ");
        add_escaped(to, v->needs);
    }
    if (v->witness_hi == 0 && v->witness_lo == 0)
        return;
    request_name_print(report->journal, v->witness_hi, v->witness_lo, name, sizeof(name));
    text_add(to, "; see request ");
    add_escaped(to, name);
}

static void add_row(const struct report *report, const struct judged *d, struct text *to)
{
    bool strong = d->verdict.kind == VERDICT_FAIL && d->gates;
    char said[200];
    text_add(to, "| %s%s%s", strong ? "**" : "", verdict_kind_name(d->verdict.kind),
             strong ? "**" : "");
    if (d->accepted != NULL) {
        text_add(to, " (");
        add_escaped(to, accepted_print(d->accepted, said, sizeof(said)));
        text_add(to, ")");
    }
    text_add(to, " | ");
    add_escaped(to, d->claim->id);
    text_add(to, " | ");
    add_escaped(to, d->on);
    text_add(to, " | ");
    add_escaped(to, d->phase_name == NULL ? "the whole scenario" : d->phase_name);
    if (strcmp(d->arm, ARM_SUBJECT) != 0) {
        text_add(to, ", arm ");
        add_escaped(to, arm_shown(d->arm));
    }
    text_add(to, " | ");
    add_seen(report, &d->verdict, to);
    text_add(to, " | ");
    add_policy(&d->verdict, to);
    text_add(to, " |\n");
}

static bool is_of(const struct judged *d, enum verdict_kind kind)
{
    return d->verdict.kind == kind && arm_is_subject(d->arm);
}

static size_t count_of(const struct judgement *g, enum verdict_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < g->verdict_count; i++)
        count += is_of(&g->verdicts[i], kind);
    return count;
}

static void add_table_head(struct text *to)
{
    text_add(to, "\n| verdict | claim | on | phase | seen | policy |\n|---|---|---|---|---|---|\n");
}

/* At most ROWS_MOST; returns how many were left out. */
static size_t add_rows(const struct report *report, enum verdict_kind kind, struct text *to)
{
    const struct judgement *g = report->judgement;
    size_t told = 0, left = 0;
    for (size_t i = 0; i < g->verdict_count; i++) {
        if (!is_of(&g->verdicts[i], kind))
            continue;
        if (told == ROWS_MOST) {
            left++;
            continue;
        }
        add_row(report, &g->verdicts[i], to);
        told++;
    }
    return left;
}

static void add_left(const struct report *report, size_t left, const char *kind, struct text *to)
{
    if (left == 0)
        return;
    text_add(to, "\n%zu more %s are left out here: `meshproof report %s` tells them\n", left, kind,
             report_run_text(report->journal, "run"));
}

static void add_verdicts(const struct report *report, struct text *to)
{
    const struct judgement *g = report->judgement;
    size_t passed = count_of(g, VERDICT_PASS);
    if (count_of(g, VERDICT_FAIL) + count_of(g, VERDICT_INCONCLUSIVE) > 0) {
        add_table_head(to);
        size_t failures = add_rows(report, VERDICT_FAIL, to);
        size_t open = add_rows(report, VERDICT_INCONCLUSIVE, to);
        add_left(report, failures, "failures", to);
        add_left(report, open, "inconclusive claims", to);
    }
    if (passed == 0)
        return;
    text_add(to, "\n<details><summary>%zu passed</summary>\n", passed);
    add_table_head(to);
    add_left(report, add_rows(report, VERDICT_PASS, to), "passes", to);
    text_add(to, "\n</details>\n");
}

/* What the policy says and no phase asks: the outcome says nothing of it. */
static void add_unasked(const struct plan *plan, struct text *to)
{
    for (size_t i = 0; plan != NULL && i < plan->scenario_count; i++) {
        const struct scenario *s = &plan->scenarios[i];
        for (size_t k = 0; k < s->unasked_count; k++) {
            const struct unasked *u = &s->unasked[k];
            text_add(to, "\nNot asked in ");
            add_escaped(to, s->name);
            for (size_t n = 0; n < u->claim_count; n++) {
                text_add(to, "%s", n == 0 ? ": " : ", ");
                add_escaped(to, u->claims[n]);
            }
            text_add(to, ": ");
            add_escaped(to, u->why);
            text_add(to, "\n");
        }
    }
}

static void add_controls(const struct judgement *g, struct text *to)
{
    for (size_t i = 0; i < g->control_count; i++) {
        const struct judged_control *c = &g->controls[i];
        text_add(to, "%s", i == 0 ? "\nControls: " : ", ");
        add_escaped(to, c->name);
        text_add(to, " %s%s", verdict_kind_name(c->kind),
                 c->as_it_must ? " as it must" : ", **not as it must**");
    }
    if (g->control_count > 0)
        text_add(to, "\n");
}

static void add_head(const struct report *report, struct text *to)
{
    const struct journal *j = report->journal;
    const struct judgement *g = report->judgement;
    int code = report_exit(report);
    text_add(to, "## %s: meshproof run ", report_outcome(code));
    add_escaped(to, report_run_text(j, "run"));
    text_add(to, "\n\n%zu fail, %zu inconclusive, %zu pass; exit %d. ", g->fail, g->inconclusive,
             g->pass, code);
    add_escaped(to, report->plan == NULL ? "" : report->plan->suite);
    text_add(to, ", policy ");
    add_escaped(to, report_policy_text(j, "paths"));
    text_add(to, " as ");
    add_escaped(to, report_policy_text(j, "target"));
    text_add(to, " by ");
    add_escaped(to, report_policy_text(j, "driver"));
    text_add(to, ", seed ");
    add_escaped(to, report_run_text(j, "seed"));
    text_add(to, ", meshproof %s.\n", report->version);
    if (report_ending(j) != ENDED_COMPLETE) {
        text_add(to, "\nEnded: ");
        add_escaped(to, j->end_how == NULL ? "the run did not end" : j->end_how);
        text_add(to, "\n");
    }
    if (!journal_checksum_good(j))
        text_add(to, "\nThe journal's rows are not those that the run wrote.\n");
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    struct text t;
    text_init(&t, (size_t)16 * 1024 * 1024);
    add_head(report, &t);
    add_verdicts(report, &t);
    add_unasked(report->plan, &t);
    add_controls(report->judgement, &t);
    text_add(&t, "\n");
    bool ok = !t.full && fwrite(text_get(&t), 1, t.len, to) == t.len;
    text_release(&t);
    return ok || error_set(err, ERROR_SYSTEM, "the Markdown report could not be written whole");
}

const struct report_writer report_writer_markdown = {"markdown",
                                                     "for a code review or a CI summary", write};
