#include "faults/fault_test.h"

#include "base/clock.h"
#include "faults/cert.h"

static struct answer ask(struct fault_case *c, enum tls_message message)
{
    struct filter_context at = fault_case_at(c, 1);
    struct handshake_view seen = {.message = message, .terminated = true, .nth = 1};
    return c->slot.filter->on_handshake(&at, &seen);
}

static void each_word_chooses_its_leaf_and_its_side(void **state)
{
    (void)state;
    for (unsigned i = CERT_EXPIRED; i < CERT_KIND_COUNT; i++) {
        struct fault_case c;
        char json[64];
        enum cert_kind kind = CERT_GOOD;
        uint64_t by_ns = 0;
        snprintf(json, sizeof(json), "{\"kind\":\"%s\"}", cert_kind_word((enum cert_kind)i));
        assert_true(fault_case_init(&c, "cert", json));
        assert_int_equal(ask(&c, TLS_CLIENT_HELLO).act, ACT_PASS);
        assert_int_equal(ask(&c, TLS_FINISHED).act, ACT_PASS);
        struct answer a = ask(&c, TLS_CERTIFICATE);
        assert_int_equal(a.act, ACT_REPLACE);
        assert_int_equal(a.code, i);
        assert_int_equal(
            c.slot.filter->moments(c.slot.params),
            MOMENT_BIT(MOMENT_HANDSHAKE, i == CERT_NO_CERTIFICATE ? SIDE_RESPONSE : SIDE_REQUEST));
        assert_true(fault_cert_wants(&c.use, &kind, &by_ns));
        assert_int_equal(kind, i);
        assert_int_equal(by_ns, 600 * NS_PER_S);
        fault_case_release(&c);
    }
}

static void what_cannot_be_is_refused(void **state)
{
    struct fault_case c;
    (void)state;
    assert_false(fault_case_init(&c, "cert", "{\"kind\":\"good\"}"));
    assert_non_null(strstr(c.err.text, "fault.cert: kind is \"good\"; it is one of expired, "));
    fault_case_release(&c);
    assert_false(fault_case_init(&c, "cert", "{\"kind\":\"expired\",\"by\":\"1s\"}"));
    fault_case_release(&c);
}

static void it_prints_how_far_off_only_where_that_means_something(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "cert", "{\"kind\":\"expired\",\"by\":\"2h\"}"));
    assert_int_equal(c.use.common.existing, EXISTING_RESET);
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)), "cert expired by 2h");
    fault_case_release(&c);
    assert_true(fault_case_init(&c, "cert", "{\"kind\":\"unknown_root\"}"));
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)), "cert unknown_root");
    fault_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_word_chooses_its_leaf_and_its_side),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(it_prints_how_far_off_only_where_that_means_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
