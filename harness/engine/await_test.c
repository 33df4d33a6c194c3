#include "engine/await.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 (100 * NS_PER_S)

/* A service of three endpoints, in virtual time. */
struct stage {
    struct plan *plan;
    struct picks picks;
    struct step step;
    struct await await;
    uint64_t now_ns;
};

static void stage_init(struct stage *s, const char *word, const char *on, const char *const *keys)
{
    struct source nowhere = {0};
    struct error err = {0};
    *s = (struct stage){.now_ns = T0, .plan = plan_new()};
    picks_init(&s->picks, 3);
    s->step = step_make(s->plan, STEP_AWAIT, word, on, nowhere, keys);
    assert_true(await_parse(&s->step, &s->await, &err));
}

static void stage_release(struct stage *s)
{
    picks_release(&s->picks);
    plan_free(s->plan);
}

static void pick(struct stage *s, uint16_t endpoint, uint16_t status, uint64_t held_ns)
{
    struct attempt_record r = {.at = s->now_ns - held_ns, .endpoint = endpoint, .status = status};
    picks_add(&s->picks, &r, s->now_ns);
}

/* ${count} picks in turn at the endpoints whose bit is set, ${gap_ns} apart. */
static void traffic(struct stage *s, unsigned endpoints, size_t count, uint64_t gap_ns)
{
    for (size_t i = 0, at = 0; i < count; i++) {
        do
            at = at % 3 + 1;
        while ((endpoints >> at & 1) == 0);
        s->now_ns += gap_ns;
        pick(s, (uint16_t)at, 200, 0);
    }
}
#define ALL 0xeU
#define NOT_2 0xaU

static bool met(struct stage *s)
{
    return await_met(&s->await, &s->picks, s->now_ns);
}

static const char *const within[] = {"within", "10s", NULL};

static void ejected_needs_silence_and_picks_elsewhere(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s, "ejected", "payments/2", within);
    traffic(&s, ALL, 60, 10 * NS_PER_MS);
    await_begin(&s.await, &s.picks, s.now_ns);
    assert_false(met(&s));
    pick(&s, 2, 503, 0);
    traffic(&s, NOT_2, 15, 2 * NS_PER_MS); /* picks, but no time */
    assert_false(met(&s));
    s.now_ns += 600 * NS_PER_MS; /* time, but 15 picks */
    assert_false(met(&s));
    traffic(&s, NOT_2, 1, NS_PER_MS);
    assert_true(met(&s));
    stage_release(&s);
}

static void ejected_is_not_said_of_a_quiet_service(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s, "ejected", "payments/2", within);
    traffic(&s, ALL, 60, 10 * NS_PER_MS);
    await_begin(&s.await, &s.picks, s.now_ns);
    pick(&s, 2, 503, 0);
    s.now_ns += 5 * NS_PER_S;
    assert_false(met(&s));
    stage_release(&s);
}

static void ejected_waits_four_mean_gaps_at_a_low_rate(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s, "ejected", "payments/2", within);
    traffic(&s, ALL, 60, 200 * NS_PER_MS); /* each endpoint every 600 ms */
    await_begin(&s.await, &s.picks, s.now_ns);
    pick(&s, 2, 503, 0);
    traffic(&s, NOT_2, 12, 150 * NS_PER_MS); /* 1.8 s */
    assert_false(met(&s));
    traffic(&s, NOT_2, 5, 150 * NS_PER_MS); /* 2.55 s > 4 x 0.6 s */
    assert_true(met(&s));
    stage_release(&s);
}

static void ejected_is_not_said_of_an_endpoint_whose_calls_are_held(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s, "ejected", "payments/2", within);
    traffic(&s, ALL, 60, 10 * NS_PER_MS);
    await_begin(&s.await, &s.picks, s.now_ns);
    traffic(&s, NOT_2, 80,
            10 * NS_PER_MS); /* 0.8 s: its calls are held for 1 s, so nothing was told */
    assert_false(met(&s));
    for (int i = 0; i < 100; i++) { /* from now on each is told 1 s late */
        traffic(&s, NOT_2, 2, 10 * NS_PER_MS);
        pick(&s, 2, 504, NS_PER_S);
        assert_false(met(&s));
    }
    traffic(&s, NOT_2, 40, 10 * NS_PER_MS);
    assert_false(met(&s));
    traffic(&s, NOT_2, 20,
            10 * NS_PER_MS); /* 0.6 s without news: what is held would have told by now */
    assert_true(met(&s));
    stage_release(&s);
}

