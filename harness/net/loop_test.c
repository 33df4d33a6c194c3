#include "net/loop.h"

#include "base/clock.h"
#include "base/rng.h"
#include "net/hold_heap.h"
#include "net/socket.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop_open(void)
{
    struct error err = {0};
    struct loop *l = NULL;
    assert_true(loop_new(&l, &err));
    return l;
}

static void run(struct loop *l)
{
    struct error err = {0};
    assert_true(loop_run(l, &err));
}

struct timed {
    struct hold hold; /* first */
    struct loop *loop;
    unsigned *left;
    uint64_t fired_ns;
};

static void on_timed(struct hold *h, uint64_t now_ns)
{
    struct timed *t = (struct timed *)(void *)h;
    assert_true(now_ns >= h->at_ns);
    assert_true(clock_now_ns() >= h->at_ns);
    t->fired_ns = now_ns;
    if (--*t->left == 0)
        loop_stop(t->loop);
}

static void holds_never_fire_early_and_fire_in_order(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct timed timed[COUNT];
    struct loop *l = loop_open();
    struct rng rng = rng_of(7);
    unsigned left = COUNT;
    uint64_t start_ns = clock_now_ns();
    for (size_t i = 0; i < COUNT; i++) {
        timed[i] = (struct timed){.loop = l, .left = &left};
        loop_hold_add(l, &timed[i].hold, start_ns + rng_below(&rng, 50 * NS_PER_MS), on_timed);
    }
    run(l);
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(timed[i].fired_ns >= timed[i].hold.at_ns);
        for (size_t j = 0; j < i; j++) {
            if (timed[j].hold.at_ns < timed[i].hold.at_ns)
                assert_true(timed[j].fired_ns <= timed[i].fired_ns);
        }
    }
    loop_free(l);
}

static void a_removed_hold_does_not_fire(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    unsigned left = 1, never = 5;
    struct timed gone = {.loop = l, .left = &never}, last = {.loop = l, .left = &left};
    uint64_t now_ns = clock_now_ns();
    loop_hold_add(l, &gone.hold, now_ns + NS_PER_MS, on_timed);
    loop_hold_add(l, &last.hold, now_ns + 5 * NS_PER_MS, on_timed);
    loop_hold_remove(l, &gone.hold);
    loop_hold_remove(l, &gone.hold);
    assert_true(hold_is_idle(&gone.hold));
    run(l);
    assert_int_equal(never, 5);
    loop_free(l);
}

static void the_heap_agrees_with_a_sorted_list(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct hold_heap heap = {0};
    static struct hold holds[COUNT];
    struct rng rng = rng_of(11);
    memset(holds, 0, sizeof(holds));
    for (unsigned step = 0; step < 20000; step++) {
        struct hold *h = &holds[rng_below(&rng, COUNT)];
        if (hold_is_idle(h)) {
            h->at_ns = rng_below(&rng, 1000);
            hold_heap_add(&heap, h);
        } else {
            hold_heap_remove(&heap, h);
        }
        uint64_t least = UINT64_MAX;
        for (size_t i = 0; step % 97 == 0 && i < COUNT; i++) {
            if (!hold_is_idle(&holds[i]) && holds[i].at_ns < least)
                least = holds[i].at_ns;
        }
        if (step % 97 == 0)
            assert_int_equal(hold_heap_next_ns(&heap), least);
    }
    hold_heap_release(&heap);
    assert_true(hold_is_idle(&holds[0]));
}

struct burst {
    struct watch watch; /* first */
    unsigned *left;
    unsigned seen_at;
};

static void on_burst_pipe(struct watch *w, unsigned what)
{
    struct burst *b = (struct burst *)(void *)w;
    char byte;
    assert_true((what & WATCH_READ) != 0);
    assert_int_equal(read(w->fd, &byte, 1), 1);
    b->seen_at = *b->left;
}

static void a_burst_of_holds_lets_descriptors_in_between(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static struct timed timed[COUNT];
    struct loop *l = loop_open();
    struct error err = {0};
    unsigned left = COUNT;
    int ends[2];
    struct burst b = {.left = &left};
    assert_int_equal(pipe(ends), 0);
    assert_true(loop_watch_add_level(l, &b.watch, ends[0], on_burst_pipe, &err));
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < COUNT; i++) {
        timed[i] = (struct timed){.loop = l, .left = &left};
        loop_hold_add(l, &timed[i].hold, now_ns, on_timed);
    }
    assert_int_equal(write(ends[1], "x", 1), 1);
    run(l);
    assert_true(b.seen_at >= COUNT - 128); /* after at most two bounded runs */
    loop_watch_remove(&b.watch);
    close(ends[0]);
    close(ends[1]);
    loop_free(l);
}

struct task {
    struct loop_task task; /* first */
    struct loop *loop;
    struct task *then_defer, *then_again;
    unsigned runs;
    bool stop;
};

static void on_task(struct loop_task *t)
{
    struct task *task = (struct task *)(void *)t;
    task->runs++;
    if (task->then_defer != NULL)
        loop_defer(task->loop, &task->then_defer->task);
    if (task->then_again != NULL)
        loop_again(task->loop, &task->then_again->task);
    if (task->stop)
        loop_stop(task->loop);
}

static void tasks_run_once_each_without_events(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    struct task last = {.task.run = on_task, .loop = l, .stop = true};
    struct task again = {.task.run = on_task, .loop = l, .then_again = &last};
    struct task nested = {.task.run = on_task, .loop = l};
    struct task first = {
        .task.run = on_task, .loop = l, .then_defer = &nested, .then_again = &again};
    loop_defer(l, &first.task);
    loop_defer(l, &first.task);
    run(l);
    assert_int_equal(first.runs, 1);
    assert_int_equal(nested.runs, 1);
    assert_int_equal(again.runs, 1);
    assert_int_equal(last.runs, 1);
    loop_free(l);
}

