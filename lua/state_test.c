#include "lua/suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Suites that mean harm, or nothing: each ends, with one sentence, whatever pcall they use. */

static char path[64];

/* Loads ${text}; the errors' first sentence in ${to}. Returns how many there are. */
static size_t load(const char *text, size_t len, char *to, size_t size)
{
    struct error errors[ERRORS_MOST];
    struct plan *p;
    size_t count;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite(text, 1, len, f);
    fclose(f);
    bool good = suite_load(path, NULL, &p, errors, &count);
    assert_int_equal(good, count == 0);
    snprintf(to, size, "%s", count == 0 ? "" : errors[0].text);
    plan_free(p);
    return count;
}

struct row {
    const char *suite, *text;
};

static void check(const struct row *rows, size_t count)
{
    char text[300];
    for (size_t i = 0; i < count; i++) {
        size_t errors = load(rows[i].suite, strlen(rows[i].suite), text, sizeof(text));
        if (errors != 1)
            fail_msg("%zu errors, first \"%s\": %s", errors, text, rows[i].suite);
        if (strstr(text, rows[i].text) == NULL)
            fail_msg("\"%s\" is not in \"%s\": %s", rows[i].text, text, rows[i].suite);
    }
}

static void endless_suites_are_stopped_and_pcall_cannot_help(void **unused)
{
    static const struct row rows[] = {
        {"while true do end", "a suite may take at most"},
        {"while true do pcall(function() while true do end end) end", "a suite may take at most"},
        {"local function f() return f() end f()", "a suite may take at most"},
        {"local function f() pcall(f) f() end f()", "a suite may"},
        {"for i = 1, math.huge do local t = { i } end", "a suite may take at most"},
        {"local t = {} for i = 1, 300 do t[i] = i end while true do pcall(table.sort, t, "
         "function(a, b) return a > b end) end",
         "a suite may take at most"},
    };
    (void)unused;
    check(rows, COUNT_OF(rows));
}

static void memory_is_capped_and_pcall_cannot_help(void **unused)
{
    static const struct row rows[] = {
        {"local t = {} for i = 1, 1e9 do t[i] = (\"x\"):rep(1000) .. i end", "at most 64 MiB"},
        {"local s = \"x\" while true do s = s .. s end", "at most 64 MiB"},
        {"while true do pcall(function() local s = \"x\" while true do s = s .. s end end) end",
         "at most 64 MiB"},
        {"local t = {} pcall(function() for i = 1, 1e9 do t[i] = i end end) return t",
         "at most 64 MiB"},
        {"local s = (\"x\"):rep(1e9)", "string.rep makes at most 1 MiB"},
        {"local s = (\"x\"):rep(2, (\"y\"):rep(1000000))", "string.rep makes at most 1 MiB"},
        {"local s = string.pack(\"c100000000\", \"\")", "at most 64 MiB"},
        {"local s = string.split((\"x\"):rep(1000000):rep(1), \"x\") return s[1]",
         "a suite file returns"},
    };
    (void)unused;
    check(rows, COUNT_OF(rows));
}

static void garbage_alone_is_no_reason_to_stop(void **unused)
{
    char text[300];
    static const char suite[] =
        "local x = (\"x\"):rep(100000) for i = 1, 3000 do local s = x .. i end\n"
        "return scenario \"s\" { mesh = mesh.none {}, lab = lab { service \"b\" {} },\n"
        "load = load.open { on = \"client -> b\", rate = \"1/s\" }, phase \"p\" { lasting = \"1s\" "
        "} }";
    (void)unused;
    if (load(suite, sizeof(suite) - 1, text, sizeof(text)) != 0)
        fail_msg("%s", text);
}

static void deep_nesting_ends(void **unused)
{
    char text[300];
    struct text suite;
    static const struct row rows[] = {
        {"local function f() return 1 + f() end f()", ""},
        {"local t = {} t[1] = t return suite \"x\" { t }", "nested deeper than 16"},
        {"local s = {} for i = 1, 50000 do s = { s } end return suite \"x\" { s }",
         "nested deeper than 16"},
        {"local t = {} t.a = t return scenario \"s\" { about = t }", "is nested deeper than 8"},
        {"local t = {} for i = 1, 15 do local u = {} for j = 1, 9000 do u[j] = t end t = u end "
         "return suite \"x\" { t }",
         "a suite makes at most 200000 values"},
        {"local a = (\"a\"):rep(60000) local l = {} for i = 1, 9000 do l[i] = a end return "
         "scenario \"s\" { tags = l }",
         "12 MiB of text"},
    };
    (void)unused;
    check(rows, COUNT_OF(rows));
    text_init(&suite, 1 << 20);
    text_add(&suite, "return ");
    for (int i = 0; i < 50000; i++)
        text_add(&suite, "{");
    assert_int_equal(load(text_get(&suite), suite.len, text, sizeof(text)), 1);
    assert_non_null(strstr(text, "is nested, or calls itself, too deeply"));
    text_release(&suite);
}

