#include "lua/hook_fixture_test.h"

/* Hooks that mean harm, or err: each ends, is switched off, is told once with its line, and the
 * request passes. */

static void check(const char *body, const char *text)
{
    char hook[1024];
    snprintf(hook, sizeof(hook), "return hook \"t\" { on_request = function(call)\n%s\nend }",
             body);
    struct hook_case *c = hook_case_new(hook, NULL);
    struct answer a = hook_case_head(c, SIDE_REQUEST);
    if (a.act != ACT_PASS)
        fail_msg("%s: act %d", body, a.act);
    expect_line(c, 0, HOOK_ERROR, "h.lua:2", text);
    expect_line(c, 0, HOOK_ERROR, "h.lua:2", "on_request: ");
    hook_case_next(c);
    assert_int_equal(hook_case_head(c, SIDE_REQUEST).act, ACT_PASS);
    assert_int_equal(c->line_count, 1);
    hook_case_close(c);
    hook_case_free(c);
}

static void endless_loops_end_whatever_pcall_they_use(void **unused)
{
    static const char stopped[] = "a hook may take at most 100 000 instructions a call";
    (void)unused;
    check("while true do end", stopped);
    check("while true do pcall(function() while true do end end) end", stopped);
    check("pcall(function() while true do end end) return act.reset()", stopped);
    check("local function f() return f() end f()", stopped);
    check("local t = {} for i = 1, 300 do t[i] = i end while true do pcall(table.sort, t, "
          "function(a, b) return a > b end) end",
          stopped);
    check("local s = (\"x\"):rep(1 << 20) while true do s:find(\"y\") end", stopped);
}

static void memory_is_capped_whatever_pcall_they_use(void **unused)
{
    static const char stopped[] = "a hook may use at most 8 MiB";
    (void)unused;
    check("local s = \"x\" while true do s = s .. s end", stopped);
    check("pcall(function() local s = \"x\" while true do s = s .. s end end) return act.reset()",
          stopped);
    check("string.pack(\"c100000000\", \"\")", stopped);
    check("local s = (\"x\"):rep(1e9)", "string.rep makes at most 1 MiB");
    check("local s = (\"x\"):rep(2, (\"y\"):rep(1000000))", "string.rep makes at most 1 MiB");
}

static void garbage_of_many_calls_is_no_reason_to_stop(void **unused)
{
    (void)unused;
    struct hook_case *c = hook_case_new(
        HOOK("on_request = function(call) call.ctx.s = (\"x\"):rep(100000) end"), NULL);
    for (int i = 0; i < 500; i++) {
        hook_case_next(c);
        c->call.conn = (uint32_t)i;
        hook_case_head(c, SIDE_REQUEST);
        hook_case_close(c);
    }
    expect_no_line(c);
    hook_case_free(c);
}

static void patterns_name_what_to_use_instead(void **unused)
{
    (void)unused;
    check("return (\"a\"):match(\"a\")", "string.match is absent");
    check("string.gsub(\"a\", \"a\", \"b\")", "string.find (plain), string.glob(s, \"a*\")");
    check("for w in string.gmatch(\"a\", \".\") do end", "string.gmatch is absent");
}

static void there_is_no_way_out_of_the_sandbox(void **unused)
{
    static const char *const gone[] = {
        "coroutine", "load",  "dofile",       "loadfile",     "require", "print",  "io",
        "os",        "debug", "setmetatable", "getmetatable", "rawget",  "rawset", "collectgarbage",
        "xpcall",    "_G",    "fault",        "scenario"};
    char text[100], body[100];
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(gone); i++) {
        snprintf(body, sizeof(body), "local x = %s", gone[i]);
        snprintf(text, sizeof(text), "there is no word \"%s\" in a hook file", gone[i]);
        check(body, text);
    }
    check("string.rep = nil", "cannot be changed");
    check("act.hold = nil", "cannot be changed");
    check("x = 1", "\"x\" would be a global; write local x");
    check("call.status = 1", "read-only; keep what is yours in ctx");
    check("call.with.x = 1", "cannot be changed");
    check("call.ctx = {}", "read-only");
    check("string.dump(tostring)", "field 'dump'");
    check("math.random()", "field 'random'");
}

