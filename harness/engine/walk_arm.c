#include "engine/walk.h"

#include "base/clock.h"
#include "base/units.h"
#include "engine/walk_target.h"
#include "engine/walk_world.h"
#include "plan/limits.h"

#include <stdlib.h>

#define USES_MOST 1000

struct span {
    uint32_t owner;
    uint64_t from_ns, to_ns;
};

static uint32_t find_phase(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->phase_count; i++)
        if (strcmp(s->phases[i].name, name) == 0)
            return (uint32_t)i;
    return UINT32_MAX;
}

/* The proxy of a caller may be that of "client", and packets are told by zones too: then there is
 * no service. */
static bool check_place(const struct walk *w, const struct step *step, const struct fault_use *use,
                        size_t *ret_service, struct error *err)
{
    const struct place_end *to = &step->on.to;
    bool proxy = walk_world_is_proxy(use);
    *ret_service = SIZE_MAX;
    if (use->type->world == WORLD_NETEM && to->zone != NULL)
        return true;
    if (!step->has_on || to->service == NULL || to->zone != NULL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: on must be a service, an endpoint or an edge of the lab",
                        step->word);
    *ret_service = walk_find_service(w, to->service);
    if (*ret_service == SIZE_MAX && proxy && strcmp(to->service, "client") == 0)
        return true;
    if (*ret_service == SIZE_MAX)
        return error_at(err, step->source, ERROR_USAGE, "fault.%s: the lab has no service \"%s\"",
                        step->word, to->service);
    uint32_t count = w->services[*ret_service].plan->endpoints;
    if (to->endpoint > count)
        return error_at(err, step->source, ERROR_USAGE, "fault.%s: \"%s\" has %u endpoints, not %u",
                        step->word, to->service, count, to->endpoint);
    return true;
}

static bool add_use(struct walk *w, const struct step *step, struct span span, struct error *err)
{
    struct walk_use *u = &w->uses[w->use_count];
    *u = (struct walk_use){.step = step,
                           .owner = span.owner,
                           .until = UINT32_MAX,
                           .from_ns = span.from_ns,
                           .to_ns = span.to_ns};
    if (!fault_use_from_json(step->word, step->keys, step->source, &w->arena, &u->fault, err) ||
        !check_place(w, step, &u->fault, &u->service, err))
        return false;
    u->fault.id = step->fault;
    if (u->fault.common.to_end_of != NULL) {
        u->until = find_phase(w->scenario, u->fault.common.to_end_of);
        if (u->until == UINT32_MAX || (span.owner != USE_WHOLE_SCENARIO && u->until < span.owner))
            return error_at(err, step->source, ERROR_USAGE,
                            "fault.%s: to_end_of names no later phase: \"%s\"", step->word,
                            u->fault.common.to_end_of);
    }
    if (u->service != SIZE_MAX)
        u->endpoints = ARENA_ARRAY(&w->arena, uint16_t, w->services[u->service].plan->endpoints);
    /* Packets of a lab that is not isolated cannot be told apart: its proxies play it. Zones they
     * do not know. */
    u->by_agent = u->fault.type->world == WORLD_NETEM && w->fleet != NULL && w->fleet->impairs;
    u->in_proxy = u->fault.type->in_proxy != NULL && !w->scenario->lab.netns && !u->by_agent &&
                  u->service != SIZE_MAX && step->on.from.zone == NULL;
    w->use_count++;
    return walk_use_world(u) == WORLD_NONE || walk_world_collect(w, step, u, err);
}

static size_t count_faults(const struct step *steps, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += steps[i].kind == STEP_FAULT ? 1 : count_faults(steps[i].steps, steps[i].step_count);
    return n;
}

static bool collect(struct walk *w, const struct step *steps, size_t count, struct span span,
                    struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        struct span within = span;
        if (s->kind == STEP_FAULT && !add_use(w, s, span, err))
            return false;
        if (s->kind == STEP_AT || s->kind == STEP_DURING)
            within.from_ns = s->from_ns;
        if (s->kind == STEP_DURING)
            within.to_ns = s->to_ns;
        if (s->step_count > 0 && !collect(w, s->steps, s->step_count, within, err))
            return false;
    }
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct walk_use *x = a, *y = b;
    return (x->fault.id > y->fault.id) - (x->fault.id < y->fault.id);
}

