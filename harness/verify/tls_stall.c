/* tls.stall (spec/verifier.md 3.6): an endpoint that stops within its handshake is given up at the
 * connect timeout. Judged where our flight has not ended: behind it, in TLS 1.3, the mesh is
 * connected, and only its other timers end the request (timeout.try, timeout.request). */
#include "verify/claims.h"
#include "verify/handshake.h"

#include "base/clock.h"
#include "base/units.h"

#define LEAST 5
#define EARLY_NS (15 * NS_PER_MS)
#define LATE_NS (20 * NS_PER_MS)
#define CONNECT_ISTIO_NS (10 * NS_PER_S)
#define CONNECT_LINKERD_NS (1 * NS_PER_S)

struct stalls {
    struct extent extent;
    uint64_t count, early, late;
};

static uint64_t connect_ns(const struct edge_policy *edge)
{
    const struct value *v = &edge->pool.connect_timeout;
    if (v->set && v->number > 0)
        return v->number;
    return edge->flavour == FLAVOUR_LINKERD ? CONNECT_LINKERD_NS : CONNECT_ISTIO_NS;
}

/* It must outlast the timeout, or the end of the hold is the end. */
static bool holds_beyond(const struct step *s, uint64_t c_ns)
{
    uint64_t hold_ns = 0;
    struct error err = {0};
    return strcmp(s->word, "tls_stall") == 0 &&
           units_parse_duration(step_text(s, "hold", ""), &hold_ns, &err) &&
           hold_ns > c_ns + LATE_NS + c_ns / 10;
}

static const struct connection_record *connection_of(const struct journal *j, const struct shake *h)
{
    for (size_t i = 0; i < j->connection_count; i++)
        if (j->connections[i].proc == h->row->proc && j->connections[i].r.conn == h->r->conn &&
            j->connections[i].r.endpoint == h->r->endpoint && j->connections[i].r.side == 0)
            return &j->connections[i].r;
    return NULL;
}

/* Another timer of the mesh, which may have ended the request and with it the connection first. */
static bool is_cut_before(const struct edge_policy *edge, uint64_t c_ns)
{
    const struct value *t = &edge->request_timeout, *p = &edge->retry.per_try_timeout;
    return (t->set && t->number > 0 && t->number < c_ns + LATE_NS) ||
           (p->set && p->number > 0 && p->number < c_ns + LATE_NS);
}

static void count(const struct shakes *s, const struct window *w, uint64_t c_ns, struct stalls *ret,
                  struct verdict *v)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct shake *h = &s->at[i];
        const struct step *fault = h->r->fault == 0 ? NULL : window_fault(w, h->r->fault);
        if (!shake_is_asked(w, h) || fault == NULL || !holds_beyond(fault, c_ns) || h->accepted ||
            h->r->result == HANDSHAKE_DONE)
            continue;
        const struct connection_record *c = connection_of(w->journal, h);
        if (c == NULL || c->close == 0 || c->closed_by != 0 ||
            !window_clean(w, c->at, c->at + c->close))
            continue;
        bool early = c->close + EARLY_NS<c_ns, late = c->close> c_ns + LATE_NS;
        extent_add(&ret->extent, c->close);
        ret->count++;
        ret->early += early;
        ret->late += late;
        if (early || late)
            window_witness(v, NULL, c->at);
    }
}

static void say_failed(const struct window *w, const struct stalls *st, bool is_late,
                       const struct late *test, uint64_t c_ns, struct arena *arena,
                       struct verdict *ret)
{
    char declared[32], range[48];
    verdict_fail(ret, arena,
                 "connect timeout %s: %llu of %llu stalled handshakes were given up "
                 "%s, at %s%s",
                 verdict_span(c_ns, declared, sizeof(declared)),
                 (unsigned long long)(is_late ? st->late : st->early),
                 (unsigned long long)st->count, is_late ? "late" : "early",
                 verdict_range(st->extent.least, st->extent.most, range, sizeof(range)),
                 window_when(w, ret, arena));
    ret->certain = arena_printf(arena, "by this machine's own delays %.1g (class T)", test->tail);
}

static void decide(const struct window *w, const struct stalls *st, uint64_t c_ns,
                   struct arena *arena, struct verdict *ret)
{
    char declared[32], range[48];
    struct late late = window_late(w, st->late, st->count, LATE_NS);
    struct late early = window_late(w, st->early, st->count, EARLY_NS);
    ret->seen = ret->eligible = st->count;
    ret->wrong = st->late + st->early;
    if (window_starved(w, ret, arena))
        return;
    if (st->count > 0 && late.verdict == LATE_FAIL)
        say_failed(w, st, true, &late, c_ns, arena, ret);
    else if (st->count > 0 && early.verdict == LATE_FAIL)
        say_failed(w, st, false, &early, c_ns, arena, ret);
    else if (st->count < ret->needed)
        window_too_few(w, ret, arena, st->count, ret->needed, ret->unit);
    else if (late.verdict == LATE_UNDECIDED)
        window_undecided(w, ret, arena, &late, st->late, st->count, ret->unit);
    else if (early.verdict == LATE_UNDECIDED)
        window_undecided(w, ret, arena, &early, st->early, st->count, ret->unit);
    else
        verdict_pass(ret, arena, "connect timeout %s: %llu stalled handshakes given up at %s",
                     verdict_span(c_ns, declared, sizeof(declared)), (unsigned long long)st->count,
                     verdict_range(st->extent.least, st->extent.most, range, sizeof(range)));
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct shakes s;
    struct stalls st = {0};
    char declared[32];
    uint64_t c_ns = connect_ns(edge);
    ret->unit = "stalled handshakes";
    ret->needed = window_floor(w, LEAST);
    verdict_policy(ret, &edge->pool.connect_timeout, arena, "a connection is made within %s",
                   verdict_span(c_ns, declared, sizeof(declared)));
    if (!window_has_fault(w, "tls_stall")) {
        verdict_nothing(ret, arena, "no fault stops a handshake here");
        return;
    }
    if (is_cut_before(edge, c_ns)) {
        verdict_nothing(ret, arena, "a timeout of requests ends before the connect timeout of %s",
                        declared);
        return;
    }
    shakes_init(&s, w);
    count(&s, w, c_ns, &st, ret);
    shakes_release(&s);
    decide(w, &st, c_ns, arena, ret);
}

const struct claim_type claim_tls_stall = {
    .id = "tls.stall",
    .word = "timeout",
    .only = "connect",
    .help = "a handshake that stands still is given up at the connect timeout",
    .class = CLAIM_TIMING,
    .applies = shakes_apply,
    .judge = judge,
};
