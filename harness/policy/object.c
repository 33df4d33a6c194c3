#include "policy/object.h"

#include "policy/kind.h"
#include "policy/store.h"

#define LIST_MAX_DEPTH 4
#define NAME_MAX_BYTES ((size_t)253)

static const struct yaml_node *map_at_key(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *n = yaml_get(map, key);
    return n != NULL && n->kind == YAML_MAP ? n : NULL;
}

/* A name as Kubernetes takes it: ASCII, at most 253 bytes. Another one is a finding, and made to
 * fit. */
static const char *own_name(struct policy *p, const struct yaml_node *metadata, const char *key)
{
    const struct yaml_node *n = yaml_get(metadata, key);
    const char *text = "";
    struct error err = {0};
    if (n != NULL && !yaml_read_text(n, &text, &err))
        lint_add(p, LINT_OBJECT_VALUE, err.source, "metadata.%s %s", key, err.text);
    size_t len = strlen(text);
    bool good = len <= NAME_MAX_BYTES;
    for (size_t i = 0; i < len && good; i++)
        good = text[i] > ' ' && text[i] < 0x7f;
    if (good)
        return text;
    char *copy = arena_strndup(p->arena, text, len < NAME_MAX_BYTES ? len : NAME_MAX_BYTES);
    for (size_t i = 0; copy[i] != '\0'; i++)
        copy[i] = copy[i] > ' ' && copy[i] < 0x7f ? copy[i] : '?';
    lint_add(
        p, LINT_OBJECT_VALUE, n->source,
        "metadata.%s is \"%.60s\"; it must be a name of at most 253 letters, digits, '-' and '.'",
        key, copy);
    return copy;
}

static void add(struct policy *p, const struct yaml_node *root)
{
    struct object *o = STORE_ADD(p, object);
    const char *api = yaml_get_text(root, "apiVersion");
    const char *slash = strchr(api, '/');
    const struct yaml_node *metadata = map_at_key(root, "metadata");
    o->root = root;
    o->group = slash == NULL ? "" : arena_strndup(p->arena, api, (size_t)(slash - api));
    o->version = slash == NULL ? api : slash + 1;
    o->kind = yaml_get_text(root, "kind");
    o->kind_source = yaml_get(root, "kind")->source;
    o->version_source = yaml_get(root, "apiVersion")->source;
    o->name = own_name(p, metadata, "name");
    o->namespace = own_name(p, metadata, "namespace");
    o->labels = map_at_key(metadata, "labels");
    o->annotations = map_at_key(metadata, "annotations");
    o->spec = map_at_key(root, "spec");
    o->row = kind_find(o->group, o->kind);
}

/* A file of accepted failures beside the policy (scenario-language.md 1.9): a list of tables that
 * each have a claim. It is ours, and no object by intent. */
static bool is_exceptions(const struct yaml_node *node)
{
    if (node->kind != YAML_SEQUENCE)
        return false;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = yaml_item(node, i);
        if (item->kind != YAML_MAP || yaml_get_text(item, "claim") == NULL)
            return false;
    }
    return true;
}

static void read_at(struct policy *p, const struct yaml_node *node, unsigned depth)
{
    const char *kind = yaml_get_text(node, "kind"), *api = yaml_get_text(node, "apiVersion");
    if (is_exceptions(node))
        return;
    if (kind == NULL || api == NULL) {
        lint_add(p, LINT_OBJECT_NO_KIND, node->source,
                 "document has no %s: it is no Kubernetes object",
                 kind == NULL ? "kind" : "apiVersion");
        return;
    }
    if (strcmp(kind, "List") != 0 || strcmp(api, "v1") != 0) {
        add(p, node);
        return;
    }
    const struct yaml_node *items = yaml_get(node, "items");
    if (depth >= LIST_MAX_DEPTH) {
        lint_add(p, LINT_OBJECT_VALUE, node->source, "lists are nested deeper than %d levels",
                 LIST_MAX_DEPTH);
        return;
    }
    for (size_t i = 0; i < yaml_count(items); i++)
        read_at(p, yaml_item(items, i), depth + 1);
}

void object_read(struct policy *p, const struct yaml_node *document)
{
    read_at(p, document, 0);
}

const char *object_label(const struct object *o, const char *name)
{
    return yaml_get_text(o->labels, name);
}
