#include "base/clock.h"
#include "engine/agent.h"
#include "engine/program.h"
#include "load/stub.h"

#include <errno.h>

#include <stdlib.h>

/* The stub role: the backends of one service, or a user's own program as one of its endpoints. The
 * addresses of its own calls are known only when the mesh is up, and the mesh needs ours first:
 * ROUTE brings them before any load starts. A program that calls is started then; the calm request
 * waits for it. */

#define DRAIN_TICK_NS (20 * NS_PER_MS)
#define NO_ADDRESS "127.0.0.1:1" /* refused: no call is made before ROUTE */

struct stub_agent {
    struct agent *agent;
    struct plan *plan;
    const struct service_plan *service;
    struct stub *stub;
    struct program *program; /* instead of ${stub} */
    const char **effects;
    size_t effect_count;
    bool routed;
    struct hold drain_hold;
    uint64_t deadline_ns;
};

static bool read_plan(struct stub_agent *s, const json_t *setup, struct error *err)
{
    if (!plan_from_json(json_object_get(setup, "plan"), &s->plan, err))
        return false;
    if (s->plan->scenario_count != 1)
        return error_set(err, ERROR_PEER, "SETUP: the plan has %zu scenarios; it must have one",
                         s->plan->scenario_count);
    const struct lab_plan *lab = &s->plan->scenarios[0].lab;
    s->effects = check_alloc_zero(lab->service_count + 1, sizeof(*s->effects));
    for (size_t i = 0; i < lab->service_count; i++) {
        if (strcmp(lab->services[i].name, s->agent->service) == 0)
            s->service = &lab->services[i];
        if (lab->services[i].effects != NULL)
            s->effects[s->effect_count++] = lab->services[i].effects;
    }
    if (s->service == NULL)
        return error_set(err, ERROR_PEER, "SETUP: the plan has no service \"%.60s\"",
                         s->agent->service);
    return true;
}

/* What the service ${name} speaks by the plan; http1 for those that the lab does not have. */
static const char *protocol_of(const struct stub_agent *s, const char *name)
{
    const struct lab_plan *lab = &s->plan->scenarios[0].lab;
    for (size_t i = 0; i < lab->service_count; i++) {
        const char *protocol = lab->services[i].protocol;
        if (strcmp(lab->services[i].name, name) == 0 && protocol != NULL &&
            (strcmp(protocol, "http2") == 0 || strcmp(protocol, "grpc") == 0))
            return protocol;
    }
    return "http1";
}

/* Where it was in a former life. */
static const char *listen_at(const json_t *listen, uint32_t i)
{
    const char *at = json_string_value(json_array_get(listen, i));
    return at == NULL ? "127.0.0.1:0" : at;
}

static bool open_stub(struct stub_agent *s, struct error *err)
{
    struct agent *a = s->agent;
    uint32_t one = (uint32_t)control_number(a->setup, "endpoint"); /* 0: all */
    uint32_t count = one == 0 ? s->service->endpoints : 1;
    const json_t *listen = json_object_get(a->setup, "listen");
    const char **addresses =
        check_alloc_zero(s->service->call_count + 1, sizeof(*addresses)); /* until ROUTE */
    const char **protocols = check_alloc_zero(s->service->call_count + 1, sizeof(*protocols));
    struct stub_endpoint *endpoints = check_alloc_zero(count + 1, sizeof(*endpoints));
    for (uint32_t i = 0; i < count; i++)
        endpoints[i] = (struct stub_endpoint){.number = (uint16_t)(one == 0 ? i + 1 : one),
                                              .listen = listen_at(listen, i)};
    for (size_t i = 0; i < s->service->call_count; i++) {
        addresses[i] = NO_ADDRESS;
        protocols[i] = protocol_of(s, s->service->calls[i].to);
    }
    struct stub_config config = {
        .service = s->service,
        .endpoints = endpoints,
        .endpoint_count = count,
        .call_addresses = addresses,
        .call_protocols = protocols,
        .effect_headers = s->effects,
        .effect_header_count = s->effect_count,
        .run = a->run,
        .proc = (uint16_t)a->proc,
        .seed = a->seed,
    };
    bool ok = stub_open(a->loop, a->recorder, &config, &s->stub, err);
    free(addresses);
    free(protocols);
    free(endpoints);
    return ok;
}

static void say_ready(struct stub_agent *s)
{
    agent_ready(s->agent, json_pack("[s]", program_address(s->program)));
}

static void on_program_up(void *cookie)
{
    struct stub_agent *s = cookie;
    if (s->service->call_count == 0)
        say_ready(s);
}

