/* The claims of mTLS on journals written by hand: right, mutated, and not enough. */
#include "verify/handshake_fixture_test.h"

#include "verify/claims.h"

static const char *const no_keys[] = {NULL};

static void fault_cert(struct limits *l, const char *kind)
{
    shakes_step(l, STEP_FAULT, "cert", "payments/2", (const char *const[]){"kind", kind, NULL});
}

/* Bad, bad, good at payments/2; good elsewhere. */
static void shown(struct limits *l, const char *kind, struct shake_row wrong)
{
    fault_cert(l, kind);
    shakes_run(l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 30, 10 * LIMITS_MS);
    wrong.fault = 1;
    wrong.endpoint = 2;
    for (uint64_t i = 0; i < 8; i++) {
        wrong.at_us = LIMITS_S + i * 100 * LIMITS_MS;
        shakes_add(l, &wrong);
        wrong.at_us += 20 * LIMITS_MS;
        shakes_add(l, &wrong);
        shakes_add(l, &(struct shake_row){.at_us = wrong.at_us + 20 * LIMITS_MS, .endpoint = 2});
    }
}

static void a_wrong_leaf_that_is_refused_passes(void **state)
{
    static const char *const kinds[] = {
        "expired",      "not_yet_valid",        "wrong_san",    "wrong_trust_domain",
        "unknown_root", "missing_intermediate", "samename_root"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct limits l;
        char id[64];
        snprintf(id, sizeof(id), "tls.refuse[%s]", kinds[i]);
        shakes_open(&l, "mtls", no_keys);
        shown(&l, kinds[i], (struct shake_row){.refused = true});
        limits_are(&l, id, VERDICT_PASS, WHY_NONE, "none of 16 handshakes");
    }
}

static void one_wrong_leaf_that_is_accepted_fails_its_claim_alone(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    shown(&l, "wrong_san", (struct shake_row){.refused = true});
    shakes_add(&l, &(struct shake_row){.at_us = 1950 * LIMITS_MS, .endpoint = 2, .fault = 1});
    const struct verdict *v = limits_judge(&l, "tls.refuse[wrong_san]");
    assert_int_equal(v->kind, VERDICT_FAIL);
    assert_int_equal(v->wrong, 1);
    assert_non_null(strstr(v->text, "payments/2"));
    for (size_t i = 0; i < l.judgement->verdict_count; i++) {
        const struct judged *d = &l.judgement->verdicts[i];
        if (strcmp(d->claim->id, "tls.refuse[wrong_san]") != 0)
            assert_int_not_equal(d->verdict.kind, VERDICT_FAIL);
    }
    judgement_free(l.judgement);
    journal_free(l.j);
    plan_free(l.plan);
}

static void done_is_not_accepted(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    /* Linkerd completes the handshake, and then goes. */
    shown(&l, "wrong_san", (struct shake_row){.no_bytes = true});
    limits_are(&l, "tls.refuse[wrong_san]", VERDICT_PASS, WHY_NONE, "none of 16");
}

static void four_refusals_are_too_few(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    fault_cert(&l, "expired");
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 60, 20 * LIMITS_MS);
    shakes_run(
        &l,
        (struct shake_row){.at_us = 505 * LIMITS_MS, .endpoint = 2, .refused = true, .fault = 1}, 4,
        20 * LIMITS_MS);
    limits_are(&l, "tls.refuse[expired]", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 4 of 5");
}

static void a_pair_that_accepts_nothing_proves_nothing(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    fault_cert(&l, "expired");
    shakes_run(
        &l,
        (struct shake_row){.at_us = 505 * LIMITS_MS, .endpoint = 2, .refused = true, .fault = 1},
        20, 20 * LIMITS_MS);
    shakes_run(&l, (struct shake_row){.at_us = 510 * LIMITS_MS, .endpoint = 2, .refused = true}, 20,
               20 * LIMITS_MS);
    limits_are(&l, "tls.refuse[expired]", VERDICT_INCONCLUSIVE, WHY_INSTRUMENT,
               "the good certificate was not accepted either");
}

