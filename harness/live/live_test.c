/* The model of a run as people see it, fed with a real journal. */

#include "live/replay_test.h"

static const struct live_lane *lane_of(const struct live_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->lane_count; i++)
        if (strcmp(s->lanes[i].name, name) == 0)
            return &s->lanes[i];
    fail_msg("no lane %s", name);
    return NULL;
}

static bool has_event(const struct live_snapshot *s, const char *what, const char *text)
{
    for (size_t i = 0; i < s->event_count; i++)
        if (strcmp(s->events[i].what, what) == 0 && strstr(s->events[i].text, text) != NULL)
            return true;
    return false;
}

static struct live_snapshot s; /* too large for a stack that a sanitizer pads */

static void before_the_first_phase_it_is_starting(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    live_snapshot(r.live, replay_zero_ns(&r) - NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_STARTING);
    assert_int_equal(s.since_start_ns, 0);
    assert_int_equal(s.lane_count, 3);
    assert_int_equal(s.phase_count, 4);
    assert_int_equal(s.phases[0].state, LIVE_PHASE_NEXT);
    assert_string_equal(s.edge, "client -> payments");
    replay_close(&r);
}

static void a_failing_endpoint_goes_out(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 9 * NS_PER_S);
    replay_show(&r, 9 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_RUNNING);
    const struct live_lane *bad = lane_of(&s, "payments/2"), *good = lane_of(&s, "payments/1");
    assert_true(bad->out);
    assert_false(good->out);
    assert_int_equal(bad->answered_per_s, 0);
    assert_in_range(good->answered_per_s, 10, 14); /* half of 24 a second */
    assert_non_null(memchr(bad->kind, '5', LIVE_BUCKETS));
    assert_int_equal(bad->kind[LIVE_BUCKETS - 1], '#');
    assert_true(has_event(&s, "mesh.out", "payments/2 is out"));
    assert_true(has_event(&s, "fault.first", "abort 503 on payments/2 has fired"));
    replay_close(&r);
}

static void a_fault_in_force_has_its_time_and_reach(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 18 * NS_PER_S);
    replay_show(&r, 18 * NS_PER_S, &s);
    assert_int_equal(s.fault_count, 2);
    const struct live_fault *latency = &s.faults[0], *abort = &s.faults[1];
    if (strstr(latency->text, "latency") == NULL) {
        latency = &s.faults[1];
        abort = &s.faults[0];
    }
    assert_string_equal(latency->place, "payments/1");
    assert_string_equal(latency->share, "50%");
    assert_int_equal(latency->left_ns / NS_PER_S, 3); /* until its phase ends, at 21 s */
    assert_string_equal(abort->share, "30%");
    assert_int_equal((abort->left_ns + NS_PER_S / 2) / NS_PER_S, 1); /* its window: 2s..5s */
    assert_true(abort->reach_per_s > 0);
    assert_int_equal(s.endpoints_touched, 3);
    assert_true(s.touched_per_s > 0 && s.touched_per_s <= s.tries_per_s);
    replay_close(&r);
}

/* The latency fault of the third phase: it is in force for so long, and for so many. */
static void a_fault_with_a_ttl(struct journal *j)
{
    json_t *scenario = json_array_get(json_object_get(j->plan, "scenarios"), 0),
           *phase = json_array_get(json_object_get(scenario, "phases"), 2),
           *step = json_array_get(json_object_get(phase, "steps"), 0);
    assert_string_equal(json_string_value(json_object_get(step, "word")), "fault.latency");
    json_t *keys = json_object_get(step, "keys");
    keys = keys == NULL ? step : keys;
    json_object_set_new(keys, "ttl", json_string("3s"));
    json_object_del(keys, "share");
    json_object_set_new(keys, "match", json_pack("{s:s}", "tag", "f1:slow"));
}

