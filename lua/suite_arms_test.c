/* Scenarios of several meshes, and the lab's words for what stands in a row. */

#include "lua/suite_fixture_test.h"

#include "plan/row.h"

#define LAB(keys) "lab = lab { " keys " service \"b\" { endpoints = 3 } }, "
#define LOAD "load = load.open { on = \"client -> b\", rate = \"50/s\" }, "
#define TAIL(arm) \
    "phase \"quiet\" { lasting = \"20s\", expect.tail { on = \"client -> b\", against = 'arm " \
    "\"" arm "\"' } } "
#define QUIET \
    "phase \"quiet\" { lasting = \"20s\", expect.success { on = \"client -> b\", atleast = " \
    "\"99%\" } } "
#define ISTIO "mesh.istio { policy = \"k8s/\", version = \"1.31\" }"
#define NAMED(name) "mesh.istio { policy = \"k8s/\", version = \"1.31\", name = \"" name "\" }"

static struct plan *loaded(const char *name, const char *text)
{
    char path[700], shown[700];
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    write_file(name, text);
    if (!suite_load(in_folder(name, path, sizeof(path)), NULL, &p, errors, &count)) {
        error_format(&errors[0], shown, sizeof(shown));
        fail_msg("%s", shown);
    }
    return p;
}

static void split(struct plan *p)
{
    struct error err = {0};
    if (!plan_split_arms(p, &err) || !plan_check(p, &err))
        fail_msg("%s", err.text);
}

static void arms_become_scenarios_next_to_each_other(void **unused)
{
    (void)unused;
    struct plan *p = loaded(
        "arms.lua", "return suite \"tails\" { scenario \"which\" { mesh = { mesh.none {}, " NAMED(
                        "a") ", "
                             "mesh.linkerd { policy = \"l/\", version = \"2.19\" } },\n" LAB("")
                                 LOAD TAIL("none") "},\n"
                                                   "scenario \"alone\" { mesh = " ISTIO ", " LAB("")
                                                       LOAD QUIET "} }");
    assert_int_equal(p->scenario_count, 2);
    assert_int_equal(p->scenarios[0].arm_count, 3);
    assert_string_equal(p->scenarios[0].mesh.name, "a"); /* the first with a policy */
    split(p);
    static const char *const wanted[] = {"which, arm none", "which, arm a", "which, arm linkerd",
                                         "alone"};
    assert_int_equal(p->scenario_count, COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        assert_string_equal(p->scenarios[i].name, wanted[i]);
    assert_true(plan_is_control_arm(&p->scenarios[0]));
    assert_false(plan_is_control_arm(&p->scenarios[1]));
    assert_true(plan_same_arms(&p->scenarios[0], &p->scenarios[2]));
    assert_false(plan_same_arms(&p->scenarios[2], &p->scenarios[3]));
    plan_free(p);
}

/* `plan --as lua` of a plan that was split is a suite with the arms in one scenario again. */
static void split_arms_are_printed_together(void **unused)
{
    (void)unused;
    struct plan *p = loaded(
        "ext.lua", "return scenario \"which\" { mesh = { " NAMED("a") ", " NAMED(
                       "b") ", mesh.none {} },\n" LAB("driver = \"external\", tls = \"mutual\", "
                                                      "external = { a = { to = { b = "
                                                      "\"127.0.0.1:1\" } }, b = { to = { b = "
                                                      "\"127.0.0.1:2\" } } },") LOAD TAIL("a") "}");
    split(p);
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(p->scenarios[1].lab.external, "to"), "b")),
                        "127.0.0.1:2");
    assert_null(p->scenarios[2].lab.external);
    assert_int_equal(p->scenarios[2].lab.driver, DRIVER_BUILTIN);
    struct text lua;
    text_init(&lua, 1 << 20);
    plan_print_lua(p, &lua);
    struct plan *again = loaded("again.lua", text_get(&lua));
    text_release(&lua);
    assert_int_equal(again->scenario_count, 1);
    split(again);
    assert_int_equal(again->scenario_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(p->scenarios[i].name, again->scenarios[i].name);
        assert_true(json_equal(p->scenarios[i].lab.external, again->scenarios[i].lab.external) ||
                    p->scenarios[i].lab.external == again->scenarios[i].lab.external);
    }
    /* And as JSON. */
    json_t *json = plan_to_json(p);
    struct error err = {0};
    struct plan *saved;
    assert_true(plan_from_json(json, &saved, &err));
    json_t *back = plan_to_json(saved);
    assert_true(json_equal(json, back));
    assert_string_equal(saved->scenarios[1].arms_of, "which");
    json_decref(json);
    json_decref(back);
    plan_free(saved);
    plan_free(again);
    plan_free(p);
}

