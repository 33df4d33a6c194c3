#include "policy/testing.h"

#include "policy/yaml.h"

#include <sys/stat.h>
#include <unistd.h>

/* The article's policies as published, under the target that they were written for. */
static void published_policies_do_not_do_what_they_say(void **state)
{
    (void)state;
    struct policy *p = testing_read_seed("istio@1.31", 3, "published");
    testing_has(
        p, "istio.unknown_kind", 30,
        "no API has kind RetryPolicy; the whole HTTPRoute checkout-route is discarded, default "
        "retries apply");
    assert_int_equal(testing_find(p, "istio.unknown_kind", 0)->severity, SEVERITY_ERROR);
    assert_int_equal(testing_find(p, "istio.unknown_kind", 0)->source.column, 7);
    testing_has(
        p, "ejection.inert", 13,
        "maxEjectionPercent 30 of 3 endpoints is 0: nothing is ever ejected; 34 ejects one");
    assert_int_equal(testing_find(p, "ejection.inert", 0)->source.column, 27);
    testing_has(p, "gateway.extension_ref", 23, "the whole HTTPRoute checkout-route is discarded");
    testing_has(p, "gateway.parent_not_service", 9, "write group: \"\"");
    testing_has(p, "gateway.backend_request_without_retry", 17, "timeout of the whole request");
    testing_has(p, "ambient.label_on_sidecar_target", 6, "captured by ambient");
    testing_has(p, "target.foreign_kind", 2, "HTTPRoute checkout-route of policy.linkerd.io");
    assert_int_equal(policy_object_count(p), 6);
    struct edge_policy checkout = testing_resolve(p, "checkout", "/api");
    assert_int_equal(checkout.retry.attempts.number, 2);
    assert_string_equal(checkout.retry.attempts.origin, "default of istio@1.31");
    assert_false(checkout.request_timeout.set);
    policy_free(p);
}

static void published_linkerd_policy_is_refused(void **state)
{
    (void)state;
    struct policy *p = testing_read_seed("linkerd@2.15", 3, "published/linkerd-retry.yaml");
    testing_has(p, "linkerd.rate_limit_needs_2.17", 21, "since 2.17");
    testing_has(p, "kind.version", 20, "no version v1beta3, only v1alpha1");
    testing_has(p, "linkerd.target_ref_not_server", 28, "Service of group \"core\"");
    testing_has(p, "linkerd.timeouts_need_v1beta3", 17, "v1alpha1");
    struct edge_policy edge = testing_resolve(p, "checkout", "/api");
    assert_int_equal(edge.flavour, FLAVOUR_LINKERD);
    assert_int_equal(edge.retry.attempts.number, 0);
    assert_false(edge.request_timeout.set);
    policy_free(p);
    p = testing_read_seed("linkerd@2.17", 3, "published/linkerd-retry.yaml");
    testing_has_none(p, "linkerd.rate_limit_needs_2.17");
    policy_free(p);
}

static void published_ambient_has_no_http_policy(void **state)
{
    (void)state;
    struct policy *p = testing_read_seed("istio-ambient@1.22", 3, "published");
    testing_has(p, "ambient.no_waypoint", 2, "payments");
    testing_has_none(p, "ambient.label_on_sidecar_target");
    struct edge_policy edge = testing_resolve(p, "payments", NULL);
    assert_int_equal(edge.flavour, FLAVOUR_L4);
    assert_false(edge.outlier.present);
    assert_int_equal(edge.retry.attempts.number, 0);
    policy_free(p);
}

