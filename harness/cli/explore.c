#include "base/clock.h"
#include "base/units.h"
#include "cli/explore_file.h"
#include "cli/explore_says.h"
#include "cli/folders.h"
#include "cli/lint_gate.h"
#include "cli/needs.h"
#include "cli/run_find.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* meshproof explore: random fault schedules within the suite's limits, each walked and judged as
 * `run` does; the first that makes a claim FAIL is made smaller, printed and saved as a suite. */

#define BUDGET_NS (3600 * NS_PER_S)
#define SHRINK_NS (1200 * NS_PER_S)
#define REPLAYS_MOST 20
#define TRIAL_LEAST_NS (NS_PER_S / 2)
#define TRIAL_MOST_NS (600 * NS_PER_S)
#define AGAIN_MOST 16 /* --mesh-policy */

static const struct option explore_options[] = {
    {"faults", 0, "LIST", NULL, "Choose",
     "only these, as in abort,latency; default: all that act on one call's stream, and refuse",
     NULL, false},
    {"trial", 0, "TIME", NULL, "Choose",
     "how long a trial's faults and claims last; default: as the policy's times ask, 5 s to 20 s",
     NULL, false},
#include "cli/plan_options.def"
    {"budget", 0, "TIME", "1h", "Safety", "how long to look for a failure", NULL, false},
    {"shrink", 0, "TIME", "20m", "Safety", "how long to make it smaller, afterwards", NULL, false},
    {"replays", 0, "COUNT", "3", "Safety",
     "a schedule fails when every one of so many replays does", NULL, false},
    {"yes", 0, NULL, NULL, "Safety", "approvals are given: nobody is asked before the first fault",
     NULL, false},
    {"output", 'o', "FILE", NULL, "Results", "the suite that shows it (" EXPLORE_FOLDER "/ID.lua)",
     NULL, false},
    {"json", 0, NULL, NULL, "Results", "one JSON object a line instead of text", NULL, false},
#include "cli/exception_options.def"
};

struct exploration {
    const struct arguments *args;
    struct prepared prepared;
    struct exception_file exceptions;
    struct space spaces[EDGES_MOST];
    size_t space_count;
    const char *words[DRAWABLE_WORDS_MOST]; /* of --faults */
    size_t word_count;
    uint64_t budget_ns, shrink_ns, trial_ns, replays;
    char output[600];
    const char *again[2 + 2 * AGAIN_MOST];
    size_t again_count;
    struct explore_lab lab;
    struct explore_says says;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo)
{
    (void)signo;
    interrupted = 1;
}

