#include "cli/netem_spec.h"

#include "base/text.h"

#include <arpa/inet.h>

#define KEYS_MOST 32
#define WORD_MOST_BYTES 400

/* "p:1%,r:20%" as the JSON of a map's row. */
static bool map_text(const char *name, const char *text, struct arena *arena, const char **ret,
                     struct error *err)
{
    char copy[WORD_MOST_BYTES], *save = NULL;
    json_t *map = json_object();
    bool ok = true;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *at = strtok_r(copy, ",", &save); at != NULL && ok; at = strtok_r(NULL, ",", &save)) {
        char *colon = strchr(at, ':');
        ok = colon != NULL && colon != at;
        if (!ok)
            break;
        *colon = '\0';
        ok = json_object_set_new(map, at, json_string(colon + 1)) == 0;
    }
    char *json = json_dumps(map, JSON_COMPACT);
    *ret = arena_strdup(arena, json == NULL ? "{}" : json);
    free(json);
    json_decref(map);
    return ok ||
           error_set(err, ERROR_USAGE, "netem: %s is \"%.60s\"; it must be such as %s", name, text,
                     strcmp(name, "slot") == 0    ? "min:1ms,max:2ms"
                     : strcmp(name, "state") == 0 ? "p13:1%,p31:50%"
                                                  : "p:1%,r:20%");
}

static bool unknown_key(const char *key, struct error *err)
{
    const char *names[KEYS_MOST];
    struct text list;
    size_t count = 0;
    text_init(&list, sizeof(err->text));
    for (size_t i = 0; i < fault_netem.param_count; i++) {
        if (strcmp(fault_netem.params[i].name, "scope") == 0)
            continue;
        INVARIANT(count < KEYS_MOST);
        names[count++] = fault_netem.params[i].name;
        text_add(&list, " %s", fault_netem.params[i].name);
    }
    const char *near = text_nearest(key, names, count);
    error_set(err, ERROR_USAGE, "netem has no \"%.30s\"%s%s%s; it has%s", key,
              near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
              near != NULL ? "\"?)" : "", text_get(&list));
    text_release(&list);
    return false;
}

static bool take_pair(const char *pair, void *params, struct arena *arena, uint64_t *seen,
                      struct error *err)
{
    char key[40];
    struct error why = {0};
    const char *equals = strchr(pair, '='), *value;
    if (equals == NULL || equals == pair || (size_t)(equals - pair) >= sizeof(key))
        return error_set(err, ERROR_USAGE,
                         "netem takes key=value such as delay=40ms, not \"%.60s\"", pair);
    snprintf(key, sizeof(key), "%.*s", (int)(equals - pair), pair);
    if (strcmp(key, "scope") == 0)
        return error_set(err, ERROR_USAGE,
                         "netem add takes no scope: all packets, or those of --peer and --local");
    const struct param *row = param_find(fault_netem.params, fault_netem.param_count, key);
    if (row == NULL)
        return unknown_key(key, err);
    uint64_t bit = UINT64_C(1) << (row - fault_netem.params);
    if ((*seen & bit) != 0)
        return error_set(err, ERROR_USAGE, "netem: %s is given twice", key);
    *seen |= bit;
    value = equals + 1;
    if (row->unit == UNIT_MAP && !map_text(key, value, arena, &value, err))
        return false;
    return param_parse(row, value, params, arena, &why) ||
           error_set(err, ERROR_USAGE, "netem: %s %s", key, why.text);
}

bool netem_spec_parse(const char *const *words, size_t count, struct arena *arena,
                      struct fault_netem *ret, struct error *err)
{
    uint64_t seen = 0;
    struct error why = {0};
    void *params = arena_take(arena, fault_netem.params_bytes);
    param_defaults(fault_netem.params, fault_netem.param_count, params, arena);
    for (size_t i = 0; i < count; i++) {
        char copy[WORD_MOST_BYTES], *save = NULL;
        if (strlen(words[i]) >= sizeof(copy))
            return error_set(err, ERROR_USAGE, "netem: more than the %d bytes allowed in a word",
                             WORD_MOST_BYTES);
        snprintf(copy, sizeof(copy), "%s", words[i]);
        for (char *at = strtok_r(copy, " \t", &save); at != NULL; at = strtok_r(NULL, " \t", &save))
            if (!take_pair(at, params, arena, &seen, err))
                return false;
    }
    if (!fault_netem_read(params, NULL, ret, &why))
        return error_set(err, ERROR_USAGE, "netem: %s", why.text);
    ret->device = true;
    return netem_check(&ret->netem, &(struct netem_scope){.device = true}, err);
}

