#include "cli/needs.h"

#include "cli/cluster.h"

#include "world/netem.h"
#include "world/netns.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct asker {
    const struct prepared *prepared;
    const struct arguments *args;
    size_t scenario;
    char lack[300], remedy[200];
};

/* A lab in namespaces, and in them the kernel's impairments: what `doctor` looks at, too. */
static bool net_admin_is_here(struct asker *a)
{
    static const struct netem_scope peer = {
        .flows = {{.family = AF_INET, .has_peer = true, .peer = {127, 0, 0, 9}}}, .flow_count = 1};
    const struct netem want = {.delay_ns = 1000000};
    struct netns *made = NULL;
    struct error err = {0};
    if (cluster_asked(a->args)) { /* whether their kernel can is asked in the pods */
        snprintf(a->lack, sizeof(a->lack), "pods of a run have no NET_ADMIN");
        snprintf(a->remedy, sizeof(a->remedy), "--netem-agents, or --on local");
        return arguments_has(a->args, "netem-agents");
    }
    bool ok = netns_make(&made, &err);
    netns_release(made);
    if (!ok && err.sys == EPERM) {
        snprintf(a->lack, sizeof(a->lack), "this process has no CAP_NET_ADMIN and CAP_SYS_ADMIN");
        snprintf(a->remedy, sizeof(a->remedy),
                 "sudo setcap cap_net_admin,cap_sys_admin+ep $(command -v meshproof)");
        return false;
    }
    ok = ok && netem_preflight(&want, &peer, NETEM_BOTH, &err);
    if (!ok) {
        snprintf(a->lack, sizeof(a->lack), "%.250s", err.text);
        snprintf(a->remedy, sizeof(a->remedy), "a kernel with netem: meshproof doctor");
    }
    return ok;
}

/* The mesh's certificates are ours to change: an Envoy of the lab, over TLS. */
static bool tls_owned_is_here(struct asker *a)
{
    const struct scenario *s = &a->prepared->plan->scenarios[a->scenario];
    enum driver driver = a->prepared->scenarios[a->scenario].driver;
    if (driver != DRIVER_ENVOY)
        snprintf(a->lack, sizeof(a->lack), "the %s mesh has no certificates of ours",
                 driver == DRIVER_NONE ? "missing" : prepare_drivers[driver]);
    else if (s->lab.tls != NULL && strcmp(s->lab.tls, "off") == 0)
        snprintf(a->lack, sizeof(a->lack), "the lab's tls is \"off\"");
    else
        return true;
    snprintf(a->remedy, sizeof(a->remedy), "--driver envoy and lab tls = \"mutual\"");
    return false;
}

static bool zones_is_here(struct asker *a)
{
    const struct lab_plan *lab = &a->prepared->plan->scenarios[a->scenario].lab;
    for (size_t i = 0; i < lab->service_count; i++)
        if (lab->services[i].zone_count > 0)
            return true;
    snprintf(a->lack, sizeof(a->lack), "no service of the lab is in a zone");
    snprintf(a->remedy, sizeof(a->remedy), "zones = { \"a\", \"b\" } in a service");
    return false;
}

/* Somebody sits at the terminal, or may answer from another (`meshproof answer`). Nobody does in
 * CI, nor where --yes answered for everyone beforehand. */
static bool human_is_here(struct asker *a)
{
    const char *ci = getenv("CI");
    bool unattended = (ci != NULL && ci[0] != '\0') || arguments_has(a->args, "yes");
    if (isatty(STDIN_FILENO) || !unattended)
        return true;
    snprintf(a->lack, sizeof(a->lack),
             "standard input is no terminal, and this is an unattended run");
    snprintf(a->remedy, sizeof(a->remedy), "a terminal; or no CI in the environment and no --yes");
    return false;
}

static const struct {
    const char *name;
    bool (*is_here)(struct asker *a);
} capabilities[] = {
    {"net_admin", net_admin_is_here},
    {"tls_owned", tls_owned_is_here},
    {"zones", zones_is_here},
    {"human", human_is_here},
};

static bool is_here(struct asker *a, const char *need)
{
    for (size_t i = 0; i < COUNT_OF(capabilities); i++)
        if (strcmp(capabilities[i].name, need) == 0)
            return capabilities[i].is_here(a);
    return true; /* plan_check knows all names */
}

static void look_at(struct prepared *p, const struct arguments *args, size_t scenario, json_t *rows)
{
    struct scenario *s = &p->plan->scenarios[scenario];
    for (size_t i = 0; i < s->need_count; i++) {
        struct asker a = {.prepared = p, .args = args, .scenario = scenario};
        if (is_here(&a, s->needs[i]))
            continue;
        s->missing = s->missing == NULL ? s->needs[i]
                                        : arena_printf(&p->arena, "%s,%s", s->missing, s->needs[i]);
        json_array_append_new(rows,
                              json_pack("{sI ss ss ss}", "scenario", (json_int_t)scenario, "need",
                                        s->needs[i], "text", a.lack, "remedy", a.remedy));
    }
}

void needs_look(struct prepared *p, const struct arguments *args)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < p->plan->scenario_count; i++)
        look_at(p, args, i, rows);
    if (json_array_size(rows) > 0)
        json_object_set(p->policy_row, "missing", rows);
    json_decref(rows);
}

bool needs_strict(const struct prepared *p, struct error *err)
{
    const json_t *first = json_array_get(json_object_get(p->policy_row, "missing"), 0);
    json_int_t at = json_integer_value(json_object_get(first, "scenario"));
    if (first == NULL)
        return true;
    return error_at(err, p->plan->scenarios[at].source, ERROR_USAGE, "needs %s: %s: %s",
                    json_string_value(json_object_get(first, "need")),
                    json_string_value(json_object_get(first, "text")),
                    json_string_value(json_object_get(first, "remedy")));
}

void needs_drop_walks(struct prepared *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->walk_count; i++)
        if (p->plan->scenarios[p->walks[i].scenario].missing == NULL)
            p->walks[kept++] = p->walks[i];
    p->walk_count = kept;
}
