/* When a fault acts: its budget and its end, its match, its place in the chain, the streak guard.
 */

#include "net/script_test.h"

static void first_times_and_ttl_end_a_fault(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD,
                       .act = ACT_RESPOND,
                       .reply = {.status = 503, .body = BYTES("hello")}};
    struct filter_slot slot = slot_of(&s, 4);
    struct fire_budget budget = {.left = 2};
    struct rig *rig = rig_open();
    slot.when.times = &budget;
    arm(rig, &slot, 1);
    struct peer *c = rig_dial(rig);
    for (unsigned i = 0; i < 2; i++) {
        say(c, GET);
        await_text(c, "hello");
        peer_forget(c);
        assert_int_equal(await_attempt(rig, i + 1)->status, 503);
    }
    exchange(rig, c, 1, GET, OK5);
    assert_int_equal(await_attempt(rig, 3)->status, 200);
    assert_int_equal(proxy_fired(rig->proxy, 4), 2);
    /* the first try of each request */
    slot = slot_of(&s, 5);
    slot.when.first = 1;
    arm(rig, &slot, 1);
    peer_forget(c);
    const char *tied = "GET / HTTP/1.1\r\nx-request-id: one\r\n\r\n";
    say(c, tied);
    await_text(c, "hello");
    assert_int_equal(await_attempt(rig, 4)->status, 503);
    peer_forget(c);
    exchange(rig, c, 1, tied, OK5);
    assert_int_equal(await_attempt(rig, 5)->status, 200);
    assert_int_equal(rig->attempt[4].k, 2);
    /* TTL: holds end with it, and a record says so */
    struct script hold = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = HOLD_FOREVER};
    slot = slot_of(&hold, 6);
    uint64_t expires_ns = clock_now_ns() + 15 * NS_PER_MS;
    slot.when.expires_ns = expires_ns;
    arm(rig, &slot, 1);
    peer_forget(c);
    exchange(rig, c, 1, GET, OK5);
    assert_true(clock_now_ns() >= expires_ns);
    (void)await_attempt(rig, 6);
    await_ns(rig, 2 * NS_PER_MS);
    (void)rig_records(rig);
    assert_int_equal(rig->fault_count, 1);
    assert_int_equal(rig->fault[0].what, 2);
    assert_int_equal(rig->fault[0].fault, 6);
    assert_true(rig->fault[0].at >= expires_ns);
    rig_close(rig);
}

static void later_faults_are_shadowed_and_earlier_edits_are_seen(void **state)
{
    (void)state;
    struct script hold = {.moment = MOMENT_HEAD, .act = ACT_HOLD, .hold_ns = 5 * NS_PER_MS};
    struct script no = {.moment = MOMENT_HEAD, .act = ACT_RESPOND, .reply = {.status = 503}};
    struct script cut = {.moment = MOMENT_HEAD, .act = ACT_RESET};
    struct filter_slot slots[] = {slot_of(&hold, 1), slot_of(&no, 2), slot_of(&cut, 3)};
    struct rig *rig = rig_open();
    arm(rig, slots, 3);
    struct peer *c = rig_dial(rig);
    say(c, GET);
    await_text(c, "503");
    struct attempt_record *a = await_attempt(rig, 1);
    assert_int_equal(a->fault, 2);
    assert_int_equal(a->flags, ATTEMPT_SHADOWED);
    assert_int_equal(a->fired, 2 | 4); /* the third was chosen, and did nothing */
    assert_int_equal(proxy_fired(rig->proxy, 3), 0);
    assert_true(a->out >= 5 * NS_PER_MS);
    rig_close(rig);
}

static void a_status_match_is_known_at_the_answer(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD, .side = SIDE_RESPONSE, .act = ACT_RESET};
    struct filter_slot slot = slot_of(&s, 1);
    slot.when.match.status_least = 500;
    slot.when.match.status_most = 599;
    struct rig *rig = rig_open();
    arm(rig, &slot, 1);
    struct peer *c = rig_dial(rig);
    exchange(rig, c, 1, GET, OK5);
    assert_int_equal(await_attempt(rig, 1)->fired, 0);
    say(c, GET);
    await_text(rig->server[0], "\r\n\r\n");
    say(rig->server[0], "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    await_gone(c);
    assert_true(c->rst);
    assert_int_equal(await_attempt(rig, 2)->fired, 2);
    rig_close(rig);
}

static void the_streak_guard_withholds_and_says_so(void **state)
{
    (void)state;
    struct script s = {.moment = MOMENT_HEAD,
                       .act = ACT_RESPOND,
                       .reply = {.status = 503, .body = BYTES("hello")}};
    struct filter_slot slot = slot_of(&s, 1);
    slot.when.streak = 3;
    struct rig *rig = rig_open();
    arm(rig, &slot, 1);
    struct peer *c = rig_dial(rig);
    rig->accepted = 0;
    unsigned run = 0, withheld = 0;
    for (unsigned i = 0; i < 20; i++) {
        peer_forget(c);
        say(c, GET);
        struct rig_want want = {c, "hello", 5};
        while (!rig_until_text(rig, &want)) {
            if (rig->accepted > 0 && rig->server[0]->in.len > 0) {
                peer_forget(rig->server[0]);
                say(rig->server[0], OK5);
            }
            await_ns(rig, NS_PER_MS / 4);
        }
        struct attempt_record *a = await_attempt(rig, i + 1);
        run = a->status == 503 ? run + 1 : 0;
        assert_true(run < 3);
        assert_int_equal(a->guarded, a->status == 503 ? 0 : 2);
        withheld += a->guarded != 0;
    }
    assert_true(withheld >= 5 && withheld <= 11);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_times_and_ttl_end_a_fault),
        cmocka_unit_test(later_faults_are_shadowed_and_earlier_edits_are_seen),
        cmocka_unit_test(a_status_match_is_known_at_the_answer),
        cmocka_unit_test(the_streak_guard_withholds_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
