#ifndef LUA_HOOK_STEP_H
#define LUA_HOOK_STEP_H

/* `fault.hook { use = "hooks/x.lua", with = {...} }` of a suite: the file is read beside the suite,
 * loaded once to check it, and its text goes into the step, so that a plan runs without it. */

#include "lua/build.h"

/* False: the errors say why. */
bool hook_step_fill(struct build *b, struct step *s);

#endif
