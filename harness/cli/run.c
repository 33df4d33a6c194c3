#include "cli/arguments.h"
#include "cli/cluster.h"
#include "cli/folders.h"
#include "cli/confirmation.h"
#include "cli/control.h"
#include "cli/exception_file.h"
#include "cli/lint_gate.h"
#include "cli/live_view.h"
#include "cli/notifier.h"
#include "cli/needs.h"
#include "cli/onlooker.h"
#include "cli/outcome.h"
#include "cli/people.h"
#include "cli/prepare.h"
#include "cli/recover.h"
#include "cli/run_again.h"
#include "cli/run_find.h"
#include "cli/run_page.h"
#include "cli/run_place.h"
#include "journal/arm.h"
#include "world/undo.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* meshproof run: plan, run, judge, report. */

static const char *const inconclusives[] = {"keep", "fail", "pass", NULL};
static const char *const colours[] = {"auto", "always", "never", NULL};
static const char *const paces[] = {"spin", "sleep", NULL};

extern const struct command command_run;

static const struct option run_options[] = {
#include "cli/plan_options.def"
#include "cli/place_options.def"
#include "cli/cluster_options.def"
    {"as-manifests", 0, NULL, NULL, "Where",
     "kubernetes: print what the run would make, and make nothing", NULL, false},
    {"job", 0, NULL, NULL, "Where",
     "with --as-manifests: the Job and its suite, which makes the rest", NULL, false},
    {"only-phase", 0, "NAME", NULL, "Choose",
     "walk this phase alone; claims of others are not judged", NULL, false},
    {"plan-hash", 0, "HASH", NULL, "Safety", "run only this plan (8 hex digits or more)", NULL,
     false},
    {"deadline", 0, "TIME", NULL, "Safety", "abort after this long, undo, exit 3", NULL, false},
    {"yes", 0, NULL, NULL, "Safety", "approvals are given: nobody is asked before the first fault",
     NULL, false},
    {"linger", 0, "TIME", "30s", "Safety", "how long agents relay on when we die", NULL, false},
    {"fail-fast", 0, NULL, NULL, "Safety", "stop after the first suite that fails", NULL, false},
    {"inflight", 0, "COUNT", "2000", "Safety", "most requests in flight", NULL, false},
    {"pace", 0, "HOW", "spin", "Safety", "spin or sleep the last 50 us before a send", paces,
     false},
    {"output", 'o', "FILE", NULL, "Results", "the journal (.meshproof/runs/ID.db)", NULL, false},
    {"junit", 0, "FILE", NULL, "Results", "JUnit XML", NULL, false},
    {"markdown", 0, "FILE", NULL, "Results",
     "Markdown; GITHUB_STEP_SUMMARY, where it is set, gets it too", NULL, false},
    {"html", 0, "FILE", NULL, "Results", "one page that shows it all, for a browser", NULL, false},
    {"sarif", 0, "FILE", NULL, "Results", "SARIF 2.1.0, for code hosts", NULL, false},
    {"report", 0, "FORMAT=FILE", NULL, "Results",
     "another report: text, json, junit, markdown, html, sarif, prometheus, otlp-traces or "
     "otlp-metrics; FILE - is standard output",
     NULL, true},
    {"verdict-file", 0, "FILE", NULL, "Results", "one word: PASS, FAIL, ...", NULL, false},
    {"termination-log", 0, "FILE", NULL, "Results",
     "the outcome as JSON, at most 2 KiB; in a pod: " TERMINATION_LOG, NULL, false},
    {"on-inconclusive", 0, "HOW", "keep", "Results", "keep (exit 2), fail or pass", inconclusives,
     false},
    {"json", 0, NULL, NULL, "Results", "what happens, and the verdicts, as JSON: one object a line",
     NULL, false},
    {"color", 0, "WHEN", "auto", "Everywhere", "of the live view: auto, always or never", colours,
     false},
#include "cli/exception_options.def"
    {"listen", 0, "ADDRESS", NULL, "Results",
     "the live page, here (127.0.0.1:0: a free port); told with its token when the run begins",
     NULL, false},
    {"token-env", 0, "NAME", NULL, "Results",
     "environment variable with the page's token; needed beyond loopback", NULL, false},
    {"rerun", 0, "RUN", NULL, "Again", "same suite, parameters and seed as a former run", NULL,
     false},
};

