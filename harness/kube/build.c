#include "kube/build.h"

#include "kube/body.h"

#include <stdlib.h>
#include <string.h>

static const char *role_of(const json_t *object)
{
    const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
    return body_text(labels, OBJECTS_ROLE_LABEL);
}

static void key_of(const json_t *object, char *to, size_t size)
{
    snprintf(to, size, "%s/%s", body_text(object, "kind"), body_meta_text(object, "name"));
}

/* The next object that is to be made; NULL: none. */
static const json_t *wanted(struct build *b)
{
    for (; b->at < json_array_size(b->objects); b->at++) {
        const json_t *object = json_array_get(b->objects, b->at);
        char key[160];
        key_of(object, key, sizeof(key));
        bool unasked = !b->plan->guardian && strcmp(role_of(object), "guardian") == 0;
        if (!unasked && json_object_get(b->present, key) == NULL)
            return object;
    }
    return NULL;
}

/* What finds the Leases of a run whose conductor is gone. */
static void name_services(const struct build_plan *plan, json_t *anchor)
{
    struct text names;
    json_t *data = json_object_get(anchor, "data");
    text_init(&names, (size_t)64 * 1024);
    for (size_t i = 0; i < plan->service_count; i++)
        text_add(&names, "%s%s", i == 0 ? "" : ",", plan->services[i].name);
    if (data == NULL) {
        data = json_object();
        json_object_set_new(anchor, "data", data);
    }
    json_object_set_new(data, BUILD_SERVICES_KEY, json_string(text_get(&names)));
    text_release(&names);
}

/* Policy copies were made before there was an anchor. */
static void own_all(json_t *objects)
{
    const json_t *owners = NULL;
    size_t i;
    json_t *object;
    json_array_foreach(objects, i, object)
    {
        json_t *meta = json_object_get(object, "metadata");
        const json_t *has = json_object_get(meta, "ownerReferences");
        if (has != NULL && strcmp(body_text(object, "kind"), "Secret") == 0)
            owners = has;
        if (has == NULL && owners != NULL)
            json_object_set_new(meta, "ownerReferences", json_deep_copy(owners));
    }
}

/* Before the anchor is there, it alone: the others need its uid. */
static void list_objects(struct build *b)
{
    const struct build_plan *p = b->plan;
    struct objects_run run = p->run;
    json_decref(b->objects);
    b->at = 0;
    if (b->anchor == NULL) {
        json_t *anchor = objects_anchor(&run);
        name_services(p, anchor);
        b->objects = json_pack("[o]", anchor);
        return;
    }
    run.anchor_uid = b->anchor_uid;
    b->objects =
        objects_in_order(&run, p->services, p->service_count, p->policies, p->loads, p->psk);
    own_all(b->objects);
}

static void fail(struct build *b, enum error_kind kind, const char *text)
{
    error_set(&b->err, kind, "%s", text);
    b->over = true;
}

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct build *b = (struct build *)c;
    (void)now_ns;
    const json_t *object = b->over ? NULL : wanted(b);
    if (object == NULL && b->anchor != NULL)
        b->over = true;
    if (b->over) {
        ret->want = CHORE_OVER;
        return;
    }
    INVARIANT(object != NULL);
    const struct gvr *gvr = gvr_of(body_text(object, "apiVersion"), body_text(object, "kind"));
    INVARIANT(gvr != NULL);
    ret->want = CHORE_CALL;
    ret->request = (struct api_request){
        .verb = API_POST, .gvr = gvr, .namespace = b->plan->run.namespace, .body = object};
}

static void take_anchor(struct build *b, const struct api_answer *answer)
{
    const char *uid = body_meta_text(answer->body, "uid");
    if (uid[0] == '\0' || strlen(uid) >= sizeof(b->anchor_uid)) {
        fail(b, ERROR_PEER, "the API server gave the anchor no uid");
        return;
    }
    snprintf(b->anchor_uid, sizeof(b->anchor_uid), "%s", uid);
    b->anchor = json_deep_copy(answer->body);
    list_objects(b);
}

static void take_service(const struct build *b, const json_t *service)
{
    const json_t *spec = json_object_get(service, "spec");
    const char *ip = body_text(spec, "clusterIP"), *name = body_meta_text(service, "name");
    json_int_t port = json_integer_value(
        json_object_get(json_array_get(json_object_get(spec, "ports"), 0), "port"));
    char own[OBJECTS_NAME_MOST + 1], address[80];
    snprintf(address, sizeof(address), strchr(ip, ':') != NULL ? "[%s]:%lld" : "%s:%lld", ip,
             (long long)port);
    for (size_t i = 0; b->plan->on_service != NULL && i < b->plan->service_count; i++) {
        const char *of = b->plan->services[i].name;
        if (b->plan->run.mode == OBJECTS_CANARY)
            objects_name(&b->plan->run, of, 0, own, sizeof(own));
        else
            objects_direct_name(&b->plan->run, of, own, sizeof(own));
        if (strcmp(name, own) == 0)
            b->plan->on_service(b->plan->cookie, of, address);
    }
}

static void answered(struct chore *c, uint64_t now_ns, const struct api_answer *answer)
{
    struct build *b = (struct build *)c;
    const json_t *object = json_array_get(b->objects, b->at);
    char key[160];
    (void)now_ns;
    key_of(object, key, sizeof(key));
    if (answer->outcome != API_DONE) {
        struct error err = {0};
        api_answer_error(answer, &err);
        fail(b, err.kind, err.text);
        error_prefix(&b->err, "%s: ", key);
        return;
    }
    json_object_set_new(b->present, key, json_string(role_of(object)));
    b->made++;
    b->at++;
    if (strcmp(body_text(answer->body, "kind"), "Service") == 0)
        take_service(b, answer->body);
    if (b->anchor == NULL)
        take_anchor(b, answer);
}

void build_init(struct build *b, const struct build_plan *plan)
{
    *b = (struct build){.chore = {next, answered}, .plan = plan, .present = json_object()};
    list_objects(b);
}

void build_again(struct build *b, const struct build_plan *plan)
{
    INVARIANT(b->over);
    b->plan = plan;
    b->over = false;
    b->err = (struct error){0};
    list_objects(b);
}

void build_release(struct build *b)
{
    json_decref(b->objects);
    json_decref(b->present);
    json_decref(b->anchor);
    *b = (struct build){.over = true};
}

void build_forget_agents(struct build *b)
{
    const char *key;
    void *next_key;
    json_t *role;
    json_object_foreach_safe(b->present, next_key, key, role)
    {
        const char *text = json_string_value(role);
        if (strcmp(text, "endpoint") == 0 || strcmp(text, "load") == 0)
            json_object_del(b->present, key);
    }
}

void build_stop(struct build *b)
{
    b->over = true;
}
