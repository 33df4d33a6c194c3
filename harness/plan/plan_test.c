#include "plan/errors.h"
#include "plan/plan.h"
#include "plan/row.h"
#include "plan/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)

/* A plan as a generator builds it: one scenario, one phase, a fault, an expectation, a tagged load.
 */
static struct plan *made(void)
{
    struct plan *p = plan_new();
    struct source at = {"suites/x.lua", 7, 0};
    static const char *methods[] = {"GET"};
    p->suite = "suites/x.lua";
    p->scenario_count = 1;
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    struct scenario *s = &p->scenarios[0];
    *s = (struct scenario){.name = "policy: client -> b",
                           .source = at,
                           .deadline_ns = 1800 * S,
                           .lint = "fail",
                           .from_policy = true,
                           .methods = methods,
                           .method_count = 1,
                           .budget_ns = 600 * S,
                           .patience_ns = 16 * S,
                           .controls = CONTROLS_DRAWN};
    s->unasked_count = 1;
    s->unasked = ARENA_ARRAY(&p->arena, struct unasked, 1);
    s->unasked[0] = (struct unasked){"left out", ARENA_ARRAY(&p->arena, const char *, 2), 2};
    s->unasked[0].claims[0] = "retry.max";
    s->unasked[0].claims[1] = "retry.must";
    s->mesh = (struct mesh_plan){.word = "istio", .name = "istio", .version = "1.31", .source = at};
    s->lab.service_count = 1;
    s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    s->lab.services[0] = (struct service_plan){
        .name = "b", .endpoints = 3, .slots = 256, .status = 200, .protocol = "http1"};
    s->phase_count = 1;
    s->phases = ARENA_ARRAY(&p->arena, struct phase, 1);
    struct phase *phase = &s->phases[0];
    *phase =
        (struct phase){.name = "mixed", .source = at, .ends = PHASE_BY_CLOCK, .lasting_ns = 12 * S};
    phase->load_count = 1;
    phase->loads = ARENA_ARRAY(&p->arena, struct load_plan, 1);
    phase->loads[0] = (struct load_plan){.rate_per_h = 360000,
                                         .source = at,
                                         .timeout_ns = 30 * S,
                                         .connections = 8,
                                         .clients = 1,
                                         .method = "GET",
                                         .path = "/",
                                         .protocol = "http1",
                                         .heal = 5};
    assert_true(place_parse("client -> b", &p->arena, &phase->loads[0].on, NULL));
    phase->loads[0].tagged_count = 1;
    phase->loads[0].tagged = ARENA_ARRAY(&p->arena, struct tagged, 1);
    phase->loads[0].tagged[0] = (struct tagged){.tag = "f1:503", .count = 10, .apart_ns = 7 * S};
    phase->step_count = 3;
    phase->steps = ARENA_ARRAY(&p->arena, struct step, 3);
    phase->steps[0] =
        step_make(p, STEP_FAULT, "abort", "b", at,
                  (const char *const[]){"status", "503", "first", "1", "name", "f1:503", NULL});
    step_set_json(p, &phase->steps[0], "match", json_pack("{s:s}", "tag", "f1:503"));
    phase->steps[1] = step_make(p, STEP_EXPECT, "retries", "client -> b", at, NULL);
    step_set_json(p, &phase->steps[1], "only", json_pack("[s, s]", "atmost", "happen"));
    phase->steps[2] = step_make(p, STEP_DURING, "during", NULL, at, NULL);
    phase->steps[2].from_ns = 2 * S;
    phase->steps[2].step_count = 1;
    phase->steps[2].steps = ARENA_ARRAY(&p->arena, struct step, 1);
    phase->steps[2].steps[0] = step_make(p, STEP_FAULT, "reset", "b/1", at, NULL);
    return p;
}

