/* A step says what it has to say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "kube/api.h"

#include "base/clock.h"
#include "kube/api_server_test.h"

/* The service account of a pod in the scratch folder, and a client of it. */
struct rig {
    void **state;
    struct api_server *server;
    struct api *api;
    struct loop *loop;
    char *log; /* what on_record was given, a line each */
    size_t log_len;
    uint64_t connects;
};

static void on_record(void *cookie, const struct api_record *r)
{
    struct rig *rig = cookie;
    char line[2048];
    int n = snprintf(line, sizeof(line), "%s %s %u\n", r->verb, r->path, (unsigned)r->status);
    rig->log = realloc(rig->log, rig->log_len + (size_t)n + 1);
    memcpy(rig->log + rig->log_len, line, (size_t)n + 1);
    rig->log_len += (size_t)n;
    rig->connects = r->connects;
    assert_true(r->took_ns < 60 * NS_PER_S);
}

static void rig_account(struct rig *r, const char *ca)
{
    scratch_write(r->state, "ca.crt", ca);
    scratch_write(r->state, "namespace", "meshproof\n");
    scratch_write(r->state, "token", "sekret-token-1\n");
    unsetenv("KUBECONFIG");
    unsetenv("HTTPS_PROXY");
    unsetenv("https_proxy");
    setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", strchr(r->server->address, ':') + 1, 1);
}

static void rig_client(struct rig *r)
{
    struct credentials_options options = {.folder = (const char *)*r->state};
    struct credentials *credentials;
    struct error err = {0};
    assert_true(credentials_open(&options, &credentials, &err));
    struct api_options how = {.credentials = credentials,
                              .loop = r->loop,
                              .mode = "canary",
                              .run = "7f3a91c2",
                              .on_record = on_record,
                              .cookie = r,
                              .seed = 5};
    assert_true(api_open(&how, &r->api, &err));
}

/* ${r} stays where it is: it is the client's cookie. */
static void rig_open(struct rig *r, void **state, const struct api_server_step *steps, size_t count)
{
    *r = (struct rig){.state = state};
    r->server = api_server_open(state, steps, count);
    rig_account(r, r->server->ca_pem);
    rig_client(r);
}

static void rig_close(struct rig *r)
{
    api_close(r->api);
    api_server_close(r->server);
    if (r->log != NULL)
        assert_null(strstr(r->log, "sekret"));
    free(r->log);
    if (r->loop != NULL)
        loop_free(r->loop);
}

#define RIG(...) \
    static const struct api_server_step steps[] = {__VA_ARGS__}; \
    struct rig r; \
    rig_open(&r, state, steps, COUNT_OF(steps)); \
    struct error err = {0}; \
    enum api_outcome outcome = API_DONE; \
    json_t *body = NULL; \
    (void)body; \
    (void)outcome; \
    (void)err

static const struct api_request version = {.verb = API_GET, .path = "/version"};

static struct api_request of(enum api_verb verb, enum gvr_id id, const char *name)
{
    return (struct api_request){
        .verb = verb, .gvr = gvr_get(id), .namespace = "meshproof", .name = name};
}

static json_t *config_map(const char *run)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "ConfigMap",
                     "metadata", "name", "mp-x", "namespace", "meshproof", "labels",
                     "meshproof.io/run", run);
}

