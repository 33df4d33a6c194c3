/* Questions in virtual time: who may answer what, and until when. */
#include "engine/question.h"

#include "base/check.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define T0 (1000 * NS_PER_S)

struct desk {
    struct questions *questions;
    char told[2000]; /* "asked 1; answer 1 yes alice terminal open; closed 1 2; " */
};

static void tell(struct desk *d, const char *format, ...) PRINTF(2, 3);
static void tell(struct desk *d, const char *format, ...)
{
    size_t used = strlen(d->told);
    va_list args;
    va_start(args, format);
    vsnprintf(d->told + used, sizeof(d->told) - used, format, args);
    va_end(args);
}

static void on_asked(void *cookie, const struct question *q)
{
    tell(cookie, "asked %u; ", q->number);
}

static void on_answer(void *cookie, const struct question *q, const struct human_answer *a)
{
    tell(cookie, "%u %s by %s; ", q->number, a->text, a->who);
}

static void on_closed(void *cookie, const struct question *q)
{
    static const char *const names[] = {"open", "answered", "refused", "late", "dropped"};
    tell(cookie, "%u is %s; ", q->number, names[q->state]);
}

static void desk_open(struct desk *d, const struct roles *roles)
{
    const struct question_events events = {on_asked, on_answer, on_closed, d};
    memset(d, 0, sizeof(*d));
    d->questions = questions_new(roles, &events);
}

static void desk_told(struct desk *d, const char *want)
{
    assert_string_equal(d->told, want);
    d->told[0] = '\0';
}

static uint32_t asks(struct desk *d, struct question_ask ask)
{
    uint32_t number = 0;
    struct error err = {0};
    ask.ask = ask.ask == NULL ? "Go?" : ask.ask;
    if (!question_ask(d->questions, &ask, T0, &number, &err))
        fail_msg("%s", err.text);
    return number;
}

static bool says(struct desk *d, uint32_t number, const char *text, const char *who, uint64_t at_s,
                 struct error *err)
{
    const struct human_answer a = {text, who, "terminal"};
    *err = (struct error){0};
    return question_answer(d->questions, number, &a, T0 + at_s * NS_PER_S, err);
}

static void refused(struct desk *d, uint32_t number, const char *text, const char *who,
                    const char *why)
{
    struct error err;
    assert_false(says(d, number, text, who, 1, &err));
    assert_string_equal(err.text, why);
    desk_told(d, "");
}

static const char *const leads[] = {"alice", "bob"};
static const struct role lead = {"lead", leads, 2};
static const struct roles lead_only = {&lead, 1}, anyone = {NULL, 0};

static void an_approval_needs_as_many_people_as_it_says(void **state)
{
    struct desk d;
    struct error err;
    struct question_ask ask = {
        .kind = HUMAN_APPROVAL, .people = 2, .role = "lead", .within_ns = 60 * NS_PER_S};
    (void)state;
    desk_open(&d, &lead_only);
    assert_int_equal(asks(&d, ask), 1);
    assert_true(says(&d, 1, "y", "alice", 1, &err));
    desk_told(&d, "asked 1; 1 yes by alice; ");
    refused(&d, 1, "yes", "alice", "alice has agreed already; question 1 needs 2 people");
    refused(&d, 1, "yes", "carol", "question 1 is for lead, and carol is not of them: alice bob");
    assert_false(questions_approved(d.questions, &question_find(d.questions, 1)->asked));
    assert_true(says(&d, 0, "YES", "bob", 2, &err));
    desk_told(&d, "1 yes by bob; 1 is answered; ");
    assert_true(questions_approved(d.questions, &question_find(d.questions, 1)->asked));
    refused(&d, 1, "yes", "bob", "question 1 was answered already");
    refused(&d, 0, "yes", "bob", "no question is open");
    ask.source.line = 7; /* another approval of the same words */
    assert_false(questions_approved(d.questions, &(struct question_ask){.kind = HUMAN_APPROVAL,
                                                                        .ask = "Go?",
                                                                        .role = "lead",
                                                                        .people = 2,
                                                                        .source = ask.source}));
    questions_free(d.questions);
}

