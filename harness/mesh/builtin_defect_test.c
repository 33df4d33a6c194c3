/* The builtin mesh with a defect: what is seen of each, and what is not without it. */

#include "mesh/builtin_fixture_test.h"

static void scripted_defects_change_what_is_seen(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect, *path;
        uint32_t right, wrong;
    } rows[] = {
        {"one_retry_more", "/503/9", 4, 5},          {"one_retry_fewer", "/503/9", 4, 3},
        {"never_retries_resets", "/reset/1", 2, 1},  {"retries_400", "/400/9", 1, 4},
        {"retries_after_start", "/started/1", 1, 2}, {"no_per_try_timeout", "/hold/1", 2, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int wrong = 0; wrong <= 1; wrong++) {
            struct lab *lab = envoy(wrong == 1 ? rows[i].defect : NULL);
            struct lab_sent *s = lab_ask(lab, rows[i].path);
            assert_int_equal(lab_tries(lab, s), wrong == 1 ? rows[i].wrong : rows[i].right);
            lab_free(lab);
        }
    }
}

static void late_timeouts_are_late_and_a_faked_answer_is_200(void **unused)
{
    (void)unused;
    struct lab *lab = envoy("request_timeout_20_late");
    struct lab_sent *s = lab_ask(lab, "/hold/9");
    assert_true(s->end_ns - s->start_ns >= 480 * MS);
    lab_free(lab);
    lab = envoy("per_try_20_late");
    s = lab_ask(lab, "/hold/1");
    assert_true(s->end_ns - s->start_ns >= 144 * MS);
    lab_free(lab);
    lab = envoy("request_timeout_restarts"); /* four tries of 120 ms, past T */
    s = lab_ask(lab, "/hold/9");
    assert_int_equal(lab_tries(lab, s), 4);
    assert_true(s->end_ns - s->start_ns >= 480 * MS);
    lab_free(lab);
    lab = envoy("timeout_as_200");
    s = lab_ask(lab, "/hold/9");
    assert_int_equal(s->status, 200);
    assert_string_equal(s->body, "");
    lab_free(lab);
    lab = envoy(
        "per_try_from_request_start"); /* the second try dies young: 4 tries end before 2 P do */
    s = lab_ask(lab, "/hold/9");
    assert_int_equal(lab_tries(lab, s), 4);
    lab_free(lab);
}

static void the_breakers_defects_change_what_is_dropped(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        size_t dropped, tries;
    } rows[] = {{NULL, 6, 4}, {"max_requests_off", 0, 10}, {"breaker_half", 8, 2}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
        policy.pool.max_requests = lab_number(4);
        policy.retry.attempts = policy.retry.per_try_timeout = (struct value){0};
        struct lab *lab = start(policy, rows[i].defect);
        size_t dropped = 0;
        for (int n = 0; n < 10; n++)
            lab_send(lab, "/hold/9");
        lab_wait(lab);
        for (size_t n = 0; n < lab->sent_count; n++)
            dropped += lab->sent[n].overloaded;
        assert_int_equal(dropped, rows[i].dropped);
        assert_int_equal(lab->seen_count, rows[i].tries);
        lab_free(lab);
    }
}

static void the_pools_defects_change_how_many_wait(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        size_t dropped, tries, tries_most; /* who waits may follow one that has timed out */
    } rows[] = {{NULL, 5, 2, 5}, {"pending_doubled", 2, 2, 8}, {"no_connection_limit", 0, 10, 10}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
        policy.pool.max_connections = lab_number(2);
        policy.pool.max_pending = lab_number(3);
        policy.retry.attempts = policy.retry.per_try_timeout = (struct value){0};
        struct lab *lab = lab_new(1);
        struct error err = {0};
        size_t dropped = 0;
        assert_true(lab_open(lab, "builtin", policy, rows[i].defect, NULL, &err));
        for (int n = 0; n < 10; n++)
            lab_send(lab, "/hold/9");
        lab_wait(lab);
        for (size_t n = 0; n < lab->sent_count; n++)
            dropped += lab->sent[n].overloaded;
        assert_int_equal(dropped, rows[i].dropped);
        assert_in_range(lab->seen_count, rows[i].tries, rows[i].tries_most);
        lab_free(lab);
    }
}

