#include "mesh/lab_test.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <sys/socket.h>

#include <cmocka.h>

#define MS NS_PER_MS

static struct lab *start(struct edge_policy policy, const char *defect)
{
    struct lab *lab = lab_new(3);
    struct error err = {0};
    if (!lab_open(lab, "builtin", policy, defect, NULL, &err))
        fail_msg("%s", err.text);
    return lab;
}

static struct lab *envoy(const char *defect)
{
    return start(lab_policy(FLAVOUR_ENVOY), defect);
}

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

static struct edge_policy ejecting(void)
{
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.retry.attempts = lab_number(0);
    policy.outlier = (struct outlier_rule){.present = true,
                                           .consecutive_5xx = lab_number(3),
                                           .interval = lab_number(3600 * NS_PER_S),
                                           .base_ejection = lab_number(3600 * NS_PER_S),
                                           .max_ejection_percent = lab_number(100)};
    return policy;
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

static void scripted_defects_change_what_is_seen(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect, *path;
        uint32_t right, wrong;
    } rows[] = {
        {"one_retry_more", "/503/9", 4, 5},          {"one_retry_fewer", "/503/9", 4, 3},
        {"never_retries_resets", "/reset/1", 2, 1},  {"retries_400", "/400/9", 1, 4},
        {"retries_after_start", "/started/1", 1, 2}, {"no_per_try_timeout", "/hold/1", 2, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int wrong = 0; wrong <= 1; wrong++) {
            struct lab *lab = envoy(wrong == 1 ? rows[i].defect : NULL);
            struct lab_sent *s = lab_ask(lab, rows[i].path);
            assert_int_equal(lab_tries(lab, s), wrong == 1 ? rows[i].wrong : rows[i].right);
            lab_free(lab);
        }
    }
}

static void late_timeouts_are_late_and_a_faked_answer_is_200(void **unused)
{
    (void)unused;
    struct lab *lab = envoy("request_timeout_20_late");
    struct lab_sent *s = lab_ask(lab, "/hold/9");
    assert_true(s->end_ns - s->start_ns >= 480 * MS);
    lab_free(lab);
    lab = envoy("per_try_20_late");
    s = lab_ask(lab, "/hold/1");
    assert_true(s->end_ns - s->start_ns >= 144 * MS);
    lab_free(lab);
    lab = envoy("request_timeout_restarts"); /* four tries of 120 ms, past T */
    s = lab_ask(lab, "/hold/9");
    assert_int_equal(lab_tries(lab, s), 4);
    assert_true(s->end_ns - s->start_ns >= 480 * MS);
    lab_free(lab);
    lab = envoy("timeout_as_200");
    s = lab_ask(lab, "/hold/9");
    assert_int_equal(s->status, 200);
    assert_string_equal(s->body, "");
    lab_free(lab);
    lab = envoy(
        "per_try_from_request_start"); /* the second try dies young: 4 tries end before 2 P do */
    s = lab_ask(lab, "/hold/9");
    assert_int_equal(lab_tries(lab, s), 4);
    lab_free(lab);
}

static void the_breakers_defects_change_what_is_dropped(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        size_t dropped, tries;
    } rows[] = {{NULL, 6, 4}, {"max_requests_off", 0, 10}, {"breaker_half", 8, 2}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
        policy.pool.max_requests = lab_number(4);
        policy.retry.attempts = policy.retry.per_try_timeout = (struct value){0};
        struct lab *lab = start(policy, rows[i].defect);
        size_t dropped = 0;
        for (int n = 0; n < 10; n++)
            lab_send(lab, "/hold/9");
        lab_wait(lab);
        for (size_t n = 0; n < lab->sent_count; n++)
            dropped += lab->sent[n].overloaded;
        assert_int_equal(dropped, rows[i].dropped);
        assert_int_equal(lab->seen_count, rows[i].tries);
        lab_free(lab);
    }
}

static void the_pools_defects_change_how_many_wait(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect;
        size_t dropped, tries;
    } rows[] = {{NULL, 5, 2}, {"pending_doubled", 2, 2}, {"no_connection_limit", 0, 10}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
        policy.pool.max_connections = lab_number(2);
        policy.pool.max_pending = lab_number(3);
        policy.retry.attempts = policy.retry.per_try_timeout = (struct value){0};
        struct lab *lab = lab_new(1);
        struct error err = {0};
        size_t dropped = 0;
        assert_true(lab_open(lab, "builtin", policy, rows[i].defect, NULL, &err));
        for (int n = 0; n < 10; n++)
            lab_send(lab, "/hold/9");
        lab_wait(lab);
        for (size_t n = 0; n < lab->sent_count; n++)
            dropped += lab->sent[n].overloaded;
        assert_int_equal(dropped, rows[i].dropped);
        assert_int_equal(lab->seen_count, rows[i].tries);
        lab_free(lab);
    }
}

