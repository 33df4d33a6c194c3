/* MOMENT_HANDSHAKE: stalls, alerts and resets by stage, wrong leaves, and disarming. */

#include "net/tls_peer_test.h"

/* A filter that does one thing at one message. */
struct step {
    enum side side;
    enum tls_message message;
    enum act act;
    uint32_t code;
    uint64_t hold_ns;
    unsigned asked[TLS_MESSAGES];
    char sni[64], alpn[64];
    uint16_t versions; /* how many were offered */
    bool resumes;
};
struct step_state {
    uint64_t until_ns;
};
static struct step step;

static struct answer on_handshake(struct filter_context *at, const struct handshake_view *seen)
{
    struct step_state *state = at->state;
    step.asked[seen->message]++;
    step.resumes = seen->resumes;
    snprintf(step.sni, sizeof(step.sni), "%.*s", (int)seen->sni.len, (const char *)seen->sni.at);
    if (seen->message == TLS_CLIENT_HELLO) {
        snprintf(step.alpn, sizeof(step.alpn), "%.*s", (int)seen->alpn.len,
                 (const char *)seen->alpn.at);
        step.versions = (uint16_t)(seen->versions.len / 2);
    }
    assert_int_equal(seen->side, step.side);
    assert_true(seen->nth > 0);
    if (seen->message != step.message)
        return ANSWER_PASS;
    if (step.act != ACT_HOLD)
        return (struct answer){.act = step.act, .code = step.code, .take = TAKE_ALL};
    if (state->until_ns == 0)
        state->until_ns = step.hold_ns == HOLD_FOREVER ? HOLD_FOREVER : at->now_ns + step.hold_ns;
    if (at->now_ns >= state->until_ns)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_HOLD, .until_ns = state->until_ns};
}
static uint32_t moments(const void *params)
{
    (void)params;
    return MOMENT_BIT(MOMENT_HANDSHAKE, step.side);
}
static const struct stream_filter filter = {
    .state_bytes = sizeof(struct step_state), .on_handshake = on_handshake, .moments = moments};

static void arm_step(struct rig *rig, struct step what)
{
    uint64_t at_ns = 0;
    step = what;
    struct filter_slot slot = {
        .filter = &filter,
        .params = &step,
        .fault = 9,
        .when = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 42},
    };
    proxy_arm(rig->proxy, 1, chain_new(&slot, 1, 3, NULL), &at_ns);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static bool has_message(const struct secure *s, uint8_t message)
{
    return memchr(s->messages, message, s->message_count) != NULL;
}

static bool until_fired_secure(struct rig *rig, void *cookie)
{
    secure_pump_all();
    return until_fired(rig, cookie);
}

/* What the client had of the server's flight when it stopped, by stage. */
static void check_stage(const struct secure *c, int version, enum tls_message at)
{
    assert_false(c->done);
    assert_int_equal(has_message(c, SSL3_MT_SERVER_HELLO), at >= TLS_CERTIFICATE);
    assert_int_equal(has_message(c, SSL3_MT_CERTIFICATE), at >= TLS_FINISHED);
    assert_int_equal(has_message(c, SSL3_MT_SERVER_DONE),
                     version == TLS1_2_VERSION && at >= TLS_FINISHED);
    assert_false(has_message(c, SSL3_MT_FINISHED));
}

/* What the head of a request says of the connection under it. */
static struct tls_view told;
static char told_peer[256], told_alpn[32], told_address[64];

static struct answer note_address(struct filter_context *at, const struct accept_view *seen)
{
    (void)at;
    snprintf(told_address, sizeof(told_address), "%.*s", (int)seen->peer.len,
             (const char *)seen->peer.at);
    return ANSWER_PASS;
}
static struct answer note_tls(struct filter_context *at, const struct head_view *seen)
{
    (void)at;
    if (seen->side != SIDE_REQUEST)
        return ANSWER_PASS;
    assert_non_null(seen->call->tls);
    told = *seen->call->tls;
    snprintf(told_peer, sizeof(told_peer), "%.*s", (int)told.peer.len, (const char *)told.peer.at);
    snprintf(told_alpn, sizeof(told_alpn), "%.*s", (int)told.alpn.len, (const char *)told.alpn.at);
    return ANSWER_PASS;
}

