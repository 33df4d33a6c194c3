#include "engine/actor_inside.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/units.h"
#include "net/socket.h"
#include "world/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define BEAT_NS (5 * NS_PER_S)
#define BEATS_UNHEARD_MOST 3
#define DRAIN_GRACE_NS (3 * NS_PER_S)
#define ADDRESSES_MOST 1000
#define KILLED_WITHIN_NS (2 * NS_PER_S)

const char *actor_print(const struct actor *a, char *to, size_t size)
{
    if (a->id != NULL)
        snprintf(to, size, "%s agent %s", a->role, a->id);
    else if (a->service[0] == '\0')
        snprintf(to, size, "%s agent", a->role);
    else
        snprintf(to, size, "%s agent of %s", a->role, a->service);
    return to;
}

void actor_stop_clocks(struct actor *a)
{
    loop_hold_remove(a->loop, &a->back_hold);
    loop_hold_remove(a->loop, &a->clock_hold);
    loop_hold_remove(a->loop, &a->drain_hold);
}

void actor_put_lost(struct actor *a, struct lost_record lost)
{
    struct error err = {0};
    lost.first_seq = 1;
    lost.last_seq = a->last_seq;
    a->last_seq++;
    if (!store_frame(a->store, a->proc, a->last_seq, RECORD_LOST,
                     (struct bytes){(const uint8_t *)&lost, sizeof(lost)}, &err))
        a->events->on_broken(a->cookie, a, &err);
}

/* The records that it said it had sent and that did not come: `lost`, so that no claim counts on
 * their absence. */
static void note_lost(struct actor *a, uint8_t kind, uint64_t count)
{
    uint64_t now_ns = clock_now_ns();
    actor_put_lost(a,
                   (struct lost_record){.at = now_ns, .to = now_ns, .count = count, .kind = kind});
}

void actor_broken(struct actor *a, const struct error *why)
{
    char who[96];
    struct error err = {0};
    if (a->state == ACTOR_ENDED)
        return;
    a->state = ACTOR_ENDED;
    actor_stop_clocks(a);
    link_close(&a->link);
    if (!a->reaped && a->pid > 0) /* so that it ends its own children too */
        kill(a->pid, SIGTERM);
    actor_print(a, who, sizeof(who));
    error_set(&err, ERROR_PEER, "the %s %s", who, why->text);
    a->events->on_broken(a->cookie, a, &err);
}

static void send_clock(struct actor *a)
{
    struct error err = {0};
    json_t *body = json_pack("{sI}", "t1", (json_int_t)clock_now_ns());
    if (a->clock_known) {
        json_object_set_new(body, "lo", json_integer((json_int_t)a->clock_lo));
        json_object_set_new(body, "hi", json_integer((json_int_t)a->clock_hi));
    }
    if (!actor_send(a, CONTROL_CLOCK, body, &err))
        actor_broken(a, &err);
}

static void fall_silent(struct actor *a)
{
    struct error err = {0};
    char span[32];
    if (a->id != NULL) { /* a connection that nobody ended, as when a node is gone */
        actor_go_away(a);
        return;
    }
    units_print_duration(BEATS_UNHEARD_MOST * a->beat_ns, span, sizeof(span));
    error_set(&err, ERROR_PEER, "has said nothing for %s", span);
    note_lost(a, RECORD_LOST, 1);
    actor_broken(a, &err);
}

/* Silence is counted in exchanges that were not answered, not in time: after a stall of our own,
 * what has come meanwhile is read before the next one. Any word is an answer, so an agent with more
 * records than we take is not silent. */
static void on_clock_hold(struct hold *h, uint64_t now_ns)
{
    struct actor *a = (struct actor *)((char *)h - offsetof(struct actor, clock_hold));
    if (a->unheard >= BEATS_UNHEARD_MOST && !a->bye) {
        fall_silent(a);
        return;
    }
    loop_hold_add(a->loop, h, now_ns + a->beat_ns, on_clock_hold);
    if (a->away)
        return;
    a->unheard += a->on_ns == UINT64_MAX ? 0 : 1;
    send_clock(a);
}

void actor_start_clock(struct actor *a)
{
    loop_hold_remove(a->loop, &a->clock_hold);
    loop_hold_add(a->loop, &a->clock_hold, clock_now_ns(), on_clock_hold);
}

static void become_ready(struct actor *a)
{
    a->state = ACTOR_READY;
    a->events->on_ready(a->cookie, a);
}

