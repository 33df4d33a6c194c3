#include "engine/walk_target.h"
#include "engine/walk_world.h"

#include "base/clock.h"
#include "faults/process.h"
#include "world/undo_pause.h"

#include <stdlib.h>

/* fault.kill, fault.pause and fault.restart: each change is promised in the run's ledger first,
 * read back, and journalled; what was killed is started again in its place, at its old address. */

/* --- what is wanted --- */

static const struct fault_process *asked(const struct walk_use *u)
{
    return u->fault.params;
}

/* Endpoints that pass on to what runs already have no backend of ours. The proxy of such an
 * endpoint is the endpoint, and it is killed as its callers see it (ADR 0032). */
static bool is_relayed(const struct walk *w, const struct walk_use *u)
{
    return w->fleet != NULL && w->fleet->relays && asked(u)->what == FAULT_ENDPOINT;
}

static bool check_relayed(const struct step *step, const struct walk_use *u, struct error *err)
{
    if (u->fault.type->world == WORLD_KILL)
        return true;
    return error_at(err, step->source, ERROR_USAGE,
                    "fault.%s: an endpoint of ours that passes on to \"%s\" has no process that "
                    "could %s: write %s",
                    step->word, step->on.to.service,
                    u->fault.type->world == WORLD_PAUSE ? "stand still" : "end in order",
                    u->fault.type->world == WORLD_PAUSE ? "fault.blackhole"
                                                        : "fault.kill with a ttl");
}

static bool check_what(const struct walk *w, const struct step *step, const struct walk_use *u,
                       struct error *err)
{
    static const char *const drivers[] = {
        [DRIVER_BUILTIN] = "builtin", [DRIVER_ENVOY] = "envoy", [DRIVER_EXTERNAL] = "external"};
    enum driver d = w->plan->driver;
    const char *driver = (size_t)d < COUNT_OF(drivers) && drivers[d] != NULL ? drivers[d] : "istio";
    uint64_t what = asked(u)->what;
    if (what == FAULT_PROXY && w->plan->driver == DRIVER_EXTERNAL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: the driver external has no proxy that we started", step->word);
    size_t service = walk_find_service(w, step->on.to.service);
    if (is_relayed(w, u))
        return check_relayed(step, u, err);
    if (what == FAULT_ENDPOINT && service != SIZE_MAX &&
        w->services[service].plan->address_count > 0)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: \"%s\" runs already, and is no process of ours", step->word,
                        step->on.to.service);
    if (what > FAULT_PROXY)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: the driver %s has no %s; what can be endpoint or proxy here",
                        step->word, driver, fault_what_words[what]);
    return true;
}

static bool check_caller(const struct walk *w, const struct step *step, struct error *err)
{
    if (walk_mesh_find(w, step->on.to.service) != NULL)
        return true;
    return error_at(err, step->source, ERROR_USAGE,
                    "fault.%s: \"%s\" calls nobody, so it has no proxy of the mesh", step->word,
                    step->on.to.service);
}

/* A process is stopped or killed by one fault at a time: the end of one would be the end of both.
 */
static bool check_alone(const struct walk *w, const struct step *step, const struct walk_use *u,
                        struct error *err)
{
    for (const struct walk_use *o = w->uses; o < u; o++) {
        enum world_kind kind = o->fault.type->world;
        uint32_t theirs = o->step->on.to.endpoint, ours = step->on.to.endpoint;
        bool process = kind == WORLD_KILL || kind == WORLD_PAUSE || kind == WORLD_RESTART;
        /* A proxy that starts while its control plane is cut would know nothing. */
        bool cut = kind == WORLD_CUT && asked(u)->what == FAULT_PROXY;
        if ((!process && !cut) || (process && asked(o)->what != asked(u)->what) ||
            strcmp(o->step->on.to.service, step->on.to.service) != 0 ||
            (theirs != 0 && ours != 0 && theirs != ours) || !walk_uses_overlap(u, o))
            continue;
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s overlaps the fault.%s of line %u on the same process", step->word,
                        o->step->word, o->step->source.line);
    }
    return true;
}

