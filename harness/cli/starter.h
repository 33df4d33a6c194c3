#ifndef CLI_STARTER_H
#define CLI_STARTER_H

/* The files that `init` and `new` give a user to start from. A file that is there already is never
 * written to. */

#include "base/arena.h"
#include "base/text.h"

#define STARTER_FILES_MOST 64

struct starter_file {
    const char *path;
    struct bytes content;
};

/* The paths of ${files} that are there already, each of them in ${ret} (as many as ${files}). */
size_t starter_there(const struct starter_file *files, size_t count, const char **ret);
/* Makes the folders that are missing, and each file. Fails on the first that is there by now, or
 * cannot be written; what was made before stays. */
bool starter_write(const struct starter_file *files, size_t count, struct error *err) WARN_UNUSED;

/* A file of the examples that the program carries (suites/examples). */
struct example_file {
    const char *path; /* from the examples' folder: "lib/shop.lua" */
    const unsigned char *content;
    size_t size;
};
const struct example_file *example_files(size_t *ret_count);
/* "slow_payments" -> 01_slow_payments.lua; NULL: there is none. */
const struct example_file *example_find(const char *name);
/* The name of an example suite without its number and ending; false: the file is no suite, but what
 * suites read. */
bool example_name(const struct example_file *file, char *to, size_t size);
/* Adds the first sentence of its comment, for a list. */
void example_about(const struct example_file *file, struct text *to);
/* Whether the example ${suite} reads ${file}: its library, its hook, its policy. */
bool example_reads(const struct example_file *suite, const struct example_file *file);

#endif
