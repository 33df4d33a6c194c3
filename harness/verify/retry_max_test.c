/* retry.max: when its bound was stressed, and of whom it speaks. */

#include "verify/hearing_fixture_test.h"

/* Only tags that begin with ${prefix} are sent. */
static void send_only(struct sim *s, const char *prefix)
{
    for (uint32_t p = 0; p < s->s->phase_count; p++)
        for (size_t l = 0; l < s->s->phases[p].load_count; l++) {
            struct load_plan *load = &s->s->phases[p].loads[l];
            for (size_t i = 0; i < load->tagged_count; i++)
                if (strncmp(load->tagged[i].tag, prefix, strlen(prefix)) != 0)
                    load->tagged[i].count = 0;
        }
}

static void open_with_one_retry(struct sim *s, uint64_t seed)
{
    struct edge_policy edge = sim_policy();
    edge.retry.attempts.number = 1;
    sim_open(s, &edge, DEPTH_QUICK, seed);
}

/* All tries that the policy allows were made, but the last one was good: a mesh that would go on
 * had no reason to. */
static void a_last_try_that_is_good_does_not_stress_the_bound(void **state)
{
    struct sim s;
    (void)state;
    open_with_one_retry(&s, 1);
    send_only(&s, "f1:5");
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "requests whose every try failed");
    judgement_free(g);
    sim_close(&s);
}

static void every_try_that_failed_stresses_it(void **state)
{
    struct sim s;
    (void)state;
    open_with_one_retry(&s, 2);
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_PASS, WHY_NONE, "0..1 of at most 1");
    judgement_free(g);
    sim_close(&s);
}

static void one_try_more_is_a_witness_but_not_in_the_warm_up(void **state)
{
    struct sim s;
    (void)state;
    open_with_one_retry(&s, 3);
    s.mesh.retries++;
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_FAIL, WHY_NONE, "2 retries");
    const struct judged *d = sim_verdict(g, "retry.max");
    assert_true(d->verdict.wrong >= 10 && d->verdict.witness_lo != 0);
    judgement_free(g);
    for (size_t i = 0; i < s.j->request_count; i++)
        s.j->requests[i].r.flags |= REQUEST_WARMUP;
    g = judged(&s);
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    judgement_free(g);
    sim_close(&s);
}

/* n_mesh counts tries that we did not see: a lower bound of what was made. */
static void tries_that_only_the_mesh_counts_are_made_too(void **state)
{
    struct sim s;
    (void)state;
    open_with_one_retry(&s, 4);
    sim_run(&s);
    for (size_t i = 0; i < s.j->attempt_count; i++)
        if (s.j->attempts[i].r.n_mesh == 2) {
            s.j->attempts[i].r.n_mesh = 3;
            break;
        }
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_FAIL, WHY_NONE, "2 retries");
    judgement_free(g);
    sim_close(&s);
}

/* One retry is right by the policy, and one more than the suite wishes for. */
static void a_stricter_wish_is_marked(void **state)
{
    (void)state;
    for (int wish = 0; wish <= 2; wish++) {
        struct sim s;
        open_with_one_retry(&s, 6);
        for (uint32_t p = 0; p < s.s->phase_count; p++)
            for (size_t i = 0; i < s.s->phases[p].step_count; i++) {
                struct step *step = &s.s->phases[p].steps[i];
                if (step->kind == STEP_EXPECT && strcmp(step->word, "retries") == 0 && wish < 2)
                    step_set_json(s.plan, step, "atmost", json_integer(wish));
            }
        json_decref(s.j->plan);
        s.j->plan = plan_to_json(s.plan);
        sim_run(&s);
        struct judgement *g = judged(&s);
        const struct verdict *v = &sim_verdict(g, "retry.max")->verdict;
        if (wish == 0) {
            is(g, "retry.max", VERDICT_FAIL, WHY_NONE, "1 retries on ");
            assert_non_null(strstr(v->text, "; wish"));
            assert_string_equal(v->policy, "at most 1 retry; wish: at most 0");
        } else {
            is(g, "retry.max", VERDICT_PASS, WHY_NONE, "0..1 of at most 1; ");
            assert_null(strstr(v->text, "wish"));
            assert_string_equal(v->policy, "at most 1 retry");
        }
        judgement_free(g);
        sim_close(&s);
    }
}

/* ${tag} alone is sent, ${count} times. */
static void send_so_many(struct sim *s, const char *tag, uint32_t count)
{
    send_only(s, tag);
    for (uint32_t p = 0; p < s->s->phase_count; p++)
        for (size_t l = 0; l < s->s->phases[p].load_count; l++) {
            struct load_plan *load = &s->s->phases[p].loads[l];
            for (size_t i = 0; i < load->tagged_count; i++)
                if (load->tagged[i].count > 0)
                    load->tagged[i].count = count;
        }
}

/* Seven of ten in the phase, and seven in its repetition: together enough, where nothing is lost.
 */
static void what_two_looks_have_seen_is_added(void **state)
{
    struct sim s;
    (void)state;
    open_with_one_retry(&s, 5);
    send_so_many(&s, "all:503", 7);
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 7 of 10");
    judgement_free(g);
    uint64_t again_ns = s.now_ns;
    sim_phase(&s, ordinal_of(&s, "mixed"), " (again)");
    sim_phase(&s, ordinal_of(&s, "healed"), " (again)");
    g = judged(&s);
    is(g, "retry.max", VERDICT_PASS, WHY_NONE,
       "14 requests whose every try failed, in this phase and its repetition");
    is(g, "backoff.max", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 7 of 30");
    judgement_free(g);
    struct lost_record lost = {.at = again_ns + NS_PER_S,
                               .to = again_ns + 2 * NS_PER_S,
                               .count = 3,
                               .kind = RECORD_ATTEMPT};
    journal_add(s.j, SIM_PROXY, RECORD_LOST, &lost);
    g = judged(&s);
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 7 of 10");
    judgement_free(g);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_last_try_that_is_good_does_not_stress_the_bound),
        cmocka_unit_test(every_try_that_failed_stresses_it),
        cmocka_unit_test(one_try_more_is_a_witness_but_not_in_the_warm_up),
        cmocka_unit_test(tries_that_only_the_mesh_counts_are_made_too),
        cmocka_unit_test(a_stricter_wish_is_marked),
        cmocka_unit_test(what_two_looks_have_seen_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
