#include "kube/throttle.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void a_burst_of_twenty_then_ten_a_second(void **state)
{
    struct throttle t;
    uint64_t now = 7 * NS_PER_S;
    (void)state;
    throttle_init(&t, 1);
    for (unsigned i = 0; i < THROTTLE_BURST; i++) {
        assert_int_equal(throttle_next_ns(&t, now), now);
        throttle_take(&t, now);
    }
    assert_int_equal(throttle_next_ns(&t, now), now + 100 * NS_PER_MS);
    /* A minute at the limit: ten a second, not one more. */
    uint64_t end = now + 60 * NS_PER_S;
    unsigned taken = 0;
    for (; (now = throttle_next_ns(&t, now)) <= end; taken++)
        throttle_take(&t, now);
    assert_int_equal(taken, 600);
    /* Idle long enough, the burst is there again, and no more than that. */
    now += 3600 * NS_PER_S;
    for (unsigned i = 0; i < THROTTLE_BURST; i++) {
        assert_int_equal(throttle_next_ns(&t, now), now);
        throttle_take(&t, now);
    }
    assert_true(throttle_next_ns(&t, now) > now);
}

static void the_budget_ends_and_is_earned_again(void **state)
{
    struct throttle t;
    unsigned got = 0;
    (void)state;
    throttle_init(&t, 1);
    while (throttle_retry(&t))
        got++;
    assert_int_equal(got, THROTTLE_RETRIES);
    for (unsigned i = 0; i < THROTTLE_EARN - 1; i++)
        throttle_answered(&t);
    assert_false(throttle_retry(&t));
    throttle_answered(&t);
    assert_true(throttle_retry(&t));
    assert_false(throttle_retry(&t));
    for (unsigned i = 0; i < 100000; i++)
        throttle_answered(&t);
    for (got = 0; throttle_retry(&t);)
        got++;
    assert_int_equal(got, THROTTLE_RETRIES);
}

static void waits_are_full_jitter_and_retry_after_wins(void **state)
{
    struct throttle t;
    (void)state;
    throttle_init(&t, 42);
    for (unsigned tries = 1; tries <= 12; tries++) {
        uint64_t top = THROTTLE_LEAST_NS << tries, least = UINT64_MAX, most = 0;
        if (tries > 8 || top > THROTTLE_MOST_NS)
            top = THROTTLE_MOST_NS;
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t wait = throttle_wait_ns(&t, tries, 0);
            assert_in_range(wait, THROTTLE_LEAST_NS, top);
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
        }
        /* It is spread over the whole of it. */
        assert_true(least < THROTTLE_LEAST_NS + (top - THROTTLE_LEAST_NS) / 20);
        assert_true(most > top - (top - THROTTLE_LEAST_NS) / 20);
    }
    assert_int_equal(throttle_wait_ns(&t, 1, 9 * NS_PER_S), 9 * NS_PER_S);
    assert_int_equal(throttle_wait_ns(&t, 1, 900 * NS_PER_S), THROTTLE_AFTER_MOST_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_of_twenty_then_ten_a_second),
        cmocka_unit_test(the_budget_ends_and_is_earned_again),
        cmocka_unit_test(waits_are_full_jitter_and_retry_after_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
