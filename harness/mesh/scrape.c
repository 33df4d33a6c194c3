#include "mesh/scrape.h"

#include "mesh/prometheus.h"

#include "base/clock.h"
#include "base/text.h"
#include "net/http_client.h"
#include "net/socket.h"

#include <stdlib.h>

#define PAGE_MOST_BYTES ((size_t)32 * 1024 * 1024)
#define WITHIN_NS (2 * NS_PER_S)
#define NAME_MOST 256
#define LABELS_MOST_BYTES 4096
#define VALUES_MOST 20000 /* of one page: an edge has some hundreds */

bool scrape_url_parse(const char *text, struct scrape_url *ret, struct error *err)
{
    static const char scheme[] = "http://";
    struct socket_address address;
    const char *host = text + sizeof(scheme) - 1;
    if (strncmp(text, scheme, sizeof(scheme) - 1) == 0) {
        size_t len = strcspn(host, "/");
        const char *path = host[len] == '\0' ? "/" : host + len;
        bool fits = len < sizeof(ret->address) && strlen(path) < sizeof(ret->path);
        for (const char *c = path; *c != '\0'; c++)
            fits = fits && *c > ' ' && *c < 0x7f; /* nothing that could end the request's line */
        snprintf(ret->address, sizeof(ret->address), "%.*s", fits ? (int)len : 0, host);
        snprintf(ret->path, sizeof(ret->path), "%s", fits ? path : "");
        if (fits && socket_parse(ret->address, &address, NULL))
            return true;
    }
    return error_set(err, ERROR_USAGE,
                     "metrics is \"%.80s\"; it must be like "
                     "http://127.0.0.1:15090/stats/prometheus, the address a number",
                     text);
}

/* "payments.shop.svc.cluster.local:80" is payments. */
static bool is_service(struct bytes host, const char *service)
{
    size_t len = strlen(service);
    return host.len >= len && memcmp(host.at, service, len) == 0 &&
           (host.len == len || host.at[len] == '.' || host.at[len] == ':');
}

/* "outbound|80|subset|payments.shop.svc.cluster.local"; one without bars is the service itself. An
 * inbound cluster has no host. */
static struct bytes host_of_cluster(struct bytes cluster)
{
    for (size_t i = cluster.len; i > 0; i--)
        if (cluster.at[i - 1] == '|')
            return (struct bytes){cluster.at + i, cluster.len - i};
    return cluster;
}

size_t scrape_edge_of(const struct prometheus_sample *s, const char *caller,
                      const struct mesh_edge *edges, size_t edge_count)
{
    /* The first that a sample has names its service. */
    static const char *const labels[] = {"envoy_cluster_name", "cluster_name", "parent_name",
                                         "dst_service",        "backend_name", "dst",
                                         "authority"};
    struct bytes direction = prometheus_label(s, "direction"), host = {0};
    if (direction.at != NULL && !bytes_equal(direction, BYTES("outbound")))
        return SIZE_MAX;
    for (size_t i = 0; i < COUNT_OF(labels) && host.at == NULL; i++)
        host = prometheus_label(s, labels[i]);
    if (host.at == NULL)
        return SIZE_MAX;
    host = host_of_cluster(host);
    for (size_t i = 0; i < edge_count; i++) {
        const struct edge_policy *edge = &edges[i].policy;
        if ((caller == NULL || strcmp(edge->from, caller) == 0) && is_service(host, edge->to))
            return i;
    }
    return SIZE_MAX;
}

struct scrape_target {
    struct scraper *scraper;
    struct scrape_url url;
    const char *caller;
    struct http_call *call;
    struct hold late;
};
struct scraper {
    struct loop *loop;
    struct http_client *client;
    const struct mesh_config *config;
    struct scrape_target *targets;
    size_t target_count, waiting, value_count;
    bool failed;
    const char *telling;
    void (*on_value)(void *cookie, size_t edge, const char *name, const char *labels, double value);
    void (*on_done)(void *cookie, bool ok);
    void *cookie;
};

/* Labels as one name: a="b",c="d". */
static const char *print_labels(const struct prometheus_sample *s, struct text *to)
{
    for (size_t i = 0; i < s->label_count; i++) {
        const struct prometheus_label *l = &s->labels[i];
        text_add(to, "%s%.*s=\"%.*s\"", i == 0 ? "" : ",", (int)l->name.len,
                 (const char *)l->name.at, (int)l->value.len, (const char *)l->value.at);
    }
    return text_get(to);
}

static void tell(struct scraper *s, size_t edge, const char *name, const char *labels, double value)
{
    if (s->value_count++ < VALUES_MOST)
        s->on_value(s->cookie, edge, name, labels, value);
}

