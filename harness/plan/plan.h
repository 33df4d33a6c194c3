#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

/* A suite as plain data: what `run` walks, `plan` prints and the journal keeps. Loading a suite
 * gives this value and has no other effect. Words and keys stay as their author wrote them
 * ("250ms"), each with its line; the parameter tables check them (plan_check). Everything lives in
 * the plan's arena; JSON values are counted. */

#include "base/param.h"
#include "base/text.h"
#include "plan/guard.h"
#include "plan/notify.h"
#include "plan/place.h"

#include <jansson.h>

enum step_kind {
    STEP_FAULT,  /* word: "abort", ... */
    STEP_EXPECT, /* word: "retries", ... */
    STEP_CERT,   /* word: "trust", "issue", "rotate"; lasts beyond its phase */
    STEP_AWAIT,  /* word: "readmitted", ... */
    STEP_AT,     /* steps armed from_ns after the phase began, undone at its end */
    STEP_DURING, /* steps armed in [from_ns, to_ns), to_ns UINT64_MAX: to the phase's end */
    STEP_GROUP,
};
struct step {
    enum step_kind kind;
    const char *word;
    struct source source;
    json_t *keys; /* object: every named key but `on`'s place, which is parsed too */
    struct place on;
    bool has_on;
    uint64_t from_ns, to_ns;
    struct step *steps; /* of at, during, group */
    size_t step_count;
    uint16_t fault; /* STEP_FAULT: number in its scenario, from 1; set by plan_check */
};

/* load.open / load.closed, with the language's keys parsed. */
struct tagged {
    const char *tag;
    uint32_t count;
    uint32_t number; /* of the tag in its scenario, from 1 (plan_number_tags) */
    /* Of generated plans only: the next tagged request of an open load comes so long after one of
     * these, at least; 0: tag_every says it. */
    uint64_t apart_ns;
};
struct load_plan {
    bool closed;
    struct source source;
    struct place on;     /* an edge */
    uint64_t rate_per_h; /* open; 0 with enough */
    /* While a suite is loaded, and the policy is not known yet: {"policy.value": {...}}; then NULL.
     */
    const json_t *rate_asked;
    bool enough;
    bool poisson;
    uint64_t ramp_ns;
    uint32_t users; /* closed */
    uint64_t think_ns;
    const char *protocol, *method, *path, *call;
    json_t *headers; /* object or NULL */
    const char *body_text;
    uint64_t body_bytes; /* of seeded bytes, when no text */
    uint64_t timeout_ns, warmup_ns, tag_every_ns;
    uint32_t connections, clients;
    enum { REUSE_KEEP, REUSE_EACH, REUSE_SHARE } reuse;
    struct tagged *tagged;
    size_t tagged_count;
    /* Of generated plans only: each tagged request of a closed load is followed by so many clean
     * ones. */
    uint32_t heal;
};

enum phase_end { PHASE_BY_CLOCK, PHASE_BY_AWAITS, PHASE_DECIDED };
struct phase {
    const char *name, *about;
    struct source source;
    enum phase_end ends;
    uint64_t lasting_ns, atmost_ns, settle_ns;
    struct load_plan *loads; /* NULL: the scenario's */
    size_t load_count;
    struct step *steps;
    size_t step_count;
};
/* How long its walk may take, without settle_ns. */
uint64_t phase_most_ns(const struct phase *p);

