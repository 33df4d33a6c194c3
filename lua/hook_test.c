#include "lua/hook_fixture_test.h"

/* What the functions of a hook see, and what their acts become. */

static void two_headers_are_looked_up_in_the_view(void **unused)
{
    (void)unused;
    struct hook_case *c = hook_case_new(
        HOOK("on_request = function(call)\n"
             "  if call.header[\"x-tier\"] == \"gold\" and call.header.host == \"pay\" then\n"
             "    return act.respond { status = 503, body = \"no\", headers = { [\"X-B\"] = 2, a = "
             "\"1\" } }\n"
             "  end end"),
        NULL);
    assert_int_equal(hook_engine_lua.moments(c->hook), MOMENT_BIT(MOMENT_HEAD, SIDE_REQUEST));
    struct answer a = hook_case_head(c, SIDE_REQUEST);
    expect_no_line(c);
    assert_int_equal(a.act, ACT_RESPOND);
    assert_int_equal(a.reply->status, 503);
    assert_memory_equal(a.reply->body.at, "no", 2);
    assert_int_equal(a.reply->fields.count, 2);
    assert_memory_equal(a.reply->fields.at[0].name.at, "a", 1);
    assert_memory_equal(a.reply->fields.at[1].name.at, "x-b", 3);
    assert_memory_equal(a.reply->fields.at[1].value.at, "2", 1);
    c->field[1].value = BYTES("lead");
    hook_case_next(c);
    assert_int_equal(hook_case_head(c, SIDE_REQUEST).act, ACT_PASS);
    hook_case_free(c);
}

static void every_field_of_a_call_is_there(void **unused)
{
    (void)unused;
    struct hook_case *c = hook_case_new(
        "local function is(a, b) if a ~= b then error(tostring(a) .. \" is not \" .. tostring(b), "
        "2) end end\n" HOOK(
            "with = { tier = \"text!\", every = \"bytes=64KiB\", stall = \"duration=2s\", p = "
            "\"share=30%\",\n"
            "  n = \"count=3\", none = \"text\" },\n"
            "on_request = function(call)\n"
            "  is(call.id, \"00000000000000010000000000000002\") is(call.attempt, 1)\n"
            "  is(call.method, \"GET\") is(call.path, \"/cart/1\") is(call.authority, \"pay\")\n"
            "  is(call.grpc, false) is(call.from, \"cart\") is(call.to, \"payments/2\")\n"
            "  is(call.header[\"X-TIER\"], \"gold\") is(call.header.nope, nil)\n"
            "  is(#call.headers(\"x-tier\"), 2) is(call:headers(\"x-tier\")[2], \"silver\")\n"
            "  is(call.query.a, \"x\") is(call.query.tier, \"gold\") is(call.query.flag, \"\") "
            "is(call.query.b, nil)\n"
            "  is(call.age(), 0) is(call.seen, 0) is(clock.now(), 4000)\n"
            "  is(call.with.tier, \"gold\") is(call.with.every, 65536) is(call.with.stall, "
            "2000000000)\n"
            "  is(call.with.p, 0.3) is(call.with.n, 9) is(call.with.none, nil)\n"
            "  is(call.conn.id, 3) is(call.conn.reused, 1) is(call.conn.protocol, \"http1\") "
            "is(call.conn.tls, nil)\n"
            "  is(call.conn.to, \"payments\") call.conn.ctx.n = 1 call.ctx.seen = { 1 }\n"
            "end,\n"
            "on_response = function(call)\n"
            "  is(call.ctx.seen[1], 1) is(call.status, 200) is(call.reply.header.ETag, \"q\")\n"
            "  is(call.method, \"GET\") is(call.header[\"x-tier\"], \"gold\") is(call.grpc_status, "
            "nil)\n"
            "  is(call.conn.ctx.n, 1) is(call.age(), 1000) is(call.conn.age(), 1000)\n"
            "end,\n"
            "on_response_data = function(call, chunk)\n"
            "  is(call.seen, 10) is(#chunk, 5) is(chunk:byte(1), 104) is(chunk:byte(-1), 111) "
            "is(chunk:byte(6), nil)\n"
            "  is(chunk:sub(2, 3), \"el\") is(chunk:sub(-2), \"lo\") is(chunk:sub(4, 2), \"\") "
            "is(chunk:bytes(), \"hello\")\n"
            "  is(chunk:find(\"l\"), 3) is(chunk:find(\"l\", 4), 4) is(chunk:find(\".\"), nil) "
            "is(chunk.last, true)\n"
            "  is(call.reply.header.etag, \"q\") is(call.status, 200)\n"
            "  return act.replace(chunk:flip(0))\n"
            "end,\n"
            "on_trailers = function(call) is(call.grpc_status, 14) end"),
        "{\"tier\":\"gold\",\"n\":9}");
    assert_int_equal(hook_case_head(c, SIDE_REQUEST).act, ACT_PASS);
    c->now_ns += 1000;
    assert_int_equal(hook_case_head(c, SIDE_RESPONSE).act, ACT_PASS);
    struct answer a = hook_case_data(c, SIDE_RESPONSE, "hello", 10, true);
    expect_no_line(c);
    assert_int_equal(a.act, ACT_REPLACE);
    assert_int_equal(a.take, 5);
    assert_memory_equal(a.bytes.at, "iello", 5);
    assert_int_equal(hook_case_end(c, 15).act, ACT_PASS);
    expect_no_line(c);
    hook_case_close(c);
    hook_case_free(c);
}

