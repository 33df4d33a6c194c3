/* discover in virtual time: meshes whose every number is known, probed by a plan that knows none.
 */
#include "simulate/draw.h"
#include "simulate/scene.h"
#include "verify/discover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DRAIN_NS (40 * NS_PER_S)

struct numbers {
    uint64_t retries, try_ms, whole_ms, failures, interval_ms, base_ms, percent;
    uint32_t on, endpoints;
};

static struct value value_of(uint64_t number)
{
    return (struct value){number, true, {"policy.yaml", 7, 3}, "test"};
}

static struct edge_policy policy_of(const struct numbers *n)
{
    struct edge_policy e = {.from = "client",
                            .to = "payments",
                            .path = "/",
                            .route = "payments/http[0]",
                            .target = {MESH_ISTIO, 1, 31},
                            .endpoints = n->endpoints};
    e.retry.attempts = value_of(n->retries);
    e.retry.on = n->on;
    e.retry.other_host = true;
    e.retry.backoff_base = value_of(25 * NS_PER_MS);
    e.retry.backoff_max = value_of(250 * NS_PER_MS);
    if (n->try_ms > 0)
        e.retry.per_try_timeout = value_of(n->try_ms * NS_PER_MS);
    if (n->whole_ms > 0)
        e.request_timeout = value_of(n->whole_ms * NS_PER_MS);
    if (n->failures > 0) {
        e.outlier.present = true;
        e.outlier.consecutive_5xx = value_of(n->failures);
        e.outlier.consecutive_gateway = value_of(0);
        e.outlier.interval = value_of(n->interval_ms * NS_PER_MS);
        e.outlier.base_ejection = value_of(n->base_ms * NS_PER_MS);
        e.outlier.max_ejection = value_of(300 * NS_PER_S);
        e.outlier.max_ejection_percent = value_of(n->percent);
    }
    return e;
}

/* The journal of one run. ${declared} NULL: what is played. */
static struct journal *probe(const struct edge_policy *played, const struct edge_policy *declared,
                             enum noise_kind noise, uint64_t seed)
{
    struct error err = {0};
    struct plan *p = plan_new();
    struct discover_options o = {.patience_ns = 10 * NS_PER_S,
                                 .eject_ns = 75 * NS_PER_S,
                                 .method = "GET",
                                 .path = "/",
                                 .source = {"discover.lua", 1, 0}};
    p->suite = "discover.lua";
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    p->scenario_count = 1;
    struct scenario *s = &p->scenarios[0];
    *s = (struct scenario){
        .name = "discover", .source = {"discover.lua", 1, 0}, .deadline_ns = 3600 * NS_PER_S};
    s->mesh.word = "istio";
    s->mesh.version = "1.31";
    s->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    s->lab.service_count = 1;
    s->lab.services[0] = (struct service_plan){.name = "payments",
                                               .endpoints = played->endpoints,
                                               .slots = 256,
                                               .protocol = "http1",
                                               .status = 200,
                                               .body_bytes = 1024};
    discover_phases(p, s, "client", "payments", played->endpoints, &o);
    if (!plan_check(p, &err))
        fail_msg("%s", err.text);
    struct journal *j = journal_new();
    struct scene *scene = check_alloc_zero(1, sizeof(*scene));
    struct scene_options options = {
        .scenario = s, .edge = played, .arm = "subject", .noise = noise, .seed = seed};
    scene_init(scene, j, &options);
    for (uint32_t i = 0; i < s->phase_count; i++)
        scene_walk(scene, i, false);
    scene->phase = NULL;
    uint64_t end_ns = scene->now_ns + DRAIN_NS;
    while (events_next_ns(&scene->events) < end_ns)
        (void)scene_step(scene);
    scene_release(scene);
    free(scene);
    j->end_how = "complete";
    j->plan = plan_to_json(p);
    j->policy =
        json_pack("{s:[{s:s, s:i, s:o}], s:[]}", "edges", "arm", "subject", "scenario", 0, "edge",
                  edge_policy_to_json(declared == NULL ? played : declared), "findings");
    plan_free(p);
    return j;
}

static void infer(struct journal *j, struct discovery *ret)
{
    struct error err = {0};
    if (!discover_infer(j, ret, &err))
        fail_msg("%s", err.text);
    journal_free(j);
}

