#include "load/load.h"

#include "load/lab_test.h"
#include "load/stub.h"

struct fixture {
    struct lab lab;
    struct load_plan plan;
    struct load_config config;
    struct load *load;
    struct service_plan service;
    struct stub *stub, *behind;
    struct raw_listener listener;
    struct raw_peer peer;
    bool raw, done;
    uint64_t start_ns;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    lab_init(&f->lab);
    f->plan = (struct load_plan){.rate_per_h = 500 * 3600,
                                 .timeout_ns = 10 * NS_PER_S,
                                 .connections = 2,
                                 .protocol = "grpc",
                                 .call = "shop.Payments/Charge",
                                 .path = "/"};
    f->config = (struct load_config){.plan = &f->plan,
                                     .edge = "client -> checkout",
                                     .run = 0xabc,
                                     .proc = 5,
                                     .seed = 7,
                                     .pace = LOAD_SLEEP};
    f->service = (struct service_plan){
        .name = "checkout", .slots = 256, .status = 200, .body_text = "hello", .protocol = "grpc"};
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    load_free(f->load);
    stub_free(f->stub);
    stub_free(f->behind);
    if (f->raw) {
        raw_peer_close(&f->peer, false);
        raw_listener_close(&f->listener);
    }
    lab_release(&f->lab);
    free(f);
    return 0;
}

static void use_stub(struct fixture *f, uint64_t work_ns, struct call_plan *calls,
                     const char *const *addresses)
{
    static const struct stub_endpoint endpoint = {1, "127.0.0.1:0"};
    struct error err = {0};
    f->service.work_ns = work_ns;
    f->service.calls = calls;
    f->service.call_count = calls != NULL;
    struct stub_config config = {.service = &f->service,
                                 .endpoints = &endpoint,
                                 .endpoint_count = 1,
                                 .call_addresses = addresses};
    assert_true(stub_open(f->lab.loop, NULL, &config, &f->stub, &err));
    f->config.address = stub_address(f->stub, 1);
}

static void begin(struct fixture *f)
{
    struct error err = {0};
    assert_true(load_open(f->lab.loop, f->lab.recorder, &f->config, &f->load, &err));
    f->start_ns = clock_now_ns() + 10 * NS_PER_MS;
    load_start(f->load, f->start_ns);
}

static void on_done(void *cookie)
{
    struct fixture *f = cookie;
    f->done = true;
    loop_stop(f->lab.loop);
}

static void end(struct fixture *f, uint64_t drain_ns)
{
    load_stop(f->load, drain_ns, on_done, f);
    raw_run(f->lab.loop);
    assert_true(f->done);
    assert_int_equal(load_progress(f->load).in_flight, 0);
    lab_read(&f->lab);
}

static void run_to(struct fixture *f, uint64_t count)
{
    begin(f);
    while (load_progress(f->load).done < count)
        raw_run_for(f->lab.loop, NS_PER_MS);
    end(f, NS_PER_S);
    assert_int_equal(f->lab.record_count, load_progress(f->load).sent);
    assert_int_equal(f->lab.record_count, load_progress(f->load).done);
}

static const struct request_record *record_of(const struct fixture *f, uint64_t seq)
{
    const struct request_record *found = NULL;
    for (size_t i = 0; i < f->lab.record_count; i++) {
        if (f->lab.records[i].id_lo == seq) {
            assert_null(found);
            found = &f->lab.records[i];
        }
    }
    assert_non_null(found);
    return found;
}

static void open_grpc_load_is_due_by_number_and_reads_the_status(void **state)
{
    struct fixture *f = *state;
    use_stub(f, NS_PER_MS, NULL, NULL);
    f->plan.warmup_ns = 20 * NS_PER_MS;
    f->plan.body_text = "ask";
    run_to(f, 40);
    for (uint64_t n = 0; n < f->lab.record_count; n++) {
        const struct request_record *r = record_of(f, n + 1);
        assert_true(r->due == f->start_ns + n * 2 * NS_PER_MS);
        assert_true(r->start >= 1 && r->start <= r->sent && r->sent < r->first &&
                    r->first <= r->head && r->head <= r->done);
        assert_true(r->done >= NS_PER_MS);
        assert_int_equal(r->end, END_COMPLETE);
        assert_int_equal(r->status, 200);
        assert_int_equal(r->grpc_status, 1);
        assert_int_equal(r->grpc_where, 2);
        assert_int_equal(r->protocol, 1);
        assert_int_equal(r->bytes_in, 5 + 5);
        assert_int_equal(r->bytes_out, 5 + 3);
        assert_int_equal(r->verb, VERB_POST);
        assert_in_range(r->conn, 1, 2);
        assert_int_equal(r->flags & REQUEST_WARMUP, n < 10 ? REQUEST_WARMUP : 0);
        assert_string_equal(lab_name(&f->lab, r->path), "/shop.Payments/Charge");
        assert_string_equal(lab_name(&f->lab, r->server), "meshproof-stub");
    }
    assert_int_equal(load_progress(f->load).errors, 0);
}

