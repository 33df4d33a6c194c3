#include "cli/event_post.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/rng.h"

#include <stdlib.h>
#include <time.h>

/* An Event's fields: Kubernetes API reference, core/v1 Event. */

struct event_post {
    const struct event_target *to;
    struct api *api;
};

bool event_post_open(const struct event_target *to, struct event_post **ret, struct error *err)
{
    struct credentials *credentials;
    if (!credentials_open(&to->credentials, &credentials, err))
        return false;
    struct event_post *p = check_alloc_zero(1, sizeof(*p));
    const struct api_options options = {
        .credentials = credentials, .run = to->run, .seed = rng_mix((uint64_t)time(NULL))};
    p->to = to;
    if (!api_open(&options, &p->api, err)) {
        credentials_free(credentials);
        free(p);
        return false;
    }
    *ret = p;
    return true;
}

void event_post_close(struct event_post *p)
{
    api_close(p->api);
    free(p);
}

static json_t *event(const struct event_target *to, const char *service, const json_t *notice)
{
    char now[CLOCK_TEXT_BYTES];
    clock_print_wall(clock_wall_ns() / NS_PER_S, now);
    return json_pack("{ss ss s{ss ss s{ss}} s{ss ss ss ss} sO* sO* sO* s{ss} ss ss ss ss si}",
                     "apiVersion", "v1", "kind", "Event", "metadata", "generateName", "meshproof-",
                     "namespace", to->namespace, "labels", OBJECTS_RUN_LABEL, to->run,
                     "involvedObject", "apiVersion", "v1", "kind", "Service", "namespace",
                     to->namespace, "name", service, "reason", json_object_get(notice, "reason"),
                     "type", json_object_get(notice, "type"), "message",
                     json_object_get(notice, "message"), "source", "component", "meshproof",
                     "reportingComponent", "meshproof.dev/run", "reportingInstance", to->run,
                     "firstTimestamp", now, "lastTimestamp", now, "count", 1);
}

bool event_post_send(struct event_post *p, const char *text, struct error *err)
{
    json_t *notice = json_loads(text, 0, NULL);
    if (notice == NULL)
        return error_set(err, ERROR_PEER, "a notice is no JSON");
    bool ok = true;
    for (size_t i = 0; ok && i < p->to->service_count; i++) {
        json_t *body = event(p->to, p->to->services[i].name, notice);
        INVARIANT(body != NULL);
        /* Once: a second one, after an answer that was lost, would be a second Event. */
        const struct api_request request = {.verb = API_POST,
                                            .gvr = gvr_get(GVR_EVENTS),
                                            .namespace = p->to->namespace,
                                            .body = body,
                                            .once = true};
        ok = api_call(p->api, &request, NULL, NULL, err);
        json_decref(body);
    }
    json_decref(notice);
    return ok;
}
