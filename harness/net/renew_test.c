/* proxy_renew: connections that end with their next answer, none of them under a request. */

#include "net/rig_test.h"

static void serve(struct rig *rig, struct peer *c, size_t nth, const char *until)
{
    say(c, GET);
    struct peer *s = await_server(rig, nth);
    await_text(s, "\r\n\r\n");
    s->in.len = 0;
    say(s, OK5);
    await_text(c, until);
    c->in.len = 0;
}

static void a_kept_connection_ends_with_its_next_answer_and_not_before(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    serve(rig, c, 1, "hello");
    assert_false(c->fin);
    proxy_renew(rig->proxy, 1, false);
    serve(rig, c, 1, "connection: close");
    await_gone(c);
    assert_true(c->fin);
    c = rig_dial(rig); /* a later one is kept */
    serve(rig, c, 1, "hello");
    serve(rig, c, 1, "hello");
    assert_false(c->fin);
    rig_close(rig);
}

static void each_later_connection_lives_for_one_answer_until_it_is_called_off(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    proxy_renew(rig->proxy, 1, true);
    for (int i = 0; i < 2; i++) {
        struct peer *c = rig_dial(rig);
        serve(rig, c, 1, "connection: close");
        await_gone(c);
        assert_true(c->fin);
    }
    proxy_renew(rig->proxy, 1, false);
    struct peer *c = rig_dial(rig);
    serve(rig, c, 1, "hello");
    serve(rig, c, 1, "hello");
    assert_false(c->fin);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_connection_ends_with_its_next_answer_and_not_before),
        cmocka_unit_test(each_later_connection_lives_for_one_answer_until_it_is_called_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
