/* A mesh whose control plane is cut: what it was told goes on, and what it is told meanwhile it
 * knows only afterwards. The same for the builtin one and for a real Envoy. */

#include "mesh/lab_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const drivers[] = {"builtin", "envoy"};

static bool is_here(const char *driver)
{
    const char *own = getenv("MESHPROOF_ENVOY");
    if (strcmp(driver, "builtin") == 0 ||
        access(own != NULL ? own : SOURCE_ROOT "/build/deps/envoy/envoy", X_OK) == 0)
        return true;
    fprintf(stderr, "SKIPPED: no envoy: run ./dev setup envoy\n");
    return false;
}

static struct lab *start(const char *driver, const char *defect, char folder[64])
{
    const char *own = getenv("MESHPROOF_ENVOY");
    struct lab *lab = lab_new(3);
    struct error err = {0};
    lab->control_plane = true;
    lab->envoy = own != NULL ? own : SOURCE_ROOT "/build/deps/envoy/envoy";
    snprintf(folder, 64, "/tmp/meshproof-cut-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    if (!lab_open(lab, driver, lab_policy(FLAVOUR_ENVOY), defect, folder, &err))
        fail_msg("%s", err.kind != ERROR_NONE ? err.text : lab->why.text);
    return lab;
}

static void end(struct lab *lab, const char *folder)
{
    static const char *const files[] = {"envoy.json", "envoy.log", "envoy.admin"};
    char path[128];
    lab_free(lab);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* Which hosts answered ${count} requests. */
static unsigned asked_hosts(struct lab *lab, int count)
{
    unsigned hosts = 0;
    for (int i = 0; i < count; i++) {
        const struct lab_sent *s = lab_ask(lab, "/200");
        assert_int_equal(s->status, 200);
        hosts |= 1U << lab_try(lab, s, lab_tries(lab, s))->host;
    }
    return hosts;
}

static double failures(struct lab *lab)
{
    lab_scrape(lab);
    return lab_value(lab, "cluster_manager.cds.update_failure");
}

static void what_it_was_told_goes_on_and_nothing_new_comes(void **unused)
{
    (void)unused;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        char folder[64];
        struct error err = {0};
        if (!is_here(drivers[d]))
            continue;
        struct lab *lab = start(drivers[d], NULL, folder);
        bool builtin = strcmp(drivers[d], "builtin") == 0;
        double before = builtin ? 0 : failures(lab);
        assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/1")), 2);
        assert_true(lab_cut(lab, MESH_CONFIG | MESH_IDENTITY));
        const char *const one[] = {"", "", lab->endpoints[2]};
        assert_true(lab->driver->endpoints(lab->mesh, lab->edge, one, &err));
        assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/1")), 2); /* its retries go on */
        lab_pause(lab, 600 * NS_PER_MS); /* a poll of each kind, and more */
        assert_true(builtin || failures(lab) > before);
        assert_int_equal(asked_hosts(lab, 40), 7);
        assert_true(lab_cut(lab, 0));
        assert_int_equal(asked_hosts(lab, 20), 4);
        lab_scrape(lab);
        assert_int_equal(lab_value(lab, "control_plane.connected_state"), builtin ? 1 : -1);
        end(lab, folder);
    }
}

static void a_host_at_a_new_address_is_another_host(void **unused)
{
    (void)unused;
    char folder[64];
    struct error err = {0};
    struct lab *lab = start("builtin", NULL, folder);
    const char *const moved[] = {lab->endpoints[1], lab->endpoints[1], lab->endpoints[1]};
    assert_int_equal(asked_hosts(lab, 40), 7);
    assert_true(lab->driver->endpoints(lab->mesh, lab->edge, moved, &err));
    assert_int_equal(asked_hosts(lab, 20), 2);
    const char *const none[] = {"", "", ""};
    assert_true(lab->driver->endpoints(lab->mesh, lab->edge, none, &err));
    assert_int_equal(lab_ask(lab, "/200")->status, 503);
    end(lab, folder);
}

static void the_defect_forgets_its_retries_while_it_is_cut(void **unused)
{
    (void)unused;
    char folder[64];
    struct lab *lab = start("builtin", "drops_policy_when_cut", folder);
    assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/1")), 2);
    assert_true(lab_cut(lab, MESH_CONFIG));
    assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/1")), 1);
    lab_scrape(lab);
    assert_int_equal(lab_value(lab, "control_plane.connected_state"), 0);
    assert_true(lab_cut(lab, MESH_IDENTITY));
    assert_int_equal(lab_tries(lab, lab_ask(lab, "/503/1")), 2);
    end(lab, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_was_told_goes_on_and_nothing_new_comes),
        cmocka_unit_test(a_host_at_a_new_address_is_another_host),
        cmocka_unit_test(the_defect_forgets_its_retries_while_it_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
