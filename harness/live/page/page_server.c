#include "live/page/page_server.h"

#include "base/clock.h"
#include "live/page/page_form.h"
#include "live/page/page_text.h"
#include "net/access.h"

#include <stdlib.h>

/* A snapshot is not made anew for each of many that come at once. */
#define FRESH_NS (NS_PER_S / 4)

struct watcher {
    struct watcher *next;
    struct http_exchange *exchange;
};

struct page_server {
    struct hold every; /* first; runs while somebody watches */
    struct loop *loop;
    struct http_server *http;
    struct page_server_config config;
    struct watcher *watchers;
    size_t watcher_count;
    struct text event; /* the newest snapshot as it is sent */
    uint64_t made_ns;
    bool over;
};

/* --- answers --- */

#define FIELDS_MOST 12
static void answer(struct http_exchange *x, uint16_t status, const char *type, struct bytes body,
                   const char *name, const char *value)
{
    struct field fields[FIELDS_MOST] = {
        {BYTES("content-type"), bytes_of(type)},
        {BYTES("content-security-policy"), bytes_of(page_text_policy)},
        {BYTES("cache-control"), BYTES("no-store")},
        {BYTES("referrer-policy"), BYTES("same-origin")}, /* "no-referrer" would hide our Origin */
        {BYTES("x-content-type-options"), BYTES("nosniff")},
        {BYTES("x-frame-options"), BYTES("DENY")},
        {BYTES("cross-origin-resource-policy"), BYTES("same-origin")},
        {BYTES("cross-origin-opener-policy"), BYTES("same-origin")},
    };
    size_t count = 8;
    if (name != NULL)
        fields[count++] = (struct field){bytes_of(name), bytes_of(value)};
    http_exchange_answer(x, status, (struct fields){fields, count}, body, false);
}

static void refuse(struct http_exchange *x, uint16_t status, const char *why, const char *allow)
{
    struct text line;
    text_init(&line, 400);
    text_add(&line, "%s\n", why);
    answer(x, status, "text/plain; charset=utf-8", bytes_of(text_get(&line)),
           allow == NULL ? NULL : "allow", allow);
    text_release(&line);
}

/* --- snapshots --- */

static bool make_event(struct page_server *s)
{
    struct text json;
    text_init(&json, PAGE_SNAPSHOT_MOST_BYTES + 1);
    bool ok = s->config.snapshot(s->config.cookie, &json) && !json.full;
    if (ok) {
        text_clear(&s->event);
        text_add(&s->event, "event: snapshot\ndata: ");
        text_add_bytes(&s->event, bytes_of(text_get(&json)));
        text_add(&s->event, "\n\n");
        s->made_ns = loop_now_ns(s->loop);
    }
    text_release(&json);
    return ok;
}

static void on_every(struct hold *h, uint64_t now_ns)
{
    struct page_server *s = (struct page_server *)(void *)h;
    if (s->watcher_count == 0)
        return;
    loop_hold_add(s->loop, h, now_ns + PAGE_EVERY_NS, on_every);
    if (!make_event(s))
        return;
    for (struct watcher *w = s->watchers, *next; w != NULL; w = next) {
        next = w->next;
        /* Who has not read the last one yet misses this; who left is taken out by on_gone. */
        (void)http_exchange_part(w->exchange, bytes_of(text_get(&s->event)));
    }
}

static void watch(struct page_server *s, struct http_exchange *x)
{
    struct field fields[] = {{BYTES("content-type"), BYTES("text/event-stream")},
                             {BYTES("cache-control"), BYTES("no-store")},
                             {BYTES("x-content-type-options"), BYTES("nosniff")},
                             {BYTES("cross-origin-resource-policy"), BYTES("same-origin")}};
    if (s->watcher_count == PAGE_WATCHERS_MOST) {
        refuse(x, 503, "as many watch already as may", NULL);
        return;
    }
    struct watcher *w = check_alloc_zero(1, sizeof(*w));
    *w = (struct watcher){.next = s->watchers, .exchange = x};
    s->watchers = w;
    s->watcher_count++;
    http_exchange_begin(x, 200, (struct fields){fields, COUNT_OF(fields)});
    (void)http_exchange_part(x, BYTES("retry: 1000\n\n"));
    uint64_t now_ns = loop_now_ns(s->loop);
    if ((s->event.len > 0 && now_ns - s->made_ns < FRESH_NS) || make_event(s))
        (void)http_exchange_part(x, bytes_of(text_get(&s->event)));
    if (hold_is_idle(&s->every))
        loop_hold_add(s->loop, &s->every, now_ns + PAGE_EVERY_NS, on_every);
}

