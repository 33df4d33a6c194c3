#include "plan/row.h"

/* The saved form. Its reader trusts nothing: every text is measured, every number is held against
 * its field's width and bound, every list is counted against what may still be made. */

#define TEXT_MOST ((size_t)64 * 1024)
#define DEPTH_MOST 12

static const char *const step_families[] = {"fault", "expect", "cert", "await",
                                            "at",    "during", "group"};

static const uint8_t *field_of(const struct row *row, const void *of)
{
    return (const uint8_t *)of + row->offset;
}

static uint64_t number_get(const struct row *row, const void *of)
{
    uint64_t value = 0;
    memcpy(&value, field_of(row, of),
           row->width); /* little endian, as is every machine we build for */
    return value;
}

static void number_set(const struct row *row, void *of, uint64_t value)
{
    memcpy((uint8_t *)of + row->offset, &value, row->width);
}

static uint64_t number_most(const struct row *row)
{
    uint64_t most = row->width >= 8 ? INT64_MAX : (UINT64_C(1) << (8 * row->width)) - 1;
    return row->most != 0 && row->most < most ? row->most : most;
}

static const char *text_get_field(const struct row *row, const void *of)
{
    return *(const char *const *)(const void *)field_of(row, of);
}

static size_t count_of(const struct row *row, const void *of)
{
    return *(const size_t *)(const void *)((const uint8_t *)of + row->count_offset);
}

static json_t *write_list(const struct row *row, const void *of)
{
    const uint8_t *items = *(const uint8_t *const *)(const void *)field_of(row, of);
    size_t count = count_of(row, of);
    if (count == 0)
        return NULL;
    json_t *list = json_array();
    INVARIANT(list != NULL);
    for (size_t i = 0; i < count; i++) {
        json_t *item = row->kind == ROW_LIST
                           ? row_write(row->of, items + i * row->of->bytes)
                           : json_string(((const char *const *)(const void *)items)[i]);
        INVARIANT(item != NULL && json_array_append_new(list, item) == 0);
    }
    return list;
}

static json_t *write_source(const struct source *s)
{
    char to[400];
    return source_format(*s, true, to, sizeof(to)) == 0 ? NULL : json_string(to);
}

static json_t *write_step(const struct step *s)
{
    return s->kind <= STEP_AWAIT ? json_sprintf("%s.%s", step_families[s->kind], s->word)
                                 : json_string(step_families[s->kind]);
}

static json_t *text_or_null(const char *text)
{
    return text == NULL ? NULL : json_string(text);
}

/* NULL: unset, left out. */
static json_t *write_field(const struct row *row, const void *of)
{
    const uint8_t *field = field_of(row, of);
    switch (row->kind) {
    case ROW_TEXT:
        return text_or_null(text_get_field(row, of));
    case ROW_TEXTS:
    case ROW_LIST:
        return write_list(row, of);
    case ROW_NUMBER:
        if (number_get(row, of) > INT64_MAX)
            return NULL; /* during "20s..": no end */
        return json_integer((json_int_t)number_get(row, of));
    case ROW_WORD:
        return json_string(row->words[number_get(row, of)]);
    case ROW_REAL:
        return json_real(*(const double *)(const void *)field);
    case ROW_PLACE:
        return text_or_null(((const struct place *)(const void *)field)->text);
    case ROW_JSON:
    case ROW_ARRAY: {
        const json_t *value = *(json_t *const *)(const void *)field;
        return value == NULL ? NULL : json_deep_copy(value);
    }
    case ROW_SOURCE:
        return write_source((const struct source *)(const void *)field);
    case ROW_STEP:
        return write_step(of);
    case ROW_SUB:
        return row_write(row->of, field);
    case ROW_SPECIAL:
    case ROW_UNBUILT:
        break;
    }
    UNREACHABLE();
}

json_t *row_write(const struct row_table *table, const void *of)
{
    json_t *to = json_object();
    INVARIANT(to != NULL);
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        json_t *value = (row->face & ROW_SAVED) != 0 ? write_field(row, of) : NULL;
        if (value != NULL)
            INVARIANT(json_object_set_new(to, row->name, value) == 0);
    }
    return to;
}

