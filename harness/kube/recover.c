#include "kube/recover.h"

#include "kube/build.h"

#include <stdlib.h>
#include <string.h>

enum { REC_ANCHOR, REC_WATCH, REC_TEARDOWN, REC_LEASE, REC_UNLOCK };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

/* The Lease of the ${at}th service; false: there are no more. */
static bool name_lease(struct recover *r, size_t at)
{
    const char *from = r->services;
    while (at > 0 && (from = strchr(from, ',')) != NULL) {
        from++;
        at--;
    }
    if (from == NULL || *from == '\0')
        return false;
    snprintf(r->lease, sizeof(r->lease), "meshproof-%.*s", (int)strcspn(from, ","), from);
    return true;
}

static void begin_teardown(struct recover *r)
{
    r->doing = REC_TEARDOWN;
    r->teardown.list_only = r->list_only;
}

static void begin_unlock(struct recover *r)
{
    r->doing = REC_LEASE;
    r->at = 0;
    r->wake_ns = 0;
    r->over = r->list_only || !name_lease(r, 0);
}

static void next_lease(struct recover *r)
{
    r->doing = REC_LEASE;
    r->over = !name_lease(r, ++r->at);
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct recover *r = (struct recover *)c;
    if (r->doing == REC_TEARDOWN && !r->over) {
        r->teardown.chore.next(&r->teardown.chore, now_ns, ret);
        if (ret->want != CHORE_OVER)
            return;
        begin_unlock(r);
    }
    ret->want = r->over ? CHORE_OVER : now_ns < r->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = r->wake_ns;
    ret->request = (struct api_request){
        .verb = API_GET, .gvr = gvr_get(GVR_LEASES), .namespace = r->namespace, .name = r->lease};
    if (r->doing == REC_ANCHOR) {
        ret->request.gvr = gvr_get(GVR_CONFIGMAPS);
        ret->request.name = r->name;
    } else if (r->doing == REC_UNLOCK) {
        ret->request.verb = API_DELETE;
        ret->request.uid = r->uid;
    }
}

static bool holds(const struct recover *r, const json_t *lease)
{
    const char *holder = text_of(json_object_get(lease, "spec"), "holderIdentity");
    size_t len = strlen(r->run);
    return strncmp(holder, r->run, len) == 0 && holder[len] == '/';
}

static void take_anchor(struct recover *r, uint64_t now_ns, const struct api_answer *answer)
{
    snprintf(r->services, sizeof(r->services), "%s",
             text_of(json_object_get(answer->body, "data"), BUILD_SERVICES_KEY));
    if (answer->outcome != API_DONE || r->list_only || !name_lease(r, 0)) {
        begin_teardown(r);
        return;
    }
    r->doing = REC_WATCH;
    r->begun_ns = now_ns;
}

/* No clock of another machine is read: its Lease changes while we look, or it does not. */
static void take_watch(struct recover *r, uint64_t now_ns, const struct api_answer *answer)
{
    const char *version = text_of(json_object_get(answer->body, "metadata"), "resourceVersion");
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
        return;
    }
    if (!asked && r->doing != REC_UNLOCK) {
        api_answer_error(answer, &r->err);
        r->over = true;
    } else if (r->doing == REC_ANCHOR) {
        take_anchor(r, now_ns, answer);
    } else if (r->doing == REC_WATCH) {
        take_watch(r, now_ns, answer);
    } else if (r->doing == REC_LEASE && answer->outcome == API_DONE && holds(r, answer->body)) {
        snprintf(r->uid, sizeof(r->uid), "%s",
                 text_of(json_object_get(answer->body, "metadata"), "uid"));
        r->doing = REC_UNLOCK;
    } else {
        r->unlocked += r->doing == REC_UNLOCK && answer->outcome == API_DONE;
        next_lease(r);
    }
}

void recover_init(struct recover *r, const char *namespace, const char *run)
{
    const struct objects_run named = {.run = run, .namespace = namespace};
    *r = (struct recover){.chore = {next, answered}, .namespace = namespace, .run = run};
    objects_name(&named, NULL, 0, r->name, sizeof(r->name));
    teardown_init(&r->teardown, namespace, run, TEARDOWN_BUDGET_NS);
}

void recover_release(struct recover *r)
{
    teardown_release(&r->teardown);
}
