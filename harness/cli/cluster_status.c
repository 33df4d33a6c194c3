#include "cli/cluster_status.h"

#include "cli/cluster_reach.h"
#include "cli/prepare.h"
#include "kube/body.h"
#include "kube/build.h"
#include "kube/lease.h"

#include <stdlib.h>

/* status --on kubernetes: the runs that have an anchor, their pods, and who holds their Leases. It
 * judges no clock of another machine: when a Lease was renewed is told as its holder wrote it. */

static bool list(struct cluster_reach *r, enum gvr_id what, json_t **ret, struct error *err)
{
    const struct api_request request = {.verb = API_LIST,
                                        .gvr = gvr_get(what),
                                        .namespace = r->namespace,
                                        .selector = OBJECTS_RUN_LABEL};
    return api_call(r->api, &request, ret, NULL, err);
}

static bool is_ready(const json_t *pod)
{
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(pod, "status"), "conditions"), i, one)
    {
        if (strcmp(body_text(one, "type"), "Ready") == 0)
            return strcmp(body_text(one, "status"), "True") == 0;
    }
    return false;
}

/* {"endpoint": {"pods": 3, "ready": 2}, ...}. */
static json_t *count_pods(const json_t *pods, const char *run)
{
    json_t *roles = json_object();
    const json_t *pod;
    size_t i;
    json_array_foreach(json_object_get(pods, "items"), i, pod)
    {
        const char *of = objects_run_of(pod);
        const char *role = body_text(json_object_get(body_meta(pod), "labels"), OBJECTS_ROLE_LABEL);
        if (of == NULL || strcmp(of, run) != 0 || role[0] == '\0')
            continue;
        json_t *had = json_object_get(roles, role);
        json_int_t all = json_integer_value(json_object_get(had, "pods")) + 1;
        json_int_t ready =
            json_integer_value(json_object_get(had, "ready")) + (is_ready(pod) ? 1 : 0);
        json_object_set_new(roles, role, json_pack("{sI sI}", "pods", all, "ready", ready));
    }
    return roles;
}

static json_t *find_lease(const json_t *leases, const char *run)
{
    const json_t *lease;
    size_t i;
    json_array_foreach(json_object_get(leases, "items"), i, lease)
    {
        const json_t *spec = json_object_get(lease, "spec");
        if (lease_is_of(body_text(spec, "holderIdentity"), run))
            return json_pack("{ss ss ss}", "name", body_meta_text(lease, "name"), "holder",
                             body_text(spec, "holderIdentity"), "renewed",
                             body_text(spec, "renewTime"));
    }
    return json_null();
}

static json_t *look_at(const json_t *anchor, const char *run, const json_t *pods,
                       const json_t *leases)
{
    const char *halt =
        body_text(json_object_get(body_meta(anchor), "annotations"), OBJECTS_HALT_ANNOTATION);
    json_t *entries =
        json_loads(body_text(json_object_get(anchor, "data"), "journal.json"), 0, NULL);
    json_t *one = json_pack("{ss ss ss sI so so}", "run", run, "made",
                            body_meta_text(anchor, "creationTimestamp"), "services",
                            body_text(json_object_get(anchor, "data"), BUILD_SERVICES_KEY),
                            "changes", (json_int_t)json_array_size(entries), "pods",
                            count_pods(pods, run), "lease", find_lease(leases, run));
    if (halt[0] != '\0')
        json_object_set_new(one, "halt", json_string(halt));
    json_decref(entries);
    return one;
}

static void print(const json_t *one)
{
    const json_t *lease = json_object_get(one, "lease"), *count;
    const char *role;
    json_int_t changes = json_integer_value(json_object_get(one, "changes"));
    printf("%s  since %s  %s", body_text(one, "run"), body_text(one, "made"),
           body_text(one, "services"));
    json_object_foreach((json_t *)(uintptr_t)json_object_get(one, "pods"), role, count)
        printf("  %s %lld of %lld ready", role,
               (long long)json_integer_value(json_object_get(count, "ready")),
               (long long)json_integer_value(json_object_get(count, "pods")));
    printf("%s%s\n", json_object_get(one, "halt") != NULL ? "  was asked to halt by " : "",
           body_text(one, "halt"));
    if (json_is_object(lease))
        printf("          Lease %s of %s, renewed %s\n", body_text(lease, "name"),
               body_text(lease, "holder"), body_text(lease, "renewed"));
    if (changes > 0)
        printf("          %lld changes to objects are to be undone\n", (long long)changes);
}

/* ${wanted} NULL: all runs. */
static json_t *collect(struct cluster_reach *r, const char *wanted, struct error *err)
{
    json_t *anchors = NULL, *pods = NULL, *leases = NULL, *all = json_array();
    const json_t *anchor;
    struct error unused = {0};
    size_t i;
    bool ok = list(r, GVR_CONFIGMAPS, &anchors, err) && list(r, GVR_PODS, &pods, err);
    if (ok && !list(r, GVR_LEASES, &leases, &unused)) /* a right that status can do without */
        leases = NULL;
    json_array_foreach(ok ? json_object_get(anchors, "items") : NULL, i, anchor)
    {
        const char *run = objects_run_of(anchor);
        if (run != NULL && cluster_reach_is_anchor(anchor, run) &&
            (wanted == NULL || strcmp(wanted, run) == 0))
            json_array_append_new(all, look_at(anchor, run, pods, leases));
    }
    json_decref(anchors);
    json_decref(pods);
    json_decref(leases);
    if (!ok)
        json_decref(all);
    return ok ? all : NULL;
}

int cluster_status(const struct arguments *args)
{
    struct cluster_reach reach;
    struct error err = {0};
    char wanted[9];
    uint64_t unused;
    bool named = args->position_count > 0;
    if (!cluster_reach_open(args, &reach, &err))
        return command_fail(&err);
    if (named)
        seed_of_text(args->positions[0], wanted, &unused);
    json_t *all = collect(&reach, named ? wanted : NULL, &err);
    api_close(reach.api);
    if (all == NULL)
        return command_fail(&err);
    if (arguments_has(args, "json")) {
        json_dumpf(all, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
    } else {
        for (size_t i = 0; i < json_array_size(all); i++)
            print(json_array_get(all, i));
        if (json_array_size(all) == 0)
            printf(named ? "run %s is not in namespace %s\n" : "%sno run goes on in namespace %s\n",
                   named ? wanted : "", reach.namespace);
    }
    int code = named && json_array_size(all) == 0 ? EXIT_SURROUNDINGS : EXIT_PASS;
    json_decref(all);
    return code;
}