/* Room in the arena for ${bytes} more, and one more thing allowed. */
static bool may_take(struct row_reader *r, size_t bytes)
{
    if (r->left == 0 || bytes > r->arena->max_bytes / 2 ||
        r->arena->used_bytes + bytes + TEXT_MOST > r->arena->max_bytes / 2)
        return error_set(r->err, ERROR_LIMIT,
                         "is more than a plan may hold (200 000 values, 32 MiB)");
    r->left--;
    return true;
}

static bool read_text(const json_t *from, const char *const *words, const char **ret,
                      struct row_reader *r)
{
    char shown[64];
    const char *text = json_string_value(from);
    size_t len = json_string_length(from);
    if (text == NULL || strlen(text) != len)
        return error_set(r->err, ERROR_INPUT, "is %s; it must be a text",
                         row_show(from, shown, sizeof(shown)));
    if (len >= TEXT_MOST)
        return error_set(r->err, ERROR_LIMIT, "is a text of %zu bytes; at most 64 KiB", len);
    for (size_t i = 0; words != NULL; i++) {
        if (words[i] == NULL)
            return error_set(r->err, ERROR_INPUT, "is \"%.40s\", which is none of its words", text);
        if (strcmp(words[i], text) == 0)
            break;
    }
    if (!may_take(r, len))
        return false;
    *ret = arena_strdup(r->arena, text);
    return true;
}

static bool read_texts(const struct row *row, const json_t *from, void *to, struct row_reader *r)
{
    size_t count = json_array_size(from);
    if (!json_is_array(from))
        return error_set(r->err, ERROR_INPUT, "must be a list");
    if (!may_take(r, count * sizeof(char *)))
        return false;
    const char **list = ARENA_ARRAY(r->arena, const char *, count);
    for (size_t i = 0; i < count; i++) {
        if (!read_text(json_array_get(from, i), row->words, &list[i], r))
            return false;
    }
    *(const char ***)(void *)((uint8_t *)to + row->offset) = list;
    *(size_t *)(void *)((uint8_t *)to + row->count_offset) = count;
    return true;
}

static bool read_list(const struct row *row, const json_t *from, void *to, struct row_reader *r)
{
    size_t count = json_array_size(from);
    if (!json_is_array(from))
        return error_set(r->err, ERROR_INPUT, "must be a list");
    if (count > row->most)
        return error_set(r->err, ERROR_LIMIT, "has %zu entries; at most %llu", count,
                         (unsigned long long)row->most);
    if (!may_take(r, count * row->of->bytes))
        return false;
    uint8_t *list = arena_take(r->arena, count * row->of->bytes);
    for (size_t i = 0; i < count; i++) {
        if (!may_take(r, 0) ||
            !row_read(row->of, json_array_get(from, i), list + i * row->of->bytes, r)) {
            error_prefix(r->err, "[%zu]", i);
            return false;
        }
    }
    *(uint8_t **)(void *)((uint8_t *)to + row->offset) = list;
    *(size_t *)(void *)((uint8_t *)to + row->count_offset) = count;
    return true;
}

static bool read_number(const struct row *row, const json_t *from, void *to, struct row_reader *r)
{
    char shown[64];
    json_int_t value = json_integer_value(from);
    if (!json_is_integer(from) || value < 0 || (uint64_t)value > number_most(row))
        return error_set(r->err, ERROR_INPUT, "is %s; it must be a whole number from 0 to %llu",
                         row_show(from, shown, sizeof(shown)),
                         (unsigned long long)number_most(row));
    number_set(row, to, (uint64_t)value);
    return true;
}

static bool read_word(const struct row *row, const json_t *from, void *to, struct row_reader *r)
{
    const char *text = json_string_value(from);
    for (size_t i = 0; text != NULL && row->words[i] != NULL; i++) {
        if (strcmp(row->words[i], text) == 0) {
            number_set(row, to, i);
            return true;
        }
    }
    char shown[64];
    return error_set(r->err, ERROR_INPUT, "is %s, which is none of its words",
                     row_show(from, shown, sizeof(shown)));
}

