/* What flows once a handshake is done: bodies, back-pressure, ends, HTTP/2, raw streams, sessions
 * and swaps. */

#include "net/tls_peer_test.h"

#define BODY_BYTES ((size_t)10 * 1024 * 1024)

/* A client and a backend, both by TLS, with a request under way. */
struct pair {
    struct rig *rig;
    struct secure c, s;
};
static void pair_open(struct pair *p, enum proxy_protocol protocol, const char *first)
{
    struct tls_config serves = lab_serves(&lab, false), dials = lab_dials(&lab);
    struct secure_options client = {.version = TLS1_3_VERSION};
    struct secure_options server = {.server = true, .own = lab_leaf(&lab.server, CERT_GOOD)};
    p->rig = lab_rig(protocol, &serves, &dials);
    secure_open(&p->c, rig_dial(p->rig), &client);
    secure_await(p->rig, secure_is_done, &p->c);
    if (first != NULL)
        secure_say(&p->c, first);
    secure_open(&p->s, secure_await_server(p->rig, 1), &server);
    if (first != NULL)
        secure_await_text(&p->s, first);
}
static void pair_close(struct pair *p)
{
    secure_close(&p->c);
    secure_close(&p->s);
    rig_close(p->rig);
}

static uint8_t *body_of(size_t len)
{
    uint8_t *body = check_alloc(len);
    for (size_t i = 0; i < len; i++)
        body[i] = (uint8_t)(i * 31 + (i >> 12));
    return body;
}

static void ten_megabytes_pass_each_way_though_nobody_reads_for_a_while(void **state)
{
    uint8_t *body = body_of(BODY_BYTES);
    char head[128];
    struct pair p;
    (void)state;
    snprintf(head, sizeof(head), "POST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: %zu\r\n\r\n",
             BODY_BYTES);
    pair_open(&p, PROXY_HTTP1, head);
    size_t before = p.s.got.len;
    secure_say_bytes(&p.c, (struct bytes){body, BODY_BYTES});
    loop_watch_remove(&p.s.peer->watch); /* deaf */
    await_ns(p.rig, 50 * NS_PER_MS);
    secure_pump(&p.c);
    struct error err = {0};
    assert_true(
        loop_watch_add_level(p.rig->loop, &p.s.peer->watch, p.s.peer->watch.fd, rig_on_peer, &err));
    secure_await_bytes(&p.s, before + BODY_BYTES);
    assert_memory_equal(p.s.got.at + before, body, BODY_BYTES);
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", BODY_BYTES);
    secure_say(&p.s, head);
    secure_say_bytes(&p.s, (struct bytes){body, BODY_BYTES});
    loop_watch_remove(&p.c.peer->watch);
    await_ns(p.rig, 50 * NS_PER_MS);
    secure_pump(&p.s);
    assert_true(
        loop_watch_add_level(p.rig->loop, &p.c.peer->watch, p.c.peer->watch.fd, rig_on_peer, &err));
    secure_await_bytes(&p.c, strlen(head) + BODY_BYTES);
    assert_memory_equal(p.c.got.at + strlen(head), body, BODY_BYTES);
    struct attempt_record *a = await_attempt(p.rig, 1);
    assert_int_equal(a->outcome, OUTCOME_ANSWERED);
    assert_int_equal(a->bytes_in, BODY_BYTES);
    assert_int_equal(a->bytes_out, BODY_BYTES);
    free(body);
    pair_close(&p);
}

static void many_small_records_arrive_whole_and_in_order(void **state)
{
    struct pair p;
    (void)state;
    pair_open(&p, PROXY_HTTP1, "POST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: 5000\r\n\r\n");
    size_t before = p.s.got.len;
    for (unsigned i = 0; i < 5000; i++)
        secure_say_bytes(&p.c, (struct bytes){(const uint8_t *)&"0123456789"[i % 10], 1});
    secure_await_bytes(&p.s, before + 5000);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(p.s.got.at[before + i], "0123456789"[i % 10]);
    secure_say(&p.s, OK5);
    secure_await_text(&p.c, "hello");
    pair_close(&p);
}

