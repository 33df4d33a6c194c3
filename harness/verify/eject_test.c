/* The claims of ejection, a case at a time. */

#include "verify/tries_fixture_test.h"

static struct edge_policy ejects(uint32_t endpoints, uint64_t failures, uint64_t percent)
{
    return (struct edge_policy){.flavour = FLAVOUR_ENVOY,
                                .endpoints = endpoints,
                                .outlier = {.present = true,
                                            .consecutive_5xx = number(failures),
                                            .interval = number(NS_PER_S),
                                            .base_ejection = number(2 * NS_PER_S),
                                            .max_ejection_percent = number(percent)}};
}

/* "no healthy upstream": the mesh had no host that was in. */
static void add_none(struct fixture *f, double start_ms)
{
    add_request(f, start_ms, start_ms + 0.5, 503, BODY_NO_HEALTHY, NULL, 0);
}

static const uint16_t both[] = {1, 2}, all[] = {1, 2, 3};

/* One of three may be out. Endpoint 1 fails on; of endpoint 2, ${in}: it has its picks. */
static void one_fails_on(struct fixture *f, bool in)
{
    begin(f, ejects(3, 3, 34));
    add_clean(f, 0, 1000, 10, all, 3);
    for (int i = 0; i < 32; i++)
        add_stall(f, 2, 1000 + 50 * i, 20);
    add_clean(f, 1010, 2600, 20, all + 2, 1);
    for (int i = 0; i < 80; i++) {
        add(f, 2700 + 35 * i, 1, 503);
        if (in)
            add(f, 2710 + 35 * i, 2, 200);
        if (i % 3 == 0)
            add(f, 2720 + 35 * i, 3, 200);
    }
    add(f, 5600, 2, 200);
}

static void a_host_that_fails_on_while_there_is_room_is_a_witness(void **state)
{
    struct fixture f;
    (void)state;
    one_fails_on(&f, true);
    is(&f, "eject.trip", VERDICT_FAIL, "stayed in");
}

/* Endpoint 1 of three resets every try, 80 times. */
static void one_resets_on(struct fixture *f, bool split)
{
    begin(f, ejects(3, 3, 34));
    f->edge.outlier.split_local_errors = split;
    add_clean(f, 0, 1000, 10, all, 3);
    for (int i = 0; i < 80; i++) {
        struct made made = {1000.1 + 50 * i, 1000.3 + 50 * i, 0, 1, 0};
        add_request(f, 1000 + 50 * i, 1000.5 + 50 * i, 503, BODY_CONNECT_TERMINATED, &made, 1);
        f->j->attempts[f->j->attempt_count - 1].r.head_out = 0;
        f->j->attempts[f->j->attempt_count - 1].r.outcome = OUTCOME_RESET_BY_FAULT;
        add(f, 1010 + 50 * i, 2, 200);
        add(f, 1020 + 50 * i, 3, 200);
    }
}

/* With split errors a try without an answer is nothing to the detector of 5xx, and a connection
 * that is made clears the one of local errors (verifier.md 2.1). */
static void split_errors_make_a_reset_neutral(void **state)
{
    struct fixture f;
    (void)state;
    one_resets_on(&f, false);
    is(&f, "eject.trip", VERDICT_FAIL, "stayed in");
    one_resets_on(&f, true);
    is(&f, "eject.trip", VERDICT_INCONCLUSIVE, "no ejections");
    /* Answers count as before. */
    one_fails_on(&f, true);
    f.edge.outlier.split_local_errors = true;
    is(&f, "eject.trip", VERDICT_FAIL, "stayed in");
}

/* A try on the host that ends without an answer: nobody sees a head. */
static void add_reset(struct fixture *f, double at_ms, uint16_t endpoint)
{
    struct made made = {at_ms + 0.1, at_ms + 0.3, 0, endpoint, 0};
    add_request(f, at_ms, at_ms + 0.5, 503, BODY_CONNECT_TERMINATED, &made, 1);
    f->j->attempts[f->j->attempt_count - 1].r.head_out = 0;
    f->j->attempts[f->j->attempt_count - 1].r.outcome = OUTCOME_RESET_BY_FAULT;
}

/* Five answers in a row while the only place under the cap was taken, and resets ever since: with
 * split errors none of those fills the count again, and the host rightly stays in. */
