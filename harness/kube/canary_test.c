#include "kube/lease.h"
#include "kube/lookout.h"
#include "kube/result.h"
#include "kube/teardown.h"

#include "kube/fake_run_test.h"

/* The calls of a whole canary run in virtual time, and one thing going wrong at each of them: the
 * cluster is afterwards as it was, or the end says by name what is not. */

struct whole {
    struct fake fake;
    struct build_plan plan;
    struct lease lease;
    struct build build;
    struct lookout lookout;
    struct teardown teardown;
    bool locked, mustered, clean, unlocked, looked;
    char why[300]; /* the run did not come so far */
};

static void drive(struct whole *w, struct chore *c, uint64_t for_ns)
{
    struct chore *both[] = {c, &w->lease.chore};
    fake_drive(&w->fake, both, 2, w->fake.now_ns + for_ns);
}

static void lock(struct whole *w)
{
    const struct lease_options o = {
        .namespace = "meshproof", .service = "payments", .run = "7f3a91c2", .pod_uid = "pod"};
    struct chore *c = &w->lease.chore;
    lease_init(&w->lease, &o);
    for (int i = 0; i < 100 && w->lease.state == LEASE_ASKING; i++)
        fake_drive(&w->fake, &c, 1, w->fake.now_ns + FAKE_S);
    w->locked = w->lease.state == LEASE_HELD;
    snprintf(w->why, sizeof(w->why), "%s", w->lease.err.text);
}

/* Until all have mustered, or it is clear that they never will: as conduct_fleet.c does. */
static void look_on(struct whole *w)
{
    char wait[200];
    lookout_init(&w->lookout, &w->plan.run, &fake_payments, 1, 3, NULL);
    w->looked = true;
    for (int i = 0; i < 60 && !w->lookout.mustered && !w->lookout.over; i++) {
        drive(w, &w->lookout.chore, FAKE_S);
        lease_check(&w->lease, w->fake.now_ns);
        if (w->lease.state == LEASE_LOST) {
            snprintf(w->why, sizeof(w->why), "lost: %s", w->lease.err.text);
            return;
        }
    }
    w->mustered = w->lookout.mustered;
    lookout_print_wait(&w->lookout, wait, sizeof(wait));
    if (!w->mustered)
        snprintf(w->why, sizeof(w->why), "%s",
                 w->lookout.gone                     ? "the anchor was deleted"
                 : w->lookout.err.kind != ERROR_NONE ? w->lookout.err.text
                                                     : wait);
}

static void take_down(struct whole *w)
{
    struct result r;
    result_init(&r, &w->plan.run, json_pack("{ss}", "verdict", "PASS"), false);
    drive(w, &r.chore, 600 * FAKE_S);
    result_release(&r);
    teardown_init(&w->teardown, "meshproof", "7f3a91c2", TEARDOWN_BUDGET_NS);
    drive(w, &w->teardown.chore, 600 * FAKE_S);
    w->clean = teardown_clean(&w->teardown);
}

static void unlock(struct whole *w)
{
    struct chore *c = &w->lease.chore;
    lease_leave(&w->lease);
    fake_drive(&w->fake, &c, 1, w->fake.now_ns + 60 * FAKE_S);
    w->unlocked = w->lease.state == LEASE_RELEASED && w->lease.err.kind == ERROR_NONE;
}

static void open_whole(struct whole *w)
{
    *w = (struct whole){.plan = fake_plan};
    fake_open(&w->fake);
}

static void go(struct whole *w)
{
    lock(w);
    build_init(&w->build, &w->plan);
    if (w->locked) {
        drive(w, &w->build.chore, 600 * FAKE_S);
        w->plan.run.anchor_uid = w->build.anchor_uid;
        if (w->build.err.kind == ERROR_NONE)
            look_on(w);
        else
            snprintf(w->why, sizeof(w->why), "%s", w->build.err.text);
        take_down(w);
        unlock(w);
    }
}

static void close_whole(struct whole *w)
{
    if (w->locked)
        teardown_release(&w->teardown);
    if (w->looked)
        lookout_release(&w->lookout);
    build_release(&w->build);
    lease_release(&w->lease);
    fake_close(&w->fake);
}

/* Of the run, but for the result, which stays. */
static size_t left(struct whole *w)
{
    size_t count = 0;
    const char *key;
    json_t *object;
    for (int i = 0; i < 3; i++) { /* the collector has a Secret, which we may not list */
        w->fake.now_ns += FAKE_S;
        fake_live(&w->fake);
    }
    json_object_foreach(w->fake.objects, key, object)
    {
        count += strstr(key, "-result") == NULL;
    }
    return count;
}

