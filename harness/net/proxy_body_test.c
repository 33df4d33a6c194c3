/* Bodies through the proxy: whole, whatever the framing, the pieces and the pace. */

#include "net/rig_test.h"
#include "net/splice.h"

/* Echoes the request's body: what comes out must be what went in, whatever the pieces and the
 * framing. */
static void fill_random(struct rng *rng, uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)rng_next(rng);
}

static void say_in_pieces(struct rng *rng, struct peer *p, struct bytes b, size_t most)
{
    while (b.len > 0) {
        size_t n = 1 + (size_t)rng_below(rng, most);
        n = n > b.len ? b.len : n;
        say_bytes(p, (struct bytes){b.at, n});
        b.at += n;
        b.len -= n;
        if (rng_below(rng, 4) == 0)
            await_ns(p->rig, 1);
    }
}

static void add_message(struct rng *rng, struct buffer *to, const char *first_line,
                        struct bytes body, bool chunked)
{
    struct error err = {0};
    char line[128];
    int n = chunked ? snprintf(line, sizeof(line),
                               "%s\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", first_line)
                    : snprintf(line, sizeof(line), "%s\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                               first_line, body.len);
    assert_true(buffer_add(to, line, (size_t)n, &err));
    if (!chunked) {
        assert_true(buffer_add(to, body.at, body.len, &err));
        return;
    }
    while (body.len > 0) {
        size_t piece = 1 + (size_t)rng_below(rng, body.len < 5000 ? body.len : 5000);
        n = snprintf(line, sizeof(line), "%zX;x=y\r\n", piece);
        assert_true(buffer_add(to, line, (size_t)n, &err) && buffer_add(to, body.at, piece, &err) &&
                    buffer_add(to, "\r\n", 2, &err));
        body.at += piece;
        body.len -= piece;
    }
    assert_true(buffer_add(to, "0\r\nx-end: 1\r\n\r\n", 15, &err));
}

static void bytes_come_out_as_they_went_in_whatever_the_pieces(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct rng rng = rng_of(99);
    struct peer *c = rig_dial(rig);
    static uint8_t body[100000];
    fill_random(&rng, body, sizeof(body));
    for (unsigned round = 0; round < 60; round++) {
        struct buffer ask, answer;
        size_t len = (size_t)rng_below(&rng, round % 3 == 0 ? sizeof(body) : 300);
        size_t most = 1 + (size_t)rng_below(&rng, round % 3 == 0 ? 30000 : 40);
        buffer_init(&ask, 1 << 20);
        buffer_init(&answer, 1 << 20);
        add_message(&rng, &ask, "POST /x HTTP/1.1", (struct bytes){body, len}, round % 2 == 0);
        add_message(&rng, &answer, "HTTP/1.1 200 OK", (struct bytes){body, len}, round % 4 < 2);
        peer_forget(c);
        say_in_pieces(&rng, c, buffer_view(&ask), most);
        struct peer *s = await_server(rig, 1);
        await_bytes(s, ask.len);
        assert_int_equal(s->in.len, ask.len);
        assert_memory_equal(s->in.at, ask.at, ask.len);
        peer_forget(s);
        say_in_pieces(&rng, s, buffer_view(&answer), most);
        await_bytes(c, answer.len);
        assert_int_equal(c->in.len, answer.len);
        assert_memory_equal(c->in.at, answer.at, answer.len);
        struct attempt_record *a = await_attempt(rig, round + 1);
        assert_int_equal(a->outcome, OUTCOME_ANSWERED);
        assert_int_equal(a->bytes_in, len);
        assert_int_equal(a->bytes_out, len);
        buffer_release(&ask);
        buffer_release(&answer);
    }
    assert_int_equal(rig->accepted, 1);
    rig_close(rig);
}

static void a_slow_reader_stops_the_sender_and_nothing_is_lost(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    size_t len = (size_t)24 * 1024 * 1024;
    uint8_t *body = check_alloc(len);
    struct rng rng = rng_of(5);
    fill_random(&rng, body, len);
    say(c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    loop_watch_remove(&c->watch); /* reads nothing for now */
    char head[96];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
    say(s, head);
    size_t sent = 0;
    unsigned blocked = 0;
    while (sent < len && blocked < 50) {
        ssize_t n = send(s->watch.fd, body + sent, len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else
            blocked++;
        await_ns(rig, NS_PER_MS);
    }
    assert_true(sent < len); /* the proxy does not swallow it all */
    struct error err = {0};
    assert_true(loop_watch_add_level(rig->loop, &c->watch, c->watch.fd, rig_on_peer, &err));
    say_bytes(s, (struct bytes){body + sent, len - sent});
    await_bytes(c, strlen(head) + len);
    assert_memory_equal(c->in.at + strlen(head), body, len);
    assert_int_equal(await_attempt(rig, 1)->bytes_out, len);
    /* and the other way */
    peer_forget(c);
    peer_forget(s);
    loop_watch_remove(&s->watch);
    snprintf(head, sizeof(head), "PUT /big HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", len);
    say(c, head);
    for (sent = 0, blocked = 0; sent < len && blocked < 50;) {
        ssize_t n = send(c->watch.fd, body + sent, len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else
            blocked++;
        await_ns(rig, NS_PER_MS);
    }
    assert_true(sent < len);
    assert_true(loop_watch_add_level(rig->loop, &s->watch, s->watch.fd, rig_on_peer, &err));
    say_bytes(c, (struct bytes){body + sent, len - sent});
    await_bytes(s, strlen(head) + len);
    assert_memory_equal(s->in.at + strlen(head), body, len);
    say(s, OK5);
    await_text(c, "hello");
    free(body);
    rig_close(rig);
}

static bool until_splicing(struct rig *rig, void *cookie)
{
    (void)rig;
    return loop_splices(((struct peer *)cookie)->rig->loop)->used == 1;
}

/* A long body passes through a pipe of the kernel's; what ends it half-way is told all the same. */
static void a_body_that_is_spliced_ends_as_any_other(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    static const uint8_t part[300000];
    enum end { BACKEND_FIN, BACKEND_RST, CLIENT_RST };
    (void)state;
    for (enum end end = BACKEND_FIN; end <= CLIENT_RST; end++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say(c, GET);
        struct peer *s = await_server(rig, 1);
        await_text(s, "\r\n\r\n");
        say(s, head);
        await_text(c, "\r\n\r\n");
        say_bytes(s, (struct bytes){part, sizeof(part)});
        await_bytes(c, strlen(head) + sizeof(part));
        rig_await_polling(rig, until_splicing, c);
        peer_close(end == CLIENT_RST ? c : s, end != BACKEND_FIN);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, end == BACKEND_FIN   ? OUTCOME_UPSTREAM_CLOSED
                                     : end == BACKEND_RST ? OUTCOME_UPSTREAM_RESET
                                                          : OUTCOME_LEFT);
        assert_int_equal(a->bytes_out, sizeof(part));
        await_gone(end == CLIENT_RST ? s : c);
        assert_true(end != BACKEND_RST || c->rst);
        assert_int_equal(loop_splices(rig->loop)->used, 0);
        rig_close(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_as_they_went_in_whatever_the_pieces),
        cmocka_unit_test(a_slow_reader_stops_the_sender_and_nothing_is_lost),
        cmocka_unit_test(a_body_that_is_spliced_ends_as_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
