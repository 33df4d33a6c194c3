#ifndef LUA_HOOK_ENGINE_H
#define LUA_HOOK_ENGINE_H

/* The runtime of hooks in Lua, for whoever arms faults (faults/hook.h). */

#include "faults/hook.h"

extern const struct hook_engine hook_engine_lua;

/* The words of suites and of hooks as a file for editors (LuaLS: ---@meta): meta.c. */
struct text;
void meta_print(struct text *to);

#endif