static void users_of_a_closed_load_share_the_connections(void **state)
{
    struct fixture *f = *state;
    f->plan.closed = true;
    f->plan.users = 10;
    f->service.protocol = f->plan.protocol = "http2";
    f->plan.call = NULL;
    f->plan.path = "/pay?n={n}";
    use_stub(f, 5 * NS_PER_MS, NULL, NULL);
    begin(f);
    uint64_t most = 0;
    while (load_progress(f->load).done < 100) {
        raw_run_for(f->lab.loop, NS_PER_MS);
        most = load_progress(f->load).in_flight > most ? load_progress(f->load).in_flight : most;
    }
    end(f, NS_PER_S);
    assert_int_equal(most, 10);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        const struct request_record *r = &f->lab.records[i];
        assert_in_range(r->conn, 1, 2);
        assert_int_equal(r->end, END_COMPLETE);
        assert_int_equal(r->status, 200);
        assert_int_equal(r->grpc_status, 0);
        assert_int_equal(r->bytes_in, 5);
        assert_int_equal(r->verb, VERB_GET);
        assert_string_equal(lab_name(&f->lab, r->path), "/pay");
    }
}

static void reuse_each_opens_a_connection_a_request(void **state)
{
    struct fixture *f = *state;
    f->plan.reuse = REUSE_EACH;
    use_stub(f, 0, NULL, NULL);
    run_to(f, 20);
    for (uint64_t n = 1; n <= f->lab.record_count; n++) {
        assert_int_equal(record_of(f, n)->conn, n);
        assert_int_equal(record_of(f, n)->end, END_COMPLETE);
        assert_int_equal(record_of(f, n)->flags & REQUEST_CONNECT_NEW, REQUEST_CONNECT_NEW);
    }
    assert_int_equal(load_progress(f->load).connections, 0);
}

static void large_bodies_pass_both_ways(void **state)
{
    struct fixture *f = *state;
    f->plan.closed = true;
    f->plan.users = 3;
    f->plan.body_bytes = 3000000;
    f->service.body_text = NULL;
    f->service.body_bytes = 3000000;
    use_stub(f, 0, NULL, NULL);
    run_to(f, 6);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        assert_int_equal(f->lab.records[i].end, END_COMPLETE);
        assert_int_equal(f->lab.records[i].bytes_in, 3000005);
        assert_int_equal(f->lab.records[i].bytes_out, 3000005);
        assert_int_equal(f->lab.records[i].grpc_status, 1);
    }
}

static void a_request_past_its_deadline_is_cancelled_alone(void **state)
{
    struct fixture *f = *state;
    f->plan.timeout_ns = 20 * NS_PER_MS;
    f->service.slots = 1;
    f->plan.connections = 1;
    use_stub(f, 30 * NS_PER_MS, NULL, NULL);
    run_to(f, 20);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        assert_int_equal(f->lab.records[i].end, END_CLIENT_TIMEOUT);
        assert_int_equal(f->lab.records[i].grpc_status, 0);
        assert_int_equal(f->lab.records[i].conn, 1);
        assert_true(f->lab.records[i].done >= 20 * NS_PER_MS);
    }
    raw_run_for(f->lab.loop, 50 * NS_PER_MS);
    assert_int_equal(stub_counts(f->stub).waiting, 0); /* the cancelled ones have left the queue */
}

static void nobody_there_is_refused(void **state)
{
    struct fixture *f = *state;
    f->config.address = "127.0.0.1:1";
    f->plan.rate_per_h = 100 * 3600;
    run_to(f, 5);
    for (size_t i = 0; i < f->lab.record_count; i++)
        assert_int_equal(f->lab.records[i].end, END_REFUSED);
}

static void a_failed_call_of_the_stub_is_unavailable_in_headers(void **state)
{
    static const char *const nobody[] = {"127.0.0.1:1"};
    struct call_plan call = {.to = "stock", .share_ppm = 1000000};
    struct fixture *f = *state;
    use_stub(f, 0, &call, nobody);
    run_to(f, 5);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        assert_int_equal(f->lab.records[i].grpc_status, 14 + 1);
        assert_int_equal(f->lab.records[i].grpc_where, 1);
        assert_int_equal(f->lab.records[i].status, 200);
        assert_int_equal(f->lab.records[i].end, END_COMPLETE);
    }
    assert_int_equal(load_progress(f->load).errors, load_progress(f->load).done);
}