static void a_count_that_was_full_once_is_not_filled_by_resets(void **state)
{
    static const uint16_t others[] = {1, 3};
    (void)state;
    for (int split = 0; split < 2; split++) {
        struct fixture f;
        begin(&f, ejects(3, 3, 34));
        f.edge.outlier.split_local_errors = split == 1;
        add_clean(&f, 0, 1000, 10, all, 3);
        for (int i = 0; i < 3; i++)
            add(&f, 1010 + 100 * i, 2, 503);
        add_clean(&f, 1005, 2000, 10, others, 2);
        for (int i = 0; i < 5; i++)
            add(&f, 2010 + 450 * i, 1, 503);
        add_clean(&f, 2005, 4000, 10, others + 1, 1);
        for (int i = 0; i < 120; i++) {
            add_reset(&f, 4000 + 50 * i, 1);
            add(&f, 4010 + 50 * i, 2, 200);
            add(&f, 4020 + 50 * i, 3, 200);
        }
        f.from_ms = 4000;
        is(&f, "eject.trip", split == 1 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           split == 1 ? "no ejections" : "stayed in");
    }
}

/* Two refused connections put a host out where consecutiveLocalOriginFailures is 2. */
static void a_local_threshold_may_put_a_host_out(void **state)
{
    struct fixture f;
    (void)state;
    for (int split = 0; split < 2; split++) {
        begin(&f, ejects(3, 5, 34));
        f.edge.outlier.split_local_errors = split == 1;
        f.edge.outlier.consecutive_local = number(2);
        add_clean(&f, 0, 1000, 10, all, 3);
        for (int i = 0; i < 2; i++) {
            struct made made = {1000.1 + 20 * i, 1000.3 + 20 * i, 0, 1, 0};
            add_request(&f, 1000 + 20 * i, 1000.5 + 20 * i, 503, BODY_CONNECT_TERMINATED, &made, 1);
            f.j->attempts[f.j->attempt_count - 1].r.head_out = 0;
            f.j->attempts[f.j->attempt_count - 1].r.outcome = OUTCOME_RESET_BY_FAULT;
        }
        add_clean(&f, 1040, 3400, 10, all + 1, 2);
        add_clean(&f, 3400, 4000, 10, all, 3);
        if (split == 0)
            is(&f, "eject.early", VERDICT_FAIL, "went out after fewer than 5");
        else
            is(&f, "eject.early", VERDICT_INCONCLUSIVE, "rounds of 4 failures");
    }
}

/* What put endpoint 2 out lies in starved time, and too few picks elsewhere show that it is: its
 * place under the cap is taken all the same. */
static void a_gap_that_may_be_an_ejection_takes_the_place_under_the_cap(void **state)
{
    struct fixture f;
    (void)state;
    one_fails_on(&f, false);
    is(&f, "eject.trip", VERDICT_INCONCLUSIVE, "no ejections");
    /* It may last until the walk is over. */
    one_fails_on(&f, false);
    f.j->attempt_count--;
    f.j->request_count--;
    is(&f, "eject.trip", VERDICT_INCONCLUSIVE, "no ejections");
}

/* An ejection of 30 s outlasts the walk: a host without a pick up to its end may be out, however
 * soon the end comes. */
static void a_gap_at_the_end_of_the_walk_may_be_an_ejection_of_any_length(void **state)
{
    struct fixture f;
    (void)state;
    one_fails_on(&f, false);
    f.edge.outlier.base_ejection = number(30 * NS_PER_S);
    f.j->attempt_count--;
    f.j->request_count--;
    is(&f, "eject.trip", VERDICT_INCONCLUSIVE, "no ejections");
    /* But one that has its picks is in. */
    one_fails_on(&f, true);
    f.edge.outlier.base_ejection = number(30 * NS_PER_S);
    is(&f, "eject.trip", VERDICT_FAIL, "stayed in");
}

/* Two failures eject: so many come one by one before the others have all the traffic. */
static void an_episode(struct fixture *f, const double *failures_ms, size_t count)
{
    begin(f, ejects(3, 2, 34));
    add_clean(f, 0, 2000, 10, all, 3);
    add_clean(f, 2005, 2100, 10, both, 2);
    for (size_t i = 0; i < count; i++)
        add(f, 2100 + failures_ms[i], 3, 503);
    add_clean(f, 2102, 5000, 12, both, 2);
    add_clean(f, 5000, 5300, 10, all, 3);
}

static void a_host_is_out_at_once(void **state)
{
    struct fixture f;
    (void)state;
    an_episode(&f, (const double[]){0, 150}, 2);
    is(&f, "eject.late", VERDICT_PASS, "out at once");
}

