/* A configuration of Envoy read as a policy. That Istio's own reads so: suites/selftest/istio/gate.
 */

#include "mesh/envoy_config.h"
#include "mesh/envoy_read.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct value v(uint64_t n)
{
    return (struct value){.number = n, .set = true};
}

static const char *const endpoints[] = {"127.0.0.1:1001"};

static json_t *made(const struct edge_policy *policy)
{
    struct mesh_edge edge = {
        .policy = *policy, .listen = "127.0.0.1:0", .endpoints = endpoints, .endpoint_count = 1};
    struct mesh_config config = {.edges = &edge, .edge_count = 1, .folder = "/run/x"};
    struct error err = {0};
    json_t *root;
    assert_true(envoy_config_make(&config, &root, &err));
    return root;
}

static const json_t *at(const json_t *root, const char *key, size_t i)
{
    return json_array_get(json_object_get(root, key), i);
}

/* The route and the cluster of the configuration. */
static struct edge_policy read_back(const json_t *root)
{
    const json_t *all = json_object_get(root, "static_resources");
    const json_t *chain = at(at(all, "listeners", 0), "filter_chains", 0);
    const json_t *manager = json_object_get(at(chain, "filters", 0), "typed_config");
    const json_t *host = at(json_object_get(manager, "route_config"), "virtual_hosts", 0);
    const json_t *route = envoy_read_route(json_object_get(host, "routes"), "/api");
    struct edge_policy read = {0};
    assert_non_null(route);
    assert_string_equal(envoy_read_cluster(route), "edge_0");
    envoy_read_policy(route, at(all, "clusters", 0), &read);
    return read;
}

static void what_was_made_of_a_policy_reads_as_that_policy(void **state)
{
    (void)state;
    struct edge_policy p = {.from = "client",
                            .to = "payments",
                            .request_timeout = v(2 * NS_PER_S),
                            .retry = {.attempts = v(3),
                                      .per_try_timeout = v(600 * NS_PER_MS),
                                      .on = RETRY_5XX | RETRY_RESET | RETRY_STATUS_CODES,
                                      .backoff_base = v(10 * NS_PER_MS),
                                      .backoff_max = v(70 * NS_PER_MS),
                                      .other_host = true},
                            .outlier = {.present = true,
                                        .consecutive_5xx = v(7),
                                        .consecutive_gateway = v(4),
                                        .interval = v(NS_PER_S),
                                        .base_ejection = v(2 * NS_PER_S + 5 * NS_PER_MS),
                                        .max_ejection_percent = v(34),
                                        .min_health_percent = v(20)},
                            .pool = {.max_connections = v(11),
                                     .max_pending = v(12),
                                     .max_requests = v(13),
                                     .max_retries = v(14),
                                     .requests_per_connection = v(15),
                                     .connect_timeout = v(3 * NS_PER_S)},
                            .balance = v(LB_RANDOM)};
    status_set_add(&p.retry.codes, 409);
    json_t *root = made(&p);
    struct edge_policy read = read_back(root);
    json_decref(root);
    assert_int_equal(read.request_timeout.number, 2 * NS_PER_S);
    assert_int_equal(read.retry.attempts.number, 3);
    assert_int_equal(read.retry.per_try_timeout.number, 600 * NS_PER_MS);
    assert_int_equal(read.retry.on, p.retry.on);
    assert_memory_equal(&read.retry.codes, &p.retry.codes, sizeof(p.retry.codes));
    assert_int_equal(read.retry.backoff_base.number, 10 * NS_PER_MS);
    assert_int_equal(read.retry.backoff_max.number, 70 * NS_PER_MS);
    assert_true(read.retry.other_host);
    assert_true(read.outlier.present);
    assert_int_equal(read.outlier.consecutive_5xx.number, 7);
    assert_int_equal(read.outlier.consecutive_gateway.number, 4);
    assert_int_equal(read.outlier.interval.number, NS_PER_S);
    assert_int_equal(read.outlier.base_ejection.number, 2 * NS_PER_S + 5 * NS_PER_MS);
    assert_int_equal(read.outlier.max_ejection_percent.number, 34);
    assert_int_equal(read.outlier.min_health_percent.number, 20);
    assert_int_equal(read.pool.max_connections.number, 11);
    assert_int_equal(read.pool.max_pending.number, 12);
    assert_int_equal(read.pool.max_requests.number, 13);
    assert_int_equal(read.pool.max_retries.number, 14);
    assert_int_equal(read.pool.requests_per_connection.number, 15);
    assert_int_equal(read.pool.connect_timeout.number, 3 * NS_PER_S);
    assert_int_equal(read.balance.number, LB_RANDOM);
    assert_int_equal(read.budget.kind, BUDGET_NONE);
}

