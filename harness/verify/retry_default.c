/* retry.default (spec/verifier.md 3.1): where the user says nothing of retries the mesh does what
 * its version's default says, which surprises more people than any policy of their own. It is
 * retry.max, retry.must and retry.only at once, with the mesh's default as the policy. */
#include "verify/claims.h"
#include "verify/window.h"

static bool applies(const struct edge_policy *edge)
{
    return edge->retry.attempts.set && edge->retry.attempts.source.file == NULL &&
           edge->flavour != FLAVOUR_L4;
}

/* Nothing of that kind was offered: it says nothing, where another part has said something. */
static bool is_silent(const struct verdict *v)
{
    return v->kind == VERDICT_INCONCLUSIVE && (v->why == WHY_TOO_FEW || v->why == WHY_NEVER_FIRED);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    static const struct claim_type *const parts[] = {&claim_retry_max, &claim_retry_must,
                                                     &claim_retry_only};
    struct verdict worst = {.kind = VERDICT_NOT_APPLICABLE};
    const char *passed = "";
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct verdict v = {.kind = VERDICT_INCONCLUSIVE};
        if (!parts[i]->applies(edge))
            continue;
        parts[i]->judge(edge, w, arena, &v);
        if (v.kind == VERDICT_PASS)
            passed = arena_printf(arena, "%s%s%s", passed, *passed == '\0' ? "" : "; ", v.text);
        bool first = worst.kind == VERDICT_NOT_APPLICABLE || is_silent(&worst);
        if (first || (!is_silent(&v) && verdict_worse(worst.kind, v.kind) != worst.kind))
            worst = v;
    }
    *ret = worst;
    verdict_policy(ret, &edge->retry.attempts, arena, "mesh default: %llu %s",
                   (unsigned long long)edge->retry.attempts.number,
                   edge->retry.attempts.number == 1 ? "retry" : "retries");
    if (ret->kind == VERDICT_PASS)
        ret->text = passed;
}

const struct claim_type claim_retry_default = {
    .id = "retry.default",
    .word = "retries",
    .only = "atmost",
    .help = "without a policy the mesh's own default retries are what its version says",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
