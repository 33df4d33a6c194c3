#include "verify/eject.h"

#include "base/clock.h"

/* Defaults of Envoy (policy-semantics.md A9); Istio leaves the merge window at 1 s. */
#define LOCAL_FAILURES 5
#define INTERVAL_NS (10 * NS_PER_S)
#define BASE_NS (30 * NS_PER_S)
#define MAX_NS (300 * NS_PER_S)
#define MERGE_NS (1 * NS_PER_S)
#define LOOK_BACK 300
#define OUT_LOOK_TRIES 8
#define TAINT_LOOK_NS (4 * NS_PER_S)

static uint64_t number_or(const struct value *v, uint64_t otherwise)
{
    return v->set && v->number != 0 ? v->number : otherwise;
}

/* Envoy before 1.28 always ejected one host, and rounded up. */
static uint32_t cap_of(const struct edge_policy *edge, uint32_t endpoints)
{
    uint32_t cap = outlier_rule_cap(&edge->outlier, endpoints);
    bool old = edge->target.mesh == MESH_ISTIO && edge->target.major != 0 &&
               !target_since(edge->target, 1, 20);
    if (!old)
        return cap;
    uint64_t up = (endpoints * edge->outlier.max_ejection_percent.number + 99) / 100;
    return up == 0 ? 1 : (uint32_t)up;
}

bool ejector_init(struct ejector *e, const struct edge_policy *edge, uint32_t endpoints)
{
    const struct outlier_rule *rule = &edge->outlier;
    *e = (struct ejector){
        .c = {rule->consecutive_5xx.number, rule->consecutive_gateway.number},
        .interval_ns = number_or(&rule->interval, INTERVAL_NS),
        .base_ns = number_or(&rule->base_ejection, BASE_NS),
        .max_ns = number_or(&rule->max_ejection, MAX_NS),
        .merge_ns = MERGE_NS,
        .cap = rule->present ? cap_of(edge, endpoints) : 0,
        .split = rule->split_local_errors,
    };
    if (e->split)
        e->local = number_or(&rule->consecutive_local, LOCAL_FAILURES);
    if (e->max_ns < e->base_ns)
        e->max_ns = e->base_ns;
    return rule->present && e->cap > 0 && ejector_least(e) > 0;
}

uint64_t ejector_least(const struct ejector *e)
{
    if (e->c[0] == 0 || e->c[1] == 0)
        return e->c[0] + e->c[1];
    return e->c[0] < e->c[1] ? e->c[0] : e->c[1];
}

uint64_t ejector_lowest(const struct ejector *e)
{
    uint64_t least = ejector_least(e);
    return e->local != 0 && (least == 0 || e->local < least) ? e->local : least;
}

uint64_t ejector_length_ns(const struct ejector *e, uint64_t k)
{
    uint64_t length = e->base_ns * k;
    return length < e->max_ns ? length : e->max_ns;
}

bool eject_applies(const struct edge_policy *edge)
{
    struct ejector e;
    return edge->flavour == FLAVOUR_ENVOY && ejector_init(&e, edge, edge->endpoints);
}

/* It ended without an answer: a failed connection, a reset, a timer of the mesh. */
static bool is_local(const struct try *x)
{
    bool cut = x->left_ns != 0 && (x->out_ns == 0 || x->left_ns <= x->out_ns);
    return x->is_connection || cut || x->out_ns == 0 || (x->r->head_out == 0 && x->r->status == 0);
}

/* It is nothing to the detectors of answers: it fills no count of theirs, however long that has
 * been full. */
static bool is_neutral(const struct ejector *e, const struct try *x)
{
    return e->split && is_local(x);
}

uint64_t eject_smin(const struct track *t, const struct ejector *e, uint32_t host,
                    uint32_t position, bool gateway)
{
    if (is_neutral(e, &t->tries[t->hosts[host].tries[position]]))
        return 0;
    uint64_t smin = track_smin(t, host, position, gateway), seen = 0, local = 0;
    for (uint32_t i = position + 1; e->split && i > 0 && seen < smin; i--) {
        const struct try *x = &t->tries[t->hosts[host].tries[i - 1]];
        bool failed = (x->rule[gateway] & RULE_FAILED) != 0;
        seen += failed;
        local += failed && is_local(x);
    }
    return smin - local;
}

