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
    whole_are(&w, "tail", VERDICT_INCONCLUSIVE, WHY_CAPABILITY,
              "the journal of run \"old.db\" is not here");
}

/* An earlier run of the same suite, its phases as long. */
static struct journal *earlier(struct whole *w, const char *id, const char *host)
{
    tails(w, 20, 1, "run \"old.db\"", "p95");
    w->j->plan = plan_to_json(w->plan);
    w->j->run = json_pack("{s:s, s:s}", "run", id, "host", host);
    return w->j;
}

static void against_run(uint64_t times, const char *id, const char *host, enum verdict_kind kind,
                        const char *says)
{
    struct whole old, w;
    struct error err = {0};
    struct baseline row = {"old.db", earlier(&old, id, host), NULL};
    tails(&w, 20, times, "run \"old.db\"", "p95");
    w.j->run = json_pack("{s:s, s:s}", "run", "7c1e4a90", "host", "ci-7");
    w.j->plan = plan_to_json(w.plan);
    w.j->policy = json_pack("{s:[{s:s, s:i, s:o}], s:[]}", "edges", "arm", "subject", "scenario", 0,
                            "edge", edge_policy_to_json(&w.edge), "findings");
    struct judge_options options = {.baselines = {&row, 1}};
    if (!judge_run(w.j, &options, &w.judgement, &err))
        fail_msg("%s", err.text);
    const struct verdict *v = whole_verdict(&w, "tail");
    if (v->kind != kind || strstr(v->text, says) == NULL)
        fail_msg("tail is %d: %s", v->kind, v->text);
    whole_close(&w);
    journal_free(old.j);
    plan_free(old.plan);
}

static void a_tail_is_judged_against_another_run(void **state)
{
    (void)state;
    against_run(1, "51d07e11", "ci-7", VERDICT_PASS, "p95 ");
    against_run(3, "51d07e11", "ci-7", VERDICT_FAIL, "more than 1.5 times as long");
    against_run(3, "51d07e11", "ci-9", VERDICT_INCONCLUSIVE,
                "run \"old.db\" was on another host, ci-9 (this one on ci-7)");
    against_run(3, "7c1e4a90", "ci-7", VERDICT_INCONCLUSIVE, "is this run itself");
}

/* A slow kind of request beside a quick one: the quick one's tail is as it was. */
static void a_tail_is_of_the_requests_that_are_matched(void **state)
{
    struct whole w;
    (void)state;
    for (int matched = 0; matched < 2; matched++) {
        tails(&w, 20, 1, "phase \"calm\"", "p95");
        for (uint64_t t = 20 * S; t < 40 * S; t += 20 * MS) {
            struct request_record slow = {.path = journal_add_name(w.j, "/slow"),
                                          .tag = journal_add_name(w.j, "f1:503"),
                                          .flags = REQUEST_TAGGED};
            uint64_t id = whole_request(&w, t, t + 200 * MS, slow);
            whole_try(&w, id, t + 100, t + 199 * MS, (struct attempt_record){.status = 200});
        }
        for (size_t i = 0; i < w.j->request_count; i++)
            if (w.j->requests[i].r.path == 0)
                w.j->requests[i].r.path = journal_add_name(w.j, "/quick");
        if (matched)
            step_set_json(w.plan, &w.s->phases[1].steps[0], "match",
                          json_pack("{s:s}", "path", "/quick"));
        whole_are(&w, "tail", matched ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE, "p95 ");
    }
}