/* Kept alive on both sides: one handshake each for many requests, pipelined in one record too. */
static void connections_are_kept_and_pooled(void **state)
{
    struct pair p;
    (void)state;
    pair_open(&p, PROXY_HTTP1, GET);
    for (unsigned i = 1; i <= 20; i++) {
        secure_say(&p.s, OK5);
        secure_await_bytes(&p.c, i * strlen(OK5));
        secure_say(&p.c, GET);
        secure_await_bytes(&p.s, (i + 1) * strlen(GET));
    }
    secure_say(&p.c, GET GET);
    for (unsigned i = 21; i <= 23; i++) {
        secure_say(&p.s, OK5);
        secure_await_bytes(&p.c, i * strlen(OK5));
        secure_await_bytes(&p.s, (i < 23 ? i + 1 : 23) * strlen(GET));
    }
    assert_int_equal(p.rig->accepted, 1);
    pair_close(&p);
}

/* As without TLS: two recv and two send a request. */
static void a_request_costs_no_more_calls_than_in_clear(void **state)
{
    struct pair p;
    (void)state;
    pair_open(&p, PROXY_HTTP1, GET);
    secure_say(&p.s, OK5);
    secure_await_bytes(&p.c, strlen(OK5));
    struct loop_counters before = *loop_counters(p.rig->loop);
    for (unsigned i = 1; i <= 50; i++) {
        secure_say(&p.c, GET);
        secure_await_bytes(&p.s, (i + 1) * strlen(GET));
        secure_say(&p.s, OK5);
        secure_await_bytes(&p.c, (i + 1) * strlen(OK5));
    }
    const struct loop_counters *after = loop_counters(p.rig->loop);
    assert_int_equal(after->send - before.send, 100);
    assert_in_range(after->recv - before.recv, 100, 104); /* a sweep may look once more */
    assert_int_equal(after->epoll_ctl, before.epoll_ctl);
    pair_close(&p);
}

static void an_end_within_a_body_is_mirrored_as_what_it_was(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct pair p;
        pair_open(&p, PROXY_HTTP1, GET);
        secure_say(&p.s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        secure_await_text(&p.c, "hello");
        peer_close(p.s.peer, i == 1);
        secure_await(p.rig, secure_is_gone, &p.c);
        secure_pump(&p.c);
        assert_int_equal(p.c.peer->rst, i == 1);
        assert_int_equal(p.c.ended, i == 0); /* our own end is never without close_notify */
        assert_int_equal(await_attempt(p.rig, 1)->outcome,
                         i == 1 ? OUTCOME_UPSTREAM_RESET : OUTCOME_UPSTREAM_CLOSED);
        pair_close(&p);
    }
}

static void a_client_that_leaves_is_told_apart(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct pair p;
        pair_open(&p, PROXY_HTTP1, GET);
        peer_close(p.c.peer, i == 1);
        struct attempt_record *a = await_attempt(p.rig, 1);
        assert_int_equal(a->outcome, OUTCOME_LEFT);
        assert_int_equal(a->left_kind, i == 1 ? LEFT_RST : LEFT_FIN);
        pair_close(&p);
    }
}

static void a_raw_stream_is_terminated_and_half_closed(void **state)
{
    struct pair p;
    (void)state;
    pair_open(&p, PROXY_TCP, "question");
    SSL_shutdown(p.c.ssl);
    secure_send(&p.c);
    shutdown(p.c.peer->watch.fd, SHUT_WR);
    secure_await(p.rig, secure_is_over, &p.s);
    secure_pump(&p.s);
    assert_true(p.s.ended);
    size_t n = 0;
    assert_int_equal(SSL_write_ex(p.s.ssl, "answer", 6, &n), 1);
    secure_send(&p.s);
    secure_await_text(&p.c, "answer");
    peer_close(p.s.peer, false);
    assert_int_equal(await_attempt(p.rig, 1)->outcome, OUTCOME_ANSWERED);
    assert_int_equal(p.rig->handshake_count, 2);
    pair_close(&p);
}

static bool has_received(void *cookie)
{
    const struct rig *rig = cookie;
    return loop_counters(rig->loop)->recv > 0;
}

static void bytes_that_come_within_the_backends_handshake_wait_for_its_end(void **state)
{
    struct tls_config dials = lab_dials(&lab);
    struct secure_options server = {.server = true, .own = lab_leaf(&lab.server, CERT_GOOD)};
    struct secure s;
    (void)state;
    struct rig *rig = lab_rig(PROXY_TCP, NULL, &dials);
    struct peer *client = rig_dial(rig), *backend = secure_await_server(rig, 1);
    await_bytes(backend, 5); /* the ClientHello, which nobody answers yet */
    loop_counters(rig->loop)->recv = 0;
    say(client, "early");
    secure_await(rig, has_received, rig);
    secure_open(&s, backend, &server);
    secure_await_text(&s, "early");
    assert_false(client->rst);
    secure_close(&s);
    rig_close(rig);
}

