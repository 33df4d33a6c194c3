/* What a suite asks beyond its policy, and of which requests, on journals written by hand. */

#include "verify/whole_fixture_test.h"

#include "verify/wish.h"

#define EDGE "client -> payments"

/* GET /a is answered well, POST /b with 503; a call of each a quarter of a second. */
static void two_kinds(struct whole *w, const char *protocol, const char *atleast, const char *key,
                      const char *value)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    bool grpc = strcmp(protocol, "grpc") == 0;
    whole_open(w, &edge, protocol);
    struct phase *phase = whole_phase(w, "all", 0, 10 * S);
    struct step *step = whole_step(w, phase, STEP_EXPECT, "success", EDGE,
                                   (const char *const[]){"atleast", atleast, NULL});
    step_set_json(w->plan, step, "match",
                  strcmp(value, "503") == 0 ? json_pack("{s:i}", key, 503)
                                            : json_pack("{s:s}", key, value));
    for (uint64_t i = 0; i < 800; i++) {
        bool good = i % 2 == 0;
        uint64_t at = i * 12 * MS;
        struct request_record r = {
            .status = good ? 200 : 503,
            .grpc_status = grpc && good ? 1 : 0,
            .verb = good ? VERB_GET : VERB_POST,
            .protocol = good ? 0 : 1,
            .path = journal_add_name(w->j, grpc   ? good ? "/shop.A/Get" : "/shop.B/Get"
                                           : good ? "/a"
                                                  : "/b")};
        uint64_t id = whole_request(w, at, at + MS, r);
        whole_try(w, id, at + 100, at + 500, (struct attempt_record){.status = good ? 200 : 503});
    }
}

static void match_picks_requests_by_all_that_a_journal_tells(void **state)
{
    static const struct {
        const char *protocol, *key, *good, *bad;
    } keys[] = {
        {"http1", "path", "/a", "/b"},           {"http1", "method", "GET", "POST"},
        {"http1", "status", "2xx", "503"},       {"http1", "status", "2xx", "5xx"},
        {"http1", "protocol", "http1", "http2"}, {"grpc", "grpc", "shop.A/*", "shop.B/*"},
        {"grpc", "protocol", "http1", "grpc"},
    };
    struct whole w;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        two_kinds(&w, keys[i].protocol, "100%", keys[i].key, keys[i].good);
        whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "400 of 400");
        two_kinds(&w, keys[i].protocol, "100%", keys[i].key, keys[i].bad);
        whole_are(&w, "success", VERDICT_FAIL, WHY_NONE, "good");
    }
    two_kinds(&w, "http1", "50%", "from", "cli*");
    whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "400 of 800");
    two_kinds(&w, "http1", "50%", "from", "checkout");
    whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

/* Background of 2 ms, and eight requests whose only try is held until T = 2 s, or P = 1 s. */
static void held(struct whole *w, bool per_try, const char *atmost)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    edge.retry.attempts = whole_value(0);
    if (per_try)
        edge.retry.per_try_timeout = whole_value(NS_PER_S);
    else
        edge.request_timeout = whole_value(2 * NS_PER_S);
    uint64_t lasts = per_try ? S : 2 * S;
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, "all", 0, 40 * S);
    struct step *step = whole_step(w, phase, STEP_EXPECT, "timeout", EDGE,
                                   (const char *const[]){"atmost", atmost, NULL});
    step_set_json(w->plan, step, "only", json_pack("[s]", per_try ? "per_try" : "request"));
    for (uint64_t at = 0; at < 36 * S; at += 20 * MS)
        whole_good(w, at, 2 * MS);
    for (uint64_t i = 0; i < 12; i++) {
        uint64_t at = i * 3 * S + 7 * MS;
        uint64_t id = whole_request(
            w, at, at + lasts,
            (struct request_record){.status = 504, .body_class = BODY_UPSTREAM_TIMEOUT});
        struct attempt_record x = {.outcome = OUTCOME_LEFT, .left = (lasts - 200) * NS_PER_US};
        whole_try(w, id, at + 100, 0, x);
    }
}

static void a_wish_for_a_request_is_stricter_than_its_timeout(void **state)
{
    struct whole w;
    (void)state;
    held(&w, false, "2s");
    whole_are(&w, "timeout.request", VERDICT_PASS, WHY_NONE,
              "wish: at most 2000 ms, longest 2000 ms");
    held(&w, false, "1500ms");
    whole_are(&w, "timeout.request", VERDICT_FAIL, WHY_NONE,
              "12 of 1812 requests lasted longer, up to 2000 ms; wish: at most 1500 ms");
}

static void a_wish_for_a_try_is_stricter_than_its_timeout(void **state)
{
    struct whole w;
    (void)state;
    held(&w, true, "1s");
    whole_are(&w, "timeout.try", VERDICT_PASS, WHY_NONE, "wish: at most 1000 ms");
    held(&w, true, "500ms");
    whole_are(&w, "timeout.try", VERDICT_FAIL, WHY_NONE, "12 of 1812 tries lasted longer");
}