static void a_fault_ends_by_its_ttl_where_that_is_first(void **state)
{
    struct replay r;
    (void)state;
    replay_open_changed(&r, REPLAY_JOURNAL, a_fault_with_a_ttl);
    replay_until(&r, 16500 * NS_PER_MS);
    replay_show(&r, 15 * NS_PER_S, &s);
    assert_true(has_event(&s, "fault.arm",
                          "latency +400ms for requests tagged f1:slow on payments/1, ends 0:17"));
    assert_int_equal(s.faults[0].left_ns / NS_PER_S, 2);
    assert_string_equal(s.faults[0].share, ""); /* its words name those it is for */
    replay_show(&r, 17500 * NS_PER_MS, &s);
    assert_int_equal(s.fault_count, 1); /* the other: its phase is not over, but its ttl is */
    assert_null(strstr(s.faults[0].text, "latency"));
    struct fault_record off = {.at = replay_zero_ns(&r) + 17 * NS_PER_S, .what = FAULT_EXPIRED};
    struct record_source from = {.role = "proxy", .arm = "subject", .service = "payments"};
    for (off.fault = 1; off.fault < 8; off.fault++)
        for (int i = 0; i < 2; i++) /* each of its proxies says so */
            live_record(r.live, &from, RECORD_FAULT, &off, off.at);
    replay_show(&r, 17600 * NS_PER_MS, &s);
    size_t told = 0;
    for (size_t i = 0; i < s.event_count; i++)
        told += strcmp(s.events[i].what, "fault.expired") == 0;
    assert_int_equal(told, s.fault_count + 1); /* each that was in force, once */
    assert_true(has_event(&s, "fault.expired", "on payments/1: its ttl is over"));
    replay_close(&r);
}

static void phases_and_what_is_next(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 7 * NS_PER_S);
    replay_show(&r, 7 * NS_PER_S, &s);
    assert_int_equal(s.phases[0].state, LIVE_PHASE_DONE);
    assert_int_equal(s.phases[1].state, LIVE_PHASE_NOW);
    assert_int_equal(s.phases[2].state, LIVE_PHASE_NEXT);
    assert_int_equal(s.phase_left_ns / NS_PER_S, 7);
    assert_string_equal(s.next, "Next at 0:14: payments drags");
    assert_int_equal(s.expected_total_ns / NS_PER_S, 24);
    replay_until(&r, 15 * NS_PER_S);
    replay_show(&r, 15 * NS_PER_S, &s);
    assert_string_equal(s.next, "Next at 0:16: abort on payments");
    replay_close(&r);
}

static void a_guard_shows_its_value_beside_its_limit(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 4 * NS_PER_S);
    replay_show(&r, 4 * NS_PER_S, &s);
    assert_int_equal(s.guard_count, 2);
    assert_string_equal(s.guards[0].name, "client errors");
    assert_string_equal(s.guards[0].value, "0.0 %");
    assert_string_equal(s.guards[0].limit, "at most 60%");
    assert_int_equal(s.guards[1].state, LIVE_GUARD_OK);
    replay_until(&r, 18 * NS_PER_S);
    replay_show(&r, 18 * NS_PER_S, &s);
    assert_int_equal(s.guards[1].state, LIVE_GUARD_NEAR);
    assert_true(has_event(&s, "guard.near", "client p99"));
    replay_close(&r);
}

static void a_guard_of_a_connection(struct journal *j)
{
    json_t *scenario = json_array_get(json_object_get(j->plan, "scenarios"), 0),
           *guard = json_array_get(json_object_get(scenario, "guard"), 0),
           *probe = json_object_get(guard, "own");
    json_object_set_new(guard, "above", json_string("0"));
    json_object_set_new(probe, "word", json_string("tcp"));
    json_object_set_new(probe, "name", json_string("client errors")); /* as its samples say */
    json_object_set_new(probe, "address", json_string("127.0.0.1:80"));
}

