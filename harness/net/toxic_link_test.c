#include "net/rig_test.h"
#include "net/toxic.h"

/* Toxics on real sockets: what reaches either peer, and the record of it. Times are
 * toxic_pipe_test's.
 */

static void arm(struct rig *rig, uint32_t version, enum toxic_kind kind, enum side side, int64_t a)
{
    struct toxic_list *l = toxic_list_new(1);
    l->at[l->count++] = (struct toxic){
        .id = 1, .version = version, .kind = kind, .side = side, .toxicity = 1, .value = {a}};
    proxy_toxics(rig->proxy, 1, l);
    toxic_list_release(l);
}

static void bytes_pass_both_ways_and_half_closes_too(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    say(s, "220 ready");
    await_text(c, "220 ready");
    say(c, "MP1 is no id here");
    await_text(s, "MP1 is no id here");
    assert_int_equal(shutdown(c->watch.fd, SHUT_WR), 0);
    await_gone(s);
    assert_true(s->fin);
    say(s, "bye");
    await_text(c, "bye");
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    assert_int_equal(a->bytes_in, 17);
    assert_int_equal(a->bytes_out, 12);
    rig_close(rig);
}

static void a_slow_reader_holds_its_writer_back_and_gets_every_byte(void **state)
{
    (void)state;
    enum { SIZE = 48 * 1024 * 1024 };
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    uint8_t *big = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        big[i] = (uint8_t)(i * 31 >> 3);
    loop_watch_remove(&s->watch);
    size_t sent = 0;
    for (int idle = 0; idle < 20;) { /* until nobody takes more */
        ssize_t n = send(c->watch.fd, big + sent, SIZE - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        await_ns(rig, 5 * NS_PER_MS);
    }
    assert_true(sent < SIZE);
    struct error err = {0};
    assert_true(loop_watch_add_level(rig->loop, &s->watch, s->watch.fd, rig_on_peer, &err));
    say_bytes(c, (struct bytes){big + sent, SIZE - sent});
    await_bytes(s, SIZE);
    assert_memory_equal(s->in.at, big, SIZE);
    free(big);
    rig_close(rig);
}

static void a_toxic_that_comes_late_acts_on_what_is_open(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    say(c, "one");
    await_text(s, "one");
    arm(rig, 1, TOXIC_TIMEOUT, SIDE_RESPONSE, 1);
    await_gone(c); /* without a byte more */
    assert_true(c->fin);
    await_gone(s);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->outcome, OUTCOME_CLOSED_BY_FAULT);
    rig_close(rig);
}

static void timeout_that_goes_closes_what_it_held(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    arm(rig, 1, TOXIC_TIMEOUT, SIDE_RESPONSE, 0);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    say(s, "lost");
    await_ns(rig, 5 * NS_PER_MS);
    proxy_toxics(rig->proxy, 1, NULL);
    await_gone(c);
    assert_true(c->fin);
    assert_int_equal(c->in.len, 0);
    rig_close(rig);
}

static void reset_peer_resets_both_peers(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    arm(rig, 1, TOXIC_RESET_PEER, SIDE_RESPONSE, 0);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    say(c, "one");
    await_text(s, "one");
    say(s, "two");
    await_gone(c);
    await_gone(s);
    assert_true(c->rst && s->rst);
    assert_int_equal(c->in.len, 0);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_RESET_BY_FAULT);
    rig_close(rig);
}

static void limit_data_closes_behind_its_bytes(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    arm(rig, 1, TOXIC_LIMIT_DATA, SIDE_RESPONSE, 5);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    say(s, "abcdefgh");
    await_gone(c);
    assert_true(c->fin);
    expect_in(c, "abcde");
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->outcome, OUTCOME_CLOSED_BY_FAULT);
    assert_int_equal(a->bytes_out, 5);
    rig_close(rig);
}

static void slow_close_keeps_the_end_back(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    arm(rig, 1, TOXIC_SLOW_CLOSE, SIDE_RESPONSE, 100);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    say(s, "abc");
    await_text(c, "abc");
    uint64_t closed_ns = clock_now_ns();
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin && c->fin_ns >= closed_ns + 100 * NS_PER_MS);
    rig_close(rig);
}

static void a_backend_that_refuses_closes_its_client(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    loop_watch_remove(&rig->backend);
    close(rig->backend.fd);
    struct peer *c = rig_dial(rig);
    await_gone(c);
    assert_true(c->fin);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_UPSTREAM_REFUSED);
    uint16_t port = 0;
    int fd = -1;
    struct error err = {0};
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &err));
    assert_true(loop_watch_add_level(rig->loop, &rig->backend, fd, rig_on_accept, &err));
    rig_close(rig);
}

static void resets_are_mirrored(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    say(s, "abc");
    await_text(c, "abc");
    peer_close(s, true);
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_UPSTREAM_RESET);
    c = rig_dial(rig);
    s = await_server(rig, 2);
    say(c, "abc");
    await_text(s, "abc");
    peer_close(c, true);
    await_gone(s);
    assert_true(s->rst);
    struct attempt_record *a = await_attempt(rig, 2);
    assert_int_equal(a->outcome, OUTCOME_LEFT);
    assert_int_equal(a->left_kind, LEFT_RST);
    rig_close(rig);
}

static void a_proxy_that_goes_takes_its_connections_along(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    arm(rig, 1, TOXIC_LATENCY, SIDE_RESPONSE, 100000);
    for (size_t i = 0; i < 5; i++) {
        struct peer *c = rig_dial(rig);
        struct peer *s = await_server(rig, i + 1);
        say(s, "held");
        say(c, "abc");
        await_text(s, "abc");
    }
    rig_close(rig); /* counts, and the sanitizer */
}

static void a_drain_that_is_over_cuts_what_toxics_hold(void **state)
{
    (void)state;
    bool done = false;
    struct rig *rig = rig_open_as(PROXY_TOXIC, false);
    arm(rig, 1, TOXIC_LATENCY, SIDE_RESPONSE, 100000);
    struct peer *c = rig_dial(rig);
    struct peer *s = await_server(rig, 1);
    say(s, "held");
    say(c, "abc");
    await_text(s, "abc");
    proxy_drain(rig->proxy, clock_now_ns() + 20 * NS_PER_MS, rig_on_done, &done);
    rig_await_polling(rig, rig_until_true, &done);
    await_gone(c);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ABANDONED);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_both_ways_and_half_closes_too),
        cmocka_unit_test(a_slow_reader_holds_its_writer_back_and_gets_every_byte),
        cmocka_unit_test(a_toxic_that_comes_late_acts_on_what_is_open),
        cmocka_unit_test(timeout_that_goes_closes_what_it_held),
        cmocka_unit_test(reset_peer_resets_both_peers),
        cmocka_unit_test(limit_data_closes_behind_its_bytes),
        cmocka_unit_test(slow_close_keeps_the_end_back),
        cmocka_unit_test(a_backend_that_refuses_closes_its_client),
        cmocka_unit_test(resets_are_mirrored),
        cmocka_unit_test(a_proxy_that_goes_takes_its_connections_along),
        cmocka_unit_test(a_drain_that_is_over_cuts_what_toxics_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
