#include "policy/reader.h"

/* Istio's ValidateDuration; 0s too (seen: suites/selftest/istio). */
#define ISTIO_DURATION_LEAST_NS UINT64_C(1000000)

struct place place_of(struct policy *p, const struct object *o)
{
    return (struct place){.policy = p,
                          .origin = arena_printf(p->arena, "%.60s %.253s", o->kind, o->name),
                          .map = o->spec};
}

const char *place_field(struct place at, const char *key)
{
    return arena_printf(at.policy->arena, "%s%s%s", at.origin, at.inner ? "." : " ", key);
}

void place_speak(struct place at, const char *name, const struct value *value, const char *why)
{
    if (at.spoken != NULL && value->set)
        store_speak(at.policy, at.spoken, name, value, why);
}

struct place place_at(struct place from, const char *key)
{
    const struct yaml_node *n = yaml_get(from.map, key);
    struct place to = {.policy = from.policy, .inner = true, .spoken = from.spoken};
    to.origin = place_field(from, key);
    if (n != NULL && n->kind != YAML_MAP)
        lint_add(from.policy, LINT_OBJECT_VALUE, n->source, "%s is no map", to.origin);
    else
        to.map = n;
    return to;
}

struct place place_item(struct place from, const char *key, size_t index)
{
    const struct yaml_node *n = yaml_item(yaml_get(from.map, key), index);
    struct place to = {.policy = from.policy, .inner = true, .spoken = from.spoken};
    to.origin = arena_printf(from.policy->arena, "%s[%zu]", place_field(from, key), index);
    if (n != NULL && n->kind != YAML_MAP)
        lint_add(from.policy, LINT_OBJECT_VALUE, n->source, "%s is no map", to.origin);
    else
        to.map = n;
    return to;
}

struct source place_source(struct place at, const char *key)
{
    const struct yaml_pair *pair = yaml_find(at.map, key);
    if (pair != NULL)
        return pair->value->kind == YAML_SCALAR ? pair->value->source : pair->source;
    return at.map == NULL ? (struct source){0} : at.map->source;
}

/* The field's node, or NULL; on a bad value the error is a finding. */
static void complain(struct place at, const char *key, const struct error *err)
{
    lint_add(at.policy, LINT_OBJECT_VALUE, err->source, "%s %s", place_field(at, key), err->text);
}

static bool number(struct place at, const char *key, bool good, uint64_t found, struct error *err,
                   struct value *ret)
{
    if (!good) {
        complain(at, key, err);
        return false;
    }
    *ret = value_set(found, place_source(at, key), place_field(at, key));
    return true;
}

bool place_count(struct place at, const char *key, uint64_t most, struct value *ret)
{
    const struct yaml_node *n = yaml_get(at.map, key);
    struct error err = {0};
    uint64_t found = 0;
    if (n == NULL)
        return false;
    bool good = yaml_read_count(n, most, &found, &err);
    return number(at, key, good, found, &err, ret);
}

bool place_go_duration(struct place at, const char *key, struct value *ret)
{
    const struct yaml_node *n = yaml_get(at.map, key);
    struct error err = {0};
    uint64_t found = 0;
    if (n == NULL)
        return false;
    bool good = yaml_read_go_duration(n, &found, &err);
    if (good && found < ISTIO_DURATION_LEAST_NS)
        lint_add(at.policy, LINT_OBJECT_VALUE, n->source,
                 "%s is below 1ms, which Istio's webhook refuses", place_field(at, key));
    return number(at, key, good, found, &err, ret);
}

bool place_gep_duration(struct place at, const char *key, struct value *ret)
{
    const struct yaml_node *n = yaml_get(at.map, key);
    struct error err = {0};
    uint64_t found = 0;
    if (n == NULL)
        return false;
    bool good = yaml_read_gep_duration(n, &found, &err);
    return number(at, key, good, found, &err, ret);
}

bool place_bool(struct place at, const char *key, bool *ret, struct source *ret_source)
{
    const struct yaml_node *n = yaml_get(at.map, key);
    struct error err = {0};
    if (n == NULL)
        return false;
    if (ret_source != NULL)
        *ret_source = n->source;
    if (yaml_read_bool(n, ret, &err))
        return true;
    complain(at, key, &err);
    return false;
}

bool place_text(struct place at, const char *key, const char **ret, struct source *ret_source)
{
    const struct yaml_node *n = yaml_get(at.map, key);
    struct error err = {0};
    if (n == NULL)
        return false;
    if (ret_source != NULL)
        *ret_source = n->source;
    if (yaml_read_text(n, ret, &err))
        return true;
    complain(at, key, &err);
    return false;
}

void place_not_judged(struct place at, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct yaml_pair *pair = yaml_find(at.map, words[i]);
        if (pair != NULL)
            lint_add(at.policy, LINT_POLICY_NOT_JUDGED, pair->source,
                     "%s is in force, and not judged by meshproof", place_field(at, words[i]));
    }
}
