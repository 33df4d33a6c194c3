#include "load/stub.h"

#include "load/lab_test.h"
#include "net/http_client.h"
#include "net/http_server.h"

/* A scripted service behind the stub's calls: answers by turns what ${script} says, then 200. */
struct fixture {
    struct lab lab;
    struct service_plan service;
    struct stub *stub;
    struct http_client *client;
    struct http_server *downstream;
    const uint16_t *script; /* 0 ends it; 1: reset, 2: never answers, 3: when the test says */
    struct http_exchange *held;
    unsigned arrivals;
    char seen[32][1024]; /* the fields of each arrival, "name: value\n" */
    unsigned left;       /* answers that the test waits for */
    uint16_t status;
    char body[256], endpoint[16], effect[16];
};

static void on_downstream(void *cookie, struct http_exchange *x, const struct http_request *r)
{
    struct fixture *f = cookie;
    char *seen = f->seen[f->arrivals % COUNT_OF(f->seen)];
    uint16_t status = *f->script != 0 ? *f->script++ : 200;
    size_t used = 0;
    f->arrivals++;
    for (size_t i = 0; i < r->fields.count && used < sizeof(f->seen[0]); i++)
        used += (size_t)snprintf(
            seen + used, sizeof(f->seen[0]) - used, "%.*s: %.*s\n", (int)r->fields.at[i].name.len,
            (const char *)r->fields.at[i].name.at, (int)r->fields.at[i].value.len,
            (const char *)r->fields.at[i].value.at);
    if (status == 3)
        f->held = x;
    else if (status == 1)
        http_exchange_raw(x, (struct bytes){0}, true);
    else if (status != 2)
        http_exchange_answer(x, status, (struct fields){0}, BYTES("down"), false);
}

static void copy(char *to, size_t size, struct bytes from)
{
    snprintf(to, size, "%.*s", (int)from.len, (const char *)from.at);
}

static void on_answer(void *cookie, struct http_call *c, const struct http_answer *answer)
{
    struct fixture *f = cookie;
    (void)c;
    assert_int_equal(answer->end, HTTP_END_COMPLETE);
    f->status = answer->status;
    copy(f->body, sizeof(f->body), answer->body);
    copy(f->endpoint, sizeof(f->endpoint), fields_find(answer->fields, "x-meshproof-endpoint"));
    copy(f->effect, sizeof(f->effect), fields_find(answer->fields, "x-order"));
    if (--f->left == 0)
        loop_stop(f->lab.loop);
}

static int setup(void **state)
{
    static const uint16_t none[] = {0};
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};
    *state = f;
    lab_init(&f->lab);
    f->script = none;
    f->service = (struct service_plan){
        .name = "checkout", .endpoints = 2, .slots = 8, .status = 200, .body_text = "hello"};
    struct http_server_config server = {.listen = "127.0.0.1:0",
                                        .body_most_bytes = 1000,
                                        .connections_most = 100,
                                        .on_request = on_downstream,
                                        .cookie = f};
    assert_true(http_server_open(f->lab.loop, &server, &f->downstream, &err));
    assert_true(http_client_new(f->lab.loop, 8, &f->client, &err));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    stub_free(f->stub);
    http_client_free(f->client);
    http_server_free(f->downstream);
    lab_release(&f->lab);
    free(f);
    return 0;
}

static void begin(struct fixture *f, struct call_plan *calls, size_t count)
{
    static const char *const effects[] = {"x-order"};
    const struct stub_endpoint endpoints[] = {{1, "127.0.0.1:0"}, {2, "127.0.0.1:0"}};
    const char *const addresses[] = {http_server_address(f->downstream),
                                     http_server_address(f->downstream)};
    struct error err = {0};
    f->service.calls = calls;
    f->service.call_count = count;
    for (size_t i = 0; i < count; i++)
        calls[i].share_ppm = calls[i].share_ppm != 0 ? calls[i].share_ppm : 1000000;
    struct stub_config *config = calloc(1, sizeof(*config));
    *config = (struct stub_config){.service = &f->service,
                                   .endpoints = endpoints,
                                   .endpoint_count = 2,
                                   .call_addresses = count > 0 ? addresses : NULL,
                                   .effect_headers = effects,
                                   .effect_header_count = 1,
                                   .run = 0xabc,
                                   .proc = 9,
                                   .seed = 1};
    assert_true(stub_open(f->lab.loop, f->lab.recorder, config, &f->stub, &err));
    free(config);
}

