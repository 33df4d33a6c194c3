#ifndef LUA_VALUES_H
#define LUA_VALUES_H

/* Lua values as JSON: what a step keeps, and what the plan's rows read. Sorted keys, bounded depth
 * and number, no function but nodes that stand for nothing. */

#include "lua/state.h"

struct values {
    lua_State *L;
    size_t left;  /* values that may still be made of this suite */
    bool policy;  /* policy.* may stand here: { ["policy.value"] = {...} } */
    bool broken;  /* a value in error was met: already said */
    char why[96]; /* of NULL */
};

#define VALUES_MOST 200000

/* The caller's reference. NULL with ${broken} or ${why} set; NULL with neither: an empty table,
 * nothing. Raises nothing. */
json_t *values_to_json(struct values *v, int index);

/* The text keys of a table, sorted; borrowed from the table, the caller frees the list. */
const char **values_keys(lua_State *L, int index, size_t *ret_count, size_t most);
/* The largest positive whole key: how many positions a table has, holes included. */
size_t values_positions(lua_State *L, int index);

#endif
