/* World faults of a walk, with agents that are fakes: what is promised, done, undone and told, in
 * which order, and what is refused before anything begins. That a real proxy dies, and a real
 * device is impaired: suites/selftest/world and netem. */

#include "engine/conductor_rig_test.h"

struct stage {
    struct rig rig;
    char ledger[128];
    struct phase *phase;
};

static void stage_init(struct stage *s, uint64_t lasting_ns)
{
    rig_init(&s->rig);
    snprintf(s->ledger, sizeof(s->ledger), "%s/run.ledger", s->rig.folder);
    s->rig.options.ledger = s->ledger;
    s->phase = add_phase(&s->rig, "broken", PHASE_BY_CLOCK, lasting_ns);
}

static void stage_release(struct stage *s)
{
    assert_int_equal(access(s->ledger, F_OK), -1); /* nothing is outstanding */
    rig_release(&s->rig);
}

/* The records of a change: promised, done, undone, of one entry of the ledger. */
static void assert_changes(const struct stage *s, const char *what, const char *place,
                           const char *after, bool shown)
{
    const struct journal *j = s->rig.read;
    assert_int_equal(j->world_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct world_record *r = &j->worlds[i].r;
        assert_int_equal(r->step, i);
        assert_int_not_equal(r->entry, 0);
        assert_int_equal(r->entry, j->worlds[0].r.entry);
        assert_int_equal(r->fault, 1);
        assert_string_equal(journal_name(j, r->what), what);
        assert_string_equal(journal_name(j, r->place), place);
        assert_int_equal(r->read_back_ok, i == 0 || shown);
    }
    assert_string_equal(journal_name(j, j->worlds[1].r.after_text), after);
}

static void a_killed_proxy_is_dead_for_the_phase_and_back_after_it(void **state)
{
    static const char *const keys[] = {"what", "proxy", NULL};
    struct stage s;
    (void)state;
    stage_init(&s, 80 * NS_PER_MS);
    add_step(&s.rig, s.phase, STEP_FAULT, "kill", "client", keys);
    rig_run(&s.rig);
    assert_int_equal(s.rig.outcome, ENGINE_COMPLETE);
    assert_trace(&s.rig, "load START 0\nload DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    assert_changes(&s, "kill", "proxy of client", "killed", true);
    stage_release(&s);
}

static void a_stopped_proxy_goes_on_after_its_ttl(void **state)
{
    static const char *const keys[] = {"what", "proxy", "ttl", "40ms", NULL};
    struct stage s;
    (void)state;
    stage_init(&s, 200 * NS_PER_MS);
    add_step(&s.rig, s.phase, STEP_FAULT, "pause", "client", keys);
    rig_run(&s.rig);
    assert_changes(&s, "pause", "proxy of client", "stopped", true);
    const struct journal *j = s.rig.read;
    assert_true(j->worlds[2].r.at < j->phases[0].t1_ns);
    assert_int_equal(j->fault_count, 1); /* it expired, and that is told */
    assert_int_equal(j->faults[0].r.what, 2);
    stage_release(&s);
}

static void a_cut_is_armed_at_the_mesh_and_told_as_seen_or_not(void **state)
{
    for (int shown = 0; shown <= 1; shown++) {
        struct stage s;
        (void)state;
        stage_init(&s, 60 * NS_PER_MS);
        add_step(&s.rig, s.phase, STEP_FAULT, "control_plane_cut", "client", NULL);
        setenv("FAKE", shown ? "shows" : "", 1);
        rig_run(&s.rig);
        assert_trace(&s.rig, "mesh ARM 1\nload START 0\nmesh ARM\nload DRAIN\nmesh DRAIN\n"
                             "proxy DRAIN\nstub DRAIN\n");
        assert_changes(&s, "control_plane_cut", "control plane of the proxy of client", "cut",
                       shown);
        stage_release(&s);
    }
}

static void what_the_lab_cannot_do_is_refused_before_it_begins(void **state)
{
    static const char *const proxy[] = {"what", "proxy", NULL},
                             *const waypoint[] = {"what", "waypoint", NULL},
                             *const delay[] = {"delay", "1ms", NULL},
                             *const identity[] = {"what", "identity", NULL};
    static const struct {
        const char *word, *on;
        const char *const *keys;
        const char *second; /* another step, for the client's proxy; NULL: none */
        const char *text;
    } rows[] = {
        {"kill", "payments", proxy, NULL, "\"payments\" calls nobody, so it has no proxy"},
        {"kill", "payments", waypoint, NULL, "the driver builtin has no waypoint"},
        {"netem", "payments", delay, NULL, "needs lab { isolation = \"netns\" }"},
        {"control_plane_cut", "payments", NULL, NULL, "\"payments\" calls nobody"},
        {"control_plane_cut", "client", identity, NULL, "this lab is plaintext"},
        {"control_plane_cut", "client", NULL, "kill",
         "fault.kill overlaps the fault.control_plane"},
        {"pause", "client", proxy, "control_plane_cut",
         "fault.control_plane_cut overlaps the fault.pause"},
        {"pause", "client", proxy, "kill", "fault.kill overlaps the fault.pause"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct stage s;
        stage_init(&s, 60 * NS_PER_MS);
        add_step(&s.rig, s.phase, STEP_FAULT, rows[i].word, rows[i].on, rows[i].keys);
        bool cut = rows[i].second != NULL && strcmp(rows[i].second, "control_plane_cut") == 0;
        if (rows[i].second != NULL)
            add_step(&s.rig, s.phase, STEP_FAULT, rows[i].second, "client", cut ? NULL : proxy);
        s.rig.options.cookie = &s.rig;
        assert_true(plan_check(s.rig.plan, &s.rig.err));
        assert_false(
            engine_run(s.rig.plan, &s.rig.walk, 1, &s.rig.options, &s.rig.outcome, &s.rig.err));
        if (strstr(s.rig.err.text, rows[i].text) == NULL)
            fail_msg("\"%s\" has no \"%s\"", s.rig.err.text, rows[i].text);
        assert_int_equal(access(s.rig.trace, F_OK), -1); /* no agent was told anything */
        stage_release(&s);
    }
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_proxy_is_dead_for_the_phase_and_back_after_it),
        cmocka_unit_test(a_stopped_proxy_goes_on_after_its_ttl),
        cmocka_unit_test(a_cut_is_armed_at_the_mesh_and_told_as_seen_or_not),
        cmocka_unit_test(what_the_lab_cannot_do_is_refused_before_it_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
