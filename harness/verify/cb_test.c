/* The claims of circuit breakers on journals written by hand. */

#include "verify/limits_fixture_test.h"

#define MS LIMITS_MS
#define S LIMITS_S

/* A request every 5 ms, each answered after 100 ms; a mesh that lets ${most} through at once. */
static void requests_up_to(struct limits *l, uint64_t limit, uint64_t most, uint32_t workers)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    edge.pool.max_requests = limits_value(limit);
    limits_open(l, &edge, 2 * S, "breaker", (const char *const[]){"only", "requests", NULL});
    if (workers > 0)
        limits_workers(l, workers);
    uint64_t free_us[64] = {0};
    for (uint64_t t = 0; t < S; t += 5 * MS) {
        size_t slot = 0;
        while (slot < most && free_us[slot] > t)
            slot++;
        if (slot < most) {
            free_us[slot] = t + 100 * MS;
            limits_served(l, t, t + 100 * MS, (uint16_t)(slot % 3 + 1));
        } else {
            limits_request(l, t, t + MS, 503, true);
        }
    }
}

static void as_many_requests_as_declared_pass(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 10, 10, 1);
    limits_are(&l, "cb.requests", VERDICT_PASS, WHY_NONE, "10 of 10 at once; ");
}

static void one_request_too_many_fails(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 10, 11, 1);
    limits_are(&l, "cb.requests", VERDICT_FAIL, WHY_NONE, "11 tries at once, at most 10 can be");
}

/* Our answer to the first was written late: the mesh had cut it by its own timer, and let the third
 * through. */
static void a_try_that_was_cut_before_our_late_answer_is_out_no_more(void **state)
{
    static const char *const ids[] = {"cb.requests", "cb.connections"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct limits l;
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
        edge.retry.attempts = limits_value(1);
        edge.retry.per_try_timeout = limits_value(600 * NS_PER_MS);
        edge.pool.max_requests = edge.pool.max_connections = limits_value(2);
        limits_open(&l, &edge, S, "breaker", NULL);
        limits_workers(&l, 1);
        uint64_t id = limits_request(&l, 0, 601 * MS, 504, false);
        limits_add_try(&l,
                       &(struct limits_try){.request = id, .head_us = 20 * MS, .out_us = 650 * MS});
        limits_served(&l, 602 * MS, 900 * MS, 1);
        limits_served(&l, 603 * MS, 901 * MS, 1);
        limits_are(&l, ids[i], VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "no requests");
    }
}

static void a_second_worker_may_let_one_more_through(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 10, 11, 2);
    limits_are(&l, "cb.requests", VERDICT_PASS, WHY_NONE, "11 of 10 at once");
}

static void a_breaker_that_trips_at_half_fails(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 10, 5, 1);
    limits_are(&l, "cb.requests", VERDICT_FAIL, WHY_NONE, "refused with at most 6 of 10 in flight");
}

static void unknown_workers_leave_room_for_sixteen(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 10, 5, 0);
    limits_are(&l, "cb.requests", VERDICT_PASS, WHY_NONE, "5 of 10 at once");
}

static void a_limit_that_was_not_met_is_open(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 30, 30, 1);
    limits_are(&l, "cb.requests", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED,
               "no requests refused by the limit");
}

static void a_drop_that_the_queue_explains_is_no_witness(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 30, 5, 1);
    l.edge.pool.max_pending = limits_value(1);
    limits_are(&l, "cb.requests", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
               "never more than 5 of 30 tries");
}

static void lost_records_leave_it_open(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 10, 5, 1);
    limits_lost(&l);
    limits_are(&l, "cb.requests", VERDICT_INCONCLUSIVE, WHY_LOST, "lost 3 records");
}

static void connections_hide_the_limit_of_requests(void **state)
{
    struct limits l;
    (void)state;
    requests_up_to(&l, 10, 10, 1);
    l.edge.pool.max_connections = limits_value(2);
    limits_are(&l, "cb.requests", VERDICT_INCONCLUSIVE, WHY_CAPABILITY,
               "max_connections is reached before");
}

