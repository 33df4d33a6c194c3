#include "cli/cluster_reach.h"

#include "cli/cluster.h"
#include "kube/body.h"

#include "base/clock.h"

bool cluster_reach_open(const struct arguments *args, struct cluster_reach *ret, struct error *err)
{
    const struct credentials_options options = cluster_credentials(args);
    struct credentials_view view;
    struct api_options o = {.mode = "canary", .seed = clock_now_ns()};
    if (!credentials_open(&options, &o.credentials, err))
        return false;
    credentials_view(o.credentials, &view);
    snprintf(ret->server, sizeof(ret->server), "%s", view.server);
    snprintf(ret->account, sizeof(ret->account), "%s", view.account);
    if (cluster_namespace(args, o.credentials, ret->namespace, sizeof(ret->namespace), err) &&
        api_open(&o, &ret->api, err))
        return true;
    credentials_free(o.credentials);
    return false;
}

bool cluster_reach_is_anchor(const json_t *config_map, const char *run)
{
    const struct objects_run named = {.run = run};
    char name[OBJECTS_NAME_MOST + 1];
    return strlen(run) == 8 && strcmp(body_meta_text(config_map, "name"),
                                      objects_name(&named, NULL, 0, name, sizeof(name))) == 0;
}

bool cluster_reach_runs(struct cluster_reach *r, char (*to)[9], size_t *ret_count,
                        struct error *err)
{
    const struct api_request request = {.verb = API_LIST,
                                        .gvr = gvr_get(GVR_CONFIGMAPS),
                                        .namespace = r->namespace,
                                        .selector = OBJECTS_RUN_LABEL};
    json_t *list = NULL;
    const json_t *item;
    size_t i;
    *ret_count = 0;
    if (!api_call(r->api, &request, &list, NULL, err))
        return false;
    json_array_foreach(json_object_get(list, "items"), i, item)
    {
        const char *run = objects_run_of(item);
        if (run != NULL && *ret_count < REACH_RUNS_MOST && cluster_reach_is_anchor(item, run))
            snprintf(to[(*ret_count)++], 9, "%s", run);
    }
    json_decref(list);
    return true;
}
