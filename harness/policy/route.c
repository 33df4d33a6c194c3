#include "policy/route.h"

#include "policy/path_regex.h"

#include "base/units.h"

#include <strings.h>

static void headroom(struct policy *p, const struct retry_rule *rule, const struct value *timeout)
{
    char each[32], all[32], whole[32];
    uint64_t tries = rule->attempts.number + 1;
    if (rule->per_try_timeout.number > UINT64_MAX / tries)
        return;
    uint64_t total = rule->per_try_timeout.number * tries;
    if (total <= timeout->number)
        return;
    units_print_duration(rule->per_try_timeout.number, each, sizeof(each));
    units_print_duration(total, all, sizeof(all));
    units_print_duration(timeout->number, whole, sizeof(whole));
    lint_add(p, LINT_TIMEOUT_HEADROOM, timeout->source,
             "%llu tries of %s are %s: timeout %s ends the last of them early",
             (unsigned long long)tries, each, all, whole);
}

void route_finish(struct policy *p, struct route *route)
{
    struct retry_rule *rule = &route->retry;
    const struct value *timeout = &route->request_timeout;
    if (!route->has_retry)
        return;
    if (rule->per_try_timeout.set && timeout->number != 0 &&
        rule->per_try_timeout.number >= timeout->number) {
        char each[32], whole[32];
        units_print_duration(rule->per_try_timeout.number, each, sizeof(each));
        units_print_duration(timeout->number, whole, sizeof(whole));
        lint_add(p, LINT_TIMEOUT_PER_TRY_INERT, rule->per_try_timeout.source,
                 "%s %s is not below timeout %s (line %u): Envoy ignores it",
                 rule->per_try_timeout.origin, each, whole, timeout->source.line);
        store_speak(p, &route->spoken, "retry.per_try_timeout", &rule->per_try_timeout,
                    "it is not below the request timeout");
        rule->per_try_timeout = (struct value){0};
    }
    if (rule->per_try_timeout.number != 0 && timeout->number != 0)
        headroom(p, rule, timeout);
}

bool route_takes(const struct route *route, const char *path)
{
    const char *own = route->path == NULL ? "" : route->path; /* NULL: any */
    size_t n = strlen(own);
    switch (route->path_kind) {
    case PATH_ANY:
        return true;
    case PATH_EXACT:
        return (route->any_case ? strcasecmp(own, path) : strcmp(own, path)) == 0;
    case PATH_PREFIX:
        return (route->any_case ? strncasecmp(own, path, n) : strncmp(own, path, n)) == 0;
    case PATH_SEGMENTS:
        while (n > 0 && own[n - 1] == '/')
            n--;
        return strncmp(own, path, n) == 0 && (path[n] == '\0' || path[n] == '/' || path[n] == '?');
    case PATH_REGEX:
        return path_regex_matches(route->regex,
                                  (struct bytes){(const uint8_t *)path, strcspn(path, "?")});
    }
    UNREACHABLE();
}

struct token {
    const char *name;
    uint32_t on;    /* 0: in force, but without a bit in the model */
    uint32_t minor; /* Istio 1.x since when */
};

static const struct token tokens[] = {
    {"5xx", RETRY_5XX, 0},
    {"gateway-error", RETRY_GATEWAY_ERROR, 0},
    {"reset", RETRY_RESET, 0},
    {"reset-before-request", RETRY_RESET_BEFORE_REQUEST, 24},
    {"connect-failure", RETRY_CONNECT_FAILURE, 0},
    {"refused-stream", RETRY_REFUSED_STREAM, 0},
    {"retriable-4xx", RETRY_RETRIABLE_4XX, 0},
    {"retriable-status-codes", RETRY_STATUS_CODES, 0},
    {"retriable-headers", 0, 0},
    {"envoy-ratelimited", RETRY_ENVOY_RATELIMITED, 0},
    {"http3-post-connect-failure", 0, 0},
    {"cancelled", RETRY_GRPC_CANCELLED, 0},
    {"deadline-exceeded", RETRY_GRPC_DEADLINE_EXCEEDED, 0},
    {"internal", RETRY_GRPC_INTERNAL, 0},
    {"resource-exhausted", RETRY_GRPC_RESOURCE_EXHAUSTED, 0},
    {"unavailable", RETRY_GRPC_UNAVAILABLE, 0},
};

/* Status numbers with a reason phrase in Go's net/http, which is what Istio's webhook asks. */
static bool has_phrase(uint64_t status)
{
    static const uint16_t ranges[][2] = {{100, 103}, {200, 208}, {226, 226}, {300, 305},
                                         {307, 308}, {400, 418}, {421, 426}, {428, 429},
                                         {431, 431}, {451, 451}, {500, 508}, {510, 511}};
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        if (status >= ranges[i][0] && status <= ranges[i][1])
            return true;
    }
    return false;
}

static void unknown_token(struct policy *p, struct bytes piece, struct source source)
{
    lint_add(p, LINT_ISTIO_RETRY_ON_UNKNOWN_TOKEN, source, "retryOn has no word \"%.*s\"",
             (int)(piece.len > 60 ? 60 : piece.len), (const char *)piece.at);
}

static void read_piece(struct policy *p, struct bytes piece, struct source source,
                       struct retry_rule *rule)
{
    uint64_t status = 0;
    if (bytes_to_u64(piece, &status)) {
        if (!has_phrase(status)) {
            unknown_token(p, piece, source);
            return;
        }
        status_set_add(&rule->codes, (uint32_t)status);
        rule->on |= RETRY_STATUS_CODES;
        return;
    }
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        const struct token *t = &tokens[i];
        if (!bytes_equal(bytes_of(t->name), piece))
            continue;
        rule->on |= t->on;
        if (t->on == 0)
            lint_add(p, LINT_RETRY_ON_NOT_JUDGED, source, "retryOn %s is in force, and not judged",
                     t->name);
        if (t->minor != 0 && !target_since(p->options.target, 1, t->minor))
            lint_add(p, LINT_ISTIO_FIELD_SINCE, source, "retryOn %s is known since Istio 1.%u",
                     t->name, t->minor);
        return;
    }
    unknown_token(p, piece, source);
}

void retry_rule_read_on(struct policy *p, const char *text, struct source source,
                        const char *origin, struct retry_rule *rule)
{
    struct bytes left = bytes_of(text);
    bool spaces = false;
    rule->conditions = value_set(0, source, origin);
    for (;;) {
        size_t comma = bytes_find(left, ',');
        struct bytes piece = {left.at, comma == SIZE_MAX ? left.len : comma};
        struct bytes trimmed = bytes_trim(piece);
        spaces = spaces || trimmed.len != piece.len;
        read_piece(p, trimmed, source, rule);
        if (comma == SIZE_MAX)
            break;
        left = (struct bytes){left.at + comma + 1, left.len - comma - 1};
    }
    if (spaces)
        lint_add(p, LINT_ISTIO_RETRY_ON_SPACES, source,
                 "%s has spaces: Istio's webhook refuses the object", origin);
}
