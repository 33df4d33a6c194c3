/* Retries, timeouts and statuses on gRPC and HTTP/2: which ends must be tried again and which never
 * (reference/limits-measured.md 4). */

#include "verify/whole_fixture_test.h"

#define ISTIO_LIST \
    (RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM | RETRY_GRPC_UNAVAILABLE | RETRY_GRPC_CANCELLED)
#define UNAVAILABLE 14
#define INVALID_ARGUMENT 3

/* How a call's tries end, and how many the mesh makes of it. */
struct ending {
    uint16_t code;  /* grpc-status of each try; 0: see ${fault} or ${http} */
    uint16_t http;  /* HTTP status without grpc-status */
    uint16_t fault; /* number of the fault that lost the stream */
    bool late;      /* the code comes in trailers */
    uint32_t tries;
    uint16_t client; /* grpc-status that the client gets; 0: that of the try */
};

static void open_on(struct whole *w, const struct edge_policy *edge, const char *protocol,
                    const char *word)
{
    whole_open(w, edge, protocol);
    struct phase *phase = whole_phase(w, "calls", 0, 20 * S);
    whole_step(w, phase, STEP_EXPECT, word, "client -> payments", NULL);
    whole_step(w, phase, STEP_FAULT, "rst_stream", "payments", NULL);
    whole_step(w, phase, STEP_FAULT, "rst_stream", "payments",
               (const char *const[]){"code", "CANCEL", NULL});
    whole_step(w, phase, STEP_FAULT, "goaway", "payments",
               (const char *const[]){"last", "none", NULL});
    whole_step(w, phase, STEP_FAULT, "reset", "payments",
               (const char *const[]){"when", "request_head", NULL});
    plan_number_faults(w->s);
}
#define FAULT_REFUSED 1
#define FAULT_CANCEL 2
#define FAULT_GOAWAY 3
#define FAULT_RESET 4

static void end_call(struct whole *w, uint64_t at_us, const struct ending *e)
{
    uint16_t code = e->code == 0 ? 0 : (uint16_t)(e->code + 1);
    uint16_t lost = UNAVAILABLE + 1, seen = code != 0 ? code : e->http != 0 ? 0 : lost;
    uint64_t id = whole_request(
        w, at_us, at_us + e->tries * 10 * MS,
        (struct request_record){.status = e->http,
                                .grpc_status = e->client != 0 ? (uint16_t)(e->client + 1) : seen,
                                .protocol = 1});
    for (uint32_t k = 1; k <= e->tries; k++)
        whole_try(w, id, at_us + (k - 1) * 10 * MS + MS, at_us + (k - 1) * 10 * MS + 2 * MS,
                  (struct attempt_record){.k = (uint16_t)k,
                                          .endpoint = (uint16_t)(k % 3 + 1),
                                          .stream = 1,
                                          .fault = e->fault,
                                          .status = e->fault != 0  ? 0
                                                    : e->http != 0 ? e->http
                                                                   : 200,
                                          .grpc_status = code,
                                          .grpc_where = code == 0 ? 0
                                                        : e->late ? 2
                                                                  : 1,
                                          .outcome = e->fault != 0 ? OUTCOME_RESET_BY_FAULT
                                                                   : OUTCOME_ANSWERED});
}

static void end_calls(struct whole *w, uint32_t count, struct ending e)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at_us = (w->seq + 1) * 40 * MS;
        whole_good(w, at_us, 2 * MS);
        end_call(w, at_us + 5 * MS, &e);
    }
}

static void istio(struct whole *w)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, ISTIO_LIST);
    open_on(w, &edge, "grpc", "retries");
}