bool walk_arm_collect(struct walk *w, struct error *err)
{
    const struct scenario *s = w->scenario;
    size_t count = count_faults(s->steps, s->step_count);
    for (size_t i = 0; i < s->phase_count; i++)
        count += count_faults(s->phases[i].steps, s->phases[i].step_count);
    if (count > USES_MOST)
        return error_at(err, s->source, ERROR_LIMIT,
                        "scenario \"%s\" has %zu faults; at most %d are allowed", s->name, count,
                        USES_MOST);
    w->uses = ARENA_ARRAY(&w->arena, struct walk_use, count);
    struct span whole = {.owner = USE_WHOLE_SCENARIO, .to_ns = UINT64_MAX};
    if (!collect(w, s->steps, s->step_count, whole, err))
        return false;
    for (size_t i = 0; i < s->phase_count; i++) {
        struct span span = {.owner = (uint32_t)i, .to_ns = UINT64_MAX};
        if (!collect(w, s->phases[i].steps, s->phases[i].step_count, span, err))
            return false;
    }
    /* Declared order is the order of the numbers, and overlaps compose in it. */
    if (w->use_count > 1)
        qsort(w->uses, w->use_count, sizeof(*w->uses), by_id);
    return true;
}

static bool is_wanted(const struct walk *w, const struct walk_use *u, uint64_t now_ns)
{
    bool in_phase = w->phase != NULL && (w->state == WALK_ARMING || w->state == WALK_RUNNING ||
                                         w->state == WALK_RESUMING || w->state == WALK_STANDING);
    if (u->expired && !u->on)
        return false;
    if (w->paused || w->faults_held) /* a restart is no state to be taken out: it ends by itself */
        return u->on && u->fault.type->world == WORLD_RESTART;
    if (u->owner == USE_WHOLE_SCENARIO)
        return u->until == UINT32_MAX || w->ordinal <= u->until;
    if (u->carried)
        return true;
    if (!in_phase || u->owner != w->ordinal)
        return false;
    uint64_t at_ns = w->state == WALK_RESUMING   ? w->paused_ns
                     : w->state == WALK_STANDING ? w->stood_ns
                                                 : now_ns;
    uint64_t elapsed_ns = at_ns > w->phase_t0_ns ? at_ns - w->phase_t0_ns : 0; /* not begun yet */
    return elapsed_ns >= u->from_ns && elapsed_ns < u->to_ns;
}

/* How many of ${count} endpoints `mode` asks for. */
static uint32_t mode_count(const struct walk_use *u, uint32_t count)
{
    return u->step->on.to.any ? 1 : limits_mode_count(u->fault.common.mode, count);
}

static int by_number(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* Drawn once, when armed, from (seed, scenario, step). */
static void draw_endpoints(const struct walk *w, struct walk_use *u)
{
    uint32_t all = w->services[u->service].plan->endpoints, count = 0;
    if (u->step->on.to.endpoint != 0) {
        u->endpoints[0] = (uint16_t)u->step->on.to.endpoint;
        u->endpoint_count = 1;
        return;
    }
    for (uint32_t n = 1; n <= all; n++)
        if (plan_place_has(w->scenario, &u->step->on.to, n))
            u->endpoints[count++] = (uint16_t)n;
    uint32_t wanted = mode_count(u, count);
    if (wanted < count) {
        uint64_t seed = w->run_next > 0 ? w->runs[w->run_next - 1].seed : w->context->options->seed;
        struct rng rng = rng_for(seed, 0x647261, w->plan->draws_as, u->fault.id, 0);
        rng_shuffle(&rng, u->endpoints, count, sizeof(*u->endpoints));
        qsort(u->endpoints, wanted, sizeof(*u->endpoints), by_number);
    }
    u->endpoint_count = (uint16_t)wanted;
}

/* The rest of the phase, at most guard.limits.ttl: the phase's end disarms it, and the agent's own
 * limit guards against our death without an end of the socket. */
static uint64_t ttl_of(const struct walk *w, const struct walk_use *u)
{
    return limits_ttl_ns(w->scenario, u->step);
}

static json_t *numbers_json(const struct walk_use *u)
{
    json_t *list = json_array();
    for (size_t i = 0; i < u->endpoint_count; i++)
        json_array_append_new(list, json_integer(u->endpoints[i]));
    return list;
}

/* What a pause took out has a part of its budget left; NULL: nothing of it. */
static json_t *keys_of(const struct walk_use *u)
{
    uint64_t times = u->fault.common.times;
    if (times == PARAM_UNSET || u->spent == 0)
        return json_incref(u->step->keys);
    if (times <= u->spent)
        return NULL;
    json_t *keys = json_copy(u->step->keys);
    json_object_set_new(keys, "times", json_integer((json_int_t)(times - u->spent)));
    return keys;
}

/* Those of the fault's endpoints that the ${count} from ${first} on are. */
static json_t *numbers_within(const struct walk_use *u, uint32_t first, uint32_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < u->endpoint_count; i++)
        if (u->endpoints[i] >= first && u->endpoints[i] - first < count)
            json_array_append_new(list, json_integer(u->endpoints[i]));
    return list;
}

