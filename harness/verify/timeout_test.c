/* The claims of timeouts, a case at a time: what is no instance of them, and what the machine
 * explains. */

#include "verify/tries_fixture_test.h"

static struct edge_policy waits(enum flavour flavour, uint64_t retries, uint64_t try_ms,
                                uint64_t request_ms)
{
    struct edge_policy e = {
        .flavour = flavour,
        .endpoints = 2,
        .retry = {.attempts = number(retries),
                  .per_try_timeout = number(try_ms * NS_PER_MS),
                  .on = flavour == FLAVOUR_LINKERD ? RETRY_STATUS_CODES | RETRY_LINKERD_TIMEOUT
                                                   : RETRY_5XX | RETRY_RESET,
                  .conditions = number(0),
                  .backoff_base = number(25 * NS_PER_MS),
                  .backoff_max = number(250 * NS_PER_MS)},
        .request_timeout = number(request_ms * NS_PER_MS),
    };
    return e;
}

static const uint16_t both[] = {1, 2};

/* The control arm, and after it eight requests in peace, each with the tries of ${tries} (times
 * from its start), that end with ${got} at ${done_ms}. */
static void eight(struct fixture *f, struct edge_policy edge, const struct made *tries,
                  size_t count, double done_ms, uint16_t got)
{
    begin(f, edge);
    add_clean(f, 0, 4000, 5, both, 2);
    for (int i = 0; i < 8; i++) {
        struct made shifted[4];
        double start = 4500 + 1000 * i;
        for (size_t k = 0; k < count; k++) {
            shifted[k] = tries[k];
            shifted[k].head_ms += start;
            shifted[k].out_ms += tries[k].out_ms != 0 ? start : 0;
            shifted[k].left_ms += tries[k].left_ms != 0 ? start : 0;
        }
        add_request(f, start, start + done_ms, got,
                    got == 504 && edge.flavour == FLAVOUR_ENVOY ? BODY_UPSTREAM_TIMEOUT : BODY_OWN,
                    shifted, count);
    }
}

static void a_request_that_ends_at_the_timeout_is_in_time(void **state)
{
    static const struct made tries[] = {{0.1, 0, 400, 1, 0}};
    struct fixture f;
    (void)state;
    eight(&f, waits(FLAVOUR_ENVOY, 1, 600, 400), tries, 1, 400.2, 504);
    is(&f, "timeout.request", VERDICT_PASS, "8 of 8 ended as 504");
    eight(&f, waits(FLAVOUR_ENVOY, 1, 600, 400), tries, 1, 400.2, 200);
    is(&f, "timeout.request", VERDICT_FAIL, "ended with 200 instead of 504");
}

/* A try's own timeout that is not shorter ends no request before its time. */
static void a_try_may_have_as_long_as_its_request(void **state)
{
    static const struct made tries[] = {{0.1, 0, 400, 1, 0}};
    struct fixture f;
    (void)state;
    eight(&f, waits(FLAVOUR_ENVOY, 1, 400, 400), tries, 1, 400.2, 504);
    is(&f, "timeout.request", VERDICT_PASS, "8 of 8 ended as 504");
}

/* Where no timeout is declared Linkerd's last try is held until its client gives up: those before
 * it were cut, that one is no instance. */
static void tries_before_the_one_that_the_client_gave_up_count(void **state)
{
    static const struct made tries[] = {
        {0.1, 0, 250, 1, 0}, {290, 0, 540, 2, 0}, {600, 0, 850, 1, 0}, {910, 0, 1900, 2, 0}};
    (void)state;
    for (int once = 0; once < 2; once++) {
        struct fixture f;
        struct edge_policy edge = waits(FLAVOUR_LINKERD, once ? 1 : 3, 250, 0);
        edge.request_timeout.set = false;
        eight(&f, edge, once ? tries + 3 : tries, once ? 1 : 4, once ? 1900 : 1900.5, 0);
        for (size_t i = 0; i < f.j->request_count; i++)
            if (f.j->requests[i].r.status == 0)
                f.j->requests[i].r.end = END_CLIENT_TIMEOUT;
        if (once)
            is(&f, "timeout.try", VERDICT_INCONCLUSIVE, "no tries cut");
        else
            is(&f, "timeout.try.restart", VERDICT_PASS, "per try 250 ms: 16 of 16 cut at 250 ms");
    }
}

