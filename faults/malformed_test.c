#include "faults/fault_test.h"

static void malformed_empty_is_a_clean_end_before_the_head(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "malformed", "{\"kind\":\"empty\"}"));
    struct answer a = fault_case_head(&c, SIDE_REQUEST, 1);
    assert_int_equal(a.act, ACT_CLOSE);
    assert_int_equal(a.scope, SCOPE_UNPROCESSED);
    assert_int_equal(a.take, 0);
    assert_int_equal(fault_case_head(&c, SIDE_RESPONSE, 1).act, ACT_PASS);
    fault_case_release(&c);
}

static struct bytes raw_of(struct fault_case *c, const char *json)
{
    assert_true(fault_case_init(c, "malformed", json));
    struct answer a = fault_case_head(c, SIDE_REQUEST, 1);
    assert_int_equal(a.act, ACT_RESPOND);
    return a.reply->raw;
}

static void malformed_bytes_are_what_they_say(void **state)
{
    struct fault_case c, d;
    (void)state;
    struct bytes raw = raw_of(&c, "{\"kind\":\"bad_chunk\"}");
    assert_true(bytes_starts(raw, BYTES("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")));
    fault_case_release(&c);
    raw = raw_of(&c, "{\"kind\":\"bad_status_line\"}");
    assert_false(bytes_starts(raw, BYTES("HTTP/1.1 200")));
    fault_case_release(&c);
    raw = raw_of(&c, "{\"kind\":\"oversized_header\",\"size\":\"100KiB\"}");
    assert_true(raw.len > 100 * 1024 && raw.len < 101 * 1024);
    assert_memory_equal(raw.at + raw.len - 4, "\r\n\r\n", 4);
    fault_case_release(&c);
    raw = raw_of(&c, "{\"kind\":\"random\",\"size\":\"1MiB\"}");
    struct bytes same = raw_of(&d, "{\"kind\":\"random\",\"size\":\"1MiB\"}");
    assert_int_equal(raw.len, 1 << 20);
    assert_true(bytes_equal(raw, same));
    assert_true(raw.at[0] >= 0x80);
    fault_case_release(&c);
    fault_case_release(&d);
}

static void malformed_frames_are_for_http2_alone(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "malformed", "{\"kind\":\"bad_frame\"}"));
    assert_int_equal(fault_case_head(&c, SIDE_REQUEST, 1).act, ACT_PASS);
    c.call.is_h2 = true;
    struct answer a = fault_case_head(&c, SIDE_REQUEST, 1);
    assert_int_equal(a.act, ACT_RESPOND);
    assert_int_equal(a.reply->raw.len, 9);
    assert_memory_equal(a.reply->raw.at, "\0\0\0\0\0\0\0\0\0", 9);
    fault_case_release(&c);
}

static void malformed_refuses_what_cannot_be(void **state)
{
    (void)state;
    fault_case_refused("malformed", "{}", "fault.malformed needs kind");
    fault_case_refused(
        "malformed", "{\"kind\":\"bad\"}",
        "fault.malformed: kind is \"bad\"; it is one of empty, bad_status_line, bad_chunk, random, "
        "oversized_header, bad_frame");
    fault_case_refused("malformed", "{\"kind\":\"random\",\"size\":\"2MiB\"}",
                       "fault.malformed: size is 2MiB, more than the 1MiB allowed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_empty_is_a_clean_end_before_the_head),
        cmocka_unit_test(malformed_bytes_are_what_they_say),
        cmocka_unit_test(malformed_frames_are_for_http2_alone),
        cmocka_unit_test(malformed_refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
