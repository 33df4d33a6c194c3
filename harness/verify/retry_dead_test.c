/* retry.must where more endpoints are down than a request has retries: nobody has to find a live
 * one. On journals written by hand. */

#include "verify/limits_fixture_test.h"

#define MS LIMITS_MS
#define S LIMITS_S

/* ${endpoints} of two refuse, and no request that meets them is answered. */
static void refused(struct limits *l, const char *const *places, uint64_t retries)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    edge.retry.attempts = limits_value(retries);
    edge.retry.on = RETRY_CONNECT_FAILURE;
    edge.retry.other_host = true;
    limits_open(l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
    for (size_t i = 0; places[i] != NULL; i++)
        l->phase->steps[l->phase->step_count++] =
            step_make(l->plan, STEP_FAULT, "refuse", places[i],
                      (struct source){"limits.lua", 10 + (uint32_t)i, 0}, NULL);
    for (uint64_t i = 0; i < 20; i++)
        limits_served(l, i * 50 * MS, i * 50 * MS + 3 * MS, (uint16_t)(i % 3 + 1));
    for (uint64_t t = S; t < 20 * S; t += 500 * MS) {
        limits_request(l, t, t + 50 * MS, 503, false);
        l->j->requests[l->j->request_count - 1].r.body_class = BODY_CONNECT_FAILURE;
    }
}

static void where_all_are_down_no_retry_finds_one(void **state)
{
    struct limits l;
    (void)state;
    refused(&l, (const char *const[]){"payments", NULL}, 2);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    refused(&l, (const char *const[]){"payments/1", "payments/2", "payments/3", NULL}, 2);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

static void as_many_as_there_are_retries_may_be_down(void **state)
{
    struct limits l;
    (void)state;
    refused(&l, (const char *const[]){"payments/1", NULL}, 1);
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "38 of 38 requests that met refuse");
    refused(&l, (const char *const[]){"payments/1", "payments/2", NULL}, 2);
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "38 of 38 requests that met refuse");
    refused(&l, (const char *const[]){"payments/any", NULL}, 1);
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "38 of 38 requests that met refuse");
    refused(&l, (const char *const[]){"payments/1", "inventory", NULL}, 1);
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "38 of 38 requests that met refuse");
    refused(&l, (const char *const[]){"payments/1", "payments/any", NULL}, 1);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    refused(&l, (const char *const[]){"payments/1", "payments/2", NULL}, 1);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

/* Of two endpoints one refuses, and of 200 requests that meet it 40 do not find the other: with
 * requests held there, LEAST_REQUEST draws the dead one three times of four, six times in a row
 * once of six. One at a time, or going round, that is no chance. */
static void a_balancer_that_counts_requests_prefers_the_dead_one(void **state)
{
    static const struct {
        enum lb_policy balance;
        bool busy;
        uint64_t lost;
        enum verdict_kind kind;
    } rows[] = {
        {LB_LEAST_REQUEST, true, 40, VERDICT_PASS},
        {LB_LEAST_REQUEST, true, 80, VERDICT_FAIL},
        {LB_LEAST_REQUEST, false, 50, VERDICT_FAIL},
        {LB_ROUND_ROBIN, true, 50, VERDICT_FAIL},
    };
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        struct limits l;
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
        edge.balance = limits_value(rows[row].balance);
        edge.retry.attempts = limits_value(1);
        edge.retry.on = RETRY_CONNECT_FAILURE;
        edge.retry.other_host = true;
        limits_open(&l, &edge, 21 * S, "retries", (const char *const[]){"only", "happen", NULL});
        l.phase->steps[l.phase->step_count++] = step_make(
            l.plan, STEP_FAULT, "refuse", "payments/1", (struct source){"limits.lua", 10, 0}, NULL);
        for (uint64_t i = 0; i < 200; i++) {
            uint64_t t = i * 100 * MS;
            if (rows[row].busy)
                limits_served(&l, t, t + 60 * MS, 2);
            if (i < rows[row].lost) {
                limits_request(&l, t + 10 * MS, t + 20 * MS, 503, false);
                l.j->requests[l.j->request_count - 1].r.body_class = BODY_CONNECT_FAILURE;
            } else {
                limits_served(&l, t + 10 * MS, t + 20 * MS, 2);
                l.j->attempts[l.j->attempt_count - 1].r.n_mesh = 2;
            }
        }
        limits_are(&l, "retry.must", rows[row].kind, WHY_NONE, "");
    }
}

/* A phase before took another endpoint down, ${until} the end of the phase that is judged or of
 * itself. */