/* Of Linkerd's last try nobody sees that it is the last where another ended at a dead endpoint: it
 * is not cut at its own time. One that was followed by another was not the last. */
static void a_last_try_beside_a_dead_endpoint_may_be_the_uncut_one(void **state)
{
    static const struct made last[] = {{0.1, 0, 100, 1, 0},
                                       {130, 0, 230, 2, 0},
                                       {430, 0, 1900, 1, 0}},
                             before[] = {
                                 {0.1, 0, 100, 1, 0}, {130, 0, 330, 2, 0}, {430, 0, 530, 1, 0}};
    (void)state;
    struct step dead = {.kind = STEP_FAULT, .word = "refuse", .keys = json_object()};
    for (int refused = 0; refused <= 1; refused++) {
        struct fixture f;
        eight(&f, waits(FLAVOUR_LINKERD, 3, 100, 1900), last, 3, 1900.2, 504);
        f.scenario.steps = &dead;
        f.scenario.step_count = (size_t)refused;
        if (refused)
            is(&f, "timeout.try.restart", VERDICT_PASS, "per try 100 ms: 8 of 8 cut at 100 ms");
        else
            is(&f, "timeout.try.restart", VERDICT_FAIL, "8 of 16 cut late");
        eight(&f, waits(FLAVOUR_LINKERD, 3, 100, 1900), before, 3, 1900.2, 504);
        f.scenario.steps = &dead;
        f.scenario.step_count = (size_t)refused;
        is(&f, "timeout.try.restart", VERDICT_FAIL,
           refused ? "8 of 8 cut late" : "8 of 16 cut late");
    }
    json_decref(dead.keys);
}

static void a_request_that_ends_later_is_late(void **state)
{
    static const struct made tries[] = {{0.1, 0, 500, 1, 0}};
    struct fixture f;
    (void)state;
    eight(&f, waits(FLAVOUR_ENVOY, 1, 600, 400), tries, 1, 500.2, 504);
    is(&f, "timeout.request", VERDICT_FAIL, "ended late");
}

/* Linkerd does not look at the whole timeout while it waits for the next try: a try that began
 * after it is no witness. */
static void a_try_that_began_after_linkerds_timeout_was_waited_for(void **state)
{
    static const struct made tries[] = {{0.1, 0.3, 0, 1, 503}, {470, 0, 560, 2, 0}};
    static const struct made in_flight[] = {{0.1, 0.3, 0, 1, 503}, {60, 0, 560, 2, 0}};
    struct fixture f;
    (void)state;
    eight(&f, waits(FLAVOUR_LINKERD, 2, 600, 400), tries, 2, 560.2, 504);
    is(&f, "timeout.request", VERDICT_INCONCLUSIVE, "no requests without an answer");
    eight(&f, waits(FLAVOUR_LINKERD, 2, 600, 400), in_flight, 2, 560.2, 504);
    is(&f, "timeout.request", VERDICT_FAIL, "ended late");
}

/* After the first try others were refused where nobody sees them, each with its wait: the last of
 * those, of 250 ms at most, may have begun as the time was up. */
static void linkerds_wait_for_a_try_that_was_refused_may_be_a_later_one(void **state)
{
    static const struct made tries[] = {{0.1, 0.3, 0, 1, 503}, {60, 60.3, 0, 1, 503}};
    static const struct {
        double done_ms;
        bool dead, late;
    } rows[] = {{560.2, true, false}, {560.2, false, true}, {700.2, true, true}};
    (void)state;
    struct step dead = {.kind = STEP_FAULT, .word = "refuse", .keys = json_object()};
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        struct fixture f;
        eight(&f, waits(FLAVOUR_LINKERD, 4, 600, 400), tries, 2, rows[row].done_ms, 504);
        f.scenario.steps = &dead;
        f.scenario.step_count = rows[row].dead;
        is(&f, "timeout.request", rows[row].late ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           rows[row].late ? "ended late" : "no requests without an answer");
    }
    json_decref(dead.keys);
}

