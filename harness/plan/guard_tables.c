#include "plan/row.h"

/* The rows of guard.* and probe.* (scenario-language.md section 2), in the language's order. */

#define AT(type, field) .offset = offsetof(type, field), .width = sizeof(((type *)NULL)->field)
#define BOTH .face = ROW_SUITE | ROW_SAVED
#define SUITE .face = ROW_SUITE
#define SAVED .face = ROW_SAVED
#define TEXT(type, field) .kind = ROW_TEXT, AT(type, field)
#define TEXTS(type, field, count) \
    .kind = ROW_TEXTS, AT(type, field), .count_offset = offsetof(type, count)
#define COUNT(type, field) .kind = ROW_NUMBER, .unit = UNIT_COUNT, AT(type, field)
#define TIME(type, field) \
    .kind = ROW_NUMBER, .unit = UNIT_TIME_NS, AT(type, field), .most = TIME_MOST
#define WORD(type, field, list) .kind = ROW_WORD, AT(type, field), .words = list
#define WHERE(type) \
    { \
        .name = "where", .kind = ROW_SOURCE, AT(type, source), SAVED \
    }

#define TIME_MOST (UINT64_C(30) * 86400 * 1000000000) /* 30 days */
#define RATE_MOST (UINT64_C(1000000) * 3600)          /* 1 000 000/s */

static const char *const probe_words[] = {"client", "grpc_health", "http", "promql", "tcp", NULL};
static const char *const client_values[] = {"errors", "p50", "p90", "p99", "rate", NULL};
static const char *const guard_words[] = {"limits", "stop", "window", NULL};
static const char *const missing_words[] = {"stop", "ignore", NULL};

#define PROBE struct probe_plan
static const struct row probe_rows[] = {
    {.name = "word", WORD(PROBE, kind, probe_words), SAVED},
    {.name = "name", TEXT(PROBE, name), SAVED},
    WHERE(PROBE),
    {.name = "on",
     .kind = ROW_PLACE,
     AT(PROBE, on),
     BOTH,
     .only = "probe.client",
     .required = true},
    {.name = "value", TEXT(PROBE, value), SAVED},
    {.name = "value",
     TEXT(PROBE, value),
     SUITE,
     .only = "probe.client",
     .words = client_values,
     .required = true},
    {.name = "query", TEXT(PROBE, query), BOTH, .only = "probe.promql", .required = true},
    {.name = "url", TEXT(PROBE, url), SAVED},
    {.name = "url", TEXT(PROBE, url), SUITE, .only = "probe.promql"},
    {.name = "url", TEXT(PROBE, url), SUITE, .only = "probe.http", .required = true},
    {.name = "token", TEXT(PROBE, token), BOTH, .only = "probe.promql"},
    {.name = "status",
     COUNT(PROBE, status),
     BOTH,
     .only = "probe.http",
     .fallback = "200",
     .least = 100,
     .most = 599},
    {.name = "body", TEXT(PROBE, body), BOTH, .only = "probe.http"},
    {.name = "value", TEXT(PROBE, value), SUITE, .only = "probe.http"},
    {.name = "ca", TEXT(PROBE, ca), BOTH, .only = "probe.http"},
    {.name = "address", TEXT(PROBE, address), SAVED},
    {.name = "address", TEXT(PROBE, address), SUITE, .only = "probe.tcp", .required = true},
    {.name = "address", TEXT(PROBE, address), SUITE, .only = "probe.grpc_health", .required = true},
    {.name = "service", TEXT(PROBE, service), BOTH, .only = "probe.grpc_health"},
    {.name = "every", TIME(PROBE, every_ns), BOTH, .fallback = "5s", .least = 10000000},
    {.name = "timeout", TIME(PROBE, timeout_ns), BOTH, .fallback = "2s", .least = 1000000},
};
const struct row_table probe_table = {"probe", probe_rows, COUNT_OF(probe_rows), sizeof(PROBE),
                                      NULL};

#define GUARD struct guard_plan
static const struct row guard_rows[] = {
    {.name = "word", WORD(GUARD, kind, guard_words), SAVED},
    WHERE(GUARD),
    {.name = "endpoints", TEXT(GUARD, endpoints), SAVED},
    {.name = "endpoints", .kind = ROW_SPECIAL, SUITE, .only = "guard.limits"},
    {.name = "keep", COUNT(GUARD, keep), BOTH, .only = "guard.limits", .most = 1000},
    {.name = "share",
     .kind = ROW_NUMBER,
     .unit = UNIT_SHARE_PPM,
     AT(GUARD, share_ppm),
     BOTH,
     .only = "guard.limits",
     .least = 1,
     .most = 1000000},
    {.name = "delay", TIME(GUARD, delay_ns), BOTH, .only = "guard.limits", .least = 1},
    {.name = "ttl", TIME(GUARD, ttl_ns), BOTH, .only = "guard.limits", .least = 1},
    {.name = "services", TEXTS(GUARD, services, service_count), BOTH, .only = "guard.limits"},
    {.name = "namespaces", TEXTS(GUARD, namespaces, namespace_count), BOTH, .only = "guard.limits"},
    {.name = "requests",
     .kind = ROW_NUMBER,
     .unit = UNIT_RATE_PER_H,
     AT(GUARD, requests_per_h),
     BOTH,
     .only = "guard.limits",
     .least = 1,
     .most = RATE_MOST},
    {.name = "probe", TEXT(GUARD, probe), SAVED},
    {.name = "own", .kind = ROW_SUB, AT(GUARD, own), .of = &probe_table, SAVED},
    {.name = "probe",
     .kind = ROW_SUB,
     AT(GUARD, own),
     .of = &probe_table,
     SUITE,
     .only = "guard.stop",
     .required = true},
    {.name = "above", TEXT(GUARD, above), SAVED},
    {.name = "above", .kind = ROW_SPECIAL, SUITE, .only = "guard.stop"},
    {.name = "below", TEXT(GUARD, below), SAVED},
    {.name = "below", .kind = ROW_SPECIAL, SUITE, .only = "guard.stop"},
    {.name = "over",
     TIME(GUARD, over_ns),
     BOTH,
     .only = "guard.stop",
     .fallback = "10s",
     .least = 1},
    {.name = "missing",
     WORD(GUARD, ignore_missing, missing_words),
     BOTH,
     .only = "guard.stop",
     .fallback = "stop"},
    {.name = "note", TEXT(GUARD, note), BOTH, .only = "guard.stop"},
    {.name = "allow", TEXTS(GUARD, allow, allow_count), BOTH, .only = "guard.window"},
    {.name = "deny", TEXTS(GUARD, deny, deny_count), BOTH, .only = "guard.window"},
    {.name = "zone", TEXT(GUARD, zone), BOTH, .only = "guard.window", .fallback = "UTC"},
};
const struct row_table guard_table = {"guard", guard_rows, COUNT_OF(guard_rows), sizeof(GUARD),
                                      NULL};
