#ifndef VERIFY_TRIES_FIXTURE_TEST_H
#define VERIFY_TRIES_FIXTURE_TEST_H

/* For the tests of single claims: small journals written by hand, a request and its tries at a
 * time, and the verdict of one claim on them. Times are in ms from 1000 s. */

#include "verify/claims.h"
#include "verify/timeout.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T(ms) (1000 * NS_PER_S + (uint64_t)((ms)*1e6))

struct fixture {
    struct journal *j;
    struct edge_policy edge;
    struct scenario scenario; /* with no phases: only whether it was generated is read */
    uint64_t ids;
    double from_ms, end_ms; /* of the window */
    double until_ms;        /* the window ends here, before the walk does; 0: with it */
};

/* A try as the endpoint stamps it; 0: it did not happen. */
struct made {
    double head_ms, out_ms, left_ms;
    uint16_t endpoint, status;
};

static inline struct value number(uint64_t n)
{
    return (struct value){n, true, {"p.yaml", 1, 1}, "test"};
}

static inline void begin(struct fixture *f, struct edge_policy edge)
{
    *f = (struct fixture){.j = journal_new(), .edge = edge};
    f->edge.from = "client";
    f->edge.to = "payments";
    f->edge.target = edge.flavour == FLAVOUR_LINKERD ? (struct target){MESH_LINKERD, 2, 16}
                                                     : (struct target){MESH_ISTIO, 1, 31};
    journal_add_proc(f->j, 1, "load", "subject", "client");
    journal_add_proc(f->j, 2, "proxy", "subject", "payments");
}

/* A tagged request that the client sends at ${start_ms} and whose answer, ${got}, is there at
 * ${done_ms}. */
static inline void add_request(struct fixture *f, double start_ms, double done_ms, uint16_t got,
                               enum body_class body, const struct made *tries, size_t count)
{
    struct request_record r = {.due = T(start_ms),
                               .id_hi = 7,
                               .id_lo = ++f->ids,
                               .status = got,
                               .body_class = (uint16_t)body,
                               .flags = REQUEST_TAGGED,
                               .edge = journal_add_name(f->j, "client -> payments")};
    r.head = r.done = T(done_ms) - r.due;
    f->end_ms = done_ms > f->end_ms ? done_ms : f->end_ms;
    for (size_t i = 0; i < count; i++) {
        struct attempt_record a = {.at = T(tries[i].head_ms),
                                   .id_hi = 7,
                                   .id_lo = f->ids,
                                   .endpoint = tries[i].endpoint,
                                   .status = tries[i].status,
                                   .k = (uint16_t)(i + 1),
                                   .n_mesh = (uint16_t)(i + 1),
                                   .outcome = OUTCOME_LEFT,
                                   .how_tied = TIED_OWN_ID};
        if (tries[i].out_ms != 0) {
            a.outcome = OUTCOME_ANSWERED;
            a.out = a.head_out = T(tries[i].out_ms) - a.at;
            a.done = a.out + 1000;
        }
        if (tries[i].left_ms != 0)
            a.left = T(tries[i].left_ms) - a.at;
        journal_add(f->j, 2, RECORD_ATTEMPT, &a);
    }
    journal_add(f->j, 1, RECORD_REQUEST, &r);
}

/* One request of the background, of one try, which the client gets ${late_ms} later than usual. */
static inline void add_late(struct fixture *f, double start_ms, double late_ms, uint16_t endpoint,
                            uint16_t status)
{
    struct made made = {start_ms + 0.1, start_ms + 0.3, 0, endpoint, status};
    add_request(f, start_ms, start_ms + 0.5 + late_ms, status, BODY_OWN, &made, 1);
    f->j->requests[f->j->request_count - 1].r.flags = 0;
}

static inline void add(struct fixture *f, double start_ms, uint16_t endpoint, uint16_t status)
{
    add_late(f, start_ms, 0, endpoint, status);
}

/* Clean requests in turn on the ${count} ${hosts}. */
static inline void add_clean(struct fixture *f, double from_ms, double to_ms, double gap_ms,
                             const uint16_t *hosts, size_t count)
{
    size_t i = 0;
    for (double at = from_ms; at < to_ms; at += gap_ms)
        add(f, at, hosts[i++ % count], 200);
}

static inline void add_stall(struct fixture *f, uint32_t proc, double from_ms, double length_ms)
{
    struct stall_record r = {.at = T(from_ms), .fired = (uint64_t)(length_ms * 1e6)};
    journal_add(f->j, proc, RECORD_STALL, &r);
}

static inline struct verdict judged(const struct fixture *f, const char *claim, struct arena *arena)
{
    const struct claim_type *type = claim_type_find(claim);
    uint64_t base_ns = f->edge.outlier.base_ejection.number;
    struct track_options options = {.arm = "subject",
                                    .service = "payments",
                                    .flavour = f->edge.flavour,
                                    .endpoints = f->edge.endpoints,
                                    .retries = (uint32_t)f->edge.retry.attempts.number,
                                    .unseen_ns = base_ns / 2,
                                    .try_timeout_ns = timeout_try_ns(&f->edge),
                                    .request_timeout_ns = timeout_request_ns(&f->edge),
                                    .span = {0, T(f->end_ms + 1)},
                                    .baseline = {0, 1}};
    struct track *t = track_new(f->j, &options);
    struct span span = {T(f->from_ms), T(f->until_ms > 0 ? f->until_ms : f->end_ms + 1)};
    struct window w = {.journal = f->j,
                       .track = t,
                       .scenario = &f->scenario,
                       .policy = &f->edge,
                       .edges = &f->edge,
                       .edge_count = 1,
                       .span = span,
                       .wide = span,
                       .alpha = 1e-8};
    struct verdict v = {.kind = VERDICT_INCONCLUSIVE};
    window_cut(&w);
    assert_true(type->applies(&f->edge));
    type->judge(&f->edge, &w, arena, &v);
    track_free(t);
    return v;
}

/* The claim's verdict, and part of what it says. The journal is done with. */
static inline void is(struct fixture *f, const char *claim, enum verdict_kind kind,
                      const char *says)
{
    struct arena arena;
    arena_init(&arena, 65536);
    struct verdict v = judged(f, claim, &arena);
    if (v.kind != kind || v.text == NULL || strstr(v.text, says) == NULL)
        fail_msg("%s is %d, not %d with \"%s\": %s", claim, (int)v.kind, (int)kind, says,
                 v.text == NULL ? "(nothing)" : v.text);
    arena_release(&arena);
    journal_free(f->j);
}

#endif
