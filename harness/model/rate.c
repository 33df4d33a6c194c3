#include "model/rate.h"

#include "base/clock.h"

struct rate_config rate_config_of(const struct edge_policy *edge)
{
    const struct rate_rule *rule = &edge->rate;
    if (edge->flavour != FLAVOUR_LINKERD || !rule->present || !rule->per_second.set ||
        rule->per_second.number == 0)
        return (struct rate_config){0};
    return (struct rate_config){.present = true,
                                .per_second = rule->per_second.number,
                                .burst =
                                    rule->burst.set ? rule->burst.number : rule->per_second.number};
}

void rate_init(struct rate *r, const struct rate_config *config, uint64_t now_ns)
{
    *r = (struct rate){.config = *config, .at_ns = now_ns};
}

bool rate_admit(struct rate *r, uint64_t now_ns)
{
    if (!r->config.present)
        return true;
    double ran_out = (double)(now_ns - r->at_ns) * (double)r->config.per_second / (double)NS_PER_S;
    r->level = r->level > ran_out ? r->level - ran_out : 0;
    r->at_ns = now_ns;
    if (r->level + 1 > (double)r->config.burst) {
        r->refused++;
        return false;
    }
    r->level += 1;
    return true;
}
