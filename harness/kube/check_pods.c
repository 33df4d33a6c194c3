#include "kube/check_inside.h"

#include <ctype.h>

/* Namespace and pods: who is injected, who adopts, who counts. */

void check_namespace_denied(const struct preflight_view *v, struct preflight_findings *f)
{
    static const char *const denied[] = {"kube-", "istio-system", "linkerd", "cert-manager"};
    for (size_t i = 0; i < COUNT_OF(denied); i++)
        if (strncmp(v->run->namespace, denied[i], strlen(denied[i])) == 0) {
            preflight_add(f, "namespace_denied",
                          "namespace %s is the cluster's or a mesh's own: no run is made there",
                          v->run->namespace);
            return;
        }
}

/* "canary.interpose": words between what a label's value may have besides letters. */
static bool names_mode(const char *value, const char *mode)
{
    while (*value != '\0') {
        size_t length = 0;
        while (isalnum((unsigned char)value[length]))
            length++;
        if (length == strlen(mode) && strncmp(value, mode, length) == 0)
            return true;
        value += length + (value[length] != '\0');
    }
    return false;
}

void check_not_opted_in(const struct preflight_view *v, struct preflight_findings *f)
{
    const char *value = label_of(v->namespace, OBJECTS_ALLOW_LABEL);
    const char *mode = objects_mode_words[v->run->mode];
    if (v->namespace == NULL || names_mode(value, mode))
        return;
    preflight_add(
        f, "not_opted_in",
        "namespace %s has not opted in to %s: kubectl label namespace %s " OBJECTS_ALLOW_LABEL
        "=%s%s%s --overwrite",
        v->run->namespace, mode, v->run->namespace, value, *value != '\0' ? "." : "", mode);
}

static bool has_proxy(const json_t *pod)
{
    static const char *const lists[] = {"containers", "initContainers"};
    static const char *const proxies[] = {"istio-proxy", "linkerd-proxy"};
    const json_t *one;
    size_t i;
    for (size_t l = 0; l < COUNT_OF(lists); l++)
        json_array_foreach(at(pod, "spec", lists[l]), i,
                           one) for (size_t p = 0; p < COUNT_OF(proxies);
                                     p++) if (strcmp(body_text(one, "name"), proxies[p]) ==
                                              0) return true;
    return *annotation_of(pod, "sidecar.istio.io/status") != '\0';
}

static bool is_ambient(const struct preflight_view *v)
{
    return strcmp(label_of(v->namespace, "istio.io/dataplane-mode"), "ambient") == 0;
}

void check_two_data_planes(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *pod;
    size_t i;
    if (!is_ambient(v))
        return;
    if (strcmp(label_of(v->namespace, "istio-injection"), "enabled") == 0) {
        preflight_add(f, "two_data_planes",
                      "namespace %s has istio-injection: enabled and istio.io/dataplane-mode: "
                      "ambient: new pods get a sidecar, and ambient leaves them out",
                      v->run->namespace);
        return;
    }
    json_array_foreach(items_of(v, GVR_PODS), i, pod) if (has_proxy(pod))
    {
        preflight_add(f, "two_data_planes",
                      "namespace %s is ambient, and pod %s still has a sidecar: restart what "
                      "it is of",
                      v->run->namespace, name_of(pod));
        return;
    }
}

static bool is_load(const json_t *pod)
{
    return strcmp(label_of(pod, OBJECTS_ROLE_LABEL), "load") == 0;
}

void check_harness_injected(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *pod;
    size_t i;
    json_array_foreach(
        v->dry_pods, i,
        pod) if (!is_load(pod) &&
                 (has_proxy(pod) ||
                  strcmp(annotation_of(pod, "ambient.istio.io/redirection"), "enabled") == 0))
        preflight_add(f, "harness_injected",
                      "pod %s (%s) would be in the mesh, which then repeats and rewrites what "
                      "the harness does: an injector of the cluster overrules the labels that "
                      "keep it out",
                      name_of(pod), label_of(pod, OBJECTS_ROLE_LABEL));
}

void check_load_not_injected(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *pod;
    size_t i;
    if (v->run->mesh == OBJECTS_NO_MESH)
        return;
    json_array_foreach(v->dry_pods, i, pod)
    {
        if (!is_load(pod))
            continue;
        if (v->run->mesh == OBJECTS_AMBIENT && v->namespace != NULL && !is_ambient(v) &&
            strcmp(label_of(pod, "istio.io/dataplane-mode"), "ambient") != 0)
            preflight_add(f, "load_not_injected",
                          "load pod %s would not be in the mesh: namespace %s lacks "
                          "istio.io/dataplane-mode: ambient",
                          name_of(pod), v->run->namespace);
        else if (v->run->mesh != OBJECTS_AMBIENT && !has_proxy(pod))
            preflight_add(f, "load_not_injected",
                          "load pod %s would not be in the mesh: is %s's injector there, and does "
                          "it serve namespace %s?",
                          name_of(pod), v->run->mesh == OBJECTS_ISTIO ? "Istio" : "Linkerd",
                          v->run->namespace);
    }
}

void check_adopted(const struct preflight_view *v, struct preflight_findings *f)
{
    static const enum gvr_id kinds[] = {GVR_REPLICASETS, GVR_STATEFULSETS};
    const json_t *pod = our_endpoint(v), *one;
    size_t i;
    if (v->controlled || pod == NULL)
        return;
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        json_array_foreach(items_of(v, kinds[k]), i,
                           one) if (selector_takes(at(one, "spec", "selector"), labels_of(pod)))
            preflight_add(f, "adopted",
                          "%s %s would adopt pod %s, and delete it: the pod has no controlling "
                          "owner",
                          gvr_get(kinds[k])->kind, name_of(one), name_of(pod));
}

/* Whether the Deployment (or other) that an autoscaler scales selects the pod. */
static bool scales(const struct preflight_view *v, const json_t *hpa, const json_t *pod)
{
    const json_t *ref = at(hpa, "spec", "scaleTargetRef"), *one;
    enum gvr_id of =
        strcmp(body_text(ref, "kind"), "StatefulSet") == 0 ? GVR_STATEFULSETS : GVR_DEPLOYMENTS;
    size_t i;
    json_array_foreach(
        items_of(v, of), i,
        one) if (strcmp(name_of(one), body_text(ref, "name")) == 0 &&
                 selector_takes(at(one, "spec", "selector"), labels_of(pod))) return true;
    return false;
}

void check_counted(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *pod = our_endpoint(v), *one;
    size_t i;
    if (pod == NULL || v->run->mode != OBJECTS_INTERPOSE)
        return;
    json_array_foreach(items_of(v, GVR_HORIZONTALPODAUTOSCALERS), i, one) if (scales(v, one, pod))
        preflight_add(f, "counted",
                      "HorizontalPodAutoscaler %s counts our pods in its averages while the "
                      "run lasts",
                      name_of(one));
    json_array_foreach(items_of(v, GVR_PODDISRUPTIONBUDGETS), i,
                       one) if (selector_takes(at(one, "spec", "selector"), labels_of(pod)))
        preflight_add(f, "counted",
                      "PodDisruptionBudget %s counts our pods as healthy ones while the run "
                      "lasts",
                      name_of(one));
}
