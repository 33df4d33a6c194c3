/* The timers: of one try, told by first tries that were cut while the request went on; of the whole
 * request, told by answers that came drop by drop, which no timer of a try cuts. */
#include "verify/discover.h"

#include "base/clock.h"
#include "verify/timeout.h"

#include <string.h>

#define VALUES_MOST 512
#define LEAST 2
#define SLACK_NS (20 * NS_PER_MS)

struct held {
    uint64_t lives[VALUES_MOST]; /* tries that were cut, and followed by another */
    uint64_t ended[VALUES_MOST]; /* requests that ended with their only try, or in mid-answer */
    size_t lives_count, ended_count;
    uint64_t tries, patient; /* tries that were held, and that were waited out */
    uint64_t trickled, whole;
    uint64_t longest_ns, waited_ns; /* a request; a try that was waited out */
};

static bool was_cut(const struct try *x)
{
    return !x->is_connection && !x->late_read && x->left_ns != 0 &&
           (x->out_ns == 0 || x->left_ns <= x->out_ns);
}

static void add(uint64_t *values, size_t *count, uint64_t value)
{
    if (*count < VALUES_MOST)
        values[(*count)++] = value;
}

static void see_held(struct discovering *g, const struct request *r, struct held *h)
{
    for (const struct try *x = window_first(&g->window, r); x != NULL;
         x = window_after(&g->window, x)) {
        if (x->r->fired == 0)
            continue;
        h->tries++;
        if (!was_cut(x)) {
            bool patient = x->out_ns != 0 && x->left_ns == 0;
            h->patient += patient;
            if (patient && x->out_ns - x->head_ns > h->waited_ns)
                h->waited_ns = x->out_ns - x->head_ns;
            continue;
        }
        if (!window_clean(&g->window, x->head_ns, x->left_ns))
            continue;
        if (x->next != TRACK_NONE)
            add(h->lives, &h->lives_count, x->left_ns - x->head_ns);
    }
}

/* Ended by a timer of the whole, long before the last try's own: only where that is known. */
static void see_end(struct discovering *g, const struct request *r, struct held *h)
{
    uint64_t try_ns = g->d->found.retry.per_try_timeout.number; /* 0: none was seen */
    const struct try *last = window_last(&g->window, r);
    if (last == NULL || r->done_ns == 0 || !window_clean(&g->window, r->start_ns, r->done_ns))
        return;
    bool by_try =
        try_ns != 0 && was_cut(last) && last->left_ns - last->head_ns + SLACK_NS >= try_ns;
    if (r->r->status == 504 && was_cut(last) && !by_try)
        add(h->ended, &h->ended_count, r->done_ns - r->start_ns);
    else if (r->done_ns - r->start_ns > h->longest_ns)
        h->longest_ns = r->done_ns - r->start_ns;
}

/* Cut in mid-answer: at the endpoint, where that was seen. An Envoy lets its client's HTTP/1
 * connection stand for another second (delayed_close_timeout). */
static uint64_t broken_ns(const struct request *r, const struct try *x)
{
    return x->left_ns != 0 ? x->left_ns : r->done_ns;
}

static void see_trickle(struct discovering *g, const struct request *r, struct held *h)
{
    const struct try *first = window_first(&g->window, r);
    if (first == NULL || r->done_ns == 0 || first->r->fired == 0)
        return;
    h->trickled++;
    h->whole += r->r->end == END_COMPLETE && r->r->status < 400;
    if (r->r->end != END_COMPLETE && r->r->end != END_CLIENT_TIMEOUT &&
        window_clean(&g->window, r->start_ns, r->done_ns))
        add(h->ended, &h->ended_count, broken_ns(r, first) - r->start_ns);
    if (r->r->end == END_COMPLETE && r->done_ns - r->start_ns > h->longest_ns)
        h->longest_ns = r->done_ns - r->start_ns;
}

