#include "engine/probe.h"

#include "base/clock.h"
#include "base/sort.h"
#include "engine/await.h"
#include "net/socket.h"

#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

#define REQUESTS_MOST 65536 /* of one span; more are counted, and their times left out */

void probe_answer(struct probe *p, double value)
{
    struct sample_seen seen = {
        .at_ns = p->asked_ns, .answer_ns = loop_now_ns(p->loop), .value = value};
    loop_hold_remove(p->loop, &p->late);
    p->asking = false;
    p->on_sample(p->cookie, &seen);
}

void probe_missing(struct probe *p, const char *why)
{
    struct sample_seen seen = {
        .at_ns = p->asked_ns, .answer_ns = loop_now_ns(p->loop), .missing = true, .why = why};
    loop_hold_remove(p->loop, &p->late);
    p->asking = false;
    p->on_sample(p->cookie, &seen);
}

static void on_late(struct hold *h, uint64_t now_ns)
{
    struct probe *p = (struct probe *)((char *)h - offsetof(struct probe, late));
    (void)now_ns;
    p->ops->stop(p);
    probe_missing(p, "no answer within its timeout");
}

static void on_next(struct hold *h, uint64_t now_ns)
{
    struct probe *p = (struct probe *)((char *)h - offsetof(struct probe, next));
    loop_hold_add(p->loop, h, now_ns + p->plan->every_ns, on_next);
    if (p->asking)
        return;
    p->asking = true;
    p->asked_ns = now_ns;
    loop_hold_add(p->loop, &p->late, now_ns + p->plan->timeout_ns, on_late);
    p->ops->ask(p);
}

/* ---- client: what ended since the last sample ---- */

struct client {
    uint64_t *times_ns; /* of good and bad answers alike */
    size_t count;
    uint64_t ended, bad, since_ns;
};

static bool client_open(struct probe *p, struct error *err)
{
    struct client *c = check_alloc_zero(1, sizeof(*c));
    (void)err;
    c->times_ns = check_alloc_zero(REQUESTS_MOST, sizeof(*c->times_ns));
    p->own = c;
    return true;
}

void probe_on_request(struct probe *p, const struct request_record *r)
{
    struct client *c = p->own;
    if (p->plan->kind != PROBE_CLIENT)
        return;
    c->ended++;
    c->bad += !record_request_is_good(r);
    if (c->count < REQUESTS_MOST)
        c->times_ns[c->count++] = r->done;
}

static double client_value(const struct probe *p, struct client *c, uint64_t now_ns)
{
    const char *what = p->plan->value;
    if (strcmp(what, "errors") == 0)
        return (double)c->bad / (double)c->ended;
    if (strcmp(what, "rate") == 0)
        return (double)c->ended * 1e9 / (double)(now_ns - c->since_ns);
    size_t pct = strcmp(what, "p50") == 0 ? 50 : strcmp(what, "p90") == 0 ? 90 : 99;
    qsort(c->times_ns, c->count, sizeof(*c->times_ns), sort_by_u64);
    size_t rank = (c->count * pct + 99) / 100; /* the smallest that so many are not above */
    return (double)c->times_ns[rank == 0 ? 0 : rank - 1];
}

static void client_ask(struct probe *p)
{
    struct client *c = p->own;
    uint64_t now_ns = loop_now_ns(p->loop);
    bool any = c->ended > 0 && c->since_ns != 0 && now_ns > c->since_ns;
    double value = any ? client_value(p, c, now_ns) : 0;
    c->count = 0;
    c->ended = c->bad = 0;
    c->since_ns = now_ns;
    if (any)
        probe_answer(p, value);
    else
        probe_missing(p, "no request of ours ended");
}

static void client_stop(struct probe *p)
{
    (void)p;
}

static void client_close(struct probe *p)
{
    struct client *c = p->own;
    if (c != NULL)
        free(c->times_ns);
    free(c);
}

static const struct probe_ops client_ops = {client_open, client_ask, client_stop, client_close};

/* ---- tcp: does it accept ---- */

struct dial {
    struct watch watch;
    struct probe *probe;
    bool open;
};

