#include "cli/arguments.h"
#include "cli/starter.h"

#include "lua/suite.h"

#include <string.h>

/* meshproof new: a suite to start from, made of an example, with what it reads. */

#define NAME_MOST 64
#define FOLDER "suites/"

static const struct option new_options[] = {
    {"like", 0, "EXAMPLE", "slow_payments", "From", "the example that it is made of", NULL, false},
    {"list", 0, NULL, NULL, "From", "say which examples there are", NULL, false},
};

static int list(void)
{
    size_t count;
    char name[80];
    const struct example_file *files = example_files(&count);
    struct text t;
    text_init(&t, (size_t)64 * 1024);
    for (size_t i = 0; i < count; i++) {
        if (!example_name(&files[i], name, sizeof(name)))
            continue;
        text_add(&t, "%-18s ", name);
        example_about(&files[i], &t);
        text_add(&t, "\n");
    }
    fputs(text_get(&t), stdout);
    text_release(&t);
    return EXIT_PASS;
}

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= NAME_MOST && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n &&
           name[0] != '-';
}

static const struct example_file *find_like(const char *like, struct error *err)
{
    const char *names[STARTER_FILES_MOST];
    char own[STARTER_FILES_MOST][80];
    size_t count, n = 0;
    const struct example_file *files = example_files(&count), *found = example_find(like);
    if (found != NULL)
        return found;
    for (size_t i = 0; i < count && n < COUNT_OF(names); i++)
        if (example_name(&files[i], own[n], sizeof(own[n]))) {
            names[n] = own[n];
            n++;
        }
    const char *nearest = text_nearest(like, names, n);
    error_set(err, ERROR_USAGE, "--like: there is no example \"%.60s\"%s%s%s: meshproof new --list",
              like, nearest == NULL ? "" : " (did you mean \"", nearest == NULL ? "" : nearest,
              nearest == NULL ? "" : "\"?)");
    return NULL;
}

/* What the example reads and is not there yet; a file of the same name is the user's own, and
 * stays. */
static size_t collect(const struct example_file *like, const char *path, struct arena *arena,
                      struct starter_file *ret)
{
    size_t count, n = 1, kept = 0;
    const struct example_file *files = example_files(&count);
    const char *there[1];
    ret[0] = (struct starter_file){path, {like->content, like->size}};
    for (size_t i = 0; i < count && n < STARTER_FILES_MOST; i++) {
        if (&files[i] == like || !example_reads(like, &files[i]))
            continue;
        ret[n] = (struct starter_file){arena_printf(arena, FOLDER "%s", files[i].path),
                                       {files[i].content, files[i].size}};
        if (starter_there(&ret[n], 1, there) == 1)
            kept++;
        else
            n++;
    }
    if (kept > 0)
        printf("kept %zu file%s that %s there already\n", kept, kept == 1 ? "" : "s",
               kept == 1 ? "was" : "were");
    return n;
}

/* As a user would find it: loaded from where it stands now. */
static int load(const char *path)
{
    struct plan *plan;
    struct error errors[ERRORS_MOST];
    size_t error_count = 0, phases = 0;
    bool ok = suite_load(path, NULL, &plan, errors, &error_count);
    for (size_t i = 0; i < error_count; i++)
        command_fail(&errors[i]);
    for (size_t i = 0; ok && i < plan->scenario_count; i++)
        phases += plan->scenarios[i].phase_count;
    if (ok && phases > 0)
        printf("made %s (loads, %zu phase%s)\n", path, phases, phases == 1 ? "" : "s");
    else if (ok)
        printf("made %s (loads; its phases come from the policy)\n", path);
    plan_free(plan);
    return ok ? EXIT_PASS : EXIT_USAGE;
}

static int make(const struct arguments *args, struct arena *arena)
{
    struct error err = {0};
    struct starter_file files[STARTER_FILES_MOST];
    const char *name = args->positions[0], *there[1];
    const struct example_file *like = find_like(arguments_get(args, "like"), &err);
    if (like == NULL)
        return command_fail(&err);
    if (!is_name(name)) {
        error_set(&err, ERROR_USAGE,
                  "NAME is \"%.60s\"; it must be at most %d letters, digits, _ and -, such as "
                  "zone_loss",
                  name, NAME_MOST);
        return command_fail(&err);
    }
    const char *path = arena_printf(arena, FOLDER "%s.lua", name);
    struct starter_file suite = {.path = path};
    if (starter_there(&suite, 1, there) == 1) {
        error_set(&err, ERROR_USAGE, "%s is there already: a file is never overwritten", path);
        return command_fail(&err);
    }
    size_t count = collect(like, path, arena, files);
    if (!starter_write(files, count, &err))
        return command_fail(&err);
    for (size_t i = 1; i < count; i++)
        printf("made %s\n", files[i].path);
    int code = load(path);
    if (code == EXIT_PASS)
        printf("next meshproof plan %s\n", path);
    return code;
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    struct arena arena;
    if (arguments_has(args, "list"))
        return list();
    if (args->position_count != 1) {
        error_set(&err, ERROR_USAGE, "new needs one name: meshproof new zone_loss --like zones");
        return command_fail(&err);
    }
    arena_init(&arena, (size_t)1024 * 1024);
    int code = make(args, &arena);
    arena_release(&arena);
    return code;
}

const struct command command_new = {
    .name = "new",
    .about = "Make a suite to start from, of an example and what it reads.",
    .positions = "NAME",
    .options = new_options,
    .option_count = COUNT_OF(new_options),
    .exits = "0 made  4 cannot be written  64 usage, or it is there already",
    .example = "meshproof new zone_loss --like zones",
    .run = run,
};
