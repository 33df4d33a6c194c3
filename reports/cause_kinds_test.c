/* The causes of FAILs other than of too many tries: what is retried, and when the mesh gives up. */
#include "reports/cause_fixture_test.h"

#define STEP_US (400 * LIMITS_MS)

/* One request of one try or two; the first ends with ${status}, or is reset (0). */
static void add_first(struct limits *l, uint16_t status, bool again)
{
    uint64_t at = LIMITS_S + l->seq * STEP_US;
    uint16_t ends = again ? 200 : status == 0 ? 503 : status;
    uint64_t id = limits_request(l, at, at + 40 * LIMITS_MS, ends, false);
    for (uint16_t k = 1; k <= (again ? 2 : 1); k++) {
        uint64_t head = at + (k - 1u) * 30 * LIMITS_MS + LIMITS_MS;
        struct attempt_record a = {.at = LIMITS_T0 + head * NS_PER_US,
                                   .id_hi = 7,
                                   .id_lo = id,
                                   .body = 1,
                                   .out = NS_PER_MS,
                                   .head_out = NS_PER_MS,
                                   .done = NS_PER_MS + 1,
                                   .conn = (uint32_t)(1000 + id * 10 + k),
                                   .sequence = 1,
                                   .endpoint = 1,
                                   .status = k == 2 ? 200 : status,
                                   .outcome = OUTCOME_ANSWERED,
                                   .k = k,
                                   .how_tied = TIED_OWN_ID,
                                   .verb = VERB_GET};
        if (k == 1 && status == 0) {
            a.outcome = OUTCOME_RESET_BY_FAULT;
            a.head_out = 0;
        }
        journal_add(l->j, LIMITS_PROXY, RECORD_ATTEMPT, &a);
    }
}

static void add_firsts(struct limits *l, size_t count, uint16_t status, bool again)
{
    for (size_t i = 0; i < count; i++)
        add_first(l, status, again);
}

static void open_retries(struct limits *l)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
    edge.retry.attempts = limits_value(2);
    limits_open(l, &edge, 60 * LIMITS_S, "retries", NULL);
}

static void a_kind_that_is_never_retried(void **state)
{
    struct limits l;
    (void)state;
    open_retries(&l);
    add_firsts(&l, 12, 503, true);
    add_firsts(&l, 12, 0, false);
    cause_fixture(&l, "retry.must",
                  "None of the 12 first tries that failed with reset was followed by another; all "
                  "12 that failed with 503 were. The likely cause: the mesh does not retry on "
                  "reset");
}

static void a_mesh_without_retries(void **state)
{
    struct limits l;
    (void)state;
    open_retries(&l);
    add_firsts(&l, 12, 503, false);
    cause_fixture(&l, "retry.must",
                  "None of the 12 first tries that failed (503) was followed by another. The "
                  "likely cause: the mesh runs without retries");
}

static void a_kind_that_is_retried_at_times_is_no_cause(void **state)
{
    struct limits l;
    (void)state;
    open_retries(&l);
    add_firsts(&l, 12, 503, true);
    add_firsts(&l, 12, 503, false);
    cause_fixture(&l, "retry.must", NULL);
}

static void what_is_retried_and_not_listed(void **state)
{
    struct limits l;
    (void)state;
    open_retries(&l);
    add_firsts(&l, 12, 404, true);
    add_firsts(&l, 12, 400, false);
    cause_fixture(&l, "retry.only",
                  "All 12 first tries that ended with 404 were followed by another; none of the 12 "
                  "that ended with 400 was. The likely cause: the mesh retries on 404 too");
}

static void what_is_retried_at_times_is_no_condition(void **state)
{
    struct limits l;
    (void)state;
    open_retries(&l);
    add_firsts(&l, 12, 404, true);
    add_firsts(&l, 3, 404, false);
    cause_fixture(&l, "retry.only", NULL);
}

/* One request that gets no answer, and whose try the mesh lets go of after ${left_us}: it says 504,
 * or (0) the client has given up. */