static void errors_have_a_traceback_with_names(void **unused)
{
    (void)unused;
    check("local x = call.header.nope .. \"a\"",
          "attempt to concatenate a nil value (field 'nope')");
    check("error({})", "error with table instead of a text");
    check("error()", "error with nil instead of a text");
    check("call.nope()", "call has no field \"nope\"");
    check("local x = call.heade", "(did you mean \"header\"?)");
    check("local x = call.status", "call.status is known from on_response on");
    check("local x = call.reply", "on_request: call.reply is known from on_response on");
    struct hook_case *c =
        hook_case_new("local function inner(call)\n  return call.method + 1\nend\n" HOOK(
                          "on_request = function(call)\n  local x = inner(call) return x end"),
                      NULL);
    hook_case_head(c, SIDE_REQUEST);
    expect_line(c, 0, HOOK_ERROR, "h.lua:2", "stack traceback:");
    expect_line(c, 0, HOOK_ERROR, "h.lua:2", "in upvalue 'inner'");
    hook_case_free(c);
    /* the handler itself runs out: of stack, and of memory */
    check("local function f() return 1 + f() end f()", "at most 100 000 instructions");
    check("local function f() pcall(f) f() end f()", "");
    check("local t = {} for i = 1, 1000 do t[i] = (\"x\"):rep(8000) .. i end error((\"y\"):rep(1 "
          "<< 20))",
          "");
}

static void acts_are_held_to_their_context(void **unused)
{
    (void)unused;
    check("return act.replace(\"x\")", "act.replace is not legal in on_request; legal are hold "
                                       "respond headers reset close rst_stream goaway");
    check("act.reset() return act.close()", "act.close: one act a call");
    check("return act.hold \"31s\"", "act.hold of 31s is longer than guard.limits delay, 30s");
    check("return act.hold(1.5)", "act.hold takes a duration such as \"2s\"");
    check("return act.hold \"soon\"", "act.hold is \"soon\"; it must be a duration");
    check("return act.respond { status = 99 }", "status must be a code from 200 to 599");
    check("return act.respond { }", "needs exactly one of status and grpc");
    check("return act.respond { grpc = \"NOPE\" }", "grpc is a status such as");
    check("return act.respond { status = 200, heders = {} }", "act.respond has no key \"heders\"");
    check("return act.headers { set = { [\"a b\"] = \"1\" } }",
          "a header's name is a text without spaces");
    check("return act.headers { set = { a = \"1\\r\\nb: 2\" } }", "the value of a has a line end");
    check("return act.headers { set = { a = {} } }", "must be a text or a number, not a table");
    check("return act.rst_stream \"CANCELED\"",
          "is no error code of RFC 9113 (did you mean \"CANCEL\"?)");
    check("rng.below(0)", "rng.below takes a whole number from 1 on");
    check("rng.chance(2)", "rng.chance takes a share from 0 to 1");
    struct hook_case *c = hook_case_new(HOOK("\n\non_request = function() return 1 end"), NULL);
    assert_int_equal(hook_case_head(c, SIDE_REQUEST).act, ACT_PASS);
    expect_line(c, 0, HOOK_ERROR, "h.lua:3",
                "on_request returned a number; it must return an act, or nothing");
    hook_case_free(c);
    c = hook_case_new(HOOK("on_trailers = function() return act.respond { status = 500 } "
                           "end,\non_client_hello = function() return act.alert \"nope\" end"),
                      NULL);
    assert_int_equal(hook_case_end(c, 0).act, ACT_PASS);
    expect_line(c, 0, HOOK_ERROR, "h.lua:1",
                "act.respond is not legal in on_trailers; legal are hold headers reset rst_stream");
    hook_case_free(c);
    c = hook_case_new(
        HOOK("on_request_data = function() return act.replace((\"x\"):rep(1 << 20) .. \"y\") end"),
        NULL);
    assert_int_equal(hook_case_data(c, SIDE_REQUEST, "a", 0, false).act, ACT_PASS);
    expect_line(c, 0, HOOK_ERROR, "h.lua:1", "act.replace takes at most 1 MiB, not 1048577 bytes");
    hook_case_free(c);
}

static void what_is_borrowed_ends_with_its_function(void **unused)
{
    (void)unused;
    struct hook_case *c = hook_case_new(
        "local kept\n" HOOK("on_response_data = function(call, chunk)\n"
                            "  if kept then return kept:bytes() end kept = chunk end"),
        NULL);
    hook_case_data(c, SIDE_RESPONSE, "a", 0, false);
    expect_no_line(c);
    hook_case_data(c, SIDE_RESPONSE, "b", 1, true);
    expect_line(c, 0, HOOK_ERROR, "h.lua:3", "chunk is borrowed: it ended with on_response_data");
    hook_case_free(c);
    c = hook_case_new("local kept\n" HOOK("on_request = function(call) kept = call.header end,\n"
                                          "  on_close = function() return kept[\"x-tier\"] end,\n"
                                          "  on_connect = function() end"),
                      NULL);
    hook_case_accept(c);
    hook_case_head(c, SIDE_REQUEST);
    expect_no_line(c);
    hook_case_close(c);
    expect_line(c, 0, HOOK_ERROR, "h.lua:3", "call.header is not known in on_close");
    hook_case_free(c);
    c = hook_case_new(
        "local kept\n" HOOK(
            "on_request = function() if kept then return kept end kept = act.reset() end"),
        NULL);
    hook_case_head(c, SIDE_REQUEST);
    hook_case_next(c);
    assert_int_equal(hook_case_head(c, SIDE_REQUEST).act, ACT_PASS);
    assert_non_null(strstr(c->line[0].text, "on_request returned an act of another call"));
    hook_case_free(c);
}

