/* Runs of failures on one host: what could have been consecutive, and what certainly was
 * (spec/verifier.md 2.1). Order of arrival at our sockets is no evidence across connections. */
#include "verify/track.h"

#define LOOK_TRIES 300
#define LOOK_REQUESTS 1000
#define LATE_NS UINT64_C(1000000000) /* so late may a try be read */

struct look {
    uint32_t from, to; /* positions of the host's list */
};

bool track_may_have_been_out(const struct track *t, uint32_t h, uint32_t position)
{
    const struct track_host *host = &t->hosts[h];
    if (position == 0 || position >= host->count)
        return false;
    uint64_t before = t->tries[host->tries[position - 1]].head_ns;
    uint64_t after = t->tries[host->tries[position]].head_ns;
    if (after - before < t->unseen_ns)
        return false;
    /* A late read makes a gap shorter than the ejection was, but only where time is tainted; else
     * half as much again is needed: at ten picks a second a gap of a second is nothing rare. */
    uint64_t look = before > LATE_NS ? before - LATE_NS : 0;
    return after - before >= t->unseen_ns / 2 * 3 || spans_within(&t->taint, look, after) > 0;
}

/* The tries that can matter to ${position}: those since the last silence, and those in flight with
 * it. What is certain ends at a gap that may have been an ejection, for that clears the count. */
static struct look look_at(const struct track *t, uint32_t h, uint32_t position, bool certain)
{
    const struct track_host *host = &t->hosts[h];
    uint32_t least = position > LOOK_TRIES ? position - LOOK_TRIES : 0, from = position;
    while (from > least && !t->tries[host->tries[from]].after_silence &&
           !(certain && track_may_have_been_out(t, h, from)))
        from--;
    uint64_t seen = t->tries[host->tries[position]].seen_ns;
    uint32_t to = position + 1;
    while (to < host->count && to - position < LOOK_TRIES &&
           !t->tries[host->tries[to]].after_silence && t->tries[host->tries[to]].head_ns <= seen)
        to++;
    return (struct look){from, to};
}

uint32_t track_position(const struct track *t, uint32_t index)
{
    uint32_t endpoint = t->tries[index].r->endpoint;
    if (endpoint == 0 || endpoint > t->host_count)
        return TRACK_NONE;
    const struct track_host *host = &t->hosts[endpoint - 1];
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

uint64_t track_hidden(const struct track *t, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t hidden = 0;
    uint32_t end = track_request_at(t, to_ns == UINT64_MAX ? UINT64_MAX : to_ns + 1), looked = 0;
    for (uint32_t i = end; i > 0 && looked < LOOK_REQUESTS; i--, looked++) {
        const struct request *r = &t->requests[i - 1];
        if (r->done_ns < from_ns)
            continue;
        /* An answer of the mesh's own about a failed connection may stand for all the tries that
         * were left. */
        bool local =
            r->r->body_class == BODY_CONNECT_FAILURE || (r->seen == 0 && r->r->status >= 500);
        uint64_t tries = r->n_mesh;
        if (local && tries < t->retries + 1u)
            tries = t->retries + 1u;
        if (tries > r->seen)
            hidden += tries - r->seen;
    }
    return hidden;
}

uint64_t track_smax(const struct track *t, uint32_t h, uint32_t position, bool gateway)
{
    const struct track_host *host = &t->hosts[h];
    const struct try *last = &t->tries[host->tries[position]];
    struct look look = look_at(t, h, position, false);
    /* A failure is out when a certain success lies after it and before ${last}. */
    uint64_t cleared = 0, first = last->lo_ns, count = 0;
    for (uint32_t i = look.from; i < look.to; i++) {
        const struct try *s = &t->tries[host->tries[i]];
        if ((s->rule[gateway] & RULE_CLEARED) != 0 && s->seen_ns <= last->lo_ns &&
            s->lo_ns > cleared)
            cleared = s->lo_ns;
    }
    for (uint32_t i = look.from; i < look.to; i++) {
        const struct try *f = &t->tries[host->tries[i]];
        if ((f->rule[gateway] & RULE_FAILS) == 0 || f->lo_ns > last->seen_ns ||
            f->seen_ns <= cleared)
            continue;
        count++;
        if (f->lo_ns < first)
            first = f->lo_ns;
    }
    return count + track_hidden(t, cleared > first ? cleared : first, last->seen_ns);
}

uint64_t track_smin(const struct track *t, uint32_t h, uint32_t position, bool gateway)
{
    const struct track_host *host = &t->hosts[h];
    const struct try *last = &t->tries[host->tries[position]];
    struct look look = look_at(t, h, position, true);
    uint64_t broken = 0, count = 0;
    for (uint32_t i = look.from; i < look.to; i++) {
        const struct try *s = &t->tries[host->tries[i]];
        if ((s->rule[gateway] & RULE_CLEARS) != 0 && s->lo_ns < last->seen_ns &&
            s->seen_ns > broken)
            broken = s->seen_ns;
    }
    for (uint32_t i = look.from; i < look.to; i++) {
        const struct try *f = &t->tries[host->tries[i]];
        if ((f->rule[gateway] & RULE_FAILED) != 0 && f->lo_ns <= last->lo_ns && f->lo_ns >= broken)
            count++;
    }
    return count;
}
