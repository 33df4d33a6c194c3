#include "verify/simulator_run_test.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct plan *made_for(const char *const *claims, const struct edge_policy *edge,
                             enum depth depth, struct scenario **ret, struct error *err,
                             uint64_t budget_ns, bool *ret_ok)
{
    struct plan *p = plan_new();
    struct generate_options options = {.depth = depth,
                                       .seed = 7,
                                       .method = "GET",
                                       .claims = claims,
                                       .claim_count = claims == NULL ? 0 : 1,
                                       .budget_ns = budget_ns,
                                       .source = {"gate.lua", 3, 0}};
    p->suite = "gate.lua";
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    p->scenario_count = 1;
    *ret = &p->scenarios[0];
    **ret = (struct scenario){.name = "policy: client -> payments",
                              .from_policy = true,
                              .depth = depth,
                              .source = options.source,
                              .deadline_ns = 1800 * NS_PER_S};
    (*ret)->mesh.word = "istio";
    (*ret)->mesh.version = "1.31";
    (*ret)->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    (*ret)->lab.service_count = 1;
    (*ret)->lab.services[0] = (struct service_plan){
        .name = "payments", .endpoints = edge->endpoints, .slots = 64, .protocol = "http1"};
    *ret_ok = generate_phases(p, *ret, edge, &options, err);
    return p;
}

static struct plan *made(const struct edge_policy *edge, enum depth depth, struct scenario **ret,
                         struct error *err, uint64_t budget_ns, bool *ret_ok)
{
    return made_for(NULL, edge, depth, ret, err, budget_ns, ret_ok);
}

static const struct phase *phase_of(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->phase_count; i++)
        if (strcmp(s->phases[i].name, name) == 0)
            return &s->phases[i];
    return NULL;
}

static uint32_t tags_of(const struct phase *p, const char *tag)
{
    for (size_t i = 0; p != NULL && i < p->loads[0].tagged_count; i++)
        if (strcmp(p->loads[0].tagged[i].tag, tag) == 0)
            return p->loads[0].tagged[i].count;
    return 0;
}

static void the_plan_of_the_worked_example_has_its_phases_in_order(void **state)
{
    static const char *const names[] = {
        "warm",        "mixed", "heal 1", "one at a time", "heal 2", "one at a time, at accept",
        "heal 3",      "early", "heal 4", "quiet",         "trip",   "length",
        "quiet again", "cap",   "heal 5", "healed"};
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
    assert_true(ok);
    assert_int_equal(s->phase_count, COUNT_OF(names));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_string_equal(s->phases[i].name, names[i]);
    assert_true(plan_check(p, &err));
    plan_free(p);
}

static bool asks(const struct phase *p, const char *word, const char *part)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const json_t *only = json_object_get(p->steps[i].keys, "only"), *each;
        size_t k;
        if (p->steps[i].kind != STEP_EXPECT || strcmp(p->steps[i].word, word) != 0)
            continue;
        json_array_foreach(only, k, each)
        {
            if (strcmp(json_string_value(each), part) == 0)
                return true;
        }
    }
    return false;
}

/* Where two failures eject, no request is made to fail: what only those show is not asked. */
static void what_no_request_can_show_is_not_asked(void **state)
{
    (void)state;
    for (uint64_t c = 2; c <= 3; c++) {
        struct edge_policy edge = sim_policy();
        struct scenario *s;
        struct error err = {0};
        bool ok;
        edge.outlier.consecutive_5xx.number = c;
        struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
        assert_true(ok);
        const struct phase *mixed = &s->phases[1];
        assert_string_equal(mixed->name, "mixed");
        assert_int_equal(asks(mixed, "retries", "atmost"), c > 2);
        assert_int_equal(asks(mixed, "retries", "happen"), c > 2);
        assert_int_equal(asks(mixed, "retries", "spacing"), c > 2);
        assert_int_equal(asks(mixed, "timeout", "request"), c > 2);
        assert_true(asks(mixed, "retries", "conditions") && asks(mixed, "retries", "committed"));
        assert_true(asks(mixed, "timeout", "per_try"));
        plan_free(p);
    }
}

static void the_quick_gate_of_the_seed_policy_takes_about_forty_seconds(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
    assert_true(ok && generate_length_ns(s) <= 48 * NS_PER_S &&
                generate_length_ns(s) >= 25 * NS_PER_S);
    /* A suite's own phases settle, but for the last: the dry run says the same. */
    uint64_t alone_ns = generate_length_ns(s);
    s->phases[0].settle_ns = s->phases[s->phase_count - 1].settle_ns = 5 * NS_PER_S;
    assert_int_equal(generate_length_ns(s), alone_ns + 5 * NS_PER_S);
    plan_free(p);
}

