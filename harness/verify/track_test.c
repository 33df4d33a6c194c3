#include "base/clock.h"
#include "base/sort.h"
#include "verify/track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Small journals written by hand: the primitives of spec/verifier.md section 2. Times are in ms
 * from 1000 s. */

#define T(ms) (1000 * NS_PER_S + (uint64_t)((ms)*1e6))

struct fixture {
    struct journal *j;
    uint64_t ids;
};

static void begin(struct fixture *f)
{
    f->j = journal_new();
    f->ids = 0;
    journal_add_proc(f->j, 1, "load", "subject", "client");
    journal_add_proc(f->j, 2, "proxy", "subject", "payments");
}

/* One request of one try on ${endpoint}; ${status} is the try's, ${got} the client's. */
static void add(struct fixture *f, double start_ms, double out_ms, double done_ms,
                uint16_t endpoint, uint16_t status, uint16_t got)
{
    struct attempt_record a = {.at = T(start_ms) + 200000,
                               .id_hi = 7,
                               .id_lo = ++f->ids,
                               .endpoint = endpoint,
                               .status = status,
                               .k = 1,
                               .n_mesh = 1,
                               .how_tied = TIED_OWN_ID};
    a.out = a.head_out = T(out_ms) - a.at;
    a.done = a.out + 1000;
    struct request_record r = {.due = T(start_ms),
                               .id_hi = 7,
                               .id_lo = f->ids,
                               .status = got,
                               .edge = journal_add_name(f->j, "client -> payments")};
    r.head = r.done = T(done_ms) - r.due;
    journal_add(f->j, 2, RECORD_ATTEMPT, &a);
    journal_add(f->j, 1, RECORD_REQUEST, &r);
}

static struct track *track_timed(const struct fixture *f, uint64_t try_ns, uint64_t request_ns)
{
    struct track_options options = {.arm = "subject",
                                    .service = "payments",
                                    .flavour = FLAVOUR_ENVOY,
                                    .endpoints = 3,
                                    .retries = 3,
                                    .try_timeout_ns = try_ns,
                                    .request_timeout_ns = request_ns,
                                    .span = {0, UINT64_MAX},
                                    .baseline = {0, 1}};
    return track_new(f->j, &options);
}

static struct track *track_made(const struct fixture *f)
{
    return track_timed(f, 0, 0);
}

static void finish(struct fixture *f, struct track *t)
{
    track_free(t);
    journal_free(f->j);
}

static void failures_in_a_row_are_certain_when_each_was_seen_before_the_next(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    add(&f, 0, 1, 2, 1, 200, 200);
    for (int i = 0; i < 4; i++)
        add(&f, 10 + 10 * i, 11 + 10 * i, 12 + 10 * i, 1, 503, 503);
    struct track *t = track_made(&f);
    assert_int_equal(track_smin(t, 0, 4, false), 4);
    assert_int_equal(track_smax(t, 0, 4, false), 4);
    finish(&f, t);
}

static void order_of_arrival_is_no_evidence_across_connections(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    /* Four failures, then a success and a failure whose answers were under way together. */
    for (int i = 0; i < 4; i++)
        add(&f, 10 * i, 1 + 10 * i, 2 + 10 * i, 1, 503, 503);
    add(&f, 40, 41, 60, 1, 200, 200);
    add(&f, 40.5, 41.5, 60, 1, 503, 503);
    struct track *t = track_made(&f);
    /* The mesh may have read the failure first: five in a row are possible, but not certain. */
    assert_int_equal(track_smax(t, 0, 5, false), 5);
    assert_true(track_smin(t, 0, 5, false) < 5);
    finish(&f, t);
}

static void a_success_that_the_client_did_not_get_clears_nothing(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    for (int i = 0; i < 3; i++)
        add(&f, 10 * i, 1 + 10 * i, 2 + 10 * i, 1, 503, 503);
    add(&f, 30, 31, 32, 1, 200,
        504); /* our 200 was cut by a timer of the mesh before it was read */
    add(&f, 40, 41, 42, 1, 503, 503);
    struct track *t = track_made(&f);
    assert_int_equal(track_smax(t, 0, 4, false), 5);
    assert_int_equal(track_smin(t, 0, 4, false), 1);
    finish(&f, t);
}

/* Our loop stood still from 0 to 140 ms. The per-try timeout of 120 ms cut two tries on the host;
 * of one we had read and answered the request all the same, after a success that came later. */
