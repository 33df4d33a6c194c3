/* Holds: how long they last, who may leave meanwhile, and who ends them. */

#include "net/script_test.h"

static void a_hold_lasts_at_least_as_long_and_then_the_call_goes_on(void **state)
{
    (void)state;
    for (unsigned side = SIDE_REQUEST; side <= SIDE_RESPONSE; side++) {
        struct script s = {
            .moment = MOMENT_HEAD, .side = side, .act = ACT_HOLD, .hold_ns = 20 * NS_PER_MS};
        struct rig *rig = rig_open();
        arm_one(rig, &s);
        struct peer *c = rig_dial(rig);
        uint64_t start_ns = clock_now_ns();
        exchange(rig, c, 1, POST, OK5);
        assert_true(clock_now_ns() - start_ns >= 20 * NS_PER_MS);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_ANSWERED);
        assert_int_equal(a->fired, UINT32_C(1) << 9);
        assert_int_equal(a->fault, 0);
        assert_int_equal(a->generation, 3);
        if (side == SIDE_REQUEST)
            assert_true(a->upstream >= 20 * NS_PER_MS);
        else
            assert_true(a->out - a->reply >= 20 * NS_PER_MS);
        assert_int_equal(proxy_fired(rig->proxy, 9), 1);
        assert_int_equal(s.closes, 1);
        rig_close(rig);
    }
}

static void who_leaves_during_a_hold_is_seen_at_once(void **state)
{
    (void)state;
    for (unsigned reset = 0; reset <= 1; reset++) {
        struct script s = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
        struct rig *rig = rig_open();
        arm_one(rig, &s);
        struct peer *c = rig_dial(rig);
        say(c, POST);
        rig_await_polling(rig, until_fired, &(uint16_t){9});
        assert_int_equal(proxy_counts(rig->proxy).calls_active, 1);
        peer_close(c, reset == 1);
        struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_LEFT);
        assert_int_equal(a->left_kind, reset == 1 ? LEFT_RST : LEFT_FIN);
        assert_int_equal(a->upstream, 0);
        assert_int_equal(rig->accepted, 0); /* a held request occupies no backend connection */
        rig_close(rig);
    }
}

static void disarming_releases_the_holds_of_that_fault_only(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
    struct filter_slot slots[2] = {slot_of(&s, 1), slot_of(&s, 2)};
    static const char *const gold = "gold";
    slots[0].when.match.tags = &gold;
    slots[0].when.match.tag_count = 1;
    static const char *const iron = "iron";
    slots[1].when.match.tags = &iron;
    slots[1].when.match.tag_count = 1;
    struct rig *rig = rig_open();
    arm(rig, slots, 2);
    struct peer *a = rig_dial(rig), *b = rig_dial(rig);
    say(a, "GET / HTTP/1.1\r\nx-meshproof-tag: gold\r\n\r\n");
    say(b, "GET / HTTP/1.1\r\nx-meshproof-tag: iron\r\n\r\n");
    rig_await_polling(rig, until_fired, &(uint16_t){1});
    rig_await_polling(rig, until_fired, &(uint16_t){2});
    assert_int_equal(arm(rig, &slots[1], 1), 1);
    struct peer *server = await_server(rig, 1);
    await_text(server, "gold");
    say(server, OK5);
    await_text(a, "hello");
    assert_int_equal(await_attempt(rig, 1)->flags, ATTEMPT_EFFECT | ATTEMPT_RELEASED);
    assert_int_equal(b->in.len, 0);
    assert_int_equal(proxy_counts(rig->proxy).calls_active, 1);
    assert_int_equal(arm(rig, NULL, 0), 1);
    await_text(rig->server[0], "iron");
    rig_close(rig);
}

/* A call keeps the chain that it began with, and may come to a hold of it when that is long over:
 * then nobody would end it. */
