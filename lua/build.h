#ifndef LUA_BUILD_H
#define LUA_BUILD_H

/* Between the files that walk a suite's nodes into a plan (scenario.c, topology.c): one budget, one
 * list of errors. */

#include "lua/node.h"
#include "lua/values.h"
#include "plan/row.h"

struct build {
    lua_State *L;
    struct plan *plan;
    struct errors *errors;
    const char *folder; /* of the suite, with its slash */
    struct values values;
    struct policy_values *policy;    /* policy_value.h */
    const struct scenario *scenario; /* whose steps are being read */
    bool spent;                      /* the budget's error was said */
};

/* Takes ${amount} from the budget of values; false, with one error, when it is gone. */
bool build_spend(struct build *b, size_t amount);
/* Calls ${each} for the nodes of a list at ${index}, lists in it spliced in; other values are
 * errors of ${label}. */
typedef void (*build_each)(struct build *b, int index, const struct node *n, void *cookie);
void build_positions(struct build *b, int index, const char *label, struct source source,
                     build_each each, void *cookie);
/* Reads the named keys of the node at ${index} by the rows of ${table}; keys that hold nodes are
 * built by build_field. The plain keys, for what no row reads; borrowed from the plan.
 * ${ret_broken}, may be NULL: a key in error was left out. */
json_t *build_keys(struct build *b, int index, const struct row_table *table, const char *label,
                   void *to, bool *ret_broken);
/* Room for one more item at the end of a list in the plan's arena. */
void *build_append(struct build *b, void *list_field, size_t *count, size_t bytes);
const char *build_name(struct build *b, int index, const char *label, struct source source);

/* topology.c: mesh, lab, loads and calls. ${index} is the value of the key. */
void build_field(struct build *b, int index, const struct row *row, const char *label,
                 struct source source, void *to);
/* `from_policy`'s target: "istio@1.31". */
void build_target(struct build *b, const json_t *value, struct source source, struct mesh_plan *to);
void build_paths(struct build *b, struct mesh_plan *to);
/* A path that the suite gives, relative to its own folder; NULL stays NULL. */
const char *build_path(struct build *b, const char *path);

/* guard.c: guards, and probes by name. ${index} is the value of the key. */
void build_guards(struct build *b, int index, const char *label, struct source source,
                  struct guard_plan **guards, size_t *count);
void build_probes(struct build *b, int index, const char *label, struct source source,
                  struct probe_plan **probes, size_t *count);
void build_own_probe(struct build *b, int index, const char *label, struct source source,
                     struct guard_plan *to);
/* The suite's guards come before the scenario's; its probes where the scenario has none. */
void build_add_guards(struct build *b, struct scenario *s, const struct scenario *defaults);

/* notify.c: who is told. The suite's come before the scenario's. */
void build_notifies(struct build *b, int index, const char *label, struct source source,
                    struct notify_plan **notifies, size_t *count);
void build_add_notifies(struct build *b, struct scenario *s, const struct scenario *defaults);

/* scenario.c: the whole. ${index}: what the suite returned. */
void build_suite(struct build *b, int index);

#endif
