#ifndef BASE_PARAM_H
#define BASE_PARAM_H

/* One row of a parameter table. It gives the Lua check, --help, the JSON form, the editor types and
 * the README table: nothing is said twice (design.md section 4). A row describes one field of a
 * plain struct: text fields are `const char *`, all others uint64_t in the unit's base. */

#include "base/arena.h"

enum unit {
    UNIT_TEXT,        /* const char * */
    UNIT_COUNT,       /* uint64_t */
    UNIT_TIME_NS,     /* "250ms" */
    UNIT_BYTES,       /* "64KiB" */
    UNIT_SHARE_PPM,   /* "30%" */
    UNIT_RATE_PER_H,  /* "200/s" */
    UNIT_BYTES_PER_S, /* "64KiB/s" */
    UNIT_WORD,        /* one of ${words}: its index, uint64_t */
    UNIT_PLACE,       /* const char *: a place of the scenario language (plan/place.h checks it) */
    UNIT_MAP,         /* const char *: a JSON object as text, header names to values */
};

struct param {
    const char *name, *help, *fallback; /* fallback: as a user would write it; NULL: unset */
    enum unit unit;
    size_t offset;
    bool required;
    uint64_t least, most;     /* in base units; most 0: no bound */
    const char *const *words; /* UNIT_WORD, or of a list, NULL-terminated */
    bool list;  /* UNIT_TEXT: many; the field holds a JSON array of texts: of ${words}, else headers
                 */
    bool plain; /* UNIT_MAP: texts and counts, not headers */
};

/* UINT64_MAX in a number's field means "unset" where a row has no fallback. */
#define PARAM_UNSET UINT64_MAX

#define PARAM(type, field, unit_, ...) \
    { \
        .name = #field, .unit = (unit_), .offset = offsetof(type, field), __VA_ARGS__ \
    }

/* Parses ${text} into the row's field of ${params}; text lives in ${arena}. The error names neither
 * word nor key: "is 400; it must be ...". */
bool param_parse(const struct param *row, const char *text, void *params, struct arena *arena,
                 struct error *err) WARN_UNUSED;
/* Sets every row's fallback (or unset). */
void param_defaults(const struct param *rows, size_t count, void *params, struct arena *arena);
/* Prints the field's value as a user would write it; false when it is unset. */
bool param_print(const struct param *row, const void *params, char *to, size_t size);
/* A quantity of a unit that is none of text, word, place and map, without a row: the value alone,
 * as a user writes it. */
bool param_parse_quantity(enum unit unit, const char *text, uint64_t *ret,
                          struct error *err) WARN_UNUSED;
const char *param_print_quantity(enum unit unit, uint64_t value, char *to, size_t size);
/* "duration", "share": what a user is told to write. */
const char *param_unit_name(enum unit unit);
const struct param *param_find(const struct param *rows, size_t count, const char *name);

#endif