/* "file:line", "file:line:column". */
static bool read_source(const json_t *from, struct source *to, struct row_reader *r)
{
    const char *text;
    uint64_t numbers[2] = {0};
    size_t found = 0;
    if (!read_text(from, NULL, &text, r))
        return false;
    size_t len = strlen(text), end = len;
    for (size_t at = len; found < 2 && at > 1; at--) {
        if (text[at - 1] != ':')
            continue;
        struct bytes digits = {(const uint8_t *)text + at, end - at};
        if (!bytes_to_u64(digits, &numbers[found]) || numbers[found] > UINT32_MAX)
            break;
        found++;
        end = at - 1;
    }
    to->file = arena_strndup(r->arena, text, end);
    to->line = (uint32_t)(found == 2 ? numbers[1] : numbers[0]);
    to->column = (uint32_t)(found == 2 ? numbers[0] : 0);
    return true;
}

static bool read_step_word(const json_t *from, struct step *to, struct row_reader *r)
{
    const char *text;
    if (!read_text(from, NULL, &text, r))
        return false;
    for (size_t i = 0; i < COUNT_OF(step_families); i++) {
        size_t len = strlen(step_families[i]);
        if (strncmp(text, step_families[i], len) != 0)
            continue;
        to->kind = (enum step_kind)i;
        if (i <= STEP_AWAIT && text[len] == '.') {
            to->word = text + len + 1;
            return true;
        }
        if (i > STEP_AWAIT && text[len] == '\0') {
            to->word = step_families[i];
            return true;
        }
    }
    return error_set(r->err, ERROR_INPUT,
                     "is \"%.40s\"; it must be a step such as \"fault.abort\" or \"during\"", text);
}

static bool read_json(const struct row *row, const json_t *from, void *to, struct row_reader *r)
{
    if (row->kind == ROW_JSON ? !json_is_object(from) : !json_is_array(from))
        return error_set(r->err, ERROR_INPUT, "must be %s",
                         row->kind == ROW_JSON ? "an object" : "a list");
    json_t *copy = json_deep_copy(from);
    INVARIANT(copy != NULL && json_array_append_new(r->owned, copy) == 0);
    *(json_t **)(void *)((uint8_t *)to + row->offset) = copy;
    return may_take(r, 0);
}

static bool read_field(const struct row *row, const json_t *from, void *to, struct row_reader *r)
{
    uint8_t *field = (uint8_t *)to + row->offset;
    switch (row->kind) {
    case ROW_TEXT:
        return read_text(from, row->words, (const char **)(void *)field, r);
    case ROW_TEXTS:
        return read_texts(row, from, to, r);
    case ROW_LIST:
        return read_list(row, from, to, r);
    case ROW_NUMBER:
        return read_number(row, from, to, r);
    case ROW_WORD:
        return read_word(row, from, to, r);
    case ROW_REAL:
        if (!json_is_number(from))
            return error_set(r->err, ERROR_INPUT, "must be a number");
        *(double *)(void *)field = json_number_value(from);
        return true;
    case ROW_PLACE: {
        const char *text;
        return read_text(from, NULL, &text, r) &&
               place_parse(text, r->arena, (struct place *)(void *)field, r->err);
    }
    case ROW_JSON:
    case ROW_ARRAY:
        return read_json(row, from, to, r);
    case ROW_SOURCE:
        return read_source(from, (struct source *)(void *)field, r);
    case ROW_STEP:
        return read_step_word(from, to, r);
    case ROW_SUB:
        return row_read(row->of, from, field, r);
    case ROW_SPECIAL:
    case ROW_UNBUILT:
        break;
    }
    UNREACHABLE();
}

static const struct row *saved_row(const struct row_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if ((table->rows[i].face & ROW_SAVED) != 0 && strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    }
    return NULL;
}

bool row_read(const struct row_table *table, const json_t *from, void *to, struct row_reader *r)
{
    const char *key;
    json_t *value;
    if (!json_is_object(from))
        return error_set(r->err, ERROR_INPUT, " must be an object");
    if (r->depth >= DEPTH_MOST)
        return error_set(r->err, ERROR_LIMIT, " is nested deeper than %d", DEPTH_MOST);
    r->depth++;
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        const struct row *row = saved_row(table, key);
        if (row == NULL)
            return error_set(r->err, ERROR_INPUT, ".%.40s: %s has no such key", key, table->word);
        if (!read_field(row, value, to, r)) {
            bool nested = r->err != NULL && (r->err->text[0] == '[' || r->err->text[0] == '.');
            error_prefix(r->err, ".%.40s%s", key, nested ? "" : " ");
            return false;
        }
    }
    r->depth--;
    return table->after == NULL || table->after(to, r);
}
