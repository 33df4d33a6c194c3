/* Runs of failures on one host: what could have been consecutive, and what certainly was
 * (spec/verifier.md 2.1). Order of arrival at our sockets is no evidence across connections. */
#include "verify/track.h"

#define LOOK_TRIES 300
#define LOOK_REQUESTS 1000
#define LATE_NS UINT64_C(1000000000) /* so late may a try be read */
#define SOON_NS UINT64_C(5000000)    /* so soon an answer is known, in a clean time */

struct look {
    uint32_t from, to; /* positions of the host's list */
};

/* A request in between found no host to go to: all were out. */
static bool had_no_host(const struct track *t, uint64_t before_ns, uint64_t after_ns)
{
    for (uint32_t i = track_request_at(t, before_ns);
         i < t->request_count && t->requests[i].start_ns < after_ns; i++)
        if (t->requests[i].seen == 0 && t->requests[i].r->body_class == BODY_NO_HEALTHY &&
            t->requests[i].done_ns <= after_ns)
            return true;
    return false;
}

static bool is_gap(const struct track *t, const struct track_host *host, uint32_t position)
{
    uint64_t before = t->tries[host->tries[position - 1]].head_ns;
    uint64_t after = t->tries[host->tries[position]].head_ns;
    if (after - before < t->unseen_ns)
        return false;
    /* A late read makes a gap shorter than the ejection was, but only where time is tainted; else
     * half as much again is needed, or more picks elsewhere than chance leaves out one host in
     * (once in 10^4 gaps): at ten picks a second a gap of a second is nothing rare. */
    uint64_t look = before > LATE_NS ? before - LATE_NS : 0;
    return after - before >= t->unseen_ns / 2 * 3 || spans_within(&t->taint, look, after) > 0 ||
           track_picks(t, before, after) >= host->least / 2 || had_no_host(t, before, after);
}

void track_find_gaps(struct track *t)
{
    for (uint32_t h = 0; h < t->host_count && t->unseen_ns != UINT64_MAX; h++)
        for (uint32_t i = 1; i < t->hosts[h].count; i++)
            t->tries[t->hosts[h].tries[i]].after_gap = is_gap(t, &t->hosts[h], i);
}

bool track_may_have_been_out(const struct track *t, uint32_t h, uint32_t position)
{
    const struct track_host *host = &t->hosts[h];
    return position < host->count && t->tries[host->tries[position]].after_gap;
}

/* The tries that can matter to ${position}: those since the last silence, and those in flight with
 * it. What is certain ends at a gap that may have been an ejection, for that clears the count. */
static struct look look_at(const struct track *t, uint32_t h, uint32_t position, bool certain)
{
    const struct track_host *host = &t->hosts[h];
    const struct track_past *past = &host->past[position];
    uint32_t least = position > LOOK_TRIES ? position - LOOK_TRIES : 0,
             from = certain ? past->silence_or_gap : past->silence;
    uint64_t seen = t->tries[host->tries[position]].seen_ns;
    uint32_t to = position + 1;
    while (to < host->count && to - position < LOOK_TRIES &&
           !t->tries[host->tries[to]].after_silence && t->tries[host->tries[to]].head_ns <= seen)
        to++;
    return (struct look){from > least ? from : least, to};
}

void track_find_past(struct track *t)
{
    for (uint32_t h = 0; h < t->host_count; h++) {
        struct track_host *host = &t->hosts[h];
        struct track_past past = {0};
        host->past = check_alloc(((size_t)host->count + 1) * sizeof(*host->past));
        for (uint32_t i = 0; i < host->count; i++) {
            const struct try *x = &t->tries[host->tries[i]];
            past.lo_ns = x->lo_ns > past.lo_ns ? x->lo_ns : past.lo_ns;
            past.seen_ns = x->seen_ns > past.seen_ns ? x->seen_ns : past.seen_ns;
            past.silence = x->after_silence ? i : past.silence;
            past.silence_or_gap = x->after_silence || x->after_gap ? i : past.silence_or_gap;
            host->past[i] = past;
        }
    }
}

