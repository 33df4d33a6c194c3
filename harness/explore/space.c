#include "explore/space.h"

#include "base/clock.h"
#include "plan/limits.h"
#include "plan/probe.h"

#define LASTING_LEAST_NS (5 * NS_PER_S)
#define LASTING_MOST_NS (20 * NS_PER_S)
#define CALM_MORE_NS (2 * NS_PER_S)

static bool is_named(const struct space_options *options, const struct drawable *d)
{
    for (size_t i = 0; i < options->word_count; i++)
        if (strcmp(options->words[i], d->word) == 0)
            return true;
    return options->word_count == 0 && d->usual;
}

static bool means_something(const struct drawable *d, unsigned speaks, bool tls)
{
    return (d->speaks & speaks & ~(unsigned)SPEAKS_TLS) != 0 &&
           ((d->speaks & SPEAKS_TLS) == 0 || tls);
}

bool space_word_check(const char *word, struct error *err)
{
    const char *words[DRAWABLE_WORDS_MOST];
    size_t count = drawable_words(words, false);
    struct text list;
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    text_init(&list, sizeof(err->text));
    for (size_t i = 0; i < count; i++)
        text_add(&list, " %s", words[i]);
    const char *near = text_nearest(word, words, count);
    error_set(err, ERROR_USAGE, "--faults has \"%.30s\"%s%s%s; there is%s", word,
              near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
              near != NULL ? "\"?)" : "", text_get(&list));
    text_release(&list);
    return false;
}

static bool is_called(const struct scenario *s, const struct space *space, const char *name)
{
    for (size_t i = 0; i < space->load_count; i++)
        if (strcmp(space->loads[i].on.to.service, name) == 0)
            return true;
    for (size_t i = 0; i < s->lab.service_count; i++)
        for (size_t k = 0; k < s->lab.services[i].call_count; k++)
            if (strcmp(s->lab.services[i].calls[k].to, name) == 0)
                return true;
    return false;
}

/* guard.limits { services = ... } of every guard. */
static bool may_be_touched(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->guard_count; i++) {
        const struct guard_plan *g = &s->guards[i];
        bool named = g->service_count == 0;
        for (size_t k = 0; k < g->service_count; k++)
            named = named || strcmp(g->services[k], name) == 0;
        if (g->kind == GUARD_LIMITS && !named)
            return false;
    }
    return true;
}

static void add_service(struct space *space, const struct service_plan *service,
                        const struct limits *limits, const struct space_options *options)
{
    struct space_service *to = &space->services[space->service_count];
    uint32_t allowed = limits_endpoints(limits, service->endpoints);
    size_t count;
    const struct drawable *all = drawables(&count);
    bool tls = plan_lab_tls(space->base);
    if (allowed == 0 || space->service_count == SPACE_SERVICES_MOST)
        return;
    *to = (struct space_service){.name = service->name,
                                 .endpoints = service->endpoints,
                                 .all = allowed == service->endpoints};
    for (size_t i = 0; i < count; i++) {
        if (!is_named(options, &all[i]) ||
            !means_something(&all[i], speaks_of(service->protocol), tls))
            continue;
        INVARIANT(to->drawable_count < SPACE_DRAWABLES_MOST);
        to->drawables[to->drawable_count++] = &all[i];
        to->weight += all[i].weight;
    }
    space->service_count += to->drawable_count > 0;
}

static bool add_services(struct space *space, const struct space_options *options,
                         struct error *err)
{
    const struct scenario *s = space->base;
    struct limits limits;
    bool any = false;
    limits_of(s, &limits);
    space->delay_most_ns = limits.delay_ns;
    space->share_most_ppm = limits.share_ppm;
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *service = &s->lab.services[i];
        bool open = may_be_touched(s, service->name) && is_called(s, space, service->name);
        any = any || (open && limits_endpoints(&limits, service->endpoints) > 0);
        if (open)
            add_service(space, service, &limits, options);
    }
    if (space->service_count > 0)
        return true;
    if (!any)
        return error_at(err, limits.source.file != NULL ? limits.source : s->source, ERROR_INPUT,
                        "scenario \"%.80s\": guard.limits leave no endpoint that may be touched",
                        s->name);
    return error_at(err, s->source, ERROR_USAGE,
                    "scenario \"%.80s\": none of the faults means anything to its services",
                    s->name);
}

static void add_mark(struct space *space, uint64_t ns)
{
    for (size_t i = 0; i < space->mark_count; i++)
        if (space->marks_ns[i] == ns)
            return;
    if (ns != 0 && space->mark_count < SPACE_MARKS_MOST)
        space->marks_ns[space->mark_count++] = ns;
}

/* Long enough for what the policy's times let be seen: a whole timeout twice, an ejection and its
 * return; but a trial is short, or few are made. */
static void take_times(struct space *space, const struct edge_policy *edges, size_t count,
                       const struct space_options *options)
{
    uint64_t lasting = LASTING_LEAST_NS;
    for (size_t i = 0; i < count; i++) {
        const struct edge_policy *e = &edges[i];
        uint64_t whole = e->request_timeout.set ? e->request_timeout.number : 0, out = 0;
        add_mark(space, e->retry.per_try_timeout.set ? e->retry.per_try_timeout.number : 0);
        add_mark(space, whole);
        if (e->outlier.present)
            out = e->outlier.interval.number + e->outlier.base_ejection.number + NS_PER_S;
        if (e->accrual.present)
            out = 2 * e->accrual.min_penalty.number + NS_PER_S;
        lasting = 2 * whole + NS_PER_S > lasting ? 2 * whole + NS_PER_S : lasting;
        lasting = 2 * out > lasting ? 2 * out : lasting;
    }
    lasting = lasting > LASTING_MOST_NS ? LASTING_MOST_NS : lasting;
    lasting = options->lasting_ns != 0 ? options->lasting_ns : lasting;
    space->lasting_ns = lasting / SCHEDULE_GRID_NS * SCHEDULE_GRID_NS;
    if (space->lasting_ns < 5 * SCHEDULE_GRID_NS)
        space->lasting_ns = 5 * SCHEDULE_GRID_NS;
}

/* A sample comes after each `every`, and all within `over` must be good. */
static void take_guards(struct space *space)
{
    const struct scenario *s = space->base;
    for (size_t i = 0; i < s->guard_count; i++) {
        const struct guard_plan *g = &s->guards[i];
        if (g->kind != GUARD_STOP)
            continue;
        const struct probe_plan *probe = g->probe == NULL ? &g->own : probe_find(s, g->probe);
        if (probe == NULL || probe->kind != PROBE_CLIENT)
            continue;
        uint64_t holds_ns = g->over_ns + probe->every_ns + CALM_MORE_NS;
        space->calm_ns = holds_ns > space->calm_ns ? holds_ns : space->calm_ns;
    }
}

bool space_init(struct space *ret, const struct plan *p, const struct scenario *s,
                const struct edge_policy *edges, size_t edge_count,
                const struct space_options *options, struct arena *arena, struct error *err)
{
    *ret = (struct space){.plan = p, .base = s, .arena = arena, .owned = json_array()};
    for (size_t i = 0; i < options->word_count; i++)
        if (!space_word_check(options->words[i], err))
            return false;
    space_loads(ret);
    take_times(ret, edges, edge_count, options);
    take_guards(ret);
    struct schedule nothing = {.lasting_ns = ret->lasting_ns};
    return add_services(ret, options, err) && space_claims(ret, err) &&
           space_fits(ret, &nothing, err);
}

void space_release(struct space *space)
{
    json_decref(space->owned);
    space->owned = NULL;
}