/* A stub service of the lab, and its calls. */
struct call_plan {
    const char *to, *method, *path;
    struct source source;
    uint64_t share_ppm, timeout_ns, deadline_ns, backoff_ns;
    uint32_t retries;
    const char *const *retry_on;
    size_t retry_on_count;
    bool together;
    uint16_t fallback_status; /* 0: none */
    const char *fallback_body;
    uint32_t breaker_failures; /* 0: none */
    uint64_t breaker_open_ns;
};
struct service_plan {
    const char *name;
    struct source source;
    uint32_t endpoints, slots;
    const char *protocol;
    uint64_t work_ns, jitter_ns, body_bytes;
    const char *body_text, *effects;
    const char **addresses; /* already running: one an endpoint; none: stubs of ours */
    size_t address_count;
    const char *run;      /* a program of the user's, a process an endpoint; NULL: stubs of ours */
    const char *run_in;   /* the folder it runs in: the suite's; NULL: ours */
    const char *identity; /* of its certificates; NULL: its name */
    const char *meshed;   /* yes, no, leftover_sidecar; NULL: yes */
    const char **zones;   /* of the endpoints in order, repeated */
    size_t zone_count;
    const char **versions; /* their label `version`, in the same way */
    size_t version_count;
    uint16_t status;
    struct call_plan *calls;
    size_t call_count;
};
/* NONE is no word of a lab: mesh.none, where callers reach the endpoints by themselves. */
enum driver { DRIVER_BUILTIN, DRIVER_ENVOY, DRIVER_ISTIO, DRIVER_EXTERNAL, DRIVER_NONE };
struct lab_plan {
    struct source source;
    enum driver driver;
    bool driver_unsaid;  /* while a suite is loaded: plan_choose_driver says */
    const char *tls;     /* mutual, off; NULL: plan_lab_tls says */
    const char *proxies; /* sidecar, ztunnel, waypoint; NULL: the target's own (plan_plane) */
    bool netns;          /* isolation: each service in a network namespace of its own */
    struct service_plan *services;
    size_t service_count;
    const char **defects; /* builtin: switched on */
    size_t defect_count;
    json_t *external; /* {"to": {"payments": "127.0.0.1:15001"}, "endpoint": {"payments/1":
                         "127.0.0.11:18080"}} or NULL */
    /* Of a saved plan alone (`plan --ports`): listeners whose ports do not change,
     * {"payments/1": "127.0.0.1:40001", "client -> payments": ...}, and "checkout/1 -> payments"
     * where each endpoint of the caller has a proxy of its own. NULL: it chooses them all. */
    json_t *ports;
    /* Endpoints of the subsets that places name, {"b": {"v2": [2, 3]}}; NULL: none, or the policy
     * is not known yet. */
    json_t *subsets;
};
struct mesh_plan {
    const char *word; /* istio, istio_ambient, linkerd, gateway_api, none */
    const char *name, *version;
    struct source source;
    const char **policy; /* paths as resolved from the suite's folder */
    size_t policy_count;
    const char **ignore;
    size_t ignore_count;
    const char *trust_domain; /* NULL: cluster.local */
    const char *metrics;      /* a page of counters of an external mesh, or "auto"; NULL: auto */
};

#define PLAN_ARMS_MOST 4

enum depth { DEPTH_FULL, DEPTH_QUICK };
enum controls { CONTROLS_NONE, CONTROLS_DRAWN, CONTROLS_ALL };
/* Claims that the policy gives something to judge and that no generated phase asks. */
struct unasked {
    const char *why;
    const char **claims; /* ids */
    size_t claim_count;
};

struct scenario {
    const char *name, *about, *owner;
    struct source source;
    const char **tags;
    size_t tag_count;
    struct mesh_plan mesh;
    /* Several declared meshes (2 to PLAN_ARMS_MOST), as their author wrote them: arms. ${mesh} is
     * then the first that has a policy. plan_split_arms makes one scenario of each, which says
     * whose arm it is. */
    struct mesh_plan *arms;
    size_t arm_count;
    const char *arm, *arms_of; /* "linkerd", "tails": the arm, and the scenario as written */
    struct lab_plan lab;
    struct load_plan *loads;
    size_t load_count;
    struct guard_plan *guards;
    size_t guard_count;
    struct probe_plan *probes;
    size_t probe_count;
    struct notify_plan *notifies;
    size_t notify_count;
    uint64_t deadline_ns, settle_ns;
    const char **needs; /* net_admin, tls_owned, zones, human */
    size_t need_count;
    const char *missing; /* of those, what is not here ("net_admin,human"); a command's to set */
    const char *lint;    /* fail, report, ignore */
    /* It runs and is reported, and does not gate until that day is over ("2026-12-31"); NULL: it is
     * in no quarantine. */
    const char *quarantine_until, *quarantine_owner, *quarantine_reason;
    /* A file of failures that somebody answers for, and, from the run on, what it held: a journal
     * is judged again without it. */
    const char *exceptions, *exceptions_yaml;
    struct phase *phases;
    size_t phase_count;
    struct step *steps; /* scenario-long faults and expectations */
    size_t step_count;
    /* scenario.from_policy: made from the policy alone. While ${from_policy} is set and phase_count
     * is 0, the planner (verify/generate.h) fills the phases in. */
    bool from_policy;
    const char **edges, **claims, **except, **methods;
    size_t edge_count, claim_count, except_count, method_count;
    uint64_t budget_ns, patience_ns;
    enum depth depth;
    enum controls controls;
    struct unasked *unasked; /* the planner's, one a reason: plan and every report name them */
    size_t unasked_count;
};

struct plan {
    const char *suite; /* file of the suite */
    struct scenario *scenarios;
    size_t scenario_count;
    json_t *files;  /* [{path, sha256}] */
    json_t *params; /* {name: value used} */
    double false_alarms;
    struct arena arena;
    json_t *owned; /* array: keeps every json_t of the plan alive */
};

struct plan *plan_new(void);
void plan_free(struct plan *p);
/* JSON, and back: `plan --as json`, `run plan.json`, the journal's plan row. Exact. */
json_t *plan_to_json(const struct plan *p);
bool plan_from_json(const json_t *from, struct plan **ret, struct error *err) WARN_UNUSED;
/* SHA-256 of the JSON form, hex (64 characters + NUL). */
void plan_hash(const struct plan *p, char to[65]);
/* Everything that can be checked without a policy: places against the lab, windows, words and their
 * keys (faults by fault_use_from_json, expectations and awaits by their rows), ends, names; numbers
 * the faults. The first error. */