static void good_ones_before_alone_are_no_control(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    fault_cert(&l, "expired");
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS, .endpoint = 2}, 20, 10 * LIMITS_MS);
    shakes_run(
        &l,
        (struct shake_row){.at_us = 505 * LIMITS_MS, .endpoint = 2, .refused = true, .fault = 1},
        20, 20 * LIMITS_MS);
    limits_are(&l, "tls.refuse[expired]", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
               "0 of them after the first");
}

static void what_is_resumed_proves_nothing(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    shown(&l, "expired", (struct shake_row){.resumed = true});
    limits_are(&l, "tls.refuse[expired]", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "resumed a session");
}

static void what_nobody_showed_is_not_judged_unless_asked_by_name(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 60, 20 * LIMITS_MS);
    const struct verdict *v = limits_judge(&l, "tls.refuse[expired]");
    assert_int_equal(v->kind, VERDICT_NOT_APPLICABLE);
    judgement_free(l.judgement);
    journal_free(l.j);
    plan_free(l.plan);

    shakes_open(&l, "refused", (const char *const[]){"because", "expired", NULL});
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 60, 20 * LIMITS_MS);
    limits_are(&l, "tls.refuse[expired]", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "no handshakes");
    shakes_open(&l, "refused", no_keys);
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 60, 20 * LIMITS_MS);
    limits_are(&l, "tls.refuse[expired]", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "no handshakes");
}

static void the_root_itself_says_that_a_leaf_is_wrong(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "refused", (const char *const[]){"because", "unknown_root", NULL});
    shakes_swap(&l, LIMITS_S, 2, "leaf root-b serial 2", true);
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 60, 10 * LIMITS_MS);
    shakes_run(&l,
               (struct shake_row){
                   .at_us = 1500 * LIMITS_MS, .endpoint = 2, .own_root = "root-b", .refused = true},
               10, 20 * LIMITS_MS);
    shakes_swap(&l, 3 * LIMITS_S, 2, "leaf root-a serial 3", true);
    shakes_run(&l, (struct shake_row){.at_us = 3500 * LIMITS_MS, .endpoint = 2}, 10,
               20 * LIMITS_MS);
    limits_are(&l, "tls.refuse[unknown_root]", VERDICT_PASS, WHY_NONE, "none of 10");
}

static void nothing_plain_passes(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    shown(&l, "expired", (struct shake_row){.refused = true});
    limits_are(&l, "tls.plaintext", VERDICT_PASS, WHY_NONE, "after a refused one");
}

static void a_fallback_to_plain_text_fails(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    shown(&l, "expired", (struct shake_row){.refused = true});
    shakes_add(&l, &(struct shake_row){
                       .at_us = 1025 * LIMITS_MS, .endpoint = 2, .first_byte = 'G', .ended = true});
    limits_are(&l, "tls.plaintext", VERDICT_FAIL, WHY_NONE, ", after a refusal");
}

static void without_a_cause_a_fallback_that_must_not_come_is_undecided(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "refused", (const char *const[]){"because", "plaintext", NULL});
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 60, 20 * LIMITS_MS);
    limits_are(&l, "tls.plaintext", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED,
               "connections after a refused one");
}

static void a_connection_without_a_byte_is_no_witness(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    struct handshake_record silent = {
        .at = LIMITS_T0 + NS_PER_S, .endpoint = 1, .result = HANDSHAKE_EOF};
    for (int i = 0; i < 9; i++)
        journal_add(l.j, LIMITS_PROXY, RECORD_HANDSHAKE, &silent);
    limits_are(&l, "tls.plaintext", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "no connections");
}