enum streak {
    STREAK_COULD, /* tries that never reached us included */
    STREAK_SHOWN, /* those that did alone */
    STREAK_MUST,
};

static uint64_t streak_of(const struct track *t, const struct ejector *e, uint32_t host,
                          uint32_t position, bool gateway, enum streak streak)
{
    uint64_t since_ns;
    if (streak == STREAK_MUST)
        return eject_smin(t, e, host, position, gateway);
    if (streak == STREAK_SHOWN)
        return track_smax_seen(t, host, position, gateway, &since_ns);
    return track_smax(t, host, position, gateway);
}

static bool reached(const struct track *t, const struct ejector *e, uint32_t host,
                    uint32_t position, enum streak streak)
{
    for (int gateway = 0; gateway < 2; gateway++)
        if (e->c[gateway] != 0 &&
            streak_of(t, e, host, position, gateway != 0, streak) >= e->c[gateway])
            return true;
    /* Those without an answer count apart: they could have been all of them. That they certainly
     * were is never asked, for a connection that is made clears that count. */
    return e->local != 0 && streak != STREAK_MUST &&
           streak_of(t, e, host, position, false, streak) >= e->local;
}

bool eject_could(const struct track *t, const struct ejector *e, uint32_t host, uint32_t position)
{
    return reached(t, e, host, position, STREAK_COULD);
}

bool eject_must(const struct track *t, const struct ejector *e, uint32_t host, uint32_t position)
{
    return reached(t, e, host, position, STREAK_MUST);
}

uint32_t eject_position_after(const struct track *t, uint32_t host, uint64_t t_ns)
{
    const struct track_host *h = &t->hosts[host];
    uint32_t end = 0;
    for (uint32_t high = h->count; end < high;) {
        uint32_t middle = end + (high - end) / 2;
        if (t->tries[h->tries[middle]].head_ns <= t_ns)
            end = middle + 1;
        else
            high = middle;
    }
    return end;
}

bool eject_could_be_out(const struct track *t, const struct ejector *e, uint32_t host,
                        uint64_t t_ns)
{
    const struct track_host *h = &t->hosts[host];
    uint64_t back = e->merge_ns + EJECT_GRACE_NS, from = t_ns > back ? t_ns - back : 0;
    for (uint32_t i = eject_position_after(t, host, t_ns), seen = 0; i > 0; i--, seen++) {
        const struct try *x = &t->tries[h->tries[i - 1]];
        bool fails = ((x->rule[0] | x->rule[1]) & RULE_FAILS) != 0;
        if (fails && reached(t, e, host, i - 1, STREAK_COULD))
            return true;
        if (x->head_ns < from && seen >= OUT_LOOK_TRIES)
            return false;
    }
    return false;
}

/* At ${position} of the host's list a gap ends before which it failed often enough to be put out.
 */
static bool is_outing(const struct track *t, const struct ejector *e, uint32_t host,
                      uint32_t position)
{
    const struct track_host *h = &t->hosts[host];
    return track_may_have_been_out(t, host, position) &&
           eject_could_be_out(t, e, host, t->tries[h->tries[position - 1]].head_ns);
}

bool eject_quiet(const struct track *t, const struct ejector *e, uint64_t t_ns)
{
    uint64_t look = e->merge_ns + NS_PER_S / 4, from = t_ns > look ? t_ns - look : 0;
    if (!track_quiet(t, t_ns))
        return false;
    for (uint32_t i = track_try_at(t, from); i < t->try_count && t->tries[i].head_ns <= t_ns; i++) {
        if (t->tries[i].r->endpoint == 0)
            continue;
        uint32_t host = t->tries[i].r->endpoint - 1u, position = t->tries[i].position;
        if (is_outing(t, e, host, position) || is_outing(t, e, host, position + 1))
            return false;
    }
    return true;
}

