#include "kube/objects.h"

#include "kube/copy.h"
#include "kube/gvr.h"
#include "kube/manifest.h"
#include "kube/selector.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "reports/good_file_test.h"

#define GOOD(name) SOURCE_ROOT "/harness/kube/good/" name

static struct objects_run run_of(enum objects_mesh mesh, enum objects_mode mode)
{
    return (struct objects_run){.run = "7f3a91c2",
                                .namespace = "meshproof",
                                .image = "registry.example/meshproof:0.1.0",
                                .conductor = "10.77.0.2:7400",
                                .mesh = mesh,
                                .mode = mode,
                                .deadline_s = 1860};
}

static const struct objects_service payments = {
    .name = "payments", .endpoints = 2, .port = 80, .port_name = "http", .app_protocol = "http"};

static const char *text_at(const json_t *map, const char *key)
{
    const char *found = json_string_value(json_object_get(map, key));
    return found != NULL ? found : "";
}

static const json_t *meta(const json_t *object)
{
    return json_object_get(object, "metadata");
}

/* --- manifests --- */

static json_t *policies(const struct objects_run *r)
{
    struct copy_names names = {.service = "payments", .namespace = "shop"};
    json_t *all = json_array();
    json_t *rule =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:{s:{s:i, s:s}}}}", "apiVersion",
                  "networking.istio.io/v1", "kind", "DestinationRule", "metadata", "name",
                  "payments", "namespace", "shop", "spec", "host", "payments", "trafficPolicy",
                  "outlierDetection", "consecutive5xxErrors", 5, "interval", "1s");
    json_array_append_new(all, copy_policy(r, rule, &names));
    json_decref(rule);
    return all;
}

static void good_of(enum objects_mesh mesh, bool indexed, const char *path)
{
    struct objects_run r = run_of(mesh, OBJECTS_CANARY);
    struct text out;
    r.indexed = indexed;
    json_t *copies = policies(&r);
    json_t *all = objects_in_order(&r, &payments, 1, copies, 1, "00112233445566778899aabbccddeeff");
    text_init(&out, MANIFEST_MOST_BYTES);
    manifest_print_all(all, r.run, &out);
    assert_false(out.full);
    good_file_is(path, text_get(&out));
    text_release(&out);
    json_decref(all);
    json_decref(copies);
}

static void manifests_are_what_they_were(void **state)
{
    (void)state;
    good_of(OBJECTS_ISTIO, false, GOOD("istio-sidecar.good"));
    good_of(OBJECTS_AMBIENT, false, GOOD("istio-ambient.good"));
    good_of(OBJECTS_LINKERD, false, GOOD("linkerd.good"));
    good_of(OBJECTS_NO_MESH, true, GOOD("indexed.good"));
}

static void the_job_is_what_it_was(void **state)
{
    static const char *const args[] = {
        "run", "/suite/suite.lua", "--on=kubernetes", "--mode", "canary", "-o", "/data/run.db",
        NULL};
    struct objects_run r = run_of(OBJECTS_NO_MESH, OBJECTS_CANARY);
    struct text out;
    json_t *job = objects_job(&r, args, 1800, "meshproof-suite");
    (void)state;
    text_init(&out, MANIFEST_MOST_BYTES);
    manifest_print(job, &out);
    good_file_is(GOOD("job.good"), text_get(&out));
    /* Trap 7: a sidecar's label must be on the template's pods; trap 6: named after the run. */
    const json_t *template = json_object_get(json_object_get(job, "spec"), "template");
    assert_string_equal(
        text_at(json_object_get(meta(template), "labels"), "sidecar.istio.io/inject"), "false");
    assert_string_equal(text_at(meta(job), "name"), "meshproof-7f3a91c2");
    text_release(&out);
    json_decref(job);
}