static void a_plan_survives_json_with_the_same_hash(void **unused)
{
    struct plan *p = made(), *back = NULL;
    struct error err = {0};
    char before[65], after[65];
    (void)unused;
    plan_hash(p, before);
    json_t *json = plan_to_json(p);
    char *text = json_dumps(json, JSON_INDENT(1));
    json_decref(json);
    json = json_loads(text, 0, NULL);
    free(text);
    if (!plan_from_json(json, &back, &err))
        fail_msg("%s", err.text);
    json_decref(json);
    plan_hash(back, after);
    assert_string_equal(before, after);
    assert_int_equal(strlen(before), 64);
    assert_int_equal(back->scenarios[0].phases[0].steps[2].to_ns, UINT64_MAX);
    assert_int_equal(back->scenarios[0].phases[0].loads[0].heal, 5);
    assert_int_equal(back->scenarios[0].phases[0].loads[0].tagged[0].apart_ns, 7 * S);
    assert_int_equal(back->scenarios[0].phases[0].steps[0].source.line, 7);
    assert_true(back->scenarios[0].phases[0].steps[0].has_on);
    assert_string_equal(back->scenarios[0].phases[0].steps[0].on.to.service, "b");
    struct text t;
    text_init(&t, 65536);
    plan_print_text(back, &t);
    assert_non_null(
        strstr(text_get(&t), "\n  not asked: retry.max, retry.must\n    why: left out\n"));
    text_release(&t);
    plan_free(p);
    plan_free(back);
}

static void the_hash_changes_with_any_value(void **unused)
{
    struct plan *p = made();
    char before[65], after[65];
    (void)unused;
    plan_hash(p, before);
    p->scenarios[0].phases[0].loads[0].tagged[0].count = 11;
    plan_hash(p, after);
    assert_string_not_equal(before, after);
    plan_free(p);
}

static void check_accepts_a_generated_plan_and_numbers_its_faults(void **unused)
{
    struct plan *p = made();
    struct error err = {0};
    (void)unused;
    if (!plan_check(p, &err))
        fail_msg("%s", err.text);
    assert_int_equal(p->scenarios[0].phases[0].steps[0].fault, 1);
    assert_int_equal(p->scenarios[0].phases[0].steps[2].steps[0].fault, 2);
    plan_free(p);
}

static void expect_error(struct plan *p, const char *text)
{
    struct error err = {0};
    assert_false(plan_check(p, &err));
    assert_string_equal(err.text, text);
    assert_true(err.kind == ERROR_INPUT);
    plan_free(p);
}

static void check_knows_the_lab(void **unused)
{
    (void)unused;
    struct plan *p = made();
    assert_true(
        place_parse("client -> bb", &p->arena, &p->scenarios[0].phases[0].steps[1].on, NULL));
    expect_error(p, "expect.retries: on names \"bb\": the lab has b (did you mean \"b\"?)");
    p = made();
    assert_true(place_parse("b/4", &p->arena, &p->scenarios[0].phases[0].steps[0].on, NULL));
    expect_error(p, "fault.abort: on names \"b/4\": b has 3 endpoints");
    p = made();
    p->scenarios[0].phases[0].steps[1] =
        step_make(p, STEP_EXPECT, "ejection", "b", (struct source){0},
                  (const char *const[]){"never", "c/1", NULL});
    expect_error(p, "expect.ejection: never names \"c\": the lab has b (did you mean \"b\"?)");
}

static void check_knows_when_a_phase_ends(void **unused)
{
    (void)unused;
    struct plan *p = made();
    p->scenarios[0].phases[0].steps[2].from_ns = 120 * S;
    p->scenarios[0].phases[0].steps[2].kind = STEP_AT;
    expect_error(p, "at \"2m\" lies after the end of phase \"mixed\" (12s)");
    p = made();
    p->scenarios[0].phases[0].steps[2].to_ns = 50 * S;
    expect_error(p, "during \"2s..50s\" ends after phase \"mixed\" (12s)");
    p = made();
    p->scenarios[0].phases[0].ends = PHASE_DECIDED;
    expect_error(p, "phase \"mixed\": lasting = \"decided\" needs atmost");
    p = made();
    p->scenarios[0].phases[0].ends = PHASE_BY_AWAITS;
    expect_error(p, "phase \"mixed\" has no end: give it lasting = \"...\" or an await");
}

static void check_refuses_a_subset_where_it_would_be_passed_over(void **unused)
{
    static const struct {
        enum step_kind kind;
        const char *word, *text;
        const char *keys[5];
    } rows[] = {
        {STEP_FAULT,
         "kill",
         "fault.kill: on names the subset v1; faults on endpoints take subsets, and "
         "expect.fallback, path, status, success and timeout",
         {NULL}},
        {STEP_EXPECT,
         "ejection",
         "expect.ejection: on names the subset v1; faults on endpoints take subsets, and "
         "expect.fallback, path, status, success and timeout",
         {NULL}},
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan *p = made();
        struct phase *phase = &p->scenarios[0].phases[0];
        phase->ends = rows[i].kind == STEP_AWAIT ? PHASE_BY_AWAITS : PHASE_BY_CLOCK;
        phase->step_count = 1;
        phase->steps[0] =
            step_make(p, rows[i].kind, rows[i].word, "b@v1", (struct source){0}, rows[i].keys);
        expect_error(p, rows[i].text);
    }
}