static void on_sample(void *cookie, const struct prometheus_sample *sample)
{
    struct scrape_target *t = cookie;
    struct scraper *s = t->scraper;
    char name[NAME_MOST];
    if (sample->name.len >= sizeof(name) || prometheus_label(sample, "le").at != NULL ||
        prometheus_label(sample, "quantile").at != NULL)
        return; /* one of a histogram's many */
    memcpy(name, sample->name.at, sample->name.len);
    name[sample->name.len] = '\0';
    if (strcmp(name, "envoy_server_concurrency") == 0) { /* of the whole proxy */
        for (size_t i = 0; i < s->config->edge_count; i++)
            if (t->caller == NULL || strcmp(t->caller, s->config->edges[i].policy.from) == 0)
                tell(s, i, "server.concurrency", "", sample->value);
        return;
    }
    size_t edge = scrape_edge_of(sample, t->caller, s->config->edges, s->config->edge_count);
    if (edge == SIZE_MAX)
        return;
    struct text labels;
    text_init(&labels, LABELS_MOST_BYTES);
    tell(s, edge, name, print_labels(sample, &labels), sample->value);
    text_release(&labels);
}

static void nothing(void *cookie, const struct prometheus_sample *sample)
{
    (void)cookie;
    (void)sample;
}

static void over(struct scrape_target *t, bool ok)
{
    struct scraper *s = t->scraper;
    t->call = NULL;
    loop_hold_remove(s->loop, &t->late);
    s->failed = s->failed || !ok;
    s->waiting--;
    if (s->waiting == 0)
        s->on_done(s->cookie, !s->failed);
}

/* Read twice: of a page that ends in nonsense no value may be told. */
static void on_page(void *cookie, struct http_call *call, const struct http_answer *answer)
{
    struct scrape_target *t = cookie;
    struct error err = {0};
    (void)call;
    bool ok = answer->status == 200 && answer->end == HTTP_END_COMPLETE &&
              prometheus_parse(answer->body, nothing, NULL, &err);
    t->scraper->telling = t->url.address;
    t->scraper->value_count = 0;
    if (ok)
        ok = prometheus_parse(answer->body, on_sample, t, &err);
    t->scraper->telling = NULL;
    over(t, ok);
}

static void on_late(struct hold *h, uint64_t now_ns)
{
    struct scrape_target *t =
        (struct scrape_target *)(void *)((char *)h - offsetof(struct scrape_target, late));
    (void)now_ns;
    http_call_cancel(t->call);
    over(t, false);
}

static bool add_target(struct scraper *s, const struct mesh_metrics *from, struct error *err)
{
    struct scrape_target *t = &s->targets[s->target_count];
    *t = (struct scrape_target){.scraper = s, .caller = from->caller};
    if (!scrape_url_parse(from->url, &t->url, err))
        return false;
    s->target_count++;
    return true;
}

bool scraper_new(struct loop *loop, const struct mesh_config *config, struct scraper **ret,
                 struct error *err)
{
    struct scraper *s = check_alloc_zero(1, sizeof(*s));
    s->loop = loop;
    s->config = config;
    s->targets = check_alloc_zero(config->metrics_count + 1, sizeof(*s->targets));
    bool ok = http_client_new(loop, config->metrics_count + 1, &s->client, err);
    for (size_t i = 0; ok && i < config->metrics_count; i++)
        ok = add_target(s, &config->metrics[i], err);
    if (!ok)
        scraper_free(s);
    else
        *ret = s;
    return ok;
}

void scraper_free(struct scraper *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->target_count; i++) {
        loop_hold_remove(s->loop, &s->targets[i].late);
        if (s->targets[i].call != NULL)
            http_call_cancel(s->targets[i].call);
    }
    http_client_free(s->client);
    free(s->targets);
    free(s);
}

const char *scraper_proxy(const struct scraper *s)
{
    return s->telling;
}

static void ask(struct scraper *s, struct scrape_target *t)
{
    struct text head;
    text_init(&head, 1024);
    text_add(&head, "GET %s HTTP/1.1\r\nhost: %s\r\naccept: text/plain;version=0.0.4\r\n\r\n",
             t->url.path, t->url.address);
    t->call = http_client_call(
        s->client, &(struct http_call_config){.address = t->url.address,
                                              .head = {(const uint8_t *)head.at, head.len},
                                              .verb = VERB_GET,
                                              .body_most_bytes = PAGE_MOST_BYTES,
                                              .keep_alive = true,
                                              .on_end = on_page,
                                              .cookie = t});
    text_release(&head);
    loop_hold_add(s->loop, &t->late, loop_now_ns(s->loop) + WITHIN_NS, on_late);
}

void scraper_ask(struct scraper *s,
                 void (*on_value)(void *cookie, size_t edge, const char *name, const char *labels,
                                  double value),
                 void (*on_done)(void *cookie, bool ok), void *cookie)
{
    if (s->waiting > 0)
        return;
    s->on_value = on_value;
    s->on_done = on_done;
    s->cookie = cookie;
    s->failed = false;
    s->waiting = s->target_count;
    if (s->target_count == 0) {
        on_done(cookie, false);
        return;
    }
    for (size_t i = 0; i < s->target_count; i++)
        ask(s, &s->targets[i]);
}
