#include "policy/testing.h"

static struct edge_policy envoy(uint32_t on)
{
    return (struct edge_policy){.flavour = FLAVOUR_ENVOY, .retry = {.on = on}};
}

static void targets_parse_and_print(void **state)
{
    (void)state;
    static const char *const good[] = {"istio@1.31",   "istio-ambient@1.22",
                                       "linkerd@2.15", "gateway-api@1.6",
                                       "none",         "istio-ambient"};
    static const char *const bad[] = {
        "",           "istio@",     "istio@1",   "istio@1.x",    "istio@1.31 ",
        "Istio@1.31", "consul@1.2", "istio@0.9", "istio@1.31.2", "none@1.0"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char text[48];
        struct target t;
        struct error err = {0};
        assert_true(target_parse(good[i], &t, &err));
        assert_string_equal(target_print(t, text, sizeof(text)), good[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct target t;
        struct error err = {0};
        assert_false(target_parse(bad[i], &t, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
}

static void versions_compare_by_number(void **state)
{
    (void)state;
    struct target t = {MESH_ISTIO, 1, 9};
    assert_false(target_since(t, 1, 24));
    assert_true(target_since(t, 1, 9));
    assert_true(target_since((struct target){MESH_ISTIO, 2, 0}, 1, 24));
    assert_true(target_since((struct target){MESH_ISTIO, 0, 0}, 1, 24));
}

static void envoy_words_cover_what_a1_says(void **state)
{
    (void)state;
    static const struct {
        uint32_t on;
        enum cause cause;
        uint32_t status;
        bool covered;
    } rows[] = {
        {RETRY_5XX, CAUSE_STATUS, 503, true},
        {RETRY_5XX, CAUSE_STATUS, 499, false},
        {RETRY_5XX, CAUSE_RESET, 0, true},
        {RETRY_5XX, CAUSE_REFUSED, 0, true},
        {RETRY_5XX, CAUSE_HOLD, 0, true},
        {RETRY_5XX, CAUSE_FIN, 0, true},
        {RETRY_GATEWAY_ERROR, CAUSE_STATUS, 500, false},
        {RETRY_GATEWAY_ERROR, CAUSE_STATUS, 502, true},
        {RETRY_GATEWAY_ERROR, CAUSE_HOLD, 0, true},
        {RETRY_RESET, CAUSE_STATUS, 503, false},
        {RETRY_RESET, CAUSE_HOLD, 0, true},
        {RETRY_RESET, CAUSE_ACCEPT, 0, true},
        {RETRY_CONNECT_FAILURE, CAUSE_REFUSED, 0, true},
        {RETRY_CONNECT_FAILURE, CAUSE_RESET, 0, false},
        {RETRY_CONNECT_FAILURE, CAUSE_ACCEPT, 0, false}, /* a race: never a must */
        {RETRY_RESET_BEFORE_REQUEST, CAUSE_RESET, 0, false},
        {RETRY_RESET_BEFORE_REQUEST, CAUSE_REFUSED, 0, true},
        {RETRY_RETRIABLE_4XX, CAUSE_STATUS, 409, true},
        {RETRY_RETRIABLE_4XX, CAUSE_STATUS, 404, false},
        {0, CAUSE_REFUSED, 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy e = envoy(rows[i].on);
        assert_int_equal(retry_rule_covers(&e, rows[i].cause, rows[i].status), rows[i].covered);
    }
}

/* Rule 6 of section 0: a reset that a proxy shows as 503 is no 503 to a list of codes. */
static void codes_are_not_resets(void **state)
{
    (void)state;
    struct edge_policy e = envoy(RETRY_STATUS_CODES);
    status_set_add(&e.retry.codes, 503);
    assert_true(retry_rule_covers(&e, CAUSE_STATUS, 503));
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 502));
    assert_false(retry_rule_covers(&e, CAUSE_RESET, 0));
    assert_false(retry_rule_covers(&e, CAUSE_HOLD, 504));
}

static void linkerd_codes_cover_its_own_502(void **state)
{
    (void)state;
    struct edge_policy e = {.flavour = FLAVOUR_LINKERD, .retry = {.on = RETRY_STATUS_CODES}};
    status_set_add(&e.retry.codes, 500);
    assert_false(retry_rule_covers(&e, CAUSE_RESET, 0));
    assert_false(retry_rule_covers(&e, CAUSE_FIN, 0));
    assert_false(retry_rule_covers(&e, CAUSE_HOLD, 0));
    status_set_add(&e.retry.codes, 502);
    assert_true(retry_rule_covers(&e, CAUSE_RESET, 0));
    assert_true(retry_rule_covers(&e, CAUSE_REFUSED, 0));
    assert_false(retry_rule_covers(&e, CAUSE_FIN, 0));
    e.retry.on |= RETRY_LINKERD_TIMEOUT;
    assert_true(retry_rule_covers(&e, CAUSE_HOLD, 0));
    e.flavour = FLAVOUR_L4;
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 502));
}

static void status_sets_keep_to_their_range(void **state)
{
    (void)state;
    struct status_set s = {0};
    status_set_add(&s, 99);
    status_set_add(&s, 100);
    status_set_add(&s, 599);
    status_set_add(&s, 99999);
    assert_true(status_set_has(&s, 100) && status_set_has(&s, 599));
    assert_false(status_set_has(&s, 99) || status_set_has(&s, 99999) || status_set_has(&s, 163));
}

static void cap_is_rounded_down(void **state)
{
    (void)state;
    struct outlier_rule r = {.present = true, .max_ejection_percent = {.number = 30, .set = true}};
    assert_int_equal(outlier_rule_cap(&r, 3), 0);
    assert_int_equal(outlier_rule_cap(&r, 4), 1);
    assert_int_equal(outlier_rule_cap(&r, 10), 3);
    r.max_ejection_percent.number = 100;
    assert_int_equal(outlier_rule_cap(&r, 3), 3);
    r.present = false;
    assert_int_equal(outlier_rule_cap(&r, 3), 0);
}

static void threshold_is_of_the_detectors_that_are_on(void **state)
{
    (void)state;
    struct outlier_rule r = {.present = true, .consecutive_5xx = {.number = 5}};
    assert_int_equal(outlier_rule_threshold(&r, false), 5);
    assert_int_equal(outlier_rule_threshold(&r, true), 5);
    r.consecutive_gateway.number = 3;
    assert_int_equal(outlier_rule_threshold(&r, true), 3);
    assert_int_equal(outlier_rule_threshold(&r, false), 5);
    r.consecutive_5xx.number = 0;
    assert_int_equal(outlier_rule_threshold(&r, false), 0);
    assert_int_equal(outlier_rule_threshold(&r, true), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_parse_and_print),
        cmocka_unit_test(versions_compare_by_number),
        cmocka_unit_test(envoy_words_cover_what_a1_says),
        cmocka_unit_test(codes_are_not_resets),
        cmocka_unit_test(linkerd_codes_cover_its_own_502),
        cmocka_unit_test(status_sets_keep_to_their_range),
        cmocka_unit_test(cap_is_rounded_down),
        cmocka_unit_test(threshold_is_of_the_detectors_that_are_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
