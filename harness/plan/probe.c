#include "plan/probe.h"

#include "base/clock.h"
#include "base/units.h"

#include <math.h>
#include <stdlib.h>

enum unit_of { OF_SHARE, OF_TIME, OF_RATE, OF_NUMBER };

static enum unit_of unit_of(const struct probe_plan *p)
{
    if (p->kind != PROBE_CLIENT || p->value == NULL)
        return OF_NUMBER;
    if (strcmp(p->value, "errors") == 0)
        return OF_SHARE;
    return strcmp(p->value, "rate") == 0 ? OF_RATE : OF_TIME;
}

const struct probe_plan *probe_find(const struct scenario *s, const char *name)
{
    for (size_t i = 0; name != NULL && i < s->probe_count; i++) {
        if (s->probes[i].name != NULL && strcmp(s->probes[i].name, name) == 0)
            return &s->probes[i];
    }
    return NULL;
}

static bool number(const char *text, double *ret, struct error *err)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || *text == '+')
        return error_set(err, ERROR_INPUT, "is \"%.40s\"; it must be a number such as 5", text);
    *ret = value;
    return true;
}

bool probe_bound(const struct probe_plan *p, const char *text, double *ret, struct error *err)
{
    uint64_t whole;
    switch (unit_of(p)) {
    case OF_SHARE:
        if (!units_parse_share(text, &whole, err))
            return false;
        *ret = (double)whole / 1e6;
        return true;
    case OF_TIME:
        if (!units_parse_duration(text, &whole, err))
            return false;
        *ret = (double)whole;
        return true;
    case OF_RATE:
        if (!units_parse_rate(text, &whole, err))
            return false;
        *ret = (double)whole / 3600;
        return true;
    case OF_NUMBER:
        return number(text, ret, err);
    }
    UNREACHABLE();
}

static bool bound_of(const struct probe_plan *p, const json_t *keys, const char *key, double *ret,
                     struct error *err)
{
    const json_t *value = json_object_get(keys, key);
    char text[40];
    snprintf(text, sizeof(text), "%.15g", json_number_value(value));
    if (json_is_string(value) || json_is_number(value))
        return probe_bound(p, json_is_string(value) ? json_string_value(value) : text, ret, err);
    return error_set(err, ERROR_INPUT, "must be a number, or a text with its unit");
}

bool probe_check_bounds(const struct probe_plan *p, const json_t *keys, struct error *err)
{
    static const char *const names[] = {"above", "below"};
    size_t found = 0;
    double bound;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (json_object_get(keys, names[i]) == NULL)
            continue;
        found++;
        if (!bound_of(p, keys, names[i], &bound, err)) {
            error_prefix(err, "%s ", names[i]);
            return false;
        }
    }
    return found > 0 || error_set(err, ERROR_INPUT, "needs above or below");
}

bool probe_wanted(const struct probe_plan *p, const json_t *keys, double value)
{
    double bound;
    if (json_object_get(keys, "above") != NULL &&
        (!bound_of(p, keys, "above", &bound, NULL) || value <= bound))
        return false;
    return json_object_get(keys, "below") == NULL ||
           (bound_of(p, keys, "below", &bound, NULL) && value < bound);
}

const char *probe_print(const struct probe_plan *p, double value, char *to, size_t size)
{
    switch (unit_of(p)) {
    case OF_SHARE:
        snprintf(to, size, "%.1f %%", value * 100);
        return to;
    case OF_TIME:
        snprintf(to, size, "%.1f ms", value / (double)NS_PER_MS);
        return to;
    case OF_RATE:
        snprintf(to, size, "%.1f/s", value);
        return to;
    case OF_NUMBER:
        snprintf(to, size, "%.6g", value);
        return to;
    }
    UNREACHABLE();
}

const char *probe_label(const struct probe_plan *p, char *to, size_t size)
{
    static const char *const words[] = {"client", "grpc_health", "http", "promql", "tcp"};
    const char *what = p->kind == PROBE_CLIENT   ? p->value
                       : p->kind == PROBE_PROMQL ? p->query
                       : p->kind == PROBE_HTTP   ? p->url
                                                 : p->address;
    if (p->name != NULL)
        snprintf(to, size, "%s", p->name);
    else
        snprintf(to, size, "%s %s", words[p->kind], what != NULL ? what : "");
    return to;
}
