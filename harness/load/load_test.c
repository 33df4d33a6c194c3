#include "load/load.h"

#include "load/lab_test.h"
#include "load/stub.h"
#include "net/http_server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct fixture {
    struct lab lab;
    struct load_plan plan;
    struct load_config config;
    struct load *load;
    struct service_plan service;
    struct stub *stub;
    struct http_server *server; /* answers by turns what ${script} says, then 200 */
    const char *const *script;
    unsigned arrivals, left_by_reset;
    uint64_t start_ns;
    bool done;
};

static void on_request(void *cookie, struct http_exchange *x, const struct http_request *r)
{
    struct fixture *f = cookie;
    const char *act = f->script != NULL && *f->script != NULL ? *f->script++ : "200";
    (void)r;
    f->arrivals++;
    if (strcmp(act, "never") == 0)
        return;
    if (strcmp(act, "reset") == 0)
        http_exchange_raw(x, (struct bytes){0}, true);
    else if (strcmp(act, "200") == 0)
        http_exchange_answer(x, 200, (struct fields){0}, BYTES("ok"), false);
    else
        http_exchange_raw(x, bytes_of(act), strstr(act, "[rst]") != NULL);
}

static void on_gone(void *cookie, struct http_exchange *x, bool by_reset)
{
    struct fixture *f = cookie;
    (void)x;
    f->left_by_reset += by_reset;
}

static void serve(struct fixture *f, const char *listen)
{
    struct error err = {0};
    struct http_server_config server = {.listen = listen,
                                        .body_most_bytes = 1000000,
                                        .connections_most = 1000,
                                        .on_request = on_request,
                                        .on_gone = on_gone,
                                        .cookie = f};
    assert_true(http_server_open(f->lab.loop, &server, &f->server, &err));
    f->config.address = http_server_address(f->server);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    lab_init(&f->lab);
    f->plan = (struct load_plan){.rate_per_h = 500 * 3600,
                                 .timeout_ns = 10 * NS_PER_S,
                                 .connections = 2,
                                 .path = "/pay?x=1"};
    f->config = (struct load_config){.plan = &f->plan,
                                     .edge = "client -> checkout",
                                     .run = 0xabc,
                                     .proc = 5,
                                     .seed = 7,
                                     .pace = LOAD_SLEEP};
    f->service = (struct service_plan){
        .name = "checkout", .slots = 256, .status = 200, .body_text = "hello"};
    serve(f, "127.0.0.1:0");
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    load_free(f->load);
    stub_free(f->stub);
    http_server_free(f->server);
    lab_release(&f->lab);
    free(f);
    return 0;
}

/* A stub with ${work_ns} instead of the scripted server. */
static void use_stub(struct fixture *f, uint64_t work_ns, uint32_t slots)
{
    static const struct stub_endpoint endpoint = {1, "127.0.0.1:0"};
    struct error err = {0};
    f->service.work_ns = work_ns;
    f->service.slots = slots;
    struct stub_config config = {
        .service = &f->service, .endpoints = &endpoint, .endpoint_count = 1};
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
    assert_false(f->done);
    f->done = true;
    loop_stop(f->lab.loop);
}

static void end(struct fixture *f, uint64_t drain_ns)
{
    load_stop(f->load, drain_ns, on_done, f);
    assert_false(f->done);
    raw_run(f->lab.loop);
    assert_true(f->done);
    assert_int_equal(load_progress(f->load).in_flight, 0);
    lab_read(&f->lab);
}

/* Runs until ${count} requests have ended, stops, and reads the records. */
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
            assert_null(found); /* ids are unique */
            found = &f->lab.records[i];
        }
    }
    assert_non_null(found);
    return found;
}

static void open_load_is_due_by_number(void **state)
{
    struct fixture *f = *state;
    use_stub(f, NS_PER_MS, 256);
    f->plan.warmup_ns = 20 * NS_PER_MS;
    run_to(f, 40);
    for (uint64_t n = 0; n < f->lab.record_count; n++) {
        const struct request_record *r = record_of(f, n + 1);
        assert_true(r->due == f->start_ns + n * 2 * NS_PER_MS);
        assert_true(r->start >= 1 && r->start <= r->sent && r->sent < r->first &&
                    r->first <= r->head && r->head <= r->done);
        assert_true(r->done >= NS_PER_MS);
        assert_true(r->id_hi == (UINT64_C(0xabc) << 32 | 5));
        assert_true(r->root_hi == r->id_hi && r->root_lo == r->id_lo);
        assert_int_equal(r->end, END_COMPLETE);
        assert_int_equal(r->status, 200);
        assert_int_equal(r->bytes_in, 5);
        assert_int_equal(r->verb, VERB_GET);
        assert_int_equal(r->flags & (REQUEST_WARMUP | REQUEST_CAP_REACHED | REQUEST_TAGGED),
                         n < 10 ? REQUEST_WARMUP : 0);
        assert_string_equal(lab_name(&f->lab, r->edge), "client -> checkout");
        assert_string_equal(lab_name(&f->lab, r->path), "/pay");
        assert_string_equal(lab_name(&f->lab, r->server), "meshproof-stub");
    }
    assert_int_equal(load_progress(f->load).errors, 0);
}

