#include "kube/lookout.h"

#include "kube/fake_run_test.h"

struct rig {
    struct fake fake;
    struct build_plan plan;
    struct build build;
    struct lookout lookout;
    unsigned looks;
};

static void on_look(void *cookie)
{
    ((struct rig *)cookie)->looks++;
}

static void rig_begin(struct rig *r)
{
    fake_open(&r->fake);
    build_init(&r->build, &r->plan);
    assert_true(fake_do(&r->fake, &r->build.chore));
    r->plan.run.anchor_uid = r->build.anchor_uid;
    lookout_init(&r->lookout, &r->plan.run, &fake_payments, 1, 3, NULL);
    r->lookout.on_look = on_look;
    r->lookout.cookie = r;
}

static void rig_open(struct rig *r)
{
    *r = (struct rig){.plan = fake_plan};
    rig_begin(r);
}

static void rig_close(struct rig *r)
{
    lookout_release(&r->lookout);
    build_release(&r->build);
    fake_close(&r->fake);
}

static void look_for(struct rig *r, uint64_t ns)
{
    struct chore *c = &r->lookout.chore;
    fake_drive(&r->fake, &c, 1, r->fake.now_ns + ns);
}

static void test_musters(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    look_for(&r, 10 * FAKE_S);
    assert_true(r.lookout.mustered);
    assert_false(r.lookout.over);
    assert_int_equal(r.lookout.pod_count, 3); /* not the guardian */
    /* the gates were opened, once each, and only when the containers were ready */
    assert_non_null(fake_called(&r.fake, "PATCH pods/mp-7f3a91c2-payments-1/status", 0));
    assert_null(fake_called(&r.fake, "PATCH pods/mp-7f3a91c2-payments-1/status", 1));
    assert_null(fake_called(&r.fake, "PATCH pods/mp-7f3a91c2-load-1", 0));
    /* then it asks each 5 s, and for no slices */
    size_t before = json_array_size(r.fake.log);
    look_for(&r, 20 * FAKE_S);
    size_t calls = json_array_size(r.fake.log) - before;
    assert_in_range(calls, 2 * 3, 2 * 5);
    rig_close(&r);
}

/* Pods of Jobs have names of chance: they are known by their index. */
static void test_indexed(void **state)
{
    struct rig r;
    struct lookout_pod pod;
    (void)state;
    r = (struct rig){.plan = fake_plan_indexed()};
    rig_begin(&r);
    look_for(&r, 10 * FAKE_S);
    assert_true(r.lookout.mustered);
    assert_int_equal(r.lookout.pod_count, 3);
    assert_null(fake_called(&r.fake, "POST pods/mp-7f3a91c2-payments", 0));
    const struct lookout_pod *two = lookout_find_indexed(&r.lookout, "payments", 2);
    assert_non_null(two);
    assert_string_equal(two->name, "mp-7f3a91c2-payments-1-x2z");
    assert_string_equal(lookout_find_indexed(&r.lookout, "", 1)->role, "load");
    assert_null(lookout_find_indexed(&r.lookout, "payments", 3));
    json_t *odd = json_pack("{s{ss s{ss}}}", "metadata", "name", "x", "annotations",
                            "batch.kubernetes.io/job-completion-index", "-1");
    lookout_read_pod(odd, &pod);
    assert_int_equal(pod.number, 0);
    json_decref(odd);
    rig_close(&r);
}

static void test_never_ready(void **state)
{
    struct rig r;
    char why[200];
    (void)state;
    rig_open(&r);
    r.fake.kubelet_ns = UINT64_MAX;
    json_t *pod = fake_get(&r.fake, "pods", "mp-7f3a91c2-payments-2");
    json_object_set_new(pod, "status",
                        json_pack("{s[{ss ss ss ss}]}", "conditions", "type", "PodScheduled",
                                  "status", "False", "reason", "Unschedulable", "message",
                                  "0/3 nodes are available"));
    look_for(&r, 30 * FAKE_S);
    assert_false(r.lookout.mustered);
    lookout_print_wait(&r.lookout, why, sizeof(why));
    assert_string_equal(why, "pod mp-7f3a91c2-payments-2 is not ready: Unschedulable: 0/3 nodes "
                             "are available");
    json_object_clear(r.fake.objects);
    rig_close(&r);
}

static void test_halt_and_gone(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    look_for(&r, 10 * FAKE_S);
    json_t *anchor = fake_get(&r.fake, "configmaps", "mp-7f3a91c2");
    json_object_set_new(fake_meta(anchor), "annotations",
                        json_pack("{ss}", OBJECTS_HALT_ANNOTATION, "alice\n: INC-1"));
    look_for(&r, 6 * FAKE_S);
    assert_string_equal(r.lookout.halt, "alice?: INC-1");
    assert_false(r.lookout.over);
    json_object_del(r.fake.objects, "configmaps/mp-7f3a91c2");
    unsigned looks = r.looks;
    look_for(&r, 6 * FAKE_S);
    assert_true(r.lookout.gone && r.lookout.over);
    assert_int_equal(r.looks, looks + 1);
    rig_close(&r);
}

static void test_api_away(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    fake_refuse(
        &r.fake,
        (struct fake_rule){.outcome = API_UNREACHABLE, .sentence = "cannot reach it", .count = 30});
    look_for(&r, 60 * FAKE_S);
    assert_true(r.lookout.mustered); /* it was waited for: the Lease says when not */
    assert_int_equal(r.lookout.err.kind, ERROR_NONE);
    rig_close(&r);
}

static void test_refused(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    fake_refuse(&r.fake, (struct fake_rule){.verb = "PATCH",
                                            .outcome = API_FORBIDDEN,
                                            .sentence = "may not patch pods/status"});
    look_for(&r, 60 * FAKE_S);
    assert_true(r.lookout.over);
    assert_non_null(strstr(r.lookout.err.text, "may not patch pods/status"));
    rig_close(&r);
}

static void read_pod(const char *status, struct lookout_pod *ret)
{
    json_t *pod =
        json_pack("{s{ss} so}", "metadata", "name", "p", "status", json_loads(status, 0, NULL));
    assert_non_null(pod);
    lookout_read_pod(pod, ret);
    json_decref(pod);
}

static void test_pods(void **state)
{
    static const struct {
        const char *status, *trouble;
        bool over;
    } rows[] = {
        {"{\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"low on memory\"}",
         "Evicted: low on memory", true},
        {"{\"phase\":\"Failed\",\"containerStatuses\":[{\"state\":{\"terminated\":{\"reason\":"
         "\"OOMKilled\",\"exitCode\":137}}}]}",
         "OOMKilled (exit 137)", true},
        {"{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
         "\"ErrImagePull\",\"message\":\"not found\"}}}]}",
         "ErrImagePull: not found", false},
        {"{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
         "\"ContainerCreating\"}}}]}",
         "", false},
        {"{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{\"running\":{}}}]}", "", false},
        {"{\"phase\":7,\"conditions\":{},\"containerStatuses\":[1,null]}", "", false},
    };
    struct lookout_pod pod;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        read_pod(rows[i].status, &pod);
        assert_string_equal(pod.trouble, rows[i].trouble);
        assert_int_equal(pod.over, rows[i].over);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indexed),     cmocka_unit_test(test_musters),
        cmocka_unit_test(test_never_ready), cmocka_unit_test(test_halt_and_gone),
        cmocka_unit_test(test_api_away),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
