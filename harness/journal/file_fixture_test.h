#ifndef JOURNAL_FILE_FIXTURE_TEST_H
#define JOURNAL_FILE_FIXTURE_TEST_H

/* A folder of its own for each test, with the path of a journal in it. What SQLite leaves beside it
 * goes too; anything else that is left fails the test. */

#include "base/error.h"

#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct place {
    char folder[64], path[96];
};

static inline int setup(void **state)
{
    struct place *p = check_alloc_zero(1, sizeof(*p));
    snprintf(p->folder, sizeof(p->folder), "/tmp/meshproof-journal-XXXXXX");
    if (mkdtemp(p->folder) == NULL)
        return -1;
    snprintf(p->path, sizeof(p->path), "%s/run.db", p->folder);
    *state = p;
    return 0;
}

static inline int teardown(void **state)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        char file[128];
        snprintf(file, sizeof(file), "%s%s", p->path, tails[i]);
        unlink(file);
    }
    int rc = rmdir(p->folder);
    free(p);
    return rc;
}

static inline void ok(bool result, const struct error *err)
{
    if (!result)
        fail_msg("%s", err->text);
}

#endif
