#include "plan/row.h"

/* The saved form of a plan: `plan --as json`, `run plan.json`, the journal's plan row. */

#define PLAN_VERSION 1
#define PLAN_VALUES_MOST 200000

json_t *plan_to_json(const struct plan *p)
{
    json_t *to = row_write(&plan_table, p);
    INVARIANT(json_object_set_new(to, "v", json_integer(PLAN_VERSION)) == 0);
    return to;
}

/* The texts that the engine relies on being there; a suite always gives them. */
static bool names_given(const struct plan *p, struct error *err)
{
    for (size_t i = 0; i < p->scenario_count; i++) {
        const struct scenario *s = &p->scenarios[i];
        if (s->name == NULL)
            return error_set(err, ERROR_INPUT, "a plan: scenario %zu has no name", i + 1);
        for (size_t j = 0; j < s->phase_count; j++) {
            if (s->phases[j].name == NULL)
                return error_set(err, ERROR_INPUT, "a plan: phase %zu of \"%.60s\" has no name",
                                 j + 1, s->name);
        }
        for (size_t j = 0; j < s->unasked_count; j++) {
            if (s->unasked[j].why == NULL || s->unasked[j].claim_count == 0)
                return error_set(err, ERROR_INPUT,
                                 "a plan: unasked %zu of \"%.60s\" has no why, or no claims", j + 1,
                                 s->name);
        }
        for (size_t j = 0; j < s->lab.service_count; j++) {
            const struct service_plan *service = &s->lab.services[j];
            if (service->name == NULL)
                return error_set(err, ERROR_INPUT, "a plan: service %zu of \"%.60s\" has no name",
                                 j + 1, s->name);
            for (size_t k = 0; k < service->call_count; k++) {
                if (service->calls[k].to == NULL)
                    return error_set(err, ERROR_INPUT,
                                     "a plan: call %zu of \"%.60s\" has no \"to\"", k + 1,
                                     service->name);
            }
        }
    }
    return true;
}

static bool steps_named(const struct step *steps, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (steps[i].word == NULL)
            return error_set(err, ERROR_INPUT, "a plan: a step has no word");
        if (steps[i].step_count > 0 && steps[i].kind <= STEP_AWAIT)
            return error_set(err, ERROR_INPUT, "a plan: %.40s holds no steps", steps[i].word);
        if (!steps_named(steps[i].steps, steps[i].step_count, err))
            return false;
    }
    return true;
}

static bool all_steps_named(const struct plan *p, struct error *err)
{
    for (size_t i = 0; i < p->scenario_count; i++) {
        const struct scenario *s = &p->scenarios[i];
        if (!steps_named(s->steps, s->step_count, err))
            return false;
        for (size_t j = 0; j < s->phase_count; j++) {
            if (!steps_named(s->phases[j].steps, s->phases[j].step_count, err))
                return false;
        }
    }
    return true;
}

static bool loads_whole(const struct load_plan *loads, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (loads[i].on.text == NULL)
            return error_set(err, ERROR_INPUT, "a plan: a load has no \"on\"");
        for (size_t j = 0; j < loads[i].tagged_count; j++) {
            if (loads[i].tagged[j].tag == NULL)
                return error_set(err, ERROR_INPUT, "a plan: an entry of tagged has no tag");
        }
    }
    return true;
}

static bool all_loads_whole(const struct plan *p, struct error *err)
{
    for (size_t i = 0; i < p->scenario_count; i++) {
        const struct scenario *s = &p->scenarios[i];
        if (!loads_whole(s->loads, s->load_count, err))
            return false;
        for (size_t j = 0; j < s->phase_count; j++) {
            if (!loads_whole(s->phases[j].loads, s->phases[j].load_count, err))
                return false;
        }
    }
    return true;
}

bool plan_from_json(const json_t *from, struct plan **ret, struct error *err)
{
    struct plan *p = plan_new();
    struct error local = {0};
    struct row_reader reader = {&p->arena, p->owned, PLAN_VALUES_MOST, 0, &local};
    json_t *top = json_is_object(from) ? json_copy((json_t *)(uintptr_t)from) : NULL;
    bool good = false;
    if (top == NULL || json_integer_value(json_object_get(top, "v")) != PLAN_VERSION) {
        error_set(&local, ERROR_INPUT,
                  "a plan has \"v\": %d; this is no saved plan, or one of a newer version",
                  PLAN_VERSION);
    } else {
        json_object_del(top, "v");
        good = row_read(&plan_table, top, p, &reader);
        if (!good)
            error_prefix(&local, "a plan: ");
        good = good && names_given(p, &local) && all_steps_named(p, &local) &&
               all_loads_whole(p, &local);
    }
    json_decref(top);
    if (!good) {
        if (err != NULL && err->kind == ERROR_NONE)
            *err = local;
        if (err != NULL)
            err->source = (struct source){0}; /* marks of the plan's own arena would dangle */
        plan_free(p);
        return false;
    }
    for (size_t i = 0; i < p->scenario_count; i++) {
        plan_number_faults(&p->scenarios[i]);
        plan_number_tags(&p->scenarios[i]);
    }
    *ret = p;
    return true;
}