static void each(struct discovering *g, const char *wanted,
                 void (*see)(struct discovering *g, const struct request *r, struct held *h),
                 struct held *h)
{
    struct span span;
    if (!discover_span(g, "held", &span))
        return;
    for (uint32_t i = track_request_at(g->track, span.from_ns); i < g->track->request_count; i++) {
        const struct request *r = &g->track->requests[i];
        if (r->start_ns >= span.to_ns)
            break;
        if (strcmp(window_tag(&g->window, r), wanted) == 0)
            see(g, r, h);
    }
}

static void none(struct discovering *g, struct discovered *row, const struct value *declared,
                 uint64_t seen_ns)
{
    char text[32];
    row->known = row->none = true;
    row->how =
        arena_printf(&g->d->arena, "none within %s", verdict_span(seen_ns, text, sizeof(text)));
    bool asked = declared->set && declared->number > 0;
    if (!asked) {
        row->verdict = DISCOVER_SAME;
        row->declared = "none";
    } else if (declared->number < seen_ns) {
        row->verdict = DISCOVER_DIFFERS;
    }
}

/* ${early} and ${late}: what a right timer of the declared length may show. */
static void settle(struct discovering *g, struct discovered *row, const struct value *declared,
                   uint64_t *values, size_t count, uint64_t (*early)(uint64_t),
                   uint64_t (*late)(uint64_t), const char *unit)
{
    discover_middle(row, values, count);
    row->how = discover_share(g, count, count, unit);
    if (!declared->set || declared->number == 0) {
        row->verdict = DISCOVER_DIFFERS;
        row->declared = "none";
        return;
    }
    bool same = row->best >= early(declared->number) && row->best <= late(declared->number);
    row->verdict = same ? DISCOVER_SAME : DISCOVER_DIFFERS;
}

static void per_try(struct discovering *g, struct held *h)
{
    const struct edge_policy *edge = &g->d->declared;
    struct discovered *row =
        discover_row(g, "retry.per_try_timeout", DISCOVER_NS, &edge->retry.per_try_timeout);
    if (h->lives_count >= LEAST) {
        settle(g, row, &edge->retry.per_try_timeout, h->lives, h->lives_count, timeout_try_early_ns,
               timeout_try_late_ns, "tries cut, and tried again");
        g->d->found.retry.per_try_timeout =
            (struct value){.number = row->best, .set = true, .origin = "seen"};
        return;
    }
    if (h->patient >= LEAST && h->tries == h->patient)
        none(g, row, &edge->retry.per_try_timeout, h->waited_ns);
    else
        row->how = "no try was cut and followed by another: it is the request's timer, or none";
    if (row->verdict == DISCOVER_OPEN && !edge->retry.per_try_timeout.set)
        row->verdict = DISCOVER_ALONE;
}

void discover_time(struct discovering *g)
{
    struct held *h = ARENA_ARRAY(&g->d->arena, struct held, 1);
    const struct value *declared = &g->d->declared.request_timeout;
    *h = (struct held){0};
    each(g, "f1:hold", see_held, h);
    each(g, "all:hold", see_held, h);
    per_try(g, h);
    each(g, "f1:hold", see_end, h);
    each(g, "all:hold", see_end, h);
    each(g, "all:trickle", see_trickle, h);
    struct discovered *row = discover_row(g, "request_timeout", DISCOVER_NS, declared);
    if (h->ended_count >= LEAST) {
        settle(g, row, declared, h->ended, h->ended_count, timeout_request_early_ns,
               timeout_request_late_ns, "requests ended");
        g->d->found.request_timeout =
            (struct value){.number = row->best, .set = true, .origin = "seen"};
    } else if (h->whole >= LEAST && h->whole == h->trickled) {
        none(g, row, declared, h->longest_ns);
    } else {
        row->how = arena_printf(&g->d->arena, "%zu requests ended by it, %d are needed",
                                h->ended_count, LEAST);
    }
}
