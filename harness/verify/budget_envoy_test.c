/* budget.envoy, on journals written by hand: rounds of requests that all fail at once, of which
 * some are retried. */
#include "verify/claims.h"
#include "verify/limits_fixture_test.h"

#define MS LIMITS_MS
#define S LIMITS_S
#define USERS 10

static struct edge_policy policy(uint64_t ratio_ppm, uint64_t least, uint64_t interval_ns)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    edge.retry.attempts = limits_value(1);
    edge.budget = (struct budget_rule){.kind = BUDGET_ENVOY,
                                       .ratio_ppm = limits_value(ratio_ppm),
                                       .least = limits_value(least),
                                       .interval = limits_value(interval_ns)};
    return edge;
}

static void add_try(struct limits *l, uint64_t request, uint16_t k, uint64_t head_us,
                    uint64_t out_us)
{
    limits_add_try(l, &(struct limits_try){.request = request,
                                           .head_us = head_us,
                                           .out_us = out_us,
                                           .status = 503,
                                           .k = k,
                                           .conn = (uint32_t)request * 2 + k});
}

/* Ten requests from ${at_us} on, of which the first ${retried} are retried, one after the other,
 * ${gap_us} after they failed; until the last of these was taken all ten are under way. */
static void add_round(struct limits *l, uint64_t at_us, uint64_t retried, uint64_t gap_us)
{
    for (uint64_t u = 0; u < USERS; u++) {
        uint64_t at = at_us + u * 10 * MS, end = at + (u < retried ? 240u : 82u) * MS;
        uint64_t id = limits_request(l, at, end, 503, false);
        add_try(l, id, 1, at + MS, at + 81 * MS);
        if (u < retried)
            add_try(l, id, 2, at + 81 * MS + gap_us, at + 239 * MS);
    }
}

static void open_empty(struct limits *l, const struct edge_policy *edge, const char *const *keys)
{
    limits_open(l, edge, 6 * S, "budget", keys);
    limits_workers(l, 1);
}

/* ${rounds}, half a second apart. */
static void open_rounds(struct limits *l, const struct edge_policy *edge, uint64_t rounds,
                        uint64_t retried, const char *const *keys)
{
    open_empty(l, edge, keys);
    for (uint64_t i = 0; i < rounds; i++)
        add_round(l, (i + 1) * S / 2, retried, 2 * MS);
}

static void a_share_of_what_is_under_way_may_be_retried_at_once(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 5, 3, NULL);
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE,
               "at most 3 retries at once, 3 allowed then; 35 refused");
    open_rounds(&l, &edge, 5, 4, NULL);
    limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE,
               "4 retries at once, at most 3 can be then, first at");
}

static void so_many_at_least_may_be_retried(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(0, 4, 0);
    (void)state;
    open_rounds(&l, &edge, 5, 4, NULL);
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "4 allowed then");
    edge.budget.least = limits_value(3);
    open_rounds(&l, &edge, 5, 4, NULL);
    limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE, "at most 3 can be then");
}

static void without_a_budget_max_retries_holds(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(0, 0, 0);
    (void)state;
    edge.budget = (struct budget_rule){0};
    edge.pool.max_retries = limits_value(4);
    open_rounds(&l, &edge, 5, 4, NULL);
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "4 allowed then");
    edge.pool.max_retries = limits_value(3);
    open_rounds(&l, &edge, 5, 4, NULL);
    limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE, "at most 3 can be then");
    edge.budget = policy(0, 4, 0).budget; /* stands over it */
    open_rounds(&l, &edge, 5, 4, NULL);
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "4 allowed then");
}

/* Another worker may let one more through before it sees the count. */
static void each_further_worker_may_let_one_more_through(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 5, 4, NULL);
    limits_workers(&l, 2);
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "at most 4 retries at once");
    open_rounds(&l, &edge, 5, 5, NULL);
    limits_workers(&l, 2);
    limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE, "5 retries at once, at most 4 can be");
}

/* 0.3 of ten under way, and of the ten to fifteen tries that began in the interval. */
static void with_an_interval_its_tries_count_as_well(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 400 * NS_PER_MS);
    (void)state;
    open_rounds(&l, &edge, 5, 6, NULL);
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "at most 6 retries at once");
    edge.budget.interval = limits_value(0);
    open_rounds(&l, &edge, 5, 6, NULL);
    limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE, "at most 3 can be then");
    edge.budget.interval = limits_value(400 * NS_PER_MS);
    open_rounds(&l, &edge, 5, 2, NULL);
    limits_are(&l, "budget.envoy", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "limit never reached");
}

