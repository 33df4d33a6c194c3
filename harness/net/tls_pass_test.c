/* TLS that passes through a raw proxy: the record of its handshake, and faults by stage. */

#include "net/tls_peer_test.h"

struct step {
    enum tls_message message;
    enum act act;
    uint32_t code;
    uint64_t hold_ns;
    unsigned asked[TLS_MESSAGES];
    char sni[64];
};
struct step_state {
    uint64_t until_ns;
};
static struct step step;

static struct answer on_handshake(struct filter_context *at, const struct handshake_view *seen)
{
    struct step_state *state = at->state;
    step.asked[seen->message]++;
    snprintf(step.sni, sizeof(step.sni), "%.*s", (int)seen->sni.len, (const char *)seen->sni.at);
    assert_false(seen->terminated);
    assert_int_equal(seen->side, SIDE_REQUEST);
    if (seen->message != step.message)
        return ANSWER_PASS;
    if (step.act != ACT_HOLD)
        return (struct answer){.act = step.act, .code = step.code};
    if (state->until_ns == 0)
        state->until_ns = step.hold_ns == HOLD_FOREVER ? HOLD_FOREVER : at->now_ns + step.hold_ns;
    if (at->now_ns >= state->until_ns)
        return ANSWER_PASS;
    return (struct answer){.act = ACT_HOLD, .until_ns = state->until_ns};
}
static uint32_t moments(const void *params)
{
    (void)params;
    return MOMENT_BIT(MOMENT_HANDSHAKE, SIDE_REQUEST);
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

struct pair {
    struct rig *rig;
    struct secure c, s;
};
static void pair_open(struct pair *p, int version, const struct step *armed)
{
    struct secure_options client = {
        .version = version, .trust_pem = text_get(&lab.bundle), .sni = "payments.shop"};
    struct secure_options server = {.server = true, .own = lab_leaf(&lab.server, CERT_GOOD)};
    secures = NULL; /* a test that failed has left its own */
    p->rig = rig_open_as(PROXY_TCP, false);
    if (armed != NULL)
        arm_step(p->rig, *armed);
    secure_open(&p->c, rig_dial(p->rig), &client);
    secure_open(&p->s, secure_await_server(p->rig, 1), &server);
}
static void pair_close(struct pair *p)
{
    secure_close(&p->c);
    secure_close(&p->s);
    rig_close(p->rig);
}
static void talk(struct pair *p)
{
    secure_await(p->rig, secure_is_done, &p->c);
    secure_say(&p->c, "question");
    secure_await_text(&p->s, "question");
    secure_say(&p->s, "answer");
    secure_await_text(&p->c, "answer");
}

static void a_handshake_that_passes_is_journalled(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct pair p;
        pair_open(&p, versions[i], NULL);
        talk(&p);
        peer_close(p.c.peer, false);
        peer_close(p.s.peer, false);
        struct handshake_record *h = await_handshake(p.rig, 1);
        assert_int_equal(h->result, HANDSHAKE_DONE);
        assert_int_equal(h->version, versions[i]);
        assert_true((h->flags & HANDSHAKE_PASSED_THROUGH) != 0);
        assert_int_equal(h->first_byte, 0x16);
        assert_true(h->sni != 0 && h->hello > 0 && h->flight_out >= h->hello &&
                    h->done >= h->flight_out);
        assert_int_equal(h->resumed, 0);
        pair_close(&p);
    }
}

static void what_is_not_tls_passes_untouched_and_unjournalled(void **state)
{
    struct rig *rig = rig_open_as(PROXY_TCP, false);
    struct peer *c = rig_dial(rig);
    (void)state;
    say(c, "\x16\x03 hello"); /* begins as a record, and is none */
    struct peer *s = await_server(rig, 1);
    await_text(s, "\x16\x03 hello");
    say(s, "world");
    await_text(c, "world");
    peer_close(c, false);
    peer_close(s, false);
    (void)await_connection(rig, 2);
    assert_int_equal(rig->handshake_count, 0);
    rig_close(rig);
}

