#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: our bug: %s\n", file, line, text);
    abort();
}

static void *not_null(void *at)
{
    if (at == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return at;
}

void *check_alloc(size_t bytes)
{
    return not_null(malloc(bytes == 0 ? 1 : bytes));
}

void *check_alloc_zero(size_t count, size_t bytes)
{
    return not_null(calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes));
}

void *check_realloc(void *at, size_t bytes)
{
    return not_null(realloc(at, bytes == 0 ? 1 : bytes));
}

char *check_strdup(const char *text)
{
    return not_null(strdup(text));
}
