#include "net/proxy.h"

#include "base/clock.h"
#include "net/relay.h"
#include "net/tls_inside.h"
#include "net/toxic.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_BACK_MS 100
#define CHUNK_ARENA_MOST_BYTES ((size_t)64 * 1024 * 1024)

static struct endpoint *find_endpoint(const struct proxy *p, uint16_t number)
{
    for (size_t i = 0; i < p->endpoint_count; i++) {
        if (p->endpoints[i].number == number)
            return &p->endpoints[i];
    }
    return NULL;
}

static void on_drained(struct loop_task *t)
{
    struct proxy *p = (struct proxy *)(void *)((char *)t - offsetof(struct proxy, drain_done));
    void (*done)(void *cookie) = p->on_drained;
    p->on_drained = NULL;
    loop_hold_remove(p->loop, &p->drain_deadline);
    if (done != NULL)
        done(p->drain_cookie);
}

static bool open_endpoint(struct endpoint *e, const struct proxy_endpoint *config,
                          struct error *err)
{
    struct socket_address own;
    e->number = config->number;
    if (e->proxy->protocol == PROXY_TOXIC && (config->serves != NULL || config->dials != NULL))
        return error_set(err, ERROR_INPUT, "endpoint %u: toxics know no TLS", config->number);
    if (config->serves != NULL)
        proxy_set_tls(e->proxy, e->number, SIDE_REQUEST, config->serves);
    if (config->dials != NULL)
        proxy_set_tls(e->proxy, e->number, SIDE_RESPONSE, config->dials);
    if (!socket_parse(config->upstream, &e->upstream, err)) {
        error_prefix(err, "the backend of endpoint %u: ", config->number);
        return false;
    }
    if (!listener_open(e, config->listen, err) || !socket_own_address(e->watch.fd, &own, err)) {
        error_prefix(err, "endpoint %u: ", config->number);
        return false;
    }
    socket_print(&own, e->address, sizeof(e->address));
    return true;
}

bool proxy_open(struct loop *loop, struct recorder *recorder, const struct proxy_config *config,
                struct proxy **ret, struct error *err)
{
    struct proxy *p = check_alloc_zero(1, sizeof(*p));
    p->loop = loop;
    p->recorder = recorder;
    p->protocol = config->protocol;
    p->service = check_strdup(config->service == NULL ? "" : config->service);
    if (config->effect_header != NULL) {
        p->effect_header = check_strdup(config->effect_header);
        p->effect_header_len = strlen(p->effect_header);
    }
    p->tags = check_alloc_zero(config->tag_count + 1, sizeof(*p->tags));
    for (size_t i = 0; i < config->tag_count; i++)
        p->tags[p->tag_count++] = check_strdup(config->tags[i]);
    p->affinity_connection = config->affinity_connection;
    p->seed = config->seed;
    p->shared = config->shared;
    p->is_part = config->is_part;
    p->on_record = config->on_record;
    p->record_cookie = config->record_cookie;
    p->handshake_limit_ns =
        config->handshake_limit_ns == 0 ? PROXY_HANDSHAKE_LIMIT_NS : config->handshake_limit_ns;
    p->slow.limit_ns = config->head_limit_ns == 0 ? PROXY_HEAD_LIMIT_NS : config->head_limit_ns;
    p->connections_most =
        config->connections_most == 0 ? PROXY_CONNECTIONS_MOST : config->connections_most;
    p->tries = tries_new(TRIES_MOST);
    p->drain_done.run = on_drained;
    arena_init(&p->chunk_arena, CHUNK_ARENA_MOST_BYTES);
    (void)socket_raise_limit();
    signal(SIGPIPE, SIG_IGN); /* splice(2) has no MSG_NOSIGNAL */
    p->endpoint_count = config->endpoint_count;
    p->endpoints = check_alloc_zero(config->endpoint_count + 1, sizeof(*p->endpoints));
    for (size_t i = 0; i < p->endpoint_count; i++) {
        p->endpoints[i].proxy = p;
        p->endpoints[i].watch.fd = p->endpoints[i].kept_fd = -1;
    }
    for (size_t i = 0; i < p->endpoint_count; i++) {
        if (!open_endpoint(&p->endpoints[i], &config->endpoints[i], err)) {
            proxy_free(p);
            return false;
        }
    }
    *ret = p;
    return true;
}

static void close_all(struct endpoint *e)
{
    while (e->calls != NULL) {
        struct conn *backend = e->calls->backend;
        call_end(e->calls, OUTCOME_ABANDONED);
        if (backend != NULL)
            conn_close(backend, CONN_BY_US, true);
    }
    while (e->conns != NULL)
        conn_close(e->conns, CONN_BY_US, false);
}

