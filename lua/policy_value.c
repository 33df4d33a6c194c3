#include "lua/policy_value.h"

#include "base/units.h"

#include <math.h>

struct number {
    const char *name;
    enum unit unit;
    size_t offset; /* of a struct value in struct edge_policy */
    const char *would;
};
#define AT(field) offsetof(struct edge_policy, field)
static const struct number numbers[] = {
    {"attempts", UNIT_COUNT, AT(retry.attempts), "VirtualService http[].retries.attempts"},
    {"per_try_timeout", UNIT_TIME_NS, AT(retry.per_try_timeout),
     "VirtualService http[].retries.perTryTimeout"},
    {"timeout", UNIT_TIME_NS, AT(request_timeout), "VirtualService http[].timeout"},
    {"interval", UNIT_TIME_NS, AT(outlier.interval), "DestinationRule outlierDetection.interval"},
    {"base_ejection_time", UNIT_TIME_NS, AT(outlier.base_ejection),
     "DestinationRule outlierDetection.baseEjectionTime"},
    {"consecutive_errors", UNIT_COUNT, AT(outlier.consecutive_5xx),
     "DestinationRule outlierDetection.consecutive5xxErrors"},
    {"max_ejection_percent", UNIT_SHARE_PPM, AT(outlier.max_ejection_percent),
     "DestinationRule outlierDetection.maxEjectionPercent"},
    {"accrual_max_failures", UNIT_COUNT, AT(accrual.max_failures),
     "annotation balancer.linkerd.io/failure-accrual-consecutive-max-failures"},
    {"requests_per_second", UNIT_RATE_PER_H, AT(rate.per_second),
     "HTTPLocalRateLimitPolicy total.requestsPerSecond"},
    {"max_connections", UNIT_COUNT, AT(pool.max_connections),
     "DestinationRule connectionPool.tcp.maxConnections"},
    {"max_pending_requests", UNIT_COUNT, AT(pool.max_pending),
     "DestinationRule connectionPool.http.http1MaxPendingRequests"},
    {"max_requests", UNIT_COUNT, AT(pool.max_requests),
     "DestinationRule connectionPool.http.http2MaxRequests"},
};

/* One use of a word, as its errors speak of it. */
struct use {
    const char *key, *word; /* "add", "policy.beyond" */
    const json_t *asked;
    struct source source;
};

void policy_values_release(struct policy_values *v)
{
    policy_free(v->policy);
    *v = (struct policy_values){0};
}

static const struct number *find_number(const char *name)
{
    for (size_t i = 0; name != NULL && i < COUNT_OF(numbers); i++) {
        if (strcmp(numbers[i].name, name) == 0)
            return &numbers[i];
    }
    return NULL;
}

static uint32_t endpoints_of(const struct scenario *s, const char *service)
{
    for (size_t i = 0; i < s->lab.service_count; i++) {
        if (strcmp(s->lab.services[i].name, service) == 0)
            return s->lab.services[i].endpoints;
    }
    return 0;
}

static bool read_policy(struct build *b, const struct scenario *s, struct error *err)
{
    struct policy_values *v = b->policy;
    struct policy_options options = {.endpoints = 0};
    char target[80];
    if (v->policy != NULL && v->of == s->mesh.policy && v->version == s->mesh.version)
        return true;
    policy_values_release(v);
    if (s->mesh.policy_count == 0 || s->mesh.version == NULL)
        return error_set(err, ERROR_INPUT, "the scenario declares no policy");
    snprintf(target, sizeof(target), "%s@%s",
             strcmp(s->mesh.word, "istio_ambient") == 0 ? "istio-ambient"
             : strcmp(s->mesh.word, "gateway_api") == 0 ? "gateway-api"
                                                        : s->mesh.word,
             s->mesh.version);
    if (!target_parse(target, &options.target, err) ||
        !policy_read(s->mesh.policy, s->mesh.policy_count, &options, &v->policy, err))
        return false;
    v->of = s->mesh.policy;
    v->version = s->mesh.version;
    return true;
}

