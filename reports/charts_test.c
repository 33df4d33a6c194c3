/* All charts together: a golden file of one simulated gate whose mesh ends ejections too early, and
 * the bound on their bytes. */
#include "reports/chart_fixture_test.h"
#include "reports/good_file_test.h"
#include "reports/scene.h"
#include "verify/simulator_run_test.h"

#define GOOD SOURCE_ROOT "/reports/charts.good"
#define BUDGET_BYTES 200000
#if defined(__SANITIZE_ADDRESS__)
#define MANY 100000
#else
#define MANY 1000000
#endif

static char *all_of(const struct report *report, unsigned coarse)
{
    size_t count;
    const struct chart *all = charts_all(&count);
    struct text text;
    text_init(&text, (size_t)16 * 1024 * 1024);
    for (size_t i = 0; i < count; i++) {
        struct chart_note note;
        char *one = chart_of(report, all[i].name, coarse, &note);
        chart_is_sound(one);
        text_add(&text, "<!-- %s: %s -->\n", all[i].name, note.text);
        text_add_bytes(&text, bytes_of(one));
        free(one);
    }
    return text_take(&text);
}

static void the_charts_of_a_simulated_gate_are_the_stored_ones(void **state)
{
    struct edge_policy edge = sim_policy();
    struct sim s;
    struct judgement *g;
    struct error err = {0};
    (void)state;
    sim_open(&s, &edge, DEPTH_FULL, 7);
    s.mesh.base_ns /= 2;
    sim_run(&s);
    if (!judge_run(s.j, NULL, &g, &err))
        fail_msg("%s", err.text);
    struct report report = {.journal = s.j, .judgement = g, .plan = s.plan};
    char *text = all_of(&report, 0);
    chart_has(text, "too early");
    chart_has(text, ">found</text>");
    chart_has(text, "eject.length");
    good_file_is(GOOD, text);
    free(text);
    judgement_free(g);
    sim_close(&s);
}

static void add_many(struct sim *s)
{
    uint32_t name = journal_add_name(s->j, "client -> payments");
    uint64_t span = 600 * NS_PER_S;
    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t at = SIM_T0 + i * (span / MANY), n = i * UINT64_C(0x9e3779b97f4a7c15) >> 40;
        uint16_t endpoint = (uint16_t)(n % 50 + 1), kind = (uint16_t)(n / 50 % 40);
        struct request_record r = {.due = at,
                                   .id_hi = 7,
                                   .id_lo = i + 1,
                                   .start = 1,
                                   .sent = 2,
                                   .head = (n % 900 + 1) * NS_PER_MS,
                                   .done = (n % 900 + 1) * NS_PER_MS,
                                   .edge = name,
                                   .status = n % 31 == 0 ? 503 : 200,
                                   .verb = VERB_GET};
        struct attempt_record a = {.at = at + NS_PER_MS,
                                   .id_hi = 7,
                                   .id_lo = i + 1,
                                   .body = 1,
                                   .out = kind == 1 ? 0 : NS_PER_MS,
                                   .done = NS_PER_MS + 1,
                                   .left = kind == 1 ? NS_PER_MS : 0,
                                   .endpoint = endpoint,
                                   .status = kind == 0 ? 503 : 200,
                                   .outcome = kind == 1   ? OUTCOME_LEFT
                                              : kind == 2 ? OUTCOME_RESET_BY_FAULT
                                                          : OUTCOME_ANSWERED,
                                   .k = 1,
                                   .how_tied = TIED_OWN_ID,
                                   .verb = VERB_GET};
        struct handshake_record h = {
            .at = at, .endpoint = endpoint, .result = HANDSHAKE_REFUSED_BY_PEER};
        journal_add(s->j, SIM_LOAD, RECORD_REQUEST, &r);
        journal_add(s->j, SIM_PROXY, RECORD_ATTEMPT, &a);
        if (i % 100 == 0)
            journal_add(s->j, SIM_PROXY, RECORD_HANDSHAKE, &h);
    }
    for (uint32_t p = 0; p < 40; p++) {
        char phase[64];
        snprintf(phase, sizeof(phase), "a phase that has a long name, number %u", p);
        journal_add_phase(s->j, &(struct journal_phase){.phase = p + 1,
                                                        .ordinal = p,
                                                        .arm = "subject",
                                                        .name = phase,
                                                        .why = "clock",
                                                        .t0_ns = SIM_T0 + p * (span / 40),
                                                        .t1_ns = SIM_T0 + (p + 1) * (span / 40)});
    }
}

