/* The proxy's two connections: who ends them and what the other end sees of it, which are kept for
 * the next request, and what they cost. */

#include "net/rig_test.h"

static void a_client_that_leaves_is_evidence(void **state)
{
    (void)state;
    for (unsigned reset = 0; reset <= 1; reset++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say(c, GET);
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        peer_close(c, reset == 1);
        await_gone(s);
        assert_true(s->rst);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_LEFT);
        assert_int_equal(a->left_kind, reset == 1 ? LEFT_RST : LEFT_FIN);
        assert_true(a->left > a->upstream);
        assert_int_equal(a->status, 0);
        /* within a request body too */
        c = rig_dial(rig);
        say(c, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
        s = await_server(rig, 2);
        await_text(s, "abc");
        peer_close(c, reset == 1);
        await_gone(s);
        assert_true(s->rst);
        a = await_attempt(rig, 2);
        assert_int_equal(a->outcome, OUTCOME_LEFT);
        assert_int_equal(a->left_kind, reset == 1 ? LEFT_RST : LEFT_FIN);
        assert_int_equal(a->body, 0);
        struct connection_record *r = await_connection(rig, 4);
        assert_int_equal(r->endpoint, 1);
        rig_close(rig);
    }
}

/* Bytes and an RST in one epoll event: libevent does not tell it from bytes alone. */
static void a_reset_behind_the_last_bytes_is_not_missed(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    peer_close(s, true);
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_UPSTREAM_RESET);
    c = rig_dial(rig);
    say(c, GET);
    peer_close(c, true); /* the backend never answers */
    struct attempt_record *a = await_attempt(rig, 2);
    assert_int_equal(a->outcome, OUTCOME_LEFT);
    assert_int_equal(a->left_kind, LEFT_RST);
    rig_close(rig);
}

static void a_lost_backend_is_mirrored(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    for (unsigned reset = 0; reset <= 1; reset++) {
        struct peer *c = rig_dial(rig); /* before a head */
        say(c, GET);
        struct peer *s = await_server(rig, reset * 2 + 1);
        await_text(s, "\r\n\r\n");
        peer_close(s, reset == 1);
        await_gone(c);
        assert_int_equal(c->rst, reset == 1);
        assert_int_equal(c->in.len, 0);
        struct attempt_record *a = await_attempt(rig, reset * 2 + 1);
        assert_int_equal(a->outcome, reset == 1 ? OUTCOME_UPSTREAM_RESET : OUTCOME_UPSTREAM_CLOSED);
        assert_true(a->out > 0 && a->reply == 0);
        c = rig_dial(rig); /* within the body */
        say(c, GET);
        s = await_server(rig, reset * 2 + 2);
        await_text(s, "\r\n\r\n");
        say(s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
        await_text(c, "abc");
        peer_close(s, reset == 1);
        await_gone(c);
        assert_int_equal(c->rst, reset == 1);
        a = await_attempt(rig, reset * 2 + 2);
        assert_int_equal(a->outcome, reset == 1 ? OUTCOME_UPSTREAM_RESET : OUTCOME_UPSTREAM_CLOSED);
        assert_int_equal(a->status, 200);
    }
    loop_watch_remove(&rig->backend);
    close(rig->backend.fd);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 5)->outcome, OUTCOME_UPSTREAM_REFUSED);
    rig_close(rig);
}

static void a_pooled_connection_that_died_is_dialled_once_more(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, OK5);
    await_text(c, "hello");
    peer_forget(s);
    peer_forget(c);
    say(c, GET);
    await_text(s, "\r\n\r\n"); /* it took the request, and dies without a byte of answer */
    peer_close(s, true);
    s = await_server(rig, 2);
    await_text(s, GET);
    say(s, OK5);
    await_text(c, "hello");
    struct attempt_record *a = await_attempt(rig, 2);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    assert_int_equal(a->flags, ATTEMPT_EFFECT | ATTEMPT_REDIALLED);
    /* not what is not idempotent */
    peer_forget(s);
    say(c, "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
    await_text(s, "\r\n\r\nx");
    peer_close(s, true);
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 3)->outcome, OUTCOME_UPSTREAM_RESET);
    assert_int_equal(rig->accepted, 2);
    rig_close(rig);
}

