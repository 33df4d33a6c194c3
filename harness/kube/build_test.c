#include "kube/build.h"
#include "kube/sweep.h"

#include "kube/fake_run_test.h"

static const char *const in_order[] = {
    "POST configmaps/mp-7f3a91c2",      "POST secrets/mp-7f3a91c2-agents",
    "POST pods/mp-7f3a91c2-guardian",   "POST services/mp-7f3a91c2-payments",
    "POST pods/mp-7f3a91c2-payments-1", "POST pods/mp-7f3a91c2-payments-2",
    "POST pods/mp-7f3a91c2-load-1",
};

static const char *logged(const struct fake *f, size_t at)
{
    const char *text = json_string_value(json_array_get(f->log, at));
    return text == NULL ? "" : text;
}

static const json_t *owner_of(const struct fake *f, const char *resource, const char *name)
{
    return json_array_get(
        json_object_get(fake_meta(fake_get(f, resource, name)), "ownerReferences"), 0);
}

static void test_order_and_owners(void **state)
{
    struct fake f;
    struct build b;
    struct build_plan plan = fake_plan;
    (void)state;
    fake_open(&f);
    plan.run.job_name = "meshproof-7f3a91c2";
    plan.run.job_uid = "uid-of-job";
    build_init(&b, &plan);
    assert_true(fake_do(&f, &b.chore));
    assert_int_equal(b.err.kind, ERROR_NONE);
    assert_int_equal(b.made, COUNT_OF(in_order));
    for (size_t i = 0; i < COUNT_OF(in_order); i++)
        assert_string_equal(logged(&f, i), in_order[i]);
    const json_t *anchor = fake_get(&f, "configmaps", "mp-7f3a91c2");
    assert_string_equal(b.anchor_uid, fake_text(fake_meta(anchor), "uid"));
    assert_string_equal(fake_text(json_object_get(anchor, "data"), BUILD_SERVICES_KEY), "payments");
    /* traps 1 and 2: the Job does not control the anchor, the anchor controls all else */
    const json_t *job = owner_of(&f, "configmaps", "mp-7f3a91c2");
    assert_string_equal(fake_text(job, "kind"), "Job");
    assert_true(json_is_false(json_object_get(job, "controller")));
    const json_t *owner = owner_of(&f, "pods", "mp-7f3a91c2-payments-2");
    assert_string_equal(fake_text(owner, "uid"), b.anchor_uid);
    assert_true(json_is_true(json_object_get(owner, "controller")));
    build_release(&b);
    fake_close(&f);
}

/* Whatever is refused: nothing is asked for after it, and the sentence says what it was. */
static void test_refused_at_each_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(in_order); i++) {
        struct fake f;
        struct build b;
        fake_open(&f);
        fake_refuse(&f, (struct fake_rule){.verb = "POST",
                                           .after = (unsigned)i,
                                           .outcome = API_FORBIDDEN,
                                           .sentence = "may not create it"});
        build_init(&b, &fake_plan);
        assert_true(fake_do(&f, &b.chore));
        assert_int_equal(json_array_size(f.log), i + 1);
        assert_int_equal(b.made, i);
        assert_non_null(strstr(b.err.text, "may not create it"));
        const char *name = strchr(in_order[i], '/') + 1;
        assert_non_null(strstr(b.err.text, name));
        build_release(&b);
        fake_close(&f);
    }
}

static void test_next_scenario(void **state)
{
    struct fake f;
    struct build b;
    struct sweep sweep;
    (void)state;
    fake_open(&f);
    build_init(&b, &fake_plan);
    assert_true(fake_do(&f, &b.chore));
    build_forget_agents(&b);
    sweep_init(&sweep, &fake_plan.run); /* as between two scenarios */
    assert_true(fake_do(&f, &sweep.chore));
    assert_true(sweep.clean);
    sweep_release(&sweep);
    size_t before = json_array_size(f.log);
    build_again(&b, &fake_plan);
    assert_true(fake_do(&f, &b.chore));
    assert_int_equal(b.err.kind, ERROR_NONE);
    assert_int_equal(json_array_size(f.log),
                     before + 3); /* the agents alone: the guardian is there */
    assert_null(fake_called(&f, "POST configmaps", 1));
    assert_null(fake_called(&f, "POST services", 1));
    build_release(&b);
    fake_close(&f);
}

/* The Jobs go first: else they could make pods again while those are deleted. */
static void test_next_indexed_scenario(void **state)
{
    const struct build_plan plan = fake_plan_indexed();
    struct fake f;
    struct build b;
    struct sweep sweep;
    (void)state;
    fake_open(&f);
    f.collector_ns = UINT64_MAX; /* it does not wait for the collector */
    build_init(&b, &plan);
    assert_true(fake_do(&f, &b.chore));
    assert_int_equal(b.made, 6);
    build_forget_agents(&b);
    sweep_init(&sweep, &plan.run);
    assert_true(fake_do(&f, &sweep.chore));
    assert_true(sweep.clean);
    sweep_release(&sweep);
    assert_null(fake_get(&f, "jobs", "mp-7f3a91c2-payments"));
    assert_null(fake_get(&f, "pods", "mp-7f3a91c2-payments-0-x0z"));
    assert_non_null(fake_get(&f, "pods", "mp-7f3a91c2-guardian"));
    build_again(&b, &plan);
    assert_true(fake_do(&f, &b.chore));
    assert_int_equal(b.err.kind, ERROR_NONE);
    assert_non_null(fake_called(&f, "POST jobs/mp-7f3a91c2-load", 1));
    build_release(&b);
    fake_close(&f);
}

static void test_stopped(void **state)
{
    struct fake f;
    struct build b;
    struct chore_step step = {0};
    (void)state;
    fake_open(&f);
    build_init(&b, &fake_plan);
    b.chore.next(&b.chore, 0, &step);
    assert_int_equal(step.want, CHORE_CALL);
    fake_answer(&f, &b.chore, &step.request);
    build_stop(&b);
    b.chore.next(&b.chore, 0, &step);
    assert_int_equal(step.want, CHORE_OVER);
    assert_int_equal(b.made, 1);
    build_release(&b);
    fake_close(&f);
}

static void on_service(void *cookie, const char *service, const char *address)
{
    snprintf(cookie, 100, "%s %s", service, address);
}

static void test_service_address(void **state)
{
    struct fake f;
    struct build b;
    char told[100] = "";
    struct build_plan mine = fake_plan;
    (void)state;
    fake_open(&f);
    mine.on_service = on_service;
    mine.cookie = told;
    build_init(&b, &mine);
    assert_true(fake_do(&f, &b.chore));
    assert_string_equal(told, "payments 10.96.0.7:80");
    build_release(&b);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_owners), cmocka_unit_test(test_refused_at_each_step),
        cmocka_unit_test(test_next_scenario),    cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_service_address),  cmocka_unit_test(test_next_indexed_scenario),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
