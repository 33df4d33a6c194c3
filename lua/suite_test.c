#include "lua/suite.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static const char *in_folder(const char *name, char *to, size_t size)
{
    snprintf(to, size, "%s/%s", folder, name);
    return to;
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    FILE *f = fopen(in_folder(name, path, sizeof(path)), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The first error as it is printed, with the folder left out; NULL: it loaded. */
static const char *first_error(const char *name, const char *const *sets, size_t set_count)
{
    static char text[700];
    char path[128];
    struct error errors[ERRORS_MOST];
    size_t count;
    struct plan *p;
    struct suite_options options = {sets, set_count};
    bool good = suite_load(in_folder(name, path, sizeof(path)), &options, &p, errors, &count);
    assert_int_equal(good, count == 0);
    if (good) {
        plan_free(p);
        return NULL;
    }
    error_format(&errors[0], text, sizeof(text));
    plan_free(p);
    size_t len = strlen(folder) + 1;
    for (char *at = strstr(text, folder); at != NULL; at = strstr(text, folder))
        memmove(at, at + len, strlen(at + len) + 1);
    return text;
}

struct golden {
    const char *name, *suite, *text;
};

#define PHASE(step) "return scenario \"s\" { phase \"p\" { lasting = \"9s\",\n  " step " } }"
#define EDGE "on = \"a -> b\""

/* scenario-language.md 1.10, each in the smallest suite that has it; 19 with a world fault that is
 * built. */
static const struct golden golden[] = {
    {"01_unit.lua", PHASE("fault.latency { on = \"b\", add = 400 }"),
     "01_unit.lua:2: fault.latency: add is 400; it must be a duration such as \"250ms\" or "
     "\"1m30s\""},
    {"02_key.lua", PHASE("fault.latency { on = \"b\", add = \"4ms\", jiter = \"1ms\" }"),
     "02_key.lua:2: fault.latency has no key \"jiter\" (did you mean \"jitter\"?); it has add "
     "distribution existing first "
     "jitter match mode name note on per share streak times to_end_of ttl when"},
    {"03_word.lua", PHASE("fault.delay { on = \"b\" }"),
     "03_word.lua:2: there is no fault.delay; there is abort bandwidth blackhole cert "
     "control_plane_cut corrupt goaway hook "
     "kill latency limit_data malformed netem partition pause refuse replace reset restart "
     "rst_stream slicer slow_close "
     "tls_alert tls_stall"},
    {"04_place.lua", PHASE("fault.reset { on = \"b/0\" }"),
     "04_place.lua:2: fault.reset: on is \"b/0\"; it must be a place: \"a -> b\", \"b\", \"b/2\", "
     "\"b/any\", \"zone:a\""},
    {"05_both.lua",
     "return scenario \"s\" {\n  phase \"p\" { lasting = \"1s\", await.steady { " EDGE
     ", within = \"9s\" } } }",
     "05_both.lua:2: phase \"p\" has both lasting and await; a phase ends one way"},
    {"06_end.lua", "return scenario \"s\" {\n  phase \"p\" { fault.reset { on = \"b\" } } }",
     "06_end.lua:2: phase \"p\" has no end: give it lasting = \"...\" or an await"},
    {"07_nested.lua", PHASE("at \"1s\" { expect.success { " EDGE ", atleast = \"99%\" } }"),
     "07_nested.lua:2: expect.success cannot stand in at; it stands in scenario phase during list"},
    {"08_global.lua", "return scenario \"s\" {\n  load = load.open { " EDGE ", rate = rate } }",
     "08_global.lua:2: there is no word \"rate\" in a scenario file"},
    {"09_abort.lua", PHASE("fault.abort { on = \"b\" }"),
     "09_abort.lua:2: fault.abort needs exactly one of status and grpc"},
    {"10_enum.lua", PHASE("fault.reset { on = \"b\", when = \"headers\" }"),
     "10_enum.lua:2: fault.reset: when is \"headers\"; it is one of accept, request_head, "
     "request_body, response_head, "
     "response_body"},
    {"11_need.lua", PHASE("expect.success { " EDGE " }"),
     "11_need.lua:2: expect.success needs atleast"},
    {"12_toend.lua", PHASE("fault.reset { on = \"b\", to_end_of = \"q\" }"),
     "12_toend.lua:1: to_end_of names no phase: \"q\""},
    {"13_during.lua", PHASE("during \"20s\" { fault.reset { on = \"b\" } }"),
     "13_during.lua:2: during needs a span such as during \"20s..50s\""},
    {"14_match.lua", PHASE("fault.reset { on = \"b\", match = { verb = \"GET\" } }"),
     "14_match.lua:2: match has no key \"verb\"; it has attempt authority from grpc header method "
     "path protocol query status "
     "tag without"},
    {"15_same.lua",
     "return scenario \"s\" { phase \"p\" { lasting = \"1s\" },\n  phase \"p\" { lasting = \"1s\" "
     "} }",
     "15_same.lua:1: two phases are called \"p\""},
    {"16_share.lua", PHASE("fault.reset { on = \"b\", share = 0.3 }"),
     "16_share.lua:2: fault.reset: share is 0.3; it must be a share such as \"30%\""},
    {"17_assign.lua", "x = 1", "17_assign.lua:1: \"x\" would be a global; write local x"},
    {"18_require.lua", "return require \"../secret\"",
     "18_require.lua:1: require \"../secret\": only names below the suite's folder, or std/"},
    {"19_world.lua", PHASE("fault.refuse { on = \"b\", share = \"30%\" }"),
     "19_world.lua:2: fault.refuse takes no share: it acts on a whole endpoint or edge, not on "
     "requests"},
    {"20_mode.lua", PHASE("fault.reset { on = \"b/1\", mode = \"one\" }"),
     "20_mode.lua:2: fault.reset: mode is for a service, and on = \"b/1\" is one endpoint"},
    {"21_expect.lua", PHASE("expect.sucess { " EDGE " }"),
     "21_expect.lua:2: there is no expect.sucess; there is amplification balance breaker budget "
     "ejection fallback human "
     "idempotency lint metrics mtls path probe rate_limit recovery refused retries rotation status "
     "success tail timeout"},
};

/* What is of the language and not of this version; and what else an author gets wrong. */
static const struct golden others[] = {
    {"tail.lua", PHASE("expect.tail { " EDGE ", against = 'phase \"p\"' }"),
     "tail.lua:2: expect.tail is not built yet"},
    {"netem.lua", PHASE("fault.netem { on = \"b\", delay = \"1ms\" }"),
     "netem.lua:2: fault.netem is not built yet"},
    {"guard.lua", "return scenario \"s\" {\n  guard = { guard.limits { ttl = \"5m\" } } }",
     "guard.lua:2: guard.limits is not built yet"},
    {"cert.lua", PHASE("at \"1s\" { cert.trust { add = \"root-b\" } }"),
     "cert.lua:2: cert.trust is not built yet"},
    {"arms.lua", "return scenario \"s\" { mesh = { mesh.none {}, mesh.none {} } }",
     "arms.lua:1: scenario: a list of meshes (arms) is not built yet"},
    {"needs.lua", "return scenario \"s\" { needs = { \"net_admin\" } }",
     "needs.lua:1: scenario: needs is not built yet"},
    {"syntax.lua", "return scenario \"s\" {\n\n  phase \"p\" { ) }",
     "syntax.lua:3: unexpected symbol near ')'"},
    {"at.lua", PHASE("at \"soon\" { fault.reset { on = \"b\" } }"),
     "at.lua:2: at needs a time such as at \"20s\""},
    {"name.lua", "return scenario { }",
     "name.lua:1: scenario needs a name first: scenario \"name\" { ... }"},
    {"curry.lua", PHASE("phase \"q\""),
     "curry.lua:1: phase: position 1 is a word without its table, or a function; it must be a step "
     "or a list of steps"},
    {"text.lua", "return scenario \"s\" {\n  \"a phase\" }",
     "text.lua:1: scenario: position 1 is a string; it must be a step or a list of steps"},
    {"lab.lua", PHASE("lab {}"), "lab.lua:2: lab cannot stand in phase; it takes steps"},
    {"mesh.lua", "return scenario \"s\" {\n  mesh = mesh.istio { version = \"1.31\" } }",
     "mesh.lua:2: mesh.istio needs policy"},
    {"meshes.lua", "return mesh.consul {}",
     "meshes.lua:1: there is no mesh.consul; there is gateway_api istio istio_ambient linkerd "
     "none"},
    {"rate.lua", "return scenario \"s\" {\n load = load.open { " EDGE ", rate = 200 } }",
     "rate.lua:2: load.open: rate is 200; it must be a rate such as \"200/s\""},
    {"users.lua", "return scenario \"s\" {\n load = load.closed { " EDGE ", users = \"3\" } }",
     "users.lua:2: load.closed: users is \"3\"; it must be a count such as 3"},
    {"closed.lua",
     "return scenario \"s\" {\n load = load.closed { " EDGE ", users = 3, rate = \"1/s\" } }",
     "closed.lua:2: load.closed has no key \"rate\" (did you mean \"path\"?); it has body call "
     "clients connections headers method on path protocol "
     "reuse tag_every tagged think timeout users warmup"},
    {"service.lua", "return scenario \"s\" { lab = lab {\n service \"b\" { endpoint = 3 } } }",
     "service.lua:2: service has no key \"endpoint\" (did you mean \"endpoints\"?); it has address "
     "body calls effects "
     "endpoints identity jitter meshed protocol run slots status work zones"},
    {"lasting.lua", "return scenario \"s\" {\n phase \"p\" { lasting = 90 } }",
     "lasting.lua:2: phase: lasting is 90; it must be a duration such as \"250ms\" or \"1m30s\""},
    {"target.lua", "return scenario.from_policy { policy = \"k8s/\", target = \"istio\" }",
     "target.lua:1: scenario.from_policy: target is \"istio\"; it must be a target such as "
     "\"istio@1.31\", "
     "\"istio-ambient@1.22\", \"linkerd@2.15\", \"gateway-api@1.6\""},
    {"nothing.lua", "local x = 1",
     "nothing.lua: a suite file returns one scenario, one list of scenario.from_policy, or one "
     "suite"},
    {"whole.lua", "return scenario \"s\" {}",
     "whole.lua:1: scenario \"s\" has no mesh: give it mesh = mesh.istio { ... } or mesh.none {}"},
    {"boolean.lua", PHASE("fault.abort { on = \"b\", status = true }"),
     "boolean.lua:2: fault.abort: status must be one value, not a table"},
    {"value.lua", "return scenario \"s\" {\n tags = { print } }",
     "value.lua:2: there is no word \"print\" in a scenario file"},
};

static void check_golden(const struct golden *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_file(rows[i].name, rows[i].suite);
        const char *text = first_error(rows[i].name, NULL, 0);
        if (text == NULL)
            fail_msg("%s loaded", rows[i].name);
        assert_string_equal(text, rows[i].text);
    }
}

static void load_errors_read_as_the_language_says(void **unused)
{
    (void)unused;
    check_golden(golden, COUNT_OF(golden));
}

static void other_mistakes_are_one_sentence_with_their_line(void **unused)
{
    (void)unused;
    check_golden(others, COUNT_OF(others));
}

static void all_errors_of_a_file_are_said_in_order_at_most_twenty(void **unused)
{
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    char path[128];
    struct text suite;
    (void)unused;
    text_init(&suite, 65536);
    text_add(&suite, "return scenario \"s\" { phase \"p\" { lasting = \"9s\",\n");
    for (int i = 0; i < 30; i++)
        text_add(&suite, "  fault.abort { on = \"b\", status = \"%d\" },\n", 500 + i);
    text_add(&suite, "} }\n");
    write_file("many.lua", text_get(&suite));
    text_release(&suite);
    assert_false(suite_load(in_folder("many.lua", path, sizeof(path)), NULL, &p, errors, &count));
    assert_int_equal(count, 20);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(errors[i].source.line, i + 2);
    plan_free(p);
}

#define WHOLE \
    "mesh = mesh.istio { policy = { \"k8s/\", \"/etc/x.yaml\" }, version = \"1.31\" },\n" \
    "lab = lab { service \"a\" { endpoints = 2, calls = { call \"b\" { timeout = \"3s\", retries " \
    "= 1, " \
    "breaker = { failures = 5, open = \"10s\" }, fallback = { status = 200, body = \"cached\" } " \
    "} } }, " \
    "service \"b\" { endpoints = 3, work = \"8ms\", body = \"4KiB\" } },\n" \
    "load = { load.open { on = \"client -> a\", rate = \"enough\", headers = { [\"x-a\"] = " \
    "\"{uuid}\" }, " \
    "tagged = { [\"f1:503\"] = 10 } }, load.closed { on = \"client -> b\", users = 1, body = " \
    "\"hi\" } },\n"

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
         "field.lua:2: policy.value \"colour\": field is \"colour\"; it is one of attempts, "
         "per_try_timeout, timeout, "
         "interval, base_ejection_time, consecutive_errors, max_ejection_percent, "
         "accrual_max_failures"},
        {"half.lua", USE("policy.inside \"attempts\""),
         "half.lua:2: policy.inside \"attempts\": policy.inside takes the name of a duration, and "
         "no times or plus"},
        {"below.lua", USE("policy.value { field = \"attempts\", plus = -9 }"),
         "below.lua:2: policy.value \"attempts\": comes to -6, which is out of range"},
        {"absent.lua",
         "return scenario \"s\" { phase \"p\" { lasting = \"9s\",\n"
         " fault.latency { on = \"b\", add = policy.value \"timeout\" } } }",
         "absent.lua:2: policy.value \"timeout\": the scenario declares no policy"},
        {"load.lua",
         "return scenario \"s\" {\n load = load.open { " EDGE
         ", rate = policy.value \"timeout\" } }",
         "load.lua:2: load.open: rate is policy.value, which is not built yet"},
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

