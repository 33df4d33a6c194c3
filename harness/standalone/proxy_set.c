#include "standalone/proxy_set.h"

#include "standalone/proxy_entry.h"

#include <stdlib.h>
#include <unistd.h>

/* A change on its way: what it asks for, and what was opened for it. */
struct staged {
    struct proxy_spec spec;
    struct entry *entry;
    bool is_new, opens,
        in_place; /* in_place: the address is its own, so the old one closes first */
    struct proxy *proxy;
    int fd;
    char *bound;
};

static void on_drain_done(struct loop_task *t)
{
    proxy_set_settle(
        (struct proxy_set *)(void *)((char *)t - offsetof(struct proxy_set, drain_done)));
}

struct proxy_set *proxy_set_new(struct loop *loop, const struct proxy_set_config *config)
{
    struct proxy_set *s = check_alloc_zero(1, sizeof(*s));
    s->loop = loop;
    s->config = *config;
    s->drain_done.run = on_drain_done;
    s->begun_ns = loop_now_ns(loop);
    return s;
}

void proxy_set_free(struct proxy_set *s)
{
    if (s == NULL)
        return;
    loop_task_cancel(s->loop, &s->drain_done);
    s->on_drained = NULL;
    for (struct entry *e = s->first; e != NULL; e = e->next)
        entry_close(e, 0, true);
    while (s->leaving != NULL) {
        loop_task_cancel(s->loop, &s->leaving->drained);
        leaving_free(s->leaving);
    }
    for (struct entry *e = s->first, *next; e != NULL; e = next) {
        next = e->next;
        entry_free(e);
    }
    free(s);
}

