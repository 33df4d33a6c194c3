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

/* Under way at the last success, it may have failed after it: then the second of those that came
 * later filled the count, not the third. Where it ended before that success it says nothing. */
static void a_failure_that_was_under_way_at_a_success_counts_after_it(void **state)
{
    static const struct made late = {1250, 0, 0, 1, 503};
    static const struct {
        double left_ms;
        enum verdict_kind kind;
        const char *text;
    } rows[] = {
        {120, VERDICT_INCONCLUSIVE, "2 of 2 runs before a penalty may have been longer"},
        {30, VERDICT_FAIL, "2 of 2 penalties were too short"},
    };
    struct fixture f;
    (void)state;
    for (size_t k = 0; k < COUNT_OF(rows); k++) {
        shut_twice(&f, &elsewhere, &late);
        for (int i = 0; i < 2; i++) {
            double at = 3000 * i;
            struct made cut = {at + 25, 0, at + rows[k].left_ms, 1, 0};
            add_request(&f, at + 25, at + rows[k].left_ms + 1, 504, BODY_OWN, &cut, 1);
        }
        is(&f, "accrual", rows[k].kind, rows[k].text);
    }
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

/* Three failures in a row fill the count at 300 ms; then probes fail at ${probes}, and the last of
 * them is answered well. Twice; ${most_ms}: what no penalty exceeds. */
static void shut_again(struct fixture *f, uint64_t most_ms, const double *probes, size_t count)
{
    begin(f, (struct edge_policy){.flavour = FLAVOUR_LINKERD,
                                  .endpoints = 1,
                                  .accrual = {.present = true,
                                              .max_failures = number(3),
                                              .min_penalty = number(NS_PER_S),
                                              .max_penalty = number(most_ms * NS_PER_MS),
                                              .jitter_ppm = number(500000)}});
    for (int i = 0; i < 2; i++) {
        double at = 20000 * i;
        add_clean(f, at, at + 50, 10, one, 1);
        for (int k = 1; k <= 3; k++)
            add(f, at + 100 * k, 1, 503);
        for (size_t k = 0; k < count; k++)
            add(f, at + probes[k], 1, k + 1 == count ? 200 : 503);
        add_clean(f, at + probes[count - 1] + 10, at + probes[count - 1] + 60, 10, one, 1);
    }
}

static void each_penalty_is_twice_the_one_before(void **state)
{
    static const double right[] = {1310, 3320, 7340, 11360}, soon[] = {1310, 3320, 6320};
    struct fixture f;
    (void)state;
    shut_again(&f, 4000, right, 4);
    is(&f, "accrual", VERDICT_PASS,
       "after 3 failures in a row, 2 times; for 2010..4020 ms after a failed probe, 6 times");
    shut_again(&f, 4000, soon, 3);
    is(&f, "accrual", VERDICT_FAIL,
       "2 of 4 penalties after a failed probe were too short, 2010..3000 ms; at least 4000 ms");
    shut_again(&f, 3000, soon, 3); /* as long as any may be */
    is(&f, "accrual", VERDICT_PASS, "2010..3000 ms after a failed probe, 4 times");
}

static void penalties_that_do_not_grow_fail(void **state)
{
    static const double same_again[] = {1310, 2320, 3330};
    struct fixture f;
    (void)state;
    shut_again(&f, 4000, same_again, 3);
    is(&f, "accrual", VERDICT_FAIL,
       "2 of 2 penalties after a failed probe were too short, 1010 ms; at least 2000 ms");
    shut_again(&f, 1000, same_again, 3);
    is(&f, "accrual", VERDICT_PASS, "after a failed probe, 4 times");
}

/* A slow answer from before the count was full comes in while a probe may be out: it decides, too.
 */
static void an_answer_to_an_older_request_ends_the_series(void **state)
{
    static const double same_again[] = {1310, 2320, 3330};
    struct fixture f;
    (void)state;
    shut_again(&f, 4000, same_again, 3);
    for (int i = 0; i < 2; i++) {
        struct made slow = {20000 * i + 60.1, 20000 * i + 1305, 0, 1, 200};
        add_request(&f, 20000 * i + 60, 20000 * i + 1306, 200, BODY_OWN, &slow, 1);
        add_clean(&f, 20000 * i + 61, 20000 * i + 91, 0.3, one, 1); /* a hundred since */
    }
    is(&f, "accrual", VERDICT_PASS, "after 3 failures in a row, 2 times");
}

/* So does one that an endpoint's rate limit refused: it may have been the probe. */
static void a_refusal_by_a_rate_limit_ends_the_series(void **state)
{
    static const double same_again[] = {1310, 2320, 3330};
    (void)state;
    for (int limited = 0; limited <= 1; limited++) {
        struct fixture f;
        shut_again(&f, 4000, same_again, 3);
        f.edge.rate = (struct rate_rule){.present = limited == 1, .per_second = number(5)};
        for (int i = 0; i < 2; i++)
            add_request(&f, 20000 * i + 1305, 20000 * i + 1306, 429, BODY_OWN, NULL, 0);
        is(&f, "accrual", limited == 1 ? VERDICT_PASS : VERDICT_FAIL, "");
        shut_again(&f, 4000, same_again, 3);
        f.edge.rate = (struct rate_rule){.present = limited == 1, .per_second = number(5)};
        for (int i = 0; i < 2; i++) /* between the failures: it was no run, perhaps */
            add_request(&f, 20000 * i + 150, 20000 * i + 151, 429, BODY_OWN, NULL, 0);
        is(&f, "accrual", limited == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           limited == 1 ? "2 of 2 runs before a penalty may have been longer" : "");
    }
}

/* Refusals end each run before it fills the count. Slow answers under way are no break in it: the
 * failure after them is not the one that filled the count. */
static void a_slow_answer_does_not_begin_a_run_anew(void **state)
{
    (void)state;
    for (int limited = 0; limited <= 1; limited++) {
        struct fixture f;
        shut_twice(&f, &elsewhere, NULL);
        f.edge.rate = (struct rate_rule){.present = limited == 1, .per_second = number(5)};
        struct made slow[] = {{362, 2400, 0, 1, 200}, {363, 2400, 0, 1, 200}};
        for (int i = 0; i < 2; i++)
            add_request(&f, 361.9 + i, 2401, 200, BODY_OWN, &slow[i], 1);
        for (int i = 0; i < 6; i++)
            add(&f, 400 + 100 * i, 1, 503);
        for (int i = 0; i < 4; i++)
            add_request(&f, 150 + 100 * i, 151 + 100 * i, 429, BODY_OWN, NULL, 0);
        is(&f, "accrual", limited == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           limited == 1 ? "runs before a penalty may have been longer" : "too short");
    }
}

static void add_change(struct fixture *f, double from_ms, double length_ms)
{
    struct world_record r = {.at = T(from_ms), .after = (uint64_t)(length_ms * 1e6)};
    journal_add(f->j, 2, RECORD_WORLD, &r);
}

/* An endpoint that came back meanwhile has a new gate. What changed before or afterwards is nothing
 * to it. */
static void a_change_of_the_world_ends_the_series(void **state)
{
    static const double same_again[] = {1310, 2320, 3330};
    static const struct {
        double from_ms, length_ms;
        bool ends;
    } rows[] = {{-5000, 10, false},
                {5000, 10, false},
                {800, 10, true},
                {100, 400, true},
                {1200, 400, true}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        shut_again(&f, 4000, same_again, 3);
        for (int k = rows[i].from_ms < 0; k < 2; k++)
            add_change(&f, 20000 * k + rows[i].from_ms, rows[i].length_ms);
        is(&f, "accrual", rows[i].ends ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           rows[i].ends ? "no runs of 3 failures" : "2 of 2 penalties after a failed probe");
    }
}

/* A probe of which nobody knows how it ended proves nothing of the next penalty. */
static void a_probe_that_may_have_gone_well_ends_the_series(void **state)
{
    static const double once[] = {1310, 2320};
    struct fixture f;
    (void)state;
    shut_again(&f, 4000, once, 2);
    for (size_t i = 0; i < f.j->request_count; i++) /* the client of each probe left */
        if (f.j->requests[i].r.due == T(1310) || f.j->requests[i].r.due == T(21310)) {
            f.j->requests[i].r.end = END_CLIENT_TIMEOUT;
            f.j->requests[i].r.status = 0;
        }
    for (size_t i = 0; i < f.j->attempt_count; i++)
        if (f.j->attempts[i].r.at == T(1310.1) || f.j->attempts[i].r.at == T(21310.1))
            f.j->attempts[i].r.status = 200;
    is(&f, "accrual", VERDICT_PASS, "after 3 failures in a row, 2 times");
}

/* 1.5 s is the most that the first may be, where a request waits for it, or is turned away. */
static void one_that_is_too_long_is_left_open(void **state)
{
    static const double lengthy[] = {1950, 4000};
    static const struct {
        double from_ms, until_ms; /* a request that no endpoint gets; 0: none */
        enum verdict_kind kind;
    } rows[] = {{0, 0, VERDICT_PASS},
                {1700, 1949, VERDICT_INCONCLUSIVE},
                {1850, 1949, VERDICT_PASS}, /* it came late, and was not kept for long */
                {1860, 2900, VERDICT_PASS}, /* nor by that one, which had let others by */
                {1905, 1949, VERDICT_INCONCLUSIVE}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        shut_again(&f, 4000, lengthy, 2);
        if (rows[i].from_ms > 0)
            add_request(&f, rows[i].from_ms, rows[i].until_ms, 504, BODY_OWN, NULL, 0);
        is(&f, "accrual", rows[i].kind,
           rows[i].kind == VERDICT_PASS
               ? "2 times"
               : "1 of 4 penalties were longer than they may be, and a request waited");
    }
}

/* Only runs that were full within the window count; what follows them may lie behind it. */
static void a_run_before_the_window_is_another_ones(void **state)
{
    static const double same_again[] = {1310, 2320, 3330}, right[] = {1310, 3320};
    struct fixture f;
    (void)state;
    shut_again(&f, 4000, same_again, 3);
    f.from_ms = 301; /* the first was full at 300 */
    is(&f, "accrual", VERDICT_FAIL, "1 of 1 penalties after a failed probe");
    shut_again(&f, 4000, right, 2);
    f.from_ms = 301;
    is(&f, "accrual", VERDICT_INCONCLUSIVE, "only 1 of 2 runs of 3 failures");
    shut_again(&f, 4000, right, 1); /* nothing comes after the last run: the walk is over */
    f.j->attempt_count -= 6;
    f.j->request_count -= 6;
    is(&f, "accrual", VERDICT_INCONCLUSIVE, "only 1 of 2 runs of 3 failures");
}

/* Nor is one after it: the second is full at 3300. */
static void a_run_after_the_window_is_another_ones(void **state)
{
    static const struct made late = {800, 0, 0, 1, 503};
    struct fixture f;
    (void)state;
    shut_twice(&f, &elsewhere, &late);
    f.until_ms = 3300;
    is(&f, "accrual", VERDICT_FAIL, "1 of 1 penalties were too short");
    shut_twice(&f, &elsewhere, &late);
    f.until_ms = 3301;
    is(&f, "accrual", VERDICT_FAIL, "2 of 2 penalties were too short");
}

static void what_passed_says_what_was_seen_on_one_clock(void **state)
{
    static const double once[] = {1310}, right[] = {1310, 3320};
    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        struct fixture f;
        struct arena arena;
        arena_init(&arena, 65536);
        shut_again(&f, 4000, count == 1 ? once : right, count);
        struct verdict v = judged(&f, "accrual", &arena);
        assert_int_equal(v.kind, VERDICT_PASS);
        assert_int_equal(v.eligible, 2 * count);
        assert_int_equal(strstr(v.text, "failed probe") != NULL, count == 2);
        arena_release(&arena);
        for (uint32_t proc = 1; proc <= 2; proc++) {
            struct clock_record c = {.boot_id = proc};
            journal_add(f.j, proc, RECORD_CLOCK, &c);
        }
        is(&f, "accrual", VERDICT_INCONCLUSIVE, "clocks");
    }
}

