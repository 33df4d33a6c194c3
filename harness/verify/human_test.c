/* expect.human and await.human on journals written by hand. */
#include "verify/whole_fixture_test.h"

#define WALL_NS ((json_int_t)(14 * 3600 + 5 * 60 + 33) * 1000000000)

static void asked(struct whole *w, const char *answer)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, "look", 0, 10 * S);
    whole_step(w, phase, STEP_EXPECT, "human", NULL,
               answer == NULL
                   ? (const char *const[]){"ask", "Healed?", NULL}
                   : (const char *const[]){"ask", "Which alert?", "answer", answer, NULL});
    for (uint64_t t = 0; t < 10 * S; t += 50 * MS)
        whole_good(w, t, 2 * MS);
}

static void question(struct whole *w, int number, int step, uint32_t phase)
{
    journal_add_event(w->j, phase, WHOLE_T0 + 10 * NS_PER_S, "question",
                      json_pack("{s:i, s:i, s:s, s:s, s:I, s:i}", "number", number, "scenario", 0,
                                "kind", "expect", "ask", "?", "within_ns",
                                (json_int_t)(5 * NS_PER_S), "step", step));
}

static void answered(struct whole *w, int number, const char *answer)
{
    journal_add_event(w->j, 1, WHOLE_T0 + 12 * NS_PER_S, "answer",
                      json_pack("{s:i, s:s, s:s, s:s, s:s, s:I}", "number", number, "answer",
                                answer, "who", "alice", "channel", "terminal", "state", "answered",
                                "wall_ns", WALL_NS));
}

static void closed(struct whole *w, int number, const char *as)
{
    journal_add_event(w->j, 1, WHOLE_T0 + 15 * NS_PER_S, "question_closed",
                      json_pack("{s:i, s:s}", "number", number, "state", as));
}

static void what_was_expected_passes_and_anything_else_fails(void **state)
{
    struct whole w;
    (void)state;
    asked(&w, "payments 5xx");
    question(&w, 1, 1, 1);
    answered(&w, 1, "Payments 5XX");
    closed(&w, 1, "answered");
    whole_are(&w, "human", VERDICT_PASS, WHY_NONE,
              "\"Payments 5XX\", by alice at 14:05:33 UTC on the terminal");
    asked(&w, "payments 5xx");
    question(&w, 1, 1, 1);
    answered(&w, 1, "<script>");
    closed(&w, 1, "answered");
    whole_are(&w, "human", VERDICT_FAIL, WHY_NONE,
              "alice answered \"<script>\", not \"payments 5xx\", at 14:05:33 UTC on the terminal");
    asked(&w, NULL);
    question(&w, 1, 1, 1);
    answered(&w, 1, "no");
    whole_are(&w, "human", VERDICT_FAIL, WHY_NONE, "alice answered \"no\", not \"yes\"");
}

static void without_an_answer_nothing_is_decided(void **state)
{
    struct whole w;
    (void)state;
    asked(&w, NULL);
    question(&w, 1, 1, 1);
    closed(&w, 1, "late");
    whole_are(&w, "human", VERDICT_INCONCLUSIVE, WHY_EXPIRED, "nobody answered within 5s");
    asked(&w, NULL);
    question(&w, 1, 1, 1);
    closed(&w, 1, "dropped");
    whole_are(&w, "human", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED,
              "the run ended before anybody answered");
    asked(&w, NULL);
    whole_are(&w, "human", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED,
              "the run ended before this was asked");
}

/* The answer to another question, to another phase's, or to an await is none. */
static void an_answer_belongs_to_one_question(void **state)
{
    struct whole w;
    (void)state;
    asked(&w, NULL);
    question(&w, 1, 2, 1); /* another step */
    question(&w, 2, 1, 2); /* another phase */
    question(&w, 3, 1, 0); /* of the whole scenario */
    answered(&w, 1, "yes");
    answered(&w, 2, "yes");
    answered(&w, 3, "yes");
    whole_are(&w, "human", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED,
              "the run ended before this was asked");
    asked(&w, NULL);
    question(&w, 7, 1, 1);
    question(&w, 8, 2, 1);
    answered(&w, 8, "no");
    answered(&w, 7, "yes");
    whole_are(&w, "human", VERDICT_PASS, WHY_NONE, "\"yes\", by alice");
}