/* A request every 15 ms; 4 connections, answers after 600 ms, a queue of ${queue}. */
static void queue_of(struct limits *l, uint64_t declared, uint64_t queue, uint64_t slots)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    edge.pool.max_pending = limits_value(declared);
    edge.pool.max_connections = limits_value(2);
    limits_open(l, &edge, 3 * S, "breaker",
                (const char *const[]){"only", slots > 4 ? "connections" : "pending", NULL});
    limits_workers(l, 1);
    uint64_t free_us[64] = {0}, begins[512] = {0};
    size_t served = 0;
    for (uint64_t t = 0; t < 2 * S; t += 15 * MS) {
        size_t slot = 0, waiting = 0;
        for (size_t i = 1; i < slots; i++)
            slot = free_us[i] < free_us[slot] ? i : slot;
        for (size_t i = 0; i < served; i++)
            waiting += begins[i] > t;
        uint64_t begin = free_us[slot] > t ? free_us[slot] : t;
        if (begin > t && waiting >= queue) {
            limits_request(l, t, t + MS, 503, true);
            continue;
        }
        free_us[slot] = begin + 600 * MS;
        begins[served++] = begin;
        uint64_t id = limits_request(l, t, begin + 602 * MS, 200, false);
        limits_add_try(l, &(struct limits_try){.request = id,
                                               .head_us = begin + MS,
                                               .out_us = begin + 599 * MS,
                                               .endpoint = (uint16_t)(slot % 3 + 1),
                                               .conn = (uint32_t)slot + 1});
    }
}

static void a_queue_as_long_as_declared_passes(void **state)
{
    struct limits l;
    (void)state;
    queue_of(&l, 5, 5, 4);
    limits_are(&l, "cb.pending", VERDICT_PASS, WHY_NONE, "5 of 5 waited at once; ");
}

static void a_queue_that_is_too_long_or_too_short_fails(void **state)
{
    struct limits l;
    (void)state;
    queue_of(&l, 5, 10, 4);
    limits_are(&l, "cb.pending", VERDICT_FAIL, WHY_NONE,
               "10 requests waited at once, at most 5 can");
    queue_of(&l, 5, 2, 4);
    limits_are(&l, "cb.pending", VERDICT_FAIL, WHY_NONE, "refused while at most 3 of 5 waited");
}

/* The mesh stood still from 100 to 200 ms, unseen: ten requests lay in its sockets, five of them
 * found room in the queue when it went on. */
static void what_a_mesh_that_stood_still_had_not_read_did_not_wait(void **state)
{
    struct limits l;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
    (void)state;
    edge.pool.max_connections = limits_value(1);
    edge.pool.max_pending = limits_value(5);
    limits_open(&l, &edge, LIMITS_S, "breaker", (const char *const[]){"only", "pending", NULL});
    limits_workers(&l, 1);
    for (uint64_t i = 0; i < 5; i++) { /* wait from 0 to 200 ms */
        uint64_t id = limits_request(&l, 1 + i, 260 * LIMITS_MS, 200, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = 200 * LIMITS_MS + i,
                                                .out_us = 250 * LIMITS_MS});
    }
    for (uint64_t i = 0; i < 12; i++)
        limits_request(&l, (40 + i) * LIMITS_MS, (41 + i) * LIMITS_MS, 503, true);
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t start = (101 + 9 * i) * LIMITS_MS;
        if (i % 2 == 1) {
            limits_request(&l, start, 201 * LIMITS_MS, 503, true);
            continue;
        }
        uint64_t id = limits_request(&l, start, 460 * LIMITS_MS, 200, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = 400 * LIMITS_MS + i,
                                                .out_us = 450 * LIMITS_MS});
    }
    limits_are(&l, "cb.pending", VERDICT_PASS, WHY_NONE, "5 of 5 waited at once; 17 refused");
}

