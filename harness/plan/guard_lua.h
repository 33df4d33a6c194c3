#ifndef PLAN_GUARD_LUA_H
#define PLAN_GUARD_LUA_H

/* `plan --as lua`: guards, probes and notify as a suite again. */

#include "plan/plan.h"

void guards_print_lua(const struct scenario *s, struct text *to);

#endif
