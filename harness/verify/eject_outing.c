/* How long a silence was as an ejection, and the how many-th of its host it was (spec/verifier.md
 * 3.3; ADR 0036: what nobody saw counts for the most that it may have been, and never for the
 * least). */
#include "verify/eject.h"

#include "base/clock.h"

#define AGAIN_LOOK_TRIES 300

/* When the host's run before the silence could have, and certainly had, tripped; false: it need not
 * have. */
static bool tripped(const struct track *t, const struct ejector *e, const struct silence *s,
                    uint64_t *ret_could_ns, uint64_t *ret_must_ns)
{
    const struct track_host *host = &t->hosts[s->host];
    uint32_t must = eject_first(t, e, s, true);
    bool could = eject_could_before(t, e, s, ret_could_ns);
    if (!could)
        *ret_could_ns = s->begin_ns;
    *ret_must_ns = must == TRACK_NONE ? s->end_ns : t->tries[host->tries[must]].seen_ns;
    return could && must != TRACK_NONE;
}

/* The time before the host's try at ${position} as if it had been out in it. */
static struct silence gap_before(const struct track *t, uint32_t host, uint32_t position)
{
    uint32_t before = t->hosts[host].tries[position - 1], after = t->hosts[host].tries[position];
    return (struct silence){.host = host,
                            .begin_ns = t->tries[before].head_ns,
                            .end_ns = t->tries[after].head_ns,
                            .before = before,
                            .after = after};
}

/* Sweeps of [from, to) that certainly found the host in: none of them while it was out, or in a gap
 * in which it may have been, nor since it may have gone out for that, for an update waits. */
static uint64_t sweeps_in(const struct track *t, const struct ejector *e, uint32_t host,
                          uint64_t from_ns, uint64_t to_ns)
{
    const struct track_host *h = &t->hosts[host];
    uint64_t sweeps = 0, in_ns = from_ns;
    for (uint32_t i = eject_position_after(t, host, from_ns); i > 0 && i < h->count; i++) {
        const struct try *x = &t->tries[h->tries[i]];
        struct silence gap = gap_before(t, host, i);
        uint64_t out_ns = gap.begin_ns, could_ns;
        if (out_ns >= to_ns)
            break;
        if (!x->after_silence && !track_may_have_been_out(t, host, i))
            continue;
        /* Where no sweep lay between, an earlier end of it takes none away. */
        if (out_ns >= in_ns + e->interval_ns && eject_could_before(t, e, &gap, &could_ns) &&
            could_ns < out_ns)
            out_ns = could_ns;
        sweeps += out_ns > in_ns ? (out_ns - in_ns) / e->interval_ns : 0;
        in_ns = x->head_ns;
    }
    return sweeps + (to_ns > in_ns ? (to_ns - in_ns) / e->interval_ns : 0);
}

/* Many sweeps have found the host in since, in time that is evidence: it counts no more. */
static bool is_forgotten(const struct track *t, const struct ejector *e, uint32_t host,
                         uint64_t back_ns, uint64_t begin_ns)
{
    uint64_t unknown = spans_within(&t->taint, back_ns, begin_ns) / e->interval_ns;
    return sweeps_in(t, e, host, back_ns, begin_ns) > EJECT_FORGET_SWEEPS + unknown;
}

/* Where the listener was down it may have gone out again each time it was let back: none of that
 * shows. */
static uint64_t outs_within(const struct window *w, const struct ejector *e,
                            const struct silence *s)
{
    return eject_explained(w, s) ? 1 + (s->end_ns - s->begin_ns) / e->base_ns : 1;
}

/* Ejections that no silence shows: gaps at too low a rate. */
static uint64_t unseen_before(const struct window *w, const struct ejector *e,
                              const struct silence *s)
{
    const struct track *t = w->track;
    uint32_t end = t->tries[s->before].position;
    uint64_t unseen = 0;
    for (uint32_t i = 1; i <= end; i++) {
        struct silence gap = gap_before(t, s->host, i);
        if (!t->tries[gap.after].after_silence && track_may_have_been_out(t, s->host, i) &&
            !is_forgotten(t, e, s->host, gap.end_ns, s->begin_ns))
            unseen += outs_within(w, e, &gap);
    }
    return unseen;
}

/* How often it may have gone out again before anybody saw it back: by tries that were under way
 * when it went out, and failed when its first time was over. */
