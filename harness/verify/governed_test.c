/* An expectation that no policy governs is refused before the run, with its line. */
#include "verify/governed.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct asked {
    struct plan *plan;
    struct scenario scenario;
    struct phase phase;
    struct edge_policy edge;
};

static void open(struct asked *a, enum mesh mesh, enum flavour flavour, const char *word,
                 const char *const *keys)
{
    *a = (struct asked){
        .plan = plan_new(),
        .edge = {.from = "client",
                 .to = "payments",
                 .path = "/",
                 .target = {mesh, mesh == MESH_NONE ? 0 : 1, mesh == MESH_NONE ? 0 : 31},
                 .flavour = flavour,
                 .endpoints = 3}};
    a->phase = (struct phase){
        .name = "p", .steps = ARENA_ARRAY(&a->plan->arena, struct step, 1), .step_count = 1};
    a->phase.steps[0] = step_make(a->plan, STEP_EXPECT, word, "client -> payments",
                                  (struct source){"s.lua", 9, 0}, keys);
    a->scenario = (struct scenario){.name = "s", .phases = &a->phase, .phase_count = 1};
}

/* ${wanted} NULL: it is governed. */
static void close(struct asked *a, const char *wanted)
{
    struct error err = {0};
    a->scenario.phases = &a->phase;
    bool good = governed_check(&a->scenario, &a->edge, 1, &err);
    if (good != (wanted == NULL))
        fail_msg("governed: %d %s", good, err.text);
    if (wanted != NULL) {
        assert_string_equal(err.text, wanted);
        assert_int_equal(err.source.line, 9);
    }
    plan_free(a->plan);
}

static void what_nothing_governs_is_refused(void **state)
{
    struct asked a;
    (void)state;
    open(&a, MESH_ISTIO, FLAVOUR_ENVOY, "rate_limit", NULL);
    close(&a, "expect.rate_limit: no policy says anything about rate limits on client -> payments; "
              "istio@1.31 has no default: meshproof explain --on \"client -> payments\"");
    open(&a, MESH_NONE, FLAVOUR_L4, "retries", NULL);
    close(&a, "expect.retries: client -> payments has no mesh, so no policy says anything about "
              "retries");
}

static void what_is_governed_stands(void **state)
{
    struct asked a;
    (void)state;
    open(&a, MESH_ISTIO, FLAVOUR_ENVOY, "retries", NULL);
    a.edge.retry.attempts = (struct value){.number = 2, .set = true};
    close(&a, NULL);
    open(&a, MESH_NONE, FLAVOUR_L4, "success", NULL); /* no policy's matter */
    close(&a, NULL);
    open(&a, MESH_LINKERD, FLAVOUR_LINKERD, "retries", NULL); /* a ServiceProfile's */
    a.edge.retry.by_budget = true;
    close(&a, NULL);
}

static void a_part_is_asked_for_itself(void **state)
{
    static const char *const per_try[] = {"only", "per_try", NULL};
    struct asked a;
    (void)state;
    open(&a, MESH_ISTIO, FLAVOUR_ENVOY, "timeout", per_try);
    a.edge.request_timeout = (struct value){.number = 1000000000, .set = true};
    close(&a, "expect.timeout: no policy says anything about timeouts on client -> payments; "
              "istio@1.31 has no default: meshproof explain --on \"client -> payments\"");
    open(&a, MESH_ISTIO, FLAVOUR_ENVOY, "timeout", NULL);
    a.edge.request_timeout = (struct value){.number = 1000000000, .set = true};
    close(&a, NULL);
}

static void a_default_governs_too(void **state)
{
    struct asked a;
    (void)state;
    open(&a, MESH_ISTIO, FLAVOUR_ENVOY, "budget", NULL);
    close(&a, NULL);
    open(&a, MESH_LINKERD, FLAVOUR_LINKERD, "budget", NULL);
    close(&a, "expect.budget: no policy says anything about budgets on client -> payments; "
              "linkerd@1.31 has no default: meshproof explain --on \"client -> payments\"");
}

static void what_must_never_be_is_asked_without_a_policy(void **state)
{
    static const char *const never[] = {"never", "payments/2", NULL};
    struct asked a;
    (void)state;
    open(&a, MESH_ISTIO, FLAVOUR_ENVOY, "ejection", never);
    close(&a, NULL);
    open(&a, MESH_ISTIO, FLAVOUR_ENVOY, "ejection", NULL);
    close(&a, "expect.ejection: no policy says anything about ejection on client -> payments; "
              "istio@1.31 has no default: meshproof explain --on \"client -> payments\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nothing_governs_is_refused),
        cmocka_unit_test(what_is_governed_stands),
        cmocka_unit_test(a_part_is_asked_for_itself),
        cmocka_unit_test(a_default_governs_too),
        cmocka_unit_test(what_must_never_be_is_asked_without_a_policy),
    };
    return cmocka_run_group_tests_name("governed", tests, NULL, NULL);
}
