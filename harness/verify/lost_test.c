/* A record is written when what it tells of has ended: one that was lost after a phase may be of a
 * try within it. */
#include "verify/limits_fixture_test.h"

#define PHASE_US (5 * LIMITS_S)

/* An answer at the end of the phase whose try nobody wrote down, and a loss so long after the
 * phase.
 */
static void open(struct limits *l, uint64_t lost_after_us)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
    limits_open(l, &edge, PHASE_US, "status", NULL);
    for (uint64_t i = 0; i < 150; i++)
        limits_served(l, i * 20 * LIMITS_MS, i * 20 * LIMITS_MS + 4 * LIMITS_MS, 1);
    limits_request(l, PHASE_US - 100 * LIMITS_MS, PHASE_US + 300 * LIMITS_MS, 200, false);
    uint64_t at = LIMITS_T0 + (PHASE_US + lost_after_us) * NS_PER_US;
    struct lost_record r = {.at = at, .to = at + NS_PER_MS, .count = 1, .kind = RECORD_ATTEMPT};
    journal_add(l->j, LIMITS_PROXY, RECORD_LOST, &r);
}

static void a_record_that_was_lost_after_a_phase_may_be_of_it(void **state)
{
    struct limits l;
    (void)state;
    open(&l, 300 * LIMITS_MS);
    const struct verdict *v = limits_judge(&l, "honest");
    assert_int_equal(v->kind, VERDICT_INCONCLUSIVE);
    assert_int_equal(v->why, WHY_LOST);
    limits_close(&l);
}

static void one_that_was_lost_long_after_it_is_not(void **state)
{
    struct limits l;
    (void)state;
    open(&l, 2000 * LIMITS_MS);
    assert_int_equal(limits_judge(&l, "honest")->kind, VERDICT_FAIL);
    limits_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_was_lost_after_a_phase_may_be_of_it),
        cmocka_unit_test(one_that_was_lost_long_after_it_is_not),
    };
    return cmocka_run_group_tests_name("lost", tests, NULL, NULL);
}