void proxy_free(struct proxy *p)
{
    if (p == NULL)
        return;
    p->freeing = true;
    for (size_t i = 0; i < p->endpoint_count; i++) {
        struct endpoint *e = &p->endpoints[i];
        listener_close(e);
        close_all(e);
        loop_hold_remove(p->loop, &e->expiry);
        loop_hold_remove(p->loop, &e->sweep);
        chain_release(e->chain);
        toxic_list_release(e->toxics);
        tls_context_release(e->tls[SIDE_REQUEST]);
        tls_context_release(e->tls[SIDE_RESPONSE]);
        tls_offer_forget(e);
    }
    loop_hold_remove(p->loop, &p->drain_deadline);
    slow_release(&p->slow, p->loop);
    loop_task_cancel(p->loop, &p->drain_done);
    loop_settle(p->loop);
    INVARIANT(p->counts.calls_active == 0 && p->counts.calls_begun == p->counts.records);
    call_free_all(p);
    conn_free_all(p);
    tries_free(p->tries);
    arena_release(&p->chunk_arena);
    free(p->faults);
    free(p->endpoints);
    free(p->service);
    free(p->effect_header);
    for (size_t i = 0; i < p->tag_count; i++)
        free(p->tags[i]);
    free(p->tags);
    free(p);
}

const char *proxy_address(const struct proxy *p, uint16_t number)
{
    const struct endpoint *e = find_endpoint(p, number);
    return e == NULL ? NULL : e->address;
}

void proxy_set_tls(struct proxy *p, uint16_t number, enum side side, struct tls_context *ctx)
{
    struct endpoint *e = find_endpoint(p, number);
    INVARIANT(e != NULL &&
              (ctx == NULL || (tls_context_role(ctx) == TLS_SERVER) == (side == SIDE_REQUEST)));
    struct tls_context *old = e->tls[side];
    tls_context_inherit(ctx, old);
    e->tls[side] = tls_context_hold(ctx);
    e->tls_generation[side]++;
    tls_context_release(old);
    if (side == SIDE_RESPONSE && (ctx == NULL || !ctx->resumption))
        tls_offer_forget(e);
}

static bool is_armed(const struct proxy *p, uint16_t fault)
{
    for (size_t i = 0; i < p->endpoint_count; i++) {
        const struct filter_chain *c = p->endpoints[i].chain;
        for (uint16_t j = 0; c != NULL && j < c->count; j++) {
            if (c->slots[j].fault == fault)
                return true;
        }
    }
    return false;
}

/* TTLs: each fault that is past its own is told once, whichever endpoint sees it first. */
static void on_expiry(struct hold *h, uint64_t now_ns)
{
    struct endpoint *e = (struct endpoint *)(void *)((char *)h - offsetof(struct endpoint, expiry));
    struct proxy *p = e->proxy;
    uint64_t next_ns = UINT64_MAX;
    for (uint16_t i = 0; e->chain != NULL && i < e->chain->count; i++) {
        const struct filter_slot *slot = &e->chain->slots[i];
        struct fault_seen *seen = &p->faults[slot->fault];
        if (slot->when.expires_ns > now_ns) {
            next_ns = slot->when.expires_ns < next_ns ? slot->when.expires_ns : next_ns;
            continue;
        }
        if (seen->expired)
            continue;
        seen->expired = true;
        struct fault_record record = {.at = now_ns,
                                      .fired = (uint32_t)seen->fired,
                                      .fault = slot->fault,
                                      .generation = e->chain->generation,
                                      .what = FAULT_EXPIRED};
        endpoint_emit(e, RECORD_FAULT, &record);
    }
    if (next_ns != UINT64_MAX)
        loop_hold_add(p->loop, h, next_ns, on_expiry);
}

uint32_t proxy_arm(struct proxy *p, uint16_t number, struct filter_chain *take_chain,
                   uint64_t *ret_at_ns)
{
    struct endpoint *e = find_endpoint(p, number);
    INVARIANT(e != NULL);
    for (uint16_t i = 0; take_chain != NULL && i < take_chain->count; i++) {
        uint16_t fault = take_chain->slots[i].fault;
        proxy_room_for_fault(p, fault);
        if (!is_armed(p, fault))
            p->faults[fault] = (struct fault_seen){0};
    }
    struct filter_chain *old = e->chain;
    e->chain = take_chain;
    if (old != NULL)
        old->retired = true;
    uint64_t now_ns = clock_now_ns();
    if (ret_at_ns != NULL)
        *ret_at_ns = now_ns;
    uint32_t released = act_release(e, take_chain);
    chain_release(old);
    loop_hold_remove(p->loop, &e->expiry);
    uint64_t first_ns = UINT64_MAX;
    for (uint16_t i = 0; take_chain != NULL && i < take_chain->count; i++) {
        uint64_t at_ns = take_chain->slots[i].when.expires_ns;
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    if (first_ns != UINT64_MAX)
        loop_hold_add(p->loop, &e->expiry, first_ns, on_expiry);
    return released;
}

void proxy_existing(struct proxy *p, uint16_t number, enum existing what)
{
    struct endpoint *e = find_endpoint(p, number);
    INVARIANT(e != NULL);
    for (struct conn *c = e->conns, *next; c != NULL && what != EXISTING_KEEP; c = next) {
        next = c->next;
        /* an idle one is past its handshake: a fault of the backend's side would never meet it */
        if (c->idle && e->tls[SIDE_RESPONSE] != NULL && what == EXISTING_RESET)
            conn_close(c, CONN_BY_US, false);
        if (c->side != CONN_CLIENT || c->dead)
            continue;
        if (c->codec != NULL) {
            c->codec->existing(c, what);
        } else if (what == EXISTING_RESET) {
            if (c->call != NULL)
                act_cut(c->call, OUTCOME_RESET_BY_FAULT, true, CONN_BY_FAULT);
            else
                conn_close(c, CONN_BY_FAULT, true);
        } else if (c->call == NULL && !c->draining && conn_unsent(c) == 0 && c->input.len == 0) {
            conn_finish(c, CONN_BY_US);
        } else {
            c->close_next = true;
        }
    }
}

void proxy_renew(struct proxy *p, uint16_t number, bool each)
{
    struct endpoint *e = find_endpoint(p, number);
    INVARIANT(e != NULL);
    e->renews = each;
    for (struct conn *c = e->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->side == CONN_CLIENT && c->codec != NULL && c->codec->renew != NULL)
            c->codec->renew(c);
        else if (c->side == CONN_CLIENT && c->codec != NULL)
            c->codec->existing(c, EXISTING_DRAIN);
        else if (c->side == CONN_CLIENT)
            c->close_next = true;
    }
}