static void discover(const struct edge_policy *played, const struct edge_policy *declared,
                     enum noise_kind noise, uint64_t seed, struct discovery *ret)
{
    infer(probe(played, declared, noise, seed), ret);
}

static const struct discovered *row_of(const struct discovery *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->rows[i].name, name) == 0)
            return &d->rows[i];
    fail_msg("there is no row %s", name);
    return NULL;
}

static void is(const struct discovery *d, const char *name, enum discover_verdict verdict)
{
    const struct discovered *row = row_of(d, name);
    if (row->verdict == verdict)
        return;
    struct text t;
    text_init(&t, 100000);
    discovery_print(d, &t);
    fputs(text_get(&t), stderr); /* longer than cmocka prints */
    text_release(&t);
    fail_msg("%s is %d, not %d", name, (int)row->verdict, (int)verdict);
}

static const struct numbers meshes[] = {
    {3, 600, 2000, 5, 1000, 2000, 34, RETRY_5XX | RETRY_RESET, 3},
    {2, 250, 1000, 3, 2000, 3000, 50, RETRY_GATEWAY_ERROR | RETRY_RESET, 4},
    {1, 0, 500, 7, 500, 1500, 100, RETRY_5XX, 3},
    {2, 400, 0, 0, 0, 0, 0, RETRY_GATEWAY_ERROR, 3},
    {0, 0, 800, 5, 10000, 30000, 67, 0, 3},
    {3, 300, 3000, 0, 0, 0, 0, RETRY_5XX | RETRY_RESET, 2},
};

static void the_numbers_of_known_meshes_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(meshes); i++) {
        const struct numbers *n = &meshes[i];
        struct edge_policy edge = policy_of(n);
        struct discovery d;
        discover(&edge, NULL, NOISE_QUIET, 7 + i, &d);
        is(&d, "retry.attempts", DISCOVER_SAME);
        is(&d, "retry.conditions", DISCOVER_SAME);
        if (n->try_ms > 0 && n->retries > 0)
            is(&d, "retry.per_try_timeout", DISCOVER_SAME);
        if (n->retries > 0)
            is(&d, "retry.backoff_base", DISCOVER_SAME);
        is(&d, "outlier.consecutive", DISCOVER_SAME);
        if (n->failures > 0) {
            is(&d, "outlier.interval", DISCOVER_SAME);
            is(&d, "outlier.base_ejection", DISCOVER_SAME);
            is(&d, "outlier.max_ejection_percent", DISCOVER_SAME);
        }
        for (size_t k = 0; k < d.count; k++)
            if (d.rows[k].verdict == DISCOVER_DIFFERS)
                is(&d, d.rows[k].name, DISCOVER_SAME);
        discovery_release(&d);
    }
}

/* Each number declared otherwise than it is played is the one that differs. */
static void a_number_that_is_not_as_declared_differs(void **state)
{
    static const struct {
        size_t offset;
        uint64_t number;
        const char *name;
    } changes[] = {
        {offsetof(struct edge_policy, retry.attempts), 2, "retry.attempts"},
        {offsetof(struct edge_policy, retry.per_try_timeout), 500 * NS_PER_MS,
         "retry.per_try_timeout"},
        {offsetof(struct edge_policy, retry.backoff_base), 50 * NS_PER_MS, "retry.backoff_base"},
        {offsetof(struct edge_policy, outlier.consecutive_5xx), 6, "outlier.consecutive"},
        {offsetof(struct edge_policy, outlier.interval), 2 * NS_PER_S, "outlier.interval"},
        {offsetof(struct edge_policy, outlier.base_ejection), 3 * NS_PER_S,
         "outlier.base_ejection"},
        {offsetof(struct edge_policy, outlier.max_ejection_percent), 67,
         "outlier.max_ejection_percent"},
    };
    (void)state;
    struct edge_policy played = policy_of(&meshes[0]);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct edge_policy declared = played;
        struct discovery d;
        *(struct value *)(void *)((char *)&declared + changes[i].offset) =
            value_of(changes[i].number);
        discover(&played, &declared, NOISE_QUIET, 7, &d);
        is(&d, changes[i].name, DISCOVER_DIFFERS);
        assert_int_equal(discovery_outcome(&d), VERDICT_FAIL);
        size_t differ = 0;
        for (size_t k = 0; k < d.count; k++)
            differ += d.rows[k].verdict == DISCOVER_DIFFERS;
        assert_int_equal(differ, 1);
        discovery_release(&d);
    }
    struct edge_policy declared = played;
    struct discovery d;
    declared.retry.on = RETRY_GATEWAY_ERROR | RETRY_RESET;
    discover(&played, &declared, NOISE_QUIET, 7, &d);
    is(&d, "retry.conditions", DISCOVER_DIFFERS);
    assert_non_null(strstr(row_of(&d, "retry.conditions")->how, "not declared: "));
    discovery_release(&d);
}