static void the_declared_name_passes_and_another_fails(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 15, 20 * LIMITS_MS);
    limits_are(&l, "tls.client_identity", VERDICT_PASS, WHY_NONE, "each of 15");

    static const struct shake_row wrong[] = {
        {.at_us = LIMITS_S,
         .endpoint = 3,
         .sans = "URI:spiffe://cluster.local/ns/default/sa/other"},
        {.at_us = LIMITS_S, .endpoint = 3, .sans = SHAKE_MESH ",URI:spiffe://x/ns/y/sa/z"},
        {.at_us = LIMITS_S, .endpoint = 3, .sans = "DNS:client"},
        {.at_us = LIMITS_S, .endpoint = 3, .no_leaf = true},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        shakes_open(&l, "mtls", no_keys);
        shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 15, 20 * LIMITS_MS);
        shakes_add(&l, &wrong[i]);
        limits_are(&l, "tls.client_identity", VERDICT_FAIL, WHY_NONE, "1 of 16");
    }
}

static void a_pair_with_four_handshakes_leaves_the_name_open(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    shakes_run(&l, (struct shake_row){.at_us = 100 * LIMITS_MS}, 14, 20 * LIMITS_MS);
    limits_are(&l, "tls.client_identity", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "at payments/3");
}

/* ---- what the caller gets ---- */

/* One request that is alone, with ${refused} handshakes, and a try at the end where ${served}. */
static void alone(struct limits *l, uint64_t at_us, unsigned refused, bool served, uint16_t status,
                  bool by_us)
{
    uint64_t id = limits_request(l, at_us, at_us + 30 * LIMITS_MS, status, false);
    for (unsigned i = 0; i < refused; i++)
        shakes_add(l, &(struct shake_row){.at_us = at_us + (1 + 5 * i) * LIMITS_MS,
                                          .endpoint = (uint16_t)(i % 3 + 1),
                                          .refused = !by_us,
                                          .by_us = by_us,
                                          .own_root = by_us ? NULL : "unknown",
                                          .fault = by_us ? 0 : 1});
    if (!served)
        return;
    shakes_add(l, &(struct shake_row){.at_us = at_us + 25 * LIMITS_MS, .endpoint = 3});
    limits_add_try(l, &(struct limits_try){.request = id,
                                           .head_us = at_us + 27 * LIMITS_MS,
                                           .out_us = at_us + 28 * LIMITS_MS,
                                           .endpoint = 3});
}

static void surface_open(struct limits *l, uint32_t on)
{
    shakes_open(l, "refused", (const char *const[]){"because", "expired", NULL});
    l->edge.retry.on = on;
    l->phase->loads = ARENA_ARRAY(&l->plan->arena, struct load_plan, 1);
    l->phase->load_count = 1;
    l->phase->loads[0] = (struct load_plan){.closed = true,
                                            .on = l->phase->steps[0].on,
                                            .users = 1,
                                            .think_ns = 60 * NS_PER_MS,
                                            .protocol = "http1",
                                            .method = "GET",
                                            .path = "/"};
    fault_cert(l, "expired");
}

static void a_connect_failure_is_retried_and_then_told(void **state)
{
    struct limits l;
    (void)state;
    surface_open(&l, RETRY_CONNECT_FAILURE);
    for (uint64_t i = 0; i < 6; i++)
        alone(&l, LIMITS_S + i * 200 * LIMITS_MS, 3, false, 503, false);
    limits_are(&l, "tls.surface[expired]", VERDICT_PASS, WHY_NONE, "6 requests");
}

static void one_endpoint_of_three_is_hidden_by_a_retry(void **state)
{
    struct limits l;
    (void)state;
    surface_open(&l, RETRY_CONNECT_FAILURE);
    for (uint64_t i = 0; i < 6; i++)
        alone(&l, LIMITS_S + i * 200 * LIMITS_MS, 1, true, 200, false);
    limits_are(&l, "tls.surface[expired]", VERDICT_PASS, WHY_NONE, "6 requests");
}

