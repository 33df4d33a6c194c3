#include "plan/human.h"

#include "base/check.h"
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *human_kind_name(enum human_kind kind)
{
    static const char *const names[] = {"approval", "await", "expect"};
    return names[kind];
}

/* Without the spaces at both ends. */
static size_t trim(const char **text)
{
    while (**text == ' ' || **text == '\t')
        (*text)++;
    size_t len = strlen(*text);
    while (len > 0 && ((*text)[len - 1] == ' ' || (*text)[len - 1] == '\t'))
        len--;
    return len;
}

const char *human_yes_or_no(const char *answer)
{
    static const struct {
        const char *said, *means;
    } words[] = {{"yes", "yes"}, {"y", "yes"}, {"no", "no"}, {"n", "no"}};
    size_t len = trim(&answer);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strlen(words[i].said) == len && strncasecmp(words[i].said, answer, len) == 0)
            return words[i].means;
    return NULL;
}

bool human_expects_yes_or_no(const char *answer)
{
    return strcasecmp(answer, "yes") == 0 || strcasecmp(answer, "no") == 0;
}

bool human_matches(const char *expected, const char *answer)
{
    size_t want = trim(&expected), have = trim(&answer);
    return want == have && strncasecmp(expected, answer, want) == 0;
}

bool human_name_is_good(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > HUMAN_NAME_MOST)
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr(".-_@+", *c) == NULL)
            return false;
    return true;
}

static const char *way_of(const char *channel)
{
    static const struct {
        const char *channel, *way;
    } ways[] = {{"terminal", "on the terminal"},
                {"socket", "by meshproof answer"},
                {"page", "on the page"},
                {"--yes", "by --yes"}};
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        if (strcmp(ways[i].channel, channel) == 0)
            return ways[i].way;
    return "";
}

void human_print_when(uint64_t wall_ns, const char *channel, char to[HUMAN_WHEN_BYTES])
{
    unsigned s = (unsigned)(wall_ns / NS_PER_S % 86400);
    snprintf(to, HUMAN_WHEN_BYTES, "%02u:%02u:%02u UTC %s", s / 3600, s / 60 % 60, s % 60,
             way_of(channel));
}
