/* Suites that became plans, saved as JSON or printed as Lua, and loaded again. */

#include "lua/suite_fixture_test.h"

#include <sys/wait.h>
#include <unistd.h>

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
        "lint = \"report\",\n"
        "guard = { guard.limits { delay = \"2m\", endpoints = 3, share = \"70%\", services = { "
        "\"b\" } },\n guard.stop { probe = \"up\", below = 1, over = \"15s\", note = \"why\" },\n"
        " guard.stop { probe = probe.client { on = \"a -> b\", value = \"errors\" }, above = "
        "\"25%\", missing = \"ignore\" },\n"
        " guard.window { allow = { \"Mon-Fri 09:00-17:00\" }, deny = { \"2026-12-20\" } },\n"
        " guard.approval { ask = \"Start?\\n\", role = \"lead\", count = 2, within = \"1m\" },\n"
        " guard.approval { ask = \"Sure?\" } },\n"
        "notify = { notify.slack { url_from = \"SLACK\" }, notify.grafana { url = \"https://g\", "
        "token = \"T\", tags = { \"a\", \"b\" } }, notify.webhook { url = \"http://h/x\", events = "
        "{ \"phase\", \"verdict\" } } },\n"
        "probes = { up = probe.tcp { address = \"127.0.0.1:1\", every = \"1s\" }, [\"a b\"] = "
        "probe.http { url = \"http://127.0.0.1:1/x\", value = \"/n\" } },\n" WHOLE
        "phase \"one\" { lasting = \"90s\", about = \"x\", settle = \"0ms\",\n"
        "  fault.latency { on = \"a -> b\", add = \"1m30s\", match = { method = { \"GET\", \"PUT\" "
        "}, header = { [\"x-tier\"] = \"gold\" } } },\n"
        "  during \"20s..\" { fault.abort { on = \"b\", mode = 2, status = 503 }, expect.status { "
        "on = \"a -> b\" } },\n"
        "  group \"both\" { fault.reset { on = \"b/1\" }, fault.reset { on = \"b/2\" } },\n"
        "  expect.amplification { on = \"a -> b\", atmost = 1.6, layers = { \"mesh\" } } },\n"
        "phase \"two\" { await.requests { on = \"a -> b\", count = 100, within = \"9s\", late = "
        "\"go_on\" },\n"
        "  await.human { ask = \"Done?\", within = \"9s\", role = \"a.b\", hold_faults = "
        "\"disarm\" },\n"
        "  expect.human { ask = \"Which?\", answer = \"it\", within = \"5m\", gates = \"no\" } },\n"
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

static void copy_suites(const char *to)
{
    int status = 1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execlp("cp", "cp", "-R", SOURCE_ROOT "/suites", to, NULL);
        _exit(127);
    }
    assert_true(waitpid(child, &status, 0) == child && status == 0);
}

/* In copies: a suite reads nothing outside of its own folder, and the test writes beside it. */
static void every_shipped_suite_loads_and_survives(void **unused)
{
    glob_t found;
    char pattern[128];
    (void)unused;
    copy_suites(in_folder("", pattern, sizeof(pattern)));
    in_folder("suites/*/*.lua", pattern, sizeof(pattern));
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 20);
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (strstr(found.gl_pathv[i], ".fail.lua") == NULL) /* lint's: it is wrong on purpose */
            check_round_trip(found.gl_pathv[i]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_survive_json_and_lua),
        cmocka_unit_test(every_shipped_suite_loads_and_survives),
        cmocka_unit_test(a_saved_plan_takes_no_settings_and_names_its_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