static void calls_are_made_on_one_connection_with_the_token_of_now(void **state)
{
    RIG({"GET /version HTTP/1.1", 200, "{\"gitVersion\":\"v1.37.2\"}"},
        {"GET /api/v1/namespaces/meshproof/pods/mp-1 HTTP/1.1", 200, "{\"kind\":\"Pod\"}"},
        {"POST /api/v1/namespaces/meshproof/configmaps?fieldManager=meshproof&"
         "fieldValidation=Strict HTTP/1.1",
         201, "{\"metadata\":{\"uid\":\"u-1\"}}"},
        {"PATCH "
         "/api/v1/namespaces/meshproof/pods/mp-1/status?fieldManager=meshproof&dryRun=All HTTP/1.1",
         200, "{}"},
        {"DELETE /api/v1/namespaces/meshproof/configmaps/mp-x HTTP/1.1", 200, "{}"}, );
    assert_true(api_call(r.api, &version, &body, &outcome, &err));
    assert_string_equal(json_string_value(json_object_get(body, "gitVersion")), "v1.37.2");
    json_decref(body);
    /* The kubelet has rotated it. */
    scratch_write(state, "token", "sekret-token-2\n");
    struct api_request get = of(API_GET, GVR_PODS, "mp-1");
    assert_true(api_call(r.api, &get, NULL, NULL, &err));
    struct api_request post = of(API_POST, GVR_CONFIGMAPS, NULL);
    json_t *object = config_map("7f3a91c2");
    post.body = object;
    assert_true(api_call(r.api, &post, NULL, NULL, &err));
    struct api_request patch = of(API_PATCH_STRATEGIC, GVR_PODS, "mp-1");
    patch.subresource = "status";
    patch.body = object;
    patch.dry_run = true;
    assert_true(api_call(r.api, &patch, NULL, NULL, &err));
    struct api_request delete = of(API_DELETE, GVR_CONFIGMAPS, "mp-x");
    delete.uid = "u-1";
    assert_true(api_call(r.api, &delete, NULL, NULL, &err));
    json_decref(object);
    struct api_server_seen *seen = r.server->seen;
    assert_int_equal(r.server->connections, 1);
    assert_int_equal(r.connects, 1);
    assert_non_null(strstr(seen[0].head, "Authorization: Bearer sekret-token-1\r\n"));
    assert_non_null(strstr(seen[1].head, "Authorization: Bearer sekret-token-2\r\n"));
    assert_non_null(strstr(seen[2].head, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(seen[2].body, "\"name\":\"mp-x\""));
    assert_non_null(
        strstr(seen[3].head, "Content-Type: application/strategic-merge-patch+json\r\n"));
    /* Trap 9: without the uid it could hit an object that was made again. */
    assert_non_null(strstr(seen[4].body, "\"preconditions\":{\"uid\":\"u-1\"}"));
    assert_non_null(strstr(seen[4].body, "\"propagationPolicy\":\"Background\""));
    assert_string_equal(
        r.log, "GET /version 200\n"
               "GET /api/v1/namespaces/meshproof/pods/mp-1 200\n"
               "POST /api/v1/namespaces/meshproof/configmaps?fieldManager=meshproof&"
               "fieldValidation=Strict 201\n"
               "PATCH /api/v1/namespaces/meshproof/pods/mp-1/status?fieldManager=meshproof&"
               "dryRun=All 200\n"
               "DELETE /api/v1/namespaces/meshproof/configmaps/mp-x 200\n");
    rig_close(&r);
}

static void a_401_is_met_with_the_token_read_again_and_once_only(void **state)
{
    RIG({"GET /version", 401, "{\"kind\":\"Status\"}"}, {"GET /version", 200, "{}"},
        {"GET /version", 401, "{}"}, {"GET /version", 401, "{}"});
    assert_true(api_call(r.api, &version, NULL, NULL, &err));
    assert_false(api_call(r.api, &version, NULL, &outcome, &err));
    assert_int_equal(outcome, API_UNAUTHORISED);
    assert_string_equal(
        err.text, "the service account token was refused: expired, or the account was deleted");
    rig_close(&r);
}

static void a_list_is_read_to_its_end_and_begun_again_when_it_expires(void **state)
{
    RIG({"GET /api/v1/namespaces/meshproof/pods?limit=500&labelSelector=meshproof.io%2Frun%3D7 ",
         200, "{\"metadata\":{\"continue\":\"a b\"},\"items\":[{\"n\":1}]}"},
        {"GET "
         "/api/v1/namespaces/meshproof/"
         "pods?limit=500&labelSelector=meshproof.io%2Frun%3D7&continue=a%20b ",
         410, "{\"reason\":\"Expired\",\"message\":\"too old\"}"},
        {"GET /api/v1/namespaces/meshproof/pods?limit=500&labelSelector=meshproof.io%2Frun%3D7 ",
         200,
         "{\"metadata\":{\"continue\":\"c\",\"resourceVersion\":\"7\"},\"items\":[{\"n\":1}]}"},
        {"GET "
         "/api/v1/namespaces/meshproof/"
         "pods?limit=500&labelSelector=meshproof.io%2Frun%3D7&continue=c",
         200, "{\"metadata\":{},\"items\":[{\"n\":2},{\"n\":3}]}"},
        {"GET /api/v1/namespaces/meshproof/pods", 200, "{\"metadata\":{},\"items\":null}"},
        {"GET /api/v1/namespaces/meshproof/pods", 200, "{\"metadata\":{},\"items\":7}"});
    struct api_request list = of(API_LIST, GVR_PODS, NULL);
    list.selector = "meshproof.io/run=7";
    assert_true(api_call(r.api, &list, &body, NULL, &err));
    assert_int_equal(json_array_size(json_object_get(body, "items")), 3);
    assert_null(json_object_get(json_object_get(body, "metadata"), "continue"));
    json_decref(body);
    assert_true(api_call(r.api, &list, &body, NULL, &err));
    assert_int_equal(json_array_size(json_object_get(body, "items")), 0);
    json_decref(body);
    assert_false(api_call(r.api, &list, NULL, &outcome, &err));
    assert_int_equal(outcome, API_BAD_ANSWER);
    rig_close(&r);
}

static void overload_is_tried_again_and_ends_with_the_number_of_answers(void **state)
{
    RIG({"GET /version", 503, "{}", "Retry-After: 1"}, {"GET /version", 200, "{}"},
        {"GET /version", 429, "{}"}, {"GET /version", 429, "{}"}, {"GET /version", 429, "{}"},
        {"GET /version", 429, "{}"}, {"GET /version", 429, "{}"}, {"GET /version", 500, "{}"});
    uint64_t start = clock_now_ns();
    assert_true(api_call(r.api, &version, NULL, NULL, &err));
    assert_true(clock_now_ns() - start >= NS_PER_S);
    assert_false(api_call(r.api, &version, NULL, &outcome, &err));
    assert_int_equal(outcome, API_OVERLOADED);
    assert_int_equal(strncmp(err.text, "the API server is overloaded (5 answers of 429 in ", 50),
                     0);
    assert_int_equal(err.kind, ERROR_PEER);
    struct api_request once = version;
    once.once = true;
    struct error other = {0};
    assert_false(api_call(r.api, &once, NULL, &outcome, &other));
    assert_int_equal(outcome, API_OVERLOADED);
    rig_close(&r);
}

static void what_another_try_cannot_mend_is_not_tried_again(void **state)
{
    RIG({"GET", 403, "{}"}, {"GET", 404, "{}"}, {"GET", 409, "{\"reason\":\"Conflict\"}"},
        {"GET", 410, "{}"}, {"GET", 422, "{}"}, {"GET", 302, "{}"}, {"GET", 200, "no json"},
        {"GET", 200, ""});
    static const enum api_outcome want[] = {API_FORBIDDEN,  API_NO_KIND, API_CONFLICT,
                                            API_EXPIRED,    API_INVALID, API_BAD_ANSWER,
                                            API_BAD_ANSWER, API_DONE};
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_int_equal(api_call(r.api, &version, NULL, &outcome, &err), want[i] == API_DONE);
        assert_int_equal(outcome, want[i]);
    }
    rig_close(&r);
}

