#include "kube/answer.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

/* Bodies as kube-apiserver 1.37.2 gives them. */
struct row {
    enum api_verb verb;
    int gvr; /* -1: the path /version */
    const char *subresource;
    uint32_t status;
    const char *body;
    enum api_outcome outcome;
    const char *sentence;
};

#define SENTENCE_RBAC(resource, what) \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"" resource \
    " is forbidden: User \\\"system:serviceaccount:meshproof:meshproof-conductor\\\" cannot " what \
    " in the namespace " \
    "\\\"meshproof\\\"\",\"reason\":\"Forbidden\",\"details\":{\"kind\":\"" resource \
    "\"},\"code\":403}"

static const struct row rows[] = {
    {API_POST, GVR_SECRETS, NULL, 403,
     SENTENCE_RBAC("secrets", "create resource \\\"secrets\\\" in API group \\\"\\\""),
     API_FORBIDDEN,
     "meshproof-conductor may not create secrets in meshproof; add to role meshproof-canary: - "
     "{apiGroups: [''], resources: [secrets], verbs: [create]}"},
    {API_PATCH_STRATEGIC, GVR_PODS, "status", 403,
     SENTENCE_RBAC("pods", "patch resource \\\"pods/status\\\" in API group \\\"\\\""),
     API_FORBIDDEN,
     "meshproof-conductor may not patch pods/status in meshproof; add to role meshproof-canary: - "
     "{apiGroups: [''], resources: [pods/status], verbs: [patch]}"},
    {API_LIST, GVR_VIRTUALSERVICES, NULL, 403,
     SENTENCE_RBAC("virtualservices", "list resource \\\"virtualservices\\\" in API group "
                                      "\\\"networking.istio.io\\\""),
     API_FORBIDDEN,
     "meshproof-conductor may not list virtualservices in meshproof; add to role meshproof-canary: "
     "- {apiGroups: ['networking.istio.io'], resources: [virtualservices], verbs: [list]}"},
    {API_GET, GVR_NAMESPACES, NULL, 403,
     "{\"message\":\"namespaces \\\"shop\\\" is forbidden: User \\\"jane\\\" cannot get resource "
     "\\\"namespaces\\\" in API group \\\"\\\" in the namespace \\\"shop\\\"\"}",
     API_FORBIDDEN,
     "jane may not get namespaces; add to cluster role meshproof-namespaces: - {apiGroups: [''], "
     "resources: [namespaces], verbs: [get]}"},
    /* No right, but a quota: the server's own words. */
    {API_POST, GVR_PODS, NULL, 403,
     "{\"message\":\"pods \\\"mp-1\\\" is forbidden: exceeded quota: small, requested: pods=1\"}",
     API_FORBIDDEN, "pods \"mp-1\" is forbidden: exceeded quota: small, requested: pods=1"},
    {API_POST, GVR_PODS, NULL, 403,
     "{\"message\":\"pods \\\"mp-7f3a91c2-load-1\\\" is forbidden: violates PodSecurity "
     "\\\"restricted:latest\\\": allowPrivilegeEscalation != false (container \\\"istio-init\\\" "
     "must "
     "set securityContext.allowPrivilegeEscalation=false)\",\"details\":{\"name\":"
     "\"mp-7f3a91c2-load-1\",\"kind\":\"pods\"}}",
     API_POD_SECURITY,
     "namespace meshproof enforces restricted and pod mp-7f3a91c2-load-1 breaks it: "
     "allowPrivilegeEscalation != false (container \"istio-init\" must set "
     "securityContext.allowPrivilegeEscalation=false): container istio-init is the mesh's: install "
     "the mesh's CNI plug-in"},
    {API_POST, GVR_PODS, NULL, 403,
     "{\"message\":\"pods \\\"x\\\" is forbidden: violates PodSecurity \\\"baseline:v1.37\\\": "
     "non-default capabilities (container \\\"agent\\\" must not include \\\"NET_ADMIN\\\")\"}",
     API_POD_SECURITY,
     "namespace meshproof enforces baseline and pod of the run breaks it: non-default capabilities "
     "(container \"agent\" must not include \"NET_ADMIN\")"},
    {API_POST, GVR_HTTPROUTES, NULL, 404, NULL, API_NO_KIND,
     "the cluster has no HTTPRoute gateway.networking.k8s.io/v1: install the Gateway API "
     "(HTTPRoute "
     "retry: its experimental channel)"},
    {API_LIST, GVR_SERVERS, NULL, 404,
     "{\"message\":\"the server could not find the requested resource\",\"reason\":\"NotFound\","
     "\"details\":{},\"code\":404}",
     API_NO_KIND,
     "the cluster has no Server policy.linkerd.io/v1beta3: install Linkerd 2.16 or later"},
    {API_GET, GVR_PODS, NULL, 404,
     "{\"message\":\"pods \\\"mp-1\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":"
     "\"mp-1\",\"kind\":\"pods\"}}",
     API_NOT_FOUND, "pods \"mp-1\" not found"},
    {API_GET, -1, NULL, 404, NULL, API_NO_KIND, "the API server has no /version"},
    {API_POST, GVR_CONFIGMAPS, NULL, 409,
     "{\"message\":\"configmaps \\\"mp-1\\\" already exists\",\"reason\":\"AlreadyExists\"}",
     API_EXISTS,
     "run 7f3a91c2 exists already: meshproof recover --on kubernetes -n meshproof --run 7f3a91c2"},
    {API_PUT, GVR_LEASES, NULL, 409,
     "{\"message\":\"Operation cannot be fulfilled on leases \\\"l\\\": the object has been "
     "modified\",\"reason\":\"Conflict\"}",
     API_CONFLICT, "Operation cannot be fulfilled on leases \"l\": the object has been modified"},
    {API_LIST, GVR_PODS, NULL, 410, "{\"message\":\"too old resource version\"}", API_EXPIRED,
     "too old resource version"},
    {API_POST, GVR_PODS, NULL, 422,
     "{\"message\":\"Pod is "
     "invalid\",\"details\":{\"causes\":[{\"field\":\"spec.containers[0].name\","
     "\"message\":\"Required value\"},{\"field\":\"spec.x\",\"message\":\"two\\nlines\"}]}}",
     API_INVALID, "spec.containers[0].name: Required value\nspec.x: two lines"},
    {API_PATCH_MERGE, GVR_SERVICES, NULL, 422,
     "{\"message\":\"the server rejected our request due to an error in our request\"}",
     API_INVALID, "the server rejected our request due to an error in our request"},
    {API_POST, GVR_PODS, NULL, 400,
     "{\"message\":\"strict decoding error: unknown field \\\"spec.foo\\\"\"}", API_INVALID,
     "strict decoding error: unknown field \"spec.foo\""},
    /* Found by fuzzing: causes that say nothing. */
    {API_POST, GVR_PODS, NULL, 422,
     "{\"message\":\"bad\",\"details\":{\"causes\":[{},7,{\"reason\":\"x\"}]}}", API_INVALID,
     "bad"},
    {API_GET, GVR_PODS, NULL, 429, NULL, API_OVERLOADED,
     "the API server is overloaded (4 answers of 429 in 12s)"},
    {API_GET, GVR_PODS, NULL, 401, NULL, API_UNAUTHORISED,
     "the service account token was refused: expired, or the account was deleted"},
    {API_GET, GVR_PODS, NULL, 302, NULL, API_BAD_ANSWER,
     "the API server answered 302, with what is no answer of an API server"},
    {API_GET, GVR_PODS, NULL, 501, "{}", API_INVALID, "the API server answered 501 without a word"},
};

