#include "kube/lease.h"

#include "kube/fake_cluster_test.h"

static uint64_t wall(void)
{
    return UINT64_C(1795000000) * NS_PER_S; /* it stands still: renewTime must go on by itself */
}

static struct lease lease_of(const char *run, const char *pod, bool wait)
{
    struct lease_options options = {.namespace = "shop",
                                    .service = "payments",
                                    .run = run,
                                    .pod_uid = pod,
                                    .wait = wait,
                                    .wall_ns = wall};
    struct lease l;
    lease_init(&l, &options);
    return l;
}

static json_t *there(struct fake_cluster *f)
{
    return fake_find(f, GVR_LEASES, "shop", "meshproof-payments");
}

static const char *spec_text(struct fake_cluster *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(there(f), "spec"), key));
}

/* A renewal is urgent, and its second try is the lease's own, in a second: the client's back-off
 * could outlast LEASE_LOST_NS. */
static void is_urgent(struct fake_cluster *f, const struct api_request *r, void *cookie)
{
    (void)f;
    (void)cookie;
    assert_true(r->urgent);
    assert_int_equal(r->once, r->verb == API_PUT);
}

static void it_is_made_and_renewed_each_five_seconds(void **state)
{
    struct fake_cluster f;
    struct lease l = lease_of("7f3a91c2", "pod-1", false);
    char first[64], version[40];
    (void)state;
    fake_open(&f);
    f.before = is_urgent;
    fake_run(&f, &l.chore, NS_PER_S);
    assert_int_equal(l.state, LEASE_HELD);
    assert_string_equal(spec_text(&f, "holderIdentity"), "7f3a91c2/pod-1");
    snprintf(first, sizeof(first), "%s", spec_text(&f, "renewTime"));
    assert_string_equal(first, "2026-11-18T11:06:40.000000Z");
    snprintf(version, sizeof(version), "%s", l.version);
    fake_run(&f, &l.chore, 60 * NS_PER_S);
    assert_int_equal(l.state, LEASE_HELD);
    assert_int_equal(f.calls, 1 + 12);
    /* Each write moved the version, though the wall clock stood still (trap 3). */
    assert_int_equal(strtoul(l.version, NULL, 10) - strtoul(version, NULL, 10), 12);
    assert_string_equal(spec_text(&f, "renewTime"), "2026-11-18T11:06:40.000012Z");
    assert_string_equal(spec_text(&f, "acquireTime"), first);
    lease_leave(&l);
    fake_run(&f, &l.chore, 60 * NS_PER_S);
    assert_int_equal(l.state, LEASE_RELEASED);
    assert_null(there(&f));
    lease_release(&l);
    fake_close(&f);
}

static void of_two_who_want_it_one_has_it(void **state)
{
    struct fake_cluster f;
    struct lease a = lease_of("aaaaaaaa", "1", false), b = lease_of("bbbbbbbb", "2", false);
    (void)state;
    fake_open(&f);
    /* Turn by turn: b asks between each two of a's steps. */
    for (unsigned i = 0; i < 8; i++) {
        if (a.state == LEASE_ASKING)
            fake_step(&f, &a.chore, UINT64_MAX);
        if (b.state == LEASE_ASKING)
            fake_step(&f, &b.chore, UINT64_MAX);
    }
    assert_int_equal(a.state, LEASE_HELD);
    assert_int_equal(b.state, LEASE_REFUSED);
    assert_string_equal(b.err.text, "payments of shop is in the hands of run aaaaaaaa (Lease "
                                    "meshproof-payments): meshproof recover --on kubernetes -n "
                                    "shop --run aaaaaaaa, if that is dead");
    lease_release(&a);
    lease_release(&b);
    fake_close(&f);
}

/* Two contenders that wait for the same dead holder: the version decides, and the holder is read
 * back. */
