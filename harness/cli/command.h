#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/* A command of the program: one file, one line in commands.def. Its option rows check the command
 * line, the environment (MESHPROOF_<OPTION>), and print --help: nothing is said twice. */

#include "base/text.h"

struct option {
    const char *name; /* "seed": --seed */
    char letter;      /* 'o': -o; 0: none */
    const char
        *argument; /* "TEXT"; NULL: takes none; "[ADDRESS]": may go without: "" (arguments.h) */
    const char *fallback; /* printed in brackets, and used when not given; NULL: none */
    const char *group;    /* of --help: "Choose", "Where", ... */
    const char *help;
    const char *const *words; /* allowed values; NULL: any */
    bool repeats;
};

struct arguments;
struct command {
    const char *name, *about;
    const char *positions; /* of the usage line: "SUITE..." */
    const struct option *options;
    size_t option_count;
    const char *exits, *example;
    int (*run)(const struct arguments *args); /* returns the exit code */
    bool internal;                            /* not in --help */
    void (*notes)(struct text *to);           /* more lines at the end of --help; NULL: none */
};
const struct command *const *commands(size_t *ret_count);
const struct command *command_find(const char *name);
void command_help(const struct command *command, struct text *to);
void commands_help(struct text *to);
/* All of them with a sentence each, the internal ones too: --help all. */
void commands_list(struct text *to);

/* Options that every command takes. */
extern const struct option common_options[];
extern const size_t common_option_count;

enum {
    EXIT_PASS = 0,
    EXIT_FAIL = 1,
    EXIT_INCONCLUSIVE = 2,
    EXIT_ABORTED = 3,
    EXIT_SURROUNDINGS = 4,
    EXIT_NOT_UNDONE = 5,
    EXIT_USAGE = 64,
    EXIT_JOURNAL = 65,
    EXIT_BUG = 70,
};
/* Prints the error to stderr as "meshproof: file:line: ..." and gives its exit code. */
int command_fail(const struct error *err);
/* Prints a line to stderr. The first of the process, from here or from command_fail, is kept for
 * those who see no stderr (outcome.h). */
void command_say(const char *line);
/* "": none was printed. */
const char *command_first_said(void);
/* Of several codes the first of 5 70 1 3 2 4 0; 64 and 65 stand above all. */
int command_worse(int a, int b);

#endif