static void a_filter_sees_what_was_offered_and_what_was_agreed(void **state)
{
    static const struct stream_filter notes = {.on_accept = note_address, .on_head = note_tls};
    uint64_t at_ns = 0;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tls_config serves = lab_serves(&lab, true);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = versions[i],
                                   .own = lab_leaf(&lab.client, CERT_GOOD),
                                   .trust_pem = text_get(&lab.bundle),
                                   .alpn = (const uint8_t *)"\x08http/1.1\003foo",
                                   .alpn_len = 13};
        step = (struct step){.message = TLS_MESSAGES};
        struct selector always = {.share_ppm = 1000000, .expires_ns = UINT64_MAX, .seed = 42};
        struct filter_slot slots[] = {
            {.filter = &filter, .params = &step, .fault = 9, .when = always},
            {.filter = &notes, .fault = 10, .when = always},
        };
        proxy_arm(rig->proxy, 1, chain_new(slots, COUNT_OF(slots), 3, NULL), &at_ns);
        secure_open(&c, rig_dial(rig), &o);
        secure_await(rig, secure_is_done, &c);
        secure_say(&c, GET);
        struct peer *s = secure_await_server(rig, 1);
        secure_await_plain(s, GET);
        say(s, OK5);
        secure_await_text(&c, "hello");
        assert_string_equal(step.alpn, "\x08http/1.1\003foo");
        /* OpenSSL lists versions only where 1.3 is among them */
        assert_int_equal(step.versions, versions[i] == TLS1_3_VERSION ? 1 : 0);
        assert_int_equal(told.version, versions[i]);
        assert_string_equal(told_alpn, "http/1.1");
        assert_non_null(strstr(told_peer, "spiffe://"));
        assert_int_equal(strncmp(told_address, "127.0.0.1:", 10), 0);
        assert_false(told.resumed);
        peer_close(c.peer, false);
        secure_close(&c);
        rig_close(rig);
    }
}

static void each_stage_stalls_where_it_says_and_goes_on(void **state)
{
    uint16_t fault = 9;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions) * TLS_MESSAGES; i++) {
        int version = versions[i / TLS_MESSAGES];
        enum tls_message at = (enum tls_message)(i % TLS_MESSAGES);
        struct tls_config serves = lab_serves(&lab, true);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = version,
                                   .own = lab_leaf(&lab.client, CERT_GOOD),
                                   .trust_pem = text_get(&lab.bundle),
                                   .sni = "payments.shop"};
        arm_step(rig, (struct step){.message = at, .act = ACT_HOLD, .hold_ns = 60 * NS_PER_MS});
        uint64_t from_ns = clock_now_ns();
        secure_open(&c, rig_dial(rig), &o);
        rig_await_polling(rig, until_fired_secure, &fault);
        for (unsigned pumps = 0; pumps < 5; pumps++) {
            await_ns(rig, NS_PER_MS);
            secure_pump_all();
        }
        if (clock_now_ns() < from_ns + 50 * NS_PER_MS) /* else a slow machine missed it */
            check_stage(&c, version, at);
        secure_await(rig, secure_is_done, &c);
        assert_true(clock_now_ns() >= from_ns + 60 * NS_PER_MS);
        secure_say(&c, GET);
        struct peer *s = secure_await_server(rig, 1);
        secure_await_plain(s, GET);
        say(s, OK5);
        secure_await_text(&c, "hello");
        assert_string_equal(step.sni, "payments.shop");
        for (unsigned m = 0; m < TLS_MESSAGES; m++)
            assert_int_equal(step.asked[m], m == (unsigned)at ? 2 : 1);
        peer_close(c.peer, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_DONE);
        assert_int_equal(h->fault, 9);
        assert_true(h->done >= 60 * NS_PER_MS);
        secure_close(&c);
        rig_close(rig);
    }
}

static void each_alert_arrives_as_that_alert_at_each_stage(void **state)
{
    static const uint8_t alerts[] = {40, 42, 48, 80, 116};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions) * TLS_MESSAGES * COUNT_OF(alerts); i++) {
        uint8_t alert = alerts[i % COUNT_OF(alerts)];
        enum tls_message at = (enum tls_message)(i / COUNT_OF(alerts) % TLS_MESSAGES);
        int version = versions[i / COUNT_OF(alerts) / TLS_MESSAGES];
        struct tls_config serves = lab_serves(&lab, true);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = version,
                                   .own = lab_leaf(&lab.client, CERT_GOOD),
                                   .trust_pem = text_get(&lab.bundle)};
        arm_step(rig, (struct step){.message = at, .act = ACT_CLOSE, .code = alert + 1U});
        secure_open(&c, rig_dial(rig), &o);
        secure_await(rig, secure_is_over, &c);
        assert_true(c.failed);
        assert_int_equal(c.alert, alert + 1);
        assert_false(has_message(&c, SSL3_MT_FINISHED));
        peer_close(c.peer, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_ENDED_BY_FAULT);
        assert_int_equal(h->alert_out, alert + 1);
        assert_int_equal(h->fault, 9);
        assert_int_equal(h->closed_by, CONN_BY_FAULT);
        assert_int_equal(await_connection(rig, 1)->fault, 9);
        assert_int_equal(proxy_fired(rig->proxy, 9), 1);
        secure_close(&c);
        rig_close(rig);
    }
}