static void an_answer_that_a_timer_came_before_failed_before_it(void **state)
{
    struct fixture f;
    (void)state;
    for (int slow = 0; slow <= 1; slow++) {
        begin(&f);
        add(&f, -10, -9, -8, 1, 200, 200);
        add(&f, 0, 140, 150, 1, 0, 200); /* read late, and gone by then */
        f.j->attempts[1].r.at = T(140);
        f.j->attempts[1].r.out = f.j->attempts[1].r.head_out = f.j->attempts[1].r.done = 0;
        f.j->attempts[1].r.left = 10000;
        add(&f, 60, 140.1, 140.2, 1, 200, 200);
        add(&f, 5, 140.4, 150, 1, slow ? 503 : 200, 200);
        f.j->attempts[3].r.at = T(140.3);
        f.j->attempts[3].r.out = f.j->attempts[3].r.head_out = 100000;
        /* Its second try, elsewhere, is what the client got. */
        struct attempt_record again = f.j->attempts[3].r;
        again.at = T(149);
        again.endpoint = 2;
        again.status = 200;
        again.k = again.n_mesh = 2;
        journal_add(f.j, 2, RECORD_ATTEMPT, &again);
        struct track *t = track_timed(&f, 120 * NS_PER_MS, 0);
        assert_int_equal(track_smax(t, 0, 3, false), 2);
        track_free(t);
        /* Without such a timeout only a good answer that was not taken tells of one. */
        t = track_timed(&f, 0, 0);
        assert_int_equal(track_smax(t, 0, 3, false), slow ? 1 : 2);
        track_free(t);
        t = track_timed(&f, 0, 130 * NS_PER_MS);
        assert_int_equal(track_smax(t, 0, 3, false), 2);
        finish(&f, t);
    }
}

static void other_5xx_clear_the_gateway_counter(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    add(&f, 0, 1, 2, 1, 503, 503);
    add(&f, 10, 11, 12, 1, 500, 500);
    add(&f, 20, 21, 22, 1, 503, 503);
    struct track *t = track_made(&f);
    assert_int_equal(track_smin(t, 0, 2, false), 3);
    assert_int_equal(track_smin(t, 0, 2, true), 1);
    finish(&f, t);
}

static void a_hidden_try_may_have_been_a_failure_of_any_host(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    add(&f, 0, 1, 2, 1, 200, 200);
    for (int i = 1; i < 4; i++)
        add(&f, 10 * i, 1 + 10 * i, 2 + 10 * i, 1, 503, 503);
    f.j->attempts[3].r.n_mesh = 2; /* seen once, sent twice */
    struct track *t = track_made(&f);
    assert_int_equal(track_smax(t, 0, 3, false), 4);
    assert_int_equal(track_smin(t, 0, 3, false), 3);
    finish(&f, t);
}

/* The tries that never reached us lie between the last success and the only failure that we saw. */
static void hidden_tries_count_from_the_last_certain_success(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    add(&f, 0, 1, 2, 1, 200, 200);
    struct request_record r = {.due = T(10),
                               .id_hi = 7,
                               .id_lo = ++f.ids,
                               .status = 503,
                               .body_class = BODY_CONNECT_FAILURE,
                               .edge = journal_add_name(f.j, "client -> payments")};
    r.head = r.done = T(12) - r.due;
    journal_add(f.j, 1, RECORD_REQUEST, &r);
    add(&f, 20, 21, 22, 1, 503, 503);
    struct track *t = track_made(&f);
    assert_int_equal(track_smin(t, 0, 1, false), 1);
    assert_int_equal(track_smax(t, 0, 1, false), 5);
    assert_int_equal(track_hidden(t, T(5), T(30)), 4);
    assert_int_equal(track_hidden(t, T(13), T(30)), 0);
    finish(&f, t);
}

/* However long the time that is asked: a silence of 30 s has thousands of requests. */
static void hidden_tries_count_over_any_number_of_requests(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    struct request_record r = {.due = T(1),
                               .id_hi = 7,
                               .id_lo = ++f.ids,
                               .status = 503,
                               .body_class = BODY_CONNECT_FAILURE,
                               .edge = journal_add_name(f.j, "client -> payments")};
    r.head = r.done = T(2) - r.due;
    journal_add(f.j, 1, RECORD_REQUEST, &r);
    for (int i = 0; i < 3000; i++)
        add(&f, 10 + i, 10.5 + i, 10.6 + i, 2, 200, 200);
    struct track *t = track_made(&f);
    assert_int_equal(track_hidden(t, T(0), T(5000)), 4);
    assert_int_equal(track_hidden(t, T(1.5), T(5000)), 4); /* under way then */
    assert_int_equal(track_hidden(t, T(3), T(5000)), 0);
    finish(&f, t);
}

