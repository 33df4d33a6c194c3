#include "engine/guard.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/units.h"

#include <math.h>
#include <stdlib.h>

#define TOLD_MOST 3  /* values of a trip's sentence */
#define FLAPS_MOST 6 /* overs until a probe that comes and goes counts as none */

/* A probe with its newest sample; those of guards that have their own are among them. */
struct series {
    struct guard_watch *watch;
    const struct probe_plan *plan;
    struct probe *probe;
    struct sample_seen newest;
    bool any;
    char edge[160], label[128], shown[64]; /* shown: for sentences */
    uint64_t edge_hash;
};
struct guard {
    const struct guard_plan *plan;
    const struct series *series;
    double above, below;    /* stop above, stop below; NAN: no such bound */
    uint64_t good_since_ns; /* 0: not now */
    uint64_t out_since_ns;  /* 0: within its range */
    uint64_t data_ns;       /* the newest value; before the first, when sampling began */
    uint64_t begun_ns;      /* when sampling began */
    bool held;              /* once, for its whole over */
    double told[TOLD_MOST];
    size_t out_count;
};
struct guard_watch {
    struct loop *loop;
    struct recorder *recorder;
    struct guard_events events;
    struct series *series;
    size_t series_count;
    struct guard *guards;
    size_t guard_count;
    bool armed, over; /* over: tripped, or put to rest */
};

static bool is_out(const struct guard *g, double value)
{
    return value > g->above || value < g->below; /* never true of a NAN */
}

/* ${refused}: nothing was done yet. */
static void trip(struct guard_watch *w, const struct guard *g, const struct error *why,
                 bool refused)
{
    if (w->over)
        return;
    w->over = true;
    w->events.on_trip(w->events.cookie, g->plan, why, refused);
}

/* "guard orders below 5 for 30s (4.2, 3.9, 3.1 ...)". */
static void say_out(const struct guard *g, struct error *why)
{
    char over[32], one[32], values[120] = "";
    bool above = g->told[0] > g->above;
    for (size_t i = 0; i < g->out_count && i < TOLD_MOST; i++) {
        size_t used = strlen(values);
        snprintf(values + used, sizeof(values) - used, "%s%s", i == 0 ? "" : ", ",
                 probe_print(g->series->plan, g->told[i], one, sizeof(one)));
    }
    error_at(why, g->plan->source, ERROR_LIMIT, "guard %.60s %s %.20s for %s (%s%s)",
             g->series->shown, above ? "above" : "below", above ? g->plan->above : g->plan->below,
             units_print_duration(g->plan->over_ns, over, sizeof(over)), values,
             g->out_count > TOLD_MOST ? " ..." : "");
}

static bool is_of_load(const struct guard *g)
{
    return g->series->plan->kind == PROBE_CLIENT;
}

/* From the first fault on; that of a load also from when it first held, for there may be no fault.
 */
static bool in_force(const struct guard_watch *w, const struct guard *g)
{
    return w->armed || (is_of_load(g) && g->held);
}

/* What a guard that holds no load must not do before the first fault. */
static void refuse(struct guard_watch *w, const struct guard *g, const struct sample_seen *s)
{
    struct error why = {0};
    char value[32];
    if (s->missing)
        error_at(&why, g->plan->source, ERROR_SYSTEM,
                 "guard %.60s has no data before the first fault (%.80s): nothing was done",
                 g->series->shown, s->why);
    else
        error_at(&why, g->plan->source, ERROR_SYSTEM,
                 "guard %.60s is %s before the first fault, and must not be %s %.20s: nothing was "
                 "done",
                 g->series->shown, probe_print(g->series->plan, s->value, value, sizeof(value)),
                 s->value > g->above ? "above" : "below",
                 s->value > g->above ? g->plan->above : g->plan->below);
    trip(w, g, &why, true);
}