/* All suites of 1.3 that a client may insist on. */
static void an_alert_is_sealed_by_the_suite_that_was_chosen(void **state)
{
    static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                         "TLS_CHACHA20_POLY1305_SHA256"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(suites); i++) {
        struct tls_config serves = lab_serves(&lab, false);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = TLS1_3_VERSION, .suites = suites[i]};
        arm_step(rig, (struct step){.message = TLS_FINISHED, .act = ACT_CLOSE, .code = 48 + 1});
        secure_open(&c, rig_dial(rig), &o);
        secure_await(rig, secure_is_over, &c);
        assert_int_equal(c.alert, 48 + 1);
        secure_close(&c);
        rig_close(rig);
    }
}

static void a_reset_is_an_rst_and_a_close_without_alert_a_fin(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * TLS_MESSAGES; i++) {
        bool reset = i >= TLS_MESSAGES;
        struct tls_config serves = lab_serves(&lab, false);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = TLS1_3_VERSION};
        arm_step(rig, (struct step){.message = (enum tls_message)(i % TLS_MESSAGES),
                                    .act = reset ? ACT_RESET : ACT_CLOSE});
        secure_open(&c, rig_dial(rig), &o);
        secure_await(rig, secure_is_gone, &c);
        assert_int_equal(c.peer->rst, reset);
        assert_int_equal(c.alert, 0);
        peer_close(c.peer, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_ENDED_BY_FAULT);
        assert_int_equal(h->closed_how, reset ? 1 : 0);
        assert_int_equal(h->alert_out, 0);
        secure_close(&c);
        rig_close(rig);
    }
}

/* What a client that verifies makes of each wrong leaf of ours. */
static void each_kind_of_leaf_is_presented_and_refused_as_it_must(void **state)
{
    static const long verify[CERT_KIND_COUNT] = {
        [CERT_EXPIRED] = X509_V_ERR_CERT_HAS_EXPIRED,
        [CERT_NOT_YET_VALID] = X509_V_ERR_CERT_NOT_YET_VALID,
        [CERT_UNKNOWN_ROOT] = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        [CERT_MISSING_INTERMEDIATE] = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        [CERT_SAMENAME_ROOT] = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        [CERT_OLD_ROOT] = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        [CERT_NEW_ROOT] = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions) * CERT_KIND_COUNT; i++) {
        enum cert_kind kind = (enum cert_kind)(i % CERT_KIND_COUNT);
        if (kind == CERT_GOOD || kind == CERT_NO_CERTIFICATE)
            continue;
        struct tls_config serves = lab_serves(&lab, false);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = versions[i / CERT_KIND_COUNT],
                                   .trust_pem = text_get(&lab.bundle)};
        arm_step(rig, (struct step){
                          .message = TLS_CERTIFICATE, .act = ACT_REPLACE, .code = (uint32_t)kind});
        secure_open(&c, rig_dial(rig), &o);
        while (!c.done && !c.failed) {
            await_ns(rig, NS_PER_MS);
            secure_pump_all();
        }
        /* the names of an identity are the peer's business; OpenSSL alone judges the chain */
        assert_int_equal(SSL_get_verify_result(c.ssl), verify[kind]);
        assert_int_equal(c.done, verify[kind] == X509_V_OK);
        peer_close(c.peer, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->fault, 9);
        assert_int_equal(h->own_not_after, lab.server.leaves[kind].not_after_s);
        assert_int_equal(h->result,
                         verify[kind] == X509_V_OK ? HANDSHAKE_DONE : HANDSHAKE_REFUSED_BY_PEER);
        assert_int_equal(proxy_fired(rig->proxy, 9), 1);
        secure_close(&c);
        rig_close(rig);
    }
}

static void towards_the_backend_no_certificate_is_shown(void **state)
{
    struct tls_config dials = lab_dials(&lab);
    struct secure s;
    struct secure_options o = {.server = true,
                               .version = TLS1_3_VERSION,
                               .own = lab_leaf(&lab.server, CERT_GOOD),
                               .trust_pem = text_get(&lab.bundle),
                               .asks_client = true};
    (void)state;
    struct rig *rig = lab_rig(PROXY_HTTP1, NULL, &dials);
    arm_step(rig, (struct step){.side = SIDE_RESPONSE,
                                .message = TLS_CERTIFICATE,
                                .act = ACT_REPLACE,
                                .code = CERT_NO_CERTIFICATE});
    say(rig_dial(rig), GET);
    secure_open(&s, secure_await_server(rig, 1), &o);
    struct handshake_record *h = await_handshake(rig, 1);
    assert_int_equal(h->alert_in, 116 + 1);
    assert_int_equal(h->fault, 9);
    assert_int_equal(h->flags & HANDSHAKE_CERTIFICATE_SENT, 0);
    secure_close(&s);
    rig_close(rig);
}

