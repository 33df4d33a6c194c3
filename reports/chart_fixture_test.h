#ifndef REPORTS_CHART_FIXTURE_TEST_H
#define REPORTS_CHART_FIXTURE_TEST_H

/* For the tests of charts: one chart of a judged journal as text, and whether it is well formed. */

#include "reports/chart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the chart wrote, "" when it is left out; the caller's to free. */
static inline char *chart_of(const struct report *report, const char *name, unsigned coarse,
                             struct chart_note *note)
{
    size_t count;
    const struct chart *all = charts_all(&count);
    for (size_t i = 0; i < count; i++) {
        struct text text;
        struct svg svg = {.to = &text, .id = name, .coarse = coarse};
        struct error err = {0};
        if (strcmp(all[i].name, name) != 0)
            continue;
        text_init(&text, (size_t)16 * 1024 * 1024);
        *note = (struct chart_note){0};
        if (!all[i].write(report, &svg, note, &err))
            fail_msg("%s: %s", name, err.text);
        assert_false(text.full);
        assert_true(note->text[0] != '\0');
        if (note->left_out)
            text_clear(&text);
        char *copy = check_strdup(text_get(&text));
        text_release(&text);
        return copy;
    }
    fail_msg("there is no chart %s", name);
    return NULL;
}

/* `onclick="..."`: a word that begins with "on" and is an attribute. */
static inline bool chart_handles(const char *tag, const char *end)
{
    for (const char *at = tag; at + 3 < end; at++)
        if (strncmp(at, " on", 3) == 0 &&
            strncmp(at + 3 + strspn(at + 3, "abcdefghijklmnopqrstuvwxyz"), "=\"", 2) == 0)
            return true;
    return false;
}

/* Tags are closed in order, attributes are quoted, and nothing styles or handles by itself. */
static inline void chart_is_sound(const char *text)
{
    char open[64][16];
    size_t depth = 0;
    assert_null(strstr(text, " style="));

    assert_null(strstr(text, "<script"));
    for (const char *at = strchr(text, '<'); at != NULL; at = strchr(at, '<')) {
        const char *end = strchr(at, '>');
        char name[16] = "";
        assert_non_null(end);
        bool closes = at[1] == '/', empty = end[-1] == '/';
        size_t len = strcspn(at + 1 + closes, " />");
        assert_true(len > 0 && len < sizeof(name));
        memcpy(name, at + 1 + closes, len);
        assert_false(chart_handles(at, end));
        size_t quotes = 0;
        for (const char *c = at; c < end; c++)
            quotes += *c == '"';
        assert_true(quotes % 2 == 0);
        if (closes) {
            if (depth == 0 || strcmp(open[--depth], name) != 0)
                fail_msg("</%s> closes nothing", name);
        } else if (!empty && strcmp(name, "wbr") != 0) {
            assert_true(depth < 64);
            memcpy(open[depth++], name, sizeof(name));
        }
        at = end;
    }
    assert_int_equal(depth, 0);
}

static inline size_t chart_count(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

static inline void chart_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in %s", part, text);
}

#endif
