#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

/* The policy is the oracle (design.md 1.1). This is the normalised model that every dialect is read
 * into, and that the drivers program, the generator plans from, and the claims judge by. It is not
 * a picture of any YAML: it says what the declared *target* makes of the objects, default policies
 * included (spec: reference/policy-semantics.md A, B, C, D).
 *
 * Every number knows its line. What a target ignores is not in here: it is a finding. */

#include "base/arena.h"
#include "base/text.h"

#include <jansson.h>

enum mesh { MESH_NONE, MESH_ISTIO, MESH_ISTIO_AMBIENT, MESH_LINKERD, MESH_GATEWAY_API };

/* "istio@1.31", "istio-ambient@1.22", "linkerd@2.15", "gateway-api@1.6". */
struct target {
    enum mesh mesh;
    uint32_t major, minor;
};

bool target_parse(const char *text, struct target *ret, struct error *err) WARN_UNUSED;
const char *target_print(struct target target, char *to, size_t size);
/* True when the target is at least this version. */
bool target_since(struct target target, uint32_t major, uint32_t minor);

/* Whose data plane plays it: Envoy's rules (Istio sidecar, waypoint, gateway) or Linkerd's, or one
 * that knows no HTTP at all (ztunnel without a waypoint). */
enum flavour { FLAVOUR_ENVOY, FLAVOUR_LINKERD, FLAVOUR_L4 };

/* A value of the policy. ${set} is false where nothing, not even the target's default, gives one.
 * ${origin} names the field ("VirtualService payments http[0].retries.attempts") or the default
 * ("default of istio@1.31"); ${source} is the line, empty for a default. */
struct value {
    uint64_t number; /* a count, ns, or percent, as the field's name says */
    bool set;
    struct source source;
    const char *origin;
};

/* What is retried: Envoy's retry_on tokens (policy-semantics.md A1); Linkerd's lists become
 * RETRY_STATUS_CODES, RETRY_GRPC_* and RETRY_LINKERD_TIMEOUT. */
enum retry_on {
    RETRY_5XX = 1 << 0,
    RETRY_GATEWAY_ERROR = 1 << 1,
    RETRY_RESET = 1 << 2,
    RETRY_RESET_BEFORE_REQUEST = 1 << 3,
    RETRY_CONNECT_FAILURE = 1 << 4,
    RETRY_REFUSED_STREAM = 1 << 5,
    RETRY_RETRIABLE_4XX = 1 << 6,
    RETRY_STATUS_CODES = 1 << 7, /* those in ${codes} */
    RETRY_ENVOY_RATELIMITED = 1 << 8,
    RETRY_GRPC_CANCELLED = 1 << 9,
    RETRY_GRPC_DEADLINE_EXCEEDED = 1 << 10,
    RETRY_GRPC_INTERNAL = 1 << 11,
    RETRY_GRPC_RESOURCE_EXHAUSTED = 1 << 12,
    RETRY_GRPC_UNAVAILABLE = 1 << 13,
    RETRY_LINKERD_TIMEOUT = 1 << 14, /* Linkerd: its own retry.timeout, codes or not */
};

#define STATUS_SET_WORDS 8
/* A set of HTTP status codes 100..599. */
struct status_set {
    uint64_t word[STATUS_SET_WORDS];
};
void status_set_add(struct status_set *s, uint32_t status);
bool status_set_has(const struct status_set *s, uint32_t status);
bool status_set_any(const struct status_set *s);

struct retry_rule {
    struct value attempts;        /* retries after the first try; always set (0: none) */
    struct value per_try_timeout; /* ns */
    uint32_t on;                  /* enum retry_on bits */
    struct status_set codes;
    struct value conditions; /* number unused: the line and origin of the retryOn list */
    struct value backoff_base, backoff_max; /* ns */
    bool other_host; /* a retry avoids the hosts tried before (Istio: previous_hosts) */
    /* A Linkerd ServiceProfile's isRetryable: no bound for one request, only the budget's for all;
     * ${attempts} is 0 and unset then (policy-semantics.md D4). */
    bool by_budget;
};