uint32_t eject_first(const struct track *t, const struct ejector *e, const struct silence *s,
                     bool must)
{
    const struct track_host *host = &t->hosts[s->host];
    uint32_t position = t->tries[s->before].position, found = TRACK_NONE;
    enum streak streak = must ? STREAK_MUST : STREAK_COULD;
    for (uint32_t i = 0; i < LOOK_BACK; i++) {
        const struct try *x = &t->tries[host->tries[position]];
        bool fails = ((x->rule[0] | x->rule[1]) & (must ? RULE_FAILED : RULE_FAILS)) != 0 &&
                     !(must && is_neutral(e, x));
        if (fails && reached(t, e, s->host, position, streak))
            found = position;
        else if (found != TRACK_NONE && fails)
            break;
        if (position == 0 || x->after_silence || track_may_have_been_out(t, s->host, position))
            break;
        position--;
    }
    return found;
}

/* Tries that were refused leave no record on their host: between two of its certain successes, or
 * since the last, they and the failures that we saw may have been enough. An ejection shows up to
 * the merge window after it, with successes in between: as far back as ${from_ns}. */
static bool hidden_could(const struct track *t, const struct ejector *e, const struct silence *s,
                         uint64_t from_ns, uint64_t *ret_since_ns)
{
    const struct track_host *host = &t->hosts[s->host];
    uint64_t until = s->end_ns, fails = 0;
    for (uint32_t position = t->tries[s->before].position + 1; position > 0; position--) {
        const struct try *x = &t->tries[host->tries[position - 1]];
        fails += ((x->rule[0] | x->rule[1]) & RULE_FAILS) != 0;
        /* Back from an ejection it began to count anew, a little before it was seen again. */
        if (x->after_silence) {
            uint64_t grace = e->merge_ns + EJECT_GRACE_NS;
            *ret_since_ns = x->head_ns > grace ? x->head_ns - grace : 0;
            uint64_t hidden = track_hidden(t, *ret_since_ns, until);
            return hidden > 0 && hidden + fails >= ejector_lowest(e);
        }
        if ((x->rule[0] & RULE_CLEARED) == 0)
            continue;
        uint64_t hidden = track_hidden(t, x->lo_ns, until);
        *ret_since_ns = x->lo_ns;
        if (hidden > 0 && hidden + fails >= ejector_lowest(e))
            return true;
        if (x->head_ns < from_ns)
            return false;
        until = x->seen_ns;
        fails = 0;
    }
    *ret_since_ns = t->from_ns;
    uint64_t hidden = track_hidden(t, t->from_ns, until);
    return hidden > 0 && hidden + fails >= ejector_lowest(e);
}

/* How far back what led to the silence may lie: the merge window, and time that is no evidence. */
static uint64_t reach_ns(const struct track *t, const struct ejector *e, const struct silence *s)
{
    uint64_t look = s->begin_ns > TAINT_LOOK_NS ? s->begin_ns - TAINT_LOOK_NS : 0;
    return e->merge_ns + EJECT_GRACE_NS + spans_within(&t->taint, look, s->begin_ns);
}

/* The earliest failure in reach that filled the count; ${found}: only one before ${ret_ns}. */
static bool full_before(const struct track *t, const struct ejector *e, const struct silence *s,
                        enum streak streak, bool found, uint64_t *ret_ns)
{
    const struct track_host *host = &t->hosts[s->host];
    uint64_t back = reach_ns(t, e, s), from = s->begin_ns > back ? s->begin_ns - back : 0;
    for (uint32_t position = t->tries[s->before].position;; position--) {
        const struct try *x = &t->tries[host->tries[position]];
        bool fails = ((x->rule[0] | x->rule[1]) & RULE_FAILS) != 0 && x->seen_ns >= from;
        if (fails && (!found || x->lo_ns < *ret_ns) && reached(t, e, s->host, position, streak)) {
            *ret_ns = x->lo_ns;
            found = true;
        }
        /* A held try that came before all these may have ended last. */
        if (position == 0 || x->after_silence || host->past[position].seen_ns < from)
            return found;
    }
}

