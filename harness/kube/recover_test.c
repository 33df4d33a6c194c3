#include "kube/recover.h"

#include "kube/fake_run_test.h"
#include "kube/halt.h"
#include "kube/lease.h"
#include "kube/result.h"
#include "kube/sweep.h"

static const struct objects_service services[] = {
    {.name = "payments", .endpoints = 1, .port = 80, .port_name = "http", .app_protocol = "http"},
    {.name = "orders", .endpoints = 1, .port = 80, .port_name = "http", .app_protocol = "http"}};

static void build_all(struct fake *f)
{
    struct build_plan plan = fake_plan;
    plan.services = services;
    plan.service_count = 2;
    fake_open_built(f, &plan);
}

static void test_dead_run(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    build_all(&f);
    fake_put_lease(&f, "meshproof-payments", "7f3a91c2/pod");
    fake_put_lease(&f, "meshproof-orders", "0badcafe/pod"); /* another's by now */
    recover_init(&r, "meshproof", "7f3a91c2");
    assert_true(fake_do(&f, &r.chore));
    assert_false(r.lives);
    assert_true(teardown_clean(&r.teardown));
    assert_int_equal(r.unlock.count, 1);
    assert_null(fake_get(&f, "leases", "meshproof-payments"));
    assert_non_null(fake_get(&f, "leases", "meshproof-orders"));
    assert_int_equal(json_object_size(f.objects), 1);
    recover_release(&r);
    /* again: nothing, at once */
    uint64_t before_ns = f.now_ns;
    recover_init(&r, "meshproof", "7f3a91c2");
    assert_true(fake_do(&f, &r.chore));
    assert_true(teardown_clean(&r.teardown) && r.err.kind == ERROR_NONE);
    assert_true(f.now_ns - before_ns < FAKE_S);
    recover_release(&r);
    fake_close(&f);
}

static void renew(struct fake *f, const char *call)
{
    (void)call;
    fake_touch(f, f->cookie);
}

static void test_live_run_is_left_alone(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    build_all(&f);
    f.cookie = fake_put_lease(&f, "meshproof-payments", "7f3a91c2/pod");
    f.before = renew;
    size_t before = json_object_size(f.objects);
    recover_init(&r, "meshproof", "7f3a91c2");
    assert_true(fake_do(&f, &r.chore));
    assert_true(r.lives);
    assert_int_equal(json_object_size(f.objects), before);
    assert_null(fake_called(&f, "DELETE", 0));
    recover_release(&r);
    fake_close(&f);
}

/* Its guardian has taken the anchor away, or it died before it had one. */
static void test_lease_without_an_anchor(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    fake_open(&f);
    fake_put_lease(&f, "meshproof-payments", FAKE_RUN "/pod");
    fake_put_lease(&f, "meshproof-orders", FAKE_RUN "/pod");
    fake_put_lease(&f, "meshproof-shop", "0badcafe/pod");
    recover_init(&r, "meshproof", FAKE_RUN);
    assert_true(fake_do(&f, &r.chore));
    assert_int_equal(r.unlock.count, 2);
    assert_false(r.unseen);
    assert_int_equal(json_object_size(f.objects), 1);
    recover_release(&r);
    fake_close(&f);
}

static void test_live_run_without_an_anchor_yet(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    fake_open(&f);
    f.cookie = fake_put_lease(&f, "meshproof-payments", FAKE_RUN "/pod");
    f.before = renew;
    recover_init(&r, "meshproof", FAKE_RUN);
    assert_true(fake_do(&f, &r.chore));
    assert_true(r.lives);
    assert_null(fake_called(&f, "DELETE", 0));
    recover_release(&r);
    fake_close(&f);
}

static void test_may_not_list_leases(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    fake_open(&f);
    fake_refuse(&f,
                (struct fake_rule){
                    .verb = "LIST", .part = "leases", .outcome = API_FORBIDDEN, .sentence = "no"});
    recover_init(&r, "meshproof", FAKE_RUN);
    assert_true(fake_do(&f, &r.chore));
    assert_true(r.unseen && teardown_clean(&r.teardown) && r.err.kind == ERROR_NONE);
    recover_release(&r);
    fake_close(&f);
}