static void a_dead_holder_is_followed_by_one_after_twice_the_duration(void **state)
{
    struct fake_cluster f;
    struct lease dead = lease_of("dddddddd", "0", false);
    struct lease a = lease_of("aaaaaaaa", "1", true), b = lease_of("bbbbbbbb", "2", true);
    (void)state;
    fake_open(&f);
    fake_run(&f, &dead.chore, 7 * NS_PER_S);
    assert_int_equal(dead.state, LEASE_HELD);
    uint64_t start = f.now_ns, end = start + 60 * NS_PER_S;
    while (a.state != LEASE_HELD && b.state != LEASE_HELD && f.now_ns < end) {
        uint64_t now = f.now_ns;
        fake_step(&f, &a.chore, end);
        uint64_t after = f.now_ns;
        f.now_ns = now; /* both live through the same seconds */
        fake_step(&f, &b.chore, end);
        f.now_ns = after > f.now_ns ? after : f.now_ns;
    }
    assert_true(f.now_ns - start >= LEASE_TAKE_NS);
    assert_true(f.now_ns - start <= LEASE_TAKE_NS + 2 * NS_PER_S);
    struct lease *won = a.state == LEASE_HELD ? &a : &b, *other = won == &a ? &b : &a;
    assert_string_equal(won->former, "dddddddd/0");
    assert_int_equal(won->transitions, 1);
    for (unsigned i = 0; i < 6; i++)
        fake_step(&f, &other->chore, f.now_ns + NS_PER_S);
    assert_int_equal(other->state, LEASE_WAITING);
    assert_string_equal(other->other, won->holder);
    assert_string_equal(other->former, "");
    /* The dead one comes back to life: it was lost long ago, by its own clock. */
    fake_run(&f, &dead.chore, NS_PER_S);
    assert_int_equal(dead.state, LEASE_LOST);
    assert_string_equal(spec_text(&f, "holderIdentity"), won->holder);
    lease_release(&a);
    lease_release(&b);
    lease_release(&dead);
    fake_close(&f);
}

static void a_living_holder_is_never_taken_over_from(void **state)
{
    struct fake_cluster f;
    struct lease a = lease_of("aaaaaaaa", "1", false), b = lease_of("bbbbbbbb", "2", true);
    (void)state;
    fake_open(&f);
    fake_run(&f, &a.chore, NS_PER_S);
    for (unsigned i = 0; i < 600; i++) {
        uint64_t now = f.now_ns;
        fake_run(&f, &a.chore, NS_PER_S);
        f.now_ns = now;
        fake_run(&f, &b.chore, NS_PER_S);
        f.now_ns = now + NS_PER_S;
    }
    assert_int_equal(a.state, LEASE_HELD);
    assert_int_equal(b.state, LEASE_WAITING);
    lease_release(&a);
    lease_release(&b);
    fake_close(&f);
}

static void a_holder_that_cannot_renew_says_so_before_others_may_take_over(void **state)
{
    struct fake_cluster f;
    struct lease l = lease_of("7f3a91c2", "pod-1", false);
    (void)state;
    fake_open(&f);
    fake_run(&f, &l.chore, 7 * NS_PER_S);
    uint64_t renewed = l.renewed_ns;
    assert_int_equal(lease_lost_at_ns(&l), renewed + LEASE_LOST_NS);
    f.down = true;
    fake_run(&f, &l.chore, 60 * NS_PER_S);
    assert_int_equal(l.state, LEASE_LOST);
    assert_true(f.now_ns - renewed <= LEASE_LOST_NS + NS_PER_S);
    assert_true(LEASE_LOST_NS < LEASE_TAKE_NS);
    assert_non_null(strstr(l.err.text, "could not be renewed for 10 s"));
    /* An answer after that changes nothing, and its leaving does not stay behind. */
    f.down = false;
    lease_leave(&l);
    fake_run(&f, &l.chore, 5 * NS_PER_S);
    assert_int_equal(l.state, LEASE_RELEASED);
    assert_null(there(&f));
    lease_release(&l);
    fake_close(&f);
}

static void a_short_outage_is_no_loss(void **state)
{
    struct fake_cluster f;
    struct lease l = lease_of("7f3a91c2", "pod-1", false);
    (void)state;
    fake_open(&f);
    fake_run(&f, &l.chore, 6 * NS_PER_S);
    f.down = true;
    fake_run(&f, &l.chore, 8 * NS_PER_S);
    assert_int_equal(l.state, LEASE_HELD);
    f.down = false;
    fake_run(&f, &l.chore, 30 * NS_PER_S);
    assert_int_equal(l.state, LEASE_HELD);
    lease_release(&l);
    fake_close(&f);
}

