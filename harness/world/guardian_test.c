#include "world/killed_fixture_test.h"
#include "world/undo_pause.h"

/* A conductor stops and continues three processes until it is killed; its guardian, which we adopt
 * then, must leave none of them stopped. */

#define VICTIMS 3
#define MOMENT_MOST_MS 30

struct rig {
    struct killed k;
    struct process victims[VICTIMS];
    uint64_t ttl_ns;
    bool once;
};

static int setup(void **state)
{
    struct rig *r = check_alloc_zero(1, sizeof(*r));
    struct error err = {0};
    r->ttl_ns = 60 * NS_PER_S;
    if (!killed_open(&r->k))
        return 1;
    for (int i = 0; i < VICTIMS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                pause();
        if (!process_read(pid, &r->victims[i], &err))
            return 1;
    }
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < VICTIMS; i++) {
        kill(r->victims[i].pid, SIGKILL);
        waitpid(r->victims[i].pid, NULL, 0);
    }
    int rc = killed_close(&r->k);
    free(r);
    return rc;
}

static bool stop(const struct rig *r, struct undo *u, int i, uint64_t *ret_entry)
{
    struct error err = {0};
    return undo_promise(u, &undo_pause, undo_pause_note("v", &r->victims[i]), ret_entry, &err) &&
           process_stop(&r->victims[i], &err) && undo_done(u, *ret_entry, &err);
}

/* ${r->once}: stops them, and waits. */
static void conduct(void *cookie, int ready_fd)
{
    const struct rig *r = cookie;
    struct undo *u;
    struct guardian *g;
    struct error err = {0};
    enum undo_result result;
    uint64_t entries[VICTIMS];
    if (!undo_open(r->k.path, "7c1e4a90", &u, &err) ||
        !guardian_start(r->k.path, r->ttl_ns, &g, &err))
        _exit(1);
    for (int i = 0; r->once && i < VICTIMS; i++)
        if (!stop(r, u, i, &entries[i]))
            _exit(1);
    killed_tell(ready_fd, g);
    while (r->once)
        pause();
    for (;;) {
        for (int i = 0; i < VICTIMS; i++)
            if (!stop(r, u, i, &entries[i]))
                _exit(1);
        for (int i = VICTIMS; i-- > 0;)
            if (!undo_revert(u, entries[i], &result, &err))
                _exit(1);
    }
}

static pid_t start(struct rig *r, uint64_t ttl_ns, bool once, pid_t *ret_guardian)
{
    r->ttl_ns = ttl_ns;
    r->once = once;
    return killed_start(conduct, r, ret_guardian);
}

static void assert_all_run(const struct rig *r)
{
    for (int i = 0; i < VICTIMS; i++) {
        assert_true(process_lives(&r->victims[i]));
        assert_int_not_equal(process_state(&r->victims[i]), 'T');
    }
}

static void test_killed_at_random_moments(void **state)
{
    struct rig *r = *state;
    struct rng rng = rng_for(20261126, 1, 0, 0, 0);
    int stopped = 0;
    for (int i = 0; i < KILLS; i++) {
        pid_t guardian, conductor = start(r, 60 * NS_PER_S, false, &guardian);
        poll(NULL, 0, (int)(rng_next(&rng) % MOMENT_MOST_MS)); /* the random moment itself */
        killed_end(conductor);
        for (int k = 0; k < VICTIMS; k++)
            stopped += process_state(&r->victims[k]) == 'T';
        killed_end_guardian(guardian);
        assert_all_run(r);
        assert_int_not_equal(access(r->k.path, F_OK), 0);
    }
    print_message("%d processes were stopped when their conductor was killed\n", stopped);
    assert_true(stopped > 0);
}

/* A terminal's signals, and a service manager's, go to the whole group or to all; the guardian does
 * not go before it is done. */
static void test_it_ignores_signals(void **state)
{
    struct rig *r = *state;
    pid_t guardian, conductor = start(r, 60 * NS_PER_S, true, &guardian);
    assert_int_equal(getsid(guardian), guardian);
    kill(guardian, SIGINT);
    kill(guardian, SIGTERM);
    kill(guardian, SIGHUP);
    killed_end(conductor);
    killed_end_guardian(guardian);
    assert_all_run(r);
}

