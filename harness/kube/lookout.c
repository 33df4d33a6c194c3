#include "kube/lookout.h"

#include "base/clock.h"
#include "kube/body.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_ANCHOR, LOOK_PODS, LOOK_GATES, LOOK_SLICES, LOOK_REST };

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

/* ---- a pod ---- */

static const json_t *condition_of(const json_t *status, const char *type)
{
    size_t i;
    const json_t *condition;
    json_array_foreach(json_object_get(status, "conditions"), i, condition)
    {
        if (strcmp(body_text(condition, "type"), type) == 0)
            return condition;
    }
    return NULL;
}

static bool is_true(const json_t *status, const char *type)
{
    return strcmp(body_text(condition_of(status, type), "status"), "True") == 0;
}

/* How a container ended, or why it does not start: "OOMKilled (exit 137)",
 * "ErrImagePull: not found". */
static void read_container(const json_t *container, struct lookout_pod *ret)
{
    static const char *const passing[] = {"ContainerCreating", "PodInitializing", ""};
    const json_t *state = json_object_get(container, "state");
    const json_t *ended = json_object_get(state, "terminated");
    const json_t *waiting = json_object_get(state, "waiting");
    const char *reason = body_text(waiting, "reason");
    json_int_t code = json_integer_value(json_object_get(ended, "exitCode"));
    if (ended != NULL && (code != 0 || ret->over)) {
        snprintf(ret->trouble, sizeof(ret->trouble), "%.40s (exit %lld)%s%.100s",
                 body_text(ended, "reason"), (long long)code,
                 body_text(ended, "message")[0] == '\0' ? "" : ": ", body_text(ended, "message"));
        return;
    }
    for (size_t i = 0; i < COUNT_OF(passing); i++)
        if (strcmp(reason, passing[i]) == 0)
            return;
    snprintf(ret->trouble, sizeof(ret->trouble), "%.60s: %.120s", reason,
             body_text(waiting, "message"));
}

static void read_trouble(const json_t *status, struct lookout_pod *ret)
{
    static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
    const json_t *scheduled = condition_of(status, "PodScheduled"), *container;
    size_t i;
    if (body_text(status, "reason")[0] != '\0') { /* Evicted, DeadlineExceeded, NodeLost */
        snprintf(ret->trouble, sizeof(ret->trouble), "%.40s: %.140s", body_text(status, "reason"),
                 body_text(status, "message"));
        return;
    }
    for (size_t k = 0; k < COUNT_OF(lists); k++)
        json_array_foreach(json_object_get(status, lists[k]), i, container)
        {
            if (ret->trouble[0] == '\0')
                read_container(container, ret);
        }
    if (ret->trouble[0] == '\0' && strcmp(body_text(scheduled, "status"), "False") == 0)
        snprintf(ret->trouble, sizeof(ret->trouble), "%.40s: %.140s",
                 body_text(scheduled, "reason"), body_text(scheduled, "message"));
}

static uint32_t read_number(const json_t *meta)
{
    uint64_t index;
    const char *text =
        body_text(json_object_get(meta, "annotations"), "batch.kubernetes.io/job-completion-index");
    return bytes_to_u64(bytes_of(text), &index) && index < OBJECTS_ENDPOINTS_MOST
               ? (uint32_t)index + 1
               : 0;
}

void lookout_read_pod(const json_t *pod, struct lookout_pod *ret)
{
    const json_t *meta = json_object_get(pod, "metadata"), *status = json_object_get(pod, "status");
    const json_t *labels = json_object_get(meta, "labels");
    const char *phase = body_text(status, "phase");
    *ret = (struct lookout_pod){0};
    copy(ret->name, sizeof(ret->name), body_text(meta, "name"));
    copy(ret->service, sizeof(ret->service), body_text(labels, OBJECTS_SERVICE_LABEL));
    copy(ret->role, sizeof(ret->role), body_text(labels, OBJECTS_ROLE_LABEL));
    ret->number = read_number(meta);
    ret->contained = is_true(status, "ContainersReady");
    ret->open = is_true(status, OBJECTS_ARMED_GATE);
    ret->ready = is_true(status, "Ready");
    ret->over = strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0 ||
                json_object_get(meta, "deletionTimestamp") != NULL;
    read_trouble(status, ret);
}

/* ---- the look ---- */

static bool is_endpoint(const struct lookout_pod *p)
{
    return strcmp(p->role, "endpoint") == 0;
}

static const struct lookout_pod *next_gate(struct lookout *l)
{
    for (; l->at < l->pod_count; l->at++) {
        const struct lookout_pod *p = &l->pods[l->at];
        if (is_endpoint(p) && p->contained && !p->open && !p->over)
            return p;
    }
    return NULL;
}

