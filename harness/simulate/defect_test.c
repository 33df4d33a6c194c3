#include "simulate/edge_fixture_test.h"
#include "simulate/gate.h"
#include "verify/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Each wrong of a mesh is caught by its claim, and a right mesh by none: on one policy of each
 * flavour, where nothing disturbs and on a quiet machine. What policies and machines do to it is
 * `meshproof judge`'s. */

static struct edge_policy envoy(void)
{
    struct edge_policy e = edge_envoy(3, RETRY_GATEWAY_ERROR | RETRY_RESET | RETRY_CONNECT_FAILURE);
    e.retry.per_try_timeout = edge_number(400 * NS_PER_MS);
    e.retry.backoff_base = edge_number(30 * NS_PER_MS);
    e.request_timeout = edge_number(1300 * NS_PER_MS);
    e.outlier = (struct outlier_rule){.present = true,
                                      .consecutive_5xx = edge_number(6),
                                      .interval = edge_number(NS_PER_S),
                                      .base_ejection = edge_number(3 * NS_PER_S),
                                      .max_ejection_percent = edge_number(34)};
    return e;
}

static struct edge_policy linkerd(void)
{
    struct edge_policy e = envoy();
    e.target = (struct target){MESH_LINKERD, 2, 16};
    e.flavour = FLAVOUR_LINKERD;
    e.retry.on = RETRY_STATUS_CODES | RETRY_LINKERD_TIMEOUT;
    e.retry.other_host = false;
    e.retry.attempts = edge_number(2);
    e.retry.backoff_base = edge_number(25 * NS_PER_MS);
    e.retry.backoff_max = edge_number(250 * NS_PER_MS);
    e.retry.per_try_timeout = edge_number(300 * NS_PER_MS);
    e.request_timeout = edge_number(2 * NS_PER_S);
    for (uint32_t status = 500; status < 600; status++)
        status_set_add(&e.retry.codes, status);
    e.outlier = (struct outlier_rule){0};
    return e;
}

#define CHANGE(name, what) \
    static void name(void *cookie, struct model_config *m) \
    { \
        (void)cookie; \
        what; \
    }
CHANGE(retry_more, m->retry.retries++)
CHANGE(retry_fewer, m->retry.retries--)
CHANGE(no_resets, m->retry.never_reset = true)
CHANGE(also_400, (m->retry.on |= RETRY_STATUS_CODES, status_set_add(&m->retry.codes, 400)))
CHANGE(also_500, (m->retry.on |= RETRY_STATUS_CODES, status_set_add(&m->retry.codes, 500)))
CHANGE(not_502, m->retry.on &= ~(uint32_t)RETRY_GATEWAY_ERROR)
CHANGE(after_start, m->retry.after_start = true)
CHANGE(same_host, m->balance.same_host = true)
CHANGE(no_try_timeout, m->timeout.try_ns = 0)
CHANGE(try_late, m->timeout.try_ns += m->timeout.try_ns / 5)
CHANGE(try_early, m->timeout.try_ns -= m->timeout.try_ns / 10)
CHANGE(try_much_early, m->timeout.try_ns /= 2)
CHANGE(try_from_start, m->timeout.try_from_request = true)
CHANGE(request_late, m->timeout.request_ns += m->timeout.request_ns / 5)
CHANGE(request_early, m->timeout.request_ns -= m->timeout.request_ns / 20)
CHANGE(answers_200, m->timeout_status = 200)
CHANGE(answers_503, m->timeout_status = 503)
CHANGE(backoff_none, m->backoff.shape = BACKOFF_NONE)
CHANGE(backoff_constant, m->backoff.shape = BACKOFF_CONSTANT)
CHANGE(backoff_triple, (m->backoff.base_ns *= 3, m->backoff.max_ns *= 3))
CHANGE(ejects_early, m->outlier.consecutive_5xx--)
CHANGE(ejects_late, m->outlier.consecutive_5xx++)
CHANGE(keeps, m->outlier.success_keeps = true)
CHANGE(never_ejects, m->outlier.consecutive_5xx = 0)
CHANGE(ejects_short, m->outlier.base_ns /= 2)
CHANGE(ejects_long, m->outlier.base_ns += 3 * NS_PER_S)
CHANGE(never_back, m->outlier.base_ns = m->outlier.max_ns = UINT64_C(3600) * NS_PER_S)
CHANGE(no_cap, m->outlier.cap_percent = 100)
CHANGE(panics, (m->outlier.cap_percent = 100, m->outlier.panic_percent = 60))

