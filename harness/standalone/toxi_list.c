#include "standalone/toxi_list.h"

#include <stdlib.h>
#include <strings.h>

enum toxic_kind toxi_list_kind(const char *type)
{
    for (size_t i = 0; type != NULL && i < TOXIC_KINDS; i++)
        if (strcmp(toxic_types[i].name, type) == 0)
            return (enum toxic_kind)i;
    return TOXIC_KINDS;
}

bool toxi_list_side(const char *stream, enum side *ret)
{
    bool up = stream != NULL && strcasecmp(stream, "upstream") == 0;
    *ret = up ? SIDE_REQUEST : SIDE_RESPONSE;
    return up || (stream != NULL && strcasecmp(stream, "downstream") == 0);
}

static bool read_values(const json_t *attributes, struct toxic *t, struct error *err)
{
    const struct toxic_type *type = &toxic_types[t->kind];
    for (size_t i = 0; i < TOXIC_VALUES_MOST && type->values[i] != NULL; i++) {
        const json_t *value = json_object_get(attributes, type->values[i]);
        if (value != NULL && !json_is_integer(value))
            return error_set(err, ERROR_INPUT, "toxic \"%.60s\": %s must be a whole number",
                             t->name, type->values[i]);
        t->value[i] = (int64_t)json_integer_value(value);
    }
    return true;
}

static bool read_one(const json_t *from, struct toxic *t, struct error *err)
{
    const json_t *name = json_object_get(from, "name");
    const json_t *toxicity = json_object_get(from, "toxicity");
    const char *type = json_string_value(json_object_get(from, "type"));
    if (!json_is_string(name) || json_string_length(name) > TOXI_NAME_MOST)
        return error_set(err, ERROR_INPUT, "a toxic needs name, a text of at most %d bytes",
                         TOXI_NAME_MOST);
    t->name = check_strdup(json_string_value(name));
    t->kind = toxi_list_kind(type);
    if (t->kind == TOXIC_KINDS)
        return error_set(err, ERROR_INPUT, "toxic \"%.60s\": there is no type \"%.30s\"", t->name,
                         type == NULL ? "?" : type);
    if (!toxi_list_side(json_string_value(json_object_get(from, "stream")), &t->side))
        return error_set(err, ERROR_INPUT, "toxic \"%.60s\": stream must be upstream or downstream",
                         t->name);
    if (toxicity != NULL && !json_is_number(toxicity))
        return error_set(err, ERROR_INPUT, "toxic \"%.60s\": toxicity must be a number, 0 to 1",
                         t->name);
    t->toxicity = toxicity == NULL ? 1 : json_number_value(toxicity);
    return read_values(json_object_get(from, "attributes"), t, err);
}

static bool is_same(const struct toxic *a, const struct toxic *b)
{
    return strcmp(a->name, b->name) == 0 && a->kind == b->kind && a->side == b->side;
}

/* Ids of what stays, new ones for the others. */
static void number(struct toxic *t, const struct toxic_list *before, uint32_t *last)
{
    const struct toxic *old = NULL;
    for (size_t i = 0; before != NULL && i < before->count && old == NULL; i++)
        old = is_same(&before->at[i], t) ? &before->at[i] : NULL;
    bool equal = old != NULL && memcmp(old->value, t->value, sizeof(t->value)) == 0 &&
                 old->toxicity >= t->toxicity && old->toxicity <= t->toxicity;
    t->id = old != NULL ? old->id : ++*last;
    t->version = equal ? old->version : ++*last;
}

bool toxi_list_read(const json_t *toxics, const struct toxic_list *before, uint32_t *last,
                    struct toxic_list **ret, struct error *err)
{
    size_t count = json_array_size(toxics);
    if (toxics != NULL && !json_is_array(toxics))
        return error_set(err, ERROR_INPUT, "toxics must be a list");
    if (count > TOXICS_MOST)
        return error_set(err, ERROR_LIMIT, "%zu toxics, more than the %d allowed of one proxy",
                         count, TOXICS_MOST);
    struct toxic_list *l = toxic_list_new(count);
    for (size_t i = 0; i < count; i++) {
        struct toxic *t = &l->at[l->count++];
        bool ok = read_one(json_array_get(toxics, i), t, err);
        for (size_t k = 0; ok && k < i; k++)
            ok = strcmp(l->at[k].name, t->name) != 0 ||
                 error_set(err, ERROR_INPUT, "two toxics are named \"%.60s\"", t->name);
        if (!ok) {
            toxic_list_release(l);
            return false;
        }
        number(t, before, last);
    }
    *ret = l;
    return true;
}
