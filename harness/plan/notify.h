#ifndef PLAN_NOTIFY_H
#define PLAN_NOTIFY_H

/* notify.* of a scenario (scenario-language.md section 2), as their author wrote them: who is told,
 * of what. A secret stands here only as the name of an environment variable. */

#include "base/error.h"

#include <stddef.h>

enum notify_kind { NOTIFY_GRAFANA, NOTIFY_KUBERNETES_EVENT, NOTIFY_SLACK, NOTIFY_WEBHOOK };
struct notify_plan {
    enum notify_kind kind;
    struct source source;
    const char *url;      /* grafana: of its root; webhook */
    const char *url_from; /* slack: the environment variable that holds the address */
    const char *token;    /* the environment variable; NULL: none is sent */
    const char **tags;    /* grafana: added */
    size_t tag_count;
    const char **events; /* kubernetes_event, slack, webhook: of notify_events */
    size_t event_count;
};

/* "grafana", "kubernetes_event", "slack", "webhook". */
const char *notify_word(enum notify_kind kind);
/* The events that somebody can be told of; ended by NULL. */
extern const char *const notify_events[];
/* ${event} is one that it is told of; grafana is told of "phase" alone. */
bool notify_wants(const struct notify_plan *n, const char *event);

#endif
