#ifndef LUA_SUITE_FIXTURE_TEST_H
#define LUA_SUITE_FIXTURE_TEST_H

/* For the tests of suites: a folder for each program, and suites written into it. */

#include "lua/suite.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static inline const char *in_folder(const char *name, char *to, size_t size)
{
    snprintf(to, size, "%s/%s", folder, name);
    return to;
}

static inline void write_file(const char *name, const char *text)
{
    char path[700];
    FILE *f = fopen(in_folder(name, path, sizeof(path)), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* The first error as it is printed, with the folder left out; NULL: it loaded. */
static inline const char *first_error(const char *name, const char *const *sets, size_t set_count)
{
    static char text[700];
    char path[700];
    struct error errors[ERRORS_MOST];
    size_t count;
    struct plan *p;
    struct suite_options options = {sets, set_count};
    bool good = suite_load(in_folder(name, path, sizeof(path)), &options, &p, errors, &count);
    assert_int_equal(good, count == 0);
    if (good) {
        plan_free(p);
        return NULL;
    }
    error_format(&errors[0], text, sizeof(text));
    plan_free(p);
    size_t len = strlen(folder) + 1;
    for (char *at = strstr(text, folder); at != NULL; at = strstr(text, folder))
        memmove(at, at + len, strlen(at + len) + 1);
    return text;
}

struct golden {
    const char *name, *suite, *text;
};

static inline void check_golden(const struct golden *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_file(rows[i].name, rows[i].suite);
        const char *text = first_error(rows[i].name, NULL, 0);
        if (text == NULL)
            fail_msg("%s loaded", rows[i].name);
        assert_string_equal(text, rows[i].text);
    }
}

#define EDGE "on = \"a -> b\""

#define WHOLE \
    "mesh = mesh.istio { policy = { \"k8s/\", \"/etc/x.yaml\" }, version = \"1.31\" },\n" \
    "lab = lab { service \"a\" { endpoints = 2, calls = { call \"b\" { timeout = \"3s\", retries " \
    "= 1, " \
    "breaker = { failures = 5, open = \"10s\" }, fallback = { status = 200, body = \"cached\" } " \
    "} } }, " \
    "service \"b\" { endpoints = 3, work = \"8ms\", body = \"4KiB\" } },\n" \
    "load = { load.open { on = \"client -> a\", rate = \"enough\", headers = { [\"x-a\"] = " \
    "\"{uuid}\" }, " \
    "tagged = { [\"f1:503\"] = 10 } }, load.closed { on = \"client -> b\", users = 1, body = " \
    "\"hi\" } },\n"

static inline int make_folder(void **unused)
{
    (void)unused;
    snprintf(folder, sizeof(folder), "/tmp/suite_test_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static inline int remove_folder(void **unused)
{
    static const char *const patterns[] = {"lib/*", "lib", "hooks/*", "hooks", "*"};
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        char pattern[128];
        glob_t found;
        snprintf(pattern, sizeof(pattern), "%s/%s", folder, patterns[i]);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t j = 0; j < found.gl_pathc; j++)
            remove(found.gl_pathv[j]);
        globfree(&found);
    }
    return rmdir(folder);
}

#endif
