#include "kube/caretaker.h"

#include "kube/build.h"
#include "kube/fake_live_test.h"
#include "kube/lease.h"

static const struct objects_service payments = {
    .name = "payments", .endpoints = 1, .port = 80, .port_name = "http", .app_protocol = "http"};
static const struct build_plan plan = {.run = {.run = "7f3a91c2",
                                               .namespace = "meshproof",
                                               .image = "image",
                                               .conductor = "10.77.0.2:7400",
                                               .deadline_s = 1860},
                                       .services = &payments,
                                       .service_count = 1,
                                       .loads = 1,
                                       .psk = "7f3a91c2:00",
                                       .guardian = true};

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
    struct build b;
    *r = (struct rig){.alive = true};
    fake_open(&r->fake);
    build_init(&b, &plan);
    assert_true(fake_do(&r->fake, &b.chore));
    build_release(&b);
    r->lease = fake_put(&r->fake, "leases",
                        json_pack("{s{ss} s{ss}}", "metadata", "name", "meshproof-payments", "spec",
                                  "holderIdentity", "7f3a91c2/pod"));
    r->fake.before = renew;
    r->fake.cookie = r;
    caretaker_init(&r->caretaker, &plan.run);
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
    assert_int_equal(json_object_size(r.fake.objects), 2); /* the Lease, the result */
    rig_close(&r);
}

static void test_channel_ended(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    care_for(&r, 60 * FAKE_S);
    r.caretaker.channel_ended = true; /* but it renews: a connection that broke */
    care_for(&r, 60 * FAKE_S);
    assert_false(r.caretaker.acting);
    r.alive = false;
    uint64_t died_ns = r.renewed_ns;
    while (!r.caretaker.acting)
        care_for(&r, FAKE_S);
    assert_in_range(r.fake.now_ns - died_ns, CARETAKER_AWAY_NS, CARETAKER_AWAY_NS + 6 * FAKE_S);
    rig_close(&r);
}

static void test_api_away_is_no_death(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    care_for(&r, 60 * FAKE_S);
    r.alive = false; /* nobody can renew either */
    r.fake.rules[r.fake.rule_count++] =
        (struct fake_rule){.outcome = API_UNREACHABLE, .sentence = "away", .count = 100};
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
        cmocka_unit_test(test_channel_ended),
        cmocka_unit_test(test_api_away_is_no_death),
        cmocka_unit_test(test_another_took_over),
        cmocka_unit_test(test_keeps_the_conductors_result),
        cmocka_unit_test(test_anchor_gone_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
