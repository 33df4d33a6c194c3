#include "engine/agent_armed.h"

#include <stdlib.h>

/* Reads the set of faults of an ARM, and checks what it says. */

#define FAULTS_MOST 1000
#define USE_ARENA_BYTES ((size_t)4 * 1024 * 1024)

bool armed_is_at(const struct armed *f, uint16_t endpoint)
{
    for (size_t i = 0; i < f->endpoint_count; i++)
        if (f->endpoints[i] == endpoint)
            return true;
    return false;
}

struct armed *armed_find(const struct armed_set *set, uint16_t id)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->at[i]->use.id == id)
            return set->at[i];
    return NULL;
}

void armed_free(struct armed *f)
{
    hook_use_close(&f->use);
    arena_release(&f->arena);
    free(f);
}

size_t armed_last_of(const struct proxy_agent *p)
{
    return p->first + p->endpoint_count - 1;
}

bool armed_is_ours(const struct proxy_agent *p, json_int_t number)
{
    return number >= p->first && (uint64_t)number <= armed_last_of(p);
}

static bool read_endpoints(const struct proxy_agent *p, struct armed *f, const json_t *list,
                           struct error *err)
{
    f->endpoints = ARENA_ARRAY(&f->arena, uint16_t, json_array_size(list) + 1);
    for (size_t i = 0; i < json_array_size(list) && i < p->endpoint_count; i++) {
        json_int_t number = json_integer_value(json_array_get(list, i));
        if (!armed_is_ours(p, number))
            return error_set(err, ERROR_PEER, "ARM: an endpoint is %lld; it must be %u to %zu",
                             (long long)number, p->first, armed_last_of(p));
        f->endpoints[f->endpoint_count++] = (uint16_t)number;
    }
    return f->endpoint_count > 0 || error_set(err, ERROR_PEER, "ARM: a fault without endpoints");
}

static void on_hook_line(void *cookie, uint16_t fault, const struct hook_line *line)
{
    const struct proxy_agent *p = cookie;
    struct recorder *recorder = p->agent->recorder;
    struct hook_record r = {.at = line->at_ns,
                            .source = recorder_name(recorder, bytes_of(line->source)),
                            .text = recorder_name(recorder, bytes_of(line->text)),
                            .count = line->count,
                            .fault = fault,
                            .level = line->level};
    recorder_emit(recorder, RECORD_HOOK, &r);
}

/* One state of the runtime for all of the fault's endpoints here. */
static bool open_hook(struct proxy_agent *p, struct armed *f, struct error *err)
{
    uint64_t most_ns = p->limits.delay_most_ns;
    struct hook_host host = {.begun_ns = p->begun_ns,
                             .hold_most_ns = most_ns != 0 ? most_ns : HOOK_HOLD_MOST_NS,
                             .service = p->agent->service,
                             .fault = f->use.id,
                             .report = on_hook_line,
                             .cookie = p};
    return hook_use_open(&f->use, p->agent->options->hooks, &host, err);
}

/* `on = "a -> b"`: only calls whose header names the caller. */
static void narrow_to_caller(struct armed *f, const char *from)
{
    if (from == NULL || f->use.match.from_count > 0 || f->use.stream == NULL)
        return;
    const char **froms = ARENA_ARRAY(&f->arena, const char *, 2);
    froms[0] = arena_strdup(&f->arena, from);
    f->use.match.froms = froms;
    f->use.match.from_count = 1;
}

static bool read_fault(struct proxy_agent *p, const json_t *from, struct armed **ret,
                       struct error *err)
{
    struct source nowhere = {0};
    const char *word = agent_need_text(json_object_get(from, "word"), "ARM: a fault's word", err);
    const json_t *keys = json_object_get(from, "keys");
    uint64_t id = control_number(from, "id"), ttl_ns = control_number(from, "ttl_ns");
    if (word == NULL)
        return false;
    if (id == 0 || id > UINT16_MAX || !json_is_object(keys) || ttl_ns == 0)
        return error_set(err, ERROR_PEER, "ARM: fault.%.40s has no id, no keys or no ttl", word);
    struct armed *f = check_alloc_zero(1, sizeof(*f));
    *ret = f;
    arena_init(&f->arena, USE_ARENA_BYTES);
    if (!fault_use_from_json(word, keys, nowhere, &f->arena, &f->use, err) ||
        !read_endpoints(p, f, json_object_get(from, "endpoints"), err))
        return false;
    f->use.id = (uint16_t)id;
    if (control_flag(from, "in_proxy") && !fault_use_in_proxy(&f->use))
        return error_set(err, ERROR_PEER, "ARM: fault.%.40s is none that a proxy plays", word);
    if (!open_hook(p, f, err))
        return false;
    f->seed = control_number(from, "seed");
    f->is_new = true;
    f->budget.left = f->use.common.times == PARAM_UNSET ? UINT64_MAX : f->use.common.times;
    uint64_t now_ns = loop_now_ns(p->agent->loop);
    if (ttl_ns > p->ttl_most_ns)
        ttl_ns = p->ttl_most_ns;
    f->expires_ns = ttl_ns < UINT64_MAX - now_ns ? now_ns + ttl_ns : UINT64_MAX;
    narrow_to_caller(f, json_string_value(json_object_get(from, "from")));
    return true;
}

static bool same_endpoints(const struct armed *f, const json_t *list)
{
    if (json_array_size(list) != f->endpoint_count)
        return false;
    for (size_t i = 0; i < f->endpoint_count; i++)
        if (json_integer_value(json_array_get(list, i)) != f->endpoints[i])
            return false;
    return true;
}

bool armed_read(struct proxy_agent *p, const json_t *list, struct armed_set *ret, struct error *err)
{
    size_t count = json_array_size(list);
    if (count > FAULTS_MOST)
        return error_set(err, ERROR_PEER, "ARM: %zu faults; at most %d are allowed", count,
                         FAULTS_MOST);
    ret->at = check_alloc_zero(count + 1, sizeof(*ret->at));
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(list, i);
        struct armed *known = armed_find(&p->set, (uint16_t)control_number(one, "id"));
        if (armed_find(ret, (uint16_t)control_number(one, "id")) != NULL)
            return error_set(err, ERROR_PEER, "ARM: two faults of one number");
        if (known != NULL && same_endpoints(known, json_object_get(one, "endpoints"))) {
            known->is_new = false;
            ret->at[ret->count++] = known;
            continue;
        }
        bool ok = read_fault(p, one, &ret->at[ret->count], err);
        ret->count += ret->at[ret->count] != NULL;
        if (!ok)
            return false;
    }
    return true;
}

void armed_drop(const struct proxy_agent *p, struct armed_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        bool shared = false;
        for (size_t k = 0; k < p->set.count; k++)
            shared = shared || p->set.at[k] == set->at[i];
        if (!shared)
            armed_free(set->at[i]);
    }
    free(set->at);
}
