/* Claims of the whole system on journals written by hand: effects, the mesh's default retries, an
 * answer that stalls behind its head. */

#include "verify/whole_fixture_test.h"

/* POSTs whose work is done ${times}, and which fail after it but for the last time. */
static void post(struct whole *w, uint64_t at_us, uint32_t times, uint64_t key)
{
    uint64_t id =
        whole_request(w, at_us, at_us + 10 * MS,
                      (struct request_record){.verb = VERB_POST, .status = times == 1 ? 503 : 200});
    for (uint32_t k = 1; k <= times; k++)
        whole_try(w, id, at_us + k * MS, at_us + k * MS + 500,
                  (struct attempt_record){.k = (uint16_t)k,
                                          .verb = VERB_POST,
                                          .flags = ATTEMPT_EFFECT,
                                          .key = key,
                                          .status = k == times && times > 1 ? 200 : 503});
}

static void open_effects(struct whole *w, uint32_t on, const char *key)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, on);
    whole_open(w, &edge, "http1");
    w->s->lab.services[0].effects = key;
    struct phase *phase = whole_phase(w, "executed, then 503", 0, 20 * S);
    whole_step(w, phase, STEP_EXPECT, "idempotency", "client -> payments",
               key == NULL ? NULL : (const char *const[]){"key", key, NULL});
}

static void work_that_is_done_once_passes(void **state)
{
    struct whole w;
    (void)state;
    open_effects(&w, RETRY_CONNECT_FAILURE, NULL);
    for (uint64_t i = 0; i < 120; i++)
        post(&w, i * 50 * MS, 1, 0);
    whole_are(&w, "effects", VERDICT_PASS, WHY_NONE,
              "at most 1 effect of 120 requests; 120 failed");
}

static void work_that_is_done_twice_fails(void **state)
{
    struct whole w;
    (void)state;
    open_effects(&w, RETRY_CONNECT_FAILURE, NULL);
    for (uint64_t i = 0; i < 120; i++)
        post(&w, i * 50 * MS, i == 60 ? 2 : 1, 0);
    whole_are(&w, "effects", VERDICT_FAIL, WHY_NONE, "2 effects on 1 of 120 requests");
}

/* The application called again under an id of its own: the header says that it is one order. */
static void one_key_over_two_requests_is_one_effect_too_many(void **state)
{
    struct whole w;
    (void)state;
    open_effects(&w, RETRY_5XX, "x-order");
    for (uint64_t i = 0; i < 120; i++)
        post(&w, i * 50 * MS, 1, 1000 + i / 2);
    whole_are(&w, "effects", VERDICT_FAIL, WHY_NONE, "2 effects (header x-order) on 60 of 60 keys");
}

static void a_policy_that_retries_503_is_warned_of_unless_the_suite_asks(void **state)
{
    struct whole w;
    (void)state;
    for (int generated = 0; generated <= 1; generated++) {
        open_effects(&w, RETRY_5XX | RETRY_RESET, NULL);
        w.s->from_policy = generated == 1;
        for (uint64_t i = 0; i < 120; i++)
            post(&w, i * 50 * MS, 3, 0);
        whole_are(&w, "effects", generated ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE,
                  generated ? "warning: 3 effects on 120 of 120 requests: 5xx, reset is retried"
                            : "3 effects on 120 of 120");
    }
}

/* A generated plan takes for asked only what a condition lists: here none is for a 503. */
static void a_repeat_that_no_condition_lists_fails_in_a_generated_plan_too(void **state)
{
    struct whole w;
    (void)state;
    static const uint32_t on[] = {
        RETRY_CONNECT_FAILURE | RETRY_GRPC_UNAVAILABLE | RETRY_GRPC_CANCELLED, /* Istio's default */
        RETRY_CONNECT_FAILURE | RETRY_STATUS_CODES,                            /* of no code */
        RETRY_CONNECT_FAILURE | RETRY_RESET,
    };
    for (size_t k = 0; k < COUNT_OF(on); k++) {
        open_effects(&w, on[k], NULL);
        w.s->from_policy = true;
        for (uint64_t i = 0; i < 120; i++)
            post(&w, i * 50 * MS, 2, 0);
        whole_are(&w, "effects", VERDICT_FAIL, WHY_NONE, "2 effects on 120 of 120 requests");
    }
}

