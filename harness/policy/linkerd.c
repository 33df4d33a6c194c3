#include "policy/linkerd.h"

#include "base/text.h"
#include "base/units.h"

/* Linkerd's annotations (policy-semantics.md D1, D2, D3, D5). Its other kinds are in
 * linkerd_profile.c and linkerd_server.c. */

#define MS UINT64_C(1000000)
#define S (1000 * MS)

static const char retry_prefix[] = "retry.linkerd.io/";
static const char timeout_prefix[] = "timeout.linkerd.io/";
static const char accrual_prefix[] = "balancer.linkerd.io/";

static const char *const known[] = {
    "retry.linkerd.io/http",
    "retry.linkerd.io/grpc",
    "retry.linkerd.io/limit",
    "retry.linkerd.io/timeout",
    "timeout.linkerd.io/request",
    "timeout.linkerd.io/response",
    "timeout.linkerd.io/idle",
    "balancer.linkerd.io/failure-accrual",
    "balancer.linkerd.io/failure-accrual-consecutive-max-failures",
    "balancer.linkerd.io/failure-accrual-consecutive-min-penalty",
    "balancer.linkerd.io/failure-accrual-consecutive-max-penalty",
    "balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio",
};

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_linkerd(const char *key)
{
    return starts(key, retry_prefix) || starts(key, timeout_prefix) || starts(key, accrual_prefix);
}

/* The annotations of a Service or route as a place: "Service payments retry.linkerd.io/http". */
static struct place annotations_of(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o);
    at.map = o->annotations;
    return at;
}

static bool refuse(struct place at, const char *key, const char *text, const char *wanted)
{
    lint_add(at.policy, LINT_LINKERD_ANNOTATION_VALUE, place_source(at, key),
             "%s is \"%.60s\"; it must be %s", place_field(at, key), text, wanted);
    return false;
}

/* Whether a key of the annotations is there; a value without quotes is a finding and absent. */
static bool text_at(struct place at, const char *key, const char **ret)
{
    return yaml_find(at.map, key) != NULL && place_text(at, key, ret, NULL);
}

/* An integer with ms, s, m, h or d, or "0"; no fractions, no compounds. */
static bool read_duration(struct place at, const char *key, struct value *ret)
{
    const char *text = NULL;
    uint64_t ns = 0;
    if (!text_at(at, key, &text))
        return true;
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;
    bool form =
        digits > 0 && (strcmp(unit, "ms") == 0 || strcmp(unit, "s") == 0 ||
                       strcmp(unit, "m") == 0 || strcmp(unit, "h") == 0 || strcmp(unit, "d") == 0);
    if (strcmp(text, "0") != 0 &&
        (!form || !units_parse_duration(text, &ns, NULL) || ns > INT64_MAX))
        return refuse(at, key, text, "one number with ms, s, m, h or d, such as \"400ms\"");
    *ret = value_set(ns, place_source(at, key), place_field(at, key));
    return true;
}

static bool read_codes(struct bytes piece, struct status_set *codes)
{
    uint64_t from = 0, to = 0;
    size_t dash = bytes_find(piece, '-');
    if (bytes_equal(piece, BYTES("5xx"))) {
        from = 500;
        to = 599;
    } else if (bytes_equal(piece, BYTES("gateway-error"))) {
        from = 502;
        to = 504;
    } else if (dash == SIZE_MAX) {
        if (!bytes_to_u64(piece, &from))
            return false;
        to = from;
    } else if (!bytes_to_u64((struct bytes){piece.at, dash}, &from) ||
               !bytes_to_u64((struct bytes){piece.at + dash + 1, piece.len - dash - 1}, &to)) {
        return false;
    }
    if (from < 100 || to > 599 || from > to)
        return false;
    for (uint64_t status = from; status <= to; status++)
        status_set_add(codes, (uint32_t)status);
    return true;
}

