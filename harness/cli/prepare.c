#include "cli/prepare.h"

#include "cli/against.h"
#include "cli/cluster.h"

#include "cli/exception_file.h"
#include "cli/people.h"
#include "lua/suite.h"
#include "mesh/mesh.h"
#include "verify/governed.h"
#include "verify/wish.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <unistd.h>

const char *const prepare_depths[] = {"full", "quick", NULL};
const char *const prepare_drivers[] = {"builtin", "envoy", "istio", "external", NULL};

#define ERRORS_MOST 20
#define SETS_MOST 64

void seed_of_text(const char *text, char to[9], uint64_t *ret_key)
{
    unsigned char digest[32];
    uint64_t eight;
    if (text == NULL) {
        unsigned char random[4];
        INVARIANT(RAND_bytes(random, sizeof(random)) == 1);
        eight = (uint64_t)random[0] << 24 | (uint64_t)random[1] << 16 | (uint64_t)random[2] << 8 |
                random[3];
    } else if (strlen(text) != 8 || !bytes_hex_to_u64(bytes_of(text), &eight)) {
        INVARIANT(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1);
        eight = (uint64_t)digest[0] << 24 | (uint64_t)digest[1] << 16 | (uint64_t)digest[2] << 8 |
                digest[3];
    }
    snprintf(to, 9, "%08llx", (unsigned long long)eight);
    INVARIANT(EVP_Digest(to, 8, digest, NULL, EVP_sha256(), NULL) == 1);
    uint64_t key = 0;
    for (int i = 0; i < 8; i++)
        key = key << 8 | digest[i];
    *ret_key = key;
}

static int load(const struct arguments *args, const char *suite, struct prepared *p)
{
    struct error errors[ERRORS_MOST] = {0};
    const char *sets[SETS_MOST];
    size_t count = 0;
    int code = EXIT_USAGE;
    struct suite_options options = {.sets = sets,
                                    .set_count = arguments_all(args, "set", sets, SETS_MOST)};
    if (suite_load(suite, &options, &p->plan, errors, &count))
        return EXIT_PASS;
    for (size_t i = 0; i < count && i < ERRORS_MOST; i++)
        code = command_fail(&errors[i]);
    return code;
}

static bool in_list(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = list; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, ",");
        if (n == len && strncmp(p, word, n) == 0)
            return true;
        p += n;
        if (*p == ',')
            p++;
    }
    return false;
}

static bool has_tag(const struct scenario *s, const char *list)
{
    for (size_t i = 0; i < s->tag_count; i++) {
        if (in_list(list, s->tags[i]))
            return true;
    }
    return false;
}

bool prepare_is_named(const struct arguments *args, const char *name)
{
    const char *globs[32];
    size_t count = arguments_all(args, "scenario", globs, COUNT_OF(globs));
    bool named = count == 0;
    for (size_t i = 0; i < count; i++)
        named = named || text_glob(bytes_of(name), bytes_of(globs[i]));
    return named;
}

bool prepare_none_is_chosen(const struct plan *plan, struct error *err)
{
    return error_set(err, ERROR_USAGE,
                     "%s: no scenario is selected by --tag, --skip-tag and --scenario",
                     plan->suite);
}

/* The scenarios that this one becomes are called "policy: a -> b": which, the policy says, and it
 * is read after this. prepare_expand has the last word. */
static bool may_become_named(const struct arguments *args, const struct scenario *s)
{
    const char *globs[32];
    size_t count = arguments_all(args, "scenario", globs, COUNT_OF(globs));
    bool may = false;
    for (size_t i = 0; i < count; i++)
        may = may || strncmp(globs[i], "policy: ", 8) == 0 || strpbrk(globs[i], "*?[") != NULL;
    return s->from_policy && s->phase_count == 0 && may;
}

static bool chosen(const struct arguments *args, const struct scenario *s)
{
    const char *tag = arguments_get(args, "tag"), *skip = arguments_get(args, "skip-tag");
    return (may_become_named(args, s) || prepare_is_named(args, s->name)) &&
           (tag == NULL || has_tag(s, tag)) && (skip == NULL || !has_tag(s, skip));
}

static bool choose(const struct arguments *args, struct plan *plan, struct error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < plan->scenario_count; i++) {
        if (chosen(args, &plan->scenarios[i]))
            plan->scenarios[kept++] = plan->scenarios[i];
    }
    plan->scenario_count = kept;
    return kept > 0 || prepare_none_is_chosen(plan, err);
}

bool prepare_target(const struct arguments *args, const struct mesh_plan *mesh, struct target *ret,
                    struct error *err)
{
    char text[80], version[32] = "";
    const char *given = arguments_get(args, "target");
    if (given != NULL && strchr(given, '@') != NULL)
        return target_parse(given, ret, err);
    if (mesh->version != NULL)
        snprintf(version, sizeof(version), "@%.20s", mesh->version);
    if (given == NULL && mesh->word == NULL)
        return error_at(err, mesh->source, ERROR_USAGE,
                        "no mesh is declared: give mesh.istio, ... in the suite, or --target");
    snprintf(text, sizeof(text), "%.40s%s", given != NULL ? given : mesh->word, version);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '_' ? '-' : *c;
    if (target_parse(text, ret, err))
        return true;
    error_prefix(err, "mesh: ");
    return false;
}