static void corrected_sidecar_policy_is_in_force_with_its_lines(void **state)
{
    (void)state;
    struct policy *p = testing_read_seed("istio@1.31", 3, "k8s");
    struct edge_policy e = testing_resolve(p, "payments", "/charge");
    assert_int_equal(e.flavour, FLAVOUR_ENVOY);
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    assert_int_equal(e.request_timeout.source.line, 11);
    assert_int_equal(e.retry.attempts.number, 3);
    assert_int_equal(e.retry.attempts.source.line, 13);
    assert_string_equal(e.retry.attempts.origin,
                        "VirtualService payments http[0].retries.attempts");
    assert_int_equal(e.retry.per_try_timeout.number, 600 * TESTING_MS);
    assert_int_equal(e.retry.on, RETRY_5XX | RETRY_RESET | RETRY_CONNECT_FAILURE);
    assert_int_equal(e.retry.conditions.source.line, 15);
    assert_int_equal(e.retry.backoff_base.number, 25 * TESTING_MS);
    assert_true(e.retry.other_host);
    assert_true(e.outlier.present);
    assert_int_equal(e.outlier.consecutive_5xx.number, 5);
    assert_int_equal(e.outlier.interval.number, TESTING_S);
    assert_int_equal(e.outlier.base_ejection.number, 2 * TESTING_S);
    assert_int_equal(e.outlier.max_ejection.number, 300 * TESTING_S);
    assert_int_equal(e.outlier.max_ejection_percent.source.line, 32);
    assert_int_equal(outlier_rule_cap(&e.outlier, 3), 1);
    assert_int_equal(e.pool.max_requests.number, 1000);
    assert_int_equal(e.pool.requests_per_connection.number, 100);
    assert_false(e.pool.max_retries.set);
    size_t count = 0;
    const struct finding *f = policy_findings(p, &count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(f[i].severity, SEVERITY_NOTE);
    testing_has(p, "timeout.headroom", 11, "4 tries of 600ms are 2s400ms");
    testing_has(p, "retry.non_idempotent", 15, "POST");
    const char *const *services = policy_services(p, &count);
    assert_int_equal(count, 1);
    assert_string_equal(services[0], "payments");
    policy_free(p);
}

static void published_times_differ_only_in_times(void **state)
{
    (void)state;
    struct policy *p = testing_read_seed("istio@1.31", 3, "k8s-published/payments.yaml");
    struct edge_policy e = testing_resolve(p, "payments", NULL);
    assert_int_equal(e.outlier.interval.number, 30 * TESTING_S);
    assert_int_equal(e.outlier.base_ejection.number, 30 * TESTING_S);
    assert_int_equal(outlier_rule_cap(&e.outlier, 3), 1);
    policy_free(p);
}

static void wrong_policies_differ_in_one_value(void **state)
{
    (void)state;
    struct policy *right = testing_read_seed("istio@1.31", 3, "k8s");
    struct edge_policy r = testing_resolve(right, "payments", NULL);
    static const char *const files[] = {"retries_plus_one", "per_try_900ms", "no_reset",
                                        "consecutive_6",    "base_halved",   "timeout_3s"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[80];
        snprintf(path, sizeof(path), "wrong/%s.yaml", files[i]);
        struct policy *p = testing_read_seed("istio@1.31", 3, path);
        struct edge_policy w = testing_resolve(p, "payments", NULL);
        int differ = (w.retry.attempts.number != r.retry.attempts.number) +
                     (w.retry.per_try_timeout.number != r.retry.per_try_timeout.number) +
                     (w.retry.on != r.retry.on) +
                     (w.outlier.consecutive_5xx.number != r.outlier.consecutive_5xx.number) +
                     (w.outlier.base_ejection.number != r.outlier.base_ejection.number) +
                     (w.request_timeout.number != r.request_timeout.number);
        assert_int_equal(differ, 1);
        if (strcmp(files[i], "no_reset") == 0) {
            assert_false(retry_rule_covers(&w, CAUSE_RESET, 0));
            assert_true(retry_rule_covers(&w, CAUSE_STATUS, 503));
            assert_false(retry_rule_covers(&w, CAUSE_STATUS, 501));
            assert_true(retry_rule_covers(&r, CAUSE_RESET, 0));
        }
        policy_free(p);
    }
    policy_free(right);
}

static void corrected_ambient_policy_acts_at_the_waypoint(void **state)
{
    (void)state;
    struct policy *p = testing_read_seed("istio-ambient@1.31", 3, "ambient");
    struct edge_policy e = testing_resolve(p, "checkout", "/api/cart");
    size_t count = 0;
    const struct finding *f = policy_findings(p, &count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(f[i].severity, SEVERITY_NOTE);
    assert_int_equal(e.flavour, FLAVOUR_ENVOY);
    assert_int_equal(e.retry.attempts.number, 3);
    assert_int_equal(e.retry.per_try_timeout.number, 600 * TESTING_MS);
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    assert_true(retry_rule_covers(&e, CAUSE_STATUS, 503));
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 501));
    assert_false(retry_rule_covers(&e, CAUSE_HOLD, 0));
    assert_true(retry_rule_covers(&e, CAUSE_REFUSED, 0));
    testing_has(p, "gateway.timed_out_try_not_retried", 42, "not retried");
    testing_has(p, "gateway.retry_needs_experimental", 43, "experimental");
    struct edge_policy other = testing_resolve(p, "checkout", "/apis");
    assert_int_equal(other.retry.attempts.number, 2);
    assert_string_equal(other.route, "");
    policy_free(p);
}

