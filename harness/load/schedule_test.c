#include "load/schedule.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void even_due_times_are_exact(void **state)
{
    struct schedule s;
    (void)state;
    schedule_init(&s, 200 * 3600, false, 0, 1);
    for (uint64_t n = 0; n < 1000; n++, schedule_advance(&s))
        assert_true(schedule_due(&s) == n * 5 * NS_PER_MS);
    /* 7 an hour has no whole gap: no error adds up, and after an hour it is exact again */
    schedule_init(&s, 7, false, 0, 1);
    for (uint64_t n = 0; n <= 7000; n++, schedule_advance(&s)) {
        if (n % 7 == 0)
            assert_true(schedule_due(&s) == n / 7 * 3600 * NS_PER_S);
    }
    /* 50 000/s for a day stays within the arithmetic */
    schedule_init(&s, UINT64_C(50000) * 3600, false, 0, 1);
    s.n = UINT64_C(50000) * 86400;
    assert_true(schedule_due(&s) == 86400 * NS_PER_S);
}

static void a_ramp_rises_to_the_rate(void **state)
{
    struct schedule s;
    uint64_t before = 0;
    (void)state;
    /* 100/s after 2 s: 100 requests in the ramp, the k-th at 2 s * sqrt(k / 100) */
    schedule_init(&s, 100 * 3600, false, 2 * NS_PER_S, 1);
    for (uint64_t n = 0; n < 300; n++, schedule_advance(&s)) {
        double want = n < 100 ? 2e9 * sqrt((double)n / 100) : 2e9 + ((double)n - 100) * 1e7;
        assert_true(fabs((double)schedule_due(&s) - want) < 2);
        assert_true(n == 0 || schedule_due(&s) > before);
        before = schedule_due(&s);
    }
}

static void poisson_gaps_are_exponential_and_replayable(void **state)
{
    enum { N = 20000 };
    struct schedule s, again;
    uint64_t before = 0, longer = 0;
    double squares = 0;
    (void)state;
    schedule_init(&s, 1000 * 3600, true, 0, 42);
    schedule_init(&again, 1000 * 3600, true, 0, 42);
    for (uint64_t n = 0; n < N; n++) {
        uint64_t due = schedule_due(&s);
        assert_true(due >= before);
        assert_true(due == schedule_due(&again));
        double gap = (double)(due - before) / 1e6;
        squares += gap * gap;
        longer += gap > 1;
        before = due;
        schedule_advance(&s);
        schedule_advance(&again);
    }
    double mean = (double)before / 1e6 / N;
    assert_true(fabs(mean - 1) < 0.03);
    assert_true(fabs(squares / N - 2) < 0.15);               /* E[x^2] of mean 1 */
    assert_true(fabs((double)longer / N - 0.367879) < 0.02); /* P(x > mean) = 1/e */
    schedule_init(&again, 1000 * 3600, true, 0, 43);
    schedule_init(&s, 1000 * 3600, true, 0, 42);
    assert_true(schedule_due(&s) != schedule_due(&again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even_due_times_are_exact),
        cmocka_unit_test(a_ramp_rises_to_the_rate),
        cmocka_unit_test(poisson_gaps_are_exponential_and_replayable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
