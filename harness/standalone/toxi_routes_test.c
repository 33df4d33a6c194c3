#include "standalone/toxi_routes.h"

#include "base/clock.h"
#include "net/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Statuses and texts are those of Toxiproxy 2.12.0, measured; ' stands for ". */

struct rig {
    struct loop *loop;
    struct proxy_set *set;
    struct toxi toxi;
    struct toxi_reply reply;
    char *json;
};

static struct rig *make_with(unsigned workers)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct error err = {0};
    assert_true(loop_new(&r->loop, &err));
    r->set = proxy_set_new(
        r->loop, &(struct proxy_set_config){.seed = 1, .drain_ns = NS_PER_S, .workers = workers});
    toxi_init(&r->toxi, r->set, "1.2.3");
    return r;
}

static int make(void **state)
{
    *state = make_with(1);
    return 0;
}

static void forget(struct rig *r)
{
    json_decref(r->reply.json);
    text_release(&r->reply.text);
    free(r->json);
    r->json = NULL;
    r->reply = (struct toxi_reply){0};
}

static int unmake(void **state)
{
    struct rig *r = *state;
    forget(r);
    toxi_release(&r->toxi);
    proxy_set_free(r->set);
    loop_free(r->loop);
    free(r);
    return 0;
}

static void requote(char *text, char from, char to)
{
    for (char *p = text; *p != '\0'; p++)
        *p = *p == from ? to : *p;
}

/* The answer's body, with ' for "; lives until the next call. */
static const char *ask_as(struct rig *r, const char *agent, const char *method, const char *target,
                          const char *body, uint16_t status)
{
    char quoted[2000];
    struct field fields[] = {{BYTES("User-Agent"), bytes_of(agent)}};
    snprintf(quoted, sizeof(quoted), "%s", body);
    requote(quoted, '\'', '"');
    struct http_request request = {.method = bytes_of(method),
                                   .target = bytes_of(target),
                                   .fields = {fields, 1},
                                   .body = bytes_of(quoted)};
    forget(r);
    r->reply.status = 200;
    text_init(&r->reply.text, TOXI_ANSWER_MOST_BYTES);
    toxi_route(&r->toxi, &request, &r->reply);
    r->json = r->reply.json != NULL
                  ? json_dumps(r->reply.json, JSON_COMPACT | JSON_REAL_PRECISION(7))
                  : strdup(text_get(&r->reply.text));
    requote(r->json, '"', '\'');
    if (r->reply.status != status)
        fail_msg("%s %s %s: %u, not %u: %s", method, target, body, r->reply.status, status,
                 r->json);
    return r->json;
}

static const char *ask(struct rig *r, const char *method, const char *target, const char *body,
                       uint16_t status)
{
    return ask_as(r, "test", method, target, body, status);
}

static void says(struct rig *r, const char *method, const char *target, const char *body,
                 uint16_t status, const char *answer)
{
    const char *got = ask(r, method, target, body, status);
    if (strcmp(got, answer) != 0)
        fail_msg("%s %s %s: %s, not %s", method, target, body, got, answer);
}

static void refuses(struct rig *r, const char *method, const char *target, const char *body,
                    uint16_t status, const char *error)
{
    char answer[400];
    snprintf(answer, sizeof(answer), "{'error':'%s','status':%u}", error, status);
    says(r, method, target, body, status, answer);
}

/* The listen address of a proxy; lives until the next call. */
static const char *listen_of(struct rig *r, const char *name)
{
    static char text[100];
    json_t *described = proxy_set_describe(r->set, name);
    snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(described, "listen")));
    json_decref(described);
    return text;
}

static bool listens(const char *address)
{
    struct error err = {0};
    struct socket_address at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(socket_parse(address, &at, &err));
    bool ok = connect(fd, (const struct sockaddr *)&at.storage, at.len) == 0;
    close(fd);
    return ok;
}

static void a_proxy_is_told_as_it_was_asked_for_with_its_address_resolved(void **state)
{
    struct rig *r = *state;
    char want[300];
    says(r, "GET", "/proxies", "", 200, "{}");
    const char *got = ask(r, "POST", "/proxies",
                          "{'name':'a','upstream':'localhost:9','listen':'localhost:0'}", 201);
    snprintf(want, sizeof(want),
             "{'name':'a','listen':'%s','upstream':'localhost:9','enabled':true,'toxics':[]}",
             listen_of(r, "a"));
    assert_string_equal(got, want);
    assert_true(strncmp(listen_of(r, "a"), "127.0.0.1:", 10) == 0);
    assert_true(listens(listen_of(r, "a")));
    says(r, "GET", "/proxies/a", "", 200, want);
    refuses(r, "POST", "/proxies", "{'name':'a','upstream':'localhost:9'}", 409,
            "proxy already exists");
}

