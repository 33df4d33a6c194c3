/* A run that is paused and goes on: what is armed when, what the journal says, whose clocks stand.
 */

#include "engine/conductor_rig_test.h"

#include "net/loop.h"

struct pauser {
    struct rig rig; /* first: the cookie of all hooks */
    struct steer *steer;
    struct loop *loop;
    struct hold pause_hold, resume_hold;
    unsigned requests, pause_at;
    const char *pause_when; /* or the kind of event */
    uint64_t stand_ns;      /* UINT64_MAX: nobody resumes */
    bool abort;             /* instead of going on */
    bool usr1;              /* answer the pause by the signal */
    char refused[256];
};

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    struct pauser *p = cookie;
    struct error err = {0};
    p->steer = steer;
    p->loop = loop;
    assert_false(steer_resume(steer, "bob", &err)); /* from before the first walk */
}

static void on_end(void *cookie)
{
    struct pauser *p = cookie;
    loop_hold_remove(p->loop, &p->pause_hold);
    loop_hold_remove(p->loop, &p->resume_hold);
}

static void on_resume(struct hold *h, uint64_t now_ns)
{
    struct pauser *p = (struct pauser *)((char *)h - offsetof(struct pauser, resume_hold));
    struct error err = {0};
    (void)now_ns;
    assert_true(p->abort ? steer_abort(p->steer, "alice", "enough", &err)
                         : steer_resume(p->steer, "alice", &err));
}

static void on_pause(struct hold *h, uint64_t now_ns)
{
    struct pauser *p = (struct pauser *)((char *)h - offsetof(struct pauser, pause_hold));
    struct error err = {0};
    assert_true(steer_pause(p->steer, "alice", &err));
    assert_false(steer_pause(p->steer, "bob", &err));
    snprintf(p->refused, sizeof(p->refused), "%s", err.text);
    if (p->stand_ns != UINT64_MAX)
        loop_hold_add(p->loop, &p->resume_hold, now_ns + p->stand_ns, on_resume);
}

static void on_record(void *cookie, const struct record_source *from, enum record_kind kind,
                      const void *record)
{
    struct pauser *p = cookie;
    (void)from;
    (void)record;
    p->requests += kind == RECORD_REQUEST;
    if (kind == RECORD_REQUEST && p->requests == p->pause_at)
        loop_hold_add(p->loop, &p->pause_hold, 0, on_pause);
}

static void on_event_pause(void *cookie, const struct engine_event *event)
{
    struct pauser *p = cookie;
    on_event(cookie, event);
    if (p->usr1 && strcmp(event->what, "pause") == 0)
        kill(getpid(), SIGUSR1);
    if (p->pause_when == NULL || strcmp(event->what, p->pause_when) != 0)
        return;
    p->pause_when = NULL;
    loop_hold_add(p->loop, &p->pause_hold, 0, on_pause);
}

static void init(struct pauser *p)
{
    *p = (struct pauser){.stand_ns = 100 * NS_PER_MS};
    rig_init(&p->rig);
    p->rig.options.on_begin = on_begin;
    p->rig.options.on_end = on_end;
    p->rig.options.on_record = on_record;
    p->rig.options.on_event = on_event_pause;
    p->rig.options.recover_ns = 50 * NS_PER_MS;
}

static uint64_t length_of(const struct pauser *p, size_t i)
{
    return p->rig.read->phases[i].t1_ns - p->rig.read->phases[i].t0_ns;
}

static uint64_t gap_after(const struct pauser *p, size_t i)
{
    return p->rig.read->phases[i + 1].t0_ns - p->rig.read->phases[i].t1_ns;
}

static const struct journal_event *event_of(const struct pauser *p, const char *what)
{
    for (size_t i = 0; i < p->rig.read->event_count; i++)
        if (strcmp(p->rig.read->events[i].what, what) == 0)
            return &p->rig.read->events[i];
    return NULL;
}

