#include "plan/check.h"

/* The data planes of a lab: which shape plays an edge, and what a service has of it (section 3). */

const char *plan_plane(const struct scenario *s, bool has_waypoint)
{
    const char *word = s->mesh.word == NULL ? "" : s->mesh.word;
    if (s->lab.proxies != NULL)
        return s->lab.proxies;
    if (strcmp(word, "istio_ambient") == 0)
        return has_waypoint ? "waypoint" : "ztunnel";
    return strcmp(word, "linkerd") == 0 ? "linkerd" : "sidecar";
}

bool plan_is_plain(const struct service_plan *s)
{
    return s->meshed != NULL && strcmp(s->meshed, "no") == 0;
}

bool plan_has_leftover(const struct service_plan *s)
{
    return s->meshed != NULL && strcmp(s->meshed, "leftover_sidecar") == 0;
}

static bool asks(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if ((steps[i].kind == STEP_EXPECT && strcmp(steps[i].word, "path") == 0) ||
            asks(steps[i].steps, steps[i].step_count))
            return true;
    return false;
}

bool plan_asks_path(const struct scenario *s)
{
    bool found = asks(s->steps, s->step_count);
    for (size_t i = 0; i < s->phase_count && !found; i++)
        found = asks(s->phases[i].steps, s->phases[i].step_count);
    return found;
}

static bool is_external(const struct lab_plan *lab)
{
    return lab->driver == DRIVER_EXTERNAL;
}

static void check_leftover(const struct scenario *s, const struct service_plan *service,
                           struct errors *errors)
{
    if (!plan_has_leftover(service))
        return;
    if (is_external(&s->lab))
        errors_add(errors, service->source, ERROR_INPUT,
                   "service \"%.60s\": meshed = \"leftover_sidecar\" is a proxy of ours, and with "
                   "driver = \"external\" they are somebody else's",
                   service->name);
    if (s->lab.netns)
        errors_add(errors, service->source, ERROR_INPUT,
                   "service \"%.60s\": meshed = \"leftover_sidecar\" goes with isolation = "
                   "\"none\"",
                   service->name);
}

void check_planes(const struct scenario *s, struct errors *errors)
{
    const char *word = s->mesh.word == NULL ? "" : s->mesh.word, *proxies = s->lab.proxies;
    bool ambient = strcmp(word, "istio_ambient") == 0;
    if (proxies != NULL && is_external(&s->lab))
        errors_add(errors, s->lab.source, ERROR_INPUT,
                   "lab: proxies is for the drivers that we start, not for \"external\"");
    for (size_t i = 0; i < s->arm_count; i++)
        ambient = ambient || strcmp(s->arms[i].word, "istio_ambient") == 0;
    if (proxies != NULL && strcmp(proxies, "sidecar") != 0 && !ambient && s->arm == NULL)
        errors_add(errors, s->lab.source, ERROR_INPUT,
                   "lab: proxies = \"%s\" is of mesh.istio_ambient; this is mesh.%s", proxies,
                   word);
    for (size_t i = 0; i < s->lab.service_count; i++)
        check_leftover(s, &s->lab.services[i], errors);
}

static bool is_streams(const char *protocol)
{
    return protocol != NULL && (strcmp(protocol, "http2") == 0 || strcmp(protocol, "grpc") == 0);
}

bool plan_is_raw(const char *protocol)
{
    return protocol != NULL && strcmp(protocol, "tcp") == 0;
}

static bool sends_streams(const struct load_plan *loads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_streams(loads[i].protocol))
            return true;
    return false;
}

void plan_choose_driver(struct scenario *s)
{
    bool more = plan_asks_certs(s) || sends_streams(s->loads, s->load_count) ||
                (s->lab.tls != NULL && strcmp(s->lab.tls, "mutual") == 0);
    for (size_t i = 0; i < s->phase_count; i++)
        more = more || sends_streams(s->phases[i].loads, s->phases[i].load_count);
    for (size_t i = 0; i < s->lab.service_count; i++)
        more = more || is_streams(s->lab.services[i].protocol);
    if (s->lab.driver_unsaid && more)
        s->lab.driver = DRIVER_ENVOY;
    s->lab.driver_unsaid = false;
}