static void a_get_whose_answer_is_cut_is_asked_again(void **state)
{
    RIG({"GET /version", 0, NULL, NULL, DROP}, {"GET /version", 200, "{\"a\":1", NULL, CUT},
        {"GET /version", 200, "{\"a\":1}"});
    assert_true(api_call(r.api, &version, &body, NULL, &err));
    assert_int_equal(json_integer_value(json_object_get(body, "a")), 1);
    json_decref(body);
    rig_close(&r);
}

static void a_post_whose_answer_is_lost_is_looked_for_and_never_sent_twice(void **state)
{
    RIG({"POST /api", 201, "{", NULL, CUT},
        {"GET /api/v1/namespaces/meshproof/configmaps/mp-x HTTP/1.1", 200,
         "{\"metadata\":{\"uid\":\"u\",\"labels\":{\"meshproof.io/run\":\"7f3a91c2\"}}}"},
        {"POST /api", 201, "{", NULL, CUT},
        {"GET /api/v1/namespaces/meshproof/configmaps/mp-x", 200,
         "{\"metadata\":{\"labels\":{\"meshproof.io/run\":\"00000000\"}}}"},
        {"POST /api", 201, "{", NULL, CUT}, {"GET /api", 404, "{\"details\":{\"name\":\"mp-x\"}}"});
    struct api_request post = of(API_POST, GVR_CONFIGMAPS, NULL);
    json_t *object = config_map("7f3a91c2");
    post.body = object;
    assert_true(api_call(r.api, &post, &body, &outcome, &err));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(body, "metadata"), "uid")), "u");
    json_decref(body);
    assert_false(api_call(r.api, &post, NULL, &outcome, &err));
    assert_int_equal(outcome, API_EXISTS);
    assert_string_equal(err.text, "run 7f3a91c2 exists already: meshproof recover --on kubernetes "
                                  "-n meshproof --run 7f3a91c2");
    struct error other = {0};
    assert_false(api_call(r.api, &post, NULL, &outcome, &other));
    assert_int_equal(outcome, API_UNREACHABLE);
    json_decref(object);
    rig_close(&r);
}

