#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/* One error value for the whole house: what went wrong, and the line that the *user* wrote.
 *
 * A function that can fail is `bool f(..., struct error *err)`; it fills ${err} only when it
 * returns false. The first cause stays: error_set on a filled error changes nothing, so callers may
 * only put words before it (error_prefix). A sentence is lower case, without a full stop, and names
 * what was expected and what was found. Only cli prints errors. */

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum error_kind {
    ERROR_NONE,
    ERROR_USAGE,  /* the command line: exit 64 */
    ERROR_INPUT,  /* a file or a peer's bytes that we were told to read: exit 64 */
    ERROR_SYSTEM, /* the surroundings: exit 4 */
    ERROR_PEER,   /* a process that we talk to: exit 4 */
    ERROR_LIMIT,  /* a declared maximum was reached; the text names it: exit 64 */
};

/* Where the user wrote it. Lines and columns count from 1; 0 is "not known". ${file} is borrowed
 * and must outlive the mark (interned in the arena of what was read). */
struct source {
    const char *file;
    uint32_t line, column;
};

struct error {
    enum error_kind kind;
    int sys; /* errno, or 0 */
    struct source source;
    char text[256];
};

/* Each returns false, so that `return error_set(err, ...)` is the whole failure path. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF(3, 4);
bool error_at(struct error *err, struct source source, enum error_kind kind, const char *format,
              ...) PRINTF(4, 5);
/* ERROR_SYSTEM, with ": " and the text of ${sys} added. */
bool error_system(struct error *err, int sys, const char *format, ...) PRINTF(3, 4);
/* Puts the words before the text ("reading x.db: ..."). Does nothing to an empty error. */
void error_prefix(struct error *err, const char *format, ...) PRINTF(2, 3);
/* Writes "file:line:column: text" (as much of the mark as is known); returns the length. */
size_t error_format(const struct error *err, char *to, size_t size);
/* Writes "file:line" or "file:line:column", or nothing when the file is not known. */
size_t source_format(struct source source, bool with_column, char *to, size_t size);

/* clang's analyser sees one file at a time, so it would follow each failure path as a success. */
#ifdef __clang_analyzer__
#define error_set(...) ((void)error_set(__VA_ARGS__), false)
#define error_at(...) ((void)error_at(__VA_ARGS__), false)
#define error_system(...) ((void)error_system(__VA_ARGS__), false)
#endif

#endif
