#include "cli/exception_file.h"

#include "base/clock.h"
#include "cli/small_file.h"

#include <time.h>

#define ARENA_MOST_BYTES ((size_t)64 << 20)

static bool read_today(const struct arguments *args, uint32_t *ret, struct error *err)
{
    const char *given = arguments_get(args, "today");
    time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
    struct tm tm;
    if (given != NULL)
        return exception_date_parse(given, ret) ||
               error_set(err, ERROR_USAGE,
                         "--today is \"%.40s\"; it must be a day such as 2026-12-31", given);
    gmtime_r(&now, &tm);
    *ret = (uint32_t)(tm.tm_year + 1900) * 10000 + (uint32_t)(tm.tm_mon + 1) * 100 +
           (uint32_t)tm.tm_mday;
    return true;
}

bool exception_file_read(const struct arguments *args, struct exception_file *ret,
                         struct error *err)
{
    const char *path = arguments_get(args, "exceptions");
    struct buffer b;
    *ret = (struct exception_file){0};
    arena_init(&ret->arena, ARENA_MOST_BYTES);
    if (!read_today(args, &ret->today, err))
        return false;
    if (path == NULL)
        return true;
    bool ok = small_file_read(path, &b, err) &&
              lint_exceptions_read(buffer_view(&b), path, &ret->arena, &ret->findings, err) &&
              exceptions_read(buffer_view(&b), path, &ret->arena, &ret->verdicts, err);
    buffer_release(&b);
    return ok;
}

void exception_file_release(struct exception_file *f)
{
    arena_release(&f->arena);
}

void exception_file_say(struct exception_file *f)
{
    for (size_t i = 0; i < f->verdicts.count; i++) {
        char mark[300];
        const char *said = exception_stale(&f->verdicts.rows[i], &f->arena);
        if (said == NULL)
            continue;
        source_format(f->verdicts.rows[i].entry.source, true, mark, sizeof(mark));
        fprintf(stderr, "%s: %s\n", mark, said);
    }
}
