#include "cli/explore_lab.h"

#include "base/clock.h"
#include "cli/confirmation.h"
#include "cli/control.h"
#include "cli/onlooker.h"
#include "cli/people.h"
#include "cli/recover.h"
#include "cli/run_find.h"
#include "verify/hearing.h"
#include "world/undo.h"

#include <stdlib.h>
#include <unistd.h>

#define RECOVER_NS \
    NS_PER_S /* the load after a stop: a trial is no run whose recovery is looked at */

uint64_t explore_lab_now_ns(void *cookie)
{
    (void)cookie;
    return clock_now_ns();
}

void explore_journal(const char *run, char *to, size_t size)
{
    snprintf(to, size, RUNS_FOLDER "/%s.db", run);
}

const char *explore_name(const struct trial *t, char *to, size_t size)
{
    if (t->claim == NULL)
        snprintf(to, size, "explored: trial %llu", (unsigned long long)t->number);
    else
        snprintf(to, size, "explored: %s%s%s", t->claim, t->on[0] == '\0' ? "" : " on ", t->on);
    return to;
}

/* --- one run --- */

struct walked {
    char run[9], seed_text[9], journal[600];
    uint64_t seed;
    struct plan *plan;
    enum engine_outcome outcome;
    struct error err;
    bool ok, tripped; /* a guard ended it */
};

/* The mesh beside it: the same scenario on the builtin mesh, without a defect. */
static struct walk_plan right_walk(const struct prepared_scenario *ps, struct plan *p)
{
    struct scenario *s = ARENA_ARRAY(&p->arena, struct scenario, 1);
    *s = p->scenarios[0];
    prepare_lab_beside(&s->lab);
    return (struct walk_plan){.arm = RIGHT,
                              .scenario_plan = s,
                              .mesh_edges = ps->edges,
                              .mesh_edge_count = ps->edge_count,
                              .driver = DRIVER_BUILTIN};
}

/* The builtin mesh plays HTTP/1.1 without TLS like any target; beside others it is no measure. */
static bool has_right(const struct scenario *s)
{
    for (size_t i = 0; i < s->lab.service_count; i++)
        if (speaks_of(s->lab.services[i].protocol) != SPEAKS_HTTP1)
            return false;
    return !plan_lab_tls(s) && !s->lab.netns;
}

static json_t *edges_json(const struct prepared_scenario *ps, bool beside_right)
{
    json_t *list = json_array();
    for (size_t arm = 0; arm < (beside_right ? 2 : 1); arm++)
        for (size_t i = 0; i < ps->edge_count; i++)
            json_array_append_new(list, json_pack("{s:s, s:i, s:o}", "arm",
                                                  arm == 0 ? SUBJECT : RIGHT, "scenario", 0, "edge",
                                                  edge_policy_to_json(&ps->edges[i])));
    return list;
}

static char *policy_json(const struct explore_lab *lab, const struct prepared_scenario *ps,
                         bool beside_right)
{
    json_t *row = json_copy(lab->prepared->policy_row);
    json_object_set_new(row, "controls", json_array());
    json_object_set_new(row, "edges", edges_json(ps, beside_right));
    json_object_del(row, "missing"); /* what lacks something is not explored */
    char *text = json_dumps(row, JSON_COMPACT);
    json_decref(row);
    return text;
}

static struct engine_options options_of(const struct explore_lab *lab, const struct walked *w)
{
    const struct arguments *args = lab->args;
    struct engine_options options = {.journal = w->journal,
                                     .program = lab->program,
                                     .run = w->run,
                                     .argv = lab->argv, /* what --rerun runs again */
                                     .argc = lab->argc,
                                     .seed = w->seed,
                                     .seed_text = w->seed_text,
                                     .version = MESHPROOF_VERSION,
                                     .deadline_ns = w->plan->scenarios[0].deadline_ns,
                                     .linger_ns = 30 * NS_PER_S,
                                     .recover_ns = RECOVER_NS,
                                     .inflight_most = 2000};
    people_options(args, &options);
    options.approve = options.approve || lab->approved;
    return options;
}

static size_t repeats(void *cookie, const char *path, uint32_t scenario, const char *arm,
                      uint32_t done, uint32_t *ret_ordinals, size_t most)
{
    (void)cookie;
    return confirmation_asks(path, scenario, arm, done, ret_ordinals, most);
}

static void on_event(void *cookie, const struct engine_event *event)
{
    struct walked *w = cookie;
    w->tripped = w->tripped || strcmp(event->what, "guard.trip") == 0;
}

