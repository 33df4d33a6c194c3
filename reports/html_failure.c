#include "reports/html.h"

#include "base/clock.h"
#include "reports/cause.h"
#include "reports/scene.h"
#include "reports/tries.h"
#include "verify/backoff.h"

/* One offending request, step by step: as a list first on narrow screens, and as a drawing. */

static void add_ms(struct text *to, uint64_t from_ns, uint64_t at_ns)
{
    uint64_t tenths = at_ns > from_ns ? (at_ns - from_ns + 50000) / 100000 : 0;
    text_add(to, "%llu.%llu ms", (unsigned long long)(tenths / 10),
             (unsigned long long)(tenths % 10));
}

/* The policy of the edge that the request went over; NULL: its tries are not of that edge. */
static const struct edge_policy *policy_of(const struct html *h, const struct tries *t)
{
    const struct scene *s = h->report->scene;
    if (t->request == NULL || s == NULL || h->shown == NULL)
        return NULL;
    const char *name = journal_name(h->report->journal, t->request->edge);
    for (size_t i = 0; i < s->edge_count; i++) {
        if (s->edges[i].scenario == h->shown->scenario && strcmp(s->edges[i].name, name) == 0)
            return s->edges[i].policy;
    }
    return NULL;
}

bool html_band(const struct html *h, const struct tries *t, size_t i, struct text *to)
{
    const struct edge_policy *edge = policy_of(h, t);
    if (edge == NULL || i == 0 || i > edge->retry.attempts.number || !edge->retry.backoff_base.set)
        return false;
    for (size_t k = 0; k < t->lane_count; k++) {
        if (strcmp(t->lanes[k].service, edge->to) != 0)
            return false; /* tries of several hops: which gap is whose is not said here */
    }
    text_add(to, "declared ");
    html_fixed(to, (int64_t)(backoff_least_ns(edge, (uint32_t)i) / (NS_PER_MS / 10)), 1);
    text_add(to, " to ");
    html_fixed(to, (int64_t)(backoff_most_ns(edge, (uint32_t)i) / (NS_PER_MS / 10)), 1);
    text_add(to, " ms");
    return true;
}

static void add_outcome(struct html *h, const struct tries *t, size_t i)
{
    const struct attempt_record *r = &t->rows[i]->r;
    const char *reason = tries_reason(t, t->rows[i]);
    if (tries_left(r)) {
        text_add(h->to, "no answer in ");
        add_ms(h->to, 0, r->left);
    } else if (r->out == 0) {
        text_add(h->to, "no answer");
    } else {
        if (r->outcome == OUTCOME_RESET_BY_FAULT || r->outcome == OUTCOME_UPSTREAM_RESET)
            text_add(h->to, "reset%s", r->status != 0 ? " within the answer" : "");
        else if (r->status != 0)
            text_add(h->to, "%u", r->status);
        else
            text_add(h->to, "closed");
        text_add(h->to, " after ");
        add_ms(h->to, 0, r->out);
    }
    if (r->fault != 0) {
        text_add(h->to, " (");
        html_text(h->to, tries_fault(t, r->fault));
        text_add(h->to, " fired)");
    }
    if (r->guarded != 0)
        text_add(h->to, " (fault withheld by the streak guard)");
    if (reason != NULL) {
        text_add(h->to, "; %s: ", record_enum_name("outcome", r->outcome));
        html_text(h->to, reason);
    }
    uint64_t ended = tries_end_ns(r);
    if (i + 1 < t->count && ended != 0 && t->rows[i + 1]->r.at > ended) {
        struct text band;
        text_init(&band, 128);
        text_add(h->to, "; back-off ");
        add_ms(h->to, ended, t->rows[i + 1]->r.at);
        if (html_band(h, t, i + 1, &band))
            text_add(h->to, ", %s", text_get(&band));
        text_release(&band);
    }
}

static void add_steps(struct html *h, const struct tries *t)
{
    bool breach = strcmp(h->shown->claim->id, "retry.max") == 0;
    text_add(h->to, "<ol class=\"steps\">");
    for (size_t i = 0; i < t->count; i++) {
        const struct attempt_row *row = t->rows[i];
        const struct journal_proc *proc = journal_proc_of(h->report->journal, row->proc);
        text_add(h->to, "<li><span class=\"m mute\">");
        add_ms(h->to, t->zero_ns, row->r.at);
        text_add(h->to, "</span> ");
        if (i == 0)
            text_add(h->to, "first try");
        else
            text_add(h->to, "<b>retry %zu</b>", i);
        if (breach && i + 1 == t->count)
            text_add(h->to, ", <b class=\"fail\">not allowed</b>");
        text_add(h->to, ", to ");
        html_text(h->to, proc == NULL || proc->service == NULL ? "?" : proc->service);
        text_add(h->to, "/%u: ", row->r.endpoint);
        add_outcome(h, t, i);
        text_add(h->to, "</li>");
    }
    text_add(h->to, "</ol>\n");
}

/* A sentence of its own, in words alone: nothing of the journal is in it. */
static void add_cause(struct html *h)
{
    struct text cause;
    text_init(&cause, 512);
    if (h->report->scene != NULL && cause_add(h->report->scene, h->shown, &cause)) {
        text_add(h->to, " ");
        html_text(h->to, text_get(&cause));
        text_add(h->to, ".");
    }
    text_release(&cause);
}

static void add_head(struct html *h, const char *name)
{
    const struct judged *d = h->shown;
    text_add(h->to, "<div class=\"box\"><div class=\"fx\"><p>");
    html_verdict(h->to, d->verdict.kind);
    text_add(h->to, " <b class=\"m\">%s</b> ", d->claim->id);
    html_policy_of(h, &d->verdict);
    text_add(h->to, "</p><p class=\"mute\">");
    html_where(h, d);
    text_add(h->to, ": ");
    html_text(h->to, d->verdict.text);
    text_add(h->to, ".");
    add_cause(h);
    text_add(h->to, "</p><pre><code>meshproof show ");
    html_text(h->to, report_run_text(h->report->journal, "run"));
    text_add(h->to, " --request ");
    html_text(h->to, name);
    text_add(h->to, "</code></pre></div>\n");
}

void html_failure(struct html *h)
{
    struct tries t;
    char name[128];
    if (h->shown == NULL)
        return;
    const struct verdict *v = &h->shown->verdict;
    request_name_print(h->report->journal, v->witness_hi, v->witness_lo, name, sizeof(name));
    if (tries_collect(h->report, v->witness_hi, v->witness_lo, &t)) {
        struct svg svg = {.to = h->to, .id = "seq", .coarse = h->coarse};
        text_add(h->to, "<section id=\"failure\" aria-labelledby=\"h-failure\"><h2 "
                        "id=\"h-failure\">First failure: request <span class=\"m\">");
        html_name(h->to, name);
        text_add(h->to, "</span>, %zu %s</h2>", t.count, t.count == 1 ? "try" : "tries");
        add_head(h, name);
        add_steps(h, &t);
        text_add(h->to, "<p class=\"hint mute\">The diagram scrolls sideways.</p>");
        html_sequence(h, &t, &svg);
        text_add(h->to, "</div>");
        html_section_end(h->to);
    }
    tries_release(&t);
}
