#include "engine/await.h"

#include "base/clock.h"
#include "base/units.h"

#define BACK_PICKS_LEAST 5
#define STEADY_REQUESTS_LEAST 5

static bool parse_kind(const char *word, enum await_kind *ret)
{
    static const char *const words[] = {"ejected",  "readmitted", "steady", "fired",
                                        "requests", "cert",       "probe",  "human"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret = (enum await_kind)i;
            return true;
        }
    }
    return false;
}

static bool parse_late(const char *text, enum await_late *ret)
{
    static const char *const words[] = {"fail", "go_on", "abort"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (text == NULL || strcmp(text, words[i]) == 0) {
            *ret = (enum await_late)i;
            return true;
        }
    }
    return false;
}

static bool parse_duration(const struct step *step, const char *key, uint64_t fallback_ns,
                           uint64_t *ret, struct error *err)
{
    const char *text = json_string_value(json_object_get(step->keys, key));
    *ret = fallback_ns;
    if (text == NULL || units_parse_duration(text, ret, err))
        return true;
    error_prefix(err, "await.%s: %s ", step->word, key);
    if (err != NULL)
        err->source = step->source;
    return false;
}

/* A count is a whole number, or its digits as text. */
static uint64_t parse_count(const json_t *value, uint64_t fallback)
{
    uint64_t number = fallback;
    if (json_is_integer(value) && json_integer_value(value) > 0)
        number = (uint64_t)json_integer_value(value);
    else if (json_is_string(value) && !bytes_to_u64(bytes_of(json_string_value(value)), &number))
        number = fallback;
    return number;
}

bool await_parse(const struct step *step, struct await *ret, struct error *err)
{
    *ret = (struct await){.step = step};
    if (!parse_kind(step->word, &ret->kind))
        return error_at(err, step->source, ERROR_USAGE,
                        "await.%s cannot be awaited in the lab; it must be ejected, readmitted, "
                        "steady, fired, requests, cert, probe or human",
                        step->word);
    if (!parse_duration(step, "within", 0, &ret->within_ns, err) ||
        !parse_duration(step, "hold", ret->kind == AWAIT_PROBE ? 0 : 10 * NS_PER_S, &ret->hold_ns,
                        err))
        return false;
    if (ret->within_ns == 0)
        return error_at(err, step->source, ERROR_USAGE, "await.%s has no `within`", step->word);
    if (!parse_late(json_string_value(json_object_get(step->keys, "late")), &ret->late))
        return error_at(err, step->source, ERROR_USAGE,
                        "await.%s: late must be fail, go_on or abort", step->word);
    if (ret->kind == AWAIT_EJECTED && (step->on.to.service == NULL || step->on.to.endpoint == 0))
        return error_at(err, step->source, ERROR_USAGE,
                        "await.ejected: on must be one endpoint, such as \"payments/2\"");
    ret->count = ret->kind == AWAIT_FIRED ? parse_count(json_object_get(step->keys, "times"), 1)
                                          : parse_count(json_object_get(step->keys, "count"), 1);
    ret->fault = json_string_value(json_object_get(step->keys, "fault"));
    if (ret->kind == AWAIT_FIRED && ret->fault == NULL)
        return error_at(err, step->source, ERROR_USAGE, "await.fired names no fault");
    ret->root = json_string_value(json_object_get(step->keys, "root"));
    if (ret->kind == AWAIT_CERT && (ret->root == NULL || step->on.to.service == NULL))
        return error_at(err, step->source, ERROR_USAGE, "await.cert needs on and root");
    ret->probe = json_string_value(json_object_get(step->keys, "probe"));
    if (ret->kind == AWAIT_PROBE && ret->probe == NULL)
        return error_at(err, step->source, ERROR_USAGE, "await.probe names no probe");
    const char *hold = json_string_value(json_object_get(step->keys, "hold_faults"));
    ret->holds_faults = ret->kind == AWAIT_HUMAN && hold != NULL && strcmp(hold, "disarm") == 0;
    return true;
}

