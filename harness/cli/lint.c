#include "cli/arguments.h"

#include "cli/exception_file.h"
#include "cli/lint_paths.h"
#include "cli/lint_suite.h"
#include "policy/policy.h"
#include "reports/lint_report.h"

#include <errno.h>
#include <stdlib.h>

/* meshproof lint: what policies and suites do not do, with lines; for people, CI systems and code
 * hosts. */

static const char *const formats[] = {"text", "json", "sarif", "github", NULL};
static const char *const levels[] = {"note", "warning", "error", NULL};
static const struct option lint_options[] = {
    {"target", 0, "NAME@VERSION", "istio@1.31", "Judge as", "whose semantics", NULL, false},
    {"endpoints", 0, "COUNT", NULL, "Judge as", "endpoints of each service, for rules that need it",
     NULL, false},
    {"accept", 0, "RULE", NULL, "Judge as", "not this rule", NULL, true},
    {"exceptions", 0, "FILE", NULL, "Judge as",
     "findings that somebody answers for: rule, on, until, owner, reason, ticket", NULL, false},
    {"today", 0, "YYYY-MM-DD", NULL, "Judge as", "the day for exceptions; default: the clock's",
     NULL, false},
    {"fail-on", 0, "LEVEL", "error", "Judge as", "exit 1 from here on: error, warning or note",
     levels, false},
    {"strict", 0, NULL, NULL, "Judge as", "as --fail-on warning", NULL, false},
    {"format", 0, "HOW", "text", "Results", "text, json, sarif, or github: workflow annotations",
     formats, false},
    {"sarif", 0, "FILE", NULL, "Results", "SARIF to a file besides; - is standard output", NULL,
     false},
    {"rules", 0, NULL, NULL, "Results", "list the rules (--format json: as JSON)", NULL, false},
};

/* What lives while the findings do. */
struct work {
    const struct arguments *args;
    struct arena arena;
    struct lint_list found;
    struct policy *policy;
    struct exception_file exceptions;
    struct lint_report report;
};

static bool accepted(const struct arguments *args, const char *rule)
{
    const char *rules[64];
    size_t count = arguments_all(args, "accept", rules, COUNT_OF(rules));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rules[i], rule) == 0)
            return true;
    }
    return false;
}

/* A word that is no rule would accept nothing for ever, in silence. */
static bool check_accepted(const struct arguments *args, struct error *err)
{
    const char *accept[64], *ids[LINT_COUNT];
    size_t count = arguments_all(args, "accept", accept, COUNT_OF(accept)), known = 0;
    const struct lint_rule *rules = lint_rules(&known);
    for (size_t i = 0; i < known; i++)
        ids[i] = rules[i].id;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < known && strcmp(ids[k], accept[i]) != 0)
            k++;
        if (k < known)
            continue;
        const char *near = text_nearest(accept[i], ids, known);
        return error_set(err, ERROR_USAGE, "--accept is \"%.60s\"; %s%s", accept[i],
                         near == NULL ? "meshproof lint --rules lists the rules" : "did you mean ",
                         near == NULL ? "" : near);
    }
    return true;
}

static bool lint_policies(struct work *w, const struct lint_paths *paths, struct error *err)
{
    struct policy_options options = {0};
    uint64_t endpoints = 0;
    size_t count = 0;
    if (!target_parse(arguments_get(w->args, "target"), &options.target, err) ||
        !arguments_count(w->args, "endpoints", &endpoints, err))
        return false;
    options.endpoints = endpoints > 10000 ? 10000 : (uint32_t)endpoints;
    if (paths->policy_count == 0)
        return true;
    if (!policy_read(paths->policies, paths->policy_count, &options, &w->policy, err))
        return false;
    const struct finding *findings = policy_findings(w->policy, &count);
    lint_list_take(&w->found, findings, count);
    return true;
}

/* What its suite accepts, beside --exceptions. */
static bool join_exceptions(void *cookie, struct scenario *s, struct error *err)
{
    struct work *w = cookie;
    return exception_file_keep(s, &w->arena, err) && exception_file_join(&w->exceptions, s, err);
}

