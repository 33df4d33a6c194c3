#ifndef REPORTS_GOOD_FILE_TEST_H
#define REPORTS_GOOD_FILE_TEST_H

/* What a test wrote against the file that holds it as it must be. */

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD_FILE_MOST ((size_t)4 << 20)

/* UPDATE_GOOD=1 in the environment writes the file anew: look at the difference. */
static inline void good_file_is(const char *path, const char *text)
{
    char *good = check_alloc(GOOD_FILE_MOST);
    if (getenv("UPDATE_GOOD") != NULL) {
        FILE *to = fopen(path, "wb");
        assert_non_null(to);
        assert_true(fputs(text, to) >= 0);
        assert_int_equal(fclose(to), 0);
    }
    FILE *from = fopen(path, "rb");
    assert_non_null(from);
    good[fread(good, 1, GOOD_FILE_MOST - 1, from)] = '\0';
    fclose(from);
    if (strcmp(text, good) != 0)
        fail_msg("it differs from %s; UPDATE_GOOD=1 writes it anew", path);
    free(good);
}

#endif