static void one_try_more_after_a_pause_is_late(void **state)
{
    struct fixture f;
    (void)state;
    an_episode(&f, (const double[]){0, 150, 300}, 3);
    is(&f, "eject.late", VERDICT_FAIL, "1 more try after 2");
}

/* A retry on the same host, 60 ms later, may have been the failure that put it out. */
static void a_try_just_after_the_count_was_full_shows_nothing(void **state)
{
    struct fixture f;
    (void)state;
    an_episode(&f, (const double[]){0, 150, 210}, 3);
    is(&f, "eject.late", VERDICT_INCONCLUSIVE, "no quiet");
}

/* Ten rounds of two failures and two successes, then the statuses of ${last} on each endpoint, then
 * none is left. */
static void all_out_after(struct fixture *f, const uint16_t *last, size_t count)
{
    double at = 400;
    begin(f, ejects(2, 3, 100));
    add_clean(f, 0, 400, 10, both, 2);
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < 4; i++, at += 40)
            for (uint16_t host = 1; host <= 2; host++)
                add(f, at + host, host, i < 2 ? 503 : 200);
    for (size_t i = 0; i < count; i++, at += 40)
        for (uint16_t host = 1; host <= 2; host++)
            add(f, at + host, host, last[i]);
    for (int i = 0; i < 40; i++)
        add_none(f, at + 10 + 50 * i);
    add_clean(f, at + 2500, at + 2900, 10, both, 2);
}

static void all_out_after_enough_failures_is_right(void **state)
{
    struct fixture f;
    (void)state;
    all_out_after(&f, (const uint16_t[]){503, 503, 503}, 3);
    is(&f, "eject.early", VERDICT_PASS, "never out");
}

/* No picks elsewhere show that a host is out when all are: the mesh's own answer does. */
static void all_out_after_too_few_failures_is_a_witness(void **state)
{
    struct fixture f;
    (void)state;
    all_out_after(&f, (const uint16_t[]){503}, 1);
    is(&f, "eject.early", VERDICT_FAIL, "went out after fewer than 3");
}

/* A request without a host that was read while our side stood still says nothing of when. */
static void all_out_in_starved_time_is_none(void **state)
{
    struct fixture f;
    (void)state;
    all_out_after(&f, (const uint16_t[]){503}, 1);
    for (int i = 0; i < 11; i++)
        add_stall(&f, 1, 2000 + 200 * i, 199);
    is(&f, "eject.early", VERDICT_PASS, "never out");
}

/* The picks after such answers may have been made before them. */
static void picks_after_it_that_are_read_in_starved_time_are_none(void **state)
{
    struct fixture f;
    (void)state;
    all_out_after(&f, (const uint16_t[]){503}, 1);
    add_stall(&f, 2, 4400, 200);
    is(&f, "eject.early", VERDICT_PASS, "never out");
}

/* Endpoint 3 is out, after no failure at all, before the window begins. */
static void out_before_the_window(struct fixture *f, bool generated)
{
    begin(f, ejects(3, 3, 34));
    add_clean(f, 0, 1000, 10, all, 3);
    add_clean(f, 1000, 4000, 10, both, 2);
    add_clean(f, 4000, 4500, 10, all, 3);
    f->scenario.from_policy = generated;
    f->from_ms = 4200;
}

/* In a generated plan no phase may put a host out before its time; in a suite's the phases before
 * are the suite's own. */
static void a_generated_plan_excuses_no_ejection_of_its_other_phases(void **state)
{
    struct fixture f;
    (void)state;
    out_before_the_window(&f, true);
    is(&f, "eject.early", VERDICT_FAIL, "payments/3 went out");
    out_before_the_window(&f, false);
    is(&f, "eject.early", VERDICT_INCONCLUSIVE, "rounds of 2 failures");
}

/* The mesh's own gauge, ${out} all the time; -1: nobody reads it. */
static void add_gauge(struct fixture *f, double to_ms, int out)
{
    journal_add_proc(f->j, 3, "mesh", "subject", "client");
    for (double at = 0; at < to_ms && out >= 0; at += 250) {
        struct metric_record m = {.at = T(at),
                                  .answer = NS_PER_MS,
                                  .value = out,
                                  .proxy = journal_add_name(f->j, "client -> payments"),
                                  .name =
                                      journal_add_name(f->j, "outlier_detection.ejections_active")};
        journal_add(f->j, 3, RECORD_METRIC, &m);
    }
}

