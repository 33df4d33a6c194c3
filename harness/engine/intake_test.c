#include "engine/intake.h"

#include "base/clock.h"
#include "engine/dial.h"
#include "engine/protocol.h"
#include "journal/frame.h"
#include "net/socket.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* One loop with the listener and those who come to it. */
struct stage {
    struct loop *loop;
    struct intake *intake;
    struct psk psk;
    struct hold deadline, look;
    struct carrier *taken;
    char id[64], told[1024], failed[256], deny[64];
    unsigned hellos, tellings, opened, failures;
    uint64_t at;
    bool stub, wait_hello, wait_refused, wait_failed, wait_open;
    uint64_t refused_wanted;
};

static bool on_hello(void *cookie, const json_t *hello, struct carrier *wire, struct error *err)
{
    struct stage *s = cookie;
    snprintf(s->id, sizeof(s->id), "%s", control_text(hello, "id"));
    s->hellos++;
    if (s->wait_hello)
        loop_stop(s->loop);
    if (s->deny[0] != '\0')
        return error_set(err, ERROR_PEER, "%s", s->deny);
    if (!intake_answer(s->intake, wire, 77, true, err))
        return false;
    s->taken = wire;
    return true;
}

static void on_refused(void *cookie, const char *line)
{
    struct stage *s = cookie;
    size_t n = strlen(s->told);
    snprintf(s->told + n, sizeof(s->told) - n, "%s\n", line);
    s->tellings++;
    if (s->wait_refused)
        loop_stop(s->loop);
}

static void on_deadline(struct hold *h, uint64_t now_ns)
{
    (void)h;
    (void)now_ns;
    fail_msg("nothing happened for 20 s");
}

static void stage_open(struct stage *s, uint64_t token, uint64_t within_ns)
{
    struct error err = {0};
    *s = (struct stage){0};
    assert_true(loop_new(&s->loop, &err));
    assert_true(psk_make("7c1e4a90", &s->psk, &err));
    struct intake_config config = {.listen = "127.0.0.1:0",
                                   .psk = &s->psk,
                                   .token = token,
                                   .within_ns = within_ns,
                                   .events = {on_hello, on_refused},
                                   .cookie = s};
    assert_true(intake_open(s->loop, &config, &s->intake, &err));
    loop_hold_add(s->loop, &s->deadline, loop_now_ns(s->loop) + 20 * NS_PER_S, on_deadline);
}

static void stage_close(struct stage *s)
{
    loop_hold_remove(s->loop, &s->deadline);
    intake_close(s->intake);
    if (s->taken != NULL)
        s->taken->close(s->taken);
    loop_free(s->loop);
    intake_free(s->intake);
}

static void run(struct stage *s)
{
    struct error err = {0};
    assert_true(loop_run(s->loop, &err));
}

/* ---- who dials as agents do ---- */

static uint64_t took(void *cookie)
{
    (void)cookie;
    return 0;
}

static void on_open(void *cookie, struct carrier *take_wire, uint64_t at, bool stub)
{
    struct stage *s = cookie;
    s->opened++;
    s->at = at;
    s->stub = stub;
    take_wire->close(take_wire);
    if (s->wait_open)
        loop_stop(s->loop);
}

static void on_failed(void *cookie, const struct error *why)
{
    struct stage *s = cookie;
    s->failures++;
    snprintf(s->failed, sizeof(s->failed), "%s", why->text);
    if (s->wait_failed)
        loop_stop(s->loop);
}

static struct dial *dial(struct stage *s, const struct psk *psk)
{
    static const struct dial_events events = {took, on_open, on_failed};
    struct dial *d;
    struct error err = {0};
    assert_true(dial_new(s->loop, intake_address(s->intake), psk, "proxy", "payments/1", &events, s,
                         &d, &err));
    dial_start(d, loop_now_ns(s->loop) + 10 * NS_PER_S);
    return d;
}

static void hang_up(struct dial *d)
{
    dial_stop(d);
    dial_free(d);
}

