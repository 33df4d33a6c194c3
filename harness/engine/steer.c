#include "engine/steer.h"

#include "base/bytes.h"
#include "journal/record.h"

#include <stdlib.h>

struct steer_verb {
    const char *name;
    json_t *(*answer)(void *cookie, const json_t *ask);
    void *cookie;
};

struct steer {
    const struct steer_acts *acts;
    void *cookie;
    struct steer_verb verbs[STEER_VERBS_MOST];
    size_t verb_count;
};

static bool check_text(const char *what, const char *text, size_t most, struct error *err)
{
    if (strlen(text) > most)
        return error_set(err, ERROR_INPUT, "%s has %zu bytes; it must have at most %zu", what,
                         strlen(text), most);
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return error_set(err, ERROR_INPUT, "%s has a control character", what);
    return true;
}

static bool check_who(const char *who, struct error *err)
{
    if (who == NULL || who[0] == '\0')
        return error_set(err, ERROR_INPUT, "who asks is not said");
    return check_text("who", who, STEER_WHO_BYTES, err);
}

bool steer_abort(struct steer *s, const char *who, const char *why, struct error *err)
{
    struct error cause = {0};
    bool said = why != NULL && why[0] != '\0';
    if (!check_who(who, err) || (said && !check_text("why", why, STEER_WHY_BYTES, err)))
        return false;
    error_set(&cause, ERROR_SYSTEM, "stopped by %s%s%s", who, said ? ": " : "", said ? why : "");
    return s->acts->abort(s->cookie, &cause, err);
}

bool steer_pause(struct steer *s, const char *who, struct error *err)
{
    return check_who(who, err) && s->acts->pause(s->cookie, who, err);
}

bool steer_resume(struct steer *s, const char *who, struct error *err)
{
    return check_who(who, err) && s->acts->resume(s->cookie, who, err);
}

void steer_note(struct steer *s, const char *what, json_t *take_json)
{
    if (s->acts->note != NULL)
        s->acts->note(s->cookie, what, take_json);
    else
        json_decref(take_json);
}

static const char *text_of(const json_t *ask, const char *key)
{
    const char *text = json_string_value(json_object_get(ask, key));
    return text == NULL ? "" : text;
}

static json_t *answer_abort(void *cookie, const json_t *ask)
{
    struct error err = {0};
    if (!steer_abort(cookie, text_of(ask, "who"), text_of(ask, "why"), &err))
        return steer_refuse(&err);
    return json_object();
}

static json_t *answer_pause(void *cookie, const json_t *ask)
{
    struct error err = {0};
    return steer_pause(cookie, text_of(ask, "who"), &err) ? json_object() : steer_refuse(&err);
}

static json_t *answer_resume(void *cookie, const json_t *ask)
{
    struct error err = {0};
    return steer_resume(cookie, text_of(ask, "who"), &err) ? json_object() : steer_refuse(&err);
}

json_t *steer_refuse(const struct error *why)
{
    char text[sizeof(why->text)];
    snprintf(text, sizeof(text), "%s", why->text);
    record_clean_text(text, strlen(text)); /* it may quote what was sent */
    json_t *answer = json_pack("{sb ss}", "ok", 0, "error", text);
    INVARIANT(answer != NULL);
    return answer;
}

json_t *steer_ask(struct steer *s, const json_t *ask)
{
    struct error err = {0};
    const char *verb = json_string_value(json_object_get(ask, "verb"));
    if (verb == NULL) {
        error_set(&err, ERROR_INPUT, "a request is an object with a \"verb\"");
        return steer_refuse(&err);
    }
    for (size_t i = 0; i < s->verb_count; i++) {
        if (strcmp(s->verbs[i].name, verb) != 0)
            continue;
        json_t *answer = s->verbs[i].answer(s->verbs[i].cookie, ask);
        INVARIANT(json_is_object(answer));
        if (json_object_get(answer, "ok") == NULL)
            json_object_set_new(answer, "ok", json_true());
        return answer;
    }
    error_set(&err, ERROR_INPUT, "this run does not know the verb \"%.40s\"", verb);
    return steer_refuse(&err);
}

void steer_serve(struct steer *s, const char *verb,
                 json_t *(*answer)(void *cookie, const json_t *ask), void *cookie)
{
    INVARIANT(s->verb_count < STEER_VERBS_MOST);
    s->verbs[s->verb_count++] = (struct steer_verb){verb, answer, cookie};
}

struct steer *steer_new(const struct steer_acts *acts, void *cookie)
{
    struct steer *s = check_alloc_zero(1, sizeof(*s));
    s->acts = acts;
    s->cookie = cookie;
    steer_serve(s, "abort", answer_abort, s);
    steer_serve(s, "pause", answer_pause, s);
    steer_serve(s, "resume", answer_resume, s);
    return s;
}

void steer_free(struct steer *s)
{
    free(s);
}
