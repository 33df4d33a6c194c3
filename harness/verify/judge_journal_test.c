#include "verify/judge_journal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What judge_mind_journal makes of a verdict. */
static bool agent_lost;
static const char *interposed; /* the policy row's, as JSON; NULL: none */
static enum verdict_kind minded(const char *claim, bool one_clock, enum verdict_kind was,
                                enum why *ret_why, char *ret_text, size_t size)
{
    struct arena arena;
    struct journal *j = journal_new();
    struct track track = {
        .journal = j, .arm = "subject", .service = "payments", .same_endpoint_clock = one_clock};
    struct window w = {.journal = j, .track = &track, .lost = agent_lost, .agent_lost = agent_lost};
    struct verdict v = {.kind = was, .text = "12 of 12"};
    arena_init(&arena, 4096);
    if (interposed != NULL)
        j->policy = json_pack("{so}", "interposed", json_loads(interposed, 0, NULL));
    judge_mind_journal(claim_type_find(claim), &w, "subject", &arena, &v);
    *ret_why = v.why;
    snprintf(ret_text, size, "%s", v.text);
    arena_release(&arena);
    journal_free(j);
    return v.kind;
}

static void spacing_over_several_clocks_is_open(void **state)
{
    static const char *const spaced[] = {"backoff.max", "backoff.law", "timeout.try"};
    static const enum verdict_kind kinds[] = {VERDICT_PASS, VERDICT_FAIL};
    enum why why;
    char text[256];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(spaced); i++) {
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            assert_non_null(claim_type_find(spaced[i]));
            assert_int_equal(minded(spaced[i], false, kinds[k], &why, text, sizeof(text)),
                             VERDICT_INCONCLUSIVE);
            assert_int_equal(why, WHY_CAPABILITY);
            assert_non_null(strstr(text, "several clocks"));
            assert_non_null(strstr(text, "else: 12 of 12"));
            assert_int_equal(minded(spaced[i], true, kinds[k], &why, text, sizeof(text)), kinds[k]);
        }
    }
}

static void counts_by_id_need_no_clock(void **state)
{
    enum why why;
    char text[256];
    (void)state;
    assert_int_equal(minded("retry.max", false, VERDICT_FAIL, &why, text, sizeof(text)),
                     VERDICT_FAIL);
    assert_int_equal(minded("retry.must", false, VERDICT_PASS, &why, text, sizeof(text)),
                     VERDICT_PASS);
    assert_int_equal(minded("timeout.try", false, VERDICT_NOT_APPLICABLE, &why, text, sizeof(text)),
                     VERDICT_NOT_APPLICABLE);
}

/* The mesh met a dead endpoint of ours: not even a witness is the mesh's doing. */
static void nothing_is_judged_where_an_agent_was_lost(void **state)
{
    static const char *const claims[] = {"retry.max", "success", "metrics.retries"};
    static const enum verdict_kind kinds[] = {VERDICT_PASS, VERDICT_FAIL};
    enum why why;
    char text[256];
    (void)state;
    agent_lost = true;
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            assert_int_equal(minded(claims[i], true, kinds[k], &why, text, sizeof(text)),
                             VERDICT_INCONCLUSIVE);
            assert_int_equal(why, WHY_LOST);
            assert_non_null(strstr(text, "an agent of the run was lost"));
        }
    }
    agent_lost = false;
}

/* Of a Service that our endpoints joined, and of one that they have for themselves. */
static void tries_that_are_not_seen_prove_nothing(void **state)
{
    static const struct {
        const char *claim;
        bool whole;
        enum verdict_kind was, is;
        const char *text;
    } rows[] = {
        {"retry.max", false, VERDICT_PASS, VERDICT_INCONCLUSIVE,
         "1 of 3 endpoints of payments are ours, and tries at the others are not seen (else: 12 of "
         "12)"},
        {"retry.max", false, VERDICT_FAIL, VERDICT_FAIL, "12 of 12"},
        {"retry.must", false, VERDICT_FAIL, VERDICT_INCONCLUSIVE, "1 of 3 endpoints"},
        {"retry.max", false, VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE, "1 of 3 endpoints"},
        {"success", false, VERDICT_PASS, VERDICT_PASS, "12 of 12"},
        {"retry.max", true, VERDICT_PASS, VERDICT_PASS, "12 of 12"},
        {"retry.must", true, VERDICT_FAIL, VERDICT_FAIL, "12 of 12"},
        {"eject.cap", true, VERDICT_FAIL, VERDICT_INCONCLUSIVE, "payments has other callers"},
        {"rate.limit", false, VERDICT_PASS, VERDICT_INCONCLUSIVE, "payments has other callers"},
        {"eject.cap", false, VERDICT_NOT_APPLICABLE, VERDICT_NOT_APPLICABLE, "12 of 12"},
    };
    enum why why;
    char text[256];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        interposed = rows[i].whole
                         ? "{\"payments\": {\"ours\": 1, \"others\": 2, \"whole\": true}}"
                         : "{\"payments\": {\"ours\": 1, \"others\": 2, \"whole\": false}}";
        assert_non_null(claim_type_find(rows[i].claim));
        enum verdict_kind is = minded(rows[i].claim, true, rows[i].was, &why, text, sizeof(text));
        if (is != rows[i].is || strstr(text, rows[i].text) == NULL)
            fail_msg("row %zu: %d, %s", i, (int)is, text);
    }
    interposed = "{\"other\": {\"ours\": 1, \"others\": 2, \"whole\": false}}";
    assert_int_equal(minded("retry.max", true, VERDICT_PASS, &why, text, sizeof(text)),
                     VERDICT_PASS);
    interposed = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spacing_over_several_clocks_is_open),
        cmocka_unit_test(counts_by_id_need_no_clock),
        cmocka_unit_test(tries_that_are_not_seen_prove_nothing),
        cmocka_unit_test(nothing_is_judged_where_an_agent_was_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