static bool tcp_open(struct probe *p, struct error *err)
{
    struct dial *d = check_alloc_zero(1, sizeof(*d));
    p->own = d;
    d->probe = p;
    return probe_resolve(p, p->plan->address, err);
}

static void tcp_stop(struct probe *p)
{
    struct dial *d = p->own;
    if (!d->open)
        return;
    loop_watch_remove(&d->watch);
    close(d->watch.fd);
    d->open = false;
}

static void on_dial(struct watch *w, unsigned what)
{
    struct dial *d = (struct dial *)(void *)((char *)w - offsetof(struct dial, watch));
    struct probe *p = d->probe;
    if (!d->open || (what & (WATCH_WRITE | WATCH_CLOSED)) == 0)
        return;
    bool up = socket_error(p->loop, w->fd) == 0;
    tcp_stop(p);
    probe_answer(p, up ? 1 : 0);
}

static void tcp_ask(struct probe *p)
{
    struct dial *d = p->own;
    int fd;
    if (!socket_connect(p->address, &fd, NULL)) {
        probe_answer(p, 0);
        return;
    }
    if (!loop_watch_add(p->loop, &d->watch, fd, on_dial, NULL)) {
        close(fd);
        probe_missing(p, "no descriptor of ours is free");
        return;
    }
    d->open = true;
}

static void tcp_close(struct probe *p)
{
    if (p->own != NULL)
        tcp_stop(p);
    free(p->own);
}

static const struct probe_ops tcp_ops = {tcp_open, tcp_ask, tcp_stop, tcp_close};

/* ---- all ---- */

bool probe_resolve(struct probe *p, const char *address, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    const char *colon = strrchr(address, ':');
    struct socket_address to = {0};
    char host[256];
    size_t len = colon == NULL ? 0 : (size_t)(colon - address);
    bool bracketed = len > 2 && address[0] == '[' && address[len - 1] == ']';
    if (colon == NULL || len >= sizeof(host))
        return error_at(err, p->plan->source, ERROR_INPUT, "\"%.60s\" is no address", address);
    snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? len - 2 : len),
             address + (bracketed ? 1 : 0));
    int code = getaddrinfo(host, colon + 1, &hints, &found);
    if (code != 0 || found == NULL)
        return error_at(err, p->plan->source, ERROR_SYSTEM,
                        "the probe's address \"%.60s\" cannot be found: %s", address,
                        gai_strerror(code));
    memcpy(&to.storage, found->ai_addr, found->ai_addrlen);
    to.len = found->ai_addrlen;
    freeaddrinfo(found);
    socket_print(&to, p->address, sizeof(p->address));
    snprintf(p->host, sizeof(p->host), "%.255s", address);
    return true;
}

static const struct probe_ops *ops_of(enum probe_kind kind)
{
    switch (kind) {
    case PROBE_CLIENT:
        return &client_ops;
    case PROBE_GRPC_HEALTH:
        return &probe_ops_grpc;
    case PROBE_HTTP:
    case PROBE_PROMQL:
        return &probe_ops_http;
    case PROBE_TCP:
        return &tcp_ops;
    }
    UNREACHABLE();
}

bool probe_open(struct loop *loop, const struct probe_plan *plan, probe_on_sample on_sample,
                void *cookie, struct probe **ret, struct error *err)
{
    struct probe *p = check_alloc_zero(1, sizeof(*p));
    p->loop = loop;
    p->plan = plan;
    p->ops = ops_of(plan->kind);
    p->on_sample = on_sample;
    p->cookie = cookie;
    if (!p->ops->open(p, err)) {
        probe_free(p);
        return false;
    }
    *ret = p;
    return true;
}

void probe_start(struct probe *p)
{
    loop_hold_add(p->loop, &p->next, loop_now_ns(p->loop), on_next);
}

void probe_free(struct probe *p)
{
    if (p == NULL)
        return;
    loop_hold_remove(p->loop, &p->next);
    loop_hold_remove(p->loop, &p->late);
    p->ops->close(p);
    free(p);
}