static const struct row {
    const char *name, *claim, *also;
    bool linkerd;
    void (*change)(void *cookie, struct model_config *m);
} rows[] = {
#define ENVOY(change, claim, also) \
    { \
#change, claim, also, false, change \
    }
#define LINKERD(change, claim, also) \
    { \
#change " (linkerd)", claim, also, true, change \
    }
    ENVOY(retry_more, "retry.max", "amplify"),
    ENVOY(retry_fewer, "retry.must", "timeout.request"),
    ENVOY(no_resets, "retry.must", ""),
    ENVOY(also_400, "retry.only", ""),
    ENVOY(also_500, "retry.only", ""),
    ENVOY(not_502, "retry.must", ""),
    ENVOY(after_start, "retry.started", ""),
    ENVOY(same_host, "retry.other_host", "retry.must"),
    ENVOY(no_try_timeout, "timeout.try", "timeout.try.restart,retry.must,timeout.request"),
    ENVOY(try_late, "timeout.try", "timeout.try.restart"),
    ENVOY(try_early, "timeout.try", "timeout.try.restart,timeout.try.kept,timeout.request"),
    ENVOY(try_much_early, "timeout.try.kept",
          "timeout.try,timeout.try.restart,timeout.request,retry.must"),
    ENVOY(try_from_start, "timeout.try.restart", "timeout.try,timeout.try.kept,timeout.request"),
    ENVOY(request_late, "timeout.request", "timeout.try"),
    ENVOY(request_early, "timeout.request", "timeout.try"),
    ENVOY(answers_200, "honest", "timeout.request,retry.must"),
    ENVOY(answers_503, "timeout.request", "retry.must"),
    ENVOY(backoff_none, "backoff.law", ""),
    ENVOY(backoff_constant, "backoff.law", "backoff.max"),
    ENVOY(backoff_triple, "backoff.max", "backoff.law"),
    ENVOY(ejects_early, "eject.early", "eject.length"),
    ENVOY(ejects_late, "eject.late", "eject.length"),
    ENVOY(keeps, "eject.early", "eject.cap,eject.length"),
    ENVOY(never_ejects, "eject.trip", "eject.panic,eject.late,eject.metrics,eject.cap"),
    ENVOY(ejects_short, "eject.length", "eject.return"),
    ENVOY(ejects_long, "eject.length", "eject.return"),
    ENVOY(never_back, "eject.return", "eject.length,retry.must"),
    ENVOY(no_cap, "eject.cap", "eject.panic,eject.early,eject.length"),
    ENVOY(panics, "eject.panic", "eject.cap,eject.length"),
    LINKERD(retry_more, "retry.max", "amplify"),
    LINKERD(retry_fewer, "retry.must", "timeout.try,timeout.try.restart"),
    LINKERD(also_400, "retry.only", ""),
    LINKERD(after_start, "retry.started", ""),
    LINKERD(try_late, "timeout.try", "timeout.try.restart"),
    LINKERD(try_early, "timeout.try", "timeout.try.restart,timeout.try.kept"),
    LINKERD(answers_200, "honest", "timeout.request,retry.must"),
    LINKERD(request_late, "timeout.request", ""),
    LINKERD(backoff_none, "backoff.law", "backoff.max"),
    LINKERD(backoff_triple, "backoff.max", "backoff.law,timeout.request"),
};

