/* What a right mesh must have counted, seen from both ends of the wire (spec/verifier.md 1.4, 3.7).
 */
#include "verify/metrics.h"

#include "base/clock.h"
#include "journal/arm.h"
#include "verify/flight.h"
#include "verify/timeout.h"

#include <string.h>

#define LEFT_AT_THE_END_NS (5 * NS_PER_MS)
#define TRY_MARGIN_NS (20 * NS_PER_MS)
#define HOSTS_MOST 64

static void sure(struct metrics_bounds *b, uint64_t n)
{
    b->least += n;
    b->most += n;
}

/* The mesh cut the try before we had answered. */
static bool was_cut(const struct try *x)
{
    return !x->is_connection && x->left_ns != 0 && (x->out_ns == 0 || x->left_ns <= x->out_ns);
}

static bool was_answered(const struct request *r)
{
    return r->r->end == END_COMPLETE && r->r->status != 0;
}

/* The caller has the last try's own answer: nothing was made after it. */
static bool is_last_ones(const struct request *r, const struct try *last)
{
    return last != NULL && !last->is_connection && !was_cut(last) && r->r->status != 0 &&
           last->r->status == r->r->status && r->r->body_class == BODY_OWN &&
           (r->r->marks & REQUEST_MARK_L5D_ERROR) == 0; /* the mesh's own says so */
}

/* Long before its own time was up: the whole request's. Where our loops stalled about then we may
 * have read its head late, and its span is shorter than the mesh's. */
static bool was_cut_before(const struct window *w, const struct try *x)
{
    uint64_t per_try = timeout_try_ns(w->policy);
    uint64_t since_ns = x->head_ns > per_try ? x->head_ns - per_try : 0;
    return per_try == 0 || (x->left_ns - x->head_ns + TRY_MARGIN_NS < per_try &&
                            spans_within(&w->track->stalls, since_ns, x->left_ns) == 0);
}

/* The request ended as its last try was cut, and by that: nothing was made in between. One that was
 * cut by its own timer may have been followed by a retry that was counted and never sent. */
static bool ended_with(const struct window *w, const struct request *r, const struct try *last)
{
    return w->track->same_clock && last != NULL && last->left_ns != 0 &&
           r->done_ns < last->left_ns + LEFT_AT_THE_END_NS && was_cut_before(w, last);
}

/* Tries that the mesh may have cut, by their own timer, before we read them: the reset took them
 * with it. Only where our loops stood still, and where the mesh's own count does not tell. */
static uint64_t unread_tries(const struct window *w, const struct request *r)
{
    uint64_t per_try = timeout_try_ns(w->policy), sum = 0, known = r->start_ns;
    if (r->n_mesh != 0 || per_try <= TRY_MARGIN_NS || r->done_ns == 0)
        return 0;
    const struct try *x = window_first(w, r);
    for (;; x = window_after(w, x)) {
        uint64_t next = x == NULL ? r->done_ns : x->head_ns;
        if (next > known && spans_within(&w->track->stalls, known, next) > 0)
            sum += (next - known) / (per_try - TRY_MARGIN_NS);
        if (x == NULL)
            break;
        known = x->out_ns > x->left_ns ? x->out_ns : x->left_ns;
        known = known > next ? known : next;
    }
    uint64_t tries = window_tries(r), bound = 1 + w->policy->retry.attempts.number;
    uint64_t left = bound > tries ? bound - tries : 0;
    return sum < left ? sum : left;
}

/* An endpoint's own proxy refused the last try (D8), and its 429 is not retried. */
static bool was_rate_limited(const struct window *w, const struct request *r)
{
    return w->policy->rate.present && r->r->status == STATUS_LIMITED &&
           !retry_rule_covers(w->policy, CAUSE_STATUS, STATUS_LIMITED);
}

/* The same where it is retried: tries that no endpoint saw, and whose answer the client did not
 * get. */
static uint64_t hidden_tries(const struct window *w, const struct request *r)
{
    uint64_t tries = window_tries(r), bound = 1 + w->policy->retry.attempts.number;
    bool may = w->policy->rate.present &&
               retry_rule_covers(w->policy, CAUSE_STATUS, STATUS_LIMITED) && bound > tries;
    return may ? bound - tries : 0;
}

