/* A phase that was paused: what lies between its parts is no evidence, and what they say together.
 */

#include "verify/hearing.h"
#include "verify/hearing_fixture_test.h"

#define RESUMED_TAIL " (resumed)"

static struct journal_phase *row_of(struct sim *s, const char *name)
{
    for (size_t i = 0; i < s->j->phase_count; i++)
        if (strcmp(s->j->phases[i].name, name) == 0 && strcmp(s->j->phases[i].arm, "subject") == 0)
            return &s->j->phases[i];
    fail();
    return NULL;
}

/* The phase was paused in [a, b), as shares of its length in percent. */
static void pause_it(struct sim *s, const char *name, uint64_t a, uint64_t b)
{
    struct journal_phase first = *row_of(s, name), rest = first;
    uint64_t length_ns = first.t1_ns - first.t0_ns;
    rest.phase = 1000;
    rest.name = arena_printf(&s->j->arena, "%s" RESUMED_TAIL, name);
    rest.t0_ns = first.t0_ns + length_ns / 100 * b;
    row_of(s, name)->t1_ns = first.t0_ns + length_ns / 100 * a;
    row_of(s, name)->why = "pause";
    journal_add_phase(s->j, &rest);
}

static void a_right_mesh_passes_in_parts_or_is_left_open(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 1);
    sim_run(&s);
    pause_it(&s, "mixed", 45, 50);
    struct judgement *g = judged(&s);
    assert_int_equal(g->fail, 0);
    is(g, "retry.max", VERDICT_PASS, WHY_NONE, "");
    size_t parts = 0;
    for (size_t i = 0; i < g->phase_count; i++)
        parts += strncmp(g->phases[i].name, "mixed", 5) == 0 && g->phases[i].parts == 2;
    assert_int_equal(parts, 2);
    judgement_free(g);
    sim_close(&s);
}

static void counts_of_the_parts_add_up(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 6);
    sim_run(&s);
    pause_it(&s, "mixed", 50, 50);
    struct judgement *g = judged(&s);
    is(g, "retry.started", VERDICT_PASS, WHY_NONE, "in the 2 parts of the paused phase");
    judgement_free(g);
    sim_close(&s);
}

static void a_witness_in_one_part_is_enough(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 2);
    s.mesh.retries++;
    sim_run(&s);
    pause_it(&s, "mixed", 5, 10);
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_FAIL, WHY_NONE, "4 retries");
    judgement_free(g);
    sim_close(&s);
}

static void what_was_wrong_while_it_was_paused_is_no_evidence(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 2);
    s.mesh.retries++;
    sim_run(&s);
    pause_it(&s, "mixed", 0, 100);
    struct judgement *g = judged(&s);
    const struct judged *d = sim_verdict(g, "retry.max");
    assert_int_equal(d->verdict.kind, VERDICT_INCONCLUSIVE);
    judgement_free(g);
    sim_close(&s);
}

static void a_pause_that_was_never_ended_cuts_its_phase_short(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 3);
    sim_run(&s);
    s.j->end_how = "aborted: it was paused for 30m, and no pause is longer";
    row_of(&s, "mixed")->why = "pause";
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED, "cut short");
    judgement_free(g);
    sim_close(&s);
}

static void merge(enum verdict_kind a, enum verdict_kind b, const char *id, enum verdict_kind want)
{
    struct arena arena;
    struct verdict first = {.kind = a, .text = "first", .unit = "tries"},
                   next = {.kind = b, .text = "next", .unit = "tries"};
    if (a == VERDICT_INCONCLUSIVE)
        first.why = WHY_TOO_FEW;
    if (b == VERDICT_INCONCLUSIVE)
        next.why = WHY_TOO_FEW;
    arena_init(&arena, 65536);
    hearing_merge_parts(claim_type_find(id), &first, &next, 2, &arena);
    if (first.kind != want)
        fail_msg("%s: %d and %d make %d, not %d", id, (int)a, (int)b, (int)first.kind, (int)want);
    arena_release(&arena);
}

static void a_share_or_a_time_that_one_part_misses_proves_nothing(void **state)
{
    (void)state;
    merge(VERDICT_PASS, VERDICT_FAIL, "retry.max", VERDICT_FAIL);
    merge(VERDICT_FAIL, VERDICT_PASS, "retry.max", VERDICT_FAIL);
    merge(VERDICT_PASS, VERDICT_FAIL, "success", VERDICT_INCONCLUSIVE);
    merge(VERDICT_FAIL, VERDICT_INCONCLUSIVE, "timeout.try", VERDICT_INCONCLUSIVE);
    merge(VERDICT_FAIL, VERDICT_FAIL, "success", VERDICT_FAIL);
    merge(VERDICT_PASS, VERDICT_PASS, "success", VERDICT_PASS);
    merge(VERDICT_INCONCLUSIVE, VERDICT_PASS, "success", VERDICT_PASS);
    merge(VERDICT_PASS, VERDICT_INCONCLUSIVE, "timeout.try", VERDICT_PASS);
    merge(VERDICT_NOT_APPLICABLE, VERDICT_PASS, "success", VERDICT_PASS);
    merge(VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE, "success", VERDICT_INCONCLUSIVE);
}

/* 4 of 9 late in one part, 0 of 10 in the other: the second does not take it back. */
static void what_one_part_saw_wrong_the_other_does_not_take_back(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct verdict open = {.kind = VERDICT_INCONCLUSIVE, .why = WHY_TOO_FEW, .unit = "tries"},
                       good = {.kind = VERDICT_PASS, .text = "10 of 10", .unit = "tries"};
        struct verdict *first = order == 0 ? &open : &good, *next = order == 0 ? &good : &open;
        struct arena arena;
        open.eligible = 9;
        open.wrong = 4;
        good.eligible = 10;
        arena_init(&arena, 65536);
        hearing_merge_parts(claim_type_find("timeout.try"), first, next, 2, &arena);
        assert_int_equal(first->kind, VERDICT_INCONCLUSIVE);
        assert_int_equal(first->wrong, 4);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_mesh_passes_in_parts_or_is_left_open),
        cmocka_unit_test(counts_of_the_parts_add_up),
        cmocka_unit_test(a_witness_in_one_part_is_enough),
        cmocka_unit_test(what_was_wrong_while_it_was_paused_is_no_evidence),
        cmocka_unit_test(a_pause_that_was_never_ended_cuts_its_phase_short),
        cmocka_unit_test(a_share_or_a_time_that_one_part_misses_proves_nothing),
        cmocka_unit_test(what_one_part_saw_wrong_the_other_does_not_take_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
