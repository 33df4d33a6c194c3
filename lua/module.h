#ifndef LUA_MODULE_H
#define LUA_MODULE_H

/* `require` of a suite: files below its own folder, each once, with the same words; and std/. */

#include "lua/state.h"

void module_define(lua_State *L);

#endif
