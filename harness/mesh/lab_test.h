#ifndef MESH_LAB_TEST_H
#define MESH_LAB_TEST_H

/* For the drivers' tests: scripted backends before which a mesh stands, and a client behind it, all
 * on one loop. A path says what a backend does: "/503/2" answers 503 to the first two tries of the
 * request and 200 afterwards; "reset", "fin", "hold" and "started" (head, three bytes, RST) as
 * statuses do. */

#include "base/clock.h"
#include "base/text.h"
#include "mesh/mesh.h"
#include "net/http_client.h"
#include "net/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LAB_HOSTS_MOST 4
#define LAB_SEEN_MOST 4096
#define LAB_SENT_MOST 2048
#define LAB_PATIENCE_NS (60 * NS_PER_S)

struct lab;
struct lab_host {
    struct lab *lab;
    struct http_server *server;
    size_t number;
};
struct lab_seen { /* one try at a backend */
    char id[32], count[8], expected[16], request_id[48], peer[64];
    size_t host;
    uint32_t k;
    uint64_t head_ns, gone_ns;
    bool by_reset;
};
struct lab_sent { /* one request of the client */
    struct lab *lab;
    char id[32], body[256], l5d_error[64];
    bool over, overloaded, service_time;
    uint16_t status;
    enum http_end end;
    uint64_t start_ns, end_ns;
};
struct lab {
    struct loop *loop;
    struct http_client *client;
    struct lab_host host[LAB_HOSTS_MOST];
    size_t hosts, edge; /* edge: the one that is used, of two alike */
    const char *endpoints[LAB_HOSTS_MOST];
    struct lab_seen seen[LAB_SEEN_MOST];
    struct lab_sent sent[LAB_SENT_MOST];
    size_t seen_count, sent_count, waiting;
    struct mesh_run *mesh;
    const struct mesh_driver *driver;
    bool ready, died, timed_out, scraped;
    bool tcp;                        /* the edges are of raw TCP */
    bool control_plane, told, shown; /* of the last lab_cut */
    struct error why;
    const char *envoy; /* path of the program */
    struct hold patience, pause;
    char values[256][96];
    double value[256];
    size_t value_count;
};

static inline void lab_copy(char *to, size_t size, struct bytes from)
{
    snprintf(to, size, "%.*s", (int)from.len, from.len == 0 ? "" : (const char *)from.at);
}

static inline void lab_act(struct http_exchange *x, const char *kind)
{
    struct field own = {BYTES("content-type"), BYTES("text/plain")};
    if (strcmp(kind, "hold") == 0)
        return;
    if (strcmp(kind, "reset") == 0 || strcmp(kind, "fin") == 0)
        http_exchange_raw(x, (struct bytes){0}, kind[0] == 'r');
    else if (strcmp(kind, "started") == 0)
        http_exchange_raw(x, BYTES("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"), true);
    else
        http_exchange_answer(x, (uint16_t)strtoul(kind, NULL, 10), (struct fields){&own, 1},
                             BYTES("own\n"), false);
}

static inline void lab_on_request(void *cookie, struct http_exchange *x,
                                  const struct http_request *request)
{
    struct lab_host *host = cookie;
    struct lab *lab = host->lab;
    INVARIANT(lab->seen_count < LAB_SEEN_MOST);
    struct lab_seen *s = &lab->seen[lab->seen_count++];
    char path[64];
    *s = (struct lab_seen){.host = host->number, .head_ns = request->head_ns, .k = 1};
    lab_copy(s->id, sizeof(s->id), fields_find(request->fields, "x-test-id"));
    lab_copy(s->count, sizeof(s->count), fields_find(request->fields, "x-envoy-attempt-count"));
    lab_copy(s->expected, sizeof(s->expected),
             fields_find(request->fields, "x-envoy-expected-rq-timeout-ms"));
    lab_copy(s->request_id, sizeof(s->request_id), fields_find(request->fields, "x-request-id"));
    snprintf(s->peer, sizeof(s->peer), "%s", request->peer);
    lab_copy(path, sizeof(path), request->target);
    for (size_t i = 0; i + 1 < lab->seen_count; i++)
        s->k += strcmp(lab->seen[i].id, s->id) == 0;
    http_exchange_set(x, s);
    char *times = strchr(path + 1, '/');
    bool fails = times != NULL && s->k <= strtoul(times + 1, NULL, 10);
    if (times != NULL)
        *times = '\0';
    lab_act(x, fails ? path + 1 : "200");
}

static inline void lab_on_gone(void *cookie, struct http_exchange *x, bool by_reset)
{
    struct lab_host *host = cookie;
    struct lab_seen *s = http_exchange_get(x);
    s->gone_ns = loop_now_ns(host->lab->loop);
    s->by_reset = by_reset;
}

static inline void lab_on_patience(struct hold *h, uint64_t now_ns)
{
    struct lab *lab = (struct lab *)(void *)((char *)h - offsetof(struct lab, patience));
    (void)now_ns;
    lab->timed_out = true;
    loop_stop(lab->loop);
}