static void a_hold_that_begins_after_its_disarm_is_none(void **state)
{
    static const struct {
        enum moment moment;
        enum side side;
        const char *ask, *ask_more, *answer, *answer_more;
    } rows[] = {
        {MOMENT_HEAD, SIDE_RESPONSE, GET, "", "", OK5},
        {MOMENT_DATA, SIDE_RESPONSE, GET, "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
         "llo"},
        {MOMENT_END, SIDE_RESPONSE, GET, "",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "0\r\n\r\n"},
        {MOMENT_DATA, SIDE_REQUEST, "POST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: 5\r\n\r\nab",
         "cde", "", OK5},
        {MOMENT_END, SIDE_REQUEST, "POST /a HTTP/1.1\r\nHost: pay\r\nContent-Length: 5\r\n\r\nab",
         "cde", "", OK5},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct script s = {.moment = rows[i].moment,
                           .side = rows[i].side,
                           .act = ACT_HOLD,
                           .hold_ns = HOLD_FOREVER,
                           .after = 2};
        struct rig *rig = rig_open();
        arm_one(rig, &s);
        struct peer *c = rig_dial(rig);
        say(c, rows[i].ask);
        struct peer *server = await_server(rig, 1);
        await_bytes(server, strlen(rows[i].ask));
        say(server, rows[i].answer);
        await_bytes(c, strlen(rows[i].answer));
        assert_int_equal(arm(rig, NULL, 0), 0);
        say(c, rows[i].ask_more);
        await_bytes(server, strlen(rows[i].ask) + strlen(rows[i].ask_more));
        say(server, rows[i].answer_more);
        await_bytes(c, strlen(rows[i].answer) + strlen(rows[i].answer_more));
        const struct attempt_record *a = await_attempt(rig, 1);
        assert_int_equal(a->outcome, OUTCOME_ANSWERED);
        assert_int_equal(a->flags & ATTEMPT_RELEASED, ATTEMPT_RELEASED);
        rig_close(rig);
    }
}

static void disarming_two_holds_at_accept_releases_both(void **state)
{
    struct script s = {.moment = MOMENT_ACCEPT, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
    struct filter_slot slots[2] = {slot_of(&s, 1), slot_of(&s, 2)};
    (void)state;
    struct rig *rig = rig_open();
    arm(rig, slots, 2);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    rig_await_polling(rig, until_fired, &(uint16_t){1});
    assert_int_equal(arm(rig, NULL, 0), 1);
    struct peer *server = await_server(rig, 1);
    await_text(server, GET);
    say(server, OK5);
    await_text(c, "hello");
    rig_close(rig);
}

/* Where both sides talk at once a fault may hold each of them. */
static void disarming_releases_both_directions_of_a_stream(void **state)
{
    struct script up = {.moment = MOMENT_DATA, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER},
                  down = {.moment = MOMENT_DATA,
                          .side = SIDE_RESPONSE,
                          .act = ACT_HOLD,
                          .hold_ns = HOLD_FOREVER};
    struct filter_slot slots[2] = {slot_of(&up, 1), slot_of(&down, 2)};
    (void)state;
    for (unsigned one_by_one = 0; one_by_one <= 1; one_by_one++) {
        struct rig *rig = rig_open_as(PROXY_TCP, false);
        arm(rig, slots, 2);
        struct peer *c = rig_dial(rig), *server = await_server(rig, 1);
        say(c, "ping");
        say(server, "pong");
        rig_await_polling(rig, rig_until_both_fired, NULL);
        if (one_by_one == 1)
            assert_int_equal(arm(rig, &slots[1], 1), 1);
        assert_int_equal(arm(rig, NULL, 0), one_by_one == 1 ? 1 : 2);
        await_text(server, "ping");
        await_text(c, "pong");
        peer_close(c, false);
        peer_close(server, false);
        assert_int_equal(await_attempt(rig, 1)->flags & ATTEMPT_RELEASED, ATTEMPT_RELEASED);
        rig_close(rig);
    }
}

static bool until_fired_twice(struct rig *rig, void *fault)
{
    return proxy_fired(rig->proxy, *(uint16_t *)fault) == 2;
}

/* Certificates that begin to be served wrong reset what is there: a handshake that the fault before
 * them had chosen, too. It was counted as open for ever, and the guard withheld all that came. */
static void a_hold_that_is_reset_is_not_open_any_more(void **state)
{
    struct script s = {.moment = MOMENT_ACCEPT, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
    struct filter_slot slot = slot_of(&s, 1);
    (void)state;
    slot.when.streak = 2;
    struct rig *rig = rig_open();
    arm(rig, &slot, 1);
    struct peer *c = rig_dial(rig);
    rig_await_polling(rig, until_fired, &(uint16_t){1});
    proxy_existing(rig->proxy, 1, EXISTING_RESET);
    await_gone(c);
    (void)rig_dial(rig);
    rig_await_polling(rig, until_fired_twice, &(uint16_t){1});
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_lasts_at_least_as_long_and_then_the_call_goes_on),
        cmocka_unit_test(who_leaves_during_a_hold_is_seen_at_once),
        cmocka_unit_test(disarming_releases_the_holds_of_that_fault_only),
        cmocka_unit_test(a_hold_that_begins_after_its_disarm_is_none),
        cmocka_unit_test(disarming_two_holds_at_accept_releases_both),
        cmocka_unit_test(disarming_releases_both_directions_of_a_stream),
        cmocka_unit_test(a_hold_that_is_reset_is_not_open_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
