#include "cli/arguments.h"
#include "cli/folders.h"
#include "cli/istio.h"
#include "cli/live_note.h"
#include "cli/prepare.h"
#include "cli/progress.h"
#include "cli/run_find.h"
#include "verify/discover.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* meshproof discover: probes an edge by a plan that knows no policy, infers the policy from what
 * the run shows, and prints the difference to the declared one. The suite gives the lab, the place
 * and the declared policy; its own phases are not walked. */

#define PATIENCE_NS UINT64_C(10000000000)
#define BUDGET_NS UINT64_C(600000000000)
#define EJECT_MOST_NS UINT64_C(75000000000)
#define EJECT_LEAST_NS UINT64_C(5000000000)
#define TEXT_MOST_BYTES ((size_t)1024 * 1024)

static const struct option discover_options[] = {
#include "cli/plan_options.def"
    {"on", 0, "EDGE", NULL, "Choose", "\"a -> b\"; default: the suite's first", NULL, false},
    {"budget", 0, "TIME", "10m", "Safety", "how long it may take: long ejections need minutes",
     NULL, false},
    {"output", 'o', "FILE", NULL, "Results", "the journal (.meshproof/runs/ID.db)", NULL, false},
    {"json", 0, NULL, NULL, "Results", "JSON instead of text", NULL, false},
    {"from", 0, "RUN", NULL, "Again", "infer from a former run of discover; nothing is sent", NULL,
     false},
};

