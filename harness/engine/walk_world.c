#include "engine/walk_world.h"

#include "base/clock.h"
#include "base/units.h"
#include "engine/walk_target.h"
#include "faults/process.h"
#include "journal/recorder.h"
#include "world/guardian.h"
#include "world/undo_lab.h"
#include "world/undo_pause.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* World faults of a walk: processes that are killed, stopped, or restarted. Each change is promised
 * in the run's ledger first, read back, and journalled; what was killed is started again in its
 * place, at its old address. */

#define TTL_MARGIN_NS (60 * NS_PER_S)
#define TTL_LEAST_NS (1800 * NS_PER_S)

/* --- the ledger and the guardian of a run --- */

static bool has_world_fault(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct fault_type *type =
            steps[i].kind == STEP_FAULT ? fault_type_find(steps[i].word) : NULL;
        if ((type != NULL && type->world != WORLD_NONE) ||
            has_world_fault(steps[i].steps, steps[i].step_count))
            return true;
    }
    return false;
}

static bool changes_world(const struct scenario *s)
{
    bool any = has_world_fault(s->steps, s->step_count);
    for (size_t i = 0; i < s->phase_count && !any; i++)
        any = has_world_fault(s->phases[i].steps, s->phases[i].step_count);
    return any;
}

static bool make_folder(const char *path, struct error *err)
{
    char *copy = check_strdup(path), *folder = dirname(copy);
    bool ok = true;
    for (char *at = folder + 1; ok && at != NULL;) {
        at = strchr(at, '/');
        if (at != NULL)
            *at = '\0';
        ok = mkdir(folder, 0700) == 0 || errno == EEXIST ||
             error_system(err, errno, "making %s", folder);
        if (at != NULL)
            *at++ = '/';
    }
    free(copy);
    return ok;
}

bool walk_world_open(struct walk_context *c, const struct walk_plan *walks, size_t count,
                     struct error *err)
{
    const struct engine_options *o = c->options;
    uint64_t ttl_ns = o->deadline_ns > TTL_LEAST_NS ? o->deadline_ns : TTL_LEAST_NS;
    bool any = false;
    for (size_t i = 0; i < count && !any; i++)
        any = changes_world(walks[i].scenario_plan);
    if (!any)
        return true;
    if (o->ledger == NULL)
        return error_set(err, ERROR_USAGE, "this run changes the world and has no ledger");
    return make_folder(o->ledger, err) && undo_open(o->ledger, o->run, &c->undo, err) &&
           guardian_start(o->ledger, ttl_ns + TTL_MARGIN_NS, &c->guardian, err);
}

void walk_world_shut(struct walk_context *c)
{
    struct error err = {0};
    if (c->undo != NULL && !undo_revert_all(c->undo, &err) && c->not_undone.kind == ERROR_NONE)
        c->not_undone = err;
    guardian_end(c->guardian);
    undo_close(c->undo);
    c->guardian = NULL;
    c->undo = NULL;
}

/* --- what is wanted --- */

static const struct fault_process *asked(const struct walk_use *u)
{
    return u->fault.params;
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
    if (what > FAULT_PROXY)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: the driver %s has no %s; what can be endpoint or proxy here",
                        step->word, driver, fault_what_words[what]);
    return true;
}

static bool check_caller(const struct walk *w, const struct step *step, struct error *err)
{
    const char *caller = step->on.to.service;
    size_t service = walk_find_service(w, caller);
    for (size_t i = 0; i < w->plan->mesh_edge_count; i++) {
        if (strcmp(w->plan->mesh_edges[i].from, caller) != 0)
            continue;
        if (step->on.to.endpoint != 0 && service != SIZE_MAX &&
            w->services[service].plan->endpoints > 1)
            return error_at(err, step->source, ERROR_USAGE,
                            "fault.%s: the endpoints of %s share one proxy: write on = \"%s\"",
                            step->word, caller, caller);
        return true;
    }
    return error_at(err, step->source, ERROR_USAGE,
                    "fault.%s: \"%s\" calls nobody, so it has no proxy of the mesh", step->word,
                    caller);
}

