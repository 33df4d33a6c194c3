#include "plan/human.h"
#include "reports/text_people.h"

static const char *text_of(const struct journal_event *e, const char *key)
{
    const char *text = json_string_value(json_object_get(e->json, key));
    return text == NULL ? "" : text;
}

static json_int_t number_of(const struct journal_event *e, const char *key)
{
    return json_integer_value(json_object_get(e->json, key));
}

/* The approval that an answer is for; NULL: it is for another question. */
static const struct journal_event *approval_of(const struct journal *j,
                                               const struct journal_event *answer)
{
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        if (strcmp(e->what, "question") == 0 && number_of(e, "number") > 0 &&
            number_of(e, "number") == number_of(answer, "number"))
            return strcmp(text_of(e, "kind"), "approval") == 0 ? e : NULL;
    }
    return NULL;
}

static void add_answer(const struct journal_event *answer, const struct journal_event *approval,
                       struct text *to)
{
    char when[HUMAN_WHEN_BYTES];
    human_print_when((uint64_t)number_of(answer, "wall_ns"), text_of(answer, "channel"), when);
    text_add(to, strcmp(text_of(answer, "answer"), "yes") == 0 ? " approved  " : " refused   ");
    report_add_clean(to, text_of(answer, "who"));
    if (text_of(approval, "role")[0] != '\0') {
        text_add(to, " (");
        report_add_clean(to, text_of(approval, "role"));
        text_add(to, ")");
    }
    text_add(to, " %s\n", when);
}

bool people_asked(const struct report *report, uint32_t scenario)
{
    const struct journal *j = report->journal;
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        if (strcmp(e->what, "question") == 0 && strcmp(text_of(e, "kind"), "approval") == 0 &&
            number_of(e, "scenario") == (json_int_t)scenario)
            return true;
    }
    return false;
}

void people_add(const struct report *report, uint32_t scenario, struct text *to)
{
    const struct journal *j = report->journal;
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        const struct journal_event *approval =
            strcmp(e->what, "answer") == 0 ? approval_of(j, e) : NULL;
        if (approval != NULL && number_of(approval, "scenario") == (json_int_t)scenario)
            add_answer(e, approval, to);
    }
}