static void on_gone(void *cookie, struct http_exchange *x, bool by_reset)
{
    struct page_server *s = cookie;
    (void)by_reset;
    for (struct watcher **at = &s->watchers; *at != NULL; at = &(*at)->next) {
        struct watcher *gone = *at;
        if (gone->exchange != x)
            continue;
        *at = gone->next;
        s->watcher_count--;
        free(gone);
        return;
    }
}

/* --- what is asked --- */

static void show_page(struct page_server *s, struct http_exchange *x)
{
    struct text page;
    text_init(&page, PAGE_TEXT_MOST_BYTES);
    page_text_write(s->config.gate->forgery, &page);
    INVARIANT(!page.full); /* it is our own, and a test measures it */
    answer(x, 200, "text/html; charset=utf-8", bytes_of(text_get(&page)), NULL, NULL);
    text_release(&page);
}

/* The token of the printed address for a cookie. */
static void enter(struct page_server *s, struct http_exchange *x)
{
    char cookie[120];
    snprintf(cookie, sizeof(cookie), "%s=%s; Path=/; HttpOnly; SameSite=Strict",
             s->config.gate->cookie, s->config.gate->session);
    answer(x, 200, "text/html; charset=utf-8", bytes_of(page_text_enter), "set-cookie", cookie);
}

/* Of an answer it is the person who gives it that counts, of all else the browser it came from. */
static json_t *make_ask(const char *verb, const struct http_request *request)
{
    char who[80], number[12], text[256];
    uint64_t n = 0;
    snprintf(who, sizeof(who), "page %s", request->peer);
    json_t *ask = json_pack("{ss ss ss}", "verb", verb, "who", who, "channel", "page");
    INVARIANT(ask != NULL);
    if (strcmp(verb, "answer") != 0)
        return ask;
    if (page_form_get(request->body, "number", number, sizeof(number)) &&
        bytes_to_u64(bytes_of(number), &n) && n <= UINT32_MAX)
        json_object_set_new(ask, "number", json_integer((json_int_t)n));
    page_form_get(request->body, "as", who, sizeof(who));
    /* The buttons say yes and no; without one, what was written is the answer. */
    if (!page_form_get(request->body, "choice", text, sizeof(text)))
        page_form_get(request->body, "answer", text, sizeof(text));
    json_object_set_new(ask, "who", json_string(who));
    json_object_set_new(ask, "answer", json_string(text));
    return ask;
}

static bool wants_json(struct fields fields)
{
    struct bytes accept = {0};
    return access_field(fields, "accept", &accept) == 1 &&
           bytes_equal(accept, BYTES("application/json"));
}

static void act(struct page_server *s, struct http_exchange *x, const char *verb,
                const struct http_request *request)
{
    json_t *ask = make_ask(verb, request);
    json_t *said = s->config.ask(s->config.cookie, ask);
    const char *why = json_string_value(json_object_get(said, "error"));
    bool ok = json_is_true(json_object_get(said, "ok"));
    if (wants_json(request->fields)) {
        char *text = json_dumps(said, JSON_COMPACT);
        answer(x, ok ? 200 : 409, "application/json", bytes_of(text == NULL ? "{}" : text), NULL,
               NULL);
        free(text);
    } else if (ok) {
        answer(x, 303, "text/plain; charset=utf-8", BYTES("done\n"), "location", "/");
    } else {
        refuse(x, 409, why == NULL ? "it was refused" : why, NULL);
    }
    json_decref(said);
    json_decref(ask);
}

static bool is_form(struct fields fields)
{
    static const char type[] = "application/x-www-form-urlencoded";
    struct bytes given = {0};
    size_t len = sizeof(type) - 1;
    return access_field(fields, "content-type", &given) == 1 && given.len >= len &&
           bytes_equal_nocase((struct bytes){given.at, len}, bytes_of(type)) &&
           (given.len == len || given.at[len] == ';');
}

enum route_kind { ROUTE_PAGE, ROUTE_EVENTS, ROUTE_ACT };
static const struct route {
    const char *path;
    enum route_kind kind;
} routes[] = {
    {"/", ROUTE_PAGE},     {"/events", ROUTE_EVENTS}, {"/abort", ROUTE_ACT},
    {"/pause", ROUTE_ACT}, {"/resume", ROUTE_ACT},    {"/answer", ROUTE_ACT},
};

