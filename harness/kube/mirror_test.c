#include "kube/mirror.h"

#include "kube/fake_shop_test.h"

struct rig {
    struct fake fake;
    struct fake_joined joined;
    struct mirror mirror;
    unsigned steps;
};

static void on_step(void *cookie)
{
    ((struct rig *)cookie)->steps++;
}

static void rig_open(struct rig *r)
{
    *r = (struct rig){0};
    fake_open_shop(&r->fake);
    const json_t *anchor =
        fake_put(&r->fake, "configmaps", json_pack("{s{ss}}", "metadata", "name", "mp-" FAKE_RUN));
    fake_join(&r->fake, &r->joined, false, fake_text(fake_meta(anchor), "uid"));
    json_t *direct = objects_direct_service(&r->joined.run, &r->joined.service, true);
    fake_put(&r->fake, "services", direct);
    mirror_init(&r->mirror, &r->joined.run, &r->joined.service, 1);
    r->mirror.on_step = on_step;
    r->mirror.cookie = r;
}

static void rig_close(struct rig *r)
{
    mirror_release(&r->mirror);
    incumbent_survey_release(&r->joined.survey);
    fake_close(&r->fake);
}

static void go(struct rig *r, uint64_t ns)
{
    struct chore *c = &r->mirror.chore;
    fake_drive(&r->fake, &c, 1, r->fake.now_ns + ns);
}

/* Of the hand-made ones: their addresses, as "10.77.0.1 10.77.0.2". */
static size_t behind(struct rig *r, char *to, size_t size)
{
    json_t *all =
               fake_slices(&r->fake, "kubernetes.io/service-name=mp-" FAKE_RUN "-payments-direct"),
           *slice, *one;
    size_t i, k, slices = json_array_size(json_object_get(all, "items"));
    to[0] = '\0';
    json_array_foreach(json_object_get(all, "items"), i, slice)
    {
        json_array_foreach(json_object_get(slice, "endpoints"), k, one)
        {
            size_t used = strlen(to);
            snprintf(to + used, size - used, "%s%s%s", used > 0 ? " " : "",
                     json_string_value(json_array_get(json_object_get(one, "addresses"), 0)),
                     json_is_true(json_object_get(json_object_get(one, "conditions"), "ready"))
                         ? ""
                         : "?");
        }
    }
    json_decref(all);
    return slices;
}

static void the_real_pods_are_behind_ours(void **state)
{
    struct rig r;
    char who[200];
    (void)state;
    rig_open(&r);
    go(&r, 2 * FAKE_S);
    assert_true(r.mirror.in_step && r.steps > 0);
    assert_int_equal(behind(&r, who, sizeof(who)), 1);
    assert_string_equal(who, "10.77.0.1 10.77.0.2 10.77.0.3");
    const json_t *slice = fake_get(&r.fake, "endpointslices", "mp-" FAKE_RUN "-ports-1");
    assert_non_null(slice);
    assert_int_equal(json_array_size(json_object_get(fake_meta(slice), "ownerReferences")), 1);
    const json_t *port = json_array_get(json_object_get(slice, "ports"), 0);
    assert_string_equal(fake_text(port, "name"), "tcp-direct");
    assert_int_equal(json_integer_value(json_object_get(port, "port")), 8080);
    const json_t *one = json_array_get(json_object_get(slice, "endpoints"), 0);
    assert_string_equal(fake_text(json_object_get(one, "targetRef"), "name"), "payments-5d9c-1");
    /* nothing changes: nothing is written, and it is asked each 5 s */
    size_t before = json_array_size(r.fake.log);
    go(&r, 20 * FAKE_S);
    assert_in_range(json_array_size(r.fake.log) - before, 2 * 3, 2 * 5);
    assert_null(fake_called(&r.fake, "POST endpointslices", 1));
    rig_close(&r);
}

