#include "base/param.h"

#include "base/units.h"

static uint64_t *number(const struct param *row, void *params)
{
    return (uint64_t *)(void *)((uint8_t *)params + row->offset);
}

static const char **words_of(const struct param *row, void *params)
{
    return (const char **)(void *)((uint8_t *)params + row->offset);
}

static bool is_text(enum unit unit)
{
    return unit == UNIT_TEXT || unit == UNIT_PLACE || unit == UNIT_MAP;
}

static bool parse_word(const struct param *row, const char *text, uint64_t *ret, struct error *err)
{
    char list[160] = "";
    for (size_t i = 0; row->words[i] != NULL; i++) {
        if (strcmp(row->words[i], text) == 0) {
            *ret = i;
            return true;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ", row->words[i]);
    }
    return error_set(err, ERROR_INPUT, "is \"%.40s\"; it is one of %s", text, list);
}

bool param_parse_quantity(enum unit unit, const char *text, uint64_t *ret, struct error *err)
{
    switch (unit) {
    case UNIT_COUNT:
        if (!bytes_to_u64(bytes_of(text), ret))
            return error_set(err, ERROR_INPUT, "is \"%.40s\"; it must be a count such as 3", text);
        return true;
    case UNIT_TIME_NS:
        return units_parse_duration(text, ret, err);
    case UNIT_BYTES:
        return units_parse_size(text, ret, err);
    case UNIT_SHARE_PPM:
        return units_parse_share(text, ret, err);
    case UNIT_RATE_PER_H:
        return units_parse_rate(text, ret, err);
    case UNIT_BYTES_PER_S:
        return units_parse_byterate(text, ret, err);
    case UNIT_WORD:
    case UNIT_TEXT:
    case UNIT_PLACE:
    case UNIT_MAP:
        break;
    }
    UNREACHABLE();
}

const char *param_print_quantity(enum unit unit, uint64_t value, char *to, size_t size)
{
    switch (unit) {
    case UNIT_TIME_NS:
        return units_print_duration(value, to, size);
    case UNIT_BYTES:
        return units_print_size(value, to, size);
    case UNIT_SHARE_PPM:
        return units_print_share(value, to, size);
    case UNIT_RATE_PER_H:
        return units_print_rate(value, to, size);
    case UNIT_BYTES_PER_S:
        units_print_size(value, to, size);
        snprintf(to + strlen(to), size - strlen(to), "/s");
        return to;
    case UNIT_COUNT:
        snprintf(to, size, "%llu", (unsigned long long)value);
        return to;
    case UNIT_WORD:
    case UNIT_TEXT:
    case UNIT_PLACE:
    case UNIT_MAP:
        break;
    }
    UNREACHABLE();
}

static bool parse_number(const struct param *row, const char *text, uint64_t *ret,
                         struct error *err)
{
    return row->unit == UNIT_WORD ? parse_word(row, text, ret, err)
                                  : param_parse_quantity(row->unit, text, ret, err);
}

static const char *print_number(const struct param *row, uint64_t value, char *to, size_t size)
{
    if (row->unit != UNIT_WORD)
        return param_print_quantity(row->unit, value, to, size);
    snprintf(to, size, "%s", row->words[value]);
    return to;
}

bool param_parse(const struct param *row, const char *text, void *params, struct arena *arena,
                 struct error *err)
{
    uint64_t value;
    char shown[40], bound[40];
    if (is_text(row->unit)) {
        *words_of(row, params) = arena_strdup(arena, text);
        return true;
    }
    if (!parse_number(row, text, &value, err))
        return false;
    if (value == PARAM_UNSET) /* would read as if the user had written nothing */
        return error_set(err, ERROR_INPUT, "is \"%.40s\", more than any limit", text);
    if (value < row->least)
        return error_set(err, ERROR_INPUT, "is %s, less than the %s allowed",
                         print_number(row, value, shown, sizeof(shown)),
                         print_number(row, row->least, bound, sizeof(bound)));
    if (row->most != 0 && value > row->most)
        return error_set(err, ERROR_INPUT, "is %s, more than the %s allowed",
                         print_number(row, value, shown, sizeof(shown)),
                         print_number(row, row->most, bound, sizeof(bound)));
    *number(row, params) = value;
    return true;
}

void param_defaults(const struct param *rows, size_t count, void *params, struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        if (is_text(rows[i].unit))
            *words_of(&rows[i], params) = NULL;
        else
            *number(&rows[i], params) = PARAM_UNSET;
        if (rows[i].fallback != NULL)
            INVARIANT(param_parse(&rows[i], rows[i].fallback, params, arena, NULL));
    }
}

bool param_print(const struct param *row, const void *params, char *to, size_t size)
{
    const uint8_t *field = (const uint8_t *)params + row->offset;
    if (is_text(row->unit)) {
        const char *text = *(const char *const *)(const void *)field;
        if (text == NULL)
            return false;
        snprintf(to, size, "%s", text);
        return true;
    }
    uint64_t value = *(const uint64_t *)(const void *)field;
    if (value == PARAM_UNSET)
        return false;
    print_number(row, value, to, size);
    return true;
}

const struct param *param_find(const struct param *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

const char *param_unit_name(enum unit unit)
{
    switch (unit) {
    case UNIT_COUNT:
        return "count";
    case UNIT_TIME_NS:
        return "duration";
    case UNIT_BYTES:
        return "bytes";
    case UNIT_SHARE_PPM:
        return "share";
    case UNIT_RATE_PER_H:
        return "rate";
    case UNIT_BYTES_PER_S:
        return "byterate";
    case UNIT_WORD:
        return "word";
    case UNIT_PLACE:
        return "place";
    case UNIT_MAP:
        return "map";
    case UNIT_TEXT:
        return "text";
    }
    UNREACHABLE();
}