static void unavailable_is_retried_and_invalid_argument_never(void **state)
{
    struct whole w;
    (void)state;
    istio(&w);
    end_calls(&w, 12, (struct ending){.code = UNAVAILABLE, .tries = 3});
    end_calls(&w, 20, (struct ending){.code = INVALID_ARGUMENT, .tries = 1});
    whole_judge(&w);
    whole_is(&w, "retry.must", VERDICT_PASS, WHY_NONE, "12 of 12 retried (grpc-14)");
    whole_is(&w, "retry.only", VERDICT_PASS, WHY_NONE, "none of 20 retried (grpc-3)");
    whole_is(&w, "retry.max", VERDICT_PASS, WHY_NONE, "0..2 of at most 2");
    whole_is(&w, "retry.started", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    whole_close(&w);
}

static void invalid_argument_that_is_retried_fails(void **state)
{
    struct whole w;
    (void)state;
    istio(&w);
    end_calls(&w, 12, (struct ending){.code = UNAVAILABLE, .tries = 3});
    end_calls(&w, 20, (struct ending){.code = INVALID_ARGUMENT, .tries = 1});
    end_calls(&w, 1, (struct ending){.code = INVALID_ARGUMENT, .tries = 2});
    whole_judge(&w);
    whole_is(&w, "retry.only", VERDICT_FAIL, WHY_NONE, "1 of 22 were retried (grpc-3)");
    whole_is(&w, "retry.must", VERDICT_PASS, WHY_NONE, "");
    whole_close(&w);
}

static void unavailable_that_is_not_retried_fails(void **state)
{
    struct whole w;
    (void)state;
    istio(&w);
    end_calls(&w, 12, (struct ending){.code = UNAVAILABLE, .tries = 3});
    end_calls(&w, 1, (struct ending){.code = UNAVAILABLE, .tries = 1});
    whole_are(&w, "retry.must", VERDICT_FAIL, WHY_NONE,
              "1 of 13 requests that met grpc-14 were not retried");
}

static void too_few_of_them_are_not_decided(void **state)
{
    struct whole w;
    (void)state;
    istio(&w);
    end_calls(&w, 4, (struct ending){.code = UNAVAILABLE, .tries = 3});
    whole_are(&w, "retry.must", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 4 of 10");
}

/* The head is gone by then: an Envoy reads no trailers for it, Linkerd does. */
static void a_code_in_trailers_is_envoys_unlisted_and_linkerds_listed(void **state)
{
    struct whole w;
    struct edge_policy linkerd = whole_policy(FLAVOUR_LINKERD, RETRY_GRPC_UNAVAILABLE);
    (void)state;
    for (uint32_t tries = 1; tries <= 3; tries += 2) {
        istio(&w);
        end_calls(&w, 22, (struct ending){.code = UNAVAILABLE, .late = true, .tries = tries});
        whole_are(&w, "retry.only", tries == 1 ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE, "late-14");
        open_on(&w, &linkerd, "grpc", "retries");
        end_calls(&w, 22, (struct ending){.code = UNAVAILABLE, .late = true, .tries = tries});
        for (size_t i = 0; i < w.j->attempt_count; i++)
            w.j->attempts[i].r.n_mesh = 0;
        whole_are(&w, "retry.must", tries == 1 ? VERDICT_FAIL : VERDICT_PASS, WHY_NONE, "late-14");
    }
}

/* On gRPC the HTTP status lists nothing where no word for HTTP does. */
static void an_http_503_is_no_unavailable(void **state)
{
    struct whole w;
    (void)state;
    for (uint32_t tries = 1; tries <= 2; tries++) {
        istio(&w);
        end_calls(&w, 22, (struct ending){.http = 503, .tries = tries});
        whole_are(&w, "retry.only", tries == 1 ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE, "503");
    }
}

static void a_refused_stream_and_a_goaway_must_be_retried_a_cancelled_one_not(void **state)
{
    struct whole w;
    (void)state;
    istio(&w);
    end_calls(&w, 12, (struct ending){.fault = FAULT_REFUSED, .tries = 3});
    end_calls(&w, 12, (struct ending){.fault = FAULT_GOAWAY, .tries = 3});
    end_calls(&w, 20, (struct ending){.fault = FAULT_CANCEL, .tries = 1});
    whole_judge(&w);
    whole_is(&w, "retry.must", VERDICT_PASS, WHY_NONE, "24 of 24 retried (stream, goaway)");
    whole_is(&w, "retry.only", VERDICT_PASS, WHY_NONE, "none of 20 retried (rst_stream)");
    whole_close(&w);
    istio(&w);
    end_calls(&w, 12, (struct ending){.fault = FAULT_GOAWAY, .tries = 1});
    end_calls(&w, 20, (struct ending){.fault = FAULT_CANCEL, .tries = 2});
    whole_judge(&w);
    whole_is(&w, "retry.must", VERDICT_FAIL, WHY_NONE, "met goaway were not retried");
    whole_is(&w, "retry.only", VERDICT_FAIL, WHY_NONE, "rst_stream");
    whole_close(&w);
}

/* A backend's own RST_STREAM may have had any code. */
static void a_stream_lost_by_an_unknown_code_is_no_evidence(void **state)
{
    struct whole w;
    (void)state;
    istio(&w);
    end_calls(&w, 12, (struct ending){.fault = FAULT_REFUSED, .tries = 1});
    for (size_t i = 0; i < w.j->attempt_count; i++)
        w.j->attempts[i].r.fault = 0;
    whole_are(&w, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

static void an_answer_that_is_not_the_last_trys_fails(void **state)
{
    struct whole w;
    (void)state;
    istio(&w);
    end_calls(&w, 12, (struct ending){.code = UNAVAILABLE, .tries = 3, .client = 13});
    whole_are(&w, "retry.must", VERDICT_FAIL, WHY_NONE, "another answer");
}

/* A call whose one try that was seen ended as ${x} says, and what the mesh says of the next one. */
static void end_by_loss(struct whole *w, uint64_t at_us, struct attempt_record x)
{
    uint64_t id = whole_request(w, at_us, at_us + 10 * MS,
                                (struct request_record){.grpc_status = UNAVAILABLE + 1,
                                                        .grpc_where = 1,
                                                        .body_class = BODY_CONNECT_TERMINATED});
    x.stream = 5;
    x.endpoint = 1;
    x.conn = 7;
    whole_try(w, id, at_us + MS, at_us + 2 * MS, x);
}

static void reset_connection(struct whole *w, uint64_t at_us)
{
    uint64_t id = whole_request(w, at_us - MS, at_us + 30 * MS,
                                (struct request_record){.grpc_status = 1, .grpc_where = 2});
    whole_try(w, id, at_us - MS / 2, at_us,
              (struct attempt_record){
                  .endpoint = 1, .conn = 7, .stream = 7, .outcome = OUTCOME_RESET_BY_FAULT});
    whole_try(w, id, at_us + 20 * MS, at_us + 21 * MS,
              (struct attempt_record){
                  .k = 2, .status = 200, .stream = 1, .grpc_status = 1, .grpc_where = 2});
}

/* The retry was on its way over a connection when that was reset: nobody read it. But of the reset
 * that ended the seen try the mesh knew before it could retry. */
static void a_retry_that_the_reset_of_its_connection_lost_is_no_witness(void **state)
{
    static const struct attempt_record codes = {
        .status = 200, .grpc_status = UNAVAILABLE + 1, .grpc_where = 1};
    static const struct attempt_record lost = {.fault = FAULT_RESET,
                                               .outcome = OUTCOME_RESET_BY_FAULT};
    struct whole w;
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_GRPC_UNAVAILABLE | RETRY_RESET);
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        open_on(&w, &edge, "grpc", "retries");
        end_calls(&w, 12, (struct ending){.code = UNAVAILABLE, .tries = 3});
        end_by_loss(&w, 10 * S, i == 2 ? lost : codes);
        if (i > 0)
            reset_connection(&w, 10 * S + (i == 2 ? 2 * MS : 9 * MS));
        whole_are(&w, "retry.must", i == 1 ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE,
                  i == 1 ? "12 of 12" : "not retried");
    }
}

/* Calls that nobody answers, every one cut at ${cut_us}, with ${code} for the client. */
static void held(struct whole *w, const char *protocol, uint64_t cut_us, uint16_t code,
                 enum body_class body)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, ISTIO_LIST);
    edge.request_timeout = whole_value(NS_PER_S);
    bool grpc = strcmp(protocol, "grpc") == 0;
    open_on(w, &edge, protocol, "timeout");
    for (uint64_t t = 0; t < 19 * S; t += 20 * MS)
        whole_good(w, t, 2 * MS);
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t at_us = i * 1700 * MS + 500;
        uint64_t id =
            whole_request(w, at_us, at_us + cut_us,
                          (struct request_record){.status = grpc ? 200 : 504,
                                                  .grpc_status = grpc ? (uint16_t)(code + 1) : 0,
                                                  .body_class = (uint16_t)body});
        whole_try(w, id, at_us + MS, 0,
                  (struct attempt_record){.stream = 1,
                                          .outcome = OUTCOME_LEFT,
                                          .left = (cut_us - MS) * NS_PER_US,
                                          .left_kind = LEFT_RST_STREAM});
    }
}

