#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/cluster_in_force.h"

static const char declared[] = "apiVersion: networking.istio.io/v1\n"
                               "kind: VirtualService\n"
                               "metadata: {name: payments, namespace: shop}\n"
                               "spec:\n"
                               "  hosts: [payments]\n"
                               "  http:\n"
                               "  - timeout: 2s\n"
                               "    retries: {attempts: 3, perTryTimeout: 600ms, retryOn: 5xx}\n"
                               "    route: [{destination: {host: payments}}]\n";

/* As an API server answers it. */
#define SERVICE(retries, more) \
    "[{\"metadata\":{\"name\":\"payments\",\"namespace\":\"shop\",\"uid\":\"u\"," \
    "\"managedFields\":[{\"manager\":\"kubectl\"}]" more "},\"spec\":{\"hosts\":[\"payments\"]," \
    "\"http\":[{\"timeout\":\"2s\",\"retries\":" retries ",\"route\":[{\"destination\":{\"host\":" \
    "\"payments\"}}]}]},\"status\":{}}]"
#define RETRIES "{\"attempts\":3,\"perTryTimeout\":\"0.6s\",\"retryOn\":\"5xx\"}"

struct row {
    const char *in_force;
    enum driver driver;
    const char *lint, *say; /* say NULL: no finding */
};

static const struct row rows[] = {
    {SERVICE(RETRIES, ""), DRIVER_EXTERNAL, NULL, NULL},
    {SERVICE("{\"attempts\":4,\"perTryTimeout\":\"0.6s\",\"retryOn\":\"5xx\"}", ""),
     DRIVER_EXTERNAL, "fail",
     "retry.attempts of client -> payments is 4 in the cluster (VirtualService payments "},
    {SERVICE("{\"attempts\":4,\"perTryTimeout\":\"0.6s\",\"retryOn\":\"5xx\"}", ""),
     DRIVER_EXTERNAL, NULL, "and 3 by the suite (policy.yaml:8)"},
    {SERVICE("{\"attempts\":4}", ""), DRIVER_EXTERNAL, "ignore", NULL},
    {SERVICE("{\"attempts\":4}", ""), DRIVER_BUILTIN, NULL, NULL},
    {"[]", DRIVER_EXTERNAL, NULL, "is not set in the cluster (nothing says more), and 2s by"},
    /* a canary's copy of another run is nobody's policy */
    {SERVICE(RETRIES, ",\"labels\":{\"meshproof.io/run\":\"00000001\"}"), DRIVER_EXTERNAL, NULL,
     "is not set in the cluster"},
    {"[7, {}, {\"spec\": []}]", DRIVER_EXTERNAL, NULL, "is not set in the cluster"},
};

static void what_is_in_force_is_what_the_files_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct prepared p = {.plan = plan_new()};
        struct prepared_scenario ps = {.driver = rows[i].driver, .edge_count = 1};
        struct edge_policy edge;
        struct preflight_view view = {0};
        struct preflight_findings found = {0};
        struct error err = {0};
        assert_true(target_parse("istio@1.31", &ps.target, &err));
        struct policy_options options = {.target = ps.target, .endpoints = 3};
        assert_true(
            policy_read_bytes(bytes_of(declared), "policy.yaml", &options, &ps.policy, &err));
        policy_resolve(ps.policy, "client", "payments", NULL, 3, &edge);
        ps.edges = &edge;
        p.scenarios = &ps;
        p.plan->scenarios = ARENA_ARRAY(&p.plan->arena, struct scenario, 1);
        p.plan->scenario_count = 1;
        p.plan->scenarios[0].lint = rows[i].lint;
        view.lists[GVR_VIRTUALSERVICES] =
            json_pack("{so}", "items", json_loads(rows[i].in_force, 0, NULL));
        assert_non_null(view.lists[GVR_VIRTUALSERVICES]);
        cluster_in_force(&p, &view, &found);
        bool said = rows[i].say == NULL && found.count == 0;
        for (size_t k = 0; rows[i].say != NULL && k < found.count; k++)
            said = said || strstr(found.items[k].text, rows[i].say) != NULL;
        if (!said)
            fail_msg("row %zu: %zu, %s", i, found.count,
                     found.count == 0 ? "nothing" : found.items[0].text);
        assert_true(found.count == 0 || preflight_refused(&found));
        preflight_findings_release(&found);
        preflight_view_release(&view);
        policy_free(ps.policy);
        plan_free(p.plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_force_is_what_the_files_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
