/* People in a run: approvals before the first fault, awaits that somebody answers, questions after
 * a phase, over the steering's verbs and on a terminal. */

#include "engine/conductor_rig_test.h"

#include "engine/question.h"
#include "net/loop.h"

#define LINES_MOST 8

/* What is said to each question, in a turn of its own after it was asked. */
struct stage {
    struct rig rig; /* first: the cookie of all hooks */
    struct steer *steer;
    struct loop *loop;
    struct hold hold;
    const char *says[LINES_MOST]; /* by question, from 1: requests, one a line; NULL: nothing */
    uint32_t now;                 /* the question that is answered next */
    char replies[2000];
    int terminal[2];
};

static void speak(struct stage *s, const char *request)
{
    json_t *ask = json_loads(request, 0, NULL);
    assert_non_null(ask);
    json_t *reply = steer_ask(s->steer, ask);
    char *line = json_dumps(reply, JSON_SORT_KEYS | JSON_COMPACT);
    size_t used = strlen(s->replies);
    snprintf(s->replies + used, sizeof(s->replies) - used, "%s\n", line);
    free(line);
    json_decref(reply);
    json_decref(ask);
}

static void on_turn(struct hold *h, uint64_t now_ns)
{
    struct stage *s = (struct stage *)((char *)h - offsetof(struct stage, hold));
    char lines[1000];
    (void)now_ns;
    snprintf(lines, sizeof(lines), "%s", s->says[s->now]);
    char *end = lines;
    for (char *line = lines; line != NULL && *line != '\0'; line = end) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        speak(s, line);
    }
}

static void on_story(void *cookie, const struct engine_event *event)
{
    struct stage *s = cookie;
    on_event(&s->rig, event);
    if (strcmp(event->what, "question") != 0)
        return;
    s->now = (uint32_t)strtoul(event->text, NULL, 10);
    assert_in_range(s->now, 1, LINES_MOST - 1);
    if (s->says[s->now] != NULL)
        loop_hold_add(s->loop, &s->hold, 0, on_turn);
}

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    struct stage *s = cookie;
    s->steer = steer;
    s->loop = loop;
}

static void on_end(void *cookie)
{
    struct stage *s = cookie;
    loop_hold_remove(s->loop, &s->hold);
}

static void stage_init(struct stage *s)
{
    *s = (struct stage){0};
    rig_init(&s->rig);
    s->rig.options.on_begin = on_begin;
    s->rig.options.on_end = on_end;
    s->rig.options.on_event = on_story;
    s->rig.options.user = "carol";
    s->rig.options.recover_ns = 10 * NS_PER_MS;
}

static void approval(struct stage *s, const char *role, uint32_t people, uint64_t within_ns)
{
    struct scenario *at = &s->rig.plan->scenarios[0];
    at->guards = ARENA_ARRAY(&s->rig.plan->arena, struct guard_plan, 1);
    at->guard_count = 1;
    at->guards[0] = (struct guard_plan){.kind = GUARD_APPROVAL,
                                        .source = {"s.lua", 4, 0},
                                        .ask = "Start?",
                                        .role = role,
                                        .people = people,
                                        .within_ns = within_ns};
}

static void calm(struct stage *s)
{
    add_phase(&s->rig, "calm", PHASE_BY_CLOCK, 20 * NS_PER_MS);
}

static struct phase *waits(struct stage *s, const char *hold_faults, const char *late,
                           const char *within)
{
    struct phase *p = add_phase(&s->rig, "wait", PHASE_BY_AWAITS, 0);
    add_step(&s->rig, p, STEP_FAULT, "abort", "payments/2", abort_keys);
    add_step(&s->rig, p, STEP_AWAIT, "human", NULL,
             (const char *const[]){"ask", "Drained?", "within", within, "late", late, "hold_faults",
                                   hold_faults, "role", "on-call", NULL});
    return p;
}

/* "1 answered,2 late": how the questions of the run were closed. */
static const char *closed(const struct stage *s, char *to, size_t size)
{
    to[0] = '\0';
    for (size_t i = 0; i < s->rig.read->event_count; i++) {
        const struct journal_event *e = &s->rig.read->events[i];
        size_t used = strlen(to);
        if (strcmp(e->what, "question_closed") == 0)
            snprintf(to + used, size - used, "%s%d %s", used == 0 ? "" : ",",
                     (int)json_integer_value(json_object_get(e->json, "number")),
                     json_string_value(json_object_get(e->json, "state")));
    }
    return to;
}