/* The mesh stood still twice, with a millisecond of work between, in which it took in of what had
 * come the second, and not the first: that came into the queue at 201 ms, when five others had left
 * it. */
static void what_came_before_is_not_taken_in_before(void **state)
{
    struct limits l;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
    (void)state;
    edge.pool.max_connections = limits_value(1);
    edge.pool.max_pending = limits_value(5);
    limits_open(&l, &edge, LIMITS_S, "breaker", (const char *const[]){"only", "pending", NULL});
    limits_workers(&l, 1);
    for (uint64_t i = 0; i < 5; i++) { /* wait from 0 to 200 ms */
        uint64_t id = limits_request(&l, 1 + i, 260 * LIMITS_MS, 200, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = 200 * LIMITS_MS + i,
                                                .out_us = 250 * LIMITS_MS});
    }
    for (uint64_t i = 0; i < 12; i++)
        limits_request(&l, (40 + i) * LIMITS_MS, (41 + i) * LIMITS_MS, 503, true);
    uint64_t id = limits_request(&l, 60 * LIMITS_MS, 460 * LIMITS_MS, 200, false);
    limits_add_try(&l, &(struct limits_try){
                           .request = id, .head_us = 400 * LIMITS_MS, .out_us = 450 * LIMITS_MS});
    limits_request(&l, 73 * LIMITS_MS, 74 * LIMITS_MS, 503, true);
    limits_request(&l, 90 * LIMITS_MS, 201 * LIMITS_MS, 503, true);
    limits_are(&l, "cb.pending", VERDICT_PASS, WHY_NONE, "5 of 5 waited at once; 14 refused");
}

/* The same with a try between the two stops, of one that had waited long: that it got a connection
 * then says nothing of what the mesh had read. */
static void a_connection_for_one_that_waited_takes_nothing_in(void **state)
{
    struct limits l;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
    (void)state;
    edge.pool.max_connections = limits_value(1);
    edge.pool.max_pending = limits_value(5);
    limits_open(&l, &edge, LIMITS_S, "breaker", (const char *const[]){"only", "pending", NULL});
    limits_workers(&l, 1);
    for (uint64_t i = 0; i < 5; i++) { /* wait from 0 on: two to 110 ms, three to 200 ms */
        uint64_t head = (i < 2 ? UINT64_C(110) : UINT64_C(200)) * LIMITS_MS + i;
        uint64_t id = limits_request(&l, 1 + i, 260 * LIMITS_MS, 200, false);
        limits_add_try(
            &l, &(struct limits_try){.request = id, .head_us = head, .out_us = 250 * LIMITS_MS});
    }
    for (uint64_t i = 0; i < 12; i++)
        limits_request(&l, (40 + i) * LIMITS_MS, (41 + i) * LIMITS_MS, 503, true);
    for (uint64_t i = 0; i < 5; i++) { /* read at 110 ms the first two, at 200 ms the others */
        uint64_t id = limits_request(&l, (70 + 5 * i) * LIMITS_MS, 460 * LIMITS_MS, 200, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = 400 * LIMITS_MS + i,
                                                .out_us = 450 * LIMITS_MS});
    }
    limits_are(&l, "cb.pending", VERDICT_PASS, WHY_NONE, "5 of 5 waited at once; 12 refused");
}

/* Six that no endpoint saw, and that the mesh answered late: with a closed listener they may have
 * been tried again and again. */
