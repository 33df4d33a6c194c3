#include "simulate/events.h"

#include "base/check.h"
#include "base/rng.h"
#include "simulate/noise.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void events_come_by_time_and_then_in_order(void **state)
{
    struct events e = {0};
    struct event event;
    struct rng rng = rng_of(1);
    uint64_t last_ns = 0;
    uint32_t last = 0;
    (void)state;
    for (uint32_t i = 0; i < 5000; i++)
        events_add(&e, rng_below(&rng, 300), 1, i, 0);
    for (uint32_t i = 0; i < 5000; i++) {
        assert_true(events_take(&e, &event));
        assert_true(event.t_ns > last_ns || i == 0 ||
                    (event.t_ns == last_ns && event.index > last));
        last_ns = event.t_ns;
        last = event.index;
    }
    assert_false(events_take(&e, &event));
    events_release(&e);
}

/* Timers far ahead and steps of microseconds, added as time goes on. */
static void timers_and_steps_are_one_order(void **state)
{
    struct events e = {0};
    struct event event;
    struct rng rng = rng_of(2);
    uint64_t last_ns = 0, taken = 0;
    uint32_t last = 0, added = 0;
    (void)state;
    for (; added < 50; added++)
        events_add(&e, rng_below(&rng, NS_PER_S), 1, added, 0);
    for (; events_next_ns(&e) != UINT64_MAX; taken++) {
        uint64_t next_ns = events_next_ns(&e);
        assert_true(events_take(&e, &event));
        assert_int_equal(event.t_ns, next_ns);
        assert_true(event.t_ns > last_ns || (event.t_ns == last_ns && event.index >= last));
        last_ns = event.t_ns;
        last = event.index;
        for (int i = 0; i < 2 && added < 20000; i++, added++)
            events_add(&e,
                       last_ns + (added % 3 == 0 ? NS_PER_S / 100 * rng_below(&rng, 5)
                                                 : NS_PER_US * rng_below(&rng, 3)),
                       1, added, 0);
    }
    assert_int_equal(taken, added);
    events_release(&e);
}

/* Bursts of more than the list has room for, timers of more than the slots reach, long silences,
 * and what is due in the past: against the order of all that is there. */
static void however_far_they_are_it_is_one_order(void **state)
{
    static const uint64_t reach_ns[] = {1, 100 * NS_PER_US, 10 * NS_PER_MS, 3 * NS_PER_S,
                                        20 * NS_PER_S};
    struct events e = {0};
    struct event event;
    struct rng rng = rng_of(3);
    uint64_t due_ns[4000];
    uint32_t added = 0, taken = 0;
    bool gone[4000] = {false};
    (void)state;
    while (taken < COUNT_OF(due_ns)) {
        uint64_t most = rng_below(&rng, 40) == 0 ? 300 : rng_below(&rng, 3);
        uint64_t reach = reach_ns[rng_below(&rng, COUNT_OF(reach_ns))];
        for (uint64_t i = 0; i < most && added < COUNT_OF(due_ns); i++, added++) {
            uint64_t back = e.now_ns > 0 && rng_below(&rng, 50) == 0 ? 1 : 0;
            due_ns[added] = e.now_ns - back + rng_below(&rng, reach);
            events_add(&e, due_ns[added], 1, added, 0);
        }
        uint32_t first = UINT32_MAX;
        for (uint32_t i = 0; i < added; i++)
            if (!gone[i] && (first == UINT32_MAX || due_ns[i] < due_ns[first]))
                first = i;
        assert_true(events_next_ns(&e) == (first == UINT32_MAX ? UINT64_MAX : due_ns[first]));
        if (first == UINT32_MAX)
            continue;
        assert_true(events_take(&e, &event));
        assert_int_equal(event.index, first);
        gone[first] = true;
        taken++;
    }
    assert_false(events_take(&e, &event));
    events_release(&e);
}

struct told {
    uint64_t count, longest_ns;
};

static void on_stall(void *cookie, enum noise_who who, uint64_t due_ns, uint64_t late_ns)
{
    struct told *told = cookie;
    assert_true(who == NOISE_LOAD || who == NOISE_PROXY);
    assert_true(due_ns > 0);
    told->count++;
    told->longest_ns = late_ns > told->longest_ns ? late_ns : told->longest_ns;
}

static uint64_t late_share(enum noise_kind kind, struct told *told)
{
    struct noise n;
    uint64_t late = 0;
    noise_init(&n, kind, rng_of(3), NS_PER_S);
    n.on_stall = on_stall;
    n.cookie = told;
    for (uint64_t t_ns = NS_PER_S; t_ns < 61 * NS_PER_S; t_ns += NS_PER_MS) {
        uint64_t turn_ns = noise_turn_ns(&n, NOISE_PROXY, t_ns);
        assert_true(turn_ns >= t_ns && turn_ns < t_ns + 3 * NS_PER_S);
        late += turn_ns > t_ns;
    }
    return late;
}

static void noise_stops_loops_as_its_kind_says(void **state)
{
    struct told none = {0}, quiet = {0}, shared = {0}, starved = {0};
    (void)state;
    assert_int_equal(late_share(NOISE_NONE, &none), 0);
    uint64_t a = late_share(NOISE_QUIET, &quiet), b = late_share(NOISE_SHARED, &shared),
             c = late_share(NOISE_STARVED, &starved);
    assert_true(a < 300 && b > 600 && b < 6000 && c > 6000 && c < 40000);
    assert_int_equal(none.count, 0);
    assert_true(shared.count > 20 && starved.count > 100 && starved.longest_ns > 100 * NS_PER_MS);
}

/* Up to 4.5 ms early (spec/verifier.md 8.3), never before now. */
static void timers_fire_a_little_early_or_late(void **state)
{
    struct noise n;
    uint64_t least = UINT64_MAX, most = 0;
    (void)state;
    noise_init(&n, NOISE_QUIET, rng_of(4), 0);
    for (int i = 0; i < 20000; i++) {
        uint64_t at_ns = noise_timer_ns(&n, NS_PER_S, 0);
        least = at_ns < least ? at_ns : least;
        most = at_ns > most ? at_ns : most;
    }
    assert_true(least >= NS_PER_S - 4500 * NS_PER_US && least < NS_PER_S - 3 * NS_PER_MS);
    assert_true(most > NS_PER_S && most <= NS_PER_S + NS_PER_MS);
    assert_int_equal(noise_timer_ns(&n, 5, NS_PER_S), NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_by_time_and_then_in_order),
        cmocka_unit_test(timers_and_steps_are_one_order),
        cmocka_unit_test(however_far_they_are_it_is_one_order),
        cmocka_unit_test(noise_stops_loops_as_its_kind_says),
        cmocka_unit_test(timers_fire_a_little_early_or_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