/* A request of which some may have been made and not seen. */
struct unsure {
    const struct request *r;
    const struct try *last;
    bool last_ones;          /* is_last_ones */
    uint64_t tries;          /* window_tries */
    uint64_t unread, hidden; /* unread_tries, hidden_tries */
};

/* One more try may have been made, and sent to nobody, when the request ended. */
static bool may_have_one_more(const struct window *w, const struct unsure *u)
{
    if (u->last_ones)
        return false;
    bool timer = u->r->r->status == 504 || (u->last != NULL && was_cut(u->last));
    return !was_answered(u->r) || window_failed_fast(w, u->r) ||
           (timer && !ended_with(w, u->r, u->last));
}

/* Retries that may have been counted, and were seen by nobody: of a request that connected to
 * nothing; one more of those that ended while the next try was waited for. */
static uint64_t unseen_retries(const struct window *w, const struct unsure *u, bool *hidden)
{
    const struct request *r = u->r;
    uint64_t bound = 1 + w->policy->retry.attempts.number, tries = u->tries;
    if (u->last_ones)
        return 0;
    if (was_rate_limited(w, r))
        return tries > 0;
    bool budget = w->policy->retry.by_budget;
    bool blind = r->r->body_class == BODY_CONNECT_FAILURE || r->r->body_class == BODY_NO_HEALTHY ||
                 r->seen == 0;
    if (blind && !flight_is_drop(r)) {
        *hidden = true;
        return !budget && bound > tries ? bound - tries : 0;
    }
    if (!budget && tries >= bound)
        return 0;
    return may_have_one_more(w, u) ? 1 : 0;
}

static void count_retries(const struct window *w, const struct unsure *u, struct wire *ret)
{
    uint64_t retries = u->tries > 0 ? u->tries - 1 : 0;
    /* A retry that the breaker of requests refused is counted; one refused by max_retries or by a
     * budget is not (limits-measured.md 1). */
    bool refused = w->track->flavour == FLAVOUR_ENVOY && flight_is_drop(u->r) && u->tries >= 1;
    sure(&ret->retries, retries + refused);
    /* A failed connection may be another request's, whose time it was read too late for. */
    uint64_t known = u->r->n_mesh > u->r->seen ? u->r->n_mesh : u->r->seen;
    known = known > 0 ? known - 1 : 0;
    ret->retries.least -= retries > known ? retries - known : 0;
    ret->retries.most += unseen_retries(w, u, &ret->hidden) + u->unread + u->hidden;
}

/* A try counts once it has a connection; one that broke before we read it cannot be told. */
static void count_tries(const struct window *w, const struct unsure *u, struct wire *ret)
{
    sure(&ret->tries, u->r->seen);
    ret->tries.most += u->tries > u->r->seen ? u->tries - u->r->seen : 0;
    ret->tries.most += may_have_one_more(w, u) + was_rate_limited(w, u->r) + u->unread + u->hidden;
}

/* We had answered, and the mesh may have cut the try before it read that: what it did next tells.
 * The caller has what came of a retry that reached nobody, and a timer's time had passed: where the
 * answer asks for no retry, that was why. */
static bool may_have_been_cut(const struct window *w, const struct unsure *u, const struct try *x)
{
    const struct request *r = u->r;
    enum failure_kind kind = window_failure(x).kind;
    bool good = kind == FAILURE_NONE || kind == FAILURE_UNKNOWN;
    if (x == u->last)
        return !u->last_ones &&
               (x->left_ns != 0 || r->r->status == 504 || (good && window_timer_ended(w, r, true)));
    return x->left_ns != 0 || good || window_other_cause(w, r, x);
}

static void count_cuts(const struct window *w, const struct unsure *u, struct wire *ret)
{
    const struct request *r = u->r;
    const struct try *last = u->last;
    uint64_t unseen = u->tries - r->seen, cut = 0;
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
        bool certain = was_cut(x) && !x->late_read && was_answered(r);
        if (x->is_connection)
            continue;
        ret->cut.most += was_cut(x) || may_have_been_cut(w, u, x);
        cut += was_cut(x);
        ret->cut.least += certain;
        ret->cut_try.least += certain && x != last;
        ret->cut_whole.least += certain && x == last && r->r->status == 504 && was_cut_before(w, x);
    }
    ret->cut.most += unseen + u->unread;
    /* In a connection that never came, or just sent when the whole request's time was up. */
    if (may_have_one_more(w, u) || (cut == 0 && (!was_answered(r) || r->r->status == 504)))
        ret->cut.most++;
}