/* Between two runs; while one goes on its conductor takes them, and gives them back. */
static void take_signals(void)
{
    static const int all[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct sigaction now, act = {.sa_handler = on_interrupt};
        if (sigaction(all[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaction(all[i], &act, NULL);
    }
}

/* --- options --- */

static bool take_words(struct exploration *x, struct error *err)
{
    const char *list = arguments_get(x->args, "faults");
    for (const char *p = list; p != NULL && *p != '\0';) {
        size_t len = strcspn(p, ",");
        const char *word = arena_strndup(&x->prepared.arena, p, len);
        if (!space_word_check(word, err))
            return false;
        if (x->word_count == DRAWABLE_WORDS_MOST)
            return error_set(err, ERROR_USAGE, "--faults has more than %d words",
                             DRAWABLE_WORDS_MOST);
        x->words[x->word_count++] = word;
        p += len + (p[len] == ',');
    }
    if (list != NULL && x->word_count == 0)
        return error_set(err, ERROR_USAGE, "--faults is empty; it must be like abort,latency");
    return true;
}

static bool take_options(struct exploration *x, struct error *err)
{
    const struct arguments *args = x->args;
    x->budget_ns = BUDGET_NS;
    x->shrink_ns = SHRINK_NS;
    if (arguments_get(args, "run") != NULL)
        return error_set(
            err, ERROR_USAGE,
            "--run names one run, and explore makes many: each gets a name of its own");
    if (!arguments_duration(args, "budget", &x->budget_ns, err) ||
        !arguments_duration(args, "shrink", &x->shrink_ns, err) ||
        !arguments_duration(args, "trial", &x->trial_ns, err) ||
        !arguments_count(args, "replays", &x->replays, err))
        return false;
    if (x->replays == 0 || x->replays > REPLAYS_MOST)
        return error_set(err, ERROR_USAGE, "--replays is %llu; it must be 1 to %d",
                         (unsigned long long)x->replays, REPLAYS_MOST);
    if (arguments_get(args, "trial") != NULL &&
        (x->trial_ns < TRIAL_LEAST_NS || x->trial_ns > TRIAL_MOST_NS))
        return error_set(err, ERROR_USAGE, "--trial is \"%.40s\"; it must be 500ms to 10m",
                         arguments_get(args, "trial"));
    const char *given = arguments_get(args, "output");
    if (given != NULL)
        snprintf(x->output, sizeof(x->output), "%s", given);
    else
        snprintf(x->output, sizeof(x->output), EXPLORE_FOLDER "/%s.lua", x->prepared.run);
    size_t len = strlen(x->output);
    if (len < 5 || strcmp(x->output + len - 4, ".lua") != 0)
        return error_set(err, ERROR_USAGE, "-o is \"%.200s\"; it must be a suite: FILE.lua",
                         x->output);
    return explore_file_check(x->output, err) && folders_make(RUNS_FOLDER "/", err);
}

/* --policy and --target stand over the suite's: what is saved must say the same. */
static void take_mesh(struct exploration *x)
{
    struct prepared *p = &x->prepared;
    const char *paths[64];
    size_t count = arguments_all(x->args, "policy", paths, COUNT_OF(paths));
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        struct mesh_plan *mesh = &p->plan->scenarios[i].mesh;
        char target[40];
        if (count > 0) {
            mesh->policy = ARENA_ARRAY(&p->plan->arena, const char *, count);
            mesh->policy_count = count;
            for (size_t k = 0; k < count; k++)
                mesh->policy[k] = paths[k];
        }
        if (arguments_get(x->args, "target") == NULL)
            continue;
        target_print(p->scenarios[i].target, target, sizeof(target));
        char *at = strchr(target, '@');
        if (at == NULL)
            continue;
        *at = '\0';
        mesh->version = arena_strdup(&p->plan->arena, at + 1);
        for (char *c = target; *c != '\0'; c++)
            *c = *c == '-' ? '_' : *c;
        mesh->word = arena_strdup(&p->plan->arena, target);
    }
}

/* `run FILE.lua`, with what no suite can say; all but the first two words, for `again`, too. */
static void make_again(struct exploration *x)
{
    const char *paths[AGAIN_MOST], *more = "";
    size_t count = arguments_all(x->args, "mesh-policy", paths, COUNT_OF(paths));
    x->again[x->again_count++] = "run";
    x->again[x->again_count++] = x->output;
    const char *istiod = arguments_get(x->args, "istiod");
    if (istiod != NULL) { /* never beside --mesh-policy */
        x->again[x->again_count++] = "--istiod";
        x->again[x->again_count++] = istiod;
        more = arena_printf(&x->prepared.arena, " --istiod %s", istiod);
    }
    for (size_t i = 0; i < count && i < COUNT_OF(paths); i++) {
        x->again[x->again_count++] = "--mesh-policy";
        x->again[x->again_count++] = paths[i];
        more = arena_printf(&x->prepared.arena, "%s --mesh-policy %s", more, paths[i]);
    }
    x->says.options = more;
    x->lab.argv = x->again;
    x->lab.argc = x->again_count;
}

/* --- what is explored --- */

static bool make_spaces(struct exploration *x, struct error *err)
{
    struct prepared *p = &x->prepared;
    const struct space_options options = {
        .words = x->words, .word_count = x->word_count, .lasting_ns = x->trial_ns};
    struct error lacks = {0};
    needs_look(p, x->args);
    bool all = needs_strict(p, &lacks);
    if (!all && arguments_has(x->args, "strict")) {
        *err = lacks;
        return false;
    }
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        const struct prepared_scenario *ps = &p->scenarios[i];
        if (p->plan->scenarios[i].missing != NULL || plan_is_control_arm(&p->plan->scenarios[i]))
            continue;
        struct space *space = &x->spaces[x->space_count++];
        if (!space_init(space, p->plan, &p->plan->scenarios[i], ps->edges, ps->edge_count, &options,
                        &p->arena, err))
            return false;
    }
    if (x->space_count > 0)
        return true;
    *err = lacks;
    err->kind = ERROR_SYSTEM; /* the surroundings': nothing was asserted */
    return false;
}

static bool may_be_drawn(const struct exploration *x, const char *word)
{
    for (size_t i = 0; i < x->space_count; i++)
        for (size_t k = 0; k < x->spaces[i].service_count; k++) {
            const struct space_service *service = &x->spaces[i].services[k];
            for (size_t d = 0; d < service->drawable_count; d++)
                if (strcmp(service->drawables[d]->word, word) == 0)
                    return true;
        }
    return false;
}

/* Those that mean something here, as in --faults. */
static const char *drawn_words(struct exploration *x)
{
    const char *all[DRAWABLE_WORDS_MOST], *list = "";
    size_t count = drawable_words(all, false);
    for (size_t i = 0; i < count; i++)
        if (may_be_drawn(x, all[i]))
            list =
                arena_printf(&x->prepared.arena, "%s%s%s", list, *list == '\0' ? "" : ",", all[i]);
    return list;
}

static int end_code(const struct exploration *x, const struct search_result *r)
{
    switch (r->end) {
    case SEARCH_FOUND:
    case SEARCH_ONCE:
        return command_worse(EXIT_FAIL, x->lab.code);
    case SEARCH_NOTHING: /* nothing decided, or the judge is in doubt: that is no PASS */
        return r->decided == 0 || r->doubted > 0 ? EXIT_INCONCLUSIVE : EXIT_PASS;
    case SEARCH_STOPPED:
        return x->lab.code == EXIT_PASS ? EXIT_ABORTED : x->lab.code;
    case SEARCH_BROKEN:
        return EXIT_SURROUNDINGS;
    }
    UNREACHABLE();
}

/* The comment at the file's top. */
static const char *head_of(struct exploration *x, const struct search_result *r)
{
    const struct explore_evidence *v = explore_evidence_of(&x->lab);
    struct text t;
    text_init(&t, 4096);
    text_add(&t, "-- Found by meshproof explore %s --seed %s: trial %llu.\n-- ", x->says.suite,
             x->says.seed_text, (unsigned long long)r->number);
    report_add_clean(&t, v->seen);
    text_add(&t, "\n");
    const char *head = arena_strdup(&x->prepared.arena, text_get(&t));
    text_release(&t);
    return head;
}

static int save(struct exploration *x, const struct search_result *r, struct text *suite)
{
    char name[300];
    struct error err = {0};
    const struct trial t = {.claim = r->failed.claim, .on = r->failed.on};
    if (!explore_file_print(&x->spaces[r->space], &r->smallest,
                            explore_name(&t, name, sizeof(name)),
                            (struct space_asked){r->failed.word, r->failed.on}, head_of(x, r),
                            x->output, suite, &err) ||
        !explore_file_write(x->output, text_get(suite), &err))
        return command_fail(&err);
    return EXIT_PASS;
}

static int search(struct exploration *x)
{
    struct search_result result;
    struct error err = {0};
    struct text suite;
    const struct search_options options = {.seed = x->prepared.seed,
                                           .budget_ns = x->budget_ns,
                                           .shrink_ns = x->shrink_ns,
                                           .replays = (uint32_t)x->replays};
    const struct search_oracle oracle = {.judge = explore_lab_judge,
                                         .keep = explore_lab_keep,
                                         .now_ns = explore_lab_now_ns,
                                         .cookie = &x->lab};
    take_signals();
    explore_say_begin(&x->says, x->spaces, x->space_count);
    if (!search_run(x->spaces, x->space_count, &options, &oracle, &result, &err))
        return command_fail(&err);
    explore_lab_tidy(&x->lab);
    int code = end_code(x, &result);
    text_init(&suite, EXPLORE_SUITE_MOST_BYTES);
    if (result.end == SEARCH_FOUND || result.end == SEARCH_ONCE)
        code = command_worse(save(x, &result, &suite), code);
    const struct explore_end end = {.result = &result,
                                    .lab = &x->lab,
                                    .spaces = x->spaces,
                                    .file = x->output,
                                    .suite = text_get(&suite),
                                    .code = code};
    explore_say_end(&x->says, &end);
    exception_file_say(&x->exceptions);
    text_release(&suite);
    return code;
}

static int explore(struct exploration *x)
{
    static char program[600];
    struct error err = {0};
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    INVARIANT(n > 0);
    program[n] = '\0';
    x->says.quiet = arguments_has(x->args, "quiet");
    x->says.json = arguments_has(x->args, "json");
    x->says.begin_ns = clock_now_ns();
    x->says.suite = x->args->positions[0];
    x->says.seed_text = x->prepared.seed_text;
    if (!take_options(x, &err) || !take_words(x, &err))
        return command_fail(&err);
    int code = lint_gate(&x->prepared, &x->exceptions);
    if (code != EXIT_PASS)
        return code;
    take_mesh(x);
    if (!prepare_names(&x->prepared, &err) || !make_spaces(x, &err))
        return command_fail(&err);
    x->says.words = drawn_words(x);
    x->says.budget_ns = x->budget_ns;
    x->says.replays = (uint32_t)x->replays;
    make_again(x);
    x->lab.args = x->args;
    x->lab.prepared = &x->prepared;
    x->lab.spaces = x->spaces;
    x->lab.exceptions = &x->exceptions;
    x->lab.interrupted = &interrupted;
    x->lab.program = program;
    x->lab.on_trial = explore_say_trial;
    x->lab.cookie = &x->says;
    return search(x);
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    if (args->position_count != 1) {
        error_set(&err, ERROR_USAGE,
                  "explore needs one suite: meshproof explore suites/seed/payments.lua");
        return command_fail(&err);
    }
    struct exploration *x = check_alloc_zero(1, sizeof(*x));
    x->args = args;
    int code = prepare(args, args->positions[0], &x->prepared);
    if (code == EXIT_PASS)
        code = exception_file_read(args, &x->exceptions, &err) ? explore(x) : command_fail(&err);
    for (size_t i = 0; i < x->space_count; i++)
        space_release(&x->spaces[i]);
    exception_file_release(&x->exceptions);
    prepared_release(&x->prepared);
    free(x);
    return code;
}

const struct command command_explore = {
    .name = "explore",
    .about = "Look for a fault schedule that breaks a claim, and make it small.",
    .positions = "SUITE",
    .options = explore_options,
    .option_count = COUNT_OF(explore_options),
    .exits = "0 nothing found  1 found  2 nothing was decided  3 aborted  4 surroundings  5 not "
             "everything is back  64 usage",
    .example = "meshproof explore suites/seed/payments.lua --budget 10m --faults abort,latency",
    .run = run,
};
