#ifndef VERIFY_SIMULATOR_TEST_H
#define VERIFY_SIMULATOR_TEST_H

/* A mesh, its clients and its endpoints in virtual time, for tests of the judge only: it walks a
 * generated plan and writes the journal that a real run would. Deliberately not the model layer:
 * the judge is tested by a second, small opinion of what a mesh does. */

#include "base/clock.h"
#include "base/rng.h"
#include "base/units.h"
#include "verify/judge.h"
#include "verify/generate.h"
#include "verify/track.h"

#include <stdlib.h>
#include <string.h>

#define SIM_HOSTS 8
#define SIM_T0 (1000 * NS_PER_S)
#define SIM_PROXY 2
#define SIM_LOAD 1
#define SIM_STALLS 1024

/* The mesh's own numbers: right when they are the policy's. */
struct sim_mesh {
    uint64_t retries, p_ns, t_ns, backoff_ns, c, interval_ns, base_ns, cap;
    uint16_t retries_too, never_retries; /* statuses, against the list; never 1: resets */
    bool constant_backoff, same_host, keeps_counter, repeat_not_grown, never_returns, from_start,
        t_restarts;
    bool timeout_as_200, retries_started, eject_all;
};
enum sim_kind { SIM_ARRIVE, SIM_TRY, SIM_ANSWER, SIM_CUT, SIM_EXPIRE };
struct sim_event {
    uint64_t t_ns;
    enum sim_kind kind;
    uint32_t request, epoch;
};
struct sim_request {
    struct request_record r;
    struct attempt_record try;
    uint64_t start_ns, tried[8];
    const char *tag;
    uint32_t load, epoch, tries, hidden;
    bool done, in_try;
};
struct sim_host {
    uint64_t fails, streak, open, out_until_ns, back_ns, enforced_ns;
    uint32_t k, active;
    uint32_t trips; /* of the accrual, in a row */
    bool out;
};
struct sim {
    struct journal *j;
    struct plan *plan;
    struct scenario *s;
    struct edge_policy edge;
    struct sim_mesh mesh;
    struct rng rng;
    const char *arm;
    struct sim_event *heap;
    size_t heap_count, heap_room;
    struct sim_request *requests;
    size_t request_count, request_room;
    struct sim_host hosts[SIM_HOSTS];
    uint32_t n, turn, phase_id, seq;
    uint64_t now_ns, changed_ns, sweep_ns;
    const struct phase *phase;
    uint64_t phase_ns;
    const struct step *carried[8]; /* faults by to_end_of */
    const char *carried_to[8];
    size_t carried_count;
    struct span stalls[SIM_STALLS],
        freezes[SIM_STALLS]; /* our proxy's loop, and the mesh's, stand still */
    size_t stall_count, freeze_count;
    uint64_t delay_ns; /* the whole mesh is slow */
    bool no_merge;
    bool accrual; /* Linkerd: shut for a penalty at once, no sweep, no cap */
    int balance;  /* 0: in turn, 1: at random, 2: the one with fewer requests in flight of two drawn
                   */
    uint32_t lane;
};

