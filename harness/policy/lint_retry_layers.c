#include "policy/lint_inside.h"

/* Retries of the application times retries of the mesh. What the application does is said by an
 * annotation of the called Service, for no API of a mesh has a word for it. */

static const char annotation[] = "meshproof.io/app-retries";

static bool read_retries(struct policy *p, const struct object *o, uint64_t *ret)
{
    const char *text = yaml_get_text(o->annotations, annotation);
    if (text != NULL && bytes_to_u64(bytes_of(text), ret) && *ret <= 1000)
        return true;
    lint_add(p, LINT_OBJECT_VALUE, lint_source(o->annotations, annotation),
             "%s of Service %.60s must be the retries of its callers in quotes, such as \"2\"",
             annotation, o->name);
    return false;
}

void lint_retry_layers(struct lint *l)
{
    struct policy *p = l->policy;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        struct edge_policy edge;
        uint64_t app = 0;
        if (o->group[0] != '\0' || !lint_is(o, "Service") ||
            yaml_find(o->annotations, annotation) == NULL || !read_retries(p, o, &app) || app == 0)
            continue;
        policy_resolve(p, NULL, o->name, NULL, 0, &edge);
        if (edge.retry.by_budget)
            lint_add(p, LINT_RETRY_LAYERS, lint_source(o->annotations, annotation),
                     "callers of %.60s retry %llu times, and the mesh each of their tries as far "
                     "as its budget goes",
                     o->name, (unsigned long long)app);
        else if (edge.retry.attempts.number > 0)
            lint_add(p, LINT_RETRY_LAYERS, lint_source(o->annotations, annotation),
                     "callers of %.60s retry %llu times and the mesh %llu (%s): one request can "
                     "become %llu tries",
                     o->name, (unsigned long long)app,
                     (unsigned long long)edge.retry.attempts.number,
                     edge.retry.attempts.origin == NULL ? "default" : edge.retry.attempts.origin,
                     (unsigned long long)((app + 1) * (edge.retry.attempts.number + 1)));
    }
}
