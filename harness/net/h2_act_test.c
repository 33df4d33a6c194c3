/* What faults do on HTTP/2: each to its own stream, but for those that mean the connection. */

#include "net/h2_peer_test.h"

struct stage {
    struct rig *rig;
    struct h2_peer *c, *s;
};

/* A client with stream 1 (/a, no fault) at the backend, and stream 3 (/slow) asked for. */
static struct stage two_streams(const struct h2_script *script)
{
    struct stage t = {.rig = rig_open_as(PROXY_HTTP2, false)};
    h2_arm(t.rig, script, true);
    t.c = h2_dial(t.rig);
    h2_head(t.c, 1, H2_GET, true);
    t.s = h2_serve(t.rig, 1);
    h2_await(t.s, NGHTTP2_HEADERS, 1);
    h2_head(t.c, 3, H2_SLOW, true);
    return t;
}
static void answer_first(struct stage *t)
{
    h2_head(t->s, 1, ":status: 204\n", true);
    h2_await(t->c, NGHTTP2_HEADERS, 1);
}
static struct attempt_record *attempt_of(struct rig *rig, size_t count, uint32_t stream)
{
    await_attempt(rig, count);
    for (size_t i = 0; i < rig->attempt_count; i++) {
        if (rig->attempt[i].stream == stream)
            return &rig->attempt[i];
    }
    fail_msg("no record of stream %u", stream);
    return NULL;
}

static void a_held_request_holds_its_own_stream_alone(void **state)
{
    (void)state;
    struct h2_script hold = {
        .moment = MOMENT_HEAD, .answer = {.act = ACT_HOLD}, .hold_ns = 60 * NS_PER_MS};
    struct stage t = two_streams(&hold);
    answer_first(&t);
    assert_null(h2_find(t.s, NGHTTP2_HEADERS, 3));
    struct seen_frame *ask = h2_await(t.s, NGHTTP2_HEADERS, 3);
    h2_expect_fields(ask, ":path: /slow\n");
    assert_true(h2_ends(ask));
    h2_head(t.s, 3, ":status: 204\n", true);
    h2_await(t.c, NGHTTP2_HEADERS, 3);
    struct attempt_record *r = attempt_of(t.rig, 2, 3);
    assert_int_equal(r->outcome, OUTCOME_ANSWERED);
    assert_true(r->upstream >= 60 * NS_PER_MS);
    assert_int_equal(r->fired, 1u << 9);
    h2_close(t.rig, t.c, t.s);
}

static void a_held_answer_comes_whole_when_its_time_is_up(void **state)
{
    (void)state;
    struct h2_script hold = {.moment = MOMENT_HEAD,
                             .side = SIDE_RESPONSE,
                             .answer = {.act = ACT_HOLD},
                             .hold_ns = 60 * NS_PER_MS};
    struct stage t = two_streams(&hold);
    h2_await(t.s, NGHTTP2_HEADERS, 3);
    h2_head(t.s, 3, H2_OK, false);
    h2_data(t.s, 3, "hello", false);
    h2_head(t.s, 3, "x-t: 1\n", true);
    answer_first(&t);
    assert_null(h2_find(t.c, NGHTTP2_HEADERS, 3));
    h2_await(t.c, NGHTTP2_HEADERS, 3);
    assert_int_equal(h2_await(t.c, NGHTTP2_DATA, 3)->len, 5);
    struct seen_frame *trailers = h2_await(t.c, NGHTTP2_HEADERS, 3);
    h2_expect_fields(trailers, "x-t: 1\n");
    assert_true(h2_ends(trailers));
    assert_true(attempt_of(t.rig, 2, 3)->head_out >= 60 * NS_PER_MS);
    h2_close(t.rig, t.c, t.s);
}

static void a_held_stream_that_the_client_resets_is_left(void **state)
{
    (void)state;
    struct h2_script hold = {
        .moment = MOMENT_HEAD, .answer = {.act = ACT_HOLD}, .hold_ns = HOLD_FOREVER};
    struct stage t = two_streams(&hold);
    h2_rst(t.c, 3, NGHTTP2_CANCEL);
    struct attempt_record *r = attempt_of(t.rig, 1, 3);
    assert_int_equal(r->outcome, OUTCOME_LEFT);
    assert_int_equal(r->left_kind, LEFT_RST_STREAM);
    assert_int_equal(r->left_code, NGHTTP2_CANCEL);
    assert_int_equal(r->upstream, 0);
    answer_first(&t);
    h2_close(t.rig, t.c, t.s);
}

