/* A step says what it has to say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "kube/errand.h"

#include "base/clock.h"
#include "kube/api_server_test.h"

/* Raises ${signals}, a wake each, then asks once. */
struct errands {
    struct chore chore; /* first */
    int signals;
    uint64_t wake_ns;
    enum api_outcome outcome;
    bool asked;
};

static void next(struct chore *c, uint64_t now_ns, struct chore_step *ret)
{
    struct errands *t = (struct errands *)c;
    ret->want = t->asked ? CHORE_OVER : CHORE_CALL;
    ret->request = (struct api_request){.verb = API_GET, .path = "/version"};
    if (t->asked || (t->signals == 0 && now_ns >= t->wake_ns))
        return;
    if (now_ns >= t->wake_ns) {
        t->signals--;
        raise(SIGTERM);
        t->wake_ns = now_ns + 20 * NS_PER_MS;
    }
    ret->want = CHORE_WAIT;
    ret->wake_ns = t->wake_ns;
}

static void answer(struct chore *c, uint64_t now_ns, const struct api_answer *a)
{
    struct errands *t = (struct errands *)c;
    (void)now_ns;
    t->asked = true;
    t->outcome = a->outcome;
}

static const struct api_server_step steps[] = {{"GET /version", 200, "{}"}};

/* With ${raised} signals while it goes on, and ${before} before it began. */
static enum errand_end run(void **state, struct errands *t, size_t calls, bool hasty, int before)
{
    struct api_server *server = api_server_open(state, steps, calls);
    struct credentials_options options = {.kubeconfig = api_server_kubeconfig(server, state)};
    struct errand e = {.credentials = &options, .mode = "canary", .hasty = hasty};
    struct error err = {0};
    t->chore = (struct chore){next, answer};
    errand_hold_signals();
    for (int i = 0; i < before; i++)
        raise(SIGTERM);
    enum errand_end end = errand_run(&e, &t->chore, &err);
    errand_let_signals();
    assert_int_equal(err.kind, ERROR_NONE);
    api_server_close(server);
    return end;
}

static void it_is_done(void **state)
{
    struct errands t = {0};
    assert_int_equal(run(state, &t, 1, true, 0), ERRAND_DONE);
    assert_int_equal(t.outcome, API_DONE);
}

static void on_the_way_in_one_signal_ends_it(void **state)
{
    struct errands t = {.signals = 1};
    assert_int_equal(run(state, &t, 0, true, 0), ERRAND_STOPPED);
    /* One that came where nobody looked, too. */
    t = (struct errands){0};
    assert_int_equal(run(state, &t, 0, true, 1), ERRAND_STOPPED);
    assert_false(t.asked);
}

static void on_the_way_back_only_the_third(void **state)
{
    struct errands t = {.signals = 2};
    assert_int_equal(run(state, &t, 1, false, 5), ERRAND_DONE);
    assert_true(t.asked);
    t = (struct errands){.signals = 3};
    assert_int_equal(run(state, &t, 0, false, 0), ERRAND_STOPPED);
    assert_false(t.asked);
}

static void without_credentials_it_fails_with_their_sentence(void **state)
{
    struct credentials_options options = {.kubeconfig = "/nowhere/config"};
    struct errand e = {.credentials = &options};
    struct errands t = {.chore = {next, answer}};
    struct error err = {0};
    (void)state;
    assert_int_equal(errand_run(&e, &t.chore, &err), ERRAND_FAILED);
    assert_non_null(strstr(err.text, "/nowhere/config"));
    assert_false(t.asked);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_done),
        TEST(on_the_way_in_one_signal_ends_it),
        TEST(on_the_way_back_only_the_third),
        TEST(without_credentials_it_fails_with_their_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