/* The third phase waits for two things, one after the other. */
static void two_awaits(struct journal *j)
{
    json_t *scenario = json_array_get(json_object_get(j->plan, "scenarios"), 0),
           *phase = json_array_get(json_object_get(scenario, "phases"), 2),
           *steps = json_object_get(phase, "steps");
    json_object_del(phase, "lasting");
    json_object_set_new(phase, "ends", json_string("awaits"));
    for (int i = 1; i <= 2; i++)
        json_array_append_new(steps, json_pack("{s:s, s:{s:s, s:s}}", "word", "await.readmitted",
                                               "keys", "on", i == 1 ? "payments/1" : "payments/2",
                                               "within", "4s"));
}

static void awaits_take_their_times_one_after_the_other(void **state)
{
    struct replay r;
    (void)state;
    replay_open_changed(&r, REPLAY_JOURNAL, two_awaits);
    replay_until(&r, 7 * NS_PER_S);
    replay_show(&r, 7 * NS_PER_S, &s);
    assert_int_equal(s.expected_total_ns / NS_PER_S, 24 - 7 + 8);
    replay_close(&r);
}

/* 0 or 1: what is within its limit is not near it. */
static void a_guard_of_yes_or_no_is_never_near_its_limit(void **state)
{
    struct replay r;
    (void)state;
    replay_open_changed(&r, REPLAY_JOURNAL, a_guard_of_a_connection);
    replay_until(&r, 4 * NS_PER_S);
    replay_show(&r, 4 * NS_PER_S, &s);
    assert_string_equal(s.guards[0].name, "client errors");
    assert_string_equal(s.guards[0].value, "0");
    assert_int_equal(s.guards[0].state, LIVE_GUARD_OK);
    assert_false(has_event(&s, "guard.near", "client errors"));
    replay_close(&r);
}

static void the_end_is_told(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 60 * NS_PER_S);
    replay_show(&r, 60 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_DONE);
    assert_string_equal(s.end, "complete");
    assert_int_equal(s.fault_count, 0);
    assert_int_equal(s.requests, r.journal->request_count);
    assert_int_equal(s.tries, r.journal->attempt_count);
    replay_close(&r);
}

static void verdicts_so_far_come_worst_first(void **state)
{
    struct replay r;
    struct judgement *judgement = NULL;
    struct judge_options options = {.partial = true};
    struct error err = {0};
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    assert_true(judge_run(r.journal, &options, &judgement, &err));
    replay_until(&r, 10 * NS_PER_S);
    replay_verdicts(r.live, judgement, replay_zero_ns(&r) + 10 * NS_PER_S);
    replay_show(&r, 10 * NS_PER_S, &s);
    assert_int_equal(s.inconclusive + s.pass, 1); /* of the first phase: it alone is over */
    replay_until(&r, 21500 * NS_PER_MS);
    replay_verdicts(r.live, judgement, replay_zero_ns(&r) + 21500 * NS_PER_MS);
    replay_show(&r, 21500 * NS_PER_MS, &s);
    assert_int_equal(s.fail, 0); /* its phase ended 0.5 s ago: records may be missing */
    assert_false(has_event(&s, "claim.verdict", "retry.max"));
    replay_until(&r, 24400 * NS_PER_MS);
    replay_verdicts(r.live, judgement, replay_zero_ns(&r) + 25000 * NS_PER_MS);
    replay_verdicts(r.live, judgement, replay_zero_ns(&r) + 25000 * NS_PER_MS);
    replay_show(&r, 25000 * NS_PER_MS, &s);
    assert_int_equal(s.fail, 1);
    assert_int_equal(s.fail + s.inconclusive + s.pass, 16);
    assert_int_equal(s.verdicts[0].kind, VERDICT_FAIL);
    assert_string_equal(s.verdicts[0].claim, "retry.max");
    assert_string_equal(s.verdicts[0].mark, "payments.yaml:13");
    size_t told = 0;
    for (size_t i = 0; i < s.event_count; i++)
        told += strcmp(s.events[i].what, "claim.verdict") == 0;
    assert_int_equal(told, 1); /* once, however often it is judged */
    judgement_free(judgement);
    replay_close(&r);
}

