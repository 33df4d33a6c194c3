#include "engine/walk_target.h"

#include "base/clock.h"
#include "world/undo_netem.h"

#include <stdlib.h>

/* fault.netem and fault.partition in the lab's network namespaces: one impairment a sender, scoped
 * to the addresses of the place. */

uint64_t walk_netem_seed(const struct walk *w, const struct walk_use *u)
{
    struct rng rng =
        rng_for(w->context->options->seed, 0x6e6574656d, w->plan->draws_as, u->fault.id, 0);
    return rng_next(&rng);
}

bool walk_netem_asked(const struct walk *w, const struct walk_use *u, struct fault_netem *ret,
                      struct error *err)
{
    uint64_t seed = walk_netem_seed(w, u);
    if (u->fault.type == &fault_partition) {
        *ret = fault_partition_read(u->fault.params);
        return true;
    }
    return fault_netem_read(u->fault.params, &seed, ret, err);
}

bool walk_uses_overlap(const struct walk_use *a, const struct walk_use *b)
{
    uint32_t a_first = a->owner == USE_WHOLE_SCENARIO ? 0 : a->owner,
             b_first = b->owner == USE_WHOLE_SCENARIO ? 0 : b->owner,
             a_last = a->until != UINT32_MAX ? a->until : a->owner,
             b_last = b->until != UINT32_MAX ? b->until : b->owner;
    /* What is carried over ends with that phase, whatever its own span. */
    uint64_t a_to_ns = a->until == UINT32_MAX ? a->to_ns : UINT64_MAX,
             b_to_ns = b->until == UINT32_MAX ? b->to_ns : UINT64_MAX;
    if (a_last < b_first || b_last < a_first)
        return false;
    return a->owner != b->owner || (a->from_ns < b_to_ns && b->from_ns < a_to_ns);
}

static bool check_alone(const struct walk *w, const struct step *step, const struct walk_use *u,
                        struct error *err)
{
    for (const struct walk_use *other = w->uses; other < u; other++)
        for (size_t i = 0; walk_use_world(other) == WORLD_NETEM && i < u->target_count; i++)
            for (size_t k = 0; k < other->target_count && walk_uses_overlap(u, other); k++)
                if (other->targets[k].home == u->targets[i].home)
                    return error_at(err, step->source, ERROR_USAGE,
                                    "fault.%s overlaps the fault.%s of line %u on the same device: "
                                    "a device takes one at a time",
                                    step->word, other->step->word, other->step->source.line);
    return true;
}

bool walk_netem_collect(struct walk *w, const struct step *step, struct walk_use *u,
                        struct error *err)
{
    struct fault_netem what;
    struct walk_flows flows;
    struct error why = {0};
    if (u->by_agent)
        return walk_impair_collect(w, step, u, err);
    if (w->fleet != NULL)
        return error_at(err, step->source, ERROR_USAGE,
                        "fault.%s: agents that dial in may not impair a network: --on kubernetes "
                        "--netem-agents; or --on local, and lab { isolation = \"netns\" }",
                        step->word);
    bool ok =
        walk_netem_asked(w, u, &what, &why) && walk_places(w, &step->on, NULL, 0, &flows, &why);
    if (!ok)
        return error_at(err, step->source, why.kind, "fault.%s: %s", step->word, why.text);
    u->targets = ARENA_ARRAY(&w->arena, struct walk_target, flows.count);
    for (size_t i = 0; i < flows.count; i++)
        u->targets[i].home = flows.at[i].home;
    u->target_count = flows.count;
    flows.at[0].scope.device = what.device;
    ok = check_alone(w, step, u, err);
    if (ok && !netem_preflight(&what.netem, &flows.at[0].scope, what.direction, &why))
        ok = error_at(err, step->source, why.kind, "fault.%s: %s", step->word, why.text);
    walk_flows_release(&flows);
    return ok;
}

