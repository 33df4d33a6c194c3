/* accrual, a case at a time: which try after the count was full is a witness. */

#include "verify/tries_fixture_test.h"

static const uint16_t one[] = {1};

/* Twice: three failures in a row fill the count at 300 ms; of the request of the third, and of one
 * more, come the tries of ${after}. The gate opens again at 1500 ms. */
static void shut_twice(struct fixture *f, const struct made *again, const struct made *late)
{
    begin(f, (struct edge_policy){.flavour = FLAVOUR_LINKERD,
                                  .endpoints = 2,
                                  .retry = {.attempts = number(1), .on = RETRY_STATUS_CODES},
                                  .accrual = {.present = true,
                                              .max_failures = number(3),
                                              .min_penalty = number(NS_PER_S)}});
    for (int i = 0; i < 2; i++) {
        double at = 3000 * i;
        add_clean(f, at, at + 50, 10, one, 1);
        add(f, at + 100, 1, 503);
        add(f, at + 200, 1, 503);
        struct made third[] = {{at + 300, at + 300.2, 0, 1, 503}, *again};
        third[1].head_ms += at;
        third[1].out_ms += at;
        add_request(f, at + 299.9, at + 361, third[1].status, BODY_OWN, third, 2);
        if (late != NULL)
            add(f, at + late->head_ms, 1, 503);
        add_clean(f, at + 1500, at + 1600, 10, one, 1);
    }
}

static const struct made elsewhere = {360, 360.2, 0, 2, 200}, same = {360, 360.2, 0, 1, 503};

static void a_host_that_is_shut_for_its_penalty_is_right(void **state)
{
    struct fixture f;
    (void)state;
    shut_twice(&f, &elsewhere, NULL);
    is(&f, "accrual", VERDICT_PASS, "after 3 failures in a row, 2 times");
}

static void a_request_that_is_sent_there_sooner_is_a_witness(void **state)
{
    static const struct made late = {800, 0, 0, 1, 503};
    struct fixture f;
    (void)state;
    shut_twice(&f, &elsewhere, &late);
    is(&f, "accrual", VERDICT_FAIL, "2 of 2 penalties were too short");
}

/* A retry on the same host: the only proof that the mesh knew the failure is the retry itself. */
static void a_retry_on_the_same_host_leaves_it_open(void **state)
{
    struct fixture f;
    (void)state;
    shut_twice(&f, &same, NULL);
    is(&f, "accrual", VERDICT_INCONCLUSIVE, "no runs of 3 failures");
}

/* An answer that its client did not get may have been a failure: the fourth, of a gate that shuts
 * one late. */
static void a_run_that_may_have_been_longer_leaves_it_open(void **state)
{
    struct fixture f;
    (void)state;
    shut_twice(&f, &elsewhere, NULL);
    for (int i = 0; i < 2; i++) {
        struct made cut = {3000 * i + 70.1, 3000 * i + 70.3, 0, 1, 200};
        add_request(&f, 3000 * i + 70, 3000 * i + 71, 504, BODY_OWN, &cut, 1);
    }
    is(&f, "accrual", VERDICT_INCONCLUSIVE, "2 of 2 runs before a penalty may have been longer");
}

/* With that answer a failure the second try shut the gate, and 150 ms before the third it opened
 * again: the next try comes early, but for another penalty. */
static void a_gate_that_may_have_been_shut_before_is_no_witness(void **state)
{
    static const struct made late = {1250, 0, 0, 1, 503};
    struct fixture f;
    (void)state;
    shut_twice(&f, &elsewhere, &late);
    for (int i = 0; i < 2; i++) {
        struct made cut = {3000 * i + 70.1, 3000 * i + 70.3, 0, 1, 200};
        add_request(&f, 3000 * i + 70, 3000 * i + 71, 504, BODY_OWN, &cut, 1);
    }
    is(&f, "accrual", VERDICT_INCONCLUSIVE, "2 of 2 runs before a penalty may have been longer");
    shut_twice(&f, &elsewhere, &late);
    is(&f, "accrual", VERDICT_FAIL, "2 of 2 penalties were too short");
}

/* Both tries of the third request were read late, at once: the first had been cut by then, and the
 * second may have begun, and filled the count, any time since the request did. */
static void a_try_that_was_read_late_with_the_one_before_filled_the_count_before(void **state)
{
    static const struct made tries[] = {{300, 315, 0, 2, 500}, {300.2, 0, 300.4, 1, 0}};
    struct fixture f;
    (void)state;
    begin(&f, (struct edge_policy){.flavour = FLAVOUR_LINKERD,
                                   .endpoints = 2,
                                   .retry = {.attempts = number(1),
                                             .per_try_timeout = number(50 * NS_PER_MS),
                                             .on = RETRY_STATUS_CODES | RETRY_LINKERD_TIMEOUT},
                                   .accrual = {.present = true,
                                               .max_failures = number(3),
                                               .min_penalty = number(NS_PER_S)}});
    for (int i = 0; i < 2; i++) {
        double at = 3000 * i;
        struct made late[] = {tries[0], tries[1]};
        add_clean(&f, at, at + 50, 10, one, 1);
        add(&f, at + 100, 1, 503);
        add(&f, at + 150, 1, 503);
        late[0].head_ms += at;
        late[0].out_ms += at;
        late[1].head_ms += at;
        late[1].left_ms += at;
        add_request(&f, at + 190, at + 301, 504, BODY_OWN, late, 2);
        add_clean(&f, at + 1250, at + 1400, 10, one, 1);
    }
    is(&f, "accrual", VERDICT_PASS, "shut for 1060 ms after 3 failures in a row, 2 times");
}

/* Under way already when the count was full: it proves nothing, and it may be what shut the gate.
 */
static void a_try_that_was_under_way_leaves_it_open(void **state)
{
    struct fixture f;
    (void)state;
    shut_twice(&f, &elsewhere, NULL);
    for (int i = 0; i < 2; i++) {
        struct made slow = {3000 * i + 299, 3000 * i + 400, 0, 1, 503};
        slow.head_ms = 3000 * i + 310; /* read late */
        add_request(&f, 3000 * i + 290, 3000 * i + 401, 503, BODY_OWN, &slow, 1);
    }
    is(&f, "accrual", VERDICT_INCONCLUSIVE, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_is_shut_for_its_penalty_is_right),
        cmocka_unit_test(a_request_that_is_sent_there_sooner_is_a_witness),
        cmocka_unit_test(a_retry_on_the_same_host_leaves_it_open),
        cmocka_unit_test(a_run_that_may_have_been_longer_leaves_it_open),
        cmocka_unit_test(a_gate_that_may_have_been_shut_before_is_no_witness),
        cmocka_unit_test(a_try_that_was_read_late_with_the_one_before_filled_the_count_before),
        cmocka_unit_test(a_try_that_was_under_way_leaves_it_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
