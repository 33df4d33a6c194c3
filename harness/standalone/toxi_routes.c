#include "standalone/toxi_routes.h"

#include "standalone/metrics_page.h"

#include <stdarg.h>

#define PATH_MOST_BYTES 2048
#define PARTS_MOST 5

void toxi_init(struct toxi *t, struct proxy_set *set, const char *version)
{
    *t = (struct toxi){.set = set, .version = version, .asked = json_object()};
}

void toxi_release(struct toxi *t)
{
    json_decref(t->asked);
    *t = (struct toxi){0};
}

void toxi_reply_error(struct toxi_reply *r, uint16_t status, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_decref(r->json);
    r->json = json_pack("{ss si}", "error", text, "status", (int)status);
    if (r->json == NULL) /* a cut within a letter, or bytes that are none */
        r->json = json_pack("{ss si}", "error", "bad request", "status", (int)status);
    r->status = status;
}

static void get_version(struct toxi_call *c)
{
    text_add(&c->reply->text, "{\"version\": \"%s\"}\n", TOXI_API_VERSION);
    c->reply->type = "application/json;charset=utf-8";
}

/* Toxiproxy's two counters as far as the stats tell the directions apart, behind ours. */
static void print_bytes(json_t *proxies, struct text *to)
{
    static const struct {
        const char *name, *help, *direction, *key;
    } rows[] = {
        {"toxiproxy_proxy_received_bytes_total", "Bytes received from clients", "upstream",
         "body_in"},
        {"toxiproxy_proxy_sent_bytes_total", "Bytes sent to clients", "downstream", "body_out"},
    };
    const char *name;
    json_t *stats;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        text_add(to, "# HELP %s %s\n# TYPE %s counter\n", rows[i].name, rows[i].help, rows[i].name);
        json_object_foreach(proxies, name, stats)
        {
            text_add(to, "%s{direction=\"%s\",proxy=\"", rows[i].name, rows[i].direction);
            for (const char *p = name; *p != '\0'; p++)
                text_add(to, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
            text_add(to, "\"} %lld\n",
                     (long long)json_integer_value(json_object_get(stats, rows[i].key)));
        }
    }
}

static void get_metrics(struct toxi_call *c)
{
    json_t *stats = proxy_set_stats(c->toxi->set);
    if (stats == NULL) {
        toxi_reply_error(c->reply, 500, "a worker does not answer");
        return;
    }
    metrics_page_print(stats, c->toxi->version, &c->reply->text);
    print_bytes(json_object_get(stats, "proxies"), &c->reply->text);
    c->reply->type = METRICS_PAGE_TYPE;
    json_decref(stats);
}

static const struct route {
    const char *method, *path; /* "*" is a name */
    void (*run)(struct toxi_call *c);
} routes[] = {
    {"POST", "reset", toxi_reset},
    {"GET", "proxies", toxi_proxy_index},
    {"POST", "proxies", toxi_proxy_create},
    {"POST", "populate", toxi_populate},
    {"GET", "proxies/*", toxi_proxy_show},
    {"POST", "proxies/*", toxi_proxy_update},
    {"PATCH", "proxies/*", toxi_proxy_update},
    {"DELETE", "proxies/*", toxi_proxy_delete},
    {"GET", "proxies/*/toxics", toxi_toxic_index},
    {"POST", "proxies/*/toxics", toxi_toxic_create},
    {"GET", "proxies/*/toxics/*", toxi_toxic_show},
    {"POST", "proxies/*/toxics/*", toxi_toxic_update},
    {"PATCH", "proxies/*/toxics/*", toxi_toxic_update},
    {"DELETE", "proxies/*/toxics/*", toxi_toxic_delete},
    {"GET", "version", get_version},
    {"GET", "metrics", get_metrics},
};

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

/* Cuts ${path} at its slashes; returns the parts, 0: none or too many. */
static size_t cut(char *path, char *parts[PARTS_MOST])
{
    size_t count = 0;
    if (*path++ != '/')
        return 0;
    for (;;) {
        char *slash = strchr(path, '/');
        if (count == PARTS_MOST || *path == '\0')
            return 0;
        parts[count++] = path;
        if (slash == NULL)
            return count;
        *slash = '\0';
        path = slash + 1;
    }
}

/* ${ret_names}: what stands for each "*". */
static bool fits(const char *path, char *const *parts, size_t count, const char *ret_names[2])
{
    size_t names = 0, at = 0;
    for (const char *p = path; at < count; at++) {
        size_t len = strcspn(p, "/");
        if (len == 1 && *p == '*')
            ret_names[names++] = parts[at];
        else if (strlen(parts[at]) != len || memcmp(parts[at], p, len) != 0)
            return false;
        p += len;
        if (*p == '\0')
            return at + 1 == count;
        p++;
    }
    return false;
}

static bool is_browser(const struct fields fields)
{
    return bytes_starts(fields_find(fields, "user-agent"), BYTES("Mozilla/"));
}

static void plain(struct toxi_reply *reply, uint16_t status, const char *text)
{
    reply->status = status;
    text_add(&reply->text, "%s", text);
    reply->type = "text/plain; charset=utf-8";
}

void toxi_route(struct toxi *t, const struct http_request *request, struct toxi_reply *reply)
{
    struct toxi_call c = {.toxi = t, .body = request->body, .reply = reply};
    char path[PATH_MOST_BYTES], *parts[PARTS_MOST];
    const char *names[2] = {NULL, NULL};
    size_t len = bytes_find(request->target, '?'), count = 0;
    bool known = false;
    len = len == SIZE_MAX ? request->target.len : len;
    if (len < sizeof(path)) {
        memcpy(path, request->target.at, len);
        path[len] = '\0';
        count = strlen(path) == len ? cut(path, parts) : 0;
    }
    for (size_t i = 0; i < count; i++)
        if (!decode(parts[i]))
            count = 0;
    for (size_t i = 0; count > 0 && i < COUNT_OF(routes); i++) {
        if (!fits(routes[i].path, parts, count, names))
            continue;
        known = true;
        if (!bytes_equal(request->method, bytes_of(routes[i].method)))
            continue;
        if (is_browser(request->fields)) {
            plain(reply, 403, "User agent not allowed\n");
            return;
        }
        c.proxy = names[0];
        c.toxic = names[1];
        routes[i].run(&c);
        return;
    }
    if (known)
        reply->status = 405;
    else
        plain(reply, 404, "404 page not found\n");
}