void await_begin(struct await *a, const struct picks *picks, uint64_t now_ns)
{
    a->begin_ns = now_ns;
    a->seen = 0;
    a->in_since_ns = 0;
    a->last_bad_ns = now_ns;
    for (size_t i = 0; picks != NULL && i < picks->endpoint_count; i++)
        a->before[i] = picks->endpoints[i].attempts;
    a->silent_before = picks != NULL && picks_silent(picks, a->step->on.to.endpoint, now_ns);
}

void await_stood(struct await *a, const struct picks *picks, uint64_t stood_ns, uint64_t now_ns)
{
    uint64_t begin_ns = a->begin_ns + stood_ns, seen = a->seen;
    bool counts = a->kind == AWAIT_FIRED || a->kind == AWAIT_REQUESTS || a->kind == AWAIT_CERT ||
                  a->kind == AWAIT_HUMAN;
    await_begin(a, picks, now_ns);
    a->begin_ns = begin_ns;
    if (counts)
        a->seen = seen;
}

void await_on_request(struct await *a, const struct request_record *request)
{
    uint64_t end_ns = request->due + request->done;
    a->seen++;
    if (!record_request_is_good(request) && end_ns > a->last_bad_ns)
        a->last_bad_ns = end_ns;
}

void await_on_cert(struct await *a, bool has)
{
    a->seen = has ? 1 : 0;
}

const char *await_on(const struct await *a)
{
    if (a->step->has_on)
        return a->step->on.text;
    const char *ask = json_string_value(json_object_get(a->step->keys, "ask"));
    return a->fault != NULL ? a->fault : a->probe != NULL ? a->probe : ask != NULL ? ask : "";
}

void await_on_probe(struct await *a, uint64_t at_ns, bool wanted)
{
    if (at_ns < a->begin_ns || !wanted)
        a->in_since_ns = 0;
    else if (a->in_since_ns == 0)
        a->in_since_ns = at_ns;
}

void await_on_human(struct await *a)
{
    a->seen = 1;
}

void await_on_fired(struct await *a)
{
    a->seen++;
}

/* Attempts since the await began, so that a window full of old picks is no answer. */
static bool is_back(const struct await *a, const struct picks *picks, uint32_t number,
                    uint64_t now_ns)
{
    const struct pick_endpoint *e = &picks->endpoints[number - 1];
    return e->in_window >= BACK_PICKS_LEAST &&
           e->attempts - a->before[number - 1] >= BACK_PICKS_LEAST &&
           !picks_silent(picks, number, now_ns);
}

static bool are_all_back(const struct await *a, const struct picks *picks, uint64_t now_ns)
{
    for (uint32_t i = 1; i <= picks->endpoint_count; i++)
        if (!is_back(a, picks, i, now_ns) || !picks->endpoints[i - 1].last_good)
            return false;
    return picks->endpoint_count > 0;
}

/* An endpoint whose calls are all held has told nothing yet: only one that spoke since, or was
 * silent before, counts. */
static bool is_ejected(const struct await *a, const struct picks *picks, uint64_t now_ns)
{
    uint32_t number = a->step->on.to.endpoint;
    if (number == 0 || number > picks->endpoint_count)
        return false;
    bool told = a->silent_before || picks->endpoints[number - 1].attempts > a->before[number - 1];
    return told && picks_silent(picks, number, now_ns);
}

bool await_met(const struct await *a, const struct picks *picks, uint64_t now_ns)
{
    uint32_t number = a->step->on.to.endpoint;
    switch (a->kind) {
    case AWAIT_EJECTED:
        return picks != NULL && is_ejected(a, picks, now_ns);
    case AWAIT_READMITTED:
        if (picks == NULL || number > picks->endpoint_count)
            return false;
        return number > 0 ? is_back(a, picks, number, now_ns) : are_all_back(a, picks, now_ns);
    case AWAIT_STEADY:
        return a->seen >= STEADY_REQUESTS_LEAST && now_ns >= a->last_bad_ns + a->hold_ns;
    case AWAIT_FIRED:
    case AWAIT_REQUESTS:
        return a->seen >= a->count;
    case AWAIT_CERT:
    case AWAIT_HUMAN:
        return a->seen > 0;
    case AWAIT_PROBE:
        return a->in_since_ns != 0 && now_ns - a->in_since_ns >= a->hold_ns;
    }
    UNREACHABLE();
}
