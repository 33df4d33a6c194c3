#include "standalone/proxy_spec.h"

#include "faults/hook.h"

#include "base/text.h"
#include "net/socket.h"
#include "standalone/proxy_set.h"
#include "standalone/toxi_list.h"

#include <ctype.h>
#include <stdlib.h>

#define SPEC_ARENA_BYTES ((size_t)256 * 1024)
#define FAULT_ARENA_BYTES ((size_t)4 * 1024 * 1024)
#define FAULT_JSON_MOST_BYTES ((size_t)64 * 1024)

static const struct protocol_word {
    const char *word;
    enum proxy_protocol protocol;
} protocols[] = {{"http", PROXY_HTTP},
                 {"http1", PROXY_HTTP1},
                 {"http2", PROXY_HTTP2},
                 {"tcp", PROXY_TCP},
                 {"toxic", PROXY_TOXIC}};

const char *proxy_spec_protocol(enum proxy_protocol protocol)
{
    for (size_t i = 0; i < COUNT_OF(protocols); i++)
        if (protocols[i].protocol == protocol)
            return protocols[i].word;
    UNREACHABLE();
}

void armed_release(struct armed *f)
{
    if (f == NULL || --f->holders > 0)
        return;
    json_decref(f->keys);
    hook_use_close(&f->use);
    arena_release(&f->arena);
    free(f);
}

/* Keys that only a suite has: a fault of a proxy is on that proxy. */
static bool refuse_key(const char *word, const char *key, struct error *err)
{
    static const char *const keys[] = {"on", "mode", "to_end_of"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return error_set(err, ERROR_INPUT,
                             "fault.%s: %s is a key of suites; here a fault is on its proxy", word,
                             key);
    return true;
}

/* What a run does to processes and devices, with a ledger that undoes it. */
static bool check_world(const struct fault_use *use, struct error *err)
{
    return use->type->world == WORLD_NONE ||
           error_set(err, ERROR_USAGE, "fault.%s is for suites: it acts outside of the proxy",
                     use->type->name);
}

/* What one worker alone cannot know (scenario-language.md 6, `proxy`). */
static bool check_workers(const struct fault_use *use, unsigned workers, struct error *err)
{
    const char *key = use->common.first != PARAM_UNSET    ? "first"
                      : use->common.times != PARAM_UNSET  ? "times"
                      : use->common.streak != PARAM_UNSET ? "streak"
                      : use->match.attempt_least != 0     ? "match.attempt"
                                                          : NULL;
    if (workers <= 1 || key == NULL)
        return true;
    return error_set(err, ERROR_INPUT,
                     "fault.%s: %s is refused with %u workers: workers share no counter",
                     use->type->name, key, workers);
}

static bool fill_fault(struct armed *f, const json_t *from, unsigned workers, struct error *err)
{
    const char *word = json_string_value(json_object_get(from, "word")), *key;
    const json_t *id = json_object_get(from, "id");
    json_t *value;
    struct source nowhere = {0};
    if (word == NULL)
        return error_set(err, ERROR_INPUT,
                         "a fault needs word, such as {\"word\": \"abort\", \"status\": 503}");
    if (id != NULL &&
        (!json_is_integer(id) || json_integer_value(id) < 1 || json_integer_value(id) > UINT16_MAX))
        return error_set(err, ERROR_INPUT, "fault.%.30s: id must be a count from 1 to %d", word,
                         UINT16_MAX);
    if (json_dumpb(from, NULL, 0, JSON_COMPACT) > FAULT_JSON_MOST_BYTES)
        return error_set(err, ERROR_LIMIT,
                         "fault.%.30s: more than the %zu bytes allowed of one fault", word,
                         FAULT_JSON_MOST_BYTES);
    f->keys = json_object();
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        if (!refuse_key(word, key, err))
            return false;
        if (strcmp(key, "id") != 0 && strcmp(key, "fired") != 0 && strcmp(key, "text") != 0)
            json_object_set(f->keys, key, value); /* the latter two we give, and take back unread */
    }
    json_t *own = json_copy(f->keys);
    json_object_del(own, "word");
    bool ok = fault_use_from_json(word, own, nowhere, &f->arena, &f->use, err) &&
              check_world(&f->use, err) && check_workers(&f->use, workers, err);
    json_decref(own);
    f->id = (uint16_t)json_integer_value(id);
    f->budget.left = ok && f->use.common.times != PARAM_UNSET ? f->use.common.times : UINT64_MAX;
    return ok;
}

