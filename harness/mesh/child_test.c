#include "mesh/child.h"

#include "base/clock.h"
#include "mesh/mesh.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct told {
    struct loop *loop;
    struct error why;
    int times;
};

static void on_exit_told(void *cookie, const struct error *why)
{
    struct told *t = cookie;
    t->why = *why;
    t->times++;
    loop_stop(t->loop);
}

struct scene {
    struct loop *loop;
    struct child child;
    struct told told;
    char log[64];
};

static void begin(struct scene *s, const char *script)
{
    struct error err = {0};
    *s = (struct scene){0};
    snprintf(s->log, sizeof(s->log), "/tmp/meshproof-child-test-XXXXXX");
    int fd = mkstemp(s->log);
    assert_true(fd >= 0);
    close(fd);
    assert_true(loop_new(&s->loop, &err));
    s->told.loop = s->loop;
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct child_program sh = {.argv = argv, .log = s->log};
    assert_true(child_start(&s->child, s->loop, &sh, on_exit_told, &s->told, &err));
}

static void end(struct scene *s)
{
    child_end(&s->child);
    unlink(s->log);
    loop_settle(s->loop);
    loop_free(s->loop);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left */
}

static void tells_the_exit_code_and_the_last_line(void **unused)
{
    (void)unused;
    struct scene s;
    struct error err = {0};
    begin(&s, "echo first; echo the port is taken >&2; exit 3");
    assert_true(loop_run(s.loop, &err));
    assert_string_equal(s.told.why.text, "it ended with exit code 3: the port is taken");
    assert_int_equal(s.told.times, 1);
    end(&s);
}

static void tells_the_signal(void **unused)
{
    (void)unused;
    struct scene s;
    struct error err = {0};
    begin(&s, "kill -9 $$");
    assert_true(loop_run(s.loop, &err));
    assert_non_null(strstr(s.told.why.text, "signal 9"));
    end(&s);
}

static void kills_what_does_not_heed_sigterm(void **unused)
{
    (void)unused;
    struct scene s;
    /* Ignored signals are inherited: no race with a trap of the child's own. */
    void (*before)(int) = signal(SIGTERM, SIG_IGN);
    begin(&s, "while :; do read x < /dev/zero; done");
    signal(SIGTERM, before);
    uint64_t from_ns = clock_now_ns();
    child_end(&s.child);
    assert_true(clock_now_ns() - from_ns >= 2 * NS_PER_S - 5 * NS_PER_MS);
    assert_int_equal(s.told.times, 0);
    end(&s);
}

static void a_program_that_is_not_there_ends_at_once(void **unused)
{
    (void)unused;
    struct scene s;
    struct error err = {0};
    begin(&s, "exec /nowhere/at/all");
    assert_true(loop_run(s.loop, &err));
    assert_non_null(strstr(s.told.why.text, "/nowhere/at/all"));
    end(&s);
}

static void drivers_are_found_by_name(void **unused)
{
    (void)unused;
    size_t count;
    const struct mesh_driver *const *all = mesh_drivers(&count);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(mesh_driver_find(all[i]->name), all[i]);
    assert_non_null(mesh_driver_find("external"));
    assert_null(mesh_driver_find("nomad"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_exit_code_and_the_last_line),
        cmocka_unit_test(tells_the_signal),
        cmocka_unit_test(kills_what_does_not_heed_sigterm),
        cmocka_unit_test(a_program_that_is_not_there_ends_at_once),
        cmocka_unit_test(drivers_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
