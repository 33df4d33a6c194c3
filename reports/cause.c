#include "reports/cause.h"

#include "base/check.h"
#include "reports/causes.h"

#include <stdlib.h>

static const struct cause_kind *const kinds[] = {
    &cause_tries,   &cause_left_alone, &cause_retried,
    &cause_cut_try, &cause_cut_retry,  &cause_ended_request,
};

static const struct cause_kind *kind_of(const struct judged *d)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i]->claim, d->claim->id) == 0)
            return kinds[i];
    return NULL;
}

static bool add(const struct scene *s, const struct scene_edge *edge, const struct judged *d,
                const struct cause_kind *kind, struct text *to)
{
    void *counts = check_alloc_zero(1, kind->counts_size);
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct journal_phase *p = s->phases[i];
        struct window w;
        if (p->scenario == d->scenario && (d->ordinal == UINT32_MAX || p->ordinal == d->ordinal) &&
            scene_window(s, edge, p, &w))
            kind->count(&w, counts);
    }
    bool found = kind->add(edge->policy, counts, to);
    free(counts);
    return found;
}

bool cause_add(const struct scene *s, const struct judged *d, struct text *to)
{
    const struct cause_kind *kind = kind_of(d);
    bool wish = d->verdict.policy != NULL && strstr(d->verdict.policy, "wish") != NULL;
    if (kind == NULL || d->verdict.kind != VERDICT_FAIL || d->on == NULL ||
        wish) /* a wish is no number that a mesh could run with */
        return false;
    for (size_t e = 0; e < s->edge_count; e++)
        if (s->edges[e].scenario == d->scenario && strcmp(s->edges[e].name, d->on) == 0)
            return add(s, &s->edges[e], d, kind, to);
    return false;
}
