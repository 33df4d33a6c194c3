#include "plan/row_macros.h"

/* The rows of the frame words (scenario-language.md 1.2, 1.7, 1.8, 3), in the language's order. */

static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const protocols[] = {"http1", "http2", "grpc", "tcp", NULL};
static const char *const orders[] = {"one_by_one", "together", NULL};
static const char *const load_kinds[] = {"open", "closed", NULL};
static const char *const arrivals[] = {"even", "poisson", NULL};
static const char *const reuses[] = {"keep", "each", "share", NULL};
static const char *const ends[] = {"clock", "awaits", "decided", NULL};
static const char *const drivers[] = {"builtin", "envoy", "istio", "external", NULL};
static const char *const isolations[] = {"none", "netns", NULL};
static const char *const tls_modes[] = {"mutual", "off", NULL};
static const char *const mesheds[] = {"yes", "no", "leftover_sidecar", NULL};
static const char *const planes[] = {"sidecar", "ztunnel", "waypoint", NULL};
static const char *const lints[] = {"fail", "report", "ignore", NULL};
static const char *const depths[] = {"full", "quick", NULL};
static const char *const controls[] = {"none", "drawn", "all", NULL};

static const struct row call_rows[] = {
    {.name = "to", TEXT(struct call_plan, to), SAVED},
    WHERE(struct call_plan),
    {.name = "method", TEXT(struct call_plan, method), BOTH, .fallback = "GET"},
    {.name = "path", TEXT(struct call_plan, path), BOTH, .fallback = "/"},
    {.name = "share", SHARE(struct call_plan, share_ppm), BOTH, .fallback = "100%"},
    {.name = "timeout", TIME(struct call_plan, timeout_ns), BOTH, .fallback = "1s"},
    {.name = "deadline", TIME(struct call_plan, deadline_ns), BOTH},
    {.name = "retries", COUNT(struct call_plan, retries), BOTH, .fallback = "0", .most = 100},
    {.name = "retry_on",
     TEXTS(struct call_plan, retry_on, retry_on_count),
     BOTH,
     .fallback = "5xx,reset,timeout"},
    {.name = "backoff", TIME(struct call_plan, backoff_ns), BOTH, .fallback = "0ms"},
    SPECIAL("breaker"),
    SPECIAL("fallback"),
    {.name = "order", WORD(struct call_plan, together, orders), BOTH, .fallback = "one_by_one"},
    {.name = "fallback_status", COUNT(struct call_plan, fallback_status), SAVED, .most = 599},
    {.name = "fallback_body", TEXT(struct call_plan, fallback_body), SAVED},
    {.name = "breaker_failures", COUNT(struct call_plan, breaker_failures), SAVED},
    {.name = "breaker_open", TIME(struct call_plan, breaker_open_ns), SAVED},
};
TABLE(call_table, "call", call_rows, struct call_plan, NULL);

static const struct row service_rows[] = {
    {.name = "name", TEXT(struct service_plan, name), SAVED},
    WHERE(struct service_plan),
    {.name = "endpoints",
     COUNT(struct service_plan, endpoints),
     BOTH,
     .fallback = "1",
     .least = 1,
     .most = 1000},
    {.name = "zones", TEXTS(struct service_plan, zones, zone_count), BOTH},
    {.name = "versions", TEXTS(struct service_plan, versions, version_count), BOTH},
    {.name = "protocol",
     TEXT(struct service_plan, protocol),
     BOTH,
     .words = protocols,
     .fallback = "http1"},
    {.name = "work", TIME(struct service_plan, work_ns), BOTH, .fallback = "2ms"},
    {.name = "jitter", TIME(struct service_plan, jitter_ns), BOTH, .fallback = "0ms"},
    SPECIAL("body"),
    {.name = "body_text", TEXT(struct service_plan, body_text), SAVED},
    {.name = "body_bytes", SIZE(struct service_plan, body_bytes), SAVED},
    {.name = "status",
     COUNT(struct service_plan, status),
     BOTH,
     .fallback = "200",
     .least = 100,
     .most = 599},
    {.name = "slots",
     COUNT(struct service_plan, slots),
     BOTH,
     .fallback = "256",
     .least = 1,
     .most = 100000},
    {.name = "run", TEXT(struct service_plan, run), BOTH},
    {.name = "run_in", TEXT(struct service_plan, run_in), SAVED},
    {.name = "address", TEXTS(struct service_plan, addresses, address_count), BOTH},
    {.name = "identity", TEXT(struct service_plan, identity), BOTH},
    {.name = "meshed", TEXT(struct service_plan, meshed), BOTH, .words = mesheds},
    {.name = "effects", TEXT(struct service_plan, effects), BOTH},
    {.name = "calls", LIST(struct service_plan, calls, call_count, call_table), BOTH, .most = 100},
};
TABLE(service_table, "service", service_rows, struct service_plan, NULL);