static void texts_that_yaml_would_take_for_something_else_are_quoted(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {{"plain-1.2/x_y", "plain-1.2/x_y"},
                {"", "\"\""},
                {"true", "\"true\""},
                {"No", "\"No\""},
                {"12", "\"12\""},
                {"1e5", "\"1e5\""},
                {"0.0.0.0:8080", "\"0.0.0.0:8080\""},
                {"-x", "\"-x\""},
                {"a: b", "\"a: b\""},
                {"a #b", "\"a #b\""},
                {"x:", "\"x:\""},
                {"two\nlines \"quoted\"", "\"two\\nlines \\\"quoted\\\"\""},
                {"\xc3\xa9t\xc3\xa9", "\"\\u00E9t\\u00E9\""},
                {"$(POD_IP):8081", "\"$(POD_IP):8081\""},
                {"run", "run"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text out;
        char want[200];
        json_t *object = json_pack("{s:s}", "a", rows[i].text);
        text_init(&out, 1000);
        manifest_print(object, &out);
        snprintf(want, sizeof(want), "a: %s\n", rows[i].want);
        assert_string_equal(text_get(&out), want);
        text_release(&out);
        json_decref(object);
    }
}

/* What is printed is what would be sent: read again by the policy layer's YAML, it is equal. */
static void what_is_printed_reads_back(void **state)
{
    struct objects_run r = run_of(OBJECTS_ISTIO, OBJECTS_CANARY);
    struct arena arena;
    struct error err = {0};
    struct text out;
    size_t nodes = YAML_MAX_NODES, count;
    const struct yaml_node **documents;
    json_t *copies = policies(&r);
    json_t *all = objects_in_order(&r, &payments, 1, copies, 2, "aa");
    (void)state;
    text_init(&out, MANIFEST_MOST_BYTES);
    manifest_print_all(all, r.run, &out);
    arena_init(&arena, (size_t)64 << 20);
    assert_true(
        yaml_parse(bytes_of(text_get(&out)), "m", &nodes, &arena, &documents, &count, &err));
    assert_int_equal(count, json_array_size(all));
    for (size_t i = 0; i < count; i++) {
        json_t *read = copy_json(documents[i]);
        assert_true(json_equal(read, json_array_get(all, i)));
        json_decref(read);
    }
    arena_release(&arena);
    text_release(&out);
    json_decref(all);
    json_decref(copies);
}

/* --- owners, names, labels --- */

static void the_anchor_controls_the_pods_and_the_job_does_not_control_the_anchor(void **state)
{
    struct objects_run r = run_of(OBJECTS_ISTIO, OBJECTS_INTERPOSE);
    const json_t *owner, *object;
    size_t i;
    (void)state;
    r.anchor_uid = "uid-anchor";
    r.job_name = "meshproof-7f3a91c2";
    r.job_uid = "uid-job";
    json_t *anchor = objects_anchor(&r);
    owner = json_array_get(json_object_get(meta(anchor), "ownerReferences"), 0);
    assert_string_equal(text_at(owner, "uid"), "uid-job");
    assert_true(json_is_false(json_object_get(owner, "controller"))); /* trap 2 */
    assert_true(json_is_false(json_object_get(owner, "blockOwnerDeletion")));
    json_t *all = objects_in_order(&r, &payments, 1, NULL, 1, "aa");
    json_array_remove(all, 0);
    json_array_foreach(all, i, object)
    {
        owner = json_array_get(json_object_get(meta(object), "ownerReferences"), 0);
        assert_string_equal(text_at(owner, "uid"), "uid-anchor");
        assert_true(json_is_true(json_object_get(owner, "controller"))); /* trap 1 */
        assert_string_equal(objects_run_of(object), "7f3a91c2");
    }
    json_decref(all);
    json_decref(anchor);
}

static void an_interposed_pod_has_the_services_labels_and_no_replica_sets_hash(void **state)
{
    struct objects_run r = run_of(OBJECTS_ISTIO, OBJECTS_INTERPOSE);
    struct objects_service s = payments;
    json_t *selector = json_pack("{s:s, s:s}", "app", "payments", "pod-template-hash", "5f6d");
    (void)state;
    s.selector = selector;
    json_t *pod = objects_endpoint_pod(&r, &s, 1);
    const json_t *labels = json_object_get(meta(pod), "labels");
    assert_string_equal(text_at(labels, "app"), "payments");
    assert_null(json_object_get(labels, "pod-template-hash"));
    assert_string_equal(text_at(labels, "sidecar.istio.io/inject"), "false");
    json_decref(pod);
    pod = objects_direct_service(&r, &s, true);
    assert_null(json_object_get(json_object_get(pod, "spec"), "selector"));
    json_decref(pod);
    json_decref(selector);
}

static const json_t *container_of(const json_t *pod)
{
    return json_array_get(json_object_get(json_object_get(pod, "spec"), "containers"), 0);
}

static bool has_arg(const json_t *pod, const char *arg)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(container_of(pod), "args"), i, one)
    {
        if (strcmp(json_string_value(one), arg) == 0)
            return true;
    }
    return false;
}