static void feed(struct replay *r, uint64_t since_ns, const char *what, const char *json)
{
    struct journal_event e = {.t_ns = replay_zero_ns(r) + since_ns, .what = what};
    struct record_source from = {.role = "", .arm = "", .service = ""};
    e.json = json_loads(json, 0, NULL);
    assert_non_null(e.json);
    live_record(r->live, &from, RECORD_EVENT, &e, e.t_ns);
    json_decref(e.json);
}

static void feed_phase(struct replay *r, uint32_t id, uint64_t t0_ns, uint64_t t1_ns,
                       const char *why)
{
    struct record_source from = {.role = "", .arm = "", .service = ""};
    struct journal_phase p = {.phase = id,
                              .ordinal = 1,
                              .arm = "subject",
                              .name = "payments/2 fails",
                              .why = why,
                              .t0_ns = replay_zero_ns(r) + t0_ns,
                              .t1_ns = replay_zero_ns(r) + t1_ns};
    live_record(r->live, &from, RECORD_PHASE, &p, p.t1_ns);
}

static void a_pause_stops_the_phase_and_it_goes_on(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 8 * NS_PER_S);
    feed(&r, 8 * NS_PER_S, "pause", "{\"who\":\"alice\"}");
    feed_phase(&r, 2, 0, 8 * NS_PER_S, "pause");
    replay_show(&r, 20 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_PAUSED);
    assert_true(has_event(&s, "pause", "paused by alice"));
    feed(&r, 20 * NS_PER_S, "resume", "{\"who\":\"bob\"}");
    feed_phase(&r, 90, 20 * NS_PER_S, 0, NULL);
    replay_show(&r, 20 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_RUNNING);
    assert_int_equal(s.phase_count, 4); /* not walked once more */
    assert_int_equal(s.phases[1].state, LIVE_PHASE_NOW);
    assert_int_equal((s.phase_left_ns + NS_PER_S / 2) / NS_PER_S, 6); /* 3 of 9 s were over */
    replay_close(&r);
}

static void a_question_waits_until_it_is_closed(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 2 * NS_PER_S);
    feed(&r, 2 * NS_PER_S, "question",
         "{\"number\":1,\"kind\":\"expect\",\"ask\":\"Which alert?\",\"within_ns\":60000000000}");
    replay_show(&r, 3 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_RUNNING); /* nobody waits for an expectation */
    assert_string_equal(s.question.ask, "Which alert?");
    feed(&r, 3 * NS_PER_S, "question",
         "{\"number\":2,\"kind\":\"await\",\"ask\":\"Go on?\",\"role\":\"lead\",\"within_ns\":0}");
    replay_show(&r, 3 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_WAITING);
    assert_int_equal(s.question.number, 1);
    feed(&r, 4 * NS_PER_S, "question_closed", "{\"number\":1,\"state\":\"late\"}");
    replay_show(&r, 4 * NS_PER_S, &s);
    assert_int_equal(s.question.number, 2);
    assert_string_equal(s.question.role, "lead");
    assert_true(has_event(&s, "answer", "1 not answered in time"));
    feed(&r, 5 * NS_PER_S, "answer",
         "{\"number\":2,\"answer\":\"yes\",\"who\":\"alice\",\"channel\":\"page\",\"state\":"
         "\"answered\"}");
    feed(&r, 5 * NS_PER_S, "question_closed", "{\"number\":2,\"state\":\"answered\"}");
    replay_show(&r, 5 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_RUNNING);
    assert_false(s.question.open);
    replay_close(&r);
}

static void an_abort_counts_what_is_undone(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 18 * NS_PER_S);
    feed(&r, 18 * NS_PER_S, "abort", "{\"arm\":\"right\",\"why\":\"not ours\"}");
    replay_show(&r, 18 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_RUNNING);
    feed(&r, 18 * NS_PER_S, "abort", "{\"arm\":\"subject\",\"why\":\"stopped by alice\"}");
    feed(&r, 18 * NS_PER_S, "abort", "{\"arm\":\"subject\",\"why\":\"terminated\"}");
    feed(&r, 18 * NS_PER_S, "fault_disarmed", "{\"fault\":2,\"fired\":9}");
    replay_show(&r, 18 * NS_PER_S, &s);
    assert_int_equal(s.state, LIVE_UNDOING);
    assert_string_equal(s.abort_reason, "stopped by alice"); /* the first stays */
    assert_int_equal(s.undone, 1);
    assert_int_equal(s.undo_total, 2);
    replay_close(&r);
}

