#include "kube/check_inside.h"

static const struct preflight_right rights[] = {
#define RIGHT(ID, subresource, verb, modes, meshes, when) \
    {GVR_##ID, verb, subresource, modes, meshes, when},
#include "kube/rights.def"
#undef RIGHT
};
_Static_assert(COUNT_OF(rights) <= PREFLIGHT_RIGHTS_MOST, "preflight.missing is too small");

const struct preflight_right *preflight_rights(size_t *ret_count)
{
    *ret_count = COUNT_OF(rights);
    return rights;
}

static bool is_made(const struct preflight_view *v, enum gvr_id id)
{
    const json_t *one;
    size_t i;
    json_array_foreach(v->objects, i, one)
    {
        const struct gvr *g = gvr_of_kind(body_text(one, "apiVersion"), body_text(one, "kind"));
        if (g != NULL && g->id == id)
            return true;
    }
    return false;
}

bool preflight_needs(const struct preflight_right *right, const struct preflight_view *v)
{
    if ((right->modes & 1U << v->run->mode) == 0 || (right->meshes & 1U << v->run->mesh) == 0)
        return false;
    switch (right->when) {
    case RIGHT_ALWAYS:
        return true;
    case RIGHT_IF_MADE:
        return is_made(v, right->gvr);
    case RIGHT_EDITS:
        return v->edits;
    case RIGHT_PORTS:
        return v->run->ports;
    }
    UNREACHABLE();
}

json_t *preflight_review(const struct preflight_right *right, const char *namespace)
{
    const struct gvr *g = gvr_get(right->gvr);
    json_t *what = json_pack("{s:s, s:s, s:s, s:s}", "namespace", namespace, "verb", right->verb,
                             "group", g->group, "resource", g->resource);
    if (right->subresource != NULL)
        json_object_set_new(what, "subresource", json_string(right->subresource));
    return json_pack("{s:s, s:s, s:{s:o}}", "apiVersion", "authorization.k8s.io/v1", "kind",
                     "SelfSubjectAccessReview", "spec", "resourceAttributes", what);
}

bool preflight_allowed(const json_t *review_answer)
{
    return json_is_true(at(review_answer, "status", "allowed"));
}

static bool lists(const json_t *words, const char *word)
{
    const json_t *one;
    size_t i;
    json_array_foreach(words, i, one) if (json_is_string(one) &&
                                          (strcmp(json_string_value(one), "*") == 0 ||
                                           strcmp(json_string_value(one), word) == 0)) return true;
    return false;
}

bool preflight_ruled(const struct preflight_right *right, const json_t *rules_answer)
{
    const struct gvr *g = gvr_get(right->gvr);
    const json_t *rule;
    char what[160];
    size_t i;
    snprintf(what, sizeof(what), "%s%s%s", g->resource, right->subresource != NULL ? "/" : "",
             right->subresource != NULL ? right->subresource : "");
    json_array_foreach(at(rules_answer, "status", "resourceRules"), i,
                       rule) if (json_array_size(json_object_get(rule, "resourceNames")) == 0 &&
                                 lists(json_object_get(rule, "verbs"), right->verb) &&
                                 lists(json_object_get(rule, "apiGroups"), g->group) &&
                                 lists(json_object_get(rule, "resources"), what)) return true;
    return false;
}

static bool same_resource(const struct preflight_right *a, const struct preflight_right *b)
{
    return a->gvr == b->gvr && (a->subresource == NULL) == (b->subresource == NULL);
}

void preflight_print_rules(const struct preflight_right *const *missing, size_t count,
                           struct text *to)
{
    for (size_t i = 0; i < count; i++) {
        const struct gvr *g = gvr_get(missing[i]->gvr);
        bool before = false;
        for (size_t k = 0; k < i; k++)
            before = before || same_resource(missing[k], missing[i]);
        if (before)
            continue;
        text_add(to, "- {apiGroups: ['%s'], resources: [%s%s%s], verbs: [", g->group, g->resource,
                 missing[i]->subresource != NULL ? "/" : "",
                 missing[i]->subresource != NULL ? missing[i]->subresource : "");
        for (size_t k = i, n = 0; k < count; k++)
            if (same_resource(missing[k], missing[i]))
                text_add(to, "%s%s", n++ > 0 ? ", " : "", missing[k]->verb);
        text_add(to, "]}\n");
    }
}