static uint64_t again_within(const struct track *t, const struct ejector *e,
                             const struct silence *s, uint64_t could_ns)
{
    const struct track_host *host = &t->hosts[s->host];
    uint64_t back_ns = could_ns + e->base_ns, fails = 0;
    uint32_t end = t->tries[s->before].position + 1;
    for (uint32_t i = end; i > 0 && end - i < AGAIN_LOOK_TRIES; i--) {
        const struct try *x = &t->tries[host->tries[i - 1]];
        fails += ((x->rule[0] | x->rule[1]) & RULE_FAILS) != 0 && x->seen_ns >= back_ns;
    }
    return fails / ejector_lowest(e);
}

/* It went out later than the failures that certainly were enough: there was no room under the cap,
 * or it took longer than the merge window, for its tries waited for connections while it was out.
 */
static bool went_later(const struct track *t, const struct ejector *e, const struct silence *s,
                       uint64_t must_ns)
{
    uint64_t shown = must_ns + e->merge_ns + EJECT_GRACE_NS;
    return s->begin_ns > shown + spans_within(&t->taint, must_ns, s->begin_ns) ||
           eject_out(t, s->host, must_ns) >= e->cap;
}

/* How often the host has been out before: it grows with each, and falls by one with each sweep that
 * finds the host in. The sweep that let it back came at most the wait before it was seen back. */
static void count_before(const struct window *w, const struct ejector *e, size_t index,
                         uint64_t *ret_least, uint64_t *ret_most)
{
    const struct track *t = w->track;
    uint64_t least = 0, most = 0;
    const struct silence *last = &t->silences[index], *before = NULL;
    for (size_t i = 0; i <= index; i++) {
        const struct silence *s = &t->silences[i];
        uint64_t could_ns, must_ns;
        if (s->host != last->host)
            continue;
        bool continues = eject_continues(t, s), must = tripped(t, e, s, &could_ns, &must_ns);
        if (before != NULL && !continues) {
            uint64_t back = before->end_ns, wait = eject_wait_ns(t, before);
            /* It was back, for the sweeps, while an update that waits for another hid it. */
            wait += eject_merged(w, e, s->host, back) ? e->merge_ns : 0;
            uint64_t fewest = sweeps_in(t, e, s->host, back, could_ns);
            uint64_t out_ns = went_later(t, e, s, must_ns) ? s->begin_ns : must_ns;
            uint64_t sweeps = out_ns > back ? (out_ns - back + wait) / e->interval_ns : 0;
            most = most > fewest ? most - fewest : 0;
            least = least > sweeps ? least - sweeps : 0;
        }
        most += outs_within(w, e, s) + again_within(t, e, s, could_ns);
        least += must && !continues && !eject_explained(w, s);
        before = s;
    }
    *ret_least = least;
    *ret_most = most + unseen_before(w, e, last);
}

bool eject_outing(const struct window *w, const struct ejector *e, size_t index, struct outing *ret)
{
    const struct track *t = w->track;
    const struct silence *s = &t->silences[index];
    uint64_t could_ns, must_ns;
    if (!tripped(t, e, s, &could_ns, &must_ns) || eject_explained(w, s) || eject_continues(t, s) ||
        (s->after != TRACK_NONE && !eject_sent_after(t, &t->tries[s->after], s->begin_ns)))
        return false;
    /* Its time did not begin then. */
    if (must_ns > s->end_ns || went_later(t, e, s, must_ns))
        return false;
    /* Where all are out, each update waits for another's, and some are never seen. */
    if (eject_out(t, s->host, must_ns) + 1 >= t->host_count ||
        eject_out(t, s->host, s->begin_ns) + 1 >= t->host_count)
        return false;
    *ret = (struct outing){
        .must_ns = must_ns,
        .least_ns = s->end_ns - must_ns,
        .most_ns = s->end_ns - could_ns,
        .ended = s->after != TRACK_NONE,
    };
    count_before(w, e, index, &ret->k_least, &ret->k_most);
    ret->again = again_within(t, e, s, could_ns) > 0;
    uint64_t least = ejector_length_ns(e, ret->k_least), most = ejector_length_ns(e, ret->k_most);
    ret->short_ns = least > EJECT_SHORT_NS ? least - EJECT_SHORT_NS : 0;
    ret->long_ns = most + e->interval_ns + EJECT_LONG_NS + eject_wait_ns(t, s) +
                   spans_within(&t->raw, s->begin_ns, s->end_ns) +
                   (eject_merged(w, e, s->host, s->end_ns) ? e->merge_ns : 0);
    return true;
}
