/* Arms of one scenario: who has its turn when, told by the journal of a run with scripted agents.
 */

#include "engine/conductor_rig_test.h"

#define BLOCK_MS 200
#define ARMS 2

struct arms {
    struct rig rig;
    struct walk_plan walks[ARMS];
};
static const char *const names[ARMS] = {"arm:a", "arm:b"};

/* The rig's scenario, as two arms of one. */
static void split(struct arms *a)
{
    struct plan *p = a->rig.plan;
    struct scenario *both = ARENA_ARRAY(&p->arena, struct scenario, ARMS);
    for (uint32_t i = 0; i < ARMS; i++) {
        both[i] = p->scenarios[0];
        both[i].name = i == 0 ? "drags, arm a" : "drags, arm b";
        both[i].arm = names[i] + 4;
        both[i].arms_of = "drags";
        a->walks[i] = a->rig.walk;
        a->walks[i].arm = names[i];
        a->walks[i].group = "drags";
        a->walks[i].scenario = i;
        a->walks[i].scenario_plan = &both[i];
    }
    p->scenarios = both;
    p->scenario_count = ARMS;
    a->rig.options.block_ns = BLOCK_MS * NS_PER_MS;
}

static void run(struct arms *a)
{
    struct rig *r = &a->rig;
    r->options.cookie = r;
    assert_true(plan_check(r->plan, &r->err));
    if (!engine_run(r->plan, a->walks, ARMS, &r->options, &r->outcome, &r->err))
        fail_msg("%s", r->err.text);
    assert_true(journal_open(r->journal, &r->read, &r->err));
}

static const char *arm_of(const struct journal_event *e)
{
    return json_string_value(json_object_get(e->json, "arm"));
}

/* Blocks never overlap, each arm has ${rounds} of them in ${phase} (of its name), one a round.
 * Returns the time that an arm had. */
static uint64_t look(const struct journal *j, const char *phase, unsigned rounds, size_t arm)
{
    const char *now = NULL;
    uint64_t since_ns = 0, had_ns = 0;
    unsigned count = 0, all = 0;
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        const struct journal_phase *of = NULL;
        for (size_t k = 0; k < j->phase_count; k++)
            of = j->phases[k].phase == e->phase ? &j->phases[k] : of;
        if (strncmp(e->what, "block.", 6) != 0)
            continue;
        if (strcmp(e->what, "block.begin") == 0) {
            assert_null(now);
            now = arm_of(e);
            since_ns = e->t_ns;
            continue;
        }
        assert_non_null(now);
        assert_string_equal(now, arm_of(e));
        now = NULL;
        if (strcmp(of->name, phase) != 0)
            continue;
        assert_string_equal(of->arm, arm_of(e));
        all++;
        if (strcmp(arm_of(e), names[arm]) != 0)
            continue;
        had_ns += e->t_ns - since_ns;
        count++;
        assert_int_equal((all - 1) / ARMS, count - 1); /* its turn of that round */
    }
    assert_null(now);
    assert_in_range(count, 1, rounds); /* on a busy machine blocks are late, and fewer */
    return had_ns;
}

static void a_phase_by_the_clock_goes_in_blocks(void **state)
{
    struct arms a;
    (void)state;
    rig_init(&a.rig);
    struct phase *p = add_phase(&a.rig, "quiet", PHASE_BY_CLOCK, 500 * NS_PER_MS);
    add_step(&a.rig, p, STEP_FAULT, "abort", "payments", abort_keys);
    split(&a);
    run(&a);
    assert_int_equal(a.rig.outcome, ENGINE_COMPLETE);
    assert_int_equal(a.rig.read->phase_count, 2);
    for (size_t i = 0; i < ARMS; i++) {
        uint64_t had_ns = look(a.rig.read, "quiet", 3, i);
        assert_in_range(had_ns, 450 * NS_PER_MS, 2 * NS_PER_S);
        assert_string_equal(a.rig.read->phases[i].why, "clock");
    }
    /* Each arm's fault was armed once, and stayed while the other had its turn. */
    assert_int_equal(count_events(&a.rig, "fault_armed"), 2);
    rig_release(&a.rig);
}

static void a_phase_that_waits_goes_whole_arm_after_arm(void **state)
{
    static const char *const soon[] = {"count", "1", "within", "1s", NULL};
    struct arms a;
    (void)state;
    rig_init(&a.rig);
    add_step(&a.rig, add_phase(&a.rig, "waits", PHASE_BY_AWAITS, 0), STEP_AWAIT, "requests",
             "client -> payments", soon);
    add_phase(&a.rig, "after", PHASE_BY_CLOCK, 300 * NS_PER_MS);
    split(&a);
    run(&a);
    assert_int_equal(a.rig.outcome, ENGINE_COMPLETE);
    assert_int_equal(a.rig.read->phase_count, 4);
    for (size_t i = 0; i < ARMS; i++) {
        look(a.rig.read, "waits", 1, i);
        look(a.rig.read, "after", 2, i);
    }
    /* No arm is in the second phase while another is in the first. */
    uint64_t first_over = 0, second_begun = UINT64_MAX;
    for (size_t i = 0; i < a.rig.read->phase_count; i++) {
        const struct journal_phase *p = &a.rig.read->phases[i];
        if (p->ordinal == 0 && p->t1_ns > first_over)
            first_over = p->t1_ns;
        if (p->ordinal == 1 && p->t0_ns < second_begun)
            second_begun = p->t0_ns;
    }
    assert_true(first_over < second_begun);
    rig_release(&a.rig);
}

static void an_abort_ends_the_arm_that_stands_too(void **state)
{
    struct arms a;
    (void)state;
    rig_init(&a.rig);
    add_phase(&a.rig, "long", PHASE_BY_CLOCK, 20 * NS_PER_S);
    split(&a);
    a.rig.options.deadline_ns = 1500 * NS_PER_MS;
    a.rig.options.recover_ns = 50 * NS_PER_MS;
    run(&a);
    assert_int_equal(a.rig.outcome, ENGINE_ABORTED);
    for (size_t i = 0; i < a.rig.read->phase_count; i++)
        assert_string_equal(a.rig.read->phases[i].why, "abort");
    rig_release(&a.rig);
}

static void more_blocks_than_can_be_started_are_refused(void **state)
{
    struct arms a;
    (void)state;
    rig_init(&a.rig);
    add_phase(&a.rig, "for ever", PHASE_BY_CLOCK, 3600 * NS_PER_S);
    split(&a);
    assert_false(engine_run(a.rig.plan, a.walks, ARMS, &a.rig.options, &a.rig.outcome, &a.rig.err));
    assert_non_null(strstr(a.rig.err.text, "the arms of \"drags\" have 18000 blocks each"));
    assert_int_equal(access(a.rig.trace, F_OK), -1); /* nothing was started */
    rig_release(&a.rig);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_phase_by_the_clock_goes_in_blocks),
        cmocka_unit_test(a_phase_that_waits_goes_whole_arm_after_arm),
        cmocka_unit_test(an_abort_ends_the_arm_that_stands_too),
        cmocka_unit_test(more_blocks_than_can_be_started_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