static void what_was_never_met_or_seldom_refused_stays_open(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(600000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 5, 3, NULL);
    limits_are(&l, "budget.envoy", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
               "limit never reached: not distinguished (3 retries at once of 6)");
    edge = policy(300000, 1, 0);
    open_rounds(&l, &edge, 1, 3, NULL);
    limits_are(&l, "budget.envoy", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 7 of 10");
    open_rounds(&l, &edge, 5, USERS, NULL);
    l.edge.budget.ratio_ppm = limits_value(1000000);
    limits_are(&l, "budget.envoy", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

static void a_wish_is_a_census_of_retries(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 5, 3, (const char *const[]){"atmost", "30%", NULL});
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "35 refused");
    open_rounds(&l, &edge, 5, 3, (const char *const[]){"atmost", "29%", NULL});
    limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE,
               "15 retries of 50 requests; wish: at most 29%");
}

/* Retries of a request that is not asked are no part of it: its warm-up's, or that of another
 * match.
 */
static void a_wish_is_of_the_requests_that_are_asked(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 6, 3, (const char *const[]){"atmost", "30%", NULL});
    for (size_t i = 0; i < USERS; i++)
        l.j->requests[i].r.flags |= REQUEST_WARMUP;
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "35 refused");
}

static void of_several_the_most_at_once_is_told(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 5, 5, NULL);
    limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE,
               "5 retries at once, at most 3 can be then, first at");
}

/* Without an interval what is under way counts, not what began just then: of ten, not of twelve. */
static void without_an_interval_tries_that_begin_do_not_count(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(500000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 5, 6, NULL);
    limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE,
               "6 retries at once, at most 5 can be then");
    open_rounds(&l, &edge, 5, 3, NULL); /* one more would have been let through */
    limits_are(&l, "budget.envoy", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
               "limit never reached: not distinguished (3 retries at once of 5)");
}

/* The tries of the interval, and none from before it. */
static void an_interval_forgets(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 400 * NS_PER_MS);
    (void)state;
    for (uint64_t last = 6; last <= USERS; last += 4) {
        open_empty(&l, &edge, NULL);
        for (uint64_t i = 0; i < 5; i++)
            add_round(&l, (i + 1) * S / 2, i == 4 ? last : 0, 2 * MS);
        if (last == 6)
            limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "at most 6 retries at once");
        else
            limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE, "10 retries at once");
    }
}

/* Five rounds, of which the last alone is retried, all of it. */
static void open_last_retried(struct limits *l, const struct edge_policy *edge)
{
    open_empty(l, edge, NULL);
    for (uint64_t i = 0; i < 5; i++)
        add_round(l, (i + 1) * S / 2, i == 4 ? USERS : 0, 2 * MS);
}

/* Those that failed before they reached an endpoint too: the mesh began them. Of 10 000 simulated
 * gates one had refused connections in the phase before, and FAILed. */
static void tries_that_never_reached_us_count_in_the_interval(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 400 * NS_PER_MS);
    (void)state;
    for (uint64_t hidden = 0; hidden <= 10; hidden += 10) {
        open_last_retried(&l, &edge);
        for (uint64_t i = 0; i < hidden; i++)
            limits_request(&l, 2400 * MS + i * MS, 2420 * MS + i * MS, 503, false);
        if (hidden > 0)
            limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "at most 10 retries at once");
        else
            limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE, "10 retries at once");
    }
}

/* Nor does it matter that nobody knows when they ended: our own side stood still as they were cut.
 */
static void tries_of_an_unknown_end_count_in_the_interval(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 400 * NS_PER_MS);
    (void)state;
    for (uint64_t cut = 0; cut <= 10; cut += 10) {
        open_last_retried(&l, &edge);
        for (uint64_t i = 0; i < cut; i++) {
            uint64_t at = 2400 * MS + i * MS, id = limits_request(&l, at, at + 20 * MS, 504, false);
            add_try(&l, id, 1, at + MS, at + MS);
            struct attempt_record *a = &l.j->attempts[l.j->attempt_count - 1].r;
            a->out = a->head_out = a->done = a->status = 0;
            a->left = 18 * NS_PER_MS;
            a->outcome = OUTCOME_LEFT;
        }
        struct stall_record stall = {.at = LIMITS_T0 + 2410 * NS_PER_MS, .fired = 10 * NS_PER_MS};
        journal_add(l.j, LIMITS_PROXY, RECORD_STALL, &stall);
        if (cut > 0)
            limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "at most 10 retries at once");
        else
            limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE, "10 retries at once");
    }
}

