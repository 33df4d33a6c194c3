/* retry.must where endpoints are down, on journals written by hand. */

#include "verify/limits_fixture_test.h"

#include "stats/exact.h"

#define MS LIMITS_MS
#define S LIMITS_S

/* Endpoint 1 of two refuses from 1 s to 20 s, and of 38 requests that meet it only ${retried} are
 * retried. Endpoint 2 has its picks all the time, or (${in} false) none but those from 1 s on. */
static void dead_end_by(struct limits *l, bool in, uint64_t retried, const char *fault,
                        const char *const *keys)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    edge.retry.attempts = limits_value(2);
    edge.retry.on = RETRY_CONNECT_FAILURE;
    edge.retry.other_host = true;
    edge.outlier = (struct outlier_rule){.present = true,
                                         .consecutive_5xx = limits_value(5),
                                         .interval = limits_value(NS_PER_S),
                                         .base_ejection = limits_value(30 * NS_PER_S),
                                         .max_ejection_percent = limits_value(50)};
    limits_open(l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
    l->phase->steps[l->phase->step_count++] = step_make(l->plan, STEP_FAULT, fault, "payments/1",
                                                        (struct source){"limits.lua", 10, 0}, keys);
    for (uint64_t i = 0; i < 20; i++)
        limits_served(l, i * 50 * MS, i * 50 * MS + 3 * MS, (uint16_t)(i % 2 + 1));
    for (uint64_t t = S, n = 0; t < 20 * S; t += 500 * MS, n++) {
        if (n < retried) {
            limits_served(l, t, t + 5 * MS, 2);
            l->j->attempts[l->j->attempt_count - 1].r.n_mesh = 2;
        } else {
            limits_request(l, t, t + 5 * MS, 503, false);
            l->j->requests[l->j->request_count - 1].r.body_class = BODY_CONNECT_FAILURE;
        }
        if (in)
            limits_served(l, t + 250 * MS, t + 253 * MS, 2);
    }
}

static void dead_end(struct limits *l, bool in, uint64_t retried)
{
    dead_end_by(l, in, retried, "refuse", NULL);
}

/* One more that met no endpoint: the mesh answers by itself. */
static void turned_away(struct limits *l, uint64_t count, enum body_class body)
{
    for (uint64_t i = 0; i < count; i++) {
        limits_request(l, 2 * S + 10 * MS, 2 * S + 15 * MS, 503, false);
        l->j->requests[l->j->request_count - 1].r.body_class = (uint16_t)body;
    }
}

static void a_refused_request_is_retried_on_the_endpoint_that_lives(void **state)
{
    struct limits l;
    (void)state;
    dead_end(&l, true, 0);
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE,
               "38 of 38 requests that met refuse were not retried");
}

/* The endpoint that lives may be out: then there was nowhere to go. */
static void where_the_other_may_be_out_there_is_nowhere_to_retry(void **state)
{
    struct limits l;
    (void)state;
    dead_end(&l, false, 0);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    dead_end(&l, false, 0);
    l.edge.outlier.present = false;
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "38 of 38");
}

/* A retry may meet a second endpoint that is down: now and then, not on every fourth request. */
static void between_chance_and_certainty_it_is_open(void **state)
{
    struct limits l;
    (void)state;
    dead_end(&l, true, 37);
    limits_are(&l, "retry.must", VERDICT_PASS, WHY_NONE, "37 of 38 retried (refuse)");
    dead_end(&l, true, 27);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
               "11 of 38 requests that met refuse were not retried: too many for chance");
}

/* What a phase leaves open its repetitions may decide: chance has three tries to make a FAIL of it.
 */
static void each_look_spends_its_part_of_the_alpha(void **state)
{
    double tail = exact_binom_tail_ge(18, 38, 0.1);
    struct limits l;
    (void)state;
    dead_end(&l, true, 20);
    l.plan->false_alarms = (LOOKS_MOST - 0.5) * tail; /* of this claim alone */
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
               "18 of 38 requests that met refuse were not retried: too many for chance");
    dead_end(&l, true, 20);
    l.plan->false_alarms = (LOOKS_MOST + 0.5) * tail;
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "18 of 38");
}

/* A dead endpoint refuses, and one that resets at accept is as good as dead; a proxy that is killed
 * or a reset of what was accepted is not. */
