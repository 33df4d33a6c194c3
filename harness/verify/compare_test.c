/* Two runs side by side, on journals written by hand: what is worse, what is not, and what cannot
 * be told. */

#include "verify/compare.h"
#include "verify/whole_fixture_test.h"

#define SECONDS 16

/* A run of one phase, 100 requests a second; each takes ${took_us} and a little, in ${tries}
 * tries; every ${bad}th fails (0: none). */
struct shape {
    uint64_t took_us, tries, bad, seconds;
    const char *phase, *host;
    bool faulty;
};
static const struct shape usual = {5000, 1, 0, SECONDS, "calm", "ci-7", false};

static void build(struct whole *w, struct shape o)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, o.phase, 0, o.seconds * S);
    whole_step(w, phase, STEP_EXPECT, "success", "client -> payments",
               (const char *const[]){"atleast", "90%", NULL});
    if (o.faulty)
        whole_step(w, phase, STEP_FAULT, "abort", "payments/2",
                   (const char *const[]){"status", "503", NULL});
    for (uint64_t i = 0; i < o.seconds * 100; i++) {
        uint64_t at = i * 10 * MS, took = o.took_us + i % 7 * 50;
        bool bad = o.bad != 0 && i % o.bad == 0;
        uint64_t id =
            whole_request(w, at, at + took, (struct request_record){.status = bad ? 503 : 200});
        for (uint64_t k = 1; k <= o.tries; k++)
            whole_try(w, id, at + 100 * k, at + 100 * k + 50,
                      (struct attempt_record){.k = (uint16_t)k,
                                              .status = k < o.tries || bad ? 503 : 200});
    }
    w->j->run = json_pack("{s:s, s:s}", "run", "51d07e11", "host", o.host);
}

static struct comparison compare_built(struct whole *a, struct whole *b,
                                       const struct compare_options *options)
{
    struct comparison c;
    struct error err = {0};
    whole_judge(a);
    whole_judge(b);
    struct compare_side before = {a->j, a->judgement}, after = {b->j, b->judgement};
    if (!compare_runs(&before, &after, options, &c, &err))
        fail_msg("%s", err.text);
    return c;
}

static struct comparison compare(struct whole *a, struct shape x, struct whole *b, struct shape y)
{
    static const struct compare_options all = {0};
    build(a, x);
    build(b, y);
    return compare_built(a, b, &all);
}

static void close_all(struct comparison *c, struct whole *a, struct whole *b)
{
    comparison_release(c);
    whole_close(a);
    whole_close(b);
}

static const struct compared_number *number(const struct comparison *c, double quantile,
                                            const char *phase)
{
    for (size_t i = 0; i < c->number_count; i++) {
        const struct compared_number *n = &c->numbers[i];
        bool same =
            n->phase == NULL || phase == NULL ? n->phase == phase : strcmp(n->phase, phase) == 0;
        if (same && n->quantile == quantile)
            return n;
    }
    fail_msg("there is no such number");
    return NULL;
}

static bool says(const struct comparison *c, const char *words, bool open)
{
    for (size_t i = 0; i < c->said_count; i++)
        if (strstr(c->said[i].text, words) != NULL && c->said[i].open == open)
            return true;
    return false;
}

static void a_run_is_no_worse_than_itself(void **state)
{
    struct whole a, b;
    (void)state;
    struct comparison c = compare(&a, usual, &b, usual);
    assert_int_equal(comparison_outcome(&c), VERDICT_PASS);
    assert_int_equal(c.claim_count, 1);
    assert_int_equal(c.claims[0].state, COMPARE_SAME);
    assert_int_equal(number(&c, 0, "calm")->state, COMPARE_SAME);
    assert_int_equal(number(&c, 0.5, "calm")->state, COMPARE_SAME);
    assert_int_equal(number(&c, 0.95, "calm")->state, COMPARE_SAME);
    const struct compared_number *n = number(&c, 0.5, "calm");
    assert_true(n->low <= 1 && n->high >= 1 && n->low > 0.9 && n->high < 1.1);
    assert_int_equal(n->n_before, SECONDS * 100);
    assert_int_equal(c.said_count, 0);
    close_all(&c, &a, &b);
}

