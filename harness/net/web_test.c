/* Questions over HTTP to a peer of bytes: what is sent, what an answer is, and what each way to go
 * wrong is called. TLS is tried by suites/selftest/guard and people, with real certificates. */
#include "net/web.h"
#include "net/raw_peer_test.h"

#define WITHIN_NS (10 * NS_PER_S)

struct fixture {
    struct loop *loop;
    struct web *web;
    struct raw_listener listener;
    struct raw_peer peer;
    struct web_answer answer;
    char url[80], body[4096];
    unsigned ends;
};

static void on_end(void *cookie, const struct web_answer *answer)
{
    struct fixture *f = cookie;
    f->ends++;
    f->answer = *answer;
    snprintf(f->body, sizeof(f->body), "%.*s", (int)answer->body.len,
             (const char *)answer->body.at);
    loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};
    *state = f;
    assert_true(loop_new(&f->loop, &err));
    assert_true(web_new(f->loop, &f->web, &err));
    raw_listener_open(&f->listener, f->loop, &f->peer);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    raw_peer_close(&f->peer, false);
    raw_listener_close(&f->listener);
    web_free(f->web);
    loop_settle(f->loop);
    loop_free(f->loop);
    free(f);
    return 0;
}

/* The peer has the whole request when this returns. The host is a name that nobody knows: where it
 * is was said. */
static const char *ask(struct fixture *f, const struct web_ask *like, const char *until)
{
    struct web_ask ask = *like;
    snprintf(f->url, sizeof(f->url), "http://probed.invalid/ready?n=1");
    ask.url = f->url;
    ask.address = f->listener.address;
    ask.within_ns = ask.within_ns == 0 ? WITHIN_NS : ask.within_ns;
    raw_peer_close(&f->peer, false);
    unsigned ends = f->ends, accepted = f->listener.accepted;
    web_start(f->web, &ask, on_end, f);
    assert_int_equal(f->ends, ends);
    while (f->listener.accepted == accepted)
        raw_run(f->loop);
    return raw_peer_wait(&f->peer, until);
}

static void answer(struct fixture *f, const char *wire, bool closes)
{
    unsigned ends = f->ends;
    raw_peer_send(&f->peer, wire);
    if (closes)
        raw_peer_close(&f->peer, false);
    while (f->ends == ends)
        raw_run(f->loop);
    assert_int_equal(f->ends, ends + 1);
}

static void what_is_asked_is_what_was_said(void **state)
{
    struct fixture *f = *state;
    const char *got =
        ask(f, &(struct web_ask){.token = "t0ken", .body_most_bytes = 100}, "\r\n\r\n");
    assert_memory_equal(got, "GET /ready?n=1 HTTP/1.1\r\n", 25);
    assert_non_null(strstr(got, "Host: probed.invalid\r\n"));
    assert_non_null(strstr(got, "Authorization: Bearer t0ken\r\n"));
    answer(f, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready", false);
    assert_int_equal(f->answer.status, 200);
    assert_string_equal(f->body, "ready");
    assert_string_equal(f->answer.why, "");
    got = ask(f, &(struct web_ask){.body = "{\"n\":1}"}, "{\"n\":1}");
    assert_memory_equal(got, "POST /ready?n=1 HTTP/1.1\r\n", 26);
    assert_non_null(strstr(got, "Content-Type: application/json\r\n"));
    assert_null(strstr(got, "Expect:"));
    answer(f, "HTTP/1.1 204 No Content\r\n\r\n", false);
    assert_int_equal(f->answer.status, 204);
}

/* The first status is the answer's, a 100 before it is none. */
static void a_redirect_is_an_answer_and_a_100_is_none(void **state)
{
    struct fixture *f = *state;
    ask(f, &(struct web_ask){.body_most_bytes = 100}, "\r\n\r\n");
    answer(f,
           "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
           "Content-Length: 0\r\n\r\n",
           false);
    assert_int_equal(f->answer.status, 302);
    assert_int_equal(f->listener.accepted, 1);
}

/* What is told of its answer does not wait for the rest of it. */
static void where_the_status_is_enough_the_body_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    ask(f, &(struct web_ask){.body = "{}"}, "{}");
    answer(f, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nand", false);
    assert_int_equal(f->answer.status, 200);
    assert_string_equal(f->body, "");
}

static void each_way_to_go_wrong_has_its_word(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *wire, *why;
        bool closes;
    } rows[] = {
        {"220 smtp.example\r\n", "its answer is not HTTP", true},
        {"", "it ended without an answer", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "Transferred a partial file", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\ntwelve bytes",
         "its answer is longer than 10 bytes", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n",
         "its answer is longer than 10 bytes", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ask(f, &(struct web_ask){.body_most_bytes = 10, .token = "t0ken"}, "\r\n\r\n");
        answer(f, rows[i].wire, rows[i].closes);
        assert_int_equal(f->answer.status, 0);
        assert_string_equal(f->answer.why, rows[i].why);
        assert_false(f->answer.refused);
        assert_null(strstr(f->answer.why, "t0ken"));
    }
    ask(f, &(struct web_ask){.body_most_bytes = 10, .within_ns = 200 * NS_PER_MS}, "\r\n\r\n");
    while (f->ends < COUNT_OF(rows) + 1)
        raw_run(f->loop);
    assert_string_equal(f->answer.why, "no answer in its time");
}

static void nobody_there_is_said_and_a_cancelled_question_says_nothing(void **state)
{
    struct fixture *f = *state;
    ask(f, &(struct web_ask){.body_most_bytes = 10}, "\r\n\r\n");
    web_cancel(f->web);
    raw_peer_wait(&f->peer, NULL); /* its connection ends */
    assert_int_equal(f->ends, 0);
    raw_listener_close(&f->listener);
    web_start(
        f->web,
        &(struct web_ask){.url = f->url, .address = f->listener.address, .within_ns = WITHIN_NS},
        on_end, f);
    raw_run(f->loop);
    assert_int_equal(f->ends, 1);
    assert_string_equal(f->answer.why, "connecting: Connection refused");
    raw_listener_open(&f->listener, f->loop, &f->peer);
}

static void what_is_waited_for_fails_alike(void **state)
{
    struct fixture *f = *state;
    struct web_answer got;
    char url[80];
    raw_listener_close(&f->listener);
    snprintf(url, sizeof(url), "http://%s/", f->listener.address);
    assert_false(web_wait(&(struct web_ask){.url = url, .within_ns = WITHIN_NS}, &got));
    assert_string_equal(got.why, "connecting: Connection refused");
    assert_false(
        web_wait(&(struct web_ask){.url = "file:///etc/hostname", .within_ns = WITHIN_NS}, &got));
    assert_int_equal(got.status, 0);
    raw_listener_open(&f->listener, f->loop, &f->peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_asked_is_what_was_said, setup, teardown),
        cmocka_unit_test_setup_teardown(a_redirect_is_an_answer_and_a_100_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(where_the_status_is_enough_the_body_is_not_waited_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(each_way_to_go_wrong_has_its_word, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_there_is_said_and_a_cancelled_question_says_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_waited_for_fails_alike, setup, teardown),
    };
    return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
