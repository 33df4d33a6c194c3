#include "engine/probe.h"

#include "net/h2_client.h"

#include <stdlib.h>

/* probe.grpc_health: grpc.health.v1.Health/Check, without TLS. 1 is SERVING, 0 any other answer. */

#define SERVICE_MOST 120

struct health {
    struct h2_client *client;
    struct h2_ask *ask;
    uint8_t message[5 + 2 + SERVICE_MOST]; /* HealthCheckRequest { string service = 1 } */
    size_t len;
};

static void on_end(void *cookie, const struct h2_answer *answer)
{
    struct probe *p = cookie;
    struct health *h = p->own;
    struct bytes b = answer->sample;
    /* HealthCheckResponse { status = 1 }: SERVING is 1; what is left out is UNKNOWN. */
    bool serving =
        answer->grpc_status == 1 && b.len >= 7 && b.at[0] == 0 && b.at[5] == 0x08 && b.at[6] == 1;
    h->ask = NULL;
    probe_answer(p, serving ? 1 : 0);
}

static bool health_open(struct probe *p, struct error *err)
{
    struct health *h = check_alloc_zero(1, sizeof(*h));
    const char *service = p->plan->service != NULL ? p->plan->service : "";
    size_t len = strlen(service);
    p->own = h;
    if (len > SERVICE_MOST)
        return error_at(err, p->plan->source, ERROR_LIMIT,
                        "probe.grpc_health: service has %zu bytes; at most %d", len, SERVICE_MOST);
    h->len = 5;
    if (len > 0) {
        h->message[4] = (uint8_t)(len + 2);
        h->message[5] = 0x0a;
        h->message[6] = (uint8_t)len;
        memcpy(h->message + 7, service, len);
        h->len = 7 + len;
    }
    struct h2_client_config config = {
        .address = p->address, .connections = 1, .each = true, .on_end = on_end};
    return probe_resolve(p, p->plan->address, err) &&
           h2_client_new(p->loop, &config, &h->client, err);
}

static void health_ask(struct probe *p)
{
    struct health *h = p->own;
    const struct field fields[] = {
        {BYTES(":method"), BYTES("POST")},
        {BYTES(":scheme"), BYTES("http")},
        {BYTES(":path"), BYTES("/grpc.health.v1.Health/Check")},
        {BYTES(":authority"), bytes_of(p->host)},
        {BYTES("content-type"), BYTES("application/grpc")},
        {BYTES("te"), BYTES("trailers")},
    };
    h->ask = h2_client_send(h->client, (struct fields){fields, COUNT_OF(fields)},
                            (struct bytes){h->message, h->len}, p);
}

static void health_stop(struct probe *p)
{
    struct health *h = p->own;
    if (h->ask != NULL)
        h2_ask_cancel(h->ask);
    h->ask = NULL;
}

static void health_close(struct probe *p)
{
    struct health *h = p->own;
    if (h == NULL)
        return;
    health_stop(p);
    h2_client_free(h->client);
    free(h);
}

const struct probe_ops probe_ops_grpc = {health_open, health_ask, health_stop, health_close};