static void what_is_wrong_with_arms_is_said(void **unused)
{
    static const struct golden rows[] = {
        {"one.lua", "return scenario \"s\" { mesh = { " ISTIO " }, " LAB("") LOAD QUIET "}",
         "one.lua:1: scenario: mesh has 1 meshes; as arms 2 to 4"},
        {"twice.lua",
         "return scenario \"s\" { mesh = { " ISTIO ",\n" ISTIO " }, " LAB("") LOAD QUIET "}",
         "twice.lua:2: two arms are called \"istio\": give one of them a name"},
        {"none.lua",
         "return scenario \"s\" { mesh = { mesh.none {}, mesh.none { name = \"b\" } }, " LAB("")
             LOAD QUIET "}",
         "none.lua:1: scenario \"s\": no arm has a mesh: mesh.none is there to be compared with"},
        {"name.lua",
         "return scenario \"s\" { mesh = { " NAMED("a b") ", mesh.none {} }, " LAB("") LOAD QUIET
         "}",
         "name.lua:1: mesh.istio: name is \"a b\"; as an arm it has 1 to 40 of a-z A-Z 0-9 - _ ."},
        {"tail.lua",
         "return scenario \"s\" { mesh = { " ISTIO ", mesh.none {} }, " LAB("")
             LOAD TAIL("linkerd") "}",
         "tail.lua:1: expect.tail: against names no arm: \"linkerd\""},
        {"alone.lua", "return scenario \"s\" { mesh = " ISTIO ", " LAB("") LOAD TAIL("none") "}",
         "alone.lua:1: expect.tail: against names no arm: \"none\""},
        {"word.lua", "return scenario \"s\" { mesh = { " ISTIO ", 3 }, " LAB("") LOAD QUIET "}",
         "word.lua:1: scenario: position 2 is a number; it must be a step or a list of steps"},
        {"ext.lua",
         "return scenario \"s\" { mesh = { " NAMED("a") ", " NAMED("b") " },\n" LAB(
             "driver = \"external\", external = { a = { to = { b = \"127.0.0.1:1\" } } },")
             LOAD QUIET "}",
         "ext.lua:2: lab: external has no table \"b\": with arms it has one under each arm's name"},
    };
    (void)unused;
    check_golden(rows, COUNT_OF(rows));
}