static void what_never_failed_after_its_work_says_nothing(void **state)
{
    struct whole w;
    (void)state;
    open_effects(&w, RETRY_CONNECT_FAILURE, NULL);
    for (uint64_t i = 0; i < 200; i++)
        whole_good(&w, i * 50 * MS, 2 * MS);
    whole_are(&w, "effects", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "POST or PATCH");
    open_effects(&w, RETRY_CONNECT_FAILURE, "x-order");
    w.s->lab.services[0].effects = NULL;
    post(&w, 0, 1, 0);
    whole_are(&w, "effects", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "nobody reads the header");
}

/* Istio's default since 1.24: 503 is not among what is retried. */
static void default_of_istio(struct whole *w, uint32_t tries)
{
    struct edge_policy edge =
        whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM |
                                        RETRY_GRPC_UNAVAILABLE | RETRY_GRPC_CANCELLED);
    edge.retry.attempts.source = (struct source){0};
    edge.retry.attempts.origin = "default of istio@1.31";
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, "calls", 0, 20 * S);
    whole_step(w, phase, STEP_EXPECT, "retries", "client -> payments", NULL);
    for (uint64_t i = 0; i < 30; i++) {
        uint64_t at_us = i * 50 * MS, id = whole_request(w, at_us, at_us + 20 * MS,
                                                         (struct request_record){.status = 503});
        for (uint32_t k = 1; k <= tries; k++)
            whole_try(w, id, at_us + k * 5 * MS, at_us + k * 5 * MS + MS,
                      (struct attempt_record){.k = (uint16_t)k, .status = 503});
    }
}

static void the_default_is_judged_where_the_user_says_nothing(void **state)
{
    struct whole w;
    (void)state;
    default_of_istio(&w, 1);
    whole_are(&w, "retry.default", VERDICT_PASS, WHY_NONE, "none of 30 retried (503)");
    default_of_istio(&w, 3);
    whole_are(&w, "retry.default", VERDICT_FAIL, WHY_NONE, "60 of 90 were retried (503)");
    default_of_istio(&w, 0);
    whole_are(&w, "retry.default", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    default_of_istio(&w, 1);
    w.edge.retry.attempts = whole_value(2);
    whole_judge(&w);
    assert_int_equal(whole_verdict(&w, "retry.default")->kind, VERDICT_NOT_APPLICABLE);
    whole_close(&w);
}

/* Heads at once, and nothing behind them: cut at ${cut_us}, ${tries} made. */
static void stalled(struct whole *w, uint64_t cut_us, uint32_t tries, uint32_t count)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
    edge.request_timeout = whole_value(NS_PER_S);
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, "calls", 0, 20 * S);
    whole_step(w, phase, STEP_EXPECT, "timeout", "client -> payments", NULL);
    for (uint64_t t = 0; t < 19 * S; t += 20 * MS)
        whole_good(w, t, 2 * MS);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at_us = i * 1700 * MS + 500;
        /* The client is told a second later, as an Envoy does. */
        uint64_t id =
            whole_request(w, at_us, at_us + cut_us + S,
                          (struct request_record){.head = 3 * NS_PER_MS, .end = END_TRUNCATED});
        for (uint32_t k = 1; k <= tries; k++)
            whole_try(w, id, at_us + k * MS, at_us + k * MS + 500,
                      (struct attempt_record){.k = (uint16_t)k,
                                              .status = 200,
                                              .outcome = OUTCOME_LEFT,
                                              .left = (cut_us - k * MS) * NS_PER_US,
                                              .left_kind = LEFT_RST});
    }
}

