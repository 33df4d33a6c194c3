#include "kube/mirror.h"

#include "kube/body.h"
#include "kube/preflight.h"
#include "kube/incumbent.h"

#include <stdlib.h>
#include <string.h>

enum { MIRROR_REAL, MIRROR_OURS, MIRROR_MAKE, MIRROR_DROP, MIRROR_REST };

/* ---- a slice ---- */

/* Absent is true (discovery.k8s.io/v1 EndpointConditions). */
static bool is_ready(const json_t *endpoint)
{
    return !json_is_false(json_object_get(json_object_get(endpoint, "conditions"), "ready"));
}

static const char *pod_of(const json_t *endpoint)
{
    return body_text(json_object_get(endpoint, "targetRef"), "name");
}

/* Of the slice, that of the Service's port which is meant: by its name, which is "" of an only one.
 * 0: it is not in it. */
static uint16_t port_in(const json_t *slice, const char *name)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(slice, "ports"), i, one)
    {
        json_int_t port = json_integer_value(json_object_get(one, "port"));
        if (strcmp(body_text(one, "name"), name == NULL ? "" : name) == 0 && port > 0 &&
            port < 65536)
            return (uint16_t)port;
    }
    return 0;
}

json_t *mirror_slice(const struct objects_run *run, const struct objects_service *s, uint32_t n,
                     const json_t *real, struct error *err)
{
    struct objects_address *to;
    size_t i, count = 0;
    const json_t *one;
    char direct[OBJECTS_NAME_MOST + 1];
    uint16_t port = port_in(real, s->port_name);
    if (port == 0 || strcmp(body_text(real, "addressType"), "FQDN") == 0)
        return NULL;
    to = check_alloc_zero(MIRROR_ENDPOINTS_MOST, sizeof(*to));
    json_array_foreach(json_object_get(real, "endpoints"), i, one)
    {
        const json_t *target = json_object_get(one, "targetRef");
        const char *ip = json_string_value(json_array_get(json_object_get(one, "addresses"), 0));
        bool pod = strcmp(body_text(target, "kind"), "Pod") == 0;
        if (ip == NULL || count == MIRROR_ENDPOINTS_MOST || incumbent_is_ours(pod_of(one)))
            continue;
        to[count++] = (struct objects_address){.ip = ip,
                                               .pod = pod ? body_text(target, "name") : NULL,
                                               .pod_uid = pod ? body_text(target, "uid") : NULL,
                                               .ready = is_ready(one)};
    }
    objects_direct_name(run, s->name, direct, sizeof(direct));
    json_t *slice =
        count == 0 ? NULL : objects_slice(run, direct, n, port, "tcp-direct", to, count, err);
    free(to);
    if (slice != NULL)
        json_object_set_new(json_object_get(slice, "metadata"), "annotations",
                            json_pack("{s:s}", MIRROR_OF_ANNOTATION, body_meta_text(real, "name")));
    return slice;
}

static const char *source_of(const json_t *slice)
{
    return body_text(json_object_get(body_meta(slice), "annotations"), MIRROR_OF_ANNOTATION);
}

/* Who is behind it and whether ready: the server adds to what was sent. */
static bool same_endpoints(const json_t *a, const json_t *b)
{
    const json_t *left = json_object_get(a, "endpoints"), *right = json_object_get(b, "endpoints");
    size_t i;
    const json_t *one;
    if (json_array_size(left) != json_array_size(right) ||
        port_in(a, "tcp-direct") != port_in(b, "tcp-direct"))
        return false;
    json_array_foreach(left, i, one)
    {
        const json_t *other = json_array_get(right, i);
        if (!json_equal(json_object_get(one, "addresses"), json_object_get(other, "addresses")) ||
            is_ready(one) != is_ready(other) || strcmp(pod_of(one), pod_of(other)) != 0)
            return false;
    }
    return true;
}

/* ---- the looks ---- */

static void rest(struct mirror *m, uint64_t now_ns)
{
    m->doing = MIRROR_REST;
    m->wake_ns = now_ns + (m->in_step ? MIRROR_EVERY_NS : MIRROR_EAGER_NS);
}

static void clear(json_t **list)
{
    json_decref(*list);
    *list = NULL;
}

