/* The proxies of Toxiproxy's API. */

#include "base/log.h"
#include "standalone/toxi_body.h"
#include "standalone/toxi_routes.h"

#include <errno.h>

#define ADDRESS_MOST 96

/* What a request says of a proxy; texts are borrowed from its body. */
struct wanted {
    const char *name, *listen, *upstream;
    bool enabled;
};

static const char *text_at(const json_t *of, const char *key)
{
    const char *text = json_string_value(json_object_get(of, key));
    return text == NULL ? "" : text;
}

/* ${asked}: what clients were promised to be told again. A listen address is resolved once it was
 * opened. */
static json_t *shown(struct toxi *t, const json_t *described)
{
    json_t *asked = json_object_get(t->asked, text_at(described, "name"));
    const char *to = text_at(described, "to"), *listen = text_at(described, "listen");
    bool enabled = json_is_true(json_object_get(described, "enabled"));
    if (enabled)
        json_object_del(asked, "listen");
    if (strcmp(text_at(asked, "to"), to) == 0)
        to = text_at(asked, "upstream");
    if (json_object_get(asked, "listen") != NULL)
        listen = text_at(asked, "listen");
    return json_pack("{ss ss ss sb so}", "name", text_at(described, "name"), "listen", listen,
                     "upstream", to, "enabled", (int)enabled, "toxics", toxi_toxics_of(described));
}

static json_t *shown_by_name(struct toxi *t, const char *name)
{
    json_t *described = proxy_set_describe(t->set, name);
    json_t *ret = described == NULL ? NULL : shown(t, described);
    json_decref(described);
    return ret;
}

static json_t *need_proxy(struct toxi_call *c)
{
    json_t *described = proxy_set_describe(c->toxi->set, c->proxy);
    if (described == NULL)
        toxi_reply_error(c->reply, 404, "proxy not found");
    return described;
}

void toxi_proxy_index(struct toxi_call *c)
{
    json_t *list = proxy_set_list(c->toxi->set), *one;
    size_t i;
    c->reply->json = json_object();
    json_array_foreach(list, i, one)
        json_object_set_new(c->reply->json, text_at(one, "name"), shown(c->toxi, one));
    json_decref(list);
}

void toxi_proxy_show(struct toxi_call *c)
{
    json_t *described = need_proxy(c);
    if (described != NULL)
        c->reply->json = shown(c->toxi, described);
    json_decref(described);
}

static void remember(struct toxi *t, const struct wanted *w, const char *to)
{
    json_t *asked = json_pack("{ss ss}", "upstream", w->upstream, "to", to);
    if (!w->enabled)
        json_object_set_new(asked, "listen", json_string(w->listen));
    json_object_set_new(t->asked, w->name, asked);
}

/* Go's words for a listener that could not be had. */
static bool no_listener(const char *listen, struct error *err)
{
    int sys = err->sys;
    if (err->kind != ERROR_SYSTEM || sys == 0)
        return false;
    const char *why = sys == EADDRINUSE      ? "address already in use"
                      : sys == EADDRNOTAVAIL ? "cannot assign requested address"
                      : sys == EACCES        ? "permission denied"
                                             : NULL;
    *err = (struct error){0};
    error_set(err, ERROR_SYSTEM, "listen tcp %s: bind: %s", listen,
              why == NULL ? strerror(sys) : why);
    return false;
}

/* The real one asks for its upstream's address only when a client comes, and closes that client
 * when there is none. So an upstream without an address is one that refuses. */
static void resolve_upstream(const struct wanted *w, char *to, size_t size)
{
    struct error err = {0};
    if (toxi_address(w->upstream, to, size, &err))
        return;
    log_warn("toxiproxy", "proxy %s: upstream %s: %s; its clients are closed until it is set again",
             w->name, w->upstream, err.text);
    snprintf(to, size, "127.0.0.1:0");
}

/* Makes the proxy of that name look so; ${described}: what it is now, NULL: it is new. Connections
 * that go where it does not any more are cut, as the real one does. */
