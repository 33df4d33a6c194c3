#include "world/netem.h"

#include "base/text.h"
#include "base/units.h"

#include <netinet/in.h>

/* What a netem may ask, what it leaves to us, and how it reads. */

#define DELAY_MOST_NS (3600 * UINT64_C(1000000000))
#define JITTER_MOST_NS (2147 * UINT64_C(1000000)) /* the kernel draws it in 31 bits */
#define RATE_LEAST 1000u
#define LIMIT_MOST 10000000u
#define LIMIT_LEAST_COMPUTED 1000u
#define PACKET_BYTES 1500u
/* Of a device whose rate nobody set: 1 Gbit/s. */
#define RATE_ASSUMED (UINT64_C(1000000000) / 8)
#define ALL_PPM 1000000u

static bool refuse(struct error *err, const char *sentence)
{
    return error_set(err, ERROR_INPUT, "%s", sentence);
}

static bool has_loss(const struct netem *n)
{
    return n->loss_ppm != 0 || n->losses != NETEM_LOSS_RANDOM;
}

static bool is_nothing(const struct netem *n)
{
    return n->delay_ns == 0 && !has_loss(n) && n->duplicate_ppm == 0 && n->corrupt_ppm == 0 &&
           n->rate_bytes_per_s == 0 && n->slot_max_ns == 0;
}

static bool too_long(struct error *err, const char *what, uint64_t ns, uint64_t most)
{
    char is[32], limit[32];
    return error_set(err, ERROR_LIMIT, "netem %s is %s, more than the %s allowed", what,
                     units_print_duration(ns, is, sizeof(is)),
                     units_print_duration(most, limit, sizeof(limit)));
}

static bool check_times(const struct netem *n, struct error *err)
{
    if (n->delay_ns > DELAY_MOST_NS)
        return too_long(err, "delay", n->delay_ns, DELAY_MOST_NS);
    if (n->jitter_ns > JITTER_MOST_NS)
        return too_long(err, "jitter", n->jitter_ns, JITTER_MOST_NS);
    if (n->slot_max_ns > DELAY_MOST_NS)
        return too_long(err, "slot", n->slot_max_ns, DELAY_MOST_NS);
    if (n->slot_min_ns > n->slot_max_ns)
        return refuse(err, "netem slot has a min that is more than its max");
    if (n->jitter_ns > n->delay_ns)
        return refuse(err, "netem jitter is more than its delay: no packet can arrive before it "
                           "was sent");
    if (n->delay_corr_ppm != 0 && n->jitter_ns == 0)
        return refuse(err, "netem correlation is of jitter, and there is none");
    if (n->distribution != NETEM_UNIFORM && n->jitter_ns == 0)
        return refuse(err, "netem distribution is of jitter, and there is none");
    if (n->reorder_ppm != 0 && n->delay_ns == 0)
        return refuse(err, "netem reorder needs a delay, which the reordered packets then skip");
    if (n->gap != 0 && n->reorder_ppm == 0)
        return refuse(err, "netem gap is of reorder, and there is none");
    return true;
}

static bool check_losses(const struct netem *n, struct error *err)
{
    if (n->losses != NETEM_LOSS_RANDOM && n->loss_ppm != 0)
        return refuse(err, "netem takes one of loss, gemodel and state");
    if (n->losses == NETEM_LOSS_GEMODEL && n->ge_p_ppm == 0)
        return refuse(err, "netem gemodel needs p, more than 0%: the way into the bad state");
    if (n->losses == NETEM_LOSS_STATE && n->p13_ppm == 0)
        return refuse(err, "netem state needs p13, more than 0%: the way into a burst of losses");
    if (n->losses == NETEM_LOSS_STATE && (uint64_t)n->p13_ppm + n->p14_ppm > ALL_PPM)
        return refuse(err, "netem state: p13 and p14 are more than 100% together");
    if (n->losses == NETEM_LOSS_STATE && (uint64_t)n->p31_ppm + n->p32_ppm > ALL_PPM)
        return refuse(err, "netem state: p31 and p32 are more than 100% together");
    if (n->ecn && !has_loss(n))
        return refuse(err, "netem ecn marks what loss would drop, and there is no loss");
    return true;
}

