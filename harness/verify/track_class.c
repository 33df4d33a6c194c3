/* What each try was to the target's detector, and when the mesh knew it (spec/verifier.md 2.1). */
#include "verify/track.h"

#include "base/clock.h"
#include "base/map.h"

#include <stdlib.h>

/* The table of connections is at most so many times as long as the tries. */
#define CONNS_SPARSE 8
#define TIMER_EARLY_NS (10 * NS_PER_MS) /* Envoy's timers: up to 4.5 ms (measured); twice that */

static bool is_between(uint32_t status, uint32_t least, uint32_t most)
{
    return status >= least && status <= most;
}

/* A success is certain only when the client got that very answer: any other may have been cut by a
 * timer of the mesh before it was read. */
static bool client_got_it(const struct track *t, const struct try *x)
{
    if (x->request == TRACK_NONE)
        return false;
    const struct request *r = &t->requests[x->request];
    return &t->tries[r->last] == x && r->r->status == x->r->status &&
           r->r->grpc_status == x->r->grpc_status && r->head_ns != 0 &&
           (r->n_mesh == 0 || x->r->n_mesh == 0 || x->r->n_mesh == r->n_mesh) &&
           r->r->body_class == BODY_OWN;
}

/* grpc-status, plus 1, of an answer whose HTTP status is 200 (2.1, measured). Envoy's detector
 * reads the head alone, Linkerd's the trailers too. */
static uint8_t rule_of_grpc(const struct track *t, const struct try *x, bool gateway,
                            uint8_t success)
{
    uint32_t code = x->r->grpc_status - 1u;
    bool gate = code == 4 || code == 14, any = gate || code == 2 || code == 13 || code == 15;
    if (t->flavour == FLAVOUR_LINKERD) {
        if (any || code == 7)
            return RULE_FAILS | RULE_FAILED;
        return code == 0 ? success : RULE_CLEARS;
    }
    bool failed = x->r->grpc_where == 1 && (gateway ? gate : any);
    return failed ? RULE_FAILS | RULE_FAILED : success;
}

static uint8_t rule_of_status(const struct track *t, const struct try *x, bool gateway)
{
    uint32_t status = x->r->status;
    uint8_t success = x->taken ? RULE_CLEARS | RULE_CLEARED : RULE_FAILS | RULE_CLEARS;
    if (x->r->grpc_status > 0 && status == 200 && x->r->outcome == OUTCOME_ANSWERED)
        return rule_of_grpc(t, x, gateway, success);
    if (t->flavour == FLAVOUR_LINKERD) {
        if (is_between(status, 500, 599) || x->r->outcome == OUTCOME_RESET_BY_FAULT ||
            x->r->outcome == OUTCOME_UPSTREAM_RESET)
            return RULE_FAILS | RULE_FAILED;
        return status == 429 ? RULE_CLEARS : success;
    }
    if (is_between(status, 502, 504))
        return RULE_FAILS | RULE_FAILED;
    if (is_between(status, 500, 599))
        return gateway ? success : RULE_FAILS | RULE_FAILED;
    /* An answer that broke after its head cleared the count, and was one failure itself (ADR 0008).
     */
    return x->r->outcome == OUTCOME_ANSWERED ? success : success | RULE_FAILS;
}

static uint8_t rule_of(const struct track *t, const struct try *x, bool gateway)
{
    if (t->is_raw)
        return track_rule_of_raw(x);
    if (x->is_connection)
        return RULE_FAILS | RULE_FAILED;
    bool cut = x->left_ns != 0 && (x->out_ns == 0 || x->left_ns <= x->out_ns);
    if (cut || x->out_ns == 0) {
        /* Cut by the mesh: a timer's failure, but where its client had given up it is neutral. */
        bool given_up = x->request == TRACK_NONE ||
                        t->requests[x->request].r->end == END_CLIENT_TIMEOUT ||
                        x->r->outcome == OUTCOME_ABANDONED;
        return given_up ? RULE_FAILS : RULE_FAILS | RULE_FAILED;
    }
    if (x->r->head_out == 0 && x->r->status == 0)
        return RULE_FAILS | RULE_FAILED; /* RST or FIN before the head */
    if (x->left_ns != 0 && !x->taken && x->r->status < 500)
        return RULE_FAILS | RULE_CLEARS;
    return rule_of_status(t, x, gateway);
}

static void earlier(uint64_t *at, uint64_t t_ns)
{
    if (t_ns != 0 && t_ns < *at)
        *at = t_ns;
}

/* The next one followed an answer of ours, or a time long enough for the try's own timer: then it
 * was not read only after it had been given up. */
static bool had_ended(const struct track *t, const struct try *x, const struct try *next)
{
    bool answered = x->out_ns != 0 && x->out_ns <= next->head_ns;
    return answered || x->is_connection ||
           (t->try_timeout_ns != 0 &&
            next->head_ns + TIMER_EARLY_NS >= x->head_ns + t->try_timeout_ns);
}

/* A held try may have begun before its head's stamp, which says when we read it: not before the one
 * before was there, or, where our reading was late, the request's start. */
static uint64_t begun_ns(const struct track *t, const struct try *x)
{
    if (x->request == TRACK_NONE || x->is_connection)
        return x->head_ns;
    const struct request *r = &t->requests[x->request];
    uint64_t begun = t->same_clock ? r->start_ns : t->tries[r->first].head_ns;
    for (const struct try *y = &t->tries[r->first]; y != x && !x->late_read && !y->late_read;
         y = &t->tries[y->next])
        if (had_ended(t, y, &t->tries[y->next]))
            begun = y->head_ns;
    return begun < x->head_ns ? begun : x->head_ns;
}

