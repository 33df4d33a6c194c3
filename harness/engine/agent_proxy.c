#include "base/clock.h"
#include "engine/agent_impair.h"

#include <stdlib.h>

/* The proxy role: the endpoints of one service, and the faults in force at each. ARM carries the
 * whole set, so what is to be done is always the difference between two sets; a fault that is in
 * both keeps its budget and its ttl. */

#define LISTEN_BYTES 80
#define ENDPOINTS_MOST 1000
#define CHAIN_ARENA_BYTES ((size_t)16 * 1024 * 1024)
/* Without expiry: the ttl is ours (on_expiry), for world faults have one too, and it is told once.
 */
static struct filter_chain *make_chain(struct proxy_agent *p, const struct armed_set *set,
                                       uint16_t endpoint)
{
    struct filter_slot slots[CHAIN_SLOTS_MOST];
    struct arena arena;
    size_t count = 0;
    arena_init(&arena, CHAIN_ARENA_BYTES);
    for (size_t i = 0; i < set->count && count < CHAIN_SLOTS_MOST; i++) {
        struct armed *f = set->at[i];
        if (f->use.stream == NULL || !armed_is_at(f, endpoint))
            continue;
        fault_use_slot(&f->use, p->agent->seed, UINT64_MAX, &f->budget, &arena, &slots[count]);
        slots[count++].when.base = p->agent->draw_base;
    }
    if (count == 0 && p->limits.share_ppm >= 1000000) {
        arena_release(&arena);
        return NULL;
    }
    struct filter_chain *chain = chain_new(slots, count, p->generation, &arena);
    chain->limits = &p->limits; /* an empty chain counts what passes */
    return chain;
}

static bool chain_differs(const struct armed_set *a, const struct armed_set *b, uint16_t endpoint)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a->count && (a->at[i]->use.stream == NULL || !armed_is_at(a->at[i], endpoint)))
            i++;
        while (k < b->count && (b->at[k]->use.stream == NULL || !armed_is_at(b->at[k], endpoint)))
            k++;
        if (i == a->count || k == b->count)
            return i != a->count || k != b->count;
        if (a->at[i++] != b->at[k++])
            return true;
    }
}

static void emit_fault(struct proxy_agent *p, const struct armed *f, struct fault_record r)
{
    struct recorder *recorder = p->agent->recorder;
    char place[160], text[128];
    snprintf(place, sizeof(place), "%s/%u", p->agent->service, r.endpoint);
    fault_use_print(&f->use, text, sizeof(text));
    r.fault = f->use.id;
    r.generation = p->generation;
    r.place = recorder_name(recorder, bytes_of(place));
    r.params = recorder_name(recorder, bytes_of(text));
    recorder_emit(recorder, RECORD_FAULT, &r);
}

static bool wants_refused(const struct armed_set *set, uint16_t endpoint, uint16_t *ret_fault)
{
    for (size_t i = 0; i < set->count; i++) {
        *ret_fault = set->at[i]->use.id;
        if (set->at[i]->use.type->refuses && armed_is_at(set->at[i], endpoint))
            return true;
    }
    return false;
}

/* New faults treat the connections that are open already: by their own key, or as their kind does.
 */
static void treat_existing(struct proxy_agent *p, const struct armed_set *set, uint16_t endpoint)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct armed *f = set->at[i];
        if (!f->is_new || !armed_is_at(f, endpoint) || agent_impair_is(f))
            continue;
        uint64_t asked = f->use.common.existing;
        enum existing what = asked == PARAM_UNSET ? f->use.type->existing : (enum existing)asked;
        if (what != EXISTING_KEEP)
            proxy_existing(p->proxy, endpoint, what);
    }
}

/* An impairment is a change of the world, which the conductor journals; its end by our own clock
 * is ours to tell. */
static bool is_told_elsewhere(const struct armed *f, uint8_t what)
{
    return agent_impair_is(f) && what != FAULT_EXPIRED;
}

