/* eject.early: which rounds of failures count as evidence, and which silences are looked at. */

#include "verify/tries_fixture_test.h"

static const uint16_t both[] = {1, 2}, all[] = {1, 2, 3};

/* Three failures in a row put one out. */
static struct edge_policy ejects(uint32_t endpoints, uint64_t percent)
{
    return (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                .endpoints = endpoints,
                                .outlier = {.present = true,
                                            .consecutive_5xx = number(3),
                                            .interval = number(NS_PER_S),
                                            .base_ejection = number(2 * NS_PER_S),
                                            .max_ejection_percent = number(percent)}};
}

/* ${count} rounds on endpoint 1 from 0.4 s on, each of 160 ms. */
static void add_rounds(struct fixture *f, int count)
{
    for (int k = 0; k < 4 * count; k++)
        add(f, 400 + 40 * k, 1, k % 4 < 2 ? 503 : 200);
}

static void ten_rounds_are_enough_and_nine_are_not(void **state)
{
    (void)state;
    for (int count = 9; count <= 10; count++) {
        struct fixture f;
        begin(&f, ejects(3, 34));
        add_clean(&f, 0, 400, 10, all, 3);
        add_rounds(&f, count);
        is(&f, "eject.early", count == 10 ? VERDICT_PASS : VERDICT_INCONCLUSIVE,
           count == 10 ? "10 rounds of 2 failures" : "rounds of 2 failures and a success");
    }
}

/* The mesh may have made a failure of an answer that its client did not get: no certain success
 * ended those rounds, and one failure more may have been too many. */
static void a_round_ends_with_a_success_that_the_client_got(void **state)
{
    (void)state;
    for (int got = 0; got < 2; got++) {
        struct fixture f;
        begin(&f, ejects(3, 34));
        add_clean(&f, 0, 400, 10, all, 3);
        for (int k = 0; k < 60; k++) {
            double at = 400 + 40 * k;
            struct made made = {at + 0.1, at + 0.3, 0, 1, 200};
            if (k % 5 == 2)
                add_request(&f, at, at + 0.5, got ? 200 : 504,
                            got ? BODY_OWN : BODY_UPSTREAM_TIMEOUT, &made, 1);
            else
                add(&f, at, 1, k % 5 < 2 ? 503 : 200);
        }
        is(&f, "eject.early", got ? VERDICT_PASS : VERDICT_INCONCLUSIVE,
           got ? "12 rounds of 2 failures" : "rounds of 2 failures and a success");
    }
}

/* The gauge says two of three are out, so that the mesh sends to all, after the first rounds: of
 * all rounds so many show nothing. */
static void rounds_that_a_panic_hides_are_counted_of_all(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, ejects(3, 100));
    f.edge.outlier.min_health_percent = number(50);
    add_clean(&f, 0, 400, 10, all, 3);
    add_rounds(&f, 12);
    journal_add_proc(f.j, 3, "mesh", "subject", "client");
    for (int at = 0; at < 2500; at += 250) {
        struct metric_record m = {.at = T(at),
                                  .answer = NS_PER_MS,
                                  .value = at < 1250 ? 0 : 2,
                                  .proxy = journal_add_name(f.j, "client -> payments"),
                                  .name =
                                      journal_add_name(f.j, "outlier_detection.ejections_active")};
        journal_add(f.j, 3, RECORD_METRIC, &m);
    }
    is(&f, "eject.early", VERDICT_INCONCLUSIVE, "10 of 12 rounds show nothing");
}

/* A silence belongs to the phase in which it began: a pick just at the end is the next one's. */
static void a_silence_that_begins_at_the_end_is_the_next_phases(void **state)
{
    (void)state;
    for (int later = 0; later < 2; later++) {
        struct fixture f;
        begin(&f, ejects(3, 34));
        add_clean(&f, 0, 1000, 10, all, 3);
        add(&f, 1000, 3, 200);
        add_clean(&f, 1005, 4000, 10, both, 2);
        add_clean(&f, 4000, 4500, 10, all, 3);
        f.until_ms = 1000 + 0.1 + later;
        is(&f, "eject.early", later ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           later ? "payments/3 went out" : "rounds of 2 failures");
    }
}

/* One failure of three that we saw, at 2.4 s, and a request whose try never reached us: what other
 * phases held open is theirs to say. */
static void what_only_unseen_tries_explain_is_of_its_own_phase(void **state)
{
    (void)state;
    for (int later = 0; later < 2; later++) {
        struct fixture f;
        begin(&f, ejects(3, 34));
        f.edge.retry.attempts = number(2);
        f.scenario.from_policy = true;
        add_clean(&f, 0, 2400, 10, all, 3);
        add(&f, 2400, 1, 503);
        add_request(&f, 2402, 2403, 503, BODY_CONNECT_FAILURE, NULL, 0);
        add_clean(&f, 2405, 4500, 10, all + 1, 2);
        f.from_ms = 2400 + 0.1 + later;
        is(&f, "eject.early", VERDICT_INCONCLUSIVE,
           later ? "rounds of 2 failures" : "tries that never did may be the others");
    }
}

