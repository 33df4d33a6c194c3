#include "net/tls_peer_test.h"

static void a_request_passes_in_both_versions_and_is_journalled(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tls_config serves = lab_serves(&lab, false);
        struct rig *rig = lab_rig(PROXY_HTTP, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = versions[i],
                                   .trust_pem = text_get(&lab.bundle),
                                   .sni = "payments.shop",
                                   .alpn = (const uint8_t *)"\x08http/1.1",
                                   .alpn_len = 9};
        secure_open(&c, rig_dial(rig), &o);
        secure_await(rig, secure_is_done, &c);
        secure_say(&c, GET);
        struct peer *s = secure_await_server(rig, 1);
        secure_await_plain(s, GET);
        say(s, OK5);
        secure_await_text(&c, "hello");
        peer_close(c.peer, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_DONE);
        assert_int_equal(h->version, versions[i]);
        assert_int_equal(h->side, 0);
        assert_int_equal(h->alpn, ALPN_HTTP1);
        assert_int_equal(h->resumed, 0);
        assert_int_equal(h->first_byte, 0x16);
        assert_int_equal(h->generation, 1);
        assert_int_equal(h->app_bytes, strlen(GET));
        assert_int_equal(h->flags, HANDSHAKE_CERTIFICATE_SENT);
        assert_int_equal(h->own_not_after, lab.server.leaves[CERT_GOOD].not_after_s);
        assert_true(h->own_serial != 0 && h->own_root != 0 && h->sni != 0);
        assert_true(h->hello > 0 && h->flight_out >= h->hello && h->done >= h->flight_out &&
                    h->first_app >= h->done);
        assert_int_equal(h->alert_in + h->alert_out, 0);
        struct connection_record *n = await_connection(rig, 1);
        assert_int_equal(n->first_class, FIRST_TLS);
        secure_close(&c);
        rig_close(rig);
    }
}

/* Both sides TLS, both with certificates, on both. */
static void mutual_tls_ends_on_both_sides(void **state)
{
    struct tls_config serves = lab_serves(&lab, true), dials = lab_dials(&lab);
    struct rig *rig = lab_rig(PROXY_HTTP1, &serves, &dials);
    struct secure c, s;
    struct secure_options client = {.own = lab_leaf(&lab.client, CERT_GOOD),
                                    .trust_pem = text_get(&lab.bundle)};
    struct secure_options server = {.server = true,
                                    .own = lab_leaf(&lab.server, CERT_GOOD),
                                    .trust_pem = text_get(&lab.bundle),
                                    .asks_client = true};
    (void)state;
    secure_open(&c, rig_dial(rig), &client);
    secure_await(rig, secure_is_done, &c);
    secure_say(&c, GET);
    secure_open(&s, secure_await_server(rig, 1), &server);
    secure_await_text(&s, GET);
    secure_say(&s, OK5);
    secure_await_text(&c, "hello");
    assert_string_equal(SSL_get_servername(s.ssl, TLSEXT_NAMETYPE_host_name), "payments.shop");
    peer_close(c.peer, false);
    struct handshake_record *h = await_handshake(rig, 1);
    const unsigned both = HANDSHAKE_CERTIFICATE_SENT | HANDSHAKE_CERTIFICATE_RECEIVED;
    assert_int_equal(h->side, 0);
    assert_int_equal(h->flags, both);
    assert_int_equal(h->verify_result, X509_V_OK);
    assert_int_equal(h->not_after, lab.client.leaves[CERT_GOOD].not_after_s);
    assert_int_equal(h->not_before, lab.client.leaves[CERT_GOOD].not_before_s);
    assert_true(h->sans != 0 && h->issuer != 0 && h->leaf_serial != h->own_serial);
    assert_int_equal(h->root, h->own_root); /* one root signed both */
    uint32_t client_serial = h->leaf_serial, server_serial = h->own_serial;
    peer_close(s.peer, false);
    h = await_handshake(rig, 2);
    assert_int_equal(h->side, 1);
    assert_int_equal(h->result, HANDSHAKE_DONE);
    assert_int_equal(h->flags, both);
    assert_int_equal(h->leaf_serial, server_serial);
    assert_int_equal(h->own_serial, client_serial);
    assert_int_equal(h->app_bytes, strlen(OK5));
    assert_true(h->hello > 0 && h->flight_out >= h->hello && h->done >= h->flight_out);
    secure_close(&c);
    secure_close(&s);
    rig_close(rig);
}