/* ${what}: how the faults that go did end: 1 disarmed, 2 expired. */
static bool apply_at(struct proxy_agent *p, const struct armed_set *to, uint16_t endpoint,
                     uint8_t what, uint32_t *held, uint64_t *at_ns, struct error *err)
{
    uint16_t fault = 0;
    uint32_t released = 0;
    *at_ns = loop_now_ns(p->agent->loop);
    if (chain_differs(&p->set, to, endpoint))
        released = proxy_arm(p->proxy, endpoint, make_chain(p, to, endpoint), at_ns);
    *held += released;
    bool refuse = wants_refused(to, endpoint, &fault);
    if (refuse != p->refused[endpoint - p->first]) {
        if (!refuse)
            wants_refused(&p->set, endpoint, &fault);
        if (!proxy_refuse(p->proxy, endpoint, refuse, fault, err))
            return false;
        p->refused[endpoint - p->first] = refuse;
    }
    treat_existing(p, to, endpoint);
    for (size_t i = 0; i < p->set.count; i++) {
        const struct armed *f = p->set.at[i];
        if (armed_find(to, f->use.id) == f || !armed_is_at(f, endpoint) ||
            is_told_elsewhere(f, what))
            continue;
        /* Firings are one sum over all endpoints: told once, with the first. */
        uint64_t fired = f->endpoints[0] == endpoint ? f->fired : 0;
        emit_fault(p, f,
                   (struct fault_record){.at = *at_ns,
                                         .held = released,
                                         .fired = (uint32_t)fired,
                                         .what = what,
                                         .endpoint = endpoint});
        released = 0;
    }
    for (size_t i = 0; i < to->count; i++)
        if (to->at[i]->is_new && armed_is_at(to->at[i], endpoint) && !agent_impair_is(to->at[i]))
            emit_fault(p, to->at[i], (struct fault_record){.at = *at_ns, .endpoint = endpoint});
    return true;
}

static void on_expiry(struct hold *h, uint64_t now_ns);

static void watch_expiry(struct proxy_agent *p)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < p->set.count; i++)
        next_ns = p->set.at[i]->expires_ns < next_ns ? p->set.at[i]->expires_ns : next_ns;
    loop_hold_remove(p->agent->loop, &p->expiry_hold);
    if (next_ns != UINT64_MAX)
        loop_hold_add(p->agent->loop, &p->expiry_hold, next_ns, on_expiry);
}

/* Puts the set in force, and keeps or retires what was there. Takes ${set->at}. */
static bool apply(struct proxy_agent *p, struct armed_set *set, uint8_t what, uint32_t *held,
                  uint64_t *at_ns, struct error *err)
{
    bool ok = agent_impair_set(p, set, err);
    *held = 0;
    *at_ns = loop_now_ns(p->agent->loop);
    for (size_t i = 0; i < p->set.count; i++) /* before the chains that count them go */
        p->set.at[i]->fired = proxy_fired(p->proxy, p->set.at[i]->use.id);
    for (size_t n = p->first; ok && n <= armed_last_of(p); n++)
        ok = apply_at(p, set, (uint16_t)n, what, held, at_ns, err);
    for (size_t i = 0; i < p->set.count; i++) {
        struct armed *f = p->set.at[i];
        if (armed_find(set, f->use.id) == f)
            continue;
        if (!hook_use_is_open(&f->use)) /* calls under older chains may still ask it */
            arena_release(&f->arena);
        f->next_retired = p->retired;
        p->retired = f;
    }
    free(p->set.at);
    p->set = *set;
    for (size_t i = 0; i < p->set.count; i++)
        p->set.at[i]->is_new = false;
    watch_expiry(p);
    return ok;
}

static void on_expiry(struct hold *h, uint64_t now_ns)
{
    struct proxy_agent *p =
        (struct proxy_agent *)((char *)h - offsetof(struct proxy_agent, expiry_hold));
    struct armed_set set = {.at = check_alloc_zero(p->set.count + 1, sizeof(*set.at))};
    struct error err = {0};
    uint32_t held;
    uint64_t at_ns;
    for (size_t i = 0; i < p->set.count; i++)
        if (p->set.at[i]->expires_ns > now_ns)
            set.at[set.count++] = p->set.at[i];
    p->generation++;
    if (!apply(p, &set, 2, &held, &at_ns, &err))
        agent_fail(p->agent, &err);
}