static void ask_async(struct fixture *f, uint16_t endpoint, const char *fields)
{
    char head[1024];
    snprintf(head, sizeof(head), "GET /pay?x=1 HTTP/1.1\r\nhost: x\r\n%s\r\n", fields);
    struct http_call_config call = {.address = stub_address(f->stub, endpoint),
                                    .head = bytes_of(head),
                                    .verb = VERB_GET,
                                    .body_most_bytes = 100000,
                                    .keep_alive = true,
                                    .on_end = on_answer,
                                    .cookie = f};
    f->left++;
    http_client_call(f->client, &call);
}

static uint16_t ask(struct fixture *f, const char *fields)
{
    ask_async(f, 1, fields);
    raw_run(f->lab.loop);
    return f->status;
}

static void stub_answers_as_planned_at_each_endpoint(void **state)
{
    struct fixture *f = *state;
    f->service.effects = "x-order";
    begin(f, NULL, 0);
    assert_int_equal(ask(f, "x-order: 42\r\n"), 200);
    assert_string_equal(f->body, "hello");
    assert_string_equal(f->endpoint, "1");
    assert_string_equal(f->effect, "42");
    ask_async(f, 2, "");
    raw_run(f->lab.loop);
    assert_string_equal(f->endpoint, "2");
    assert_string_equal(f->effect, "");
    assert_null(stub_address(f->stub, 3));
    assert_int_equal(stub_counts(f->stub).requests, 2);
}

static void stub_work_takes_its_time_and_slots_make_others_wait(void **state)
{
    struct fixture *f = *state;
    f->service.work_ns = 20 * NS_PER_MS;
    f->service.slots = 2;
    begin(f, NULL, 0);
    uint64_t start_ns = clock_now_ns();
    for (int i = 0; i < 6; i++)
        ask_async(f, 1, "");
    raw_run(f->lab.loop);
    /* six in rows of two; an upper bound would judge the machine */
    assert_true(clock_now_ns() - start_ns >= 60 * NS_PER_MS);
    assert_int_equal(stub_counts(f->stub).waiting, 0);
    assert_int_equal(stub_counts(f->stub).active, 0);
}