struct entry *proxy_set_find(const struct proxy_set *s, const char *name)
{
    for (struct entry *e = s->first; e != NULL; e = e->next)
        if (strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

bool proxy_set_has(const struct proxy_set *s, const char *name)
{
    return proxy_set_find(s, name) != NULL;
}

static struct entry *fault_owner(const struct proxy_set *s, uint16_t id)
{
    for (struct entry *e = s->first; e != NULL; e = e->next)
        for (size_t i = 0; i < e->fault_count; i++)
            if (e->faults[i]->id == id)
                return e;
    return NULL;
}

static bool number_taken(const struct proxy_set *s, uint16_t number)
{
    for (struct entry *e = s->first; e != NULL; e = e->next)
        for (size_t i = 0; i < e->fault_count; i++)
            if (e->faults[i]->id == number || e->faults[i]->use.id == number)
                return true;
    return false;
}

/* In turn, so that one that is gone is not met again for long. */
static uint16_t fault_number(struct proxy_set *s)
{
    do {
        s->last_fault = s->last_fault == UINT16_MAX ? 1 : (uint16_t)(s->last_fault + 1);
    } while (number_taken(s, s->last_fault));
    return s->last_fault;
}

/* Endpoint numbers in the records: none of them is used twice while both could be seen. */
static uint16_t endpoint_number(struct proxy_set *s)
{
    bool taken = true;
    while (taken) {
        s->last_number = s->last_number == UINT16_MAX ? 1 : (uint16_t)(s->last_number + 1);
        taken = false;
        for (const struct entry *e = s->first; e != NULL; e = e->next)
            taken = taken || e->number == s->last_number;
    }
    return s->last_number;
}

static bool is_open(const struct entry *e)
{
    return e->proxy != NULL || e->reserved_fd >= 0;
}

static bool names(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (one != NULL && strcmp(one, name) == 0)
            return true;
    }
    return false;
}

/* Is the address one that becomes free with the proxies that ${list} lacks? A proxy was renamed. */
static bool gets_free(const struct proxy_set *s, const char *address, const json_t *list)
{
    for (const struct entry *e = s->first; e != NULL; e = e->next)
        if (is_open(e) && strcmp(e->bound, address) == 0 && !names(list, e->name))
            return true;
    return false;
}

/* Everything that can fail is tried before anything changes. ${whole}: what is not in it goes; may
 * be NULL. */
static bool stage(struct proxy_set *s, const json_t *from, const json_t *whole, struct staged *ret,
                  struct error *err)
{
    ret->fd = -1;
    if (!proxy_spec_read(from, s->config.workers, &ret->spec, err))
        return false;
    const struct proxy_spec *spec = &ret->spec;
    struct entry *e = proxy_set_find(s, spec->name);
    for (size_t i = 0; i < spec->fault_count; i++) {
        uint16_t id = spec->faults[i]->id;
        struct entry *owner = id == 0 ? NULL : fault_owner(s, id);
        if (owner != NULL && owner != e)
            return error_set(err, ERROR_INPUT, "proxy \"%s\": fault %u is one of proxy \"%s\"",
                             spec->name, id, owner->name);
        if (!proxy_hook_open(s, spec->name, spec->faults[i], err))
            return false;
    }
    ret->is_new = e == NULL;
    ret->entry = e = e == NULL ? entry_new(s, spec) : e;
    if (ret->is_new)
        e->number = endpoint_number(s);
    bool same_place = !ret->is_new &&
                      (strcmp(spec->listen, e->asked) == 0 || strcmp(spec->listen, e->bound) == 0);
    bool same = same_place && strcmp(spec->to, e->to) == 0 && spec->protocol == e->protocol &&
                proxy_tls_same_keys(&spec->tls, &e->tls);
    ret->opens = spec->enabled && !(same && is_open(e));
    ret->in_place = ret->opens && ((same_place && is_open(e)) ||
                                   (whole != NULL && gets_free(s, spec->listen, whole)));
    if (!ret->opens || ret->in_place)
        return true;
    return entry_open(e, spec, same_place ? e->bound : spec->listen, false, &ret->proxy, &ret->fd,
                      &ret->bound, err);
}

static void unstage(struct proxy_set *s, struct staged *t)
{
    if (t->proxy != NULL) /* its hold on the stats goes with it */
        leaving_add(s, t->proxy, t->entry->stats, NULL, 0);
    if (t->fd >= 0)
        close(t->fd);
    free(t->bound);
    if (t->is_new && t->entry != NULL)
        entry_free(t->entry);
    proxy_spec_release(&t->spec);
}

static void replace_text(char **at, const char *with)
{
    char *copy = check_strdup(with);
    free(*at);
    *at = copy;
}

/* The faults that stay are those of equal id, or without an id of equal keys. */
static size_t choose_faults(struct proxy_set *s, struct entry *e, struct proxy_spec *spec,
                            struct armed **ret)
{
    bool used[CHAIN_SLOTS_MOST] = {false};
    for (size_t i = 0; i < spec->fault_count; i++) {
        struct armed *f = spec->faults[i];
        ret[i] = NULL;
        for (size_t k = 0; k < e->fault_count && ret[i] == NULL; k++) {
            bool id_fits = f->id == 0 || f->id == e->faults[k]->id;
            if (used[k] || !id_fits || !json_equal(f->keys, e->faults[k]->keys))
                continue;
            used[k] = true;
            ret[i] = e->faults[k];
            armed_release(f);
        }
        if (ret[i] != NULL)
            continue;
        ret[i] = f;
        struct entry *owner = f->id == 0 ? NULL : fault_owner(s, f->id);
        if (f->id == 0 || (owner != NULL && owner != e))
            f->id = fault_number(s);
        /* Holds and counts go by the number in the records: what is put anew has a new one. */
        f->use.id = number_taken(s, f->id) ? fault_number(s) : f->id;
    }
    size_t count = spec->fault_count;
    spec->fault_count = 0;
    return count;
}

static void link_entry(struct proxy_set *s, struct entry *e)
{
    if (s->last == NULL)
        s->first = e;
    else
        s->last->next = e;
    s->last = e;
    s->count++;
}

static bool commit(struct proxy_set *s, struct staged *t, struct error *err)
{
    struct entry *e = t->entry;
    struct armed *faults[CHAIN_SLOTS_MOST];
    bool ok = true;
    bool own_place = !t->is_new && (strcmp(t->spec.listen, e->asked) == 0 ||
                                    strcmp(t->spec.listen, e->bound) == 0);
    if (t->is_new)
        link_entry(s, e);
    t->is_new = false;
    if (t->opens || !t->spec.enabled)
        entry_close(e, t->spec.enabled ? s->config.drain_ns : 0, false);
    if (t->in_place)
        ok = entry_open(e, &t->spec, own_place ? e->bound : t->spec.listen, true, &t->proxy, &t->fd,
                        &t->bound, err);
    replace_text(&e->asked, t->spec.listen);
    if (t->bound != NULL)
        replace_text(&e->bound, t->bound);
    else if (e->bound == NULL ||
             (!t->opens && !is_open(e) && strcmp(e->bound, t->spec.listen) != 0))
        replace_text(&e->bound, t->spec.listen);
    replace_text(&e->to, t->spec.to);
    e->protocol = t->spec.protocol;
    e->enabled = t->spec.enabled && ok;
    if (t->opens) {
        e->proxy = t->proxy;
        e->reserved_fd = t->fd;
        t->proxy = NULL;
        t->fd = -1;
        ok = entry_arm_again(e, err) && ok;
    }
    entry_set_tls(e, &t->spec.tls, t->opens);
    if (t->opens)
        entry_note_opened(e);
    if (e->protocol == PROXY_TOXIC || e->toxics != NULL)
        entry_set_toxics(e, t->spec.toxics);
    size_t count = choose_faults(s, e, &t->spec, faults);
    return entry_arm(e, faults, count, err) && ok;
}

static void drop(struct proxy_set *s, struct entry *e)
{
    struct entry *before = NULL;
    for (struct entry *at = s->first; at != e; at = at->next)
        before = at;
    if (before == NULL)
        s->first = e->next;
    else
        before->next = e->next;
    if (s->last == e)
        s->last = before;
    s->count--;
    entry_close(e, s->config.drain_ns, true);
    entry_free(e);
}

static void drop_missing(struct proxy_set *s, const struct staged *staged, size_t count)
{
    for (struct entry *e = s->first, *next; e != NULL; e = next) {
        bool there = false;
        next = e->next;
        for (size_t i = 0; i < count; i++)
            there = there || staged[i].entry == e;
        if (!there)
            drop(s, e);
    }
}

static bool tell_workers(struct proxy_set *s, const struct staged *staged, size_t count,
                         bool remove_missing, struct error *err)
{
    if (s->config.remote == NULL)
        return true;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, entry_describe(staged[i].entry));
    json_t *order =
        json_pack("{so ss}", "replace", list, "missing", remove_missing ? "remove" : "keep");
    bool ok = s->config.remote->apply(s->config.remote->cookie, order, err);
    json_decref(order);
    return ok;
}