static void an_answer_that_stalls_behind_its_head_is_cut_at_the_timeout(void **state)
{
    struct whole w;
    (void)state;
    stalled(&w, S + 2 * MS, 1, 8);
    whole_judge(&w);
    whole_is(&w, "timeout.headers_sent", VERDICT_PASS, WHY_NONE, "8 of 8 cut behind their head");
    whole_is(&w, "timeout.request", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    whole_close(&w);
    stalled(&w, 3 * S, 1, 8);
    whole_are(&w, "timeout.headers_sent", VERDICT_FAIL, WHY_NONE, "8 of 8 answers were cut late");
    stalled(&w, 600 * MS, 1, 8);
    whole_are(&w, "timeout.headers_sent", VERDICT_FAIL, WHY_NONE, "8 of 8 answers were cut early");
    stalled(&w, S + 2 * MS, 2, 1);
    whole_are(&w, "timeout.headers_sent", VERDICT_FAIL, WHY_NONE, "were asked for again");
    stalled(&w, S + 2 * MS, 1, 3);
    whole_are(&w, "timeout.headers_sent", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 3 of 6");
    stalled(&w, S, 1, 0);
    whole_judge(&w);
    assert_int_equal(whole_verdict(&w, "timeout.headers_sent")->kind, VERDICT_NOT_APPLICABLE);
    whole_close(&w);
}

/* The first try is answered whole, and retried; the second is held until the timeout. */
static void a_whole_answer_before_a_held_try_has_not_stalled(void **state)
{
    struct whole w;
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
    (void)state;
    edge.request_timeout = whole_value(NS_PER_S);
    whole_open(&w, &edge, "http1");
    struct phase *phase = whole_phase(&w, "calls", 0, 20 * S);
    whole_step(&w, phase, STEP_EXPECT, "timeout", "client -> payments", NULL);
    for (uint64_t t = 0; t < 19 * S; t += 20 * MS)
        whole_good(&w, t, 2 * MS);
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t at_us = i * 1700 * MS + 500;
        uint64_t id =
            whole_request(&w, at_us, at_us + S + 2 * MS, (struct request_record){.status = 504});
        whole_try(&w, id, at_us + MS, at_us + 2 * MS,
                  (struct attempt_record){.status = i % 2 == 0 ? 503 : 200});
        whole_try(&w, id, at_us + 20 * MS, 0,
                  (struct attempt_record){.k = 2,
                                          .outcome = OUTCOME_LEFT,
                                          .left = (S - 18 * MS) * NS_PER_US,
                                          .left_kind = LEFT_RST});
    }
    whole_judge(&w);
    assert_int_equal(whole_verdict(&w, "timeout.headers_sent")->kind, VERDICT_NOT_APPLICABLE);
    whole_is(&w, "timeout.request", VERDICT_PASS, WHY_NONE, "8 of 8");
    whole_close(&w);
}

/* Three hosts, one of which may be out: the second and, where ${both}, the third fail every try
 * from 2 s on. ${out}: the second is put out after its fifth failure, as it must. */
static void failing(struct whole *w, bool out, bool both, uint64_t min_health)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    uint32_t failures = 0;
    edge.outlier = (struct outlier_rule){.present = true,
                                         .consecutive_5xx = whole_value(5),
                                         .interval = whole_value(NS_PER_S),
                                         .base_ejection = whole_value(30 * NS_PER_S),
                                         .max_ejection_percent = whole_value(34),
                                         .min_health_percent = whole_value(min_health)};
    whole_open(w, &edge, "http1");
    (void)whole_phase(w, "warm", 0, 2 * S);
    struct phase *phase = whole_phase(w, "cap", 2 * S, 12 * S);
    whole_step(w, phase, STEP_EXPECT, "ejection", "payments",
               (const char *const[]){"only", "panic", NULL});
    for (uint64_t i = 0; i < 11 * 200; i++) {
        uint64_t at_us = i * 5 * MS;
        uint16_t host = (uint16_t)(i % 3 + 1);
        if (host == 2 && out && failures >= 5)
            host = (uint16_t)(i % 2 == 0 ? 1 : 3);
        bool fails = at_us >= 2 * S && (host == 2 || (host == 3 && both));
        failures += fails && host == 2;
        uint16_t status = fails ? 503 : 200;
        uint64_t id =
            whole_request(w, at_us, at_us + 2 * MS, (struct request_record){.status = status});
        whole_try(w, id, at_us + 500, at_us + MS,
                  (struct attempt_record){.status = status, .endpoint = host});
    }
}

