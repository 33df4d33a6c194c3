#include "simulate/edge_fixture_test.h"
#include "simulate/gate.h"
#include "simulate/tally.h"
#include "verify/claims.h"
#include "verify/hearing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The specification's example, with room for one ejection. */
static struct edge_policy example(void)
{
    struct edge_policy e = edge_envoy(3, RETRY_5XX | RETRY_RESET | RETRY_CONNECT_FAILURE);
    e.retry.per_try_timeout = edge_number(600 * NS_PER_MS);
    e.retry.backoff_base = edge_number(25 * NS_PER_MS);
    e.request_timeout = edge_number(2 * NS_PER_S);
    e.outlier = (struct outlier_rule){.present = true,
                                      .consecutive_5xx = edge_number(5),
                                      .interval = edge_number(NS_PER_S),
                                      .base_ejection = edge_number(2 * NS_PER_S),
                                      .max_ejection_percent = edge_number(34)};
    return e;
}

static void run(struct gate *g, const struct edge_policy *edge, enum noise_kind noise,
                uint64_t seed, void (*change)(void *cookie, struct model_config *m))
{
    struct gate_options o = {
        .seed = seed, .edge = edge, .noise = noise, .depth = DEPTH_QUICK, .change = change};
    struct error err = {0};
    if (!gate_run(&o, g, &err))
        fail_msg("%s", err.text);
}

static void a_right_mesh_passes_where_nothing_disturbs(void **state)
{
    struct edge_policy edge = example();
    struct gate g;
    (void)state;
    run(&g, &edge, NOISE_NONE, 1, NULL);
    assert_int_equal(g.judgement->fail, 0);
    assert_int_equal(gate_verdict(g.judgement, "retry.max", NULL), VERDICT_PASS);
    assert_int_equal(gate_verdict(g.judgement, "timeout.request", NULL), VERDICT_PASS);
    assert_int_equal(gate_verdict(g.judgement, "eject.trip", NULL), VERDICT_PASS);
    assert_int_equal(gate_verdict(g.judgement, "eject.length", NULL), VERDICT_PASS);
    gate_release(&g);
}

static void the_same_seed_is_the_same_gate(void **state)
{
    struct edge_policy edge = example();
    struct gate a, b, c;
    (void)state;
    run(&a, &edge, NOISE_SHARED, 7, NULL);
    run(&b, &edge, NOISE_SHARED, 7, NULL);
    run(&c, &edge, NOISE_SHARED, 8, NULL);
    assert_int_equal(a.journal->attempt_count, b.journal->attempt_count);
    assert_memory_equal(a.journal->attempts, b.journal->attempts,
                        a.journal->attempt_count * sizeof(*a.journal->attempts));
    assert_int_not_equal(a.length_ns, c.length_ns);
    gate_release(&a);
    gate_release(&b);
    gate_release(&c);
}

/* Each gate of the proof is judged in one of these ways. */
static void a_plan_that_was_written_and_read_is_judged_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct gate_options o = tally_options(seed);
        struct gate by_json, at_once;
        struct error err = {0};
        o.by_json = true;
        assert_true(gate_run(&o, &by_json, &err));
        assert_non_null(by_json.journal->plan);
        o.by_json = false;
        assert_true(gate_run(&o, &at_once, &err));
        assert_int_equal(by_json.judgement->verdict_count, at_once.judgement->verdict_count);
        for (size_t i = 0; i < by_json.judgement->verdict_count; i++) {
            const struct judged *a = &by_json.judgement->verdicts[i],
                                *b = &at_once.judgement->verdicts[i];
            assert_ptr_equal(a->claim, b->claim);
            assert_int_equal(a->verdict.kind, b->verdict.kind);
            assert_string_equal(a->verdict.text == NULL ? "" : a->verdict.text,
                                b->verdict.text == NULL ? "" : b->verdict.text);
        }
        gate_release(&by_json);
        gate_release(&at_once);
    }
}

static void one_more(void *cookie, struct model_config *m)
{
    (void)cookie;
    m->retry.retries++;
}