static void what_was_right_and_is_wrong_now_is_worse(void **state)
{
    struct whole a, b;
    (void)state;
    struct shape broken = usual;
    broken.bad = 5;
    struct comparison c = compare(&a, usual, &b, broken);
    assert_int_equal(c.claims[0].state, COMPARE_WORSE);
    assert_int_equal(comparison_outcome(&c), VERDICT_FAIL);
    assert_int_equal(c.pass[0], 1);
    assert_int_equal(c.fail[1], 1);
    close_all(&c, &a, &b);
    c = compare(&a, broken, &b, usual);
    assert_int_equal(c.claims[0].state, COMPARE_BETTER);
    assert_int_equal(comparison_outcome(&c), VERDICT_PASS);
    close_all(&c, &a, &b);
    c = compare(&a, broken, &b, broken);
    assert_int_equal(c.claims[0].state, COMPARE_SAME);
    close_all(&c, &a, &b);
}

/* It may have been wrong before, too. */
static void what_was_undecided_is_no_baseline(void **state)
{
    struct whole a, b;
    (void)state;
    struct shape broken = usual;
    broken.bad = 5;
    build(&a, usual);
    build(&b, broken);
    a.s->phases[0].steps[0] = step_make(
        a.plan, STEP_EXPECT, "success", "client -> payments", (struct source){"whole.lua", 9, 0},
        (const char *const[]){"atleast", "99.99%", NULL}); /* needs 30 000 */
    struct comparison c = compare_built(&a, &b, &(struct compare_options){0});
    assert_int_equal(c.claims[0].before->verdict.kind, VERDICT_INCONCLUSIVE);
    assert_int_equal(c.claims[0].after->verdict.kind, VERDICT_FAIL);
    assert_int_equal(c.claims[0].state, COMPARE_OPEN);
    assert_int_equal(comparison_outcome(&c), VERDICT_INCONCLUSIVE);
    close_all(&c, &a, &b);
}

static void twice_the_tries_are_worse(void **state)
{
    struct whole a, b;
    (void)state;
    struct shape doubled = usual;
    doubled.tries = 2;
    struct comparison c = compare(&a, usual, &b, doubled);
    const struct compared_number *n = number(&c, 0, "calm");
    assert_int_equal(n->state, COMPARE_WORSE);
    assert_true(n->after - n->before == 1 && n->low > 0.9 && n->high < 1.1);
    n = number(&c, 0, NULL);
    assert_true(n->after == 2);
    assert_int_equal(comparison_outcome(&c), VERDICT_FAIL);
    close_all(&c, &a, &b);
    c = compare(&a, doubled, &b, usual);
    assert_int_equal(comparison_outcome(&c), VERDICT_PASS);
    close_all(&c, &a, &b);
}

/* A third of the requests takes three tries, in the second run ${more} of 100. Of what is spread
 * too widely for so few requests nothing is said. */
static void tries_are(uint64_t requests, uint64_t more, enum compare_state state,
                      enum verdict_kind outcome)
{
    struct whole w[2];
    for (size_t i = 0; i < 2; i++) {
        struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
        whole_open(&w[i], &edge, "http1");
        whole_phase(&w[i], "calm", 0, 60 * S);
        for (uint64_t k = 0; k < requests; k++) {
            uint64_t at = k * 3 * MS, tries = k % 100 < (i == 0 ? 33 : more) ? 3 : 1;
            uint64_t id = whole_request(&w[i], at, at + 2 * MS, (struct request_record){0});
            for (uint64_t t = 1; t <= tries; t++)
                whole_try(
                    &w[i], id, at + 100 * t, at + 100 * t + 50,
                    (struct attempt_record){.k = (uint16_t)t, .status = t < tries ? 503 : 200});
        }
    }
    struct comparison c = compare_built(&w[0], &w[1], &(struct compare_options){0});
    assert_int_equal(number(&c, 0, "calm")->state, state);
    assert_int_equal(comparison_outcome(&c), outcome);
    close_all(&c, &w[0], &w[1]);
}