static void stub_forgets_a_client_that_leaves_while_it_waits(void **state)
{
    struct fixture *f = *state;
    f->service.work_ns = 200 * NS_PER_MS;
    f->service.slots = 1;
    begin(f, NULL, 0);
    struct raw_peer *peers = calloc(2, sizeof(*peers));
    for (int i = 0; i < 2; i++) {
        raw_peer_open(&peers[i], f->lab.loop, stub_address(f->stub, 1));
        raw_peer_send(&peers[i], "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    while (stub_counts(f->stub).waiting != 1)
        raw_run_for(f->lab.loop, NS_PER_MS);
    assert_int_equal(stub_counts(f->stub).active, 1);
    raw_peer_close(&peers[0], true);
    raw_peer_close(&peers[1], false);
    while (stub_counts(f->stub).waiting != 0)
        raw_run_for(f->lab.loop, NS_PER_MS);
    assert_int_equal(stub_counts(f->stub).active, 1); /* begun work goes on */
    assert_int_equal(ask(f, ""), 200);
    assert_int_equal(stub_counts(f->stub).active, 0);
    free(peers);
}

/* The ports stay: who knows them already is not disturbed, and a connection lives on. */
static void stub_routes_its_calls_without_closing_its_ports(void **state)
{
    struct fixture *f = *state;
    struct call_plan calls[] = {{.to = "payments"}, {.to = "stock"}};
    char *before;
    const char *nowhere[] = {"127.0.0.1:1", "127.0.0.1:1"};
    const char *there[] = {http_server_address(f->downstream), http_server_address(f->downstream)};
    begin(f, calls, 2);
    stub_route(f->stub, nowhere);
    before = strdup(stub_address(f->stub, 1));
    struct raw_peer *peer = calloc(1, sizeof(*peer));
    raw_peer_open(peer, f->lab.loop, before);
    assert_int_equal(ask(f, ""), 502);
    assert_int_equal(f->arrivals, 0);
    stub_route(f->stub, there);
    assert_string_equal(stub_address(f->stub, 1), before);
    assert_int_equal(ask(f, ""), 200);
    assert_int_equal(f->arrivals, 2);
    assert_int_equal(stub_counts(f->stub).requests, 2);
    assert_false(peer->eof || peer->reset);
    raw_peer_close(peer, false);
    free(peer);
    free(before);
}

static void stub_calls_tie_themselves_to_the_request(void **state)
{
    struct fixture *f = *state;
    struct call_plan calls[] = {{.to = "payments", .path = "/charge?a=1"},
                                {.to = "stock", .method = "POST"}};
    begin(f, calls, 2);
    assert_int_equal(
        ask(f, "x-meshproof-id: 00000abc-0001-0000000000000007\r\ntraceparent: 00-1-2-3\r\n"
               "x-request-id: r1\r\nx-order: o1\r\nx-other: no\r\nx-meshproof-tag: t\r\n"
               "x-envoy-attempt-count: 3\r\n"),
        200);
    assert_int_equal(f->arrivals, 2);
    assert_string_equal(f->seen[0],
                        "host: payments\nx-meshproof-id: 00000abc-0009-0000000000000001\n"
                        "x-meshproof-from: checkout\n"
                        "x-meshproof-root: 00000abc-0001-0000000000000007\n"
                        "traceparent: 00-1-2-3\nx-request-id: r1\nx-order: o1\n");
    assert_non_null(strstr(f->seen[1], "x-meshproof-id: 00000abc-0009-0000000000000002\n"));
    assert_non_null(strstr(f->seen[1], "content-length: 0\n"));
    lab_read(&f->lab);
    assert_int_equal(f->lab.record_count, 2);
    const struct request_record *r = &f->lab.records[0];
    assert_string_equal(lab_name(&f->lab, r->edge), "checkout -> payments");
    assert_string_equal(lab_name(&f->lab, r->path), "/charge");
    assert_true(r->id_hi == (UINT64_C(0xabc) << 32 | 9) && r->id_lo == 1);
    assert_true(r->root_hi == (UINT64_C(0xabc) << 32 | 1) && r->root_lo == 7);
    assert_int_equal(r->parent_attempt, 3);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->end, END_COMPLETE);
    assert_int_equal(r->bytes_in, 4);
    assert_true(0 < r->start && r->start <= r->sent && r->sent < r->first && r->first <= r->head &&
                r->head <= r->done);
    assert_int_equal(r->flags, REQUEST_CONNECT_NEW);
    assert_int_equal(f->lab.records[1].flags, 0);
    assert_int_equal(f->lab.records[1].verb, VERB_POST);
}

static void stub_counts_the_tries_of_an_id_where_the_mesh_does_not(void **state)
{
    struct fixture *f = *state;
    struct call_plan calls[] = {{.to = "payments"}};
    begin(f, calls, 1);
    for (int i = 0; i < 3; i++)
        ask(f, "x-meshproof-id: 00000abc-0001-0000000000000007\r\nx-meshproof-root: "
               "00000abc-0001-0000000000000002\r\n");
    lab_read(&f->lab);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(f->lab.records[i].parent_attempt, i + 1);
        assert_int_equal(f->lab.records[i].root_lo, 2);
    }
}

