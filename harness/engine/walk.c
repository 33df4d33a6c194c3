#include "engine/walk.h"

#include "base/clock.h"
#include "engine/folder.h"
#include "engine/walk_world.h"
#include "journal/arm.h"
#include "plan/fault_words.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#define ARENA_MOST_BYTES ((size_t)32 * 1024 * 1024)
#define SERVICES_MOST 200
#define RUNS_MOST 4096
#define LOAD_HASTY_NS (NS_PER_S)

/* How long each role may take to end: the load's calls and the proxies' may still be under way. */
struct drain_stage {
    const char *role;
    uint64_t within_ns;
};
static const struct drain_stage drains[] = {
    {"load", 0}, /* load_drain_ns */
    {"mesh", 5 * NS_PER_S},
    {"proxy", 2 * NS_PER_S},
    {"stub", 1 * NS_PER_S},
};

void walk_tell(struct walk *w, const char *what, const char *format, ...)
{
    char line[512];
    const struct engine_options *o = w->context->options;
    if (o->on_event == NULL)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    struct engine_event event = {.since_start_ns =
                                     loop_now_ns(w->context->loop) - w->context->start_ns,
                                 .arm = w->plan->arm,
                                 .what = what,
                                 .text = line};
    o->on_event(o->cookie, &event);
}

void walk_tell_fault(struct walk *w, const struct walk_use *u, const char *what, const char *more)
{
    char does[128];
    struct text match;
    text_init(&match, 512);
    fault_words_match(u->step->keys, &match);
    walk_tell(w, what, "%s%s on %s%s", fault_use_print(&u->fault, does, sizeof(does)),
              text_get(&match), u->step->on.text, more);
    text_release(&match);
}

void walk_event(struct walk *w, const char *what, json_t *take_json, uint64_t t_ns)
{
    struct error err = {0};
    if (!store_event_json(w->context->store, w->phase_id, what, take_json, t_ns, &err))
        walk_break(w, &err);
}

size_t walk_find_service(const struct walk *w, const char *name)
{
    for (size_t i = 0; i < w->service_count; i++)
        if (strcmp(w->services[i].plan->name, name) == 0)
            return i;
    return SIZE_MAX;
}

static void drain_step(struct walk *w);

static void on_hello(void *cookie, struct actor *a)
{
    if (!walk_world_on_hello(cookie, a))
        walk_setup_step(cookie);
}

static void on_ready(void *cookie, struct actor *a)
{
    if (walk_world_on_ready(cookie, a))
        walk_phase_on_armed(cookie);
    else
        walk_setup_step(cookie);
}

static void on_armed(void *cookie, struct actor *a, const json_t *armed)
{
    walk_arm_on_armed(cookie, a, armed);
    walk_cut_on_armed(cookie, a, armed);
    walk_backend_on_armed(cookie, a);
    walk_impair_on_armed(cookie, a, armed);
    if (json_object_get(armed, "addresses") != NULL)
        walk_world_on_moved(cookie, a);
    walk_phase_on_armed(cookie);
}

static void on_done(void *cookie, struct actor *a, const json_t *done)
{
    walk_phase_on_done(cookie, a, done);
}

static void on_cert_set(void *cookie, struct actor *a, const json_t *set)
{
    walk_certs_on_set(cookie, a, set);
    walk_phase_on_armed(cookie);
}

static void on_record(void *cookie, struct actor *a, uint8_t kind, struct bytes body)
{
    char who[96];
    if (a->pressed && !a->told_pressed) {
        a->told_pressed = true;
        walk_tell(cookie, "journal.pressed", "the %s has more records than we take",
                  actor_print(a, who, sizeof(who)));
    }
    walk_phase_on_record(cookie, a, kind, body);
}

static void on_ended(void *cookie, struct actor *a)
{
    walk_world_on_ended(cookie, a);
    drain_step(cookie);
}

static void on_broken(void *cookie, struct actor *a, const struct error *why)
{
    struct walk *w = cookie;
    (void)a;
    walk_break(w, why);
    if (w->state == WALK_DRAINING)
        drain_step(w);
}

static void on_away(void *cookie, struct actor *a)
{
    walk_fleet_on_away(cookie, a);
}

static void on_back(void *cookie, struct actor *a)
{
    walk_fleet_on_back(cookie, a);
}

static void on_lost(void *cookie, struct actor *a, const struct error *why)
{
    walk_fleet_on_lost(cookie, a, why);
    drain_step(cookie);
}

