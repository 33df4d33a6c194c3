/* show --phase: the phases of each arm, how each ended, and what it gave. */
#include "reports/listing.h"
#include "journal/arm.h"

#define NAME_COLUMN 28
#define WHY_COLUMN 56
#define COUNTS_COLUMN 66
#define VERDICTS_COLUMN 104

static const struct judged_phase *judged_of(const struct scene *s, const struct journal_phase *p)
{
    const struct judgement *g = s->report->judgement;
    for (size_t i = 0; i < g->phase_count; i++)
        if (g->phases[i].scenario == p->scenario && g->phases[i].ordinal == p->ordinal &&
            g->phases[i].t0_ns >= p->t0_ns && g->phases[i].t0_ns < p->t1_ns)
            return &g->phases[i];
    return NULL;
}

/* "1 FAIL, 5 PASS" of one phase, or (ordinal UINT32_MAX) of a whole scenario. */
static void add_verdicts(const struct scene *s, uint32_t scenario, uint32_t ordinal,
                         struct text *to)
{
    static const enum verdict_kind order[] = {VERDICT_FAIL, VERDICT_INCONCLUSIVE, VERDICT_PASS};
    const struct judgement *g = s->report->judgement;
    const char *between = "";
    for (size_t k = 0; k < COUNT_OF(order); k++) {
        size_t count = 0;
        for (size_t i = 0; i < g->verdict_count; i++) {
            const struct judged *d = &g->verdicts[i];
            count += d->scenario == scenario && d->ordinal == ordinal && arm_is_subject(d->arm) &&
                     d->verdict.kind == order[k];
        }
        if (count == 0)
            continue;
        text_add(to, "%s%zu %s", between, count, verdict_kind_name(order[k]));
        between = ", ";
    }
}

/* Claims are judged over all walks of a phase, and are counted at the first. */
static bool is_first(const struct journal *j, size_t index)
{
    const struct journal_phase *p = &j->phases[index];
    for (size_t i = 0; i < index; i++)
        if (j->phases[i].scenario == p->scenario && j->phases[i].ordinal == p->ordinal &&
            strcmp(j->phases[i].arm, p->arm) == 0)
            return false;
    return true;
}

static void add_counts(const struct judged_phase *d, struct text *to)
{
    char requests[32], tries[32], both[80];
    snprintf(both, sizeof(both), "%s requests, %s tries",
             text_grouped(d->requests, requests, sizeof(requests)),
             text_grouped(d->tries, tries, sizeof(tries)));
    text_add(to, "%s%s", both, d->again ? " (again)" : "");
}

static void add_phase(const struct scene *s, size_t index, struct text *to)
{
    const struct journal_phase *p = &s->journal->phases[index];
    bool subject = arm_is_subject(p->arm);
    const struct judged_phase *d = subject ? judged_of(s, p) : NULL;
    size_t line = to->len;
    text_add(to, "  ");
    listing_time(s, p->t0_ns, to);
    text_add(to, " .. ");
    if (p->t1_ns == UINT64_MAX)
        text_add(to, "never");
    else
        listing_time(s, p->t1_ns, to);
    text_pad(to, line, NAME_COLUMN, 1);
    report_add_clean(to, p->name);
    text_pad(to, line, WHY_COLUMN, 1);
    report_add_clean(to, p->why == NULL ? "not ended" : p->why);
    if (d != NULL) {
        text_pad(to, line, COUNTS_COLUMN, 1);
        add_counts(d, to);
        if (is_first(s->journal, index)) {
            text_pad(to, line, VERDICTS_COLUMN, 1);
            add_verdicts(s, p->scenario, p->ordinal, to);
        }
    }
    while (to->len > line && to->at[to->len - 1] == ' ')
        to->at[--to->len] = '\0';
    text_add(to, "\n");
}

static void add_whole(const struct scene *s, uint32_t scenario, struct text *to)
{
    size_t line = to->len, before;
    text_add(to, "  over all of it");
    text_pad(to, line, VERDICTS_COLUMN, 1);
    before = to->len;
    add_verdicts(s, scenario, UINT32_MAX, to);
    if (to->len == before) /* nothing was asked over it */
        to->len = line;
    else
        text_add(to, "\n");
    if (to->at != NULL)
        to->at[to->len] = '\0';
}

static void add_arm(const struct scene *s, const char *arm, struct text *to)
{
    const struct journal *j = s->journal;
    bool subject = arm_is_subject(arm);
    uint32_t scenario = UINT32_MAX;
    for (size_t i = 0; i < j->phase_count; i++) {
        const struct journal_phase *p = &j->phases[i];
        if (strcmp(p->arm, arm) != 0)
            continue;
        if (p->scenario != scenario) {
            if (scenario != UINT32_MAX && subject)
                add_whole(s, scenario, to);
            scenario = p->scenario;
            text_add(to, " scenario \"");
            report_add_clean(to, scene_scenario_name(s, scenario));
            text_add(to, "\"\n");
        }
        add_phase(s, i, to);
    }
    if (scenario != UINT32_MAX && subject)
        add_whole(s, scenario, to);
}

static void write(const struct scene *s, const char *of, struct text *to)
{
    struct arena arena;
    size_t count;
    (void)of;
    arena_init(&arena, (size_t)16 * 1024 * 1024);
    const char **arms = listing_arms(s, &arena, &count);
    for (size_t i = 0; i < count; i++) {
        listing_heading(arms[i], count, to);
        add_arm(s, arms[i], to);
    }
    if (s->journal->phase_count == 0)
        text_add(to, "no phase began\n");
    if (s->journal->refusal_count > 0)
        text_add(to, "%zu times something was ended for what its peer had sent: show --refused\n",
                 s->journal->refusal_count);
    arena_release(&arena);
}

const struct listing listing_phase = {
    .name = "phase",
    .write = write,
    .phases = true,
};