/* The fault as those endpoints are told of it; NULL: it is none of theirs. */
static json_t *fault_json(const struct walk *w, const struct walk_use *u, uint32_t first,
                          uint32_t count)
{
    json_t *stand_in = walk_world_stand_in(u);
    bool ours = walk_use_world(u) == WORLD_NONE || stand_in != NULL ||
                (u->by_agent && walk_impair_is_wanted(u, first, count));
    if (!ours)
        return NULL;
    json_t *endpoints = numbers_within(u, first, count);
    json_t *keys = stand_in != NULL ? stand_in : keys_of(u);
    if (keys == NULL || json_array_size(endpoints) == 0) {
        json_decref(endpoints);
        json_decref(keys);
        return NULL;
    }
    json_t *one = json_pack("{sI ss so so sI}", "id", (json_int_t)u->fault.id, "word",
                            stand_in != NULL ? "refuse" : u->step->word, "keys", keys, "endpoints",
                            endpoints, "ttl_ns", (json_int_t)ttl_of(w, u));
    if (u->in_proxy)
        json_object_set_new(one, "in_proxy", json_true());
    if (u->by_agent)
        json_object_set_new(one, "seed", json_integer((json_int_t)walk_netem_seed(w, u)));
    /* A stream of raw TCP names no caller; the plan's check has seen that there is but this one. */
    if (u->step->on.from.service != NULL && !plan_is_raw(w->services[u->service].plan->protocol))
        json_object_set_new(one, "from", json_string(u->step->on.from.service));
    return one;
}

static void send_set(struct walk *w, size_t service, size_t i)
{
    struct walk_service *s = &w->services[service];
    struct actor *proxy = s->proxies[i];
    struct error err = {0};
    json_t *faults = json_array();
    uint32_t count, first = walk_proxy_first(s, i, &count);
    for (size_t k = 0; k < w->use_count; k++) {
        const struct walk_use *u = &w->uses[k];
        json_t *one = u->on && u->service == service ? fault_json(w, u, first, count) : NULL;
        if (one != NULL)
            json_array_append_new(faults, one);
    }
    proxy->generation++;
    json_t *body =
        json_pack("{sI so}", "generation", (json_int_t)proxy->generation, "faults", faults);
    const char *backend = walk_backend_wanted(w, service, first, count);
    if (backend != NULL)
        json_object_set_new(body, "backend", json_string(backend));
    if (s->moved_count > 0) { /* in a lab of children: one proxy has them all */
        json_t *moved = json_array();
        for (size_t k = 0; k < s->moved_count; k++)
            json_array_append_new(moved, json_integer(s->moved[k]));
        json_object_set_new(body, "moved", moved);
        s->moved_count = 0;
    }
    if (!actor_send(proxy, CONTROL_ARM, body, &err))
        walk_break(w, &err);
}

/* The whole set that is in force at one service from now on. */
void walk_arm_send(struct walk *w, size_t service)
{
    struct walk_service *s = &w->services[service];
    for (size_t i = 0; i < s->proxy_count; i++)
        if (s->proxies[i]->state == ACTOR_READY)
            send_set(w, service, i);
}

static void tell_armed(struct walk *w, struct walk_use *u, uint64_t at_ns)
{
    char text[128];
    fault_use_print(&u->fault, text, sizeof(text));
    u->told_armed = true;
    json_t *event =
        json_pack("{sI ss ss so ss}", "fault", (json_int_t)u->fault.id, "word", u->step->word, "on",
                  u->step->on.text, "endpoints", numbers_json(u), "text", text);
    if (event != NULL && u->fault.common.name != NULL)
        json_object_set_new(event, "name", json_string(u->fault.common.name));
    walk_event(w, "fault_armed", event, at_ns);
    walk_tell_fault(w, u, "fault.armed", "");
}

static void tell_disarmed(struct walk *w, struct walk_use *u, uint64_t now_ns)
{
    u->told_armed = false;
    walk_event(
        w, "fault_disarmed",
        json_pack("{sI sI}", "fault", (json_int_t)u->fault.id, "fired", (json_int_t)u->fired),
        now_ns);
}

