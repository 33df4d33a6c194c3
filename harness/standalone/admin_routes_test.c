#include "standalone/admin_routes.h"

#include "base/clock.h"
#include "faults/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rig {
    struct loop *loop;
    struct admin_server_config config;
    struct admin_reply reply;
};

static int make(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct error err = {0};
    assert_true(loop_new(&r->loop, &err));
    r->config = (struct admin_server_config){
        .version = "1.2.3",
        .set = proxy_set_new(
            r->loop, &(struct proxy_set_config){.seed = 1, .drain_ns = NS_PER_S, .workers = 1})};
    *state = r;
    return 0;
}

static void forget(struct rig *r)
{
    json_decref(r->reply.json);
    text_release(&r->reply.text);
    r->reply = (struct admin_reply){0};
}

static int unmake(void **state)
{
    struct rig *r = *state;
    forget(r);
    proxy_set_free(r->config.set);
    loop_free(r->loop);
    free(r);
    return 0;
}

/* ' in the body stands for ". */
static const struct admin_reply *ask(struct rig *r, const char *method, const char *target,
                                     const char *body)
{
    char quoted[1000];
    snprintf(quoted, sizeof(quoted), "%s", body == NULL ? "" : body);
    for (char *p = quoted; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    struct http_request request = {.method = bytes_of(method),
                                   .target = bytes_of(target),
                                   .verb = strcmp(method, "HEAD") == 0 ? VERB_HEAD : VERB_OTHER,
                                   .body = bytes_of(quoted)};
    forget(r);
    r->reply.status = 200;
    text_init(&r->reply.text, ADMIN_ANSWER_MOST_BYTES);
    admin_route(&r->config, &request, &r->reply);
    return &r->reply;
}

static void is(struct rig *r, const char *method, const char *target, const char *body,
               uint16_t status)
{
    const struct admin_reply *reply = ask(r, method, target, body);
    if (reply->status != status)
        fail_msg("%s %s: %u, not %u: %s", method, target, reply->status, status,
                 json_string_value(json_object_get(reply->json, "error")));
    if (status >= 400)
        assert_non_null(json_object_get(reply->json, "error"));
}

static void proxies_and_faults_live_and_die_by_their_paths(void **state)
{
    struct rig *r = *state;
    is(r, "POST", "/v1/proxies", "{'name': 'a b', 'to': '127.0.0.1:9'}", 201);
    is(r, "POST", "/v1/proxies", "{'name': 'a b', 'to': '127.0.0.1:9'}", 409);
    is(r, "GET", "/v1/proxies/a%20b", NULL, 200);
    is(r, "GET", "/v1/proxies/a%20b?x=y", NULL, 200);
    is(r, "PUT", "/v1/proxies/c", "{'to': '127.0.0.1:9'}", 201);
    is(r, "PUT", "/v1/proxies/c", "{'to': '127.0.0.1:9'}", 200);
    is(r, "PUT", "/v1/proxies/c", "{'name': 'd', 'to': '127.0.0.1:9'}", 400);
    is(r, "PATCH", "/v1/proxies/c", "{'to': '127.0.0.1:10'}", 200);
    assert_string_equal(json_string_value(json_object_get(r->reply.json, "to")), "127.0.0.1:10");
    is(r, "POST", "/v1/proxies/c/faults", "{'word': 'abort', 'status': 503, 'name': 'sorry'}", 201);
    assert_int_equal(json_integer_value(json_object_get(r->reply.json, "id")), 1);
    is(r, "GET", "/v1/proxies/c/faults/1", NULL, 200);
    is(r, "GET", "/v1/proxies/c/faults/sorry", NULL, 200);
    is(r, "PUT", "/v1/proxies/c/faults/sorry", "{'word': 'abort', 'status': 500}", 200);
    assert_int_equal(json_integer_value(json_object_get(r->reply.json, "id")), 1);
    is(r, "GET", "/v1/proxies/c/faults/sorry", NULL, 404);
    is(r, "DELETE", "/v1/proxies/c/faults/1", NULL, 204);
    is(r, "DELETE", "/v1/proxies/c/faults/1", NULL, 404);
    is(r, "POST", "/v1/proxies/c/disable", NULL, 200);
    assert_true(json_is_false(json_object_get(r->reply.json, "enabled")));
    is(r, "POST", "/v1/reset", NULL, 200);
    is(r, "DELETE", "/v1/proxies/c", NULL, 204);
    is(r, "DELETE", "/v1/proxies/c", NULL, 404);
    is(r, "GET", "/v1/proxies", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(r->reply.json, "proxies")), 1);
}

