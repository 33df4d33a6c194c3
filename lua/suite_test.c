/* What a suite becomes: lines, defaults, numbers of the policy, settings, required files. */

#include "lua/suite_fixture_test.h"

#include <sys/stat.h>

static void a_tail_call_keeps_its_line(void **unused)
{
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    char path[128];
    (void)unused;
    write_file("tail_call.lua",
               "local function bad()\n  return fault.abort {\n on = \"b\", status = 503 }\nend\n"
               "return scenario \"s\"\n {" WHOLE " phase \"p\" { lasting = \"9s\", bad(),\n"
               " { {}, { at \"2s\" { fault.reset { on = \"b/2\" } } } } } }\n");
    if (!suite_load(in_folder("tail_call.lua", path, sizeof(path)), NULL, &p, errors, &count))
        fail_msg("%s", errors[0].text);
    const struct scenario *s = &p->scenarios[0];
    assert_int_equal(s->source.line, 5);
    assert_int_equal(s->phases[0].step_count, 2);
    assert_int_equal(s->phases[0].steps[0].source.line, 2);
    assert_string_equal(s->phases[0].steps[0].source.file, path);
    assert_int_equal(s->phases[0].steps[1].steps[0].fault, 2);
    assert_string_equal(s->mesh.policy[1], "/etc/x.yaml");
    assert_int_equal(strncmp(s->mesh.policy[0], folder, strlen(folder)), 0);
    assert_int_equal(s->lab.services[0].calls[0].retry_on_count, 3);
    assert_int_equal(s->lab.services[0].calls[0].breaker_failures, 5);
    assert_int_equal(s->lab.services[1].body_bytes, 4096);
    assert_true(s->loads[0].enough);
    assert_int_equal(s->loads[0].tagged[0].count, 10);
    assert_true(s->loads[1].closed);
    assert_string_equal(s->loads[1].body_text, "hi");
    assert_int_equal(s->phases[0].settle_ns, UINT64_C(5000000000));
    assert_int_equal(json_array_size(p->files), 1);
    plan_free(p);
}

static void suites_give_defaults_and_from_policy_its_keys(void **unused)
{
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    char path[128];
    (void)unused;
    write_file("suite.lua", "return suite \"x\" { tags = { \"t\" }, false_alarms = 1e-4,\n" WHOLE
                            "scenario \"one\" { tags = { \"u\" }, phase \"p\" { lasting = "
                            "\"decided\", atmost = \"2m\" } },\n"
                            "scenario.from_policy { policy = \"k8s/\", target = "
                            "\"istio-ambient@1.22\", except = { \"budget\" },\n"
                            "  depth = \"quick\", controls = \"none\", budget = \"4m\" } }\n");
    if (!suite_load(in_folder("suite.lua", path, sizeof(path)), NULL, &p, errors, &count))
        fail_msg("%s", errors[0].text);
    assert_int_equal(p->scenario_count, 2);
    assert_true(p->false_alarms > 9e-5 && p->false_alarms < 2e-4);
    assert_int_equal(p->scenarios[0].tag_count, 2);
    assert_int_equal(p->scenarios[0].lab.service_count, 2);
    assert_true(p->scenarios[0].phases[0].ends == PHASE_DECIDED);
    const struct scenario *s = &p->scenarios[1];
    assert_true(s->from_policy);
    assert_string_equal(s->mesh.word, "istio_ambient");
    assert_string_equal(s->mesh.version, "1.22");
    assert_int_equal(s->mesh.policy_count, 1);
    assert_int_equal(s->phase_count, 0);
    assert_true(s->depth == DEPTH_QUICK && s->controls == CONTROLS_NONE);
    assert_int_equal(s->budget_ns, UINT64_C(240000000000));
    assert_int_equal(s->patience_ns, UINT64_C(16000000000));
    assert_string_equal(s->methods[0], "GET");
    plan_free(p);
}

#define POLICY \
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: b, namespace: " \
    "b}\n" \
    "spec:\n  hosts: [b]\n  http:\n    - timeout: 2s\n      retries: {attempts: 3, retryOn: " \
    "5xx}\n" \
    "      route: [{destination: {host: b}}]\n"