/* A limit of retries over all requests of an edge. */
enum budget_kind {
    BUDGET_NONE,
    BUDGET_ENVOY,   /* retries at once: max(ratio x requests, least) (A6) */
    BUDGET_LINKERD, /* tokens: ratio x answers, and so many a second (D4) */
};
struct budget_rule {
    enum budget_kind kind;
    struct value ratio_ppm; /* Envoy's budget_percent / 100, Linkerd's retryRatio */
    struct value least;     /* Envoy: min_retry_concurrency; Linkerd: minRetriesPerSecond */
    struct value interval;  /* ns; Envoy: budget_interval, 0 counts those in flight only;
                               Linkerd: ttl */
};

/* A rate limit of the called service's own proxy (Linkerd HTTPLocalRateLimitPolicy, D8). */
struct rate_rule {
    bool present;
    struct value per_second, burst;
};

enum lb_policy {
    LB_LEAST_REQUEST, /* Istio's default */
    LB_ROUND_ROBIN,
    LB_RANDOM,
    LB_CONSISTENT_HASH,
    LB_PASSTHROUGH,
    LB_EWMA,       /* Linkerd: of latency, power of two choices */
    LB_CONNECTION, /* by connections: no HTTP is known (ztunnel, opaque ports) */
    LB_POLICIES,
};
extern const char *const lb_policy_names[LB_POLICIES]; /* "LEAST_REQUEST" as Istio writes it */

/* What the called side's proxy takes, and what the calling side's proxy sends (E). */
enum mtls_mode { MTLS_DISABLE, MTLS_PERMISSIVE, MTLS_STRICT, MTLS_MODES };
extern const char *const mtls_mode_names[MTLS_MODES];
struct mtls_rule {
    struct value accepts; /* enum mtls_mode: PeerAuthentication, Linkerd's Server and default */
    struct value sends;   /* enum mtls_mode, PERMISSIVE: where the other side can ("auto mTLS") */
    const char *identity; /* of the called service: "spiffe://td/ns/shop/sa/payments"; NULL: any */
};

/* Envoy outlier detection. consecutive_* 0: that detector does not eject. */
struct outlier_rule {
    bool present;
    struct value consecutive_5xx, consecutive_gateway;
    struct value interval, base_ejection, max_ejection; /* ns */
    struct value max_ejection_percent, min_health_percent;
    bool split_local_errors;
    struct value consecutive_local;
};

/* Linkerd consecutive failure accrual. */
struct accrual_rule {
    bool present;
    struct value max_failures, min_penalty, max_penalty; /* ns */
    struct value jitter_ppm;                             /* ratio in parts per million */
};

/* connectionPool of a DestinationRule, as Envoy's thresholds; unset: no limit. */
struct pool_rule {
    struct value max_connections, max_pending, max_requests, max_retries, requests_per_connection;
    struct value connect_timeout; /* ns */
};

/* What else is said of a value of the edge, in the policy or by the target's default, and is not in
 * force. */
struct other_value {
    const char *name;   /* "retry.attempts", as edge_policy_print has it; "": of the whole edge */
    const char *shown;  /* "5"; "" where it is a whole object or annotation */
    const char *origin; /* as of a struct value */
    struct source source;
    const char *why; /* NULL: the value in force took its place */
    bool ignored;    /* the target does not read it, or does nothing with it; else: overridden */
};

/* The effective policy of one edge and one route on it. Small; ${arena} of the policy holds the
 * text. */
struct edge_policy {
    const char *from,
        *to;           /* services; from is "client" where the policy does not know the caller */
    const char *path;  /* a path that the route takes; "/" where it takes all */
    const char *route; /* "payments/http[0]", for reports */
    struct target target;
    enum flavour flavour;
    uint32_t endpoints; /* how many the caller said there are; 0: not known */
    struct retry_rule retry;
    struct value request_timeout; /* ns; unset or 0: none. For Linkerd timeout.linkerd.io/request */
    struct outlier_rule outlier;
    struct accrual_rule accrual;
    struct pool_rule pool;
    struct budget_rule budget;
    struct rate_rule rate;
    struct value balance; /* enum lb_policy */
    struct mtls_rule mtls;
    /* By policy_explain only, and in the JSON that is read by people only. */
    const struct other_value *others;
    size_t other_count;
};

