#include "kube/caretaker.h"

#include "kube/fake_run_test.h"

struct rig {
    struct fake fake;
    struct caretaker caretaker;
    json_t *lease;
    uint64_t renewed_ns;
    bool alive;
};

/* The conductor, as far as its Lease shows it. */
static void renew(struct fake *f, const char *call)
{
    struct rig *r = f->cookie;
    (void)call;
    if (r->alive && f->now_ns >= r->renewed_ns + LEASE_RENEW_NS) {
        r->renewed_ns = f->now_ns;
        fake_touch(f, r->lease);
    }
}

static void rig_open(struct rig *r)
{
    *r = (struct rig){.alive = true};
    fake_open_built(&r->fake, &fake_plan);
    r->lease = fake_put_lease(&r->fake, "meshproof-payments", FAKE_RUN "/pod");
    r->fake.before = renew;
    r->fake.cookie = r;
    caretaker_init(&r->caretaker, &fake_plan.run);
}

static void rig_close(struct rig *r)
{
    caretaker_release(&r->caretaker);
    fake_close(&r->fake);
}

static void care_for(struct rig *r, uint64_t ns)
{
    struct chore *c = &r->caretaker.chore;
    fake_drive(&r->fake, &c, 1, r->fake.now_ns + ns);
}

static void test_conductor_lives(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    care_for(&r, 600 * FAKE_S);
    assert_false(r.caretaker.acting);
    assert_null(fake_called(&r.fake, "DELETE", 0));
    /* the run ends well */
    json_object_del(r.fake.objects, "configmaps/mp-7f3a91c2");
    r.alive = false;
    rig_close(&r);
}

static void test_conductor_is_lost(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    care_for(&r, 60 * FAKE_S);
    r.alive = false;
    uint64_t died_ns = r.renewed_ns;
    while (!r.caretaker.acting)
        care_for(&r, FAKE_S);
    assert_in_range(r.fake.now_ns - died_ns, CARETAKER_SILENT_NS, CARETAKER_SILENT_NS + 6 * FAKE_S);
    care_for(&r, 60 * FAKE_S);
    assert_true(r.caretaker.over);
    assert_true(teardown_clean(&r.caretaker.teardown));
    const json_t *result = fake_get(&r.fake, "configmaps", "mp-7f3a91c2-result");
    assert_string_equal(fake_text(json_object_get(result, "data"), "why"), "conductor lost");
    assert_int_equal(json_object_size(r.fake.objects), 1); /* the result: the next run may begin */
    rig_close(&r);
}

/* The end of the channel makes the wait shorter, and is no proof: while the Lease is renewed, it is
 * another network's trouble. */
static void test_channel_has_ended(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    care_for(&r, 60 * FAKE_S);
    caretaker_hear_end(&r.caretaker);
    care_for(&r, 600 * FAKE_S);
    assert_false(r.caretaker.acting);
    r.alive = false;
    uint64_t died_ns = r.renewed_ns;
    while (!r.caretaker.acting)
        care_for(&r, FAKE_S);
    assert_in_range(r.fake.now_ns - died_ns, CARETAKER_HEARD_NS, CARETAKER_HEARD_NS + 4 * FAKE_S);
    assert_true(CARETAKER_HEARD_NS + 4 * FAKE_S < CARETAKER_SILENT_NS);
    assert_string_equal(r.caretaker.why,
                        "the conductor's channel has ended, and its Lease stands still");
    rig_close(&r);
}

/* It judges for longer than its Lease holds; only one that then never comes back is lost. */
static void test_conductor_judges(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    care_for(&r, 60 * FAKE_S);
    caretaker_hear_goodbye(&r.caretaker);
    r.alive = false;
    care_for(&r, 100 * FAKE_S);
    assert_false(r.caretaker.acting);
    r.alive = true; /* it takes its run down, and renews meanwhile */
    care_for(&r, 10 * FAKE_S);
    r.alive = false;
    care_for(&r, 100 * FAKE_S);
    assert_false(r.caretaker.acting);
    care_for(&r, CARETAKER_LEAVING_NS);
    assert_true(r.caretaker.acting);
    rig_close(&r);
}

