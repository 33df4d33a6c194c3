#include "cli/arguments.h"

#include "cli/faults_try.h"
#include "faults/fault.h"
#include "lua/hook_engine.h"

#include <stdlib.h>

/* meshproof faults: the catalogue, printed from the rows; --try runs a hook, --meta writes the
 * words for editors. */

#define WITH_MOST 64
#define META_MOST_BYTES ((size_t)256 * 1024)

static const struct option faults_options[] = {
    {"try", 0, "HOOK", NULL, "Hooks", "run one hook against the request on standard input", NULL,
     false},
    {"with", 0, "NAME=VALUE", NULL, "Hooks", "a parameter of the hook", NULL, true},
    {"meta", 0, NULL, NULL, "Hooks",
     "print meta.lua: the words of suites and hooks for editors (LuaLS)", NULL, false},
};

static int try_hook(const struct arguments *args)
{
    const char *with[WITH_MOST];
    struct error err = {0};
    size_t count = arguments_all(args, "with", with, WITH_MOST), len = 0, n;
    char *input = check_alloc(FAULTS_TRY_INPUT_MOST_BYTES + 1);
    while (len <= FAULTS_TRY_INPUT_MOST_BYTES &&
           (n = fread(input + len, 1, FAULTS_TRY_INPUT_MOST_BYTES + 1 - len, stdin)) > 0)
        len += n;
    int code;
    if (len > FAULTS_TRY_INPUT_MOST_BYTES || count > WITH_MOST) {
        error_set(&err, ERROR_LIMIT,
                  "a captured request may have at most 1 MiB, and a hook %d "
                  "parameters",
                  WITH_MOST);
        code = command_fail(&err);
    } else {
        code = faults_try(arguments_get(args, "try"), with, count, input, len);
    }
    free(input);
    return code;
}

static int print_meta(void)
{
    struct text text;
    text_init(&text, META_MOST_BYTES);
    meta_print(&text);
    fputs(text_get(&text), stdout);
    text_release(&text);
    return EXIT_PASS;
}

static const char *unit_name(const struct param *row)
{
    return row->unit == UNIT_TEXT && row->list ? "texts" : param_unit_name(row->unit);
}

static void print_row(const struct param *row)
{
    printf("  %-14s %-9s", row->name, unit_name(row));
    if (row->fallback != NULL)
        printf(" =%s", row->fallback);
    printf(" %s%s", row->required ? "needed: " : "", row->help);
    for (size_t i = 0; row->words != NULL && row->words[i] != NULL; i++)
        printf("%s%s", i == 0 ? " (" : ", ", row->words[i]);
    puts(row->words != NULL ? ")" : "");
}

static void print_fault(const struct fault_type *type)
{
    printf("fault.%s: %s\n", type->name, type->help);
    for (size_t i = 0; i < type->param_count; i++)
        print_row(&type->params[i]);
    puts(" keys of every fault");
    for (size_t i = 0; i < fault_common_param_count; i++)
        print_row(&fault_common_params[i]);
    printf(" example  %s\n", type->example);
}

static int run(const struct arguments *args)
{
    size_t count;
    struct error err = {0};
    const struct fault_type *const *types = fault_types(&count);
    if (arguments_has(args, "try"))
        return try_hook(args);
    if (arguments_has(args, "meta"))
        return print_meta();
    for (size_t i = 0; i < count && args->position_count == 0; i++)
        printf("%-10s %s\n", types[i]->name, types[i]->help);
    for (size_t i = 0; i < args->position_count; i++) {
        const struct fault_type *type = fault_type_find(args->positions[i]);
        if (type == NULL) {
            error_set(&err, ERROR_USAGE, "there is no fault \"%.40s\": meshproof faults lists them",
                      args->positions[i]);
            return command_fail(&err);
        }
        print_fault(type);
    }
    return EXIT_PASS;
}

const struct command command_faults = {
    .name = "faults",
    .about = "List the faults, or one with its keys.",
    .positions = "[NAME]",
    .options = faults_options,
    .option_count = COUNT_OF(faults_options),
    .exits = "0 listed, or tried  1 the hook failed  64 usage",
    .example = "meshproof faults --try hooks/tag_router.lua --with tier=gold <request.txt",
    .run = run,
};
