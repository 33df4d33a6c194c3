#include "cli/cluster_reach.h"
#include "cli/doctor.h"
#include "kube/body.h"
#include "kube/preflight.h"

#include <ctype.h>

/* What `run --on kubernetes` asks for beforehand, without a suite: for a service of no name, in
 * each mode. */

#define PSK "0000000000000000000000000000000000000000000000000000000000000000"
#define MODES 2

struct survey {
    struct doctor *doctor;
    struct cluster_reach reach;
    json_t *rules;
    enum objects_mesh mesh;
};

static bool ask(struct survey *s, const struct api_request *request, json_t **ret,
                enum api_outcome *ret_outcome, struct error *err)
{
    *err = (struct error){0};
    return api_call(s->reach.api, request, ret, ret_outcome, err);
}

static bool look_at_server(struct survey *s, struct error *err)
{
    json_t *version = NULL;
    if (!ask(s, &(struct api_request){.verb = API_GET, .path = "/version"}, &version, NULL, err)) {
        doctor_row(s->doctor, false, "API server", "%s", err->text);
        return false;
    }
    doctor_row(s->doctor, true, "API server", "%s as %s, %s", s->reach.server, s->reach.account,
               body_text(version, "gitVersion"));
    json_decref(version);
    return true;
}

/* The modes that the namespace's owner lets runs have: "canary.interpose". */
static void look_at_namespace(struct survey *s)
{
    const struct api_request request = {
        .verb = API_GET, .gvr = gvr_get(GVR_NAMESPACES), .name = s->reach.namespace};
    json_t *namespace = NULL;
    struct error err;
    enum api_outcome outcome;
    bool there = ask(s, &request, &namespace, &outcome, &err);
    if (!there) {
        doctor_row(s->doctor, false, "namespace", "%s",
                   outcome == API_NOT_FOUND ? "it is not there: kubectl apply -k "
                                              "harness/deploy/base, or make it yourself"
                                            : err.text);
        return;
    }
    const json_t *labels = json_object_get(body_meta(namespace), "labels");
    const char *allow = body_text(labels, OBJECTS_ALLOW_LABEL);
    if (allow[0] == '\0')
        doctor_row(s->doctor, false, "namespace",
                   "%s lets no run begin: kubectl label namespace %s " OBJECTS_ALLOW_LABEL
                   "=canary (or canary.interpose)",
                   s->reach.namespace, s->reach.namespace);
    else
        doctor_row(s->doctor, true, "namespace", "%s allows %s", s->reach.namespace, allow);
    json_decref(namespace);
}

static bool has_kind(struct survey *s, enum gvr_id id, bool *ret_forbidden)
{
    const struct api_request request = {
        .verb = API_LIST, .gvr = gvr_get(id), .namespace = s->reach.namespace};
    json_t *list = NULL;
    struct error err;
    enum api_outcome outcome;
    bool got = ask(s, &request, &list, &outcome, &err);
    *ret_forbidden = outcome == API_FORBIDDEN;
    json_decref(list);
    return got;
}

/* By the kinds that its API serves; a list that is forbidden says nothing of them. */
static void look_at_mesh(struct survey *s)
{
    static const struct {
        enum gvr_id id;
        const char *name;
        enum objects_mesh mesh;
    } kinds[] = {{GVR_VIRTUALSERVICES, "Istio", OBJECTS_ISTIO},
                 {GVR_SERVERS, "Linkerd", OBJECTS_LINKERD},
                 {GVR_HTTPROUTES, "the Gateway API", OBJECTS_NO_MESH}};
    char found[120] = "";
    bool forbidden = false, any_forbidden = false;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        bool there = has_kind(s, kinds[i].id, &forbidden);
        size_t len = strlen(found);
        any_forbidden = any_forbidden || forbidden;
        if (there)
            snprintf(found + len, sizeof(found) - len, "%s%s", len == 0 ? "" : ", ", kinds[i].name);
        if (there && s->mesh == OBJECTS_NO_MESH)
            s->mesh = kinds[i].mesh;
    }
    if (found[0] != '\0')
        doctor_row(s->doctor, true, "mesh", "%s", found);
    else
        doctor_row(s->doctor, false, "mesh", "%s",
                   any_forbidden ? "this account may list no policy, so the mesh is not known"
                                 : "no kind of Istio, Linkerd or the Gateway API is served here");
}

static bool is_allowed(struct survey *s, const struct preflight_right *right)
{
    json_t *body, *answer = NULL;
    struct error err;
    if (preflight_ruled(right, s->rules))
        return true;
    body = preflight_review(right, s->reach.namespace);
    const struct api_request request = {
        .verb = API_POST, .gvr = gvr_get(GVR_ACCESSREVIEWS), .body = body};
    bool allowed = ask(s, &request, &answer, NULL, &err) && preflight_allowed(answer);
    json_decref(body);
    json_decref(answer);
    return allowed;
}

static void read_rules(struct survey *s)
{
    struct error err;
    json_t *body = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "authorization.k8s.io/v1", "kind",
                             "SelfSubjectRulesReview", "spec", "namespace", s->reach.namespace);
    const struct api_request request = {
        .verb = API_POST, .gvr = gvr_get(GVR_RULESREVIEWS), .body = body};
    if (!ask(s, &request, &s->rules, NULL, &err)) /* then each is asked for by itself */
        s->rules = NULL;
    json_decref(body);
}

static void look_at_mode(struct survey *s, enum objects_mode mode)
{
    const struct objects_run run = {.run = "00000000",
                                    .namespace = s->reach.namespace,
                                    .image = "meshproof",
                                    .conductor = "127.0.0.1:7400",
                                    .mesh = s->mesh,
                                    .mode = mode};
    const struct objects_service service = {
        .name = "service", .endpoints = 1, .port = 80, .port_name = "http"};
    struct preflight_view view = {.run = &run, .service = &service};
    json_t *objects = objects_in_order(&run, &service, 1, NULL, 1, PSK);
    const struct preflight_right *missing[PREFLIGHT_RIGHTS_MOST];
    size_t count, missing_count = 0;
    const struct preflight_right *all = preflight_rights(&count);
    char feature[32];
    view.objects = objects;
    for (size_t i = 0; i < count; i++)
        if (preflight_needs(&all[i], &view) && !is_allowed(s, &all[i]))
            missing[missing_count++] = &all[i];
    json_decref(objects);
    snprintf(feature, sizeof(feature), "--mode %s", objects_mode_words[mode]);
    if (missing_count == 0) {
        doctor_row(s->doctor, true, feature, "the account has the rights");
        return;
    }
    struct text rules;
    text_init(&rules, (size_t)16 * 1024);
    preflight_print_rules(missing, missing_count, &rules);
    doctor_row(s->doctor, false, feature,
               "%zu rights: add to role meshproof-%s (harness/deploy/roles)\n%.*s", missing_count,
               objects_mode_words[mode], (int)rules.len - 1, text_get(&rules));
    text_release(&rules);
}

bool doctor_cluster(struct doctor *d, const struct arguments *args, struct error *err)
{
    struct survey s = {.doctor = d};
    struct error unused;
    if (!cluster_reach_open(args, &s.reach, err))
        return false;
    if (look_at_server(&s, &unused)) {
        look_at_namespace(&s);
        look_at_mesh(&s);
        read_rules(&s);
        for (int mode = 0; mode < MODES; mode++)
            look_at_mode(&s, (enum objects_mode)mode);
    }
    json_decref(s.rules);
    api_close(s.reach.api);
    return true;
}
