/* recovery, tail and fallback on journals written by hand. */

#include "verify/whole_fixture_test.h"

/* A number from another, the same on every machine. */
static uint64_t mixed(uint64_t n)
{
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

/* Good requests at 200/s, of 2 to 5 ms times ${times}. */
static void calm(struct whole *w, uint64_t from_us, uint64_t to_us, uint64_t times)
{
    for (uint64_t t = from_us; t < to_us; t += 5 * MS)
        whole_good(w, t, (2 * MS + mixed(t) % (3 * MS)) * times);
}

static void fail_all(struct whole *w, uint64_t from_us, uint64_t to_us)
{
    for (uint64_t t = from_us; t < to_us; t += 5 * MS) {
        uint64_t id = whole_request(w, t, t + 2 * MS, (struct request_record){.status = 503});
        whole_try(w, id, t + 500, t + MS, (struct attempt_record){.status = 503});
    }
}

static void fault(struct whole *w, uint64_t at_us, uint8_t what)
{
    struct fault_record f = {.at = WHOLE_T0 + at_us * NS_PER_US, .fault = 1, .what = what};
    journal_add(w->j, WHOLE_PROXY, RECORD_FAULT, &f);
}

/* Faults for a second, ${times}, each followed by ${lasting} of errors and then calm. */
static void recovers(struct whole *w, uint32_t times, uint64_t lasting_us, const char *within)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    uint64_t at = 3 * S;
    calm(w, 0, at, 1);
    for (uint32_t i = 0; i < times; i++) {
        fault(w, at, 0);
        fail_all(w, at, at + S + lasting_us);
        fault(w, at + S, 1);
        calm(w, at + S + lasting_us, at + 12 * S, 1);
        at += 12 * S;
    }
    struct phase *phase = whole_phase(w, "all", 0, at);
    (void)phase;
    w->s->steps = ARENA_ARRAY(&w->plan->arena, struct step, 1);
    w->s->step_count = 1;
    w->s->steps[0] = step_make(
        w->plan, STEP_EXPECT, "recovery", "client -> payments", (struct source){"whole.lua", 9, 0},
        within == NULL ? NULL : (const char *const[]){"within", within, NULL});
}

static void steady_again_in_time_passes(void **state)
{
    struct whole w;
    (void)state;
    recovers(&w, 1, S, "4s");
    whole_are(&w, "recovery", VERDICT_PASS, WHY_NONE, "within 4000 ms on 1 of 1 times");
    recovers(&w, 2, 100 * MS, NULL);
    whole_are(&w, "recovery", VERDICT_PASS, WHY_NONE, "on 2 of 2 times");
}

static void late_every_time_fails_and_late_once_is_left_open(void **state)
{
    struct whole w;
    (void)state;
    recovers(&w, 2, 6 * S, "4s");
    whole_are(&w, "recovery", VERDICT_FAIL, WHY_NONE, "not steady within 4000 ms on 2 of 2 times");
    recovers(&w, 1, 6 * S, "4s");
    whole_are(&w, "recovery", VERDICT_INCONCLUSIVE, WHY_NOT_REPEATED, "on 1 of 1 times");
}

static void where_no_fault_ended_there_is_nothing_to_recover_from(void **state)
{
    struct whole w;
    (void)state;
    recovers(&w, 0, 0, "4s");
    calm(&w, 0, S, 1);
    whole_are(&w, "recovery", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    recovers(&w, 1, 0, "30s");
    /* Steady at once, but the baseline is missing. */
    for (size_t i = 0; i < w.j->request_count; i++)
        if (w.j->requests[i].r.due < WHOLE_T0 + 3 * NS_PER_S)
            w.j->requests[i].r.flags |= REQUEST_WARMUP;
    whole_are(&w, "recovery", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "before the first fault");
}

static void tails(struct whole *w, uint64_t seconds, uint64_t times, const char *against,
                  const char *q)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    (void)whole_phase(w, "calm", 0, seconds * S);
    struct phase *phase = whole_phase(w, "slow", seconds * S, 2 * seconds * S);
    struct step *step = whole_step(w, phase, STEP_EXPECT, "tail", "client -> payments",
                                   (const char *const[]){"against", against, NULL});
    if (q != NULL)
        step_set_json(w->plan, step, q, json_real(1.5));
    calm(w, 0, seconds * S, 1);
    calm(w, seconds * S, 2 * seconds * S, times);
}

static void a_tail_like_the_baselines_passes(void **state)
{
    struct whole w;
    (void)state;
    tails(&w, 20, 1, "phase \"calm\"", "p95");
    whole_are(&w, "tail", VERDICT_PASS, WHY_NONE, "p95 ");
    tails(&w, 20, 1, "phase \"calm\"", NULL);
    whole_are(&w, "tail", VERDICT_PASS, WHY_NONE, "p50 ");
}

