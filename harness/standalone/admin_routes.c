#include "standalone/admin_routes.h"

#include "standalone/metrics_page.h"

#include <stdarg.h>
#include <stdlib.h>

#define PATH_MOST_BYTES 2048

void admin_reply_error(struct admin_reply *r, uint16_t status, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    record_clean_text(text, strlen(text));
    json_decref(r->json);
    r->json = json_pack("{ss}", "error", text);
    r->status = status;
}

/* What a failed change means over HTTP. */
static void refuse(struct admin_call *c, const struct error *err)
{
    uint16_t status = err->kind == ERROR_SYSTEM ? 409 : err->kind == ERROR_PEER ? 503 : 400;
    admin_reply_error(c->reply, status, "%s", err->text);
}

static bool need_proxy(struct admin_call *c)
{
    if (proxy_set_has(c->config->set, c->name))
        return true;
    admin_reply_error(c->reply, 404, "there is no proxy \"%.100s\"", c->name);
    return false;
}

static void give_proxy(struct admin_call *c, uint16_t status)
{
    c->reply->status = status;
    c->reply->json = proxy_set_describe(c->config->set, c->name);
}

static void get_health(struct admin_call *c)
{
    c->reply->json = json_pack("{ss ss}", "status", "ok", "version", c->config->version);
}

static void get_metrics(struct admin_call *c)
{
    json_t *stats = proxy_set_stats(c->config->set);
    if (stats == NULL) {
        admin_reply_error(c->reply, 503, "a worker does not answer");
        return;
    }
    metrics_page_print(stats, c->config->version, &c->reply->text);
    c->reply->type = METRICS_PAGE_TYPE;
    json_decref(stats);
}

static void get_openapi(struct admin_call *c)
{
    c->reply->json = admin_openapi(c->config->version);
}

static void get_catalogue(struct admin_call *c)
{
    c->reply->json = admin_catalogue();
}

static void get_proxies(struct admin_call *c)
{
    c->reply->json = json_pack("{so}", "proxies", proxy_set_list(c->config->set));
}

static void post_proxies(struct admin_call *c)
{
    struct error err = {0};
    const char *name = json_string_value(json_object_get(c->body, "name"));
    if (name != NULL && proxy_set_has(c->config->set, name)) {
        admin_reply_error(c->reply, 409, "there is a proxy \"%.100s\" already", name);
    } else if (!proxy_set_put(c->config->set, c->body, &err)) {
        refuse(c, &err);
    } else {
        c->name = name;
        give_proxy(c, 201);
    }
}

static void get_proxy(struct admin_call *c)
{
    if (need_proxy(c))
        give_proxy(c, 200);
}

static void put_as(struct admin_call *c, json_t *take_proxy, uint16_t status)
{
    struct error err = {0};
    const char *name = json_string_value(json_object_get(take_proxy, "name"));
    if (name != NULL && strcmp(name, c->name) != 0)
        admin_reply_error(c->reply, 400, "the body names proxy \"%.100s\", the path \"%.100s\"",
                          name, c->name);
    else if (json_object_set_new(take_proxy, "name", json_string(c->name)) != 0)
        admin_reply_error(c->reply, 400, "the name in the path is not UTF-8");
    else if (!proxy_set_put(c->config->set, take_proxy, &err))
        refuse(c, &err);
    else
        give_proxy(c, status);
    json_decref(take_proxy);
}

static void put_proxy(struct admin_call *c)
{
    put_as(c, json_copy(c->body), proxy_set_has(c->config->set, c->name) ? 200 : 201);
}

static void patch_proxy(struct admin_call *c)
{
    if (!need_proxy(c))
        return;
    json_t *proxy = proxy_set_describe(c->config->set, c->name);
    json_object_update(proxy, c->body);
    put_as(c, proxy, 200);
}

