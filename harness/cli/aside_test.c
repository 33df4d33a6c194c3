/* The judge in a process of its own: asked while the journal is there, and gone with us. */

#include "cli/aside.h"

#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define JOURNAL "suites/selftest/live/run.db"

struct asked {
    struct loop *loop;
    struct live_judged *rows;
    size_t count;
    uint64_t as_of_ns, cpu_ns;
};

static void on_judged(void *cookie, const struct live_judged *rows, size_t count,
                      const struct aside_cost *cost)
{
    struct asked *a = cookie;
    a->count = count;
    a->as_of_ns = cost->asked_ns;
    a->cpu_ns = cost->cpu_ns;
    a->rows = check_alloc_zero(count, sizeof(*rows));
    memcpy(a->rows, rows, count * sizeof(*rows));
    loop_stop(a->loop);
}

static void it_judges_what_is_there(void **state)
{
    struct asked a = {0};
    struct error err = {0};
    int held[2];
    char byte;
    assert_int_equal(pipe(held), 0);
    struct aside *aside = aside_start(JOURNAL);
    (void)state;
    assert_non_null(aside);
    /* What was open before is not kept open by it. */
    close(held[1]);
    assert_int_equal(read(held[0], &byte, 1), 0);
    close(held[0]);
    assert_true(loop_new(&a.loop, &err));
    for (int i = 0; i < 2; i++) { /* it can be asked again */
        assert_true(aside_watch(aside, a.loop, on_judged, &a, &err));
        assert_true(aside_ask(aside, 7));
        assert_false(aside_ask(aside, 8)); /* the first is not there yet */
        assert_true(loop_run(a.loop, &err));
        assert_int_equal(a.count, 16);
        assert_int_equal(a.as_of_ns, 7);
        assert_true(a.cpu_ns > 0);
        size_t failed = 0;
        for (size_t k = 0; k < a.count; k++)
            failed += a.rows[k].shown.kind == VERDICT_FAIL &&
                      strcmp(a.rows[k].shown.claim, "retry.max") == 0;
        assert_int_equal(failed, 1);
        free(a.rows);
        aside_unwatch(aside);
    }
    aside_end(aside);
    loop_settle(a.loop);
    loop_free(a.loop);
}

struct waiting {
    struct asked a;
    struct hold hold;
};

static void on_late(struct hold *h, uint64_t now_ns)
{
    struct waiting *w = (struct waiting *)((char *)h - offsetof(struct waiting, hold));
    (void)now_ns;
    loop_stop(w->a.loop);
}

/* No journal: no rows, and it takes the next question; ended in the middle of one, it is gone. */
static void what_it_cannot_read_has_no_rows(void **state)
{
    struct waiting all = {0};
    struct error err = {0};
    struct aside *aside = aside_start("suites/selftest/live/none.db");
    (void)state;
    assert_non_null(aside);
    assert_true(loop_new(&all.a.loop, &err));
    assert_true(aside_watch(aside, all.a.loop, on_judged, &all.a, &err));
    assert_true(aside_ask(aside, 1));
    for (int i = 0; i < 200 && !aside_ask(aside, 2); i++) {
        loop_hold_add(all.a.loop, &all.hold, loop_now_ns(all.a.loop) + 50 * NS_PER_MS, on_late);
        assert_true(loop_run(all.a.loop, &err));
    }
    assert_false(aside_ask(aside, 3)); /* the second was taken */
    assert_null(all.a.rows);
    aside_end(aside);
    loop_settle(all.a.loop);
    loop_free(all.a.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_judges_what_is_there),
        cmocka_unit_test(what_it_cannot_read_has_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