static void take_missing(struct guard_watch *w, struct guard *g, const struct sample_seen *s)
{
    struct error why = {0};
    char over[32];
    uint64_t since_ns = s->answer_ns > g->data_ns ? s->answer_ns - g->data_ns : 0;
    if (!w->armed) {
        g->good_since_ns = 0;
        bool never = s->answer_ns - g->begun_ns >= FLAPS_MOST * g->plan->over_ns;
        if (!is_of_load(g) && (since_ns >= g->plan->over_ns || never))
            refuse(w, g, s);
        if (!in_force(w, g))
            return;
    }
    if (g->plan->ignore_missing || since_ns < g->plan->over_ns)
        return;
    error_at(&why, g->plan->source, ERROR_LIMIT, "guard %.60s without data for %s (%.80s)",
             g->series->shown, units_print_duration(g->plan->over_ns, over, sizeof(over)), s->why);
    trip(w, g, &why, false);
}

static void take(struct guard_watch *w, struct guard *g, const struct sample_seen *s)
{
    struct error why = {0};
    if (s->missing) {
        take_missing(w, g, s);
        return;
    }
    g->data_ns = s->answer_ns;
    if (!is_out(g, s->value)) {
        g->good_since_ns = g->good_since_ns == 0 ? s->at_ns : g->good_since_ns;
        g->held = g->held || s->at_ns - g->good_since_ns >= g->plan->over_ns;
        g->out_since_ns = 0;
        g->out_count = 0;
        return;
    }
    g->good_since_ns = 0;
    if (g->out_count < TOLD_MOST)
        g->told[g->out_count] = s->value;
    g->out_count++;
    g->out_since_ns = g->out_since_ns == 0 ? s->at_ns : g->out_since_ns;
    if (!w->armed && !is_of_load(g))
        refuse(w, g, s);
    if (!in_force(w, g))
        return;
    if (s->at_ns - g->out_since_ns < g->plan->over_ns)
        return;
    say_out(g, &why);
    trip(w, g, &why, false);
}

static void on_sample(void *cookie, const struct sample_seen *s)
{
    struct series *series = cookie;
    struct guard_watch *w = series->watch;
    struct sample_record r = {.at = s->at_ns,
                              .answer = s->answer_ns > s->at_ns ? s->answer_ns - s->at_ns : 1,
                              .value = s->value,
                              .probe = recorder_name(w->recorder, bytes_of(series->label)),
                              .missing = s->missing};
    if (s->missing)
        r.why = recorder_name(w->recorder, bytes_of(s->why));
    recorder_emit(w->recorder, RECORD_SAMPLE, &r);
    series->newest = *s;
    series->any = true;
    for (size_t i = 0; i < w->guard_count && !w->over; i++) {
        if (w->guards[i].series == series)
            take(w, &w->guards[i], s);
    }
    if (!w->over && !w->armed)
        w->events.on_ready(w->events.cookie);
}

/* Never within a character of UTF-8. */
static void cut_text(const char *from, char *to, size_t size)
{
    size_t len = strlen(from);
    if (len >= size)
        for (len = size - 1; len > 0 && ((unsigned char)from[len] & 0xC0) == 0x80;)
            len--;
    memcpy(to, from, len);
    to[len] = '\0';
}

static bool open_series(struct guard_watch *w, const struct probe_plan *plan, struct error *err)
{
    struct series *s = &w->series[w->series_count];
    *s = (struct series){.watch = w, .plan = plan};
    probe_label(plan, s->label, sizeof(s->label));
    cut_text(s->label, s->shown, sizeof(s->shown));
    if (plan->kind == PROBE_CLIENT && plan->on.to.service != NULL) {
        snprintf(s->edge, sizeof(s->edge), "%s -> %s",
                 plan->on.from.service == NULL ? "client" : plan->on.from.service,
                 plan->on.to.service);
        s->edge_hash = map_hash(s->edge, strlen(s->edge));
    }
    if (!probe_open(w->loop, plan, on_sample, s, &s->probe, err))
        return false;
    w->series_count++;
    return true;
}

static double bound_of(const struct probe_plan *p, const char *text)
{
    double bound;
    return text != NULL && probe_bound(p, text, &bound, NULL) ? bound : NAN;
}