static void a_difference_that_chance_allows_is_not_told(void **state)
{
    (void)state;
    tries_are(500, 43, COMPARE_SHOWN, VERDICT_PASS);
    tries_are(20000, 43, COMPARE_SAME, VERDICT_PASS);         /* x1.12 */
    tries_are(20000, 54, COMPARE_OPEN, VERDICT_INCONCLUSIVE); /* x1.25 */
    tries_are(20000, 70, COMPARE_WORSE, VERDICT_FAIL);        /* x1.45 */
}

static void twice_the_latency_is_worse_on_the_same_host_alone(void **state)
{
    struct whole a, b;
    (void)state;
    struct shape slow = usual;
    slow.took_us = 11000;
    struct comparison c = compare(&a, usual, &b, slow);
    assert_int_equal(number(&c, 0.5, "calm")->state, COMPARE_WORSE);
    assert_true(number(&c, 0.5, "calm")->low > 1.9);
    assert_int_equal(comparison_outcome(&c), VERDICT_FAIL);
    close_all(&c, &a, &b);
    slow.host = "ci-9";
    c = compare(&a, usual, &b, slow);
    assert_int_equal(number(&c, 0.5, "calm")->state, COMPARE_SHOWN);
    assert_true(says(&c, "different hosts: ci-7, ci-9", false));
    assert_int_equal(comparison_outcome(&c), VERDICT_PASS);
    close_all(&c, &a, &b);
}

/* Twice as long, but by less than 2 ms. */
static void a_small_difference_of_latency_is_none(void **state)
{
    struct whole a, b;
    (void)state;
    struct shape quick = usual, twice = usual;
    quick.took_us = 700;
    twice.took_us = 1400;
    struct comparison c = compare(&a, quick, &b, twice);
    assert_int_equal(number(&c, 0.5, "calm")->state, COMPARE_SAME);
    assert_true(number(&c, 0.5, "calm")->low > 1.25);
    close_all(&c, &a, &b);
}

static void latency_under_a_fault_or_in_a_short_phase_decides_nothing(void **state)
{
    struct whole a, b;
    (void)state;
    struct shape x = usual, y = usual;
    x.faulty = y.faulty = true;
    y.took_us = 11000;
    struct comparison c = compare(&a, x, &b, y);
    assert_int_equal(number(&c, 0.5, "calm")->state, COMPARE_SHOWN);
    assert_string_equal(number(&c, 0.5, "calm")->why, "a fault was on");
    assert_int_equal(comparison_outcome(&c), VERDICT_PASS);
    close_all(&c, &a, &b);
    x.faulty = y.faulty = false;
    x.seconds = y.seconds = 5;
    c = compare(&a, x, &b, y);
    assert_int_equal(number(&c, 0.5, "calm")->state, COMPARE_SHOWN);
    assert_true(number(&c, 0.5, "calm")->low > 1.9);
    close_all(&c, &a, &b);
}

static void a_quantile_needs_its_requests(void **state)
{
    struct whole a, b;
    (void)state;
    struct comparison c = compare(&a, usual, &b, usual);
    const struct compared_number *n = number(&c, 0.999, "calm");
    assert_false(n->told);
    assert_int_equal(n->state, COMPARE_SHOWN);
    assert_true(n->needed > 10000 && n->needed < 20000);
    close_all(&c, &a, &b);
    build(&a, usual);
    build(&b, usual);
    c = compare_built(&a, &b, &(struct compare_options){.quantile = 0.999});
    assert_int_equal(number(&c, 0.999, "calm")->state, COMPARE_OPEN);
    assert_int_equal(comparison_outcome(&c), VERDICT_INCONCLUSIVE);
    assert_int_equal(c.number_count, 3); /* tries over all, tries, and the one quantile */
    close_all(&c, &a, &b);
}