static void an_idle_backend_connection_that_speaks_or_ends_is_closed(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    for (unsigned i = 0; i < 2; i++) {
        struct peer *c = rig_dial(rig);
        say(c, GET);
        struct peer *s = await_server(rig, i + 1);
        await_text(s, "\r\n\r\n");
        say(s, OK5);
        await_text(c, "hello");
        (void)await_attempt(rig, i + 1);
        if (i == 0)
            say(s, "HTTP/1.1 408 Timeout\r\n\r\n");
        else
            peer_close(s, false);
        struct connection_record *r = await_connection(rig, i + 1);
        assert_int_equal(r->side, 1);
        assert_int_equal(r->unsolicited, i == 0 ? 24 : 0);
        assert_int_equal(r->closed_by, i == 0 ? 1 : 0);
    }
    rig_close(rig);
}

static void refusing_closes_the_port_and_opens_it_again(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct error err = {0};
    assert_true(proxy_refuse(rig->proxy, 1, true, 7, &err));
    int fd = -1;
    if (socket_connect(rig->proxy_address, &fd, &err)) {
        struct peer *c = rig_add(rig, fd);
        await_gone(c);
        assert_true(c->rst);
    }
    assert_true(proxy_refuse(rig->proxy, 1, false, 7, &err));
    struct peer *c = rig_dial(rig);
    say(c, GET);
    await_text(await_server(rig, 1), "\r\n\r\n");
    (void)rig_records(rig);
    assert_int_equal(rig->world_count, 2);
    assert_int_equal(rig->world[0].step, 1);
    assert_int_equal(rig->world[1].step, 2);
    assert_true(rig->world[0].read_back_ok && rig->world[1].read_back_ok);
    assert_int_equal(rig->world[0].fault, 7);
    rig_close(rig);
}

/* A gate of two on one machine ended so: "127.0.0.1:35807 is in use", when its port was to listen
 * again; a client of the other gate had been given it. */
static void a_refused_port_is_nobody_elses(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct error err = {0};
    struct socket_address at;
    assert_true(proxy_refuse(rig->proxy, 1, true, 7, &err));
    assert_true(socket_parse(rig->proxy_address, &at, &err));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at.storage, at.len), -1);
    assert_int_equal(errno, EADDRINUSE);
    close(fd);
    assert_true(proxy_refuse(rig->proxy, 1, false, 7, &err));
    rig_close(rig);
}

static void a_moved_endpoint_has_another_port_and_its_peers_are_reset(void **state)
{
    (void)state;
    for (int refused = 0; refused <= 1; refused++) {
        struct rig *rig = rig_open();
        struct error err = {0};
        char before[64];
        int fd = -1;
        snprintf(before, sizeof(before), "%s", proxy_address(rig->proxy, 1));
        struct peer *kept = rig_dial(rig);
        say(kept, GET);
        await_text(await_server(rig, 1), "\r\n\r\n");
        if (refused)
            assert_true(proxy_refuse(rig->proxy, 1, true, 7, &err));
        assert_true(proxy_move(rig->proxy, 1, &err));
        await_gone(kept);
        assert_true(kept->rst);
        if (refused)
            assert_true(proxy_refuse(rig->proxy, 1, false, 7, &err));
        assert_string_not_equal(proxy_address(rig->proxy, 1), before);
        assert_true(socket_connect(proxy_address(rig->proxy, 1), &fd, &err));
        struct peer *c = rig_add(rig, fd);
        say(c, GET);
        await_text(await_server(rig, 2), "\r\n\r\n");
        rig_close(rig);
    }
}

static void draining_ends_what_is_open_and_says_when(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    bool done = false;
    struct peer *idle = rig_dial(rig), *busy = rig_dial(rig);
    say(busy, GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    proxy_drain(rig->proxy, clock_now_ns() + 5 * NS_PER_S, rig_on_done, &done);
    await_gone(idle);
    assert_true(idle->fin);
    peer_close(idle, false);
    assert_false(done);
    say(s, OK5);
    await_gone(busy);
    expect_in(busy, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhello");
    peer_close(busy, false);
    rig_await_polling(rig, rig_until_true, &done);
    rig_close(rig);
    /* and past its deadline */
    rig = rig_open();
    done = false;
    busy = rig_dial(rig);
    say(busy, GET);
    s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    proxy_drain(rig->proxy, clock_now_ns() + 5 * NS_PER_MS, rig_on_done, &done);
    rig_await_polling(rig, rig_until_true, &done);
    assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_ABANDONED);
    rig_close(rig);
}

static void affinity_ties_one_backend_connection_to_each_client(void **state)
{
    (void)state;
    struct rig *rig = rig_open_as(PROXY_HTTP1, true);
    struct peer *c[2] = {rig_dial(rig), rig_dial(rig)};
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2; i++) {
            peer_forget(c[i]);
            say(c[i], GET);
            struct peer *s = await_server(rig, i + 1);
            await_text(s, "\r\n\r\n");
            peer_forget(s);
            say(s, OK5);
            await_text(c[i], "hello");
        }
    }
    assert_int_equal(rig->accepted, 2);
    peer_close(c[0], false);
    await_gone(rig->server[0]);
    assert_false(rig->server[1]->fin);
    rig_close(rig);
}

