#include "kube/sweep.h"

#include "kube/body.h"

#include <string.h>

/* Nobody is sent to a pod that is on its way out, and nobody makes further ones. */
static const enum gvr_id kinds[] = {GVR_ENDPOINTSLICES, GVR_JOBS, GVR_PODS};

/* With that kind, or the next one that the run has made. */
static void begin(struct sweep *s, size_t kind)
{
    while ((kinds[kind] == GVR_ENDPOINTSLICES && !s->run->ports) ||
           (kinds[kind] == GVR_JOBS && !s->run->indexed))
        kind++;
    s->kind = kind;
    snprintf(s->selector, sizeof(s->selector), OBJECTS_RUN_LABEL "=%s%s", s->run->run,
             kinds[kind] == GVR_ENDPOINTSLICES ? "" : "," OBJECTS_ROLE_LABEL " in (endpoint,load)");
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct sweep *s = (struct sweep *)c;
    if (s->until_ns == 0)
        s->until_ns = now_ns + SWEEP_BUDGET_NS;
    if (!s->over && s->items == NULL && now_ns >= s->until_ns) {
        error_set(&s->err, ERROR_PEER, "pods of run %s did not go in time", s->run->run);
        s->over = true;
    }
    ret->want = s->over ? CHORE_OVER : now_ns < s->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = s->wake_ns;
    ret->request = (struct api_request){
        .verb = API_LIST, .gvr = gvr_get(kinds[s->kind]), .namespace = s->run->namespace};
    if (s->items == NULL) {
        ret->request.selector = s->selector;
        return;
    }
    ret->request.verb = API_DELETE;
    ret->request.name = body_meta_text(json_array_get(s->items, s->at), "name");
    ret->request.uid = body_meta_text(json_array_get(s->items, s->at), "uid");
}

/* Those that nobody has deleted yet; all are gone: over. */
static void take_list(struct sweep *s, uint64_t now_ns, const json_t *list)
{
    size_t i;
    json_t *item;
    const json_t *all = json_object_get(list, "items");
    if (json_array_size(all) == 0 && s->kind + 1 < COUNT_OF(kinds)) {
        begin(s, s->kind + 1);
        return;
    }
    s->clean = s->over = json_array_size(all) == 0;
    s->items = json_array();
    s->at = 0;
    json_array_foreach(all, i, item)
    {
        if (json_object_get(body_meta(item), "deletionTimestamp") == NULL)
            json_array_append(s->items, item);
    }
    if (json_array_size(s->items) == 0) {
        json_decref(s->items);
        s->items = NULL;
        s->wake_ns = now_ns + SWEEP_POLL_NS;
    }
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct sweep *s = (struct sweep *)c;
    if (s->items == NULL && answer->outcome == API_DONE) {
        take_list(s, now_ns, answer->body);
    } else if (s->items == NULL && api_is_passing(answer->outcome)) {
        s->wake_ns = now_ns + SWEEP_POLL_NS;
    } else if (s->items == NULL) {
        s->over = true;
        api_answer_error(answer, &s->err);
    } else if (++s->at >= json_array_size(s->items)) { /* refused or not, the list will tell */
        json_decref(s->items);
        s->items = NULL;
        s->wake_ns = now_ns + SWEEP_POLL_NS;
    }
}

void sweep_init(struct sweep *s, const struct objects_run *run)
{
    *s = (struct sweep){.chore = {next, answered}, .run = run};
    begin(s, 0);
}

void sweep_release(struct sweep *s)
{
    json_decref(s->items);
    s->items = NULL;
}