static void files_are_checked_when_they_are_loaded(void **unused)
{
    static const struct {
        const char *text, *with, *error;
        unsigned line;
    } rows[] = {
        {"return hook \"t\" {\n  on_request = function(call) retrun end }", NULL,
         "syntax error near 'end'", 2},
        {"\x1bLua", NULL, "is compiled; a hook is a text file", 0},
        {"return 1", NULL, "a hook file returns one hook", 0},
        {"hook \"t\" {}", NULL, "a hook file returns one hook", 0},
        {"\nreturn hook \"t\" { on_requst = function() end }", NULL,
         "hook \"t\" has no key \"on_requst\" (did you mean \"on_request\"?); it has with, about "
         "and",
         2},
        {"return hook \"t\" { on_request = 1 }", NULL,
         "on_request must be a function, not a number", 1},
        {"return hook { }", NULL, "hook needs a name first", 1},
        {"while true do end", NULL, "at most 100 000 instructions", 1},
        {"local x = act.reset()", NULL, "act is known within the functions of a hook only", 1},
        {"local x = rng.below(3)", NULL, "rng is known within the functions of a hook only", 1},
        {"return fault.hook {}", NULL, "there is no word \"fault\" in a hook file", 1},
        {"return hook \"t\" { with = { a = \"text\" } }", "{\"zebra\":\"1\"}",
         "with has no key \"zebra\"; hook \"t\" declares a", 0},
        {"return hook \"t\" { with = { stall = \"duration\" } }", "{\"stal\":\"1s\"}",
         "(did you mean \"stall\"?)", 0},
        {"return hook \"t\" { with = { stall = \"duration!\" } }", "{}",
         "needs with.stall, a duration", 0},
        {"return hook \"t\" { with = { stall = \"duration\" } }", "{\"stall\":\"400\"}",
         "with.stall is \"400\"; it must be a duration", 0},
        {"return hook \"t\" { with = { n = \"count\" } }", "{\"n\":\"x\"}",
         "with.n is \"x\"; it must be a count", 0},
        {"return hook \"t\" { with = { n = \"txt\" } }", "{}",
         "with.n is \"txt\"; it must be type[!|=default], of the types text count", 0},
        {"return hook \"t\" { with = { n = \"bytes=64\" } }", "{}",
         "with.n is \"64\"; it must be a size", 0},
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hook_case *c = hook_case_try(rows[i].text, rows[i].with);
        if (c->hook != NULL)
            fail_msg("loaded: %s", rows[i].text);
        if (strstr(c->err.text, rows[i].error) == NULL)
            fail_msg("\"%s\" is not in \"%s\"", rows[i].error, c->err.text);
        assert_int_equal(c->err.source.line, rows[i].line);
        hook_case_free(c);
    }
}

static void functions_that_are_not_there_cost_nothing(void **unused)
{
    (void)unused;
    struct hook_case *c = hook_case_new("return hook \"t\" {}", NULL);
    assert_int_equal(hook_engine_lua.moments(c->hook), 0);
    hook_case_free(c);
    c = hook_case_new(HOOK("on_close = function() end"), NULL);
    assert_int_equal(hook_engine_lua.moments(c->hook), MOMENT_BIT(MOMENT_ACCEPT, SIDE_REQUEST));
    hook_case_free(c);
    c = hook_case_new(HOOK("on_trailers = function() end"), NULL);
    assert_int_equal(hook_engine_lua.moments(c->hook), MOMENT_BIT(MOMENT_END, SIDE_RESPONSE) |
                                                           MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST) |
                                                           MOMENT_BIT(MOMENT_HEAD, SIDE_RESPONSE));
    hook_case_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_loops_end_whatever_pcall_they_use),
        cmocka_unit_test(memory_is_capped_whatever_pcall_they_use),
        cmocka_unit_test(garbage_of_many_calls_is_no_reason_to_stop),
        cmocka_unit_test(patterns_name_what_to_use_instead),
        cmocka_unit_test(there_is_no_way_out_of_the_sandbox),
        cmocka_unit_test(errors_have_a_traceback_with_names),
        cmocka_unit_test(acts_are_held_to_their_context),
        cmocka_unit_test(what_is_borrowed_ends_with_its_function),
        cmocka_unit_test(files_are_checked_when_they_are_loaded),
        cmocka_unit_test(functions_that_are_not_there_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