/* Istio's default: retries of connections that failed, which discover does not send. */
static void retries_of_what_is_not_sent_are_not_told(void **state)
{
    (void)state;
    struct edge_policy edge = policy_of(&(struct numbers){
        .retries = 2, .on = RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM, .endpoints = 3});
    struct discovery d;
    discover(&edge, NULL, NOISE_QUIET, 7, &d);
    is(&d, "retry.attempts", DISCOVER_OPEN);
    assert_false(d.found.retry.attempts.set);
    is(&d, "retry.conditions", DISCOVER_SAME);
    assert_int_equal(discovery_outcome(&d), VERDICT_INCONCLUSIVE);
    discovery_release(&d);
}

/* What a busy machine hides is not told, or told with wide bounds; it never differs. */
static void a_busy_machine_makes_nothing_differ(void **state)
{
    static const enum noise_kind noises[] = {NOISE_SHARED, NOISE_STARVED};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(meshes) * COUNT_OF(noises); i++) {
        struct edge_policy edge = policy_of(&meshes[i / COUNT_OF(noises)]);
        struct discovery d;
        discover(&edge, NULL, noises[i % COUNT_OF(noises)], 100 + i, &d);
        for (size_t k = 0; k < d.count; k++)
            if (d.rows[k].verdict == DISCOVER_DIFFERS)
                is(&d, d.rows[k].name, DISCOVER_SAME);
        discovery_release(&d);
    }
}

/* The machine stood still in the middle of each phase of that name. */
static void discover_stalled(const char *phases, struct discovery *ret)
{
    struct edge_policy edge = policy_of(&meshes[0]);
    struct journal *j = probe(&edge, NULL, NOISE_QUIET, 7);
    size_t stalled = 0;
    for (size_t i = 0; i < j->phase_count; i++) {
        uint64_t length_ns = j->phases[i].t1_ns - j->phases[i].t0_ns;
        struct stall_record r = {.at = j->phases[i].t0_ns + length_ns / 4, .fired = length_ns / 3};
        if (strncmp(j->phases[i].name, phases, strlen(phases)) != 0)
            continue;
        journal_add(j, SCENE_PROC_PROXY, RECORD_STALL, &r);
        stalled++;
    }
    assert_int_equal(stalled, edge.endpoints);
    infer(j, ret);
}

static void what_put_an_endpoint_out_is_told_though_its_time_out_is_hidden(void **state)
{
    struct discovery d;
    (void)state;
    discover_stalled("out ", &d);
    is(&d, "outlier.consecutive", DISCOVER_SAME);
    is(&d, "outlier.interval", DISCOVER_OPEN);
    is(&d, "outlier.base_ejection", DISCOVER_OPEN);
    discovery_release(&d);
    discover_stalled("trip ", &d);
    is(&d, "outlier.consecutive", DISCOVER_OPEN);
    is(&d, "outlier.base_ejection", DISCOVER_OPEN);
    discovery_release(&d);
}

static void a_journal_of_something_else_is_refused(void **state)
{
    struct journal *j = journal_new();
    struct discovery d;
    struct error err = {0};
    (void)state;
    assert_false(discover_infer(j, &d, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    journal_free(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_of_known_meshes_are_found),
        cmocka_unit_test(a_number_that_is_not_as_declared_differs),
        cmocka_unit_test(retries_of_what_is_not_sent_are_not_told),
        cmocka_unit_test(a_busy_machine_makes_nothing_differ),
        cmocka_unit_test(what_put_an_endpoint_out_is_told_though_its_time_out_is_hidden),
        cmocka_unit_test(a_journal_of_something_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
