#include "world/process.h"

#include "world/undo_pause.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t start_sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void end_sleeper(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void stop_sleeper(const struct process *p)
{
    struct error err = {0};
    int status;
    assert_true(process_signal(p, SIGSTOP, &err));
    assert_int_equal(waitpid(p->pid, &status, WUNTRACED), p->pid);
    assert_true(WIFSTOPPED(status));
}

static void test_itself(void **state)
{
    struct process p;
    struct error err = {0};
    (void)state;
    assert_true(process_read(getpid(), &p, &err));
    assert_true(p.start_ticks > 0);
    assert_true(process_lives(&p));
    assert_int_equal(process_state(&p), 'R');
    assert_false(process_read(0, &p, &err));
    assert_string_equal(err.text, "there is no process 0");
}

static void test_a_zombie_has_ended(void **state)
{
    struct process p;
    struct error err = {0};
    siginfo_t info;
    (void)state;
    pid_t pid = start_sleeper();
    assert_true(process_read(pid, &p, &err));
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_state(&p), 'Z');
    assert_false(process_lives(&p));
    assert_false(process_signal(&p, SIGCONT, &err));
    waitpid(pid, NULL, 0);
    assert_int_equal(process_state(&p), 0);
}

/* The pid is given away again, as far as anyone can tell. */
static void test_another_start_gets_no_signal(void **state)
{
    struct process p, other;
    struct error err = {0};
    int status;
    (void)state;
    pid_t pid = start_sleeper();
    assert_true(process_read(pid, &p, &err));
    other = p;
    other.start_ticks++;
    assert_false(process_lives(&other));
    assert_false(process_signal(&other, SIGKILL, &err));
    assert_non_null(strstr(err.text, "has ended"));
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    end_sleeper(pid);
}

static void test_a_note_knows_its_process_again(void **state)
{
    struct process p, back;
    struct error err = {0};
    bool gone;
    (void)state;
    pid_t pid = start_sleeper();
    assert_true(process_read(pid, &p, &err));
    json_t *note = process_note(&p);
    assert_true(process_from_note(note, &back, &gone, &err));
    assert_false(gone);
    assert_int_equal(back.pid, p.pid);
    assert_int_equal(back.start_ticks, p.start_ticks);
    /* A container's: its numbers are nobody here, and it may live. */
    json_int_t space = json_integer_value(json_object_get(note, "pidns"));
    json_object_set_new(note, "pidns", json_integer(space + 1));
    assert_false(process_from_note(note, &back, &gone, &err));
    assert_non_null(strstr(err.text, "of another PID namespace"));
    err = (struct error){0};
    json_object_set_new(note, "pidns", json_integer(space));
    json_object_set_new(note, "boot", json_string("00000000-0000-0000-0000-000000000000"));
    assert_true(process_from_note(note, &back, &gone, &err));
    assert_true(gone);
    json_decref(note);
    end_sleeper(pid);
    note = process_note(&p);
    assert_true(process_from_note(note, &back, &gone, &err));
    assert_true(gone);
    json_object_del(note, "start");
    assert_false(process_from_note(note, &back, &gone, &err));
    json_decref(note);
}

static void test_pause_is_undone_once(void **state)
{
    struct process p;
    struct error err = {0};
    enum undo_result result;
    bool there;
    char what[64];
    (void)state;
    pid_t pid = start_sleeper();
    assert_true(process_read(pid, &p, &err));
    json_t *note = undo_pause_note("payments/2", &p);
    undo_pause.print(note, what, sizeof(what));
    assert_string_equal(what, "process payments/2 stopped");
    stop_sleeper(&p);
    assert_true(undo_pause.still_there(note, &there, &err));
    assert_true(there);
    assert_true(undo_pause.revert(note, &result, &err));
    assert_int_equal(result, UNDO_DONE);
    assert_int_not_equal(process_state(&p), 'T');
    assert_true(undo_pause.still_there(note, &there, &err));
    assert_false(there);
    assert_true(undo_pause.revert(note, &result, &err));
    assert_int_equal(result, UNDO_GONE);
    end_sleeper(pid);
    assert_true(undo_pause.revert(note, &result, &err));
    assert_int_equal(result, UNDO_GONE);
    json_decref(note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_itself),
        cmocka_unit_test(test_a_zombie_has_ended),
        cmocka_unit_test(test_another_start_gets_no_signal),
        cmocka_unit_test(test_a_note_knows_its_process_again),
        cmocka_unit_test(test_pause_is_undone_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
