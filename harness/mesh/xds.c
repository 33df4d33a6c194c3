#include "mesh/xds.h"

#include "base/map.h"
#include "base/text.h"
#include "net/http_server.h"
#include "net/proxy.h"

#include <stdlib.h>

/* A request names every extension of the Envoy: 77 KB of 1.40. */
#define BODY_MOST_BYTES ((size_t)1024 * 1024)
#define CONNECTIONS_MOST 64
#define ASKED_MOST 2048
#define NAME_MOST 64

static const struct {
    const char *path, *name_key; /* which field of a resource names it */
    enum xds_channel channel;
} kinds[XDS_KINDS] = {
    [XDS_CLUSTERS] = {"/v3/discovery:clusters", "name", XDS_CONFIG},
    [XDS_LISTENERS] = {"/v3/discovery:listeners", "name", XDS_CONFIG},
    [XDS_ENDPOINTS] = {"/v3/discovery:endpoints", "cluster_name", XDS_CONFIG},
    [XDS_SECRETS] = {"/v3/discovery:secrets", "name", XDS_IDENTITY},
};

/* One of Envoy's subscriptions: what it polls for, and the version that it said to have. */
struct asked {
    enum xds_kind kind;
    char name[NAME_MOST]; /* "": all */
    uint64_t version;     /* 0: none yet, or not asked again since the channel changed */
};
struct door {
    struct xds *xds;
    enum xds_channel channel;
    struct http_server *server;
};
struct xds {
    struct door doors[XDS_CHANNELS];
    struct proxy *proxy; /* endpoint 1 + channel */
    json_t *resources[XDS_KINDS];
    struct asked *asked;
    size_t asked_count;
};

static bool is_wanted(enum xds_kind kind, const json_t *one, const json_t *names)
{
    const char *own = json_string_value(json_object_get(one, kinds[kind].name_key));
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (own != NULL && name != NULL && strcmp(own, name) == 0)
            return true;
    }
    return json_array_size(names) == 0;
}

/* What is served to who asks for ${names} (all, when there are none), and its version. */
static json_t *answer_of(const struct xds *x, enum xds_kind kind, const json_t *names,
                         uint64_t *ret_version)
{
    json_t *list = json_array(), *one;
    size_t i;
    json_array_foreach(x->resources[kind], i, one)
    {
        if (is_wanted(kind, one, names))
            json_array_append(list, one);
    }
    char *text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    INVARIANT(text != NULL);
    *ret_version = map_hash(text, strlen(text)) | 1; /* never 0 */
    free(text);
    return list;
}

/* NULL: more than an Envoy of a lab asks for. */
static struct asked *asked_of(struct xds *x, enum xds_kind kind, const json_t *names)
{
    const char *name = json_string_value(json_array_get(names, 0));
    if (name == NULL)
        name = "";
    for (size_t i = 0; i < x->asked_count; i++)
        if (x->asked[i].kind == kind && strcmp(x->asked[i].name, name) == 0)
            return &x->asked[i];
    if (x->asked_count == ASKED_MOST || strlen(name) >= NAME_MOST)
        return NULL;
    struct asked *a = &x->asked[x->asked_count++];
    *a = (struct asked){.kind = kind};
    snprintf(a->name, sizeof(a->name), "%s", name);
    return a;
}

static void refuse(struct http_exchange *x, uint16_t status, const char *why)
{
    http_exchange_answer(x, status, (struct fields){0}, bytes_of(why), true);
}

static void answer(struct http_exchange *x, json_t *resources, const char *version)
{
    struct field type = {BYTES("content-type"), BYTES("application/json")};
    json_t *body = json_pack("{s:s, s:O}", "version_info", version, "resources", resources);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    INVARIANT(text != NULL);
    http_exchange_answer(x, 200, (struct fields){&type, 1}, bytes_of(text), false);
    free(text);
    json_decref(body);
}

static void on_request(void *cookie, struct http_exchange *exchange,
                       const struct http_request *request)
{
    struct door *door = cookie;
    struct xds *x = door->xds;
    size_t kind = 0;
    while (kind < XDS_KINDS && (kinds[kind].channel != door->channel ||
                                !bytes_equal(request->target, bytes_of(kinds[kind].path))))
        kind++;
    if (kind == XDS_KINDS || request->verb != VERB_POST) {
        refuse(exchange, 404, "no such resources here\n");
        return;
    }
    json_t *body = json_loadb((const char *)request->body.at, request->body.len, 0, NULL);
    const json_t *names = json_object_get(body, "resource_names");
    struct asked *asked = json_is_object(body) ? asked_of(x, (enum xds_kind)kind, names) : NULL;
    if (asked == NULL) {
        refuse(exchange, 400, "no discovery request\n");
        json_decref(body);
        return;
    }
    uint64_t version, said = 0;
    char text[24];
    json_t *resources = answer_of(x, (enum xds_kind)kind, names, &version);
    const char *has = json_string_value(json_object_get(body, "version_info"));
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)version);
    if (has != NULL)
        said = strtoull(has, NULL, 16);
    asked->version = said;
    if (said == version)
        http_exchange_answer(exchange, 304, (struct fields){0}, (struct bytes){0}, false);
    else
        answer(exchange, resources, text);
    json_decref(resources);
    json_decref(body);
}