static void what_takes_an_endpoint_down_is_told_by_its_fault(void **state)
{
    static const struct {
        const char *fault, *keys[3], *met; /* met NULL: nothing is down */
    } rows[] = {
        {"kill", {NULL}, "refuse"},
        {"kill", {"what", "endpoint", NULL}, "refuse"},
        {"kill", {"what", "proxy", NULL}, NULL},
        {"reset", {"when", "accept", NULL}, "accept"},
        {"reset", {"when", "request_head", NULL}, NULL},
        {"reset", {NULL}, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int within = 0; within <= 1; within++) {
            struct limits l;
            char text[80];
            dead_end_by(&l, true, 0, rows[i].fault, rows[i].keys);
            l.edge.retry.on = RETRY_CONNECT_FAILURE | RETRY_RESET;
            struct step *fault = &l.phase->steps[l.phase->step_count - 1];
            if (within == 1) { /* `during` */
                struct step *inner = ARENA_ARRAY(&l.plan->arena, struct step, 1);
                *inner = *fault;
                *fault = step_make(l.plan, STEP_DURING, "during", NULL, inner->source, NULL);
                fault->to_ns = 20 * NS_PER_S;
                fault->steps = inner;
                fault->step_count = 1;
            }
            snprintf(text, sizeof(text), "38 of 38 requests that met %s were not retried",
                     rows[i].met == NULL ? "" : rows[i].met);
            if (rows[i].met != NULL)
                limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, text);
            else
                limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
        }
}

/* Without a host, or over a limit, there is nowhere to retry; an answer of the endpoint that lives
 * is no dead end. */
static void who_met_no_dead_end_or_had_no_other_is_not_counted(void **state)
{
    static const enum body_class bodies[] = {BODY_NO_HEALTHY, BODY_OVERFLOW};
    struct limits l;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        dead_end(&l, true, 38);
        turned_away(&l, 22, bodies[i]);
        limits_are(&l, "retry.must", VERDICT_PASS, WHY_NONE, "38 of 38 retried (refuse)");
    }
    dead_end(&l, true, 38);
    for (uint64_t i = 0; i < 3; i++) { /* too few to be out */
        uint64_t at = 3 * S + i * 20 * MS, id = limits_request(&l, at, at + 5 * MS, 503, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = at + MS,
                                                .out_us = at + 4 * MS,
                                                .endpoint = 2,
                                                .status = 503,
                                                .k = 1,
                                                .conn = 2});
    }
    limits_are(&l, "retry.must", VERDICT_PASS, WHY_NONE, "38 of 38 retried (refuse)");
}

/* Two causes at once: endpoint 1 refuses, and endpoint 2, where the retry goes, fails. The client's
 * 503 is that of the last try, not of a request that was not retried. */
static void a_retry_that_meets_another_failure_was_made(void **state)
{
    static const uint64_t retries[] = {1, 2};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(retries); i++)
        for (uint16_t k = 1; k <= 2; k++) {
            struct limits l;
            dead_end(&l, true, 38);
            l.edge.outlier.present = false;
            l.edge.retry.on = RETRY_CONNECT_FAILURE | RETRY_5XX;
            l.edge.retry.attempts = limits_value(retries[i]);
            for (uint64_t n = 0; n < l.j->request_count; n++) {
                struct attempt_record *a = &l.j->attempts[n].r;
                if (a->n_mesh != 2)
                    continue;
                a->status = l.j->requests[n].r.status = 503;
                a->n_mesh = k;
            }
            if (k == 2)
                limits_are(&l, "retry.must", VERDICT_PASS, WHY_NONE, "38 of 38 retried (refuse)");
            else /* it met no dead end, and its own failure was not retried */
                limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE,
                           "38 of 38 requests that met 503 were not retried");
        }
}

/* A plan made of the policy sends failures which only the last retry ends, or none: a mesh that
 * makes one fewer looks the same until enough of them were let through. ${full}: requests whose
 * tries all failed, of 24 that met a 503; the others were good at the second try. */
