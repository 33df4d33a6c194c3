#include "model/retry.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

static struct edge_policy edge_of(enum flavour flavour, uint32_t on, uint64_t retries)
{
    return (struct edge_policy){.flavour = flavour,
                                .retry = {.attempts = {.number = retries, .set = true}, .on = on}};
}

static enum retry_decision decide(const struct edge_policy *edge, struct try_result result)
{
    struct retry_config config = retry_config_of(edge);
    struct retry_state state;
    retry_init(&state, &config, 0);
    return retry_decide(&state, &config, &result, false);
}

static struct try_result answered(uint16_t status)
{
    return (struct try_result){
        .end = TRY_ANSWERED, .status = status, .grpc_status = TRY_NO_GRPC, .written = true};
}

static struct try_result ended(enum try_end end)
{
    return (struct try_result){
        .end = end, .grpc_status = TRY_NO_GRPC, .written = end != TRY_REFUSED};
}

static void three_retries_make_four_tries(void **unused)
{
    (void)unused;
    struct edge_policy edge = edge_of(FLAVOUR_ENVOY, RETRY_5XX, 3);
    struct retry_config config = retry_config_of(&edge);
    struct retry_state state;
    retry_init(&state, &config, 10);
    struct try_result result = answered(503);
    for (int i = 0; i < 3; i++)
        assert_int_equal(retry_decide(&state, &config, &result, false), RETRY_AGAIN);
    assert_int_equal(retry_decide(&state, &config, &result, false), RETRY_LIMIT);
    assert_int_equal(state.sent, 3);
}

static void a_synthesised_503_is_not_a_listed_503(void **unused)
{
    (void)unused;
    struct edge_policy edge = edge_of(FLAVOUR_ENVOY, RETRY_STATUS_CODES, 2);
    status_set_add(&edge.retry.codes, 503);
    assert_int_equal(decide(&edge, answered(503)), RETRY_AGAIN);
    assert_int_equal(decide(&edge, ended(TRY_RESET)), RETRY_NOT_COVERED);
    assert_int_equal(decide(&edge, ended(TRY_REFUSED)), RETRY_NOT_COVERED);
    assert_int_equal(decide(&edge, ended(TRY_CUT)), RETRY_NOT_COVERED);
}

static void reset_before_request_wants_that_no_byte_was_ever_written(void **unused)
{
    (void)unused;
    struct edge_policy edge = edge_of(FLAVOUR_ENVOY, RETRY_RESET_BEFORE_REQUEST, 5);
    struct retry_config config = retry_config_of(&edge);
    struct retry_state state;
    retry_init(&state, &config, 0);
    struct try_result early = ended(TRY_RESET), late = ended(TRY_RESET);
    early.written = false;
    assert_int_equal(retry_decide(&state, &config, &early, false), RETRY_AGAIN);
    assert_int_equal(retry_decide(&state, &config, &late, false), RETRY_NOT_COVERED);
    assert_int_equal(retry_decide(&state, &config, &early, false), RETRY_NOT_COVERED);
}

static void nothing_is_retried_once_the_response_began(void **unused)
{
    (void)unused;
    struct edge_policy edge = edge_of(FLAVOUR_ENVOY, RETRY_5XX | RETRY_RESET, 3);
    struct try_result result = answered(200);
    result.broke = true;
    assert_int_equal(decide(&edge, result), RETRY_NOT_COVERED);
    struct retry_config config = retry_config_of(&edge);
    config.after_start = true;
    struct retry_state state;
    retry_init(&state, &config, 0);
    assert_int_equal(retry_decide(&state, &config, &result, false), RETRY_AGAIN);
}

static void the_body_limit_is_exact(void **unused)
{
    (void)unused;
    static const struct {
        enum flavour flavour;
        size_t most;
    } rows[] = {{FLAVOUR_ENVOY, 1048576}, {FLAVOUR_LINKERD, 65536}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy edge = edge_of(rows[i].flavour, RETRY_5XX, 1);
        struct retry_config config = retry_config_of(&edge);
        struct try_result result = answered(503);
        struct retry_state state;
        retry_init(&state, &config, rows[i].most);
        assert_int_equal(retry_decide(&state, &config, &result, false), RETRY_AGAIN);
        retry_init(&state, &config, rows[i].most + 1);
        assert_int_equal(retry_decide(&state, &config, &result, false), RETRY_NOT_COVERED);
    }
}

