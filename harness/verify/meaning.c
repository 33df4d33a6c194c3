#include "verify/meaning.h"

#include "base/check.h"

#include <stdbool.h>
#include <string.h>

enum meaning_kind { BY_NAME, BY_LABEL };
struct meaning_row {
    const char *name, *label;
    enum meaning meaning;
    enum meaning_kind kind;
};
#define MEANING_STATUS MEANING_STATUS_1XX
#define MEANING_TRY MEANING_TRY_1XX
static const struct meaning_row rows[] = {
#define COUNTER(meaning, name) {name, NULL, MEANING_##meaning, BY_NAME},
#define BY_CLASS(meaning, name, label) {name, label, MEANING_##meaning, BY_LABEL},
#include "verify/metrics.def"
#undef COUNTER
#undef BY_CLASS
};

/* The value of a label, with quotes; NULL: it has none. */
static const char *label_of(const char *labels, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = labels; (at = strstr(at, name)) != NULL; at += len)
        if ((at == labels || at[-1] == ',') && at[len] == '=' && at[len + 1] == '"')
            return at + len + 2;
    return NULL;
}

unsigned meaning_row(const char *name)
{
    for (unsigned i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return i + 1;
    return 0;
}

enum meaning meaning_by(unsigned row, const char *labels)
{
    if (row == 0)
        return MEANINGS;
    const struct meaning_row *m = &rows[row - 1];
    if (m->kind == BY_NAME)
        return m->meaning;
    const char *value = label_of(labels, m->label);
    bool status = value != NULL && value[0] >= '1' && value[0] <= '0' + METRICS_CLASSES;
    if (status)
        return (enum meaning)((int)m->meaning + (value[0] - '1'));
    return m->meaning == MEANING_TRY ? MEANING_TRY_NONE : MEANINGS;
}

enum meaning meaning_of(const char *name, const char *labels)
{
    return meaning_by(meaning_row(name), labels);
}
