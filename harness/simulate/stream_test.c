#include "simulate/gate.h"
#include "simulate/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DAYS 40
#define CODE(number) ((number) + 1) /* as the records have a grpc-status */

/* The ${nth} day that speaks gRPC, of the smallest seeds. */
static void run(struct gate *g, uint64_t nth, void (*change)(void *cookie, struct model_config *m))
{
    struct error err = {0};
    for (uint64_t seed = 1;; seed++) {
        struct gate_options o = tally_options(seed);
        if (!o.grpc || nth-- > 0)
            continue;
        o.by_hand = true;
        o.change = change;
        if (!gate_run(&o, g, &err))
            fail_msg("%llx: %s", (unsigned long long)seed, err.text);
        return;
    }
}

/* As net/h2_call.c and load/load_h2.c write them. */
static void the_records_are_those_of_a_run(void **state)
{
    size_t made = 0, late = 0, left = 0, http = 0;
    (void)state;
    for (uint64_t nth = 0; nth < DAYS; nth++) {
        struct gate g;
        run(&g, nth, NULL);
        assert_string_equal(g.plan->scenarios[0].lab.services[0].protocol, "grpc");
        for (size_t i = 0; i < g.journal->request_count; i++) {
            const struct request_record *r = &g.journal->requests[i].r;
            assert_int_equal(r->protocol, REQUEST_HTTP2);
            assert_int_equal(r->verb, VERB_POST);
            assert_true(r->path != 0);
            if (r->body_class != BODY_OWN) {
                assert_int_equal(r->status, 200);
                assert_int_equal(r->grpc_status, CODE(14));
                assert_int_equal(r->grpc_where, 1);
                made++;
            }
            http += r->status >= 400 && r->grpc_status == 0;
        }
        for (size_t i = 0; i < g.journal->attempt_count; i++) {
            const struct attempt_record *x = &g.journal->attempts[i].r;
            assert_int_equal(x->stream, 2 * x->sequence - 1);
            assert_true(x->conn != 0 && (x->status == 0 || x->outcome == OUTCOME_ANSWERED));
            assert_true((x->grpc_status == 0) == (x->grpc_where == 0));
            late += x->grpc_status > CODE(0) && x->grpc_where == 2;
            left += x->left_kind == LEFT_RST_STREAM;
        }
        gate_release(&g);
    }
    assert_true(made > 0 && late > 0 && left > 0 && http > 0);
}

/* RST_STREAM leaves the connection, and the calls that follow on it, alone. */
static void a_call_may_be_reset_alone(void **state)
{
    size_t alone = 0;
    (void)state;
    for (uint64_t nth = 0; nth < DAYS && alone == 0; nth++) {
        struct gate g;
        run(&g, nth, NULL);
        const struct attempt_record *reset = NULL;
        for (size_t i = 0; i < g.journal->attempt_count && alone == 0; i++) {
            const struct attempt_record *x = &g.journal->attempts[i].r;
            alone += reset != NULL && x->conn == reset->conn && x->at > reset->at + reset->out;
            reset = x->outcome == OUTCOME_RESET_BY_FAULT ? x : reset;
        }
        gate_release(&g);
    }
    assert_true(alone > 0);
}

/* Of two tries on one connection that ended by one reset. */
static bool is_shared(const struct attempt_record *a, const struct attempt_record *b)
{
    return a->conn == b->conn && a->outcome == OUTCOME_RESET_BY_FAULT &&
           b->outcome == OUTCOME_RESET_BY_FAULT && a->at + a->out == b->at + b->out;
}

static void a_reset_ends_all_calls_on_the_connection(void **state)
{
    size_t shared = 0;
    (void)state;
    for (uint64_t nth = 0; nth < DAYS && shared == 0; nth++) {
        struct gate g;
        run(&g, nth, NULL);
        for (size_t i = 1; i < g.journal->attempt_count; i++)
            shared += is_shared(&g.journal->attempts[i - 1].r, &g.journal->attempts[i].r);
        gate_release(&g);
    }
    assert_true(shared > 0);
}

static void every_code(void *cookie, struct model_config *m)
{
    (void)cookie;
    m->retry.on |= RETRY_GRPC_CANCELLED | RETRY_GRPC_DEADLINE_EXCEEDED | RETRY_GRPC_INTERNAL |
                   RETRY_GRPC_RESOURCE_EXHAUSTED | RETRY_GRPC_UNAVAILABLE;
}

static void no_code(void *cookie, struct model_config *m)
{
    (void)cookie;
    m->retry.on &=
        ~(uint32_t)(RETRY_GRPC_CANCELLED | RETRY_GRPC_DEADLINE_EXCEEDED | RETRY_GRPC_INTERNAL |
                    RETRY_GRPC_RESOURCE_EXHAUSTED | RETRY_GRPC_UNAVAILABLE);
}

static size_t failed(const char *claim, void (*change)(void *cookie, struct model_config *m))
{
    size_t count = 0;
    for (uint64_t nth = 0; nth < DAYS; nth++) {
        struct gate g;
        run(&g, nth, change);
        count += gate_verdict(g.judgement, claim, NULL) == VERDICT_FAIL;
        gate_release(&g);
    }
    return count;
}

/* The right one FAILs nowhere; what reads other codes than its policy lists is found. */
static void a_mesh_that_takes_codes_amiss_is_caught(void **state)
{
    (void)state;
    assert_int_equal(failed("retry.only", NULL) + failed("retry.must", NULL), 0);
    assert_true(failed("retry.only", every_code) > 0);
    assert_true(failed("retry.must", no_code) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_records_are_those_of_a_run),
        cmocka_unit_test(a_call_may_be_reset_alone),
        cmocka_unit_test(a_reset_ends_all_calls_on_the_connection),
        cmocka_unit_test(a_mesh_that_takes_codes_amiss_is_caught),
    };
    return cmocka_run_group_tests_name("simulate/stream", tests, NULL, NULL);
}
