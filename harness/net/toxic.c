#include "net/toxic.h"

#include <stdlib.h>

const struct toxic_type toxic_types[TOXIC_KINDS] = {
    [TOXIC_NOOP] = {"noop", {NULL}},
    [TOXIC_LATENCY] = {"latency", {"latency", "jitter"}},
    [TOXIC_BANDWIDTH] = {"bandwidth", {"rate"}},
    [TOXIC_SLOW_CLOSE] = {"slow_close", {"delay"}},
    [TOXIC_TIMEOUT] = {"timeout", {"timeout"}},
    [TOXIC_RESET_PEER] = {"reset_peer", {"timeout"}},
    [TOXIC_SLICER] = {"slicer", {"average_size", "size_variation", "delay"}},
    [TOXIC_LIMIT_DATA] = {"limit_data", {"bytes"}},
};

struct toxic_list *toxic_list_new(size_t count)
{
    struct toxic_list *l = check_alloc_zero(1, sizeof(*l) + count * sizeof(struct toxic));
    l->holders = 1;
    return l;
}

void toxic_list_release(struct toxic_list *l)
{
    if (l == NULL || --l->holders > 0)
        return;
    for (size_t i = 0; i < l->count; i++)
        free(l->at[i].name);
    free(l);
}