static void a_proxy_that_is_made_disabled_keeps_its_text_until_it_is_enabled(void **state)
{
    struct rig *r = *state;
    says(
        r, "POST", "/proxies",
        "{'name':'b','upstream':'localhost:9','enabled':false,'listen':'localhost:0'}", 201,
        "{'name':'b','listen':'localhost:0','upstream':'localhost:9','enabled':false,'toxics':[]}");
    ask(r, "POST", "/proxies/b", "{'enabled':true}", 200);
    assert_null(strstr(r->json, "localhost:0"));
    assert_true(listens(listen_of(r, "b")));
    char address[100];
    snprintf(address, sizeof(address), "%s", listen_of(r, "b"));
    ask(r, "PATCH", "/proxies/b", "{'enabled':false}", 200);
    assert_false(listens(address));
    assert_non_null(strstr(r->json, address));
    ask(r, "PATCH", "/proxies/b", "{'enabled':true}", 200);
    assert_string_equal(listen_of(r, "b"), address);
}

static void what_is_wrong_with_a_proxy_is_said_as_go_says_it(void **state)
{
    struct rig *r = *state;
    refuses(r, "POST", "/proxies", "", 400, "bad request body: EOF");
    refuses(r, "POST", "/proxies", "{'name':", 400, "bad request body: unexpected EOF");
    refuses(r, "POST", "/proxies", "{'name':3}", 400,
            "bad request body: json: cannot unmarshal number into Go struct field Proxy.name of "
            "type string");
    refuses(r, "POST", "/proxies", "[]", 400,
            "bad request body: json: cannot unmarshal array into Go value of type "
            "toxiproxy.Proxy");
    refuses(r, "POST", "/proxies", "{}", 400, "missing required field: name");
    refuses(r, "POST", "/proxies", "{'name':'a'}", 400, "missing required field: upstream");
    refuses(r, "POST", "/proxies", "{'name':'d','upstream':'127.0.0.1:9','listen':'bad'}", 500,
            "listen tcp: address bad: missing port in address");
    refuses(r, "GET", "/proxies/zz", "", 404, "proxy not found");
    refuses(r, "DELETE", "/proxies/zz", "", 404, "proxy not found");
    refuses(r, "POST", "/proxies/zz/toxics", "", 404, "proxy not found");
}

static void an_address_that_is_taken_is_said_as_go_says_it(void **state)
{
    struct rig *r = *state;
    char body[200], want[200];
    ask(r, "POST", "/proxies", "{'name':'a','upstream':'localhost:9','listen':'localhost:0'}", 201);
    snprintf(body, sizeof(body), "{'name':'b','upstream':'localhost:9','listen':'%s'}",
             listen_of(r, "a"));
    snprintf(want, sizeof(want), "listen tcp %s: bind: address already in use", listen_of(r, "a"));
    refuses(r, "POST", "/proxies", body, 500, want);
    assert_false(proxy_set_has(r->set, "b"));
    says(r, "DELETE", "/proxies/a", "", 204, "");
    ask(r, "POST", "/proxies", body, 201);
}

static void an_upstream_without_an_address_is_one_that_refuses(void **state)
{
    struct rig *r = *state;
    ask(r, "POST", "/proxies", "{'name':'a','upstream':'no port','listen':'localhost:0'}", 201);
    assert_non_null(strstr(r->json, "'upstream':'no port'"));
    ask(r, "POST", "/proxies/a", "{'upstream':'localhost:7'}", 200);
    assert_non_null(strstr(r->json, "'upstream':'localhost:7'"));
}

