#include "policy/edge.h"

#include "base/text.h"
#include "base/units.h"

#define ROW(group, field, unit) \
    { \
#group, #field, offsetof(struct edge_policy, group.field), unit, NULL, 0 \
    }
#define WORDS(group, name, field, words) \
    { \
        group, name, offsetof(struct edge_policy, field), EDGE_WORD, words, COUNT_OF(words) \
    }

const char *const lb_policy_names[LB_POLICIES] = {
    [LB_LEAST_REQUEST] = "LEAST_REQUEST",
    [LB_ROUND_ROBIN] = "ROUND_ROBIN",
    [LB_RANDOM] = "RANDOM",
    [LB_CONSISTENT_HASH] = "CONSISTENT_HASH",
    [LB_PASSTHROUGH] = "PASSTHROUGH",
    [LB_EWMA] = "EWMA",
    [LB_CONNECTION] = "CONNECTION",
};
const char *const mtls_mode_names[MTLS_MODES] = {
    [MTLS_DISABLE] = "DISABLE", [MTLS_PERMISSIVE] = "PERMISSIVE", [MTLS_STRICT] = "STRICT"};

static const struct edge_value rows[] = {
    {"", "request_timeout", offsetof(struct edge_policy, request_timeout), EDGE_NS, NULL, 0},
    WORDS("", "balance", balance, lb_policy_names),
    ROW(retry, attempts, EDGE_COUNT),
    ROW(retry, per_try_timeout, EDGE_NS),
    ROW(retry, conditions, EDGE_LIST),
    ROW(retry, backoff_base, EDGE_NS),
    ROW(retry, backoff_max, EDGE_NS),
    ROW(outlier, consecutive_5xx, EDGE_COUNT),
    ROW(outlier, consecutive_gateway, EDGE_COUNT),
    ROW(outlier, consecutive_local, EDGE_COUNT),
    ROW(outlier, interval, EDGE_NS),
    ROW(outlier, base_ejection, EDGE_NS),
    ROW(outlier, max_ejection, EDGE_NS),
    ROW(outlier, max_ejection_percent, EDGE_PERCENT),
    ROW(outlier, min_health_percent, EDGE_PERCENT),
    ROW(accrual, max_failures, EDGE_COUNT),
    ROW(accrual, min_penalty, EDGE_NS),
    ROW(accrual, max_penalty, EDGE_NS),
    ROW(accrual, jitter_ppm, EDGE_PPM),
    ROW(pool, max_connections, EDGE_COUNT),
    ROW(pool, max_pending, EDGE_COUNT),
    ROW(pool, max_requests, EDGE_COUNT),
    ROW(pool, max_retries, EDGE_COUNT),
    ROW(pool, requests_per_connection, EDGE_COUNT),
    ROW(pool, connect_timeout, EDGE_NS),
    ROW(budget, ratio_ppm, EDGE_PPM),
    ROW(budget, least, EDGE_COUNT),
    ROW(budget, interval, EDGE_NS),
    ROW(rate, per_second, EDGE_COUNT),
    ROW(rate, burst, EDGE_COUNT),
    WORDS("mtls", "accepts", mtls.accepts, mtls_mode_names),
    WORDS("mtls", "sends", mtls.sends, mtls_mode_names),
};

static const struct edge_word words[] = {
    {"5xx", RETRY_5XX},
    {"gateway-error", RETRY_GATEWAY_ERROR},
    {"reset", RETRY_RESET},
    {"reset-before-request", RETRY_RESET_BEFORE_REQUEST},
    {"connect-failure", RETRY_CONNECT_FAILURE},
    {"refused-stream", RETRY_REFUSED_STREAM},
    {"retriable-4xx", RETRY_RETRIABLE_4XX},
    {"retriable-status-codes", RETRY_STATUS_CODES},
    {"envoy-ratelimited", RETRY_ENVOY_RATELIMITED},
    {"cancelled", RETRY_GRPC_CANCELLED},
    {"deadline-exceeded", RETRY_GRPC_DEADLINE_EXCEEDED},
    {"internal", RETRY_GRPC_INTERNAL},
    {"resource-exhausted", RETRY_GRPC_RESOURCE_EXHAUSTED},
    {"unavailable", RETRY_GRPC_UNAVAILABLE},
    {"timeout", RETRY_LINKERD_TIMEOUT},
};

