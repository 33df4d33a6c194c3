#include "simulate/limits.h"

#include "verify/claims.h"
#include "verify/hearing.h"

#include <string.h>

struct adding {
    struct plan *p;
    struct scenario *s;
    const struct edge_policy *edge;
    const char *edge_text;
};

static struct step expect(const struct adding *a, const char *word, const char *on,
                          const char *part)
{
    struct step step = step_make(a->p, STEP_EXPECT, word, on, a->s->source, NULL);
    step_set_json(a->p, &step, "only", json_pack("[s]", part));
    return step;
}

static void add_to(const struct adding *a, const char *name, struct step step)
{
    for (size_t i = 0; i < a->s->phase_count; i++) {
        struct phase *phase = &a->s->phases[i];
        if (strcmp(phase->name, name) != 0)
            continue;
        struct step *steps = ARENA_ARRAY(&a->p->arena, struct step, phase->step_count + 1);
        memcpy(steps, phase->steps, phase->step_count * sizeof(*steps));
        steps[phase->step_count++] = step;
        phase->steps = steps;
    }
}

static bool asks_for_retries(const struct scenario *s)
{
    for (size_t i = 0; i < s->phase_count; i++)
        for (size_t k = 0; k < s->phases[i].step_count; k++) {
            const struct step *step = &s->phases[i].steps[k];
            if (step->kind == STEP_EXPECT && expectation_means(step, claim_type_find("retry.must")))
                return true;
        }
    return false;
}

/* Beside what the plan does anyway: ejections, and retries where it provokes any. */
static void add_counters(const struct adding *a)
{
    const struct edge_policy *e = a->edge;
    add_to(a, "length", expect(a, "ejection", e->to, "metrics"));
    if (e->retry.attempts.number > 0 && asks_for_retries(a->s))
        add_to(a, "mixed", expect(a, "metrics", a->edge_text, "retries"));
}

void limits_add(struct plan *p, struct scenario *s, const struct edge_policy *edge)
{
    struct adding a = {p, s, edge, arena_printf(&p->arena, "%s -> %s", edge->from, edge->to)};
    add_counters(&a);
}
