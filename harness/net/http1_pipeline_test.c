/* Many requests on one connection, faults on some of them, and what else may stand in an HTTP/1.1
 * stream: trailers, interim answers, tunnels with bytes behind the head that asks for them. */

#include "base/text.h"
#include "net/script_test.h"

#define MANY 1000

/* A backend that answers each head that it got with the path that it asked for; one at a time, so
 * that nothing here is long enough to come in pieces. */
static void echo_path(struct peer *p)
{
    char answer[128];
    const uint8_t *end;
    bool server = false; /* clients come here, too */
    for (size_t i = 0; i < p->rig->accepted; i++)
        server = server || p->rig->server[i] == p;
    while (server && p->in.len > 0 && (end = memmem(p->in.at, p->in.len, "\r\n\r\n", 4)) != NULL) {
        const uint8_t *path = memchr(p->in.at, '/', p->in.len);
        const uint8_t *space = memchr(path, ' ', p->in.len - (size_t)(path - p->in.at));
        int len = (int)(space - path);
        snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%.*s", len,
                 len, (const char *)path);
        buffer_consume(&p->in, (size_t)(end - p->in.at) + 4);
        say(p, answer);
    }
}

static void add_many(struct text *to, char prefix)
{
    for (unsigned i = 0; i < MANY; i++)
        text_add(to, "GET /%c%04u HTTP/1.1\r\nHost: a\r\n\r\n", prefix, i);
}

#define ANSWER_BYTES (sizeof("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n/a0000") - 1)

/* The answers are there, whole, and in order. */
static void expect_many(const struct peer *c, char prefix)
{
    char answer[80];
    assert_int_equal(c->in.len, MANY * ANSWER_BYTES);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n/%c%04u",
                 prefix, i);
        assert_memory_equal(c->in.at + i * ANSWER_BYTES, answer, ANSWER_BYTES);
    }
}

static void a_thousand_requests_in_one_write_are_answered_in_order(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct text many;
    rig->on_server = echo_path;
    text_init(&many, 1 << 20);
    add_many(&many, 'a');
    struct peer *c = rig_dial(rig);
    say(c, text_get(&many));
    await_bytes(c, MANY * ANSWER_BYTES);
    expect_many(c, 'a');
    assert_int_equal(await_attempt(rig, MANY)->sequence, MANY);
    assert_int_equal(rig->accepted, 1);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(rig->attempt[i].sequence, i + 1);
        assert_int_equal(rig->attempt[i].outcome, OUTCOME_ANSWERED);
    }
    text_release(&many);
    rig_close(rig);
}

/* One with a thousand requests at hand does not keep the others waiting for them. */
static void a_long_pipeline_does_not_starve_a_neighbour(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct script s = {.moment = MOMENT_HEAD,
                       .act = ACT_RESPOND,
                       .reply = {.status = 503}}; /* never a wait: the worst that there is */
    struct text many;
    text_init(&many, 1 << 20);
    add_many(&many, 'a');
    arm_one(rig, &s);
    struct peer *greedy = rig_dial(rig), *modest = rig_dial(rig);
    say(greedy, text_get(&many));
    say(modest, GET);
    await_text(modest, "HTTP/1.1 503 ");
    (void)await_attempt(rig, MANY + 1);
    size_t before = 0;
    uint32_t own = 0;
    for (size_t i = 0; i < rig->attempt_count; i++)
        own = rig->attempt[i].conn > own ? rig->attempt[i].conn : own;
    while (rig->attempt[before].conn != own)
        before++;
    if (before > MANY / 10)
        fail_msg("%zu requests of the other came first", before);
    text_release(&many);
    rig_close(rig);
}

static struct filter_slot slot_on(const struct script *s, uint16_t fault, const char *const *path)
{
    struct filter_slot slot = slot_of(s, fault);
    slot.when.match.paths = path;
    slot.when.match.path_count = 1;
    return slot;
}

/* Each fault takes its own request of the pipeline, and the ones around it are served. */
static void faults_take_single_requests_of_a_pipeline(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct script abort = {.moment = MOMENT_HEAD, .act = ACT_RESPOND, .reply = {.status = 503}};
    struct script hold = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = 30 * NS_PER_MS};
    struct script edit = {
        .moment = MOMENT_HEAD, .side = SIDE_RESPONSE, .act = ACT_REPLACE, .reply = {.status = 418}};
    struct script reset = {.moment = MOMENT_HEAD, .act = ACT_RESET};
    static const char *const paths[] = {"/1", "/2", "/3", "/5"};
    struct filter_slot slots[] = {slot_on(&abort, 1, &paths[0]), slot_on(&hold, 2, &paths[1]),
                                  slot_on(&edit, 3, &paths[2]), slot_on(&reset, 4, &paths[3])};
    arm(rig, slots, COUNT_OF(slots));
    rig->on_server = echo_path;
    struct peer *c = rig_dial(rig);
    struct text t;
    text_init(&t, 4096);
    for (unsigned i = 0; i < 8; i++)
        text_add(&t, "GET /%u HTTP/1.1\r\nHost: a\r\n\r\n", i);
    say(c, text_get(&t));
    await_gone(c);
    assert_true(c->rst);
    (void)await_attempt(rig, 6);
    static const struct {
        uint16_t fault, status, outcome;
    } wanted[] = {{0, 200, OUTCOME_ANSWERED}, {1, 503, OUTCOME_ANSWERED},
                  {0, 200, OUTCOME_ANSWERED}, {0, 418, OUTCOME_ANSWERED},
                  {0, 200, OUTCOME_ANSWERED}, {4, 0, OUTCOME_RESET_BY_FAULT}};
    assert_int_equal(rig->attempt_count, COUNT_OF(wanted)); /* none of what followed the reset */
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        const struct attempt_record *a = &rig->attempt[i];
        if (a->fault != wanted[i].fault || a->status != wanted[i].status ||
            a->outcome != wanted[i].outcome || a->sequence != i + 1)
            fail_msg("request %zu: fault %u, status %u, outcome %u", i, a->fault, a->status,
                     a->outcome);
    }
    assert_int_equal(rig->attempt[2].fired, 1 << 2);
    assert_true(rig->attempt[2].upstream >= 30 * NS_PER_MS);
    text_release(&t);
    rig_close(rig);
}

