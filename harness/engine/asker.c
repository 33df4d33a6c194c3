#include "engine/asker.h"

#include "base/clock.h"
#include "base/units.h"
#include "engine/walk.h"

#include <stdlib.h>
#include <unistd.h>

#define LINE_MOST 512
#define LISTED_MOST 20 /* open questions in one reply */
#define NAME_OF_NOBODY "unknown"

struct asker {
    struct loop *loop;
    struct store *store;
    const struct engine_options *options;
    uint64_t start_ns;
    struct asker_events events;
    struct questions *questions;
    struct hold due_hold;
    struct watch terminal;
    bool listens;
    char line[LINE_MOST]; /* of the terminal, as far as it came */
    size_t line_len;
    bool line_lost; /* too long: the rest of it is left out */
};

static void say(struct asker *a, const char *what, const char *text)
{
    const struct engine_options *o = a->options;
    struct engine_event event = {.since_start_ns = loop_now_ns(a->loop) - a->start_ns,
                                 .arm = "subject",
                                 .what = what,
                                 .text = text};
    if (o->on_event != NULL)
        o->on_event(o->cookie, &event);
}

static void write_row(struct asker *a, uint32_t phase, const char *what, json_t *take_json)
{
    struct error err = {0};
    INVARIANT(take_json != NULL);
    if (!store_event_json(a->store, phase, what, take_json, loop_now_ns(a->loop), &err))
        a->events.on_trouble(a->events.cookie, &err, false);
}

static const char *state_name(enum question_state state)
{
    static const char *const names[] = {[QUESTION_OPEN] = "open",
                                        [QUESTION_ANSWERED] = "answered",
                                        [QUESTION_REFUSED] = "refused",
                                        [QUESTION_LATE] = "late",
                                        [QUESTION_DROPPED] = "dropped"};
    return names[state];
}

static void on_due(struct hold *h, uint64_t now_ns);

static void set_due(struct asker *a)
{
    uint64_t due_ns = questions_due_ns(a->questions);
    loop_hold_remove(a->loop, &a->due_hold);
    if (due_ns != UINT64_MAX)
        loop_hold_add(a->loop, &a->due_hold, due_ns, on_due);
}

static void on_due(struct hold *h, uint64_t now_ns)
{
    struct asker *a = (struct asker *)((char *)h - offsetof(struct asker, due_hold));
    questions_expire(a->questions, now_ns);
    set_due(a);
}

static void on_asked(void *cookie, const struct question *q)
{
    struct asker *a = cookie;
    const struct question_ask *ask = &q->asked;
    char text[HUMAN_ASK_MOST + 120], where[400];
    source_format(ask->source, false, where, sizeof(where));
    write_row(a, ask->phase, "question",
              json_pack("{sI sI ss ss ss* ss* sI sI sI ss}", "number", (json_int_t)q->number,
                        "scenario", (json_int_t)ask->scenario, "kind", human_kind_name(ask->kind),
                        "ask", ask->ask, "role", ask->role, "expected", ask->expected, "people",
                        (json_int_t)ask->people, "within_ns",
                        (json_int_t)(ask->within_ns < INT64_MAX ? ask->within_ns : INT64_MAX),
                        "step", (json_int_t)ask->step, "where", where));
    say(a, "question", question_print(q, text, sizeof(text)));
}

static void on_answer(void *cookie, const struct question *q, const struct human_answer *answer)
{
    struct asker *a = cookie;
    char text[HUMAN_ANSWER_MOST + 200];
    write_row(a, q->asked.phase, "answer",
              json_pack("{sI ss ss ss ss sI}", "number", (json_int_t)q->number, "answer",
                        answer->text, "who", answer->who, "channel", answer->channel, "state",
                        state_name(q->state), "wall_ns", (json_int_t)clock_wall_ns()));
    int n = snprintf(text, sizeof(text), "%u %s, by %s (%s)", q->number, answer->text, answer->who,
                     answer->channel);
    if (q->state == QUESTION_OPEN && q->asked.kind == HUMAN_APPROVAL)
        snprintf(text + n, sizeof(text) - (size_t)n, ": %zu of %u people", q->agreed_count,
                 q->asked.people);
    say(a, "answer", text);
}

