/* The conductor as somebody else sees and steers it: the hooks of engine_options, and an abort that
 * came from outside. */

#include "engine/conductor_rig_test.h"

#include "net/loop.h"

struct onlooker {
    struct rig rig; /* first: the cookie of all hooks */
    struct steer *steer;
    struct loop *loop;
    struct hold hold;
    unsigned begun, ended, requests, attempts, phases, phase_ends, events, ends, procs, abort_at;
    bool late;
    char answer[256], again[256];
};

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    struct onlooker *o = cookie;
    o->begun++;
    o->steer = steer;
    o->loop = loop;
}

static void on_end(void *cookie)
{
    struct onlooker *o = cookie;
    o->ended++;
    loop_hold_remove(o->loop, &o->hold);
}

static void ask(struct onlooker *o, const char *text, char *to, size_t size)
{
    json_t *request = json_loads(text, 0, NULL);
    json_t *answer = steer_ask(o->steer, request);
    char *line = json_dumps(answer, JSON_SORT_KEYS | JSON_COMPACT);
    snprintf(to, size, "%s", line);
    free(line);
    json_decref(answer);
    json_decref(request);
}

static void on_hold(struct hold *h, uint64_t now_ns)
{
    struct onlooker *o = (struct onlooker *)((char *)h - offsetof(struct onlooker, hold));
    (void)now_ns;
    ask(o, "{\"verb\":\"abort\",\"who\":\"alice\",\"why\":\"enough\"}", o->answer,
        sizeof(o->answer));
    ask(o, "{\"verb\":\"abort\",\"who\":\"bob\"}", o->again, sizeof(o->again));
}

static void on_record(void *cookie, const struct record_source *from, enum record_kind kind,
                      const void *record)
{
    struct onlooker *o = cookie;
    const struct journal_phase *phase = record;
    o->late = o->late || (o->begun == 0 && kind != RECORD_PROC) || o->ended > 0;
    o->procs += kind == RECORD_PROC;
    o->events += kind == RECORD_EVENT;
    o->ends += kind == RECORD_END;
    o->attempts += kind == RECORD_ATTEMPT && strcmp(from->role, "proxy") == 0;
    o->requests += kind == RECORD_REQUEST && strcmp(from->arm, "subject") == 0;
    if (kind == RECORD_REQUEST && o->requests == o->abort_at) /* asked in a turn of its own */
        loop_hold_add(o->loop, &o->hold, 0, on_hold);
    if (kind != RECORD_PHASE)
        return;
    o->phases += phase->why == NULL;
    o->phase_ends += phase->why != NULL && strcmp(phase->name, "drags") == 0;
}

static void init(struct onlooker *o)
{
    *o = (struct onlooker){0};
    rig_init(&o->rig);
    o->rig.options.on_begin = on_begin;
    o->rig.options.on_end = on_end;
    o->rig.options.on_record = on_record;
    o->rig.options.recover_ns = 50 * NS_PER_MS;
}

static void an_onlooker_sees_every_row_of_the_journal(void **state)
{
    struct onlooker o;
    (void)state;
    init(&o);
    add_step(&o.rig, add_phase(&o.rig, "drags", PHASE_BY_CLOCK, 80 * NS_PER_MS), STEP_FAULT,
             "abort", "payments/2", abort_keys);
    rig_run(&o.rig);
    assert_int_equal(o.rig.outcome, ENGINE_COMPLETE);
    assert_int_equal(o.begun, 1);
    assert_int_equal(o.ended, 1);
    assert_false(o.late);
    assert_int_equal(o.procs, o.rig.read->proc_count);
    assert_int_equal(o.requests, 6); /* the calm one too */
    assert_int_equal(o.requests, o.rig.read->request_count);
    assert_int_equal(o.attempts, 3);
    assert_int_equal(o.phases, 1);
    assert_int_equal(o.phase_ends, 1);
    assert_int_equal(o.events, o.rig.read->event_count);
    assert_int_equal(o.ends, 1);
    rig_release(&o.rig);
}

static void an_abort_from_outside_undoes_and_says_who_asked(void **state)
{
    struct onlooker o;
    (void)state;
    init(&o);
    o.abort_at = 6;
    add_step(&o.rig, add_phase(&o.rig, "drags", PHASE_BY_CLOCK, 60 * NS_PER_S), STEP_FAULT, "abort",
             "payments/2", abort_keys);
    rig_run(&o.rig);
    assert_int_equal(o.rig.outcome, ENGINE_ABORTED);
    assert_string_equal(o.answer, "{\"ok\":true}");
    assert_string_equal(o.again, "{\"error\":\"the run is ending already\",\"ok\":false}");
    assert_string_equal(o.rig.read->end_how, "aborted: stopped by alice: enough");
    assert_trace(&o.rig, "proxy ARM 1\nload START 0\nproxy ARM\nload DRAIN\nmesh DRAIN\n"
                         "proxy DRAIN\nstub DRAIN\n");
    assert_int_equal(count_events(&o.rig, "fault_disarmed"), 1);
    assert_int_equal(o.ended, 1);
    rig_release(&o.rig);
}

static void a_run_that_cannot_start_has_no_onlooker_left(void **state)
{
    struct onlooker o;
    (void)state;
    init(&o);
    add_phase(&o.rig, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    o.rig.edge.to = "orders";
    o.rig.options.cookie = &o;
    assert_false(
        engine_run(o.rig.plan, &o.rig.walk, 1, &o.rig.options, &o.rig.outcome, &o.rig.err));
    assert_int_equal(o.begun, 1);
    assert_int_equal(o.ended, 1);
    rig_release(&o.rig);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_onlooker_sees_every_row_of_the_journal),
        cmocka_unit_test(an_abort_from_outside_undoes_and_says_who_asked),
        cmocka_unit_test(a_run_that_cannot_start_has_no_onlooker_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