static void assert_security(const json_t *pod, json_int_t user, const char *added)
{
    const json_t *of_pod = json_object_get(json_object_get(pod, "spec"), "securityContext");
    const json_t *security = json_object_get(container_of(pod), "securityContext");
    const json_t *capabilities = json_object_get(security, "capabilities");
    const json_t *more = json_object_get(capabilities, "add");
    assert_int_equal(json_integer_value(json_object_get(of_pod, "runAsUser")), user);
    assert_int_equal(json_is_true(json_object_get(of_pod, "runAsNonRoot")), user != 0);
    assert_string_equal(text_at(json_object_get(of_pod, "seccompProfile"), "type"),
                        "RuntimeDefault");
    assert_string_equal(json_string_value(json_array_get(json_object_get(capabilities, "drop"), 0)),
                        "ALL");
    assert_int_equal(json_array_size(more), added != NULL);
    if (added != NULL)
        assert_string_equal(json_string_value(json_array_get(more, 0)), added);
    assert_true(json_is_false(json_object_get(security, "allowPrivilegeEscalation")));
    assert_true(json_is_true(json_object_get(security, "readOnlyRootFilesystem")));
}

/* Of Indexed Jobs as well; and nobody but endpoints. */
static void only_an_endpoint_that_may_impair_its_network_has_net_admin(void **state)
{
    struct objects_run r = run_of(OBJECTS_ISTIO, OBJECTS_CANARY);
    (void)state;
    for (int netem = 0; netem < 2; netem++) {
        r.netem = netem != 0;
        for (uint32_t n = 0; n < 2; n++) {
            json_t *pod = objects_endpoint_pod(&r, &payments, n);
            assert_security(pod, r.netem ? 0 : 65532, r.netem ? "NET_ADMIN" : NULL);
            json_decref(pod);
        }
        json_t *load = objects_load_pod(&r, 1), *guardian = objects_guardian_pod(&r);
        assert_security(load, 65532, NULL);
        assert_security(guardian, 65532, NULL);
        json_decref(load);
        json_decref(guardian);
    }
}

/* It is found where the target's Service sends to: by number, or by the name of a port. */
static void an_interposed_pod_listens_where_the_service_leads(void **state)
{
    struct objects_run r = run_of(OBJECTS_NO_MESH, OBJECTS_INTERPOSE);
    struct objects_service s = payments;
    json_t *selector = json_pack("{s:s}", "app", "payments");
    (void)state;
    s.selector = selector;
    s.listen_port = 80;
    json_t *pod = objects_endpoint_pod(&r, &s, 1);
    assert_true(has_arg(pod, "0.0.0.0:80"));
    const json_t *spec = json_object_get(pod, "spec");
    const json_t *sysctls = json_object_get(json_object_get(spec, "securityContext"), "sysctls");
    assert_string_equal(text_at(json_array_get(sysctls, 0), "name"),
                        "net.ipv4.ip_unprivileged_port_start");
    json_decref(pod);
    s.listen_port = 8080;
    s.listen_name = "web";
    pod = objects_endpoint_pod(&r, &s, 1);
    const json_t *port = json_array_get(json_object_get(container_of(pod), "ports"), 0);
    assert_string_equal(text_at(port, "name"), "web");
    spec = json_object_get(pod, "spec");
    assert_null(json_object_get(json_object_get(spec, "securityContext"), "sysctls"));
    assert_false(has_arg(pod, "--stay"));
    json_decref(pod);
    json_decref(selector);
}