static bool open_door(struct loop *loop, struct door *door, struct error *err)
{
    const struct http_server_config config = {.listen = "127.0.0.1:0",
                                              .body_most_bytes = BODY_MOST_BYTES,
                                              .connections_most = CONNECTIONS_MOST,
                                              .on_request = on_request,
                                              .cookie = door};
    return http_server_open(loop, &config, &door->server, err);
}

bool xds_open(struct loop *loop, struct xds **ret, struct error *err)
{
    struct xds *x = check_alloc_zero(1, sizeof(*x));
    struct proxy_endpoint endpoints[XDS_CHANNELS];
    struct proxy_config config = {.service = "control plane",
                                  .protocol = PROXY_TCP,
                                  .endpoints = endpoints,
                                  .endpoint_count = XDS_CHANNELS};
    x->asked = check_alloc_zero(ASKED_MOST, sizeof(*x->asked));
    for (size_t i = 0; i < XDS_KINDS; i++)
        x->resources[i] = json_array();
    for (size_t i = 0; i < XDS_CHANNELS; i++) {
        x->doors[i] = (struct door){.xds = x, .channel = (enum xds_channel)i};
        if (!open_door(loop, &x->doors[i], err)) {
            xds_free(x);
            return false;
        }
        endpoints[i] = (struct proxy_endpoint){.number = (uint16_t)(i + 1),
                                               .listen = "127.0.0.1:0",
                                               .upstream = http_server_address(x->doors[i].server)};
    }
    if (!proxy_open(loop, NULL, &config, &x->proxy, err)) {
        xds_free(x);
        return false;
    }
    *ret = x;
    return true;
}

void xds_free(struct xds *x)
{
    if (x == NULL)
        return;
    if (x->proxy != NULL)
        proxy_free(x->proxy);
    for (size_t i = 0; i < XDS_CHANNELS; i++)
        if (x->doors[i].server != NULL)
            http_server_free(x->doors[i].server);
    for (size_t i = 0; i < XDS_KINDS; i++)
        json_decref(x->resources[i]);
    free(x->asked);
    free(x);
}

const char *xds_address(const struct xds *x, enum xds_channel channel)
{
    return proxy_address(x->proxy, (uint16_t)(channel + 1));
}

void xds_put(struct xds *x, enum xds_kind kind, json_t *take_resources)
{
    INVARIANT(json_is_array(take_resources));
    json_decref(x->resources[kind]);
    x->resources[kind] = take_resources;
}

/* "edge_0" and its subsets "edge_0_1", not "edge_01". */
static bool is_named(const char *own, const char *name)
{
    size_t len = strlen(name);
    return own != NULL && strncmp(own, name, len) == 0 && (own[len] == '\0' || own[len] == '_');
}

void xds_replace(struct xds *x, enum xds_kind kind, const char *name, json_t *take_resource)
{
    const char *key = kinds[kind].name_key;
    for (size_t i = 0; i < json_array_size(x->resources[kind]); i++) {
        json_t *own = json_object_get(json_array_get(x->resources[kind], i), key);
        if (!is_named(json_string_value(own), name))
            continue;
        json_t *one = json_copy(take_resource);
        json_object_set(one, key, own);
        json_array_set_new(x->resources[kind], i, one);
    }
    json_decref(take_resource);
}

bool xds_cut(struct xds *x, enum xds_channel channel, bool cut, struct error *err)
{
    uint16_t number = (uint16_t)(channel + 1);
    for (size_t i = 0; i < x->asked_count; i++)
        if (kinds[x->asked[i].kind].channel == channel)
            x->asked[i].version = 0;
    if (!proxy_refuse(x->proxy, number, cut, 0, err))
        return false;
    if (cut)
        proxy_existing(x->proxy, number, EXISTING_RESET);
    return true;
}

bool xds_taken(const struct xds *x, enum xds_channel channel)
{
    for (size_t i = 0; i < x->asked_count; i++) {
        const struct asked *a = &x->asked[i];
        uint64_t version;
        if (kinds[a->kind].channel != channel)
            continue;
        json_t *names = a->name[0] == '\0' ? json_array() : json_pack("[s]", a->name);
        json_decref(answer_of(x, a->kind, names, &version));
        json_decref(names);
        if (a->version != version)
            return false;
    }
    return true;
}
