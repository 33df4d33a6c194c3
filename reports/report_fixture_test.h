#ifndef REPORTS_REPORT_FIXTURE_TEST_H
#define REPORTS_REPORT_FIXTURE_TEST_H

/* A small run made by hand for the tests of the report writers: one scenario, one phase, a PASS, a
 * FAIL with a witness, an INCONCLUSIVE, and hostile text everywhere. */

#include "reports/report.h"

#include <stdlib.h>

struct report_fixture {
    struct journal *journal;
    struct plan *plan;
    struct judgement judgement;
    struct report report;
};

#define FIXTURE_RUN_HI ((UINT64_C(0x7c1e4a90) << 32) | 1)

static inline void report_fixture_request(struct journal *j, uint64_t id_lo, int tries)
{
    struct request_record r = {.due = 1000000000,
                               .id_hi = FIXTURE_RUN_HI,
                               .id_lo = id_lo,
                               .root_hi = FIXTURE_RUN_HI,
                               .root_lo = id_lo,
                               .start = 1000,
                               .sent = 2000,
                               .head = 90000000,
                               .done = 90500000,
                               .status = 503,
                               .verb = VERB_GET,
                               .edge = journal_add_name(j, "client -> payments"),
                               .path = journal_add_name(j, "/"),
                               .tag = journal_add_name(j, "all:503")};
    journal_add(j, 1, RECORD_REQUEST, &r);
    for (int k = 1; k <= tries; k++) {
        struct attempt_record a = {.at = 1000000000 + (uint64_t)k * 20000000,
                                   .id_hi = FIXTURE_RUN_HI,
                                   .id_lo = id_lo,
                                   .out = 400000,
                                   .done = 500000,
                                   .endpoint = (uint16_t)(1 + k % 3),
                                   .status = 503,
                                   .fault = 2,
                                   .k = (uint16_t)k,
                                   .n_mesh = (uint16_t)k,
                                   .how_tied = TIED_OWN_ID};
        journal_add(j, 2, RECORD_ATTEMPT, &a);
    }
}

static inline struct judged *report_fixture_verdicts(void)
{
    static struct judged d[3];
    const struct source line = {"k8s/pay<ments>.yaml", 14, 17}, asked = {"suites/gate.lua", 4, 0};
    for (size_t i = 0; i < COUNT_OF(d); i++)
        d[i] = (struct judged){.scenario = 0,
                               .ordinal = 0,
                               .scenario_name = "policy: client -> payments",
                               .phase_name = "mixed",
                               .arm = "subject",
                               .on = "client -> payments",
                               .asked_by = asked,
                               .gates = true};
    d[0].claim = claim_type_find("retry.max");
    d[0].verdict = (struct verdict){.kind = VERDICT_FAIL,
                                    .wrong = 41,
                                    .eligible = 5210,
                                    .witness_hi = FIXTURE_RUN_HI,
                                    .witness_lo = 0x18f2,
                                    .policy_line = line,
                                    .policy = "at most 3 retries",
                                    .text = "4 retries on 41 of 5 210 requests \x01<script>&\"",
                                    .certain = "one witness is enough (class D)"};
    d[1].claim = claim_type_find("retry.must");
    d[1].verdict = (struct verdict){
        .kind = VERDICT_INCONCLUSIVE, .text = "the fault never fired", .needs = "10 more requests"};
    d[2].claim = claim_type_find("timeout.try");
    d[2].verdict = (struct verdict){.kind = VERDICT_PASS,
                                    .text = "per try 600 ms: 30 of 30 cut at 600..603 ms",
                                    .policy_line = line};
    return d;
}

/* Somebody answers for the FAIL of report_fixture_make. */
static inline void report_fixture_accept(struct report_fixture *f, bool stands)
{
    static struct accepted a;
    a = (struct accepted){20261231, stands, "PAY-12", "payments", "until \x01the <move>"};
    f->judgement.verdicts[0].accepted = &a;
    f->judgement.verdicts[0].note = "one layer alone retries";
    if (!stands)
        return;
    f->judgement.verdicts[0].gates = false;
    f->judgement.fail = 0;
    f->judgement.accepted = 1;
    f->judgement.outcome = VERDICT_INCONCLUSIVE;
}

static inline void report_fixture_make(struct report_fixture *f)
{
    static struct judged_phase phase = {.name = "mixed",
                                        .why = "clock",
                                        .t0_ns = 1000000000,
                                        .t1_ns = UINT64_C(13000000000),
                                        .requests = 5210,
                                        .tries = 15671};
    static struct judged_fault fault = {
        .fault = 2, .text = "abort 503", .on = "payments", .where = "payments", .fired = 164};
    static struct judged_control control = {
        .name = "one_retry_more", .claim = "retry.max", .kind = VERDICT_FAIL, .as_it_must = true};
    *f = (struct report_fixture){.journal = journal_new(), .plan = plan_new()};
    journal_add_proc(f->journal, 1, "load", "subject", "client");
    journal_add_proc(f->journal, 2, "proxy", "subject", "payments");
    journal_add_phase(f->journal, &(struct journal_phase){.phase = 1,
                                                          .arm = "subject",
                                                          .name = "mixed",
                                                          .why = "clock",
                                                          .t0_ns = 1000000000,
                                                          .t1_ns = UINT64_C(13000000000)});
    report_fixture_request(f->journal, 0x18f2, 5);
    f->journal->run = json_pack("{s:s, s:s, s:I}", "run", "7c1e4a90", "seed", "3f1c09ab", "wall_ns",
                                (json_int_t)INT64_C(1795500000000000000));
    f->journal->policy = json_pack("{s:s, s:s, s:s, s:i, s:[]}", "target", "istio@1.31", "driver",
                                   "builtin", "paths", "k8s/", "objects", 9, "findings");
    f->journal->end_how = "complete";
    f->plan->suite = "suites/gate.lua";
    f->plan->scenarios = ARENA_ARRAY(&f->plan->arena, struct scenario, 1);
    f->plan->scenarios[0].name = "policy: client -> payments";
    f->plan->scenario_count = 1;
    f->judgement = (struct judgement){.verdicts = report_fixture_verdicts(),
                                      .verdict_count = 3,
                                      .phases = &phase,
                                      .phase_count = 1,
                                      .faults = &fault,
                                      .fault_count = 1,
                                      .controls = &control,
                                      .control_count = 1,
                                      .outcome = VERDICT_FAIL,
                                      .pass = 1,
                                      .fail = 1,
                                      .inconclusive = 1};
    f->report = (struct report){
        .journal = f->journal, .judgement = &f->judgement, .plan = f->plan, .version = "0.1.0"};
}

static inline void report_fixture_release(struct report_fixture *f)
{
    journal_free(f->journal);
    f->plan->scenario_count = 0;
    plan_free(f->plan);
}

/* The writer's output; the caller's to free. */
static inline char *report_fixture_write(const struct report_fixture *f, const char *format)
{
    char *at = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&at, &len);
    struct error err = {0};
    bool ok = report_writer_find(format)->write(&f->report, to, &err);
    fclose(to);
    INVARIANT(ok);
    char *copy = check_strdup(at);
    free(at);
    return copy;
}

#endif
