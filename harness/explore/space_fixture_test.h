#ifndef EXPLORE_SPACE_FIXTURE_TEST_H
#define EXPLORE_SPACE_FIXTURE_TEST_H

/* A suite in memory: client -> payments with three endpoints, one phase that asks for retries. */

#include "explore/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

struct fixture {
    struct plan *plan;
    struct edge_policy edge;
    struct arena arena;
    struct space space;
};

static inline struct plan *made_plan(void)
{
    struct plan *p = plan_new();
    struct source at = {"suites/x.lua", 7, 0};
    p->suite = "suites/x.lua";
    p->scenario_count = 1;
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    struct scenario *s = &p->scenarios[0];
    *s = (struct scenario){
        .name = "payments", .source = at, .deadline_ns = 1800 * S, .settle_ns = 5 * S};
    s->mesh = (struct mesh_plan){.word = "istio", .name = "istio", .version = "1.31", .source = at};
    s->lab.source = at;
    s->lab.service_count = 1;
    s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    s->lab.services[0] = (struct service_plan){.name = "payments",
                                               .source = at,
                                               .endpoints = 3,
                                               .slots = 256,
                                               .status = 200,
                                               .body_bytes = 1024,
                                               .protocol = "http1"};
    s->load_count = 1;
    s->loads = ARENA_ARRAY(&p->arena, struct load_plan, 1);
    s->loads[0] = (struct load_plan){.rate_per_h = UINT64_C(100) * 3600,
                                     .source = at,
                                     .timeout_ns = 30 * S,
                                     .warmup_ns = 3 * S,
                                     .tag_every_ns = 60 * MS,
                                     .connections = 8,
                                     .clients = 1,
                                     .method = "GET",
                                     .path = "/",
                                     .protocol = "http1"};
    assert_true(place_parse("client -> payments", &p->arena, &s->loads[0].on, NULL));
    s->phase_count = 1;
    s->phases = ARENA_ARRAY(&p->arena, struct phase, 1);
    struct phase *phase = &s->phases[0];
    *phase =
        (struct phase){.name = "storm", .source = at, .ends = PHASE_BY_CLOCK, .lasting_ns = 12 * S};
    phase->step_count = 3;
    phase->steps = ARENA_ARRAY(&p->arena, struct step, 3);
    phase->steps[0] = step_make(p, STEP_FAULT, "abort", "payments", at,
                                (const char *const[]){"status", "503", NULL});
    phase->steps[1] = step_make(p, STEP_EXPECT, "retries", "client -> payments", at, NULL);
    phase->steps[2] = step_make(p, STEP_EXPECT, "success", "client -> payments", at,
                                (const char *const[]){"atleast", "99%", NULL});
    return p;
}

static inline void fixture_guard(struct fixture *f, const struct guard_plan *guard)
{
    struct scenario *s = &f->plan->scenarios[0];
    s->guards = ARENA_ARRAY(&f->plan->arena, struct guard_plan, 1);
    s->guards[0] = *guard;
    s->guards[0].source = s->source;
    s->guard_count = 1;
}

static inline void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.plan = made_plan()};
    f->edge = (struct edge_policy){.from = "client", .to = "payments", .endpoints = 3};
    f->edge.retry.per_try_timeout = (struct value){.set = true, .number = 600 * MS};
    f->edge.request_timeout = (struct value){.set = true, .number = 2 * S};
    arena_init(&f->arena, 1 << 20);
}

static inline bool fixture_space(struct fixture *f, const char *const *words, size_t count,
                                 struct error *err)
{
    const struct space_options options = {.words = words, .word_count = count};
    return space_init(&f->space, f->plan, &f->plan->scenarios[0], &f->edge, 1, &options, &f->arena,
                      err);
}

static inline void fixture_release(struct fixture *f)
{
    space_release(&f->space);
    plan_free(f->plan);
    arena_release(&f->arena);
}

#endif
