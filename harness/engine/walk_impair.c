#include "engine/walk_target.h"
#include "engine/walk_world.h"

#include "base/clock.h"
#include "faults/netem.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* fault.netem and fault.partition of endpoints that dial in. The device is that of the endpoint's
 * own network namespace, and its agent the only one who can reach it: it is told by ARM, and says
 * ARMED when the netem is set and read back, or is gone and read back. What goes wrong with the
 * run's end it takes away by itself. Packets are told by the endpoint's port alone, so who sends
 * them is not: an edge must be the only one to its service. */

static bool is_clash(const struct walk *w, const struct walk_use *a, const struct walk_use *b)
{
    uint32_t x = a->step->on.to.endpoint, y = b->step->on.to.endpoint;
    return b->by_agent && a->service == b->service && walk_uses_overlap(a, b) &&
           (w->fleet->together || x == 0 || y == 0 || x == y);
}

static bool check_alone(const struct walk *w, const struct step *step, const struct walk_use *u,
                        struct error *err)
{
    for (const struct walk_use *o = w->uses; o < u; o++)
        if (is_clash(w, u, o))
            return error_at(err, step->source, ERROR_USAGE,
                            "fault.%s overlaps the fault.%s of line %u on the same device: a "
                            "device takes one at a time",
                            step->word, o->step->word, o->step->source.line);
    return true;
}

static bool check_caller(const struct walk *w, const struct step *step, struct error *err)
{
    const struct place_end *from = &step->on.from;
    for (size_t i = 0; from->service != NULL && i < w->plan->mesh_edge_count; i++) {
        const struct edge_policy *edge = &w->plan->mesh_edges[i];
        if (strcmp(edge->to, step->on.to.service) == 0 && strcmp(edge->from, from->service) != 0)
            return error_at(err, step->source, ERROR_USAGE,
                            "fault.%s: \"%s\": %s calls %s as well, and an endpoint's pod does not "
                            "tell whose packets are whose: on = \"%s\"",
                            step->word, step->on.text, edge->from, edge->to, edge->to);
    }
    return from->endpoint == 0 ||
           error_at(err, step->source, ERROR_USAGE,
                    "fault.%s: \"%s\": an endpoint's pod does not tell which endpoint of %s sent "
                    "a packet: on = \"%s\"",
                    step->word, step->on.text, from->service, step->on.to.service);
}

static bool check_place(const struct walk *w, const struct step *step, const struct walk_use *u,
                        struct error *err)
{
    if (u->service == SIZE_MAX || step->on.from.zone != NULL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: \"%s\": the pods of a run impair what comes to an endpoint of "
                        "theirs, and zones are none: --on local, and lab { isolation = \"netns\" }",
                        step->word, step->on.text);
    return check_caller(w, step, err) && check_alone(w, step, u, err);
}

bool walk_impair_collect(struct walk *w, const struct step *step, struct walk_use *u,
                         struct error *err)
{
    struct fault_netem what;
    struct error why = {0};
    const struct netem_scope port = {
        .flows = {{.family = AF_INET, .local_port = 1, .protocol = IPPROTO_TCP}}, .flow_count = 1};
    if (!check_place(w, step, u, err))
        return false;
    if (!walk_netem_asked(w, u, &what, &why) || !netem_check(&what.netem, &port, &why))
        return error_at(err, step->source, why.kind, "fault.%s: %s", step->word, why.text);
    if (what.device)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: scope \"device\" of an endpoint's pod would impair what it is "
                        "told by as well: leave it out",
                        step->word);
    u->targets =
        ARENA_ARRAY(&w->arena, struct walk_target, w->services[u->service].plan->endpoints);
    return true;
}

/* --- what the agents are told --- */

json_t *walk_impair_setup(const struct walk *w, size_t service)
{
    json_t *list = NULL;
    for (size_t i = 0; i < w->use_count; i++) {
        const struct walk_use *u = &w->uses[i];
        if (!u->by_agent || u->service != service)
            continue;
        list = list == NULL ? json_array() : list;
        json_array_append_new(list,
                              json_pack("{ss sO sI}", "word", u->step->word, "keys", u->step->keys,
                                        "seed", (json_int_t)walk_netem_seed(w, u)));
    }
    return list;
}

static bool is_of(const struct walk_target *t, uint32_t first, uint32_t count)
{
    const struct walk_service *s = &t->walk->services[t->use->service];
    for (uint32_t n = first; n < first + count; n++)
        if (walk_proxy_of(s, n) == t->actor)
            return true;
    return false;
}

