/* What a trial is made of. */

#include "explore/space_fixture_test.h"

static const struct drawable *drawable_of(const char *word)
{
    size_t count;
    const struct drawable *all = drawables(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].word, word) == 0)
            return &all[i];
    fail_msg("no %s", word);
    return NULL;
}

static struct schedule two_faults(void)
{
    struct schedule s = {.lasting_ns = 6 * S, .count = 2};
    s.faults[0] = (struct scheduled){
        .what = drawable_of("abort"), .service = "payments", .to_ns = UINT64_MAX};
    s.faults[0].dials[0] = 4; /* 429 */
    s.faults[0].dials[1] = DIAL_ABSENT;
    s.faults[0].dials[2] = 300000;
    s.faults[0].dials[3] = 2;
    s.faults[1] = (struct scheduled){.what = drawable_of("refuse"),
                                     .service = "payments",
                                     .endpoint = 2,
                                     .from_ns = S,
                                     .to_ns = 2500 * MS};
    return s;
}

static void a_trial_has_the_faults_and_the_claims(void **unused)
{
    struct fixture f;
    struct error err = {0};
    struct schedule s = two_faults();
    (void)unused;
    fixture_init(&f);
    assert_true(fixture_space(&f, NULL, 0, &err));
    struct plan *p = space_trial(&f.space, &s, "trial 1", (struct space_asked){0});
    assert_true(plan_check(p, &err));
    const struct scenario *t = &p->scenarios[0];
    assert_int_equal(t->phase_count, 1);
    assert_int_equal(t->settle_ns, 0);
    assert_true(t->loads[0].warmup_ns < S); /* the author's 3 s are most of a trial */
    const struct phase *phase = &t->phases[0];
    assert_int_equal(phase->lasting_ns, 6 * S);
    assert_int_equal(phase->step_count, 4);
    char *keys = json_dumps(phase->steps[0].keys, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(keys, "{\"first\":2,\"on\":\"payments\",\"share\":\"30%\",\"status\":429}");
    free(keys);
    assert_int_equal(phase->steps[1].kind, STEP_DURING);
    assert_int_equal(phase->steps[1].to_ns, 2500 * MS);
    assert_string_equal(phase->steps[1].steps[0].on.text, "payments/2");
    assert_string_equal(phase->steps[2].word, "retries");
    assert_string_equal(phase->steps[3].word, "success");
    assert_int_equal(phase->steps[1].steps[0].fault, 2);
    plan_free(p);

    p = space_trial(&f.space, &s, "found", (struct space_asked){"success", "client -> payments"});
    assert_int_equal(p->scenarios[0].phases[0].step_count, 3);
    assert_string_equal(p->scenarios[0].phases[0].steps[2].word, "success");
    plan_free(p);

    struct text line;
    text_init(&line, 400);
    schedule_print(&s, &line);
    assert_string_equal(text_get(&line),
                        "abort status=429 share=30% first=2 on payments, refuse on "
                        "payments/2 1s..2s500ms");
    text_release(&line);
    fixture_release(&f);
}

/* What the suite wishes of a phase without faults says nothing of one with them. */
static void wishes_of_a_calm_phase_are_left_out(void **unused)
{
    struct fixture f;
    struct error err = {0};
    (void)unused;
    fixture_init(&f);
    struct scenario *s = &f.plan->scenarios[0];
    struct phase *both = ARENA_ARRAY(&f.plan->arena, struct phase, 2);
    both[0] = both[1] = s->phases[0];
    both[0].name = "calm";
    both[0].steps = ARENA_ARRAY(&f.plan->arena, struct step, 2);
    both[0].step_count = 2;
    both[0].steps[0] = step_make(f.plan, STEP_EXPECT, "success", "client -> payments", s->source,
                                 (const char *const[]){"atleast", "99.9%", NULL});
    both[0].steps[1] = step_make(f.plan, STEP_EXPECT, "retries", "client -> payments", s->source,
                                 (const char *const[]){"only", "atmost", NULL});
    s->phases = both;
    s->phase_count = 2;
    assert_true(fixture_space(&f, NULL, 0, &err));
    assert_int_equal(f.space.expect_count, 2); /* retries of both, success of the storm */
    assert_string_equal(f.space.expects[0].word, "retries");
    assert_null(
        json_object_get(f.space.expects[0].keys, "only")); /* the storm asks for all parts */
    assert_string_equal(json_string_value(json_object_get(f.space.expects[1].keys, "atleast")),
                        "99%");
    assert_true(space_is_wish(&f.space, "success", "client -> payments"));
    assert_false(space_is_wish(&f.space, "retries", "client -> payments"));
    fixture_release(&f);
}

/* A guard on our own load must have held before a fault is armed. */
static void guards_get_their_calm(void **unused)
{
    struct fixture f;
    struct error err = {0};
    struct schedule s = two_faults();
    struct guard_plan guard = {.kind = GUARD_STOP, .above = "25%", .over_ns = 10 * S};
    (void)unused;
    fixture_init(&f);
    guard.own = (struct probe_plan){
        .kind = PROBE_CLIENT, .value = "errors", .every_ns = 5 * S, .timeout_ns = 2 * S};
    assert_true(place_parse("client -> payments", &f.plan->arena, &guard.own.on, NULL));
    fixture_guard(&f, &guard);
    assert_true(fixture_space(&f, NULL, 0, &err));
    struct plan *p = space_trial(&f.space, &s, "trial 1", (struct space_asked){0});
    const struct scenario *t = &p->scenarios[0];
    assert_int_equal(t->phase_count, 2);
    assert_string_equal(t->phases[0].name, "calm");
    assert_int_equal(t->phases[0].lasting_ns, 17 * S);
    assert_int_equal(t->phases[0].step_count, 0);
    assert_int_equal(t->phases[1].step_count, 4);
    plan_free(p);
    fixture_release(&f);
}

/* One mesh of several is walked as the only one, and saved as a scenario of its own name. */
static void an_arm_is_walked_by_itself(void **unused)
{
    struct fixture f;
    struct error err = {0};
    struct schedule s = two_faults();
    struct text suite;
    (void)unused;
    fixture_init(&f);
    f.plan->scenarios[0].arm = "linkerd";
    f.plan->scenarios[0].arms_of = "tails";
    assert_true(fixture_space(&f, NULL, 0, &err));
    struct plan *p = space_trial(&f.space, &s, "found", (struct space_asked){0});
    assert_null(p->scenarios[0].arm);
    assert_null(p->scenarios[0].arms_of);
    text_init(&suite, 1 << 16);
    plan_print_suite(p, &suite);
    assert_non_null(strstr(text_get(&suite), "scenario \"found\" {"));
    assert_non_null(strstr(text_get(&suite), "mesh = mesh.istio {"));
    text_release(&suite);
    plan_free(p);
    fixture_release(&f);
}

static void nothing_that_faults_could_break(void **unused)
{
    struct fixture f;
    struct error err = {0};
    (void)unused;
    fixture_init(&f);
    f.plan->scenarios[0].phases[0].step_count = 1;
    assert_false(fixture_space(&f, NULL, 0, &err));
    assert_non_null(strstr(err.text, "asks for nothing that faults could break"));
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_has_the_faults_and_the_claims),
        cmocka_unit_test(wishes_of_a_calm_phase_are_left_out),
        cmocka_unit_test(guards_get_their_calm),
        cmocka_unit_test(an_arm_is_walked_by_itself),
        cmocka_unit_test(nothing_that_faults_could_break),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
