#ifndef CLI_LINT_SUITE_H
#define CLI_LINT_SUITE_H

/* Findings on a suite: that it does not load; that the application and the mesh both retry; that a
 * rotation has a time in which a leaf is presented to parties that do not trust its root. What the
 * suite's policies have wrong is found where they are linted. */

#include "policy/lint.h"

#include "base/arena.h"
#include "plan/plan.h"

struct lint_list {
    struct arena *arena; /* of all text */
    struct finding *rows;
    size_t count, capacity;
};

/* Adds a copy; the rule's severity and fix. */
void lint_list_add(struct lint_list *list, enum lint_rule_id rule, struct source source,
                   const char *format, ...) PRINTF(4, 5);
/* Takes over findings that are made, text and all, for as long as their policy lives. */
void lint_list_take(struct lint_list *list, const struct finding *findings, size_t count);
void lint_list_release(struct lint_list *list);

/* Loads ${path} and adds what is to be said of it. No effect on the world; false: a policy of the
 * suite could not be read. ${on_scenario}: called with each scenario of a suite that loads; false
 * from it ends all. */
bool lint_suite(const char *path, struct lint_list *list,
                bool (*on_scenario)(void *cookie, struct scenario *s, struct error *err),
                void *cookie, struct error *err) WARN_UNUSED;

#endif
