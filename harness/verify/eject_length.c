/* eject.length and eject.return (spec/verifier.md 3.3): a host stays out for base x count, up to
 * the next sweep, and comes back. */
#include "verify/claims.h"
#include "verify/eject.h"

#include "base/clock.h"

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
    uint64_t back = (EJECT_FORGET_SWEEPS + outs) * e->interval_ns;
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
        bool hidden = count_is_hidden(panics, e, t->silences[i].begin_ns);
        uint64_t once_ns = ejector_length_ns(e, 1) - EJECT_SHORT_NS;
        if (hidden && o.short_ns > once_ns) /* a silence that a panic's end made is no ejection */
            o.short_ns = once_ns;
        bool soon = o.ended && o.most_ns < o.short_ns;
        bool late = o.least_ns > o.long_ns && !o.again && !hidden;
        if (!o.ended && !late) {
            l->open++;
            continue;
        }
        /* Which of its ejections it was must be certain, and when it began, or its length shows
         * nothing: it may have been out for much less than it seems. */
        bool told = o.least_ns >= o.short_ns && o.most_ns <= o.long_ns && !o.again && !hidden;
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
                                           .short_ns = ejector_length_ns(e, 1) - EJECT_SHORT_NS,
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
    bool brief = eject_is_brief(&e) && window_is_generated(w);
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
                       e.merge_ns + EJECT_LONG_NS;
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