/* Taken in the instant in which the try before it ended: it was not out before itself. */
static void a_retry_is_not_counted_against_itself(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    for (uint64_t retried = 3; retried <= 4; retried++) {
        open_empty(&l, &edge, NULL);
        for (uint64_t i = 0; i < 5; i++)
            add_round(&l, (i + 1) * S / 2, retried, 0);
        if (retried == 3)
            limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "at most 3 retries at once");
        else
            limits_are(&l, "budget.envoy", VERDICT_FAIL, WHY_NONE, "4 retries at once");
    }
}

static void what_comes_after_the_phase_is_another_ones(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 5, 3, NULL);
    add_round(&l, 7 * S, USERS, 2 * MS);
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "at most 3 retries at once");
}

/* Its own timer may have ended each of them: then no retry was refused. */
static void what_a_timer_may_have_ended_was_not_refused(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    edge.request_timeout = limits_value(85 * NS_PER_MS);
    open_rounds(&l, &edge, 5, 3, NULL);
    limits_are(&l, "budget.envoy", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

static void a_wish_wants_fifty_requests(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(300000, 1, 0);
    (void)state;
    open_rounds(&l, &edge, 4, 3, (const char *const[]){"atmost", "29%", NULL});
    limits_are(&l, "budget.envoy", VERDICT_PASS, WHY_NONE, "28 refused");
}

static void it_is_asked_where_envoy_limits_retries(void **state)
{
    const struct claim_type *claim = claim_type_find("budget.envoy");
    struct edge_policy edge = policy(200000, 3, 0);
    (void)state;
    assert_true(claim->applies(&edge));
    edge.retry.attempts = limits_value(0);
    assert_false(claim->applies(&edge));
    edge = policy(200000, 3, 0);
    edge.flavour = FLAVOUR_LINKERD;
    assert_false(claim->applies(&edge));
    edge = policy(200000, 3, 0);
    edge.budget.kind = BUDGET_NONE;
    assert_false(claim->applies(&edge));
    edge.pool.max_retries = limits_value(0); /* unset, to Istio */
    assert_false(claim->applies(&edge));
    edge.pool.max_retries = limits_value(1);
    assert_true(claim->applies(&edge));
}

/* Ten refusals are enough; a failure that nothing retries, or one answered otherwise, is none. */
static void only_a_failure_that_is_retried_can_be_refused(void **state)
{
    struct limits l;
    struct edge_policy edge = policy(0, 5, 0);
    (void)state;
    open_rounds(&l, &edge, 2, 5, NULL);
    const struct verdict *v = limits_judge(&l, "budget.envoy");
    assert_int_equal(v->kind, VERDICT_PASS);
    assert_int_equal(v->eligible, 10);
    assert_string_equal(v->policy, "retries at once: 0% of the requests in flight, at least 5");
    judgement_free(l.judgement);
    journal_free(l.j);
    plan_free(l.plan);
    edge.retry.on = RETRY_RESET;
    open_rounds(&l, &edge, 2, 5, NULL);
    limits_are(&l, "budget.envoy", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    edge.retry.on = RETRY_5XX;
    open_rounds(&l, &edge, 2, 5, NULL);
    for (size_t i = 0; i < l.j->request_count; i++)
        l.j->requests[i].r.status = 500;
    limits_are(&l, "budget.envoy", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_what_is_under_way_may_be_retried_at_once),
        cmocka_unit_test(so_many_at_least_may_be_retried),
        cmocka_unit_test(without_a_budget_max_retries_holds),
        cmocka_unit_test(each_further_worker_may_let_one_more_through),
        cmocka_unit_test(with_an_interval_its_tries_count_as_well),
        cmocka_unit_test(what_was_never_met_or_seldom_refused_stays_open),
        cmocka_unit_test(a_wish_is_a_census_of_retries),
        cmocka_unit_test(a_wish_is_of_the_requests_that_are_asked),
        cmocka_unit_test(of_several_the_most_at_once_is_told),
        cmocka_unit_test(without_an_interval_tries_that_begin_do_not_count),
        cmocka_unit_test(an_interval_forgets),
        cmocka_unit_test(tries_that_never_reached_us_count_in_the_interval),
        cmocka_unit_test(tries_of_an_unknown_end_count_in_the_interval),
        cmocka_unit_test(a_retry_is_not_counted_against_itself),
        cmocka_unit_test(what_comes_after_the_phase_is_another_ones),
        cmocka_unit_test(what_a_timer_may_have_ended_was_not_refused),
        cmocka_unit_test(a_wish_wants_fifty_requests),
        cmocka_unit_test(it_is_asked_where_envoy_limits_retries),
        cmocka_unit_test(only_a_failure_that_is_retried_can_be_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
