#include "model/balance.h"

#include "base/clock.h"

#include <math.h>

#define REDRAWS_MOST 5 /* Istio: host_selection_retry_max_attempts */
#define EWMA_START_NS (30.0 * (double)NS_PER_MS)
#define EWMA_DECAY_NS (10.0 * (double)NS_PER_S)

struct balance_config balance_config_of(const struct edge_policy *edge)
{
    bool linkerd = edge->flavour == FLAVOUR_LINKERD;
    return (struct balance_config){.kind = linkerd ? BALANCE_PEAK_EWMA : BALANCE_LEAST_REQUEST,
                                   .other_host = !linkerd && edge->retry.other_host};
}

void balance_init(struct balance *b, const struct balance_config *config, size_t hosts,
                  struct rng rng)
{
    INVARIANT(hosts <= BALANCE_HOSTS_MOST);
    *b = (struct balance){.config = *config, .hosts = hosts, .rng = rng};
    for (size_t i = 0; i < hosts; i++)
        b->host[i].ewma_ns = EWMA_START_NS;
}

static double load(const struct balance_host *h, uint64_t now_ns)
{
    double age_ns = now_ns > h->ewma_at_ns ? (double)(now_ns - h->ewma_at_ns) : 0;
    return h->ewma_ns * exp(-age_ns / EWMA_DECAY_NS) * (double)(h->active + 1);
}

/* Any usable host, each as likely. ${count} > 0. */
static size_t draw(struct balance *b, const size_t *usable, size_t count)
{
    return usable[rng_below(&b->rng, count)];
}

/* Envoy's two choices may be the same host; the first wins a draw. */
static size_t draw_least(struct balance *b, const size_t *usable, size_t count)
{
    size_t one = draw(b, usable, count), two = draw(b, usable, count);
    return b->host[two].active < b->host[one].active ? two : one;
}

/* Linkerd's two differ. */
static size_t draw_ewma(struct balance *b, const size_t *usable, size_t count, uint64_t now_ns)
{
    if (count == 1)
        return usable[0];
    size_t one = rng_below(&b->rng, count), two = rng_below(&b->rng, count - 1);
    if (two >= one)
        two++;
    bool second = load(&b->host[usable[two]], now_ns) < load(&b->host[usable[one]], now_ns);
    return usable[second ? two : one];
}

static size_t draw_kind(struct balance *b, const size_t *usable, size_t count, uint64_t now_ns)
{
    switch (b->config.kind) {
    case BALANCE_ROUND_ROBIN:
        return usable[b->turn++ % count];
    case BALANCE_RANDOM:
        return draw(b, usable, count);
    case BALANCE_LEAST_REQUEST:
        return draw_least(b, usable, count);
    case BALANCE_PEAK_EWMA:
        return draw_ewma(b, usable, count, now_ns);
    }
    UNREACHABLE();
}

static bool was_tried(const struct balance_tried *tried, size_t host)
{
    return (tried->hosts[host / 64] >> host % 64 & 1) != 0;
}

size_t balance_pick(struct balance *b, const bool *may, const struct balance_tried *tried,
                    uint64_t now_ns)
{
    size_t usable[BALANCE_HOSTS_MOST], count = 0;
    for (size_t i = 0; i < b->hosts; i++) {
        if (may[i])
            usable[count++] = i;
    }
    if (count == 0)
        return BALANCE_NONE;
    if (b->config.same_host && tried->last != BALANCE_NONE && may[tried->last])
        return tried->last;
    size_t ret = draw_kind(b, usable, count, now_ns);
    for (int i = 0; b->config.other_host && was_tried(tried, ret) && i < REDRAWS_MOST; i++)
        ret = draw_kind(b, usable, count, now_ns);
    return ret;
}

void balance_begin(struct balance *b, size_t host, struct balance_tried *tried)
{
    b->host[host].active++;
    tried->hosts[host / 64] |= UINT64_C(1) << host % 64;
    tried->last = host;
}

void balance_end(struct balance *b, size_t host, uint64_t took_ns, uint64_t now_ns)
{
    struct balance_host *h = &b->host[host];
    INVARIANT(h->active > 0);
    h->active--;
    if (b->config.kind != BALANCE_PEAK_EWMA) /* the others never ask for it */
        return;
    double age_ns = now_ns > h->ewma_at_ns ? (double)(now_ns - h->ewma_at_ns) : 0;
    double keep = exp(-age_ns / EWMA_DECAY_NS);
    double sample_ns = (double)took_ns;
    /* Peak: a slower answer counts at once, faster ones only by and by. */
    h->ewma_ns = sample_ns > h->ewma_ns ? sample_ns : h->ewma_ns * keep + sample_ns * (1 - keep);
    h->ewma_at_ns = now_ns;
}
