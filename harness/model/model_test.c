#include "model/model.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

static struct try_result answered(uint16_t status, uint32_t grpc_status)
{
    return (struct try_result){
        .end = TRY_ANSWERED, .status = status, .grpc_status = grpc_status, .written = true};
}

/* verifier.md 2.1, Envoy's class table. */
static void envoy_classes_each_outcome(void **unused)
{
    (void)unused;
    static const struct {
        uint16_t status;
        uint32_t grpc_status;
        enum outlier_result result;
    } rows[] = {
        {200, TRY_NO_GRPC, OUTLIER_SUCCESS}, {404, TRY_NO_GRPC, OUTLIER_SUCCESS},
        {429, TRY_NO_GRPC, OUTLIER_SUCCESS}, {500, TRY_NO_GRPC, OUTLIER_SERVER},
        {501, TRY_NO_GRPC, OUTLIER_SERVER},  {502, TRY_NO_GRPC, OUTLIER_GATEWAY},
        {504, TRY_NO_GRPC, OUTLIER_GATEWAY}, {505, TRY_NO_GRPC, OUTLIER_SERVER},
        {200, 14, OUTLIER_GATEWAY},          {200, 4, OUTLIER_GATEWAY},
        {200, 13, OUTLIER_SERVER},           {200, 3, OUTLIER_SUCCESS},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct try_result result = answered(rows[i].status, rows[i].grpc_status);
        assert_int_equal(model_outlier_result(&result), rows[i].result);
    }
    struct try_result cut = {.end = TRY_CUT, .grpc_status = TRY_NO_GRPC};
    assert_int_equal(model_outlier_result(&cut), OUTLIER_LOCAL);
    struct try_result broke = answered(200, TRY_NO_GRPC);
    broke.broke = true;
    assert_int_equal(model_outlier_result(&broke), OUTLIER_LOCAL);
}

/* linkerd-measured.md 2.1. */
static void linkerd_classes_each_outcome(void **unused)
{
    (void)unused;
    static const struct {
        uint16_t status;
        uint32_t grpc_status;
        bool failed;
    } rows[] = {
        {200, TRY_NO_GRPC, false}, {404, TRY_NO_GRPC, false}, {429, TRY_NO_GRPC, false},
        {500, TRY_NO_GRPC, true},  {503, TRY_NO_GRPC, true},  {200, 7, true},
        {200, 8, false},           {503, 0, false}, /* a gRPC answer's HTTP status is ignored */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct try_result result = answered(rows[i].status, rows[i].grpc_status);
        assert_int_equal(model_accrual_failed(&result), rows[i].failed);
    }
    struct try_result broke = answered(200, TRY_NO_GRPC);
    broke.broke = true;
    assert_true(model_accrual_failed(&broke));
    struct try_result fin = {.end = TRY_EOF, .grpc_status = TRY_NO_GRPC};
    assert_true(model_accrual_failed(&fin));
}

static void a_mesh_without_http_has_no_policy(void **unused)
{
    (void)unused;
    struct edge_policy edge = {.flavour = FLAVOUR_L4,
                               .retry = {.attempts = {.number = 3, .set = true}, .on = RETRY_5XX},
                               .request_timeout = {.number = NS_PER_S, .set = true},
                               .outlier = {.present = true}};
    struct model_config m = model_config_of(&edge);
    assert_int_equal(m.retry.retries, 0);
    assert_int_equal(m.timeout.request_ns, 0);
    assert_false(m.outlier.present);
    assert_false(m.accrual.present);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envoy_classes_each_outcome),
        cmocka_unit_test(linkerd_classes_each_outcome),
        cmocka_unit_test(a_mesh_without_http_has_no_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
