#include "engine/question.h"

#include "base/check.h"
#include "base/text.h"
#include "journal/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct questions {
    const struct roles *roles;
    struct question_events events;
    struct question *at;
    size_t count, room;
};

static const struct role *find_role(const struct roles *roles, const char *name)
{
    for (size_t i = 0; i < roles->count; i++)
        if (strcmp(roles->at[i].name, name) == 0)
            return &roles->at[i];
    return NULL;
}

bool roles_allow(const struct roles *roles, const char *role, const char *who)
{
    if (role == NULL || roles->count == 0)
        return true;
    const struct role *r = find_role(roles, role);
    for (size_t i = 0; r != NULL && i < r->count; i++)
        if (strcmp(r->people[i], who) == 0)
            return true;
    return false;
}

struct questions *questions_new(const struct roles *roles, const struct question_events *events)
{
    struct questions *q = check_alloc_zero(1, sizeof(*q));
    q->roles = roles;
    q->events = *events;
    return q;
}

void questions_free(struct questions *q)
{
    if (q == NULL)
        return;
    free(q->at);
    free(q);
}

static void close_as(struct questions *q, struct question *one, enum question_state as)
{
    one->state = as;
    struct question told = *one; /* what is told may ask again, and move the list */
    q->events.on_closed(q->events.cookie, &told);
}

bool question_ask(struct questions *q, const struct question_ask *ask, uint64_t now_ns,
                  uint32_t *ret_number, struct error *err)
{
    if (q->count >= QUESTIONS_MOST)
        return error_at(err, ask->source, ERROR_LIMIT, "a run asks at most %d questions",
                        QUESTIONS_MOST);
    if (q->count == q->room) {
        q->room = q->room == 0 ? 8 : 2 * q->room;
        q->at = check_realloc(q->at, q->room * sizeof(*q->at));
    }
    struct question *one = &q->at[q->count++];
    *one = (struct question){.number = (uint32_t)q->count, .asked = *ask, .asked_ns = now_ns};
    if (ret_number != NULL)
        *ret_number = one->number;
    struct question told = *one;
    q->events.on_asked(q->events.cookie, &told);
    return true;
}

const struct question *question_find(const struct questions *q, uint32_t number)
{
    return number == 0 || number > q->count ? NULL : &q->at[number - 1];
}

const struct question *questions_open(const struct questions *q, size_t n)
{
    for (size_t i = 0; i < q->count; i++)
        if (q->at[i].state == QUESTION_OPEN && n-- == 0)
            return &q->at[i];
    return NULL;
}

static bool no_question(const struct questions *q, uint32_t number, struct error *err)
{
    char list[80] = "";
    const struct question *open;
    if (questions_open(q, 0) == NULL)
        return error_set(err, ERROR_USAGE, "no question is open");
    for (size_t i = 0; (open = questions_open(q, i)) != NULL; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, " %u", open->number);
    }
    return error_set(err, ERROR_USAGE, "there is no question %u; open:%s", number, list);
}

static bool find_open(struct questions *q, uint32_t number, struct question **ret,
                      struct error *err)
{
    static const char *const over[] = {[QUESTION_ANSWERED] = "was answered already",
                                       [QUESTION_REFUSED] = "was refused already",
                                       [QUESTION_LATE] = "was not answered in its time",
                                       [QUESTION_DROPPED] = "is waited for no more"};
    const struct question *one = number == 0 ? questions_open(q, 0) : question_find(q, number);
    if (one == NULL)
        return no_question(q, number, err);
    if (one->state != QUESTION_OPEN)
        return error_set(err, ERROR_USAGE, "question %u %s", one->number, over[one->state]);
    *ret = &q->at[one->number - 1];
    return true;
}

static bool check_who(const struct questions *q, const struct question *one, const char *who,
                      struct error *err)
{
    char list[120] = "nobody";
    const struct role *role;
    if (who == NULL || !human_name_is_good(who))
        return error_set(err, ERROR_USAGE,
                         "a name has 1 to %d letters, digits and .-_@+: give it with --as NAME",
                         HUMAN_NAME_MOST);
    if (roles_allow(q->roles, one->asked.role, who))
        return true;
    role = find_role(q->roles, one->asked.role);
    for (size_t i = 0, used = 0; role != NULL && i < role->count && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : " ",
                                 role->people[i]);
    return error_set(err, ERROR_USAGE, "question %u is for %s, and %s is not of them: %s",
                     one->number, one->asked.role, who, list);
}

bool question_is_free(const struct question *q)
{
    return q->asked.kind == HUMAN_EXPECT && !human_expects_yes_or_no(q->asked.expected);
}