/* libcurl sends again by itself when a kept connection turns out to be dead: the second POST then
 * finds the first one's object. */
static void a_post_on_a_connection_that_died_under_it_is_not_taken_for_anothers(void **state)
{
    RIG({"GET /version", 200, "{}"}, {"POST /api", 0, NULL, NULL, DROP},
        {"POST /api", 409, "{\"reason\":\"AlreadyExists\"}"},
        {"GET /api/v1/namespaces/meshproof/configmaps/mp-x", 200,
         "{\"metadata\":{\"labels\":{\"meshproof.io/run\":\"7f3a91c2\"}}}"});
    struct api_request post = of(API_POST, GVR_CONFIGMAPS, NULL);
    json_t *object = config_map("7f3a91c2");
    post.body = object;
    assert_true(api_call(r.api, &version, NULL, NULL, &err));
    assert_true(api_call(r.api, &post, NULL, &outcome, &err));
    json_decref(object);
    rig_close(&r);
}

static void a_post_behind_a_502_may_have_made_its_object(void **state)
{
    RIG({"POST /api", 502, "bad gateway"}, {"POST /api", 409, "{\"reason\":\"AlreadyExists\"}"},
        {"GET /api", 200, "{\"metadata\":{\"labels\":{\"meshproof.io/run\":\"7f3a91c2\"}}}"},
        {"POST /api", 409, "{\"reason\":\"AlreadyExists\"}"});
    struct api_request post = of(API_POST, GVR_CONFIGMAPS, NULL);
    json_t *object = config_map("7f3a91c2");
    post.body = object;
    assert_true(api_call(r.api, &post, NULL, &outcome, &err));
    /* The first answer to the first try is no doubt. */
    assert_false(api_call(r.api, &post, NULL, &outcome, &err));
    assert_int_equal(outcome, API_EXISTS);
    json_decref(object);
    rig_close(&r);
}

static void an_answer_past_the_limit_is_refused(void **state)
{
    RIG({"GET /version", 200, NULL, NULL, ENDLESS});
    assert_false(api_call(r.api, &version, NULL, &outcome, &err));
    assert_int_equal(outcome, API_BAD_ANSWER);
    assert_string_equal(err.text, "the API server's answer has more than 64 MiB");
    rig_close(&r);
}

static void another_authority_is_not_trusted(void **state)
{
    struct rig r = {.state = state};
    struct error err = {0};
    enum api_outcome outcome;
    char want[400];
    r.server = api_server_open(state, NULL, 0);
    rig_account(&r, r.server->other_ca_pem);
    rig_client(&r);
    assert_false(api_call(r.api, &version, NULL, &outcome, &err));
    assert_int_equal(outcome, API_UNREACHABLE);
    snprintf(want, sizeof(want), "the API server's certificate is not signed by %s/ca.crt",
             (const char *)*state);
    assert_string_equal(err.text, want);
    assert_int_equal(r.server->connections, 1); /* another try would say the same */
    rig_close(&r);
}

static void a_server_that_is_not_there_is_named_with_the_policy_that_may_hide_it(void **state)
{
    struct rig r = {.state = state};
    struct error err = {0};
    enum api_outcome outcome;
    char address[32], want[200];
    r.server = api_server_open(state, NULL, 0);
    rig_account(&r, r.server->ca_pem);
    rig_client(&r);
    snprintf(address, sizeof(address), "%s", r.server->address);
    api_server_close(r.server);
    assert_false(api_call(r.api, &version, NULL, &outcome, &err));
    assert_int_equal(outcome, API_UNREACHABLE);
    snprintf(want, sizeof(want), "cannot reach the API server at %s: ", address);
    assert_int_equal(strncmp(err.text, want, strlen(want)), 0);
    assert_non_null(strstr(err.text, "NetworkPolicy meshproof-conductor"));
    /* Nothing was sent: five tries, and the journal has each. */
    unsigned tries = 0;
    for (const char *at = r.log; (at = strstr(at, "GET /version 0\n")) != NULL; at++)
        tries++;
    assert_int_equal(tries, API_TRIES_MOST);
    api_close(r.api);
    free(r.log);
}