static inline void sim_push(struct sim *s, uint64_t t_ns, enum sim_kind kind, uint32_t request,
                            uint32_t epoch)
{
    if (s->heap_count == s->heap_room) {
        s->heap_room = s->heap_room == 0 ? 256 : s->heap_room * 2;
        s->heap = check_realloc(s->heap, s->heap_room * sizeof(*s->heap));
    }
    size_t i = s->heap_count++;
    s->heap[i] = (struct sim_event){t_ns, kind, request, epoch};
    while (i > 0 && s->heap[(i - 1) / 2].t_ns > s->heap[i].t_ns) {
        struct sim_event swap = s->heap[i];
        s->heap[i] = s->heap[(i - 1) / 2];
        s->heap[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

static inline struct sim_event sim_pop(struct sim *s)
{
    struct sim_event top = s->heap[0];
    s->heap[0] = s->heap[--s->heap_count];
    for (size_t i = 0;;) {
        size_t least = i, left = 2 * i + 1;
        for (size_t k = left; k < left + 2 && k < s->heap_count; k++)
            if (s->heap[k].t_ns < s->heap[least].t_ns)
                least = k;
        if (least == i)
            return top;
        struct sim_event swap = s->heap[i];
        s->heap[i] = s->heap[least];
        s->heap[least] = swap;
        i = least;
    }
}

/* What our own proxy stamps: nothing while its loop stands, then all at once and in any order. */
static inline uint64_t sim_proxy_ns(struct sim *s, uint64_t t_ns)
{
    for (size_t i = 0; i < s->stall_count; i++)
        if (t_ns >= s->stalls[i].from_ns && t_ns < s->stalls[i].to_ns)
            return s->stalls[i].to_ns + rng_below(&s->rng, 2 * NS_PER_MS);
    return t_ns;
}

static inline bool sim_tag_is(const struct step *f, const char *tag)
{
    const char *want = json_string_value(json_object_get(json_object_get(f->keys, "match"), "tag"));
    return want == NULL || (tag != NULL && strcmp(want, tag) == 0);
}

static inline bool sim_hits(const struct sim *s, const struct step *f, uint32_t host,
                            const struct sim_request *r)
{
    (void)s;
    int64_t first = json_integer_value(json_object_get(f->keys, "first"));
    return f->kind == STEP_FAULT && (f->on.to.endpoint == 0 || f->on.to.endpoint == host + 1) &&
           sim_tag_is(f, r->tag) && (first == 0 || r->tries <= (uint32_t)first);
}

/* The fault that is armed now for this try; NULL: none. */
static inline const struct step *sim_fault(const struct sim *s, uint32_t host,
                                           const struct sim_request *r, bool at_connect)
{
    for (size_t i = 0; i < s->carried_count; i++)
        if (!at_connect && sim_hits(s, s->carried[i], host, r))
            return s->carried[i];
    for (size_t i = 0; s->phase != NULL && i < s->phase->step_count; i++) {
        const struct step *f = &s->phase->steps[i];
        const struct step *list = f;
        size_t count = 1;
        if (f->kind == STEP_DURING) {
            if (s->now_ns < s->phase_ns + f->from_ns || s->now_ns >= s->phase_ns + f->to_ns)
                continue;
            list = f->steps;
            count = f->step_count;
        }
        for (size_t k = 0; k < count; k++) {
            const char *when = json_string_value(json_object_get(list[k].keys, "when"));
            bool connects =
                list[k].kind == STEP_FAULT && (strcmp(list[k].word, "refuse") == 0 ||
                                               (when != NULL && strcmp(when, "accept") == 0));
            if (sim_hits(s, &list[k], host, r) && connects == at_connect)
                return &list[k];
        }
    }
    return NULL;
}

static inline void sim_change(struct sim *s)
{
    s->changed_ns = s->now_ns;
}

/* Sweeps return a host whose time is over. */
static inline void sim_sweep(struct sim *s)
{
    while (s->sweep_ns + s->mesh.interval_ns <= s->now_ns) {
        s->sweep_ns += s->mesh.interval_ns;
        for (uint32_t h = 0; h < s->n; h++) {
            struct sim_host *host = &s->hosts[h];
            if (host->out && s->sweep_ns >= host->out_until_ns && !s->mesh.never_returns) {
                host->out = false;
                host->fails = 0;
                host->back_ns = s->sweep_ns;
                if (!s->no_merge)
                    s->changed_ns = s->sweep_ns;
            } else if (!host->out && host->k > 0) {
                host->k--;
            }
        }
    }
}

static inline void sim_outcome(struct sim *s, uint32_t h, bool failed)
{
    struct sim_host *host = &s->hosts[h];
    uint32_t out = 0;
    if (!failed) {
        if (!s->mesh.keeps_counter)
            host->fails = 0;
        host->trips = 0;
        return;
    }
    for (uint32_t i = 0; i < s->n; i++)
        out += s->hosts[i].out;
    if (s->accrual) {
        /* One failure is enough in probation, and the penalty doubles. */
        if (s->now_ns >= host->out_until_ns && (++host->fails >= s->mesh.c || host->trips > 0))
            host->out_until_ns = s->now_ns + (s->mesh.base_ns << host->trips++);
        return;
    }
    if (s->mesh.c == 0 || ++host->fails < s->mesh.c || host->out || out >= s->mesh.cap)
        return;
    host->out = true;
    host->k++;
    uint64_t k = s->mesh.repeat_not_grown ? 1 : host->k;
    host->out_until_ns = s->now_ns + s->mesh.base_ns * k;
    bool merged = s->changed_ns != 0 && s->now_ns < s->changed_ns + NS_PER_S;
    host->enforced_ns = merged ? s->changed_ns + NS_PER_S : s->now_ns;
    sim_change(s);
}

static inline bool sim_is_in(const struct sim *s, uint32_t h)
{
    if (s->accrual)
        return s->now_ns >= s->hosts[h].out_until_ns;
    return !s->hosts[h].out || s->now_ns < s->hosts[h].enforced_ns;
}

static inline uint32_t sim_pick(struct sim *s, const struct sim_request *r)
{
    uint32_t left = 0;
    for (uint32_t h = 0; h < s->n; h++)
        left += sim_is_in(s, h);
    if (left == 0)
        return UINT32_MAX;
    if (s->mesh.same_host && r->tries > 0)
        return (uint32_t)r->tried[r->tries - 1];
    for (uint32_t tries = 0; tries < 8 * s->n; tries++) {
        uint32_t h = s->balance == 0 ? s->turn++ % s->n : (uint32_t)rng_below(&s->rng, s->n);
        uint32_t also = s->balance == 2 ? (uint32_t)rng_below(&s->rng, s->n) : h;
        h = s->hosts[also].active < s->hosts[h].active && sim_is_in(s, also) ? also : h;
        bool used = false;
        for (uint32_t i = 0; i < r->tries && i < 8; i++)
            used = used || r->tried[i] == h;
        if (sim_is_in(s, h) && (!used || tries >= 4 * s->n))
            return h;
    }
    return UINT32_MAX;
}

static inline bool sim_retries(const struct sim *s, const struct sim_request *r, uint16_t status,
                               enum cause cause)
{
    if (r->tries + r->hidden > s->mesh.retries)
        return false;
    if (status != 0 && status == s->mesh.retries_too)
        return true;
    if (status != 0 && status == s->mesh.never_retries)
        return false;
    if (cause == CAUSE_RESET && s->mesh.never_retries == 1)
        return false;
    return retry_rule_covers(&s->edge, cause, status);
}

static inline void sim_write_try(struct sim *s, struct sim_request *r)
{
    if (!r->in_try)
        return;
    r->in_try = false;
    s->hosts[r->try.endpoint - 1].active--;
    journal_add(s->j, SIM_PROXY + 10 * s->lane, RECORD_ATTEMPT, &r->try);
}

static inline void sim_arrive(struct sim *s, uint32_t load, uint64_t t_ns, const char *tag);

static inline void sim_done(struct sim *s, struct sim_request *r, uint16_t status, uint16_t body,
                            uint16_t end)
{
    uint64_t t_ns = s->now_ns + 100 * NS_PER_US + s->delay_ns;
    r->done = true;
    r->epoch++;
    r->r.status = status;
    r->r.body_class = body;
    r->r.end = end;
    r->r.first = r->r.head = t_ns - r->start_ns;
    r->r.done = t_ns - r->start_ns + 1000;
    journal_add(s->j, SIM_LOAD + 10 * s->lane, RECORD_REQUEST, &r->r);
    const struct load_plan *load =
        s->phase == NULL || r->load >= s->phase->load_count ? NULL : &s->phase->loads[r->load];
    if (load != NULL && load->closed && r->start_ns >= s->phase_ns)
        sim_arrive(s, r->load, t_ns + load->think_ns, NULL);
}

static inline void sim_again(struct sim *s, uint32_t index, uint16_t status, enum cause cause,
                             uint16_t body)
{
    struct sim_request *r = &s->requests[index];
    if (!sim_retries(s, r, status, cause)) {
        uint16_t final = status != 0 ? status : cause == CAUSE_HOLD ? 504 : 503;
        sim_done(s, r, final, body, END_COMPLETE);
        return;
    }
    uint32_t n = r->tries + r->hidden;
    uint64_t width = s->mesh.backoff_ns << (n - 1);
    uint64_t wait = s->mesh.constant_backoff ? s->mesh.backoff_ns
                    : width == 0             ? 0
                                             : rng_below(&s->rng, width);
    if (s->mesh.t_restarts) {
        r->epoch++;
        sim_push(s, s->now_ns + s->mesh.t_ns, SIM_EXPIRE, index, r->epoch);
    }
    sim_push(s, s->now_ns + wait + 500 * NS_PER_US, SIM_TRY, index, r->epoch);
}

static inline uint16_t sim_count(const struct sim_request *r)
{
    return (uint16_t)(r->tries + r->hidden);
}

/* Connection refused, or reset at accept: nothing of it is a try at the endpoint. */
static inline void sim_refused(struct sim *s, uint32_t index, uint32_t host, const struct step *f)
{
    struct sim_request *r = &s->requests[index];
    r->tries--;
    r->hidden++;
    if (strcmp(f->word, "reset") == 0) {
        struct connection_record c = {.at = s->now_ns,
                                      .close = 1000,
                                      .conn = ++s->seq,
                                      .endpoint = (uint16_t)(host + 1),
                                      .fault = f->fault,
                                      .reset = 1,
                                      .closed_by = 2};
        journal_add(s->j, SIM_PROXY + 10 * s->lane, RECORD_CONNECTION, &c);
    }
    sim_outcome(s, host, true);
    sim_again(s, index, 0, strcmp(f->word, "reset") == 0 ? CAUSE_ACCEPT : CAUSE_REFUSED,
              BODY_CONNECT_FAILURE);
}

/* Our streak guard: failures ended since the last success, holds open, and this one. */
static inline bool sim_guarded(const struct sim *s, const struct step *f, uint32_t host)
{
    int64_t streak = json_integer_value(json_object_get(f->keys, "streak"));
    return streak != 0 && s->hosts[host].streak + s->hosts[host].open + 1 >= (uint64_t)streak;
}

static inline void sim_head(struct sim *s, uint32_t index, uint32_t host)
{
    struct sim_request *r = &s->requests[index];
    const struct step *f = sim_fault(s, host, r, false);
    uint64_t head = sim_proxy_ns(s, s->now_ns + 200 * NS_PER_US);
    r->in_try = true;
    s->hosts[host].active++;
    r->try = (struct attempt_record){
        .at = head,
        .id_hi = r->r.id_hi,
        .id_lo = r->r.id_lo,
        .conn = 1000 * (host + 1) + index % 97 + 1,
        .sequence = 1,
        .endpoint = (uint16_t)(host + 1),
        .k = (uint16_t)r->tries,
        .n_mesh = sim_count(r),
        .tag = r->r.tag,
        .how_tied = TIED_OWN_ID,
        .status = 200,
        .outcome = OUTCOME_ANSWERED,
    };
    if (f != NULL && sim_guarded(s, f, host)) {
        r->try.guarded = 1;
        f = NULL;
    }
    uint64_t out = head + NS_PER_MS;
    if (f != NULL) {
        r->try.fault = f->fault;
        r->try.fired = UINT32_C(1) << (f->fault % 32);
    }
    if (f != NULL && strcmp(f->word, "abort") == 0) {
        r->try.status = (uint16_t)json_integer_value(json_object_get(f->keys, "status"));
    } else if (f != NULL && strcmp(f->word, "latency") == 0) {
        uint64_t add = 0;
        struct error err = {0};
        if (units_parse_duration(json_string_value(json_object_get(f->keys, "add")), &add, &err))
            out += add;
    } else if (f != NULL && strcmp(f->word, "reset") == 0) {
        bool started = json_object_get(f->keys, "after") != NULL;
        r->try.outcome = OUTCOME_RESET_BY_FAULT;
        r->try.status = started ? 200 : 0;
        r->try.head_out = started ? out - head : 0;
    } else if (f != NULL && strcmp(f->word, "blackhole") == 0) {
        r->try.status = 0;
        r->try.outcome = OUTCOME_LEFT;
        out = 0;
        s->hosts[host].open++;
    }
    if (out != 0) {
        out = sim_proxy_ns(s, out);
        r->try.out = out - head;
        if (r->try.outcome == OUTCOME_ANSWERED) {
            r->try.head_out = r->try.out;
            r->try.done = r->try.out + 1000;
        }
        sim_push(s, out + 100 * NS_PER_US, SIM_ANSWER, index, r->epoch);
    }
    if (s->mesh.p_ns != 0) {
        uint64_t from = s->mesh.from_start ? r->start_ns : s->now_ns;
        uint64_t cut = from + s->mesh.p_ns + rng_below(&s->rng, 2 * NS_PER_MS);
        sim_push(s, cut > s->now_ns ? cut : s->now_ns + NS_PER_MS, SIM_CUT, index, r->epoch);
    }
}

static inline void sim_try(struct sim *s, uint32_t index)
{
    struct sim_request *r = &s->requests[index];
    uint32_t host = sim_pick(s, r);
    if (host == UINT32_MAX) {
        sim_done(s, r, 503, BODY_NO_HEALTHY, END_COMPLETE);
        return;
    }
    r->tried[r->tries < 8 ? r->tries : 7] = host;
    r->tries++;
    const struct step *refused = sim_fault(s, host, r, true);
    if (refused != NULL)
        sim_refused(s, index, host, refused);
    else
        sim_head(s, index, host);
}

static inline void sim_fails(struct sim *s, uint32_t host, bool failed)
{
    s->hosts[host].streak = failed ? s->hosts[host].streak + 1 : 0;
    sim_outcome(s, host, failed);
}

static inline void sim_answer(struct sim *s, uint32_t index)
{
    struct sim_request *r = &s->requests[index];
    uint32_t host = r->try.endpoint - 1u;
    bool started = r->try.outcome == OUTCOME_RESET_BY_FAULT && r->try.status != 0;
    enum cause cause = r->try.outcome == OUTCOME_RESET_BY_FAULT ? CAUSE_RESET : CAUSE_STATUS;
    uint16_t status = r->try.status;
    sim_write_try(s, r);
    r->epoch++;
    if (s->mesh.t_ns != 0)
        sim_push(s, r->start_ns + s->mesh.t_ns, SIM_EXPIRE, index, r->epoch);
    sim_fails(s, host, !started && (cause == CAUSE_RESET || status >= 500));
    if (started) {
        if (s->mesh.retries_started && r->tries <= s->mesh.retries)
            sim_push(s, s->now_ns + 5 * NS_PER_MS, SIM_TRY, index, r->epoch);
        else
            sim_done(s, r, 200, BODY_OWN, END_TRUNCATED);
    } else if (cause == CAUSE_STATUS && status < 400) {
        sim_done(s, r, status, BODY_OWN, END_COMPLETE);
    } else
        sim_again(s, index, status, cause,
                  cause == CAUSE_RESET ? BODY_CONNECT_TERMINATED : BODY_OWN);
}

/* A timer of the mesh: the try's own, or the request's. */
static inline void sim_cut(struct sim *s, uint32_t index, bool whole)
{
    struct sim_request *r = &s->requests[index];
    if (r->in_try) {
        uint32_t host = r->try.endpoint - 1u;
        uint64_t left = sim_proxy_ns(s, s->now_ns + 100 * NS_PER_US);
        r->try.left = left > r->try.at ? left - r->try.at : 1;
        r->try.left_kind = LEFT_RST;
        r->try.outcome = OUTCOME_LEFT;
        r->try.out = r->try.head_out = r->try.done = 0;
        r->try.status = 0;
        if (s->hosts[host].open > 0)
            s->hosts[host].open--;
        sim_write_try(s, r);
        sim_fails(s, host, true);
    }
    r->epoch++;
    if (whole) {
        sim_done(s, r, s->mesh.timeout_as_200 ? 200 : 504,
                 s->mesh.timeout_as_200 ? BODY_OWN : BODY_UPSTREAM_TIMEOUT, END_COMPLETE);
        return;
    }
    if (s->mesh.t_ns != 0)
        sim_push(s, r->start_ns + s->mesh.t_ns, SIM_EXPIRE, index, r->epoch);
    sim_again(s, index, 0, CAUSE_HOLD, BODY_UPSTREAM_TIMEOUT);
}

static inline void sim_arrive(struct sim *s, uint32_t load, uint64_t t_ns, const char *tag)
{
    if (s->request_count == s->request_room) {
        s->request_room = s->request_room == 0 ? 1024 : s->request_room * 2;
        s->requests = check_realloc(s->requests, s->request_room * sizeof(*s->requests));
    }
    struct sim_request *r = &s->requests[s->request_count];
    *r = (struct sim_request){.start_ns = t_ns, .tag = tag, .load = load};
    r->r.due = t_ns;
    r->r.sent = 50 * NS_PER_US;
    r->r.id_hi = 7;
    r->r.id_lo = (uint64_t)s->lane << 32 | (s->request_count + 1);
    r->r.tag = journal_add_name(s->j, tag == NULL ? "" : tag);
    r->r.flags = tag == NULL ? 0 : REQUEST_TAGGED;
    r->r.edge = journal_add_name(s->j, "client -> payments");
    r->r.verb = VERB_GET;
    sim_push(s, t_ns, SIM_ARRIVE, (uint32_t)s->request_count++, 0);
}

static inline void sim_step(struct sim *s)
{
    struct sim_event e = sim_pop(s);
    s->now_ns = e.t_ns;
    for (size_t i = 0; i < s->freeze_count && e.kind != SIM_ARRIVE; i++)
        if (e.t_ns >= s->freezes[i].from_ns && e.t_ns < s->freezes[i].to_ns) {
            sim_push(s, s->freezes[i].to_ns + rng_below(&s->rng, NS_PER_MS), e.kind, e.request,
                     e.epoch);
            return;
        }
    sim_sweep(s);
    struct sim_request *r = &s->requests[e.request];
    if (r->done || r->epoch != e.epoch)
        return;
    switch (e.kind) {
    case SIM_ARRIVE:
        if (s->mesh.t_ns != 0)
            sim_push(s, r->start_ns + s->mesh.t_ns, SIM_EXPIRE, e.request, r->epoch);
        sim_push(s, s->now_ns + s->delay_ns, SIM_TRY, e.request, r->epoch);
        return;
    case SIM_TRY:
        sim_try(s, e.request);
        return;
    case SIM_ANSWER:
        sim_answer(s, e.request);
        return;
    case SIM_CUT:
        sim_cut(s, e.request, false);
        return;
    case SIM_EXPIRE:
        sim_cut(s, e.request, true);
        return;
    }
}

#endif