static void each_answer_is_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *r = &rows[i];
        struct api_request request = {.verb = r->verb,
                                      .gvr = r->gvr < 0 ? NULL : gvr_get((enum gvr_id)r->gvr),
                                      .path = r->gvr < 0 ? "/version" : NULL,
                                      .namespace = r->gvr < 0 ? NULL : "meshproof",
                                      .subresource = r->subresource};
        struct answer_asked asked = {.request = &request,
                                     .account = "meshproof-conductor",
                                     .mode = "canary",
                                     .run = "7f3a91c2",
                                     .namespace = "meshproof",
                                     .in_cluster = true,
                                     .overloaded = 4,
                                     .took_ns = UINT64_C(12000345678)};
        struct text said;
        json_t *body = r->body != NULL ? json_loads(r->body, 0, NULL) : NULL;
        assert_true(r->body == NULL || body != NULL);
        enum api_outcome outcome = answer_outcome(r->status, body);
        text_init(&said, ANSWER_SENTENCE_MOST_BYTES);
        answer_sentence(outcome, &asked, r->status, body, &said);
        assert_int_equal(outcome, r->outcome);
        assert_string_equal(text_get(&said), r->sentence);
        text_release(&said);
        json_decref(body);
    }
}

static void what_a_terminal_would_obey_is_taken_out(void **state)
{
    struct api_request request = {.verb = API_GET, .gvr = gvr_get(GVR_PODS)};
    struct answer_asked asked = {.request = &request, .account = "a", .namespace = "n"};
    struct text said;
    json_t *body = json_pack("{s:s}", "message", "red \x1b[31m\r\nbell\a");
    (void)state;
    text_init(&said, 1000);
    answer_sentence(API_INVALID, &asked, 400, body, &said);
    assert_string_equal(text_get(&said), "red ?[31m? bell?");
    text_release(&said);
    json_decref(body);
}

static void causes_end_somewhere(void **state)
{
    struct api_request request = {.verb = API_GET, .gvr = gvr_get(GVR_PODS)};
    struct answer_asked asked = {.request = &request, .account = "a", .namespace = "n"};
    struct text said;
    json_t *causes = json_array();
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        json_array_append_new(causes, json_pack("{s:s, s:s}", "field", "f", "message", "m"));
    json_t *body = json_pack("{s:{s:o}}", "details", "causes", causes);
    text_init(&said, ANSWER_SENTENCE_MOST_BYTES);
    answer_sentence(API_INVALID, &asked, 422, body, &said);
    assert_non_null(strstr(text_get(&said), "f: m\nand 980 more"));
    text_release(&said);
    json_decref(body);
}

static void retry_after_is_seconds(void **state)
{
    (void)state;
    assert_int_equal(answer_retry_after_ns(BYTES(" 7 ")), UINT64_C(7000000000));
    assert_int_equal(answer_retry_after_ns(BYTES("0")), 0);
    assert_int_equal(answer_retry_after_ns(BYTES("99999999999999999999")), 0);
    assert_int_equal(answer_retry_after_ns(BYTES("999999")), UINT64_C(86400000000000));
    assert_int_equal(answer_retry_after_ns(BYTES("Wed, 21 Oct 2026 07:28:00 GMT")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_is_one_sentence),
        cmocka_unit_test(what_a_terminal_would_obey_is_taken_out),
        cmocka_unit_test(causes_end_somewhere),
        cmocka_unit_test(retry_after_is_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
