/* The words of certificates in a suite, and std/cert's lists of them. */

#include "lua/suite_fixture_test.h"

#define LAB(driver) \
    "local c = require \"std/cert\"\n" \
    "return scenario \"s\" { mesh = mesh.none {}, lab = lab { " driver \
    "service \"b\" { endpoints = 2 } },\n" \
    "load = load.open { on = \"client -> b\", rate = \"1/s\" }, phase \"p\" { lasting = \"9m\",\n"
#define ENVOY LAB("driver = \"envoy\", ")
#define END " } }"

static const struct golden wrong[] = {
    {"trust.lua", ENVOY "cert.trust {}" END, "trust.lua:4: cert.trust needs add or drop"},
    {"both.lua", ENVOY "cert.trust { add = \"r\", drop = \"r\" }" END,
     "both.lua:4: cert.trust: add and drop are both \"r\""},
    {"to.lua", ENVOY "cert.issue { root = \"r\" }" END, "to.lua:4: cert.issue needs to"},
    {"edge.lua", ENVOY "cert.issue { to = \"client -> b\" }" END,
     "edge.lua:4: cert.issue: to is \"client -> b\"; it must be a service such as \"b\", an "
     "endpoint "
     "such as \"b/2\", or \"client\""},
    {"third.lua", ENVOY "cert.issue { to = \"b/3\" }" END,
     "third.lua:4: cert.issue: to is \"b/3\"; \"b\" has 2 endpoints"},
    {"nobody.lua", ENVOY "cert.issue { to = \"c\" }" END,
     "nobody.lua:4: cert.issue: to names \"c\": the lab has no such service"},
    {"twice.lua", ENVOY "cert.issue { to = { \"b\", \"b/2\" } }" END,
     "twice.lua:4: cert.issue: to names \"b/2\" twice"},
    {"root.lua", ENVOY "cert.rotate {}" END, "root.lua:4: cert.rotate needs root"},
    {"reconnect.lua", ENVOY "cert.rotate { root = \"r\", reconnect = \"now\" }" END,
     "reconnect.lua:4: cert.rotate: reconnect is \"now\"; it is one of none, drain, each"},
    {"ttl.lua", ENVOY "cert.issue { to = \"b\", ttl = \"10ms\" }" END,
     "ttl.lua:4: cert.issue: ttl must be at least 1s"},
    {"drop.lua", ENVOY "cert.trust { drop = \"root-a\" }" END,
     "drop.lua:4: dropping root-a would leave b/1 without any root to trust; add another one "
     "first"},
    {"unknown.lua", ENVOY "at \"1s\" { cert.trust { drop = \"root-z\" } }" END,
     "unknown.lua:4: cert.trust: there is no root \"root-z\" to drop"},
    {"builtin.lua", LAB("driver = \"builtin\", tls = \"mutual\", ") END,
     "builtin.lua:2: lab: tls = \"mutual\" needs driver = \"envoy\": the builtin mesh has no TLS "
     "of "
     "ours"},
    {"off.lua", LAB("driver = \"envoy\", tls = \"off\", ") "cert.trust { add = \"r\" }" END,
     "off.lua:4: cert.trust needs lab tls, which is \"off\""},
    {"fault.lua", LAB("driver = \"builtin\", ") "fault.cert { on = \"b\", kind = \"expired\" }" END,
     "fault.lua:4: fault.cert needs lab tls: write lab { driver = \"envoy\", tls = \"mutual\", ... "
     "}"},
    {"mode.lua", LAB("tls = \"strict\", ") END,
     "mode.lua:2: lab: tls is \"strict\"; it is one of "
     "mutual, off"},
    {"std.lua", "local c = require \"std/certs\"\nreturn 1",
     "std.lua:1: require \"std/certs\": std/ has no such file"},
    {"step.lua", ENVOY "c.rollover { step = 5 }" END,
     "step.lua:4: std/cert: rollover: step is 5; it must be a duration such as \"20s\""},
    {"stop.lua", ENVOY "c.rollover { stop = \"5s\" }" END,
     "stop.lua:4: std/cert: rollover has no key \"stop\""},
    {"kind.lua", ENVOY "c.skewed { on = \"b/1\", kind = \"odd\" }" END,
     "kind.lua:4: std/cert: skewed: kind is \"odd\"; it is one of early_leaf, late_leaf, "
     "late_trust"},
};

