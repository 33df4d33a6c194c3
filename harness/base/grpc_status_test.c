#include "base/grpc_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void names_and_numbers_are_each_others(void **state)
{
    (void)state;
    unsigned status = 99;
    for (unsigned i = 0; i <= 16; i++) {
        assert_true(grpc_status_parse(bytes_of(grpc_status_name(i)), &status));
        assert_int_equal(status, i);
        assert_ptr_equal(grpc_status_names()[i], grpc_status_name(i));
    }
    assert_null(grpc_status_name(17));
    assert_null(grpc_status_names()[17]);
    assert_string_equal(grpc_status_name(14), "UNAVAILABLE");
    assert_true(grpc_status_parse(BYTES("deadline_exceeded"), &status));
    assert_int_equal(status, 4);
    assert_true(grpc_status_parse(BYTES("8"), &status));
    assert_int_equal(status, 8);
    assert_false(grpc_status_parse(BYTES("17"), &status));
    assert_false(grpc_status_parse(BYTES("UNAVAIL"), &status));
    assert_false(grpc_status_parse(BYTES(""), &status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_each_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
