#include "base/error.h"

#include <stdarg.h>
#include <string.h>

#undef error_set
#undef error_at
#undef error_system

PRINTF_LIST(5)
static bool fill(struct error *err, struct source source, enum error_kind kind, int sys,
                 const char *format, va_list args)
{
    if (err == NULL || err->kind != ERROR_NONE)
        return false;
    err->kind = kind;
    err->sys = sys;
    err->source = source;
    vsnprintf(err->text, sizeof(err->text), format, args);
    return false;
}

bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, (struct source){0}, kind, 0, format, args);
    va_end(args);
    return false;
}

bool error_at(struct error *err, struct source source, enum error_kind kind, const char *format,
              ...)
{
    va_list args;
    va_start(args, format);
    fill(err, source, kind, 0, format, args);
    va_end(args);
    return false;
}

bool error_system(struct error *err, int sys, const char *format, ...)
{
    va_list args;
    char text[200];
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bool first = err != NULL && err->kind == ERROR_NONE;
    error_set(err, ERROR_SYSTEM, "%s: %s", text, strerror(sys));
    if (first)
        err->sys = sys;
    return false;
}

void error_prefix(struct error *err, const char *format, ...)
{
    va_list args;
    char old[sizeof(err->text)];
    if (err == NULL || err->kind == ERROR_NONE)
        return;
    memcpy(old, err->text, sizeof(old));
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(err->text))
        return;
    snprintf(err->text + n, sizeof(err->text) - (size_t)n, "%s", old);
}

size_t source_format(struct source source, bool with_column, char *to, size_t size)
{
    int n = 0;
    if (size > 0)
        to[0] = '\0';
    if (source.file == NULL)
        return 0;
    if (source.line == 0)
        n = snprintf(to, size, "%s", source.file);
    else if (!with_column || source.column == 0)
        n = snprintf(to, size, "%s:%u", source.file, source.line);
    else
        n = snprintf(to, size, "%s:%u:%u", source.file, source.line, source.column);
    return n < 0 ? 0 : (size_t)n;
}

size_t error_format(const struct error *err, char *to, size_t size)
{
    size_t n = source_format(err->source, true, to, size);
    if (n >= size)
        return n;
    int m = snprintf(to + n, size - n, "%s%s", n > 0 ? ": " : "", err->text);
    return m < 0 ? n : n + (size_t)m;
}
