#include "policy/store.h"

/* DestinationRule subsets: names for those endpoints of a host that have some labels. Rules of one
 * host are merged (Istio: the first that names a subset has it). */

#define SUBSETS_MOST 64

static bool is_known(const struct subset *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return true;
    return false;
}

static void read_one(const struct yaml_node *from, struct arena *arena, struct subset *ret)
{
    const struct yaml_node *labels = yaml_get(from, "labels");
    size_t count = labels == NULL ? 0 : labels->count;
    *ret = (struct subset){.name = yaml_get_text(from, "name"), .source = from->source};
    ret->labels = ARENA_ARRAY(arena, struct subset_label, count + 1);
    for (size_t i = 0; i < count; i++)
        if (labels->pairs[i].key != NULL && labels->pairs[i].value != NULL)
            ret->labels[ret->label_count++] =
                (struct subset_label){labels->pairs[i].key, labels->pairs[i].value->text};
}

const struct subset *policy_subsets(const struct policy *p, const char *service,
                                    struct arena *arena, size_t *ret_count)
{
    struct host to = host_parse(service, arena);
    struct subset *list = ARENA_ARRAY(arena, struct subset, SUBSETS_MOST);
    *ret_count = 0;
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct destination *d = &p->destinations[i];
        const struct yaml_node *subsets = yaml_get(d->object->spec, "subsets");
        if (d->port != 0 || host_match(&d->host, &to) == 0)
            continue;
        for (size_t k = 0; k < yaml_count(subsets) && *ret_count < SUBSETS_MOST; k++) {
            const char *name = yaml_get_text(yaml_item(subsets, k), "name");
            if (name != NULL && !is_known(list, *ret_count, name))
                read_one(yaml_item(subsets, k), arena, &list[(*ret_count)++]);
        }
    }
    return list;
}
