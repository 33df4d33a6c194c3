/* The configuration of an Envoy's mutual TLS. That a real one takes it: suites/selftest/tls/lab. */

#include "mesh/envoy_config.h"
#include "mesh/envoy_tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SAN "spiffe://cluster.local/ns/default/sa/payments"

/* By keys and indices, "/" between. */
static const char *text_at(const json_t *root, const char *path)
{
    char part[96];
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        snprintf(part, sizeof(part), "%.*s", (int)len, path);
        root = json_is_array(root) ? json_array_get(root, (size_t)strtoul(part, NULL, 10))
                                   : json_object_get(root, part);
        path += len + (path[len] == '/');
    }
    assert_non_null(root);
    return json_string_value(root);
}

static void a_cluster_has_the_sockets_of_its_service(void **state)
{
    (void)state;
    const char *const endpoints[] = {"127.0.0.1:1001"};
    struct mesh_edge edge = {.policy = {.from = "client", .to = "payments"},
                             .listen = "127.0.0.1:0",
                             .endpoints = endpoints,
                             .endpoint_count = 1,
                             .peer_san = SAN};
    struct mesh_config config = {
        .edges = &edge, .edge_count = 1, .folder = "/run/x", .certs = "/run/x/certs"};
    struct error err = {0};
    json_t *root;
    assert_true(envoy_config_make(&config, &root, &err));
    const json_t *cluster =
        json_array_get(json_object_get(json_object_get(root, "static_resources"), "clusters"), 0);
    const json_t *tls = json_object_get(
        json_object_get(json_object_get(cluster, "transport_socket"), "typed_config"),
        "common_tls_context");
    assert_string_equal(text_at(tls, "tls_params/tls_maximum_protocol_version"), "TLSv1_3");
    assert_string_equal(text_at(tls, "tls_certificate_sds_secret_configs/0/sds_config/"
                                     "path_config_source/path"),
                        "/run/x/own.json");
    assert_string_equal(text_at(tls, "combined_validation_context/default_validation_context/"
                                     "match_typed_subject_alt_names/0/matcher/exact"),
                        SAN);
    json_decref(root);
    config.certs = NULL;
    assert_true(envoy_config_make(&config, &root, &err));
    cluster =
        json_array_get(json_object_get(json_object_get(root, "static_resources"), "clusters"), 0);
    assert_null(json_object_get(cluster, "transport_socket"));
    json_decref(root);
}

static void secrets_point_at_the_swapped_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/meshproof-envoy-tls-XXXXXX", path[64];
    static const char *const names[] = {"own.json", "ca.json"};
    static const char *const watched[] = {"resources/0/tls_certificate/watched_directory/path",
                                          "resources/0/validation_context/watched_directory/path"};
    struct error err = {0};
    assert_non_null(mkdtemp(folder));
    assert_true(envoy_tls_write(folder, "/run/x/certs", &err));
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        json_t *root = json_load_file(path, 0, NULL);
        assert_string_equal(text_at(root, watched[i]), "/run/x/certs");
        if (i == 0)
            assert_string_equal(text_at(root, "resources/0/tls_certificate/private_key/filename"),
                                "/run/x/certs/tls.key");
        json_decref(root);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
    assert_false(envoy_tls_write(folder, "/run/x/certs", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_has_the_sockets_of_its_service),
        cmocka_unit_test(secrets_point_at_the_swapped_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