/* ${to}: HUMAN_ANSWER_MOST + 1 bytes. */
static bool read_answer(const struct question *one, const char *text, char *to, struct error *err)
{
    const char *word;
    size_t len = text == NULL ? 0 : strlen(text);
    while (len > 0 && *text == ' ') {
        text++;
        len--;
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    if (len == 0 || len > HUMAN_ANSWER_MOST)
        return error_set(err, ERROR_USAGE, "an answer has 1 to %d bytes, not %zu",
                         HUMAN_ANSWER_MOST, len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return error_set(err, ERROR_USAGE, "an answer has no control characters");
    memcpy(to, text, len);
    to[len] = '\0';
    record_clean_text(to, len);
    if (question_is_free(one))
        return true;
    word = human_yes_or_no(to);
    if (word == NULL)
        return error_set(err, ERROR_USAGE, "question %u takes yes or no, not \"%.40s\"",
                         one->number, to);
    memcpy(to, word, strlen(word) + 1);
    return true;
}

static bool has_agreed(const struct question *one, const char *who)
{
    for (size_t i = 0; i < one->agreed_count; i++)
        if (strcmp(one->agreed[i], who) == 0)
            return true;
    return false;
}

/* What an answer makes of a question. */
static enum question_state state_after(struct question *one, const struct human_answer *a)
{
    bool yes = strcmp(a->text, "yes") == 0;
    switch (one->asked.kind) {
    case HUMAN_APPROVAL:
        if (!yes)
            return QUESTION_REFUSED;
        snprintf(one->agreed[one->agreed_count++], sizeof(one->agreed[0]), "%s", a->who);
        return one->agreed_count >= one->asked.people ? QUESTION_ANSWERED : QUESTION_OPEN;
    case HUMAN_AWAIT:
        return yes ? QUESTION_ANSWERED : QUESTION_OPEN;
    case HUMAN_EXPECT:
        return QUESTION_ANSWERED;
    }
    UNREACHABLE();
}

bool question_answer(struct questions *q, uint32_t number, const struct human_answer *answer,
                     uint64_t now_ns, struct error *err)
{
    struct question *one = NULL;
    char text[HUMAN_ANSWER_MOST + 1];
    questions_expire(q, now_ns);
    if (!find_open(q, number, &one, err) || !check_who(q, one, answer->who, err) ||
        !read_answer(one, answer->text, text, err))
        return false;
    if (one->asked.kind == HUMAN_APPROVAL && has_agreed(one, answer->who))
        return error_set(err, ERROR_USAGE, "%s has agreed already; question %u needs %u people",
                         answer->who, one->number, one->asked.people);
    struct human_answer clean = {.text = text, .who = answer->who, .channel = answer->channel};
    enum question_state after = state_after(one, &clean);
    struct question told = *one;
    told.state = after;
    one->state = after;
    uint32_t place = one->number - 1;
    q->events.on_answer(q->events.cookie, &told, &clean);
    if (after != QUESTION_OPEN)
        close_as(q, &q->at[place], after);
    return true;
}

void question_overrule(struct questions *q, uint32_t number, const struct human_answer *answer)
{
    INVARIANT(number > 0 && number <= q->count && q->at[number - 1].state == QUESTION_OPEN);
    struct question told = q->at[number - 1];
    told.state = QUESTION_ANSWERED;
    q->events.on_answer(q->events.cookie, &told, answer);
    close_as(q, &q->at[number - 1], QUESTION_ANSWERED);
}

/* An await's time stands still while the run is paused, so the walk keeps it. */
static uint64_t due_ns(const struct question *one)
{
    if (one->state != QUESTION_OPEN || one->asked.kind == HUMAN_AWAIT ||
        one->asked.within_ns > UINT64_MAX - one->asked_ns)
        return UINT64_MAX;
    return one->asked_ns + one->asked.within_ns;
}

void questions_expire(struct questions *q, uint64_t now_ns)
{
    for (size_t i = 0; i < q->count; i++)
        if (due_ns(&q->at[i]) <= now_ns)
            close_as(q, &q->at[i], QUESTION_LATE);
}

uint64_t questions_due_ns(const struct questions *q)
{
    uint64_t first_ns = UINT64_MAX;
    for (size_t i = 0; i < q->count; i++)
        first_ns = due_ns(&q->at[i]) < first_ns ? due_ns(&q->at[i]) : first_ns;
    return first_ns;
}

void questions_drop(struct questions *q, const void *owner, enum question_state as)
{
    for (size_t i = 0; i < q->count; i++)
        if (q->at[i].state == QUESTION_OPEN && (owner == NULL || q->at[i].asked.owner == owner))
            close_as(q, &q->at[i], as);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool questions_approved(const struct questions *q, const struct question_ask *ask)
{
    for (size_t i = 0; i < q->count; i++) {
        const struct question_ask *had = &q->at[i].asked;
        if (q->at[i].state == QUESTION_ANSWERED && had->kind == HUMAN_APPROVAL &&
            had->people >= ask->people && had->source.line == ask->source.line &&
            same_text(had->ask, ask->ask) && same_text(had->role, ask->role) &&
            same_text(had->source.file, ask->source.file))
            return true;
    }
    return false;
}

const char *question_print(const struct question *q, char *to, size_t size)
{
    int n = snprintf(to, size, "%u ", q->number);
    if (q->asked.role != NULL && n > 0 && (size_t)n < size)
        n += snprintf(to + n, size - (size_t)n, "(%s) ", q->asked.role);
    if (n > 0 && (size_t)n < size)
        snprintf(to + n, size - (size_t)n, "%s [%s]", q->asked.ask,
                 question_is_free(q) ? "text" : "yes/no");
    record_clean_text(to, strlen(to));
    for (char *c = to; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return to;
}
