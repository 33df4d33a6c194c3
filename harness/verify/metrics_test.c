/* The claims metrics.* on journals written by hand: what a mesh counted between two quiet scrapes,
 * against requests whose tries are all known. */
#include "verify/metrics_fixture_test.h"

/* A try that the mesh cut after ${life_us}. */
/* Sent before the first phase, after the first scrape: the mesh has counted it. */
static void what_was_sent_to_see_that_all_is_calm_counts(void **state)
{
    static const char *const ids[] = {"metrics.retries", "metrics.requests", "metrics.statuses"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        for (int mutant = 0; mutant <= 2; mutant++) {
            struct limits l;
            open_with(&l, FLAVOUR_ENVOY, NULL);
            scrape(&l, (uint64_t)-3 * LIMITS_S, before);
            retried(&l, (uint64_t)-2 * LIMITS_S);
            l.j->requests[0].r.flags |= REQUEST_WARMUP;
            journal_add_event(l.j, 0, LIMITS_T0 - 2500 * NS_PER_MS, "calm",
                              json_pack("{s:s, s:i}", "arm", mutant == 1 ? "right" : "subject",
                                        "scenario", mutant == 2 ? 1 : 0));
            traffic(&l, 20);
            scrape(&l, 40 * LIMITS_S, after(21));
            if (mutant == 0) /* else it is another walk's, and ours counted one too many */
                limits_are(&l, ids[i], VERDICT_PASS, WHY_NONE, "");
            else
                limits_are(&l, ids[i], VERDICT_FAIL, WHY_NONE, "the mesh counted");
        }
}

static void equal_counts_pass(void **state)
{
    static const char *const ids[] = {"metrics.retries", "metrics.requests", "metrics.statuses"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct limits l;
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        scrape(&l, SCRAPE_US(2), after(20)); /* in the middle of it: not used */
        scrape(&l, SCRAPE_US(10), after(40));
        limits_are(&l, ids[i], VERDICT_PASS, WHY_NONE, "mesh counted");
    }
}

static void one_count_too_few_or_too_many_fails(void **state)
{
    (void)state;
    for (int difference = -1; difference <= 1; difference += 2) {
        struct limits l;
        struct counts c = after(40);
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        c.retries += (uint64_t)(int64_t)difference;
        scrape(&l, SCRAPE_US(10), c);
        limits_are(&l, "metrics.retries", VERDICT_FAIL, WHY_NONE,
                   difference < 0 ? "the mesh counted 39 retries, the wire 40"
                                  : "the mesh counted 41 retries, the wire 40");
        c = after(40);
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        c.requests += (uint64_t)(int64_t)difference;
        c.ok += (uint64_t)(int64_t)difference;
        scrape(&l, SCRAPE_US(10), c);
        limits_are(&l, "metrics.requests", VERDICT_FAIL, WHY_NONE,
                   difference < 0 ? "counted 79 tries, the wire 80" : "counted 81");
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        scrape(&l, SCRAPE_US(10), c);
        limits_are(&l, "metrics.statuses", VERDICT_FAIL, WHY_NONE, "answers 2xx, the wire 40");
    }
}

static void retries_that_are_not_counted_at_all_fail(void **state)
{
    struct limits l;
    struct counts c = after(40);
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 40);
    c.retries = before.retries;
    scrape(&l, SCRAPE_US(10), c);
    const struct verdict *v = limits_judge(&l, "metrics.retries");
    assert_int_equal(v->kind, VERDICT_FAIL);
    assert_int_equal(v->witness_lo, 1);
    judgement_free(l.judgement);
    journal_free(l.j);
    plan_free(l.plan);
}

static void within_tolerates_a_share(void **state)
{
    struct limits l;
    struct counts c = after(40);
    (void)state;
    c.retries -= 2;
    open_with(&l, FLAVOUR_ENVOY, "5%");
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 40);
    scrape(&l, SCRAPE_US(10), c);
    limits_are(&l, "metrics.retries", VERDICT_PASS, WHY_NONE, "mesh counted 38 retries, wire 40");
    c.retries -= 1;
    open_with(&l, FLAVOUR_ENVOY, "5%");
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 40);
    scrape(&l, SCRAPE_US(10), c);
    limits_are(&l, "metrics.retries", VERDICT_FAIL, WHY_NONE, "counted 37 retries");
}