/* A process is stopped or killed by one fault at a time: the end of one would be the end of both.
 */
static bool check_alone(const struct walk *w, const struct step *step, const struct walk_use *u,
                        struct error *err)
{
    for (const struct walk_use *o = w->uses; o < u; o++) {
        enum world_kind kind = o->fault.type->world;
        uint32_t theirs = o->step->on.to.endpoint, ours = step->on.to.endpoint;
        if ((kind != WORLD_KILL && kind != WORLD_PAUSE && kind != WORLD_RESTART) ||
            asked(o)->what != asked(u)->what ||
            strcmp(o->step->on.to.service, step->on.to.service) != 0 ||
            (theirs != 0 && ours != 0 && theirs != ours) || !walk_uses_overlap(u, o))
            continue;
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s overlaps the fault.%s of line %u on the same process", step->word,
                        o->step->word, o->step->source.line);
    }
    return true;
}

bool walk_world_collect(struct walk *w, const struct step *step, struct walk_use *u,
                        struct error *err)
{
    size_t room = 1;
    if (u->fault.type->world == WORLD_NETEM)
        return walk_netem_collect(w, step, u, err);
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
    u->targets = ARENA_ARRAY(&w->arena, struct walk_target, room);
    return check_alone(w, step, u, err);
}

bool walk_world_is_proxy(const struct fault_use *use)
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

/* --- records --- */

void walk_target_journal(struct walk_target *t, enum world_step step, const char *before,
                         const char *after, bool ok, uint64_t since_ns)
{
    struct recorder *own = t->walk->context->own;
    struct world_record r = {.at = since_ns,
                             .after = clock_now_ns() - since_ns + 1,
                             .entry = t->entry,
                             .fault = t->use->fault.id,
                             .step = (uint8_t)step,
                             .read_back_ok = ok};
    if (own == NULL)
        return;
    r.what = recorder_name(own, bytes_of(t->use->step->word));
    char place[160]; /* a control names itself */
    snprintf(place, sizeof(place), "%s%s%s", t->walk->subject ? "" : t->walk->plan->arm,
             t->walk->subject ? "" : ": ", t->place);
    r.place = recorder_name(own, bytes_of(place));
    r.before = recorder_name(own, bytes_of(before));
    r.after_text = recorder_name(own, bytes_of(after));
    recorder_emit(own, RECORD_WORLD, &r);
}

void walk_target_not_undone(struct walk *w, const struct error *why)
{
    if (w->context->not_undone.kind == ERROR_NONE)
        w->context->not_undone = *why;
    walk_tell(w, "undo.failed", "%s", why->text);
}

static bool promise(struct walk_target *t, const char *before, const char *after, struct error *err)
{
    struct process self;
    uint64_t since_ns = clock_now_ns();
    const struct fault_type *type = t->use->fault.type;
    if (!process_read(getpid(), &self, err))
        return false;
    bool pause = type->world == WORLD_PAUSE;
    json_t *note =
        pause ? undo_pause_note(t->place, &t->process) : undo_lab_note(type->name, t->place, &self);
    if (!undo_promise(t->walk->context->undo, pause ? &undo_pause : &undo_lab, note, &t->entry,
                      err))
        return false;
    walk_target_journal(t, STEP_PROMISED, before, after, true, since_ns);
    return true;
}

/* --- acts --- */

static void on_hold(struct hold *h, uint64_t now_ns);

static void wait_until(struct walk_target *t, uint64_t at_ns)
{
    struct loop *loop = t->walk->context->loop;
    loop_hold_remove(loop, &t->hold);
    loop_hold_add(loop, &t->hold, at_ns, on_hold);
}

static bool stop_process(struct walk_target *t, struct error *err)
{
    uint64_t since_ns = clock_now_ns();
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
    if (!actor_kill(t->actor, err) || !undo_done(t->walk->context->undo, t->entry, err))
        return false;
    walk_target_journal(t, STEP_DONE, "up", "killed", true, since_ns);
    return true;
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
    actor_drain(t->actor, asked(t->use)->grace);
    wait_until(t, now_ns + asked(t->use)->grace);
    return true;
}

