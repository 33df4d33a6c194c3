#include "cli/outcome.h"

#include "cli/run_find.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void keep(char *to, size_t size, const char *from)
{
    struct text t;
    text_init(&t, size);
    report_add_clean(&t, from);
    snprintf(to, size, "%s", text_get(&t));
    text_release(&t);
}

/* What a person looks at first: the first failure, else the first claim that stayed open. */
static void find_first(const struct judgement *g, char *to, size_t size)
{
    static const enum verdict_kind order[] = {VERDICT_FAIL, VERDICT_INCONCLUSIVE};
    to[0] = '\0';
    for (size_t k = 0; k < COUNT_OF(order); k++) {
        for (size_t i = 0; i < g->verdict_count; i++) {
            const struct judged *d = &g->verdicts[i];
            char line[512];
            if (!d->gates || d->verdict.kind != order[k])
                continue;
            snprintf(line, sizeof(line), "%s %s", d->claim->word, d->on);
            keep(to, size, line);
            return;
        }
    }
}

void outcome_begin(struct outcome *o, const char *run)
{
    keep(o->begun, sizeof(o->begun), run);
    if (!o->any)
        keep(o->run, sizeof(o->run), run);
}

void outcome_add(struct outcome *o, const struct report *report, const char *journal, int code)
{
    const struct judgement *g = report->judgement;
    bool worst = !o->any || (code != o->code && command_worse(code, o->code) == code);
    o->pass += g->pass;
    o->fail += g->fail;
    o->inconclusive += g->inconclusive;
    if (!worst)
        return;
    o->any = true;
    o->code = code;
    keep(o->run, sizeof(o->run), report_run_text(report->journal, "run"));
    keep(o->results, sizeof(o->results), journal);
    find_first(g, o->first, sizeof(o->first));
}

const char *outcome_word(int code)
{
    switch (code) {
    case EXIT_NOT_UNDONE:
        return "NOT-UNDONE";
    case EXIT_USAGE:
        return "USAGE";
    case EXIT_JOURNAL:
        return "JOURNAL";
    case EXIT_BUG:
        return "BUG";
    default:
        return report_outcome(code);
    }
}

void outcome_print(const struct outcome *o, int code, const char *why, struct text *to)
{
    char first[512];
    keep(first, sizeof(first), why != NULL ? why : o->first);
    json_t *j = json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:s, s:s}", "run", o->run, "verdict",
                          outcome_word(code), "exit", code, "pass", (json_int_t)o->pass, "fail",
                          (json_int_t)o->fail, "inconclusive", (json_int_t)o->inconclusive, "first",
                          first, "results", o->results);
    INVARIANT(j != NULL);
    char *line = json_dumps(j, JSON_COMPACT);
    text_add(to, "%s\n", line);
    INVARIANT(to->len <= TERMINATION_MOST_BYTES);
    free(line);
    json_decref(j);
}

static bool write_file(const char *path, const char *text, struct error *err)
{
    FILE *to = fopen(path, "we");
    if (to == NULL)
        return error_system(err, errno, "%s", path);
    bool ok = fputs(text, to) >= 0;
    return fclose(to) == 0 && ok ? true : error_system(err, errno, "%s", path);
}

/* In a pod the kubelet has made the file; elsewhere a device folder is nobody's to write in. */
static const char *message_path(const struct arguments *args)
{
    const char *given = arguments_get(args, "termination-log");
    if (given != NULL)
        return given;
    return getenv("MESHPROOF_POD") != NULL && access(TERMINATION_LOG, F_OK) == 0 ? TERMINATION_LOG
                                                                                 : NULL;
}

bool outcome_message(const struct outcome *o, const struct arguments *args, int code,
                     struct error *err)
{
    const char *message = message_path(args);
    struct outcome told = *o;
    struct text t;
    bool judged = o->any && o->code == code;
    if (message == NULL)
        return true;
    if (!judged) { /* it ended so by the suite that was not judged: the last */
        keep(told.run, sizeof(told.run), o->begun[0] != '\0' ? o->begun : o->run);
        told.results[0] = '\0';
    }
    text_init(&t, (size_t)2 * TERMINATION_MOST_BYTES);
    outcome_print(&told, code, judged ? NULL : command_first_said(), &t);
    bool ok = write_file(message, text_get(&t), err);
    text_release(&t);
    return ok;
}

int outcome_write(const struct outcome *o, const struct arguments *args, int code)
{
    const char *path = arguments_get(args, "verdict-file");
    struct error err = {0};
    char word[64];
    snprintf(word, sizeof(word), "%s\n", outcome_word(code));
    if (path != NULL && !write_file(path, word, &err))
        code = command_worse(command_fail(&err), code);
    err = (struct error){0};
    if (!outcome_message(o, args, code, &err))
        code = command_worse(command_fail(&err), code);
    return code;
}