/* A journal is foreign bytes: rows that are no such rows decide nothing. */
static void rows_of_another_shape_are_no_answers(void **state)
{
    struct whole w;
    (void)state;
    asked(&w, NULL);
    journal_add_event(w.j, 1, WHOLE_T0, "question", NULL);
    journal_add_event(w.j, 1, WHOLE_T0, "question", json_pack("[i]", 1));
    question(&w, 1, 1, 1);
    journal_add_event(w.j, 1, WHOLE_T0, "answer", json_pack("{s:s}", "number", "1"));
    journal_add_event(w.j, 1, WHOLE_T0, "question_closed",
                      json_pack("{s:i, s:i}", "number", 1, "state", 3));
    whole_are(&w, "human", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED,
              "the run ended before anybody answered");
}

static void the_whole_scenario_is_asked_too(void **state)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    struct whole w;
    (void)state;
    whole_open(&w, &edge, "http1");
    whole_phase(&w, "calm", 0, 10 * S);
    for (uint64_t t = 0; t < 10 * S; t += 50 * MS)
        whole_good(&w, t, 2 * MS);
    w.s->steps = ARENA_ARRAY(&w.plan->arena, struct step, 1);
    w.s->step_count = 1;
    w.s->steps[0] =
        step_make(w.plan, STEP_EXPECT, "human", NULL, (struct source){"whole.lua", 9, 0},
                  (const char *const[]){"ask", "Runbook correct?", NULL});
    question(&w, 1, 1, 0);
    answered(&w, 1, "yes");
    whole_are(&w, "human", VERDICT_PASS, WHY_NONE, "\"yes\", by alice");
}

static void waited(struct whole *w, const char *late, bool met)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, "wait", 0, 10 * S);
    phase->ends = PHASE_BY_AWAITS;
    whole_good(w, S, MS);
    whole_step(w, phase, STEP_AWAIT, "human", NULL,
               (const char *const[]){"ask", "Drained?", "within", "5s", "late", late, NULL});
    journal_add_event(w->j, 1, WHOLE_T0 + 6 * NS_PER_S, "await",
                      json_pack("{s:s, s:s, s:b, s:I}", "word", "human", "on", "Drained?", "met",
                                met, "after_ns", (json_int_t)(5 * NS_PER_S)));
}

/* Who let a run go on is asked for long after it. */
static void an_await_says_who_answered(void **state)
{
    struct whole w;
    (void)state;
    waited(&w, "fail", true);
    for (int i = 1; i <= 2; i++) { /* the second is of another question */
        journal_add_event(w.j, 1, WHOLE_T0 + NS_PER_S, "question",
                          json_pack("{s:i, s:s, s:s}", "number", i, "kind", "await", "ask",
                                    i == 1 ? "Drained?" : "Another?"));
        journal_add_event(w.j, 1, WHOLE_T0 + (i == 1 ? 6 : 5) * NS_PER_S, "answer",
                          json_pack("{s:i, s:s, s:s, s:s, s:I}", "number", i, "answer", "yes",
                                    "who", i == 1 ? "bob" : "eve", "channel", "socket", "wall_ns",
                                    WALL_NS));
    }
    whole_are(&w, "await.human", VERDICT_PASS, WHY_NONE,
              "after 5000 ms, yes by bob at 14:05:33 UTC by meshproof answer");
}

static void an_await_that_nobody_answers_fails_or_is_left_open(void **state)
{
    struct whole w;
    (void)state;
    waited(&w, "fail", true);
    whole_are(&w, "await.human", VERDICT_PASS, WHY_NONE, "after 5000 ms");
    waited(&w, "fail", false);
    whole_are(&w, "await.human", VERDICT_FAIL, WHY_NONE,
              "nobody said yes to \"Drained?\" within 5000 ms");
    waited(&w, "go_on", false);
    whole_are(&w, "await.human", VERDICT_INCONCLUSIVE, WHY_EXPIRED,
              "nobody said yes to \"Drained?\" within 5000 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_expected_passes_and_anything_else_fails),
        cmocka_unit_test(without_an_answer_nothing_is_decided),
        cmocka_unit_test(an_answer_belongs_to_one_question),
        cmocka_unit_test(rows_of_another_shape_are_no_answers),
        cmocka_unit_test(the_whole_scenario_is_asked_too),
        cmocka_unit_test(an_await_says_who_answered),
        cmocka_unit_test(an_await_that_nobody_answers_fails_or_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
