#include "cli/arguments.h"
#include "cli/exception_file.h"
#include "cli/run_find.h"

/* meshproof verify: judges a stored journal again; needs nothing else. */

static const struct option verify_options[] = {
    {"scenario", 0, "GLOB", NULL, "Choose", "these scenarios alone", NULL, false},
    {"claim", 0, "ID", NULL, "Choose", "this claim, word or family alone", NULL, false},
    {"against", 0, "RUN", NULL, "Choose",
     "the baseline of tails that are against a run, instead of the suite's", NULL, false},
    {"strict", 0, NULL, NULL, "Choose", "66 instead of 10 of each cause", NULL, false},
    {"all", 0, NULL, NULL, "Results", "claims that do not apply too", NULL, false},
    {"junit", 0, "FILE", NULL, "Results", "JUnit XML", NULL, false},
    {"json", 0, NULL, NULL, "Results", "the JSON report instead of text", NULL, false},
#include "cli/exception_options.def"
};

static int run(const struct arguments *args)
{
    struct opened o;
    struct exception_file exceptions;
    struct error err = {0};
    struct judge_options options = {
        .claim = arguments_get(args, "claim"),
        .scenario = arguments_get(args, "scenario"),
        .strict = arguments_has(args, "strict"),
    };
    if (args->position_count != 1) {
        error_set(&err, ERROR_USAGE, "verify needs one run: meshproof verify last");
        return command_fail(&err);
    }
    int code = exception_file_read(args, &exceptions, &err) ? EXIT_PASS : command_fail(&err);
    if (code != EXIT_PASS) {
        exception_file_release(&exceptions);
        return code;
    }
    code = run_open_judged(args->positions[0], &options, arguments_get(args, "against"), &o);
    if (code == EXIT_PASS && !exception_file_apply(&exceptions, o.plan, o.judgement, &err))
        code = command_fail(&err);
    if (code == EXIT_PASS) {
        const char *junit = arguments_get(args, "junit");
        o.report.all = arguments_has(args, "all");
        code = report_exit(&o.report);
        if (!run_write(&o, arguments_has(args, "json") ? "json" : "text", "-", &err) ||
            (junit != NULL && !run_write(&o, "junit", junit, &err)))
            code = command_fail(&err);
        if (options.claim == NULL && options.scenario == NULL)
            exception_file_say(&exceptions);
    }
    exception_file_release(&exceptions);
    run_close(&o);
    return code;
}

const struct command command_verify = {
    .name = "verify",
    .about = "Judge a stored journal again: the same verdicts on any machine.",
    .positions = "RUN",
    .options = verify_options,
    .option_count = COUNT_OF(verify_options),
    .exits = "0 1 2 3 4 as the run  64 usage  65 the journal is damaged, or from a newer format",
    .example = "meshproof verify last --claim retry.max",
    .run = run,
};
