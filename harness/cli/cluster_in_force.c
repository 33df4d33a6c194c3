#include "cli/cluster_in_force.h"

#include "kube/body.h"
#include "policy/edge.h"

#include <stdlib.h>

#define OBJECTS_MOST_BYTES ((size_t)16 * 1024 * 1024)
#define SHOWN_MOST_BYTES ((size_t)16 * 1024)
#define CHECK "policy_in_force"

/* As a file would have it: a list's items lack apiVersion and kind, and the server adds its own. */
static void add_object(const struct gvr *g, const json_t *item, struct text *to)
{
    static const char *const servers[] = {"managedFields", "uid", "resourceVersion",
                                          "ownerReferences", "generation"};
    char version[100];
    json_t *copy = json_deep_copy(item);
    json_object_set_new(copy, "apiVersion",
                        json_string(gvr_api_version(g, version, sizeof(version))));
    json_object_set_new(copy, "kind", json_string(g->kind));
    json_object_del(copy, "status");
    for (size_t i = 0; i < COUNT_OF(servers); i++)
        json_object_del(json_object_get(copy, "metadata"), servers[i]);
    char *text = json_dumps(copy, JSON_COMPACT);
    text_add(to, "---\n%s\n", text);
    free(text);
    json_decref(copy);
}

static bool is_ours(const json_t *item)
{
    return body_text(json_object_get(body_meta(item), "labels"), OBJECTS_RUN_LABEL)[0] != '\0';
}

/* JSON is YAML. */
static void print_objects(const struct preflight_view *view, struct text *to)
{
    for (enum gvr_id kind = 0; kind < GVR_COUNT; kind++) {
        size_t i;
        const json_t *item;
        json_array_foreach(json_object_get(view->lists[kind], "items"), i, item)
        {
            if (gvr_has(kind, GVR_READ) && !is_ours(item))
                add_object(gvr_get(kind), item, to);
        }
    }
}

static void show(const struct edge_policy *edge, const struct edge_value *row, struct text *to)
{
    text_clear(to);
    if (edge_value_get(edge, row)->set)
        edge_value_show(edge, row, to);
    else
        text_add(to, "not set");
}

/* "policy.yaml:7", "default of istio@1.31". */
static void print_origin(const struct value *v, char *to, size_t size)
{
    if (v->source.file != NULL)
        snprintf(to, size, "%.100s:%u", v->source.file, v->source.line);
    else
        snprintf(to, size, "%.120s", v->origin != NULL ? v->origin : "nothing says more");
}

static void tell(const struct edge_policy *there, const struct edge_policy *file,
                 const struct edge_value *row, const char *is, const char *was,
                 struct preflight_findings *to)
{
    char name[EDGE_NAME_SIZE], declared[130];
    const char *origin = edge_value_get(there, row)->origin;
    print_origin(edge_value_get(file, row), declared, sizeof(declared));
    preflight_add(
        to, CHECK,
        "%s of %s -> %s is %s in the cluster (%s), and %s by the suite (%s): the run would "
        "be judged by what is not in force",
        edge_value_name(row, name), file->from, file->to, is,
        origin != NULL ? origin : "nothing says more", was, declared);
}

static void compare(const struct edge_policy *there, const struct edge_policy *file,
                    struct preflight_findings *to)
{
    size_t count;
    const struct edge_value *rows = edge_values(&count);
    struct text is, was;
    text_init(&is, SHOWN_MOST_BYTES);
    text_init(&was, SHOWN_MOST_BYTES);
    for (size_t i = 0; i < count; i++) {
        show(there, &rows[i], &is);
        show(file, &rows[i], &was);
        if (strcmp(text_get(&is), text_get(&was)) != 0)
            tell(there, file, &rows[i], text_get(&is), text_get(&was), to);
    }
    text_release(&is);
    text_release(&was);
}

static void compare_scenario(const struct prepared *p, size_t i, struct bytes objects,
                             struct preflight_findings *to)
{
    const struct scenario *s = &p->plan->scenarios[i];
    const struct prepared_scenario *ps = &p->scenarios[i];
    const struct edge_policy *edges = ps->mesh_policy != NULL ? ps->mesh_edges : ps->edges;
    struct policy_options options = {.target = ps->target};
    struct policy *there;
    struct error err = {0};
    /* The builtin mesh plays the suite's files, whatever is in force. */
    if (ps->driver != DRIVER_EXTERNAL || (s->lint != NULL && strcmp(s->lint, "ignore") == 0))
        return;
    if (!policy_read_bytes(objects, "cluster", &options, &there, &err)) {
        preflight_add(to, CHECK, "the policy in force cannot be read: %s", err.text);
        return;
    }
    for (size_t k = 0; k < ps->edge_count; k++) {
        struct edge_policy edge;
        policy_resolve(there, edges[k].from, edges[k].to, edges[k].path, edges[k].endpoints, &edge);
        compare(&edge, &edges[k], to);
    }
    policy_free(there);
}

void cluster_in_force(const struct prepared *p, const struct preflight_view *view,
                      struct preflight_findings *to)
{
    struct text objects;
    text_init(&objects, OBJECTS_MOST_BYTES);
    print_objects(view, &objects);
    if (objects.full)
        preflight_add(to, CHECK, "the policy in force has more than %zu MiB",
                      OBJECTS_MOST_BYTES >> 20);
    for (size_t i = 0; !objects.full && i < p->plan->scenario_count; i++)
        compare_scenario(p, i, bytes_of(text_get(&objects)), to);
    text_release(&objects);
}
