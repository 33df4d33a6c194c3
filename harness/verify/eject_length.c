/* eject.length and eject.return (spec/verifier.md 3.3): a host stays out for base x count, up to
 * the next sweep, and comes back. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

#define SHORT_NS (20 * NS_PER_MS)
#define LONG_NS (100 * NS_PER_MS)
#define FORGET_SWEEPS 8
#define AGAIN_LOOK_TRIES 300
#define BRIEF_NS (10 * NS_PER_S) /* base + interval up to which two first ejections are asked */

/* When the host's run before the silence could have, and certainly had, tripped; false: it need not
 * have. */
static bool tripped(const struct track *t, const struct ejector *e, const struct silence *s,
                    uint64_t *ret_could_ns, uint64_t *ret_must_ns)
{
    const struct track_host *host = &t->hosts[s->host];
    uint32_t must = eject_first(t, e, s, true);
    if (!eject_could_before(t, e, s, ret_could_ns))
        *ret_could_ns = s->begin_ns;
    *ret_must_ns = must == TRACK_NONE ? s->end_ns : t->tries[host->tries[must]].seen_ns;
    return must != TRACK_NONE;
}

/* Sweeps of [from, to) that certainly found the host in: none of them while it was out, or in a gap
 * in which it may have been. */
static uint64_t sweeps_in(const struct track *t, const struct ejector *e, uint32_t host,
                          uint64_t from_ns, uint64_t to_ns)
{
    const struct track_host *h = &t->hosts[host];
    uint64_t sweeps = 0, in_ns = from_ns;
    for (uint32_t i = eject_position_after(t, host, from_ns); i > 0 && i < h->count; i++) {
        const struct try *x = &t->tries[h->tries[i]];
        uint64_t out_ns = t->tries[h->tries[i - 1]].head_ns;
        if (out_ns >= to_ns)
            break;
        if (!x->after_silence && !track_may_have_been_out(t, host, i))
            continue;
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
    return sweeps_in(t, e, host, back_ns, begin_ns) > FORGET_SWEEPS + unknown;
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
    const struct track_host *host = &t->hosts[s->host];
    uint32_t end = track_position(t, s->before);
    uint64_t unseen = 0;
    for (uint32_t i = 1; i <= end; i++) {
        const struct try *x = &t->tries[host->tries[i]];
        struct silence gap = {.host = s->host,
                              .begin_ns = t->tries[host->tries[i - 1]].head_ns,
                              .end_ns = x->head_ns};
        if (!x->after_silence && track_may_have_been_out(t, s->host, i) &&
            !is_forgotten(t, e, s->host, x->head_ns, s->begin_ns))
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
    uint32_t end = track_position(t, s->before) + 1;
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
    if (!eject_could_before(t, e, s, &could_ns) || eject_first(t, e, s, true) == TRACK_NONE ||
        eject_explained(w, s) || eject_continues(t, s) ||
        (s->after != TRACK_NONE && !eject_sent_after(t, &t->tries[s->after], s->begin_ns)))
        return false;
    (void)tripped(t, e, s, &could_ns, &must_ns);
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
    ret->short_ns = least > SHORT_NS ? least - SHORT_NS : 0;
    ret->long_ns = most + e->interval_ns + LONG_NS + eject_wait_ns(t, s) +
                   spans_within(&t->raw, s->begin_ns, s->end_ns) +
                   (eject_merged(w, e, s->host, s->end_ns) ? e->merge_ns : 0);
    return true;
}

struct lengths {
    uint64_t firsts, repeats, soon, late, open;
    struct extent first, repeat, due; /* due: what the repeats should have been */
    struct outing worst;
    uint32_t host;
};

/* A panic hid who was out, and how often: the host's count may be larger than what was seen. */
static bool count_is_hidden(const struct panics *p, const struct ejector *e, uint64_t begin_ns)
{
    /* So often may it have been out in all of them: each time is one sweep more. */
    uint64_t outs = spans_within(&p->spans, 0, begin_ns) / e->base_ns;
    uint64_t back = (FORGET_SWEEPS + outs) * e->interval_ns;
    return p->blind || spans_within(&p->spans, begin_ns > back ? begin_ns - back : 0, begin_ns) > 0;
}

static void collect(const struct window *w, const struct ejector *e, const struct panics *panics,
                    struct lengths *l, struct verdict *ret)
{
    const struct track *t = w->track;
    for (size_t i = 0; i < t->silence_count; i++) {
        struct outing o;
        if (!eject_touches(&t->silences[i], &w->wide) || !eject_outing(w, e, i, &o) ||
            panics_hide(panics, t->silences[i].end_ns))
            continue;
        bool soon = o.ended && o.most_ns < o.short_ns;
        bool late = o.least_ns > o.long_ns && !o.again &&
                    !count_is_hidden(panics, e, t->silences[i].begin_ns);
        if (!o.ended && !late) {
            l->open++;
            continue;
        }
        /* Which of its ejections it was must be certain, and when it began, or its length shows
         * nothing: it may have been out for much less than it seems. */
        bool told = o.least_ns >= o.short_ns && o.most_ns <= o.long_ns && !o.again;
        bool first = told && o.k_most == 1, repeat = told && o.k_least > 1;
        l->firsts += first;
        l->repeats += repeat;
        if (first || repeat)
            extent_add(repeat ? &l->repeat : &l->first, o.most_ns);
        if (repeat) {
            extent_add(&l->due, ejector_length_ns(e, o.k_least));
            extent_add(&l->due, ejector_length_ns(e, o.k_most) + e->interval_ns);
        }
        l->soon += soon;
        l->late += late;
        if (soon || late) {
            if (l->soon + l->late == 1) {
                l->worst = o;
                l->host = t->silences[i].host;
            }
            window_witness(ret, NULL, t->silences[i].begin_ns);
        }
    }
}

static void collect_brief(const struct window *w, const struct ejector *e,
                          const struct panics *panics, struct lengths *l, struct verdict *ret)
{
    const struct track *t = w->track;
    for (uint32_t h = 0; h < t->host_count; h++)
        for (uint32_t p = 1; p < t->hosts[h].count; p++) {
            uint64_t out_ns;
            if (!eject_brief(t, e, &w->wide, h, p, &out_ns) ||
                panics_hide(panics, t->tries[t->hosts[h].tries[p + 1]].head_ns))
                continue;
            if (l->soon + l->late == 0) {
                l->worst = (struct outing){.most_ns = out_ns,
                                           .least_ns = out_ns,
                                           .short_ns = ejector_length_ns(e, 1) - SHORT_NS,
                                           .long_ns = UINT64_MAX,
                                           .ended = true};
                l->host = h;
            }
            l->soon++;
            window_witness(ret, NULL, t->tries[t->hosts[h].tries[p]].lo_ns);
        }
}

static const char *seconds(uint64_t least_ns, uint64_t most_ns, struct arena *arena)
{
    double least = (double)least_ns / (double)NS_PER_S, most = (double)most_ns / (double)NS_PER_S;
    return most - least < 0.05 ? arena_printf(arena, "%.1f s", most)
                               : arena_printf(arena, "%.1f..%.1f s", least, most);
}

static void fail(const struct window *w, const struct lengths *l, struct arena *arena,
                 struct verdict *ret)
{
    const struct outing *o = &l->worst;
    bool soon = o->most_ns < o->short_ns;
    ret->wrong = l->soon + l->late;
    verdict_fail(ret, arena, "%s was out for %s; %s %s%s", eject_name(w, l->host, arena),
                 seconds(o->most_ns, o->most_ns, arena), soon ? "at least" : "at most",
                 seconds(soon ? o->short_ns : o->long_ns, soon ? o->short_ns : o->long_ns, arena),
                 window_when(w, ret, arena));
    ret->certain =
        soon ? "the low side is sound: measured from the first failure that could have tripped it"
             : "counted from the failure that certainly tripped it, with sweep, merge and stalls";
}

static void pass(const struct ejector *e, const struct lengths *l, struct arena *arena,
                 struct verdict *ret)
{
    const char *first = arena_printf(arena, "out for %s of %s",
                                     seconds(l->first.least, l->first.most, arena),
                                     seconds(e->base_ns, e->base_ns + e->interval_ns, arena)),
               *repeat = arena_printf(arena, "again for %s of %s",
                                      seconds(l->repeat.least, l->repeat.most, arena),
                                      seconds(l->due.least, l->due.most, arena));
    if (l->repeats == 0 || l->firsts == 0)
        verdict_pass(ret, arena, "%s", l->repeats == 0 ? first : repeat);
    else
        verdict_pass(ret, arena, "%s, %s", first, repeat);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct ejector e;
    ejector_init(&e, edge, w->track->host_count);
    struct lengths l = {0};
    struct panics panics;
    panics_init(&panics, edge, &e, w);
    collect(w, &e, &panics, &l, ret);
    collect_brief(w, &e, &panics, &l, ret);
    panics_release(&panics);
    bool full = window_is_generated(w) && w->scenario->depth == DEPTH_FULL;
    const char *base = seconds(e.base_ns, e.base_ns, arena);
    ret->seen = ret->eligible = l.firsts + l.repeats;
    bool brief = e.base_ns + e.interval_ns <= BRIEF_NS && window_is_generated(w);
    ret->needed = window_enough(w, brief ? 2 : 1);
    ret->unit = "ejections";
    verdict_policy(ret, &edge->outlier.base_ejection, arena,
                   "out for %s times its count, up to the next sweep", base);
    if (window_starved(w, ret, arena))
        return;
    if (l.soon + l.late > 0)
        fail(w, &l, arena, ret);
    else if (full && l.repeats == 0)
        window_too_few(w, ret, arena, 0, 1, "repeat ejections");
    else if (l.firsts + l.repeats < ret->needed)
        window_too_few(w, ret, arena, l.firsts + l.repeats, ret->needed,
                       "ejections from trip to return");
    else
        pass(&e, &l, arena, ret);
}

const struct claim_type claim_eject_length = {
    .id = "eject.length",
    .word = "ejection",
    .only = "stays",
    .help = "an endpoint stays out for the base time, times its count",
    .class = CLAIM_TIMING,
    .adds = true,
    .applies = eject_applies,
    .judge = judge,
};

/* Long enough for the sweep, the merge window and m picks: it would have come back if it ever did.
 */
static void judge_return(const struct edge_policy *edge, const struct window *w,
                         struct arena *arena, struct verdict *ret)
{
    const struct track *t = w->track;
    struct ejector e;
    ejector_init(&e, edge, t->host_count);
    uint64_t back = 0, gone = 0, longest = 0;
    uint32_t host = 0;
    struct panics panics;
    panics_init(&panics, edge, &e, w);
    for (size_t i = 0; i < t->silence_count; i++) {
        struct outing o;
        const struct silence *s = &t->silences[i];
        if (!eject_touches(s, &w->wide) || !eject_outing(w, &e, i, &o))
            continue;
        uint64_t due = s->end_ns - o.least_ns + ejector_length_ns(&e, o.k_most) + e.interval_ns +
                       e.merge_ns + LONG_NS;
        bool is_gone =
            due < s->end_ns && !o.again && !count_is_hidden(&panics, &e, s->begin_ns) &&
            track_picks(t, due, s->end_ns) >= t->hosts[s->host].least &&
            o.least_ns > o.long_ns + e.merge_ns &&
            spans_within(&t->taint, s->begin_ns, s->end_ns) * 2 < s->end_ns - s->begin_ns;
        back += o.ended && !is_gone;
        gone += is_gone;
        if (is_gone && o.least_ns > longest) {
            longest = o.least_ns;
            host = s->host;
        }
        if (is_gone)
            window_witness(ret, NULL, s->begin_ns);
    }
    panics_release(&panics);
    ret->seen = ret->eligible = back + gone;
    ret->wrong = gone;
    ret->needed = window_enough(w, 1);
    ret->unit = "ejections";
    verdict_policy(ret, &edge->outlier.base_ejection, arena, "back after its time");
    if (gone > 0) {
        verdict_fail(ret, arena, "%s was not back after %s%s", eject_name(w, host, arena),
                     seconds(longest, longest, arena), window_when(w, ret, arena));
        ret->certain =
            "one witness is enough (class D): enough picks went elsewhere since it was due";
    } else if (window_starved(w, ret, arena))
        return;
    else if (back < ret->needed)
        window_too_few(w, ret, arena, back, ret->needed, "ejections from trip to return");
    else
        verdict_pass(ret, arena, "back after each of %llu ejections", (unsigned long long)back);
}

const struct claim_type claim_eject_return = {
    .id = "eject.return",
    .word = "ejection",
    .only = "returns",
    .help = "an ejected endpoint comes back",
    .class = CLAIM_DETERMINISTIC,
    .applies = eject_applies,
    .judge = judge_return,
};
