/* The timers that `discover` reads off, a case at a time: a journal of the phase "held" alone. */
#include "base/clock.h"
#include "verify/discover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define T0 (1000 * NS_PER_S)
#define LOAD 1
#define PROXY 2
#define MS NS_PER_MS

struct probe {
    struct journal *j;
    struct plan *plan;
    uint64_t seq;
};

static struct value number(uint64_t n)
{
    return (struct value){n, true, {"policy.yaml", 7, 3}, "test"};
}

static void begin(struct probe *x)
{
    *x = (struct probe){.j = journal_new(), .plan = plan_new()};
    struct plan *p = x->plan;
    struct discover_options o = {.patience_ns = 10 * NS_PER_S,
                                 .eject_ns = 75 * NS_PER_S,
                                 .method = "GET",
                                 .path = "/",
                                 .source = {"discover.lua", 1, 0}};
    p->suite = "discover.lua";
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    p->scenario_count = 1;
    struct scenario *s = &p->scenarios[0];
    *s = (struct scenario){.name = "discover", .source = o.source, .deadline_ns = 3600 * NS_PER_S};
    s->mesh.word = "istio";
    s->mesh.version = "1.31";
    s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    s->lab.service_count = 1;
    s->lab.services[0] = (struct service_plan){
        .name = "payments", .endpoints = 1, .slots = 256, .protocol = "http1", .status = 200};
    discover_phases(p, s, "client", "payments", 1, &o);
    journal_add_proc(x->j, LOAD, "load", "subject", "client");
    journal_add_proc(x->j, PROXY, "proxy", "subject", "payments");
    for (uint32_t i = 0; i < s->phase_count; i++) {
        bool here = strcmp(s->phases[i].name, "held") == 0;
        if (!here && strcmp(s->phases[i].name, "answers") != 0)
            continue;
        journal_add_phase(x->j, &(struct journal_phase){.phase = i + 1,
                                                        .arm = "subject",
                                                        .name = s->phases[i].name,
                                                        .ordinal = i,
                                                        .why = "clock",
                                                        .t0_ns = here ? T0 : T0 - NS_PER_S,
                                                        .t1_ns = here ? T0 + 60 * NS_PER_S : T0});
    }
    x->j->end_how = "complete";
}

/* One request of ${tag}, its only try left by the mesh ${left_ms} after it began. */
static void held(struct probe *x, const char *tag, uint16_t status, enum request_end end,
                 uint64_t left_ms, uint64_t done_ms)
{
    uint64_t at_ns = T0 + ++x->seq * 5 * NS_PER_S;
    bool answered = strcmp(tag, "all:trickle") == 0;
    struct request_record r = {.due = at_ns,
                               .id_hi = 7,
                               .id_lo = x->seq,
                               .start = 1,
                               .sent = 2,
                               .first = answered ? MS : done_ms * MS,
                               .head = answered ? MS : done_ms * MS,
                               .done = done_ms * MS,
                               .tag = journal_add_name(x->j, tag),
                               .edge = journal_add_name(x->j, "client -> payments"),
                               .status = status,
                               .verb = VERB_GET,
                               .end = end};
    struct attempt_record a = {.at = at_ns + MS / 2,
                               .id_hi = 7,
                               .id_lo = x->seq,
                               .body = 1,
                               .out = answered ? MS : 0,
                               .head_out = answered ? MS : 0,
                               .done = left_ms * MS,
                               .left = left_ms * MS,
                               .conn = (uint32_t)x->seq,
                               .sequence = 1,
                               .peer = journal_add_name(x->j, "127.0.0.1:4000"),
                               .endpoint = 1,
                               .fired = 1,
                               .status = answered ? 200 : 0,
                               .outcome = OUTCOME_LEFT,
                               .k = 1,
                               .how_tied = TIED_OWN_ID,
                               .verb = VERB_GET};
    journal_add(x->j, LOAD, RECORD_REQUEST, &r);
    journal_add(x->j, PROXY, RECORD_ATTEMPT, &a);
}

/* Frees the probe; the discovery is the caller's. */
static const struct discovered *timeout_of(struct probe *x, struct discovery *d)
{
    struct edge_policy edge = {.from = "client",
                               .to = "payments",
                               .path = "/",
                               .route = "payments/http[0]",
                               .target = {MESH_ISTIO, 1, 31},
                               .endpoints = 1,
                               .request_timeout = number(2 * NS_PER_S)};
    struct error err = {0};
    edge.retry.attempts = number(0);
    x->j->plan = plan_to_json(x->plan);
    x->j->policy = json_pack("{s:[{s:s, s:i, s:o}], s:[]}", "edges", "arm", "subject", "scenario",
                             0, "edge", edge_policy_to_json(&edge), "findings");
    if (!discover_infer(x->j, d, &err))
        fail_msg("%s", err.text);
    journal_free(x->j);
    plan_free(x->plan);
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->rows[i].name, "request_timeout") == 0)
            return &d->rows[i];
    fail_msg("request_timeout is no row");
    return NULL;
}

/* An Envoy cuts the try at its timeout and lets its client's connection stand for another second.
 */
static void a_close_that_comes_a_second_later_is_not_the_timer(void **state)
{
    struct probe x;
    struct discovery d;
    (void)state;
    begin(&x);
    held(&x, "all:hold", 504, END_COMPLETE, 2000, 2001);
    for (int i = 0; i < 3; i++)
        held(&x, "all:trickle", 200, END_TRUNCATED, 2000, 3001);
    const struct discovered *row = timeout_of(&x, &d);
    assert_int_equal(row->verdict, DISCOVER_SAME);
    assert_in_range(row->most, 1990 * MS, 2010 * MS);
    discovery_release(&d);
}

static void an_answer_that_is_cut_late_is_a_timer_that_differs(void **state)
{
    struct probe x;
    struct discovery d;
    (void)state;
    begin(&x);
    for (int i = 0; i < 3; i++)
        held(&x, "all:trickle", 200, END_TRUNCATED, 3000, 3001);
    const struct discovered *row = timeout_of(&x, &d);
    assert_int_equal(row->verdict, DISCOVER_DIFFERS);
    assert_in_range(row->best, 2990 * MS, 3010 * MS);
    discovery_release(&d);
}

static void one_request_is_not_enough(void **state)
{
    struct probe x;
    struct discovery d;
    (void)state;
    begin(&x);
    held(&x, "all:hold", 504, END_COMPLETE, 2000, 2001);
    assert_int_equal(timeout_of(&x, &d)->verdict, DISCOVER_OPEN);
    discovery_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_close_that_comes_a_second_later_is_not_the_timer),
        cmocka_unit_test(an_answer_that_is_cut_late_is_a_timer_that_differs),
        cmocka_unit_test(one_request_is_not_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