static void no_scrape_is_no_pass(void **state)
{
    struct limits l;
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    traffic(&l, 40);
    limits_are(&l, "metrics.retries", VERDICT_INCONCLUSIVE, WHY_CAPABILITY,
               "metrics not reachable");
}

static void scrapes_during_traffic_decide_nothing(void **state)
{
    struct limits l;
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.999), before);
    traffic(&l, 40);
    scrape(&l, SCRAPE_US(3.1), after(40)); /* 120 ms after the last answer: too soon */
    limits_are(&l, "metrics.retries", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "under way");
}

static void a_missing_counter_is_no_fail(void **state)
{
    struct limits l;
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    put(&l, EDGE, SCRAPE_US(0.5), "upstream_rq_total", NULL, 0);
    traffic(&l, 40);
    put(&l, EDGE, SCRAPE_US(10), "upstream_rq_total", NULL, 80);
    limits_are(&l, "metrics.retries", VERDICT_INCONCLUSIVE, WHY_CAPABILITY,
               "no counter of retries");
}

static void few_retries_are_no_pass(void **state)
{
    struct limits l;
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 9);
    scrape(&l, SCRAPE_US(10), after(9));
    limits_are(&l, "metrics.retries", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "9 of 10");
}

static void a_counter_that_fell_starts_the_count_anew(void **state)
{
    struct limits l;
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 20);
    scrape(&l, SCRAPE_US(5), (struct counts){0}); /* it was started again */
    for (uint64_t i = 0; i < 30; i++)
        retried(&l, 10 * LIMITS_S + i * 50 * LIMITS_MS);
    scrape(&l, SCRAPE_US(20), (struct counts){60, 30, 0, 0, 30, 0});
    limits_are(&l, "metrics.retries", VERDICT_PASS, WHY_NONE, "mesh counted 30 retries, wire 30");
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 20);
    scrape(&l, SCRAPE_US(5), (struct counts){0});
    limits_are(&l, "metrics.retries", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "began anew");
}

static void all_proxies_of_the_edge_are_summed(void **state)
{
    struct limits l;
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape_of(&l, "10.0.0.1:9 " EDGE, SCRAPE_US(0.5), before);
    scrape_of(&l, "10.0.0.2:9 " EDGE, SCRAPE_US(0.6), before);
    scrape_of(&l, "10.0.0.3:9 client -> orders", SCRAPE_US(0.6), before);
    traffic(&l, 40);
    scrape_of(&l, "10.0.0.1:9 " EDGE, SCRAPE_US(10), after(15));
    scrape_of(&l, "10.0.0.2:9 " EDGE, SCRAPE_US(11), after(25));
    scrape_of(&l, "10.0.0.3:9 client -> orders", SCRAPE_US(10), after(400));
    limits_are(&l, "metrics.retries", VERDICT_PASS, WHY_NONE, "mesh counted 40 retries, wire 40");
}

static void a_proxy_that_was_not_scraped_is_no_lie(void **state)
{
    struct limits l;
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 40);
    uint64_t id = limits_request(&l, 5 * LIMITS_S, 5 * LIMITS_S + 9000, 200, false);
    limits_add_try(&l, &(struct limits_try){.request = id,
                                            .head_us = 5 * LIMITS_S + 1000,
                                            .out_us = 5 * LIMITS_S + 8000,
                                            .peer = "127.0.0.2:4000"});
    scrape(&l, SCRAPE_US(10), after(39));
    limits_are(&l, "metrics.retries", VERDICT_INCONCLUSIVE, WHY_CAPABILITY,
               "of 2 proxies 1 were scraped");
}

/* Envoy counts a retry that its breaker of requests then refuses. */
static void a_refused_retry_is_counted(void **state)
{
    struct limits l;
    struct counts c = after(40);
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 40);
    uint64_t id = limits_request(&l, 5 * LIMITS_S, 5 * LIMITS_S + 9000, 503, true);
    limits_add_try(&l, &(struct limits_try){.request = id,
                                            .head_us = 5 * LIMITS_S + 1000,
                                            .out_us = 5 * LIMITS_S + 2000,
                                            .status = 503});
    c.retries++;
    scrape(&l, SCRAPE_US(10), c);
    limits_are(&l, "metrics.retries", VERDICT_PASS, WHY_NONE, "mesh counted 41 retries, wire 41");
}