static void spinning_sends_never_before_it_is_due(void **state)
{
    struct fixture *f = *state;
    f->config.pace = LOAD_SPIN;
    f->plan.rate_per_h = UINT64_C(20000) * 3600;
    run_to(f, 1000);
    for (uint64_t n = 0; n < 1000; n++)
        assert_true(record_of(f, n + 1)->due == f->start_ns + n * 50 * NS_PER_US);
}

static void latency_counts_from_due_when_the_cap_holds_requests_back(void **state)
{
    struct fixture *f = *state;
    use_stub(f, 10 * NS_PER_MS, 256);
    f->config.inflight_most = 2;
    run_to(f, 20);
    unsigned capped = 0;
    for (uint64_t n = 0; n < 20; n++) {
        const struct request_record *r = record_of(f, n + 1);
        assert_true(r->due == f->start_ns + n * 2 * NS_PER_MS);
        capped += (r->flags & REQUEST_CAP_REACHED) != 0;
    }
    /* two at a time take 10 ms: the 20th, due after 38 ms, ends after 100 ms or later */
    assert_true(record_of(f, 20)->done >= 100 * NS_PER_MS - 38 * NS_PER_MS);
    assert_true(record_of(f, 20)->start >= 80 * NS_PER_MS - 38 * NS_PER_MS);
    assert_true(capped >= 18);
    assert_true(load_progress(f->load).capped >= capped);
    assert_true(load_progress(f->load).late >= 10);
    assert_true(load_progress(f->load).connections <= 2);
}

static void open_load_opens_as_many_connections_as_it_needs(void **state)
{
    struct fixture *f = *state;
    use_stub(f, 50 * NS_PER_MS, 256);
    run_to(f, 20);
    uint32_t most = 0;
    for (size_t i = 0; i < f->lab.record_count; i++)
        most = f->lab.records[i].conn > most ? f->lab.records[i].conn : most;
    assert_true(most > 10); /* 500/s for 50 ms: 25 at once */
    assert_int_equal(load_progress(f->load).capped, 0);
}

static void connections_are_kept_or_not(void **state)
{
    struct fixture *f = *state;
    f->plan.rate_per_h = 25 * 3600;
    run_to(f, 10);
    for (uint64_t n = 1; n <= 10; n++)
        assert_true(record_of(f, n)->conn <= 3);
    load_free(f->load);
    f->load = NULL;
    f->lab.record_count = 0;
    f->done = false;
    f->plan.reuse = REUSE_EACH;
    f->config.first_seq = 100;
    run_to(f, 10);
    for (uint64_t n = 1; n <= 10; n++) {
        assert_int_equal(record_of(f, 100 + n)->conn, n);
        assert_int_equal(record_of(f, 100 + n)->flags, REQUEST_CONNECT_NEW);
    }
    assert_int_equal(load_progress(f->load).last_seq, 100 + f->lab.record_count);
}

static void a_dead_idle_connection_is_no_try(void **state)
{
    struct fixture *f = *state;
    char address[64];
    f->plan.rate_per_h = 20 * 3600;
    begin(f);
    while (load_progress(f->load).done < 1)
        raw_run_for(f->lab.loop, NS_PER_MS);
    snprintf(address, sizeof(address), "%s", http_server_address(f->server));
    http_server_free(f->server);
    serve(f, address);
    while (load_progress(f->load).done < 3)
        raw_run_for(f->lab.loop, NS_PER_MS);
    end(f, NS_PER_S);
    assert_int_equal(record_of(f, 2)->end, END_COMPLETE);
    assert_int_equal(record_of(f, 2)->flags, REQUEST_CONNECT_NEW);
    assert_int_equal(record_of(f, 3)->flags, 0);
}

