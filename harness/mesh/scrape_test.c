#include "mesh/scrape.h"

#include "base/clock.h"
#include "net/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Proxies' pages of our own, on loopback. */
enum page { PAGE_GOOD, PAGE_MOVED, PAGE_NONSENSE, PAGE_NEVER };
struct proxy {
    struct http_server *server;
    enum page page;
    char url[96];
    size_t asked;
};
struct fixture {
    struct loop *loop;
    struct proxy proxies[2];
    struct scraper *scraper;
    struct mesh_edge edges[2];
    struct mesh_metrics metrics[2];
    struct mesh_config config;
    size_t values, dones, concurrency;
    double retries;
    char proxy[64], labels[256];
    bool ok;
};

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *request)
{
    static const char good[] =
        "# TYPE envoy_cluster_upstream_rq_retry counter\n"
        "envoy_cluster_upstream_rq_retry{envoy_cluster_name=\"outbound|80||payments.a.svc\"} 166\n"
        "envoy_cluster_upstream_rq_retry{envoy_cluster_name=\"xds\"} 4\n"
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"payments\",le=\"5\"} 4\n"
        "envoy_server_concurrency{} 2\n";
    struct proxy *p = cookie;
    struct field location = {BYTES("location"), BYTES("/elsewhere")};
    p->asked++;
    assert_true(bytes_equal(request->target, BYTES("/stats/prometheus")));
    if (p->page == PAGE_GOOD)
        http_exchange_answer(x, 200, (struct fields){0}, bytes_of(good), false);
    else if (p->page == PAGE_MOVED)
        http_exchange_answer(x, 302, (struct fields){&location, 1}, bytes_of(good), false);
    else if (p->page == PAGE_NONSENSE)
        http_exchange_answer(x, 200, (struct fields){0},
                             BYTES("x{envoy_cluster_name=\"payments\"} 1\n<html>\n"), false);
}

static void on_value(void *cookie, size_t edge, const char *name, const char *labels, double value)
{
    struct fixture *f = cookie;
    f->values++;
    snprintf(f->proxy, sizeof(f->proxy), "%s", scraper_proxy(f->scraper));
    if (strcmp(name, "server.concurrency") == 0) {
        f->concurrency += (size_t)value;
        return;
    }
    assert_int_equal(edge, 0);
    assert_string_equal(name, "envoy_cluster_upstream_rq_retry");
    snprintf(f->labels, sizeof(f->labels), "%s", labels);
    f->retries += value;
}

static void on_done(void *cookie, bool ok)
{
    struct fixture *f = cookie;
    f->dones++;
    f->ok = ok;
    loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = check_alloc_zero(1, sizeof(*f));
    struct error err = {0};
    *state = f;
    assert_true(loop_new(&f->loop, &err));
    for (size_t i = 0; i < COUNT_OF(f->proxies); i++) {
        struct proxy *p = &f->proxies[i];
        struct http_server_config config = {.listen = "127.0.0.1:0",
                                            .body_most_bytes = 1000,
                                            .connections_most = 10,
                                            .on_request = on_request,
                                            .cookie = p};
        assert_true(http_server_open(f->loop, &config, &p->server, &err));
        snprintf(p->url, sizeof(p->url), "http://%s/stats/prometheus",
                 http_server_address(p->server));
        f->metrics[i] = (struct mesh_metrics){.caller = "client", .url = p->url};
    }
    f->edges[0].policy = (struct edge_policy){.from = "client", .to = "payments"};
    f->edges[1].policy = (struct edge_policy){.from = "checkout", .to = "payments"};
    f->config = (struct mesh_config){
        .edges = f->edges, .edge_count = 2, .metrics = f->metrics, .metrics_count = 2};
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scraper_free(f->scraper);
    for (size_t i = 0; i < COUNT_OF(f->proxies); i++)
        http_server_free(f->proxies[i].server);
    loop_settle(f->loop);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void scrape(struct fixture *f)
{
    struct error err = {0};
    if (f->scraper == NULL)
        assert_true(scraper_new(f->loop, &f->config, &f->scraper, &err));
    scraper_ask(f->scraper, on_value, on_done, f);
    scraper_ask(f->scraper, on_value, on_done, f); /* nothing: the first is under way */
    assert_true(loop_run(f->loop, &err));
}

static void the_pages_of_all_proxies_are_told_by_edge(void **state)
{
    struct fixture *f = *state;
    scrape(f);
    assert_true(f->ok);
    assert_int_equal(f->dones, 1);
    assert_int_equal(f->values, 4);
    assert_true(f->retries == 332.0);
    assert_int_equal(f->concurrency, 4);
    assert_string_equal(f->labels, "envoy_cluster_name=\"outbound|80||payments.a.svc\"");
    assert_non_null(strstr(f->proxies[0].url, "127.0.0.1"));
    assert_true(strstr(f->proxies[0].url, f->proxy) != NULL ||
                strstr(f->proxies[1].url, f->proxy) != NULL);
    scrape(f);
    assert_int_equal(f->dones, 2);
    assert_int_equal(f->proxies[0].asked, 2);
}

/* Of the page that is none no value is told, of the other proxy's all are. */
static void a_redirect_is_not_followed(void **state)
{
    struct fixture *f = *state;
    f->proxies[0].page = PAGE_MOVED;
    scrape(f);
    assert_false(f->ok);
    assert_int_equal(f->proxies[0].asked, 1);
    assert_true(f->retries == 166.0);
}

static void a_page_that_ends_in_nonsense_tells_nothing(void **state)
{
    struct fixture *f = *state;
    f->proxies[1].page = PAGE_NONSENSE;
    scrape(f);
    assert_false(f->ok);
    assert_int_equal(f->values, 2);
}

static void a_proxy_that_does_not_answer_ends_the_round_by_time(void **state)
{
    struct fixture *f = *state;
    f->proxies[0].page = PAGE_NEVER;
    uint64_t from_ns = loop_now_ns(f->loop);
    scrape(f);
    assert_false(f->ok);
    assert_int_equal(f->dones, 1);
    assert_true(loop_now_ns(f->loop) - from_ns >= 2 * NS_PER_S);
}

static void a_round_may_be_given_up(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    assert_true(scraper_new(f->loop, &f->config, &f->scraper, &err));
    scraper_ask(f->scraper, on_value, on_done, f);
    scraper_free(f->scraper);
    f->scraper = NULL;
    assert_int_equal(f->dones, 0);
}

static void a_bad_address_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    f->metrics[1].url = "http://localhost:1/";
    assert_false(scraper_new(f->loop, &f->config, &f->scraper, &err));
    assert_non_null(strstr(err.text, "http://localhost:1/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_pages_of_all_proxies_are_told_by_edge, setup, teardown),
        cmocka_unit_test_setup_teardown(a_redirect_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_that_ends_in_nonsense_tells_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_proxy_that_does_not_answer_ends_the_round_by_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_round_may_be_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_address_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