static void tries_that_nobody_saw_leave_a_surplus_open(void **state)
{
    struct limits l;
    struct counts c = after(40);
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    traffic(&l, 40);
    struct world_record down = {
        .at = LIMITS_T0 + 2 * NS_PER_S, .what = journal_add_name(l.j, "listener_down"), .step = 1};
    journal_add(l.j, LIMITS_PROXY, RECORD_WORLD, &down);
    c.retries += 4;
    scrape(&l, SCRAPE_US(10), c);
    limits_are(&l, "metrics.retries", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "reached no endpoint");
}

/* ${n} requests held for ever: three tries cut by their own timer, the fourth by the request's. */
static void held(struct limits *l, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = LIMITS_S + i * 3 * LIMITS_S;
        uint64_t id = limits_request(l, at, at + 2000 * LIMITS_MS, 504, false);
        for (uint16_t k = 1; k <= 4; k++)
            cut_try(l, id, at + (uint64_t)(k - 1) * 620 * LIMITS_MS + LIMITS_MS,
                    (k < 4 ? 600 : 138) * LIMITS_MS, k <= 3 ? k : 1);
    }
}

static void cut_tries_are_counted_by_their_timer(void **state)
{
    static const struct {
        uint64_t try_cut, cut;
        enum verdict_kind kind;
        const char *text;
    } cases[] = {
        {9, 3, VERDICT_PASS, "12 tries cut (9 per try, 3 by the whole), wire 12"},
        {9, 2, VERDICT_FAIL, "counted 11 tries cut, the wire 12"},
        {9, 4, VERDICT_FAIL, "counted 13 tries cut, the wire 12"},
        {12, 0, VERDICT_FAIL, "counted 0 tries cut by the request's timeout, the wire 3 or more"},
        {8, 4, VERDICT_FAIL, "counted 8 tries cut by the per-try timeout, the wire 9 or more"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct limits l;
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        held(&l, 3);
        scrape(&l, SCRAPE_US(20),
               (struct counts){112, 16, 3 + cases[i].try_cut, 2 + cases[i].cut, 90, 13});
        limits_are(&l, "metrics.timeouts", cases[i].kind, WHY_NONE, cases[i].text);
    }
}

/* The last try was cut by its own timer just before the whole request's time was up: the retry that
 * was to follow is counted, or not. Cut long before its own time, none was to follow. */
static void a_retry_that_was_about_to_be_made_may_be_counted(void **state)
{
    static const struct {
        uint64_t heads_ms[3], last_ms, retries;
        uint16_t got;
        enum verdict_kind kind;
        const char *text;
        bool stall; /* of our loop, until it read the last head: that try may be older */
    } cases[] = {
        {{1, 700, 1400}, 599, 42, 504, VERDICT_PASS, "counted 42 retries, wire 42 to 43", false},
        {{1, 700, 1400}, 599, 43, 504, VERDICT_PASS, "counted 43 retries, wire 42 to 43", false},
        {{1, 700, 1400},
         599,
         44,
         504,
         VERDICT_FAIL,
         "counted 44 retries, the wire 42 to 43",
         false},
        {{1, 700, 1400}, 599, 43, 200, VERDICT_PASS, "counted 43 retries, wire 42 to 43", false},
        {{1, 700, 1500}, 499, 43, 504, VERDICT_FAIL, "counted 43 retries, the wire 42", false},
        {{1, 700, 1500}, 499, 43, 504, VERDICT_PASS, "counted 43 retries, wire 42 to 43", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct limits l;
        open_with(&l, FLAVOUR_ENVOY, NULL);
        scrape(&l, SCRAPE_US(0.5), before);
        traffic(&l, 40);
        uint64_t at = 5 * LIMITS_S,
                 id = limits_request(&l, at, at + 2000 * LIMITS_MS, cases[i].got, false);
        for (uint16_t k = 1; k <= 3; k++)
            cut_try(&l, id, at + cases[i].heads_ms[k - 1] * LIMITS_MS,
                    (k < 3 ? 600 : cases[i].last_ms) * LIMITS_MS, k);
        struct stall_record stall = {.at = LIMITS_T0 + (at + 1390 * LIMITS_MS) * NS_PER_US,
                                     .fired = 110 * NS_PER_MS};
        if (cases[i].stall)
            journal_add(l.j, LIMITS_PROXY, RECORD_STALL, &stall);
        scrape(&l, SCRAPE_US(10), (struct counts){183, 7 + cases[i].retries, 5, 3, 130, 11});
        limits_are(&l, "metrics.retries", cases[i].kind, WHY_NONE, cases[i].text);
    }
}

static void few_cut_tries_are_no_pass(void **state)
{
    struct limits l;
    (void)state;
    open_with(&l, FLAVOUR_ENVOY, NULL);
    scrape(&l, SCRAPE_US(0.5), before);
    held(&l, 1);
    scrape(&l, SCRAPE_US(20), (struct counts){104, 10, 6, 3, 90, 11});
    limits_are(&l, "metrics.timeouts", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "4 of 5");
}

/* linkerd2-proxy counts tries of endpoints by status, and a retry that it was about to make when
 * the request's time was up. */
static void linkerds_counters_have_their_own_rules(void **state)
{
    struct limits l;
    (void)state;
    for (uint64_t surplus = 0; surplus <= 2; surplus++) {
        static const char route[] = "parent_name=\"payments\",route_name=\"r\"";
        open_with(&l, FLAVOUR_LINKERD, NULL);
        put(&l, EDGE, SCRAPE_US(0.4), "request_total", NULL, 5);
        traffic(&l, 40);
        uint64_t id = limits_request(&l, 5 * LIMITS_S, 7 * LIMITS_S, 504, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = 5 * LIMITS_S + 1000,
                                                .out_us = 5 * LIMITS_S + 2000,
                                                .status = 503});
        put(&l, EDGE, SCRAPE_US(20), "request_total", NULL, 5 + 81);
        put(&l, EDGE, SCRAPE_US(20), "response_total", "status_code=\"200\"", 40);
        put(&l, EDGE, SCRAPE_US(20), "response_total", "status_code=\"503\"", 41);
        put(&l, EDGE, SCRAPE_US(20), "outbound_http_route_retry_requests_total", route,
            (double)(40 + surplus));
        if (surplus == 0)
            limits_are(&l, "metrics.statuses", VERDICT_PASS, WHY_NONE, "40 2xx, 41 5xx");
        else
            limits_are(&l, "metrics.retries", surplus == 1 ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE,
                       surplus == 1 ? "mesh counted 41 retries, wire 40 to 41"
                                    : "the mesh counted 42 retries, the wire 40 to 41");
    }
}

/* Where our loop stands still a mesh that does not number its tries may make one, cut it and make
 * the next before we read: the reset took it with it. */
static void a_try_that_a_stall_kept_from_us_may_be_counted(void **state)
{
    static const struct {
        bool stalled;
        uint16_t n_mesh;
        enum verdict_kind kind;
    } rows[] = {{true, 0, VERDICT_PASS}, {false, 0, VERDICT_FAIL}, {true, 1, VERDICT_FAIL}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct limits l;
        open_with(&l, FLAVOUR_LINKERD, NULL);
        put(&l, EDGE, SCRAPE_US(0.5), "outbound_http_route_retry_requests_total", NULL, 0);
        traffic(&l, 20);
        uint64_t at = 10 * LIMITS_S, id = limits_request(&l, at, at + 700 * LIMITS_MS, 200, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = at + 660 * LIMITS_MS,
                                                .out_us = at + 690 * LIMITS_MS});
        l.j->attempts[l.j->attempt_count - 1].r.n_mesh = rows[i].n_mesh;
        struct stall_record stall = {.at = LIMITS_T0 + (at - LIMITS_MS) * NS_PER_US,
                                     .fired = 660 * NS_PER_MS};
        if (rows[i].stalled)
            journal_add(l.j, LIMITS_PROXY, RECORD_STALL, &stall);
        put(&l, EDGE, SCRAPE_US(30), "outbound_http_route_retry_requests_total", NULL, 21);
        limits_are(&l, "metrics.retries", rows[i].kind, WHY_NONE,
                   rows[i].kind == VERDICT_PASS ? "counted 21 retries, wire 20 to 21"
                                                : "counted 21 retries, the wire 20");
    }
}