static void corrected_linkerd_policy_is_in_force(void **state)
{
    (void)state;
    struct policy *p = testing_read_seed("linkerd@2.19", 3, "linkerd");
    struct edge_policy e = testing_resolve(p, "checkout", "/api");
    size_t count = 0;
    const struct finding *f = policy_findings(p, &count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(f[i].severity, SEVERITY_NOTE);
    assert_int_equal(e.flavour, FLAVOUR_LINKERD);
    assert_int_equal(e.retry.attempts.number, 3);
    assert_int_equal(e.retry.attempts.source.line, 10);
    assert_int_equal(e.retry.per_try_timeout.number, 600 * TESTING_MS);
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    assert_true(e.accrual.present);
    assert_int_equal(e.accrual.max_failures.number, 5);
    assert_int_equal(e.accrual.max_penalty.number, 10 * TESTING_S);
    assert_int_equal(e.accrual.jitter_ppm.number, 500000);
    assert_false(e.outlier.present);
    policy_free(p);
}

static void a_list_is_its_items(void **state)
{
    (void)state;
    struct policy *p = testing_read("istio@1.31", 0,
                                    "apiVersion: v1\nkind: List\nitems:\n"
                                    "- {apiVersion: v1, kind: Service, metadata: {name: a}}\n"
                                    "- {apiVersion: networking.istio.io/v1, kind: DestinationRule, "
                                    "metadata: {name: a}, spec: {host: a}}\n");
    size_t count = 0;
    assert_int_equal(policy_object_count(p), 2);
    assert_string_equal(policy_services(p, &count)[0], "a");
    policy_free(p);
}

static void what_is_no_object_is_a_finding(void **state)
{
    (void)state;
    struct policy *p = testing_read("istio@1.31", 0, "replicas: 3\n---\n- 1\n---\nkind: Foo\n");
    testing_has(p, "object.no_kind", 1, "no kind");
    assert_int_equal(testing_find(p, "object.no_kind", 2)->source.line, 5);
    assert_int_equal(policy_object_count(p), 0);
    policy_free(p);
}

/* suites/exceptions.yaml lies where `lint suites/` reads. */
static void accepted_failures_are_no_object_and_no_finding(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 0, "- {claim: retry.max, on: a -> b, until: 2026-12-31}\n---\n[]\n");
    assert_null(testing_find(p, "object.no_kind", 0));
    policy_free(p);
    p = testing_read("istio@1.31", 0, "- {claim: retry.max}\n- {kind: Foo}\n");
    testing_has(p, "object.no_kind", 1, "no kind");
    policy_free(p);
}

static void read_fails_on_what_is_not_readable(void **state)
{
    (void)state;
    struct policy_options options = testing_options("istio@1.31", 0);
    struct policy *p = NULL;
    struct error err = {0};
    const char *none[] = {"/nonexistent/k8s"};
    assert_false(policy_read(none, 1, &options, &p, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_string_equal(err.text, "reading /nonexistent/k8s: No such file or directory");
    const char *device[] = {"/dev/null"};
    err = (struct error){0};
    assert_false(policy_read(device, 1, &options, &p, &err));
    assert_string_equal(err.text, "/dev/null is neither a file nor a folder");
    err = (struct error){0};
    assert_false(policy_read_bytes(BYTES("a: [\n"), "x.yaml", &options, &p, &err));
    assert_non_null(strstr(err.text, "x.yaml:"));
    assert_null(p);
}

static void folders_are_read_sorted_without_hidden_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/policy-test-XXXXXX", path[100];
    static const struct {
        const char *name, *text;
    } files[] = {{"b.yml", "x: 1\n"}, {"a.yaml", "y: 1\n"}, {".c.yaml", "[\n"}, {"d.json", "[\n"}};
    struct policy_options options = testing_options("istio@1.31", 0);
    struct policy *p = NULL;
    struct error err = {0};
    size_t count = 0;
    assert_non_null(mkdtemp(dir));
    const char *paths[] = {dir};
    assert_false(policy_read(paths, 1, &options, &p, &err));
    assert_non_null(strstr(err.text, "has no *.yaml"));
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(files[i].text, f);
        fclose(f);
    }
    err = (struct error){0};
    assert_true(policy_read(paths, 1, &options, &p, &err));
    const struct finding *f = policy_findings(p, &count);
    assert_int_equal(count, 2);
    assert_non_null(strstr(f[0].source.file, "/a.yaml"));
    assert_non_null(strstr(f[1].source.file, "/b.yml"));
    policy_free(p);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
        unlink(path);
    }
    rmdir(dir);
}