static void ran(struct stage *s, enum engine_outcome outcome, const char *closings)
{
    char line[200];
    rig_run(&s->rig);
    if (s->rig.outcome != outcome)
        fail_msg("outcome %d: %s\n%s", s->rig.outcome, s->rig.err.text, s->rig.told);
    assert_string_equal(closed(s, line, sizeof(line)), closings);
    assert_int_equal(count_events(&s->rig, "question_closed"), count_events(&s->rig, "question"));
}

static void nothing_begins_before_an_approval(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    approval(&s, NULL, 2, 60 * NS_PER_S);
    calm(&s);
    s.says[1] = "{\"verb\":\"questions\"}\n"
                "{\"verb\":\"answer\",\"number\":1,\"answer\":\"yes\",\"who\":\"alice\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"yes\",\"who\":\"alice\",\"channel\":\"page\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"yes\",\"who\":\"bob\",\"channel\":\"page\"}\n"
                "{\"verb\":\"questions\"}";
    ran(&s, ENGINE_COMPLETE, "1 answered");
    assert_non_null(strstr(s.replies, "\"ask\":\"Start?\",\"kind\":\"approval\",\"number\":1,"));
    assert_non_null(strstr(
        s.replies,
        "{\"kind\":\"approval\",\"missing\":1,\"number\":1,\"ok\":true,\"state\":\"open\"}\n"
        "{\"error\":\"alice has agreed already; question 1 needs 2 people\",\"ok\":false}\n"
        "{\"kind\":\"approval\",\"missing\":0,\"number\":1,\"ok\":true,\"state\":\"answered\"}\n"
        "{\"ok\":true,\"open\":0,\"questions\":[]}\n"));
    assert_int_equal(count_events(&s.rig, "answer"), 2);
    const char *asked = strstr(s.rig.told, "question: 1 Start? [yes/no]"),
               *begun = strstr(s.rig.told, "phase.start: calm");
    assert_true(asked != NULL && begun != NULL && asked < begun);
    rig_release(&s.rig);
}

static void a_refused_or_late_approval_does_nothing(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct stage s;
        stage_init(&s);
        approval(&s, NULL, 1, late ? 30 * NS_PER_MS : 60 * NS_PER_S);
        calm(&s);
        if (!late)
            s.says[1] = "{\"verb\":\"answer\",\"answer\":\"n\",\"who\":\"alice\"}";
        ran(&s, ENGINE_ABORTED, late ? "1 late" : "1 refused");
        assert_null(strstr(s.rig.lines, "START"));
        assert_int_equal(s.rig.read->phase_count, 0);
        assert_string_equal(s.rig.read->end_how,
                            late ? "aborted: s.lua:4: the approval \"Start?\" was not given within "
                                   "30ms: nothing was done"
                                 : "aborted: s.lua:4: the approval \"Start?\" was refused: nothing "
                                   "was done");
        rig_release(&s.rig);
    }
}

static void yes_on_the_command_line_is_an_approval(void **state)
{
    struct stage s;
    static const char *const nobody[] = {"alice"};
    static const struct role role = {"lead", nobody, 1};
    static const struct roles roles = {&role, 1};
    (void)state;
    stage_init(&s);
    s.rig.options.approve = true;
    s.rig.options.roles = &roles;
    approval(&s, "lead", 3, 60 * NS_PER_S);
    calm(&s);
    ran(&s, ENGINE_COMPLETE, "1 answered");
    for (size_t i = 0; i < s.rig.read->event_count; i++) {
        const struct journal_event *e = &s.rig.read->events[i];
        if (strcmp(e->what, "answer") != 0)
            continue;
        assert_string_equal(json_string_value(json_object_get(e->json, "channel")), "--yes");
        assert_string_equal(json_string_value(json_object_get(e->json, "who")), "carol");
    }
    assert_int_equal(count_events(&s.rig, "answer"), 1);
    rig_release(&s.rig);
}

static void an_await_goes_on_when_one_of_the_role_says_yes(void **state)
{
    struct stage s;
    static const char *const people[] = {"bob"};
    static const struct role role = {"on-call", people, 1};
    static const struct roles roles = {&role, 1};
    (void)state;
    stage_init(&s);
    s.rig.options.roles = &roles;
    waits(&s, "keep", "fail", "60s");
    s.says[1] = "{\"verb\":\"answer\",\"answer\":\"yes\",\"who\":\"alice\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"no\",\"who\":\"bob\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"done\",\"who\":\"bob\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"Y\",\"who\":\"bob\"}";
    ran(&s, ENGINE_COMPLETE, "1 answered");
    assert_string_equal(
        s.replies,
        "{\"error\":\"question 1 is for on-call, and alice is not of them: bob\",\"ok\":false}\n"
        "{\"kind\":\"await\",\"missing\":0,\"number\":1,\"ok\":true,\"state\":\"open\"}\n"
        "{\"error\":\"question 1 takes yes or no, not \\\"done\\\"\",\"ok\":false}\n"
        "{\"kind\":\"await\",\"missing\":0,\"number\":1,\"ok\":true,\"state\":\"answered\"}\n");
    assert_string_equal(s.rig.read->phases[0].why, "event");
    assert_int_equal(count_events(&s.rig, "answer"), 2);
    rig_proxy_was_told(&s.rig, "ARM 1,ARM");
    rig_release(&s.rig);
}

