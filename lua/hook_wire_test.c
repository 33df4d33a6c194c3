#include "lua/hook_fixture_test.h"
#include "net/h2_peer_test.h"
#include "net/script_test.h"

/* Hooks on real sockets, through the proxy: what the client and the backend see, and that traffic
 * goes on after each limit and each error. */

struct wire {
    struct rig *rig;
    struct hook_case lines;
    struct arena plan;
    struct fault_use use;
};

static struct wire *wire_open_as(enum proxy_protocol protocol, const char *text, const char *keys)
{
    struct wire *w = check_alloc_zero(1, sizeof(*w));
    struct filter_slot slot;
    struct arena arena;
    struct error err = {0};
    json_t *json = json_loads(keys, 0, NULL);
    assert_non_null(json);
    json_object_set_new(json, "use", json_string("h.lua"));
    json_object_set_new(json, "text", json_string(text));
    arena_init(&w->plan, (size_t)4 << 20);
    arena_init(&arena, FAULT_SLOT_MOST_BYTES);
    if (!fault_use_from_json("hook", json, (struct source){"s", 1, 0}, &w->plan, &w->use, &err))
        fail_msg("%s", err.text);
    json_decref(json);
    w->use.id = 7;
    struct hook_host host = {.hold_most_ns = HOOK_HOLD_MOST_NS,
                             .service = "payments",
                             .fault = 7,
                             .report = hook_case_line,
                             .cookie = &w->lines};
    if (!hook_use_open(&w->use, &hook_engine_lua, &host, &err))
        fail_msg("%s", err.text);
    w->rig = rig_open_as(protocol, false);
    fault_use_slot(&w->use, 42, UINT64_MAX, NULL, &arena, &slot);
    (void)proxy_arm(w->rig->proxy, 1, chain_new(&slot, 1, 3, &arena), NULL);
    return w;
}

static struct wire *wire_open(const char *text, const char *keys)
{
    return wire_open_as(PROXY_HTTP1, text, keys);
}

static void wire_close(struct wire *w)
{
    rig_close(w->rig);
    hook_use_close(&w->use);
    arena_release(&w->plan);
    free(w);
}

static struct peer *answered(struct rig *rig, size_t n, const char *answer)
{
    struct peer *s = await_server(rig, n);
    await_text(s, "\r\n\r\n");
    peer_forget(s);
    say(s, answer);
    return s;
}

static void an_answer_of_a_hook_goes_out_and_the_connection_stays(void **unused)
{
    (void)unused;
    struct wire *w = wire_open(HOOK("on_request = function(call) if call.query.b == \"1\" then\n"
                                    "return act.respond { status = 503, headers = { [\"x-a\"] = "
                                    "\"1\" }, body = \"no\" } end end"),
                               "{}");
    struct peer *c = rig_dial(w->rig);
    say(c, GET);
    await_text(c, "no");
    expect_in(c, "HTTP/1.1 503 Service Unavailable\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nno");
    peer_forget(c);
    say(c, "GET /c HTTP/1.1\r\nHost: pay\r\n\r\n");
    answered(w->rig, 1, OK5);
    await_text(c, "hello");
    assert_int_equal(await_attempt(w->rig, 1)->fault, 7);
    assert_int_equal(await_attempt(w->rig, 2)->fault, 0);
    wire_close(w);
}

static void heads_and_bodies_are_edited_on_their_way(void **unused)
{
    (void)unused;
    struct wire *w = wire_open(
        HOOK("on_request = function() return act.headers { set = { [\"x-in\"] = \"1\" }, drop = { "
             "\"x-out\" } } end,\n"
             "on_request_data = function(call, chunk) return act.replace(chunk:flip(0)) end,\n"
             "on_response = function() return act.headers { set = { [\"x-b\"] = \"2\" } } end,\n"
             "on_response_data = function(call, chunk)\n"
             "  if chunk:find(\"hello\") then return act.replace(\"HELLO\") end end"),
        "{}");
    struct peer *c = rig_dial(w->rig);
    say(c, "POST /a HTTP/1.1\r\nHost: pay\r\nX-Out: 1\r\nContent-Length: 2\r\n\r\nab");
    struct peer *s = await_server(w->rig, 1);
    await_text(s, "\r\n\r\n`b");
    assert_non_null(memmem(s->in.at, s->in.len, "x-in: 1\r\n", 9));
    assert_null(memmem(s->in.at, s->in.len, "X-Out", 5));
    say(s, OK5);
    await_text(c, "HELLO");
    assert_non_null(memmem(c->in.at, c->in.len, "x-b: 2\r\n", 8));
    assert_int_equal(w->lines.line_count, 0);
    wire_close(w);
}