static void what_is_wrong_is_said_with_the_suites_line(void **unused)
{
    (void)unused;
    check_golden(wrong, COUNT_OF(wrong));
}

static struct plan *load(const char *name, const char *text)
{
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    char path[128];
    write_file(name, text);
    if (!suite_load(in_folder(name, path, sizeof(path)), NULL, &p, errors, &count))
        fail_msg("%s", errors[0].text);
    return p;
}

static const char *key(const struct step *s, const char *name)
{
    return json_string_value(json_object_get(s->keys, name));
}

static void a_rollover_adds_rotates_waits_and_drops(void **unused)
{
    (void)unused;
    struct plan *p =
        load("rollover.lua", ENVOY "c.rollover { from = \"root-a\", to = \"root-b\", step = "
                                   "\"1m30s\", overlap = \"500ms\" }" END);
    const struct phase *phase = &p->scenarios[0].phases[0];
    assert_int_equal(phase->step_count, 3);
    assert_true(phase->steps[0].kind == STEP_CERT);
    assert_string_equal(phase->steps[0].word, "trust");
    assert_string_equal(key(&phase->steps[0], "add"), "root-b");
    assert_int_equal(phase->steps[0].source.line, 4);
    assert_true(phase->steps[1].kind == STEP_AT);
    assert_int_equal(phase->steps[1].from_ns, UINT64_C(90000000000));
    assert_string_equal(phase->steps[1].steps[0].word, "rotate");
    assert_string_equal(key(&phase->steps[1].steps[0], "root"), "root-b");
    assert_int_equal(phase->steps[2].from_ns, UINT64_C(90500000000));
    assert_string_equal(key(&phase->steps[2].steps[0], "drop"), "root-a");
    assert_true(plan_lab_tls(&p->scenarios[0]));
    plan_free(p);
}

static void a_suite_of_certificates_is_saved_and_printed_whole(void **unused)
{
    static const char text[] =
        ENVOY "c.skewed { on = \"b/1\", kind = \"early_leaf\", step = \"1s\" },\n"
              "during \"30s..40s\" { cert.rotate { root = \"root-c\", to = { \"client\", \"b/2\" "
              "}, stagger = "
              "\"1s\", reconnect = \"each\" } },\n"
              "group \"g\" { cert.trust { add = \"root-d\" } }" END;
    struct error err = {0};
    struct plan *back;
    (void)unused;
    struct plan *p = load("whole.lua", text);
    p->scenarios[0].lab.tls = "mutual";
    p->scenarios[0].mesh.trust_domain = "prod.example";
    json_t *json = plan_to_json(p);
    assert_true(plan_from_json(json, &back, &err));
    json_t *again = plan_to_json(back);
    assert_true(json_equal(json, again));
    assert_string_equal(back->scenarios[0].lab.tls, "mutual");
    json_decref(json);
    json_decref(again);
    struct text lua;
    text_init(&lua, 65536);
    plan_print_lua(p, &lua);
    struct plan *third = load("printed.lua", text_get(&lua));
    const struct phase *phase = &third->scenarios[0].phases[0];
    assert_int_equal(phase->step_count, 6);
    assert_string_equal(third->scenarios[0].mesh.trust_domain, "prod.example");
    assert_string_equal(key(&phase->steps[4].steps[0], "reconnect"), "each");
    text_release(&lua);
    plan_free(third);
    plan_free(back);
    plan_free(p);
}

static void tls_is_off_where_nothing_needs_it(void **unused)
{
    (void)unused;
    struct plan *p = load("calm.lua", ENVOY END);
    assert_false(plan_lab_tls(&p->scenarios[0]));
    p->scenarios[0].lab.tls = "mutual";
    assert_true(plan_lab_tls(&p->scenarios[0]));
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said_with_the_suites_line),
        cmocka_unit_test(a_rollover_adds_rotates_waits_and_drops),
        cmocka_unit_test(a_suite_of_certificates_is_saved_and_printed_whole),
        cmocka_unit_test(tls_is_off_where_nothing_needs_it),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