/* Endpoints whose process was replaced: they have another address from now on. */
static bool move(struct proxy_agent *p, const json_t *moved, struct error *err)
{
    for (size_t i = 0; i < json_array_size(moved); i++) {
        json_int_t number = json_integer_value(json_array_get(moved, i));
        if (!armed_is_ours(p, number))
            return error_set(err, ERROR_PEER, "ARM: a moved endpoint is %lld; it must be %u to %zu",
                             (long long)number, p->first, armed_last_of(p));
        if (!proxy_move(p->proxy, (uint16_t)number, err))
            return false;
    }
    return true;
}

static json_t *addresses_of(const struct proxy_agent *p)
{
    json_t *addresses = json_array();
    for (size_t n = p->first; n <= armed_last_of(p); n++)
        json_array_append_new(addresses, json_string(proxy_address(p->proxy, (uint16_t)n)));
    return addresses;
}

static bool take_arm(struct agent *a, const json_t *body, struct error *err)
{
    struct proxy_agent *p = a->own;
    struct armed_set set = {0};
    uint32_t held;
    uint64_t at_ns;
    if (!armed_read(p, json_object_get(body, "faults"), &set, err)) {
        armed_drop(p, &set);
        return false;
    }
    const json_t *moved = json_object_get(body, "moved");
    p->generation = (uint16_t)control_number(body, "generation");
    /* The stand-in refuses before the backend is dead, and until after it is started again. */
    if (!move(p, moved, err) || !apply(p, &set, 1, &held, &at_ns, err) ||
        !agent_dial_backend(a, control_text(body, "backend"), err))
        return false;
    agent_in_service(a);
    agent_send(a, CONTROL_ARMED,
               json_pack("{sI sI sI so* so*}", "generation", (json_int_t)p->generation, "at",
                         (json_int_t)at_ns, "held", (json_int_t)held, "netem", agent_impair_said(p),
                         "addresses", moved == NULL ? NULL : addresses_of(p)));
    return true;
}

static bool set_tls(struct proxy_agent *p, const json_t *cert, uint16_t endpoint, struct error *err)
{
    struct tls_context *ctx;
    uint64_t before_ns = clock_now_ns();
    if (!armed_is_ours(p, endpoint))
        return error_set(err, ERROR_PEER, "CERT: endpoint is %u; it must be %u to %zu", endpoint,
                         p->first, armed_last_of(p));
    if (!agent_certs_context(json_object_get(cert, "tls"), &ctx, err))
        return false;
    proxy_set_tls(p->proxy, endpoint, SIDE_REQUEST, ctx);
    tls_context_release(ctx);
    agent_certs_record(p->agent, cert, before_ns, true);
    return true;
}

/* Another leaf or bundle for one endpoint; and new handshakes: at it, or (endpoint 0) at all. */
static bool take_cert(struct agent *a, const json_t *body, struct error *err)
{
    struct proxy_agent *p = a->own;
    uint64_t endpoint = control_number(body, "endpoint");
    const char *reconnect = control_text(body, "reconnect");
    bool each = strcmp(reconnect, "each") == 0, keep = reconnect[0] == '\0';
    if (json_object_get(body, "tls") != NULL) {
        if (!set_tls(p, body, (uint16_t)endpoint, err))
            return false;
        keep = keep || strcmp(reconnect, "none") == 0;
    }
    for (size_t n = p->first; n <= armed_last_of(p) && !keep; n++)
        if (endpoint == 0 || endpoint == n)
            proxy_renew(p->proxy, (uint16_t)n, each);
    agent_send(a, CONTROL_CERT_SET,
               json_pack("{sI}", "step", (json_int_t)control_number(body, "step")));
    return true;
}

static bool control(struct agent *a, uint8_t kind, const json_t *body, struct error *err)
{
    if (kind == CONTROL_CERT)
        return take_cert(a, body, err);
    if (kind != CONTROL_ARM)
        return error_set(err, ERROR_PEER, "%s is not for a proxy agent", control_name(kind));
    return take_arm(a, body, err);
}