static void a_plan_of_ours_must_have_seen_one_grow(void **state)
{
    static const double once[] = {1310};
    struct fixture f;
    (void)state;
    shut_again(&f, 4000, once, 1);
    is(&f, "accrual", VERDICT_PASS, "2 times");
    shut_again(&f, 4000, once, 1);
    f.scenario.from_policy = true;
    is(&f, "accrual", VERDICT_INCONCLUSIVE, "no probes that failed");
    shut_again(&f, 1000, once, 1);
    f.scenario.from_policy = true;
    is(&f, "accrual", VERDICT_PASS, "2 times");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_is_shut_for_its_penalty_is_right),
        cmocka_unit_test(a_request_that_is_sent_there_sooner_is_a_witness),
        cmocka_unit_test(a_retry_on_the_same_host_leaves_it_open),
        cmocka_unit_test(a_run_that_may_have_been_longer_leaves_it_open),
        cmocka_unit_test(a_gate_that_may_have_been_shut_before_is_no_witness),
        cmocka_unit_test(a_failure_that_was_under_way_at_a_success_counts_after_it),
        cmocka_unit_test(a_try_that_was_read_late_with_the_one_before_filled_the_count_before),
        cmocka_unit_test(a_try_that_was_under_way_leaves_it_open),
        cmocka_unit_test(each_penalty_is_twice_the_one_before),
        cmocka_unit_test(penalties_that_do_not_grow_fail),
        cmocka_unit_test(an_answer_to_an_older_request_ends_the_series),
        cmocka_unit_test(a_slow_answer_does_not_begin_a_run_anew),
        cmocka_unit_test(a_refusal_by_a_rate_limit_ends_the_series),
        cmocka_unit_test(a_change_of_the_world_ends_the_series),
        cmocka_unit_test(a_probe_that_may_have_gone_well_ends_the_series),
        cmocka_unit_test(one_that_is_too_long_is_left_open),
        cmocka_unit_test(a_run_before_the_window_is_another_ones),
        cmocka_unit_test(a_run_after_the_window_is_another_ones),
        cmocka_unit_test(what_passed_says_what_was_seen_on_one_clock),
        cmocka_unit_test(a_plan_of_ours_must_have_seen_one_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
