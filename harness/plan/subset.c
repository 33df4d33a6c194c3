#include "plan/plan.h"

/* "b@v2" (scenario-language.md 1.3): whose labels are those of a DestinationRule's subset. Which
 * endpoints that are is found when the policy is known, and kept in the plan. */

const char *plan_label_of(const struct service_plan *s, uint32_t endpoint, const char *key)
{
    if (strcmp(key, "app") == 0)
        return s->name;
    if (strcmp(key, "topology.kubernetes.io/zone") == 0)
        return plan_zone_of(s, endpoint);
    if (strcmp(key, "version") == 0 && s->version_count > 0)
        return s->versions[(endpoint - 1) % s->version_count];
    return NULL;
}

static const json_t *members_of(const struct scenario *s, const struct place_end *end)
{
    return json_object_get(json_object_get(s->lab.subsets, end->service), end->subset);
}

bool plan_place_has(const struct scenario *s, const struct place_end *end, uint32_t endpoint)
{
    const json_t *members = end->subset == NULL ? NULL : members_of(s, end), *one;
    size_t i;
    if (end->subset == NULL)
        return end->endpoint == 0 || end->endpoint == endpoint;
    json_array_foreach(members, i, one)
    {
        if (json_integer_value(one) == (json_int_t)endpoint)
            return true;
    }
    return false;
}

uint32_t plan_subset_count(const struct scenario *s, const struct place_end *end)
{
    return (uint32_t)json_array_size(members_of(s, end));
}
