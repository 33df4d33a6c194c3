#include "standalone/proxy_stats.h"

#include "base/clock.h"
#include "faults/fault.h"

#include <stdlib.h>

static const uint64_t bounds_ns[] = {10 * NS_PER_US,  20 * NS_PER_US,  50 * NS_PER_US,
                                     100 * NS_PER_US, 200 * NS_PER_US, 500 * NS_PER_US,
                                     1 * NS_PER_MS,   5 * NS_PER_MS,   50 * NS_PER_MS};

uint64_t proxy_stats_bound_ns(size_t bucket)
{
    return bucket < COUNT_OF(bounds_ns) ? bounds_ns[bucket] : 0;
}

struct proxy_stats *proxy_stats_new(uint64_t *total_attempts)
{
    struct proxy_stats *s = check_alloc_zero(1, sizeof(*s));
    s->holders = 1;
    s->total_attempts = total_attempts;
    return s;
}

void proxy_stats_hold(struct proxy_stats *s)
{
    s->holders++;
}

void proxy_stats_release(struct proxy_stats *s)
{
    if (s != NULL && --s->holders == 0)
        free(s);
}

static void count_attempt(struct proxy_stats *s, const struct attempt_record *r)
{
    ++*s->total_attempts;
    if (r->outcome < PROXY_STATS_OUTCOMES)
        s->outcome[r->outcome]++;
    if (r->status > 0 && r->status < PROXY_STATS_STATUS_MOST)
        s->status[r->status]++;
    s->body_in_bytes += r->bytes_in;
    s->body_out_bytes += r->bytes_out;
    if (r->late == 0)
        return;
    size_t bucket = 0;
    while (bucket < COUNT_OF(bounds_ns) && r->late > bounds_ns[bucket])
        bucket++;
    s->late[bucket]++;
    s->late_ns += r->late;
    s->held++;
}

void proxy_stats_on_record(void *cookie, enum record_kind kind, const void *record)
{
    struct proxy_stats *s = cookie;
    if (kind == RECORD_ATTEMPT) {
        count_attempt(s, record);
    } else if (kind == RECORD_CONNECTION) {
        const struct connection_record *r = record;
        s->connections_closed += r->side == 0;
    } else if (kind == RECORD_HANDSHAKE) {
        const struct handshake_record *r = record;
        if (r->result < PROXY_STATS_RESULTS)
            s->handshake[r->result]++;
    }
}

void proxy_stats_add_past(struct proxy_stats *s, const struct proxy *p)
{
    struct proxy_counts now = proxy_counts(p);
    s->past.calls_begun += now.calls_begun;
    s->past.records += now.records;
}

static void set(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

json_t *proxy_stats_json(const struct proxy_stats *s, const struct proxy *p)
{
    struct proxy_counts now = p == NULL ? (struct proxy_counts){0} : proxy_counts(p);
    json_t *all = json_object(), *outcome = json_object(), *status = json_object();
    json_t *fired = json_object(), *late = json_object(), *handshake = json_object();
    char key[24];
    size_t types;
    const struct fault_type *const *type = fault_types(&types);
    set(all, "begun", s->past.calls_begun + now.calls_begun);
    set(all, "active", now.calls_active);
    set(all, "records", s->past.records + now.records);
    set(all, "connections", s->connections_closed + now.connections);
    set(all, "connections_open", now.connections);
    set(all, "body_in", s->body_in_bytes);
    set(all, "body_out", s->body_out_bytes);
    set(all, "held", s->held);
    set(all, "late_ns", s->late_ns);
    for (uint64_t i = 0; i < PROXY_STATS_OUTCOMES; i++)
        set(outcome, record_enum_name("outcome", i), s->outcome[i]);
    for (size_t i = 0; i < PROXY_STATS_STATUS_MOST; i++) {
        snprintf(key, sizeof(key), "%zu", i);
        if (s->status[i] != 0)
            set(status, key, s->status[i]);
    }
    for (size_t i = 0; i < types && i < PROXY_STATS_FAULTS_MOST; i++)
        if (s->fired[i] != 0)
            set(fired, type[i]->name, s->fired[i]);
    for (size_t i = 0; i < COUNT_OF(s->late); i++) {
        snprintf(key, sizeof(key), "%zu", i);
        set(late, key, s->late[i]);
    }
    for (uint64_t i = 0; i < PROXY_STATS_RESULTS; i++)
        if (s->handshake[i] != 0 && record_enum_name("result", i) != NULL)
            set(handshake, record_enum_name("result", i), s->handshake[i]);
    json_object_set_new(all, "outcome", outcome);
    json_object_set_new(all, "status", status);
    json_object_set_new(all, "fired", fired);
    json_object_set_new(all, "late", late);
    json_object_set_new(all, "handshake", handshake);
    json_object_set_new(all, "fired_by", json_object());
    return all;
}

static void add(json_t *o, const char *key, uint64_t value)
{
    set(o, key, (uint64_t)json_integer_value(json_object_get(o, key)) + value);
}

void proxy_stats_add_live(json_t *to, const struct proxy *p)
{
    struct proxy_counts now = proxy_counts(p);
    add(to, "begun", now.calls_begun);
    add(to, "active", now.calls_active);
    add(to, "records", now.records);
    add(to, "connections", now.connections);
    add(to, "connections_open", now.connections);
}

void proxy_stats_merge(json_t *to, const json_t *from)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        json_t *have = json_object_get(to, key);
        if (have == NULL)
            json_object_set_new(to, key, json_deep_copy(value));
        else if (json_is_object(value))
            proxy_stats_merge(have, value);
        else
            json_integer_set(have, json_integer_value(have) + json_integer_value(value));
    }
}
