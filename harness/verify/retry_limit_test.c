/* retry.must, .only and .started where retries at once are limited: who may have had one. */

#include "verify/limits_fixture_test.h"

#define MS LIMITS_MS
#define S LIMITS_S

/* A request whose 503 is the client's, and at the same time one whose first try we answered well
 * after the mesh had cut it, or in time. */
static void beside_a_good_answer(bool in_time, enum verdict_kind kind, enum why why,
                                 const char *says)
{
    struct limits l;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    edge.retry.attempts = limits_value(1);
    edge.retry.per_try_timeout = limits_value(120 * NS_PER_MS);
    edge.pool.max_retries = limits_value(1);
    limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
    uint64_t id = limits_request(&l, S, S + 5 * MS, 503, false);
    limits_add_try(&l, &(struct limits_try){
                           .request = id, .head_us = S + MS, .out_us = S + 2 * MS, .status = 503});
    id = limits_request(&l, S - 130 * MS, S + 9 * MS, 200, false);
    limits_add_try(
        &l, &(struct limits_try){.request = id, .head_us = S, .out_us = S + 1 * MS, .endpoint = 2});
    if (!in_time)
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = S + 7 * MS,
                                                .out_us = S + 8 * MS,
                                                .k = 2,
                                                .conn = 9,
                                                .endpoint = 1});
    limits_are(&l, "retry.must", kind, why, says);
}

static void an_answer_that_came_too_late_was_retried(void **state)
{
    (void)state;
    beside_a_good_answer(false, VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    beside_a_good_answer(true, VERDICT_FAIL, WHY_NONE, "1 of 1 requests that met 503");
}

/* Thirty requests whose answer, of 400 or cut after its head, is the client's; ${full}: each beside
 * one that is in its retry, the only one that there may be. */
static void beside_a_retry(const char *claim, const char *only, bool full)
{
    struct limits l;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    bool started = strcmp(claim, "retry.started") == 0;
    edge.retry.attempts = limits_value(1);
    edge.pool.max_retries = limits_value(1);
    limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", only, NULL});
    for (uint64_t i = 0; i < 30; i++) {
        uint64_t at = S + i * 500 * MS, id = limits_request(&l, at, at + 400 * MS, 200, false);
        for (uint16_t k = 1; k <= (full ? 2 : 1); k++) {
            bool fails = k == 1 && full;
            uint64_t head = at + (k == 1 ? 1u : 30u) * MS;
            limits_add_try(&l, &(struct limits_try){.request = id,
                                                    .head_us = head,
                                                    .out_us = fails ? head + MS : at + 399 * MS,
                                                    .status = fails ? 503 : 200,
                                                    .k = k,
                                                    .conn = (uint32_t)(1000 + 2 * i + k)});
            l.j->attempts[l.j->attempt_count - 1].r.n_mesh = k;
        }
        id = limits_request(&l, at + 100 * MS, at + 105 * MS, started ? 200 : 400, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = at + 101 * MS,
                                                .out_us = at + 102 * MS,
                                                .status = started ? 200 : 400});
        struct attempt_record *a = &l.j->attempts[l.j->attempt_count - 1].r;
        a->n_mesh = 1;
        a->outcome = started ? OUTCOME_RESET_BY_FAULT : OUTCOME_ANSWERED;
        l.j->requests[l.j->request_count - 1].r.end = started ? END_RESET : END_COMPLETE;
    }
    limits_are(&l, claim, full ? VERDICT_INCONCLUSIVE : VERDICT_PASS,
               full ? WHY_NEVER_FIRED : WHY_NONE, full ? "no answers" : "none of 30");
}

static void what_a_full_limit_would_have_refused_is_no_pass(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        beside_a_retry("retry.only", "conditions", full == 1);
        beside_a_retry("retry.started", "committed", full == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_came_too_late_was_retried),
        cmocka_unit_test(what_a_full_limit_would_have_refused_is_no_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
