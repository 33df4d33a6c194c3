#include "kube/ports.h"
#include "kube/lookout.h"
#include "kube/sweep.h"

#include "kube/fake_run_test.h"

/* A run whose service has three endpoints, all of them ports of one pod. */

static const struct objects_service three = {
    .name = "payments", .endpoints = 3, .port = 80, .port_name = "http", .app_protocol = "http"};

struct rig {
    struct fake fake;
    struct build_plan plan;
    struct build build;
    struct ports ports;
};

static void rig_open(struct rig *r)
{
    *r = (struct rig){.plan = fake_plan};
    r->plan.run.ports = true;
    r->plan.services = &three;
    fake_open(&r->fake);
    build_init(&r->build, &r->plan);
    assert_true(fake_do(&r->fake, &r->build.chore));
    assert_int_equal(r->build.err.kind, ERROR_NONE);
    r->plan.run.anchor_uid = r->build.anchor_uid;
    ports_init(&r->ports, &r->plan.run, &three, 1);
}

static void rig_close(struct rig *r)
{
    ports_release(&r->ports);
    build_release(&r->build);
    fake_close(&r->fake);
}

static void lay_for(struct rig *r, uint64_t ns)
{
    struct chore *c = &r->ports.chore;
    fake_drive(&r->fake, &c, 1, r->fake.now_ns + ns);
}

static int port_of(const json_t *slice)
{
    const json_t *port = json_array_get(json_object_get(slice, "ports"), 0);
    return (int)json_integer_value(json_object_get(port, "port"));
}

static void slice_is(const struct fake *f, const char *name, const char *ip, int port)
{
    const json_t *slice = fake_get(f, "endpointslices", name);
    const json_t *to = json_array_get(json_object_get(slice, "endpoints"), 0);
    assert_non_null(slice);
    assert_string_equal(json_string_value(json_array_get(json_object_get(to, "addresses"), 0)), ip);
    assert_int_equal(port_of(slice), port);
    assert_string_equal(fake_text(json_object_get(to, "targetRef"), "name"),
                        "mp-7f3a91c2-payments-1");
    assert_string_equal(
        fake_text(json_object_get(fake_meta(slice), "labels"), "kubernetes.io/service-name"),
        "mp-7f3a91c2-payments");
    const json_t *owner = json_array_get(json_object_get(fake_meta(slice), "ownerReferences"), 0);
    assert_string_equal(fake_text(owner, "name"), "mp-7f3a91c2"); /* it goes with the anchor */
}

static void test_a_slice_a_port(void **state)
{
    struct rig r;
    struct lookout look;
    (void)state;
    rig_open(&r);
    r.fake.kubelet_ns = 5 * FAKE_S; /* until then it has no address */
    assert_null(fake_get(&r.fake, "pods", "mp-7f3a91c2-payments-2"));
    const json_t *service = fake_get(&r.fake, "services", "mp-7f3a91c2-payments");
    assert_null(json_object_get(json_object_get(service, "spec"), "selector"));
    lay_for(&r, 3 * FAKE_S);
    assert_null(fake_called(&r.fake, "POST endpointslices", 0));
    lay_for(&r, 60 * FAKE_S);
    assert_true(r.ports.over);
    assert_int_equal(r.ports.err.kind, ERROR_NONE);
    slice_is(&r.fake, "mp-7f3a91c2-ports-1", "10.77.0.9", 8080);
    slice_is(&r.fake, "mp-7f3a91c2-ports-2", "10.77.0.9", 8081);
    slice_is(&r.fake, "mp-7f3a91c2-ports-3", "10.77.0.9", 8082);
    assert_null(fake_called(&r.fake, "POST endpointslices", 3));
    /* one pod, and all three endpoints of its Service are there */
    lookout_init(&look, &r.plan.run, &three, 1, 2, NULL);
    struct chore *c = &look.chore;
    fake_drive(&r.fake, &c, 1, r.fake.now_ns + 10 * FAKE_S);
    assert_true(look.mustered);
    lookout_release(&look);
    rig_close(&r);
}

/* Those of the scenario before lead to a pod that is gone. */
static void test_next_scenario(void **state)
{
    struct rig r;
    struct sweep sweep;
    (void)state;
    rig_open(&r);
    lay_for(&r, 60 * FAKE_S);
    build_forget_agents(&r.build);
    sweep_init(&sweep, &r.plan.run);
    assert_true(fake_do(&r.fake, &sweep.chore));
    assert_true(sweep.clean);
    sweep_release(&sweep);
    assert_null(fake_get(&r.fake, "endpointslices", "mp-7f3a91c2-ports-1"));
    build_again(&r.build, &r.plan);
    assert_true(fake_do(&r.fake, &r.build.chore));
    ports_again(&r.ports, &three, 1);
    lay_for(&r, 60 * FAKE_S);
    assert_true(r.ports.over);
    slice_is(&r.fake, "mp-7f3a91c2-ports-4", "10.77.0.9", 8080);
    assert_null(fake_get(&r.fake, "endpointslices", "mp-7f3a91c2-ports-1"));
    rig_close(&r);
}

static void test_refused(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    fake_refuse(&r.fake, (struct fake_rule){.verb = "POST",
                                            .part = "ports-2",
                                            .outcome = API_FORBIDDEN,
                                            .sentence = "may not create endpointslices"});
    lay_for(&r, 60 * FAKE_S);
    assert_true(r.ports.over);
    assert_string_equal(r.ports.err.text,
                        "the ports of payments as endpoints: may not create endpointslices");
    rig_close(&r);
}

static void test_api_away(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    r.fake.away_from_ns = r.fake.now_ns;
    r.fake.away_to_ns = r.fake.now_ns + 4 * FAKE_S;
    lay_for(&r, 60 * FAKE_S);
    assert_true(r.ports.over);
    assert_int_equal(r.ports.err.kind, ERROR_NONE);
    slice_is(&r.fake, "mp-7f3a91c2-ports-3", "10.77.0.9", 8082);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slice_a_port),
        cmocka_unit_test(test_next_scenario),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_api_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
