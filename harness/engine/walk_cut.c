#include "engine/walk_target.h"
#include "engine/walk_world.h"

#include "base/clock.h"
#include "faults/control_plane_cut.h"
#include "faults/process.h"

/* fault.control_plane_cut: the agent of a caller's proxy is told which cuts are in force there
 * (ARM, as a fault proxy is); it says when the proxy itself shows it. */

bool walk_cut_is_asked(const struct walk *w)
{
    for (size_t i = 0; i < w->use_count; i++)
        if (w->uses[i].fault.type->world == WORLD_CUT)
            return true;
    return false;
}

/* A proxy that starts while its control plane is cut would know nothing. */
static bool check_alone(const struct walk *w, const struct step *step, const struct walk_use *u,
                        struct error *err)
{
    for (const struct walk_use *o = w->uses; o < w->uses + w->use_count; o++) {
        if (o == u || !walk_process_is_proxy(&o->fault) ||
            strcmp(o->step->on.to.service, step->on.to.service) != 0 || !walk_uses_overlap(u, o))
            continue;
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut overlaps the fault.%s of line %u on the same "
                        "proxy",
                        o->step->word, o->step->source.line);
    }
    return true;
}

static bool check_channels(const struct walk *w, const struct step *step, const struct walk_use *u,
                           struct error *err)
{
    if (fault_cut_channels(u->fault.params) == FAULT_IDENTITY && !plan_lab_tls(w->scenario))
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut: what is identity alone, and this lab is "
                        "plaintext: no proxy has a certificate");
    return true;
}

static bool check_caller(const struct walk *w, const struct step *step, struct error *err)
{
    const char *caller = step->on.to.service;
    size_t service = walk_find_service(w, caller);
    if (w->plan->driver == DRIVER_EXTERNAL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut: the driver external has no control plane that we "
                        "started");
    if (step->on.from.service != NULL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut: on must be a service, not an edge");
    if (walk_mesh_find(w, caller) == NULL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut: \"%s\" calls nobody, so it has no proxy of the "
                        "mesh",
                        caller);
    if (step->on.to.endpoint != 0 && service != SIZE_MAX &&
        w->services[service].plan->endpoints > 1)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut: the endpoints of %s share one proxy: write on = "
                        "\"%s\"",
                        caller, caller);
    return true;
}

bool walk_cut_collect(struct walk *w, const struct step *step, struct walk_use *u,
                      struct error *err)
{
    if (!check_caller(w, step, err) || !check_channels(w, step, u, err))
        return false;
    u->targets = ARENA_ARRAY(&w->arena, struct walk_target, 1);
    return check_alone(w, step, u, err);
}

/* All cuts that are wanted at that proxy from now on. */
static bool send(struct walk *w, struct actor *mesh, struct error *err)
{
    json_t *faults = json_array();
    for (size_t i = 0; i < w->use_count; i++) {
        const struct walk_use *u = &w->uses[i];
        bool wanted = u->fault.type->world == WORLD_CUT && u->target_count > 0 &&
                      u->targets[0].actor == mesh &&
                      (u->targets[0].state == TARGET_CUTTING || u->targets[0].state == TARGET_CUT);
        if (wanted)
            json_array_append_new(faults, json_pack("{sI ss sO sI}", "id", (json_int_t)u->fault.id,
                                                    "word", u->step->word, "keys", u->step->keys,
                                                    "ttl_ns", (json_int_t)u->ttl_ns));
    }
    mesh->generation++;
    return actor_send(
        mesh, CONTROL_ARM,
        json_pack("{sI so}", "generation", (json_int_t)mesh->generation, "faults", faults), err);
}

bool walk_cut_arm(struct walk *w, struct walk_use *u, struct error *err)
{
    const char *caller = u->step->on.to.service;
    struct walk_target *t = &u->targets[0];
    struct actor *mesh = walk_mesh_find(w, caller)->actor;
    *t = (struct walk_target){.walk = w, .use = u, .actor = mesh};
    u->target_count = 1;
    snprintf(t->place, sizeof(t->place), "control plane of %s", caller);
    if (mesh->state != ACTOR_READY)
        return error_set(err, ERROR_PEER, "fault.control_plane_cut: the proxy of %s is down",
                         caller);
    if (!walk_target_promise_lab(t, "in reach", "cut", err))
        return false;
    t->state = TARGET_CUTTING;
    t->since_ns = clock_now_ns();
    return send(w, mesh, err);
}

void walk_cut_disarm(struct walk_target *t)
{
    struct error err = {0};
    if (t->state != TARGET_CUTTING && t->state != TARGET_CUT)
        return;
    if (t->state == TARGET_CUTTING) /* gone before it was seen: it was done all the same */
        walk_target_journal(t, STEP_DONE, "in reach", "cut", false, t->since_ns);
    t->state = TARGET_MENDING;
    t->since_ns = clock_now_ns();
    if (t->actor->state != ACTOR_READY)
        return; /* it went, and its cut with it: walk_world_close says so */
    if (!send(t->walk, t->actor, &err))
        walk_break(t->walk, &err);
}

void walk_cut_on_armed(struct walk *w, struct actor *a, const json_t *armed)
{
    struct error err = {0};
    bool seen = json_is_true(json_object_get(armed, "seen"));
    struct walk_target *t;
    if (a->armed != a->generation) /* an answer to an older set */
        return;
    while ((t = walk_target_find(w, a, TARGET_CUTTING)) != NULL) {
        t->state = TARGET_CUT;
        if (!undo_done(w->context->undo, t->entry, &err))
            walk_break(w, &err);
        walk_target_journal(t, STEP_DONE, "in reach", "cut", seen, t->since_ns);
    }
    while ((t = walk_target_find(w, a, TARGET_MENDING)) != NULL) {
        if (!undo_confirm(w->context->undo, t->entry, &err))
            walk_target_not_undone(w, &err);
        t->state = TARGET_IDLE;
        walk_target_journal(t, STEP_UNDONE, "cut", "in reach", seen, t->since_ns);
        if (!seen)
            walk_tell(w, "fault.lost", "the %s did not come back within its time", t->place);
    }
}
