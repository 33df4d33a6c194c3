#ifndef VERIFY_LIMITS_FIXTURE_TEST_H
#define VERIFY_LIMITS_FIXTURE_TEST_H

/* For the tests of the claims of limits: a journal written line by line, of one phase, one edge
 * "client -> payments" and one expectation. Times are in microseconds from the phase's begin. */

#include "base/clock.h"
#include "verify/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LIMITS_T0 (1000 * NS_PER_S)
#define LIMITS_LOAD 1
#define LIMITS_PROXY 2
#define LIMITS_MESH 3
#define LIMITS_MS 1000
#define LIMITS_S 1000000

struct limits {
    struct journal *j;
    struct plan *plan;
    struct edge_policy edge;
    struct phase *phase;
    uint64_t seq;
    struct judgement *judgement;
};

static inline struct value limits_value(uint64_t number)
{
    return (struct value){number, true, {"policy.yaml", 7, 3}, "DestinationRule payments"};
}

static inline struct edge_policy limits_policy(enum flavour flavour, uint32_t endpoints)
{
    return (struct edge_policy){
        .from = "client",
        .to = "payments",
        .path = "/",
        .route = "payments/http[0]",
        .target = {flavour == FLAVOUR_LINKERD ? MESH_LINKERD : MESH_ISTIO,
                   flavour == FLAVOUR_LINKERD ? 2 : 1, flavour == FLAVOUR_LINKERD ? 17 : 31},
        .flavour = flavour,
        .endpoints = endpoints,
        .retry = {.attempts = limits_value(0), .on = RETRY_5XX | RETRY_RESET},
    };
}

static inline void limits_open(struct limits *l, const struct edge_policy *edge, uint64_t length_us,
                               const char *word, const char *const *keys)
{
    *l = (struct limits){.edge = *edge, .plan = plan_new(), .j = journal_new()};
    struct plan *p = l->plan;
    p->suite = "limits.lua";
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    p->scenario_count = 1;
    struct scenario *s = &p->scenarios[0];
    *s = (struct scenario){.name = "limits", .deadline_ns = 600 * NS_PER_S};
    s->mesh.word = "istio";
    s->mesh.version = "1.31";
    s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    s->lab.service_count = 1;
    s->lab.services[0] = (struct service_plan){.name = "payments",
                                               .endpoints = edge->endpoints,
                                               .slots = 256,
                                               .protocol = "http1",
                                               .status = 200};
    s->phases = ARENA_ARRAY(&p->arena, struct phase, 1);
    s->phase_count = 1;
    l->phase = &s->phases[0];
    *l->phase = (struct phase){.name = "limits",
                               .ends = PHASE_BY_CLOCK,
                               .lasting_ns = length_us * NS_PER_US,
                               .steps = ARENA_ARRAY(&p->arena, struct step, 4),
                               .step_count = 1};
    l->phase->steps[0] = step_make(p, STEP_EXPECT, word, "client -> payments",
                                   (struct source){"limits.lua", 9, 0}, keys);
    journal_add_proc(l->j, LIMITS_LOAD, "load", "subject", "client");
    journal_add_proc(l->j, LIMITS_PROXY, "proxy", "subject", "payments");
    journal_add_proc(l->j, LIMITS_MESH, "mesh", "subject", "client");
    journal_add_phase(l->j, &(struct journal_phase){.phase = 1,
                                                    .arm = "subject",
                                                    .name = "limits",
                                                    .why = "clock",
                                                    .t0_ns = LIMITS_T0,
                                                    .t1_ns = LIMITS_T0 + length_us * NS_PER_US});
    l->j->end_how = "complete";
}

/* The mesh says how many workers it has. */
static inline void limits_workers(struct limits *l, uint32_t workers)
{
    struct metric_record m = {.at = LIMITS_T0,
                              .answer = NS_PER_MS,
                              .value = workers,
                              .proxy = journal_add_name(l->j, "client -> payments"),
                              .name = journal_add_name(l->j, "server.concurrency")};
    journal_add(l->j, LIMITS_MESH, RECORD_METRIC, &m);
}

