/* Which hosts without picks were silent (spec/verifier.md 2.3): how many picks elsewhere that
 * takes, and from when on they count. */

#include "verify/track_fixture_test.h"

#include <math.h>

/* A request of one try on ${endpoint} at ${at_ms}, whose answer is out ${out_ms} later (0: never)
 * and with the client after ${done_ms}. */
static void add(struct journal *j, uint64_t at_ms, uint16_t endpoint, uint64_t out_ms,
                uint64_t done_ms)
{
    uint64_t id = j->request_count + 1;
    struct attempt_record a = try_of(id, 1, T(at_ms), out_ms * NS_PER_MS);
    a.endpoint = endpoint;
    a.outcome = out_ms == 0 ? OUTCOME_ABANDONED : OUTCOME_ANSWERED;
    a.done = 0;
    struct request_record r = {.due = T(at_ms),
                               .id_hi = 7,
                               .id_lo = id,
                               .status = 200,
                               .flags = REQUEST_TAGGED, /* its length taints nothing */
                               .head = done_ms * NS_PER_MS,
                               .done = done_ms * NS_PER_MS,
                               .edge = journal_add_name(j, "client -> payments")};
    journal_add(j, 2, RECORD_ATTEMPT, &a);
    journal_add(j, 1, RECORD_REQUEST, &r);
}

/* All three in turn for 0.3 s; then endpoint 3 has one that takes so long, and from 310 ms on the
 * others have ${picks}, one each 10 ms; then it has another, ${back}. */
static struct journal *left_out(uint64_t out_ms, uint64_t done_ms, uint64_t picks, bool back)
{
    struct journal *j = begin();
    for (uint64_t i = 0; i < 30; i++)
        add(j, 10 * i, (uint16_t)(i % 3 + 1), 1, 2);
    add(j, 300, 3, out_ms, done_ms);
    for (uint64_t i = 0; i < picks; i++)
        add(j, 310 + 10 * i, (uint16_t)(i % 2 + 1), 1, 2);
    if (back)
        add(j, 310 + 10 * picks, 3, 1, 2);
    return j;
}

static struct track *track_since(const struct journal *j, enum flavour flavour,
                                 struct span baseline)
{
    struct track_options options = {.arm = "subject",
                                    .service = "payments",
                                    .flavour = flavour,
                                    .endpoints = 3,
                                    .retries = 3,
                                    .span = {0, UINT64_MAX},
                                    .baseline = baseline};
    return track_new(j, &options);
}

static struct track *track_of(const struct journal *j, enum flavour flavour)
{
    return track_since(j, flavour, (struct span){0, 1});
}

static void finish(struct journal *j, struct track *t)
{
    track_free(t);
    journal_free(j);
}

/* One host has a quarter of the picks at least: chance leaves it out of so many once in 10^8. */
static uint64_t picks_enough(void)
{
    struct journal *j = left_out(1, 2, 10, true);
    struct track *t = track_of(j, FLAVOUR_ENVOY);
    uint64_t least = t->hosts[2].least;
    assert_in_range(least, 130, 140); /* ln 1e-8 / ln(1 - 1/8) = 138 */
    finish(j, t);
    return least;
}

static void it_takes_so_many_picks_and_no_fewer(void **state)
{
    uint64_t least = picks_enough();
    (void)state;
    for (int fewer = 0; fewer < 2; fewer++) {
        struct journal *j = left_out(1, 2, least - (uint64_t)fewer, true);
        struct track *t = track_of(j, FLAVOUR_ENVOY);
        assert_int_equal(t->silence_count, fewer ? 0 : 1);
        if (!fewer) {
            assert_int_equal(t->silences[0].picks, least);
            assert_int_equal(t->silences[0].begin_ns, T(300));
            assert_int_equal(t->silences[0].end_ns, T(310 + 10 * least));
            assert_true(t->tries[t->silences[0].after].after_silence);
        }
        finish(j, t);
    }
}

/* Its balancer starves healthy hosts for seconds. */
static void linkerd_has_no_silences(void **state)
{
    struct journal *j = left_out(1, 2, 400, true);
    struct track *t = track_of(j, FLAVOUR_LINKERD);
    (void)state;
    assert_int_equal(t->silence_count, 0);
    finish(j, t);
    j = left_out(1, 2, 400, true);
    t = track_of(j, FLAVOUR_ENVOY);
    assert_int_equal(t->silence_count, 1);
    finish(j, t);
}

/* As long as the host holds a request it may be spared; that the client waited for longer, for
 * another try, spares it nothing. */
static void picks_count_from_the_end_of_its_last_try(void **state)
{
    static const struct {
        uint64_t out_ms, done_ms;
        size_t silences;
    } rows[] = {{1, 2, 1}, {3000, 3001, 0}, {1, 3001, 1}, {0, 3001, 0}, {0, 2, 1}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct journal *j = left_out(rows[i].out_ms, rows[i].done_ms, 300, true);
        struct track *t = track_of(j, FLAVOUR_ENVOY);
        if (t->silence_count != rows[i].silences)
            fail_msg("row %zu: %zu silences", i, t->silence_count);
        finish(j, t);
    }
}

