#include "kube/teardown.h"

#include "kube/fake_run_test.h"

/* Of the user, or of others with the run's label: never ours to take. */
static void put_strangers(struct fake *f)
{
    static const char *const names[] = {"mp-7f3a91c2-result", "mp-7f3a91c2-suite"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        fake_put(f, "configmaps",
                 json_pack("{s{ss s{ss}}}", "metadata", "name", names[i], "labels",
                           OBJECTS_RUN_LABEL, "7f3a91c2"));
    fake_put(f, "pods",
             json_pack("{s{ss s{ss ss} s[{ss ss ss}]}}", "metadata", "name", "meshproof-7f3a91c2-x",
                       "labels", OBJECTS_RUN_LABEL, "7f3a91c2", OBJECTS_ROLE_LABEL, "conductor",
                       "ownerReferences", "kind", "Job", "name", "meshproof-7f3a91c2", "uid",
                       "uid-of-job"));
}

static size_t tear_down(struct fake *f, struct teardown *t, char *to, size_t size)
{
    struct text text;
    uint64_t begun_ns = f->now_ns;
    text_init(&text, 20000);
    teardown_init(t, "meshproof", "7f3a91c2", TEARDOWN_BUDGET_NS);
    assert_true(fake_do(f, &t->chore));
    assert_true(t->over);
    assert_true(f->now_ns < begun_ns + TEARDOWN_BUDGET_NS + 20 * FAKE_S);
    teardown_print(t, &text);
    snprintf(to, size, "%s", text_get(&text));
    text_release(&text);
    return json_object_size(f->objects);
}

static void test_all_goes(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    put_strangers(&f);
    assert_int_equal(tear_down(&f, &t, how, sizeof(how)), 3);
    assert_true(teardown_clean(&t));
    assert_non_null(strstr(how, "run 7f3a91c2 is gone from namespace meshproof"));
    /* one DELETE does it: the collector has the rest */
    assert_non_null(fake_called(&f, "DELETE configmaps/mp-7f3a91c2", 0));
    assert_null(fake_called(&f, "DELETE", 1));
    teardown_release(&t);
    /* again: nothing is left, and that is no error */
    assert_int_equal(tear_down(&f, &t, how, sizeof(how)), 3);
    assert_true(teardown_clean(&t));
    assert_non_null(strstr(how, "nothing of run 7f3a91c2 is left"));
    teardown_release(&t);
    fake_close(&f);
}

static void test_collector_sleeps(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    put_strangers(&f);
    f.collector_ns = UINT64_MAX;
    /* a Secret cannot be listed (2.2): it alone waits for the collector */
    assert_int_equal(tear_down(&f, &t, how, sizeof(how)), 4);
    assert_true(teardown_clean(&t));
    assert_non_null(fake_called(&f, "DELETE pods/mp-7f3a91c2-payments-1", 0));
    assert_non_null(fake_called(&f, "DELETE services/mp-7f3a91c2-payments", 0));
    assert_null(fake_called(&f, "DELETE pods/meshproof-7f3a91c2-x", 0));
    teardown_release(&t);
    fake_close(&f);
}

/* The anchor's DELETE takes the Jobs, and those their pods; where the collector sleeps, both are
 * deleted by name. Another's Job and its pods stay. */
static void test_indexed_agents_go(void **state)
{
    const struct build_plan plan = fake_plan_indexed();
    (void)state;
    for (size_t sleeps = 0; sleeps < 2; sleeps++) {
        struct fake f;
        struct teardown t;
        char how[1000];
        fake_open_built(&f, &plan);
        put_strangers(&f);
        fake_live(&f); /* the Job controller */
        assert_non_null(fake_get(&f, "pods", "mp-7f3a91c2-payments-1-x2z"));
        f.collector_ns = sleeps ? UINT64_MAX : FAKE_S;
        assert_int_equal(tear_down(&f, &t, how, sizeof(how)), 3 + sleeps);
        assert_true(teardown_clean(&t));
        assert_in_range(t.seen, 2, 10); /* it has waited for the pods */
        const char *direct = fake_called(&f, "DELETE jobs/mp-7f3a91c2-payments", 0);
        if ((direct != NULL) != (sleeps == 1))
            fail_msg("Jobs deleted by name: %s", direct == NULL ? "no" : "yes");
        assert_null(fake_called(&f, "DELETE pods/meshproof-7f3a91c2-x", 0));
        teardown_release(&t);
        fake_close(&f);
    }
}

static void test_api_away_for_a_while(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    fake_refuse(&f, (struct fake_rule){
                        .outcome = API_UNREACHABLE, .sentence = "cannot reach it", .count = 12});
    assert_int_equal(tear_down(&f, &t, how, sizeof(how)), 0);
    assert_true(teardown_clean(&t));
    teardown_release(&t);
    fake_close(&f);
}

static void test_api_away_for_ever(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    fake_refuse(&f, (struct fake_rule){.outcome = API_UNREACHABLE, .sentence = "cannot reach it"});
    tear_down(&f, &t, how, sizeof(how));
    assert_false(teardown_clean(&t));
    assert_non_null(strstr(how, "not everything of run 7f3a91c2 is gone"));
    assert_non_null(strstr(how, "ConfigMap mp-7f3a91c2 (cannot reach it)"));
    teardown_release(&t);
    fake_close(&f);
}

static void test_pod_stays(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    json_object_set_new(fake_meta(fake_get(&f, "pods", "mp-7f3a91c2-payments-2")),
                        "deletionTimestamp", json_string("2026-11-26T10:00:00Z"));
    f.collector_ns = UINT64_MAX;
    tear_down(&f, &t, how, sizeof(how));
    assert_false(teardown_clean(&t));
    assert_int_equal(t.left_count, 1);
    assert_non_null(strstr(how, "Pod mp-7f3a91c2-payments-2 (being deleted)"));
    teardown_release(&t);
    fake_close(&f);
}

static void test_may_not_delete(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    fake_refuse(&f, (struct fake_rule){.verb = "DELETE",
                                       .outcome = API_FORBIDDEN,
                                       .sentence = "may not delete configmaps"});
    tear_down(&f, &t, how, sizeof(how));
    assert_false(teardown_clean(&t));
    assert_non_null(strstr(how, "may not delete configmaps"));
    teardown_release(&t);
    fake_close(&f);
}

static void test_kind_missing(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    fake_refuse(&f, (struct fake_rule){.verb = "LIST",
                                       .part = "virtualservices",
                                       .outcome = API_NO_KIND,
                                       .sentence = "no Istio"});
    fake_refuse(&f, (struct fake_rule){.verb = "LIST",
                                       .part = "httproutes",
                                       .outcome = API_FORBIDDEN,
                                       .sentence = "no right"});
    assert_int_equal(tear_down(&f, &t, how, sizeof(how)), 0);
    assert_true(teardown_clean(&t));
    assert_null(fake_called(&f, "LIST virtualservices", 1)); /* asked once */
    teardown_release(&t);
    fake_close(&f);
}

/* Somebody deleted the anchor, or the whole namespace: that is no failure of ours. */
static void test_namespace_gone(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    json_object_clear(f.objects);
    assert_int_equal(tear_down(&f, &t, how, sizeof(how)), 0);
    assert_true(teardown_clean(&t));
    teardown_release(&t);
    fake_close(&f);
}

static void remake_anchor(struct fake *f, const char *call)
{
    json_t *copy;
    if (strncmp(call, "DELETE configmaps/mp-7f3a91c2", 29) != 0 || f->cookie != NULL)
        return;
    f->cookie = f;
    copy = json_deep_copy(fake_get(f, "configmaps", "mp-7f3a91c2"));
    fake_put(f, "configmaps", copy); /* another uid */
}

static void test_anchor_made_anew_in_between(void **state)
{
    struct fake f;
    struct teardown t;
    char how[1000];
    (void)state;
    fake_open_built(&f, &fake_plan);
    f.before = remake_anchor;
    assert_int_equal(tear_down(&f, &t, how, sizeof(how)), 0);
    assert_true(teardown_clean(&t));
    teardown_release(&t);
    fake_close(&f);
}

static void test_list_only(void **state)
{
    struct fake f;
    struct teardown t;
    (void)state;
    fake_open_built(&f, &fake_plan);
    size_t before = json_object_size(f.objects);
    teardown_init(&t, "meshproof", "7f3a91c2", TEARDOWN_BUDGET_NS);
    t.list_only = true;
    assert_true(fake_do(&f, &t.chore));
    assert_int_equal(t.left_count, 6); /* all but the Secret */
    assert_int_equal(json_object_size(f.objects), before);
    assert_null(fake_called(&f, "DELETE", 0));
    teardown_release(&t);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_goes),
        cmocka_unit_test(test_collector_sleeps),
        cmocka_unit_test(test_indexed_agents_go),
        cmocka_unit_test(test_api_away_for_a_while),
        cmocka_unit_test(test_api_away_for_ever),
        cmocka_unit_test(test_pod_stays),
        cmocka_unit_test(test_may_not_delete),
        cmocka_unit_test(test_kind_missing),
        cmocka_unit_test(test_namespace_gone),
        cmocka_unit_test(test_anchor_made_anew_in_between),
        cmocka_unit_test(test_list_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
