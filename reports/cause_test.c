/* The cause of a FAIL: offered when all its witnesses share what others have not, and not else. */
#include "reports/cause_fixture_test.h"

enum { OK, BAD, LOST }; /* how a try ends: 200, 503, left by the mesh after 5 ms */

static void add_lost(struct limits *l, uint64_t request, uint64_t head_us, uint16_t k)
{
    struct attempt_record a = {.at = LIMITS_T0 + head_us * NS_PER_US,
                               .id_hi = 7,
                               .id_lo = request,
                               .body = 1,
                               .left = 5 * NS_PER_MS,
                               .conn = (uint32_t)(1000 + request * 10 + k),
                               .sequence = 1,
                               .endpoint = 1,
                               .outcome = OUTCOME_LEFT,
                               .k = k,
                               .how_tied = TIED_OWN_ID,
                               .verb = VERB_GET};
    journal_add(l->j, LIMITS_PROXY, RECORD_ATTEMPT, &a);
}

/* One request whose tries end so. */
static void add(struct limits *l, const int *ends, size_t count)
{
    uint64_t at = LIMITS_S + l->seq * 100 * LIMITS_MS;
    uint64_t id = limits_request(l, at, at + count * 10 * LIMITS_MS,
                                 ends[count - 1] == OK ? 200 : 503, false);
    for (size_t i = 0; i < count; i++) {
        uint64_t head = at + i * 10 * LIMITS_MS + LIMITS_MS;
        uint16_t k = (uint16_t)(i + 1);
        if (ends[i] == LOST)
            add_lost(l, id, head, k);
        else
            limits_add_try(l, &(struct limits_try){.request = id,
                                                   .head_us = head,
                                                   .out_us = head + LIMITS_MS,
                                                   .status = ends[i] == OK ? 200 : 503,
                                                   .k = k});
    }
}

static void open(struct limits *l)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
    edge.retry.attempts = limits_value(2);
    edge.retry.per_try_timeout = limits_value(5 * NS_PER_MS);
    limits_open(l, &edge, 60 * LIMITS_S, "retries", NULL);
}

static const int lost_and_over[] = {LOST, BAD, BAD, BAD}, over[] = {BAD, BAD, BAD, BAD},
                 over_by_two[] = {BAD, BAD, BAD, BAD, BAD}, stopped[] = {BAD, BAD, BAD},
                 lost_and_stopped[] = {BAD, LOST, BAD}, good[] = {OK};

/* Five that go over with a try that timed out, and five that stop where they must. */
static void open_with_both(struct limits *l)
{
    open(l);
    for (int i = 0; i < 5; i++) {
        add(l, lost_and_over, COUNT_OF(lost_and_over));
        add(l, stopped, COUNT_OF(stopped));
        add(l, good, COUNT_OF(good));
    }
}

static void what_all_witnesses_share_and_no_other_has(void **state)
{
    struct limits l;
    (void)state;
    open_with_both(&l);
    cause_fixture(&l, "retry.max",
                  "In all 5 cases one of the tries had timed out; 5 requests without such a try "
                  "stopped at 2 retries. The likely cause: a try that times out is not counted");
}

static void what_another_has_too_is_no_cause(void **state)
{
    struct limits l;
    (void)state;
    open_with_both(&l);
    add(&l, lost_and_stopped, COUNT_OF(lost_and_stopped));
    cause_fixture(&l, "retry.max", NULL);
}

static void what_one_witness_has_not_is_no_cause(void **state)
{
    struct limits l;
    (void)state;
    open_with_both(&l);
    add(&l, over, COUNT_OF(over));
    cause_fixture(&l, "retry.max", NULL);
}

static void a_mesh_that_never_stops_where_it_should_runs_with_another_number(void **state)
{
    struct limits l;
    (void)state;
    open(&l);
    for (int i = 0; i < 4; i++) {
        add(&l, over, COUNT_OF(over));
        add(&l, good, COUNT_OF(good));
    }
    cause_fixture(&l, "retry.max",
                  "No request that failed each time stopped at 2: all 4 made 3. The likely cause: "
                  "the mesh runs with 3 retries");
}

static void numbers_that_differ_are_no_number(void **state)
{
    struct limits l;
    (void)state;
    open(&l);
    for (int i = 0; i < 4; i++)
        add(&l, over, COUNT_OF(over));
    add(&l, over_by_two, COUNT_OF(over_by_two));
    cause_fixture(&l, "retry.max", NULL);
}

static void two_witnesses_tell_nothing(void **state)
{
    struct limits l;
    (void)state;
    open(&l);
    add(&l, over, COUNT_OF(over));
    add(&l, over, COUNT_OF(over));
    cause_fixture(&l, "retry.max", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_all_witnesses_share_and_no_other_has),
        cmocka_unit_test(what_another_has_too_is_no_cause),
        cmocka_unit_test(what_one_witness_has_not_is_no_cause),
        cmocka_unit_test(a_mesh_that_never_stops_where_it_should_runs_with_another_number),
        cmocka_unit_test(numbers_that_differ_are_no_number),
        cmocka_unit_test(two_witnesses_tell_nothing),
    };
    return cmocka_run_group_tests_name("cause", tests, NULL, NULL);
}