static void test_order(void **state)
{
    static const char *const order[] = {
        "POST leases/meshproof-payments",
        "POST configmaps/mp-7f3a91c2",
        "POST secrets/",
        "POST pods/mp-7f3a91c2-guardian",
        "POST services/mp-7f3a91c2-payments",
        "POST pods/mp-7f3a91c2-payments-1",
        "POST pods/mp-7f3a91c2-load-1",
        "LIST pods",
        "PATCH pods/mp-7f3a91c2-payments-1",
        "LIST endpointslices",
        "POST configmaps/mp-7f3a91c2-result",
        "DELETE configmaps/mp-7f3a91c2",
        "LIST services",
        "DELETE leases/meshproof-payments",
    };
    struct whole w;
    size_t at = 0;
    (void)state;
    open_whole(&w);
    go(&w);
    assert_true(w.mustered && w.clean && w.unlocked);
    assert_int_equal(left(&w), 0);
    for (size_t i = 0; i < json_array_size(w.fake.log) && at < COUNT_OF(order); i++) {
        const char *call = json_string_value(json_array_get(w.fake.log, i));
        at += strncmp(call, order[at], strlen(order[at])) == 0;
    }
    if (at < COUNT_OF(order))
        print_message("missing, in its place: %s\n", order[at]);
    assert_int_equal(at, COUNT_OF(order));
    close_whole(&w);
}

/* One refusal at any call of the run: nothing stays behind, or it is told. */
static void test_one_refusal_anywhere(void **state)
{
    static const enum api_outcome outcomes[] = {API_FORBIDDEN, API_UNREACHABLE, API_OVERLOADED,
                                                API_INVALID,   API_CONFLICT,    API_BAD_ANSWER};
    (void)state;
    for (size_t o = 0; o < COUNT_OF(outcomes); o++) {
        for (unsigned n = 0; n < 45; n++) {
            struct whole w;
            open_whole(&w);
            fake_refuse(&w.fake,
                        (struct fake_rule){
                            .outcome = outcomes[o], .sentence = "said no", .after = n, .count = 1});
            go(&w);
            if (w.locked && (!w.mustered || !w.clean))
                assert_true(w.why[0] != '\0' || w.teardown.left_count > 0);
            if (!w.locked)
                assert_true(w.why[0] != '\0');
            if (left(&w) > 0 && w.locked && w.clean && w.unlocked)
                fail_msg("outcome %d of call %u (%s): %zu left", outcomes[o], n,
                         json_string_value(json_array_get(w.fake.log, n)), left(&w));
            close_whole(&w);
        }
    }
}

/* Rule of 2.1: a holder that cannot renew for 10 s stops before others may take over; and when the
 * API is back, all is taken down. */
static void test_api_away_for_30_s(void **state)
{
    struct whole w;
    (void)state;
    open_whole(&w);
    w.fake.kubelet_ns = 20 * FAKE_S; /* the pods take a while */
    w.fake.away_from_ns = w.fake.now_ns + 3 * FAKE_S;
    w.fake.away_to_ns = w.fake.away_from_ns + 30 * FAKE_S;
    go(&w);
    assert_false(w.mustered);
    assert_non_null(strstr(w.why, "lost"));
    assert_true(w.clean);
    assert_int_equal(left(&w), 0);
    close_whole(&w);
}

static void delete_namespace(struct fake *f, const char *call)
{
    if (strncmp(call, "PATCH pods", 10) == 0)
        json_object_clear(f->objects);
}

static void test_namespace_deleted(void **state)
{
    struct whole w;
    (void)state;
    open_whole(&w);
    w.fake.before = delete_namespace;
    go(&w);
    assert_false(w.mustered);
    assert_true(w.why[0] != '\0');
    assert_true(w.clean);
    assert_int_equal(left(&w), 0);
    close_whole(&w);
}

static void test_pods_never_ready(void **state)
{
    struct whole w;
    (void)state;
    open_whole(&w);
    w.fake.kubelet_ns = UINT64_MAX;
    go(&w);
    assert_false(w.mustered);
    assert_non_null(strstr(w.why, "pod mp-7f3a91c2-"));
    assert_non_null(strstr(w.why, "is not ready"));
    assert_true(w.clean && w.unlocked);
    assert_int_equal(left(&w), 0);
    close_whole(&w);
}

/* Two runs: the second is refused at once, and touches nothing. */
static void test_lease_is_anothers(void **state)
{
    struct whole w;
    (void)state;
    open_whole(&w);
    fake_put_lease(&w.fake, "meshproof-payments", "0badcafe/pod");
    go(&w);
    assert_false(w.locked);
    assert_non_null(strstr(w.why, "0badcafe"));
    assert_null(fake_called(&w.fake, "POST configmaps", 0));
    assert_int_equal(left(&w), 1);
    close_whole(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_one_refusal_anywhere),
        cmocka_unit_test(test_api_away_for_30_s),
        cmocka_unit_test(test_namespace_deleted),
        cmocka_unit_test(test_pods_never_ready),
        cmocka_unit_test(test_lease_is_anothers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