static void faults_that_are_held_come_back_after_the_answer(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    struct phase *p = waits(&s, "disarm", "fail", "60s");
    add_step(&s.rig, p, STEP_AWAIT, "fired", NULL,
             (const char *const[]){"fault", "abort payments/2", "within", "60s", NULL});
    s.says[1] = "{\"verb\":\"answer\",\"answer\":\"yes\",\"who\":\"bob\"}";
    ran(&s, ENGINE_COMPLETE, "1 answered");
    rig_proxy_was_told(&s.rig, "ARM 1,ARM,ARM 1,ARM");
    rig_release(&s.rig);
}

static void an_await_that_nobody_answers_is_late(void **state)
{
    static const struct {
        const char *late;
        enum engine_outcome outcome;
        const char *why;
    } rows[] = {{"fail", ENGINE_COMPLETE, "late"},
                {"go_on", ENGINE_COMPLETE, "late"},
                {"abort", ENGINE_ABORTED, "abort"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct stage s;
        stage_init(&s);
        waits(&s, "disarm", rows[i].late, "60ms");
        ran(&s, rows[i].outcome, "1 late");
        assert_string_equal(s.rig.read->phases[0].why, rows[i].why);
        rig_release(&s.rig);
    }
}

static void expects(struct stage *s, const char *within)
{
    struct phase *p = add_phase(&s->rig, "look", PHASE_BY_CLOCK, 20 * NS_PER_MS);
    add_step(&s->rig, p, STEP_EXPECT, "human", NULL,
             (const char *const[]){"ask", "Which alert?", "answer", "payments 5xx", "within",
                                   within, NULL});
}

/* The lab is gone by then: nobody has to keep it for an answer. */
static void a_run_waits_for_its_last_answers(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct stage s;
        stage_init(&s);
        expects(&s, late ? "60ms" : "60s");
        if (!late)
            s.says[1] = "{\"verb\":\"answer\",\"answer\":\" <b>5xx \",\"who\":\"bob\"}";
        ran(&s, ENGINE_COMPLETE, late ? "1 late" : "1 answered");
        assert_non_null(strstr(s.rig.lines, "stub DRAIN"));
        assert_int_equal(count_events(&s.rig, "answer"), late ? 0 : 1);
        for (size_t i = 0; i < s.rig.read->event_count; i++) {
            const struct journal_event *e = &s.rig.read->events[i];
            if (strcmp(e->what, "question") == 0)
                assert_int_equal(e->phase, 1);
            if (strcmp(e->what, "answer") == 0)
                assert_string_equal(json_string_value(json_object_get(e->json, "answer")),
                                    "<b>5xx");
        }
        rig_release(&s.rig);
    }
}

static void an_abort_drops_what_is_asked(void **state)
{
    (void)state;
    for (int where = 0; where < 3; where++) {
        struct stage s;
        stage_init(&s);
        if (where == 0)
            approval(&s, NULL, 1, 60 * NS_PER_S);
        if (where == 1)
            waits(&s, "disarm", "fail", "60s");
        else
            expects(&s, "60s");
        s.says[1] = "{\"verb\":\"abort\",\"who\":\"alice\"}\n"
                    "{\"verb\":\"answer\",\"answer\":\"yes\",\"who\":\"alice\"}";
        ran(&s, ENGINE_ABORTED, "1 dropped");
        assert_string_equal(s.replies,
                            "{\"ok\":true}\n{\"error\":\"no question is open\",\"ok\":false}\n");
        assert_string_equal(s.rig.read->end_how, "aborted: stopped by alice");
        rig_release(&s.rig);
    }
}