static void a_service_with_another_status_answers_without_a_grpc_status(void **state)
{
    struct fixture *f = *state;
    f->service.status = 503;
    use_stub(f, 0, NULL, NULL);
    run_to(f, 5);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        assert_int_equal(f->lab.records[i].status, 503);
        assert_int_equal(f->lab.records[i].grpc_status, 0);
    }
}

/* The request of a single stream, met with ${frames} after our SETTINGS, then the end. */
static enum request_end met_with(struct fixture *f, const void *frames, size_t len, bool fin,
                                 bool rst)
{
    static const uint8_t settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    char address[32];
    raw_listener_open(&f->listener, f->lab.loop, &f->peer);
    f->raw = true;
    snprintf(address, sizeof(address), "%s", f->listener.address);
    f->config.address = address;
    f->plan.closed = true;
    f->plan.users = 1;
    f->plan.connections = 1;
    f->plan.think_ns = 5 * NS_PER_MS;
    begin(f);
    while (load_progress(f->load).sent == 0 || f->peer.len < 100)
        raw_run_for(f->lab.loop, NS_PER_MS);
    raw_peer_send_bytes(&f->peer, settings, sizeof(settings));
    raw_peer_send_bytes(&f->peer, frames, len);
    raw_run_for(f->lab.loop, NS_PER_MS);
    if (fin || rst)
        raw_peer_close(&f->peer, rst);
    while (load_progress(f->load).done == 0)
        raw_run_for(f->lab.loop, NS_PER_MS);
    end(f, 0);
    assert_true(f->lab.record_count >= 1);
    return record_of(f, 1)->end;
}

/* HEADERS of stream 1 with END_HEADERS and ":status: 200" (static table 8). */
#define HEAD_200 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88

/* checkout calls payments, both gRPC; the calls have the ids of process 6. */
static void chain(struct fixture *f, const struct service_plan *payments, struct call_plan *call)
{
    static const struct stub_endpoint endpoint = {1, "127.0.0.1:0"};
    static const char *const protocols[] = {"grpc"};
    struct error err = {0};
    struct stub_config behind = {
        .service = payments, .endpoints = &endpoint, .endpoint_count = 1, .run = 0xabc, .proc = 7};
    assert_true(stub_open(f->lab.loop, NULL, &behind, &f->behind, &err));
    const char *addresses[] = {stub_address(f->behind, 1)};
    f->service.calls = call;
    f->service.call_count = 1;
    struct stub_config front = {.service = &f->service,
                                .endpoints = &endpoint,
                                .endpoint_count = 1,
                                .call_addresses = addresses,
                                .call_protocols = protocols,
                                .run = 0xabc,
                                .proc = 6};
    assert_true(stub_open(f->lab.loop, f->lab.recorder, &front, &f->stub, &err));
    f->config.address = stub_address(f->stub, 1);
    begin(f);
    while (load_progress(f->load).done < 10)
        raw_run_for(f->lab.loop, NS_PER_MS);
    end(f, NS_PER_S);
}

static bool is_inner(const struct request_record *r)
{
    return r->id_hi == (UINT64_C(0xabc) << 32 | 6);
}

static void a_grpc_service_calls_another(void **state)
{
    struct service_plan payments = {
        .name = "payments", .slots = 8, .status = 200, .body_text = "paid", .protocol = "grpc"};
    struct call_plan call = {
        .to = "payments", .path = "/shop.Payments/Charge", .share_ppm = 1000000};
    struct fixture *f = *state;
    unsigned inner = 0;
    chain(f, &payments, &call);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        const struct request_record *r = &f->lab.records[i];
        assert_int_equal(r->grpc_status, 1);
        assert_int_equal(r->grpc_where, 2);
        assert_int_equal(r->protocol, 1);
        assert_int_equal(r->verb, VERB_POST);
        if (!is_inner(r))
            continue;
        inner++;
        assert_true(r->root_hi == (UINT64_C(0xabc) << 32 | 5));
        assert_int_equal(r->bytes_in, 5 + 4);
        assert_int_equal(r->conn, 1);
        assert_string_equal(lab_name(&f->lab, r->edge), "checkout -> payments");
        assert_string_equal(lab_name(&f->lab, r->path), "/shop.Payments/Charge");
        assert_string_equal(lab_name(&f->lab, r->server), "meshproof-stub");
        assert_true(r->start >= 1 && r->start <= r->sent && r->sent < r->first);
    }
    assert_int_equal(inner * 2, f->lab.record_count);
}