static void never_ejects(void *cookie, struct model_config *m)
{
    (void)cookie;
    m->outlier.consecutive_5xx = 0;
}

static void later(void *cookie, struct model_config *m)
{
    (void)cookie;
    m->timeout.request_ns += m->timeout.request_ns / 5;
}

static void a_wrong_mesh_fails_its_claim(void **state)
{
    static const struct {
        const char *claim;
        void (*change)(void *cookie, struct model_config *m);
    } rows[] = {{"retry.max", one_more}, {"eject.trip", never_ejects}, {"timeout.request", later}};
    struct edge_policy edge = example();
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct gate g;
        run(&g, &edge, NOISE_QUIET, 3 + i, rows[i].change);
        if (gate_verdict(g.judgement, rows[i].claim, NULL) != VERDICT_FAIL)
            fail_msg("%s was not caught", rows[i].claim);
        gate_release(&g);
    }
}

/* What noise does is in the journal as a real machine leaves it there: late, out of order, told by
 * the watchdogs, sometimes lost; and the sums are whole. */
static void noise_shows_as_stalls_late_reads_and_lost_records(void **state)
{
    struct edge_policy edge = example();
    struct gate_options o = {.seed = 5, .edge = &edge, .noise = NOISE_STARVED, .loses = true};
    struct error err = {0};
    struct gate g;
    (void)state;
    assert_true(gate_run(&o, &g, &err));
    for (size_t i = 0; i < g.journal->attempt_count; i++) {
        const struct attempt_record *r = &g.journal->attempts[i].r;
        assert_true(r->endpoint >= 1 && r->endpoint <= 3 && r->k >= 1 && r->n_mesh >= 1);
        assert_true(r->out != 0 || r->left != 0);
    }
    for (size_t i = 0; i < g.journal->request_count; i++)
        assert_true(g.journal->requests[i].r.done >= g.journal->requests[i].r.start);
    assert_true(g.journal->stall_count > 50);
    assert_true(g.judgement->longest_stall_ns > 50 * NS_PER_MS);
    assert_true(g.journal->lost_count == 1 && g.judgement->lost_records > 0);
    assert_int_equal(g.judgement->fail, 0);
    gate_release(&g);
}

/* Gates whose noise made a claim of before say FAIL of a right mesh. Each is a rule now. */
static void old_false_alarms_stay_silent(void **state)
{
    static const uint64_t seeds[] = {
        0x8acd7f82864783fc, /* success: a stop of the machine, not of the mesh */
        0x1a2378b6bd3fbed8, /* retry.must: all endpoints of Linkerd's were shut */
        0x59bcff7fcb75614a, /* eject.early: what led to it lies in starved time */
        0x1d3ab2ae013e0690, /* eject.return: the same */
        0xfbff1b0206caa262, /* retry.must: the last retry found no endpoint that was in */
        0x6d7e762e06ba5e4b, /* honest: its tries' records were lost just after the phase */
        0xe8ee0d39460c5af3, /* eject.cap: the mesh read a cut before the answer that it cut */
    };
    struct tally *t = check_alloc_zero(1, sizeof(*t));
    (void)state;
    for (size_t i = 0; i < COUNT_OF(seeds); i++) {
        tally_right(t, seeds[i], false);
        if (t->gates_alarmed > 0)
            fail_msg("a false alarm again: meshproof judge --show %llx",
                     (unsigned long long)seeds[i]);
    }
    assert_int_equal(t->gates, COUNT_OF(seeds));
    free(t);
}

/* Game days that made a claim of before say FAIL of a right mesh. */
static void old_false_alarms_of_game_days_stay_silent(void **state)
{
    static const uint64_t seeds[] = {
        0x0bd3ba85098b8424, /* eject.length: a sweep while an update waited for another's */
        0x53051673a6b88560, /* eject.return: all endpoints may be out */
        0x541a2cf991a540a4, /* metrics.retries: a 504 of the mesh's own, as its last try's */
        0x1860fc47c7382ed0, /* rate.limit: tries that ended at a dead endpoint */
    };
    struct tally *t = check_alloc_zero(1, sizeof(*t));
    (void)state;
    for (size_t i = 0; i < COUNT_OF(seeds); i++) {
        tally_right(t, seeds[i], true);
        if (t->gates_alarmed > 0)
            fail_msg("a false alarm again: meshproof judge --by-hand --show %llx",
                     (unsigned long long)seeds[i]);
    }
    assert_int_equal(t->gates, COUNT_OF(seeds));
    free(t);
}