/* Does the kernel answer a SYN with RST now? On the same host that takes microseconds. */
static bool reads_back(const struct endpoint *e)
{
    struct socket_address own;
    struct error err = {0};
    int fd = -1;
    if (!socket_parse(e->address, &own, &err))
        return false;
    if (!socket_dial(&own, &fd, &err))
        return err.sys == ECONNREFUSED;
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    bool refused =
        poll(&wait, 1, READ_BACK_MS) == 1 && socket_error(e->proxy->loop, fd) == ECONNREFUSED;
    close(fd);
    return refused;
}

/* ${e->address} may have port 0. */
static bool open_there(struct endpoint *e, struct error *err)
{
    struct socket_address own;
    if (!listener_open(e, e->address, err) || !socket_own_address(e->watch.fd, &own, err))
        return false;
    socket_print(&own, e->address, sizeof(e->address));
    return true;
}

bool proxy_move(struct proxy *p, uint16_t number, struct error *err)
{
    struct endpoint *e = find_endpoint(p, number);
    INVARIANT(e != NULL);
    bool open = listener_is_open(e);
    char *port = strrchr(e->address, ':');
    INVARIANT(port != NULL);
    snprintf(port, sizeof(e->address) - (size_t)(port - e->address), ":0");
    listener_close(e);
    proxy_existing(p, number, EXISTING_RESET);
    return !open || open_there(e, err);
}

bool proxy_refuse(struct proxy *p, uint16_t number, bool refuse, uint16_t fault, struct error *err)
{
    struct endpoint *e = find_endpoint(p, number);
    INVARIANT(e != NULL);
    if (refuse != listener_is_open(e))
        return true;
    struct world_record record = {
        .at = clock_now_ns(), .fault = fault, .endpoint = number, .step = refuse ? 1 : 2};
    record.what = endpoint_name(e, refuse ? BYTES("listener_down") : BYTES("listener_up"));
    record.place = endpoint_name(e, bytes_of(p->service));
    if (refuse)
        listener_refuse(e);
    else if (!open_there(e, err))
        return false;
    record.after = clock_now_ns() - record.at;
    record.after += record.after == 0 ? 1 : 0;
    /* the probe of an open listener would be a connection in the journal: bound and listening is
     * enough */
    record.read_back_ok = refuse ? reads_back(e) : listener_is_open(e);
    endpoint_emit(e, RECORD_WORLD, &record);
    return true;
}

uint64_t proxy_fired(const struct proxy *p, uint16_t fault)
{
    return fault < p->fault_count ? p->faults[fault].fired : 0;
}

static void on_drain_deadline(struct hold *h, uint64_t now_ns)
{
    struct proxy *p = (struct proxy *)(void *)((char *)h - offsetof(struct proxy, drain_deadline));
    (void)now_ns;
    for (size_t i = 0; i < p->endpoint_count; i++)
        close_all(&p->endpoints[i]);
    loop_defer(p->loop, &p->drain_done);
}

void proxy_drain(struct proxy *p, uint64_t deadline_ns, void (*on_done)(void *cookie), void *cookie)
{
    p->draining = true;
    p->on_drained = on_done;
    p->drain_cookie = cookie;
    for (size_t i = 0; i < p->endpoint_count; i++) {
        listener_close(&p->endpoints[i]);
        proxy_existing(p, p->endpoints[i].number, EXISTING_DRAIN);
    }
    if (hold_is_idle(&p->drain_deadline))
        loop_hold_add(p->loop, &p->drain_deadline, deadline_ns, on_drain_deadline);
    endpoint_settle_drain(p);
}

struct proxy_counts proxy_counts(const struct proxy *p)
{
    return p->counts;
}
