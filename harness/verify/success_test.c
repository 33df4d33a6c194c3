/* success and fallback are a census; what our own standing still made is no witness in it. */

#include "verify/whole_fixture_test.h"

#define EVERY_MS 20

/* 10 s of requests, each good but those of [${bad_from_s}, ${bad_to_s}): 504 after 600 ms. Our
 * loops stood still for ${still_s} seconds from then on, a second at once. */
static void open_census(struct whole *w, const char *word, const char *const *keys,
                        unsigned bad_from_s, unsigned bad_to_s, unsigned still_s)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, "calm", 0, 12 * S);
    whole_step(w, phase, STEP_EXPECT, word, "client -> payments", keys);
    for (uint64_t t = 100 * MS; t < 10 * S; t += EVERY_MS * MS) {
        if (t < bad_from_s * S || t >= bad_to_s * S) {
            whole_good(w, t, 2 * MS);
            continue;
        }
        uint64_t id = whole_request(w, t, t + 600 * MS, (struct request_record){.status = 504});
        whole_try(w, id, t + MS, 0, (struct attempt_record){.outcome = OUTCOME_LEFT});
    }
    for (unsigned i = 0; i < still_s; i++) {
        struct stall_record stall = {.at = WHOLE_T0 + (bad_from_s + i) * NS_PER_S,
                                     .fired = 999 * NS_PER_MS};
        journal_add(w->j, WHOLE_PROXY, RECORD_STALL, &stall);
    }
}

static const char *const mostly[] = {"atleast", "99%", NULL};
static const char *const soon[] = {"within", "1s", "atleast", "99%", NULL};

static void what_failed_while_our_loops_stood_still_is_open(void **state)
{
    struct whole w;
    (void)state;
    open_census(&w, "success", mostly, 2, 5, 3);
    whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_STALLED,
              "150 of the 150 that are not good came while our own loops stood still");
    open_census(&w, "fallback", soon, 2, 5, 3);
    whole_are(&w, "fallback", VERDICT_INCONCLUSIVE, WHY_STALLED,
              "150 of the 150 late or with another answer came while our own loops stood still");
}

static void what_failed_at_other_times_stands(void **state)
{
    struct whole w;
    (void)state;
    open_census(&w, "success", mostly, 2, 5, 0);
    whole_are(&w, "success", VERDICT_FAIL, WHY_NONE, "345 of 495 good");
    open_census(&w, "success", mostly, 2, 5, 1);
    whole_are(&w, "success", VERDICT_FAIL, WHY_NONE, "345 of 495 good");
    open_census(&w, "fallback", soon, 2, 5, 1);
    whole_are(&w, "fallback", VERDICT_FAIL, WHY_NONE, "150 with another answer (504)");
}

/* Too few bad ones to be below what was asked: standing still takes nothing from a PASS. */
static void enough_good_ones_pass_all_the_same(void **state)
{
    static const char *const two_thirds[] = {"atleast", "60%", NULL};
    struct whole w;
    (void)state;
    open_census(&w, "success", two_thirds, 2, 5, 3);
    whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "345 of 495 good");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_failed_while_our_loops_stood_still_is_open),
        cmocka_unit_test(what_failed_at_other_times_stands),
        cmocka_unit_test(enough_good_ones_pass_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