static void http2_is_chosen_by_alpn_on_both_sides(void **state)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    static const char request[] = "\0\0\x0d\1\5\0\0\0\1\x82\x84\x87\x41\x08pay.shop";
    struct tls_config serves = lab_serves(&lab, false), dials = lab_dials(&lab);
    struct secure_options client = {.alpn = (const uint8_t *)"\x02h2\x08http/1.1", .alpn_len = 12};
    struct secure_options server = {
        .server = true, .own = lab_leaf(&lab.server, CERT_GOOD), .takes_alpn = true};
    struct rig *rig = lab_rig(PROXY_HTTP, &serves, &dials);
    struct secure c, s;
    const unsigned char *chosen = NULL;
    unsigned len = 0;
    (void)state;
    secure_open(&c, rig_dial(rig), &client);
    secure_await(rig, secure_is_done, &c);
    SSL_get0_alpn_selected(c.ssl, &chosen, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(chosen, "h2", 2);
    secure_say_bytes(&c, (struct bytes){(const uint8_t *)preface, sizeof(preface)});
    secure_say_bytes(&c, (struct bytes){(const uint8_t *)request, sizeof(request) - 1});
    secure_open(&s, secure_await_server(rig, 1), &server);
    secure_await_text(&s, "PRI * HTTP/2.0");
    SSL_get0_alpn_selected(s.ssl, &chosen, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(chosen, "h2", 2);
    peer_close(c.peer, false);
    peer_close(s.peer, false);
    assert_int_equal(await_handshake(rig, 2)->alpn, ALPN_H2);
    assert_int_equal(rig->handshake[0].alpn, ALPN_H2);
    secure_close(&c);
    secure_close(&s);
    rig_close(rig);
}

static bool has_ticket(void *cookie)
{
    const struct secure *s = cookie;
    const SSL_SESSION *session = SSL_get_session(s->ssl);
    return s->got.len > 0 && session != NULL && SSL_SESSION_is_resumable(session) == 1;
}

/* One connection that begins with ${session}; gives its own back. */
static SSL_SESSION *visit(struct rig *rig, int version, SSL_SESSION *session, bool wants_ticket)
{
    struct secure c;
    struct secure_options o = {.version = version, .resumes = true, .session = session};
    size_t nth = rig->accepted + 1;
    secure_open(&c, rig_dial(rig), &o);
    secure_await(rig, secure_is_done, &c);
    secure_say(&c, GET);
    struct peer *s = secure_await_server(rig, nth);
    secure_await_plain(s, GET);
    say(s, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
    secure_await_text(&c, "hello");
    if (wants_ticket)
        secure_await(rig, has_ticket, &c);
    SSL_SESSION *got = SSL_get1_session(c.ssl);
    peer_close(c.peer, false);
    (void)await_handshake(rig, nth);
    secure_close(&c);
    return got;
}

static void sessions_are_resumed_only_when_they_may_be(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(versions); i++) {
        bool resumes = i % 2 == 1;
        struct tls_config serves = lab_serves(&lab, false);
        serves.resumption = resumes;
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        SSL_SESSION *first = visit(rig, versions[i / 2], NULL, resumes);
        SSL_SESSION *second = visit(rig, versions[i / 2], first, false);
        assert_int_equal(rig->handshake[0].resumed, 0);
        assert_int_equal(rig->handshake[1].resumed, resumes);
        assert_int_equal(rig->handshake[1].flags, resumes ? 0 : HANDSHAKE_CERTIFICATE_SENT);
        assert_int_equal(rig->handshake[1].own_serial != 0, !resumes);
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        rig_close(rig);
    }
}

/* tls-measured.md 3: a leaf of an untrusted root, with the ticket keys kept: all resumed. And
 * without resumption the very next connection is a full one, with the new leaf. */
static void a_swap_is_for_new_connections_and_tickets_outlive_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        bool resumes = i == 1;
        struct tls_config serves = lab_serves(&lab, false);
        struct secure old;
        struct secure_options o = {.version = TLS1_3_VERSION};
        serves.resumption = resumes;
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        SSL_SESSION *first = visit(rig, TLS1_3_VERSION, NULL, resumes);
        secure_open(&old, rig_dial(rig), &o);
        secure_await(rig, secure_is_done, &old);
        serves.own = lab_leaf(&lab.server, CERT_NEW_ROOT);
        struct tls_context *next = lab_context(&serves);
        proxy_set_tls(rig->proxy, 1, SIDE_REQUEST, next);
        tls_context_release(next);
        SSL_SESSION *second = visit(rig, TLS1_3_VERSION, first, false);
        struct handshake_record *h = &rig->handshake[1];
        assert_int_equal(h->generation, 2);
        assert_int_equal(h->resumed, resumes);
        if (!resumes)
            assert_int_equal(h->own_not_after, lab.server.leaves[CERT_NEW_ROOT].not_after_s);
        secure_say(&old, GET); /* lives on with what it began with */
        struct peer *s = secure_await_server(rig, 3);
        say(s, OK5);
        secure_await_text(&old, "hello");
        peer_close(old.peer, false);
        h = await_handshake(rig, 3);
        assert_int_equal(h->generation, 1);
        assert_int_equal(h->own_not_after, lab.server.leaves[CERT_GOOD].not_after_s);
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        secure_close(&old);
        rig_close(rig);
    }
}