/* 504 before the timeout: both tries that there are had met their own. */
static void tries_that_are_used_up_are_no_early_timeout(void **state)
{
    static const struct made tries[] = {{0.1, 0, 150, 1, 0}, {160, 0, 310, 2, 0}};
    struct fixture f;
    (void)state;
    eight(&f, waits(FLAVOUR_ENVOY, 1, 150, 400), tries, 2, 310.2, 504);
    is(&f, "timeout.request", VERDICT_INCONCLUSIVE, "no requests without an answer");
}

static void an_instance_whose_start_is_tainted_is_none(void **state)
{
    static const struct made tries[] = {{0.1, 0.3, 0, 1, 503}, {200, 0, 500, 2, 0}};
    struct fixture f;
    (void)state;
    eight(&f, waits(FLAVOUR_ENVOY, 1, 600, 400), tries, 2, 500.2, 504);
    for (int i = 0; i < 8; i++)
        add_stall(&f, 2, 4490 + 1000 * i, 12);
    is(&f, "timeout.request", VERDICT_INCONCLUSIVE, "no requests without an answer");
    eight(&f, waits(FLAVOUR_ENVOY, 1, 600, 400), tries, 2, 500.2, 504);
    is(&f, "timeout.request", VERDICT_FAIL, "ended late");
}

/* Tries cut 30 ms late, where nearly half of the clean requests took as much longer (${slow_ms}):
 * the machine may be why. */
static void cut_late(struct fixture *f, double slow_ms)
{
    static const struct made tries[] = {{0.1, 0, 130, 1, 0}, {140, 140.2, 0, 2, 200}};
    eight(f, waits(FLAVOUR_ENVOY, 1, 100, 0), tries, 2, 140.4, 200);
    for (int i = 0; i < 600; i++)
        add_late(f, 13000 + 2 * i, slow_ms, 1, 200);
    for (int i = 0; i < 4; i++) { /* twelve in all */
        struct made late[] = {{17000 + 300 * i + 0.1, 0, 17000 + 300 * i + 130, 1, 0},
                              {17000 + 300 * i + 140, 17000 + 300 * i + 140.2, 0, 2, 200}};
        add_request(f, 17000 + 300 * i, 17000 + 300 * i + 140.4, 200, BODY_OWN, late, 2);
    }
}

static void lateness_that_clean_requests_share_is_the_machines(void **state)
{
    struct fixture f;
    (void)state;
    cut_late(&f, 40);
    is(&f, "timeout.try", VERDICT_INCONCLUSIVE, "this machine's own delays may explain");
    cut_late(&f, 0);
    is(&f, "timeout.try", VERDICT_FAIL, "cut late");
}

/* ${timeouts} requests meet the whole timeout, of a plan whose tags shall make some do so. */
static void says_of_its_own(struct fixture *f, bool generated, int timeouts)
{
    static struct tagged tags[] = {{.tag = "all:hold", .count = 10}};
    static struct load_plan load = {.tagged = tags, .tagged_count = 1};
    begin(f, waits(FLAVOUR_ENVOY, 1, 600, 400));
    f->scenario.from_policy = generated;
    f->scenario.loads = &load;
    f->scenario.load_count = 1;
    add_clean(f, 0, 1500, 10, both, 2);
    for (int i = 0; i < timeouts; i++) {
        struct made held = {2000.1 + 500 * i, 0, 2400 + 500 * i, 1, 0};
        add_request(f, 2000 + 500 * i, 2400.2 + 500 * i, 504, BODY_UPSTREAM_TIMEOUT, &held, 1);
    }
}

