/* What may lie between two tries of a host: an ejection that too few picks elsewhere show, and
 * tries that never reached us (spec/verifier.md 2.1). */

#include "verify/track_fixture_test.h"

#define RETRIES 3

/* A request of one try, on ${endpoint}, that is answered well within a millisecond. */
static void add(struct journal *j, uint64_t head, uint16_t endpoint)
{
    struct attempt_record a = try_of(head, 1, head, 1000);
    a.endpoint = endpoint;
    journal_add(j, 2, RECORD_ATTEMPT, &a);
    add_request(j, head, head, NS_PER_MS, &a);
}

static struct track *track_of(const struct journal *j)
{
    struct track_options options = {.arm = "subject",
                                    .service = "payments",
                                    .flavour = FLAVOUR_ENVOY,
                                    .endpoints = 2,
                                    .retries = RETRIES,
                                    .unseen_ns = NS_PER_S,
                                    .span = {0, UINT64_MAX},
                                    .baseline = {0, 1}};
    return track_new(j, &options);
}

/* The second try of endpoint 1 comes ${gap_ms} after the first, at 5 s, with ${others} picks of
 * endpoint 2 in between; our side stood still for 20 ms at ${stall_ms}, 0: it did not. */
static void a_gap_may_be_an_ejection_where_something_speaks_for_it(void **state)
{
    static const struct {
        uint64_t gap_ms, stall_ms;
        uint64_t others;
        bool gap;
    } rows[] = {
        {999, 5500, 200, false}, /* too short for any */
        {1200, 0, 2, false},     /* at so few picks nothing rare */
        {1200, 0, 200, true},    /* chance leaves none out so long */
        {1499, 0, 2, false},     /* ... */
        {1500, 0, 2, true},      /* half as much again as the shortest */
        {1200, 5500, 2, true},   /* its ends may have been read late */
        {1200, 4200, 2, true},   /* ... by so much */
        {1200, 3500, 2, false},  /* ... but not by more */
        {1200, 6500, 2, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct journal *j = begin();
        add(j, T(5000), 1);
        for (uint64_t k = 1; k <= rows[i].others; k++)
            add(j, T(5000) + k * rows[i].gap_ms * NS_PER_MS / (rows[i].others + 1), 2);
        add(j, T(5000 + rows[i].gap_ms), 1);
        if (rows[i].stall_ms != 0) {
            struct stall_record stall = {.at = T(rows[i].stall_ms), .fired = 20 * NS_PER_MS};
            journal_add(j, 2, RECORD_STALL, &stall);
        }
        struct track *t = track_of(j);
        assert_int_equal(t->hosts[0].count, 2);
        if (track_may_have_been_out(t, 0, 1) != rows[i].gap)
            fail_msg("row %zu: %s", i, rows[i].gap ? "no gap" : "a gap");
        assert_false(track_may_have_been_out(t, 0, 0));
        assert_false(track_may_have_been_out(t, 0, 2)); /* there is no such try */
        track_free(t);
        journal_free(j);
    }
}

/* A request from 0 to 10 ms that the mesh answered itself: each of its tries may have met a host,
 * as long as it was under way. */
static void tries_that_never_reached_us_count_while_their_request_was_under_way(void **state)
{
    static const struct {
        uint64_t from_ns, to_ns;
        bool counts;
    } rows[] = {{T(0), T(1), true},        {T(1), T(2), true},     {T(10), T(20), true},
                {T(10) + 1, T(20), false}, {T(0) - 9, T(0), true}, {T(0) - 9, T(0) - 1, false}};
    struct journal *j = begin();
    (void)state;
    add_request(j, 1, T(0), 10 * NS_PER_MS, &(struct attempt_record){.status = 503});
    add(j, T(500), 1);
    struct track *t = track_of(j);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (track_hidden(t, rows[i].from_ns, rows[i].to_ns) != (rows[i].counts ? RETRIES + 1u : 0u))
            fail_msg("row %zu: %llu", i,
                     (unsigned long long)track_hidden(t, rows[i].from_ns, rows[i].to_ns));
    track_free(t);
    journal_free(j);
}

/* The mesh chose the host after the request was there, and after it could know of the try before.
 */
static void a_try_was_sent_after_what_its_request_had_behind_it(void **state)
{
    struct journal *j = begin();
    (void)state;
    add(j, T(0), 1);
    struct attempt_record first = j->attempts[0].r, second = first, alone = first;
    second.at = T(5);
    second.k = second.n_mesh = 2;
    journal_add(j, 2, RECORD_ATTEMPT, &second);
    j->requests[0].r.head = j->requests[0].r.done = 9 * NS_PER_MS;
    alone.at = T(7);
    alone.id_lo = 99; /* of a request that nobody told of */
    journal_add(j, 2, RECORD_ATTEMPT, &alone);
    j->attempts[0].r.status = 503;
    struct track *t = track_of(j);
    assert_int_equal(t->try_count, 3);
    assert_true(track_sent_after(t, &t->tries[0], T(0)));
    assert_false(track_sent_after(t, &t->tries[0], T(0) + 1));
    assert_true(track_sent_after(t, &t->tries[1], T(0) + 1000)); /* answered then */
    assert_false(track_sent_after(t, &t->tries[1], T(0) + 1001));
    assert_int_equal(t->tries[2].request, TRACK_NONE);
    assert_false(track_sent_after(t, &t->tries[2], T(0)));
    track_free(t);
    journal_free(j);
}

/* One failure after another, and a try that the mesh's timer cut 250 ms after it had come: it began
 * before them, and is one of them only from then on. */
static void a_held_try_has_failed_when_it_ends(void **state)
{
    struct journal *j = begin();
    (void)state;
    struct attempt_record held = try_of(77, 1, T(5000), 0);
    held.status = 0;
    held.outcome = OUTCOME_LEFT;
    held.left = 250 * NS_PER_MS;
    journal_add(j, 2, RECORD_ATTEMPT, &held);
    held.status = 504; /* the answer, of the mesh's own */
    add_request(j, 77, T(5000), 251 * NS_PER_MS, &held);
    for (uint64_t at = T(5100); at <= T(5300); at += 50 * NS_PER_MS) {
        add(j, at, 1);
        j->attempts[j->attempt_count - 1].r.status = 503;
        j->requests[j->request_count - 1].r.status = 503;
    }
    struct track *t = track_of(j);
    assert_int_equal(t->hosts[0].count, 6);
    assert_int_equal(track_smin(t, 0, 1, false), 1);
    assert_int_equal(track_smin(t, 0, 3, false), 3); /* at 5.2 s */
    assert_int_equal(track_smin(t, 0, 5, false), 6); /* at 5.3 s */
    assert_int_equal(track_smax(t, 0, 3, false), 4);
    track_free(t);
    journal_free(j);
}

/* The client got the answers the other way round: a mesh that had stood still may have acted on the
 * second alone. In a clean time it was only the client. */
static void failures_that_are_known_later_come_later(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        struct journal *j = begin();
        for (uint64_t i = 0; i < 3; i++) {
            add(j, T(5100) + i * NS_PER_MS, 1);
            j->attempts[i].r.status = j->requests[i].r.status = 503;
            j->requests[i].r.head = j->requests[i].r.done = (i == 0 ? 90 : 80) * NS_PER_MS;
        }
        struct stall_record stall = {.at = T(5150), .fired = 20 * NS_PER_MS};
        if (clean == 0)
            journal_add(j, 2, RECORD_STALL, &stall);
        struct track *t = track_of(j);
        assert_int_equal(track_smin(t, 0, 0, false), 1);
        assert_int_equal(track_smin(t, 0, 1, false), clean ? 2 : 1);
        assert_int_equal(track_smin(t, 0, 2, false), clean ? 3 : 2);
        assert_int_equal(track_smax(t, 0, 2, false), 3);
        track_free(t);
        journal_free(j);
    }
}

