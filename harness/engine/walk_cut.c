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
    if (w->plan->driver == DRIVER_EXTERNAL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut: the driver external has no control plane that we "
                        "started");
    if (step->on.from.service != NULL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut: on must be a service or an endpoint, not an "
                        "edge");
    if (walk_mesh_find(w, caller) == NULL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.control_plane_cut: \"%s\" calls nobody, so it has no proxy of the "
                        "mesh",
                        caller);
    return true;
}

bool walk_cut_collect(struct walk *w, const struct step *step, struct walk_use *u,
                      struct error *err)
{
    if (!check_caller(w, step, err) || !check_channels(w, step, u, err))
        return false;
    u->targets = ARENA_ARRAY(&w->arena, struct walk_target, w->mesh_count);
    return check_alone(w, step, u, err);
}

static bool wants(const struct walk_use *u, const struct actor *mesh)
{
    for (size_t i = 0; u->fault.type->world == WORLD_CUT && i < u->target_count; i++)
        if (u->targets[i].actor == mesh &&
            (u->targets[i].state == TARGET_CUTTING || u->targets[i].state == TARGET_CUT))
            return true;
    return false;
}

/* All cuts that are wanted at that proxy from now on. */
static bool send(struct walk *w, struct actor *mesh, struct error *err)
{
    json_t *faults = json_array();
    for (size_t i = 0; i < w->use_count; i++) {
        const struct walk_use *u = &w->uses[i];
        if (wants(u, mesh))
            json_array_append_new(faults, json_pack("{sI ss sO sI}", "id", (json_int_t)u->fault.id,
                                                    "word", u->step->word, "keys", u->step->keys,
                                                    "ttl_ns", (json_int_t)u->ttl_ns));
    }
    mesh->generation++;
    return actor_send(
        mesh, CONTROL_ARM,
        json_pack("{sI so}", "generation", (json_int_t)mesh->generation, "faults", faults), err);
}

static bool arm_one(struct walk_use *u, const struct walk_mesh *m, struct error *err)
{
    struct walk_target *t = &u->targets[u->target_count - 1];
    char place[80];
    walk_mesh_print(m, place, sizeof(place));
    snprintf(t->place, sizeof(t->place), "control plane of the %.70s", place);
    if (m->actor->state != ACTOR_READY)
        return error_set(err, ERROR_PEER, "fault.control_plane_cut: the %s is down", place);
    if (!walk_target_promise_lab(t, "in reach", "cut", err))
        return false;
    t->state = TARGET_CUTTING;
    t->since_ns = clock_now_ns();
    return send(t->walk, m->actor, err);
}

bool walk_cut_arm(struct walk *w, struct walk_use *u, struct error *err)
{
    const struct place_end *to = &u->step->on.to;
    size_t at = 0;
    bool ok = true;
    u->target_count = 0;
    for (struct walk_mesh *m;
         ok && (m = walk_mesh_next(w, to->service, to->endpoint, &at)) != NULL;) {
        u->targets[u->target_count++] =
            (struct walk_target){.walk = w, .use = u, .actor = m->actor};
        ok = arm_one(u, m, err);
    }
    return ok;
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
