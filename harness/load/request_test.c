#include "load/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void spans_tell_never_from_at_once(void **state)
{
    (void)state;
    assert_int_equal(request_span(100, 0), 0);
    assert_int_equal(request_span(100, 100), 1);
    assert_int_equal(request_span(100, 99), 1);
    assert_int_equal(request_span(100, 350), 250);
}

static void bodies_of_proxies_are_known(void **state)
{
    static const struct {
        const char *body;
        enum body_class want;
    } rows[] = {
        {"", BODY_OWN},
        {"hello", BODY_OWN},
        {"no healthy upstream", BODY_NO_HEALTHY},
        {"upstream request timeout", BODY_UPSTREAM_TIMEOUT},
        {"upstream connect error or disconnect/reset before headers. reset reason: connection "
         "failure",
         BODY_CONNECT_FAILURE},
        {"upstream connect error or disconnect/reset before headers. reset reason: remote "
         "connection failure, "
         "transport failure reason: delayed connect error: 111",
         BODY_CONNECT_FAILURE},
        {"upstream connect error or disconnect/reset before headers. reset reason: connection "
         "termination",
         BODY_CONNECT_TERMINATED},
        {"upstream connect error or disconnect/reset before headers. reset reason: overflow",
         BODY_OVERFLOW},
        {"upstream connect error or disconnect/reset before headers. reset reason: protocol error",
         BODY_OTHER_PROXY},
        {"RBAC: access denied", BODY_OTHER_PROXY},
        {"local_rate_limited", BODY_OTHER_PROXY},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(request_body_class(bytes_of(rows[i].body)), rows[i].want);
}

static void marks_are_found_without_case(void **state)
{
    const struct field all[] = {{BYTES("X-Envoy-Overloaded"), BYTES("true")},
                                {BYTES("x-envoy-upstream-service-time"), BYTES("3")},
                                {BYTES("L5D-Proxy-Error"), BYTES("x")}};
    (void)state;
    assert_int_equal(request_marks((struct fields){0}), 0);
    assert_int_equal(request_marks((struct fields){all, 1}), REQUEST_MARK_OVERLOADED);
    assert_int_equal(request_marks((struct fields){all, 3}),
                     REQUEST_MARK_OVERLOADED | REQUEST_MARK_UPSTREAM_TIME | REQUEST_MARK_L5D_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_tell_never_from_at_once),
        cmocka_unit_test(bodies_of_proxies_are_known),
        cmocka_unit_test(marks_are_found_without_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