static bool stage_all(struct proxy_set *s, const json_t *list, bool remove_missing,
                      struct staged *staged, struct error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!stage(s, json_array_get(list, i), remove_missing ? list : NULL, &staged[i], err))
            return false;
        for (size_t k = 0; k < i; k++)
            if (strcmp(staged[k].spec.name, staged[i].spec.name) == 0)
                return error_set(err, ERROR_INPUT, "two proxies are named \"%s\"",
                                 staged[i].spec.name);
    }
    return true;
}

bool proxy_set_replace(struct proxy_set *s, const json_t *list, bool remove_missing,
                       struct error *err)
{
    size_t count = json_array_size(list), total = count + (remove_missing ? 0 : s->count);
    if (!json_is_array(list))
        return error_set(err, ERROR_INPUT, "proxies must be a list");
    if (s->draining)
        return error_set(err, ERROR_SYSTEM, "the proxies are being drained");
    for (size_t i = 0; i < count && !remove_missing; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));
        total -= name != NULL && proxy_set_has(s, name);
    }
    if (total > PROXY_SET_MOST)
        return error_set(err, ERROR_LIMIT, "%zu proxies, more than the %d allowed", total,
                         PROXY_SET_MOST);
    struct staged *staged = check_alloc_zero(count + 1, sizeof(*staged));
    bool ok = stage_all(s, list, remove_missing, staged, err);
    if (ok && remove_missing)
        drop_missing(s, staged, count);
    for (size_t i = 0; ok && i < count; i++)
        ok = commit(s, &staged[i], err);
    if (ok)
        ok = tell_workers(s, staged, count, remove_missing, err);
    for (size_t i = 0; i < count && staged[i].spec.arena.max_bytes != 0; i++)
        unstage(s, &staged[i]);
    free(staged);
    return ok;
}