static void on_program_end(void *cookie, const struct error *why)
{
    struct stub_agent *s = cookie;
    struct error told = {0};
    error_at(&told, s->service->source, ERROR_PEER, "the program of \"%s\": %s", s->service->name,
             why->text);
    agent_fail(s->agent, &told);
}

static bool open_program(struct stub_agent *s, struct error *err)
{
    struct agent *a = s->agent;
    const char *log = control_text(a->setup, "log");
    if (control_number(a->setup, "endpoint") == 0 || log[0] == '\0')
        return error_set(err, ERROR_PEER, "SETUP: a program is of one endpoint, and has a log");
    const struct program_config config = {
        .listen = listen_at(json_object_get(a->setup, "listen"), 0),
        .command = s->service->run,
        .folder = s->service->run_in,
        .log = log,
        .on_up = on_program_up,
        .on_end = on_program_end,
        .cookie = s,
    };
    if (!program_open(a->loop, &config, &s->program, err))
        return false;
    if (s->service->call_count == 0)
        return program_start(s->program, err);
    say_ready(s);
    return true;
}

static bool setup(struct agent *a, const json_t *body, struct error *err)
{
    struct stub_agent *s = check_alloc_zero(1, sizeof(*s));
    a->own = s;
    s->agent = a;
    if (!read_plan(s, body, err))
        return false;
    if (s->service->run != NULL)
        return open_program(s, err);
    if (!open_stub(s, err))
        return false;
    json_t *addresses = json_array();
    for (uint32_t i = 1; i <= s->service->endpoints; i++) {
        const char *at = stub_address(s->stub, (uint16_t)i);
        if (at != NULL)
            json_array_append_new(addresses, json_string(at));
    }
    agent_ready(a, addresses);
    return true;
}

static bool route_program(struct stub_agent *s, const char **addresses, struct error *err)
{
    char name[80];
    for (size_t i = 0; i < s->service->call_count; i++) {
        program_call_name(s->service->calls[i].to, name, sizeof(name));
        if (setenv(name, addresses[i], 1) != 0)
            return error_system(err, errno, "setting %s", name);
    }
    return program_start(s->program, err);
}

static bool route(struct stub_agent *s, const json_t *body, const char **addresses,
                  struct error *err)
{
    for (size_t i = 0; i < s->service->call_count; i++) {
        char edge[160];
        snprintf(edge, sizeof(edge), "%s -> %s", s->service->name, s->service->calls[i].to);
        addresses[i] =
            agent_need_text(json_object_get(json_object_get(body, "addresses"), edge), edge, err);
        if (addresses[i] == NULL)
            return false;
    }
    s->routed = true;
    if (s->program != NULL)
        return route_program(s, addresses, err);
    stub_route(s->stub, addresses);
    return true;
}

static bool control(struct agent *a, uint8_t kind, const json_t *body, struct error *err)
{
    struct stub_agent *s = a->own;
    if (kind != CONTROL_ROUTE)
        return error_set(err, ERROR_PEER, "%s is not for a stub agent", control_name(kind));
    if (s->routed)
        return error_set(err, ERROR_PEER, "ROUTE came twice");
    const char **addresses = check_alloc_zero(s->service->call_count + 1, sizeof(*addresses));
    bool ok = route(s, body, addresses, err);
    free(addresses);
    return ok;
}

static void on_drain_tick(struct hold *h, uint64_t now_ns)
{
    struct stub_agent *s =
        (struct stub_agent *)((char *)h - offsetof(struct stub_agent, drain_hold));
    struct stub_counts counts = stub_counts(s->stub);
    if ((counts.active == 0 && counts.calls == counts.records) || now_ns >= s->deadline_ns)
        agent_drained(s->agent);
    else
        loop_hold_add(s->agent->loop, h, now_ns + DRAIN_TICK_NS, on_drain_tick);
}

static void drain(struct agent *a, uint64_t deadline_ns)
{
    struct stub_agent *s = a->own;
    if (s != NULL && s->program != NULL)
        program_stop(s->program);
    if (s == NULL || s->stub == NULL) {
        agent_drained(a);
        return;
    }
    s->deadline_ns = deadline_ns;
    loop_hold_add(a->loop, &s->drain_hold, loop_now_ns(a->loop), on_drain_tick);
}

static void release(struct agent *a)
{
    struct stub_agent *s = a->own;
    if (s == NULL)
        return;
    loop_hold_remove(a->loop, &s->drain_hold);
    if (s->program != NULL)
        program_free(s->program);
    if (s->stub != NULL)
        stub_free(s->stub);
    loop_settle(a->loop);
    free(s->effects);
    plan_free(s->plan);
    free(s);
}

const struct agent_role agent_stub = {
    .name = "stub",
    .setup = setup,
    .control = control,
    .drain = drain,
    .release = release,
};
