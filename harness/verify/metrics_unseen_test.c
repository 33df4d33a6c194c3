/* metrics.* beside retries that nobody saw, on journals written by hand. */
#include "verify/metrics_fixture_test.h"

/* A mesh that numbers its tries tells of those that were refused, but not where the retry was then
 * refused by a limit: no try came that has a number. */
static void a_limit_may_refuse_the_retry_of_a_try_that_nobody_saw(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        struct limits l;
        struct counts c = after(40);
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        l.j->attempts[l.j->attempt_count - 1].r.n_mesh = 2;
        for (uint64_t i = 0; i < 4; i++)
            limits_request(&l, 5 * LIMITS_S + i * 9000, 5 * LIMITS_S + i * 9000 + 5000, 503, true);
        struct world_record down = {.at = LIMITS_T0 + 2 * NS_PER_S,
                                    .what = journal_add_name(l.j, "listener_down"),
                                    .step = 1};
        if (dead == 1)
            journal_add(l.j, LIMITS_PROXY, RECORD_WORLD, &down);
        c.retries += 4;
        scrape(&l, SCRAPE_US(10), c);
        limits_are(&l, "metrics.retries", dead == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                   dead == 1 ? WHY_CAPABILITY : WHY_NONE,
                   dead == 1 ? "reached no endpoint" : "the mesh counted 44 retries");
    }
}

/* Four requests whose only try seen failed with ${status}, which is their answer too; the mesh
 * counted a retry of each. ${own}: the mesh says that the answer is its own. */
static void retries_that_nobody_saw(uint16_t status, uint64_t lasts_us, bool own,
                                    enum body_class body, enum verdict_kind kind)
{
    struct limits l;
    struct counts c = after(40);
    open_with(&l, FLAVOUR_LINKERD, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 40);
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t at = 5 * LIMITS_S + i * 9000;
        uint64_t id = limits_request(&l, at, at + lasts_us, status, false);
        struct request_record *r = &l.j->requests[l.j->request_count - 1].r;
        r->marks = own ? REQUEST_MARK_L5D_ERROR : 0;
        r->body_class = (uint16_t)body;
        limits_add_try(
            &l, &(struct limits_try){
                    .request = id, .head_us = at + 1000, .out_us = at + 2000, .status = status});
    }
    c.retries += 4;
    scrape(&l, SCRAPE_US(10), c);
    limits_are(&l, "metrics.retries", kind, WHY_NONE, "44 retries");
}

/* All endpoints are shut: Linkerd counts the retry, waits for one of them, and answers by itself.
 */
static void a_retry_that_waited_for_an_endpoint_is_counted(void **state)
{
    (void)state;
    retries_that_nobody_saw(503, 3 * LIMITS_S, false, BODY_OTHER_PROXY, VERDICT_FAIL);
    retries_that_nobody_saw(503, 3 * LIMITS_S, true, BODY_OTHER_PROXY, VERDICT_PASS);
}

/* The whole timeout ends Linkerd's wait for a retry: its own 504 is not the endpoint's before. */
static void a_504_of_the_meshs_own_is_not_the_last_trys(void **state)
{
    (void)state;
    retries_that_nobody_saw(504, 500 * LIMITS_MS, false, BODY_OWN, VERDICT_FAIL);
    retries_that_nobody_saw(504, 500 * LIMITS_MS, true, BODY_OWN, VERDICT_PASS);
}

/* ${n} requests that a limit in front of an endpoint refused for good, each after a connection that
 * broke; the mesh counted a retry of each. ${broke}: the connections were seen. */