static void requests_that_were_not_good_are_named(void **state)
{
    struct replay r;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 20 * NS_PER_S);
    replay_show(&r, 20 * NS_PER_S, &s);
    uint64_t all = 0;
    for (size_t i = 0; i < LIVE_ENDINGS; i++)
        all += s.ended[i];
    assert_int_equal(all, s.requests);
    assert_in_range(s.ended[LIVE_ENDED_5XX], 20, 26); /* the report counts 26 to the phase's end */
    assert_int_equal(s.failed_count, LIVE_REQUESTS);
    assert_int_equal(s.failed[0].status, 503);
    assert_memory_equal(s.failed[0].name, "c-", 2);
    assert_string_equal(s.failed[0].path, "/");
    assert_true(s.failed[0].at_ns >= s.failed[1].at_ns);
    replay_close(&r);
}

/* The page reads it once a second: it fits, and it is JSON. */
static void a_snapshot_as_json_fits(void **state)
{
    struct replay r;
    struct text text;
    (void)state;
    replay_open(&r, REPLAY_JOURNAL);
    replay_until(&r, 18 * NS_PER_S);
    replay_show(&r, 18 * NS_PER_S, &s);
    text_init(&text, LIVE_JSON_BYTES);
    assert_true(live_json(&s, &text));
    json_t *json = json_loads(text_get(&text), 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json, "lanes")), 3);
    assert_int_equal(json_integer_value(json_object_get(json, "since_start_ms")), 18000);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "running");
    json_decref(json);
    text_release(&text);
    replay_close(&r);
}

/* Everything is full, every number long, every text as hostile as it may be. */
static void the_largest_snapshot_fits_too(void **state)
{
    struct text text;
    (void)state;
    memset(&s, '"', sizeof(s)); /* as JSON, two bytes each */
    s.state = LIVE_RUNNING;
    s.lane_count = LIVE_LANES;
    s.fault_count = LIVE_FAULTS;
    s.guard_count = LIVE_GUARDS;
    s.phase_count = LIVE_PHASES;
    s.verdict_count = LIVE_VERDICTS;
    s.event_count = LIVE_EVENTS;
    char *ends[] = {s.run,  s.seed,         s.suite,        s.target,  s.scenario,
                    s.edge, s.next,         s.ends,         s.journal, s.abort_reason,
                    s.end,  s.question.ask, s.question.role};
    size_t sizes[] = {sizeof(s.run),          sizeof(s.seed),     sizeof(s.suite),
                      sizeof(s.target),       sizeof(s.scenario), sizeof(s.edge),
                      sizeof(s.next),         sizeof(s.ends),     sizeof(s.journal),
                      sizeof(s.abort_reason), sizeof(s.end),      sizeof(s.question.ask),
                      sizeof(s.question.role)};
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        ends[i][sizes[i] - 1] = '\0';
    for (size_t i = 0; i < LIVE_LANES; i++)
        s.lanes[i].name[LIVE_NAME_BYTES - 1] = '\0';
    for (size_t i = 0; i < LIVE_FAULTS; i++) {
        s.faults[i].text[LIVE_NAME_BYTES - 1] = s.faults[i].place[LIVE_NAME_BYTES - 1] = '\0';
        s.faults[i].share[sizeof(s.faults[i].share) - 1] = '\0';
    }
    for (size_t i = 0; i < LIVE_GUARDS; i++) {
        s.guards[i].name[LIVE_NAME_BYTES - 1] = '\0';
        s.guards[i].value[sizeof(s.guards[i].value) - 1] = '\0';
        s.guards[i].limit[sizeof(s.guards[i].limit) - 1] = '\0';
        s.guards[i].state = LIVE_GUARD_NEAR;
        s.guards[i].upper = true;
    }
    for (size_t i = 0; i < LIVE_PHASES; i++) {
        s.phases[i].name[LIVE_NAME_BYTES - 1] = '\0';
        s.phases[i].state = i < 40 ? LIVE_PHASE_DONE : i == 40 ? LIVE_PHASE_NOW : LIVE_PHASE_NEXT;
    }
    for (size_t i = 0; i < LIVE_VERDICTS; i++) {
        s.verdicts[i].kind = VERDICT_FAIL;
        s.verdicts[i].claim[sizeof(s.verdicts[i].claim) - 1] = '\0';
        s.verdicts[i].text[LIVE_TEXT_BYTES - 1] = '\0';
        s.verdicts[i].needs[LIVE_TEXT_BYTES - 1] = '\0';
        s.verdicts[i].mark[sizeof(s.verdicts[i].mark) - 1] = '\0';
    }
    for (size_t i = 0; i < LIVE_EVENTS; i++) {
        s.events[i].kind = LIVE_EVENT_MESH;
        s.events[i].text[LIVE_TEXT_BYTES - 1] = '\0';
    }
    s.question.open = true;
    for (size_t i = 0; i < LIVE_LANES; i++)
        s.lanes[i].out = true;
    text_init(&text, LIVE_JSON_BYTES);
    assert_true(live_json(&s, &text));
    json_t *json = json_loads(text_get(&text), 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "running");
    json_decref(json);
    text_release(&text);
}