static void tags_are_sent_exactly_in_the_order_of_the_seed(void **state)
{
    struct fixture *f = *state;
    struct tagged tagged[] = {{.tag = "a", .count = 12},
                              {.tag = "b", .count = 7, .apart_ns = 5 * NS_PER_MS}};
    char order[3][32];
    f->plan.tagged = tagged;
    f->plan.tagged_count = 2;
    f->plan.tag_every_ns = 3 * NS_PER_MS;
    for (int round = 0; round < 3; round++) {
        f->config.seed = round < 2 ? 7 : 8;
        f->lab.record_count = 0;
        f->done = false;
        begin(f);
        assert_int_equal(load_progress(f->load).tags_left, 19);
        while (load_progress(f->load).tags_left > 0)
            raw_run_for(f->lab.loop, NS_PER_MS);
        end(f, NS_PER_S);
        size_t tags = 0;
        uint64_t due_ns = f->start_ns;
        for (uint64_t n = 1; n <= f->lab.record_count; n++) {
            const struct request_record *r = record_of(f, n);
            assert_int_equal((r->flags & REQUEST_TAGGED) != 0, r->tag != 0);
            if (r->tag == 0)
                continue;
            assert_int_equal(r->due, due_ns);
            order[round][tags] = lab_name(&f->lab, r->tag)[0];
            due_ns += (order[round][tags++] == 'b' ? 5 : 3) * NS_PER_MS;
        }
        assert_int_equal(tags, 19);
        assert_int_equal(due_ns, f->start_ns + (12 * 3 + 7 * 5) * NS_PER_MS); /* 12 a, 7 b */
        assert_true(f->lab.record_count > 19 + 20); /* the clean ones went on between */
        order[round][tags] = '\0';
        load_free(f->load);
        f->load = NULL;
    }
    assert_string_equal(order[0], order[1]);
    assert_string_not_equal(order[0], order[2]);
}

static void closed_users_wait_and_think(void **state)
{
    struct fixture *f = *state;
    use_stub(f, 2 * NS_PER_MS, 256);
    f->plan = (struct load_plan){
        .closed = true, .users = 1, .think_ns = 3 * NS_PER_MS, .timeout_ns = NS_PER_S};
    run_to(f, 10);
    assert_true(record_of(f, 1)->due >= f->start_ns + 3 * NS_PER_MS); /* the first time too */
    for (uint64_t n = 2; n <= 10; n++) {
        const struct request_record *before = record_of(f, n - 1), *r = record_of(f, n);
        assert_true(r->due >= before->due + before->done + 3 * NS_PER_MS);
        assert_true(r->due < before->due + before->done + NS_PER_S);
        assert_int_equal(r->conn, 1);
    }
}

static void closed_users_heal_after_each_tagged_request(void **state)
{
    struct fixture *f = *state;
    struct tagged tagged[] = {{.tag = "a", .count = 5}, {.tag = "b", .count = 5}};
    f->plan = (struct load_plan){.closed = true,
                                 .users = 1,
                                 .timeout_ns = NS_PER_S,
                                 .tagged = tagged,
                                 .tagged_count = 2,
                                 .heal = 3};
    run_to(f, 50);
    unsigned counts[2] = {0};
    for (uint64_t n = 1; n <= f->lab.record_count; n++) {
        const struct request_record *r = record_of(f, n);
        bool wants = n <= 40 && (n - 1) % 4 == 0; /* 1 tagged, 3 clean, ten times */
        assert_int_equal(r->tag != 0, wants);
        if (wants)
            counts[lab_name(&f->lab, r->tag)[0] - 'a']++;
    }
    assert_int_equal(counts[0], 5);
    assert_int_equal(counts[1], 5);
    assert_int_equal(load_progress(f->load).tags_left, 0);
}

static void closed_users_are_as_many_as_asked(void **state)
{
    struct fixture *f = *state;
    use_stub(f, NS_PER_MS, 256);
    f->plan = (struct load_plan){.closed = true, .users = 7, .timeout_ns = NS_PER_S};
    begin(f);
    while (load_progress(f->load).done < 100) {
        raw_run_for(f->lab.loop, NS_PER_MS / 2);
        assert_true(load_progress(f->load).in_flight <= 7);
    }
    assert_int_equal(load_progress(f->load).connections, 7);
    end(f, NS_PER_S);
}

