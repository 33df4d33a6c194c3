#include "explore/space.h"

/* A schedule as a plan that is walked, judged and printed like any other. */

static bool is_asked(const struct step *expect, struct space_asked asked)
{
    return asked.word == NULL ||
           (strcmp(expect->word, asked.word) == 0 &&
            (!expect->has_on || asked.on[0] == '\0' || strcmp(expect->on.text, asked.on) == 0));
}

static void make_phase(const struct space *space, const struct schedule *s,
                       struct space_asked asked, struct plan *p, struct phase *phase)
{
    *phase = (struct phase){.name = TRIAL_PHASE,
                            .source = space->base->source,
                            .ends = PHASE_BY_CLOCK,
                            .lasting_ns = s->lasting_ns};
    phase->step_count = s->count;
    phase->steps = ARENA_ARRAY(&p->arena, struct step, s->count + space->expect_count);
    const struct step *faults = schedule_steps(s, p, space->base->source);
    for (size_t i = 0; i < s->count; i++)
        phase->steps[i] = faults[i];
    for (size_t i = 0; i < space->expect_count; i++) {
        if (!is_asked(&space->expects[i], asked))
            continue;
        phase->steps[phase->step_count++] = space->expects[i];
        json_array_append(p->owned, space->expects[i].keys);
    }
}

static struct phase *make_phases(const struct space *space, const struct schedule *s,
                                 struct space_asked asked, struct plan *p, size_t *ret_count)
{
    struct phase *phases = ARENA_ARRAY(&p->arena, struct phase, 2);
    size_t calm = space->calm_ns > 0;
    phases[0] = (struct phase){.name = "calm",
                               .source = space->base->source,
                               .ends = PHASE_BY_CLOCK,
                               .lasting_ns = space->calm_ns};
    make_phase(space, s, asked, p, &phases[calm]);
    *ret_count = calm + 1;
    return phases;
}

/* Without what a scenario made of a policy alone has, or one of several meshes. */
static void make_ordinary(struct scenario *s)
{
    s->arm = s->arms_of = NULL; /* it is walked by itself */
    s->from_policy = false;
    s->edges = s->claims = s->except = s->methods = NULL;
    s->edge_count = s->claim_count = s->except_count = s->method_count = 0;
    s->budget_ns = s->patience_ns = 0;
    s->depth = DEPTH_FULL;
    s->controls = CONTROLS_NONE;
}

struct plan *space_trial(const struct space *space, const struct schedule *s, const char *name,
                         struct space_asked asked)
{
    struct plan *p = plan_new();
    p->suite = space->plan->suite;
    p->false_alarms = space->plan->false_alarms;
    json_array_extend(p->files, space->plan->files);
    json_object_update(p->params, space->plan->params);
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    p->scenario_count = 1;
    struct scenario *to = &p->scenarios[0];
    *to = *space->base;
    make_ordinary(to);
    to->name = arena_strdup(&p->arena, name);
    to->about = NULL;
    to->tags = NULL;
    to->tag_count = 0;
    to->steps = NULL;
    to->step_count = 0;
    to->notifies = NULL; /* nobody is told of each trial */
    to->notify_count = 0;
    to->loads = space->loads;
    to->load_count = space->load_count;
    to->settle_ns = 0;
    to->phases = make_phases(space, s, asked, p, &to->phase_count);
    plan_number_faults(to);
    return p;
}

bool space_fits(const struct space *space, const struct schedule *s, struct error *err)
{
    struct plan *p = space_trial(space, s, "trial", (struct space_asked){0});
    bool fits = plan_check(p, err);
    plan_free(p);
    return fits;
}