/* Two answers on their way at once, in a clean time, of which the client gets the second first: the
 * mesh may have, too. One that was sent well before is known. */
static void of_two_that_are_on_their_way_either_may_come_first(void **state)
{
    (void)state;
    for (int apart = 0; apart < 2; apart++) {
        struct journal *j = begin();
        for (uint64_t i = 0; i < 2; i++) {
            add(j, T(5100) + i * (apart ? 6 * NS_PER_MS : 200 * NS_PER_US), 1);
            j->attempts[i].r.status = j->requests[i].r.status = 503;
            j->requests[i].r.head = j->requests[i].r.done = (i == 0 ? 8 : 1) * NS_PER_MS;
        }
        struct track *t = track_of(j);
        assert_int_equal(track_smin(t, 0, 1, false), apart ? 2 : 1);
        assert_int_equal(track_smax(t, 0, 1, false), 2);
        track_free(t);
        journal_free(j);
    }
}

/* A good answer that takes three seconds ends between two failures that come after a gap: it began
 * before that, and ends the run all the same. */
static void a_success_from_before_a_gap_ends_a_run_behind_it(void **state)
{
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        struct journal *j = begin();
        struct attempt_record first = try_of(77, 1, T(5000), slow ? 3 * NS_PER_S : 1000);
        journal_add(j, 2, RECORD_ATTEMPT, &first);
        add_request(j, 77, T(5000), first.out + NS_PER_MS, &first);
        for (int i = 0; i < 3; i++) {
            add(j, T(7900 + 60 * i), 1);
            j->attempts[j->attempt_count - 1].r.status = 503;
            j->requests[j->request_count - 1].r.status = 503;
        }
        struct track *t = track_of(j);
        assert_true(t->tries[1].after_gap);
        assert_int_equal(track_smin(t, 0, 2, false), 2);
        assert_int_equal(track_smin(t, 0, 3, false), slow ? 1 : 3);
        track_free(t);
        journal_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_may_be_an_ejection_where_something_speaks_for_it),
        cmocka_unit_test(a_try_was_sent_after_what_its_request_had_behind_it),
        cmocka_unit_test(failures_that_are_known_later_come_later),
        cmocka_unit_test(of_two_that_are_on_their_way_either_may_come_first),
        cmocka_unit_test(a_success_from_before_a_gap_ends_a_run_behind_it),
        cmocka_unit_test(a_held_try_has_failed_when_it_ends),
        cmocka_unit_test(tries_that_never_reached_us_count_while_their_request_was_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
