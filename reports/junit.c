#include "base/clock.h"
#include "reports/report.h"
#include "verify/exception.h"

/* JUnit XML: a suite a scenario, a case a claim. FAIL is a failure; INCONCLUSIVE an error, unless
 * it was told to pass, then skipped; not applicable is skipped. Characters that XML 1.0 forbids
 * never get out. */

static void add_escaped(struct text *to, const char *from)
{
    for (; from != NULL && *from != '\0'; from++) {
        switch (*from) {
        case '&':
            text_add(to, "&amp;");
            break;
        case '<':
            text_add(to, "&lt;");
            break;
        case '>':
            text_add(to, "&gt;");
            break;
        case '"':
            text_add(to, "&quot;");
            break;
        default: {
            char one[2] = {*from, '\0'};
            report_add_clean(to, one);
            break;
        }
        }
    }
}

static void add_body(const struct report *report, const struct judged *d, struct text *to)
{
    char mark[200], name[128];
    add_escaped(to, d->verdict.text);
    if (d->verdict.policy != NULL) {
        text_add(to, "\npolicy: ");
        add_escaped(to, d->verdict.policy);
        source_format(d->verdict.policy_line, false, mark, sizeof(mark));
        text_add(to, " ");
        add_escaped(to, mark);
    }
    if (d->verdict.needs != NULL) {
        text_add(to, "\nneeds: ");
        add_escaped(to, d->verdict.needs);
    }
    if (d->verdict.witness_hi != 0 || d->verdict.witness_lo != 0) {
        request_name_print(report->journal, d->verdict.witness_hi, d->verdict.witness_lo, name,
                           sizeof(name));
        text_add(to, "\nsee: meshproof show %s --request ",
                 report_run_text(report->journal, "run"));
        add_escaped(to, name);
    }
}

/* A failure that somebody answers for is told, and gates nothing. */
static bool is_told(const struct judged *d)
{
    return d->gates || (d->accepted != NULL && d->accepted->stands);
}

static void add_accepted(const struct judged *d, struct text *to)
{
    char said[200];
    text_add(to, "<skipped message=\"FAIL (");
    add_escaped(to, accepted_print(d->accepted, said, sizeof(said)));
    text_add(to, "), ");
    add_escaped(to, d->accepted->owner);
    text_add(to, ": ");
    add_escaped(to, d->accepted->reason);
    text_add(to, ": ");
    add_escaped(to, d->verdict.text);
    text_add(to, "\"/>");
}

static void add_case(const struct report *report, const struct judged *d, struct text *to)
{
    text_add(to, "  <testcase classname=\"");
    add_escaped(to, d->scenario_name);
    text_add(to, "\" name=\"%s ", d->claim->id);
    add_escaped(to, d->on);
    if (d->phase_name != NULL) {
        text_add(to, " in ");
        add_escaped(to, d->phase_name);
    }
    text_add(to, "\" time=\"0\">");
    switch (d->verdict.kind) {
    case VERDICT_PASS:
        text_add(to, "<system-out>");
        add_body(report, d, to);
        text_add(to, "</system-out>");
        break;
    case VERDICT_FAIL:
        if (!d->gates) {
            add_accepted(d, to);
            break;
        }
        text_add(to, "<failure type=\"%s\" message=\"", d->claim->id);
        add_escaped(to, d->verdict.text);
        text_add(to, "\">");
        add_body(report, d, to);
        text_add(to, "</failure>");
        break;
    case VERDICT_INCONCLUSIVE:
        if (report->on_inconclusive == INCONCLUSIVE_PASS) {
            text_add(to, "<skipped message=\"inconclusive\"/>");
            break;
        }
        text_add(to, "<error type=\"inconclusive\" message=\"");
        add_escaped(to, d->verdict.text);
        text_add(to, "\">");
        add_body(report, d, to);
        text_add(to, "</error>");
        break;
    case VERDICT_NOT_APPLICABLE:
        text_add(to, "<skipped message=\"not applicable\"/>");
        break;
    }
    text_add(to, "</testcase>\n");
}

struct tally {
    size_t tests, failures, errors, skipped;
};

static struct tally count(const struct report *report, uint32_t scenario)
{
    struct tally t = {0};
    for (size_t i = 0; i < report->judgement->verdict_count; i++) {
        const struct judged *d = &report->judgement->verdicts[i];
        if (!is_told(d) || (scenario != UINT32_MAX && d->scenario != scenario))
            continue;
        t.tests++;
        t.failures += d->verdict.kind == VERDICT_FAIL && d->gates;
        bool inconclusive = d->verdict.kind == VERDICT_INCONCLUSIVE;
        bool waived = report->on_inconclusive == INCONCLUSIVE_PASS;
        t.errors += inconclusive && !waived;
        t.skipped +=
            !d->gates || d->verdict.kind == VERDICT_NOT_APPLICABLE || (inconclusive && waived);
    }
    return t;
}

static void add_suite(const struct report *report, uint32_t scenario, const char *name,
                      struct text *to)
{
    const struct judgement *g = report->judgement;
    struct tally t = count(report, scenario);
    uint64_t from = UINT64_MAX, until = 0;
    for (size_t i = 0; i < g->phase_count; i++) {
        if (g->phases[i].scenario != scenario || g->phases[i].t1_ns == UINT64_MAX)
            continue;
        from = g->phases[i].t0_ns < from ? g->phases[i].t0_ns : from;
        until = g->phases[i].t1_ns > until ? g->phases[i].t1_ns : until;
    }
    text_add(to, " <testsuite name=\"");
    add_escaped(to, name);
    text_add(to,
             "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n",
             t.tests, t.failures, t.errors, t.skipped,
             until > from ? (double)(until - from) / (double)NS_PER_S : 0.0);
    for (size_t i = 0; i < g->verdict_count; i++) {
        if (is_told(&g->verdicts[i]) && g->verdicts[i].scenario == scenario)
            add_case(report, &g->verdicts[i], to);
    }
    text_add(to, " </testsuite>\n");
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    struct text t;
    text_init(&t, (size_t)16 * 1024 * 1024);
    const struct judgement *g = report->judgement;
    struct tally all = count(report, UINT32_MAX);
    text_add(&t,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"meshproof\" "
             "tests=\"%zu\" failures=\"%zu\" "
             "errors=\"%zu\">\n",
             all.tests, all.failures, all.errors);
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < g->verdict_count; i++) {
        if (g->verdicts[i].scenario == last || !g->verdicts[i].gates)
            continue;
        last = g->verdicts[i].scenario;
        add_suite(report, last, g->verdicts[i].scenario_name, &t);
    }
    text_add(&t, "</testsuites>\n");
    bool ok = !t.full && fwrite(text_get(&t), 1, t.len, to) == t.len;
    text_release(&t);
    return ok || error_set(err, ERROR_SYSTEM, "the JUnit report could not be written whole");
}

const struct report_writer report_writer_junit = {"junit", "for CI systems: one test case a claim",
                                                  write};