static struct actor *proxy_of(const struct walk *w, const char *caller)
{
    const struct walk_mesh *m = walk_mesh_find(w, caller);
    INVARIANT(m != NULL); /* check_caller */
    return m->actor;
}

static struct walk_target *add_target(struct walk *w, struct walk_use *u, struct actor *a,
                                      const char *place)
{
    struct walk_target *t = &u->targets[u->target_count++];
    *t = (struct walk_target){.walk = w, .use = u, .actor = a, .own_silence = true};
    snprintf(t->place, sizeof(t->place), "%s", place);
    return t;
}

/* A real proxy is the child of its agent, and stopped itself: the agent goes on. */
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

static bool list_targets(struct walk *w, struct walk_use *u, struct error *err)
{
    char place[96];
    const struct place_end *to = &u->step->on.to;
    bool pause = u->fault.type->world == WORLD_PAUSE;
    u->target_count = 0;
    if (asked(u)->what == FAULT_PROXY) {
        snprintf(place, sizeof(place), "proxy of %s", to->service);
        struct walk_target *t = add_target(w, u, proxy_of(w, to->service), place);
        return !pause || find_paused(t, w->plan->driver != DRIVER_BUILTIN, err);
    }
    for (size_t i = 0; i < u->endpoint_count; i++) {
        uint16_t number = u->endpoints[i];
        snprintf(place, sizeof(place), "%s/%u", to->service, number);
        struct walk_target *t =
            add_target(w, u, walk_stub_of(&w->services[u->service], number), place);
        if (pause && !find_paused(t, false, err))
            return false;
    }
    return true;
}

void walk_world_arm(struct walk *w, struct walk_use *u)
{
    struct error err = {0};
    uint64_t now_ns = loop_now_ns(w->context->loop);
    bool netem = u->fault.type->world == WORLD_NETEM;
    if (netem ? !walk_netem_arm(w, u, &err) : !list_targets(w, u, &err)) {
        walk_break(w, &err);
        return;
    }
    u->stands_in =
        !netem && asked(u)->what == FAULT_ENDPOINT && u->fault.type->world != WORLD_PAUSE;
    for (size_t i = 0; !netem && i < u->target_count; i++)
        if (!begin_target(&u->targets[i], &err)) {
            walk_break(w, &err);
            return;
        }
    if (u->fault.type->world != WORLD_RESTART && u->ttl_ns < UINT64_MAX - now_ns)
        for (size_t i = 0; i < u->target_count; i++)
            wait_until(&u->targets[i], now_ns + u->ttl_ns);
}

/* --- and back --- */

static void end_target(struct walk_target *t, const char *before, const char *after,
                       uint64_t since_ns)
{
    t->state = TARGET_IDLE;
    walk_target_journal(t, STEP_UNDONE, before, after, true, since_ns);
}