static void delete_proxy(struct admin_call *c)
{
    struct error err = {0};
    if (!need_proxy(c))
        return;
    if (!proxy_set_remove(c->config->set, c->name, &err))
        refuse(c, &err);
    else
        c->reply->status = 204;
}

static void enable(struct admin_call *c, bool enabled)
{
    struct error err = {0};
    if (!need_proxy(c))
        return;
    if (!proxy_set_enable(c->config->set, c->name, enabled, &err))
        refuse(c, &err);
    else
        give_proxy(c, 200);
}

static void post_enable(struct admin_call *c)
{
    enable(c, true);
}

static void post_disable(struct admin_call *c)
{
    enable(c, false);
}

/* The fault of that number or name; 0: the answer is 404. ${ret} is the caller's reference. */
static uint16_t find_fault(struct admin_call *c, uint16_t id, json_t **ret)
{
    json_t *proxy = proxy_set_describe(c->config->set, c->name), *one;
    uint64_t number = id;
    size_t i;
    uint16_t found = 0;
    if (id == 0 && (!bytes_to_u64(bytes_of(c->fault), &number) || number > UINT16_MAX))
        number = 0;
    json_array_foreach(json_object_get(proxy, "faults"), i, one)
    {
        uint16_t its = (uint16_t)json_integer_value(json_object_get(one, "id"));
        const char *name = json_string_value(json_object_get(one, "name"));
        bool named = number == 0 && name != NULL && strcmp(name, c->fault) == 0;
        if (found != 0 || (its != number && !named))
            continue;
        found = its;
        *ret = json_incref(one);
    }
    json_decref(proxy);
    if (found == 0)
        admin_reply_error(c->reply, 404, "proxy \"%.100s\" has no fault \"%.60s\"", c->name,
                          c->fault);
    return found;
}

static void give_fault(struct admin_call *c, uint16_t id, uint16_t status)
{
    json_t *fault = NULL;
    if (find_fault(c, id, &fault) == 0)
        return;
    c->reply->json = fault;
    c->reply->status = status;
}

static void get_faults(struct admin_call *c)
{
    if (!need_proxy(c))
        return;
    json_t *proxy = proxy_set_describe(c->config->set, c->name);
    c->reply->json = json_pack("{sO}", "faults", json_object_get(proxy, "faults"));
    json_decref(proxy);
}

static void post_faults(struct admin_call *c)
{
    struct error err = {0};
    uint16_t id = 0;
    if (!need_proxy(c))
        return;
    if (json_object_get(c->body, "id") != NULL)
        admin_reply_error(c->reply, 400, "a new fault is given its id, and takes none");
    else if (!proxy_set_arm(c->config->set, c->name, c->body, &id, &err))
        refuse(c, &err);
    else
        give_fault(c, id, 201);
}

static void delete_faults(struct admin_call *c)
{
    struct error err = {0};
    if (!need_proxy(c))
        return;
    if (!proxy_set_disarm(c->config->set, c->name, 0, &err))
        refuse(c, &err);
    else
        c->reply->status = 204;
}

static void get_fault(struct admin_call *c)
{
    if (need_proxy(c))
        give_fault(c, 0, 200);
}

static void put_fault(struct admin_call *c)
{
    struct error err = {0};
    json_t *fault = NULL;
    uint16_t id = need_proxy(c) ? find_fault(c, 0, &fault) : 0;
    json_decref(fault);
    if (id == 0)
        return;
    if (!proxy_set_rearm(c->config->set, c->name, id, c->body, &err))
        refuse(c, &err);
    else
        give_fault(c, id, 200);
}

static void delete_fault(struct admin_call *c)
{
    struct error err = {0};
    json_t *fault = NULL;
    uint16_t id = need_proxy(c) ? find_fault(c, 0, &fault) : 0;
    json_decref(fault);
    if (id == 0)
        return;
    if (!proxy_set_disarm(c->config->set, c->name, id, &err))
        refuse(c, &err);
    else
        c->reply->status = 204;
}