static void ends_are_told_apart(void **state)
{
    static const char *const script[] = {
        "reset",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc[rst]",
        "HTTP/1.1 20",
        "HTTP/1.1 2x0 ?\r\n\r\n",
        ("HTTP/1.1 503 Service Unavailable\r\nserver: envoy\r\nX-Envoy-Overloaded: true\r\n"
         "content-length: 19\r\n\r\nno healthy upstream"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 504 Gateway Timeout\r\ntransfer-encoding: "
         "chunked\r\n"
         "l5d-proxy-error: x\r\n\r\n8\r\nupstream\r\n10\r\n request timeout\r\n0\r\n\r\n"),
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 204 No Content\r\n\r\n",
        NULL};
    static const struct {
        uint16_t end, status, class;
        uint8_t marks;
        uint64_t bytes;
    } rows[] = {
        {END_RESET, 0, BODY_OWN, 0, 0},
        {END_TRUNCATED, 200, BODY_OWN, 0, 3},
        {END_RESET, 200, BODY_OWN, 0, 8},
        {END_EOF, 0, BODY_OWN, 0, 0},
        {END_TRUNCATED, 0, BODY_OWN, 0, 0},
        {END_COMPLETE, 503, BODY_NO_HEALTHY, REQUEST_MARK_OVERLOADED, 19},
        {END_COMPLETE, 504, BODY_UPSTREAM_TIMEOUT, REQUEST_MARK_L5D_ERROR, 24},
        {END_COMPLETE, 200, BODY_OWN, 0, 13},
        {END_COMPLETE, 204, BODY_OWN, 0, 0},
        {END_COMPLETE, 200, BODY_OWN, 0, 2},
    };
    struct fixture *f = *state;
    f->plan = (struct load_plan){
        .closed = true, .users = 1, .think_ns = NS_PER_MS, .timeout_ns = 5 * NS_PER_S};
    f->script = script;
    run_to(f, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct request_record *r = record_of(f, i + 1);
        assert_int_equal(r->end, rows[i].end);
        assert_int_equal(r->status, rows[i].status);
        assert_int_equal(r->body_class, rows[i].class);
        assert_int_equal(r->marks, rows[i].marks);
        assert_int_equal(r->bytes_in, rows[i].bytes);
    }
    assert_string_equal(lab_name(&f->lab, record_of(f, 6)->server), "envoy");
    assert_int_equal(load_progress(f->load).errors, 7);
}

static void the_clients_deadline_resets(void **state)
{
    static const char *const script[] = {"never", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                                         NULL};
    struct fixture *f = *state;
    f->plan = (struct load_plan){
        .closed = true, .users = 1, .think_ns = NS_PER_MS, .timeout_ns = 200 * NS_PER_MS};
    f->script = script;
    run_to(f, 2);
    assert_int_equal(record_of(f, 1)->end, END_CLIENT_TIMEOUT);
    assert_int_equal(record_of(f, 1)->status, 0);
    assert_true(record_of(f, 1)->done >= 200 * NS_PER_MS);
    assert_int_equal(record_of(f, 2)->end, END_COMPLETE);
    assert_int_equal(f->left_by_reset, 1);
}

static void a_closed_port_is_refused(void **state)
{
    struct fixture *f = *state;
    char address[64];
    snprintf(address, sizeof(address), "%s", f->config.address);
    http_server_free(f->server);
    f->server = NULL;
    f->config.address = address;
    f->plan = (struct load_plan){
        .closed = true, .users = 2, .think_ns = NS_PER_MS, .timeout_ns = NS_PER_S};
    run_to(f, 6);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        assert_int_equal(f->lab.records[i].end, END_REFUSED);
        assert_int_equal(f->lab.records[i].start, 0);
        assert_int_equal(f->lab.records[i].bytes_out, 0);
        assert_true(f->lab.records[i].done > 0);
    }
}

/* A server in a process of its own, so that a want of descriptors here does not stop its accepting.
 */
static pid_t serve_apart(char address[64])
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct fixture *f = calloc(1, sizeof(*f));
        struct error err = {0};
        (void)!prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!loop_new(&f->lab.loop, &err))
            _exit(1);
        serve(f, "127.0.0.1:0");
        (void)!write(pipes[1], f->config.address, strlen(f->config.address) + 1);
        (void)!loop_run(f->lab.loop, &err);
        _exit(0);
    }
    assert_true(read(pipes[0], address, 64) > 0);
    close(pipes[0]);
    close(pipes[1]);
    return pid;
}