/* Records come by their ends; a try that was held comes long after its time. */
static void tries_are_in_the_order_of_their_heads(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    for (int i = 400; i > 0; i--)
        add(&f, 10 * (i * 7 % 401), 10 * (i * 7 % 401) + 1, 10 * (i * 7 % 401) + 2,
            (uint16_t)(1 + i % 3), 200, 200);
    struct attempt_record twice = {.at = T(10) + 200000, .k = 9, .endpoint = 2};
    journal_add(f.j, 2, RECORD_ATTEMPT, &twice);
    struct track *t = track_made(&f);
    assert_int_equal(t->try_count, 401);
    for (uint32_t i = 1; i < t->try_count; i++)
        assert_true(t->tries[i - 1].head_ns < t->tries[i].head_ns ||
                    (t->tries[i - 1].head_ns == t->tries[i].head_ns &&
                     t->tries[i - 1].r->k < t->tries[i].r->k));
    for (uint32_t i = 1; i < t->request_count; i++)
        assert_true(t->requests[i - 1].start_ns <= t->requests[i].start_ns);
    finish(&f, t);
}

static void the_median_is_the_sorted_ones(void **state)
{
    uint64_t values[13], sorted[13], seed = 1;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t count = 1 + (size_t)(round % 13);
        for (size_t i = 0; i < count; i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            values[i] = sorted[i] = (seed >> 40) % (1 + (uint64_t)round % 7);
        }
        qsort(sorted, count, sizeof(sorted[0]), sort_by_u64);
        assert_int_equal(track_median(values, count), sorted[count / 2]);
    }
}

static void a_silence_needs_picks_elsewhere_and_half_a_second(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    /* In turn for 1 s, then host 3 is left out for 2 s at 100/s, then it is back. */
    for (int i = 0; i < 100; i++)
        add(&f, 10 * i, 10 * i + 1, 10 * i + 2, (uint16_t)(i % 3 + 1), 200, 200);
    for (int i = 100; i < 300; i++)
        add(&f, 10 * i, 10 * i + 1, 10 * i + 2, (uint16_t)(i % 2 + 1), 200, 200);
    add(&f, 3000, 3001, 3002, 3, 200, 200);
    struct track *t = track_made(&f);
    assert_int_equal(t->silence_count, 1);
    assert_int_equal(t->silences[0].host, 2);
    assert_true(t->silences[0].picks >= 190 && t->silences[0].after != TRACK_NONE);
    assert_false(track_quiet(t, T(3100)));
    assert_false(track_quiet(t, T(1500)));
    assert_true(track_quiet(t, T(2900)));
    finish(&f, t);
}

static void a_burst_read_after_a_stall_is_no_silence(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    for (int i = 0; i < 30; i++)
        add(&f, 10 * i, 10 * i + 1, 10 * i + 2, (uint16_t)(i % 3 + 1), 200, 200);
    for (int i = 0; i < 200; i++) /* two hundred picks elsewhere in 20 ms */
        add(&f, 600 + 0.1 * i, 601 + 0.1 * i, 625, (uint16_t)(i % 2 + 1), 200, 200);
    add(&f, 640, 641, 642, 3, 200, 200);
    struct track *t = track_made(&f);
    assert_int_equal(t->silence_count, 0);
    finish(&f, t);
}

static void a_host_that_holds_a_request_may_be_spared(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    for (int i = 0; i < 30; i++)
        add(&f, 10 * i, 10 * i + 1, 10 * i + 2, (uint16_t)(i % 3 + 1), 200, 200);
    add(&f, 300, 2300, 2301, 3, 200, 200); /* it answers for two seconds */
    for (int i = 0; i < 190; i++)
        add(&f, 310 + 10 * i, 311 + 10 * i, 312 + 10 * i, (uint16_t)(i % 2 + 1), 200, 200);
    add(&f, 2400, 2401, 2402, 3, 200, 200);
    struct track *t = track_made(&f);
    assert_int_equal(t->silence_count, 0);
    finish(&f, t);
}