static void a_grpc_call_times_out_as_unavailable_on_an_envoy(void **state)
{
    struct whole w;
    (void)state;
    held(&w, "grpc", S + 2 * MS, UNAVAILABLE, BODY_UPSTREAM_TIMEOUT);
    whole_are(&w, "timeout.request", VERDICT_PASS, WHY_NONE, "10 of 10 ended as gRPC 14");
    held(&w, "grpc", S + 2 * MS, 4, BODY_OWN);
    whole_are(&w, "timeout.request", VERDICT_FAIL, WHY_NONE, "ended with 4 instead of gRPC 14");
    held(&w, "grpc", S + 300 * MS, UNAVAILABLE, BODY_UPSTREAM_TIMEOUT);
    whole_are(&w, "timeout.request", VERDICT_FAIL, WHY_NONE, "10 of 10 ended late");
    held(&w, "http2", S + 2 * MS, 0, BODY_UPSTREAM_TIMEOUT);
    whole_are(&w, "timeout.request", VERDICT_PASS, WHY_NONE, "10 of 10 ended as 504");
}

/* 14 before the time is a timeout only where the text says so. */
static void an_early_14_of_another_text_is_no_early_timeout(void **state)
{
    struct whole w;
    (void)state;
    held(&w, "grpc", 700 * MS, UNAVAILABLE, BODY_UPSTREAM_TIMEOUT);
    whole_are(&w, "timeout.request", VERDICT_FAIL, WHY_NONE, "10 of 10 ended early");
    held(&w, "grpc", 700 * MS, UNAVAILABLE, BODY_CONNECT_TERMINATED);
    whole_are(&w, "timeout.request", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
}

static void an_ok_that_no_endpoint_gave_is_dishonest(void **state)
{
    struct whole w;
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, ISTIO_LIST);
    (void)state;
    for (int wrong = 0; wrong <= 1; wrong++) {
        open_on(&w, &edge, "grpc", "status");
        for (uint64_t t = 0; t < 10 * S; t += 50 * MS)
            whole_good(&w, t, 2 * MS);
        end_calls(&w, 12, (struct ending){.fault = FAULT_REFUSED, .tries = 3});
        if (wrong)
            end_calls(&w, 1, (struct ending){.code = 9, .tries = 1, .client = 3});
        whole_are(&w, "honest", wrong ? VERDICT_FAIL : VERDICT_PASS, WHY_NONE,
                  wrong ? "1 of" : "12 the mesh's own");
    }
}

