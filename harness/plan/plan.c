#include "plan/plan.h"

#include "base/units.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* A plan is at most this big: the readers count before they take (row.c), so that the arena's own
 * check can only be our bug. */
#define PLAN_BYTES_MOST ((size_t)64 << 20)

struct plan *plan_new(void)
{
    struct plan *p = check_alloc_zero(1, sizeof(*p));
    arena_init(&p->arena, PLAN_BYTES_MOST);
    p->owned = json_array();
    p->files = json_array();
    p->params = json_object();
    INVARIANT(p->owned != NULL && p->files != NULL && p->params != NULL);
    INVARIANT(json_array_append_new(p->owned, p->files) == 0);
    INVARIANT(json_array_append_new(p->owned, p->params) == 0);
    p->false_alarms = 1e-6;
    return p;
}

void plan_free(struct plan *p)
{
    if (p == NULL)
        return;
    json_decref(p->owned);
    arena_release(&p->arena);
    free(p);
}

void plan_hash(const struct plan *p, char to[65])
{
    uint8_t digest[32];
    unsigned len = 0;
    json_t *json = plan_to_json(p);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(json);
    INVARIANT(text != NULL);
    INVARIANT(EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL) == 1 &&
              len == sizeof(digest));
    free(text);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(to + 2 * i, 3, "%02x", digest[i]);
}

const char *plan_zone_of(const struct service_plan *s, uint32_t endpoint)
{
    return s->zone_count == 0 || endpoint == 0 ? NULL : s->zones[(endpoint - 1) % s->zone_count];
}

void step_set_json(struct plan *p, struct step *s, const char *key, json_t *take_value)
{
    INVARIANT(take_value != NULL);
    if (s->keys == NULL) {
        s->keys = json_object();
        INVARIANT(s->keys != NULL && json_array_append_new(p->owned, s->keys) == 0);
    }
    INVARIANT(json_object_set_new(s->keys, key, take_value) == 0);
}

/* Generators write counts as text too ("first", "3"): a text of digits alone is a count. */
static json_t *value_of(const char *text)
{
    uint64_t number;
    if (bytes_to_u64(bytes_of(text), &number) && number <= INT64_MAX)
        return json_integer((json_int_t)number);
    return json_string(text);
}

struct step step_make(struct plan *p, enum step_kind kind, const char *word, const char *on,
                      struct source source, const char *const *keys)
{
    struct step s = {.kind = kind, .word = arena_strdup(&p->arena, word), .source = source};
    s.to_ns = kind == STEP_DURING ? UINT64_MAX : 0;
    if (on != NULL) {
        INVARIANT(place_parse(on, &p->arena, &s.on, NULL));
        s.has_on = true;
        step_set_json(p, &s, "on", json_string(on));
    }
    for (size_t i = 0; keys != NULL && keys[i] != NULL; i += 2)
        step_set_json(p, &s, keys[i], value_of(keys[i + 1]));
    if (s.keys == NULL) {
        s.keys = json_object();
        INVARIANT(s.keys != NULL && json_array_append_new(p->owned, s.keys) == 0);
    }
    return s;
}

uint64_t plan_settle_ns(const struct scenario *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i + 1 < s->phase_count; i++)
        sum += s->phases[i].settle_ns;
    return sum;
}

/* All of them, in order. */
static uint64_t awaits_most_ns(const struct phase *p)
{
    uint64_t total = 0, within;
    for (size_t i = 0; i < p->step_count; i++) {
        const char *text = json_string_value(json_object_get(p->steps[i].keys, "within"));
        if (p->steps[i].kind == STEP_AWAIT && text != NULL &&
            units_parse_duration(text, &within, NULL))
            total += within;
    }
    return total;
}

uint64_t phase_most_ns(const struct phase *p)
{
    switch (p->ends) {
    case PHASE_BY_CLOCK:
        return p->lasting_ns;
    case PHASE_BY_AWAITS:
        return awaits_most_ns(p);
    case PHASE_DECIDED:
        return p->atmost_ns;
    }
    UNREACHABLE();
}
