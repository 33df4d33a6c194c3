#include "simulate/limits.h"

#include "base/clock.h"

#include <string.h>

#define PHASES_MORE 1
#define SHUT_MORE_NS (3 * NS_PER_S)
#define THINK_NS (30 * NS_PER_MS)

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

/* One load, one fault, one expectation. */
static void add_phase(const struct adding *a, const char *name, uint64_t lasting_ns,
                      const struct load_plan *kind, struct step fault, struct step expectation)
{
    struct arena *arena = &a->p->arena;
    struct load_plan *load = ARENA_ARRAY(arena, struct load_plan, 1);
    struct step *steps = ARENA_ARRAY(arena, struct step, 2);
    *load = *kind;
    load->source = a->s->source;
    load->protocol = "http1";
    load->method = "GET";
    load->path = "/";
    load->timeout_ns = 30 * NS_PER_S;
    load->connections = 8;
    load->clients = 1;
    INVARIANT(place_parse(a->edge_text, arena, &load->on, NULL));
    steps[0] = fault;
    steps[1] = expectation;
    a->s->phases[a->s->phase_count++] = (struct phase){.name = name,
                                                       .source = a->s->source,
                                                       .ends = PHASE_BY_CLOCK,
                                                       .lasting_ns = lasting_ns,
                                                       .loads = load,
                                                       .load_count = 1,
                                                       .steps = steps,
                                                       .step_count = 2};
}

/* Every endpoint fails, one request at a time, until each has been shut twice. */
static void add_shut(const struct adding *a)
{
    const struct accrual_rule *rule = &a->edge->accrual;
    if (a->edge->flavour != FLAVOUR_LINKERD || !rule->present)
        return;
    struct load_plan closed = {.closed = true, .users = 1, .think_ns = THINK_NS};
    add_phase(a, "shut", 3 * rule->min_penalty.number + SHUT_MORE_NS, &closed,
              step_make(a->p, STEP_FAULT, "abort", a->edge->to, a->s->source,
                        (const char *const[]){"status", "503", NULL}),
              expect(a, "ejection", a->edge->to, "trips"));
}

/* Beside the ejections that the plan makes anyway. */
static void add_gauge(const struct adding *a)
{
    for (size_t i = 0; i < a->s->phase_count; i++) {
        struct phase *phase = &a->s->phases[i];
        if (strcmp(phase->name, "length") != 0)
            continue;
        struct step *steps = ARENA_ARRAY(&a->p->arena, struct step, phase->step_count + 1);
        memcpy(steps, phase->steps, phase->step_count * sizeof(*steps));
        steps[phase->step_count++] = expect(a, "ejection", a->edge->to, "metrics");
        phase->steps = steps;
    }
}

void limits_add(struct plan *p, struct scenario *s, const struct edge_policy *edge)
{
    struct adding a = {p, s, edge, arena_printf(&p->arena, "%s -> %s", edge->from, edge->to)};
    struct phase *phases = ARENA_ARRAY(&p->arena, struct phase, s->phase_count + PHASES_MORE);
    memcpy(phases, s->phases, s->phase_count * sizeof(*phases));
    s->phases = phases;
    add_gauge(&a);
    add_shut(&a);
}
