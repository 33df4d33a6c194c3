#include "world/netem_codec.h"

#include "world/distribution.h"

#include <linux/pkt_sched.h>

/* Linux 6.6; not in the headers that we build with. */
#define NETEM_PRNG_SEED 14
#define PPM 1000000u

uint32_t netem_share(uint32_t ppm)
{
    return (uint32_t)(((uint64_t)ppm * UINT32_MAX + PPM / 2) / PPM);
}

uint32_t netem_ppm(uint32_t share)
{
    return (uint32_t)(((uint64_t)share * PPM + UINT32_MAX / 2) / UINT32_MAX);
}

static void put_losses(struct nl_msg *m, const struct netem *n)
{
    if (n->losses == NETEM_LOSS_RANDOM)
        return;
    struct nlattr *nest = netlink_nest(m, TCA_NETEM_LOSS);
    if (n->losses == NETEM_LOSS_GEMODEL) {
        struct tc_netem_gemodel ge = {.p = netem_share(n->ge_p_ppm),
                                      .r = netem_share(n->ge_r_ppm),
                                      .h = netem_share(n->ge_h_ppm),
                                      .k1 = netem_share(n->ge_k_ppm)};
        netlink_put(m, NETEM_LOSS_GE, &ge, sizeof(ge));
    } else {
        struct tc_netem_gimodel gi = {.p13 = netem_share(n->p13_ppm),
                                      .p31 = netem_share(n->p31_ppm),
                                      .p32 = netem_share(n->p32_ppm),
                                      .p14 = netem_share(n->p14_ppm),
                                      .p23 = netem_share(n->p23_ppm)};
        netlink_put(m, NETEM_LOSS_GI, &gi, sizeof(gi));
    }
    netlink_nest_end(m, nest);
}

static void put_rate(struct nl_msg *m, uint64_t bytes_per_s)
{
    struct tc_netem_rate rate = {.rate =
                                     bytes_per_s > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes_per_s};
    if (bytes_per_s == 0)
        return;
    if (bytes_per_s > UINT32_MAX)
        netlink_put_u64(m, TCA_NETEM_RATE64, bytes_per_s);
    netlink_put(m, TCA_NETEM_RATE, &rate, sizeof(rate));
}

static void put_delays(struct nl_msg *m, const struct netem *n)
{
    struct tc_netem_corr corr = {.delay_corr = netem_share(n->delay_corr_ppm)};
    struct tc_netem_slot slot = {.min_delay = (int64_t)n->slot_min_ns,
                                 .max_delay = (int64_t)n->slot_max_ns};
    netlink_put_u64(m, TCA_NETEM_LATENCY64, n->delay_ns);
    netlink_put_u64(m, TCA_NETEM_JITTER64, n->jitter_ns);
    netlink_put(m, TCA_NETEM_CORR, &corr, sizeof(corr));
    if (n->distribution != NETEM_UNIFORM) {
        int16_t table[DISTRIBUTION_ENTRIES];
        distribution_table(n->distribution, table);
        netlink_put(m, TCA_NETEM_DELAY_DIST, table, sizeof(table));
    }
    if (n->slot_max_ns != 0 || n->slot_min_ns != 0)
        netlink_put(m, TCA_NETEM_SLOT, &slot, sizeof(slot));
}

void netem_encode(struct nl_msg *m, const struct netem *n)
{
    struct tc_netem_qopt head = {.limit = n->limit_packets,
                                 .loss = netem_share(n->loss_ppm),
                                 .gap = n->reorder_ppm != 0 && n->gap == 0 ? 1 : n->gap,
                                 .duplicate = netem_share(n->duplicate_ppm)};
    struct tc_netem_reorder reorder = {.probability = netem_share(n->reorder_ppm)};
    struct tc_netem_corrupt corrupt = {.probability = netem_share(n->corrupt_ppm)};
    netlink_put_text(m, TCA_KIND, "netem");
    struct nlattr *options = netlink_nest(m, TCA_OPTIONS);
    netlink_append(m, &head, sizeof(head));
    put_delays(m, n);
    if (n->reorder_ppm != 0)
        netlink_put(m, TCA_NETEM_REORDER, &reorder, sizeof(reorder));
    if (n->corrupt_ppm != 0)
        netlink_put(m, TCA_NETEM_CORRUPT, &corrupt, sizeof(corrupt));
    put_rate(m, n->rate_bytes_per_s);
    if (n->ecn)
        netlink_put_u32(m, TCA_NETEM_ECN, 1);
    put_losses(m, n);
    if (n->has_seed)
        netlink_put_u64(m, NETEM_PRNG_SEED, n->seed);
    netlink_nest_end(m, options);
}

