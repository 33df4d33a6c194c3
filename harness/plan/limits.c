#include "plan/limits.h"

#include "base/clock.h"
#include "base/units.h"

#define DELAY_NS (30 * NS_PER_S)
#define TTL_NS (15 * 60 * NS_PER_S)
#define REQUESTS_PER_H (UINT64_C(2000) * 3600)
#define COUNTED_MOST 10000 /* to compare two modes without a service at hand */

uint32_t limits_mode_count(const char *mode, uint32_t count)
{
    uint64_t number = 0;
    if (mode == NULL || strcmp(mode, "all") == 0)
        return count;
    if (strcmp(mode, "one") == 0)
        return count < 1 ? count : 1;
    if (bytes_to_u64(bytes_of(mode), &number))
        return number < count ? (uint32_t)number : count;
    if (!units_parse_share(mode, &number, NULL))
        return count;
    number = (uint64_t)count * number / 1000000;
    return number == 0 ? 1 : (uint32_t)number;
}

uint32_t limits_endpoints(const struct limits *l, uint32_t count)
{
    uint32_t most = limits_mode_count(l->endpoints, count);
    uint32_t left = count > l->keep ? count - l->keep : 0;
    return most < left ? most : left;
}

static bool time_of(const struct step *s, const char *key, uint64_t *ret_ns)
{
    const char *text = json_string_value(json_object_get(s->keys, key));
    return text != NULL && units_parse_duration(text, ret_ns, NULL);
}

uint64_t limits_delay_of(const struct step *s, char *ret_keys, size_t size)
{
    static const struct {
        const char *word, *key;
    } rows[] = {{"latency", "add"},
                {"tls_stall", "hold"},
                {"slow_close", "delay"},
                {"slicer", "delay"},
                {"netem", "delay"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t ns = 0, jitter_ns = 0;
        char first[32], second[32];
        if (strcmp(s->word, rows[i].word) != 0 || !time_of(s, rows[i].key, &ns))
            continue;
        bool spread = time_of(s, "jitter", &jitter_ns) && jitter_ns > 0;
        units_print_duration(ns, first, sizeof(first));
        units_print_duration(jitter_ns, second, sizeof(second));
        if (ret_keys != NULL && spread)
            snprintf(ret_keys, size, "%s \"%s\" and jitter \"%s\" are", rows[i].key, first, second);
        else if (ret_keys != NULL)
            snprintf(ret_keys, size, "%s \"%s\" is", rows[i].key, first);
        return ns + jitter_ns;
    }
    return 0;
}

static void tighter(uint64_t *to, uint64_t given)
{
    if (given != 0 && (*to == 0 || given < *to))
        *to = given;
}

static void take(const struct guard_plan *g, struct limits *l)
{
    if (g->endpoints != NULL &&
        (l->endpoints == NULL || limits_mode_count(g->endpoints, COUNTED_MOST) <
                                     limits_mode_count(l->endpoints, COUNTED_MOST)))
        l->endpoints = g->endpoints;
    l->keep = g->keep > l->keep ? g->keep : l->keep;
    tighter(&l->share_ppm, g->share_ppm);
    tighter(&l->delay_ns, g->delay_ns);
    tighter(&l->ttl_ns, g->ttl_ns);
    tighter(&l->requests_per_h, g->requests_per_h);
    l->source = g->source;
}

static uint64_t longest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What the rows of a generated scenario need. */
static void widen(const struct step *steps, size_t count, struct limits *l)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t ttl_ns = 0;
        if (steps[i].kind == STEP_FAULT) {
            l->delay_ns = longest(l->delay_ns, limits_delay_of(&steps[i], NULL, 0));
            if (time_of(&steps[i], "ttl", &ttl_ns))
                l->ttl_ns = longest(l->ttl_ns, ttl_ns);
        }
        widen(steps[i].steps, steps[i].step_count, l);
    }
}

static void widen_all(const struct scenario *s, struct limits *l)
{
    widen(s->steps, s->step_count, l);
    for (size_t k = 0; k < s->load_count; k++)
        l->requests_per_h = longest(l->requests_per_h, s->loads[k].rate_per_h);
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct phase *p = &s->phases[i];
        l->ttl_ns = longest(l->ttl_ns, longest(p->lasting_ns, p->atmost_ns));
        widen(p->steps, p->step_count, l);
        for (size_t k = 0; k < p->load_count; k++)
            l->requests_per_h = longest(l->requests_per_h, p->loads[k].rate_per_h);
    }
}

void limits_of(const struct scenario *s, struct limits *ret)
{
    bool given = false;
    *ret = (struct limits){0};
    for (size_t i = 0; i < s->guard_count; i++) {
        if (s->guards[i].kind != GUARD_LIMITS)
            continue;
        take(&s->guards[i], ret);
        given = true;
    }
    if (ret->endpoints == NULL)
        ret->endpoints = "100%";
    ret->share_ppm = ret->share_ppm == 0 ? 1000000 : ret->share_ppm;
    ret->delay_ns = ret->delay_ns == 0 ? DELAY_NS : ret->delay_ns;
    ret->ttl_ns = ret->ttl_ns == 0 ? TTL_NS : ret->ttl_ns;
    ret->requests_per_h = ret->requests_per_h == 0 ? REQUESTS_PER_H : ret->requests_per_h;
    if (s->from_policy && !given)
        widen_all(s, ret);
}

uint64_t limits_ttl_ns(const struct scenario *s, const struct step *step)
{
    struct limits l;
    uint64_t own_ns = 0;
    limits_of(s, &l);
    return time_of(step, "ttl", &own_ns) && own_ns != 0 && own_ns < l.ttl_ns ? own_ns : l.ttl_ns;
}

static void print_time(const char *name, uint64_t now, uint64_t usual, struct text *to)
{
    char value[32], fallback[32];
    if (now <= usual)
        return;
    text_add(to, "  RAISED %s %s (default %s)\n", name,
             units_print_duration(now, value, sizeof(value)),
             units_print_duration(usual, fallback, sizeof(fallback)));
}

void limits_print_raised(const struct scenario *s, struct text *to)
{
    struct limits l;
    char value[32];
    limits_of(s, &l);
    print_time("delay", l.delay_ns, DELAY_NS, to);
    print_time("ttl", l.ttl_ns, TTL_NS, to);
    if (l.requests_per_h > REQUESTS_PER_H)
        text_add(to, "  RAISED requests %s (default 2000/s)\n",
                 units_print_rate(l.requests_per_h, value, sizeof(value)));
}
