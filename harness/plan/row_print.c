#include "plan/row.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* Rows as a suite again: `plan --as lua`. */

void row_quote(struct text *to, const char *text)
{
    text_add(to, "\"");
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            text_add(to, "\\%c", c);
        else if (c < 32 || c == 127)
            text_add(to, "\\%03u", c);
        else
            text_add(to, "%c", c);
    }
    text_add(to, "\"");
}

static bool is_identifier(const char *key)
{
    static const char *const reserved[] = {"and",   "break", "do",       "else", "elseif", "end",
                                           "false", "for",   "function", "goto", "if",     "in",
                                           "local", "nil",   "not",      "or",   "repeat", "return",
                                           "then",  "true",  "until",    "while"};
    if (*key == '\0' || isdigit((unsigned char)*key))
        return false;
    for (const char *p = key; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && *p != '_')
            return false;
    }
    for (size_t i = 0; i < COUNT_OF(reserved); i++) {
        if (strcmp(key, reserved[i]) == 0)
            return false;
    }
    return true;
}

static void print_key(struct text *to, const char *key)
{
    if (is_identifier(key)) {
        text_add(to, "%s = ", key);
        return;
    }
    text_add(to, "[");
    row_quote(to, key);
    text_add(to, "] = ");
}

/* The shortest decimal that reads back as the same number, and stays a float. */
static void print_real(struct text *to, double value)
{
    char shown[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(shown, sizeof(shown), "%.*g", digits, value);
        if (strtod(shown, NULL) == value)
            break;
    }
    text_add(to, "%s%s", shown, strpbrk(shown, ".eni") == NULL ? ".0" : "");
}

void row_print_value(struct text *to, const json_t *value)
{
    const char *key;
    json_t *item;
    size_t count = 0;
    if (json_is_string(value)) {
        row_quote(to, json_string_value(value));
    } else if (json_is_integer(value)) {
        text_add(to, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        print_real(to, json_real_value(value));
    } else if (json_is_object(value)) {
        text_add(to, "{ ");
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            text_add(to, "%s", count++ == 0 ? "" : ", ");
            print_key(to, key);
            row_print_value(to, item);
        }
        text_add(to, " }");
    } else {
        text_add(to, "{ ");
        for (; count < json_array_size(value); count++) {
            text_add(to, "%s", count == 0 ? "" : ", ");
            row_print_value(to, json_array_get(value, count));
        }
        text_add(to, " }");
    }
}

static bool number_differs(const struct row *row, uint64_t value)
{
    uint64_t fallback = 0;
    if (row->fallback == NULL)
        return value != 0;
    json_t *text = row->unit == UNIT_COUNT
                       ? json_integer((json_int_t)strtoull(row->fallback, NULL, 10))
                       : json_string(row->fallback);
    INVARIANT(row_quantity(row->unit, text, &fallback, NULL));
    json_decref(text);
    return fallback != value;
}

/* The field's value as a Lua expression in ${to}; false when it is unset or its fallback. */
static bool print_texts(const struct row *row, const void *of, struct text *to)
{
    const char *const *list =
        *(const char *const *const *)(const void *)((const uint8_t *)of + row->offset);
    size_t count = *(const size_t *)(const void *)((const uint8_t *)of + row->count_offset);
    struct text joined;
    text_init(&joined, 65536);
    for (size_t i = 0; i < count; i++)
        text_add(&joined, "%s%s", i == 0 ? "" : ",", list[i]);
    bool differs = strcmp(text_get(&joined), row->fallback != NULL ? row->fallback : "") != 0;
    text_release(&joined);
    if (!differs)
        return false;
    text_add(to, "{ ");
    for (size_t i = 0; i < count; i++) {
        text_add(to, "%s", i == 0 ? "" : ", ");
        row_quote(to, list[i]);
    }
    text_add(to, " }");
    return true;
}

static bool print_field(const struct row *row, const void *of, struct text *to)
{
    const uint8_t *field = (const uint8_t *)of + row->offset;
    const char *text = NULL;
    char shown[40];
    uint64_t number = 0;
    if (row->kind == ROW_TEXTS)
        return print_texts(row, of, to);
    if (row->kind == ROW_JSON) {
        const json_t *value = *(json_t *const *)(const void *)field;
        if (value != NULL)
            row_print_value(to, value);
        return value != NULL;
    }
    if (row->kind == ROW_NUMBER || row->kind == ROW_WORD)
        memcpy(&number, field, row->width);
    if (row->kind == ROW_NUMBER) {
        if (!number_differs(row, number))
            return false;
        text_add(to, row->unit == UNIT_COUNT ? "%s" : "\"%s\"",
                 param_print_quantity(row->unit, number, shown, sizeof(shown)));
        return true;
    }
    if (row->kind == ROW_TEXT)
        text = *(const char *const *)(const void *)field;
    else if (row->kind == ROW_PLACE)
        text = ((const struct place *)(const void *)field)->text;
    else if (row->kind == ROW_WORD)
        text = row->words[number];
    if (text == NULL || (row->fallback != NULL && strcmp(text, row->fallback) == 0))
        return false;
    row_quote(to, text);
    return true;
}

void row_print(const struct row_table *table, const char *word, const void *of, struct text *to,
               size_t *ret_count)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        struct text value;
        if ((row->face & ROW_SUITE) == 0 || (row->only != NULL && strcmp(row->only, word) != 0))
            continue;
        text_init(&value, to->max_bytes);
        if (print_field(row, of, &value)) {
            text_add(to, "%s", (*ret_count)++ == 0 ? "" : ", ");
            print_key(to, row->name);
            text_add(to, "%s", text_get(&value));
        }
        text_release(&value);
    }
}