/* The retry came to an endpoint whose own proxy refused it: made, counted, and seen nowhere. */
static void a_retry_that_a_rate_limit_refused_may_be_counted(void **state)
{
    (void)state;
    for (int limited = 0; limited <= 1; limited++) {
        struct limits l;
        open_with(&l, FLAVOUR_LINKERD, NULL);
        l.edge.rate = (struct rate_rule){.present = limited == 1, .per_second = limits_value(5)};
        put(&l, EDGE, SCRAPE_US(0.5), "outbound_http_route_retry_requests_total", NULL, 0);
        traffic(&l, 20);
        uint64_t at = 10 * LIMITS_S, id = limits_request(&l, at, at + 50 * LIMITS_MS, 429, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = at + LIMITS_MS,
                                                .out_us = at + 2 * LIMITS_MS,
                                                .status = 503});
        limits_request(&l, at + LIMITS_S, at + LIMITS_S + LIMITS_MS, 429, false);
        put(&l, EDGE, SCRAPE_US(30), "outbound_http_route_retry_requests_total", NULL, 21);
        if (limited == 1)
            limits_are(&l, "metrics.retries", VERDICT_PASS, WHY_NONE,
                       "counted 21 retries, wire 20 to 21");
        else
            limits_are(&l, "metrics.retries", VERDICT_PASS, WHY_NONE, "wire 20 to 24");
    }
}

