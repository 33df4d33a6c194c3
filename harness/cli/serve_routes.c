#include "cli/serve_routes.h"

#include "base/clock.h"
#include "cli/control_client.h"
#include "cli/serve_ask.h"
#include "cli/serve_cluster.h"
#include "net/access.h"

#include <stdlib.h>

#define CONNECTIONS_MOST 64
#define IDLE_MOST_NS UINT64_C(10000000000) /* of one who asks nothing; who waits may wait */

/* Somebody who waits for the run to end, or for the cluster's answer. */
struct waiter {
    struct hold hold; /* first */
    struct serve_routes *routes;
    struct http_exchange *exchange; /* NULL: free */
    struct api_call *call;          /* NULL: it waits for the run */
};

struct serve_routes {
    struct serve_routes_config config;
    struct http_server *http;
    struct serve_job job;
    struct serve_cluster cluster;
    struct waiter waiters[SERVE_WAITING_MOST];
    bool drains;
    void (*on_drained)(void *cookie);
    void *cookie;
};

static void answer(struct http_exchange *x, uint16_t status, json_t *take_body)
{
    struct field fields[4] = {{BYTES("content-type"), BYTES("application/json")},
                              {BYTES("cache-control"), BYTES("no-store")},
                              {BYTES("x-content-type-options"), BYTES("nosniff")}};
    size_t count = 3;
    char *text = json_dumps(take_body, JSON_COMPACT);
    if (status == 401)
        fields[count++] = (struct field){BYTES("www-authenticate"), BYTES("Bearer")};
    INVARIANT(text != NULL);
    http_exchange_answer(x, status, (struct fields){fields, count}, bytes_of(text), false);
    free(text);
    json_decref(take_body);
}

static void refuse(struct http_exchange *x, uint16_t status, const char *why)
{
    struct text clean;
    text_init(&clean, 1024);
    report_add_clean(&clean, why);
    answer(x, status, json_pack("{s:s}", "error", text_get(&clean)));
    text_release(&clean);
}

/* ---- those who wait ---- */

static void tell(struct waiter *w, const char *run)
{
    json_t *told = serve_job_told(&w->routes->job, run);
    const json_t *code = json_object_get(told, "exit");
    struct http_exchange *x = w->exchange;
    w->exchange = NULL;
    loop_hold_remove(w->routes->config.loop, &w->hold);
    if (code != NULL)
        answer(x, serve_job_status((int)json_integer_value(code)), told);
    else
        answer(x, 202, told);
}

static void on_late(struct hold *h, uint64_t now_ns)
{
    struct waiter *w = (struct waiter *)(void *)h;
    (void)now_ns;
    tell(w, w->routes->job.run);
}

static void on_end(void *cookie, const char *run)
{
    struct serve_routes *s = cookie;
    for (size_t i = 0; i < SERVE_WAITING_MOST; i++)
        if (s->waiters[i].exchange != NULL && s->waiters[i].call == NULL)
            tell(&s->waiters[i], run);
    if (s->drains)
        s->on_drained(s->cookie);
}

/* NULL: as many wait as may, and it is answered. */
static struct waiter *take_waiter(struct serve_routes *s, struct http_exchange *x)
{
    for (size_t i = 0; i < SERVE_WAITING_MOST; i++) {
        struct waiter *w = &s->waiters[i];
        if (w->exchange != NULL)
            continue;
        w->exchange = x;
        http_exchange_set(x, w);
        return w;
    }
    refuse(x, 429, "as many wait as may: ask GET /v1/runs/ID");
    return NULL;
}

/* ${for_ns} 0: until it ends. */
static void wait_for_end(struct serve_routes *s, struct http_exchange *x, uint64_t for_ns)
{
    struct waiter *w = take_waiter(s, x);
    if (w != NULL && for_ns != 0)
        loop_hold_add(s->config.loop, &w->hold, loop_now_ns(s->config.loop) + for_ns, on_late);
}

static void on_gone(void *cookie, struct http_exchange *x, bool by_reset)
{
    struct waiter *w = http_exchange_get(x);
    (void)cookie;
    (void)by_reset;
    if (w == NULL)
        return;
    w->exchange = NULL;
    loop_hold_remove(w->routes->config.loop, &w->hold);
    if (w->call != NULL)
        api_cancel(w->call);
    w->call = NULL;
}

/* ---- what is asked ---- */