static bool check_scope(const struct netem_scope *s, struct error *err)
{
    if (s->device)
        return true;
    if (s->flow_count == 0)
        return refuse(err, "netem of a peer needs at least one address");
    if (s->flow_count > NETEM_FLOWS_MOST)
        return error_set(err, ERROR_LIMIT, "netem has %zu flows, more than the %d allowed",
                         s->flow_count, NETEM_FLOWS_MOST);
    for (size_t i = 0; i < s->flow_count; i++) {
        const struct netem_flow *f = &s->flows[i];
        bool ported = f->protocol == IPPROTO_TCP || f->protocol == IPPROTO_UDP;
        if (f->family != AF_INET && f->family != AF_INET6)
            return refuse(err, "netem flow is neither IPv4 nor IPv6");
        if ((f->local_port != 0 || f->peer_port != 0) && !ported)
            return refuse(err, "netem flow has a port, and its protocol is neither TCP nor UDP");
    }
    return true;
}

static bool check_counts(const struct netem *n, struct error *err)
{
    if (n->rate_bytes_per_s != 0 && n->rate_bytes_per_s < RATE_LEAST)
        return error_set(err, ERROR_LIMIT, "netem rate is %llu B/s, less than the %u B/s allowed",
                         (unsigned long long)n->rate_bytes_per_s, RATE_LEAST);
    if (n->limit_packets > LIMIT_MOST)
        return error_set(err, ERROR_LIMIT, "netem limit is %u packets, more than the %u allowed",
                         n->limit_packets, LIMIT_MOST);
    return true;
}

bool netem_check(const struct netem *n, const struct netem_scope *s, struct error *err)
{
    if (is_nothing(n))
        return refuse(err, "netem does nothing: give it one of delay, loss, gemodel, state, "
                           "duplicate, corrupt, rate, slot");
    return check_times(n, err) && check_losses(n, err) && check_counts(n, err) &&
           check_scope(s, err);
}

/* What may be under way at once, and half as much again. */
static uint32_t computed_limit(const struct netem *n)
{
    uint64_t rate = n->rate_bytes_per_s == 0 ? RATE_ASSUMED : n->rate_bytes_per_s;
    double held_s = (double)(n->delay_ns + 4 * n->jitter_ns + n->slot_max_ns) / 1e9;
    double packets = (double)rate * held_s * 1.5 / PACKET_BYTES;
    return packets >= LIMIT_MOST             ? LIMIT_MOST
           : packets <= LIMIT_LEAST_COMPUTED ? LIMIT_LEAST_COMPUTED
                                             : (uint32_t)packets;
}

struct netem netem_resolve(const struct netem *n)
{
    struct netem r = *n;
    if (r.limit_packets == 0)
        r.limit_packets = computed_limit(n);
    if (r.slot_max_ns != 0 && r.slot_min_ns == 0)
        r.slot_min_ns = r.slot_max_ns;
    if (r.gap == 1) /* reorder's own */
        r.gap = 0;
    return r;
}

static void add_share(struct text *t, const char *name, uint32_t ppm)
{
    char shown[32];
    if (ppm != 0)
        text_add(t, " %s=%s", name, units_print_share(ppm, shown, sizeof(shown)));
}

static void add_time(struct text *t, const char *name, uint64_t ns)
{
    char shown[32];
    if (ns != 0)
        text_add(t, " %s=%s", name, units_print_duration(ns, shown, sizeof(shown)));
}