static void an_answer_in_a_pause_counts_when_it_is_over(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    waits(&s, "disarm", "fail", "60s");
    s.says[1] = "{\"verb\":\"pause\",\"who\":\"alice\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"yes\",\"who\":\"bob\"}\n"
                "{\"verb\":\"resume\",\"who\":\"alice\"}";
    ran(&s, ENGINE_COMPLETE, "1 answered");
    assert_string_equal(s.replies,
                        "{\"ok\":true}\n"
                        "{\"kind\":\"await\",\"missing\":0,\"number\":1,\"ok\":true,\"state\":"
                        "\"answered\"}\n{\"ok\":true}\n");
    assert_int_equal(s.rig.read->phase_count, 2);
    assert_string_equal(s.rig.read->phases[1].why, "event");
    rig_release(&s.rig);
}

/* A pipe is a terminal here: lines are all that is asked of it. */
static void a_terminal_answers_by_lines(void **state)
{
    static const char typed[] = "\nmaybe\n7: yes\n1: y\n2: no\r\nPayments 5XX\n";
    char long_line[1000];
    struct stage s;
    (void)state;
    stage_init(&s);
    approval(&s, NULL, 1, 60 * NS_PER_S);
    expects(&s, "60s");
    struct phase *p = &s.rig.plan->scenarios[0].phases[0];
    add_step(&s.rig, p, STEP_EXPECT, "human", NULL,
             (const char *const[]){"ask", "All well?", "answer", "no", "within", "60s", NULL});
    assert_int_equal(pipe(s.terminal), 0);
    memset(long_line, 'x', sizeof(long_line));
    long_line[sizeof(long_line) - 1] = '\n';
    assert_int_equal(write(s.terminal[1], long_line, sizeof(long_line)), sizeof(long_line));
    assert_int_equal(write(s.terminal[1], typed, sizeof(typed) - 1), sizeof(typed) - 1);
    s.rig.options.has_terminal = true;
    s.rig.options.terminal_fd = s.terminal[0];
    s.says[3] = "{\"verb\":\"answer\",\"answer\":\"n\",\"number\":3,\"who\":\"bob\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"payments 5xx\",\"number\":2,\"who\":\"bob\"}";
    ran(&s, ENGINE_COMPLETE, "1 answered,3 answered,2 answered");
    assert_non_null(strstr(s.rig.told, "answer.refused: the line is too long"));
    assert_non_null(
        strstr(s.rig.told, "answer.refused: question 1 takes yes or no, not \"maybe\""));
    assert_non_null(strstr(s.rig.told, "answer: 1 yes, by carol (terminal)"));
    close(s.terminal[0]);
    close(s.terminal[1]);
    rig_release(&s.rig);
}

static void hostile_requests_change_nothing(void **state)
{
    struct stage s;
    (void)state;
    stage_init(&s);
    expects(&s, "60s");
    s.says[1] = "{\"verb\":\"answer\"}\n"
                "{\"verb\":\"answer\",\"number\":\"1\",\"answer\":\"x\",\"who\":\"bob\"}\n"
                "{\"verb\":\"answer\",\"number\":-1,\"answer\":\"x\",\"who\":\"bob\"}\n"
                "{\"verb\":\"answer\",\"number\":1,\"answer\":[],\"who\":\"bob\"}\n"
                "{\"verb\":\"answer\",\"number\":1,\"answer\":\"a\\u001b[2J\",\"who\":\"bob\"}\n"
                "{\"verb\":\"answer\",\"number\":1,\"answer\":\"x\",\"who\":\"<script>\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"x\",\"who\":\"bob\",\"channel\":\"--yes\"}\n"
                "{\"verb\":\"answer\",\"answer\":\"</script>\",\"who\":\"bob\"}";
    ran(&s, ENGINE_COMPLETE, "1 answered");
    assert_int_equal(count_events(&s.rig, "answer"), 1);
    assert_non_null(strstr(s.replies, "a question's number is 1 to 1000"));
    assert_non_null(strstr(s.replies, "an answer comes by socket, page or terminal"));
    rig_release(&s.rig);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_begins_before_an_approval),
        cmocka_unit_test(a_refused_or_late_approval_does_nothing),
        cmocka_unit_test(yes_on_the_command_line_is_an_approval),
        cmocka_unit_test(an_await_goes_on_when_one_of_the_role_says_yes),
        cmocka_unit_test(faults_that_are_held_come_back_after_the_answer),
        cmocka_unit_test(an_await_that_nobody_answers_is_late),
        cmocka_unit_test(a_run_waits_for_its_last_answers),
        cmocka_unit_test(an_abort_drops_what_is_asked),
        cmocka_unit_test(an_answer_in_a_pause_counts_when_it_is_over),
        cmocka_unit_test(a_terminal_answers_by_lines),
        cmocka_unit_test(hostile_requests_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
