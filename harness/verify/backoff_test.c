/* backoff.law, a sample at a time: what is even, what is not, and what is neither. */

#include "verify/backoff.h"
#include "verify/tries_fixture_test.h"

static const uint16_t both[] = {1, 2};

/* ${count} first gaps, even over ${width_ms}, where the policy says 100 ms. */
static void gaps_over(struct fixture *f, int count, double width_ms)
{
    begin(f, (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                  .endpoints = 2,
                                  .retry = {.attempts = number(1),
                                            .on = RETRY_GATEWAY_ERROR,
                                            .conditions = number(0),
                                            .backoff_base = number(100 * NS_PER_MS)}});
    add_clean(f, 0, 1000, 10, both, 2);
    for (int i = 0; i < count; i++) {
        double at = 1000 + 500 * i, again = at + 0.3 + (i + 0.5) / count * width_ms;
        struct made tries[] = {{at + 0.1, at + 0.3, 0, 1, 503}, {again, again + 0.2, 0, 2, 200}};
        add_request(f, at, again + 0.5, 200, BODY_OWN, tries, 2);
    }
}

static void gaps_that_are_even_pass(void **state)
{
    struct fixture f;
    (void)state;
    gaps_over(&f, 44, 100);
    is(&f, "backoff.law", VERDICT_PASS, "44 first gaps even over 100 ms");
}

static void gaps_that_cannot_be_even_fail(void **state)
{
    struct fixture f;
    (void)state;
    gaps_over(&f, 44, 250);
    is(&f, "backoff.law", VERDICT_FAIL, "come too late");
    gaps_over(&f, 44, 40);
    is(&f, "backoff.law", VERDICT_FAIL, "come too soon");
}

/* So few of a base that is nearly doubled are no proof, and no PASS either. */
static void gaps_that_are_hardly_even_are_left_open(void **state)
{
    struct fixture f;
    (void)state;
    gaps_over(&f, 44, 170);
    is(&f, "backoff.law", VERDICT_INCONCLUSIVE, "44 first gaps are off by 0.3");
    gaps_over(&f, 180, 170);
    is(&f, "backoff.law", VERDICT_FAIL, "come too late");
    gaps_over(&f, 39, 100);
    is(&f, "backoff.law", VERDICT_INCONCLUSIVE, "only 39 of 40 first gaps");
    gaps_over(&f, 40, 100);
    is(&f, "backoff.law", VERDICT_PASS, "40 first gaps");
}

/* Linkerd's: 25 to 50 ms before the first retry, even; before the second ${from_ms} and up to
 * ${width_ms} more, of 50 to 100. */
static void gaps_of_linkerd(struct fixture *f, double from_ms, double width_ms)
{
    begin(f, (struct edge_policy){.flavour = FLAVOUR_LINKERD,
                                  .endpoints = 2,
                                  .retry = {.attempts = number(2),
                                            .on = RETRY_GATEWAY_ERROR,
                                            .conditions = number(0)}});
    add_clean(f, 0, 1000, 10, both, 2);
    for (int i = 0; i < 44; i++) {
        double at = 1000 + 500 * i, again = at + 25.3 + (i + 0.5) / 44 * 25,
               third = again + 0.2 + from_ms + (i + 0.5) / 44 * width_ms;
        struct made tries[] = {{at + 0.1, at + 0.3, 0, 1, 503},
                               {again, again + 0.2, 0, 2, 503},
                               {third, third + 0.2, 0, 1, 200}};
        add_request(f, at, third + 0.5, 200, BODY_OWN, tries, 3);
    }
}

static void each_gap_of_linkerd_has_its_own_law(void **state)
{
    struct fixture f;
    (void)state;
    gaps_of_linkerd(&f, 50, 50);
    is(&f, "backoff.law", VERDICT_PASS, "44 first gaps even over 25 ms");
    gaps_of_linkerd(&f, 50, 5);
    is(&f, "backoff.law", VERDICT_FAIL, "44 gaps before retry 2 come too soon");
    gaps_of_linkerd(&f, 95, 5);
    is(&f, "backoff.law", VERDICT_FAIL, "44 gaps before retry 2 come too late");
}