static void perhaps_any(struct metrics_bounds *classes)
{
    for (size_t i = 0; i < METRICS_CLASSES; i++)
        classes[i].most++;
}

/* The answers that callers got. Those that no try gave, and that are not the mesh's usual ones
 * (A8), may have been made before the request had an upstream. */
static void count_status(const struct request *r, bool grpc, struct wire *ret)
{
    uint32_t status = r->r->status, class = status / 100;
    if (r->r->end != END_COMPLETE || class < 1 || class > METRICS_CLASSES) {
        perhaps_any(ret->status);
        return;
    }
    bool own = r->r->body_class == BODY_OWN && r->seen > 0;
    if (grpc && !own) /* 14 in an HTTP 200 to the caller, 503 in the counter */
        perhaps_any(ret->status);
    else if (own || (status >= 502 && status <= 504) || status == 500)
        sure(&ret->status[class - 1], 1);
    else
        ret->status[class - 1].most++;
}

/* The endpoints' answers as Linkerd counts them: a reset is 502, a close has no status, a head is
 * what counts (linkerd-measured.md 5). */
static void count_tried(const struct window *w, const struct request *r, struct wire *ret)
{
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
        uint32_t class = x->r->status / 100;
        bool headless = x->r->head_out == 0 && x->r->status == 0;
        if (x->is_connection || x->left_ns != 0 || x->out_ns == 0 || x->late_read ||
            (!headless && (class < 1 || class > METRICS_CLASSES))) {
            perhaps_any(ret->tried);
            ret->none.most++;
        } else if (!headless) {
            sure(&ret->tried[class - 1], 1);
        } else if (x->r->outcome == OUTCOME_RESET_BY_FAULT ||
                   x->r->outcome == OUTCOME_UPSTREAM_RESET) {
            sure(&ret->tried[4], 1);
        } else {
            sure(&ret->none, 1);
        }
    }
}

static void count_unsure(const struct window *w, const struct request *r, struct wire *ret)
{
    struct unsure u = {.r = r,
                       .last = window_last(w, r),
                       .tries = window_tries(r),
                       .unread = unread_tries(w, r),
                       .hidden = hidden_tries(w, r)};
    u.last_ones = is_last_ones(r, u.last);
    /* Beside a dead endpoint more than one: each was refused at once. */
    uint64_t bound = 1 + w->policy->retry.attempts.number;
    ret->untold +=
        (flight_is_drop(r) && u.tries < bound) || (may_have_one_more(w, &u) && u.tries + 1 < bound);
    count_tries(w, &u, ret);
    count_retries(w, &u, ret);
    count_cuts(w, &u, ret);
    count_status(r, w->grpc, ret);
    count_tried(w, r, ret);
}

/* Most requests: one try, which was answered, and whose answer the caller has. The same comes of
 * count_unsure, by a longer way: nothing of them is cut, retried, or made of the mesh's own. */
static bool is_plain(const struct window *w, const struct request *r)
{
    const struct try *x = window_first(w, r);
    return r->background && r->refused == 0 && r->r->body_class == BODY_OWN && x->left_ns == 0 &&
           x->out_ns != 0 && !x->late_read && x->r->status == r->r->status;
}

static void count_plain(const struct window *w, const struct request *r, struct wire *ret)
{
    uint64_t unread = unread_tries(w, r), hidden = hidden_tries(w, r);
    size_t class = r->r->status / 100 - 1u;
    sure(&ret->tries, 1);
    sure(&ret->status[class], 1);
    sure(&ret->tried[class], 1);
    ret->tries.most += unread + hidden;
    ret->retries.most += unread + hidden;
    ret->cut.most += unread;
}

static bool is_ours(const struct window *w, const struct request *r)
{
    return w->edge == 0 || r->r->edge == w->edge;
}

