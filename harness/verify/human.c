/* human (spec/scenario-language.md 1.7): what a person observed is what was expected. */
#include "plan/human.h"

#include "verify/claims.h"
#include "verify/window.h"

#include "base/units.h"

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

/* The how-manyth expect.human among the steps this one is, as the asker counts (from 1). */
static bool count_to(const struct step *steps, size_t count, const struct step *asked,
                     json_int_t *number)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        *number += s->kind == STEP_EXPECT && strcmp(s->word, "human") == 0;
        if (s == asked || count_to(s->steps, s->step_count, asked, number))
            return true;
    }
    return false;
}

/* The scenario of the window, by the phase that it begins in; -1: none is known. */
static json_int_t scenario_of(const struct window *w)
{
    const struct journal *j = w->journal;
    for (size_t i = 0; i < j->phase_count; i++) {
        const struct journal_phase *p = &j->phases[i];
        if (strcmp(p->arm, w->track->arm) == 0 && p->t0_ns <= w->span.from_ns &&
            w->span.from_ns < p->t1_ns)
            return p->scenario;
    }
    return -1;
}

/* Row ${number} of the journal's phases is a run of the window's phase, in its arm: of its rest
 * after a pause, maybe. 0 is of the whole scenario. */
static bool is_of_phase(const struct window *w, uint32_t number)
{
    const struct journal *j = w->journal;
    if (w->phase == NULL)
        return number == 0;
    size_t ordinal = (size_t)(w->phase - w->scenario->phases);
    for (size_t i = 0; i < j->phase_count; i++)
        if (j->phases[i].phase == number && j->phases[i].ordinal == ordinal &&
            strcmp(j->phases[i].arm, w->track->arm) == 0)
            return true;
    return false;
}

static json_int_t number_of(const struct journal_event *e, const char *key)
{
    return json_integer_value(json_object_get(e->json, key));
}

static const char *text_of(const struct journal_event *e, const char *key)
{
    const char *text = e == NULL ? NULL : json_string_value(json_object_get(e->json, key));
    return text == NULL ? "" : text;
}

/* NULL: it was not asked. */
static const struct journal_event *question_of(const struct window *w)
{
    const struct journal *j = w->journal;
    json_int_t scenario = scenario_of(w);
    const struct step *steps = w->phase != NULL ? w->phase->steps : w->scenario->steps;
    size_t count = w->phase != NULL ? w->phase->step_count : w->scenario->step_count;
    json_int_t step = 0;
    if (scenario < 0 || !count_to(steps, count, w->asked, &step))
        return NULL;
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        if (strcmp(e->what, "question") == 0 && strcmp(text_of(e, "kind"), "expect") == 0 &&
            is_of_phase(w, e->phase) && number_of(e, "scenario") == scenario &&
            number_of(e, "step") == step)
            return e;
    }
    return NULL;
}

/* What became of question ${number}: its answer, or why it was closed without one. */
static const struct journal_event *event_of(const struct journal *j, const char *what,
                                            json_int_t number)
{
    for (size_t i = 0; i < j->event_count; i++)
        if (strcmp(j->events[i].what, what) == 0 && number_of(&j->events[i], "number") == number)
            return &j->events[i];
    return NULL;
}

static void judge_answer(const struct journal_event *answer, const char *expected,
                         struct arena *arena, struct verdict *ret)
{
    const char *said = text_of(answer, "answer"), *who = text_of(answer, "who");
    char when[HUMAN_WHEN_BYTES];
    human_print_when((uint64_t)number_of(answer, "wall_ns"), text_of(answer, "channel"), when);
    ret->eligible = 1;
    if (human_matches(expected, said)) {
        verdict_pass(ret, arena, "\"%s\", by %s at %s", said, who, when);
        return;
    }
    ret->wrong = 1;
    window_witness(ret, NULL, answer->t_ns);
    verdict_fail(ret, arena, "%s answered \"%s\", not \"%s\", at %s", who, said, expected, when);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    const char *ask = window_key(w, "ask"), *expected = window_key(w, "answer");
    const struct journal_event *question, *answer, *closed;
    (void)edge;
    expected = expected == NULL ? "yes" : expected;
    ret->unit = "answers";
    ret->needed = 1;
    verdict_policy(ret, NULL, arena, "\"%s\" to \"%s\"", expected, ask == NULL ? "" : ask);
    question = w->scenario == NULL ? NULL : question_of(w);
    if (question == NULL) {
        verdict_open(ret, WHY_NOT_ENDED, arena, "the run ended before this was asked");
        ret->needs = "a run that reaches it";
        return;
    }
    json_int_t number = number_of(question, "number");
    answer = event_of(w->journal, "answer", number);
    closed = event_of(w->journal, "question_closed", number);
    if (answer != NULL) {
        judge_answer(answer, expected, arena, ret);
    } else if (strcmp(text_of(closed, "state"), "late") == 0) {
        char span[32];
        uint64_t within_ns = (uint64_t)number_of(question, "within_ns");
        verdict_open(ret, WHY_EXPIRED, arena, "nobody answered within %s",
                     units_print_duration(within_ns, span, sizeof(span)));
        ret->needs = "somebody who answers: at the terminal of the run, or by meshproof answer";
    } else {
        verdict_open(ret, WHY_NOT_ENDED, arena, "the run ended before anybody answered");
        ret->needs = "a run that is not aborted";
    }
}

const struct claim_type claim_human = {
    .id = "human",
    .word = "human",
    .only = "human",
    .help = "what a person observed, recorded with name and time",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