static json_t *without_marks(json_t *take)
{
    const char *key;
    json_t *value;
    void *next;
    size_t i;
    if (json_is_object(take)) {
        json_object_del(take, "where");
        json_object_del(take, "suite");
        json_object_del(take, "files");
        json_object_del(take, "params");
    }
    json_object_foreach_safe(take, next, key, value) without_marks(value);
    json_array_foreach(take, i, value) without_marks(value);
    return take;
}

static void check_round_trip(const char *path)
{
    struct error errors[ERRORS_MOST];
    struct plan *p, *again;
    size_t count;
    char to[300], one[65], two[65];
    if (!suite_load(path, NULL, &p, errors, &count)) {
        error_format(&errors[0], to, sizeof(to));
        fail_msg("%s", to);
    }
    json_t *json = plan_to_json(p);
    in_folder("saved.json", to, sizeof(to));
    assert_int_equal(json_dump_file(json, to, JSON_INDENT(1)), 0);
    if (!suite_load(to, NULL, &again, errors, &count))
        fail_msg("%s: %s", path, errors[0].text);
    plan_hash(p, one);
    plan_hash(again, two);
    assert_string_equal(one, two);
    plan_free(again);

    struct text lua;
    text_init(&lua, 1 << 20);
    plan_print_lua(p, &lua);
    const char *slash = strrchr(path, '/');
    snprintf(to, sizeof(to), "%.*s/printed_again.lua", (int)(slash - path), path);
    FILE *f = fopen(to, "w");
    assert_non_null(f);
    fputs(text_get(&lua), f);
    fclose(f);
    if (!suite_load(to, NULL, &again, errors, &count)) {
        error_format(&errors[0], to, sizeof(to));
        fail_msg("%s\n%s", to, text_get(&lua));
    }
    json_t *back = without_marks(plan_to_json(again));
    without_marks(json);
    if (!json_equal(json, back))
        fail_msg("%s\nbecame\n%s", json_dumps(json, JSON_INDENT(1)),
                 json_dumps(back, JSON_INDENT(1)));
    json_decref(json);
    json_decref(back);
    text_release(&lua);
    plan_free(again);
    plan_free(p);
    unlink(to);
}