/* It undoes when its time is over, though the run goes on, hung maybe. */
static void test_its_ttl(void **state)
{
    struct rig *r = *state;
    siginfo_t info;
    pid_t guardian, conductor = start(r, 50 * NS_PER_MS, true, &guardian);
    for (int i = 0; i < VICTIMS; i++)
        assert_int_equal(waitid(P_PID, (id_t)r->victims[i].pid, &info, WCONTINUED), 0);
    assert_all_run(r);
    killed_end(conductor);
    killed_end_guardian(guardian);
    assert_int_not_equal(access(r->k.path, F_OK), 0);
}

/* The guardian is killed too: recover does it. */
static void test_recover_when_both_are_killed(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    unsigned not_back;
    int lines = 0;
    pid_t guardian, conductor = start(r, 60 * NS_PER_S, true, &guardian);
    kill(guardian, SIGKILL);
    killed_end(conductor);
    assert_int_equal(waitpid(guardian, NULL, 0), guardian);
    for (int i = 0; i < VICTIMS; i++)
        assert_int_equal(process_state(&r->victims[i]), 'T');
    assert_true(undo_recover(r->k.path, killed_on_line, &lines, &not_back, &err));
    assert_int_equal(not_back, 0);
    assert_int_equal(lines, VICTIMS);
    assert_all_run(r);
    assert_int_not_equal(access(r->k.path, F_OK), 0);
}

/* A run that undid all itself: the guardian goes without a word, and so it does when it is dead
 * already. */
static void test_a_normal_end(void **state)
{
    struct rig *r = *state;
    struct undo *u;
    struct guardian *g;
    struct error err = {0};
    for (int killed = 0; killed < 2; killed++) {
        assert_true(undo_open(r->k.path, "7c1e4a90", &u, &err));
        assert_true(guardian_start(r->k.path, 60 * NS_PER_S, &g, &err));
        if (killed)
            kill((pid_t)guardian_pid(g), SIGKILL);
        guardian_end(g);
        undo_close(u);
        assert_int_not_equal(access(r->k.path, F_OK), 0);
    }
}

static void count_there(void *cookie, const struct undo_line *line)
{
    *(int *)cookie += strcmp(line->word, "there") == 0;
}

/* A run that leaves at once, alive as yet: what it stopped goes on by the guardian. One that was
 * killed says nothing, and that is told. */
static void test_leaving_at_once(void **state)
{
    struct rig *r = *state;
    for (int killed = 0; killed < 2; killed++) {
        struct undo *u;
        struct guardian *g;
        struct error err = {0};
        uint64_t entry;
        unsigned not_back;
        int lines = 0;
        assert_true(undo_open(r->k.path, "7c1e4a90", &u, &err));
        assert_true(guardian_start(r->k.path, 60 * NS_PER_S, &g, &err));
        for (int i = 0; i < VICTIMS; i++)
            assert_true(stop(r, u, i, &entry));
        if (killed)
            kill((pid_t)guardian_pid(g), SIGKILL);
        assert_int_equal(undo_list(r->k.path, count_there, &lines, &err), true);
        assert_int_equal(lines, VICTIMS); /* our own ledger may be listed */
        undo_close(u);
        assert_int_equal(guardian_leave(g, 30 * NS_PER_S), !killed);
        if (killed) { /* recover leaves a live run's ledger alone */
            assert_false(undo_recover(r->k.path, killed_on_line, &lines, &not_back, &err));
            assert_int_equal(access(r->k.path, F_OK), 0);
            for (int i = 0; i < VICTIMS; i++)
                kill(r->victims[i].pid, SIGCONT);
            unlink(r->k.path);
        } else {
            assert_all_run(r);
            assert_int_not_equal(access(r->k.path, F_OK), 0);
        }
    }
    assert_true(guardian_leave(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed_at_random_moments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_ignores_signals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_its_ttl, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recover_when_both_are_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_normal_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaving_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
