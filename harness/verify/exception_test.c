/* Accepted failures: what they meet, until when, and what a file of them may hold. */

#include "verify/exception.h"
#include "verify/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TODAY 20261201

#define ENTRY(claim, on, more) \
    "- {claim: " claim ", on: " on \
    ", until: 2026-12-31, owner: payments, reason: until the move, " \
    "ticket: PAY-12" more "}\n"

struct bench {
    struct arena arena;
    struct exceptions exceptions;
    struct judgement g;
    struct judged verdicts[3];
};

static void read_into(struct bench *b, const char *yaml)
{
    struct error err = {0};
    arena_init(&b->arena, (size_t)4 << 20);
    arena_init(&b->g.arena, (size_t)4 << 20);
    if (!exceptions_read(bytes_of(yaml), "exceptions.yaml", &b->arena, &b->exceptions, &err))
        fail_msg("%s", err.text);
}

static struct judged verdict(const char *claim, const char *on, enum verdict_kind kind)
{
    return (struct judged){.claim = claim_type_find(claim),
                           .scenario_name = "policy: client -> payments",
                           .arm = "subject",
                           .on = on,
                           .gates = true,
                           .verdict = {.kind = kind, .text = "3 retries on 41 requests"}};
}

/* Two retries too many on one edge, one elsewhere, and something that passes. */
static void judge(struct bench *b)
{
    b->verdicts[0] = verdict("retry.max", "client -> payments", VERDICT_FAIL);
    b->verdicts[1] = verdict("retry.max", "client -> orders", VERDICT_FAIL);
    b->verdicts[2] = verdict("success", "client -> payments", VERDICT_PASS);
    b->g.verdicts = b->verdicts;
    b->g.verdict_count = 3;
    b->g.fail = 2;
    b->g.pass = 1;
    b->g.outcome = VERDICT_FAIL;
}

static void done(struct bench *b)
{
    arena_release(&b->arena);
    arena_release(&b->g.arena);
}

static void what_is_accepted_gates_no_more(void **state)
{
    struct bench b = {0};
    (void)state;
    read_into(&b, ENTRY("retry.max", "client -> payments", "")
                      ENTRY("retries", "client -> orders", ", scenario: 'policy: *'"));
    judge(&b);
    exceptions_apply(&b.exceptions, TODAY, EXCEPTIONS_ALL, &b.g);
    assert_false(b.verdicts[0].gates);
    assert_false(b.verdicts[1].gates);
    assert_true(b.verdicts[2].gates);
    char said[200];
    assert_string_equal(accepted_print(b.verdicts[0].accepted, said, sizeof(said)),
                        "accepted until 2026-12-31, ticket PAY-12");
    assert_string_equal(b.verdicts[0].accepted->owner, "payments");
    assert_string_equal(b.verdicts[0].verdict.text, "3 retries on 41 requests");
    assert_null(b.verdicts[2].accepted);
    assert_int_equal(b.g.accepted, 2);
    assert_int_equal(b.verdicts[0].verdict.kind, VERDICT_FAIL);
    assert_int_equal(b.g.fail, 0);
    assert_int_equal(b.g.pass, 1);
    assert_int_equal(b.g.outcome, VERDICT_PASS);
    assert_null(exception_stale(&b.exceptions.rows[0], &b.arena));
    done(&b);
}

static void another_edge_scenario_or_arm_is_not_accepted(void **state)
{
    static const char *const others[] = {ENTRY("retry.max", "client -> inventory", ""),
                                         ENTRY("retry.must", "client -> *", ""),
                                         ENTRY("retry.max", "client -> *", ", scenario: storm")};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct bench b = {0};
        read_into(&b, others[i]);
        judge(&b);
        exceptions_apply(&b.exceptions, TODAY, EXCEPTIONS_ALL, &b.g);
        assert_true(b.verdicts[0].gates && b.verdicts[1].gates);
        assert_int_equal(b.g.fail, 2);
        assert_int_equal(b.g.outcome, VERDICT_FAIL);
        done(&b);
    }
    struct bench b = {0};
    read_into(&b, ENTRY("retry.max", "client -> *", ""));
    judge(&b);
    b.verdicts[0].arm = "one_retry_more";
    exceptions_apply(&b.exceptions, TODAY, EXCEPTIONS_ALL, &b.g);
    assert_int_equal(b.exceptions.rows[0].failed, 1);
    assert_null(b.verdicts[0].accepted);
    done(&b);
}

static void one_of_a_scenario_is_for_that_one_alone(void **state)
{
    struct bench b = {0};
    (void)state;
    read_into(&b, ENTRY("retry.max", "client -> *", ""));
    judge(&b);
    b.verdicts[1].scenario = 1;
    exceptions_apply(&b.exceptions, TODAY, 1, &b.g);
    assert_true(b.verdicts[0].gates);
    assert_false(b.verdicts[1].gates);
    done(&b);
}

