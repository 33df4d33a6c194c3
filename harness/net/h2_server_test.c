#include "net/h2_server.h"

#include "base/clock.h"
#include "net/h2_client.h"
#include "net/raw_peer_test.h"

#include <spawn.h>
#include <sys/wait.h>

#define H2LOAD "/usr/bin/h2load"

struct fixture {
    struct loop *loop;
    struct h2_server *server;
    struct h2_client *client;
    struct h2_exchange *held;
    bool hold; /* answer nothing: keep it in ${held} */
    unsigned requests, gone, left;
    size_t body_bytes;
    struct bytes answer;
    struct h2_answer last;
};

static void on_request(void *cookie, struct h2_exchange *x, const struct http_request *r)
{
    struct fixture *f = cookie;
    const struct field status = {BYTES("grpc-status"), BYTES("0")};
    f->requests++;
    f->body_bytes = r->body.len;
    assert_non_null(strstr(r->peer, "127.0.0.1:"));
    assert_true(bytes_equal(r->target, BYTES("/x")) || bytes_equal(r->target, BYTES("/")));
    if (f->hold)
        f->held = x;
    else
        h2_exchange_answer(x, 200, (struct fields){0}, f->answer, (struct fields){&status, 1});
}

static void on_gone(void *cookie, struct h2_exchange *x, bool by_reset)
{
    struct fixture *f = cookie;
    assert_ptr_equal(x, f->held);
    f->held = NULL;
    f->gone += 1 + by_reset;
}

static void on_end(void *cookie, const struct h2_answer *answer)
{
    struct fixture *f = cookie;
    f->last = *answer;
    if (--f->left == 0)
        loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};
    struct h2_server_config server = {.listen = "127.0.0.1:0",
                                      .body_most_bytes = 100000,
                                      .connections_most = 100,
                                      .on_request = on_request,
                                      .on_gone = on_gone,
                                      .cookie = f};
    *state = f;
    f->answer = BYTES("hello");
    assert_true(loop_new(&f->loop, &err));
    assert_true(h2_server_open(f->loop, &server, &f->server, &err));
    struct h2_client_config client = {
        .address = h2_server_address(f->server), .connections = 1, .on_end = on_end};
    assert_true(h2_client_new(f->loop, &client, &f->client, &err));
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    h2_client_free(f->client);
    h2_server_free(f->server);
    loop_settle(f->loop);
    loop_free(f->loop);
    free(f);
    return 0;
}

static struct h2_ask *ask(struct fixture *f, struct bytes body)
{
    const struct field head[] = {{BYTES(":method"), BYTES("POST")},
                                 {BYTES(":scheme"), BYTES("http")},
                                 {BYTES(":path"), BYTES("/x")},
                                 {BYTES(":authority"), BYTES("payments")}};
    f->left++;
    return h2_client_send(f->client, (struct fields){head, COUNT_OF(head)}, body, f);
}

static void many_requests_share_a_connection(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3000; i++) /* more than the streams that the server lets in at once */
        ask(f, BYTES("ask"));
    raw_run(f->loop);
    assert_int_equal(f->requests, 3000);
    assert_int_equal(f->last.end, H2_END_COMPLETE);
    assert_int_equal(f->last.status, 200);
    assert_int_equal(f->last.grpc_status, 1);
    assert_int_equal(f->last.grpc_where, 2);
    assert_int_equal(f->last.body_bytes, 5);
    assert_int_equal(h2_client_connections(f->client), 1);
}

static void a_cancelled_request_is_gone_at_the_server(void **state)
{
    struct fixture *f = *state;
    f->hold = true;
    struct h2_ask *a = ask(f, BYTES("ask"));
    while (f->held == NULL)
        raw_run_for(f->loop, NS_PER_MS);
    h2_ask_cancel(a);
    while (f->gone == 0)
        raw_run_for(f->loop, NS_PER_MS);
    assert_int_equal(f->gone, 2);
    f->hold = false;
    f->left = 0;
    ask(f, BYTES("ask"));
    raw_run(f->loop);
    assert_int_equal(f->last.end, H2_END_COMPLETE);
    assert_int_equal(f->last.conn, 1);
}

static void a_request_that_has_not_left_can_be_cancelled(void **state)
{
    struct fixture *f = *state;
    struct h2_ask *a = ask(f, BYTES("never"));
    h2_ask_cancel(a);
    f->left = 0;
    ask(f, BYTES("ask"));
    raw_run(f->loop);
    assert_int_equal(f->last.end, H2_END_COMPLETE);
    assert_int_equal(f->requests, 1);
}

static void a_body_past_the_maximum_resets_its_stream_alone(void **state)
{
    static uint8_t large[200000];
    struct fixture *f = *state;
    ask(f, (struct bytes){large, sizeof(large)});
    raw_run(f->loop);
    assert_int_equal(f->last.end, H2_END_RESET);
    assert_int_equal(f->last.reset_code, NGHTTP2_ENHANCE_YOUR_CALM);
    ask(f, (struct bytes){large, 100000});
    raw_run(f->loop);
    assert_int_equal(f->last.end, H2_END_COMPLETE);
    assert_int_equal(f->body_bytes, 100000);
    assert_int_equal(f->last.conn, 1);
}

static void a_server_that_goes_ends_what_it_held(void **state)
{
    struct fixture *f = *state;
    f->hold = true;
    ask(f, BYTES("ask"));
    while (f->held == NULL)
        raw_run_for(f->loop, NS_PER_MS);
    h2_server_free(f->server);
    f->server = NULL;
    raw_run(f->loop);
    assert_true(f->last.end == H2_END_EOF || f->last.end == H2_END_RESET);
    assert_int_equal(f->gone, 0);
}

static void bytes_that_are_no_preface_end_the_connection_alone(void **state)
{
    struct fixture *f = *state;
    struct raw_peer *peer = calloc(1, sizeof(*peer));
    raw_peer_open(peer, f->loop, h2_server_address(f->server));
    raw_peer_send(peer, "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    (void)raw_peer_wait(peer, NULL);
    raw_peer_close(peer, false);
    loop_settle(f->loop);
    free(peer);
    ask(f, BYTES("ask"));
    raw_run(f->loop);
    assert_int_equal(f->last.end, H2_END_COMPLETE);
}

/* nghttp2's own load generator: another's client. */
static void h2load_has_all_its_answers(void **state)
{
    struct fixture *f = *state;
    char url[80];
    char *arguments[] = {
        (char[]){"h2load"}, (char[]){"-n2000"}, (char[]){"-c4"}, (char[]){"-m20"}, url, NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 0;
    if (access(H2LOAD, X_OK) != 0) {
        fprintf(stderr, "SKIPPED: no " H2LOAD "\n");
        skip();
    }
    snprintf(url, sizeof(url), "http://%s/x", h2_server_address(f->server));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1 /* O_WRONLY */, 0);
    assert_int_equal(posix_spawn(&child, H2LOAD, &actions, NULL, arguments, environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    while (waitpid(child, &status, WNOHANG) == 0)
        raw_run_for(f->loop, NS_PER_MS);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(f->requests, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(many_requests_share_a_connection),
        TEST(a_cancelled_request_is_gone_at_the_server),
        TEST(a_request_that_has_not_left_can_be_cancelled),
        TEST(a_body_past_the_maximum_resets_its_stream_alone),
        TEST(a_server_that_goes_ends_what_it_held),
        TEST(bytes_that_are_no_preface_end_the_connection_alone),
        TEST(h2load_has_all_its_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
