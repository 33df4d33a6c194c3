/* What is no HTTP any more, or never was: upgrades, CONNECT, raw streams. */

#include "net/rig_test.h"

static void an_upgrade_becomes_a_raw_stream_with_half_closes(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    const char *ask =
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    say(c, ask);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    expect_in(s, ask);
    const char *yes = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    peer_forget(s);
    say(s, yes);
    say(s, "server first");
    await_text(c, "server first");
    say(c, "client\r\n\r\nnext");
    await_text(s, "next");
    expect_in(s, "client\r\n\r\nnext");
    assert_int_equal(shutdown(c->watch.fd, SHUT_WR), 0);
    await_gone(s);
    assert_true(s->fin);
    say(s, "goodbye");
    await_text(c, "goodbye");
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    assert_int_equal(a->status, 101);
    assert_int_equal(a->bytes_in, 14);
    assert_int_equal(a->bytes_out, strlen("server first") + strlen("goodbye"));
    rig_close(rig);
}

static void connect_tunnels_after_2xx_only(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\nearly");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    expect_in(s, "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n");
    say(s, "HTTP/1.1 200 OK\r\n\r\n");
    await_text(s, "early");
    say(s, "back");
    await_text(c, "back");
    peer_close(c, false);
    await_gone(s);
    peer_close(s, false);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ANSWERED);
    c = rig_dial(rig);
    say(c, "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n");
    s = await_server(rig, 2);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    await_gone(c);
    expect_in(c, "HTTP/1.1 403 No\r\nContent-Length: 2\r\nconnection: close\r\n\r\nno");
    rig_close(rig);
}

static void raw_streams_pass_with_their_id_line_taken_out(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_TCP, false);
    struct peer *c = rig_dial(rig);
    say(c, "MP1 0000002a-0003-00000000");
    struct peer *s = await_server(rig, 1);
    await_ns(rig, NS_PER_MS);
    assert_int_equal(s->in.len, 0);
    say(c, "00000007 0012\nselect 1");
    await_text(s, "select 1");
    expect_in(s, "select 1");
    assert_int_equal(shutdown(c->watch.fd, SHUT_WR), 0);
    await_gone(s);
    say(s, "one");
    await_text(c, "one");
    peer_close(s, false);
    await_gone(c);
    assert_true(c->fin);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->how_tied, TIED_RAW_LINE);
    assert_int_equal(a->id_lo & 0xffff, 7);
    assert_string_equal(rig->name[a->tag], "0012"); /* none of this proxy's tags */
    assert_int_equal(a->bytes_in, 8);
    assert_int_equal(a->bytes_out, 3);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    /* a server that speaks first, and no id */
    c = rig_dial(rig);
    s = await_server(rig, 2);
    say(s, "220 ready");
    await_text(c, "220 ready");
    say(c, "MP");
    say(c, "X");
    await_text(s, "MPX");
    peer_close(c, true);
    await_gone(s);
    assert_true(s->rst);
    a = await_attempt(rig, 2);
    assert_int_equal(a->how_tied, TIED_NOT);
    assert_int_equal(a->outcome, OUTCOME_LEFT);
    assert_int_equal(a->left_kind, LEFT_RST);
    rig_close(rig);
}

static void the_number_in_the_line_is_a_tag_by_the_proxys_list(void **state)
{
    (void)state;
    static const struct {
        const char *digits, *tag;
    } rows[] = {{"0001", "f1:reset"}, {"0002", "all:hold"}, {"0003", "0003"}, {"0000", NULL}};
    struct rig *rig = rig_open_as(PROXY_TCP, false);
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        char line[64];
        struct peer *c = rig_dial(rig);
        snprintf(line, sizeof(line), "MP1 0000002a-0003-%016x %s\nx", i + 1, rows[i].digits);
        say(c, line);
        struct peer *s = await_server(rig, i + 1);
        await_text(s, "x");
        peer_close(c, true);
        await_gone(s);
        struct attempt_record *a = await_attempt(rig, i + 1);
        if (rows[i].tag == NULL)
            assert_int_equal(a->tag, 0);
        else
            assert_string_equal(rig->name[a->tag], rows[i].tag);
    }
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upgrade_becomes_a_raw_stream_with_half_closes),
        cmocka_unit_test(connect_tunnels_after_2xx_only),
        cmocka_unit_test(raw_streams_pass_with_their_id_line_taken_out),
        cmocka_unit_test(the_number_in_the_line_is_a_tag_by_the_proxys_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
