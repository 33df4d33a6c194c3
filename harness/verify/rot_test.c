/* The claims of rotations on journals written by hand: the right order, wrong ones, declared skews,
 * and what proves nothing. */
#include "verify/handshake_fixture_test.h"

static const char *const no_keys[] = {NULL};

static void is_not_judged(struct limits *l, const char *id)
{
    const struct verdict *v = limits_judge(l, id);
    if (v->kind != VERDICT_NOT_APPLICABLE)
        fail_msg("%s is %d: %s", id, v->kind, v->text);
    limits_close(l);
}

/* The steps of a right order: add root-b at 2 s, leaves at 6 s, the mesh's at 10 s, drop at 14 s.
 */
static void steps(struct limits *l)
{
    shakes_at(l, 2 * LIMITS_S, "trust", (const char *const[]){"add", "root-b", NULL});
    shakes_at(l, 6 * LIMITS_S, "issue",
              (const char *const[]){"to", "payments", "root", "root-b", NULL});
    shakes_at(l, 10 * LIMITS_S, "issue",
              (const char *const[]){"to", "client", "root", "root-b", "ttl", "2h", NULL});
    shakes_at(l, 14 * LIMITS_S, "trust", (const char *const[]){"drop", "root-a", NULL});
}

static void swaps(struct limits *l)
{
    shakes_swap_all(l, 2000 * LIMITS_MS, "bundle root-a,root-b");
    shakes_swap(l, 2001 * LIMITS_MS, 0, "bundle root-a,root-b", true);
    shakes_swap_all(l, 6000 * LIMITS_MS, "leaf root-b serial 2");
    shakes_swap(l, 10000 * LIMITS_MS, 0, "leaf root-b serial A2", true);
    shakes_swap_all(l, 14000 * LIMITS_MS, "bundle root-b");
    shakes_swap(l, 14001 * LIMITS_MS, 0, "bundle root-b", true);
}

/* New handshakes at 30/s and endpoint all the time. */
static void shakes(struct limits *l, uint64_t every_us)
{
    for (uint64_t at = 5 * LIMITS_MS; at < 20 * LIMITS_S; at += every_us) {
        bool ours = at >= 6 * LIMITS_S, mesh = at >= 10 * LIMITS_S;
        shakes_run(l,
                   (struct shake_row){.at_us = at,
                                      .own_root = ours ? "root-b" : NULL,
                                      .mesh_root = mesh ? "root-b" : NULL,
                                      .serial = mesh ? "A2" : "A1",
                                      .not_after_s = mesh ? SHAKE_WALL - 60 + 7200 : 0},
                   3, 2 * LIMITS_MS);
    }
}

static void right(struct limits *l, const char *const *keys, uint64_t every_us)
{
    shakes_open(l, "rotation", keys);
    steps(l);
    swaps(l);
    shakes(l, every_us);
}

static void the_right_order_passes(void **state)
{
    static const char *const ids[] = {"rot.R1", "rot.R3", "rot.R4", "rot.R5"};
    struct limits l;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        right(&l, no_keys, 33 * LIMITS_MS);
        limits_are(&l, ids[i], VERDICT_PASS, WHY_NONE, "");
    }
    right(&l, no_keys, 33 * LIMITS_MS);
    is_not_judged(&l, "rot.R6");
    right(&l, no_keys, 33 * LIMITS_MS);
    is_not_judged(&l, "rot.R2");
    right(&l, no_keys, 33 * LIMITS_MS);
    is_not_judged(&l, "rot.resumption");
}

static void a_refusal_that_a_retry_hid_fails(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(&l,
               &(struct shake_row){
                   .at_us = 7 * LIMITS_S, .endpoint = 2, .own_root = "root-b", .refused = true});
    limits_are(&l, "rot.R1", VERDICT_FAIL, WHY_NONE,
               "1 of 1819 new handshakes were refused though both sides trust each other: the mesh "
               "refused payments/2's leaf with alert 48; retries hid them all");
}

