#include "verify/penalty.h"

#include "base/clock.h"

#define SOON_NS (20 * NS_PER_MS)
#define LATE_NS (100 * NS_PER_MS)
#define WAIT_MOST_NS (10 * NS_PER_S) /* of a request, for an endpoint */
#define LOOK_BACK 4096               /* as many may be under way on one endpoint */
#define PPM 1000000
/* Defaults of linkerd2-proxy (policy-semantics.md D5). */
#define FAILURES 7
#define LEAST_NS NS_PER_S
#define MOST_NS (60 * NS_PER_S)
#define JITTER_PPM 500000

static uint64_t number_or(const struct value *v, uint64_t otherwise)
{
    return v->set && v->number != 0 ? v->number : otherwise;
}

struct penalty_rule penalty_rule_of(const struct edge_policy *edge)
{
    const struct accrual_rule *a = &edge->accrual;
    return (struct penalty_rule){
        .failures = number_or(&a->max_failures, FAILURES),
        .least_ns = number_or(&a->min_penalty, LEAST_NS),
        .most_ns = number_or(&a->max_penalty, MOST_NS),
        .jitter_ppm = a->jitter_ppm.set ? a->jitter_ppm.number : JITTER_PPM,
    };
}

uint64_t penalty_least_ns(const struct penalty_rule *rule, uint32_t j)
{
    uint64_t base_ns = rule->least_ns;
    for (uint32_t i = 0; i < j && base_ns < rule->most_ns; i++)
        base_ns = base_ns <= rule->most_ns / 2 ? base_ns * 2 : rule->most_ns;
    return base_ns < rule->most_ns ? base_ns : rule->most_ns;
}

/* Jitter acts on whole seconds apart (2.2), and never makes it longer than this. */
uint64_t penalty_longest_ns(const struct penalty_rule *rule, uint32_t j)
{
    double longest = (double)penalty_least_ns(rule, j) * (1 + (double)rule->jitter_ppm / PPM);
    return longest < (double)rule->most_ns ? (uint64_t)longest : rule->most_ns;
}

/* The first try on the host after the one at ${position}, whose end the mesh knew. One that may
 * have been sent before is excused, and then nothing can be told: it may also be what shut the
 * gate, one too late. */
static const struct try *next_after(const struct track *t, const struct track_host *host,
                                    uint32_t position)
{
    const struct try *last = &t->tries[host->tries[position]];
    if (position + 1 >= host->count || last->seen_ns == UINT64_MAX)
        return NULL;
    const struct try *next = &t->tries[host->tries[position + 1]];
    return track_sent_after(t, next, last->seen_ns) ? next : NULL;
}

/* More tries than that may have failed since the last certain success, or since the gate may have
 * opened. Such as were under way at that success may have failed after it. */
static bool may_be_longer(const struct track *t, const struct track_host *host, uint32_t full,
                          uint64_t failures)
{
    uint64_t fails = 0, cleared_ns = 0;
    for (uint32_t i = full + 1, looked = 0; i > 0 && fails <= failures && looked < LOOK_BACK; i--) {
        const struct try *x = &t->tries[host->tries[i - 1]];
        fails += (x->rule[0] & RULE_FAILS) != 0 && x->seen_ns > cleared_ns;
        if (x->after_gap)
            break;
        if ((x->rule[0] & RULE_CLEARED) != 0 && cleared_ns == 0)
            cleared_ns = x->lo_ns;
        looked += cleared_ns != 0;
    }
    return fails > failures;
}

/* Another try than the one at ${position} was under way when that one's end shut the gate: its own
 * end may decide the probation. */
static bool may_be_stale(const struct track *t, const struct track_host *host, uint32_t position)
{
    const struct try *shut = &t->tries[host->tries[position]];
    for (uint32_t i = position, looked = 0; i > 0 && looked < LOOK_BACK; i--, looked++) {
        const struct try *x = &t->tries[host->tries[i - 1]];
        bool ended = x->seen_ns != UINT64_MAX && x->seen_ns <= shut->lo_ns;
        if (!ended && (x->out_ns == 0 || x->out_ns > shut->lo_ns || x->left_ns > shut->lo_ns))
            return true;
    }
    return false;
}

/* From ${due_ns} on the endpoint may be had, and up to ${next_ns} it got nothing: some request had
 * no endpoint for so long, while our loops ran, or was turned away. */
static bool was_wanted(const struct window *w, uint64_t due_ns, uint64_t next_ns)
{
    const struct track *t = w->track;
    uint64_t since = due_ns > WAIT_MOST_NS ? due_ns - WAIT_MOST_NS : 0;
    for (uint32_t i = track_request_at(t, since);
         i < t->request_count && t->requests[i].start_ns < next_ns; i++) {
        const struct request *r = &t->requests[i];
        const struct try *first = window_first(w, r);
        uint64_t from = r->start_ns > due_ns ? r->start_ns : due_ns;
        uint64_t end = first != NULL ? first->head_ns : r->done_ns;
        end = end == 0 || end > next_ns ? next_ns : end;
        bool waited = end > from + LATE_NS;
        bool turned_away = first == NULL && r->start_ns > due_ns + LATE_NS && end > from;
        if ((waited || turned_away) && window_clean(w, from, end))
            return true;
    }
    return false;
}