/* ---- who says what it wants ---- */

struct caller {
    struct stage *stage;
    struct channel_context *context;
    struct carrier *wire;
    struct watch watch;
    char *body;
    bool said, ended;
    char answer[512];
};

static void say(struct caller *c)
{
    struct buffer bytes;
    struct error err = {0};
    buffer_init(&bytes, 65536);
    assert_true(frame_add_control(&bytes, CONTROL_HELLO, bytes_of(c->body), &err));
    assert_int_equal(c->wire->send(c->wire, bytes.at, bytes.len), bytes.len);
    buffer_release(&bytes);
    c->said = true;
}

static void on_edge(struct watch *w, unsigned what)
{
    struct caller *c = (struct caller *)((char *)w - offsetof(struct caller, watch));
    struct error err = {0};
    (void)what;
    if (!c->said && channel_step(c->wire, &err) == CHANNEL_OPEN)
        say(c);
    while (c->said) {
        char bytes[512];
        ssize_t n = c->wire->recv(c->wire, bytes, sizeof(bytes) - 1);
        if (n < 0 && errno == EAGAIN)
            return;
        c->ended = n <= 0;
        if (c->ended) {
            loop_stop(c->stage->loop);
            return;
        }
        memcpy(c->answer, bytes, (size_t)n);
        c->answer[n] = '\0';
    }
}

static void call(struct stage *s, struct caller *c, json_t *take_hello)
{
    struct error err = {0};
    struct socket_address to;
    int fd;
    *c = (struct caller){.stage = s, .body = json_dumps(take_hello, JSON_COMPACT)};
    json_decref(take_hello);
    c->context = channel_context_new(CHANNEL_AGENT, &s->psk);
    assert_true(socket_parse(intake_address(s->intake), &to, &err));
    assert_true(socket_dial(&to, &fd, &err));
    c->wire = channel_new(c->context, fd);
    assert_true(loop_watch_add(s->loop, &c->watch, fd, on_edge, &err));
}

static void call_end(struct caller *c)
{
    loop_watch_remove(&c->watch);
    c->wire->close(c->wire);
    channel_context_free(c->context);
    free(c->body);
}

static json_t *hello(uint64_t token)
{
    json_t *h = hello_make("proxy");
    hello_add(h, &(struct hello_dialled){.id = "payments/1", .instance = 5, .token = token});
    return h;
}

/* ---- */

static void who_has_the_key_is_let_in(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, 3, 0);
    struct dial *d = dial(&s, &s.psk);
    s.wait_open = true;
    run(&s);
    assert_int_equal(s.hellos, 1);
    assert_string_equal(s.id, "payments/1");
    assert_int_equal(s.at, 77);
    assert_true(s.stub);
    assert_int_equal(intake_refused(s.intake), 0);
    hang_up(d);
    stage_close(&s);
}

static void who_has_another_key_is_not_and_it_is_told_once(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, 0, 0);
    struct psk other = s.psk;
    other.key[31] ^= 1;
    s.wait_failed = true;
    for (int i = 0; i < 3; i++) {
        struct dial *d = dial(&s, &other);
        run(&s);
        hang_up(d);
    }
    assert_int_equal(s.failures, 3);
    assert_non_null(strstr(s.failed, "TLS with the conductor"));
    assert_int_equal(s.hellos, 0);
    assert_int_equal(intake_refused(s.intake), 3);
    assert_int_equal(s.tellings, 1);
    assert_non_null(strstr(s.told, "a connection from 127.0.0.1:"));
    struct dial *d = dial(&s, &s.psk); /* and the right one comes in all the same */
    s.wait_open = true;
    run(&s);
    assert_int_equal(s.opened, 1);
    hang_up(d);
    stage_close(&s);
}

static void who_has_another_runs_name_is_not(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, 0, 0);
    struct psk other = s.psk;
    snprintf(other.identity, sizeof(other.identity), "7c1e4a91");
    struct dial *d = dial(&s, &other);
    s.wait_failed = true;
    run(&s);
    assert_int_equal(s.hellos, 0);
    assert_int_equal(intake_refused(s.intake), 1);
    hang_up(d);
    stage_close(&s);
}

