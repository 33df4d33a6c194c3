/* guard.stop on a real loop, asked of a port that opens and closes. */

#include "engine/guard.h"

#include "base/clock.h"
#include "net/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
    struct loop *loop;
    struct recorder *recorder;
    struct guard_plan guard;
    struct scenario scenario;
    struct guard_watch *watch;
    struct hold deadline;
    struct error why;
    char address[40];
    int fd;
    uint16_t port;
    bool ready, tripped, refused, in_time;
};

static void listens(struct rig *r, bool open)
{
    if (!open) {
        close(r->fd);
        r->fd = -1;
        return;
    }
    char address[40];
    struct error err = {0};
    snprintf(address, sizeof(address), "127.0.0.1:%u", r->port);
    assert_true(socket_listen(address, &r->fd, &r->port, &err));
}

static void on_ready(void *cookie)
{
    struct rig *r = cookie;
    if (!guard_watch_ready(r->watch))
        return;
    r->ready = true;
    loop_stop(r->loop);
}

static void on_trip(void *cookie, const struct guard_plan *guard, const struct error *why,
                    bool refused)
{
    struct rig *r = cookie;
    assert_ptr_equal(guard, &r->guard);
    assert_false(r->tripped);
    r->tripped = true;
    r->refused = refused;
    r->why = *why;
    loop_stop(r->loop);
}

static void on_deadline(struct hold *h, uint64_t now_ns)
{
    struct rig *r = (struct rig *)((char *)h - offsetof(struct rig, deadline));
    (void)now_ns;
    r->in_time = false;
    loop_stop(r->loop);
}

/* Until it is ready, trips, or ${most_ns} have passed. */
static void turn(struct rig *r, uint64_t most_ns)
{
    struct error err = {0};
    r->in_time = true;
    loop_hold_add(r->loop, &r->deadline, loop_now_ns(r->loop) + most_ns, on_deadline);
    assert_true(loop_run(r->loop, &err));
    loop_hold_remove(r->loop, &r->deadline);
}

static void open_rig(struct rig *r, bool open)
{
    struct error err = {0};
    *r = (struct rig){.fd = -1};
    listens(r, true);
    if (!open)
        listens(r, false);
    snprintf(r->address, sizeof(r->address), "127.0.0.1:%u", r->port);
    r->guard = (struct guard_plan){
        .kind = GUARD_STOP,
        .source = {"s.lua", 6, 0},
        .own = {.kind = PROBE_TCP,
                .address = r->address,
                .every_ns = 20 * NS_PER_MS,
                .timeout_ns = NS_PER_S},
        .below = "1",
        .over_ns = 100 * NS_PER_MS,
    };
    r->scenario = (struct scenario){.guards = &r->guard, .guard_count = 1};
    r->recorder = recorder_new(-1, (size_t)1 << 20);
    assert_true(loop_new(&r->loop, &err));
    const struct guard_events events = {on_ready, on_trip, r};
    assert_true(guard_watch_new(r->loop, r->recorder, &r->scenario, &events, &r->watch, &err));
    guard_watch_start(r->watch);
}

static void close_rig(struct rig *r)
{
    guard_watch_free(r->watch);
    loop_settle(r->loop);
    loop_free(r->loop);
    recorder_free(r->recorder);
    if (r->fd >= 0)
        close(r->fd);
}

static void it_holds_before_the_first_fault_and_trips_after_it(void **state)
{
    struct rig r;
    struct error err = {0};
    (void)state;
    open_rig(&r, true);
    assert_false(guard_watch_ready(r.watch));
    assert_false(guard_watch_may_arm(r.watch, loop_now_ns(r.loop), &err));
    assert_non_null(strstr(err.text, "has not held for its 100ms before the first fault"));
    turn(&r, 10 * NS_PER_S);
    assert_true(r.ready && !r.tripped);
    err = (struct error){0};
    assert_true(guard_watch_may_arm(r.watch, loop_now_ns(r.loop), &err));
    uint64_t closed_ns = loop_now_ns(r.loop);
    listens(&r, false);
    turn(&r, 10 * NS_PER_S);
    assert_true(r.tripped && !r.refused);
    assert_true(loop_now_ns(r.loop) - closed_ns >= r.guard.over_ns);
    assert_int_equal(r.why.source.line, 6);
    assert_non_null(strstr(r.why.text, " below 1 for 100ms (0, 0, 0"));
    assert_true(recorder_count(r.recorder, RECORD_SAMPLE) >= 8);
    close_rig(&r);
}

static void one_that_does_not_hold_at_first_refuses(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, false);
    turn(&r, 10 * NS_PER_S);
    assert_true(r.tripped && r.refused && !r.ready);
    assert_non_null(strstr(r.why.text, "is 0 before the first fault, and must not be below 1"));
    close_rig(&r);
}

static void one_at_rest_trips_no_more(void **state)
{
    struct rig r;
    struct error err = {0};
    (void)state;
    open_rig(&r, true);
    turn(&r, 10 * NS_PER_S);
    assert_true(guard_watch_may_arm(r.watch, loop_now_ns(r.loop), &err));
    guard_watch_rest(r.watch);
    listens(&r, false);
    turn(&r, 300 * NS_PER_MS);
    assert_false(r.tripped || r.in_time);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_before_the_first_fault_and_trips_after_it),
        cmocka_unit_test(one_that_does_not_hold_at_first_refuses),
        cmocka_unit_test(one_at_rest_trips_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