static void stub_retries_as_the_application_does(void **state)
{
    static const uint16_t script[] = {503, 1, 2, 200, 0};
    struct fixture *f = *state;
    struct call_plan calls[] = {{.to = "payments",
                                 .retries = 3,
                                 .timeout_ns = 30 * NS_PER_MS,
                                 .backoff_ns = 2 * NS_PER_MS}};
    f->script = script;
    begin(f, calls, 1);
    assert_int_equal(ask(f, ""), 200);
    assert_int_equal(f->arrivals, 4);
    lab_read(&f->lab);
    assert_int_equal(f->lab.record_count, 4);
    static const uint16_t ends[] = {END_COMPLETE, END_RESET, END_CLIENT_TIMEOUT, END_COMPLETE};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f->lab.records[i].end, ends[i]);
        assert_int_equal(f->lab.records[i].id_lo, i + 1);
        if (i > 0)
            assert_true(f->lab.records[i].due >=
                        f->lab.records[i - 1].due + f->lab.records[i - 1].done + 2 * NS_PER_MS);
    }
    assert_true(f->lab.records[2].done >= 30 * NS_PER_MS);
    assert_int_equal(stub_counts(f->stub).calls, stub_counts(f->stub).records);
}

static void stub_gives_502_when_a_call_fails_and_leaves_the_rest_out(void **state)
{
    static const uint16_t script[] = {503, 503, 0};
    struct fixture *f = *state;
    struct call_plan calls[] = {{.to = "payments", .retries = 1}, {.to = "stock"}};
    f->script = script;
    begin(f, calls, 2);
    assert_int_equal(ask(f, ""), 502);
    assert_string_equal(f->body, "the call to payments failed\n");
    assert_int_equal(f->arrivals, 2);
}

static void stub_does_not_retry_what_is_not_listed(void **state)
{
    static const char *const on[] = {"reset", "429"};
    static const uint16_t script[] = {429, 503, 0};
    struct fixture *f = *state;
    struct call_plan calls[] = {
        {.to = "payments", .retries = 5, .retry_on = on, .retry_on_count = 2}};
    f->script = script;
    begin(f, calls, 1);
    assert_int_equal(ask(f, ""), 502);
    assert_int_equal(f->arrivals, 2);
}

static void stub_falls_back_and_goes_on(void **state)
{
    static const uint16_t script[] = {500, 200, 0};
    struct fixture *f = *state;
    struct call_plan calls[] = {
        {.to = "payments", .fallback_status = 203, .fallback_body = "cached"}, {.to = "stock"}};
    f->script = script;
    begin(f, calls, 2);
    assert_int_equal(ask(f, ""), 203);
    assert_string_equal(f->body, "cached");
    assert_int_equal(f->arrivals, 2);
}

static void stub_keeps_its_deadline_over_all_tries(void **state)
{
    static const uint16_t script[] = {2, 2, 2, 2, 2, 2, 0};
    struct fixture *f = *state;
    struct call_plan calls[] = {{.to = "payments",
                                 .retries = 9,
                                 .timeout_ns = 20 * NS_PER_MS,
                                 .deadline_ns = 50 * NS_PER_MS}};
    f->script = script;
    begin(f, calls, 1);
    assert_int_equal(ask(f, ""), 502);
    lab_read(&f->lab);
    const struct request_record *last = &f->lab.records[f->lab.record_count - 1];
    assert_in_range(f->lab.record_count, 1, 3);
    assert_true(last->due + last->done - f->lab.records[0].due >= 50 * NS_PER_MS);
}

static void stub_breaker_opens_tries_once_and_closes(void **state)
{
    static const uint16_t script[] = {500, 500, 500, 200, 0};
    struct fixture *f = *state;
    struct call_plan calls[] = {
        {.to = "payments", .breaker_failures = 2, .breaker_open_ns = 100 * NS_PER_MS}};
    f->script = script;
    begin(f, calls, 1);
    assert_int_equal(ask(f, ""), 502);
    assert_int_equal(ask(f, ""), 502);
    uint64_t opened_ns = clock_now_ns();
    unsigned asked = f->arrivals;
    assert_int_equal(asked, 2);
    assert_int_equal(ask(f, ""), 502);
    if (clock_now_ns() - opened_ns < 90 * NS_PER_MS)
        assert_int_equal(f->arrivals, 2); /* open: nothing is sent */
    raw_run_for(f->lab.loop, 110 * NS_PER_MS);
    asked = f->arrivals;
    assert_int_equal(ask(f, ""), 502); /* the trial fails: open again */
    assert_int_equal(f->arrivals, asked + 1);
    raw_run_for(f->lab.loop, 110 * NS_PER_MS);
    assert_int_equal(ask(f, ""), 200);
    assert_int_equal(ask(f, ""), 200);
}

