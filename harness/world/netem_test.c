#include "world/netem.h"

#include "world/netns.h"
#include "world/undo_netem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Against whatever kernel this is, in namespaces of our own: what needs netem itself is in
 * suites/selftest/netem. */

static struct netlink *new_namespace(void)
{
    struct netlink *n;
    struct error err = {0};
    if (netlink_open_new(&n, &err))
        return n;
    assert_int_equal(err.sys, EPERM);
    assert_non_null(strstr(err.text, "CAP_SYS_ADMIN"));
    return NULL;
}

static void a_new_namespace_has_loopback_and_is_another(void **unused)
{
    struct netlink *ours, *theirs = new_namespace();
    struct netlink_link link;
    struct error err = {0};
    (void)unused;
    if (theirs == NULL)
        skip();
    assert_true(netlink_open(-1, &ours, &err));
    assert_int_not_equal(netlink_inode(ours), netlink_inode(theirs));
    assert_true(netlink_link_find(theirs, "lo", &link, &err));
    assert_int_equal(link.index, 1);
    assert_string_equal(link.name, "lo");
    assert_false(netlink_link_find(theirs, "eth9", &link, &err));
    assert_string_equal(err.text, "there is no device eth9 in that network namespace; there is lo");
    netlink_close(ours);
    netlink_close(theirs);
}

static void a_device_without_ours_is_clear_and_stays_so(void **unused)
{
    struct netlink *n = new_namespace();
    struct netem_seen seen;
    struct netem_stats stats;
    struct error err = {0};
    enum netem_cleared cleared = NETEM_CLEARED;
    (void)unused;
    if (n == NULL)
        skip();
    assert_true(netem_look(n, "lo", &seen, &err));
    assert_false(seen.to.ours || seen.from.ours || seen.has_ifb);
    assert_int_equal(seen.to.handle, 0);
    assert_true(netem_clear(n, "lo", &cleared, &err));
    assert_int_equal(cleared, NETEM_WAS_CLEAR);
    assert_true(netem_stats(n, "lo", &stats, &err));
    assert_int_equal(stats.to.packets + stats.from.packets, 0);
    netlink_close(n);
}

/* With sch_netem: set, and cleared. Without: one sentence with its name, and nothing changed. */
static void it_is_set_and_taken_away_or_says_what_this_kernel_lacks(void **unused)
{
    struct netlink *n = new_namespace();
    struct netem want = {.delay_ns = 40000000, .loss_ppm = 30000};
    static const struct netem_scope all = {.device = true};
    struct netem_seen seen;
    struct error err = {0};
    enum netem_cleared cleared = NETEM_WAS_CLEAR;
    (void)unused;
    if (n == NULL)
        skip();
    bool set = netem_apply(n, "lo", &want, &all, NETEM_TO, &err);
    if (!set)
        assert_non_null(strstr(err.text, "this kernel has no sch_netem"));
    assert_true(set == netem_preflight(&want, &all, NETEM_TO, &(struct error){0}));
    assert_true(netem_look(n, "lo", &seen, &err));
    assert_true(seen.to.ours == set);
    if (set) {
        err = (struct error){0};
        assert_false(netem_apply(n, "lo", &want, &all, NETEM_TO, &err));
        assert_non_null(strstr(err.text, "one at a time"));
        assert_true(netem_clear(n, "lo", &cleared, &err));
        assert_int_equal(cleared, NETEM_CLEARED);
    }
    netlink_close(n);
}

static json_t *note_of(struct netlink *n, const struct process *holder)
{
    struct error err = {0};
    json_t *note = undo_netem_note(n, "lo", holder, &err);
    assert_non_null(note);
    return note;
}

static void expect_gone(const json_t *note)
{
    enum undo_result result = UNDO_DONE;
    bool there = true;
    struct error err = {0};
    assert_true(undo_netem.still_there(note, &there, &err));
    assert_false(there);
    assert_true(undo_netem.revert(note, &result, &err));
    assert_int_equal(result, UNDO_GONE);
}

static void what_was_promised_is_gone_with_its_namespace_device_or_boot(void **unused)
{
    struct netlink *n = new_namespace(), *ours;
    struct process self;
    struct error err = {0};
    char shown[64];
    (void)unused;
    if (n == NULL)
        skip();
    assert_true(process_read(getpid(), &self, &err));
    json_t *note = note_of(n, &self); /* which does not live there: it is looked for, and is not */
    netlink_close(n);
    expect_gone(note);
    undo_netem.print(note, shown, sizeof(shown));
    assert_string_equal(shown, "netem lo handle 6d70:");
    json_decref(note);

    assert_true(netlink_open(-1, &ours, &err));
    note = note_of(ours, NULL);
    expect_gone(note); /* promised, not done */
    json_object_set_new(note, "index", json_integer(4000000));
    expect_gone(note);
    json_object_set_new(note, "index", json_integer(1));
    json_object_set_new(note, "boot", json_string("another"));
    expect_gone(note);
    json_object_del(note, "netns");
    enum undo_result result;
    assert_false(undo_netem.revert(note, &result, &err));
    json_decref(note);
    assert_null(undo_netem_note(ours, "eth9", NULL, &err));
    netlink_close(ours);
}

/* No process lives in it: it is found among our own descriptors, as when its holder was killed. */
static void what_was_set_is_undone_by_its_note_alone(void **unused)
{
    struct netns *ns;
    struct netlink *n;
    struct netem want = {.delay_ns = 40000000};
    static const struct netem_scope all = {.device = true};
    struct error err = {0};
    enum undo_result result = UNDO_GONE;
    bool there = true;
    (void)unused;
    if (!netns_make(&ns, &err))
        skip();
    assert_true(netlink_open(netns_fd(ns), &n, &err));
    assert_int_equal(netlink_inode(n), netns_inode(ns));
    json_t *note = note_of(n, NULL);
    bool set = netem_apply(n, "lo", &want, &all, NETEM_TO, &err);
    netlink_close(n);
    err = (struct error){0};
    assert_true(undo_netem.still_there(note, &there, &err));
    assert_true(there == set);
    assert_true(undo_netem.revert(note, &result, &err));
    assert_int_equal(result, set ? UNDO_DONE : UNDO_GONE);
    netns_release(ns);
    expect_gone(note);
    json_decref(note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_namespace_has_loopback_and_is_another),
        cmocka_unit_test(a_device_without_ours_is_clear_and_stays_so),
        cmocka_unit_test(it_is_set_and_taken_away_or_says_what_this_kernel_lacks),
        cmocka_unit_test(what_was_set_is_undone_by_its_note_alone),
        cmocka_unit_test(what_was_promised_is_gone_with_its_namespace_device_or_boot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
