#include "verify/amplify.h"

#include <string.h>

#define HOPS_MOST 16
#define WAYS_DEPTH 8 /* calls may go in a circle */

static unsigned layer_of(const json_t *word)
{
    const char *text = json_string_value(word);
    if (text == NULL)
        return 0;
    return strcmp(text, "app") == 0 ? AMPLIFY_APP : strcmp(text, "mesh") == 0 ? AMPLIFY_MESH : 0;
}

unsigned amplify_layers(const struct step *asked)
{
    const json_t *layers = asked == NULL ? NULL : json_object_get(asked->keys, "layers"), *each;
    unsigned bits = layer_of(layers);
    size_t i;
    json_array_foreach(layers, i, each)
    {
        bits |= layer_of(each);
    }
    return bits == 0 ? AMPLIFY_MESH | AMPLIFY_APP : bits;
}

static const struct call_plan *call_to(const struct scenario *s, const char *service,
                                       const char **ret_caller)
{
    for (size_t i = 0; s != NULL && i < s->lab.service_count; i++)
        for (size_t k = 0; k < s->lab.services[i].call_count; k++)
            if (strcmp(s->lab.services[i].calls[k].to, service) == 0) {
                *ret_caller = s->lab.services[i].name;
                return &s->lab.services[i].calls[k];
            }
    return NULL;
}

static uint64_t mesh_tries(const struct edge_policy *edges, size_t count, const char *service)
{
    uint64_t most = 1;
    for (size_t i = 0; i < count; i++)
        if (strcmp(edges[i].to, service) == 0 && 1 + edges[i].retry.attempts.number > most)
            most = 1 + edges[i].retry.attempts.number;
    return most;
}

/* Tries of ${service} under one root: the sum over all ways to it, for two services may call it. */
static uint64_t over_all_ways(const struct scenario *s, const struct edge_policy *edges,
                              size_t count, const char *service, unsigned layers, int depth)
{
    uint64_t mesh = (layers & AMPLIFY_MESH) != 0 ? mesh_tries(edges, count, service) : 1, sum = 0;
    for (size_t i = 0; s != NULL && depth < WAYS_DEPTH && i < s->lab.service_count; i++)
        for (size_t k = 0; k < s->lab.services[i].call_count; k++) {
            const struct call_plan *c = &s->lab.services[i].calls[k];
            uint64_t app = (layers & AMPLIFY_APP) != 0 ? 1 + (uint64_t)c->retries : 1;
            if (strcmp(c->to, service) == 0)
                sum += app *
                       over_all_ways(s, edges, count, s->lab.services[i].name, layers, depth + 1);
        }
    return mesh * (sum == 0 ? 1 : sum);
}

uint64_t amplify_bound(const struct scenario *s, const struct edge_policy *edges, size_t count,
                       const char *service, unsigned layers, struct text *ret_text)
{
    uint64_t bound = over_all_ways(s, edges, count, service, layers, 0), way = 1;
    size_t factors = 0;
    for (int hop = 0; hop < HOPS_MOST && service != NULL; hop++) {
        const char *caller = NULL;
        const struct call_plan *call = call_to(s, service, &caller);
        uint64_t mesh = mesh_tries(edges, count, service),
                 app = call == NULL ? 1 : 1 + (uint64_t)call->retries;
        mesh = (layers & AMPLIFY_MESH) != 0 ? mesh : 1;
        app = (layers & AMPLIFY_APP) != 0 ? app : 1;
        way *= mesh * app;
        if (ret_text != NULL && (layers & AMPLIFY_MESH) != 0)
            text_add(ret_text, "%s%llu", factors++ == 0 ? "" : " x ", (unsigned long long)mesh);
        if (ret_text != NULL && app > 1)
            text_add(ret_text, "%s%llu", factors++ == 0 ? "" : " x ", (unsigned long long)app);
        service = caller;
    }
    if (ret_text != NULL && factors == 0)
        text_add(ret_text, "1");
    if (ret_text != NULL && way != bound)
        text_add(ret_text, ", %llu over all ways", (unsigned long long)bound);
    return bound;
}

static uint64_t most_from(const struct scenario *s, const struct edge_policy *edges, size_t count,
                          const char *service, unsigned layers, int depth)
{
    uint64_t most = amplify_bound(s, edges, count, service, layers, NULL);
    for (size_t i = 0; s != NULL && depth < HOPS_MOST && i < s->lab.service_count; i++) {
        const struct service_plan *of = &s->lab.services[i];
        for (size_t k = 0; strcmp(of->name, service) == 0 && k < of->call_count; k++) {
            uint64_t behind = most_from(s, edges, count, of->calls[k].to, layers, depth + 1);
            most = behind > most ? behind : most;
        }
    }
    return most;
}

uint64_t amplify_most(const struct scenario *s, const struct edge_policy *edges, size_t count,
                      const char *service, unsigned layers)
{
    return most_from(s, edges, count, service, layers, 0);
}