static void go_on(struct walk_target *t)
{
    struct error err = {0};
    enum undo_result result;
    uint64_t since_ns = clock_now_ns();
    bool back = undo_revert(t->walk->context->undo, t->entry, &result, &err);
    actor_goes_on(t->actor, clock_now_ns());
    if (back && result == UNDO_GONE)
        walk_tell(t->walk, "fault.lost", "the process of %s was not stopped any more", t->place);
    if (back && result != UNDO_DIVERGED) {
        end_target(t, "stopped", "running", since_ns);
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
    t->state = TARGET_STARTING;
    if (!actor_start_again(t->actor, &c->starter, t->walk->plan->arm, ++c->next_proc, &err))
        walk_break(t->walk, &err);
}

/* Of a kill that lives on: not again before the walk asks. */
static void expire(struct walk_target *t)
{
    walk_tell(t->walk, "fault.expired", "%s of %s reached its ttl", t->use->step->word, t->place);
    struct fault_record r = {
        .at = loop_now_ns(t->walk->context->loop), .fault = t->use->fault.id, .what = 2};
    struct recorder *own = t->walk->context->own;
    if (own != NULL) {
        r.place = recorder_name(own, bytes_of(t->place));
        recorder_emit(own, RECORD_FAULT, &r);
    }
}

static void on_hold(struct hold *h, uint64_t now_ns)
{
    struct walk_target *t = (struct walk_target *)(void *)h;
    struct error err = {0};
    if (t->walk->state >= WALK_DRAINING) /* the lab ends, and this with it */
        return;
    bool expired = t->use->on && t->use->fault.type->world != WORLD_RESTART;
    if (expired)
        expire(t);
    if (t->state == TARGET_STOPPED) {
        go_on(t);
    } else if (t->state == TARGET_IMPAIRED) {
        walk_netem_disarm(t);
    } else if (t->state == TARGET_DOWN) {
        start_again(t);
    } else if (t->state == TARGET_ENDING) {
        if (kill_actor(t, &err))
            wait_until(t, now_ns + (t->use->on ? asked(t->use)->down : 0));
        else
            walk_break(t->walk, &err);
    }
}

void walk_world_disarm(struct walk *w, struct walk_use *u)
{
    uint64_t now_ns = loop_now_ns(w->context->loop);
    for (size_t i = u->target_count; i-- > 0;) {
        struct walk_target *t = &u->targets[i];
        if (t->state == TARGET_STOPPED) {
            loop_hold_remove(w->context->loop, &t->hold);
            go_on(t);
        } else if (t->state == TARGET_IMPAIRED) {
            loop_hold_remove(w->context->loop, &t->hold);
            walk_netem_disarm(t);
        } else if (t->state == TARGET_DOWN || t->state == TARGET_ENDING) {
            wait_until(t, now_ns); /* in a turn of its own */
        }
    }
}

bool walk_world_settled(const struct walk *w)
{
    for (size_t i = 0; i < w->use_count; i++)
        for (size_t k = 0; !w->uses[i].on && k < w->uses[i].target_count; k++)
            if (w->uses[i].targets[k].state != TARGET_IDLE)
                return false;
    return true;
}

static struct walk_target *find_target(const struct walk *w, const struct actor *a,
                                       enum target_state state)
{
    for (size_t i = 0; i < w->use_count; i++)
        for (size_t k = 0; k < w->uses[i].target_count; k++)
            if (w->uses[i].targets[k].actor == a && w->uses[i].targets[k].state == state)
                return &w->uses[i].targets[k];
    return NULL;
}

bool walk_world_on_hello(struct walk *w, struct actor *a)
{
    struct error err = {0};
    if (find_target(w, a, TARGET_STARTING) == NULL)
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
    struct walk_target *t = find_target(w, a, TARGET_STARTING);
    struct error err = {0};
    uint64_t since_ns = clock_now_ns();
    if (t == NULL)
        return false;
    if (!is_back(w, t, &err) || !undo_confirm(w->context->undo, t->entry, &err)) {
        walk_break(w, &err);
        return true;
    }
    end_target(t, "down", "up", since_ns);
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
    struct walk_target *t = find_target(w, a, TARGET_ENDING);
    struct error err = {0};
    if (t == NULL)
        return false;
    t->state = TARGET_DOWN;
    if (!undo_done(w->context->undo, t->entry, &err))
        walk_break(w, &err);
    walk_target_journal(t, STEP_DONE, "up", "ended", true, clock_now_ns());
    wait_until(t, loop_now_ns(w->context->loop) + (t->use->on ? asked(t->use)->down : 0));
    return true;
}

/* The lab goes with its walk, and what was killed in it with it: then there is nothing to start
 * again. */
void walk_world_close(struct walk *w)
{
    for (size_t i = w->use_count; i-- > 0;)
        for (size_t k = w->uses[i].target_count; k-- > 0;) {
            struct walk_target *t = &w->uses[i].targets[k];
            struct error err = {0};
            uint64_t now_ns = clock_now_ns();
            loop_hold_remove(w->context->loop, &t->hold);
            if (t->state == TARGET_STOPPED)
                go_on(t);
            if (t->state == TARGET_IMPAIRED)
                walk_netem_disarm(t);
            if (t->state == TARGET_IDLE)
                continue;
            if (!undo_confirm(w->context->undo, t->entry, &err))
                walk_target_not_undone(w, &err);
            end_target(t, "down", "the lab has ended", now_ns);
        }
}