static void what_an_earlier_phase_carries_on_is_down_too(void **state)
{
    (void)state;
    for (int row = 0; row < 3; row++) {
        struct limits l;
        refused(&l, (const char *const[]){"payments/1", NULL}, 1);
        struct scenario *s = &l.plan->scenarios[0];
        struct phase now = s->phases[0];
        s->phases = ARENA_ARRAY(&l.plan->arena, struct phase, 2);
        s->phase_count = 2;
        s->phases[0] = (struct phase){.name = "before",
                                      .ends = PHASE_BY_CLOCK,
                                      .lasting_ns = NS_PER_S,
                                      .steps = ARENA_ARRAY(&l.plan->arena, struct step, 1),
                                      .step_count = 1};
        s->phases[1] = now;
        s->phases[0].steps[0] =
            step_make(l.plan, STEP_FAULT, "refuse", row == 2 ? "inventory" : "payments/2",
                      (struct source){"limits.lua", 5, 0},
                      row == 0 ? NULL : (const char *const[]){"to_end_of", "limits", NULL});
        l.j->phases[0].ordinal = 1;
        limits_are(&l, "retry.must", row == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                   row == 1 ? WHY_NEVER_FIRED : WHY_NONE,
                   row == 1 ? "" : "38 of 38 requests that met refuse");
    }
}

/* Of two endpoints one answers 503, and the other refuses: the second try of a request, or its
 * third, may have been there. */
static void a_try_that_was_refused_may_have_been_the_last(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        struct limits l;
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
        edge.retry.attempts = limits_value(2);
        edge.retry.on = RETRY_STATUS_CODES;
        status_set_add(&edge.retry.codes, 503);
        edge.retry.other_host = true;
        limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
        if (dead == 1)
            l.phase->steps[l.phase->step_count++] =
                step_make(l.plan, STEP_FAULT, "refuse", "payments/2",
                          (struct source){"limits.lua", 10, 0}, NULL);
        for (uint64_t t = S; t < 20 * S; t += 500 * MS) {
            uint64_t id = limits_request(&l, t, t + 50 * MS, 503, false);
            l.j->requests[l.j->request_count - 1].r.body_class = BODY_OTHER_PROXY;
            limits_add_try(
                &l, &(struct limits_try){
                        .request = id, .head_us = t + MS, .out_us = t + 2 * MS, .status = 503});
        }
        limits_are(&l, "retry.must", dead == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                   dead == 1 ? WHY_NEVER_FIRED : WHY_NONE, dead == 1 ? "" : "503");
    }
}

/* Two endpoints are dead, one of them in a way that is not retried: which one a request met, nobody
 * saw. */
static void what_is_not_retried_may_be_what_was_met(void **state)
{
    (void)state;
    for (int row = 0; row < 2; row++) {
        struct limits l;
        refused(&l, (const char *const[]){"payments/1", NULL}, 2);
        l.phase->steps[l.phase->step_count++] = step_make(
            l.plan, STEP_FAULT, "reset", "payments/2", (struct source){"limits.lua", 11, 0},
            (const char *const[]){"when", "accept", NULL});
        l.edge.retry.on |= row == 1 ? RETRY_RESET : 0;
        limits_are(&l, "retry.must", row == 1 ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
                   row == 1 ? WHY_NONE : WHY_NEVER_FIRED,
                   row == 1 ? "38 of 38 requests that met refuse" : "");
    }
}

/* Of two requests 6 ms apart each was reset at accept; the first connection was read late, with no
 * stall told, and is no second try of the second. */
static void a_connection_read_late_is_nobodys(void **state)
{
    struct limits l;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    (void)state;
    edge.retry.attempts = limits_value(0);
    edge.retry.on = 0;
    limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "atmost", NULL});
    for (uint64_t i = 0; i < 20; i++)
        limits_served(&l, i * 50 * MS, i * 50 * MS + 3 * MS, (uint16_t)(i % 3 + 1));
    for (uint64_t t = 2 * S; t < 19 * S; t += 100 * MS)
        for (uint64_t i = 0; i < 2; i++) {
            struct connection_record c = {.at = LIMITS_T0 + (t + 6100 + i * 200) * NS_PER_US,
                                          .close = NS_PER_US,
                                          .conn = (uint32_t)(t / MS + i),
                                          .endpoint = 1,
                                          .fault = 1,
                                          .reset = 1,
                                          .closed_by = 2};
            limits_request(&l, t + i * 6 * MS, t + i * 6 * MS + MS, 503, false);
            l.j->requests[l.j->request_count - 1].r.body_class = BODY_CONNECT_FAILURE;
            journal_add(l.j, LIMITS_PROXY, RECORD_CONNECTION, &c);
        }
    assert_int_not_equal(limits_judge(&l, "retry.max")->kind, VERDICT_FAIL);
    limits_close(&l);
}

/* The first step of the phase, an expectation, is the scenario's instead. */
static void ask_of_the_whole(struct limits *l)
{
    struct scenario *s = &l->plan->scenarios[0];
    s->steps = ARENA_ARRAY(&l->plan->arena, struct step, 1);
    s->steps[s->step_count++] = l->phase->steps[0];
    l->phase->steps++;
    l->phase->step_count--;
}

