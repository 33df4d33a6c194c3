#include "journal/frame.h"

#include "base/rng.h"
#include "base/text.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* What came out, as text: "kind:len:seq:first-byte " for each frame. */
struct seen {
    struct text text;
    size_t stop_after;
};

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct seen *s = cookie;
    text_add(&s->text, "%u:%zu:%u:%d ", frame->kind, body.len, frame->seq,
             body.len > 0 ? body.at[0] : -1);
    if (s->stop_after > 0 && --s->stop_after == 0)
        return error_set(err, ERROR_PEER, "enough");
    return true;
}

static void add(struct buffer *to, uint8_t kind, uint32_t seq, const void *body, size_t len)
{
    struct frame frame = {.len = (uint16_t)len, .kind = kind, .seq = seq};
    assert_true(buffer_add(to, &frame, sizeof(frame), NULL));
    assert_true(buffer_add(to, body, len, NULL));
}

static void fill(struct buffer *to)
{
    static uint8_t large[200000];
    memset(large, 'x', sizeof(large));
    buffer_init(to, 1 << 20);
    add(to, 17, 1, "abc", 3);
    add(to, 18, 2, "", 0);
    add(to, 16, 3, large, FRAME_BODY_MOST);
    assert_true(frame_add_control(to, 5, (struct bytes){large, sizeof(large)}, NULL));
    assert_true(frame_add_control(to, 6, BYTES("{}"), NULL));
    assert_true(frame_add_control(to, 7, (struct bytes){large, 0}, NULL));
    assert_true(frame_add_control(to, 8, (struct bytes){large, FRAME_BODY_MOST}, NULL));
    add(to, 63, 4, "z", 1);
}
#define WANTED \
    "17:3:1:97 18:0:2:-1 16:65535:3:120 5:200000:0:120 6:2:0:123 7:0:0:-1 8:65535:0:120 " \
    "63:1:4:122 "

static void frames_come_out_the_same_however_the_stream_is_cut(void **state)
{
    struct buffer stream;
    struct rng rng = rng_of(3);
    (void)state;
    fill(&stream);
    for (int round = 0; round < 60; round++) {
        struct seen seen = {0};
        struct frame_reader r;
        text_init(&seen.text, 10000);
        frame_reader_init(&r, on_frame, &seen);
        size_t most = round == 0 ? 1 : round == 1 ? stream.len : 1 + (size_t)rng_below(&rng, 90000);
        for (size_t at = 0; at < stream.len;) {
            size_t n = 1 + (size_t)rng_below(&rng, most);
            n = n > stream.len - at ? stream.len - at : n;
            /* a copy of its own: a view that outlives the feed is a use after free */
            uint8_t *piece = check_alloc(n);
            memcpy(piece, stream.at + at, n);
            assert_true(frame_reader_feed(&r, (struct bytes){piece, n}, NULL));
            free(piece);
            at += n;
        }
        assert_string_equal(text_get(&seen.text), WANTED);
        assert_int_equal(r.in.len, 0);
        frame_reader_release(&r);
        text_release(&seen.text);
    }
    buffer_release(&stream);
}

static void a_callback_that_fails_stops_the_feed(void **state)
{
    struct buffer stream;
    struct seen seen = {.stop_after = 2};
    struct frame_reader r;
    struct error err = {0};
    (void)state;
    fill(&stream);
    text_init(&seen.text, 10000);
    frame_reader_init(&r, on_frame, &seen);
    assert_false(frame_reader_feed(&r, buffer_view(&stream), &err));
    assert_string_equal(err.text, "enough");
    assert_string_equal(text_get(&seen.text), "17:3:1:97 18:0:2:-1 ");
    frame_reader_release(&r);
    text_release(&seen.text);
    buffer_release(&stream);
}

static void a_control_message_past_its_maximum_is_refused_on_both_sides(void **state)
{
    struct seen seen = {0};
    struct frame_reader r;
    struct error err = {0};
    struct buffer out;
    static uint8_t body[FRAME_BODY_MOST];
    struct frame frame = {.len = FRAME_BODY_MOST, .kind = 4, .flags = FRAME_MORE};
    (void)state;
    text_init(&seen.text, 100);
    frame_reader_init(&r, on_frame, &seen);
    bool ok = true;
    for (int i = 0; i < 65 && ok; i++)
        ok = frame_reader_feed(&r, (struct bytes){(const uint8_t *)&frame, sizeof(frame)}, &err) &&
             frame_reader_feed(&r, (struct bytes){body, sizeof(body)}, &err);
    assert_false(ok);
    assert_int_equal(err.kind, ERROR_LIMIT);
    frame_reader_release(&r);
    text_release(&seen.text);
    buffer_init(&out, SIZE_MAX / 2);
    err = (struct error){0};
    assert_false(frame_add_control(&out, 4, (struct bytes){body, CONTROL_MOST_BYTES + 1}, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_int_equal(out.len, 0);
    buffer_release(&out);
}

static void another_kind_within_a_message_is_the_peers_error(void **state)
{
    struct seen seen = {0};
    struct frame_reader r;
    struct error err = {0};
    struct frame first = {.kind = 4, .flags = FRAME_MORE}, second = {.kind = 17};
    (void)state;
    text_init(&seen.text, 100);
    frame_reader_init(&r, on_frame, &seen);
    assert_true(
        frame_reader_feed(&r, (struct bytes){(const uint8_t *)&first, sizeof(first)}, &err));
    assert_false(
        frame_reader_feed(&r, (struct bytes){(const uint8_t *)&second, sizeof(second)}, &err));
    assert_int_equal(err.kind, ERROR_PEER);
    frame_reader_release(&r);
    text_release(&seen.text);
}

static void records_may_carry_any_flags(void **state)
{
    struct seen seen = {0};
    struct frame_reader r;
    struct frame frame = {.kind = 17, .flags = FRAME_MORE | FRAME_PRESSED, .seq = 9};
    (void)state;
    text_init(&seen.text, 100);
    frame_reader_init(&r, on_frame, &seen);
    assert_true(
        frame_reader_feed(&r, (struct bytes){(const uint8_t *)&frame, sizeof(frame)}, NULL));
    assert_string_equal(text_get(&seen.text), "17:0:9:-1 ");
    frame_reader_release(&r);
    text_release(&seen.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_the_same_however_the_stream_is_cut),
        cmocka_unit_test(a_callback_that_fails_stops_the_feed),
        cmocka_unit_test(a_control_message_past_its_maximum_is_refused_on_both_sides),
        cmocka_unit_test(another_kind_within_a_message_is_the_peers_error),
        cmocka_unit_test(records_may_carry_any_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