static void disarming_lets_held_streams_go(void **state)
{
    (void)state;
    static const struct h2_script holds[] = {
        {.moment = MOMENT_HEAD, .answer = {.act = ACT_HOLD}, .hold_ns = HOLD_FOREVER},
        {.moment = MOMENT_END, .answer = {.act = ACT_HOLD}, .hold_ns = HOLD_FOREVER},
        {.moment = MOMENT_HEAD,
         .side = SIDE_RESPONSE,
         .answer = {.act = ACT_HOLD},
         .hold_ns = HOLD_FOREVER},
        {.moment = MOMENT_DATA,
         .side = SIDE_RESPONSE,
         .answer = {.act = ACT_HOLD},
         .after = 2,
         .hold_ns = HOLD_FOREVER},
        {.moment = MOMENT_END,
         .side = SIDE_RESPONSE,
         .answer = {.act = ACT_HOLD},
         .hold_ns = HOLD_FOREVER},
    };
    for (size_t i = 0; i < COUNT_OF(holds); i++) {
        struct stage t = two_streams(&holds[i]);
        if (holds[i].side == SIDE_RESPONSE || holds[i].moment == MOMENT_END)
            h2_await(t.s, NGHTTP2_HEADERS, 3);
        if (holds[i].side == SIDE_RESPONSE) {
            h2_head(t.s, 3, H2_OK, false);
            h2_data(t.s, 3, "hello", true);
        }
        answer_first(&t);
        await_ns(t.rig, 5 * NS_PER_MS);
        uint64_t at_ns = 0;
        assert_int_equal(proxy_arm(t.rig->proxy, 1, NULL, &at_ns), 1);
        if (holds[i].side == SIDE_REQUEST) {
            if (holds[i].moment == MOMENT_HEAD)
                h2_await(t.s, NGHTTP2_HEADERS, 3);
            h2_head(t.s, 3, ":status: 204\n", true);
            h2_await(t.c, NGHTTP2_HEADERS, 3);
        } else {
            while (!h2_ends(h2_await(t.c, NGHTTP2_DATA, 3)))
                ;
            assert_int_equal(t.c->data[3], 5);
        }
        struct attempt_record *r = attempt_of(t.rig, 2, 3);
        assert_int_equal(r->outcome, OUTCOME_ANSWERED);
        assert_int_equal(r->flags & ATTEMPT_RELEASED, ATTEMPT_RELEASED);
        h2_close(t.rig, t.c, t.s);
    }
}

/* A stream of gRPC that talks both ways at once. */
static void disarming_lets_both_ways_of_a_stream_go(void **state)
{
    struct h2_script script[2];
    struct filter_slot slots[2];
    (void)state;
    for (unsigned side = SIDE_REQUEST; side <= SIDE_RESPONSE; side++) {
        script[side] = (struct h2_script){.moment = MOMENT_DATA,
                                          .side = (enum side)side,
                                          .answer = {.act = ACT_HOLD},
                                          .hold_ns = HOLD_FOREVER};
        slots[side] = (struct filter_slot){
            .filter = &h2_script_filter,
            .params = &script[side],
            .fault = (uint16_t)(1 + side),
            .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 42}};
    }
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    uint64_t at_ns = 0;
    (void)proxy_arm(rig->proxy, 1, chain_new(slots, 2, 3, NULL), &at_ns);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_POST, false);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_data(c, 1, "ping!", true);
    h2_head(s, 1, H2_OK, false);
    h2_data(s, 1, "pong", false);
    rig_await_polling(rig, rig_until_both_fired, NULL);
    assert_int_equal(proxy_arm(rig->proxy, 1, NULL, &at_ns), 2);
    h2_await(s, NGHTTP2_DATA, 1);
    h2_await(c, NGHTTP2_DATA, 1);
    h2_data(s, 1, "", true);
    assert_int_equal(attempt_of(rig, 1, 1)->flags & ATTEMPT_RELEASED, ATTEMPT_RELEASED);
    h2_close(rig, c, s);
}

