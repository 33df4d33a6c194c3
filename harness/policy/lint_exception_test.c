#include "policy/lint_exception.h"
#include "policy/testing.h"

struct bench {
    struct arena arena;
    struct lint_exceptions list;
    struct error err;
};

static bool read(struct bench *b, const char *yaml)
{
    *b = (struct bench){0};
    arena_init(&b->arena, (size_t)16 << 20);
    return lint_exceptions_read(bytes_of(yaml), "exceptions.yaml", &b->arena, &b->list, &b->err);
}

static const struct finding findings[] = {
    {"ejection.inert", SEVERITY_WARNING, {"./k8s/payments.yaml", 13, 27}, "inert", ""},
    {"ejection.inert", SEVERITY_WARNING, {"k8s/orders.yaml", 4, 3}, "inert", ""},
    {"istio.mirror", SEVERITY_WARNING, {"k8s/payments.yaml", 20, 5}, "copies", ""},
};

#define ENTRY(rule, on, until) \
    "- {rule: " rule ", on: " on ", until: " until ", owner: payments, reason: until the move, " \
    "ticket: PAY-12}\n"

static void days_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "2026-1-1",   "2026-02-29", "2026-13-01",
                                      "2026-00-10", "2026-01-00", "26-01-01",   "2026-01-01 ",
                                      "2026/01/01", "2100-02-29", "2026-04-31"};
    uint32_t day = 0;
    assert_true(exception_date_parse("2026-12-31", &day));
    assert_int_equal(day, 20261231);
    assert_true(exception_date_parse("2024-02-29", &day));
    assert_true(exception_date_parse("2000-02-29", &day));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(exception_date_parse(bad[i], &day));
}

static void the_last_day_still_accepts(void **state)
{
    (void)state;
    struct bench b;
    struct lint_results r;
    assert_true(read(&b, ENTRY("ejection.inert", "k8s/payments.yaml", "2026-11-25")));
    lint_exceptions_apply(&b.list, 20261125, findings, COUNT_OF(findings), &b.arena, &r);
    assert_int_equal(r.count, 3);
    assert_string_equal(r.rows[0].finding.source.file, "./k8s/payments.yaml");
    assert_string_equal(r.rows[0].accepted->ticket, "PAY-12");
    assert_null(r.rows[1].accepted); /* another file */
    assert_null(r.rows[2].accepted); /* another rule */
    lint_exceptions_apply(&b.list, 20261126, findings, COUNT_OF(findings), &b.arena, &r);
    assert_int_equal(r.count, 4);
    assert_null(r.rows[0].accepted);
    assert_string_equal(r.rows[1].finding.rule, "exception.expired");
    assert_int_equal(r.rows[1].finding.source.line, 1);
    assert_non_null(strstr(r.rows[1].finding.text, "2026-11-25"));
    assert_non_null(strstr(r.rows[1].finding.text, "1 finding counts again"));
    arena_release(&b.arena);
}

static void globs_reach_over_folders(void **state)
{
    (void)state;
    struct bench b;
    struct lint_results r;
    assert_true(read(&b, ENTRY("ejection.inert", "'*.yaml'", "2026-12-31")));
    lint_exceptions_apply(&b.list, 20261125, findings, COUNT_OF(findings), &b.arena, &r);
    assert_int_equal(r.count, 3);
    assert_true(r.rows[0].accepted != NULL && r.rows[1].accepted != NULL);
    arena_release(&b.arena);
    assert_true(read(&b, ENTRY("ejection.inert", "8s/payments.yaml", "2026-12-31")));
    lint_exceptions_apply(&b.list, 20261125, findings, COUNT_OF(findings), &b.arena, &r);
    assert_int_equal(r.count, 4); /* half a name is no folder: it accepts nothing, and is said */
    arena_release(&b.arena);
}

static void what_accepts_nothing_is_said(void **state)
{
    (void)state;
    struct bench b;
    struct lint_results r;
    assert_true(read(&b, ENTRY("ejection.inert", "k8s/gone.yaml", "2026-12-31")
                             ENTRY("ejection.inert", "k8s/gone.yaml", "2020-12-31")));
    lint_exceptions_apply(&b.list, 20261125, findings, COUNT_OF(findings), &b.arena, &r);
    assert_int_equal(r.count, 5);
    size_t unused = 0;
    for (size_t i = 0; i < r.count; i++)
        unused += strcmp(r.rows[i].finding.rule, "exception.unused") == 0;
    assert_int_equal(unused, 2);
    arena_release(&b.arena);
}

static void claims_are_for_runs(void **state)
{
    (void)state;
    struct bench b;
    assert_true(read(&b, "- {claim: retry.max, on: client -> a, until: 2026-12-31, owner: a, "
                         "reason: b, ticket: c}\n"));
    assert_int_equal(b.list.count, 0);
    arena_release(&b.arena);
    assert_true(read(&b, ""));
    assert_int_equal(b.list.count, 0);
    arena_release(&b.arena);
}

static void bad_files_are_one_sentence_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *part;
        uint32_t line;
    } rows[] = {
        {"a: b\n", "must be a list", 1},
        {"- a\n", "must be a map", 1},
        {"- {on: a}\n", "needs rule or claim", 1},
        {"\n- {rule: ejection.inertt, on: a}\n", "did you mean ejection.inert", 2},
        {"- {rule: none.such.rule.at.all, on: a}\n", "--rules lists them", 1},
        {"- {rule: ejection.inert, on: a, until: 2026-12-31, owner: b, ticket: c}\n",
         "needs reason", 1},
        {"- {rule: ejection.inert, on: a, until: 2026-12-31, owner: b, reason: r}\n",
         "needs ticket", 1},
        {"- rule: ejection.inert\n  on: a\n  until: soon\n  owner: b\n  reason: r\n  ticket: t\n",
         "must be a day such as 2026-12-31", 3},
        {"- rule: ejection.inert\n  untill: 2026-12-31\n", "no key \"untill\"", 2},
        {"[]\n---\n[]\n", "one document, not 2", 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bench b;
        assert_false(read(&b, rows[i].yaml));
        if (strstr(b.err.text, rows[i].part) == NULL)
            assert_string_equal(b.err.text, rows[i].part);
        assert_int_equal(b.err.source.line, rows[i].line);
        arena_release(&b.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_are_checked),
        cmocka_unit_test(the_last_day_still_accepts),
        cmocka_unit_test(globs_reach_over_folders),
        cmocka_unit_test(what_accepts_nothing_is_said),
        cmocka_unit_test(claims_are_for_runs),
        cmocka_unit_test(bad_files_are_one_sentence_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
