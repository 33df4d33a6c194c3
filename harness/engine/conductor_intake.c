#include "engine/conductor.h"

#include "base/clock.h"

#define GOODBYE_MOST_BYTES ((size_t)1024)

/* Where a fleet's agents dial in: which walk expects whom, and what is told of those whom nobody
 * does. A run without a fleet has no listener at all. */

/* It says nothing, and is told nothing before the end. */
static bool take_guardian(struct conductor *c, struct carrier *wire, struct error *err)
{
    if (!intake_answer(c->intake, wire, 0, false, err))
        return false;
    if (c->guardian != NULL) /* one that dials again has lost the other */
        c->guardian->close(c->guardian);
    c->guardian = wire;
    return true;
}

/* An end that is no death: what there is of ours is taken down by ourselves. Best effort, for the
 * Lease shows the same. */
static void say_goodbye(struct conductor *c)
{
    struct buffer bytes;
    struct error err = {0};
    if (c->guardian == NULL)
        return;
    buffer_init(&bytes, GOODBYE_MOST_BYTES);
    if (control_add(&bytes, CONTROL_DRAIN, json_pack("{si}", "within_ns", 0), &err))
        (void)!c->guardian->send(c->guardian, bytes.at, bytes.len);
    buffer_release(&bytes);
    c->guardian->close(c->guardian);
    c->guardian = NULL;
}

static bool on_hello(void *cookie, const json_t *hello, struct carrier *wire, struct error *err)
{
    struct conductor *c = cookie;
    bool taken = false;
    if (c->options->fleet->guarded && strcmp(control_text(hello, "role"), "guardian") == 0)
        return take_guardian(c, wire, err);
    for (size_t i = 0; i < c->walk_count; i++)
        if (walk_admit(c->walks[i], hello, wire, &taken, err))
            return taken;
    return error_set(err, ERROR_PEER, "no agent \"%.60s\" of role \"%.20s\" is expected",
                     control_text(hello, "id"), control_text(hello, "role"));
}

static void on_refused(void *cookie, const char *line)
{
    struct conductor *c = cookie;
    conductor_event(c, "agent_refused", json_pack("{ss}", "why", line));
    if (c->walk_count > 0)
        walk_tell(c->walks[0], "agent.refused", "%s", line);
}

/* What it lives on is gone, or it has what it waited for. */
static void on_fleet_change(void *cookie, const struct error *why)
{
    struct conductor *c = cookie;
    if (why != NULL)
        conductor_stop(c, STOPPING_BROKEN, why, 0);
    for (size_t i = 0; i < c->walk_count; i++) {
        if (why != NULL)
            walk_fleet_give_up(c->walks[i]);
        walk_fleet_changed(c->walks[i]);
    }
    loop_defer(c->loop, &c->step);
}

bool conductor_intake_open(struct conductor *c, struct error *err)
{
    struct fleet *fleet = c->options->fleet;
    if (fleet == NULL)
        return true;
    fleet->on_change = on_fleet_change;
    fleet->cookie = c;
    if (!psk_make(c->options->run, &c->psk, err))
        return false;
    psk_print(&c->psk, c->psk_text);
    store_merges(c->store);
    struct intake_config config = {.listen = fleet->listen,
                                   .psk = &c->psk,
                                   .token = fleet->token,
                                   .events = {on_hello, on_refused},
                                   .cookie = c};
    return intake_open(c->loop, &config, &c->intake, err);
}

void conductor_intake_committed(struct conductor *c)
{
    for (size_t i = 0; i < c->walk_count; i++)
        walk_committed(c->walks[i]);
}

void conductor_intake_close(struct conductor *c)
{
    say_goodbye(c);
    intake_close(c->intake);
}

void conductor_intake_free(struct conductor *c)
{
    intake_free(c->intake);
    psk_wipe(&c->psk);
    memset(c->psk_text, 0, sizeof(c->psk_text));
}