/* Below half of them healthy it sends to all: two of three out. */
static struct edge_policy panics(uint64_t failures)
{
    struct edge_policy edge = ejects(3, failures, 100);
    edge.outlier.min_health_percent = number(50);
    return edge;
}

static void rounds_in_a_panic_show_nothing(void **state)
{
    static const struct {
        int out;
        enum verdict_kind kind;
        const char *text;
    } cases[] = {{0, VERDICT_PASS, "12 rounds of 2 failures"},
                 {1, VERDICT_PASS, "12 rounds of 2 failures"},
                 {2, VERDICT_INCONCLUSIVE, "12 of 12 rounds show nothing"},
                 {-1, VERDICT_INCONCLUSIVE, "12 of 12 rounds show nothing"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        begin(&f, panics(3));
        add_clean(&f, 0, 400, 10, all, 3);
        for (int k = 0; k < 48; k++)
            add(&f, 400 + 40 * k, 1, k % 4 < 2 ? 503 : 200);
        add_gauge(&f, 2400, cases[i].out);
        is(&f, "eject.early", cases[i].kind, cases[i].text);
    }
}

/* Endpoint 1 goes out a second after twelve rounds: it may have been out, unseen, since the first
 * of them, for an update waits for another. Long after them it was in. */
static void rounds_just_before_it_goes_out_show_nothing(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct fixture f;
        double at = 400;
        begin(&f, ejects(3, 3, 34));
        add_clean(&f, 0, 400, 10, all, 3);
        for (int k = 0; k < 48; k++, at += 20)
            add(&f, at, 1, k % 4 < 2 ? 503 : 200);
        if (late)
            add_clean(&f, at, at + 1500, 10, all, 3);
        at += late ? 1500 : 0;
        for (int k = 0; k < 3; k++, at += 10)
            add(&f, at, 1, 503);
        add_clean(&f, at, at + 2500, 10, all + 1, 2);
        is(&f, "eject.early", late ? VERDICT_PASS : VERDICT_INCONCLUSIVE,
           late ? "12 rounds of 2 failures" : "rounds of 2 failures and a success");
    }
}

/* What fails on in a panic may be out all the same. */
static void a_host_that_fails_on_in_a_panic_may_be_out(void **state)
{
    static const struct {
        int out;
        enum verdict_kind kind;
        const char *text;
    } cases[] = {{0, VERDICT_FAIL, "stayed in"},
                 {2, VERDICT_INCONCLUSIVE, "no ejections"},
                 {-1, VERDICT_INCONCLUSIVE, "no ejections"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        begin(&f, panics(3));
        add_clean(&f, 0, 1000, 10, all, 3);
        for (int k = 0; k < 80; k++) {
            add(&f, 1000 + 40 * k, 1, 503);
            add(&f, 1010 + 40 * k, 2, 200);
            add(&f, 1020 + 40 * k, 3, 200);
        }
        add_gauge(&f, 4500, cases[i].out);
        is(&f, "eject.trip", cases[i].kind, cases[i].text);
    }
}

/* A silence of a second may be all of an ejection of two that a panic made useless. */
static void an_ejection_that_a_panic_ends_is_not_too_short(void **state)
{
    (void)state;
    for (int out = 0; out <= 2; out += 2) {
        struct fixture f;
        begin(&f, panics(2));
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2100, 3, 503);
        add(&f, 2250, 3, 503);
        add_clean(&f, 2005, 3450, 6, both, 2);
        add_clean(&f, 3450, 4000, 10, all, 3);
        add_gauge(&f, 4000, out);
        is(&f, "eject.length", out == 0 ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           out == 0 ? "was out for 1." : "no ejections");
    }
}

/* A panic may have hidden an ejection before: then it is the second, and longer. */
static void an_ejection_after_a_panic_is_not_too_long(void **state)
{
    (void)state;
    for (int out = 0; out <= 2; out += 2) {
        struct fixture f;
        begin(&f, panics(1));
        add_clean(&f, 0, 2000, 10, all, 3);
        add_gauge(&f, 1000, out);
        add(&f, 2100, 3, 503);
        add_clean(&f, 2005, 9500, 6, both, 2);
        is(&f, "eject.length", out == 0 ? VERDICT_FAIL : VERDICT_INCONCLUSIVE, "");
    }
}

