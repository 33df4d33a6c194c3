#include "world/netem_codec.h"

#include "base/rng.h"
#include "world/distribution.h"

#include <linux/pkt_sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void a_share_comes_back_to_the_part_per_million(void **unused)
{
    (void)unused;
    for (uint32_t ppm = 0; ppm <= 1000000; ppm++)
        assert_int_equal(netem_ppm(netem_share(ppm)), ppm);
    assert_int_equal(netem_share(1000000), UINT32_MAX);
}

static uint32_t some(struct rng *r)
{
    return rng_chance_ppm(r, 500000) ? 0 : (uint32_t)rng_below(r, 1000001);
}

static struct netem random_netem(struct rng *r)
{
    struct netem n = {.delay_ns = rng_next(r) >> 20,
                      .jitter_ns = rng_below(r, INT32_MAX),
                      .delay_corr_ppm = some(r),
                      .losses = (enum netem_losses)rng_below(r, 3),
                      .duplicate_ppm = some(r),
                      .corrupt_ppm = some(r),
                      .reorder_ppm = some(r),
                      .rate_bytes_per_s = rng_next(r) >> rng_below(r, 64),
                      .slot_max_ns = rng_below(r, 2) * rng_below(r, 1000000000),
                      .limit_packets = (uint32_t)rng_below(r, 100000) + 1,
                      .ecn = rng_below(r, 2) != 0,
                      .has_seed = true,
                      .seed = rng_next(r)};
    n.gap = n.reorder_ppm == 0 ? 0 : (uint32_t)rng_below(r, 7) * 2;
    n.slot_min_ns = n.slot_max_ns / 2;
    if (n.losses == NETEM_LOSS_RANDOM)
        n.loss_ppm = some(r);
    if (n.losses == NETEM_LOSS_GEMODEL)
        n.ge_p_ppm = some(r), n.ge_r_ppm = some(r), n.ge_h_ppm = some(r), n.ge_k_ppm = some(r);
    if (n.losses == NETEM_LOSS_STATE)
        n.p13_ppm = some(r), n.p31_ppm = some(r), n.p32_ppm = some(r), n.p23_ppm = some(r),
        n.p14_ppm = some(r);
    return n;
}

/* The message as the kernel would see it. */
static struct bytes options_of(struct nl_msg *m)
{
    struct bytes all = netlink_view(m), options = {0};
    assert_true(netlink_find(netlink_behind(all, sizeof(struct tcmsg)), TCA_OPTIONS, &options));
    return options;
}

static void any_netem_comes_back_as_it_went(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct rng r = rng_of(seed);
        struct netem n = random_netem(&r), back;
        bool seeded;
        struct nl_msg *m = netlink_tc(RTM_NEWQDISC, 0, 1, TC_H_ROOT, NETEM_HANDLE, 0);
        netem_encode(m, &n);
        assert_true(netem_decode(options_of(m), &back, &seeded));
        assert_true(seeded);
        const char *field = netem_differs(&n, &back, seeded);
        if (field != NULL)
            fail_msg("seed %llu: %s", (unsigned long long)seed, field);
        netlink_free(m);
    }
}

static void a_law_goes_as_its_table(void **unused)
{
    struct netem n = {.delay_ns = 5, .jitter_ns = 2, .distribution = NETEM_PARETO};
    struct nl_msg *m = netlink_tc(RTM_NEWQDISC, 0, 1, TC_H_ROOT, NETEM_HANDLE, 0);
    struct bytes table;
    int16_t first;
    (void)unused;
    netem_encode(m, &n);
    assert_true(netlink_find(netlink_behind(options_of(m), sizeof(struct tc_netem_qopt)),
                             TCA_NETEM_DELAY_DIST, &table));
    assert_int_equal(table.len, DISTRIBUTION_ENTRIES * sizeof(int16_t));
    memcpy(&first, table.at, sizeof(first));
    assert_true(first < 0);
    netlink_free(m);
}

static void what_is_no_netem_is_refused(void **unused)
{
    static const uint8_t short_one[20];
    struct netem n;
    bool seeded;
    (void)unused;
    assert_false(netem_decode((struct bytes){short_one, sizeof(short_one)}, &n, &seeded));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_comes_back_to_the_part_per_million),
        cmocka_unit_test(any_netem_comes_back_as_it_went),
        cmocka_unit_test(a_law_goes_as_its_table),
        cmocka_unit_test(what_is_no_netem_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
