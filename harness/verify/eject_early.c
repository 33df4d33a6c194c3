/* eject.early (spec/verifier.md 3.3): no host goes out before its failures in a row could have
 * reached the threshold. Counted by what the mesh could have seen, never by order of arrival. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#include <stdlib.h>

#define LOOK_NS (4 * NS_PER_S) /* before a silence */
#define ROUNDS_LEAST 10

struct rounds {
    uint64_t count;
    uint64_t blind; /* others, in which the mesh was in panic, or may have been */
};

static bool is_round(const struct track *t, const struct ejector *e, uint32_t h, uint32_t position)
{
    const struct track_host *host = &t->hosts[h];
    const struct try *x = &t->tries[host->tries[position]],
                     *next = &t->tries[host->tries[position + 1]];
    for (int gateway = 0; gateway < 2 && !next->after_silence; gateway++)
        if (e->c[gateway] != 0 && (x->rule[gateway] & RULE_FAILED) != 0 &&
            (next->rule[gateway] & RULE_CLEARED) != 0 &&
            eject_smin(t, e, h, position, gateway != 0) + 1 == e->c[gateway])
            return true;
    return false;
}

/* Rounds of exactly c - 1 certain failures, ended by a certain success. */
static struct rounds rounds_in(const struct window *w, const struct ejector *e,
                               const struct panics *panics)
{
    const struct track *t = w->track;
    struct rounds rounds = {0};
    for (uint32_t h = 0; h < t->host_count; h++) {
        const struct track_host *host = &t->hosts[h];
        for (uint32_t i = 0; i + 1 < host->count; i++) {
            uint64_t head_ns = t->tries[host->tries[i]].head_ns;
            if (head_ns < w->wide.from_ns || head_ns >= w->wide.to_ns || !is_round(t, e, h, i) ||
                eject_out_soon(t, e, h, head_ns))
                continue;
            bool hides = panics_hide(panics, head_ns);
            rounds.count += !hides;
            rounds.blind += hides;
        }
    }
    return rounds;
}

struct outs {
    const struct panics *panics;
    uint64_t silences, early;
    uint32_t host;         /* of the first early one */
    uint64_t unshown;      /* in the window, that only tries which never reached us explain */
    uint32_t unshown_host; /* of the first of them */
};

/* The host was out from ${s} on: had it failed often enough before? */
static void look_at(const struct window *w, const struct ejector *e, const struct silence *s,
                    struct outs *outs, struct verdict *ret)
{
    const struct track *t = w->track;
    uint64_t could_ns, look = s->begin_ns > LOOK_NS ? s->begin_ns - LOOK_NS : 0;
    /* What led to it lies in time that is no evidence. */
    if (eject_explained(w, s) || eject_continues(t, s) ||
        panics_ended(outs->panics, e, s->begin_ns) ||
        spans_within(&t->taint, look, s->begin_ns) * 2 > s->begin_ns - look)
        return;
    outs->silences++;
    if (ejector_lowest(e) > 0 && e->cap > 0 && eject_could_before(t, e, s, &could_ns)) {
        if (s->begin_ns >= w->wide.from_ns && !eject_shown_before(t, e, s) && outs->unshown++ == 0)
            outs->unshown_host = s->host;
        return;
    }
    if (outs->early++ == 0)
        outs->host = s->host;
    window_witness(ret, NULL, s->begin_ns);
}

static bool is_silence(const struct track *t, uint32_t before)
{
    for (size_t i = 0; i < t->silence_count; i++)
        if (t->silences[i].before == before)
            return true;
    return false;
}

/* The mesh answered that it has no healthy host: then each was out, though no picks elsewhere show
 * it. What that request itself may have tried unseen is counted against the host. */
static void look_at_none(const struct window *w, const struct ejector *e, const struct request *r,
                         uint32_t *looked, struct outs *outs, struct verdict *ret)
{
    const struct track *t = w->track;
    for (uint32_t h = 0; h < t->host_count; h++) {
        uint32_t position = eject_position_after(t, h, r->start_ns);
        if (position == 0 || position != eject_position_after(t, h, r->done_ns))
            continue;
        const struct track_host *host = &t->hosts[h];
        uint32_t before = host->tries[position - 1];
        struct silence s = {.host = h,
                            .begin_ns = t->tries[before].head_ns,
                            .end_ns = r->start_ns,
                            .before = before,
                            .after = position < host->count ? host->tries[position] : TRACK_NONE};
        if (looked[h] == position || is_silence(t, before))
            continue;
        looked[h] = position;
        /* A pick made before that answer, and read after it? */
        if (s.after == TRACK_NONE || !spans_hold(&t->taint, t->tries[s.after].head_ns))
            look_at(w, e, &s, outs, ret);
    }
}

