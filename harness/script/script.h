#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

/* A sandboxed Lua state (scenario-language.md 1.1 rules 1 and 2, reference/libraries.md 7): text
 * chunks only, a read-only environment, no I/O, no clock, no randomness, no patterns, and limits of
 * memory, instructions and time that no pcall swallows. It knows no words: suites and hooks put
 * theirs on top. Not a security border against the Lua library's own bugs. */

#include "base/bytes.h"

#include <lauxlib.h>
#include <lua.h>

enum script_stop { SCRIPT_GOES_ON, SCRIPT_INSTRUCTIONS, SCRIPT_MEMORY, SCRIPT_TIME };

struct script_config {
    const char *file_kind; /* "a hook file": where a word is looked for that is not there */
    size_t bytes_most;
    uint64_t instructions_most; /* between two script_begin */
    uint64_t time_most_ns;      /* of the thread's computing; 0: none */
    int count_every;            /* instructions between two looks at the limits */
    bool explains_patterns;     /* string.match and the like say what to use instead of being nil */
    /* Raises the sentence of the environment or of a library function; must not return. NULL: as a
     * Lua error with its line. */
    void (*fail)(lua_State *L, const char *sentence);
};

struct script {
    lua_State *L;
    struct script_config config;
    size_t used_bytes, refused_bytes, bytes_most; /* bytes_most: may be raised later */
    uint64_t instructions, deadline_ns;           /* of clock_thread_ns */
    enum script_stop stop;                        /* sticky: nothing runs in it any more */
    char stopped_file[200];
    uint32_t stopped_line; /* 0: not known */
};

/* With the libraries. False: not even they fit the limits. ${s} must not move while it is open. */
bool script_open(struct script *s, const struct script_config *config) WARN_UNUSED;
void script_close(struct script *s);
struct script *script_of(lua_State *L);

/* A new budget of instructions and time, before a call from outside. */
void script_begin(struct script *s);
/* Calls the function below its ${args} arguments with ${on_error} as message handler. The results,
 * or the handler's one value, are on top of the stack. Returns Lua's status; not LUA_OK too when a
 * limit was met that a pcall inside has swallowed. */
int script_call(struct script *s, int args, int results, lua_CFunction on_error);
/* Pushes the chunk as a function with the environment, or the parser's message: Lua's status.
 * ${name} marks its lines; "=NAME": its lines are never named. Bytecode is refused. From within a
 * protected call. */
int script_load(lua_State *L, struct bytes text, const char *name);
bool script_is_compiled(struct bytes text);

/* The line of the nearest Lua function, from the caller outwards. ${*ret_file} is Lua's. */
bool script_where(lua_State *L, const char **ret_file, uint32_t *ret_line);
/* "path:12: words" of Lua's own errors: where the words begin, and the line. */
const char *script_skip_mark(const char *text, uint32_t *ret_line);
NORETURN void script_fail(lua_State *L, const char *format, ...) PRINTF(2, 3);
/* A C function that works for long counts as so many instructions. */
void script_charge(lua_State *L, uint64_t instructions);
/* Defines a name of the environment: the value is on top of the stack, and popped. */
void script_define(lua_State *L, const char *name);
/* Puts a read-only stand-in for the table on top of the stack in its place. */
void script_lock(lua_State *L);

/* library.c: the allowed libraries, with what is unsafe or not repeatable replaced. */
void script_open_libraries(lua_State *L);

#endif