struct armed *proxy_spec_read_fault(const json_t *from, unsigned workers, struct error *err)
{
    struct armed *f = check_alloc_zero(1, sizeof(*f));
    arena_init(&f->arena, FAULT_ARENA_BYTES);
    f->is_new = true;
    f->holders = 1;
    if (!json_is_object(from))
        error_set(err, ERROR_INPUT, "a fault must be an object with word and its keys");
    else if (fill_fault(f, from, workers, err))
        return f;
    armed_release(f);
    return NULL;
}

static bool read_faults(struct proxy_spec *s, const json_t *list, unsigned workers,
                        struct error *err)
{
    size_t count = json_array_size(list);
    if (list != NULL && !json_is_array(list))
        return error_set(err, ERROR_INPUT, "proxy \"%s\": faults must be a list", s->name);
    if (count > CHAIN_SLOTS_MOST)
        return error_set(err, ERROR_LIMIT, "proxy \"%s\": %zu faults, more than the %d allowed",
                         s->name, count, CHAIN_SLOTS_MOST);
    for (size_t i = 0; i < count; i++) {
        struct armed *f = proxy_spec_read_fault(json_array_get(list, i), workers, err);
        if (f == NULL)
            return false;
        for (size_t k = 0; k < s->fault_count; k++)
            if (f->id != 0 && s->faults[k]->id == f->id) {
                armed_release(f);
                return error_set(err, ERROR_INPUT, "proxy \"%s\": two faults of id %u", s->name,
                                 s->faults[k]->id);
            }
        s->faults[s->fault_count++] = f;
    }
    return true;
}

/* A name goes into paths of the REST interface, labels of metrics and lines of logs. */
static bool check_name(const char *name, size_t len, struct error *err)
{
    bool ok = len > 0 && len <= PROXY_SET_NAME_MOST && strlen(name) == len &&
              strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    for (const char *p = name; ok && *p != '\0'; p++)
        ok = (unsigned char)*p >= ' ' && *p != 0x7f && *p != '/';
    return ok || error_set(err, ERROR_INPUT,
                           "a proxy's name must be 1 to %d bytes without control characters and "
                           "without \"/\"",
                           PROXY_SET_NAME_MOST);
}

/* "localhost" is the one name that needs no resolver. */
static const char *read_address(struct proxy_spec *s, const json_t *from, const char *key,
                                const char *fallback, struct error *err)
{
    const json_t *value = json_object_get(from, key);
    const char *text = value == NULL ? fallback : json_string_value(value);
    struct socket_address address;
    if (text == NULL) {
        error_set(err, ERROR_INPUT, "proxy \"%s\" needs %s, an address such as \"127.0.0.1:9000\"",
                  s->name, key);
        return NULL;
    }
    if (strncmp(text, "localhost:", 10) == 0)
        text = arena_printf(&s->arena, "127.0.0.1:%.10s", text + 10);
    if (!socket_parse(text, &address, err)) {
        error_prefix(err, "proxy \"%s\": %s: ", s->name, key);
        return NULL;
    }
    return arena_strdup(&s->arena, text);
}

static bool read_protocol(struct proxy_spec *s, const json_t *value, struct error *err)
{
    const char *word = value == NULL ? "http" : json_string_value(value);
    for (size_t i = 0; word != NULL && i < COUNT_OF(protocols); i++)
        if (strcmp(protocols[i].word, word) == 0) {
            s->protocol = protocols[i].protocol;
            return true;
        }
    return error_set(err, ERROR_INPUT,
                     "proxy \"%s\": protocol is \"%.30s\"; it is one of http, http1, http2, tcp, "
                     "toxic",
                     s->name, word == NULL ? "?" : word);
}