static void ejected_before_the_await_began_is_seen_at_once(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s, "ejected", "payments/2", within);
    traffic(&s, ALL, 60, 10 * NS_PER_MS);
    traffic(&s, NOT_2, 120, 10 * NS_PER_MS);
    await_begin(&s.await, &s.picks, s.now_ns);
    assert_true(met(&s));
    stage_release(&s);
}

static void one_endpoint_alone_is_never_silent(void **state)
{
    struct picks picks;
    (void)state;
    picks_init(&picks, 1);
    assert_false(picks_silent(&picks, 1, T0));
    picks_release(&picks);
}

static void readmitted_needs_new_picks(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s, "readmitted", "payments/2", within);
    traffic(&s, ALL, 180, 10 * NS_PER_MS);
    await_begin(&s.await, &s.picks, s.now_ns); /* a full window, all of it old */
    assert_false(met(&s));
    traffic(&s, NOT_2, 150, 10 * NS_PER_MS);
    assert_false(met(&s));
    for (int i = 0; i < 4; i++)
        pick(&s, 2, 200, 0);
    assert_false(met(&s));
    pick(&s, 2, 200, 0);
    assert_true(met(&s));
    stage_release(&s);
}

static void readmitted_of_a_service_needs_all_with_good_last_picks(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s, "readmitted", "payments", within);
    await_begin(&s.await, &s.picks, s.now_ns);
    traffic(&s, NOT_2, 60, 10 * NS_PER_MS);
    assert_false(met(&s));
    traffic(&s, ALL, 60, 10 * NS_PER_MS);
    assert_true(met(&s));
    pick(&s, 3, 503, 0);
    assert_false(met(&s));
    pick(&s, 3, 200, 0);
    assert_true(met(&s));
    stage_release(&s);
}

static void request(struct stage *s, uint16_t status, uint16_t end)
{
    struct request_record r = {.due = s->now_ns, .done = 1, .status = status, .end = end};
    await_on_request(&s->await, &r);
}

static void steady_starts_again_with_each_bad_answer(void **state)
{
    static const char *const keys[] = {"within", "1m", "hold", "2s", NULL};
    struct stage s;
    (void)state;
    stage_init(&s, "steady", "client -> payments", keys);
    await_begin(&s.await, NULL, s.now_ns);
    s.now_ns += 3 * NS_PER_S;
    assert_false(met(&s)); /* nothing was sent */
    for (int i = 0; i < 10; i++)
        request(&s, 200, END_COMPLETE);
    assert_true(met(&s));
    request(&s, 503, END_COMPLETE);
    assert_false(met(&s));
    s.now_ns += NS_PER_S;
    request(&s, 200, END_CLIENT_TIMEOUT);
    s.now_ns += 3 * NS_PER_S / 2;
    request(&s, 204, END_COMPLETE);
    assert_false(met(&s));
    s.now_ns += NS_PER_S;
    assert_true(met(&s));
    stage_release(&s);
}

static void requests_and_firings_are_counted(void **state)
{
    static const char *const requests[] = {"within", "1m", "count", "3", NULL};
    static const char *const firings[] = {"within", "1m", "fault", "drags", "times", "2", NULL};
    struct stage s;
    (void)state;
    stage_init(&s, "requests", "client -> payments", requests);
    await_begin(&s.await, NULL, s.now_ns);
    request(&s, 200, END_COMPLETE);
    request(&s, 503, END_COMPLETE);
    assert_false(met(&s));
    request(&s, 0, END_RESET);
    assert_true(met(&s));
    stage_release(&s);
    stage_init(&s, "fired", NULL, firings);
    await_begin(&s.await, NULL, s.now_ns);
    await_on_fired(&s.await);
    assert_false(met(&s));
    await_on_fired(&s.await);
    assert_true(met(&s));
    stage_release(&s);
}

