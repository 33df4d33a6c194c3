#include "plan/row.h"

#include <stdlib.h>

/* The rows as authors meet them: reading what they wrote, and the sentences about what is wrong
 * with it. */

const char *row_show(const json_t *value, char *to, size_t size)
{
    if (json_is_string(value))
        snprintf(to, size, "\"%.40s\"", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(to, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(to, size, "%.10g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(to, size, "%s", json_is_true(value) ? "true" : "false");
    else
        snprintf(to, size, "%s", value == NULL ? "nothing" : "a table");
    return to;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void row_no_key(const char *word, const char *key, const char *const *names, size_t count, char *to,
                size_t size)
{
    const char *sorted[96];
    struct text t;
    size_t n = count < COUNT_OF(sorted) ? count : COUNT_OF(sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = names[i];
    qsort(sorted, n, sizeof(*sorted), by_name);
    const char *near = text_nearest(key, sorted, n);
    text_init(&t, size);
    text_add(&t, "%s has no key \"%.40s\"", word, key);
    if (near != NULL)
        text_add(&t, " (did you mean \"%s\"?)", near);
    text_add(&t, "; it has");
    for (size_t i = 0; i < n; i++)
        text_add(&t, " %s", sorted[i]);
    snprintf(to, size, "%s", text_get(&t));
    text_release(&t);
}

/* `is "400"; ...` of a unit's parser becomes `is 400; ...`: the author wrote a bare number. */
static void unquote(struct error *err, const char *shown)
{
    const char *rest = strstr(err->text, "\"; ");
    char text[sizeof(err->text)];
    if (rest == NULL)
        return;
    snprintf(text, sizeof(text), "is %s%s", shown, rest + 1);
    memcpy(err->text, text, sizeof(text));
}

bool row_quantity(enum unit unit, const json_t *value, uint64_t *ret, struct error *err)
{
    char shown[64];
    uint64_t number = 0;
    struct error local = {0};
    row_show(value, shown, sizeof(shown));
    if (unit == UNIT_COUNT) {
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return error_set(err, ERROR_INPUT, "is %s; it must be a count such as 3", shown);
        number = (uint64_t)json_integer_value(value);
    } else if (unit == UNIT_TEXT || unit == UNIT_PLACE || unit == UNIT_WORD) {
        if (!json_is_string(value))
            return error_set(err, ERROR_INPUT, "is %s; it must be a text", shown);
    } else if (unit == UNIT_MAP) {
        if (!json_is_object(value))
            return error_set(err, ERROR_INPUT, "is %s; it must be a table of names and values",
                             shown);
    } else if (!param_parse_quantity(unit, json_is_string(value) ? json_string_value(value) : shown,
                                     &number, &local)) {
        if (!json_is_string(value))
            unquote(&local, shown);
        return error_set(err, local.kind, "%s", local.text);
    }
    if (ret != NULL)
        *ret = number;
    return true;
}

static bool takes(const struct row *row, const char *word)
{
    return (row->face & ROW_SUITE) != 0 && (row->only == NULL || strcmp(row->only, word) == 0);
}

static bool bad_word(const char *const *words, const json_t *value, struct error *err)
{
    char shown[64];
    struct text list;
    text_init(&list, 160);
    for (size_t i = 0; words[i] != NULL; i++)
        text_add(&list, "%s%s", i == 0 ? "" : ", ", words[i]);
    error_set(err, ERROR_INPUT, "is %s; it is one of %s", row_show(value, shown, sizeof(shown)),
              text_get(&list));
    text_release(&list);
    return false;
}

static bool find_word(const char *const *words, const json_t *value, size_t *ret, struct error *err)
{
    for (size_t i = 0; json_is_string(value) && words[i] != NULL; i++) {
        if (strcmp(words[i], json_string_value(value)) == 0) {
            *ret = i;
            return true;
        }
    }
    return bad_word(words, value, err);
}

static bool parse_texts(const struct row *row, const json_t *value, void *to, struct arena *arena,
                        struct error *err)
{
    char shown[64];
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    const char **list = ARENA_ARRAY(arena, const char *, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(item))
            return error_set(err, ERROR_INPUT, "holds %s; it must be a list of texts",
                             row_show(item, shown, sizeof(shown)));
        list[i] = arena_strdup(arena, json_string_value(item));
    }
    *(const char ***)(void *)((uint8_t *)to + row->offset) = list;
    *(size_t *)(void *)((uint8_t *)to + row->count_offset) = count;
    return true;
}

static bool parse_number(const struct row *row, const json_t *value, void *to, struct error *err)
{
    uint64_t number;
    char shown[64], bound[40];
    if (!row_quantity(row->unit, value, &number, err))
        return false;
    row_show(value, shown, sizeof(shown));
    if (number < row->least)
        return error_set(err, ERROR_INPUT, "is %s; it must be at least %llu", shown,
                         (unsigned long long)row->least);
    uint64_t most = row->width >= 8 ? INT64_MAX : (UINT64_C(1) << (8 * row->width)) - 1;
    if (row->most != 0 && row->most < most)
        most = row->most;
    if (number <= most) {
        memcpy((uint8_t *)to + row->offset, &number, row->width);
        return true;
    }
    return error_set(err, ERROR_INPUT, "is %s; at most %s", shown,
                     param_print_quantity(row->unit, most, bound, sizeof(bound)));
}

static bool parse_place(const json_t *value, struct place *to, struct arena *arena,
                        struct error *err)
{
    char shown[64];
    if (!json_is_string(value))
        return error_set(
            err, ERROR_INPUT,
            "is %s; it must be a place: \"a -> b\", \"b\", \"b/2\", \"b/any\", \"zone:a\"",
            row_show(value, shown, sizeof(shown)));
    return place_parse(json_string_value(value), arena, to, err);
}

static bool parse_field(const struct row *row, json_t *value, void *to, struct arena *arena,
                        struct error *err)
{
    uint8_t *field = (uint8_t *)to + row->offset;
    size_t word;
    switch (row->kind) {
    case ROW_TEXT:
        if (row->words != NULL ? !find_word(row->words, value, &word, err)
                               : !row_quantity(UNIT_TEXT, value, NULL, err))
            return false;
        *(const char **)(void *)field = arena_strdup(arena, json_string_value(value));
        return true;
    case ROW_TEXTS:
        return parse_texts(row, value, to, arena, err);
    case ROW_NUMBER:
        return parse_number(row, value, to, err);
    case ROW_WORD:
        if (!find_word(row->words, value, &word, err))
            return false;
        memcpy(field, &word, row->width);
        return true;
    case ROW_REAL: {
        char shown[64];
        if (!json_is_number(value) || json_number_value(value) <= 0)
            return error_set(err, ERROR_INPUT, "is %s; it must be a number such as 1e-6",
                             row_show(value, shown, sizeof(shown)));
        *(double *)(void *)field = json_number_value(value);
        return true;
    }
    case ROW_PLACE:
        return parse_place(value, (struct place *)(void *)field, arena, err);
    case ROW_JSON:
        if (!row_quantity(UNIT_MAP, value, NULL, err))
            return false;
        *(json_t **)(void *)field = value;
        return true;
    case ROW_ARRAY:
    case ROW_SOURCE:
    case ROW_STEP:
    case ROW_SUB:
    case ROW_LIST:
    case ROW_SPECIAL:
    case ROW_UNBUILT:
        return true;
    }
    UNREACHABLE();
}

/* A fallback as the JSON that an author's text would have become. */
static json_t *fallback_of(const struct row *row)
{
    uint64_t number;
    if (row->kind == ROW_NUMBER && row->unit == UNIT_COUNT) {
        INVARIANT(bytes_to_u64(bytes_of(row->fallback), &number));
        return json_integer((json_int_t)number);
    }
    if (row->kind != ROW_TEXTS)
        return json_string(row->fallback);
    json_t *list = json_array();
    for (const char *at = row->fallback; *at != '\0';) {
        size_t len = strcspn(at, ",");
        json_array_append_new(list, json_stringn(at, len));
        at += len + (at[len] == ',');
    }
    return list;
}

static void set_fallbacks(const struct row_table *table, const char *word, void *to,
                          struct arena *arena, json_t *owned)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if (!takes(row, word) || row->fallback == NULL)
            continue;
        json_t *value = fallback_of(row);
        INVARIANT(value != NULL && json_array_append_new(owned, value) == 0);
        INVARIANT(parse_field(row, value, to, arena, NULL));
    }
}

const struct row *row_find(const struct row_table *table, const char *word, const char *key)
{
    for (size_t i = 0; i < table->count; i++) {
        if (takes(&table->rows[i], word) && strcmp(table->rows[i].name, key) == 0)
            return &table->rows[i];
    }
    return NULL;
}

static void no_key(const struct row_table *table, const char *word, const char *key,
                   struct source source, struct errors *errors)
{
    const char *names[64];
    char text[sizeof(((struct error *)NULL)->text)];
    size_t count = 0;
    for (size_t i = 0; i < table->count && count < COUNT_OF(names); i++) {
        if (takes(&table->rows[i], word))
            names[count++] = table->rows[i].name;
    }
    row_no_key(word, key, names, count, text, sizeof(text));
    errors_add(errors, source, ERROR_INPUT, "%s", text);
}

void row_parse(const struct row_table *table, const char *word, const json_t *keys, void *to,
               struct source source, struct arena *arena, json_t *owned, struct errors *errors)
{
    const char *key;
    json_t *value;
    set_fallbacks(table, word, to, arena, owned);
    json_object_foreach((json_t *)(uintptr_t)keys, key, value)
    {
        struct error err = {0};
        const struct row *row = row_find(table, word, key);
        if (row == NULL) {
            no_key(table, word, key, source, errors);
        } else if (row->kind == ROW_UNBUILT) {
            errors_add(errors, source, ERROR_INPUT, "%s: %s is not built yet", word, key);
        } else if (!parse_field(row, value, to, arena, &err)) {
            error_prefix(&err, "%s: %s ", word, key);
            errors_take(errors, source, &err);
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if (takes(row, word) && row->required && json_object_get(keys, row->name) == NULL)
            errors_add(errors, source, ERROR_INPUT, "%s needs %s", word, row->name);
    }
}
