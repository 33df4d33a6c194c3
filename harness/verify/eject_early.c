/* eject.early (spec/verifier.md 3.3): no host goes out before its failures in a row could have
 * reached the threshold. Counted by what the mesh could have seen, never by order of arrival. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#define LOOK_NS (4 * NS_PER_S) /* before a silence */
#define ROUNDS_LEAST 10

/* Rounds of exactly c - 1 certain failures, ended by a certain success. */
static uint64_t rounds_in(const struct window *w, const struct ejector *e)
{
    const struct track *t = w->track;
    uint64_t rounds = 0;
    for (uint32_t h = 0; h < t->host_count; h++) {
        const struct track_host *host = &t->hosts[h];
        for (uint32_t i = 0; i + 1 < host->count; i++) {
            const struct try *x = &t->tries[host->tries[i]], *next = &t->tries[host->tries[i + 1]];
            if (x->head_ns < w->wide.from_ns || x->head_ns >= w->wide.to_ns || next->after_silence)
                continue;
            for (int gateway = 0; gateway < 2; gateway++) {
                if (e->c[gateway] == 0 || (x->rule[gateway] & RULE_FAILED) == 0 ||
                    (next->rule[gateway] & RULE_CLEARED) == 0)
                    continue;
                if (track_smin(t, h, i, gateway != 0) + 1 == e->c[gateway]) {
                    rounds++;
                    break;
                }
            }
        }
    }
    return rounds;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct track *t = w->track;
    struct ejector e;
    bool on = ejector_init(&e, edge, t->host_count);
    uint64_t early = 0, silences = 0;
    uint32_t host = 0;
    /* In a generated plan no phase may put a host out before its time, those for retries neither.
     */
    bool all =
        w->scenario != NULL && w->scenario->from_policy && w->wide.from_ns < w->span.from_ns + 1;
    uint64_t from = all ? t->from_ns : w->wide.from_ns;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        if (s->begin_ns < from || s->begin_ns >= w->wide.to_ns || eject_explained(w, s))
            continue;
        /* What led to it lies in time that is no evidence. */
        uint64_t look = s->begin_ns > LOOK_NS ? s->begin_ns - LOOK_NS : 0;
        if (spans_within(&t->taint, look, s->begin_ns) * 2 > s->begin_ns - look)
            continue;
        silences++;
        uint64_t could_ns;
        if (on && eject_could_before(t, &e, s, &could_ns))
            continue;
        if (early++ == 0)
            host = s->host;
        window_witness(ret, NULL, s->begin_ns);
    }
    unsigned long long c = ejector_least(&e), rounds = rounds_in(w, &e);
    ret->seen = silences;
    ret->eligible = rounds;
    ret->wrong = early;
    ret->needed = window_floor(w, ROUNDS_LEAST);
    ret->unit = "rounds";
    verdict_policy(ret, &edge->outlier.consecutive_5xx, arena,
                   "out after %llu failures in a row, not before", c);
    if (early > 0) {
        verdict_fail(ret, arena, "%s went out after fewer than %llu failures in a row%s",
                     eject_name(w, host, arena), c, window_when(w, ret, arena));
        ret->certain =
            "one witness is enough (class D); no order of its answers makes them that many";
    } else if (window_starved(w, ret, arena))
        return;
    else if (rounds < ret->needed)
        window_too_few(w, ret, arena, rounds, ret->needed,
                       arena_printf(arena, "rounds of %llu failures and a success", c - 1));
    else {
        verdict_pass(ret, arena, "%llu rounds of %llu failures and a success: never out", rounds,
                     c - 1);
        ret->certain = verdict_excludes(rounds, arena);
    }
}

const struct claim_type claim_eject_early = {
    .id = "eject.early",
    .word = "ejection",
    .only = "not_before",
    .help = "no endpoint goes out before its failures in a row reach the threshold",
    .class = CLAIM_DETERMINISTIC,
    .applies = eject_applies,
    .judge = judge,
};