static void each_stage_stalls_and_goes_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions) * TLS_MESSAGES; i++) {
        struct step armed = {.message = (enum tls_message)(i % TLS_MESSAGES),
                             .act = ACT_HOLD,
                             .hold_ns = 30 * NS_PER_MS};
        struct pair p;
        uint64_t from_ns = clock_now_ns();
        pair_open(&p, versions[i / TLS_MESSAGES], &armed);
        talk(&p);
        assert_true(clock_now_ns() >= from_ns + 30 * NS_PER_MS);
        for (unsigned m = 0; m < TLS_MESSAGES; m++)
            assert_true(m == (unsigned)armed.message ? step.asked[m] >= 2 : step.asked[m] == 1);
        assert_string_equal(step.sni, "payments.shop");
        peer_close(p.c.peer, false);
        peer_close(p.s.peer, false);
        struct handshake_record *h = await_handshake(p.rig, 1);
        assert_int_equal(h->result, HANDSHAKE_DONE);
        assert_int_equal(h->fault, 9);
        pair_close(&p);
    }
}

static void a_stall_for_ever_ends_with_its_fault(void **state)
{
    uint16_t fault = 9;
    (void)state;
    for (size_t i = 0; i < TLS_MESSAGES; i++) {
        struct rig *rig = rig_open_as(PROXY_TCP, false);
        struct secure c, s;
        struct secure_options client = {.version = TLS1_3_VERSION};
        struct secure_options server = {.server = true, .own = lab_leaf(&lab.server, CERT_GOOD)};
        secures = NULL;
        arm_step(rig, (struct step){.message = (enum tls_message)i,
                                    .act = ACT_HOLD,
                                    .hold_ns = HOLD_FOREVER});
        secure_open(&c, rig_dial(rig), &client);
        secure_open(&s, secure_await_server(rig, 1), &server);
        while (proxy_fired(rig->proxy, fault) == 0) {
            await_ns(rig, NS_PER_MS);
            secure_pump_all();
        }
        assert_int_equal(arm(rig, NULL, 0), 1);
        secure_await(rig, secure_is_done, &c);
        secure_close(&c);
        secure_close(&s);
        rig_close(rig);
    }
}

/* In clear: up to ServerHello a client of either version takes it for what it is. */
static void an_alert_is_a_plain_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions) * 2; i++) {
        struct rig *rig = rig_open_as(PROXY_TCP, false);
        struct secure c, s;
        struct secure_options client = {.version = versions[i / 2]};
        struct secure_options server = {.server = true, .own = lab_leaf(&lab.server, CERT_GOOD)};
        secures = NULL;
        arm_step(rig, (struct step){
                          .message = (enum tls_message)(i % 2), .act = ACT_CLOSE, .code = 48 + 1});
        secure_open(&c, rig_dial(rig), &client);
        secure_open(&s, secure_await_server(rig, 1), &server);
        secure_await(rig, secure_is_over, &c);
        secure_pump(&c);
        assert_int_equal(c.alert, 48 + 1);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_CLOSED_BY_FAULT);
        assert_int_equal(a->fault, 9);
        peer_close(c.peer, false);
        struct handshake_record *h = await_handshake(rig, 1);
        assert_int_equal(h->result, HANDSHAKE_ENDED_BY_FAULT);
        assert_int_equal(h->alert_out, 48 + 1);
        secure_close(&c);
        secure_close(&s);
        rig_close(rig);
    }
}

static void a_reset_is_an_rst(void **state)
{
    (void)state;
    for (unsigned m = 0; m < TLS_MESSAGES; m++) {
        struct step armed = {.message = (enum tls_message)m, .act = ACT_RESET};
        struct pair p;
        pair_open(&p, TLS1_3_VERSION, &armed);
        secure_await(p.rig, secure_is_gone, &p.c);
        assert_true(p.c.peer->rst);
        assert_int_equal(await_attempt(p.rig, 1)->outcome, OUTCOME_RESET_BY_FAULT);
        assert_int_equal(await_handshake(p.rig, 1)->closed_how, 1);
        pair_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_that_passes_is_journalled),
        cmocka_unit_test(what_is_not_tls_passes_untouched_and_unjournalled),
        cmocka_unit_test(each_stage_stalls_and_goes_on),
        cmocka_unit_test(a_stall_for_ever_ends_with_its_fault),
        cmocka_unit_test(an_alert_is_a_plain_record),
        cmocka_unit_test(a_reset_is_an_rst),
    };
    return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
