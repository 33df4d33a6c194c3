/* Each stream fault on real sockets, through the proxy: what the client and the record see. */

#include "faults/fault_test.h"
#include "net/script_test.h"

static void arm_faults(struct rig *rig, size_t count, const char *const words[],
                       const char *const json[])
{
    struct arena arena, plan;
    struct filter_slot slots[4];
    struct error err = {0};
    assert_true(count <= COUNT_OF(slots));
    arena_init(&arena, 4 * FAULT_SLOT_MOST_BYTES);
    arena_init(&plan, (size_t)1 << 20);
    for (size_t i = 0; i < count; i++) {
        struct fault_use use;
        json_t *keys = json_loads(json[i], 0, NULL);
        if (!fault_use_from_json(words[i], keys, (struct source){"s", 1, 0}, &plan, &use, &err))
            fail_msg("%s", err.text);
        json_decref(keys);
        use.id = (uint16_t)(i + 1);
        fault_use_slot(&use, 42, UINT64_MAX, NULL, &arena, &slots[i]);
    }
    arena_release(&plan);
    (void)proxy_arm(rig->proxy, 1, chain_new(slots, count, 3, &arena), NULL);
}
static void arm_fault(struct rig *rig, const char *word, const char *json)
{
    arm_faults(rig, 1, &word, &json);
}

/* The backend answers the ${n}-th connection's request. */
static struct peer *answered(struct rig *rig, size_t n, const char *answer)
{
    struct peer *s = await_server(rig, n);
    await_text(s, "\r\n\r\n");
    peer_forget(s);
    say(s, answer);
    return s;
}

static void grpc_aborts_are_spelled_in_http1(void **state)
{
    struct rig *rig = rig_open();
    (void)state;
    arm_fault(rig, "abort", "{\"grpc\":\"UNAVAILABLE\",\"body\":\"no 100%\"}");
    struct peer *c = rig_dial(rig);
    say(c, GET);
    await_text(c, "\r\n\r\n");
    expect_in(c, "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\n"
                 "grpc-message: no 100%25\r\ncontent-length: 0\r\n\r\n");
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->grpc_status, 15);
    assert_int_equal(a->grpc_where, 1);
    assert_int_equal(a->bytes_out, 0);
    arm_fault(rig, "abort", "{\"grpc\":\"INTERNAL\",\"where\":\"trailers\",\"body\":\"oh\"}");
    peer_forget(c);
    say(c, GET GET);
    const char *wanted = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n"
                         "trailer: grpc-status, grpc-message\r\ntransfer-encoding: chunked\r\n\r\n"
                         "0\r\ngrpc-status: 13\r\ngrpc-message: oh\r\n\r\n";
    await_bytes(c, 2 * strlen(wanted));
    assert_memory_equal(c->in.at, wanted, strlen(wanted));
    assert_memory_equal(c->in.at + strlen(wanted), wanted, strlen(wanted));
    assert_int_equal(await_attempt(rig, 2)->grpc_where, 2);
    rig_close(rig);
}

