#include "engine/walk.h"
#include "engine/walk_world.h"

#include "base/clock.h"

#include <stdlib.h>

/* The subject's agents that dial in: who is wanted, who has come, and what it means when one goes
 * (spec/kubernetes.md 2 "agent lost", 7). */

#define BARRIER_LEAST_NS (500 * NS_PER_MS)
#define BARRIER_MOST_NS (10 * NS_PER_S)

static size_t agent_count(const struct walk *w)
{
    size_t count = w->load_count;
    for (size_t i = 0; i < w->service_count; i++)
        count += w->services[i].proxy_count;
    return count;
}

/* A budget is kept by one process: where the endpoints are several, each would have all of it. */
static bool check_budget(const struct walk *w, const struct walk_use *u, struct error *err)
{
    if (w->fleet->together || u->service == SIZE_MAX || u->fault.common.times == PARAM_UNSET ||
        w->services[u->service].plan->endpoints == 1 || u->step->on.to.endpoint != 0)
        return true;
    return error_at(err, u->step->source, ERROR_USAGE,
                    "fault.%s: `times` is one budget, and each endpoint is an agent of its own "
                    "here: name one endpoint, such as \"%s/1\"",
                    u->step->word, u->step->on.to.service);
}

/* An endpoint's backend is signalled by the agent that started it; nothing else of a process that
 * dials in is anybody's here to signal. */
static bool check_process(const struct walk *w, const struct walk_use *u, struct error *err)
{
    enum world_kind kind = walk_use_world(u);
    bool process = kind == WORLD_KILL || kind == WORLD_PAUSE || kind == WORLD_RESTART;
    if (!process || (u->service == SIZE_MAX && !walk_fleet_plays_mesh(w)))
        return true;
    if (walk_world_is_proxy(&u->fault))
        return error_at(err, u->step->source, ERROR_USAGE,
                        "fault.%s: processes of agents that dial in are not ours to signal, but "
                        "for the backend of an endpoint: --on local",
                        u->step->word);
    if (w->fleet->together)
        return error_at(err, u->step->source, ERROR_USAGE,
                        "fault.%s: with --endpoints ports the endpoints of %s are one process: "
                        "--endpoints pods",
                        u->step->word, u->step->on.to.service);
    return true;
}

/* The mesh that a fleet plays is one process, beside the one load. */
static bool check_mesh(const struct walk *w, struct error *err)
{
    bool alone = w->mesh_count == 1 && strcmp(w->meshes[0].caller, "client") == 0 &&
                 w->meshes[0].endpoint == 0 && w->context->options->load_agents <= 1;
    if (!walk_fleet_plays_mesh(w) || alone)
        return true;
    return error_at(err, w->scenario->lab.source, ERROR_USAGE,
                    "scenario \"%s\": in a cluster the driver builtin plays the mesh of one "
                    "client alone, beside one load agent",
                    w->scenario->name);
}

bool walk_fleet_plays_mesh(const struct walk *w)
{
    return w->fleet != NULL && w->fleet->plays_mesh && w->plan->driver == DRIVER_BUILTIN;
}

/* Each endpoint's agent starts a backend of its own, but where all pass on to what is there. */
static bool check_services(const struct walk *w, struct error *err)
{
    for (size_t i = 0; i < w->service_count && !w->fleet->relays; i++) {
        const struct service_plan *s = w->services[i].plan;
        if (s->address_count > 0)
            return error_at(err, s->source, ERROR_USAGE,
                            "service \"%s\" runs already, at its `address`; agents that dial in "
                            "bring their own: --on local",
                            s->name);
    }
    return true;
}

bool walk_fleet_check(const struct walk *w, struct error *err)
{
    if (w->fleet == NULL)
        return true;
    if (!check_mesh(w, err) || !check_services(w, err))
        return false;
    if (w->scenario->lab.netns)
        return error_at(err, w->scenario->lab.source, ERROR_USAGE,
                        "lab isolation \"netns\" is for agents that are children of the run: "
                        "--on local");
    for (size_t i = 0; i < w->service_count; i++)
        if (w->services[i].plan->run != NULL)
            return error_at(err, w->services[i].plan->source, ERROR_USAGE,
                            "service \"%s\": run is for agents that are children of the run: "
                            "--on local",
                            w->services[i].plan->name);
    for (size_t i = 0; i < w->use_count; i++) {
        const struct walk_use *u = &w->uses[i];
        if (!check_budget(w, u, err) || !check_process(w, u, err))
            return false;
    }
    return true;
}

static void describe(const struct actor *a, enum fleet_role role, uint32_t number,
                     uint32_t endpoints, struct fleet_agent *to)
{
    *to = (struct fleet_agent){
        .role = role, .service = a->service, .number = number, .endpoints = endpoints};
    snprintf(to->id, sizeof(to->id), "%s", a->id);
}

