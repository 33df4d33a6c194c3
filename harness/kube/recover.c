#include "kube/recover.h"

#include "kube/body.h"
#include "kube/build.h"

#include <stdlib.h>
#include <string.h>

#define SERVICES_MOST_BYTES ((size_t)64 * 1024)

enum { REC_ANCHOR, REC_LEASES, REC_WATCH, REC_TEARDOWN, REC_UNLOCK };

static void begin_teardown(struct recover *r)
{
    r->doing = REC_TEARDOWN;
    r->teardown.list_only = r->list_only;
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct recover *r = (struct recover *)c;
    if (r->doing == REC_TEARDOWN && !r->over) {
        r->teardown.chore.next(&r->teardown.chore, now_ns, ret);
        if (ret->want != CHORE_OVER)
            return;
        unlock_init(&r->unlock, r->namespace, r->run, text_get(&r->services));
        r->doing = REC_UNLOCK;
        r->over = r->list_only;
    }
    if (r->doing == REC_UNLOCK && !r->over) {
        r->unlock.chore.next(&r->unlock.chore, now_ns, ret);
        r->over = ret->want == CHORE_OVER;
        return;
    }
    ret->want = r->over ? CHORE_OVER : now_ns < r->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = r->wake_ns;
    ret->request = (struct api_request){
        .verb = API_GET, .gvr = gvr_get(GVR_LEASES), .namespace = r->namespace, .name = r->lease};
    if (r->doing == REC_ANCHOR) {
        ret->request.gvr = gvr_get(GVR_CONFIGMAPS);
        ret->request.name = r->name;
    } else if (r->doing == REC_LEASES) {
        ret->request.verb = API_LIST;
        ret->request.name = NULL;
        ret->request.selector = r->selector;
    }
}

static bool holds(const struct recover *r, const json_t *lease)
{
    return lease_is_of(body_text(json_object_get(lease, "spec"), "holderIdentity"), r->run);
}

/* Its services are known: is one of their Leases renewed. */
static void begin_watch(struct recover *r, uint64_t now_ns)
{
    r->begun_ns = now_ns;
    r->doing = REC_WATCH;
    if (r->list_only || !lease_name(text_get(&r->services), 0, r->lease, sizeof(r->lease)))
        begin_teardown(r);
}

static void take_anchor(struct recover *r, uint64_t now_ns, const struct api_answer *answer)
{
    text_add(&r->services, "%s",
             body_text(json_object_get(answer->body, "data"), BUILD_SERVICES_KEY));
    if (answer->outcome == API_DONE)
        begin_watch(r, now_ns);
    else
        r->doing = REC_LEASES;
}

/* A run that died before its anchor was made, or whose anchor is gone already. */
static void take_leases(struct recover *r, uint64_t now_ns, const struct api_answer *answer)
{
    size_t i;
    const json_t *lease;
    r->unseen = answer->outcome != API_DONE;
    json_array_foreach(json_object_get(answer->body, "items"), i, lease)
    {
        const char *name = body_meta_text(lease, "name");
        size_t before = strlen(LEASE_PREFIX);
        if (holds(r, lease) && strncmp(name, LEASE_PREFIX, before) == 0)
            text_add(&r->services, "%s%s", r->services.len == 0 ? "" : ",", name + before);
    }
    begin_watch(r, now_ns);
}

/* No clock of another machine is read: its Lease changes while we look, or it does not. */
static void take_watch(struct recover *r, uint64_t now_ns, const struct api_answer *answer)
{
    const char *version = body_meta_text(answer->body, "resourceVersion");
    if (answer->outcome != API_DONE || !holds(r, answer->body)) {
        begin_teardown(r);
        return;
    }
    if (r->version[0] != '\0' && strcmp(version, r->version) != 0) {
        r->lives = r->over = true;
        return;
    }
    snprintf(r->version, sizeof(r->version), "%s", version);
    if (now_ns >= r->begun_ns + RECOVER_DEAD_NS)
        begin_teardown(r);
    else
        r->wake_ns = now_ns + RECOVER_LOOK_NS;
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct recover *r = (struct recover *)c;
    bool asked = answer->outcome == API_DONE || answer->outcome == API_NOT_FOUND;
    if (r->doing == REC_TEARDOWN) {
        r->teardown.chore.answer(&r->teardown.chore, now_ns, answer);
    } else if (r->doing == REC_UNLOCK) {
        r->unlock.chore.answer(&r->unlock.chore, now_ns, answer);
    } else if (r->doing == REC_LEASES && (asked || answer->outcome == API_FORBIDDEN)) {
        take_leases(r, now_ns, answer);
    } else if (!asked) {
        api_answer_error(answer, &r->err);
        r->over = true;
    } else if (r->doing == REC_ANCHOR) {
        take_anchor(r, now_ns, answer);
    } else {
        take_watch(r, now_ns, answer);
    }
}

void recover_init(struct recover *r, const char *namespace, const char *run)
{
    const struct objects_run named = {.run = run, .namespace = namespace};
    *r = (struct recover){.chore = {next, answered}, .namespace = namespace, .run = run};
    objects_name(&named, NULL, 0, r->name, sizeof(r->name));
    snprintf(r->selector, sizeof(r->selector), OBJECTS_RUN_LABEL "=%s", run);
    text_init(&r->services, SERVICES_MOST_BYTES);
    teardown_init(&r->teardown, namespace, run, TEARDOWN_BUDGET_NS);
}

void recover_release(struct recover *r)
{
    teardown_release(&r->teardown);
    text_release(&r->services);
}