/* Both fail once, and from 1.04 s on none is healthy: forty answers say so. */
static void add_all_out(struct fixture *f)
{
    begin(f, ejects(2, 100));
    add_clean(f, 0, 1000, 10, both, 2);
    add(f, 1010, 1, 503);
    add(f, 1020, 2, 503);
    for (int i = 0; i < 40; i++)
        add_request(f, 1040 + 50 * i, 1040.5 + 50 * i, 503, BODY_NO_HEALTHY, NULL, 0);
}

static void hosts_that_are_out_together_are_counted_once(void **state)
{
    struct fixture f;
    struct arena arena;
    (void)state;
    add_all_out(&f);
    add_clean(&f, 3500, 4000, 10, both, 2);
    arena_init(&arena, 65536);
    struct verdict v = judged(&f, "eject.early", &arena);
    assert_int_equal(v.kind, VERDICT_FAIL);
    assert_int_equal(v.seen, 2);
    assert_int_equal(v.wrong, 2);
    arena_release(&arena);
    journal_free(f.j);
}

/* Endpoint 1 has a pick while the mesh says that none is healthy: that answer and the pick were
 * made in some order, and it is in. Endpoint 2 never had one. */
static void a_host_with_picks_meanwhile_or_without_any_is_not_looked_at(void **state)
{
    struct fixture f;
    struct arena arena;
    (void)state;
    begin(&f, ejects(2, 100));
    add_clean(&f, 0, 1000, 10, both, 1);
    add_request(&f, 1005, 1035, 503, BODY_NO_HEALTHY, NULL, 0);
    add(&f, 1020, 1, 200);
    add_clean(&f, 1040, 2000, 10, both, 1);
    arena_init(&arena, 65536);
    struct verdict v = judged(&f, "eject.early", &arena);
    assert_int_equal(v.kind, VERDICT_INCONCLUSIVE);
    assert_int_equal(v.seen, 0);
    arena_release(&arena);
    journal_free(f.j);
}

/* No pick follows, whose own time could be no evidence. That of the first of all is none. */
static void hosts_that_are_out_to_the_end_are_looked_at(void **state)
{
    struct fixture f;
    (void)state;
    add_all_out(&f);
    add_stall(&f, 2, 0, 100);
    is(&f, "eject.early", VERDICT_FAIL, "went out after fewer than 3");
}

/* The mesh cuts three tries when 3 s are over, long after many that came later had been answered.
 */
static void tries_that_were_held_for_long_put_it_out(void **state)
{
    (void)state;
    for (int held = 0; held < 2; held++) {
        struct fixture f;
        begin(&f, ejects(3, 34));
        for (int k = 0; held == 1 && k < 3; k++) {
            struct made made = {10 + k, 0, 3010 + k, 3, 0};
            add_request(&f, 9.9 + k, 3010.2 + k, 504, BODY_UPSTREAM_TIMEOUT, &made, 1);
        }
        add_clean(&f, 0, 3010, 10, all, 3);
        add_clean(&f, 3010, 7000, 10, both, 2);
        add_clean(&f, 7000, 7300, 10, all, 3);
        is(&f, "eject.early", held ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           held ? "rounds of 2 failures" : "went out after fewer than 3");
    }
}

/* The breaker is full each time that it is endpoint 2's turn, for four seconds. Where nothing was
 * dropped, or hosts are drawn, it went out, though none may. */
static void turns_that_a_full_breaker_dropped_are_no_silence(void **state)
{
    static const struct {
        enum lb_policy balance;
        bool drops;
    } rows[] = {{LB_ROUND_ROBIN, true}, {LB_ROUND_ROBIN, false}, {LB_RANDOM, true}};
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        struct fixture f;
        begin(&f, ejects(3, 10));
        f.edge.balance = number(rows[row].balance);
        f.edge.pool.max_requests = number(8);
        add_clean(&f, 0, 2000, 10, all, 3);
        for (double at = 2000; at < 6000; at += 15) {
            add(&f, at, 1, 200);
            if (rows[row].drops)
                add_request(&f, at + 5, at + 5.4, 503, BODY_OVERFLOW, NULL, 0);
            add(&f, at + 10, 3, 200);
        }
        add_clean(&f, 6000, 7000, 10, all, 3);
        bool explained = row == 0;
        is(&f, "eject.never", explained ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           explained ? "no endpoint failed" : "payments/2 went out");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_that_a_full_breaker_dropped_are_no_silence),
        cmocka_unit_test(ten_rounds_are_enough_and_nine_are_not),
        cmocka_unit_test(a_round_ends_with_a_success_that_the_client_got),
        cmocka_unit_test(rounds_that_a_panic_hides_are_counted_of_all),
        cmocka_unit_test(a_silence_that_begins_at_the_end_is_the_next_phases),
        cmocka_unit_test(what_only_unseen_tries_explain_is_of_its_own_phase),
        cmocka_unit_test(hosts_that_are_out_together_are_counted_once),
        cmocka_unit_test(a_host_with_picks_meanwhile_or_without_any_is_not_looked_at),
        cmocka_unit_test(tries_that_were_held_for_long_put_it_out),
        cmocka_unit_test(hosts_that_are_out_to_the_end_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
