#include "kube/conduct_inside.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

/* The cluster as a place of agents (engine/fleet.h), on the conductor's loop. */

#define LEASE_LOOK_NS (500 * NS_PER_MS)

static void on_tell(struct loop_task *t)
{
    struct conduct *c = (struct conduct *)((char *)t - offsetof(struct conduct, tell));
    if (c->fleet.on_change == NULL)
        return;
    bool news = c->trouble.kind != ERROR_NONE && !c->told;
    c->told = c->told || news;
    c->fleet.on_change(c->fleet.cookie, news ? &c->trouble : NULL);
}

/* The run cannot go on. The first cause stays. */
void conduct_trouble(struct conduct *c, const struct error *why)
{
    if (c->trouble.kind != ERROR_NONE)
        return;
    c->trouble = *why;
    loop_defer(c->loop, &c->tell);
}

/* ---- the Leases ---- */

static void lose_lease(struct conduct *c, const struct lease *l)
{
    struct error why = {0};
    error_set(&why, ERROR_PEER, "Lease %s was lost, and the run with it: %.120s", l->name,
              l->err.kind != ERROR_NONE ? l->err.text : "it could not be renewed for 10 s");
    conduct_trouble(c, &why);
}

static void on_lease_over(void *cookie, struct chore *chore)
{
    lose_lease(cookie, (const struct lease *)chore);
}

/* A call under way may take longer than a Lease that is not renewed may be relied on. */
static void on_lease_look(struct hold *h, uint64_t now_ns)
{
    struct conduct *c = (struct conduct *)((char *)h - offsetof(struct conduct, lease_hold));
    for (size_t i = 0; i < c->lease_count; i++) {
        lease_check(&c->leases[i], now_ns);
        if (c->leases[i].state == LEASE_LOST)
            lose_lease(c, &c->leases[i]);
    }
    loop_hold_add(c->loop, h, now_ns + LEASE_LOOK_NS, on_lease_look);
}

static void keep_leases(struct conduct *c)
{
    for (size_t i = 0; i < c->lease_count; i++) {
        c->lease_runs[i] = (struct chore_run){0};
        chore_start(&c->lease_runs[i], &c->leases[i].chore, c->api, c->loop, on_lease_over, c);
    }
    loop_hold_add(c->loop, &c->lease_hold, clock_now_ns() + LEASE_LOOK_NS, on_lease_look);
}

static void rest_leases(struct conduct *c)
{
    loop_hold_remove(c->loop, &c->lease_hold);
    for (size_t i = 0; i < c->lease_count; i++)
        chore_stop(&c->lease_runs[i]);
}

void conduct_begin(struct conduct *c, struct loop *loop, struct steer *steer)
{
    struct error err = {0};
    struct api_options o = {.loop = loop,
                            .mode = objects_mode_words[c->run.mode],
                            .run = c->run.run,
                            .on_record = c->options.on_call,
                            .cookie = c->options.cookie,
                            .seed = clock_now_ns()};
    c->loop = loop;
    c->steer = steer;
    c->tell.run = on_tell;
    if (!credentials_open(&c->options.credentials, &o.credentials, &err)) {
        conduct_trouble(c, &err);
        return;
    }
    if (!api_open(&o, &c->api, &err)) {
        credentials_free(o.credentials);
        conduct_trouble(c, &err);
        return;
    }
    keep_leases(c);
}

/* ---- a scenario ---- */

static void on_late(struct hold *h, uint64_t now_ns)
{
    struct conduct *c = (struct conduct *)((char *)h - offsetof(struct conduct, muster_hold));
    struct error why = {0};
    char wait[200], span[32];
    (void)now_ns;
    uint64_t within_ns = c->options.ready_within_ns;
    lookout_print_wait(&c->lookout, wait, sizeof(wait));
    units_print_duration(within_ns == 0 ? CONDUCT_READY_WITHIN_NS : within_ns, span, sizeof(span));
    error_set(&why, ERROR_PEER, "not all is ready within %s: %s", span,
              c->looking ? wait : "the API server has not taken all objects");
    conduct_trouble(c, &why);
}

static void on_look(void *cookie)
{
    struct conduct *c = cookie;
    const struct lookout *l = &c->lookout;
    struct error why = {0};
    if (l->halt[0] != '\0' && !c->halted) {
        c->halted = true;
        /* False: it is ending already. */
        if (c->steer == NULL || !steer_abort(c->steer, "kubernetes", l->halt, &why))
            conduct_say(c, "halt: %s", why.text);
    }
    if (l->gone) {
        error_set(&why, ERROR_PEER, "the run's anchor, ConfigMap mp-%s, was deleted by another",
                  c->run.run);
        conduct_trouble(c, &why);
    } else if (l->err.kind != ERROR_NONE) {
        conduct_trouble(c, &l->err);
    } else if (l->mustered && !hold_is_idle(&c->muster_hold)) {
        loop_hold_remove(c->loop, &c->muster_hold);
        loop_defer(c->loop, &c->tell);
        conduct_join_mustered(c);
    }
}