/* Its clock less ours lies within [t3 - t4, t2 - t1]. */
static void take_clock(struct actor *a, const json_t *body)
{
    uint64_t t4 = clock_now_ns();
    a->clock_lo = control_number(body, "t3") - t4;
    a->clock_hi = control_number(body, "t2") - control_number(body, "t1");
    link_acknowledged(&a->link, control_number(body, "took"));
    uint64_t trip_ns = a->clock_hi - a->clock_lo; /* without what it took to answer */
    a->slowest_ns = trip_ns > a->slowest_ns ? trip_ns : a->slowest_ns;
    a->rounds++;
    bool first = !a->clock_known;
    a->clock_known = true;
    if (a->state == ACTOR_SETTING_UP && a->rounds == ACTOR_ROUNDS)
        become_ready(a);
    else if (first || a->state == ACTOR_SETTING_UP)
        send_clock(a); /* the first bounds are journalled at once */
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static bool take_addresses(struct actor *a, const json_t *body, struct error *err)
{
    const json_t *list = json_object_get(body, "addresses");
    size_t count = json_array_size(list);
    if (count > ADDRESSES_MOST)
        return error_set(err, ERROR_PEER, "gave %zu addresses; at most %d are allowed", count,
                         ADDRESSES_MOST);
    a->addresses = check_alloc_zero(count + 1, sizeof(*a->addresses));
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || strlen(text) > 127)
            return error_set(err, ERROR_PEER, "gave an address that is no text");
        a->addresses[a->address_count++] = actor_reached_at(a, text);
    }
    return true;
}

static bool compare_counts(struct actor *a, const json_t *bye, struct error *err)
{
    size_t type_count;
    const struct record_type *types = record_types(&type_count);
    const json_t *counts = json_object_get(bye, "counts");
    uint64_t noted = 0; /* `lost` rows of our own */
    for (size_t i = 0; i < type_count; i++) {
        const json_t *value = json_object_get(counts, types[i].name);
        uint64_t have = store_count(a->store, a->proc, types[i].kind);
        if (value != NULL && !json_is_integer(value))
            return error_set(err, ERROR_PEER, "counts its %s records by no number", types[i].name);
        uint64_t said = value == NULL ? 0 : (uint64_t)json_integer_value(value);
        if (types[i].kind == RECORD_LOST)
            have -= noted;
        if (types[i].kind == RECORD_STALL)
            have += a->own_stalls;
        if (said == have)
            continue;
        note_lost(a, types[i].kind, said > have ? said - have : have - said);
        noted++;
    }
    return true;
}

static bool take_bye(struct actor *a, const json_t *bye, struct error *err)
{
    if (!compare_counts(a, bye, err))
        return false;
    if (a->state != ACTOR_DRAINING && a->id != NULL) { /* a pod that is evicted */
        actor_lose(a, "left by itself");
        return true;
    }
    if (a->state != ACTOR_DRAINING) /* it was told to end by someone else */
        return error_set(err, ERROR_PEER, "left by itself");
    a->bye = true;
    if (a->id == NULL)
        return true; /* its exit says how it ended */
    a->state = ACTOR_ENDED;
    actor_stop_clocks(a);
    link_close(&a->link);
    a->events->on_ended(a->cookie, a);
    return true;
}

static bool take_hello(struct actor *a, const json_t *hello, struct error *err)
{
    if (a->state != ACTOR_STARTED && a->state != ACTOR_DRAINING)
        return error_set(err, ERROR_PEER, "said HELLO twice");
    if (a->id != NULL)
        return error_set(err, ERROR_PEER, "said HELLO twice");
    if (!hello_check(hello, a->role, a->pid, err))
        return false;
    if (a->state == ACTOR_DRAINING) /* the run ended before it began */
        return true;
    a->state = ACTOR_WAITING;
    a->events->on_hello(a->cookie, a);
    return true;
}

static bool take_ready(struct actor *a, const json_t *ready, struct error *err)
{
    if (a->state == ACTOR_DRAINING)
        return true;
    if (a->state != ACTOR_SETTING_UP || a->addressed)
        return error_set(err, ERROR_PEER, "said READY without being asked");
    if (!take_addresses(a, ready, err))
        return false;
    actor_start_clock(a);
    a->addressed = a->id != NULL; /* then it is ready when its clock is known well */
    if (!a->addressed)
        become_ready(a);
    return true;
}