static const struct row lab_rows[] = {
    WHERE(struct lab_plan),
    {.name = "driver", WORD(struct lab_plan, driver, drivers), BOTH, .fallback = "builtin"},
    {.name = "tls", TEXT(struct lab_plan, tls), BOTH, .words = tls_modes},
    {.name = "external", .kind = ROW_JSON, AT(struct lab_plan, external), BOTH},
    {.name = "defects", TEXTS(struct lab_plan, defects, defect_count), BOTH},
    {.name = "ports", .kind = ROW_JSON, AT(struct lab_plan, ports), SAVED},
    {.name = "subsets", .kind = ROW_JSON, AT(struct lab_plan, subsets), SAVED},
    {.name = "isolation", WORD(struct lab_plan, netns, isolations), BOTH, .fallback = "none"},
    {.name = "proxies", TEXT(struct lab_plan, proxies), BOTH, .words = planes},
    {.name = "services",
     LIST(struct lab_plan, services, service_count, service_table),
     SAVED,
     .most = 200},
};
TABLE(lab_table, "lab", lab_rows, struct lab_plan, NULL);

static const struct row mesh_rows[] = {
    {.name = "word", TEXT(struct mesh_plan, word), SAVED},
    WHERE(struct mesh_plan),
    {.name = "policy", TEXTS(struct mesh_plan, policy, policy_count), BOTH},
    {.name = "version", TEXT(struct mesh_plan, version), BOTH},
    {.name = "name", TEXT(struct mesh_plan, name), BOTH},
    {.name = "trust_domain", TEXT(struct mesh_plan, trust_domain), BOTH},
    {.name = "metrics", TEXT(struct mesh_plan, metrics), BOTH},
    {.name = "ignore", TEXTS(struct mesh_plan, ignore, ignore_count), BOTH},
};
TABLE(mesh_table, "mesh", mesh_rows, struct mesh_plan, NULL);

static const struct row tagged_rows[] = {
    {.name = "tag", TEXT(struct tagged, tag), SAVED},
    {.name = "count", COUNT(struct tagged, count), SAVED},
    {.name = "apart", TIME(struct tagged, apart_ns), SAVED},
};
static TABLE(tagged_table, "tagged", tagged_rows, struct tagged, NULL);