static void post_reset(struct admin_call *c)
{
    struct error err = {0};
    if (!proxy_set_reset(c->config->set, &err))
        refuse(c, &err);
    else
        get_proxies(c);
}

static void post_reload(struct admin_call *c)
{
    struct error err = {0};
    char text[300];
    if (c->config->reload == NULL) {
        admin_reply_error(c->reply, 409, "there is no configuration file to read again");
    } else if (!c->config->reload(c->config->cookie, &err)) {
        error_format(&err, text, sizeof(text));
        admin_reply_error(c->reply, 400, "%s", text);
    } else {
        get_proxies(c);
    }
}

static const struct admin_route routes[] = {
    {"GET", "/healthz", "health", "Is it there?", NULL, "Health", 200, get_health},
    {"GET", "/metrics", "metrics", "Counters, as Prometheus text", NULL, NULL, 200, get_metrics},
    {"GET", "/openapi.json", "openapi", "This description", NULL, "Any", 200, get_openapi},
    {"GET", "/v1/faults", "listFaultWords", "The faults that there are, with their keys", NULL,
     "Catalogue", 200, get_catalogue},
    {"GET", "/v1/proxies", "listProxies", "All proxies", NULL, "Proxies", 200, get_proxies},
    {"POST", "/v1/proxies", "addProxy", "Open a proxy", "Proxy", "Proxy", 201, post_proxies},
    {"GET", "/v1/proxies/{name}", "getProxy", "One proxy", NULL, "Proxy", 200, get_proxy},
    {"PUT", "/v1/proxies/{name}", "putProxy", "Open a proxy, or make it look so", "ProxyChange",
     "Proxy", 200, put_proxy},
    {"PATCH", "/v1/proxies/{name}", "patchProxy", "Change the keys that are given", "ProxyChange",
     "Proxy", 200, patch_proxy},
    {"POST", "/v1/proxies/{name}", "changeProxy", "Change the keys that are given", "ProxyChange",
     "Proxy", 200, patch_proxy},
    {"DELETE", "/v1/proxies/{name}", "removeProxy", "Close a proxy; its calls may end", NULL, NULL,
     204, delete_proxy},
    {"POST", "/v1/proxies/{name}/enable", "enableProxy", "Listen again", NULL, "Proxy", 200,
     post_enable},
    {"POST", "/v1/proxies/{name}/disable", "disableProxy", "Stop listening, cut all connections",
     NULL, "Proxy", 200, post_disable},
    {"GET", "/v1/proxies/{name}/faults", "listFaults", "Its faults, in order", NULL, "Faults", 200,
     get_faults},
    {"POST", "/v1/proxies/{name}/faults", "addFault", "Put a fault in force", "Fault", "Fault", 201,
     post_faults},
    {"DELETE", "/v1/proxies/{name}/faults", "removeFaults", "End all of its faults", NULL, NULL,
     204, delete_faults},
    {"GET", "/v1/proxies/{name}/faults/{fault}", "getFault", "A fault, by id or name", NULL,
     "Fault", 200, get_fault},
    {"PUT", "/v1/proxies/{name}/faults/{fault}", "replaceFault", "Put another fault in its place",
     "Fault", "Fault", 200, put_fault},
    {"DELETE", "/v1/proxies/{name}/faults/{fault}", "removeFault", "End a fault", NULL, NULL, 204,
     delete_fault},
    {"POST", "/v1/reset", "reset", "End all faults, enable all proxies", NULL, "Proxies", 200,
     post_reset},
    {"POST", "/v1/reload", "reload", "Read the configuration file again", NULL, "Proxies", 200,
     post_reload},
};

const struct admin_route *admin_routes(size_t *ret_count)
{
    *ret_count = COUNT_OF(routes);
    return routes;
}