static void a_mesh_in_panic_sends_to_those_that_should_be_out(void **state)
{
    struct whole w;
    (void)state;
    failing(&w, true, true, 0);
    whole_are(&w, "eject.panic", VERDICT_PASS, WHY_NONE, "1 of 3 out, and not sent to, over");
    failing(&w, false, true, 0);
    whole_are(&w, "eject.panic", VERDICT_FAIL, WHY_NONE, "0 of 3 out while 2 fail");
    failing(&w, true, false, 0);
    whole_are(&w, "eject.panic", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    failing(&w, false, true, 70);
    whole_judge(&w);
    assert_int_equal(whole_verdict(&w, "eject.panic")->kind, VERDICT_NOT_APPLICABLE);
    whole_close(&w);
}

/* The second fails alone from 2 s on and is out for ${out_us}; from 7 s on the third fails too, and
 * the second is out for a second, until an update that waited shows the panic. So is the third from
 * ${third_us} on. Ejections last 2 s and up to a sweep of 1 s. */
static void panicking(struct whole *w, uint64_t out_us, uint64_t third_us, uint64_t to_us)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    uint64_t fifth_us = 0;
    uint32_t failures = 0;
    edge.outlier = (struct outlier_rule){.present = true,
                                         .consecutive_5xx = whole_value(5),
                                         .interval = whole_value(NS_PER_S),
                                         .base_ejection = whole_value(2 * NS_PER_S),
                                         .max_ejection_percent = whole_value(34)};
    whole_open(w, &edge, "http1");
    (void)whole_phase(w, "warm", 0, 2 * S);
    (void)whole_phase(w, "trip", 2 * S, 7 * S);
    whole_step(w, whole_phase(w, "cap", 7 * S, to_us), STEP_EXPECT, "ejection", "payments",
               (const char *const[]){"only", "panic", NULL});
    for (uint64_t at_us = 0; at_us < to_us; at_us += 5 * MS) {
        bool both = at_us >= 7 * S;
        uint16_t host = (uint16_t)(at_us / (5 * MS) % 3 + 1);
        if (at_us == 7 * S)
            failures = 0;
        if (host == 2 && failures == 5 && at_us - fifth_us < (both ? S : out_us))
            host = (uint16_t)(at_us / (5 * MS) % 2 == 0 ? 1 : 3);
        if (host == 3 && at_us >= third_us && at_us - third_us < S)
            host = (uint16_t)(at_us / (5 * MS) % 2 + 1);
        bool fails = (host == 2 && at_us >= 2 * S && (both || failures < 5)) || (host == 3 && both);
        if (fails && host == 2 && failures < 5 && ++failures == 5)
            fifth_us = at_us;
        uint16_t status = fails ? 503 : 200;
        uint64_t id =
            whole_request(w, at_us, at_us + 2 * MS, (struct request_record){.status = status});
        whole_try(w, id, at_us + 500, at_us + MS,
                  (struct attempt_record){.status = status, .endpoint = host});
    }
}

/* What was seen before an update could show it says nothing of a panic. Then it is over as soon as
 * the first ejection is: by who comes back sooner than that it shows, where this mesh's ejections
 * are else as long as they must be. */
static void a_panic_that_an_update_delays_is_no_pass(void **state)
{
    struct whole w;
    (void)state;
    panicking(&w, 2500 * MS, 20 * S, 8700 * MS);
    whole_are(&w, "eject.panic", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED,
              "more than may be out had long failed");
    panicking(&w, 2500 * MS, 20 * S, 9500 * MS);
    whole_are(&w, "eject.panic", VERDICT_FAIL, WHY_NONE, "0 of 3 out while 2 fail");
    panicking(&w, 1200 * MS, 20 * S,
              9500 * MS); /* it lets all of them back so soon: see eject.length */
    whole_are(&w, "eject.panic", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    panicking(&w, 1200 * MS, 9700 * MS, 11 * S);
    whole_are(&w, "eject.panic", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED,
              "more than may be out had long failed");
}

/* Failures that take ${takes_us}: of the second from 2 s on, which is out when its fifth is seen,
 * and of the third from ${third_us} on. */
static void failing_slowly(struct whole *w, const char *part, uint64_t takes_us, uint64_t third_us,
                           uint64_t to_us)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    edge.outlier = (struct outlier_rule){.present = true,
                                         .consecutive_5xx = whole_value(5),
                                         .interval = whole_value(NS_PER_S),
                                         .base_ejection = whole_value(30 * NS_PER_S),
                                         .max_ejection_percent = whole_value(34)};
    whole_open(w, &edge, "http1");
    (void)whole_phase(w, "warm", 0, 2 * S);
    whole_step(w, whole_phase(w, "cap", 2 * S, to_us), STEP_EXPECT, "ejection", "payments",
               (const char *const[]){"only", part, NULL});
    for (uint64_t at_us = 0; at_us < to_us; at_us += 5 * MS) {
        uint16_t host = (uint16_t)(at_us / (5 * MS) % 3 + 1);
        if (host == 2 && at_us >= 2 * S + takes_us + 100 * MS)
            host = (uint16_t)(at_us / (5 * MS) % 2 == 0 ? 1 : 3);
        bool fails = (host == 2 && at_us >= 2 * S) || (host == 3 && at_us >= third_us);
        uint64_t end_us = at_us + (fails ? takes_us : 2 * MS);
        uint16_t status = fails ? 503 : 200;
        uint64_t id =
            whole_request(w, at_us, end_us + MS, (struct request_record){.status = status});
        whole_try(w, id, at_us + 500, end_us,
                  (struct attempt_record){.status = status, .endpoint = host});
    }
}