static void a_token_that_cannot_be_read_is_said_without_a_call(void **state)
{
    struct rig r;
    rig_open(&r, state, NULL, 0);
    struct error err = {0};
    enum api_outcome outcome;
    scratch_write(state, "token", "two words\n");
    assert_false(api_call(r.api, &version, NULL, &outcome, &err));
    assert_int_equal(outcome, API_NOT_SENT);
    assert_null(strstr(err.text, "words"));
    err = (struct error){0};
    struct api_request odd = of(API_GET, GVR_PODS, "../secrets");
    assert_false(api_call(r.api, &odd, NULL, &outcome, &err));
    assert_int_equal(outcome, API_NOT_SENT);
    /* Half a selector would list other objects. */
    char *wide = check_alloc_zero(20000, 1);
    memset(wide, 'a', 19999);
    struct api_request list = of(API_LIST, GVR_PODS, NULL);
    list.selector = wide;
    err = (struct error){0};
    assert_false(api_call(r.api, &list, NULL, &outcome, &err));
    assert_int_equal(outcome, API_NOT_SENT);
    free(wide);
    rig_close(&r);
}

/* Who we are by a certificate; whoever has none is not let in. */
static void a_client_certificate_is_shown(void **state)
{
    static const struct api_server_step steps[] = {{"GET /version", 200, "{}"}};
    static const char *const users[] = {"{}", "{client-certificate: server.crt, client-key: "
                                              "server.key}"};
    static char path[300];
    struct api_server *server = api_server_open(state, steps, 1);
    SSL_CTX_set_verify(server->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    assert_int_equal(SSL_CTX_load_verify_locations(server->ctx, server->ca_path, NULL), 1);
    snprintf(path, sizeof(path), "%s", scratch_path(state, "config"));
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        struct credentials_options options = {.kubeconfig = path};
        struct api_options how = {0};
        struct api *api;
        struct error err = {0};
        char config[900];
        snprintf(config, sizeof(config),
                 "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
                 "clusters: [{name: c, cluster: {server: 'https://%s', certificate-authority: "
                 "ca.crt}}]\nusers: [{name: u, user: %s}]\n",
                 server->address, users[i]);
        scratch_write(state, "config", config);
        assert_true(credentials_open(&options, &how.credentials, &err));
        assert_true(api_open(&how, &api, &err));
        struct api_request once = version;
        once.once = true;
        assert_int_equal(api_call(api, &once, NULL, NULL, &err), i == 1);
        api_close(api);
    }
    api_server_close(server);
}

/* --- on the loop --- */

struct heard {
    struct rig *rig;
    char order[64];
    unsigned count, until;
    struct api_call *to_cancel;
};

static void hear(struct heard *h, char letter, const struct api_answer *answer)
{
    assert_int_equal(answer->outcome, API_DONE);
    h->order[h->count] = letter;
    if (++h->count == h->until)
        loop_stop(h->rig->loop);
}

static void on_a(void *cookie, const struct api_answer *answer)
{
    hear(cookie, 'a', answer);
}

static void on_b(void *cookie, const struct api_answer *answer)
{
    struct heard *h = cookie;
    hear(h, 'b', answer);
    if (h->to_cancel != NULL)
        api_cancel(h->to_cancel);
    h->to_cancel = NULL;
    api_server_go_on(h->rig->server);
}

static void loop_rig(struct rig *r, void **state, const struct api_server_step *steps, size_t count)
{
    struct error err = {0};
    *r = (struct rig){.state = state};
    assert_true(loop_new(&r->loop, &err));
    r->server = api_server_open(state, steps, count);
    rig_account(r, r->server->ca_pem);
    rig_client(r);
}