static void limits_on_findings_and_routes_fail_the_read(void **state)
{
    (void)state;
    struct policy_options options = testing_options("istio@1.31", 0);
    struct policy *p = NULL;
    struct error err = {0};
    struct text t;
    text_init(&t, 4 << 20);
    text_add(&t, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: "
                 "a}\nspec:\n  hosts: [a]\n  http:\n  - retries: {attempts: 1, retryOn: \"5xx");
    for (int i = 0; i < 100500; i++)
        text_add(&t, ",q");
    text_add(&t, "\"}\n");
    assert_false(policy_read_bytes(bytes_of(text_get(&t)), "x.yaml", &options, &p, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "more than 100000 findings"));
    text_clear(&t);
    text_add(&t, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: "
                 "a}\nspec:\n  hosts:\n");
    for (int i = 0; i < 300; i++)
        text_add(&t, "  - h%d\n", i);
    text_add(&t, "  http:\n");
    for (int i = 0; i < 300; i++)
        text_add(&t, "  - timeout: 1s\n");
    err = (struct error){0};
    assert_false(policy_read_bytes(bytes_of(text_get(&t)), "x.yaml", &options, &p, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "more than 50000 routes"));
    text_release(&t);
}

/* Findings quote, and cut, what a file says: the cut must not break a character, for reports are
 * UTF-8. */
static void hostile_names_stay_utf8(void **state)
{
    (void)state;
    struct text t;
    text_init(&t, 1 << 16);
    text_add(&t, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: x");
    for (int i = 0; i < 300; i++)
        text_add(&t, "\xc3\xa4");
    text_add(&t, "\nspec:\n  hosts: [a]\n  http:\n  - timeout: 1s\n    y");
    for (int i = 0; i < 300; i++)
        text_add(&t, "\xc3\xa4");
    text_add(&t, ": 1\n");
    struct policy *p = testing_read("istio@1.31", 3, text_get(&t));
    size_t count = 0;
    const struct finding *f = policy_findings(p, &count);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        json_t *j = json_string(f[i].text);
        assert_non_null(j);
        json_decref(j);
    }
    struct edge_policy e = testing_resolve(p, "a", "/\xff");
    json_t *j = edge_policy_to_json(&e);
    assert_string_equal(json_string_value(json_object_get(j, "path")), "/?");
    assert_true(json_is_string(json_object_get(j, "route")));
    json_decref(j);
    policy_free(p);
    text_release(&t);
}

static void two_virtual_services_for_a_host_are_named(void **state)
{
    (void)state;
    struct text t;
    text_init(&t, 4096);
    for (int i = 1; i <= 2; i++)
        text_add(&t,
                 "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                 "metadata: {name: x%d}\nspec: {hosts: [a], http: [{timeout: %ds}]}\n",
                 i, i);
    struct policy *p = testing_read("istio@1.31", 3, text_get(&t));
    testing_has(p, "object.twice", 8,
                "VirtualService x2 is for the host of VirtualService x1 (line 3)");
    assert_int_equal(testing_resolve(p, "a", "/").request_timeout.number, TESTING_S);
    policy_free(p);
    text_release(&t);
}

/* "y" is a boolean to Kubernetes' YAML, and no name. */
static void a_name_that_is_no_text_is_named(void **state)
{
    (void)state;
    struct policy *p =
        testing_read("istio@1.31", 3, "apiVersion: v1\nkind: Service\nmetadata:\n  name: y\n");
    testing_has(p, "object.value", 4, "metadata.name is y; it must be text: put it in quotes");
    policy_free(p);
}