/* Some of its endpoints have another address. */
static bool take_moved(struct actor *a, const json_t *armed, struct error *err)
{
    const json_t *list = json_object_get(armed, "addresses");
    if (list == NULL)
        return true;
    if (json_array_size(list) != a->address_count)
        return error_set(err, ERROR_PEER, "has %zu addresses after a move; it had %zu",
                         json_array_size(list), a->address_count);
    free_texts(a->addresses, a->address_count);
    a->addresses = NULL;
    a->address_count = 0;
    return take_addresses(a, armed, err);
}

static bool take_control(struct actor *a, uint8_t kind, const json_t *body, struct error *err)
{
    if (kind == CONTROL_HELLO)
        return take_hello(a, body, err);
    if (kind == CONTROL_FAILED)
        return error_set(err, ERROR_PEER, "failed: %.200s", control_text(body, "error"));
    if (kind == CONTROL_READY)
        return take_ready(a, body, err);
    if (a->state < ACTOR_READY && !(kind == CONTROL_CLOCK && a->addressed))
        return error_set(err, ERROR_PEER, "sent %s before READY", control_name(kind));
    if (kind == CONTROL_CLOCK && json_object_get(body, "t2") == NULL)
        return error_set(err, ERROR_PEER, "sent CLOCK without its times");
    if (kind == CONTROL_CLOCK)
        take_clock(a, body);
    if (kind == CONTROL_ARMED && !take_moved(a, body, err))
        return false;
    if (kind == CONTROL_ARMED) {
        a->armed = (uint16_t)control_number(body, "generation");
        a->events->on_armed(a->cookie, a, body);
    }
    if (kind == CONTROL_CERT_SET) {
        a->certs_set += !control_flag(body, "late"); /* late: it was answered before */
        a->events->on_cert_set(a->cookie, a, body);
    }
    if (kind == CONTROL_DONE)
        a->events->on_done(a->cookie, a, body);
    return kind != CONTROL_BYE || take_bye(a, body, err);
}

static bool take_name(struct actor *a, struct bytes body, struct error *err)
{
    uint32_t id;
    if (body.len < sizeof(id))
        return error_set(err, ERROR_PEER, "sent a name of %zu bytes", body.len);
    memcpy(&id, body.at, sizeof(id));
    if (id > NAMES_MOST)
        return error_set(err, ERROR_PEER, "sent name %u; at most %d are allowed", id, NAMES_MOST);
    if (id >= a->edge_count) {
        size_t count = a->edge_count == 0 ? 64 : a->edge_count;
        while (count <= id)
            count *= 2;
        a->edges = check_realloc(a->edges, count * sizeof(*a->edges));
        memset(a->edges + a->edge_count, 0, (count - a->edge_count) * sizeof(*a->edges));
        a->edge_count = count;
    }
    a->edges[id] = map_hash(body.at + sizeof(id), body.len - sizeof(id));
    return true;
}

bool actor_name_is(const struct actor *a, uint32_t id, uint64_t hash)
{
    return id < a->edge_count && a->edges[id] == hash;
}

/* The stall that a fault made: it tells nothing of this machine. */
static bool is_own_stall(struct actor *a, const struct frame *frame, struct bytes body)
{
    struct stall_record r;
    if (frame->kind != RECORD_STALL || a->stopped_ns == 0 || body.len != sizeof(r))
        return false;
    memcpy(&r, body.at, sizeof(r));
    bool own = r.at + r.fired >= a->stopped_ns && r.at <= a->on_ns;
    a->own_stalls += own;
    return own;
}

static bool take_record(struct actor *a, const struct frame *frame, struct bytes body,
                        struct error *err)
{
    const struct record_type *type = record_type_of(frame->kind);
    if (a->state < ACTOR_SETTING_UP)
        return error_set(err, ERROR_PEER, "sent records before SETUP");
    if (type != NULL && body.len != type->bytes)
        return error_set(err, ERROR_PEER, "sent a %s record of %zu bytes; it must have %u",
                         type->name, body.len, type->bytes);
    if (frame->kind == RECORD_NAME && !take_name(a, body, err))
        return false;
    if (!is_own_stall(a, frame, body) &&
        !store_frame(a->store, a->proc, frame->seq, frame->kind, body, err))
        return false;
    a->pressed = a->pressed || (frame->flags & FRAME_PRESSED) != 0;
    a->last_seq = frame->seq > a->last_seq ? frame->seq : a->last_seq;
    if (type != NULL)
        a->events->on_record(a->cookie, a, frame->kind, body);
    return true;
}