static void a_strangers_label_on_it_is_no_loss_and_its_deletion_is(void **state)
{
    struct fake_cluster f;
    struct lease l = lease_of("7f3a91c2", "pod-1", false);
    (void)state;
    fake_open(&f);
    fake_run(&f, &l.chore, NS_PER_S);
    json_object_set_new(fake_meta(there(&f)), "annotations", json_pack("{s:s}", "a", "b"));
    fake_touch(&f, there(&f));
    fake_run(&f, &l.chore, 20 * NS_PER_S);
    assert_int_equal(l.state, LEASE_HELD);
    json_object_clear(f.objects);
    fake_run(&f, &l.chore, 20 * NS_PER_S);
    assert_int_equal(l.state, LEASE_LOST);
    assert_non_null(strstr(l.err.text, "was deleted"));
    lease_release(&l);
    fake_close(&f);
}

static void a_second_pod_of_the_same_job_does_not_wait(void **state)
{
    struct fake_cluster f;
    struct lease a = lease_of("7f3a91c2", "pod-1", false), b = lease_of("7f3a91c2", "pod-2", false);
    (void)state;
    fake_open(&f);
    fake_run(&f, &a.chore, NS_PER_S);
    b.options.again = true;
    fake_run(&f, &b.chore, NS_PER_S);
    assert_int_equal(b.state, LEASE_HELD);
    assert_string_equal(b.former, "7f3a91c2/pod-1");
    assert_int_equal(b.transitions, 1);
    /* The first, if it lived after all, hears it at its next renewal. */
    fake_run(&f, &a.chore, 6 * NS_PER_S);
    assert_int_equal(a.state, LEASE_LOST);
    lease_release(&a);
    lease_release(&b);
    fake_close(&f);
}

/* Leaving does not delete what another has taken over. */
static void what_another_holds_is_not_deleted(void **state)
{
    struct fake_cluster f;
    struct lease a = lease_of("aaaaaaaa", "1", false);
    (void)state;
    fake_open(&f);
    fake_run(&f, &a.chore, NS_PER_S);
    json_object_set_new(json_object_get(there(&f), "spec"), "holderIdentity",
                        json_string("bbbbbbbb/2"));
    fake_touch(&f, there(&f));
    lease_leave(&a);
    fake_run(&f, &a.chore, 20 * NS_PER_S);
    assert_int_equal(a.state, LEASE_RELEASED);
    assert_non_null(there(&f));
    lease_release(&a);
    fake_close(&f);
}

/* Another contender, just before our request of ${verb} arrives. */
struct other {
    enum api_verb verb;
    unsigned skip; /* so many of them pass */
};

static void take_it(struct fake_cluster *f, const struct api_request *r, void *cookie)
{
    struct other *o = cookie;
    if (r->verb != o->verb || o->skip-- > 0)
        return;
    json_object_set_new(json_object_get(there(f), "spec"), "holderIdentity",
                        json_string("bbbbbbbb/2"));
    fake_touch(f, there(f));
    f->before = NULL;
}

static void between_the_last_look_and_the_deletion_another_may_come(void **state)
{
    struct fake_cluster f;
    struct lease a = lease_of("aaaaaaaa", "1", false);
    struct other o = {.verb = API_DELETE};
    (void)state;
    fake_open(&f);
    fake_run(&f, &a.chore, NS_PER_S);
    lease_leave(&a);
    f.before = take_it;
    f.cookie = &o;
    fake_run(&f, &a.chore, 20 * NS_PER_S);
    assert_int_equal(a.state, LEASE_RELEASED);
    assert_string_equal(spec_text(&f, "holderIdentity"), "bbbbbbbb/2");
    lease_release(&a);
    fake_close(&f);
}

/* Who took it over reads the holder back before he believes it. */
static void a_takeover_is_read_back(void **state)
{
    struct fake_cluster f;
    struct lease dead = lease_of("dddddddd", "0", false), a = lease_of("aaaaaaaa", "1", true);
    struct other o = {.verb = API_GET};
    (void)state;
    fake_open(&f);
    fake_run(&f, &dead.chore, NS_PER_S);
    while (strcmp(spec_text(&f, "holderIdentity"), a.holder) != 0)
        fake_step(&f, &a.chore, UINT64_MAX);
    assert_int_not_equal(a.state, LEASE_HELD);
    f.before = take_it;
    f.cookie = &o;
    fake_run(&f, &a.chore, NS_PER_S);
    assert_int_equal(a.state, LEASE_WAITING);
    assert_string_equal(a.other, "bbbbbbbb/2");
    lease_release(&a);
    lease_release(&dead);
    fake_close(&f);
}

