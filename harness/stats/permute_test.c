/* The exact rank test, against numbers that can be counted by hand and against all splits. */

#include "stats/permute.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-9 * fabs(b))
        fail_msg("%.12g is not %.12g", a, b);
}

/* (8 over 4) = 70: the least that four and four blocks can show (spec/verifier.md 3.7). */
static void four_and_four_blocks_cannot_go_below_one_in_seventy(void **state)
{
    double low[] = {1, 2, 3, 4}, high[] = {5, 6, 7, 8};
    (void)state;
    near(permute_above(low, 4, high, 4), 1.0 / 70);
    near(permute_above(high, 4, low, 4), 1);
}

static void ten_and_ten_reach_five_in_a_million(void **state)
{
    double low[10], high[10];
    (void)state;
    for (int i = 0; i < 10; i++) {
        low[i] = i;
        high[i] = 100 + i;
    }
    near(permute_above(low, 10, high, 10), 1.0 / 184756);
}

static void equal_values_say_nothing(void **state)
{
    double same[] = {3, 3, 3, 3, 3};
    (void)state;
    near(permute_above(same, 5, same, 5), 1);
    near(permute_above(same, 0, same, 5), 1);
}

/* Every split of nine values with ties into 4 and 5, counted one by one. */
static void it_counts_all_splits(void **state)
{
    double values[] = {1, 2, 2, 3, 5, 5, 5, 8, 9}, ranks[] = {1, 2.5, 2.5, 4, 6, 6, 6, 8, 9};
    (void)state;
    for (unsigned split = 0; split < 512; split++) {
        double a[9], b[9], seen = 0;
        size_t na = 0, nb = 0;
        for (int i = 0; i < 9; i++) {
            if (split >> i & 1) {
                b[nb++] = values[i];
                seen += ranks[i];
            } else
                a[na++] = values[i];
        }
        if (nb != 5)
            continue;
        unsigned above = 0, every = 0;
        for (unsigned other = 0; other < 512; other++) {
            double sum = 0;
            unsigned size = 0;
            for (int i = 0; i < 9; i++)
                if (other >> i & 1) {
                    size++;
                    sum += ranks[i];
                }
            every += size == 5;
            above += size == 5 && sum >= seen;
        }
        near(permute_above(a, na, b, nb), (double)above / every);
    }
}

static void the_most_blocks_are_still_exact(void **state)
{
    double low[PERMUTE_MOST], high[PERMUTE_MOST];
    double ways = 1;
    (void)state;
    for (int i = 0; i < PERMUTE_MOST; i++) {
        low[i] = i;
        high[i] = 1000 + i;
        ways *= (double)(PERMUTE_MOST + i + 1) / (i + 1);
    }
    near(permute_above(low, PERMUTE_MOST, high, PERMUTE_MOST), 1 / ways);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_and_four_blocks_cannot_go_below_one_in_seventy),
        cmocka_unit_test(ten_and_ten_reach_five_in_a_million),
        cmocka_unit_test(equal_values_say_nothing),
        cmocka_unit_test(it_counts_all_splits),
        cmocka_unit_test(the_most_blocks_are_still_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