static void a_silence_may_last_to_the_end(void **state)
{
    struct journal *j = left_out(1, 2, 200, false);
    struct track *t = track_of(j, FLAVOUR_ENVOY);
    (void)state;
    assert_int_equal(t->silence_count, 1);
    assert_int_equal(t->silences[0].after, TRACK_NONE);
    assert_int_equal(t->silences[0].picks, 200);
    assert_int_equal(t->silences[0].end_ns, T(310 + 10 * 199));
    finish(j, t);
}

/* Within 1.25 s of a silence's begin or end nothing is quiet; its end is none where it never ended.
 */
static void quiet_is_what_lies_between_changes(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++) {
        struct journal *j = left_out(1, 2, 200, back == 1);
        struct track *t = track_of(j, FLAVOUR_ENVOY);
        assert_true(track_quiet(t, T(300) - 1));
        assert_false(track_quiet(t, T(300)));
        assert_false(track_quiet(t, T(1550)));
        assert_true(track_quiet(t, T(1550) + 1));
        assert_true(track_quiet(t, T(2310) - 1));
        assert_int_equal(track_quiet(t, T(2310)), back == 0);
        assert_int_equal(track_quiet(t, T(3560)), back == 0);
        assert_true(track_quiet(t, T(3560) + 1));
        finish(j, t);
    }
}

/* Of ten picks in the baseline endpoint 3 has ${third}, and endpoint 2 one. */
static struct journal *uneven(uint64_t picks, uint64_t third)
{
    struct journal *j = begin();
    for (uint64_t i = 0; i < picks; i++)
        add(j, 10 * i, i % 10 < third ? 3 : i % 10 == 9 ? 2 : 1, 1, 2);
    return j;
}

/* A share is believed between a quarter of the fair one and the fair one, and where there were 20
 * picks for each endpoint; else three quarters of the fair one. */
static void shares_are_measured_where_there_are_picks_enough(void **state)
{
    static const struct {
        uint64_t picks, third;
        double share;
    } rows[] = {{60, 2, 0.2}, {60, 1, 0.1}, {60, 0, 1.0 / 12}, {60, 5, 1.0 / 3}, {59, 2, 0.25}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct journal *j = uneven(rows[i].picks, rows[i].third);
        struct track *t = track_since(j, FLAVOUR_ENVOY, (struct span){T(0), T(2000)});
        if (fabs(t->hosts[2].share - rows[i].share) > 1e-9)
            fail_msg("row %zu: %g", i, t->hosts[2].share);
        double picks = log(1e-8) / log(1 - rows[i].share / 2);
        assert_int_equal(t->hosts[2].least, (uint64_t)ceil(picks));
        finish(j, t);
    }
}

/* Retries of requests that had been at endpoint 3 go elsewhere for two seconds, and nothing else
 * comes: that it has none is no silence. */
static void retries_that_had_been_there_show_no_silence(void **state)
{
    (void)state;
    for (int been = 0; been < 2; been++) {
        struct journal *j = left_out(1, 2, 0, false);
        for (uint64_t i = 0; i < 200; i++) {
            uint64_t id = j->request_count + 1, retry = T(320 + 10 * i);
            struct attempt_record a = try_of(id, 1, T(300), 1000);
            a.endpoint = been ? 3 : 1;
            a.status = 503;
            journal_add(j, 2, RECORD_ATTEMPT, &a);
            a = try_of(id, 2, retry, 1000);
            a.endpoint = been ? 1 : 2;
            journal_add(j, 2, RECORD_ATTEMPT, &a);
            struct request_record r = {.due = T(300),
                                       .id_hi = 7,
                                       .id_lo = id,
                                       .status = 200,
                                       .flags = REQUEST_TAGGED,
                                       .head = retry + NS_PER_MS - T(300),
                                       .done = retry + NS_PER_MS - T(300),
                                       .edge = journal_add_name(j, "client -> payments")};
            journal_add(j, 1, RECORD_REQUEST, &r);
        }
        add(j, 2400, 3, 1, 2);
        struct track *t = track_of(j, FLAVOUR_ENVOY);
        bool silent = false;
        for (size_t i = 0; i < t->silence_count; i++)
            silent = silent || t->silences[i].host == 2;
        assert_int_equal(silent, !been);
        track_free(t);
        journal_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_so_many_picks_and_no_fewer),
        cmocka_unit_test(shares_are_measured_where_there_are_picks_enough),
        cmocka_unit_test(linkerd_has_no_silences),
        cmocka_unit_test(picks_count_from_the_end_of_its_last_try),
        cmocka_unit_test(a_silence_may_last_to_the_end),
        cmocka_unit_test(retries_that_had_been_there_show_no_silence),
        cmocka_unit_test(quiet_is_what_lies_between_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