/* Our answer was written after a timer of the mesh may have ended the try: it was read late. An
 * answer that would have been the client's, and was not, certainly came too late. */
static bool may_be_cut_before(const struct track *t, const struct try *x)
{
    if (x->request == TRACK_NONE || x->is_connection)
        return false;
    uint64_t out = x->out_ns + TIMER_EARLY_NS, begun = begun_ns(t, x);
    uint64_t start = t->requests[x->request].start_ns;
    bool good = x->r->status >= 200 && x->r->status < 400;
    return (good && !x->taken) || (t->try_timeout_ns != 0 && out >= begun + t->try_timeout_ns) ||
           (t->request_timeout_ns != 0 && out >= start + t->request_timeout_ns);
}

static void stamp_seen(const struct track *t, struct try *x)
{
    bool early = x->out_ns == 0 || t->is_raw || may_be_cut_before(t, x);
    x->lo_ns = early ? begun_ns(t, x) : x->out_ns;
    x->seen_ns = UINT64_MAX;
    earlier(&x->seen_ns, x->left_ns);
    if (t->is_raw && x->r->upstream != 0) /* bytes follow a connect that was seen to be through */
        earlier(&x->seen_ns, x->r->at + x->r->upstream);
    if (x->next != TRACK_NONE)
        earlier(&x->seen_ns, t->tries[x->next].head_ns);
    if (!t->same_clock || x->request == TRACK_NONE)
        return;
    const struct request *r = &t->requests[x->request];
    earlier(&x->seen_ns, r->done_ns);
    if (x->is_connection && r->first != TRACK_NONE && t->tries[r->first].head_ns > x->head_ns)
        earlier(&x->seen_ns, t->tries[r->first].head_ns);
    /* The head that the client got was made after the last try was over. */
    if (!x->is_connection && &t->tries[r->last] == x)
        earlier(&x->seen_ns, r->head_ns);
}

/* Each connection's last try so far, from 1: a table where connections are numbered one after the
 * other, else a map. */
struct last_tries {
    uint32_t *table; /* [endpoint][conn] */
    size_t conns;
    struct map map;
};

static void last_init(struct last_tries *last, const struct track *t)
{
    size_t most = 0;
    for (uint32_t i = 0; i < t->try_count; i++)
        most = t->tries[i].r->conn > most ? t->tries[i].r->conn : most;
    *last = (struct last_tries){.conns = most + 1};
    map_init(&last->map, (size_t)t->try_count + 1);
    if ((t->host_count + 1) * last->conns <= CONNS_SPARSE * (size_t)t->try_count)
        last->table = check_alloc_zero((t->host_count + 1) * last->conns, sizeof(*last->table));
}

/* Exchanges it for ${next}. */
static uint32_t last_take(struct last_tries *last, const struct attempt_record *r, uint32_t next)
{
    uint32_t before = 0;
    if (last->table != NULL) {
        uint32_t *at = &last->table[r->endpoint * last->conns + r->conn];
        before = *at;
        *at = next;
        return before;
    }
    uint64_t *at = map_at(&last->map, (struct map_key){r->endpoint, r->conn}, NULL);
    if (at != NULL) {
        before = (uint32_t)*at;
        *at = next;
    }
    return before;
}

/* The next try on the same HTTP/1 connection proves that the one before was over. */
static void stamp_by_connection(struct track *t)
{
    struct last_tries last;
    last_init(&last, t);
    for (uint32_t i = 0; i < t->try_count; i++) {
        const struct try *x = &t->tries[i];
        if (x->is_connection || x->r->stream != 0 || x->r->conn == 0)
            continue;
        uint32_t before = last_take(&last, x->r, i + 1);
        if (before != 0 && x->r->sequence > 1)
            earlier(&t->tries[before - 1].seen_ns, x->head_ns);
    }
    free(last.table);
    map_release(&last.map);
}

static void mark_background(struct track *t, struct request *r)
{
    if (r->r->tag != 0 || (r->r->flags & REQUEST_TAGGED) != 0 || r->seen != 1 || r->n_mesh > 1)
        return;
    const struct try *x = &t->tries[r->first];
    r->background =
        x->r->fired == 0 && x->r->fault == 0 && r->done_ns != 0 && record_request_is_good(r->r);
}

/* What window_failure calls no failure, in one look: most tries are none. */
static bool went_well(const struct try *x)
{
    const struct attempt_record *r = x->r;
    return !x->is_connection && !x->late_read && (r->flags & ATTEMPT_RELEASED) == 0 &&
           x->out_ns != 0 && x->left_ns == 0 && r->outcome == OUTCOME_ANSWERED && r->status > 0 &&
           r->status < 400 && r->grpc_status <= 1;
}

void track_class(struct track *t)
{
    for (uint32_t i = 0; i < t->try_count; i++) {
        t->tries[i].taken = client_got_it(t, &t->tries[i]);
        stamp_seen(t, &t->tries[i]);
    }
    stamp_by_connection(t);
    for (uint32_t i = 0; i < t->try_count; i++) {
        struct try *x = &t->tries[i];
        /* We answered after the mesh had gone on: it knew what it made of the try by then. */
        if (x->lo_ns > x->seen_ns)
            x->lo_ns = x->seen_ns;
        x->well = went_well(x);
        x->rule[0] = rule_of(t, x, false);
        /* Only failures are of two kinds. */
        x->rule[1] = (x->rule[0] & RULE_FAILED) != 0 ? rule_of(t, x, true) : x->rule[0];
    }
    for (uint32_t i = 0; i < t->request_count; i++)
        mark_background(t, &t->requests[i]);
}
