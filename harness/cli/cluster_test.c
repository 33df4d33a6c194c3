#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/cluster.h"
#include "plan/limits.h"

#include <stdlib.h>

extern const struct command command_run;

static void parse(struct arguments *a, const char *const *words)
{
    struct error err = {0};
    int argc = 0;
    static char *argv[16];
    while (words[argc] != NULL) {
        argv[argc] = (char *)(uintptr_t)words[argc];
        argc++;
    }
    argv[argc] = NULL;
    if (!arguments_parse(a, &command_run, argc, argv, &err))
        fail_msg("%s", err.text);
}

static void what_is_for_a_cluster_is_refused_without_one(void **state)
{
    static const struct {
        const char *words[10];
        int code;
    } rows[] = {
        {{"run", "s.lua"}, EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "-n", "shop", "--image=i"}, EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "--as-manifests", "--job"}, EXIT_PASS},
        {{"run", "s.lua", "-n", "shop"}, EXIT_USAGE},
        {{"run", "s.lua", "--image=i"}, EXIT_USAGE},
        {{"run", "s.lua", "--as-manifests"}, EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--job"}, EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose"}, EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--swap", "--allow=edit"},
         EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--swap"}, EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--allow=edit"}, EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--allow=kill"}, EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--swap", "--allow=kill"},
         EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--swap", "--allow=kill",
          "--allow=edit"},
         EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "--allow=kill"}, EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--as-manifests"}, EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--as-manifests", "--job"},
         EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "--swap", "--allow=edit"}, EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--endpoints=ports"}, EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--endpoints=pods"}, EXIT_PASS},
        {{"run", "s.lua", "--on=kubernetes", "--mode=interpose", "--endpoints=ports"}, EXIT_USAGE},
        {{"run", "s.lua", "--endpoints=ports"}, EXIT_USAGE},
        {{"run", "s.lua", "--swap"}, EXIT_USAGE},
        {{"run", "s.lua", "--on=kubernetes", "--driver=envoy"}, EXIT_USAGE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arguments a;
        parse(&a, rows[i].words);
        if (cluster_check(&a) != rows[i].code)
            fail_msg("row %zu: not %d", i, rows[i].code);
        arguments_release(&a);
    }
}

struct fixture {
    struct prepared p;
    struct prepared_scenario scenarios[2];
    struct service_plan services[2];
    struct arguments args;
    struct cluster cluster;
};

static struct load_plan steady = {
    .on = {.text = "client -> payments", .from = {"client"}, .to = {"payments"}},
    .rate_per_h = 3600,
    .timeout_ns = 1000000000};
static struct phase calm = {.name = "calm", .lasting_ns = 1000000000};

/* Two scenarios of service payments, with two endpoints and with three. */
static void make_by(struct fixture *f, enum driver driver, const char *const *words)
{
    *f = (struct fixture){
        .services = {{.name = "payments", .endpoints = 2}, {.name = "payments", .endpoints = 3}}};
    f->p.plan = plan_new();
    f->p.plan->scenarios = ARENA_ARRAY(&f->p.plan->arena, struct scenario, 2);
    f->p.plan->scenario_count = 2;
    f->p.scenarios = f->scenarios;
    snprintf(f->p.run, sizeof(f->p.run), "7f3a91c2");
    for (size_t i = 0; i < 2; i++) {
        f->scenarios[i].driver = driver;
        f->p.plan->scenarios[i].lab.driver = driver;
        f->p.plan->scenarios[i].phases = &calm;
        f->p.plan->scenarios[i].phase_count = 1;
        f->p.plan->scenarios[i].loads = &steady;
        f->p.plan->scenarios[i].load_count = 1;
        f->p.plan->scenarios[i].mesh = (struct mesh_plan){.word = "istio", .version = "1.31"};
        f->p.plan->scenarios[i].name = i == 0 ? "two" : "three";
        f->p.plan->scenarios[i].lab.services = &f->services[i];
        f->p.plan->scenarios[i].lab.service_count = 1;
    }
    parse(&f->args, words);
}

static void make(struct fixture *f, enum driver driver)
{
    static const char *const words[] = {"run", "s.lua", "--on=kubernetes", "-n", "shop", NULL};
    make_by(f, driver, words);
}

static void release(struct fixture *f)
{
    cluster_release(&f->cluster);
    arguments_release(&f->args);
    plan_free(f->p.plan);
}