static uint32_t endpoints_of(const struct scenario *s)
{
    uint32_t most = 0;
    for (size_t i = 0; i < s->lab.service_count; i++)
        most = s->lab.services[i].endpoints > most ? s->lab.services[i].endpoints : most;
    return most;
}

/* An arm without a mesh is compared with others: what has to have a target takes theirs. */
static const struct mesh_plan *meshed_of(const struct plan *plan, const struct scenario *s)
{
    for (size_t i = 0; plan_is_control_arm(s) && i < plan->scenario_count; i++)
        if (plan_same_arms(s, &plan->scenarios[i]) && !plan_is_control_arm(&plan->scenarios[i]))
            return &plan->scenarios[i].mesh;
    return &s->mesh;
}

static bool read_policies(const struct arguments *args, struct prepared *p, size_t i,
                          struct error *err)
{
    struct scenario *s = &p->plan->scenarios[i];
    struct prepared_scenario *ps = &p->scenarios[i];
    const char *paths[64], *mesh_paths[64];
    size_t count = arguments_all(args, "policy", paths, COUNT_OF(paths));
    size_t mesh_count = arguments_all(args, "mesh-policy", mesh_paths, COUNT_OF(mesh_paths));
    if (count == 0) {
        count = s->mesh.policy_count < COUNT_OF(paths) ? s->mesh.policy_count : COUNT_OF(paths);
        for (size_t k = 0; k < count; k++)
            paths[k] = s->mesh.policy[k];
    }
    if (plan_is_meshless(s))
        count = mesh_count = 0;
    if (!prepare_target(args, meshed_of(p->plan, s), &ps->target, err))
        return false;
    struct policy_options options = {.target = ps->target, .endpoints = endpoints_of(s)};
    if (!policy_read(paths, count, &options, &ps->policy, err))
        return false;
    return mesh_count == 0 || policy_read(mesh_paths, mesh_count, &options, &ps->mesh_policy, err);
}

/* What is played by whom; where there is no mesh, by nobody. */
static void driver_of(const struct arguments *args, const struct scenario *s, enum driver *ret)
{
    static const char *const names[] = {"builtin", "envoy", "istio", "external"};
    const char *given = arguments_get(args, "driver");
    *ret = s->lab.driver;
    if (cluster_asked(args)) /* the mesh is there; the suite's lab is for local runs */
        *ret = DRIVER_EXTERNAL;
    for (size_t i = 0; given != NULL && i < COUNT_OF(names); i++) {
        if (strcmp(names[i], given) == 0)
            *ret = (enum driver)i;
    }
    if (plan_is_meshless(s))
        *ret = DRIVER_NONE;
}

/* With arms "istio:payments" is payments of that arm; of the others, nothing. */
static bool of_this_arm(const struct scenario *s, char **name)
{
    char *colon = s->arm == NULL ? NULL : strchr(*name, ':');
    if (s->arm == NULL)
        return true;
    if (colon == NULL || strlen(s->arm) != (size_t)(colon - *name) ||
        strncmp(*name, s->arm, strlen(s->arm)) != 0)
        return false;
    *name = colon + 1;
    return true;
}

/* "--to SERVICE=HOST:PORT", "--endpoint SERVICE/N=HOST:PORT" and "--metrics CALLER=URL" stand over
 * the suite's lab.external. */
static bool external_of(const struct arguments *args, struct prepared *p, struct scenario *s,
                        struct error *err)
{
    static const char *const options[] = {"to", "endpoint", "metrics"};
    static const char *const examples[] = {"payments=127.0.0.1:18080", "payments/1=127.0.0.1:18080",
                                           "client=http://127.0.0.1:15090/stats/prometheus"};
    if (s->lab.external == NULL) {
        s->lab.external = json_object();
        json_array_append_new(p->plan->owned, s->lab.external);
    }
    for (size_t o = 0; o < COUNT_OF(options); o++) {
        const char *values[64];
        size_t count = arguments_all(args, options[o], values, COUNT_OF(values));
        json_t *table = json_object_get(s->lab.external, options[o]);
        if (table == NULL) {
            table = json_object();
            json_object_set_new(s->lab.external, options[o], table);
        }
        for (size_t i = 0; i < count; i++) {
            const char *equals = strchr(values[i], '=');
            if (equals == NULL || equals == values[i] || strchr(equals, ':') == NULL)
                return error_set(err, ERROR_USAGE, "--%s is \"%.60s\"; it must be like %s",
                                 options[o], values[i], examples[o]);
            char *name = arena_strndup(&p->arena, values[i], (size_t)(equals - values[i]));
            if (!of_this_arm(s, &name))
                continue;
            json_object_set_new(table, name, json_string(equals + 1));
        }
    }
    return true;
}