/* Puts the text on our standard input and reads "-". */
static bool read_stdin(struct bytes text, struct policy **ret, struct error *err)
{
    struct policy_options options = testing_options("istio@1.31", 3);
    static const char *const paths[] = {"-"};
    char path[] = "/tmp/meshproof-stdin-XXXXXX";
    int fd = mkstemp(path), old = dup(STDIN_FILENO);
    assert_true(fd >= 0 && old >= 0);
    assert_int_equal(write(fd, text.at, text.len), text.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_true(dup2(fd, STDIN_FILENO) >= 0);
    clearerr(stdin);
    bool good = policy_read(paths, 1, &options, ret, err);
    assert_true(dup2(old, STDIN_FILENO) >= 0);
    close(fd);
    close(old);
    unlink(path);
    return good;
}

/* `kubectl get -o yaml` writes a List, kustomize documents with their separators. */
static void a_policy_comes_from_the_standard_input(void **state)
{
    (void)state;
    static const char list[] =
        "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: \"\"}\nitems:\n"
        "- apiVersion: networking.istio.io/v1\n  kind: VirtualService\n  metadata: {name: v}\n"
        "  spec: {hosts: [a], http: [{timeout: 2s}]}\n";
    static const char documents[] =
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\n---\n"
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\n"
        "spec: {hosts: [a], http: [{timeout: 3s}]}\n---\n";
    struct policy *p = NULL;
    struct error err = {0};
    assert_true(read_stdin(bytes_of(list), &p, &err));
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    assert_string_equal(e.request_timeout.source.file, "stdin");
    assert_int_equal(e.request_timeout.source.line, 8);
    policy_free(p);
    assert_true(read_stdin(bytes_of(documents), &p, &err));
    assert_int_equal(testing_resolve(p, "a", "/").request_timeout.number, 3 * TESTING_S);
    policy_free(p);
}

static void a_standard_input_that_is_no_policy_is_refused(void **state)
{
    (void)state;
    struct policy *p = NULL;
    struct error err = {0};
    assert_false(read_stdin((struct bytes){NULL, 0}, &p, &err));
    assert_non_null(strstr(err.text, "stdin (-) has no policy"));
    err = (struct error){0};
    assert_false(read_stdin(BYTES("a: [1\n"), &p, &err));
    assert_non_null(strstr(err.text, "stdin:"));
    size_t len = YAML_MAX_BYTES + 1;
    uint8_t *big = check_alloc(len);
    memset(big, '#', len);
    err = (struct error){0};
    assert_false(read_stdin((struct bytes){big, len}, &p, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    free(big);
}

/* Where the founder keeps real files of public projects; elsewhere there is nothing to do. */
static void real_files_of_public_projects_are_read(void **state)
{
    (void)state;
    const char *folder = getenv("MESHPROOF_SAMPLES");
    static const char *const targets[] = {"istio@1.31", "istio-ambient@1.22", "linkerd@2.19",
                                          "gateway-api@1.6"};
    struct stat st;
    if (folder == NULL || stat(folder, &st) != 0)
        skip();
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct policy_options options = testing_options(targets[i], 0);
        struct policy *p = NULL;
        struct error err = {0};
        size_t count = 0;
        if (!policy_read(&folder, 1, &options, &p, &err))
            fail_msg("%s", err.text);
        const char *const *services = policy_services(p, &count);
        for (size_t s = 0; s < count; s++)
            testing_resolve(p, services[s], "/");
        policy_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_policies_do_not_do_what_they_say),
        cmocka_unit_test(published_linkerd_policy_is_refused),
        cmocka_unit_test(published_ambient_has_no_http_policy),
        cmocka_unit_test(corrected_sidecar_policy_is_in_force_with_its_lines),
        cmocka_unit_test(published_times_differ_only_in_times),
        cmocka_unit_test(wrong_policies_differ_in_one_value),
        cmocka_unit_test(corrected_ambient_policy_acts_at_the_waypoint),
        cmocka_unit_test(corrected_linkerd_policy_is_in_force),
        cmocka_unit_test(a_list_is_its_items),
        cmocka_unit_test(what_is_no_object_is_a_finding),
        cmocka_unit_test(accepted_failures_are_no_object_and_no_finding),
        cmocka_unit_test(read_fails_on_what_is_not_readable),
        cmocka_unit_test(folders_are_read_sorted_without_hidden_files),
        cmocka_unit_test(limits_on_findings_and_routes_fail_the_read),
        cmocka_unit_test(hostile_names_stay_utf8),
        cmocka_unit_test(two_virtual_services_for_a_host_are_named),
        cmocka_unit_test(a_name_that_is_no_text_is_named),
        cmocka_unit_test(a_policy_comes_from_the_standard_input),
        cmocka_unit_test(a_standard_input_that_is_no_policy_is_refused),
        cmocka_unit_test(real_files_of_public_projects_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