static void trailers_pass_both_ways_with_and_without_a_filter(void **state)
{
    (void)state;
    static const char chunks[] = "5\r\nhello\r\n0\r\nX-T: a\r\nGrpc-Status: 3\r\n\r\n";
    for (unsigned filtered = 0; filtered <= 1; filtered++) {
        struct rig *rig = rig_open();
        struct script s[] = {{.moment = MOMENT_DATA, .side = SIDE_REQUEST, .act = ACT_PASS},
                             {.moment = MOMENT_DATA, .side = SIDE_RESPONSE, .act = ACT_PASS}};
        struct filter_slot slots[] = {slot_of(&s[0], 1), slot_of(&s[1], 2)};
        arm(rig, slots, filtered * 2);
        struct peer *c = rig_dial(rig);
        say(c, "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n");
        say(c, chunks);
        struct peer *server = await_server(rig, 1);
        await_text(server, chunks);
        say(server, "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n");
        say(server, chunks);
        await_text(c, chunks);
        assert_int_equal(await_attempt(rig, 1)->bytes_in, 5);
        assert_int_equal(rig->attempt[0].bytes_out, 5);
        rig_close(rig);
    }
}

/* Bytes behind the head that asks for a tunnel wait for the answer: they are the tunnel's after a
 * yes, and the next request's after a no to an upgrade. */
static void bytes_behind_an_upgrade_belong_to_what_it_becomes(void **state)
{
    (void)state;
    static const char ask[] =
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    static const char yes[] =
        "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for (unsigned taken = 0; taken <= 1; taken++) {
        struct rig *rig = rig_open();
        struct peer *c = rig_dial(rig);
        say(c, ask);
        say(c, GET);
        struct peer *s = await_server(rig, 1);
        await_text(s, ask);
        expect_in(s, ask);
        peer_forget(s);
        say(s, taken == 1 ? yes : OK5);
        await_text(c, taken == 1 ? yes : OK5);
        await_text(s, GET); /* raw, or as a request of its own */
        if (taken == 1) {
            say(s, "\x81\x02hi");
            await_text(c, "\x81\x02hi");
            peer_close(c, false);
            await_gone(s);
            assert_true(s->fin);
            peer_close(s, false);
        } else {
            say(s, OK5);
        }
        (void)await_attempt(rig, taken == 1 ? 1 : 2);
        assert_int_equal(rig->attempt[0].status, taken == 1 ? 101 : 200);
        rig_close(rig);
    }
}

/* A CONNECT that is refused: what was sent for the tunnel is not a request. */
static void bytes_behind_a_refused_connect_are_thrown_away(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n" GET);
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    await_gone(c);
    assert_true(c->fin);
    expect_in(c, "HTTP/1.1 403 No\r\nContent-Length: 2\r\nconnection: close\r\n\r\nno");
    expect_in(s, "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n");
    assert_int_equal(await_attempt(rig, 1)->status, 403);
    assert_int_equal(rig->attempt_count, 1);
    rig_close(rig);
}

/* Who asked to go on and is told no does not send the body; nothing of the next is eaten for it. */
static void a_final_answer_to_an_expectation_ends_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_open();
    struct peer *c = rig_dial(rig);
    say(c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    struct peer *s = await_server(rig, 1);
    await_text(s, "\r\n\r\n");
    say(s, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
    await_gone(c);
    assert_true(c->fin);
    expect_in(c, "HTTP/1.1 417 No\r\nContent-Length: 0\r\nconnection: close\r\n\r\n");
    await_gone(s);
    assert_int_equal(await_attempt(rig, 1)->status, 417);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_requests_in_one_write_are_answered_in_order),
        cmocka_unit_test(a_long_pipeline_does_not_starve_a_neighbour),
        cmocka_unit_test(faults_take_single_requests_of_a_pipeline),
        cmocka_unit_test(trailers_pass_both_ways_with_and_without_a_filter),
        cmocka_unit_test(bytes_behind_an_upgrade_belong_to_what_it_becomes),
        cmocka_unit_test(bytes_behind_a_refused_connect_are_thrown_away),
        cmocka_unit_test(a_final_answer_to_an_expectation_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