static void each_listed_cause_has_its_tags_and_each_unlisted_status_five(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
    const struct phase *mixed = phase_of(s, "mixed");
    static const char *const listed[] = {"f1:503", "f3:503",   "all:503",   "f1:500",  "f1:502",
                                         "f1:504", "f1:reset", "all:reset", "f1:hold", "all:hold"};
    for (size_t i = 0; i < COUNT_OF(listed); i++)
        assert_true(tags_of(mixed, listed[i]) >= 10);
    static const char *const unlisted[] = {"all:400", "all:401", "all:404", "all:409",
                                           "all:412", "all:422", "all:429"};
    for (size_t i = 0; i < COUNT_OF(unlisted); i++)
        assert_true(tags_of(mixed, unlisted[i]) >= 5);
    assert_true(tags_of(mixed, "f1:slow") >= 8);
    assert_true(tags_of(mixed, "all:started") >= 10);
    plan_free(p);
}

static void the_streak_guard_is_on_only_where_an_ejection_can_happen(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
    assert_int_equal(
        json_integer_value(json_object_get(phase_of(s, "mixed")->steps[0].keys, "streak")), 4);
    plan_free(p);
    edge.outlier.present = false;
    p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
    assert_null(json_object_get(phase_of(s, "mixed")->steps[0].keys, "streak"));
    assert_null(phase_of(s, "early"));
    assert_null(phase_of(s, "trip"));
    plan_free(p);
}

/* Five tries of one request fail on the two that each of three endpoints may keep: of few requests
 * all do. */
static void what_the_guard_often_withholds_is_sent_more_often(void **state)
{
    static const struct {
        uint64_t retries, failures;
        uint32_t all, first;
    } rows[] = {{3, 5, 14, 14}, {3, 3, 60, 30}, {1, 3, 30, 30}, {6, 5, 28, 14}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = sim_policy();
        struct scenario *s;
        struct error err = {0};
        bool ok;
        edge.retry.attempts.number = rows[i].retries;
        edge.outlier.consecutive_5xx.number = rows[i].failures;
        struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
        const struct phase *mixed = phase_of(s, "mixed");
        if (!ok || tags_of(mixed, "all:503") != rows[i].all ||
            tags_of(mixed, "f1:500") != rows[i].first)
            fail_msg("row %zu: %u and %u", i, tags_of(mixed, "all:503"), tags_of(mixed, "f1:500"));
        plan_free(p);
    }
}

/* Back-offs take the time in which others would meet dead endpoints. */
static void one_at_a_time_lasts_as_long_as_back_offs_make_it(void **state)
{
    uint64_t lasting[2][2];
    (void)state;
    for (int slow = 0; slow < 2; slow++)
        for (int ejects = 0; ejects < 2; ejects++) {
            struct edge_policy edge = sim_policy();
            struct scenario *s;
            struct error err = {0};
            bool ok;
            edge.outlier.present = ejects == 1;
            edge.retry.backoff_base.number = (slow ? 100 : 25) * NS_PER_MS;
            struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
            assert_true(ok);
            lasting[slow][ejects] = phase_of(s, "one at a time")->lasting_ns;
            plan_free(p);
        }
    assert_true(lasting[0][1] == 3860 * NS_PER_MS); /* eight windows */
    assert_true(lasting[1][1] > 2 * lasting[0][1]);
    assert_true(lasting[1][0] > 2 * lasting[0][0] - NS_PER_S);
}

static void a_cap_of_nobody_asks_that_nobody_is_ever_out(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    edge.outlier.max_ejection_percent.number = 30;
    struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
    assert_true(ok);
    assert_non_null(phase_of(s, "never"));
    assert_null(phase_of(s, "trip"));
    assert_true(plan_check(p, &err));
    plan_free(p);
}

static void a_full_gate_asks_for_the_repeat_ejection(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    struct plan *p = made(&edge, DEPTH_FULL, &s, &err, 0, &ok);
    const struct phase *trip = phase_of(s, "trip");
    assert_non_null(phase_of(s, "return"));
    assert_string_equal(json_string_value(json_object_get(trip->steps[0].keys, "to_end_of")),
                        "length");
    assert_true(plan_check(p, &err));
    plan_free(p);
}

