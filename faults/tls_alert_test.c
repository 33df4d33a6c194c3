#include "faults/fault_test.h"

static struct answer ask(struct fault_case *c, enum tls_message message)
{
    struct filter_context at = fault_case_at(c, 1);
    struct handshake_view seen = {.message = message, .terminated = true, .nth = 1};
    return c->slot.filter->on_handshake(&at, &seen);
}

static void it_ends_the_handshake_with_the_number_of_its_name(void **state)
{
    static const struct {
        const char *json;
        uint32_t number;
    } cases[] = {
        {"{\"alert\":\"close_notify\"}", 0},
        {"{\"alert\":\"handshake_failure\"}", 40},
        {"{\"alert\":\"bad_certificate\"}", 42},
        {"{\"alert\":\"unknown_ca\"}", 48},
        {"{\"alert\":\"internal_error\"}", 80},
        {"{\"alert\":\"certificate_required\"}", 116},
        {"{\"alert\":\"no_application_protocol\"}", 120},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault_case c;
        assert_true(fault_case_init(&c, "tls_alert", cases[i].json));
        assert_int_equal(ask(&c, TLS_SERVER_HELLO).act, ACT_PASS);
        struct answer a = ask(&c, TLS_CERTIFICATE);
        assert_int_equal(a.act, ACT_CLOSE);
        assert_int_equal(a.code, cases[i].number + 1);
        fault_case_release(&c);
    }
}

static void its_step_is_the_users(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(
        fault_case_init(&c, "tls_alert", "{\"alert\":\"unknown_ca\",\"step\":\"client_hello\"}"));
    assert_int_equal(ask(&c, TLS_CLIENT_HELLO).act, ACT_CLOSE);
    assert_int_equal(ask(&c, TLS_CERTIFICATE).act, ACT_PASS);
    assert_int_equal(c.slot.filter->moments(c.slot.params),
                     MOMENT_BIT(MOMENT_HANDSHAKE, SIDE_REQUEST));
    assert_int_equal(c.use.common.existing, EXISTING_RESET);
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)),
                        "tls_alert unknown_ca at client_hello");
    fault_case_release(&c);
}

static void a_name_that_is_none_is_refused(void **state)
{
    struct fault_case c;
    (void)state;
    assert_false(fault_case_init(&c, "tls_alert", "{\"alert\":\"no_such\"}"));
    assert_non_null(strstr(c.err.text, "fault.tls_alert: alert is \"no_such\"; it is one of "));
    fault_case_release(&c);
    assert_false(fault_case_init(&c, "tls_alert", "{}"));
    assert_non_null(strstr(c.err.text, "fault.tls_alert needs alert"));
    fault_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_the_handshake_with_the_number_of_its_name),
        cmocka_unit_test(its_step_is_the_users),
        cmocka_unit_test(a_name_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