static const struct actor_events actor_events = {
    .on_hello = on_hello,
    .on_ready = on_ready,
    .on_armed = on_armed,
    .on_done = on_done,
    .on_cert_set = on_cert_set,
    .on_record = on_record,
    .on_ended = on_ended,
    .on_broken = on_broken,
    .on_away = on_away,
    .on_back = on_back,
    .on_lost = on_lost,
};

static bool start_actor(struct walk *w, const char *role, const char *service, struct actor **ret,
                        struct error *err)
{
    struct walk_context *c = w->context;
    struct actor *a = &w->actors[w->actor_count++];
    *ret = a;
    return actor_open(a, c->loop, c->store, &c->starter, role, service,
                      walk_place_fd(w, role, service), w->plan->arm, ++c->next_proc,
                      c->options->silence_ns / 3, &actor_events, w, err);
}

/* One of a fleet: somebody else starts it, and it dials in by this name. */
static bool expect_actor(struct walk *w, const char *role, const char *service, size_t number,
                         struct actor **ret, struct error *err)
{
    struct walk_context *c = w->context;
    struct actor *a = &w->actors[w->actor_count++];
    *ret = a;
    const char *id = arena_printf(&w->arena, "%s/%zu", service[0] == '\0' ? role : service, number);
    return actor_expect(a, c->loop, c->store, role, service, id, ++c->next_proc,
                        c->options->silence_ns / 3, &actor_events, w, err);
}

static bool start_one(struct walk *w, const char *role, const char *service, size_t number,
                      struct actor **ret, struct error *err)
{
    return w->fleet != NULL ? expect_actor(w, role, service, number, ret, err)
                            : start_actor(w, role, service, ret, err);
}

static bool start_service(struct walk *w, struct walk_service *s, struct error *err)
{
    bool apart = w->fleet != NULL && !w->fleet->together;
    s->stubs_apart = s->stubs_apart || s->plan->run != NULL;
    if (s->plan->run != NULL && !folder_new(w->context->options->run, &s->folder, err))
        return false;
    s->stub_count = s->plan->address_count > 0 ? 0
                    : s->stubs_apart || apart  ? s->plan->endpoints
                                               : 1;
    s->proxy_count = apart ? s->plan->endpoints : 1;
    s->stubs = ARENA_ARRAY(&w->arena, struct actor *, s->stub_count);
    s->proxies = ARENA_ARRAY(&w->arena, struct actor *, s->proxy_count);
    for (size_t i = 0; i < s->stub_count; i++)
        if (!start_one(w, "stub", s->plan->name, i + 1, &s->stubs[i], err))
            return false;
    for (size_t i = 0; i < s->proxy_count; i++)
        if (!start_one(w, "proxy", s->plan->name, i + 1, &s->proxies[i], err))
            return false;
    return true;
}

static bool start_loads(struct walk *w, struct error *err)
{
    w->loads = ARENA_ARRAY(&w->arena, struct actor *, w->load_count);
    for (size_t i = 0; i < w->load_count; i++)
        if (!start_one(w, "load", "", i + 1, &w->loads[i], err))
            return false;
    return w->fleet == NULL || walk_fleet_start(w, err);
}

static bool start_mesh(struct walk *w, struct walk_mesh *m, struct error *err)
{
    if (!walk_fleet_plays_mesh(w))
        return start_actor(w, "mesh", m->caller, &m->actor, err);
    struct walk_context *c = w->context;
    m->actor = &w->actors[w->actor_count++];
    return actor_expect(m->actor, c->loop, c->store, "mesh", m->caller, "load/1", ++c->next_proc,
                        c->options->silence_ns / 3, &actor_events, w, err);
}

static bool start_actors(struct walk *w, struct error *err)
{
    uint32_t shards = w->context->options->load_agents;
    w->load_count = w->fleet == NULL || shards == 0 ? 1 : shards;
    size_t count = w->mesh_count + w->load_count;
    for (size_t i = 0; i < w->service_count; i++)
        count += (size_t)2 * w->services[i].plan->endpoints;
    w->actors = check_alloc_zero(count, sizeof(*w->actors));
    /* Arms of one scenario have other meshes, and else the same agents in the same order: what is
     * drawn for the request of one is drawn for that of the others (walk_setup.c). */
    bool early = w->plan->group != NULL && w->fleet == NULL;
    if (early && !start_loads(w, err))
        return false;
    for (size_t i = 0; i < w->service_count; i++)
        if (!start_service(w, &w->services[i], err))
            return false;
    if (!walk_mesh_folders(w, err))
        return false;
    for (size_t i = 0; i < w->mesh_count; i++)
        if (!start_mesh(w, &w->meshes[i], err))
            return false;
    return early || start_loads(w, err);
}

