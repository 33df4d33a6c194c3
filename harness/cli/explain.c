#include "cli/arguments.h"

#include "base/units.h"
#include "plan/place.h"
#include "verify/claims.h"
#include "verify/generate.h"

/* meshproof explain: the effective policy of an edge with its marks, and the claims that it yields.
 */

static const struct option explain_options[] = {
    {"target", 0, "NAME@VERSION", "istio@1.31", "Judge as", "whose semantics", NULL, false},
    {"endpoints", 0, "COUNT", "3", "Judge as", "endpoints of the service", NULL, false},
    {"on", 0, "EDGE", NULL, "Choose", "\"a -> b\"; default: every edge that the policy governs",
     NULL, false},
    {"claim", 0, "ID", NULL, "Choose", "this claim, word or family alone", NULL, false},
    {"path", 0, "PATH", NULL, "Choose", "of the request; default: the first route", NULL, false},
    {"json", 0, NULL, NULL, "Results", "the model as JSON", NULL, false},
};

static void print_claims(const struct edge_policy *edge, const char *only, struct text *t)
{
    struct arena arena;
    struct claim_need needs[64];
    struct generate_options options = {
        .depth = DEPTH_FULL, .method = "GET", .patience_ns = UINT64_C(16000000000)};
    arena_init(&arena, (size_t)1024 * 1024);
    size_t count = generate_needs(edge, &options, &arena, needs, COUNT_OF(needs));
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

static void explain_edge(const struct arguments *args, const struct policy *policy,
                         const char *from, const char *to, uint32_t endpoints)
{
    struct edge_policy edge;
    struct text t;
    struct arena arena;
    arena_init(&arena, (size_t)16 * 1024 * 1024);
    policy_explain(policy, from, to, arguments_get(args, "path"), endpoints, &arena, &edge);
    text_init(&t, (size_t)1024 * 1024);
    if (arguments_has(args, "json")) {
        json_t *j = edge_policy_to_json(&edge);
        json_dumpf(j, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
        json_decref(j);
    } else {
        edge_policy_print(&edge, &t);
        print_claims(&edge, arguments_get(args, "claim"), &t);
        fputs(text_get(&t), stdout);
    }
    text_release(&t);
    arena_release(&arena);
}

static int explain(const struct arguments *args, const struct policy *policy, uint32_t endpoints)
{
    const char *on = arguments_get(args, "on");
    struct error err = {0};
    struct arena arena;
    size_t count;
    const char *const *services = policy_services(policy, &count);
    arena_init(&arena, 65536);
    if (on != NULL) {
        struct place place;
        if (!place_parse(on, &arena, &place, &err) || place.to.service == NULL) {
            error_set(&err, ERROR_USAGE,
                      "is \"%.60s\"; it must be an edge such as \"checkout -> payments\"", on);
            error_prefix(&err, "--on ");
            arena_release(&arena);
            err.kind = ERROR_USAGE;
            return command_fail(&err);
        }
        explain_edge(args, policy, place.from.service == NULL ? "client" : place.from.service,
                     place.to.service, endpoints);
    }
    for (size_t i = 0; on == NULL && i < count; i++)
        explain_edge(args, policy, "client", services[i], endpoints);
    if (on == NULL && count == 0)
        puts("the policy governs no edge: the target's defaults stand everywhere (--on \"a -> b\" "
             "shows them)");
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
        !check_claim(arguments_get(args, "claim"), &err))
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
    .exits = "0 shown  64 usage or unreadable",
    .example = "meshproof explain k8s/ --on \"checkout -> payments\"",
    .run = run,
};