static const char *place(const struct fixture *f, size_t scenario, const char *map, const char *key)
{
    return json_string_value(
        json_object_get(json_object_get(f->p.plan->scenarios[scenario].lab.external, map), key));
}

static void a_plan_becomes_services_and_places(void **state)
{
    struct fixture f;
    struct error err = {0};
    (void)state;
    make(&f, DRIVER_EXTERNAL);
    setenv("MESHPROOF_JOB", "meshproof-7f3a91c2", 1);
    setenv("MESHPROOF_JOB_UID", "uid-of-job", 1);
    setenv("MESHPROOF_POD", "meshproof-7f3a91c2-x", 1);
    assert_true(cluster_plan(&f.cluster, &f.args, &f.p, UINT64_C(600) * 1000000000, &err));
    const struct conduct_options *o = &f.cluster.options;
    assert_string_equal(o->run.namespace, "shop");
    assert_int_equal(o->run.deadline_s, 660);
    assert_int_equal(o->service_count, 1); /* as many endpoints as the largest scenario wants */
    assert_int_equal(o->services[0].endpoints, 3);
    assert_string_equal(o->services[0].app_protocol, "http");
    assert_true(o->again && o->guardian);
    assert_string_equal(o->holder, "meshproof-7f3a91c2-x");
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(place(&f, i, "host", "payments"), "mp-7f3a91c2-payments");
    assert_string_equal(place(&f, 0, "endpoint", "payments/2"), "0.0.0.0:8080");
    assert_null(place(&f, 0, "endpoint", "payments/3"));
    /* Where the load sends to is known when the Service is made. */
    assert_string_equal(place(&f, 0, "to", "payments"), "0.0.0.0:80");
    o->on_service(o->cookie, "payments", "10.96.3.7:80");
    o->on_service(o->cookie, "other", "10.96.3.8:80");
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(place(&f, i, "to", "payments"), "10.96.3.7:80");
        assert_null(place(&f, i, "to", "other"));
    }
    release(&f);
    unsetenv("MESHPROOF_JOB");
    unsetenv("MESHPROOF_JOB_UID");
    unsetenv("MESHPROOF_POD");
}

