#include "cli/arguments.h"
#include "cli/exception_file.h"
#include "cli/post.h"
#include "cli/run_find.h"

#include <errno.h>
#include <stdlib.h>

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
    {"sarif", 0, "FILE", NULL, "Formats", "SARIF 2.1.0, for code hosts; - is standard output", NULL,
     false},
    {"prometheus", 0, "FILE", NULL, "Formats",
     "Prometheus text, for a textfile collector; - is standard output", NULL, false},
    {"otlp", 0, "URL", NULL, "Formats",
     "POST the run as OTLP (JSON) to a collector: URL/v1/traces and URL/v1/metrics", NULL, false},
    {"otlp-token-env", 0, "NAME", NULL, "Formats",
     "the environment variable with the collector's bearer token", NULL, false},
    {"all", 0, NULL, NULL, "Formats", "claims that do not apply too", NULL, false},
#include "cli/exception_options.def"
};

#define OTLP_WITHIN_NS UINT64_C(10000000000)

static bool post(const struct opened *o, const struct post_target *to, const char *format,
                 const char *suffix, const char *token, struct error *err)
{
    char *body = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&body, &size);
    if (f == NULL)
        return error_system(err, errno, "--otlp");
    bool ok = report_writer_find(format)->write(&o->report, f, err);
    ok = fclose(f) == 0 && ok;
    ok = ok && post_json(to, suffix, token, body, OTLP_WITHIN_NS, err);
    free(body);
    if (!ok)
        error_prefix(err, "--otlp: %s: ", suffix);
    return ok;
}

static bool post_otlp(const struct arguments *args, const struct opened *o, struct error *err)
{
    const char *url = arguments_get(args, "otlp"), *name = arguments_get(args, "otlp-token-env");
    const char *token = name == NULL ? NULL : getenv(name);
    struct post_target to;
    if (url == NULL)
        return true;
    if (name != NULL && token == NULL)
        return error_set(err, ERROR_USAGE, "--otlp-token-env: %.60s is not in the environment",
                         name);
    char address[POST_URL_MOST];
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    if (n >= sizeof(address))
        return error_set(err, ERROR_USAGE, "--otlp: longer than the %d bytes allowed",
                         POST_URL_MOST - 1);
    snprintf(address, sizeof(address), "%.*s", (int)n, url);
    return post_parse(address, &to, err) && post(o, &to, "otlp-traces", "/v1/traces", token, err) &&
           post(o, &to, "otlp-metrics", "/v1/metrics", token, err);
}

static int run(const struct arguments *args)
{
    static const char *const files[] = {"json", "junit", "markdown", "html", "sarif", "prometheus"};
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
    other = other || arguments_get(args, "otlp") != NULL;
    if (code == EXIT_PASS && !post_otlp(args, &o, &err))
        code = command_fail(&err);
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