static bool read_grpc(struct bytes piece, uint32_t *on)
{
    static const struct {
        const char *name;
        uint32_t on;
    } rows[] = {
        {"cancelled", RETRY_GRPC_CANCELLED},
        {"deadline-exceeded", RETRY_GRPC_DEADLINE_EXCEEDED},
        {"internal", RETRY_GRPC_INTERNAL},
        {"resource-exhausted", RETRY_GRPC_RESOURCE_EXHAUSTED},
        {"unavailable", RETRY_GRPC_UNAVAILABLE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (bytes_equal(bytes_of(rows[i].name), piece)) {
            *on |= rows[i].on;
            return true;
        }
    }
    return false;
}

/* A list of pieces at commas, each exact: Linkerd trims nothing. */
static bool read_list(struct place at, const char *key, struct retry_rule *rule, bool grpc)
{
    const char *text = NULL;
    struct retry_rule found = *rule;
    if (!text_at(at, key, &text))
        return true;
    for (struct bytes left = bytes_of(text);;) {
        size_t comma = bytes_find(left, ',');
        struct bytes piece = {left.at, comma == SIZE_MAX ? left.len : comma};
        if (!(grpc ? read_grpc(piece, &found.on) : read_codes(piece, &found.codes)))
            return refuse(at, key, text,
                          grpc ? "a list such as \"unavailable,cancelled\", without spaces"
                               : "a list of codes, ranges, 5xx, gateway-error, without spaces");
        if (comma == SIZE_MAX)
            break;
        left = (struct bytes){left.at + comma + 1, left.len - comma - 1};
    }
    found.on |= grpc ? 0U : (uint32_t)RETRY_STATUS_CODES;
    found.conditions = value_set(0, place_source(at, key), place_field(at, key));
    *rule = found;
    return true;
}

static bool read_limit(struct place at, struct retry_rule *rule)
{
    static const char key[] = "retry.linkerd.io/limit";
    const char *text = NULL;
    uint64_t limit = 0;
    rule->attempts = value_default(at.policy, 1);
    if (!text_at(at, key, &text))
        return true;
    if (!bytes_to_u64(bytes_of(text), &limit) || limit > UINT16_MAX)
        return refuse(at, key, text, "a whole number of 1 to 65535");
    struct value found = value_set(limit, place_source(at, key), place_field(at, key));
    if (limit != 0) {
        rule->attempts = found;
        return true;
    }
    place_speak(at, "retry.attempts", &found, "\"0\" is taken as unset"); /* D2 */
    lint_add(at.policy, LINT_LINKERD_LIMIT_ZERO, place_source(at, key),
             "%s \"0\" is taken as unset: the limit is 1", place_field(at, key));
    return true;
}

static bool has_prefix(struct place at, const char *prefix, struct source *ret)
{
    for (size_t i = 0; at.map != NULL && i < at.map->count; i++) {
        if (starts(at.map->pairs[i].key, prefix)) {
            *ret = at.map->pairs[i].source;
            return true;
        }
    }
    return false;
}

/* Any one of the retry annotations makes a policy, whose try timeout is retried with or without
 * codes. */
static bool read_retry(struct place at, struct retry_rule *rule, bool *ret_has)
{
    struct retry_rule found = {.on = RETRY_LINKERD_TIMEOUT | RETRY_REFUSED_STREAM};
    struct source source = {0};
    if (!has_prefix(at, retry_prefix, &source))
        return true;
    found.conditions = value_set(0, source, place_field(at, "retry.linkerd.io"));
    /* Each is read, so that each bad one is named; on a Service a bad one is left out alone. */
    bool good = read_list(at, "retry.linkerd.io/grpc", &found, true);
    good = read_list(at, "retry.linkerd.io/http", &found, false) && good;
    good = read_limit(at, &found) && good;
    good = read_duration(at, "retry.linkerd.io/timeout", &found.per_try_timeout) && good;
    if (found.per_try_timeout.number == 0)
        found.on &= ~(uint32_t)RETRY_LINKERD_TIMEOUT;
    found.backoff_base = value_default(at.policy, 25 * MS);
    found.backoff_max = value_default(at.policy, 250 * MS);
    *rule = found;
    *ret_has = true;
    return good;
}

static bool read_timeout(struct place at, struct value *ret)
{
    static const char *const not_judged[] = {"timeout.linkerd.io/response",
                                             "timeout.linkerd.io/idle"};
    struct value unused = {0};
    bool good = read_duration(at, "timeout.linkerd.io/request", ret);
    for (size_t i = 0; i < COUNT_OF(not_judged); i++)
        good = read_duration(at, not_judged[i], &unused) && good;
    place_not_judged(at, not_judged, COUNT_OF(not_judged));
    return good;
}

bool linkerd_parse_ratio(const char *text, uint64_t most, uint64_t *ret_ppm)
{
    struct bytes all = bytes_of(text);
    size_t dot = bytes_find(all, '.');
    uint64_t whole = 0, part = 0;
    if (!bytes_to_u64((struct bytes){all.at, dot == SIZE_MAX ? all.len : dot}, &whole) ||
        whole > most)
        return false;
    if (dot != SIZE_MAX) {
        struct bytes after = {all.at + dot + 1, all.len - dot - 1};
        if (after.len > 6 || !bytes_to_u64(after, &part))
            return false;
        for (size_t i = after.len; i < 6; i++)
            part *= 10;
    }
    *ret_ppm = whole * 1000000 + part;
    return *ret_ppm <= most * 1000000;
}

static bool read_accrual_numbers(struct place at, struct accrual_rule *rule)
{
    static const char failures[] = "balancer.linkerd.io/failure-accrual-consecutive-max-failures";
    static const char jitter[] = "balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio";
    const char *text = NULL;
    uint64_t number = 0;
    rule->max_failures = value_default(at.policy, 7);
    rule->min_penalty = value_default(at.policy, S);
    rule->max_penalty = value_default(at.policy, 60 * S);
    rule->jitter_ppm = value_default(at.policy, 500000);
    if (text_at(at, failures, &text)) {
        if (!bytes_to_u64(bytes_of(text), &number) || number == 0 || number > UINT32_MAX)
            return refuse(at, failures, text, "a whole number from 1");
        rule->max_failures =
            value_set(number, place_source(at, failures), place_field(at, failures));
    }
    if (text_at(at, jitter, &text)) {
        if (!linkerd_parse_ratio(text, 100, &number))
            return refuse(at, jitter, text, "a ratio of 0.0 to 100.0");
        rule->jitter_ppm = value_set(number, place_source(at, jitter), place_field(at, jitter));
    }
    return read_duration(at, "balancer.linkerd.io/failure-accrual-consecutive-min-penalty",
                         &rule->min_penalty) &&
           read_duration(at, "balancer.linkerd.io/failure-accrual-consecutive-max-penalty",
                         &rule->max_penalty);
}

static void read_accrual(struct place at, struct accrual_rule *rule)
{
    static const char mode_key[] = "balancer.linkerd.io/failure-accrual";
    const char *mode = NULL;
    struct source source = {0};
    struct accrual_rule found = {.present = true};
    if (!text_at(at, mode_key, &mode)) {
        if (yaml_find(at.map, mode_key) == NULL && has_prefix(at, accrual_prefix, &source))
            lint_add(at.policy, LINT_LINKERD_ANNOTATION_PLACE, source,
                     "%s does nothing without %s: consecutive", at.origin, mode_key);
        return;
    }
    if (!target_since(at.policy->options.target, 2, 13)) {
        lint_add(at.policy, LINT_LINKERD_ACCRUAL_NEEDS_2_13, place_source(at, mode_key),
                 "%s is read since Linkerd 2.13", place_field(at, mode_key));
        return;
    }
    /* D1, D5: it shuts an endpoint for a share of failures too, which nothing here was measured of.
     */
    if (strcmp(mode, "unified") == 0 && target_since(at.policy->options.target, 2, 20)) {
        lint_add(at.policy, LINT_POLICY_NOT_JUDGED, place_source(at, mode_key),
                 "%s: unified is in force, and not judged: it shuts an endpoint for its share of "
                 "failures too",
                 place_field(at, mode_key));
        return;
    }
    if (strcmp(mode, "consecutive") != 0) {
        refuse(at, mode_key, mode, "\"consecutive\"");
        return;
    }
    if (!read_accrual_numbers(at, &found))
        return;
    if (found.max_penalty.number == 0 || found.min_penalty.number > found.max_penalty.number) {
        lint_add(at.policy, LINT_LINKERD_ANNOTATION_VALUE, place_source(at, mode_key),
                 "%s: the minimum penalty is above the maximum, or that is 0", at.origin);
        return;
    }
    *rule = found;
}

static bool too_old(struct place at)
{
    struct source source = {0};
    if (target_since(at.policy->options.target, 2, 16))
        return false;
    if (has_prefix(at, retry_prefix, &source) || has_prefix(at, timeout_prefix, &source))
        lint_add(at.policy, LINT_LINKERD_ANNOTATIONS_NEED_2_16, source,
                 "%s: retry and timeout annotations are read since Linkerd 2.16, and ignored here",
                 at.origin);
    for (size_t i = 0; at.map != NULL && i < at.map->count; i++) {
        const struct yaml_pair *pair = &at.map->pairs[i];
        struct value whole = value_set(0, pair->source, place_field(at, pair->key));
        if (starts(pair->key, retry_prefix) || starts(pair->key, timeout_prefix))
            place_speak(at, NULL, &whole, "read since Linkerd 2.16");
    }
    return true;
}

void linkerd_read_service(struct policy *p, const struct object *o)
{
    struct place at = annotations_of(p, o);
    struct source source = {0};
    if (!has_prefix(at, retry_prefix, &source) && !has_prefix(at, timeout_prefix, &source) &&
        !has_prefix(at, accrual_prefix, &source))
        return;
    struct service_rule found = {.object = o, .host = {.service = o->name}};
    found.host.namespace = o->namespace[0] == '\0' ? NULL : o->namespace;
    at.spoken = &found.spoken;
    if (!too_old(at)) {
        /* On a Service a bad setting alone is left out: the answers do not matter. */
        read_retry(at, &found.retry, &found.has_retry);
        read_timeout(at, &found.request_timeout);
    }
    read_accrual(at, &found.accrual);
    *(struct service_rule *)store_grow((void **)&p->services, &p->service_count,
                                       &p->service_capacity, sizeof(found)) = found;
    store_add_name(p, o->name);
}

bool linkerd_read_route(struct policy *p, const struct object *o, struct route *route)
{
    struct place at = annotations_of(p, o);
    at.spoken = &route->spoken;
    if (too_old(at))
        return true;
    bool good = read_retry(at, &route->retry, &route->has_retry);
    return read_timeout(at, &route->request_timeout) && good;
}

static void check_place(struct policy *p, const struct object *o, const struct yaml_pair *pair)
{
    bool service = strcmp(o->kind, "Service") == 0;
    bool route = strcmp(o->kind, "HTTPRoute") == 0 || strcmp(o->kind, "GRPCRoute") == 0;
    bool accrual = starts(pair->key, accrual_prefix);
    if (service || (route && !accrual))
        return;
    lint_add(p, LINT_LINKERD_ANNOTATION_PLACE, pair->source,
             "%.80s on %.30s %.60s does nothing: Linkerd reads it on a Service%s", pair->key,
             o->kind, o->name, accrual ? " only" : " or a route");
}

void linkerd_check_annotations(struct policy *p, const struct object *o)
{
    char target[48];
    target_print(p->options.target, target, sizeof(target));
    for (size_t i = 0; o->annotations != NULL && i < o->annotations->count; i++) {
        const struct yaml_pair *pair = &o->annotations->pairs[i];
        bool is_known = false;
        if (!is_linkerd(pair->key))
            continue;
        if (p->options.target.mesh != MESH_LINKERD) {
            lint_add(p, LINT_TARGET_FOREIGN_ANNOTATION, pair->source, "%.80s is not read by %s",
                     pair->key, target);
            continue;
        }
        for (size_t j = 0; j < COUNT_OF(known) && !is_known; j++)
            is_known = strcmp(known[j], pair->key) == 0;
        const char *near = is_known ? NULL : text_nearest(pair->key, known, COUNT_OF(known));
        if (!is_known)
            lint_add(p, LINT_LINKERD_ANNOTATION, pair->source, "no Linkerd reads %.80s%s%s%s",
                     pair->key, near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
                     near == NULL ? "" : "?)");
        else
            check_place(p, o, pair);
    }
}

void linkerd_read(struct policy *p, const struct object *o)
{
    if (strcmp(o->kind, "ServiceProfile") == 0)
        linkerd_read_profile(p, o);
    else if (strcmp(o->kind, "Server") == 0)
        linkerd_read_server(p, o);
    else
        linkerd_read_limit(p, o);
}
