/* A step says what it has to say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "kube/chore.h"

#include "base/clock.h"
#include "kube/api_server_test.h"

#define PAUSE_NS (30 * NS_PER_MS)

/* Asks twice, with a wait between. */
struct twice {
    struct chore chore; /* first */
    unsigned answers;
    uint64_t pause_ns, wake_ns, first_ns, second_ns;
};

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct twice *t = (struct twice *)(void *)c;
    if (t->answers == 2) {
        ret->want = CHORE_OVER;
    } else if (t->answers == 1 && now_ns < t->wake_ns) {
        ret->want = CHORE_WAIT;
        ret->wake_ns = t->wake_ns;
    } else {
        ret->want = CHORE_CALL;
        ret->request = (struct api_request){.verb = API_GET, .path = "/version"};
    }
}

static void answer(struct chore *c, uint64_t now_ns, const struct api_answer *a)
{
    struct twice *t = (struct twice *)(void *)c;
    assert_int_equal(a->outcome, t->answers == 0 ? API_DONE : API_NO_KIND);
    assert_int_equal(*a->sentence == '\0', t->answers == 0);
    assert_int_equal(a->body != NULL, t->answers == 0);
    *(t->answers++ == 0 ? &t->first_ns : &t->second_ns) = now_ns;
    t->wake_ns = now_ns + t->pause_ns;
}

static const struct api_server_step steps[] = {{"GET /version", 200, "{}"},
                                               {"GET /version", 404, "no"}};

struct rig {
    struct api_server *server;
    struct loop *loop;
    struct api *api;
    unsigned over;
};

static void rig_open(struct rig *r, void **state, size_t count, bool with_loop)
{
    struct credentials_options options = {0};
    struct api_options how = {0};
    struct error err = {0};
    *r = (struct rig){0};
    if (with_loop)
        assert_true(loop_new(&r->loop, &err));
    r->server = api_server_open(state, steps, count);
    options.kubeconfig = api_server_kubeconfig(r->server, state);
    assert_true(credentials_open(&options, &how.credentials, &err));
    how.loop = r->loop;
    assert_true(api_open(&how, &r->api, &err));
}

static void rig_close(struct rig *r)
{
    api_close(r->api);
    api_server_close(r->server);
    if (r->loop != NULL)
        loop_free(r->loop);
}

static void a_chore_is_done_by_a_blocking_client(void **state)
{
    struct rig r;
    struct twice t = {.chore = {next, answer}, .pause_ns = PAUSE_NS};
    rig_open(&r, state, 2, false);
    chore_do(&t.chore, r.api);
    assert_int_equal(t.answers, 2);
    assert_true(t.second_ns - t.first_ns >= PAUSE_NS);
    /* The connection goes to the address, the certificate is that of the other name. */
    assert_non_null(strstr(r.server->seen[0].head, r.server->address));
    rig_close(&r);
}

static void on_over(void *cookie, struct chore *c)
{
    struct rig *r = cookie;
    (void)c;
    r->over++;
    loop_stop(r->loop);
}

static void a_chore_is_done_on_the_loop(void **state)
{
    struct rig r;
    struct twice t = {.chore = {next, answer}, .pause_ns = PAUSE_NS};
    struct chore_run run = {0};
    struct error err = {0};
    rig_open(&r, state, 2, true);
    chore_start(&run, &t.chore, r.api, r.loop, on_over, &r);
    assert_int_equal(t.answers, 0);
    assert_true(loop_run(r.loop, &err));
    assert_int_equal(t.answers, 2);
    assert_int_equal(r.over, 1);
    assert_true(t.second_ns - t.first_ns >= PAUSE_NS);
    rig_close(&r);
}

static bool has_one(void *cookie)
{
    return ((const struct twice *)cookie)->answers == 1;
}

static void a_chore_is_left_when_its_owner_has_enough(void **state)
{
    struct rig r;
    struct twice t = {.chore = {next, answer}, .pause_ns = 600 * NS_PER_S};
    rig_open(&r, state, 1, false);
    chore_do_until(&t.chore, r.api, has_one, &t);
    assert_int_equal(t.answers, 1);
    rig_close(&r);
}

static void a_stopped_chore_leaves_nothing_behind(void **state)
{
    struct rig r;
    struct twice t = {.chore = {next, answer}, .pause_ns = PAUSE_NS};
    struct chore_run run = {0};
    rig_open(&r, state, 0, true);
    chore_start(&run, &t.chore, r.api, r.loop, on_over, &r);
    chore_stop(&run);
    /* And it may be started anew. */
    chore_start(&run, &t.chore, r.api, r.loop, on_over, &r);
    chore_stop(&run);
    assert_int_equal(r.over, 0);
    rig_close(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chore_is_done_by_a_blocking_client),
        TEST(a_chore_is_done_on_the_loop),
        TEST(a_chore_is_left_when_its_owner_has_enough),
        TEST(a_stopped_chore_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