/* Between our look and our deletion the Lease was taken over: its uid stays, its version does not.
 */
static void take_over(struct fake *f, const char *call)
{
    json_t *lease = fake_get(f, "leases", "meshproof-payments");
    if (strncmp(call, "DELETE leases", 13) != 0)
        return;
    json_object_set_new(json_object_get(lease, "spec"), "holderIdentity",
                        json_string("0badcafe/pod"));
    fake_touch(f, lease);
}

static void test_lease_taken_over_in_between(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    build_all(&f);
    fake_put_lease(&f, "meshproof-payments", FAKE_RUN "/pod");
    f.before = take_over;
    recover_init(&r, "meshproof", FAKE_RUN);
    assert_true(fake_do(&f, &r.chore));
    assert_int_equal(r.unlock.count, 0);
    assert_non_null(fake_get(&f, "leases", "meshproof-payments"));
    recover_release(&r);
    fake_close(&f);
}

static void relabel_once(struct fake *f, const char *call)
{
    json_t *lease = fake_get(f, "leases", "meshproof-payments");
    if (strncmp(call, "DELETE leases", 13) == 0 && fake_called(f, "DELETE leases", 1) == NULL)
        fake_touch(f, lease);
}

static void test_lease_that_only_changed_goes(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    build_all(&f);
    fake_put_lease(&f, "meshproof-payments", FAKE_RUN "/pod");
    f.before = relabel_once;
    recover_init(&r, "meshproof", FAKE_RUN);
    assert_true(fake_do(&f, &r.chore));
    assert_int_equal(r.unlock.count, 1);
    assert_int_equal(r.unlock.err.kind, ERROR_NONE);
    assert_null(fake_get(&f, "leases", "meshproof-payments"));
    recover_release(&r);
    fake_close(&f);
}

static void test_lease_that_stays_is_said(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    build_all(&f);
    fake_put_lease(&f, "meshproof-payments", FAKE_RUN "/pod");
    fake_put_lease(&f, "meshproof-orders", FAKE_RUN "/pod");
    fake_refuse(&f, (struct fake_rule){.verb = "DELETE",
                                       .part = "leases/meshproof-payments",
                                       .outcome = API_FORBIDDEN,
                                       .sentence = "may not delete leases"});
    recover_init(&r, "meshproof", FAKE_RUN);
    assert_true(fake_do(&f, &r.chore));
    assert_int_equal(r.unlock.count, 1); /* the other one goes all the same */
    assert_string_equal(r.unlock.err.text, "the Lease meshproof-payments of meshproof could not be "
                                           "deleted: may not delete leases");
    recover_release(&r);
    fake_close(&f);
}

static void test_cluster_refuses(void **state)
{
    struct fake f;
    struct recover r;
    (void)state;
    build_all(&f);
    fake_refuse(&f, (struct fake_rule){.verb = "GET",
                                       .outcome = API_FORBIDDEN,
                                       .sentence = "may not get configmaps"});
    recover_init(&r, "meshproof", "7f3a91c2");
    assert_true(fake_do(&f, &r.chore));
    assert_non_null(strstr(r.err.text, "may not get configmaps"));
    recover_release(&r);
    fake_close(&f);
}

static void obey(struct fake *f, const char *call)
{
    const json_t *anchor = fake_get(f, "configmaps", "mp-7f3a91c2");
    const json_t *marks = json_object_get(fake_meta(anchor), "annotations");
    unsigned *asked = f->cookie;
    (void)call;
    if (json_object_get(marks, OBJECTS_HALT_ANNOTATION) != NULL && ++*asked == 8)
        json_object_del(f->objects, "configmaps/mp-7f3a91c2");
}

static void test_halt(void **state)
{
    struct fake f;
    struct halt h;
    unsigned asked = 0;
    (void)state;
    build_all(&f);
    f.before = obey;
    f.cookie = &asked;
    halt_init(&h, "meshproof", "7f3a91c2", "alice");
    assert_true(fake_do(&f, &h.chore));
    assert_true(h.found && h.gone);
    halt_release(&h);
    /* idempotent */
    halt_init(&h, "meshproof", "7f3a91c2", "alice");
    assert_true(fake_do(&f, &h.chore));
    assert_true(!h.found && h.gone);
    halt_release(&h);
    fake_close(&f);
}

