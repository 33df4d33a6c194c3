#include "kube/depart.h"

#include "kube/fake_shop_test.h"
#include "kube/lookout.h"

static uint64_t at_noon(void)
{
    return UINT64_C(1795694400) * 1000000000;
}

struct rig {
    struct fake fake;
    struct fake_joined joined;
    struct depart depart;
};

/* Two of ours are in the Service; one's gate is closed already. */
static void rig_open(struct rig *r)
{
    *r = (struct rig){0};
    fake_open_shop(&r->fake);
    fake_put(&r->fake, "configmaps", json_pack("{s{ss}}", "metadata", "name", "mp-" FAKE_RUN));
    fake_join(&r->fake, &r->joined, false, "uid-5");
    for (uint32_t n = 1; n <= 2; n++) {
        json_t *pod = objects_endpoint_pod(&r->joined.run, &r->joined.service, n);
        fake_put(&r->fake, "pods", pod);
        fake_set_condition(pod, OBJECTS_ARMED_GATE, n == 1 ? "True" : "False");
    }
    r->fake.collector_ns = UINT64_MAX;
    r->fake.now_ns += 2 * FAKE_S;
    fake_live(&r->fake);
    depart_init(&r->depart, &r->joined.run, &r->joined.service, 1, at_noon);
}

static void rig_close(struct rig *r)
{
    depart_release(&r->depart);
    incumbent_survey_release(&r->joined.survey);
    fake_close(&r->fake);
}

static void open_gates_are_closed_and_the_slices_read(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    assert_true(fake_condition(fake_get(&r.fake, "pods", "mp-" FAKE_RUN "-payments-1"), "Ready"));
    assert_true(fake_do(&r.fake, &r.depart.chore));
    assert_true(r.depart.clean);
    assert_non_null(fake_called(&r.fake, "PATCH pods/mp-" FAKE_RUN "-payments-1/status", 0));
    assert_null(fake_called(&r.fake, "PATCH pods/mp-" FAKE_RUN "-payments-2/status", 0));
    assert_null(fake_called(&r.fake, "DELETE", 0));
    assert_false(fake_condition(fake_get(&r.fake, "pods", "mp-" FAKE_RUN "-payments-1"), "Ready"));
    const char *last =
        json_string_value(json_array_get(r.fake.log, json_array_size(r.fake.log) - 1));
    assert_string_equal(last, "LIST endpointslices");
    rig_close(&r);
}

/* The slice's controller sleeps: it is waited for, not for ever, and told. */
static void what_stays_in_the_service_is_told(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    r.fake.kubelet_ns = UINT64_MAX;
    uint64_t began_ns = r.fake.now_ns;
    assert_true(fake_do(&r.fake, &r.depart.chore));
    assert_false(r.depart.clean);
    assert_string_equal(
        r.depart.err.text,
        "our endpoints are not known to be out of payments: they are ready there still");
    assert_in_range(r.fake.now_ns - began_ns, DEPART_BUDGET_NS, DEPART_BUDGET_NS + FAKE_S);
    rig_close(&r);
}

static void one_refusal_at_each_call(void **state)
{
    static const enum api_outcome outcomes[] = {API_FORBIDDEN, API_UNREACHABLE, API_CONFLICT};
    (void)state;
    for (size_t o = 0; o < COUNT_OF(outcomes); o++)
        for (unsigned n = 0; n < 3; n++) {
            struct rig r;
            rig_open(&r);
            unsigned before = (unsigned)json_array_size(r.fake.log);
            fake_refuse(&r.fake,
                        (struct fake_rule){
                            .outcome = outcomes[o], .sentence = "said no", .after = n, .count = 1});
            assert_true(fake_do(&r.fake, &r.depart.chore));
            assert_true(json_array_size(r.fake.log) > before + n);
            if (r.depart.clean != (outcomes[o] != API_FORBIDDEN))
                fail_msg("outcome %d of call %u: %s", (int)outcomes[o], n, r.depart.err.text);
            if (!r.depart.clean)
                assert_non_null(strstr(r.depart.err.text, "said no"));
            rig_close(&r);
        }
}

static void a_pod_that_is_gone_needs_no_gate(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    fake_refuse(&r.fake, (struct fake_rule){
                             .verb = "PATCH", .outcome = API_NOT_FOUND, .sentence = "not found"});
    json_object_del(r.fake.objects, "services/payments");
    fake_put_payments(&r.fake, "8080");
    fake_set_condition(fake_get(&r.fake, "pods", "mp-" FAKE_RUN "-payments-1"), "Ready", "False");
    r.fake.kubelet_ns = UINT64_MAX;
    assert_true(fake_do(&r.fake, &r.depart.chore));
    assert_true(r.depart.clean);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_gates_are_closed_and_the_slices_read),
        cmocka_unit_test(what_stays_in_the_service_is_told),
        cmocka_unit_test(one_refusal_at_each_call),
        cmocka_unit_test(a_pod_that_is_gone_needs_no_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