/* The Service is edited to have them: they are found by our labels, stay when we are lost, and the
 * Service behind them has the selector that the target had. */
static void a_swapped_service_has_ours_alone(void **state)
{
    struct objects_run r = run_of(OBJECTS_NO_MESH, OBJECTS_INTERPOSE);
    struct objects_service s = payments;
    json_t *selector = json_pack("{s:s}", "app", "payments");
    (void)state;
    r.swap = true;
    s.selector = selector;
    s.listen_port = 8080;
    json_t *all = objects_in_order(&r, &s, 1, NULL, 0, "aa");
    const json_t *direct = json_array_get(all, 3), *pod = json_array_get(all, 4);
    const json_t *labels = json_object_get(meta(pod), "labels");
    const json_t *spec = json_object_get(direct, "spec"), *value;
    const char *key;
    assert_string_equal(text_at(meta(direct), "name"), "mp-7f3a91c2-payments-direct");
    assert_null(json_object_get(labels, "app"));
    assert_true(has_arg(pod, "--stay"));
    assert_true(json_equal(json_object_get(spec, "selector"), selector));
    const json_t *port = json_array_get(json_object_get(spec, "ports"), 0);
    assert_int_equal(json_integer_value(json_object_get(port, "targetPort")), 8080);
    json_t *ours = objects_selector(&r, &s);
    json_object_foreach(ours, key, value)
    {
        assert_true(json_equal(json_object_get(labels, key), value));
    }
    json_decref(ours);
    json_decref(all);
    json_decref(selector);
}

static const char *arg_after(const json_t *args, const char *word)
{
    for (size_t i = 0; i + 1 < json_array_size(args); i++)
        if (strcmp(json_string_value(json_array_get(args, i)), word) == 0)
            return json_string_value(json_array_get(args, i + 1));
    return "";
}

/* Many agents: one Job of each service and one of the load, whose pods differ from those that are
 * made singly in nothing but how they learn their number. */