static void lies_about_lengths_do_not_loop(void **unused)
{
    static const struct row rows[] = {
        {"table.move({}, 1, math.maxinteger - 1, 2)", "table.move moves at most"},
        {"table.concat({}, \"\", math.mininteger, math.maxinteger)", "table.concat begins at 1"},
        {"table.unpack({}, 1, 1e8)", "too many results to unpack"},
        {"local t = {} for k = 0, 61 do t[1 << k] = 1 end local n = #t t[n + 1] = 1 "
         "table.insert(t, 1, 1)",
         "more than 1 000 000 entries"},
    };
    (void)unused;
    check(rows, COUNT_OF(rows));
}

static void bytecode_is_refused(void **unused)
{
    char text[300];
    static const char chunk[] = "\x1bLuaT\0\x19\x93\r\n\x1a\n";
    (void)unused;
    assert_int_equal(load(chunk, sizeof(chunk), text, sizeof(text)), 1);
    assert_string_equal(text, "is compiled; a suite is a text file");
}

static void what_reaches_outside_or_changes_the_language_is_not_there(void **unused)
{
    static const char *const gone[] = {
        "io",           "os",         "debug",    "package",  "coroutine",      "print",
        "load_",        "loadstring", "dofile",   "loadfile", "collectgarbage", "setmetatable",
        "getmetatable", "rawget",     "rawset",   "rawequal", "rawlen",         "xpcall",
        "warn",         "_G",         "_VERSION",
    };
    static const struct row rows[] = {
        {"string.x = 1", "cannot be changed"},
        {"string.rep = nil", "cannot be changed"},
        {"table.insert(math, 1)", "cannot be changed"},
        {"fault.x = 1", "cannot be changed"},
        {"load(\"return 1\")", "attempt to call a table value"},
        {"(\"a\"):match(\"a\")", "method 'match'"},
        {"string.gsub(\"a\", \"a\", \"b\")", "field 'gsub'"},
        {"string.dump(tostring)", "field 'dump'"},
        {"math.random()", "field 'random'"},
        {"string.format(\"%p\", {})", "addresses differ"},
        {"function helper() end", "\"helper\" would be a global; write local helper"},
        {"_ENV.x = 1", "\"x\" would be a global"},
        {"error({})", "error with table instead of a text"},
        {"error()", "error with nil instead of a text"},
        {"local n = scenario \"s\" {} n.name = 1", "attempt to index a userdata value"},
        {"pcall(function() return fault.nope end) return suite \"x\" {}", "there is no fault.nope"},
        {"require \"/etc/passwd\"", "only names below"},
        {"require \"std/../x\"", "only names below"},
        {"require(\"a\\0b\")", "only names below"},
    };
    char text[300], suite[64];
    (void)unused;
    check(rows, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(gone); i++) {
        snprintf(suite, sizeof(suite), "return %s", gone[i]);
        assert_int_equal(load(suite, strlen(suite), text, sizeof(text)), 1);
        assert_non_null(strstr(text, "there is no word"));
    }
}

static void loading_is_the_same_each_time(void **unused)
{
    static const struct row rows[] = {
        {"local s = \"\" for k, v in pairs({ bb = 1, a = 2, ccc = 3, 5, 6, [\"\"] = 7 }) do s = s "
         ".. k .. v .. \" \" end error(s)",
         "15 26 7 a2 bb1 ccc3 "},
        {"local s, t = \"\", { z = 1, y = 2, x = 3 } for k in next, t do s = s .. k end error(s)",
         "xyz"},
        {"error(tostring({}) .. tostring(print_ == nil))", "there is no word \"print_\""},
        {"error(tostring({}) .. (\"%s\"):format(tostring))", "tablefunction"},
        {"error((\"a.b\"):find(\".\") .. tostring(string.glob(\"a/b\", \"a*\")) .. "
         "#string.split(\"a,b,,\", \",\"))",
         "2false4"},
    };
    (void)unused;
    check(rows, COUNT_OF(rows));
}

static int make_path(void **unused)
{
    (void)unused;
    snprintf(path, sizeof(path), "/tmp/state_test_%ld.lua", (long)getpid());
    return 0;
}

static int remove_path(void **unused)
{
    (void)unused;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_suites_are_stopped_and_pcall_cannot_help),
        cmocka_unit_test(memory_is_capped_and_pcall_cannot_help),
        cmocka_unit_test(garbage_alone_is_no_reason_to_stop),
        cmocka_unit_test(deep_nesting_ends),
        cmocka_unit_test(lies_about_lengths_do_not_loop),
        cmocka_unit_test(bytecode_is_refused),
        cmocka_unit_test(what_reaches_outside_or_changes_the_language_is_not_there),
        cmocka_unit_test(loading_is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