/* Towards the backend the last session is kept, when that is on. */
static void we_resume_towards_a_backend(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct tls_config dials = lab_dials(&lab);
        dials.resumption = i == 1;
        struct rig *rig = lab_rig(PROXY_HTTP1, NULL, &dials);
        SSL_CTX *shared = NULL; /* the backend's ticket keys are one process's */
        for (size_t n = 1; n <= 2; n++) {
            struct secure s;
            struct secure_options o = {
                .server = true, .own = lab_leaf(&lab.server, CERT_GOOD), .shared = shared};
            struct peer *c = rig_dial(rig);
            say(c, GET);
            secure_open(&s, secure_await_server(rig, n), &o);
            if (shared == NULL) {
                shared = s.ctx;
                SSL_CTX_up_ref(shared);
            }
            secure_await_text(&s, GET);
            secure_say(&s,
                       "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
            await_text(c, "hello");
            peer_close(s.peer, false);
            assert_int_equal(await_handshake(rig, n)->resumed, n == 2 && i == 1);
            secure_close(&s);
        }
        SSL_CTX_free(shared);
        rig_close(rig);
    }
}

static void contexts_that_cannot_be_are_refused(void **state)
{
    struct tls_config good = lab_serves(&lab, false), bad = good;
    struct tls_context *ctx = NULL;
    struct error err = {0};
    (void)state;
    bad.own = (struct cert_leaf){NULL, NULL};
    assert_false(tls_context_new(&bad, &ctx, &err));
    assert_string_equal(err.text, "a TLS server needs a certificate and its key");
    bad = good;
    bad.own.key_pem = lab_leaf(&lab.client, CERT_GOOD).key_pem;
    err = (struct error){0};
    assert_false(tls_context_new(&bad, &ctx, &err));
    assert_non_null(strstr(err.text, "the private key is not that of the certificate "));
    bad = good;
    bad.trust_pem = "no roots here";
    err = (struct error){0};
    assert_false(tls_context_new(&bad, &ctx, &err));
    assert_string_equal(err.text, "the trust bundle: certificate 1 of the PEM text cannot be read");
    bad = good;
    bad.least_version = 0x0304;
    bad.most_version = 0x0303;
    err = (struct error){0};
    assert_false(tls_context_new(&bad, &ctx, &err));
    assert_string_equal(err.text, "versions 0x0304 to 0x0303 are not a range within 0x0303 "
                                  "(TLS 1.2) to 0x0304 (TLS 1.3)");
    bad = good;
    bad.alpn = "h2,,x";
    err = (struct error){0};
    assert_false(tls_context_new(&bad, &ctx, &err));
    assert_non_null(strstr(err.text, "is not a list of protocols"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_megabytes_pass_each_way_though_nobody_reads_for_a_while),
        cmocka_unit_test(many_small_records_arrive_whole_and_in_order),
        cmocka_unit_test(connections_are_kept_and_pooled),
        cmocka_unit_test(a_request_costs_no_more_calls_than_in_clear),
        cmocka_unit_test(an_end_within_a_body_is_mirrored_as_what_it_was),
        cmocka_unit_test(a_client_that_leaves_is_told_apart),
        cmocka_unit_test(a_raw_stream_is_terminated_and_half_closed),
        cmocka_unit_test(bytes_that_come_within_the_backends_handshake_wait_for_its_end),
        cmocka_unit_test(http2_is_chosen_by_alpn_on_both_sides),
        cmocka_unit_test(sessions_are_resumed_only_when_they_may_be),
        cmocka_unit_test(a_swap_is_for_new_connections_and_tickets_outlive_it),
        cmocka_unit_test(we_resume_towards_a_backend),
        cmocka_unit_test(contexts_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