/* An answer that took its time says how it was when it was asked for. */
static void slow_answers_count_from_the_question(void **state)
{
    struct fake_cluster f;
    struct lease l = lease_of("7f3a91c2", "pod-1", false);
    (void)state;
    fake_open(&f);
    f.call_ns = 4 * NS_PER_S;
    uint64_t asked = f.now_ns;
    fake_step(&f, &l.chore, UINT64_MAX);
    assert_int_equal(l.state, LEASE_HELD);
    assert_int_equal(lease_lost_at_ns(&l), asked + LEASE_LOST_NS);
    /* One that comes too late is none: the owner has disarmed. */
    f.call_ns = 11 * NS_PER_S;
    fake_run(&f, &l.chore, 30 * NS_PER_S);
    assert_int_equal(l.state, LEASE_LOST);
    lease_release(&l);
    fake_close(&f);
}

/* A signal cut the first call off: nobody knows whether the server has made it. */
static void one_whose_making_was_cut_off_does_not_stay(void **state)
{
    struct fake_cluster f;
    struct lease l = lease_of("7f3a91c2", "pod-1", false);
    struct chore_step step = {0};
    (void)state;
    fake_open(&f);
    l.chore.next(&l.chore, f.now_ns, &step);
    json_decref(fake_call(&f, &step.request).body); /* its answer never comes */
    assert_non_null(there(&f));
    lease_leave(&l);
    fake_run(&f, &l.chore, 20 * NS_PER_S);
    assert_int_equal(l.state, LEASE_RELEASED);
    assert_null(there(&f));
    lease_release(&l);
    fake_close(&f);
}

static void one_that_cannot_be_deleted_is_said(void **state)
{
    struct fake_cluster f;
    struct lease l = lease_of("7f3a91c2", "pod-1", false);
    (void)state;
    fake_open(&f);
    fake_run(&f, &l.chore, NS_PER_S);
    lease_leave(&l);
    f.down = true;
    fake_run(&f, &l.chore, 20 * NS_PER_S);
    assert_int_equal(l.state, LEASE_REFUSED);
    assert_string_equal(l.err.text,
                        "the Lease meshproof-payments of shop could not be deleted: said no");
    lease_release(&l);
    fake_close(&f);
}

static void names_of_services_and_of_holders(void **state)
{
    char name[LEASE_NAME_BYTES];
    (void)state;
    assert_true(lease_name("payments,shop", 1, name, sizeof(name)));
    assert_string_equal(name, "meshproof-shop");
    assert_true(lease_name("payments,shop", 0, name, sizeof(name)));
    assert_string_equal(name, "meshproof-payments");
    assert_false(lease_name("payments,shop", 2, name, sizeof(name)));
    assert_false(lease_name("", 0, name, sizeof(name)));
    assert_true(lease_is_of("7f3a91c2/pod", "7f3a91c2"));
    assert_false(lease_is_of("7f3a91c2", "7f3a91c2"));
    assert_false(lease_is_of("7f3a91c20/pod", "7f3a91c2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_made_and_renewed_each_five_seconds),
        cmocka_unit_test(of_two_who_want_it_one_has_it),
        cmocka_unit_test(a_dead_holder_is_followed_by_one_after_twice_the_duration),
        cmocka_unit_test(a_living_holder_is_never_taken_over_from),
        cmocka_unit_test(a_holder_that_cannot_renew_says_so_before_others_may_take_over),
        cmocka_unit_test(a_short_outage_is_no_loss),
        cmocka_unit_test(a_strangers_label_on_it_is_no_loss_and_its_deletion_is),
        cmocka_unit_test(a_second_pod_of_the_same_job_does_not_wait),
        cmocka_unit_test(what_another_holds_is_not_deleted),
        cmocka_unit_test(between_the_last_look_and_the_deletion_another_may_come),
        cmocka_unit_test(a_takeover_is_read_back),
        cmocka_unit_test(slow_answers_count_from_the_question),
        cmocka_unit_test(one_whose_making_was_cut_off_does_not_stay),
        cmocka_unit_test(one_that_cannot_be_deleted_is_said),
        cmocka_unit_test(names_of_services_and_of_holders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
