/* The builtin mesh when it is right, as Envoy and as Linkerd. */

#include "mesh/builtin_fixture_test.h"

#include <sys/socket.h>

static void retries_a_503_until_it_is_answered(void **unused)
{
    (void)unused;
    struct lab *lab = envoy(NULL);
    struct lab_sent *s = lab_ask(lab, "/503/2");
    assert_int_equal(s->status, 200);
    assert_string_equal(s->body, "own\n");
    assert_true(s->service_time);
    assert_int_equal(lab_tries(lab, s), 3);
    assert_string_equal(lab_try(lab, s, 1)->count, "1");
    assert_string_equal(lab_try(lab, s, 3)->count, "3");
    assert_string_equal(lab_try(lab, s, 1)->expected, "120");
    assert_int_equal(strlen(lab_try(lab, s, 1)->request_id), 36);
    assert_string_equal(lab_try(lab, s, 1)->request_id, lab_try(lab, s, 3)->request_id);
    s = lab_ask(lab, "/503/9");
    assert_int_equal(s->status, 503);
    assert_string_equal(s->body, "own\n"); /* the endpoint's own */
    assert_int_equal(lab_tries(lab, s), 4);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "upstream_rq_retry"), 5);
    assert_int_equal(lab_value(lab, "upstream_rq_total"), 7);
    assert_int_equal(lab_value(lab, "upstream_rq_retry_limit_exceeded"), 1);
    assert_int_equal(lab_value(lab, "upstream_rq_retry_success"), 1);
    assert_int_equal(lab_value(lab, "upstream_rq_5xx"), 1);
    lab_free(lab);
}

static void retries_resets_and_says_how_the_last_one_ended(void **unused)
{
    (void)unused;
    struct lab *lab = envoy(NULL);
    assert_int_equal(lab_ask(lab, "/reset/1")->status, 200);
    assert_int_equal(lab_ask(lab, "/fin/3")->status, 200);
    struct lab_sent *s = lab_ask(lab, "/reset/9");
    assert_int_equal(s->status, 503);
    assert_int_equal(lab_tries(lab, s), 4);
    assert_string_equal(
        s->body, "upstream connect error or disconnect/reset before headers. retried and the "
                 "latest reset reason: connection termination");
    lab_free(lab);
}

static void passes_on_what_is_not_listed(void **unused)
{
    (void)unused;
    static const char *const paths[] = {"/400/9", "/404/9", "/409/9", "/429/9"};
    struct lab *lab = envoy(NULL);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct lab_sent *s = lab_ask(lab, paths[i]);
        assert_int_equal(s->status, strtoul(paths[i] + 1, NULL, 10));
        assert_int_equal(lab_tries(lab, s), 1);
    }
    lab_free(lab);
}

static void a_response_that_breaks_after_its_head_is_passed_on_broken(void **unused)
{
    (void)unused;
    struct lab *lab = envoy(NULL);
    struct lab_sent *s = lab_ask(lab, "/started/9");
    assert_int_equal(lab_tries(lab, s), 1);
    assert_int_equal(s->status, 200);
    assert_string_equal(s->body, "abc");
    assert_int_equal(s->end, HTTP_END_RESET);
    lab_free(lab);
}

/* The low sides are sound (a hold never fires early); no high side is asserted. */
static void cuts_each_try_at_its_own_timeout_and_the_request_at_its(void **unused)
{
    (void)unused;
    struct lab *lab = envoy(NULL);
    struct lab_sent *s = lab_ask(lab, "/hold/1");
    assert_int_equal(s->status, 200);
    assert_int_equal(lab_tries(lab, s), 2);
    assert_true(lab_try(lab, s, 1)->by_reset);
    assert_true(s->end_ns - s->start_ns >= 120 * MS);
    s = lab_ask(lab, "/hold/9");
    assert_int_equal(s->status, 504);
    assert_string_equal(s->body, "upstream request timeout");
    assert_true(s->end_ns - s->start_ns >= 400 * MS);
    assert_in_range(lab_tries(lab, s), 2, 4);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "upstream_rq_timeout") +
                         lab_value(lab, "upstream_rq_per_try_timeout"),
                     1 + (int)lab_tries(lab, s));
    lab_free(lab);
}