static void plans_survive_json_and_lua(void **unused)
{
    char path[128];
    (void)unused;
    write_file(
        "round.lua",
        "return suite \"x\" { false_alarms = 2.5e-5,\n scenario \"a \\\"quoted\\\" name\\n\" { "
        "about = \"why\", settle = \"1s\", "
        "lint = \"report\",\n" WHOLE
        "phase \"one\" { lasting = \"90s\", about = \"x\", settle = \"0ms\",\n"
        "  fault.latency { on = \"a -> b\", add = \"1m30s\", match = { method = { \"GET\", \"PUT\" "
        "}, header = { [\"x-tier\"] = \"gold\" } } },\n"
        "  during \"20s..\" { fault.abort { on = \"b\", mode = 2, status = 503 }, expect.status { "
        "on = \"a -> b\" } },\n"
        "  group \"both\" { fault.reset { on = \"b/1\" }, fault.reset { on = \"b/2\" } },\n"
        "  expect.amplification { on = \"a -> b\", atmost = 1.6, layers = { \"mesh\" } } },\n"
        "phase \"two\" { await.requests { on = \"a -> b\", count = 100, within = \"9s\", late = "
        "\"go_on\" } },\n"
        "expect.lint { never = { \"ejection.inert\" } } },\n"
        "scenario \"ext\" { mesh = mesh.linkerd { policy = \"l/\", version = \"2.19\", name = "
        "\"mine\", ignore = { \"a.b\" } },\n"
        " lab = lab { driver = \"external\", external = { to = { b = \"127.0.0.1:1\" } }, service "
        "\"b\" {} },\n"
        " load = load.open { on = \"client -> b\", rate = \"7/m\" }, phase \"p\" { lasting = "
        "\"1s\" } },\n"
        " scenario.from_policy { policy = { \"k8s/\" }, target = \"gateway-api@1.6\", edges = { "
        "\"client -> b\" }, patience = \"3s\",\n"
        "  lab = lab { service \"b\" { endpoints = 2 } } } }\n");
    check_round_trip(in_folder("round.lua", path, sizeof(path)));
}