static void runs_that_do_not_fit_are_not_compared(void **state)
{
    struct whole a, b;
    (void)state;
    struct shape other = usual;
    other.phase = "storm";
    struct comparison c = compare(&a, usual, &b, other);
    assert_true(says(&c, "phase \"calm\": the second run has none", true));
    assert_int_equal(comparison_outcome(&c), VERDICT_INCONCLUSIVE);
    close_all(&c, &a, &b);
    other = usual;
    other.faulty = true;
    c = compare(&a, usual, &b, other);
    assert_true(says(&c, "phase \"calm\": another load, or other faults", true));
    close_all(&c, &a, &b);
    build(&a, usual);
    build(&b, usual);
    b.s->name = "another";
    c = compare_built(&a, &b, &(struct compare_options){0});
    assert_true(says(&c, "no scenario in common", true));
    assert_int_equal(comparison_outcome(&c), VERDICT_INCONCLUSIVE);
    close_all(&c, &a, &b);
    build(&a, usual);
    build(&b, usual);
    b.j->end_how = NULL;
    c = compare_built(&a, &b, &(struct compare_options){0});
    assert_true(says(&c, "it did not end", true));
    assert_int_equal(comparison_outcome(&c), VERDICT_INCONCLUSIVE);
    close_all(&c, &a, &b);
}

/* Which endpoint was drawn, and where a line stands, is no other plan and no other policy. */
static void what_the_seed_drew_is_no_difference(void **state)
{
    struct whole a, b;
    (void)state;
    struct shape faulty = usual;
    faulty.faulty = true;
    build(&a, faulty);
    build(&b, faulty);
    b.s->phases[0].steps[1] =
        step_make(b.plan, STEP_FAULT, "abort", "payments/3", (struct source){"whole.lua", 77, 0},
                  (const char *const[]){"status", "503", NULL});
    whole_step(&a, &a.s->phases[0], STEP_AWAIT, "readmitted", "payments/2",
               (const char *const[]){"within", "5s", NULL});
    whole_step(&b, &b.s->phases[0], STEP_AWAIT, "readmitted", "payments/3",
               (const char *const[]){"within", "5s", NULL});
    b.edge.retry.attempts.source.line = 99;
    struct comparison c = compare_built(&a, &b, &(struct compare_options){0});
    assert_true(c.same_policy);
    assert_int_equal(c.said_count, 0);
    assert_int_equal(c.claim_count, 2);
    assert_non_null(c.claims[1].before);
    assert_non_null(c.claims[1].after);
    close_all(&c, &a, &b);
}

static void another_policy_is_said_and_excuses_what_it_does_not_ask(void **state)
{
    struct whole a, b;
    (void)state;
    build(&a, usual);
    build(&b, usual);
    b.edge.retry.attempts.number = 3;
    b.s->phases[0].step_count = 0;
    struct comparison c = compare_built(&a, &b, &(struct compare_options){0});
    assert_true(says(&c, "client -> payments is under another policy", false));
    assert_int_equal(c.claims[0].state, COMPARE_SHOWN);
    assert_int_equal(comparison_outcome(&c), VERDICT_PASS);
    close_all(&c, &a, &b);
    build(&a, usual);
    build(&b, usual);
    b.s->phases[0].step_count = 0;
    c = compare_built(&a, &b, &(struct compare_options){0});
    assert_int_equal(c.claims[0].state, COMPARE_OPEN);
    close_all(&c, &a, &b);
}