static void the_counters_defects_hide_what_happened(void **unused)
{
    (void)unused;
    struct lab *lab = envoy("retries_not_counted");
    lab_ask(lab, "/503/2");
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "upstream_rq_retry"), 0);
    assert_int_equal(lab_value(lab, "upstream_rq_total"), 3);
    lab_free(lab);
    for (int wrong = 0; wrong <= 1; wrong++) {
        struct error err = {0};
        lab = lab_new(1);
        assert_true(lab_open(lab, "builtin", ejecting(), wrong == 1 ? "ejection_not_shown" : NULL,
                             NULL, &err));
        for (int i = 0; i < 3; i++)
            lab_ask(lab, "/503/1");
        assert_string_equal(lab_ask(lab, "/200/0")->body, "no healthy upstream");
        lab_scrape(lab);
        assert_int_equal(lab_value(lab, "outlier_detection.ejections_active"), wrong == 1 ? 0 : 1);
        lab_free(lab);
    }
}

static void a_retry_on_the_same_host_and_one_request_too_many_are_seen(void **unused)
{
    (void)unused;
    struct lab *lab = envoy("retry_same_host");
    for (int i = 0; i < 20; i++) {
        struct lab_sent *s = lab_ask(lab, "/503/3");
        for (uint32_t k = 2; k <= 4; k++)
            assert_int_equal(lab_try(lab, s, k)->host, lab_try(lab, s, 1)->host);
    }
    lab_free(lab);
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    struct error err = {0};
    policy.pool.requests_per_connection = lab_number(3);
    lab = lab_new(1);
    assert_true(lab_open(lab, "builtin", policy, "requests_per_connection_one_more", NULL, &err));
    for (int i = 0; i < 8; i++)
        lab_ask(lab, "/200/0");
    assert_int_equal(lab_on_connection(lab, lab->seen[0].peer), 4);
    lab_free(lab);
}

static void a_post_is_tried_again_by_its_defect_alone(void **unused)
{
    (void)unused;
    for (int wrong = 0; wrong <= 1; wrong++) {
        struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
        policy.retry.on = RETRY_CONNECT_FAILURE;
        struct lab *lab = start(policy, wrong == 1 ? "retries_unsafe" : NULL);
        struct lab_sent *s = lab_send_body(lab, "/reset/1", BYTES("pay"));
        lab_wait(lab);
        assert_int_equal(lab_tries(lab, s), wrong == 1 ? 2 : 1);
        lab_free(lab);
    }
}

static void linkerds_defects_change_what_is_seen(void **unused)
{
    (void)unused;
    static const struct {
        const char *defect, *path;
        uint32_t right, wrong;
    } rows[] = {
        {"linkerd_retry_more", "/503/9", 4, 5},
        {"linkerd_retry_fewer", "/503/9", 4, 3},
        {"linkerd_retries_400", "/400/9", 1, 4},
        {"linkerd_retries_started", "/started/1", 1, 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int wrong = 0; wrong <= 1; wrong++) {
            struct edge_policy policy = lab_policy(FLAVOUR_LINKERD);
            policy.request_timeout = (struct value){0};
            struct lab *lab = start(policy, wrong == 1 ? rows[i].defect : NULL);
            struct lab_sent *s = lab_ask(lab, rows[i].path);
            assert_int_equal(lab_tries(lab, s), wrong == 1 ? rows[i].wrong : rows[i].right);
            lab_free(lab);
        }
    }
}

static void a_defect_that_does_not_exist_is_refused(void **unused)
{
    (void)unused;
    struct lab *lab = lab_new(1);
    struct error err = {0};
    assert_false(
        lab_open(lab, "builtin", lab_policy(FLAVOUR_ENVOY), "one_retry_too_many", NULL, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "one_retry_too_many"));
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
        cmocka_unit_test(scripted_defects_change_what_is_seen),
        cmocka_unit_test(late_timeouts_are_late_and_a_faked_answer_is_200),
        cmocka_unit_test(the_breakers_defects_change_what_is_dropped),
        cmocka_unit_test(the_pools_defects_change_how_many_wait),
        cmocka_unit_test(the_counters_defects_hide_what_happened),
        cmocka_unit_test(a_retry_on_the_same_host_and_one_request_too_many_are_seen),
        cmocka_unit_test(a_post_is_tried_again_by_its_defect_alone),
        cmocka_unit_test(linkerds_defects_change_what_is_seen),
        cmocka_unit_test(a_defect_that_does_not_exist_is_refused),
        cmocka_unit_test(a_caller_that_leaves_takes_its_try_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