static void walk(struct explore_lab *lab, const struct trial *t, bool beside_right,
                 struct walked *w)
{
    const struct space *space = &lab->spaces[t->space];
    size_t index = (size_t)(space->base - lab->prepared->plan->scenarios);
    const struct prepared_scenario *ps = &lab->prepared->scenarios[index];
    struct onlookers onlookers = {0};
    struct control *control = NULL;
    char ledger[80];
    if (!control_open(w->run, lab->args->positions[0], w->journal, &control, &w->err)) {
        int code = command_fail(&w->err); /* locked in the meantime: halted */
        lab->code = lab->approved ? EXIT_ABORTED : code;
        w->outcome = ENGINE_ABORTED;
        return;
    }
    const struct walk_plan walks[] = {
        {.arm = SUBJECT,
         .scenario_plan = &w->plan->scenarios[0],
         .mesh_edges = ps->mesh_edges,
         .mesh_edge_count = ps->edge_count,
         .driver = ps->driver,
         .istio = ps->istio,
         .defects = (const char *const *)space->base->lab.defects,
         .defect_count = space->base->lab.defect_count,
         .uncalm = ps->mesh_policy != NULL},
        beside_right ? right_walk(ps, w->plan) : (struct walk_plan){0},
    };
    struct engine_options options = options_of(lab, w);
    const struct onlooker steered = control_onlooker(control),
                          watching = {.on_event = on_event, .cookie = w};
    char *policy = policy_json(lab, ps, beside_right);
    snprintf(ledger, sizeof(ledger), LEDGER_FOLDER "/%s" LEDGER_TAIL, w->run);
    options.ledger = ledger;
    options.policy_json = policy;
    options.repeats = repeats;
    onlookers_add(&onlookers, &steered);
    onlookers_add(&onlookers, &watching);
    onlookers_hook(&onlookers, &options);
    w->ok = engine_run(w->plan, walks, beside_right ? 2 : 1, &options, &w->outcome, &w->err);
    control_close(control, w->outcome == ENGINE_COMPLETE ? EXIT_PASS : EXIT_ABORTED);
    free(policy);
}

/* --- the oracle --- */

static void drop(const char *run)
{
    char path[600];
    if (run[0] == '\0')
        return;
    explore_journal(run, path, sizeof(path));
    unlink(path);
}

void explore_lab_keep(void *cookie, enum search_evidence from, enum search_evidence to)
{
    struct explore_lab *lab = cookie;
    drop(lab->kept[to].run);
    lab->kept[to] = lab->kept[from];
    lab->kept[from] = (struct explore_evidence){0};
}

void explore_lab_tidy(struct explore_lab *lab)
{
    drop(lab->kept[EVIDENCE_NEWEST].run);
    drop(lab->kept[EVIDENCE_CLOSER].run);
    lab->kept[EVIDENCE_NEWEST] = lab->kept[EVIDENCE_CLOSER] = (struct explore_evidence){0};
}

static void keep_or_drop(struct explore_lab *lab, const struct walked *w,
                         const struct trial_result *result, const struct explore_evidence *evidence)
{
    if (result->end != TRIAL_FAIL) {
        drop(w->run);
    } else if (result->doubted) {
        if (lab->doubted_count < EXPLORE_DOUBTS_MOST)
            memcpy(lab->doubted[lab->doubted_count++], w->run, sizeof(w->run));
        else
            drop(w->run);
    } else {
        drop(lab->kept[EVIDENCE_NEWEST].run);
        lab->kept[EVIDENCE_NEWEST] = *evidence;
    }
}

/* Why it did not come to an end by itself; what cannot go on stops the search. */
static void mind_outcome(struct explore_lab *lab, const struct walked *w, struct trial_result *ret)
{
    char line[120];
    if (lab->code == EXIT_PASS && w->err.kind != ERROR_NONE)
        command_fail(&w->err); /* else it was said */
    ret->end = TRIAL_STOPPED;
    if (w->outcome == ENGINE_NOT_UNDONE) {
        snprintf(line, sizeof(line), "not everything is back: meshproof recover --run %s", w->run);
        command_say(line);
        lab->code = EXIT_NOT_UNDONE;
    } else if (w->outcome == ENGINE_ABORTED && w->tripped) {
        ret->end = TRIAL_INCONCLUSIVE; /* undone; the next schedule waits until guards hold again */
    } else if (w->outcome == ENGINE_ABORTED || w->outcome == ENGINE_LEFT) {
        lab->code = lab->code == EXIT_PASS ? EXIT_ABORTED : lab->code;
    } else {
        ret->end = TRIAL_BROKEN;
    }
}

void explore_lab_judge(void *cookie, const struct trial *t, struct trial_result *ret)
{
    struct explore_lab *lab = cookie;
    struct walked w = {.outcome = ENGINE_BROKEN};
    struct explore_evidence evidence = {0};
    char name[300], seed[20];
    uint64_t unused;
    bool beside_right = t->beside_right && has_right(lab->spaces[t->space].base);
    if (*lab->interrupted != 0) {
        lab->code = EXIT_ABORTED;
        ret->end = TRIAL_STOPPED;
        return;
    }
    seed_of_text(NULL, w.run, &unused);
    snprintf(seed, sizeof(seed), "%08llx", (unsigned long long)(t->seed >> 32));
    seed_of_text(seed, w.seed_text, &w.seed);
    explore_journal(w.run, w.journal, sizeof(w.journal));
    w.plan = space_trial(&lab->spaces[t->space], t->schedule, explore_name(t, name, sizeof(name)),
                         (struct space_asked){t->word, t->on});
    walk(lab, t, beside_right, &w);
    lab->approved = lab->approved || w.outcome == ENGINE_COMPLETE;
    if (w.ok && w.outcome == ENGINE_COMPLETE) {
        struct error err = {0};
        if (!explore_judge(lab, t, w.journal, w.plan, ret, &evidence, &err)) {
            command_fail(&err);
            ret->end = TRIAL_BROKEN;
        }
    } else {
        mind_outcome(lab, &w, ret);
    }
    memcpy(evidence.run, w.run, sizeof(w.run));
    memcpy(evidence.seed, w.seed_text, sizeof(w.seed_text));
    keep_or_drop(lab, &w, ret, &evidence);
    plan_free(w.plan);
    lab->on_trial(lab->cookie, t, ret);
}