static void holds_are_held_on_the_wire(void **unused)
{
    (void)unused;
    struct wire *w = wire_open(HOOK("on_request = function() return act.hold \"30ms\" end,\n"
                                    "on_response_data = function(call) if call.seen == 0 then "
                                    "return act.hold \"30ms\" end end"),
                               "{}");
    struct peer *c = rig_dial(w->rig);
    uint64_t from_ns = clock_now_ns();
    say(c, GET);
    answered(w->rig, 1, OK5);
    await_text(c, "hello");
    assert_true(clock_now_ns() - from_ns >= 60 * NS_PER_MS);
    wire_close(w);
}

static void a_chunk_is_dropped_and_a_connection_reset(void **unused)
{
    (void)unused;
    struct wire *w = wire_open(HOOK("on_response_data = function(call, chunk) if chunk:byte(1) == "
                                    "120 then return act.drop() end\n"
                                    "if chunk:byte(1) == 121 then return act.reset() end end"),
                               "{}");
    struct peer *c = rig_dial(w->rig);
    say(c, GET);
    struct peer *s =
        answered(w->rig, 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    await_text(c, "1\r\na\r\n");
    peer_forget(c);
    say(s, "1\r\nx\r\n");
    say(s, "1\r\nb\r\n");
    await_text(c, "1\r\nb\r\n");
    expect_in(c, "1\r\nb\r\n");
    say(s, "1\r\ny\r\n");
    await_gone(c);
    assert_true(c->rst);
    wire_close(w);
}

static void trailers_are_rewritten(void **unused)
{
    (void)unused;
    struct wire *w = wire_open(HOOK("on_trailers = function(call) return act.headers { set = { "
                                    "[\"grpc-status\"] = 13 } } end"),
                               "{}");
    struct peer *c = rig_dial(w->rig);
    say(c, GET);
    answered(w->rig, 1,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: "
             "grpc-status\r\n\r\n1\r\na\r\n0\r\ngrpc-status: 0\r\n\r\n");
    await_text(c, "0\r\ngrpc-status: 13\r\n\r\n");
    wire_close(w);
}

static void connections_are_refused_and_told_of_their_end(void **unused)
{
    (void)unused;
    struct wire *w = wire_open(
        "local n = 0\n" HOOK(
            "on_connect = function(conn) n = n + 1 conn.ctx.n = n if n == 2 then return "
            "act.close() end end,\n"
            "on_request = function(call) log.info(\"request on \" .. call.conn.ctx.n) end,\n"
            "on_close = function(conn) log.info(\"end of \" .. conn.ctx.n) end"),
        "{}");
    struct peer *c = rig_dial(w->rig);
    say(c, GET);
    answered(w->rig, 1, OK5);
    await_text(c, "hello");
    expect_line(&w->lines, 0, HOOK_INFO, "h.lua:3", "request on 1");
    struct peer *d = rig_dial(w->rig);
    await_gone(d);
    assert_true(d->fin);
    peer_close(c, false);
    peer_close(d, false);
    (void)await_connection(w->rig, 2);
    assert_int_equal(w->lines.line_count, 3);
    wire_close(w);
}

/* The request passes, and so does the next one; the error is told once. */
static void traffic_goes_on_after_each_error(void **unused)
{
    static const char *const bodies[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local s = \"x\" while true do s = s .. s end",
        "pcall(function() local s = \"x\" while true do s = s .. s end end)",
        "local s = (\"x\"):rep(1e9)",
        "error(\"mine\")",
        "error()",
        "(\"a\"):match(\".\")",
        "return act.replace(\"x\")",
        "return 1",
        "local t = {} for i = 1, 1000 do t[i] = (\"x\"):rep(8000) .. i end error(table.concat(t))",
    };
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        char text[400];
        snprintf(text, sizeof(text), HOOK("on_request = function(call) %s end"), bodies[i]);
        struct wire *w = wire_open(text, "{}");
        struct peer *c = rig_dial(w->rig);
        for (int n = 0; n < 3; n++) {
            say(c, GET);
            answered(w->rig, 1, OK5);
            await_text(c, "hello");
            peer_forget(c);
        }
        if (w->lines.line_count != 1)
            fail_msg("%s: %zu lines", bodies[i], w->lines.line_count);
        assert_int_equal(w->lines.line[0].level, HOOK_ERROR);
        assert_int_equal(await_attempt(w->rig, 3)->fired, 0);
        wire_close(w);
    }
}