static void a_floor_asks_for_more_requests(void **state)
{
    struct whole w;
    (void)state;
    tails(&w, 20, 1, "phase \"calm\"", "p95");
    step_set_json(w.plan, &w.s->phases[1].steps[0], "enough", json_integer(5000));
    whole_are(&w, "tail", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "5000");
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
    without_mesh(&w, 100 * MS, 503, 2);
    whole_key(&w, "answers", "2xx,503");
    whole_are(&w, "fallback", VERDICT_PASS, WHY_NONE, "320 of 320 in time");
    without_mesh(&w, 100 * MS, 503, 2);
    whole_key(&w, "answers", "2xx,502");
    whole_are(&w, "fallback", VERDICT_FAIL, WHY_NONE, "320 with another answer (503)");
    for (int code = 0; code < 15; code += 14) { /* OK, UNAVAILABLE */
        without_mesh(&w, 100 * MS, 200, 2);
        w.s->lab.services[0].protocol = "grpc";
        for (size_t i = 0; i < w.j->request_count; i++)
            w.j->requests[i].r.grpc_status = (uint8_t)(code + 1);
        if (code != 0)
            whole_key(&w, "answers", "grpc:UNAVAILABLE");
        whole_are(&w, "fallback", VERDICT_PASS, WHY_NONE, "320 of 320 in time");
    }
    without_mesh(&w, 100 * MS, 200, 3);
    whole_are(&w, "fallback", VERDICT_FAIL, WHY_NONE,
              "3 calls payments -> stock for one request, 2 declared");
    without_mesh(&w, 100 * MS, 200, 1);
    for (size_t i = 0; i < 200; i++)
        w.j->requests[i].r.flags |= REQUEST_WARMUP;
    whole_are(&w, "fallback", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "");
}

/* 2 s at 200/s; the last five of them fail, ${late_us} after the phase's end. */
static void census(struct whole *w, bool generated, uint64_t late_us)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    w->s->from_policy = generated;
    struct phase *phase = whole_phase(w, "healed", 0, 2 * S);
    (void)whole_phase(w, "shut", 2 * S, 3 * S);
    whole_step(w, phase, STEP_EXPECT, "success", "client -> payments",
               (const char *const[]){"atleast", "99%", NULL});
    calm(w, 0, 2 * S - 25 * MS, 1);
    for (uint64_t t = 2 * S - 25 * MS; t < 2 * S; t += 5 * MS) {
        uint64_t done = late_us == 0 ? t + MS : 2 * S + late_us;
        uint64_t id = whole_request(w, t, done, (struct request_record){.status = 503});
        whole_try(w, id, done - 500, done - 300, (struct attempt_record){.status = 503});
    }
}

/* What is under way at its end meets the next phase's faults: no word on a generated phase. A suite
 * of somebody's own is counted as it is. */
static void what_the_next_phase_answers_is_not_this_ones(void **state)
{
    struct whole w;
    (void)state;
    census(&w, true, 3 * MS);
    whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "395 of 395 good");
    census(&w, true, 0);
    whole_are(&w, "success", VERDICT_FAIL, WHY_NONE, "395 of 400 good");
    census(&w, false, 3 * MS);
    whole_are(&w, "success", VERDICT_FAIL, WHY_NONE, "395 of 400 good");
}

/* Nobody asked for anything, and yet the report's list of phases is not empty. */
static void a_phase_that_expects_nothing_is_counted_too(void **state)
{
    struct whole w;
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    (void)state;
    whole_open(&w, &edge, "http1");
    whole_phase(&w, "calm", 0, 2 * S);
    calm(&w, 0, S, 1);
    whole_judge(&w);
    assert_int_equal(w.judgement->phase_count, 1);
    assert_int_equal(w.judgement->phases[0].requests, 200);
    assert_int_equal(w.judgement->phases[0].tries, 200);
    whole_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_phase_that_expects_nothing_is_counted_too),
        cmocka_unit_test(what_the_next_phase_answers_is_not_this_ones),
        cmocka_unit_test(steady_again_in_time_passes),
        cmocka_unit_test(late_every_time_fails_and_late_once_is_left_open),
        cmocka_unit_test(where_no_fault_ended_there_is_nothing_to_recover_from),
        cmocka_unit_test(a_tail_like_the_baselines_passes),
        cmocka_unit_test(a_tail_that_is_three_times_as_long_fails),
        cmocka_unit_test(what_cannot_be_compared_is_left_open),
        cmocka_unit_test(a_tail_is_judged_against_another_run),
        cmocka_unit_test(a_tail_is_of_the_requests_that_are_matched),
        cmocka_unit_test(a_floor_asks_for_more_requests),
        cmocka_unit_test(the_applications_own_defences_hold_without_the_mesh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