static int make_path(const struct arguments *args, const struct prepared *p, char *to, size_t size)
{
    struct error err = {0};
    const char *given = arguments_get(args, "output");
    if (given != NULL) {
        snprintf(to, size, "%s", given);
        if (access(to, F_OK) == 0) {
            error_set(&err, ERROR_USAGE, "%s is there already: a journal is never overwritten", to);
            return command_fail(&err);
        }
        return EXIT_PASS;
    }
    if (!folders_make(RUNS_FOLDER "/", &err))
        return command_fail(&err);
    snprintf(to, size, RUNS_FOLDER "/%s.db", p->run);
    return EXIT_PASS;
}

/* One suite's run, seen from here: the cookie of the engine's hooks. */
struct watched {
    struct onlookers onlookers; /* first: their own cookie */
    struct live_view *view;
    struct control *control;
    struct notifier *notifier;
    struct run_page *page;
};

static size_t repeats(void *cookie, const char *path, uint32_t scenario, const char *arm,
                      uint32_t done, uint32_t *ret_ordinals, size_t most)
{
    size_t count = confirmation_asks(path, scenario, arm, done, ret_ordinals, most);
    if (count > 0)
        live_view_say(
            ((struct watched *)cookie)->view,
            arm_is_subject(arm)
                ? "phases whose claims are undecided, or to be confirmed, are walked once more"
                : "a control walks its undecided phases once more");
    return count;
}

static bool engine_options_of(const struct arguments *args, struct prepared *p,
                              struct engine_options *ret, struct error *err)
{
    uint64_t inflight = 2000, deadline = p->plan->scenarios[0].deadline_ns;
    *ret = (struct engine_options){
        .run = p->run,
        .argv = (const char *const *)args->argv,
        .argc = (size_t)args->argc,
        .seed = p->seed,
        .seed_text = p->seed_text,
        .version = MESHPROOF_VERSION,
        .only_phase = arguments_get(args, "only-phase"),
        .linger_ns = UINT64_C(30000000000),
        .pace_sleep = strcmp(arguments_get(args, "pace"), "sleep") == 0,
        .repeats = repeats,
    };
    people_options(args, ret);
    if (!arguments_duration(args, "deadline", &deadline, err) ||
        !arguments_count(args, "inflight", &inflight, err) ||
        !arguments_duration(args, "linger", &ret->linger_ns, err))
        return false;
    if (inflight == 0 || inflight > 100000)
        return error_set(err, ERROR_USAGE, "--inflight is %llu; it must be 1 to 100000",
                         (unsigned long long)inflight);
    ret->deadline_ns = deadline;
    ret->inflight_most = (uint32_t)inflight;
    return true;
}

#define REPORTS_MOST 16

/* GitHub's file is one for all steps of a job: it is added to, and once. */
static bool write_markdown(const struct arguments *args, const struct opened *o, struct error *err)
{
    const char *path = arguments_get(args, "markdown"), *summary = getenv("GITHUB_STEP_SUMMARY");
    bool both = path != NULL && summary != NULL && strcmp(path, summary) == 0;
    if (path != NULL && !both && !run_write(o, "markdown", path, err))
        return false;
    return summary == NULL || summary[0] == '\0' || run_append(o, "markdown", summary, err);
}

static bool write_reports(const struct arguments *args, const struct opened *o, struct error *err)
{
    static const char *const own[] = {"junit", "html", "sarif"};
    const char *extra[REPORTS_MOST];
    size_t count = arguments_all(args, "report", extra, COUNT_OF(extra));
    if (!arguments_has(args, "json") && !run_write(o, "text", "-", err))
        return false;
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        const char *path = arguments_get(args, own[i]);
        if (path != NULL && !run_write(o, own[i], path, err))
            return false;
    }
    if (!write_markdown(args, o, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        char format[16];
        const char *equals = strchr(extra[i], '=');
        if (equals == NULL || (size_t)(equals - extra[i]) >= sizeof(format))
            return error_set(err, ERROR_USAGE,
                             "--report is \"%.60s\"; it must be like json=report.json", extra[i]);
        snprintf(format, sizeof(format), "%.*s", (int)(equals - extra[i]), extra[i]);
        if (!run_write(o, format, equals + 1, err))
            return false;
    }
    return true;
}