/* Percent-decodes in place (RFC 3986 2.1). False: a broken escape, or a NUL. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *p = text; *p != '\0'; p++) {
        uint64_t byte = (uint8_t)*p;
        if (*p == '%') {
            if (p[1] == '\0' ||
                !bytes_hex_to_u64((struct bytes){(const uint8_t *)p + 1, 2}, &byte) || byte == 0)
                return false;
            p += 2;
        }
        *to++ = (char)byte;
    }
    *to = '\0';
    return true;
}

/* Cuts the path at its slashes: "/v1/proxies" is two parts. */
static size_t cut(char *path, char *parts[ADMIN_PARTS_MOST + 1])
{
    size_t count = 0;
    for (char *at = path; *at == '/' && count <= ADMIN_PARTS_MOST; at += strcspn(at, "/")) {
        *at++ = '\0';
        parts[count++] = at;
    }
    return count;
}

static bool fits(const char *pattern, char *const *parts, size_t count, struct admin_call *c)
{
    for (size_t i = 0; i < count; i++) {
        if (*pattern != '/')
            return false;
        size_t len = strcspn(pattern + 1, "/");
        if (pattern[1] != '{' &&
            (strlen(parts[i]) != len || strncmp(pattern + 1, parts[i], len) != 0))
            return false;
        if (strncmp(pattern + 1, "{name}", 6) == 0)
            c->name = parts[i];
        else if (strncmp(pattern + 1, "{fault}", 7) == 0)
            c->fault = parts[i];
        pattern += 1 + len;
    }
    return *pattern == '\0';
}

static void call_route(const struct admin_route *route, const struct http_request *request,
                       struct admin_call *c)
{
    json_error_t why;
    if (route->takes != NULL) {
        c->body = json_loadb((const char *)request->body.at, request->body.len,
                             JSON_REJECT_DUPLICATES, &why);
        if (!json_is_object(c->body)) {
            if (c->body == NULL)
                admin_reply_error(c->reply, 400, "the body is not JSON: line %d, column %d: %s",
                                  why.line, why.column, why.text);
            else
                admin_reply_error(c->reply, 400, "the body must be an object");
            json_decref(c->body);
            return;
        }
    }
    c->reply->status = route->status;
    route->run(c);
    json_decref(c->body);
}

void admin_route(const struct admin_server_config *config, const struct http_request *request,
                 struct admin_reply *reply)
{
    char path[PATH_MOST_BYTES], *parts[ADMIN_PARTS_MOST + 1];
    struct admin_call c = {.config = config, .name = "", .fault = "", .reply = reply};
    size_t len = bytes_find(request->target, '?');
    bool known = false;
    len = len == SIZE_MAX ? request->target.len : len;
    if (len >= sizeof(path)) {
        admin_reply_error(reply, 414, "the path is longer than the %d bytes allowed",
                          PATH_MOST_BYTES);
        return;
    }
    snprintf(path, sizeof(path), "%.*s", (int)len, (const char *)request->target.at);
    size_t count = cut(path, parts);
    bool good = count > 0 && count <= ADMIN_PARTS_MOST;
    for (size_t i = 0; i < count && good; i++)
        good = decode(parts[i]);
    for (size_t i = 0; good && i < COUNT_OF(routes); i++) {
        if (!fits(routes[i].path, parts, count, &c))
            continue;
        known = true;
        if (bytes_equal(request->method, bytes_of(routes[i].method)) ||
            (request->verb == VERB_HEAD && strcmp(routes[i].method, "GET") == 0)) {
            call_route(&routes[i], request, &c);
            return;
        }
        snprintf(reply->allow + strlen(reply->allow), sizeof(reply->allow) - strlen(reply->allow),
                 "%s%s", reply->allow[0] == '\0' ? "" : ", ", routes[i].method);
    }
    if (known)
        admin_reply_error(reply, 405, "the method is not for this path; %s is", reply->allow);
    else
        admin_reply_error(reply, 404,
                          "there is nothing here; GET /openapi.json lists what there is");
}
