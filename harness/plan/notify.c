#include "plan/notify.h"

#include "plan/row_macros.h"

#include <string.h>

static const char *const words[] = {"grafana", "kubernetes_event", "slack", "webhook", NULL};
const char *const notify_events[] = {"start", "phase",   "fault", "human", "guard",
                                     "abort", "verdict", "end",   NULL};

#define NOTIFY struct notify_plan
static const struct row rows[] = {
    {.name = "word", WORD(NOTIFY, kind, words), SAVED},
    WHERE(NOTIFY),
    {.name = "url", TEXT(NOTIFY, url), SAVED},
    {.name = "url", TEXT(NOTIFY, url), SUITE, .only = "notify.webhook", .required = true},
    {.name = "url", TEXT(NOTIFY, url), SUITE, .only = "notify.grafana", .required = true},
    {.name = "url_from", TEXT(NOTIFY, url_from), BOTH, .only = "notify.slack", .required = true},
    {.name = "token", TEXT(NOTIFY, token), SAVED},
    {.name = "token", TEXT(NOTIFY, token), SUITE, .only = "notify.webhook"},
    {.name = "token", TEXT(NOTIFY, token), SUITE, .only = "notify.grafana", .required = true},
    {.name = "tags", TEXTS(NOTIFY, tags, tag_count), BOTH, .only = "notify.grafana"},
    {.name = "events", TEXTS(NOTIFY, events, event_count), SAVED},
    {.name = "events",
     TEXTS(NOTIFY, events, event_count),
     SUITE,
     .only = "notify.webhook",
     .fallback = "start,abort,end"},
    {.name = "events",
     TEXTS(NOTIFY, events, event_count),
     SUITE,
     .only = "notify.kubernetes_event",
     .fallback = "start,fault,abort,end"},
    {.name = "events",
     TEXTS(NOTIFY, events, event_count),
     SUITE,
     .only = "notify.slack",
     .fallback = "start,human,abort,end"},
};
const struct row_table notify_table = {"notify", rows, COUNT_OF(rows), sizeof(NOTIFY), NULL};

const char *notify_word(enum notify_kind kind)
{
    return words[kind];
}

bool notify_wants(const struct notify_plan *n, const char *event)
{
    if (n->kind == NOTIFY_GRAFANA)
        return strcmp(event, "phase") == 0;
    for (size_t i = 0; i < n->event_count; i++)
        if (strcmp(n->events[i], event) == 0)
            return true;
    return false;
}