static void want_of_descriptors_is_no_refusal(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, low;
    char address[64];
    pid_t server = serve_apart(address);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    int next = dup(0);
    close(next);
    low = was;
    low.rlim_cur = (rlim_t)next + 4;
    f->config.address = address;
    f->plan = (struct load_plan){
        .closed = true, .users = 20, .timeout_ns = 60 * NS_PER_S, .reuse = REUSE_EACH};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    run_to(f, 100);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    unsigned capped = 0;
    for (size_t i = 0; i < f->lab.record_count; i++) {
        assert_int_equal(f->lab.records[i].end, END_COMPLETE);
        capped += (f->lab.records[i].flags & REQUEST_CAP_REACHED) != 0;
    }
    assert_true(capped > 0);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static void large_bodies_go_both_ways(void **state)
{
    struct fixture *f = *state;
    size_t len = (size_t)8 << 20;
    char *wire = calloc(1, len + 100);
    const char *script[] = {wire, NULL};
    /* the server closes after it, and says so: else the next request may be under way to a FIN */
    int head = snprintf(wire, 100,
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n", len);
    memset(wire + head, 'x', len);
    f->script = script;
    f->plan = (struct load_plan){.closed = true,
                                 .users = 1,
                                 .think_ns = NS_PER_MS,
                                 .method = "POST",
                                 .body_bytes = 900000,
                                 .timeout_ns = 20 * NS_PER_S};
    run_to(f, 2);
    assert_int_equal(record_of(f, 1)->bytes_in, len);
    assert_int_equal(record_of(f, 1)->bytes_out, 900000);
    assert_int_equal(record_of(f, 1)->end, END_COMPLETE);
    assert_int_equal(record_of(f, 2)->end, END_COMPLETE);
    free(wire);
}

static void stopping_waits_for_what_is_under_way(void **state)
{
    static const char *const script[] = {"never", NULL};
    struct fixture *f = *state;
    use_stub(f, 100 * NS_PER_MS, 256);
    begin(f);
    while (load_progress(f->load).in_flight < 3)
        raw_run_for(f->lab.loop, NS_PER_MS);
    end(f, 5 * NS_PER_S);
    assert_true(f->lab.record_count >= 3);
    for (size_t i = 0; i < f->lab.record_count; i++)
        assert_int_equal(f->lab.records[i].end, END_COMPLETE);
    load_free(f->load);
    f->load = NULL;
    f->lab.record_count = 0;
    f->done = false;
    f->script = script;
    f->config.address = http_server_address(f->server);
    f->plan = (struct load_plan){.closed = true, .users = 1, .timeout_ns = 60 * NS_PER_S};
    begin(f);
    while (f->arrivals < 1)
        raw_run_for(f->lab.loop, NS_PER_MS);
    end(f, 20 * NS_PER_MS);
    assert_int_equal(f->lab.record_count, 1);
    assert_int_equal(f->lab.records[0].end, END_CLIENT_TIMEOUT);
    assert_true(f->lab.records[0].done < 60 * NS_PER_S);
}

static void plans_that_cannot_be_are_refused(void **state)
{
    static struct tagged bad[] = {{.tag = "a\r\nb: c"}}, many[] = {{.tag = "a", .count = 2000000}};
    static const struct {
        struct load_plan plan;
        const char *text;
    } rows[] = {
        {{.rate_per_h = 0}, "load.open needs a rate above 0/s, such as \"200/s\""},
        {{.closed = true}, "load.closed needs users, at least 1"},
        {{.closed = true, .users = 3000},
         "load.closed: users is 3000, more than the 2000 of --inflight"},
        {{.rate_per_h = 1, .connections = 3000},
         "load.open: connections is 3000, more than the 2000 of --inflight"},
        {{.rate_per_h = 1, .tagged = bad, .tagged_count = 1},
         "load: a tag must be a text of one line, at most 500 bytes"},
        {{.rate_per_h = 1, .tagged = many, .tagged_count = 1},
         "load: 2000000 tagged requests, more than the 1000000 allowed"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err = {0};
        struct load *l;
        f->plan = rows[i].plan;
        assert_false(load_open(f->lab.loop, NULL, &f->config, &l, &err));
        assert_string_equal(err.text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(open_load_is_due_by_number),
        TEST(spinning_sends_never_before_it_is_due),
        TEST(latency_counts_from_due_when_the_cap_holds_requests_back),
        TEST(open_load_opens_as_many_connections_as_it_needs),
        TEST(connections_are_kept_or_not),
        TEST(a_dead_idle_connection_is_no_try),
        TEST(tags_are_sent_exactly_in_the_order_of_the_seed),
        TEST(closed_users_wait_and_think),
        TEST(closed_users_heal_after_each_tagged_request),
        TEST(closed_users_are_as_many_as_asked),
        TEST(ends_are_told_apart),
        TEST(the_clients_deadline_resets),
        TEST(a_closed_port_is_refused),
        TEST(want_of_descriptors_is_no_refusal),
        TEST(large_bodies_go_both_ways),
        TEST(stopping_waits_for_what_is_under_way),
        TEST(plans_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
