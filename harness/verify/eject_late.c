/* eject.late (spec/verifier.md 3.3): in a quiet, paced episode no try reaches the host after the
 * one that filled the count. Never judged at a repeat ejection, which may leak for the merge
 * window. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#define AFTER_NS (100 * NS_PER_MS)
#define PACE_NS (90 * NS_PER_MS)

/* Every failure of the run came alone: the mesh had time to act on each. */
static bool is_paced(const struct track *t, const struct track_host *host, uint32_t last,
                     uint64_t c)
{
    if (last + 1 < c)
        return false;
    for (uint32_t i = last + 1 - (uint32_t)c; i < last; i++) {
        const struct try *x = &t->tries[host->tries[i]], *next = &t->tries[host->tries[i + 1]];
        if (next->head_ns < x->head_ns + PACE_NS)
            return false;
    }
    return true;
}

/* The run before it had filled the count too: it was out by then, and its tries are those that come
 * before an update which waits shows it. */
static bool was_full_before(const struct track *t, const struct ejector *e, uint32_t host,
                            uint32_t last)
{
    uint64_t c = ejector_least(e);
    uint32_t first = last + 1 > c ? last + 1 - (uint32_t)c : 0;
    return eject_could_be_out(t, e, host, t->tries[t->hosts[host].tries[first]].head_ns - 1);
}

/* In a quiet moment, with room under the cap and no panic: nothing but the count decides. The
 * others may have the places: then it goes out when one is back. A held try fills the count when it
 * is cut: another may go out before, while it lasts. */
static bool is_clear(const struct window *w, const struct ejector *e, const struct panics *panics,
                     const struct silence *s, uint32_t last)
{
    const struct track *t = w->track;
    const struct track_host *host = &t->hosts[s->host];
    const struct try *full = &t->tries[host->tries[last]];
    return eject_quiet(t, e, full->head_ns - 1) &&
           !eject_changed(w, e, s->host, full->head_ns, full->seen_ns) &&
           is_paced(t, host, last, ejector_least(e)) && !was_full_before(t, e, s->host, last) &&
           eject_out_most(t, e, s->host, full->lo_ns) < e->cap &&
           !panics_hide(panics, full->head_ns) &&
           spans_within(&t->taint, full->lo_ns, s->begin_ns + 1) == 0;
}

/* The count may have been full before: a gap ends what is certain of a run, not the run. */
static bool may_be_longer(const struct track *t, const struct ejector *e, uint32_t host,
                          uint32_t position)
{
    for (int gateway = 0; gateway < 2; gateway++)
        if (e->c[gateway] != 0 && eject_smin(t, e, host, position, gateway != 0) >= e->c[gateway] &&
            track_smax(t, host, position, gateway != 0) > e->c[gateway])
            return true;
    return false;
}

struct lateness {
    uint64_t episodes, late, extra;
    uint32_t host; /* of the last late one */
};

/* After half of an ejection the host may have been out and back, unseen at so few picks. Or it was
 * not out at all: an ejection one failure late looks the same when the next pick came so late. And
 * a try just after may have been under way, as may any that was sent before, or have been the
 * failure that put it out. A try there proves nothing either way. */
static void look_at(const struct track *t, const struct ejector *e, const struct silence *s,
                    uint32_t last, struct lateness *l, struct verdict *ret)
{
    const struct track_host *host = &t->hosts[s->host];
    const struct try *full = &t->tries[host->tries[last]];
    uint64_t after = 0, unclear = 0, until = full->seen_ns + e->base_ns / 2;
    for (uint32_t k = last + 1; k <= t->tries[s->before].position; k++) {
        const struct try *x = &t->tries[host->tries[k]];
        bool is_after = x->head_ns > full->seen_ns + AFTER_NS && x->head_ns < until &&
                        eject_sent_after(t, x, full->seen_ns);
        after += is_after;
        unclear += !is_after;
    }
    if (after == 0 && (unclear > 0 || may_be_longer(t, e, s->host, last)))
        return;
    l->episodes++;
    if (after == 0)
        return;
    l->late++;
    l->extra = after > l->extra ? after : l->extra;
    l->host = s->host;
    window_witness(ret, NULL, full->lo_ns);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const struct track *t = w->track;
    struct ejector e;
    struct lateness l = {0};
    struct panics panics;
    ejector_init(&e, edge, t->host_count);
    panics_init(&panics, edge, &e, w);
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        uint32_t last = s->begin_ns < w->wide.from_ns || s->begin_ns >= w->wide.to_ns
                            ? TRACK_NONE
                            : eject_first(t, &e, s, true);
        if (last != TRACK_NONE && is_clear(w, &e, &panics, s, last))
            look_at(t, &e, s, last, &l, ret);
    }
    panics_release(&panics);
    unsigned long long c = ejector_least(&e);
    ret->seen = ret->eligible = l.episodes;
    ret->wrong = l.late;
    ret->needed = window_enough(w, 1);
    ret->unit = "quiet, paced ejections";
    verdict_policy(ret, &edge->outlier.consecutive_5xx, arena,
                   "out after %llu failures in a row, not later", c);
    if (window_starved(w, ret, arena))
        return;
    if (l.late > 0) {
        verdict_fail(ret, arena, "%s got %llu more %s after %llu failures in a row%s",
                     eject_name(w, l.host, arena), (unsigned long long)l.extra,
                     l.extra == 1 ? "try" : "tries", c, window_when(w, ret, arena));
        ret->certain = "nothing else changed just before, and no stall lies between (class T)";
    } else if (l.episodes < ret->needed)
        window_too_few(w, ret, arena, l.episodes, ret->needed, ret->unit);
    else
        verdict_pass(ret, arena, "out at once after %llu failures in a row", c);
}

const struct claim_type claim_eject_late = {
    .id = "eject.late",
    .word = "ejection",
    .only = "trips",
    .help = "an endpoint goes out at the threshold, not later",
    .class = CLAIM_TIMING,
    .applies = eject_applies,
    .judge = judge,
};