static void what_stands_in_a_row_is_said(void **unused)
{
    static const struct golden rows[] = {
        {"plane.lua",
         "return scenario \"s\" { mesh = " ISTIO ", " LAB("proxies = \"waypoint\",") LOAD QUIET "}",
         "plane.lua:1: lab: proxies = \"waypoint\" is of mesh.istio_ambient; this is mesh.istio"},
        {"meshed.lua",
         "return scenario \"s\" { mesh = " ISTIO ", lab = lab { service \"b\" { meshed = "
         "\"maybe\" } }, " LOAD QUIET "}",
         "meshed.lua:1: service: meshed is \"maybe\"; it is one of yes, no, leftover_sidecar"},
        {"path.lua",
         "return scenario \"s\" { mesh = " ISTIO ", " LAB("") LOAD
         "phase \"p\" { lasting = \"9s\",\nexpect.path { on = \"client -> b\" } } }",
         "path.lua:2: expect.path needs through or never"},
        {"address.lua",
         "return scenario \"s\" { mesh = " ISTIO ", lab = lab {\nservice \"b\" { address "
         "= { \"127.0.0.1:80\" }, work = \"2ms\" } }, " LOAD QUIET "}",
         "address.lua:2: service \"b\" has both address and work: what runs already is no stub of "
         "ours, with one endpoint an address"},
        {"quarantine.lua",
         "return scenario \"s\" { mesh = " ISTIO ", " LAB("") LOAD
         "quarantine = { until_date = \"soon\", owner = \"a\", reason = \"b\" }, " QUIET "}",
         "quarantine.lua:1: scenario: quarantine: until_date is \"soon\"; it must be a day such as "
         "\"2026-12-31\""},
        {"owner.lua",
         "return scenario \"s\" { mesh = " ISTIO ", " LAB("") LOAD
         "quarantine = { until_date = \"2026-12-31\", reason = \"b\" }, " QUIET "}",
         "owner.lua:1: scenario: quarantine needs owner"},
        {"reason.lua",
         "return scenario \"s\" { mesh = " ISTIO ", " LAB("") LOAD
         "quarantine = { until_date = \"2026-12-31\", owner = \"a\", reason = 5 }, " QUIET "}",
         "reason.lua:1: scenario: quarantine: reason is 5; it must be a text"},
    };
    (void)unused;
    check_golden(rows, COUNT_OF(rows));
}

static void an_envoy_plays_what_the_builtin_mesh_cannot(void **unused)
{
    (void)unused;
    struct plan *p =
        loaded("plain.lua", "return scenario \"s\" { mesh = " ISTIO ", " LAB("") LOAD QUIET "}");
    assert_int_equal(p->scenarios[0].lab.driver, DRIVER_BUILTIN);
    plan_free(p);
    p = loaded("tls.lua", "return scenario \"s\" { mesh = " ISTIO ", " LAB("") LOAD
               "phase \"p\" { lasting = \"9s\", expect.mtls { on = \"client -> b\" } } }");
    assert_int_equal(p->scenarios[0].lab.driver, DRIVER_ENVOY);
    assert_true(plan_lab_tls(&p->scenarios[0]));
    plan_free(p);
    p = loaded("grpc.lua",
               "return scenario \"s\" { mesh = " ISTIO ", lab = lab { service \"b\" { "
               "protocol = \"grpc\" } }, load = load.open { on = \"client -> b\", rate = \"9/s\", "
               "protocol = \"grpc\", call = \"a.B/C\" }, " QUIET "}");
    assert_int_equal(p->scenarios[0].lab.driver, DRIVER_ENVOY);
    plan_free(p);
    p = loaded("said.lua", "return scenario \"s\" { mesh = " ISTIO ", " LAB("driver = \"builtin\",")
                               LOAD QUIET "}");
    assert_int_equal(p->scenarios[0].lab.driver, DRIVER_BUILTIN);
    plan_free(p);
}

static void a_service_that_runs_has_an_endpoint_for_each_address(void **unused)
{
    (void)unused;
    struct plan *p =
        loaded("runs.lua",
               "return scenario \"s\" { mesh = " ISTIO ", lab = lab { service "
               "\"b\" { address = { \"127.0.0.1:80\", \"127.0.0.1:81\" } } }, " LOAD QUIET "}");
    assert_int_equal(p->scenarios[0].lab.services[0].endpoints, 2);
    assert_string_equal(p->scenarios[0].lab.services[0].addresses[1], "127.0.0.1:81");
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arms_become_scenarios_next_to_each_other),
        cmocka_unit_test(split_arms_are_printed_together),
        cmocka_unit_test(what_is_wrong_with_arms_is_said),
        cmocka_unit_test(what_stands_in_a_row_is_said),
        cmocka_unit_test(an_envoy_plays_what_the_builtin_mesh_cannot),
        cmocka_unit_test(a_service_that_runs_has_an_endpoint_for_each_address),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