static bool put(struct toxi *t, const struct wanted *w, const json_t *described, struct error *err)
{
    char listen[ADDRESS_MOST], to[ADDRESS_MOST];
    if (!toxi_address(w->listen, listen, sizeof(listen), err)) {
        if (described == NULL)
            error_prefix(err, "listen tcp: ");
        return false;
    }
    resolve_upstream(w, to, sizeof(to));
    json_t *proxy = described == NULL ? json_pack("{ss ss}", "name", w->name, "protocol", "toxic")
                                      : json_deep_copy(described);
    bool moves = described != NULL && (strcmp(text_at(described, "listen"), listen) != 0 ||
                                       strcmp(text_at(described, "to"), to) != 0);
    json_object_set_new(proxy, "listen", json_string(listen));
    json_object_set_new(proxy, "to", json_string(to));
    json_object_set_new(proxy, "enabled", json_boolean(w->enabled));
    bool ok = (!moves || proxy_set_enable(t->set, w->name, false, err)) &&
              proxy_set_put(t->set, proxy, err);
    json_decref(proxy);
    if (ok)
        remember(t, w, to);
    return ok || no_listener(listen, err);
}

void toxi_refuse(struct toxi_call *c, const struct error *err)
{
    /* Toxiproxy answers 500 to whatever it has no status for; ours are told apart */
    bool ours = err->kind == ERROR_LIMIT || strncmp(err->text, "proxy \"", 7) == 0;
    toxi_reply_error(c->reply, ours ? 400 : 500, "%s", err->text);
}

static bool read_wanted(const json_t *body, struct wanted *w, struct error *err)
{
    if (!json_is_object(body))
        return error_set(err, ERROR_INPUT,
                         "json: cannot unmarshal %s into Go value of type toxiproxy.Proxy",
                         toxi_body_kind(body));
    return toxi_body_text(body, "Proxy", "name", &w->name, err) &&
           toxi_body_text(body, "Proxy", "listen", &w->listen, err) &&
           toxi_body_text(body, "Proxy", "upstream", &w->upstream, err) &&
           toxi_body_bool(body, "Proxy", "enabled", &w->enabled, err);
}

static bool parse_wanted(struct toxi_call *c, json_t **ret_body, struct wanted *w)
{
    struct error err = {0};
    *ret_body = NULL;
    if (toxi_body_parse(c->body, ret_body, &err) && read_wanted(*ret_body, w, &err))
        return true;
    toxi_reply_error(c->reply, 400, "bad request body: %s", err.text);
    return false;
}

void toxi_proxy_create(struct toxi_call *c)
{
    struct wanted w = {.name = "", .listen = "", .upstream = "", .enabled = true};
    struct error err = {0};
    json_t *body;
    if (!parse_wanted(c, &body, &w))
        ;
    else if (w.name[0] == '\0')
        toxi_reply_error(c->reply, 400, "missing required field: name");
    else if (w.upstream[0] == '\0')
        toxi_reply_error(c->reply, 400, "missing required field: upstream");
    else if (proxy_set_has(c->toxi->set, w.name))
        toxi_reply_error(c->reply, 409, "proxy already exists");
    else if (!put(c->toxi, &w, NULL, &err))
        toxi_refuse(c, &err);
    else {
        c->reply->status = 201;
        c->reply->json = shown_by_name(c->toxi, w.name);
    }
    json_decref(body);
}

void toxi_proxy_update(struct toxi_call *c)
{
    struct error err = {0};
    json_t *described = need_proxy(c), *body = NULL;
    json_t *now = described == NULL ? NULL : shown(c->toxi, described);
    struct wanted w = {.listen = text_at(now, "listen"),
                       .upstream = text_at(now, "upstream"),
                       .enabled = json_is_true(json_object_get(now, "enabled"))};
    if (described != NULL && parse_wanted(c, &body, &w)) {
        w.name = c->proxy; /* there is no renaming */
        if (put(c->toxi, &w, described, &err))
            c->reply->json = shown_by_name(c->toxi, c->proxy);
        else
            toxi_refuse(c, &err);
    }
    json_decref(body);
    json_decref(now);
    json_decref(described);
}

