#include "kube/ports.h"

#include "kube/body.h"
#include "kube/lookout.h"

#include <string.h>

/* Of the service, one that is there and has an address. An agent answers as soon as it is set up,
 * and nobody is told of it before its gate is open: so it need not be ready for this. */
static const json_t *pod_of(const struct ports *p, const struct objects_service *s)
{
    size_t i;
    const json_t *one;
    json_array_foreach(p->pods, i, one)
    {
        struct lookout_pod pod;
        lookout_read_pod(one, &pod);
        if (strcmp(pod.service, s->name) == 0 && !pod.over &&
            body_text(json_object_get(one, "status"), "podIP")[0] != '\0')
            return one;
    }
    return NULL;
}

static void clear(json_t **one)
{
    json_decref(*one);
    *one = NULL;
}

/* Until all pods have an address, nothing is made: the list is read again. */
static bool all_there(const struct ports *p)
{
    for (size_t i = 0; i < p->service_count; i++)
        if (pod_of(p, &p->services[i]) == NULL)
            return false;
    return true;
}

static void fail(struct ports *p, const struct error *why)
{
    p->err = *why;
    p->over = true;
}

/* The slice of the endpoint that is due. */
static void build_slice(struct ports *p)
{
    const struct objects_service *s = &p->services[p->at];
    const json_t *pod = pod_of(p, s);
    const struct objects_address to = {.ip = body_text(json_object_get(pod, "status"), "podIP"),
                                       .pod = body_meta_text(pod, "name"),
                                       .pod_uid = body_meta_text(pod, "uid"),
                                       .ready = true};
    struct error err = {0};
    char name[OBJECTS_NAME_MOST + 1];
    clear(&p->body);
    p->body = objects_slice(p->run, objects_name(p->run, s->name, 0, name, sizeof(name)),
                            p->made + 1, objects_endpoint_port(s, p->endpoint),
                            s->port_name != NULL ? s->port_name : "http", &to, 1, &err);
    if (p->body == NULL)
        fail(p, &err);
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct ports *p = (struct ports *)c;
    if (!p->over && p->pods != NULL && p->at < p->service_count)
        build_slice(p);
    p->over = p->over || p->at >= p->service_count;
    ret->want = p->over ? CHORE_OVER : now_ns < p->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = p->wake_ns;
    if (ret->want != CHORE_CALL)
        return;
    ret->request = (struct api_request){.namespace = p->run->namespace};
    if (p->pods != NULL) {
        ret->request.verb = API_POST;
        ret->request.gvr = gvr_get(GVR_ENDPOINTSLICES);
        ret->request.body = p->body;
        return;
    }
    ret->request.verb = API_LIST;
    ret->request.gvr = gvr_get(GVR_PODS);
    ret->request.selector = p->selector;
}

static void take_pods(struct ports *p, uint64_t now_ns, const json_t *list)
{
    p->pods = json_incref(json_object_get(list, "items"));
    if (p->pods != NULL && all_there(p))
        return;
    clear(&p->pods);
    p->wake_ns = now_ns + PORTS_POLL_NS;
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct ports *p = (struct ports *)c;
    struct error err = {0};
    if (api_is_passing(answer->outcome)) { /* how long it may be away is the Lease's to judge */
        p->wake_ns = now_ns + PORTS_POLL_NS;
        return;
    }
    if (answer->outcome != API_DONE) {
        api_answer_error(answer, &err);
        error_prefix(&err, "the ports of %s as endpoints: ", p->services[p->at].name);
        fail(p, &err);
        return;
    }
    if (p->pods == NULL) {
        take_pods(p, now_ns, answer->body);
        return;
    }
    p->made++;
    if (++p->endpoint > p->services[p->at].endpoints) {
        p->at++;
        p->endpoint = 1;
    }
}

void ports_init(struct ports *p, const struct objects_run *run,
                const struct objects_service *services, size_t service_count)
{
    *p = (struct ports){.chore = {next, answered}, .run = run};
    snprintf(p->selector, sizeof(p->selector),
             OBJECTS_RUN_LABEL "=%s," OBJECTS_ROLE_LABEL "=endpoint", run->run);
    ports_again(p, services, service_count);
}

void ports_again(struct ports *p, const struct objects_service *services, size_t service_count)
{
    ports_release(p);
    p->services = services;
    p->service_count = service_count;
    p->at = 0;
    p->endpoint = 1;
    p->over = false;
    p->wake_ns = 0;
}

void ports_release(struct ports *p)
{
    clear(&p->pods);
    clear(&p->body);
}