static void add_losses(struct text *t, const struct netem *n)
{
    char a[32], b[32], c[32], d[32], e[32];
    if (n->losses == NETEM_LOSS_GEMODEL)
        text_add(t, " gemodel=p:%s,r:%s,h:%s,k:%s", units_print_share(n->ge_p_ppm, a, sizeof(a)),
                 units_print_share(n->ge_r_ppm, b, sizeof(b)),
                 units_print_share(n->ge_h_ppm, c, sizeof(c)),
                 units_print_share(n->ge_k_ppm, d, sizeof(d)));
    if (n->losses == NETEM_LOSS_STATE)
        text_add(t, " state=p13:%s,p31:%s,p32:%s,p23:%s,p14:%s",
                 units_print_share(n->p13_ppm, a, sizeof(a)),
                 units_print_share(n->p31_ppm, b, sizeof(b)),
                 units_print_share(n->p32_ppm, c, sizeof(c)),
                 units_print_share(n->p23_ppm, d, sizeof(d)),
                 units_print_share(n->p14_ppm, e, sizeof(e)));
    add_share(t, "loss", n->loss_ppm);
    if (n->ecn)
        text_add(t, " ecn=yes");
}

const char *netem_print(const struct netem *n, char *to, size_t size)
{
    static const char *const laws[] = {"uniform", "normal", "pareto", "paretonormal"};
    struct text t;
    char shown[32];
    text_init(&t, 1024);
    add_time(&t, "delay", n->delay_ns);
    add_time(&t, "jitter", n->jitter_ns);
    add_share(&t, "correlation", n->delay_corr_ppm);
    if (n->distribution != NETEM_UNIFORM)
        text_add(&t, " distribution=%s", laws[n->distribution]);
    add_losses(&t, n);
    add_share(&t, "duplicate", n->duplicate_ppm);
    add_share(&t, "corrupt", n->corrupt_ppm);
    add_share(&t, "reorder", n->reorder_ppm);
    if (n->gap != 0)
        text_add(&t, " gap=%u", n->gap);
    if (n->rate_bytes_per_s != 0)
        text_add(&t, " rate=%s/s", units_print_size(n->rate_bytes_per_s, shown, sizeof(shown)));
    if (n->slot_max_ns != 0) {
        text_add(&t, " slot=min:%s", units_print_duration(n->slot_min_ns, shown, sizeof(shown)));
        text_add(&t, ",max:%s", units_print_duration(n->slot_max_ns, shown, sizeof(shown)));
    }
    if (n->limit_packets != 0)
        text_add(&t, " limit=%u", n->limit_packets);
    snprintf(to, size, "%s", text_get(&t)[0] == '\0' ? "" : text_get(&t) + 1);
    text_release(&t);
    return to;
}

static const char *differs_in_loss(const struct netem *a, const struct netem *b)
{
    if (a->losses != b->losses || a->loss_ppm != b->loss_ppm)
        return "loss";
    if (a->ge_p_ppm != b->ge_p_ppm || a->ge_r_ppm != b->ge_r_ppm || a->ge_h_ppm != b->ge_h_ppm ||
        a->ge_k_ppm != b->ge_k_ppm)
        return "gemodel";
    if (a->p13_ppm != b->p13_ppm || a->p31_ppm != b->p31_ppm || a->p32_ppm != b->p32_ppm ||
        a->p23_ppm != b->p23_ppm || a->p14_ppm != b->p14_ppm)
        return "state";
    return a->ecn != b->ecn ? "ecn" : NULL;
}

const char *netem_differs(const struct netem *a, const struct netem *b, bool seeded)
{
    if (a->delay_ns != b->delay_ns)
        return "delay";
    if (a->jitter_ns != b->jitter_ns)
        return "jitter";
    if (a->delay_corr_ppm != b->delay_corr_ppm)
        return "correlation";
    if (a->duplicate_ppm != b->duplicate_ppm)
        return "duplicate";
    if (a->corrupt_ppm != b->corrupt_ppm)
        return "corrupt";
    if (a->reorder_ppm != b->reorder_ppm)
        return "reorder";
    if (a->gap != b->gap)
        return "gap";
    if (a->rate_bytes_per_s != b->rate_bytes_per_s)
        return "rate";
    if (a->slot_min_ns != b->slot_min_ns || a->slot_max_ns != b->slot_max_ns)
        return "slot";
    if (a->limit_packets != b->limit_packets)
        return "limit";
    if (seeded && a->has_seed && a->seed != b->seed)
        return "seed";
    return differs_in_loss(a, b);
}
