#ifndef VERIFY_WHOLE_FIXTURE_TEST_H
#define VERIFY_WHOLE_FIXTURE_TEST_H

/* For the tests of whole-system claims and of gRPC: a journal written record by record, of one
 * scenario with up to eight phases, one edge "client -> payments" and one expectation in each phase
 * that has one. Times are in microseconds from the scenario's begin. */

#include "base/clock.h"
#include "verify/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WHOLE_T0 (1000 * NS_PER_S)
#define WHOLE_LOAD 1
#define WHOLE_PROXY 2
#define WHOLE_PHASES 8
#define MS UINT64_C(1000)
#define S UINT64_C(1000000)

struct whole {
    struct journal *j;
    struct plan *plan;
    struct scenario *s;
    struct edge_policy edge;
    uint64_t seq;
    struct judgement *judgement;
};

static inline struct value whole_value(uint64_t number)
{
    return (struct value){number, true, {"policy.yaml", 7, 3}, "VirtualService payments"};
}

/* Two retries of what ${on} says. */
static inline struct edge_policy whole_policy(enum flavour flavour, uint32_t on)
{
    bool linkerd = flavour == FLAVOUR_LINKERD;
    return (struct edge_policy){
        .from = "client",
        .to = "payments",
        .path = "/",
        .route = "payments/http[0]",
        .target = {linkerd ? MESH_LINKERD : MESH_ISTIO, linkerd ? 2 : 1, linkerd ? 17 : 31},
        .flavour = flavour,
        .endpoints = 3,
        .retry = {.attempts = whole_value(2), .conditions = whole_value(0), .on = on},
    };
}

static inline void whole_open(struct whole *w, const struct edge_policy *edge, const char *protocol)
{
    *w = (struct whole){.edge = *edge, .plan = plan_new(), .j = journal_new()};
    struct plan *p = w->plan;
    p->suite = "whole.lua";
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    p->scenario_count = 1;
    w->s = &p->scenarios[0];
    *w->s = (struct scenario){.name = "whole", .deadline_ns = 600 * NS_PER_S};
    w->s->mesh.word = "istio";
    w->s->mesh.version = "1.31";
    w->s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 2);
    w->s->lab.service_count = 1;
    w->s->lab.services[0] = (struct service_plan){
        .name = "payments", .endpoints = 3, .slots = 256, .protocol = protocol, .status = 200};
    w->s->phases = ARENA_ARRAY(&p->arena, struct phase, WHOLE_PHASES);
    journal_add_proc(w->j, WHOLE_LOAD, "load", "subject", "client");
    journal_add_proc(w->j, WHOLE_PROXY, "proxy", "subject", "payments");
    w->j->end_how = "complete";
}

static inline struct phase *whole_phase(struct whole *w, const char *name, uint64_t from_us,
                                        uint64_t to_us)
{
    assert_true(w->s->phase_count < WHOLE_PHASES);
    struct phase *phase = &w->s->phases[w->s->phase_count++];
    *phase = (struct phase){.name = name,
                            .ends = PHASE_BY_CLOCK,
                            .lasting_ns = (to_us - from_us) * NS_PER_US,
                            .steps = ARENA_ARRAY(&w->plan->arena, struct step, 8)};
    journal_add_phase(w->j, &(struct journal_phase){.phase = (uint32_t)w->s->phase_count,
                                                    .arm = "subject",
                                                    .name = name,
                                                    .why = "clock",
                                                    .t0_ns = WHOLE_T0 + from_us * NS_PER_US,
                                                    .t1_ns = WHOLE_T0 + to_us * NS_PER_US});
    return phase;
}

static inline struct step *whole_step(struct whole *w, struct phase *phase, enum step_kind kind,
                                      const char *word, const char *on, const char *const *keys)
{
    struct step *step = &phase->steps[phase->step_count++];
    *step = step_make(w->plan, kind, word, on, (struct source){"whole.lua", 9, 0}, keys);
    plan_number_faults(w->s);
    return step;
}

/* One more key of the last step. */
static inline void whole_key(struct whole *w, const char *key, const char *value)
{
    struct phase *phase = &w->s->phases[w->s->phase_count - 1];
    step_set_json(w->plan, &phase->steps[phase->step_count - 1], key, json_string(value));
}