/* In the right order a pair fits before, within and after each swap: there is no unknown span. */
static void a_refusal_while_a_swap_is_under_way_fails_too(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(
        &l, &(struct shake_row){
                .at_us = 6001 * LIMITS_MS, .endpoint = 2, .own_root = "root-b", .refused = true});
    limits_are(&l, "rot.R1", VERDICT_FAIL, WHY_NONE, "though both sides trust each other");
}

static void a_connection_that_merely_ended_is_no_witness(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(&l, &(struct shake_row){
                       .at_us = 7 * LIMITS_S, .endpoint = 2, .own_root = "root-b", .ended = true});
    shakes_add(&l,
               &(struct shake_row){
                   .at_us = 7 * LIMITS_S, .endpoint = 2, .own_root = "root-b", .no_bytes = true});
    limits_are(&l, "rot.R1", VERDICT_PASS, WHY_NONE, "");
}

static void too_few_new_handshakes_of_a_step_decide_nothing(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 250 * LIMITS_MS);
    limits_are(&l, "rot.R1", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "old connections hide it");
    right(&l, (const char *const[]){"handshakes", "none", NULL}, 250 * LIMITS_MS);
    limits_are(&l, "rot.R1", VERDICT_PASS, WHY_NONE, "old connections were kept, as asked");
}

static void the_last_third_of_a_step_must_be_seen(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "rotation", no_keys);
    steps(&l);
    swaps(&l);
    static const uint64_t begins[] = {2, 6, 10, 14};
    for (size_t i = 0; i < COUNT_OF(begins); i++)
        shakes_run(&l,
                   (struct shake_row){.at_us = begins[i] * LIMITS_S + 500 * LIMITS_MS,
                                      .own_root = i >= 1 ? "root-b" : NULL,
                                      .mesh_root = i >= 2 ? "root-b" : NULL},
                   90, 10 * LIMITS_MS);
    limits_are(&l, "rot.R1", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "in the last third of step");
}

static void resumed_handshakes_decide_nothing(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(&l, &(struct shake_row){.at_us = 9 * LIMITS_S, .endpoint = 1, .resumed = true});
    limits_are(&l, "rot.R1", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "resumed a session");
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(&l, &(struct shake_row){.at_us = 9 * LIMITS_S, .endpoint = 1, .resumed = true});
    limits_are(&l, "rot.resumption", VERDICT_PASS, WHY_NONE, "1 of 1 resumed sessions");
}

static void a_file_that_was_not_taken_decides_nothing(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_swap(&l, 2500 * LIMITS_MS, 0, "bundle root-a,root-b", false);
    shakes_add(&l,
               &(struct shake_row){
                   .at_us = 7 * LIMITS_S, .endpoint = 2, .own_root = "root-b", .refused = true});
    limits_are(&l, "rot.R1", VERDICT_INCONCLUSIVE, WHY_CAPABILITY,
               "the proxy did not take the file: bundle root-a,root-b");

    right(&l, no_keys, 33 * LIMITS_MS);
    struct metric_record m = {.at = LIMITS_T0 + 8 * NS_PER_S,
                              .answer = 1,
                              .value = 1,
                              .proxy = journal_add_name(l.j, "mesh"),
                              .name = journal_add_name(l.j, "sds.ca.key_rotation_failed")};
    journal_add(l.j, LIMITS_MESH, RECORD_METRIC, &m);
    limits_are(&l, "rot.R1", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "the proxy refused a file");
}

/* ---- wrong orders ---- */

/* payments/1 shows root-b at 4 s; the mesh trusts it at 8 s. */
static void early_leaf(struct limits *l, bool declared, bool refused)
{
    shakes_open(l, "rotation", no_keys);
    if (declared)
        (void)shakes_step(l, STEP_EXPECT, "refused", "client -> payments",
                          (const char *const[]){"because", "unknown_root", NULL});
    shakes_at(l, 4 * LIMITS_S, "issue",
              (const char *const[]){"to", "payments/1", "root", "root-b", NULL});
    shakes_at(l, 8 * LIMITS_S, "trust", (const char *const[]){"add", "root-b", NULL});
    shakes_swap(l, 4 * LIMITS_S, 1, "leaf root-b serial 2", true);
    shakes_swap_all(l, 8 * LIMITS_S, "bundle root-a,root-b");
    shakes_swap(l, 8 * LIMITS_S, 0, "bundle root-a,root-b", true);
    for (uint64_t at = 5 * LIMITS_MS; at < 20 * LIMITS_S; at += 33 * LIMITS_MS) {
        bool early = at >= 4 * LIMITS_S && at < 8 * LIMITS_S;
        shakes_add(l, &(struct shake_row){.at_us = at,
                                          .endpoint = 1,
                                          .own_root = at >= 4 * LIMITS_S ? "root-b" : NULL,
                                          .refused = early && refused});
        shakes_add(l, &(struct shake_row){.at_us = at + LIMITS_MS, .endpoint = 2});
        shakes_add(l, &(struct shake_row){.at_us = at + 2 * LIMITS_MS, .endpoint = 3});
    }
}