/* Two brief ejections are asked for: where no phase fails one endpoint too many, a second round
 * shows the other. */
static void a_quick_gate_without_a_cap_shows_two_ejections(void **state)
{
    static const struct {
        uint64_t percent, base_s;
        enum depth depth;
        bool twice;
    } rows[] = {{34, 2, DEPTH_QUICK, false},
                {100, 2, DEPTH_QUICK, true},
                {100, 30, DEPTH_QUICK, false},
                {100, 2, DEPTH_FULL, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = sim_policy();
        struct scenario *s;
        struct error err = {0};
        bool ok;
        edge.outlier.max_ejection_percent.number = rows[i].percent;
        edge.outlier.base_ejection.number = rows[i].base_s * NS_PER_S;
        struct plan *p = made(&edge, rows[i].depth, &s, &err, 0, &ok);
        assert_true(ok && plan_check(p, &err));
        assert_true((phase_of(s, "cap") != NULL) == (rows[i].percent < 100));
        const struct phase *first = phase_of(s, "trip"), *second = phase_of(s, "trip 2");
        assert_true((second != NULL) == rows[i].twice &&
                    (phase_of(s, "length 2") != NULL) == rows[i].twice);
        if (second != NULL)
            assert_string_not_equal(second->steps[0].on.text, first->steps[0].on.text);
        /* Nine sweeps before, that both are first ones. */
        assert_true(phase_of(s, "quiet")->lasting_ns == (rows[i].twice ? 10300 : 1300) * NS_PER_MS);
        plan_free(p);
    }
}

static void more_than_the_budget_is_refused_with_the_costs(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    edge.outlier.base_ejection.number = 600 * NS_PER_S;
    struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 60 * NS_PER_S, &ok);
    assert_false(ok);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "more than the budget of 1m"));
    assert_non_null(strstr(err.text, "ejection stays"));
    plan_free(p);
}

static void nothing_declared_waits_for_the_patience(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    edge.request_timeout.set = false;
    edge.request_timeout.number = 0;
    edge.retry.per_try_timeout.set = false;
    edge.retry.per_try_timeout.number = 0;
    struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
    assert_true(ok && tags_of(phase_of(s, "mixed"), "all:patience") >= 3);
    assert_true(phase_of(s, "mixed")->lasting_ns > 16 * NS_PER_S);
    plan_free(p);
}

static void needs_name_each_claim_and_why_some_are_not_asked(void **state)
{
    struct edge_policy edge = sim_policy();
    struct generate_options options = {.depth = DEPTH_QUICK, .seed = 7, .method = "GET"};
    struct arena arena;
    (void)state;
    arena_init(&arena, 65536);
    size_t count, asked = 0;
    const struct claim_need *needs = generate_needs(&edge, &options, &arena, &count);
    size_t type_count;
    const struct claim_type *const *types = claim_types(&type_count);
    /* to the last: explain once left out those past the 64th */
    assert_ptr_equal(needs[count - 1].claim, types[type_count - 1]);
    for (size_t i = 0; i < count; i++) {
        asked += needs[i].text == NULL;
        if (strcmp(needs[i].claim->id, "eject.never") == 0)
            assert_non_null(needs[i].text);
        if (strcmp(needs[i].claim->id, "retry.must") == 0)
            assert_true(needs[i].text == NULL && needs[i].n == 10 && needs[i].seconds > 5);
    }
    assert_true(asked >= 18);
    arena_release(&arena);
}

/* The plan names what the policy says and no phase asks, and nothing else. */
static void what_a_policy_says_and_no_phase_asks_is_told(void **state)
{
    static const char *const missed[] = {"retry.max",   "retry.must",  "retry.other_host",
                                         "backoff.max", "backoff.law", "timeout.request"};
    (void)state;
    for (uint64_t c = 2; c <= 3; c++) {
        struct edge_policy edge = sim_policy();
        struct error err = {0};
        struct scenario *s;
        size_t found = 0, told = 0;
        bool ok;
        edge.outlier.consecutive_5xx.number = c;
        struct plan *p = made(&edge, DEPTH_QUICK, &s, &err, 0, &ok);
        assert_true(ok);
        for (size_t i = 0; i < s->unasked_count; i++)
            for (size_t k = 0; k < s->unasked[i].claim_count; k++) {
                told++;
                for (size_t n = 0; n < COUNT_OF(missed); n++)
                    found += strcmp(s->unasked[i].claims[k], missed[n]) == 0;
            }
        assert_int_equal(told, c == 2 ? COUNT_OF(missed) : 0);
        assert_int_equal(found, told);
        assert_int_equal(s->unasked_count, c == 2 ? 2 : 0); /* one a reason */
        plan_free(p);
        static const char *const alone[] = {"success"};
        p = made_for(alone, &edge, DEPTH_QUICK, &s, &err, 0, &ok); /* the author wants no more */
        assert_true(ok);
        assert_int_equal(s->unasked_count, 0);
        plan_free(p);
    }
}

