#include "cli/command.h"

#include "base/outlet.h"

#define GROUP(name)
#define COMMAND(name) extern const struct command command_##name;
#include "cli/commands.def"
#undef COMMAND

static const struct command *const table[] = {
#define COMMAND(name) &command_##name,
#include "cli/commands.def"
#undef COMMAND
#undef GROUP
};

static const struct {
    const char *group; /* it begins here */
    const struct command *command;
} grouped[] = {
#define GROUP(name) {name, NULL},
#define COMMAND(name) {NULL, &command_##name},
#include "cli/commands.def"
#undef COMMAND
#undef GROUP
};

const struct option common_options[] = {
    {"quiet", 'q', NULL, NULL, "Everywhere", "only the report", NULL, false},
    {"verbose", 'v', NULL, NULL, "Everywhere", "say what the controls do, too, on stderr", NULL,
     false},
    {"plain", 0, NULL, NULL, "Everywhere", "lines, no live view", NULL, false},
    {"directory", 'C', "DIR", NULL, "Everywhere", "as if started there", NULL, false},
    {"config", 0, "FILE", NULL, "Everywhere",
     "options from here; default: the nearest .meshproof.yaml", NULL, false},
    {"help", 0, NULL, NULL, "Everywhere", "this page", NULL, false},
    {"version", 0, NULL, NULL, "Everywhere", "of the program", NULL, false},
};
const size_t common_option_count = COUNT_OF(common_options);

const struct command *const *commands(size_t *ret_count)
{
    *ret_count = COUNT_OF(table);
    return table;
}

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    }
    return NULL;
}

static void add_option(const struct option *row, struct text *to)
{
    char left[60];
    int n = snprintf(left, sizeof(left), "%s%c%s--%s%s%s", row->letter != 0 ? "-" : "",
                     row->letter != 0 ? row->letter : ' ', row->letter != 0 ? " " : " ", row->name,
                     row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "");
    text_add(to, "  %s", left);
    for (; n < 32; n++)
        text_add(to, " ");
    text_add(to, " %s", row->help);
    if (row->fallback != NULL)
        text_add(to, " (%s)", row->fallback);
    text_add(to, "\n");
}

static const struct option *row_at(const struct command *command, size_t i)
{
    return i < command->option_count ? &command->options[i]
                                     : &common_options[i - command->option_count];
}

/* Options of a group may stand apart in the rows: included ones come last. */
static void add_group(const struct command *command, size_t first, struct text *to)
{
    const char *group = row_at(command, first)->group;
    for (size_t i = 0; i < first; i++)
        if (strcmp(row_at(command, i)->group, group) == 0)
            return;
    text_add(to, "%s:\n", group);
    for (size_t i = first; i < command->option_count + common_option_count; i++)
        if (strcmp(row_at(command, i)->group, group) == 0)
            add_option(row_at(command, i), to);
}

void command_help(const struct command *command, struct text *to)
{
    text_add(to, "Usage: meshproof %s %s%s[OPTIONS]\n%s\n", command->name, command->positions,
             command->positions[0] == '\0' ? "" : " ", command->about);
    for (size_t i = 0; i < command->option_count + common_option_count; i++)
        add_group(command, i, to);
    if (command->notes != NULL)
        command->notes(to);
    text_add(to, "Exits:    %s\nExample:  %s\n", command->exits, command->example);
}

void commands_help(struct text *to)
{
    text_add(to, "meshproof proves, or disproves, that a service mesh does what its policy says.\n"
                 "Usage: meshproof COMMAND [OPTIONS] [ARGUMENTS]");
    for (size_t i = 0; i < COUNT_OF(grouped); i++) {
        if (grouped[i].group != NULL)
            text_add(to, "\n%s:%*s", grouped[i].group, 9 - (int)strlen(grouped[i].group), "");
        else if (!grouped[i].command->internal)
            text_add(to, "%s%s", grouped[i - 1].group != NULL ? " " : "  ",
                     grouped[i].command->name);
    }
    text_add(to, "\nFirst time: meshproof init --from k8s/ && meshproof run suites/gate.lua\n"
                 "Stop everything: meshproof halt --all        Help: meshproof COMMAND --help\n");
}

void commands_list(struct text *to)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        text_add(to, "%-10s %s%s\n", table[i]->name, table[i]->about,
                 table[i]->internal ? " (internal)" : "");
}

static char first_said[600];

static void keep_first(const char *line)
{
    if (first_said[0] == '\0')
        snprintf(first_said, sizeof(first_said), "%s", line);
}

void command_say(const char *line)
{
    keep_first(line);
    outlet_line(STDERR_FILENO, line);
}

const char *command_first_said(void)
{
    return first_said;
}

int command_fail(const struct error *err)
{
    char line[600];
    error_format(err, line, sizeof(line));
    keep_first(line);
    struct text said;
    text_init(&said, sizeof(line) + 20);
    text_add(&said, "meshproof: %s", line);
    outlet_line(STDERR_FILENO, text_get(&said));
    text_release(&said);
    switch (err->kind) {
    case ERROR_USAGE:
    case ERROR_INPUT:
    case ERROR_LIMIT:
        return EXIT_USAGE;
    case ERROR_SYSTEM:
    case ERROR_PEER:
        return EXIT_SURROUNDINGS;
    case ERROR_NONE:
        break;
    }
    return EXIT_BUG;
}

int command_worse(int a, int b)
{
    static const int order[] = {EXIT_USAGE,        EXIT_JOURNAL,      EXIT_NOT_UNDONE,
                                EXIT_BUG,          EXIT_FAIL,         EXIT_ABORTED,
                                EXIT_INCONCLUSIVE, EXIT_SURROUNDINGS, EXIT_PASS};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        if (a == order[i] || b == order[i])
            return order[i];
    }
    return a > b ? a : b;
}
