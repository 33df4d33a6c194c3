#include "kube/swap.h"

#include "kube/fake_shop_test.h"

struct rig {
    struct fake fake;
    struct fake_joined joined;
    struct swap swap;
    json_t *anchor;
};

static void rig_open(struct rig *r)
{
    struct error err = {0};
    *r = (struct rig){0};
    fake_open_shop(&r->fake);
    const json_t *anchor = fake_put(
        &r->fake, "configmaps",
        json_pack("{s{ssss}}", "metadata", "name", "mp-" FAKE_RUN, "namespace", "meshproof"));
    r->anchor = json_deep_copy(anchor);
    fake_join(&r->fake, &r->joined, true, fake_text(fake_meta(anchor), "uid"));
    json_t *pod = objects_endpoint_pod(&r->joined.run, &r->joined.service, 1);
    fake_put(&r->fake, "pods", pod);
    fake_set_condition(pod, OBJECTS_ARMED_GATE, "True");
    r->fake.now_ns += 2 * FAKE_S;
    assert_true(swap_init(&r->swap, &r->joined.run, &r->joined.service, 1, r->anchor, &err));
}

static void rig_close(struct rig *r)
{
    swap_release(&r->swap);
    json_decref(r->anchor);
    incumbent_survey_release(&r->joined.survey);
    fake_close(&r->fake);
}

static const json_t *selector(const struct rig *r)
{
    return json_object_get(json_object_get(fake_get(&r->fake, "services", "payments"), "spec"),
                           "selector");
}

static bool is_theirs(const struct rig *r)
{
    return json_object_size(selector(r)) == 1 &&
           strcmp(fake_text(selector(r), "app"), "payments") == 0;
}

static void the_selector_is_ours_and_theirs_again(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    assert_true(fake_do(&r.fake, &r.swap.chore));
    assert_true(r.swap.done);
    assert_string_equal(fake_text(selector(&r), OBJECTS_RUN_LABEL), FAKE_RUN);
    assert_string_equal(fake_text(selector(&r), "app"), ""); /* a merge patch alone would keep it */
    /* promised before it is done */
    const char *text =
        fake_text(json_object_get(fake_get(&r.fake, "configmaps", "mp-" FAKE_RUN), "data"),
                  REVERT_JOURNAL_KEY);
    assert_non_null(strstr(text, "\"state\":\"done\""));
    assert_non_null(strstr(text, "\"old\":{\"app\":\"payments\"}"));
    swap_back(&r.swap);
    assert_true(fake_do(&r.fake, &r.swap.chore));
    assert_true(r.swap.done && is_theirs(&r));
    /* the next scenario */
    swap_again(&r.swap, &r.joined.service, 1);
    assert_true(fake_do(&r.fake, &r.swap.chore));
    assert_true(r.swap.done && !is_theirs(&r));
    swap_back(&r.swap);
    assert_true(fake_do(&r.fake, &r.swap.chore));
    assert_true(r.swap.done && is_theirs(&r));
    rig_close(&r);
}

static void what_another_made_of_it_is_left_alone(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    assert_true(fake_do(&r.fake, &r.swap.chore));
    json_t *service = fake_get(&r.fake, "services", "payments");
    json_object_set_new(json_object_get(service, "spec"), "selector",
                        json_pack("{ss}", "app", "others"));
    fake_touch(&r.fake, service);
    swap_back(&r.swap);
    assert_true(fake_do(&r.fake, &r.swap.chore));
    assert_false(r.swap.done);
    assert_non_null(strstr(r.swap.err.text, "Service payments /spec/selector is {\"app\":"
                                            "\"others\"}; it was {\"app\":\"payments\"}"));
    assert_string_equal(fake_text(selector(&r), "app"), "others");
    rig_close(&r);
}

/* An unrelated change in between is no reason to leave it (trap 5). */
static void an_annotation_in_between_does_no_harm(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    assert_true(fake_do(&r.fake, &r.swap.chore));
    json_t *service = fake_get(&r.fake, "services", "payments");
    json_object_set_new(fake_meta(service), "annotations", json_pack("{ss}", "a", "b"));
    fake_touch(&r.fake, service);
    swap_back(&r.swap);
    assert_true(fake_do(&r.fake, &r.swap.chore));
    assert_true(r.swap.done && is_theirs(&r));
    rig_close(&r);
}

/* Whatever is refused on the way in: the way back leaves the Service as it was. */
static void one_refusal_at_each_call(void **state)
{
    static const enum api_outcome outcomes[] = {API_FORBIDDEN, API_UNREACHABLE, API_CONFLICT};
    (void)state;
    for (size_t o = 0; o < COUNT_OF(outcomes); o++)
        for (unsigned n = 0; n < 6; n++) {
            struct rig r;
            rig_open(&r);
            fake_refuse(&r.fake,
                        (struct fake_rule){
                            .outcome = outcomes[o], .sentence = "said no", .after = n, .count = 1});
            assert_true(fake_do(&r.fake, &r.swap.chore));
            assert_true(r.swap.done || r.swap.err.kind != ERROR_NONE);
            r.fake.rule_count = 0;
            swap_back(&r.swap);
            assert_true(fake_do(&r.fake, &r.swap.chore));
            if (!is_theirs(&r))
                fail_msg("outcome %d of call %u: %s", (int)outcomes[o], n, r.swap.err.text);
            rig_close(&r);
        }
}

/* The edit is made, and nobody sees it: it is no swap. */
static void slices_that_do_not_follow_are_told(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    json_object_del(r.fake.objects, "pods/mp-" FAKE_RUN "-payments-1");
    assert_true(fake_do(&r.fake, &r.swap.chore));
    assert_false(r.swap.done);
    assert_string_equal(r.swap.err.text, "the EndpointSlices of Service payments do not show its "
                                         "new selector in 10 s");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_selector_is_ours_and_theirs_again),
        cmocka_unit_test(what_another_made_of_it_is_left_alone),
        cmocka_unit_test(an_annotation_in_between_does_no_harm),
        cmocka_unit_test(one_refusal_at_each_call),
        cmocka_unit_test(slices_that_do_not_follow_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
