/* A phase is walked again: what that confirms, decides, or leaves open (ADR 0009). */

#include "verify/hearing_fixture_test.h"

static void run_and_repeat(struct sim *s, bool heals)
{
    uint64_t p_ns = s->mesh.p_ns;
    s->mesh.p_ns = p_ns * 6 / 5;
    for (uint32_t i = 0; i < s->s->phase_count; i++)
        sim_phase(s, i, "");
    s->mesh.p_ns = heals ? p_ns : s->mesh.p_ns;
    sim_phase(s, ordinal_of(s, "mixed"), " (again)");
    sim_phase(s, ordinal_of(s, "healed"), " (again)");
    s->j->end_how = "complete";
}

static void a_timing_failure_asks_for_its_phase_once_more(void **state)
{
    struct sim s;
    uint32_t ordinals[8];
    (void)state;
    right(&s, 9);
    s.mesh.p_ns = s.mesh.p_ns * 6 / 5;
    sim_run(&s);
    struct judgement *g = judged(&s);
    assert_int_equal(judge_repeats(g, 0, "subject", 0, ordinals, COUNT_OF(ordinals)), 1);
    assert_int_equal(ordinals[0], ordinal_of(&s, "mixed"));
    judgement_free(g);
    sim_close(&s);
}

static void a_failure_that_repeats_stands(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 10);
    run_and_repeat(&s, false);
    struct judgement *g = judged(&s);
    is(g, "timeout.try", VERDICT_FAIL, WHY_NONE, "cut late");
    assert_non_null(strstr(sim_verdict(g, "timeout.try")->verdict.certain, "repeated"));
    judgement_free(g);
    sim_close(&s);
}

static void a_failure_that_does_not_repeat_is_open(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 11);
    run_and_repeat(&s, true);
    struct judgement *g = judged(&s);
    is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_NOT_REPEATED, "seen once, not repeated");
    assert_int_equal(g->fail, 0);
    judgement_free(g);
    sim_close(&s);
}

/* Stalls, 20 ms of every 100, in the runs of "mixed" whose name is ${name}. */
static void starve(struct sim *s, const char *name)
{
    for (size_t i = 0; i < s->j->phase_count; i++) {
        const struct journal_phase *p = &s->j->phases[i];
        if (strcmp(p->name, name) != 0)
            continue;
        for (uint64_t at_ns = p->t0_ns; at_ns < p->t1_ns; at_ns += 100 * NS_PER_MS) {
            struct stall_record r = {.at = at_ns, .fired = 20 * NS_PER_MS};
            journal_add(s->j, SIM_PROXY, RECORD_STALL, &r);
        }
    }
}

/* The walk is starved; so is its repetition, where ${starved}. ${p_ns}: the mesh's time-out of a
 * try in the first repetition and in the second. Returns what the last one is asked for. */
static size_t three_looks(struct sim *s, bool starved, uint64_t first_p_ns, uint64_t second_p_ns)
{
    uint32_t ordinals[16];
    struct judgement *g;
    size_t count = 0;
    sim_run(s);
    starve(s, "mixed");
    for (uint32_t done = 0; done < 2; done++) {
        g = judged(s);
        is(g, "timeout.try", VERDICT_INCONCLUSIVE,
           done == 0 || starved ? WHY_STALLED : WHY_NOT_REPEATED, "");
        count = judge_repeats(g, 0, "subject", done, ordinals, COUNT_OF(ordinals));
        judgement_free(g);
        s->mesh.p_ns = done == 0 ? first_p_ns : second_p_ns;
        for (size_t i = 0; i < count; i++)
            sim_phase(s, ordinals[i], done == 0 ? " (again)" : " (again, 2)");
        while (s->heap_count > 0)
            sim_step(s);
        if (done == 0 && starved)
            starve(s, "mixed (again)");
    }
    return count;
}

static void a_third_look_decides_what_two_did_not_see(void **state)
{
    struct sim s;
    uint32_t ordinals[16];
    (void)state;
    right(&s, 30);
    assert_true(three_looks(&s, true, s.mesh.p_ns, s.mesh.p_ns) > 0);
    struct judgement *g = judged(&s);
    is(g, "timeout.try", VERDICT_PASS, WHY_NONE, "in the repeated phase");
    assert_int_equal(judge_repeats(g, 0, "subject", LOOKS_MOST - 1, ordinals, COUNT_OF(ordinals)),
                     0);
    judgement_free(g);
    sim_close(&s);
}

static void what_the_second_look_refuses_the_third_must_confirm(void **state)
{
    for (int heals = 0; heals < 2; heals++) {
        struct sim s;
        (void)state;
        right(&s, 31);
        uint64_t right_ns = s.mesh.p_ns, late_ns = right_ns * 6 / 5;
        assert_true(three_looks(&s, false, late_ns, heals ? right_ns : late_ns) > 0);
        struct judgement *g = judged(&s);
        if (heals)
            is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_NOT_REPEATED, "seen once");
        else
            is(g, "timeout.try", VERDICT_FAIL, WHY_NONE, "cut late");
        judgement_free(g);
        sim_close(&s);
    }
}