static void tries_that_the_policy_does_not_have_fail(void **state)
{
    static const struct {
        uint32_t on;
        unsigned refused;
        bool served;
        uint16_t status;
        const char *text;
    } rows[] = {
        {RETRY_CONNECT_FAILURE, 4, false, 503, "a retry more hid it (4 refused"},
        {RETRY_CONNECT_FAILURE, 1, false, 503, "it was tried 1 times"},
        {RETRY_CONNECT_FAILURE, 3, false, 200, "the caller got 200 after 3"},
        {RETRY_CONNECT_FAILURE, 3, false, 404, "the caller got 404 after 3"},
        {RETRY_CONNECT_FAILURE, 3, true, 200, "a retry more hid it"},
        {RETRY_STATUS_CODES, 1, true, 200, "is tried 1 times by the policy; a retry more hid it"},
        {RETRY_STATUS_CODES, 2, false, 503, "a retry more hid it (2 refused"},
    };
    (void)state;
    for (size_t k = 0; k < COUNT_OF(rows); k++) {
        struct limits l;
        surface_open(&l, rows[k].on);
        for (uint64_t i = 0; i < 6; i++)
            alone(&l, LIMITS_S + i * 200 * LIMITS_MS, rows[k].refused, rows[k].served,
                  rows[k].status, false);
        limits_are(&l, "tls.surface[expired]", VERDICT_FAIL, WHY_NONE, rows[k].text);
    }
}

/* We refuse the mesh's leaf in TLS 1.3: it was connected, so only resets' tokens retry that. */
static void a_connection_that_we_end_is_another_class(void **state)
{
    static const struct {
        uint32_t on;
        unsigned refused;
        enum verdict_kind kind;
    } rows[] = {
        {RETRY_CONNECT_FAILURE, 1, VERDICT_PASS},
        {RETRY_CONNECT_FAILURE, 3, VERDICT_FAIL},
        {RETRY_RESET, 3, VERDICT_PASS},
        {RETRY_RESET, 1, VERDICT_FAIL},
    };
    (void)state;
    for (size_t k = 0; k < COUNT_OF(rows); k++) {
        struct limits l;
        shakes_open(&l, "refused", (const char *const[]){"because", "unknown_root", NULL});
        l.edge.retry.on = rows[k].on;
        shakes_swap(&l, 100 * LIMITS_MS, 0, "leaf root-b serial 9", true);
        for (uint64_t i = 0; i < 6; i++)
            alone(&l, LIMITS_S + i * 200 * LIMITS_MS, rows[k].refused, false, 503, true);
        const struct verdict *v = limits_judge(&l, "tls.surface[unknown_root]");
        assert_int_equal(v->kind, rows[k].kind);
        judgement_free(l.judgement);
        journal_free(l.j);
        plan_free(l.plan);
    }
}

static void under_load_requests_are_not_judged(void **state)
{
    struct limits l;
    (void)state;
    surface_open(&l, RETRY_CONNECT_FAILURE);
    l.phase->load_count = 0;
    for (uint64_t i = 0; i < 30; i++)
        alone(&l, LIMITS_S + i * 40 * LIMITS_MS, i == 0 ? 3 : 1, false, 503, false);
    const struct verdict *v = limits_judge(&l, "tls.surface[expired]");
    assert_int_equal(v->kind, VERDICT_NOT_APPLICABLE);
    judgement_free(l.judgement);
    journal_free(l.j);
    plan_free(l.plan);
}