static void hostile_text_is_made_inert(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {{"payments/2", "payments/2"},
                {"\x1b[2J\x1b]0;owned\x07", "?[2J?]0;owned?"},
                {"a\r\nb\tc", "a??b?c"},
                {"\x7f\xc2\x9b", "??"},              /* DEL, and CSI as one character */
                {"\xff\xfe\xc3", "???"},             /* not UTF-8 */
                {"\xc0\xaf\xe0\x80\xaf", "?????"},   /* too long for what it says */
                {"\xe2\x80\xaegnp.exe", "?gnp.exe"}, /* right to left */
                {"e\xcc\x81\xe2\x80\x8b", "e??"},    /* joins what stands before; no width */
                {"\xf3\xa0\x80\x81", "?"},           /* a tag */
                {"caf\xc3\xa9 \xe6\xbc\xa2", "caf\xc3\xa9 \xe6\xbc\xa2"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char to[64];
        live_clean(to, sizeof(to), rows[i].from);
        assert_string_equal(to, rows[i].to);
    }
    char cut[4];
    live_clean(cut, sizeof(cut), "ab\xe6\xbc\xa2");
    assert_string_equal(cut, "ab");
    live_clean(cut, sizeof(cut), NULL);
    assert_string_equal(cut, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_first_phase_it_is_starting),
        cmocka_unit_test(a_failing_endpoint_goes_out),
        cmocka_unit_test(a_fault_in_force_has_its_time_and_reach),
        cmocka_unit_test(a_fault_ends_by_its_ttl_where_that_is_first),
        cmocka_unit_test(phases_and_what_is_next),
        cmocka_unit_test(awaits_take_their_times_one_after_the_other),
        cmocka_unit_test(a_guard_shows_its_value_beside_its_limit),
        cmocka_unit_test(a_guard_of_yes_or_no_is_never_near_its_limit),
        cmocka_unit_test(the_end_is_told),
        cmocka_unit_test(verdicts_so_far_come_worst_first),
        cmocka_unit_test(a_pause_stops_the_phase_and_it_goes_on),
        cmocka_unit_test(a_question_waits_until_it_is_closed),
        cmocka_unit_test(an_abort_counts_what_is_undone),
        cmocka_unit_test(requests_that_were_not_good_are_named),
        cmocka_unit_test(a_snapshot_as_json_fits),
        cmocka_unit_test(the_largest_snapshot_fits_too),
        cmocka_unit_test(hostile_text_is_made_inert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