static bool all_ready(const struct lookout *l)
{
    size_t ready = 0;
    for (size_t i = 0; i < l->pod_count; i++)
        ready += l->pods[i].ready && !l->pods[i].over;
    return ready >= l->pods_wanted;
}

static void ask_gate(struct lookout *l, const struct lookout_pod *pod, struct chore_step *ret)
{
    char when[CLOCK_TEXT_BYTES];
    json_decref(l->body);
    l->body = objects_gate(true, clock_print_wall(l->wall_ns() / NS_PER_S, when));
    ret->request = (struct api_request){.verb = API_PATCH_STRATEGIC,
                                        .gvr = gvr_get(GVR_PODS),
                                        .namespace = l->run->namespace,
                                        .name = pod->name,
                                        .subresource = "status",
                                        .body = l->body,
                                        .urgent = true};
}

/* In canary a Service of our own; in interpose the target's. */
static const char *service_of(const struct lookout *l, size_t at, char *to, size_t size)
{
    if (l->run->mode == OBJECTS_CANARY)
        return objects_name(l->run, l->services[at].name, 0, to, size);
    copy(to, size, l->services[at].name);
    return to;
}

static void ask_slices(struct lookout *l, struct chore_step *ret)
{
    char name[OBJECTS_NAME_MOST + 1];
    snprintf(l->selector, sizeof(l->selector), "kubernetes.io/service-name=%s",
             service_of(l, l->at, name, sizeof(name)));
    ret->request = (struct api_request){.verb = API_LIST,
                                        .gvr = gvr_get(GVR_ENDPOINTSLICES),
                                        .namespace = l->run->namespace,
                                        .selector = l->selector};
}

static void rest(struct lookout *l, uint64_t now_ns)
{
    l->doing = LOOK_REST;
    l->wake_ns = now_ns + (l->mustered ? LOOKOUT_EVERY_NS : LOOKOUT_EAGER_NS);
    if (l->on_look != NULL)
        l->on_look(l->cookie);
}

/* From the pods on: what is left of this look. */
static void go_on(struct lookout *l, uint64_t now_ns)
{
    if (l->doing == LOOK_GATES && next_gate(l) == NULL) {
        l->doing = LOOK_SLICES;
        l->at = l->ready_services = 0;
        if (l->mustered || !all_ready(l))
            rest(l, now_ns);
    }
    if (l->doing == LOOK_SLICES && l->at >= l->service_count) {
        l->mustered = l->mustered || l->ready_services == l->service_count;
        rest(l, now_ns);
    }
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct lookout *l = (struct lookout *)c;
    char name[OBJECTS_NAME_MOST + 1];
    if (l->doing == LOOK_REST && now_ns >= l->wake_ns)
        l->doing = LOOK_ANCHOR;
    ret->want = l->over ? CHORE_OVER : l->doing == LOOK_REST ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = l->wake_ns;
    if (ret->want != CHORE_CALL)
        return;
    if (l->doing == LOOK_GATES) {
        ask_gate(l, next_gate(l), ret);
        return;
    }
    if (l->doing == LOOK_SLICES) {
        ask_slices(l, ret);
        return;
    }
    ret->request = (struct api_request){.verb = API_LIST,
                                        .gvr = gvr_get(GVR_PODS),
                                        .namespace = l->run->namespace,
                                        .selector = l->selector};
    if (l->doing == LOOK_ANCHOR) {
        objects_name(l->run, NULL, 0, name, sizeof(name));
        json_decref(l->body);
        l->body = json_string(name);
        ret->request = (struct api_request){.verb = API_GET,
                                            .gvr = gvr_get(GVR_CONFIGMAPS),
                                            .namespace = l->run->namespace,
                                            .name = json_string_value(l->body)};
    } else {
        snprintf(l->selector, sizeof(l->selector), OBJECTS_RUN_LABEL "=%s", l->run->run);
    }
}

static void take_anchor(struct lookout *l, const struct api_answer *answer)
{
    const json_t *meta = json_object_get(answer->body, "metadata");
    const char *halt = json_string_value(
        json_object_get(json_object_get(meta, "annotations"), OBJECTS_HALT_ANNOTATION));
    l->gone =
        answer->outcome == API_NOT_FOUND || json_object_get(meta, "deletionTimestamp") != NULL ||
        (l->run->anchor_uid != NULL && strcmp(body_text(meta, "uid"), l->run->anchor_uid) != 0);
    if (halt != NULL && l->halt[0] == '\0') {
        copy(l->halt, sizeof(l->halt), halt[0] == '\0' ? "somebody" : halt);
        for (char *at = l->halt; *at != '\0'; at++)
            *at = (unsigned char)*at < 0x20 || *at == 0x7f ? '?' : *at;
    }
    l->doing = LOOK_PODS;
}