bool proxy_set_put(struct proxy_set *s, const json_t *proxy, struct error *err)
{
    json_t *list = json_array();
    json_array_append(list, (json_t *)(uintptr_t)proxy);
    bool ok = proxy_set_replace(s, list, false, err);
    json_decref(list);
    return ok;
}

static struct entry *need(const struct proxy_set *s, const char *name, struct error *err)
{
    struct entry *e = proxy_set_find(s, name);
    if (e == NULL)
        error_set(err, ERROR_INPUT, "there is no proxy \"%.100s\"", name);
    return e;
}

bool proxy_set_remove(struct proxy_set *s, const char *name, struct error *err)
{
    struct entry *e = need(s, name, err);
    bool ok = e != NULL;
    if (ok && s->config.remote != NULL) {
        json_t *order = json_pack("{ss}", "remove", name);
        ok = s->config.remote->apply(s->config.remote->cookie, order, err);
        json_decref(order);
    }
    if (ok)
        drop(s, e);
    return ok;
}

/* Changes are made on what the proxy looks like, then put. */
static bool put_take(struct proxy_set *s, json_t *take_proxy, struct error *err)
{
    bool ok = proxy_set_put(s, take_proxy, err);
    json_decref(take_proxy);
    return ok;
}

bool proxy_set_enable(struct proxy_set *s, const char *name, bool enabled, struct error *err)
{
    struct entry *e = need(s, name, err);
    if (e == NULL)
        return false;
    json_t *proxy = entry_describe(e);
    json_object_set_new(proxy, "enabled", json_boolean(enabled));
    return put_take(s, proxy, err);
}

static size_t index_of(const json_t *faults, uint16_t id)
{
    size_t i = 0;
    while (i < json_array_size(faults) &&
           json_integer_value(json_object_get(json_array_get(faults, i), "id")) != id)
        i++;
    return i;
}

static bool no_fault(const char *name, uint16_t id, struct error *err)
{
    return error_set(err, ERROR_INPUT, "proxy \"%.100s\" has no fault %u", name, id);
}

bool proxy_set_arm(struct proxy_set *s, const char *name, const json_t *fault, uint16_t *ret_id,
                   struct error *err)
{
    struct entry *e = need(s, name, err);
    if (e == NULL)
        return false;
    json_t *proxy = entry_describe(e);
    json_array_append(json_object_get(proxy, "faults"), (json_t *)(uintptr_t)fault);
    if (!put_take(s, proxy, err))
        return false;
    if (ret_id != NULL && e->fault_count > 0)
        *ret_id = e->faults[e->fault_count - 1]->id;
    return true;
}

bool proxy_set_rearm(struct proxy_set *s, const char *name, uint16_t id, const json_t *fault,
                     struct error *err)
{
    struct entry *e = need(s, name, err);
    if (e == NULL)
        return false;
    if (!json_is_object(fault))
        return error_set(err, ERROR_INPUT, "a fault must be an object with word and its keys");
    json_t *proxy = entry_describe(e), *faults = json_object_get(proxy, "faults");
    size_t at = index_of(faults, id);
    if (at == json_array_size(faults)) {
        json_decref(proxy);
        return no_fault(name, id, err);
    }
    json_t *one = json_copy((json_t *)(uintptr_t)fault);
    json_object_set_new(one, "id", json_integer(id));
    json_array_set_new(faults, at, one);
    return put_take(s, proxy, err);
}

