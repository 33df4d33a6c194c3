/* expect.probe on journals written by hand. */

#include "verify/whole_fixture_test.h"

static void watched_by(struct whole *w, enum probe_kind kind, const char *above,
                       const char *atleast)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    w->s->probes = ARENA_ARRAY(&w->plan->arena, struct probe_plan, 1);
    w->s->probe_count = 1;
    w->s->probes[0] = (struct probe_plan){.name = "orders",
                                          .kind = kind,
                                          .value = "rate",
                                          .address = "127.0.0.1:1",
                                          .every_ns = NS_PER_S};
    struct phase *phase = whole_phase(w, "calm", 0, 10 * S);
    const char *keys[] = {
        "probe", "orders", "above", above, "atleast", atleast != NULL ? atleast : "100%", NULL};
    (void)whole_step(w, phase, STEP_EXPECT, "probe", NULL, keys);
    for (uint64_t t = 0; t < 10 * S; t += 50 * MS)
        whole_good(w, t, 2 * MS);
}

static void watched(struct whole *w, const char *atleast)
{
    watched_by(w, PROBE_TCP, "20", atleast);
}

static void sample(struct whole *w, uint64_t at_us, const char *probe, double value, bool missing)
{
    struct sample_record r = {.at = WHOLE_T0 + at_us * NS_PER_US,
                              .answer = 1,
                              .value = value,
                              .missing = missing,
                              .probe = journal_add_name(w->j, probe)};
    journal_add(w->j, WHOLE_LOAD, RECORD_SAMPLE, &r);
}

static void samples_where_they_are_wanted_pass(void **state)
{
    struct whole w;
    (void)state;
    watched(&w, NULL);
    for (uint64_t i = 0; i < 5; i++)
        sample(&w, i * S, "orders", 21, false);
    sample(&w, S, "another", 1, false);
    sample(&w, 11 * S, "orders", 1, false); /* after the phase */
    whole_are(&w, "probe", VERDICT_PASS, WHY_NONE, "orders above 20 in 5 of 5 samples");
}

static void one_outside_fails_unless_a_share_is_allowed(void **state)
{
    struct whole w;
    (void)state;
    for (int share = 0; share < 2; share++) {
        watched(&w, share == 1 ? "80%" : NULL);
        for (uint64_t i = 0; i < 4; i++)
            sample(&w, i * S, "orders", 21, false);
        sample(&w, 5 * S, "orders", 20, false);
        if (share == 1)
            whole_are(&w, "probe", VERDICT_PASS, WHY_NONE, "in 4 of 5 samples");
        else
            whole_are(&w, "probe", VERDICT_FAIL, WHY_NONE,
                      "1 of 5 samples are not orders above 20, the first of them 20");
    }
}

static void samples_without_a_value_are_no_evidence(void **state)
{
    struct whole w;
    (void)state;
    watched(&w, NULL);
    for (uint64_t i = 0; i < 4; i++)
        sample(&w, i * S, "orders", 21, false);
    sample(&w, 5 * S, "orders", 0, true);
    whole_are(&w, "probe", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "1 of 5 samples have no value");
    watched(&w, NULL);
    sample(&w, S, "orders", 21, false);
    whole_are(&w, "probe", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "1 samples with a value");
}

/* What it tells of lies before the phase. */
static void the_first_sample_of_the_client_is_of_the_phase_before(void **state)
{
    struct whole w;
    (void)state;
    for (int client = 0; client < 2; client++) {
        watched_by(&w, client == 1 ? PROBE_CLIENT : PROBE_TCP, client == 1 ? "20/s" : "20", NULL);
        sample(&w, 500 * MS, "orders", 1, false);
        for (uint64_t i = 1; i < 5; i++)
            sample(&w, i * S + 500 * MS, "orders", 21, false);
        if (client == 1)
            whole_are(&w, "probe", VERDICT_PASS, WHY_NONE, "in 4 of 4 samples");
        else
            whole_are(&w, "probe", VERDICT_FAIL, WHY_NONE, "1 of 5 samples");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_where_they_are_wanted_pass),
        cmocka_unit_test(one_outside_fails_unless_a_share_is_allowed),
        cmocka_unit_test(samples_without_a_value_are_no_evidence),
        cmocka_unit_test(the_first_sample_of_the_client_is_of_the_phase_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
