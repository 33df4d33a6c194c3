#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "reports/html.h"
#include "reports/report_fixture_test.h"

/* The page keeps to its budget whatever the run was (ui.md 8, 11): a million requests, fifty
 * endpoints with names past what is shown, a hundred claims. */

#define REQUESTS UINT64_C(1000008) /* of twelve phases alike */
#define ENDPOINTS 50
#define CLAIMS 100
#define PHASES 12
#define RUN_NS (UINT64_C(1800) * NS_PER_S)

static void add_traffic(struct journal *j)
{
    uint32_t edge = journal_add_name(j, "client -> payments"), path = journal_add_name(j, "/");
    for (uint64_t i = 0; i < REQUESTS; i++) {
        uint64_t at = NS_PER_S + RUN_NS / REQUESTS * i;
        bool bad = i % 97 < 9;
        struct request_record r = {.due = at,
                                   .id_hi = FIXTURE_RUN_HI,
                                   .id_lo = i + 1,
                                   .root_hi = FIXTURE_RUN_HI,
                                   .root_lo = i + 1,
                                   .start = 1000,
                                   .done = (1 + i % 311) * NS_PER_MS,
                                   .status = bad ? 503 : 200,
                                   .verb = VERB_GET,
                                   .edge = edge,
                                   .path = path};
        struct attempt_record a = {.at = at + NS_PER_MS,
                                   .id_hi = FIXTURE_RUN_HI,
                                   .id_lo = i + 1,
                                   .out = (1 + i % 307) * (NS_PER_MS / 2),
                                   .done = (1 + i % 307) * NS_PER_MS,
                                   .endpoint = (uint16_t)(1 + i % ENDPOINTS),
                                   .status = bad ? 503 : 200,
                                   .k = 1,
                                   .n_mesh = 1,
                                   .how_tied = TIED_OWN_ID};
        r.head = r.first = r.done;
        journal_add(j, 1, RECORD_REQUEST, &r);
        journal_add(j, 2, RECORD_ATTEMPT, &a);
        if (bad) {
            a.k = a.n_mesh = 2;
            a.at += 20 * NS_PER_MS;
            journal_add(j, 2, RECORD_ATTEMPT, &a);
        }
    }
}

static void add_phases(struct report_fixture *f, struct judged_phase *phases)
{
    for (uint32_t i = 0; i < PHASES; i++) {
        uint64_t from = NS_PER_S + RUN_NS / PHASES * i;
        phases[i] = (struct judged_phase){.ordinal = i,
                                          .name = "a phase with a name of some length",
                                          .why = "clock",
                                          .t0_ns = from,
                                          .t1_ns = from + RUN_NS / PHASES,
                                          .requests = REQUESTS / PHASES,
                                          .tries = REQUESTS / PHASES};
        journal_add_phase(f->journal, &(struct journal_phase){.phase = i + 2,
                                                              .ordinal = i,
                                                              .arm = "subject",
                                                              .name = phases[i].name,
                                                              .why = "clock",
                                                              .t0_ns = from,
                                                              .t1_ns = phases[i].t1_ns});
    }
    f->judgement.phases = phases;
    f->judgement.phase_count = PHASES;
}

static void a_million_requests_fifty_endpoints_and_a_hundred_claims_fit(void **state)
{
    static struct judged many[CLAIMS];
    static struct judged_phase phases[PHASES];
    struct report_fixture f;
    size_t types;
    const struct claim_type *const *all = claim_types(&types);
    (void)state;
    report_fixture_make(&f);
    journal_add_proc(f.journal, 3, "proxy", "subject", "payments");
    add_phases(&f, phases);
    add_traffic(f.journal);
    for (size_t i = 0; i < CLAIMS; i++) {
        many[i] = f.judgement.verdicts[i < 15 ? 0 : i < 30 ? 1 : 2];
        many[i].claim = all[i % types];
        many[i].ordinal = (uint32_t)(i % PHASES);
        many[i].phase_name = phases[0].name;
    }
    f.judgement.verdicts = many;
    f.judgement.verdict_count = CLAIMS;
    char *page = report_fixture_write(&f, "html");
    if (strlen(page) > HTML_BUDGET_BYTES)
        fail_msg("the page has %zu bytes", strlen(page));
    assert_non_null(strstr(page, "1 000 008 requests"));
    free(page);
    report_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_requests_fifty_endpoints_and_a_hundred_claims_fit),
    };
    return cmocka_run_group_tests_name("html_budget", tests, NULL, NULL);
}
