#include "verify/census.h"

static bool enough(const struct census *c, uint64_t total)
{
    return (double)c->good * 1e6 >= (double)c->atleast_ppm * (double)total;
}

void census_add(struct census *c, const struct window *w, const struct request *r, bool is_good)
{
    c->total++;
    if (is_good)
        c->good++;
    else if (spans_within(&w->track->lags, r->start_ns, r->done_ns) > 0)
        c->still++;
}

bool census_met(const struct census *c)
{
    return c->total > 0 && enough(c, c->total);
}

bool census_open(const struct census *c, const char *what, struct arena *arena, struct verdict *ret)
{
    if (c->still == 0 || census_met(c) || !enough(c, c->total - c->still))
        return false;
    verdict_open(ret, WHY_STALLED, arena,
                 "%llu of the %llu %s came while our own loops stood still for more than 250 ms at "
                 "once",
                 (unsigned long long)c->still, (unsigned long long)(c->total - c->good), what);
    ret->needs = "a calmer machine, or a lower rate";
    return true;
}
