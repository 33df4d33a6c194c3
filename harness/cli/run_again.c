#include "cli/run_again.h"

#include "cli/run_find.h"

#include <stdlib.h>

/* What may be said anew of a former run: it takes the former's place. */
static const char *const said_anew[] = {"output",   "junit",  "markdown",        "html",
                                        "sarif",    "report", "on-inconclusive", "listen",
                                        "token-env"};

static bool is_dropped(const char *word, const struct arguments *given, bool *ret_value_follows)
{
    static const char *const always[] = {"-o", "--output", "--run", "--seed", "--rerun"};
    size_t n = COUNT_OF(always) + COUNT_OF(said_anew);
    for (size_t k = 0; k < n; k++) {
        char option[40];
        if (k < COUNT_OF(always))
            snprintf(option, sizeof(option), "%s", always[k]);
        else if (arguments_given(given, said_anew[k - COUNT_OF(always)]))
            snprintf(option, sizeof(option), "--%s", said_anew[k - COUNT_OF(always)]);
        else
            continue;
        size_t len = strlen(option);
        if (strncmp(word, option, len) != 0 || (word[len] != '\0' && word[len] != '='))
            continue;
        *ret_value_follows = word[len] == '\0';
        return true;
    }
    return false;
}

#define ANEW_MOST 40
static size_t add_anew(const struct arguments *given, char **argv)
{
    size_t kept = 0;
    for (size_t k = 0; k < COUNT_OF(said_anew); k++) {
        const char *values[16];
        size_t n = arguments_given(given, said_anew[k])
                       ? arguments_all(given, said_anew[k], values, COUNT_OF(values))
                       : 0;
        for (size_t i = 0; i < n && i < COUNT_OF(values) && kept < ANEW_MOST; i++) {
            struct text word;
            text_init(&word, 5000);
            text_add(&word, "--%s=%s", said_anew[k], values[i]);
            argv[kept++] = check_strdup(text_get(&word));
            text_release(&word);
        }
    }
    return kept;
}

/* The words of a former run, without what named its own files, and with its seed. */
int run_again(const struct arguments *given, const struct command *command, run_again_run *run,
              struct outcome *outcome)
{
    const char *former = arguments_get(given, "rerun");
    char path[600];
    struct error err = {0};
    struct journal *journal;
    struct arguments args = {0};
    if (!run_find(former, path, sizeof(path), &err))
        return command_fail(&err);
    if (!journal_open(path, &journal, &err)) {
        command_fail(&err);
        return EXIT_JOURNAL;
    }
    const json_t *words = json_object_get(journal->run, "argv");
    size_t count = json_array_size(words), kept = 0;
    char **argv = check_alloc_zero(count + 3 + ANEW_MOST, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(words, i));
        bool value_follows = false;
        if (word != NULL && !is_dropped(word, given, &value_follows))
            argv[kept++] = check_strdup(word);
        i += value_follows;
    }
    kept += add_anew(given, argv + kept);
    argv[kept++] = check_strdup("--seed");
    argv[kept++] = check_strdup(report_run_text(journal, "seed"));
    fprintf(stderr, "again  run %s  seed %s\n", report_run_text(journal, "run"), argv[kept - 1]);
    bool ok = arguments_parse(&args, command, (int)kept, argv, &err);
    args.config = given->config;
    int code = ok ? run(&args, outcome) : command_fail(&err);
    arguments_release(&args);
    for (size_t i = 0; i < kept; i++)
        free(argv[i]);
    free(argv);
    journal_free(journal);
    return code;
}