struct end {
    uint8_t family, address[16]; /* family 0: any address */
    uint16_t port;
};

static bool bad_end(const char *option, const char *text, struct error *err)
{
    return error_set(err, ERROR_USAGE,
                     "--%s is \"%.60s\"; it must be an address, a port, or both: 10.0.0.2:80, "
                     "[fd00::2]:80, :80",
                     option, text);
}

static bool parse_end(const char *option, const char *text, struct end *ret, struct error *err)
{
    char host[INET6_ADDRSTRLEN + 2];
    uint64_t port = 0;
    const char *close = text[0] == '[' ? strchr(text, ']') : NULL;
    const char *colon = strrchr(close != NULL ? close : text, ':');
    bool bare_six = close == NULL && colon != NULL && strchr(text, ':') != colon;
    size_t len = close != NULL                ? (size_t)(close - text) - 1
                 : colon != NULL && !bare_six ? (size_t)(colon - text)
                                              : strlen(text);
    if (len >= sizeof(host) || (close != NULL && close[1] != '\0' && colon != close + 1))
        return bad_end(option, text, err);
    snprintf(host, sizeof(host), "%.*s", (int)len, text + (close != NULL));
    *ret = (struct end){0};
    if (colon != NULL && !bare_six &&
        (!bytes_to_u64(bytes_of(colon + 1), &port) || port == 0 || port > UINT16_MAX))
        return bad_end(option, text, err);
    ret->port = (uint16_t)port;
    if (inet_pton(AF_INET, host, ret->address) == 1)
        ret->family = AF_INET;
    else if (inet_pton(AF_INET6, host, ret->address) == 1)
        ret->family = AF_INET6;
    else if (host[0] != '\0' || port == 0)
        return bad_end(option, text, err);
    return true;
}

static bool add_flow(struct netem_scope *s, const struct end *peer, const struct end *local,
                     uint8_t family, const char *protocol, struct error *err)
{
    if (s->flow_count == NETEM_FLOWS_MOST)
        return error_set(err, ERROR_USAGE, "--peer and --local make more than the %d flows allowed",
                         NETEM_FLOWS_MOST);
    struct netem_flow *f = &s->flows[s->flow_count++];
    bool ported = peer->port != 0 || local->port != 0;
    *f = (struct netem_flow){.family = family,
                             .has_local = local->family != 0,
                             .has_peer = peer->family != 0,
                             .local_port = local->port,
                             .peer_port = peer->port};
    memcpy(f->local, local->address, sizeof(f->local));
    memcpy(f->peer, peer->address, sizeof(f->peer));
    if (protocol == NULL)
        protocol = ported ? "tcp" : "any";
    f->protocol = strcmp(protocol, "tcp") == 0   ? IPPROTO_TCP
                  : strcmp(protocol, "udp") == 0 ? IPPROTO_UDP
                                                 : 0;
    return true;
}

/* A port alone is of both families. */
static bool add_flows(struct netem_scope *s, const struct end *peer, const struct end *local,
                      const char *protocol, struct error *err)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    if (peer->family != 0 && local->family != 0 && peer->family != local->family)
        return error_set(err, ERROR_USAGE, "--peer and --local are of two families, IPv4 and IPv6");
    uint8_t known = peer->family != 0 ? peer->family : local->family;
    if (known != 0)
        return add_flow(s, peer, local, known, protocol, err);
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        if (!add_flow(s, peer, local, families[i], protocol, err))
            return false;
    }
    return true;
}

bool netem_spec_scope(const char *const *peers, size_t peer_count, const char *const *locals,
                      size_t local_count, const char *protocol, struct netem_scope *ret,
                      struct error *err)
{
    *ret = (struct netem_scope){.device = peer_count == 0 && local_count == 0};
    if (ret->device && protocol != NULL)
        return error_set(err, ERROR_USAGE, "--protocol is of --peer and --local");
    for (size_t i = 0; i < (peer_count == 0 ? 1 : peer_count) && !ret->device; i++) {
        struct end peer = {0};
        if (peer_count > 0 && !parse_end("peer", peers[i], &peer, err))
            return false;
        for (size_t k = 0; k < (local_count == 0 ? 1 : local_count); k++) {
            struct end local = {0};
            if ((local_count > 0 && !parse_end("local", locals[k], &local, err)) ||
                !add_flows(ret, &peer, &local, protocol, err))
                return false;
        }
    }
    return netem_check(&(struct netem){.loss_ppm = 1}, ret, err);
}
