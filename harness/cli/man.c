#include "cli/arguments.h"

#include <string.h>

/* meshproof man: the manual page, from the rows that also check the command line. */

/* Text of man(7): a backslash, and a dot or a quote at a line's start, mean something there. */
static void add_words(struct text *t, const char *from)
{
    if (*from == '.' || *from == '\'')
        text_add(t, "\\&");
    for (; *from != '\0'; from++)
        if (*from == '\\')
            text_add(t, "\\e");
        else if (*from == '-')
            text_add(t, "\\-");
        else if (*from == '\n')
            text_add(t, " ");
        else
            text_add(t, "%c", *from);
    text_add(t, "\n");
}

static void add_option(const struct option *row, struct text *t)
{
    char left[100], name[40];
    snprintf(name, sizeof(name), row->letter != 0 ? "-%c, " : "", row->letter);
    snprintf(left, sizeof(left), "%s--%s%s%s", name, row->name, row->argument == NULL ? "" : " ",
             row->argument == NULL ? "" : row->argument);
    text_add(t, ".TP\n.B ");
    add_words(t, left);
    add_words(t, row->help);
    if (row->fallback != NULL) {
        snprintf(left, sizeof(left), "(%s)", row->fallback);
        add_words(t, left);
    }
}

static void add_command(const struct command *c, struct text *t)
{
    text_add(t, ".SS meshproof %s %s [OPTIONS]\n", c->name, c->positions);
    add_words(t, c->about);
    for (size_t i = 0; i < c->option_count; i++)
        add_option(&c->options[i], t);
    text_add(t, ".PP\nExits: ");
    add_words(t, c->exits);
    text_add(t, ".PP\nExample:\n.B ");
    add_words(t, c->example);
}

static void add_files(struct text *t)
{
    static const char *const files[][2] = {
        {".meshproof.yaml", "options by command, and under all those of every command; the nearest "
                            "one upwards to the repository's root"},
        {".meshproof/runs/", "the journals of runs"},
        {"MESHPROOF_<OPTION>", "in the environment: any long option"},
        {"NO_COLOR, CI, GITHUB_STEP_SUMMARY",
         "no colour; no live view; a file that the Markdown report is added to"},
    };
    text_add(t, ".SH FILES AND ENVIRONMENT\n");
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        text_add(t, ".TP\n.B ");
        add_words(t, files[i][0]);
        add_words(t, files[i][1]);
    }
}

static void add_exits(struct text *t)
{
    static const char *const exits[][2] = {
        {"0", "pass"},
        {"1", "fail"},
        {"2", "inconclusive"},
        {"3", "aborted"},
        {"4", "the surroundings lack something; nothing was asserted"},
        {"5", "not everything is back: meshproof recover"},
        {"64", "usage, or bad input"},
        {"65", "a journal that cannot be read"},
        {"70", "a bug of meshproof"},
    };
    text_add(t, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < COUNT_OF(exits); i++) {
        text_add(t, ".TP\n.B %s\n", exits[i][0]);
        add_words(t, exits[i][1]);
    }
}

static void print(struct text *t)
{
    size_t count;
    const struct command *const *all = commands(&count);
    text_add(t, ".TH MESHPROOF 1 \"\" \"meshproof " MESHPROOF_VERSION "\"\n.SH NAME\nmeshproof \\- "
                "proves, or disproves, that a service mesh does what its policy says\n.SH "
                "SYNOPSIS\n.B meshproof\n.I COMMAND\n[OPTIONS] [ARGUMENTS]\n.SH COMMANDS\n");
    for (size_t i = 0; i < count; i++)
        if (!all[i]->internal)
            add_command(all[i], t);
    text_add(t, ".SH OPTIONS OF EVERY COMMAND\n");
    for (size_t i = 0; i < common_option_count; i++)
        add_option(&common_options[i], t);
    add_exits(t);
    add_files(t);
}

static int run(const struct arguments *args)
{
    struct text t;
    struct error err = {0};
    if (args->position_count > 0) {
        error_set(&err, ERROR_USAGE, "man takes no argument: meshproof man | man -l -");
        return command_fail(&err);
    }
    text_init(&t, (size_t)1024 * 1024);
    print(&t);
    fputs(text_get(&t), stdout);
    text_release(&t);
    return EXIT_PASS;
}

const struct command command_man = {
    .name = "man",
    .about = "Print the manual page.",
    .positions = "",
    .exits = "0 printed  64 usage",
    .example = "meshproof man | man -l -",
    .run = run,
};