/* Its balancer leaves a host alone for long after a slow answer: that it was not seen in again is
 * no finding, and leaves nothing open. */
static void a_host_that_linkerd_starves_leaves_nothing_open(void **state)
{
    struct gate_options o = tally_options(0x895440);
    struct error err = {0};
    struct gate g;
    size_t starved = 0;
    (void)state;
    assert_true(gate_run(&o, &g, &err));
    assert_int_equal(g.edge.flavour, FLAVOUR_LINKERD);
    for (size_t i = 0; i < g.judgement->verdict_count; i++) {
        const struct judged *d = &g.judgement->verdicts[i];
        if (strcmp(d->claim->id, "await.readmitted") != 0)
            continue;
        assert_int_not_equal(d->verdict.kind, VERDICT_INCONCLUSIVE);
        starved += d->verdict.kind == VERDICT_NOT_APPLICABLE;
    }
    assert_true(starved > 0);
    gate_release(&g);
}

/* Linkerd does not look at T while it waits for the next try: up to a back-off later is in time. */
static void linkerd_may_answer_a_backoff_after_its_timeout(void **state)
{
    struct edge_policy edge = example();
    (void)state;
    edge.target = (struct target){MESH_LINKERD, 2, 16};
    edge.flavour = FLAVOUR_LINKERD;
    edge.retry.attempts = edge_number(4);
    edge.retry.on = RETRY_STATUS_CODES | RETRY_LINKERD_TIMEOUT;
    edge.retry.other_host = false;
    edge.retry.per_try_timeout = edge_number(400 * NS_PER_MS);
    edge.retry.backoff_max = edge_number(250 * NS_PER_MS);
    edge.outlier = (struct outlier_rule){0};
    status_set_add(&edge.retry.codes, 503);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct gate g;
        run(&g, &edge, NOISE_QUIET, seed, NULL);
        assert_int_equal(g.judgement->fail, 0);
        gate_release(&g);
    }
}

/* With more failing than may be out, an endpoint goes out when another is back: neither too late
 * nor for too long. So too where the mesh must stay within a cap of two. */
static void endpoints_that_wait_for_room_under_the_cap_are_no_witness(void **state)
{
    struct edge_policy edge = example();
    (void)state;
    edge.endpoints = 5;
    edge.outlier.consecutive_5xx = edge_number(3);
    edge.outlier.max_ejection_percent = edge_number(50);
    edge.retry.on = RETRY_CONNECT_FAILURE;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct gate g;
        run(&g, &edge, seed % 3 == 0 ? NOISE_STARVED : NOISE_QUIET, seed, NULL);
        assert_int_equal(g.judgement->fail, 0);
        gate_release(&g);
    }
}

static void constant(void *cookie, struct model_config *m)
{
    (void)cookie;
    m->backoff.shape = BACKOFF_CONSTANT;
}

