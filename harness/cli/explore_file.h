#ifndef CLI_EXPLORE_FILE_H
#define CLI_EXPLORE_FILE_H

/* What explore found, as a suite: an ordinary file, which `run` runs again. */

#include "explore/search.h"

#define EXPLORE_FOLDER ".meshproof/found"

/* The suite's text. ${path}: the file that it is for; the policy's paths are as seen from there.
 * ${head}: lines of comment for its top, each ended. ${to} needs EXPLORE_SUITE_MOST_BYTES. */
#define EXPLORE_SUITE_MOST_BYTES ((size_t)1 << 20)
bool explore_file_print(const struct space *space, const struct schedule *s, const char *name,
                        struct space_asked asked, const char *head, const char *path,
                        struct text *to, struct error *err) WARN_UNUSED;
/* Writes it, its folders too; never over a file that is there. */
bool explore_file_write(const char *path, const char *text, struct error *err) WARN_UNUSED;
/* False when ${path} cannot be written there: before the search, not after it. */
bool explore_file_check(const char *path, struct error *err) WARN_UNUSED;

#endif
