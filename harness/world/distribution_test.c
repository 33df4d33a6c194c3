#include "world/distribution.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static double moment(const int16_t *table, int power)
{
    double sum = 0;
    for (size_t i = 0; i < DISTRIBUTION_ENTRIES; i++)
        sum += pow(table[i] / 8192.0, power);
    return sum / DISTRIBUTION_ENTRIES;
}

static void each_law_keeps_the_mean_and_the_deviation_that_were_asked(void **unused)
{
    (void)unused;
    for (int law = NETEM_NORMAL; law <= NETEM_PARETONORMAL; law++) {
        int16_t table[DISTRIBUTION_ENTRIES];
        distribution_table((enum netem_distribution)law, table);
        assert_true(fabs(moment(table, 1)) < 0.001);
        assert_true(fabs(moment(table, 2) - 1) < 0.005);
        for (size_t i = 1; i < DISTRIBUTION_ENTRIES; i++)
            assert_true(table[i - 1] <= table[i]);
    }
}

static void the_normal_law_has_its_quantiles(void **unused)
{
    int16_t table[DISTRIBUTION_ENTRIES];
    (void)unused;
    distribution_table(NETEM_NORMAL, table);
    /* z(0.975) = 1.95996, z(0.5) = 0, z(0.8413) = 1 */
    assert_true(fabs(table[(size_t)(0.975 * DISTRIBUTION_ENTRIES)] / 8192.0 - 1.960) < 0.01);
    assert_true(abs(table[DISTRIBUTION_ENTRIES / 2]) < 8);
    assert_true(fabs(table[(size_t)(0.84134 * DISTRIBUTION_ENTRIES)] / 8192.0 - 1) < 0.01);
    assert_int_equal(table[7], -table[DISTRIBUTION_ENTRIES - 8]);
}

static void the_pareto_law_is_lopsided_and_has_a_floor(void **unused)
{
    int16_t pareto[DISTRIBUTION_ENTRIES], mixed[DISTRIBUTION_ENTRIES];
    (void)unused;
    distribution_table(NETEM_PARETO, pareto);
    distribution_table(NETEM_PARETONORMAL, mixed);
    assert_true(pareto[0] > -8192 && pareto[DISTRIBUTION_ENTRIES - 1] == 32767);
    assert_true(pareto[DISTRIBUTION_ENTRIES / 2] < 0); /* the median below the mean */
    assert_true(moment(pareto, 3) > 1 && moment(mixed, 3) > 0.5);
    assert_true(mixed[0] < pareto[0]); /* the normal's part has a left tail */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_law_keeps_the_mean_and_the_deviation_that_were_asked),
        cmocka_unit_test(the_normal_law_has_its_quantiles),
        cmocka_unit_test(the_pareto_law_is_lopsided_and_has_a_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
