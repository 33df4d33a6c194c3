/* rot.R1 (spec/verifier.md 3.6): in a rotation in the right order every pair fits at every moment,
 * so no full handshake is refused, even where a retry hid it, and every step is shown by new
 * handshakes of every pair. A phase whose steps leave a pair unfit is a wrong order, and fails,
 * unless it says itself that handshakes must be refused (expect.refused): then it is a declared
 * skew, which rot.R6 judges. */
#include "verify/claims.h"
#include "verify/rot_steps.h"

#include "base/clock.h"

#define STEP_LEAST 20
#define THIRD_LEAST 5
#define SKEWS_MOST 256

struct order {
    struct rot_step steps[ROT_STEPS_MOST];
    size_t step_count;
    struct skew skews[SKEWS_MOST];
    size_t skew_count;
    uint64_t accepted, wrong, unfit, resumed, lost, requests;
    const struct shake *first;
    /* The pair and step with the fewest. */
    uint64_t fewest, fewest_late;
    const struct rot_step *at;
    uint16_t endpoint;
};

static bool is_step_asked(const struct window *w)
{
    const char *how = window_key(w, "handshakes");
    return how == NULL || strcmp(how, "per_step") == 0;
}

static void count_handshakes(const struct shakes *s, const struct window *w, struct order *o,
                             struct verdict *ret)
{
    /* Where a refusal has no alert, ending the connection is one. */
    bool silent = w->policy->flavour != FLAVOUR_ENVOY;
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        if (!shake_is_asked(w, h) || h->shown == SHOWN_DISTURBED || h->r->fault != 0)
            continue;
        o->resumed += h->r->resumed != 0;
        o->accepted += h->full && h->accepted;
        bool refused = h->full && (h->refused || (silent && h->ended));
        if (!refused)
            continue;
        if (h->fits == SURE_YES)
            o->wrong++;
        else
            o->unfit++;
        if (o->first == NULL || (o->first->fits != SURE_YES && h->fits == SURE_YES))
            o->first = h;
        window_witness(ret, NULL, h->r->at);
    }
}

static void count_requests(const struct window *w, struct order *o)
{
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        o->requests++;
        o->lost += r->r->end != END_COMPLETE || window_is_error(r);
    }
}

static void count_steps(const struct shakes *s, const struct window *w, struct order *o)
{
    uint32_t asked = w->asked->has_on ? w->asked->on.to.endpoint : 0;
    o->fewest = UINT64_MAX;
    o->fewest_late = UINT64_MAX;
    for (size_t n = 0; n < o->step_count; n++) {
        const struct rot_step *step = &o->steps[n];
        uint64_t third_ns = step->end_ns - (step->end_ns - step->begin_ns) / 3;
        for (uint32_t e = 1; step->changed && e <= w->track->host_count; e++) {
            uint64_t count = 0, late = 0;
            for (size_t i = 0; i < s->count && (asked == 0 || asked == e); i++) {
                const struct shake *h = &s->at[i];
                bool is = h->r->endpoint == e && h->full && h->accepted && h->r->fault == 0 &&
                          h->r->at >= step->settled_ns && h->r->at < step->end_ns;
                count += is;
                late += is && h->r->at >= third_ns;
            }
            if ((asked != 0 && asked != e) || count >= o->fewest)
                continue;
            o->fewest = count;
            o->fewest_late = late;
            o->at = step;
            o->endpoint = (uint16_t)e;
        }
    }
}

static const char *who_refused(const struct window *w, const struct shake *h, struct arena *arena)
{
    const char *place = shake_place(w, h->r->endpoint, arena);
    if (h->r->alert_in != 0)
        return arena_printf(arena, "the mesh refused %s's leaf with alert %u", place,
                            h->r->alert_in - 1u);
    if (h->r->alert_out != 0)
        return arena_printf(arena, "%s refused the mesh's leaf with alert %u", place,
                            h->r->alert_out - 1u);
    return arena_printf(arena, "the connection to %s was ended", place);
}

static void say_refused(const struct window *w, const struct order *o, struct arena *arena,
                        struct verdict *ret)
{
    const char *lost =
        o->lost == 0 ? "retries hid them all"
                     : arena_printf(arena, "%llu requests were lost", (unsigned long long)o->lost);
    const char *when = window_when(w, ret, arena);
    if (o->wrong > 0) {
        verdict_fail(ret, arena,
                     "%llu of %llu new handshakes were refused though both sides trust each "
                     "other: %s; %s%s",
                     (unsigned long long)o->wrong, (unsigned long long)ret->eligible,
                     who_refused(w, o->first, arena), lost, when);
    } else {
        verdict_fail(ret, arena,
                     "the order of the steps is wrong: %llu of %llu new handshakes were refused, "
                     "%s; %s%s",
                     (unsigned long long)o->unfit, (unsigned long long)ret->eligible,
                     who_refused(w, o->first, arena), lost, when);
        ret->needs = "expect.refused in this phase, if the skew is meant";
    }
    ret->certain = "one witness is enough (class D): in the right order every pair fits always";
}

