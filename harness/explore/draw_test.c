/* Drawn schedules: the same for the same seed, and never beyond a limit. */

#include "explore/draw.h"

#include "explore/space_fixture_test.h"

#define DRAWS 400

static void draw(const struct fixture *f, uint64_t seed, uint64_t trial, struct schedule *ret)
{
    struct error err = {0};
    if (!draw_schedule(&f->space, seed, trial, ret, &err))
        fail_msg("%s", err.text);
}

static void the_same_seed_draws_the_same(void **unused)
{
    struct fixture f;
    struct error err = {0};
    size_t differ = 0;
    (void)unused;
    fixture_init(&f);
    assert_true(fixture_space(&f, NULL, 0, &err));
    for (uint64_t i = 1; i <= DRAWS; i++) {
        struct schedule one, two, other;
        draw(&f, 7, i, &one);
        draw(&f, 7, i, &two);
        draw(&f, 8, i, &other);
        assert_true(schedule_equal(&one, &two));
        differ += !schedule_equal(&one, &other);
        assert_true(one.count >= 1 && one.count <= SPACE_FAULTS_MOST);
    }
    assert_true(differ > DRAWS * 9 / 10);
    fixture_release(&f);
}

/* All words are met, one to four faults, places all and one, windows whole and cut. */
static void draws_reach_everything(void **unused)
{
    struct fixture f;
    struct error err = {0};
    size_t counts[SPACE_FAULTS_MOST + 1] = {0}, all = 0, one = 0, whole = 0, cut = 0, met = 0;
    (void)unused;
    fixture_init(&f);
    assert_true(fixture_space(&f, NULL, 0, &err));
    bool seen[SPACE_DRAWABLES_MOST] = {0};
    for (uint64_t i = 1; i <= DRAWS; i++) {
        struct schedule s;
        draw(&f, 1, i, &s);
        counts[s.count]++;
        for (size_t k = 0; k < s.count; k++) {
            *(s.faults[k].endpoint == 0 ? &all : &one) += 1;
            *(scheduled_is_whole(&s.faults[k]) ? &whole : &cut) += 1;
            for (size_t d = 0; d < f.space.services[0].drawable_count; d++)
                seen[d] = seen[d] || f.space.services[0].drawables[d] == s.faults[k].what;
        }
    }
    for (size_t i = 1; i <= SPACE_FAULTS_MOST; i++)
        assert_true(counts[i] > DRAWS / 20);
    assert_true(all > 0 && one > 0 && whole > 0 && cut > 0);
    for (size_t d = 0; d < f.space.services[0].drawable_count; d++)
        met += seen[d];
    assert_int_equal(met, f.space.services[0].drawable_count);
    fixture_release(&f);
}

static uint64_t dial_of(const struct scheduled *f, const char *key)
{
    for (size_t i = 0; i < f->what->dial_count; i++)
        if (strcmp(f->what->dials[i].key, key) == 0)
            return f->dials[i];
    return DIAL_ABSENT;
}

static void limits_hold(void **unused)
{
    struct fixture f;
    struct error err = {0};
    (void)unused;
    fixture_init(&f);
    fixture_guard(&f, &(struct guard_plan){.kind = GUARD_LIMITS,
                                           .endpoints = "34%",
                                           .keep = 1,
                                           .share_ppm = 200000,
                                           .delay_ns = 300 * MS});
    assert_true(fixture_space(&f, (const char *const[]){"abort", "latency", "refuse"}, 3, &err));
    for (uint64_t i = 1; i <= DRAWS; i++) {
        struct schedule s;
        draw(&f, 3, i, &s);
        for (size_t k = 0; k < s.count; k++) {
            const struct scheduled *fault = &s.faults[k];
            uint64_t add = dial_of(fault, "add");
            assert_true(fault->endpoint >= 1 && fault->endpoint <= 3);
            assert_true(strcmp(fault->what->word, "refuse") != 0); /* a third of all requests */
            assert_true(add == DIAL_ABSENT || add <= 300 * MS);
            for (size_t n = 0; n < k; n++) { /* one endpoint at a time */
                const struct scheduled *o = &s.faults[n];
                bool apart = fault->from_ns >= o->to_ns || o->from_ns >= fault->to_ns;
                assert_true(apart || o->endpoint == fault->endpoint);
            }
        }
        assert_true(space_fits(&f.space, &s, &err));
    }
    fixture_release(&f);
}

static void delays_meet_the_policys_timeouts(void **unused)
{
    struct fixture f;
    struct error err = {0};
    size_t within = 0, beyond = 0;
    (void)unused;
    fixture_init(&f);
    assert_true(fixture_space(&f, (const char *const[]){"latency"}, 1, &err));
    for (uint64_t i = 1; i <= DRAWS; i++) {
        struct schedule s;
        draw(&f, 3, i, &s);
        uint64_t add = dial_of(&s.faults[0], "add");
        within += add >= 300 * MS && add < 600 * MS;
        beyond += add > 600 * MS && add <= 1200 * MS;
    }
    assert_true(within > DRAWS / 20 && beyond > DRAWS / 20);
    fixture_release(&f);
}

static void nothing_may_be_touched(void **unused)
{
    struct fixture f;
    struct error err = {0};
    (void)unused;
    fixture_init(&f);
    fixture_guard(&f, &(struct guard_plan){.kind = GUARD_LIMITS, .endpoints = "100%", .keep = 3});
    assert_false(fixture_space(&f, NULL, 0, &err));
    assert_non_null(strstr(err.text, "leave no endpoint"));
    assert_int_equal(err.source.line, 7);
    fixture_release(&f);

    err = (struct error){0};
    fixture_init(&f);
    assert_false(fixture_space(&f, (const char *const[]){"abrot"}, 1, &err));
    assert_non_null(strstr(err.text, "did you mean \"abort\""));
    fixture_release(&f);

    err = (struct error){0};
    fixture_init(&f);
    assert_false(fixture_space(&f, (const char *const[]){"goaway"}, 1, &err)); /* HTTP/1.1 */
    assert_non_null(strstr(err.text, "means anything"));
    fixture_release(&f);

    /* A refused endpoint of three faults a third of the requests. */
    err = (struct error){0};
    fixture_init(&f);
    fixture_guard(
        &f, &(struct guard_plan){.kind = GUARD_LIMITS, .endpoints = "100%", .share_ppm = 100000});
    assert_true(fixture_space(&f, (const char *const[]){"refuse"}, 1, &err));
    struct schedule s;
    assert_false(draw_schedule(&f.space, 1, 1, &s, &err));
    assert_non_null(strstr(err.text, "keeps within the limits"));
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_draws_the_same),
        cmocka_unit_test(draws_reach_everything),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(delays_meet_the_policys_timeouts),
        cmocka_unit_test(nothing_may_be_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