static void who_may_have_met_a_dead_endpoint_did_not_certainly_wait(void **state)
{
    (void)state;
    for (int dead = 0; dead <= 1; dead++) {
        struct limits l;
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
        edge.pool.max_connections = limits_value(1);
        edge.pool.max_pending = limits_value(5);
        limits_open(&l, &edge, LIMITS_S, "breaker", (const char *const[]){"only", "pending", NULL});
        l.phase->steps[l.phase->step_count++] =
            step_make(l.plan, STEP_FAULT, dead ? "refuse" : "latency", "payments",
                      (struct source){"limits.lua", 10, 0}, NULL);
        plan_number_faults(&l.plan->scenarios[0]);
        limits_workers(&l, 1);
        for (uint64_t i = 0; i < 6; i++)
            limits_request(&l, 1 + i, 400 * LIMITS_MS, 503, false);
        for (uint64_t i = 0; i < 12; i++)
            limits_request(&l, (40 + i) * LIMITS_MS, (41 + i) * LIMITS_MS, 503, true);
        if (dead)
            limits_are(&l, "cb.pending", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "never more than 0");
        else
            limits_are(&l, "cb.pending", VERDICT_FAIL, WHY_NONE, "6 requests waited at once");
    }
}

/* Ten waited when others were refused, five of them too briefly for us to be certain: a queue of
 * five was full then, and so was one of ten. */
static void a_queue_that_may_have_been_twice_as_long_is_open(void **state)
{
    struct limits l;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 1);
    (void)state;
    edge.pool.max_connections = limits_value(5);
    edge.pool.max_pending = limits_value(5);
    limits_open(&l, &edge, LIMITS_S, "breaker", (const char *const[]){"only", "pending", NULL});
    limits_workers(&l, 1);
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t head = (i < 5 ? UINT64_C(25) : UINT64_C(200)) * LIMITS_MS + i;
        uint64_t id = limits_request(&l, 1 + i, head + 150 * LIMITS_MS, 200, false);
        limits_add_try(&l, &(struct limits_try){
                               .request = id, .head_us = head, .out_us = head + 149 * LIMITS_MS});
    }
    for (uint64_t i = 0; i < 12; i++)
        limits_request(&l, 14 * LIMITS_MS + 500 * i, 14 * LIMITS_MS + 500 * i + 300, 503, true);
    limits_are(&l, "cb.pending", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "up to 10 may have waited");
}

static void a_queue_that_never_filled_is_open(void **state)
{
    struct limits l;
    (void)state;
    queue_of(&l, 500, 500, 4);
    limits_are(&l, "cb.pending", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED,
               "refused by the full queue");
}

static void what_the_limit_of_requests_refuses_says_nothing_of_the_queue(void **state)
{
    struct limits l;
    (void)state;
    queue_of(&l, 5, 2, 4);
    l.edge.pool.max_requests = limits_value(4);
    limits_are(&l, "cb.pending", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED,
               "refused by the full queue");
}

static void each_pool_may_open_one_connection(void **state)
{
    struct limits l;
    (void)state;
    queue_of(&l, 500, 500, 5);
    l.edge.pool.max_connections = limits_value(3); /* 3 hosts, 1 worker: up to 5 */
    limits_are(&l, "cb.connections", VERDICT_PASS, WHY_NONE, "5 connections at once of at most 5");
    queue_of(&l, 500, 500, 6);
    l.edge.pool.max_connections = limits_value(3);
    limits_are(&l, "cb.connections", VERDICT_FAIL, WHY_NONE, "6 connections at once, at most 5");
}

static void too_many_to_one_endpoint_fail_too(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    struct limits l;
    (void)state;
    edge.pool.max_connections = limits_value(2);
    limits_open(&l, &edge, S, "breaker", (const char *const[]){"only", "connections", NULL});
    limits_workers(&l, 1);
    for (int i = 0; i < 3; i++)
        limits_served(&l, 0, 500 * MS, 1);
    limits_are(&l, "cb.connections", VERDICT_FAIL, WHY_NONE,
               "3 connections at once to one endpoint, at most 2");
}

static void with_unknown_workers_so_few_connections_say_nothing(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    struct limits l;
    (void)state;
    edge.pool.max_connections = limits_value(2);
    limits_open(&l, &edge, S, "breaker", (const char *const[]){"only", "connections", NULL});
    for (int i = 0; i < 12; i++)
        limits_served(&l, 0, 500 * MS, (uint16_t)(i % 3 + 1));
    limits_are(&l, "cb.connections", VERDICT_INCONCLUSIVE, WHY_CAPABILITY,
               "workers unknown: 49 connections may be legal");
}