static void many_agents_are_indexed_jobs(void **state)
{
    struct objects_run r = run_of(OBJECTS_ISTIO, OBJECTS_CANARY);
    struct objects_service s = payments;
    char name[OBJECTS_NAME_MOST + 1];
    (void)state;
    r.anchor_uid = "uid-anchor";
    s.endpoints = 30;
    json_t *singly = objects_in_order(&r, &s, 1, NULL, 3, "aa");
    assert_int_equal(json_array_size(singly), 4 + 33);
    json_t *none = objects_samples(&r, &s, 1, 3);
    assert_int_equal(json_array_size(none), 0);
    r.indexed = true;
    json_t *all = objects_in_order(&r, &s, 1, NULL, 3, "aa");
    json_t *samples = objects_samples(&r, &s, 1, 3);
    assert_int_equal(json_array_size(all), 4 + 2);
    assert_int_equal(json_array_size(samples), 2);
    static const struct {
        size_t single;
        int count;
        const char *name, *id;
    } rows[] = {{4, 30, "mp-7f3a91c2-payments", "payments"}, {34, 3, "mp-7f3a91c2-load", "load"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const json_t *job = json_array_get(all, 4 + i), *pod = json_array_get(samples, i);
        const json_t *spec = json_object_get(job, "spec");
        json_t *template = json_object_get(spec, "template");
        assert_true(json_equal(pod, json_array_get(singly, rows[i].single)));
        assert_string_equal(text_at(job, "kind"), "Job");
        assert_string_equal(text_at(meta(job), "name"), rows[i].name);
        assert_string_equal(text_at(spec, "completionMode"), "Indexed");
        assert_int_equal(json_integer_value(json_object_get(spec, "completions")), rows[i].count);
        assert_int_equal(json_integer_value(json_object_get(spec, "parallelism")), rows[i].count);
        /* never a re-created index, and one that failed does not end the others */
        assert_int_equal(json_integer_value(json_object_get(spec, "backoffLimitPerIndex")), 0);
        const json_t *owner = json_array_get(json_object_get(meta(job), "ownerReferences"), 0);
        assert_string_equal(text_at(owner, "uid"), "uid-anchor");
        /* the anchor owns the Job, the Job its pods */
        assert_null(json_object_get(meta(template), "ownerReferences"));
        assert_null(json_object_get(meta(template), "name"));
        json_t *args = json_object_get(container_of(template), "args");
        assert_string_equal(arg_after(args, "--id"), rows[i].id);
        assert_string_equal(arg_after(args, "--index"), "$(JOB_COMPLETION_INDEX)");
        json_object_set(
            json_array_get(json_object_get(json_object_get(template, "spec"), "containers"), 0),
            "args", json_object_get(container_of(pod), "args"));
        assert_true(json_equal(json_object_get(template, "spec"), json_object_get(pod, "spec")));
        assert_true(json_equal(json_object_get(meta(template), "labels"),
                               json_object_get(meta(pod), "labels")));
        assert_true(json_equal(json_object_get(meta(template), "annotations"),
                               json_object_get(meta(pod), "annotations")));
    }
    json_decref(all);
    json_decref(samples);
    json_decref(none);
    json_decref(singly);
    /* with its largest number it is a DNS label still */
    s.name = "a-service-whose-name-is-as-long-as-a-dns-label-may-be-12345678-a";
    all = objects_in_order(&r, &s, 1, NULL, 0, "aa");
    snprintf(name, sizeof(name), "%s", text_at(meta(json_array_get(all, 4)), "name"));
    assert_in_range(strlen(name), 20, OBJECTS_NAME_MOST - strlen("-100"));
    assert_int_not_equal(name[strlen(name) - 1], '-');
    json_decref(all);
}

static void names_fit_and_differ(void **state)
{
    struct objects_run r = run_of(OBJECTS_NO_MESH, OBJECTS_CANARY);
    char a[OBJECTS_NAME_MOST + 1], b[OBJECTS_NAME_MOST + 1];
    (void)state;
    assert_string_equal(objects_name(&r, NULL, 0, a, sizeof(a)), "mp-7f3a91c2");
    assert_string_equal(objects_name(&r, "payments", 12, a, sizeof(a)), "mp-7f3a91c2-payments-12");
    objects_name(&r, "a-service-whose-name-is-as-long-as-a-dns-label-may-be-12345678-a", 100, a,
                 sizeof(a));
    objects_name(&r, "a-service-whose-name-is-as-long-as-a-dns-label-may-be-12345678-b", 100, b,
                 sizeof(b));
    assert_int_equal(strlen(a), OBJECTS_NAME_MOST);
    assert_string_not_equal(a, b);
    assert_string_equal(a + OBJECTS_NAME_MOST - 4, "-100");
}

static void a_slice_refuses_loopback(void **state)
{
    static const char *const bad[] = {"127.0.0.1", "127.9.9.9", "::1"};
    struct objects_run r = run_of(OBJECTS_NO_MESH, OBJECTS_INTERPOSE);
    struct error err = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct objects_address a = {.ip = bad[i], .ready = true};
        err = (struct error){0};
        assert_null(objects_slice(&r, "payments", 1, 8081, "http", &a, 1, &err));
        assert_non_null(strstr(err.text, "is a loopback address"));
    }
    struct objects_address a = {.ip = "10.77.0.9", .pod = "p", .pod_uid = "u", .ready = true};
    json_t *slice = objects_slice(&r, "payments", 1, 8081, "http", &a, 1, &err);
    assert_string_equal(text_at(slice, "addressType"), "IPv4");
    assert_string_equal(
        text_at(json_object_get(meta(slice), "labels"), "kubernetes.io/service-name"), "payments");
    json_decref(slice);
}