static int plain(const struct stage *s)
{
    struct error err = {0};
    struct socket_address to;
    int fd;
    assert_true(socket_parse(intake_address(s->intake), &to, &err));
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to.storage, to.len), 0);
    return fd;
}

static void on_look(struct hold *h, uint64_t now_ns)
{
    struct stage *s = (struct stage *)((char *)h - offsetof(struct stage, look));
    if (intake_refused(s->intake) >= s->refused_wanted)
        loop_stop(s->loop);
    else
        loop_hold_add(s->loop, h, now_ns + NS_PER_MS, on_look);
}

static void until_refused(struct stage *s, uint64_t wanted)
{
    s->refused_wanted = wanted;
    loop_hold_add(s->loop, &s->look, loop_now_ns(s->loop), on_look);
    run(s);
}

static void who_speaks_no_tls_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool ends;
    } all[] = {{"GET / HTTP/1.1\r\n\r\n", 18, false}, /* no TLS record */
               {"\x16\x03\x01\x00\x05hello", 10, false},
               {"\x16\x03\x01", 3, true}, /* cut */
               {"", 0, true}};
    (void)state;
    struct stage s;
    stage_open(&s, 0, 0);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        int fd = plain(&s);
        assert_int_equal(send(fd, all[i].bytes, all[i].len, 0), all[i].len);
        if (all[i].ends)
            shutdown(fd, SHUT_WR);
        until_refused(&s, i + 1);
        close(fd);
    }
    assert_int_equal(s.hellos, 0);
    assert_int_equal(s.tellings, 1);
    stage_close(&s);
}

/* A handshake of which nothing more comes: it is ended, and said so. */
static void who_is_slow_is_ended(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, 0, 200 * NS_PER_MS);
    int fd = plain(&s);
    assert_int_equal(send(fd, "\x16\x03\x01", 3, 0), 3);
    s.wait_refused = true;
    run(&s);
    assert_non_null(strstr(s.told, "its TLS handshake took too long"));
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    stage_close(&s);
}

static void a_crowd_of_strangers_keeps_nobody_out(void **state)
{
    (void)state;
    struct stage s;
    int fds[2 * INTAKE_PENDING_MOST];
    stage_open(&s, 0, 0);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = plain(&s);
    struct dial *d = dial(&s, &s.psk);
    s.wait_open = true;
    run(&s);
    assert_int_equal(s.opened, 1);
    assert_in_range(intake_refused(s.intake), INTAKE_PENDING_MOST, 2 * INTAKE_PENDING_MOST);
    assert_non_null(strstr(s.told, "too many others"));
    assert_int_equal(s.tellings, 1);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    hang_up(d);
    stage_close(&s);
}

static void is_refused_with(struct stage *s, json_t *take_hello, const char *why)
{
    struct caller c;
    call(s, &c, take_hello);
    run(s);
    assert_true(c.ended);
    const char *body = c.answer + sizeof(struct frame);
    if (strstr(body, why) == NULL)
        print_message("got %s, want %s\n", body, why);
    assert_non_null(strstr(body, why));
    call_end(&c);
}

static void other_builds_and_former_runs_are_refused_with_a_sentence(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, 4, 0);
    json_t *h = hello(0);
    json_object_set_new(h, "version", json_integer(PROTOCOL_VERSION + 1));
    is_refused_with(&s, h, "version 3 of the protocol; it must be 2");
    h = hello(0);
    json_object_set_new(h, "digest", json_integer(1));
    is_refused_with(&s, h, "its record table differs");
    h = hello(0);
    json_object_set_new(h, "build", json_string("9.9"));
    is_refused_with(&s, h, "the agent is meshproof 9.9; the conductor is " MESHPROOF_VERSION);
    is_refused_with(&s, hello(5), "the fencing token 5; ours is 4: another run has taken over");
    assert_int_equal(s.hellos, 0);
    snprintf(s.deny, sizeof(s.deny), "payments/1 is there already");
    is_refused_with(&s, hello(4), "payments/1 is there already");
    assert_int_equal(s.hellos, 1);
    assert_int_equal(s.tellings, 1);
    assert_int_equal(intake_refused(s.intake), 5);
    stage_close(&s);
}

