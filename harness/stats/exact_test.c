/* The expected numbers are from SciPy 1.17 (binom, beta, poisson) and mpmath with 40 digits. */
#include "stats/exact.h"

#include "base/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void near(double got, double want, double relative)
{
    if (fabs(got - want) > relative * fabs(want))
        fail_msg("%.15g is not %.15g", got, want);
}

static void binomials_are_those_of_high_precision(void **state)
{
    (void)state;
    near(exact_lbinom(10, 3), 4.787491742782046, 1e-13);
    near(exact_lbinom(52, 5), 14.770621922970371, 1e-13);
    near(exact_lbinom(1000000, 500000), 693140.04701306368, 1e-12);
    assert_true(fabs(exact_lbinom(7, 0)) < 1e-12 && fabs(exact_lbinom(7, 7)) < 1e-12);
}

static void upper_tails_are_exact_from_the_middle_to_the_far_end(void **state)
{
    static const struct {
        uint64_t x, n;
        double p, want;
    } rows[] = {
        {6, 10, 0.019, 9.25191689239734e-9},
        {10, 10, 0.019, 6.131066257801e-18},
        {3, 10, 0.5, 0.9453125},
        {5, 5, 0.3, 0.00243},
        {50, 1000, 0.01, 8.30637143538877e-20},
        {1, 1000000, 1e-9, 0.000999500167124509},
        {500500, 1000000, 0.5, 0.158897345681653},
        {503000, 1000000, 0.5, 9.9257488196151e-10},
        {1200, 1000000, 0.001, 4.58963860610075e-10},
        {100, 100000, 0.0005, 3.16034478748115e-10},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        near(exact_binom_tail_ge(rows[i].x, rows[i].n, rows[i].p), rows[i].want, 1e-7);
}

static void lower_tails_are_exact(void **state)
{
    (void)state;
    near(exact_binom_tail_le(2, 10, 0.5), 0.0546875, 1e-12);
    near(exact_binom_tail_le(0, 10, 0.1), 0.3486784401, 1e-12);
    near(exact_binom_tail_le(400, 100000, 0.005), 1.97264587672086e-6, 1e-7);
    near(exact_binom_tail_le(1, 20, 0.7), 1.66203389781e-9, 1e-12);
}

static void the_edges_of_tails_are_certain_or_impossible(void **state)
{
    (void)state;
    assert_true(exact_binom_tail_ge(0, 10, 0) >= 1 && exact_binom_tail_ge(0, 0, 0.5) >= 1);
    assert_true(exact_binom_tail_ge(1, 10, 0) <= 0 && exact_binom_tail_ge(11, 10, 0.5) <= 0);
    assert_true(exact_binom_tail_ge(10, 10, 1) >= 1);
    assert_true(exact_binom_tail_le(10, 10, 0.5) >= 1 && exact_binom_tail_le(9, 10, 1) <= 0);
    assert_true(exact_binom_tail_le(0, 10, 0) >= 1);
    assert_true(exact_binom_tail_ge(1, 1000000, 0.9) <= 1);
}

static void the_two_tails_of_a_split_add_up_to_one(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 400; n = n * 3 + 1) {
        for (uint64_t x = 1; x <= n; x += 1 + n / 7) {
            for (int step = 0; step < 15; step++) {
                double p = 0.01 + 0.07 * step;
                near(exact_binom_tail_ge(x, n, p) + exact_binom_tail_le(x - 1, n, p), 1, 1e-10);
            }
        }
    }
}

static void clopper_pearson_bounds_are_those_of_the_beta_quantiles(void **state)
{
    (void)state;
    near(exact_share_hi(0, 1000, 5e-9), 0.018932317011342965, 1e-12);
    near(exact_share_hi(3, 1000, 5e-9), 0.027030096239539725, 1e-8);
    near(exact_share_lo(3, 1000, 5e-9), 3.112757815141918e-06, 1e-8);
    near(exact_share_hi(41, 5210, 1e-6), 0.015350200085862128, 1e-8);
    near(exact_share_lo(41, 5210, 1e-6), 0.003344138277509981, 1e-8);
    near(exact_share_hi(500, 1000, 0.025), 0.531450827028208, 1e-10);
    near(exact_share_lo(500, 1000, 0.025), 0.46854917297179194, 1e-10);
    near(exact_share_lo(10, 10, 1e-6), 0.251188643150958, 1e-12);
    near(exact_share_lo(9, 10, 1e-6), 0.16991464014114363, 1e-8);
}

