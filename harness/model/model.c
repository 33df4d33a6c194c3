#include "model/model.h"

struct model_config model_config_of(const struct edge_policy *edge)
{
    return (struct model_config){
        .flavour = edge->flavour,
        .retry = retry_config_of(edge),
        .backoff = backoff_config_of(edge),
        .timeout = timeout_config_of(edge),
        .outlier = outlier_config_of(edge),
        .accrual = accrual_config_of(edge),
        .balance = balance_config_of(edge),
        .breaker = breaker_config_of(edge),
        .budget = budget_config_of(edge),
        .rate = rate_config_of(edge),
        .pool = pool_config_of(edge),
        .timeout_status = 504,
    };
}

/* Envoy's Outlier::DetectorHostMonitor: trailers-only gRPC codes as the HTTP codes they map to. */
enum outlier_result model_outlier_result(const struct try_result *result)
{
    /* A response that breaks after its head: the head was a success and has cleared the counters,
     * then the break counts as one failure (measured on 1.40, HTTP/1: 100 of 100, RST and FIN). */
    if (result->end != TRY_ANSWERED || result->broke)
        return OUTLIER_LOCAL;
    switch (result->grpc_status) {
    case TRY_NO_GRPC:
        return outlier_result_of(result->status);
    case 4:
    case 14:
        return OUTLIER_GATEWAY;
    case 2:
    case 13:
    case 15:
        return OUTLIER_SERVER;
    default:
        return OUTLIER_SUCCESS;
    }
}

bool model_accrual_failed(const struct try_result *result)
{
    if (result->end != TRY_ANSWERED || result->broke)
        return true;
    switch (result->grpc_status) {
    case TRY_NO_GRPC:
        return result->status >= 500 && result->status <= 599;
    case 2:
    case 4:
    case 7:
    case 13:
    case 14:
    case 15:
        return true;
    default:
        return false;
    }
}