static void answer_all(struct peer *p)
{
    struct rig *rig = p->rig;
    for (size_t i = 0; i < rig->accepted; i++) {
        if (rig->server[i] == p && p->in.len >= 4 &&
            memcmp(p->in.at + p->in.len - 4, "\r\n\r\n", 4) == 0) {
            peer_forget(p);
            assert_int_equal(send(p->watch.fd, OK5, sizeof(OK5) - 1, MSG_NOSIGNAL),
                             sizeof(OK5) - 1);
        }
    }
}

struct storm {
    struct peer *client[32];
    size_t sent, answered, wanted;
};
static bool until_answered(struct rig *rig, void *cookie)
{
    struct storm *storm = cookie;
    (void)rig;
    for (size_t i = 0; i < COUNT_OF(storm->client); i++) {
        struct peer *c = storm->client[i];
        if (c->in.len < strlen(OK5))
            continue;
        assert_int_equal(c->in.len, strlen(OK5));
        peer_forget(c);
        storm->answered++;
        if (storm->sent < storm->wanted) {
            storm->sent++;
            say(c, GET);
        }
    }
    return storm->answered >= storm->wanted;
}

static void a_relayed_request_costs_four_system_calls(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct storm storm = {.sent = COUNT_OF(storm.client), .wanted = 200};
    rig->on_server = answer_all;
    for (size_t i = 0; i < COUNT_OF(storm.client); i++) {
        storm.client[i] = rig_dial(rig);
        say(storm.client[i], GET);
    }
    rig_await(rig, until_answered, &storm);
    struct loop_counters before = *loop_counters(rig->loop);
    storm.answered = 0;
    storm.sent = COUNT_OF(storm.client);
    storm.wanted = 2000;
    for (size_t i = 0; i < COUNT_OF(storm.client); i++)
        say(storm.client[i], GET);
    rig_await(rig, until_answered, &storm);
    struct loop_counters after = *loop_counters(rig->loop);
    uint64_t io = after.recv + after.send - before.recv - before.send;
    assert_in_range(io, 2000 * 4 - 32 * 4, 2000 * 4 + 32 * 4);
    assert_int_equal(after.epoll_ctl - before.epoll_ctl, 0);
    assert_int_equal(after.accept - before.accept + after.connect - before.connect, 0);
    /* How many waits there are is the kernel's affair: the busier it is, the fewer answers each
     * brings. One more call a request would be 2000. */
    assert_in_range(after.other - before.other, 0, 2000 / 2);
    rig_close(rig);
}

static void curl_works_through_it(void **state)
{
    (void)state;
    if (access("/usr/bin/curl", X_OK) != 0)
        skip();
    struct rig *rig = rig_open();
    rig->on_server = answer_all;
    char url[64], out[] = "/tmp/net-curl-XXXXXX";
    int fd = mkstemp(out);
    assert_true(fd >= 0);
    snprintf(url, sizeof(url), "http://%s/x", rig->proxy_address);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd, 1);
        execl("/usr/bin/curl", "curl", "-s", "--max-time", "8", "--noproxy", "*", url, url,
              (char *)NULL);
        _exit(127);
    }
    size_t count = 2;
    rig_await_polling(rig, rig_until_attempts, &count);
    (void)await_connection(rig, 1); /* curl has gone */
    char seen[32] = {0};
    assert_int_equal(pread(fd, seen, sizeof(seen) - 1, 0), 10);
    assert_string_equal(seen, "hellohello");
    close(fd);
    unlink(out);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_leaves_is_evidence),
        cmocka_unit_test(a_reset_behind_the_last_bytes_is_not_missed),
        cmocka_unit_test(a_lost_backend_is_mirrored),
        cmocka_unit_test(a_moved_endpoint_has_another_port_and_its_peers_are_reset),
        cmocka_unit_test(a_pooled_connection_that_died_is_dialled_once_more),
        cmocka_unit_test(an_idle_backend_connection_that_speaks_or_ends_is_closed),
        cmocka_unit_test(refusing_closes_the_port_and_opens_it_again),
        cmocka_unit_test(a_refused_port_is_nobody_elses),
        cmocka_unit_test(draining_ends_what_is_open_and_says_when),
        cmocka_unit_test(affinity_ties_one_backend_connection_to_each_client),
        cmocka_unit_test(a_relayed_request_costs_four_system_calls),
        cmocka_unit_test(curl_works_through_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
