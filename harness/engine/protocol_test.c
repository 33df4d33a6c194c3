#include "engine/protocol.h"

#include "journal/frame.h"
#include "journal/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static bool parses(uint8_t kind, const char *body, enum control_from from, struct error *err)
{
    json_t *json = NULL;
    *err = (struct error){0};
    bool ok = control_parse(kind, bytes_of(body), from, &json, err);
    json_decref(json);
    return ok;
}

static void hello_goes_round_and_is_accepted(void **state)
{
    (void)state;
    struct error err = {0};
    json_t *hello = hello_make("proxy"), *back;
    char *text = json_dumps(hello, JSON_COMPACT);
    assert_true(control_parse(CONTROL_HELLO, bytes_of(text), FROM_AGENT, &back, &err));
    assert_true(json_equal(hello, back));
    assert_true(hello_check(back, "proxy", getpid(), &err));
    assert_int_equal(control_number(back, "digest"), record_digest());
    free(text);
    json_decref(hello);
    json_decref(back);
}

static void hello_of_another_build_role_or_process_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    json_t *hello = hello_make("proxy");
    assert_false(hello_check(hello, "load", 0, &err));
    assert_non_null(strstr(err.text, "must be \"load\""));
    err = (struct error){0};
    assert_false(hello_check(hello, "proxy", getpid() + 1, &err));
    err = (struct error){0};
    json_object_set_new(hello, "digest", json_integer(7));
    assert_false(hello_check(hello, "proxy", 0, &err));
    assert_non_null(strstr(err.text, "another build"));
    err = (struct error){0};
    json_object_set_new(hello, "version", json_integer(PROTOCOL_VERSION + 1));
    assert_false(hello_check(hello, "proxy", 0, &err));
    json_decref(hello);
}

static void hostile_bodies_are_errors(void **state)
{
    static const struct {
        uint8_t kind;
        const char *body;
    } bodies[] = {
        {CONTROL_HELLO, ""},
        {CONTROL_HELLO, "{"},
        {CONTROL_HELLO, "[]"},
        {CONTROL_HELLO, "null"},
        {CONTROL_HELLO, "{}"},
        {CONTROL_HELLO, "{\"version\":\"1\"}"},
        {CONTROL_READY, "{\"addresses\":{}}"},
        {CONTROL_READY, "{\"addresses\":[],\"addresses\":[]}"},
        {CONTROL_READY, "{\"addresses\":[]} x"},
        {CONTROL_FAILED, "{\"error\":7}"},
        {CONTROL_ARMED, "{\"generation\":-1,\"at\":1,\"held\":0}"},
        {CONTROL_ARMED, "{\"generation\":1.5,\"at\":1,\"held\":0}"},
        {CONTROL_ARMED, "{\"generation\":1}"},
        {CONTROL_BYE, "{\"counts\":[1]}"},
        {CONTROL_DONE, "{\"phase\":99999999999999999999}"},
        {CONTROL_FAILED, "{\"error\":\"\\u0000\"}"},
        {CONTROL_FAILED, "{\"error\":\"\xff\"}"},
        {0, "{}"},
        {15, "{}"},
    };
    struct error err;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        assert_false(parses(bodies[i].kind, bodies[i].body, FROM_AGENT, &err));
        assert_int_equal(err.kind, ERROR_PEER);
        assert_true(err.text[0] != '\0');
    }
}

static void messages_of_the_wrong_side_are_errors(void **state)
{
    struct error err;
    (void)state;
    assert_true(parses(CONTROL_ARM, "{\"generation\":1,\"faults\":[]}", FROM_CONDUCTOR, &err));
    assert_false(parses(CONTROL_ARM, "{\"generation\":1,\"faults\":[]}", FROM_AGENT, &err));
    assert_false(parses(CONTROL_READY, "{\"addresses\":[]}", FROM_CONDUCTOR, &err));
    assert_true(parses(CONTROL_CLOCK, "{\"t1\":1}", FROM_CONDUCTOR, &err));
    assert_true(parses(CONTROL_CLOCK, "{\"t1\":1,\"t2\":2,\"t3\":3}", FROM_AGENT, &err));
}

static void errors_name_the_message_and_the_field(void **state)
{
    struct error err;
    (void)state;
    assert_false(
        parses(CONTROL_START, "{\"phase\":1,\"ordinal\":\"x\",\"seed\":1}", FROM_CONDUCTOR, &err));
    assert_string_equal(err.text, "START: \"ordinal\" is not a number from 0 on");
    assert_false(parses(CONTROL_START, "{\"phase\":1,\"seed\":1}", FROM_CONDUCTOR, &err));
    assert_string_equal(err.text, "START has no \"ordinal\"");
}

static bool count_frame(void *cookie, const struct frame *frame, struct bytes body,
                        struct error *err)
{
    json_t **ret = cookie;
    return control_parse(frame->kind, body, FROM_CONDUCTOR, ret, err);
}

static void a_message_past_64_kib_goes_round_in_frames(void **state)
{
    (void)state;
    struct error err = {0};
    struct buffer wire;
    struct frame_reader reader;
    json_t *faults = json_array(), *back = NULL;
    for (int i = 0; i < 20000; i++)
        json_array_append_new(faults, json_integer(i));
    json_t *arm = json_pack("{sI so}", "generation", (json_int_t)3, "faults", faults);
    char *text = json_dumps(arm, JSON_COMPACT);
    buffer_init(&wire, CONTROL_MOST_BYTES);
    assert_true(strlen(text) > FRAME_BODY_MOST);
    assert_true(frame_add_control(&wire, CONTROL_ARM, bytes_of(text), &err));
    frame_reader_init(&reader, count_frame, &back);
    for (size_t i = 0; i < wire.len; i += 1000) {
        size_t n = wire.len - i < 1000 ? wire.len - i : 1000;
        assert_true(frame_reader_feed(&reader, (struct bytes){wire.at + i, n}, &err));
    }
    assert_true(json_equal(arm, back));
    frame_reader_release(&reader);
    buffer_release(&wire);
    free(text);
    json_decref(arm);
    json_decref(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_goes_round_and_is_accepted),
        cmocka_unit_test(hello_of_another_build_role_or_process_is_refused),
        cmocka_unit_test(hostile_bodies_are_errors),
        cmocka_unit_test(messages_of_the_wrong_side_are_errors),
        cmocka_unit_test(errors_name_the_message_and_the_field),
        cmocka_unit_test(a_message_past_64_kib_goes_round_in_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