static void numbers_of_the_policy_stand_for_typed_ones(void **unused)
{
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    char path[128];
    (void)unused;
    write_file("policy.yaml", POLICY);
    write_file("value.lua", "return scenario \"s\" { mesh = mesh.istio { policy = \"policy.yaml\", "
                            "version = \"1.31\" },\n"
                            "lab = lab { service \"b\" { endpoints = 3 } }, load = load.open { on "
                            "= \"client -> b\", rate = \"1/s\" },\n"
                            "phase \"p\" { lasting = \"9s\",\n"
                            "fault.latency { on = \"b\", add = policy.beyond \"timeout\", jitter = "
                            "policy.inside \"timeout\" },\n"
                            "fault.abort { on = \"b\", status = 503, first = policy.value { field "
                            "= \"attempts\", plus = 1 } },\n"
                            "fault.abort { on = \"b\", status = 503, times = policy.value { field "
                            "= \"attempts\", times = 2, plus = -1 } } } }\n");
    if (!suite_load(in_folder("value.lua", path, sizeof(path)), NULL, &p, errors, &count))
        fail_msg("%s", errors[0].text);
    const struct step *steps = p->scenarios[0].phases[0].steps;
    assert_string_equal(json_string_value(json_object_get(steps[0].keys, "add")), "3s50ms");
    assert_string_equal(json_string_value(json_object_get(steps[0].keys, "jitter")), "1s");
    assert_int_equal(json_integer_value(json_object_get(steps[1].keys, "first")), 4);
    assert_int_equal(json_integer_value(json_object_get(steps[2].keys, "times")), 5);
    plan_free(p);
}

/* The suite's load is one for its scenarios; each asks its own policy. */
static void a_load_asks_the_policy_of_its_scenario(void **unused)
{
#define LIMIT(rate) \
    "apiVersion: policy.linkerd.io/v1beta3\nkind: Server\nmetadata: {name: b}\nspec: " \
    "{podSelector: {matchLabels: {app: b}}, port: 8080}\n---\napiVersion: v1\nkind: " \
    "Service\nmetadata: {name: b}\nspec: {selector: {app: b}, ports: [{port: 8080}]}\n" \
    "---\napiVersion: policy.linkerd.io/v1alpha1\nkind: HTTPLocalRateLimitPolicy\n" \
    "metadata: {name: b}\nspec: {targetRef: {group: policy.linkerd.io, kind: Server, name: b}, " \
    "total: {requestsPerSecond: " rate "}}\n"
#define MEMBER(name) \
    "scenario \"" name "\" { mesh = mesh.linkerd { policy = \"" name \
    ".yaml\", version = \"2.19\" }, phase \"p\" { lasting = \"9s\" } }"
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    char path[128];
    (void)unused;
    write_file("forty.yaml", LIMIT("40"));
    write_file("ten.yaml", LIMIT("10"));
    write_file("rates.lua",
               "return suite \"s\" { lab = lab { service \"b\" {} }, load = load.open { on = "
               "\"client -> b\", rate = policy.value { field = \"requests_per_second\", times = "
               "1.5 } },\n" MEMBER("forty") ", " MEMBER("ten") " }");
    if (!suite_load(in_folder("rates.lua", path, sizeof(path)), NULL, &p, errors, &count))
        fail_msg("%s", errors[0].text);
    assert_int_equal(p->scenarios[0].loads[0].rate_per_h, 60 * 3600);
    assert_int_equal(p->scenarios[1].loads[0].rate_per_h, 15 * 3600);
    plan_free(p);
}

static void numbers_that_the_policy_does_not_give_are_errors(void **unused)
{
#define USE(value) \
    "return scenario \"s\" { mesh = mesh.istio { policy = \"policy.yaml\", version = \"1.31\" " \
    "},\n" \
    "phase \"p\" { lasting = \"9s\", fault.latency { on = \"b\", add = " value " } } }"
    static const struct golden rows[] = {
        {"unset.lua", USE("policy.value \"base_ejection_time\""),
         "unset.lua:2: policy.value \"base_ejection_time\": nothing sets it on client -> b: "
         "DestinationRule "
         "outlierDetection.baseEjectionTime would"},
        {"field.lua", USE("policy.value \"colour\""),
         "field.lua:2: policy.value \"colour\": field is \"colour\"; there is attempts "
         "per_try_timeout timeout interval base_ejection_time consecutive_errors "
         "max_ejection_percent accrual_max_failures requests_per_second max_connections "
         "max_pending_requests max_requests"},
        {"half.lua", USE("policy.inside \"attempts\""),
         "half.lua:2: policy.inside \"attempts\": policy.inside takes the name of a duration, and "
         "no times or plus"},
        {"below.lua", USE("policy.value { field = \"attempts\", plus = -9 }"),
         "below.lua:2: policy.value \"attempts\": comes to -6, which is out of range"},
        {"absent.lua",
         "return scenario \"s\" { phase \"p\" { lasting = \"9s\",\n"
         " fault.latency { on = \"b\", add = policy.value \"timeout\" } } }",
         "absent.lua:2: policy.value \"timeout\": the scenario declares no policy"},
        {"rate.lua",
         "return scenario \"s\" { mesh = mesh.istio { policy = \"policy.yaml\", version = "
         "\"1.31\" },\n load = load.open { " EDGE
         ", rate = policy.value \"requests_per_second\" } }",
         "rate.lua:2: policy.value \"requests_per_second\": nothing sets it on a -> b: "
         "HTTPLocalRateLimitPolicy total.requestsPerSecond would"},
        {"load.lua",
         "return scenario \"s\" { mesh = mesh.istio { policy = \"policy.yaml\", version = "
         "\"1.31\" },\n load = load.open { " EDGE ", rate = policy.value \"timeout\" } }",
         "load.lua:2: load.open: rate is \"2s\"; it must be a rate such as \"200/s\""},
    };
    (void)unused;
    write_file("policy.yaml", POLICY);
    check_golden(rows, COUNT_OF(rows));
}