/* Runs the loop until someone stops it; the test fails when nobody does. */
static inline void lab_run(struct lab *lab)
{
    struct error err = {0};
    lab->timed_out = false;
    loop_hold_add(lab->loop, &lab->patience, loop_now_ns(lab->loop) + LAB_PATIENCE_NS,
                  lab_on_patience);
    INVARIANT(loop_run(lab->loop, &err));
    loop_hold_remove(lab->loop, &lab->patience);
    INVARIANT(!lab->timed_out);
}

static inline void lab_on_pause(struct hold *h, uint64_t now_ns)
{
    struct lab *lab = (struct lab *)(void *)((char *)h - offsetof(struct lab, pause));
    (void)now_ns;
    loop_stop(lab->loop);
}

/* Lets the loop run for that long. */
static inline void lab_pause(struct lab *lab, uint64_t ns)
{
    loop_hold_add(lab->loop, &lab->pause, loop_now_ns(lab->loop) + ns, lab_on_pause);
    lab_run(lab);
}

static inline void lab_on_ready(void *cookie)
{
    struct lab *lab = cookie;
    lab->ready = true;
    loop_stop(lab->loop);
}

static inline void lab_on_died(void *cookie, const struct error *why)
{
    struct lab *lab = cookie;
    lab->died = true;
    lab->why = *why;
    loop_stop(lab->loop);
}

/* Backends only; lab_open starts the mesh before them. */
static inline struct lab *lab_new(size_t hosts)
{
    struct lab *lab = check_alloc_zero(1, sizeof(*lab));
    struct error err = {0};
    INVARIANT(loop_new(&lab->loop, &err) && http_client_new(lab->loop, 64, &lab->client, &err));
    lab->hosts = hosts;
    for (size_t i = 0; i < hosts; i++) {
        lab->host[i] = (struct lab_host){.lab = lab, .number = i};
        struct http_server_config config = {.listen = "127.0.0.1:0",
                                            .body_most_bytes = (size_t)4 * 1024 * 1024,
                                            .connections_most = 1024,
                                            .on_request = lab_on_request,
                                            .on_gone = lab_on_gone,
                                            .cookie = &lab->host[i]};
        INVARIANT(http_server_open(lab->loop, &config, &lab->host[i].server, &err));
        lab->endpoints[i] = http_server_address(lab->host[i].server);
    }
    return lab;
}

static inline bool lab_open(struct lab *lab, const char *driver, struct edge_policy policy,
                            const char *defect, const char *folder, struct error *err)
{
    struct mesh_edge one = {.policy = policy,
                            .listen = "127.0.0.1:0",
                            .endpoints = lab->endpoints,
                            .endpoint_count = lab->hosts,
                            .tcp = lab->tcp};
    const struct mesh_edge edges[] = {one, one};
    struct mesh_config config = {.edges = edges,
                                 .edge_count = COUNT_OF(edges),
                                 .defects = &defect,
                                 .defect_count = defect == NULL ? 0 : 1,
                                 .seed = 42,
                                 .envoy = lab->envoy,
                                 .folder = folder,
                                 .control_plane = lab->control_plane};
    lab->driver = mesh_driver_find(driver);
    if (!lab->driver->open(lab->loop, &config, lab_on_ready, lab_on_died, lab, &lab->mesh, err))
        return false;
    lab_run(lab);
    return lab->ready;
}

static inline void lab_free(struct lab *lab)
{
    if (lab->mesh != NULL)
        lab->driver->close(lab->mesh);
    http_client_free(lab->client);
    for (size_t i = 0; i < lab->hosts; i++)
        http_server_free(lab->host[i].server);
    loop_settle(lab->loop);
    loop_free(lab->loop);
    free(lab);
}

static inline void lab_on_end(void *cookie, struct http_call *call,
                              const struct http_answer *answer)
{
    struct lab_sent *s = cookie;
    (void)call;
    s->over = true;
    s->status = answer->status;
    s->end = answer->end;
    s->end_ns = loop_now_ns(s->lab->loop);
    s->overloaded = fields_find(answer->fields, "x-envoy-overloaded").at != NULL;
    s->service_time = fields_find(answer->fields, "x-envoy-upstream-service-time").at != NULL;
    lab_copy(s->l5d_error, sizeof(s->l5d_error), fields_find(answer->fields, "l5d-proxy-error"));
    lab_copy(s->body, sizeof(s->body), answer->body);
    if (--s->lab->waiting == 0)
        loop_stop(s->lab->loop);
}

