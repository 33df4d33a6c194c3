#include "mesh/lab_test.h"
#include "mesh/envoy_config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

/* A real Envoy, where ./dev setup envoy put one; else skipped, loudly. */
static const char *envoy_path(void)
{
    const char *own = getenv("MESHPROOF_ENVOY");
    const char *path = own != NULL ? own : SOURCE_ROOT "/build/deps/envoy/envoy";
    if (access(path, X_OK) == 0)
        return path;
    fprintf(stderr, "SKIPPED: no envoy at %s: run ./dev setup envoy\n", path);
    skip();
    return NULL;
}

static void folder_make(char *to, size_t size)
{
    snprintf(to, size, "/tmp/meshproof-envoy-test-XXXXXX");
    assert_non_null(mkdtemp(to));
}

static void folder_remove(const char *folder)
{
    static const char *const files[] = {"envoy.json", "envoy.log", "envoy.admin"};
    char path[128];
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static json_t *config_for(struct edge_policy policy, bool http2)
{
    const char *endpoints[] = {"127.0.0.1:1001", "[::1]:1002"};
    struct mesh_edge edge = {.policy = policy,
                             .listen = "127.0.0.1:0",
                             .endpoints = endpoints,
                             .endpoint_count = 2,
                             .http2 = http2};
    struct mesh_config config = {.edges = &edge, .edge_count = 1};
    struct error err = {0};
    json_t *root;
    assert_true(envoy_config_make(&config, &root, &err));
    return root;
}

static json_t *config_of(struct edge_policy policy)
{
    return config_for(policy, false);
}

static const json_t *at(const json_t *root, const char *path)
{
    char part[96];
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        snprintf(part, sizeof(part), "%.*s", (int)len, path);
        root = json_is_array(root) ? json_array_get(root, (size_t)strtoul(part, NULL, 10))
                                   : json_object_get(root, part);
        path += len + (path[len] == '/' ? 1 : 0);
    }
    return root;
}

#define ROUTE \
    "static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/" \
    "virtual_hosts/0/" \
    "routes/0/route/"
#define CLUSTER "static_resources/clusters/0/"

static void programs_what_istio_would(void **unused)
{
    (void)unused;
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.retry.on |= RETRY_STATUS_CODES;
    status_set_add(&policy.retry.codes, 429);
    policy.outlier = (struct outlier_rule){.present = true,
                                           .consecutive_5xx = lab_number(5),
                                           .interval = lab_number(30 * NS_PER_S),
                                           .max_ejection_percent = lab_number(30)};
    policy.pool.max_requests = lab_number(1000);
    policy.pool.requests_per_connection = lab_number(100);
    json_t *root = config_of(policy);
    assert_string_equal(json_string_value(at(root, ROUTE "timeout")), "0.400000000s");
    assert_string_equal(json_string_value(at(root, ROUTE "retry_policy/retry_on")),
                        "5xx,reset,connect-failure,retriable-status-codes");
    assert_int_equal(json_integer_value(at(root, ROUTE "retry_policy/num_retries")), 3);
    assert_int_equal(json_integer_value(at(root, ROUTE "retry_policy/retriable_status_codes/0")),
                     429);
    assert_non_null(at(root, ROUTE "retry_policy/retry_host_predicate/0"));
    assert_int_equal(
        json_integer_value(at(root, CLUSTER "outlier_detection/enforcing_consecutive_5xx")), 100);
    assert_int_equal(
        json_integer_value(at(root, CLUSTER "outlier_detection/enforcing_success_rate")), 0);
    assert_int_equal(
        json_integer_value(at(root, CLUSTER "common_lb_config/healthy_panic_threshold/value")), 0);
    assert_int_equal(
        json_integer_value(at(root, CLUSTER "circuit_breakers/thresholds/0/max_requests")), 1000);
    assert_int_equal(
        json_integer_value(at(root, CLUSTER "circuit_breakers/thresholds/0/max_retries")),
        UINT32_MAX);
    assert_string_equal(json_string_value(at(root, CLUSTER "connect_timeout")), "10.000000000s");
    json_decref(root);
    root = config_of((struct edge_policy){.flavour = FLAVOUR_ENVOY});
    assert_string_equal(json_string_value(at(root, ROUTE "timeout")), "0.000000000s");
    assert_null(at(root, ROUTE "retry_policy"));
    assert_null(at(root, CLUSTER "outlier_detection"));
    assert_int_equal(
        json_integer_value(at(root, CLUSTER "common_lb_config/healthy_panic_threshold/value")), 50);
    json_decref(root);
}