static void calls_on_the_loop_come_back_in_their_order_on_one_connection(void **state)
{
    static const struct api_server_step steps[] = {
        {"GET /version", 200, "{}"}, {"GET /version", 200, "{}"}, {"GET /version", 200, "{}"}};
    struct rig r;
    loop_rig(&r, state, steps, COUNT_OF(steps));
    struct heard h = {&r, "", 0, 3, NULL};
    struct error err = {0};
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(api_start(r.api, &version, on_a, &h));
    assert_int_equal(h.count, 0);
    assert_true(loop_run(r.loop, &err));
    assert_string_equal(h.order, "aaa");
    assert_int_equal(r.server->connections, 1);
    rig_close(&r);
}

/* Asks at each millisecond whether the server has the first request; then starts what comes next.
 */
struct behind {
    struct hold hold; /* first */
    struct rig *rig;
    struct heard *heard;
    struct api_request urgent;
};

static void on_begun(struct hold *h, uint64_t now_ns)
{
    struct behind *b = (struct behind *)(void *)h;
    struct api_server *s = b->rig->server;
    pthread_mutex_lock(&s->lock);
    bool begun = s->at > 0;
    pthread_mutex_unlock(&s->lock);
    if (!begun) {
        loop_hold_add(b->rig->loop, &b->hold, now_ns + NS_PER_MS, on_begun);
        return;
    }
    /* One that waits behind the first, and is taken back before it was begun. */
    api_cancel(api_start(b->rig->api, &version, on_a, b->heard));
    api_start(b->rig->api, &b->urgent, on_b, b->heard);
}

static void run_behind(struct rig *r, struct heard *h)
{
    struct error err = {0};
    json_t *body = json_object();
    struct behind b = {
        .rig = r, .heard = h, .urgent = of(API_PUT, GVR_LEASES, "meshproof-payments")};
    b.urgent.body = body;
    b.urgent.urgent = true;
    loop_hold_add(r->loop, &b.hold, clock_now_ns(), on_begun);
    assert_true(loop_run(r->loop, &err));
    json_decref(body);
}

/* The Lease does not wait behind a list that does not come. */
static void an_urgent_call_passes_one_that_hangs(void **state)
{
    static const struct api_server_step steps[] = {
        {"GET /version", 200, "{}", NULL, HOLD_BACK},
        {"PUT /apis/coordination.k8s.io/v1/namespaces/meshproof/leases/meshproof-payments", 200,
         "{}"}};
    struct rig r;
    loop_rig(&r, state, steps, COUNT_OF(steps));
    struct heard h = {&r, "", 0, 2, NULL};
    api_start(r.api, &version, on_a, &h);
    run_behind(&r, &h);
    assert_string_equal(h.order, "ba");
    rig_close(&r);
}

static void a_cancelled_call_is_not_heard_of_again(void **state)
{
    static const struct api_server_step steps[] = {{"GET /version", 200, "{}", NULL, HOLD_BACK},
                                                   {"PUT /apis/coordination.k8s.io", 200, "{}"}};
    struct rig r;
    loop_rig(&r, state, steps, COUNT_OF(steps));
    struct heard h = {&r, "", 0, 1, NULL};
    h.to_cancel = api_start(r.api, &version, on_a, &h);
    run_behind(&r, &h);
    assert_string_equal(h.order, "b");
    rig_close(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_are_made_on_one_connection_with_the_token_of_now),
        TEST(a_401_is_met_with_the_token_read_again_and_once_only),
        TEST(a_list_is_read_to_its_end_and_begun_again_when_it_expires),
        TEST(overload_is_tried_again_and_ends_with_the_number_of_answers),
        TEST(what_another_try_cannot_mend_is_not_tried_again),
        TEST(a_get_whose_answer_is_cut_is_asked_again),
        TEST(a_post_whose_answer_is_lost_is_looked_for_and_never_sent_twice),
        TEST(a_post_on_a_connection_that_died_under_it_is_not_taken_for_anothers),
        TEST(a_post_behind_a_502_may_have_made_its_object),
        TEST(an_answer_past_the_limit_is_refused),
        TEST(another_authority_is_not_trusted),
        TEST(a_server_that_is_not_there_is_named_with_the_policy_that_may_hide_it),
        TEST(a_token_that_cannot_be_read_is_said_without_a_call),
        TEST(a_client_certificate_is_shown),
        TEST(calls_on_the_loop_come_back_in_their_order_on_one_connection),
        TEST(an_urgent_call_passes_one_that_hangs),
        TEST(a_cancelled_call_is_not_heard_of_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
