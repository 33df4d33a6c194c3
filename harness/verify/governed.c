#include "verify/governed.h"

#include "verify/claim.h"
#include "verify/hearing.h"

/* The words whose every claim the policy must give something to. */
static const struct {
    const char *word, *noun;
} nouns[] = {
    {"ejection", "ejection"}, {"breaker", "limits of connections and requests"},
    {"budget", "budgets"},    {"rate_limit", "rate limits"},
    {"timeout", "timeouts"},  {"retries", "retries"},
};

static const char *noun_of(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(nouns); i++)
        if (strcmp(nouns[i].word, word) == 0)
            return nouns[i].noun;
    return NULL;
}

static bool is_meant(const struct step *s, const struct edge_policy *edge)
{
    return s->on.to.service != NULL && strcmp(edge->to, s->on.to.service) == 0 &&
           (s->on.from.service == NULL || strcmp(edge->from, s->on.from.service) == 0);
}

static bool has_default(const struct claim_type *type, const struct edge_policy *edge)
{
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    bool has = type->by_default != NULL && type->by_default(edge, &arena) != NULL;
    arena_release(&arena);
    return has;
}

static bool has_claim(const struct step *s, const struct edge_policy *edge, bool *ret_any)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(types[i]->id, "await.", 6) == 0 || !expectation_means(s, types[i]))
            continue;
        *ret_any = true;
        if (types[i]->applies(edge) || has_default(types[i], edge))
            return true;
    }
    /* A ServiceProfile's retries have no count: the budget is what is judged of them. */
    return strcmp(s->word, "retries") == 0 && edge->retry.by_budget;
}

static bool check(const struct step *s, const struct edge_policy *edges, size_t count,
                  struct error *err)
{
    const struct edge_policy *meant = NULL;
    bool any = false;
    char target[40];
    /* What must never be is judged whatever the policy says. */
    if (!s->has_on || noun_of(s->word) == NULL || json_object_get(s->keys, "never") != NULL)
        return true;
    for (size_t i = 0; i < count; i++) {
        if (!is_meant(s, &edges[i]))
            continue;
        if (has_claim(s, &edges[i], &any))
            return true;
        meant = &edges[i];
    }
    if (meant == NULL || !any)
        return true;
    if (meant->target.mesh == MESH_NONE)
        return error_at(err, s->source, ERROR_INPUT,
                        "expect.%s: %s has no mesh, so no policy says anything about %s", s->word,
                        s->on.text, noun_of(s->word));
    return error_at(err, s->source, ERROR_INPUT,
                    "expect.%s: no policy says anything about %s on %s; %s has no default: "
                    "meshproof explain --on \"%s -> %s\"",
                    s->word, noun_of(s->word), s->on.text,
                    target_print(meant->target, target, sizeof(target)), meant->from, meant->to);
}

static bool check_steps(const struct step *steps, size_t step_count,
                        const struct edge_policy *edges, size_t count, struct error *err)
{
    for (size_t i = 0; i < step_count; i++)
        if ((steps[i].kind == STEP_EXPECT && !check(&steps[i], edges, count, err)) ||
            !check_steps(steps[i].steps, steps[i].step_count, edges, count, err))
            return false;
    return true;
}

bool governed_check(const struct scenario *s, const struct edge_policy *edges, size_t count,
                    struct error *err)
{
    if (!check_steps(s->steps, s->step_count, edges, count, err))
        return false;
    for (size_t i = 0; i < s->phase_count; i++)
        if (!check_steps(s->phases[i].steps, s->phases[i].step_count, edges, count, err))
            return false;
    return true;
}
