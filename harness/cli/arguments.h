#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

/* The command line, cut by a command's option rows: options anywhere, "--" ends them, long ones may
 * be shortened while unique, "--name value" and "--name=value" alike; a value that may go without
 * is taken from the next word when that is an address ("[ADDRESS]"), or a position stands before
 * it; what the line lacks comes from MESHPROOF_<OPTION>, then from .meshproof.yaml, then from the
 * row's fallback. */

#include "base/arena.h"
#include "cli/config.h"

struct arguments {
    const struct command *command;
    const struct config *config; /* NULL: there is none; the caller sets it */
    const char **positions;
    size_t position_count;
    struct arena arena;
    struct given {
        const struct option *option;
        const char *value; /* "" for a flag */
    } * given;
    size_t given_count;
    int argc;
    char **argv;
};
/* ${argv}[0] is the command's name. */
bool arguments_parse(struct arguments *a, const struct command *command, int argc, char **argv,
                     struct error *err) WARN_UNUSED;
void arguments_release(struct arguments *a);
/* The last value given, the environment's, the file's, or the fallback; NULL: none. */
const char *arguments_get(const struct arguments *a, const char *name);
/* The environment variable of an option: "MESHPROOF_ON_INCONCLUSIVE". Returns ${to}. */
const char *arguments_variable(const struct option *row, char *to, size_t size);
/* It stands on the line itself: not in the environment, not in the file, not by default. */
bool arguments_given(const struct arguments *a, const char *name);
bool arguments_has(const struct arguments *a, const char *name);
/* All values of a repeated option, comma lists not cut; returns how many there are. */
size_t arguments_all(const struct arguments *a, const char *name, const char **ret, size_t most);
/* A duration option; ${ret_ns} is untouched when it was not given. */
bool arguments_duration(const struct arguments *a, const char *name, uint64_t *ret_ns,
                        struct error *err) WARN_UNUSED;
bool arguments_count(const struct arguments *a, const char *name, uint64_t *ret,
                     struct error *err) WARN_UNUSED;

#endif