static void read_losses(struct bytes nest, struct netem *to)
{
    struct bytes value;
    struct tc_netem_gemodel ge;
    struct tc_netem_gimodel gi;
    if (netlink_find(nest, NETEM_LOSS_GE, &value)) {
        netlink_read(value, &ge, sizeof(ge));
        to->losses = NETEM_LOSS_GEMODEL;
        to->ge_p_ppm = netem_ppm(ge.p);
        to->ge_r_ppm = netem_ppm(ge.r);
        to->ge_h_ppm = netem_ppm(ge.h);
        to->ge_k_ppm = netem_ppm(ge.k1);
    } else if (netlink_find(nest, NETEM_LOSS_GI, &value)) {
        netlink_read(value, &gi, sizeof(gi));
        to->losses = NETEM_LOSS_STATE;
        to->p13_ppm = netem_ppm(gi.p13);
        to->p31_ppm = netem_ppm(gi.p31);
        to->p32_ppm = netem_ppm(gi.p32);
        to->p14_ppm = netem_ppm(gi.p14);
        to->p23_ppm = netem_ppm(gi.p23);
    }
}

static void read_delays(struct bytes attrs, struct netem *to)
{
    struct bytes value;
    struct tc_netem_corr corr;
    struct tc_netem_slot slot;
    if (netlink_find(attrs, TCA_NETEM_LATENCY64, &value))
        to->delay_ns = netlink_u64(value);
    if (netlink_find(attrs, TCA_NETEM_JITTER64, &value))
        to->jitter_ns = netlink_u64(value);
    if (netlink_find(attrs, TCA_NETEM_CORR, &value)) {
        netlink_read(value, &corr, sizeof(corr));
        to->delay_corr_ppm = netem_ppm(corr.delay_corr);
    }
    if (netlink_find(attrs, TCA_NETEM_SLOT, &value)) {
        netlink_read(value, &slot, sizeof(slot));
        to->slot_min_ns = (uint64_t)slot.min_delay;
        to->slot_max_ns = (uint64_t)slot.max_delay;
    }
}

static void read_rate(struct bytes attrs, struct netem *to)
{
    struct bytes value;
    struct tc_netem_rate rate;
    if (netlink_find(attrs, TCA_NETEM_RATE64, &value)) {
        to->rate_bytes_per_s = netlink_u64(value);
    } else if (netlink_find(attrs, TCA_NETEM_RATE, &value)) {
        netlink_read(value, &rate, sizeof(rate));
        to->rate_bytes_per_s = rate.rate;
    }
}

bool netem_decode(struct bytes options, struct netem *ret, bool *ret_seeded)
{
    struct tc_netem_qopt head;
    struct tc_netem_reorder reorder = {0};
    struct tc_netem_corrupt corrupt = {0};
    struct bytes attrs = netlink_behind(options, sizeof(head)), value;
    if (options.len < sizeof(head))
        return false;
    netlink_read(options, &head, sizeof(head));
    if (netlink_find(attrs, TCA_NETEM_REORDER, &value))
        netlink_read(value, &reorder, sizeof(reorder));
    if (netlink_find(attrs, TCA_NETEM_CORRUPT, &value))
        netlink_read(value, &corrupt, sizeof(corrupt));
    *ret = (struct netem){.loss_ppm = netem_ppm(head.loss),
                          .duplicate_ppm = netem_ppm(head.duplicate),
                          .corrupt_ppm = netem_ppm(corrupt.probability),
                          .reorder_ppm = netem_ppm(reorder.probability),
                          .limit_packets = head.limit};
    /* The kernel's own default for reorder without a gap is 1: every packet may skip its delay. */
    ret->gap = ret->reorder_ppm != 0 && head.gap == 1 ? 0 : head.gap;
    read_delays(attrs, ret);
    read_rate(attrs, ret);
    if (netlink_find(attrs, TCA_NETEM_ECN, &value))
        ret->ecn = netlink_u32(value) != 0;
    if (netlink_find(attrs, TCA_NETEM_LOSS, &value))
        read_losses(value, ret);
    *ret_seeded = netlink_find(attrs, NETEM_PRNG_SEED, &value);
    if (*ret_seeded) {
        ret->has_seed = true;
        ret->seed = netlink_u64(value);
    }
    return true;
}
