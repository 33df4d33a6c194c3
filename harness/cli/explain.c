#include "cli/arguments.h"
#include "cli/istio.h"

#include "base/units.h"
#include "plan/place.h"
#include "verify/claims.h"
#include "verify/generate.h"

/* meshproof explain: the effective policy of an edge with its marks, and the claims that it yields.
 */

static const char *const explain_drivers[] = {"istio", NULL};
static const struct option explain_options[] = {
    {"target", 0, "NAME@VERSION", "istio@1.31", "Judge as", "whose semantics", NULL, false},
    {"endpoints", 0, "COUNT", "3", "Judge as", "endpoints of the service", NULL, false},
    {"driver", 0, "NAME", NULL, "Judge as", "istio: ask Istio itself as well (./dev setup istio)",
     explain_drivers, false},
    {"on", 0, "EDGE", NULL, "Choose", "\"a -> b\"; default: every edge that the policy governs",
     NULL, false},
    {"claim", 0, "ID", NULL, "Choose", "this claim, word or family alone", NULL, false},
    {"path", 0, "PATH", NULL, "Choose", "of the request; default: the first route", NULL, false},
    {"json", 0, NULL, NULL, "Results", "the model as JSON", NULL, false},
};

static void print_claims(const struct edge_policy *edge, const char *only, struct text *t)
{
    struct arena arena;
    struct generate_options options = {
        .depth = DEPTH_FULL, .method = "GET", .patience_ns = UINT64_C(16000000000)};
    arena_init(&arena, (size_t)1024 * 1024);
    size_t count;
    const struct claim_need *needs = generate_needs(edge, &options, &arena, &count);
    text_add(t, "claims\n");
    for (size_t i = 0; i < count; i++) {
        if (only != NULL && !claim_type_is(needs[i].claim, only))
            continue;
        text_add(t, "  %-20s", needs[i].claim->id);
        if (needs[i].text != NULL)
            text_add(t, " not asked: %s\n", needs[i].text);
        else
            text_add(t, " n %llu, %llu s   %s\n", (unsigned long long)needs[i].n,
                     (unsigned long long)needs[i].seconds, needs[i].claim->help);
    }
    arena_release(&arena);
}