bool walk_fleet_start(struct walk *w, struct error *err)
{
    const struct walk_context *c = w->context;
    struct fleet_agent agents[FLEET_AGENTS_MOST];
    size_t count = 0, wanted = agent_count(w);
    struct fleet_call call = {
        .run = c->options->run, .conductor = intake_address(c->intake), .psk = c->psk};
    if (wanted > FLEET_AGENTS_MOST)
        return error_at(err, w->scenario->lab.source, ERROR_LIMIT,
                        "scenario \"%s\" needs %zu agents (%zu endpoints, %zu of load); at most %d "
                        "agents are allowed",
                        w->scenario->name, wanted, wanted - w->load_count, w->load_count,
                        FLEET_AGENTS_MOST);
    for (size_t i = 0; i < w->service_count; i++) {
        const struct walk_service *s = &w->services[i];
        for (size_t k = 0; k < s->proxy_count; k++)
            describe(s->proxies[k], FLEET_ENDPOINT, (uint32_t)k + 1,
                     s->plan->endpoints / (uint32_t)s->proxy_count, &agents[count++]);
    }
    for (size_t i = 0; i < w->load_count; i++)
        describe(w->loads[i], FLEET_LOAD, (uint32_t)i + 1, 0, &agents[count++]);
    w->fleet_started = true;
    return w->fleet->start(w->fleet, agents, count, &call, err);
}

bool walk_fleet_left(struct walk *w)
{
    return !w->fleet_started || w->fleet->leave == NULL || w->fleet->leave(w->fleet);
}

void walk_fleet_end(struct walk *w)
{
    struct error err = {0};
    if (w->fleet_started && !w->fleet->end(w->fleet, &err))
        walk_tell(w, "agent.end", "%s", err.text);
    w->fleet_started = false;
}

/* ---- who has come ---- */

static struct actor *find(struct walk *w, const char *role, const char *id)
{
    for (size_t i = 0; w->fleet != NULL && i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        if (a->id != NULL && strcmp(a->id, id) == 0 && strcmp(a->role, role) == 0)
            return a;
    }
    return NULL;
}

/* What is started beside it: an endpoint's stub, the load's mesh. */
static bool has_companion(const struct walk *w, const struct actor *a)
{
    if (strcmp(a->role, "load") == 0)
        return walk_fleet_plays_mesh(w);
    size_t service = walk_find_service(w, a->service);
    return strcmp(a->role, "proxy") == 0 && service != SIZE_MAX &&
           w->services[service].stub_count > 0;
}

bool walk_admit(struct walk *w, const json_t *hello, struct carrier *wire, bool *ret_taken,
                struct error *err)
{
    struct actor *a = find(w, control_text(hello, "role"), control_text(hello, "id"));
    if (a == NULL)
        return false;
    bool first = a->instance == 0;
    *ret_taken =
        actor_admit(a, hello, w->context->intake, wire, w->plan->arm, has_companion(w, a), err);
    if (*ret_taken && first)
        walk_event(w, "agent",
                   json_pack("{ss ss sI sI ss}", "role", a->role, "id", a->id, "proc",
                             (json_int_t)a->proc, "cpu_milli",
                             (json_int_t)control_number(hello, "cpu_milli"), "build",
                             control_text(hello, "build")),
                   loop_now_ns(w->context->loop));
    return true;
}

uint64_t walk_fleet_barrier(struct walk *w)
{
    uint64_t slowest_ns = 0, in_ns;
    if (w->fleet == NULL)
        return 0;
    for (size_t i = 0; i < w->load_count; i++)
        if (w->loads[i]->slowest_ns > slowest_ns)
            slowest_ns = w->loads[i]->slowest_ns;
    in_ns = slowest_ns < BARRIER_MOST_NS / 2 ? 2 * slowest_ns : BARRIER_MOST_NS;
    in_ns = in_ns < BARRIER_LEAST_NS ? BARRIER_LEAST_NS : in_ns;
    walk_event(w, "load_start",
               json_pack("{sI sI sI sI}", "agents", (json_int_t)w->load_count, "in_ns",
                         (json_int_t)in_ns, "slowest_trip_ns", (json_int_t)slowest_ns,
                         "skew_most_ns", (json_int_t)(slowest_ns / 2)),
               loop_now_ns(w->context->loop));
    return in_ns;
}

/* ---- who goes ---- */

static bool in_phase(const struct walk *w)
{
    return w->phase_id != 0 && (w->state == WALK_ARMING || w->state == WALK_RUNNING ||
                                w->state == WALK_RESUMING || w->state == WALK_PAUSED);
}

static size_t service_of(const struct walk *w, const struct actor *a)
{
    return strcmp(a->role, "load") == 0 ? SIZE_MAX : walk_find_service(w, a->service);
}