/* The rows grow while they are filled. */
static void each_of_many_phases_has_its_rows(void **state)
{
    struct whole w[2];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
        whole_open(&w[i], &edge, "http1");
        for (uint64_t p = 0; p < WHOLE_PHASES; p++) {
            const char *name = arena_printf(&w[i].plan->arena, "part %u", (unsigned)p);
            whole_phase(&w[i], name, p * S, (p + 1) * S);
            for (uint64_t k = 0; k < 40; k++)
                whole_good(&w[i], p * S + k * 20 * MS, 4 * MS);
        }
    }
    struct comparison c = compare_built(&w[0], &w[1], &(struct compare_options){0});
    assert_int_equal(c.number_count, 1 + WHOLE_PHASES * 6);
    for (unsigned p = 0; p < WHOLE_PHASES; p++) {
        char name[16];
        snprintf(name, sizeof(name), "part %u", p);
        assert_int_equal(number(&c, 0, name)->n_before, 40);
        assert_int_equal(number(&c, 0.999, name)->n_after, 40);
        assert_true(number(&c, 0.5, name)->told);
    }
    close_all(&c, &w[0], &w[1]);
}

static void people_read_what_is_worse(void **state)
{
    static const char *const names[2] = {"accepted 51d07e11", "last\033[2J"};
    struct whole a, b;
    struct text t;
    (void)state;
    struct shape broken = usual;
    broken.bad = 5;
    broken.tries = 2;
    struct comparison c = compare(&a, usual, &b, broken);
    text_init(&t, (size_t)1024 * 1024);
    comparison_print(&c, names, &t);
    const char *said = text_get(&t);
    if (strstr(said, "                    accepted 51d07e11   last?[2J") != said ||
        strstr(said, "claims              1 pass              0 pass 1 fail    success client -> "
                     "payments\n") == NULL ||
        strstr(said, "tries/request       1.00                2.00             +1.00   [") ==
            NULL ||
        strstr(said, "WORSE than x1.25") == NULL || strstr(said, "p99.9: at most 1600") == NULL ||
        strstr(said, "worse                   ") == NULL || strstr(said, "exit 1\n") == NULL)
        fail_msg("%s", said);
    json_t *j = comparison_to_json(&c, names);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "outcome")), "worse");
    assert_int_equal(json_array_size(json_object_get(j, "numbers")), c.number_count);
    assert_int_equal(json_array_size(json_object_get(j, "claims")), 1);
    json_decref(j);
    text_release(&t);
    close_all(&c, &a, &b);
}

static void a_quantile_has_its_name(void **state)
{
    double q = 0;
    (void)state;
    assert_true(compare_quantile_parse("p99.9", &q) && q == 0.999);
    assert_true(compare_quantile_parse("p50", &q) && q == 0.5);
    assert_false(compare_quantile_parse("p98", &q));
    assert_false(compare_quantile_parse("", &q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_no_worse_than_itself),
        cmocka_unit_test(what_was_right_and_is_wrong_now_is_worse),
        cmocka_unit_test(what_was_undecided_is_no_baseline),
        cmocka_unit_test(twice_the_tries_are_worse),
        cmocka_unit_test(a_difference_that_chance_allows_is_not_told),
        cmocka_unit_test(twice_the_latency_is_worse_on_the_same_host_alone),
        cmocka_unit_test(a_small_difference_of_latency_is_none),
        cmocka_unit_test(latency_under_a_fault_or_in_a_short_phase_decides_nothing),
        cmocka_unit_test(a_quantile_needs_its_requests),
        cmocka_unit_test(runs_that_do_not_fit_are_not_compared),
        cmocka_unit_test(what_the_seed_drew_is_no_difference),
        cmocka_unit_test(another_policy_is_said_and_excuses_what_it_does_not_ask),
        cmocka_unit_test(each_of_many_phases_has_its_rows),
        cmocka_unit_test(people_read_what_is_worse),
        cmocka_unit_test(a_quantile_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