static void names_have_their_meanings(void **state)
{
    (void)state;
    assert_int_equal(meaning_of("upstream_rq_retry", ""), MEANING_RETRIES);
    assert_int_equal(meaning_of("upstream_rq_retry_success", ""), MEANINGS);
    assert_int_equal(meaning_of("envoy_cluster_upstream_rq_xx", "envoy_response_code_class=\"5\""),
                     MEANING_STATUS_5XX);
    assert_int_equal(meaning_of("envoy_cluster_upstream_rq_xx", "a=\"5\""), MEANINGS);
    assert_int_equal(meaning_of("response_total", "x_status_code=\"200\",status_code=\"404\""),
                     MEANING_TRY_4XX);
    assert_int_equal(meaning_of("response_total", "direction=\"outbound\""), MEANING_TRY_NONE);
    assert_int_equal(meaning_of("response_total", "status_code=\"999\""), MEANING_TRY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_counts_pass),
        cmocka_unit_test(what_was_sent_to_see_that_all_is_calm_counts),
        cmocka_unit_test(one_count_too_few_or_too_many_fails),
        cmocka_unit_test(retries_that_are_not_counted_at_all_fail),
        cmocka_unit_test(within_tolerates_a_share),
        cmocka_unit_test(no_scrape_is_no_pass),
        cmocka_unit_test(scrapes_during_traffic_decide_nothing),
        cmocka_unit_test(a_missing_counter_is_no_fail),
        cmocka_unit_test(few_retries_are_no_pass),
        cmocka_unit_test(a_counter_that_fell_starts_the_count_anew),
        cmocka_unit_test(all_proxies_of_the_edge_are_summed),
        cmocka_unit_test(a_proxy_that_was_not_scraped_is_no_lie),
        cmocka_unit_test(a_refused_retry_is_counted),
        cmocka_unit_test(tries_that_nobody_saw_leave_a_surplus_open),
        cmocka_unit_test(cut_tries_are_counted_by_their_timer),
        cmocka_unit_test(a_retry_that_was_about_to_be_made_may_be_counted),
        cmocka_unit_test(few_cut_tries_are_no_pass),
        cmocka_unit_test(linkerds_counters_have_their_own_rules),
        cmocka_unit_test(a_try_that_a_stall_kept_from_us_may_be_counted),
        cmocka_unit_test(a_retry_that_a_rate_limit_refused_may_be_counted),
        cmocka_unit_test(names_have_their_meanings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
