/* The builtin mesh's limits, right or with a defect: in Linkerd's flavour a ServiceProfile's tokens
 * and the rate limit of an endpoint's own proxy, in Envoy's a retry budget. */

#include "mesh/builtin_fixture_test.h"

/* Eight retries at once, then one for five answers. */
static struct edge_policy profile(void)
{
    struct edge_policy policy = lab_policy(FLAVOUR_LINKERD);
    policy.retry.attempts = policy.retry.per_try_timeout = policy.request_timeout =
        (struct value){0};
    policy.retry.on = RETRY_STATUS_CODES;
    policy.retry.by_budget = true;
    policy.budget = (struct budget_rule){.kind = BUDGET_LINKERD,
                                         .ratio_ppm = lab_number(200000),
                                         .least = lab_number(1),
                                         .interval = lab_number(8 * NS_PER_S)};
    return policy;
}

static void one_request_may_use_up_all_tokens(void **unused)
{
    (void)unused;
    struct lab *lab = start(profile(), NULL);
    struct lab_sent *s = lab_ask(lab, "/503/99");
    assert_int_equal(s->status, 503);
    assert_string_equal(s->body, "own\n");
    assert_int_equal(lab_tries(lab, s), 9);
    assert_true(s->end_ns - s->start_ns < NS_PER_S); /* no back-off: it would be over 1.5 s */
    assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/99")), 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(lab_ask(lab, i == 0 ? "/404/9" : "/200/0")->status, i == 0 ? 404 : 200);
    assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/99")), 2);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "route_request_total"), 8);
    assert_int_equal(lab_value(lab, "route_actual_request_total"), 17);
    assert_int_equal(lab_value(lab, "route_retryable_total"), 12);
    lab_free(lab);
}

static void a_profile_retries_what_its_classes_say(void **unused)
{
    (void)unused;
    static const struct {
        const char *path;
        uint32_t tries;
    } rows[] = {{"/reset/1", 2}, {"/fin/1", 1}, {"/500/1", 1}, {"/503/1", 2}, {"/started/1", 1}};
    struct lab *lab = start(profile(), NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(lab_tries(lab, lab_ask(lab, rows[i].path)), rows[i].tries);
    lab_free(lab);
}

static void the_budgets_defects_take_more(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        uint32_t tries, again;
    } rows[] = {{"budget_ignored", 21, 21}, {"budget_doubled", 17, 1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct lab *lab = start(profile(), rows[i].defect);
        assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/99")), rows[i].tries);
        assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/99")), rows[i].again);
        lab_free(lab);
    }
}

/* Three endpoints that let four in at once, and four a second. */
static struct edge_policy limited(void)
{
    struct edge_policy policy = lab_policy(FLAVOUR_LINKERD);
    policy.rate = (struct rate_rule){.present = true, .per_second = lab_number(4)};
    return policy;
}

/* How many of 30 at once are refused. */
static size_t refused(struct lab *lab)
{
    size_t ret = 0;
    for (int i = 0; i < 30; i++)
        lab_send(lab, "/200/0");
    lab_wait(lab);
    for (size_t i = 0; i < lab->sent_count; i++) {
        ret += lab->sent[i].status == 429;
        if (lab->sent[i].status == 429) {
            assert_int_equal(lab_tries(lab, &lab->sent[i]), 0);
            assert_string_equal(lab->sent[i].l5d_error, "");
        }
    }
    assert_int_equal(lab->seen_count + ret, 30);
    return ret;
}

static void each_endpoint_lets_in_what_its_limit_says(void **unused)
{
    (void)unused;
    struct lab *lab = start(limited(), NULL);
    /* A fair share fills all three; a slow machine refills them a little meanwhile. */
    assert_in_range(refused(lab), 12, 26);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "request_total"), 30);
    lab_free(lab);
}

static void the_rate_limits_defects_let_more_or_less_in(void **unused)
{
    (void)unused;
    struct lab *lab = start(limited(), "rate_limit_off");
    assert_int_equal(refused(lab), 0);
    lab_free(lab);
    lab = start(limited(), "rate_limit_tenth");
    assert_in_range(refused(lab), 22, 29);
    lab_free(lab);
}

/* Ten requests whose every try is cut: the retries at once are a share of what is under way then,
 * or a few at least. */
static void a_retry_budget_lets_so_many_retry_at_once(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        uint64_t ratio_ppm, least;
        size_t tries;
    } rows[] = {
        {NULL, 0, 2, 10 + 2 * 3},
        {"retries_not_limited", 0, 2, 10 + 10 * 3},
        /* Half of nine, of eight, of seven; and in the end one, as the least. */
        {NULL, 500000, 1, 10 + 3 + 1 + 1},
        {"budget_of_total", 500000, 1, 10 + 5 * 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
        policy.request_timeout = (struct value){0};
        policy.budget = (struct budget_rule){.kind = BUDGET_ENVOY,
                                             .ratio_ppm = lab_number(rows[i].ratio_ppm),
                                             .least = lab_number(rows[i].least)};
        struct lab *lab = start(policy, rows[i].defect);
        for (int n = 0; n < 10; n++)
            lab_send(lab, "/hold/9");
        lab_wait(lab);
        if (lab->seen_count != rows[i].tries)
            fail_msg("row %zu: %zu tries, not %zu", i, lab->seen_count, rows[i].tries);
        for (size_t n = 0; n < lab->sent_count; n++)
            assert_false(lab->sent[n].overloaded); /* a refused retry has no mark */
        lab_scrape(lab);
        assert_int_equal(lab_value(lab, "upstream_rq_retry"), rows[i].tries - 10);
        lab_free(lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_may_use_up_all_tokens),
        cmocka_unit_test(a_profile_retries_what_its_classes_say),
        cmocka_unit_test(the_budgets_defects_take_more),
        cmocka_unit_test(each_endpoint_lets_in_what_its_limit_says),
        cmocka_unit_test(the_rate_limits_defects_let_more_or_less_in),
        cmocka_unit_test(a_retry_budget_lets_so_many_retry_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