/* The edge that is asked about: the key `on`, or the step's own place. */
static bool find_edge(struct build *b, const struct use *u, const struct step *step,
                      struct place *ret, struct error *err)
{
    const json_t *on = json_object_get(u->asked, "on");
    if (on == NULL && step->has_on)
        *ret = step->on;
    else if (!json_is_string(on))
        return error_set(err, ERROR_INPUT, "needs on: an edge");
    else if (!place_parse(json_string_value(on), &b->plan->arena, ret, err)) {
        error_prefix(err, "on ");
        return false;
    }
    return ret->to.service != NULL || error_set(err, ERROR_INPUT, "on names no service");
}

static bool plain_keys(const struct use *u, struct error *err)
{
    static const char *const names[] = {"field", "on", "plus", "times"};
    const char *key;
    json_t *value;
    char text[sizeof(err->text)];
    json_object_foreach((json_t *)(uintptr_t)u->asked, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(names); i++)
            known = known || strcmp(names[i], key) == 0;
        if (known)
            continue;
        row_no_key(u->word, key, names, COUNT_OF(names), text, sizeof(text));
        return error_set(err, ERROR_INPUT, "%s", text);
    }
    return true;
}

/* times x value + plus, half of it, or half as much again and 50 ms. */
static bool compute(const struct use *u, const struct number *n, uint64_t value, uint64_t *ret,
                    struct error *err)
{
    const json_t *times = json_object_get(u->asked, "times"),
                 *plus = json_object_get(u->asked, "plus");
    double by = times == NULL ? 1 : json_number_value(times), more = 0;
    uint64_t added = 0;
    bool plain = strcmp(u->word, "policy.value") == 0;
    if (!plain && (n->unit != UNIT_TIME_NS || times != NULL || plus != NULL))
        return error_set(err, ERROR_INPUT, "%s takes the name of a duration, and no times or plus",
                         u->word);
    if (times != NULL && (!json_is_number(times) || by <= 0 || by > 1e6))
        return error_set(err, ERROR_INPUT, "times must be a number such as 1.5");
    if (json_is_integer(plus) && n->unit == UNIT_COUNT)
        more = (double)json_integer_value(plus);
    else if (plus != NULL && !row_quantity(n->unit, plus, &added, err))
        return error_prefix(err, "plus "), false;
    if (strcmp(u->word, "policy.beyond") == 0) {
        by = 1.5;
        more = 50e6;
    } else if (!plain) {
        by = 0.5;
    }
    double result = floor((double)value * by + more + (double)added + 0.5);
    if (result < 0 || result > 1e18 || (n->unit == UNIT_SHARE_PPM && result > 1e6))
        return error_set(err, ERROR_INPUT, "comes to %.6g, which is out of range", result);
    *ret = (uint64_t)result;
    return true;
}

static json_t *printed(const struct number *n, uint64_t value)
{
    char text[40];
    if (n->unit == UNIT_COUNT)
        return json_integer((json_int_t)value);
    if (n->unit == UNIT_SHARE_PPM)
        return json_string(units_print_share(value, text, sizeof(text)));
    if (n->unit == UNIT_RATE_PER_H)
        return json_string(units_print_rate(value, text, sizeof(text)));
    return json_string(units_print_duration(value, text, sizeof(text)));
}