/* ${connections} connections of ${length} requests each, one after the other. */
static void carried(struct limits *l, uint64_t limit, uint32_t connections, uint32_t length)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
    edge.pool.requests_per_connection = limits_value(limit);
    limits_open(l, &edge, S, "breaker", (const char *const[]){"only", "per_connection", NULL});
    uint64_t t = 0;
    for (uint32_t c = 1; c <= connections; c++)
        for (uint32_t i = 1; i <= length; i++, t += 5 * MS) {
            uint64_t id = limits_request(l, t, t + 4 * MS, 200, false);
            limits_add_try(l, &(struct limits_try){.request = id,
                                                   .head_us = t + MS,
                                                   .out_us = t + 3 * MS,
                                                   .conn = c,
                                                   .sequence = i});
        }
}

static void a_connection_carries_no_more_than_declared(void **state)
{
    struct limits l;
    (void)state;
    carried(&l, 3, 4, 3);
    limits_are(&l, "cb.per_connection", VERDICT_PASS, WHY_NONE, "4 connections carried 3 requests");
    carried(&l, 3, 4, 4);
    limits_are(&l, "cb.per_connection", VERDICT_FAIL, WHY_NONE, "4 requests on one connection");
    carried(&l, 9, 4, 3);
    limits_are(&l, "cb.per_connection", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "full connections");
}

static void a_policy_without_limits_gives_nothing_to_judge(void **state)
{
    static const char *const ids[] = {"cb.requests", "cb.pending", "cb.connections",
                                      "cb.per_connection"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 3);
        struct limits l;
        edge.pool.max_requests = limits_value(0); /* Istio: 0 is no limit */
        limits_open(&l, &edge, S, "breaker", NULL);
        limits_are(&l, ids[i], VERDICT_NOT_APPLICABLE, WHY_NONE, "nothing to judge");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_requests_as_declared_pass),
        cmocka_unit_test(one_request_too_many_fails),
        cmocka_unit_test(a_try_that_was_cut_before_our_late_answer_is_out_no_more),
        cmocka_unit_test(a_second_worker_may_let_one_more_through),
        cmocka_unit_test(a_breaker_that_trips_at_half_fails),
        cmocka_unit_test(unknown_workers_leave_room_for_sixteen),
        cmocka_unit_test(a_limit_that_was_not_met_is_open),
        cmocka_unit_test(a_drop_that_the_queue_explains_is_no_witness),
        cmocka_unit_test(lost_records_leave_it_open),
        cmocka_unit_test(connections_hide_the_limit_of_requests),
        cmocka_unit_test(a_queue_as_long_as_declared_passes),
        cmocka_unit_test(a_queue_that_is_too_long_or_too_short_fails),
        cmocka_unit_test(what_a_mesh_that_stood_still_had_not_read_did_not_wait),
        cmocka_unit_test(what_came_before_is_not_taken_in_before),
        cmocka_unit_test(a_connection_for_one_that_waited_takes_nothing_in),
        cmocka_unit_test(who_may_have_met_a_dead_endpoint_did_not_certainly_wait),
        cmocka_unit_test(a_queue_that_may_have_been_twice_as_long_is_open),
        cmocka_unit_test(a_queue_that_never_filled_is_open),
        cmocka_unit_test(what_the_limit_of_requests_refuses_says_nothing_of_the_queue),
        cmocka_unit_test(each_pool_may_open_one_connection),
        cmocka_unit_test(too_many_to_one_endpoint_fail_too),
        cmocka_unit_test(with_unknown_workers_so_few_connections_say_nothing),
        cmocka_unit_test(a_connection_carries_no_more_than_declared),
        cmocka_unit_test(a_policy_without_limits_gives_nothing_to_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
