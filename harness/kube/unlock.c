#include "kube/unlock.h"

#include "kube/body.h"

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct unlock *u = (struct unlock *)c;
    (void)now_ns;
    ret->want = u->over ? CHORE_OVER : CHORE_CALL;
    /* A takeover keeps the uid: the version says whether it is still the dead run's. */
    ret->request = (struct api_request){.verb = u->found ? API_DELETE : API_GET,
                                        .gvr = gvr_get(GVR_LEASES),
                                        .namespace = u->namespace,
                                        .name = u->lease,
                                        .uid = u->found ? u->uid : NULL,
                                        .version = u->found ? u->version : NULL};
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct unlock *u = (struct unlock *)c;
    const char *holder = body_text(json_object_get(answer->body, "spec"), "holderIdentity");
    bool done = answer->outcome == API_DONE, was_found = u->found;
    (void)now_ns;
    u->found = !was_found && done && lease_is_of(holder, u->run);
    if (u->found) {
        snprintf(u->uid, sizeof(u->uid), "%s", body_meta_text(answer->body, "uid"));
        snprintf(u->version, sizeof(u->version), "%s",
                 body_meta_text(answer->body, "resourceVersion"));
        return;
    }
    if (was_found && answer->outcome == API_CONFLICT)
        return; /* it has changed meanwhile: whose is it now */
    if (!done && answer->outcome != API_NOT_FOUND)
        error_set(&u->err, ERROR_PEER, "the Lease %s of %s could not be %s: %s", u->lease,
                  u->namespace, was_found ? "deleted" : "read", answer->sentence);
    u->count += was_found && done;
    u->over = !lease_name(u->services, ++u->at, u->lease, sizeof(u->lease));
}

void unlock_init(struct unlock *u, const char *namespace, const char *run, const char *services)
{
    *u = (struct unlock){
        .chore = {next, answered}, .namespace = namespace, .run = run, .services = services};
    u->over = !lease_name(services, 0, u->lease, sizeof(u->lease));
}
