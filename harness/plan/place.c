#include "plan/place.h"

/* place = one | one " -> " one; see the grammar in scenario-language.md 1.3. */

#define NAME_MOST 63

static bool is_name_byte(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && !first);
}

/* A name at *at, moved past it; NULL when there is none or it is too long. */
static const char *take_name(const char **at, struct arena *arena)
{
    const char *start = *at;
    size_t len = 0;
    while (is_name_byte(start[len], len == 0))
        len++;
    if (len == 0 || len > NAME_MOST)
        return NULL;
    *at = start + len;
    return arena_strndup(arena, start, len);
}

static bool take_number(const char **at, uint32_t *ret)
{
    uint32_t value = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (value >= 100000)
            return false;
        value = value * 10 + (uint32_t)(*p - '0');
    }
    if (p == *at || value == 0 || (*at)[0] == '0')
        return false;
    *at = p;
    *ret = value;
    return true;
}

static bool take_end(const char **at, struct arena *arena, struct place_end *ret)
{
    *ret = (struct place_end){0};
    if (strncmp(*at, "zone:", 5) == 0) {
        *at += 5;
        return (ret->zone = take_name(at, arena)) != NULL;
    }
    if ((ret->service = take_name(at, arena)) == NULL)
        return false;
    if (**at == '.') {
        (*at)++;
        if ((ret->ns = take_name(at, arena)) == NULL)
            return false;
    }
    if (**at == '@') {
        (*at)++;
        if ((ret->subset = take_name(at, arena)) == NULL)
            return false;
    }
    if (**at != '/')
        return true;
    (*at)++;
    if (strncmp(*at, "any", 3) == 0) {
        *at += 3;
        ret->any = true;
        return true;
    }
    return take_number(at, &ret->endpoint);
}

static bool take_place(const char *text, struct arena *arena, struct place *ret)
{
    const char *at = text;
    *ret = (struct place){0};
    if (strlen(text) > 4 * (size_t)NAME_MOST * 2 || !take_end(&at, arena, &ret->to))
        return false;
    if (strncmp(at, " -> ", 4) == 0) {
        at += 4;
        ret->from = ret->to;
        if (!take_end(&at, arena, &ret->to))
            return false;
    }
    ret->text = arena_strdup(arena, text);
    return *at == '\0';
}

bool place_parse(const char *text, struct arena *arena, struct place *ret, struct error *err)
{
    if (take_place(text, arena, ret))
        return true;
    *ret = (struct place){0};
    return error_set(
        err, ERROR_INPUT,
        "is \"%.60s\"; it must be a place: \"a -> b\", \"b\", \"b/2\", \"b/any\", \"zone:a\"",
        text);
}
