#include "base/clock.h"
#include "verify/claims.h"
#include "verify/generate.h"
#include "verify/making.h"

/* Claim by claim, what a generated plan spends on it, or why it does not ask it. */

uint64_t making_seconds(const struct scenario *s, const char *word, const char *only)
{
    uint64_t ns = 0;
    for (size_t i = 0; i < s->phase_count; i++)
        for (size_t k = 0; k < s->phases[i].step_count; k++) {
            const struct step *step = &s->phases[i].steps[k];
            const json_t *parts = json_object_get(step->keys, "only"), *part;
            bool asks = step->kind == STEP_EXPECT && strcmp(step->word, word) == 0 && parts == NULL;
            size_t n;
            json_array_foreach(parts, n, part)
            {
                asks = asks || (step->kind == STEP_EXPECT && strcmp(step->word, word) == 0 &&
                                json_is_string(part) && strcmp(json_string_value(part), only) == 0);
            }
            struct scenario alone = {.phases = &s->phases[i], .phase_count = 1};
            if (asks)
                ns += generate_length_ns(&alone);
        }
    return (ns + NS_PER_S - 1) / NS_PER_S;
}

static uint64_t need_of(const struct claim_type *type)
{
    static const struct {
        const char *id;
        uint64_t n;
    } needs[] = {
        {"success", 300},
        {"retry.max", 10},
        {"retry.must", 10},
        {"retry.only", 20},
        {"retry.started", 10},
        {"retry.other_host", 60},
        {"backoff.max", 30},
        {"backoff.law", 40},
        {"timeout.try", 10},
        {"timeout.try.kept", 8},
        {"timeout.try.restart", 8},
        {"timeout.request", 6},
        {"timeout.none", 3},
        {"honest", 100},
        {"eject.early", 10},
        {"eject.trip", 2},
        {"eject.late", 1},
        {"eject.length", 1},
        {"eject.cap", 1},
        {"eject.return", 1},
        {"eject.never", 1},
        {"amplify", 100},
        {"effects", 10},
        {"eject.panic", 20},
        {"cb.requests", 20},
        {"cb.pending", 10},
        {"cb.connections", 10},
        {"cb.per_connection", 3},
        {"budget.envoy", 10},
        {"budget.linkerd", 50},
        {"rate.limit", 20},
    };
    if (strncmp(type->id, "tls.", 4) == 0 || strcmp(type->id, "rot.R6") == 0)
        return 5;
    if (strcmp(type->id, "rot.R1") == 0)
        return 20;
    for (size_t i = 0; i < COUNT_OF(needs); i++)
        if (strcmp(needs[i].id, type->id) == 0)
            return needs[i].n;
    return 1;
}

/* None is a gap: the policy says nothing of it, it is no claim that plans ask, the suite's author
 * does not want it. */
static const char nothing_to_judge[] = "the policy gives it nothing to judge",
                  not_generated[] = "not asked by the generated plan", left_out[] = "left out";

static const char *why_not(const struct making *m, const struct claim_type *type, uint64_t seconds)
{
    if (!type->applies(m->edge))
        return nothing_to_judge;
    if (!making_wants(m, type->id))
        return left_out;
    if (strcmp(type->id, "timeout.request") == 0 && !making_reaches_timeout(m->edge))
        return "the tries are used up before the whole timeout";
    if (strcmp(type->id, "timeout.request") == 0 && !making_tells_timeout(m->edge))
        return "it ends with a try's own timeout, and cannot be told from it";
    bool of_retries = strncmp(type->id, "retry.", 6) == 0 || strncmp(type->id, "backoff.", 8) == 0;
    if (seconds == 0 && of_retries && m->ejects && m->c <= 2)
        return "so few failures eject that retries cannot be told from ejections";
    if (seconds == 0 && strcmp(type->id, "timeout.request") == 0 && m->ejects && m->c <= 2)
        return "so few failures eject that no request is held for all its tries";
    if (seconds == 0 && strcmp(type->word, "breaker") == 0)
        return "the lab cannot fill it, or another limit is met first";
    return seconds == 0 ? not_generated : NULL;
}

struct claim_need *generate_needs(const struct edge_policy *edge,
                                  const struct generate_options *options, struct arena *arena,
                                  size_t *ret_count)
{
    struct plan *p = plan_new();
    struct scenario *s = ARENA_ARRAY(&p->arena, struct scenario, 1);
    struct making m;
    size_t type_count, count = 0;
    const struct claim_type *const *types = claim_types(&type_count);
    struct claim_need *ret = ARENA_ARRAY(arena, struct claim_need, type_count);
    making_init(&m, p, s, edge, options);
    if (edge->endpoints > 0)
        making_phases(&m);
    s->phases = m.phases;
    s->phase_count = m.phase_count;
    for (size_t i = 0; i < type_count; i++) {
        if (strncmp(types[i]->id, "await.", 6) == 0)
            continue;
        uint64_t seconds = making_seconds(s, types[i]->word, types[i]->only);
        const char *why = why_not(&m, types[i], seconds);
        ret[count++] = (struct claim_need){
            .claim = types[i],
            .n = need_of(types[i]),
            .seconds = why == NULL ? seconds : 0,
            .text = why == NULL ? NULL : arena_strdup(arena, why),
        };
    }
    plan_free(p);
    *ret_count = count;
    return ret;
}

static struct unasked *unasked_of(struct making *m, const char *why)
{
    struct scenario *s = m->s;
    size_t type_count;
    (void)claim_types(&type_count);
    for (size_t i = 0; i < s->unasked_count; i++)
        if (strcmp(s->unasked[i].why, why) == 0)
            return &s->unasked[i];
    struct unasked *u = &s->unasked[s->unasked_count++];
    *u =
        (struct unasked){.why = why, .claims = ARENA_ARRAY(&m->p->arena, const char *, type_count)};
    return u;
}

void making_tell_unasked(struct making *m)
{
    struct scenario *s = m->s;
    size_t type_count;
    const struct claim_type *const *types = claim_types(&type_count);
    s->unasked = ARENA_ARRAY(&m->p->arena, struct unasked, type_count);
    s->unasked_count = 0;
    for (size_t i = 0; i < type_count; i++) {
        if (strncmp(types[i]->id, "await.", 6) == 0)
            continue;
        const char *why = why_not(m, types[i], making_seconds(s, types[i]->word, types[i]->only));
        if (why == NULL || why == nothing_to_judge || why == not_generated || why == left_out)
            continue;
        struct unasked *u = unasked_of(m, why);
        u->claims[u->claim_count++] = types[i]->id;
    }
}