bool walk_impair_is_wanted(const struct walk_use *u, uint32_t first, uint32_t count)
{
    for (size_t i = 0; i < u->target_count; i++) {
        const struct walk_target *t = &u->targets[i];
        if ((t->state == TARGET_IMPAIRING || t->state == TARGET_IMPAIRED) && is_of(t, first, count))
            return true;
    }
    return false;
}

static bool add_target(struct walk *w, struct walk_use *u, struct actor *proxy, uint16_t endpoint,
                       struct error *err)
{
    const char *service = w->services[u->service].plan->name;
    struct walk_target *t = &u->targets[u->target_count++];
    char text[128];
    fault_use_print(&u->fault, text, sizeof(text));
    *t = (struct walk_target){.walk = w, .use = u, .actor = proxy};
    snprintf(t->place, sizeof(t->place), w->fleet->together ? "%s" : "%s/%u", service, endpoint);
    if (!walk_target_promise_lab(t, "none", text, err))
        return false;
    t->state = TARGET_IMPAIRING;
    t->since_ns = clock_now_ns();
    return true;
}

bool walk_impair_arm(struct walk *w, struct walk_use *u, struct error *err)
{
    struct actor *last = NULL;
    u->target_count = 0;
    for (size_t i = 0; i < u->endpoint_count; i++) {
        struct actor *proxy = walk_proxy_of(&w->services[u->service], u->endpoints[i]);
        if (proxy == last || proxy->lost) /* those of one pod have one device */
            continue;
        last = proxy;
        if (!add_target(w, u, proxy, u->endpoints[i], err))
            return false;
    }
    return true;
}

void walk_impair_disarm(struct walk_target *t)
{
    if (t->state != TARGET_IMPAIRING && t->state != TARGET_IMPAIRED)
        return;
    t->state = TARGET_CLEARING;
    t->since_ns = clock_now_ns();
}

/* --- what they say --- */

static bool on_set(struct walk_target *t, struct error *err)
{
    char text[128];
    fault_use_print(&t->use->fault, text, sizeof(text));
    t->state = TARGET_IMPAIRED;
    if (!undo_done(t->walk->context->undo, t->entry, err))
        return false;
    walk_target_journal(t, STEP_DONE, "none", text, true, t->since_ns);
    return true;
}

/* What is not ours any more is left alone by the agent, and goes with its pod. ${said} NULL: it was
 * taken away before, when the connection was away. */
static bool on_cleared(struct walk_target *t, const json_t *said, struct error *err)
{
    const char *how = control_text(said, "cleared"), *stats = control_text(said, "stats");
    bool foreign = strcmp(how, "foreign") == 0;
    t->state = TARGET_IDLE;
    if (foreign || strcmp(how, "gone") == 0)
        walk_tell(t->walk, "fault.lost", "the netem of %s %s", t->place,
                  foreign ? "is no longer ours: left alone, until its pod goes"
                          : "was taken away by somebody else");
    if (!undo_confirm(t->walk->context->undo, t->entry, err))
        return false;
    walk_target_journal(t, STEP_UNDONE, stats[0] == '\0' ? "netem" : stats, foreign ? "" : "none",
                        !foreign, t->since_ns);
    return true;
}

void walk_impair_on_armed(struct walk *w, const struct actor *proxy, const json_t *armed)
{
    const json_t *said = json_object_get(armed, "netem");
    struct error err = {0};
    for (size_t i = 0; i < w->use_count && proxy->armed == proxy->generation; i++) {
        struct walk_use *u = &w->uses[i];
        for (size_t k = 0; u->by_agent && k < u->target_count; k++) {
            struct walk_target *t = &u->targets[k];
            bool ok = true;
            if (t->actor == proxy && t->state == TARGET_IMPAIRING)
                ok = on_set(t, &err);
            else if (t->actor == proxy && t->state == TARGET_CLEARING)
                ok = on_cleared(t, said, &err);
            if (!ok)
                walk_break(w, &err);
        }
    }
}

void walk_impair_on_lost(struct walk *w, const struct actor *proxy)
{
    struct error err = {0};
    for (size_t i = 0; i < w->use_count; i++) {
        struct walk_use *u = &w->uses[i];
        for (size_t k = 0; u->by_agent && k < u->target_count; k++) {
            struct walk_target *t = &u->targets[k];
            if (t->actor != proxy || t->state == TARGET_IDLE)
                continue;
            loop_hold_remove(w->context->loop, &t->hold);
            if (undo_confirm(w->context->undo, t->entry, &err))
                walk_target_end(t, "netem", "its agent was lost", clock_now_ns());
            else
                walk_break(w, &err);
        }
    }
}
