#include "cli/prepare.h"

#include "cli/istio.h"

/* The driver `istio`: Istio itself translates the user's files, before anything is started, and
 * tells each service's routes and clusters as Envoy's JSON; the mesh agent then runs an Envoy of
 * that. What it says of each object goes into the journal's policy row. */

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

bool prepare_istio(struct prepared *p, const struct arguments *args, size_t scenario,
                   struct error *err)
{
    struct prepared_scenario *ps = &p->scenarios[scenario];
    const struct mesh_plan *mesh = &p->plan->scenarios[scenario].mesh;
    const char *given[ISTIO_FILES_MOST], *const *files = given;
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
    if (!istio_ask("translate", services_of(p, ps), files, count, &answer, err))
        return false;
    ps->istio = json_incref(json_object_get(answer, "services"));
    json_object_del(answer, "services");
    ps->istio_says = answer;
    return true;
}