static void settings_replace_params_of_their_type_only(void **unused)
{
    static const char *const good[] = {"rate=300/s"}, *const bad[] = {"rate=fast"},
                             *const unknown[] = {"rat=1"}, *const mode[] = {"mode=slow"};
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    char path[128];
    json_t *params;
    (void)unused;
    write_file("set.lua",
               "local mode = param \"mode\" { default = \"fast\", oneof = { \"fast\", \"careful\" "
               "}, help = \"how\" }\n"
               "return scenario(mode) { mesh = mesh.none {}, lab = lab { service \"b\" {} },\n"
               "load = load.open { on = \"client -> b\", rate = param \"rate\" { default = "
               "\"200/s\" } },\n"
               "phase \"p\" { lasting = \"1s\" } }\n");
    assert_null(first_error("set.lua", good, 1));
    assert_string_equal(first_error("set.lua", bad, 1),
                        "--set rate=fast: param rate is a rate such as \"200/s\"");
    assert_string_equal(first_error("set.lua", unknown, 1),
                        "--set rat=1: no param \"rat\" in set.lua; it has mode rate");
    assert_string_equal(first_error("set.lua", mode, 1),
                        "--set mode=slow: it is not among the values that param mode allows");
    struct suite_options options = {good, 1};
    assert_true(suite_params(in_folder("set.lua", path, sizeof(path)), &options, &params, &p,
                             errors, &count));
    assert_int_equal(p->scenarios[0].loads[0].rate_per_h, 300 * 3600);
    assert_string_equal(json_string_value(json_object_get(p->params, "rate")), "300/s");
    assert_string_equal(json_string_value(json_object_get(json_array_get(params, 0), "help")),
                        "how");
    assert_string_equal(json_string_value(json_object_get(json_array_get(params, 1), "default")),
                        "200/s");
    json_decref(params);
    plan_free(p);
}

static void require_reads_files_below_the_suite_once(void **unused)
{
    char path[128], secret[160];
    (void)unused;
    in_folder("lib", path, sizeof(path));
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("lib/shop.lua", "local F = fragment { edge = \"client -> b\" }\nfunction F.phase() "
                               "return phase \"p\" { lasting = \"1s\" } end\nreturn F\n");
    write_file("lib/one.lua", "return require \"lib/two\"");
    write_file("lib/two.lua", "return require \"lib/one\"");
    write_file("lib/bad.lua", "local x = 1\nreturn fault.nope {}\n");
    write_file("uses.lua",
               "local a, b = require \"lib/shop\", require \"lib/shop\"\nassert(a == b)\n"
               "return scenario \"s\" { mesh = mesh.none {}, lab = lab { service \"b\" {} },\n"
               "load = load.open { on = a.edge, rate = \"1/s\" }, a.phase() }\n");
    assert_null(first_error("uses.lua", NULL, 0));
    write_file("cycle.lua", "return require \"lib/one\"");
    assert_string_equal(
        first_error("cycle.lua", NULL, 0),
        "lib/two.lua:1: require \"lib/one\": it requires itself, directly or by others");
    write_file("uses_bad.lua", "return require \"lib/bad\"");
    assert_non_null(
        strstr(first_error("uses_bad.lua", NULL, 0), "lib/bad.lua:2: there is no fault.nope"));
    write_file("none.lua", "return require \"lib/none\"");
    assert_string_equal(first_error("none.lua", NULL, 0),
                        "none.lua:1: require \"lib/none\": there is no lib/none.lua");
    snprintf(secret, sizeof(secret), "%s.secret.lua", folder);
    FILE *f = fopen(secret, "w");
    fputs("return 1", f);
    fclose(f);
    assert_int_equal(symlink(secret, in_folder("lib/link.lua", path, sizeof(path))), 0);
    write_file("link.lua", "return require \"lib/link\"");
    assert_string_equal(
        first_error("link.lua", NULL, 0),
        "link.lua:1: require \"lib/link\": only names below the suite's folder, or std/");
    unlink(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tail_call_keeps_its_line),
        cmocka_unit_test(suites_give_defaults_and_from_policy_its_keys),
        cmocka_unit_test(numbers_of_the_policy_stand_for_typed_ones),
        cmocka_unit_test(a_load_asks_the_policy_of_its_scenario),
        cmocka_unit_test(numbers_that_the_policy_does_not_give_are_errors),
        cmocka_unit_test(settings_replace_params_of_their_type_only),
        cmocka_unit_test(require_reads_files_below_the_suite_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
