#include "net/grpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_status_of_fields_is_one_more_than_it_says(void **state)
{
    (void)state;
    struct field fields[] = {{BYTES("x"), BYTES("1")}, {BYTES("grpc-status"), BYTES("0")}};
    assert_int_equal(grpc_status_of((struct fields){fields, 2}), 1);
    assert_int_equal(grpc_status_of((struct fields){fields, 1}), 0);
    fields[1].value = BYTES("14");
    assert_int_equal(grpc_status_of((struct fields){fields, 2}), 15);
    fields[1].value = BYTES("70000");
    assert_int_equal(grpc_status_of((struct fields){fields, 2}), 0);
    fields[1].value = BYTES("-1");
    assert_int_equal(grpc_status_of((struct fields){fields, 2}), 0);
}

static void the_type_may_have_a_suffix_but_not_another_name(void **state)
{
    (void)state;
    assert_true(grpc_is_type(BYTES("application/grpc")));
    assert_true(grpc_is_type(BYTES("application/grpc+proto")));
    assert_true(grpc_is_type(BYTES("Application/gRPC;charset=x")));
    assert_false(grpc_is_type(BYTES("application/grpc-web")));
    assert_false(grpc_is_type(BYTES("application/json")));
    assert_false(grpc_is_type((struct bytes){NULL, 0}));
}

static void a_message_is_percent_encoded(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 65536);
    assert_true(bytes_equal(grpc_message(BYTES("all is well ~"), &arena), BYTES("all is well ~")));
    assert_true(
        bytes_equal(grpc_message(BYTES("5% \xc3\xa4\n\x7f"), &arena), BYTES("5%25 %C3%A4%0A%7F")));
    assert_int_equal(grpc_message((struct bytes){NULL, 0}, &arena).len, 0);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_of_fields_is_one_more_than_it_says),
        cmocka_unit_test(the_type_may_have_a_suffix_but_not_another_name),
        cmocka_unit_test(a_message_is_percent_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