static void disarming_releases_what_a_hook_holds(void **unused)
{
    (void)unused;
    struct wire *w = wire_open(HOOK("on_request = function() return act.hold \"30s\" end"), "{}");
    struct peer *c = rig_dial(w->rig);
    say(c, GET);
    while (proxy_counts(w->rig->proxy).calls_active == 0 || proxy_fired(w->rig->proxy, 7) == 0)
        await_ns(w->rig, NS_PER_MS);
    assert_int_equal(proxy_arm(w->rig->proxy, 1, NULL, NULL), 1);
    answered(w->rig, 1, OK5);
    await_text(c, "hello");
    wire_close(w);
}

static void h2_close_wire(struct wire *w, struct h2_peer *c, struct h2_peer *s)
{
    h2_close(w->rig, c, s);
    hook_use_close(&w->use);
    arena_release(&w->plan);
    free(w);
}

static void streams_of_http2_end_by_a_hook_with_its_code(void **unused)
{
    (void)unused;
    struct wire *w = wire_open_as(
        PROXY_HTTP2,
        HOOK(
            "on_request = function(call)\n"
            "  if call.conn.protocol ~= \"http2\" then error(call.conn.protocol) end\n"
            "  if call.path == \"/slow\" then return act.rst_stream \"ENHANCE_YOUR_CALM\" end end"),
        "{}");
    struct h2_peer *c = h2_dial(w->rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(w->rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(c, 3, H2_SLOW, true);
    assert_int_equal(h2_await(c, NGHTTP2_RST_STREAM, 3)->code, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_head(s, 1, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    assert_int_equal(w->lines.line_count, 0);
    h2_close_wire(w, c, s);
}

static void grpc_trailers_are_rewritten_on_http2(void **unused)
{
    (void)unused;
    struct wire *w = wire_open_as(PROXY_HTTP2,
                                  HOOK("on_trailers = function(call) if call.grpc_status == 0 and "
                                       "call.reply.header.server == \"q\" then\n"
                                       "  return act.headers { set = { [\"grpc-status\"] = 14, "
                                       "[\"grpc-message\"] = \"no\" } } end end"),
                                  "{}");
    struct h2_peer *c = h2_dial(w->rig);
    h2_head(c, 1, H2_GET "content-type: application/grpc\n", true);
    struct h2_peer *s = h2_serve(w->rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, ":status: 200\nserver: q\ncontent-type: application/grpc\n", false);
    h2_await(c, NGHTTP2_HEADERS, 1);
    h2_data(s, 1, "hello", false);
    h2_head(s, 1, "grpc-status: 0\n", true);
    struct seen_frame *end = h2_await(c, NGHTTP2_HEADERS, 1);
    h2_expect_fields(end, "grpc-status: 14\n");
    h2_expect_fields(end, "grpc-message: no\n");
    assert_int_equal(w->lines.line_count, 0);
    h2_close_wire(w, c, s);
}

static void goaway_closes_the_connection_behind_its_calls(void **unused)
{
    (void)unused;
    struct wire *w = wire_open_as(
        PROXY_HTTP2, HOOK("on_request = function() return act.goaway \"NO_ERROR\" end"), "{}");
    struct h2_peer *c = h2_dial(w->rig);
    h2_head(c, 1, H2_GET, true);
    h2_await(c, NGHTTP2_GOAWAY, -1);
    struct h2_peer *s = h2_serve(w->rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, ":status: 204\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    h2_close_wire(w, c, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_of_a_hook_goes_out_and_the_connection_stays),
        cmocka_unit_test(heads_and_bodies_are_edited_on_their_way),
        cmocka_unit_test(holds_are_held_on_the_wire),
        cmocka_unit_test(a_chunk_is_dropped_and_a_connection_reset),
        cmocka_unit_test(trailers_are_rewritten),
        cmocka_unit_test(connections_are_refused_and_told_of_their_end),
        cmocka_unit_test(traffic_goes_on_after_each_error),
        cmocka_unit_test(disarming_releases_what_a_hook_holds),
        cmocka_unit_test(streams_of_http2_end_by_a_hook_with_its_code),
        cmocka_unit_test(grpc_trailers_are_rewritten_on_http2),
        cmocka_unit_test(goaway_closes_the_connection_behind_its_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