static void look_at_blackouts(const struct window *w, const struct ejector *e, uint64_t from_ns,
                              struct outs *outs, struct verdict *ret)
{
    const struct track *t = w->track;
    uint32_t *looked = check_alloc_zero((size_t)t->host_count + 1, sizeof(*looked));
    uint32_t end = track_request_at(t, w->wide.to_ns);
    for (uint32_t i = track_request_at(t, from_ns); t->same_clock && i < end; i++) {
        const struct request *r = &t->requests[i];
        if (r->r->body_class == BODY_NO_HEALTHY && r->seen == 0 && r->done_ns != 0 &&
            window_clean(w, r->start_ns, r->done_ns))
            look_at_none(w, e, r, looked, outs, ret);
    }
    free(looked);
}

static void conclude(const struct window *w, const struct ejector *e, const struct outs *outs,
                     const struct rounds *rounds, struct arena *arena, struct verdict *ret)
{
    unsigned long long c = ejector_least(e);
    if (outs->early > 0) {
        verdict_fail(ret, arena, "%s went out after fewer than %llu failures in a row%s",
                     eject_name(w, outs->host, arena), c, window_when(w, ret, arena));
        ret->certain =
            "one witness is enough (class D); no order of its answers makes them that many";
    } else if (window_starved(w, ret, arena))
        return;
    else if (outs->unshown > 0) {
        verdict_open(ret, WHY_CAPABILITY, arena,
                     "%s went out after fewer than %llu failures that reached us; tries that never "
                     "did may be the others",
                     eject_name(w, outs->unshown_host, arena), c);
        ret->needs = "a run in which no request ends without a try that reached us";
    } else if (rounds->count < ret->needed && rounds->blind > 0) {
        verdict_open(ret, WHY_CAPABILITY, arena,
                     "%llu of %llu rounds show nothing: so many were out, or may have been, that "
                     "the mesh sent to all of them",
                     (unsigned long long)rounds->blind,
                     (unsigned long long)(rounds->blind + rounds->count));
        ret->needs = "a gauge of ejections that says that the others are in";
    } else if (rounds->count < ret->needed)
        window_too_few(w, ret, arena, rounds->count, ret->needed,
                       arena_printf(arena, "rounds of %llu failures and a success", c - 1));
    else {
        verdict_pass(ret, arena, "%llu rounds of %llu failures and a success: never out",
                     (unsigned long long)rounds->count, c - 1);
        ret->certain = verdict_excludes(rounds->count, arena);
    }
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct track *t = w->track;
    struct ejector e;
    struct panics panics;
    struct outs outs = {.panics = &panics};
    ejector_init(&e, edge, t->host_count);
    panics_init(&panics, edge, &e, w);
    /* In a generated plan no phase may put a host out before its time, those for retries neither.
     */
    bool all = window_is_generated(w) && w->wide.from_ns < w->span.from_ns + 1;
    uint64_t from = all ? t->from_ns : w->wide.from_ns;
    struct rounds rounds = rounds_in(w, &e, &panics);
    for (size_t i = 0; i < t->silence_count; i++)
        if (t->silences[i].begin_ns >= from && t->silences[i].begin_ns < w->wide.to_ns)
            look_at(w, &e, &t->silences[i], &outs, ret);
    look_at_blackouts(w, &e, from, &outs, ret);
    panics_release(&panics);
    ret->seen = outs.silences;
    ret->eligible = rounds.count;
    ret->wrong = outs.early;
    ret->needed = window_floor(w, ROUNDS_LEAST);
    ret->unit = "rounds";
    verdict_policy(ret, &edge->outlier.consecutive_5xx, arena,
                   "out after %llu failures in a row, not before",
                   (unsigned long long)ejector_least(&e));
    conclude(w, &e, &outs, &rounds, arena, ret);
}

const struct claim_type claim_eject_early = {
    .id = "eject.early",
    .word = "ejection",
    .only = "not_before",
    .help = "no endpoint goes out before its failures in a row reach the threshold",
    .class = CLAIM_DETERMINISTIC,
    .adds = true,
    .applies = eject_applies,
    .judge = judge,
};
