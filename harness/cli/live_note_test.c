#include "cli/live_note.h"

#include "base/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    char folder[] = "/tmp/meshproof-live-XXXXXX";
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return -1;
    *state = check_strdup(folder);
    return 0;
}

static int teardown(void **state)
{
    unlink(LIVE_LOCK);
    if (rmdir(LIVE_FOLDER) != 0 || rmdir(".meshproof") != 0 || chdir("/") != 0 ||
        rmdir(*state) != 0)
        return -1;
    free(*state);
    return 0;
}

static struct live_note note_of(const char *run, pid_t pid)
{
    struct live_note n = {.suite = "s.lua", .journal = "/x/run.db", .socket = "/x/run.sock"};
    struct error err = {0};
    snprintf(n.run, sizeof(n.run), "%s", run);
    n.started_wall_ns = 5 * NS_PER_S;
    assert_true(process_read(pid, &n.process, &err));
    return n;
}

static size_t count(void)
{
    struct live_note *all;
    struct error err = {0};
    size_t n;
    assert_true(live_note_list(&all, &n, &err));
    free(all);
    return n;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void a_run_is_found_by_its_id_a_prefix_or_alone(void **state)
{
    struct live_note a = note_of("7c1e4a90", getpid()), b = note_of("7c22aa01", getpid()), found;
    struct error err = {0};
    struct stat st;
    bool none;
    (void)state;
    assert_false(live_note_find(NULL, &found, &none, &err));
    assert_true(none);
    assert_true(live_note_write(&a, &err));
    assert_int_equal(stat(LIVE_FOLDER "/7c1e4a90.json", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(live_note_find(NULL, &found, &none, &err));
    assert_string_equal(found.socket, "/x/run.sock");
    assert_true(live_note_write(&b, &err));
    assert_true(live_note_find("7c1", &found, &none, &err));
    assert_string_equal(found.run, "7c1e4a90");
    assert_false(live_note_find("7c", &found, &none, &err));
    assert_false(none);
    assert_string_equal(err.text, "\"7c\" begins the ids of 2 runs that go on");
    err = (struct error){0};
    assert_false(live_note_find(NULL, &found, &none, &err));
    assert_non_null(strstr(err.text, "2 runs go on"));
    err = (struct error){0};
    assert_false(live_note_find("ff", &found, &none, &err));
    assert_true(none && err.kind == ERROR_NONE);
    assert_false(live_note_write(&a, &err)); /* it is there */
    assert_non_null(strstr(err.text, "run 7c1e4a90 goes on already"));
    live_note_remove("7c1e4a90");
    live_note_remove("7c22aa01");
    assert_int_equal(count(), 0);
}

static void a_note_of_a_dead_run_goes_and_its_id_is_free(void **state)
{
    struct error err = {0};
    pid_t child = fork();
    (void)state;
    if (child == 0)
        for (;;)
            pause();
    struct live_note n = note_of("0badcafe", child), mine = note_of("0badcafe", getpid());
    assert_true(live_note_write(&n, &err));
    assert_int_equal(count(), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(live_note_write(&mine, &err)); /* in its place */
    live_note_remove("0badcafe");
    assert_true(live_note_write(&n, &err));
    assert_int_equal(count(), 0);
    assert_int_equal(access(LIVE_FOLDER "/0badcafe.json", F_OK), -1);
}

/* The same pid, later: another start time. */
static void a_pid_that_was_given_away_again_is_no_live_run(void **state)
{
    struct live_note n = note_of("0badcafe", getpid());
    struct error err = {0};
    (void)state;
    n.process.start_ticks--;
    assert_true(live_note_write(&n, &err));
    assert_int_equal(count(), 0);
}

/* Whether a pid of another namespace lives cannot be known here: its note is never removed. */
static void a_note_of_another_pid_namespace_stays(void **state)
{
    struct live_note n = note_of("0badcafe", getpid()), found;
    struct error err = {0};
    bool none;
    (void)state;
    json_t *process = process_note(&n.process);
    json_object_set_new(process, "pidns", json_integer(1));
    json_t *json =
        json_pack("{ss ss ss ss sI so}", "run", n.run, "suite", n.suite, "journal", n.journal,
                  "socket", n.socket, "started_wall_ns", (json_int_t)1, "process", process);
    assert_true(live_note_write(&n, &err));
    assert_int_equal(json_dump_file(json, LIVE_FOLDER "/0badcafe.json", 0), 0);
    json_decref(json);
    assert_true(live_note_find(NULL, &found, &none, &err));
    assert_true(found.foreign);
    live_note_remove("0badcafe");
}

static void what_is_no_note_is_left_out_and_left_alone(void **state)
{
    static const char *const bad[] = {"", "[]", "{\"run\": 7}", "{\"run\":\"0badcafe\"",
                                      "{\"run\":\"0badcafe\",\"suite\":\"\",\"journal\":\"\"}"};
    struct live_note n = note_of("0badcafe", getpid());
    struct error err = {0};
    (void)state;
    assert_true(live_note_write(&n, &err));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        put(LIVE_FOLDER "/0badcafe.json", bad[i]);
        assert_int_equal(count(), 0);
        assert_int_equal(access(LIVE_FOLDER "/0badcafe.json", F_OK), 0);
    }
    live_note_remove("0badcafe");
}

static void a_lock_refuses_runs_until_it_is_taken_away(void **state)
{
    struct error err = {0};
    bool was;
    (void)state;
    assert_true(live_may_run(&err));
    assert_false(live_lock("", "alice", &err));
    err = (struct error){0};
    assert_false(live_lock("a\x1b[2J", "alice", &err));
    err = (struct error){0};
    assert_true(live_lock("INC-2231", "alice", &err));
    assert_false(live_may_run(&err));
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_non_null(strstr(err.text, "locked by alice at 20"));
    assert_non_null(strstr(err.text, "UTC: INC-2231 (meshproof halt --unlock)"));
    put(LIVE_LOCK, "garbage"); /* it locks all the same */
    err = (struct error){0};
    assert_false(live_may_run(&err));
    err = (struct error){0};
    assert_true(live_unlock(&was, &err) && was);
    assert_true(live_unlock(&was, &err) && !was);
    assert_true(live_may_run(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_is_found_by_its_id_a_prefix_or_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_note_of_a_dead_run_goes_and_its_id_is_free, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_pid_that_was_given_away_again_is_no_live_run, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_note_of_another_pid_namespace_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_note_is_left_out_and_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lock_refuses_runs_until_it_is_taken_away, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
