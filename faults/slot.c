#include "faults/fault.h"

#include <string.h>

/* A fault in use as the slot of a chain: a deep copy, for the chain outlives the plan's step. */

static const char *const *copy_list(const char *const *list, size_t count, struct arena *arena)
{
    const char **copy = ARENA_ARRAY(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = arena_strdup(arena, list[i]);
    return copy;
}

static const struct match_pair *copy_pairs(const struct match_pair *pairs, size_t count,
                                           struct arena *arena)
{
    struct match_pair *copy = ARENA_ARRAY(arena, struct match_pair, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct match_pair){arena_strdup(arena, pairs[i].name),
                                      arena_strdup(arena, pairs[i].glob)};
    return copy;
}

static void copy_match(const struct match *from, struct arena *arena, struct match *ret)
{
    *ret = *from;
    ret->methods = copy_list(from->methods, from->method_count, arena);
    ret->paths = copy_list(from->paths, from->path_count, arena);
    ret->authorities = copy_list(from->authorities, from->authority_count, arena);
    ret->without = copy_list(from->without, from->without_count, arena);
    ret->tags = copy_list(from->tags, from->tag_count, arena);
    ret->froms = copy_list(from->froms, from->from_count, arena);
    ret->grpcs = copy_list(from->grpcs, from->grpc_count, arena);
    ret->headers = copy_pairs(from->headers, from->header_count, arena);
    ret->queries = copy_pairs(from->queries, from->query_count, arena);
}

static void *copy_params(const struct fault_type *type, const void *params, struct arena *arena)
{
    uint8_t *copy = arena_take(arena, type->params_bytes + 1);
    memcpy(copy, params, type->params_bytes);
    for (size_t i = 0; i < type->param_count; i++) {
        enum unit unit = type->params[i].unit;
        if (unit != UNIT_TEXT && unit != UNIT_PLACE && unit != UNIT_MAP)
            continue;
        const char **text = (const char **)(void *)(copy + type->params[i].offset);
        if (*text != NULL)
            *text = arena_strdup(arena, *text);
    }
    return copy;
}

void fault_use_slot(const struct fault_use *use, uint64_t seed, uint64_t expires_ns,
                    struct fire_budget *times, struct arena *arena, struct filter_slot *ret)
{
    const struct fault_common *common = &use->common;
    void *params = copy_params(use->type, use->params, arena);
    if (use->type->prepare != NULL)
        use->type->prepare(params, seed, arena);
    *ret = (struct filter_slot){
        .filter = use->stream,
        .params = params,
        .when = {.share_ppm = (uint32_t)common->share_ppm,
                 .per = (uint8_t)common->per,
                 .first = common->first == PARAM_UNSET ? 0 : (uint32_t)common->first,
                 .streak = common->streak == PARAM_UNSET ? 0 : (uint32_t)common->streak,
                 .times = times,
                 .expires_ns = expires_ns,
                 .seed = seed},
        .fault = use->id,
    };
    copy_match(&use->match, arena, &ret->when.match);
}

struct field *fault_fields(const char *json, size_t spare, struct arena *arena, size_t *ret_count)
{
    json_t *map = json != NULL ? json_loads(json, 0, NULL) : NULL;
    struct field *field = ARENA_ARRAY(arena, struct field, json_object_size(map) + spare + 1);
    const char *name;
    json_t *value;
    *ret_count = 0;
    json_object_foreach(map, name, value)
    {
        field[(*ret_count)++] =
            (struct field){bytes_of(arena_strdup(arena, name)),
                           bytes_of(arena_strdup(arena, json_string_value(value)))};
    }
    json_decref(map);
    return field;
}

const char *fault_use_print(const struct fault_use *use, char *to, size_t size)
{
    if (use->type->print != NULL)
        use->type->print(use->params, to, size);
    else
        snprintf(to, size, "%s", use->type->name);
    return to;
}
