#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/report_fixture_test.h"

static void a_request_is_found_by_its_short_name_and_drawn_with_all_its_tries(void **state)
{
    struct report_fixture f;
    struct text t;
    uint64_t hi = 0, lo = 0;
    (void)state;
    report_fixture_make(&f);
    text_init(&t, 65536);
    assert_true(request_name_parse(f.journal, "c-18f2", &hi, &lo));
    assert_true(sequence_print(&f.report, hi, lo, &f.judgement.verdicts[0], &t));
    assert_non_null(strstr(text_get(&t), "request c-18f2"));
    assert_non_null(strstr(text_get(&t), " #5"));
    assert_non_null(strstr(text_get(&t), "NOT ALLOWED: at most 3 retries"));
    assert_non_null(strstr(text_get(&t), "payments/2"));
    text_release(&t);
    report_fixture_release(&f);
}

static void a_try_that_was_malformed_says_why(void **state)
{
    struct report_fixture f;
    struct text t;
    (void)state;
    report_fixture_make(&f);
    struct attempt_record a = {.at = 1010000000,
                               .id_hi = FIXTURE_RUN_HI,
                               .id_lo = 0x18f2,
                               .out = 1,
                               .conn = 7,
                               .sequence = 2,
                               .endpoint = 1,
                               .outcome = OUTCOME_BAD_RESPONSE};
    struct refusal_record of_another = {
        .mesh_conn = 7, .sequence = 1, .reason = journal_add_name(f.journal, "not this one")};
    struct refusal_record r = {.mesh_conn = 7,
                               .sequence = 2,
                               .side = 1,
                               .reason = journal_add_name(f.journal, "Chunk size\x1b overflow")};
    journal_add(f.journal, 2, RECORD_ATTEMPT, &a);
    journal_add(f.journal, 2, RECORD_REFUSAL, &of_another);
    journal_add(f.journal, 2, RECORD_REFUSAL, &r);
    text_init(&t, 65536);
    assert_true(sequence_print(&f.report, FIXTURE_RUN_HI, 0x18f2, NULL, &t));
    assert_non_null(strstr(text_get(&t), " #1  bad response: Chunk size? overflow\n"));
    assert_null(strstr(text_get(&t), "not this one"));
    text_release(&t);
    report_fixture_release(&f);
}

static void a_name_of_another_run_is_no_request(void **state)
{
    struct report_fixture f;
    struct text t;
    uint64_t hi = 0, lo = 0;
    (void)state;
    report_fixture_make(&f);
    text_init(&t, 65536);
    assert_false(request_name_parse(f.journal, "c-18f3", &hi, &lo));
    assert_false(request_name_parse(f.journal, "checkout-18f2", &hi, &lo));
    assert_false(request_name_parse(f.journal, "nonsense", &hi, &lo));
    assert_false(sequence_print(&f.report, 1, 2, NULL, &t));
    text_release(&t);
    report_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_found_by_its_short_name_and_drawn_with_all_its_tries),
        cmocka_unit_test(a_try_that_was_malformed_says_why),
        cmocka_unit_test(a_name_of_another_run_is_no_request),
    };
    return cmocka_run_group_tests_name("sequence", tests, NULL, NULL);
}
