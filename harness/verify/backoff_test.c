/* backoff.law, a sample at a time: what is even, what is not, and what is neither. */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_that_are_even_pass),
        cmocka_unit_test(gaps_that_cannot_be_even_fail),
        cmocka_unit_test(gaps_that_are_hardly_even_are_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