static const char *const flavours[] = {
    [FLAVOUR_ENVOY] = "envoy", [FLAVOUR_LINKERD] = "linkerd", [FLAVOUR_L4] = "l4"};

const struct edge_value *edge_values(size_t *ret_count)
{
    *ret_count = COUNT_OF(rows);
    return rows;
}

const struct value *edge_value_get(const struct edge_policy *edge, const struct edge_value *row)
{
    return (const struct value *)(const void *)((const char *)edge + row->offset);
}

const struct edge_word *edge_retry_words(size_t *ret_count)
{
    *ret_count = COUNT_OF(words);
    return words;
}

const char *edge_flavour_name(enum flavour flavour)
{
    return flavours[flavour];
}

bool edge_flavour_find(const char *name, enum flavour *ret)
{
    for (size_t i = 0; i < COUNT_OF(flavours); i++) {
        if (strcmp(flavours[i], name) == 0) {
            *ret = (enum flavour)i;
            return true;
        }
    }
    return false;
}

/* Codes as ranges: "500,502-504". */
static void add_codes(struct text *to, const struct status_set *codes)
{
    const char *comma = "";
    for (uint32_t s = 100; s <= 599; s++) {
        uint32_t last = s;
        if (!status_set_has(codes, s))
            continue;
        while (last < 599 && status_set_has(codes, last + 1))
            last++;
        if (last == s)
            text_add(to, "%s%u", comma, s);
        else
            text_add(to, "%s%u-%u", comma, s, last);
        comma = ",";
        s = last;
    }
}

static void add_conditions(struct text *to, const struct retry_rule *rule)
{
    const char *comma = "";
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if ((rule->on & words[i].bit) == 0 || words[i].bit == RETRY_STATUS_CODES)
            continue;
        text_add(to, "%s%s", comma, words[i].name);
        comma = ",";
    }
    if ((rule->on & RETRY_STATUS_CODES) != 0) {
        text_add(to, "%s", comma);
        add_codes(to, &rule->codes);
    }
}

void edge_value_show(const struct edge_policy *edge, const struct edge_value *row, struct text *to)
{
    char number[32];
    const struct value *v = edge_value_get(edge, row);
    switch (row->unit) {
    case EDGE_COUNT:
        text_add(to, "%llu", (unsigned long long)v->number);
        return;
    case EDGE_NS:
        text_add(to, "%s",
                 v->number == 0 ? "none" : units_print_duration(v->number, number, sizeof(number)));
        return;
    case EDGE_PERCENT:
        text_add(to, "%llu%%", (unsigned long long)v->number);
        return;
    case EDGE_PPM:
        text_add(to, "%llu.%06llu", (unsigned long long)(v->number / 1000000),
                 (unsigned long long)(v->number % 1000000));
        return;
    case EDGE_LIST:
        add_conditions(to, &edge->retry);
        return;
    case EDGE_WORD:
        text_add(to, "%s", v->number < row->word_count ? row->words[v->number] : "?");
        return;
    }
    UNREACHABLE();
}

const char *edge_value_name(const struct edge_value *row, char to[EDGE_NAME_SIZE])
{
    snprintf(to, EDGE_NAME_SIZE, "%s%s%s", row->group, row->group[0] == '\0' ? "" : ".", row->name);
    return to;
}

const struct edge_value *edge_value_find(const char *name)
{
    char own[EDGE_NAME_SIZE];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(edge_value_name(&rows[i], own), name) == 0)
            return &rows[i];
    }
    return NULL;
}