static json_t *resolve(struct build *b, const struct scenario *s, const struct step *step,
                       const struct use *u, struct error *err)
{
    struct edge_policy edge;
    struct place on;
    uint64_t number;
    const char *field = json_string_value(json_object_get(u->asked, "field"));
    const struct number *n = find_number(field);
    if (!plain_keys(u, err))
        return NULL;
    if (n == NULL) {
        char names[200] = "";
        for (size_t i = 0, used = 0; i < COUNT_OF(numbers) && used < sizeof(names); i++)
            used += (size_t)snprintf(names + used, sizeof(names) - used, " %s", numbers[i].name);
        error_set(err, ERROR_INPUT, "field is \"%.20s\"; there is%s", field == NULL ? "" : field,
                  names);
        return NULL;
    }
    if (!find_edge(b, u, step, &on, err) || !read_policy(b, s, err))
        return NULL;
    const char *from = on.from.service != NULL ? on.from.service : "client";
    policy_resolve(b->policy->policy, from, on.to.service, NULL, endpoints_of(s, on.to.service),
                   &edge);
    const struct value *value =
        (const struct value *)(const void *)((const uint8_t *)&edge + n->offset);
    if (!value->set || (value->number == 0 && n->unit != UNIT_SHARE_PPM)) {
        error_set(err, ERROR_INPUT, "nothing sets it on %s -> %s: %s would", from, on.to.service,
                  n->would);
        return NULL;
    }
    number = n->unit == UNIT_SHARE_PPM    ? value->number * 10000
             : n->unit == UNIT_RATE_PER_H ? value->number * 3600
                                          : value->number;
    return compute(u, n, number, &number, err) ? printed(n, number) : NULL;
}

/* The use in a value of the form { ["policy.value"] = {...} }, as values.c makes it. */
static bool is_use(const json_t *value, struct use *ret)
{
    const char *word = json_object_size(value) == 1
                           ? json_object_iter_key(json_object_iter((json_t *)(uintptr_t)value))
                           : NULL;
    if (word == NULL || strncmp(word, "policy.", 7) != 0)
        return false;
    ret->word = word;
    ret->asked = json_object_get(value, word);
    return true;
}

bool policy_value_is(const json_t *value)
{
    struct use use;
    return is_use(value, &use);
}

/* NULL: the error was added. */
static json_t *resolve_or_say(struct build *b, const struct scenario *s, const struct step *step,
                              struct use *u)
{
    struct error err = {0};
    json_t *number = resolve(b, s, step, u, &err);
    if (number != NULL)
        return number;
    const char *field = json_string_value(json_object_get(u->asked, "field"));
    if (err.source.file != NULL) /* a line of the policy: its name goes with the policy */
        error_prefix(&err, "%.100s:%u: ", err.source.file, err.source.line);
    err.source = (struct source){0};
    error_prefix(&err, "%s \"%.40s\": ", u->word, field == NULL ? "" : field);
    errors_take(b->errors, step->source, &err);
    return NULL;
}

bool policy_values_resolve(struct build *b, const struct scenario *s, const struct step *step)
{
    const char *key;
    json_t *value;
    void *next;
    bool good = true;
    json_object_foreach_safe(step->keys, next, key, value)
    {
        struct use u = {.key = key, .source = step->source};
        if (!is_use(value, &u))
            continue;
        json_t *number = resolve_or_say(b, s, step, &u);
        good = number != NULL;
        INVARIANT(!good || json_object_set_new(step->keys, key, number) == 0);
    }
    return good;
}

static void take_rate(struct build *b, const struct scenario *s, struct load_plan *l)
{
    struct step step = {.source = l->source, .on = l->on, .has_on = true};
    struct use u = {.key = "rate", .source = l->source};
    struct error err = {0};
    if (!is_use(l->rate_asked, &u))
        return;
    json_t *rate = resolve_or_say(b, s, &step, &u);
    l->rate_asked = NULL;
    if (rate == NULL)
        return;
    if (!row_quantity(UNIT_RATE_PER_H, rate, &l->rate_per_h, &err)) {
        error_prefix(&err, "load.open: rate ");
        errors_take(b->errors, l->source, &err);
    }
    json_decref(rate);
}

void policy_values_rates(struct build *b, const struct scenario *s, struct load_plan **loads,
                         size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || (*loads)[i].rate_asked != NULL;
    if (!any)
        return;
    struct load_plan *own = ARENA_ARRAY(&b->plan->arena, struct load_plan, count);
    for (size_t i = 0; i < count; i++) {
        own[i] = (*loads)[i];
        take_rate(b, s, &own[i]);
    }
    *loads = own;
}
