#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

/* .meshproof.yaml (spec/scenario-language.md 6): top keys are commands or `all`, below them stand
 * long options, by their names; and `prometheus: URL`, and `roles`: who may answer for what. It is
 * asked after the command line and the environment.
 *
 *   all: {plain: true}
 *   roles: {incident-lead: [alice, bob]}
 *   run: {depth: quick, exceptions: exceptions.yaml, scenario: ["a*", b]} */

#include "base/arena.h"
#include "cli/command.h"
#include "engine/question.h"

#define CONFIG_PROMETHEUS "MESHPROOF_PROMETHEUS" /* in the environment */
#define CONFIG_NAME ".meshproof.yaml"

struct config_value {
    const char *command; /* "run", or "all" */
    const char *option, *value;
    struct source source; /* of the value */
};
struct config {
    const char *path;
    struct config_value *values; /* several of one option: in the order of its list */
    size_t count;
    const char *prometheus; /* where probes ask that name no address of their own; NULL: not said */
    struct roles roles;
    struct arena arena;
};

/* The nearest CONFIG_NAME from the working folder upwards to the root of its repository; outside a
 * repository the working folder's alone. False: there is none. */
bool config_find(char *to, size_t size);
/* A key that is no command, an option that it has not, and a value that is none of its words are
 * errors with their line. */
bool config_parse(struct bytes yaml, const char *name, struct config *ret,
                  struct error *err) WARN_UNUSED;
bool config_read(const char *path, struct config *ret, struct error *err) WARN_UNUSED;
void config_release(struct config *c);
/* The ${n}th value of a command's option, else of `all`; NULL: there is none. NULL for ${c} NULL.
 */
const struct config_value *config_find_value(const struct config *c, const char *command,
                                             const char *option, size_t n);
const char *config_get(const struct config *c, const char *command, const char *option, size_t n);

#endif
