#include "cli/arguments.h"

#include "faults/fault.h"

/* meshproof faults: the catalogue, printed from the rows. */

static const char *unit_name(const struct param *row)
{
    switch (row->unit) {
    case UNIT_TEXT:
        return "text";
    case UNIT_COUNT:
        return "count";
    case UNIT_TIME_NS:
        return "duration";
    case UNIT_BYTES:
        return "bytes";
    case UNIT_SHARE_PPM:
        return "share";
    case UNIT_RATE_PER_H:
        return "rate";
    case UNIT_BYTES_PER_S:
        return "byterate";
    case UNIT_WORD:
        return "word";
    case UNIT_PLACE:
        return "place";
    case UNIT_MAP:
        return "map";
    }
    UNREACHABLE();
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
    .exits = "0 listed  64 usage",
    .example = "meshproof faults latency",
    .run = run,
};