static void a_leaf_before_trust_is_a_wrong_order(void **state)
{
    struct limits l;
    (void)state;
    early_leaf(&l, false, true);
    limits_are(&l, "rot.R1", VERDICT_FAIL, WHY_NONE, "the order of the steps is wrong");
}

static void a_declared_skew_is_judged_as_one(void **state)
{
    struct limits l;
    (void)state;
    early_leaf(&l, true, true);
    is_not_judged(&l, "rot.R1");
    early_leaf(&l, true, true);
    limits_are(&l, "rot.R6", VERDICT_PASS, WHY_NONE, "were refused");
}

static void a_mesh_that_accepts_the_unfit_fails(void **state)
{
    struct limits l;
    (void)state;
    early_leaf(&l, true, false);
    limits_are(&l, "rot.R6", VERDICT_FAIL, WHY_NONE,
               "though the mesh cannot trust the leaf that payments/1 showed");
    early_leaf(&l, true, true);
    shakes_add(&l, &(struct shake_row){.at_us = 6 * LIMITS_S, .endpoint = 1, .own_root = "root-b"});
    limits_are(&l, "rot.R6", VERDICT_FAIL, WHY_NONE, "1 of ");
}

/* Either bundle may have been in force then. */
static void what_is_accepted_while_a_swap_is_under_way_is_no_witness(void **state)
{
    struct limits l;
    (void)state;
    early_leaf(&l, true, true);
    shakes_add(&l,
               &(struct shake_row){.at_us = 8001 * LIMITS_MS, .endpoint = 1, .own_root = "root-b"});
    limits_are(&l, "rot.R6", VERDICT_PASS, WHY_NONE, "were refused");
}

static void a_skew_that_no_new_handshake_met_decides_nothing(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "rotation", no_keys);
    shakes_at(&l, 4 * LIMITS_S, "issue",
              (const char *const[]){"to", "payments/1", "root", "root-b", NULL});
    shakes_swap(&l, 4 * LIMITS_S, 1, "leaf root-b serial 2", true);
    shakes_run(&l, (struct shake_row){.at_us = LIMITS_MS}, 9, 100 * LIMITS_MS);
    const struct verdict *v = limits_judge(&l, "rot.R6");
    assert_int_equal(v->kind, VERDICT_INCONCLUSIVE);
    limits_close(&l);
    shakes_open(&l, "rotation", no_keys);
    shakes_at(&l, 4 * LIMITS_S, "issue",
              (const char *const[]){"to", "payments/1", "root", "root-b", NULL});
    shakes_swap(&l, 4 * LIMITS_S, 1, "leaf root-b serial 2", true);
    shakes_run(&l, (struct shake_row){.at_us = LIMITS_MS}, 9, 100 * LIMITS_MS);
    limits_are(&l, "rot.R1", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "old connections hide it");
}