static void a_slow_clean_request_taints_its_time(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    for (int i = 0; i < 100; i++)
        add(&f, 10 * i, 10 * i + 1, 10 * i + 2, (uint16_t)(i % 3 + 1), 200, 200);
    add(&f, 1200, 1201, 1260, 1, 200, 200);
    struct track *t = track_made(&f);
    assert_true(spans_hold(&t->taint, T(1230)));
    assert_true(spans_hold(&t->taint, T(1175)) && spans_hold(&t->taint, T(1310)));
    assert_false(spans_hold(&t->taint, T(1100)) || spans_hold(&t->taint, T(1330)));
    assert_false(spans_hold(&t->stalls, T(1230)));
    finish(&f, t);
}

static void a_stall_of_our_own_loop_taints_more_than_itself(void **state)
{
    struct fixture f;
    struct stall_record brief = {.at = T(500), .fired = 7 * NS_PER_MS},
                        lengthy = {.at = T(900), .fired = 20 * NS_PER_MS};
    (void)state;
    begin(&f);
    add(&f, 0, 1, 2, 1, 200, 200);
    journal_add(f.j, 2, RECORD_STALL, &brief);
    journal_add(f.j, 2, RECORD_STALL, &lengthy);
    struct track *t = track_made(&f);
    assert_false(spans_hold(&t->taint, T(503)));
    assert_true(spans_hold(&t->taint, T(875)) && spans_hold(&t->taint, T(975)));
    assert_false(spans_hold(&t->taint, T(985)));
    assert_int_equal(spans_within(&t->raw, 0, UINT64_MAX), 20 * NS_PER_MS);
    finish(&f, t);
}

/* Many short stalls taint; only those of more than 250 ms at once are lags (5.4). */
static void long_lags_are_told_from_short_stalls(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    add(&f, 0, 1, 2, 1, 200, 200);
    for (int i = 0; i < 10; i++) {
        struct stall_record r = {.at = T(1000 * i + 100),
                                 .fired = (i == 3 ? 300 : 200) * NS_PER_MS};
        journal_add(f.j, 2, RECORD_STALL, &r);
    }
    add(&f, 11000, 11001, 11002, 1, 200, 200);
    struct track *t = track_made(&f);
    assert_int_equal(t->stalls.count, 10);
    assert_int_equal(t->lags.count, 1);
    assert_int_equal(spans_within(&t->lags, T(0), T(12000)), 300 * NS_PER_MS);
    finish(&f, t);
}

static void a_failed_connection_belongs_to_the_only_request_in_flight(void **state)
{
    struct fixture f;
    struct connection_record c = {.at = T(1), .close = 1000, .endpoint = 2, .fault = 9};
    (void)state;
    begin(&f);
    add(&f, 0, 31, 32, 1, 200, 200);
    f.j->attempts[0].r.n_mesh = 0; /* a mesh that does not count its tries */
    journal_add(f.j, 2, RECORD_CONNECTION, &c);
    struct track *t = track_made(&f);
    assert_int_equal(t->requests[0].refused, 1);
    assert_int_equal(t->requests[0].seen, 1);
    assert_int_equal(track_smax(t, 1, 0, false), 1);
    finish(&f, t);
    begin(&f);
    add(&f, 0, 31, 32, 1, 200, 200);
    add(&f, 0, 31, 32, 3, 200, 200);
    journal_add(f.j, 2, RECORD_CONNECTION, &c);
    t = track_made(&f);
    assert_int_equal(t->requests[0].refused + t->requests[1].refused, 0);
    finish(&f, t);
}

/* A request that has been waiting since long before is in flight too. */
static void a_request_that_began_long_ago_may_be_the_one(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        struct fixture f;
        struct connection_record c = {.at = T(4021), .close = 1000, .endpoint = 2, .fault = 9};
        begin(&f);
        add(&f, 0, 1, waits ? 9000 : 2, 1, 200, 503);
        for (int i = 1; i < 400; i++)
            add(&f, 10 * i, 10 * i + 0.2, 10 * i + 0.4, 1, 200, 200);
        add(&f, 4020, 4020.5, 4022, 1, 200, 200);
        f.j->attempts[400].r.n_mesh = 0;
        journal_add(f.j, 2, RECORD_CONNECTION, &c);
        struct track *t = track_made(&f);
        assert_int_equal(t->request_count, 401);
        assert_int_equal(t->requests[400].refused, waits ? 0 : 1);
        finish(&f, t);
    }
}