static void four_requests_that_were_alone_are_too_few(void **state)
{
    struct limits l;
    (void)state;
    surface_open(&l, RETRY_CONNECT_FAILURE);
    for (uint64_t i = 0; i < 4; i++)
        alone(&l, LIMITS_S + i * 200 * LIMITS_MS, 3, false, 503, false);
    limits_are(&l, "tls.surface[expired]", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 4 of 5");
}

/* ---- stalls ---- */

static void stalled(struct limits *l, size_t count, uint64_t life_us)
{
    shakes_open(l, "timeout", (const char *const[]){"only", "connect", NULL});
    l->edge.pool.connect_timeout = limits_value(NS_PER_S);
    shakes_step(l, STEP_FAULT, "tls_stall", "payments/3",
                (const char *const[]){"step", "server_hello", "hold", "20s", NULL});
    /* The control arm of the late test. */
    for (uint64_t i = 0; i < 1200; i++)
        (void)limits_served(l, i * 10 * LIMITS_MS, i * 10 * LIMITS_MS + 3 * LIMITS_MS, 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t at_us = LIMITS_S + i * 400 * LIMITS_MS;
        struct connection_record c = {.at = LIMITS_T0 + at_us * NS_PER_US,
                                      .first_byte = 1,
                                      .close = life_us * NS_PER_US,
                                      .conn = (uint32_t)l->j->handshake_count + 1,
                                      .endpoint = 3,
                                      .fault = 1};
        journal_add(l->j, LIMITS_PROXY, RECORD_CONNECTION, &c);
        shakes_add(l,
                   &(struct shake_row){.at_us = at_us, .endpoint = 3, .ended = true, .fault = 1});
    }
}

static void a_stalled_handshake_ends_at_the_connect_timeout(void **state)
{
    struct limits l;
    (void)state;
    stalled(&l, 12, 1001 * LIMITS_MS);
    limits_are(&l, "tls.stall", VERDICT_PASS, WHY_NONE, "12 stalled handshakes given up at 1001");
    stalled(&l, 12, 1200 * LIMITS_MS);
    limits_are(&l, "tls.stall", VERDICT_FAIL, WHY_NONE, "given up late");
    stalled(&l, 12, 800 * LIMITS_MS);
    limits_are(&l, "tls.stall", VERDICT_FAIL, WHY_NONE, "given up early");
    stalled(&l, 3, 1001 * LIMITS_MS);
    limits_are(&l, "tls.stall", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 3 of 5");
}

static void a_family_means_all_of_its_parameters(void **state)
{
    (void)state;
    const struct claim_type *type = claim_type_find("tls.refuse[expired]");
    assert_non_null(type);
    assert_true(claim_type_is(type, "tls.refuse[expired]"));
    assert_true(claim_type_is(type, "tls.refuse"));
    assert_true(claim_type_is(type, "tls"));
    assert_true(claim_type_is(type, "mtls"));
    assert_false(claim_type_is(type, "tls.refuse[wrong_san]"));
    assert_false(claim_type_is(type, "tls.ref"));
}

static void a_lab_without_tls_cannot_say(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "mtls", no_keys);
    l.plan->scenarios[0].lab.tls = "off";
    limits_are(&l, "tls.plaintext", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "no TLS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_leaf_that_is_refused_passes),
        cmocka_unit_test(one_wrong_leaf_that_is_accepted_fails_its_claim_alone),
        cmocka_unit_test(done_is_not_accepted),
        cmocka_unit_test(four_refusals_are_too_few),
        cmocka_unit_test(a_pair_that_accepts_nothing_proves_nothing),
        cmocka_unit_test(good_ones_before_alone_are_no_control),
        cmocka_unit_test(what_is_resumed_proves_nothing),
        cmocka_unit_test(what_nobody_showed_is_not_judged_unless_asked_by_name),
        cmocka_unit_test(the_root_itself_says_that_a_leaf_is_wrong),
        cmocka_unit_test(nothing_plain_passes),
        cmocka_unit_test(a_fallback_to_plain_text_fails),
        cmocka_unit_test(without_a_cause_a_fallback_that_must_not_come_is_undecided),
        cmocka_unit_test(a_connection_without_a_byte_is_no_witness),
        cmocka_unit_test(the_declared_name_passes_and_another_fails),
        cmocka_unit_test(a_pair_with_four_handshakes_leaves_the_name_open),
        cmocka_unit_test(a_connect_failure_is_retried_and_then_told),
        cmocka_unit_test(one_endpoint_of_three_is_hidden_by_a_retry),
        cmocka_unit_test(tries_that_the_policy_does_not_have_fail),
        cmocka_unit_test(a_connection_that_we_end_is_another_class),
        cmocka_unit_test(under_load_requests_are_not_judged),
        cmocka_unit_test(four_requests_that_were_alone_are_too_few),
        cmocka_unit_test(a_stalled_handshake_ends_at_the_connect_timeout),
        cmocka_unit_test(a_family_means_all_of_its_parameters),
        cmocka_unit_test(a_lab_without_tls_cannot_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