/* Endpoint 3 had been out all the time: with the panic's end it gets no tries any more. */
static void a_silence_that_begins_as_a_panic_ends_is_no_early_one(void **state)
{
    (void)state;
    for (int out = 0; out <= 2; out += 2) {
        struct fixture f;
        begin(&f, panics(3));
        add_clean(&f, 0, 2000, 10, all, 3);
        add_clean(&f, 2000, 4500, 10, both, 2);
        add_gauge(&f, 2000, out);
        is(&f, "eject.early", out == 0 ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           out == 0 ? "payments/3 went out" : "rounds of 2 failures");
    }
}

/* In a panic it got its tries though it was out. */
static void a_try_in_a_panic_is_not_late(void **state)
{
    (void)state;
    for (int out = 0; out <= 2; out += 2) {
        struct fixture f;
        an_episode(&f, (const double[]){0, 150, 300}, 3);
        f.edge.outlier = panics(2).outlier;
        add_gauge(&f, 5300, out);
        is(&f, "eject.late", out == 0 ? VERDICT_FAIL : VERDICT_INCONCLUSIVE,
           out == 0 ? "1 more try after 2" : "no quiet");
    }
}

/* Endpoint 2 has the only place under the cap: endpoint 3 goes out when that is back. */
static void without_room_under_the_cap_no_try_is_late(void **state)
{
    static const uint16_t others[] = {1, 3};
    struct fixture f;
    (void)state;
    begin(&f, ejects(3, 2, 34));
    add_clean(&f, 0, 500, 10, all, 3);
    add_clean(&f, 500, 2090, 8, others, 2);
    add(&f, 2100, 3, 503);
    add(&f, 2250, 3, 503);
    add(&f, 2400, 3, 503);
    add_clean(&f, 2102, 5000, 12, all, 1);
    add_clean(&f, 5000, 5300, 10, all, 3);
    is(&f, "eject.late", VERDICT_INCONCLUSIVE, "no quiet");
}

/* One failure that we saw; a request that ended without a try that reached us may have met the
 * other two. */
static void an_ejection_that_only_unseen_tries_explain_is_no_pass(void **state)
{
    struct fixture f;
    (void)state;
    for (int hidden = 0; hidden < 2; hidden++) {
        begin(&f, ejects(3, 3, 34));
        f.edge.retry.attempts = number(2);
        add_clean(&f, 0, 400, 10, all, 3);
        for (int k = 0; k < 48; k++)
            add(&f, 400 + 40 * k, 1, k % 4 < 2 ? 503 : 200);
        add(&f, 2400, 1, 503);
        if (hidden)
            add_request(&f, 2402, 2403, 503, BODY_CONNECT_FAILURE, NULL, 0);
        add_clean(&f, 2405, 4500, 10, all + 1, 2);
        is(&f, "eject.early", hidden ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           hidden ? "tries that never did may be the others" : "fewer than 3");
    }
}

/* Endpoint 3 may have been out a while ago, at so few tries that nothing shows it; ${in_ms} later,
 * of which some is no evidence, it is out, back, and out again. */
static void out_again_after(struct fixture *f, double in_ms)
{
    double out = 4700 + in_ms;
    begin(f, ejects(3, 2, 34));
    f->scenario.from_policy = true;
    f->scenario.depth = DEPTH_FULL;
    add_clean(f, 0, 2000, 10, all, 3);
    add(f, 2100, 3, 503);
    add(f, 2250, 3, 503);
    add_clean(f, 2255, 4700, 100, both, 2);
    add_clean(f, 4700, out - 5, 10, all, 3);
    for (double at = 4800; at + 600 < out; at += 600)
        add_stall(f, 2, at, 30);
    add(f, out, 3, 503);
    add(f, out + 150, 3, 503);
    add_clean(f, out + 5, out + 2595, 4, both, 2);
    add(f, out + 2600, 3, 503);
    add(f, out + 2605, 3, 503);
    add_clean(f, out + 2610, out + 7000, 10, both, 2);
    add_clean(f, out + 7000, out + 7300, 10, all, 3);
    f->from_ms = out - 300;
}

static void an_ejection_of_long_ago_counts_no_more(void **state)
{
    struct fixture f;
    (void)state;
    out_again_after(&f, 12000);
    is(&f, "eject.length", VERDICT_PASS, "again for 4.4 s");
    out_again_after(&f, 6000); /* fewer sweeps have found it in since */
    is(&f, "eject.length", VERDICT_INCONCLUSIVE, "ejections from trip to return");
}