static int judge_and_report(const struct arguments *args, struct exception_file *exceptions,
                            const char *journal, struct watched *watched, struct outcome *outcome)
{
    struct opened o;
    struct error err = {0};
    struct judge_options options = {.strict = arguments_has(args, "strict")};
    int code = run_open(journal, &options, &o);
    if (code == EXIT_PASS) {
        const char *how = arguments_get(args, "on-inconclusive");
        o.report.on_inconclusive = strcmp(how, "fail") == 0   ? INCONCLUSIVE_FAIL
                                   : strcmp(how, "pass") == 0 ? INCONCLUSIVE_PASS
                                                              : INCONCLUSIVE_KEEP;
        bool read = exception_file_apply(exceptions, o.plan, o.judgement, &err);
        code = read ? report_exit(&o.report) : command_fail(&err);
        outcome_add(outcome, &o.report, journal, code);
        live_view_judged(watched->view, o.judgement);
        notifier_verdicts(watched->notifier, &o.report);
        if (!write_reports(args, &o, &err))
            code = command_worse(command_fail(&err), code);
    }
    run_close(&o);
    return code;
}

static int check_hash(const struct arguments *args, const struct plan *plan)
{
    const char *wanted = arguments_get(args, "plan-hash");
    char hash[65];
    struct error err = {0};
    plan_hash(plan, hash);
    if (wanted == NULL || (strlen(wanted) >= 8 && strncmp(hash, wanted, strlen(wanted)) == 0))
        return EXIT_PASS;
    error_set(&err, ERROR_USAGE,
              "the plan's hash is %.8s, not the %.16s of --plan-hash: nothing was run", hash,
              wanted);
    return command_fail(&err);
}

/* --only-phase names a phase of some scenario, or nothing would be walked. */
static int check_phase(const struct arguments *args, const struct plan *plan)
{
    const char *name = arguments_get(args, "only-phase");
    struct error err = {0};
    for (size_t i = 0; name != NULL && i < plan->scenario_count; i++) {
        for (size_t k = 0; k < plan->scenarios[i].phase_count; k++) {
            if (strcmp(plan->scenarios[i].phases[k].name, name) == 0)
                return EXIT_PASS;
        }
    }
    if (name == NULL)
        return EXIT_PASS;
    error_set(&err, ERROR_USAGE,
              "--only-phase is \"%.60s\"; no phase has that name: meshproof plan lists them", name);
    return command_fail(&err);
}

/* What lacks something here is not walked; with --strict nothing is. */
static int mind_needs(const struct arguments *args, struct prepared *p)
{
    struct error err = {0};
    needs_look(p, args);
    if (arguments_has(args, "strict") && !needs_strict(p, &err))
        return command_fail(&err);
    needs_drop_walks(p);
    return EXIT_PASS;
}

static void say_outstanding(void *cookie, const struct undo_line *line)
{
    char text[400];
    (void)cookie;
    snprintf(text, sizeof(text), "  %-9s %s   %s", line->word, line->what, line->how);
    record_clean_text(text, strlen(text));
    command_say(text);
}

/* What is still in force, and what to do about it: nothing else matters as much. */
static void say_not_undone(const char *run, const char *ledger)
{
    char line[80];
    struct error err = {0};
    snprintf(line, sizeof(line), "not everything is back: meshproof recover --run %s", run);
    command_say(line);
    if (undo_list(ledger, say_outstanding, NULL, &err))
        return;
    if (err.sys == ENOENT) /* the lab ended, and with it what was changed in it */
        command_say(
            "  it was not back in time; when the run ended nothing was outstanding any more");
    else
        command_say(err.text);
}

static int check_prepared(const struct arguments *args, struct prepared *p,
                          struct exception_file *exceptions)
{
    struct error err = {0};
    int code = lint_gate(p, exceptions);
    if (code == EXIT_PASS)
        code = check_hash(args, p->plan);
    if (code == EXIT_PASS)
        code = check_phase(args, p->plan);
    if (code == EXIT_PASS)
        code = mind_needs(args, p);
    return code == EXIT_PASS && !prepare_names(p, &err) ? command_fail(&err) : code;
}

/* Everybody who looks on, as the engine's hooks. */
static void look_on(struct watched *w, struct engine_options *options)
{
    struct onlooker watching = live_view_onlooker(w->view), steered = control_onlooker(w->control);
    if (w->view->shows == LIVE_VIEW_SCREEN) /* keys, and answers too, are the screen's to read */
        options->has_terminal = false;
    w->view->reads = options->has_terminal;
    run_page_watch(w->page, w->view, &w->onlookers); /* first: its address is told above a screen */
    onlookers_add(&w->onlookers, &watching);
    onlookers_add(&w->onlookers, &steered);
    notifier_look_on(w->notifier, &w->onlookers);
    onlookers_hook(&w->onlookers, options);
}