static void add_line(struct text *to, const char *name, const char *shown, const struct value *v)
{
    char mark[400];
    if (v->origin == NULL && v->source.file == NULL)
        text_add(to, "  %-32s %s\n", name, shown);
    else if (source_format(v->source, true, mark, sizeof(mark)) == 0)
        text_add(to, "  %-32s %-24s %s\n", name, shown, v->origin == NULL ? "" : v->origin);
    else
        text_add(to, "  %-32s %-24s %s  %s\n", name, shown, mark,
                 v->origin == NULL ? "" : v->origin);
}

/* "overridden: 5 (DestinationRule payments ..., k8s/payments.yaml:9:7)" */
static void add_other(struct text *to, const struct other_value *o)
{
    char mark[400];
    bool marked = source_format(o->source, true, mark, sizeof(mark)) > 0;
    const char *origin = o->origin == NULL ? "" : o->origin;
    text_add(to, "%s%s: ", o->name[0] == '\0' ? "  " : "    ",
             o->ignored ? "ignored" : "overridden");
    if (o->shown[0] == '\0')
        text_add(to, "%s%s%s%s", origin, marked ? " (" : "", marked ? mark : "", marked ? ")" : "");
    else
        text_add(to, "%s (%s%s%s)", o->shown, origin, marked ? ", " : "", marked ? mark : "");
    text_add(to, "%s%s\n", o->why == NULL ? "" : ": ", o->why == NULL ? "" : o->why);
}

static size_t add_others(struct text *to, const struct edge_policy *edge, const char *name)
{
    size_t found = 0;
    for (size_t i = 0; i < edge->other_count; i++) {
        if (strcmp(edge->others[i].name, name) != 0)
            continue;
        found++;
        if (to != NULL)
            add_other(to, &edge->others[i]);
    }
    return found;
}

/* A value that is in force, or that something was said of. */
static void add_row(struct text *to, const struct edge_policy *edge, const struct edge_value *row)
{
    static const struct value nothing = {0};
    const struct value *v = edge_value_get(edge, row);
    bool unbounded = edge->retry.by_budget && v == &edge->retry.attempts;
    char name[EDGE_NAME_SIZE];
    struct text shown;
    edge_value_name(row, name);
    if (!v->set && add_others(NULL, edge, name) == 0)
        return;
    text_init(&shown, 8192);
    if (v->set)
        edge_value_show(edge, row, &shown);
    add_line(to, name,
             v->set      ? text_get(&shown)
             : unbounded ? "as the budget goes"
                         : "none",
             v->set ? v : &nothing);
    text_release(&shown);
    add_others(to, edge, name);
}

void edge_policy_print(const struct edge_policy *edge, struct text *to)
{
    char target[48];
    text_add(to, "%s -> %s  %s  path %s  %s, %s\n", edge->from, edge->to,
             edge->route[0] == '\0' ? "no route of its own" : edge->route, edge->path,
             target_print(edge->target, target, sizeof(target)), edge_flavour_name(edge->flavour));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        add_row(to, edge, &rows[i]);
    if (edge->retry.by_budget)
        text_add(to, "  %-32s %s\n", "retry", "as far as the budget goes");
    if (edge->mtls.identity != NULL)
        text_add(to, "  %-32s %s\n", "mtls.identity", edge->mtls.identity);
    if (!edge->request_timeout.set && add_others(NULL, edge, "request_timeout") == 0)
        text_add(to, "  %-32s %s\n", "request_timeout", "none");
    if (edge->outlier.present && edge->endpoints > 0)
        text_add(to, "  %-32s %-24u of %u endpoints\n", "outlier.cap",
                 outlier_rule_cap(&edge->outlier, edge->endpoints), edge->endpoints);
    if (edge->flavour == FLAVOUR_L4)
        text_add(to, "  this data plane knows no HTTP: no retries, no timeouts, no ejection\n");
    add_others(to, edge, "");
}