/* 65 ms before the second try that we saw: of at most 25, if it is the mesh's second too, and of 75
 * if one before them was refused. Linkerd numbers none. */
static void a_gap_after_a_hidden_try_is_a_later_one(void **state)
{
    (void)state;
    for (int row = 0; row < 6; row++) {
        struct limits l;
        bool linkerd = row >= 2, dead = row % 2 == 1, whole = row >= 4;
        struct edge_policy edge = limits_policy(linkerd ? FLAVOUR_LINKERD : FLAVOUR_ENVOY, 3);
        edge.retry.attempts = limits_value(3);
        edge.retry.on = RETRY_STATUS_CODES;
        status_set_add(&edge.retry.codes, 503);
        limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "spacing", NULL});
        if (dead)
            l.phase->steps[l.phase->step_count++] =
                step_make(l.plan, STEP_FAULT, "refuse", "payments/3",
                          (struct source){"limits.lua", 10, 0}, NULL);
        if (whole)
            ask_of_the_whole(&l);
        for (uint64_t t = 0; t < 20 * S; t += 20 * MS) /* this machine's own delays */
            limits_served(&l, t + 3 * MS, t + 6 * MS, (uint16_t)(t / (20 * MS) % 3 + 1));
        for (uint64_t t = S; t < 20 * S; t += 250 * MS) {
            uint64_t id = limits_request(&l, t, t + 95 * MS, 200, false);
            for (uint16_t k = 1; k <= 2; k++) {
                uint64_t at = t + MS + (k - 1u) * (linkerd ? 85 : 66) * MS;
                limits_add_try(&l, &(struct limits_try){.request = id,
                                                        .head_us = at,
                                                        .out_us = at + MS,
                                                        .status = k == 1 ? 503 : 200,
                                                        .k = k});
                l.j->attempts[l.j->attempt_count - 1].r.n_mesh = (uint16_t)(linkerd ? 0 : k + dead);
            }
        }
        limits_are(&l, "backoff.max", dead ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                   dead ? WHY_NEVER_FIRED : WHY_NONE, dead ? "" : "longer than");
    }
}

/* All endpoints are shut by accrual: the retry waits for one of them, and nobody's try passes. */
static void a_retry_that_waits_for_shut_endpoints_backs_off_no_longer(void **state)
{
    (void)state;
    for (int shut = 0; shut < 2; shut++) {
        struct limits l;
        struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 3);
        edge.retry.attempts = limits_value(1);
        edge.retry.on = RETRY_STATUS_CODES;
        status_set_add(&edge.retry.codes, 503);
        edge.accrual.present = true;
        edge.accrual.max_failures = limits_value(7);
        edge.accrual.min_penalty = limits_value(NS_PER_S);
        edge.accrual.max_penalty = limits_value(10 * NS_PER_S);
        limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "spacing", NULL});
        for (uint64_t t = 0; t < 20 * S; t += 20 * MS)
            if (shut == 0 || t % (500 * MS) < 100 * MS || t % (500 * MS) > 300 * MS)
                limits_served(&l, t + 3 * MS, t + 6 * MS, (uint16_t)(t / (20 * MS) % 3 + 1));
        for (uint64_t t = S; t < 20 * S; t += 500 * MS) {
            uint64_t at = t + 100 * MS, id = limits_request(&l, at, at + 195 * MS, 200, false);
            for (uint16_t k = 1; k <= 2; k++)
                limits_add_try(&l, &(struct limits_try){.request = id,
                                                        .head_us = at + (k == 1 ? 1u : 190u) * MS,
                                                        .out_us = at + (k == 1 ? 2u : 192u) * MS,
                                                        .status = k == 1 ? 503 : 200,
                                                        .k = k});
        }
        limits_are(&l, "backoff.max", shut == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                   shut == 1 ? WHY_NEVER_FIRED : WHY_NONE, shut == 1 ? "" : "longer than");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_all_are_down_no_retry_finds_one),
        cmocka_unit_test(as_many_as_there_are_retries_may_be_down),
        cmocka_unit_test(what_an_earlier_phase_carries_on_is_down_too),
        cmocka_unit_test(a_balancer_that_counts_requests_prefers_the_dead_one),
        cmocka_unit_test(a_try_that_was_refused_may_have_been_the_last),
        cmocka_unit_test(what_is_not_retried_may_be_what_was_met),
        cmocka_unit_test(a_connection_read_late_is_nobodys),
        cmocka_unit_test(a_retry_that_waits_for_shut_endpoints_backs_off_no_longer),
        cmocka_unit_test(a_gap_after_a_hidden_try_is_a_later_one),
    };
    return cmocka_run_group_tests_name("verify/retry_dead", tests, NULL, NULL);
}
