#include "world/undo.h"

#include "world/ledger.h"
#include "world/undo_lab.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A world of ten numbers: 0 as found, 1 ours, 2 somebody else's. */
static int world[10];
static int failures, reverts;
static char order[64];

static bool fake_revert(const json_t *note, enum undo_result *ret_result, struct error *err)
{
    json_int_t i = json_integer_value(json_object_get(note, "i"));
    reverts++;
    if (failures > 0) {
        failures--;
        return error_set(err, ERROR_SYSTEM, "the world is busy");
    }
    *ret_result = world[i] == 1 ? UNDO_DONE : world[i] == 0 ? UNDO_GONE : UNDO_DIVERGED;
    if (world[i] == 1)
        world[i] = 0;
    snprintf(order + strlen(order), sizeof(order) - strlen(order), "%d", (int)i);
    return true;
}

static bool fake_there(const json_t *note, bool *ret, struct error *err)
{
    (void)err;
    *ret = world[json_integer_value(json_object_get(note, "i"))] == 1;
    return true;
}

static void fake_print(const json_t *note, char *to, size_t size)
{
    snprintf(to, size, "number %d", (int)json_integer_value(json_object_get(note, "i")));
}

static const struct undo_type fake = {.name = "fake",
                                      .back = "0",
                                      .revert = fake_revert,
                                      .still_there = fake_there,
                                      .print = fake_print};
static const struct undo_type *const extra[] = {&fake, NULL};

struct place {
    char folder[64], path[96];
};

static int setup(void **state)
{
    struct place *p = check_alloc_zero(1, sizeof(*p));
    snprintf(p->folder, sizeof(p->folder), "/tmp/meshproof-undo-XXXXXX");
    if (mkdtemp(p->folder) == NULL)
        return 1;
    snprintf(p->path, sizeof(p->path), "%s/r.ledger", p->folder);
    undo_types_extra = extra;
    memset(world, 0, sizeof(world));
    failures = reverts = 0;
    order[0] = '\0';
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    int rc = rmdir(p->folder);
    free(p);
    return rc;
}

static uint64_t change(struct undo *u, int i)
{
    uint64_t entry;
    struct error err = {0};
    assert_true(undo_promise(u, &fake, json_pack("{si}", "i", i), &entry, &err));
    world[i] = 1;
    assert_true(undo_done(u, entry, &err));
    return entry;
}

/* The ledger of a run that died: its entries 0 .. ${count} - 1 are in force. */
static void leave(const char *path, int count)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct undo *u;
        struct error err = {0};
        uint64_t entry;
        bool ok = undo_open(path, "7c1e4a90", &u, &err);
        for (int i = 0; ok && i < count; i++)
            ok = undo_promise(u, &fake, json_pack("{si}", "i", i), &entry, &err);
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (int i = 0; i < count; i++)
        world[i] = 1;
}

static void test_the_promise_is_on_disk_before_it_returns(void **state)
{
    struct place *p = *state;
    struct undo *u, *seen;
    struct undo_owner owner;
    struct stat st;
    struct error err = {0};
    uint64_t entry;
    assert_true(undo_open(p->path, "7c1e4a90", &u, &err));
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(undo_promise(u, &fake, json_pack("{si}", "i", 3), &entry, &err));
    assert_true(undo_take(p->path, &seen, &owner, &err));
    assert_string_equal(owner.run, "7c1e4a90");
    assert_true(owner.lives);
    assert_int_equal(owner.pid, getpid());
    assert_int_equal(owner.outstanding, 1);
    assert_false(owner.damaged);
    undo_close(seen);
    assert_int_equal(access(p->path, F_OK), 0); /* something is outstanding */
    assert_true(undo_confirm(u, entry, &err));
    undo_close(u);
    assert_int_not_equal(access(p->path, F_OK), 0);
}

static void test_a_ledger_is_never_overwritten(void **state)
{
    struct place *p = *state;
    struct undo *u;
    struct error err = {0};
    leave(p->path, 1);
    assert_false(undo_open(p->path, "7c1e4a90", &u, &err));
    assert_non_null(strstr(err.text, "is there already"));
}

