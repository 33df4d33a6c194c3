#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/* Checks on ourselves, always on. INVARIANT is for what only our own bug can break, never for data
 * from a peer or a file; it prints and aborts, and the guardian or the agents' end of file undoes.
 */

#include <stddef.h>

#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
/* For one that takes a va_list. */
#define PRINTF_LIST(format_index) __attribute__((format(printf, format_index, 0)))
#define NORETURN __attribute__((noreturn))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define INVARIANT(condition) \
    do { \
        if (!(condition)) \
            check_failed(__FILE__, __LINE__, #condition); \
    } while (0)

#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

/* Prints "FILE:LINE: our bug: TEXT" to stderr and aborts. */
NORETURN void check_failed(const char *file, int line, const char *text);

/* Heap that cannot fail: out of memory ends the process (ADR 0004), so no caller has an OOM path.
 */
void *check_alloc(size_t bytes);
void *check_alloc_zero(size_t count, size_t bytes);
void *check_realloc(void *at, size_t bytes);
char *check_strdup(const char *text);

#endif
