#include "verify/simulator_run_test.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *kind_name(enum verdict_kind kind)
{
    static const char *const names[] = {"PASS", "INCONCLUSIVE", "FAIL", "N/A"};
    return names[kind];
}

static struct judgement *judged(const struct sim *s)
{
    struct judgement *g = NULL;
    struct error err = {0};
    if (!judge_run(s->j, NULL, &g, &err))
        fail_msg("%s", err.text);
    return g;
}

static void print_all(const struct judgement *g, enum verdict_kind but)
{
    for (size_t i = 0; i < g->verdict_count; i++)
        if (g->verdicts[i].verdict.kind != but)
            print_message("  %-13s %-20s %-10s %s\n", kind_name(g->verdicts[i].verdict.kind),
                          g->verdicts[i].claim->id, g->verdicts[i].arm,
                          g->verdicts[i].verdict.text);
}

/* ---- the right mesh ---- */

static void passes_a_right_mesh(enum depth depth, uint64_t seed)
{
    struct edge_policy edge = sim_policy();
    struct sim s;
    sim_open(&s, &edge, depth, seed);
    sim_run(&s);
    struct judgement *g = judged(&s);
    if (g->outcome != VERDICT_PASS || g->pass < 20) {
        print_all(g, VERDICT_PASS);
        fail_msg("outcome %s, %zu pass", kind_name(g->outcome), g->pass);
    }
    judgement_free(g);
    sim_close(&s);
}

static void a_right_mesh_passes_the_quick_gate(void **state)
{
    (void)state;
    passes_a_right_mesh(DEPTH_QUICK, 1);
}

static void a_right_mesh_passes_the_full_gate(void **state)
{
    (void)state;
    passes_a_right_mesh(DEPTH_FULL, 2);
}

/* ---- the right mesh on a machine that others use too ---- */

static void never_fails_starved(uint64_t every_ns, uint64_t most_ns, uint64_t first_seed, int gates)
{
    size_t decided = 0, all = 0, bad = 0;
    for (int i = 0; i < gates; i++) {
        struct edge_policy edge = sim_policy();
        struct sim s;
        sim_open(&s, &edge, i % 2 == 0 ? DEPTH_QUICK : DEPTH_FULL, first_seed + (uint64_t)i);
        s.balance = i % 3;
        if (every_ns != 0)
            sim_starve(&s, every_ns, most_ns);
        sim_run(&s);
        struct judgement *g = judged(&s);
        if (g->fail > 0) {
            bad++;
            print_message("seed %d\n", (int)first_seed + i);
            print_all(g, VERDICT_PASS);
        }
        decided += g->pass;
        all += g->pass + g->inconclusive;
        judgement_free(g);
        sim_close(&s);
    }
    print_message("decided %zu of %zu\n", decided, all);
    assert_int_equal(bad, 0);
}

static void a_right_mesh_never_fails_whatever_its_balancer(void **state)
{
    (void)state;
    never_fails_starved(0, 0, 500, 150);
}

static void a_right_mesh_never_fails_with_small_stalls(void **state)
{
    (void)state;
    never_fails_starved(800 * NS_PER_MS, 30 * NS_PER_MS, 1000, 40);
}

static void a_right_mesh_never_fails_with_large_stalls(void **state)
{
    (void)state;
    never_fails_starved(1500 * NS_PER_MS, 250 * NS_PER_MS, 2000, 60);
}

static void a_right_mesh_never_fails_while_starved(void **state)
{
    (void)state;
    never_fails_starved(200 * NS_PER_MS, 700 * NS_PER_MS, 3000, 120);
}

/* ---- the mutation matrix ---- */

struct mutation {
    const char *name, *claim;
    enum depth depth;
    void (*change)(struct sim_mesh *m);
    const char *also; /* further claims that may fail with it */
};

static void one_retry_more(struct sim_mesh *m)
{
    m->retries++;
}
static void one_retry_fewer(struct sim_mesh *m)
{
    m->retries--;
}
static void never_retries_resets(struct sim_mesh *m)
{
    m->never_retries = 1;
}
static void never_retries_500(struct sim_mesh *m)
{
    m->never_retries = 500;
}
static void retries_400(struct sim_mesh *m)
{
    m->retries_too = 400;
}
static void retries_after_start(struct sim_mesh *m)
{
    m->retries_started = true;
}
static void no_per_try_timeout(struct sim_mesh *m)
{
    m->p_ns = 0;
}
static void per_try_20_late(struct sim_mesh *m)
{
    m->p_ns = m->p_ns * 6 / 5;
}
static void per_try_10_early(struct sim_mesh *m)
{
    m->p_ns = m->p_ns * 9 / 10;
}
static void per_try_from_start(struct sim_mesh *m)
{
    m->from_start = true;
}
static void request_timeout_20_late(struct sim_mesh *m)
{
    m->t_ns = m->t_ns * 6 / 5;
}
static void request_timeout_10_early(struct sim_mesh *m)
{
    m->t_ns = m->t_ns * 9 / 10;
}
static void timeout_as_200(struct sim_mesh *m)
{
    m->timeout_as_200 = true;
}
static void ejects_one_early(struct sim_mesh *m)
{
    m->c--;
}
static void ejects_one_late(struct sim_mesh *m)
{
    m->c++;
}
static void success_keeps_counter(struct sim_mesh *m)
{
    m->keeps_counter = true;
}
static void never_ejects(struct sim_mesh *m)
{
    m->c = 0;
}
static void never_returns(struct sim_mesh *m)
{
    m->never_returns = true;
}
static void ejection_half(struct sim_mesh *m)
{
    m->base_ns /= 2;
}
static void ejection_not_grown(struct sim_mesh *m)
{
    m->repeat_not_grown = true;
}
static void sweeps_rarely(struct sim_mesh *m)
{
    m->interval_ns *= 5;
}
static void ignores_cap(struct sim_mesh *m)
{
    m->cap = 3;
}
static void retry_same_host(struct sim_mesh *m)
{
    m->same_host = true;
}
static void backoff_constant(struct sim_mesh *m)
{
    m->constant_backoff = true;
}
static void backoff_none(struct sim_mesh *m)
{
    m->backoff_ns = 0;
}
static void backoff_doubled(struct sim_mesh *m)
{
    m->backoff_ns *= 2;
}

