/* What the repetitions of a phase say of a verdict (spec/verifier.md 5.5, ADR 0009). */
#include "verify/expiry.h"

#define CONFIRM_ALPHA 1e-3 /* of a repetition that is to confirm (spec/verifier.md 5.5) */

static bool wants_more(const struct verdict *v)
{
    return v->kind == VERDICT_INCONCLUSIVE &&
           (v->why == WHY_TOO_FEW || v->why == WHY_NEVER_FIRED || v->why == WHY_STALLED);
}

/* A FAIL of class P or T, found in look ${look}, stands when the next look agrees. False: there was
 * no next look, and ${v} is as before. */
static bool confirm(const struct stand *st, const struct claim_type *type, const struct step *asked,
                    const struct edge_policy *edge, uint32_t look, struct verdict *v)
{
    struct window again;
    struct arena *arena = &st->h->g->arena;
    if (!stand_window(st, asked, edge, look + 1, 0, &again))
        return false;
    struct verdict second = {.kind = VERDICT_INCONCLUSIVE};
    again.alpha = CONFIRM_ALPHA;
    type->judge(edge, &again, arena, &second);
    if (second.kind == VERDICT_FAIL) {
        v->certain = arena_printf(arena, "%s; the phase was repeated, and said the same",
                                  v->certain == NULL ? "" : v->certain);
        return true;
    }
    const char *first = v->text, *then = second.text;
    verdict_open(v, WHY_NOT_REPEATED, arena, "seen once, not repeated: %s (then: %s)", first,
                 then == NULL ? "nothing" : then);
    v->needs = "another run";
    return true;
}

/* Neither look saw enough, both together did. */
static void add_up(const struct claim_type *type, const struct verdict *first,
                   struct verdict *second, struct arena *arena)
{
    uint64_t sum = first->eligible + second->eligible;
    if (!type->adds || !wants_more(second) || first->why == WHY_STALLED ||
        second->why == WHY_STALLED || first->wrong + second->wrong > 0 || sum < first->needed ||
        sum < second->needed)
        return;
    second->eligible = sum;
    second->needs = NULL;
    verdict_pass(second, arena, "%llu %s, in this phase and its repetition",
                 (unsigned long long)sum, second->unit);
    second->certain = verdict_excludes(sum, arena);
}

/* The repetition was paused, or ended early: what came after is not looked at, and may say
 * otherwise. */
static bool was_cut_short(const struct stand *st, uint32_t look)
{
    const struct journal_phase *p =
        st->phase == NULL ? NULL : hearing_part(st->h, st->scenario, st->arm, st->phase, look, 0);
    return p != NULL &&
           (p->why == NULL || strcmp(p->why, "pause") == 0 || strcmp(p->why, "abort") == 0);
}

/* A broken control is there to be caught: one look at the defect is enough. */
static bool is_broken(const struct stand *st)
{
    return !arm_is_subject(st->arm) && strcmp(st->arm, RIGHT) != 0;
}

/* Look ${look} decides what was undecided for want of instances: whether there were enough does not
 * depend on what they showed, so it has the whole level. What it sees by time or chance must be
 * confirmed by the look after it, and is left open until then. Returns whether ${v} is decided, or
 * needs to be confirmed. */
static bool look(const struct stand *st, const struct claim_type *type, const struct step *asked,
                 const struct edge_policy *edge, uint32_t look, struct window *again,
                 struct verdict *v)
{
    struct verdict next = {.kind = VERDICT_INCONCLUSIVE};
    struct arena *arena = &st->h->g->arena;
    type->judge(edge, again, arena, &next);
    bool fails = next.kind == VERDICT_FAIL;
    if (was_cut_short(st, look) && !(fails && type->class == CLAIM_DETERMINISTIC))
        return false;
    if (next.kind == VERDICT_PASS)
        next.text = arena_printf(arena, "%s (in the repeated phase)", next.text);
    else if (fails && type->class != CLAIM_DETERMINISTIC && !is_broken(st)) {
        if (!confirm(st, type, asked, edge, look, &next)) {
            verdict_open(&next, WHY_NOT_REPEATED, arena, "seen in the repeated phase alone: %s",
                         next.text);
            next.needs = "another run";
        }
    } else if (next.kind == VERDICT_INCONCLUSIVE)
        add_up(type, v, &next, arena);
    stand_mind_journal(st, type, again, &next);
    expiry_mind(st, type, again, &next);
    if (next.kind == VERDICT_INCONCLUSIVE && next.why != WHY_NOT_REPEATED)
        return false;
    *v = next;
    return true;
}

bool stand_look_again(const struct stand *st, const struct claim_type *type,
                      const struct step *asked, const struct edge_policy *edge, struct verdict *v)
{
    struct window again;
    if (v->kind == VERDICT_FAIL && type->class != CLAIM_DETERMINISTIC) {
        confirm(st, type, asked, edge, 0, v);
        return false;
    }
    if (!wants_more(v))
        return false;
    for (uint32_t n = 1; n < LOOKS_MOST; n++) {
        if (!stand_window(st, asked, edge, n, 0, &again))
            break;
        if (look(st, type, asked, edge, n, &again, v))
            return v->why == WHY_NOT_REPEATED && !stand_window(st, asked, edge, n + 1, 0, &again);
    }
    return true;
}
