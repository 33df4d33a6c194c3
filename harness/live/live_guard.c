#include "live/live_model.h"

#include <math.h>

/* guard.stop: the newest sample beside the limit. Whether one trips is the engine's to say. */

#define NEAR_ABOVE 0.8
#define NEAR_BELOW 1.25
/* Well within: what was told of a guard may be told again. */
#define WELL_ABOVE 0.7
#define WELL_BELOW 1.4

static double bound_of(const struct probe_plan *p, const char *text)
{
    double bound;
    return text != NULL && probe_bound(p, text, &bound, NULL) ? bound : NAN;
}

void live_guards_open(struct live *l)
{
    l->guard_count = 0;
    for (size_t i = 0; i < l->scenario->guard_count && l->guard_count < LIVE_GUARDS; i++) {
        const struct guard_plan *plan = &l->scenario->guards[i];
        if (plan->kind != GUARD_STOP)
            continue;
        const struct probe_plan *probe =
            plan->probe == NULL ? &plan->own : probe_find(l->scenario, plan->probe);
        if (probe == NULL)
            continue;
        struct guard_seen *g = &l->guards[l->guard_count++];
        *g = (struct guard_seen){.plan = plan,
                                 .probe = probe,
                                 .above = bound_of(probe, plan->above),
                                 .below = bound_of(probe, plan->below),
                                 .value = NAN};
        probe_label(probe, g->label, sizeof(g->label));
    }
}

static bool is_out(const struct guard_seen *g, double value)
{
    return value > g->above || value < g->below; /* never true of a NAN */
}

/* Well, or not: there is nothing between. */
static bool is_yes_or_no(const struct probe_plan *p)
{
    return p->kind == PROBE_TCP || p->kind == PROBE_GRPC_HEALTH ||
           (p->kind == PROBE_HTTP && p->value == NULL);
}

static bool is_near(const struct guard_seen *g, double value)
{
    if (is_yes_or_no(g->probe))
        return is_out(g, value);
    return is_out(g, value) || value >= g->above * NEAR_ABOVE || value < g->below * NEAR_BELOW;
}

static bool is_well(const struct guard_seen *g, double value)
{
    if (is_yes_or_no(g->probe))
        return !is_out(g, value);
    return !(value > g->above * WELL_ABOVE) && !(value < g->below * WELL_BELOW);
}

static void print_limit(const struct guard_seen *g, char *to, size_t size)
{
    char text[100];
    bool both = g->plan->above != NULL && g->plan->below != NULL;
    snprintf(text, sizeof(text), "%s%.20s%s%s%.20s", g->plan->below != NULL ? "at least " : "",
             g->plan->below != NULL ? g->plan->below : "", both ? ", " : "",
             g->plan->above != NULL ? "at most " : "",
             g->plan->above != NULL ? g->plan->above : "");
    live_clean(to, size, text);
}

static void tell_sample(struct live *l, const struct guard_seen *g, const struct sample_record *r)
{
    char value[32];
    struct live_event event = {.at_ns = live_since(l, r->at),
                               .kind = LIVE_EVENT_GUARD,
                               .what = "guard.sample",
                               .quiet = true,
                               .value = r->value};
    if (l->on_event == NULL || r->missing)
        return;
    live_clean(event.about, sizeof(event.about), g->label);
    snprintf(event.text, sizeof(event.text), "%s",
             probe_print(g->probe, r->value, value, sizeof(value)));
    l->on_event(l->cookie, &event);
}

static void take(struct live *l, struct guard_seen *g, const struct sample_record *r)
{
    char value[32], limit[48], label[LIVE_NAME_BYTES];
    uint64_t second = r->at / NS_PER_S;
    tell_sample(l, g, r);
    g->value = r->missing ? NAN : r->value;
    if (r->missing)
        return;
    g->ring[second % SECONDS_KEPT].second = second;
    g->ring[second % SECONDS_KEPT].value = r->value;
    g->near = is_near(g, r->value);
    unsigned level = is_out(g, r->value) ? 2 : g->near ? 1 : 0;
    if (is_well(g, r->value))
        g->told = 0;
    if (level <= g->told)
        return;
    g->told = level;
    print_limit(g, limit, sizeof(limit));
    live_clean(label, sizeof(label), g->label);
    live_tell(l, r->at + r->answer, LIVE_EVENT_GUARD, "guard.near", label,
              "%s %s is %s its limit, %s", label,
              probe_print(g->probe, r->value, value, sizeof(value)), level == 2 ? "beyond" : "near",
              limit);
}

void live_sample(struct live *l, const struct record_source *from, const struct sample_record *r)
{
    const char *label = record_name(from, r->probe);
    for (size_t i = 0; i < l->guard_count; i++)
        if (strcmp(l->guards[i].label, label) == 0)
            take(l, &l->guards[i], r);
}

/* The sentence of the trip has the guard's line, and begins with its label. */
void live_guard_trip(struct live *l, const json_t *json, uint64_t t_ns)
{
    const char *why = json_string_value(json_object_get(json, "guard"));
    const char *where = json_string_value(json_object_get(json, "where"));
    why = why == NULL ? "" : why;
    for (size_t i = 0; i < l->guard_count; i++) {
        char start[80];
        snprintf(start, sizeof(start), "guard %.60s ", l->guards[i].label);
        l->guards[i].tripped = l->guards[i].tripped || strncmp(why, start, strlen(start)) == 0;
    }
    live_tell(l, t_ns, LIVE_EVENT_GUARD, "guard.trip", "", "%.150s%s%.60s", why,
              where == NULL ? "" : "   ", where == NULL ? "" : where);
}

static void show_samples(const struct guard_seen *g, uint64_t now_ns, struct live_guard *to)
{
    uint64_t now = now_ns / NS_PER_S;
    double limit = isnan(g->above) ? g->below : g->above;
    for (size_t i = 0; i < LIVE_BUCKETS; i++) {
        uint64_t back = LIVE_BUCKETS - i;
        size_t at = (now - back) % SECONDS_KEPT;
        bool has = back <= now && g->ring[at].second == now - back && limit > 0;
        to->samples[i] = has ? (float)(g->ring[at].value / limit) : -1.0F;
    }
}

void live_guards_show(const struct live *l, uint64_t now_ns, struct live_snapshot *ret)
{
    for (size_t i = 0; i < l->guard_count; i++) {
        const struct guard_seen *g = &l->guards[i];
        struct live_guard *to = &ret->guards[ret->guard_count++];
        *to = (struct live_guard){.upper = !isnan(g->above)};
        live_clean(to->name, sizeof(to->name), g->label);
        print_limit(g, to->limit, sizeof(to->limit));
        if (isnan(g->value))
            snprintf(to->value, sizeof(to->value), "no data");
        else
            probe_print(g->probe, g->value, to->value, sizeof(to->value));
        to->state = g->tripped ? LIVE_GUARD_TRIPPED : g->near ? LIVE_GUARD_NEAR : LIVE_GUARD_OK;
        show_samples(g, now_ns, to);
    }
}