static void an_answer_in_the_backends_place_never_dials(void **state)
{
    (void)state;
    struct field field = {BYTES("Retry-After"), BYTES("1")};
    struct h2_script abort = {.moment = MOMENT_HEAD,
                              .answer = {.act = ACT_RESPOND},
                              .reply = {.status = 503, .fields = {&field, 1}, .body = BYTES("no")}};
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    h2_arm(rig, &abort, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_POST, false); /* its body never comes */
    struct seen_frame *head = h2_await(c, NGHTTP2_HEADERS, 1);
    assert_string_equal(head->fields, ":status: 503\nretry-after: 1\ncontent-length: 2\n");
    assert_true(h2_ends(h2_await(c, NGHTTP2_DATA, 1)));
    assert_int_equal(h2_await(c, NGHTTP2_RST_STREAM, 1)->code, NGHTTP2_NO_ERROR);
    struct attempt_record *r = await_attempt(rig, 1);
    assert_int_equal(r->outcome, OUTCOME_ANSWERED);
    assert_int_equal(r->status, 503);
    assert_int_equal(r->fault, 9);
    assert_int_equal(r->action, ACT_RESPOND);
    assert_int_equal(r->bytes_out, 2);
    h2_head(c, 3, H2_GET, true); /* and again, for the connection lives on */
    h2_await(c, NGHTTP2_HEADERS, 3);
    await_attempt(rig, 2);
    assert_int_equal(rig->accepted, 0);
    h2_close(rig, c, NULL);
}

static void an_answer_after_the_backends_own_is_thrown_away(void **state)
{
    (void)state;
    struct h2_script abort = {.moment = MOMENT_HEAD,
                              .side = SIDE_RESPONSE,
                              .answer = {.act = ACT_RESPOND},
                              .reply = {.status = 500}};
    struct stage t = two_streams(&abort);
    h2_await(t.s, NGHTTP2_HEADERS, 3);
    h2_head(t.s, 3, H2_OK, false);
    assert_int_equal(h2_await(t.s, NGHTTP2_RST_STREAM, 3)->code, NGHTTP2_CANCEL);
    h2_expect_fields(h2_await(t.c, NGHTTP2_HEADERS, 3), ":status: 500\n");
    struct attempt_record *r = attempt_of(t.rig, 1, 3);
    assert_int_equal(r->outcome, OUTCOME_ANSWERED);
    assert_true(r->reply > 0);
    assert_int_equal(r->flags & ATTEMPT_EFFECT, ATTEMPT_EFFECT);
    answer_first(&t);
    h2_close(t.rig, t.c, t.s);
}

static void a_grpc_error_stands_in_the_head_or_in_trailers(void **state)
{
    (void)state;
    for (int trailers = 0; trailers < 2; trailers++) {
        struct h2_script abort = {.moment = MOMENT_HEAD,
                                  .answer = {.act = ACT_RESPOND},
                                  .reply = {.grpc_status = 15,
                                            .in_trailers = trailers == 1,
                                            .body = BYTES("down: 5%\n")}};
        struct rig *rig = rig_open_as(PROXY_HTTP2, false);
        h2_arm(rig, &abort, false);
        struct h2_peer *c = h2_dial(rig);
        h2_head(c, 1, H2_RPC, true);
        struct seen_frame *head = h2_await(c, NGHTTP2_HEADERS, 1);
        h2_expect_fields(head, ":status: 200\ncontent-type: application/grpc\n");
        assert_int_equal(h2_ends(head), trailers == 0);
        if (trailers == 1)
            head = h2_await(c, NGHTTP2_HEADERS, 1);
        assert_true(h2_ends(head));
        h2_expect_fields(head, "grpc-status: 14\ngrpc-message: down: 5%25%0A\n");
        struct attempt_record *r = await_attempt(rig, 1);
        assert_int_equal(r->status, 200);
        assert_int_equal(r->grpc_status, 15);
        assert_int_equal(r->grpc_where, trailers == 1 ? 2 : 1);
        /* Envoy counts it against the host in the head alone */
        assert_int_equal(rig->proxy->endpoints[0].streak.run, trailers == 1 ? 0 : 1);
        assert_int_equal(r->outcome, OUTCOME_ANSWERED);
        h2_close(rig, c, NULL);
    }
}