static const struct row load_rows[] = {
    {.name = "kind", WORD(struct load_plan, closed, load_kinds), SAVED},
    WHERE(struct load_plan),
    {.name = "on", .kind = ROW_PLACE, AT(struct load_plan, on), BOTH, .required = true},
    {.name = "rate", .kind = ROW_SPECIAL, SUITE, .only = "load.open", .required = true},
    {.name = "rate_per_h", RATE(struct load_plan, rate_per_h), SAVED},
    {.name = "enough", WORD(struct load_plan, enough, no_yes), SAVED},
    {.name = "arrivals",
     WORD(struct load_plan, poisson, arrivals),
     BOTH,
     .only = "load.open",
     .fallback = "even"},
    {.name = "ramp", TIME(struct load_plan, ramp_ns), BOTH, .only = "load.open", .fallback = "0s"},
    {.name = "users",
     COUNT(struct load_plan, users),
     BOTH,
     .only = "load.closed",
     .required = true,
     .least = 1,
     .most = 100000},
    {.name = "think",
     TIME(struct load_plan, think_ns),
     BOTH,
     .only = "load.closed",
     .fallback = "0s"},
    {.name = "protocol",
     TEXT(struct load_plan, protocol),
     BOTH,
     .words = protocols,
     .fallback = "http1"},
    {.name = "method", TEXT(struct load_plan, method), BOTH, .fallback = "GET"},
    {.name = "path", TEXT(struct load_plan, path), BOTH, .fallback = "/"},
    {.name = "call", TEXT(struct load_plan, call), BOTH},
    {.name = "headers", .kind = ROW_JSON, AT(struct load_plan, headers), BOTH},
    SPECIAL("body"),
    {.name = "body_text", TEXT(struct load_plan, body_text), SAVED},
    {.name = "body_bytes", SIZE(struct load_plan, body_bytes), SAVED},
    {.name = "timeout", TIME(struct load_plan, timeout_ns), BOTH, .fallback = "30s", .least = 1},
    {.name = "connections",
     COUNT(struct load_plan, connections),
     BOTH,
     .fallback = "8",
     .least = 1,
     .most = 10000},
    {.name = "clients",
     COUNT(struct load_plan, clients),
     BOTH,
     .fallback = "1",
     .least = 1,
     .most = 1000},
    {.name = "reuse", WORD(struct load_plan, reuse, reuses), BOTH, .fallback = "keep"},
    {.name = "warmup", TIME(struct load_plan, warmup_ns), BOTH, .fallback = "3s"},
    {.name = "tagged",
     LIST(struct load_plan, tagged, tagged_count, tagged_table),
     SAVED,
     .most = 10000},
    SPECIAL("tagged"),
    {.name = "tag_every", TIME(struct load_plan, tag_every_ns), BOTH, .fallback = "60ms"},
    {.name = "heal", COUNT(struct load_plan, heal), SAVED},
};
TABLE(load_table, "load", load_rows, struct load_plan, NULL);

static bool step_after(void *of, struct row_reader *r)
{
    struct step *s = of;
    const json_t *on = json_object_get(s->keys, "on");
    if (s->keys == NULL) {
        s->keys = json_object();
        INVARIANT(s->keys != NULL && json_array_append_new(r->owned, s->keys) == 0);
    }
    if (s->kind == STEP_DURING && s->to_ns == 0)
        s->to_ns = UINT64_MAX;
    if (!json_is_string(on))
        return true;
    if (!place_parse(json_string_value(on), r->arena, &s->on, r->err)) {
        error_prefix(r->err, "%s: on ", s->word);
        return false;
    }
    s->has_on = true;
    return true;
}

static const struct row step_rows[] = {
    {.name = "word", .kind = ROW_STEP, SAVED},
    WHERE(struct step),
    {.name = "keys", .kind = ROW_JSON, AT(struct step, keys), SAVED},
    {.name = "from", TIME(struct step, from_ns), SAVED},
    {.name = "to", TIME(struct step, to_ns), SAVED},
    {.name = "steps", LIST(struct step, steps, step_count, step_table), SAVED, .most = 1000},
};
TABLE(step_table, "step", step_rows, struct step, step_after);

static const struct row phase_rows[] = {
    {.name = "name", TEXT(struct phase, name), SAVED},
    WHERE(struct phase),
    SPECIAL("lasting"),
    SPECIAL("atmost"),
    {.name = "ends", WORD(struct phase, ends, ends), SAVED},
    {.name = "lasting", TIME(struct phase, lasting_ns), SAVED},
    {.name = "atmost", TIME(struct phase, atmost_ns), SAVED},
    {.name = "load", LIST(struct phase, loads, load_count, load_table), BOTH, .most = 100},
    {.name = "settle", TIME(struct phase, settle_ns), BOTH},
    {.name = "about", TEXT(struct phase, about), BOTH},
    {.name = "steps", LIST(struct phase, steps, step_count, step_table), SAVED, .most = 1000},
};
TABLE(phase_table, "phase", phase_rows, struct phase, NULL);