static bool is_listed(const char *list, const char *id)
{
    const char *at = strstr(list, id);
    size_t len = strlen(id);
    return at != NULL && (at[len] == '\0' || at[len] == ',');
}

static void run(struct gate *g, const struct row *row, bool is_linkerd, enum noise_kind noise,
                uint64_t seed)
{
    struct edge_policy edge = is_linkerd ? linkerd() : envoy();
    struct gate_options o = {.seed = seed,
                             .edge = &edge,
                             .noise = noise,
                             .depth = DEPTH_QUICK,
                             .change = row == NULL ? NULL : row->change};
    struct error err = {0};
    if (!gate_run(&o, g, &err))
        fail_msg("%s", err.text);
}

static void each_defect_is_caught_by_its_claim_and_no_other_claim_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct gate g;
            run(&g, &rows[i], rows[i].linkerd, seed == 1 ? NOISE_NONE : NOISE_QUIET, seed);
            const struct judged *d = NULL;
            enum verdict_kind kind = gate_verdict(g.judgement, rows[i].claim, &d);
            /* Noise may leave a wrong undecided; it never makes it right. */
            bool may_be_open = seed > 1 && kind == VERDICT_INCONCLUSIVE;
            if (kind != VERDICT_FAIL && !may_be_open)
                fail_msg("%s, seed %d: %s says %s", rows[i].name, (int)seed, rows[i].claim,
                         d == NULL ? "nothing" : d->verdict.text);
            assert_true(d->verdict.text != NULL);
            assert_true(may_be_open || d->verdict.certain != NULL);
            for (size_t k = 0; k < g.judgement->verdict_count; k++) {
                const struct judged *other = &g.judgement->verdicts[k];
                if (other->verdict.kind == VERDICT_FAIL &&
                    strcmp(other->claim->id, rows[i].claim) != 0 &&
                    !is_listed(rows[i].also, other->claim->id))
                    fail_msg("%s, seed %d: %s fails too: %s", rows[i].name, (int)seed,
                             other->claim->id, other->verdict.text);
            }
            gate_release(&g);
        }
}

/* Where nothing disturbs a claim that is asked decides, but where chance left it too few. */
static void a_right_mesh_passes_every_claim_that_its_defects_are_caught_by(void **state)
{
    uint64_t passed[COUNT_OF(rows)] = {0};
    char why[COUNT_OF(rows)][128] = {""};
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct gate g;
        run(&g, NULL, seed % 2 == 1, NOISE_NONE, seed);
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            const struct judged *d = NULL;
            if (rows[i].linkerd != (seed % 2 == 1))
                continue;
            if (gate_verdict(g.judgement, rows[i].claim, &d) == VERDICT_PASS)
                passed[i]++;
            else if (d != NULL)
                snprintf(why[i], sizeof(why[i]), "%s", d->verdict.text);
        }
        assert_int_equal(g.judgement->fail, 0);
        gate_release(&g);
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (passed[i] < 3)
            fail_msg("%s passes %d of 4 right meshes: %s", rows[i].name, (int)passed[i], why[i]);
}

static void a_starved_machine_alarms_nobody(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct gate g;
        run(&g, NULL, seed % 4 == 0, NOISE_STARVED, seed);
        for (size_t k = 0; k < g.judgement->verdict_count; k++) {
            const struct judged *d = &g.judgement->verdicts[k];
            if (d->verdict.kind == VERDICT_FAIL)
                fail_msg("seed %d: %s: %s", (int)seed, d->claim->id, d->verdict.text);
        }
        gate_release(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_defect_is_caught_by_its_claim_and_no_other_claim_fails),
        cmocka_unit_test(a_right_mesh_passes_every_claim_that_its_defects_are_caught_by),
        cmocka_unit_test(a_starved_machine_alarms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
