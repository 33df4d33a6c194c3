/* Shrinking, by an oracle that knows what fails. */

#include "explore/shrink.h"

#include "explore/space_fixture_test.h"

struct world {
    bool (*broken)(const struct schedule *s);
    struct schedule asked[2000];
    size_t count, most;
};

static bool fails(void *cookie, const struct schedule *s)
{
    struct world *w = cookie;
    for (size_t i = 0; i < w->count; i++)
        assert_false(schedule_equal(&w->asked[i], s)); /* a lab's time is not spent twice */
    assert_true(w->count < COUNT_OF(w->asked));
    w->asked[w->count++] = *s;
    return w->broken(s);
}

static bool fits(void *cookie, const struct schedule *s)
{
    (void)cookie;
    for (size_t i = 0; i < s->count; i++) {
        assert_true(s->faults[i].from_ns < s->lasting_ns);
        assert_true(s->faults[i].from_ns < s->faults[i].to_ns);
    }
    return true;
}

static bool may_go_on(void *cookie)
{
    const struct world *w = cookie;
    return w->count < w->most;
}

static void shrink(struct world *w, struct schedule *s, struct shrink_result *ret)
{
    const struct shrink_oracle oracle = {fails, fits, may_go_on, w};
    w->most = w->most == 0 ? COUNT_OF(w->asked) : w->most;
    shrink_schedule(s, &oracle, ret);
    assert_int_equal(ret->asked, w->count);
}

static const struct drawable *drawable_of(const char *word, size_t nth)
{
    size_t count;
    const struct drawable *all = drawables(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].word, word) == 0 && nth-- == 0)
            return &all[i];
    fail_msg("no %s", word);
    return NULL;
}

static struct scheduled fault(const char *word, uint32_t endpoint, uint64_t from_ns, uint64_t to_ns)
{
    struct scheduled f = {.what = drawable_of(word, 0),
                          .service = "payments",
                          .endpoint = endpoint,
                          .from_ns = from_ns,
                          .to_ns = to_ns};
    for (size_t i = 0; i < f.what->dial_count; i++)
        f.dials[i] = f.what->dials[i].kind == DIAL_CHOICE ? 0 : f.what->dials[i].most;
    return f;
}

static struct schedule noisy(void)
{
    struct schedule s = {.lasting_ns = 12 * S, .count = 5};
    s.faults[0] = fault("latency", 1, 0, UINT64_MAX);
    s.faults[1] = fault("abort", 0, 3 * S, 9 * S);
    s.faults[1].dials[0] = 6; /* 400 */
    s.faults[2] = fault("malformed", 3, S, 2 * S);
    s.faults[3] = fault("reset", 2, 0, UINT64_MAX);
    s.faults[4] = fault("blackhole", 2, 5 * S, UINT64_MAX);
    return s;
}

static bool has(const struct schedule *s, const char *word)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->faults[i].what->word, word) == 0)
            return true;
    return false;
}

static bool any_400(const struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->faults[i].what->word, "abort") == 0 && s->faults[i].dials[0] == 6)
            return true;
    return false;
}

static void one_fault_is_left(void **unused)
{
    struct world *w = check_alloc_zero(1, sizeof(*w));
    struct schedule s = noisy();
    struct shrink_result r;
    (void)unused;
    w->broken = any_400;
    shrink(w, &s, &r);
    assert_true(r.minimal);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.faults[0].what->word, "abort");
    assert_true(scheduled_is_whole(&s.faults[0]));
    assert_int_equal(s.faults[0].endpoint, 1);
    assert_int_equal(s.faults[0].dials[0], 6); /* what it takes stays */
    for (size_t i = 1; i < s.faults[0].what->dial_count; i++)
        assert_true(s.faults[0].dials[i] == DIAL_ABSENT);
    assert_true(s.lasting_ns >= S && s.lasting_ns <= 1200 * MS);
    assert_true(r.asked < 40);
    free(w);
}

static bool two_of_them(const struct schedule *s)
{
    return has(s, "latency") && has(s, "blackhole");
}

static void what_needs_two_keeps_two(void **unused)
{
    struct world *w = check_alloc_zero(1, sizeof(*w));
    struct schedule s = noisy();
    struct shrink_result r;
    (void)unused;
    w->broken = two_of_them;
    shrink(w, &s, &r);
    assert_true(r.minimal);
    assert_int_equal(s.count, 2);
    assert_true(two_of_them(&s));
    assert_int_equal(s.faults[0].dials[0], MS);
    free(w);
}

/* Needs a window that ends before the phase does, 1.5 s of it at least, and 250 ms of delay. */
static bool a_window(const struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct scheduled *f = &s->faults[i];
        if (strcmp(f->what->word, "latency") == 0 && f->to_ns != UINT64_MAX &&
            f->to_ns - f->from_ns >= 1500 * MS && f->dials[0] >= 250 * MS &&
            s->lasting_ns >= f->to_ns + 2 * S)
            return true;
    }
    return false;
}

static void windows_and_numbers_go_down_to_what_is_needed(void **unused)
{
    struct world *w = check_alloc_zero(1, sizeof(*w));
    struct schedule s = {.lasting_ns = 20 * S, .count = 2};
    struct shrink_result r;
    (void)unused;
    s.faults[0] = fault("latency", 2, 2 * S, 11 * S);
    s.faults[1] = fault("abort", 0, 4 * S, 6 * S);
    w->broken = a_window;
    assert_true(a_window(&s));
    shrink(w, &s, &r);
    assert_true(a_window(&s));
    assert_int_equal(s.count, 1);
    uint64_t span_ns = s.faults[0].to_ns - s.faults[0].from_ns;
    assert_true(span_ns <= 1800 * MS);
    assert_true(s.lasting_ns <= s.faults[0].to_ns + 3 * S);
    assert_true(s.faults[0].dials[0] <= 500 * MS); /* a minute before */
    free(w);
}

/* Time is up: the smallest so far, and no claim that it is minimal. */
static void time_is_up(void **unused)
{
    struct world *w = check_alloc_zero(1, sizeof(*w));
    struct schedule s = noisy();
    struct shrink_result r;
    (void)unused;
    w->broken = any_400;
    w->most = 2;
    shrink(w, &s, &r);
    assert_false(r.minimal);
    assert_int_equal(r.asked, 2);
    assert_true(any_400(&s) && s.count < 5);
    free(w);
}

static bool only_itself(const struct schedule *s)
{
    struct schedule whole = noisy();
    return schedule_equal(s, &whole);
}

static void what_cannot_shrink_stays(void **unused)
{
    struct world *w = check_alloc_zero(1, sizeof(*w));
    struct schedule s = noisy(), before = noisy();
    struct shrink_result r;
    (void)unused;
    w->broken = only_itself;
    shrink(w, &s, &r);
    assert_true(r.minimal);
    assert_true(schedule_equal(&s, &before));
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_fault_is_left),
        cmocka_unit_test(what_needs_two_keeps_two),
        cmocka_unit_test(windows_and_numbers_go_down_to_what_is_needed),
        cmocka_unit_test(time_is_up),
        cmocka_unit_test(what_cannot_shrink_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