static bool known_keys(const struct proxy_spec *s, const json_t *from, struct error *err)
{
    static const char *const keys[] = {"name",   "listen", "to",  "protocol", "enabled",
                                       "faults", "toxics", "tls", "to_tls"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(keys); i++)
            known = known || strcmp(keys[i], key) == 0;
        if (known)
            continue;
        const char *near = text_nearest(key, keys, COUNT_OF(keys));
        return error_set(err, ERROR_INPUT,
                         "proxy \"%s\" has no key \"%.30s\"%s%s%s; it has name, listen, to, "
                         "protocol, enabled, faults, toxics, tls, to_tls",
                         s->name, key, near != NULL ? " (did you mean \"" : "",
                         near != NULL ? near : "", near != NULL ? "\"?)" : "");
    }
    return true;
}

/* A proxy has one or the other: toxics act on what is open, faults on tries. */
static bool read_toxics(struct proxy_spec *s, json_t *list, struct error *err)
{
    struct toxic_list *read;
    uint32_t last = 0;
    if (s->protocol == PROXY_TOXIC && s->fault_count > 0)
        return error_set(err, ERROR_INPUT, "proxy \"%s\": protocol toxic takes toxics, not faults",
                         s->name);
    if (s->protocol != PROXY_TOXIC && json_array_size(list) > 0)
        return error_set(err, ERROR_INPUT, "proxy \"%s\": toxics need protocol toxic, and it is %s",
                         s->name, proxy_spec_protocol(s->protocol));
    if (list == NULL)
        return true;
    if (!toxi_list_read(list, NULL, &last, &read, err)) {
        error_prefix(err, "proxy \"%s\": ", s->name);
        return false;
    }
    toxic_list_release(read);
    s->toxics = json_incref(list);
    return true;
}

static bool read_tls(struct proxy_spec *s, const json_t *from, struct error *err)
{
    const struct fault_use *uses[CHAIN_SLOTS_MOST];
    bool any = json_object_get(from, "tls") != NULL || json_object_get(from, "to_tls") != NULL;
    if (s->protocol == PROXY_TOXIC && any)
        return error_set(err, ERROR_INPUT, "proxy \"%s\": protocol toxic has no TLS", s->name);
    for (size_t i = 0; i < s->fault_count; i++)
        uses[i] = &s->faults[i]->use;
    if (proxy_tls_read(from, uses, s->fault_count, &s->tls, err))
        return true;
    error_prefix(err, "proxy \"%s\": ", s->name);
    return false;
}

bool proxy_spec_read(const json_t *from, unsigned workers, struct proxy_spec *ret,
                     struct error *err)
{
    const json_t *name = json_object_get(from, "name"), *enabled = json_object_get(from, "enabled");
    *ret = (struct proxy_spec){.enabled = true};
    arena_init(&ret->arena, SPEC_ARENA_BYTES);
    if (!json_is_object(from) || !json_is_string(name))
        return error_set(err, ERROR_INPUT, "a proxy must be an object with name, a text");
    if (!check_name(json_string_value(name), json_string_length(name), err))
        return false;
    ret->name = arena_strdup(&ret->arena, json_string_value(name));
    if (enabled != NULL && !json_is_boolean(enabled))
        return error_set(err, ERROR_INPUT, "proxy \"%s\": enabled must be true or false",
                         ret->name);
    ret->enabled = enabled == NULL || json_is_true(enabled);
    ret->listen = read_address(ret, from, "listen", "127.0.0.1:0", err);
    ret->to = ret->listen == NULL ? NULL : read_address(ret, from, "to", NULL, err);
    return ret->to != NULL && known_keys(ret, from, err) &&
           read_protocol(ret, json_object_get(from, "protocol"), err) &&
           read_faults(ret, json_object_get(from, "faults"), workers, err) &&
           read_toxics(ret, json_object_get(from, "toxics"), err) && read_tls(ret, from, err);
}

void proxy_spec_release(struct proxy_spec *s)
{
    for (size_t i = 0; i < s->fault_count; i++)
        armed_release(s->faults[i]);
    arena_release(&s->arena);
    json_decref(s->toxics);
    proxy_tls_release(&s->tls);
    *s = (struct proxy_spec){0};
}
