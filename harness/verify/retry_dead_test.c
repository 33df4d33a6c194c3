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
    refused(&l, (const char *const[]){"payments/1", "payments/any", NULL}, 1);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    refused(&l, (const char *const[]){"payments/1", "payments/2", NULL}, 1);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_all_are_down_no_retry_finds_one),
        cmocka_unit_test(as_many_as_there_are_retries_may_be_down),
        cmocka_unit_test(a_try_that_was_refused_may_have_been_the_last),
    };
    return cmocka_run_group_tests_name("verify/retry_dead", tests, NULL, NULL);
}
