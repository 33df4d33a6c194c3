#ifndef CLI_PREPARE_H
#define CLI_PREPARE_H

/* From a suite's file to what the engine walks: load, select, read the policies, expand
 * scenario.from_policy to one scenario per governed edge, check, resolve each edge's effective
 * policy, add the controls. `run`, `plan` and `explain` share it. Nothing here touches the network
 * or the world. */

#include "cli/arguments.h"
#include "engine/engine.h"
#include "plan/plan.h"
#include "verify/generate.h"

#define EDGES_MOST 64
#define WALKS_MOST 64

/* What one scenario is judged by, and what the mesh is programmed with (the same, without
 * --mesh-policy). */
struct prepared_scenario {
    struct target target;
    struct policy *policy, *mesh_policy; /* mesh_policy NULL: the declared one */
    struct edge_policy *edges, *mesh_edges;
    size_t edge_count;
    enum driver driver;
};
struct prepared {
    struct plan *plan;
    struct prepared_scenario *scenarios; /* one for each of the plan */
    struct plan **control_plans;         /* keep the controls' scenarios alive */
    size_t control_plan_count;
    struct walk_plan *walks;
    size_t walk_count;
    json_t *policy_row;
    uint64_t seed;
    char seed_text[9], run[9]; /* eight hex digits each */
    struct arena arena;
};

/* Prints load errors to stderr itself. Returns the exit code, EXIT_PASS when ${ret} is ready. */
int prepare(const struct arguments *args, const char *suite, struct prepared *ret);
void prepared_release(struct prepared *p);

/* prepare_expand.c: replaces each scenario.from_policy by one scenario per edge, phases made. */
bool prepare_expand(struct prepared *p, const struct arguments *args,
                    struct error *err) WARN_UNUSED;
/* prepare_walks.c: edges, walks and controls, and the journal's policy row. */
bool prepare_edges(struct prepared *p, size_t scenario, struct error *err) WARN_UNUSED;
bool prepare_walks(struct prepared *p, const struct arguments *args, struct error *err) WARN_UNUSED;
/* The options of the generator for a scenario: from its own keys, and from the command line. */
bool prepare_generate_options(const struct arguments *args, const struct scenario *s, uint64_t seed,
                              struct generate_options *ret, struct error *err) WARN_UNUSED;
/* "istio" + "1.31" of a mesh word, or --target. */
bool prepare_target(const struct arguments *args, const struct mesh_plan *mesh, struct target *ret,
                    struct error *err) WARN_UNUSED;

/* "--seed TEXT": eight hex digits stand as they are, other text is hashed; NULL: random. Fills nine
 * bytes, and the 64-bit key made of them. */
void seed_of_text(const char *text, char to[9], uint64_t *ret_key);

/* The rows of options that run and plan share, for their tables. */
extern const char *const prepare_depths[], *const prepare_drivers[];
#define PLAN_OPTIONS \
    {"tag", 0, "A,B", NULL, "Choose", "scenarios with any of these tags", NULL, false}, \
        {"skip-tag", 0, "A", NULL, "Choose", "not those with any of these", NULL, false}, \
        {"scenario", 0, "GLOB", NULL, "Choose", "scenarios by name", NULL, true}, \
        {"set", 0, "NAME=VALUE", NULL, "Choose", "a param of the suite", NULL, true}, \
        {"seed", 0, "TEXT", NULL, "Choose", "of every random choice; default: random", NULL, false}, \
        {"depth",        0,    "HOW", NULL, "Choose", "full, or quick: no repeat ejection", \
         prepare_depths, false}, \
        {"strict", 0, NULL, NULL, "Choose", "66 instead of 10 of each cause", NULL, false}, \
        {"patience", 0,        "TIME", \
         NULL,       "Choose", "how long a reply is held where no timeout is declared", \
         NULL,       false}, \
        {"driver",        0, \
         "NAME",          NULL, \
         "Where",         "builtin, envoy or external: who plays the mesh", \
         prepare_drivers, false}, \
        {"target", 0,    "NAME@VERSION", NULL, "Where", "whose semantics, such as istio@1.31", \
         NULL,     false}, \
        {"policy", 0,   "PATH", NULL, "Where", "the policy that is judged, instead of the suite's", \
         NULL,     true}, \
        {"mesh-policy", 0,       "PATH", \
         NULL,          "Where", "program the mesh from this one, judge by the declared", \
         NULL,          true}, \
        {"defect", 0, "NAME", NULL, "Where", "builtin: switch on a known defect", NULL, true}, \
        {"to", 0,   "SERVICE=HOST:PORT", NULL, "Where", "external: where the client sends", \
         NULL, true}, \
        {"endpoint", 0,   "SERVICE/N=HOST:PORT", NULL, "Where", "external: where we listen", \
         NULL,       true}, \
    { \
        "run", 0, "TEXT", NULL, "Where", "names the run beforehand", NULL, false \
    }

#endif