static void awaits_need_the_right_kind_of_place(void **unused)
{
    (void)unused;
    struct plan *p = made();
    struct phase *phase = &p->scenarios[0].phases[0];
    phase->ends = PHASE_BY_AWAITS;
    phase->step_count = 1;
    phase->steps[0] = step_make(p, STEP_AWAIT, "ejected", "b", (struct source){0},
                                (const char *const[]){"within", "9s", NULL});
    expect_error(p, "await.ejected: on is \"b\"; it must be an endpoint such as \"b/2\"");
    p = made();
    phase = &p->scenarios[0].phases[0];
    phase->ends = PHASE_BY_AWAITS;
    phase->step_count = 1;
    phase->steps[0] = step_make(p, STEP_AWAIT, "cert", "client -> b", (struct source){0},
                                (const char *const[]){"within", "9s", "root", "r", NULL});
    expect_error(
        p, "await.cert: on is \"client -> b\"; it must be a service such as \"b\", an endpoint "
           "such as \"b/2\", or \"client\", the mesh's own side");
    p = made();
    phase = &p->scenarios[0].phases[0];
    phase->ends = PHASE_BY_AWAITS;
    phase->step_count = 1;
    phase->steps[0] = step_make(p, STEP_AWAIT, "cert", "b", (struct source){0},
                                (const char *const[]){"within", "9s", "root", "r", NULL});
    expect_error(p,
                 "await.cert needs lab tls: write lab { driver = \"envoy\", tls = \"mutual\", ... "
                 "}");
    p = made();
    phase = &p->scenarios[0].phases[0];
    phase->ends = PHASE_BY_AWAITS;
    phase->step_count = 1;
    phase->steps[0] = step_make(p, STEP_AWAIT, "fired", NULL, (struct source){0},
                                (const char *const[]){"within", "9s", "fault", "nobody", NULL});
    expect_error(p, "await.fired: fault names no fault: \"nobody\"");
}

/* One endpoint, or all of a service's; a drawn one or an edge is neither. */
static void readmitted_may_wait_for_a_whole_service(void **unused)
{
    static const struct {
        const char *on, *error;
    } rows[] = {
        {"b", NULL},
        {"b/2", NULL},
        {"b/any", "await.readmitted: on is \"b/any\"; it must be a service such as \"b\" or an "
                  "endpoint such as \"b/2\""},
        {"client -> b",
         "await.readmitted: on is \"client -> b\"; it must be a service such as \"b\" or an "
         "endpoint such as \"b/2\""},
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan *p = made();
        struct phase *phase = &p->scenarios[0].phases[0];
        struct error err = {0};
        phase->ends = PHASE_BY_AWAITS;
        phase->step_count = 1;
        phase->steps[0] = step_make(p, STEP_AWAIT, "readmitted", rows[i].on, (struct source){0},
                                    (const char *const[]){"within", "9s", NULL});
        if (rows[i].error != NULL) {
            expect_error(p, rows[i].error);
            continue;
        }
        if (!plan_check(p, &err))
            fail_msg("%s: %s", rows[i].on, err.text);
        plan_free(p);
    }
}

static void who_sends_grpc_and_who_gets_it_must_agree(void **unused)
{
    static const struct {
        const char *service, *load, *call, *error;
    } rows[] = {
        {"grpc", "grpc", "shop.Payments/Charge", NULL},
        {"http2", "http2", NULL, NULL},
        {"http2", "http1", NULL, NULL}, /* a mesh turns one into the other */
        {"grpc", "http1", NULL, "load.open: protocol is http1, but the service \"b\" speaks grpc"},
        {"http1", "grpc", "shop.Payments/Charge",
         "load.open: protocol is grpc, but the service \"b\" speaks http1"},
        {"grpc", "grpc", NULL,
         "load.open: protocol \"grpc\" needs call, such as \"shop.Payments/Charge\""},
        {"http1", "http1", "shop.Payments/Charge", "load.open: call is for protocol \"grpc\" only"},
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan *p = made();
        struct error err = {0};
        p->scenarios[0].lab.services[0].protocol = rows[i].service;
        p->scenarios[0].phases[0].loads[0].protocol = rows[i].load;
        p->scenarios[0].phases[0].loads[0].call = rows[i].call;
        if (rows[i].error != NULL) {
            expect_error(p, rows[i].error);
            continue;
        }
        if (!plan_check(p, &err))
            fail_msg("%s: %s", rows[i].service, err.text);
        plan_free(p);
    }
}