static void four_refusals_of_a_skew_are_too_few_but_three_where_three_eject(void **state)
{
    struct limits l;
    (void)state;
    for (unsigned c = 0; c < 4; c += 3) {
        shakes_open(&l, "rotation", no_keys);
        (void)shakes_step(&l, STEP_EXPECT, "refused", "client -> payments", no_keys);
        shakes_swap(&l, 4 * LIMITS_S, 1, "leaf root-b serial 2", true);
        l.edge.outlier.present = c > 0;
        l.edge.outlier.consecutive_5xx = limits_value(c);
        l.edge.outlier.base_ejection = limits_value(NS_PER_S);
        shakes_run(&l,
                   (struct shake_row){
                       .at_us = 5 * LIMITS_S, .endpoint = 1, .own_root = "root-b", .refused = true},
                   4, 50 * LIMITS_MS);
        shakes_run(&l, (struct shake_row){.at_us = 5 * LIMITS_S, .endpoint = 2}, 40,
                   20 * LIMITS_MS);
        if (c == 0)
            limits_are(&l, "rot.R6", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 4 of 5");
        else
            limits_are(&l, "rot.R6", VERDICT_PASS, WHY_NONE, "all 4");
    }
}

/* We do not trust the mesh's leaf: that it is refused is our own doing, and no witness. */
static void late_trust_of_an_endpoint_is_a_skew_too(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "rotation", no_keys);
    (void)shakes_step(&l, STEP_EXPECT, "refused", "client -> payments", no_keys);
    shakes_swap(&l, 2 * LIMITS_S, 2, "bundle root-a,root-b", true);
    shakes_swap(&l, 2 * LIMITS_S, 3, "bundle root-a,root-b", true);
    shakes_swap(&l, 4 * LIMITS_S, 0, "leaf root-b serial A2", true);
    for (uint64_t at = 5 * LIMITS_S; at < 9 * LIMITS_S; at += 40 * LIMITS_MS) {
        shakes_add(&l, &(struct shake_row){
                           .at_us = at, .endpoint = 1, .mesh_root = "root-b", .by_us = true});
        shakes_add(&l,
                   &(struct shake_row){.at_us = at + 1000, .endpoint = 2, .mesh_root = "root-b"});
    }
    limits_are(&l, "rot.R6", VERDICT_PASS, WHY_NONE, "all 100");
}

/* ---- the mesh's own leaves ---- */

static void a_leaf_that_has_ended_fails_refused_or_not(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(&l, &(struct shake_row){.at_us = 9 * LIMITS_S,
                                       .endpoint = 3,
                                       .by_us = true,
                                       .own_root = "root-b",
                                       .not_after_s = SHAKE_WALL - 2});
    limits_are(&l, "rot.R4", VERDICT_FAIL, WHY_NONE, "a leaf that had ended in 1 of");
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(&l, &(struct shake_row){.at_us = 9 * LIMITS_S,
                                       .endpoint = 3,
                                       .own_root = "root-b",
                                       .not_after_s = SHAKE_WALL - 1});
    limits_are(&l, "rot.R4", VERDICT_PASS, WHY_NONE, "");
}

static void an_old_leaf_after_its_root_was_dropped_fails(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(&l, &(struct shake_row){
                       .at_us = 16 * LIMITS_S, .endpoint = 3, .own_root = "root-b", .by_us = true});
    limits_are(&l, "rot.R4", VERDICT_FAIL, WHY_NONE, "which nobody trusts any more");
}