static void made_plan(struct limits *l, bool made, uint64_t full, uint64_t failures)
{
    static struct tagged tag = {.tag = "all:503", .count = 24, .number = 1};
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    edge.retry.attempts = limits_value(2);
    edge.outlier = (struct outlier_rule){.present = failures > 0,
                                         .consecutive_5xx = limits_value(failures),
                                         .interval = limits_value(NS_PER_S),
                                         .base_ejection = limits_value(30 * NS_PER_S),
                                         .max_ejection_percent = limits_value(50)};
    limits_open(l, &edge, 30 * S, "retries", (const char *const[]){"only", "happen", NULL});
    l->plan->scenarios[0].from_policy = made;
    l->phase->loads = ARENA_ARRAY(&l->plan->arena, struct load_plan, 1);
    l->phase->load_count = 1;
    l->phase->loads[0] = (struct load_plan){.on = l->phase->steps[0].on,
                                            .tagged = &tag,
                                            .tagged_count = 1,
                                            .rate_per_h = 3600,
                                            .protocol = "http1",
                                            .method = "GET",
                                            .path = "/"};
    for (uint64_t i = 0; i < 24; i++) {
        uint64_t at = (i + 1) * S;
        uint16_t tries = i < full ? 3 : 2, got = i < full ? 503 : 200;
        uint64_t id = limits_request(l, at, at + 50 * MS, got, false);
        for (uint16_t k = 1; k <= tries; k++)
            limits_add_try(l, &(struct limits_try){.request = id,
                                                   .head_us = at + 10u * k * MS,
                                                   .out_us = at + 10u * k * MS + 2 * MS,
                                                   .status = k == tries ? got : 503,
                                                   .endpoint = (uint16_t)(k % 2 + 1),
                                                   .k = k,
                                                   .conn = (uint32_t)(i * 3 + k)});
        for (uint16_t h = 1; h <= 2; h++) /* no run of failures grows */
            limits_served(l, at + (uint64_t)h * 100 * MS, at + (uint64_t)h * 100 * MS + 4 * MS, h);
    }
}

static void the_last_retry_must_have_been_needed(void **state)
{
    struct limits l;
    (void)state;
    made_plan(&l, true, 10, 0);
    limits_are(&l, "retry.must", VERDICT_PASS, WHY_NONE, "24 of 24 retried (503)");
    made_plan(&l, true, 9, 0);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
               "only 9 of 10 requests that needed retry 2, the last");
    made_plan(&l, true, 0, 0);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED,
               "no requests that needed retry 2, the last");
    made_plan(&l, false, 0, 0); /* what people write need not go so far */
    limits_are(&l, "retry.must", VERDICT_PASS, WHY_NONE, "24 of 24 retried (503)");
}

/* A try without an answer is retried only where a timer of its own cuts it. */
static void a_hold_is_asked_for_only_where_it_is_cut(void **state)
{
    static const struct {
        uint64_t per_try_ms, request_ms;
        enum verdict_kind kind;
    } rows[] = {{0, 0, VERDICT_PASS},
                {0, 900, VERDICT_PASS},
                {300, 0, VERDICT_INCONCLUSIVE},
                {300, 900, VERDICT_INCONCLUSIVE},
                {300, 350, VERDICT_PASS}, /* no time is left over */
                {300, 351, VERDICT_INCONCLUSIVE}};
    static struct tagged tags[] = {{.tag = "all:503", .count = 24, .number = 1},
                                   {.tag = "f1:hold", .count = 10, .number = 2}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct limits l;
        made_plan(&l, true, 24, 0);
        l.phase->loads[0].tagged = tags;
        l.phase->loads[0].tagged_count = COUNT_OF(tags);
        if (rows[i].per_try_ms > 0)
            l.edge.retry.per_try_timeout = limits_value(rows[i].per_try_ms * NS_PER_MS);
        if (rows[i].request_ms > 0)
            l.edge.request_timeout = limits_value(rows[i].request_ms * NS_PER_MS);
        if (rows[i].kind == VERDICT_PASS)
            limits_are(&l, "retry.must", VERDICT_PASS, WHY_NONE, "24 of 24 retried (503)");
        else
            limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "met hold");
    }
}

/* More time would not help where the failures are withheld, for they would eject. */
static void what_is_missing_says_that_the_ejection_keeps_it_away(void **state)
{
    (void)state;
    for (uint64_t failures = 0; failures <= 9; failures += 9) {
        struct limits l;
        made_plan(&l, true, 0, failures);
        const struct verdict *v = limits_judge(&l, "retry.must");
        assert_int_equal(v->kind, VERDICT_INCONCLUSIVE);
        assert_int_equal(strstr(v->needs, "ejects after more than 9 failures in a row") != NULL,
                         failures > 0);
        limits_close(&l);
    }
}

