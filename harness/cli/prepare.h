#ifndef CLI_PREPARE_H
#define CLI_PREPARE_H

/* From a suite's file to what the engine walks: load, select, read the policies, expand
 * scenario.from_policy to one scenario per governed edge, check, resolve each edge's effective
 * policy, add the controls. `run`, `plan` and `explain` share it. Nothing here touches the world;
 * nor the network, but where --istiod names who is to be asked. */

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
    json_t *istio;      /* driver istio: what Istio programs, by service; else NULL */
    json_t *istio_says; /* and what it says of each object (istio.h); else NULL */
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
/* prepare_subsets.c: the endpoints of places such as "b@v2"; before plan_check. */
bool prepare_subsets(struct prepared *p, const struct arguments *args,
                     struct error *err) WARN_UNUSED;
/* prepare_walks.c: edges, walks and controls, and the journal's policy row. */
bool prepare_edges(struct prepared *p, size_t scenario, struct error *err) WARN_UNUSED;
/* prepare_rates.c: the rates that are "enough"; after prepare_edges. */
bool prepare_rates(struct prepared *p, size_t scenario, struct error *err) WARN_UNUSED;
bool prepare_walks(struct prepared *p, const struct arguments *args, struct error *err) WARN_UNUSED;
/* As a builtin mesh beside the subject has it: without what is the subject's alone. */
void prepare_lab_beside(struct lab_plan *lab);
/* prepare_istio.c: --istiod goes with the driver istio, and programs the mesh alone. */
bool prepare_istiod(const struct prepared *p, const struct arguments *args,
                    struct error *err) WARN_UNUSED;
/* For the driver istio, asks Istio itself, or the istiod that --istiod names; does nothing for
 * others. After prepare_edges. */
bool prepare_istio(struct prepared *p, const struct arguments *args, size_t scenario,
                   struct error *err) WARN_UNUSED;
/* prepare_names.c: host names of an external mesh become addresses. After prepare, by those that
 * run: unlike all else here it asks the network. */
bool prepare_names(struct prepared *p, struct error *err) WARN_UNUSED;
/* A scenario of that name is asked for: --scenario matches it, or is not given. */
bool prepare_is_named(const struct arguments *args, const char *name);
/* Always false: the error says that no scenario is left. */
bool prepare_none_is_chosen(const struct plan *plan, struct error *err);
/* The options of the generator for a scenario: from its own keys, and from the command line. */
bool prepare_generate_options(const struct arguments *args, const struct scenario *s, uint64_t seed,
                              struct generate_options *ret, struct error *err) WARN_UNUSED;
/* "istio" + "1.31" of a mesh word, or --target. */
bool prepare_target(const struct arguments *args, const struct mesh_plan *mesh, struct target *ret,
                    struct error *err) WARN_UNUSED;

/* "--seed TEXT": eight hex digits stand as they are, other text is hashed; NULL: random. Fills nine
 * bytes, and the 64-bit key made of them. */
void seed_of_text(const char *text, char to[9], uint64_t *ret_key);

/* Words of options in plan_options.def. */
extern const char *const prepare_depths[], *const prepare_drivers[];

#endif