static void the_counters_defects_hide_what_happened(void **unused)
{
    (void)unused;
    struct lab *lab = envoy("retries_not_counted");
    lab_ask(lab, "/503/2");
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "upstream_rq_retry"), 0);
    assert_int_equal(lab_value(lab, "upstream_rq_total"), 3);
    lab_free(lab);
    for (int wrong = 0; wrong <= 1; wrong++) {
        struct error err = {0};
        lab = lab_new(1);
        assert_true(lab_open(lab, "builtin", ejecting(), wrong == 1 ? "ejection_not_shown" : NULL,
                             NULL, &err));
        for (int i = 0; i < 3; i++)
            lab_ask(lab, "/503/1");
        assert_string_equal(lab_ask(lab, "/200/0")->body, "no healthy upstream");
        lab_scrape(lab);
        assert_int_equal(lab_value(lab, "outlier_detection.ejections_active"), wrong == 1 ? 0 : 1);
        lab_free(lab);
    }
}

static void a_retry_on_the_same_host_and_one_request_too_many_are_seen(void **unused)
{
    (void)unused;
    struct lab *lab = envoy("retry_same_host");
    for (int i = 0; i < 20; i++) {
        struct lab_sent *s = lab_ask(lab, "/503/3");
        for (uint32_t k = 2; k <= 4; k++)
            assert_int_equal(lab_try(lab, s, k)->host, lab_try(lab, s, 1)->host);
    }
    lab_free(lab);
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    struct error err = {0};
    policy.pool.requests_per_connection = lab_number(3);
    lab = lab_new(1);
    assert_true(lab_open(lab, "builtin", policy, "requests_per_connection_one_more", NULL, &err));
    for (int i = 0; i < 8; i++)
        lab_ask(lab, "/200/0");
    assert_int_equal(lab_on_connection(lab, lab->seen[0].peer), 4);
    lab_free(lab);
}

static void a_post_is_tried_again_by_its_defect_alone(void **unused)
{
    (void)unused;
    for (int wrong = 0; wrong <= 1; wrong++) {
        struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
        policy.retry.on = RETRY_CONNECT_FAILURE;
        struct lab *lab = start(policy, wrong == 1 ? "retries_unsafe" : NULL);
        struct lab_sent *s = lab_send_body(lab, "/reset/1", BYTES("pay"));
        lab_wait(lab);
        assert_int_equal(lab_tries(lab, s), wrong == 1 ? 2 : 1);
        lab_free(lab);
    }
}

static void linkerds_defects_change_what_is_seen(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect, *path;
        uint32_t right, wrong;
    } rows[] = {
        {"linkerd_retry_more", "/503/9", 4, 5},
        {"linkerd_retry_fewer", "/503/9", 4, 3},
        {"linkerd_retries_400", "/400/9", 1, 4},
        {"linkerd_retries_started", "/started/1", 1, 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int wrong = 0; wrong <= 1; wrong++) {
            struct edge_policy policy = lab_policy(FLAVOUR_LINKERD);
            policy.request_timeout = (struct value){0};
            struct lab *lab = start(policy, wrong == 1 ? rows[i].defect : NULL);
            struct lab_sent *s = lab_ask(lab, rows[i].path);
            assert_int_equal(lab_tries(lab, s), wrong == 1 ? rows[i].wrong : rows[i].right);
            lab_free(lab);
        }
    }
}

static void a_defect_that_does_not_exist_is_refused(void **unused)
{
    (void)unused;
    struct lab *lab = lab_new(1);
    struct error err = {0};
    assert_false(
        lab_open(lab, "builtin", lab_policy(FLAVOUR_ENVOY), "one_retry_too_many", NULL, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "one_retry_too_many"));
    lab_free(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripted_defects_change_what_is_seen),
        cmocka_unit_test(late_timeouts_are_late_and_a_faked_answer_is_200),
        cmocka_unit_test(the_breakers_defects_change_what_is_dropped),
        cmocka_unit_test(the_pools_defects_change_how_many_wait),
        cmocka_unit_test(the_counters_defects_hide_what_happened),
        cmocka_unit_test(a_retry_on_the_same_host_and_one_request_too_many_are_seen),
        cmocka_unit_test(a_post_is_tried_again_by_its_defect_alone),
        cmocka_unit_test(linkerds_defects_change_what_is_seen),
        cmocka_unit_test(a_defect_that_does_not_exist_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