static void a_call_to_grpc_names_its_method_in_the_path(void **unused)
{
    static const char *const paths[] = {"/", "/shop.Payments/Charge"};
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct plan *p = made();
        struct scenario *s = &p->scenarios[0];
        struct call_plan call = {.to = "b", .path = paths[i], .method = "GET"};
        struct error err = {0};
        s->lab.services[0].protocol = "grpc";
        s->lab.services[0].calls = &call;
        s->lab.services[0].call_count = 1;
        s->phases[0].loads[0].protocol = "grpc";
        s->phases[0].loads[0].call = "shop.Payments/Charge";
        bool good = plan_check(p, &err);
        if (good != (i == 1))
            fail_msg("%s: %s", paths[i], err.text);
        if (i == 0)
            assert_non_null(strstr(err.text, "call \"b\": path is \"/\"; for protocol \"grpc\" it "
                                             "must be such as \"/shop.Payments/Charge\""));
        plan_free(p);
    }
}

static void check_all_goes_on_after_the_first_error(void **unused)
{
    struct error at[ERRORS_MOST] = {{0}};
    struct errors errors = {at, 0, ERRORS_MOST};
    struct plan *p = made();
    (void)unused;
    p->scenarios[0].phases[0].steps[0].word = "abrot";
    p->scenarios[0].phases[0].steps[1].word = "retry";
    plan_check_all(p, &errors);
    assert_int_equal(errors.count, 2);
    assert_non_null(strstr(at[0].text, "there is no fault.abrot; there is abort bandwidth"));
    assert_non_null(strstr(at[1].text, "there is no expect.retry; there is amplification"));
    plan_free(p);
}

static void every_word_of_the_tables_has_sorted_names_and_rows(void **unused)
{
    static const char *const families[] = {"fault", "expect", "await"};
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        size_t count = 0;
        const char *const *names = word_names(families[i], &count);
        assert_true(count > 7);
        for (size_t j = 1; j < count; j++)
            assert_true(strcmp(names[j - 1], names[j]) < 0);
    }
    size_t count;
    const struct word_type *types = word_types(&count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(word_type_find(types[i].family, types[i].word), &types[i]);
        assert_int_equal(param_find(types[i].params, types[i].param_count, "on") != NULL,
                         types[i].needs_on);
    }
}

static void saved_plans_that_are_wrong_are_refused(void **unused)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"v\": 2}",
        "{\"v\": 1, \"colour\": 3}",
        "{\"v\": 1, \"scenarios\": 3}",
        "{\"v\": 1, \"scenarios\": [{}]}",
        "{\"v\": 1, \"scenarios\": [{\"name\": 3}]}",
        "{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"deadline\": -1}]}",
        "{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"deadline\": 9223372036854775807}]}",
        "{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"depth\": \"deep\"}]}",
        "{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"steps\": [{}]}]}",
        ("{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"steps\": [{\"word\": \"fault.\\u00e9\", "
         "\"keys\": {\"on\": \"b/0\"}}]}]}"),
        "{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"steps\": [{\"word\": \"faults\"}]}]}",
        "{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"load\": [{}]}]}",
        ("{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"load\": [{\"on\": \"a -> b\", \"users\": "
         "4294967296}]}]}"),
        "{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"lab\": {\"services\": [{}]}}]}",
        ("{\"v\": 1, \"scenarios\": [{\"name\": \"s\", \"lab\": {\"services\": [{\"name\": \"b\", "
         "\"calls\": [{}]}]}}]}"),
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct plan *p = NULL;
        struct error err = {0};
        json_t *json = json_loads(bad[i], 0, NULL);
        assert_non_null(json);
        if (plan_from_json(json, &p, &err))
            fail_msg("taken: %s", bad[i]);
        assert_true(err.kind == ERROR_INPUT || err.kind == ERROR_LIMIT);
        assert_true(strncmp(err.text, "a plan", 6) == 0 ||
                    strstr(err.text, "must be a place") != NULL);
        json_decref(json);
    }
}

