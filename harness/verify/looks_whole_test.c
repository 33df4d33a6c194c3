/* What a look counts for, on journals written by hand: one that was cut short, one whose records
 * were lost, one that saw less wrong than the one before, and the whole scenario, which has none.
 */

#include "verify/whole_fixture_test.h"

static const char *const at_most[] = {"only", "atmost", NULL};

static void open_with(struct whole *w, uint64_t try_ns)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX | RETRY_RESET);
    if (try_ns != 0)
        edge.retry.per_try_timeout = whole_value(try_ns);
    whole_open(w, &edge, "http1");
}

/* The row of a repetition of "storm". */
static struct journal_phase *add_look(struct whole *w, const char *name, uint64_t from_us,
                                      const char *why)
{
    journal_add_phase(w->j,
                      &(struct journal_phase){.phase = (uint32_t)w->j->phase_count + 1,
                                              .arm = "subject",
                                              .name = name,
                                              .why = why,
                                              .t0_ns = WHOLE_T0 + from_us * NS_PER_US,
                                              .t1_ns = WHOLE_T0 + (from_us + 10 * S) * NS_PER_US});
    return &w->j->phases[w->j->phase_count - 1];
}

/* Requests that meet 503 at each of their ${tries}. */
static void fail_all(struct whole *w, uint64_t from_us, unsigned count, uint16_t tries)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t t = from_us + i * 100 * MS;
        uint64_t id =
            whole_request(w, t, t + tries * 10 * MS + MS, (struct request_record){.status = 503});
        for (uint16_t k = 1; k <= tries; k++)
            whole_try(w, id, t + (k - 1U) * 10 * MS + MS / 10, t + (k - 1U) * 10 * MS + MS,
                      (struct attempt_record){.status = 503, .k = k});
    }
}

/* 6 of the 10 that are asked, over the whole scenario: they are not 12. */
static void what_the_whole_scenario_shows_counts_once(void **state)
{
    struct whole w;
    (void)state;
    open_with(&w, 0);
    whole_phase(&w, "storm", 0, 10 * S);
    w.s->steps = ARENA_ARRAY(&w.plan->arena, struct step, 1);
    w.s->steps[w.s->step_count++] = step_make(w.plan, STEP_EXPECT, "retries", "client -> payments",
                                              (struct source){"whole.lua", 9, 0}, at_most);
    fail_all(&w, S, 6, 3);
    whole_are(&w, "retry.max", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "6 of 10");
}

static void a_phase_and_its_repetition_add_up_unless_it_was_cut_short(void **state)
{
    static const char *const ends[] = {"clock", "abort", "pause", "lost"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct whole w;
        open_with(&w, 0);
        whole_step(&w, whole_phase(&w, "storm", 0, 10 * S), STEP_EXPECT, "retries",
                   "client -> payments", at_most);
        add_look(&w, "storm (again)", 20 * S, ends[i]);
        fail_all(&w, S, 6, 3);
        fail_all(&w, 21 * S, 12, 3);
        if (i == 0)
            whole_are(&w, "retry.max", VERDICT_PASS, WHY_NONE, "in the repeated phase");
        else
            whole_are(&w, "retry.max", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "6 of 10");
    }
}

/* What the abort cut off may be the retries that are missing. */
static void retries_that_a_cut_short_look_misses_are_no_witness(void **state)
{
    static const char *const happen[] = {"only", "happen", NULL};
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct whole w;
        open_with(&w, 0);
        whole_step(&w, whole_phase(&w, "storm", 0, 10 * S), STEP_EXPECT, "retries",
                   "client -> payments", happen);
        add_look(&w, "storm (again)", 20 * S, cut ? "abort" : "clock");
        fail_all(&w, S, 3, 3);
        fail_all(&w, 21 * S, 3, 1);
        if (cut)
            whole_are(&w, "retry.must", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "3 of 10");
        else
            whole_are(&w, "retry.must", VERDICT_FAIL, WHY_NONE, "3 of 3");
    }
}

/* Ten tries are held, ${late} of them for 100 ms too long, among clean requests. */
static void hold_ten(struct whole *w, uint64_t from_us, unsigned late)
{
    for (uint64_t t = 0; t < 10 * S; t += 100 * MS)
        whole_good(w, from_us + t, 2 * MS);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t t = from_us + i * 900 * MS + 50 * MS, left = i < late ? 700 * MS : 600 * MS;
        uint64_t id = whole_request(w, t, t + left + 30 * MS, (struct request_record){0});
        whole_try(w, id, t, 0, (struct attempt_record){.left = left * NS_PER_US});
        whole_try(w, id, t + left + 20 * MS, t + left + 25 * MS,
                  (struct attempt_record){.status = 200, .k = 2});
    }
}

static void wait_in(struct whole *w)
{
    static const char *const per_try[] = {"only", "per_try", NULL};
    open_with(w, 600 * NS_PER_MS);
    whole_step(w, whole_phase(w, "storm", 0, 10 * S), STEP_EXPECT, "timeout", "client -> payments",
               per_try);
}

/* Three of ten, which the machine may explain; then none of ten: three of twenty are too many yet.
 */
static void what_was_wrong_in_a_look_is_outweighed_not_forgotten(void **state)
{
    (void)state;
    for (int looks = 1; looks <= 3; looks++) {
        struct whole w;
        wait_in(&w);
        hold_ten(&w, 0, 3);
        for (int i = 1; i < looks; i++) {
            add_look(&w, i == 1 ? "storm (again)" : "storm (again, 2)", (uint64_t)i * 20 * S,
                     "clock");
            hold_ten(&w, (uint64_t)i * 20 * S, 0);
        }
        if (looks < 3)
            whole_are(&w, "timeout.try", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "3 of 10");
        else
            whole_are(&w, "timeout.try", VERDICT_PASS, WHY_NONE, "in the repeated phase");
    }
}

/* Late in the walk and in its repetition, which lost records, or ended before its time. */
static void a_look_that_is_no_evidence_confirms_nothing(void **state)
{
    static const char *const ends[] = {"clock", "clock", "abort", "lost"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct whole w;
        struct lost_record lost = {.at = WHOLE_T0 + 21 * S * NS_PER_US,
                                   .to = WHOLE_T0 + 22 * S * NS_PER_US,
                                   .count = 3,
                                   .kind = RECORD_ATTEMPT};
        wait_in(&w);
        hold_ten(&w, 0, 10);
        add_look(&w, "storm (again)", 20 * S, ends[i]);
        hold_ten(&w, 20 * S, 10);
        if (i == 1)
            journal_add(w.j, WHOLE_PROXY, RECORD_LOST, &lost);
        if (i == 0)
            whole_are(&w, "timeout.try", VERDICT_FAIL, WHY_NONE, "10 of 10 cut late");
        else
            whole_are(&w, "timeout.try", VERDICT_INCONCLUSIVE, WHY_NOT_REPEATED, "not repeated");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_whole_scenario_shows_counts_once),
        cmocka_unit_test(a_phase_and_its_repetition_add_up_unless_it_was_cut_short),
        cmocka_unit_test(retries_that_a_cut_short_look_misses_are_no_witness),
        cmocka_unit_test(what_was_wrong_in_a_look_is_outweighed_not_forgotten),
        cmocka_unit_test(a_look_that_is_no_evidence_confirms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