static void past_its_day_it_gates_again_and_says_so(void **state)
{
    struct bench b = {0};
    (void)state;
    read_into(&b, ENTRY("retry", "client -> payments", ""));
    judge(&b);
    exceptions_apply(&b.exceptions, 20261231, EXCEPTIONS_ALL, &b.g);
    assert_false(b.verdicts[0].gates);
    judge(&b);
    b.g.accepted = 0;
    exceptions_apply(&b.exceptions, 20270101, EXCEPTIONS_ALL, &b.g);
    assert_true(b.verdicts[0].gates);
    assert_int_equal(b.g.fail, 2);
    char said[200];
    assert_string_equal(accepted_print(b.verdicts[0].accepted, said, sizeof(said)),
                        "no longer accepted: until 2026-12-31, ticket PAY-12");
    assert_int_equal(b.g.accepted, 0);
    done(&b);
}

static void one_that_still_stands_is_taken_before_one_that_ended(void **state)
{
    struct bench b = {0};
    (void)state;
    read_into(&b, "- {claim: retry.max, on: client -> payments, until: 2026-01-01, owner: a, "
                  "reason: old, ticket: T-1}\n" ENTRY("retry.max", "client -> payments", ""));
    judge(&b);
    exceptions_apply(&b.exceptions, TODAY, EXCEPTIONS_ALL, &b.g);
    assert_false(b.verdicts[0].gates);
    done(&b);
}

static void one_that_meets_only_what_passes_is_stale(void **state)
{
    struct bench b = {0};
    (void)state;
    read_into(&b,
              ENTRY("success", "client -> payments", "") ENTRY("success", "client -> orders", ""));
    judge(&b);
    exceptions_apply(&b.exceptions, TODAY, EXCEPTIONS_ALL, &b.g);
    assert_true(b.verdicts[2].gates);
    const char *said = exception_stale(&b.exceptions.rows[0], &b.arena);
    assert_non_null(said);
    assert_non_null(strstr(said, "success on client -> payments is stale: all that it meets"));
    said = exception_stale(&b.exceptions.rows[1], &b.arena);
    assert_non_null(said);
    assert_non_null(strstr(said, "it meets no verdict that failed"));
    done(&b);
}

static void lints_entries_are_passed_over_and_bad_ones_are_named(void **state)
{
    static const struct {
        const char *yaml, *words;
        uint32_t line;
    } bad[] = {
        {"{claim: retry.max}\n", "exceptions must be a list", 1},
        {"- 3\n", "an exception must be a map", 1},
        {"- {on: a}\n", "an exception needs rule or claim", 1},
        {"\n- {claim: retry.maxx, on: a}\n", "did you mean retry.max", 2},
        {"- {claim: nonsense, on: a}\n", "meshproof claims lists them", 1},
        {"- {claim: retry.max, on: a}\n", "the exception for retry.max needs until", 1},
        {"- {claim: retry.max, onn: a}\n", "has no key \"onn\"", 1},
        {"- {claim: retry.max, on: a, until: 2026-02-30, owner: o, reason: r, ticket: t}\n",
         "until is \"2026-02-30\"", 1},
        {"- {claim: retry.max, on: a, until: 2026-02-01, owner: '', reason: r, ticket: t}\n",
         "needs owner", 1},
        {"[]\n---\n[]\n", "must be one document, not 2", 0},
        {"- [\n", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena arena;
        struct exceptions read;
        struct error err = {0};
        arena_init(&arena, (size_t)4 << 20);
        assert_false(exceptions_read(bytes_of(bad[i].yaml), "e.yaml", &arena, &read, &err));
        if (strstr(err.text, bad[i].words) == NULL ||
            (bad[i].line != 0 && err.source.line != bad[i].line))
            fail_msg("%s: line %u: %s", bad[i].yaml, err.source.line, err.text);
        arena_release(&arena);
    }
    struct bench b = {0};
    read_into(&b, "- {rule: ejection.inert, on: a.yaml, anything: of lint}\n" ENTRY(
                      "cb.requests", "client -> payments", ""));
    assert_int_equal(b.exceptions.count, 1);
    done(&b);
    b = (struct bench){0};
    read_into(&b, "");
    assert_int_equal(b.exceptions.count, 0);
    done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted_gates_no_more),
        cmocka_unit_test(another_edge_scenario_or_arm_is_not_accepted),
        cmocka_unit_test(one_of_a_scenario_is_for_that_one_alone),
        cmocka_unit_test(past_its_day_it_gates_again_and_says_so),
        cmocka_unit_test(one_that_still_stands_is_taken_before_one_that_ended),
        cmocka_unit_test(one_that_meets_only_what_passes_is_stale),
        cmocka_unit_test(lints_entries_are_passed_over_and_bad_ones_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
