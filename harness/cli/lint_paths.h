#ifndef CLI_LINT_PATHS_H
#define CLI_LINT_PATHS_H

/* Which of the paths of a lint are policies, and which are suites: a suite is a .lua file; a folder
 * is read for suites with the folders in it, but not those named lib and hooks
 * (scenario-language.md section 6), and for policies as policy_read does, its own files only. */

#include "base/arena.h"

struct lint_paths {
    const char **policies, **suites;
    size_t policy_count, suite_count;
};

bool lint_paths_collect(const char *const *paths, size_t count, struct arena *arena,
                        struct lint_paths *ret, struct error *err) WARN_UNUSED;

#endif
