#include "policy/testing.h"

#include "policy/edge.h"

static void must_be_equal(const struct edge_policy *a, const struct edge_policy *b)
{
    size_t count = 0;
    const struct edge_value *rows = edge_values(&count);
    assert_string_equal(a->from, b->from);
    assert_string_equal(a->to, b->to);
    assert_string_equal(a->path, b->path);
    assert_string_equal(a->route, b->route);
    assert_memory_equal(&a->target, &b->target, sizeof(a->target));
    assert_int_equal(a->flavour, b->flavour);
    assert_int_equal(a->endpoints, b->endpoints);
    assert_int_equal(a->retry.on, b->retry.on);
    assert_memory_equal(&a->retry.codes, &b->retry.codes, sizeof(a->retry.codes));
    assert_int_equal(a->retry.other_host, b->retry.other_host);
    assert_int_equal(a->outlier.present, b->outlier.present);
    assert_int_equal(a->outlier.split_local_errors, b->outlier.split_local_errors);
    assert_int_equal(a->accrual.present, b->accrual.present);
    for (size_t i = 0; i < count; i++) {
        const struct value *x = edge_value_get(a, &rows[i]), *y = edge_value_get(b, &rows[i]);
        assert_int_equal(x->set, y->set);
        assert_true(x->number == y->number);
        assert_int_equal(x->source.line, y->source.line);
        assert_int_equal(x->source.column, y->source.column);
        assert_int_equal(x->source.file != NULL, y->source.file != NULL);
        if (x->source.file != NULL)
            assert_string_equal(x->source.file, y->source.file);
        assert_int_equal(x->origin != NULL, y->origin != NULL);
        if (x->origin != NULL)
            assert_string_equal(x->origin, y->origin);
    }
}

static void round_trip_keeps_everything(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path, *service;
    } rows[] = {{"istio@1.31", "k8s", "payments"},
                {"istio@1.22", "k8s", "other"},
                {"istio-ambient@1.31", "ambient", "checkout"},
                {"istio-ambient@1.31", "k8s", "payments"},
                {"linkerd@2.19", "linkerd", "checkout"},
                {"gateway-api@1.6", "ambient", "checkout"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = testing_read_seed(rows[i].target, 3, rows[i].path);
        struct edge_policy a = testing_resolve(p, rows[i].service, NULL), b;
        struct arena arena;
        struct error err = {0};
        arena_init(&arena, 1 << 20);
        json_t *json = edge_policy_to_json(&a);
        char *text = json_dumps(json, JSON_SORT_KEYS);
        json_t *again = json_loads(text, 0, NULL);
        assert_true(edge_policy_from_json(again, &arena, &b, &err));
        must_be_equal(&a, &b);
        json_t *third = edge_policy_to_json(&b);
        assert_true(json_equal(json, third));
        json_decref(third);
        json_decref(again);
        json_decref(json);
        free(text);
        policy_free(p);
        arena_release(&arena);
    }
}

/* Each change of one member to something of another type is refused, and names it. */
static void broken_json_is_an_input_error(void **state)
{
    (void)state;
    struct policy *p = testing_read_seed("istio@1.31", 3, "k8s");
    struct edge_policy a = testing_resolve(p, "payments", NULL), b;
    json_t *right = edge_policy_to_json(&a);
    const char *key;
    json_t *value;
    void *tmp;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    json_object_foreach_safe(right, tmp, key, value)
    {
        struct error err = {0};
        json_t *copy = json_deep_copy(right);
        json_object_set_new(copy, key, json_real(1.5));
        assert_false(edge_policy_from_json(copy, &arena, &b, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
        assert_non_null(strstr(err.text, "policy record: "));
        json_decref(copy);
    }
    static const char *const texts[] = {
        "[]", "null", "{}", "{\"v\":2}",
        ("{\"v\":1,\"from\":\"a\",\"to\":\"b\",\"path\":\"/\",\"route\":\"\","
         "\"target\":\"nomad@1.2\",\"flavour\":\"envoy\",\"endpoints\":3}")};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct error err = {0};
        json_t *j = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_false(edge_policy_from_json(j, &arena, &b, &err));
        assert_true(err.text[0] != '\0');
        json_decref(j);
    }
    json_decref(right);
    arena_release(&arena);
    policy_free(p);
}

static void print_shows_each_value_with_its_mark(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3,
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n"
        "  hosts: [a]\n  http:\n  - timeout: 2s\n    retries: {attempts: 3, retryOn: "
        "\"5xx,503\"}\n");
    struct edge_policy e = testing_resolve(p, "a", NULL);
    struct text t;
    text_init(&t, 65536);
    edge_policy_print(&e, &t);
    assert_non_null(strstr(text_get(&t), "client -> a  a/http[0]  path /  istio@1.31, envoy\n"));
    assert_non_null(strstr(
        text_get(&t), "  request_timeout                  2s                       a.yaml:7:14  "
                      "VirtualService a http[0].timeout\n"));
    assert_non_null(strstr(text_get(&t), "  retry.conditions                 5xx,503  "));
    assert_non_null(strstr(
        text_get(&t),
        "  retry.backoff_max                250ms                    default of istio@1.31\n"));
    text_release(&t);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_keeps_everything),
        cmocka_unit_test(broken_json_is_an_input_error),
        cmocka_unit_test(print_shows_each_value_with_its_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