static void a_reset_of_a_stream_has_its_code_and_spares_the_others(void **state)
{
    (void)state;
    struct h2_script reset = {
        .moment = MOMENT_HEAD,
        .answer = {.act = ACT_RESET, .scope = SCOPE_STREAM, .code = NGHTTP2_REFUSED_STREAM}};
    struct stage t = two_streams(&reset);
    assert_int_equal(h2_await(t.c, NGHTTP2_RST_STREAM, 3)->code, NGHTTP2_REFUSED_STREAM);
    struct attempt_record *r = attempt_of(t.rig, 1, 3);
    assert_int_equal(r->outcome, OUTCOME_RESET_BY_FAULT);
    assert_int_equal(r->fault, 9);
    answer_first(&t);
    assert_null(h2_find(t.s, NGHTTP2_HEADERS, 3));
    h2_close(t.rig, t.c, t.s);
}

static void a_reset_within_a_body_lets_its_prefix_out(void **state)
{
    (void)state;
    struct h2_script reset = {
        .moment = MOMENT_DATA,
        .side = SIDE_RESPONSE,
        .after = 3,
        .answer = {.act = ACT_RESET, .scope = SCOPE_STREAM, .code = NGHTTP2_INTERNAL_ERROR}};
    struct stage t = two_streams(&reset);
    h2_await(t.s, NGHTTP2_HEADERS, 3);
    h2_head(t.s, 3, H2_OK, false);
    h2_data(t.s, 3, "hello", true);
    assert_int_equal(h2_await(t.c, NGHTTP2_RST_STREAM, 3)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(t.c->data[3], 3);
    assert_int_equal(attempt_of(t.rig, 1, 3)->outcome, OUTCOME_RESET_BY_FAULT);
    answer_first(&t);
    h2_close(t.rig, t.c, t.s);
}

static void a_reset_of_the_connection_is_an_rst_that_takes_all_along(void **state)
{
    (void)state;
    struct h2_script reset = {.moment = MOMENT_DATA,
                              .side = SIDE_RESPONSE,
                              .after = 3,
                              .answer = {.act = ACT_RESET, .scope = SCOPE_CONNECTION}};
    struct stage t = two_streams(&reset);
    h2_await(t.s, NGHTTP2_HEADERS, 3);
    h2_head(t.s, 3, H2_OK, false);
    h2_data(t.s, 3, "hello", true);
    await_gone(t.c->peer);
    assert_true(t.c->peer->rst);
    h2_parse(t.c);
    assert_int_equal(t.c->data[3], 3); /* what was promised came first */
    for (uint32_t id = 1; id <= 3; id += 2) {
        struct attempt_record *r = attempt_of(t.rig, 2, id);
        assert_int_equal(r->outcome, OUTCOME_RESET_BY_FAULT);
        assert_int_equal(r->fault, 9);
    }
    h2_close(t.rig, t.c, t.s);
}

static void a_goaway_lets_what_was_begun_end(void **state)
{
    (void)state;
    struct h2_script bye = {
        .moment = MOMENT_HEAD,
        .answer = {.act = ACT_CLOSE, .scope = SCOPE_CONNECTION, .code = NGHTTP2_ENHANCE_YOUR_CALM}};
    struct stage t = two_streams(&bye);
    struct seen_frame *f = h2_await(t.c, NGHTTP2_GOAWAY, 0);
    assert_int_equal(f->last, 3);
    assert_int_equal(f->code, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_await(t.s, NGHTTP2_HEADERS, 3);
    h2_head(t.s, 3, ":status: 204\n", true);
    h2_await(t.c, NGHTTP2_HEADERS, 3);
    answer_first(&t);
    await_gone(t.c->peer);
    assert_true(t.c->peer->fin);
    struct attempt_record *r = attempt_of(t.rig, 2, 3);
    assert_int_equal(r->outcome, OUTCOME_ANSWERED);
    assert_int_equal(r->fault, 9);
    assert_int_equal(r->action, ACT_CLOSE);
    h2_close(t.rig, t.c, t.s);
}

static void a_goaway_that_disowns_loses_what_is_in_flight(void **state)
{
    (void)state;
    struct h2_script bye = {.moment = MOMENT_HEAD,
                            .answer = {.act = ACT_CLOSE, .scope = SCOPE_UNPROCESSED}};
    struct stage t = two_streams(&bye);
    struct seen_frame *f = h2_await(t.c, NGHTTP2_GOAWAY, 0);
    assert_int_equal(f->last, 0);
    assert_int_equal(f->code, NGHTTP2_NO_ERROR);
    await_gone(t.c->peer);
    assert_true(t.c->peer->fin);
    assert_null(h2_find(t.c, NGHTTP2_RST_STREAM, -1));
    for (uint32_t id = 1; id <= 3; id += 2) {
        struct attempt_record *r = attempt_of(t.rig, 2, id);
        assert_int_equal(r->outcome, OUTCOME_CLOSED_BY_FAULT);
        assert_int_equal(r->fault, 9);
        assert_true(r->out > 0);
    }
    await_gone(t.s->peer);
    h2_close(t.rig, t.c, t.s);
}

static void a_close_of_a_stream_is_never_mistaken_for_its_end(void **state)
{
    (void)state;
    struct h2_script cut = {.moment = MOMENT_DATA,
                            .side = SIDE_RESPONSE,
                            .after = 3,
                            .answer = {.act = ACT_CLOSE, .scope = SCOPE_STREAM}};
    struct stage t = two_streams(&cut);
    h2_await(t.s, NGHTTP2_HEADERS, 3);
    h2_head(t.s, 3, H2_OK, false);
    h2_data(t.s, 3, "hello", true);
    assert_int_equal(h2_await(t.c, NGHTTP2_RST_STREAM, 3)->code, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(attempt_of(t.rig, 1, 3)->outcome, OUTCOME_CLOSED_BY_FAULT);
    assert_int_equal(t.c->data[3], 3);
    h2_close(t.rig, t.c, t.s);
}

static void raw_bytes_go_out_as_they_are_and_end_the_connection(void **state)
{
    (void)state;
    struct h2_script raw = {.moment = MOMENT_HEAD,
                            .answer = {.act = ACT_RESPOND},
                            .reply = {.raw = BYTES("\0\0\4\3\0\0\0\0\3\0\0\0\15")}};
    struct stage t = two_streams(&raw);
    assert_int_equal(h2_await(t.c, NGHTTP2_RST_STREAM, 3)->code, NGHTTP2_HTTP_1_1_REQUIRED);
    await_gone(t.c->peer);
    assert_true(t.c->peer->fin);
    assert_int_equal(attempt_of(t.rig, 2, 3)->outcome, OUTCOME_CLOSED_BY_FAULT);
    assert_int_equal(attempt_of(t.rig, 2, 1)->outcome, OUTCOME_CLOSED_BY_FAULT);
    h2_close(t.rig, t.c, t.s);
}

static void an_edit_of_a_head_changes_status_fields_and_body(void **state)
{
    (void)state;
    struct field fields[] = {{BYTES("X-New"), BYTES("1")}, {BYTES("x-old"), {NULL, 0}}};
    struct h2_script edit = {.moment = MOMENT_HEAD,
                             .side = SIDE_RESPONSE,
                             .answer = {.act = ACT_REPLACE},
                             .reply = {.status = 418, .fields = {fields, 2}, .body = BYTES("tea")}};
    struct stage t = two_streams(&edit);
    h2_await(t.s, NGHTTP2_HEADERS, 3);
    h2_head(t.s, 3, H2_OK "x-old: 1\ncontent-length: 5\n", false);
    h2_data(t.s, 3, "hello", true);
    struct seen_frame *head = h2_await(t.c, NGHTTP2_HEADERS, 3);
    assert_string_equal(head->fields, ":status: 418\nx-new: 1\ncontent-length: 3\n");
    while (!h2_ends(h2_await(t.c, NGHTTP2_DATA, 3)))
        ;
    assert_int_equal(t.c->data[3], 3);
    assert_int_equal(attempt_of(t.rig, 1, 3)->status, 418);
    h2_close(t.rig, t.c, t.s);
}

static void an_edit_of_trailers_is_what_the_record_says(void **state)
{
    (void)state;
    struct field field = {BYTES("grpc-status"), BYTES("14")};
    struct h2_script edit = {.moment = MOMENT_END,
                             .side = SIDE_RESPONSE,
                             .answer = {.act = ACT_REPLACE},
                             .reply = {.fields = {&field, 1}}};
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    h2_arm(rig, &edit, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_RPC, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, H2_OK, false);
    h2_head(s, 1, "grpc-status: 0\n", true);
    h2_await(c, NGHTTP2_HEADERS, 1);
    assert_string_equal(h2_await(c, NGHTTP2_HEADERS, 1)->fields, "grpc-status: 14\n");
    assert_int_equal(await_attempt(rig, 1)->grpc_status, 15);
    h2_close(rig, c, s);
}

static void bytes_replaced_within_a_body_keep_the_windows_open(void **state)
{
    (void)state;
    static char block[16001];
    struct h2_script edit = {.moment = MOMENT_DATA,
                             .side = SIDE_RESPONSE,
                             .answer = {.act = ACT_REPLACE, .take = TAKE_ALL, .bytes = BYTES("x")}};
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    h2_arm(rig, &edit, false);
    struct h2_peer *c = h2_dial(rig);
    memset(block, 'y', sizeof(block) - 1);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    h2_head(s, 1, H2_OK, false);
    for (size_t i = 0; i < 12; i++) { /* three windows of bytes, which become few */
        h2_data(s, 1, block, i == 11);
        if (i == 3 || i == 7)
            h2_await(s, NGHTTP2_WINDOW_UPDATE, 1);
    }
    while (!h2_ends(h2_await(c, NGHTTP2_DATA, 1)))
        ;
    assert_true(c->data[1] >= 1 && c->data[1] <= 200);
    h2_close(rig, c, s);
}

static void armed_with_existing_reset_cuts_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP2, false);
    struct h2_peer *c = h2_dial(rig);
    h2_head(c, 1, H2_GET, true);
    struct h2_peer *s = h2_serve(rig, 1);
    h2_await(s, NGHTTP2_HEADERS, 1);
    proxy_existing(rig->proxy, 1, EXISTING_RESET);
    await_gone(c->peer);
    assert_true(c->peer->rst);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_RESET_BY_FAULT);
    h2_close(rig, c, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_request_holds_its_own_stream_alone),
        cmocka_unit_test(a_held_answer_comes_whole_when_its_time_is_up),
        cmocka_unit_test(a_held_stream_that_the_client_resets_is_left),
        cmocka_unit_test(disarming_lets_held_streams_go),
        cmocka_unit_test(disarming_lets_both_ways_of_a_stream_go),
        cmocka_unit_test(an_answer_in_the_backends_place_never_dials),
        cmocka_unit_test(an_answer_after_the_backends_own_is_thrown_away),
        cmocka_unit_test(a_grpc_error_stands_in_the_head_or_in_trailers),
        cmocka_unit_test(a_reset_of_a_stream_has_its_code_and_spares_the_others),
        cmocka_unit_test(a_reset_within_a_body_lets_its_prefix_out),
        cmocka_unit_test(a_reset_of_the_connection_is_an_rst_that_takes_all_along),
        cmocka_unit_test(a_goaway_lets_what_was_begun_end),
        cmocka_unit_test(a_goaway_that_disowns_loses_what_is_in_flight),
        cmocka_unit_test(a_close_of_a_stream_is_never_mistaken_for_its_end),
        cmocka_unit_test(raw_bytes_go_out_as_they_are_and_end_the_connection),
        cmocka_unit_test(an_edit_of_a_head_changes_status_fields_and_body),
        cmocka_unit_test(an_edit_of_trailers_is_what_the_record_says),
        cmocka_unit_test(bytes_replaced_within_a_body_keep_the_windows_open),
        cmocka_unit_test(armed_with_existing_reset_cuts_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