static void refuse(struct asker *a, const struct question *q)
{
    struct error why = {0};
    char within[32];
    if (q->state == QUESTION_REFUSED)
        error_at(&why, q->asked.source, ERROR_LIMIT,
                 "the approval \"%.120s\" was refused: nothing was done", q->asked.ask);
    else
        error_at(&why, q->asked.source, ERROR_LIMIT,
                 "the approval \"%.120s\" was not given within %s: nothing was done", q->asked.ask,
                 units_print_duration(q->asked.within_ns, within, sizeof(within)));
    a->events.on_trouble(a->events.cookie, &why, true);
}

static void on_closed(void *cookie, const struct question *q)
{
    struct asker *a = cookie;
    char text[80];
    write_row(a, q->asked.phase, "question_closed",
              json_pack("{sI ss}", "number", (json_int_t)q->number, "state", state_name(q->state)));
    snprintf(text, sizeof(text), "%u %s", q->number, state_name(q->state));
    say(a, "question.closed", text);
    if (q->asked.owner != NULL && q->state == QUESTION_ANSWERED)
        walk_go_on(q->asked.owner);
    if (q->asked.kind == HUMAN_APPROVAL &&
        (q->state == QUESTION_REFUSED || q->state == QUESTION_LATE))
        refuse(a, q);
    a->events.on_change(a->events.cookie);
}

/* "3: yes" to question 3, anything else to the oldest. */
static void read_line(struct asker *a, char *line)
{
    struct error err = {0};
    struct human_answer answer = {.text = line, .who = a->options->user, .channel = "terminal"};
    uint64_t number = 0;
    size_t digits = strspn(line, "0123456789");
    if (answer.who == NULL)
        answer.who = NAME_OF_NOBODY;
    if (digits > 0 && digits < 5 && line[digits] == ':' &&
        bytes_to_u64((struct bytes){(const uint8_t *)line, digits}, &number) &&
        question_find(a->questions, (uint32_t)number) != NULL)
        answer.text = line + digits + 1 + strspn(line + digits + 1, " ");
    else
        number = 0;
    if (line[0] == '\0')
        return;
    if (!question_answer(a->questions, (uint32_t)number, &answer, loop_now_ns(a->loop), &err))
        say(a, "answer.refused", err.text);
    set_due(a);
}

static void take_byte(struct asker *a, char byte)
{
    if (byte != '\n') {
        if (a->line_len + 1 < sizeof(a->line))
            a->line[a->line_len++] = byte;
        else
            a->line_lost = true;
        return;
    }
    while (a->line_len > 0 && (a->line[a->line_len - 1] == '\r' || a->line[a->line_len - 1] == ' '))
        a->line_len--;
    a->line[a->line_len] = '\0';
    a->line_len = 0;
    if (a->line_lost)
        say(a, "answer.refused", "the line is too long");
    else
        read_line(a, a->line);
    a->line_lost = false;
}

static void on_terminal(struct watch *w, unsigned what)
{
    struct asker *a = (struct asker *)((char *)w - offsetof(struct asker, terminal));
    char bytes[256];
    (void)what;
    ssize_t n = read(w->fd, bytes, sizeof(bytes));
    for (ssize_t i = 0; i < n; i++)
        take_byte(a, bytes[i]);
    if (n > 0)
        return;
    loop_watch_remove(w); /* its end: answers may still come another way */
    a->listens = false;
}

struct asker *asker_new(struct loop *loop, struct store *store, const struct engine_options *o,
                        uint64_t start_ns, const struct asker_events *events)
{
    static const struct roles anyone = {0};
    struct asker *a = check_alloc_zero(1, sizeof(*a));
    const struct question_events ours = {on_asked, on_answer, on_closed, a};
    a->loop = loop;
    a->store = store;
    a->options = o;
    a->start_ns = start_ns;
    a->events = *events;
    a->questions = questions_new(o->roles != NULL ? o->roles : &anyone, &ours);
    return a;
}

