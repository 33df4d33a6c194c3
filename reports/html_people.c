#include "base/units.h"
#include "reports/html.h"

/* What people were asked and said, and who stopped the clock: the run's events, as facts. */

#define LISTED_MOST 20

static const char *text_of(const struct journal_event *e, const char *key)
{
    const char *text = json_string_value(json_object_get(e->json, key));
    return text == NULL ? "" : text;
}

static json_int_t number_of(const struct journal_event *e)
{
    return json_integer_value(json_object_get(e->json, "number"));
}

static void add_time(struct html *h, uint64_t at_ns)
{
    char time[32];
    uint64_t zero = report_zero_ns(h->report->journal);
    text_add(h->to, "%s", units_print_time(at_ns > zero ? at_ns - zero : 0, time, sizeof(time)));
}

static void add_answer(struct html *h, const struct journal_event *e)
{
    text_add(h->to, ": <b>");
    html_text(h->to, text_of(e, "answer"));
    text_add(h->to, "</b>, ");
    html_text(h->to, text_of(e, "who"));
    text_add(h->to, " (");
    html_text(h->to, text_of(e, "channel"));
    text_add(h->to, ") at ");
    add_time(h, e->t_ns);
}

/* A question with all that was answered, and how it ended where nobody had the last word. */
static void add_question(struct html *h, const struct journal_event *q)
{
    const struct journal *j = h->report->journal;
    text_add(h->to, "%s \xE2\x80\x9C",
             strcmp(text_of(q, "kind"), "approval") == 0 ? "approval" : "question");
    html_text(h->to, text_of(q, "ask"));
    text_add(h->to, "\xE2\x80\x9D");
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        if (number_of(e) != number_of(q))
            continue;
        if (strcmp(e->what, "answer") == 0)
            add_answer(h, e);
        else if (strcmp(e->what, "question_closed") == 0 &&
                 strcmp(text_of(e, "state"), "answered") != 0) {
            text_add(h->to, ": <b class=\"inc\">");
            html_text(h->to, text_of(e, "state"));
            text_add(h->to, "</b>");
        }
    }
}

static void add_steered(struct html *h, const struct journal_event *e)
{
    text_add(h->to, strcmp(e->what, "pause") == 0 ? "paused by " : "resumed by ");
    html_text(h->to, text_of(e, "who"));
    text_add(h->to, " at ");
    add_time(h, e->t_ns);
}

void html_people(struct html *h)
{
    const struct journal *j = h->report->journal;
    size_t told = 0, more = 0;
    for (size_t i = 0; i < j->event_count; i++) {
        const struct journal_event *e = &j->events[i];
        bool question = strcmp(e->what, "question") == 0;
        if (!question && strcmp(e->what, "pause") != 0 && strcmp(e->what, "resume") != 0)
            continue;
        if (told == LISTED_MOST) {
            more++;
            continue;
        }
        text_add(h->to, told++ == 0 ? "<div><dt>people</dt><dd>" : "<br>");
        if (question)
            add_question(h, e);
        else
            add_steered(h, e);
    }
    if (more > 0)
        text_add(h->to, "<br>and %zu more", more);
    if (told > 0)
        text_add(h->to, "</dd></div>\n");
}