static bool check_defects(const char *const *names, size_t count, enum driver driver,
                          struct error *err)
{
    if (driver != DRIVER_BUILTIN)
        return error_set(err, ERROR_USAGE, "--defect is for the builtin mesh: --driver builtin");
    for (size_t i = 0; i < count; i++) {
        const struct defect *defect = defect_find(names[i]);
        if (defect == NULL || claim_type_find(defect->claim) == NULL)
            return error_set(err, ERROR_USAGE,
                             "--defect is \"%.40s\"; meshproof defects lists them", names[i]);
    }
    return true;
}

static bool prepare_scenarios(const struct arguments *args, struct prepared *p, struct error *err)
{
    const char *defects[32];
    size_t defect_count = arguments_all(args, "defect", defects, COUNT_OF(defects));
    p->scenarios = ARENA_ARRAY(&p->arena, struct prepared_scenario, p->plan->scenario_count);
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        struct scenario *s = &p->plan->scenarios[i];
        if (!read_policies(args, p, i, err) || !exception_file_keep(s, &p->plan->arena, err))
            return false;
        driver_of(args, s, &p->scenarios[i].driver);
        if (p->scenarios[i].driver != DRIVER_NONE)
            s->lab.driver = p->scenarios[i].driver;
        if (p->scenarios[i].driver != DRIVER_EXTERNAL)
            s->lab.external = NULL; /* --driver stands over the suite's */
        else if (!external_of(args, p, s, err))
            return false;
        if (defect_count > 0 && plan_is_meshless(s) && !plan_is_control_arm(s))
            return error_at(err, s->mesh.source, ERROR_USAGE,
                            "--defect is of a mesh, and scenario \"%.80s\" has none", s->name);
        if (defect_count > 0 && !plan_is_meshless(s)) {
            if (!check_defects(defects, defect_count, s->lab.driver, err))
                return false;
            s->lab.defects = arena_take(&p->plan->arena, sizeof(char *) * defect_count);
            for (size_t k = 0; k < defect_count; k++)
                s->lab.defects[k] = arena_strdup(&p->plan->arena, defects[k]);
            s->lab.defect_count = defect_count;
        }
    }
    return true;
}

/* A generated plan asks what its policy gives; of an arm without a mesh no policy is asked. */
static bool check_expectations(const struct prepared *p, size_t i, struct error *err)
{
    const struct scenario *s = &p->plan->scenarios[i];
    const struct prepared_scenario *ps = &p->scenarios[i];
    if (plan_is_control_arm(s))
        return true;
    return wishes_check(s, ps->edges, ps->edge_count, err) &&
           (s->from_policy || governed_check(s, ps->edges, ps->edge_count, err));
}

static bool build(const struct arguments *args, struct prepared *p, struct error *err)
{
    if (!choose(args, p->plan, err) || !plan_split_arms(p->plan, err) ||
        !prepare_scenarios(args, p, err) || !prepare_expand(p, args, err) ||
        !prepare_subsets(p, args, err) || !plan_check(p->plan, err) ||
        !people_check(p->plan, args->config, err))
        return false;
    against_say(p->plan);
    for (size_t i = 0; i < p->plan->scenario_count; i++)
        if (!prepare_edges(p, i, err))
            return false;
    if (!prepare_istiod(p, args, err))
        return false;
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        if (!prepare_rates(p, i, err) || !check_expectations(p, i, err) ||
            !prepare_istio(p, args, i, err))
            return false;
    }
    return prepare_walks(p, args, err);
}

int prepare(const struct arguments *args, const char *suite, struct prepared *ret)
{
    struct error err = {0};
    *ret = (struct prepared){0};
    arena_init(&ret->arena, (size_t)64 * 1024 * 1024);
    seed_of_text(arguments_get(args, "seed"), ret->seed_text, &ret->seed);
    const char *run = arguments_get(args, "run");
    uint64_t unused;
    seed_of_text(run, ret->run, &unused);
    int code = load(args, suite, ret);
    if (code == EXIT_PASS && !build(args, ret, &err))
        code = command_fail(&err);
    return code;
}

void prepared_release(struct prepared *p)
{
    /* The expansion shares one policy among the scenarios of its edges: free each once. */
    for (size_t i = 0; p->scenarios != NULL && p->plan != NULL && i < p->plan->scenario_count;
         i++) {
        struct policy *policy = p->scenarios[i].policy, *mesh = p->scenarios[i].mesh_policy;
        for (size_t k = i + 1; k < p->plan->scenario_count; k++) {
            p->scenarios[k].policy =
                p->scenarios[k].policy == policy ? NULL : p->scenarios[k].policy;
            p->scenarios[k].mesh_policy =
                p->scenarios[k].mesh_policy == mesh ? NULL : p->scenarios[k].mesh_policy;
        }
        policy_free(policy);
        policy_free(mesh);
        json_decref(p->scenarios[i].istio);
        json_decref(p->scenarios[i].istio_says);
    }
    for (size_t i = 0; i < p->control_plan_count; i++)
        plan_free(p->control_plans[i]);
    plan_free(p->plan);
    json_decref(p->policy_row);
    arena_release(&p->arena);
}
