#include "plan/plan.h"

/* The tags of a scenario by number: raw TCP has room for a number only (spec/verifier.md 1.3). And
 * how far apart the requests of an open load are that carry them. */

struct numbering {
    json_t *names; /* [number - 1] */
    bool write;    /* into the loads */
};

static uint32_t number_of(json_t *names, const char *tag)
{
    const json_t *name;
    size_t i;
    json_array_foreach(names, i, name)
    {
        if (strcmp(json_string_value(name), tag) == 0)
            return (uint32_t)i + 1;
    }
    json_array_append_new(names, json_string(tag));
    return (uint32_t)json_array_size(names);
}

static void walk_loads(struct numbering *n, const struct load_plan *loads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < loads[i].tagged_count; k++) {
            struct tagged *t = &loads[i].tagged[k];
            uint32_t number = number_of(n->names, t->tag);
            if (n->write)
                t->number = number;
        }
}

static void walk(struct numbering *n, const struct scenario *s)
{
    walk_loads(n, s->loads, s->load_count);
    for (size_t i = 0; i < s->phase_count; i++)
        walk_loads(n, s->phases[i].loads, s->phases[i].load_count);
}

void plan_number_tags(struct scenario *s)
{
    struct numbering n = {json_array(), true};
    walk(&n, s);
    json_decref(n.names);
}

json_t *plan_tags(const struct scenario *s)
{
    struct numbering n = {json_array(), false};
    walk(&n, s);
    return n.names;
}

uint64_t tagged_gap_ns(const struct load_plan *l, const struct tagged *t)
{
    return t->apart_ns > l->tag_every_ns ? t->apart_ns : l->tag_every_ns;
}

uint64_t tagged_longest_gap_ns(const struct load_plan *l)
{
    uint64_t longest_ns = 0;
    for (size_t i = 0; i < l->tagged_count; i++) {
        uint64_t gap_ns = tagged_gap_ns(l, &l->tagged[i]);
        longest_ns = gap_ns > longest_ns ? gap_ns : longest_ns;
    }
    return longest_ns;
}