/* A request: of ${r} all but its times and ids; 0: good, GET, HTTP 200. */
static inline uint64_t whole_request(struct whole *w, uint64_t start_us, uint64_t done_us,
                                     struct request_record r)
{
    r.due = WHOLE_T0 + start_us * NS_PER_US;
    r.id_hi = 7;
    r.id_lo = ++w->seq;
    r.start = 1;
    r.sent = r.sent == 0 ? 2 : r.sent;
    r.head = r.head == 0 ? (done_us - start_us) * NS_PER_US : r.head;
    r.first = r.head;
    r.done = (done_us - start_us) * NS_PER_US;
    r.edge = journal_add_name(w->j, "client -> payments");
    r.status = r.status == 0 ? 200 : r.status;
    r.verb = r.verb == 0 ? VERB_GET : r.verb;
    r.conn = r.conn == 0 ? 1 : r.conn;
    journal_add(w->j, WHOLE_LOAD, RECORD_REQUEST, &r);
    return w->seq;
}

/* One try of it; ${x}: all but times and ids. An answer at ${out_us}; 0: none. Status 0 with
 * ${out_us}: the stream or the connection was lost. */
static inline void whole_try(struct whole *w, uint64_t request, uint64_t head_us, uint64_t out_us,
                             struct attempt_record x)
{
    uint64_t out = out_us == 0 ? 0 : (out_us - head_us) * NS_PER_US;
    x.at = WHOLE_T0 + head_us * NS_PER_US;
    x.id_hi = 7;
    x.id_lo = request;
    x.body = 1;
    x.out = out;
    x.head_out = x.status == 0 ? 0 : out;
    x.done = x.outcome == OUTCOME_ANSWERED && out != 0 ? out + 1 : 0;
    x.fired = x.fault == 0 ? 0 : UINT32_C(1) << (x.fault % 32);
    x.conn = x.conn == 0 ? (uint32_t)request : x.conn;
    x.sequence = 1;
    x.endpoint = x.endpoint == 0 ? (uint16_t)(request % 3 + 1) : x.endpoint;
    x.k = x.k == 0 ? 1 : x.k;
    x.n_mesh = x.k;
    x.how_tied = TIED_OWN_ID;
    x.verb = x.verb == 0 ? VERB_GET : x.verb;
    x.from = x.from == 0 ? journal_add_name(w->j, "client") : x.from;
    journal_add(w->j, WHOLE_PROXY, RECORD_ATTEMPT, &x);
}

/* A good request with one try, done after ${took_us}. */
static inline uint64_t whole_good(struct whole *w, uint64_t start_us, uint64_t took_us)
{
    bool grpc = strcmp(w->s->lab.services[0].protocol, "grpc") == 0;
    uint16_t ok = grpc ? 1 : 0;
    uint64_t id =
        whole_request(w, start_us, start_us + took_us, (struct request_record){.grpc_status = ok});
    whole_try(w, id, start_us + 100, start_us + took_us - 100,
              (struct attempt_record){.status = 200, .grpc_status = ok, .stream = grpc ? 1 : 0});
    return id;
}

static inline void whole_judge(struct whole *w)
{
    struct error err = {0};
    w->j->plan = plan_to_json(w->plan);
    w->j->policy = json_pack("{s:[{s:s, s:i, s:o}], s:[]}", "edges", "arm", "subject", "scenario",
                             0, "edge", edge_policy_to_json(&w->edge), "findings");
    if (!judge_run(w->j, NULL, &w->judgement, &err))
        fail_msg("%s", err.text);
}

static inline const struct verdict *whole_verdict(const struct whole *w, const char *id)
{
    for (size_t i = 0; i < w->judgement->verdict_count; i++)
        if (strcmp(w->judgement->verdicts[i].claim->id, id) == 0)
            return &w->judgement->verdicts[i].verdict;
    fail_msg("%s was not judged", id);
    return NULL;
}

static inline void whole_is(const struct whole *w, const char *id, enum verdict_kind kind,
                            enum why why, const char *text)
{
    const struct verdict *v = whole_verdict(w, id);
    if (v->kind != kind || v->why != why || strstr(v->text, text) == NULL)
        fail_msg("%s is %d, why %d: %s", id, v->kind, v->why, v->text);
    if (kind == VERDICT_INCONCLUSIVE)
        assert_non_null(v->needs);
}

static inline void whole_close(struct whole *w)
{
    judgement_free(w->judgement);
    journal_free(w->j);
    plan_free(w->plan);
}

/* Judges, says what it must be, and frees all. */
static inline void whole_are(struct whole *w, const char *id, enum verdict_kind kind, enum why why,
                             const char *text)
{
    whole_judge(w);
    whole_is(w, id, kind, why, text);
    whole_close(w);
}

#endif
