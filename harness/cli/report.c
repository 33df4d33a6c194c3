#include "cli/arguments.h"
#include "cli/exception_file.h"
#include "cli/run_find.h"

/* meshproof report: writes reports of a stored run; its exit code says only whether they were
 * written. */

static const struct option report_options[] = {
    {"text", 0, NULL, NULL, "Formats", "text on standard output (when no other is asked for)", NULL,
     false},
    {"json", 0, "FILE", NULL, "Formats",
     "JSON, by reports/report.schema.json; - is standard output", NULL, false},
    {"junit", 0, "FILE", NULL, "Formats", "JUnit XML; - is standard output", NULL, false},
    {"markdown", 0, "FILE", NULL, "Formats", "Markdown; - is standard output", NULL, false},
    {"html", 0, "FILE", NULL, "Formats",
     "one page that shows it all, for a browser; - is standard output", NULL, false},
    {"all", 0, NULL, NULL, "Formats", "claims that do not apply too", NULL, false},
#include "cli/exception_options.def"
};

static int run(const struct arguments *args)
{
    static const char *const files[] = {"json", "junit", "markdown", "html"};
    struct opened o;
    struct exception_file exceptions;
    struct error err = {0};
    bool other = false;
    if (args->position_count != 1) {
        error_set(&err, ERROR_USAGE, "report needs one run: meshproof report last --junit out.xml");
        return command_fail(&err);
    }
    int code = exception_file_read(args, &exceptions, &err) ? EXIT_PASS : command_fail(&err);
    if (code != EXIT_PASS) {
        exception_file_release(&exceptions);
        return code;
    }
    code = run_open(args->positions[0], &(struct judge_options){0}, &o);
    if (code == EXIT_PASS && !exception_file_apply(&exceptions, o.plan, o.judgement, &err))
        code = command_fail(&err);
    o.report.all = arguments_has(args, "all");
    for (size_t i = 0; i < COUNT_OF(files) && code == EXIT_PASS; i++) {
        const char *path = arguments_get(args, files[i]);
        other = other || path != NULL;
        if (path != NULL && !run_write(&o, files[i], path, &err))
            code = command_fail(&err);
    }
    if (code == EXIT_PASS && (!other || arguments_has(args, "text")) &&
        !run_write(&o, "text", "-", &err))
        code = command_fail(&err);
    exception_file_release(&exceptions);
    run_close(&o);
    return code;
}

const struct command command_report = {
    .name = "report",
    .about = "Write reports of a stored run.",
    .positions = "RUN",
    .options = report_options,
    .option_count = COUNT_OF(report_options),
    .exits = "0 written  64 usage  65 the journal is damaged",
    .example = "meshproof report last --junit out.xml --json report.json",
    .run = run,
};