/* As a client: each stage stalls, alerts, and the mesh's side sees a connect that failed. */
static void the_backends_side_has_its_stages_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions) * TLS_MESSAGES * 2; i++) {
        enum tls_message at = (enum tls_message)(i / 2 % TLS_MESSAGES);
        bool alert = i % 2 == 1;
        struct tls_config dials = lab_dials(&lab);
        struct rig *rig = lab_rig(PROXY_HTTP1, NULL, &dials);
        struct secure s;
        struct secure_options o = {.server = true,
                                   .version = versions[i / 2 / TLS_MESSAGES],
                                   .own = lab_leaf(&lab.server, CERT_GOOD),
                                   .trust_pem = text_get(&lab.bundle),
                                   .asks_client = true};
        arm_step(rig, (struct step){.side = SIDE_RESPONSE,
                                    .message = at,
                                    .act = alert ? ACT_CLOSE : ACT_HOLD,
                                    .code = 80 + 1,
                                    .hold_ns = 30 * NS_PER_MS});
        struct peer *c = rig_dial(rig);
        uint64_t from_ns = clock_now_ns();
        say(c, GET);
        secure_open(&s, secure_await_server(rig, 1), &o);
        if (alert) {
            secure_await(rig, secure_is_over, &s);
            /* OpenSSL hears none as the first word of all, but it hears that it is no hello */
            assert_true(s.failed);
            if (at != TLS_CLIENT_HELLO)
                assert_int_equal(s.alert, 80 + 1);
            await_gone(c);
            assert_int_equal(await_attempt(rig, 1)->outcome, OUTCOME_UPSTREAM_REFUSED);
            assert_int_equal(await_handshake(rig, 1)->result, HANDSHAKE_ENDED_BY_FAULT);
        } else {
            secure_await_text(&s, GET);
            assert_true(clock_now_ns() >= from_ns + 30 * NS_PER_MS);
            secure_say(&s, OK5);
            await_text(c, "hello");
        }
        secure_close(&s);
        rig_close(rig);
    }
}

static void disarming_lets_a_handshake_go_on(void **state)
{
    uint16_t fault = 9;
    (void)state;
    for (unsigned m = 0; m < TLS_MESSAGES; m++) {
        struct tls_config serves = lab_serves(&lab, false);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = TLS1_3_VERSION};
        arm_step(rig, (struct step){.message = (enum tls_message)m,
                                    .act = ACT_HOLD,
                                    .hold_ns = HOLD_FOREVER});
        secure_open(&c, rig_dial(rig), &o);
        rig_await_polling(rig, until_fired_secure, &fault);
        await_ns(rig, 2 * NS_PER_MS);
        secure_pump_all();
        assert_false(c.done);
        assert_int_equal(arm(rig, NULL, 0), 1);
        secure_await(rig, secure_is_done, &c);
        secure_close(&c);
        rig_close(rig);
    }
}

static void a_client_that_leaves_a_stall_is_seen_at_once(void **state)
{
    uint16_t fault = 9;
    (void)state;
    for (unsigned i = 0; i < 2 * TLS_MESSAGES; i++) {
        bool reset = i >= TLS_MESSAGES;
        struct tls_config serves = lab_serves(&lab, false);
        struct rig *rig = lab_rig(PROXY_HTTP1, &serves, NULL);
        struct secure c;
        struct secure_options o = {.version = TLS1_3_VERSION};
        arm_step(rig, (struct step){.message = (enum tls_message)(i % TLS_MESSAGES),
                                    .act = ACT_HOLD,
                                    .hold_ns = HOLD_FOREVER});
        secure_open(&c, rig_dial(rig), &o);
        rig_await_polling(rig, until_fired_secure, &fault);
        peer_close(c.peer, reset);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, reset ? HANDSHAKE_RESET : HANDSHAKE_EOF);
        assert_int_equal(h->closed_by, CONN_BY_PEER);
        assert_int_equal(h->fault, 9);
        secure_close(&c);
        rig_close(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_sees_what_was_offered_and_what_was_agreed),
        cmocka_unit_test(each_stage_stalls_where_it_says_and_goes_on),
        cmocka_unit_test(each_alert_arrives_as_that_alert_at_each_stage),
        cmocka_unit_test(an_alert_is_sealed_by_the_suite_that_was_chosen),
        cmocka_unit_test(a_reset_is_an_rst_and_a_close_without_alert_a_fin),
        cmocka_unit_test(each_kind_of_leaf_is_presented_and_refused_as_it_must),
        cmocka_unit_test(towards_the_backend_no_certificate_is_shown),
        cmocka_unit_test(the_backends_side_has_its_stages_too),
        cmocka_unit_test(disarming_lets_a_handshake_go_on),
        cmocka_unit_test(a_client_that_leaves_a_stall_is_seen_at_once),
    };
    return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
