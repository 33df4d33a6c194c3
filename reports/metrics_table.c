/* The mesh's own counters against the wire: a table, each difference a bar, in the window in which
 * the judge compared them. */
#include "reports/chart.h"
#include "reports/html_text.h"
#include "reports/scene.h"
#include "verify/metrics.h"

#include <stdlib.h>

#define TABLE_MOST_BYTES ((size_t)256 * 1024)
#define EDGES_MOST 6

struct counter {
    enum meaning meaning;
    const char *claim;
};
static const struct counter counters[] = {
    {MEANING_REQUESTS, "metrics.requests"},     {MEANING_RETRIES, "metrics.retries"},
    {MEANING_TRY_TIMEOUTS, "metrics.timeouts"}, {MEANING_TIMEOUTS, "metrics.timeouts"},
    {MEANING_STATUS_2XX, "metrics.statuses"},   {MEANING_STATUS_3XX, "metrics.statuses"},
    {MEANING_STATUS_4XX, "metrics.statuses"},   {MEANING_STATUS_5XX, "metrics.statuses"},
};

/* What the wire says of a counter; false: it has no bounds of its own. */
static bool wire_of(const struct wire *w, enum meaning m, struct metrics_bounds *ret)
{
    if (m == MEANING_REQUESTS)
        *ret = w->tries;
    else if (m == MEANING_RETRIES)
        *ret = w->retries;
    else if (m >= MEANING_STATUS_1XX && m <= MEANING_STATUS_5XX)
        *ret = w->status[m - MEANING_STATUS_1XX];
    else if (m == MEANING_TRY_TIMEOUTS)
        *ret = (struct metrics_bounds){w->cut_try.least, w->cut.most};
    else if (m == MEANING_TIMEOUTS)
        *ret = (struct metrics_bounds){w->cut_whole.least, w->cut.most};
    else
        return false;
    return true;
}

static const struct judged *verdict_of(const struct scene *s, const struct scene_edge *e,
                                       const char *claim)
{
    const struct judgement *g = s->report->judgement;
    const struct judged *found = NULL;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        bool edge = d->on != NULL && strstr(d->on, " -> ") != NULL;
        bool on = d->on == NULL ||
                  (edge ? strcmp(d->on, e->name) == 0 : scene_is_on(d->on, e->policy->to));
        if (strncmp(d->claim->id, claim, strlen(claim)) != 0 || d->scenario != e->scenario ||
            strcmp(d->arm, SUBJECT) != 0 || !on || d->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        if (found == NULL ||
            verdict_worse(found->verdict.kind, d->verdict.kind) != found->verdict.kind)
            found = d;
    }
    return found;
}

/* The phase that the verdict is of; NULL: the whole scenario. */
static const struct journal_phase *phase_of(const struct scene *s, const struct judged *d)
{
    for (size_t i = 0; d != NULL && i < s->phase_count; i++)
        if (s->phases[i]->scenario == d->scenario && s->phases[i]->ordinal == d->ordinal)
            return s->phases[i];
    return NULL;
}

static void add_verdict(struct text *to, const struct judged *d, bool agrees)
{
    static const char *const classes[] = {"pass", "inc", "fail", "inc"};
    if (d == NULL) {
        text_add(to, "<td>%s</td></tr>\n", agrees ? "agrees" : "differs");
        return;
    }
    const char *class = classes[d->verdict.kind];
    text_add(to,
             "<td><span class=\"v %s\"><svg class=\"g\" aria-hidden=\"true\"><use "
             "href=\"#v-%s\"/></svg>%s</span></td></tr>\n",
             class, class, verdict_kind_name(d->verdict.kind));
}

/* The mesh's own name of each counter, to be searched for. */
static void find_names(const struct journal *j, const char *names[MEANINGS])
{
    for (size_t i = 0; i < j->metric_count; i++) {
        const struct metric_record *r = &j->metrics[i].r;
        enum meaning m = meaning_of(journal_name(j, r->name), journal_name(j, r->labels));
        if (m != MEANINGS && names[m] == NULL)
            names[m] = journal_name(j, r->name);
    }
}

/* A long name may be broken behind its underscores. */
static void add_name(struct text *to, const char *name)
{
    struct bytes rest = bytes_of(name);
    while (rest.len > 0) {
        size_t part = bytes_find(rest, '_');
        part = part < rest.len ? part + 1 : rest.len;
        html_bytes(to, (struct bytes){rest.at, part});
        rest = (struct bytes){rest.at + part, rest.len - part};
        if (rest.len > 0)
            text_add(to, "<wbr>");
    }
}