static void test_newest_first_and_once(void **state)
{
    struct place *p = *state;
    struct undo *u;
    struct error err = {0};
    enum undo_result result;
    assert_true(undo_open(p->path, "7c1e4a90", &u, &err));
    change(u, 1);
    uint64_t second = change(u, 2);
    change(u, 3);
    assert_int_equal(undo_outstanding(u), 3);
    assert_true(undo_revert(u, second, &result, &err));
    assert_int_equal(result, UNDO_DONE);
    assert_true(undo_revert_all(u, &err));
    assert_string_equal(order, "231");
    assert_int_equal(undo_outstanding(u), 0);
    assert_true(undo_revert(u, second, &result, &err));
    assert_int_equal(result, UNDO_GONE);
    assert_string_equal(order, "231");
    undo_close(u);
}

static void test_three_tries_then_the_rest(void **state)
{
    struct place *p = *state;
    struct undo *u;
    struct error err = {0};
    assert_true(undo_open(p->path, "7c1e4a90", &u, &err));
    change(u, 1);
    change(u, 2);
    failures = 2;
    assert_true(undo_revert_all(u, &err));
    assert_int_equal(reverts, 4);
    change(u, 4);
    change(u, 5);
    failures = 3;
    reverts = 0;
    assert_false(undo_revert_all(u, &err));
    assert_string_equal(err.text, "number 5 is not undone: the world is busy");
    assert_int_equal(reverts, 4);
    assert_int_equal(world[4], 0);
    assert_int_equal(undo_outstanding(u), 1);
    assert_true(undo_revert_all(u, &err));
    undo_close(u);
}

static void test_what_is_no_longer_ours_is_left(void **state)
{
    struct place *p = *state;
    struct undo *u;
    struct error err = {0};
    enum undo_result result;
    assert_true(undo_open(p->path, "7c1e4a90", &u, &err));
    uint64_t entry = change(u, 1);
    world[1] = 2;
    assert_true(undo_revert(u, entry, &result, &err));
    assert_int_equal(result, UNDO_DIVERGED);
    assert_int_equal(world[1], 2);
    assert_false(undo_revert_all(u, &err));
    assert_string_equal(err.text, "number 1 is no longer ours: left alone");
    undo_close(u);
    assert_int_equal(access(p->path, F_OK), 0);
}

struct lines {
    char text[1024];
};
static void on_line(void *cookie, const struct undo_line *line)
{
    struct lines *l = cookie;
    size_t len = strlen(l->text);
    snprintf(l->text + len, sizeof(l->text) - len, "%s|%s|%s\n", line->word, line->what, line->how);
}

static void test_recover(void **state)
{
    struct place *p = *state;
    struct lines l = {""};
    struct error err = {0};
    unsigned not_back;
    leave(p->path, 4);
    world[1] = 2;
    world[2] = 0;
    assert_true(undo_list(p->path, on_line, &l, &err));
    assert_string_equal(l.text,
                        "there|number 3|\ngone|number 2|\ngone|number 1|\nthere|number 0|\n");
    assert_int_equal(reverts, 0);
    l.text[0] = '\0';
    assert_true(undo_recover(p->path, on_line, &l, &not_back, &err));
    assert_string_equal(l.text, "undone|number 3|read back: 0\n"
                                "gone|number 2|was not there any more\n"
                                "DIVERGED|number 1|no longer ours: left alone\n"
                                "undone|number 0|read back: 0\n");
    assert_int_equal(not_back, 1);
    assert_int_equal(access(p->path, F_OK), 0);
    l.text[0] = '\0';
    world[1] = 1;
    assert_true(undo_recover(p->path, on_line, &l, &not_back, &err));
    assert_string_equal(l.text, "undone|number 1|read back: 0\n");
    assert_int_equal(not_back, 0);
    assert_int_not_equal(access(p->path, F_OK), 0);
}

static void test_recover_leaves_a_live_run_alone(void **state)
{
    struct place *p = *state;
    struct lines l = {""};
    struct undo *u;
    struct error err = {0};
    unsigned not_back;
    assert_true(undo_open(p->path, "7c1e4a90", &u, &err));
    change(u, 1);
    assert_false(undo_recover(p->path, on_line, &l, &not_back, &err));
    assert_non_null(strstr(err.text, "its run goes on"));
    assert_int_equal(world[1], 1);
    assert_true(undo_revert_all(u, &err));
    undo_close(u);
}

static size_t file_read(const char *path, uint8_t *to, size_t most)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, to, most);
    close(fd);
    assert_true(n > 0 && (size_t)n < most);
    return (size_t)n;
}

static void file_write(const char *path, const uint8_t *from, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, from, len), (ssize_t)len);
    close(fd);
}

/* Whatever the crash tore off the last promise, those before it are undone, and the ledger can be
 * written on. */