/* Passes over what has nothing to do. */
static void go_on(struct mirror *m, uint64_t now_ns)
{
    if (m->doing == MIRROR_MAKE && m->item >= json_array_size(m->make)) {
        m->doing = MIRROR_DROP;
        m->item = 0;
    }
    if (m->doing == MIRROR_DROP && m->item >= json_array_size(m->drop)) {
        m->doing = MIRROR_REAL;
        m->at++;
    }
    if (m->doing == MIRROR_REAL && m->at >= m->service_count) {
        m->in_step = true;
        rest(m, now_ns);
        if (m->on_step != NULL)
            m->on_step(m->cookie);
    }
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct mirror *m = (struct mirror *)c;
    char direct[OBJECTS_NAME_MOST + 1];
    const json_t *item;
    if (m->doing == MIRROR_REST && now_ns >= m->wake_ns) {
        m->doing = MIRROR_REAL;
        m->at = 0;
    }
    ret->want = m->over ? CHORE_OVER : m->doing == MIRROR_REST ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = m->wake_ns;
    if (ret->want != CHORE_CALL)
        return;
    ret->request = (struct api_request){
        .verb = API_LIST, .gvr = gvr_get(GVR_ENDPOINTSLICES), .namespace = m->run->namespace};
    if (m->doing == MIRROR_MAKE) {
        ret->request.verb = API_POST;
        ret->request.body = json_array_get(m->make, m->item);
    } else if (m->doing == MIRROR_DROP) {
        item = json_array_get(m->drop, m->item);
        ret->request.verb = API_DELETE;
        ret->request.name = body_meta_text(item, "name");
        ret->request.uid = body_meta_text(item, "uid");
    } else {
        const char *of = m->services[m->at].name;
        snprintf(m->selector, sizeof(m->selector), "kubernetes.io/service-name=%s",
                 m->doing == MIRROR_REAL ? of
                                         : objects_direct_name(m->run, of, direct, sizeof(direct)));
        ret->request.selector = m->selector;
    }
}

static void fail(struct mirror *m, const struct error *why)
{
    m->err = *why;
    m->over = true;
    if (m->on_step != NULL)
        m->on_step(m->cookie);
}

static void count_ready(struct mirror *m)
{
    uint32_t ready = incumbent_count_ready(m->real, false);
    if (ready < PREFLIGHT_READY_LEAST) {
        snprintf(m->scarce, sizeof(m->scarce), "%s", m->services[m->at].name);
        m->ready = ready;
    }
}

/* The one of ${ours} that stands for ${slice}. */
static json_t *stands_for(const json_t *ours, const json_t *slice)
{
    size_t i;
    json_t *one;
    json_array_foreach(ours, i, one)
    {
        if (strcmp(source_of(one), source_of(slice)) == 0 && same_endpoints(one, slice))
            return one;
    }
    return NULL;
}

/* What is to be made, and what to be dropped after that. */
static void compare(struct mirror *m, const json_t *ours)
{
    size_t i;
    json_t *one;
    struct error err = {0};
    clear(&m->make);
    m->make = json_array();
    clear(&m->drop);
    m->drop = json_array();
    json_t *kept = json_object();
    json_array_foreach(m->real, i, one)
    {
        json_t *slice = mirror_slice(m->run, &m->services[m->at], m->made + 1, one, &err);
        const json_t *there = slice == NULL ? NULL : stands_for(ours, slice);
        if (there != NULL)
            json_object_set_new(kept, body_meta_text(there, "uid"), json_true());
        if (slice != NULL && there == NULL) {
            json_array_append(m->make, slice);
            m->made++;
        }
        json_decref(slice);
    }
    json_array_foreach(ours, i, one)
    {
        if (json_object_get(kept, body_meta_text(one, "uid")) == NULL)
            json_array_append(m->drop, one);
    }
    json_decref(kept);
    m->item = 0;
    m->doing = MIRROR_MAKE;
    if (err.kind != ERROR_NONE)
        fail(m, &err);
}

static void take_refusal(struct mirror *m, uint64_t now_ns, const struct api_answer *answer)
{
    struct error err = {0};
    if (api_is_passing(answer->outcome)) {
        rest(m, now_ns); /* how long it may be away is the Lease's to judge */
        return;
    }
    api_answer_error(answer, &err);
    error_prefix(&err, "the way to the real pods of %s: ", m->services[m->at].name);
    fail(m, &err);
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct mirror *m = (struct mirror *)c;
    bool gone = m->doing == MIRROR_DROP &&
                (answer->outcome == API_NOT_FOUND || answer->outcome == API_CONFLICT);
    if (answer->outcome != API_DONE && !gone) {
        take_refusal(m, now_ns, answer);
        return;
    }
    if (m->doing == MIRROR_REAL) {
        clear(&m->real);
        m->real = json_incref(json_object_get(answer->body, "items"));
        count_ready(m);
        m->doing = MIRROR_OURS;
    } else if (m->doing == MIRROR_OURS) {
        compare(m, json_object_get(answer->body, "items"));
    } else {
        m->item++;
    }
    if (!m->over)
        go_on(m, now_ns);
}

void mirror_init(struct mirror *m, const struct objects_run *run,
                 const struct objects_service *services, size_t service_count)
{
    *m = (struct mirror){.chore = {next, answered},
                         .run = run,
                         .services = services,
                         .service_count = service_count};
}

void mirror_again(struct mirror *m, const struct objects_service *services, size_t service_count)
{
    m->services = services;
    m->service_count = service_count;
    m->in_step = false;
    m->scarce[0] = '\0';
    m->doing = MIRROR_REAL;
    m->at = 0;
}

void mirror_release(struct mirror *m)
{
    clear(&m->real);
    clear(&m->make);
    clear(&m->drop);
}