/* The collector has ended our own pod too, and it stays there until we have gone. */
static void linger(struct fake *f, const char *call)
{
    renew(f, call);
    if (fake_get(f, "pods", "mp-7f3a91c2-guardian") == NULL)
        fake_put(f, "pods",
                 json_pack("{s{ss ss s{ss} s[{ss ss ss}]}}", "metadata", "name",
                           "mp-7f3a91c2-guardian", "deletionTimestamp", "2026-11-26T10:00:00Z",
                           "labels", OBJECTS_RUN_LABEL, FAKE_RUN, "ownerReferences", "kind",
                           "ConfigMap", "name", "mp-7f3a91c2", "uid", "gone"));
}

static void test_does_not_wait_for_its_own_end(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    r.fake.before = linger;
    r.alive = false;
    while (!r.caretaker.acting)
        care_for(&r, FAKE_S);
    uint64_t began_ns = r.fake.now_ns;
    while (!r.caretaker.over)
        care_for(&r, FAKE_S);
    assert_true(teardown_clean(&r.caretaker.teardown));
    assert_true(r.fake.now_ns - began_ns < OBJECTS_GUARDIAN_GRACE_S * FAKE_S / 2);
    assert_non_null(fake_get(&r.fake, "configmaps", "mp-7f3a91c2-result"));
    rig_close(&r);
}

static void test_api_away_is_no_death(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    care_for(&r, 60 * FAKE_S);
    r.alive = false; /* nobody can renew either */
    fake_refuse(&r.fake,
                (struct fake_rule){.outcome = API_UNREACHABLE, .sentence = "away", .count = 100});
    care_for(&r, 150 * FAKE_S);
    assert_false(r.caretaker.acting);
    r.alive = true;
    care_for(&r, 200 * FAKE_S);
    assert_false(r.caretaker.acting);
    rig_close(&r);
}

static void test_another_took_over(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    care_for(&r, 10 * FAKE_S);
    r.alive = false;
    json_object_set_new(json_object_get(r.lease, "spec"), "holderIdentity",
                        json_string("0badcafe/pod"));
    fake_touch(&r.fake, r.lease);
    care_for(&r, 60 * FAKE_S);
    assert_true(r.caretaker.over && r.caretaker.acting);
    assert_null(fake_get(&r.fake, "configmaps", "mp-7f3a91c2"));
    assert_non_null(fake_get(&r.fake, "leases", "meshproof-payments"));
    rig_close(&r);
}

static void test_keeps_the_conductors_result(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    fake_put(&r.fake, "configmaps",
             json_pack("{s{ss} s{ss}}", "metadata", "name", "mp-7f3a91c2-result", "data", "verdict",
                       "FAIL"));
    r.alive = false;
    care_for(&r, 120 * FAKE_S);
    assert_true(r.caretaker.over);
    const json_t *result = fake_get(&r.fake, "configmaps", "mp-7f3a91c2-result");
    assert_string_equal(fake_text(json_object_get(result, "data"), "verdict"), "FAIL");
    rig_close(&r);
}

static void test_anchor_gone_before(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    json_object_del(r.fake.objects, "configmaps/mp-7f3a91c2");
    care_for(&r, 10 * FAKE_S);
    assert_true(r.caretaker.over && r.caretaker.gone && !r.caretaker.acting);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conductor_lives),
        cmocka_unit_test(test_conductor_is_lost),
        cmocka_unit_test(test_channel_has_ended),
        cmocka_unit_test(test_conductor_judges),
        cmocka_unit_test(test_does_not_wait_for_its_own_end),
        cmocka_unit_test(test_api_away_is_no_death),
        cmocka_unit_test(test_another_took_over),
        cmocka_unit_test(test_keeps_the_conductors_result),
        cmocka_unit_test(test_anchor_gone_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
