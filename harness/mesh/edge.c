#include "mesh/edge.h"

#include "base/clock.h"
#include "mesh/forward.h"
#include "mesh/tunnel.h"

#include <stdlib.h>

#define BODY_MOST_BYTES ((size_t)16 * 1024 * 1024)
#define CONNECTIONS_MOST 8192
#define CONNECT_NS (10 * NS_PER_S) /* Istio's connect timeout where nothing says another */
#define FAILFAST_NS (3 * NS_PER_S) /* Linkerd, outbound HTTP (policy-semantics.md D6) */
/* Streams of random numbers, so that no draw depends on the order of arrival. */
enum { STREAM_SWEEP = 1, STREAM_BALANCE, STREAM_ACCRUAL };

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *request)
{
    forward_begin(cookie, x, request);
}

static void on_gone(void *cookie, struct http_exchange *x, bool by_reset)
{
    (void)cookie;
    (void)by_reset;
    struct forward *f = http_exchange_get(x);
    if (f != NULL)
        forward_drop(f);
}

static void on_connection(void *cookie, int fd, const struct socket_address *peer)
{
    (void)peer;
    tunnel_begin(cookie, fd);
}

static void models_init(struct edge *e)
{
    uint64_t interval_ns = e->model.outlier.interval_ns;
    struct rng sweep = rng_for(e->seed, STREAM_SWEEP, e->number, 0, 0);
    outlier_init(&e->outlier, &e->model.outlier, e->hosts,
                 loop_now_ns(e->loop) + 1 + rng_below(&sweep, interval_ns));
    balance_init(&e->balance, &e->model.balance, e->hosts,
                 rng_for(e->seed, STREAM_BALANCE, e->number, 0, 0));
    breaker_init(&e->breaker, &e->model.breaker, loop_now_ns(e->loop));
    e->accrual = check_alloc_zero(e->hosts + 1, sizeof(*e->accrual));
    for (size_t i = 0; i < e->hosts; i++)
        accrual_init(&e->accrual[i], &e->model.accrual,
                     rng_for(e->seed, STREAM_ACCRUAL, e->number, i, 0));
    e->rate = check_alloc_zero(e->hosts + 1, sizeof(*e->rate));
    for (size_t i = 0; i < e->hosts; i++)
        rate_init(&e->rate[i], &e->model.rate, loop_now_ns(e->loop));
    budget_init(&e->budget, &e->model.budget, loop_now_ns(e->loop));
    lanes_init(&e->lanes, e->loop, &e->model.pool, e->hosts);
}

static bool front_open(struct edge *e, const struct mesh_edge *config, struct error *err)
{
    const struct value *connect = &config->policy.pool.connect_timeout;
    struct http_server_config front = {.listen = config->listen,
                                       .body_most_bytes = BODY_MOST_BYTES,
                                       .connections_most = CONNECTIONS_MOST,
                                       .on_request = on_request,
                                       .on_gone = on_gone,
                                       .cookie = e};
    if (!config->tcp)
        return http_server_open(e->loop, &front, &e->front, err);
    e->connect_ns = connect->set && connect->number > 0 ? connect->number : CONNECT_NS;
    e->model.accrual.present = false; /* Linkerd counts answers, and there are none */
    return acceptor_open(&e->gate, e->loop, config->listen, CONNECTIONS_MOST, on_connection, e,
                         err);
}

bool edge_open(struct loop *loop, const struct mesh_edge *config, const struct model_config *model,
               uint64_t seed, uint64_t number, struct edge **ret, struct error *err)
{
    if (config->endpoint_count > BALANCE_HOSTS_MOST)
        return error_set(err, ERROR_LIMIT,
                         "%s has %zu endpoints, more than the %d that a builtin "
                         "mesh can have",
                         config->policy.to, config->endpoint_count, BALANCE_HOSTS_MOST);
    struct edge *e = check_alloc_zero(1, sizeof(*e));
    e->loop = loop;
    e->model = *model;
    e->retries = model->retry.retries;
    e->seed = seed;
    e->number = number;
    e->hop = config->hop == NULL ? NULL : check_strdup(config->hop);
    e->hosts = config->endpoint_count;
    if (!front_open(e, config, err)) {
        free(e->hop);
        free(e);
        return false;
    }
    e->endpoints = check_alloc_zero(e->hosts + 1, sizeof(*e->endpoints));
    for (size_t i = 0; i < e->hosts; i++)
        e->endpoints[i] = check_strdup(config->endpoints[i]);
    models_init(e);
    *ret = e;
    return true;
}

void edge_free(struct edge *e)
{
    if (e == NULL)
        return;
    while (e->forwards != NULL)
        forward_drop(e->forwards);
    if (e->front == NULL)
        acceptor_close(&e->gate);
    while (e->tunnels != NULL)
        tunnel_drop(e->tunnels);
    loop_hold_remove(e->loop, &e->wake);
    http_server_free(e->front);
    lanes_release(&e->lanes);
    for (size_t i = 0; i < e->hosts; i++)
        free(e->endpoints[i]);
    free(e->endpoints);
    free(e->accrual);
    free(e->rate);
    free(e->hop);
    free(e);
}

const char *edge_address(const struct edge *e)
{
    return e->front != NULL ? http_server_address(e->front) : e->gate.address;
}