static void turn_on(struct walk *w, struct walk_use *u, uint64_t now_ns)
{
    u->carried = u->until != UINT32_MAX && u->owner != USE_WHOLE_SCENARIO;
    if (!u->interrupted) {
        u->fired = 0;
        u->spent = 0;
        u->told_first = false;
        if (u->service != SIZE_MAX)
            draw_endpoints(w, u);
    }
    u->interrupted = false;
    if (walk_use_world(u) == WORLD_NONE)
        return;
    u->ttl_ns = ttl_of(w, u);
    walk_world_arm(w, u);
    if (!u->stands_in && !u->by_agent)
        tell_armed(w, u, now_ns);
}

static void turn_off(struct walk *w, struct walk_use *u, uint64_t now_ns)
{
    u->stands_in = false;
    if (walk_use_world(u) != WORLD_NONE)
        walk_world_disarm(w, u);
    if (u->told_armed)
        tell_disarmed(w, u, now_ns);
}

/* In declared order on, in reverse order off. */
void walk_arm_update(struct walk *w, bool none)
{
    uint64_t now_ns = loop_now_ns(w->context->loop);
    for (size_t i = w->use_count; i-- > 0;) {
        struct walk_use *u = &w->uses[i];
        if (!u->on || (!none && is_wanted(w, u, now_ns)))
            continue;
        u->on = false;
        u->interrupted = w->paused || w->faults_held;
        u->spent = u->fired;
        if (u->service != SIZE_MAX)
            w->services[u->service].arm_due = true;
        turn_off(w, u, now_ns);
    }
    for (size_t i = 0; i < w->use_count; i++) {
        struct walk_use *u = &w->uses[i];
        /* What was taken out is on its way back: it is armed again when it is there. */
        if (u->on || none || !is_wanted(w, u, now_ns) || !walk_world_idle(u))
            continue;
        if (!w->context->may_go_on(w->context->cookie, w, true))
            return;
        if (u->service != SIZE_MAX)
            w->services[u->service].arm_due = true;
        u->on = true;
        turn_on(w, u, now_ns);
    }
    for (size_t i = 0; i < w->service_count; i++) {
        bool due = w->services[i].arm_due;
        w->services[i].arm_due = false;
        if (due)
            walk_arm_send(w, i);
    }
}

static bool is_armed(const struct walk_service *s)
{
    for (size_t i = 0; i < s->proxy_count; i++) {
        const struct actor *proxy = s->proxies[i];
        if (proxy != NULL && proxy->state == ACTOR_READY && proxy->armed != proxy->generation)
            return false;
    }
    return true;
}

bool walk_arm_settled(const struct walk *w)
{
    for (size_t i = 0; i < w->service_count; i++)
        if (!is_armed(&w->services[i]))
            return false;
    return walk_world_settled(w);
}

void walk_arm_on_armed(struct walk *w, struct actor *a, const json_t *armed)
{
    size_t service = 0;
    if (a->armed != a->generation) /* an answer to an older set */
        return;
    while (service < w->service_count && !walk_is_proxy(&w->services[service], a))
        service++;
    if (service == w->service_count)
        return;
    struct walk_service *s = &w->services[service];
    uint64_t at_ns = control_number(armed, "at");
    s->armed_ns = at_ns > s->armed_ns ? at_ns : s->armed_ns;
    if (!is_armed(s)) /* by the last of its endpoints */
        return;
    for (size_t i = 0; i < w->use_count; i++) {
        struct walk_use *u = &w->uses[i];
        if (u->on && !u->told_armed && u->service == service)
            tell_armed(w, u, s->armed_ns);
    }
}

uint64_t walk_arm_next_edge_ns(const struct walk *w, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < w->use_count; i++) {
        const struct walk_use *u = &w->uses[i];
        if (u->owner != w->ordinal)
            continue;
        uint64_t edges[] = {u->from_ns, u->to_ns};
        for (size_t k = 0; k < COUNT_OF(edges); k++) {
            if (edges[k] >= UINT64_MAX - w->phase_t0_ns || edges[k] == 0)
                continue;
            uint64_t at_ns = w->phase_t0_ns + edges[k];
            if (at_ns > now_ns && at_ns < next_ns)
                next_ns = at_ns;
        }
    }
    return next_ns;
}

void walk_arm_phase_ended(struct walk *w, uint32_t ordinal)
{
    for (size_t i = 0; i < w->use_count; i++) {
        struct walk_use *u = &w->uses[i];
        if (u->until == ordinal)
            u->carried = false;
        /* The phase once more draws anew, and has all its `times`. */
        if (u->until == ordinal || (u->until == UINT32_MAX && u->owner == ordinal))
            u->interrupted = u->expired = false;
    }
}
