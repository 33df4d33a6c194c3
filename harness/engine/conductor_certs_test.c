/* The conductor's walk in a lab with TLS: who is given which leaf and bundle, when, and that keys
 * stay off the disk. */

#include "engine/conductor_rig_test.h"

static void tls_lab(struct rig *r)
{
    rig_init(r);
    struct scenario *s = &r->plan->scenarios[0];
    s->lab.driver = r->walk.driver = DRIVER_ENVOY;
    s->lab.tls = "mutual";
}

static struct step *add_at(struct rig *r, struct phase *p, uint64_t from_ns, const char *word,
                           const char *const *keys)
{
    struct step *at = add_step(r, p, STEP_AT, "at", NULL, NULL);
    at->from_ns = from_ns;
    at->steps = ARENA_ARRAY(&r->plan->arena, struct step, 1);
    at->steps[0] = step_make(r->plan, STEP_CERT, word, NULL, at->source, keys);
    at->step_count = 1;
    return at;
}

/* How often ${line} is in the trace. */
static size_t traced(const struct rig *r, const char *line)
{
    size_t n = 0;
    for (const char *at = strstr(r->lines, line); at != NULL; at = strstr(at + 1, line))
        n++;
    return n;
}

static size_t place_of(const struct rig *r, const char *line)
{
    const char *at = strstr(r->lines, line);
    if (at == NULL)
        fail_msg("no \"%s\" in:\n%s", line, r->lines);
    return (size_t)(at - r->lines);
}

static bool file_holds(const char *path, const char *text)
{
    static char bytes[1 << 20];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    close(fd);
    assert_true(n > 0 && (size_t)n < sizeof(bytes));
    return memmem(bytes, (size_t)n, text, strlen(text)) != NULL;
}

static void steps_at_the_start_are_in_force_before_the_load(void **state)
{
    struct rig r;
    (void)state;
    tls_lab(&r);
    add_step(&r, add_phase(&r, "trusts", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_CERT, "trust", NULL,
             (const char *const[]){"add", "root-b", NULL});
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_int_equal(traced(&r, "CERT payments/"), 3);
    assert_int_equal(traced(&r, "mesh CERT client bundle root-a,rootnone"), 1);
    assert_true(place_of(&r, "CERT payments/3 bundle") < place_of(&r, "load START"));
    assert_non_null(strstr(r.told, "cert: payments/2: bundle root-a,root-b"));
    assert_false(file_holds(r.journal, "PRIVATE KEY"));
    rig_release(&r);
}

static void a_rotation_is_staggered_and_forces_handshakes_at_the_end(void **state)
{
    struct rig r;
    (void)state;
    tls_lab(&r);
    struct phase *p = add_phase(&r, "rolls", PHASE_BY_CLOCK, 900 * NS_PER_MS);
    add_step(&r, p, STEP_CERT, "trust", NULL, (const char *const[]){"add", "root-b", NULL});
    add_at(&r, p, 100 * NS_PER_MS, "rotate",
           (const char *const[]){"root", "root-b", "stagger", "20ms", "reconnect", "each", NULL});
    add_at(&r, p, 500 * NS_PER_MS, "trust", (const char *const[]){"drop", "root-a", NULL});
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    for (int n = 1; n <= 3; n++) {
        char line[64];
        snprintf(line, sizeof(line), "proxy CERT payments/%d leaf root-b serialeach", n);
        assert_int_equal(traced(&r, line), 1);
    }
    assert_int_equal(traced(&r, "mesh CERT client leaf root-b serialnone"), 1);
    /* Once the mesh has its own, all connections to all endpoints are renewed; the phase's end is
     * the end of `each`. */
    assert_true(place_of(&r, "mesh CERT client leaf") < place_of(&r, "proxy CERT  each"));
    assert_true(place_of(&r, "proxy CERT  each") < place_of(&r, "proxy CERT  none"));
    assert_int_equal(traced(&r, "bundle root-bnone"), 4);
    rig_release(&r);
}

static void a_later_phase_goes_on_from_where_the_first_ended(void **state)
{
    struct rig r;
    (void)state;
    tls_lab(&r);
    add_step(&r, add_phase(&r, "adds", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_CERT, "trust", NULL,
             (const char *const[]){"add", "root-b", NULL});
    add_step(&r, add_phase(&r, "drops", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_CERT, "trust", NULL,
             (const char *const[]){"drop", "root-a", "to", "payments/2", NULL});
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_int_equal(traced(&r, "CERT payments/2 bundle root-bnone"), 1);
    assert_int_equal(traced(&r, "bundle root-bnone"), 1);
    rig_release(&r);
}

static bool wants_once_more(struct rig *r, uint32_t done)
{
    (void)r;
    return done == 0;
}

static void a_phase_that_is_repeated_begins_as_it_did(void **state)
{
    struct rig r;
    (void)state;
    tls_lab(&r);
    r.wants = wants_once_more;
    struct phase *p = add_phase(&r, "rolls", PHASE_BY_CLOCK, 200 * NS_PER_MS);
    add_step(&r, p, STEP_CERT, "trust", NULL,
             (const char *const[]){"add", "root-b", "to", "payments/1", NULL});
    add_at(&r, p, 50 * NS_PER_MS, "issue",
           (const char *const[]){"root", "root-b", "to", "payments/2", NULL});
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_int_equal(traced(&r, "CERT payments/1 bundle root-a,root"), 2);
    assert_int_equal(traced(&r, "CERT payments/1 bundle root-anone"), 1);
    assert_int_equal(traced(&r, "CERT payments/2 leaf root-b serial"), 2);
    assert_int_equal(traced(&r, "CERT payments/2 leaf root-a serial"), 1);
    assert_int_equal(traced(&r, "CERT payments/3"), 0);
    rig_release(&r);
}

static void an_agent_that_never_sets_its_certificates_ends_the_run(void **state)
{
    struct rig r;
    (void)state;
    tls_lab(&r);
    setenv("FAKE", "keeps_certs_to_itself", 1);
    r.options.deadline_ns = 300 * NS_PER_MS;
    add_step(&r, add_phase(&r, "trusts", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_CERT, "trust", NULL,
             (const char *const[]){"add", "root-b", NULL});
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_int_equal(traced(&r, "load START"), 0);
    rig_release(&r);
}

static void a_mesh_without_tls_of_ours_is_refused(void **state)
{
    struct rig r;
    (void)state;
    tls_lab(&r);
    r.walk.driver = DRIVER_BUILTIN;
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    r.options.cookie = &r;
    assert_true(plan_check(r.plan, &r.err));
    assert_false(engine_run(r.plan, &r.walk, 1, &r.options, &r.outcome, &r.err));
    assert_string_equal(r.err.text,
                        "lab tls needs the driver envoy: the mesh that plays here has no "
                        "TLS of ours");
    assert_int_equal(access(r.trace, F_OK), -1);
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_at_the_start_are_in_force_before_the_load),
        cmocka_unit_test(a_rotation_is_staggered_and_forces_handshakes_at_the_end),
        cmocka_unit_test(a_later_phase_goes_on_from_where_the_first_ended),
        cmocka_unit_test(a_phase_that_is_repeated_begins_as_it_did),
        cmocka_unit_test(an_agent_that_never_sets_its_certificates_ends_the_run),
        cmocka_unit_test(a_mesh_without_tls_of_ours_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