static void what_is_wrong_has_its_status_and_a_sentence(void **state)
{
    struct rig *r = *state;
    is(r, "POST", "/v1/proxies", "{", 400);
    is(r, "POST", "/v1/proxies", "", 400);
    is(r, "POST", "/v1/proxies", "[]", 400);
    is(r, "POST", "/v1/proxies", "{'name': 'a', 'name': 'a', 'to': '127.0.0.1:9'}", 400);
    is(r, "PUT", "/v1/proxies/%ff", "{'to': '127.0.0.1:9'}", 400);
    is(r, "PATCH", "/v1/proxies/nobody", "{}", 404);
    is(r, "POST", "/v1/proxies/nobody/faults", "{'word': 'refuse'}", 404);
    is(r, "POST", "/v1/proxies/nobody/enable", NULL, 404);
    is(r, "POST", "/v1/reload", NULL, 409);
    is(r, "GET", "/v1/proxies/", NULL, 404);
    is(r, "GET", "/", NULL, 404);
    is(r, "GET", "*", NULL, 404);
    is(r, "GET", "http://127.0.0.1/v1/proxies", NULL, 404);
    is(r, "GET", "/v1/proxies/%0", NULL, 404);
    is(r, "GET", "/v1/proxies/a/b/c/d/e/f/g/h", NULL, 404);
    is(r, "BREW", "/v1/proxies", NULL, 405);
    assert_string_equal(r->reply.allow, "GET, POST");
    is(r, "HEAD", "/v1/proxies", NULL, 200);
}

static void the_description_has_every_route_and_every_fault(void **state)
{
    struct rig *r = *state;
    size_t count, words;
    const struct admin_route *routes = admin_routes(&count);
    is(r, "GET", "/openapi.json", NULL, 200);
    const json_t *paths = json_object_get(r->reply.json, "paths");
    size_t operations = 0;
    const char *path;
    json_t *one;
    json_object_foreach((json_t *)(uintptr_t)paths, path, one)
    {
        operations += json_object_size(one);
    }
    assert_int_equal(operations, count);
    for (size_t i = 0; i < count; i++)
        assert_non_null(json_object_get(paths, routes[i].path));
    const json_t *schemas =
        json_object_get(json_object_get(r->reply.json, "components"), "schemas");
    (void)fault_types(&words);
    assert_int_equal(json_array_size(json_object_get(json_object_get(schemas, "Fault"), "oneOf")),
                     words);
    is(r, "GET", "/v1/faults", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(r->reply.json, "faults")), words);
}

static void a_label_of_a_metric_is_escaped(void **state)
{
    struct rig *r = *state;
    is(r, "POST", "/v1/proxies", "{'name': 'a\\'b\\\\', 'to': '127.0.0.1:9'}", 201);
    is(r, "GET", "/metrics", NULL, 200);
    assert_non_null(strstr(text_get(&r->reply.text), "{proxy=\"a\\\"b\\\\\"} 0\n"));
    assert_non_null(
        strstr(text_get(&r->reply.text), "meshproof_build_info{version=\"1.2.3\"} 1\n"));
    assert_non_null(strstr(text_get(&r->reply.text), "le=\"+Inf\"} 0\n"));
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIGGED(proxies_and_faults_live_and_die_by_their_paths),
        RIGGED(what_is_wrong_has_its_status_and_a_sentence),
        RIGGED(the_description_has_every_route_and_every_fault),
        RIGGED(a_label_of_a_metric_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
