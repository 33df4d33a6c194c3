/* Awaits that stand beside each other are told apart. */

#include "verify/whole_fixture_test.h"

static void fails(struct whole *w, const char *name)
{
    whole_step(w, &w->s->phases[0], STEP_FAULT, "abort", "payments/2",
               name == NULL ? (const char *const[]){"grpc", "UNAVAILABLE", NULL}
                            : (const char *const[]){"grpc", "UNAVAILABLE", "name", name, NULL});
}

static void waits(struct whole *w, const char *fault, uint64_t at_s, bool met)
{
    whole_step(w, &w->s->phases[0], STEP_AWAIT, "fired", NULL,
               (const char *const[]){"fault", fault, "within", "5s", NULL});
    journal_add_event(w->j, 1, WHOLE_T0 + at_s * NS_PER_S, "await",
                      json_pack("{s:s, s:s, s:b, s:I}", "word", "fired", "on", fault, "met", met,
                                "after_ns", (json_int_t)(300 * NS_PER_MS)));
}

/* Two faults are waited for, one by the name that it has without a name of its own. */
static void each_await_of_a_fault_has_its_own_verdict(void **state)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    (void)state;
    for (int met = 0; met < 2; met++) {
        struct whole w;
        size_t failed = 0, passed = 0;
        whole_open(&w, &edge, "http1");
        whole_phase(&w, "all", 0, 10 * S)->ends = PHASE_BY_AWAITS;
        whole_good(&w, S, MS);
        fails(&w, NULL);
        fails(&w, "slow");
        waits(&w, "abort payments/2", 1, true);
        waits(&w, "slow", 2, met != 0);
        whole_judge(&w);
        for (size_t i = 0; i < w.judgement->verdict_count; i++) {
            const struct verdict *v = &w.judgement->verdicts[i].verdict;
            failed +=
                v->kind == VERDICT_FAIL && strstr(v->text, "slow not fired within 300 ms") != NULL;
            passed += v->kind == VERDICT_PASS && strcmp(v->text, "after 300 ms") == 0;
        }
        assert_int_equal(failed, met ? 0 : 1);
        assert_int_equal(passed, met ? 2 : 1);
        whole_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_await_of_a_fault_has_its_own_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