static void without_a_timeout_none_is_invented(void **unused)
{
    (void)unused;
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.request_timeout = policy.retry.per_try_timeout = (struct value){0};
    struct lab *lab = start(policy, NULL);
    struct lab_sent *s = lab_ask(lab, "/503/1");
    assert_string_equal(lab_try(lab, s, 1)->expected, "");
    lab_free(lab);
}

static void a_refused_connect_is_retried_elsewhere(void **unused)
{
    (void)unused;
    struct lab *lab = lab_new(2);
    struct error err = {0};
    char gone[64];
    snprintf(gone, sizeof(gone), "%s", lab->endpoints[0]);
    http_server_free(lab->host[0].server);
    lab->host[0].server = NULL;
    lab->endpoints[0] = gone;
    assert_true(lab_open(lab, "builtin", lab_policy(FLAVOUR_ENVOY), NULL, NULL, &err));
    bool hidden = false;
    for (int i = 0; i < 40; i++) {
        struct lab_sent *s = lab_ask(lab, "/200/0");
        assert_int_equal(s->status, 200);
        assert_int_equal(lab_tries(lab, s), 1);
        hidden |= strcmp(lab_try(lab, s, 1)->count, "1") != 0;
    }
    assert_true(hidden); /* the jump of the attempt count is all that an endpoint sees */
    lab_scrape(lab);
    assert_true(lab_value(lab, "upstream_cx_connect_fail") > 0);
    assert_int_equal(lab_value(lab, "upstream_rq_total"), 40);
    lab_free(lab);
}

static void a_body_above_the_buffer_is_tried_once(void **unused)
{
    (void)unused;
    struct lab *lab = envoy(NULL);
    size_t most = (size_t)1024 * 1024;
    uint8_t *body = check_alloc_zero(1, most + 1);
    struct lab_sent *fits = lab_send_body(lab, "/503/9", (struct bytes){body, most});
    struct lab_sent *over = lab_send_body(lab, "/503/9", (struct bytes){body, most + 1});
    lab_wait(lab);
    free(body);
    assert_int_equal(lab_tries(lab, fits), 4);
    assert_int_equal(lab_tries(lab, over), 1);
    lab_free(lab);
}

static void ejects_all_hosts_and_then_has_none(void **unused)
{
    (void)unused;
    struct lab *lab = start(ejecting(), NULL);
    struct lab_sent *s = NULL;
    /* The merge window lets some more through, so: until the first reply of the mesh's own. */
    for (int i = 0; i < 1500 && (s == NULL || !strstr(s->body, "healthy")); i++) {
        s = lab_ask(lab, "/503/1");
        lab_pause(lab, 5 * MS);
    }
    assert_string_equal(s->body, "no healthy upstream");
    assert_int_equal(s->status, 503);
    assert_int_equal(lab_tries(lab, s), 0);
    assert_false(s->service_time);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "outlier_detection.ejections_active"), 3);
    assert_int_equal(lab_value(lab, "outlier_detection.ejections_enforced_total"), 3);
    lab_free(lab);
}

static void the_requests_breaker_drops_what_is_above_it(void **unused)
{
    (void)unused;
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.pool.max_requests = lab_number(4);
    policy.retry.per_try_timeout = (struct value){0};
    struct lab *lab = start(policy, NULL);
    struct lab_sent *s[10];
    int dropped = 0;
    for (size_t i = 0; i < COUNT_OF(s); i++)
        s[i] = lab_send(lab, "/hold/9");
    lab_wait(lab);
    for (size_t i = 0; i < COUNT_OF(s); i++)
        dropped +=
            s[i]->status == 503 && s[i]->overloaded && strstr(s[i]->body, "overflow") != NULL;
    assert_int_equal(dropped, 6);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "upstream_rq_active_overflow"), 6);
    lab_free(lab);
}