static void a_saved_plan_says_where_it_is_wrong(void **unused)
{
    struct plan *p = NULL;
    struct error err = {0};
    json_t *json = json_loads("{\"v\": 1, \"scenarios\": [{\"name\": \"s\"}, {\"name\": \"t\", "
                              "\"phases\": [{\"lasting\": \"9s\"}]}]}",
                              0, NULL);
    (void)unused;
    assert_false(plan_from_json(json, &p, &err));
    assert_string_equal(
        err.text,
        "a plan: .scenarios[1].phases[0].lasting is \"9s\"; it must be a whole number from 0 to "
        "2592000000000000");
    json_decref(json);
}

static void steps_nested_without_end_are_refused(void **unused)
{
    struct plan *p = NULL;
    struct error err = {0};
    json_t *step = json_pack("{s:s}", "word", "group");
    (void)unused;
    for (int i = 0; i < 1000; i++)
        step = json_pack("{s:s, s:[o]}", "word", "group", "steps", step);
    json_t *json =
        json_pack("{s:i, s:[{s:s, s:[o]}]}", "v", 1, "scenarios", "name", "s", "steps", step);
    assert_false(plan_from_json(json, &p, &err));
    assert_true(err.kind == ERROR_LIMIT);
    json_decref(json);
}

static void a_list_longer_than_its_bound_is_refused(void **unused)
{
    struct plan *p = NULL;
    struct error err = {0};
    json_t *list = json_array();
    (void)unused;
    for (int i = 0; i < 1001; i++)
        json_array_append_new(list, json_pack("{s:s}", "name", "s"));
    json_t *json = json_pack("{s:i, s:o}", "v", 1, "scenarios", list);
    assert_false(plan_from_json(json, &p, &err));
    assert_string_equal(err.text, "a plan: .scenarios has 1001 entries; at most 1000");
    json_decref(json);
}

static void the_dry_run_names_phases_faults_and_claims(void **unused)
{
    struct plan *p = made();
    struct text t;
    (void)unused;
    text_init(&t, 65536);
    plan_print_text(p, &t);
    assert_non_null(strstr(text_get(&t), "phase \"mixed\" 12 s\n"));
    assert_non_null(strstr(text_get(&t), "abort 503 for requests tagged f1:503 on b, first 1"));
    assert_non_null(strstr(text_get(&t), "expect retries client -> b only atmost,happen"));
    assert_non_null(strstr(text_get(&t), "10 tagged (1 tag), up to 7s apart\n"));
    text_release(&t);
    plan_free(p);
}

/* What may be touched, what would stop it, and when: whoever reads the dry run decides by that. */
static void the_dry_run_tells_of_guards(void **unused)
{
    static const char *allow[] = {"Mon-Thu 09:00-16:00", "Fri 09:00-12:00"},
                      *deny[] = {"2026-12-20..2027-01-03"}, *services[] = {"b"},
                      *namespaces[] = {"shop"};
    struct plan *p = made();
    struct scenario *s = &p->scenarios[0];
    struct probe_plan probe = {.kind = PROBE_PROMQL, .name = "orders", .query = "q"};
    struct guard_plan guards[] = {
        {.kind = GUARD_WINDOW, .allow = allow, .allow_count = 2, .zone = "Europe/Berlin"},
        {.kind = GUARD_WINDOW, .deny = deny, .deny_count = 1},
        {.kind = GUARD_STOP, .probe = "orders", .below = "5", .over_ns = 30 * S, .note = "few\x1b"},
        {.kind = GUARD_STOP,
         .own = {.kind = PROBE_CLIENT, .value = "errors", .on = {.text = "client -> b"}},
         .above = "25%",
         .below = "1%",
         .over_ns = 10 * S,
         .ignore_missing = true},
        {.kind = GUARD_LIMITS,
         .endpoints = "34%",
         .keep = 2,
         .share_ppm = 500000,
         .ttl_ns = 600 * S,
         .services = services,
         .service_count = 1,
         .namespaces = namespaces,
         .namespace_count = 1}};
    struct text t;
    (void)unused;
    text_init(&t, 65536);
    plan_print_text(p, &t);
    assert_non_null(strstr(text_get(&t),
                           "  limits   at most 100% of a service's endpoints at once; "
                           "100% of requests,\n           30 s of delay, 15 min a fault; 2000/s "
                           "of load (defaults)\n"));
    text_clear(&t);
    s->guards = guards;
    s->guard_count = COUNT_OF(guards);
    s->probes = &probe;
    s->probe_count = 1;
    plan_print_text(p, &t);
    assert_non_null(
        strstr(text_get(&t),
               "  limits   at most 34% of a service's endpoints at once, 2 left alone; 50% of "
               "requests,\n           30 s of delay, 10 min a fault; 2000/s of load; only b; only "
               "namespace "
               "shop\n"
               "  stop     orders below 5 for 30 s, or without an answer so long \"few?\"\n"
               "  stop     client errors on client -> b above 25% or below 1% for 10 s; a probe "
               "without an answer stops nothing\n"
               "  window   Mon-Thu 09:00-16:00, Fri 09:00-12:00 (Europe/Berlin)\n"
               "  window   always, but not 2026-12-20..2027-01-03 (UTC)\n"));
    text_release(&t);
    plan_free(p);
}