void edge_set_endpoint(struct edge *e, size_t host, const char *address)
{
    INVARIANT(host < e->hosts);
    if (strcmp(e->endpoints[host], address) == 0)
        return;
    free(e->endpoints[host]);
    e->endpoints[host] = check_strdup(address);
    outlier_forget(&e->outlier, host);
    accrual_init(&e->accrual[host], &e->model.accrual,
                 rng_for(e->seed, STREAM_ACCRUAL, e->number, host, loop_now_ns(e->loop)));
    lanes_forget(&e->lanes, host);
    edge_wake(e);
}

void edge_set_cut(struct edge *e, bool cut)
{
    e->cut = cut;
    if (e->model.cut_drops_retries)
        e->model.retry.retries = cut ? 0 : e->retries;
}

size_t edge_pick(struct edge *e, const struct balance_tried *tried, uint64_t now_ns)
{
    bool may[BALANCE_HOSTS_MOST];
    outlier_advance(&e->outlier, now_ns);
    for (size_t i = 0; i < e->hosts; i++) {
        accrual_advance(&e->accrual[i], now_ns);
        may[i] = e->endpoints[i][0] != '\0' && outlier_may_pick(&e->outlier, i) &&
                 accrual_may_send(&e->accrual[i]);
    }
    size_t host = balance_pick(&e->balance, may, tried, now_ns);
    if (host != BALANCE_NONE)
        e->ready_ns = now_ns;
    return host;
}

void edge_result(struct edge *e, size_t host, const struct try_result *result, uint64_t now_ns)
{
    outlier_add(&e->outlier, host, model_outlier_result(result), now_ns);
    accrual_add(&e->accrual[host], model_accrual_failed(result), now_ns);
    edge_wake(e);
}

void edge_queue(struct edge *e, struct forward *f)
{
    struct forward **at = &e->queue;
    while (*at != NULL)
        at = &(*at)->behind;
    *at = f;
    edge_wake(e);
}

bool edge_wait(struct edge *e, struct forward *f)
{
    struct forward **at = &e->pending;
    if (!pool_may_wait(&e->model.pool, e->pending_count)) {
        e->counters.rq_pending_overflow++;
        return false;
    }
    while (*at != NULL)
        at = &(*at)->behind;
    *at = f;
    e->pending_count++;
    return true;
}

static bool take_out(struct forward **at, const struct forward *f)
{
    for (; *at != NULL; at = &(*at)->behind) {
        if (*at == f) {
            *at = f->behind;
            return true;
        }
    }
    return false;
}

void edge_unqueue(struct edge *e, struct forward *f)
{
    if (f->state == FORWARD_PENDING && take_out(&e->pending, f))
        e->pending_count--;
    if (f->state == FORWARD_QUEUED)
        (void)take_out(&e->queue, f);
    f->behind = NULL;
}

/* Every waiting request picks again; those that find nothing queue again, in order. */
static void queue_look(struct edge *e, uint64_t now_ns)
{
    struct forward *f = e->queue;
    e->queue = NULL;
    bool late = f != NULL &&
                now_ns >= FAILFAST_NS + (f->queued_ns > e->ready_ns ? f->queued_ns : e->ready_ns);
    for (struct forward *next; f != NULL; f = next) {
        next = f->behind;
        f->behind = NULL;
        if (late && edge_pick(e, &f->tried, now_ns) == BALANCE_NONE) {
            e->failfast = true;
            forward_failfast(f);
        } else {
            forward_again(f);
        }
    }
}

/* Those whose host has a connection to spare go on; the order of arrival stays. */
static void pending_look(struct edge *e)
{
    for (struct forward *f = e->pending, *behind; f != NULL; f = behind) {
        behind = f->behind;
        struct lane *lane = lane_take(&e->lanes, f->host);
        if (lane != NULL)
            forward_connected(f, lane);
    }
}

static uint64_t next_ns(const struct edge *e)
{
    uint64_t ret_ns = UINT64_MAX;
    for (size_t i = 0; i < e->hosts; i++) {
        uint64_t at_ns = accrual_next_ns(&e->accrual[i]);
        ret_ns = at_ns < ret_ns ? at_ns : ret_ns;
    }
    if (e->queue != NULL) {
        uint64_t from_ns = e->queue->queued_ns > e->ready_ns ? e->queue->queued_ns : e->ready_ns;
        ret_ns = from_ns + FAILFAST_NS < ret_ns ? from_ns + FAILFAST_NS : ret_ns;
    }
    return ret_ns;
}

static void on_wake(struct hold *h, uint64_t now_ns)
{
    struct edge *e = (struct edge *)(void *)((char *)h - offsetof(struct edge, wake));
    for (size_t i = 0; i < e->hosts; i++) {
        accrual_advance(&e->accrual[i], now_ns);
        if (accrual_may_send(&e->accrual[i]))
            e->failfast = false;
    }
    queue_look(e, now_ns);
    pending_look(e);
    uint64_t at_ns = next_ns(e);
    if (e->model.accrual.present && at_ns != UINT64_MAX && hold_is_idle(&e->wake))
        loop_hold_add(e->loop, &e->wake, at_ns > now_ns ? at_ns : now_ns + NS_PER_MS, on_wake);
}

void edge_wake(struct edge *e)
{
    bool waits = e->queue != NULL || e->pending != NULL || e->model.accrual.present;
    if (!waits)
        return;
    loop_hold_remove(e->loop, &e->wake);
    loop_hold_add(e->loop, &e->wake, loop_now_ns(e->loop), on_wake);
}