static void take_pods(struct lookout *l, const json_t *list)
{
    size_t i;
    const json_t *pod;
    l->pod_count = 0;
    json_array_foreach(json_object_get(list, "items"), i, pod)
    {
        if (l->pod_count == LOOKOUT_PODS_MOST)
            break;
        struct lookout_pod *p = &l->pods[l->pod_count];
        lookout_read_pod(pod, p);
        l->pod_count += is_endpoint(p) || strcmp(p->role, "load") == 0;
    }
    l->doing = LOOK_GATES;
    l->at = 0;
}

/* Ours of a Service that are ready in its slices. */
static uint32_t count_ready(const struct lookout *l, const json_t *list)
{
    size_t i, k;
    const json_t *slice, *endpoint;
    uint32_t count = 0;
    json_array_foreach(json_object_get(list, "items"), i, slice)
    {
        json_array_foreach(json_object_get(slice, "endpoints"), k, endpoint)
        {
            const json_t *conditions = json_object_get(endpoint, "conditions");
            const char *pod = body_text(json_object_get(endpoint, "targetRef"), "name");
            count +=
                json_is_true(json_object_get(conditions, "ready")) && lookout_find(l, pod) != NULL;
        }
    }
    return count;
}

static void take_slices(struct lookout *l, const json_t *list)
{
    l->ready_services += count_ready(l, list) >= l->services[l->at].endpoints;
    l->at++;
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct lookout *l = (struct lookout *)c;
    bool not_found = answer->outcome == API_NOT_FOUND;
    if (l->over)
        return;
    if (l->doing == LOOK_ANCHOR && (answer->outcome == API_DONE || not_found)) {
        take_anchor(l, answer);
        l->over = l->gone;
        if (l->over && l->on_look != NULL)
            l->on_look(l->cookie);
    } else if (l->doing == LOOK_GATES && (answer->outcome == API_DONE || not_found)) {
        l->at++;
    } else if (answer->outcome == API_DONE && l->doing == LOOK_PODS) {
        take_pods(l, answer->body);
    } else if (answer->outcome == API_DONE) {
        take_slices(l, answer->body);
    } else if (api_is_passing(answer->outcome) || answer->outcome == API_CONFLICT) {
        rest(l, now_ns); /* how long it may be away is the Lease's to judge */
    } else {
        api_answer_error(answer, &l->err);
        l->over = true;
        rest(l, now_ns);
    }
    if (!l->over)
        go_on(l, now_ns);
}

void lookout_init(struct lookout *l, const struct objects_run *run,
                  const struct objects_service *services, size_t service_count, size_t pods,
                  uint64_t (*wall_ns)(void))
{
    *l = (struct lookout){.chore = {next, answered},
                          .run = run,
                          .services = services,
                          .service_count = service_count,
                          .pods_wanted = pods,
                          .wall_ns = wall_ns == NULL ? clock_wall_ns : wall_ns};
}

void lookout_release(struct lookout *l)
{
    json_decref(l->body);
    l->body = NULL;
}

const struct lookout_pod *lookout_find(const struct lookout *l, const char *name)
{
    for (size_t i = 0; i < l->pod_count; i++)
        if (strcmp(l->pods[i].name, name) == 0)
            return &l->pods[i];
    return NULL;
}

const struct lookout_pod *lookout_find_indexed(const struct lookout *l, const char *service,
                                               uint32_t number)
{
    for (size_t i = 0; i < l->pod_count; i++)
        if (l->pods[i].number == number && strcmp(l->pods[i].service, service) == 0)
            return &l->pods[i];
    return NULL;
}

void lookout_print_wait(const struct lookout *l, char *to, size_t size)
{
    const struct lookout_pod *late = NULL;
    for (size_t i = 0; i < l->pod_count; i++) {
        const struct lookout_pod *p = &l->pods[i];
        if (!p->ready && (late == NULL || (late->trouble[0] == '\0' && p->trouble[0] != '\0')))
            late = p;
    }
    if (late == NULL && l->pod_count < l->pods_wanted)
        snprintf(to, size, "%zu of %zu pods are there%s", l->pod_count, l->pods_wanted,
                 l->run->indexed ? "; why their Jobs make no more is in kubectl describe job" : "");
    else if (late == NULL)
        snprintf(to, size, "all pods are ready, but not all are in the slices of their Service");
    else
        snprintf(to, size, "pod %s is not ready%s%s", late->name,
                 late->trouble[0] == '\0' ? "" : ": ", late->trouble);
}
