#include "verify/claims.h"
#include "verify/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Two scenarios of a suite, each with its own policy: a finding belongs to its own. */

struct fixture {
    struct journal *journal;
    struct scenario scenario;
    struct step asked;
    struct arena arena;
};

static struct verdict judged(struct fixture *f, const char *scenario, const char *keys)
{
    struct verdict v = {.kind = VERDICT_INCONCLUSIVE};
    struct window w = {.journal = f->journal, .scenario = &f->scenario, .asked = &f->asked};
    f->scenario.name = scenario;
    f->asked.keys = json_loads(keys, 0, NULL);
    assert_non_null(f->asked.keys);
    claim_type_find("lint")->judge(NULL, &w, &f->arena, &v);
    json_decref(f->asked.keys);
    return v;
}

static void open_fixture(struct fixture *f, const char *findings)
{
    *f = (struct fixture){.journal = journal_new()};
    arena_init(&f->arena, 65536);
    f->journal->policy = json_pack("{s:o}", "findings", json_loads(findings, 0, NULL));
    assert_non_null(f->journal->policy);
}

static void close_fixture(struct fixture *f)
{
    journal_free(f->journal);
    arena_release(&f->arena);
}

#define FINDINGS \
    "[{\"rule\": \"ejection.inert\", \"text\": \"30 of 3 is 0\", \"scenarios\": [\"three\"]}," \
    " {\"rule\": \"kind.version\", \"text\": \"v9\", \"scenarios\": [\"three\", \"four\"]}]"

static void a_finding_is_of_the_scenario_whose_policy_has_it(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, FINDINGS);
    struct verdict v = judged(&f, "three", "{\"has\": [\"ejection.inert\"]}");
    assert_int_equal(v.kind, VERDICT_PASS);
    v = judged(&f, "four", "{\"has\": [\"ejection.inert\"]}");
    assert_int_equal(v.kind, VERDICT_FAIL);
    assert_string_equal(v.text, "no finding ejection.inert");
    v = judged(&f, "four", "{\"never\": [\"ejection.inert\"]}");
    assert_int_equal(v.kind, VERDICT_PASS);
    v = judged(&f, "four", "{\"never\": [\"kind.version\"]}");
    assert_int_equal(v.kind, VERDICT_FAIL);
    assert_string_equal(v.text, "kind.version: v9");
    close_fixture(&f);
}

/* Journals of before: the findings were the first scenario's, and say nothing of it. */
static void a_finding_without_scenarios_is_everybodys(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, "[{\"rule\": \"ejection.inert\", \"text\": \"x\"}]");
    struct verdict v = judged(&f, "any", "{\"never\": [\"ejection.inert\"]}");
    assert_int_equal(v.kind, VERDICT_FAIL);
    v = judged(&f, "any", "{\"never\": [\"a.rule\"], \"has\": [\"ejection.inert\"]}");
    assert_int_equal(v.kind, VERDICT_PASS);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finding_is_of_the_scenario_whose_policy_has_it),
        cmocka_unit_test(a_finding_without_scenarios_is_everybodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
