#include "model/rate.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#define S NS_PER_S
#define MS NS_PER_MS

static struct rate start(uint64_t per_second)
{
    struct edge_policy edge = {.flavour = FLAVOUR_LINKERD};
    edge.rate =
        (struct rate_rule){.present = true, .per_second = {.number = per_second, .set = true}};
    struct rate_config c = rate_config_of(&edge);
    struct rate r;
    rate_init(&r, &c, S);
    return r;
}

/* ${offered} a second for ${length_ns}: how many are let in. */
static uint64_t admitted(struct rate *r, uint64_t offered, uint64_t from_ns, uint64_t length_ns)
{
    uint64_t ret = 0;
    for (uint64_t now_ns = from_ns; now_ns < from_ns + length_ns; now_ns += S / offered)
        ret += rate_admit(r, now_ns);
    return ret;
}

static void burst_and_refill_are_those_of_the_limit(void **unused)
{
    (void)unused;
    struct rate r = start(50);
    /* linkerd-measured.md 7: 299 in 5 s, 99 in the first second. */
    assert_in_range(admitted(&r, 173, S, 5 * S), 298, 300);
    r = start(50);
    assert_in_range(admitted(&r, 1000, S, S), 98, 100);
    assert_true(r.refused > 800);
}

static void below_the_limit_none_is_refused(void **unused)
{
    (void)unused;
    struct rate r = start(50);
    assert_int_equal(admitted(&r, 40, S, 10 * S), 400);
    assert_int_equal(r.refused, 0);
    r = start(1);
    assert_true(rate_admit(&r, S));
    assert_false(rate_admit(&r, S + 900 * MS));
    assert_true(rate_admit(&r, 2 * S)); /* the refused one took nothing */
}

static void a_rest_fills_no_more_than_the_burst(void **unused)
{
    (void)unused;
    struct rate r = start(50);
    uint64_t in = 0;
    for (int i = 0; i < 80; i++)
        in += rate_admit(&r, 100 * S);
    assert_int_equal(in, 50);
}

static void without_a_limit_all_are_let_in(void **unused)
{
    (void)unused;
    struct edge_policy edge = {.flavour = FLAVOUR_ENVOY};
    struct rate_config c = rate_config_of(&edge);
    struct rate r;
    rate_init(&r, &c, S);
    for (int i = 0; i < 1000; i++)
        assert_true(rate_admit(&r, S));
    edge.rate = (struct rate_rule){.present = true, .per_second = {.number = 5, .set = true}};
    assert_false(rate_config_of(&edge).present); /* only Linkerd's inbound proxy has it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_and_refill_are_those_of_the_limit),
        cmocka_unit_test(below_the_limit_none_is_refused),
        cmocka_unit_test(a_rest_fills_no_more_than_the_burst),
        cmocka_unit_test(without_a_limit_all_are_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