static void one_no_refuses_an_approval(void **state)
{
    struct desk d;
    struct error err;
    (void)state;
    desk_open(&d, &anyone);
    asks(&d, (struct question_ask){
                 .kind = HUMAN_APPROVAL, .people = 2, .role = "lead", .within_ns = NS_PER_S});
    assert_true(says(&d, 1, "no", "carol", 0, &err)); /* no roles configured: anyone */
    desk_told(&d, "asked 1; 1 no by carol; 1 is refused; ");
    refused(&d, 1, "yes", "bob", "question 1 was refused already");
    questions_free(d.questions);
}

static void a_no_to_an_await_leaves_it_open(void **state)
{
    struct desk d;
    struct error err;
    (void)state;
    desk_open(&d, &anyone);
    asks(&d, (struct question_ask){.kind = HUMAN_AWAIT, .within_ns = NS_PER_S});
    assert_true(says(&d, 1, "n", "bob", 1, &err));
    assert_true(says(&d, 1, "y", "bob", 500, &err)); /* its time is the walk's to keep */
    desk_told(&d, "asked 1; 1 no by bob; 1 yes by bob; 1 is answered; ");
    questions_free(d.questions);
}

static void an_answer_is_a_short_line_without_control_characters(void **state)
{
    struct desk d;
    struct error err;
    char most[HUMAN_ANSWER_MOST + 2];
    (void)state;
    desk_open(&d, &anyone);
    asks(&d, (struct question_ask){
                 .kind = HUMAN_EXPECT, .expected = "payments 5xx", .within_ns = 60 * NS_PER_S});
    asks(&d,
         (struct question_ask){.kind = HUMAN_EXPECT, .expected = "no", .within_ns = 60 * NS_PER_S});
    desk_told(&d, "asked 1; asked 2; ");
    refused(&d, 2, "maybe", "bob", "question 2 takes yes or no, not \"maybe\"");
    refused(&d, 1, "", "bob", "an answer has 1 to 200 bytes, not 0");
    refused(&d, 1, "   ", "bob", "an answer has 1 to 200 bytes, not 0");
    refused(&d, 1, NULL, "bob", "an answer has 1 to 200 bytes, not 0");
    refused(&d, 1, "a\033[2Jb", "bob", "an answer has no control characters");
    refused(&d, 1, "x", "b\nob",
            "a name has 1 to 63 letters, digits and .-_@+: give it with --as NAME");
    refused(&d, 1, "x", NULL,
            "a name has 1 to 63 letters, digits and .-_@+: give it with --as NAME");
    refused(&d, 9, "x", "bob", "there is no question 9; open: 1 2");
    memset(most, 'x', sizeof(most));
    most[HUMAN_ANSWER_MOST + 1] = '\0';
    refused(&d, 1, most, "bob", "an answer has 1 to 200 bytes, not 201");
    assert_true(says(&d, 1, " caf\xc3\xa9 \xff<b> ", "bob", 1, &err));
    desk_told(&d, "1 caf\xc3\xa9 ?<b> by bob; 1 is answered; ");
    questions_free(d.questions);
}