/* The look that was to confirm was starved: that says neither yes nor no, and one more is asked. */
static void a_confirmation_that_saw_nothing_is_asked_again(void **state)
{
    for (int heals = 0; heals < 2; heals++) {
        struct sim s;
        uint32_t ordinals[16];
        (void)state;
        right(&s, 32);
        uint64_t right_ns = s.mesh.p_ns;
        s.mesh.p_ns = right_ns * 6 / 5;
        sim_run(&s);
        for (uint32_t done = 0; done < 2; done++) {
            struct judgement *g = judged(&s);
            if (done > 0)
                is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_NOT_REPEATED, "(then: ");
            assert_int_equal(judge_repeats(g, 0, "subject", done, ordinals, COUNT_OF(ordinals)), 1);
            assert_int_equal(ordinals[0], ordinal_of(&s, "mixed"));
            judgement_free(g);
            s.mesh.p_ns = done == 0 || !heals ? right_ns * 6 / 5 : right_ns;
            sim_phase(&s, ordinals[0], done == 0 ? " (again)" : " (again, 2)");
            while (s.heap_count > 0)
                sim_step(&s);
            if (done == 0)
                starve(&s, "mixed (again)");
        }
        struct judgement *g = judged(&s);
        if (heals)
            is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_NOT_REPEATED, "not repeated");
        else
            is(g, "timeout.try", VERDICT_FAIL, WHY_NONE, "cut late");
        assert_int_equal(judge_repeats(g, 0, "subject", 2, ordinals, COUNT_OF(ordinals)), 0);
        judgement_free(g);
        sim_close(&s);
    }
}

/* Requests are too few in each look. Stalls may be the cause, and pass; a calm look tells that
 * there are no more. */
static void looks_beyond_the_third_are_for_stalls(void **state)
{
    for (int starved = 0; starved < 2; starved++) {
        struct sim s;
        uint32_t ordinals[64], looks = 1;
        size_t count;
        struct judgement *g;
        (void)state;
        right(&s, 33);
        for (size_t i = 0; i < s.s->phases[ordinal_of(&s, "mixed")].loads[0].tagged_count; i++)
            s.s->phases[ordinal_of(&s, "mixed")].loads[0].tagged[i].count = 1;
        sim_run(&s);
        while (g = judged(&s),
               (count = judge_repeats(g, 0, "subject", looks - 1, ordinals, 64)) > 0) {
            char name[LOOK_NAME_MOST];
            is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "");
            judgement_free(g);
            look_name(name, sizeof(name), "", looks, false);
            for (size_t i = 0; i < count; i++)
                sim_phase(&s, ordinals[i], name);
            while (s.heap_count > 0)
                sim_step(&s);
            look_name(name, sizeof(name), "mixed", looks, false);
            if (starved)
                starve(&s, name);
            looks++;
        }
        is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "");
        assert_int_equal(looks, starved ? LOOKS_MOST : 3);
        judgement_free(g);
        sim_close(&s);
    }
}

static void an_ejection_that_was_late_is_repeated_from_its_quiet_beginning(void **state)
{
    struct sim s;
    uint32_t ordinals[8];
    (void)state;
    right(&s, 12);
    s.mesh.c++;
    sim_run(&s);
    struct judgement *g = judged(&s);
    assert_int_equal(judge_repeats(g, 0, "subject", 0, ordinals, COUNT_OF(ordinals)), 3);
    assert_int_equal(ordinals[0], ordinal_of(&s, "quiet"));
    assert_int_equal(ordinals[1], ordinal_of(&s, "trip"));
    assert_int_equal(ordinals[2], ordinal_of(&s, "length"));
    judgement_free(g);
    for (int i = 0; i < 3; i++)
        sim_phase(&s, ordinals[i], " (again)");
    sim_phase(&s, ordinal_of(&s, "healed"), " (again)");
    g = judged(&s);
    is(g, "eject.late", VERDICT_FAIL, WHY_NONE, "1 more try after 5");
    assert_int_equal(judge_repeats(g, 0, "subject", 1, ordinals, COUNT_OF(ordinals)), 0);
    judgement_free(g);
    sim_close(&s);
}

/* One failure too many, but so long after the one before it that the host could have been out and
 * back: that is no "out at once" either. A broken control passed so, on a real run. */
static void a_late_ejection_that_its_picks_hide_is_not_passed(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 18);
    s.mesh.c++;
    sim_run(&s);
    const struct journal_phase *trip = NULL;
    for (size_t i = 0; i < s.j->phase_count; i++)
        if (strcmp(s.j->phases[i].name, "trip") == 0)
            trip = &s.j->phases[i];
    assert_non_null(trip);
    struct attempt_record *last = NULL;
    for (size_t i = 0; i < s.j->attempt_count; i++) {
        struct attempt_record *r = &s.j->attempts[i].r;
        if (r->at >= trip->t0_ns && r->at < trip->t1_ns && r->status == 503 && r->fault != 0 &&
            (last == NULL || r->at > last->at))
            last = r;
    }
    assert_non_null(last);
    struct judgement *g = judged(&s);
    is(g, "eject.late", VERDICT_FAIL, WHY_NONE, "1 more try after 5");
    judgement_free(g);
    last->at += s.edge.outlier.base_ejection.number / 2 + 50 * NS_PER_MS;
    g = judged(&s);
    is(g, "eject.late", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "no quiet");
    judgement_free(g);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timing_failure_asks_for_its_phase_once_more),
        cmocka_unit_test(a_failure_that_repeats_stands),
        cmocka_unit_test(a_failure_that_does_not_repeat_is_open),
        cmocka_unit_test(a_third_look_decides_what_two_did_not_see),
        cmocka_unit_test(what_the_second_look_refuses_the_third_must_confirm),
        cmocka_unit_test(a_confirmation_that_saw_nothing_is_asked_again),
        cmocka_unit_test(looks_beyond_the_third_are_for_stalls),
        cmocka_unit_test(an_ejection_that_was_late_is_repeated_from_its_quiet_beginning),
        cmocka_unit_test(a_late_ejection_that_its_picks_hide_is_not_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
