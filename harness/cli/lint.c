#include "cli/arguments.h"

#include "lua/suite.h"
#include "policy/policy.h"

#include <sys/stat.h>

/* meshproof lint: findings on policies, and load errors of suites. */

static const char *const formats[] = {"text", "github", NULL};
static const struct option lint_options[] = {
    {"target", 0, "NAME@VERSION", "istio@1.31", "Judge as", "whose semantics", NULL, false},
    {"endpoints", 0, "COUNT", NULL, "Judge as", "endpoints of each service, for rules that need it",
     NULL, false},
    {"accept", 0, "RULE", NULL, "Judge as", "not this rule", NULL, true},
    {"strict", 0, NULL, NULL, "Judge as", "warnings are errors", NULL, false},
    {"format", 0, "HOW", "text", "Results", "text, or github: workflow annotations", formats,
     false},
};

struct tally {
    size_t errors, warnings, notes;
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

static void print_finding(const struct arguments *args, const struct finding *f)
{
    static const char *const severities[] = {"note", "warning", "error"};
    static const char *const github[] = {"notice", "warning", "error"};
    char mark[400];
    if (strcmp(arguments_get(args, "format"), "github") == 0) {
        printf("::%s file=%s,line=%u,col=%u,title=%s::%s\n", github[f->severity],
               f->source.file == NULL ? "" : f->source.file, f->source.line, f->source.column,
               f->rule, f->text);
        return;
    }
    source_format(f->source, true, mark, sizeof(mark));
    printf("%s: %s %s: %s\n", mark, severities[f->severity], f->rule, f->text);
    if (f->fix != NULL && f->fix[0] != '\0')
        printf("    fix: %s\n", f->fix);
}

static bool is_suite(const char *path)
{
    size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".lua") == 0;
}

static int lint_suite(const char *path, struct tally *tally)
{
    struct error errors[20] = {0};
    struct plan *plan = NULL;
    size_t count = 0;
    struct suite_options options = {0};
    if (suite_load(path, &options, &plan, errors, &count))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        char line[600];
        error_format(&errors[i], line, sizeof(line));
        printf("%s\n", line);
    }
    tally->errors += count;
    plan_free(plan); /* the errors' file names live in it */
    return EXIT_PASS;
}

static int lint_policies(const struct arguments *args, const char *const *paths, size_t path_count,
                         struct tally *tally)
{
    struct policy_options options = {0};
    struct policy *policy;
    struct error err = {0};
    uint64_t endpoints = 0;
    size_t count;
    if (!target_parse(arguments_get(args, "target"), &options.target, &err) ||
        !arguments_count(args, "endpoints", &endpoints, &err))
        return command_fail(&err);
    options.endpoints = endpoints > 10000 ? 10000 : (uint32_t)endpoints;
    if (!policy_read(paths, path_count, &options, &policy, &err))
        return command_fail(&err);
    const struct finding *findings = policy_findings(policy, &count);
    for (size_t i = 0; i < count; i++) {
        if (accepted(args, findings[i].rule))
            continue;
        print_finding(args, &findings[i]);
        tally->errors += findings[i].severity == SEVERITY_ERROR;
        tally->warnings += findings[i].severity == SEVERITY_WARNING;
        tally->notes += findings[i].severity == SEVERITY_NOTE;
    }
    policy_free(policy);
    return EXIT_PASS;
}

static int run(const struct arguments *args)
{
    const char *paths[256];
    size_t count = 0;
    struct tally tally = {0};
    struct error err = {0};
    int code = EXIT_PASS;
    if (args->position_count == 0 || args->position_count > COUNT_OF(paths)) {
        error_set(&err, ERROR_USAGE, "lint needs 1 to %zu policies or suites: meshproof lint k8s/",
                  COUNT_OF(paths));
        return command_fail(&err);
    }
    for (size_t i = 0; i < args->position_count && code == EXIT_PASS; i++) {
        if (is_suite(args->positions[i]))
            code = lint_suite(args->positions[i], &tally);
        else
            paths[count++] = args->positions[i];
    }
    if (code == EXIT_PASS && count > 0)
        code = lint_policies(args, paths, count, &tally);
    if (code != EXIT_PASS)
        return code;
    printf("%zu error%s, %zu warning%s, %zu note%s\n", tally.errors, tally.errors == 1 ? "" : "s",
           tally.warnings, tally.warnings == 1 ? "" : "s", tally.notes,
           tally.notes == 1 ? "" : "s");
    return tally.errors > 0 || (arguments_has(args, "strict") && tally.warnings > 0) ? EXIT_FAIL
                                                                                     : EXIT_PASS;
}

const struct command command_lint = {
    .name = "lint",
    .about = "Say what a policy does not do: unknown, inert, ignored or contradictory fields, with "
             "their lines.",
    .positions = "PATHS",
    .options = lint_options,
    .option_count = COUNT_OF(lint_options),
    .exits =
        "0 no error finding  1 error findings (warnings with --strict)  64 usage or unreadable",
    .example = "meshproof lint k8s/ --target istio@1.31 --endpoints 3",
    .run = run,
};
