#ifndef LUA_MODULE_H
#define LUA_MODULE_H

/* `require` of a suite: files below its own folder, each once, with the same words; and std/. */

#include "lua/state.h"

void module_define(lua_State *L);
/* The file is in the folder ("": the working folder), or below it, wherever links lead. */
bool module_is_below(const char *folder, const char *path);

#endif