static void a_tally_counts_and_adds(void **state)
{
    const struct tally_defect_type type = {.name = "constant",
                                           .claim = "backoff.law",
                                           .coupled = "backoff.max,retry.must",
                                           .flavour = FLAVOUR_ENVOY,
                                           .change = constant};
    struct tally *a = check_alloc_zero(1, sizeof(*a)), *b = check_alloc_zero(1, sizeof(*b));
    (void)state;
    tally_right(a, 11, false);
    tally_level(a, 12, 0);
    tally_defect(a, 3, &type, 13);
    assert_int_equal(a->gates, 1);
    assert_int_equal(a->level_gates, 1);
    assert_int_equal(a->defects[3].gates + a->defects[3].not_drawn, 1);
    uint64_t judged = 0, levels = 0;
    for (size_t i = 0; i < TALLY_CLAIMS_MOST; i++) {
        const struct tally_claim *c = &a->claims[i];
        assert_int_equal(c->judged, c->pass + c->inconclusive + c->alarms);
        judged += c->judged;
        levels += c->level[0].judged;
        assert_int_equal(c->level[1].judged + c->level[2].judged, 0);
    }
    assert_true(judged > 3 && levels > 3);
    tally_add(b, a);
    tally_add(b, a);
    assert_int_equal(b->gates, 2);
    assert_int_equal(b->records, 2 * a->records);
    assert_int_equal(b->defects[3].gates, 2 * a->defects[3].gates);
    free(a);
    free(b);
}

/* How many processes shared the gates shows nowhere: not in the counts, nor in the gate that is
 * named. */
static void a_sum_is_the_same_in_any_order(void **state)
{
    struct tally *parts = check_alloc_zero(2, sizeof(*parts)),
                 *to = check_alloc_zero(2, sizeof(*to));
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        parts[i].broken = 1;
        parts[i].broken_seed = 30 + i;
        parts[i].claims[1] = (struct tally_claim){.judged = 9, .alarms = 2, .alarm_seed = 70 - i};
        parts[i].claims[2 + i] =
            (struct tally_claim){.judged = 5, .alarms = 1, .alarm_seed = 90 + i};
        parts[i].defects[4] = (struct tally_defect){.gates = 3,
                                                    .missed = 1,
                                                    .missed_seed = 50 + i,
                                                    .wrong = 1,
                                                    .wrong_seed = 80 - i,
                                                    .wrong_claim = (uint32_t)(7 + i)};
    }
    for (size_t i = 0; i < 2; i++) {
        tally_add(&to[i], &parts[i]);
        tally_add(&to[i], &parts[1 - i]);
    }
    assert_memory_equal(&to[0], &to[1], sizeof(to[0]));
    assert_int_equal(to[0].broken, 2);
    assert_int_equal(to[0].broken_seed, 30);
    assert_int_equal(to[0].claims[1].alarm_seed, 69);
    assert_int_equal(to[0].claims[2].alarm_seed, 90);
    assert_int_equal(to[0].claims[3].alarm_seed, 91);
    assert_int_equal(to[0].defects[4].missed_seed, 50);
    assert_int_equal(to[0].defects[4].wrong_seed, 79);
    assert_int_equal(to[0].defects[4].wrong_claim, 8);
    free(parts);
    free(to);
}

static void too_many_alarms_are_told_from_chance(void **state)
{
    (void)state;
    assert_false(tally_exceeds(0, 1000, 1, 1e-3));
    assert_false(tally_exceeds(15, 1000, 1, 1e-2));
    assert_true(tally_exceeds(40, 1000, 1, 1e-2));
    assert_false(tally_exceeds(40, 1000, 4, 1e-2));
    assert_true(tally_exceeds(3, 1000, 1, 1e-4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_mesh_passes_where_nothing_disturbs),
        cmocka_unit_test(the_same_seed_is_the_same_gate),
        cmocka_unit_test(a_plan_that_was_written_and_read_is_judged_the_same),
        cmocka_unit_test(a_wrong_mesh_fails_its_claim),
        cmocka_unit_test(noise_shows_as_stalls_late_reads_and_lost_records),
        cmocka_unit_test(old_false_alarms_stay_silent),
        cmocka_unit_test(old_false_alarms_of_game_days_stay_silent),
        cmocka_unit_test(a_host_that_linkerd_starves_leaves_nothing_open),
        cmocka_unit_test(linkerd_may_answer_a_backoff_after_its_timeout),
        cmocka_unit_test(endpoints_that_wait_for_room_under_the_cap_are_no_witness),
        cmocka_unit_test(a_tally_counts_and_adds),
        cmocka_unit_test(a_sum_is_the_same_in_any_order),
        cmocka_unit_test(too_many_alarms_are_told_from_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