static void what_nobody_answers_in_time_is_late(void **state)
{
    struct desk d;
    struct error err;
    (void)state;
    desk_open(&d, &anyone);
    assert_int_equal(questions_due_ns(d.questions), UINT64_MAX);
    asks(&d,
         (struct question_ask){.kind = HUMAN_EXPECT, .expected = "yes", .within_ns = 5 * NS_PER_S});
    asks(&d, (struct question_ask){.kind = HUMAN_APPROVAL, .people = 1, .within_ns = 3 * NS_PER_S});
    asks(&d, (struct question_ask){.kind = HUMAN_AWAIT, .within_ns = NS_PER_S});
    asks(&d,
         (struct question_ask){.kind = HUMAN_EXPECT, .expected = "yes", .within_ns = UINT64_MAX});
    desk_told(&d, "asked 1; asked 2; asked 3; asked 4; ");
    assert_int_equal(questions_due_ns(d.questions), T0 + 3 * NS_PER_S);
    questions_expire(d.questions, T0 + 3 * NS_PER_S - 1);
    desk_told(&d, "");
    questions_expire(d.questions, T0 + 3 * NS_PER_S);
    desk_told(&d, "2 is late; ");
    assert_int_equal(questions_due_ns(d.questions), T0 + 5 * NS_PER_S);
    assert_false(says(&d, 1, "yes", "bob", 5, &err)); /* in the very instant */
    assert_string_equal(err.text, "question 1 was not answered in its time");
    desk_told(&d, "1 is late; ");
    assert_int_equal(questions_due_ns(d.questions), UINT64_MAX);
    assert_int_equal(questions_open(d.questions, 0)->number, 3);
    assert_int_equal(questions_open(d.questions, 1)->number, 4);
    assert_null(questions_open(d.questions, 2));
    questions_drop(d.questions, NULL, QUESTION_DROPPED);
    desk_told(&d, "3 is dropped; 4 is dropped; ");
    questions_free(d.questions);
}

static void a_run_does_not_ask_for_ever(void **state)
{
    struct desk d;
    struct error err = {0};
    struct question_ask ask = {.kind = HUMAN_AWAIT, .ask = "Go?", .source = {"s.lua", 4, 0}};
    (void)state;
    desk_open(&d, &anyone);
    for (size_t i = 0; i < QUESTIONS_MOST; i++) {
        assert_true(question_ask(d.questions, &ask, T0, NULL, &err));
        d.told[0] = '\0';
    }
    assert_false(question_ask(d.questions, &ask, T0, NULL, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_string_equal(err.text, "a run asks at most 1000 questions");
    questions_free(d.questions);
}

static void a_question_is_printed_on_one_line(void **state)
{
    struct desk d;
    char line[100];
    (void)state;
    desk_open(&d, &anyone);
    asks(&d,
         (struct question_ask){
             .kind = HUMAN_EXPECT, .ask = "Which\n\033alert?", .role = "lead", .expected = "x"});
    asks(&d, (struct question_ask){.kind = HUMAN_AWAIT});
    assert_string_equal(question_print(question_find(d.questions, 1), line, sizeof(line)),
                        "1 (lead) Which??alert? [text]");
    assert_string_equal(question_print(question_find(d.questions, 2), line, sizeof(line)),
                        "2 Go? [yes/no]");
    assert_string_equal(question_print(question_find(d.questions, 2), line, 6), "2 Go?");
    questions_free(d.questions);
}

static void a_role_that_is_not_configured_has_nobody(void **state)
{
    (void)state;
    assert_true(roles_allow(&anyone, "lead", "carol"));
    assert_true(roles_allow(&lead_only, NULL, "carol"));
    assert_true(roles_allow(&lead_only, "lead", "bob"));
    assert_false(roles_allow(&lead_only, "lead", "bobby"));
    assert_false(roles_allow(&lead_only, "on-call", "bob"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_approval_needs_as_many_people_as_it_says),
        cmocka_unit_test(one_no_refuses_an_approval),
        cmocka_unit_test(a_no_to_an_await_leaves_it_open),
        cmocka_unit_test(an_answer_is_a_short_line_without_control_characters),
        cmocka_unit_test(what_nobody_answers_in_time_is_late),
        cmocka_unit_test(a_run_does_not_ask_for_ever),
        cmocka_unit_test(a_question_is_printed_on_one_line),
        cmocka_unit_test(a_role_that_is_not_configured_has_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
