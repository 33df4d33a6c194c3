/* The search, in virtual time, by an oracle that knows what fails. */

#include "explore/search.h"

#include "explore/space_fixture_test.h"

#define WALK_NS S /* what a trial costs beyond its phase */

struct world {
    struct fixture f;
    bool (*broken)(const struct schedule *s);
    uint64_t now_ns;
    uint64_t order; /* a digest of the drawn schedules */
    size_t trials, replays, looks;
    uint64_t seeds[4000];
    size_t seed_count;
    /* How this world misbehaves. */
    uint32_t flaky; /* every so manieth failure is not seen; 0: none */
    bool undecided, right_fails, doubted, unwalkable, hides_at_last;
    size_t stop_at;         /* the so manieth run; 0: never */
    size_t kept[EVIDENCES]; /* numbers of runs */
    size_t runs, failures;
};

static void judge(void *cookie, const struct trial *t, struct trial_result *ret)
{
    struct world *w = cookie;
    w->runs++;
    w->now_ns += t->schedule->lasting_ns + WALK_NS;
    w->trials += t->stage == TRIAL_DRAWN;
    w->replays += t->stage == TRIAL_REPLAY;
    w->looks += t->beside_right;
    assert_true((t->claim == NULL) == (t->stage == TRIAL_DRAWN));
    for (size_t i = 0; i < w->seed_count; i++)
        assert_true(w->seeds[i] != t->seed);
    if (w->seed_count < COUNT_OF(w->seeds))
        w->seeds[w->seed_count++] = t->seed;
    if (t->stage == TRIAL_DRAWN)
        w->order = w->order * 31 + t->seed + t->schedule->count;
    ret->end = TRIAL_PASS;
    if (w->stop_at != 0 && w->runs == w->stop_at)
        ret->end = TRIAL_STOPPED;
    else if (w->unwalkable)
        ret->end = TRIAL_BROKEN;
    else if (w->hides_at_last && t->stage == TRIAL_LAST)
        ret->end = TRIAL_INCONCLUSIVE;
    else if (w->broken(t->schedule) && (w->flaky == 0 || ++w->failures % w->flaky != 0))
        ret->end = TRIAL_FAIL;
    else if (w->undecided)
        ret->end = TRIAL_INCONCLUSIVE;
    if (ret->end != TRIAL_FAIL)
        return;
    snprintf(ret->claim, sizeof(ret->claim), "retry.max");
    snprintf(ret->word, sizeof(ret->word), "retries");
    snprintf(ret->on, sizeof(ret->on), "client -> payments");
    ret->right_fails = t->beside_right && w->right_fails;
    ret->doubted = t->beside_right && w->doubted;
    w->kept[EVIDENCE_NEWEST] = w->runs;
}

static void keep(void *cookie, enum search_evidence from, enum search_evidence to)
{
    struct world *w = cookie;
    w->kept[to] = w->kept[from];
    w->kept[from] = 0;
}

static uint64_t now_ns(void *cookie)
{
    const struct world *w = cookie;
    return w->now_ns;
}

static struct world *world_new(bool (*broken)(const struct schedule *s))
{
    struct world *w = check_alloc_zero(1, sizeof(*w));
    struct error err = {0};
    fixture_init(&w->f);
    assert_true(fixture_space(&w->f, NULL, 0, &err));
    w->broken = broken;
    return w;
}

static void world_free(struct world *w)
{
    fixture_release(&w->f);
    free(w);
}

static void search(struct world *w, struct search_result *ret)
{
    const struct search_options options = {
        .seed = 11, .budget_ns = 600 * S, .shrink_ns = 1200 * S, .replays = 3};
    const struct search_oracle oracle = {judge, keep, now_ns, w};
    struct error err = {0};
    assert_true(search_run(&w->f.space, 1, &options, &oracle, ret, &err));
}

static bool nothing(const struct schedule *s)
{
    (void)s;
    return false;
}

static bool a_400(const struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->faults[i].what->word, "abort") == 0 && s->faults[i].dials[0] == 6)
            return true;
    return false;
}

static void a_failure_is_found_and_made_small(void **unused)
{
    struct world *w = world_new(a_400);
    struct search_result r;
    (void)unused;
    search(w, &r);
    assert_int_equal(r.end, SEARCH_FOUND);
    assert_true(r.minimal && r.last_failed && !r.stopped);
    assert_true(a_400(&r.drawn));
    assert_int_equal(r.smallest.count, 1);
    assert_string_equal(r.failed.claim, "retry.max");
    assert_int_equal(r.number, w->trials);
    assert_true(w->kept[EVIDENCE_DRAWN] != 0 && w->kept[EVIDENCE_SMALLEST] == w->runs);
    assert_int_equal(w->looks, 2); /* a right mesh stood beside the first replay, and the last */
    world_free(w);
}

static void the_budget_ends_it(void **unused)
{
    struct world *w = world_new(nothing);
    struct search_result r;
    (void)unused;
    search(w, &r);
    assert_int_equal(r.end, SEARCH_NOTHING);
    assert_int_equal(r.trials, w->trials);
    assert_int_equal(r.decided, r.trials);
    assert_true(w->now_ns <= 600 * S && w->now_ns > 580 * S);
    world_free(w);
}