static void test_halt_is_not_obeyed(void **state)
{
    struct fake f;
    struct halt h;
    (void)state;
    build_all(&f);
    uint64_t begun_ns = f.now_ns;
    halt_init(&h, "meshproof", "7f3a91c2", "alice");
    assert_true(fake_do(&f, &h.chore));
    assert_true(h.found && !h.gone);
    assert_in_range(f.now_ns - begun_ns, HALT_WITHIN_NS, HALT_WITHIN_NS + 2 * FAKE_S);
    halt_release(&h);
    fake_close(&f);
}

static json_t *data_of(const char *verdict)
{
    return json_pack("{ss}", "verdict", verdict);
}

static void test_result(void **state)
{
    struct fake f;
    struct result r;
    char name[40];
    (void)state;
    fake_open(&f);
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof(name), "mp-%08x-result", i);
        fake_put(&f, "configmaps",
                 json_pack("{s{ss s{ss} so}}", "metadata", "name", name, "labels",
                           "meshproof.io/result", "true", "creationTimestamp",
                           json_sprintf("2026-11-%02dT10:00:00Z", i + 1)));
    }
    result_init(&r, &fake_plan.run, data_of("PASS"), false);
    assert_true(fake_do(&f, &r.chore));
    assert_true(r.written);
    assert_int_equal(r.pruned, 6);
    assert_int_equal(json_object_size(f.objects), RESULT_KEPT_MOST);
    assert_null(fake_get(&f, "configmaps", "mp-00000005-result"));
    assert_non_null(fake_get(&f, "configmaps", "mp-00000006-result"));
    result_release(&r);
    /* the last word is the conductor's */
    result_init(&r, &fake_plan.run, data_of("FAIL"), false);
    assert_true(fake_do(&f, &r.chore));
    const json_t *result = fake_get(&f, "configmaps", "mp-7f3a91c2-result");
    assert_string_equal(fake_text(json_object_get(result, "data"), "verdict"), "FAIL");
    result_release(&r);
    fake_refuse(&f, (struct fake_rule){.verb = "POST",
                                       .outcome = API_FORBIDDEN,
                                       .sentence = "may not create configmaps"});
    result_init(&r, &fake_plan.run, data_of("PASS"), false);
    assert_true(fake_do(&f, &r.chore));
    assert_false(r.written);
    assert_non_null(strstr(r.err.text, "may not create configmaps"));
    result_release(&r);
    fake_close(&f);
}

static void test_sweep(void **state)
{
    struct fake f;
    struct sweep s;
    (void)state;
    build_all(&f);
    fake_refuse(&f, (struct fake_rule){
                        .verb = "LIST", .outcome = API_OVERLOADED, .sentence = "busy", .count = 3});
    sweep_init(&s, &fake_plan.run);
    assert_true(fake_do(&f, &s.chore));
    assert_true(s.clean);
    assert_null(fake_get(&f, "pods", "mp-7f3a91c2-payments-1"));
    assert_non_null(fake_get(&f, "pods", "mp-7f3a91c2-guardian"));
    assert_non_null(fake_get(&f, "services", "mp-7f3a91c2-payments"));
    sweep_release(&s);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_run),
        cmocka_unit_test(test_live_run_is_left_alone),
        cmocka_unit_test(test_lease_without_an_anchor),
        cmocka_unit_test(test_live_run_without_an_anchor_yet),
        cmocka_unit_test(test_may_not_list_leases),
        cmocka_unit_test(test_lease_taken_over_in_between),
        cmocka_unit_test(test_lease_that_only_changed_goes),
        cmocka_unit_test(test_lease_that_stays_is_said),
        cmocka_unit_test(test_cluster_refuses),
        cmocka_unit_test(test_halt),
        cmocka_unit_test(test_halt_is_not_obeyed),
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
