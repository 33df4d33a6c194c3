#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/quote.h"

#include <stdlib.h>

#define ROUTE \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n"

/* The JSON of what is kept of ${yaml}, in one string; the caller's to free. */
static char *quotes(const char *yaml)
{
    const struct policy_options options = {.target = {MESH_ISTIO, 1, 31}};
    struct policy *p = NULL;
    struct error err = {0};
    if (!policy_read_bytes(bytes_of(yaml), "k8s/a.yaml", &options, &p, &err))
        fail_msg("%s", err.text);
    json_t *json = policy_quotes_to_json(p);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(json);
    policy_free(p);
    return text;
}

static void check(const char *yaml, const char *expected)
{
    char *text = quotes(yaml);
    assert_string_equal(text, expected);
    free(text);
}

static void need_without(const char *yaml, const char *secret)
{
    char *text = quotes(yaml);
    assert_non_null(strstr(text, QUOTE_HIDDEN));
    if (strstr(text, secret) != NULL)
        fail_msg("%s is in %s", secret, text);
    assert_non_null(strstr(text, "kept"));
    free(text);
}

static void documents_that_are_read_keep_their_lines_and_numbers(void **state)
{
    (void)state;
    check("kind: Service\napiVersion: v1\nmetadata: {name: a}\n---\n"
          "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {x: hunter2}\n---\n"
          "# mine\nkind: VirtualService\napiVersion: networking.istio.io/v1\nmetadata: {name: c}\n",
          "[{\"file\":\"k8s/a.yaml\",\"parts\":[{\"from\":1,\"text\":\"kind: Service\\napiVersion: "
          "v1\\nmetadata: {name: a}\\n\"},{\"from\":9,\"text\":\"---\\n# mine\\nkind: "
          "VirtualService\\napiVersion: networking.istio.io/v1\\nmetadata: {name: c}\\n\"}]}]");
}

static void nothing_of_other_kinds_or_of_a_list_is_kept(void **state)
{
    (void)state;
    check("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {x: hunter2}\n", "[]");
    check("apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n", "[]");
    check("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: "
          "{name: a}\n- {kind: Secret, data: {x: hunter2}}\n",
          "[]");
}

static void the_value_of_a_key_that_sounds_secret_is_hidden(void **state)
{
    (void)state;
    need_without(ROUTE "  Authorization: Basic hunter2\n  x: kept\n", "hunter2");
    need_without(ROUTE "  headers: {\"x-api-key\": hunter2}\n  x: kept\n", "hunter2");
    need_without(ROUTE "  myPassword: |\n    hunter2\n\n    hunter2\n  x: kept\n", "hunter2");
    need_without(ROUTE "  cookie:\n  - hunter2\n  x: kept\n", "hunter2");
    need_without(ROUTE "  set:\n  - name: Authorization\n    value: hunter2\n  x: kept\n",
                 "hunter2");
    need_without(ROUTE "  set:\n  - value: hunter2\n    name: Authorization\n  x: kept\n",
                 "hunter2");
    need_without(ROUTE "  x-mine: Bearer hunter2\n  x: kept\n", "hunter2");
    need_without(ROUTE "  # kept\n  # token: hunter2\n", "hunter2");
    need_without("apiVersion: v1\nkind: Service\nmetadata:\n  name: kept\n  annotations:\n    "
                 "kubectl.kubernetes.io/last-applied-configuration: |\n      {\"hunter2\": 1}\n",
                 "hunter2");
}

static void a_policys_own_cookie_is_no_secret(void **state)
{
    (void)state;
    char *text = quotes(ROUTE "  httpCookie: {name: user}\n");
    assert_non_null(strstr(text, "httpCookie: {name: user}"));
    free(text);
}

static void long_files_are_cut_and_say_so(void **state)
{
    struct text t;
    (void)state;
    text_init(&t, (size_t)1 << 20);
    text_add(&t, ROUTE);
    while (t.len < 2 * QUOTE_FILE_BYTES)
        text_add(&t, "  x%zu: \"%0300d\xC3\xA4%0300d\"\n", t.len, 1, 2);
    char *text = quotes(text_get(&t));
    assert_true(strlen(text) < QUOTE_FILE_BYTES + 4096);
    assert_non_null(strstr(text, "{\"cut\":true,\"file\":\"k8s/a.yaml\""));
    free(text);
    text_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_that_are_read_keep_their_lines_and_numbers),
        cmocka_unit_test(nothing_of_other_kinds_or_of_a_list_is_kept),
        cmocka_unit_test(the_value_of_a_key_that_sounds_secret_is_hidden),
        cmocka_unit_test(a_policys_own_cookie_is_no_secret),
        cmocka_unit_test(long_files_are_cut_and_say_so),
    };
    return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