static void watched_end(struct watched *w, int code, const char *journal)
{
    control_close(w->control, code);
    notifier_end(w->notifier, outcome_word(code), code, journal);
    live_view_end(w->view, code); /* last: it waits for whoever reads us */
    free(w->view);
}

/* What a suite's run holds, from its plan to its end. */
struct suite_run {
    const struct arguments *args;
    struct prepared prepared;
    struct cluster cluster; /* with --on kubernetes */
    bool in_cluster, judged;
    struct engine_options options;
    struct watched watched;
    char path[600], program[600], ledger[80];
};

/* Everything that can be wrong before anything is touched. */
static int plan_suite(struct suite_run *r, struct exception_file *exceptions, const char *suite)
{
    struct prepared *p = &r->prepared;
    struct error err = {0};
    uint64_t deadline_ns = 0;
    int code = check_prepared(r->args, p, exceptions);
    r->in_cluster = code == EXIT_PASS && cluster_asked(r->args);
    if (r->in_cluster && (!arguments_duration(r->args, "deadline", &deadline_ns, &err) ||
                          !cluster_plan(&r->cluster, r->args, p, deadline_ns, &err)))
        return command_fail(&err);
    if (code == EXIT_PASS && arguments_given(r->args, "as-manifests"))
        return code;
    if (code == EXIT_PASS)
        code = make_path(r->args, p, r->path, sizeof(r->path));
    if (code == EXIT_PASS && !control_open(p->run, suite, r->path, &r->watched.control, &err))
        code = command_fail(&err);
    return code;
}

static int walk_suite(struct suite_run *r, struct exception_file *exceptions, struct outcome *told)
{
    struct prepared *p = &r->prepared;
    enum engine_outcome outcome = ENGINE_BROKEN;
    struct error err = {0};
    int code = EXIT_PASS;
    char *policy_json = json_dumps(p->policy_row, JSON_COMPACT);
    r->options.policy_json = policy_json;
    live_view_begin(r->watched.view);
    bool ok = engine_run(p->plan, p->walks, p->walk_count, &r->options, &outcome, &err);
    free(policy_json);
    if (err.kind != ERROR_NONE)
        code = command_fail(&err);
    if (ok)
        code = command_worse(judge_and_report(r->args, exceptions, r->path, &r->watched, told),
                             outcome == ENGINE_BROKEN ? EXIT_SURROUNDINGS : EXIT_PASS);
    r->judged = ok;
    if (outcome == ENGINE_LEFT)
        code = EXIT_ABORTED; /* nothing is judged: meshproof verify does */
    if (outcome == ENGINE_NOT_UNDONE) {
        say_not_undone(p->run, r->ledger);
        code = command_worse(EXIT_NOT_UNDONE, code);
    }
    return code;
}

static bool make_options(struct suite_run *r, struct error *err)
{
    ssize_t n = readlink("/proc/self/exe", r->program, sizeof(r->program) - 1);
    INVARIANT(n > 0);
    r->program[n] = '\0';
    snprintf(r->ledger, sizeof(r->ledger), LEDGER_FOLDER "/%s" LEDGER_TAIL, r->prepared.run);
    if (!engine_options_of(r->args, &r->prepared, &r->options, err) ||
        !run_place_open(r->args, r->program, &r->options, err))
        return false;
    if (r->in_cluster && r->options.deadline_ns == 0)
        r->options.deadline_ns = CLUSTER_DEADLINE_NS;
    r->options.ledger = r->ledger;
    r->options.journal = r->path;
    r->options.program = r->program;
    return true;
}

static int do_suite(struct suite_run *r, struct exception_file *exceptions, struct outcome *told)
{
    struct prepared *p = &r->prepared;
    struct error err = {0};
    r->watched.view = check_alloc_zero(1, sizeof(*r->watched.view));
    live_view_init(r->watched.view, r->args, p, r->path);
    int code = make_options(r, &err) ? EXIT_PASS : command_fail(&err);
    const struct event_target cluster = cluster_events(&r->cluster);
    r->watched.notifier =
        code == EXIT_PASS ? notifier_start(p->plan, p->run, r->in_cluster ? &cluster : NULL) : NULL;
    if (code == EXIT_PASS && r->in_cluster)
        code = cluster_open(&r->cluster);
    if (code == EXIT_PASS && r->in_cluster)
        cluster_hook(&r->cluster, &r->options, &r->watched.onlookers);
    look_on(&r->watched, &r->options);
    if (code == EXIT_PASS)
        code = walk_suite(r, exceptions, told);
    /* Of several suites the last one's end says how the run ends. It is written again at the end.
     */
    if (r->in_cluster && r->judged && r->args->position_count == 1)
        outcome_message(told, r->args, code, &(struct error){0});
    if (r->in_cluster)
        code = cluster_close(&r->cluster, told, r->judged, code);
    else
        run_place_close(&r->options);
    watched_end(&r->watched, code, r->path);
    return code;
}