static bool has_faults(const struct walk *w, size_t service)
{
    for (size_t i = 0; i < w->use_count; i++)
        if (w->uses[i].on && w->uses[i].service == service)
            return true;
    return false;
}

/* ${why}: one line that names the agent. */
static void tell_gone(struct walk *w, const char *what, const struct actor *a, const char *why)
{
    walk_event(w, what, json_pack("{ss ss ss}", "role", a->role, "id", a->id, "why", why),
               loop_now_ns(w->context->loop));
    walk_tell(w, what, "%s", why);
}

/* It disarms by itself at once. A phase whose faults were out for a while, or whose load was, is no
 * evidence, whatever else is there. */
void walk_fleet_on_away(struct walk *w, struct actor *a)
{
    size_t service = service_of(w, a);
    char text[FLEET_ID_BYTES + 96], who[FLEET_ID_BYTES + 32];
    snprintf(text, sizeof(text), "the connection of the %s has ended",
             actor_print(a, who, sizeof(who)));
    tell_gone(w, "agent_away", a, text);
    if (!in_phase(w))
        return;
    if (service == SIZE_MAX || has_faults(w, service))
        actor_note_lost(a, w->phase_t0_ns);
    if (service == SIZE_MAX)
        walk_phase_end(w, "lost");
}

void walk_fleet_on_back(struct walk *w, struct actor *a)
{
    size_t service = service_of(w, a);
    char text[FLEET_ID_BYTES + 96], who[FLEET_ID_BYTES + 32];
    snprintf(text, sizeof(text), "the %s is back", actor_print(a, who, sizeof(who)));
    tell_gone(w, "agent_back", a, text);
    for (size_t i = 0; i < w->use_count; i++) /* what is left of a budget, as after a pause */
        if (w->uses[i].on && w->uses[i].service == service)
            w->uses[i].spent = w->uses[i].fired;
    if (service != SIZE_MAX && strcmp(a->role, "proxy") == 0 && a->state == ACTOR_READY)
        walk_arm_send(w, service);
    walk_calm_on_back(w, a);
}

/* Endpoints whose proxy and stub (where it has one of ours) are both there. */
static uint32_t endpoints_left(const struct walk *w, size_t service)
{
    const struct walk_service *s = &w->services[service];
    uint32_t left = 0, each = s->plan->endpoints / (uint32_t)s->proxy_count;
    for (size_t i = 0; i < s->proxy_count; i++)
        if (!s->proxies[i]->lost && (s->stub_count == 0 || !s->stubs[i]->lost))
            left += each;
    return left;
}

void walk_fleet_on_lost(struct walk *w, struct actor *a, const struct error *why)
{
    char fate[160] = "";
    struct error full = {0};
    size_t service = service_of(w, a);
    w->fleet->fate(w->fleet, a->id, fate, sizeof(fate));
    error_set(&full, ERROR_PEER, "%s%s%s", why->text, fate[0] == '\0' ? "" : ": ", fate);
    tell_gone(w, "agent_lost", a, full.text);
    if (w->phase_t0_ns != 0)
        actor_note_lost(a, w->phase_t0_ns);
    walk_backend_on_lost(w, a);
    walk_impair_on_lost(w, a);
    if (w->state >= WALK_RECOVERING)
        return;
    if (service == SIZE_MAX || w->state < WALK_ARMING) {
        walk_phase_end(w, "lost");
        walk_break(w, &full);
        return;
    }
    uint32_t left = endpoints_left(w, service);
    if (left < FLEET_ENDPOINTS_LEAST) {
        error_prefix(&full, "%s has %u of its %u endpoints left, and needs %d: ", a->service, left,
                     w->services[service].plan->endpoints, FLEET_ENDPOINTS_LEAST);
        walk_break(w, &full);
        return;
    }
    walk_phase_on_armed(w); /* it is not waited for any more */
}

void walk_fleet_phase_ended(struct walk *w)
{
    for (size_t i = 0; w->fleet != NULL && i < w->actor_count; i++)
        if (w->actors[i].lost)
            actor_note_lost(&w->actors[i], w->phase_t0_ns);
}

void walk_fleet_give_up(struct walk *w)
{
    for (size_t i = 0; w->fleet != NULL && i < w->actor_count; i++)
        if (w->actors[i].id != NULL && w->actors[i].instance == 0)
            actor_give_up(&w->actors[i]);
}

void walk_fleet_reap(struct walk *w)
{
    char id[FLEET_ID_BYTES];
    while (w->fleet_started && w->fleet->reap != NULL && w->fleet->reap(w->fleet, id)) {
        struct actor *a = find(w, "proxy", id);
        a = a == NULL ? find(w, "load", id) : a;
        if (a != NULL)
            actor_give_up(a);
    }
}
