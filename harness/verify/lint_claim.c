/* lint (spec/scenario-language.md 1.7): findings of the policy reader that must, or must not, be
 * there. */
#include "verify/claims.h"
#include "verify/window.h"

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

/* A finding of this scenario's policy: journals of before say nothing of scenarios, and had the
 * first one's. */
static bool is_of(const json_t *finding, const struct scenario *s)
{
    const json_t *names = json_object_get(finding, "scenarios"), *each;
    size_t i;
    if (names == NULL || s == NULL || s->name == NULL)
        return true;
    json_array_foreach(names, i, each)
    {
        const char *name = json_string_value(each);
        if (name != NULL && strcmp(name, s->name) == 0)
            return true;
    }
    return false;
}

static const json_t *finding_of(const struct window *w, const char *rule)
{
    const json_t *list = json_object_get(w->journal->policy, "findings"), *each;
    size_t i;
    json_array_foreach(list, i, each)
    {
        const char *is = json_string_value(json_object_get(each, "rule"));
        if (is != NULL && strcmp(is, rule) == 0 && is_of(each, w->scenario))
            return each;
    }
    return NULL;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    (void)edge;
    const json_t *has = json_object_get(w->asked->keys, "has"),
                 *never = json_object_get(w->asked->keys, "never"), *each;
    size_t i;
    verdict_policy(ret, NULL, arena, "findings of the policy reader");
    json_array_foreach(has, i, each)
    {
        const char *rule = json_string_value(each);
        ret->seen++;
        if (rule != NULL && finding_of(w, rule) == NULL && ret->kind != VERDICT_FAIL)
            verdict_fail(ret, arena, "no finding %s", rule);
    }
    json_array_foreach(never, i, each)
    {
        const char *rule = json_string_value(each);
        const json_t *found = rule == NULL ? NULL : finding_of(w, rule);
        const char *text = json_string_value(json_object_get(found, "text"));
        ret->seen++;
        if (found != NULL && ret->kind != VERDICT_FAIL)
            verdict_fail(ret, arena, "%s: %s", rule, text == NULL ? "found" : text);
    }
    if (ret->kind != VERDICT_FAIL)
        verdict_pass(ret, arena, "as expected: %llu of %llu rules", (unsigned long long)ret->seen,
                     (unsigned long long)ret->seen);
}

const struct claim_type claim_lint = {
    .id = "lint",
    .word = "lint",
    .only = "lint",
    .help = "findings of the policy reader",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
