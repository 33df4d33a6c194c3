#ifndef LUA_NODE_H
#define LUA_NODE_H

/* What a word returns: an opaque value that keeps the word, the line of its call and a copy of its
 * table, until the loader walks the tree (scenario.h). Words check nothing but their form; the
 * plan's rows check the rest. */

#include "lua/state.h"

enum node_kind {
    NODE_NOTHING, /* of a word in error: stands for nothing, so that one mistake is said once */
    NODE_SUITE,
    NODE_SCENARIO,
    NODE_FROM_POLICY,
    NODE_PHASE,
    NODE_FAULT,
    NODE_EXPECT,
    NODE_CERT,
    NODE_AWAIT,
    NODE_AT,
    NODE_DURING,
    NODE_GROUP,
    NODE_MESH,
    NODE_LAB,
    NODE_SERVICE,
    NODE_CALL,
    NODE_LOAD,
    NODE_GUARD,
    NODE_PROBE,
    NODE_NOTIFY,
    NODE_VALUE, /* policy.*: a number of the policy, read at plan time */
};

struct node {
    enum node_kind kind;
    const char *word; /* "abort", "open", "istio"; "" where the kind says all */
    struct source source;
};

/* NULL: the value at ${index} is no node. */
const struct node *node_at(lua_State *L, int index);
/* Pushes its table. */
void node_push_table(lua_State *L, int index);
/* Its first text ("name" of phase "name"); NULL: none. Lives as long as the node. */
const char *node_name(lua_State *L, int index);
/* "fault.abort", "phase": as an error names it. Returns ${to}. */
const char *node_label(const struct node *n, char *to, size_t size);

/* Defines all words in the environment. */
void node_define_words(lua_State *L);

#endif