/* The retry ended well, and the client has something else: but for what a limit answers. */
static void the_last_tries_answer_is_the_clients(void **state)
{
    static const struct {
        uint16_t last, got;
        uint8_t marks;
        bool swapped;
    } rows[] = {{200, 500, 0, true},
                {200, 200, 0, false},
                {503, 500, 0, true},
                {503, 503, 0, false},
                {200, 500, REQUEST_MARK_OVERLOADED, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct limits l;
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
        edge.retry.attempts = limits_value(1);
        limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
        uint64_t id = limits_request(&l, S, S + 20 * MS, rows[i].got, false);
        l.j->requests[0].r.marks = rows[i].marks;
        for (uint16_t k = 1; k <= 2; k++)
            limits_add_try(&l, &(struct limits_try){.request = id,
                                                    .head_us = S + (k == 1 ? 1u : 10u) * MS,
                                                    .out_us = S + (k == 1 ? 2u : 12u) * MS,
                                                    .status = k == 1 ? 503 : rows[i].last,
                                                    .k = k,
                                                    .conn = k});
        if (rows[i].swapped)
            limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE,
                       "1 of 1 requests that met 503 got another answer than the last try's");
        else
            limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 1 of 10");
    }
}

/* ${count} requests at once whose only retry of two is not seen; the client has their own 503. */
static void refused_at_once(struct limits *l, const struct edge_policy *edge, uint64_t count)
{
    limits_open(l, edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = S + i * MS, id = limits_request(l, at, at + 100 * MS, 503, false);
        limits_add_try(l, &(struct limits_try){.request = id,
                                               .head_us = at + MS,
                                               .out_us = at + 90 * MS,
                                               .endpoint = (uint16_t)(i % 2 + 1),
                                               .status = 503});
    }
}

/* A budget refuses as max_retries does: the client sees the endpoint's own failure. */
static void what_a_budget_or_a_limit_of_retries_may_have_refused_is_excused(void **state)
{
    struct limits l;
    (void)state;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    edge.retry.attempts = limits_value(2);
    refused_at_once(&l, &edge, 4);
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "4 of 4 requests that met 503");
    edge.pool.max_retries = limits_value(3);
    refused_at_once(&l, &edge, 4);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    edge.pool.max_retries = limits_value(4); /* three others: one is left */
    refused_at_once(&l, &edge, 4);
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "4 of 4 requests that met 503");
    edge.budget = (struct budget_rule){.kind = BUDGET_ENVOY,
                                       .ratio_ppm = limits_value(200000),
                                       .least = limits_value(1),
                                       .interval = limits_value(0)};
    refused_at_once(&l, &edge, 2); /* it stands over max_retries */
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    refused_at_once(&l, &edge, 1);
    limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "1 of 1 requests that met 503");
    edge.budget.least = limits_value(0);
    refused_at_once(&l, &edge, 1);
    limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

/* Requests at the same time that have nothing to retry take no place. */
static void clean_requests_take_no_place_of_a_limit_of_retries(void **state)
{
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    (void)state;
    edge.retry.attempts = limits_value(2);
    edge.pool.max_retries = limits_value(1);
    for (int failed = 0; failed <= 1; failed++) {
        struct limits l;
        refused_at_once(&l, &edge, 1);
        limits_served(&l, S - 10 * MS, S + 150 * MS, 2);
        if (failed)
            l.j->attempts[1].r.status = l.j->requests[1].r.status = 503;
        limits_served(&l, S + 5 * MS, S + 80 * MS, 2);
        if (failed) /* at 149 ms, and the other is over at 100 */
            l.j->attempts[1].r.out = l.j->attempts[1].r.head_out = 20 * NS_PER_MS;
        if (failed)
            limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
        else
            limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "1 of 1 requests that met 503");
    }
}