void asker_free(struct asker *a)
{
    if (a == NULL)
        return;
    loop_hold_remove(a->loop, &a->due_hold);
    if (a->listens)
        loop_watch_remove(&a->terminal);
    questions_free(a->questions);
    free(a);
}

/* From the first question on: what was typed before is no answer to it, but it is read all the
 * same. */
static bool listen(struct asker *a, struct error *err)
{
    if (a->listens || !a->options->has_terminal)
        return true;
    if (!loop_watch_add_level(a->loop, &a->terminal, a->options->terminal_fd, on_terminal, err))
        return false;
    a->listens = true;
    return true;
}

static bool ask_people(struct asker *a, const struct question_ask *ask, uint32_t *ret_number,
                       struct error *err)
{
    bool ok =
        listen(a, err) && question_ask(a->questions, ask, loop_now_ns(a->loop), ret_number, err);
    set_due(a);
    return ok;
}

bool asker_approvals(struct asker *a, const struct walk_plan *walk, struct error *err)
{
    const struct scenario *s = walk->scenario_plan;
    struct human_answer yes = {.text = "yes", .who = a->options->user, .channel = "--yes"};
    yes.who = yes.who == NULL ? NAME_OF_NOBODY : yes.who;
    for (size_t i = 0; i < s->guard_count; i++) {
        const struct guard_plan *g = &s->guards[i];
        struct question_ask ask = {.kind = HUMAN_APPROVAL,
                                   .ask = g->ask,
                                   .role = g->role,
                                   .people = g->people,
                                   .within_ns = g->within_ns,
                                   .scenario = walk->scenario,
                                   .source = g->source};
        uint32_t number = 0;
        if (g->kind != GUARD_APPROVAL || questions_approved(a->questions, &ask))
            continue;
        if (!ask_people(a, &ask, &number, err))
            return false;
        if (a->options->approve)
            question_overrule(a->questions, number, &yes);
    }
    return true;
}

bool asker_approved(const struct asker *a)
{
    const struct question *q;
    for (size_t i = 0; (q = questions_open(a->questions, i)) != NULL; i++)
        if (q->asked.kind == HUMAN_APPROVAL)
            return false;
    return true;
}

bool asker_await(struct asker *a, struct walk *w, const struct await *await, struct error *err)
{
    const json_t *keys = await->step->keys;
    struct question_ask ask = {.kind = HUMAN_AWAIT,
                               .ask = json_string_value(json_object_get(keys, "ask")),
                               .role = json_string_value(json_object_get(keys, "role")),
                               .within_ns = await->within_ns,
                               .scenario = w->plan->scenario,
                               .phase = w->phase_id,
                               .source = await->step->source,
                               .owner = w};
    return ask_people(a, &ask, NULL, err);
}

static bool ask_expect(struct asker *a, const struct step *step, struct question_ask *ask,
                       struct error *err)
{
    const char *answer = json_string_value(json_object_get(step->keys, "answer"));
    const char *within = json_string_value(json_object_get(step->keys, "within"));
    ask->kind = HUMAN_EXPECT;
    ask->ask = json_string_value(json_object_get(step->keys, "ask"));
    ask->role = json_string_value(json_object_get(step->keys, "role"));
    ask->expected = answer != NULL ? answer : "yes";
    ask->within_ns = HUMAN_WITHIN_NS;
    ask->source = step->source;
    ask->step++;
    if (within != NULL && !units_parse_duration(within, &ask->within_ns, err))
        return false;
    return ask_people(a, ask, NULL, err);
}

static bool ask_expects(struct asker *a, const struct step *steps, size_t count,
                        struct question_ask *ask, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        bool ours = s->kind == STEP_EXPECT && strcmp(s->word, "human") == 0;
        if ((ours && !ask_expect(a, s, ask, err)) ||
            !ask_expects(a, s->steps, s->step_count, ask, err))
            return false;
    }
    return true;
}