static void a_replaced_answer_is_framed_anew(void **state)
{
    struct rig *rig = rig_open();
    (void)state;
    struct peer *c = rig_dial(rig);
    arm_fault(
        rig, "replace",
        "{\"status\":500,\"headers\":{\"x-a\":\"1\"},\"drop\":[\"etag\"],\"body\":\"longer than "
        "hello\"}");
    say(c, GET);
    answered(rig, 1, "HTTP/1.1 200 OK\r\nETag: q\r\nContent-Length: 5\r\n\r\nhello");
    await_text(c, "longer than hello");
    expect_in(c, "HTTP/1.1 500 Internal Server Error\r\nx-a: 1\r\ncontent-length: 17\r\n\r\nlonger "
                 "than hello");
    assert_int_equal(await_attempt(rig, 1)->fired, 2);
    assert_int_equal(await_attempt(rig, 1)->status, 500);
    /* HEAD: the length, and no body; the connection goes on */
    peer_forget(c);
    say(c, "HEAD / HTTP/1.1\r\n\r\n");
    answered(rig, 1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    await_text(c, "\r\n\r\n");
    expect_in(c, "HTTP/1.1 500 Internal Server Error\r\nx-a: 1\r\ncontent-length: 17\r\n\r\n");
    /* chunked with trailers, behind a 1xx: both are framing that goes away, or stays */
    peer_forget(c);
    say(c, GET);
    answered(rig, 1, "HTTP/1.1 103 Early Hints\r\nx-b: 2\r\n\r\n" OK_CHUNKED);
    await_text(c, "longer than hello");
    expect_in(c, "HTTP/1.1 103 Early Hints\r\nx-b: 2\r\n\r\nHTTP/1.1 500 Internal Server "
                 "Error\r\nx-a: 1\r\ncontent-length: 17\r\n\r\nlonger than hello");
    /* no body where one was */
    arm_fault(rig, "replace", "{\"status\":204}");
    peer_forget(c);
    say(c, GET);
    answered(rig, 1, OK5);
    await_text(c, "\r\n\r\n");
    expect_in(c, "HTTP/1.1 204 No Content\r\n\r\n");
    /* and one where none was */
    arm_fault(rig, "replace", "{\"status\":200}");
    peer_forget(c);
    say(c, GET);
    answered(rig, 1, "HTTP/1.1 304 Not Modified\r\n\r\n");
    await_text(c, "\r\n\r\n");
    expect_in(c, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    arm_fault(rig, "replace", "{\"body\":\"x\"}");
    peer_forget(c);
    say(c, GET);
    answered(rig, 1, "HTTP/1.1 304 Not Modified\r\nETag: q\r\n\r\n");
    await_text(c, "\r\n\r\n");
    expect_in(c, "HTTP/1.1 304 Not Modified\r\nETag: q\r\n\r\n");
    rig_close(rig);
}

static void corrupt_bytes_have_the_length_that_was_said(void **state)
{
    struct rig *rig = rig_open();
    (void)state;
    arm_fault(rig, "corrupt", "{\"every\":\"1B\"}");
    struct peer *c = rig_dial(rig);
    say(c, GET);
    answered(rig, 1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    await_bytes(c, 38 + 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(__builtin_popcount(c->in.at[38 + i] ^ (unsigned char)"hello"[i]), 1);
    assert_int_equal(await_attempt(rig, 1)->fired, 2);
    /* nothing to flip */
    peer_forget(c);
    say(c, GET);
    answered(rig, 2, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    await_text(c, "\r\n\r\n");
    assert_int_equal(await_attempt(rig, 2)->fired, 0);
    assert_int_equal(proxy_fired(rig->proxy, 1), 1);
    rig_close(rig);
}

static void a_reset_that_a_body_is_too_short_for_has_not_fired(void **state)
{
    struct rig *rig = rig_open();
    (void)state;
    arm_fault(rig, "reset", "{\"when\":\"response_body\",\"after\":\"1MiB\"}");
    struct peer *c = rig_dial(rig);
    say(c, GET);
    answered(rig, 1, OK5);
    await_text(c, "hello");
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->fired, 0);
    assert_int_equal(a->fault, 0);
    assert_int_equal(proxy_fired(rig->proxy, 1), 0);
    rig_close(rig);
}

static void slow_close_delays_the_end_of_an_http_connection(void **state)
{
    struct rig *rig = rig_open();
    (void)state;
    arm_fault(rig, "slow_close", "{\"delay\":\"60ms\"}");
    struct peer *c = rig_dial(rig);
    say(c, GET); /* nobody closes: nothing to delay */
    answered(rig, 1, OK5);
    await_text(c, "hello");
    assert_int_equal(await_attempt(rig, 1)->fired, 0);
    peer_forget(c);
    say(c, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    answered(rig, 1, OK5);
    await_text(c, "hello");
    uint64_t from_ns = clock_now_ns();
    assert_false(c->fin);
    await_gone(c);
    assert_true(c->fin);
    assert_true(c->fin_ns - from_ns >= 50 * NS_PER_MS);
    assert_int_equal(await_attempt(rig, 2)->fired, 2);
    assert_int_equal(proxy_fired(rig->proxy, 1), 1);
    /* the backend's close, and a body that only that ends */
    c = rig_dial(rig);
    say(c, GET);
    struct peer *s = answered(rig, 1, "HTTP/1.1 200 OK\r\n\r\nhello");
    await_text(c, "hello");
    from_ns = clock_now_ns();
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin && c->fin_ns - from_ns >= 55 * NS_PER_MS);
    /* disarmed: at once */
    arm_fault(rig, "slow_close", "{\"delay\":\"10m\"}");
    c = rig_dial(rig);
    say(c, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    answered(rig, 2, OK5);
    await_text(c, "hello");
    assert_int_equal(await_attempt(rig, 4)->fired, 2);
    assert_int_equal(proxy_arm(rig->proxy, 1, NULL, NULL), 1);
    await_gone(c);
    assert_true(c->fin);
    rig_close(rig);
}

static void slow_close_delays_each_half_close_of_a_raw_stream(void **state)
{
    struct rig *rig = rig_open_as(PROXY_TCP, true);
    (void)state;
    arm_fault(rig, "slow_close", "{\"delay\":\"60ms\"}");
    struct peer *c = rig_dial(rig);
    say(c, "ping");
    struct peer *s = await_server(rig, 1);
    await_text(s, "ping");
    uint64_t from_ns = clock_now_ns();
    assert_int_equal(shutdown(c->watch.fd, SHUT_WR), 0);
    await_gone(s);
    assert_true(s->fin && s->fin_ns - from_ns >= 60 * NS_PER_MS);
    say(s, "pong"); /* the other way lives on */
    await_text(c, "pong");
    from_ns = clock_now_ns();
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin && c->fin_ns - from_ns >= 60 * NS_PER_MS);
    assert_int_equal(await_attempt(rig, 1)->fired, 2);
    rig_close(rig);
}

static void heads_of_raw_streams_are_their_first_bytes(void **state)
{
    static const char *const ends[][2] = {
        {"reset", "{}"},
        {"reset", "{\"when\":\"response_head\"}"},
        {"reset", "{\"when\":\"request_body\",\"after\":\"2B\"}"},
        {"reset", "{\"when\":\"response_body\",\"after\":\"2B\"}"},
        {"limit_data", "{\"bytes\":\"2B\",\"ends\":\"reset\"}"},
        {"limit_data", "{\"bytes\":\"2B\",\"ends\":\"reset\",\"side\":\"request\"}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct rig *rig = rig_open_as(PROXY_TCP, true);
        arm_fault(rig, ends[i][0], ends[i][1]);
        struct peer *c = rig_dial(rig);
        struct peer *s = await_server(rig, 1);
        bool answers = strstr(ends[i][1], "request") == NULL && i > 0;
        say(c, "ping");
        if (answers) {
            await_text(s, "ping");
            say(s, "pong");
        }
        await_gone(c);
        assert_true(c->rst);
        assert_int_equal(c->in.len, answers && i > 1 ? 2 : 0);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->fired, 2);
        assert_int_equal(a->outcome, OUTCOME_RESET_BY_FAULT);
        rig_close(rig);
    }
}

static void silence_and_delay_hold_raw_streams(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = rig_open_as(PROXY_TCP, true);
        arm_fault(rig, "blackhole", i == 0 ? "{\"when\":\"request\"}" : "{\"when\":\"response\"}");
        struct peer *c = rig_dial(rig);
        struct peer *s = await_server(rig, 1);
        say(c, "ping");
        if (i == 1) {
            await_text(s, "ping");
            say(s, "pong");
        }
        rig_await_polling(rig, until_fired, &(uint16_t){1});
        assert_int_equal(c->in.len + (i == 0 ? s->in.len : 0), 0);
        assert_int_equal(proxy_arm(rig->proxy, 1, NULL, NULL), 1);
        await_text(i == 0 ? s : c, i == 0 ? "ping" : "pong");
        peer_close(c, false);
        peer_close(s, false);
        assert_int_equal(await_attempt(rig, 1)->fired, 2);
        rig_close(rig);
    }
    struct rig *rig = rig_open_as(PROXY_TCP, true);
    arm_fault(rig, "latency", "{\"add\":\"50ms\"}");
    struct peer *c = rig_dial(rig);
    say(c, "ping");
    struct peer *s = await_server(rig, 1);
    await_text(s, "ping");
    uint64_t from_ns = clock_now_ns();
    say(s, "pong");
    await_text(c, "pong");
    assert_true(clock_now_ns() - from_ns >= 50 * NS_PER_MS);
    peer_forget(c);
    say(s, "more"); /* once, not for each chunk: no second hold is made */
    await_text(c, "more");
    peer_close(s, false);
    await_gone(c);
    peer_close(c, false);
    assert_int_equal(await_attempt(rig, 1)->fired, 2);
    rig_close(rig);
}

static void a_bucket_is_the_connections(void **state)
{
    struct rig *rig = rig_open();
    (void)state;
    /* each answer fits into the bucket; together they do not */
    arm_fault(rig, "bandwidth", "{\"rate\":\"100B/s\",\"burst\":\"12B\"}");
    struct peer *c = rig_dial(rig);
    for (size_t i = 1; i <= 3; i++) {
        peer_forget(c);
        say(c, GET);
        answered(rig, i, OK5);
        await_text(c, "hello");
        assert_int_equal(await_attempt(rig, i)->fired, i < 3 ? 0 : 2);
    }
    c = rig_dial(rig);
    say(c, GET);
    answered(rig, 4, OK5);
    await_text(c, "hello");
    assert_int_equal(await_attempt(rig, 4)->fired, 0);
    rig_close(rig);
}

/* Faults on single requests of a pipeline; the others go through in their order. */
static void a_pipeline_is_judged_request_by_request(void **state)
{
    static const char *const words[] = {"abort", "replace", "latency"};
    static const char *const json[] = {
        "{\"status\":503,\"match\":{\"path\":\"/no\"},\"body\":\"N\"}",
        "{\"body\":\"R\",\"match\":{\"path\":\"/re\"}}",
        "{\"add\":\"20ms\",\"match\":{\"path\":\"/slow\"}}"};
    struct rig *rig = rig_open();
    (void)state;
    arm_faults(rig, 3, words, json);
    struct peer *c = rig_dial(rig);
    say(c, "GET /slow HTTP/1.1\r\n\r\nGET /no HTTP/1.1\r\n\r\nGET /re HTTP/1.1\r\n\r\nGET /no "
           "HTTP/1.1\r\n\r\nGET /ok HTTP/1.1\r\n\r\n");
    answered(rig, 1, OK5);
    await_text(c, "503");
    answered(rig, 1, OK5);
    struct rig_want third = {rig->server[0], "/ok", 3};
    rig_await(rig, rig_until_text, &third);
    say(rig->server[0], OK5);
    static const unsigned status[] = {200, 503, 200, 503, 200};
    static const unsigned fired[] = {8, 2, 4, 2, 0};
    (void)await_attempt(rig, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(rig->attempt[i].status, status[i]);
        assert_int_equal(rig->attempt[i].fired, fired[i]);
    }
    size_t seen = 0;
    await_text(c, "\r\n\r\nhello");
    for (size_t at = 0; at + 9 <= c->in.len; at++)
        seen += memcmp(c->in.at + at, "HTTP/1.1 ", 9) == 0;
    assert_int_equal(seen, 5);
    rig_close(rig);
}

/* A hold in the middle: what is before it acted once, what is behind it acts when it is over. */
static void overlapping_faults_act_in_declared_order(void **state)
{
    static const char *const words[] = {"replace", "latency", "abort", "reset"};
    static const char *const json[] = {
        "{\"status\":404}", "{\"add\":\"30ms\"}",
        "{\"status\":503,\"reply\":\"after\",\"match\":{\"path\":\"/a\"}}",
        "{\"when\":\"response_head\"}"};
    struct rig *rig = rig_open();
    (void)state;
    arm_faults(rig, 4, words, json);
    struct peer *c = rig_dial(rig);
    say(c, "GET /a HTTP/1.1\r\n\r\n");
    answered(rig, 1, OK5);
    await_text(c, "503");
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->fired, 2 | 4 | 8);
    assert_int_equal(a->fault, 3);
    assert_int_equal(a->flags & ATTEMPT_SHADOWED, ATTEMPT_SHADOWED);
    assert_true(a->out - a->reply >= 30 * NS_PER_MS);
    say(c, "GET /b HTTP/1.1\r\n\r\n");
    answered(rig, 1, OK5);
    await_gone(c);
    assert_true(c->rst);
    a = await_attempt(rig, 2);
    assert_int_equal(a->fired, 2 | 4 | 16);
    assert_int_equal(a->fault, 4);
    assert_int_equal(a->flags & ATTEMPT_SHADOWED, 0);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grpc_aborts_are_spelled_in_http1),
        cmocka_unit_test(a_replaced_answer_is_framed_anew),
        cmocka_unit_test(corrupt_bytes_have_the_length_that_was_said),
        cmocka_unit_test(a_reset_that_a_body_is_too_short_for_has_not_fired),
        cmocka_unit_test(slow_close_delays_the_end_of_an_http_connection),
        cmocka_unit_test(slow_close_delays_each_half_close_of_a_raw_stream),
        cmocka_unit_test(heads_of_raw_streams_are_their_first_bytes),
        cmocka_unit_test(silence_and_delay_hold_raw_streams),
        cmocka_unit_test(a_bucket_is_the_connections),
        cmocka_unit_test(a_pipeline_is_judged_request_by_request),
        cmocka_unit_test(overlapping_faults_act_in_declared_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