/* Linkerd says 503 or 504 while all endpoints are shut; another of its answers is no excuse. */
static void only_failfast_says_that_there_was_no_endpoint(void **state)
{
    static const struct {
        uint16_t status;
        uint8_t marks;
        bool excused;
    } rows[] = {{503, REQUEST_MARK_L5D_ERROR, true},
                {504, REQUEST_MARK_L5D_ERROR, true},
                {502, REQUEST_MARK_L5D_ERROR, false},
                {503, 0, false}};
    struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 2);
    (void)state;
    edge.retry.attempts = limits_value(2);
    edge.retry.on = RETRY_STATUS_CODES;
    status_set_add(&edge.retry.codes, 503);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct limits l;
        refused_at_once(&l, &edge, 4);
        for (size_t n = 0; n < l.j->request_count; n++) {
            l.j->requests[n].r.status = rows[i].status;
            l.j->requests[n].r.marks = rows[i].marks;
        }
        if (rows[i].excused)
            limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
        else
            limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "4 of 4 requests that met 503");
    }
}

/* A try that is cut is looked at when it is cut, not when it began. */
static void a_limit_is_met_when_the_try_ends(void **state)
{
    struct limits l;
    (void)state;
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    edge.retry.attempts = limits_value(1);
    edge.retry.per_try_timeout = limits_value(80 * NS_PER_MS);
    edge.pool.max_retries = limits_value(3);
    for (int busy = 0; busy <= 1; busy++) {
        limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
        uint64_t held = limits_request(&l, S, S + 85 * MS, 504, false);
        limits_add_try(&l,
                       &(struct limits_try){.request = held, .head_us = S, .out_us = S + 80 * MS});
        struct attempt_record *a = &l.j->attempts[0].r;
        a->left = a->out;
        a->out = a->head_out = a->done = a->status = 0;
        a->outcome = OUTCOME_LEFT;
        for (uint64_t i = 0; i < 3 && busy == 1; i++) { /* each with its retry from 60 ms on */
            uint64_t id = limits_request(&l, S + 50 * MS, S + 200 * MS, 503, false);
            for (uint16_t k = 1; k <= 2; k++)
                limits_add_try(&l,
                               &(struct limits_try){.request = id,
                                                    .head_us = S + (uint64_t)k * 60 * MS - 8 * MS,
                                                    .out_us = S + (uint64_t)k * 60 * MS - 4 * MS,
                                                    .k = k,
                                                    .endpoint = 2,
                                                    .conn = 100 + (uint32_t)id * 2 + k,
                                                    .status = 503});
        }
        if (busy == 1)
            limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "met hold");
        else
            limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "1 of 1 requests that met hold");
    }
}

/* What was cut before the per-try timer can have fired was cut by something else. */
static void a_hold_is_retried_where_the_per_try_timer_cut_it(void **state)
{
    static const uint64_t cuts_ms[] = {80, 66, 60, 20};
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    (void)state;
    edge.retry.attempts = limits_value(1);
    edge.retry.per_try_timeout = limits_value(80 * NS_PER_MS);
    for (size_t i = 0; i < COUNT_OF(cuts_ms); i++) {
        struct limits l;
        uint64_t cut = S + cuts_ms[i] * MS;
        limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
        uint64_t held = limits_request(&l, S, cut + 5 * MS, 504, false);
        limits_add_try(&l, &(struct limits_try){.request = held, .head_us = S, .out_us = cut});
        struct attempt_record *a = &l.j->attempts[0].r;
        a->left = a->out;
        a->out = a->head_out = a->done = a->status = 0;
        a->outcome = OUTCOME_LEFT;
        if (cuts_ms[i] > 64)
            limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "1 of 1 requests that met hold");
        else
            limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    }
}

/* The second of two tries came 300 ms after the first had failed, and the per-try timeout is 120
 * ms: it may have been cut. Not where the client has its own answer. */