/* Of policies that were not linted nothing can be found: a suite may accept it all the same. */
static void drop_unused(struct work *w)
{
    struct lint_results *r = &w->report.results;
    size_t kept = 0, count = 0;
    const char *unused = lint_rules(&count)[LINT_EXCEPTION_UNUSED].id;
    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->rows[i].finding;
        bool ours = false;
        for (size_t k = 0; k < w->exceptions.part_count; k++)
            ours = ours || strcmp(w->exceptions.parts[k].path, f->source.file) == 0;
        if (!ours || strcmp(f->rule, unused) != 0)
            r->rows[kept++] = r->rows[i];
    }
    r->count = kept;
}

static bool find_all(struct work *w, struct error *err)
{
    struct lint_paths paths = {0};
    size_t kept = 0;
    if (!exception_file_read(w->args, &w->exceptions, err) || !check_accepted(w->args, err) ||
        !lint_paths_collect(w->args->positions, w->args->position_count, &w->arena, &paths, err))
        return false;
    for (size_t i = 0; i < paths.suite_count; i++) {
        if (!lint_suite(paths.suites[i], &w->found, join_exceptions, w, err))
            return false;
    }
    if (!lint_policies(w, &paths, err))
        return false;
    for (size_t i = 0; i < w->found.count; i++) {
        if (!accepted(w->args, w->found.rows[i].rule))
            w->found.rows[kept++] = w->found.rows[i];
    }
    lint_exceptions_apply(&w->exceptions.findings, w->exceptions.today, w->found.rows, kept,
                          &w->arena, &w->report.results);
    if (paths.policy_count == 0)
        drop_unused(w);
    return true;
}

static bool write_all(struct work *w, struct error *err)
{
    const char *sarif = arguments_get(w->args, "sarif");
    bool to_stdout = sarif != NULL && strcmp(sarif, "-") == 0;
    w->report.target = arguments_get(w->args, "target");
    w->report.version = MESHPROOF_VERSION;
    w->report.quiet = arguments_has(w->args, "quiet");
    if (sarif != NULL) {
        FILE *file = to_stdout ? stdout : fopen(sarif, "w");
        if (file == NULL)
            return error_set(err, ERROR_SYSTEM, "writing %.120s: %s", sarif, strerror(errno));
        bool ok = lint_writer_find("sarif")->write(&w->report, file, err);
        if (!to_stdout && fclose(file) != 0)
            ok = error_set(err, ERROR_SYSTEM, "writing %.120s: %s", sarif, strerror(errno));
        if (!ok)
            return false;
    }
    return to_stdout ||
           lint_writer_find(arguments_get(w->args, "format"))->write(&w->report, stdout, err);
}

static int exit_of(const struct work *w)
{
    struct lint_tally n = lint_report_tally(&w->report.results);
    const char *level = arguments_get(w->args, "fail-on");
    bool notes = strcmp(level, "note") == 0;
    bool warnings = notes || strcmp(level, "warning") == 0 || arguments_has(w->args, "strict");
    return n.errors > 0 || (warnings && n.warnings > 0) || (notes && n.notes > 0) ? EXIT_FAIL
                                                                                  : EXIT_PASS;
}

static int run(const struct arguments *args)
{
    struct work w = {.args = args};
    struct error err = {0};
    if (arguments_has(args, "rules")) {
        if (strcmp(arguments_get(args, "format"), "json") == 0)
            lint_rules_print_json(stdout);
        else
            lint_rules_print(stdout);
        return EXIT_PASS;
    }
    if (args->position_count == 0) {
        error_set(&err, ERROR_USAGE, "lint needs policies or suites: meshproof lint k8s/");
        return command_fail(&err);
    }
    arena_init(&w.arena, (size_t)1 << 30);
    w.found.arena = &w.arena;
    int code = find_all(&w, &err) && write_all(&w, &err) ? exit_of(&w) : command_fail(&err);
    policy_free(w.policy);
    lint_list_release(&w.found);
    exception_file_release(&w.exceptions);
    arena_release(&w.arena);
    return code;
}

const struct command command_lint = {
    .name = "lint",
    .about = "Say what a policy does not do: unknown, inert, ignored or contradictory fields, with "
             "their lines. A path - is the standard input.",
    .positions = "PATHS",
    .options = lint_options,
    .option_count = COUNT_OF(lint_options),
    .exits = "0 nothing from --fail-on up  1 findings  64 usage or unreadable",
    .example = "meshproof lint k8s/ suites/ --target istio@1.31 --endpoints 3",
    .run = run,
};