bool eject_could_before(const struct track *t, const struct ejector *e, const struct silence *s,
                        uint64_t *ret_ns)
{
    uint64_t back = reach_ns(t, e, s), from = s->begin_ns > back ? s->begin_ns - back : 0;
    bool found = hidden_could(t, e, s, from, ret_ns);
    return full_before(t, e, s, STREAK_COULD, found, ret_ns);
}

bool eject_shown_before(const struct track *t, const struct ejector *e, const struct silence *s)
{
    uint64_t at_ns;
    return full_before(t, e, s, STREAK_SHOWN, false, &at_ns);
}

/* A request that came before ${t_ns} was still waiting when the connection broke: it may have been
 * opened for that one. */
static bool one_waited(const struct track *t, const struct try *x, uint64_t t_ns)
{
    return t->done_before[track_request_at(t, t_ns)] + TRACK_LATE_NS >= x->head_ns;
}

bool eject_sent_after(const struct track *t, const struct try *x, uint64_t t_ns)
{
    if (!t->same_clock || t->is_raw)
        return true;
    if (x->is_connection)
        return !one_waited(t, x, t_ns);
    return x->request == TRACK_NONE || track_sent_after(t, x, t_ns);
}

bool eject_continues(const struct track *t, const struct silence *s)
{
    if (!t->tries[s->before].after_silence)
        return false;
    /* They are in order of time: the host's last one ended with that try. */
    for (const struct silence *last = s; last-- > t->silences;)
        if (last->host == s->host)
            return !eject_sent_after(t, &t->tries[s->before], last->begin_ns);
    return false;
}

/* It goes round, and its breaker drops what comes when it is full: at an even rate the turns of one
 * host may be just those. Picks that chance cannot leave out say nothing then. */
static bool drops_explain(const struct window *w, const struct silence *s)
{
    const struct track *t = w->track;
    const struct pool_rule *pool = &w->policy->pool;
    bool goes_round = w->policy->balance.set && w->policy->balance.number == LB_ROUND_ROBIN;
    if (!goes_round ||
        (!pool->max_requests.set && !pool->max_pending.set && !pool->max_connections.set))
        return false;
    uint64_t drops = 0;
    for (uint32_t i = track_request_at(t, s->begin_ns);
         i < t->request_count && t->requests[i].start_ns < s->end_ns; i++)
        drops += t->requests[i].r->body_class == BODY_OVERFLOW;
    /* Half of its turns at least: what we read late is no pick. */
    return drops * 2 * t->host_count >= s->picks + drops;
}

bool eject_explained(const struct window *w, const struct silence *s)
{
    const struct journal *j = w->journal;
    if (drops_explain(w, s))
        return true;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        const struct journal_proc *p = journal_proc_of(j, j->worlds[i].proc);
        bool ours = p != NULL && p->arm != NULL && p->service != NULL &&
                    strcmp(p->arm, w->track->arm) == 0 &&
                    strcmp(p->service, w->track->service) == 0;
        /* On raw TCP who is refused shows, and is the ejection's cause. */
        if (w->track->is_raw && strncmp(journal_name(j, r->what), "listener_", 9) == 0)
            continue;
        if (ours && (r->endpoint == 0 || r->endpoint == s->host + 1) &&
            r->at + NS_PER_S >= s->begin_ns && r->at <= s->end_ns)
            return true;
    }
    return false;
}

bool eject_touches(const struct silence *s, const struct span *span)
{
    return s->begin_ns < span->to_ns && s->end_ns >= span->from_ns;
}

uint32_t eject_out(const struct track *t, uint32_t host, uint64_t t_ns)
{
    uint32_t out = 0;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        out +=
            s->host != host && s->begin_ns <= t_ns && (s->end_ns > t_ns || s->after == TRACK_NONE);
    }
    return out;
}

