/* Which phases a generated plan has for limits, budgets and rates, and which it leaves out. */
#include "verify/limits_fixture_test.h"

#include "base/units.h"
#include "verify/making.h"

struct made {
    struct plan *p;
    struct scenario scenario;
    struct generate_options options;
    struct making m;
};

static void make(struct made *ret, const struct edge_policy *edge, bool strict)
{
    ret->p = plan_new();
    ret->scenario = (struct scenario){.name = "limits"};
    ret->options = (struct generate_options){
        .depth = DEPTH_QUICK, .strict = strict, .seed = 7, .method = "GET"};
    making_init(&ret->m, ret->p, &ret->scenario, edge, &ret->options);
    making_limits(&ret->m);
}

static const struct phase *phase_of(const struct made *x, const char *name)
{
    for (size_t i = 0; i < x->m.phase_count; i++)
        if (strcmp(x->m.phases[i].name, name) == 0)
            return &x->m.phases[i];
    return NULL;
}

/* The parts of the phase's `expect`, joined. */
static const char *parts_of(struct made *x, const struct phase *p)
{
    const char *text = "";
    for (size_t i = 0; i < p->step_count; i++) {
        const json_t *only = json_object_get(p->steps[i].keys, "only"), *part;
        size_t k;
        if (p->steps[i].kind != STEP_EXPECT)
            continue;
        json_array_foreach(only, k, part)
        {
            text = arena_printf(&x->p->arena, "%s%s ", text, json_string_value(part));
        }
    }
    return text;
}

static uint64_t rate_of(const struct phase *p)
{
    return p->loads[0].rate_per_h / 3600;
}

static void a_limit_of_requests_is_filled_and_passed(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    struct made x;
    (void)state;
    edge.pool.max_requests = limits_value(8);
    make(&x, &edge, false);
    const struct phase *p = phase_of(&x, "too many at once");
    assert_non_null(p);
    /* 8, 16 workers that may each let one more through, and 20 to be refused, in 100 ms. */
    assert_in_range(rate_of(p), 440, 450);
    assert_string_equal(parts_of(&x, p), "requests ");
    assert_int_equal(x.m.phase_count, 2); /* and the way back */
    plan_free(x.p);
}

