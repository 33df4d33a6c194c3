#include "plan/check.h"

#include "plan/human.h"

#include <string.h>

/* What people are asked and told: await.human, expect.human, guard.approval and notify.*. */

static bool check_ask(const char *ask, struct error *err)
{
    if (ask == NULL || ask[0] == '\0')
        return error_set(err, ERROR_INPUT, "ask is empty; it must be a question");
    return strlen(ask) <= HUMAN_ASK_MOST ||
           error_set(err, ERROR_INPUT, "ask has %zu bytes; at most %d", strlen(ask),
                     HUMAN_ASK_MOST);
}

static bool check_role(const char *role, struct error *err)
{
    return role == NULL || human_name_is_good(role) ||
           error_set(err, ERROR_INPUT,
                     "role is \"%.40s\"; it must be a name such as \"incident-lead\"", role);
}

bool check_human_step(const struct step *step, struct error *err)
{
    const char *answer = json_string_value(json_object_get(step->keys, "answer"));
    bool good = check_ask(json_string_value(json_object_get(step->keys, "ask")), err) &&
                check_role(json_string_value(json_object_get(step->keys, "role")), err);
    if (good && answer != NULL && (answer[0] == '\0' || strlen(answer) > HUMAN_ANSWER_MOST))
        good = error_set(err, ERROR_INPUT, "answer has %zu bytes; it must be 1 to %d",
                         strlen(answer), HUMAN_ANSWER_MOST);
    if (!good)
        error_prefix(err, "%s.human: ", step->kind == STEP_AWAIT ? "await" : "expect");
    return good;
}

bool check_approval(const struct guard_plan *g, struct error *err)
{
    bool good = check_ask(g->ask, err) && check_role(g->role, err);
    /* Of a saved plan: a suite's rows have looked. */
    if (good && (g->people == 0 || g->people > HUMAN_PEOPLE_MOST || g->within_ns == 0))
        good = error_set(err, ERROR_INPUT, "count must be 1 to %d, and within above 0",
                         HUMAN_PEOPLE_MOST);
    if (!good)
        error_prefix(err, "guard.approval: ");
    return good;
}

/* Whoever reads the plan or the journal would read a password that stands in an address. */
static bool check_url(const char *url, struct error *err)
{
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : "";
    if (host[0] == '\0' || host[0] == '/')
        return error_set(err, ERROR_INPUT,
                         "url is \"%.60s\"; it must be such as \"https://hooks.example/run\"", url);
    if (memchr(host, '@', strcspn(host, "/")) != NULL)
        return error_set(err, ERROR_INPUT,
                         "url holds a user or a password, which would be in the journal");
    for (const char *c = host; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return error_set(err, ERROR_INPUT, "url has a character that no address has");
    return true;
}

static bool check_variable(const char *key, const char *name, struct error *err)
{
    bool good = name == NULL || (name[0] != '\0' && (name[0] < '0' || name[0] > '9'));
    for (const char *c = name; good && c != NULL && *c != '\0'; c++)
        good = *c == '_' || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
               (*c >= '0' && *c <= '9');
    return good || error_set(err, ERROR_INPUT,
                             "%s must be the name of an environment variable, such as "
                             "\"SLACK_GAMEDAY\", and never what is in it",
                             key);
}

static bool check_event(const char *event, struct error *err)
{
    char list[100] = "";
    for (size_t i = 0; notify_events[i] != NULL; i++) {
        size_t used = strlen(list);
        if (strcmp(event, notify_events[i]) == 0)
            return true;
        snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ", notify_events[i]);
    }
    return error_set(err, ERROR_INPUT, "events holds \"%.40s\"; it is of %s", event, list);
}

static bool check_one(const struct notify_plan *n, struct error *err)
{
    if ((n->kind == NOTIFY_GRAFANA || n->kind == NOTIFY_WEBHOOK) && n->url == NULL)
        return error_set(err, ERROR_INPUT, "needs url");
    if (n->kind == NOTIFY_SLACK && n->url_from == NULL)
        return error_set(err, ERROR_INPUT, "needs url_from");
    if (n->kind == NOTIFY_GRAFANA && n->token == NULL)
        return error_set(err, ERROR_INPUT, "needs token");
    if ((n->url != NULL && !check_url(n->url, err)) ||
        !check_variable("url_from", n->url_from, err) || !check_variable("token", n->token, err))
        return false;
    for (size_t i = 0; i < n->event_count; i++)
        if (!check_event(n->events[i], err))
            return false;
    return true;
}

void check_notify(const struct scenario *s, struct errors *errors)
{
    for (size_t i = 0; i < s->notify_count; i++) {
        struct error err = {0};
        if (check_one(&s->notifies[i], &err))
            continue;
        bool key = strncmp(err.text, "needs", 5) == 0;
        error_prefix(&err, key ? "notify.%s " : "notify.%s: ", notify_word(s->notifies[i].kind));
        errors_take(errors, s->notifies[i].source, &err);
    }
}