/* Sends; lab_wait waits for all that were sent. */
static inline struct lab_sent *lab_send_body(struct lab *lab, const char *path, struct bytes body)
{
    INVARIANT(lab->sent_count < LAB_SENT_MOST);
    struct lab_sent *s = &lab->sent[lab->sent_count];
    char head[512];
    s->lab = lab;
    snprintf(s->id, sizeof(s->id), "t%zu", lab->sent_count++);
    s->start_ns = loop_now_ns(lab->loop);
    int len =
        snprintf(head, sizeof(head),
                 "%s %s HTTP/1.1\r\nhost: payments\r\nx-test-id: %s\r\ncontent-length: %zu\r\n\r\n",
                 body.len > 0 ? "POST" : "GET", path, s->id, body.len);
    lab->waiting++;
    (void)http_client_call(lab->client, &(struct http_call_config){
                                            .address = lab->driver->address(lab->mesh, lab->edge),
                                            .head = {(const uint8_t *)head, (size_t)len},
                                            .body = body,
                                            .verb = body.len > 0 ? VERB_POST : VERB_GET,
                                            .body_most_bytes = (size_t)1024 * 1024,
                                            .keep_alive = true,
                                            .on_end = lab_on_end,
                                            .cookie = s,
                                        });
    return s;
}

static inline struct lab_sent *lab_send(struct lab *lab, const char *path)
{
    return lab_send_body(lab, path, (struct bytes){0});
}

static inline void lab_wait(struct lab *lab)
{
    while (lab->waiting > 0)
        lab_run(lab);
}

/* One request and its answer. */
static inline struct lab_sent *lab_ask(struct lab *lab, const char *path)
{
    struct lab_sent *s = lab_send(lab, path);
    lab_wait(lab);
    return s;
}

/* The ${k}-th try of the request; NULL: it did not arrive. */
static inline const struct lab_seen *lab_try(const struct lab *lab, const struct lab_sent *sent,
                                             uint32_t k)
{
    for (size_t i = 0; i < lab->seen_count; i++) {
        if (lab->seen[i].k == k && strcmp(lab->seen[i].id, sent->id) == 0)
            return &lab->seen[i];
    }
    return NULL;
}

static inline uint32_t lab_tries(const struct lab *lab, const struct lab_sent *sent)
{
    uint32_t k = 0;
    while (lab_try(lab, sent, k + 1) != NULL)
        k++;
    return k;
}

/* Requests that a backend saw on that connection. */
static inline int lab_on_connection(const struct lab *lab, const char *peer)
{
    int count = 0;
    for (size_t i = 0; i < lab->seen_count; i++)
        count += strcmp(lab->seen[i].peer, peer) == 0;
    return count;
}

static inline void lab_on_value(void *cookie, size_t edge, const char *name, const char *labels,
                                double value)
{
    struct lab *lab = cookie;
    if (edge != lab->edge || lab->value_count >= COUNT_OF(lab->value))
        return;
    snprintf(lab->values[lab->value_count], sizeof(lab->values[0]), "%s%s%s", name,
             labels[0] != '\0' ? " " : "", labels);
    lab->value[lab->value_count++] = value;
}

static inline void lab_on_done(void *cookie, bool ok)
{
    struct lab *lab = cookie;
    INVARIANT(ok);
    lab->scraped = true;
    loop_stop(lab->loop);
}

static inline void lab_scrape(struct lab *lab)
{
    lab->scraped = false;
    lab->value_count = 0;
    lab->driver->scrape(lab->mesh, lab_on_value, lab_on_done, lab);
    if (!lab->scraped)
        lab_run(lab);
}

static inline void lab_on_seen(void *cookie, bool seen)
{
    struct lab *lab = cookie;
    lab->told = true;
    lab->shown = seen;
    loop_stop(lab->loop);
}

/* The channels of the mask are cut, the others let in; true: the mesh shows it. */
static inline bool lab_cut(struct lab *lab, unsigned mask)
{
    lab->told = false;
    lab->driver->cut(lab->mesh, mask, lab_on_seen, lab);
    while (!lab->told)
        lab_run(lab);
    return lab->shown;
}

/* Of the last scrape; -1: no such name. */
static inline int lab_value(const struct lab *lab, const char *name)
{
    for (size_t i = 0; i < lab->value_count; i++) {
        if (strcmp(lab->values[i], name) == 0)
            return (int)lab->value[i];
    }
    return -1;
}

static inline struct value lab_number(uint64_t number)
{
    return (struct value){.number = number, .set = true};
}

/* verifier.md 7 with a fifth of its times: retries 3 on 5xx,reset,connect-failure; P 120 ms, T 400
 * ms. */
static inline struct edge_policy lab_policy(enum flavour flavour)
{
    struct edge_policy p = {
        .from = "checkout", .to = "payments", .path = "/", .route = "payments/http[0]"};
    p.flavour = flavour;
    p.retry.attempts = lab_number(3);
    p.retry.per_try_timeout = lab_number(120 * NS_PER_MS);
    p.request_timeout = lab_number(400 * NS_PER_MS);
    p.retry.on = RETRY_5XX | RETRY_RESET | RETRY_CONNECT_FAILURE;
    p.retry.other_host = flavour == FLAVOUR_ENVOY;
    if (flavour == FLAVOUR_LINKERD) {
        p.retry.on = RETRY_STATUS_CODES | RETRY_LINKERD_TIMEOUT;
        for (uint32_t status = 502; status <= 504; status++)
            status_set_add(&p.retry.codes, status);
    }
    return p;
}

#endif