/* After the last phase nothing settles. */
static void the_dry_run_counts_what_settles_between_phases(void **unused)
{
    struct plan *p = made();
    struct phase phases[2];
    struct text t;
    (void)unused;
    phases[0] = phases[1] = p->scenarios[0].phases[0];
    phases[0].settle_ns = 5 * S;
    phases[1].settle_ns = 3 * S;
    p->scenarios[0].phases = phases;
    p->scenarios[0].phase_count = 2;
    assert_int_equal(plan_settle_ns(&p->scenarios[0]), 5 * S);
    text_init(&t, 65536);
    plan_print_text(p, &t);
    assert_non_null(strstr(text_get(&t), "about 29 s"));
    text_release(&t);
    plan_free(p);
}

static void errors_are_sorted_by_line_and_said_once(void **unused)
{
    struct error at[ERRORS_MOST] = {{0}};
    struct errors errors = {at, 0, 3};
    (void)unused;
    assert_false(errors_add(&errors, (struct source){"a", 9, 0}, ERROR_INPUT, "late"));
    errors_add(&errors, (struct source){"a", 9, 0}, ERROR_INPUT, "late");
    errors_add(&errors, (struct source){"a", 2, 0}, ERROR_INPUT, "early");
    errors_add(&errors, (struct source){"b", 1, 0}, ERROR_INPUT, "other file");
    errors_add(&errors, (struct source){"b", 1, 0}, ERROR_INPUT, "one too many");
    assert_int_equal(errors.count, 3);
    errors_sort(&errors);
    assert_string_equal(at[0].text, "early");
    assert_string_equal(at[1].text, "late");
    assert_string_equal(at[2].text, "other file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_survives_json_with_the_same_hash),
        cmocka_unit_test(the_hash_changes_with_any_value),
        cmocka_unit_test(check_accepts_a_generated_plan_and_numbers_its_faults),
        cmocka_unit_test(check_knows_the_lab),
        cmocka_unit_test(check_knows_when_a_phase_ends),
        cmocka_unit_test(check_refuses_a_subset_where_it_would_be_passed_over),
        cmocka_unit_test(awaits_need_the_right_kind_of_place),
        cmocka_unit_test(readmitted_may_wait_for_a_whole_service),
        cmocka_unit_test(who_sends_grpc_and_who_gets_it_must_agree),
        cmocka_unit_test(a_call_to_grpc_names_its_method_in_the_path),
        cmocka_unit_test(check_all_goes_on_after_the_first_error),
        cmocka_unit_test(every_word_of_the_tables_has_sorted_names_and_rows),
        cmocka_unit_test(saved_plans_that_are_wrong_are_refused),
        cmocka_unit_test(a_saved_plan_says_where_it_is_wrong),
        cmocka_unit_test(steps_nested_without_end_are_refused),
        cmocka_unit_test(a_list_longer_than_its_bound_is_refused),
        cmocka_unit_test(the_dry_run_names_phases_faults_and_claims),
        cmocka_unit_test(the_dry_run_tells_of_guards),
        cmocka_unit_test(the_dry_run_counts_what_settles_between_phases),
        cmocka_unit_test(errors_are_sorted_by_line_and_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