/* A ServiceProfile has no back-off, and no bound for one request (3.1, D4). */
static void a_profile_retries_at_once(void **state)
{
    struct fixture f;
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        begin(&f, (struct edge_policy){.flavour = FLAVOUR_LINKERD,
                                       .endpoints = 2,
                                       .retry = {.by_budget = true,
                                                 .on = RETRY_GATEWAY_ERROR,
                                                 .conditions = number(0)}});
        add_clean(&f, 0, 1000, 10, both, 2);
        for (int i = 0; i < 44; i++) {
            double at = 1000 + 100 * i, again = at + 0.3 + (slow == 1 ? 30 : 5);
            struct made tries[] = {{at + 0.1, at + 0.3, 0, 1, 503},
                                   {again, again + 0.2, 0, 2, 200}};
            add_request(&f, at, again + 0.5, 200, BODY_OWN, tries, 2);
        }
        if (slow == 0)
            is(&f, "backoff.max", VERDICT_PASS, "gap 1 5 ms (44)");
        else
            is(&f, "backoff.max", VERDICT_FAIL, "gap 1: 44 of 44 longer than 20 ms");
    }
}

/* The loads keep time with the turn of the endpoints: a retry after 10 to 20 ms of 25 comes to a
 * dead one, or finds a breaker open, and is seen nowhere. */
static void a_retry_that_reached_nobody_has_a_gap_that_nobody_saw(void **state)
{
    enum { DEAD, REFUSED, ALIVE };
    (void)state;
    struct step dead = {.kind = STEP_FAULT, .word = "refuse", .keys = json_object()};
    for (int how = DEAD; how <= ALIVE; how++) {
        struct fixture f;
        begin(&f, (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                       .endpoints = 2,
                                       .retry = {.attempts = number(1),
                                                 .on = RETRY_GATEWAY_ERROR,
                                                 .conditions = number(0),
                                                 .backoff_base = number(25 * NS_PER_MS)}});
        f.scenario.steps = &dead;
        f.scenario.step_count = how == DEAD ? 1 : 0;
        add_clean(&f, 0, 1000, 10, both, 2);
        for (int i = 0; i < 200; i++) {
            double at = 1000 + 500 * i, gap = (i + 0.5) / 200 * 25, again = at + 0.3 + gap;
            struct made tries[] = {{at + 0.1, at + 0.3, 0, 1, 503},
                                   {again, again + 0.2, 0, 2, 200}};
            bool unseen = gap >= 9 && gap < 22;
            add_request(&f, at, again + 0.5, unseen ? 503 : 200,
                        !unseen          ? BODY_OWN
                        : how == REFUSED ? BODY_OVERFLOW
                                         : BODY_CONNECT_FAILURE,
                        tries, unseen ? 1 : 2);
        }
        if (how == ALIVE)
            is(&f, "backoff.law", VERDICT_FAIL, "come too soon");
        else
            is(&f, "backoff.law", VERDICT_INCONCLUSIVE, "first gaps are off by 0.3");
    }
    json_decref(dead.keys);
}

/* One connection to endpoint 2, which another request has until ${free_ms} after a retry's request
 * begins: that takes its place then. Its own back-off was over long since. */
static void gaps_beside_one(struct fixture *f, uint64_t connections, double free_ms)
{
    begin(f, (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                  .endpoints = 2,
                                  .pool.max_connections = number(connections),
                                  .retry = {.attempts = number(1),
                                            .on = RETRY_GATEWAY_ERROR,
                                            .conditions = number(0),
                                            .backoff_base = number(25 * NS_PER_MS)}});
    f->edge.pool.max_connections.set = connections != 0;
    add_clean(f, 0, 1000, 10, both, 2);
    for (int i = 0; i < 44; i++) {
        double at = 1000 + 500 * i;
        struct made tries[] = {{at + 0.1, at + 0.3, 0, 1, 503},
                               {at + 150.5, at + 150.7, 0, 2, 200}},
                    slow = {at - 49.9, at + free_ms, 0, 2, 200};
        add_request(f, at - 50, at + free_ms + 0.2, 200, BODY_OWN, &slow, 1);
        add_request(f, at, at + 151, 200, BODY_OWN, tries, 2);
    }
}

/* A retry waits for a connection as a first try does: what is seen then is no back-off alone. */
static void a_gap_in_which_a_connection_got_free_is_none(void **state)
{
    struct fixture f;
    (void)state;
    gaps_beside_one(&f, 1, 150);
    is(&f, "backoff.law", VERDICT_INCONCLUSIVE, "no first gaps");
    gaps_beside_one(&f, 1, 150);
    is(&f, "backoff.max", VERDICT_INCONCLUSIVE, "no gaps before retry 1");
    gaps_beside_one(&f, 0, 150); /* no limit: there is nothing to wait for */
    is(&f, "backoff.law", VERDICT_FAIL, "44 first gaps come too late");
    gaps_beside_one(&f, 0, 150);
    is(&f, "backoff.max", VERDICT_FAIL, "gap 1: 44 of 44 longer than 45 ms");
    gaps_beside_one(&f, 1, 0.1); /* it was free before the retry could ask */
    is(&f, "backoff.max", VERDICT_FAIL, "gap 1: 44 of 44 longer than 45 ms");
    gaps_beside_one(&f, 1, 300); /* and here it did not get free */
    is(&f, "backoff.max", VERDICT_FAIL, "gap 1: 44 of 44 longer than 45 ms");
}