/* As an author writes it; the saved form is the scenario's. */
static const struct row quarantine_rows[] = {
    {.name = "until_date", TEXT(struct scenario, quarantine_until), SUITE, .required = true},
    {.name = "owner", TEXT(struct scenario, quarantine_owner), SUITE, .required = true},
    {.name = "reason", TEXT(struct scenario, quarantine_reason), SUITE, .required = true},
};
TABLE(quarantine_table, "quarantine", quarantine_rows, struct scenario, NULL);

static const struct row unasked_rows[] = {
    {.name = "why", TEXT(struct unasked, why), SAVED},
    {.name = "claims", TEXTS(struct unasked, claims, claim_count), SAVED},
};
static TABLE(unasked_table, "unasked", unasked_rows, struct unasked, NULL);

static const struct row scenario_rows[] = {
    {.name = "name", TEXT(struct scenario, name), SAVED},
    WHERE(struct scenario),
    {.name = "about", TEXT(struct scenario, about), BOTH},
    {.name = "tags", TEXTS(struct scenario, tags, tag_count), BOTH},
    {.name = "mesh", .kind = ROW_SUB, AT(struct scenario, mesh), .of = &mesh_table, BOTH},
    {.name = "arms",
     LIST(struct scenario, arms, arm_count, mesh_table),
     SAVED,
     .most = PLAN_ARMS_MOST},
    {.name = "arm", TEXT(struct scenario, arm), SAVED},
    {.name = "arms_of", TEXT(struct scenario, arms_of), SAVED},
    {.name = "lab", .kind = ROW_SUB, AT(struct scenario, lab), .of = &lab_table, BOTH},
    {.name = "load", LIST(struct scenario, loads, load_count, load_table), BOTH, .most = 100},
    {.name = "guard", LIST(struct scenario, guards, guard_count, guard_table), BOTH, .most = 100},
    {.name = "probes", LIST(struct scenario, probes, probe_count, probe_table), BOTH, .most = 100},
    {.name = "notify",
     LIST(struct scenario, notifies, notify_count, notify_table),
     BOTH,
     .most = 20},
    {.name = "deadline", TIME(struct scenario, deadline_ns), BOTH, .fallback = "30m"},
    {.name = "settle", TIME(struct scenario, settle_ns), BOTH, .fallback = "5s"},
    {.name = "lint", TEXT(struct scenario, lint), BOTH, .words = lints, .fallback = "fail"},
    {.name = "needs", TEXTS(struct scenario, needs, need_count), BOTH},
    {.name = "owner", TEXT(struct scenario, owner), BOTH},
    SPECIAL("quarantine"),
    {.name = "quarantine_until", TEXT(struct scenario, quarantine_until), SAVED},
    {.name = "quarantine_owner", TEXT(struct scenario, quarantine_owner), SAVED},
    {.name = "quarantine_reason", TEXT(struct scenario, quarantine_reason), SAVED},
    {.name = "phases",
     LIST(struct scenario, phases, phase_count, phase_table),
     SAVED,
     .most = 1000},
    {.name = "steps", LIST(struct scenario, steps, step_count, step_table), SAVED, .most = 1000},
    {.name = "exceptions", TEXT(struct scenario, exceptions), SAVED},
    {.name = "exceptions_yaml", TEXT(struct scenario, exceptions_yaml), SAVED},
    {.name = "from_policy", WORD(struct scenario, from_policy, no_yes), SAVED},
    {.name = "edges", TEXTS(struct scenario, edges, edge_count), SAVED},
    {.name = "claims", TEXTS(struct scenario, claims, claim_count), SAVED},
    {.name = "except", TEXTS(struct scenario, except, except_count), SAVED},
    {.name = "methods", TEXTS(struct scenario, methods, method_count), SAVED},
    {.name = "budget", TIME(struct scenario, budget_ns), SAVED},
    {.name = "patience", TIME(struct scenario, patience_ns), SAVED},
    {.name = "depth", WORD(struct scenario, depth, depths), SAVED},
    {.name = "controls", WORD(struct scenario, controls, controls), SAVED},
    {.name = "unasked",
     LIST(struct scenario, unasked, unasked_count, unasked_table),
     SAVED,
     .most = 100},
};
TABLE(scenario_table, "scenario", scenario_rows, struct scenario, NULL);

