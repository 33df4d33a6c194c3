#include "kube/uptake.h"

#include "kube/fake_run_test.h"

/* Bodies as the documents of each mesh show them. */
#define META "\"metadata\":{\"name\":\"mp-x\",\"generation\":2},"
#define PARENT(conditions) \
    "{" META "\"status\":{\"parents\":[{\"controllerName\":\"istio.io/gateway-controller\"," \
    "\"conditions\":[" conditions "]}]}}"
#define CONDITION(type, status, reason, message, generation) \
    "{\"type\":\"" type "\",\"status\":\"" status "\",\"reason\":\"" reason \
    "\",\"message\":\"" message "\",\"observedGeneration\":" generation "}"

static void test_read(void **state)
{
    static const struct {
        const char *body;
        enum uptake_state want;
        const char *why;
    } rows[] = {
        {"{}", UPTAKE_UNKNOWN, ""},
        {"7", UPTAKE_UNKNOWN, ""},
        {"{" META "\"status\":{\"parents\":[null,{\"conditions\":[1,{}]}]}}", UPTAKE_UNKNOWN, ""},
        {PARENT(CONDITION("Accepted", "True", "Accepted", "", "2")), UPTAKE_TAKEN, ""},
        {PARENT(CONDITION("Accepted", "True", "Accepted", "", "1")), UPTAKE_UNKNOWN, ""},
        {PARENT(CONDITION("Accepted", "Unknown", "Pending", "", "2")), UPTAKE_UNKNOWN, ""},
        {PARENT(CONDITION("Accepted", "False", "NoMatchingParent", "no Service", "2")),
         UPTAKE_REFUSED,
         "istio.io/gateway-controller: Accepted is False, NoMatchingParent: no Service"},
        {PARENT(CONDITION("Accepted", "True", "Accepted", "", "2") "," CONDITION(
             "ResolvedRefs", "False", "BackendNotFound", "backend(x) not found", "2")),
         UPTAKE_REFUSED,
         "istio.io/gateway-controller: ResolvedRefs is False, BackendNotFound: backend(x) not "
         "found"},
        {"{" META "\"status\":{\"ancestors\":[{\"controllerName\":\"a\",\"conditions\":[" CONDITION(
             "Accepted", "True", "Accepted", "", "2") "]}]}}",
         UPTAKE_TAKEN, ""},
        /* Linkerd's rate limit: conditions of the object itself */
        {"{" META "\"status\":{\"conditions\":[" CONDITION("Accepted", "False", "RateLimitReason",
                                                           "exists already", "2") "]}}",
         UPTAKE_REFUSED, "Accepted is False, RateLimitReason: exists already"},
        /* Istio's own, where istiod writes it */
        {"{" META "\"status\":{\"observedGeneration\":\"2\",\"conditions\":[{\"type\":"
         "\"Reconciled\",\"status\":\"True\",\"message\":\"3/3 proxies up to date.\"}]}}",
         UPTAKE_TAKEN, ""},
        {"{" META "\"status\":{\"conditions\":[{\"type\":\"Reconciled\",\"status\":\"False\","
         "\"message\":\"0/3 proxies up to date.\"}]}}",
         UPTAKE_UNKNOWN, ""},
        {"{" META "\"status\":{\"validationMessages\":[{\"level\":\"ERROR\",\"type\":{\"code\":"
         "\"IST0101\",\"name\":\"ReferencedResourceNotFound\"}}]}}",
         UPTAKE_REFUSED, "Istio's analysis: IST0101 ReferencedResourceNotFound"},
        {"{" META "\"status\":{\"validationMessages\":[{\"base\":{\"level\":\"WARNING\",\"type\":"
         "{\"code\":\"IST0130\"}}}]}}",
         UPTAKE_UNKNOWN, ""},
        {"{" META "\"status\":{\"observedGeneration\":1,\"conditions\":[{\"type\":\"Reconciled\","
         "\"status\":\"True\"}]}}",
         UPTAKE_UNKNOWN, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char why[400];
        json_t *body = json_loads(rows[i].body, JSON_DECODE_ANY, NULL);
        assert_non_null(body);
        enum uptake_state is = uptake_read(body, why, sizeof(why));
        if (is != rows[i].want || strcmp(why, rows[i].why) != 0)
            fail_msg("row %zu: %d \"%s\"", i, is, why);
        json_decref(body);
    }
}

static json_t *copy_of(const char *version, const char *kind)
{
    return json_pack("{ss ss s{ss}}", "apiVersion", version, "kind", kind, "metadata", "name",
                     "mp-x");
}

/* A controller that says so after three looks, and another that has no status at all. */
static unsigned looks;
static void accept_late(struct fake *f, const char *call)
{
    json_t *route = fake_get(f, "httproutes", "mp-x");
    if (strcmp(call, "GET httproutes/mp-x") == 0 && ++looks == 3)
        json_object_set_new(route, "status",
                            json_pack("{s[{s[{ss ss}]}]}", "parents", "conditions", "type",
                                      "Accepted", "status", "True"));
}

static void test_waits_for_those_that_have_one(void **state)
{
    struct fake f;
    struct uptake u;
    (void)state;
    json_t *copies = json_pack("[o o]", copy_of("networking.istio.io/v1", "VirtualService"),
                               copy_of("gateway.networking.k8s.io/v1", "HTTPRoute"));
    fake_open(&f);
    fake_put(&f, "virtualservices", json_deep_copy(json_array_get(copies, 0)));
    fake_put(&f, "httproutes", json_deep_copy(json_array_get(copies, 1)));
    f.before = accept_late;
    looks = 0;
    uptake_init(&u, "meshproof", copies);
    assert_true(fake_do(&f, &u.chore));
    assert_int_equal(u.err.kind, ERROR_NONE);
    assert_int_equal(u.taken, 1);
    assert_int_equal(u.unknown_count, 1);
    assert_string_equal(text_get(&u.unknown), "VirtualService mp-x");
    assert_null(fake_called(&f, "GET virtualservices", 1)); /* nothing was promised: one look */
    assert_non_null(fake_called(&f, "GET httproutes", 2));
    uptake_release(&u);
    json_decref(copies);
    fake_close(&f);
}

static void test_silence_is_no_error_and_a_refusal_is(void **state)
{
    static const struct {
        const char *status, *why;
    } rows[] = {
        {"{}", NULL},
        {"{\"parents\":[{\"controllerName\":\"linkerd.io/policy-controller\",\"conditions\":[{"
         "\"type\":\"Accepted\",\"status\":\"False\",\"reason\":\"NoMatchingParent\"}]}]}",
         "the mesh refuses the copy of the policy, HTTPRoute mp-x: linkerd.io/policy-controller: "
         "Accepted is False, NoMatchingParent"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fake f;
        struct uptake u;
        json_t *copies = json_pack("[o]", copy_of("policy.linkerd.io/v1beta3", "HTTPRoute"));
        fake_open(&f);
        json_t *route = fake_put(&f, "httproutes", json_deep_copy(json_array_get(copies, 0)));
        json_object_set_new(route, "status", json_loads(rows[i].status, 0, NULL));
        uint64_t begun_ns = f.now_ns;
        uptake_init(&u, "meshproof", copies);
        assert_true(fake_do(&f, &u.chore));
        assert_in_range(f.now_ns - begun_ns, UPTAKE_WITHIN_NS / 2, 2 * UPTAKE_WITHIN_NS);
        assert_int_equal(u.unknown_count, rows[i].why == NULL ? 1 : 0);
        if (rows[i].why != NULL)
            assert_string_equal(u.err.text, rows[i].why);
        uptake_release(&u);
        json_decref(copies);
        fake_close(&f);
    }
}

/* Not to be read at all: unknown, at once; an API that is away for a while is asked again. */
static void test_may_not_be_read(void **state)
{
    struct fake f;
    struct uptake u;
    (void)state;
    json_t *copies = json_pack("[o]", copy_of("linkerd.io/v1alpha2", "ServiceProfile"));
    fake_open(&f);
    fake_put(&f, "serviceprofiles", json_deep_copy(json_array_get(copies, 0)));
    fake_refuse(&f, (struct fake_rule){.outcome = API_UNREACHABLE, .sentence = "away", .count = 2});
    fake_refuse(&f,
                (struct fake_rule){.outcome = API_FORBIDDEN, .sentence = "may not", .count = 1});
    uptake_init(&u, "meshproof", copies);
    assert_true(fake_do(&f, &u.chore));
    assert_int_equal(u.unknown_count, 1);
    assert_int_equal(json_array_size(f.log), 3);
    uptake_release(&u);
    json_decref(copies);
    uptake_init(&u, "meshproof", NULL);
    assert_true(fake_do(&f, &u.chore));
    assert_true(u.over);
    uptake_release(&u);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_waits_for_those_that_have_one),
        cmocka_unit_test(test_silence_is_no_error_and_a_refusal_is),
        cmocka_unit_test(test_may_not_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