/* Only beside the longer gaps a connection got free: what is left is no fair sample. */
static void gaps_that_may_have_been_waits_are_not_forgotten(void **state)
{
    struct fixture f;
    (void)state;
    gaps_beside_one(&f, 1, 0.1);
    journal_free(f.j);
    begin(&f, f.edge);
    add_clean(&f, 0, 1000, 10, both, 2);
    for (int i = 0; i < 200; i++) {
        double at = 1000 + 500 * i, gap = (i + 0.5) / 200 * 25, again = at + 0.3 + gap;
        struct made tries[] = {{at + 0.1, at + 0.3, 0, 1, 503}, {again, again + 0.2, 0, 2, 200}},
                    slow = {at - 49.9, at + 5, 0, 2, 200};
        if (gap >= 9)
            add_request(&f, at - 50, at + 5.2, 200, BODY_OWN, &slow, 1);
        add_request(&f, at, again + 0.5, 200, BODY_OWN, tries, 2);
    }
    is(&f, "backoff.law", VERDICT_INCONCLUSIVE, "72 first gaps are off by 0.6");
}

/* A bucket fills each 25 ms, and the load takes what is in it: of retries after 25 to 50 ms only
 * those after 44 find some, and the others' caller gets 429. */
static void a_retry_that_a_rate_limit_refused_has_a_gap_that_nobody_saw(void **state)
{
    (void)state;
    for (int limited = 0; limited < 2; limited++) {
        struct fixture f;
        begin(
            &f,
            (struct edge_policy){
                .flavour = FLAVOUR_LINKERD,
                .endpoints = 2,
                .retry = {.attempts = number(1), .on = RETRY_STATUS_CODES, .conditions = number(0)},
                .rate = {.present = limited == 1, .per_second = number(40)}});
        status_set_add(&f.edge.retry.codes, 503);
        add_clean(&f, 0, 1000, 10, both, 2);
        for (int i = 0; i < 400; i++) {
            double at = 1000 + 200 * i, gap = 25 + (i + 0.5) / 400 * 25, again = at + 0.3 + gap;
            struct made tries[] = {{at + 0.1, at + 0.3, 0, 1, 503},
                                   {again, again + 0.2, 0, 2, 200}};
            bool refused = gap < 44;
            add_request(&f, at, again + 0.5, refused ? 429 : 200, BODY_OWN, tries, refused ? 1 : 2);
        }
        is(&f, "backoff.law", limited ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           limited ? "first gaps are off" : "come too late");
    }
}

/* Each gap of backoff.max is a test of its own at the claim's level. */
static void a_side_is_counted_for_each_test(void **state)
{
    (void)state;
    assert_int_equal(claim_type_sides(claim_type_find("backoff.max")), 3);
    assert_int_equal(claim_type_sides(claim_type_find("backoff.law")), 2);
    assert_int_equal(claim_type_sides(claim_type_find("retry.max")), 0);
}

/* attempts may be any number: a power of two has no more than 64 bits. */
static void a_back_off_never_passes_its_most(void **state)
{
    struct edge_policy edge = {.flavour = FLAVOUR_ENVOY};
    (void)state;
    assert_int_equal(backoff_most_ns(&edge, 1), 25 * NS_PER_MS);
    assert_int_equal(backoff_most_ns(&edge, 3), 175 * NS_PER_MS);
    for (uint32_t n = 4; n < 200; n++)
        assert_int_equal(backoff_most_ns(&edge, n), 250 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_back_off_never_passes_its_most),
        cmocka_unit_test(each_gap_of_linkerd_has_its_own_law),
        cmocka_unit_test(a_profile_retries_at_once),
        cmocka_unit_test(a_retry_that_reached_nobody_has_a_gap_that_nobody_saw),
        cmocka_unit_test(a_gap_in_which_a_connection_got_free_is_none),
        cmocka_unit_test(gaps_that_may_have_been_waits_are_not_forgotten),
        cmocka_unit_test(a_retry_that_a_rate_limit_refused_has_a_gap_that_nobody_saw),
        cmocka_unit_test(a_side_is_counted_for_each_test),
        cmocka_unit_test(gaps_that_are_even_pass),
        cmocka_unit_test(gaps_that_cannot_be_even_fail),
        cmocka_unit_test(gaps_that_are_hardly_even_are_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