static void a_retry_that_a_rate_limit_refused_is_counted(void **state)
{
    (void)state;
    for (int broke = 0; broke < 2; broke++) {
        struct limits l;
        struct counts c = after(40);
        struct edge_policy edge = policy(FLAVOUR_ENVOY);
        edge.rate.present = true;
        edge.retry.on = RETRY_CONNECT_FAILURE;
        limits_open(&l, &edge, 60 * LIMITS_S, "metrics", NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        for (uint64_t i = 0; i < 4; i++) {
            uint64_t at = 5 * LIMITS_S + i * 100 * LIMITS_MS;
            limits_request(&l, at, at + 30 * LIMITS_MS, 429, false);
            l.j->requests[l.j->request_count - 1].r.body_class = BODY_OTHER_PROXY;
            struct connection_record broken = {.at = LIMITS_T0 + (at + LIMITS_MS) * NS_PER_US,
                                               .close = NS_PER_US,
                                               .endpoint = 1,
                                               .fault = 1,
                                               .reset = 1};
            if (broke == 1)
                journal_add(l.j, LIMITS_PROXY, RECORD_CONNECTION, &broken);
        }
        c.retries += 4;
        scrape(&l, SCRAPE_US(10), c);
        limits_are(&l, "metrics.retries", broke == 1 ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE,
                   "44 retries");
    }
}

/* The only try seen was cut by its own timer, and the whole request's time was up 39 ms later: a
 * retry may have been sent and cut in between. Where the whole request's time cut it, none was. */
static void a_try_may_be_cut_before_it_arrives(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct limits l;
        struct counts c = after(40);
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        for (uint64_t i = 0; i < 12; i++) {
            uint64_t at = 5 * LIMITS_S + i * 9000;
            uint64_t id = limits_request(&l, at, at + (more ? 640u : 401u) * LIMITS_MS, 504, false);
            l.j->requests[l.j->request_count - 1].r.body_class = BODY_UPSTREAM_TIMEOUT;
            cut_try(&l, id, at + 500, (more ? 601u : 400u) * LIMITS_MS, 1);
        }
        c.try_cut += more ? 12 : 0;
        c.cut += more ? 1 : 13;
        scrape(&l, SCRAPE_US(12), c);
        limits_are(&l, "metrics.timeouts", more ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE,
                   "13 tries cut");
    }
}

/* We stood still, and answered well when the mesh had cut the try long before: its retry met a full
 * breaker, and that is what the caller has. One that met it sooner than the timer was not cut. */
static void a_retry_that_a_breaker_refused_may_follow_a_cut(void **state)
{
    (void)state;
    for (int timer = 0; timer < 2; timer++) {
        struct limits l;
        struct counts c = after(40);
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        for (uint64_t i = 0; i < 8; i++) {
            uint64_t at = 5 * LIMITS_S + i * 9000;
            uint64_t id = limits_request(&l, at, at + (timer ? 601u : 301u) * LIMITS_MS, 503, true);
            limits_add_try(&l, &(struct limits_try){.request = id,
                                                    .head_us = at + 640 * LIMITS_MS,
                                                    .out_us = at + 641 * LIMITS_MS,
                                                    .k = 1});
        }
        c.try_cut += 8;
        scrape(&l, SCRAPE_US(12), c);
        limits_are(&l, "metrics.timeouts", timer ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                   timer ? WHY_NEVER_FIRED : WHY_NONE, timer ? "no tries cut" : "8 tries cut");
    }
}

/* What the journal lost is missing on the wire. */
static void lost_records_leave_the_count_open(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        struct limits l;
        struct counts c = after(40);
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        struct lost_record row = {.at = LIMITS_T0 + 6 * NS_PER_S,
                                  .to = LIMITS_T0 + 7 * NS_PER_S,
                                  .count = 4,
                                  .kind = RECORD_ATTEMPT};
        if (lost == 1)
            journal_add(l.j, LIMITS_PROXY, RECORD_LOST, &row);
        c.retries += 4;
        scrape(&l, SCRAPE_US(10), c);
        limits_are(&l, "metrics.retries", lost == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                   lost == 1 ? WHY_LOST : WHY_NONE,
                   lost == 1 ? "lost 4 records between" : "the mesh counted 44 retries");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_may_refuse_the_retry_of_a_try_that_nobody_saw),
        cmocka_unit_test(a_retry_that_waited_for_an_endpoint_is_counted),
        cmocka_unit_test(a_retry_that_a_rate_limit_refused_is_counted),
        cmocka_unit_test(a_try_may_be_cut_before_it_arrives),
        cmocka_unit_test(a_retry_that_a_breaker_refused_may_follow_a_cut),
        cmocka_unit_test(lost_records_leave_the_count_open),
        cmocka_unit_test(a_504_of_the_meshs_own_is_not_the_last_trys),
    };
    return cmocka_run_group_tests_name("verify/metrics_unseen", tests, NULL, NULL);
}
