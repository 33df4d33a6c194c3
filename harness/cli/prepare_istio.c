#include "cli/prepare.h"

#include "cli/istio.h"

/* The driver `istio`: Istio itself translates the user's files, before anything is started, or an
 * istiod that runs tells what it programs, and each service's routes and clusters are Envoy's JSON;
 * the mesh agent then runs an Envoy of that. What Istio says of each object, and which istiod it
 * was, goes into the journal's policy row. */

/* The services that the scenario's edges lead to, comma between. */
static const char *services_of(struct prepared *p, const struct prepared_scenario *ps)
{
    const char *list = "";
    for (size_t i = 0; i < ps->edge_count; i++) {
        bool known = false;
        for (size_t k = 0; k < i; k++)
            known = known || strcmp(ps->mesh_edges[k].to, ps->mesh_edges[i].to) == 0;
        if (!known)
            list = arena_printf(&p->arena, "%s%s%s", list, list[0] == '\0' ? "" : ",",
                                ps->mesh_edges[i].to);
    }
    return list;
}

bool prepare_istiod(const struct prepared *p, const struct arguments *args, struct error *err)
{
    bool played = false;
    if (!arguments_given(args, "istiod"))
        return true;
    for (size_t i = 0; i < p->plan->scenario_count; i++)
        played = played || p->scenarios[i].driver == DRIVER_ISTIO;
    if (!played)
        return error_set(err, ERROR_USAGE,
                         "--istiod says where the driver istio is programmed from: --driver istio");
    return !arguments_given(args, "mesh-policy") ||
           error_set(err, ERROR_USAGE,
                     "--mesh-policy programs the mesh from files, and --istiod from what runs "
                     "there: one of the two");
}

bool prepare_istio(struct prepared *p, const struct arguments *args, size_t scenario,
                   struct error *err)
{
    struct prepared_scenario *ps = &p->scenarios[scenario];
    const struct mesh_plan *mesh = &p->plan->scenarios[scenario].mesh;
    const char *given[ISTIO_FILES_MOST], *const *files = given;
    const char *istiod = arguments_get(args, "istiod");
    json_t *answer;
    if (ps->driver != DRIVER_ISTIO)
        return true;
    if (ps->target.mesh != MESH_ISTIO)
        return error_set(err, ERROR_USAGE,
                         "the driver istio plays sidecars: the target must be istio@VERSION");
    size_t count = arguments_all(args, "mesh-policy", given, COUNT_OF(given));
    if (count == 0)
        count = arguments_all(args, "policy", given, COUNT_OF(given));
    if (count == 0) {
        files = (const char *const *)mesh->policy;
        count = mesh->policy_count;
    }
    const char *services = services_of(p, ps);
    if (!(istiod != NULL ? istio_fetch(istiod, services, files, count, &answer, err)
                         : istio_ask("translate", services, files, count, &answer, err)))
        return false;
    ps->istio = json_incref(json_object_get(answer, "services"));
    json_object_del(answer, "services");
    ps->istio_says = answer;
    return true;
}
