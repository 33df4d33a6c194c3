#include "journal/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void every_type_is_found_by_its_kind_and_fills_its_struct(void **state)
{
    size_t count;
    const struct record_type *types = record_types(&count);
    (void)state;
    assert_int_equal(count, 15);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = 0;
        assert_ptr_equal(record_type_of(types[i].kind), &types[i]);
        for (size_t k = 0; k < types[i].count; k++) {
            assert_int_equal(types[i].fields[k].offset, bytes);
            bytes += types[i].fields[k].width;
        }
        assert_int_equal(bytes, types[i].bytes);
        assert_int_equal(types[i].fields[0].kind, FIELD_TIME);
    }
    assert_null(record_type_of(RECORD_NAME));
    assert_null(record_type_of(60));
    assert_int_equal(sizeof(struct attempt_record), 176);
}

static void get_reads_each_width(void **state)
{
    const struct record_type *type = record_type_of(RECORD_ATTEMPT);
    struct attempt_record a = {
        .at = UINT64_MAX - 1, .conn = 0xfffffffe, .status = 503, .flags = 0x81};
    (void)state;
    for (size_t i = 0; i < type->count; i++) {
        const struct record_field *f = &type->fields[i];
        uint64_t want = f->offset == offsetof(struct attempt_record, at)       ? UINT64_MAX - 1
                        : f->offset == offsetof(struct attempt_record, conn)   ? 0xfffffffe
                        : f->offset == offsetof(struct attempt_record, status) ? 503
                        : f->offset == offsetof(struct attempt_record, flags)  ? 0x81
                                                                               : 0;
        assert_true(record_get(f, &a) == want);
    }
}

static void ids_print_and_parse_back(void **state)
{
    char text[64];
    uint64_t hi, lo;
    (void)state;
    record_id_print(UINT64_C(0x7c1e4a9000000002), 0x18f2, text, sizeof(text));
    assert_string_equal(text, "7c1e4a90-0002-00000000000018f2");
    assert_true(record_id_parse(bytes_of(text), &hi, &lo));
    assert_true(hi == UINT64_C(0x7c1e4a9000000002) && lo == 0x18f2);
    record_id_print(UINT64_MAX, UINT64_MAX, text, sizeof(text));
    assert_true(record_id_parse(bytes_of(text), &hi, &lo));
    assert_true(hi == UINT64_MAX && lo == UINT64_MAX);
}

static void what_is_no_id_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "7c1e4a90",
        "7c1e4a90-0002",
        "7c1e4a90-0002-18f2",
        "7c1e4a90-0002-00000000000018f2 ",
        "7c1e4a90-0002-00000000000018f2-1",
        "7c1e4a9g-0002-00000000000018f2",
        "7c1e4a900-0002-00000000000018f2",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    };
    uint64_t hi, lo;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(record_id_parse(bytes_of(bad[i]), &hi, &lo));
}

static void enum_values_have_words(void **state)
{
    (void)state;
    assert_string_equal(record_enum_name("outcome", OUTCOME_ABANDONED), "abandoned");
    assert_string_equal(record_enum_name("left_kind", LEFT_RST_STREAM), "RST_STREAM");
    assert_string_equal(record_enum_name("how_tied", TIED_TRACE), "trace");
    assert_string_equal(record_enum_name("first_class", FIRST_OTHER), "other");
    assert_string_equal(record_enum_name("verb", VERB_CONNECT), "CONNECT");
    assert_string_equal(record_enum_name("end", END_CLIENT_TIMEOUT), "client timeout");
    assert_string_equal(record_enum_name("body_class", BODY_OTHER_PROXY), "other proxy");
    assert_null(record_enum_name("outcome", 1000));
    assert_null(record_enum_name("verb", 9));
    assert_null(record_enum_name("nonsense", 0));
}

static void every_enum_field_has_words(void **state)
{
    size_t count;
    const struct record_type *types = record_types(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < types[i].count; k++) {
            if (types[i].fields[k].kind == FIELD_ENUM)
                assert_non_null(record_enum_name(types[i].fields[k].name, 0));
        }
    }
}

static void the_digest_of_the_table_does_not_change_by_itself(void **state)
{
    (void)state;
    assert_true(record_digest() == record_digest());
    assert_true(record_digest() != 0);
}

static void cleaning_keeps_utf8_and_replaces_all_else(void **state)
{
    char good[] = "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n";
    char bad[] = "a\xff"
                 "b\xc3"
                 "c\xed\xa0\x80"
                 "d\xc0\x80"
                 "e\xf5\x80\x80\x80\0z";
    (void)state;
    record_clean_text(good, sizeof(good) - 1);
    assert_string_equal(good, "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n");
    record_clean_text(bad, sizeof(bad) - 1);
    assert_string_equal(bad, "a?b?c???d??e?????z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_found_by_its_kind_and_fills_its_struct),
        cmocka_unit_test(get_reads_each_width),
        cmocka_unit_test(ids_print_and_parse_back),
        cmocka_unit_test(what_is_no_id_is_refused),
        cmocka_unit_test(enum_values_have_words),
        cmocka_unit_test(every_enum_field_has_words),
        cmocka_unit_test(the_digest_of_the_table_does_not_change_by_itself),
        cmocka_unit_test(cleaning_keeps_utf8_and_replaces_all_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