static bool list_runs(struct walk *w, struct error *err)
{
    const char *only = w->context->options->only_phase;
    const struct scenario *s = w->scenario;
    w->runs = ARENA_ARRAY(&w->arena, struct walk_run, RUNS_MOST);
    if (s->phase_count > RUNS_MOST / 2)
        return error_at(err, s->source, ERROR_LIMIT,
                        "scenario \"%s\" has %zu phases; at most %d are allowed", s->name,
                        s->phase_count, RUNS_MOST / 2);
    for (size_t i = 0; i < s->phase_count; i++)
        if (only == NULL || strcmp(s->phases[i].name, only) == 0)
            w->runs[w->run_count++] =
                (struct walk_run){.ordinal = (uint32_t)i, .seed = w->context->options->seed};
    return true;
}

static bool open_parts(struct walk *w, struct error *err)
{
    const struct lab_plan *lab = &w->scenario->lab;
    if (lab->service_count > SERVICES_MOST)
        return error_at(err, lab->source, ERROR_LIMIT,
                        "the lab has %zu services; at most %d are allowed", lab->service_count,
                        SERVICES_MOST);
    w->services = ARENA_ARRAY(&w->arena, struct walk_service, lab->service_count);
    for (size_t i = 0; i < lab->service_count; i++) {
        w->services[i].plan = &lab->services[i];
        picks_init(&w->services[i].picks, lab->services[i].endpoints);
        w->services[i].moved = ARENA_ARRAY(&w->arena, uint16_t, lab->services[i].endpoints);
    }
    w->service_count = lab->service_count;
    walk_mesh_collect(w);
    return list_runs(w, err) && walk_setup_check(w, err) && walk_mesh_check(w, err) &&
           walk_arm_collect(w, err) && walk_fleet_check(w, err) && walk_certs_open(w, err) &&
           walk_place_open(w, err) && start_actors(w, err);
}

bool walk_open(struct walk_context *context, const struct walk_plan *plan, struct walk **ret,
               struct error *err)
{
    struct walk *w = check_alloc_zero(1, sizeof(*w));
    *ret = w;
    w->context = context;
    w->plan = plan;
    w->scenario = plan->scenario_plan;
    w->subject = arm_is_subject(plan->arm);
    w->fleet = w->subject ? context->options->fleet : NULL;
    arena_init(&w->arena, ARENA_MOST_BYTES);
    return open_parts(w, err);
}

static void stop_holds(struct walk *w)
{
    walk_phase_stop_holds(w);
    walk_certs_stop(w);
    loop_hold_remove(w->context->loop, &w->stage_hold);
}

void walk_free(struct walk *w)
{
    if (w == NULL)
        return;
    stop_holds(w);
    walk_world_close(w);
    walk_certs_free(w);
    for (size_t i = 0; i < w->actor_count; i++)
        actor_release(&w->actors[i]);
    walk_fleet_end(w);
    free(w->actors);
    for (size_t i = 0; i < w->service_count; i++) {
        picks_release(&w->services[i].picks);
        if (w->services[i].folder != NULL)
            folder_remove(w->services[i].folder);
        free(w->services[i].folder);
    }
    free(w->awaits);
    walk_mesh_free(w);
    walk_place_free(w);
    arena_release(&w->arena);
    free(w);
}

void walk_begin(struct walk *w)
{
    INVARIANT(w->state == WALK_READY);
    walk_phase_next(w);
}

void walk_repeat(struct walk *w, const uint32_t *ordinals, size_t count)
{
    INVARIANT(w->state == WALK_IDLE);
    w->repeats++;
    for (size_t i = 0; i < count && w->run_count < RUNS_MOST; i++) {
        if (ordinals[i] >= w->scenario->phase_count)
            continue;
        struct rng rng = rng_for(w->context->options->seed, 0x616761696e, w->plan->draws_as,
                                 ordinals[i], w->repeats);
        w->runs[w->run_count++] =
            (struct walk_run){.ordinal = ordinals[i], .again = w->repeats, .seed = rng_next(&rng)};
    }
    walk_phase_next(w);
}

