#ifndef LUA_STATE_H
#define LUA_STATE_H

/* What a suite is loaded in: the sandbox of script/script.h with the limits of a load, and errors
 * as sentences about lines of the suite, all of one file where it can go on. It knows no words. */

#include "plan/errors.h"
#include "plan/plan.h"
#include "script/script.h"

#define STATE_BYTES_MOST ((size_t)64 << 20)
#define STATE_INSTRUCTIONS_MOST UINT64_C(50000000)
#define STATE_TIME_MOST_NS (UINT64_C(5) * 1000000000)
#define STATE_FILE_BYTES_MOST ((size_t)1 << 20)

struct state {
    struct script script;
    lua_State *L;          /* the script's */
    struct plan *plan;     /* its arena keeps file names */
    struct errors *errors; /* the caller's */
    const char *folder;    /* of the suite, with its slash, "" for the working folder */
    void *words;           /* of the layer above */
};

/* ${plan} and ${errors} outlive it. */
bool state_open(struct state *s, struct plan *plan, struct errors *errors, const char *folder);
void state_close(struct state *s);
struct state *state_of(lua_State *L);

/* Runs the file ${path} as a chunk with the environment, in protected mode, and leaves its one
 * value on the stack.
 * ${name} is what lines are marked with. False: the errors say why. */
bool state_run_file(struct state *s, const char *path, const char *name);
/* Calls ${f} with ${cookie} in protected mode: what it raises becomes an error. */
bool state_protect(struct state *s, lua_CFunction f, void *cookie);
/* Loads a file as a function on top of the stack; used by require too, from within Lua: raises. */
void state_load(lua_State *L, const char *path, const char *name);

/* The line of the nearest Lua function of a suite file, from the caller outwards. */
struct source state_source(lua_State *L);
/* Adds an error and goes on. */
void state_note(lua_State *L, struct source source, const char *format, ...) PRINTF(3, 4);
/* Adds an error and leaves the chunk. */
NORETURN void state_fail(lua_State *L, struct source source, const char *format, ...) PRINTF(3, 4);
/* Reads a file whole, and notes it among the plan's files; the caller frees. NULL: ${why} has the
 * words behind its name. */
char *state_read_file(struct plan *plan, const char *path, const char *name, size_t *ret_len,
                      char *why, size_t size);

#endif