/* A failure of one try, as a claim and the model speak of it (verifier.md 3.1). */
enum cause {
    CAUSE_STATUS,  /* the endpoint answered ${status} */
    CAUSE_RESET,   /* RST after the request, before the head */
    CAUSE_REFUSED, /* connect refused */
    CAUSE_ACCEPT,  /* RST at accept */
    CAUSE_HOLD,    /* the per-try timeout ran out */
    CAUSE_FIN,     /* a clean close before the head */
};
/* Whether the rule retries it (A1's table; Linkerd by D2). The per-try or request count is not
 * asked. */
bool retry_rule_covers(const struct edge_policy *edge, enum cause cause, uint32_t status);
/* floor(endpoints * percent / 100), the hosts that may be out at once (Envoy >= 1.28). */
uint32_t outlier_rule_cap(const struct outlier_rule *rule, uint32_t endpoints);
/* The failures in a row on one host that eject it: the smallest of the detectors that are on, 0:
 * none. Without ${gateway} that of all answers that are 5xx alone, with it those of gateway errors
 * and of tries without an answer too. */
uint64_t outlier_rule_threshold(const struct outlier_rule *rule, bool gateway);

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

/* Something the reader has to say: unknown, inert, ignored or contradictory (design.md section 7).
 */
struct finding {
    const char *rule; /* "ejection.inert": a row of lint_rules.def */
    enum severity severity;
    struct source source;
    const char *text, *fix;
};

struct policy;

struct policy_options {
    struct target target;
    uint32_t endpoints; /* per service; 0: not known, and said is only what up to three share */
};

/* Reads files and folders (*.yaml *.yml, not hidden, sorted), all documents of each; "-" is the
 * standard input, whose marks say "stdin". Fails only on
 * what is not readable at all (no such file, no YAML, past a limit); all else is a finding. */
bool policy_read(const char *const *paths, size_t count, const struct policy_options *options,
                 struct policy **ret, struct error *err) WARN_UNUSED;
/* The same from memory; ${name} is what the marks say. */
bool policy_read_bytes(struct bytes yaml, const char *name, const struct policy_options *options,
                       struct policy **ret, struct error *err) WARN_UNUSED;
void policy_free(struct policy *p);
size_t policy_object_count(const struct policy *p);
/* Sorted by file and line. Borrowed. */
const struct finding *policy_findings(const struct policy *p, size_t *ret_count);
/* A subset of a DestinationRule: the endpoints of its host that have all of these labels. */
struct subset_label {
    const char *key, *value;
};
struct subset {
    const char *name;
    struct source source;
    struct subset_label *labels;
    size_t label_count;
};
/* Those of ${service}, in the order in which they are written. The list is in ${arena}, its text is
 * borrowed from ${p}. */
const struct subset *policy_subsets(const struct policy *p, const char *service,
                                    struct arena *arena, size_t *ret_count);
/* The services that any object governs, sorted. Borrowed. */
const char *const *policy_services(const struct policy *p, size_t *ret_count);
/* The effective policy for a request of ${path} (NULL: the first route that exists) on from -> to.
 * Always succeeds: where no object speaks, the target's defaults stand. Text is borrowed from ${p}.
 */
void policy_resolve(const struct policy *p, const char *from, const char *to, const char *path,
                    uint32_t endpoints, struct edge_policy *ret);

/* The same, with all that was overridden or is ignored in ${others}, which is in ${arena}. */
void policy_explain(const struct policy *p, const char *from, const char *to, const char *path,
                    uint32_t endpoints, struct arena *arena, struct edge_policy *ret);

/* Adds the effective policy to ${to}: one value a line with its mark and origin, aligned;
 * `explain`'s text. */
void edge_policy_print(const struct edge_policy *edge, struct text *to);

/* The saved form, in the journal's policy row, in SETUP of the mesh agent, and for `explain
 * --json`. */
json_t *edge_policy_to_json(const struct edge_policy *edge);
bool edge_policy_from_json(const json_t *from, struct arena *arena, struct edge_policy *ret,
                           struct error *err) WARN_UNUSED;

#endif
