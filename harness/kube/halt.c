#include "kube/halt.h"

#include <string.h>

enum { HALT_MARK, HALT_WAIT };

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct halt *h = (struct halt *)c;
    if (h->until_ns == 0)
        h->until_ns = now_ns + HALT_WITHIN_NS;
    h->over = h->over || now_ns >= h->until_ns;
    ret->want = h->over ? CHORE_OVER : now_ns < h->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = h->wake_ns;
    ret->request = (struct api_request){.verb = h->doing == HALT_MARK ? API_PATCH_MERGE : API_GET,
                                        .gvr = gvr_get(GVR_CONFIGMAPS),
                                        .namespace = h->namespace,
                                        .name = h->name,
                                        .body = h->doing == HALT_MARK ? h->patch : NULL};
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct halt *h = (struct halt *)c;
    bool passing = api_is_passing(answer->outcome) || answer->outcome == API_CONFLICT;
    h->wake_ns = now_ns + HALT_POLL_NS;
    if (answer->outcome == API_NOT_FOUND) {
        h->gone = h->over = true;
    } else if (answer->outcome == API_DONE) {
        h->found = true;
        h->doing = HALT_WAIT;
    } else if (!passing || h->doing == HALT_MARK) {
        h->over = true;
        api_answer_error(answer, &h->err);
    }
}

void halt_init(struct halt *h, const char *namespace, const char *run, const char *reason)
{
    const struct objects_run named = {.run = run, .namespace = namespace};
    *h = (struct halt){.chore = {next, answered}, .namespace = namespace};
    h->patch = json_pack("{s{s{ss}}}", "metadata", "annotations", OBJECTS_HALT_ANNOTATION, reason);
    INVARIANT(h->patch != NULL);
    objects_name(&named, NULL, 0, h->name, sizeof(h->name));
}

void halt_release(struct halt *h)
{
    json_decref(h->patch);
    h->patch = NULL;
}
