#include "verify/verdict.h"

#include "base/clock.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#define TEXT_MOST 1024

PRINTF_LIST(2)
static const char *printed(struct arena *arena, const char *format, va_list arguments)
{
    char text[TEXT_MOST];
    vsnprintf(text, sizeof(text), format, arguments);
    return arena_strdup(arena, text);
}

void verdict_pass(struct verdict *v, struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    v->kind = VERDICT_PASS;
    v->why = WHY_NONE;
    v->text = printed(arena, format, arguments);
    va_end(arguments);
}

void verdict_fail(struct verdict *v, struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    v->kind = VERDICT_FAIL;
    v->why = WHY_NONE;
    v->text = printed(arena, format, arguments);
    va_end(arguments);
}

void verdict_open(struct verdict *v, enum why why, struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    v->kind = VERDICT_INCONCLUSIVE;
    v->why = why;
    v->text = printed(arena, format, arguments);
    va_end(arguments);
}

void verdict_policy(struct verdict *v, const struct value *value, struct arena *arena,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (value != NULL) {
        v->policy_line = value->source;
        v->policy_origin = value->origin;
    }
    v->policy = printed(arena, format, arguments);
    va_end(arguments);
}

enum verdict_kind verdict_worse(enum verdict_kind a, enum verdict_kind b)
{
    static const int rank[] = {[VERDICT_PASS] = 1,
                               [VERDICT_INCONCLUSIVE] = 2,
                               [VERDICT_FAIL] = 3,
                               [VERDICT_NOT_APPLICABLE] = 0};
    return rank[a] >= rank[b] ? a : b;
}

const char *verdict_excludes(uint64_t n, struct arena *arena)
{
    if (n == 0)
        return NULL;
    double share = 100 * (1 - pow(0.001, 1 / (double)n));
    return arena_printf(arena, "excludes any defect on more than %.*f %% of cases",
                        share < 10 ? 1 : 0, share);
}

const char *verdict_span(uint64_t ns, char *to, size_t size)
{
    if (ns < 10 * NS_PER_S)
        snprintf(to, size, "%llu ms", (unsigned long long)((ns + NS_PER_MS / 2) / NS_PER_MS));
    else
        snprintf(to, size, "%.1f s", (double)ns / (double)NS_PER_S);
    return to;
}

const char *verdict_range(uint64_t least_ns, uint64_t most_ns, char *to, size_t size)
{
    unsigned long long least = (least_ns + NS_PER_MS / 2) / NS_PER_MS,
                       most = (most_ns + NS_PER_MS / 2) / NS_PER_MS;
    if (most_ns >= 10 * NS_PER_S)
        snprintf(to, size, "%.1f..%.1f s", (double)least_ns / (double)NS_PER_S,
                 (double)most_ns / (double)NS_PER_S);
    else if (least == most)
        snprintf(to, size, "%llu ms", least);
    else
        snprintf(to, size, "%llu..%llu ms", least, most);
    return to;
}

void extent_add(struct extent *e, uint64_t value)
{
    if (e->count == 0 || value < e->least)
        e->least = value;
    if (e->count == 0 || value > e->most)
        e->most = value;
    e->count++;
}