static void what_is_not_asked_for_is_unset(void **state)
{
    (void)state;
    struct edge_policy p = {.from = "client", .to = "payments", .balance = v(LB_ROUND_ROBIN)};
    json_t *root = made(&p);
    struct edge_policy read = read_back(root);
    json_decref(root);
    assert_false(read.request_timeout.set);
    assert_true(read.retry.attempts.set && read.retry.attempts.number == 0);
    assert_false(read.retry.per_try_timeout.set);
    assert_false(read.outlier.present);
    assert_false(read.pool.max_requests.set);
    assert_int_equal(read.balance.number, LB_ROUND_ROBIN);
}

/* Envoy's defaults, not ours: Istio leaves out what it wants as Envoy has it. */
static void what_a_configuration_leaves_out_is_envoys_default(void **state)
{
    (void)state;
    json_t *route = json_pack("{s:{s:s, s:{s:s}}}", "route", "cluster", "c", "retry_policy",
                              "retry_on", "5xx,retriable-status-codes");
    json_t *cluster =
        json_pack("{s:{}, s:{s:[{s:{s:{s:f}}}]}}", "outlier_detection", "circuit_breakers",
                  "thresholds", "retry_budget", "budget_percent", "value", 12.5);
    struct edge_policy read = {0};
    envoy_read_policy(route, cluster, &read);
    assert_int_equal(read.request_timeout.number, 15 * NS_PER_S);
    assert_int_equal(read.retry.attempts.number, 1);
    assert_int_equal(read.retry.on, RETRY_5XX); /* of no codes: nothing */
    assert_int_equal(read.retry.backoff_base.number, 25 * NS_PER_MS);
    assert_int_equal(read.retry.backoff_max.number, 250 * NS_PER_MS);
    assert_int_equal(read.outlier.consecutive_5xx.number, 5);
    assert_int_equal(read.outlier.consecutive_gateway.number, 0);
    assert_int_equal(read.outlier.interval.number, 10 * NS_PER_S);
    assert_int_equal(read.outlier.max_ejection_percent.number, 10);
    assert_int_equal(read.outlier.min_health_percent.number, 50);
    assert_int_equal(read.budget.kind, BUDGET_ENVOY);
    assert_int_equal(read.budget.ratio_ppm.number, 125000);
    assert_int_equal(read.budget.least.number, 3);
    json_decref(route);
    json_decref(cluster);
}

static void the_first_route_that_takes_the_path_is_found(void **state)
{
    (void)state;
    json_t *routes =
        json_pack("[{s:{s:s}, s:{s:s}}, {s:{s:s, s:[{}]}, s:{s:s}}, {s:{s:s}, "
                  "s:{s:{s:[{s:s}, {s:s}]}}}, {s:{s:s}, s:{s:i}}]",
                  "match", "path", "/exact", "route", "cluster", "exact", "match", "prefix", "/",
                  "headers", "route", "cluster", "by_header", "match", "path_separated_prefix",
                  "/api", "route", "weighted_clusters", "clusters", "name", "first", "name",
                  "second", "match", "prefix", "/", "direct_response", "status", 500);
    assert_string_equal(envoy_read_cluster(envoy_read_route(routes, "/exact")), "exact");
    assert_string_equal(envoy_read_cluster(envoy_read_route(routes, "/api")), "first");
    assert_string_equal(envoy_read_cluster(envoy_read_route(routes, "/api/x")), "first");
    assert_ptr_equal(envoy_read_route(routes, "/apis"), json_array_get(routes, 3));
    assert_null(envoy_read_cluster(envoy_read_route(routes, "/apis")));
    json_array_remove(routes, 3);
    assert_null(envoy_read_route(routes, "/exactly"));
    json_decref(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_made_of_a_policy_reads_as_that_policy),
        cmocka_unit_test(what_is_not_asked_for_is_unset),
        cmocka_unit_test(what_a_configuration_leaves_out_is_envoys_default),
        cmocka_unit_test(the_first_route_that_takes_the_path_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