static void a_dialled_agent_hears_why_it_is_refused(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, 0, 0);
    snprintf(s.deny, sizeof(s.deny), "no agent is expected");
    struct dial *d = dial(&s, &s.psk);
    s.wait_failed = true;
    run(&s);
    assert_string_equal(s.failed, "the conductor refused: no agent is expected");
    hang_up(d);
    stage_close(&s);
}

static void what_is_no_hello_is_refused(void **state)
{
    (void)state;
    struct stage s;
    struct caller c;
    stage_open(&s, 0, 0);
    json_t *h = hello(0);
    char *big = check_alloc(8000);
    memset(big, 'x', 7999);
    big[7999] = '\0';
    json_object_set_new(h, "more", json_string(big));
    free(big);
    call(&s, &c, h);
    run(&s);
    assert_true(c.ended);
    assert_int_equal(s.hellos, 0);
    assert_int_equal(intake_refused(s.intake), 1);
    call_end(&c);
    stage_close(&s);
}

static void nobody_there_is_an_error_after_the_deadline(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s, 0, 0);
    static const struct dial_events events = {took, on_open, on_failed};
    struct error err = {0};
    struct dial *d;
    uint16_t port;
    int fd;
    char address[32];
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &err));
    close(fd); /* nobody listens there now */
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_true(dial_new(s.loop, address, &s.psk, "load", "load/1", &events, &s, &d, &err));
    dial_start(d, loop_now_ns(s.loop) + 250 * NS_PER_MS);
    s.wait_failed = true;
    run(&s);
    assert_int_equal(strncmp(s.failed, "the conductor ", 14),
                     0); /* refused, or (a slow machine) late */
    hang_up(d);
    stage_close(&s);
}

static void the_key_goes_round_as_text_and_bad_ones_are_told(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {{"", "must be RUN:KEY"},
               {"7c1e4a90", "must be RUN:KEY"},
               {":00", "must be RUN:KEY"},
               {"7c1e 4a90:00", "must be RUN:KEY"},
               {"7c1e4a90:00", "has 2 hex digits; it must have 64"},
               {"7c1e4a90:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g",
                "no hex digit"}};
    (void)state;
    struct psk made, back;
    struct error err = {0};
    char text[PSK_TEXT_BYTES];
    assert_true(psk_make("7c1e4a90", &made, &err));
    psk_print(&made, text);
    assert_true(psk_parse(text, strlen(text), &back, &err));
    assert_string_equal(back.identity, "7c1e4a90");
    assert_memory_equal(back.key, made.key, sizeof(made.key));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        err = (struct error){0};
        assert_false(psk_parse(bad[i].text, strlen(bad[i].text), &back, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
        assert_non_null(strstr(err.text, bad[i].why));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_the_key_is_let_in),
        cmocka_unit_test(who_has_another_key_is_not_and_it_is_told_once),
        cmocka_unit_test(who_has_another_runs_name_is_not),
        cmocka_unit_test(who_speaks_no_tls_is_refused),
        cmocka_unit_test(who_is_slow_is_ended),
        cmocka_unit_test(a_crowd_of_strangers_keeps_nobody_out),
        cmocka_unit_test(other_builds_and_former_runs_are_refused_with_a_sentence),
        cmocka_unit_test(a_dialled_agent_hears_why_it_is_refused),
        cmocka_unit_test(what_is_no_hello_is_refused),
        cmocka_unit_test(nobody_there_is_an_error_after_the_deadline),
        cmocka_unit_test(the_key_goes_round_as_text_and_bad_ones_are_told),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
