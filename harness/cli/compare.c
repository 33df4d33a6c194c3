#include "cli/arguments.h"
#include "cli/run_find.h"
#include "verify/compare.h"

/* meshproof compare: two stored runs, the earlier one first: which claims, tries and latencies are
 * worse in the second. */

#define TEXT_MOST_BYTES ((size_t)4 * 1024 * 1024)
#define NAME_MOST 10

static const struct option compare_options[] = {
    {"claim", 0, "ID", NULL, "Choose", "verdicts of this claim, word or family alone", NULL, false},
    {"quantile", 0, "NAME", NULL, "Choose",
     "this quantile of latency alone: p50, p90, p95, p99 or p99.9", NULL, false},
    {"json", 0, NULL, NULL, "Results", "JSON instead of text", NULL, false},
};

/* "accepted 51d07e11": as the user called it, and the run's own id. */
static void name_of(const char *given, const struct opened *o, char *to, size_t size)
{
    const char *slash = strrchr(given, '/'), *base = slash == NULL ? given : slash + 1;
    const char *run = report_run_text(o->journal, "run"), *dot = strrchr(base, '.');
    size_t len = dot != NULL && strcmp(dot, ".db") == 0 ? (size_t)(dot - base) : strlen(base);
    if (strncmp(base, run, len) == 0)
        snprintf(to, size, "%.8s", run);
    else
        snprintf(to, size, "%.*s %.8s", (int)(len < NAME_MOST ? len : NAME_MOST), base, run);
}

static int print(const struct arguments *args, const struct comparison *c,
                 const char *const names[2])
{
    struct error err = {0};
    struct text t;
    text_init(&t, TEXT_MOST_BYTES);
    bool ok = true;
    if (arguments_has(args, "json")) {
        json_t *j = comparison_to_json(c, names);
        ok = json_dumpf(j, stdout, JSON_INDENT(1)) == 0 && fputc('\n', stdout) != EOF;
        json_decref(j);
    } else {
        comparison_print(c, names, &t);
        ok = !t.full && fputs(text_get(&t), stdout) != EOF;
    }
    text_release(&t);
    if (!ok) {
        error_set(&err, ERROR_SYSTEM, "the comparison could not be written whole");
        return command_fail(&err);
    }
    enum verdict_kind outcome = comparison_outcome(c);
    return outcome == VERDICT_PASS   ? EXIT_PASS
           : outcome == VERDICT_FAIL ? EXIT_FAIL
                                     : EXIT_INCONCLUSIVE;
}

static int compare(const struct arguments *args, const struct opened sides[2],
                   const struct compare_options *options)
{
    char first[40], second[40];
    const char *const names[2] = {first, second};
    struct comparison c;
    struct error err = {0};
    name_of(args->positions[0], &sides[0], first, sizeof(first));
    name_of(args->positions[1], &sides[1], second, sizeof(second));
    struct compare_side before = {sides[0].journal, sides[0].judgement},
                        after = {sides[1].journal, sides[1].judgement};
    if (!compare_runs(&before, &after, options, &c, &err)) {
        command_fail(&err);
        return EXIT_JOURNAL;
    }
    int code = print(args, &c, names);
    comparison_release(&c);
    return code;
}

static int run(const struct arguments *args)
{
    struct opened sides[2] = {{0}, {0}};
    struct error err = {0};
    struct compare_options options = {.claim = arguments_get(args, "claim")};
    struct judge_options judge = {.claim = options.claim};
    const char *quantile = arguments_get(args, "quantile");
    if (args->position_count != 2) {
        error_set(&err, ERROR_USAGE, "compare needs two runs: meshproof compare accepted.db last");
        return command_fail(&err);
    }
    if (quantile != NULL && !compare_quantile_parse(quantile, &options.quantile)) {
        error_set(&err, ERROR_USAGE,
                  "--quantile is \"%.20s\"; it is one of p50, p90, p95, p99, p99.9", quantile);
        return command_fail(&err);
    }
    int code = run_open(args->positions[0], &judge, &sides[0]);
    if (code == EXIT_PASS)
        code = run_open(args->positions[1], &judge, &sides[1]);
    if (code == EXIT_PASS)
        code = compare(args, sides, &options);
    for (size_t i = 0; i < COUNT_OF(sides); i++)
        run_close(&sides[i]);
    return code;
}

const struct command command_compare = {
    .name = "compare",
    .about = "Say what is worse in a second run: claim by claim, tries, and latencies with bounds.",
    .positions = "RUN RUN",
    .options = compare_options,
    .option_count = COUNT_OF(compare_options),
    .exits = "0 no worse  1 worse  2 not comparable, and why  64 usage  65 a journal is damaged",
    .example = "meshproof compare accepted.db last --quantile p99",
    .run = run,
};