static void clopper_pearson_says_nothing_where_nothing_is_known(void **state)
{
    (void)state;
    assert_true(exact_share_hi(0, 0, 1e-6) >= 1 && exact_share_lo(0, 0, 1e-6) <= 0);
    assert_true(exact_share_hi(7, 7, 1e-6) >= 1 && exact_share_lo(0, 7, 1e-6) <= 0);
}

static void poisson_tails_are_exact(void **state)
{
    (void)state;
    near(exact_poisson_tail_ge(1, 0.001), 0.0009995001666250082, 1e-12);
    near(exact_poisson_tail_ge(10, 2.5), 0.0002773520946208362, 1e-12);
    near(exact_poisson_tail_ge(200, 100), 9.343150072988544e-19, 1e-9);
    near(exact_poisson_tail_ge(100, 100), 0.5132987982791487, 1e-10);
    near(exact_poisson_tail_ge(5, 20), 0.9999830552560699, 1e-12);
    near(exact_poisson_tail_ge(1100, 1000), 0.0009626304058665587, 1e-9);
    near(exact_poisson_tail_ge(1, 1e-12), 9.999999999995026e-13, 1e-12);
    assert_true(exact_poisson_tail_ge(0, 0) >= 1 && exact_poisson_tail_ge(1, 0) <= 0);
}

static void the_band_of_a_distribution_narrows_with_the_root_of_n(void **state)
{
    (void)state;
    near(exact_dkw_eps(1000, 1e-8), 0.09597051824376163, 1e-12);
    near(exact_dkw_eps(50, 0.5), 0.08325546111576977, 1e-12);
    assert_true(exact_dkw_eps(0, 0.1) >= 1);
}

static void ranks_bound_a_quantile_or_say_that_n_is_too_small(void **state)
{
    static const struct {
        uint64_t n;
        double q, a;
        uint64_t lo, hi; /* hi 0: none */
    } rows[] = {
        {1000, 0.5, 1e-8, 411, 590},
        {10000, 0.99, 1e-8, 9839, 9952},
        {100000, 0.999, 1e-8, 99839, 99952},
        {100, 0.99, 1e-8, 90, 0},
        {10, 0.5, 0.05, 2, 9},
        {20, 0.5, 0.025, 6, 15},
    };
    uint64_t rank;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(exact_quantile_lo(rows[i].n, rows[i].q, rows[i].a, &rank));
        assert_int_equal(rank, rows[i].lo);
        assert_int_equal(exact_quantile_hi(rows[i].n, rows[i].q, rows[i].a, &rank),
                         rows[i].hi != 0);
        if (rows[i].hi != 0)
            assert_int_equal(rank, rows[i].hi);
    }
    assert_false(exact_quantile_lo(3, 0.5, 1e-8, &rank));
    assert_false(exact_quantile_lo(0, 0.5, 0.05, &rank));
    assert_false(exact_quantile_hi(0, 0.5, 0.05, &rank));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binomials_are_those_of_high_precision),
        cmocka_unit_test(upper_tails_are_exact_from_the_middle_to_the_far_end),
        cmocka_unit_test(lower_tails_are_exact),
        cmocka_unit_test(the_edges_of_tails_are_certain_or_impossible),
        cmocka_unit_test(the_two_tails_of_a_split_add_up_to_one),
        cmocka_unit_test(clopper_pearson_bounds_are_those_of_the_beta_quantiles),
        cmocka_unit_test(clopper_pearson_says_nothing_where_nothing_is_known),
        cmocka_unit_test(poisson_tails_are_exact),
        cmocka_unit_test(the_band_of_a_distribution_narrows_with_the_root_of_n),
        cmocka_unit_test(ranks_bound_a_quantile_or_say_that_n_is_too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