static void four_leaves_seen_are_too_few(void **state)
{
    static const char *const ids[] = {"rot.R3", "rot.R4", "rot.R5"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct limits l;
        shakes_open(&l, "rotation", no_keys);
        shakes_run(&l, (struct shake_row){.at_us = LIMITS_MS}, 4, 100 * LIMITS_MS);
        limits_are(&l, ids[i], VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 4 of 5");
    }
}

static void a_leaf_of_another_lifetime_or_name_fails(void **state)
{
    struct limits l;
    (void)state;
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_swap(&l, 12 * LIMITS_S, 0, "leaf root-b serial A3", true);
    shakes_add(&l, &(struct shake_row){.at_us = 13 * LIMITS_S,
                                       .endpoint = 3,
                                       .serial = "A3",
                                       .own_root = "root-b",
                                       .mesh_root = "root-b",
                                       .not_after_s = SHAKE_WALL - 60 + 7200 + 301});
    limits_are(&l, "rot.R3", VERDICT_FAIL, WHY_NONE, "7501 s, where 7200 s were asked for");
    right(&l, no_keys, 33 * LIMITS_MS);
    shakes_add(&l, &(struct shake_row){.at_us = 13 * LIMITS_S,
                                       .endpoint = 3,
                                       .serial = "A3",
                                       .own_root = "root-b",
                                       .mesh_root = "root-b",
                                       .sans = "URI:spiffe://cluster.local/ns/default/sa/other"});
    limits_are(&l, "rot.R5", VERDICT_FAIL, WHY_NONE, "sa/other");
}

/* A mesh of its own issuer: leaves of 100 s, each new one at ${share} of the old one's life. */
static void renewed(struct limits *l, double share)
{
    shakes_open(l, "rotation", no_keys);
    l->plan->scenarios[0].lab.tls = "off";
    uint64_t wall_s = SHAKE_WALL, issued_s = SHAKE_WALL;
    unsigned serial = 1;
    for (uint64_t i = 0; i < 200; i++, wall_s++) {
        char text[16];
        if ((double)(wall_s - issued_s) >= share * 100) {
            issued_s = wall_s;
            serial++;
        }
        snprintf(text, sizeof(text), "%02X", serial);
        shakes_add(l, &(struct shake_row){.at_us = i * 90 * LIMITS_MS,
                                          .endpoint = (uint16_t)(i % 3 + 1),
                                          .serial = text,
                                          .wall_s = wall_s,
                                          .own_not_after_s = SHAKE_WALL + 86400,
                                          .not_before_s = issued_s - 60,
                                          .not_after_s = issued_s + 100});
    }
}

static void a_renewal_comes_at_its_share_of_the_lifetime(void **state)
{
    struct limits l;
    (void)state;
    renewed(&l, 0.5);
    limits_are(&l, "rot.R2", VERDICT_PASS, WHY_NONE, "2 renewals");
    renewed(&l, 0.3);
    limits_are(&l, "rot.R2", VERDICT_FAIL, WHY_NONE, "came early: at 0.30");
    renewed(&l, 0.8);
    limits_are(&l, "rot.R2", VERDICT_FAIL, WHY_NONE, "came late: at 0.7");
    renewed(&l, 2.5);
    is_not_judged(&l, "rot.R2");
}

static void a_phase_without_steps_is_not_judged(void **state)
{
    struct limits l;
    (void)state;
    shakes_open(&l, "rotation", no_keys);
    shakes_run(&l, (struct shake_row){.at_us = LIMITS_MS}, 30, 100 * LIMITS_MS);
    is_not_judged(&l, "rot.R1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_order_passes),
        cmocka_unit_test(a_refusal_that_a_retry_hid_fails),
        cmocka_unit_test(a_refusal_while_a_swap_is_under_way_fails_too),
        cmocka_unit_test(a_connection_that_merely_ended_is_no_witness),
        cmocka_unit_test(too_few_new_handshakes_of_a_step_decide_nothing),
        cmocka_unit_test(the_last_third_of_a_step_must_be_seen),
        cmocka_unit_test(resumed_handshakes_decide_nothing),
        cmocka_unit_test(a_file_that_was_not_taken_decides_nothing),
        cmocka_unit_test(a_leaf_before_trust_is_a_wrong_order),
        cmocka_unit_test(a_declared_skew_is_judged_as_one),
        cmocka_unit_test(a_mesh_that_accepts_the_unfit_fails),
        cmocka_unit_test(what_is_accepted_while_a_swap_is_under_way_is_no_witness),
        cmocka_unit_test(a_skew_that_no_new_handshake_met_decides_nothing),
        cmocka_unit_test(four_refusals_of_a_skew_are_too_few_but_three_where_three_eject),
        cmocka_unit_test(late_trust_of_an_endpoint_is_a_skew_too),
        cmocka_unit_test(a_leaf_that_has_ended_fails_refused_or_not),
        cmocka_unit_test(an_old_leaf_after_its_root_was_dropped_fails),
        cmocka_unit_test(four_leaves_seen_are_too_few),
        cmocka_unit_test(a_leaf_of_another_lifetime_or_name_fails),
        cmocka_unit_test(a_renewal_comes_at_its_share_of_the_lifetime),
        cmocka_unit_test(a_phase_without_steps_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