/* Four hundred tries are held a second, and the mesh stands still for 0.2 s: what was due meanwhile
 * it cuts at once. No clean request was under way, and that is one delay, not eighty; as many that
 * are late one by one are the mesh's. */
static void what_was_cut_together_was_late_once(void **state)
{
    static const char *const claims[] = {"timeout.try", "timeout.request"};
    (void)state;
    for (size_t claim = 0; claim < 2; claim++)
        for (int together = 0; together < 2; together++) {
            struct fixture f;
            bool tries = claim == 0;
            begin(&f, waits(FLAVOUR_ENVOY, 0, tries ? 400 : 900, tries ? 5000 : 400));
            add_clean(&f, 0, 4000, 1, both, 2);
            for (double at = 4500; at < 8500; at += 2.5) {
                double cut = at + 400;
                if (cut >= 6000 && cut < 6200)
                    cut = together ? 6200 : cut + 100;
                struct made held = {at + 0.1, 0, cut, 1, 0};
                add_request(&f, at, cut + 0.2, 504, BODY_UPSTREAM_TIMEOUT, &held, 1);
            }
            is(&f, claims[claim], together ? VERDICT_PASS : VERDICT_FAIL,
               together ? "1600"
               : tries  ? "80 of 1600 cut late"
                        : "80 of 1600 ended late");
        }
}

/* A mesh that never had to say of its own that the time was over has not shown what it says then.
 */
static void honest_needs_a_timeout_where_the_plan_makes_one(void **state)
{
    struct fixture f;
    (void)state;
    says_of_its_own(&f, true, 0);
    is(&f, "honest", VERDICT_INCONCLUSIVE, "no requests that met the whole timeout");
    says_of_its_own(&f, true, 1);
    is(&f, "honest", VERDICT_PASS, "1 the mesh's own");
    says_of_its_own(&f, false, 0);
    is(&f, "honest", VERDICT_PASS, "0 the mesh's own");
}

/* The second try must have the time to meet its own timeout. */
static void a_timeout_that_ends_the_second_try_leaves_nothing_to_judge(void **state)
{
    struct edge_policy edge = waits(FLAVOUR_ENVOY, 1, 250, 540);
    (void)state;
    assert_false(claim_timeout_try_restart.applies(&edge));
    assert_true(claim_timeout_try.applies(&edge));
    edge.request_timeout = number(560 * NS_PER_MS);
    assert_true(claim_timeout_try_restart.applies(&edge));
    edge.request_timeout = (struct value){0};
    assert_true(claim_timeout_try_restart.applies(&edge));
    /* The last that Linkerd may make is not cut. */
    edge = waits(FLAVOUR_LINKERD, 1, 250, 3000);
    assert_false(claim_timeout_try_restart.applies(&edge));
    edge.retry.attempts = number(2);
    assert_true(claim_timeout_try_restart.applies(&edge));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_ends_at_the_timeout_is_in_time),
        cmocka_unit_test(a_try_may_have_as_long_as_its_request),
        cmocka_unit_test(tries_before_the_one_that_the_client_gave_up_count),
        cmocka_unit_test(a_last_try_beside_a_dead_endpoint_may_be_the_uncut_one),
        cmocka_unit_test(a_request_that_ends_later_is_late),
        cmocka_unit_test(a_try_that_began_after_linkerds_timeout_was_waited_for),
        cmocka_unit_test(linkerds_wait_for_a_try_that_was_refused_may_be_a_later_one),
        cmocka_unit_test(tries_that_are_used_up_are_no_early_timeout),
        cmocka_unit_test(an_instance_whose_start_is_tainted_is_none),
        cmocka_unit_test(lateness_that_clean_requests_share_is_the_machines),
        cmocka_unit_test(what_was_cut_together_was_late_once),
        cmocka_unit_test(honest_needs_a_timeout_where_the_plan_makes_one),
        cmocka_unit_test(a_timeout_that_ends_the_second_try_leaves_nothing_to_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