/* 0, or why it may not be done. */
static uint16_t check_act(const struct page_server *s, const struct http_request *request,
                          enum page_who who, const char **ret_why)
{
    *ret_why = "a form is needed: content-type application/x-www-form-urlencoded";
    if (request->body.len > 0 && !is_form(request->fields))
        return 415;
    *ret_why = "the form is not of this run's page: load the page again";
    return who == PAGE_BROWSER && !page_gate_is_ours(s->config.gate, request->body) ? 403 : 0;
}

static void dispatch(struct page_server *s, struct http_exchange *x, const struct route *route,
                     struct bytes query, const struct http_request *request)
{
    enum page_who who;
    const char *why = NULL;
    bool changes = route->kind == ROUTE_ACT;
    uint16_t refused =
        page_gate_check(s->config.gate, request->fields, route->kind != ROUTE_PAGE, &who, &why);
    if (route->kind == ROUTE_PAGE && refused != 400 && refused != 403 &&
        page_gate_opens(s->config.gate, query)) {
        enter(s, x);
        return;
    }
    if (refused == 0 && changes)
        refused = check_act(s, request, who, &why);
    if (refused == 401)
        answer(x, 401, "text/html; charset=utf-8", bytes_of(page_text_stranger), "www-authenticate",
               "Bearer");
    else if (refused != 0)
        refuse(x, refused, why, NULL);
    else if (route->kind == ROUTE_PAGE)
        show_page(s, x);
    else if (route->kind == ROUTE_EVENTS)
        watch(s, x);
    else
        act(s, x, route->path + 1, request);
}

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *request)
{
    struct page_server *s = cookie;
    struct bytes path, query;
    page_form_target(request->target, &path, &query);
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        const struct route *r = &routes[i];
        if (!bytes_equal(path, bytes_of(r->path)))
            continue;
        bool get =
            request->verb == VERB_GET || (request->verb == VERB_HEAD && r->kind == ROUTE_PAGE);
        if (r->kind == ROUTE_ACT ? request->verb != VERB_POST : !get)
            refuse(x, 405, "not by this method",
                   r->kind == ROUTE_ACT    ? "POST"
                   : r->kind == ROUTE_PAGE ? "GET, HEAD"
                                           : "GET");
        else
            dispatch(s, x, r, query, request);
        return;
    }
    refuse(x, 404, "there is no such page", NULL);
}

/* --- its life --- */

bool page_server_open(struct loop *loop, const struct page_server_config *config,
                      struct page_server **ret, struct error *err)
{
    struct page_server *s = check_alloc_zero(1, sizeof(*s));
    s->loop = loop;
    s->config = *config;
    text_init(&s->event, PAGE_SNAPSHOT_MOST_BYTES + 64);
    struct http_server_config http = {.listen = config->listen,
                                      .body_most_bytes = PAGE_BODY_MOST_BYTES,
                                      .connections_most = PAGE_CONNECTIONS_MOST,
                                      .idle_most_ns = PAGE_IDLE_MOST_NS,
                                      .on_request = on_request,
                                      .on_gone = on_gone,
                                      .cookie = s};
    if (!http_server_open(loop, &http, &s->http, err)) {
        error_prefix(err, "--listen: ");
        text_release(&s->event);
        free(s);
        return false;
    }
    *ret = s;
    return true;
}

const char *page_server_address(const struct page_server *s)
{
    return http_server_address(s->http);
}

void page_server_print(const struct page_server *s, const char *token_name, struct text *to)
{
    const struct page_gate *g = s->config.gate;
    text_add(to, "http://%s/?token=%s%s", page_server_address(s), g->drawn ? "" : "$",
             g->drawn ? g->token : token_name);
}

void page_server_end(struct page_server *s)
{
    if (s->over)
        return;
    s->over = true;
    loop_hold_remove(s->loop, &s->every);
    bool made = s->watcher_count > 0 && make_event(s);
    if (made && s->config.more)
        text_add(&s->event, "event: more\ndata: 1\n\n");
    while (s->watchers != NULL) {
        struct watcher *w = s->watchers;
        struct http_exchange *x = w->exchange;
        /* Who leaves at this very moment is taken out by on_gone. */
        if (made && !http_exchange_part(x, bytes_of(text_get(&s->event))) && s->watchers != w)
            continue;
        s->watchers = w->next;
        s->watcher_count--;
        free(w);
        http_exchange_end(x);
    }
}

void page_server_free(struct page_server *s)
{
    if (s == NULL)
        return;
    page_server_end(s);
    http_server_free(s->http);
    text_release(&s->event);
    free(s);
}
