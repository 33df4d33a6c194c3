#include "kube/check_inside.h"

#include <stdarg.h>
#include <stdlib.h>

static const struct {
    const char *id;
    enum preflight_weight weight;
    void (*run)(const struct preflight_view *v, struct preflight_findings *f);
} checks[] = {
#define CHECK(id, weight, reads, what) {#id, PREFLIGHT_##weight, check_##id},
#include "kube/checks.def"
#undef CHECK
};

void preflight_check(const struct preflight_view *v, struct preflight_findings *to)
{
    for (size_t i = 0; i < COUNT_OF(checks); i++)
        checks[i].run(v, to);
}

void preflight_add(struct preflight_findings *f, const char *check, const char *format, ...)
{
    enum preflight_weight weight = PREFLIGHT_REFUSAL;
    char text[2048];
    va_list args;
    if (f->count == PREFLIGHT_FINDINGS_MOST)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; text[i] != '\0'; i++)
        if ((unsigned char)text[i] < 0x20 && text[i] != '\n')
            text[i] = '?';
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].check, check) == 0 && strcmp(f->items[i].text, text) == 0)
            return;
    for (size_t i = 0; i < COUNT_OF(checks); i++)
        if (strcmp(checks[i].id, check) == 0)
            weight = checks[i].weight;
    f->items[f->count++] = (struct preflight_finding){check, weight, check_strdup(text)};
}

bool preflight_refused(const struct preflight_findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i].weight == PREFLIGHT_REFUSAL)
            return true;
    return false;
}

void preflight_findings_release(struct preflight_findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->items[i].text);
    f->count = 0;
}

void preflight_view_release(struct preflight_view *v)
{
    json_decref(v->namespace);
    json_decref(v->lease);
    json_decref(v->dry_pods);
    for (size_t i = 0; i < GVR_COUNT; i++)
        json_decref(v->lists[i]);
    *v = (struct preflight_view){0};
}

const json_t *at(const json_t *map, const char *a, const char *b)
{
    const json_t *found = json_object_get(map, a);
    return b != NULL ? json_object_get(found, b) : found;
}

const char *name_of(const json_t *object)
{
    return body_meta_text(object, "name");
}

const json_t *labels_of(const json_t *object)
{
    return at(object, "metadata", "labels");
}

const char *label_of(const json_t *object, const char *key)
{
    return body_text(labels_of(object), key);
}

const char *annotation_of(const json_t *object, const char *key)
{
    return body_text(at(object, "metadata", "annotations"), key);
}

const json_t *items_of(const struct preflight_view *v, enum gvr_id id)
{
    return json_object_get(v->lists[id], "items");
}

const json_t *target_of(const struct preflight_view *v)
{
    const json_t *items = items_of(v, GVR_SERVICES), *one;
    size_t i;
    json_array_foreach(items, i, one) if (strcmp(name_of(one), v->service->name) == 0) return one;
    return NULL;
}

bool takes_target_pod(const struct preflight_view *v, const json_t *selector)
{
    const json_t *wanted = at(target_of(v), "spec", "selector"), *pod;
    size_t i;
    json_array_foreach(
        items_of(v, GVR_PODS), i,
        pod) if (selector_takes_map(wanted, labels_of(pod)) &&
                 *label_of(pod, OBJECTS_RUN_LABEL) == '\0' &&
                 (selector == NULL || selector_takes(selector, labels_of(pod)))) return true;
    return false;
}

const json_t *our_endpoint(const struct preflight_view *v)
{
    const json_t *one;
    size_t i;
    json_array_foreach(v->objects, i, one) if (strcmp(label_of(one, OBJECTS_ROLE_LABEL),
                                                      "endpoint") == 0) return one;
    return NULL;
}
