#ifndef SIMULATE_GATE_H
#define SIMULATE_GATE_H

/* One whole gate in virtual time: the plan that a policy asks for, walked against a mesh whose
 * every wrong is known beforehand, its repeats (spec/verifier.md 5.5), and the judgement. What came
 * out is for the caller to compare with the truth. */

#include "simulate/scene.h"
#include "verify/judge.h"

struct gate_options {
    uint64_t seed;
    const struct edge_policy *edge; /* NULL: drawn */
    enum flavour flavour;           /* of a drawn one */
    enum noise_kind noise;
    enum depth depth;
    bool loses;
    bool by_hand; /* a game day at random (day.h) instead of the plan that the policy asks for */
    bool grpc;    /* its load speaks gRPC, and its policy has words for that; Envoy only */
    bool keys;    /* its faults have keys that say how many requests meet them, and for how long */
    /* The plan is in the journal, and judged as it is read there, as that of a run is; else the
     * journal has none, and the plan is judged as it was generated: the same, with less work. */
    bool by_json;
    const char *method; /* of all requests; NULL: drawn */
    /* For one side of each test, without the confirmation stage: 5.6 (1) counts what the first
     * stage alone finds. 0: as a gate does it. */
    double level;
    /* As scene_options. */
    void (*change)(void *cookie, struct model_config *m);
    void *cookie;
};
struct gate {
    struct edge_policy edge;
    struct plan *plan;
    struct journal *journal;
    struct judgement *judgement;
    bool repeated;
    uint64_t length_ns; /* virtual */
};

bool gate_run(const struct gate_options *options, struct gate *ret, struct error *err) WARN_UNUSED;
void gate_release(struct gate *g);
/* The worst verdict of a claim by its id; not applicable where it was not judged. */
enum verdict_kind gate_verdict(const struct judgement *g, const char *claim,
                               const struct judged **ret_worst);
/* Whether the generated plan of ${edge} asks for the claim at all. */
bool gate_asks(const struct edge_policy *edge, const char *claim, enum depth depth, uint64_t seed);

#endif