bool actor_on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct actor *a = cookie;
    json_t *json;
    a->unheard = 0;
    if (frame->kind >= RECORD_NAME)
        return take_record(a, frame, body, err);
    if (!control_parse(frame->kind, body, FROM_AGENT, &json, err)) {
        error_prefix(err, "sent nonsense: ");
        return false;
    }
    bool ok = take_control(a, frame->kind, json, err);
    json_decref(json);
    return ok;
}

static void on_drain_late(struct hold *h, uint64_t now_ns)
{
    struct actor *a = (struct actor *)((char *)h - offsetof(struct actor, drain_hold));
    struct error err = {0};
    (void)now_ns;
    if (a->id != NULL) {
        actor_give_up(a);
        return;
    }
    kill(a->pid, SIGKILL);
    error_set(&err, ERROR_PEER, "did not end in time and was killed");
    note_lost(a, RECORD_LOST, 1);
    actor_broken(a, &err);
}

/* The end of the socket comes before the child can be reaped, most often; its death says more, so
 * that is waited for. */
static void on_gone(void *cookie, const struct error *why)
{
    struct actor *a = cookie;
    if (a->state == ACTOR_ENDED)
        return;
    if (why->kind != ERROR_NONE) {
        actor_broken(a, why);
        return;
    }
    if (hold_is_idle(&a->drain_hold))
        loop_hold_add(a->loop, &a->drain_hold, clock_now_ns() + DRAIN_GRACE_NS, on_drain_late);
}

bool actor_open(struct actor *a, struct loop *loop, struct store *store,
                const struct starter *starter, const char *role, const char *service, int netns_fd,
                const char *arm, uint32_t proc, uint64_t beat_ns, const struct actor_events *events,
                void *cookie, struct error *err)
{
    struct child child;
    *a = (struct actor){.role = role,
                        .service = service,
                        .netns_fd = netns_fd,
                        .proc = proc,
                        .beat_ns = beat_ns == 0 ? BEAT_NS : beat_ns,
                        .loop = loop,
                        .store = store,
                        .events = events,
                        .cookie = cookie,
                        .state = ACTOR_ENDED,
                        .reaped = true};
    if (!starter->start(starter->cookie, role, service, netns_fd, &child, err))
        return false;
    a->pid = child.pid;
    a->reaped = false;
    if (!link_open(&a->link, loop, carrier_plain(child.fd), actor_on_frame, on_gone, a, err))
        return false;
    a->state = ACTOR_STARTED;
    return store_proc(store, proc, role, arm, service, child.pid, err);
}

/* Ends the child: by SIGTERM, so that a mesh agent can end its own child, then by SIGKILL. */
static void end_child(struct actor *a)
{
    char how[64];
    uint64_t until_ns = clock_now_ns() + DRAIN_GRACE_NS;
    if (a->reaped || a->pid <= 0)
        return;
    kill(a->pid, SIGTERM);
    while (!place_local_ended(a->pid, how, sizeof(how))) {
        if (clock_now_ns() >= until_ns)
            kill(a->pid, SIGKILL);
        if (clock_now_ns() >= until_ns + KILLED_WITHIN_NS) /* a debugger holds what is left of it */
            break;
        poll(NULL, 0, 5);
    }
    a->reaped = true;
}

void actor_keep_ports(struct actor *a)
{
    struct error err = {0};
    actor_drop_ports(a);
    if (a->netns_fd >= 0 || a->address_count == 0)
        return;
    a->kept = check_alloc_zero(a->address_count, sizeof(*a->kept));
    for (size_t i = 0; i < a->address_count; i++)
        if (socket_reserve(a->addresses[i], &a->kept[a->kept_count], &err))
            a->kept_count++;
}

void actor_drop_ports(struct actor *a)
{
    for (size_t i = 0; i < a->kept_count; i++)
        close(a->kept[i]);
    free(a->kept);
    a->kept = NULL;
    a->kept_count = 0;
}

void actor_release(struct actor *a)
{
    actor_drop_ports(a);
    actor_stop_clocks(a);
    link_close(&a->link);
    link_release(&a->link);
    end_child(a);
    free_texts(a->addresses, a->address_count);
    free_texts(a->former, a->former_count);
    free(a->edges);
}