/* ${istio}: what Istio answered, where it was asked; else NULL. */
static void explain_edge(const struct arguments *args, const struct policy *policy,
                         const char *from, const char *to, uint32_t endpoints, const json_t *istio)
{
    struct edge_policy edge;
    struct text t;
    struct arena arena;
    arena_init(&arena, (size_t)16 * 1024 * 1024);
    policy_explain(policy, from, to, arguments_get(args, "path"), endpoints, &arena, &edge);
    text_init(&t, (size_t)1024 * 1024);
    if (arguments_has(args, "json")) {
        json_t *j = edge_policy_to_json(&edge);
        if (istio != NULL)
            json_object_set_new(j, "istio", istio_programs_json(istio, &edge));
        json_dumpf(j, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
        json_decref(j);
    } else {
        edge_policy_print(&edge, &t);
        if (istio != NULL)
            istio_programs_print(istio, &edge, &t);
        print_claims(&edge, arguments_get(args, "claim"), &t);
        fputs(text_get(&t), stdout);
    }
    text_release(&t);
    arena_release(&arena);
}

/* What Istio says of the objects: of all edges at once, at the end. */
static void explain_says(const struct arguments *args, const json_t *istio)
{
    struct text t;
    text_init(&t, (size_t)1024 * 1024);
    if (arguments_has(args, "json")) {
        json_t *j = json_pack("{s:O*, s:O, s:O*}", "istio", json_object_get(istio, "istio"),
                              "objects", json_object_get(istio, "objects"), "assumed",
                              json_object_get(istio, "assumed"));
        json_dumpf(j, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
        json_decref(j);
    } else {
        istio_says_print(istio, &t);
        fputs(text_get(&t), stdout);
    }
    text_release(&t);
}

/* "payments", or "payments.shop" where a namespace is said. */
static const char *service_of(const struct place_end *end, struct arena *arena)
{
    return end->ns == NULL ? end->service : arena_printf(arena, "%s.%s", end->service, end->ns);
}

static bool parse_on(const char *on, struct arena *arena, const char **ret_from,
                     const char **ret_to, struct error *err)
{
    struct place place;
    if (!place_parse(on, arena, &place, err) || place.to.service == NULL) {
        error_set(err, ERROR_USAGE,
                  "is \"%.60s\"; it must be an edge such as \"checkout -> payments\"", on);
        error_prefix(err, "--on ");
        err->kind = ERROR_USAGE;
        return false;
    }
    *ret_from = place.from.service == NULL ? "client" : service_of(&place.from, arena);
    *ret_to = service_of(&place.to, arena);
    return true;
}

/* ${to} NULL: of every service that the policy governs. */
static bool ask_istio(const struct arguments *args, const struct policy *policy, const char *to,
                      json_t **ret, struct error *err)
{
    size_t count;
    const char *const *services = policy_services(policy, &count);
    struct text list;
    if (arguments_get(args, "driver") == NULL)
        return true;
    text_init(&list, (size_t)64 * 1024);
    for (size_t i = 0; to == NULL && i < count; i++)
        text_add(&list, "%s%s", i == 0 ? "" : ",", services[i]);
    bool good = istio_ask("status", to != NULL ? to : text_get(&list), args->positions,
                          args->position_count, ret, err);
    text_release(&list);
    return good;
}

static int explain(const struct arguments *args, const struct policy *policy, uint32_t endpoints)
{
    const char *on = arguments_get(args, "on");
    struct error err = {0};
    struct arena arena;
    json_t *istio = NULL;
    size_t count;
    const char *const *services = policy_services(policy, &count);
    arena_init(&arena, 65536);
    const char *from = NULL, *to = NULL;
    if ((on != NULL && !parse_on(on, &arena, &from, &to, &err)) ||
        !ask_istio(args, policy, to, &istio, &err)) {
        arena_release(&arena);
        return command_fail(&err);
    }
    if (on != NULL)
        explain_edge(args, policy, from, to, endpoints, istio);
    for (size_t i = 0; on == NULL && i < count; i++)
        explain_edge(args, policy, "client", services[i], endpoints, istio);
    if (on == NULL && count == 0)
        puts("the policy governs no edge: the target's defaults stand everywhere (--on \"a -> b\" "
             "shows them)");
    if (istio != NULL)
        explain_says(args, istio);
    json_decref(istio);
    arena_release(&arena);
    return EXIT_PASS;
}

static bool check_claim(const char *only, struct error *err)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    for (size_t i = 0; only != NULL && i < count; i++)
        if (claim_type_is(types[i], only))
            return true;
    return only == NULL ||
           error_set(err, ERROR_USAGE, "--claim is \"%.60s\"; meshproof claims lists them", only);
}

static bool check_driver(const struct arguments *args, struct error *err)
{
    if (arguments_get(args, "driver") == NULL)
        return true;
    if (strncmp(arguments_get(args, "target"), "istio@", 6) != 0)
        return error_set(err, ERROR_USAGE,
                         "the driver istio plays sidecars: --target must be istio@VERSION, not %s",
                         arguments_get(args, "target"));
    for (size_t i = 0; i < args->position_count; i++) {
        if (strcmp(args->positions[i], "-") == 0)
            return error_set(err, ERROR_USAGE,
                             "--driver istio needs files: Istio reads them itself, and the "
                             "standard input can be read once");
    }
    return true;
}

static int run(const struct arguments *args)
{
    struct policy_options options = {0};
    struct policy *policy;
    struct error err = {0};
    uint64_t endpoints = 3;
    if (args->position_count == 0) {
        error_set(
            &err, ERROR_USAGE,
            "explain needs a policy, or - for the standard input: meshproof explain k8s/ --on "
            "\"checkout -> payments\"");
        return command_fail(&err);
    }
    if (!target_parse(arguments_get(args, "target"), &options.target, &err) ||
        !arguments_count(args, "endpoints", &endpoints, &err) ||
        !check_claim(arguments_get(args, "claim"), &err) || !check_driver(args, &err))
        return command_fail(&err);
    options.endpoints = endpoints > 10000 ? 10000 : (uint32_t)endpoints;
    if (!policy_read(args->positions, args->position_count, &options, &policy, &err))
        return command_fail(&err);
    int code = explain(args, policy, options.endpoints);
    policy_free(policy);
    return code;
}

const struct command command_explain = {
    .name = "explain",
    .about = "Show the effective policy of an edge, where each value comes from, what it overrode, "
             "what the target ignores, and the claims that it yields. A path - is the standard "
             "input.",
    .positions = "PATHS",
    .options = explain_options,
    .option_count = COUNT_OF(explain_options),
    .exits = "0 shown  4 no istio-config is here  64 usage or unreadable",
    .example = "meshproof explain k8s/ --on \"checkout -> payments\"",
    .run = run,
};
