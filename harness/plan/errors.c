#include "plan/errors.h"

#include <stdarg.h>
#include <string.h>

static bool same_file(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool errors_take(struct errors *to, struct source source, const struct error *from)
{
    struct error e = *from;
    if (e.source.file == NULL)
        e.source = source;
    for (size_t i = 0; i < to->count; i++) {
        if (to->at[i].source.line == e.source.line && strcmp(to->at[i].text, e.text) == 0 &&
            same_file(to->at[i].source.file, e.source.file))
            return false;
    }
    if (to->count < to->most)
        to->at[to->count++] = e;
    return false;
}

bool errors_add(struct errors *to, struct source source, enum error_kind kind, const char *format,
                ...)
{
    struct error e = {.kind = kind, .source = source};
    va_list args;
    va_start(args, format);
    vsnprintf(e.text, sizeof(e.text), format, args);
    va_end(args);
    return errors_take(to, source, &e);
}

static size_t first_of_file(const struct errors *e, const char *file)
{
    for (size_t i = 0; i < e->count; i++) {
        if (same_file(e->at[i].source.file, file))
            return i;
    }
    return e->count;
}

/* Insertion sort: at most ERRORS_MOST entries, and equal lines keep their order. */
void errors_sort(struct errors *e)
{
    size_t order[ERRORS_MOST];
    for (size_t i = 0; i < e->count && i < ERRORS_MOST; i++)
        order[i] = first_of_file(e, e->at[i].source.file);
    for (size_t i = 1; i < e->count && i < ERRORS_MOST; i++) {
        struct error moved = e->at[i];
        size_t moved_order = order[i], j = i;
        while (j > 0 &&
               (order[j - 1] > moved_order ||
                (order[j - 1] == moved_order && e->at[j - 1].source.line > moved.source.line))) {
            e->at[j] = e->at[j - 1];
            order[j] = order[j - 1];
            j--;
        }
        e->at[j] = moved;
        order[j] = moved_order;
    }
}