static void say_unfit(const struct window *w, const struct order *o, bool declared,
                      struct arena *arena, struct verdict *ret)
{
    const struct skew *skew = &o->skews[0];
    char span[32];
    const char *place = shake_place(w, skew->endpoint, arena);
    const char *how =
        arena_printf(arena,
                     skew->ours ? "the mesh does not trust %s's leaf for %s"
                                : "%s does not trust the mesh's leaf for %s",
                     place, verdict_span(skew->to_ns - skew->from_ns, span, sizeof(span)));
    if (declared) {
        verdict_nothing(ret, arena, "a declared skew (%s): rot.R6 judges it", how);
        return;
    }
    verdict_open(ret, WHY_TOO_FEW, arena,
                 "by the steps %s, yet no new handshake met it: old connections hide it", how);
    ret->needs = "new handshakes: reuse = \"each\" in the load, or reconnect";
}

static void say_few(const struct window *w, const struct order *o, struct arena *arena,
                    struct verdict *ret)
{
    const char *where = o->at == NULL ? "this phase" : o->at->text;
    bool late = o->fewest >= ret->needed;
    ret->eligible = late ? o->fewest_late : o->fewest;
    ret->needed = late ? THIRD_LEAST : ret->needed;
    verdict_open(ret, WHY_TOO_FEW, arena,
                 "only %llu new handshakes on %s in %sstep %s: old connections hide it",
                 (unsigned long long)ret->eligible, shake_place(w, o->endpoint, arena),
                 late ? "the last third of " : "", where);
    ret->needs = arena_printf(arena, "%llu for each pair and step: a longer step, or a higher rate",
                              (unsigned long long)ret->needed);
}

static void decide(const struct shakes *s, const struct window *w, struct order *o,
                   struct arena *arena, struct verdict *ret)
{
    bool declared = window_declares_refusal(w), steps = is_step_asked(w);
    ret->seen = ret->eligible = o->accepted + o->wrong + o->unfit;
    ret->wrong = o->wrong + (declared ? 0 : o->unfit);
    uint64_t before_ns = ret->wrong > 0 ? ret->witness_ns : w->span.to_ns;
    if (shakes_untaken(s, w, before_ns, ret, arena))
        return;
    if (ret->wrong > 0)
        say_refused(w, o, arena, ret);
    else if (o->skew_count > 0 || o->unfit > 0)
        say_unfit(w, o, declared, arena, ret);
    else if (o->resumed > 0) {
        verdict_open(ret, WHY_TOO_FEW, arena,
                     "%llu of the handshakes resumed a session, which proves nothing",
                     (unsigned long long)o->resumed);
        ret->needs = "tickets off";
    } else if (o->at != NULL && steps && (o->fewest < ret->needed || o->fewest_late < THIRD_LEAST))
        say_few(w, o, arena, ret);
    else if (o->at == NULL || o->accepted == 0) {
        window_too_few(w, ret, arena, 0, ret->needed, ret->unit);
    } else {
        const char *each = steps ? arena_printf(arena, "at least %llu for each pair and step",
                                                (unsigned long long)o->fewest)
                                 : "old connections were kept, as asked";
        verdict_pass(ret, arena,
                     "0 of %llu new handshakes refused over %zu steps, %s; %llu of %llu requests "
                     "lost",
                     (unsigned long long)o->accepted, o->step_count, each,
                     (unsigned long long)o->lost, (unsigned long long)o->requests);
        ret->certain = steps ? verdict_excludes(o->fewest, arena) : NULL;
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct shakes s;
    struct order *o = ARENA_ARRAY(arena, struct order, 1);
    (void)edge;
    shakes_init(&s, w);
    ret->unit = "new handshakes of each pair and step";
    ret->needed = window_floor(w, STEP_LEAST);
    o->step_count = rot_steps(&s, w, arena, o->steps, ROT_STEPS_MOST);
    verdict_policy(ret, NULL, arena, "no handshake is refused while roots and leaves change");
    if (!shakes_lack(&s, w, ret, arena)) {
        if (o->step_count > 0)
            ret->policy_line = o->steps[0].source;
        o->skew_count = shakes_skews(&s, w, o->skews, SKEWS_MOST);
        count_handshakes(&s, w, o, ret);
        count_requests(w, o);
        count_steps(&s, w, o);
        if (o->step_count == 0 && o->skew_count == 0 && o->wrong == 0 && (o->unfit == 0 || !s.lab))
            verdict_nothing(ret, arena, "no step of this phase changes a certificate");
        else
            decide(&s, w, o, arena, ret);
    }
    shakes_release(&s);
}

const struct claim_type claim_rot_R1 = {
    .id = "rot.R1",
    .word = "rotation",
    .only = "order",
    .help = "in the right order no new handshake is refused, hidden or not",
    .class = CLAIM_DETERMINISTIC,
    .applies = shakes_apply,
    .judge = judge,
};