bool asker_expects(struct asker *a, const struct walk *w, struct error *err)
{
    struct question_ask ask = {.scenario = w->plan->scenario, .phase = w->phase_id};
    const struct scenario *s = w->scenario;
    if (a == NULL || w->plan->draws_as != w->plan->scenario) /* arms are asked about once */
        return true;
    if (w->phase != NULL)
        return ask_expects(a, w->phase->steps, w->phase->step_count, &ask, err);
    return ask_expects(a, s->steps, s->step_count, &ask, err);
}

void asker_drop(struct asker *a, const void *owner, enum question_state as)
{
    if (a == NULL)
        return;
    questions_drop(a->questions, owner, as);
    set_due(a);
}

bool asker_is_waiting(const struct asker *a)
{
    return questions_open(a->questions, 0) != NULL;
}

static bool take_answer(struct asker *a, const json_t *ask, struct error *err)
{
    const json_t *number = json_object_get(ask, "number");
    const char *channel = json_string_value(json_object_get(ask, "channel"));
    struct human_answer answer = {.text = json_string_value(json_object_get(ask, "answer")),
                                  .who = json_string_value(json_object_get(ask, "who")),
                                  .channel = channel != NULL ? channel : "socket"};
    if (number != NULL && (!json_is_integer(number) || json_integer_value(number) < 1 ||
                           json_integer_value(number) > QUESTIONS_MOST))
        return error_set(err, ERROR_USAGE, "a question's number is 1 to %d", QUESTIONS_MOST);
    if (strcmp(answer.channel, "socket") != 0 && strcmp(answer.channel, "page") != 0 &&
        strcmp(answer.channel, "terminal") != 0)
        return error_set(err, ERROR_USAGE, "an answer comes by socket, page or terminal");
    return question_answer(a->questions, (uint32_t)json_integer_value(number), &answer,
                           loop_now_ns(a->loop), err);
}

static json_t *serve_answer(void *cookie, const json_t *ask)
{
    struct asker *a = cookie;
    struct error err = {0};
    json_int_t number = json_integer_value(json_object_get(ask, "number"));
    const struct question *q = questions_open(a->questions, 0);
    if (number == 0 && q != NULL)
        number = q->number;
    bool good = take_answer(a, ask, &err);
    set_due(a);
    q = good ? question_find(a->questions, (uint32_t)number) : NULL;
    if (q == NULL)
        return steer_refuse(&err);
    json_t *reply =
        json_pack("{sI ss ss sI}", "number", number, "kind", human_kind_name(q->asked.kind),
                  "state", state_name(q->state), "missing",
                  (json_int_t)(q->state == QUESTION_OPEN && q->asked.kind == HUMAN_APPROVAL
                                   ? q->asked.people - q->agreed_count
                                   : 0));
    INVARIANT(reply != NULL);
    return reply;
}

static json_t *serve_questions(void *cookie, const json_t *ask)
{
    const struct asker *a = cookie;
    json_t *list = json_array();
    const struct question *q;
    uint64_t now_ns = loop_now_ns(a->loop);
    size_t i;
    (void)ask;
    for (i = 0; (q = questions_open(a->questions, i)) != NULL; i++) {
        const struct question_ask *one = &q->asked;
        if (i >= LISTED_MOST)
            continue;
        json_t *row = json_pack(
            "{sI ss ss ss* sI sI sI ss}", "number", (json_int_t)q->number, "kind",
            human_kind_name(one->kind), "ask", one->ask, "role", one->role, "since_ns",
            (json_int_t)(q->asked_ns - a->start_ns), "age_ns", (json_int_t)(now_ns - q->asked_ns),
            "within_ns", (json_int_t)(one->within_ns < INT64_MAX ? one->within_ns : INT64_MAX),
            "takes", question_is_free(q) ? "text" : "yes/no");
        INVARIANT(row != NULL && json_array_append_new(list, row) == 0);
    }
    json_t *reply = json_pack("{so sI}", "questions", list, "open", (json_int_t)i);
    INVARIANT(reply != NULL);
    return reply;
}

void asker_serve(struct asker *a, struct steer *steer)
{
    steer_serve(steer, "questions", serve_questions, a);
    steer_serve(steer, "answer", serve_answer, a);
}