static void add_held(struct limits *l, uint64_t left_us, uint16_t status)
{
    uint64_t at = LIMITS_S + l->seq * STEP_US;
    uint64_t id = limits_request(l, at, at + left_us + LIMITS_MS, status, false);
    struct attempt_record a = {.at = LIMITS_T0 + (at + LIMITS_MS) * NS_PER_US,
                               .id_hi = 7,
                               .id_lo = id,
                               .body = 1,
                               .left = left_us * NS_PER_US,
                               .conn = (uint32_t)(1000 + id),
                               .sequence = 1,
                               .endpoint = 1,
                               .outcome = OUTCOME_LEFT,
                               .k = 1,
                               .how_tied = TIED_OWN_ID,
                               .verb = VERB_GET};
    journal_add(l->j, LIMITS_PROXY, RECORD_ATTEMPT, &a);
    if (status == 0)
        l->j->requests[l->j->request_count - 1].r.end = END_CLIENT_TIMEOUT;
}

static void open_timeout(struct limits *l, uint64_t per_try_ns, uint64_t whole_ns)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
    if (per_try_ns > 0)
        edge.retry.per_try_timeout = limits_value(per_try_ns);
    if (whole_ns > 0)
        edge.request_timeout = limits_value(whole_ns);
    limits_open(l, &edge, 120 * LIMITS_S, "timeout", NULL);
    for (int i = 0; i < 60; i++) { /* how late this machine is by itself */
        uint64_t at = LIMITS_S + l->seq * STEP_US;
        limits_served(l, at, at + 3 * LIMITS_MS, 1);
    }
}

static void tries_that_are_all_cut_at_another_time(void **state)
{
    struct limits l;
    (void)state;
    open_timeout(&l, 100 * NS_PER_MS, 0);
    for (uint64_t i = 0; i < 12; i++)
        add_held(&l, 198 * LIMITS_MS + i * 500, 504);
    cause_fixture(&l, "timeout.try",
                  "All 12 tries without an answer were ended at 198..204 ms, none at 100 ms. The "
                  "likely cause: the mesh runs with a per-try timeout of about 200 ms");
}

static void tries_that_are_cut_at_all_times(void **state)
{
    struct limits l;
    (void)state;
    open_timeout(&l, 100 * NS_PER_MS, 0);
    for (uint64_t i = 0; i < 12; i++)
        add_held(&l, (150 + i * 15) * LIMITS_MS, 504);
    cause_fixture(&l, "timeout.try", NULL);
}

static void one_that_was_cut_in_time(void **state)
{
    struct limits l;
    (void)state;
    open_timeout(&l, 100 * NS_PER_MS, 0);
    for (uint64_t i = 0; i < 20; i++)
        add_held(&l, 200 * LIMITS_MS, 504);
    add_held(&l, 100 * LIMITS_MS, 504);
    cause_fixture(&l, "timeout.try", NULL);
}

static void requests_that_all_end_at_another_time(void **state)
{
    struct limits l;
    (void)state;
    open_timeout(&l, 0, 100 * NS_PER_MS);
    for (uint64_t i = 0; i < 12; i++)
        add_held(&l, 301 * LIMITS_MS + i * 500, 504);
    cause_fixture(&l, "timeout.request",
                  "All 12 requests that timed out were ended at 302..307 ms, none at 100 ms. The "
                  "likely cause: the mesh runs with a timeout of about 300 ms");
}

static void requests_that_the_mesh_never_ends(void **state)
{
    struct limits l;
    (void)state;
    open_timeout(&l, 0, 100 * NS_PER_MS);
    for (uint64_t i = 0; i < 12; i++)
        add_held(&l, 350 * LIMITS_MS, 0);
    cause_fixture(&l, "timeout.request",
                  "12 requests lasted longer, and the mesh ended none of them. The likely cause: "
                  "it runs without a timeout");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_that_is_never_retried),
        cmocka_unit_test(a_mesh_without_retries),
        cmocka_unit_test(a_kind_that_is_retried_at_times_is_no_cause),
        cmocka_unit_test(what_is_retried_and_not_listed),
        cmocka_unit_test(what_is_retried_at_times_is_no_condition),
        cmocka_unit_test(tries_that_are_all_cut_at_another_time),
        cmocka_unit_test(tries_that_are_cut_at_all_times),
        cmocka_unit_test(one_that_was_cut_in_time),
        cmocka_unit_test(requests_that_all_end_at_another_time),
        cmocka_unit_test(requests_that_the_mesh_never_ends),
    };
    return cmocka_run_group_tests_name("cause_kinds", tests, NULL, NULL);
}
