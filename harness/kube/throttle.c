#include "kube/throttle.h"

#include "base/clock.h"

#define EACH_NS (NS_PER_S / THROTTLE_PER_S)

void throttle_init(struct throttle *t, uint64_t seed)
{
    *t = (struct throttle){.retries = THROTTLE_RETRIES, .rng = rng_of(seed)};
}

uint64_t throttle_next_ns(const struct throttle *t, uint64_t now_ns)
{
    uint64_t room_ns = EACH_NS * (THROTTLE_BURST - 1);
    uint64_t at = t->full_ns < room_ns ? 0 : t->full_ns - room_ns;
    return at > now_ns ? at : now_ns;
}

void throttle_take(struct throttle *t, uint64_t now_ns)
{
    t->full_ns = (t->full_ns > now_ns ? t->full_ns : now_ns) + EACH_NS;
}

void throttle_answered(struct throttle *t)
{
    if (++t->earned < THROTTLE_EARN)
        return;
    t->earned = 0;
    if (t->retries < THROTTLE_RETRIES)
        t->retries++;
}

bool throttle_retry(struct throttle *t)
{
    if (t->retries == 0)
        return false;
    t->retries--;
    return true;
}

uint64_t throttle_wait_ns(struct throttle *t, unsigned tries, uint64_t after_ns)
{
    if (after_ns > 0)
        return after_ns < THROTTLE_AFTER_MOST_NS ? after_ns : THROTTLE_AFTER_MOST_NS;
    uint64_t most = THROTTLE_LEAST_NS;
    for (unsigned i = 0; i < tries && most < THROTTLE_MOST_NS; i++)
        most *= 2;
    most = most < THROTTLE_MOST_NS ? most : THROTTLE_MOST_NS;
    return THROTTLE_LEAST_NS + rng_below(&t->rng, most - THROTTLE_LEAST_NS + 1);
}