/* Three sweeps have found it in since the first: the second may be as short again. */
static void an_ejection_after_sweeps_is_a_first_one_again(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, ejects(3, 2, 34));
    for (double at = 0; at < 8000; at += 5900) {
        add_clean(&f, at, at + 2000, 10, all, 3);
        add(&f, at + 2100, 3, 503);
        add(&f, at + 2250, 3, 503);
        add_clean(&f, at + 2005, at + 4700, 4, both, 2);
        add_clean(&f, at + 4700, at + 5890, 10, all, 3);
    }
    is(&f, "eject.length", VERDICT_PASS, "out for 2.5 s of 2.0..3.0 s");
}

/* The host is out twice, the second time for 2 s of 4. Was it out unseen before the second trip? A
 * request which ended without a try that reached us leaves that open, and an ejection which may
 * have been as long as it must, or half of it, is no evidence that it was. */
static void an_ejection_whose_begin_is_open_shows_no_length(void **state)
{
    (void)state;
    for (int hidden = 0; hidden < 2; hidden++) {
        struct fixture f;
        begin(&f, ejects(3, 2, 34));
        f.edge.retry.attempts = number(2);
        f.scenario.from_policy = true;
        f.scenario.depth = DEPTH_FULL;
        add_clean(&f, 0, 2000, 10, all, 3);
        add(&f, 2100, 3, 503);
        add(&f, 2250, 3, 503);
        add_clean(&f, 2255, 4700, 4, both, 2);
        /* Back, and out again only when the update is through: 1 s later. */
        add(&f, 4703, 3, 503);
        for (int k = 0; k < 50; k++) {
            add(&f, 4700 + 20 * k, 3, 503);
            add(&f, 4705 + 20 * k, 1, 200);
            add(&f, 4710 + 20 * k, 2, 200);
        }
        if (hidden)
            add_request(&f, 4200, 4200.5, 503, BODY_CONNECT_FAILURE, NULL, 0);
        add_clean(&f, 5690, 7700, 10, both, 2);
        add_clean(&f, 7700, 8000, 10, all + 2, 1);
        is(&f, "eject.length", hidden ? VERDICT_INCONCLUSIVE : VERDICT_FAIL,
           hidden ? "no repeat ejections" : "was out for 3.0 s");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_fails_on_while_there_is_room_is_a_witness),
        cmocka_unit_test(split_errors_make_a_reset_neutral),
        cmocka_unit_test(a_count_that_was_full_once_is_not_filled_by_resets),
        cmocka_unit_test(a_local_threshold_may_put_a_host_out),
        cmocka_unit_test(a_gap_that_may_be_an_ejection_takes_the_place_under_the_cap),
        cmocka_unit_test(a_gap_at_the_end_of_the_walk_may_be_an_ejection_of_any_length),
        cmocka_unit_test(rounds_in_a_panic_show_nothing),
        cmocka_unit_test(rounds_just_before_it_goes_out_show_nothing),
        cmocka_unit_test(a_host_that_fails_on_in_a_panic_may_be_out),
        cmocka_unit_test(an_ejection_that_a_panic_ends_is_not_too_short),
        cmocka_unit_test(an_ejection_after_a_panic_is_not_too_long),
        cmocka_unit_test(a_silence_that_begins_as_a_panic_ends_is_no_early_one),
        cmocka_unit_test(a_try_in_a_panic_is_not_late),
        cmocka_unit_test(without_room_under_the_cap_no_try_is_late),
        cmocka_unit_test(an_ejection_after_sweeps_is_a_first_one_again),
        cmocka_unit_test(an_ejection_whose_begin_is_open_shows_no_length),
        cmocka_unit_test(an_ejection_of_long_ago_counts_no_more),
        cmocka_unit_test(an_ejection_that_only_unseen_tries_explain_is_no_pass),
        cmocka_unit_test(a_host_is_out_at_once),
        cmocka_unit_test(one_try_more_after_a_pause_is_late),
        cmocka_unit_test(a_try_just_after_the_count_was_full_shows_nothing),
        cmocka_unit_test(all_out_after_enough_failures_is_right),
        cmocka_unit_test(all_out_after_too_few_failures_is_a_witness),
        cmocka_unit_test(all_out_in_starved_time_is_none),
        cmocka_unit_test(picks_after_it_that_are_read_in_starved_time_are_none),
        cmocka_unit_test(a_generated_plan_excuses_no_ejection_of_its_other_phases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
