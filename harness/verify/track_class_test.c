/* What one try was to the target's detector, and when the mesh knew (spec/verifier.md 2.1). */

#include "verify/track_fixture_test.h"

#define FAILED (RULE_FAILS | RULE_FAILED)
#define CLEARED (RULE_CLEARS | RULE_CLEARED)
#define EITHER \
    (RULE_FAILS | RULE_CLEARS) /* the mesh may have made a failure of it, or a success \
                                */

static struct track *track_of(const struct journal *j, enum flavour flavour, uint64_t try_ns,
                              uint64_t request_ns)
{
    struct track_options options = {.arm = "subject",
                                    .service = "payments",
                                    .flavour = flavour,
                                    .endpoints = 2,
                                    .retries = 3,
                                    .try_timeout_ns = try_ns,
                                    .request_timeout_ns = request_ns,
                                    .span = {0, UINT64_MAX},
                                    .baseline = {0, 1}};
    return track_new(j, &options);
}

struct answer {
    uint16_t status;
    int grpc;     /* -1: none */
    int where;    /* 1: in a head that is all there is, 2: in trailers */
    int outcome;  /* after the head */
    uint8_t rule; /* of all failures */
    uint8_t gate; /* of gateway errors alone */
};

static void is_to(enum flavour flavour, const struct answer *a)
{
    struct journal *j = begin();
    struct attempt_record r = try_of(1, 1, T(1), NS_PER_MS);
    r.status = a->status;
    r.grpc_status = (uint8_t)(a->grpc + 1);
    r.grpc_where = (uint8_t)a->where;
    r.outcome = (uint8_t)a->outcome;
    journal_add(j, 2, RECORD_ATTEMPT, &r);
    add_request(j, 1, T(0), 3 * NS_PER_MS, &r);
    struct track *t = track_of(j, flavour, 0, 0);
    if (t->tries[0].rule[0] != a->rule || t->tries[0].rule[1] != a->gate)
        fail_msg("%u, grpc %d: %d and %d, not %d and %d", a->status, a->grpc, t->tries[0].rule[0],
                 t->tries[0].rule[1], a->rule, a->gate);
    track_free(t);
    journal_free(j);
}