static void done(struct walk *w)
{
    w->state = WALK_DONE;
    stop_holds(w);
    w->context->on_change(w->context->cookie, w);
}

/* Calls under way end by themselves, at the latest by the client's own time-out; after an abort
 * nobody waits for them. */
static uint64_t load_drain_ns(const struct walk *w)
{
    uint64_t longest_ns = 0;
    const struct scenario *s = w->scenario;
    if (w->hasty)
        return LOAD_HASTY_NS;
    for (size_t i = 0; i < s->load_count; i++)
        longest_ns = s->loads[i].timeout_ns > longest_ns ? s->loads[i].timeout_ns : longest_ns;
    for (size_t i = 0; i < s->phase_count; i++)
        for (size_t k = 0; k < s->phases[i].load_count; k++)
            if (s->phases[i].loads[k].timeout_ns > longest_ns)
                longest_ns = s->phases[i].loads[k].timeout_ns;
    return longest_ns + NS_PER_S;
}

/* Drains one role after the other, from the client's side on, so that no agent loses its peer
 * before it is done. */
static void drain_step(struct walk *w)
{
    if (w->state != WALK_DRAINING)
        return;
    for (; w->stage < (int)COUNT_OF(drains); w->stage++) {
        const struct drain_stage *stage = &drains[w->stage];
        bool busy = false;
        if (strcmp(stage->role, "proxy") == 0 && !walk_fleet_left(w))
            return;
        for (size_t i = 0; i < w->actor_count; i++) {
            if (strcmp(w->actors[i].role, stage->role) != 0)
                continue;
            actor_drain(&w->actors[i], stage->within_ns == 0 ? load_drain_ns(w) : stage->within_ns);
            busy = busy || w->actors[i].state != ACTOR_ENDED;
        }
        if (busy || w->state != WALK_DRAINING)
            return;
    }
    done(w);
}

void walk_fleet_changed(struct walk *w)
{
    drain_step(w);
}

static void drain(struct walk *w)
{
    stop_holds(w);
    walk_arm_update(w, true);
    w->phase = NULL;
    w->phase_id = 0;
    w->state = WALK_DRAINING;
    w->stage = 0;
    drain_step(w);
}

void walk_finish(struct walk *w)
{
    if (w->state < WALK_DRAINING)
        drain(w);
}

static void on_recovered(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    walk_finish((struct walk *)((char *)h - offsetof(struct walk, stage_hold)));
}

void walk_abort(struct walk *w, const char *why, uint64_t recover_ns)
{
    struct error err = {0};
    if (w->state >= WALK_DRAINING)
        return;
    if (w->state == WALK_RECOVERING && recover_ns > 0) /* it does: another cause adds no time */
        return;
    stop_holds(w);
    if (w->state != WALK_RECOVERING) {
        walk_tell(w, "abort", "%s", why);
        walk_arm_update(w, true);
        if ((w->state == WALK_ARMING || w->state == WALK_RUNNING || w->state == WALK_STANDING) &&
            w->phase != NULL &&
            !store_phase_end(w->context->store, w->phase_id, "abort", loop_now_ns(w->context->loop),
                             &err))
            w->broken = err;
    }
    w->hasty = true;
    bool has_load = w->load_started;
    for (size_t i = 0; i < w->load_count; i++)
        has_load = has_load && w->loads[i]->state == ACTOR_READY;
    w->state = WALK_RECOVERING;
    w->phase = NULL;
    w->phase_id = 0;
    if (recover_ns > 0 && has_load)
        loop_hold_add(w->context->loop, &w->stage_hold, loop_now_ns(w->context->loop) + recover_ns,
                      on_recovered);
    else
        drain(w);
}

void walk_break(struct walk *w, const struct error *why)
{
    if (w->broken.kind != ERROR_NONE)
        return;
    w->broken = *why;
    walk_tell(w, "broken", "%s", why->text);
    w->context->on_change(w->context->cookie, w);
}

void walk_reap(struct walk *w)
{
    for (size_t i = 0; i < w->actor_count; i++)
        actor_reap(&w->actors[i]);
    walk_fleet_reap(w);
}

void walk_committed(struct walk *w)
{
    for (size_t i = 0; i < w->actor_count; i++)
        actor_commit(&w->actors[i]);
}

void walk_kill(struct walk *w)
{
    for (size_t i = 0; i < w->actor_count; i++)
        if (!w->actors[i].reaped && w->actors[i].pid > 0)
            kill(w->actors[i].pid, SIGKILL);
}
