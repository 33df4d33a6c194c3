#include "faults/fault_test.h"

#include "base/clock.h"

static struct answer ask(struct fault_case *c, enum tls_message message, uint64_t now_ns)
{
    struct filter_context at = fault_case_at(c, now_ns);
    struct handshake_view seen = {.message = message, .terminated = true, .nth = 1};
    return c->slot.filter->on_handshake(&at, &seen);
}

static void it_stalls_before_its_message_and_then_goes_on(void **state)
{
    struct fault_case c;
    (void)state;
    assert_true(fault_case_init(&c, "tls_stall", "{\"step\":\"certificate\",\"hold\":\"2s\"}"));
    assert_int_equal(c.slot.filter->moments(c.slot.params),
                     MOMENT_BIT(MOMENT_HANDSHAKE, SIDE_REQUEST));
    assert_int_equal(ask(&c, TLS_CLIENT_HELLO, 10).act, ACT_PASS);
    assert_int_equal(ask(&c, TLS_SERVER_HELLO, 10).act, ACT_PASS);
    struct answer held = ask(&c, TLS_CERTIFICATE, 10);
    assert_int_equal(held.act, ACT_HOLD);
    assert_int_equal(held.until_ns, 10 + 2 * NS_PER_S);
    assert_int_equal(ask(&c, TLS_CERTIFICATE, 9 + 2 * NS_PER_S).until_ns, 10 + 2 * NS_PER_S);
    assert_int_equal(ask(&c, TLS_CERTIFICATE, 10 + 2 * NS_PER_S).act, ACT_PASS);
    assert_int_equal(ask(&c, TLS_FINISHED, 10 + 2 * NS_PER_S).act, ACT_PASS);
    fault_case_release(&c);
}

static void it_refuses_what_cannot_be(void **state)
{
    (void)state;
    fault_case_refused("tls_stall", "{\"step\":\"hello\",\"hold\":\"2s\"}",
                       "fault.tls_stall: step is \"hello\"; it is one of client_hello, "
                       "server_hello, certificate, finished");
    fault_case_refused("tls_stall", "{\"step\":\"finished\"}", "fault.tls_stall needs hold");
}

static void connections_that_are_open_are_reset_and_it_prints_itself(void **state)
{
    struct fault_case c;
    char text[64];
    (void)state;
    assert_true(fault_case_init(&c, "tls_stall", "{\"step\":\"finished\",\"hold\":\"1500ms\"}"));
    assert_int_equal(c.use.common.existing, EXISTING_RESET);
    assert_string_equal(fault_use_print(&c.use, text, sizeof(text)),
                        "tls_stall 1s500ms before finished");
    fault_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stalls_before_its_message_and_then_goes_on),
        cmocka_unit_test(it_refuses_what_cannot_be),
        cmocka_unit_test(connections_that_are_open_are_reset_and_it_prints_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