static void toxics_have_their_defaults(void **state)
{
    struct rig *r = *state;
    ask(r, "POST", "/proxies", "{'name':'a','upstream':'localhost:9','listen':'localhost:0'}", 201);
    says(r, "GET", "/proxies/a/toxics", "", 200, "[]");
    says(r, "POST", "/proxies/a/toxics", "{'type':'latency'}", 200,
         "{'attributes':{'latency':0,'jitter':0},'name':'latency_downstream','type':'latency',"
         "'stream':'downstream','toxicity':1}");
    says(r, "POST", "/proxies/a/toxics",
         "{'type':'latency','stream':'UPSTREAM','toxicity':0.3,'attributes':{'Latency':5,'foo':3}}",
         200,
         "{'attributes':{'latency':5,'jitter':0},'name':'latency_UPSTREAM','type':'latency',"
         "'stream':'UPSTREAM','toxicity':0.3}");
    says(r, "POST", "/proxies/a/toxics",
         "{'type':'slicer','name':'s','toxicity':5,'attributes':null}", 200,
         "{'attributes':{'average_size':0,'size_variation':0,'delay':0},'name':'s','type':'slicer',"
         "'stream':'downstream','toxicity':5}");
    says(r, "POST", "/proxies/a/toxics", "{'type':'noop'}", 200,
         "{'attributes':{},'name':'noop_downstream','type':'noop','stream':'downstream',"
         "'toxicity':1}");
    says(r, "DELETE", "/proxies/a/toxics/noop_downstream", "", 204, "");
    const char *all = ask(r, "GET", "/proxies/a/toxics", "", 200);
    const char *up = strstr(all, "latency_UPSTREAM"), *down = strstr(all, "latency_downstream");
    assert_true(up != NULL && down != NULL && up < down && down < strstr(all, "slicer"));
}

static void toxics_change_and_go(void **state)
{
    struct rig *r = *state;
    ask(r, "POST", "/proxies", "{'name':'a','upstream':'localhost:9','listen':'localhost:0'}", 201);
    ask(r, "POST", "/proxies/a/toxics", "{'type':'latency','attributes':{'latency':10}}", 200);
    says(r, "POST", "/proxies/a/toxics/latency_downstream",
         "{'attributes':{'jitter':7},'toxicity':0.1,'stream':'upstream'}", 200,
         "{'attributes':{'latency':10,'jitter':7},'name':'latency_downstream','type':'latency',"
         "'stream':'downstream','toxicity':0.1}");
    refuses(r, "POST", "/proxies/a/toxics", "{'type':'latency'}", 409, "toxic already exists");
    ask(r, "POST", "/reset", "", 204);
    says(r, "GET", "/proxies/a/toxics", "", 200, "[]");
    refuses(r, "GET", "/proxies/a/toxics/latency_downstream", "", 404, "toxic not found");
    refuses(r, "PATCH", "/proxies/a/toxics/zz", "", 404, "toxic not found");
    refuses(r, "DELETE", "/proxies/a/toxics/zz", "", 404, "toxic not found");
}

static void what_is_wrong_with_a_toxic_is_said(void **state)
{
    struct rig *r = *state;
    ask(r, "POST", "/proxies", "{'name':'a','upstream':'localhost:9','listen':'localhost:0'}", 201);
    refuses(r, "POST", "/proxies/a/toxics", "", 400, "bad request body: EOF");
    refuses(r, "POST", "/proxies/a/toxics", "{}", 400, "invalid toxic type");
    refuses(r, "POST", "/proxies/a/toxics", "{'type':'nope'}", 400, "invalid toxic type");
    refuses(r, "POST", "/proxies/a/toxics", "{'type':'latency','stream':'mid'}", 400,
            "stream was invalid, can be either upstream or downstream");
    refuses(r, "POST", "/proxies/a/toxics", "{'type':'latency','attributes':{'latency':'x'}}", 400,
            "bad request body: json: cannot unmarshal string into Go struct field "
            "LatencyToxic.attributes.latency of type int64");
    refuses(r, "POST", "/proxies/a/toxics", "{'type':'latency','attributes':{'latency':5.5}}", 400,
            "bad request body: json: cannot unmarshal number 5.5 into Go struct field "
            "LatencyToxic.attributes.latency of type int64");
    says(r, "GET", "/proxies/a/toxics", "", 200, "[]");
}

static void a_proxy_of_another_protocol_takes_no_toxics(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    json_t *web = json_pack("{ss ss}", "name", "web", "to", "127.0.0.1:9");
    assert_true(proxy_set_put(r->set, web, &err));
    json_decref(web);
    ask(r, "GET", "/proxies/web", "", 200);
    ask(r, "POST", "/proxies/web/toxics", "{'type':'latency'}", 400);
    assert_non_null(strstr(r->json, "toxics need protocol toxic"));
}

