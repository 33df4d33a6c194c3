#include "kube/uptake.h"

#include "kube/body.h"
#include "kube/gvr.h"

#include <string.h>

/* ---- a status ---- */

struct conditions {
    bool taken, refused;
    char *why;
    size_t size;
};

/* Of an older generation: not of what we made. */
static bool is_old(const json_t *object, const json_t *of)
{
    const json_t *seen = json_object_get(of, "observedGeneration");
    json_int_t now = json_integer_value(json_object_get(body_meta(object), "generation"));
    return json_is_integer(seen) && json_integer_value(seen) < now;
}

static void refuse(struct conditions *c, const char *by, const json_t *condition)
{
    const char *message = body_text(condition, "message");
    if (!c->refused)
        snprintf(c->why, c->size, "%.60s%s%.20s is %.8s, %.60s%s%.200s", by,
                 by[0] == '\0' ? "" : ": ", body_text(condition, "type"),
                 body_text(condition, "status"), body_text(condition, "reason"),
                 message[0] == '\0' ? "" : ": ", message);
    c->refused = true;
}

static void take_conditions(struct conditions *c, const json_t *object, const json_t *list,
                            const char *by)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        const char *type = body_text(one, "type"), *status = body_text(one, "status");
        bool accepted = strcmp(type, "Accepted") == 0 || strcmp(type, "Reconciled") == 0;
        if (is_old(object, one) || (!accepted && strcmp(type, "ResolvedRefs") != 0))
            continue;
        if (strcmp(status, "True") == 0)
            c->taken = c->taken || accepted;
        /* Reconciled is false for as long as a proxy has not fetched it: that is no refusal. */
        else if (strcmp(status, "False") == 0 && strcmp(type, "Reconciled") != 0)
            refuse(c, by, one);
    }
}

/* Istio's: what its analysis says of the object. */
static void take_messages(struct conditions *c, const json_t *status)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(status, "validationMessages"), i, one)
    {
        const json_t *base = json_object_get(one, "base");
        const json_t *type = json_object_get(base == NULL ? one : base, "type");
        const char *level = body_text(base == NULL ? one : base, "level");
        if (strcasecmp(level, "ERROR") != 0 || c->refused)
            continue;
        snprintf(c->why, c->size, "Istio's analysis: %.20s %.60s", body_text(type, "code"),
                 body_text(type, "name"));
        c->refused = true;
    }
}

enum uptake_state uptake_read(const json_t *object, char *why, size_t size)
{
    static const char *const lists[] = {"parents", "ancestors"};
    const json_t *status = json_object_get(object, "status"), *one;
    struct conditions c = {.why = why, .size = size};
    size_t i;
    why[0] = '\0';
    if (is_old(object, status))
        return UPTAKE_UNKNOWN;
    for (size_t k = 0; k < COUNT_OF(lists); k++)
        json_array_foreach(json_object_get(status, lists[k]), i, one)
        {
            take_conditions(&c, object, json_object_get(one, "conditions"),
                            body_text(one, "controllerName"));
        }
    take_conditions(&c, object, json_object_get(status, "conditions"), "");
    take_messages(&c, status);
    return c.refused ? UPTAKE_REFUSED : c.taken ? UPTAKE_TAKEN : UPTAKE_UNKNOWN;
}

/* ---- the chore ---- */

/* Those whose controller writes a status in any case are waited for. */
static bool has_status(const struct gvr *g)
{
    return g->id == GVR_HTTPROUTES || g->id == GVR_GRPCROUTES || g->id == GVR_LINKERD_HTTPROUTES ||
           g->id == GVR_XBACKENDTRAFFICPOLICIES || g->id == GVR_HTTPLOCALRATELIMITPOLICIES;
}

static const struct gvr *kind_at(const struct uptake *u)
{
    const json_t *one = json_array_get(u->policies, u->at);
    return gvr_of(body_text(one, "apiVersion"), body_text(one, "kind"));
}

static const char *name_at(const struct uptake *u)
{
    return body_meta_text(json_array_get(u->policies, u->at), "name");
}

static void begin_next(struct uptake *u)
{
    u->at++;
    u->wake_ns = 0;
    u->over = u->over || u->at >= json_array_size(u->policies);
}

static void add_unknown(struct uptake *u)
{
    text_add(&u->unknown, "%s%s %s", u->unknown_count == 0 ? "" : ", ", kind_at(u)->kind,
             name_at(u));
    u->unknown_count++;
    begin_next(u);
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct uptake *u = (struct uptake *)c;
    if (u->until_ns == 0)
        u->until_ns = now_ns + UPTAKE_WITHIN_NS;
    ret->want = u->over ? CHORE_OVER : now_ns < u->wake_ns ? CHORE_WAIT : CHORE_CALL;
    ret->wake_ns = u->wake_ns;
    if (ret->want != CHORE_CALL)
        return;
    ret->request = (struct api_request){
        .verb = API_GET, .gvr = kind_at(u), .namespace = u->namespace, .name = name_at(u)};
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct uptake *u = (struct uptake *)c;
    char why[400] = "";
    bool again = now_ns + UPTAKE_POLL_NS < u->until_ns;
    bool promised = has_status(kind_at(u)) || api_is_passing(answer->outcome);
    enum uptake_state state =
        answer->outcome == API_DONE ? uptake_read(answer->body, why, sizeof(why)) : UPTAKE_UNKNOWN;
    if (state == UPTAKE_TAKEN) {
        u->taken++;
        begin_next(u);
    } else if (again && (state == UPTAKE_REFUSED || promised)) { /* it may not know all yet */
        u->wake_ns = now_ns + UPTAKE_POLL_NS;
    } else if (state == UPTAKE_REFUSED) {
        error_set(&u->err, ERROR_PEER, "the mesh refuses the copy of the policy, %s %s: %s",
                  kind_at(u)->kind, name_at(u), why);
        u->over = true;
    } else {
        add_unknown(u);
    }
}

void uptake_init(struct uptake *u, const char *namespace, const json_t *policies)
{
    *u = (struct uptake){.chore = {next, answered},
                         .namespace = namespace,
                         .policies = policies,
                         .over = json_array_size(policies) == 0};
    text_init(&u->unknown, UPTAKE_TEXT_MOST_BYTES);
}

void uptake_release(struct uptake *u)
{
    text_release(&u->unknown);
}