/* Up to 20 agents are pods, more are Indexed Jobs, and more than a hundred are refused. */
static void many_agents_are_indexed_and_too_many_are_refused(void **state)
{
    static const char *const words[] = {
        "run", "s.lua", "--on=kubernetes", "-n", "shop", "--load-agents=8", NULL};
    static const struct {
        uint32_t endpoints;
        bool fits, indexed;
    } rows[] = {{12, true, false}, {13, true, true}, {92, true, true}, {93, false, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        struct error err = {0};
        make_by(&f, DRIVER_EXTERNAL, words);
        f.services[1].endpoints = rows[i].endpoints;
        assert_int_equal(cluster_plan(&f.cluster, &f.args, &f.p, 0, &err), rows[i].fits);
        if (!rows[i].fits)
            assert_non_null(strstr(err.text, "needs 101 agents (93 endpoints, 8 of load)"));
        else
            assert_int_equal(f.cluster.options.run.indexed, rows[i].indexed);
        release(&f);
    }
}

/* One pod: a port each, and one agent each service. */
static void endpoints_are_ports_where_that_is_asked_for(void **state)
{
    static const char *const words[] = {
        "run", "s.lua", "--on=kubernetes", "-n", "shop", "--endpoints=ports", NULL};
    struct fixture f;
    struct error err = {0};
    (void)state;
    make_by(&f, DRIVER_EXTERNAL, words);
    f.services[1].endpoints = 99;
    assert_true(cluster_plan(&f.cluster, &f.args, &f.p, 0, &err));
    assert_true(f.cluster.options.run.ports);
    assert_false(f.cluster.options.run.indexed); /* two agents */
    assert_string_equal(place(&f, 0, "endpoint", "payments/1"), "0.0.0.0:8080");
    assert_string_equal(place(&f, 1, "endpoint", "payments/99"), "0.0.0.0:8178");
    release(&f);
    make_by(&f, DRIVER_EXTERNAL, words);
    f.services[1].endpoints = 101;
    assert_false(cluster_plan(&f.cluster, &f.args, &f.p, 0, &err));
    assert_non_null(strstr(err.text, "has 101 endpoints; one pod has at most 100 ports"));
    release(&f);
    err = (struct error){0};
    make_by(&f, DRIVER_EXTERNAL, words);
    f.scenarios[0].target.mesh = MESH_ISTIO_AMBIENT;
    assert_false(cluster_plan(&f.cluster, &f.args, &f.p, 0, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "in ambient mode"));
    release(&f);
}

static void one_run_has_one_driver(void **state)
{
    struct fixture f;
    struct error err = {0};
    (void)state;
    make(&f, DRIVER_BUILTIN);
    f.scenarios[1].driver = DRIVER_EXTERNAL;
    assert_false(cluster_plan(&f.cluster, &f.args, &f.p, 0, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    release(&f);
}

static const char *const interposing[] = {
    "run", "s.lua", "--on=kubernetes", "-n", "shop", "--mode=interpose", "--yes", NULL};

/* Our endpoints have no stubs; the limits are interpose's where the suite gives none. */
static void interpose_relays_and_keeps_to_its_limits(void **state)
{
    struct fixture f;
    struct error err = {0};
    struct limits limits;
    static struct guard_plan own = {
        .kind = GUARD_LIMITS, .delay_ns = UINT64_C(9000000000), .endpoints = "20%"};
    (void)state;
    make_by(&f, DRIVER_EXTERNAL, interposing);
    f.p.plan->scenarios[1].guards = &own;
    f.p.plan->scenarios[1].guard_count = 1;
    if (!cluster_plan(&f.cluster, &f.args, &f.p, 0, &err))
        fail_msg("%s", err.text);
    const struct conduct_options *o = &f.cluster.options;
    assert_int_equal(o->run.mode, OBJECTS_INTERPOSE);
    assert_false(o->edits);
    assert_int_equal(o->services[0].port, 0); /* the cluster says which */
    assert_int_equal(o->share_ppm, 200000);
    assert_int_equal(f.services[0].address_count, 2);
    limits_of(&f.p.plan->scenarios[0], &limits);
    assert_int_equal(limits.share_ppm, 500000);
    assert_int_equal(limits.delay_ns, UINT64_C(5000000000));
    assert_int_equal(limits.ttl_ns, UINT64_C(300000000000));
    limits_of(&f.p.plan->scenarios[1], &limits);
    assert_int_equal(limits.delay_ns, UINT64_C(9000000000));
    o->on_service(o->cookie, "payments", "10.96.3.7:80");
    assert_string_equal(f.services[0].addresses[1], "10.96.3.7:80");
    assert_string_equal(f.services[1].addresses[2], "10.96.3.7:80");
    assert_string_equal(place(&f, 0, "to", "payments"), "0.0.0.0:80"); /* no canary's */
    assert_null(place(&f, 0, "host", "payments"));
    release(&f);
}

static void refused(struct fixture *f, const char *text)
{
    struct error err = {0};
    assert_false(cluster_plan(&f->cluster, &f->args, &f->p, 0, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    if (strstr(err.text, text) == NULL)
        fail_msg("%s", err.text);
    release(f);
}

static void interpose_wants_consent(void **state)
{
    static const char *const unasked[] = {
        "run", "s.lua", "--on=kubernetes", "-n", "shop", "--mode=interpose", NULL};
    static struct guard_plan approval = {
        .kind = GUARD_APPROVAL, .ask = "may we?", .people = 1, .within_ns = 1000000000};
    static const char *shops[] = {"other"};
    static struct guard_plan elsewhere = {
        .kind = GUARD_LIMITS, .namespaces = shops, .namespace_count = 1};
    static struct load_plan post = {.method = "POST"};
    struct fixture f;
    struct error err = {0};
    (void)state;
    make_by(&f, DRIVER_EXTERNAL, unasked);
    refused(&f, "nobody has agreed");
    make_by(&f, DRIVER_EXTERNAL, interposing);
    f.p.plan->scenarios[0].guards = &elsewhere;
    f.p.plan->scenarios[0].guard_count = 1;
    refused(&f, "namespaces does not have \"shop\"");
    make_by(&f, DRIVER_EXTERNAL, interposing); /* --yes is not meant for that */
    f.p.plan->scenarios[1].loads = &post;
    f.p.plan->scenarios[1].load_count = 1;
    refused(&f, "POST reaches real pods");
    make_by(&f, DRIVER_EXTERNAL, unasked);
    for (size_t i = 0; i < 2; i++) {
        f.p.plan->scenarios[i].guards = &approval;
        f.p.plan->scenarios[i].guard_count = 1;
    }
    if (!cluster_plan(&f.cluster, &f.args, &f.p, 0, &err))
        fail_msg("%s", err.text);
    release(&f);
}

/* A kill that real callers meet: the suite names the namespace, and the command line allows it. */
static void a_kill_beside_real_pods_wants_leave(void **state)
{
    static const char *const allowed[] = {"run",   "s.lua",        "--on=kubernetes",
                                          "-n",    "shop",         "--mode=interpose",
                                          "--yes", "--allow=kill", NULL};
    static const char *const swapped[] = {
        "run",   "s.lua",  "--on=kubernetes", "-n",           "shop", "--mode=interpose",
        "--yes", "--swap", "--allow=edit",    "--allow=kill", NULL};
    static const char *shops[] = {"shop"}, *others[] = {"other"};
    static struct guard_plan here = {
        .kind = GUARD_LIMITS, .namespaces = shops, .namespace_count = 1};
    static struct guard_plan elsewhere = {
        .kind = GUARD_LIMITS, .namespaces = others, .namespace_count = 1};
    static struct guard_plan all = {
        .kind = GUARD_LIMITS, .namespaces = shops, .namespace_count = 1, .share_ppm = 1000000};
    static struct guard_plan unnamed = {.kind = GUARD_LIMITS, .share_ppm = 100000};
    static const struct {
        const char *word;
        const char *const *words;
        struct guard_plan *guard;
        const char *text;  /* NULL: it may */
        uint32_t endpoint; /* of three; 0: all */
    } rows[] = {
        {"kill", interposing, &here, "fault.kill in --mode interpose is met by real callers", 0},
        {"kill", allowed, NULL, "it needs guard.limits { namespaces = { \"shop\" } }", 0},
        {"kill", allowed, &unnamed, "it needs guard.limits { namespaces = { \"shop\" } }", 0},
        {"pause", allowed, &elsewhere, "fault.pause in --mode interpose is met by real callers", 0},
        {"restart", interposing, &here, "and --allow kill", 0},
        {"reset", allowed, &here, "--allow kill permits a kill, and none is asked for", 0},
        {"kill", allowed, &here, "more than guard.limits share 50%", 0},
        {"kill", allowed, &here, NULL, 1},
        {"kill", swapped, &here, NULL, 1},
        {"kill", swapped, &all, "3 of 3 would be dead, and 2 are kept", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        struct error err = {0};
        struct step fault = {.kind = STEP_FAULT,
                             .word = (char *)(uintptr_t)rows[i].word,
                             .keys = json_object(),
                             .has_on = true,
                             .on = {.text = "payments/1",
                                    .to = {.service = "payments", .endpoint = rows[i].endpoint}}};
        struct step at = {.kind = STEP_AT, .steps = &fault, .step_count = 1};
        struct phase phase = {.name = "p", .lasting_ns = 1000000000, .steps = &at, .step_count = 1};
        make_by(&f, DRIVER_EXTERNAL, rows[i].words);
        f.p.plan->scenarios[1].phases = &phase;
        f.p.plan->scenarios[1].phase_count = 1;
        f.p.plan->scenarios[1].guards = rows[i].guard;
        f.p.plan->scenarios[1].guard_count = rows[i].guard != NULL;
        bool good = cluster_plan(&f.cluster, &f.args, &f.p, 0, &err);
        if (good != (rows[i].text == NULL) ||
            (rows[i].text != NULL && strstr(err.text, rows[i].text) == NULL))
            fail_msg("%zu: %s", i, err.text);
        release(&f);
        json_decref(fault.keys);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_for_a_cluster_is_refused_without_one),
        cmocka_unit_test(a_plan_becomes_services_and_places),
        cmocka_unit_test(many_agents_are_indexed_and_too_many_are_refused),
        cmocka_unit_test(endpoints_are_ports_where_that_is_asked_for),
        cmocka_unit_test(one_run_has_one_driver),
        cmocka_unit_test(interpose_relays_and_keeps_to_its_limits),
        cmocka_unit_test(interpose_wants_consent),
        cmocka_unit_test(a_kill_beside_real_pods_wants_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