static bool apply(struct walk_target *t, struct walk_flow *f, const struct fault_netem *what,
                  struct netlink *n, struct error *err)
{
    struct undo *undo = t->walk->context->undo;
    struct process holder;
    struct error ignored = {0};
    char text[128];
    uint64_t since_ns = clock_now_ns();
    enum undo_result result;
    fault_use_print(&t->use->fault, text, sizeof(text));
    if (!process_read(f->through->pid, &holder, err))
        return false;
    json_t *note = undo_netem_note(n, f->device, &holder, err);
    if (note == NULL || !undo_promise(undo, &undo_netem, note, &t->entry, err))
        return false;
    walk_target_journal(t, STEP_PROMISED, "none", text, true, since_ns);
    t->state = TARGET_IMPAIRED;
    f->scope.device = what->device;
    if (netem_apply(n, f->device, &what->netem, &f->scope, what->direction, err) &&
        undo_done(undo, t->entry, err)) {
        walk_target_journal(t, STEP_DONE, "none", text, true, since_ns);
        return true;
    }
    t->state = TARGET_IDLE;
    if (!undo_revert(undo, t->entry, &result, &ignored))
        walk_target_not_undone(t->walk, &ignored);
    return false;
}

bool walk_netem_arm(struct walk *w, struct walk_use *u, struct error *err)
{
    struct fault_netem what;
    struct walk_flows flows;
    bool drawn = u->service != SIZE_MAX;
    if (!walk_netem_asked(w, u, &what, err) ||
        !walk_places(w, &u->step->on, drawn ? u->endpoints : NULL, drawn ? u->endpoint_count : 0,
                     &flows, err))
        return false;
    bool ok = true;
    u->target_count = 0;
    for (size_t i = 0; ok && i < flows.count; i++) {
        struct walk_flow *f = &flows.at[i];
        struct walk_target *t = &u->targets[u->target_count++];
        struct netlink *n = NULL;
        *t = (struct walk_target){.walk = w, .use = u, .home = f->home};
        snprintf(t->place, sizeof(t->place), "%s of %s", f->device,
                 f->home == SIZE_MAX ? "client" : w->services[f->home].plan->name);
        ok = netlink_open(netns_fd(f->netns), &n, err) && apply(t, f, &what, n, err);
        netlink_close(n);
    }
    walk_flows_release(&flows);
    return ok;
}

/* What it did to how many packets, for whoever reads the journal. */
static void print_stats(const struct walk_target *t, char *to, size_t size)
{
    const struct walk *w = t->walk;
    struct netns *netns = t->home == SIZE_MAX ? w->client_netns : w->services[t->home].netns;
    struct netlink *n = NULL;
    struct netem_stats stats = {0};
    struct error unread = {0};
    bool ok =
        netlink_open(netns_fd(netns), &n, &unread) && netem_stats(n, WALK_DEVICE, &stats, &unread);
    netlink_close(n);
    if (!ok)
        snprintf(to, size, "netem");
    else
        snprintf(to, size, "netem: to %llu packets, %llu lost; from %llu packets, %llu lost",
                 (unsigned long long)stats.to.packets, (unsigned long long)stats.to.drops,
                 (unsigned long long)stats.from.packets, (unsigned long long)stats.from.drops);
}

void walk_netem_disarm(struct walk_target *t)
{
    struct error err = {0};
    enum undo_result result;
    char before[160];
    uint64_t since_ns = clock_now_ns();
    print_stats(t, before, sizeof(before));
    bool back = undo_revert(t->walk->context->undo, t->entry, &result, &err);
    t->state = TARGET_IDLE;
    if (back && result == UNDO_GONE)
        walk_tell(t->walk, "fault.lost", "the netem on %s was taken away by somebody else",
                  t->place);
    if (back && result == UNDO_DIVERGED)
        back = error_set(&err, ERROR_SYSTEM, "the netem on %s is no longer ours: left alone",
                         t->place);
    walk_target_journal(t, STEP_UNDONE, before, back ? "none" : "", back, since_ns);
    if (!back)
        walk_target_not_undone(t->walk, &err);
}