static void envoy_counts_an_answer_by_its_head(void **state)
{
    static const struct answer rows[] = {
        {200, -1, 0, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {404, -1, 0, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {499, -1, 0, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {500, -1, 0, OUTCOME_ANSWERED, FAILED, CLEARED},
        {501, -1, 0, OUTCOME_ANSWERED, FAILED, CLEARED},
        {502, -1, 0, OUTCOME_ANSWERED, FAILED, FAILED},
        {504, -1, 0, OUTCOME_ANSWERED, FAILED, FAILED},
        {505, -1, 0, OUTCOME_ANSWERED, FAILED, CLEARED},
        {599, -1, 0, OUTCOME_ANSWERED, FAILED, CLEARED},
        {200, 0, 2, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {200, 1, 1, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {200, 2, 1, OUTCOME_ANSWERED, FAILED, CLEARED},
        {200, 4, 1, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, 5, 1, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {200, 7, 1, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {200, 13, 1, OUTCOME_ANSWERED, FAILED, CLEARED},
        {200, 14, 1, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, 15, 1, OUTCOME_ANSWERED, FAILED, CLEARED},
        {200, 14, 2, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {503, 0, 2, OUTCOME_ANSWERED, FAILED, FAILED},
        /* What broke after its head had cleared the count, and failed itself. */
        {200, -1, 0, OUTCOME_RESET_BY_FAULT, CLEARED | RULE_FAILS, CLEARED | RULE_FAILS},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        is_to(FLAVOUR_ENVOY, &rows[i]);
}

static void linkerd_counts_it_to_its_end(void **state)
{
    static const struct answer rows[] = {
        {200, -1, 0, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {404, -1, 0, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {429, -1, 0, OUTCOME_ANSWERED, RULE_CLEARS, RULE_CLEARS},
        {500, -1, 0, OUTCOME_ANSWERED, FAILED, FAILED},
        {599, -1, 0, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, 0, 2, OUTCOME_ANSWERED, CLEARED, CLEARED},
        {200, 1, 1, OUTCOME_ANSWERED, RULE_CLEARS, RULE_CLEARS},
        {200, 5, 2, OUTCOME_ANSWERED, RULE_CLEARS, RULE_CLEARS},
        {200, 2, 1, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, 4, 2, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, 7, 2, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, 13, 2, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, 14, 2, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, 15, 2, OUTCOME_ANSWERED, FAILED, FAILED},
        {200, -1, 0, OUTCOME_RESET_BY_FAULT, FAILED, FAILED},
        {200, -1, 0, OUTCOME_UPSTREAM_RESET, FAILED, FAILED},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        is_to(FLAVOUR_LINKERD, &rows[i]);
}

/* A try that the mesh left, 5 ms after it had come, and what the client had then. */
struct leaving {
    uint64_t out; /* after its head; 0: there was no answer */
    uint16_t status, got;
    int outcome, end;
    bool ends_elsewhere; /* no such request is known */
    uint8_t rule;
};

static void a_try_that_the_mesh_left_failed_unless_its_client_had_gone(void **state)
{
    static const struct leaving rows[] = {
        {0, 0, 503, OUTCOME_LEFT, END_COMPLETE, false, FAILED},
        {0, 0, 0, OUTCOME_LEFT, END_CLIENT_TIMEOUT, false, RULE_FAILS},
        {0, 0, 503, OUTCOME_ABANDONED, END_COMPLETE, false, RULE_FAILS},
        {0, 0, 503, OUTCOME_LEFT, END_COMPLETE, true, RULE_FAILS},
        /* As it left: our answer was no longer read. */
        {5 * NS_PER_MS, 200, 503, OUTCOME_ANSWERED, END_COMPLETE, false, FAILED},
        /* Answered before: it may have been read or not, but what says 500 has failed either way.
         */
        {NS_PER_MS, 200, 504, OUTCOME_ANSWERED, END_COMPLETE, false, EITHER},
        {NS_PER_MS, 499, 504, OUTCOME_ANSWERED, END_COMPLETE, false, EITHER},
        {NS_PER_MS, 500, 504, OUTCOME_ANSWERED, END_COMPLETE, false, FAILED},
        {NS_PER_MS, 200, 200, OUTCOME_ANSWERED, END_COMPLETE, false, CLEARED},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct leaving *row = &rows[i];
        struct journal *j = begin();
        struct attempt_record r = try_of(1, 1, T(1), row->out);
        r.status = row->status;
        r.outcome = (uint8_t)row->outcome;
        r.left = 5 * NS_PER_MS;
        journal_add(j, 2, RECORD_ATTEMPT, &r);
        add_request(j, row->ends_elsewhere ? 2 : 1, T(0), 9 * NS_PER_MS, &r);
        j->requests[0].r.status = row->got;
        j->requests[0].r.end = (uint8_t)row->end;
        struct track *t = track_of(j, FLAVOUR_ENVOY, 0, 0);
        if (t->tries[0].rule[0] != row->rule)
            fail_msg("row %zu: %d, not %d", i, t->tries[0].rule[0], row->rule);
        track_free(t);
        journal_free(j);
    }
}

/* To Linkerd a 429 ends a run of failures, if it was read; a timer's end is one more. */
static void a_429_that_was_left_is_either(void **state)
{
    (void)state;
    for (int taken = 0; taken < 2; taken++) {
        struct journal *j = begin();
        struct attempt_record r = try_of(1, 1, T(1), NS_PER_MS);
        r.status = 429;
        r.left = 5 * NS_PER_MS;
        journal_add(j, 2, RECORD_ATTEMPT, &r);
        add_request(j, 1, T(0), 9 * NS_PER_MS, &r);
        j->requests[0].r.status = taken ? 429 : 504;
        struct track *t = track_of(j, FLAVOUR_LINKERD, 0, 0);
        assert_int_equal(t->tries[0].rule[0], taken ? RULE_CLEARS : EITHER);
        track_free(t);
        journal_free(j);
    }
}

/* An answer at 102 ms is the first that the mesh may know of, where no timer can have been before
 * it: they are up to 10 ms early. */
static void a_timer_that_may_have_been_first_makes_its_begin_the_earliest(void **state)
{
    static const struct {
        uint64_t try_ms, request_ms, lo_ms;
    } rows[] = {{0, 0, 102}, {113, 0, 102}, {112, 0, 0}, {60, 0, 0}, {0, 113, 102}, {0, 112, 0}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct journal *j = begin();
        struct attempt_record r = try_of(1, 1, T(2), 100 * NS_PER_MS);
        journal_add(j, 2, RECORD_ATTEMPT, &r);
        add_request(j, 1, T(0), 103 * NS_PER_MS, &r);
        struct track *t =
            track_of(j, FLAVOUR_ENVOY, rows[i].try_ms * NS_PER_MS, rows[i].request_ms * NS_PER_MS);
        if (t->tries[0].lo_ns != T(rows[i].lo_ms))
            fail_msg("row %zu: %lld ms", i, (long long)(t->tries[0].lo_ns - T(0)) / 1000000);
        track_free(t);
        journal_free(j);
    }
}

/* The second try is held. It had not begun before the first was there, if that was over when it
 * came; else, as far as we know, with its request. */
static void a_held_try_began_after_the_one_before(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct journal *j = begin();
        struct attempt_record first = try_of(1, 1, T(50), (over ? 10 : 11) * NS_PER_MS),
                              second = try_of(1, 2, T(60), 0);
        first.status = 503;
        second.endpoint = 2;
        second.outcome = OUTCOME_LEFT;
        second.left = 40 * NS_PER_MS;
        journal_add(j, 2, RECORD_ATTEMPT, &first);
        journal_add(j, 2, RECORD_ATTEMPT, &second);
        add_request(j, 1, T(0), 110 * NS_PER_MS, &second);
        struct track *t = track_of(j, FLAVOUR_ENVOY, 0, 0);
        assert_int_equal(t->tries[1].lo_ns, over ? T(50) : T(0));
        assert_int_equal(t->tries[1].seen_ns, T(100)); /* it had left */
        assert_int_equal(t->tries[0].seen_ns, T(60));  /* the next of its request was there */
        track_free(t);
        journal_free(j);
    }
}

/* The client's head is at 50 ms, the end of a long body at 90 ms: the mesh made that head when the
 * last try was over. */
static void the_head_that_the_client_got_shows_that_the_last_try_was_over(void **state)
{
    struct journal *j = begin();
    struct attempt_record r = try_of(1, 1, T(1), NS_PER_MS);
    (void)state;
    journal_add(j, 2, RECORD_ATTEMPT, &r);
    add_request(j, 1, T(0), 90 * NS_PER_MS, &r);
    j->requests[0].r.head = 50 * NS_PER_MS;
    struct track *t = track_of(j, FLAVOUR_ENVOY, 0, 0);
    assert_int_equal(t->tries[0].seen_ns, T(50));
    track_free(t);
    journal_free(j);
}

/* The client has the first answer at 90 ms only; a try that follows it on its connection, at 50 ms,
 * shows that the mesh was done with it. */
static void the_next_try_on_its_connection_shows_that_it_was_over(void **state)
{
    static const struct {
        uint32_t conn, next_conn;
        uint32_t sequence, stream;
        uint64_t seen_ms;
    } rows[] = {{5, 5, 2, 0, 50},
                {5, 6, 2, 0, 90},
                {0, 0, 2, 0, 90},
                {5, 5, 1, 0, 90},
                {5, 5, 2, 3, 90} /* a stream of many */};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct journal *j = begin();
        for (uint16_t k = 0; k < 2; k++) {
            struct attempt_record r = try_of(k + 1u, 1, T(k == 0 ? 1 : 50), NS_PER_MS);
            r.conn = k == 0 ? rows[i].conn : rows[i].next_conn;
            r.sequence = k == 0 ? 1 : rows[i].sequence;
            r.stream = rows[i].stream;
            journal_add(j, 2, RECORD_ATTEMPT, &r);
            add_request(j, k + 1u, T(k == 0 ? 0 : 49), (k == 0 ? 90 : 10) * NS_PER_MS, &r);
        }
        struct track *t = track_of(j, FLAVOUR_ENVOY, 0, 0);
        assert_int_equal(t->tries[0].seen_ns, T(rows[i].seen_ms));
        track_free(t);
        journal_free(j);
    }
}

/* Tries may be read out of order. By the mesh's own count the last that we read was not its last:
 * the client may have another answer. */
static void the_client_has_the_answer_of_the_try_that_the_mesh_made_last(void **state)
{
    (void)state;
    for (int in_order = 0; in_order < 2; in_order++) {
        struct journal *j = begin();
        struct attempt_record first = try_of(1, in_order ? 1 : 2, T(1), NS_PER_MS),
                              second = try_of(1, in_order ? 2 : 1, T(5), NS_PER_MS);
        journal_add(j, 2, RECORD_ATTEMPT, &first);
        journal_add(j, 2, RECORD_ATTEMPT, &second);
        add_request(j, 1, T(0), 9 * NS_PER_MS, &second);
        struct track *t = track_of(j, FLAVOUR_ENVOY, 0, 0);
        assert_int_equal(t->tries[1].head_ns, T(5));
        assert_false(t->tries[0].taken);
        assert_int_equal(t->tries[1].taken, in_order);
        track_free(t);
        journal_free(j);
    }
}

static void a_try_went_well_when_it_was_answered_whole_and_without_an_error(void **state)
{
    static const struct {
        uint16_t status;
        uint64_t left;
        int grpc, outcome;
        bool well;
    } rows[] = {{200, 0, -1, OUTCOME_ANSWERED, true},  {399, 0, -1, OUTCOME_ANSWERED, true},
                {400, 0, -1, OUTCOME_ANSWERED, false}, {0, 0, -1, OUTCOME_ANSWERED, false},
                {200, 0, 0, OUTCOME_ANSWERED, true},   {200, 0, 1, OUTCOME_ANSWERED, false},
                {200, 5, -1, OUTCOME_ANSWERED, false}, {200, 0, -1, OUTCOME_UPSTREAM_RESET, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct journal *j = begin();
        struct attempt_record r = try_of(1, 1, T(1), NS_PER_MS);
        r.status = rows[i].status;
        r.grpc_status = (uint8_t)(rows[i].grpc + 1);
        r.outcome = (uint8_t)rows[i].outcome;
        r.left = rows[i].left * NS_PER_MS;
        journal_add(j, 2, RECORD_ATTEMPT, &r);
        add_request(j, 1, T(0), 9 * NS_PER_MS, &r);
        struct track *t = track_of(j, FLAVOUR_ENVOY, 0, 0);
        if (t->tries[0].well != rows[i].well)
            fail_msg("row %zu: %d", i, t->tries[0].well);
        track_free(t);
        journal_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envoy_counts_an_answer_by_its_head),
        cmocka_unit_test(linkerd_counts_it_to_its_end),
        cmocka_unit_test(a_try_that_the_mesh_left_failed_unless_its_client_had_gone),
        cmocka_unit_test(a_429_that_was_left_is_either),
        cmocka_unit_test(a_timer_that_may_have_been_first_makes_its_begin_the_earliest),
        cmocka_unit_test(a_held_try_began_after_the_one_before),
        cmocka_unit_test(the_head_that_the_client_got_shows_that_the_last_try_was_over),
        cmocka_unit_test(the_next_try_on_its_connection_shows_that_it_was_over),
        cmocka_unit_test(the_client_has_the_answer_of_the_try_that_the_mesh_made_last),
        cmocka_unit_test(a_try_went_well_when_it_was_answered_whole_and_without_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
