#ifndef POLICY_EDGE_H
#define POLICY_EDGE_H

/* The values of an edge_policy as a table, so that its JSON and its print say the same. */

#include "policy/policy.h"

enum edge_unit { EDGE_COUNT, EDGE_NS, EDGE_PERCENT, EDGE_PPM, EDGE_LIST, EDGE_WORD };

struct edge_value {
    const char *group, *name; /* "retry", "attempts"; group "" at the top */
    size_t offset;            /* of a struct value in struct edge_policy */
    enum edge_unit unit;
    const char *const *words; /* EDGE_WORD: by number */
    size_t word_count;
};

const struct edge_value *edge_values(size_t *ret_count);
const struct value *edge_value_get(const struct edge_policy *edge, const struct edge_value *row);

#define EDGE_NAME_SIZE 64
/* "retry.attempts" for a row, put into ${to}; and the row for it, NULL: none. */
const char *edge_value_name(const struct edge_value *row, char to[EDGE_NAME_SIZE]);
const struct edge_value *edge_value_find(const char *name);
/* Adds the value as people read it: "3", "250ms", "5xx,reset". */
void edge_value_show(const struct edge_policy *edge, const struct edge_value *row, struct text *to);

/* The words of a retry rule's conditions: `5xx`, `reset`, ... by bit. NULL-terminated by index. */
struct edge_word {
    const char *name;
    uint32_t bit;
};
const struct edge_word *edge_retry_words(size_t *ret_count);
const char *edge_flavour_name(enum flavour flavour);
bool edge_flavour_find(const char *name, enum flavour *ret);

#endif