struct edge {
    struct watch watch; /* first */
    struct loop *loop;
    unsigned reads, writes, closes, stop_on;
};

static void on_edge(struct watch *w, unsigned what)
{
    struct edge *e = (struct edge *)(void *)w;
    e->reads += (what & WATCH_READ) != 0;
    e->writes += (what & WATCH_WRITE) != 0;
    e->closes += (what & WATCH_CLOSED) != 0;
    if ((what & e->stop_on) != 0)
        loop_stop(e->loop);
}

static void a_fin_is_seen_without_reading_and_does_not_spin(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    struct error err = {0};
    int listener = -1, client = -1;
    uint16_t port = 0;
    struct socket_address peer, own;
    assert_true(socket_listen("127.0.0.1:0", &listener, &port, &err));
    assert_int_not_equal(port, 0);
    assert_true(socket_own_address(listener, &own, &err));
    assert_true(socket_dial(&own, &client, &err));
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 5000), 1);
    int server = socket_accept(l, listener, &peer);
    assert_true(server >= 0);
    struct edge e = {.loop = l, .stop_on = WATCH_CLOSED};
    assert_true(loop_watch_add(l, &e.watch, server, on_edge, &err));
    assert_int_equal(send(client, "unread", 6, 0), 6);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    run(l);
    assert_true(e.reads >= 1 && e.writes >= 1 && e.closes == 1);
    /* nothing more happens: the edge has been */
    unsigned left = 1;
    struct timed later = {.loop = l, .left = &left};
    loop_hold_add(l, &later.hold, clock_now_ns() + 10 * NS_PER_MS, on_timed);
    e.reads = e.closes = 0;
    run(l);
    assert_int_equal(e.closes, 0);
    assert_int_equal(loop_counters(l)->epoll_ctl, 2); /* the timerfd and this */
    /* an RST shows as an edge; after a FIN the kernel calls it EPIPE */
    e.stop_on = WATCH_READ;
    socket_reset(client);
    run(l);
    assert_int_equal(socket_error(l, server), EPIPE);
    loop_watch_remove(&e.watch);
    close(server);
    close(listener);
    loop_free(l);
}

static void errors_name_the_address(void **state)
{
    (void)state;
    struct error err = {0};
    int first = -1, second = -1;
    uint16_t port = 0;
    char address[32];
    assert_true(socket_listen("127.0.0.1:0", &first, &port, &err));
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_false(socket_listen(address, &second, &port, &err));
    assert_non_null(strstr(err.text, address));
    assert_non_null(strstr(err.text, "is in use"));
    close(first);
    static const char *const wrong[] = {
        "",      "localhost", "127.0.0.1", "127.0.0.1:",     "127.0.0.1:70000", "::1:80",
        "[::1]", "[]:1",      "a:b",       "example.com:80", "[::1:80"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct socket_address parsed;
        err = (struct error){0};
        assert_false(socket_parse(wrong[i], &parsed, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
    }
    struct socket_address parsed;
    assert_true(socket_parse("[::1]:8080", &parsed, &err));
    socket_print(&parsed, address, sizeof(address));
    assert_string_equal(address, "[::1]:8080");
}

static void on_signal(int signo, void *cookie)
{
    assert_int_equal(signo, SIGUSR1);
    loop_stop(cookie);
}

static void signals_come_through_the_loop(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    struct error err = {0};
    assert_true(loop_signal(l, SIGUSR1, on_signal, l, &err));
    assert_int_equal(raise(SIGUSR1), 0);
    run(l);
    loop_free(l);
}

static void on_stall(const struct stall_seen *stall, void *cookie)
{
    assert_true(stall->fired_ns > stall->due_ns);
    *(struct stall_seen *)cookie = *stall;
}

static void burn(struct loop_task *t)
{
    (void)t;
    uint64_t until_ns = clock_now_ns() + 30 * NS_PER_MS;
    while (clock_now_ns() < until_ns) {
    }
}

static void a_long_turn_of_ours_is_reported_as_a_stall(void **state)
{
    (void)state;
    struct loop *l = loop_open();
    struct stall_seen seen = {0};
    struct loop_task task = {.run = burn};
    unsigned left = 1;
    struct timed last = {.loop = l, .left = &left};
    loop_on_stall(l, on_stall, &seen);
    loop_defer(l, &task);
    loop_hold_add(l, &last.hold, clock_now_ns() + 60 * NS_PER_MS, on_timed);
    run(l);
    assert_true(seen.fired_ns - seen.due_ns >= 3 * NS_PER_MS ||
                seen.fired_ns - seen.due_ns > 200 * NS_PER_US);
    loop_on_stall(l, NULL, NULL);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_never_fire_early_and_fire_in_order),
        cmocka_unit_test(a_removed_hold_does_not_fire),
        cmocka_unit_test(the_heap_agrees_with_a_sorted_list),
        cmocka_unit_test(a_burst_of_holds_lets_descriptors_in_between),
        cmocka_unit_test(tasks_run_once_each_without_events),
        cmocka_unit_test(a_fin_is_seen_without_reading_and_does_not_spin),
        cmocka_unit_test(errors_name_the_address),
        cmocka_unit_test(signals_come_through_the_loop),
        cmocka_unit_test(a_long_turn_of_ours_is_reported_as_a_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