static int run_suite(const struct arguments *args, struct exception_file *exceptions,
                     struct run_page *page, const char *suite, struct outcome *told)
{
    struct suite_run *r = check_alloc_zero(1, sizeof(*r));
    r->args = args;
    r->watched.page = page;
    int code = prepare(args, suite, &r->prepared);
    outcome_begin(told, r->prepared.run);
    if (code == EXIT_PASS)
        code = plan_suite(r, exceptions, suite);
    if (code == EXIT_PASS && arguments_given(args, "as-manifests"))
        code = cluster_print(&r->cluster, args, suite);
    else if (code == EXIT_PASS)
        code = do_suite(r, exceptions, told);
    if (r->in_cluster)
        cluster_release(&r->cluster);
    prepared_release(&r->prepared);
    free(r);
    return code;
}

static int run_suites(const struct arguments *args, struct exception_file *exceptions,
                      struct run_page *page, struct outcome *outcome)
{
    int code = EXIT_PASS;
    for (size_t i = 0; i < args->position_count; i++) {
        page->more = i + 1 < args->position_count && !arguments_has(args, "fail-fast");
        int one = run_suite(args, exceptions, page, args->positions[i], outcome);
        code = i == 0 ? one : command_worse(one, code);
        if (one != EXIT_PASS && arguments_has(args, "fail-fast"))
            break;
    }
    exception_file_say(exceptions);
    return code;
}

/* Before the run: afterwards it would hide how that ended. */
static bool check_reports(const struct arguments *args, struct error *err)
{
    const char *all[REPORTS_MOST + 1];
    size_t count = arguments_all(args, "report", all, COUNT_OF(all));
    if (count > REPORTS_MOST)
        return error_set(err, ERROR_USAGE, "more than %d --report", REPORTS_MOST);
    for (size_t i = 0; i < count; i++) {
        char format[16] = "";
        size_t len = strcspn(all[i], "=");
        if (len < sizeof(format))
            snprintf(format, sizeof(format), "%.*s", (int)len, all[i]);
        if (all[i][len] == '\0' || report_writer_find(format) == NULL)
            return error_set(err, ERROR_USAGE,
                             "--report is \"%.60s\"; it must be like json=report.json", all[i]);
    }
    return true;
}

static int run_all(const struct arguments *args, struct outcome *outcome)
{
    struct exception_file exceptions;
    struct run_page page = {0};
    struct error err = {0};
    if (args->position_count == 0) {
        error_set(&err, ERROR_USAGE, "run needs a suite: meshproof run suites/seed/payments.lua");
        return command_fail(&err);
    }
    if (args->position_count > 1 && arguments_get(args, "output") != NULL) {
        error_set(&err, ERROR_USAGE, "-o names one journal, and there are %zu suites",
                  args->position_count);
        return command_fail(&err);
    }
    if (!check_reports(args, &err))
        return command_fail(&err);
    if (cluster_check(args) != EXIT_PASS)
        return EXIT_USAGE;
    int code = exception_file_read(args, &exceptions, &err) && run_page_init(&page, args, &err)
                   ? run_suites(args, &exceptions, &page, outcome)
                   : command_fail(&err);
    run_page_release(&page);
    exception_file_release(&exceptions);
    return code;
}

static int run(const struct arguments *args)
{
    struct outcome outcome = {0};
    int code = arguments_get(args, "rerun") != NULL
                   ? run_again(args, &command_run, run_all, &outcome)
                   : run_all(args, &outcome);
    return outcome_write(&outcome, args, code);
}

const struct command command_run = {
    .name = "run",
    .about = "Run scenarios, judge them, and print the report.",
    .positions = "SUITE...",
    .options = run_options,
    .option_count = COUNT_OF(run_options),
    .exits = "0 pass  1 fail  2 inconclusive  3 aborted  4 surroundings  5 not everything is back  "
             "64 usage",
    .example =
        "meshproof run suites/seed/payments.lua --depth quick --seed \"$GIT_SHA\" --junit out.xml",
    .run = run,
};