/* One request; returns its number for limits_try. */
static inline uint64_t limits_request(struct limits *l, uint64_t start_us, uint64_t done_us,
                                      uint16_t status, bool dropped)
{
    struct request_record r = {.due = LIMITS_T0 + start_us * NS_PER_US,
                               .id_hi = 7,
                               .id_lo = ++l->seq,
                               .start = 1,
                               .sent = 2,
                               .first = (done_us - start_us) * NS_PER_US,
                               .head = (done_us - start_us) * NS_PER_US,
                               .done = (done_us - start_us) * NS_PER_US,
                               .edge = journal_add_name(l->j, "client -> payments"),
                               .status = status,
                               .verb = VERB_GET,
                               .end = END_COMPLETE};
    if (dropped) {
        r.marks = REQUEST_MARK_OVERLOADED;
        r.body_class = BODY_OVERFLOW;
    }
    journal_add(l->j, LIMITS_LOAD, RECORD_REQUEST, &r);
    return l->seq;
}

struct limits_try {
    uint64_t request, head_us, out_us;
    uint16_t endpoint, status, k;
    uint32_t conn, sequence;
    const char *peer;
};

static inline void limits_add_try(struct limits *l, const struct limits_try *x)
{
    struct attempt_record a = {
        .at = LIMITS_T0 + x->head_us * NS_PER_US,
        .id_hi = 7,
        .id_lo = x->request,
        .body = 1,
        .out = (x->out_us - x->head_us) * NS_PER_US,
        .head_out = (x->out_us - x->head_us) * NS_PER_US,
        .done = (x->out_us - x->head_us) * NS_PER_US + 1,
        .conn = x->conn == 0 ? (uint32_t)x->request : x->conn,
        .sequence = x->sequence == 0 ? 1 : x->sequence,
        .peer = journal_add_name(l->j, x->peer == NULL ? "127.0.0.1:4000" : x->peer),
        .endpoint = x->endpoint == 0 ? 1 : x->endpoint,
        .status = x->status == 0 ? 200 : x->status,
        .outcome = OUTCOME_ANSWERED,
        .k = x->k == 0 ? 1 : x->k,
        .how_tied = TIED_OWN_ID,
        .verb = VERB_GET,
    };
    journal_add(l->j, LIMITS_PROXY, RECORD_ATTEMPT, &a);
}

/* A request that was let through at once: one try on ${endpoint}, from 1 ms after to 1 ms before.
 */
static inline uint64_t limits_served(struct limits *l, uint64_t start_us, uint64_t done_us,
                                     uint16_t endpoint)
{
    uint64_t id = limits_request(l, start_us, done_us, 200, false);
    limits_add_try(l, &(struct limits_try){.request = id,
                                           .head_us = start_us + LIMITS_MS,
                                           .out_us = done_us - LIMITS_MS,
                                           .endpoint = endpoint});
    return id;
}

static inline void limits_lost(struct limits *l)
{
    struct lost_record r = {.at = LIMITS_T0, .to = LIMITS_T0 + NS_PER_S, .count = 3};
    journal_add(l->j, LIMITS_PROXY, RECORD_LOST, &r);
}

static inline const struct verdict *limits_judge(struct limits *l, const char *id)
{
    struct error err = {0};
    l->j->plan = plan_to_json(l->plan);
    l->j->policy = json_pack("{s:[{s:s, s:i, s:o}], s:[]}", "edges", "arm", "subject", "scenario",
                             0, "edge", edge_policy_to_json(&l->edge), "findings");
    if (!judge_run(l->j, NULL, &l->judgement, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < l->judgement->verdict_count; i++)
        if (strcmp(l->judgement->verdicts[i].claim->id, id) == 0)
            return &l->judgement->verdicts[i].verdict;
    fail_msg("%s was not judged", id);
    return NULL;
}

/* Judges, says what it must be, and frees all. */
static inline void limits_close(struct limits *l)
{
    judgement_free(l->judgement);
    journal_free(l->j);
    plan_free(l->plan);
}

static inline void limits_are(struct limits *l, const char *id, enum verdict_kind kind,
                              enum why why, const char *text)
{
    const struct verdict *v = limits_judge(l, id);
    if (v->kind != kind || v->why != why || strstr(v->text, text) == NULL)
        fail_msg("%s is %d, why %d: %s", id, v->kind, v->why, v->text);
    if (kind == VERDICT_INCONCLUSIVE)
        assert_non_null(v->needs);
    limits_close(l);
}

#endif
