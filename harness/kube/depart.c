#include "kube/depart.h"

#include "base/clock.h"
#include "kube/body.h"
#include "kube/lookout.h"
#include "kube/incumbent.h"

#include <string.h>

enum { DEPART_PODS, DEPART_GATES, DEPART_SLICES };

static const json_t *next_gate(struct depart *d)
{
    for (; d->at < json_array_size(d->pods); d->at++) {
        struct lookout_pod pod;
        lookout_read_pod(json_array_get(d->pods, d->at), &pod);
        if (pod.open && !pod.over)
            return json_array_get(d->pods, d->at);
    }
    return NULL;
}

static void ask(struct depart *d, struct chore_step *ret)
{
    char when[CLOCK_TEXT_BYTES];
    ret->request = (struct api_request){.verb = API_LIST,
                                        .gvr = gvr_get(GVR_PODS),
                                        .namespace = d->run->namespace,
                                        .selector = d->selector,
                                        .urgent = true};
    if (d->doing == DEPART_PODS) {
        snprintf(d->selector, sizeof(d->selector),
                 OBJECTS_RUN_LABEL "=%s," OBJECTS_ROLE_LABEL "=endpoint", d->run->run);
    } else if (d->doing == DEPART_GATES) {
        json_decref(d->body);
        d->body = objects_gate(false, clock_print_wall(d->wall_ns() / NS_PER_S, when));
        ret->request.verb = API_PATCH_STRATEGIC;
        ret->request.selector = NULL;
        ret->request.name = body_meta_text(next_gate(d), "name");
        ret->request.subresource = "status";
        ret->request.body = d->body;
    } else {
        ret->request.gvr = gvr_get(GVR_ENDPOINTSLICES);
        snprintf(d->selector, sizeof(d->selector), "kubernetes.io/service-name=%s",
                 d->services[d->at].name);
    }
}

/* ${d->err} is the API's last word, if it had one. */
static void give_up(struct depart *d)
{
    const char *of = d->doing == DEPART_SLICES ? d->services[d->at].name : "their Services";
    if (d->err.kind == ERROR_NONE)
        error_set(&d->err, ERROR_PEER, "they are ready there still");
    error_prefix(&d->err, "our endpoints are not known to be out of %.63s: ", of);
    d->over = true;
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct depart *d = (struct depart *)c;
    if (d->until_ns == 0)
        d->until_ns = now_ns + DEPART_BUDGET_NS;
    if (!d->over && now_ns >= d->until_ns)
        give_up(d);
    if (d->doing == DEPART_GATES && next_gate(d) == NULL) {
        d->doing = DEPART_SLICES;
        d->at = 0;
    }
    if (d->doing == DEPART_SLICES && d->at >= d->service_count && !d->over)
        d->clean = d->over = true;
    ret->want = d->over ? CHORE_OVER : now_ns < d->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = d->wake_ns < d->until_ns ? d->wake_ns : d->until_ns;
    if (ret->want == CHORE_CALL)
        ask(d, ret);
}

static void take_refusal(struct depart *d, uint64_t now_ns, const struct api_answer *answer)
{
    d->err = (struct error){0};
    api_answer_error(answer, &d->err);
    d->wake_ns = now_ns + DEPART_POLL_NS;
    if (!api_is_passing(answer->outcome) && answer->outcome != API_CONFLICT)
        give_up(d);
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct depart *d = (struct depart *)c;
    json_t *items = json_object_get(answer->body, "items");
    bool gone = d->doing == DEPART_GATES && answer->outcome == API_NOT_FOUND;
    if (answer->outcome != API_DONE && !gone) {
        take_refusal(d, now_ns, answer);
        return;
    }
    d->err = (struct error){0};
    d->wake_ns = 0;
    if (d->doing == DEPART_PODS) {
        d->pods = json_incref(items);
        d->doing = DEPART_GATES;
    } else if (d->doing == DEPART_SLICES && incumbent_count_ready(items, true) > 0) {
        d->wake_ns = now_ns + DEPART_POLL_NS;
    } else {
        d->at++;
    }
}

void depart_init(struct depart *d, const struct objects_run *run,
                 const struct objects_service *services, size_t service_count,
                 uint64_t (*wall_ns)(void))
{
    *d = (struct depart){.chore = {next, answered},
                         .run = run,
                         .services = services,
                         .service_count = service_count,
                         .wall_ns = wall_ns == NULL ? clock_wall_ns : wall_ns};
}

void depart_release(struct depart *d)
{
    json_decref(d->pods);
    json_decref(d->body);
    d->pods = d->body = NULL;
}