static void bad_awaits_are_errors_with_their_line(void **state)
{
    static const struct {
        const char *word, *on;
        const char *keys[5];
    } bad[] = {
        {"ejected", "payments/2", {NULL}},
        {"ejected", "payments", {"within", "1s"}},
        {"ejected", "payments/2", {"within", "soon"}},
        {"ejected", "payments/2", {"within", "1s", "late", "never"}},
        {"cert", "payments", {"within", "1s"}},
        {"fired", NULL, {"within", "1s"}},
    };
    struct source source = {.file = "s.lua", .line = 7};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct plan *plan = plan_new();
        struct step step = step_make(plan, STEP_AWAIT, bad[i].word, bad[i].on, source, bad[i].keys);
        struct await await;
        struct error err = {0};
        assert_false(await_parse(&step, &await, &err));
        assert_int_equal(err.source.line, 7);
        plan_free(plan);
    }
}

static void a_hostile_endpoint_number_is_left_alone(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s, "ejected", "payments/2", within);
    pick(&s, 0, 200, 0);
    pick(&s, 4, 200, 0);
    pick(&s, UINT16_MAX, 200, 0);
    assert_int_equal(s.picks.count, 0);
    stage_release(&s);
}

static void a_root_is_awaited_until_its_place_has_it(void **unused)
{
    struct stage s;
    (void)unused;
    stage_init(&s, "cert", "payments",
               (const char *const[]){"within", "2s", "root", "root-b", NULL});
    assert_string_equal(s.await.root, "root-b");
    await_begin(&s.await, &s.picks, s.now_ns);
    assert_false(met(&s));
    await_on_cert(&s.await, false);
    assert_false(met(&s));
    await_on_cert(&s.await, true);
    assert_true(met(&s));
    stage_release(&s);
}

/* One that enters its range and leaves it again starts anew; a sample from before is no answer. */
static void a_probe_is_awaited_until_it_has_held(void **unused)
{
    struct stage s;
    (void)unused;
    stage_init(
        &s, "probe", NULL,
        (const char *const[]){"within", "9s", "probe", "orders", "below", "5", "hold", "2s", NULL});
    assert_string_equal(await_on(&s.await), "orders");
    await_begin(&s.await, NULL, s.now_ns);
    await_on_probe(&s.await, s.now_ns - 1, true);
    s.now_ns += 5 * NS_PER_S;
    assert_false(met(&s));
    await_on_probe(&s.await, s.now_ns, true);
    s.now_ns += NS_PER_S;
    await_on_probe(&s.await, s.now_ns, false);
    s.now_ns += NS_PER_S;
    await_on_probe(&s.await, s.now_ns, true);
    s.now_ns += 2 * NS_PER_S - 1;
    assert_false(met(&s));
    s.now_ns += 1;
    assert_true(met(&s));
    stage_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_probe_is_awaited_until_it_has_held),
        cmocka_unit_test(a_root_is_awaited_until_its_place_has_it),
        cmocka_unit_test(ejected_needs_silence_and_picks_elsewhere),
        cmocka_unit_test(ejected_is_not_said_of_a_quiet_service),
        cmocka_unit_test(ejected_waits_four_mean_gaps_at_a_low_rate),
        cmocka_unit_test(ejected_is_not_said_of_an_endpoint_whose_calls_are_held),
        cmocka_unit_test(ejected_before_the_await_began_is_seen_at_once),
        cmocka_unit_test(one_endpoint_alone_is_never_silent),
        cmocka_unit_test(readmitted_needs_new_picks),
        cmocka_unit_test(readmitted_of_a_service_needs_all_with_good_last_picks),
        cmocka_unit_test(steady_starts_again_with_each_bad_answer),
        cmocka_unit_test(requests_and_firings_are_counted),
        cmocka_unit_test(bad_awaits_are_errors_with_their_line),
        cmocka_unit_test(a_hostile_endpoint_number_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