static void what_a_protocol_does_not_have_is_not_judged(void **state)
{
    struct whole w;
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, ISTIO_LIST);
    (void)state;
    edge.outlier = (struct outlier_rule){.present = true,
                                         .consecutive_5xx = whole_value(5),
                                         .interval = whole_value(NS_PER_S),
                                         .base_ejection = whole_value(NS_PER_S),
                                         .max_ejection_percent = whole_value(50)};
    open_on(&w, &edge, "grpc", "ejection");
    whole_good(&w, 0, 2 * MS);
    whole_are(&w, "eject.early", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "judged on http1 only");
    open_on(&w, &edge, "tcp", "retries");
    whole_good(&w, 0, 2 * MS);
    whole_judge(&w);
    assert_int_equal(whole_verdict(&w, "retry.max")->kind, VERDICT_NOT_APPLICABLE);
    assert_non_null(strstr(whole_verdict(&w, "retry.max")->text, "speaks tcp"));
    whole_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unavailable_is_retried_and_invalid_argument_never),
        cmocka_unit_test(invalid_argument_that_is_retried_fails),
        cmocka_unit_test(unavailable_that_is_not_retried_fails),
        cmocka_unit_test(too_few_of_them_are_not_decided),
        cmocka_unit_test(a_code_in_trailers_is_envoys_unlisted_and_linkerds_listed),
        cmocka_unit_test(an_http_503_is_no_unavailable),
        cmocka_unit_test(a_refused_stream_and_a_goaway_must_be_retried_a_cancelled_one_not),
        cmocka_unit_test(a_stream_lost_by_an_unknown_code_is_no_evidence),
        cmocka_unit_test(an_answer_that_is_not_the_last_trys_fails),
        cmocka_unit_test(a_retry_that_the_reset_of_its_connection_lost_is_no_witness),
        cmocka_unit_test(a_grpc_call_times_out_as_unavailable_on_an_envoy),
        cmocka_unit_test(an_early_14_of_another_text_is_no_early_timeout),
        cmocka_unit_test(an_ok_that_no_endpoint_gave_is_dishonest),
        cmocka_unit_test(what_a_protocol_does_not_have_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