static void connections_and_hellos_are_seen(void **unused)
{
    (void)unused;
    struct hook_case *c = hook_case_new(
        "local open = 0\n" HOOK(
            "on_connect = function(conn) open = open + 1 conn.ctx.at = clock.now()\n"
            "  if conn.from ~= \"127.0.0.1\" or conn.id ~= 3 then error(\"from\") end\n"
            "  return act.hold(500) end,\n"
            "on_client_hello = function(conn, hello)\n"
            "  if hello.sni == \"pay.test\" and hello.alpn[2] == \"http/1.1\" and "
            "hello.versions[1] == \"TLSv1.3\" and\n"
            "    not hello.resumes and conn.ctx.at then return act.alert \"bad_certificate\" end "
            "end,\n"
            "on_close = function(conn) open = open - 1 log.info(\"open \" .. open .. \" \" .. "
            "conn.ctx.at) end"),
        NULL);
    struct answer a = hook_case_accept(c);
    assert_int_equal(a.act, ACT_HOLD);
    assert_int_equal(a.until_ns, 5500);
    c->now_ns = 5200;
    assert_int_equal(hook_case_accept(c).until_ns, 5500);
    c->now_ns = 5500;
    assert_int_equal(hook_case_accept(c).act, ACT_PASS);
    a = hook_case_hello(c);
    expect_no_line(c);
    assert_int_equal(a.act, ACT_CLOSE);
    assert_int_equal(a.code, 43);
    hook_case_close(c);
    expect_line(c, 0, HOOK_INFO, "h.lua:8", "open 0 4000");
    hook_case_free(c);
}

static void a_hold_passes_what_it_held_and_runs_once(void **unused)
{
    (void)unused;
    struct hook_case *c = hook_case_new(
        "local n = 0\n" HOOK("on_response_data = function() n = n + 1\n"
                             "  if n == 1 then return act.hold \"2s\" end log.info(\"again\") end"),
        NULL);
    assert_int_equal(hook_case_data(c, SIDE_RESPONSE, "abc", 0, false).until_ns,
                     UINT64_C(2000005000));
    c->now_ns = UINT64_C(2000005000);
    struct answer a = hook_case_data(c, SIDE_RESPONSE, "abcdef", 0, false);
    assert_int_equal(a.act, ACT_PASS);
    assert_int_equal(a.take, 3);
    expect_no_line(c);
    assert_int_equal(hook_case_data(c, SIDE_RESPONSE, "def", 3, true).take, TAKE_ALL);
    assert_int_equal(c->line_count, 1);
    hook_case_free(c);
}

