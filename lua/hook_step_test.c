#include "lua/suite.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* fault.hook in a suite: the file is read beside it and checked, and the plan carries its text. */

static char folder[64];

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct plan *load_file(const char *name, char *said, size_t size)
{
    struct error errors[ERRORS_MOST];
    struct plan *p = NULL;
    size_t count;
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    bool good = suite_load(path, NULL, &p, errors, &count);
    assert_int_equal(good, count == 0);
    said[0] = '\0';
    if (count > 0)
        error_format(&errors[0], said, size);
    return p;
}

#define SUITE(keys) \
    "return scenario \"s\" { mesh = mesh.none {}, lab = lab { service \"b\" {} },\n" \
    "load = load.open { on = \"client -> b\", rate = \"1/s\" }, phase \"p\" { lasting = \"1s\",\n" \
    "fault.hook { on = \"b\", " keys " } } }"

static void the_text_goes_into_the_plan_and_back(void **unused)
{
    char said[400];
    static const char text[] =
        "return hook \"h\" { with = { n = \"count=3\" }, on_request = function() end }\n";
    (void)unused;
    write_file("hooks/h.lua", text);
    write_file("s.lua", SUITE("use = \"hooks/h.lua\", with = { n = 4 }, share = \"10%\""));
    struct plan *p = load_file("s.lua", said, sizeof(said));
    assert_string_equal(said, "");
    const json_t *keys = p->scenarios[0].phases[0].steps[0].keys;
    assert_string_equal(json_string_value(json_object_get(keys, "text")), text);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(keys, "with"), "n")), 4);
    assert_int_equal(json_array_size(p->files), 2);
    /* saved, and read without the file */
    json_t *json = plan_to_json(p);
    char *saved = json_dumps(json, JSON_INDENT(1));
    json_decref(json);
    write_file("p.json", saved);
    free(saved);
    write_file("hooks/h.lua", "gone");
    struct plan *again = load_file("p.json", said, sizeof(said));
    assert_string_equal(said, "");
    keys = again->scenarios[0].phases[0].steps[0].keys;
    assert_string_equal(json_string_value(json_object_get(keys, "text")), text);
    /* and printed as a suite, which needs no file either */
    struct text lua;
    text_init(&lua, 1 << 20);
    plan_print_lua(p, &lua);
    write_file("printed.lua", text_get(&lua));
    text_release(&lua);
    plan_free(load_file("printed.lua", said, sizeof(said)));
    assert_string_equal(said, "");
    plan_free(p);
    plan_free(again);
}

static void errors_name_the_line_that_is_wrong(void **unused)
{
    static const struct {
        const char *hook, *keys, *said;
    } rows[] = {
        {"return hook \"h\" {\n on_request = function( end }", "use = \"hooks/h.lua\"",
         "hooks/h.lua:2: <name> or '...' expected near 'end'"},
        {"return hook \"h\" { with = { n = \"count\" } }",
         "use = \"hooks/h.lua\", with = { m = 1 }",
         "s.lua:3: fault.hook: with has no key \"m\" (did you mean \"n\"?); hook \"h\" declares n"},
        {"return hook \"h\" { with = { n = \"count!\" } }", "use = \"hooks/h.lua\"",
         "s.lua:3: fault.hook: needs with.n, a count"},
        {"return hook \"h\" { with = { d = \"duration\" } }",
         "use = \"hooks/h.lua\", with = { d = \"400\" }",
         "s.lua:3: fault.hook: with.d is \"400\"; it must be a duration"},
        {"", "use = \"hooks/none.lua\"", "s.lua:3: fault.hook: use: "},
        {"", "use = \"/etc/passwd\"",
         "s.lua:3: fault.hook: use is \"/etc/passwd\"; it must be a file below the suite's folder"},
        {"", "use = \"../../etc/passwd\"", "it must be a file below the suite's folder"},
        {"", "with = { n = 1 }", "s.lua:3: fault.hook needs use"},
        {"", "use = 3", "s.lua:3: fault.hook: use is 3; it must be a text"},
        {"return hook \"h\" { with = { d = \"text\" } }",
         "use = \"hooks/h.lua\", with = { d = { 1 } }",
         "has \"d\", whose value is neither a text nor a count"},
        {"return 1", "use = \"hooks/h.lua\"", "a hook file returns one hook"},
        {"return hook \"h\" {}", "use = \"hooks/h.lua\", wiht = { a = 1 }",
         "(did you mean \"with\"?)"},
    };
    char said[400];
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char suite[600];
        write_file("hooks/h.lua", rows[i].hook);
        snprintf(suite, sizeof(suite), SUITE("%s"), rows[i].keys);
        write_file("s.lua", suite);
        plan_free(load_file("s.lua", said, sizeof(said)));
        if (strstr(said, rows[i].said) == NULL)
            fail_msg("\"%s\" is not in \"%s\"", rows[i].said, said);
    }
}

static int make_folder(void **unused)
{
    char hooks[80];
    (void)unused;
    snprintf(folder, sizeof(folder), "/tmp/hook_step_test_%ld", (long)getpid());
    snprintf(hooks, sizeof(hooks), "%s/hooks", folder);
    return mkdir(folder, 0700) != 0 || mkdir(hooks, 0700) != 0;
}

static int remove_folder(void **unused)
{
    static const char *const names[] = {"hooks/h.lua", "s.lua", "p.json", "printed.lua", "hooks"};
    char path[128];
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_goes_into_the_plan_and_back),
        cmocka_unit_test(errors_name_the_line_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