static void add_faults(struct sim *s)
{
    for (uint32_t n = 0; n < 40; n++)
        for (uint32_t ends = 0; ends < 2; ends++)
            for (uint16_t e = 1; e <= 50; e++) {
                struct fault_record f = {.at = SIM_T0 + (15 * n + 10 * ends) * NS_PER_S,
                                         .params = journal_add_name(s->j, "abort 503"),
                                         .fired = ends * 5,
                                         .fault = (uint16_t)(n + 1),
                                         .what = (uint8_t)ends,
                                         .endpoint = e};
                journal_add(s->j, SIM_PROXY, RECORD_FAULT, &f);
            }
}

static void a_million_requests_on_fifty_endpoints_are_within_the_budget(void **state)
{
    struct edge_policy edge = sim_policy();
    struct sim s;
    struct judgement none = {0};
    (void)state;
    sim_open(&s, &edge, DEPTH_QUICK, 1);
    add_many(&s);
    add_faults(&s);
    s.j->end_how = "complete";
    struct report report = {.journal = s.j, .judgement = &none, .plan = s.plan};
    struct scene *scene = scene_new(&report);
    report.scene = scene;
    char *text = all_of(&report, 0);
    chart_has(text, "tries at 50 endpoints");
    if (strlen(text) > BUDGET_BYTES)
        fail_msg("the charts have %zu bytes", strlen(text));
    free(text);
    scene_free(scene);
    sim_close(&s);
}

/* Any number in any field but a name: a journal is a file, and files are edited. */
static void mutate(struct rng *rng, enum record_kind kind, void *record)
{
    const struct record_type *type = record_type_of((uint8_t)kind);
    const struct record_field *field = &type->fields[rng_below(rng, type->count)];
    uint64_t value = rng_next(rng) >> rng_below(rng, 64);
    if (field->kind != FIELD_NAME)
        memcpy((char *)record + field->offset, &value, field->width);
}

static void numbers_that_no_run_gives_break_no_chart(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct edge_policy edge = sim_policy();
        struct sim s;
        struct judgement none = {0};
        sim_open(&s, &edge, DEPTH_QUICK, seed);
        sim_run(&s);
        struct rng rng = rng_of(seed);
        for (size_t i = 0; i < 300; i++) {
            mutate(&rng, RECORD_ATTEMPT, &s.j->attempts[rng_below(&rng, s.j->attempt_count)].r);
            mutate(&rng, RECORD_REQUEST, &s.j->requests[rng_below(&rng, s.j->request_count)].r);
        }
        for (size_t i = 0; i < 3; i++) {
            struct journal_phase *p = &s.j->phases[rng_below(&rng, s.j->phase_count)];
            *(i == 0 ? &p->t0_ns : &p->t1_ns) = rng_next(&rng) >> rng_below(&rng, 64);
            p->ordinal = (uint32_t)rng_next(&rng);
        }
        struct fault_record f = {.at = SIM_T0 + NS_PER_S};
        struct handshake_record h = {.at = SIM_T0 + NS_PER_S, .result = HANDSHAKE_RESET};
        for (size_t i = 0; i < 100; i++) {
            mutate(&rng, RECORD_FAULT, &f);
            mutate(&rng, RECORD_HANDSHAKE, &h);
            journal_add(s.j, SIM_PROXY, RECORD_FAULT, &f);
            journal_add(s.j, SIM_PROXY, RECORD_HANDSHAKE, &h);
        }
        struct report report = {.journal = s.j, .judgement = &none, .plan = s.plan};
        struct scene *scene = scene_new(&report);
        report.scene = scene;
        free(all_of(&report, 0));
        scene_free(scene);
        sim_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_charts_of_a_simulated_gate_are_the_stored_ones),
        cmocka_unit_test(numbers_that_no_run_gives_break_no_chart),
        cmocka_unit_test(a_million_requests_on_fifty_endpoints_are_within_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