/* ${istio}: what Istio said of the policy's objects, where it was asked; else NULL. */
static int print(const struct arguments *args, const struct discovery *d, json_t *istio)
{
    struct text t;
    text_init(&t, TEXT_MOST_BYTES);
    if (arguments_has(args, "json")) {
        json_t *j = discovery_to_json(d);
        if (istio != NULL)
            json_object_set(j, "istio", istio);
        json_dumpf(j, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
        json_decref(j);
    } else {
        discovery_print(d, &t);
        if (istio != NULL)
            istio_says_print(istio, &t);
        fputs(text_get(&t), stdout);
    }
    text_release(&t);
    enum verdict_kind outcome = discovery_outcome(d);
    return outcome == VERDICT_PASS   ? EXIT_PASS
           : outcome == VERDICT_FAIL ? EXIT_FAIL
                                     : EXIT_INCONCLUSIVE;
}

static int infer(const struct arguments *args, const char *path)
{
    struct journal *journal;
    struct discovery d;
    struct error err = {0};
    if (!journal_open(path, &journal, &err)) {
        command_fail(&err);
        return EXIT_JOURNAL;
    }
    int code;
    if (discover_infer(journal, &d, &err)) {
        code = print(args, &d, json_object_get(journal->policy, "istio"));
        discovery_release(&d);
    } else {
        code = command_fail(&err);
    }
    journal_free(journal);
    return code;
}

static bool path_of(const struct arguments *args, const struct prepared *p, char *to, size_t size,
                    struct error *err)
{
    const char *given = arguments_get(args, "output");
    if (given == NULL && !folders_make(RUNS_FOLDER "/", err))
        return false;
    if (given == NULL)
        snprintf(to, size, RUNS_FOLDER "/%s.db", p->run);
    else
        snprintf(to, size, "%s", given);
    if (access(to, F_OK) == 0)
        return error_set(err, ERROR_USAGE, "%s is there already: a journal is never overwritten",
                         to);
    return true;
}

/* The declared edge that is probed, of the first scenario that has it. */
static bool choose(const struct arguments *args, const struct prepared *p, size_t *ret_scenario,
                   size_t *ret_edge, struct error *err)
{
    const char *on = arguments_get(args, "on");
    char edge[256];
    for (size_t i = 0; i < p->plan->scenario_count; i++)
        for (size_t k = 0; k < p->scenarios[i].edge_count; k++) {
            const struct edge_policy *e = &p->scenarios[i].edges[k];
            snprintf(edge, sizeof(edge), "%s -> %s", e->from, e->to);
            if (on != NULL && strcmp(on, edge) != 0)
                continue;
            *ret_scenario = i;
            *ret_edge = k;
            return true;
        }
    return error_set(err, ERROR_USAGE, "--on is \"%.60s\"; the suite has no such edge",
                     on == NULL ? "" : on);
}

/* The suite's lab, with the probing phases instead of its own, walked by the subject alone. */
static bool probe_plan(const struct arguments *args, struct prepared *p, struct error *err)
{
    size_t at = 0, k = 0;
    uint64_t budget = BUDGET_NS;
    struct discover_options o = {.patience_ns = PATIENCE_NS};
    if (!choose(args, p, &at, &k, err) || !arguments_duration(args, "budget", &budget, err) ||
        !arguments_duration(args, "patience", &o.patience_ns, err))
        return false;
    struct scenario *s = &p->plan->scenarios[at];
    struct edge_policy *edge = &p->scenarios[at].edges[k];
    o.eject_ns = budget / 8 < EJECT_MOST_NS ? budget / 8 : EJECT_MOST_NS;
    o.eject_ns = o.eject_ns > EJECT_LEAST_NS ? o.eject_ns : EJECT_LEAST_NS;
    o.method = s->method_count > 0 ? s->methods[0] : "GET";
    o.path = edge->path == NULL ? "/" : arena_strdup(&p->plan->arena, edge->path);
    o.source = s->source;
    discover_phases(p->plan, s, edge->from, edge->to, edge->endpoints, &o);
    if (s->deadline_ns < budget)
        s->deadline_ns = budget;
    p->plan->scenarios[0] = *s;
    p->plan->scenario_count = 1;
    p->walks[0] = (struct walk_plan){.arm = "subject",
                                     .scenario_plan = &p->plan->scenarios[0],
                                     .mesh_edges = p->scenarios[at].mesh_edges,
                                     .mesh_edge_count = p->scenarios[at].edge_count,
                                     .driver = p->scenarios[at].driver,
                                     .istio = p->scenarios[at].istio,
                                     .defects = (const char *const *)s->lab.defects,
                                     .defect_count = s->lab.defect_count};
    p->walk_count = 1;
    json_object_set_new(p->policy_row, "controls", json_array());
    json_object_set_new(p->policy_row, "edges",
                        json_pack("[{s:s, s:i, s:o}]", "arm", "subject", "scenario", 0, "edge",
                                  edge_policy_to_json(edge)));
    return plan_check(p->plan, err);
}

static int walk(const struct arguments *args, struct prepared *p)
{
    char path[600], program[600];
    struct progress progress;
    struct error err = {0};
    enum engine_outcome outcome = ENGINE_BROKEN;
    if (!live_may_run(&err) || !prepare_names(p, &err) || !probe_plan(args, p, &err) ||
        !path_of(args, p, path, sizeof(path), &err))
        return command_fail(&err);
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    INVARIANT(n > 0);
    program[n] = '\0';
    char *policy_json = json_dumps(p->policy_row, JSON_COMPACT);
    progress_init(&progress, arguments_has(args, "quiet"), arguments_has(args, "plain"));
    struct engine_options options = {.journal = path,
                                     .program = program,
                                     .run = p->run,
                                     .argv = (const char *const *)args->argv,
                                     .argc = (size_t)args->argc,
                                     .seed = p->seed,
                                     .seed_text = p->seed_text,
                                     .version = MESHPROOF_VERSION,
                                     .policy_json = policy_json,
                                     .deadline_ns = p->plan->scenarios[0].deadline_ns,
                                     .linger_ns = UINT64_C(30000000000),
                                     .inflight_most = 2000,
                                     .on_event = progress_on_event,
                                     .cookie = &progress};
    progress_begin(&progress, p, path);
    bool ok = engine_run(p->plan, p->walks, p->walk_count, &options, &outcome, &err);
    progress_end(&progress);
    free(policy_json);
    int code = err.kind != ERROR_NONE ? command_fail(&err) : EXIT_PASS;
    if (outcome == ENGINE_LEFT)
        return EXIT_ABORTED;
    if (!ok || outcome == ENGINE_BROKEN)
        return command_worse(code, EXIT_SURROUNDINGS);
    return outcome == ENGINE_ABORTED ? command_worse(code, EXIT_ABORTED) : infer(args, path);
}

static int run(const struct arguments *args)
{
    struct prepared p;
    struct error err = {0};
    char path[600];
    const char *from = arguments_get(args, "from");
    if (from != NULL)
        return run_find(from, path, sizeof(path), &err) ? infer(args, path) : command_fail(&err);
    if (args->position_count != 1) {
        error_set(&err, ERROR_USAGE,
                  "discover needs one suite: meshproof discover suites/seed/payments.lua");
        return command_fail(&err);
    }
    int code = prepare(args, args->positions[0], &p);
    if (code == EXIT_PASS)
        code = walk(args, &p);
    prepared_release(&p);
    return code;
}

const struct command command_discover = {
    .name = "discover",
    .about = "Infer the policy of an edge from its behaviour, and compare it with the declared "
             "one.",
    .positions = "SUITE",
    .options = discover_options,
    .option_count = COUNT_OF(discover_options),
    .exits = "0 as declared  1 differs  2 could not tell  3 aborted  4 surroundings  64 usage",
    .example = "meshproof discover suites/seed/payments.lua --driver envoy",
    .run = run,
};