static void connections_and_their_queue_are_limited(void **unused)
{
    (void)unused;
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.pool.max_connections = lab_number(2);
    policy.pool.max_pending = lab_number(3);
    policy.retry.per_try_timeout = (struct value){0};
    struct lab *lab = lab_new(1);
    struct error err = {0};
    assert_true(lab_open(lab, "builtin", policy, NULL, NULL, &err));
    struct lab_sent *s[10];
    int dropped = 0, cut = 0;
    for (size_t i = 0; i < COUNT_OF(s); i++)
        s[i] = lab_send(lab, "/hold/9");
    lab_wait(lab);
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        dropped += s[i]->overloaded;
        cut += s[i]->status == 504;
    }
    assert_int_equal(dropped, 5);
    assert_int_equal(cut, 5);
    assert_int_equal(lab->seen_count, 2);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "upstream_rq_pending_overflow"), 5);
    assert_int_equal(lab_ask(lab, "/200/0")->status, 200);
    lab_free(lab);
}

static void linkerd_answers_in_its_own_words(void **unused)
{
    (void)unused;
    struct lab *lab = start(lab_policy(FLAVOUR_LINKERD), NULL);
    struct lab_sent *s = lab_ask(lab, "/503/3");
    assert_int_equal(s->status, 200);
    assert_int_equal(lab_tries(lab, s), 4);
    assert_string_equal(lab_try(lab, s, 1)->count, "");
    assert_string_equal(lab_try(lab, s, 1)->request_id, "");
    s = lab_ask(lab, "/reset/9");
    assert_int_equal(s->status, 502);
    assert_string_equal(s->body, "");
    assert_true(s->l5d_error[0] != '\0');
    assert_int_equal(lab_tries(lab, s), 4);
    s = lab_ask(lab, "/fin/9");
    assert_int_equal(s->status, 500);
    assert_string_equal(s->l5d_error, "unexpected error");
    assert_int_equal(lab_tries(lab, s), 1);
    s = lab_ask(lab, "/hold/9");
    assert_int_equal(s->status, 504);
    assert_true(s->end_ns - s->start_ns >= 400 * MS);
    lab_free(lab);
}

static void linkerd_shuts_an_endpoint_and_probes_it(void **unused)
{
    (void)unused;
    struct edge_policy policy = lab_policy(FLAVOUR_LINKERD);
    policy.request_timeout = policy.retry.attempts = (struct value){0};
    policy.accrual = (struct accrual_rule){.present = true,
                                           .max_failures = lab_number(4),
                                           .min_penalty = lab_number(300 * MS),
                                           .max_penalty = lab_number(NS_PER_S),
                                           .jitter_ppm = lab_number(0)};
    struct lab *lab = lab_new(1);
    struct error err = {0};
    assert_true(lab_open(lab, "builtin", policy, NULL, NULL, &err));
    for (int i = 0; i < 4; i++)
        assert_int_equal(lab_ask(lab, "/503/1")->status, 503);
    uint64_t last_ns = lab->sent[3].end_ns;
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "outbound_http_balancer_endpoints endpoint_state=\"pending\""),
                     1);
    struct lab_sent *s = lab_ask(lab, "/200/0"); /* waits, and is the probe */
    assert_int_equal(s->status, 200);
    /* end_ns is stamped by the client after the mesh counted the failure: a little slack. */
    assert_true(lab_try(lab, s, 1)->head_ns >= last_ns + 250 * MS);
    lab_free(lab);
}

static void linkerd_fails_fast_when_every_endpoint_is_shut(void **unused)
{
    (void)unused;
    struct edge_policy policy = lab_policy(FLAVOUR_LINKERD);
    policy.request_timeout = policy.retry.attempts = (struct value){0};
    policy.accrual = (struct accrual_rule){.present = true,
                                           .max_failures = lab_number(2),
                                           .min_penalty = lab_number(3600 * NS_PER_S),
                                           .max_penalty = lab_number(3600 * NS_PER_S)};
    struct lab *lab = lab_new(1);
    struct error err = {0};
    assert_true(lab_open(lab, "builtin", policy, NULL, NULL, &err));
    for (int i = 0; i < 2; i++)
        lab_ask(lab, "/503/1");
    struct lab_sent *s = lab_ask(lab, "/200/0");
    assert_int_equal(s->status, 504);
    assert_string_equal(s->l5d_error, "service in fail-fast");
    assert_true(s->end_ns - s->start_ns >= 3 * NS_PER_S - 20 * MS);
    s = lab_ask(lab, "/200/0");
    assert_int_equal(s->status, 503);
    assert_string_equal(s->l5d_error, "service unavailable");
    assert_int_equal(lab->seen_count, 2);
    lab_free(lab);
}

