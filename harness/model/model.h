#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

/* All that the models need to play one edge, made from its effective policy. Plain data: a defect
 * of the control mesh is a change of it (mesh/defects.c), and nothing else in the models knows of
 * defects. */

#include "model/accrual.h"
#include "model/backoff.h"
#include "model/balance.h"
#include "model/breaker.h"
#include "model/budget.h"
#include "model/outlier.h"
#include "model/pool.h"
#include "model/rate.h"
#include "model/retry.h"
#include "model/timeout.h"

struct model_config {
    enum flavour flavour;
    struct retry_config retry;
    struct backoff_config backoff;
    struct timeout_config timeout;
    struct outlier_config outlier;
    struct accrual_config accrual;
    struct balance_config balance;
    struct breaker_config breaker;
    struct budget_config budget;
    struct rate_config rate;
    struct pool_config pool;
    uint16_t timeout_status;           /* what the caller gets at the request timeout: 504 */
    bool hide_retries, hide_ejections; /* defects of the counters */
    bool cut_drops_retries;            /* a defect: without its control plane it retries nothing */
};

struct model_config model_config_of(const struct edge_policy *edge);
/* What a try's end means to outlier detection, or to accrual (failed) in Linkerd's flavour. */
enum outlier_result model_outlier_result(const struct try_result *result);
bool model_accrual_failed(const struct try_result *result);

#endif