void actor_stopped(struct actor *a, uint64_t now_ns)
{
    a->stopped_ns = now_ns;
    a->on_ns = UINT64_MAX;
}

void actor_goes_on(struct actor *a, uint64_t now_ns)
{
    a->on_ns = now_ns;
    a->unheard = 0;
}

bool actor_kill(struct actor *a, struct error *err)
{
    struct process p;
    char how[64], who[96];
    if (a->reaped || a->state == ACTOR_ENDED)
        return true;
    struct error unsent = {0};
    if (!process_read(a->pid, &p, err))
        return false;
    if (!process_signal(&p, SIGKILL, &unsent) && process_lives(&p)) /* else it has just ended */
        return error_set(err, unsent.kind, "%s", unsent.text);
    if (!process_wait_end(&p, KILLED_WITHIN_NS, err))
        return false;
    if (!place_local_ended(a->pid, how, sizeof(how)))
        return error_set(err, ERROR_PEER, "the %s was killed and has not ended",
                         actor_print(a, who, sizeof(who)));
    a->reaped = true;
    a->state = ACTOR_ENDED; /* so that the end of its socket is no news */
    actor_stop_clocks(a);
    link_drain(&a->link);
    link_close(&a->link);
    return true;
}

bool actor_start_again(struct actor *a, const struct starter *starter, const char *arm,
                       uint32_t proc, struct error *err)
{
    char **former = a->former;
    size_t count = a->former_count;
    INVARIANT(a->state == ACTOR_ENDED && a->reaped);
    link_release(&a->link);
    free(a->edges);
    if (a->address_count > 0) { /* else it was not ready in its last life either */
        free_texts(former, count);
        former = a->addresses;
        count = a->address_count;
    }
    int *kept = a->kept;
    size_t kept_count = a->kept_count;
    bool ok = actor_open(a, a->loop, a->store, starter, a->role, a->service, a->netns_fd, arm, proc,
                         a->beat_ns, a->events, a->cookie, err);
    a->former = former;
    a->former_count = count;
    a->kept = kept;
    a->kept_count = kept_count;
    return ok;
}

bool actor_send(struct actor *a, uint8_t kind, json_t *take_json, struct error *err)
{
    return link_send(&a->link, kind, take_json, err);
}

bool actor_setup(struct actor *a, json_t *take_json, const char *run, uint64_t seed,
                 uint64_t linger_ns, struct error *err)
{
    struct clock_identity clock;
    clock_identity_read(&clock);
    json_object_set_new(take_json, "run", json_string(run));
    json_object_set_new(take_json, "proc", json_integer(a->proc));
    json_object_set_new(take_json, "seed", json_integer((json_int_t)seed));
    json_object_set_new(take_json, "linger_ns", json_integer((json_int_t)linger_ns));
    json_object_set_new(take_json, "boot_id", json_string(clock.boot_id));
    json_object_set_new(take_json, "time_ns_inode", json_integer((json_int_t)clock.time_ns_inode));
    json_object_set_new(take_json, "service", json_string(a->service));
    a->state = ACTOR_SETTING_UP;
    return actor_send(a, CONTROL_SETUP, take_json, err);
}

void actor_drain(struct actor *a, uint64_t within_ns)
{
    struct error err = {0};
    if (a->state == ACTOR_ENDED || a->state == ACTOR_DRAINING)
        return;
    a->state = ACTOR_DRAINING;
    loop_hold_add(a->loop, &a->drain_hold, clock_now_ns() + within_ns + DRAIN_GRACE_NS,
                  on_drain_late);
    if (!actor_send(a, CONTROL_DRAIN, json_pack("{sI}", "within_ns", (json_int_t)within_ns), &err))
        actor_broken(a, &err);
}

void actor_reap(struct actor *a)
{
    struct error err = {0};
    char how[64];
    if (a->reaped || !place_local_ended(a->pid, how, sizeof(how)))
        return;
    a->reaped = true;
    if (a->state == ACTOR_ENDED)
        return;
    /* What it wrote before it died is still in the socket: read to the end first. */
    link_drain(&a->link);
    if (a->state == ACTOR_ENDED)
        return;
    if (!a->bye || strcmp(how, "exit 0") != 0) {
        error_set(&err, ERROR_PEER, "ended: %s", how);
        actor_broken(a, &err);
        return;
    }
    a->state = ACTOR_ENDED;
    actor_stop_clocks(a);
    link_close(&a->link);
    a->events->on_ended(a->cookie, a);
}