static void a_result_is_nobodys(void **state)
{
    struct objects_run r = run_of(OBJECTS_NO_MESH, OBJECTS_CANARY);
    (void)state;
    r.anchor_uid = "u";
    json_t *data = json_pack("{s:s}", "verdict", "PASS"), *result = objects_result(&r, data);
    assert_null(json_object_get(meta(result), "ownerReferences"));
    assert_string_equal(text_at(meta(result), "name"), "mp-7f3a91c2-result");
    json_decref(result);
    json_decref(data);
}

static void a_gate_is_one_condition_of_the_pods_status(void **state)
{
    (void)state;
    json_t *patch = objects_gate(true, "2026-11-18T11:06:40Z");
    char *text = json_dumps(patch, JSON_COMPACT);
    assert_string_equal(text, "{\"status\":{\"conditions\":[{\"type\":\"meshproof.io/armed\","
                              "\"status\":\"True\",\"lastTransitionTime\":"
                              "\"2026-11-18T11:06:40Z\"}]}}");
    free(text);
    json_decref(patch);
}

static void a_changed_plan_has_another_hash(void **state)
{
    struct objects_run r = run_of(OBJECTS_ISTIO, OBJECTS_CANARY);
    struct objects_service more = payments;
    char a[65], b[65], c[65];
    (void)state;
    json_t *one = objects_in_order(&r, &payments, 1, NULL, 1, "k");
    json_t *same = objects_in_order(&r, &payments, 1, NULL, 1, "k");
    more.endpoints++;
    json_t *other = objects_in_order(&r, &more, 1, NULL, 1, "k");
    manifest_hash(one, a);
    manifest_hash(same, b);
    manifest_hash(other, c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_int_equal(strlen(a), 64);
    json_decref(one);
    json_decref(same);
    json_decref(other);
}

static void selectors_are_read_as_kubernetes_reads_them(void **state)
{
    static const struct {
        const char *selector;
        bool takes;
    } rows[] = {
        {"{}", true},
        {"{\"matchLabels\":{\"a\":\"1\"}}", true},
        {"{\"matchLabels\":{\"a\":\"2\"}}", false},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"0\",\"1\"]}]}",
         true},
        {"{\"matchExpressions\":[{\"key\":\"z\",\"operator\":\"In\",\"values\":[\"1\"]}]}", false},
        {"{\"matchExpressions\":[{\"key\":\"z\",\"operator\":\"NotIn\",\"values\":[\"1\"]}]}",
         true},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"1\"]}]}",
         false},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\"}]}", true},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"DoesNotExist\"}]}", false},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Gt\"}]}", false},
        {"[]", false},
    };
    json_t *labels = json_pack("{s:s}", "a", "1");
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *selector = json_loads(rows[i].selector, 0, NULL);
        assert_int_equal(selector_takes(selector, labels), rows[i].takes);
        json_decref(selector);
    }
    assert_false(selector_takes(NULL, labels));
    json_t *none = json_object();
    assert_false(selector_takes_map(none, labels));
    json_decref(none);
    json_decref(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifests_are_what_they_were),
        cmocka_unit_test(the_job_is_what_it_was),
        cmocka_unit_test(texts_that_yaml_would_take_for_something_else_are_quoted),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(the_anchor_controls_the_pods_and_the_job_does_not_control_the_anchor),
        cmocka_unit_test(an_interposed_pod_has_the_services_labels_and_no_replica_sets_hash),
        cmocka_unit_test(an_interposed_pod_listens_where_the_service_leads),
        cmocka_unit_test(only_an_endpoint_that_may_impair_its_network_has_net_admin),
        cmocka_unit_test(a_swapped_service_has_ours_alone),
        cmocka_unit_test(many_agents_are_indexed_jobs),
        cmocka_unit_test(names_fit_and_differ),
        cmocka_unit_test(a_slice_refuses_loopback),
        cmocka_unit_test(a_result_is_nobodys),
        cmocka_unit_test(a_gate_is_one_condition_of_the_pods_status),
        cmocka_unit_test(a_changed_plan_has_another_hash),
        cmocka_unit_test(selectors_are_read_as_kubernetes_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
