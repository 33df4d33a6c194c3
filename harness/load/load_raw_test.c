/* Loads of raw TCP: what goes out, and how each end of an answer is told. */

#include "load/load.h"

#include "load/lab_test.h"
#include "net/acceptor.h"

#define CONNS_MOST 64

struct fixture;
struct session {        /* one connection of the scripted server */
    struct watch watch; /* first */
    struct fixture *fixture;
    char got[512];
    size_t len, given; /* given: of what followed the line, so much went back */
    bool open;
};

/* Each connection does by turns what ${script} says, then "echo". */
struct fixture {
    struct lab lab;
    struct load_plan plan;
    struct load_config config;
    struct load *load;
    struct acceptor acceptor;
    struct session sessions[CONNS_MOST];
    size_t session_count;
    const char *const *script;
    const char *acts[CONNS_MOST];
    bool done;
};

static void session_end(struct session *s, bool by_reset)
{
    s->open = false;
    loop_watch_remove(&s->watch);
    if (by_reset)
        socket_reset(s->watch.fd);
    else
        close(s->watch.fd);
    acceptor_left(&s->fixture->acceptor);
}

static void give(struct session *s, const char *at, size_t len)
{
    assert_int_equal(send(s->watch.fd, at, len, MSG_NOSIGNAL), len);
}

static void on_session(struct watch *w, unsigned what)
{
    struct session *s = (struct session *)(void *)w;
    const char *act = s->fixture->acts[s - s->fixture->sessions];
    ssize_t n;
    (void)what;
    while ((n = recv(w->fd, s->got + s->len, sizeof(s->got) - s->len, 0)) > 0)
        s->len += (size_t)n;
    if (n == 0 || errno != EAGAIN) {
        session_end(s, false);
        return;
    }
    if (s->len <= 40 || s->got[s->len - 1] != '\n')
        return;
    const char *message = s->got + 40 + s->given;
    size_t len = s->len - 40 - s->given;
    s->given += len;
    if (strcmp(act, "echo") == 0)
        give(s, message, len);
    else if (strcmp(act, "part") == 0 || strcmp(act, "part reset") == 0)
        give(s, message, 5);
    else if (strcmp(act, "other") == 0)
        give(s, "something else entirely", 23);
    else if (strcmp(act, "more") == 0) {
        give(s, message, len);
        give(s, "!", 1);
    }
    if (strcmp(act, "fin") == 0 || strcmp(act, "part") == 0)
        session_end(s, false);
    else if (strcmp(act, "reset") == 0)
        session_end(s, true);
}

static void on_accept(void *cookie, int fd, const struct socket_address *peer)
{
    struct fixture *f = cookie;
    struct error err = {0};
    (void)peer;
    assert_true(f->session_count < CONNS_MOST);
    f->acts[f->session_count] = f->script != NULL && *f->script != NULL ? *f->script++ : "echo";
    struct session *s = &f->sessions[f->session_count++];
    s->fixture = f;
    s->open = true;
    assert_true(loop_watch_add(f->lab.loop, &s->watch, fd, on_session, &err));
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};
    *state = f;
    lab_init(&f->lab);
    assert_true(
        acceptor_open(&f->acceptor, f->lab.loop, "127.0.0.1:0", CONNS_MOST, on_accept, f, &err));
    f->plan = (struct load_plan){.protocol = "tcp",
                                 .closed = true,
                                 .users = 1,
                                 .timeout_ns = 10 * NS_PER_S,
                                 .think_ns = NS_PER_MS,
                                 .connections = 2};
    f->config = (struct load_config){.plan = &f->plan,
                                     .address = f->acceptor.address,
                                     .edge = "client -> db",
                                     .run = 0xabc,
                                     .proc = 5,
                                     .seed = 7,
                                     .pace = LOAD_SLEEP};
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    load_free(f->load);
    for (size_t i = 0; i < f->session_count; i++)
        if (f->sessions[i].open)
            session_end(&f->sessions[i], false);
    acceptor_close(&f->acceptor);
    lab_release(&f->lab);
    free(f);
    return 0;
}

static void on_done(void *cookie)
{
    struct fixture *f = cookie;
    f->done = true;
    loop_stop(f->lab.loop);
}

/* Runs until ${count} requests have ended, stops, and reads the records. */
static void run_to(struct fixture *f, uint64_t count)
{
    struct error err = {0};
    assert_true(load_open(f->lab.loop, f->lab.recorder, &f->config, &f->load, &err));
    load_start(f->load, clock_now_ns() + NS_PER_MS);
    while (load_progress(f->load).done < count)
        raw_run_for(f->lab.loop, NS_PER_MS);
    load_stop(f->load, NS_PER_S, on_done, f);
    raw_run(f->lab.loop);
    assert_true(f->done);
    lab_read(&f->lab);
    assert_true(f->lab.record_count >= count);
}

