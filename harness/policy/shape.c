#include "policy/shape.h"

#include "policy/kind.h"
#include "policy/yaml.h"

#include "base/text.h"

#define WORDS_MOST 40
#define ORIGIN_MOST 512

SHAPE(metadata, SHAPE_SCALAR("name"), SHAPE_SCALAR("namespace"), {"labels", SHAPE_MAP, NULL},
      {"annotations", SHAPE_MAP, NULL}, SHAPE_SCALAR("generateName"), SHAPE_SCALAR("uid"),
      SHAPE_SCALAR("resourceVersion"), SHAPE_SCALAR("generation"),
      SHAPE_SCALAR("creationTimestamp"), SHAPE_SCALAR("deletionTimestamp"),
      SHAPE_SCALAR("deletionGracePeriodSeconds"), SHAPE_SCALAR("ownerReferences"),
      SHAPE_SCALAR("finalizers"), SHAPE_SCALAR("managedFields"), SHAPE_SCALAR("selfLink"),
      SHAPE_SCALAR("clusterName"));
SHAPE(root, SHAPE_SCALAR("apiVersion"), SHAPE_SCALAR("kind"), {"metadata", SHAPE_MAP, &metadata},
      {"spec", SHAPE_MAP, NULL}, SHAPE_SCALAR("status"));

static const struct shape_field *find(const struct shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->count; i++) {
        if (strcmp(shape->fields[i].name, name) == 0)
            return &shape->fields[i];
    }
    return NULL;
}

/* The nearest word by edit distance, else the one with the longest common beginning ("retry":
 * "retries"). */
static const char *nearest(const char *word, const char *const *words, size_t count)
{
    const char *best = text_nearest(word, words, count);
    size_t best_len = 3;
    for (size_t i = 0; best == NULL && i < count; i++) {
        size_t n = 0;
        while (word[n] != '\0' && word[n] == words[i][n])
            n++;
        if (n > best_len && n * 2 >= strlen(words[i]))
            return words[i];
    }
    return best;
}

/* Where we are in an object: its text is made for a finding only, for most objects have none. */
struct spot {
    const struct object *object;
    const struct spot *up; /* NULL: the object itself */
    const char *key;
    size_t index; /* of the item at ${key}; SIZE_MAX: it is no list */
    const struct yaml_node *map;
};

/* As struct place has it: "VirtualService payments http[0].match[0].uri". */
static size_t print(const struct spot *at, char *to, size_t size)
{
    int n;
    if (at->up == NULL) {
        n = snprintf(to, size, "%.60s %.253s", at->object->kind, at->object->name);
        return n < 0 || (size_t)n >= size ? size - 1 : (size_t)n;
    }
    size_t used = print(at->up, to, size);
    n = snprintf(to + used, size - used, "%s%.100s", at->up->up == NULL ? " " : ".", at->key);
    used = n < 0 || (size_t)n >= size - used ? size - 1 : used + (size_t)n;
    if (at->index == SIZE_MAX)
        return used;
    n = snprintf(to + used, size - used, "[%zu]", at->index);
    return n < 0 || (size_t)n >= size - used ? size - 1 : used + (size_t)n;
}

struct checking {
    struct policy *policy;
    enum lint_rule_id rule; /* of a field that is not there */
};

static void unknown(const struct checking *c, const struct spot *at, const struct shape *shape,
                    const struct yaml_pair *pair)
{
    const char *words[WORDS_MOST] = {NULL};
    char origin[ORIGIN_MOST];
    INVARIANT(shape->count <= WORDS_MOST);
    for (size_t i = 0; i < shape->count; i++)
        words[i] = shape->fields[i].name;
    const char *near = nearest(pair->key, words, shape->count);
    print(at, origin, sizeof(origin));
    if (near != NULL)
        lint_add(c->policy, c->rule, pair->source,
                 "%s has no field \"%.60s\" (did you mean \"%s\"?)", origin, pair->key, near);
    else
        lint_add(c->policy, c->rule, pair->source, "%s has no field \"%.60s\"", origin, pair->key);
}

/* False: the value is a finding. */
static bool is_a(const struct checking *c, const struct spot *at, const struct yaml_node *n,
                 enum yaml_kind kind)
{
    char origin[ORIGIN_MOST];
    if (n->kind == kind)
        return true;
    print(at, origin, sizeof(origin));
    lint_add(c->policy, LINT_OBJECT_VALUE, n->source, "%s is no %s", origin,
             kind == YAML_MAP ? "map" : "list");
    return false;
}

static void check(const struct checking *c, const struct spot *at, const struct shape *shape);

static void check_map(const struct checking *c, struct spot *at, const struct yaml_node *n,
                      const struct shape *inner)
{
    if (yaml_scalar_type(n) == YAML_NULL || !is_a(c, at, n, YAML_MAP) || inner == NULL)
        return;
    at->map = n;
    check(c, at, inner);
}

static void check_field(const struct checking *c, const struct spot *up,
                        const struct shape_field *field, const struct yaml_node *n)
{
    struct spot at = {up->object, up, field->name, SIZE_MAX, NULL};
    switch (field->form) {
    case SHAPE_ANY:
        return;
    case SHAPE_MAP:
        check_map(c, &at, n, field->inner);
        return;
    case SHAPE_LIST:
        if (!is_a(c, &at, n, YAML_SEQUENCE))
            return;
        for (at.index = 0; field->inner != NULL && at.index < n->count; at.index++)
            check_map(c, &at, yaml_item(n, at.index), field->inner);
        return;
    case SHAPE_MAP_OF:
        if (!is_a(c, &at, n, YAML_MAP))
            return;
        for (size_t i = 0; i < n->count; i++) {
            struct spot one = {up->object, &at, n->pairs[i].key, SIZE_MAX, NULL};
            check_map(c, &one, n->pairs[i].value, field->inner);
        }
        return;
    }
    UNREACHABLE();
}

static void check(const struct checking *c, const struct spot *at, const struct shape *shape)
{
    for (size_t i = 0; i < at->map->count; i++) {
        const struct yaml_pair *pair = &at->map->pairs[i];
        const struct shape_field *field = find(shape, pair->key);
        if (field == NULL)
            unknown(c, at, shape, pair);
        else if (yaml_scalar_type(pair->value) != YAML_NULL)
            check_field(c, at, field, pair->value);
    }
}

void shape_check(struct policy *p, const struct object *o)
{
    struct checking c = {p, LINT_OBJECT_UNKNOWN_FIELD};
    const struct shape *spec = NULL;
    struct spot at = {.object = o, .map = o->root};
    check(&c, &at, &root);
    switch (o->row->dialect) {
    case DIALECT_ISTIO:
        spec = shape_of_istio(o->kind);
        c.rule = LINT_ISTIO_UNKNOWN_FIELD;
        break;
    case DIALECT_GATEWAY_API:
        spec = shape_of_gateway(o->kind);
        c.rule = LINT_GATEWAY_UNKNOWN_FIELD;
        break;
    case DIALECT_LINKERD:
        spec = shape_of_linkerd(o->kind);
        c.rule = LINT_LINKERD_UNKNOWN_FIELD;
        break;
    case DIALECT_KUBERNETES: /* of which a mesh reads the labels and annotations */
    case DIALECT_NONE:
    case DIALECT_NOT_JUDGED:
        break;
    }
    at.map = o->spec;
    if (spec != NULL && at.map != NULL)
        check(&c, &at, spec);
}