/* Tries that no request explains are some edge's: perhaps this one's. */
static void count_untied(const struct window *w, const struct meter *m, struct wire *ret)
{
    const struct track *t = w->track;
    for (uint32_t i = track_try_at(t, m->from_ns); i < t->try_count; i++) {
        const struct try *x = &t->tries[i];
        if (x->head_ns >= m->to_ns)
            break;
        if (x->request != TRACK_NONE)
            continue;
        ret->tries.most++;
        ret->retries.most++;
        ret->cut.most += x->left_ns != 0;
        perhaps_any(ret->tried);
        ret->none.most++;
        ret->hidden = true;
    }
}

static bool was_dead(const struct window *w, const struct meter *m)
{
    const struct journal *j = w->journal;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        if (r->at < m->to_ns && r->step == 1 &&
            strcmp(journal_name(j, r->what), "listener_down") == 0)
            return true;
    }
    return false;
}

/* What a dead endpoint refuses, nobody sees but a mesh that numbers its tries: by the next one that
 * comes. */
static void find_hidden(const struct window *w, const struct meter *m, struct wire *ret)
{
    const struct track *t = w->track;
    bool numbered = false;
    for (uint32_t i = 0; i < t->request_count && !numbered; i++)
        numbered = t->requests[i].n_mesh > 0;
    ret->hidden = ret->hidden || ((!numbered || ret->untold > 0) && was_dead(w, m));
}

/* Of "10.0.0.7:4711": the length of the host. */
static size_t host_len(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    return colon == NULL ? strlen(peer) : (size_t)(colon - peer);
}

static void count_hosts(const struct window *w, const struct meter *m, struct wire *ret)
{
    const char *hosts[HOSTS_MOST];
    const struct track *t = w->track;
    uint32_t last = 0;
    for (uint32_t i = track_try_at(t, m->from_ns); i < t->try_count; i++) {
        const struct try *x = &t->tries[i];
        if (x->head_ns >= m->to_ns || ret->hosts == HOSTS_MOST)
            break;
        if (x->request == TRACK_NONE || x->is_connection || x->r->peer == last ||
            !is_ours(w, &t->requests[x->request]))
            continue;
        last = x->r->peer;
        const char *host = journal_name(w->journal, last);
        size_t len = host_len(host), known = 0;
        while (known < ret->hosts &&
               (host_len(hosts[known]) != len || memcmp(hosts[known], host, len) != 0))
            known++;
        if (known == ret->hosts)
            hosts[ret->hosts++] = host;
    }
}

/* The pages of the asked edge's caller; several have commas between. The controls are meshes of our
 * own. */
static void count_pages(const struct window *w, struct wire *ret)
{
    const char *caller, *edge = w->edge == 0 ? NULL : journal_name(w->journal, w->edge);
    json_t *urls;
    if (w->scenario == NULL || w->scenario->lab.driver != DRIVER_EXTERNAL ||
        !arm_is_subject(w->track->arm))
        return;
    json_object_foreach(json_object_get(w->scenario->lab.external, "metrics"), caller, urls)
    {
        size_t len = strlen(caller);
        const char *at = json_string_value(urls);
        if (at == NULL || (edge != NULL && (strncmp(edge, caller, len) != 0 || edge[len] != ' ')))
            continue;
        for (ret->pages++; (at = strchr(at, ',')) != NULL; at++)
            ret->pages++;
    }
}

void wire_read(const struct window *w, const struct meter *m, struct wire *ret)
{
    const struct track *t = w->track;
    *ret = (struct wire){.first_retried = TRACK_NONE};
    for (uint32_t i = track_request_at(t, m->from_ns); i < t->request_count; i++) {
        const struct request *r = &t->requests[i];
        if (r->start_ns >= m->to_ns)
            break;
        if (!is_ours(w, r))
            continue;
        ret->requests++;
        if (is_plain(w, r))
            count_plain(w, r, ret);
        else
            count_unsure(w, r, ret);
        if (ret->first_retried == TRACK_NONE && window_tries(r) > 1)
            ret->first_retried = i;
    }
    count_untied(w, m, ret);
    find_hidden(w, m, ret);
    count_hosts(w, m, ret);
    count_pages(w, ret);
    uint64_t length = m->to_ns - m->from_ns;
    if (length > 0)
        ret->tainted_ppm = (uint64_t)((double)spans_within(&t->taint, m->from_ns, m->to_ns) * 1e6 /
                                      (double)length);
}