static void each_request_is_a_message_and_its_echo(void **state)
{
    struct fixture *f = *state;
    f->plan.reuse = REUSE_EACH;
    run_to(f, 5);
    assert_memory_equal(f->sessions[0].got,
                        "MP1 00000abc-0005-0000000000000001 0000\n"
                        "00000abc-0005-0000000000000001\n",
                        71);
    for (size_t i = 0; i < f->lab.record_count; i++) {
        const struct request_record *r = &f->lab.records[i];
        assert_int_equal(f->sessions[i].len, 71); /* one message, and no second connection */
        assert_int_equal(r->end, END_COMPLETE);
        assert_int_equal(r->id_lo, i + 1);
        assert_int_equal(r->conn, i + 1);
        assert_int_equal(r->status, 0);
        assert_string_equal(record_enum_name("protocol", r->protocol), "tcp");
        assert_int_equal(r->verb, VERB_OTHER);
        assert_int_equal(r->path, 0);
        assert_int_equal(r->bytes_in, 31);
        assert_int_equal(r->bytes_out, 31);
        assert_true(r->flags & REQUEST_CONNECT_NEW);
        assert_true(r->start >= 1 && r->start <= r->sent && r->sent < r->first &&
                    r->first <= r->done);
    }
    assert_int_equal(load_progress(f->load).errors, 0);
}

static void a_kept_connection_has_one_line(void **state)
{
    struct fixture *f = *state;
    f->plan.body_text = "ping\n";
    run_to(f, 4);
    assert_int_equal(f->session_count, 1);
    assert_memory_equal(f->sessions[0].got,
                        "MP1 00000abc-0005-0000000000000001 0000\nping\nping\nping\nping\n", 60);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f->lab.records[i].bytes_in, 5);
        assert_int_equal(f->lab.records[i].conn, 1);
        assert_int_equal(f->lab.records[i].end, END_COMPLETE);
        assert_int_equal((f->lab.records[i].flags & REQUEST_CONNECT_NEW) != 0, i == 0);
    }
}

static void an_open_load_warms_its_connections_and_names_them_when_they_are_used(void **state)
{
    struct fixture *f = *state;
    f->plan.closed = false;
    f->plan.rate_per_h = 200 * 3600;
    run_to(f, 10);
    size_t named = 0;
    assert_true(f->session_count >= 2);
    for (size_t i = 0; i < f->session_count; i++)
        named += f->sessions[i].len > 0 && memcmp(f->sessions[i].got, "MP1 ", 4) == 0;
    assert_true(named >= 1);
    assert_int_equal(load_progress(f->load).errors, 0);
}

static void the_tag_is_its_number_in_the_line(void **state)
{
    struct fixture *f = *state;
    struct tagged tagged[] = {{.tag = "f1:reset", .count = 2, .number = 7}};
    f->plan.reuse = REUSE_EACH;
    f->plan.tagged = tagged;
    f->plan.tagged_count = 1;
    run_to(f, 3);
    assert_memory_equal(f->sessions[0].got + 34, " 0007\n", 6);
    assert_memory_equal(f->sessions[1].got + 34, " 0007\n", 6);
    assert_memory_equal(f->sessions[2].got + 34, " 0000\n", 6);
    assert_string_equal(lab_name(&f->lab, f->lab.records[0].tag), "f1:reset");
    assert_int_equal(f->lab.records[2].tag, 0);
}

static void each_end_is_told(void **state)
{
    static const char *const script[] = {"fin",   "reset", "part",  "part reset",
                                         "other", "more",  "never", NULL};
    static const enum request_end ends[] = {
        END_EOF,       END_RESET,     END_TRUNCATED,      END_CLIENT_TIMEOUT,
        END_TRUNCATED, END_TRUNCATED, END_CLIENT_TIMEOUT, END_COMPLETE};
    struct fixture *f = *state;
    f->script = script;
    f->plan.timeout_ns = 300 * NS_PER_MS;
    run_to(f, COUNT_OF(ends));
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        assert_int_equal(f->lab.records[i].end, ends[i]);
        assert_int_equal(f->lab.records[i].conn, i + 1); /* none is kept after a bad end */
        assert_true(f->lab.records[i].flags & REQUEST_CONNECT_NEW);
    }
    assert_int_equal(f->lab.records[2].bytes_in, 5);
    assert_int_equal(load_progress(f->load).errors, COUNT_OF(ends) - 1);
}

static void a_closed_port_is_refused(void **state)
{
    struct fixture *f = *state;
    acceptor_close(&f->acceptor);
    run_to(f, 2);
    assert_int_equal(f->lab.records[0].end, END_REFUSED);
    assert_int_equal(f->lab.records[0].bytes_out, 0);
}

static void another_protocol_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    f->plan.protocol = "smtp";
    assert_false(load_open(f->lab.loop, NULL, &f->config, &f->load, &err));
    f->load = NULL;
    assert_string_equal(
        err.text, "load: there is no protocol \"smtp\"; it is one of http1, http2, grpc, tcp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(each_request_is_a_message_and_its_echo),
        TEST(a_kept_connection_has_one_line),
        TEST(an_open_load_warms_its_connections_and_names_them_when_they_are_used),
        TEST(the_tag_is_its_number_in_the_line),
        TEST(each_end_is_told),
        TEST(a_closed_port_is_refused),
        TEST(another_protocol_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