static void test_a_torn_last_frame_is_ignored(void **state)
{
    struct place *p = *state;
    static uint8_t bytes[8192];
    leave(p->path, 2);
    size_t two = file_read(p->path, bytes, sizeof(bytes));
    unlink(p->path);
    leave(p->path, 3);
    size_t three = file_read(p->path, bytes, sizeof(bytes));
    unlink(p->path);
    assert_true(three > two);
    for (size_t len = two; len < three; len++) {
        struct lines l = {""};
        struct error err = {0};
        unsigned not_back;
        file_write(p->path, bytes, len);
        world[0] = world[1] = 1;
        struct undo_owner owner;
        struct stat st;
        assert_true(undo_peek(p->path, &owner, &err) && owner.outstanding == 2);
        assert_true(stat(p->path, &st) == 0 && (size_t)st.st_size == len); /* only looked at */
        assert_true(undo_recover(p->path, on_line, &l, &not_back, &err));
        assert_int_equal(not_back, 0);
        assert_string_equal(l.text, "undone|number 1|read back: 0\nundone|number 0|read back: 0\n");
        assert_int_not_equal(access(p->path, F_OK), 0);
    }
}

/* A flipped bit is no torn end: what can be read is undone, and recover says that it may not be
 * all. */
static void test_a_flipped_bit_is_told(void **state)
{
    struct place *p = *state;
    static uint8_t bytes[8192];
    leave(p->path, 3);
    size_t len = file_read(p->path, bytes, sizeof(bytes));
    size_t head = LEDGER_HEAD_BYTES + bytes[0] + 256U * bytes[1];
    for (size_t at = head; at < len - 120; at += 7) {
        struct lines l = {""};
        struct error err = {0};
        unsigned not_back;
        bytes[at] ^= 0x10;
        file_write(p->path, bytes, len);
        bytes[at] ^= 0x10;
        assert_true(undo_recover(p->path, on_line, &l, &not_back, &err));
        assert_non_null(strstr(l.text, "DAMAGED|"));
        assert_true(not_back >= 1);
        assert_int_equal(access(p->path, F_OK), 0);
        unlink(p->path);
    }
}

static void test_no_ledger(void **state)
{
    struct place *p = *state;
    struct lines l = {""};
    struct error err = {0};
    unsigned not_back;
    assert_false(undo_recover(p->path, on_line, &l, &not_back, &err));
    assert_non_null(strstr(err.text, "No such file"));
    err = (struct error){0};
    file_write(p->path, (const uint8_t *)"not a ledger at all, by any reading", 35);
    assert_false(undo_recover(p->path, on_line, &l, &not_back, &err));
    assert_non_null(strstr(err.text, "is no ledger"));
}

/* Shorter than a frame's head: it could be the rest of a ledger, and is somebody's notes. */
static void test_a_file_that_is_no_ledger_is_left(void **state)
{
    struct place *p = *state;
    struct lines l = {""};
    struct stat st;
    struct error err = {0};
    unsigned not_back;
    file_write(p->path, (const uint8_t *)"hello\n", 6);
    assert_false(undo_recover(p->path, on_line, &l, &not_back, &err));
    assert_non_null(strstr(err.text, "is no ledger"));
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_size, 6);
    /* Empty: a run may be making it just now. */
    file_write(p->path, (const uint8_t *)"", 0);
    err = (struct error){0};
    assert_true(undo_recover(p->path, on_line, &l, &not_back, &err));
    assert_int_equal(stat(p->path, &st), 0);
}

/* The guardian hears of its run's end before that is one. */
static void test_what_goes_with_a_dying_run_is_gone(void **state)
{
    struct process run;
    struct error err = {0};
    enum undo_result result = UNDO_DONE;
    int gate[2];
    (void)state;
    assert_int_equal(pipe(gate), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        poll(&(struct pollfd){.fd = gate[0], .events = POLLIN}, 1, 50);
        _exit(0);
    }
    close(gate[0]);
    assert_true(process_read(pid, &run, &err));
    json_t *note = undo_lab_note("kill", "payments/2", &run);
    assert_true(undo_lab.revert(note, &result, &err));
    assert_int_equal(result, UNDO_GONE);
    json_decref(note);
    close(gate[1]);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_promise_is_on_disk_before_it_returns, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_ledger_is_never_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newest_first_and_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_three_tries_then_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_longer_ours_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recover, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recover_leaves_a_live_run_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_torn_last_frame_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_flipped_bit_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_ledger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_no_ledger_is_left, setup, teardown),
        cmocka_unit_test(test_what_goes_with_a_dying_run_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