/* A client that stops at "handshake done" calls a refusal in 1.3 a success: read, then judge. */
static void a_client_that_is_refused_hears_why(void **state)
{
    static const struct {
        int version;
        enum cert_kind kind;
        uint8_t alert;
        uint16_t verify;
        const char *reason;
    } cases[] = {
        {TLS1_3_VERSION, CERT_EXPIRED, 45, X509_V_ERR_CERT_HAS_EXPIRED,
         "certificate verify failed: certificate has expired"},
        {TLS1_3_VERSION, CERT_NOT_YET_VALID, 42, X509_V_ERR_CERT_NOT_YET_VALID,
         "certificate verify failed: certificate is not yet valid"},
        {TLS1_3_VERSION, CERT_UNKNOWN_ROOT, 48, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
         "certificate verify failed: unable to get local issuer certificate"},
        {TLS1_3_VERSION, CERT_MISSING_INTERMEDIATE, 48,
         X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
         "certificate verify failed: unable to get local issuer certificate"},
        {TLS1_3_VERSION, CERT_WRONG_SAN, 42, X509_V_ERR_HOSTNAME_MISMATCH,
         "certificate verify failed: hostname mismatch"},
        {TLS1_3_VERSION, CERT_WRONG_TRUST_DOMAIN, 42, X509_V_ERR_HOSTNAME_MISMATCH,
         "certificate verify failed: hostname mismatch"},
        {TLS1_3_VERSION, CERT_NO_CERTIFICATE, 116, X509_V_OK, "peer did not return a certificate"},
        {TLS1_2_VERSION, CERT_EXPIRED, 45, X509_V_ERR_CERT_HAS_EXPIRED,
         "certificate verify failed: certificate has expired"},
        {TLS1_2_VERSION, CERT_WRONG_SAN, 42, X509_V_ERR_HOSTNAME_MISMATCH,
         "certificate verify failed: hostname mismatch"},
        {TLS1_2_VERSION, CERT_NO_CERTIFICATE, 40, X509_V_OK, "peer did not return a certificate"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tls_config serves = lab_serves(&lab, true);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = cases[i].version,
                                   .own = lab_leaf(&lab.client, cases[i].kind)};
        secure_open(&c, rig_dial(rig), &o);
        secure_await(rig, secure_is_over, &c);
        secure_pump(&c);
        assert_true(c.failed);
        assert_int_equal(c.alert, cases[i].alert + 1);
        assert_int_equal(c.done, cases[i].version == TLS1_3_VERSION);
        peer_close(c.peer, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_REFUSED_BY_US);
        assert_int_equal(h->alert_out, cases[i].alert + 1);
        assert_int_equal(h->flags & HANDSHAKE_DONE_BEFORE_ALERT_OUT, 0);
        assert_int_equal(h->verify_result, cases[i].verify);
        assert_int_equal(h->done, 0);
        assert_string_equal(rig_reason_of_conn(rig, h->conn), cases[i].reason);
        assert_int_equal(rig->refusal[0].about, REFUSAL_TLS);
        if (cases[i].kind == CERT_NO_CERTIFICATE) {
            assert_int_equal(h->leaf_serial, 0);
        } else { /* OpenSSL keeps nothing of a leaf that it refused */
            assert_true(h->leaf_serial != 0);
            assert_int_equal(h->not_after, lab.client.leaves[cases[i].kind].not_after_s);
        }
        assert_int_equal(rig->attempt_count, 0);
        secure_close(&c);
        rig_close(rig);
    }
}

/* The client refuses ours. */
static void the_alert_of_a_client_is_journalled_with_its_stage(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tls_config serves = lab_serves(&lab, false);
        serves.own = lab_leaf(&lab.server, CERT_UNKNOWN_ROOT);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = versions[i], .trust_pem = text_get(&lab.bundle)};
        secure_open(&c, rig_dial(rig), &o);
        secure_await(rig, secure_is_over, &c);
        peer_close(c.peer, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_REFUSED_BY_PEER);
        assert_int_equal(h->alert_in, 48 + 1);
        assert_non_null(strstr(rig_reason_of_conn(rig, h->conn), "alert unknown ca"));
        assert_int_equal(h->flags, HANDSHAKE_CERTIFICATE_SENT);
        assert_true(h->alert_in_at > 0 && h->own_serial != 0);
        secure_close(&c);
        rig_close(rig);
    }
}

/* The backend refuses us: 1.2 within the handshake, 1.3 behind it. The mesh sees no answer. */
static void a_backend_that_refuses_is_a_lost_reply(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        bool modern = versions[i] == TLS1_3_VERSION;
        struct tls_config dials = lab_dials(&lab);
        dials.own = (struct cert_leaf){NULL, NULL};
        struct rig *rig = lab_rig(PROXY_HTTP1, NULL, &dials);
        struct secure s;
        struct secure_options o = {.server = true,
                                   .version = versions[i],
                                   .own = lab_leaf(&lab.server, CERT_GOOD),
                                   .trust_pem = text_get(&lab.bundle),
                                   .asks_client = true};
        struct peer *c = rig_dial(rig);
        say(c, GET);
        secure_open(&s, secure_await_server(rig, 1), &o);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->side, 1);
        assert_int_equal(h->alert_in, (modern ? 116 : 40) + 1);
        assert_int_equal(h->result, modern ? HANDSHAKE_DONE : HANDSHAKE_REFUSED_BY_PEER);
        assert_int_equal(h->flags & HANDSHAKE_DONE_BEFORE_ALERT_IN,
                         modern ? HANDSHAKE_DONE_BEFORE_ALERT_IN : 0);
        assert_int_equal(h->app_bytes, 0);
        await_gone(c);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, modern ? OUTCOME_UPSTREAM_RESET : OUTCOME_UPSTREAM_REFUSED);
        assert_int_equal(a->status, 0);
        assert_non_null(strstr(rig_reason(rig, a), "alert"));
        assert_int_equal(rig->refusal[0].side, 1);
        secure_close(&s);
        rig_close(rig);
    }
}