#define OPTIONS \
    CLUSTER "typed_extension_protocol_options/" \
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions/"

static void the_upstream_speaks_what_the_service_says(void **unused)
{
    (void)unused;
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.retry.on = RETRY_GRPC_UNAVAILABLE | RETRY_GRPC_CANCELLED | RETRY_REFUSED_STREAM;
    json_t *root = config_for(policy, true);
    assert_non_null(at(root, OPTIONS "explicit_http_config/http2_protocol_options"));
    assert_null(at(root, OPTIONS "explicit_http_config/http_protocol_options"));
    assert_string_equal(json_string_value(at(root, ROUTE "retry_policy/retry_on")),
                        "refused-stream,cancelled,unavailable");
    json_decref(root);
    policy.pool.requests_per_connection = lab_number(100);
    root = config_for(policy, true);
    assert_int_equal(json_integer_value(at(root, OPTIONS "common_http_protocol_options/"
                                                         "max_requests_per_connection")),
                     100);
    json_decref(root);
    root = config_for((struct edge_policy){.flavour = FLAVOUR_ENVOY}, false);
    assert_null(at(root, CLUSTER "typed_extension_protocol_options"));
    json_decref(root);
}

static void linkerds_policies_are_not_for_envoy(void **unused)
{
    (void)unused;
    struct mesh_edge edge = {.policy = lab_policy(FLAVOUR_LINKERD), .listen = "127.0.0.1:0"};
    struct mesh_config config = {.edges = &edge, .edge_count = 1};
    struct error err = {0};
    json_t *root;
    assert_false(envoy_config_make(&config, &root, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

static void a_missing_envoy_says_how_to_get_one(void **unused)
{
    (void)unused;
    struct lab *lab = lab_new(1);
    struct error err = {0};
    char folder[64];
    folder_make(folder, sizeof(folder));
    lab->envoy = "/nowhere/envoy";
    assert_false(lab_open(lab, "envoy", lab_policy(FLAVOUR_ENVOY), NULL, folder, &err));
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_string_equal(err.text, "envoy is not here: run ./dev setup envoy");
    lab_free(lab);
    folder_remove(folder);
}

static struct lab *start(struct edge_policy policy, size_t hosts, const char *folder)
{
    struct lab *lab = lab_new(hosts);
    struct error err = {0};
    lab->envoy = envoy_path();
    if (!lab_open(lab, "envoy", policy, NULL, folder, &err))
        fail_msg("%s%s", err.text, lab->why.text);
    return lab;
}

static void a_real_envoy_retries_is_scraped_and_leaves_no_child(void **unused)
{
    (void)unused;
    char folder[64];
    (void)envoy_path();
    folder_make(folder, sizeof(folder));
    struct lab *lab = start(lab_policy(FLAVOUR_ENVOY), 3, folder);
    struct lab_sent *s = lab_ask(lab, "/503/2");
    assert_int_equal(s->status, 200);
    assert_int_equal(lab_tries(lab, s), 3);
    assert_string_equal(lab_try(lab, s, 3)->count, "3");
    assert_string_equal(lab_try(lab, s, 1)->request_id, lab_try(lab, s, 3)->request_id);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "upstream_rq_retry"), 2);
    assert_int_equal(lab_value(lab, "upstream_rq_total"), 3);
    assert_int_equal(lab_value(lab, "server.concurrency"), 1);
    lab_free(lab);
    folder_remove(folder);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* What the builtin mesh says by itself is word for word what Envoy says. */
static void the_builtin_mesh_speaks_like_the_real_one(void **unused)
{
    (void)unused;
    static const char *const paths[] = {"/reset/9",   "/fin/9", "/hold/9", "/400/9",
                                        "/started/9", "/503/9", "/503/2",  "/hold/1",
                                        "/reset/3",   "/404/1", "/500/4"};
    char folder[64];
    (void)envoy_path();
    folder_make(folder, sizeof(folder));
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.request_timeout =
        lab_number(30 * NS_PER_S); /* so that chance decides no count of tries */
    struct lab *real = start(policy, 2, folder);
    struct lab *ours = lab_new(2);
    struct error err = {0};
    assert_true(lab_open(ours, "builtin", policy, NULL, NULL, &err));
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct lab_sent *a = lab_ask(real, paths[i]), *b = lab_ask(ours, paths[i]);
        assert_int_equal(b->status, a->status);
        assert_string_equal(b->body, a->body);
        assert_int_equal(b->service_time, a->service_time);
        assert_int_equal(lab_tries(ours, b), lab_tries(real, a));
        assert_string_equal(lab_try(ours, b, 1)->expected, lab_try(real, a, 1)->expected);
    }
    lab_scrape(real);
    lab_scrape(ours);
    static const char *const names[] = {"upstream_rq_retry",
                                        "upstream_rq_retry_limit_exceeded",
                                        "upstream_rq_retry_success",
                                        "upstream_rq_retry_overflow",
                                        "retry.upstream_rq_5xx",
                                        "upstream_rq_total",
                                        "upstream_rq_timeout",
                                        "upstream_rq_per_try_timeout",
                                        "upstream_rq_2xx",
                                        "upstream_rq_4xx",
                                        "upstream_rq_5xx"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (lab_value(real, names[i]) != lab_value(ours, names[i]))
            fail_msg("%s: envoy %d, builtin %d", names[i], lab_value(real, names[i]),
                     lab_value(ours, names[i]));
    }
    lab_free(ours);
    lab_free(real);
    folder_remove(folder);
}

static void refused_and_ejected_read_the_same(void **unused)
{
    (void)unused;
    char folder[64];
    (void)envoy_path();
    folder_make(folder, sizeof(folder));
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.outlier = (struct outlier_rule){.present = true,
                                           .consecutive_5xx = lab_number(8),
                                           .base_ejection = lab_number(3600 * NS_PER_S),
                                           .max_ejection = lab_number(3600 * NS_PER_S),
                                           .max_ejection_percent = lab_number(100)};
    for (int builtin = 0; builtin <= 1; builtin++) {
        struct lab *lab = lab_new(1);
        struct error err = {0};
        http_server_free(lab->host[0].server);
        lab->host[0].server = NULL;
        lab->endpoints[0] = "127.0.0.1:1"; /* nobody listens there */
        lab->envoy = envoy_path();
        assert_true(lab_open(lab, builtin == 1 ? "builtin" : "envoy", policy, NULL, folder, &err));
        struct lab_sent *s = lab_ask(lab, "/200/0");
        assert_int_equal(s->status, 503);
        assert_non_null(strstr(s->body, "remote connection failure"));
        lab_ask(lab, "/200/0");            /* eight failures in all */
        for (size_t i = 0; i < 500; i++) { /* Envoy ejects on its main thread, a little later */
            lab_scrape(lab);
            if (lab_value(lab, "outlier_detection.ejections_active") == 1)
                break;
            lab_pause(lab, 10 * NS_PER_MS);
        }
        s = lab_ask(lab, "/200/0");
        assert_string_equal(s->body, "no healthy upstream");
        lab_scrape(lab);
        assert_int_equal(lab_value(lab, "upstream_cx_connect_fail"), 8);
        assert_int_equal(lab_value(lab, "upstream_rq_total"), 0);
        assert_int_equal(lab_value(lab, "outlier_detection.ejections_active"), 1);
        assert_int_equal(lab_value(lab, "outlier_detection.ejections_enforced_total"), 1);
        lab_free(lab);
    }
    folder_remove(folder);
}

/* Failures that one host of one takes until the mesh has no host; the host is alone, so that no
 * other host's change opens a merge window. */
static size_t failures_until_out(struct lab *lab, const char *path)
{
    for (size_t n = 0;; n++) {
        lab_pause(lab, 10 * NS_PER_MS); /* Envoy ejects on its main thread, a little later */
        size_t before = lab->seen_count;
        struct lab_sent *s = lab_ask(lab, path);
        if (strcmp(s->body, "no healthy upstream") == 0)
            return n;
        assert_int_equal(lab->seen_count, before + 1);
        assert_true(n < 100);
    }
}

/* verifier.md 2.1 [M]: what counts, and what clears the count. */
static void a_host_goes_out_after_the_same_failures_and_returns(void **unused)
{
    (void)unused;
    static const char *const clears[] = {"/200/0", "/404/1", "/started/1"};
    char folder[64];
    (void)envoy_path();
    folder_make(folder, sizeof(folder));
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.retry.attempts = lab_number(0);
    policy.outlier = (struct outlier_rule){.present = true,
                                           .consecutive_5xx = lab_number(5),
                                           .interval = lab_number(500 * NS_PER_MS),
                                           .base_ejection = lab_number(NS_PER_S),
                                           .max_ejection_percent = lab_number(100)};
    for (int builtin = 0; builtin <= 1; builtin++) {
        struct error err = {0};
        struct lab *lab = lab_new(1);
        lab->envoy = envoy_path();
        assert_true(lab_open(lab, builtin == 1 ? "builtin" : "envoy", policy, NULL, folder, &err));
        for (size_t i = 0; i < COUNT_OF(clears); i++) {
            for (int n = 0; n < 4; n++)
                lab_ask(lab, "/503/1");
            assert_int_equal(lab_ask(lab, clears[i])->status,
                             strtoul(clears[i] + 1, NULL, 10) == 404 ? 404 : 200);
        }
        size_t out_after = failures_until_out(lab, "/500/1");
        if (out_after != 4) /* "started" counts as one: its head clears, its break fails */
            fail_msg("%s: out after %zu failures", lab->driver->name, out_after);
        uint64_t out_ns = lab->seen[lab->seen_count - 1].head_ns;
        struct lab_sent *s;
        do {
            lab_pause(lab, 5 * NS_PER_MS);
            s = lab_ask(lab, "/200/0");
        } while (s->status != 200);
        assert_true(s->end_ns - out_ns >= 990 * NS_PER_MS);
        lab_free(lab);
    }
    folder_remove(folder);
}

static void a_connection_carries_as_many_requests_as_declared(void **unused)
{
    (void)unused;
    char folder[64];
    (void)envoy_path();
    folder_make(folder, sizeof(folder));
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.pool.requests_per_connection = lab_number(3);
    for (int builtin = 0; builtin <= 1; builtin++) {
        struct error err = {0};
        struct lab *lab = lab_new(1);
        lab->envoy = envoy_path();
        assert_true(lab_open(lab, builtin == 1 ? "builtin" : "envoy", policy, NULL, folder, &err));
        for (int i = 0; i < 12; i++)
            assert_int_equal(lab_ask(lab, "/200/0")->status, 200);
        for (size_t i = 0; i < lab->seen_count; i++)
            assert_int_equal(lab_on_connection(lab, lab->seen[i].peer), 3);
        lab_free(lab);
    }
    folder_remove(folder);
}

static void each_edge_has_an_address_and_counters_of_its_own(void **unused)
{
    (void)unused;
    char folder[64];
    (void)envoy_path();
    folder_make(folder, sizeof(folder));
    for (int builtin = 0; builtin <= 1; builtin++) {
        struct error err = {0};
        struct lab *lab = lab_new(2);
        lab->envoy = envoy_path();
        assert_true(lab_open(lab, builtin == 1 ? "builtin" : "envoy", lab_policy(FLAVOUR_ENVOY),
                             NULL, folder, &err));
        assert_string_not_equal(lab->driver->address(lab->mesh, 0),
                                lab->driver->address(lab->mesh, 1));
        lab->edge = 1;
        assert_int_equal(lab_ask(lab, "/503/1")->status, 200);
        lab_scrape(lab);
        assert_int_equal(lab_value(lab, "upstream_rq_retry"), 1);
        lab->edge = 0;
        lab_scrape(lab);
        assert_int_equal(lab_value(lab, "upstream_rq_retry"), 0);
        lab_free(lab);
    }
    folder_remove(folder);
}

static void an_envoy_that_dies_is_told(void **unused)
{
    (void)unused;
    char folder[64], path[96];
    (void)envoy_path();
    folder_make(folder, sizeof(folder));
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.outlier =
        (struct outlier_rule){.present = true,
                              .base_ejection = lab_number(10 * NS_PER_S),
                              .max_ejection = lab_number(NS_PER_S)}; /* Envoy refuses that */
    struct lab *lab = lab_new(1);
    struct error err = {0};
    lab->envoy = envoy_path();
    assert_false(lab_open(lab, "envoy", policy, NULL, folder, &err));
    assert_true(lab->died);
    snprintf(path, sizeof(path), "%.90s", lab->why.text);
    assert_non_null(strstr(path, "envoy: it ended with exit code 1"));
    lab_free(lab);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_what_istio_would),
        cmocka_unit_test(the_upstream_speaks_what_the_service_says),
        cmocka_unit_test(linkerds_policies_are_not_for_envoy),
        cmocka_unit_test(a_missing_envoy_says_how_to_get_one),
        cmocka_unit_test(a_real_envoy_retries_is_scraped_and_leaves_no_child),
        cmocka_unit_test(the_builtin_mesh_speaks_like_the_real_one),
        cmocka_unit_test(refused_and_ejected_read_the_same),
        cmocka_unit_test(a_host_goes_out_after_the_same_failures_and_returns),
        cmocka_unit_test(a_connection_carries_as_many_requests_as_declared),
        cmocka_unit_test(each_edge_has_an_address_and_counters_of_its_own),
        cmocka_unit_test(an_envoy_that_dies_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