bool walk_process_collect(struct walk *w, const struct step *step, struct walk_use *u,
                          struct error *err)
{
    size_t room = 1;
    if (!check_what(w, step, u, err))
        return false;
    if (step->on.from.service != NULL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: on must be a service or an endpoint, not an edge", step->word);
    if (asked(u)->what == FAULT_PROXY && !check_caller(w, step, err))
        return false;
    if (asked(u)->what == FAULT_ENDPOINT) {
        room = w->services[u->service].plan->endpoints;
        w->services[u->service].stubs_apart = true;
    }
    if (asked(u)->what == FAULT_PROXY && u->service != SIZE_MAX)
        room = w->services[u->service].plan->endpoints;
    u->targets = ARENA_ARRAY(&w->arena, struct walk_target, room);
    return check_alone(w, step, u, err);
}

bool walk_process_is_proxy(const struct fault_use *use)
{
    enum world_kind kind = use->type->world;
    return (kind == WORLD_KILL || kind == WORLD_PAUSE || kind == WORLD_RESTART) &&
           ((const struct fault_process *)use->params)->what == FAULT_PROXY;
}

json_t *walk_world_stand_in(const struct walk_use *u)
{
    if (!u->stands_in)
        return NULL;
    return json_pack("{ss ss}", "on", u->step->on.text, "existing",
                     u->fault.type->world == WORLD_KILL ? "reset" : "keep");
}

/* --- acts --- */

static bool promise(struct walk_target *t, const char *before, const char *after, struct error *err)
{
    if (t->use->fault.type->world != WORLD_PAUSE)
        return walk_target_promise_lab(t, before, after, err);
    return walk_target_promise(t, &undo_pause, undo_pause_note(t->place, &t->process), before,
                               after, err);
}

static bool stop_process(struct walk_target *t, struct error *err)
{
    uint64_t since_ns = clock_now_ns();
    if (walk_backend_is(t))
        return walk_backend_stop(t, err);
    if (!promise(t, "running", "stopped", err))
        return false;
    t->state = TARGET_STOPPED; /* from the promise on: whatever fails is undone */
    if (!process_stop(&t->process, err) || !undo_done(t->walk->context->undo, t->entry, err))
        return false;
    if (t->own_silence)
        actor_stopped(t->actor, since_ns);
    walk_target_journal(t, STEP_DONE, "running", "stopped", true, since_ns);
    return true;
}

static bool kill_actor(struct walk_target *t, struct error *err)
{
    uint64_t since_ns = clock_now_ns();
    t->state = TARGET_DOWN; /* from the promise on */
    if (walk_backend_is(t)) {
        walk_backend_kill(t);
        return true;
    }
    if (!actor_kill(t->actor, err) || !undo_done(t->walk->context->undo, t->entry, err))
        return false;
    actor_keep_ports(t->actor);
    walk_target_journal(t, STEP_DONE, "up", "killed", true, since_ns);
    return true;
}

/* Where a mesh has a control plane, a restarted endpoint is one that was replaced, as a pod is:
 * taken out when it begins to end, and back at another address. (One that was killed nobody has
 * taken out.)
 */
static bool is_replaced(const struct walk_target *t)
{
    return t->use->fault.type->world == WORLD_RESTART && asked(t->use)->what == FAULT_ENDPOINT &&
           walk_cut_is_asked(t->walk);
}

uint16_t walk_target_endpoint(const struct walk_target *t)
{
    return t->use->endpoints[t - t->use->targets];
}

bool walk_world_is_away(const struct walk *w, size_t service, uint32_t endpoint)
{
    for (size_t i = 0; i < w->use_count; i++) {
        const struct walk_use *u = &w->uses[i];
        for (size_t k = 0; u->service == service && k < u->target_count; k++)
            if (u->fault.type->world == WORLD_RESTART && is_replaced(&u->targets[k]) &&
                u->targets[k].state != TARGET_IDLE &&
                walk_target_endpoint(&u->targets[k]) == endpoint)
                return true;
    }
    return false;
}

void walk_world_on_moved(struct walk *w, const struct actor *proxy)
{
    struct error err = {0};
    for (size_t i = 0; i < w->service_count; i++)
        if (walk_is_proxy(&w->services[i], proxy) && !walk_mesh_route(w, i, &err))
            walk_break(w, &err);
}

static bool begin_target(struct walk_target *t, struct error *err)
{
    uint64_t now_ns = loop_now_ns(t->walk->context->loop);
    enum world_kind kind = t->use->fault.type->world;
    if (kind == WORLD_PAUSE)
        return stop_process(t, err);
    if (t->actor->state != ACTOR_READY)
        return error_set(err, ERROR_PEER, "fault.%s: the %s is down already", t->use->step->word,
                         t->place);
    if (!promise(t, "up", "down", err))
        return false;
    if (kind == WORLD_KILL)
        return kill_actor(t, err);
    t->state = TARGET_ENDING;
    if (walk_backend_is(t)) {
        walk_backend_end(t);
        return true;
    }
    actor_drain(t->actor, asked(t->use)->grace);
    walk_target_wait(t, now_ns + asked(t->use)->grace);
    return !is_replaced(t) || walk_mesh_route(t->walk, t->use->service, err);
}

static struct walk_target *add_target(struct walk *w, struct walk_use *u, struct actor *a,
                                      const char *place)
{
    struct walk_target *t = &u->targets[u->target_count++];
    *t = (struct walk_target){.walk = w, .use = u, .actor = a, .own_silence = true};
    snprintf(t->place, sizeof(t->place), "%s", place);
    return t;
}

/* A real proxy, and a user's program, is the child of its agent, and stopped itself: the agent goes
 * on. */
static bool find_paused(struct walk_target *t, bool is_child, struct error *err)
{
    struct process *children;
    size_t count;
    if (!process_read(t->actor->pid, &t->process, err))
        return false;
    if (!is_child)
        return true;
    if (!process_children(&t->process, &children, &count, err))
        return false;
    if (count > 0)
        t->process = children[0];
    free(children);
    t->own_silence = false;
    return count == 1 || error_set(err, ERROR_SYSTEM, "the %s has %zu processes; it must have one",
                                   t->place, count);
}

static bool list_proxies(struct walk *w, struct walk_use *u, struct error *err)
{
    const struct place_end *to = &u->step->on.to;
    bool pause = u->fault.type->world == WORLD_PAUSE;
    size_t at = 0;
    for (struct walk_mesh *m; (m = walk_mesh_next(w, to->service, to->endpoint, &at)) != NULL;) {
        char place[96];
        walk_mesh_print(m, place, sizeof(place));
        struct walk_target *t = add_target(w, u, m->actor, place);
        if (pause && !find_paused(t, w->plan->driver != DRIVER_BUILTIN, err))
            return false;
    }
    return true;
}

static bool list_targets(struct walk *w, struct walk_use *u, struct error *err)
{
    char place[96];
    const struct place_end *to = &u->step->on.to;
    bool pause = u->fault.type->world == WORLD_PAUSE;
    u->target_count = 0;
    if (asked(u)->what == FAULT_PROXY)
        return list_proxies(w, u, err);
    for (size_t i = 0; i < u->endpoint_count; i++) {
        uint16_t number = u->endpoints[i];
        const struct walk_service *s = &w->services[u->service];
        bool relayed = is_relayed(w, u);
        snprintf(place, sizeof(place), "%s/%u", to->service, number);
        struct walk_target *t =
            add_target(w, u, relayed ? walk_proxy_of(s, number) : walk_stub_of(s, number), place);
        t->relayed = relayed;
        if (pause && !walk_backend_is(t) && !find_paused(t, s->plan->run != NULL, err))
            return false;
    }
    return true;
}

bool walk_process_arm(struct walk *w, struct walk_use *u, struct error *err)
{
    if (!list_targets(w, u, err))
        return false;
    u->stands_in = asked(u)->what == FAULT_ENDPOINT && u->fault.type->world != WORLD_PAUSE;
    for (size_t i = 0; i < u->target_count; i++)
        if (!begin_target(&u->targets[i], err))
            return false;
    return true;
}

/* --- and back --- */

static void go_on(struct walk_target *t)
{
    struct error err = {0};
    enum undo_result result;
    uint64_t since_ns = clock_now_ns();
    if (walk_backend_is(t)) {
        walk_backend_go_on(t);
        return;
    }
    bool back = undo_revert(t->walk->context->undo, t->entry, &result, &err);
    actor_goes_on(t->actor, clock_now_ns());
    if (back && result == UNDO_GONE)
        walk_tell(t->walk, "fault.lost", "the process of %s was not stopped any more", t->place);
    if (back && result != UNDO_DIVERGED) {
        walk_target_end(t, "stopped", "running", since_ns);
        return;
    }
    if (back)
        error_set(&err, ERROR_SYSTEM, "the process of %s is held by somebody else", t->place);
    t->state = TARGET_IDLE;
    walk_target_journal(t, STEP_UNDONE, "stopped", "", false, since_ns);
    walk_target_not_undone(t->walk, &err);
}

static void start_again(struct walk_target *t)
{
    struct walk_context *c = t->walk->context;
    struct error err = {0};
    if (walk_backend_is(t)) {
        walk_backend_start(t);
        return;
    }
    t->state = TARGET_STARTING;
    if (!actor_start_again(t->actor, &c->starter, t->walk->plan->arm, ++c->next_proc, &err))
        walk_break(t->walk, &err);
}

void walk_process_due(struct walk_target *t, uint64_t now_ns)
{
    struct error err = {0};
    if (t->state == TARGET_STOPPED) {
        go_on(t);
    } else if (t->state == TARGET_DOWN) {
        start_again(t);
    } else if (t->state == TARGET_ENDING) {
        if (kill_actor(t, &err))
            walk_target_wait(t, now_ns + (t->use->on ? asked(t->use)->down : 0));
        else
            walk_break(t->walk, &err);
        if (walk_backend_is(t)) /* it is dead when its proxy's agent has this */
            walk_arm_send(t->walk, t->use->service);
    }
}

void walk_process_disarm(struct walk_target *t)
{
    struct loop *loop = t->walk->context->loop;
    if (t->state == TARGET_STOPPED) {
        loop_hold_remove(loop, &t->hold);
        go_on(t);
    } else if (t->state == TARGET_DOWN || t->state == TARGET_ENDING) {
        walk_target_wait(t, loop_now_ns(loop)); /* in a turn of its own */
    }
}

/* --- what the agents say --- */

bool walk_world_on_hello(struct walk *w, struct actor *a)
{
    struct error err = {0};
    if (walk_target_find(w, a, TARGET_STARTING) == NULL)
        return false;
    if (!walk_setup_send(w, a, &err))
        walk_break(w, &err);
    return true;
}

static bool is_back(struct walk *w, const struct walk_target *t, struct error *err)
{
    struct actor *a = t->actor;
    for (size_t i = 0; i < a->former_count; i++)
        if (i >= a->address_count || strcmp(a->addresses[i], a->former[i]) != 0)
            return error_set(err, ERROR_PEER, "%s came back at another address than %s", t->place,
                             a->former[i]);
    return walk_setup_route(w, a, err);
}

bool walk_world_on_ready(struct walk *w, struct actor *a)
{
    struct walk_target *t = walk_target_find(w, a, TARGET_STARTING);
    struct error err = {0};
    uint64_t since_ns = clock_now_ns();
    if (t == NULL)
        return false;
    actor_drop_ports(a);
    if (!is_back(w, t, &err) || !undo_confirm(w->context->undo, t->entry, &err)) {
        walk_break(w, &err);
        return true;
    }
    walk_target_end(t, "down", "up", since_ns);
    if (is_replaced(t)) {
        struct walk_service *s = &w->services[t->use->service];
        s->moved[s->moved_count++] = walk_target_endpoint(t);
    }
    if (is_replaced(t) && !t->use->on) /* its stand-in has gone before */
        walk_arm_send(w, t->use->service);
    if (t->use->stands_in) {
        t->use->stands_in = false;
        for (size_t i = 0; i < t->use->target_count; i++)
            t->use->stands_in = t->use->stands_in || t->use->targets[i].state != TARGET_IDLE;
        if (!t->use->stands_in && t->use->on)
            walk_arm_send(w, t->use->service);
    }
    return true;
}

bool walk_world_on_ended(struct walk *w, struct actor *a)
{
    struct walk_target *t = walk_target_find(w, a, TARGET_ENDING);
    struct error err = {0};
    if (t == NULL)
        return false;
    t->state = TARGET_DOWN;
    if (!walk_backend_is(t)) /* another machine's, maybe */
        actor_keep_ports(a);
    if (!undo_done(w->context->undo, t->entry, &err))
        walk_break(w, &err);
    walk_target_journal(t, STEP_DONE, "up", "ended", true, clock_now_ns());
    walk_target_wait(t, loop_now_ns(w->context->loop) + (t->use->on ? asked(t->use)->down : 0));
    return true;
}
