#include "mesh/edge.h"

/* The counters of one edge by the names that Envoy has for a cluster's, or, in Linkerd's flavour,
 * by linkerd2-proxy's (policy-semantics.md D9): never by both, or a reader would count each event
 * twice. */

struct scrape {
    const struct edge *edge;
    void (*on_value)(void *cookie, size_t edge, const char *name, const char *labels, double value);
    void *cookie;
};

static void put(const struct scrape *s, const char *name, const char *labels, uint64_t value)
{
    s->on_value(s->cookie, (size_t)s->edge->number, name, labels, (double)value);
}

static void put_requests(const struct scrape *s)
{
    const struct edge_counters *c = &s->edge->counters;
    const struct breaker *b = &s->edge->breaker;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"upstream_rq_total", c->rq_total},
        {"upstream_rq_retry", s->edge->model.hide_retries ? 0 : c->rq_retry},
        {"upstream_rq_retry_success", c->rq_retry_success},
        {"upstream_rq_retry_limit_exceeded", c->rq_retry_limit_exceeded},
        {"upstream_rq_retry_overflow", b->retry_overflow},
        {"upstream_rq_timeout", c->rq_timeout},
        {"upstream_rq_per_try_timeout", c->rq_per_try_timeout},
        {"upstream_rq_active_overflow", b->overflow},
        {"upstream_rq_pending_overflow", c->rq_pending_overflow},
        {"upstream_rq_active", b->requests},
        {"upstream_rq_2xx", c->rq_2xx},
        {"upstream_rq_3xx", c->rq_3xx},
        {"upstream_rq_4xx", c->rq_4xx},
        {"upstream_rq_5xx", c->rq_5xx},
        {"retry.upstream_rq_5xx", c->retry_5xx},
        {"retry_or_shadow_abandoned", c->abandoned},
        {"upstream_cx_connect_fail", c->cx_connect_fail},
        {"upstream_cx_none_healthy", c->cx_none_healthy},
        {"upstream_cx_active", s->edge->lanes.open + s->edge->tunnels_open},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        put(s, rows[i].name, "", rows[i].value);
}

/* Of raw TCP alone: on HTTP the builtin mesh's connections are not counted so. */
static void put_connects(const struct scrape *s)
{
    const struct edge_counters *c = &s->edge->counters;
    put(s, "upstream_cx_total", "", c->cx_total);
    put(s, "upstream_cx_connect_timeout", "", c->cx_connect_timeout);
    put(s, "upstream_cx_overflow", "", c->cx_overflow);
}

static void put_outlier(const struct scrape *s)
{
    const struct outlier_stats *o = &s->edge->outlier.stats;
    uint64_t shown = s->edge->model.hide_ejections ? 0 : 1;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"outlier_detection.ejections_active", shown * o->active},
        {"outlier_detection.ejections_enforced_total", shown * o->enforced_total},
        {"outlier_detection.ejections_enforced_consecutive_5xx", shown * o->enforced_5xx},
        {"outlier_detection.ejections_detected_consecutive_5xx", o->detected_5xx},
        {"outlier_detection.ejections_enforced_consecutive_gateway_failure",
         shown * o->enforced_gateway},
        {"outlier_detection.ejections_detected_consecutive_gateway_failure", o->detected_gateway},
        {"outlier_detection.ejections_enforced_consecutive_local_origin_failure",
         shown * o->enforced_local},
        {"outlier_detection.ejections_detected_consecutive_local_origin_failure",
         o->detected_local},
        {"outlier_detection.ejections_overflow", o->overflow},
        {"membership_total", s->edge->hosts},
        {"membership_healthy", s->edge->hosts - o->active},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        put(s, rows[i].name, "", rows[i].value);
}

static void put_linkerd(const struct scrape *s)
{
    const struct edge *e = s->edge;
    uint64_t ready = 0;
    for (size_t i = 0; i < e->hosts; i++)
        ready += e->accrual[i].state == ACCRUAL_OPEN;
    put(s, "request_total", "", e->counters.rq_total);
    put(s, "outbound_http_balancer_endpoints", "endpoint_state=\"ready\"", ready);
    put(s, "outbound_http_balancer_endpoints", "endpoint_state=\"pending\"", e->hosts - ready);
    uint64_t retries = e->model.hide_retries ? 0 : e->counters.rq_retry;
    if (e->model.budget.present) { /* a ServiceProfile's route counts by other names */
        put(s, "route_request_total", "", e->requests);
        put(s, "route_actual_request_total", "", e->requests + retries);
        put(s, "route_retryable_total", "", retries + e->budget.refused);
        return;
    }
    put(s, "outbound_http_route_retry_requests_total", "", retries);
    put(s, "outbound_http_route_retry_successes_total", "", e->counters.rq_retry_success);
    put(s, "outbound_http_route_retry_limit_exceeded_total", "",
        e->counters.rq_retry_limit_exceeded);
    put(s, "outbound_http_route_retry_overflow_total", "", e->breaker.retry_overflow);
}

void edge_scrape(struct edge *e,
                 void (*on_value)(void *cookie, size_t edge, const char *name, const char *labels,
                                  double value),
                 void *cookie)
{
    struct scrape s = {e, on_value, cookie};
    outlier_advance(&e->outlier, loop_now_ns(e->loop));
    put(&s, "server.concurrency", "", 1);
    if (e->controlled)
        put(&s, "control_plane.connected_state", "", !e->cut);
    if (e->model.flavour == FLAVOUR_LINKERD) {
        put_linkerd(&s);
        return;
    }
    put_requests(&s);
    if (e->front == NULL)
        put_connects(&s);
    put_outlier(&s);
}