static void on_ports(void *cookie, struct chore *chore)
{
    struct conduct *c = cookie;
    (void)chore;
    if (c->ports.err.kind != ERROR_NONE)
        conduct_trouble(c, &c->ports.err);
}

static void lay_ports(struct conduct *c)
{
    if (c->has_ports)
        ports_again(&c->ports, c->services, c->service_count);
    else
        ports_init(&c->ports, &c->run, c->services, c->service_count);
    c->has_ports = true;
    c->ports_run = (struct chore_run){0};
    chore_start(&c->ports_run, &c->ports.chore, c->api, c->loop, on_ports, c);
}

void conduct_fleet_look(struct conduct *c)
{
    if (c->run.ports)
        lay_ports(c);
    /* With --swap the endpoints are in no Service until all are ready. */
    lookout_init(&c->lookout, &c->run, c->services, c->run.swap ? 0 : c->service_count, c->pods,
                 NULL);
    c->lookout.on_look = on_look;
    c->lookout.cookie = c;
    c->looking = true;
    c->lookout_run = (struct chore_run){0};
    chore_start(&c->lookout_run, &c->lookout.chore, c->api, c->loop, NULL, NULL);
}

void conduct_fleet_rest(struct conduct *c)
{
    loop_hold_remove(c->loop, &c->muster_hold);
    if (c->building) {
        chore_stop(&c->build_run);
        build_stop(&c->build);
        c->building = false;
    }
    if (c->looking)
        chore_stop(&c->lookout_run);
    if (c->has_ports)
        chore_stop(&c->ports_run);
    if (c->has_uptake)
        chore_stop(&c->uptake_run);
}

/* What is known of it goes into the journal; what is not is said. */
static void on_uptake(void *cookie, struct chore *chore)
{
    struct conduct *c = cookie;
    const struct uptake *u = &c->uptake;
    (void)chore;
    if (u->err.kind != ERROR_NONE) {
        conduct_trouble(c, &u->err);
        return;
    }
    if (u->unknown_count > 0)
        conduct_say(c,
                    "policy   whether the mesh took it is not confirmed, for it has no status: "
                    "%.800s",
                    text_get(&u->unknown));
    if (c->steer != NULL)
        steer_note(c->steer, "policy_taken",
                   json_pack("{sI ss}", "taken", (json_int_t)u->taken, "unconfirmed",
                             text_get(&u->unknown)));
    loop_defer(c->loop, &c->tell);
}

/* Once: the copies are those of the run. */
static void ask_uptake(struct conduct *c)
{
    if (c->has_uptake || json_array_size(c->options.policies) == 0)
        return;
    c->has_uptake = true;
    uptake_init(&c->uptake, c->run.namespace, c->options.policies);
    c->uptake_run = (struct chore_run){0};
    chore_start(&c->uptake_run, &c->uptake.chore, c->api, c->loop, on_uptake, c);
}

static void on_built(void *cookie, struct chore *chore)
{
    struct conduct *c = cookie;
    (void)chore;
    c->building = false;
    if (c->build.err.kind != ERROR_NONE) {
        conduct_trouble(c, &c->build.err);
        return;
    }
    c->run.anchor_uid = c->build.anchor_uid;
    ask_uptake(c);
    if (!conduct_join_first(c))
        conduct_fleet_look(c);
}

static const struct objects_service *option_of(const struct conduct *c, const char *name)
{
    for (size_t i = 0; i < c->options.service_count; i++)
        if (strcmp(c->options.services[i].name, name) == 0)
            return &c->options.services[i];
    return NULL;
}

/* The scenario's own services, with as many endpoints as it wants. */
static bool take_agents(struct conduct *c, const struct fleet_agent *agents, size_t count,
                        struct error *err)
{
    c->service_count = 0;
    c->pods = count;
    c->plan.loads = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        if (agents[i].role == FLEET_LOAD) {
            c->plan.loads++;
            continue;
        }
        while (k < c->service_count && strcmp(c->services[k].name, agents[i].service) != 0)
            k++;
        if (k == c->service_count) {
            const struct objects_service *known = option_of(c, agents[i].service);
            if (known == NULL)
                return error_set(err, ERROR_INPUT, "service \"%s\" was not there at preflight",
                                 agents[i].service);
            c->services[c->service_count] = *known;
            c->services[c->service_count++].endpoints = 0;
        }
        c->services[k].endpoints += agents[i].endpoints;
    }
    return true;
}

static bool take_psk(struct conduct *c, const char *psk, struct error *err)
{
    if (c->psk[0] != '\0' && strcmp(c->psk, psk) != 0)
        return error_set(err, ERROR_LIMIT, "a run has one key; its Secret cannot be changed");
    int len = snprintf(c->psk, sizeof(c->psk), "%s", psk);
    return len < (int)sizeof(c->psk) ||
           error_set(err, ERROR_LIMIT, "the agents' key is longer than %zu", sizeof(c->psk));
}

