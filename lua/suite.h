#ifndef LUA_SUITE_H
#define LUA_SUITE_H

/* A suite file -> plan: the Lua of an author, or a plan saved by `plan --as json`. Loading has no
 * effect. `lint` of a suite is suite_load with its errors. Generating phases from a policy is the
 * planner's (verify/generate.h). */

#include "plan/errors.h"
#include "plan/plan.h"

struct suite_options {
    const char *const *sets; /* "rate=300/s", of --set; at most 64 */
    size_t set_count;
};

/* Loads ${path} (*.lua or *.json) and checks it (plan_check). ${errors}: ERRORS_MOST (20) of them;
 * they are sorted by line, and their files' names live in *${ret}, which is set in every case:
 * plan_free it after printing them. False: there is at least one error, all exit 64 (ERROR_INPUT,
 * ERROR_USAGE, ERROR_LIMIT). ${options} may be NULL. Policy paths in the plan are resolved from the
 * suite's folder. */
bool suite_load(const char *path, const struct suite_options *options, struct plan **ret,
                struct error *errors, size_t *ret_error_count) WARN_UNUSED;
/* The params that a suite has: [{name, default, value, help, oneof, where}], the caller's
 * reference. */
bool suite_params(const char *path, const struct suite_options *options, json_t **ret,
                  struct plan **ret_plan, struct error *errors,
                  size_t *ret_error_count) WARN_UNUSED;

#endif