static void what_the_lab_cannot_fill_is_not_asked(void **state)
{
    static const struct {
        uint64_t requests, connections, per_try_ms;
        bool asked;
    } rows[] = {
        {8, 0, 0, true},
        {8, 0, 200, true},   /* answers after 50 ms */
        {8, 0, 160, false},  /* after 40 ms: 1 100 a second */
        {1000, 0, 0, false}, /* more than a thousand a second */
        {200, 0, 0, true},   /* answers after 236 ms */
        {200, 0, 600, false},
        {8, 5, 0, false}, /* five connections, two more of other hosts: never eight at once */
        {8, 6, 0, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
        struct made x;
        edge.pool.max_requests = limits_value(rows[i].requests);
        if (rows[i].connections != 0)
            edge.pool.max_connections = limits_value(rows[i].connections);
        if (rows[i].per_try_ms != 0)
            edge.retry.per_try_timeout = limits_value(rows[i].per_try_ms * NS_PER_MS);
        make(&x, &edge, false);
        if ((phase_of(&x, "too many at once") != NULL) != rows[i].asked)
            fail_msg("row %zu", i);
        plan_free(x.p);
    }
}

static void a_queue_is_asked_where_one_is_declared(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    struct made x;
    (void)state;
    edge.pool.max_connections = limits_value(2);
    make(&x, &edge, false);
    assert_string_equal(parts_of(&x, phase_of(&x, "too few connections")), "connections ");
    plan_free(x.p);
    edge.pool.max_pending = limits_value(6);
    make(&x, &edge, false);
    assert_string_equal(parts_of(&x, phase_of(&x, "too few connections")), "connections pending ");
    plan_free(x.p);
    edge.pool.max_pending = limits_value(400); /* the last in it would wait for twenty seconds */
    make(&x, &edge, false);
    assert_string_equal(parts_of(&x, phase_of(&x, "too few connections")), "connections ");
    plan_free(x.p);
}

/* Until it is full, and all that wait have certainly been taken in, nobody is served; and then the
 * last in it is answered in time. */
static void a_queue_is_asked_where_it_can_be_seen_full(void **state)
{
    static const struct {
        uint64_t connections, pending, per_try_ms;
        bool asked;
    } rows[] = {{2, 6, 0, true},    {2, 6, 600, true},   {2, 6, 400, true},  {2, 6, 250, false},
                {2, 6, 120, false}, {6, 4, 250, true},   {6, 4, 120, false}, {1, 1, 250, true},
                {4, 10, 800, true}, {4, 10, 250, false}, {100, 120, 0, true}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
        struct made x;
        edge.pool.max_connections = limits_value(rows[i].connections);
        edge.pool.max_pending = limits_value(rows[i].pending);
        if (rows[i].per_try_ms != 0)
            edge.retry.per_try_timeout = limits_value(rows[i].per_try_ms * NS_PER_MS);
        make(&x, &edge, false);
        const struct phase *p = phase_of(&x, "too few connections");
        if (p == NULL || (strstr(parts_of(&x, p), "pending") != NULL) != rows[i].asked)
            fail_msg("row %zu", i);
        uint64_t coming = rows[i].connections + 6 + rows[i].pending, late_ns = 0;
        const char *add = json_string_value(json_object_get(p->steps[0].keys, "add"));
        struct error err = {0};
        assert_true(add != NULL && units_parse_duration(add, &late_ns, &err));
        uint64_t late_ms = late_ns / NS_PER_MS;
        if (rows[i].asked && coming * 1000 / rate_of(p) + 59 > late_ms)
            fail_msg("row %zu: %llu ms, %llu a second", i, (unsigned long long)late_ms,
                     (unsigned long long)rate_of(p));
        plan_free(x.p);
    }
}

static void connections_are_worn_within_four_thousand_requests(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    struct made x;
    (void)state;
    edge.pool.requests_per_connection = limits_value(100);
    make(&x, &edge, false);
    assert_int_equal(phase_of(&x, "worn connections")->lasting_ns, 2750 * NS_PER_MS);
    plan_free(x.p);
    make(&x, &edge, true); /* 66 full ones of 100 */
    assert_null(phase_of(&x, "worn connections"));
    plan_free(x.p);
}

static void a_budget_is_asked_where_nothing_ejects(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    struct made x;
    (void)state;
    edge.retry.attempts = limits_value(2);
    edge.pool.max_retries = limits_value(3);
    make(&x, &edge, false);
    const struct phase *p = phase_of(&x, "too many retries");
    assert_non_null(p);
    assert_true(p->loads[0].closed && p->loads[0].users == 20);
    /* Before the answer is made: behind it nothing is late. */
    assert_string_equal(p->steps[0].word, "latency");
    assert_string_equal(json_string_value(json_object_get(p->steps[0].keys, "when")), "request");
    plan_free(x.p);
    edge.pool.max_retries = limits_value(19); /* twenty users hardly pass it */
    make(&x, &edge, false);
    assert_null(phase_of(&x, "too many retries"));
    plan_free(x.p);
    edge.pool.max_retries = limits_value(3);
    edge.outlier = (struct outlier_rule){.present = true,
                                         .consecutive_5xx = limits_value(5),
                                         .interval = limits_value(NS_PER_S),
                                         .base_ejection = limits_value(NS_PER_S),
                                         .max_ejection_percent = limits_value(100)};
    make(&x, &edge, false);
    assert_null(phase_of(&x, "too many retries"));
    plan_free(x.p);
}

/* The share of an interval's tries is reached by slow answers alone. */
static void a_budget_with_an_interval_is_asked_where_answers_can_be_slow_enough(void **state)
{
    static const struct {
        uint64_t interval_ms, ratio_ppm, per_try_ms;
        const char *late; /* NULL: not asked */
    } rows[] = {
        {0, 200000, 0, "100ms"},   {100, 200000, 0, "100ms"},
        {800, 200000, 0, "436ms"}, /* 0.36 of it, and half as long again */
        {1000, 200000, 0, NULL},   /* 545 ms: later than an answer may be */
        {800, 200000, 1600, NULL}, /* and here 400 are the most */
        {800, 0, 0, "100ms"},      /* what is least alone */
        {10000, 400000, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
        struct made x;
        edge.retry.attempts = limits_value(3);
        edge.budget =
            (struct budget_rule){.kind = BUDGET_ENVOY,
                                 .ratio_ppm = limits_value(rows[i].ratio_ppm),
                                 .least = limits_value(3),
                                 .interval = limits_value(rows[i].interval_ms * NS_PER_MS)};
        if (rows[i].per_try_ms != 0)
            edge.retry.per_try_timeout = limits_value(rows[i].per_try_ms * NS_PER_MS);
        make(&x, &edge, false);
        const struct phase *p = phase_of(&x, "too many retries");
        const char *late =
            p == NULL ? NULL : json_string_value(json_object_get(p->steps[0].keys, "add"));
        if ((late == NULL) != (rows[i].late == NULL) ||
            (late != NULL && strcmp(late, rows[i].late) != 0))
            fail_msg("row %zu: %s", i, late == NULL ? "not asked" : late);
        plan_free(x.p);
    }
}

static struct edge_policy profile(uint64_t least, uint64_t ttl_s)
{
    struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 3);
    edge.retry = (struct retry_rule){.by_budget = true, .on = RETRY_STATUS_CODES};
    status_set_add(&edge.retry.codes, 503);
    edge.budget = (struct budget_rule){.kind = BUDGET_LINKERD,
                                       .ratio_ppm = limits_value(200000),
                                       .least = limits_value(least),
                                       .interval = limits_value(ttl_s * NS_PER_S)};
    return edge;
}

/* The retries that the bound allows fail too, and so does what is sent: together one and a half
 * times the bound. */
static void a_profiles_tokens_are_used_up_twice(void **state)
{
    static const struct {
        uint64_t least, ttl_s;
    } rows[] = {{10, 10}, {10, 1}, {0, 10}, {100, 2}, {1, 60}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = profile(rows[i].least, rows[i].ttl_s);
        uint64_t ttl_ns = rows[i].ttl_s * NS_PER_S, reserve = rows[i].least * rows[i].ttl_s;
        struct made x;
        make(&x, &edge, false);
        const struct phase *rest = phase_of(&x, "few answers"),
                           *p = phase_of(&x, "too many retries");
        assert_true(rest != NULL && p != NULL);
        assert_true(rest->lasting_ns == ttl_ns && p->lasting_ns == ttl_ns * 6 / 5);
        uint64_t paid = rate_of(rest) * rows[i].ttl_s / 2 / 5,
                 offered = reserve + rate_of(p) * rows[i].ttl_s / 2;
        if (offered * 2 < (reserve + paid + 1) * 3 || rate_of(p) < 12)
            fail_msg("row %zu: %llu a second", i, (unsigned long long)rate_of(p));
        plan_free(x.p);
    }
}

static void tokens_are_not_asked_where_they_are_too_many_or_tries_are_refused(void **state)
{
    struct edge_policy edge = profile(600, 10);
    struct made x;
    (void)state;
    make(&x, &edge, false);
    assert_int_equal(x.m.phase_count, 0);
    plan_free(x.p);
    edge = profile(10, 10);
    edge.rate = (struct rate_rule){.present = true, .per_second = limits_value(50)};
    make(&x, &edge, false);
    assert_null(phase_of(&x, "too many retries"));
    plan_free(x.p);
}

static void a_rate_is_asked_from_below_and_from_above(void **state)
{
    static const struct {
        uint64_t per_s, below_per_h, above_per_s, above_ms;
    } rows[] = {
        {50, UINT64_C(40) * 3600, 300, 5500},
        {5, UINT64_C(4) * 3600, 30, 5500},
        {1, 0, 6, 15333}, /* below it single requests decide; forty refusals take long */
        {200, UINT64_C(160) * 3600, 1000, 5500}, /* the lab sends no more */
        {400, UINT64_C(320) * 3600, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 3);
        struct made x;
        edge.rate = (struct rate_rule){.present = true, .per_second = limits_value(rows[i].per_s)};
        make(&x, &edge, false);
        const struct phase *below = phase_of(&x, "below the rate"),
                           *above = phase_of(&x, "above the rate");
        assert_int_equal(below == NULL ? 0 : below->loads[0].rate_per_h, rows[i].below_per_h);
        assert_int_equal(above == NULL ? 0 : rate_of(above), rows[i].above_per_s);
        assert_int_equal(above == NULL ? 0 : above->lasting_ns / NS_PER_MS, rows[i].above_ms);
        plan_free(x.p);
    }
}

static void nothing_else_is_sent_faster_than_one_endpoint_takes(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 3);
    struct made x;
    (void)state;
    edge.rate = (struct rate_rule){.present = true, .per_second = limits_value(50)};
    edge.retry.attempts = limits_value(3);
    edge.retry.on = RETRY_STATUS_CODES;
    status_set_add(&edge.retry.codes, 503);
    make(&x, &edge, false);
    x.m.phase_count = 0;
    making_phases(&x.m);
    const struct phase *warm = phase_of(&x, "warm"), *mixed = phase_of(&x, "mixed");
    assert_true(warm != NULL && mixed != NULL);
    assert_int_equal(rate_of(warm), 10); /* with three retries each, 40 */
    assert_int_equal(warm->lasting_ns, 10 * NS_PER_S);
    assert_int_equal(mixed->loads[0].tag_every_ns, 600 * NS_PER_MS);
    plan_free(x.p);
}

static void linkerd_has_no_pool(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 3);
    struct made x;
    (void)state;
    edge.pool.max_requests = limits_value(8);
    make(&x, &edge, false);
    assert_int_equal(x.m.phase_count, 0);
    plan_free(x.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_of_requests_is_filled_and_passed),
        cmocka_unit_test(what_the_lab_cannot_fill_is_not_asked),
        cmocka_unit_test(a_queue_is_asked_where_one_is_declared),
        cmocka_unit_test(a_queue_is_asked_where_it_can_be_seen_full),
        cmocka_unit_test(connections_are_worn_within_four_thousand_requests),
        cmocka_unit_test(a_budget_is_asked_where_nothing_ejects),
        cmocka_unit_test(a_budget_with_an_interval_is_asked_where_answers_can_be_slow_enough),
        cmocka_unit_test(a_profiles_tokens_are_used_up_twice),
        cmocka_unit_test(tokens_are_not_asked_where_they_are_too_many_or_tries_are_refused),
        cmocka_unit_test(a_rate_is_asked_from_below_and_from_above),
        cmocka_unit_test(nothing_else_is_sent_faster_than_one_endpoint_takes),
        cmocka_unit_test(linkerd_has_no_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