/* The first of the host's list that is try ${index} or a later one. */
static uint32_t position_at(const struct track_host *host, uint32_t index)
{
    uint32_t low = 0, high = host->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (host->tries[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool track_sent_after(const struct track *t, const struct try *x, uint64_t t_ns)
{
    if (x->request == TRACK_NONE || x->late_read || x->is_connection)
        return false;
    uint64_t since = t->requests[x->request].start_ns;
    for (const struct try *y = &t->tries[t->requests[x->request].first]; y != x;
         y = &t->tries[y->next])
        since = y->lo_ns > since ? y->lo_ns : since;
    return since >= t_ns;
}

uint32_t track_host_tries(const struct track *t, uint32_t host, uint32_t from, uint32_t to)
{
    if (host >= t->host_count || from >= to)
        return 0;
    return position_at(&t->hosts[host], to) - position_at(&t->hosts[host], from);
}

/* Tries of one request that no endpoint saw. */
static uint64_t hidden_of(const struct track *t, const struct request *r)
{
    if (t->is_raw) /* one that was refused, but not known by whom */
        return r->seen + r->refused == 0 && r->r->end != END_COMPLETE;
    /* An answer of the mesh's own about a failed connection may stand for all the tries that were
     * left. */
    bool local = r->r->body_class == BODY_CONNECT_FAILURE || (r->seen == 0 && r->r->status >= 500);
    uint64_t tries = r->n_mesh;
    if (local && tries < t->retries + 1u)
        tries = t->retries + 1u;
    return tries > r->seen ? tries - r->seen : 0;
}

void track_count_hidden(struct track *t)
{
    t->hidden_before = check_alloc_zero((size_t)t->request_count + 1, sizeof(*t->hidden_before));
    for (uint32_t i = 0; i < t->request_count; i++)
        t->hidden_before[i + 1] = t->hidden_before[i] + hidden_of(t, &t->requests[i]);
}

uint64_t track_hidden(const struct track *t, uint64_t from_ns, uint64_t to_ns)
{
    if (t->hidden_before[t->request_count] == 0)
        return 0;
    uint32_t end = track_request_at(t, to_ns == UINT64_MAX ? UINT64_MAX : to_ns + 1);
    uint32_t begin = track_request_at(t, from_ns), looked = 0;
    uint64_t hidden = end > begin ? t->hidden_before[end] - t->hidden_before[begin] : 0;
    /* Begun before, and still under way then; none is where all that began before were done. */
    for (uint32_t i = begin < end ? begin : end;
         i > 0 && looked < LOOK_REQUESTS && t->done_before[i] >= from_ns; i--, looked++)
        if (t->requests[i - 1].done_ns >= from_ns)
            hidden += t->hidden_before[i] - t->hidden_before[i - 1];
    return hidden;
}

uint64_t track_smax_seen(const struct track *t, uint32_t h, uint32_t position, bool gateway,
                         uint64_t *ret_since_ns)
{
    const struct track_host *host = &t->hosts[h];
    const struct try *last = &t->tries[host->tries[position]];
    struct look look = look_at(t, h, position, false);
    /* A failure is out when a certain success lies after it and before ${last}. Where all that came
     * before had been seen by then, nothing of it is in, and none of it is a later success. */
    uint64_t cleared = 0, count = 0;
    uint32_t from = look.to;
    for (; from > look.from && host->past[from - 1].seen_ns > cleared; from--) {
        const struct try *s = &t->tries[host->tries[from - 1]];
        if ((s->rule[gateway] & RULE_CLEARED) != 0 && s->seen_ns <= last->lo_ns &&
            s->lo_ns > cleared)
            cleared = s->lo_ns;
    }
    for (uint32_t i = from; i < look.to; i++) {
        const struct try *f = &t->tries[host->tries[i]];
        count += (f->rule[gateway] & RULE_FAILS) != 0 && f->lo_ns <= last->seen_ns &&
                 f->seen_ns > cleared;
    }
    uint64_t since = t->tries[host->tries[look.from]].head_ns;
    *ret_since_ns = cleared > since ? cleared : since;
    return count;
}

/* With those that never reached us since the last success: each may have been this host's. Ejection
 * is one story over several phases, and each claim of it asks in each of them: what is counted when
 * it is first asked is kept, here and in track_smin. */
uint64_t track_smax(const struct track *t, uint32_t h, uint32_t position, bool gateway)
{
    uint32_t index = t->hosts[h].tries[position];
    uint16_t *known = &t->smax[2 * (size_t)index + gateway];
    if (*known != 0)
        return *known - 1u;
    uint64_t since_ns, seen = track_smax_seen(t, h, position, gateway, &since_ns);
    seen += track_hidden(t, since_ns, t->tries[index].seen_ns);
    if (seen < UINT16_MAX)
        *known = (uint16_t)(seen + 1);
    return seen;
}

/* One that came before ${last} may be known later: it is held, or the mesh, which stood still,
 * reads what has come in any order (ADR 0036). In a clean time an answer of ours is known soon (of
 * two that were sent within that, either may be known first), long before the retry that proves it;
 * of a connection that broke there is no such proof. */
static bool failed_by(const struct track *t, const struct try *f, const struct try *last)
{
    if (f->lo_ns > last->lo_ns || f->is_connection || f->seen_ns <= last->seen_ns)
        return f->lo_ns <= last->lo_ns;
    bool held = f->out_ns == 0 || f->lo_ns < f->out_ns;
    return !held && f->lo_ns + SOON_NS <= last->seen_ns &&
           spans_within(&t->taint, f->lo_ns, last->seen_ns) == 0;
}

static uint16_t count_smin(const struct track *t, uint32_t h, uint32_t position, bool gateway)
{
    const struct track_host *host = &t->hosts[h];
    const struct try *last = &t->tries[host->tries[position]];
    struct look look = look_at(t, h, position, true);
    uint64_t broken = 0;
    uint16_t count = 0; /* a look is two times LOOK_TRIES at most */
    /* A success may have been under way all through a gap, and have ended what came after it. */
    uint32_t from = look.to, least = position > LOOK_TRIES ? position - LOOK_TRIES : 0;
    for (; from > least &&
           (host->past[from - 1].seen_ns > broken || host->past[from - 1].lo_ns >= broken);
         from--) {
        const struct try *s = &t->tries[host->tries[from - 1]];
        if ((s->rule[gateway] & RULE_CLEARS) != 0 && s->lo_ns < last->seen_ns &&
            s->seen_ns > broken)
            broken = s->seen_ns;
    }
    for (uint32_t i = from > look.from ? from : look.from; i < look.to; i++) {
        const struct try *f = &t->tries[host->tries[i]];
        if ((f->rule[gateway] & RULE_FAILED) != 0 && failed_by(t, f, last) && f->lo_ns >= broken)
            count++;
    }
    return count;
}

uint64_t track_smin(const struct track *t, uint32_t h, uint32_t position, bool gateway)
{
    uint16_t *known = &t->smin[2 * (size_t)t->hosts[h].tries[position] + gateway];
    if (*known == 0)
        *known = (uint16_t)(count_smin(t, h, position, gateway) + 1);
    return *known - 1u;
}