static void start(struct serve_routes *s, struct http_exchange *x, const json_t *from, bool waits,
                  uint64_t for_ns)
{
    struct serve_ask *ask = check_alloc_zero(1, sizeof(*ask));
    struct error err = {0};
    bool busy = false;
    if (!serve_ask_read(from, s->config.suites, ask, &err))
        refuse(x, 400, err.text);
    else if (ask->mode[0] != '\0' && s->config.token == NULL)
        refuse(x, 403, "what makes objects in a cluster is asked with a token: --token-env NAME");
    else if (s->drains)
        refuse(x, 423, "this server is stopping");
    else if (!serve_job_start(&s->job, ask, &busy, &err))
        refuse(x, busy ? 423 : 424, err.text);
    else if (waits)
        wait_for_end(s, x, for_ns);
    else
        answer(x, 202, serve_job_told(&s->job, s->job.run));
    free(ask);
}

static void post_run(struct serve_routes *s, struct http_exchange *x, const json_t *body)
{
    uint64_t for_ns;
    struct error err = {0};
    if (!serve_ask_wait(body, &for_ns, &err))
        refuse(x, 400, err.text);
    else
        start(s, x, body, for_ns != 0, for_ns);
}

static void post_gate(struct serve_routes *s, struct http_exchange *x, const json_t *body)
{
    const json_t *metadata = json_object_get(body, "metadata");
    if (!json_is_object(metadata))
        refuse(x, 400, "metadata is missing: {\"metadata\": {\"suite\": \"gate.lua\"}}");
    else
        start(s, x, metadata, true, 0);
}

static void post_halt(struct serve_routes *s, struct http_exchange *x, const json_t *body)
{
    (void)body;
    if (!s->job.runs) {
        answer(x, 200, json_pack("{s:s}", "state", "idle"));
        return;
    }
    serve_job_halt(&s->job);
    wait_for_end(s, x, 0);
}

/* The run's own socket is on this host, and answers at once (control_client_ask gives it 5 s). */
static void post_answer(struct serve_routes *s, struct http_exchange *x, const json_t *body)
{
    struct live_note note;
    struct control_client client;
    struct error err = {0};
    bool none = true;
    json_t *reply = NULL;
    const char *text = json_string_value(json_object_get(body, "answer")),
               *who = json_string_value(json_object_get(body, "as"));
    json_int_t number = json_integer_value(json_object_get(body, "number"));
    if (text == NULL || who == NULL || number < 1 || number > 1000) {
        refuse(x, 400,
               "an answer has number, answer and as: {\"number\": 1, \"answer\": \"yes\", "
               "\"as\": \"alice\"}");
        return;
    }
    if (!s->job.runs || !live_note_find(s->job.run, &note, &none, &err) ||
        !control_client_open(&note, &client, &err)) {
        refuse(x, 404, err.kind == ERROR_NONE ? "no run goes on" : err.text);
        return;
    }
    if (control_client_ask(&client,
                           json_pack("{s:s, s:I, s:s, s:s}", "verb", "answer", "number", number,
                                     "answer", text, "who", who),
                           &reply, &err))
        answer(x, 200, reply);
    else
        refuse(x, 400, err.text);
    control_client_close(&client);
}

static void get_told(struct serve_routes *s, struct http_exchange *x, const char *run)
{
    json_t *told = serve_job_told(&s->job, run);
    if (told != NULL)
        answer(x, 200, told);
    else
        refuse(x, 404, "there is no such run, or none has ended yet");
}

/* Ours ended after it was made, or that very one is ours. */
static bool is_ours(const struct serve_job *j, const json_t *newest)
{
    char ended[CLOCK_TEXT_BYTES];
    return j->latest[0] != '\0' && strcmp(clock_print_wall(j->ended_s, ended),
                                          json_string_value(json_object_get(newest, "made"))) >= 0;
}

static void on_results(void *cookie, const struct api_answer *told)
{
    struct waiter *w = cookie;
    struct serve_routes *s = w->routes;
    struct http_exchange *x = w->exchange;
    bool may = told->outcome == API_DONE;
    json_t *newest = may ? serve_cluster_newest(told->body) : NULL;
    w->exchange = NULL;
    w->call = NULL;
    if (!may && told->outcome != API_FORBIDDEN) {
        refuse(x, 424, told->sentence); /* a newer one may be there */
    } else if (newest == NULL || is_ours(&s->job, newest)) {
        json_decref(newest);
        get_told(s, x, s->job.latest);
    } else {
        answer(x, 200, newest);
    }
}

