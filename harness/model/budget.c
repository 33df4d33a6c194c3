#include "model/budget.h"

#include "base/clock.h"

#define PPM UINT64_C(1000000)
#define PAY_MANY 1000 /* where one answer pays for several retries */

struct budget_config budget_config_of(const struct edge_policy *edge)
{
    const struct budget_rule *rule = &edge->budget;
    uint64_t ratio = rule->ratio_ppm.number, ttl_ns = rule->interval.number;
    if (edge->flavour != FLAVOUR_LINKERD || !edge->retry.by_budget || rule->kind != BUDGET_LINKERD)
        return (struct budget_config){0};
    struct budget_config ret = {.present = true, .pay = 1, .cost = 1};
    if (ratio == 0) {
        ret.pay = 0;
    } else if (ratio <= PPM) {
        ret.cost = PPM / ratio; /* whole tokens: 0.3 costs 3 */
    } else {
        ret.pay = PAY_MANY;
        ret.cost = PAY_MANY * PPM / ratio;
    }
    ret.reserve = rule->least.number * (ttl_ns / NS_PER_S) * ret.cost;
    ret.slot_ns = ttl_ns / BUDGET_SLOTS;
    return ret;
}

void budget_init(struct budget *b, const struct budget_config *config, uint64_t now_ns)
{
    *b = (struct budget){.config = *config, .since_ns = now_ns};
}

/* Closes the slot when its time is over; the next begins now, not when that one should have ended,
 * and each one that began to pass meanwhile is emptied and skipped. */
static void turn(struct budget *b, uint64_t now_ns)
{
    uint64_t slot_ns = b->config.slot_ns, passed_ns = now_ns - b->since_ns;
    if (slot_ns == 0 || passed_ns < slot_ns)
        return;
    uint64_t skipped = (passed_ns - 1) / slot_ns;
    b->slot[b->at] = b->now;
    b->now = 0;
    for (uint64_t i = 1; i <= skipped && i <= BUDGET_SLOTS; i++)
        b->slot[(b->at + i) % BUDGET_SLOTS] = 0;
    b->at = (size_t)((b->at + 1 + skipped) % BUDGET_SLOTS);
    b->since_ns = now_ns;
}

static int64_t balance(const struct budget *b)
{
    int64_t sum = (int64_t)b->config.reserve + b->now;
    for (size_t i = 0; i < BUDGET_SLOTS; i++)
        sum += b->slot[i];
    return sum;
}

void budget_pay(struct budget *b, uint64_t now_ns)
{
    if (!b->config.present)
        return;
    turn(b, now_ns);
    b->now += (int64_t)b->config.pay;
}

bool budget_take(struct budget *b, uint64_t now_ns)
{
    if (!b->config.present)
        return true;
    turn(b, now_ns);
    if (balance(b) < (int64_t)b->config.cost) {
        b->refused++;
        return false;
    }
    b->now -= (int64_t)b->config.cost;
    return true;
}