/* The same seed, the same trials, whatever they take. */
static void the_seed_gives_the_order(void **unused)
{
    struct world *one = world_new(nothing), *two = world_new(nothing);
    struct search_result r;
    (void)unused;
    search(one, &r);
    search(two, &r);
    assert_true(one->order == two->order);
    world_free(one);
    world_free(two);
}

static void undecided_is_no_failure(void **unused)
{
    struct world *w = world_new(nothing);
    struct search_result r;
    (void)unused;
    w->undecided = true;
    search(w, &r);
    assert_int_equal(r.end, SEARCH_NOTHING);
    assert_int_equal(r.decided, 0);
    world_free(w);
}

/* Two of three are not three of three: it is told as seen once, and not made smaller. */
static void what_fails_now_and_then_is_not_accepted(void **unused)
{
    struct world *w = world_new(a_400);
    struct search_result r;
    (void)unused;
    w->flaky = 3;
    search(w, &r);
    assert_int_equal(r.end, SEARCH_ONCE);
    assert_true(schedule_equal(&r.drawn, &r.smallest));
    assert_int_equal(r.tried, 0);
    assert_true(w->kept[EVIDENCE_DRAWN] != 0 && w->kept[EVIDENCE_SMALLEST] == 0);
    assert_true(w->trials > 50); /* it went on looking */
    world_free(w);
}

/* What was made so small that it shows only now and then is not handed over: the drawn one is. */
static void what_the_last_look_does_not_show_stays_as_drawn(void **unused)
{
    struct world *w = world_new(a_400);
    struct search_result r;
    (void)unused;
    w->hides_at_last = true;
    search(w, &r);
    assert_int_equal(r.end, SEARCH_FOUND);
    assert_true(r.tried > 0 && !r.last_failed && !r.minimal && !r.stopped);
    assert_true(schedule_equal(&r.drawn, &r.smallest));
    assert_true(w->kept[EVIDENCE_DRAWN] != 0 && w->kept[EVIDENCE_SMALLEST] == 0);
    world_free(w);
}

/* A right mesh fails it too: the judge is in doubt, not the mesh. */
static void what_a_right_mesh_shows_too_is_not_found(void **unused)
{
    struct world *w = world_new(a_400);
    struct search_result r;
    (void)unused;
    w->doubted = w->right_fails = true;
    search(w, &r);
    assert_int_equal(r.end, SEARCH_NOTHING);
    assert_true(r.doubted > 0);
    assert_int_equal(w->looks, r.doubted);
    world_free(w);
}

static void a_wish_that_no_mesh_keeps_is_found(void **unused)
{
    struct world *w = world_new(a_400);
    struct search_result r;
    (void)unused;
    w->right_fails = true;
    search(w, &r);
    assert_int_equal(r.end, SEARCH_FOUND);
    assert_true(r.failed.right_fails && !r.failed.doubted);
    world_free(w);
}

static void three_that_cannot_be_walked_end_it(void **unused)
{
    struct world *w = world_new(a_400);
    struct search_result r;
    (void)unused;
    w->unwalkable = true;
    search(w, &r);
    assert_int_equal(r.end, SEARCH_BROKEN);
    assert_int_equal(w->runs, SEARCH_BROKEN_MOST);
    world_free(w);
}

static void stopping_keeps_what_was_found(void **unused)
{
    struct world *w = world_new(a_400), *stopped;
    struct search_result r, whole;
    (void)unused;
    search(w, &whole);
    stopped = world_new(a_400);
    stopped->stop_at = whole.number + 5; /* three replays, and while it is made smaller */
    search(stopped, &r);
    assert_int_equal(r.end, SEARCH_FOUND);
    assert_true(r.stopped && !r.minimal && !r.last_failed);
    assert_true(a_400(&r.smallest) && r.smallest.count <= whole.drawn.count);
    assert_int_equal(stopped->runs, stopped->stop_at); /* and nothing was begun afterwards */
    world_free(stopped);

    stopped = world_new(a_400);
    stopped->stop_at = 2;
    search(stopped, &r);
    assert_int_equal(r.end, SEARCH_STOPPED);
    assert_int_equal(stopped->runs, 2);
    world_free(stopped);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_found_and_made_small),
        cmocka_unit_test(the_budget_ends_it),
        cmocka_unit_test(the_seed_gives_the_order),
        cmocka_unit_test(undecided_is_no_failure),
        cmocka_unit_test(what_fails_now_and_then_is_not_accepted),
        cmocka_unit_test(what_the_last_look_does_not_show_stays_as_drawn),
        cmocka_unit_test(what_a_right_mesh_shows_too_is_not_found),
        cmocka_unit_test(a_wish_that_no_mesh_keeps_is_found),
        cmocka_unit_test(three_that_cannot_be_walked_end_it),
        cmocka_unit_test(stopping_keeps_what_was_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