static void istio_default_retries_neither_503_nor_a_reset(void **unused)
{
    (void)unused;
    struct edge_policy edge =
        edge_of(FLAVOUR_ENVOY,
                RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM | RETRY_GRPC_UNAVAILABLE |
                    RETRY_GRPC_CANCELLED | RETRY_STATUS_CODES,
                2);
    assert_int_equal(decide(&edge, answered(503)), RETRY_NOT_COVERED);
    assert_int_equal(decide(&edge, ended(TRY_RESET)), RETRY_NOT_COVERED);
    assert_int_equal(decide(&edge, ended(TRY_REFUSED)), RETRY_AGAIN);
    struct try_result grpc = answered(200);
    grpc.grpc_status = 14;
    assert_int_equal(decide(&edge, grpc), RETRY_AGAIN);
    grpc.grpc_status = 3;
    assert_int_equal(decide(&edge, grpc), RETRY_NOT_COVERED);
}

static void a_ratelimited_answer_is_retried_by_its_own_word_only(void **unused)
{
    (void)unused;
    struct edge_policy edge = edge_of(FLAVOUR_ENVOY, RETRY_5XX, 1);
    struct try_result result = answered(503);
    result.ratelimited = true;
    assert_int_equal(decide(&edge, result), RETRY_NOT_COVERED);
    edge.retry.on = RETRY_ENVOY_RATELIMITED;
    assert_int_equal(decide(&edge, result), RETRY_AGAIN);
}

static void linkerd_takes_rst_for_502_and_never_retries_fin(void **unused)
{
    (void)unused;
    struct edge_policy edge = edge_of(FLAVOUR_LINKERD, RETRY_STATUS_CODES, 3);
    for (uint32_t status = 500; status <= 599; status++)
        status_set_add(&edge.retry.codes, status);
    assert_int_equal(decide(&edge, ended(TRY_RESET)), RETRY_AGAIN);
    assert_int_equal(decide(&edge, ended(TRY_REFUSED)), RETRY_AGAIN);
    assert_int_equal(decide(&edge, ended(TRY_EOF)), RETRY_NOT_COVERED);
    edge.retry.codes = (struct status_set){0};
    assert_int_equal(decide(&edge, ended(TRY_RESET)), RETRY_NOT_COVERED);
    assert_int_equal(decide(&edge, ended(TRY_CUT)), RETRY_AGAIN); /* codes or not */
}

/* Two hands wrote the rule: the judge's and the model's. They must agree wherever both speak. */
static void agrees_with_the_judges_table(void **unused)
{
    (void)unused;
    static const struct {
        enum cause cause;
        enum try_end end;
    } ends[] = {{CAUSE_RESET, TRY_RESET}, {CAUSE_REFUSED, TRY_REFUSED}, {CAUSE_FIN, TRY_EOF}};
    for (uint32_t on = 0; on < RETRY_GRPC_CANCELLED; on++) {
        for (int flavour = FLAVOUR_ENVOY; flavour <= FLAVOUR_LINKERD; flavour++) {
            struct edge_policy edge = edge_of((enum flavour)flavour, on, 1);
            status_set_add(&edge.retry.codes, 502);
            status_set_add(&edge.retry.codes, 418);
            for (uint16_t status = 200; status < 600; status = (uint16_t)(status + 1))
                assert_int_equal(decide(&edge, answered(status)) == RETRY_AGAIN,
                                 retry_rule_covers(&edge, CAUSE_STATUS, status));
            for (size_t i = 0; i < COUNT_OF(ends); i++)
                assert_int_equal(decide(&edge, ended(ends[i].end)) == RETRY_AGAIN,
                                 retry_rule_covers(&edge, ends[i].cause, 0));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_retries_make_four_tries),
        cmocka_unit_test(a_synthesised_503_is_not_a_listed_503),
        cmocka_unit_test(reset_before_request_wants_that_no_byte_was_ever_written),
        cmocka_unit_test(nothing_is_retried_once_the_response_began),
        cmocka_unit_test(the_body_limit_is_exact),
        cmocka_unit_test(istio_default_retries_neither_503_nor_a_reset),
        cmocka_unit_test(a_ratelimited_answer_is_retried_by_its_own_word_only),
        cmocka_unit_test(linkerd_takes_rst_for_502_and_never_retries_fin),
        cmocka_unit_test(agrees_with_the_judges_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
