/* Whether two runs did the same to their meshes: their saved plans and policies, without the marks
 * of lines, without remarks, and without which endpoint was drawn. */
#include "verify/compare.h"

#include <ctype.h>
#include <string.h>

static bool is_remark(const char *key)
{
    static const char *const keys[] = {"where", "note", "about", "source", "origin"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

/* "payments/2" as "payments". */
static json_t *without_endpoint(const char *place)
{
    size_t len = strlen(place), end = len;
    while (end > 0 && isdigit((unsigned char)place[end - 1]))
        end--;
    bool endpoint = end < len && end > 1 && place[end - 1] == '/';
    return json_stringn(place, endpoint ? end - 1 : len);
}

static bool is_asked(const json_t *step)
{
    const char *word = json_string_value(json_object_get(step, "word"));
    return word != NULL && (strncmp(word, "expect.", 7) == 0 || strncmp(word, "await.", 6) == 0);
}

/* A copy; the depth is that of a saved plan, which its reader has bounded. */
static json_t *plain(const json_t *from)
{
    const char *key;
    const json_t *item;
    json_t *to;
    if (json_is_object(from)) {
        to = json_object();
        json_object_foreach((json_t *)(uintptr_t)from, key, item)
        {
            if (!is_remark(key))
                json_object_set_new(to, key,
                                    strcmp(key, "on") == 0 && json_is_string(item)
                                        ? without_endpoint(json_string_value(item))
                                        : plain(item));
        }
        return to;
    }
    if (!json_is_array(from))
        return json_deep_copy(from);
    to = json_array();
    for (size_t i = 0; i < json_array_size(from); i++)
        if (!is_asked(json_array_get(from, i)))
            json_array_append_new(to, plain(json_array_get(from, i)));
    return to;
}

bool compare_same_json(const json_t *a, const json_t *b)
{
    json_t *x = plain(a), *y = plain(b);
    bool same = json_equal(x, y) != 0;
    json_decref(x);
    json_decref(y);
    return same;
}

json_t *compare_offer(const json_t *plan, uint32_t scenario, size_t phase)
{
    const json_t *s = json_array_get(json_object_get(plan, "scenarios"), scenario);
    const json_t *p = json_array_get(json_object_get(s, "phases"), phase);
    json_t *load = json_object_get(p, "load"), *to = json_object();
    json_object_set(to, "load", json_array_size(load) > 0 ? load : json_object_get(s, "load"));
    json_object_set(to, "steps", json_object_get(p, "steps"));
    json_object_set(to, "whole", json_object_get(s, "steps"));
    return to;
}

static bool has_fault(const struct step *steps, size_t count, const char *until)
{
    for (size_t i = 0; i < count; i++) {
        const char *to_end_of = json_string_value(json_object_get(steps[i].keys, "to_end_of"));
        bool is = steps[i].kind == STEP_FAULT || steps[i].kind == STEP_CERT;
        if ((is && (until == NULL || (to_end_of != NULL && strcmp(to_end_of, until) == 0))) ||
            has_fault(steps[i].steps, steps[i].step_count, until))
            return true;
    }
    return false;
}

bool compare_is_faulty(const struct scenario *s, size_t phase)
{
    const struct phase *p = &s->phases[phase];
    if (has_fault(s->steps, s->step_count, NULL) || has_fault(p->steps, p->step_count, NULL))
        return true;
    /* One that began before and ends with this phase, or with a later one. */
    for (size_t i = 0; i < phase; i++)
        for (size_t k = phase; k < s->phase_count; k++)
            if (has_fault(s->phases[i].steps, s->phases[i].step_count, s->phases[k].name))
                return true;
    return false;
}
