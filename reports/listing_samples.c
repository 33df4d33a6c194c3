/* show --samples PROBE: each value of one probe, beside what a guard wants of it. */
#include "plan/probe.h"
#include "reports/listing.h"

#include "base/clock.h"
#include "base/units.h"

#define PROBES_MOST 64
#define SLOW_NS (100 * NS_PER_MS) /* an answer that took so long says so */

/* A probe, and the guard that stops a run by it. */
struct sampled {
    const struct probe_plan *probe; /* NULL: the plan has none of that name */
    const struct guard_plan *guard; /* NULL: none */
    double above, below;
    bool has_above, has_below;
};

static bool is_named(const struct probe_plan *p, const char *name)
{
    char label[256];
    return p != NULL && strcmp(probe_label(p, label, sizeof(label)), name) == 0;
}

static void look_in(const struct scenario *sc, const char *name, struct sampled *ret)
{
    for (size_t i = 0; i < sc->probe_count; i++)
        if (ret->probe == NULL && is_named(&sc->probes[i], name))
            ret->probe = &sc->probes[i];
    for (size_t i = 0; i < sc->guard_count && ret->guard == NULL; i++) {
        const struct guard_plan *g = &sc->guards[i];
        const struct probe_plan *p = g->kind != GUARD_STOP ? NULL
                                     : g->probe != NULL    ? probe_find(sc, g->probe)
                                                           : &g->own;
        if (!is_named(p, name))
            continue;
        *ret = (struct sampled){.probe = p, .guard = g};
        ret->has_above = g->above != NULL && probe_bound(p, g->above, &ret->above, NULL);
        ret->has_below = g->below != NULL && probe_bound(p, g->below, &ret->below, NULL);
    }
}

static void find(const struct scene *s, const char *name, struct sampled *ret)
{
    const struct plan *plan = s->report->plan;
    *ret = (struct sampled){0};
    for (size_t i = 0; plan != NULL && i < plan->scenario_count; i++)
        look_in(&plan->scenarios[i], name, ret);
}

static bool knows(const struct scene *s, const char *of, struct error *err)
{
    const struct journal *j = s->journal;
    const char *names[PROBES_MOST];
    char list[160] = "";
    size_t count = 0;
    for (size_t i = 0; i < j->sample_count; i++) {
        const char *name = journal_name(j, j->samples[i].r.probe);
        size_t k = 0;
        if (strcmp(name, of) == 0)
            return true;
        while (k < count && strcmp(names[k], name) != 0)
            k++;
        if (k == count && count < PROBES_MOST)
            names[count++] = name;
    }
    for (size_t i = 0; i < count; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s\"%.40s\"",
                 i == 0 ? "" : ", ", names[i]);
    if (count == 0)
        return error_set(err, ERROR_USAGE,
                         "the run has no sample of \"%.40s\", nor of any other probe", of);
    return error_set(err, ERROR_USAGE, "the run has no probe \"%.40s\"; it has %s", of, list);
}

static void add_head(const struct sampled *p, const char *of, size_t count, size_t missing,
                     struct text *to)
{
    char span[40], mark[200];
    text_add(to, "probe ");
    report_add_clean(to, of);
    text_add(to, "   %zu samples, %zu of them without a value", count, missing);
    if (p->probe != NULL && p->probe->every_ns > 0)
        text_add(to, "; asked every %s",
                 units_print_duration(p->probe->every_ns, span, sizeof(span)));
    text_add(to, "\n");
    if (p->guard == NULL)
        return;
    text_add(to, "guard stops the run when it is");
    if (p->has_above)
        text_add(to, " above %s", p->guard->above);
    if (p->has_below)
        text_add(to, "%s below %s", p->has_above ? " or" : "", p->guard->below);
    text_add(to, " for %s", units_print_duration(p->guard->over_ns, span, sizeof(span)));
    if (source_format(p->guard->source, false, mark, sizeof(mark)) > 0) {
        text_add(to, "   ");
        report_add_clean(to, mark);
    }
    text_add(to, "\n");
}

static void add_sample(const struct scene *s, const struct sampled *p,
                       const struct sample_record *r, struct text *to)
{
    char value[64], span[40];
    size_t line = to->len;
    text_add(to, "  ");
    listing_time(s, r->at, to);
    text_pad(to, line, 15, 1);
    if (r->missing != 0) {
        text_add(to, "%12s  no value: ", "-");
        report_add_clean(to, journal_name(s->journal, r->why));
        text_add(to, "\n");
        return;
    }
    if (p->probe != NULL)
        probe_print(p->probe, r->value, value, sizeof(value));
    else
        snprintf(value, sizeof(value), "%.6g", r->value);
    text_add(to, "%12s", value);
    if ((p->has_above && r->value > p->above) || (p->has_below && r->value < p->below))
        text_add(to, "  beyond");
    else if (r->answer > SLOW_NS)
        text_add(to, "  took %s",
                 units_print_duration(r->answer / NS_PER_MS * NS_PER_MS, span, sizeof(span)));
    text_add(to, "\n");
}

/* The phase that begins at or before ${t_ns}; NULL: it was before the first. */
static const struct journal_phase *phase_at(const struct scene *s, uint64_t t_ns)
{
    const struct journal_phase *found = NULL;
    for (size_t i = 0; i < s->phase_count && s->phases[i]->t0_ns <= t_ns; i++)
        found = s->phases[i];
    return found;
}

static void write(const struct scene *s, const char *of, struct text *to)
{
    const struct journal *j = s->journal;
    const struct journal_phase *now = NULL;
    struct sampled p;
    size_t count = 0, missing = 0;
    for (size_t i = 0; i < j->sample_count; i++)
        if (strcmp(journal_name(j, j->samples[i].r.probe), of) == 0) {
            count++;
            missing += j->samples[i].r.missing != 0;
        }
    find(s, of, &p);
    add_head(&p, of, count, missing, to);
    for (size_t i = 0; i < j->sample_count; i++) {
        const struct sample_record *r = &j->samples[i].r;
        const struct journal_phase *phase = phase_at(s, r->at);
        if (strcmp(journal_name(j, r->probe), of) != 0)
            continue;
        if (phase != now && phase != NULL) {
            text_add(to, " phase \"");
            report_add_clean(to, phase->name);
            text_add(to, "\"\n");
        }
        now = phase;
        add_sample(s, &p, r, to);
    }
}

static bool keeps(const struct scene *s, const char *of, enum record_kind kind, const void *row)
{
    const struct sample_row *sample = row;
    (void)kind;
    return strcmp(journal_name(s->journal, sample->r.probe), of) == 0;
}

const struct listing listing_samples = {
    .name = "samples",
    .knows = knows,
    .write = write,
    .kinds = NDJSON_KIND(RECORD_SAMPLE),
    .keeps = keeps,
};