/* As an author writes it; the saved form is the scenario's. */
static const struct row from_policy_rows[] = {
    {.name = "policy",
     TEXTS(struct scenario, mesh.policy, mesh.policy_count),
     SUITE,
     .required = true},
    {.name = "target", .kind = ROW_SPECIAL, SUITE, .required = true},
    {.name = "edges", TEXTS(struct scenario, edges, edge_count), SUITE},
    {.name = "claims", TEXTS(struct scenario, claims, claim_count), SUITE},
    {.name = "except", TEXTS(struct scenario, except, except_count), SUITE},
    {.name = "budget", TIME(struct scenario, budget_ns), SUITE, .fallback = "10m"},
    {.name = "methods", TEXTS(struct scenario, methods, method_count), SUITE, .fallback = "GET"},
    {.name = "lab", .kind = ROW_SUB, AT(struct scenario, lab), .of = &lab_table, SUITE},
    {.name = "load", LIST(struct scenario, loads, load_count, load_table), SUITE, .most = 100},
    {.name = "guard", LIST(struct scenario, guards, guard_count, guard_table), SUITE, .most = 100},
    {.name = "tags", TEXTS(struct scenario, tags, tag_count), SUITE},
    {.name = "exceptions", TEXT(struct scenario, exceptions), SUITE},
    {.name = "depth", WORD(struct scenario, depth, depths), SUITE, .fallback = "full"},
    {.name = "patience", TIME(struct scenario, patience_ns), SUITE, .fallback = "16s"},
    {.name = "controls", WORD(struct scenario, controls, controls), SUITE, .fallback = "drawn"},
};
TABLE(from_policy_table, "scenario.from_policy", from_policy_rows, struct scenario, NULL);

/* The defaults of a suite's scenarios, and one number of the plan's. */
static const struct row suite_rows[] = {
    {.name = "tags", TEXTS(struct scenario, tags, tag_count), SUITE},
    {.name = "mesh", .kind = ROW_SUB, AT(struct scenario, mesh), .of = &mesh_table, SUITE},
    {.name = "lab", .kind = ROW_SUB, AT(struct scenario, lab), .of = &lab_table, SUITE},
    {.name = "load", LIST(struct scenario, loads, load_count, load_table), SUITE, .most = 100},
    {.name = "guard", LIST(struct scenario, guards, guard_count, guard_table), SUITE, .most = 100},
    {.name = "probes", LIST(struct scenario, probes, probe_count, probe_table), SUITE, .most = 100},
    {.name = "notify",
     LIST(struct scenario, notifies, notify_count, notify_table),
     SUITE,
     .most = 20},
    {.name = "exceptions", TEXT(struct scenario, exceptions), SUITE},
    SPECIAL("false_alarms"),
};
TABLE(suite_table, "suite", suite_rows, struct scenario, NULL);

static const struct row plan_rows[] = {
    {.name = "suite", TEXT(struct plan, suite), SAVED},
    {.name = "files", .kind = ROW_ARRAY, AT(struct plan, files), SAVED},
    {.name = "params", .kind = ROW_JSON, AT(struct plan, params), SAVED},
    {.name = "false_alarms", .kind = ROW_REAL, AT(struct plan, false_alarms), SAVED},
    {.name = "scenarios",
     LIST(struct plan, scenarios, scenario_count, scenario_table),
     SAVED,
     .most = 1000},
};
TABLE(plan_table, "plan", plan_rows, struct plan, NULL);
