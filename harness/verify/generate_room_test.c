/* How far apart the requests of the phase "mixed" are, where few retries or few connections want
 * room for each; and how many are held, where two timers end together. */
#include "verify/limits_fixture_test.h"

#include "verify/making.h"

struct made {
    struct plan *p;
    struct scenario scenario;
    struct generate_options options;
    struct making m;
};

static const struct phase *phase_of(const struct made *x, const char *name)
{
    for (size_t i = 0; i < x->m.phase_count; i++)
        if (strcmp(x->m.phases[i].name, name) == 0)
            return &x->m.phases[i];
    return NULL;
}

/* Its phase "mixed". */
static const struct phase *make(struct made *ret, const struct edge_policy *edge)
{
    ret->p = plan_new();
    ret->scenario = (struct scenario){.name = "room"};
    ret->options = (struct generate_options){.depth = DEPTH_QUICK, .seed = 7, .method = "GET"};
    making_init(&ret->m, ret->p, &ret->scenario, edge, &ret->options);
    making_phases(&ret->m);
    const struct phase *mixed = phase_of(ret, "mixed");
    assert_non_null(mixed);
    return mixed;
}

static const struct tagged *tag_of(const struct phase *p, const char *tag)
{
    for (size_t i = 0; i < p->loads[0].tagged_count; i++)
        if (strcmp(p->loads[0].tagged[i].tag, tag) == 0)
            return &p->loads[0].tagged[i];
    return NULL;
}

static struct edge_policy retries_thrice(void)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    edge.retry.attempts = limits_value(3);
    edge.retry.per_try_timeout = limits_value(600 * NS_PER_MS);
    edge.retry.on = RETRY_5XX;
    edge.request_timeout = limits_value(2 * NS_PER_S);
    return edge;
}

/* The tag's requests in the phase "mixed" of ${edge}: how far apart, and how long the phase is. */
static uint64_t apart_of(const struct edge_policy *edge, const char *tag, uint64_t *ret_lasting_ns)
{
    struct made x;
    uint64_t apart_ns = UINT64_MAX;
    const struct phase *mixed = make(&x, edge);
    const struct load_plan *load = &mixed->loads[0];
    for (size_t i = 0; i < load->tagged_count; i++)
        if (strcmp(load->tagged[i].tag, tag) == 0)
            apart_ns = load->tagged[i].apart_ns;
    *ret_lasting_ns = mixed->lasting_ns;
    plan_free(x.p);
    return apart_ns;
}

/* At most one fewer under way than retries are let through at once; what is never retried takes
 * none. */
static void few_retries_at_once_have_room_for_each(void **state)
{
    static const struct {
        uint64_t most, held_ms, all_503_ms, f1_503_ms, started_ms;
    } rows[] = {{0, 0, 0, 0, 0},
                {1, 2000, 295, 45, 1020}, /* the whole timeout; 25 + 75 + 175 ms, and the way */
                {2, 2000, 295, 45, 1020},
                {3, 1000, 147, 22, 510},
                {5, 500, 73, 11, 255}};
    uint64_t lasting_ns[COUNT_OF(rows)];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
        edge.retry.attempts = limits_value(3);
        edge.retry.per_try_timeout = limits_value(600 * NS_PER_MS);
        edge.retry.on = RETRY_5XX;
        edge.request_timeout = limits_value(2 * NS_PER_S);
        if (rows[i].most > 0)
            edge.pool.max_retries = limits_value(rows[i].most);
        uint64_t held = apart_of(&edge, "all:hold", &lasting_ns[i]);
        assert_int_equal(held / NS_PER_MS, rows[i].held_ms);
        assert_int_equal(apart_of(&edge, "all:503", &lasting_ns[i]) / NS_PER_MS,
                         rows[i].all_503_ms);
        assert_int_equal(apart_of(&edge, "f1:503", &lasting_ns[i]) / NS_PER_MS, rows[i].f1_503_ms);
        assert_int_equal(apart_of(&edge, "all:started", &lasting_ns[i]) / NS_PER_MS,
                         rows[i].started_ms);
        assert_int_equal(apart_of(&edge, "all:404", &lasting_ns[i]), 0);
        /* The budget stands over it. */
        edge.budget = (struct budget_rule){.kind = BUDGET_ENVOY, .least = limits_value(1000)};
        uint64_t usual_ns;
        assert_true(apart_of(&edge, "all:hold", &usual_ns) < 60 * NS_PER_MS);
        assert_int_equal(usual_ns, lasting_ns[0]);
    }
    assert_true(lasting_ns[1] == lasting_ns[2] && lasting_ns[2] > lasting_ns[3] &&
                lasting_ns[3] > lasting_ns[4] && lasting_ns[4] > lasting_ns[0]);
}