static void stub_breaker_ignores_late_ends_of_tries_from_before(void **state)
{
    static const uint16_t script[] = {3, 500, 500, 0};
    struct fixture *f = *state;
    struct call_plan calls[] = {
        {.to = "payments", .breaker_failures = 2, .breaker_open_ns = 600 * NS_PER_S}};
    f->script = script;
    begin(f, calls, 1);
    ask_async(f, 1, "");
    while (f->held == NULL)
        raw_run_for(f->lab.loop, NS_PER_MS);
    for (int i = 0; i < 2; i++) {
        ask_async(f, 1, "");
        while (f->left > 1)
            raw_run_for(f->lab.loop, NS_PER_MS);
    }
    http_exchange_answer(f->held, 200, (struct fields){0}, BYTES("late"), false);
    raw_run(f->lab.loop);
    assert_int_equal(f->status, 200);
    assert_int_equal(ask(f, ""), 502); /* still open */
    assert_int_equal(f->arrivals, 3);
}

static void stub_calls_together_or_by_share(void **state)
{
    static const uint16_t script[] = {2, 2, 0};
    struct fixture *f = *state;
    struct call_plan calls[] = {
        {.to = "a", .together = true, .timeout_ns = 40 * NS_PER_MS},
        {.to = "b", .together = true, .timeout_ns = 40 * NS_PER_MS},
    };
    f->script = script;
    begin(f, calls, 2);
    ask_async(f, 1, "");
    while (f->arrivals < 2)
        raw_run_for(f->lab.loop, NS_PER_MS);
    raw_run(f->lab.loop);
    assert_int_equal(f->status, 502);
    lab_read(&f->lab);
    assert_int_equal(f->lab.record_count, 2);
    assert_true(f->lab.records[1].due < f->lab.records[0].due + f->lab.records[0].done);
    calls[0].share_ppm = calls[1].share_ppm = 500000;
    unsigned before = f->arrivals;
    for (int i = 0; i < 100; i++) {
        char id[80];
        snprintf(id, sizeof(id), "x-meshproof-id: 00000abc-0001-%016x\r\n", i + 1);
        assert_int_equal(ask(f, id), 200);
    }
    assert_in_range(f->arrivals - before, 70, 130); /* keyed draws: the same number each time */
}

static void stub_refuses_a_protocol_that_there_is_not(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    f->service.protocol = "smtp";
    struct stub_config config = {.service = &f->service};
    assert_false(stub_open(f->lab.loop, NULL, &config, &f->stub, &err));
    assert_string_equal(
        err.text,
        "service \"checkout\": there is no protocol \"smtp\"; it is one of http1, http2, grpc, "
        "tcp");
    f->stub = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(stub_answers_as_planned_at_each_endpoint),
        TEST(stub_work_takes_its_time_and_slots_make_others_wait),
        TEST(stub_forgets_a_client_that_leaves_while_it_waits),
        TEST(stub_routes_its_calls_without_closing_its_ports),
        TEST(stub_calls_tie_themselves_to_the_request),
        TEST(stub_counts_the_tries_of_an_id_where_the_mesh_does_not),
        TEST(stub_retries_as_the_application_does),
        TEST(stub_gives_502_when_a_call_fails_and_leaves_the_rest_out),
        TEST(stub_does_not_retry_what_is_not_listed),
        TEST(stub_falls_back_and_goes_on),
        TEST(stub_keeps_its_deadline_over_all_tries),
        TEST(stub_breaker_opens_tries_once_and_closes),
        TEST(stub_breaker_ignores_late_ends_of_tries_from_before),
        TEST(stub_calls_together_or_by_share),
        TEST(stub_refuses_a_protocol_that_there_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