static void each_act_becomes_an_answer(void **unused)
{
    static const struct {
        const char *act;
        enum act is;
        enum scope scope;
        uint32_t code;
        bool h2;
    } rows[] = {
        {"act.reset()", ACT_RESET, SCOPE_CONNECTION, 0, false},
        {"act.close()", ACT_CLOSE, SCOPE_CONNECTION, 0, false},
        {"act.rst_stream \"CANCEL\"", ACT_RESET, SCOPE_STREAM, 8, true},
        {"act.goaway \"ENHANCE_YOUR_CALM\"", ACT_CLOSE, SCOPE_CONNECTION, 11, true},
        {"act.rst_stream \"CANCEL\"", ACT_PASS, SCOPE_STREAM, 0, false},
        {"act.goaway \"NO_ERROR\"", ACT_PASS, SCOPE_STREAM, 0, false},
        {"act.hold(0)", ACT_PASS, SCOPE_STREAM, 0, false},
        {"nil", ACT_PASS, SCOPE_STREAM, 0, false},
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[200];
        snprintf(text, sizeof(text), HOOK("on_request = function() return %s end"), rows[i].act);
        struct hook_case *c = hook_case_new(text, NULL);
        c->call.is_h2 = rows[i].h2;
        struct answer a = hook_case_head(c, SIDE_REQUEST);
        expect_no_line(c);
        assert_int_equal(a.act, rows[i].is);
        assert_int_equal(a.scope, rows[i].scope);
        assert_int_equal(a.code, rows[i].code);
        hook_case_free(c);
    }
    struct hook_case *c = hook_case_new(
        HOOK(
            "on_request = function() return act.respond { grpc = \"UNAVAILABLE\", message = \"no\" "
            "} end,\n"
            "on_response = function() return act.headers { set = { [\"X-A\"] = \"1\" }, drop = { "
            "\"ETag\" } } end,\n"
            "on_request_data = function() return act.drop() end,\n"
            "on_trailers = function() return act.headers { set = { [\"grpc-status\"] = 13 } } end"),
        NULL);
    struct answer a = hook_case_head(c, SIDE_REQUEST);
    assert_int_equal(a.reply->status, 200);
    assert_int_equal(a.reply->grpc_status, 15);
    a = hook_case_data(c, SIDE_REQUEST, "abc", 0, true);
    assert_int_equal(a.act, ACT_REPLACE);
    assert_int_equal(a.take, 3);
    assert_int_equal(a.bytes.len, 0);
    a = hook_case_head(c, SIDE_RESPONSE);
    assert_int_equal(a.act, ACT_REPLACE);
    assert_int_equal(a.reply->fields.count, 2);
    assert_null(a.reply->fields.at[0].value.at);
    assert_memory_equal(a.reply->fields.at[0].name.at, "etag", 4);
    a = hook_case_end(c, 0);
    assert_memory_equal(a.reply->fields.at[0].value.at, "13", 2);
    expect_no_line(c);
    hook_case_free(c);
}

static void the_same_seed_decides_the_same_in_any_order(void **unused)
{
    struct answer first[20];
    (void)unused;
    for (int round = 0; round < 2; round++) {
        struct hook_case *c = hook_case_new(HOOK("on_request = function() if rng.chance(0.5) then "
                                                 "return act.hold(1 + rng.below(1000000)) end end"),
                                            NULL);
        for (int k = 0; k < 20; k++) {
            int id = round == 0 ? k : 19 - k;
            hook_case_next(c);
            c->rng = rng_for(42, 7, 1, (uint64_t)id, 1);
            struct answer a = hook_case_head(c, SIDE_REQUEST);
            if (round == 0)
                first[id] = a;
            assert_int_equal(a.act, first[id].act);
            assert_int_equal(a.until_ns, first[id].until_ns);
        }
        hook_case_free(c);
    }
    assert_true(first[0].act != first[1].act || first[1].act != first[2].act ||
                first[2].act != first[3].act || first[3].act != first[4].act);
}

static void logs_are_capped_and_the_rest_is_counted(void **unused)
{
    (void)unused;
    struct hook_case *c = hook_case_new(HOOK("on_request = function() log.warn((\"x\"):rep(300)) "
                                             "for i = 1, 149 do log.info(\"n \" .. i) end end"),
                                        NULL);
    hook_case_head(c, SIDE_REQUEST);
    assert_int_equal(c->line_count, 100);
    assert_int_equal(strlen(c->line[0].text), 256);
    assert_int_equal(c->line[0].level, HOOK_WARN);
    assert_int_equal(c->line[0].fault, 7);
    c->now_ns += UINT64_C(1000000000);
    hook_case_next(c);
    hook_case_head(c, SIDE_REQUEST);
    assert_int_equal(c->line[100].count, 50);
    assert_int_equal(c->line_count, 201);
    hook_case_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_headers_are_looked_up_in_the_view),
        cmocka_unit_test(every_field_of_a_call_is_there),
        cmocka_unit_test(connections_and_hellos_are_seen),
        cmocka_unit_test(a_hold_passes_what_it_held_and_runs_once),
        cmocka_unit_test(each_act_becomes_an_answer),
        cmocka_unit_test(the_same_seed_decides_the_same_in_any_order),
        cmocka_unit_test(logs_are_capped_and_the_rest_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