static bool add_guard(struct guard_watch *w, const struct guard_plan *plan, struct error *err)
{
    struct guard *g = &w->guards[w->guard_count];
    const struct series *series = NULL;
    for (size_t i = 0; plan->probe != NULL && i < w->series_count; i++) {
        const char *name = w->series[i].plan->name;
        if (name != NULL && strcmp(name, plan->probe) == 0)
            series = &w->series[i];
    }
    if (plan->probe != NULL && series == NULL)
        return error_at(err, plan->source, ERROR_INPUT, "guard.stop: there is no probe \"%.60s\"",
                        plan->probe);
    if (plan->probe == NULL && !open_series(w, &plan->own, err))
        return false;
    series = series != NULL ? series : &w->series[w->series_count - 1];
    *g = (struct guard){.plan = plan,
                        .series = series,
                        .above = bound_of(series->plan, plan->above),
                        .below = bound_of(series->plan, plan->below)};
    w->guard_count++;
    return true;
}

bool guard_watch_new(struct loop *loop, struct recorder *recorder, const struct scenario *scenario,
                     const struct guard_events *events, struct guard_watch **ret, struct error *err)
{
    struct guard_watch *w = check_alloc_zero(1, sizeof(*w));
    bool ok = true;
    w->loop = loop;
    w->recorder = recorder;
    w->events = *events;
    w->series =
        check_alloc_zero(scenario->probe_count + scenario->guard_count + 1, sizeof(*w->series));
    w->guards = check_alloc_zero(scenario->guard_count + 1, sizeof(*w->guards));
    for (size_t i = 0; ok && i < scenario->probe_count; i++)
        ok = open_series(w, &scenario->probes[i], err);
    for (size_t i = 0; ok && i < scenario->guard_count; i++) {
        if (scenario->guards[i].kind == GUARD_STOP)
            ok = add_guard(w, &scenario->guards[i], err);
    }
    if (!ok) {
        guard_watch_free(w);
        return false;
    }
    *ret = w;
    return true;
}

void guard_watch_free(struct guard_watch *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->series_count; i++)
        probe_free(w->series[i].probe);
    free(w->series);
    free(w->guards);
    free(w);
}

void guard_watch_start(struct guard_watch *w)
{
    for (size_t i = 0; w != NULL && i < w->guard_count; i++)
        w->guards[i].begun_ns = w->guards[i].data_ns = loop_now_ns(w->loop);
    for (size_t i = 0; w != NULL && i < w->series_count; i++)
        probe_start(w->series[i].probe);
}

static bool has_held(const struct guard *g, uint64_t now_ns)
{
    return g->good_since_ns != 0 && now_ns - g->good_since_ns >= g->plan->over_ns;
}

bool guard_watch_ready(const struct guard_watch *w)
{
    for (size_t i = 0; w != NULL && i < w->guard_count; i++) {
        if (!is_of_load(&w->guards[i]) && !has_held(&w->guards[i], loop_now_ns(w->loop)))
            return false;
    }
    return true;
}

bool guard_watch_may_arm(struct guard_watch *w, uint64_t now_ns, struct error *err)
{
    char over[32];
    if (w == NULL || w->armed)
        return true;
    for (size_t i = 0; i < w->guard_count; i++) {
        const struct guard *g = &w->guards[i];
        if (has_held(g, now_ns))
            continue;
        return error_at(err, g->plan->source, ERROR_SYSTEM,
                        "guard %.60s has not held for its %s before the first fault: nothing was "
                        "done; give the scenario a first phase without faults that lasts longer",
                        g->series->shown,
                        units_print_duration(g->plan->over_ns, over, sizeof(over)));
    }
    w->armed = true;
    return true;
}

void guard_watch_rest(struct guard_watch *w)
{
    if (w != NULL)
        w->over = true;
}

void guard_watch_on_request(struct guard_watch *w, const struct actor *from,
                            const struct request_record *r)
{
    for (size_t i = 0; w != NULL && i < w->series_count; i++) {
        const struct series *s = &w->series[i];
        if (s->edge[0] != '\0' && actor_name_is(from, r->edge, s->edge_hash))
            probe_on_request(s->probe, r);
    }
}

bool guard_watch_newest(const struct guard_watch *w, const char *probe, struct sample_seen *ret)
{
    for (size_t i = 0; w != NULL && probe != NULL && i < w->series_count; i++) {
        const char *name = w->series[i].plan->name;
        if (name == NULL || strcmp(name, probe) != 0 || !w->series[i].any)
            continue;
        *ret = w->series[i].newest;
        return !ret->missing;
    }
    return false;
}
