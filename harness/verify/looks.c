/* What the repetitions of a phase say of a verdict (spec/verifier.md 5.5, ADR 0009). */
#include "verify/expiry.h"

#define CONFIRM_ALPHA 1e-3 /* of a repetition that is to confirm (spec/verifier.md 5.5) */
#define SHARE_WRONG 10     /* one in so many may be (5.3) */
/* So many looks that see too few will hardly be followed by one that sees enough, but for stalls:
 * those pass. */
#define LOOKS_CALM 3
#define STALLED_PPM 100000 /* of a look's time, from which on they may be the cause */

static bool wants_more(const struct verdict *v)
{
    return v->kind == VERDICT_INCONCLUSIVE &&
           (v->why == WHY_TOO_FEW || v->why == WHY_NEVER_FIRED || v->why == WHY_STALLED);
}

/* One claim, looked at again and again. */
struct looking {
    const struct stand *st;
    const struct claim_type *type;
    const struct step *asked;
    const struct edge_policy *edge;
    uint64_t wrong, eligible; /* of the looks so far that had enough to see, or some of it */
    bool unconfirmed;         /* a FAIL, and no look after it has seen enough yet */
    bool stalled;             /* the last look was, at least in part */
};

/* What repetition ${look} shows at ${level}, or, where it was cut short, why that counts for
 * nothing: what came after was not seen, and may say otherwise. False: there was none. */
static bool judge_look(const struct looking *l, uint32_t look, double level, struct window *w,
                       struct verdict *v)
{
    const struct stand *st = l->st;
    struct arena *arena = &st->h->g->arena;
    if (!stand_window(st, l->asked, l->edge, look, 0, w))
        return false;
    *v = (struct verdict){.kind = VERDICT_INCONCLUSIVE};
    w->alpha = level;
    l->type->judge(l->edge, w, arena, v);
    const char *was = v->text;
    if (hearing_cut_short(hearing_phase(st->h, st->scenario, st->arm, st->phase, look), l->type, v))
        verdict_open(v, WHY_NOT_ENDED, arena, "the repetition was cut short (else: %s)",
                     was == NULL ? "" : was);
    return true;
}

/* A FAIL of class P or T, found in look ${look}, stands when the next look that sees enough agrees:
 * whether one does, does not depend on what it shows. False: there was no next look, and ${v} is as
 * before. */
static bool confirm(struct looking *l, uint32_t look, struct verdict *v)
{
    struct window again;
    struct verdict second;
    struct arena *arena = &l->st->h->g->arena;
    bool seen = false;
    l->unconfirmed = true;
    while (l->unconfirmed && judge_look(l, ++look, CONFIRM_ALPHA, &again, &second)) {
        stand_mind_journal(l->st, l->type, &again, &second);
        l->unconfirmed = wants_more(&second);
        seen = true;
    }
    if (!seen)
        return false;
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

/* What was wrong by time or chance in a look that stayed open counts: one that sees less of it does
 * not take it back, while of all that was seen more than a tenth was wrong (5.3). Of class D what
 * is wrong and stays open is what the claim allows. */
static bool is_outweighed(struct looking *l, const struct verdict *next)
{
    bool passes = next->kind == VERDICT_PASS, before = l->wrong > 0;
    if (l->type->class == CLAIM_DETERMINISTIC)
        return false;
    if (passes || next->why == WHY_TOO_FEW) {
        l->wrong += next->wrong;
        l->eligible += next->eligible;
    }
    return passes && before && l->wrong > l->eligible / SHARE_WRONG;
}

/* A broken control is there to be caught: one look at the defect is enough. */
static bool is_broken(const struct stand *st)
{
    return !arm_is_subject(st->arm) && strcmp(st->arm, RIGHT) != 0;
}

/* Look ${look} decides what was undecided for want of instances: whether there were enough does not
 * depend on what they showed, so it has the whole level. What it sees by time or chance must be
 * confirmed by the look after it, and is left open until then. False: there was no such look. */
static bool look(struct looking *l, uint32_t look, struct verdict *v)
{
    struct window again;
    struct verdict next;
    struct arena *arena = &l->st->h->g->arena;
    if (!judge_look(l, look, l->st->h->alpha, &again, &next))
        return false;
    l->stalled = next.why == WHY_STALLED || again.tainted_ppm >= STALLED_PPM;
    if (is_outweighed(l, &next))
        return true;
    if (next.kind == VERDICT_PASS)
        next.text = arena_printf(arena, "%s (in the repeated phase)", next.text);
    else if (next.kind == VERDICT_FAIL && l->type->class != CLAIM_DETERMINISTIC &&
             !is_broken(l->st)) {
        if (!confirm(l, look, &next)) {
            verdict_open(&next, WHY_NOT_REPEATED, arena, "seen in the repeated phase alone: %s",
                         next.text);
            next.needs = "another run";
        }
    } else if (next.kind == VERDICT_INCONCLUSIVE)
        add_up(l->type, v, &next, arena);
    stand_mind_journal(l->st, l->type, &again, &next);
    expiry_mind(l->st, l->type, &again, &next);
    if (next.kind != VERDICT_INCONCLUSIVE || next.why == WHY_NOT_REPEATED)
        *v = next;
    return true;
}

bool stand_look_again(const struct stand *st, const struct claim_type *type,
                      const struct step *asked, const struct edge_policy *edge, struct verdict *v)
{
    struct looking l = {
        .st = st, .type = type, .asked = asked, .edge = edge, .stalled = v->why == WHY_STALLED};
    uint32_t n = 1;
    if (st->phase == NULL) /* the whole scenario, its repetitions too, was looked at */
        return false;
    if (v->kind == VERDICT_FAIL && type->class != CLAIM_DETERMINISTIC)
        confirm(&l, 0, v);
    if (v->why == WHY_TOO_FEW) {
        l.wrong = v->wrong;
        l.eligible = v->eligible;
    }
    while (wants_more(v) && look(&l, n, v))
        n++;
    return (wants_more(v) && (l.stalled || n < LOOKS_CALM)) ||
           (v->why == WHY_NOT_REPEATED && l.unconfirmed);
}
