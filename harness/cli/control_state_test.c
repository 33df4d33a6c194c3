#include "cli/control_state.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 (100 * NS_PER_S)

static const struct record_source own = {.role = "", .arm = "", .service = ""};
static const struct record_source proxy = {
    .proc = 2, .role = "proxy", .arm = "subject", .service = "payments"};

static void phase(struct control_state *s, uint32_t number, const char *arm, const char *name,
                  const char *why)
{
    struct journal_phase p = {.phase = number, .arm = arm, .name = name, .why = why, .t0_ns = T0};
    control_state_row(s, &own, RECORD_PHASE, &p);
}

static void event(struct control_state *s, uint32_t number, const char *what, const char *json)
{
    struct journal_event e = {
        .phase = number, .what = what, .t_ns = T0, .json = json_loads(json, 0, NULL)};
    assert_non_null(e.json);
    control_state_row(s, &own, RECORD_EVENT, &e);
    json_decref(e.json);
}

static void armed(struct control_state *s, uint32_t number, int fault, const char *name)
{
    json_t *row = json_pack("{si ss ss ss ss}", "fault", fault, "word", "abort", "text",
                            "abort 503", "on", "payments/2", "name", name);
    char *json = row == NULL ? NULL : json_dumps(row, JSON_COMPACT);
    assert_non_null(json);
    event(s, number, "fault_armed", json);
    free(json);
    json_decref(row);
}

static void the_subject_is_told_of_and_controls_are_not(void **state)
{
    struct control_state s;
    (void)state;
    control_state_init(&s);
    phase(&s, 1, "right", "storm", NULL);
    assert_string_equal(s.word, "starting");
    phase(&s, 2, "subject", "storm", NULL);
    assert_string_equal(s.word, "running");
    assert_string_equal(s.phase, "storm");
    armed(&s, 1, 7, "not ours");
    assert_int_equal(s.fault_count, 0);
    armed(&s, 2, 7, "ours");
    armed(&s, 0, 7, "again, between phases");
    assert_int_equal(s.fault_count, 1);
    phase(&s, 2, "subject", "storm", "clock");
    assert_string_equal(s.phase, "");
    event(&s, 2, "fault_disarmed", "{\"fault\":7}");
    event(&s, 2, "fault_disarmed", "{\"fault\":7}"); /* once more harms nothing */
    assert_int_equal(s.fault_count, 0);
    control_state_release(&s);
}

static void an_abort_counts_what_it_takes_out_and_back(void **state)
{
    struct control_state s;
    struct fault_record before = {.at = T0 - 1, .what = 1},
                        off = {.at = T0 + 41 * NS_PER_MS, .what = 1};
    struct world_record done = {.entry = 3, .step = 2, .read_back_ok = 1},
                        not_back = {.entry = 4, .step = 2},
                        of_the_lab = {.entry = 0, .step = 2, .read_back_ok = 1};
    (void)state;
    control_state_init(&s);
    phase(&s, 1, "subject", "storm", NULL);
    armed(&s, 1, 1, "");
    armed(&s, 1, 2, "");
    event(&s, 0, "pause", "{\"who\":\"alice\"}");
    assert_string_equal(s.word, "paused");
    event(&s, 0, "resume", "{\"who\":\"alice\"}");
    assert_string_equal(s.word, "running");
    event(&s, 1, "abort", "{\"arm\":\"right\",\"why\":\"x\"}");
    assert_string_equal(s.word, "running");
    control_state_row(&s, &proxy, RECORD_FAULT, &before);
    event(&s, 1, "abort", "{\"arm\":\"subject\",\"why\":\"stopped by alice\"}");
    event(&s, 1, "fault_disarmed", "{\"fault\":1}");
    event(&s, 1, "fault_disarmed", "{\"fault\":2}");
    control_state_row(&s, &proxy, RECORD_FAULT, &off);
    control_state_row(&s, &own, RECORD_WORLD, &done);
    control_state_row(&s, &own, RECORD_WORLD, &not_back);
    control_state_row(&s, &own, RECORD_WORLD, &of_the_lab);
    json_t *json = control_state_json(&s);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"changes\":0,\"faults\":[],\"faults_off\":2,\"not_back\":1,"
                              "\"off_ms\":41,\"phase\":\"storm\",\"phases\":[\"storm\"],"
                              "\"state\":\"undoing\",\"undone\":1,\"why\":\"stopped by alice\"}");
    free(text);
    json_decref(json);
    control_state_release(&s);
}

/* However many there are, and wherever a text is cut. */
static void what_it_keeps_is_bounded(void **state)
{
    struct control_state s;
    char name[400];
    (void)state;
    control_state_init(&s);
    memset(name, 0, sizeof(name));
    for (size_t i = 0; i + 2 < sizeof(name); i += 2)
        memcpy(name + i, i < 100 ? "\"\\" : i < 120 ? "\x01\x02" : "\xc3\xa4", 2);
    for (uint32_t i = 1; i <= 3 * CONTROL_PHASES_MOST; i++)
        phase(&s, i, "subject", name + i % 2, NULL);
    for (int i = 1; i <= 3 * CONTROL_FAULTS_MOST; i++)
        armed(&s, 3 * CONTROL_PHASES_MOST, i, name);
    assert_int_equal(s.phase_count, CONTROL_PHASES_MOST);
    assert_int_equal(s.fault_count, CONTROL_FAULTS_MOST);
    json_t *json = control_state_json(&s);
    assert_int_equal(json_array_size(json_object_get(json, "phases")), CONTROL_PHASES_MOST);
    assert_int_equal(json_array_size(json_object_get(json, "faults")), CONTROL_FAULTS_MOST);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_true(strlen(text) < (size_t)64 * 1024); /* CONTROL_ANSWER_MOST: a reader takes it */
    free(text);
    json_decref(json);
    control_state_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_subject_is_told_of_and_controls_are_not),
        cmocka_unit_test(an_abort_counts_what_it_takes_out_and_back),
        cmocka_unit_test(what_it_keeps_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