static bool read_protocol(const char *text, enum proxy_protocol *ret)
{
    static const struct {
        const char *name;
        enum proxy_protocol protocol;
    } rows[] = {
        {"http1", PROXY_HTTP1}, {"http2", PROXY_HTTP2}, {"grpc", PROXY_HTTP2}, {"tcp", PROXY_TCP}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(text, rows[i].name) == 0) {
            *ret = rows[i].protocol;
            return true;
        }
    }
    return false;
}

/* Where the ${i}th endpoint of a pod listens: on the ports from the first one's on. */
static bool listen_at(struct agent *a, size_t i, char to[LISTEN_BYTES], struct error *err)
{
    const char *first = a->options->listen, *colon = strrchr(first, ':');
    uint64_t port = 0;
    if (colon == NULL || !bytes_to_u64(bytes_of(colon + 1), &port) || port + i > UINT16_MAX)
        return error_set(err, ERROR_USAGE, "--listen %.60s: there is no port for endpoint %zu",
                         first, i + 1);
    if (port != 0)
        port += i;
    return snprintf(to, LISTEN_BYTES, "%.*s:%u", (int)(colon - first), first, (unsigned)port) <
               LISTEN_BYTES ||
           error_set(err, ERROR_USAGE, "--listen %.60s is too long", first);
}

/* ${first}: the number of the first endpoint; ${listen}: where those of a pod listen; NULL: as
 * SETUP says. */
static bool read_config(const json_t *setup, uint16_t first, char (*listen)[LISTEN_BYTES],
                        struct proxy_config *config, struct proxy_endpoint *endpoints,
                        struct error *err)
{
    const json_t *list = json_object_get(setup, "endpoints");
    const char *protocol = control_text(setup, "protocol"),
               *effects = control_text(setup, "effects");
    if (!read_protocol(protocol, &config->protocol))
        return error_set(
            err, ERROR_USAGE,
            "the proxy of %s speaks http1, http2, grpc and tcp; the lab asks for %.40s",
            config->service, protocol);
    config->effect_header = effects[0] == '\0' ? NULL : effects;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        endpoints[i].number = (uint16_t)(first + i);
        endpoints[i].listen = listen != NULL ? listen[i]
                                             : agent_need_text(json_object_get(one, "listen"),
                                                               "SETUP: an endpoint's listen", err);
        endpoints[i].upstream =
            agent_need_text(json_object_get(one, "upstream"), "SETUP: an endpoint's upstream", err);
        const json_t *tls = json_object_get(one, "tls");
        if (endpoints[i].listen == NULL || endpoints[i].upstream == NULL ||
            (tls != NULL && !agent_certs_context(tls, &endpoints[i].serves, err)))
            return false;
    }
    return true;
}

/* Until a set is armed, what passes is counted too: a share is one of all tries. */
static void set_limits(struct proxy_agent *p, const json_t *limits)
{
    struct armed_set none = {0};
    uint64_t at_ns;
    uint64_t share_ppm = control_number(limits, "share_ppm"),
             ttl_ns = control_number(limits, "ttl_ns");
    p->limits.delay_most_ns = control_number(limits, "delay_ns");
    p->limits.share_ppm = share_ppm == 0 || share_ppm > 1000000 ? 1000000 : (uint32_t)share_ppm;
    p->ttl_most_ns = ttl_ns == 0 ? UINT64_MAX : ttl_ns;
    for (size_t n = p->first; p->limits.share_ppm < 1000000 && n <= armed_last_of(p); n++)
        proxy_arm(p->proxy, (uint16_t)n, make_chain(p, &none, (uint16_t)n), &at_ns);
}

/* The texts are the list's; the caller frees the array. */
static const char **tags_of(const json_t *list, size_t *ret_count)
{
    const char **tags = check_alloc_zero(json_array_size(list) + 1, sizeof(*tags));
    *ret_count = json_array_size(list);
    for (size_t i = 0; i < *ret_count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        tags[i] = text == NULL ? "" : text;
    }
    return tags;
}