static void add_row(struct text *to, const char *name, uint64_t mesh,
                    const struct metrics_bounds *wire, const struct judged *d, bool *ret_agrees)
{
    bool agrees = mesh >= wire->least && mesh <= wire->most;
    char number[32];
    uint64_t off = mesh < wire->least  ? wire->least - mesh
                   : mesh > wire->most ? mesh - wire->most
                                       : 0;
    text_add(to, "<tr%s><th scope=\"row\" class=\"m\">",
             d != NULL && d->verdict.kind == VERDICT_FAIL && !agrees ? " class=\"r-fail\"" : "");
    add_name(to, name);
    text_add(to, "</th><td class=\"num\">%s</td><td class=\"num\">",
             text_grouped(mesh, number, sizeof(number)));
    html_count(to, wire->least);
    if (wire->most != wire->least)
        text_add(to, " to %s", text_grouped(wire->most, number, sizeof(number)));
    text_add(to, "</td><td class=\"num\">%s%s</td>",
             off == 0             ? ""
             : mesh < wire->least ? "\xE2\x88\x92"
                                  : "+",
             text_grouped(off, number, sizeof(number)));
    add_verdict(to, agrees && d != NULL && d->verdict.kind == VERDICT_FAIL ? NULL : d, agrees);
    *ret_agrees = agrees;
}

/* How the counters of one edge compare; false: they were not read at two quiet moments. */
static bool add_edge(const struct scene *s, const struct scene_edge *e, struct svg *to,
                     struct text *note, const char **ret_why, struct arena *arena)
{
    const char *names[MEANINGS] = {NULL};
    struct window w;
    struct meter m;
    struct wire wire;
    struct verdict v = {.kind = VERDICT_INCONCLUSIVE};
    const struct journal_phase *phase = phase_of(s, verdict_of(s, e, "metrics."));
    if (!scene_window(s, e, phase, &w))
        return false;
    if (!meter_read(&w, &m, &v, arena)) {
        *ret_why = v.text;
        return false;
    }
    wire_read(&w, &m, &wire);
    find_names(s->journal, names);
    size_t differ = 0, rows = 0;
    struct text t;
    text_init(&t, TABLE_MOST_BYTES);
    text_add(&t, "<table class=\"plain\"><caption>");
    html_name(&t, e->shown);
    if (phase != NULL) {
        text_add(&t, ", in ");
        html_text(&t, phase->name);
    }
    text_add(&t,
             "</caption><thead><tr><th scope=\"col\">Counter</th><th scope=\"col\" "
             "class=\"num\">mesh</th><th scope=\"col\" class=\"num\">wire</th><th scope=\"col\" "
             "class=\"num\">off by</th><th scope=\"col\">agrees</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < COUNT_OF(counters); i++) {
        struct metrics_bounds bounds;
        bool agrees;
        const char *name = names[counters[i].meaning];
        if (!m.known[counters[i].meaning] || name == NULL ||
            !wire_of(&wire, counters[i].meaning, &bounds))
            continue;
        add_row(&t, name, m.value[counters[i].meaning], &bounds,
                verdict_of(s, e, counters[i].claim), &agrees);
        differ += agrees ? 0 : 1;
        rows++;
    }
    text_add(&t, "</tbody></table>\n");
    if (rows > 0)
        text_add(to->to, "%s", text_get(&t));
    text_release(&t);
    if (rows == 0)
        return false;
    if (differ > 0)
        text_add(note, "%zu of %zu counters of %.80s differ from the wire. ", differ, rows,
                 e->shown);
    else
        text_add(note, "All %zu counters of %.80s agree with the wire. ", rows, e->shown);
    return true;
}

bool chart_metrics(const struct report *report, struct svg *to, struct chart_note *ret,
                   struct error *err)
{
    struct scene *own;
    const struct scene *s = scene_get(report, &own);
    struct arena arena;
    struct text note;
    const char *why = NULL;
    size_t drawn = 0;
    bool wanted = false;
    (void)err;
    arena_init(&arena, (size_t)1024 * 1024);
    text_init(&note, sizeof(ret->text) - 1);
    for (size_t i = 0; i < s->edge_count; i++)
        wanted = wanted || verdict_of(s, &s->edges[i], "metrics.") != NULL;
    for (size_t i = 0; i < s->edge_count && drawn < EDGES_MOST; i++) {
        bool asked = verdict_of(s, &s->edges[i], "metrics.") != NULL;
        /* where nobody asked, one edge is enough to show that they were read */
        if (report->journal->metric_count > 0 && (asked || (!wanted && drawn == 0)) &&
            add_edge(s, &s->edges[i], to, &note, &why, &arena))
            drawn++;
    }
    snprintf(ret->text, sizeof(ret->text), "%s", text_get(&note));
    if (drawn == 0) {
        ret->left_out = true;
        ret->asked_for = wanted;
        snprintf(ret->text, sizeof(ret->text), "no counters against the wire: %s",
                 why == NULL ? "the mesh's counters were not read" : why);
    }
    text_release(&note);
    arena_release(&arena);
    scene_free(own);
    return true;
}