static const struct mutation mutations[] = {
    {"one retry more", "retry.max", DEPTH_QUICK, one_retry_more, "amplify"},
    {"one retry fewer", "retry.must", DEPTH_QUICK, one_retry_fewer, ""},
    {"never retries resets", "retry.must", DEPTH_QUICK, never_retries_resets, ""},
    {"never retries 500", "retry.must", DEPTH_QUICK, never_retries_500, ""},
    {"retries 400", "retry.only", DEPTH_QUICK, retries_400, ""},
    {"retries after the start", "retry.started", DEPTH_QUICK, retries_after_start, ""},
    {"no per-try timeout", "timeout.try", DEPTH_QUICK, no_per_try_timeout, "timeout.try.restart"},
    {"per try 20 % late", "timeout.try", DEPTH_QUICK, per_try_20_late, "timeout.try.restart"},
    {"per try 10 % early", "timeout.try", DEPTH_QUICK, per_try_10_early,
     "timeout.try.restart timeout.try.kept"},
    {"per try from the start", "timeout.try.restart", DEPTH_QUICK, per_try_from_start,
     "timeout.try timeout.request"},
    {"request timeout late", "timeout.request", DEPTH_QUICK, request_timeout_20_late, ""},
    {"request timeout early", "timeout.request", DEPTH_QUICK, request_timeout_10_early,
     "timeout.try timeout.try.restart"},
    {"timeout as 200", "honest", DEPTH_QUICK, timeout_as_200, "timeout.request retry.must"},
    {"ejects one early", "eject.early", DEPTH_QUICK, ejects_one_early, ""},
    {"ejects one late", "eject.late", DEPTH_QUICK, ejects_one_late, ""},
    {"success keeps the counter", "eject.early", DEPTH_QUICK, success_keeps_counter, ""},
    {"never ejects", "eject.trip", DEPTH_QUICK, never_ejects, "eject.panic"},
    {"never returns", "eject.return", DEPTH_QUICK, never_returns, "eject.length"},
    {"ejection half as long", "eject.length", DEPTH_QUICK, ejection_half, ""},
    {"repeat not grown", "eject.length", DEPTH_FULL, ejection_not_grown, ""},
    {"sweeps rarely", "eject.length", DEPTH_QUICK, sweeps_rarely, "eject.return"},
    {"ignores the cap", "eject.cap", DEPTH_QUICK, ignores_cap, ""},
    {"retry on the same host", "retry.other_host", DEPTH_QUICK, retry_same_host, "retry.must"},
    {"back-off constant", "backoff.law", DEPTH_QUICK, backoff_constant, ""},
    {"no back-off", "backoff.law", DEPTH_QUICK, backoff_none, ""},
    {"back-off doubled", "backoff.law", DEPTH_QUICK, backoff_doubled, "backoff.max"},
};

static bool may_fail(const struct mutation *m, const char *id)
{
    const char *found = strstr(m->also, id);
    return strcmp(m->claim, id) == 0 || found != NULL;
}

static void each_defect_fails_its_claim_and_no_other(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(mutations); i++) {
        const struct mutation *m = &mutations[i];
        struct edge_policy edge = sim_policy();
        struct sim s;
        sim_open(&s, &edge, m->depth, 100 + i);
        m->change(&s.mesh);
        sim_run(&s);
        struct judgement *g = judged(&s);
        const struct judged *d = sim_verdict(g, m->claim);
        bool other = false;
        for (size_t k = 0; k < g->verdict_count; k++)
            other = other || (g->verdicts[k].verdict.kind == VERDICT_FAIL &&
                              !may_fail(m, g->verdicts[k].claim->id));
        if (d == NULL || d->verdict.kind != VERDICT_FAIL || other) {
            wrong++;
            print_message("%s: %s is %s\n", m->name, m->claim,
                          d == NULL ? "missing" : kind_name(d->verdict.kind));
            print_all(g, VERDICT_PASS);
        }
        judgement_free(g);
        sim_close(&s);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_mesh_passes_the_quick_gate),
        cmocka_unit_test(a_right_mesh_passes_the_full_gate),
        cmocka_unit_test(a_right_mesh_never_fails_whatever_its_balancer),
        cmocka_unit_test(a_right_mesh_never_fails_with_small_stalls),
        cmocka_unit_test(a_right_mesh_never_fails_with_large_stalls),
        cmocka_unit_test(a_right_mesh_never_fails_while_starved),
        cmocka_unit_test(each_defect_fails_its_claim_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