static void a_call_that_takes_too_long_is_cancelled_and_tried_again(void **state)
{
    struct service_plan payments = {.name = "payments",
                                    .slots = 8,
                                    .status = 200,
                                    .body_text = "paid",
                                    .work_ns = 50 * NS_PER_MS,
                                    .protocol = "grpc"};
    struct call_plan call = {.to = "payments",
                             .path = "/shop.Payments/Charge",
                             .share_ppm = 1000000,
                             .timeout_ns = 10 * NS_PER_MS,
                             .retries = 2};
    struct fixture *f = *state;
    unsigned inner = 0;
    f->plan.rate_per_h = 100 * 3600;
    chain(f, &payments, &call);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        const struct request_record *r = &f->lab.records[i];
        inner += is_inner(r);
        assert_int_equal(r->end, is_inner(r) ? END_CLIENT_TIMEOUT : END_COMPLETE);
        assert_int_equal(r->grpc_status, is_inner(r) ? 0 : 14 + 1);
    }
    assert_int_equal(inner * 4, f->lab.record_count * 3);
}

static void rst_stream_before_the_head_is_a_reset(void **state)
{
    static const uint8_t frames[] = {0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7};
    assert_int_equal(met_with(*state, frames, sizeof(frames), false, false), END_RESET);
}

static void rst_stream_after_the_head_is_a_reset_with_its_status(void **state)
{
    static const uint8_t frames[] = {HEAD_200, 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2};
    struct fixture *f = *state;
    assert_int_equal(met_with(f, frames, sizeof(frames), false, false), END_RESET);
    assert_int_equal(record_of(f, 1)->status, 200);
    assert_int_equal(record_of(f, 1)->grpc_status, 0);
}

static void goaway_below_the_stream_is_a_reset(void **state)
{
    static const uint8_t frames[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(met_with(*state, frames, sizeof(frames), false, false), END_RESET);
}

static void goaway_that_covers_the_stream_lets_it_end(void **state)
{
    static const uint8_t frames[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1,   0,
                                     0, 0, 0, 0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88};
    assert_int_equal(met_with(*state, frames, sizeof(frames), false, false), END_COMPLETE);
}

static void fin_before_the_head_is_an_eof(void **state)
{
    assert_int_equal(met_with(*state, "", 0, true, false), END_EOF);
}

static void fin_after_the_head_is_truncated(void **state)
{
    static const uint8_t frames[] = {HEAD_200};
    assert_int_equal(met_with(*state, frames, sizeof(frames), true, false), END_TRUNCATED);
}

static void a_reset_connection_is_a_reset(void **state)
{
    assert_int_equal(met_with(*state, "", 0, false, true), END_RESET);
}

static void bytes_that_are_no_http2_are_truncated(void **state)
{
    assert_int_equal(met_with(*state, "HTTP/1.1 400 Bad\r\n\r\n", 20, false, false), END_TRUNCATED);
}

static void grpc_needs_a_call(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    f->plan.call = "Charge";
    f->config.address = "127.0.0.1:1";
    assert_false(load_open(f->lab.loop, NULL, &f->config, &f->load, &err));
    assert_string_equal(err.text,
                        "load: protocol \"grpc\" needs call, such as \"shop.Payments/Charge\"");
    f->load = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(open_grpc_load_is_due_by_number_and_reads_the_status),
        TEST(users_of_a_closed_load_share_the_connections),
        TEST(reuse_each_opens_a_connection_a_request),
        TEST(large_bodies_pass_both_ways),
        TEST(a_request_past_its_deadline_is_cancelled_alone),
        TEST(nobody_there_is_refused),
        TEST(a_failed_call_of_the_stub_is_unavailable_in_headers),
        TEST(a_service_with_another_status_answers_without_a_grpc_status),
        TEST(a_grpc_service_calls_another),
        TEST(a_call_that_takes_too_long_is_cancelled_and_tried_again),
        TEST(rst_stream_before_the_head_is_a_reset),
        TEST(rst_stream_after_the_head_is_a_reset_with_its_status),
        TEST(goaway_below_the_stream_is_a_reset),
        TEST(goaway_that_covers_the_stream_lets_it_end),
        TEST(fin_before_the_head_is_an_eof),
        TEST(fin_after_the_head_is_truncated),
        TEST(a_reset_connection_is_a_reset),
        TEST(bytes_that_are_no_http2_are_truncated),
        TEST(grpc_needs_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