/* A relay that chose itself would be a loop. */
static void ours_are_never_behind_ours(void **state)
{
    struct rig r;
    char who[200];
    (void)state;
    rig_open(&r);
    json_t *pod = objects_endpoint_pod(&r.joined.run, &r.joined.service, 1);
    assert_string_equal(fake_text(json_object_get(fake_meta(pod), "labels"), "app"), "payments");
    fake_put(&r.fake, "pods", pod);
    go(&r, 12 * FAKE_S);
    json_t *real = fake_slices(&r.fake, "kubernetes.io/service-name=payments");
    const json_t *first = json_array_get(json_object_get(real, "items"), 0);
    assert_int_equal(json_array_size(json_object_get(first, "endpoints")), 4);
    json_decref(real);
    behind(&r, who, sizeof(who));
    assert_string_equal(who, "10.77.0.1 10.77.0.2 10.77.0.3");
    rig_close(&r);
}

static void it_follows_them(void **state)
{
    struct rig r;
    char who[200];
    (void)state;
    rig_open(&r);
    go(&r, 2 * FAKE_S);
    fake_put_real(&r.fake, 4);
    json_object_del(r.fake.objects, "pods/payments-5d9c-1");
    fake_set_condition(fake_get(&r.fake, "pods", "payments-5d9c-2"), "Ready", "False");
    r.fake.kubelet_ns = UINT64_MAX;
    go(&r, 6 * FAKE_S);
    assert_int_equal(behind(&r, who, sizeof(who)), 1);
    assert_string_equal(who, "10.77.0.2? 10.77.0.3 10.77.0.4");
    /* made anew before the old one went: they are never without an endpoint */
    assert_non_null(fake_called(&r.fake, "POST endpointslices/mp-" FAKE_RUN "-ports-2", 0));
    assert_non_null(fake_called(&r.fake, "DELETE endpointslices/mp-" FAKE_RUN "-ports-1", 0));
    assert_string_equal(r.mirror.scarce, "");
    fake_set_condition(fake_get(&r.fake, "pods", "payments-5d9c-3"), "Ready", "False");
    go(&r, 6 * FAKE_S);
    assert_string_equal(r.mirror.scarce, "payments");
    assert_int_equal(r.mirror.ready, 1);
    rig_close(&r);
}

/* Stopped between two calls, and begun again: what is there is what counts. */
static void it_goes_on_from_what_is_there(void **state)
{
    (void)state;
    for (unsigned stop = 0; stop < 8; stop++) {
        struct rig r;
        char who[200];
        rig_open(&r);
        go(&r, 2 * FAKE_S);
        fake_put_real(&r.fake, 4);
        for (unsigned i = 0; i < stop;) {
            struct chore_step step = {0};
            r.mirror.chore.next(&r.mirror.chore, r.fake.now_ns, &step);
            if (step.want == CHORE_WAIT) {
                r.fake.now_ns = step.wake_ns;
                continue;
            }
            fake_answer(&r.fake, &r.mirror.chore, &step.request);
            i++;
        }
        mirror_again(&r.mirror, &r.joined.service, 1);
        assert_false(r.mirror.in_step);
        go(&r, 8 * FAKE_S);
        assert_true(r.mirror.in_step);
        assert_int_equal(behind(&r, who, sizeof(who)), 1);
        assert_string_equal(who, "10.77.0.1 10.77.0.2 10.77.0.3 10.77.0.4");
        rig_close(&r);
    }
}

static void what_the_api_refuses_ends_it(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    fake_refuse(&r.fake, (struct fake_rule){.verb = "POST",
                                            .part = "endpointslices",
                                            .outcome = API_FORBIDDEN,
                                            .sentence = "may not create endpointslices"});
    go(&r, 10 * FAKE_S);
    assert_true(r.mirror.over);
    assert_false(r.mirror.in_step);
    assert_string_equal(r.mirror.err.text,
                        "the way to the real pods of payments: may not create endpointslices");
    assert_int_equal(r.steps, 1);
    rig_close(&r);
}

static void an_api_that_is_away_is_waited_for(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    fake_refuse(
        &r.fake,
        (struct fake_rule){.outcome = API_UNREACHABLE, .sentence = "cannot reach it", .count = 10});
    go(&r, 30 * FAKE_S);
    assert_true(r.mirror.in_step);
    assert_false(r.mirror.over);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_pods_are_behind_ours),
        cmocka_unit_test(ours_are_never_behind_ours),
        cmocka_unit_test(it_follows_them),
        cmocka_unit_test(it_goes_on_from_what_is_there),
        cmocka_unit_test(what_the_api_refuses_ends_it),
        cmocka_unit_test(an_api_that_is_away_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