static bool was_silent(const struct track *t, uint32_t host, uint64_t t_ns)
{
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        if (s->host == host && s->begin_ns <= t_ns && (s->end_ns > t_ns || s->after == TRACK_NONE))
            return true;
    }
    return false;
}

/* A gap in its picks in which it may have been out, though the picks elsewhere do not make it a
 * silence: they lie in time that is no evidence, or the walk ended within an ejection of whatever
 * length. */
static bool is_in_gap(const struct track *t, uint32_t host, uint64_t t_ns)
{
    uint32_t after = eject_position_after(t, host, t_ns);
    if (after == 0 || t->unseen_ns == UINT64_MAX)
        return false;
    return after == t->hosts[host].count || track_may_have_been_out(t, host, after);
}

bool eject_out_soon(const struct track *t, const struct ejector *e, uint32_t host, uint64_t t_ns)
{
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        if (s->host == host && s->begin_ns >= t_ns &&
            s->begin_ns - t_ns < e->merge_ns + EJECT_GRACE_NS)
            return true;
    }
    return false;
}

bool eject_may_be_out(const struct track *t, const struct ejector *e, uint32_t host, uint64_t t_ns)
{
    return was_silent(t, host, t_ns) || is_in_gap(t, host, t_ns) ||
           eject_could_be_out(t, e, host, t_ns);
}

uint32_t eject_out_most(const struct track *t, const struct ejector *e, uint32_t host,
                        uint64_t t_ns)
{
    uint32_t out = 0;
    for (uint32_t h = 0; h < t->host_count; h++)
        out += h != host && eject_may_be_out(t, e, h, t_ns);
    return out;
}

uint64_t eject_wait_ns(const struct track *t, const struct silence *s)
{
    uint64_t least = t->hosts[s->host].least;
    uint32_t back = s->after == TRACK_NONE ? t->try_count - 1 : s->after;
    uint32_t from = back > least ? back - (uint32_t)least : 0;
    if (from < s->before)
        from = s->before;
    return t->tries[back].head_ns - t->tries[from].head_ns;
}

/* A gap of the host in which it may have been out begins or ends in [from, to]. */
static bool gap_within(const struct track *t, const struct ejector *e, uint32_t host,
                       uint64_t from_ns, uint64_t to_ns)
{
    const struct track_host *h = &t->hosts[host];
    for (uint32_t i = eject_position_after(t, host, from_ns == 0 ? 0 : from_ns - 1); i < h->count;
         i++) {
        if (t->tries[h->tries[i]].head_ns > to_ns)
            return false;
        if (is_outing(t, e, host, i) || is_outing(t, e, host, i + 1))
            return true;
    }
    return false;
}

bool eject_changed(const struct window *w, const struct ejector *e, uint32_t host, uint64_t from_ns,
                   uint64_t to_ns)
{
    const struct track *t = w->track;
    for (size_t i = 0; i < t->silence_count; i++) {
        const struct silence *s = &t->silences[i];
        if (s->host == host)
            continue;
        bool within = s->begin_ns <= to_ns && s->end_ns >= from_ns;
        /* A dead one goes out and comes back, and nobody sees that. */
        if ((within && (s->begin_ns >= from_ns || s->end_ns <= to_ns)) ||
            (within && eject_explained(w, s)))
            return true;
    }
    for (uint32_t h = 0; h < t->host_count; h++)
        if (h != host && gap_within(t, e, h, from_ns, to_ns))
            return true;
    return false;
}

bool eject_merged(const struct window *w, const struct ejector *e, uint32_t host, uint64_t t_ns)
{
    uint64_t back = 2 * e->merge_ns + 100 * NS_PER_MS;
    return eject_changed(w, e, host, t_ns > back ? t_ns - back : 0, t_ns);
}

const char *eject_name(const struct window *w, uint32_t host, struct arena *arena)
{
    return arena_printf(arena, "%s/%u", w->track->service, host + 1);
}
