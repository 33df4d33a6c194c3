#include "explore/space.h"

#include "base/clock.h"

/* What a suite asks of its own phases, asked of any schedule within the limits: claims that follow
 * from the policy hold under every fault; wishes are taken from where the suite itself breaks
 * something. Its own faults are left out: the drawn ones take their place. */

#define WARMUP_NS (500 * NS_PER_MS)
#define RATE_PER_H \
    (UINT64_C(200) * 3600) /* where the suite says "enough", or is a policy alone \
                            */

/* Of these a trial says something; `wish`: the suite's own number, which holds under its own
 * faults. Others want a story of their own (recovery, rotation, tail), a person or a reader. */
static const struct askable {
    const char *word;
    bool wish;
} askables[] = {
    {"retries", false}, {"timeout", false},    {"ejection", false},      {"status", false},
    {"breaker", false}, {"budget", false},     {"rate_limit", false},    {"metrics", false},
    {"mtls", false},    {"idempotency", true}, {"amplification", false}, {"success", true},
    {"fallback", true}, {"probe", true},
};

static const struct askable *askable_of(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(askables); i++)
        if (strcmp(askables[i].word, word) == 0)
            return &askables[i];
    return NULL;
}

static bool has_fault(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (steps[i].kind == STEP_FAULT || has_fault(steps[i].steps, steps[i].step_count))
            return true;
    return false;
}

static void not_asked(struct space *space, const char *word)
{
    for (size_t i = 0; i < space->not_asked_count; i++)
        if (strcmp(space->not_asked[i], word) == 0)
            return;
    if (space->not_asked_count < SPACE_EXPECTS_MOST)
        space->not_asked[space->not_asked_count++] = word;
}

/* `never` names places that the suite's own faults spare, and drawn ones do not. */
static json_t *keys_of(const struct step *s)
{
    json_t *keys = json_deep_copy(s->keys), *only = json_object_get(keys, "only");
    INVARIANT(keys != NULL);
    if (strcmp(s->word, "ejection") == 0)
        json_object_del(keys, "never");
    if (json_is_string(only)) { /* one text stands for a list of one */
        json_t *list = json_pack("[O]", only);
        json_object_set_new(keys, "only", list);
    }
    return keys;
}

static bool same_but_only(const json_t *a, const json_t *b)
{
    json_t *x = json_deep_copy(a), *y = json_deep_copy(b);
    json_object_del(x, "only");
    json_object_del(y, "only");
    bool same = json_equal(x, y) == 1;
    json_decref(x);
    json_decref(y);
    return same;
}

/* The parts of both; without `only` it is all parts. */
static void join_only(json_t *to, const json_t *from)
{
    json_t *list = json_object_get(to, "only"), *more = json_object_get(from, "only"), *word;
    size_t i, k;
    if (list == NULL || more == NULL) {
        json_object_del(to, "only");
        return;
    }
    json_array_foreach(more, i, word)
    {
        bool known = false;
        for (k = 0; k < json_array_size(list); k++)
            known = known || json_equal(json_array_get(list, k), word) == 1;
        if (!known)
            json_array_append(list, word);
    }
}

static bool add_claim(struct space *space, const struct step *s, struct error *err)
{
    json_t *keys = keys_of(s);
    for (size_t i = 0; i < space->expect_count; i++) {
        struct step *known = &space->expects[i];
        if (strcmp(known->word, s->word) != 0 || !same_but_only(known->keys, keys))
            continue;
        join_only(known->keys, keys);
        json_decref(keys);
        return true;
    }
    json_array_append_new(space->owned, keys);
    if (space->expect_count == SPACE_EXPECTS_MOST)
        return error_at(err, s->source, ERROR_LIMIT,
                        "more than the %d expectations that a trial may have", SPACE_EXPECTS_MOST);
    space->expects[space->expect_count] = *s;
    space->expects[space->expect_count++].keys = keys;
    return true;
}

static bool add_claims(struct space *space, const struct step *steps, size_t count, bool wishes,
                       struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        const char *gates = json_string_value(json_object_get(s->keys, "gates"));
        bool mute = gates != NULL && strcmp(gates, "no") == 0;
        if (!add_claims(space, s->steps, s->step_count, wishes, err))
            return false;
        if (s->kind != STEP_EXPECT || mute)
            continue;
        const struct askable *a = askable_of(s->word);
        if (a == NULL || (a->wish && !wishes))
            not_asked(space, s->word);
        else if (!add_claim(space, s, err))
            return false;
    }
    return true;
}

bool space_claims(struct space *space, struct error *err)
{
    const struct scenario *s = space->base;
    bool whole = has_fault(s->steps, s->step_count), any = whole;
    for (size_t i = 0; i < s->phase_count; i++)
        any = any || has_fault(s->phases[i].steps, s->phases[i].step_count);
    /* Of the whole scenario, of phases with faults, and, where none has any, of all. */
    if (!add_claims(space, s->steps, s->step_count, true, err))
        return false;
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct phase *p = &s->phases[i];
        bool wishes = !s->from_policy && (!any || whole || has_fault(p->steps, p->step_count));
        if (!add_claims(space, p->steps, p->step_count, wishes, err))
            return false;
    }
    return space->expect_count > 0 ||
           error_at(err, s->source, ERROR_INPUT,
                    "scenario \"%.80s\" asks for nothing that faults could break: give it "
                    "expect.retries, expect.timeout, expect.success, ...",
                    s->name);
}

static void add_load(struct space *space, const struct load_plan *l)
{
    struct load_plan *to = &space->loads[space->load_count];
    for (size_t i = 0; i < space->load_count; i++)
        if (strcmp(space->loads[i].on.text, l->on.text) == 0)
            return;
    *to = *l;
    if (!l->closed && (l->enough || space->base->from_policy)) {
        to->rate_per_h = RATE_PER_H;
        to->enough = false;
    }
    to->tagged = NULL;
    to->tagged_count = 0;
    to->heal = 0;
    to->warmup_ns = l->warmup_ns < WARMUP_NS ? l->warmup_ns : WARMUP_NS;
    space->load_count++;
}

/* The scenario's own, else those of its phases, one an edge; a generated plan's first. */
void space_loads(struct space *space)
{
    const struct scenario *s = space->base;
    size_t most = s->load_count;
    for (size_t i = 0; i < s->phase_count; i++)
        most += s->phases[i].load_count;
    space->loads = ARENA_ARRAY(space->arena, struct load_plan, most + 1);
    for (size_t i = 0; i < s->load_count; i++)
        add_load(space, &s->loads[i]);
    for (size_t i = 0; i < s->phase_count; i++)
        for (size_t k = 0; k < s->phases[i].load_count; k++)
            add_load(space, &s->phases[i].loads[k]);
}

bool space_is_wish(const struct space *space, const char *word, const char *on)
{
    const struct askable *a = askable_of(word);
    for (size_t i = 0; i < space->expect_count; i++) {
        const struct step *s = &space->expects[i];
        bool there = !s->has_on || on == NULL || strcmp(s->on.text, on) == 0;
        if (there && strcmp(s->word, word) == 0 && json_object_get(s->keys, "atmost") != NULL)
            return true;
    }
    return a != NULL && a->wish;
}