static void a_tail_that_is_three_times_as_long_fails(void **state)
{
    struct whole w;
    (void)state;
    tails(&w, 20, 3, "phase \"calm\"", "p95");
    whole_are(&w, "tail", VERDICT_FAIL, WHY_NONE, "more than 1.5 times as long");
}

static void what_cannot_be_compared_is_left_open(void **state)
{
    struct whole w;
    (void)state;
    tails(&w, 5, 3, "phase \"calm\"", "p95");
    whole_are(&w, "tail", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "only 5 of 10 blocks");
    tails(&w, 20, 2, "phase \"calm\"", "p999");
    whole_are(&w, "tail", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "p99.9 ");
    tails(&w, 20, 1, "phase \"clam\"", "p95");
    whole_are(&w, "tail", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED, "did not run");
    tails(&w, 20, 1, "run \"old.db\"", "p95");
    whole_are(&w, "tail", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "this journal alone");
}

/* 320 requests while the mesh is dead, each answered after ${took} by ${status}; the application
 * calls on ${calls} times for each, one retry declared. */
static void without_mesh(struct whole *w, uint64_t took_us, uint16_t status, uint32_t calls)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    struct service_plan *service = &w->s->lab.services[0];
    service->calls = ARENA_ARRAY(&w->plan->arena, struct call_plan, 1);
    service->call_count = 1;
    service->calls[0] = (struct call_plan){
        .to = "stock", .method = "GET", .path = "/", .retries = 1, .share_ppm = 1000000};
    w->s->lab.services[1] = (struct service_plan){
        .name = "stock", .endpoints = 1, .slots = 16, .protocol = "http1", .status = 200};
    w->s->lab.service_count = 2;
    struct phase *phase = whole_phase(w, "dead", 0, 10 * S);
    whole_step(w, phase, STEP_EXPECT, "fallback", "client -> payments",
               (const char *const[]){"within", "1s", NULL});
    journal_add_proc(w->j, 9, "stub", "subject", "payments");
    for (uint64_t i = 0; i < 320; i++) {
        uint64_t at = i * 20 * MS;
        uint64_t id = whole_request(w, at, at + took_us, (struct request_record){.status = status});
        whole_try(w, id, at + MS, at + took_us - MS, (struct attempt_record){.status = status});
        for (uint32_t k = 0; k < calls; k++) {
            struct request_record call = {.due = WHOLE_T0 + (at + 2 * MS) * NS_PER_US,
                                          .id_hi = 8,
                                          .id_lo = i * 8 + k + 1,
                                          .root_hi = 7,
                                          .root_lo = id,
                                          .start = 1,
                                          .done = NS_PER_MS,
                                          .edge = journal_add_name(w->j, "payments -> stock"),
                                          .end = END_REFUSED};
            journal_add(w->j, 9, RECORD_REQUEST, &call);
        }
    }
}

static void the_applications_own_defences_hold_without_the_mesh(void **state)
{
    struct whole w;
    (void)state;
    without_mesh(&w, 900 * MS, 200, 2);
    whole_are(&w, "fallback", VERDICT_PASS, WHY_NONE, "320 of 320 in time");
    without_mesh(&w, 1200 * MS, 200, 2);
    whole_are(&w, "fallback", VERDICT_FAIL, WHY_NONE, "320 later than 1000 ms");
    without_mesh(&w, 100 * MS, 503, 2);
    whole_are(&w, "fallback", VERDICT_FAIL, WHY_NONE, "320 with another answer (503)");
    without_mesh(&w, 100 * MS, 200, 3);
    whole_are(&w, "fallback", VERDICT_FAIL, WHY_NONE,
              "3 calls payments -> stock for one request, 2 declared");
    without_mesh(&w, 100 * MS, 200, 1);
    for (size_t i = 0; i < 200; i++)
        w.j->requests[i].r.flags |= REQUEST_WARMUP;
    whole_are(&w, "fallback", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_again_in_time_passes),
        cmocka_unit_test(late_every_time_fails_and_late_once_is_left_open),
        cmocka_unit_test(where_no_fault_ended_there_is_nothing_to_recover_from),
        cmocka_unit_test(a_tail_like_the_baselines_passes),
        cmocka_unit_test(a_tail_that_is_three_times_as_long_fails),
        cmocka_unit_test(what_cannot_be_compared_is_left_open),
        cmocka_unit_test(the_applications_own_defences_hold_without_the_mesh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