/* Where the account may not list, runs on the cluster are not ours to tell of. */
static void get_latest(struct serve_routes *s, struct http_exchange *x)
{
    struct waiter *w = s->cluster.api == NULL ? NULL : take_waiter(s, x);
    if (w != NULL)
        w->call = serve_cluster_ask(&s->cluster, on_results, w);
    else if (s->cluster.api == NULL)
        get_told(s, x, s->job.latest);
}

static const struct {
    const char *path;
    void (*post)(struct serve_routes *s, struct http_exchange *x, const json_t *body);
} posts[] = {{"/v1/run", post_run},
             {"/v1/gate", post_gate},
             {"/v1/halt", post_halt},
             {"/v1/answer", post_answer}};

/* ---- who may ask ---- */

/* A webhook that cannot send headers has the token in its metadata. */
static uint16_t check(const struct serve_routes *s, struct fields fields, const json_t *body,
                      const char **ret_why)
{
    const char *told =
        json_string_value(json_object_get(json_object_get(body, "metadata"), "token"));
    bool knows = s->config.token != NULL && told != NULL &&
                 access_is_secret(bytes_of(told), s->config.token);
    return knows ? 0 : access_check(fields, s->config.token, ret_why);
}

static bool get(struct serve_routes *s, struct http_exchange *x, struct bytes target)
{
    static const char runs[] = "/v1/runs/";
    char run[9] = "";
    if (bytes_equal(target, BYTES("/v1/verdict/latest"))) {
        get_latest(s, x);
        return true;
    }
    if (target.len != sizeof(runs) - 1 + 8 || memcmp(target.at, runs, sizeof(runs) - 1) != 0)
        return false;
    memcpy(run, target.at + sizeof(runs) - 1, 8);
    get_told(s, x, run);
    return true;
}

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *r)
{
    struct serve_routes *s = cookie;
    struct error err = {0};
    const char *why = "";
    json_t *body = NULL;
    bool is_post = r->verb == VERB_POST, found = false;
    bool read = !is_post || serve_ask_body(r->body, &body, &err);
    uint16_t refused = check(s, r->fields, body, &why);
    if (refused != 0) {
        refuse(x, refused, why);
    } else if (!read) {
        refuse(x, 400, err.text);
    } else if (is_post) {
        for (size_t i = 0; i < COUNT_OF(posts) && !found; i++) {
            found = bytes_equal(r->target, bytes_of(posts[i].path));
            if (found)
                posts[i].post(s, x, body);
        }
    } else {
        found = r->verb == VERB_GET && get(s, x, r->target);
    }
    if (refused == 0 && read && !found)
        refuse(x, 404,
               "there is POST /v1/run, /v1/gate, /v1/halt, /v1/answer, GET /v1/runs/ID, "
               "/v1/verdict/latest");
    json_decref(body);
}

bool serve_routes_open(const struct serve_routes_config *config, struct serve_routes **ret,
                       struct error *err)
{
    struct serve_routes *s = check_alloc_zero(1, sizeof(*s));
    struct http_server_config server = {.listen = config->listen,
                                        .body_most_bytes = SERVE_BODY_MOST,
                                        .connections_most = CONNECTIONS_MOST,
                                        .idle_most_ns = IDLE_MOST_NS,
                                        .on_request = on_request,
                                        .on_gone = on_gone,
                                        .cookie = s};
    s->config = *config;
    s->job = (struct serve_job){.loop = config->loop, .on_end = on_end, .cookie = s};
    for (size_t i = 0; i < SERVE_WAITING_MOST; i++)
        s->waiters[i].routes = s;
    if (!serve_cluster_open(&s->cluster, config->loop, err) ||
        !http_server_open(config->loop, &server, &s->http, err)) {
        serve_cluster_close(&s->cluster);
        free(s);
        return false;
    }
    *ret = s;
    return true;
}

void serve_routes_free(struct serve_routes *s)
{
    if (s == NULL)
        return;
    child_end(&s->job.child);
    for (size_t i = 0; i < SERVE_WAITING_MOST; i++)
        loop_hold_remove(s->config.loop, &s->waiters[i].hold);
    http_server_free(s->http);
    serve_cluster_close(&s->cluster);
    free(s);
}

const char *serve_routes_address(const struct serve_routes *s)
{
    return http_server_address(s->http);
}

void serve_routes_drain(struct serve_routes *s, void (*on_drained)(void *cookie), void *cookie)
{
    s->drains = true;
    s->on_drained = on_drained;
    s->cookie = cookie;
    if (s->job.runs)
        serve_job_halt(&s->job);
    else
        on_drained(cookie);
}
