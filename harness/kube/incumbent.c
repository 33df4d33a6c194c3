#include "kube/incumbent.h"

#include "kube/body.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool incumbent_is_http(const char *protocol)
{
    static const char *const known[] = {"http", "http2", "grpc", "grpc-web"};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        size_t length = strlen(known[i]);
        if (strncasecmp(protocol, known[i], length) == 0 &&
            (protocol[length] == '\0' || protocol[length] == '-'))
            return true;
    }
    return strcmp(protocol, "kubernetes.io/h2c") == 0;
}

const char *incumbent_protocol(const json_t *port)
{
    const char *app = body_text(port, "appProtocol");
    return app[0] != '\0' ? app : body_text(port, "name");
}

static uint16_t port_number(const json_t *map, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(map, key));
    return n > 0 && n < 65536 ? (uint16_t)n : 0;
}

/* The one that is meant; NULL: it is not clear which, or it is not there. */
static const json_t *choose_port(const json_t *ports, uint16_t wanted)
{
    size_t i;
    const json_t *one, *http = NULL;
    json_array_foreach(ports, i, one)
    {
        if (wanted != 0 && port_number(one, "port") == wanted)
            return one;
        if (http == NULL && incumbent_is_http(incumbent_protocol(one)))
            http = one;
    }
    if (wanted != 0)
        return NULL;
    return http == NULL && json_array_size(ports) == 1 ? json_array_get(ports, 0) : http;
}

static bool read_port(const json_t *port, struct objects_service *to, struct error *err)
{
    const json_t *target = json_object_get(port, "targetPort");
    const char *protocol = body_text(port, "protocol");
    if (protocol[0] != '\0' && strcmp(protocol, "TCP") != 0)
        return error_set(err, ERROR_PEER, "port %u of Service %s is %.10s: only TCP is relayed",
                         port_number(port, "port"), to->name, protocol);
    to->port = port_number(port, "port");
    to->port_name = body_text(port, "name")[0] == '\0' ? NULL : body_text(port, "name");
    to->app_protocol =
        body_text(port, "appProtocol")[0] == '\0' ? NULL : body_text(port, "appProtocol");
    /* Without a targetPort it is the port itself (core/v1 ServicePort). A name is looked up in each
     * pod, so ours has it too, where it likes. */
    to->listen_name = json_string_value(target);
    to->listen_port = to->listen_name != NULL ? OBJECTS_LISTEN_PORT
                      : target != NULL        ? port_number(port, "targetPort")
                                              : to->port;
    if (to->listen_port == OBJECTS_HEALTH_PORT || to->listen_port == 0)
        return error_set(err, ERROR_PEER,
                         "port %u of Service %s leads to port %u of its pods, where ours cannot "
                         "listen",
                         to->port, to->name, to->listen_port);
    return true;
}

bool incumbent_read(const json_t *service, struct objects_service *to, struct error *err)
{
    const json_t *spec = json_object_get(service, "spec");
    const json_t *ports = json_object_get(spec, "ports");
    to->selector = json_object_get(spec, "selector");
    if (json_object_size(to->selector) == 0)
        return error_set(err, ERROR_PEER,
                         "Service %s has no selector: its endpoints are made by hand, and no pod "
                         "can join it by its labels",
                         to->name);
    to->cluster_ip = body_text(spec, "clusterIP");
    const json_t *port = choose_port(ports, to->port);
    if (port == NULL && to->port != 0)
        return error_set(err, ERROR_PEER, "Service %s has no port %u", to->name, to->port);
    if (port == NULL)
        return error_set(err, ERROR_PEER,
                         "Service %s has %zu ports, and none is declared as HTTP or gRPC by its "
                         "name or appProtocol: which one is meant is not clear",
                         to->name, json_array_size(ports));
    return read_port(port, to, err);
}

bool incumbent_is_ours(const char *pod)
{
    size_t n = 3;
    if (strncmp(pod, "mp-", 3) != 0)
        return false;
    while (isxdigit((unsigned char)pod[n]))
        n++;
    return n == 3 + 8 && pod[n] == '-';
}

uint32_t incumbent_count_ready(const json_t *slices, bool ours)
{
    size_t i, k;
    const json_t *slice, *one;
    uint32_t count = 0;
    json_array_foreach(slices, i, slice)
    {
        json_array_foreach(json_object_get(slice, "endpoints"), k, one)
        {
            const char *pod = body_text(json_object_get(one, "targetRef"), "name");
            const json_t *ready = json_object_get(json_object_get(one, "conditions"), "ready");
            /* Absent is true (discovery.k8s.io/v1 EndpointConditions). */
            count += !json_is_false(ready) && incumbent_is_ours(pod) == ours;
        }
    }
    return count;
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct incumbent_survey *s = (struct incumbent_survey *)c;
    (void)now_ns;
    ret->want = s->over ? CHORE_OVER : CHORE_CALL;
    if (s->over)
        return;
    const char *name = s->services[s->at].name;
    ret->request = (struct api_request){
        .verb = API_GET, .gvr = gvr_get(GVR_SERVICES), .namespace = s->namespace, .name = name};
    if (!s->counting)
        return;
    snprintf(s->selector, sizeof(s->selector), "kubernetes.io/service-name=%s", name);
    ret->request = (struct api_request){.verb = API_LIST,
                                        .gvr = gvr_get(GVR_ENDPOINTSLICES),
                                        .namespace = s->namespace,
                                        .selector = s->selector};
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct incumbent_survey *s = (struct incumbent_survey *)c;
    struct objects_service *one = &s->services[s->at];
    (void)now_ns;
    if (answer->outcome == API_NOT_FOUND && !s->counting) {
        error_set(&s->err, ERROR_PEER,
                  "namespace %s has no Service %s: interpose joins one that is there", s->namespace,
                  one->name);
    } else if (answer->outcome != API_DONE) {
        api_answer_error(answer, &s->err);
    } else if (!s->counting) {
        json_array_append(s->kept, (json_t *)(uintptr_t)answer->body);
        s->counting = incumbent_read(answer->body, one, &s->err);
    } else {
        one->others = incumbent_count_ready(json_object_get(answer->body, "items"), false);
        s->counting = false;
        s->at++;
    }
    s->over = s->err.kind != ERROR_NONE || s->at == s->service_count;
}

void incumbent_survey_init(struct incumbent_survey *s, const char *namespace,
                           struct objects_service *services, size_t service_count)
{
    *s = (struct incumbent_survey){.chore = {next, answered},
                                   .namespace = namespace,
                                   .services = services,
                                   .service_count = service_count,
                                   .over = service_count == 0,
                                   .kept = json_array()};
}

void incumbent_survey_release(struct incumbent_survey *s)
{
    json_decref(s->kept);
    s->kept = NULL;
}