static void populate_keeps_what_is_there_and_replaces_what_differs(void **state)
{
    struct rig *r = *state;
    char body[300];
    ask(r, "POST", "/populate", "[{'name':'a','upstream':'localhost:9','listen':'localhost:0'}]",
        201);
    assert_non_null(strstr(r->json, "{'proxies':[{'name':'a'"));
    ask(r, "POST", "/proxies/a/toxics", "{'type':'latency'}", 200);
    snprintf(body, sizeof(body),
             "[{'name':'a','upstream':'localhost:9','listen':'%s'},"
             "{'name':'m','upstream':'localhost:1','listen':'localhost:0','enabled':false}]",
             listen_of(r, "a"));
    ask(r, "POST", "/populate", body, 201);
    assert_non_null(strstr(r->json, "latency_downstream"));
    assert_non_null(strstr(r->json, "'listen':'localhost:0','upstream':'localhost:1',"
                                    "'enabled':false"));
    snprintf(body, sizeof(body), "[{'name':'a','upstream':'localhost:8','listen':'%s'}]",
             listen_of(r, "a"));
    ask(r, "POST", "/populate", body, 201);
    assert_null(strstr(r->json, "latency_downstream"));
}

static void populate_says_what_is_wrong_and_what_was_made(void **state)
{
    struct rig *r = *state;
    says(r, "POST", "/populate", "[]", 201, "{'proxies':null}");
    says(r, "POST", "/populate", "", 400,
         "{'error':'bad request body: EOF','status':400,'proxies':null}");
    says(r, "POST", "/populate", "[{'name':'p','upstream':'x:1'},{'upstream':'p'}]", 400,
         "{'error':'missing required field: name at proxy 2','status':400,'proxies':null}");
    says(r, "POST", "/populate", "[{'name':'p'}]", 400,
         "{'error':'missing required field: upstream at proxy 1','status':400,'proxies':null}");
    ask(r, "POST", "/populate",
        "[{'name':'m','upstream':'localhost:1','listen':'localhost:0'},"
        "{'name':'n','upstream':'localhost:1','listen':'local'},"
        "{'name':'o','upstream':'localhost:1','listen':'localhost:0'}]",
        500);
    assert_non_null(strstr(r->json, "'proxies':[{'name':'m'"));
    assert_true(proxy_set_has(r->set, "m"));
    assert_false(proxy_set_has(r->set, "o"));
}

static void reset_enables_everything(void **state)
{
    struct rig *r = *state;
    ask(r, "POST", "/proxies",
        "{'name':'a','upstream':'localhost:9','listen':'localhost:0','enabled':false}", 201);
    says(r, "POST", "/reset", "", 204, "");
    assert_true(listens(listen_of(r, "a")));
}

static void browsers_and_strangers_are_refused(void **state)
{
    struct rig *r = *state;
    assert_string_equal(ask_as(r, "Mozilla/5.0 (X11)", "GET", "/version", "", 403),
                        "User agent not allowed\n");
    says(r, "GET", "/version", "", 200, "{'version': '" TOXI_API_VERSION "'}\n");
    says(r, "GET", "/nowhere", "", 404, "404 page not found\n");
    says(r, "GET", "/proxies/", "", 404, "404 page not found\n");
    says(r, "GET", "/proxies/%zz", "", 404, "404 page not found\n");
    says(r, "PUT", "/proxies/a", "", 405, "");
    says(r, "GET", "/reset", "", 405, "");
    ask(r, "GET", "/metrics", "", 200);
    assert_non_null(strstr(r->json, "toxiproxy_proxy_sent_bytes_total"));
}

static void names_in_paths_are_decoded(void **state)
{
    struct rig *r = *state;
    ask(r, "POST", "/proxies", "{'name':'a b','upstream':'localhost:9','listen':'localhost:0'}",
        201);
    ask(r, "GET", "/proxies/a%20b?x=1", "", 200);
    ask(r, "POST", "/proxies/a%20b/toxics", "{'type':'noop','name':'n m'}", 200);
    ask(r, "DELETE", "/proxies/a%20b/toxics/n%20m", "", 204);
    ask(r, "DELETE", "/proxies/a%20b", "", 204);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(a_proxy_is_told_as_it_was_asked_for_with_its_address_resolved),
        TEST(a_proxy_that_is_made_disabled_keeps_its_text_until_it_is_enabled),
        TEST(what_is_wrong_with_a_proxy_is_said_as_go_says_it),
        TEST(an_address_that_is_taken_is_said_as_go_says_it),
        TEST(an_upstream_without_an_address_is_one_that_refuses),
        TEST(toxics_have_their_defaults),
        TEST(toxics_change_and_go),
        TEST(what_is_wrong_with_a_toxic_is_said),
        TEST(a_proxy_of_another_protocol_takes_no_toxics),
        TEST(populate_keeps_what_is_there_and_replaces_what_differs),
        TEST(populate_says_what_is_wrong_and_what_was_made),
        TEST(reset_enables_everything),
        TEST(browsers_and_strangers_are_refused),
        TEST(names_in_paths_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
