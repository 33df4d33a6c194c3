#ifndef PLAN_ROW_H
#define PLAN_ROW_H

/* One row for each field of the plan's structs. The same row reads and writes the saved form (JSON,
 * in base units), checks and reads what an author wrote (text with units), prints it as a suite
 * again, and lists a word's keys in an error: nothing is said twice (design.md section 4). Rows of
 * faults are struct param; these describe the frame around them. Not a general serialiser: it knows
 * the plan's shapes only. */

#include "plan/errors.h"
#include "plan/plan.h"

enum row_kind {
    ROW_TEXT,    /* const char *, of ${words} if given */
    ROW_TEXTS,   /* const char **, and a count; a suite may write one text for a list of one */
    ROW_NUMBER,  /* unsigned of ${width}, in ${unit}'s base unit */
    ROW_WORD,    /* unsigned, enum or bool of ${width}: the index in ${words} */
    ROW_REAL,    /* double */
    ROW_PLACE,   /* struct place */
    ROW_JSON,    /* json_t *: an object, or NULL */
    ROW_ARRAY,   /* json_t *: an array, or NULL */
    ROW_SOURCE,  /* struct source: "file:line" */
    ROW_STEP,    /* kind and word of a step: "fault.abort", "during" */
    ROW_SUB,     /* a struct of table ${of} within */
    ROW_LIST,    /* an array of structs of table ${of}, and a count */
    ROW_SPECIAL, /* a key of the suite that its word reads itself */
    ROW_UNBUILT, /* a key of the language that this version refuses */
};

#define ROW_SUITE 1 /* a key that authors write */
#define ROW_SAVED 2 /* a key of the saved form */

struct row_table;
struct row {
    const char *name;
    enum row_kind kind;
    enum unit unit;
    size_t offset, count_offset, width;
    const char *const *words; /* NULL-terminated */
    const char *fallback;     /* as an author would write it; of ROW_TEXTS: separated by commas */
    const char *only;         /* ROW_SUITE: the one word that takes it ("load.open"); NULL: all */
    uint64_t least, most;     /* most 0: no bound but the width */
    unsigned face;            /* ROW_SUITE, ROW_SAVED */
    bool required;
    const struct row_table *of;
};

struct row_reader {
    struct arena *arena;
    json_t *owned; /* array that keeps json_t alive */
    size_t left;   /* structs and texts that may still be made */
    unsigned depth;
    struct error *err;
};

struct row_table {
    const char *word;
    const struct row *rows;
    size_t count, bytes;
    bool (*after)(void *of, struct row_reader *r); /* what no row can say; NULL: nothing */
};

/* The saved form. Unset texts, places and lists of nothing are left out. */
json_t *row_write(const struct row_table *table, const void *of);
/* And back. Bounded by ${left} and by the arena's room; the error names the key. */
bool row_read(const struct row_table *table, const json_t *from, void *to,
              struct row_reader *r) WARN_UNUSED;

/* The row of a key that authors write under ${word}; NULL: it has none. */
const struct row *row_find(const struct row_table *table, const char *word, const char *key);
/* As authors write it: every key of ${keys} must be a row of ${word}; sets fallbacks first.
 * ROW_SPECIAL, ROW_SUB and ROW_LIST are left to the caller. Errors go to ${errors}; fields with an
 * error keep their fallback. */
void row_parse(const struct row_table *table, const char *word, const json_t *keys, void *to,
               struct source source, struct arena *arena, json_t *owned, struct errors *errors);
/* `name = "value"` for each row that differs from its fallback, each after ", " unless it is the
 * first
 * (${ret_count} counts on). */
void row_print(const struct row_table *table, const char *word, const void *of, struct text *to,
               size_t *ret_count);

/* `word has no key "jiter" (did you mean "jitter"?); it has add ...`: for every table of keys in
 * the house. */
void row_no_key(const char *word, const char *key, const char *const *names, size_t count, char *to,
                size_t size);
/* "\"b\"", "0.3", "a table": a value as an error shows it. Returns ${to}. */
const char *row_show(const json_t *value, char *to, size_t size);
/* ${text} as a Lua string, quoted. */
void row_quote(struct text *to, const char *text);
/* A JSON value as Lua. */
void row_print_value(struct text *to, const json_t *value);
/* Checks one value as an author wrote it against a unit: `is 400; it must be a duration such as
 * ...`. Text units take strings. ${ret} may be NULL. */
bool row_quantity(enum unit unit, const json_t *value, uint64_t *ret,
                  struct error *err) WARN_UNUSED;

extern const struct row_table plan_table, scenario_table, phase_table, step_table, load_table,
    lab_table, service_table, call_table, mesh_table, suite_table, from_policy_table, guard_table,
    probe_table, notify_table, quarantine_table;

#endif