/* We refuse the backend's: the alert goes there, the mesh sees a connect that failed. */
static void a_backend_that_we_refuse_is_a_failed_connect(void **state)
{
    struct tls_config dials = lab_dials(&lab);
    struct rig *rig = lab_rig(PROXY_HTTP1, NULL, &dials);
    struct secure s;
    struct secure_options o = {.server = true, .own = lab_leaf(&lab.server, CERT_WRONG_SAN)};
    struct peer *c = rig_dial(rig);
    (void)state;
    say(c, GET);
    secure_open(&s, secure_await_server(rig, 1), &o);
    secure_await(rig, secure_is_over, &s);
    assert_int_equal(s.alert, 42 + 1);
    await_gone(c);
    struct handshake_record *h = await_handshake(rig, 1);
    assert_int_equal(h->result, HANDSHAKE_REFUSED_BY_US);
    assert_int_equal(h->verify_result, X509_V_ERR_HOSTNAME_MISMATCH);
    assert_true(h->leaf_serial != 0);
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->outcome, OUTCOME_UPSTREAM_REFUSED);
    assert_string_equal(rig_reason(rig, a), "certificate verify failed: hostname mismatch");
    secure_close(&s);
    rig_close(rig);
}

static void what_is_not_tls_is_journalled_and_closed(void **state)
{
    static const char *const words[] = {GET, "~garbage garbage garbage"};
    static const char *const reasons[] = {"not TLS: http request", "not TLS: wrong version number"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        struct tls_config serves = lab_serves(&lab, false);
        struct rig *rig = lab_rig(PROXY_HTTP, &serves, NULL);
        struct peer *c = rig_dial(rig);
        say(c, words[i]);
        await_gone(c);
        peer_close(c, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_NOT_TLS);
        assert_int_equal(h->first_byte, (uint8_t)words[i][0]);
        assert_string_equal(rig_reason_of_conn(rig, h->conn), reasons[i]);
        assert_int_equal(rig->attempt_count, 0);
        assert_int_equal(await_connection(rig, 1)->first_class, i == 0 ? FIRST_HTTP : FIRST_OTHER);
        rig_close(rig);
    }
}

static void a_half_open_handshake_ends_at_its_limit(void **state)
{
    static const char half[] = "\x16\x03\x01\x02\x00\x01\x00";
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_config serves = lab_serves(&lab, false);
        struct rig_options options = {.protocol = PROXY_HTTP,
                                      .serves = lab_context(&serves),
                                      .handshake_limit_ns = 100 * NS_PER_MS};
        struct rig *rig = rig_open_with(&options);
        tls_context_release(options.serves);
        struct peer *c = rig_dial(rig);
        if (i == 1)
            say_bytes(c, (struct bytes){(const uint8_t *)half, sizeof(half) - 1});
        await_gone(c);
        assert_true(c->fin);
        assert_int_equal(c->in.len, 0); /* no alert, no byte */
        peer_close(c, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_TIMEOUT);
        assert_int_equal(h->closed_by, CONN_BY_US);
        assert_string_equal(rig_reason_of_conn(rig, h->conn),
                            "a TLS handshake that was not complete within 100 ms");
        assert_int_equal(rig->refusal[0].about, REFUSAL_LIMIT);
        assert_int_equal(await_connection(rig, 1)->closed_by, CONN_BY_US);
        assert_int_equal(proxy_counts(rig->proxy).calls_begun, 0);
        rig_close(rig);
    }
}

static void a_client_that_leaves_within_the_handshake_is_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_config serves = lab_serves(&lab, false);
        struct rig *rig = lab_rig(PROXY_HTTP, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = TLS1_3_VERSION};
        struct peer *p = rig_dial(rig);
        secure_open(&c, p, &o);
        await_bytes(p, 100); /* the server's flight, unanswered */
        peer_close(p, i == 1);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, i == 1 ? HANDSHAKE_RESET : HANDSHAKE_EOF);
        assert_int_equal(h->closed_by, CONN_BY_PEER);
        assert_int_equal(h->last_message, SSL3_MT_FINISHED);
        assert_int_equal(h->alert_in + h->alert_out, 0);
        secure_close(&c);
        rig_close(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_passes_in_both_versions_and_is_journalled),
        cmocka_unit_test(mutual_tls_ends_on_both_sides),
        cmocka_unit_test(a_client_that_is_refused_hears_why),
        cmocka_unit_test(the_alert_of_a_client_is_journalled_with_its_stage),
        cmocka_unit_test(a_backend_that_refuses_is_a_lost_reply),
        cmocka_unit_test(a_backend_that_we_refuse_is_a_failed_connect),
        cmocka_unit_test(what_is_not_tls_is_journalled_and_closed),
        cmocka_unit_test(a_half_open_handshake_ends_at_its_limit),
        cmocka_unit_test(a_client_that_leaves_within_the_handshake_is_told_apart),
    };
    return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