static void every_shipped_suite_loads_and_survives(void **unused)
{
    glob_t found;
    (void)unused;
    assert_int_equal(glob(SOURCE_ROOT "/suites/*/*.lua", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 8);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char copy[128], text[65536] = "";
        FILE *f = fopen(found.gl_pathv[i], "r");
        assert_non_null(f);
        size_t len = fread(text, 1, sizeof(text) - 1, f);
        fclose(f);
        assert_true(len > 0);
        char policy[300], beside[128];
        const char *slash = strrchr(found.gl_pathv[i], '/');
        snprintf(policy, sizeof(policy), "%.*s/k8s", (int)(slash - found.gl_pathv[i]),
                 found.gl_pathv[i]);
        in_folder("k8s", beside, sizeof(beside));
        unlink(beside); /* that of the suite before */
        assert_int_equal(symlink(policy, beside), 0);
        write_file("shipped.lua", text);
        check_round_trip(in_folder("shipped.lua", copy, sizeof(copy)));
    }
    globfree(&found);
}

static void a_saved_plan_takes_no_settings_and_names_its_file(void **unused)
{
    static const char *const sets[] = {"rate=1/s"};
    (void)unused;
    write_file("bad.json", "{\"v\": 1,\n \"scenarios\": [}");
    assert_non_null(strstr(first_error("bad.json", NULL, 0), "bad.json:2: is no JSON: "));
    write_file("old.json", "{\"v\": 7}");
    assert_string_equal(
        first_error("old.json", NULL, 0),
        "old.json: a plan has \"v\": 1; this is no saved plan, or one of a newer version");
    write_file("set.json", "{\"v\": 1}");
    assert_non_null(strstr(first_error("set.json", sets, 1), "--set is for suites"));
    assert_non_null(strstr(first_error("not_there.lua", NULL, 0),
                           "not_there.lua: cannot be read: No such file"));
}

