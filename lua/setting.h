#ifndef LUA_SETTING_H
#define LUA_SETTING_H

/* `param "rate" { default = "200/s" }` and --set rate=300/s (scenario-language.md 1.9). */

#include "lua/state.h"
#include "lua/suite.h"

/* What the words need; ${state}->words points here while a suite loads. */
struct settings {
    const struct suite_options *options;
    bool used[64];  /* of options->sets */
    json_t *listed; /* [{name, default, value, help, oneof, where}] */
};
#define SETTINGS_MOST 64

void setting_define(lua_State *L);
/* After the load: names that no param has. */
void setting_check_used(struct state *s);

#endif