bool plan_check(struct plan *p, struct error *err) WARN_UNUSED;
/* The same, going on: all errors, as many as ${errors} keeps. What is missing as a whole (no phase,
 * no mesh, no load, no lab) is said only when nothing else is wrong. */
struct errors;
void plan_check_all(struct plan *p, struct errors *errors);
/* Gives every fault of the scenario its number, in the order in which they are written. plan_check
 * and plan_from_json do so too; generators call it after adding phases. */
void plan_number_faults(struct scenario *s);
/* The same of the tags of its loads, phase by phase, one number a text. */
void plan_number_tags(struct scenario *s);
/* Those tags by number: a JSON array, the caller's. */
json_t *plan_tags(const struct scenario *s);
/* From a tagged request of an open load to the next; the longest such gap, 0 without tags. */
uint64_t tagged_gap_ns(const struct load_plan *l, const struct tagged *t);
uint64_t tagged_longest_gap_ns(const struct load_plan *l);
/* One scenario for each arm of those that have several (harness/adr/0021), named "tails, arm
 * linkerd", next to each other; the rest as they are. */
bool plan_split_arms(struct plan *p, struct error *err) WARN_UNUSED;
/* mesh.none, as an arm or alone: nobody plays a mesh, callers send to the endpoints themselves. */
bool plan_is_meshless(const struct scenario *s);
/* The settle times between its phases, of which the last has none. */
uint64_t plan_settle_ns(const struct scenario *s);
/* An arm without a mesh: what a policy promises is not asked of it, and nothing of it gates. */
bool plan_is_control_arm(const struct scenario *s);
/* Both are arms of one scenario as its author wrote it. */
bool plan_same_arms(const struct scenario *a, const struct scenario *b);
/* Whether the lab's proxies speak mutual TLS: as `tls` says; unsaid: when the mesh is an Envoy and
 * a step needs certificates, or asks whether they are used (harness/adr/0011). */
bool plan_lab_tls(const struct scenario *s);
/* Which data plane plays an edge of the lab: "sidecar", "ztunnel", "waypoint", "linkerd". As
 * `proxies` says; unsaid: the target's own, which in ambient is the waypoint where the policy has
 * one. */
const char *plan_plane(const struct scenario *s, bool has_waypoint);
/* Of a service: its endpoints speak plaintext in a lab of mutual TLS; two proxies in a row. */
bool plan_is_plain(const struct service_plan *s);
bool plan_has_leftover(const struct service_plan *s);
/* A protocol of a load or a service: raw TCP, that is bytes without requests. NULL is none. */
bool plan_is_raw(const char *protocol);
/* A step needs certificates, or asks whether they are used. */
bool plan_asks_certs(const struct scenario *s);
/* Where the suite names no driver: who can play what it asks for. The builtin mesh speaks HTTP/1.1
 * and has no TLS; what needs more is played by Envoy (harness/adr/0020). */
void plan_choose_driver(struct scenario *s);
/* Some expectation asks for the data planes that a request passed: they leave their marks. */
bool plan_asks_path(const struct scenario *s);
/* The zone of an endpoint, from 1; NULL: the service has none. */
const char *plan_zone_of(const struct service_plan *s, uint32_t endpoint);
/* A label of one, as a DestinationRule's subset chooses by it: version, app, and the zone's; NULL:
 * it has none. */
const char *plan_label_of(const struct service_plan *s, uint32_t endpoint, const char *key);
/* Whether an endpoint of the place's service is meant: all of "b", one of "b/2", those of "b@v2".
 */
bool plan_place_has(const struct scenario *s, const struct place_end *end, uint32_t endpoint);
/* How many a subset has; 0: not known yet. */
uint32_t plan_subset_count(const struct scenario *s, const struct place_end *end);
/* An ordinary suite to copy from (`plan --as lua`). */
void plan_print_lua(const struct plan *p, struct text *to);
/* The same without its first lines, for a writer who says where it came from himself. */
void plan_print_suite(const struct plan *p, struct text *to);
/* The dry run as people read it (scenario-language.md 2.8, situation 10), but for its last line:
 * the hash and the seed are the command's to print. */
void plan_print_text(const struct plan *p, struct text *to);

/* Builders for generated plans: keys are name, value pairs ended by NULL; values as a user writes
 * them. */
struct step step_make(struct plan *p, enum step_kind kind, const char *word, const char *on,
                      struct source source, const char *const *keys);
void step_set_json(struct plan *p, struct step *s, const char *key, json_t *take_value);

/* The rows of expect.* and await.* words (keys, types, help): words.def. */
struct word_type {
    const char *family, *word, *help; /* "expect", "retries" */
    const struct param *params;       /* text rows: values are checked by unit only */
    size_t param_count;
    bool needs_on;
};
const struct word_type *word_types(size_t *ret_count);
const struct word_type *word_type_find(const char *family, const char *word);

#endif
