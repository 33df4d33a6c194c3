#include "world/killed_fixture_test.h"
#include "world/netem.h"
#include "world/undo_netem.h"

#include <arpa/inet.h>
#include <sched.h>

/* A conductor puts a netem on a device, both ways and for one peer (prio, filter, netem, ifb,
 * ingress, redirect: eight messages to the kernel), and takes it away, until it is killed in the
 * midst of it; what the device had before is what it must have after. In a namespace of our own;
 * skipped where the kernel has no netem (suites/selftest/netem boots one). */

#define DEVICE "lo"
#define MOMENT_MOST_MS 20

struct rig {
    struct killed k;
    struct netlink *n;
    bool once;
};

static const struct netem want = {.delay_ns = 40000000, .loss_ppm = 30000};

static struct netem_scope one_peer(void)
{
    struct netem_scope scope = {.flow_count = 1};
    struct netem_flow *f = &scope.flows[0];
    f->family = AF_INET;
    f->has_peer = true;
    f->protocol = IPPROTO_TCP;
    f->peer_port = 80;
    inet_pton(AF_INET, "127.0.0.9", f->peer);
    return scope;
}

static int setup(void **state)
{
    struct rig *r = check_alloc_zero(1, sizeof(*r));
    struct error err = {0};
    struct netem_scope scope = one_peer();
    *state = r;
    if (!killed_open(&r->k))
        return 1;
    if (unshare(CLONE_NEWNET) != 0 || !netem_preflight(&want, &scope, NETEM_BOTH, &err))
        return 0; /* r->n NULL: skipped */
    return netlink_open(-1, &r->n, &err) ? 0 : 1;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    if (r->n != NULL)
        netlink_close(r->n);
    int rc = killed_close(&r->k);
    free(r);
    return rc;
}

static void impair(struct undo *u, struct netlink *n, uint64_t *ret_entry)
{
    struct netem_scope scope = one_peer();
    struct error err = {0};
    json_t *note = undo_netem_note(n, DEVICE, NULL, &err);
    if (note == NULL || !undo_promise(u, &undo_netem, note, ret_entry, &err) ||
        !netem_apply(n, DEVICE, &want, &scope, NETEM_BOTH, &err) || !undo_done(u, *ret_entry, &err))
        _exit(1);
}

/* ${r->once}: sets it and waits; else sets it and takes it away without end. */
static void conduct(void *cookie, int ready_fd)
{
    const struct rig *r = cookie;
    struct undo *u;
    struct guardian *g;
    struct netlink *n;
    struct error err = {0};
    enum undo_result result;
    uint64_t entry;
    if (!undo_open(r->k.path, "7c1e4a90", &u, &err) ||
        !guardian_start(r->k.path, 60 * NS_PER_S, &g, &err) || !netlink_open(-1, &n, &err))
        _exit(1);
    if (r->once)
        impair(u, n, &entry);
    killed_tell(ready_fd, g);
    while (r->once)
        pause();
    for (;;) {
        impair(u, n, &entry);
        if (!undo_revert(u, entry, &result, &err) || result != UNDO_DONE)
            _exit(1);
    }
}

static pid_t start(struct rig *r, bool once, pid_t *ret_guardian)
{
    r->once = once;
    return killed_start(conduct, r, ret_guardian);
}

/* What stands on the device, in words; no device of ours may be beside it. */
static void look(const struct rig *r, char *to, size_t size)
{
    struct netem_seen seen;
    struct error err = {0};
    assert_true(netem_look(r->n, DEVICE, &seen, &err));
    snprintf(to, size, "%s %x, %s %x%s%s", seen.to.kind, seen.to.handle, seen.from.kind,
             seen.from.handle, seen.has_ifb ? ", ifb" : "",
             seen.to.ours || seen.from.ours ? ", ours" : "");
}

static void killed_at_random_moments_the_qdiscs_are_as_before(void **state)
{
    struct rig *r = *state;
    struct rng rng = rng_for(20261126, 2, 0, 0, 0);
    char before[160], there[160], after[160];
    int impaired = 0;
    if (r->n == NULL)
        skip();
    look(r, before, sizeof(before));
    for (int i = 0; i < KILLS; i++) {
        pid_t guardian, conductor = start(r, false, &guardian);
        poll(NULL, 0, (int)(rng_next(&rng) % MOMENT_MOST_MS)); /* the random moment itself */
        killed_end(conductor);
        look(r, there, sizeof(there));
        killed_end_guardian(guardian);
        look(r, after, sizeof(after));
        assert_string_equal(after, before);
        assert_int_not_equal(access(r->k.path, F_OK), 0);
        impaired += strcmp(there, before) != 0;
    }
    assert_true(impaired > 0);
    print_message("%d kills, all clean; before and after: %s; in force when killed: %d\n", KILLS,
                  before, impaired);
}

static void recover_undoes_when_the_guardian_was_killed_too(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    char before[160], there[160], after[160];
    unsigned not_back;
    int lines = 0;
    if (r->n == NULL)
        skip();
    look(r, before, sizeof(before));
    pid_t guardian, conductor = start(r, true, &guardian);
    kill(guardian, SIGKILL);
    killed_end(conductor);
    assert_int_equal(waitpid(guardian, NULL, 0), guardian);
    look(r, there, sizeof(there));
    assert_string_not_equal(there, before);
    assert_true(undo_recover(r->k.path, killed_on_line, &lines, &not_back, &err));
    assert_int_equal(not_back, 0);
    assert_int_equal(lines, 1);
    look(r, after, sizeof(after));
    assert_string_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_random_moments_the_qdiscs_are_as_before, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(recover_undoes_when_the_guardian_was_killed_too, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