/* Five of each were begun long before the mesh saw one. */
static void a_failure_that_is_under_way_puts_nobody_out(void **state)
{
    struct whole w;
    (void)state;
    failing_slowly(&w, "panic", 2 * S, 2 * S, 9 * S);
    whole_are(&w, "eject.panic", VERDICT_PASS, WHY_NONE, "1 of 3 out");
    failing_slowly(&w, "cap", 2 * S, 7 * S, 9 * S + 500 * MS);
    whole_are(&w, "eject.cap", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "failed long enough");
    failing_slowly(&w, "cap", 2 * S, 7 * S, 12 * S);
    whole_are(&w, "eject.cap", VERDICT_PASS, WHY_NONE, "");
    failing_slowly(&w, "trips", 5 * S, 20 * S, 2 * S + 4900 * MS);
    whole_are(&w, "eject.trip", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

/* Slow answers that are cut 400 ms after the try came, of at most 600 ms: it had waited for a
 * connection for ${waits_us}, and the request may take 800 ms. */
static void cut_early(struct whole *w, uint64_t waits_us)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    edge.retry.per_try_timeout = whole_value(600 * NS_PER_MS);
    edge.request_timeout = whole_value(800 * NS_PER_MS);
    whole_open(w, &edge, "http1");
    whole_step(w, whole_phase(w, "calls", 0, 20 * S), STEP_EXPECT, "timeout", "client -> payments",
               (const char *const[]){"only", "per_try", NULL});
    for (uint64_t at_us = 0; at_us < 19 * S; at_us += 20 * MS)
        whole_good(w, at_us, 2 * MS);
    for (uint64_t i = 1; i < 30; i++) {
        uint64_t at_us = i * 600 * MS + 5 * MS, left_us = 400 * MS;
        uint64_t id = whole_request(
            w, at_us, at_us + waits_us + left_us,
            (struct request_record){.status = 504, .tag = journal_add_name(w->j, "f1:slow")});
        whole_try(w, id, at_us + waits_us, 0,
                  (struct attempt_record){
                      .outcome = OUTCOME_LEFT, .left = left_us * NS_PER_US, .left_kind = LEFT_RST});
    }
}

static void what_the_whole_timeout_cuts_was_not_cut_by_the_trys(void **state)
{
    struct whole w;
    (void)state;
    cut_early(&w, MS);
    whole_are(&w, "timeout.try.kept", VERDICT_FAIL, WHY_NONE, "29 of 29 cut before");
    cut_early(&w, 400 * MS);
    whole_are(&w, "timeout.try.kept", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

/* All but one of three may be out: the retry has no other endpoint. */
static void with_all_others_out_a_retry_goes_to_the_same(void **state)
{
    (void)state;
    for (int out = 0; out < 2; out++) {
        struct whole w;
        struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_5XX);
        edge.retry.other_host = true;
        edge.outlier = (struct outlier_rule){.present = true,
                                             .consecutive_5xx = whole_value(5),
                                             .interval = whole_value(NS_PER_S),
                                             .base_ejection = whole_value(30 * NS_PER_S),
                                             .max_ejection_percent = whole_value(100)};
        whole_open(&w, &edge, "http1");
        whole_step(&w, whole_phase(&w, "calls", 0, 12 * S), STEP_EXPECT, "retries",
                   "client -> payments", (const char *const[]){"only", "other_host", NULL});
        for (uint64_t at_us = 0; at_us < 12 * S; at_us += 5 * MS) {
            uint64_t turn = at_us / (5 * MS);
            bool late = at_us >= 3 * S, bad = out == 1 && at_us >= 2 * S && at_us < 3 * S;
            uint16_t host = (uint16_t)(late && out == 1 ? 1 : turn % 3 + 1);
            bool fails = (bad && host > 1 && at_us < 2 * S + 100 * MS) || (late && turn % 8 == 0);
            if (bad && at_us >= 2 * S + 100 * MS)
                host = 1;
            uint64_t id =
                whole_request(&w, at_us, at_us + (fails ? 40 : 2) * MS,
                              (struct request_record){.status = fails && !late ? 503 : 200});
            whole_try(&w, id, at_us + 500, at_us + MS,
                      (struct attempt_record){.status = fails ? 503 : 200, .endpoint = host});
            if (fails && late)
                whole_try(
                    &w, id, at_us + 30 * MS, at_us + 31 * MS,
                    (struct attempt_record){.status = 200, .endpoint = host, .k = 2, .n_mesh = 2});
        }
        whole_are(&w, "retry.other_host", out == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
                  out == 1 ? WHY_NEVER_FIRED : WHY_NONE, "first retries");
    }
}

/* It got tries for eight seconds after its fifth failure, and none for four: whatever put it out,
 * its time did not begin with that failure. */
static void an_ejection_that_began_late_is_measured_from_nothing(void **state)
{
    struct whole w;
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    (void)state;
    edge.outlier = (struct outlier_rule){.present = true,
                                         .consecutive_5xx = whole_value(5),
                                         .interval = whole_value(NS_PER_S),
                                         .base_ejection = whole_value(4 * NS_PER_S),
                                         .max_ejection_percent = whole_value(34)};
    whole_open(&w, &edge, "http1");
    (void)whole_phase(&w, "warm", 0, 2 * S);
    whole_step(&w, whole_phase(&w, "out", 2 * S, 16 * S), STEP_EXPECT, "ejection", "payments",
               NULL);
    for (uint64_t at_us = 0; at_us < 16 * S; at_us += 5 * MS) {
        uint16_t host = (uint16_t)(at_us / (5 * MS) % 3 + 1);
        if (host == 2 && at_us >= 10 * S && at_us < 14 * S)
            host = 1;
        uint16_t status = host == 2 && at_us >= 2 * S && at_us < 10 * S ? 503 : 200;
        uint64_t id =
            whole_request(&w, at_us, at_us + 2 * MS, (struct request_record){.status = status});
        whole_try(&w, id, at_us + 500, at_us + MS,
                  (struct attempt_record){.status = status, .endpoint = host});
    }
    whole_judge(&w);
    assert_int_not_equal(whole_verdict(&w, "eject.return")->kind, VERDICT_FAIL);
    assert_int_not_equal(whole_verdict(&w, "eject.length")->kind, VERDICT_FAIL);
    whole_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_that_is_done_once_passes),
        cmocka_unit_test(work_that_is_done_twice_fails),
        cmocka_unit_test(one_key_over_two_requests_is_one_effect_too_many),
        cmocka_unit_test(a_policy_that_retries_503_is_warned_of_unless_the_suite_asks),
        cmocka_unit_test(a_repeat_that_no_condition_lists_fails_in_a_generated_plan_too),
        cmocka_unit_test(what_never_failed_after_its_work_says_nothing),
        cmocka_unit_test(the_default_is_judged_where_the_user_says_nothing),
        cmocka_unit_test(an_answer_that_stalls_behind_its_head_is_cut_at_the_timeout),
        cmocka_unit_test(a_whole_answer_before_a_held_try_has_not_stalled),
        cmocka_unit_test(a_mesh_in_panic_sends_to_those_that_should_be_out),
        cmocka_unit_test(a_panic_that_an_update_delays_is_no_pass),
        cmocka_unit_test(a_failure_that_is_under_way_puts_nobody_out),
        cmocka_unit_test(an_ejection_that_began_late_is_measured_from_nothing),
        cmocka_unit_test(what_the_whole_timeout_cuts_was_not_cut_by_the_trys),
        cmocka_unit_test(with_all_others_out_a_retry_goes_to_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