void toxi_proxy_delete(struct toxi_call *c)
{
    struct error err = {0};
    json_t *described = need_proxy(c);
    if (described == NULL)
        return;
    json_decref(described);
    /* first disabled: its connections are cut, not drained */
    if (!proxy_set_enable(c->toxi->set, c->proxy, false, &err) ||
        !proxy_set_remove(c->toxi->set, c->proxy, &err)) {
        toxi_refuse(c, &err);
        return;
    }
    json_object_del(c->toxi->asked, c->proxy);
    c->reply->status = 204;
}

/* What is there already with the same addresses stays as it is, enabled or not. */
static bool add_or_keep(struct toxi *t, const struct wanted *w, struct error *err)
{
    char listen[ADDRESS_MOST];
    json_t *now = shown_by_name(t, w->name);
    bool same = false;
    if (now != NULL) {
        if (!toxi_address(w->listen, listen, sizeof(listen), err)) {
            json_decref(now);
            return false;
        }
        same = strcmp(text_at(now, "listen"), listen) == 0 &&
               strcmp(text_at(now, "upstream"), w->upstream) == 0;
    }
    json_decref(now);
    if (same)
        return true;
    /* one that differs is made anew, without its toxics */
    if (proxy_set_has(t->set, w->name) &&
        (!proxy_set_enable(t->set, w->name, false, err) || !proxy_set_remove(t->set, w->name, err)))
        return false;
    return put(t, w, NULL, err);
}

static bool check_each(struct toxi_call *c, const json_t *list, struct error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct wanted w = {.name = "", .listen = "", .upstream = "", .enabled = true};
        if (!read_wanted(json_array_get(list, i), &w, err)) {
            toxi_reply_error(c->reply, 400, "bad request body: %s", err->text);
            return false;
        }
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct wanted w = {.name = "", .listen = "", .upstream = "", .enabled = true};
        const char *missing = NULL;
        if (read_wanted(json_array_get(list, i), &w, err))
            missing = w.name[0] == '\0' ? "name" : w.upstream[0] == '\0' ? "upstream" : NULL;
        if (missing != NULL) {
            toxi_reply_error(c->reply, 400, "missing required field: %s at proxy %zu", missing,
                             i + 1);
            return false;
        }
    }
    return true;
}

void toxi_populate(struct toxi_call *c)
{
    struct error err = {0};
    json_t *body = NULL, *made = json_array();
    bool ok = toxi_body_parse(c->body, &body, &err);
    if (ok && !json_is_array(body) && !json_is_null(body))
        ok = error_set(&err, ERROR_INPUT,
                       "json: cannot unmarshal %s into Go value of type []toxiproxy.Proxy",
                       toxi_body_kind(body));
    if (!ok)
        toxi_reply_error(c->reply, 400, "bad request body: %s", err.text);
    ok = ok && check_each(c, body, &err);
    for (size_t i = 0; ok && i < json_array_size(body); i++) {
        struct wanted w = {.name = "", .listen = "", .upstream = "", .enabled = true};
        ok = read_wanted(json_array_get(body, i), &w, &err) && add_or_keep(c->toxi, &w, &err);
        if (ok)
            json_array_append_new(made, shown_by_name(c->toxi, w.name));
        else
            toxi_refuse(c, &err);
    }
    if (ok) {
        c->reply->status = 201;
        c->reply->json = json_object();
    }
    if (json_array_size(made) == 0) { /* Go's empty list */
        json_decref(made);
        made = json_null();
    }
    json_object_set_new(c->reply->json, "proxies", made);
    json_decref(body);
}

void toxi_reset(struct toxi_call *c)
{
    struct error err = {0};
    if (!proxy_set_reset(c->toxi->set, &err))
        toxi_refuse(c, &err);
    else
        c->reply->status = 204;
}
