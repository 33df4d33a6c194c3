#include "engine/mesh_cut.h"

#include "base/clock.h"
#include "faults/control_plane_cut.h"

static unsigned wanted(const struct mesh_cut *c)
{
    unsigned mask = 0;
    for (size_t i = 0; i < c->count; i++)
        mask |= c->set[i].channels;
    return mask;
}

static void go_on(struct mesh_cut *c);

static void answer(struct mesh_cut *c, bool seen)
{
    if (!c->answering)
        return;
    c->answering = false;
    agent_send(c->agent, CONTROL_ARMED,
               json_pack("{sI sI sI sb}", "generation", (json_int_t)c->generation, "at",
                         (json_int_t)loop_now_ns(c->agent->loop), "held", (json_int_t)0, "seen",
                         seen));
}

static void on_seen(void *cookie, bool seen)
{
    struct mesh_cut *c = cookie;
    c->busy = false;
    if (c->on_change != NULL)
        c->on_change(c->cookie);
    if (wanted(c) == c->mask)
        answer(c, seen);
    go_on(c);
}

/* One change of the mesh at a time; what was asked meanwhile comes next. */
static void go_on(struct mesh_cut *c)
{
    if (c->busy || *c->run == NULL)
        return;
    if (wanted(c) == c->mask) {
        answer(c, true);
        return;
    }
    c->busy = true;
    c->mask = wanted(c);
    c->driver->cut(*c->run, c->mask, on_seen, c);
}

static void emit_expired(struct mesh_cut *c, const struct mesh_cut_one *one)
{
    struct recorder *recorder = c->agent->recorder;
    struct fault_record r = {.at = loop_now_ns(c->agent->loop),
                             .fault = one->id,
                             .what = FAULT_EXPIRED,
                             .place = recorder_name(recorder, bytes_of(c->agent->service))};
    recorder_emit(recorder, RECORD_FAULT, &r);
}

static void on_expiry(struct hold *h, uint64_t now_ns);

static void watch_expiry(struct mesh_cut *c)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < c->count; i++)
        next_ns = c->set[i].expires_ns < next_ns ? c->set[i].expires_ns : next_ns;
    loop_hold_remove(c->agent->loop, &c->expiry_hold);
    if (next_ns != UINT64_MAX)
        loop_hold_add(c->agent->loop, &c->expiry_hold, next_ns, on_expiry);
}

static void on_expiry(struct hold *h, uint64_t now_ns)
{
    struct mesh_cut *c =
        (struct mesh_cut *)(void *)((char *)h - offsetof(struct mesh_cut, expiry_hold));
    size_t kept = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (c->set[i].expires_ns > now_ns)
            c->set[kept++] = c->set[i];
        else
            emit_expired(c, &c->set[i]);
    }
    c->count = kept;
    watch_expiry(c);
    go_on(c);
}

/* A cut that is in force already keeps its ttl. */
static uint64_t expiry_of(const struct mesh_cut *c, uint16_t id, uint64_t ttl_ns, uint64_t now_ns)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->set[i].id == id)
            return c->set[i].expires_ns;
    return ttl_ns < UINT64_MAX - now_ns ? now_ns + ttl_ns : UINT64_MAX;
}

static bool read_one(const struct mesh_cut *c, const json_t *from, struct mesh_cut_one *ret,
                     struct error *err)
{
    const char *word = control_text(from, "word");
    uint64_t id = control_number(from, "id"), ttl_ns = control_number(from, "ttl_ns");
    struct source nowhere = {0};
    struct arena arena;
    struct fault_use use;
    if (strcmp(word, fault_control_plane_cut.name) != 0 || id == 0 || id > UINT16_MAX ||
        ttl_ns == 0)
        return error_set(err, ERROR_PEER, "ARM: fault.%.40s is not for a mesh, or has no ttl",
                         word);
    arena_init(&arena, 64 * 1024);
    bool ok = fault_use_from_json(word, json_object_get(from, "keys"), nowhere, &arena, &use, err);
    if (ok)
        *ret = (struct mesh_cut_one){
            .id = (uint16_t)id,
            .channels = fault_cut_channels(use.params),
            .expires_ns = expiry_of(c, (uint16_t)id, ttl_ns, loop_now_ns(c->agent->loop))};
    arena_release(&arena);
    return ok;
}

void mesh_cut_init(struct mesh_cut *c, struct agent *agent, const struct mesh_driver *driver,
                   struct mesh_run *const *run)
{
    *c = (struct mesh_cut){.agent = agent, .driver = driver, .run = run};
}

bool mesh_cut_take(struct mesh_cut *c, const json_t *arm, struct error *err)
{
    const json_t *list = json_object_get(arm, "faults");
    struct mesh_cut_one set[MESH_CUTS_MOST];
    size_t count = json_array_size(list);
    if (c->driver->cut == NULL)
        return error_set(err, ERROR_PEER, "ARM: this mesh has no control plane that can be cut");
    if (count > MESH_CUTS_MOST)
        return error_set(err, ERROR_PEER, "ARM: %zu cuts; at most %d are allowed", count,
                         MESH_CUTS_MOST);
    for (size_t i = 0; i < count; i++)
        if (!read_one(c, json_array_get(list, i), &set[i], err))
            return false;
    memcpy(c->set, set, count * sizeof(*set));
    c->count = count;
    c->generation = (uint16_t)control_number(arm, "generation");
    c->answering = true;
    watch_expiry(c);
    go_on(c);
    return true;
}

void mesh_cut_end(struct mesh_cut *c)
{
    if (c->agent == NULL)
        return;
    c->count = 0;
    c->answering = false;
    watch_expiry(c);
    go_on(c);
}

void mesh_cut_stop(struct mesh_cut *c)
{
    if (c->agent != NULL)
        loop_hold_remove(c->agent->loop, &c->expiry_hold);
}