/* An endpoint's own proxy refused a request: to the caller's an answer like another, which no
 * endpoint saw. It may have ended a run of failures, or been the probe's and opened the gate. */
static bool may_be_refused(const struct window *w, uint64_t from_ns, uint64_t to_ns)
{
    const struct track *t = w->track;
    uint64_t since = from_ns > WAIT_MOST_NS ? from_ns - WAIT_MOST_NS : 0;
    /* One that is retried leaves no trace in the answer. */
    if (w->policy->rate.present && retry_rule_covers(w->policy, CAUSE_STATUS, STATUS_LIMITED))
        return true;
    for (uint32_t i = track_request_at(t, since);
         w->policy->rate.present && i < t->request_count && t->requests[i].start_ns < to_ns; i++)
        if (t->requests[i].r->status == STATUS_LIMITED && t->requests[i].done_ns > from_ns)
            return true;
    return false;
}

/* Something of the world changed meanwhile: an endpoint that came back, at another address perhaps,
 * has a new gate; so has a proxy that was started anew. */
static bool world_changed(const struct window *w, uint64_t from_ns, uint64_t to_ns)
{
    const struct journal *j = w->journal;
    for (size_t i = 0; i < j->world_count; i++)
        if (j->worlds[i].r.at + j->worlds[i].r.after >= from_ns && j->worlds[i].r.at <= to_ns)
            return true;
    return false;
}

struct series {
    const struct window *w;
    const struct penalty_rule *rule;
    struct penalties *to;
    struct verdict *v;
};

/* From the failure ${x} to ${next}; false: it was too short, and what follows tells nothing. */
static bool add(const struct series *s, uint32_t j, const struct try *x, const struct try *next)
{
    uint64_t gap_ns = next->head_ns - x->lo_ns, least_ns = penalty_least_ns(s->rule, j);
    uint64_t due_ns = x->seen_ns + penalty_longest_ns(s->rule, j);
    extent_add(j == 0 ? &s->to->first : &s->to->later, gap_ns);
    if (gap_ns + SOON_NS < least_ns) {
        s->to->soon++;
        s->to->soon_later += j > 0;
        if (j > 0)
            extent_add(&s->to->short_later, least_ns);
        window_witness(s->v, &s->w->track->requests[next->request], next->head_ns);
        return false;
    }
    if (next->head_ns > due_ns + LATE_NS && was_wanted(s->w, due_ns, next->head_ns))
        s->to->late++;
    return true;
}

/* The gate was certainly shut by the failure at ${position}, and by each probe that follows. */
static void follow(const struct series *s, const struct track_host *host, uint32_t position)
{
    const struct track *t = s->w->track;
    const struct try *next = next_after(t, host, position);
    for (uint32_t j = 0; next != NULL; j++, position++, next = next_after(t, host, position)) {
        const struct try *x = &t->tries[host->tries[position]];
        bool probe = j == 0 || ((x->rule[0] & RULE_FAILED) != 0 && x->head_ns < s->w->span.to_ns);
        if (!probe || world_changed(s->w, x->lo_ns, next->head_ns) || !add(s, j, x, next) ||
            may_be_stale(t, host, position) || may_be_refused(s->w, x->lo_ns, next->seen_ns))
            return;
    }
}

/* When the first of the ${failures} up to the one at ${position} began. */
static uint64_t begun_ns(const struct track *t, const struct track_host *host, uint32_t position,
                         uint64_t failures)
{
    uint64_t fails = 0;
    for (uint32_t i = position + 1; i > 0; i--) {
        const struct try *x = &t->tries[host->tries[i - 1]];
        fails += (x->rule[0] & RULE_FAILED) != 0;
        if (fails == failures || i == 1)
            return x->head_ns;
    }
    return 0;
}

void penalties_find(const struct window *w, const struct penalty_rule *rule, struct penalties *ret,
                    struct verdict *v)
{
    const struct track *t = w->track;
    struct series s = {w, rule, ret, v};
    *ret = (struct penalties){0};
    for (uint32_t h = 0; h < t->host_count; h++) {
        const struct track_host *host = &t->hosts[h];
        uint64_t before = 0;
        for (uint32_t i = 0; i < host->count; i++) {
            const struct try *x = &t->tries[host->tries[i]];
            if ((x->rule[0] & RULE_FAILED) == 0)
                continue; /* what is under way for long says nothing yet, and breaks no run */
            uint64_t run = track_smin(t, h, i, false);
            bool full = run >= rule->failures && before < rule->failures;
            before = run;
            if (!full || x->head_ns < w->span.from_ns || x->head_ns >= w->span.to_ns ||
                next_after(t, host, i) == NULL)
                continue;
            if (may_be_longer(t, host, i, rule->failures) ||
                may_be_refused(w, begun_ns(t, host, i, rule->failures), x->seen_ns))
                ret->unclear++;
            else
                follow(&s, host, i);
        }
    }
}