static bool setup(struct agent *a, const json_t *body, struct error *err)
{
    const json_t *list = json_object_get(body, "endpoints");
    size_t count = json_array_size(list);
    uint64_t first = control_number(json_array_get(list, 0), "number"); /* absent: 1 */
    if (count == 0 || count > ENDPOINTS_MOST)
        return error_set(err, ERROR_PEER, "SETUP: %zu endpoints; it must be 1 to %d", count,
                         ENDPOINTS_MOST);
    first = first == 0 ? 1 : first;
    if (first + count - 1 > UINT16_MAX)
        return error_set(err, ERROR_PEER, "SETUP: endpoint %llu; at most %u are numbered",
                         (unsigned long long)first, UINT16_MAX);
    struct proxy_agent *p = check_alloc_zero(1, sizeof(*p));
    struct proxy_endpoint *endpoints = check_alloc_zero(count, sizeof(*endpoints));
    struct proxy_config config = {.is_part = control_flag(body, "part"),
                                  .service = a->service,
                                  .endpoints = endpoints,
                                  .endpoint_count = count,
                                  .seed = a->seed};
    a->own = p;
    p->agent = a;
    p->begun_ns = loop_now_ns(a->loop);
    p->endpoint_count = count;
    p->refused = check_alloc_zero(count, sizeof(*p->refused));
    p->first = (uint16_t)first;
    const char **tags = tags_of(json_object_get(body, "tags"), &config.tag_count);
    config.tags = tags;
    char(*listen)[LISTEN_BYTES] =
        a->options->listen == NULL ? NULL : check_alloc_zero(count, sizeof(*listen));
    bool ok = true;
    for (size_t i = 0; ok && listen != NULL && i < count; i++)
        ok = listen_at(a, i, listen[i], err);
    ok = ok && read_config(body, p->first, listen, &config, endpoints, err) &&
         proxy_open(a->loop, a->recorder, &config, &p->proxy, err);
    free(listen);
    for (size_t i = 0; i < count; i++)
        tls_context_release(endpoints[i].serves);
    free(endpoints);
    free(tags);
    if (!ok)
        return false;
    set_limits(p, json_object_get(body, "limits"));
    if (!agent_impair_try(p, json_object_get(body, "impairs"), err))
        return false;
    agent_ready(a, addresses_of(p));
    return true;
}

static void orphan(struct agent *a)
{
    struct proxy_agent *p = a->own;
    struct armed_set none = {0};
    struct error err = {0};
    uint32_t held;
    uint64_t at_ns;
    if (p == NULL || p->proxy == NULL)
        return;
    p->generation++;
    if (!apply(p, &none, 1, &held, &at_ns, &err))
        a->exit_code = 1;
}

static void on_drained(void *cookie)
{
    agent_drained(cookie);
}

/* Not with the process: whoever looks into the namespace afterwards finds it as it was. */
static void unimpair(struct agent *a)
{
    struct proxy_agent *p = a->own;
    struct error err = {0};
    if (p != NULL && !agent_impair_clear(p, &err)) {
        fprintf(stderr, "meshproof agent proxy: %s\n", err.text);
        a->exit_code = 1;
    }
}

static void drain(struct agent *a, uint64_t deadline_ns)
{
    struct proxy_agent *p = a->own;
    unimpair(a);
    if (p == NULL || p->proxy == NULL)
        agent_drained(a);
    else
        proxy_drain(p->proxy, deadline_ns, on_drained, a);
}

static void release(struct agent *a)
{
    struct proxy_agent *p = a->own;
    if (p == NULL)
        return;
    unimpair(a);
    loop_hold_remove(a->loop, &p->expiry_hold);
    if (p->proxy != NULL)
        proxy_free(p->proxy);
    loop_settle(a->loop);
    for (size_t i = 0; i < p->set.count; i++)
        armed_free(p->set.at[i]);
    for (struct armed *f = p->retired, *next; f != NULL; f = next) {
        next = f->next_retired;
        armed_free(f);
    }
    free(p->set.at);
    free(p->refused);
    json_decref(p->cleared);
    free(p);
}

const struct agent_role agent_proxy = {
    .name = "proxy",
    .setup = setup,
    .control = control,
    .orphan = orphan,
    .drain = drain,
    .release = release,
};