static void an_answer_that_was_passed_on_is_no_timers(void **state)
{
    static const struct {
        uint8_t marks;
        uint16_t got;
        enum verdict_kind kind;
    } rows[] = {
        {REQUEST_MARK_UPSTREAM_TIME, 503, VERDICT_FAIL},
        {0, 503, VERDICT_INCONCLUSIVE},
        {REQUEST_MARK_UPSTREAM_TIME, 504, VERDICT_INCONCLUSIVE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct limits l;
        struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
        edge.retry.attempts = limits_value(2);
        edge.retry.per_try_timeout = limits_value(120 * NS_PER_MS);
        limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
        uint64_t id = limits_request(&l, S, S + 305 * MS, rows[i].got, false);
        l.j->requests[0].r.marks = rows[i].marks;
        for (uint16_t k = 1; k <= 2; k++)
            limits_add_try(&l, &(struct limits_try){.request = id,
                                                    .head_us = S + (k == 1 ? 1u : 300u) * MS,
                                                    .out_us = S + (k == 1 ? 2u : 302u) * MS,
                                                    .status = 503,
                                                    .k = k,
                                                    .conn = k});
        l.j->attempts[1].r.n_mesh = 2;
        limits_are(&l, "retry.must", rows[i].kind,
                   rows[i].kind == VERDICT_FAIL ? WHY_NONE : WHY_TOO_FEW,
                   rows[i].kind == VERDICT_FAIL ? "1 of 2 requests that met 503" : "only 1 of 10");
    }
}

/* Requests that a stall kept back meet the dead endpoint all at once, where three may be retried.
 */
static void a_limit_of_retries_explains_those_that_met_a_dead_end_at_once(void **state)
{
    struct limits l;
    (void)state;
    for (int limited = 0; limited <= 1; limited++) {
        dead_end(&l, true, 38);
        l.edge.balance = limits_value(LB_ROUND_ROBIN); /* busy or not */
        if (limited == 1)
            l.edge.pool.max_retries = limits_value(3);
        turned_away(&l, 22, BODY_CONNECT_FAILURE);
        if (limited == 1)
            limits_are(&l, "retry.must", VERDICT_PASS, WHY_NONE, "38 of 38 retried (refuse)");
        else
            limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE,
                       "22 of 60 requests that met refuse were not retried");
    }
}

/* The retry came to an endpoint whose own proxy refused it: the caller gets that. */
static void a_retry_that_a_rate_limit_refuses_is_excused(void **state)
{
    struct limits l;
    (void)state;
    struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, 2);
    edge.retry.attempts = limits_value(2);
    edge.retry.on = RETRY_STATUS_CODES;
    status_set_add(&edge.retry.codes, 503);
    for (int limited = 0; limited <= 1; limited++) {
        edge.rate = (struct rate_rule){.present = limited == 1, .per_second = limits_value(5)};
        limits_open(&l, &edge, 20 * S, "retries", (const char *const[]){"only", "happen", NULL});
        for (uint64_t i = 0; i < 12; i++) {
            uint64_t at = S + i * S, id = limits_request(&l, at, at + 50 * MS, 429, false);
            limits_add_try(
                &l, &(struct limits_try){
                        .request = id, .head_us = at + MS, .out_us = at + 2 * MS, .status = 503});
        }
        if (limited == 1)
            limits_are(&l, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
        else
            limits_are(&l, "retry.must", VERDICT_FAIL, WHY_NONE, "12 of 12 requests");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_request_is_retried_on_the_endpoint_that_lives),
        cmocka_unit_test(where_the_other_may_be_out_there_is_nowhere_to_retry),
        cmocka_unit_test(between_chance_and_certainty_it_is_open),
        cmocka_unit_test(each_look_spends_its_part_of_the_alpha),
        cmocka_unit_test(a_hold_is_retried_where_the_per_try_timer_cut_it),
        cmocka_unit_test(what_takes_an_endpoint_down_is_told_by_its_fault),
        cmocka_unit_test(who_met_no_dead_end_or_had_no_other_is_not_counted),
        cmocka_unit_test(a_retry_that_meets_another_failure_was_made),
        cmocka_unit_test(the_last_retry_must_have_been_needed),
        cmocka_unit_test(what_is_missing_says_that_the_ejection_keeps_it_away),
        cmocka_unit_test(the_last_tries_answer_is_the_clients),
        cmocka_unit_test(what_a_budget_or_a_limit_of_retries_may_have_refused_is_excused),
        cmocka_unit_test(a_hold_is_asked_for_only_where_it_is_cut),
        cmocka_unit_test(clean_requests_take_no_place_of_a_limit_of_retries),
        cmocka_unit_test(only_failfast_says_that_there_was_no_endpoint),
        cmocka_unit_test(a_limit_is_met_when_the_try_ends),
        cmocka_unit_test(an_answer_that_was_passed_on_is_no_timers),
        cmocka_unit_test(a_limit_of_retries_explains_those_that_met_a_dead_end_at_once),
        cmocka_unit_test(a_retry_that_a_rate_limit_refuses_is_excused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
