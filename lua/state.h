#ifndef LUA_STATE_H
#define LUA_STATE_H

/* The sandbox that a suite is loaded in (scenario-language.md 1.1 rules 1 and 2): text chunks only,
 * a read-only environment, no I/O, no clock, no randomness, and three limits that no pcall
 * swallows. It knows no words; it is not a security border against the Lua library's own bugs
 * (reference/libraries.md 7). */

#include "plan/errors.h"
#include "plan/plan.h"

#include <lauxlib.h>
#include <lua.h>

#define STATE_BYTES_MOST ((size_t)64 << 20)
#define STATE_INSTRUCTIONS_MOST UINT64_C(50000000)
#define STATE_TIME_MOST_NS (UINT64_C(5) * 1000000000)
#define STATE_FILE_BYTES_MOST ((size_t)1 << 20)

enum stop { STOP_NONE, STOP_INSTRUCTIONS, STOP_MEMORY, STOP_TIME };

struct state {
    lua_State *L;
    struct plan *plan;     /* its arena keeps file names */
    struct errors *errors; /* the caller's */
    const char *folder;    /* of the suite, with its slash, "" for the working folder */
    size_t used_bytes, refused_bytes, bytes_most;
    uint64_t instructions, deadline_ns;
    enum stop stop;
    struct source stopped_at;
    void *words; /* of the layer above */
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
/* A C function that works for long counts as so many instructions. */
void state_charge(lua_State *L, uint64_t instructions);
/* Defines a name of the environment: the value is on top of the stack, and popped. */
void state_define(lua_State *L, const char *name);
/* Puts a read-only stand-in for the table on top of the stack in its place. */
void state_lock(lua_State *L);

/* library.c: the allowed libraries, with what is unsafe or not repeatable replaced. */
void library_open(lua_State *L);

#endif