bool proxy_set_disarm(struct proxy_set *s, const char *name, uint16_t id, struct error *err)
{
    struct entry *e = need(s, name, err);
    if (e == NULL)
        return false;
    json_t *proxy = entry_describe(e), *faults = json_object_get(proxy, "faults");
    size_t at = index_of(faults, id);
    if (id == 0) {
        json_array_clear(faults);
    } else if (at == json_array_size(faults)) {
        json_decref(proxy);
        return no_fault(name, id, err);
    } else {
        json_array_remove(faults, at);
    }
    return put_take(s, proxy, err);
}

bool proxy_set_reset(struct proxy_set *s, struct error *err)
{
    json_t *all = json_array();
    for (struct entry *e = s->first; e != NULL; e = e->next) {
        json_t *proxy = entry_describe(e);
        json_object_set_new(proxy, "enabled", json_true());
        json_array_clear(json_object_get(proxy, "faults"));
        json_object_del(proxy, "toxics");
        json_array_append_new(all, proxy);
    }
    bool ok = proxy_set_replace(s, all, false, err);
    json_decref(all);
    return ok;
}

json_t *proxy_set_stats(struct proxy_set *s)
{
    if (s->config.remote != NULL)
        return s->config.remote->collect(s->config.remote->cookie);
    json_t *proxies = json_object();
    uint64_t kept = s->config.recorder == NULL ? s->total_attempts
                                               : recorder_count(s->config.recorder, RECORD_ATTEMPT);
    for (struct entry *e = s->first; e != NULL; e = e->next)
        json_object_set_new(proxies, e->name, entry_stats(e));
    return json_pack("{so s{sI sI}}", "proxies", proxies, "process", "records",
                     (json_int_t)s->total_attempts, "lost", (json_int_t)(s->total_attempts - kept));
}

/* What users see beside what they wrote. */
static json_t *describe(const struct entry *e, const json_t *stats)
{
    json_t *proxy = entry_describe(e), *fault;
    const json_t *by =
        json_object_get(json_object_get(json_object_get(stats, "proxies"), e->name), "fired_by");
    char key[12], text[128];
    size_t i;
    json_array_foreach(json_object_get(proxy, "faults"), i, fault)
    {
        uint16_t id = (uint16_t)json_integer_value(json_object_get(fault, "id"));
        snprintf(key, sizeof(key), "%u", id);
        for (size_t k = 0; k < e->fault_count; k++)
            if (e->faults[k]->id == id)
                fault_use_print(&e->faults[k]->use, text, sizeof(text));
        json_object_set_new(fault, "text", json_string(text));
        json_object_set_new(fault, "fired",
                            json_integer(json_integer_value(json_object_get(by, key))));
    }
    return proxy;
}

json_t *proxy_set_describe(struct proxy_set *s, const char *name)
{
    struct entry *e = proxy_set_find(s, name);
    if (e == NULL)
        return NULL;
    json_t *stats = proxy_set_stats(s), *proxy = describe(e, stats);
    json_decref(stats);
    return proxy;
}

json_t *proxy_set_list(struct proxy_set *s)
{
    json_t *stats = proxy_set_stats(s), *all = json_array();
    for (struct entry *e = s->first; e != NULL; e = e->next)
        json_array_append_new(all, describe(e, stats));
    json_decref(stats);
    return all;
}

void proxy_set_settle(struct proxy_set *s)
{
    void (*done)(void *cookie) = s->on_drained;
    if (!s->draining || s->leaving != NULL || done == NULL)
        return;
    s->on_drained = NULL;
    done(s->drain_cookie);
}

void proxy_set_drain(struct proxy_set *s, uint64_t within_ns, void (*on_done)(void *cookie),
                     void *cookie)
{
    s->draining = true;
    s->on_drained = on_done;
    s->drain_cookie = cookie;
    for (struct entry *e = s->first; e != NULL; e = e->next)
        entry_close(e, within_ns, true);
    loop_again(s->loop, &s->drain_done);
}
