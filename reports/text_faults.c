#include "reports/text_faults.h"

#define FIRED_COLUMN 56

static bool same_fault(const struct judged_fault *a, const struct judged_fault *b)
{
    return a->scenario == b->scenario && a->ordinal == b->ordinal && a->again == b->again &&
           a->part == b->part && strcmp(a->text, b->text) == 0 && strcmp(a->where, b->where) == 0 &&
           (a->name == NULL) == (b->name == NULL) &&
           (a->name == NULL || strcmp(a->name, b->name) == 0);
}

/* Fault ${i} with all later ones that read alike (a fault armed in several spans is one line);
 * false when an earlier one has told of it already. */
static bool sum_fault(const struct judgement *g, size_t i, struct judged_fault *ret)
{
    for (size_t k = 0; k < i; k++) {
        if (same_fault(&g->faults[k], &g->faults[i]))
            return false;
    }
    *ret = g->faults[i];
    for (size_t k = i + 1; k < g->fault_count; k++) {
        if (!same_fault(&g->faults[k], ret))
            continue;
        ret->fired += g->faults[k].fired;
        ret->guarded += g->faults[k].guarded;
    }
    return true;
}

void text_faults_add(const struct report *report, const struct judged_phase *p, struct text *to)
{
    const struct judgement *g = report->judgement;
    char grouped[32], other[32];
    for (size_t i = 0; i < g->fault_count; i++) {
        struct judged_fault f;
        if (g->faults[i].scenario != p->scenario || g->faults[i].ordinal != p->ordinal ||
            g->faults[i].again != p->again || g->faults[i].part != p->part || !sum_fault(g, i, &f))
            continue;
        size_t start = to->len;
        text_add(to, "  fault ");
        if (f.name != NULL) {
            text_add(to, "\"");
            report_add_clean(to, f.name);
            text_add(to, "\" ");
        }
        report_add_clean(to, f.text);
        text_add(to, " on ");
        report_add_clean(to, f.where);
        text_pad(to, start, FIRED_COLUMN, 0);
        if (f.fired == 0)
            text_add(to, " FIRED 0");
        else
            text_add(to, " fired %s", text_grouped(f.fired, grouped, sizeof(grouped)));
        if (f.guarded > 0)
            text_add(to, ", withheld by the streak guard %s",
                     text_grouped(f.guarded, other, sizeof(other)));
        text_add(to, "\n");
    }
}