static void a_caller_that_leaves_takes_its_try_along(void **unused)
{
    (void)unused;
    struct lab *lab = envoy(NULL);
    struct lab_sent *s = lab_send(lab, "/hold/9");
    struct lab_sent *other = lab_send(lab, "/200/0");
    lab->waiting = 1; /* only the other is waited for */
    lab_run(lab);
    assert_true(other->over);
    http_client_free(lab->client);
    struct error err = {0};
    assert_true(http_client_new(lab->loop, 4, &lab->client, &err));
    lab->waiting = 0;
    while (lab_try(lab, s, 1) == NULL || lab_try(lab, s, 1)->gone_ns == 0)
        assert_int_equal(lab_ask(lab, "/200/0")->status, 200);
    lab_free(lab);
}

/* A backend that sends a head and then nothing, for ever. */
struct staller {
    struct watch listener, peer; /* listener first */
    struct loop *loop;
    bool gone;
};

static void on_staller_peer(struct watch *w, unsigned what)
{
    struct staller *s = (struct staller *)(void *)((char *)w - offsetof(struct staller, peer));
    char bytes[1024];
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc";
    (void)what;
    ssize_t n = read(w->fd, bytes, sizeof(bytes));
    if (n > 0) {
        assert_int_equal(write(w->fd, head, sizeof(head) - 1), sizeof(head) - 1);
        return;
    }
    s->gone = true;
    loop_watch_remove(w);
    close(w->fd);
}

static void on_staller(struct watch *w, unsigned what)
{
    struct staller *s = (struct staller *)(void *)w;
    struct error err = {0};
    (void)what;
    int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0 && loop_watch_add_level(s->loop, &s->peer, fd, on_staller_peer, &err));
}

static void a_stall_after_the_head_is_cut_at_the_request_timeout(void **unused)
{
    (void)unused;
    struct lab *lab = lab_new(1);
    struct error err = {0};
    struct staller staller = {.loop = lab->loop};
    char address[32];
    int fd;
    uint16_t port;
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &err));
    assert_true(loop_watch_add_level(lab->loop, &staller.listener, fd, on_staller, &err));
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    lab->endpoints[0] = address;
    assert_true(lab_open(lab, "builtin", lab_policy(FLAVOUR_ENVOY), NULL, NULL, &err));
    struct lab_sent *s = lab_ask(lab, "/");
    assert_int_equal(s->status, 200); /* no 504 once a head was there */
    assert_int_equal(s->end, HTTP_END_RESET);
    assert_true(s->end_ns - s->start_ns >= 400 * MS);
    while (!staller.gone)
        lab_pause(lab, MS);
    loop_watch_remove(&staller.listener);
    close(fd);
    lab_free(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_a_503_until_it_is_answered),
        cmocka_unit_test(retries_resets_and_says_how_the_last_one_ended),
        cmocka_unit_test(passes_on_what_is_not_listed),
        cmocka_unit_test(a_response_that_breaks_after_its_head_is_passed_on_broken),
        cmocka_unit_test(cuts_each_try_at_its_own_timeout_and_the_request_at_its),
        cmocka_unit_test(without_a_timeout_none_is_invented),
        cmocka_unit_test(a_refused_connect_is_retried_elsewhere),
        cmocka_unit_test(a_body_above_the_buffer_is_tried_once),
        cmocka_unit_test(ejects_all_hosts_and_then_has_none),
        cmocka_unit_test(the_requests_breaker_drops_what_is_above_it),
        cmocka_unit_test(connections_and_their_queue_are_limited),
        cmocka_unit_test(a_stall_after_the_head_is_cut_at_the_request_timeout),
        cmocka_unit_test(linkerd_answers_in_its_own_words),
        cmocka_unit_test(linkerd_shuts_an_endpoint_and_probes_it),
        cmocka_unit_test(linkerd_fails_fast_when_every_endpoint_is_shut),
        cmocka_unit_test(a_caller_that_leaves_takes_its_try_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