static int make_folder(void **unused)
{
    (void)unused;
    snprintf(folder, sizeof(folder), "/tmp/suite_test_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **unused)
{
    static const char *const patterns[] = {"lib/*", "lib", "*"};
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        char pattern[128];
        glob_t found;
        snprintf(pattern, sizeof(pattern), "%s/%s", folder, patterns[i]);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t j = 0; j < found.gl_pathc; j++)
            remove(found.gl_pathv[j]);
        globfree(&found);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_errors_read_as_the_language_says),
        cmocka_unit_test(other_mistakes_are_one_sentence_with_their_line),
        cmocka_unit_test(all_errors_of_a_file_are_said_in_order_at_most_twenty),
        cmocka_unit_test(a_tail_call_keeps_its_line),
        cmocka_unit_test(suites_give_defaults_and_from_policy_its_keys),
        cmocka_unit_test(numbers_of_the_policy_stand_for_typed_ones),
        cmocka_unit_test(numbers_that_the_policy_does_not_give_are_errors),
        cmocka_unit_test(settings_replace_params_of_their_type_only),
        cmocka_unit_test(require_reads_files_below_the_suite_once),
        cmocka_unit_test(plans_survive_json_and_lua),
        cmocka_unit_test(every_shipped_suite_loads_and_survives),
        cmocka_unit_test(a_saved_plan_takes_no_settings_and_names_its_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