static void a_pause_takes_faults_out_and_stops_the_phases_clock(void **state)
{
    struct pauser p;
    (void)state;
    init(&p);
    p.pause_at = 6;
    struct phase *phase = add_phase(&p.rig, "drags", PHASE_BY_CLOCK, 400 * NS_PER_MS);
    phase->settle_ns = 60 * NS_PER_MS;
    add_step(&p.rig, phase, STEP_FAULT, "abort", "payments/2", abort_keys);
    rig_run(&p.rig);
    assert_int_equal(p.rig.outcome, ENGINE_COMPLETE);
    assert_trace(&p.rig,
                 "proxy ARM 1\nload START 0\nproxy ARM\nproxy ARM 1\nproxy ARM\nload DRAIN\n"
                 "mesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    assert_int_equal(p.rig.read->phase_count, 2);
    assert_string_equal(p.rig.read->phases[0].why, "pause");
    assert_string_equal(p.rig.read->phases[1].name, "drags (resumed)");
    assert_int_equal(p.rig.read->phases[1].ordinal, 0);
    assert_string_equal(p.rig.read->phases[1].why, "clock");
    assert_true(length_of(&p, 0) < 400 * NS_PER_MS);
    assert_true(length_of(&p, 0) + length_of(&p, 1) >= 400 * NS_PER_MS);
    assert_true(gap_after(&p, 0) >= 160 * NS_PER_MS);
    assert_string_equal(json_string_value(json_object_get(event_of(&p, "pause")->json, "who")),
                        "alice");
    assert_non_null(event_of(&p, "resume"));
    assert_string_equal(p.refused, "the run is paused already");
    assert_int_equal(count_events(&p.rig, "fault_armed"), 2);
    assert_int_equal(count_events(&p.rig, "fault_disarmed"), 2);
    rig_release(&p.rig);
}

static void a_decided_phase_asks_its_requests_anew(void **state)
{
    struct pauser p;
    (void)state;
    init(&p);
    p.pause_when = "fault.armed";
    struct phase *phase = add_phase(&p.rig, "one by one", PHASE_DECIDED, 60 * NS_PER_S);
    add_step(&p.rig, phase, STEP_FAULT, "abort", "payments/2", abort_keys);
    rig_run(&p.rig);
    assert_int_equal(p.rig.outcome, ENGINE_COMPLETE);
    assert_int_equal(p.rig.read->phase_count, 2);
    assert_string_equal(p.rig.read->phases[1].why, "decided");
    rig_release(&p.rig);
}

static void an_awaits_time_stands_still(void **state)
{
    static const char *const never[] = {"within", "200ms", NULL};
    struct pauser p;
    (void)state;
    init(&p);
    p.pause_at = 6;
    p.stand_ns = 300 * NS_PER_MS;
    add_step(&p.rig, add_phase(&p.rig, "never", PHASE_BY_AWAITS, 0), STEP_AWAIT, "ejected",
             "payments/2", never);
    rig_run(&p.rig);
    assert_int_equal(p.rig.read->phase_count, 2);
    assert_string_equal(p.rig.read->phases[1].why, "late");
    uint64_t after_ns =
        (uint64_t)json_integer_value(json_object_get(event_of(&p, "await")->json, "after_ns"));
    assert_true(after_ns >= 200 * NS_PER_MS);
    assert_true(after_ns <= length_of(&p, 0) + length_of(&p, 1));
    assert_true(gap_after(&p, 0) >= 300 * NS_PER_MS);
    rig_release(&p.rig);
}

static void a_pause_between_phases_settles_anew_and_takes_out_what_is_carried_over(void **state)
{
    static const char *const keys[] = {"status", "503", "to_end_of", "second", NULL};
    struct pauser p;
    (void)state;
    init(&p);
    p.pause_when = "phase.end";
    struct phase *first = add_phase(&p.rig, "first", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    first->settle_ns = 150 * NS_PER_MS;
    add_step(&p.rig, first, STEP_FAULT, "abort", "payments", keys);
    add_phase(&p.rig, "second", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&p.rig);
    assert_int_equal(p.rig.outcome, ENGINE_COMPLETE);
    rig_proxy_was_told(&p.rig, "ARM 1,ARM,ARM 1,ARM");
    assert_int_equal(p.rig.read->phase_count, 2);
    assert_true(gap_after(&p, 0) >= 250 * NS_PER_MS);
    rig_release(&p.rig);
}

static void the_longest_pause_ends_in_an_abort(void **state)
{
    struct pauser p;
    (void)state;
    init(&p);
    p.pause_at = 6;
    p.stand_ns = UINT64_MAX;
    p.rig.options.pause_most_ns = 150 * NS_PER_MS;
    add_phase(&p.rig, "calm", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&p.rig);
    assert_int_equal(p.rig.outcome, ENGINE_ABORTED);
    assert_non_null(strstr(p.rig.read->end_how, "and no pause is longer"));
    assert_string_equal(p.rig.read->phases[0].why, "pause");
    rig_release(&p.rig);
}

static void an_abort_ends_a_pause(void **state)
{
    struct pauser p;
    (void)state;
    init(&p);
    p.pause_at = 6;
    p.abort = true;
    struct phase *phase = add_phase(&p.rig, "drags", PHASE_BY_CLOCK, 60 * NS_PER_S);
    add_step(&p.rig, phase, STEP_FAULT, "abort", "payments/2", abort_keys);
    rig_run(&p.rig);
    assert_int_equal(p.rig.outcome, ENGINE_ABORTED);
    assert_trace(&p.rig, "proxy ARM 1\nload START 0\nproxy ARM\nload DRAIN\nmesh DRAIN\n"
                         "proxy DRAIN\nstub DRAIN\n");
    rig_release(&p.rig);
}

static void sigusr1_pauses_and_goes_on(void **state)
{
    struct pauser p;
    (void)state;
    init(&p);
    setenv("FAKE", "usr1", 1);
    p.usr1 = true;
    add_phase(&p.rig, "calm", PHASE_BY_CLOCK, 400 * NS_PER_MS);
    rig_run(&p.rig);
    assert_int_equal(p.rig.outcome, ENGINE_COMPLETE);
    assert_int_equal(p.rig.read->phase_count, 2);
    assert_string_equal(json_string_value(json_object_get(event_of(&p, "pause")->json, "who")),
                        "SIGUSR1");
    rig_release(&p.rig);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_takes_faults_out_and_stops_the_phases_clock),
        cmocka_unit_test(a_decided_phase_asks_its_requests_anew),
        cmocka_unit_test(an_awaits_time_stands_still),
        cmocka_unit_test(a_pause_between_phases_settles_anew_and_takes_out_what_is_carried_over),
        cmocka_unit_test(the_longest_pause_ends_in_an_abort),
        cmocka_unit_test(an_abort_ends_a_pause),
        cmocka_unit_test(sigusr1_pauses_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