/* A try that nobody answers may have been tried anew at any time, for all that is seen of it. */
static void a_held_request_has_room_though_it_is_not_retried(void **state)
{
    struct edge_policy edge = retries_thrice();
    uint64_t lasting_ns;
    (void)state;
    edge.retry.on = RETRY_CONNECT_FAILURE;
    assert_int_equal(apart_of(&edge, "f1:hold", &lasting_ns), 0);
    edge.pool.max_retries = limits_value(1);
    assert_int_equal(apart_of(&edge, "f1:hold", &lasting_ns), 620 * NS_PER_MS);
    assert_int_equal(apart_of(&edge, "all:503", &lasting_ns), 0);
}

/* Of three endpoints, each of which may have a connection of each of two workers: a held request
 * has one for itself, and what else is sent needs two. */
static void held_requests_leave_connections_to_the_others(void **state)
{
    static const struct {
        uint64_t connections, requests, hold_ms, slow_ms;
        bool alone;
    } rows[] = {{0, 0, 0, 0, false},      {100, 1000, 21, 5, false}, {10, 0, 1000, 235, false},
                {9, 0, 2000, 470, false}, {8, 0, 0, 0, true},        {1, 0, 0, 0, true},
                {0, 4, 1000, 235, false}, {0, 2, 0, 0, true},        {100, 1, 0, 0, true}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = retries_thrice();
        struct made x;
        if (rows[i].connections > 0)
            edge.pool.max_connections = limits_value(rows[i].connections);
        if (rows[i].requests > 0)
            edge.pool.max_requests = limits_value(rows[i].requests);
        const struct phase *mixed = make(&x, &edge);
        const struct load_plan *load = &mixed->loads[0];
        const struct tagged *hold = tag_of(mixed, "all:hold"), *slow = tag_of(mixed, "f1:slow");
        if (hold->apart_ns / NS_PER_MS != rows[i].hold_ms ||
            slow->apart_ns / NS_PER_MS != rows[i].slow_ms)
            fail_msg("row %zu: %llu and %llu ms", i, (unsigned long long)hold->apart_ns / NS_PER_MS,
                     (unsigned long long)slow->apart_ns / NS_PER_MS);
        assert_int_equal(tag_of(mixed, "all:503")->apart_ns, 0); /* a back-off needs none */
        assert_int_equal(load->rate_per_h, rows[i].alone ? 0 : 100 * 3600);
        /* One by one where there is no room, and others between them; for as long as all take. */
        assert_true(load->closed == rows[i].alone && load->users == rows[i].alone);
        assert_true((load->heal > 0) == rows[i].alone);
        if (rows[i].alone)
            assert_true(mixed->lasting_ns > hold->count * 2 * NS_PER_S &&
                        mixed->lasting_ns < hold->count * 2 * NS_PER_S + 60 * NS_PER_S);
        plan_free(x.p);
    }
}

/* One user waits for each answer: few retries at once ask for no more. */
static void one_by_one_needs_no_room_for_retries(void **state)
{
    struct edge_policy edge = retries_thrice();
    struct made x;
    (void)state;
    edge.pool.max_connections = limits_value(1);
    edge.pool.max_retries = limits_value(1);
    const struct phase *mixed = make(&x, &edge);
    assert_true(mixed->loads[0].closed);
    for (size_t i = 0; i < mixed->loads[0].tagged_count; i++)
        assert_int_equal(mixed->loads[0].tagged[i].apart_ns, 0);
    plan_free(x.p);
}

static bool asks(const struct phase *p, const char *part)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const json_t *only = json_object_get(p->steps[i].keys, "only"), *each;
        size_t k;
        json_array_foreach(only, k, each)
        {
            if (p->steps[i].kind == STEP_EXPECT && strcmp(json_string_value(each), part) == 0)
                return true;
        }
    }
    return false;
}

/* Two tries of half the whole timeout each: only a back-off that was long enough shows which of the
 * two timers it was. */
static void a_timeout_that_falls_together_with_a_trys_is_met_more_often(void **state)
{
    static const struct {
        uint64_t whole_ms, base_ms;
        uint32_t least, most;
        bool asked;
    } rows[] = {{2000, 25, 16, 20, true},  {1200, 25, 66, 66, true}, {1200, 100, 17, 22, true},
                {1200, 10, 16, 16, false}, {1150, 10, 16, 16, true}, {1230, 10, 20, 30, true}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = retries_thrice();
        struct made x;
        edge.request_timeout = limits_value(rows[i].whole_ms * NS_PER_MS);
        edge.retry.backoff_base = limits_value(rows[i].base_ms * NS_PER_MS);
        const struct phase *mixed = make(&x, &edge);
        uint32_t count = tag_of(mixed, "all:hold")->count;
        if (count < rows[i].least || count > rows[i].most ||
            asks(mixed, "request") != rows[i].asked)
            fail_msg("row %zu: %u, asked %d", i, count, asks(mixed, "request"));
        plan_free(x.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_retries_at_once_have_room_for_each),
        cmocka_unit_test(a_held_request_has_room_though_it_is_not_retried),
        cmocka_unit_test(held_requests_leave_connections_to_the_others),
        cmocka_unit_test(one_by_one_needs_no_room_for_retries),
        cmocka_unit_test(a_timeout_that_falls_together_with_a_trys_is_met_more_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