static void a_control_has_short_ejections_and_all_else_alike(void **state)
{
    struct edge_policy edge = sim_policy(), control;
    (void)state;
    edge.outlier.base_ejection.number = 30 * NS_PER_S;
    edge.outlier.interval.number = 30 * NS_PER_S;
    generate_control_policy(&edge, &control);
    assert_int_equal(control.outlier.base_ejection.number, 2 * NS_PER_S);
    assert_int_equal(control.outlier.interval.number, 1 * NS_PER_S);
    assert_int_equal(control.retry.attempts.number, edge.retry.attempts.number);
    assert_int_equal(control.request_timeout.number, edge.request_timeout.number);
}

/* Held requests that come all at once are answered by the streak guard's leave: 17 of 22 were. */
static void held_requests_are_as_far_apart_as_the_streak_guard_needs(void **state)
{
    static const char *const claims[] = {"timeout.request", NULL};
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    bool ok;
    (void)state;
    struct plan *p = made_for(claims, &edge, DEPTH_QUICK, &s, &err, 0, &ok);
    assert_true(ok);
    const struct phase *mixed = phase_of(s, "mixed");
    uint64_t every = mixed->loads[0].tag_every_ns, whole = edge.request_timeout.number;
    /* So many are under way at once, of the c - 1 that each endpoint may keep. */
    assert_true(whole / every <= edge.endpoints * 4 / 2);
    assert_true(mixed->lasting_ns >= tags_of(mixed, "all:hold") * every + whole);
    plan_free(p);
    edge.outlier.present = false;
    p = made_for(claims, &edge, DEPTH_QUICK, &s, &err, 0, &ok);
    assert_int_equal(phase_of(s, "mixed")->loads[0].tag_every_ns, 60 * NS_PER_MS);
    plan_free(p);
}

static void many_endpoints_have_room(void **state)
{
    (void)state;
    static const uint32_t counts[] = {161, 1000};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct edge_policy edge = sim_policy();
        struct scenario *s;
        struct error err = {0};
        bool ok;
        edge.endpoints = counts[i];
        edge.retry.attempts.number = 2 * counts[i];
        struct plan *p = made(&edge, DEPTH_FULL, &s, &err, 0, &ok);
        if (!ok)
            fail_msg("%s", err.text);
        assert_true(phase_of(s, "heal 1")->step_count >= counts[i]);
        plan_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_of_the_worked_example_has_its_phases_in_order),
        cmocka_unit_test(what_no_request_can_show_is_not_asked),
        cmocka_unit_test(the_quick_gate_of_the_seed_policy_takes_about_forty_seconds),
        cmocka_unit_test(each_listed_cause_has_its_tags_and_each_unlisted_status_five),
        cmocka_unit_test(the_streak_guard_is_on_only_where_an_ejection_can_happen),
        cmocka_unit_test(held_requests_are_as_far_apart_as_the_streak_guard_needs),
        cmocka_unit_test(what_the_guard_often_withholds_is_sent_more_often),
        cmocka_unit_test(one_at_a_time_lasts_as_long_as_back_offs_make_it),
        cmocka_unit_test(a_cap_of_nobody_asks_that_nobody_is_ever_out),
        cmocka_unit_test(a_full_gate_asks_for_the_repeat_ejection),
        cmocka_unit_test(a_quick_gate_without_a_cap_shows_two_ejections),
        cmocka_unit_test(more_than_the_budget_is_refused_with_the_costs),
        cmocka_unit_test(nothing_declared_waits_for_the_patience),
        cmocka_unit_test(many_endpoints_have_room),
        cmocka_unit_test(needs_name_each_claim_and_why_some_are_not_asked),
        cmocka_unit_test(what_a_policy_says_and_no_phase_asks_is_told),
        cmocka_unit_test(a_control_has_short_ejections_and_all_else_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