/* Each request of the client makes ${tries} tries on stock, behind payments, which may retry once;
 * the mesh may try three times before payments. */
static void amplified(struct whole *w, uint32_t tries, const char *layer)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    struct service_plan *service = &w->s->lab.services[0];
    service->calls = ARENA_ARRAY(&w->plan->arena, struct call_plan, 1);
    service->call_count = 1;
    service->calls[0] = (struct call_plan){
        .to = "stock", .method = "GET", .path = "/", .retries = 1, .share_ppm = 1000000};
    w->s->lab.services[1] = (struct service_plan){
        .name = "stock", .endpoints = 1, .slots = 16, .protocol = "http1", .status = 200};
    w->s->lab.service_count = 2;
    struct phase *phase = whole_phase(w, "all", 0, 10 * S);
    struct step *step = whole_step(w, phase, STEP_EXPECT, "amplification", EDGE, NULL);
    if (layer != NULL)
        step_set_json(w->plan, step, "layers", json_pack("[s]", layer));
    journal_add_proc(w->j, 9, "stub", "subject", "payments");
    journal_add_proc(w->j, 10, "proxy", "subject", "stock");
    for (uint64_t i = 0; i < 320; i++) {
        uint64_t at = i * 20 * MS, root = whole_good(w, at, 10 * MS);
        for (uint32_t k = 0; k < tries; k++) {
            struct request_record call = {.due = WHOLE_T0 + (at + 2 * MS) * NS_PER_US,
                                          .id_hi = 8,
                                          .id_lo = i * 8 + k + 1,
                                          .root_hi = 7,
                                          .root_lo = root,
                                          .start = 1,
                                          .done = NS_PER_MS,
                                          .edge = journal_add_name(w->j, "payments -> stock")};
            struct attempt_record x = {.at = call.due + 1000,
                                       .id_hi = 8,
                                       .id_lo = call.id_lo,
                                       .endpoint = 1,
                                       .status = 503,
                                       .out = 1000};
            journal_add(w->j, 9, RECORD_REQUEST, &call);
            journal_add(w->j, 10, RECORD_ATTEMPT, &x);
        }
    }
}

static void layers_say_whose_retries_count(void **state)
{
    struct whole w;
    (void)state;
    amplified(&w, 6, NULL);
    whole_are(&w, "amplify", VERDICT_PASS, WHY_NONE, "6.00 on stock");
    amplified(&w, 7, NULL);
    whole_are(&w, "amplify", VERDICT_FAIL, WHY_NONE, "7 tries on stock for one request, 6 = ");
    amplified(&w, 3, "mesh");
    whole_are(&w, "amplify", VERDICT_PASS, WHY_NONE, "3.00 on stock");
    amplified(&w, 4, "mesh");
    whole_are(&w, "amplify", VERDICT_FAIL, WHY_NONE, "4 tries on stock for one request, 3 = ");
    amplified(&w, 2, "app");
    whole_are(&w, "amplify", VERDICT_PASS, WHY_NONE, "2.00 on stock");
    amplified(&w, 3, "app");
    whole_are(&w, "amplify", VERDICT_FAIL, WHY_NONE, "3 tries on stock for one request, 2 = ");
}

/* Seven slow times of endpoint 2, in which it gets ${of_100} tries of a hundred; one worker. */
static void slowed(struct whole *w, uint64_t of_100, const char *less, const char *atmost)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    edge.balance = whole_value(LB_LEAST_REQUEST);
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, "all", 0, 50 * S);
    whole_step(w, phase, STEP_FAULT, "latency", "payments/2",
               (const char *const[]){"add", "300ms", NULL});
    struct step *step = whole_step(w, phase, STEP_EXPECT, "balance", EDGE, NULL);
    step_set_json(w->plan, step, "less", json_pack("[s]", less));
    if (atmost != NULL)
        step_set_json(w->plan, step, "atmost", json_string(atmost));
    journal_add_proc(w->j, 5, "mesh", "subject", "client");
    struct metric_record one = {.at = WHOLE_T0,
                                .answer = 1,
                                .value = 1,
                                .name = journal_add_name(w->j, "server.concurrency")};
    journal_add(w->j, 5, RECORD_METRIC, &one);
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t at = i * 6 * S;
        struct fault_record f = {
            .at = WHOLE_T0 + at * NS_PER_US, .fault = 1, .endpoint = 2, .what = 0};
        journal_add(w->j, WHOLE_PROXY, RECORD_FAULT, &f);
        f.at += 3 * NS_PER_S;
        f.what = 1;
        journal_add(w->j, WHOLE_PROXY, RECORD_FAULT, &f);
        for (uint64_t k = 0; k < 300; k++) {
            uint64_t t = at + k * 10 * MS;
            bool slow = k % 100 < of_100;
            uint64_t took = slow ? 300 * MS : 20 * MS;
            uint64_t id = whole_request(w, t, t + took, (struct request_record){0});
            whole_try(w, id, t + 100, t + took - 100,
                      (struct attempt_record){.status = 200,
                                              .fault = slow,
                                              .endpoint = slow    ? 2
                                                          : k % 2 ? 1
                                                                  : 3});
        }
    }
}