static bool start(struct fleet *f, const struct fleet_agent *agents, size_t count,
                  const struct fleet_call *call, struct error *err)
{
    struct conduct *c = (struct conduct *)f;
    uint64_t within_ns = c->options.ready_within_ns;
    if (c->trouble.kind != ERROR_NONE)
        return error_set(err, c->trouble.kind, "%s", c->trouble.text);
    if (!take_agents(c, agents, count, err) || !take_psk(c, call->psk, err))
        return false;
    snprintf(c->conductor, sizeof(c->conductor), "%s", call->conductor);
    c->run.conductor = c->conductor;
    c->plan.run = c->run;
    c->plan.services = c->services;
    c->plan.service_count = c->service_count;
    c->plan.policies = c->options.policies;
    c->plan.psk = c->psk;
    c->plan.guardian = c->options.guardian;
    c->plan.on_service = c->options.on_service;
    c->plan.cookie = c->options.cookie;
    if (c->begun)
        build_again(&c->build, &c->plan);
    else
        build_init(&c->build, &c->plan);
    c->begun = c->building = true;
    c->looking = false;
    c->lookout = (struct lookout){.over = true};
    c->build_run = (struct chore_run){0};
    loop_hold_add(c->loop, &c->muster_hold,
                  clock_now_ns() + (within_ns == 0 ? CONDUCT_READY_WITHIN_NS : within_ns), on_late);
    chore_start(&c->build_run, &c->build.chore, c->api, c->loop, on_built, c);
    return true;
}

static bool ready(struct fleet *f)
{
    const struct conduct *c = (const struct conduct *)f;
    return c->lookout.mustered && conduct_join_ready(c) && (!c->has_uptake || c->uptake.over);
}

static bool leave(struct fleet *f)
{
    return conduct_join_leave((struct conduct *)f);
}

static void fate(struct fleet *f, const char *id, char *to, size_t size)
{
    const struct conduct *c = (const struct conduct *)f;
    char service[FLEET_ID_BYTES], name[OBJECTS_NAME_MOST + 1];
    const char *slash = strrchr(id, '/');
    bool is_load = strncmp(id, "load/", 5) == 0; /* and no service has that name */
    to[0] = '\0';
    if (slash == NULL || !c->looking)
        return;
    snprintf(service, sizeof(service), "%.*s", (int)(slash - id), id);
    uint32_t number = (uint32_t)strtoul(slash + 1, NULL, 10);
    objects_name(&c->run, service, number, name, sizeof(name));
    const struct lookout_pod *pod =
        c->run.indexed ? lookout_find_indexed(&c->lookout, is_load ? "" : service, number)
                       : lookout_find(&c->lookout, name);
    if (pod == NULL)
        snprintf(to, size, "%s %s is gone", c->run.indexed ? "the pod of" : "pod",
                 c->run.indexed ? id : name);
    else if (pod->trouble[0] != '\0')
        snprintf(to, size, "pod %s: %s", pod->name, pod->trouble);
}

static void stop_scenario(struct conduct *c)
{
    conduct_fleet_rest(c);
    conduct_join_stop(c);
    if (c->looking)
        lookout_release(&c->lookout);
    c->looking = false;
    c->lookout.mustered = false;
}

/* What a sweep leaves, conduct_close finds. */
static bool end(struct fleet *f, struct error *ret_err)
{
    struct conduct *c = (struct conduct *)f;
    struct sweep s;
    struct error err = {0};
    (void)ret_err; /* how a pod ended is in its status, and told as its fate */
    if (!c->begun || c->loop == NULL)
        return true;
    stop_scenario(c);
    if (c->build.anchor == NULL || c->api == NULL || c->trouble.kind != ERROR_NONE)
        return true;
    struct errand e = conduct_errand(c, false, true);
    rest_leases(c);
    sweep_init(&s, &c->run);
    if (errand_run(&e, &s.chore, &err) != ERRAND_DONE || !s.clean)
        conduct_say(c, "pods of the scenario are not gone: %s",
                    s.err.kind != ERROR_NONE ? s.err.text : err.text);
    sweep_release(&s);
    keep_leases(c);
    build_forget_agents(&c->build);
    return true;
}

void conduct_end(struct conduct *c)
{
    if (c->loop == NULL)
        return;
    if (c->begun)
        stop_scenario(c);
    if (c->api != NULL) {
        rest_leases(c);
        api_close(c->api);
    }
    loop_task_cancel(c->loop, &c->tell);
    c->api = NULL;
    c->loop = NULL;
    c->steer = NULL;
}

const struct fleet conduct_fleet_of_run = {
    .start = start, .fate = fate, .end = end, .ready = ready, .leave = leave};
