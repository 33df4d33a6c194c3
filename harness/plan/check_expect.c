#include "plan/check.h"

#include "base/units.h"
#include "plan/words.h"

/* What an expectation's keys may say beyond their shape: a key that no claim of the word could
 * honour is refused, never ignored. */

#define FAIR_PPM 900000 /* of a fair share: what expect.balance asks without a wish */

static bool in_list(const char *const *list, const char *word)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

static const char *join(const char *const *list, char *to, size_t size)
{
    to[0] = '\0';
    for (; *list != NULL; list++) {
        size_t used = strlen(to);
        snprintf(to + used, size - used, "%s%s", used == 0 ? "" : " ", *list);
    }
    return to;
}

/* Words whose claims judge requests one by one, and what a journal tells of a request. */
static const char *const by_request[] = {"amplification", "fallback", "idempotency", "path",
                                         "recovery",      "retries",  "status",      "success",
                                         "tail",          "timeout",  NULL};
static const char *const told[] = {"from",     "grpc",   "method", "path",
                                   "protocol", "status", "tag",    NULL};
/* Words that have no count of evidence that could be raised. */
static const char *const no_floor[] = {"human", "lint", "probe", "recovery", NULL};

static bool check_match(const struct step *s, struct error *err)
{
    char list[160];
    const char *key;
    json_t *value, *match = json_object_get(s->keys, "match");
    if (match == NULL)
        return true;
    if (!in_list(by_request, s->word))
        return error_set(
            err, ERROR_INPUT,
            "expect.%s has no match: it judges all that the place gets; match is for %s", s->word,
            join(by_request, list, sizeof(list)));
    json_object_foreach(match, key, value)
    {
        if (!in_list(told, key))
            return error_set(err, ERROR_INPUT,
                             "expect.%s: match has no %.40s here: of a finished request the "
                             "journal tells %s",
                             s->word, key, join(told, list, sizeof(list)));
    }
    return true;
}

static bool check_enough(const struct step *s, struct error *err)
{
    if (json_object_get(s->keys, "enough") == NULL || !in_list(no_floor, s->word))
        return true;
    return error_set(err, ERROR_INPUT, "expect.%s has no enough: it counts no instances", s->word);
}

/* One endpoint of the expectation's service, or all of them. */
static bool check_less_item(const struct step *s, const char *text, struct error *err)
{
    struct arena arena;
    struct place place;
    arena_init(&arena, 64 * 1024);
    bool good = place_parse(text, &arena, &place, err);
    bool ours = good && place.from.service == NULL && place.to.service != NULL &&
                strcmp(place.to.service, s->on.to.service) == 0;
    if (good && !ours)
        good = error_set(err, ERROR_INPUT,
                         "expect.balance: less is \"%.80s\"; it must be an endpoint of \"%.60s\"",
                         text, s->on.to.service);
    arena_release(&arena);
    return good;
}

static bool check_balance(const struct step *s, struct error *err)
{
    const json_t *less = json_object_get(s->keys, "less"), *each;
    const char *wish = json_string_value(json_object_get(s->keys, "atmost"));
    uint64_t ppm = 0;
    size_t i;
    if (s->on.to.service == NULL)
        return error_set(err, ERROR_INPUT, "expect.balance: on must be an edge or a service");
    if (json_is_string(less) && !check_less_item(s, json_string_value(less), err))
        return false;
    json_array_foreach(less, i, each)
    {
        if (!check_less_item(s, json_string_value(each), err))
            return false;
    }
    if (wish == NULL)
        return true;
    if (!units_parse_share(wish, &ppm, err))
        return false;
    return ppm <= FAIR_PPM ||
           error_set(err, ERROR_INPUT,
                     "expect.balance: atmost is %.40s, looser than the claim's 90%% of a fair "
                     "share; leave it out",
                     wish);
}

/* 'phase "calm"': the text between the quotes, and nothing behind them. */
static bool is_named(const char *against, const char *word, char *to, size_t size)
{
    size_t len = strlen(word);
    if (strncmp(against, word, len) != 0 || against[len] != ' ' || against[len + 1] != '"')
        return false;
    const char *open = against + len + 2, *close = strchr(open, '"');
    if (close == NULL || close == open || close[1] != '\0' || (size_t)(close - open) >= size)
        return false;
    memcpy(to, open, (size_t)(close - open));
    to[close - open] = '\0';
    return true;
}

static bool check_tail(const struct check *c, const struct step *s, struct error *err)
{
    char name[300];
    const char *against = json_string_value(json_object_get(s->keys, "against"));
    if (is_named(against, "phase", name, sizeof(name)))
        return check_find_phase(c->scenario, name) != NULL ||
               error_set(err, ERROR_INPUT, "expect.tail: against names no phase: \"%.80s\"", name);
    if (is_named(against, "arm", name, sizeof(name))) /* of one that is split it was looked at */
        return c->scenario->arm != NULL || check_has_arm(c->scenario, name) ||
               error_set(err, ERROR_INPUT, "expect.tail: against names no arm: \"%.80s\"", name);
    if (is_named(against, "run", name, sizeof(name)))
        return strcmp(name, "last") != 0 ||
               error_set(err, ERROR_INPUT,
                         "expect.tail: against is run \"last\", which would be the run itself: "
                         "name a journal or a run id");
    return error_set(err, ERROR_INPUT,
                     "expect.tail: against is '%.80s'; it must be phase \"NAME\", arm \"NAME\" or "
                     "run \"FILE\"",
                     against);
}

bool check_expect_keys(const struct check *c, const struct step *s, struct error *err)
{
    if (!check_match(s, err) || !check_enough(s, err))
        return false;
    if (strcmp(s->word, "balance") == 0)
        return check_balance(s, err);
    if (strcmp(s->word, "path") == 0 && json_object_get(s->keys, "through") == NULL &&
        json_object_get(s->keys, "never") == NULL)
        return error_set(err, ERROR_INPUT, "expect.path needs through or never");
    return strcmp(s->word, "tail") != 0 || check_tail(c, s, err);
}
