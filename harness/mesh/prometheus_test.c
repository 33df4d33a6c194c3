#include "mesh/prometheus.h"
#include "mesh/scrape.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
    size_t count;
    struct prometheus_sample last;
};

static void on_sample(void *cookie, const struct prometheus_sample *s)
{
    struct seen *seen = cookie;
    seen->count++;
    seen->last = *s;
}

static bool parse(const char *text, struct seen *seen, struct error *err)
{
    *seen = (struct seen){0};
    *err = (struct error){0};
    return prometheus_parse(bytes_of(text), on_sample, seen, err);
}

static void samples_are_read_with_their_labels(void **state)
{
    struct seen seen;
    struct error err;
    (void)state;
    assert_true(
        parse("# HELP x y\n\nx 1\n x{a=\"1\", b = \"2\\\"}\\\\\",} 4.5e+2 1700 # {t=\"\"} 1\r\n",
              &seen, &err));
    assert_int_equal(seen.count, 2);
    assert_true(seen.last.value == 450.0);
    assert_int_equal(seen.last.label_count, 2);
    assert_true(bytes_equal(prometheus_label(&seen.last, "b"), BYTES("2\\\"}\\\\")));
    assert_null(prometheus_label(&seen.last, "c").at);
    assert_true(parse("x{} -Inf", &seen, &err) && isinf(seen.last.value));
    assert_true(parse("x NaN", &seen, &err) && isnan(seen.last.value));
    assert_true(parse("", &seen, &err) && seen.count == 0);
}

static void what_is_no_sample_is_refused_with_its_line(void **state)
{
    static const char *const bad[] = {
        "x",
        "x ",
        "9x 1",
        "x{a=\"1\" 1",
        "x{a=\"1} 1",
        "x{a=1} 1",
        "x{a=\"\\",
        "x{=\"1\"} 1",
        "x{a} 1",
        "x{a=\"1\"b=\"2\"} 1",
        "x 0x10",
        "x nan(1)",
        "x infinity",
        "x 1e",
        "x 1.2.3",
        "<html>",
        "x{a=\"1\",,} 1",
        "x +",
        "x 11111111111111111111111111111111111111111111111111111111",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct seen seen;
        struct error err;
        char text[256];
        snprintf(text, sizeof(text), "ok 1\n%s\n", bad[i]);
        if (parse(text, &seen, &err))
            fail_msg("%s was read", bad[i]);
        assert_string_equal(err.text, "line 2 is no sample of the Prometheus text format");
    }
}

static void limits_are_named(void **state)
{
    struct seen seen;
    struct error err;
    size_t len = PROMETHEUS_LINE_MOST_BYTES + 1;
    char *line = check_alloc_zero(len + 1, 1);
    (void)state;
    memset(line, 'x', len);
    assert_false(parse(line, &seen, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    size_t at = (size_t)snprintf(line, len, "x{");
    for (size_t i = 0; i < PROMETHEUS_LABELS_MOST + 1; i++)
        at += (size_t)snprintf(line + at, len - at, "a=\"\",");
    snprintf(line + at, len - at, "} 1");
    assert_false(parse(line, &seen, &err));
    free(line);
}

static void a_sample_belongs_to_its_edge(void **state)
{
    static const struct mesh_edge edges[] = {
        {.policy = {.from = "client", .to = "payments"}},
        {.policy = {.from = "checkout", .to = "payments"}},
        {.policy = {.from = "checkout", .to = "pay"}},
    };
    static const struct {
        const char *labels, *caller;
        size_t edge;
    } cases[] = {
        {"envoy_cluster_name=\"outbound|80||payments.shop.svc.cluster.local\"", NULL, 0},
        {"envoy_cluster_name=\"outbound|80|v2|payments.shop.svc.cluster.local\"", "checkout", 1},
        {"envoy_cluster_name=\"pay\"", NULL, 2},
        {"envoy_cluster_name=\"payment\"", NULL, SIZE_MAX},
        {"envoy_cluster_name=\"inbound|8080||\"", NULL, SIZE_MAX},
        {"envoy_cluster_name=\"payments\"", "orders", SIZE_MAX},
        {"direction=\"outbound\",authority=\"payments.shop:80\"", NULL, 0},
        {"direction=\"inbound\",authority=\"payments.shop:80\"", NULL, SIZE_MAX},
        {"backend_name=\"payments\",parent_name=\"pay\"", NULL, 2},
        {"other=\"payments\"", NULL, SIZE_MAX},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct seen seen;
        struct error err;
        char text[256];
        snprintf(text, sizeof(text), "x{%s} 1", cases[i].labels);
        assert_true(parse(text, &seen, &err));
        /* Its views are into ${text}, which is still here. */
        assert_int_equal(scrape_edge_of(&seen.last, cases[i].caller, edges, COUNT_OF(edges)),
                         cases[i].edge);
    }
}

static void a_url_is_numeric_http(void **state)
{
    static const char *const bad[] = {"",
                                      "auto",
                                      "https://127.0.0.1:1/",
                                      "http://localhost:15090/stats",
                                      "http://127.0.0.1/stats",
                                      "http://127.0.0.1:1/a b",
                                      "http://127.0.0.1:1/a\r\nx: y"};
    struct scrape_url url;
    struct error err = {0};
    (void)state;
    assert_true(scrape_url_parse("http://127.0.0.1:15090/stats/prometheus?a=b", &url, &err));
    assert_string_equal(url.address, "127.0.0.1:15090");
    assert_string_equal(url.path, "/stats/prometheus?a=b");
    assert_true(scrape_url_parse("http://[::1]:4191", &url, &err));
    assert_string_equal(url.path, "/");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (scrape_url_parse(bad[i], &url, &err))
            fail_msg("%s was read", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_read_with_their_labels),
        cmocka_unit_test(what_is_no_sample_is_refused_with_its_line),
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(a_sample_belongs_to_its_edge),
        cmocka_unit_test(a_url_is_numeric_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
