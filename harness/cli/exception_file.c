#include "cli/exception_file.h"

#include "base/clock.h"
#include "cli/small_file.h"

#define ARENA_MOST_BYTES ((size_t)64 << 20)

static bool read_today(const struct arguments *args, uint32_t *ret, struct error *err)
{
    const char *given = arguments_get(args, "today");
    if (given != NULL)
        return exception_date_parse(given, ret) ||
               error_set(err, ERROR_USAGE,
                         "--today is \"%.40s\"; it must be a day such as 2026-12-31", given);
    *ret = exception_date_of(clock_wall_ns() / NS_PER_S);
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

/* NULL: the scenario has none, or, with an error, one that is no such file. */
static struct exception_part *part_of(struct exception_file *f, const struct scenario *s,
                                      struct error *err)
{
    if (s->exceptions == NULL || s->exceptions_yaml == NULL)
        return NULL;
    for (size_t i = 0; i < f->part_count; i++)
        if (strcmp(f->parts[i].path, s->exceptions) == 0 &&
            strcmp(f->parts[i].yaml, s->exceptions_yaml) == 0)
            return &f->parts[i];
    if (f->part_count == EXCEPTION_FILES_MOST) {
        error_set(err, ERROR_LIMIT, "more than the %d files of exceptions allowed in a run",
                  EXCEPTION_FILES_MOST);
        return NULL;
    }
    struct exception_part *p = &f->parts[f->part_count];
    *p = (struct exception_part){.path = arena_strdup(&f->arena, s->exceptions),
                                 .yaml = arena_strdup(&f->arena, s->exceptions_yaml)};
    if (!lint_exceptions_read(bytes_of(p->yaml), p->path, &f->arena, &p->findings, err) ||
        !exceptions_read(bytes_of(p->yaml), p->path, &f->arena, &p->verdicts, err))
        return NULL;
    f->part_count++;
    return p;
}

bool exception_file_keep(struct scenario *s, struct arena *arena, struct error *err)
{
    struct lint_exceptions findings;
    struct exceptions verdicts;
    struct buffer b;
    if (s->exceptions == NULL)
        return true;
    bool ok = small_file_read(s->exceptions, &b, err) &&
              lint_exceptions_read(buffer_view(&b), s->exceptions, arena, &findings, err) &&
              exceptions_read(buffer_view(&b), s->exceptions, arena, &verdicts, err);
    if (ok)
        s->exceptions_yaml =
            arena_strndup(arena, (const char *)buffer_view(&b).at, buffer_view(&b).len);
    buffer_release(&b);
    return ok;
}

bool exception_file_join(struct exception_file *f, const struct scenario *s, struct error *err)
{
    size_t known = f->part_count;
    struct error wrong = {0};
    const struct exception_part *p = part_of(f, s, &wrong);
    if (wrong.kind != ERROR_NONE) {
        *err = wrong;
        return false;
    }
    if (p == NULL || f->part_count == known)
        return true;
    struct exception_entry *rows =
        ARENA_ARRAY(&f->arena, struct exception_entry, f->findings.count + p->findings.count + 1);
    for (size_t i = 0; i < f->findings.count; i++)
        rows[i] = f->findings.rows[i];
    for (size_t i = 0; i < p->findings.count; i++)
        rows[f->findings.count++] = p->findings.rows[i];
    f->findings.rows = rows;
    return true;
}

bool exception_file_findings(struct exception_file *f, const struct scenario *s,
                             struct lint_exceptions *ret, struct error *err)
{
    struct error wrong = {0};
    const struct exception_part *p = part_of(f, s, &wrong);
    *ret = f->findings;
    if (wrong.kind != ERROR_NONE && err != NULL)
        *err = wrong;
    if (p == NULL)
        return wrong.kind == ERROR_NONE;
    ret->rows =
        ARENA_ARRAY(&f->arena, struct exception_entry, f->findings.count + p->findings.count + 1);
    for (size_t i = 0; i < f->findings.count; i++)
        ret->rows[i] = f->findings.rows[i];
    for (size_t i = 0; i < p->findings.count; i++)
        ret->rows[ret->count++] = p->findings.rows[i];
    return true;
}

bool exception_file_apply(struct exception_file *f, const struct plan *plan, struct judgement *g,
                          struct error *err)
{
    exceptions_apply(&f->verdicts, f->today, EXCEPTIONS_ALL, g);
    for (uint32_t i = 0; plan != NULL && i < plan->scenario_count; i++) {
        struct error wrong = {0};
        struct exception_part *p = part_of(f, &plan->scenarios[i], &wrong);
        if (p != NULL)
            exceptions_apply(&p->verdicts, f->today, i, g);
        if (wrong.kind == ERROR_NONE)
            continue;
        *err = wrong;
        return false;
    }
    return true;
}

static void say_stale(const struct exceptions *e, struct arena *arena)
{
    for (size_t i = 0; i < e->count; i++) {
        char mark[300];
        const char *said = exception_stale(&e->rows[i], arena);
        if (said == NULL)
            continue;
        source_format(e->rows[i].entry.source, true, mark, sizeof(mark));
        fprintf(stderr, "%s: %s\n", mark, said);
    }
}

void exception_file_say(struct exception_file *f)
{
    say_stale(&f->verdicts, &f->arena);
    for (size_t i = 0; i < f->part_count; i++)
        say_stale(&f->parts[i].verdicts, &f->arena);
}