static void less_names_the_endpoints_that_must_lose(void **state)
{
    struct whole w;
    (void)state;
    slowed(&w, 10, "payments/2", NULL);
    whole_are(&w, "lb.slow_share", VERDICT_PASS, WHY_NONE, "the slow endpoint got 10..10 %");
    slowed(&w, 33, "payments/2", NULL);
    whole_are(&w, "lb.slow_share", VERDICT_FAIL, WHY_NONE, "8 of 8 times");
    /* A wish of half of a fair share. */
    slowed(&w, 20, "payments", "90%");
    whole_are(&w, "lb.slow_share", VERDICT_PASS, WHY_NONE, "20..20 %");
    slowed(&w, 20, "payments", "50%");
    whole_are(&w, "lb.slow_share", VERDICT_FAIL, WHY_NONE, "8 of 8 times");
    slowed(&w, 33, "payments/3", NULL);
    whole_are(&w, "lb.slow_share", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED,
              "less does not name that endpoint");
}

static void an_endpoint_that_was_never_slow_is_named(void **state)
{
    struct whole w;
    (void)state;
    slowed(&w, 10, "payments/2", NULL);
    step_set_json(w.plan, &w.s->phases[0].steps[1], "less",
                  json_pack("[s,s]", "payments/2", "payments/3"));
    whole_are(&w, "lb.slow_share", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
              "payments/3, which less names, was never slow");
}

/* The error of a plan with one expectation. */
static void is_refused(const char *word, const char *key, json_t *value, const char *only,
                       const char *says)
{
    struct whole w;
    struct error err = {0};
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
    edge.retry.per_try_timeout = whole_value(600 * NS_PER_MS);
    edge.request_timeout = whole_value(2 * NS_PER_S);
    whole_open(&w, &edge, "http1");
    struct step *step = whole_step(&w, whole_phase(&w, "all", 0, S), STEP_EXPECT, word, EDGE, NULL);
    step_set_json(w.plan, step, key, value);
    if (only != NULL)
        step_set_json(w.plan, step, "only", json_pack("[s]", only));
    bool good = wishes_check(w.s, &w.edge, 1, &err);
    if (says == NULL ? !good : good || strcmp(err.text, says) != 0)
        fail_msg("%s.%s: %s", word, key, good ? "(taken)" : err.text);
    assert_true(good || (strcmp(err.source.file, "whole.lua") == 0 && err.source.line == 9));
    whole_judge(&w);
    whole_close(&w);
}

static void a_wish_that_is_looser_than_the_policy_is_refused(void **state)
{
    (void)state;
    is_refused("retries", "atmost", json_integer(5), NULL,
               "expect.retries: atmost is 5, looser than the policy's 2 (policy.yaml:7); leave it "
               "out");
    is_refused("retries", "atmost", json_integer(1), NULL, NULL);
    is_refused("timeout", "atmost", json_string("3s"), NULL,
               "expect.timeout: atmost is 3s, looser than the policy's 2s (policy.yaml:7); leave "
               "it out");
    is_refused("timeout", "atmost", json_string("1s"), NULL, NULL);
    is_refused("timeout", "atmost", json_string("1s"), "per_try",
               "expect.timeout: atmost is 1s, looser than the policy's 600ms (policy.yaml:7); "
               "leave it out");
    is_refused("timeout", "atmost", json_string("1s"), "none",
               "expect.timeout: atmost bounds a try or a request: only must be per_try or request");
    is_refused("amplification", "atmost", json_real(3.5), NULL,
               "expect.amplification: atmost is 3.5, looser than the policy's 3 (policy.yaml:7); "
               "leave it out");
    is_refused("amplification", "atmost", json_real(1.5), NULL, NULL);
    is_refused("budget", "atmost", json_string("10%"), NULL,
               "expect.budget: atmost is set, but no policy says anything about a retry budget on "
               "this edge: run meshproof explain --on \"client -> payments\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match_picks_requests_by_all_that_a_journal_tells),
        cmocka_unit_test(a_wish_for_a_request_is_stricter_than_its_timeout),
        cmocka_unit_test(a_wish_for_a_try_is_stricter_than_its_timeout),
        cmocka_unit_test(layers_say_whose_retries_count),
        cmocka_unit_test(less_names_the_endpoints_that_must_lose),
        cmocka_unit_test(an_endpoint_that_was_never_slow_is_named),
        cmocka_unit_test(a_wish_that_is_looser_than_the_policy_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