/* Read late, it is the request's before: this one's only try was its first, by the mesh's count. */
static void a_failed_connection_that_the_mesh_does_not_count_is_another_requests(void **state)
{
    struct connection_record c = {.at = T(1), .close = 1000, .endpoint = 2, .fault = 9};
    (void)state;
    for (uint16_t n_mesh = 1; n_mesh <= 2; n_mesh++) {
        struct fixture f;
        begin(&f);
        add(&f, 0, 31, 32, 1, 200, 200);
        f.j->attempts[f.j->attempt_count - 1].r.n_mesh = n_mesh;
        journal_add(f.j, 2, RECORD_CONNECTION, &c);
        struct track *t = track_made(&f);
        assert_int_equal(t->requests[0].refused, n_mesh - 1);
        finish(&f, t);
    }
}

/* Where we stood still we may have read it long after its request was over. */
static void a_failed_connection_that_a_stall_kept_back_is_nobodys(void **state)
{
    (void)state;
    for (int stalled = 0; stalled <= 1; stalled++) {
        struct fixture f;
        struct connection_record c = {.at = T(1035), .close = 1000, .endpoint = 2, .fault = 9};
        struct stall_record r = {.at = T(1000), .fired = 35 * NS_PER_MS};
        begin(&f);
        add(&f, 1005, 1006, 1007, 1, 200, 200);
        add(&f, 1033, 1034, 1036, 1, 200, 200);
        f.j->attempts[1].r.n_mesh = 0;
        journal_add(f.j, 2, RECORD_CONNECTION, &c);
        if (stalled == 1)
            journal_add(f.j, 2, RECORD_STALL, &r);
        struct track *t = track_made(&f);
        assert_int_equal(t->requests[0].refused, 0);
        assert_int_equal(t->requests[1].refused, stalled == 1 ? 0 : 1);
        finish(&f, t);
    }
}

static void spans_merge_and_are_found(void **state)
{
    struct span at[] = {{50, 60}, {10, 20}, {15, 30}, {60, 65}};
    struct spans s = {at, 4};
    (void)state;
    spans_merge(&s);
    assert_int_equal(s.count, 2);
    assert_true(spans_hold(&s, 10) && spans_hold(&s, 29) && spans_hold(&s, 62));
    assert_false(spans_hold(&s, 9) || spans_hold(&s, 30) || spans_hold(&s, 65));
    assert_int_equal(spans_within(&s, 25, 55), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_are_certain_when_each_was_seen_before_the_next),
        cmocka_unit_test(order_of_arrival_is_no_evidence_across_connections),
        cmocka_unit_test(a_success_that_the_client_did_not_get_clears_nothing),
        cmocka_unit_test(an_answer_that_a_timer_came_before_failed_before_it),
        cmocka_unit_test(other_5xx_clear_the_gateway_counter),
        cmocka_unit_test(a_hidden_try_may_have_been_a_failure_of_any_host),
        cmocka_unit_test(hidden_tries_count_from_the_last_certain_success),
        cmocka_unit_test(hidden_tries_count_over_any_number_of_requests),
        cmocka_unit_test(tries_are_in_the_order_of_their_heads),
        cmocka_unit_test(the_median_is_the_sorted_ones),
        cmocka_unit_test(a_silence_needs_picks_elsewhere_and_half_a_second),
        cmocka_unit_test(a_burst_read_after_a_stall_is_no_silence),
        cmocka_unit_test(a_host_that_holds_a_request_may_be_spared),
        cmocka_unit_test(a_slow_clean_request_taints_its_time),
        cmocka_unit_test(a_stall_of_our_own_loop_taints_more_than_itself),
        cmocka_unit_test(long_lags_are_told_from_short_stalls),
        cmocka_unit_test(a_request_that_began_long_ago_may_be_the_one),
        cmocka_unit_test(a_failed_connection_belongs_to_the_only_request_in_flight),
        cmocka_unit_test(a_failed_connection_that_the_mesh_does_not_count_is_another_requests),
        cmocka_unit_test(a_failed_connection_that_a_stall_kept_back_is_nobodys),
        cmocka_unit_test(spans_merge_and_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
